//! What a session has at hand of the facts of the folder that it has open: what it has learned and
//! not saved yet, and the file, open for one command.

use super::pending::{Pending, Readers};
use super::record::{About, Record, name_digest};
use super::{Facts, room, write};
use crate::maildir::details::Detail;
use crate::maildir::lock::Lock;
use crate::maildir::{Entered, Snapshot, Store, record};
use crate::sys::stat::Stat;
use crate::sys::{clock, fs};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A file that is younger when it is read may be rewritten yet by whoever delivered it, in seconds.
const SETTLED: i64 = 60;

/// The facts of one folder, for one selection.
#[derive(Default)]
pub(crate) struct Memory {
    /// Whether nothing is remembered here, and nothing believed.
    is_off: bool,
    /// Whether nothing can be saved, so that nothing is learned any more.
    is_read_only: bool,
    /// Whether somebody had the lock when something was to be saved the last time.
    is_locked_out: bool,
    /// Whether nothing may be saved by the settings.
    has_no_room: bool,
    pending: Pending,
    /// The file of this generation, as far as it was looked for in this command; `None` in it where
    /// it is of no use.
    file: Option<(u64, Option<Facts>)>,
    /// Messages whose files were young, and that this session has looked at itself.
    seen: HashSet<u32>,
    /// Who may read the file.
    readers: Option<Readers>,
    /// The Maildir of which all files of facts together have a limit.
    root: PathBuf,
}

/// Enters the folder.
pub(crate) type Enter<'a> = &'a dyn Fn() -> Option<Rc<Entered>>;

impl Memory {
    /// Remembers nothing.
    pub(crate) fn off() -> Memory {
        Memory { is_off: true, ..Memory::default() }
    }

    /// For a folder in a Maildir; not for one of links, whose files are somebody else's.
    pub(crate) fn new(store: &Store, root: &Path, is_of_links: bool) -> Memory {
        let is_off = is_of_links || !store.config.index || !store.config.use_locks;
        let has_no_room = store.config.index_size == 0;
        Memory {
            is_off,
            is_read_only: has_no_room,
            has_no_room,
            root: root.to_owned(),
            ..Memory::default()
        }
    }

    /// What is known of a message. If it was learned when the message's file was young, the file is
    /// looked at first.
    pub(crate) fn detail(
        &mut self,
        enter: Enter<'_>,
        snapshot: &mut Snapshot,
        index: usize,
    ) -> Option<Detail> {
        if self.is_off {
            return None;
        }
        let uid = snapshot.messages.uid(index)?.get();
        let detail = snapshot.details.get(uid)?;
        if detail.is_young && !self.seen.contains(&uid) {
            return self.confirm(enter, snapshot, (index, uid), detail);
        }
        Some(detail)
    }

    fn confirm(
        &mut self,
        enter: Enter<'_>,
        snapshot: &mut Snapshot,
        (index, uid): (usize, u32),
        detail: Detail,
    ) -> Option<Detail> {
        // One that was renamed is opened: then it is compared.
        let stat = enter()?.stat_message(&snapshot.messages.file_name(index)).ok()?;
        let about = self.record(enter, snapshot, index, &detail).map(|record| record.about);
        let fits = about.is_some_and(|about| about.fits(&stat)) && detail.fits(&stat);
        if !fits {
            self.forget(snapshot, index);
            return None;
        }
        let is_young = is_young(&stat);
        if is_young {
            self.seen.insert(uid);
            return Some(detail);
        }
        let detail = Detail { is_young, ..detail };
        snapshot.details.learn(uid, detail);
        Some(detail)
    }

