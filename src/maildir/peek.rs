//! STATUS of a folder that is not selected: what a scan would find, without moving a message or giving a UID
//! (STORAGE 0, trap 5).

use super::lock::Lock;
use super::look::Look;
use super::messages::bit;
use super::scan::Time;
use super::{Dir, Error, Store, keywords, uiddb};
use crate::sys::fs;
use crate::types::{Flags, UidValidity};

/// The counts of STATUS (RFC 3501 6.3.10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// All messages, those in `new` too.
    pub messages: usize,
    /// Those that no session has seen yet.
    pub recent: usize,
    /// What the next new message would get after these.
    pub uid_next: u32,
    /// That of the UID file; without one, one that will have changed the next time (STORAGE 2.2).
    pub uid_validity: UidValidity,
    /// Those without \Seen.
    pub unseen: usize,
}

/// Looks at a folder under its lock, if it can be locked.
pub fn status(store: &Store, dir: &Dir) -> Result<Status, Error> {
    let lock = match Lock::acquire(store, dir) {
        Ok(lock) => Some(lock),
        Err(e) if e.io().is_some_and(fs::is_unwritable) => None,
        Err(e) => return Err(e),
    };
    let time = Time::of(lock.as_ref());
    if lock.is_some() {
        // Courier: every look makes it, for IDLE watches it (STORAGE 3.1). Without it nothing here is wrong.
        let _ = keywords::make_directory(dir);
    }
    let file = uiddb::read(dir)?;
    let mut look = Look::new(store, dir, file.messages);
    look.read_cur(time.nanos)?;
    for name in look.list_new()? {
        // One that is known but not in `cur` will keep its UID; one whose name is taken will get another name.
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
    let mut messages = look.messages;
    messages.keep(bit::FOUND);
    let recent = messages.count(bit::FRESH);
    let given = recent.saturating_add(messages.count(bit::DOUBLED));
    let next = u32::try_from(given).ok().and_then(|n| file.next.checked_add(n));
    let unseen = (0..messages.len()).filter(|i| !messages.flags(*i).contains(Flags::SEEN)).count();
    Ok(Status {
        messages: messages.len(),
        recent,
        uid_next: next.unwrap_or(u32::MAX),
        uid_validity: file.validity.unwrap_or_else(|| uiddb::fresh_validity(time.seconds, file.before)),
        unseen,
    })
}
