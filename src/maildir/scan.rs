//! One look at a folder: which messages are there, and what their UIDs are.
//!
//! # The races that a scan survives
//!
//! A Maildir has no lock that all take. Under our feet delivery agents put files into `new`; sessions of other programs, of Courier, of this
//! program and of other hosts rename files in `cur` (every change of a flag is a rename), unlink them, and replace the control files.
//! What holds it together is this:
//!
//! - **UIDs are given under the lock, by nobody else.** Reading the UID file, giving UIDs and replacing the file are one locked unit, so
//!   two scans never give one UID twice. The file is replaced by a rename, so whoever reads it without the lock sees an old or a new one.
//!   It is synced, with its directory, before the scan returns: a UID that a client was told survives a crash. If it cannot be written,
//!   the old one stays, what the scan has delivered is taken back, and the scan fails: no UID was told that could be given again.
//! - **A rename while the directory is read** may hide a file from the reading (its old name lies behind, its new one before us), or
//!   show it twice. A file that seems to be gone would lose its UID, and with it the client its copy. So if a known message was not met, or
//!   a name was met twice, the directory is read again, until it did not change during a reading; only then is a message given up.
//!   One that was met in any reading is not missing: if it is gone all the same, the next scan will see that.
//! - **Two files of one name** (a restored backup, a crash in the middle of a copy) would share a UID, and removing one would show the
//!   other in its place: one UID, two messages. The second gets a name of its own. Not so if both are the same file: then somebody is in
//!   the middle of a rename by link and unlink, and in a moment there is one.
//! - **Moving `new` to `cur`** may meet others that do the same (Courier's sweep at login takes no lock). A file that is no longer there
//!   was moved by somebody else, and the next scan meets it in `cur`. A move never replaces a file.
//! - **A message that comes back** into `new` after it was in `cur` keeps its UID: it is the name that counts.
//! - **Delivery**: the file in `tmp` is complete and synced when it is moved into `cur`, under the lock; `cur` is synced before
//!   the UID is written down; the UID is written down before anybody is told. A crash between any two of these leaves a
//!   message without a UID, never a UID without its message.
//! - **A lock that was taken from us**: another host thought us dead, or another session that found a dead one's lock removed ours in its
//!   place (Courier does that by the name alone). Then another scan may be giving UIDs of its own, so before the UID file is replaced the
//!   lock is looked at once more; if it is not ours any more the scan begins anew. What is left is the moment between that look and the
//!   rename.
//! - **Nothing has changed?** [`is_unchanged`] compares the times of the directories with those that were read *before* the entries
//!   were, and trusts them only if they lay further back than file times are coarse: two changes in one tick of the clock look like one.

use super::deliver::{Arrivals, Delivery};
use super::lock::Lock;
use super::look::{Look, Stamp};
use super::messages::{Messages, bit};
use super::uiddb::{self, UidFile};
use super::{Dir, Error, Store, folders, keywords, names};
use crate::sys::{self, clock, fs};
use crate::types::{KeywordTable, Uid, UidValidity};
use std::cell::OnceCell;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// What a scan is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The folder has to be one that can be locked.
    ReadWrite,
    /// A folder that cannot be locked or written is shown as it is, with UIDs that hold for this selection only.
    ReadOnly,
}

/// A folder as a scan found it.
#[derive(Clone)]
pub struct Snapshot {
    /// The UIDVALIDITY that the UIDs belong to.
    pub uid_validity: UidValidity,
    /// Greater than every UID that was ever given under this UIDVALIDITY.
    pub uid_next: u32,
    /// The messages, by ascending UID.
    pub messages: Messages,
    /// Their keywords.
    pub keywords: KeywordTable,
    /// Some keywords could not be read: none may be written on top of them.
    pub(super) partial: bool,
    saved: bool,
    proof: Proof,
}

impl Snapshot {
    /// Whether the UIDs are on disk. If not, they hold until the folder is left, and the next look begins anew.
    pub fn is_saved(&self) -> bool {
        self.saved
    }

