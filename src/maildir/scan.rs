//! The scan of a folder: which messages are there, and what their UIDs are. The steps are files of
//! their own: lock, collect, number, save, snapshot.
//!
//! # The races that a scan survives
//!
//! A Maildir has no lock that everybody takes. While we scan, delivery agents put files into `new`.
//! Sessions of other programs, of Courier, of this program and of other hosts rename files in `cur`
//! (every change of a flag is a rename), unlink them, and replace the control files. These rules
//! keep the UIDs right all the same:
//!
//! - **UIDs are given under the lock only.** A scan reads the UID file, gives UIDs and replaces the
//!   file under one lock, so two scans never give the same UID. The file is replaced by a rename,
//!   so a reader without the lock sees the old one or the new one. The file and its directory are
//!   synced before the scan returns, the directory without the lock: a UID that a client was told
//!   survives a crash. If the file
//!   cannot be written, the old one stays, the scan removes what it has delivered, and it fails.
//! - **A full disk**, or one that cannot be written for another reason, must not lock anybody out.
//!   The scan reserves room for the UID file before it touches `new`, where the file system can do
//!   that. If there is none, new mail stays in `new`, and the scan shows the messages whose UIDs
//!   are saved. Their owner can read them, delete them, and so make room. (Some file systems notice
//!   only at the end that they are full. Then new mail is in `cur` already, and is not shown
//!   either.)
//! - **A rename during the reading** can hide a file, when the old name is ahead of the reader and
//!   the new one behind, or show it twice. A message that seems to be gone would lose its UID, and
//!   the client its copy. So if a known message was not found, or a name was found twice, the
//!   directory is read again, until it did not change during a reading. Only then is a message
//!   given up. One that any of the readings has found counts as there. If it is gone all the same,
//!   the next scan will notice.
//! - **Two files of one name** (a restored backup, a crash in the middle of a copy) would share a
//!   UID: when one is removed, the other would appear in its place. The second file gets a name of
//!   its own. If both names are the same file, somebody is in the middle of a rename by link and
//!   unlink; only after ten minutes is the second name removed.
//! - **Moving `new` to `cur`** races with others that do the same (Courier's session at login takes
//!   no lock). A file that is no longer in `new` was moved by somebody else, and the next scan
//!   finds it in `cur`. A move never replaces a file.
//! - **A message that comes back** into `new` from `cur` keeps its UID, which belongs to its name.
//! - **Delivery**: the file in `tmp` is complete and synced when it is moved into `cur`, under the
//!   lock. `cur` and the UID file are synced before the client is told. A crash in between leaves a
//!   message without a UID, or a line without a message, whose UID is not given again.
//! - **A move** (`move_in.rs`) renames files of another folder into `cur`, under the lock, when
//!   their UIDs are on disk in a file that has yet to get its name. So nobody sees a UID without
//!   its message, and a failure to write the file moves nothing. A crash in between leaves messages
//!   without a UID.
//! - **A lock that was taken from us**: another host thought us dead, or another session removed
//!   our lock in place of a stale one (Courier removes it by the name alone), or a hand did. Then
//!   another scan may be giving UIDs. So when the new UID file is written and synced, the lock must
//!   still be ours and the UID file the one that was read, or the scan begins anew; and when the
//!   new file has got its name, the lock is looked at once more. If it was lost by then, the file
//!   may have replaced that of another scan, so all messages get new UIDs under another
//!   UIDVALIDITY, before anybody is told one by us.
//! - **A UID file from a backup**, or one that two scans have written: what the session has told
//!   its client counts. The next UID is above all that it has told. Where a UID names another
//!   message than it did, a new UIDVALIDITY begins; so it does where a UID that is told already
//!   names a message that was never seen under it (`messages/absent.rs`).
//! - **What other sessions have told** counts as well: the folder's state has it. It is read before
//!   the directories, so whatever is different in them is a change, which the scan records
//!   (`values.rs`). A scan that had to leave messages out records nothing.
//! - **Without the lock** a folder is scanned in which nothing has to be written (`unlocked.rs`).
//! - **A search** in a folder that is not open scans it so, too, and under the lock only where mail
//!   has no UID by which it could be named. If the lock or the new UIDs cannot be had, it shows the
//!   messages whose UIDs are saved, and moves nothing.
//! - **Caches** of a network file system know a name's file for a second after another host has
//!   replaced it. Read from there, the UID file would give a UID that is taken. So its directory
//!   decides which file it is, and whose the lock is (`sys/control.rs`).
//! - **An unchanged folder** is not scanned. [`is_unchanged`] compares the times of the directories
//!   with those that were read *before* their entries. It trusts them only if they lay further back
//!   than one tick of the clock of file times: two changes within one tick leave the same time.
//!   Where several hosts, each by its own clock, change files, that tick is a minute.

