//! CREATE (RFC 3501 6.3.3, PROTOCOL 4.7).

use super::Call;
use super::args::{self, Mailbox};
use crate::session::{Code, Outcome, Result, Session, refusal};
use crate::types::folder::Space;

/// Makes the folder; not those above it (Courier).
pub(crate) fn run(s: &mut Session, _: &Call<'_>, mailbox: Mailbox) -> Result<Outcome> {
    let created = Outcome::ok_named(&mailbox.shown, "created.");
    let name = mailbox.without_separator().valid_name(s)?;
    if name.space() == Space::Inbox {
        return Outcome::no("INBOX already exists!").with_code(Code::AlreadyExists).refuse();
    }
    if name.has_control() {
        return args::invalid_name().refuse();
    }
    if mailbox.ends_in_separator() {
        // RFC 3501 6.3.3: a declaration that folders will be made below it. There is nothing to do.
        return Ok(created);
    }
    if matches!(name.space(), Space::Link(_)) {
        return refusal::denied("CREATE", name.spelled(), b'c').refuse();
    }
    let Some(folder) = s.location_of(&name) else {
        return refusal::denied("CREATE", name.spelled(), b'c').refuse();
    };
    s.require_create(&name, "CREATE")?;
    s.create_folder(&folder)?;
    Ok(created)
}
