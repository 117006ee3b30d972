//! Files in `tmp`: every file of a Maildir is written there under a name that nobody else uses, and
//! gets its place by a rename, so that nobody ever reads half of one.

use super::host::Host;
use super::names;
use crate::sys::directory::Directory;
use crate::sys::{clock, fs};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
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
    /// The directory in which it was made, or to which it was moved.
    directory: Rc<Directory>,
    /// Its name there; `None` once it is in its place.
    name: Option<Vec<u8>>,
    file: Option<File>,
}

impl TemporaryFile {
    /// Makes an empty file `<seconds>.M<microseconds>P<pid><tag>.<host>` (STORAGE 1.2), open for
    /// reading and writing.
    pub(super) fn create(
        host: &Host,
        tmp: &Rc<Directory>,
        tag: &[u8],
        mode: u32,
    ) -> io::Result<TemporaryFile> {
        with_new_name(|| TemporaryFile::create_at(tmp, names::with_tag(host, tag), mode))
    }

    /// Makes an empty file of this name, which must not exist.
    pub(super) fn create_at(
        directory: &Rc<Directory>,
        name: Vec<u8>,
        mode: u32,
    ) -> io::Result<TemporaryFile> {
        let file = directory.create_new(&name, mode)?;
        Ok(TemporaryFile { directory: Rc::clone(directory), name: Some(name), file: Some(file) })
    }

    /// Makes a second name in `tmp` for an open file. There is nothing to be written.
    pub(super) fn link_at(
        directory: &Rc<Directory>,
        name: Vec<u8>,
        source: &File,
    ) -> io::Result<TemporaryFile> {
        directory.link_open(source, &name)?;
        Ok(TemporaryFile { directory: Rc::clone(directory), name: Some(name), file: None })
    }

    /// The open file; an error once it is closed.
    pub(super) fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::Error::other("closed"))
    }

    /// Whether nothing can be written any more.
    pub(super) fn is_closed(&self) -> bool {
        self.file.is_none()
    }

    /// The directory in which it is.
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The name; empty once the file is in its place.
    pub(super) fn name(&self) -> &[u8] {
        self.name.as_deref().unwrap_or_default()
    }

    /// The path, for the log.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.path_of(self.name())
    }

    /// As [`fs::begin_sync`].
    pub(super) fn begin_sync(&self) {
        if let Some(file) = &self.file {
            fs::begin_sync(file);
        }
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
        self.directory.unlink(self.name())?;
        self.directory.symlink(target, self.name())
    }

    /// Renames the file, which is still temporary.
    pub(super) fn move_to(&mut self, to: &Rc<Directory>, name: Vec<u8>) -> io::Result<()> {
        self.directory.rename(self.name(), to, &name)?;
        self.directory = Rc::clone(to);
        self.name = Some(name);
        Ok(())
    }

    /// Puts the file in its place, and replaces what is there.
    pub(super) fn rename_to(mut self, to: &Directory, name: &[u8]) -> io::Result<()> {
        self.close(false)?;
        self.directory.rename(self.name(), to, name)?;
        self.name = None;
        Ok(())
    }

    /// Puts the file in its place, where nothing may be (`AlreadyExists`). After an error it is
    /// still temporary.
    pub(super) fn rename_new_to(&mut self, to: &Directory, name: &[u8]) -> io::Result<()> {
        self.close(false)?;
        self.directory.rename_new(self.name(), to, name)?;
        self.name = None;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = self.directory.unlink(name);
        }
    }
}

/// Replaces the whole of a small control file, `name` in `to`, by way of a file in `tmp` with this
/// tag. `sync`: whether the content is on disk before it is in its place.
pub(super) fn replace(
    (host, sync): (&Host, bool),
    (tmp, tag): (&Rc<Directory>, &[u8]),
    (to, name): (&Directory, &[u8]),
    data: &[u8],
) -> io::Result<()> {
    let mut file = TemporaryFile::create(host, tmp, tag, 0o644)?;
    file.file()?.write_all(data)?;
    file.close(sync)?;
    file.rename_to(to, name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn temporary_files_go_away() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::new(b"h");
        let open = Rc::new(Directory::enter(dir.path()).unwrap());
        let create = |tag: &[u8]| TemporaryFile::create(&host, &open, tag, 0o644).unwrap();
        let paths: Vec<_> = (0..50).map(|_| create(b"_courierlock")).map(|t| t.path()).collect();
        assert!(paths.iter().all(|p| !p.exists()));
        let mut kept = create(b"");
        kept.close(true).unwrap();
        kept.rename_to(&open, b"x").unwrap();
        assert!(dir.path().join("x").exists());
        assert!(create(b"").rename_new_to(&open, b"x").is_err());
        let mut link = create(b"_newlink");
        link.become_link(Path::new("x")).unwrap();
        link.rename_new_to(&open, b"y").unwrap();
        assert_eq!(std::fs::read_link(dir.path().join("y")).unwrap(), Path::new("x"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
