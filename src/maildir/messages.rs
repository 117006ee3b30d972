//! The messages of a folder, in as little memory as they need: twenty octets each, and the base
//! names in one arena (as often as not the octets of the UID file themselves). A hundred thousand
//! messages, twice, must fit beside everything else into 128 MiB.

use super::index::Index;
use super::names;
use crate::types::{Flags, SetId, Uid};
use std::cmp::Ordering;
use std::collections::HashMap;

/// One message. The name's end, from the last `:` on, follows from the flags, but for the few names
/// where it does not.
#[derive(Clone, Copy)]
pub(super) struct Record {
    /// 0: has none yet.
    pub(super) uid: u32,
    name_at: u32,
    pub(super) keywords: SetId,
    base_length: u16,
    key_length: u16,
    pub(super) flags: Flags,
    bits: u8,
}

/// Marks of a message.
pub(super) mod bit {
    /// This session is the first to see it.
    pub(crate) const RECENT: u8 = 1;
    /// A scan found its file.
    pub(crate) const FOUND: u8 = 2;
    /// A scan found its file in the present reading of the directory.
    pub(crate) const THIS_TIME: u8 = 4;
    /// Its flags were changed by somebody else, and the session does not know yet.
    pub(crate) const CHANGED: u8 = 8;
    /// Its file was looked for, and is not there.
    pub(crate) const GONE: u8 = 16;
    /// A scan met it for the first time.
    pub(crate) const FRESH: u8 = 32;
    /// It was put there by the scan itself, for APPEND or COPY.
    pub(crate) const DELIVERED: u8 = 64;
    /// The UID file gave its UID to an earlier message as well.
    pub(crate) const DOUBLED: u8 = 128;
}

/// The messages of a folder, by ascending UID.
#[derive(Clone, Default)]
pub(crate) struct Messages {
    records: Vec<Record>,
    arena: Vec<u8>,
    /// Whole file names that are not base name, `:2,` and the letters in order; by `name_at`.
    odd: HashMap<u32, Box<[u8]>>,
    /// Those that are marked as gone were missing from a directory that changed all the time: they
    /// may be there.
    restless: bool,
}

impl Messages {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The UID of the message at `index`.
    pub(crate) fn uid(&self, index: usize) -> Option<Uid> {
        self.records.get(index).and_then(|r| Uid::new(r.uid))
    }

    /// Its system flags; none past the end.
    pub(crate) fn flags(&self, index: usize) -> Flags {
        self.records.get(index).map_or(Flags::NONE, |r| r.flags)
    }

    /// Its keywords; none past the end.
    pub(crate) fn keywords(&self, index: usize) -> SetId {
        self.records.get(index).map_or(SetId::EMPTY, |r| r.keywords)
    }

    /// Notes its keywords.
    pub(crate) fn set_keywords(&mut self, index: usize, keywords: SetId) {
        if let Some(record) = self.records.get_mut(index) {
            record.keywords = keywords;
        }
    }

    /// Whether it is \Recent here.
    pub(crate) fn recent(&self, index: usize) -> bool {
        self.has(index, bit::RECENT)
    }

    /// Notes whether it is \Recent here.
    pub(crate) fn set_recent(&mut self, index: usize, recent: bool) {
        if recent {
            self.mark(index, bit::RECENT);
        } else {
            self.unmark(index, bit::RECENT);
        }
    }

    /// Whether somebody else changed its flags since this was last asked; then they are already in
    /// [`Messages::flags`].
    pub(crate) fn take_changed(&mut self, index: usize) -> bool {
        let changed = self.has(index, bit::CHANGED);
        self.unmark(index, bit::CHANGED);
        changed
    }

    /// Whether somebody else changed its flags, and the session has not taken note
    /// ([`Messages::take_changed`]). Who compares two looks has to ask this of the older one: its
    /// flags may be the new ones already.
    pub(crate) fn is_changed(&self, index: usize) -> bool {
        self.has(index, bit::CHANGED)
    }

    /// The place of a UID, or where it would be.
    pub(crate) fn position(&self, uid: Uid) -> Result<usize, usize> {
        self.records.binary_search_by_key(&uid.get(), |r| r.uid)
    }

    /// The base name: the file name up to its last `:`. Empty past the end.
    pub(crate) fn base_name(&self, index: usize) -> &[u8] {
        self.records.get(index).map_or(&[], |r| self.base_of(r))
    }

    /// The name of its file in `cur`, as last seen.
    pub(crate) fn file_name(&self, index: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.push_file_name(index, &mut out);
        out
    }

