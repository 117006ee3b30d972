//! What the tests, the benches and the tools see of the library, which has no other interface:
//! tables and limits that a page or a test must agree with, and the inner loops for the clock.
//! Not for use by anybody else.

use crate::maildir::{Config, Dir, Findings, Mode, Store, scan};
use crate::mime::envelope::{self, AddressField};
use crate::mime::structure::{self, StructureLimits};
use crate::mime::{header, wire_form};
use crate::wire::connection::MemoryConnection;
use crate::wire::{Io, Token};
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

/// Every environment variable that is read.
pub const VARIABLES: &[&str] = crate::session::options::VARIABLES;
/// Those of Courier's that are read and have no effect.
pub const WITHOUT_EFFECT: &[(&str, &str)] = crate::session::options::WITHOUT_EFFECT;
/// The longest line of the log, in bytes.
pub const LOG_LINE: usize = crate::sys::log::MAX_LINE;
/// So many faults of a session are in the log.
pub const LOG_FAULTS: usize = crate::session::logging::MAX_FAULTS;
/// The longest path in a line of the log, in bytes.
pub const LOG_PATH: usize = crate::sys::log::MAX_PATH;
/// The longest other value in a line of the log, in bytes.
pub const LOG_VALUE: usize = crate::sys::log::MAX_VALUE;
/// How long a client may take for the last lines of a session.
pub const GRACE: Duration = crate::wire::output::GRACE;
/// How long a client may read nothing.
pub const STALL: Duration = crate::wire::output::STALL;

/// What a client or the author of a mail may fill: what is limited, and to how much.
pub const LIMITS: &[(&str, usize)] = crate::types::limits::ALL;

/// The commands of the table, and whether each has a UID form.
pub fn commands() -> Vec<(&'static str, bool)> {
    crate::commands::TABLE.iter().map(|row| (row.name, row.policy.uid)).collect()
}

/// The capabilities that Courier does not have.
pub fn extensions() -> Vec<&'static str> {
    crate::commands::extensions()
}

/// Those of them that need other capabilities, with what they need.
pub fn needs() -> Vec<(&'static str, &'static [&'static str])> {
    crate::commands::needs()
}

/// How many tokens there are in these command lines.
pub fn tokens(text: &[u8]) -> usize {
    let mut io = Io::new(Box::new(MemoryConnection::new(text, 0)));
    let mut count = 0;
    loop {
        io.begin_line();
        loop {
            match io.token() {
                Ok(Token::Eol) => break,
                Ok(_) => count += 1,
                Err(_) => return count,
            }
        }
    }
}

/// Finds the parts of a message.
pub fn structure(message: &[u8]) {
    black_box(structure::parse(message, StructureLimits::default()));
}

/// Appends the message with CRLF for LF.
pub fn to_wire(message: &[u8], out: &mut Vec<u8>) {
    wire_form::Converter::new().push(message, out);
}

/// The length of a message with CRLF for LF, in bytes.
pub fn wire_len(message: &[u8]) -> u64 {
    wire_form::wire_len(message, false)
}

/// The envelope of a header with all its lists; how many addresses there are.
pub fn addresses(header: &[u8]) -> usize {
    let e = envelope::envelope(header);
    let lists = [
        AddressField::From,
        AddressField::Sender,
        AddressField::ReplyTo,
        AddressField::To,
        AddressField::Cc,
        AddressField::Bcc,
    ];
    lists.into_iter().map(|list| e.addresses(list).map(black_box).count()).sum()
}

/// The length of these fields of a header, in bytes.
pub fn header_fields(header: &[u8], names: &[Vec<u8>]) -> usize {
    header::select(header, names).map(<[u8]>::len).sum()
}

/// Reads a folder, without syncing; how many messages it has.
///
/// # Errors
/// What the scan failed at.
pub fn scan(folder: &Path) -> Result<usize, String> {
    let store = Store::new(Config { fsync: false, ..Config::default() });
    let dir = Dir::at(folder.to_path_buf());
    let entered = dir.enter().map_err(|e| e.to_string())?;
    let scanned = scan::scan(&store, &entered, Mode::ReadWrite, None, Vec::new());
    scanned.map(|s| s.snapshot.messages.len()).map_err(|e| e.to_string())
}

/// The index of a folder in words, what is wrong with it, and what in it makes the next session do
/// more than it must.
///
/// # Errors
/// The folder cannot be opened.
pub fn index(folder: &Path) -> Result<(String, Vec<String>, Vec<String>), String> {
    let dir = Dir::at(folder.to_path_buf());
    let entered = dir.enter().map_err(|e| e.to_string())?;
    let Findings { text, faults, notes } = crate::maildir::inspect_index(&entered);
    Ok((text, faults, notes))
}
