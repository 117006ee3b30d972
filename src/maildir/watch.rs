//! Notification of changes by inotify, for IDLE and for waiting until a lock is released. A watch
//! exists only during the wait: an account may have few of them, and many sessions.

use super::Dir;
use inotify::{EventMask, Inotify, WatchMask};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Notifies of changes in a folder, or of the removal of a file.
pub(crate) struct Watch {
    inotify: Inotify,
    /// Whether nothing that is watched was removed.
    is_whole: bool,
}

impl Watch {
    /// Watches `new`, `cur` and the keywords of a folder (STORAGE 9). The folder has to be scanned
    /// after this, for the changes before it.
    pub(crate) fn new(dir: &Dir) -> io::Result<Watch> {
        let inotify = Inotify::init()?;
        let mask = WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MOVED_FROM
            | WatchMask::MOVED_TO
            | WatchMask::DELETE_SELF
            | WatchMask::ONLYDIR;
        inotify.watches().add(dir.new_mail(), mask)?;
        inotify.watches().add(dir.cur(), mask)?;
        let keywords = dir.keywords();
        match inotify.watches().add(&keywords, mask) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                // Courier makes the directory, to watch it. A folder that cannot be written has
                // none.
                if super::keywords::make_directory(dir).is_ok() {
                    inotify.watches().add(&keywords, mask)?;
                }
            }
            Err(e) => return Err(e),
            Ok(_) => {}
        }
        Ok(Watch { inotify, is_whole: true })
    }

    /// Watches for the removal of one file (a lock that is released).
    pub(super) fn of_file(path: &Path) -> io::Result<Watch> {
        let inotify = Inotify::init()?;
        let mask = WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ATTRIB
            | WatchMask::DONT_FOLLOW;
        inotify.watches().add(path, mask)?;
        Ok(Watch { inotify, is_whole: true })
    }

    /// The descriptor to wait on for input.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Whether everything is still watched. A directory that was removed is not, even if it was
    /// made again.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Takes all notifications. Whether there was any.
    pub(crate) fn drain(&mut self) -> bool {
        let mut buffer = [0u8; 4096];
        let mut any = false;
        loop {
            match self.inotify.read_events(&mut buffer) {
                Ok(events) => {
                    let mut count = 0usize;
                    for event in events {
                        count = count.saturating_add(1);
                        self.is_whole &= !event.mask.contains(EventMask::IGNORED);
                    }
                    if count == 0 {
                        return any;
                    }
                    any = true;
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
}