    /// The same look for a new selection: nothing is recent any more, for a selection before it has been told.
    pub fn selected_again(mut self) -> Snapshot {
        self.messages.unmark_all(bit::RECENT | bit::CHANGED);
        self
    }
}

/// What a scan gives.
pub struct Scanned {
    /// The folder.
    pub snapshot: Snapshot,
    /// The UIDs of the deliveries, in their order. Empty where UIDs cannot be saved: then there is none to tell.
    pub delivered: Vec<Uid>,
}

/// The state of the directories before they were read.
#[derive(Clone, PartialEq, Eq)]
struct Proof {
    cur: Option<Stamp>,
    new_mail: Option<Stamp>,
    keywords: Option<Stamp>,
    uid_file: Option<Stamp>,
    /// Whether another change would show.
    settled: bool,
}

/// Scans a folder, as one locked unit (STORAGE 2.4): takes in the deliveries, moves `new` to `cur`, gives UIDs to what has none.
///
/// Messages met for the first time are marked recent; delivered ones are not, nor are marks carried over from `previous`, the
/// last look of the same selection, if there was one. The UIDVALIDITY may differ from that of `previous`, if the UID file was lost.
pub fn scan(
    store: &Store,
    dir: &Dir,
    mode: Mode,
    previous: Option<&Snapshot>,
    mut deliveries: Vec<Delivery>,
) -> Result<Scanned, Error> {
    let mut arrivals = Arrivals::new(dir);
    for _ in 0..TRIES {
        if let Some(scanned) = scan_once(store, dir, mode, previous, &mut deliveries, &mut arrivals)? {
            arrivals.stay();
            return Ok(scanned);
        }
    }
    Err(Error::Locked)
}

/// The most scans that are begun anew because their lock was taken from them.
const TRIES: u32 = 10;

