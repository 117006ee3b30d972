//! A scan without the lock, where nothing has to be written: every message has its UID, and nothing
//! lies in `new`. Most scans are like that, and a lock would make sessions wait for one another.
//!
//! What it finds is what a scan under the lock could have found. The UID file is replaced as a
//! whole, so one reading is of one moment, and a UID never comes to name another message. `new` is
//! listed before `cur`: a message on its way from the one to the other is seen in the first, and
//! then this gives up. A message that is in `cur` and not in the file is being delivered, and this
//! gives up, too. If the UID file is another one at the end, this begins anew.
//!
//! Where other hosts change the folder, the directories decide which UID file it is, before and
//! after (`sys/control.rs`). They are read from the server, and whoever moves `new` to `cur` has
//! done so on every replica before writing the UID file.

use super::collect::{Collected, FileUids};
use super::lock::Access;
use super::number::Uids;
use super::request::{Mode, Request};
use super::snapshot::Snapshot;
use crate::maildir::messages::{Absent, bit};
use crate::maildir::reading::FolderReading;
use crate::maildir::stamp::Stamp;
use crate::maildir::time::ScanTime;
use crate::maildir::uiddb::{self, Version};
use crate::maildir::upkeep;
use crate::maildir::{Entered, Error, Store};
use crate::types::UidValidity;
use std::cell::OnceCell;

/// How often a folder is read whose UID file is replaced meanwhile.
const MAX_READINGS: u32 = 3;
/// From this age on (in nanoseconds) a UID file is on disk with its directory, even if the session
/// that has put it there was killed before it could sync: no file system waits so long.
const DURABLE_AGE: i128 = 60_000_000_000;

/// What was found.
pub(super) struct Unlocked {
    pub(super) snapshot: Snapshot,
    /// Whether a scan under the lock would have something to write or to remove.
    pub(super) has_leftovers: bool,
}

/// Scans without the lock. `None`: the lock is needed, if only to find out what is wrong.
pub(super) fn scan(request: &Request<'_>) -> Option<Unlocked> {
    let dir = request.dir;
    // A folder that cannot be written is no success for a session that wants to write.
    let writable = || dir.folder().is_writable() && dir.tmp().is_ok_and(|tmp| tmp.is_writable());
    if request.mode == Mode::ReadWrite && !writable() {
        return None;
    }
    (0..MAX_READINGS).find_map(|_| match read(request) {
        Reading::Whole(unlocked) => Some(Some(*unlocked)),
        Reading::Overtaken => None,
        Reading::NeedsLock => Some(None),
    })?
}

enum Reading {
    Whole(Box<Unlocked>),
    /// The UID file was replaced meanwhile.
    Overtaken,
    NeedsLock,
}

fn read(request: &Request<'_>) -> Reading {
    let Request { store, dir, .. } = *request;
    let time = ScanTime::unlocked(dir);
    let Ok((file, version)) = uiddb::read(dir) else { return Reading::NeedsLock };
    let known = request.compare_with_known(&file);
    let (Some(validity), false) = (file.validity, known.is_replaced) else {
        return Reading::NeedsLock;
    };
    let count = file.messages.len();
    let mut reading = FolderReading::new(store, dir, file.messages);
    if !reading.list_new().is_empty()
        || reading.read_cur(time.nanos).is_err()
        || reading.has_to_rename()
    {
        return Reading::NeedsLock;
    }
    // A message that somebody has put back from `cur` to `new` meanwhile is in neither.
    let is_short = |reading: &FolderReading<'_>| !reading.messages.all_have(bit::FOUND);
    if is_short(&reading) {
        let mut names = reading.list_new();
        if names.is_empty() {
            let previous = request.previous.map(|old| &old.messages);
            reading.look_for_missing(previous, &mut names, time.nanos);
        }
        if !names.is_empty() {
            return Reading::NeedsLock;
        }
    }
    let is_short = is_short(&reading);
    let is_stale = reading.is_stale || file.stale || known.next != file.next;
    let FolderReading { mut messages, index, cur, new_mail, .. } = reading;
    let missing = Absent::not_found(&messages);
    messages.keep(bit::FOUND);
    if messages.count(bit::FRESH) > 0
        || messages.count(bit::DOUBLED) > 0
        || request.is_contradicted_by(validity, &messages)
    {
        return Reading::NeedsLock;
    }
    if !version.is_current(dir) {
        return Reading::Overtaken;
    }
    if !make_durable(request, &version, validity, known.next, &time) {
        return Reading::NeedsLock;
    }
    upkeep::purge_tmp(store, dir, time.seconds);
    let index = if is_short { OnceCell::new() } else { OnceCell::from(index) };
    messages.end_scan();
    messages.shrink();
    let uids =
        FileUids { validity: Some(validity), before: None, next: known.next, is_replaced: false };
    let stamp = version.stamp();
    let found = Collected {
        messages,
        missing,
        index,
        cur,
        new_mail,
        uids,
        has_news: false,
        is_stale,
        has_room: true,
        draft: None,
        version: Some(version),
        known: count,
    };
    let access = Access { lock: None, has_room: true, is_writable: false, time };
    let uids = Uids { validity, next: known.next, saved: true };
    match super::snapshot(request, &access, found, uids, stamp) {
        Ok((snapshot, needs_merge)) => Reading::Whole(Box::new(Unlocked {
            snapshot,
            has_leftovers: is_stale || is_short || needs_merge || dir.keywords().is_err(),
        })),
        Err(_) => Reading::NeedsLock,
    }
}

