//! GETMETADATA and SETMETADATA (RFC 5464): named values of folders and of the server.

mod get;
mod set;
mod special_use;

pub(super) use get::{Query, find, get, parse as parse_get, parse_return};
pub(super) use set::{parse as parse_set, set};

use super::args::Mailbox;
use crate::session::folder::Folder;
use crate::session::{Error, Result, Session};
use crate::types::EntryName;

/// `entry`: an invalid one is a syntax error (RFC 5464 3.2).
fn entry(text: &[u8]) -> Result<EntryName> {
    EntryName::parse(text).ok_or(Error::Syntax)
}

/// The folder that is meant, which the user may see; `None` for the server.
fn folder(s: &mut Session, mailbox: &Mailbox, command: &str) -> Result<Option<Folder>> {
    if mailbox.shown.is_empty() {
        return Ok(None);
    }
    let folder = s.locate(mailbox.name(s))?;
    s.require_annotations(&folder, command)?;
    Ok(Some(folder))
}
