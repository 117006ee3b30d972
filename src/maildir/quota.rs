//! The Maildir++ quota: `maildirsize`, a file with the limits and with differences that every
//! delivery agent appends (STORAGE 7). There is no lock: each difference is one write, and whoever
//! doubts the sum counts the Maildir and replaces the file.

mod charge;
mod size_file;

pub(crate) use super::quota_limits::QuotaLimits;
use super::temporary::TemporaryFile;
use super::{Config, folder_names};
use crate::sys::directory::Directory;
use crate::sys::{breath, clock, dir, fs};
use crate::types::Flags;
pub(crate) use charge::{Charge, Doubts};
use size_file::{MAX_FILE, NAME, SizeFile, line, signed_size};
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// A message is refused only by a sum that is younger than this, in seconds, and from one line.
const MAX_SUM_AGE: i64 = 15 * 60;
/// How often the Maildir is counted again because mail came in during the count.
const MAX_COUNTS: u32 = 5;

/// To this size a file is filled whose sum may be wrong: about a hundred differences, and the
/// Maildir is counted again. (After a few already, sessions that change many messages side by side
/// would do nothing but count.)
const FULL_SOON: usize = MAX_FILE / 2;
/// A tick of the kernel's clock of file times, and how many are waited for.
const TICK: Duration = Duration::from_millis(4);
const MAX_TICKS: u32 = 5;
/// How far a file system may cut a time, in nanoseconds.
const PRECISION: i128 = 1_000_000;

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
    /// For a command that changes many messages one by one.
    doubts: Option<&'a Doubts>,
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

/// Replaces the file.
fn replace(maildir: &Rc<Directory>, config: &Config, text: &str) -> io::Result<()> {
    let pid = crate::sys::user::pid();
    let start = format!("{}.{pid}_NeWmAiLdIrSiZe.", clock::now().0);
    let name = [start.as_bytes(), config.host.as_bytes()].concat();
    let tmp = Rc::new(maildir.open_directory(b"tmp")?);
    let _ = tmp.unlink(&name);
    let file = TemporaryFile::create_at(&tmp, name, 0o644)?;
    file.file()?.write_all(text.as_bytes())?;
    file.rename_to(maildir, NAME)
}

