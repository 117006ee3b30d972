//! SEARCH, ESEARCH, SORT and THREAD (RFC 3501 7.2.5, RFC 4466 2.6.2, RFC 5256 4).

use super::{Encoder, Untagged};
use crate::types::{ModSeq, Page, UidValidity};

/// `SEARCH` or `SORT`: sequence numbers or UIDs, in order.
pub(crate) struct Numbers<'a> {
    /// `SEARCH` or `SORT`
    pub(crate) word: &'static str,
    /// The messages found.
    pub(crate) found: &'a [u32],
    /// The greatest modification sequence of theirs, where the client asked for such (RFC 7162
    /// 3.1.6).
    pub(crate) sequence: Option<ModSeq>,
}

impl Untagged for Numbers<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw(self.word);
        for number in self.found {
            e.space().number(*number);
        }
        if let Some(sequence) = self.sequence {
            e.raw(" (MODSEQ ").number(sequence.get()).raw(")");
        }
    }
}

/// One `search-return-data` of ESEARCH.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Data<'a> {
    /// `MIN`: the first message.
    Min(u32),
    /// `MAX`: the last message.
    Max(u32),
    /// `COUNT`: how many.
    Count(usize),
    /// `ALL`: every message; not empty.
    All(&'a [u32]),
    /// `PARTIAL`: those of a page, if there are any (RFC 9394 3.1).
    Page(Page, &'a [u32]),
    /// `MODSEQ`: the greatest modification sequence of these (RFC 4731 3.2).
    ModSeq(ModSeq),
}

impl Data<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        match self {
            Data::Min(number) => e.raw(" MIN ").number(*number),
            Data::Max(number) => e.raw(" MAX ").number(*number),
            Data::Count(count) => e.raw(" COUNT ").number(*count as u64),
            Data::All(numbers) => e.raw(" ALL ").number_set(numbers.iter().copied()),
            Data::ModSeq(sequence) => e.raw(" MODSEQ ").number(sequence.get()),
            Data::Page(page, numbers) => {
                let sign = if page.from_last { "-" } else { "" };
                e.raw(" PARTIAL (").raw(sign).number(page.from).raw(":");
                e.raw(sign).number(page.to).space();
                if numbers.is_empty() {
                    e.raw("NIL");
                } else {
                    e.number_set(numbers.iter().copied());
                }
                e.raw(")")
            }
        };
    }
}

/// `ESEARCH`: what a client has asked for of a result (RFC 4466 2.6.2, RFC 4731).
pub(crate) struct Extended<'a> {
    /// The command that it belongs to.
    pub(crate) tag: &'a [u8],
    /// Whose result it is, where that is not the open folder's alone (RFC 7377 2.1).
    pub(crate) folder: Option<(&'a [u8], UidValidity)>,
    /// Whether its numbers are UIDs.
    pub(crate) uid: bool,
    /// What was asked for.
    pub(crate) data: &'a [Data<'a>],
}

impl Untagged for Extended<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("ESEARCH (TAG ").string(self.tag);
        if let Some((name, validity)) = self.folder {
            e.raw(" MAILBOX ").string(name).raw(" UIDVALIDITY ").number(validity.get());
        }
        e.raw(")");
        if self.uid {
            e.raw(" UID");
        }
        for data in self.data {
            data.write(e);
        }
    }
}

/// One step along the threads of a folder, as THREAD writes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// A list begins.
    Open,
    /// A message, by its sequence number or UID; not 0.
    Message(u32),
    /// A list ends.
    Close,
}

/// `THREAD`; nothing follows the word where there is no thread.
// RFC 5256 5: thread-data = "THREAD" [SP 1*thread-list]; Courier leaves a blank behind a bare
// THREAD.
pub(crate) struct Threads<'a>(pub(crate) &'a [Step]);

impl Untagged for Threads<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("THREAD");
        if !self.0.is_empty() {
            e.space();
        }
        let mut after_message = false;
        for step in self.0 {
            // thread-members: a message and what stands below it have a blank between them.
            if after_message && *step != Step::Close {
                e.space();
            }
            match step {
                Step::Open => e.raw("("),
                Step::Message(number) => e.number(*number),
                Step::Close => e.raw(")"),
            };
            after_message = matches!(step, Step::Message(_));
        }
    }
}
