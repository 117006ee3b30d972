//! GETACL, LISTRIGHTS and MYRIGHTS (RFC 4314 3.3 to 3.5): what a list says.

use super::{hide, is_standard, require_administrator, rights_form};
use crate::commands::Call;
use crate::commands::args::Mailbox;
use crate::maildir::acl::{self, ChangeRefused};
use crate::response::access::{Acl, ListRights, MyRights};
use crate::session::folder::Folder;
use crate::session::refusal::{denied, list_of};
use crate::session::{Code, Outcome, Result, Session};
use crate::types::Rights;

/// GETACL: sends the list, groups left out (PROTOCOL 7.2).
pub(crate) fn getacl(
    s: &mut Session,
    _: &Call<'_>,
    (mailbox, []): (Mailbox, [Vec<u8>; 0]),
) -> Result<Outcome> {
    let folder = s.locate(mailbox.name(s))?;
    require_administrator(s, &folder.name, "GETACL")?;
    let list = s.namespace.load(&folder.name).map_err(|refused| {
        const CANNOT: &str = "Cannot retrieve ACLs for mailbox.";
        match refused {
            ChangeRefused::Failed(e) => s.io_refusal(&list_of(&folder.name), &e, CANNOT),
            _ => Outcome::no(CANNOT).with_code(Code::Cannot).into(),
        }
    })?;
    let entries: Vec<_> = list
        .entries()
        .filter_map(|(identifier, rights)| Some((acl::to_rfc2086(identifier)?, rights)))
        .collect();
    let form = rights_form(s);
    s.send(&Acl { name: &mailbox.shown, entries: &entries, form });
    Ok(Outcome::ok("GETACL completed."))
}

/// LISTRIGHTS: sends which rights an identifier always has and which it may be given.
pub(crate) fn listrights(
    s: &mut Session,
    _: &Call<'_>,
    (mailbox, [who]): (Mailbox, [Vec<u8>; 1]),
) -> Result<Outcome> {
    let folder = s.locate(mailbox.name(s))?;
    if is_standard(s) {
        require_administrator(s, &folder.name, "LISTRIGHTS")?;
    } else {
        asked(s, &folder)?;
    }
    let stored = acl::from_rfc2086(&who).unwrap_or_default();
    let is_owner = |id: &[u8]| id == folder.at.owner;
    let minus = stored
        .strip_prefix(b"-")
        .is_some_and(|id| is_owner(id) || matches!(id, b"anyone" | b"anonymous"));
    let rights = match (is_owner(&stored), minus, is_standard(s)) {
        (true, _, false) => "\"al\" c d i p r s w",
        (_, true, false) => "\"\" c d i p r s w",
        (_, _, false) => "\"\" a c d i l p r s w",
        // RFC 4314 2.1.1: `c` and `d` by themselves, and none twice.
        (true, _, true) => "\"al\" r s w i p k x t e c d",
        (_, true, true) => "\"\" r s w i p k x t e c d",
        (_, _, true) => "\"\" l r s w i p k x t e a c d",
    };
    s.send(&ListRights { name: &mailbox.shown, identifier: &who, rights });
    Ok(Outcome::ok("LISTRIGHTS completed."))
}

/// MYRIGHTS: sends what the user may do.
pub(crate) fn myrights(
    s: &mut Session,
    _: &Call<'_>,
    (mailbox, []): (Mailbox, [Vec<u8>; 0]),
) -> Result<Outcome> {
    let folder = s.locate(mailbox.name(s))?;
    let rights = asked(s, &folder)?;
    let form = rights_form(s);
    s.send(&MyRights { name: &mailbox.shown, rights, form });
    Ok(Outcome::ok("MYRIGHTS completed."))
}

/// The user's rights. Any one of them will do to ask for them.
fn asked(s: &mut Session, folder: &Folder) -> Result<Rights> {
    let rights = s.rights_announced(&folder.name)?;
    let asking = if is_standard(s) { Rights::ASKING_STANDARD } else { Rights::ASKING };
    if rights.intersects(asking) {
        return Ok(rights);
    }
    hide(s, rights)?;
    // Courier names GETACL and `a` here (PROTOCOL 7.3, sic).
    denied("GETACL", folder.name.spelled(), b'a').refuse()
}