    /// Appends the name of its file in `cur`; nothing past the end.
    pub(crate) fn push_file_name(&self, index: usize, out: &mut Vec<u8>) {
        let Some(record) = self.records.get(index) else { return };
        if let Some(whole) = self.odd_name(record) {
            out.extend_from_slice(whole);
            return;
        }
        out.extend_from_slice(self.base_of(record));
        out.extend_from_slice(b":2,");
        record.flags.push_letters(out);
    }

    /// Notes a new file name, with the flags in it.
    pub(crate) fn set_file_name(&mut self, index: usize, name: &[u8]) {
        let base = name.get(..names::base_length(name)).unwrap_or(name);
        let Some(record) = self.records.get(index) else { return };
        if self.base_of(record) != base {
            let had_odd = record.name_at;
            let (name_at, base_length, key_length) = self.store_base(base);
            self.odd.remove(&had_odd);
            if let Some(record) = self.records.get_mut(index) {
                record.name_at = name_at;
                record.base_length = base_length;
                record.key_length = key_length;
            }
        }
        self.adopt_suffix(index, name, base.len());
    }

    fn adopt_suffix(&mut self, index: usize, name: &[u8], base_length: usize) {
        let Some(record) = self.records.get_mut(index) else { return };
        record.flags = Flags::of_file_name(name);
        let suffix = name.get(base_length..).unwrap_or_default();
        if is_usual(suffix, record.flags) {
            if !self.odd.is_empty() {
                self.odd.remove(&record.name_at);
            }
        } else {
            self.odd.insert(record.name_at, name.into());
        }
    }

    fn base_of(&self, record: &Record) -> &[u8] {
        let at = record.name_at as usize;
        self.arena.get(at..at.saturating_add(usize::from(record.base_length))).unwrap_or_default()
    }

    fn odd_name(&self, record: &Record) -> Option<&[u8]> {
        if self.odd.is_empty() {
            return None;
        }
        self.odd.get(&record.name_at).map(|n| &**n)
    }

    /// Puts a base name into the arena.
    fn store_base(&mut self, base: &[u8]) -> (u32, u16, u16) {
        let at = u32::try_from(self.arena.len()).unwrap_or(u32::MAX);
        let needed = base.len().saturating_add(1);
        if self.arena.capacity().saturating_sub(self.arena.len()) < needed {
            // In small steps: doubling an arena of many megabytes for one new message would be a
            // waste.
            self.arena.reserve_exact(needed.max(4096).max(self.arena.len() / 8));
        }
        self.arena.extend_from_slice(base);
        // No two names begin at the same place, not even when one is empty.
        self.arena.push(b'\n');
        (at, length(base.len()), length(names::key_length(base)))
    }
}

/// What the other files of the store need.
impl Messages {
    /// No messages yet; the octets are those of the UID file, in which the names lie.
    pub(super) fn over(arena: Vec<u8>) -> Messages {
        Messages { arena, ..Messages::default() }
    }

    /// The octets that names lie in.
    pub(super) fn arena(&self) -> &[u8] {
        &self.arena
    }

    /// Adds a message whose base name lies in the arena already.
    pub(super) fn push_lying(&mut self, uid: u32, name_at: usize, base_length: usize) {
        let base = self.arena.get(name_at..name_at.saturating_add(base_length)).unwrap_or_default();
        self.records.push(Record {
            uid,
            name_at: u32::try_from(name_at).unwrap_or(u32::MAX),
            keywords: SetId::EMPTY,
            base_length: length(base_length),
            key_length: length(names::key_length(base)),
            flags: Flags::NONE,
            bits: 0,
        });
    }

    /// Adds a message by its file name, without a UID; its place.
    pub(super) fn push_named(&mut self, name: &[u8], bits: u8) -> usize {
        let base_length = names::base_length(name);
        let base = name.get(..base_length).unwrap_or(name);
        let index = self.records.len();
        let (name_at, stored, key_length) = self.store_base(base);
        self.records.push(Record {
            uid: 0,
            name_at,
            keywords: SetId::EMPTY,
            base_length: stored,
            key_length,
            flags: Flags::NONE,
            bits,
        });
        self.adopt_suffix(index, name, base_length);
        index
    }

    /// What a message is compared by: its name up to the first `:`.
    pub(super) fn key(&self, index: usize) -> &[u8] {
        self.records.get(index).map_or(&[], |r| self.key_of(r))
    }