/// Syncs the folder's directory if the client will be told a UID that may not be on disk.
fn make_durable(
    request: &Request<'_>,
    version: &Version,
    validity: UidValidity,
    next: u32,
    time: &ScanTime,
) -> bool {
    let uids = Uids { validity, next, saved: true };
    !request.store.config.fsync
        || is_durable(request, uids, version.stamp(), time)
        || request.dir.folder().sync().is_ok()
}

/// Whether the UIDs are on disk, or the client knows them already. Whoever has put the UID file in
/// its place may not have synced the directory yet, for the lock is released before; the file
/// itself was synced before it got its name.
pub(super) fn is_durable(
    request: &Request<'_>,
    uids: Uids,
    uid_file: Option<Stamp>,
    time: &ScanTime,
) -> bool {
    let is_old = uid_file.is_some_and(|stamp| stamp.is_older_than(DURABLE_AGE, time.nanos));
    let is_told = request.previous.is_some_and(|old| {
        old.proof.uid_file == uid_file
            || (old.uid_validity == uids.validity && old.uid_next >= uids.next)
    });
    is_old || is_told
}

/// Looks at a folder without changing anything in it: the messages that have a UID, as they are
/// now. What has none yet is left out, in `new` or in `cur`. `None`: there are no UIDs at all.
///
/// One reading of the UID file is of one moment, and its UIDs name the same messages whatever
/// happens meanwhile: so nothing has to be compared with another reading.
pub(super) fn look(store: &Store, dir: &Entered) -> Result<Option<Snapshot>, Error> {
    let request = Request {
        store,
        dir,
        mode: Mode::ReadOnly,
        previous: None,
        above: None,
        doubtful: None,
        delivers: false,
    };
    let time = ScanTime::unlocked(dir);
    let (file, version) = uiddb::read(dir)?;
    let Some(validity) = file.validity else { return Ok(None) };
    let known = file.messages.len();
    let mut reading = FolderReading::new(store, dir, file.messages);
    let mut names = reading.list_new();
    reading.read_cur(time.nanos)?;
    if !reading.messages.all_have(bit::FOUND) {
        reading.look_for_missing(None, &mut names, time.nanos);
    }
    let FolderReading { mut messages, cur, new_mail, .. } = reading;
    messages.keep(bit::FOUND);
    messages.leave_out(bit::FRESH | bit::DOUBLED);
    if !make_durable(&request, &version, validity, file.next, &time) {
        return Ok(None);
    }
    messages.end_scan();
    messages.shrink();
    let found = Collected {
        messages,
        missing: Absent::default(),
        // Positions have changed.
        index: OnceCell::new(),
        cur,
        new_mail,
        uids: FileUids {
            validity: Some(validity),
            before: None,
            next: file.next,
            is_replaced: false,
        },
        has_news: false,
        is_stale: false,
        has_room: true,
        draft: None,
        version: None,
        known,
    };
    let access = Access { lock: None, has_room: true, is_writable: false, time };
    let uids = Uids { validity, next: file.next, saved: true };
    super::snapshot(&request, &access, found, uids, version.stamp())
        .map(|(snapshot, _)| Some(snapshot))
}
