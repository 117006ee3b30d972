//! NAMESPACE (RFC 2342, PROTOCOL 3.4).

use super::Call;
use crate::response::session::Namespace;
use crate::session::{Outcome, Result, Session};

/// Sends the three namespaces, always the same.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, (): ()) -> Result<Outcome> {
    s.send(&Namespace { as_courier: !s.has_additions() });
    Ok(Outcome::ok("NAMESPACE completed."))
}
