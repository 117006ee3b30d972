//! SETACL and DELETEACL (RFC 4314 3.1, 3.2): one entry of one list.

use super::{is_standard, require_administrator};
use crate::commands::Call;
use crate::commands::args::Mailbox;
use crate::maildir::acl::{self, Acl, ChangeRefused};
use crate::session::folder::Folder;
use crate::session::refusal::list_of;
use crate::session::{Code, Error, Outcome, Result, Session};
use crate::types::FolderName;

/// The refusal of a change that the store could not make.
pub(super) const CANNOT: &str = "Cannot modify ACLs on this mailbox.";

/// The refusal of a list that has no room for more.
pub(super) const TOO_LARGE: &str = "The ACL is too large.";

/// What becomes of a list.
pub(super) type Edited = std::result::Result<(), ChangeRefused>;

/// SETACL: changes one entry.
pub(crate) fn setacl(
    s: &mut Session,
    _: &Call<'_>,
    (mailbox, [who, rights]): (Mailbox, [Vec<u8>; 2]),
) -> Result<Outcome> {
    let folder = administered(s, &mailbox, "SETACL")?;
    let identifier = identifier(s, &who)?;
    let change = if is_standard(s) { Acl::change_standard } else { Acl::change };
    edit(s, &folder.name, |list| change(list, &identifier, &rights))
        .map_err(|refused| refusal(s, &folder.name, refused))?;
    Ok(Outcome::ok("ACLs updated."))
}

/// DELETEACL: takes one entry out.
pub(crate) fn deleteacl(
    s: &mut Session,
    _: &Call<'_>,
    (mailbox, [who]): (Mailbox, [Vec<u8>; 1]),
) -> Result<Outcome> {
    let folder = administered(s, &mailbox, "DELETEACL")?;
    let identifier = identifier(s, &who)?;
    let remove = |list: &mut Acl| {
        list.remove(&identifier);
        Ok(())
    };
    edit(s, &folder.name, remove).map_err(|refused| refusal(s, &folder.name, refused))?;
    Ok(Outcome::ok("ACLs updated."))
}

/// Changes a folder's list, and announces the rights on the open folder if they are others now.
pub(super) fn edit(
    s: &mut Session,
    name: &FolderName,
    edit: impl FnOnce(&mut Acl) -> Edited,
) -> Edited {
    s.namespace.change(&s.store, name, edit)?;
    let _ = s.rights_announced(name);
    Ok(())
}

/// The folder of a command that changes its list, if the user may (`a`).
fn administered(s: &mut Session, mailbox: &Mailbox, command: &str) -> Result<Folder> {
    let folder = s.locate(mailbox.name(s))?;
    if folder.is_link() {
        return Outcome::no("Cannot set ACLs for this mailbox").with_code(Code::Cannot).refuse();
    }
    require_administrator(s, &folder.name, command)?;
    Ok(folder)
}

/// An identifier in the form of the lists on disk. One that SASLprep refuses is BAD (RFC 4314 3).
/// The rest of SASLprep is left out: the login process does not prepare the names of users either,
/// and the two must be the same.
pub(super) fn identifier(s: &Session, who: &[u8]) -> Result<Vec<u8>> {
    let plain = who.strip_prefix(b"-").unwrap_or(who);
    let text = std::str::from_utf8(plain).unwrap_or_default();
    if is_standard(s) && (text.is_empty() || text.contains(char::is_control)) {
        return Outcome::bad("Invalid ACL identifier.").refuse();
    }
    acl::from_rfc2086(who)
        .ok_or_else(|| Outcome::no("Invalid ACL identifier.").with_code(Code::Cannot).into())
}

/// Owner violations are refused alike in every form, as the newer releases of Courier do.
fn refusal(s: &Session, name: &FolderName, refused: ChangeRefused) -> Error {
    match refused {
        ChangeRefused::UnknownRight => Outcome::bad("This right is not supported.").into(),
        ChangeRefused::Owner(_) => {
            Outcome::no("Cannot modify ACLs as requested.").with_code(Code::Cannot).into()
        }
        ChangeRefused::TooLarge => Outcome::no(TOO_LARGE).with_code(Code::Limit).into(),
        ChangeRefused::Failed(e) => s.io_refusal(&list_of(name), &e, CANNOT),
        ChangeRefused::Locked(e) => s.store_error(e, CANNOT),
        _ => Outcome::no(CANNOT).with_code(Code::Cannot).into(),
    }
}