mod collect;
mod lock;
mod move_in;
mod number;
mod request;
mod save;
mod snapshot;
mod unlocked;
mod values;

pub(crate) use move_in::{Incoming, move_in};
pub(crate) use request::{Mode, Patience};
pub(crate) use snapshot::{Snapshot, is_unchanged};
pub(super) use values::are_settled;

use super::deliver::{Arrivals, Delivery};
use super::details::Details;
use super::keywords::Merge;
use super::lock::Lock;
use super::messages::{Absent, Messages, bit};
use super::sequences::Sequences;
use super::stamp::Stamp;
use super::state::Found;
use super::uiddb::Version;
use super::{Entered, Error, Store, keywords, names, record, state};
use crate::sys::fs;
use crate::types::{Uid, UidValidity};
use collect::Collected;
use lock::{Access, Turn};
use number::Uids;
use request::Request;
use save::Saved;
use snapshot::Proof;

/// How often a scan starts again because its lock was taken from it.
const MAX_TRIES: u32 = 10;

/// What a scan gives.
pub(crate) struct Scanned {
    /// The folder.
    pub(crate) snapshot: Snapshot,
    /// The UIDs of the deliveries, in their order. Empty where UIDs cannot be saved: such a UID
    /// must not be announced.
    pub(crate) delivered: Vec<Uid>,
    /// Their file names, in the same order.
    pub(crate) names: Vec<Vec<u8>>,
}

impl Scanned {
    /// A scan that has delivered nothing.
    fn of(snapshot: Snapshot) -> Scanned {
        Scanned { snapshot, delivered: Vec::new(), names: Vec::new() }
    }
}

/// Scans a folder under its lock (STORAGE 2.4): puts the deliveries into `cur`, moves `new` to
/// `cur`, gives UIDs to the messages that have none.
///
/// Messages that no scan has found before are marked recent, except deliveries. `previous` is the
/// last scan of the same selection, if there was one. The UIDVALIDITY is another one if the UID
/// file was lost.
pub(crate) fn scan(
    store: &Store,
    dir: &Entered,
    mode: Mode,
    previous: Option<&Snapshot>,
    deliveries: Vec<Delivery>,
) -> Result<Scanned, Error> {
    let (mut scanned, arrivals) = scan_and_hold(store, dir, mode, previous, deliveries)?;
    scanned.names = arrivals.stay();
    Ok(scanned)
}

/// Scans a folder that is being opened. If it has no state yet, and the client does not go by
/// modification sequences, it gets one by [`Snapshot::make_state`], when the client has its answer.
pub(crate) fn open(store: &Store, dir: &Entered, mode: Mode) -> Result<Snapshot, Error> {
    let request =
        Request { defers: values::may_wait(store, dir), ..Request::new(store, dir, mode) };
    Ok(hold(dir, &request, Vec::new())?.0.snapshot)
}

/// As [`scan`]. The deliveries are there, and go again unless the caller lets them stay.
pub(crate) fn scan_and_hold<'a>(
    store: &Store,
    dir: &'a Entered,
    mode: Mode,
    previous: Option<&Snapshot>,
    deliveries: Vec<Delivery>,
) -> Result<(Scanned, Arrivals<'a>), Error> {
    let delivers = !deliveries.is_empty() || mode == Mode::New;
    let request = Request { previous, delivers, ..Request::new(store, dir, mode) };
    hold(dir, &request, deliveries)
}

fn hold<'a>(
    dir: &'a Entered,
    request: &Request<'_>,
    mut deliveries: Vec<Delivery>,
) -> Result<(Scanned, Arrivals<'a>), Error> {
    let Request { store, previous, .. } = *request;
    let mut arrivals = Arrivals::new(dir);
    let mut lock = None;
    if request.may_go_without_lock() {
        let mut state = state::read(store, dir);
        if previous.is_none() {
            match values::warm(request, state) {
                Ok(snapshot) => return Ok((Scanned::of(snapshot), arrivals)),
                Err(read) => state = read,
            }
        }
        match without_waiting(request, state) {
            Ok(snapshot) => return Ok((Scanned::of(snapshot), arrivals)),
            Err(taken) => lock = taken,
        }
    }
    let (mut doubtful, mut unseen) = (None, Messages::default());
    for _ in 0..MAX_TRIES {
        let request = Request { doubtful, ..*request };
        match scan_once(&request, lock.take(), &mut deliveries, &mut arrivals)? {
            Try::Done(mut scanned) => {
                scanned.snapshot.messages.add_recent(&unseen);
                return Ok((*scanned, arrivals));
            }
            Try::Again => {}
            Try::Doubtful(validity, mut messages) => {
                doubtful = Some(validity);
                messages.end_scan();
                messages.add_recent(&unseen);
                unseen = messages;
            }
        }
    }
    Err(Error::Locked)
}

