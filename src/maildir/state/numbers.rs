//! The numbers of the messages in the base of a state file, read piece by piece.

use super::format::{NUMBERS, Section, Tables, are_names, set_odd};
use crate::maildir::Messages;
use crate::maildir::messages::ReadNames;
use crate::types::{Flags, SetId};

/// Where the base names of a state are.
pub(super) enum Names {
    /// They were read, and the checksum is right.
    Read(Vec<u8>),
    /// They can be read later; so many bytes.
    Later(ReadNames, usize),
}

/// Reads the numbers of the messages, and their values, piece by piece: all of them are as much as
/// what is made of them, and that is what the time goes to in a very large folder.
pub(super) struct Numbers<'a> {
    tables: &'a Tables,
    messages: Messages,
    values: Vec<u64>,
    /// The length of the names section.
    names: usize,
    /// Where the next name begins in it.
    at: usize,
    /// The last UID, and the greatest value.
    last: u32,
    greatest: u64,
    length: u64,
    checksum: crc32fast::Hasher,
}

impl Numbers<'_> {
    /// The bytes that are best read at once: some whole messages.
    pub(super) const PIECE: usize = NUMBERS * 4096;

    /// Nothing was read yet of a section of this length.
    pub(super) fn new(tables: &Tables, length: u64, names: Names) -> Numbers<'_> {
        let (mut messages, names) = match names {
            Names::Read(names) => {
                let length = names.len();
                (Messages::with_arena(names), length)
            }
            Names::Later(read, length) => (Messages::with_names_later(read, length), length),
        };
        let count = usize::try_from(length / NUMBERS as u64).unwrap_or(0);
        messages.reserve(count);
        let values = Vec::with_capacity(count);
        let (at, last, greatest, length) = (0, 0, 0, 0);
        let checksum = crc32fast::Hasher::new();
        Numbers { tables, messages, values, names, at, last, greatest, length, checksum }
    }

    /// Reads the next whole messages; `None` if they are damaged.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Option<()> {
        self.checksum.update(bytes);
        self.length = self.length.saturating_add(bytes.len() as u64);
        let (records, rest) = bytes.as_chunks::<NUMBERS>();
        let (mut at, mut last, mut greatest) = (self.at, self.last, self.greatest);
        for r in records {
            let uid = u32::from_le_bytes([r[0], r[1], r[2], r[3]]);
            let value = u64::from_le_bytes([r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11]]);
            let set = u32::from_le_bytes([r[12], r[13], r[14], r[15]]) as usize;
            let base_length = u16::from_le_bytes([r[16], r[17]]);
            let key_length = u16::from_le_bytes([r[18], r[19]]);
            let flags = Flags::from_bits(r[20])?;
            let keywords = match set.checked_sub(1) {
                None => SetId::EMPTY,
                Some(set) => *self.tables.sets.get(set)?,
            };
            if uid <= last || base_length == 0 || key_length > base_length {
                return None;
            }
            (last, greatest) = (uid, greatest.max(value));
            self.messages.push_recorded(uid, (at, base_length, key_length), flags, keywords);
            self.values.push(value);
            at = at.checked_add(usize::from(base_length))?.checked_add(1)?;
        }
        (self.at, self.last, self.greatest) = (at, last, greatest);
        rest.is_empty().then_some(())
    }

    /// The messages, their values, and the greatest of these, if that was the whole section.
    pub(super) fn finish(self, section: &Section) -> Option<(Messages, Vec<u64>, u64)> {
        let Numbers { tables, mut messages, values, greatest, .. } = self;
        let read = Section { length: self.length, checksum: self.checksum.finalize() };
        if read != *section || self.at != self.names {
            return None;
        }
        let is_read = !messages.has_names_to_read();
        if is_read && !are_names(messages.arena(), &messages.places()) {
            return None;
        }
        let mut odd: Vec<_> = tables.odd.iter().collect();
        odd.sort_unstable();
        for (i, whole) in odd {
            let flags = messages.flags(*i);
            messages.uid(*i)?;
            set_odd(&mut messages, *i, whole, flags)?;
        }
        Some((messages, values, greatest))
    }
}
