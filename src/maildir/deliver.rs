//! A message on its way into a folder: written in `tmp`, named when it is complete, and put into
//! `cur` by the scan that gives it its UID (STORAGE 1.2). What is not delivered is removed.

use super::names::{self, Stem};
use super::quota::Charge;
use super::temporary::{TemporaryFile, with_new_name};
use super::{Entered, Error, Store, write_keywords};
use crate::sys::stat::Stat;
use crate::sys::{breath, fs, user};
use crate::types::Flags;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;

/// A message that is being delivered.
pub(crate) struct Delivery {
    file: TemporaryFile,
    /// What is not written yet.
    buffer: Vec<u8>,
    size: u64,
    stem: Stem,
    flags: Flags,
    keywords: Vec<Vec<u8>>,
    /// The device and inode of the file, for its name.
    inode: (u64, u64),
    /// What the quota was charged for it, or for it and those that are delivered after it.
    pub(crate) charge: Option<Rc<Charge>>,
}

/// How many bytes are written at once.
const CHUNK: usize = 32 * 1024;

impl Delivery {
    /// Makes the file in the folder's `tmp`. If its size (bytes on disk) is known, its name there
    /// has it.
    pub(crate) fn create(
        store: &Store,
        dir: &Entered,
        size: Option<u64>,
    ) -> Result<Delivery, Error> {
        let make = || {
            let stem = Stem::next(store);
            let name = stem.temporary(&store.config.host, size);
            Ok((stem, TemporaryFile::create_at(dir.tmp()?, name, 0o666)?))
        };
        let (stem, file) =
            with_new_name(make).map_err(Error::about("creating a message in", &dir.tmp_path()))?;
        let stat =
            file.file().and_then(Stat::of).map_err(Error::about("creating", &file.path()))?;
        Ok(Delivery::of(stem, file, &stat))
    }

    fn of(stem: Stem, file: TemporaryFile, stat: &Stat) -> Delivery {
        Delivery {
            file,
            buffer: Vec::new(),
            size: stat.len(),
            stem,
            flags: Flags::empty(),
            keywords: Vec::new(),
            inode: stat.inode(),
            charge: None,
        }
    }

    /// A message of another folder on its way into this one: a second name for its file, or a copy
    /// with the same INTERNALDATE. It has yet to be finished by [`Delivery::finish`], with the time
    /// that is returned. `shown`: the file's path, for the log.
    pub(crate) fn copy_of(
        store: &Store,
        (from, to): (&Entered, &Entered),
        (file, stat): (&File, &Stat),
        shown: impl Fn() -> PathBuf,
    ) -> Result<(Delivery, Option<i64>), Error> {
        if !from.is_of_links()
            && let Some(delivery) = Delivery::link_of(store, to, file)?
        {
            return Ok((delivery, None));
        }
        let mut delivery = Delivery::create(store, to, Some(stat.len()))?;
        let mut buffer = vec![0; 128 * 1024];
        let mut at = 0;
        loop {
            breath::breathe()?;
            let n = fs::read_at(file, &mut buffer, at)
                .map_err(|e| Error::failed(format!("reading {}", fs::shown(&shown())), e))?;
            if n == 0 {
                return Ok((delivery, Some(stat.mtime())));
            }
            at = at.saturating_add(n as u64);
            delivery.write(buffer.get(..n).unwrap_or_default())?;
        }
    }

    /// Makes a second name for an open message, instead of a copy: messages never change. The
    /// INTERNALDATE is the source's. `None` where a link is impossible or not as good as a copy:
    /// another file system, another owner, a folder that others read and a file that they may not,
    /// or a message that has lost its last name by now.
    pub(crate) fn link_of(
        store: &Store,
        target: &Entered,
        source: &File,
    ) -> Result<Option<Delivery>, Error> {
        let about_tmp = |e| Error::about("copying to", &target.tmp_path())(e);
        let tmp = target.tmp().map_err(about_tmp)?;
        let folder = tmp.own_stat().map_err(about_tmp)?;
        let stat = Stat::of(source).map_err(|e| Error::failed("copying", e))?;
        if !is_as_good_as_copy(&stat, &folder) {
            return Ok(None);
        }
        let make = || {
            let stem = Stem::next(store);
            let name = stem.temporary(&store.config.host, Some(stat.len()));
            Ok((stem, TemporaryFile::link_at(tmp, name, source)?))
        };
        Ok(with_new_name(make).ok().map(|(stem, file)| Delivery::of(stem, file, &stat)))
    }

    /// Appends bytes as they are: the caller has removed every CR. An error of this call may be
    /// returned by a later one.
    pub(crate) fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        if data.is_empty() {
            return Ok(());
        }
        if self.file.is_closed() {
            return Err(Error::failed(
                "writing a message",
                io::Error::other("it is complete already"),
            ));
        }
        self.size = self.size.saturating_add(data.len() as u64);
        if self.buffer.len().saturating_add(data.len()) > CHUNK {
            self.flush()?;
            if data.len() >= CHUNK {
                return self.write_to_file(data);
            }
        }
        self.buffer.extend_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let buffer = std::mem::take(&mut self.buffer);
        let result = self.write_to_file(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        result
    }

