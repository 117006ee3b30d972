//! Why no token comes: the client's fault, or the end of the session. In a file of its own because
//! the connection, the queues and the tokenizer all return it.

use crate::sys::breath::Interrupted;

/// Why the session is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The client closed the connection, or stopped reading for a minute (PROTOCOL 1.7).
    Closed,
    /// The client sent nothing complete in time.
    Inactive,
    /// SIGTERM, SIGHUP or SIGINT.
    Signal,
    /// What the client sent is not compressed as it should be.
    Garbled,
}

impl From<Interrupted> for End {
    fn from(why: Interrupted) -> End {
        match why {
            Interrupted::Signal => End::Signal,
            Interrupted::HungUp => End::Closed,
        }
    }
}

/// What can go wrong between the client's bytes and a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Error {
    /// The line does not follow the grammar; the rest of it is to be skipped.
    Syntax,
    /// More of something than one command may hold; the answer's text.
    TooMany(&'static str),
    /// The session is over.
    End(End),
}

impl From<End> for Error {
    fn from(end: End) -> Error {
        Error::End(end)
    }
}

/// The result of reading.
pub(crate) type Result<T> = std::result::Result<T, Error>;
