//! The wire: bytes in, tokens out; values in, bytes out. Never a file, so all of it can be tested
//! from memory.

pub(crate) mod connection;
mod deflate;
mod error;
mod head;
pub(crate) mod input;
pub(crate) mod io;
pub(crate) mod output;
pub(crate) mod set;
pub(crate) mod token;
pub(crate) mod write;

pub(crate) use error::{End, Error, Result};
pub(crate) use io::Io;
pub(crate) use set::Set;
pub(crate) use token::Token;