    fn write_to_file(&self, data: &[u8]) -> Result<(), Error> {
        if self.file.is_closed() {
            return Ok(());
        }
        let written = self.file.file().and_then(|mut file| file.write_all(data));
        written.map_err(|e| self.failed(e))
    }

    fn failed(&self, e: io::Error) -> Error {
        Error::failed(format!("writing {}", self.shown()), e)
    }

    /// The file's path, for the log.
    pub(crate) fn shown(&self) -> String {
        fs::shown(&self.file.path())
    }

    /// The size so far, in bytes on disk.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Completes the message: when this returns without an error, everything is written, and synced
    /// if the settings say so. `mtime` is its INTERNALDATE, in seconds since 1970. The file is
    /// closed, so that a COPY of many messages needs few descriptors.
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
        if self.file.is_closed() {
            return Ok(());
        }
        let mut complete = || {
            if let Some(mtime) = mtime {
                fs::set_file_mtime(self.file.file()?, mtime)?;
            }
            self.file.close(store.config.fsync)
        };
        complete().map_err(|e| self.failed(e))
    }

    /// Its flags, once it is complete.
    pub(crate) fn flags(&self) -> Flags {
        self.flags
    }

    /// Opens the file for the outbox, which reads it before it is delivered.
    pub(crate) fn reopen(&self) -> io::Result<File> {
        self.file.directory().open(self.file.name()).map(|(file, _)| file)
    }

    /// Puts the message into `cur`, under the folder's lock. Its file name there.
    pub(super) fn put(&mut self, store: &Store, dir: &Entered) -> Result<Vec<u8>, Error> {
        loop {
            let base = self.stem.base(&store.config.host, self.inode, self.size);
            if !self.keywords.is_empty() {
                // First, so that the message is never seen without its keywords (STORAGE 3.3).
                let names: Vec<&[u8]> = self.keywords.iter().map(Vec::as_slice).collect();
                write_keywords::write_set(store, dir, &base, &names)?;
            }
            let name = names::with_flags(&base, self.flags);
            match dir.cur().and_then(|cur| self.file.rename_new_to(cur, &name)) {
                Ok(()) => return Ok(name),
                Err(e) => {
                    let _ = dir.keywords().and_then(|keywords| keywords.unlink(&base));
                    if e.kind() != io::ErrorKind::AlreadyExists {
                        return Err(Error::about("delivering to", dir.path())(e));
                    }
                    self.stem = Stem::next(store);
                }
            }
        }
    }
}

/// Whether a message's file itself is as good as a copy of it in a folder, by what stat(2) says of
/// both: it must be ours, as the copy would be, and readable for the others who read there.
pub(super) fn is_as_good_as_copy(file: &Stat, folder: &Stat) -> bool {
    let readable = folder.mode() & 0o077 == 0 || file.mode() & 0o044 == 0o044;
    let ours = file.uid() == user::euid() && folder.uid() == user::euid();
    file.is_file() && readable && ours
}

/// What a scan has put into `cur`. It is removed again if the scan fails, or what was to be done
/// after it: then the client gets the answer that it was not stored.
pub(crate) struct Arrivals<'a> {
    dir: &'a Entered,
    names: Vec<Vec<u8>>,
    /// Whether nothing is ever removed.
    stays: bool,
}

impl<'a> Arrivals<'a> {
    /// Nothing yet.
    pub(super) fn new(dir: &'a Entered) -> Arrivals<'a> {
        Arrivals { dir, names: Vec::new(), stays: false }
    }

    /// Files that a move renames into `cur`, or has renamed. They are all that there is of their
    /// messages, and are never removed.
    pub(super) fn of_move(dir: &'a Entered, names: Vec<Vec<u8>>) -> Arrivals<'a> {
        Arrivals { dir, names, stays: true }
    }

    /// The folder.
    pub(super) fn dir(&self) -> &'a Entered {
        self.dir
    }

    /// Adds a file name in `cur`.
    pub(super) fn add(&mut self, name: Vec<u8>) {
        self.names.push(name);
    }

    /// The file names, in the order of the deliveries.
    pub(super) fn names(&self) -> &[Vec<u8>] {
        &self.names
    }

    /// Keeps them in `cur` for good; their file names.
    pub(crate) fn stay(mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.names)
    }
}

impl Drop for Arrivals<'_> {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        for name in &self.names {
            let _ = self.dir.cur().and_then(|cur| cur.unlink(name));
            let base = names::base(name);
            let _ = self.dir.keywords().and_then(|keywords| keywords.unlink(base));
        }
    }
}

#[cfg(test)]
mod tests;
