//! The outcome of a command, and the only code that writes a tagged line.

use super::Session;
use crate::wire::{self, End};
use std::borrow::Cow;

/// A response code (RFC 3501 7.1), with who added it: ours go with `IMAP_EXTENSIONS=0`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    /// Courier sends it too.
    Courier(Cow<'static, str>),
    /// Added here.
    Added(&'static str),
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

    /// `OK <text>`, with the client's own bytes in it.
    pub(crate) fn ok_bytes(text: Vec<u8>) -> Outcome {
        Outcome { status: "OK", code: None, text: Cow::Owned(one_line(text)) }
    }

    /// `BAD <text>`
    pub(crate) fn bad(text: &'static str) -> Outcome {
        Outcome { status: "BAD", code: None, text: Cow::Borrowed(text.as_bytes()) }
    }

    /// With a code that Courier sends.
    pub(crate) fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Outcome {
        self.code = Some(Code::Courier(code.into()));
        self
    }

    /// With a code of ours.
    pub(crate) fn with_added_code(mut self, code: &'static str) -> Outcome {
        self.code = Some(Code::Added(code));
        self
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

/// A response text is one line, whatever name it repeats.
fn one_line(mut text: Vec<u8>) -> Vec<u8> {
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

impl From<wire::Error> for Error {
    fn from(error: wire::Error) -> Error {
        match error {
            wire::Error::Syntax => Error::Syntax,
            wire::Error::End(end) => Error::End(end),
        }
    }
}

impl Session {
    /// Writes the tagged line; `None` stands for a line without a usable tag.
    pub(crate) fn tagged(&mut self, tag: Option<&[u8]>, outcome: &Outcome) {
        let out = &mut self.io.out;
        out.extend_from_slice(tag.unwrap_or(b"*"));
        out.push(b' ');
        out.extend_from_slice(outcome.status.as_bytes());
        out.push(b' ');
        let code = match &outcome.code {
            Some(Code::Courier(code)) => Some(&**code),
            Some(Code::Added(code)) if self.options.extensions.are_on() => Some(*code),
            _ => None,
        };
        if let Some(code) = code {
            out.push(b'[');
            out.extend_from_slice(code.as_bytes());
            out.extend_from_slice(b"] ");
        }
        out.extend_from_slice(&outcome.text);
        out.extend_from_slice(b"\r\n");
        self.io.end_response();
    }
}
