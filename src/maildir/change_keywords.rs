//! Changing the keywords of messages (STORAGE 3.3, 3.4).

use super::keywords::Merge;
use super::lock::Lock;
use super::scan::Snapshot;
use super::{Entered, Error, KeywordMode, Store, keywords, write_keywords};
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

#[cfg(test)]
mod tests;
