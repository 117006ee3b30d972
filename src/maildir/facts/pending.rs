//! Records that are in memory until they are appended to the file.

use super::record::{MAX_PAYLOAD, Record};
use crate::sys::stat::Stat;
use std::collections::HashMap;

/// So many bytes of records wait to be saved. Beyond that nothing more is learned.
const MAX_PENDING: usize = 8 * 1024 * 1024;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Readers {
    pub(super) mode: u32,
    uid: u32,
    gid: u32,
}

impl Readers {
    pub(super) fn of(stat: &Stat) -> Readers {
        Readers { mode: stat.mode(), uid: stat.uid(), gid: stat.gid() }
    }

    /// Whether everybody who may read `facts` may read this, as far as owner, group and mode say
    /// so.
    pub(super) fn include(&self, facts: &Readers) -> bool {
        let is_open = |bits: u32| self.mode & bits == bits;
        if is_open(0o444) {
            return true;
        }
        // Whoever owns the file of facts and not the message reads the message as one of its group,
        // of which he is if the file of facts is open to it.
        let owner = self.uid == facts.uid || (facts.mode & 0o040 != 0 && is_open(0o040));
        let group = self.gid == facts.gid && (facts.mode & 0o040 == 0 || is_open(0o040));
        owner && group && is_open(0o400) && facts.mode & 0o004 == 0
    }
}

/// Records by UID.
#[derive(Default)]
pub(super) struct Pending {
    bytes: Vec<u8>,
    places: HashMap<u32, Place>,
}

#[derive(Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
    readers: Readers,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether there is room for another record.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < MAX_PENDING
    }

    /// Adds a record of a message that these may read, in the place of an earlier one. Whether it
    /// was added.
    pub(super) fn add(&mut self, record: &Record<'_>, readers: Readers) -> bool {
        if record.payload.len() > MAX_PAYLOAD || !self.has_room() {
            return false;
        }
        let start = self.bytes.len();
        record.push(&mut self.bytes);
        let place = Place { start, end: self.bytes.len(), readers };
        self.places.insert(record.about.uid, place);
        true
    }

    /// The record of a message: its UID, and what stands for its base name, if that is at hand.
    pub(super) fn get(&self, uid: u32, name: Option<u32>) -> Option<Record<'_>> {
        if self.places.is_empty() {
            return None;
        }
        let place = self.places.get(&uid)?;
        let record = Record::read(self.bytes.get(place.start..place.end)?)?;
        name.is_none_or(|name| record.about.name == name).then_some(record)
    }

    pub(super) fn remove(&mut self, uid: u32) {
        self.places.remove(&uid);
    }

    /// Who may read all of the messages.
    pub(super) fn mode(&self) -> u32 {
        self.places.values().fold(0o666, |all, place| all & place.readers.mode) | 0o600
    }

    /// The records that a file may hold, by ascending UID: UID and bytes.
    pub(super) fn for_file(&self, facts: &Readers) -> Vec<(u32, &[u8])> {
        let mut records: Vec<(u32, &[u8])> = self
            .places
            .iter()
            .filter(|(_, place)| place.readers.include(facts))
            .filter_map(|(uid, place)| Some((*uid, self.bytes.get(place.start..place.end)?)))
            .collect();
        records.sort_unstable_by_key(|(uid, _)| *uid);
        records
    }
}
