//! A folder: its name, and where it is.

use crate::maildir::Dir;
use crate::maildir::resolve::{FolderKind, Resolved};
use crate::types::FolderName;

/// A folder that is there, or would be there.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    /// Its name.
    pub(crate) name: FolderName,
    /// The directory that is scanned.
    pub(crate) dir: Dir,
    /// Whose it is, and where new mail goes.
    pub(crate) at: Resolved,
}

impl Folder {
    pub(super) fn new(name: FolderName, at: Resolved) -> Folder {
        Folder { name, dir: at.dir.clone(), at }
    }

    /// Where new messages go: for an old-style shared folder the provider's side (STORAGE 6.2).
    pub(crate) fn delivery_dir(&self) -> Dir {
        self.at.delivery.clone()
    }

    /// Whether it is a Maildir itself, somebody's INBOX.
    pub(crate) fn is_top(&self) -> bool {
        self.at.sub.is_empty()
    }

    /// Whether it is an old-style shared folder.
    pub(crate) fn is_link(&self) -> bool {
        self.at.kind == FolderKind::Link
    }
}
