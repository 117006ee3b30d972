//! One look at a folder: which messages are there, and what their UIDs are.
//!
//! # The races that a scan survives
//!
//! A Maildir has no lock that all take. Under our feet delivery agents put files into `new`;
//! sessions of other programs, of Courier, of this program and of other hosts rename files in `cur`
//! (every change of a flag is a rename), unlink them, and replace the control files. What holds it
//! together is this:
//!
//! - **UIDs are given under the lock, by nobody else.** Reading the UID file, giving UIDs and
//!   replacing the file are one locked unit, so two scans never give one UID twice. The file is
//!   replaced by a rename, so whoever reads it without the lock sees an old or a new one. It is
//!   synced, with its directory, before the scan returns: a UID that a client was told survives a
//!   crash. If it cannot be written, the old one stays, what the scan has delivered is taken back,
//!   and the scan fails: no UID was told that could be given again.
//! - **A full disk** must not lock anybody out. Room for the UID file is set aside before `new` is
//!   touched, where the file system can do that. If there is none, new mail stays there, and the
//!   scan shows what has a saved UID: its owner can read it, delete it, and so make room. (Where
//!   the file system finds out only at the end, new mail lies in `cur` by then, and is not shown
//!   either.)
//! - **A rename while the directory is read** may hide a file from the reading (its old name lies
//!   behind, its new one before us), or show it twice. A file that seems to be gone would lose its
//!   UID, and with it the client its copy. So if a known message was not met, or a name was met
//!   twice, the directory is read again, until it did not change during a reading; only then is a
//!   message given up. One that was met in any reading is not missing: if it is gone all the same,
//!   the next scan will see that.
//! - **Two files of one name** (a restored backup, a crash in the middle of a copy) would share a
//!   UID, and removing one would show the other in its place: one UID, two messages. The second
//!   gets a name of its own. Not so if both are the same file: then somebody is in the middle of a
//!   rename by link and unlink, and in a moment there is one.
//! - **Moving `new` to `cur`** may meet others that do the same (Courier's sweep at login takes no
//!   lock). A file that is no longer there was moved by somebody else, and the next scan meets it
//!   in `cur`. A move never replaces a file.
//! - **A message that comes back** into `new` after it was in `cur` keeps its UID: it is the name
//!   that counts.
//! - **Delivery**: the file in `tmp` is complete and synced when it is moved into `cur`, under the
//!   lock; `cur` is synced before the UID is written down; the UID is written down before anybody
//!   is told. A crash between any two of these leaves a message without a UID, never a UID without
//!   its message.
//! - **A lock that was taken from us**: another host thought us dead, or another session that found
//!   a dead one's lock removed ours in its place (Courier does that by the name alone). Then
//!   another scan may be giving UIDs of its own, so before the UID file is replaced the lock is
//!   looked at once more; if it is not ours any more the scan begins anew. What is left is the
//!   moment between that look and the rename.
//! - **Nothing has changed?** [`is_unchanged`] compares the times of the directories with those
//!   that were read *before* the entries were, and trusts them only if they lay further back than
//!   file times are coarse: two changes in one tick of the clock look like one.

use super::deliver::{Arrivals, Delivery};
use super::lock::Lock;
use super::look::{Look, Stamp};
use super::messages::{Messages, bit};
use super::uiddb::{self, Draft, UidFile};
use super::{Dir, Error, Store, folders, keywords, names};
use crate::sys::{self, clock, fs};
use crate::types::{KeywordTable, Uid, UidValidity};
use std::cell::OnceCell;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// What a scan is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// The folder has to be one that can be locked.
    ReadWrite,
    /// A folder that cannot be locked or written is shown as it is, with UIDs that hold for this
    /// selection only.
    ReadOnly,
}

/// A folder as a scan found it.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// The UIDVALIDITY that the UIDs belong to.
    pub(crate) uid_validity: UidValidity,
    /// Greater than every UID that was ever given under this UIDVALIDITY.
    pub(crate) uid_next: u32,
    /// The messages, by ascending UID.
    pub(crate) messages: Messages,
    /// Their keywords.
    pub(crate) keywords: KeywordTable,
    /// Some keywords could not be read: none may be written on top of them.
    pub(super) partial: bool,
    saved: bool,
    proof: Proof,
}

