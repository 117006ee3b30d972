//! Reading `cur` and `new`, and matching the files there with the messages that the UID file knows.
//! SELECT's scan and STATUS share this part. scan.rs describes the races.

mod move_new;

use super::details::Details;
use super::index::Index;
use super::messages::{Messages, bit};
use super::names::{self, Stem};
use super::renamed;
use super::second_names::{self, is_same_file};
use super::stamp::Stamp;
use super::{Entered, Error, Store};
use crate::sys::dir::{self, EntryKind};
use crate::sys::directory::Directory;
use crate::sys::{clock, fs};
use crate::types::Uid;
use std::collections::HashSet;
use std::io;
use std::rc::Rc;

/// A folder that is being read.
pub(super) struct FolderReading<'a> {
    store: &'a Store,
    dir: &'a Entered,
    /// The messages of the UID file, then those that were found beside them.
    pub(super) messages: Messages,
    /// Positions in `messages`, by name.
    pub(super) index: Index,
    /// Second names in `cur`: the position of their message, and the name.
    doubles: Vec<(usize, Vec<u8>)>,
    /// Names in `cur` that a line of the UID file cannot hold.
    unwritable: Vec<Vec<u8>>,
    /// `cur` before it was first read.
    pub(super) cur: Option<Stamp>,
    /// `cur` before it was last read, and whether every change since then gives another stamp.
    last_cur: Option<(Stamp, bool)>,
    /// `new` before it was read.
    pub(super) new_mail: Option<Stamp>,
    /// Whether there was mail in `new`. What could not be moved may be there still.
    pub(super) had_new: bool,
    /// Whether something that is there is not shown: it could not be read or moved. The next scan
    /// tries again, though the directories are the same.
    pub(super) hides: bool,
    /// Whether a line of the UID file has to change.
    pub(super) is_stale: bool,
    /// The low bits of the inodes of the files of which something was learned, by the positions of
    /// their messages; 0 for others.
    expected: Vec<u32>,
    /// The UIDs of messages whose files are others than those.
    pub(super) rewritten: Vec<u32>,
}

/// What comes of mail that cannot get into `cur`.
const NOT_SHOWN: &str = "mail in it is not shown";
/// How often a directory that keeps changing is read.
const MAX_READINGS: u32 = 5;
/// After how many readings a message counts as missing in a directory that other hosts change.
const SHARED_READINGS: u32 = 2;
/// How many messages are looked for one by one. More have been removed rather than moved.
const MAX_LOOKED_FOR: usize = 64;

/// What a second name of a message is.
enum Double {
    /// The name of another file.
    OtherFile,
    /// Of the same file, as this name is now.
    SameFile { second: Vec<u8> },
    /// No longer one: the file was renamed meanwhile.
    Gone,
}

