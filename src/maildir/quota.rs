//! The Maildir++ quota: `maildirsize`, a file with the limits and with differences that every
//! delivery agent appends (STORAGE 7). There is no lock: each difference is one write, and whoever
//! doubts the sum counts the Maildir and replaces the file.

use super::error::is_missing;
pub(crate) use super::quota_limits::QuotaLimits;
use super::temporary::TemporaryFile;
use super::{Config, folder_names};
use crate::sys::directory::Directory;
use crate::sys::{breath, clock, dir, fs};
use crate::types::Flags;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

const FILE: &[u8] = b"maildirsize";
/// The size in bytes from which the file is not read, but replaced by a new count.
const MAX_FILE: usize = 5120;
/// A message is refused only by a sum that is younger than this, in seconds, and from one line.
const MAX_SUM_AGE: i64 = 15 * 60;
/// How often the Maildir is counted again because mail came in during the count.
const MAX_COUNTS: u32 = 5;

/// What GETQUOTA shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Usage {
    /// The limits.
    pub(crate) limits: QuotaLimits,
    /// Bytes used, by the sum in the file.
    pub(crate) bytes: u64,
    /// Messages, by the sum in the file.
    pub(crate) messages: u64,
}

/// Messages were refused: they would exceed the quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Exceeded;

/// The command that adds messages. It decides what `MAILDIRQUOTA` does (STORAGE 7.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// APPEND: the setting applies, and `maildirsize` is made where there is none.
    Append,
    /// COPY: the setting applies where there is a `maildirsize`.
    Copy,
    /// STORE takes \Deleted away: only the limits in `maildirsize` apply.
    Store,
}

/// The quota of one Maildir.
#[derive(Clone, Debug)]
pub(crate) struct Quota<'a> {
    /// `None` if the Maildir cannot be entered: then it has no quota.
    maildir: Option<Rc<Directory>>,
    config: &'a Config,
}

/// `maildirsize` as it was read.
struct SizeFile {
    file: File,
    limits: Option<QuotaLimits>,
    bytes: i64,
    messages: i64,
    /// How many differences were added up.
    lines: usize,
    /// Seconds since the last change.
    age: i64,
    is_empty: bool,
    is_full: bool,
    /// Where it is, for the log.
    path: PathBuf,
}

impl SizeFile {
    /// Whether the sum cannot be right, or is not known.
    fn must_be_counted(&self) -> bool {
        self.is_full || self.bytes < 0 || self.messages < 0
    }

