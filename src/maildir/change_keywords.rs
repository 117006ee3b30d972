//! Changing the keywords of messages (STORAGE 3.3, 3.4).

use super::change::Swap;
use super::keywords::{FolderKeywords, Merge};
use super::lock::Lock;
use super::messages::bit;
use super::scan::Snapshot;
use super::{Entered, Error, KeywordMode, Messages, Store, keywords, write_keywords};
use crate::sys::{breath, fs};
use crate::types::limits::MAX_KEYWORDS;
use crate::types::{KeywordTable, Operation, SetId};
use std::cell::OnceCell;
use std::io;

/// How often the keywords of one message are read again because somebody else has changed them.
const MAX_TRIES: u32 = 200;

/// A change of keywords.
#[derive(Clone, Copy)]
pub(crate) struct KeywordEdit<'a> {
    pub(crate) operation: Operation,
    pub(crate) names: &'a [Vec<u8>],
}

impl KeywordEdit<'_> {
    /// The set that this makes of another set in the table. An error if that grows beyond what a
    /// message may have.
    fn apply(&self, table: &mut KeywordTable, old: SetId) -> Result<SetId, Error> {
        let numbers: Vec<u32> = self.names.iter().filter_map(|n| table.intern(n)).collect();
        let mut members = table.members(old).to_vec();
        match self.operation {
            Operation::Replace => members = numbers,
            Operation::Add => members.extend_from_slice(&numbers),
            Operation::Remove => members.retain(|m| !numbers.contains(m)),
        }
        let new = table.set(members);
        let count = table.members(new).len();
        if count > MAX_KEYWORDS && count > table.members(old).len() {
            return Err(Error::TooManyKeywords);
        }
        Ok(new)
    }
}

/// Changes the keywords of messages of a snapshot, in it and on disk. `which`: their positions. No
/// file is written for a message whose keywords stay the same.
///
/// With [`KeywordMode::Careful`], unless the set is replaced, the change is applied to what is on
/// disk, under the folder's lock.
pub(crate) fn store_keywords(
    store: &Store,
    dir: &Entered,
    snapshot: &mut Snapshot,
    which: &[usize],
    edit: KeywordEdit<'_>,
) -> Result<(), Error> {
    let is_replaced = edit.operation == Operation::Replace;
    match store.config.keywords {
        KeywordMode::Off => Ok(()),
        // Keywords that could not be read would be lost.
        KeywordMode::Fast if !is_replaced && snapshot.has_unread_keywords => Err(unread(dir)),
        KeywordMode::Careful if !is_replaced => store_carefully(store, dir, snapshot, which, edit),
        _ => {
            let count = snapshot.messages.len();
            for i in which.iter().copied().filter(|i| *i < count) {
                breath::breathe()?;
                let old = snapshot.messages.keywords(i);
                let new = edit.apply(&mut snapshot.keywords, old)?;
                if new != old {
                    let words: Vec<&[u8]> = snapshot.keywords.names_of(new).collect();
                    write_keywords::write_set(store, dir, snapshot.messages.base_name(i), &words)?;
                    snapshot.messages.set_keywords(i, new);
                }
            }
            Ok(())
        }
    }
}

/// Keywords cannot be added to those that could not be read.
fn unread(dir: &Entered) -> Error {
    Error::failed(
        format!("changing {}", fs::shown(&dir.keywords_path())),
        fs::error(io::ErrorKind::PermissionDenied),
    )
}

fn store_carefully(
    store: &Store,
    dir: &Entered,
    snapshot: &mut Snapshot,
    which: &[usize],
    edit: KeywordEdit<'_>,
) -> Result<(), Error> {
    let _lock = Lock::acquire(store, dir)?;
    let index = OnceCell::new();
    let read = |snapshot: &Snapshot| {
        let read = keywords::read(store, dir, &snapshot.messages, &index, Merge::OfKnown)?;
        if read.has_unread { Err(unread(dir)) } else { Ok(read) }
    };
    let mut on_disk = read(snapshot)?;
    let count = snapshot.messages.len();
    for i in which.iter().copied().filter(|i| *i < count) {
        breath::breathe()?;
        let base = snapshot.messages.base_name(i);
        for tries in 0.. {
            let old = on_disk.set(i);
            let new = edit.apply(&mut on_disk.table, old)?;
            let words: Vec<&[u8]> = on_disk.table.names_of(new).collect();
            if new == old || write_keywords::write_set_carefully(store, dir, base, &words)? {
                let set = snapshot.keywords.set_of(words);
                snapshot.messages.set_keywords(i, set);
                break;
            }
            if tries >= MAX_TRIES {
                return Err(Error::failed(
                    "updating keywords",
                    fs::error(io::ErrorKind::AlreadyExists),
                ));
            }
            // Somebody without a lock was faster. The reading merges that change into the list.
            on_disk = read(snapshot)?;
        }
    }
    Ok(())
}

