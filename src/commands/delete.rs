//! DELETE (RFC 3501 6.3.4, PROTOCOL 4.8).

use super::Call;
use super::args::Mailbox;
use crate::session::refusal::CANNOT_DELETE;
use crate::session::{Code, Outcome, Result, Session};
use crate::types::folder::Space;

/// Removes the folder with its messages. Folders below it stay.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, mailbox: Mailbox) -> Result<Outcome> {
    if mailbox.ends_in_separator() {
        return Ok(Outcome::ok("Folder directory delete punted."));
    }
    let folder = s.locate(mailbox.name(s))?;
    if s.is_open(&folder.name) {
        return Outcome::no("Cannot delete currently-open folder.").with_code(Code::InUse).refuse();
    }
    if let Space::Link(path) = folder.name.space() {
        let links = s.namespace.links();
        links.unsubscribe(&s.store, path).map_err(|e| s.store_error(e, CANNOT_DELETE))?;
        return Ok(Outcome::ok("UNSUBSCRIBEd a shared folder."));
    }
    s.require(&folder.name, b'x', "DELETE")?;
    if folder.is_top() || s.is_trash(&folder) {
        return Outcome::no(CANNOT_DELETE).with_code(Code::Cannot).refuse();
    }
    s.delete_folder(&folder)?;
    Ok(Outcome::ok("Folder deleted."))
}