impl Snapshot {
    /// Whether the UIDs are on disk. If not, they hold until the folder is left, and the next look
    /// begins anew.
    pub(crate) fn is_saved(&self) -> bool {
        self.saved
    }

    /// The same look without the messages that are known to be gone by now.
    pub(crate) fn without_those_gone(&self) -> Snapshot {
        let mut left = self.clone();
        left.messages.leave_out(bit::GONE);
        left.messages.unmark_all(bit::CHANGED);
        left.proof.settled = false;
        left
    }

    /// The same look for a new selection: nothing is recent any more, for a selection before it has
    /// been told.
    pub(crate) fn selected_again(mut self) -> Snapshot {
        self.messages.unmark_all(bit::RECENT | bit::CHANGED);
        self
    }
}

/// What a scan gives.
pub(crate) struct Scanned {
    /// The folder.
    pub(crate) snapshot: Snapshot,
    /// The UIDs of the deliveries, in their order. Empty where UIDs cannot be saved: then there is
    /// none to tell.
    pub(crate) delivered: Vec<Uid>,
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

/// Scans a folder, as one locked unit (STORAGE 2.4): takes in the deliveries, moves `new` to `cur`,
/// gives UIDs to what has none.
///
/// Messages met for the first time are marked recent; delivered ones are not, nor are marks carried
/// over from `previous`, the last look of the same selection, if there was one. The UIDVALIDITY may
/// differ from that of `previous`, if the UID file was lost.
pub(crate) fn scan(
    store: &Store,
    dir: &Dir,
    mode: Mode,
    previous: Option<&Snapshot>,
    mut deliveries: Vec<Delivery>,
) -> Result<Scanned, Error> {
    let mut arrivals = Arrivals::new(dir);
    for _ in 0..TRIES {
        if let Some(scanned) =
            scan_once(store, dir, mode, previous, &mut deliveries, &mut arrivals)?
        {
            arrivals.stay();
            return Ok(scanned);
        }
    }
    Err(Error::Locked)
}

/// The most scans that are begun anew because their lock was taken from them.
const TRIES: u32 = 10;

/// One try, with the deliveries that are not in `cur` yet; `None`: the lock was taken from us, and
/// no UID was given.
fn scan_once(
    store: &Store,
    dir: &Dir,
    mode: Mode,
    previous: Option<&Snapshot>,
    deliveries: &mut Vec<Delivery>,
    arrivals: &mut Arrivals<'_>,
) -> Result<Option<Scanned>, Error> {
    let again = !arrivals.names().is_empty();
    let delivers = !deliveries.is_empty() || again;
    let (lock, mut room) = lock_for(store, dir, mode, delivers)?;
    let time = Time::of(lock.as_ref());
    if lock.is_some() {
        purge(store, dir, time.seconds);
    }
    let writable = lock.is_some() && fs::writable(dir.path()) && fs::writable(&dir.tmp());
    // UIDs that could not be saved go on for as long as the folder is selected, or the client would
    // see them change.
    let unsaved = previous.filter(|p| !p.saved);
    let file = unsaved.map_or_else(|| uiddb::read(dir), |p| Ok(going_on(p)))?;
    let known = file.messages.len();
    let mut look = Look::new(store, dir, file.messages);
    put_deliveries(store, dir, deliveries, arrivals)?;
    for name in arrivals.names() {
        look.add(name, bit::DELIVERED);
    }
    look.read_cur(time.nanos)?;
    let mut draft = None;
    if lock.is_some() {
        (draft, room) = take_in(&mut look, store, dir, writable && unsaved.is_none(), delivers)?;
    } else {
        let names = look.list_new()?;
        if !room {
            look.meet_those_back(&names);
        }
    }
    let Look { mut messages, index, cur, new_mail, stale, .. } = look;
    let met = messages.len();
    messages.keep(bit::FOUND);
    let news = messages.count(bit::FRESH) > 0
        || messages.count(bit::DOUBLED) > 0
        || file.validity.is_none();
    let stale = stale || file.stale || messages.len() != met;
    let old = Old { validity: file.validity, before: file.before, next: file.next };
    let mut given = None;
    if writable && unsaved.is_none() && room {
        let saving = Saving { store, dir, lock: lock.as_ref(), time: &time, draft, delivers };
        match saving.save(&mut messages, &old, stale, news)? {
            Saved::As(validity, next) => given = Some((validity, next, true)),
            Saved::NoRoom => room = false,
            // Another scan is under way, and gives UIDs of its own: ours are told to nobody.
            Saved::LockLost => return Ok(None),
        }
    }
    let (uid_validity, uid_next, saved) = match given {
        Some(given) => given,
        None => old
            .without_saving(store, &mut messages, previous, &When { seconds: time.seconds, room })
            .ok_or_else(too_many)?,
    };
    let delivered = match saved {
        // Another scan may have numbered them, in whatever order.
        true if again => {
            arrivals.names().iter().filter_map(|name| uid_by_name(&messages, name)).collect()
        }
        true => messages.with(bit::DELIVERED),
        false => Vec::new(),
    };
    messages.settle_marks();
    messages.shrink();
    let uid_file = uid_file_stamp(dir);
    // The table still fits if no message has another place than it had.
    let index =
        if messages.len() == met && !news { OnceCell::from(index) } else { OnceCell::new() };
    let state = keywords::read(store, dir, &messages, &index, writable && room)?;
    drop(index);
    for (i, set) in state.sets.iter().enumerate() {
        messages.set_keywords(i, *set);
    }
    let quiet =
        [cur, new_mail, state.stamp].iter().flatten().all(|stamp| stamp.is_settled(time.nanos));
    let proof = Proof {
        cur,
        new_mail,
        keywords: state.stamp,
        uid_file,
        settled: quiet && room && !state.partial,
    };
    log::trace!("{}: {known} known, {} there", fs::shown(dir.path()), messages.len());
    let snapshot = Snapshot {
        uid_validity,
        uid_next,
        messages,
        keywords: state.table,
        partial: state.partial,
        saved,
        proof,
    };
    Ok(Some(Scanned { snapshot, delivered }))
}

/// What the last look had, in place of a UID file.
fn going_on(previous: &Snapshot) -> UidFile {
    let mut messages = previous.messages.clone();
    messages.unmark_all(u8::MAX);
    UidFile {
        validity: Some(previous.uid_validity),
        before: None,
        next: previous.uid_next,
        messages,
        stale: false,
    }
}

/// Takes in what is in `new`, once there is room for the UID file that it will need, the `draft` of
/// which is given back. The second value: whether there is room.
fn take_in(
    look: &mut Look<'_>,
    store: &Store,
    dir: &Dir,
    saves: bool,
    delivers: bool,
) -> Result<(Option<Draft>, bool), Error> {
    look.settle_doubles();
    let coming = look.list_new()?;
    let mut draft = None;
    if saves && (!coming.is_empty() || look.messages.count(bit::FRESH) > 0) {
        match Draft::with_room(store, dir, &look.messages, &coming) {
            Ok(with_room) => draft = Some(with_room),
            Err(e) if fs::is_full(&e) && !delivers => {
                store.ran_out_of_room(&dir.uid_file(), &e);
                // What has a UID needs no room.
                let back = coming.into_iter().filter(|name| look.is_back(name)).collect();
                look.move_new(back);
                return Ok((None, false));
            }
            Err(e) => {
                return Err(Error::failed(format!("writing {}", fs::shown(&dir.uid_file())), e));
            }
        }
    }
    look.move_new(coming);
    Ok((draft, true))
}

/// What saving UIDs needs.
struct Saving<'a> {
    store: &'a Store,
    dir: &'a Dir,
    lock: Option<&'a Lock>,
    time: &'a Time,
    draft: Option<Draft>,
    delivers: bool,
}

