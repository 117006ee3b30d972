//! Arguments that several commands share.

use crate::session::{Error, Result, Session};
use crate::types::folder::{FolderName, NameError};
use crate::wire::{Set, Token};

/// What a client wrote where a folder's name belongs: kept as written until a handler says what each fault is answered with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mailbox(pub Vec<u8>);

impl Mailbox {
    /// `mailbox`: an astring; anything else is `BAD Invalid command`, which is not counted (PROTOCOL 4.1).
    pub fn parse(s: &mut Session) -> Result<Mailbox> {
        match s.io.astring() {
            Ok(text) => Ok(Mailbox(text)),
            Err(crate::wire::Error::Syntax) => Err(Error::Invalid),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether it ends in the separator: such a name stands for a folder that is to have others below it (RFC 3501 6.3.3).
    pub fn ends_in_separator(&self) -> bool {
        self.0.ends_with(b".")
    }

    /// Without one separator at its end.
    pub fn without_separator(&self) -> Mailbox {
        Mailbox(self.0.strip_suffix(b".").unwrap_or(&self.0).to_vec())
    }

    /// The folder that it names.
    pub fn name(&self, s: &Session) -> std::result::Result<FolderName, NameError> {
        FolderName::from_wire(&self.0, s.utf8)
    }
}

/// `sequence-set`: an atom (PROTOCOL 6.1).
pub fn set(s: &mut Session) -> Result<Set> {
    match s.io.token()? {
        Token::Atom(text) => Set::parse(&text).ok_or(Error::Syntax),
        _ => Err(Error::Syntax),
    }
}

/// A command without arguments.
pub fn none(s: &mut Session) -> Result<()> {
    Ok(s.io.end_of_line()?)
}
