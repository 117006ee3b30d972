//! Notification of changes by inotify, for IDLE and for waiting until a lock is released. A watch
//! exists only during the wait: an account may have few of them, and many sessions.

use super::Entered;
use crate::sys::directory::Directory;
use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Notifies of changes in a folder, or of the removal of a file.
pub(crate) struct Watch {
    inotify: Inotify,
    /// The folder's own directory, of which only some events matter.
    folder: Option<WatchDescriptor>,
    /// Whether all that is watched is still in its place.
    is_whole: bool,
}

/// Why there is no watch.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The kernel gives no instance or no watch, or `/proc` cannot be used.
    ByKernel(io::Error),
    /// What is to be watched cannot be opened.
    OfDirectory(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(e: io::Error) -> Refusal {
        Refusal::OfDirectory(e)
    }
}

fn begin() -> Result<Inotify, Refusal> {
    Inotify::init().map_err(Refusal::ByKernel)
}

impl Watch {
    /// Watches `new`, `cur` and the keywords of a folder (STORAGE 9), and whether they and the
    /// folder stay in their places. These are the directories that were entered: inotify takes
    /// paths, and `/proc` has paths that lead to open directories. The folder has to be scanned
    /// after this, for the changes before it. A directory that is removed is noticed when nobody
    /// has it open any more.
    pub(crate) fn new(dir: &Entered) -> Result<Watch, Refusal> {
        Watch::with_keywords(dir, super::keywords::make_directory)
    }

    /// The same; `make` makes the directory of the keywords if it is missing.
    fn with_keywords(
        dir: &Entered,
        make: impl Fn(&Entered) -> io::Result<()>,
    ) -> Result<Watch, Refusal> {
        let inotify = begin()?;
        let place = WatchMask::MOVE_SELF | WatchMask::DELETE_SELF | WatchMask::ONLYDIR;
        let files = WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MOVED_FROM
            | WatchMask::MOVED_TO
            | place;
        let add = |directory: &Directory, mask| {
            inotify.watches().add(directory.proc_path(), mask).map_err(Refusal::ByKernel)
        };
        add(dir.new_mail()?, files)?;
        add(dir.cur()?, files)?;
        let mut folder_mask = place;
        // Courier makes the directory, to watch it. A folder that cannot be written has none, until
        // somebody else makes it.
        if dir.keywords().is_ok() || make(dir).is_ok() {
            add(dir.keywords()?, files)?;
        } else {
            folder_mask |= WatchMask::CREATE | WatchMask::MOVED_TO;
        }
        let folder = Some(add(dir.folder(), folder_mask)?);
        if folder_mask != place {
            // It may have been made just before the folder was watched.
            let _ = dir.keywords().map(|keywords| add(keywords, files));
        }
        Ok(Watch { inotify, folder, is_whole: true })
    }

    /// Watches for the removal of one file (a lock that is released).
    pub(super) fn of_file(directory: &Directory, name: &[u8]) -> Result<Watch, Refusal> {
        let inotify = begin()?;
        let mask = WatchMask::DELETE_SELF | WatchMask::MOVE_SELF | WatchMask::ATTRIB;
        let (_pin, path) = directory.pin(name)?;
        inotify.watches().add(path, mask)?;
        Ok(Watch { inotify, folder: None, is_whole: true })
    }

    /// The descriptor to wait on for input.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Whether everything is still watched. A directory that was removed or moved is not, even if
    /// another one took its place.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Takes all notifications. Whether there was any.
    pub(crate) fn drain(&mut self) -> bool {
        let mut buffer = [0u8; 4096];
        let mut any = false;
        let lost = EventMask::IGNORED | EventMask::MOVE_SELF | EventMask::DELETE_SELF;
        loop {
            match self.inotify.read_events(&mut buffer) {
                Ok(events) => {
                    let mut is_empty = true;
                    for event in events {
                        is_empty = false;
                        if event.mask.intersects(lost) {
                            self.is_whole = false;
                        } else if self.folder.as_ref() == Some(&event.wd) {
                            // Beside the keywords, the folder has files that are not watched.
                            if event.name != Some(OsStr::new("courierimapkeywords")) {
                                continue;
                            }
                            self.is_whole = false;
                        }
                        any = true;
                    }
                    if is_empty {
                        return any;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return any,
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::maildir::Dir;

    #[test]
    fn notifies_of_changes() {
        let root = tempfile::tempdir().unwrap();
        for sub in ["cur", "new", "tmp"] {
            std::fs::create_dir(root.path().join(sub)).unwrap();
        }
        let dir = Dir::at(root.path()).enter().unwrap();
        let mut watch = Watch::new(&dir).unwrap();
        assert!(dir.keywords().is_ok());
        assert!(!watch.drain());
        for (n, sub) in ["cur", "new", "courierimapkeywords"].iter().enumerate() {
            let at = root.path().join(sub);
            std::fs::write(at.join("a"), "").unwrap();
            assert!(watch.drain(), "{n}: created");
            std::fs::rename(at.join("a"), at.join("b")).unwrap();
            assert!(watch.drain(), "{n}: renamed");
            std::fs::remove_file(at.join("b")).unwrap();
            assert!(watch.drain(), "{n}: removed");
            assert!(!watch.drain());
        }
        std::fs::write(root.path().join("tmp/a"), "").unwrap();
        assert!(!watch.drain());
        assert!(watch.is_whole());
        let folder = std::rc::Rc::clone(dir.folder());
        drop(dir);
        std::fs::remove_dir(root.path().join("new")).unwrap();
        assert!(watch.drain() && !watch.is_whole());
        std::fs::create_dir(root.path().join("new")).unwrap();
        std::fs::write(root.path().join("lock"), "").unwrap();
        let mut lock = Watch::of_file(&folder, b"lock").unwrap();
        assert!(!lock.drain());
        std::fs::remove_file(root.path().join("lock")).unwrap();
        assert!(lock.drain());
    }

    /// Where we cannot make the keywords' directory, somebody else may.
    #[test]
    fn keywords_that_come_later_are_noticed() {
        let root = tempfile::tempdir().unwrap();
        for sub in ["cur", "new"] {
            std::fs::create_dir(root.path().join(sub)).unwrap();
        }
        let dir = Dir::at(root.path()).enter().unwrap();
        let refuse = |_: &Entered| Err(io::ErrorKind::PermissionDenied.into());
        let mut watch = Watch::with_keywords(&dir, refuse).unwrap();
        std::fs::write(dir.uid_file_path(), "").unwrap();
        assert!(!watch.drain());
        std::fs::create_dir(dir.keywords_path()).unwrap();
        assert!(watch.drain() && !watch.is_whole());
    }
}