/// One try, with the deliveries that are not in `cur` yet; `None`: the lock was taken from us, and no UID was given.
fn scan_once(
    store: &Store,
    dir: &Dir,
    mode: Mode,
    previous: Option<&Snapshot>,
    deliveries: &mut Vec<Delivery>,
    arrivals: &mut Arrivals<'_>,
) -> Result<Option<Scanned>, Error> {
    let again = !arrivals.names().is_empty();
    let lock = match Lock::acquire(store, dir) {
        Ok(lock) => Some(lock),
        Err(e) if mode == Mode::ReadOnly && deliveries.is_empty() && !again && cannot_be_locked(&e) => None,
        Err(e) => return Err(e),
    };
    let time = Time::of(lock.as_ref());
    if lock.is_some() {
        purge(store, dir, time.seconds);
    }
    let writable = lock.is_some() && fs::writable(dir.path()) && fs::writable(&dir.tmp());
    // UIDs that could not be saved go on for as long as the folder is selected, or the client would see them change.
    let unsaved = previous.filter(|p| !p.saved);
    let file = match unsaved {
        Some(p) => UidFile {
            validity: Some(p.uid_validity),
            before: None,
            next: p.uid_next,
            messages: without_marks(&p.messages),
            stale: false,
        },
        None => uiddb::read(dir)?,
    };
    let known = file.messages.len();
    let mut look = Look::new(store, dir, file.messages);
    let deliver = !deliveries.is_empty();
    if deliver {
        // Never through a link.
        sys::dir::open(&dir.cur()).map_err(Error::about("opening", &dir.cur()))?;
    }
    for mut delivery in deliveries.drain(..) {
        arrivals.add(delivery.put(store, dir)?);
    }
    for name in arrivals.names() {
        look.add(name, bit::DELIVERED);
    }
    if deliver && store.config.fsync {
        let cur = dir.cur();
        fs::sync_dir(&cur).map_err(Error::about("syncing", &cur))?;
    }
    look.read_cur(time.nanos)?;
    if lock.is_some() {
        look.settle_doubles();
        look.move_new()?;
    } else {
        look.list_new()?;
    }
    let Look { mut messages, index, cur, new_mail, stale, .. } = look;
    let mut stale = stale || file.stale;
    let met = messages.len();
    messages.keep(bit::FOUND);
    stale |= messages.len() != met;
    let news = messages.count(bit::FRESH) > 0 || messages.count(bit::DOUBLED) > 0 || file.validity.is_none();
    let (uid_validity, uid_next, saved) = if unsaved.is_some() || !writable {
        let hide = previous.is_some_and(|p| p.saved);
        // Never one that this session has used before, not even in the same second.
        let fresh = uiddb::fresh_validity(time.seconds, file.validity.max(store.unsaved_validity.get()));
        let numbered =
            number_unsaved(&mut messages, file.validity, file.next, unsaved.is_some(), hide, fresh).ok_or_else(too_many)?;
        if !numbered.2 {
            store.unsaved_validity.set(Some(numbered.0));
        }
        numbered
    } else {
        let validity = file.validity.unwrap_or_else(|| uiddb::fresh_validity(time.seconds, file.before));
        let (validity, next) = number(&mut messages, validity, file.next, time.seconds).ok_or_else(too_many)?;
        if stale || news {
            if lock.as_ref().is_some_and(|lock| !lock.is_ours()) {
                // Another scan is under way, and gives UIDs of its own: ours are told to nobody.
                return Ok(None);
            }
            match uiddb::write(store, dir, validity, next, &messages, news || validity != file.validity.unwrap_or(validity)) {
                Ok(()) => {}
                // Lines of messages that are gone do no harm: an account that is full can still be opened and emptied.
                Err(e) if !news => log::error!("{}: {e}", dir.uid_file().display()),
                Err(e) => return Err(Error::failed(format!("writing {}", dir.uid_file().display()), e)),
            }
        }
        (validity, next, true)
    };
    let delivered = match saved {
        // Another scan may have numbered them, in whatever order.
        true if again => arrivals.names().iter().filter_map(|name| uid_by_name(&messages, name)).collect(),
        true => messages.with(bit::DELIVERED),
        false => Vec::new(),
    };
    messages.settle_marks();
    messages.shrink();
    let uid_file = uid_file_stamp(dir);
    // The table still fits if no message has another place than it had.
    let index = if messages.len() == met && !news { OnceCell::from(index) } else { OnceCell::new() };
    let state = keywords::read(store, dir, &messages, &index, writable)?;
    drop(index);
    for (i, set) in state.sets.iter().enumerate() {
        messages.set_keywords(i, *set);
    }
    let settled = [cur, new_mail, state.stamp].iter().flatten().all(|stamp| stamp.is_settled(time.nanos)) && !state.partial;
    let proof = Proof { cur, new_mail, keywords: state.stamp, uid_file, settled };
    log::trace!("{}: {known} known, {} there", dir.path().display(), messages.len());
    let snapshot = Snapshot { uid_validity, uid_next, messages, keywords: state.table, partial: state.partial, saved, proof };
    Ok(Some(Scanned { snapshot, delivered }))
}

/// The UID of a message that was delivered under this name; its flags may be others by now.
fn uid_by_name(messages: &Messages, name: &[u8]) -> Option<Uid> {
    let base = name.get(..names::base_length(name))?;
    messages.iter().find(|m| messages.base_name(m.index) == base).map(|m| m.uid)
}

fn too_many() -> Error {
    Error::failed("giving UIDs", std::io::Error::other("too many messages"))
}

fn cannot_be_locked(e: &Error) -> bool {
    // A folder without `tmp` can still be looked at.
    e.io().is_some_and(|e| fs::is_unwritable(e) || e.kind() == std::io::ErrorKind::NotFound)
}

fn without_marks(messages: &Messages) -> Messages {
    let mut messages = messages.clone();
    messages.unmark_all(u8::MAX);
    messages
}

/// Gives UIDs under this UIDVALIDITY, or, when there are not enough left, all anew under another.
fn number(messages: &mut Messages, validity: UidValidity, next: u32, seconds: i64) -> Option<(UidValidity, u32)> {
    if let Some(next) = messages.number(next) {
        return Some((validity, next));
    }
    messages.forget_uids();
    Some((uiddb::fresh_validity(seconds, Some(validity)), messages.number(1)?))
}

