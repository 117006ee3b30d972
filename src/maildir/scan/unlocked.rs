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
use super::values;
use crate::maildir::messages::{Absent, bit};
use crate::maildir::reading::FolderReading;
use crate::maildir::stamp::Stamp;
use crate::maildir::state::{self, Found};
use crate::maildir::time::ScanTime;
use crate::maildir::uiddb::{self, Version};
use crate::maildir::upkeep;
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
    /// Whether it would have something to record in the folder's state.
    pub(super) has_news: bool,
    /// The UIDs of messages whose files are others than those of which something was learned.
    pub(super) rewritten: Vec<u32>,
}

/// Scans without the lock. `None`: the lock is needed, if only to find out what is wrong.
/// `state`: the folder's, as it was just now.
pub(super) fn scan(request: &Request<'_>, mut state: Found) -> Option<Unlocked> {
    let dir = request.dir;
    // A folder that cannot be written is no success for a session that wants to write.
    let writable = || dir.folder().is_writable() && dir.tmp().is_ok_and(|tmp| tmp.is_writable());
    if request.mode == Mode::ReadWrite && !writable() {
        return None;
    }
    for _ in 0..MAX_READINGS {
        match read(request, state) {
            Reading::Whole(unlocked) => return Some(*unlocked),
            Reading::Overtaken => state = state::read(request.store, request.dir),
            Reading::NeedsLock => return None,
        }
    }
    None
}

enum Reading {
    Whole(Box<Unlocked>),
    /// The UID file was replaced meanwhile.
    Overtaken,
    NeedsLock,
}

fn read(request: &Request<'_>, state: Found) -> Reading {
    let Request { store, dir, .. } = *request;
    let time = ScanTime::unlocked(dir);
    let with_state = &Request { image: state.image(), ..*request };
    let Ok((file, version)) = uiddb::read(dir) else { return Reading::NeedsLock };
    let known = with_state.compare_with_known(&file);
    let validity = match file.validity {
        Some(validity) if !known.is_replaced => validity,
        // A search has nothing to say of a folder in which there is nothing.
        None if request.mode.is_search() => uiddb::fresh_validity(time.seconds, file.before),
        _ => return Reading::NeedsLock,
    };
    let count = file.messages.len();
    let mut reading = FolderReading::new(store, dir, file.messages);
    if let Some(image) = state.image() {
        reading.expect(&image.details);
    }
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
            reading.look_for_missing(previous, &mut names);
        }
        if !names.is_empty() {
            return Reading::NeedsLock;
        }
    }
    let is_short = is_short(&reading);
    let is_stale = reading.is_stale || file.stale || known.next != file.next;
    let FolderReading { mut messages, index, cur, new_mail, rewritten, hides, .. } = reading;
    let missing = Absent::not_found(&messages);
    messages.keep(bit::FOUND);
    if messages.count(bit::FRESH) > 0
        || messages.count(bit::DOUBLED) > 0
        || with_state.is_contradicted_by(validity, &messages)
    {
        return Reading::NeedsLock;
    }
    if !version.is_current(dir) {
        return Reading::Overtaken;
    }
    let tells_nothing = request.mode.is_search() && messages.len() == 0;
    if !tells_nothing && !make_durable(request, &version, validity, known.next, &time) {
        return Reading::NeedsLock;
    }
    if !request.mode.is_search() {
        upkeep::purge_tmp(store, dir, time.seconds);
    }
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
        had_new: false,
        hides,
        draft: None,
        version: Some(version),
        rewritten: Vec::new(),
        known: count,
    };
    let access = Access { lock: None, has_room: true, is_writable: false, time };
    let uids = Uids { validity, next: known.next, saved: true };
    match super::snapshot(request, &access, found, uids, stamp) {
        Ok((mut snapshot, needs_merge)) => {
            let has_news =
                !values::take_values(request, state, &mut snapshot) || !rewritten.is_empty();
            rewritten.iter().for_each(|uid| snapshot.details.forget(*uid));
            Reading::Whole(Box::new(Unlocked {
                snapshot,
                has_leftovers: is_stale || is_short || needs_merge || dir.keywords().is_err(),
                has_news,
                rewritten,
            }))
        }
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
