//! Arguments that several commands share.

use crate::maildir::Messages;
use crate::session::{Error, Result, Session};
use crate::types::Uid;
use crate::types::folder::{FolderName, NameError};
use crate::wire::{Set, Token};

/// What a client wrote where a folder's name belongs: kept as written until a handler says what
/// each fault is answered with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mailbox(pub(crate) Vec<u8>);

impl Mailbox {
    /// `mailbox`: an astring; anything else is `BAD Invalid command`, which is not counted
    /// (PROTOCOL 4.1).
    pub(crate) fn parse(s: &mut Session) -> Result<Mailbox> {
        match s.io.astring() {
            Ok(text) => Ok(Mailbox(text)),
            Err(crate::wire::Error::Syntax) => Err(Error::Invalid),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether it ends in the separator: such a name stands for a folder that is to have others
    /// below it (RFC 3501 6.3.3).
    pub(crate) fn ends_in_separator(&self) -> bool {
        self.0.ends_with(b".")
    }

    /// Without one separator at its end.
    pub(crate) fn without_separator(&self) -> Mailbox {
        Mailbox(self.0.strip_suffix(b".").unwrap_or(&self.0).to_vec())
    }

    /// The folder that it names.
    pub(crate) fn name(&self, s: &Session) -> std::result::Result<FolderName, NameError> {
        FolderName::from_wire(&self.0, s.utf8)
    }
}

/// `sequence-set`: an atom (PROTOCOL 6.1).
pub(crate) fn set(s: &mut Session) -> Result<Set> {
    match s.io.token()? {
        Token::Atom(text) => Set::parse(&text).ok_or(Error::Syntax),
        _ => Err(Error::Syntax),
    }
}

/// A command without arguments.
pub(crate) fn none(s: &mut Session) -> Result<()> {
    Ok(s.io.end_of_line()?)
}

/// A stretch of a message set, found in the open folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Piece {
    /// Messages by their places, from 0.
    Messages(std::ops::Range<usize>),
    /// A sequence number that names no message: `* NO Invalid message sequence number: <n>`, and
    /// the rest of its range is dropped (PROTOCOL 6.1). UIDs that name none are passed over without
    /// a word (RFC 3501 6.4.8).
    Invalid(u64),
}

/// The stretches of a set in the open folder, in the client's order, overlaps kept as Courier does.
pub(crate) fn pieces(set: &Set, uid: bool, messages: &Messages) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let count = messages.len();
    if uid {
        let last = count.checked_sub(1).and_then(|i| messages.uid(i)).map(Uid::get);
        for range in set.ranges(last) {
            let folder = |n: u64| {
                u32::try_from(n)
                    .map_or(Err(count), |n| Uid::new(n).map_or(Err(0), |u| messages.position(u)))
            };
            let from = folder(range.from).unwrap_or_else(|at| at);
            let to = folder(range.to).map_or_else(|at| at, |at| at + 1);
            if from < to {
                pieces.push(Piece::Messages(from..to));
            }
        }
        return pieces;
    }
    for range in set.ranges(u32::try_from(count).ok().filter(|n| *n > 0)) {
        if range.from == 0 || range.from > count as u64 {
            pieces.push(Piece::Invalid(range.from));
            continue;
        }
        let from = usize::try_from(range.from).unwrap_or(usize::MAX) - 1;
        let to = usize::try_from(range.to).unwrap_or(usize::MAX).min(count);
        pieces.push(Piece::Messages(from..to));
        if range.to > count as u64 {
            pieces.push(Piece::Invalid(count as u64 + 1));
        }
    }
    pieces
}

/// Writes the line for a sequence number that names no message.
pub(crate) fn invalid_number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(b"* NO Invalid message sequence number: ");
    crate::wire::write::number(out, n);
    out.extend_from_slice(b"\r\n");
}
