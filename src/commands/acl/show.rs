//! GETACL, LISTRIGHTS and MYRIGHTS (RFC 4314 3.3 to 3.5): what a list says.

use super::change::identifier;
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
    let rights = if is_standard(s) {
        rights_of_standard(&identifier(s, &who)?, &folder.at.owner)
    } else {
        rights_of_courier(&acl::from_rfc2086(&who).unwrap_or_default(), &folder.at.owner)
    };
    s.send(&ListRights { name: &mailbox.shown, identifier: &who, rights });
    Ok(Outcome::ok("LISTRIGHTS completed."))
}

/// RFC 4314 3.7: what an identifier always has in a folder of this owner, and what it may be given,
/// as far as a list can be changed (STORAGE 5.6). `c` and `d` are by themselves, and none comes
/// twice (2.1.1).
fn rights_of_standard(stored: &[u8], owner: &[u8]) -> &'static str {
    match stored {
        b"group=administrators" => "acdeiklrstwx p",
        b"-group=administrators" => "\"\"",
        b"owner" => "\"al\" r s w i p k x t e c d",
        _ if stored == owner => "\"al\" r s w i p k x t e c d",
        b"-owner" | b"-anyone" | b"-anonymous" => "\"\" r s w i p k x t e c d",
        _ if stored.strip_prefix(b"-") == Some(owner) => "\"\" r s w i p k x t e c d",
        _ => "\"\" l r s w i p k x t e a c d",
    }
}

/// The same as Courier has it (PROTOCOL 7.3).
fn rights_of_courier(stored: &[u8], owner: &[u8]) -> &'static str {
    match stored {
        _ if stored == owner => "\"al\" c d i p r s w",
        b"-anyone" | b"-anonymous" => "\"\" c d i p r s w",
        _ if stored.strip_prefix(b"-") == Some(owner) => "\"\" c d i p r s w",
        _ => "\"\" a c d i l p r s w",
    }
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
