//! Reading `cur` and `new` and matching what lies there with what is known: the part that a scan
//! and a STATUS share. The races are described in scan.rs.

use super::index::Index;
use super::messages::{Messages, bit};
use super::names::{self, Stem};
use super::{Dir, Error, Store};
use crate::sys::dir::{self, EntryKind};
use crate::sys::fs;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Which directory, and when it last changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    mtime: i128,
    ctime: i128,
}

impl Stamp {
    /// Of what was opened or looked at.
    pub(super) fn of(metadata: &Metadata) -> Stamp {
        let ctime =
            i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            mtime: fs::mtime_nanos(metadata),
            ctime,
        }
    }

    /// Of a directory, from a descriptor opened afresh: over NFS that asks the server.
    pub(super) fn of_directory(path: &Path) -> Option<Stamp> {
        dir::open(path).and_then(|d| d.metadata()).ok().map(|m| Stamp::of(&m))
    }

    /// Whether the file system seems to keep times in whole seconds.
    pub(super) fn is_coarse(self) -> bool {
        let whole = |t: i128| t.rem_euclid(1_000_000_000) == 0;
        whole(self.mtime) && whole(self.ctime)
    }

    /// Whether a change after `now` would show: the last one is further back than the clock of file
    /// times is coarse. A kernel's tick is ten milliseconds at most; a file system without
    /// fractions of a second shows by having none.
    pub(super) fn is_settled(self, now: i128) -> bool {
        let coarse = if self.is_coarse() { 2_000_000_000 } else { 50_000_000 };
        self.mtime.max(self.ctime).saturating_add(coarse) < now
    }
}

/// A folder being looked at.
pub(super) struct Look<'a> {
    store: &'a Store,
    dir: &'a Dir,
    pub(super) messages: Messages,
    pub(super) index: Index,
    /// Names in `cur` whose message has another name there as well.
    doubles: Vec<(usize, Vec<u8>)>,
    /// Names in `cur` that no UID file could hold.
    impossible: Vec<Vec<u8>>,
    /// `cur` before it was first read.
    pub(super) cur: Option<Stamp>,
    /// `new` before it was read.
    pub(super) new_mail: Option<Stamp>,
    /// Whether something in the UID file is to be written differently.
    pub(super) stale: bool,
}

/// The most readings of a directory that keeps changing.
const READINGS: u32 = 5;

