//! The messages of a folder, in as little memory as possible: twenty bytes each, and the base names
//! in one arena (most of which is the content of the UID file as it was read). Two lists of a
//! hundred thousand messages must fit into 128 MiB beside everything else.

mod absent;
mod arena;
mod lookup;
mod numbering;

pub(super) use absent::{Absent, Told};
pub(super) use arena::ReadNames;

use super::names;
use crate::types::{Flags, SetId, Uid};
use arena::Arena;
use std::collections::HashMap;

/// One message. Its base name is in the arena. The rest of its file name follows from the flags,
/// except for the names in [`Messages::odd`].
#[derive(Clone, Copy)]
struct Record {
    /// 0: none yet.
    uid: u32,
    /// Where the base name begins in the arena.
    name_at: u32,
    keywords: SetId,
    base_length: u16,
    key_length: u16,
    flags: Flags,
    bits: u8,
}

/// Marks of a message.
pub(super) mod bit {
    /// This session is the first to see it.
    pub(crate) const RECENT: u8 = 1;
    /// A scan found its file.
    pub(crate) const FOUND: u8 = 2;
    /// A scan found its file in the present reading of the directory.
    pub(crate) const THIS_READING: u8 = 4;
    /// Another session changed its flags, and the client does not know yet.
    pub(crate) const CHANGED: u8 = 8;
    /// Its file was looked for and not found.
    pub(crate) const GONE: u8 = 16;
    /// A scan found it for the first time.
    pub(crate) const FRESH: u8 = 32;
    /// The scan itself put it into `cur`, for APPEND or COPY.
    pub(crate) const DELIVERED: u8 = 64;
    /// The UID file has its UID on an earlier line, too.
    pub(crate) const DOUBLED: u8 = 128;
}

/// The messages of a folder, by ascending UID. They are addressed by their position, from 0.
#[derive(Clone, Default)]
pub(crate) struct Messages {
    records: Vec<Record>,
    arena: Arena,
    /// Whole file names that are not the base name, `:2,` and the letters in order; by `name_at`.
    odd: HashMap<u32, Box<[u8]>>,
    /// Whether messages marked as gone may exist: they were not found in a directory that never
    /// stopped changing.
    gone_is_uncertain: bool,
}

impl Messages {
    /// How many messages there are.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The UID of a message; `None` past the end.
    pub(crate) fn uid(&self, index: usize) -> Option<Uid> {
        self.records.get(index).and_then(|r| Uid::new(r.uid))
    }

    /// The system flags of a message; none past the end.
    pub(crate) fn flags(&self, index: usize) -> Flags {
        self.records.get(index).map_or(Flags::empty(), |r| r.flags)
    }

    /// The keywords of a message; none past the end.
    pub(crate) fn keywords(&self, index: usize) -> SetId {
        self.records.get(index).map_or(SetId::EMPTY, |r| r.keywords)
    }

    /// Sets the keywords of a message.
    pub(crate) fn set_keywords(&mut self, index: usize, keywords: SetId) {
        if let Some(record) = self.records.get_mut(index) {
            record.keywords = keywords;
        }
    }

    /// Whether a message is \Recent in this session.
    pub(crate) fn recent(&self, index: usize) -> bool {
        self.has(index, bit::RECENT)
    }

    /// Sets whether a message is \Recent in this session.
    pub(crate) fn set_recent(&mut self, index: usize, recent: bool) {
        if recent {
            self.mark(index, bit::RECENT);
        } else {
            self.unmark(index, bit::RECENT);
        }
    }

    /// Whether another session changed the flags of a message since the last call of this. Then
    /// [`Messages::flags`] has the new ones already.
    pub(crate) fn take_changed(&mut self, index: usize) -> bool {
        let changed = self.has(index, bit::CHANGED);
        self.unmark(index, bit::CHANGED);
        changed
    }

    /// As [`Messages::take_changed`], without taking note of it. Whoever compares two scans must
    /// ask this of the older one, whose flags may be the new ones already.
    pub(crate) fn is_changed(&self, index: usize) -> bool {
        self.has(index, bit::CHANGED)
    }

    /// The position of a UID, or where it would be.
    pub(crate) fn position(&self, uid: Uid) -> Result<usize, usize> {
        self.records.binary_search_by_key(&uid.get(), |r| r.uid)
    }

    /// The base name of a message: its file name up to the last `:`. Empty past the end.
    pub(crate) fn base_name(&self, index: usize) -> &[u8] {
        self.records.get(index).map_or(&[], |r| self.base_of(r))
    }

    /// The base name of a message, if it is at hand: that it must be read first is no reason to.
    pub(crate) fn known_base_name(&self, index: usize) -> Option<&[u8]> {
        let record = self.records.get(index)?;
        self.arena.has(record.name_at as usize).then(|| self.base_of(record))
    }

