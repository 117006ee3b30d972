//! Arguments that several commands share.

use super::{Call, capability};
use crate::maildir::Messages;
use crate::session::{Code, Error, Outcome, Result, Selected, Session};
use crate::types::folder::{self, FolderName, NameError};
use crate::types::{ModSeq, Page, Uid};
use crate::wire::input::Brackets;
use crate::wire::{self, Set, Token};
use std::borrow::Cow;

/// The refusal of a name outside of the rules (PROTOCOL 4.1).
pub(crate) fn invalid_name() -> Outcome {
    Outcome::no("Invalid mailbox name.").with_code(Code::Cannot)
}

/// What a client wrote where a folder's name belongs, in the one form in which it is echoed
/// (Courier: superfluous encodings are gone): modified UTF-7, UTF-8 under UTF8=ACCEPT. What has no
/// such form is kept as written, until a handler says what the fault is answered with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mailbox {
    pub(crate) shown: Vec<u8>,
    ends_in_separator: bool,
}

impl Mailbox {
    /// `mailbox`: an astring; anything else is `BAD Invalid command`, which is not counted
    /// (PROTOCOL 4.1).
    pub(crate) fn parse(s: &mut Session) -> Result<Mailbox> {
        let token = s.io.token_as(Brackets::Text);
        Mailbox::of(s, token)
    }

    /// The same from its first token, which was read as [`Brackets::Text`].
    pub(crate) fn of(s: &mut Session, token: wire::Result<Token>) -> Result<Mailbox> {
        match token.and_then(|token| s.io.text_of(token)) {
            Ok(wire) => {
                let text = folder::text_of_wire(&wire, s.utf8());
                let usual =
                    text.and_then(|text| folder::to_wire(&text, s.utf8()).map(Cow::into_owned));
                let ends_in_separator = wire.ends_with(b".");
                Ok(Mailbox { shown: usual.unwrap_or(wire), ends_in_separator })
            }
            Err(wire::Error::Syntax) => Err(Error::Invalid),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether it was written with the separator at its end: such a name stands for a folder that
    /// is to have others below it (RFC 3501 6.3.3).
    pub(crate) fn ends_in_separator(&self) -> bool {
        self.ends_in_separator
    }

    /// Without one separator at its end.
    pub(crate) fn without_separator(&self) -> Mailbox {
        let mut shown = self.shown.clone();
        if self.ends_in_separator {
            shown.pop();
        }
        Mailbox { ends_in_separator: false, shown }
    }

    /// The folder that it names.
    pub(crate) fn name(&self, s: &Session) -> std::result::Result<FolderName, NameError> {
        FolderName::from_wire(&self.shown, s.utf8())
    }

    /// The folder that it names, which need not be there. A name outside of the rules is refused
    /// (PROTOCOL 4.1).
    pub(crate) fn valid_name(&self, s: &Session) -> Result<FolderName> {
        self.name(s).map_err(|_| invalid_name().into())
    }
}

/// Messages, as a client names them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Which {
    /// By their numbers.
    Set(Set),
    /// `$`: what the last SEARCH with SAVE has found (RFC 5182).
    Found,
}

/// `sequence-set`: an atom (PROTOCOL 6.1).
pub(crate) fn set(s: &mut Session) -> Result<Which> {
    match s.io.token()? {
        // RFC 5182 3: `$` stands alone.
        Token::Atom(text) if text == b"$" && capability::is_offered(&s.options, "SEARCHRES") => {
            Ok(Which::Found)
        }
        Token::Atom(text) => Set::parse(&text).map(Which::Set).ok_or(Error::Syntax),
        _ => Err(Error::Syntax),
    }
}

/// `partial-range`, behind PARTIAL, of which there may be one in a command (RFC 9394 4).
pub(crate) fn page(s: &mut Session, before: Option<Page>) -> Result<Page> {
    if before.is_some() || !capability::is_offered(&s.options, "PARTIAL") {
        return Err(Error::Syntax);
    }
    match s.io.token()? {
        Token::Atom(text) => Page::parse(&text).ok_or(Error::Syntax),
        _ => Err(Error::Syntax),
    }
}

/// `mod-sequence-valzer` (RFC 7162 7)
pub(crate) fn mod_sequence(s: &mut Session) -> Result<u64> {
    s.io.token()?.number().filter(|n| *n <= ModSeq::MAX).ok_or(Error::Syntax)
}

/// At the end of a line that asks for modification sequences of the open folder: CONDSTORE is
/// enabled (RFC 7162 3.1), and a folder that has none is no folder to ask (3.1.2.2).
pub(crate) fn need_sequences(s: &mut Session) -> Result<()> {
    s.enable_condstore();
    match &s.selected {
        Some(selected) if selected.sequences().is_none() => {
            Outcome::bad("This mailbox has no modification sequences.").refuse()
        }
        _ => Ok(()),
    }
}

/// A command without arguments.
pub(crate) fn none(s: &mut Session, _: &Call<'_>) -> Result<()> {
    Ok(s.io.end_of_line()?)
}

/// A command that is refused whatever its arguments are: they are not read.
pub(crate) fn anything(_: &mut Session, _: &Call<'_>) -> Result<()> {
    Ok(())
}

/// `mailbox` and the end of the line.
pub(crate) fn mailbox(s: &mut Session, _: &Call<'_>) -> Result<Mailbox> {
    let mailbox = Mailbox::parse(s)?;
    s.io.end_of_line()?;
    Ok(mailbox)
}

/// A range of a message set, found in the open folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Span {
    /// Messages by their indices, from 0.
    Messages(std::ops::Range<usize>),
    /// A sequence number that names no message: `* NO Invalid message sequence number: <n>`, and
    /// the rest of its range is dropped (PROTOCOL 6.1). UIDs that name no message are passed over
    /// (RFC 3501 6.4.8).
    Invalid(u64),
}