impl<'a> FolderReading<'a> {
    /// Begins with the messages of the UID file.
    pub(super) fn new(
        store: &'a Store,
        dir: &'a Entered,
        mut messages: Messages,
    ) -> FolderReading<'a> {
        let mut is_stale = false;
        let mut index = messages.index(|_| is_stale = true);
        if is_stale {
            // The same name on two lines: the first one counts.
            messages.drop_doubled_names();
            index = messages.index(|_| {});
        }
        let (doubles, unwritable) = (Vec::new(), Vec::new());
        FolderReading {
            store,
            dir,
            messages,
            index,
            doubles,
            unwritable,
            cur: None,
            last_cur: None,
            new_mail: None,
            had_new: false,
            hides: false,
            is_stale,
            expected: Vec::new(),
            rewritten: Vec::new(),
        }
    }

    /// Adds a message that is in `cur`, unless its name is known.
    pub(super) fn add(&mut self, name: &[u8], bits: u8) {
        if self.messages.find_or_reserve(&mut self.index, name).is_none() {
            self.messages.push_named(name, bits | bit::FRESH | bit::FOUND);
        }
    }

    /// Reads `cur`, and reads it again if a rename may have hidden a file. `now`: nanoseconds since
    /// 1970, no later than the file system's time.
    pub(super) fn read_cur(&mut self, now: i128) -> Result<(), Error> {
        let path = self.dir.cur_path();
        for reading in 1..=MAX_READINGS {
            let cur = self.dir.read_cur().map_err(Error::about("opening", &path))?;
            let stamp =
                |d: &std::fs::File| Stamp::of_open(d).map_err(Error::about("reading", &path));
            let before = stamp(&cur)?;
            let is_telling = is_telling(before, now);
            self.cur.get_or_insert(before);
            self.last_cur = Some((before, is_telling));
            self.messages.unmark_all(bit::THIS_READING);
            self.doubles.clear();
            self.unwritable.clear();
            dir::for_each_entry(&cur, |name, kind, inode| {
                if let Some(i) = self.entry(name, kind) {
                    self.note_inode(i, inode);
                }
            })
            .map_err(Error::about("reading", &path))?;
            if self.doubles.is_empty() && self.messages.all_have(bit::FOUND) {
                break;
            }
            // A message is missing, or is there twice. That is certain only if nothing was renamed
            // during the reading. Where another host may have done so, and be seen by a list that
            // was begun before, the time may still be a cache's: only more readings tell.
            let enough = if before.is_local() { 1 } else { SHARED_READINGS };
            if stamp(&cur)? == before && (reading > enough || is_telling) {
                break;
            }
        }
        Ok(())
    }

    /// Says of which files something was learned. Those that are others now are noted.
    pub(super) fn expect(&mut self, details: &Details) {
        self.expected = details.inodes_of(&self.messages);
    }

    fn note_inode(&mut self, i: usize, inode: u64) {
        if self.expected.get(i).is_some_and(|known| *known != 0 && *known != inode as u32) {
            self.rewritten.extend(self.messages.uid(i).map(Uid::get));
        }
    }

    /// One entry of `cur`; the message whose file it is.
    fn entry(&mut self, name: &[u8], kind: EntryKind) -> Option<usize> {
        if name.starts_with(b".") || matches!(kind, EntryKind::Dir | EntryKind::Other) {
            return None;
        }
        let known = self.messages.find(&self.index, name);
        let Some(i) = known else {
            if kind == EntryKind::Unknown && !is_message(self.dir.cur(), name) {
                return None;
            }
            if name.contains(&b'\n') {
                self.unwritable.push(name.to_vec());
                return None;
            }
            // It has just been looked for.
            self.index.insert(names::key(name), self.messages.len());
            self.messages.push_named(name, bit::THIS_READING | bit::FRESH | bit::FOUND);
            return self.messages.len().checked_sub(1);
        };
        if self.messages.has(i, bit::THIS_READING) {
            if !self.messages.is_named(i, name) {
                self.doubles.push((i, name.to_vec()));
            }
            return None;
        }
        if self.messages.set_usual_name(i, name, names::key_length(name)) {
            self.messages.mark(i, bit::FOUND | bit::THIS_READING);
        } else {
            self.found(i, name, bit::THIS_READING);
        }
        Some(i)
    }

    /// Notes that a known message has this file name.
    fn found(&mut self, i: usize, name: &[u8], bits: u8) {
        if !self.messages.is_named(i, name) {
            self.is_stale |= self.messages.base_name(i) != names::base(name);
            self.messages.set_file_name(i, name);
        }
        self.messages.mark(i, bit::FOUND | bits);
    }

    /// Whether a file needs another name (see [`FolderReading::rename_doubles`]).
    pub(super) fn has_to_rename(&self) -> bool {
        !self.doubles.is_empty() || !self.unwritable.is_empty()
    }

    /// Gives another name to every file whose name another file has, too, or that the UID file
    /// cannot hold. Such a file would be hidden until the other one is removed, and then appear
    /// under the other one's UID.
    ///
    /// One file with two names may be in the middle of a rename by link(2) and unlink(2). After
    /// some time one of the two is removed.
    pub(super) fn rename_doubles(&mut self, previous: Option<&Messages>, now: i128) {
        let Ok(cur) = self.dir.cur() else { return };
        for (i, name) in std::mem::take(&mut self.doubles) {
            match self.choose_name(cur, i, &name, previous, now) {
                Double::OtherFile => self.rename_to_unique(cur, &name),
                Double::SameFile { second } => {
                    let kept = self.messages.file_name(i);
                    second_names::remove_settled((cur, &second), (cur, &kept), now);
                }
                Double::Gone => {}
            }
        }
        for name in std::mem::take(&mut self.unwritable) {
            self.rename_to_unique(cur, &name);
        }
    }

    /// The same for who only counts: no file is renamed or removed.
    pub(super) fn choose_names(&mut self, now: i128) {
        if self.doubles.is_empty() {
            return;
        }
        let Ok(cur) = self.dir.cur() else { return };
        for (i, name) in std::mem::take(&mut self.doubles) {
            self.choose_name(cur, i, &name, None, now);
        }
    }

    /// Finds out what a second name of a message is, and which of the two counts if both are of one
    /// file. At first it is the one that the file had in `previous`, the last scan of this session:
    /// a change of flags must not seem undone. When the file has been like that for a while, as
    /// whoever was killed leaves it, it is the same one for all sessions.
    fn choose_name(
        &mut self,
        cur: &Directory,
        i: usize,
        name: &[u8],
        previous: Option<&Messages>,
        now: i128,
    ) -> Double {
        let kept = self.messages.file_name(i);
        let stat = match (cur.stat(&kept), cur.stat(name)) {
            (Err(_), Ok(_)) => {
                self.found(i, name, 0);
                return Double::Gone;
            }
            (Ok(a), Ok(b)) if !is_same_file(&a, &b) => return Double::OtherFile,
            (Ok(stat), Ok(_)) => stat,
            _ => return Double::Gone,
        };
        let at = previous.zip(self.messages.uid(i));
        let at = at.and_then(|(old, uid)| Some((old, old.position(uid).ok()?)));
        let was = |name: &[u8]| {
            !second_names::is_agreed(&stat, now)
                && at.is_some_and(|(old, at)| old.is_named(at, name))
        };
        if was(name) || (!was(&kept) && *name > *kept) {
            self.found(i, name, 0);
            Double::SameFile { second: kept }
        } else {
            Double::SameFile { second: name.to_vec() }
        }
    }

    /// Gives a file a new unique name in `cur`. A file that cannot be renamed stays hidden.
    fn rename_to_unique(&mut self, from: &Directory, name: &[u8]) {
        let (cur, stat) = match (self.dir.cur(), from.stat(name)) {
            (Ok(cur), Ok(stat)) => (cur, stat),
            (Err(e), _) | (_, Err(e)) => return self.cannot_be_moved(from, &e),
        };
        let host = &self.store.config.host;
        let mut new = Stem::next(self.store).base(host, stat.inode(), stat.len());
        let suffix =
            name.get(names::base_length(name)..).filter(|s| !s.is_empty() && !s.contains(&b'\n'));
        new.extend_from_slice(suffix.unwrap_or(b":2,"));
        match from.rename_new(name, cur, &new) {
            Ok(()) => self.add(&new, 0),
            Err(e) => self.cannot_be_moved(from, &e),
        }
    }

    /// Says so, unless somebody else has moved the file.
    fn cannot_be_moved(&mut self, from: &Directory, e: &io::Error) {
        if !fs::is_gone(e) {
            self.hides = true;
            self.store.complain(from.path(), e, NOT_SHOWN);
        }
    }

    /// The names in `new`, none if there is no such directory. If it cannot be read, what is in
    /// `cur` is served, as Courier does.
    pub(super) fn list_new(&mut self) -> Vec<Vec<u8>> {
        let path = self.dir.new_mail_path();
        let mut names = Vec::new();
        let opened = match self.dir.read_new_mail() {
            Ok(opened) => opened,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return names,
            Err(e) => {
                self.hides = true;
                self.store.complain(&path, &e, NOT_SHOWN);
                return names;
            }
        };
        self.new_mail = Stamp::of_open(&opened).ok();
        let each = |name: &[u8], kind: EntryKind| {
            let may_be_message = match kind {
                EntryKind::File | EntryKind::Link => true,
                EntryKind::Dir | EntryKind::Other => false,
                EntryKind::Unknown => is_message(self.dir.new_mail(), name),
            };
            if may_be_message && !name.starts_with(b".") {
                names.push(name.to_vec());
            }
        };
        if let Err(e) = dir::for_each(&opened, each)
            && e.kind() != io::ErrorKind::NotFound
        {
            self.hides = true;
            self.store.complain(&path, &e, NOT_SHOWN);
        }
        self.had_new = !names.is_empty();
        names
    }

    /// As [`FolderReading::list_new`], after `cur` was read. A known message that is in neither may
    /// have come from `new` to `cur` between the two readings: then both are read again.
    pub(super) fn list_new_after_cur(
        &mut self,
        previous: Option<&Messages>,
        now: i128,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut names = self.list_new();
        // Where other hosts make changes, it is not known for a minute whether there was one.
        let rounds = if self.dir.folder().is_local() { MAX_READINGS } else { 1 };
        for _ in 0..rounds {
            let missing = self.messages.len().saturating_sub(self.messages.count(bit::FOUND));
            let put_back = names.iter().filter(|name| self.was_put_back(name)).count();
            if put_back >= missing || !self.may_have_changed() {
                return Ok(names);
            }
            self.read_cur(now)?;
            names = self.list_new();
        }
        self.look_for_missing(previous, &mut names);
        Ok(names)
    }

    /// Looks one by one for the known messages that were found neither in `cur` nor among these
    /// names in `new`, if somebody may have moved them from the one to the other meanwhile. What is
    /// in `new` is added to the names. `previous`: the last scan of this session, which knows their
    /// flags, and which of them are gone. Not where other hosts remove files: there the system can
    /// know a name for a second after the file is gone, while a list comes from the server.
    pub(super) fn look_for_missing(
        &mut self,
        previous: Option<&Messages>,
        names: &mut Vec<Vec<u8>>,
    ) {
        let dir = self.dir;
        if !dir.folder().is_local() || !self.may_have_changed() {
            return;
        }
        let (Ok(cur), Ok(new_mail)) = (dir.cur(), dir.new_mail()) else { return };
        let found = |name: &Vec<u8>| self.messages.find(&self.index, name);
        let in_new: HashSet<usize> = names.iter().filter_map(found).collect();
        let missing: Vec<usize> = (0..self.messages.len())
            .filter(|i| !self.messages.has(*i, bit::FOUND) && !in_new.contains(i))
            .filter(|i| !is_known_as_gone(previous, self.messages.uid(*i)))
            .take(MAX_LOOKED_FOR.saturating_add(1))
            .collect();
        if missing.len() > MAX_LOOKED_FOR {
            return;
        }
        for i in missing {
            let base = self.messages.base_name(i);
            let at = previous.zip(self.messages.uid(i));
            let at = at.and_then(|(old, uid)| Some((old, old.position(uid).ok()?)));
            let mut candidates = match at.filter(|(old, at)| old.base_name(*at) == base) {
                Some((old, at)) => renamed::likely(base, &old.file_name(at)),
                None => renamed::all(base, &self.messages.file_name(i)),
            };
            candidates.push(base.to_vec());
            match renamed::find_in(&[cur, new_mail], &candidates) {
                Some((0, name)) => self.found(i, &name, 0),
                Some((_, name)) => names.push(name),
                None => {}
            }
        }
    }

    /// Whether `cur` may be another than when it was read last.
    fn may_have_changed(&self) -> bool {
        let now_there = Stamp::of_directory(self.dir.folder(), b"cur");
        self.last_cur.is_none_or(|(last, is_telling)| !is_telling || now_there != Some(last))
    }

    /// Whether a name in `new` belongs to a message that has a UID and is not in `cur`: somebody
    /// has put it back.
    pub(super) fn was_put_back(&self, name: &[u8]) -> bool {
        self.messages.find(&self.index, name).is_some_and(|i| !self.messages.has(i, bit::FOUND))
    }

    /// Notes that a message with a UID is in `new`, from where it will not be moved now. `false`:
    /// no message was put back there under this name.
    pub(super) fn found_in_new(&mut self, name: &[u8]) -> bool {
        let put_back = |i: &usize| !self.messages.has(*i, bit::FOUND);
        let Some(i) = self.messages.find(&self.index, name).filter(put_back) else { return false };
        self.messages.set_file_name(i, name);
        self.messages.mark(i, bit::FOUND);
        true
    }
}

/// Whether every change of a directory gives another stamp than this one, which was read just now.
/// Where this kernel dates the changes, its own clock tells within milliseconds. `now`: as
/// [`FolderReading::read_cur`] has it.
fn is_telling(stamp: Stamp, now: i128) -> bool {
    stamp.is_settled(now) || (stamp.is_local() && stamp.is_telling(clock::file_tick()))
}

/// Whether this session has looked for the file of the message with this UID, and has not found it.
fn is_known_as_gone(previous: Option<&Messages>, uid: Option<Uid>) -> bool {
    let Some((old, uid)) = previous.zip(uid) else { return false };
    !old.gone_is_uncertain() && old.position(uid).is_ok_and(|at| old.has(at, bit::GONE))
}

/// Whether a file can be a message, for directories that do not say what their entries are.
fn is_message(directory: io::Result<&Rc<Directory>>, name: &[u8]) -> bool {
    let stat = directory.and_then(|directory| directory.stat(name));
    stat.is_ok_and(|stat| stat.is_file() || stat.is_symlink())
}