/// Scans without the lock if that does, and with it if it can be had at once and there is something
/// to write. Otherwise the lock is needed: it comes with the answer if it is taken already.
/// `state`: the folder's, as it was just now.
fn without_waiting(request: &Request<'_>, state: Found) -> Result<Snapshot, Option<Lock>> {
    // What hinders us from taking it, the scan that needs it will say.
    let attempt = || Lock::attempt(request.store, request.dir).ok().flatten();
    // A state is made under the lock. Whoever goes by its values waits a little.
    let for_values = || record::lock_if_awaited(request.store, request.dir);
    let needs_state = !request.mode.is_search()
        && request.defers.is_none()
        && state::is_kept(request.store)
        && state.image().is_none()
        && request.dir.folder().is_writable();
    if needs_state && let Some(lock) = for_values() {
        return Err(Some(lock));
    }
    if request.will_probably_write()
        && let Some(lock) = attempt()
    {
        return Err(Some(lock));
    }
    let Some(mut unlocked) = unlocked::scan(request, state) else { return Err(None) };
    if request.mode.is_search() {
        return Ok(unlocked.snapshot);
    }
    if unlocked.has_leftovers
        && let Some(lock) = attempt()
    {
        return Err(Some(lock));
    }
    if unlocked.has_news {
        let is_writable = request.dir.folder().is_writable();
        if is_writable && values::defer(request, &mut unlocked.snapshot) {
            return Ok(unlocked.snapshot);
        }
        let rewritten = std::mem::take(&mut unlocked.rewritten);
        let lock = if is_writable { for_values() } else { None };
        let Some(lock) = lock else {
            unlocked.snapshot.take_recorded(request, &rewritten);
            return Ok(unlocked.snapshot);
        };
        let seen = (&mut unlocked.snapshot, &*rewritten);
        if let Err(lock) = values::record_unchanged(request, lock, seen) {
            return Err(Some(lock));
        }
    }
    Ok(unlocked.snapshot)
}

/// What came of one try.
enum Try {
    Done(Box<Scanned>),
    /// Another scan may have given UIDs meanwhile. What was delivered is in `arrivals`.
    Again,
    /// The same, but UIDs were written in the file, under this UIDVALIDITY, perhaps over those of
    /// the other scan. We told nobody. The messages, of which some may be \Recent.
    Doubtful(UidValidity, Messages),
}

/// One try.
fn scan_once(
    request: &Request<'_>,
    taken: Option<Lock>,
    deliveries: &mut Vec<Delivery>,
    arrivals: &mut Arrivals<'_>,
) -> Result<Try, Error> {
    let is_repeated = !arrivals.names().is_empty();
    let mut access = match lock::lock(request, taken)? {
        Turn::Ours(access) => access,
        Turn::Served(snapshot) => {
            return Ok(Try::Done(Box::new(Scanned::of(*snapshot))));
        }
    };
    let state = state::read(request.store, request.dir);
    let with_state = &Request { image: state.image(), ..*request };
    let mut found = collect::collect(with_state, &access, deliveries, arrivals)?;
    let uids = match save::save(with_state, &access, &mut found, None)? {
        Saved::Done(uids) => uids,
        Saved::Again => return Ok(Try::Again),
        Saved::Doubtful(uids) => return Ok(Try::Doubtful(uids.validity, found.messages)),
    };
    let messages = &mut found.messages;
    let delivered = if !uids.saved {
        Vec::new()
    } else if is_repeated {
        // The scan that took the lock from us may have given the UIDs, in any order.
        arrivals.names().iter().filter_map(|name| uid_by_name(messages, name)).collect()
    } else {
        messages.with(bit::DELIVERED)
    };
    messages.end_scan();
    messages.shrink();
    let begins_anew = found.uids.validity != Some(uids.validity);
    let first_new = found.has_news.then_some(if begins_anew { 1 } else { found.uids.next });
    let rewritten = std::mem::take(&mut found.rewritten);
    let is_complete = found.has_room && access.has_room;
    let had_new = found.had_new;
    let uid_file = Version::certain_stamp(request.dir).ok().flatten();
    let (mut snapshot, _) = snapshot(with_state, &access, found, uids, uid_file)?;
    // A proof says that the UID file is on disk, too, and that nothing lies in `new`. Where that is
    // not so yet, it is proven later.
    let (settled, fsync) = (snapshot.proof.settled, request.store.config.fsync);
    let is_durable = !fsync || unlocked::is_durable(request, uids, uid_file, &access.time);
    snapshot.proof.settled &= is_durable && !had_new;
    if is_complete {
        values::record(request, &access, state, (&mut snapshot, &rewritten));
    } else {
        // What is hidden for want of room is not gone.
        snapshot.go_without_values(request.previous);
        snapshot.take_recorded(request, &rewritten);
    }
    let is_short = snapshot.sequences.as_ref().is_some_and(Sequences::is_short);
    snapshot.proof.settled = settled && !is_short;
    snapshot.proof.is_saved &= is_durable && !had_new;
    access.lock = None;
    if !is_durable
        && uids.saved
        && let Err(e) = sync(request.dir, !arrivals.names().is_empty())
    {
        let Error::Io(_) = e else { return Err(e) };
        hide_unsynced(request, &mut snapshot, first_new, e)?;
    }
    Ok(Try::Done(Box::new(Scanned { delivered, ..Scanned::of(snapshot) })))
}