impl<'a> Look<'a> {
    /// Starts with the messages of the UID file.
    pub(super) fn new(store: &'a Store, dir: &'a Dir, mut messages: Messages) -> Look<'a> {
        let mut stale = false;
        let mut index = messages.index(|_| stale = true);
        if stale {
            // The same name on two lines: the first one counts.
            messages.drop_doubled_names();
            index = messages.index(|_| {});
        }
        Look {
            store,
            dir,
            messages,
            index,
            doubles: Vec::new(),
            impossible: Vec::new(),
            cur: None,
            new_mail: None,
            stale,
        }
    }

    /// Adds a message that was just put into `cur`, or is about to be found there.
    pub(super) fn add(&mut self, name: &[u8], bits: u8) {
        if self.messages.find_or_announce(&mut self.index, name).is_none() {
            self.messages.push_named(name, bits | bit::FRESH | bit::FOUND);
        }
    }

    /// Reads `cur`, again if a rename may have hidden something. `now` is the file system's time,
    /// or earlier.
    pub(super) fn read_cur(&mut self, now: i128) -> Result<(), Error> {
        let path = self.dir.cur();
        for reading in 1..=READINGS {
            let cur = dir::open(&path).map_err(Error::about("opening", &path))?;
            let stamp = |d: &std::fs::File| {
                d.metadata().map(|m| Stamp::of(&m)).map_err(Error::about("reading", &path))
            };
            let before = stamp(&cur)?;
            self.cur.get_or_insert(before);
            self.messages.unmark_all(bit::THIS_TIME);
            self.doubles.clear();
            self.impossible.clear();
            dir::for_each(&cur, |name, kind| self.entry(name, kind))
                .map_err(Error::about("reading", &path))?;
            if self.doubles.is_empty() && self.messages.all_have(bit::FOUND) {
                break;
            }
            // Something is missing or there twice. If nothing was renamed while we read, it is so.
            if stamp(&cur)? == before && (reading > 1 || before.is_settled(now)) {
                break;
            }
        }
        Ok(())
    }

    /// One entry of `cur`.
    fn entry(&mut self, name: &[u8], kind: EntryKind) {
        if name.starts_with(b".") || matches!(kind, EntryKind::Dir | EntryKind::Other) {
            return;
        }
        let known = self.messages.find(&self.index, name);
        let Some(i) = known else {
            if kind == EntryKind::Unknown && !is_message(&self.dir.message(name)) {
                return;
            }
            if name.contains(&b'\n') {
                self.impossible.push(name.to_vec());
            } else {
                self.add(name, bit::THIS_TIME);
            }
            return;
        };
        if self.messages.has(i, bit::THIS_TIME) {
            if !self.messages.is_named(i, name) {
                self.doubles.push((i, name.to_vec()));
            }
            return;
        }
        if self.messages.adopt_usual(i, name, names::key_length(name)) {
            self.messages.mark(i, bit::FOUND | bit::THIS_TIME);
        } else {
            self.found(i, name, bit::THIS_TIME);
        }
    }

    /// The file of a known message.
    fn found(&mut self, i: usize, name: &[u8], bits: u8) {
        if !self.messages.is_named(i, name) {
            if self.messages.base_name(i) != name.get(..names::base_length(name)).unwrap_or(name) {
                self.stale = true;
            }
            self.messages.set_file_name(i, name);
        }
        self.messages.mark(i, bit::FOUND | bits);
    }

    /// Sees to the names that stand for two files, and to those that cannot be written down: each
    /// such file gets a name of its own, for otherwise it would be hidden until the other one is
    /// removed, and then appear under the other one's UID.
    pub(super) fn settle_doubles(&mut self) {
        for (i, name) in std::mem::take(&mut self.doubles) {
            let kept = self.messages.file_name(i);
            match (fs::lstat(&self.dir.message(&kept)), fs::lstat(&self.dir.message(&name))) {
                (Err(_), Ok(_)) => self.found(i, &name, 0),
                // Two names of one file: somebody is in the middle of a rename by link(2) and
                // unlink(2).
                (Ok(a), Ok(b)) if !is_same(&a, &b) => self.move_aside(&self.dir.cur(), &name),
                _ => {}
            }
        }
        for name in std::mem::take(&mut self.impossible) {
            self.move_aside(&self.dir.cur(), &name);
        }
    }

    /// Gives a file a new name in `cur`. Where that is not possible it stays out of sight.
    fn move_aside(&mut self, from: &Path, name: &[u8]) {
        let path = fs::join(from, name);
        let Ok(metadata) = fs::lstat(&path) else { return };
        let mut new =
            Stem::next(self.store).base(self.store, metadata.dev(), metadata.ino(), metadata.len());
        let suffix =
            name.get(names::base_length(name)..).filter(|s| !s.is_empty() && !s.contains(&b'\n'));
        new.extend_from_slice(suffix.unwrap_or(b":2,"));
        if fs::rename_new(&path, &self.dir.message(&new)).is_ok() {
            self.add(&new, 0);
        }
    }

    /// The names in `new`, none if there is no such directory.
    pub(super) fn list_new(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        let path = self.dir.new_mail();
        let mut names = Vec::new();
        let opened = match dir::open(&path) {
            Ok(opened) => opened,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(names),
            // Courier too: what is in `cur` is served.
            Err(e) if fs::is_out_of_place(&e) || fs::is_unreadable(&e) => {
                log::error!("{}: {}", fs::shown(&path), fs::error_text(&e));
                return Ok(names);
            }
            Err(e) => return Err(Error::about("opening", &path)(e)),
        };
        self.new_mail = opened.metadata().ok().map(|m| Stamp::of(&m));
        let each = |name: &[u8], kind: EntryKind| {
            let wanted = match kind {
                EntryKind::File | EntryKind::Link => true,
                EntryKind::Dir | EntryKind::Other => false,
                EntryKind::Unknown => is_message(&fs::join(&path, name)),
            };
            if wanted && !name.starts_with(b".") {
                names.push(name.to_vec());
            }
        };
        dir::for_each(&opened, each).map_err(Error::about("reading", &path))?;
        Ok(names)
    }

    /// Whether a name in `new` is that of a message with a UID, which was not met in `cur`:
    /// somebody has put it back.
    pub(super) fn is_back(&self, name: &[u8]) -> bool {
        self.messages.find(&self.index, name).is_some_and(|i| !self.messages.has(i, bit::FOUND))
    }

    /// Notes that those of these names in `new` that have UIDs are there, where nothing can be
    /// moved.
    pub(super) fn meet_those_back(&mut self, names: &[Vec<u8>]) {
        for name in names.iter().filter(|name| self.is_back(name)).collect::<Vec<_>>() {
            if let Some(i) = self.messages.find(&self.index, name) {
                self.messages.set_file_name(i, name);
                self.messages.mark(i, bit::FOUND);
            }
        }
    }

    /// Moves what was found in `new` into `cur` (STORAGE 1.3). A file that cannot be moved stays,
    /// to be tried again by the next scan.
    pub(super) fn move_new(&mut self, names: Vec<Vec<u8>>) {
        let path = self.dir.new_mail();
        for name in names {
            let from = fs::join(&path, &name);
            let known = self.messages.find(&self.index, &name);
            if let Some(i) = known.filter(|i| self.messages.has(*i, bit::FOUND)) {
                let other = fs::lstat(&self.dir.message(&self.messages.file_name(i)));
                match (fs::lstat(&from), other) {
                    (Ok(a), Ok(b)) if is_same(&a, &b) => {}
                    _ => self.move_aside(&path, &name),
                }
                continue;
            }
            if name.contains(&b'\n') {
                self.move_aside(&path, &name);
                continue;
            }
            let mut target = name.clone();
            if !name.contains(&b':') {
                target.extend_from_slice(b":2,");
            }
            match fs::rename_new(&from, &self.dir.message(&target)) {
                Ok(()) => match known {
                    // It has been in `cur` before: it keeps its UID.
                    Some(i) => self.found(i, &target, 0),
                    None => self.add(&target, 0),
                },
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.move_aside(&path, &name),
                Err(_) => {}
            }
        }
    }
}

fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Whether an entry of which the directory does not say what it is can be a message.
fn is_message(path: &Path) -> bool {
    fs::lstat(path).is_ok_and(|m| m.is_file() || m.is_symlink())
}