/// UIDs where none can be saved. What the UID file has is good as it is; beyond that there are two ways. A first look gives all messages UIDs
/// from 1 on under a UIDVALIDITY of its own; a later one goes on from there, or, after a look that could keep to the file, leaves out what
/// the file does not have.
fn number_unsaved(
    messages: &mut Messages,
    validity: Option<UidValidity>,
    next: u32,
    go_on: bool,
    hide: bool,
    fresh: UidValidity,
) -> Option<(UidValidity, u32, bool)> {
    match validity {
        Some(validity) if go_on => Some((validity, messages.number(next)?, false)),
        Some(validity) if hide || messages.count(bit::FRESH) + messages.count(bit::DOUBLED) == 0 => {
            messages.leave_out(bit::FRESH | bit::DOUBLED);
            Some((validity, next, true))
        }
        _ => {
            messages.forget_uids();
            Some((fresh, messages.number(1)?, false))
        }
    }
}

/// Whether a folder is proven to be as the snapshot has it. Takes no lock and makes no file. `false` proves nothing.
pub fn is_unchanged(_store: &Store, dir: &Dir, snapshot: &Snapshot) -> bool {
    let old = &snapshot.proof;
    old.settled
        && old.cur.is_some()
        && Stamp::of_directory(&dir.cur()) == old.cur
        && Stamp::of_directory(&dir.new_mail()) == old.new_mail
        && Stamp::of_directory(&dir.keywords()) == old.keywords
        && uid_file_stamp(dir) == old.uid_file
}

fn uid_file_stamp(dir: &Dir) -> Option<Stamp> {
    fs::lstat(&dir.uid_file()).ok().map(|m| Stamp::of(&m))
}

/// When a scan took place.
pub(super) struct Time {
    /// For new UIDVALIDITY values.
    pub(super) seconds: i64,
    /// For judging the times of directories: no later than the file system's own.
    pub(super) nanos: i128,
}

impl Time {
    /// By the lock's file, which the file system has just given a time. Without one, by our clock; at login those two were proven to be no
    /// more than 30 seconds apart.
    pub(super) fn of(lock: Option<&Lock>) -> Time {
        match lock.and_then(Lock::time) {
            Some(nanos) => Time { seconds: i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(0), nanos },
            None => Time { seconds: clock::now().0, nanos: clock::now_nanos().saturating_sub(31_000_000_000) },
        }
    }
}

/// Files in `tmp` stay this many seconds (STORAGE 1.5).
const TMP_STAYS: i64 = 36 * 3600;
/// How often a session looks for them in one folder.
const PURGE_EVERY: Duration = Duration::from_secs(20 * 60);

/// Removes what deliveries that never came to an end have left in `tmp`.
fn purge(store: &Store, dir: &Dir, now: i64) {
    let time = clock::monotonic();
    let last = store.purged.borrow_mut().insert(dir.path().to_owned(), time);
    if let Some(last) = last.filter(|last| time.saturating_duration_since(*last) < PURGE_EVERY) {
        store.purged.borrow_mut().insert(dir.path().to_owned(), last);
        return;
    }
    let tmp = dir.tmp();
    for name in sys::dir::names(&tmp).unwrap_or_default() {
        // A name begins with the second it was given in: what says that it is young needs no look.
        let given = crate::types::number::atoi(&name);
        if given > now.saturating_sub(TMP_STAYS) && given <= now {
            continue;
        }
        let path = fs::join(&tmp, &name);
        let Some(metadata) = fs::lstat(&path).ok().filter(|_| !name.starts_with(b".")) else { continue };
        if metadata.ctime() < now.saturating_sub(TMP_STAYS) {
            if metadata.is_dir() {
                folders::sweep(&path, &name);
            } else {
                let _ = fs::unlink(&path);
            }
        }
    }
}

#[cfg(test)]
mod races;
#[cfg(test)]
mod tests;
