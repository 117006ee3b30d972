//! LOGOUT (RFC 3501 6.1.3, PROTOCOL 2.2).

use super::Call;
use crate::response::session::Bye;
use crate::session::{Outcome, Result, Session};

/// Says goodbye. The server ends the session after the tagged line.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, (): ()) -> Result<Outcome> {
    s.send(&Bye("Courier-IMAP server shutting down"));
    s.over = true;
    Ok(Outcome::ok("LOGOUT completed"))
}
