//! Notification of changes by inotify, for IDLE and for waiting until a lock is released. A watch
//! exists only during the wait: an account may have few of them, and many sessions.

use super::Dir;
use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Notifies of changes in a folder, or of the removal of a file.
pub(crate) struct Watch {
    inotify: Inotify,
    /// The folder's own directory, of which only some events matter.
    folder: Option<WatchDescriptor>,
    /// Whether all that is watched is still in its place.
    is_whole: bool,
}

impl Watch {
    /// Watches `new`, `cur` and the keywords of a folder (STORAGE 9), and whether they and the
    /// folder stay in their places. The folder has to be scanned after this, for the changes before
    /// it.
    pub(crate) fn new(dir: &Dir) -> io::Result<Watch> {
        Watch::with_keywords(dir, super::keywords::make_directory)
    }

    /// The same; `make` makes the directory of the keywords if it is missing.
    fn with_keywords(dir: &Dir, make: impl Fn(&Dir) -> io::Result<()>) -> io::Result<Watch> {
        let inotify = Inotify::init()?;
        let place = WatchMask::MOVE_SELF | WatchMask::DELETE_SELF | WatchMask::ONLYDIR;
        let files = WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MOVED_FROM
            | WatchMask::MOVED_TO
            | place;
        inotify.watches().add(dir.new_mail(), files)?;
        inotify.watches().add(dir.cur(), files)?;
        let keywords = dir.keywords();
        let mut folder_mask = place;
        match inotify.watches().add(&keywords, files) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                // Courier makes the directory, to watch it. A folder that cannot be written has
                // none, until somebody else makes it.
                if make(dir).is_ok() {
                    inotify.watches().add(&keywords, files)?;
                } else {
                    folder_mask |= WatchMask::CREATE | WatchMask::MOVED_TO;
                }
            }
            Err(e) => return Err(e),
            Ok(_) => {}
        }
        let folder = Some(inotify.watches().add(dir.path(), folder_mask)?);
        if folder_mask != place {
            // It may have been made just before the folder was watched.
            let _ = inotify.watches().add(&keywords, files);
        }
        Ok(Watch { inotify, folder, is_whole: true })
    }

    /// Watches for the removal of one file (a lock that is released).
    pub(super) fn of_file(path: &Path) -> io::Result<Watch> {
        let inotify = Inotify::init()?;
        let mask = WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ATTRIB
            | WatchMask::DONT_FOLLOW;
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

    #[test]
    fn notifies_of_changes() {
        let root = tempfile::tempdir().unwrap();
        for sub in ["cur", "new", "tmp"] {
            std::fs::create_dir(root.path().join(sub)).unwrap();
        }
        let dir = Dir::at(root.path());
        let mut watch = Watch::new(&dir).unwrap();
        assert!(dir.keywords().is_dir());
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
        std::fs::remove_dir(root.path().join("new")).unwrap();
        assert!(watch.drain() && !watch.is_whole());
        std::fs::create_dir(root.path().join("new")).unwrap();
        assert!(Watch::new(&Dir::at(root.path().join("nowhere"))).is_err());
        std::fs::write(root.path().join("lock"), "").unwrap();
        let mut lock = Watch::of_file(&root.path().join("lock")).unwrap();
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
        let dir = Dir::at(root.path());
        let refuse = |_: &Dir| Err(io::ErrorKind::PermissionDenied.into());
        let mut watch = Watch::with_keywords(&dir, refuse).unwrap();
        std::fs::write(dir.uid_file(), "").unwrap();
        assert!(!watch.drain());
        std::fs::create_dir(dir.keywords()).unwrap();
        assert!(watch.drain() && !watch.is_whole());
    }
}
