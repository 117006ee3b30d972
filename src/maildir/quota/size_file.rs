//! `maildirsize` as it is read and appended to.

use super::QuotaLimits;
use crate::maildir::error::is_missing;
use crate::sys::directory::Directory;
use crate::sys::{clock, control, fs};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// The file's name in the Maildir.
pub(super) const NAME: &[u8] = b"maildirsize";
/// The size in bytes from which the file is not read, but replaced by a new count.
pub(super) const MAX_FILE: usize = 5120;

/// `maildirsize` as it was read.
#[derive(Debug)]
pub(super) struct SizeFile {
    file: File,
    /// The device and inode of the file.
    pub(super) inode: (u64, u64),
    pub(super) limits: Option<QuotaLimits>,
    pub(super) bytes: i64,
    pub(super) messages: i64,
    /// How many differences were added up.
    pub(super) lines: usize,
    /// Seconds since the last change.
    pub(super) age: i64,
    is_empty: bool,
    is_full: bool,
    /// Where it is, for the log.
    path: PathBuf,
}

/// A line of the file.
pub(super) fn line(bytes: i64, messages: i64) -> String {
    format!("{bytes:>12} {messages:>12}\n")
}

/// A number of a line. As for C's `strtoll`, but nothing may follow it.
fn signed(word: &[u8]) -> Option<i64> {
    let (negative, digits) = match word.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, word),
    };
    let n = i64::try_from(crate::types::number::digits(digits)?).ok()?;
    Some(if negative { -n } else { n })
}

/// A number as the file may have it.
pub(super) fn signed_size(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl SizeFile {
    /// Reads the file of a Maildir. `None` without a file, and for what is not a regular file that
    /// we may write.
    pub(super) fn read(maildir: &Directory) -> Option<SizeFile> {
        let mut text = vec![0; MAX_FILE];
        let read = control::until_fresh(|| {
            let (file, stat) = maildir.open_append(NAME)?;
            let length = fs::read_at(&file, &mut text, 0)?;
            Ok((file, stat, length))
        });
        let (file, stat, length) = match read {
            Ok(read) => read,
            Err(e) if is_missing(&e) => return None,
            Err(e) => {
                log::warn!("{}: {}", fs::shown(&maildir.path_of(NAME)), fs::error_text(&e));
                return None;
            }
        };
        text.truncate(length);
        let age = clock::now().0.saturating_sub(stat.mtime());
        let is_full = length >= MAX_FILE;
        let mut lines = text.split(|b| *b == b'\n');
        let limits = QuotaLimits::parse(lines.next().unwrap_or_default());
        let mut size_file = SizeFile {
            file,
            inode: stat.inode(),
            limits,
            bytes: 0,
            messages: 0,
            lines: 0,
            age,
            is_empty: length == 0,
            is_full,
            path: maildir.path_of(NAME),
        };
        if is_full {
            return Some(size_file);
        }
        for line in lines {
            let mut words =
                line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()).map(signed);
            if let (Some(Some(bytes)), Some(Some(messages))) = (words.next(), words.next()) {
                size_file.bytes = size_file.bytes.saturating_add(bytes);
                size_file.messages = size_file.messages.saturating_add(messages);
                size_file.lines += 1;
            }
        }
        Some(size_file)
    }

    /// Whether the sum cannot be right, or is not known.
    pub(super) fn must_be_counted(&self) -> bool {
        self.is_full || self.bytes < 0 || self.messages < 0
    }

    /// Appends a difference by one write, so that it stays whole beside those of others.
    pub(super) fn append(&mut self, (bytes, messages): (i64, i64)) {
        // In an empty file the difference would be taken for the limits. Courier writes it all the
        // same; we do not.
        if (bytes, messages) == (0, 0) || self.is_empty {
            return;
        }
        if let Err(e) = self.file.write_all(line(bytes, messages).as_bytes()) {
            log::warn!("writing {}: {}", fs::shown(&self.path), fs::error_text(&e));
        }
    }
}