enum Saved {
    /// Under this UIDVALIDITY, and the next UID.
    As(UidValidity, u32),
    /// Not, for lack of room.
    NoRoom,
    /// Not, for somebody else may be giving UIDs.
    LockLost,
}

impl Saving<'_> {
    /// Gives UIDs, and writes the UID file if there is something to be written: `news`, which a
    /// client will be told, or what is `stale`.
    fn save(
        self,
        messages: &mut Messages,
        old: &Old,
        stale: bool,
        news: bool,
    ) -> Result<Saved, Error> {
        let Saving { store, dir, lock, time, draft, delivers } = self;
        // Never one under which this session has told UIDs that were not saved.
        let past = old.before.max(store.unsaved_validity.get());
        let validity = old.validity.unwrap_or_else(|| uiddb::fresh_validity(time.seconds, past));
        let (validity, next) =
            number(messages, validity, old.next, time.seconds).ok_or_else(too_many)?;
        if !stale && !news {
            return Ok(Saved::As(validity, next));
        }
        if lock.is_some_and(|lock| !lock.is_ours()) {
            return Ok(Saved::LockLost);
        }
        let begun_anew = old.validity.is_some_and(|old| old != validity);
        let draft = draft.map_or_else(|| Draft::new(store, dir), Ok);
        match draft.and_then(|draft| {
            uiddb::write(store, dir, draft, (validity, next), messages, news || begun_anew)
        }) {
            Ok(()) => store.has_room(),
            // Lines of messages that are gone do no harm: an account that is full can still be
            // opened and emptied.
            Err(e) if fs::is_full(&e) && !news => store.ran_out_of_room(&dir.uid_file(), &e),
            Err(e) if !news => log::error!("{}: {e}", fs::shown(&dir.uid_file())),
            // What was in `new` stays in `cur`, out of sight: to move it back would wake every
            // session that watches, again and again.
            Err(e) if fs::is_full(&e) && !delivers && !begun_anew => {
                store.ran_out_of_room(&dir.uid_file(), &e);
                return Ok(Saved::NoRoom);
            }
            Err(e) => {
                return Err(Error::failed(format!("writing {}", fs::shown(&dir.uid_file())), e));
            }
        }
        Ok(Saved::As(validity, next))
    }
}

