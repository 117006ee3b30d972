//! FETCH and UID FETCH (RFC 3501 6.4.5, PROTOCOL 5).
//!
//! A message may be gone when its turn comes: another session has expunged it, and this one must
//! not say so now (RFC 3501 7.4.1). Then the others are served all the same, nothing is made up for
//! the one that is missing (Courier sends a placeholder, which clients keep in their caches for
//! good), and the tagged line says NO (RFC 2180 4.1.2, RFC 5530 3).

mod binary;
mod contents;
mod parse;
mod section;
mod serve;
#[cfg(test)]
mod tests;
mod wants;

pub(super) use parse::{What, parse, section_spec};
pub(super) use section::{choose_lines, locate};

use super::args::{self, Span};
use super::{Call, resync};
use crate::response::session::InvalidNumber;
use crate::session::message::Message;
use crate::session::refusal::vanished;
use crate::session::{Code, Error, Fatal, Outcome, Result, Selected, Session};
use crate::sys::breath;
use contents::Contents;
use parse::Request;
use serve::{Failures, Late, Serving};
use std::io;

/// A message that cannot be read any further, with half of it sent to the client: the session
/// cannot go on.
fn cannot_go_on(error: io::Error) -> Error {
    if breath::is_interruption(&error)
        && let Err(why) = breath::breathe()
    {
        return why.into();
    }
    let reason = match error.kind() {
        io::ErrorKind::UnexpectedEof => "unexpected end of file".to_owned(),
        _ => crate::sys::fs::error_text(&error),
    };
    Error::Fatal(Box::new(Fatal { what: "Cannot read a message".to_owned(), reason }))
}

/// Serves the messages one after the other.
pub(super) fn run(
    s: &mut Session,
    selected: &mut Selected,
    call: &Call<'_>,
    request: Request,
) -> Result<Outcome> {
    let needs = parse::needs(&request.items);
    if needs.seen {
        selected.refresh_rights(s);
    }
    let mut spans = args::spans(&request.which, call.uid, selected);
    if let (Some(since), true) = (request.modifiers.since, request.modifiers.vanished) {
        resync::tell_vanished(s, selected, &request.which, since)?;
    }
    if let (Some(since), Some(sequences)) = (request.modifiers.since, selected.sequences()) {
        let since = sequences.known(since);
        spans = args::only(spans, |index| sequences.is_news(index, since));
    }
    if let Some(page) = request.modifiers.page {
        spans = args::page_of(spans, page);
    }
    let message = Message::after(selected.last_served.take().unwrap_or_default());
    let mut serving = Serving {
        may_set_seen: needs.seen && !selected.read_only && selected.rights.has(b's'),
        with_uid: call.uid && !needs.uid,
        by_uid: call.uid,
        items: &request.items,
        needs,
        wants: wants::of(&request.items, s.utf8()),
        late: Late::of(s, selected),
        contents: Contents::new(&mut *s, message),
        selected,
        failures: Failures::default(),
    };
    for span in spans {
        match span {
            Span::Invalid(n) => serving.contents.s.send(&InvalidNumber(n)),
            Span::Messages(range) => {
                for index in range {
                    breath::breathe()?;
                    serving.message(index)?;
                }
            }
        }
    }
    serving.end()?;
    let Serving { failures, contents: Contents { message, .. }, .. } = serving;
    selected.last_served = Some(message.cache);
    if let Some(error) = failures.unmarked {
        // The client has what it asked for; the log has the reason.
        s.log_store_error(&error);
    }
    if let Some(error) = failures.unopened {
        return Err(s.store_error(error, "Some of the requested messages cannot be read."));
    }
    if failures.undecodable {
        let text = "Some of the requested parts are in an unknown encoding.";
        return Ok(Outcome::no(text).with_code(Code::UnknownCte));
    }
    if failures.missing {
        return Ok(vanished());
    }
    Ok(Outcome::ok("FETCH completed."))
}
