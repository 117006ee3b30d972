//! The wire: bytes in, tokens out; values in, bytes out. Never a file, so all of it can be tested
//! from memory.

pub(crate) mod connection;
mod head;
pub(crate) mod input;
pub(crate) mod io;
pub(crate) mod set;
pub(crate) mod token;
pub(crate) mod write;

pub(crate) use io::Io;
pub(crate) use set::Set;
pub(crate) use token::{Literal, Token};

/// Why no more tokens come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The client closed the connection, or stopped reading for a minute (PROTOCOL 1.7).
    Closed,
    /// Nothing complete arrived in time.
    Inactive,
    /// SIGTERM, SIGHUP or SIGINT.
    Signal,
}

/// What can go wrong between the client's bytes and a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Error {
    /// The line does not follow the grammar; the rest of it is to be thrown away.
    Syntax,
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
