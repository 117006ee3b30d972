//! SELECT and EXAMINE (RFC 3501 6.3.1, 6.3.2; PROTOCOL 4.2).

use super::Call;
use super::args::Mailbox;
use crate::maildir::{Mode, Snapshot, scan};
use crate::response::mailbox::FolderCode;
use crate::session::folder::Folder;
use crate::session::refusal::CANNOT_OPEN;
use crate::session::selected::Access;
use crate::session::{Code, Outcome, Result, Selected, Session};
use crate::types::{Flags, Rights};

/// SELECT: opens a folder for reading and writing.
pub(crate) fn select(s: &mut Session, _: &Call<'_>, mailbox: Mailbox) -> Result<Outcome> {
    open(s, &mailbox, false)
}

/// EXAMINE: opens a folder for reading.
pub(crate) fn examine(s: &mut Session, _: &Call<'_>, mailbox: Mailbox) -> Result<Outcome> {
    open(s, &mailbox, true)
}

fn open(s: &mut Session, mailbox: &Mailbox, examine: bool) -> Result<Outcome> {
    // The folder that was open is closed either way, without an expunge (RFC 3501 6.3.1).
    let before = s.selected.take();
    let folder = s.locate(mailbox.name(s))?;
    let rights = s.require(&folder.name, b'r', "SELECT/EXAMINE")?;
    // Both the flags and the answer say READ-ONLY (RFC 3501 7.1), where Courier 5.0.13 says it in
    // the answer alone.
    let flags_are_fixed = examine || folder.at.read_only;
    let read_only = flags_are_fixed || !rights.intersects(Rights::WRITING);
    let mode = if read_only { Mode::ReadOnly } else { Mode::ReadWrite };
    let snapshot = snapshot(s, &folder, mode, before)?;
    let access = Access { read_only, flags_are_fixed, rights };
    let selected = Selected::new(folder, access, snapshot);
    announce(s, &selected);
    s.selected = Some(selected);
    let code = if read_only { Code::ReadOnly } else { Code::ReadWrite };
    Ok(Outcome::ok("Ok").with_code(code))
}

/// The folder's messages. If it is the folder that was open before and nothing has changed in it,
/// the last scan is as good as a new one.
fn snapshot(
    s: &Session,
    folder: &Folder,
    mode: Mode,
    before: Option<Selected>,
) -> Result<Snapshot> {
    let dir = folder.enter_afresh().map_err(|e| s.store_error(e, CANNOT_OPEN))?;
    s.synchronise(&dir)?;
    let before = before
        .filter(|old| old.folder.dir == folder.dir && !folder.is_link() && old.snapshot.is_saved());
    let is_unchanged =
        |old: &Selected| old.mode() == mode && scan::is_unchanged(&dir, &old.snapshot);
    let before = match before {
        Some(old) if is_unchanged(&old) => return Ok(old.snapshot.reselected()),
        before => before.map(|old| old.snapshot),
    };
    let scan = |previous| match scan::scan(&s.store, &dir, mode, previous, Vec::new()) {
        Ok(scanned) => Ok(scanned.snapshot),
        Err(e) => Err(s.store_error(e, CANNOT_OPEN)),
    };
    let snapshot = scan(None)?;
    match before {
        // What this session has told its client counts.
        Some(old) if old.is_contradicted_by(&snapshot) => scan(Some(&old)),
        _ => Ok(snapshot),
    }
}

/// Sends what a client is told of a folder that it opens.
fn announce(s: &mut Session, selected: &Selected) {
    selected.send_flags(s);
    selected.send_counts(s);
    let messages = &selected.snapshot.messages;
    // RFC 3501 6.3.1: the first unseen message, if there is one.
    let unseen = (0..messages.len()).find(|i| !messages.flags(*i).contains(Flags::SEEN));
    if let Some(index) = unseen {
        s.send_addition(&FolderCode::Unseen(index as u64 + 1));
    }
    s.send(&FolderCode::UidValidity(selected.snapshot.uid_validity));
    s.send_addition(&FolderCode::UidNext(selected.snapshot.uid_next));
    s.send(&FolderCode::MyRights(selected.rights));
}
