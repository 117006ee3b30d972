//! What one process knows beside the files: its settings, the counters behind its unique names, and
//! a few facts that it would otherwise find out, or log, again and again.

use super::config::Config;
use crate::sys::{clock, fs};
use crate::types::UidValidity;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a session removes what is left over in the `tmp` of one folder.
const PURGE_INTERVAL: Duration = Duration::from_secs(20 * 60);

/// The times of the folder lock. Only tests change them.
#[derive(Clone, Copy)]
pub(crate) struct LockTiming {
    /// How long to wait for a lock, in all (lib.rs, "The store").
    pub(crate) limit: Duration,
    /// The pause after a stale lock was removed (STORAGE 8.2).
    pub(crate) after_stale: Duration,
    /// The age from which another host's lock is stale (STORAGE 8.2).
    pub(crate) foreign_age: Duration,
    /// The age from which any lock is stale: no session needs a lock for so long.
    pub(crate) longest_held: Duration,
}

/// The store of one process.
pub(crate) struct Store {
    /// The settings.
    pub(crate) config: Config,
    /// The times of the folder lock.
    pub(crate) timing: Cell<LockTiming>,
    messages: Cell<u64>,
    uid_files: Cell<u64>,
    unsaved_validity: Cell<Option<UidValidity>>,
    out_of_room: Cell<bool>,
    was_inotify_refused: Cell<bool>,
    hides_new_mail: Cell<bool>,
    complaints: RefCell<HashSet<(PathBuf, Option<i32>)>>,
    purged: RefCell<HashMap<PathBuf, Instant>>,
    /// Whether the client goes by modification sequences: what it is told is recorded, if need be
    /// after a short wait for the lock.
    pub(crate) values_matter: Cell<bool>,
    /// Since when a lock could not be had for recording changes.
    pub(super) locked_out: Cell<Option<Instant>>,
}

impl Store {
    /// A store with these settings.
    pub(crate) fn new(config: Config) -> Store {
        let timing = LockTiming {
            limit: Duration::from_secs(120),
            after_stale: Duration::from_secs(5),
            foreign_age: Duration::from_secs(120),
            longest_held: Duration::from_secs(15 * 60),
        };
        Store {
            config,
            timing: Cell::new(timing),
            messages: Cell::new(0),
            uid_files: Cell::new(0),
            unsaved_validity: Cell::new(None),
            out_of_room: Cell::new(false),
            was_inotify_refused: Cell::new(false),
            hides_new_mail: Cell::new(false),
            complaints: RefCell::default(),
            purged: RefCell::default(),
            values_matter: Cell::new(false),
            locked_out: Cell::new(None),
        }
    }

    /// The number in the next message's name: 0, 1, 2 ...
    pub(super) fn next_message(&self) -> u64 {
        self.messages.replace(self.messages.get().wrapping_add(1))
    }

    /// The number in the next temporary UID file's name: 0, 1, 2 ...
    pub(super) fn next_uid_file(&self) -> u64 {
        self.uid_files.replace(self.uid_files.get().wrapping_add(1))
    }

    /// The last UIDVALIDITY under which UIDs were announced without being saved. A new one has to
    /// be greater.
    pub(super) fn unsaved_validity(&self) -> Option<UidValidity> {
        self.unsaved_validity.get()
    }

    /// Notes a UIDVALIDITY under which UIDs are announced without being saved.
    pub(super) fn set_unsaved_validity(&self, validity: UidValidity) {
        self.unsaved_validity.set(Some(validity));
    }

    /// Whether the disk was full when a UID file was last written.
    pub(super) fn is_out_of_room(&self) -> bool {
        self.out_of_room.get()
    }

    /// Notes that new UIDs cannot be saved, so that new mail is not shown. The first time it is
    /// logged.
    pub(super) fn new_mail_is_hidden(&self, path: &Path, e: &io::Error) {
        let until = if fs::is_full(e) { "until there is room" } else { "until that is mended" };
        if fs::is_full(e) {
            self.out_of_room.set(true);
        }
        if !self.hides_new_mail.replace(true) {
            let (path, why) = (fs::shown(path), fs::error_text(e));
            log::error!("{path}: {why}; new mail is not shown {until}");
        }
    }

    /// Logs what is wrong with a file or a directory, once for each reason; `effect` is what comes
    /// of it, and may be empty.
    pub(super) fn complain(&self, path: &Path, e: &io::Error, effect: &str) {
        if self.complaints.borrow_mut().insert((path.to_owned(), e.raw_os_error())) {
            let separator = if effect.is_empty() { "" } else { "; " };
            log::error!("{}: {}{separator}{effect}", fs::shown(path), fs::error_text(e));
        }
    }

    /// Notes that new UIDs could be saved again.
    pub(super) fn has_room(&self) {
        self.out_of_room.set(false);
        self.hides_new_mail.set(false);
    }

    /// Whether this is the first time that the kernel refuses to notify of changes.
    pub(crate) fn is_first_refusal_of_inotify(&self) -> bool {
        !self.was_inotify_refused.replace(true)
    }

    /// Whether the `tmp` of this folder was not purged lately. It counts as purged from now on.
    pub(super) fn is_purge_due(&self, folder: &Path) -> bool {
        let now = clock::monotonic();
        let mut purged = self.purged.borrow_mut();
        let is_recent = |last: &Instant| now.saturating_duration_since(*last) < PURGE_INTERVAL;
        if purged.get(folder).is_some_and(is_recent) {
            return false;
        }
        purged.insert(folder.to_owned(), now);
        true
    }

    /// Makes every purge due again.
    #[cfg(test)]
    pub(super) fn forget_purges(&self) {
        self.purged.borrow_mut().clear();
    }
}