    /// When a message was put into the folder, in seconds since 1970; `None` where its name does
    /// not say so.
    pub(crate) fn saved(&self, index: usize) -> Option<i64> {
        names::saved(self.base_name(index))
    }

    /// The file name of a message in `cur`, as it was last seen. Empty past the end.
    pub(crate) fn file_name(&self, index: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.push_file_name(index, &mut out);
        out
    }

    /// Appends the file name of a message; nothing past the end.
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

    /// Sets the file name of a message, and with it the flags.
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
        self.set_suffix(index, name, base.len());
    }

    /// Takes the flags from the end of a file name.
    fn set_suffix(&mut self, index: usize, name: &[u8], base_length: usize) {
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
        if !self.arena.has(at) {
            self.arena.load(|| self.places());
        }
        let base = self.arena.get(at, usize::from(record.base_length));
        debug_assert!(base.is_some(), "every base name is in the arena");
        base.unwrap_or_default()
    }

    fn odd_name(&self, record: &Record) -> Option<&[u8]> {
        if self.odd.is_empty() {
            return None;
        }
        self.odd.get(&record.name_at).map(|n| &**n)
    }

    /// Puts a base name into the arena: where it begins, its length, the length of its key.
    fn store_base(&mut self, base: &[u8]) -> (u32, u16, u16) {
        let at = u32::try_from(self.arena.push(base)).unwrap_or(u32::MAX);
        (at, length(base.len()), length(names::key_length(base)))
    }
}

/// For the other files of the store.
impl Messages {
    /// No messages yet, and the content of a UID file as the arena.
    pub(super) fn with_arena(arena: Vec<u8>) -> Messages {
        Messages { arena: Arena::of(arena), ..Messages::default() }
    }

    /// No messages yet; so many bytes of their base names are read when one is needed.
    pub(super) fn with_names_later(read: ReadNames, length: usize) -> Messages {
        Messages { arena: Arena::later(read, length), ..Messages::default() }
    }

    /// Whether base names have yet to be read.
    pub(super) fn has_names_to_read(&self) -> bool {
        !self.arena.has(0)
    }

    /// Whether the state in which base names were to be read is damaged.
    pub(super) fn has_damaged_names(&self) -> bool {
        self.arena.are_damaged()
    }

    /// The state was made anew, as far as that is possible.
    pub(super) fn forget_damage(&mut self) {
        self.arena.forget_damage();
    }

    /// Of each message its UID, and where in the arena its base name is: offset and length.
    pub(super) fn places(&self) -> Vec<(u32, usize, usize)> {
        let place = |r: &Record| (r.uid, r.name_at as usize, usize::from(r.base_length));
        self.records.iter().map(place).collect()
    }

    /// The bytes that hold the base names.
    pub(super) fn arena(&self) -> &[u8] {
        self.arena.content()
    }

    /// Adds a message whose base name is in the arena already.
    pub(super) fn push_from_arena(&mut self, uid: u32, name_at: usize, base_length: usize) {
        let base = self.arena.get(name_at, base_length).unwrap_or_default();
        self.records.push(Record {
            uid,
            name_at: u32::try_from(name_at).unwrap_or(u32::MAX),
            keywords: SetId::EMPTY,
            base_length: length(base_length),
            key_length: length(names::key_length(base)),
            flags: Flags::empty(),
            bits: 0,
        });
    }

