//! The facts of a folder: what sessions remember of messages, so that nobody has to open them again.
//! What that is, is not known here; a record holds it as bytes, and says of which file it is.
//!
//! `postrider.facts` in the folder's directory begins with a head and grows by records. A record is
//! never changed; what takes its place is appended. Where records are, the folder's state knows
//! ([`super::details`]), and in which file: each has a generation in its head. The file is written
//! under the folder's lock, and replaced as a whole when a third of it is of no use any more. It is
//! read without the lock, piece by piece, never mapped: another host may cut it.
//!
//! Nothing rests on it. A record that is not whole, or is of another message, is none.
//!
//! STORAGE 14.5 has the bytes.

pub(super) mod inspect;
mod memory;
mod pending;
mod record;
mod room;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use memory::Memory;
pub(crate) use record::{About, Record};

use super::Entered;
use crate::sys::fs;
use record::HEAD;
use std::fs::File;
use std::ops::Range;

/// The file's name in the folder's directory.
pub(super) const NAME: &[u8] = b"postrider.facts";

/// What the file begins with, the version of its form included.
const MAGIC: &[u8; 8] = b"PRfacts\x01";
/// The length of the file's head, in bytes.
const FILE_HEAD: usize = 20;

/// The first reading of a file, and one elsewhere than behind the last: so many bytes.
const FIRST: usize = 16 * 1024;
/// The most that is read at once.
const MOST: usize = 256 * 1024;

/// The head of a file of this generation.
fn file_head(generation: u64) -> Vec<u8> {
    let mut head = [&MAGIC[..], &generation.to_le_bytes()].concat();
    let checksum = crc32fast::hash(&head);
    head.extend_from_slice(&checksum.to_le_bytes());
    head
}

/// The generation of an open file; `None` if it is no file of facts.
fn generation_of(file: &File) -> Option<u64> {
    let mut head = [0; FILE_HEAD];
    if fs::read_at(file, &mut head, 0).ok()? != FILE_HEAD {
        return None;
    }
    let generation = u64::from_le_bytes(head.get(8..16)?.try_into().ok()?);
    (file_head(generation) == head).then_some(generation)
}

/// The generation of the file that a folder has.
fn present_generation(dir: &Entered) -> Option<u64> {
    generation_of(&dir.folder().open(NAME).ok()?.0)
}

/// A file of facts that is read.
pub(super) struct Facts {
    file: File,
    length: u64,
    window: Vec<u8>,
    /// What part of the file the window shows.
    shown: Range<u64>,
    /// How much is read next.
    step: usize,
}

impl Facts {
    /// Opens the file of a folder, if it is of this generation.
    pub(super) fn open(dir: &Entered, generation: u64) -> Option<Facts> {
        let (file, stat) = dir.folder().open(NAME).ok()?;
        if generation_of(&file)? != generation {
            return None;
        }
        Some(Facts::of(file, stat.len()))
    }

    /// Reads an open file, so many bytes long.
    fn of(file: File, length: u64) -> Facts {
        Facts { file, length, window: Vec::new(), shown: 0..0, step: FIRST }
    }

    /// The record at an offset, if it is that of a message: its UID, and what stands for its base
    /// name ([`record::name_digest`]), if that is at hand.
    pub(super) fn record(
        &mut self,
        offset: u64,
        uid: u32,
        name: Option<u32>,
    ) -> Option<Record<'_>> {
        self.show(offset, HEAD)?;
        let length = Record::length(self.shown_from(offset)?)?;
        self.show(offset, length)?;
        let record = Record::read(self.shown_from(offset)?)?;
        let is_its = record.about.uid == uid && name.is_none_or(|name| record.about.name == name);
        is_its.then_some(record)
    }

    /// Has the window show so many bytes from an offset on.
    fn show(&mut self, offset: u64, length: usize) -> Option<()> {
        let end = offset.checked_add(length as u64)?;
        if offset >= self.shown.start && end <= self.shown.end {
            return Some(());
        }
        if offset < FILE_HEAD as u64 || end > self.length {
            return None;
        }
        // Records mostly lie in the order in which they are asked for.
        let is_next = self.shown.contains(&offset)
            || offset.checked_sub(self.shown.end).is_some_and(|gap| gap < self.step as u64);
        self.step = if is_next { (self.step * 2).min(MOST) } else { FIRST };
        let most = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
        let wanted = self.step.max(length).min(most);
        self.shown = 0..0;
        if self.window.len() < wanted {
            self.window.resize(wanted, 0);
        }
        let got = fs::read_at(&self.file, self.window.get_mut(..wanted)?, offset).ok()?;
        self.shown = offset..offset + got as u64;
        (end <= self.shown.end).then_some(())
    }

    fn shown_from(&self, offset: u64) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.shown.start)?).ok()?;
        let to = usize::try_from(self.shown.end - self.shown.start).ok()?;
        self.window.get(from..to)
    }
}
