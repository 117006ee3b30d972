//! STATUS of a folder that is not selected: what a scan would find, without moving a message or
//! giving a UID (STORAGE 1.3).

use super::lock::Lock;
use super::look::{Look, Stamp};
use super::messages::bit;
use super::scan::Time;
use super::{Dir, Error, Store, keywords, uiddb};
use crate::sys::fs;
use crate::types::{Flags, UidValidity};
use std::path::Path;

/// The counts of STATUS (RFC 3501 6.3.10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Status {
    /// All messages, those in `new` too.
    pub(crate) messages: usize,
    /// Those that no session has seen yet.
    pub(crate) recent: usize,
    /// What the next new message would get after these.
    pub(crate) uid_next: u32,
    /// That of the UID file; without one, one that will have changed the next time (STORAGE 2.2).
    pub(crate) uid_validity: UidValidity,
    /// Those without \Seen.
    pub(crate) unseen: usize,
}

/// The directories before they were read.
struct Times {
    cur: Option<Stamp>,
    new_mail: Option<Stamp>,
}

/// Looks at a folder. Not under its lock, which costs more than the look, where nothing changes the
/// while: if the UID file and the directories have the times that they had before, and those lay
/// back far enough for a change to show, all was seen at one moment.
pub(crate) fn read(store: &Store, dir: &Dir) -> Result<Status, Error> {
    let time = Time::of(None);
    let uid_file = || fs::lstat(&dir.uid_file()).ok().map(|m| Stamp::of(&m));
    let before = uid_file().filter(|stamp| stamp.is_settled(time.nanos) && dir.keywords().is_dir());
    if before.is_some()
        && let Ok((status, times)) = figures(store, dir, time.seconds, time.nanos)
    {
        let same = |path: &Path, old: Option<Stamp>| {
            old.is_none_or(|stamp| stamp.is_settled(time.nanos)) && Stamp::of_directory(path) == old
        };
        let still = times.cur.is_some()
            && same(&dir.cur(), times.cur)
            && same(&dir.new_mail(), times.new_mail);
        if still && uid_file() == before {
            return Ok(status);
        }
    }
    locked(store, dir)
}

/// Looks at a folder under its lock, if it can be locked.
fn locked(store: &Store, dir: &Dir) -> Result<Status, Error> {
    let lock = match Lock::acquire(store, dir) {
        Ok(lock) => Some(lock),
        Err(e) if e.io().is_some_and(|e| fs::is_unwritable(e) || fs::is_full(e)) => None,
        Err(e) => return Err(e),
    };
    let time = Time::of(lock.as_ref());
    if lock.is_some() {
        // Courier: every look makes it, for IDLE watches it (STORAGE 3.1). Without it nothing here
        // is wrong.
        let _ = keywords::make_directory(dir);
    }
    figures(store, dir, time.seconds, time.nanos).map(|(status, _)| status)
}

/// The figures, and the times of the directories that they come from. `seconds`: for a UIDVALIDITY
/// where there is none; `nanos`: the file system's time, or earlier.
fn figures(store: &Store, dir: &Dir, seconds: i64, nanos: i128) -> Result<(Status, Times), Error> {
    let file = uiddb::read(dir)?;
    let mut look = Look::new(store, dir, file.messages);
    look.read_cur(nanos)?;
    for name in look.list_new()? {
        // One that is known but not in `cur` will keep its UID; one whose name is taken will get
        // another name.
        match look.messages.find(&look.index, &name) {
            Some(i) if !look.messages.has(i, bit::FOUND) => {
                look.messages.set_file_name(i, &name);
                look.messages.mark(i, bit::FOUND);
            }
            Some(_) => {
                look.messages.push_named(&name, bit::FRESH | bit::FOUND);
            }
            None => look.add(&name, 0),
        }
    }
    let times = Times { cur: look.cur, new_mail: look.new_mail };
    let mut messages = look.messages;
    messages.keep(bit::FOUND);
    let recent = messages.count(bit::FRESH);
    let given = recent.saturating_add(messages.count(bit::DOUBLED));
    let next = u32::try_from(given).ok().and_then(|n| file.next.checked_add(n));
    let unseen = (0..messages.len()).filter(|i| !messages.flags(*i).contains(Flags::SEEN)).count();
    let status = Status {
        messages: messages.len(),
        recent,
        uid_next: next.unwrap_or(u32::MAX),
        uid_validity: file.validity.unwrap_or_else(|| uiddb::fresh_validity(seconds, file.before)),
        unseen,
    };
    Ok((status, times))
}
