//! The Maildir++ quota: `maildirsize`, a file of limits and of differences that every delivery
//! agent appends to (STORAGE 7). There is no lock: one difference is one write, and whoever doubts
//! the sum counts the Maildir and replaces the file.

pub(crate) use super::quota_limits::QuotaLimits;
use super::temporary::TemporaryFile;
use super::{Config, folder_names};
use crate::sys::{clock, dir, fs};
use crate::types::Flags;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const FILE: &[u8] = b"maildirsize";
/// From this size on the sums are not trusted (and not read).
const FULL: u64 = 5120;
/// A sum that would refuse a message must be younger than this, and from one line.
const FRESH_SECONDS: i64 = 15 * 60;
/// How often a count may be disturbed by new mail.
const COUNTS: u32 = 5;

/// What GETQUOTA shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Usage {
    /// The limits.
    pub(crate) limits: QuotaLimits,
    /// Bytes used, by the sums in the file.
    pub(crate) bytes: u64,
    /// Messages counted.
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
    root: PathBuf,
    config: &'a Config,
}

/// The file as it was read.
struct Account {
    file: File,
    limits: Option<QuotaLimits>,
    bytes: i64,
    messages: i64,
    lines: usize,
    age: i64,
    empty: bool,
    full: bool,
}

impl Account {
    fn must_be_counted(&self) -> bool {
        self.full || self.bytes < 0 || self.messages < 0
    }

    /// One write, so that it stays whole beside those of others.
    fn append(&mut self, bytes: i64, messages: i64) {
        // Courier writes a first line into an empty file, where it would be taken for limits; we
        // leave such a file alone.
        if (bytes, messages) == (0, 0) || self.empty {
            return;
        }
        if let Err(e) = self.file.write_all(line(bytes, messages).as_bytes()) {
            log::warn!("maildirsize: {e}");
        }
    }
}

fn line(bytes: i64, messages: i64) -> String {
    format!("{bytes:>12} {messages:>12}\n")
}

/// A word of a line as C's `strtoll` would take it, but whole.
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

/// Whether messages of the folder `.<sub>` count: all but those in Trash, whatever
/// `IMAP_TRASHFOLDERNAME` says (STORAGE 7.3).
pub(crate) fn is_counted_folder(sub: &[u8]) -> bool {
    sub != b"Trash"
}

/// Whether a message with these flags counts.
pub(crate) fn is_counted(flags: Flags) -> bool {
    !flags.contains(Flags::DELETED)
}

