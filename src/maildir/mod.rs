//! The store: folders of messages on disk, as Courier keeps them. Nothing in here knows IMAP.
//!
//! A [`Dir`] is one folder; [`scan::scan`] looks at it under its lock and gives a
//! [`scan::Snapshot`], the messages with their UIDs; [`deliver::Delivery`] is a message on its way
//! in; [`change`] renames and unlinks. [`resolve::Namespace`] knows where a name leads and what the
//! user may do there; [`quota::Quota`] what fits. `STORAGE n` in the comments is a section of
//! `src/maildir/README.md`.

pub(crate) mod account;
pub(crate) mod acl;
pub(crate) mod acl_files;
pub(crate) mod change;
pub(crate) mod control;
pub(crate) mod deliver;
pub(crate) mod folders;
mod index;
pub(crate) mod keywords;
pub(crate) mod list;
pub(crate) mod lock;
mod look;
pub(crate) mod messages;
pub(crate) mod names;
pub(crate) mod outbox;
pub(crate) mod pattern;
pub(crate) mod quota;
mod renamed;
pub(crate) mod resolve;
pub(crate) mod scan;
pub(crate) mod shared_index;
pub(crate) mod shared_link;
pub(crate) mod status;
pub(crate) mod subscriptions;
#[cfg(test)]
mod testing;
pub(crate) mod trash;
pub(crate) mod uiddb;
pub(crate) mod watch;

pub(crate) use messages::Messages;
pub(crate) use scan::{Mode, Snapshot};

use crate::sys;
use crate::types::UidValidity;
use quota::QuotaLimits;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How keywords are kept (`IMAP_KEYWORDS`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum KeywordMode {
    /// Not at all; the files are not looked at.
    #[default]
    Off,
    /// A change replaces the message's set; the last writer wins (STORAGE 3.3).
    Fast,
    /// A change is applied to what is on disk, under the folder's lock (STORAGE 3.4).
    Careful,
}

impl KeywordMode {
    /// Whether keywords are kept.
    pub(crate) fn is_on(self) -> bool {
        self != KeywordMode::Off
    }
}

/// The settings of the store.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The host in file names: `$HOSTNAME`, else gethostname().
    pub(crate) host: Vec<u8>,
    /// The host in locks: gethostname().
    pub(crate) lock_host: Vec<u8>,
    /// `IMAP_USELOCKS`.
    pub(crate) use_locks: bool,
    /// Whether new mail and UIDs are synced to the disk before a client hears of them.
    pub(crate) fsync: bool,
    /// `IMAP_KEYWORDS`.
    pub(crate) keywords: KeywordMode,
    /// `MAILDIRQUOTA`; `None` if it is unset or limits nothing.
    pub(crate) quota: Option<QuotaLimits>,
}

impl Default for Config {
    fn default() -> Config {
        let host = sys::user::hostname();
        Config {
            lock_host: host.clone(),
            host,
            use_locks: true,
            fsync: true,
            keywords: KeywordMode::Fast,
            quota: None,
        }
    }
}

/// How long the lock waits; only tests change it.
#[derive(Clone, Copy)]
pub(crate) struct Timing {
    /// In all (lib.rs, "The store").
    pub(crate) limit: Duration,
    /// After a stale lock was removed (STORAGE 8.2).
    pub(crate) after_stale: Duration,
    /// The age from which another host's lock is stale (STORAGE 8.2).
    pub(crate) foreign_age: Duration,
    /// The age from which any lock is stale: no session needs a lock for so long.
    pub(crate) longest_held: Duration,
}

/// The store of one process: its settings and the counters behind its unique names.
pub(crate) struct Store {
    /// The settings.
    pub(crate) config: Config,
    pub(crate) timing: Cell<Timing>,
    /// `host` as it may stand in a file name.
    host: Vec<u8>,
    messages: Cell<u64>,
    uid_files: Cell<u64>,
    /// The last UIDVALIDITY that was given without being saved.
    unsaved_validity: Cell<Option<UidValidity>>,
    /// There was no room on the disk when last something was written.
    short: Cell<bool>,
    /// When each folder's `tmp` was last purged.
    purged: RefCell<HashMap<PathBuf, Instant>>,
}

