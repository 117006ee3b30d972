//! Step 1 of a scan: the folder's lock, the time, and what may be written.

use super::request::{Mode, Request};
use crate::maildir::lock::Lock;
use crate::maildir::time::ScanTime;
use crate::maildir::{Error, upkeep};
use crate::sys::fs;
use std::io;

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

/// Takes the folder's lock, and removes what was left over in `tmp`.
pub(super) fn lock(request: &Request<'_>) -> Result<Access, Error> {
    let Request { store, dir, .. } = *request;
    let (lock, has_room) = lock_if_possible(request)?;
    let time = ScanTime::of(lock.as_ref());
    if lock.is_some() {
        upkeep::purge_tmp(store, dir, time.seconds);
    }
    let is_writable = lock.is_some()
        && dir.folder().is_writable()
        && dir.tmp().is_ok_and(|tmp| tmp.is_writable());
    Ok(Access { lock, has_room, is_writable, time })
}

/// The lock, and whether new mail can be shown. Nothing is delivered without a lock. Otherwise a
/// folder is scanned without one where none can be made.
fn lock_if_possible(request: &Request<'_>) -> Result<(Option<Lock>, bool), Error> {
    let Request { store, dir, mode, delivers, .. } = *request;
    match Lock::acquire(store, dir) {
        Ok(lock) => Ok((Some(lock), true)),
        Err(e) if delivers => Err(e),
        Err(e) if mode == Mode::ReadOnly && cannot_be_locked(&e) => Ok((None, true)),
        Err(e) => match e.io() {
            Some(refused) => {
                store.new_mail_is_hidden(&dir.tmp_path(), refused);
                Ok((None, false))
            }
            None => Err(e),
        },
    }
}

/// Whether no lock can be taken in this folder. One without `tmp` can still be read.
fn cannot_be_locked(e: &Error) -> bool {
    e.io().is_some_and(|e| fs::is_unwritable(e) || e.kind() == io::ErrorKind::NotFound)
}