impl Span {
    /// How many messages it names.
    fn len(&self) -> usize {
        match self {
            Span::Messages(range) => range.len(),
            Span::Invalid(_) => 0,
        }
    }
}

/// The ranges of a set in the open folder, in the client's order, no message twice.
pub(crate) fn spans(which: &Which, uid: bool, selected: &Selected) -> Vec<Span> {
    let messages = &selected.snapshot.messages;
    match which {
        Which::Set(set) if !uid => number_spans(set, messages.len()),
        Which::Set(set) => {
            let last = messages.len().checked_sub(1).and_then(|i| messages.uid(i)).map(Uid::get);
            uid_spans(set.ranges(last).iter().map(|range| (range.from, range.to)), messages)
        }
        // RFC 5182 2.1: sequence numbers or UIDs, whatever the command takes.
        Which::Found => {
            let wide = |(from, to)| (u64::from(from), u64::from(to));
            uid_spans(selected.found.iter().map(wide), messages)
        }
    }
}

/// How many messages these are.
pub(crate) fn count(spans: &[Span]) -> usize {
    let each = spans.iter().map(|span| match span {
        Span::Messages(range) => range.len(),
        Span::Invalid(_) => 0,
    });
    each.sum()
}

/// The messages whose UIDs lie in these ranges.
fn uid_spans(ranges: impl Iterator<Item = (u64, u64)>, messages: &Messages) -> Vec<Span> {
    let count = messages.len();
    // The index of a UID, or the index at which it would stand.
    let index = |n: u64| match u32::try_from(n) {
        Ok(n) => Uid::new(n).map_or(Err(0), |uid| messages.position(uid)),
        Err(_) => Err(count),
    };
    let mut spans = Vec::new();
    for (from, to) in ranges {
        let from = index(from).unwrap_or_else(|at| at);
        let to = index(to).map_or_else(|at| at, |at| at + 1);
        if from < to {
            spans.push(Span::Messages(from..to));
        }
    }
    spans
}

fn number_spans(set: &Set, count: usize) -> Vec<Span> {
    let mut spans = Vec::new();
    for range in set.ranges(u32::try_from(count).ok().filter(|n| *n > 0)) {
        if range.from == 0 || range.from > count as u64 {
            spans.push(Span::Invalid(range.from));
            continue;
        }
        let from = usize::try_from(range.from).unwrap_or(usize::MAX) - 1;
        let to = usize::try_from(range.to).unwrap_or(usize::MAX).min(count);
        spans.push(Span::Messages(from..to));
        if range.to > count as u64 {
            spans.push(Span::Invalid(count as u64 + 1));
        }
    }
    spans
}

/// The spans of the messages that are `wanted`.
pub(crate) fn only(spans: Vec<Span>, wanted: impl Fn(usize) -> bool) -> Vec<Span> {
    let mut left: Vec<Span> = Vec::new();
    for span in spans {
        match span {
            Span::Invalid(_) => left.push(span),
            Span::Messages(range) => {
                let mut from = None;
                for index in range.clone() {
                    match (wanted(index), from) {
                        (true, None) => from = Some(index),
                        (false, Some(start)) => {
                            left.push(Span::Messages(start..index));
                            from = None;
                        }
                        _ => {}
                    }
                }
                left.extend(from.map(|start| Span::Messages(start..range.end)));
            }
        }
    }
    left
}

/// The spans of a page of the messages, in the order of the folder (RFC 9394 3.3).
pub(crate) fn page_of(spans: Vec<Span>, page: Page) -> Vec<Span> {
    let (mut messages, mut spans) =
        spans.into_iter().partition::<Vec<Span>, _>(|span| matches!(span, Span::Messages(_)));
    messages.sort_unstable_by_key(|span| match span {
        Span::Messages(range) => range.start,
        Span::Invalid(_) => usize::MAX,
    });
    let count = messages.iter().map(Span::len).sum();
    let wanted = page.within(count);
    let mut at = 0usize;
    for span in messages {
        let Span::Messages(range) = span else { continue };
        let place = at..at.saturating_add(range.len());
        at = place.end;
        let from = wanted.start.clamp(place.start, place.end).saturating_sub(place.start);
        let to = wanted.end.clamp(place.start, place.end).saturating_sub(place.start);
        if from < to {
            let start = range.start;
            spans.push(Span::Messages(start.saturating_add(from)..start.saturating_add(to)));
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_spans() {
        let spans = || vec![Span::Messages(7..9), Span::Invalid(99), Span::Messages(0..3)];
        for (page, messages) in [
            ("1:2", &[(0, 2)][..]),
            ("3:4", &[(2, 3), (7, 8)]),
            ("-1:-3", &[(2, 3), (7, 9)]),
            ("-4:-9", &[(0, 2)]),
            ("6:9", &[]),
        ] {
            let page = Page::parse(page.as_bytes());
            let found = page.map(|page| page_of(spans(), page));
            let mut expected = vec![Span::Invalid(99)];
            expected.extend(messages.iter().map(|(from, to)| Span::Messages(*from..*to)));
            assert_eq!(found, Some(expected), "{page:?}");
        }
    }
}
