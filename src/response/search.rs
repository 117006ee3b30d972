//! SEARCH, SORT and THREAD (RFC 3501 7.2.5, RFC 5256 4).

use super::{Encoder, Untagged};

/// `SEARCH` or `SORT`: sequence numbers or UIDs, in order.
pub(crate) struct Numbers<'a> {
    /// `SEARCH` or `SORT`
    pub(crate) word: &'static str,
    /// The messages found.
    pub(crate) found: &'a [u32],
}

impl Untagged for Numbers<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw(self.word);
        for number in self.found {
            e.space().number(*number);
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