    /// The record of a message, of which this is known.
    pub(crate) fn record(
        &mut self,
        enter: Enter<'_>,
        snapshot: &Snapshot,
        index: usize,
        detail: &Detail,
    ) -> Option<Record<'_>> {
        let uid = snapshot.messages.uid(index)?.get();
        // A name that nobody has read yet is the state's, as the offset and the inode are.
        let name = snapshot.messages.known_base_name(index).map(name_digest);
        let is_same = |record: &Record<'_>| record.about.inode == detail.inode;
        if let Some(record) = self.pending.get(uid, name) {
            return Some(record).filter(is_same);
        }
        let offset = detail.facts?;
        let generation = snapshot.details.generation()?;
        if self.file.as_ref().is_none_or(|(of, _)| *of != generation) {
            let file = enter().and_then(|dir| Facts::open(&dir, generation));
            self.file = Some((generation, file));
        }
        let (_, file) = self.file.as_mut()?;
        file.as_mut()?.record(offset, uid, name).filter(is_same)
    }

    /// Whether nothing more can be learned before what was learned is saved, and that can be tried:
    /// somebody who had the lock the last time has it still, perhaps.
    pub(crate) fn is_full(&self) -> bool {
        let can_save = !self.is_off && !self.is_read_only && !self.is_locked_out;
        can_save && !self.pending.has_room()
    }

    /// Whether something can be learned.
    pub(crate) fn is_learning(&self) -> bool {
        !self.is_off && !self.is_read_only && self.pending.has_room()
    }

    /// Takes note of what was found in the file of a message: its size on the wire, and what is to
    /// be remembered beside that.
    pub(crate) fn learn(
        &mut self,
        snapshot: &mut Snapshot,
        (index, stat): (usize, &Stat),
        size: Option<u64>,
        payload: Option<&[u8]>,
    ) {
        let Some(uid) = snapshot.messages.uid(index).map(|uid| uid.get()) else { return };
        let readers = Readers::of(stat);
        let may_keep = self.readers.is_none_or(|facts| readers.include(&facts));
        if !self.is_learning() || !may_keep {
            return;
        }
        let old = snapshot.details.get(uid).filter(|old| old.fits(stat));
        let about = About::new(uid, snapshot.messages.base_name(index), stat);
        let is_added =
            payload.is_some_and(|payload| self.pending.add(&Record { about, payload }, readers));
        let is_young = is_young(stat);
        if is_young {
            // Another session would have nothing by which to know the file again.
            if !is_added && old.is_none_or(|old| old.facts.is_none()) {
                return;
            }
            self.seen.insert(uid);
        }
        let detail = Detail {
            size: size.or(old.and_then(|old| old.size)),
            date: stat.mtime(),
            inode: stat.inode().1,
            facts: old.and_then(|old| old.facts),
            is_young,
        };
        if old != Some(detail) {
            snapshot.details.learn(uid, detail);
        }
    }

    /// Forgets what is known of a message.
    pub(crate) fn forget(&mut self, snapshot: &mut Snapshot, index: usize) {
        let Some(uid) = snapshot.messages.uid(index) else { return };
        self.pending.remove(uid.get());
        snapshot.details.forget(uid.get());
    }

    /// Forgets everything: UIDs stand for other messages now.
    pub(crate) fn clear(&mut self) {
        self.pending = Pending::default();
        self.seen.clear();
        self.file = None;
    }

    /// After a scan: what could not be saved before, can be now, perhaps.
    pub(crate) fn try_again(&mut self) {
        self.is_read_only = self.has_no_room;
    }

    /// Lets the file go: no descriptor is kept between commands.
    pub(crate) fn leave(&mut self) {
        self.file = None;
    }

    /// Whether something was learned that can be saved.
    pub(crate) fn has_learned(&self, snapshot: &Snapshot) -> bool {
        let has_learned =
            !self.is_off && (!self.pending.is_empty() || snapshot.details.has_unsaved());
        !self.is_read_only && has_learned
    }

    /// Whether there is something to save: what was learned, or the proof that the folder is as its
    /// state says.
    pub(crate) fn has_unsaved(&self, store: &Store, snapshot: &Snapshot) -> bool {
        let is_due =
            || snapshot.unsaved_proof(store).is_some() || snapshot.messages.has_damaged_names();
        self.has_learned(snapshot) || (!self.is_read_only && is_due())
    }

    /// Saves what was learned, if the folder's lock is free. Where it cannot be saved, nothing is
    /// learned any more: the folder cannot be written, or the disk is full.
    pub(crate) fn save(&mut self, store: &Store, dir: &Entered, snapshot: &mut Snapshot) {
        if !self.has_unsaved(store, snapshot) {
            return;
        }
        let lock = match Lock::attempt(store, dir) {
            Ok(Some(lock)) => lock,
            Ok(None) => {
                self.is_locked_out = true;
                return;
            }
            Err(e) => {
                log::debug!("{e}");
                return self.give_up();
            }
        };
        self.is_locked_out = false;
        if !self.pending.is_empty() {
            let limit = || store.config.index_size.saturating_sub(room::taken(&self.root));
            match write::save(store, dir, &lock, (&self.pending, snapshot), &limit) {
                Ok(written) => self.take_over(written, snapshot),
                Err(e) => {
                    let path = fs::shown(&dir.folder().path_of(super::NAME));
                    log::debug!("writing {path}: {}", fs::error_text(&e));
                    return self.give_up();
                }
            }
        } else {
            // The file may have been written anew since the state was read.
            snapshot.details.set_generation(super::present_generation(dir));
        }
        record::save(store, dir, &lock, snapshot);
        if snapshot.details.has_unsaved() {
            // The state cannot be written now. The next scan shows whether it can again.
            self.give_up();
        }
    }

    fn take_over(&mut self, written: write::Written, snapshot: &mut Snapshot) {
        self.pending = Pending::default();
        self.readers = Some(written.readers);
        snapshot.details.set_generation(Some(written.generation));
        for (uid, offset) in written.places {
            if let Some(detail) = snapshot.details.get(uid) {
                snapshot.details.learn(uid, Detail { facts: Some(offset), ..detail });
            }
        }
    }

    fn give_up(&mut self) {
        self.is_read_only = true;
        self.pending = Pending::default();
    }
}

fn is_young(stat: &Stat) -> bool {
    clock::now().0.saturating_sub(stat.mtime()) < SETTLED
}
