//! A message on its way into a folder: written in `tmp`, named when it is complete, and put into
//! `cur` by the scan that gives it its UID (STORAGE 1.2). What is not delivered leaves nothing
//! behind.

use super::names::{self, Stem};
use super::{Dir, Error, Store, keywords};
use crate::sys::{dir, fs, user};
use crate::types::Flags;
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A message that is being delivered.
pub(crate) struct Delivery {
    /// The file in `tmp`; `None` once it has left.
    path: Option<PathBuf>,
    file: Option<File>,
    buffer: Vec<u8>,
    size: u64,
    stem: Stem,
    flags: Flags,
    keywords: Vec<Vec<u8>>,
    device: u64,
    inode: u64,
}

/// Written at once.
const CHUNK: usize = 32 * 1024;

impl Delivery {
    /// Makes the file in the folder's `tmp`; its size, if it is known, goes into its name there.
    pub(crate) fn create(store: &Store, dir: &Dir, size: Option<u64>) -> Result<Delivery, Error> {
        let tmp = dir.tmp();
        let (stem, path, file) =
            with_new_name(store, &tmp, size, |path| fs::create_new(path, 0o666))
                .map_err(Error::about("creating a message in", &tmp))?;
        let metadata = file.metadata().map_err(Error::about("creating", &path))?;
        Ok(Delivery::of(stem, path, Some(file), &metadata))
    }

    fn of(stem: Stem, path: PathBuf, file: Option<File>, metadata: &Metadata) -> Delivery {
        Delivery {
            path: Some(path),
            file,
            buffer: Vec::new(),
            size: metadata.len(),
            stem,
            flags: Flags::NONE,
            keywords: Vec::new(),
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// A second name for an open message, in place of a copy (messages never change). `None` where
    /// that cannot be or would not be as good as a copy: another file system, another owner, a
    /// target that others read and the file does not let them, or a message that has lost its last
    /// name since. The INTERNALDATE is the source's.
    pub(crate) fn link_of(
        store: &Store,
        target: &Dir,
        source: &File,
    ) -> Result<Option<Delivery>, Error> {
        let tmp = target.tmp();
        let folder = dir::open(&tmp)
            .and_then(|tmp| tmp.metadata())
            .map_err(Error::about("copying to", &tmp))?;
        let metadata = source.metadata().map_err(|e| Error::failed("copying", e))?;
        let readable = folder.mode() & 0o077 == 0 || metadata.mode() & 0o044 == 0o044;
        let ours = metadata.uid() == user::euid() && folder.uid() == user::euid();
        if !metadata.is_file() || !readable || !ours {
            return Ok(None);
        }
        let made =
            with_new_name(store, &tmp, Some(metadata.len()), |path| fs::link_open(source, path));
        Ok(made.ok().map(|(stem, path, ())| Delivery::of(stem, path, None, &metadata)))
    }

    /// Appends octets as they are; the caller has taken out every CR. What went wrong may be told
    /// by a later call.
    pub(crate) fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        if data.is_empty() {
            return Ok(());
        }
        if self.file.is_none() {
            return Err(Error::failed(
                "writing a message",
                io::Error::other("it is complete already"),
            ));
        }
        self.size = self.size.saturating_add(data.len() as u64);
        if self.buffer.len().saturating_add(data.len()) > CHUNK {
            self.flush()?;
            if data.len() >= CHUNK {
                return self.put_out(data);
            }
        }
        self.buffer.extend_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let buffer = std::mem::take(&mut self.buffer);
        let result = self.put_out(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        result
    }

    fn put_out(&mut self, data: &[u8]) -> Result<(), Error> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(data).map_err(|e| Error::failed("writing a message", e))
    }

    /// The octets so far, as they are on disk.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The message is complete: everything is on disk (and synced, if that is wanted), or an error
    /// is told. The descriptor is closed: a COPY of many messages does not need many.
    pub(crate) fn finish(
        &mut self,
        store: &Store,
        flags: Flags,
        keywords: Vec<Vec<u8>>,
        mtime: Option<i64>,
    ) -> Result<(), Error> {
        self.flush()?;
        self.buffer = Vec::new();
        self.flags = flags;
        self.keywords = keywords;
        let Some(file) = self.file.take() else { return Ok(()) };
        let complete = || {
            if let Some(mtime) = mtime {
                fs::set_file_mtime(&file, mtime)?;
            }
            if store.config.fsync {
                fs::sync_file(&file)?;
            }
            fs::close(file)
        };
        complete().map_err(|e| Error::failed("writing a message", e))
    }

    /// Its flags, once it is complete.
    pub(crate) fn flags(&self) -> Flags {
        self.flags
    }

    /// The file, for whoever has to read it before it is delivered (the outbox); nothing once it is
    /// delivered.
    pub(crate) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// Puts the message into `cur`; its name there. Under the folder's lock.
    pub(super) fn put(&mut self, store: &Store, dir: &Dir) -> Result<Vec<u8>, Error> {
        let Some(path) = &self.path else { return Err(Error::Gone) };
        loop {
            let base = self.stem.base(store, self.device, self.inode, self.size);
            if !self.keywords.is_empty() && store.config.keywords.is_on() {
                // Before the message is there (STORAGE 3.3), so that it is never seen without.
                let names: Vec<&[u8]> = self.keywords.iter().map(Vec::as_slice).collect();
                keywords::write_set(store, dir, &base, &names)?;
            }
            let mut name = base.clone();
            name.extend_from_slice(b":2,");
            self.flags.push_letters(&mut name);
            match fs::rename_new(path, &dir.message(&name)) {
                Ok(()) => {
                    self.path = None;
                    return Ok(name);
                }
                Err(e) => {
                    let _ = fs::unlink(&fs::join(&dir.keywords(), &base));
                    if e.kind() != io::ErrorKind::AlreadyExists {
                        return Err(Error::about("delivering to", dir.path())(e));
                    }
                    self.stem = Stem::next(store);
                }
            }
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::unlink(path);
        }
    }
}

/// Makes something under a name that was not there.
fn with_new_name<T>(
    store: &Store,
    tmp: &Path,
    size: Option<u64>,
    make: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(Stem, PathBuf, T)> {
    let mut tries = 0;
    loop {
        let stem = Stem::next(store);
        let path = fs::join(tmp, &stem.temporary(store, size));
        match make(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries < 100 => tries += 1,
            other => return Ok((stem, path, other?)),
        }
    }
}

/// What the scan has put into `cur`; taken out again if the scan fails, for the client will be told
/// that it was not stored.
pub(super) struct Arrivals<'a> {
    dir: &'a Dir,
    names: Vec<Vec<u8>>,
}

impl<'a> Arrivals<'a> {
    /// None yet.
    pub(super) fn new(dir: &'a Dir) -> Arrivals<'a> {
        Arrivals { dir, names: Vec::new() }
    }

    /// One more.
    pub(super) fn add(&mut self, name: Vec<u8>) {
        self.names.push(name);
    }

    /// All, in their order.
    pub(super) fn names(&self) -> &[Vec<u8>] {
        &self.names
    }

    /// They are there to stay.
    pub(super) fn stay(mut self) {
        self.names.clear();
    }
}

impl Drop for Arrivals<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = fs::unlink(&self.dir.message(name));
            if let Some(base) = name.get(..names::base_length(name)) {
                let _ = fs::unlink(&fs::join(&self.dir.keywords(), base));
            }
        }
    }
}

#[cfg(test)]
mod tests;
