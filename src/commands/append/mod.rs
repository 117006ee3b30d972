//! APPEND (PROTOCOL 6.4), of one message or several (RFC 3502): streamed, and stored only when the
//! whole command was right, all of the messages or none.

mod catenate;
mod incoming;
mod message;
mod source;
mod url;
mod writer;

use super::Call;
use super::args::Mailbox;
use crate::session::{Code, Outcome, Result, Session};
pub(super) use incoming::Incoming;
pub(super) use message::Message;

/// The folder, and the first message up to its bytes.
pub(crate) struct Append {
    mailbox: Mailbox,
    first: Message,
}

/// `append = "APPEND" SP mailbox 1*append-message`. The other messages are read when the first one
/// was received.
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Append> {
    let mailbox = Mailbox::parse(s)?;
    let token = s.io.token()?;
    Ok(Append { mailbox, first: Message::parse(s, token)? })
}

/// Receives the messages one by one and stores them.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, a: Append) -> Result<Outcome> {
    s.with_selected(|s, selected| {
        let mut incoming = Incoming::begin(s, selected, "APPEND", &a.mailbox)?;
        let mut message = Some(a.first);
        while let Some(next) = message {
            incoming.receive(next)?;
            message = incoming.next()?;
        }
        let (validity, uids) = incoming.store(|_, _| Ok(()))?;
        let done = Outcome::ok("APPEND Ok.");
        if uids.is_empty() {
            return Ok(done);
        }
        Ok(done.with_code(Code::AppendUid(validity, uids)))
    })
}
