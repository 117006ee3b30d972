//! Annotations of folders, and of the server (STORAGE 13): small named values that clients keep.
//! Shared ones are in the folder that they belong to; private ones in the folder, if it is one's
//! own, and otherwise in one's own Maildir.

mod change;
mod file;

pub(crate) use change::{ChangeRefused, Changes, change, forget, rename};
pub(crate) use file::{Annotations, Contents};

use super::Entered;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

/// A file with annotations: its name, and its mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum File {
    /// In a folder: what all share who may see the folder.
    Shared,
    /// In a folder: what its owner keeps to himself.
    Private,
    /// In a Maildir: what its owner keeps to himself about the server, and about folders of others.
    Account,
}

impl File {
    fn name(self) -> &'static [u8] {
        match self {
            File::Shared => b"postrider-metadata",
            File::Private => b"postrider-metadata-private",
            File::Account => b"postrider-metadata-account",
        }
    }

    fn mode(self) -> u32 {
        match self {
            File::Shared => 0o644,
            File::Private | File::Account => 0o600,
        }
    }
}

/// Where annotations are: a file, and in it what belongs to one folder.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The folder (or Maildir) with the file.
    pub(crate) dir: Rc<Entered>,
    /// Which file.
    pub(crate) file: File,
    /// The folder of somebody else that they belong to, in [`File::Account`]; empty for the server,
    /// and in the other files.
    pub(crate) folder: Vec<u8>,
}

impl Place {
    /// The file's path, for the log.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.folder().path_of(self.file.name())
    }
}

/// All that is in the file of a place, whichever folder it belongs to. Errors: as for [`read`].
pub(crate) fn read_all(place: &Place) -> io::Result<Contents> {
    Ok(Contents::read(place)?.0)
}

/// The annotations there. A file that makes no sense is an error (`InvalidData`).
pub(crate) fn read(place: &Place) -> io::Result<Annotations> {
    Ok(read_all(place)?.take(&place.folder))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
