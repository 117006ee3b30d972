//! GETACL, LISTRIGHTS and MYRIGHTS (RFC 4314 3.3 to 3.5): what a list says.

use crate::commands::Call;
use crate::commands::args::Mailbox;
use crate::maildir::acl::{self, ChangeRefused};
use crate::response::access::{Acl, ListRights, MyRights};
use crate::session::folder::Folder;
use crate::session::refusal::{denied, list_of};
use crate::session::{Outcome, Result, Session};
use crate::types::Rights;

/// GETACL: sends the list, groups left out (PROTOCOL 7.2).
pub(crate) fn getacl(
    s: &mut Session,
    _: &Call<'_>,
    (mailbox, []): (Mailbox, [Vec<u8>; 0]),
) -> Result<Outcome> {
    let folder = s.locate(mailbox.name(s))?;
    s.require(&folder.name, b'a', "GETACL")?;
    let list = s.namespace.load(&folder.name).map_err(|refused| {
        const CANNOT: &str = "Cannot retrieve ACLs for mailbox.";
        match refused {
            ChangeRefused::Failed(e) => s.io_refusal(&list_of(&folder.name), &e, CANNOT),
            _ => Outcome::no(CANNOT).into(),
        }
    })?;
    let entries: Vec<_> = list
        .entries()
        .filter_map(|(identifier, rights)| Some((acl::to_rfc2086(identifier)?, rights)))
        .collect();
    let as_courier = !s.has_additions();
    s.send(&Acl { name: &mailbox.shown, entries: &entries, as_courier });
    Ok(Outcome::ok("GETACL completed."))
}

/// LISTRIGHTS: sends which rights an identifier always has and which it may be given.
pub(crate) fn listrights(
    s: &mut Session,
    _: &Call<'_>,
    (mailbox, [who]): (Mailbox, [Vec<u8>; 1]),
) -> Result<Outcome> {
    let (folder, _) = asked(s, &mailbox)?;
    let stored = acl::from_rfc2086(&who).unwrap_or_default();
    let is_owner = |id: &[u8]| id == folder.at.owner;
    let minus = stored
        .strip_prefix(b"-")
        .is_some_and(|id| is_owner(id) || matches!(id, b"anyone" | b"anonymous"));
    let rights = if is_owner(&stored) {
        "\"al\" c d i p r s w"
    } else if minus {
        "\"\" c d i p r s w"
    } else {
        "\"\" a c d i l p r s w"
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
    let (_, rights) = asked(s, &mailbox)?;
    let as_courier = !s.has_additions();
    s.send(&MyRights { name: &mailbox.shown, rights, as_courier });
    Ok(Outcome::ok("MYRIGHTS completed."))
}

/// The folder of a question about rights. Any one right will do to ask it.
fn asked(s: &mut Session, mailbox: &Mailbox) -> Result<(Folder, Rights)> {
    let folder = s.locate(mailbox.name(s))?;
    let rights = s.rights_announced(&folder.name)?;
    if rights.intersects(Rights::ASKING) {
        return Ok((folder, rights));
    }
    // Courier names GETACL and `a` here (PROTOCOL 7.3, sic).
    denied("GETACL", folder.name.spelled(), b'a').refuse()
}
