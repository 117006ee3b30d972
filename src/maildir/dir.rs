//! One folder's directory, and the names of what is in it (STORAGE 1.1).

use crate::sys::fs;
use std::path::{Path, PathBuf};

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

    /// The directory's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether messages are symbolic links.
    pub(crate) fn is_of_links(&self) -> bool {
        self.links
    }

    /// `cur`: the messages.
    pub(crate) fn cur(&self) -> PathBuf {
        self.path.join("cur")
    }

    /// `new`: mail that was delivered and that no session has seen yet.
    pub(crate) fn new_mail(&self) -> PathBuf {
        self.path.join("new")
    }

    /// `tmp`: where every file is written first.
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
        path.push(fs::path(name));
        path
    }

    /// Whether the directory exists. Without a `cur` it cannot be opened all the same (STORAGE
    /// 1.1).
    pub(crate) fn is_there(&self) -> bool {
        self.path.is_dir()
    }
}

/// The most bytes of a folder's control file: a million messages with the longest names.
pub(super) const MAX_CONTROL_FILE: u64 = 320 << 20;
