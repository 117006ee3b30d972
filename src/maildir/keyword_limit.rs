//! How many keywords the messages of a folder may have: one rule for STORE, APPEND and COPY. It
//! bounds what FLAGS announces, so it does not matter if two sessions are within it at once and
//! together are not.

use super::keywords::{self, Merge};
use super::reading::FolderReading;
use super::{Entered, Error, Messages, Snapshot, Store};
use crate::sys::clock;
use crate::types::KeywordTable;
use crate::types::limits::MAX_FOLDER_KEYWORDS;
use std::cell::OnceCell;

/// Whether a folder with these keywords may get those of `new`. Those that it has already are no
/// new ones.
fn fits<'a>(there: impl IntoIterator<Item = &'a [u8]>, new: &[Vec<u8>]) -> bool {
    let mut all = KeywordTable::new();
    for name in there {
        all.intern(name);
    }
    let before = all.names().len();
    for name in new {
        all.intern(name);
    }
    let after = all.names().len();
    after == before || after <= MAX_FOLDER_KEYWORDS
}

/// Refuses keywords for which a scanned folder has no room.
pub(crate) fn check_snapshot(snapshot: &Snapshot, new: &[Vec<u8>]) -> Result<(), Error> {
    if new.iter().all(|name| snapshot.keywords.find(name).is_some()) {
        return Ok(());
    }
    // The table still has those that no message has any more.
    if fits(snapshot.keywords.names(), new) || fits(snapshot.used_keywords(), new) {
        return Ok(());
    }
    Err(Error::TooManyKeywords)
}

/// Refuses keywords for which a folder has no room, before messages with them come into it. Only a
/// folder that may be full is read as a whole.
pub(crate) fn check_folder(store: &Store, dir: &Entered, new: &[Vec<u8>]) -> Result<(), Error> {
    if new.is_empty() || fits(keywords::all_names(store, dir, MAX_FOLDER_KEYWORDS)?.names(), new) {
        return Ok(());
    }
    let mut reading = FolderReading::new(store, dir, Messages::default());
    reading.read_cur(clock::now_nanos())?;
    let messages = reading.messages;
    let read = keywords::read(store, dir, &messages, &OnceCell::new(), Merge::No)?;
    let used = read.table.names_in(read.sets.iter().copied());
    if fits(used, new) { Ok(()) } else { Err(Error::TooManyKeywords) }
}