impl Store {
    /// A store with these settings.
    pub(crate) fn new(config: Config) -> Store {
        let timing = Timing {
            limit: Duration::from_secs(120),
            after_stale: Duration::from_secs(5),
            foreign_age: Duration::from_secs(120),
            longest_held: Duration::from_secs(15 * 60),
        };
        Store {
            host: names::host(&config.host),
            config,
            timing: Cell::new(timing),
            messages: Cell::new(0),
            uid_files: Cell::new(0),
            unsaved_validity: Cell::new(None),
            short: Cell::new(false),
            purged: RefCell::default(),
        }
    }

    /// Whether there was no room on the disk when last something was written.
    pub(crate) fn is_short(&self) -> bool {
        self.short.get()
    }

    /// Notes that there is no room on the disk; the log has it once, not at every look.
    pub(crate) fn ran_out_of_room(&self, path: &Path, e: &io::Error) {
        if !self.short.replace(true) {
            log::error!(
                "{}: {}; new mail is not shown until there is room",
                sys::fs::shown(path),
                sys::fs::error_text(e)
            );
        }
    }

    /// Notes that there is room again.
    pub(crate) fn has_room(&self) {
        self.short.set(false);
    }
}

/// One folder on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Dir {
    path: PathBuf,
    links: bool,
}

impl Dir {
    /// The folder in a directory: `.` for INBOX, `./.Sub`, or somebody else's by its absolute path.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Dir {
        Dir { path: path.into(), links: false }
    }

    /// A folder whose messages are symbolic links to somebody else's (STORAGE 6.2).
    pub(crate) fn of_links(path: impl Into<PathBuf>) -> Dir {
        Dir { path: path.into(), links: true }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether messages are symbolic links.
    pub(crate) fn is_of_links(&self) -> bool {
        self.links
    }

    /// `cur`, the messages.
    pub(crate) fn cur(&self) -> PathBuf {
        self.path.join("cur")
    }

    /// `new`, what was delivered and not yet seen by any session.
    pub(crate) fn new_mail(&self) -> PathBuf {
        self.path.join("new")
    }

    /// `tmp`, where every file begins.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.path.join("tmp")
    }

    /// `courierimapkeywords`.
    pub(crate) fn keywords(&self) -> PathBuf {
        self.path.join("courierimapkeywords")
    }

    /// `courierimapuiddb`.
    pub(crate) fn uid_file(&self) -> PathBuf {
        self.path.join("courierimapuiddb")
    }

    /// A message's path in `cur`.
    pub(crate) fn message(&self, name: &[u8]) -> PathBuf {
        let mut path = self.cur();
        path.push(sys::fs::path(name));
        path
    }

    /// Whether there is a directory. (One without `cur` exists, but cannot be opened; STORAGE 1.1.)
    pub(crate) fn is_there(&self) -> bool {
        self.path.is_dir()
    }
}

/// Why something in the store did not work.
#[derive(Debug)]
pub(crate) enum Error {
    /// The folder or the message is not there.
    Gone,
    /// Somebody held the folder's lock for two minutes.
    Locked,
    /// What was to be done would exceed the quota.
    OverQuota,
    /// A signal asked the session to stop, or its client went away, while it waited.
    Stopped,
    /// The system refused; with what was tried.
    Io(anyhow::Error),
}

impl Error {
    /// The system's reason, where there is one.
    pub(crate) fn io(&self) -> Option<&io::Error> {
        match self {
            Error::Io(e) => e.downcast_ref(),
            _ => None,
        }
    }

    /// The system's error number.
    pub(crate) fn errno(&self) -> Option<i32> {
        self.io().and_then(io::Error::raw_os_error)
    }

    /// What the system said, with what was tried.
    pub(crate) fn failed(context: impl Into<String>, e: io::Error) -> Error {
        Error::Io(anyhow::Error::new(e).context(context.into()))
    }

    /// Wraps what the system said about a path; a missing file or directory becomes
    /// [`Error::Gone`].
    pub(crate) fn about<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
        move |e| match e.kind() {
            io::ErrorKind::NotFound => Error::Gone,
            _ => Error::failed(format!("{what} {}", sys::fs::shown(path)), e),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Gone => f.write_str("No such file or directory"),
            Error::Locked => f.write_str("The folder is locked"),
            Error::OverQuota => f.write_str("Quota exceeded"),
            Error::Stopped => f.write_str("Interrupted"),
            Error::Io(e) => {
                write!(f, "{e}: {}", self.io().map_or_else(String::new, sys::fs::error_text))
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.io().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

/// A control file may be this large: a million messages with names of the greatest length.
pub(crate) const CONTROL_LIMIT: u64 = 320 << 20;
