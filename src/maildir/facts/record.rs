//! One record: of which file it is, and what is remembered.

use crate::sys::stat::Stat;

/// The length of what precedes the payload, in bytes.
pub(super) const HEAD: usize = 40;
/// A longer payload is none.
pub(crate) const MAX_PAYLOAD: usize = 32 * 1024;

/// What stands for a base name in a record.
pub(crate) fn name_digest(base: &[u8]) -> u32 {
    crc32fast::hash(base)
}

/// Of which file a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct About {
    /// The message's UID.
    pub(crate) uid: u32,
    /// What stands for its base name.
    pub(crate) name: u32,
    /// The file's inode.
    pub(crate) inode: u64,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// Its modification time, in nanoseconds since 1970.
    pub(crate) mtime: i64,
}

/// The modification time of a file as a record has it.
fn mtime(stat: &Stat) -> i64 {
    i64::try_from(stat.mtime_nanos()).unwrap_or(i64::MAX)
}

impl About {
    /// Of a message's file.
    pub(crate) fn new(uid: u32, base: &[u8], stat: &Stat) -> About {
        About {
            uid,
            name: name_digest(base),
            inode: stat.inode().1,
            size: stat.len(),
            mtime: mtime(stat),
        }
    }

    /// Whether the file is as it was when this was learned.
    pub(crate) fn fits(&self, stat: &Stat) -> bool {
        (self.inode, self.size, self.mtime) == (stat.inode().1, stat.len(), mtime(stat))
    }
}

/// One record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Record<'a> {
    /// Of which file it is.
    pub(crate) about: About,
    /// What is remembered.
    pub(crate) payload: &'a [u8],
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    Some(i64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

impl<'a> Record<'a> {
    /// The length of a record that begins like this; `None` if it would be too long.
    pub(super) fn length(bytes: &[u8]) -> Option<usize> {
        let payload = usize::try_from(u32_at(bytes, 0)?).ok()?;
        (payload <= MAX_PAYLOAD).then_some(HEAD + payload)
    }

    /// The record at the beginning of these bytes; `None` if it is not whole.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Record<'a>> {
        let bytes = bytes.get(..Record::length(bytes)?)?;
        if crc32fast::hash(bytes.get(8..)?) != u32_at(bytes, 4)? {
            return None;
        }
        let about = About {
            uid: u32_at(bytes, 8)?,
            name: u32_at(bytes, 12)?,
            inode: u64_at(bytes, 16)?,
            size: u64_at(bytes, 24)?,
            mtime: i64_at(bytes, 32)?,
        };
        Some(Record { about, payload: bytes.get(HEAD..)? })
    }

    /// Appends it.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        let About { uid, name, inode, size, mtime } = self.about;
        let mut head = [0; HEAD - 8];
        let fields: [&[u8]; 5] = [
            &uid.to_le_bytes(),
            &name.to_le_bytes(),
            &inode.to_le_bytes(),
            &size.to_le_bytes(),
            &mtime.to_le_bytes(),
        ];
        for (to, from) in head.iter_mut().zip(fields.iter().copied().flatten()) {
            *to = *from;
        }
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&head);
        checksum.update(self.payload);
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&checksum.finalize().to_le_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(self.payload);
    }
}
