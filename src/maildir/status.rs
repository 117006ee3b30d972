//! STATUS of a folder that is not selected: the counts of what a scan would find, without moving a
//! message or giving a UID (STORAGE 1.3).

use super::dir::UID_FILE;
use super::lock::Lock;
use super::messages::bit;
use super::reading::FolderReading;
use super::stamp::Stamp;
use super::time::ScanTime;
use super::{Entered, Error, Store, keywords, uiddb};
use crate::types::{Flags, UidValidity};

/// The counts of STATUS (RFC 3501 6.3.10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Status {
    /// All messages, those in `new` too.
    pub(crate) messages: usize,
    /// Messages that no session has seen yet.
    pub(crate) recent: usize,
    /// The UID that the next new message would get after these.
    pub(crate) uid_next: u32,
    /// The UIDVALIDITY in the UID file. Without a file it is another one each time (STORAGE 2.2).
    pub(crate) uid_validity: UidValidity,
    /// Messages without \Seen.
    pub(crate) unseen: usize,
}

/// The stamps of the directories before they were read.
struct Stamps {
    cur: Option<Stamp>,
    new_mail: Option<Stamp>,
}

/// Counts a folder's messages. The lock would cost more than the counting, so this tries without
/// it: if the stamps of the UID file and of the directories are the same before and after, and a
/// change would have changed them, the counts are those of one moment. Otherwise it counts again
/// under the lock.
pub(crate) fn read(store: &Store, dir: &Entered) -> Result<Status, Error> {
    let time = ScanTime::of(None);
    let uid_file = || dir.folder().stat(UID_FILE).ok().map(|stat| Stamp::of(&stat));
    let before = uid_file().filter(|stamp| stamp.is_settled(time.nanos) && dir.keywords().is_ok());
    if before.is_some()
        && let Ok((status, stamps)) = count(store, dir, &time)
    {
        let same = |part: &[u8], old: Option<Stamp>| {
            old.is_none_or(|stamp| stamp.is_settled(time.nanos))
                && Stamp::of_directory(dir.folder(), part) == old
        };
        let is_unchanged =
            stamps.cur.is_some() && same(b"cur", stamps.cur) && same(b"new", stamps.new_mail);
        if is_unchanged && uid_file() == before {
            return Ok(status);
        }
    }
    read_locked(store, dir)
}

/// Counts under the folder's lock, if it can be locked.
fn read_locked(store: &Store, dir: &Entered) -> Result<Status, Error> {
    let lock = match Lock::acquire(store, dir) {
        Ok(lock) => Some(lock),
        Err(e) if e.io().is_none() => return Err(e),
        Err(_) => None,
    };
    let time = ScanTime::of(lock.as_ref());
    if lock.is_some() {
        // Courier makes the directory whenever it reads a folder, for IDLE to watch (STORAGE 3.1).
        // We do not need it here.
        let _ = keywords::make_directory(dir);
    }
    count(store, dir, &time).map(|(status, _)| status)
}

/// The counts, and the stamps of the directories that they come from.
fn count(store: &Store, dir: &Entered, time: &ScanTime) -> Result<(Status, Stamps), Error> {
    let file = uiddb::read(dir)?;
    let mut reading = FolderReading::new(store, dir, file.messages);
    reading.read_cur(time.nanos)?;
    let new_names = reading.list_new();
    let can_move = new_names.is_empty()
        || [dir.new_mail(), dir.cur()].iter().all(|d| d.as_ref().is_ok_and(|d| d.is_writable()));
    for name in new_names {
        // A scan will give a message its old UID back if it has one and is not in `cur`, and a new
        // name to a file whose name is taken.
        if reading.found_in_new(&name) {
            continue;
        }
        // What no scan can move it does not show.
        if !can_move {
            continue;
        }
        if reading.messages.find(&reading.index, &name).is_some() {
            reading.messages.push_named(&name, bit::FRESH | bit::FOUND);
        } else {
            reading.add(&name, 0);
        }
    }
    let stamps = Stamps { cur: reading.cur, new_mail: reading.new_mail };
    let mut messages = reading.messages;
    messages.keep(bit::FOUND);
    let recent = messages.count(bit::FRESH);
    let unnumbered = recent.saturating_add(messages.count(bit::DOUBLED));
    let next = u32::try_from(unnumbered).ok().and_then(|n| file.next.checked_add(n));
    let unseen = (0..messages.len()).filter(|i| !messages.flags(*i).contains(Flags::SEEN)).count();
    let validity =
        file.validity.unwrap_or_else(|| uiddb::fresh_validity(time.seconds, file.before));
    let status = Status {
        messages: messages.len(),
        recent,
        uid_next: next.unwrap_or(u32::MAX),
        uid_validity: validity,
        unseen,
    };
    Ok((status, stamps))
}