/// The folder's lock; `None` where it cannot be had and the folder can be looked at without it:
/// where nothing can be written by us, and where there is no room to write, which is the second
/// value.
fn lock_for(
    store: &Store,
    dir: &Dir,
    mode: Mode,
    delivers: bool,
) -> Result<(Option<Lock>, bool), Error> {
    match Lock::acquire(store, dir) {
        Ok(lock) => Ok((Some(lock), true)),
        Err(e) if delivers => Err(e),
        Err(e) if mode == Mode::ReadOnly && cannot_be_locked(&e) => Ok((None, true)),
        Err(e) => match e.io().filter(|e| fs::is_full(e)) {
            Some(full) => {
                store.ran_out_of_room(&dir.tmp(), full);
                Ok((None, false))
            }
            None => Err(e),
        },
    }
}

/// Puts what is delivered into `cur`, on disk.
fn put_deliveries(
    store: &Store,
    dir: &Dir,
    deliveries: &mut Vec<Delivery>,
    arrivals: &mut Arrivals<'_>,
) -> Result<(), Error> {
    if deliveries.is_empty() {
        return Ok(());
    }
    // Never through a link.
    let cur = dir.cur();
    sys::dir::open(&cur).map_err(Error::about("opening", &cur))?;
    for mut delivery in deliveries.drain(..) {
        arrivals.add(delivery.put(store, dir)?);
    }
    if store.config.fsync {
        fs::sync_dir(&cur).map_err(Error::about("syncing", &cur))?;
    }
    Ok(())
}

/// What the UID file said before the scan.
struct Old {
    validity: Option<UidValidity>,
    before: Option<UidValidity>,
    next: u32,
}

impl Old {
    /// UIDs where none can be saved; `None`: there are not enough.
    fn without_saving(
        &self,
        store: &Store,
        messages: &mut Messages,
        previous: Option<&Snapshot>,
        when: &When,
    ) -> Option<Given> {
        // Never one that this session has used before, not even in the same second.
        let fresh = uiddb::fresh_validity(
            when.seconds,
            self.validity.max(self.before).max(store.unsaved_validity.get()),
        );
        if !when.room && self.validity.is_none() {
            // Nothing has a saved UID, and so nothing is shown: no UID is told that could then name
            // another message.
            messages.leave_out(bit::FRESH | bit::DOUBLED);
            return Some((previous.map_or(fresh, |p| p.uid_validity), self.next, true));
        }
        let go_on = previous.is_some_and(|p| !p.saved);
        // Where there is no room, what has a saved UID is shown, and the rest when there is.
        let hide = previous.is_some_and(|p| p.saved) || !when.room;
        let numbered = number_unsaved(messages, self, go_on, hide, fresh)?;
        if !numbered.2 {
            store.unsaved_validity.set(Some(numbered.0));
        }
        Some(numbered)
    }
}

