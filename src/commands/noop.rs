//! NOOP and CHECK (RFC 3501 6.1.2, 6.4.1; PROTOCOL 3.5): both rescan the open folder.

use super::Call;
use crate::session::{Outcome, Result, Selected, Session};

/// NOOP, in every state.
pub(crate) fn noop(s: &mut Session, _: &Call<'_>, (): ()) -> Result<Outcome> {
    s.with_selected(|s, selected| selected.map_or(Ok(true), |f| f.rescan_if_possible(s)))?;
    Ok(Outcome::ok("NOOP completed"))
}

/// CHECK.
pub(crate) fn check(
    s: &mut Session,
    selected: &mut Selected,
    _: &Call<'_>,
    (): (),
) -> Result<Outcome> {
    selected.rescan_if_possible(s)?;
    Ok(Outcome::ok("CHECK completed"))
}