/// The size in a file name: the digits after the last `,S=` before the `:`. Trusted for quota only.
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
        Quota { root: root.to_path_buf(), config }
    }

    fn path(&self) -> PathBuf {
        fs::join(&self.root, FILE)
    }

    /// `None` without a file, and for what is not a regular file that we may write.
    fn read(&self) -> Option<Account> {
        let (file, metadata) = fs::open_append(&self.path()).ok()?;
        let mut text = vec![0; usize::try_from(FULL).unwrap_or(0)];
        let length = fs::read_at(&file, &mut text, 0).ok()?;
        text.truncate(length);
        let age = clock::now()
            .0
            .saturating_sub(i64::try_from(fs::mtime_nanos(&metadata) / 1_000_000_000).unwrap_or(0));
        let full = length as u64 >= FULL;
        let mut lines = text.split(|b| *b == b'\n');
        let limits = QuotaLimits::parse(lines.next().unwrap_or_default());
        let mut account = Account {
            file,
            limits,
            bytes: 0,
            messages: 0,
            lines: 0,
            age,
            empty: length == 0,
            full,
        };
        if full {
            return Some(account);
        }
        for line in lines {
            let mut words =
                line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()).map(signed);
            if let (Some(Some(bytes)), Some(Some(messages))) = (words.next(), words.next()) {
                account.bytes = account.bytes.saturating_add(bytes);
                account.messages = account.messages.saturating_add(messages);
                account.lines += 1;
            }
        }
        Some(account)
    }

    /// Limits and use, for GETQUOTA; `None` without a quota. Sums that are not known show as 0.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let account = self.read()?;
        let shown = |n: i64| u64::try_from(n).unwrap_or(0);
        Some(Usage {
            limits: account.limits?,
            bytes: shown(account.bytes),
            messages: shown(account.messages),
        })
    }

    /// Whether the Maildir has a `maildirsize`: without it nothing needs to be counted.
    pub(crate) fn is_kept(&self) -> bool {
        fs::lstat(&self.path()).is_ok_and(|m| m.is_file())
    }

    /// Before messages become part of the Maildir: refuses them if they do not fit, otherwise notes
    /// them. Octets as on disk.
    pub(crate) fn check_and_add(
        &self,
        bytes: u64,
        messages: u64,
        action: Action,
    ) -> Result<(), Exceeded> {
        if let Some(mut account) = self.with_room_for(bytes, messages, action)? {
            account.append(signed_size(bytes), signed_size(messages));
        }
        Ok(())
    }

    /// Whether messages would be refused now; nothing is noted.
    pub(crate) fn check(&self, bytes: u64, messages: u64, action: Action) -> Result<(), Exceeded> {
        self.with_room_for(bytes, messages, action).map(drop)
    }

    /// The account that has room for these messages; `None` where none is kept.
    fn with_room_for(
        &self,
        bytes: u64,
        messages: u64,
        action: Action,
    ) -> Result<Option<Account>, Exceeded> {
        let (bytes, messages) = (signed_size(bytes), signed_size(messages));
        let setting = if action == Action::Store { None } else { self.config.quota };
        let mut counted = false;
        let mut account = match (self.read(), setting) {
            (None, Some(limits)) if action == Action::Append && !self.is_kept() => {
                counted = true;
                let Some(account) = self.recount(Some(limits)) else { return Ok(None) };
                account
            }
            (None, _) => return Ok(None),
            (Some(account), _) => account,
        };
        let changed = setting.is_some() && setting != account.limits;
        if !counted && (changed || account.must_be_counted()) {
            counted = true;
            let Some(new) = self.recount(setting.or(account.limits)) else { return Ok(None) };
            account = new;
        }
        let over = |a: &Account| {
            a.limits.is_some_and(|l| {
                l.exceeded_by(a.bytes.saturating_add(bytes), a.messages.saturating_add(messages))
            })
        };
        if over(&account) && !counted && (account.lines > 1 || account.age > FRESH_SECONDS) {
            let Some(new) = self.recount(account.limits) else { return Ok(None) };
            account = new;
        }
        if over(&account) { Err(Exceeded) } else { Ok(Some(account)) }
    }

    /// Adds what counts again, whether it fits or not: it is there already.
    pub(crate) fn add(&self, bytes: u64, messages: u64) {
        self.change(signed_size(bytes), signed_size(messages));
    }

    /// Takes off what no longer counts: a message that got \Deleted, one that is purged.
    pub(crate) fn subtract(&self, bytes: u64, messages: u64) {
        self.change(signed_size(bytes).saturating_neg(), signed_size(messages).saturating_neg());
    }

    fn change(&self, bytes: i64, messages: i64) {
        let Some(mut account) = self.read() else { return };
        if account.must_be_counted() {
            // The deed is done: a count has it already.
            self.recount(account.limits);
        } else {
            account.append(bytes, messages);
        }
    }

    /// After a folder was removed or renamed: counts everything, if there is a quota.
    pub(crate) fn recalculate(&self) {
        if let Some(account) = self.read() {
            self.recount(account.limits);
        }
    }

    /// Counts the Maildir and replaces the file. `None` if new mail kept coming in between or the
    /// file cannot be written: what was to be added is allowed then.
    fn recount(&self, limits: Option<QuotaLimits>) -> Option<Account> {
        for _ in 0..COUNTS {
            let before = self.newest();
            let (bytes, messages) = self.count();
            let text = format!(
                "{}\n{}",
                limits.map(QuotaLimits::line).unwrap_or_default(),
                line(bytes, messages)
            );
            let pid = crate::sys::user::pid();
            let start = format!("{}.{pid}_NeWmAiLdIrSiZe.", clock::now().0);
            let name = [start.as_bytes(), self.config.host.as_bytes()].concat();
            let tmp = self.root.join("tmp").join(fs::path(&name));
            let write = || -> io::Result<()> {
                let _ = fs::unlink(&tmp);
                let file = TemporaryFile::create_at(tmp, 0o644)?;
                file.file()?.write_all(text.as_bytes())?;
                file.rename_to(&self.path())
            };
            if let Err(e) = write() {
                log::warn!("maildirsize: {e}");
                return None;
            }
            if self.newest() == before {
                return self.read();
            }
        }
        None
    }

    /// The directories whose messages count: `new` and `cur` of the Maildir and of its folders,
    /// links left aside.
    fn directories(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.root.clone()];
        for sub in folder_names::list(&self.root).unwrap_or_default() {
            let path = folder_names::directory(&self.root, &sub);
            if is_counted_folder(&sub) && fs::lstat(&path).is_ok_and(|m| m.is_dir()) {
                folders.push(path);
            }
        }
        folders.iter().flat_map(|f| [f.join("new"), f.join("cur")]).collect()
    }

    fn newest(&self) -> Option<i128> {
        self.directories()
            .iter()
            .filter_map(|d| d.metadata().ok())
            .map(|m| fs::mtime_nanos(&m))
            .max()
    }

    fn count(&self) -> (i64, i64) {
        let mut bytes = 0i64;
        let mut messages = 0i64;
        for path in self.directories() {
            let Ok(open) = dir::open(&path) else { continue };
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
            if let Err(e) = result {
                log::warn!("maildirsize: {e}");
            }
            for metadata in unknown.iter().filter_map(|name| fs::join(&path, name).metadata().ok())
            {
                bytes = bytes.saturating_add(i64::try_from(metadata.len()).unwrap_or(i64::MAX));
                messages = messages.saturating_add(1);
            }
        }
        (bytes, messages)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;