/// The keywords of a folder, read under its lock: for changes that are made only if nobody else has
/// changed a message's keywords since they were told (RFC 7162 3.1.3). They are written carefully,
/// whatever the mode.
pub(crate) struct HeldKeywords<'a> {
    store: &'a Store,
    dir: &'a Entered,
    on_disk: FolderKeywords,
}

impl<'a> HeldKeywords<'a> {
    /// Reads them; the lock must be held until they are dropped.
    pub(crate) fn read(
        (store, dir): (&'a Store, &'a Entered),
        _lock: &'a Lock,
        messages: &Messages,
    ) -> Result<HeldKeywords<'a>, Error> {
        let on_disk = keywords::read(store, dir, messages, &OnceCell::new(), Merge::OfKnown)?;
        if on_disk.has_unread { Err(unread(dir)) } else { Ok(HeldKeywords { store, dir, on_disk }) }
    }

    /// Changes a message's keywords, in the snapshot and on disk.
    pub(crate) fn swap(
        &mut self,
        snapshot: &mut Snapshot,
        i: usize,
        edit: KeywordEdit<'_>,
    ) -> Result<Swap, Error> {
        if !self.is_known(snapshot, i) {
            self.take_over(snapshot, i);
            return Ok(Swap::Refused);
        }
        let old = snapshot.messages.keywords(i);
        let new = edit.apply(&mut snapshot.keywords, old)?;
        if new == old {
            return Ok(Swap::Done);
        }
        let words: Vec<&[u8]> = snapshot.keywords.names_of(new).collect();
        let base = snapshot.messages.base_name(i);
        if !write_keywords::write_set_carefully(self.store, self.dir, base, &words)? {
            // By somebody who takes no lock. The next scan finds what it is.
            return Ok(Swap::Refused);
        }
        snapshot.messages.set_keywords(i, new);
        Ok(Swap::Done)
    }

    /// Takes back what [`HeldKeywords::swap`] has changed in a message's keywords, and nothing that
    /// somebody without a lock has changed since. `old`: those that it had before.
    pub(crate) fn put_back(
        &mut self,
        snapshot: &mut Snapshot,
        i: usize,
        old: SetId,
    ) -> Result<(), Error> {
        let new = snapshot.messages.keywords(i);
        if new == old {
            return Ok(());
        }
        let names = |set, other| -> Vec<Vec<u8>> {
            let others = snapshot.keywords.members(other);
            let members = snapshot.keywords.members(set).iter();
            let only = members.filter(|member| !others.contains(member));
            only.filter_map(|member| snapshot.keywords.name(*member).map(<[u8]>::to_vec)).collect()
        };
        let (added, removed) = (names(new, old), names(old, new));
        for _ in 0..MAX_TRIES {
            // The reading merges what is there, so that a later change is a file of its own.
            self.read_again(&snapshot.messages)?;
            let there = self.on_disk.set(i);
            let remove = KeywordEdit { operation: Operation::Remove, names: &added };
            let add = KeywordEdit { operation: Operation::Add, names: &removed };
            let table = &mut self.on_disk.table;
            let left = remove.apply(table, there)?;
            let back = add.apply(table, left)?;
            let words: Vec<&[u8]> = table.names_of(back).collect();
            let base = snapshot.messages.base_name(i);
            if back == there
                || write_keywords::write_set_carefully(self.store, self.dir, base, &words)?
            {
                let set = snapshot.keywords.set_of(words);
                snapshot.messages.set_keywords(i, set);
                if set != old {
                    snapshot.messages.mark(i, bit::CHANGED);
                }
                return Ok(());
            }
        }
        Err(Error::failed("updating keywords", fs::error(io::ErrorKind::AlreadyExists)))
    }

    fn read_again(&mut self, messages: &Messages) -> Result<(), Error> {
        let (store, dir) = (self.store, self.dir);
        self.on_disk = keywords::read(store, dir, messages, &OnceCell::new(), Merge::OfKnown)?;
        if self.on_disk.has_unread { Err(unread(dir)) } else { Ok(()) }
    }

    /// Whether a message has on disk the keywords that are known of it.
    fn is_known(&self, snapshot: &Snapshot, i: usize) -> bool {
        let (there, here) = (self.on_disk.set(i), snapshot.messages.keywords(i));
        if there.is_empty() || here.is_empty() {
            return there.is_empty() == here.is_empty();
        }
        let names = |table: &KeywordTable, set| {
            let mut names: Vec<Vec<u8>> =
                table.names_of(set).map(<[u8]>::to_ascii_lowercase).collect();
            names.sort_unstable();
            names
        };
        names(&self.on_disk.table, there) == names(&snapshot.keywords, here)
    }

    /// Takes a message's keywords over from disk.
    fn take_over(&self, snapshot: &mut Snapshot, i: usize) {
        let set = snapshot.keywords.set_of(self.on_disk.table.names_of(self.on_disk.set(i)));
        snapshot.messages.set_keywords(i, set);
        snapshot.messages.mark(i, bit::CHANGED);
    }
}

#[cfg(test)]
mod tests;
