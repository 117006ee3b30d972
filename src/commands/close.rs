//! CLOSE (RFC 3501 6.4.2, PROTOCOL 4.3) and UNSELECT (RFC 3691, ours).

use super::{Call, expunge};
use crate::session::{Outcome, Result, Selected, Session};

/// CLOSE: removes what is flagged \Deleted, where that is allowed, and closes the folder. Nothing
/// is said of either.
pub(crate) fn close(
    s: &mut Session,
    selected: &mut Selected,
    _: &Call<'_>,
    (): (),
) -> Result<Outcome> {
    // Not a check of the row: CLOSE is never refused, it only removes nothing.
    selected.refresh_rights(s);
    if !selected.read_only && selected.rights.has(b'e') {
        expunge::remove_deleted(s, selected, None)?;
    }
    Ok(Outcome::ok("mailbox closed."))
}

/// UNSELECT: closes the folder and removes nothing.
pub(crate) fn unselect(_: &mut Session, _: &mut Selected, _: &Call<'_>, (): ()) -> Result<Outcome> {
    Ok(Outcome::ok("mailbox closed."))
}