    fn key_of(&self, record: &Record) -> &[u8] {
        self.base_of(record).get(..usize::from(record.key_length)).unwrap_or_default()
    }

    /// Whether a message has this very file name.
    pub(super) fn is_named(&self, index: usize, name: &[u8]) -> bool {
        let Some(record) = self.records.get(index) else { return false };
        if let Some(whole) = self.odd_name(record) {
            return whole == name;
        }
        name.strip_prefix(self.base_of(record)).is_some_and(|suffix| is_usual(suffix, record.flags))
    }

    /// Takes over the flags in a file name of this message, the way nearly every name is: the base
    /// name that we know, `:2,` and the letters in order. `known` octets of the name are known to
    /// be the message's. `false`: the name is another, or needs a closer look.
    pub(super) fn adopt_usual(&mut self, index: usize, name: &[u8], known: usize) -> bool {
        if !self.odd.is_empty() {
            return false;
        }
        let Some(record) = self.records.get_mut(index) else { return false };
        if usize::from(record.base_length) != known || usize::from(record.key_length) != known {
            return false;
        }
        let suffix = name.get(known..).and_then(|s| s.strip_prefix(b":2,"));
        match suffix.and_then(Flags::of_usual_letters) {
            Some(flags) => {
                record.flags = flags;
                true
            }
            None => false,
        }
    }

    /// Whether messages that are marked as gone may be there all the same.
    pub(super) fn is_restless(&self) -> bool {
        self.restless
    }

    /// Notes it.
    pub(super) fn set_restless(&mut self, restless: bool) {
        self.restless = restless;
    }

    /// Whether any of these marks is set.
    pub(super) fn has(&self, index: usize, bits: u8) -> bool {
        self.records.get(index).is_some_and(|r| r.bits & bits != 0)
    }

    /// Sets marks.
    pub(super) fn mark(&mut self, index: usize, bits: u8) {
        if let Some(record) = self.records.get_mut(index) {
            record.bits |= bits;
        }
    }

    /// Takes marks away.
    pub(super) fn unmark(&mut self, index: usize, bits: u8) {
        if let Some(record) = self.records.get_mut(index) {
            record.bits &= !bits;
        }
    }

    /// Takes marks away from all.
    pub(super) fn unmark_all(&mut self, bits: u8) {
        for record in &mut self.records {
            record.bits &= !bits;
        }
    }

    /// Sets marks on those that have none of `without`.
    pub(super) fn mark_unless(&mut self, without: u8, bits: u8) {
        for record in self.records.iter_mut().filter(|r| r.bits & without == 0) {
            record.bits |= bits;
        }
    }

    /// Whether every message has one of these marks.
    pub(super) fn all_have(&self, bits: u8) -> bool {
        self.records.iter().all(|r| r.bits & bits != 0)
    }

    /// How many have all of these marks.
    pub(super) fn count(&self, bits: u8) -> usize {
        self.records.iter().filter(|r| r.bits & bits == bits).count()
    }

    /// The UIDs of those that have one of these marks.
    pub(super) fn with(&self, bits: u8) -> Vec<Uid> {
        self.records.iter().filter(|r| r.bits & bits != 0).filter_map(|r| Uid::new(r.uid)).collect()
    }

    /// The marks of a scan become those of a session: what was met for the first time, and not
    /// delivered by the scan, is recent.
    pub(super) fn settle_marks(&mut self) {
        for record in &mut self.records {
            let recent = record.bits & bit::FRESH != 0 && record.bits & bit::DELIVERED == 0;
            record.bits = if recent { bit::RECENT } else { 0 };
        }
    }

    /// Keeps those that have one of these marks.
    pub(super) fn keep(&mut self, bits: u8) {
        self.records.retain(|r| r.bits & bits != 0);
    }

    /// Leaves out those that have one of these marks.
    pub(super) fn leave_out(&mut self, bits: u8) {
        self.records.retain(|r| r.bits & bits == 0);
    }

    /// The highest UID, 0 without any.
    pub(super) fn highest(&self) -> u32 {
        self.records.iter().map(|r| r.uid).max().unwrap_or(0)
    }

    /// Whether they stand by ascending UID.
    pub(super) fn is_sorted(&self) -> bool {
        self.records.is_sorted_by_key(|r| r.uid)
    }

    /// Sorts by UID, those of the same UID as they stand.
    pub(super) fn sort_by_uid(&mut self) {
        self.records.sort_by_key(|r| r.uid);
    }

