//! FETCH and UID FETCH (RFC 3501 6.4.5, PROTOCOL 5).
//!
//! A message may be gone when its turn comes: another session has expunged it, and this one must
//! not say so now (RFC 3501 7.4.1). Then the others are served all the same, nothing is made up for
//! the one that is missing (Courier sends a placeholder, which clients keep in their caches for
//! good), and the tagged line says NO (RFC 2180 4.1.2, RFC 5530 3).

mod bodystructure;
mod contents;
mod envelope;
mod items;
mod section;
mod serve;
#[cfg(test)]
mod tests;

pub(crate) use items::{Arguments, parse};

use super::Call;
use super::args::{self, Piece};
use crate::session::facts::Reader;
use crate::session::{Error, Fatal, Outcome, Result, Session};
use contents::Contents;
use serve::{Ended, Serving};
use std::io;

/// A message that cannot be read any further, with half of it told to the client: the session
/// cannot go on.
fn unreadable(error: io::Error) -> Error {
    let reason = match error.kind() {
        io::ErrorKind::UnexpectedEof => "unexpected end of file".to_owned(),
        _ => crate::sys::fs::error_text(&error),
    };
    Error::Fatal(Box::new(Fatal { what: "Cannot read a message".to_owned(), reason }))
}

/// Serves the messages one after the other.
pub(crate) fn run(s: &mut Session, call: &Call, a: Arguments) -> Result<Outcome> {
    let needs = items::needs(&a.items);
    let ended = {
        let Some(selected) = &mut s.selected else { return Err(Error::Syntax) };
        let pieces = args::pieces(&a.set, call.uid, &selected.snapshot.messages);
        let mut serving = Serving {
            may_set_seen: needs.seen && !selected.read_only && selected.rights.has(b's'),
            with_uid: call.uid && !needs.uid,
            by_uid: call.uid,
            items: &a.items,
            needs,
            contents: Contents {
                io: &mut s.io,
                counts: &mut s.counts,
                utf8: s.utf8,
                memory: selected.last_served.take().unwrap_or_default(),
                reader: Reader::new(),
                lines: Vec::new(),
            },
            selected,
            ended: Ended::default(),
        };
        for piece in pieces {
            match piece {
                Piece::Invalid(n) => args::invalid_number(&mut serving.contents.io.out, n),
                Piece::Messages(range) => {
                    for index in range {
                        serving.message(index)?;
                    }
                }
            }
        }
        serving.finish()
    };
    if let Some(error) = ended.unmarked {
        // The client has what it asked for; the log has the reason.
        let _ = s.store_error(error, "");
    }
    if let Some(error) = ended.failed {
        return Err(s.store_error(error, "Some of the requested messages cannot be read."));
    }
    if ended.missing {
        return Ok(Outcome::no("Some of the requested messages no longer exist.")
            .with_added_code("EXPUNGEISSUED"));
    }
    Ok(Outcome::ok("FETCH completed."))
}
