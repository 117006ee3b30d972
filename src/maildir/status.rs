//! STATUS of a folder that is not selected: the counts of what a scan would find, without moving a
//! message or giving a UID (STORAGE 1.3).

use super::lock::Lock;
use super::messages::bit;
use super::reading::FolderReading;
use super::second_names::is_same_file;
use super::time::ScanTime;
use super::uiddb::{self, Version};
use super::{Entered, Error, Messages, Store, keywords, quota};
use crate::sys::breath::{self, Interrupted};
use crate::sys::stat::Stat;
use crate::types::{Flags, UidValidity};
use std::io;

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
    /// Messages with \Deleted.
    pub(crate) deleted: usize,
    /// The bytes on disk of these; 0 if they were not asked for.
    pub(crate) deleted_bytes: u64,
}

/// The bytes on disk of the messages that an EXPUNGE would remove (RFC 9208 4.1.4). Only files
/// without a size in their name need a stat.
pub(crate) fn deleted_bytes(dir: &Entered, messages: &Messages) -> Result<u64, Interrupted> {
    let mut bytes = 0u64;
    for i in (0..messages.len()).filter(|i| messages.flags(*i).contains(Flags::DELETED)) {
        let name = messages.file_name(i);
        let size = quota::size_in_name(&name).or_else(|| {
            breath::breathe().ok()?;
            dir.stat_message(&name).ok().filter(Stat::is_file).map(|stat| stat.len())
        });
        bytes = bytes.saturating_add(size.unwrap_or(0));
    }
    breath::breathe()?;
    Ok(bytes)
}

/// How often a folder is counted whose UID file is replaced meanwhile.
const MAX_COUNTS: u32 = 3;

/// Counts a folder's messages, without the lock if the UID file stays the same meanwhile: all that
/// is not in it then has no UID yet. Otherwise it counts again under the lock. `sizes`: whether
/// [`Status::deleted_bytes`] is asked for.
pub(crate) fn read(store: &Store, dir: &Entered, sizes: bool) -> Result<Status, Error> {
    for _ in 0..MAX_COUNTS {
        // Without the directory the lock is taken to make it.
        if dir.keywords().is_err() {
            break;
        }
        match count((store, dir), &ScanTime::unlocked(dir), false, sizes) {
            Ok((status, version)) if version.is_current(dir) => match status {
                Some(status) => return Ok(status),
                None => break,
            },
            Ok(_) => {}
            Err(_) => break,
        }
    }
    read_locked(store, dir, sizes)
}

/// Counts under the folder's lock, if it can be locked.
fn read_locked(store: &Store, dir: &Entered, sizes: bool) -> Result<Status, Error> {
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
    let (status, _) = count((store, dir), &time, true, sizes)?;
    status.ok_or_else(|| Error::failed("counting", io::Error::other("no UIDVALIDITY")))
}

/// The counts, and the UID file that they come from. Without the lock a message may be on its way
/// from `new` to `cur`: it is in the list of `new`, which is read first. `None`: there is no
/// UIDVALIDITY, and the lock is not held.
fn count(
    (store, dir): (&Store, &Entered),
    time: &ScanTime,
    is_locked: bool,
    sizes: bool,
) -> Result<(Option<Status>, Version), Error> {
    let (file, version) = uiddb::read(dir)?;
    if file.validity.is_none() && !is_locked {
        return Ok((None, version));
    }
    let mut reading = FolderReading::new(store, dir, file.messages);
    let names = reading.list_new();
    reading.read_cur(time.nanos)?;
    reading.choose_names(time.nanos);
    let can_move = names.is_empty()
        || [dir.new_mail(), dir.cur()].iter().all(|d| d.as_ref().is_ok_and(|d| d.is_writable()));
    for name in names {
        // A scan will give a message its old UID back if it has one and is not in `cur`, and a new
        // name to a file whose name is taken.
        if reading.found_in_new(&name) {
            continue;
        }
        // What no scan can move it does not show.
        if !can_move {
            continue;
        }
        if let Some(i) = reading.messages.find(&reading.index, &name) {
            // By now it may be the very file that is in `cur`, or have been moved there by link(2)
            // and not been unlinked yet.
            let Ok(second) = dir.new_mail().and_then(|new_mail| new_mail.stat(&name)) else {
                continue;
            };
            let first = dir.cur().and_then(|cur| cur.stat(&reading.messages.file_name(i)));
            if first.is_ok_and(|first| is_same_file(&first, &second)) {
                continue;
            }
            reading.messages.push_named(&name, bit::FRESH | bit::FOUND);
        } else {
            reading.add(&name, 0);
        }
    }
    let mut messages = reading.messages;
    messages.keep(bit::FOUND);
    let recent = messages.count(bit::FRESH);
    let unnumbered = recent.saturating_add(messages.count(bit::DOUBLED));
    let next = u32::try_from(unnumbered).ok().and_then(|n| file.next.checked_add(n));
    let unseen = (0..messages.len()).filter(|i| !messages.flags(*i).contains(Flags::SEEN)).count();
    let deleted =
        (0..messages.len()).filter(|i| messages.flags(*i).contains(Flags::DELETED)).count();
    let validity =
        file.validity.unwrap_or_else(|| uiddb::fresh_validity(time.seconds, file.before));
    let status = Status {
        messages: messages.len(),
        recent,
        uid_next: next.unwrap_or(u32::MAX),
        uid_validity: validity,
        unseen,
        deleted,
        deleted_bytes: if sizes { deleted_bytes(dir, &messages)? } else { 0 },
    };
    Ok((Some(status), version))
}
