//! Step 1 of a scan: the folder's lock, the time, and what may be written.

use super::request::{Mode, Patience, Request};
use super::snapshot::Snapshot;
use super::unlocked;
use crate::maildir::lock::{Lock, Wait};
use crate::maildir::time::ScanTime;
use crate::maildir::uiddb::Version;
use crate::maildir::{Error, state, upkeep};
use crate::sys::fs;
use std::io;
use std::time::Duration;

/// How long a search waits for a lock: longer than any session needs one.
const SEARCH_PATIENCE: Duration = Duration::from_secs(1);

/// What a scan may do in its folder.
pub(super) struct Access {
    /// `None` where the folder is scanned without a lock.
    pub(super) lock: Option<Lock>,
    /// `false` if there was no room on the disk for the lock, or none could be made.
    pub(super) has_room: bool,
    /// Whether control files can be written.
    pub(super) is_writable: bool,
    /// When the scan begins.
    pub(super) time: ScanTime,
}

/// What a wait for the lock has led to.
pub(super) enum Turn {
    /// The scan can begin.
    Ours(Access),
    /// Another session has done what there was to do.
    Served(Box<Snapshot>),
}

/// Takes the folder's lock, unless it was taken already, and removes what was left over in `tmp`.
pub(super) fn lock(request: &Request<'_>, taken: Option<Lock>) -> Result<Turn, Error> {
    let Request { store, dir, .. } = *request;
    let (lock, has_room) = match taken {
        Some(lock) => (Some(lock), true),
        None => match lock_if_possible(request)? {
            Taken::Lock(lock, has_room) => (lock, has_room),
            Taken::Needless(snapshot) => return Ok(Turn::Served(snapshot)),
        },
    };
    let time = ScanTime::of(lock.as_ref());
    let is_writable = lock.is_some()
        && dir.folder().is_writable()
        && dir.tmp().is_ok_and(|tmp| tmp.is_writable());
    if request.mode.is_search() && !is_writable {
        // UIDs that cannot be saved would mean nothing by the next command.
        return Ok(Turn::Ours(Access { lock: None, has_room: false, is_writable, time }));
    }
    if lock.is_some() {
        upkeep::purge_tmp(store, dir, time.seconds);
    }
    Ok(Turn::Ours(Access { lock, has_room, is_writable, time }))
}

enum Taken {
    /// The lock, and whether new mail can be shown.
    Lock(Option<Lock>, bool),
    /// There is no need for it any more.
    Needless(Box<Snapshot>),
}

/// Waits for the lock. Nothing is delivered without it. Otherwise a folder is scanned without one
/// where none can be made.
fn lock_if_possible(request: &Request<'_>) -> Result<Taken, Error> {
    let Request { store, dir, mode, delivers, .. } = *request;
    let taken = match mode {
        // Without locks only what has a UID is searched, rather than to risk one given twice.
        Mode::Search(_) if !store.config.use_locks => Ok(Taken::Lock(None, false)),
        Mode::Search(Patience::None) => {
            Lock::attempt(store, dir).map(|lock| Taken::Lock(lock, true))
        }
        Mode::Search(Patience::Short) => {
            wait(request, Wait::begin(store, dir).at_most(SEARCH_PATIENCE))
        }
        _ => wait(request, Wait::begin(store, dir)),
    };
    match taken {
        Ok(taken) => Ok(taken),
        Err(e) if delivers => Err(e),
        Err(e) if mode == Mode::ReadOnly && cannot_be_locked(&e) => Ok(Taken::Lock(None, true)),
        Err(e) if mode.is_search() && cannot_be_locked(&e) => Ok(Taken::Lock(None, false)),
        Err(e) => match e.io() {
            Some(refused) => {
                store.new_mail_is_hidden(&dir.tmp_path(), refused);
                Ok(Taken::Lock(None, false))
            }
            None => Err(e),
        },
    }
}

/// Waits for the lock, or until whoever has it has given the UIDs: of many sessions that are told
/// of a delivery at once, one gives its UID, and the others read it.
fn wait(request: &Request<'_>, mut wait: Wait<'_>) -> Result<Taken, Error> {
    let Request { store, dir, .. } = *request;
    let mut seen = Version::stamp_now(dir);
    loop {
        if let Some(lock) = wait.turn()? {
            return Ok(Taken::Lock(Some(lock), true));
        }
        let now = Version::stamp_now(dir);
        if request.may_go_without_lock()
            && std::mem::replace(&mut seen, now) != now
            && let Some(unlocked) = unlocked::scan(request, state::read(store, dir))
            // What is to be recorded needs the lock, too.
            && !unlocked.has_news
        {
            return Ok(Taken::Needless(Box::new(unlocked.snapshot)));
        }
    }
}

/// Whether no lock can be taken in this folder. One without `tmp` can still be read.
fn cannot_be_locked(e: &Error) -> bool {
    e.io().is_some_and(|e| fs::is_unwritable(e) || e.kind() == io::ErrorKind::NotFound)
}
