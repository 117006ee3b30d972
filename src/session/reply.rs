//! The outcome of a command, and the only code that writes a tagged line.

use super::Session;
use crate::mime::charset;
use crate::response::Encoder;
use crate::sys::breath::Interrupted;
use crate::types::{Uid, UidValidity};
use crate::wire::{self, End};
use std::borrow::Cow;

/// A response code of a tagged line (RFC 3501 7.1, RFC 4315 3, RFC 5530 3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    /// `TRYCREATE`
    TryCreate,
    /// `BADCHARSET`
    BadCharset,
    /// `READ-ONLY`
    ReadOnly,
    /// `READ-WRITE`
    ReadWrite,
    /// `APPENDUID`: the UIDVALIDITY of the folder, and the UID.
    AppendUid(UidValidity, Uid),
    /// `COPYUID`: the UIDVALIDITY of the target, the UIDs of the messages and of their copies.
    CopyUid(UidValidity, Vec<Uid>, Vec<Uid>),
    /// `INUSE`, which Courier does not send.
    InUse,
    /// `EXPUNGEISSUED`, which Courier does not send.
    ExpungeIssued,
    /// `LIMIT`, which Courier does not send.
    Limit,
    /// `UNKNOWN-CTE` (RFC 3516 4.3).
    UnknownCte,
}

impl Code {
    /// Whether it is an addition of ours, which goes with `IMAP_EXTENSIONS=0`.
    fn is_added(&self) -> bool {
        matches!(self, Code::InUse | Code::ExpungeIssued | Code::Limit)
    }

    fn write(&self, e: &mut Encoder<'_>) {
        match self {
            Code::TryCreate => e.raw("TRYCREATE"),
            Code::BadCharset => e.raw("BADCHARSET"),
            Code::ReadOnly => e.raw("READ-ONLY"),
            Code::ReadWrite => e.raw("READ-WRITE"),
            Code::AppendUid(validity, uid) => {
                e.raw("APPENDUID ").number(validity.get()).space().number(uid.get())
            }
            Code::CopyUid(validity, from, to) => {
                e.raw("COPYUID ").number(validity.get()).space();
                e.number_set(from.iter().map(|uid| uid.get())).space();
                e.number_set(to.iter().map(|uid| uid.get()))
            }
            Code::InUse => e.raw("INUSE"),
            Code::ExpungeIssued => e.raw("EXPUNGEISSUED"),
            Code::Limit => e.raw("LIMIT"),
            Code::UnknownCte => e.raw("UNKNOWN-CTE"),
        };
    }
}

/// The tagged answer of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    status: &'static str,
    code: Option<Code>,
    text: Cow<'static, [u8]>,
}

/// Ends a command early, or the session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Error {
    /// A protocol error: counted, and ten in a row end the session (PROTOCOL 1.6).
    Syntax,
    /// `BAD Invalid command`: not counted (PROTOCOL 1.5).
    Invalid,
    /// Refused; boxed, since it is rare and large.
    Refused(Box<Outcome>),
    /// The session ends with this text after `* BYE`, this log line after the user's name, and this
    /// status.
    Fatal(Box<Fatal>),
    /// The connection is over.
    End(End),
}

/// `* BYE [ALERT] Fatal error: <what>: <reason>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fatal {
    /// What was tried.
    pub(crate) what: String,
    /// The system's word on it, may be empty.
    pub(crate) reason: String,
}

/// What handlers return.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Outcome {
    /// `OK <text>`
    pub(crate) fn ok(text: impl Into<Cow<'static, str>>) -> Outcome {
        Outcome { status: "OK", code: None, text: bytes(text.into()) }
    }

    /// `NO <text>`
    pub(crate) fn no(text: impl Into<Cow<'static, str>>) -> Outcome {
        Outcome { status: "NO", code: None, text: bytes(text.into()) }
    }

    /// `NO <text>`, with the client's own bytes in it.
    pub(crate) fn no_bytes(text: Vec<u8>) -> Outcome {
        Outcome { status: "NO", code: None, text: Cow::Owned(one_line(text)) }
    }

    /// `OK "<name>" <text>`
    pub(crate) fn ok_named(name: &[u8], text: &str) -> Outcome {
        let mut whole = Vec::new();
        wire::write::string(&mut whole, name);
        whole.push(b' ');
        whole.extend_from_slice(text.as_bytes());
        Outcome { status: "OK", code: None, text: Cow::Owned(one_line(whole)) }
    }

    /// `BAD <text>`
    pub(crate) fn bad(text: &'static str) -> Outcome {
        Outcome { status: "BAD", code: None, text: Cow::Borrowed(text.as_bytes()) }
    }

    /// With a response code.
    pub(crate) fn with_code(mut self, code: Code) -> Outcome {
        self.code = Some(code);
        self
    }

    /// Whether it is `NO`.
    pub(crate) fn is_no(&self) -> bool {
        self.status == "NO"
    }

    /// As an error that ends the handler.
    pub(crate) fn refuse<T>(self) -> Result<T> {
        Err(self.into())
    }
}

fn bytes(text: Cow<'static, str>) -> Cow<'static, [u8]> {
    match text {
        Cow::Borrowed(t) => Cow::Borrowed(t.as_bytes()),
        Cow::Owned(t) => Cow::Owned(one_line(t.into_bytes())),
    }
}

/// A response text is one line of valid text, whatever name it repeats.
fn one_line(text: Vec<u8>) -> Vec<u8> {
    let mut text = charset::guess(&text).into_owned().into_bytes();
    text.iter_mut().filter(|b| matches!(**b, b'\r' | b'\n' | 0)).for_each(|b| *b = b'/');
    text
}

impl From<Outcome> for Error {
    fn from(outcome: Outcome) -> Error {
        Error::Refused(Box::new(outcome))
    }
}

impl From<End> for Error {
    fn from(end: End) -> Error {
        Error::End(end)
    }
}

impl From<Interrupted> for Error {
    fn from(why: Interrupted) -> Error {
        Error::End(why.into())
    }
}

impl From<wire::Error> for Error {
    fn from(error: wire::Error) -> Error {
        match error {
            wire::Error::Syntax => Error::Syntax,
            wire::Error::TooMany(text) => Outcome::bad(text).into(),
            wire::Error::End(end) => Error::End(end),
        }
    }
}

impl Session {
    /// Sends the tagged line; `None` stands for a line without a usable tag.
    pub(crate) fn tagged(&mut self, tag: Option<&[u8]>, outcome: &Outcome) {
        let additions = self.has_additions();
        let mut e = self.encoder();
        e.raw(tag.unwrap_or(b"*")).space().raw(outcome.status).space();
        if let Some(code) = outcome.code.as_ref().filter(|code| additions || !code.is_added()) {
            e.raw("[");
            code.write(&mut e);
            e.raw("] ");
        }
        e.raw(&outcome.text).raw("\r\n");
        self.io.end_response();
    }
}