    /// Adds a message by its file name, without a UID.
    pub(super) fn push_named(&mut self, name: &[u8], bits: u8) {
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
            flags: Flags::empty(),
            bits,
        });
        self.set_suffix(index, name, base_length);
    }

    /// Adds a message as a state has it: its base name is in the arena, at an offset, with the
    /// lengths of the name and of its key.
    pub(super) fn push_recorded(
        &mut self,
        uid: u32,
        (name_at, base_length, key_length): (usize, u16, u16),
        flags: Flags,
        keywords: SetId,
    ) {
        let name_at = u32::try_from(name_at).unwrap_or(u32::MAX);
        self.records.push(Record {
            uid,
            name_at,
            keywords,
            base_length,
            key_length,
            flags,
            bits: 0,
        });
    }

    /// Adds a message by its UID and base name, without flags.
    pub(super) fn push_base(&mut self, uid: u32, base: &[u8]) {
        let (at, base_length, key_length) = self.store_base(base);
        self.push_recorded(
            uid,
            (at as usize, base_length, key_length),
            Flags::empty(),
            SetId::EMPTY,
        );
    }

    /// Gives a message another base name; its file name is the usual one of its flags then.
    pub(super) fn set_base(&mut self, index: usize, base: &[u8]) {
        let (name_at, base_length, key_length) = self.store_base(base);
        let Some(record) = self.records.get_mut(index) else { return };
        self.odd.remove(&record.name_at);
        *record = Record { name_at, base_length, key_length, ..*record };
    }

    /// Sets the flags of a message; its file name is the usual one of these flags then.
    pub(super) fn set_flags(&mut self, index: usize, flags: Flags) {
        let Some(record) = self.records.get_mut(index) else { return };
        record.flags = flags;
        if !self.odd.is_empty() {
            self.odd.remove(&record.name_at);
        }
    }

    /// The whole file name of a message, if it is not the base name, `:2,` and the letters in order.
    pub(super) fn odd(&self, index: usize) -> Option<&[u8]> {
        self.records.get(index).and_then(|record| self.odd_name(record))
    }

    /// Makes room for so many messages more.
    pub(super) fn reserve(&mut self, more: usize) {
        self.records.reserve_exact(more);
    }

    /// The key of a message, by which names are compared: its name up to the first `:`.
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

    /// Takes the flags from a file name of this message, if the name is made as nearly all are: the
    /// known base name, `:2,` and the letters in order. The first `known` bytes are known to be the
    /// message's key. `false`, and nothing is changed, for every other name.
    pub(super) fn set_usual_name(&mut self, index: usize, name: &[u8], known: usize) -> bool {
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

    /// Whether messages that are marked as gone may exist all the same.
    pub(super) fn gone_is_uncertain(&self) -> bool {
        self.gone_is_uncertain
    }

    /// Sets whether messages that are marked as gone may exist all the same.
    pub(super) fn set_gone_is_uncertain(&mut self, uncertain: bool) {
        self.gone_is_uncertain = uncertain;
    }

    /// Whether a message has any of these marks.
    pub(super) fn has(&self, index: usize, bits: u8) -> bool {
        self.records.get(index).is_some_and(|r| r.bits & bits != 0)
    }

    /// Sets marks of a message.
    pub(super) fn mark(&mut self, index: usize, bits: u8) {
        if let Some(record) = self.records.get_mut(index) {
            record.bits |= bits;
        }
    }

    /// Removes marks of a message.
    pub(super) fn unmark(&mut self, index: usize, bits: u8) {
        if let Some(record) = self.records.get_mut(index) {
            record.bits &= !bits;
        }
    }

    /// Removes marks of all messages.
    pub(super) fn unmark_all(&mut self, bits: u8) {
        for record in &mut self.records {
            record.bits &= !bits;
        }
    }

    /// Sets marks of all messages that have none of the marks `without`.
    pub(super) fn mark_unless(&mut self, without: u8, bits: u8) {
        for record in self.records.iter_mut().filter(|r| r.bits & without == 0) {
            record.bits |= bits;
        }
    }

    /// Whether every message has any of these marks.
    pub(super) fn all_have(&self, bits: u8) -> bool {
        self.records.iter().all(|r| r.bits & bits != 0)
    }

    /// How many messages have all of these marks.
    pub(super) fn count(&self, bits: u8) -> usize {
        self.records.iter().filter(|r| r.bits & bits == bits).count()
    }

    /// The UIDs of the messages that have any of these marks.
    pub(super) fn with(&self, bits: u8) -> Vec<Uid> {
        self.records.iter().filter(|r| r.bits & bits != 0).filter_map(|r| Uid::new(r.uid)).collect()
    }

    /// Turns the marks of a scan into those of a session: what was found for the first time, and
    /// was not delivered by the scan, is recent.
    pub(super) fn end_scan(&mut self) {
        for record in &mut self.records {
            let recent = record.bits & bit::FRESH != 0 && record.bits & bit::DELIVERED == 0;
            record.bits = if recent { bit::RECENT } else { 0 };
        }
    }

    /// Keeps the messages that have any of these marks.
    pub(super) fn keep(&mut self, bits: u8) {
        self.records.retain(|r| r.bits & bits != 0);
    }

    /// Removes the messages that have any of these marks.
    pub(super) fn leave_out(&mut self, bits: u8) {
        self.records.retain(|r| r.bits & bits == 0);
    }

    /// Removes the messages from a UID on.
    pub(super) fn leave_out_from(&mut self, uid: u32) {
        self.records.retain(|r| r.uid < uid);
    }

    /// Gives unused memory back.
    pub(super) fn shrink(&mut self) {
        self.records.shrink_to_fit();
        self.arena.shrink();
    }
}

fn length(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// Whether the end of a file name is `:2,` and the letters of these flags in order.
fn is_usual(suffix: &[u8], flags: Flags) -> bool {
    suffix.strip_prefix(b":2,").and_then(Flags::of_usual_letters) == Some(flags)
}

#[cfg(test)]
mod tests;