    /// Appends a difference by one write, so that it stays whole beside those of others.
    fn append(&mut self, bytes: i64, messages: i64) {
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

fn line(bytes: i64, messages: i64) -> String {
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

fn signed_size(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Whether messages of the folder `.<sub>` count: all but those in `Trash`, which has that name
/// here whatever `IMAP_TRASHFOLDERNAME` says (STORAGE 7.3).
pub(crate) fn is_counted_folder(sub: &[u8]) -> bool {
    sub != b"Trash"
}

/// Whether a message with these flags counts.
pub(crate) fn is_counted(flags: Flags) -> bool {
    !flags.contains(Flags::DELETED)
}

/// The size in a file name: the digits after the last `,S=` of the base name. It is good enough for
/// the quota, and for nothing else.
pub(crate) fn size_in_name(name: &[u8]) -> Option<u64> {
    let end = memchr::memrchr(b':', name).unwrap_or(name.len());
    let base = name.get(..end)?;
    let at = memchr::memmem::rfind(base, b",S=")?;
    let digits = base.get(at.checked_add(3)?..)?;
    let digits =
        digits.get(..digits.iter().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len()))?;
    crate::types::number::digits(digits)
}

impl<'a> Quota<'a> {
    /// The quota of the Maildir `root`, which is not one of its folders.
    pub(crate) fn new(root: &Path, config: &'a Config) -> Quota<'a> {
        Quota::of(Directory::enter(root).ok().map(Rc::new), config)
    }

    /// The quota of an open Maildir; none without one.
    pub(crate) fn of(maildir: Option<Rc<Directory>>, config: &'a Config) -> Quota<'a> {
        Quota { maildir, config }
    }

    /// `None` without a file, and for what is not a regular file that we may write.
    fn read(&self) -> Option<SizeFile> {
        let maildir = self.maildir.as_ref()?;
        let mut text = vec![0; MAX_FILE];
        let read = maildir.open_append(FILE).and_then(|(file, stat)| {
            let length = fs::read_at(&file, &mut text, 0)?;
            Ok((file, stat, length))
        });
        let (file, stat, length) = match read {
            Ok(read) => read,
            Err(e) if is_missing(&e) => return None,
            Err(e) => {
                log::warn!("{}: {}", fs::shown(&maildir.path_of(FILE)), fs::error_text(&e));
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
            limits,
            bytes: 0,
            messages: 0,
            lines: 0,
            age,
            is_empty: length == 0,
            is_full,
            path: maildir.path_of(FILE),
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

    /// Limits and use, for GETQUOTA; `None` without a quota. A sum that is not known, or negative,
    /// is shown as 0.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let size_file = self.read()?;
        let not_negative = |n: i64| u64::try_from(n).unwrap_or(0);
        Some(Usage {
            limits: size_file.limits?,
            bytes: not_negative(size_file.bytes),
            messages: not_negative(size_file.messages),
        })
    }

    /// Whether the Maildir has a `maildirsize`. Without it nothing has to be accounted for.
    pub(crate) fn is_kept(&self) -> bool {
        let stat = self.maildir.as_ref().and_then(|maildir| maildir.stat(FILE).ok());
        stat.is_some_and(|stat| stat.is_file())
    }

    /// Accounts for messages that will come into the Maildir, or refuses them if they do not fit.
    /// `bytes`: their size on disk.
    pub(crate) fn check_and_add(
        &self,
        bytes: u64,
        messages: u64,
        action: Action,
    ) -> Result<(), Exceeded> {
        if let Some(mut size_file) = self.with_room_for(bytes, messages, action)? {
            size_file.append(signed_size(bytes), signed_size(messages));
        }
        Ok(())
    }

    /// As [`Quota::check_and_add`], without accounting for the messages.
    pub(crate) fn check(&self, bytes: u64, messages: u64, action: Action) -> Result<(), Exceeded> {
        self.with_room_for(bytes, messages, action).map(drop)
    }

    /// The file, if it has room for these messages; `None` if there is no file and none is made.
    fn with_room_for(
        &self,
        bytes: u64,
        messages: u64,
        action: Action,
    ) -> Result<Option<SizeFile>, Exceeded> {
        let (bytes, messages) = (signed_size(bytes), signed_size(messages));
        let setting = if action == Action::Store { None } else { self.config.quota };
        let mut counted = false;
        let mut size_file = match (self.read(), setting) {
            (None, Some(limits)) if action == Action::Append && !self.is_kept() => {
                counted = true;
                let Some(size_file) = self.recount(Some(limits)) else { return Ok(None) };
                size_file
            }
            (None, _) => return Ok(None),
            (Some(size_file), _) => size_file,
        };
        let changed = setting.is_some() && setting != size_file.limits;
        if !counted && (changed || size_file.must_be_counted()) {
            counted = true;
            let Some(new) = self.recount(setting.or(size_file.limits)) else { return Ok(None) };
            size_file = new;
        }
        let over = |a: &SizeFile| {
            a.limits.is_some_and(|l| {
                l.exceeded_by(a.bytes.saturating_add(bytes), a.messages.saturating_add(messages))
            })
        };
        if over(&size_file) && !counted && (size_file.lines > 1 || size_file.age > MAX_SUM_AGE) {
            let Some(new) = self.recount(size_file.limits) else { return Ok(None) };
            size_file = new;
        }
        if over(&size_file) { Err(Exceeded) } else { Ok(Some(size_file)) }
    }

    /// Accounts for messages that count again, whether they fit or not: they are there already.
    pub(crate) fn add(&self, bytes: u64, messages: u64) {
        self.change(signed_size(bytes), signed_size(messages));
    }

    /// Accounts for messages that no longer count: those that got \Deleted, or were purged.
    pub(crate) fn subtract(&self, bytes: u64, messages: u64) {
        self.change(signed_size(bytes).saturating_neg(), signed_size(messages).saturating_neg());
    }

    fn change(&self, bytes: i64, messages: i64) {
        let Some(mut size_file) = self.read() else { return };
        if size_file.must_be_counted() {
            // The messages are changed by now, so the count includes the change.
            self.recount(size_file.limits);
        } else {
            size_file.append(bytes, messages);
        }
    }

    /// Counts the Maildir if there is a quota, after a folder was removed or renamed.
    pub(crate) fn recalculate(&self) {
        if let Some(size_file) = self.read() {
            self.recount(size_file.limits);
        }
    }

    /// Counts the Maildir and replaces the file. `None` if new mail kept coming in during the
    /// count, if the file cannot be written, or if the session is to end. Then every message is
    /// allowed.
    fn recount(&self, limits: Option<QuotaLimits>) -> Option<SizeFile> {
        let maildir = self.maildir.as_ref()?;
        for _ in 0..MAX_COUNTS {
            let before = self.last_change();
            let (bytes, messages) = self.count()?;
            let text = format!(
                "{}\n{}",
                limits.map(QuotaLimits::line).unwrap_or_default(),
                line(bytes, messages)
            );
            let pid = crate::sys::user::pid();
            let start = format!("{}.{pid}_NeWmAiLdIrSiZe.", clock::now().0);
            let name = [start.as_bytes(), self.config.host.as_bytes()].concat();
            let write = || -> io::Result<()> {
                let tmp = Rc::new(maildir.open_directory(b"tmp")?);
                let _ = tmp.unlink(&name);
                let file = TemporaryFile::create_at(&tmp, name, 0o644)?;
                file.file()?.write_all(text.as_bytes())?;
                file.rename_to(maildir, FILE)
            };
            if let Err(e) = write() {
                log::warn!("writing {}: {}", fs::shown(&maildir.path_of(FILE)), fs::error_text(&e));
                return None;
            }
            if self.last_change() == before {
                return self.read();
            }
        }
        None
    }

    /// Calls `each` with the directories whose messages count: `new` and `cur` of the Maildir and
    /// of its folders, except folders that are links.
    fn each_directory(&self, mut each: impl FnMut(&Directory)) {
        let Some(maildir) = &self.maildir else { return };
        let mut each_part = |folder: &Directory| {
            for part in ["new", "cur"] {
                if let Ok(part) = folder.open_directory(part.as_bytes()) {
                    each(&part);
                }
            }
        };
        each_part(maildir);
        for sub in folder_names::list(maildir).unwrap_or_default() {
            if is_counted_folder(&sub)
                && let Ok(folder) = maildir.open_directory(&[b".", &*sub].concat())
            {
                each_part(&folder);
            }
        }
    }

    /// When one of the directories was last changed.
    fn last_change(&self) -> Option<i128> {
        let mut last = None;
        self.each_directory(|directory| {
            last = last.max(directory.own_stat().ok().map(|stat| stat.mtime_nanos()));
        });
        last
    }

    /// Counts bytes and messages; `None` if the session is to end. Only files without a size in
    /// their name need a stat.
    fn count(&self) -> Option<(i64, i64)> {
        let mut bytes = 0i64;
        let mut messages = 0i64;
        self.each_directory(|directory| {
            let Ok(open) = directory.reading() else { return };
            let mut unknown = Vec::new();
            let result = dir::for_each(&open, |name, kind| {
                if name.starts_with(b".")
                    || kind == dir::EntryKind::Dir
                    || !is_counted(Flags::of_file_name(name))
                {
                    return;
                }
                match size_in_name(name) {
                    Some(size) => {
                        bytes = bytes.saturating_add(i64::try_from(size).unwrap_or(i64::MAX));
                        messages = messages.saturating_add(1);
                    }
                    None => unknown.push(name.to_vec()),
                }
            });
            if let Err(e) = result
                && breath::breathe().is_ok()
            {
                log::warn!("counting {}: {}", fs::shown(directory.path()), fs::error_text(&e));
            }
            for stat in unknown.iter().filter_map(|name| directory.stat(name).ok()) {
                bytes = bytes.saturating_add(i64::try_from(stat.len()).unwrap_or(i64::MAX));
                messages = messages.saturating_add(1);
            }
        });
        breath::breathe().ok()?;
        Some((bytes, messages))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;
