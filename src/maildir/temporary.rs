//! Files in `tmp`: every file of a Maildir is written there under a name that nobody else uses, and
//! gets its place by a rename, so that nobody ever reads half of one.

use super::host::Host;
use super::names;
use crate::sys::{clock, fs};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many names are tried before it is an error that they are all taken.
const MAX_NAMES: u32 = 1000;

/// Makes something under a new name. `make` chooses the name and is called again, a little later,
/// as long as the name is taken.
pub(super) fn with_new_name<T>(mut make: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..MAX_NAMES {
        match make() {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                clock::sleep(Duration::from_micros(20));
            }
            made => return made,
        }
    }
    make()
}

/// A file in `tmp`. It is removed when this is dropped, unless it was put in its place before.
pub(super) struct TemporaryFile {
    path: Option<PathBuf>,
    file: Option<File>,
}

impl TemporaryFile {
    /// Makes an empty file `<seconds>.M<microseconds>P<pid><tag>.<host>` (STORAGE 1.2), open for
    /// reading and writing.
    pub(super) fn create(
        host: &Host,
        tmp: &Path,
        tag: &[u8],
        mode: u32,
    ) -> io::Result<TemporaryFile> {
        with_new_name(|| TemporaryFile::create_at(fs::join(tmp, &names::with_tag(host, tag)), mode))
    }

    /// Makes an empty file of this name, which must not exist.
    pub(super) fn create_at(path: PathBuf, mode: u32) -> io::Result<TemporaryFile> {
        let file = fs::create_new(&path, mode)?;
        Ok(TemporaryFile { path: Some(path), file: Some(file) })
    }

    /// Makes a second name in `tmp` for an open file. There is nothing to be written.
    pub(super) fn link_at(path: PathBuf, source: &File) -> io::Result<TemporaryFile> {
        fs::link_open(source, &path)?;
        Ok(TemporaryFile { path: Some(path), file: None })
    }

    /// The open file; an error once it is closed.
    pub(super) fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::Error::other("closed"))
    }

    /// Whether nothing can be written any more.
    pub(super) fn is_closed(&self) -> bool {
        self.file.is_none()
    }

    /// The path; empty once the file is in its place.
    pub(super) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// Closes the file, after a sync if `sync` is set. When this returns without an error, every
    /// byte is written.
    pub(super) fn close(&mut self, sync: bool) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            if sync {
                fs::sync_file(&file)?;
            }
            fs::close(file)?;
        }
        Ok(())
    }

    /// Replaces the empty file by a symbolic link of its name.
    pub(super) fn become_link(&mut self, target: &Path) -> io::Result<()> {
        self.close(false)?;
        fs::unlink(self.path())?;
        fs::symlink(target, self.path())
    }

    /// Renames the file, which is still temporary.
    pub(super) fn move_to(&mut self, path: PathBuf) -> io::Result<()> {
        fs::rename(self.path(), &path)?;
        self.path = Some(path);
        Ok(())
    }

    /// Puts the file in its place, and replaces what is there.
    pub(super) fn rename_to(mut self, target: &Path) -> io::Result<()> {
        self.close(false)?;
        fs::rename(self.path(), target)?;
        self.path = None;
        Ok(())
    }

    /// Puts the file in its place, where nothing may be (`AlreadyExists`). After an error it is
    /// still temporary.
    pub(super) fn rename_new_to(&mut self, target: &Path) -> io::Result<()> {
        self.close(false)?;
        fs::rename_new(self.path(), target)?;
        self.path = None;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::unlink(path);
        }
    }
}

/// Replaces the whole of a small control file, by way of a file in `tmp` with this tag.
pub(super) fn replace(
    host: &Host,
    tmp: &Path,
    tag: &[u8],
    target: &Path,
    data: &[u8],
) -> io::Result<()> {
    let file = TemporaryFile::create(host, tmp, tag, 0o644)?;
    file.file()?.write_all(data)?;
    file.rename_to(target)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn temporary_files_go_away() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::new(b"h");
        let create = |tag: &[u8]| TemporaryFile::create(&host, dir.path(), tag, 0o644).unwrap();
        let paths: Vec<_> =
            (0..50).map(|_| create(b"_courierlock")).map(|t| t.path().to_owned()).collect();
        assert!(paths.iter().all(|p| !p.exists()));
        let mut kept = create(b"");
        kept.close(true).unwrap();
        kept.rename_to(&dir.path().join("x")).unwrap();
        assert!(dir.path().join("x").exists());
        assert!(create(b"").rename_new_to(&dir.path().join("x")).is_err());
        let mut link = create(b"_newlink");
        link.become_link(Path::new("x")).unwrap();
        link.rename_new_to(&dir.path().join("y")).unwrap();
        assert_eq!(std::fs::read_link(dir.path().join("y")).unwrap(), Path::new("x"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