impl<'a> Quota<'a> {
    /// The quota of the Maildir `root`, which is not one of its folders.
    pub(crate) fn new(root: &Path, config: &'a Config) -> Quota<'a> {
        Quota::of(Directory::enter(root).ok().map(Rc::new), config)
    }

    /// The quota of an open Maildir; none without one.
    pub(crate) fn of(maildir: Option<Rc<Directory>>, config: &'a Config) -> Quota<'a> {
        Quota { maildir, config, doubts: None }
    }

    /// Whether this is the quota of the same Maildir.
    pub(crate) fn is_same(&self, other: &Quota<'_>) -> bool {
        let inode = |quota: &Quota<'_>| Some(quota.maildir.as_ref()?.own_stat().ok()?.inode());
        inode(self).is_some_and(|this| inode(other) == Some(this))
    }

    fn read(&self) -> Option<SizeFile> {
        SizeFile::read(self.maildir.as_ref()?)
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
        let stat = self.maildir.as_ref().and_then(|maildir| maildir.stat(NAME).ok());
        stat.is_some_and(|stat| stat.is_file())
    }

    /// Accounts for messages that will come into the Maildir, or refuses them if they do not fit.
    /// `bytes`: their size on disk. `None`: nothing has to be accounted for.
    pub(crate) fn check_and_add(
        &self,
        bytes: u64,
        messages: u64,
        action: Action,
    ) -> Result<Option<Charge>, Exceeded> {
        self.check_beyond_and_add((bytes, messages), (0, 0), action)
    }

    /// The same for messages in the place of others, which are going to cease to count: what they
    /// take beyond those has to fit.
    pub(crate) fn check_beyond_and_add(
        &self,
        (bytes, messages): (u64, u64),
        (freed_bytes, freed_messages): (u64, u64),
        action: Action,
    ) -> Result<Option<Charge>, Exceeded> {
        let (more, more_messages) =
            (bytes.saturating_sub(freed_bytes), messages.saturating_sub(freed_messages));
        let size_file = match (more, more_messages) {
            // Whoever is over the quota may still replace a message by a smaller one.
            (0, 0) => self.read(),
            _ => self.with_room_for(more, more_messages, action)?,
        };
        let less = |n, freed| signed_size(n).saturating_sub(signed_size(freed));
        let difference = (less(bytes, freed_bytes), less(messages, freed_messages));
        let charge = |(maildir, file)| Charge::written(maildir, file, difference);
        Ok(self.maildir.clone().zip(size_file).map(charge))
    }

    /// As [`Quota::check_and_add`], without accounting for the messages.
    pub(crate) fn check(&self, bytes: u64, messages: u64, action: Action) -> Result<(), Exceeded> {
        self.with_room_for(bytes, messages, action).map(drop)
    }

    /// Before messages change that count then whether they fit or not, or that count no longer. How
    /// many is said when they have changed.
    pub(crate) fn begin(&self) -> Option<Charge> {
        Some(Charge::begin(self.maildir.clone()?, self.read()?))
    }

    /// The same, for changes of messages one by one. Whoever has made them all looks whether there
    /// are doubts, and counts.
    pub(crate) fn noting(self, doubts: &'a Doubts) -> Quota<'a> {
        Quota { doubts: Some(doubts), ..self }
    }

    /// The messages of a charge have changed.
    pub(crate) fn settle(&self, charge: &Charge) {
        match self.doubts {
            None => charge.settle(self.config),
            Some(doubts) if charge.is_doubtful_when_settled() => {
                if let Some(maildir) = &self.maildir {
                    doubts.note(maildir);
                }
            }
            Some(_) => {}
        }
    }

    /// At the end of a command: counts the Maildir if its changes have left the sum in doubt.
    pub(crate) fn resolve(&self, doubts: &Doubts) {
        if self.maildir.as_ref().is_some_and(|maildir| doubts.take(maildir)) {
            self.recalculate();
        }
    }

    /// The messages of a charge did not change.
    pub(crate) fn cancel(&self, charge: &Charge) {
        charge.cancel(self.config);
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
        let (size_file, counted) = match (self.read(), setting) {
            (None, Some(limits)) if action == Action::Append && !self.is_kept() => {
                (self.recount(Some(limits)), true)
            }
            (None, _) => return Ok(None),
            (Some(size_file), _) => {
                let changed = setting.is_some() && setting != size_file.limits;
                if changed || size_file.must_be_counted() {
                    (self.recount(setting.or(size_file.limits)), true)
                } else {
                    (Ok(size_file), false)
                }
            }
        };
        let mut size_file = match size_file {
            Ok(size_file) => size_file,
            Err(uncertain) => return Ok(uncertain),
        };
        let over = |a: &SizeFile| {
            a.limits.is_some_and(|l| {
                l.exceeded_by(a.bytes.saturating_add(bytes), a.messages.saturating_add(messages))
            })
        };
        // Other sessions add their lines: a command counts once, not for each message.
        let counted = counted || self.doubts.is_some_and(Doubts::is_counted);
        if over(&size_file) && !counted && (size_file.lines > 1 || size_file.age > MAX_SUM_AGE) {
            match self.recount(size_file.limits) {
                Ok(new) => size_file = new,
                Err(uncertain) => return Ok(uncertain),
            }
            if let Some(doubts) = self.doubts {
                doubts.note_count();
            }
        }
        if over(&size_file) { Err(Exceeded) } else { Ok(Some(size_file)) }
    }

    /// Counts the Maildir if there is a quota, after a folder was removed or renamed, or when the sum
    /// is in doubt.
    pub(crate) fn recalculate(&self) {
        if let Some(size_file) = self.read() {
            let _ = self.recount(size_file.limits);
        }
    }

    /// Counts the Maildir and replaces the file.
    ///
    /// An error if the sum may be wrong: then every message is allowed. It comes with the file if
    /// that was replaced all the same, because mail kept coming in during the count; without it if
    /// it cannot be written, or if the session is to end.
    fn recount(&self, limits: Option<QuotaLimits>) -> Result<SizeFile, Option<SizeFile>> {
        let Some(maildir) = &self.maildir else { return Err(None) };
        let limits = limits.map(QuotaLimits::line).unwrap_or_default();
        for tries in 1..=MAX_COUNTS {
            let before = self.last_change_of_a_past_tick();
            let Some((bytes, messages)) = self.count() else { return Err(None) };
            let mut text = format!("{limits}\n{}", line(bytes, messages));
            let is_certain = self.last_change() == before;
            let is_last = tries == MAX_COUNTS;
            if !is_certain && !is_last {
                continue;
            }
            if is_last {
                // Differences may be lost with the old file. So this one gets full soon.
                while text.len() < FULL_SOON {
                    text.push_str(&line(0, 0));
                }
            }
            if let Err(e) = replace(maildir, self.config, &text) {
                log::warn!("writing {}: {}", fs::shown(&maildir.path_of(NAME)), fs::error_text(&e));
                return Err(None);
            }
            // Whoever has changed messages since then may have seen the old file in its place.
            if is_certain && self.last_change() == before {
                return match self.read() {
                    Some(size_file) => Ok(size_file),
                    None => Err(None),
                };
            }
        }
        Err(self.read())
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

    /// The same, once every later change is dated later: two changes in one tick of the kernel's
    /// clock leave the same time. (Where times are kept in whole seconds, as Courier reads them,
    /// that is not waited for.)
    fn last_change_of_a_past_tick(&self) -> Option<i128> {
        for _ in 0..MAX_TICKS {
            let last = self.last_change();
            let tick = clock::file_tick();
            if last.is_none_or(|last| last > tick || last.saturating_add(PRECISION) < tick) {
                return last;
            }
            clock::sleep(TICK);
        }
        self.last_change()
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