/// The UIDVALIDITY, the next UID, and whether the UIDs are on disk.
type Given = (UidValidity, u32, bool);

/// The moment of a scan.
struct When {
    seconds: i64,
    /// Whether there is room on the disk.
    room: bool,
}

/// The UID of a message that was delivered under this name; its flags may be others by now.
fn uid_by_name(messages: &Messages, name: &[u8]) -> Option<Uid> {
    let base = name.get(..names::base_length(name))?;
    (0..messages.len()).find(|i| messages.base_name(*i) == base).and_then(|i| messages.uid(i))
}

fn too_many() -> Error {
    Error::failed("giving UIDs", std::io::Error::other("too many messages"))
}

fn cannot_be_locked(e: &Error) -> bool {
    // A folder without `tmp` can still be looked at.
    e.io().is_some_and(|e| fs::is_unwritable(e) || e.kind() == std::io::ErrorKind::NotFound)
}

/// Gives UIDs under this UIDVALIDITY, or, when there are not enough left, all anew under another.
fn number(
    messages: &mut Messages,
    validity: UidValidity,
    next: u32,
    seconds: i64,
) -> Option<(UidValidity, u32)> {
    if let Some(next) = messages.number(next) {
        return Some((validity, next));
    }
    messages.forget_uids();
    Some((uiddb::fresh_validity(seconds, Some(validity)), messages.number(1)?))
}

/// UIDs where none can be saved. What the UID file has is good as it is; beyond that there are two
/// ways. A first look gives all messages UIDs from 1 on under a UIDVALIDITY of its own; a later one
/// goes on from there, or, after a look that could keep to the file, leaves out what the file does
/// not have.
fn number_unsaved(
    messages: &mut Messages,
    old: &Old,
    go_on: bool,
    hide: bool,
    fresh: UidValidity,
) -> Option<Given> {
    match old.validity {
        Some(validity) if go_on => Some((validity, messages.number(old.next)?, false)),
        Some(validity)
            if hide || messages.count(bit::FRESH) + messages.count(bit::DOUBLED) == 0 =>
        {
            messages.leave_out(bit::FRESH | bit::DOUBLED);
            Some((validity, old.next, true))
        }
        _ => {
            messages.forget_uids();
            Some((fresh, messages.number(1)?, false))
        }
    }
}

/// Whether a folder is proven to be as the snapshot has it. Takes no lock and makes no file.
/// `false` proves nothing.
pub(crate) fn is_unchanged(_store: &Store, dir: &Dir, snapshot: &Snapshot) -> bool {
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
    /// By the lock's file, which the file system has just given a time. Without one, by our clock;
    /// at login those two were proven to be no more than 30 seconds apart.
    pub(super) fn of(lock: Option<&Lock>) -> Time {
        match lock.and_then(Lock::time) {
            Some(nanos) => {
                Time { seconds: i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(0), nanos }
            }
            None => Time {
                seconds: clock::now().0,
                nanos: clock::now_nanos().saturating_sub(31_000_000_000),
            },
        }
    }
}

/// Files in `tmp` stay this many seconds (STORAGE 1.5).
const TMP_STAYS: i64 = 36 * 3600;
const DAY: i64 = 24 * 3600;
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
        let Some(metadata) = fs::lstat(&path).ok().filter(|_| !name.starts_with(b".")) else {
            continue;
        };
        if metadata.ctime() < now.saturating_sub(TMP_STAYS) {
            if metadata.is_dir() {
                folders::sweep(
                    &path,
                    &name,
                    metadata.ctime() >= now.saturating_sub(TMP_STAYS + DAY),
                );
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