    /// Keeps the first of each name; whether there was another.
    pub(super) fn drop_doubled_names(&mut self) -> bool {
        let mut doubled = Vec::new();
        self.index(|i| doubled.push(i));
        for i in &doubled {
            self.mark(*i, bit::GONE);
        }
        self.leave_out(bit::GONE);
        !doubled.is_empty()
    }

    /// Marks every message whose UID an earlier one has, and takes it away from it.
    pub(super) fn take_doubled_uids(&mut self) -> bool {
        let mut last = 0;
        let mut any = false;
        for record in &mut self.records {
            if record.uid == last {
                record.uid = 0;
                record.bits |= bit::DOUBLED;
                any = true;
            } else {
                last = record.uid;
            }
        }
        any
    }

    /// Gives UIDs from `next` on to those without: first what the scan delivered, in order, then
    /// the others by name (STORAGE 2.4). The next UID after that; `None` when there are not enough,
    /// and then nothing is changed.
    pub(super) fn number(&mut self, next: u32) -> Option<u32> {
        let without = self.records.iter().filter(|r| r.uid == 0).count();
        let after = u32::try_from(without).ok().and_then(|n| next.checked_add(n))?;
        if without == 0 {
            return Some(after);
        }
        let mut records = std::mem::take(&mut self.records);
        records.sort_by_key(|r| r.uid == 0);
        let first = records.len().saturating_sub(without);
        if let Some(fresh) = records.get_mut(first..) {
            // The numbers first, once each; a stable sort, so that deliveries stay in their order.
            let rank = |r: &Record| {
                if r.bits & bit::DELIVERED != 0 {
                    None
                } else {
                    Some(names::order(self.key_of(r)).0)
                }
            };
            let mut ranked: Vec<(Option<i64>, Record)> =
                fresh.iter().map(|r| (rank(r), *r)).collect();
            ranked.sort_by(|(a, x), (b, y)| {
                let names = || {
                    if a.is_some() { self.key_of(x).cmp(self.key_of(y)) } else { Ordering::Equal }
                };
                a.cmp(b).then_with(names)
            });
            for (slot, (_, record)) in fresh.iter_mut().zip(ranked) {
                *slot = record;
            }
            for (record, uid) in fresh.iter_mut().zip(next..) {
                record.uid = uid;
            }
        }
        self.records = records;
        Some(after)
    }

    /// Takes all UIDs away: the next numbering is by name.
    pub(super) fn forget_uids(&mut self) {
        for record in &mut self.records {
            record.uid = 0;
        }
    }

    /// A table of all of them. Of two with the same name, the later is left out, and marked by the
    /// closure.
    pub(super) fn index(&self, mut doubled: impl FnMut(usize)) -> Index {
        let mut index = Index::with_capacity(self.len());
        for position in 0..self.len() {
            let key = self.key(position);
            if index.find_or_insert(key, position, |i| self.key(i) == key).is_some() {
                doubled(position);
            }
        }
        index
    }

    /// A table of all of them by something that follows from their names; every message is in it.
    pub(super) fn index_by(&self, key: impl Fn(&[u8]) -> &[u8]) -> Index {
        let mut index = Index::with_capacity(self.len());
        for position in 0..self.len() {
            index.find_or_insert(key(self.base_name(position)), position, |_| false);
        }
        index
    }

    /// The place of the message of this name, which is compared up to its first `:`.
    pub(super) fn find(&self, index: &Index, name: &[u8]) -> Option<usize> {
        let key = name.get(..names::key_length(name)).unwrap_or(name);
        index.find(key, |i| self.key(i) == key)
    }

    /// The place of the message of this name; if there is none, one is added to the table (and to
    /// the messages by the caller, as the last).
    pub(super) fn find_or_announce(&self, index: &mut Index, name: &[u8]) -> Option<usize> {
        let key = name.get(..names::key_length(name)).unwrap_or(name);
        index.find_or_insert(key, self.len(), |i| self.key(i) == key)
    }

    /// Gives unused memory back.
    pub(super) fn shrink(&mut self) {
        self.records.shrink_to_fit();
        if self.arena.capacity() > self.arena.len().saturating_add(65536) {
            self.arena.shrink_to_fit();
        }
    }
}

fn length(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// Whether a name's end is `:2,` and the letters of these flags in order.
fn is_usual(suffix: &[u8], flags: Flags) -> bool {
    suffix.strip_prefix(b":2,").and_then(Flags::of_usual_letters) == Some(flags)
}

#[cfg(test)]
mod tests;