/// Leaves out the messages whose new UIDs are saved in a directory that cannot be synced, from
/// `first` on. `None`: somebody else has given the last UIDs. Then what the session does not know
/// yet is left out; in a folder that is just being opened, nothing: it must not be closed to its
/// owner.
fn hide_unsynced(
    request: &Request<'_>,
    snapshot: &mut Snapshot,
    first: Option<u32>,
    e: Error,
) -> Result<(), Error> {
    let begins_anew = first == Some(1);
    let Some(refused) = e.io().filter(|_| !request.delivers && !begins_anew) else { return Err(e) };
    request.store.new_mail_is_hidden(&request.dir.uid_file_path(), refused);
    let same = |old: &&Snapshot| old.uid_validity == snapshot.uid_validity;
    let unknown = || request.previous.filter(same).map(|old| old.uid_next);
    if let Some(first) = first.or_else(unknown) {
        snapshot.leave_out_from(first);
    }
    Ok(())
}

/// Syncs the directories, without the lock: a sync takes longer than all the rest. Whoever reads
/// the new UID file meanwhile syncs, too, before a client is told its UIDs (`unlocked.rs`, or the
/// next scan under the lock that gives some).
fn sync(dir: &Entered, delivered: bool) -> Result<(), Error> {
    if delivered {
        let cur = dir.cur().map_err(Error::about("opening", &dir.cur_path()))?;
        cur.sync().map_err(Error::about("syncing", cur.path()))?;
    }
    let failed = |e| Error::failed(format!("writing {}", fs::shown(&dir.uid_file_path())), e);
    dir.folder().sync().map_err(failed)
}

/// Step 5: reads the keywords, and puts together what the session gets; whether there are keywords
/// to be merged.
fn snapshot(
    request: &Request<'_>,
    access: &Access,
    found: Collected<'_>,
    uids: Uids,
    uid_file: Option<Stamp>,
) -> Result<(Snapshot, bool), Error> {
    let Request { store, dir, .. } = *request;
    let Collected { mut messages, missing, index, cur, new_mail, has_room, hides, known, .. } =
        found;
    let missing =
        if found.uids.validity == Some(uids.validity) { missing } else { Absent::default() };
    let merges = if access.is_writable && has_room { Merge::All } else { Merge::No };
    let read = match store.config.keywords.is_on() {
        true => keywords::read(store, dir, &messages, &index, merges)?,
        false => keywords::none(dir, &messages, merges),
    };
    drop(index);
    for (i, set) in read.sets.iter().enumerate() {
        messages.set_keywords(i, *set);
    }
    let is_settled = are_settled(&[cur, new_mail, read.stamp, uid_file], &access.time);
    let settled = is_settled && !hides && !read.has_unread;
    log::trace!("{}: {known} known, {} there", fs::shown(dir.path()), messages.len());
    debug_assert!(messages.is_ascending(), "the UIDs of a snapshot ascend");
    let absent = Absent::after(request.told(Some(uids.validity)), missing, &messages);
    let snapshot = Snapshot {
        uid_validity: uids.validity,
        uid_next: uids.next,
        messages,
        absent,
        keywords: read.table,
        has_unread_keywords: read.has_unread,
        saved: uids.saved,
        hides,
        sequences: None,
        due: None,
        details: Details::default(),
        proof: Proof { cur, new_mail, keywords: read.stamp, uid_file, settled, is_saved: false },
    };
    Ok((snapshot, read.needs_merge))
}

/// The UID of the message that was delivered under this name. Its flags may have changed since.
fn uid_by_name(messages: &Messages, name: &[u8]) -> Option<Uid> {
    let base = names::base(name);
    (0..messages.len()).find(|i| messages.base_name(*i) == base).and_then(|i| messages.uid(i))
}

#[cfg(test)]
mod races;
#[cfg(test)]
mod tests;
