//! Changing annotations. The folder is locked from the reading to the writing, so that of two
//! simultaneous changes none is lost. A command may change two files: both are written before the
//! first is put in its place.

use super::file::Contents;
use super::{File, Place};
use crate::maildir::error::is_missing;
use crate::maildir::lock::Lock;
use crate::maildir::temporary::TemporaryFile;
use crate::maildir::{Entered, Error, Store};
use crate::sys::{breath, fs};
use crate::types::EntryName;
use crate::types::limits::{MAX_METADATA_BYTES, MAX_METADATA_ENTRIES};
use std::io::{self, Write};
use std::rc::Rc;

/// Names with their new values; `None`: without one.
pub(crate) type Changes = Vec<(EntryName, Option<Vec<u8>>)>;

/// Why nothing was changed.
#[derive(Debug)]
pub(crate) enum ChangeRefused {
    /// There would be too many, or too much of them.
    TooMany,
    /// The store could not do it.
    Failed(Error),
}

impl From<Error> for ChangeRefused {
    fn from(error: Error) -> ChangeRefused {
        ChangeRefused::Failed(error)
    }
}

/// What becomes of one file.
struct Prepared<'a> {
    place: &'a Place,
    old: Vec<u8>,
    /// The new content, in `tmp`; `None`: the file goes.
    new: Option<TemporaryFile>,
}

fn failed(place: &Place) -> impl Fn(io::Error) -> Error {
    move |e| Error::failed(format!("annotations in {}", fs::shown(&place.path())), e)
}

/// Makes all changes, or none. `is_there`: whether a folder of somebody else is there; what belongs
/// to another one is dropped where the file has no room.
pub(crate) fn change(
    store: &Store,
    changes: &[(Place, Changes)],
    is_there: impl Fn(&[u8]) -> bool,
) -> Result<(), ChangeRefused> {
    let _locks = lock(store, changes.iter().map(|(place, _)| &place.dir))?;
    let mut prepared = Vec::new();
    for (place, changes) in changes {
        let (mut contents, old) = Contents::read(place).map_err(failed(place))?;
        let annotations = contents.of(&place.folder);
        let before = annotations.len();
        for (name, value) in changes {
            annotations.set(name, value.as_deref());
        }
        let after = annotations.len();
        if after > before && after > MAX_METADATA_ENTRIES {
            return Err(ChangeRefused::TooMany);
        }
        let fits = |new: &[u8]| new.len() <= MAX_METADATA_BYTES || new.len() < old.len();
        let mut new = contents.to_bytes();
        if !fits(&new) {
            for folder in contents.folders() {
                breath::breathe().map_err(Error::from)?;
                if folder != place.folder && !is_there(&folder) {
                    contents.take(&folder);
                }
            }
            new = contents.to_bytes();
        }
        if !fits(&new) {
            return Err(ChangeRefused::TooMany);
        }
        if new != old {
            let new = write(store, place, &new).map_err(failed(place))?;
            prepared.push(Prepared { place, old, new });
        }
    }
    put_all(store, prepared)?;
    Ok(())
}

/// Locks directories, each once and in an order that all sessions keep, so that no two wait for
/// each other.
fn lock<'a>(
    store: &Store,
    directories: impl Iterator<Item = &'a Rc<Entered>>,
) -> Result<Vec<Lock>, Error> {
    let mut inodes = Vec::new();
    for dir in directories {
        let stat = dir.folder().own_stat().map_err(Error::about("locking", dir.path()))?;
        inodes.push((stat.inode(), dir));
    }
    inodes.sort_by_key(|(inode, _)| *inode);
    inodes.dedup_by_key(|(inode, _)| *inode);
    inodes.into_iter().map(|(_, dir)| Lock::acquire(store, dir)).collect()
}

/// Writes new content into `tmp`; `None` if there is none.
fn write(store: &Store, place: &Place, new: &[u8]) -> io::Result<Option<TemporaryFile>> {
    if new.is_empty() {
        return Ok(None);
    }
    let (tmp, mode) = (place.dir.tmp()?, place.file.mode());
    let mut file = TemporaryFile::create(&store.config.host, tmp, b"_metadata", mode)?;
    file.file()?.write_all(new)?;
    file.close(store.config.fsync)?;
    Ok(Some(file))
}

/// Puts new content in its place.
fn put(place: &Place, new: Option<TemporaryFile>) -> io::Result<()> {
    let directory = place.dir.folder();
    match new {
        Some(file) => file.rename_to(directory, place.file.name()),
        None => match directory.unlink(place.file.name()) {
            Err(e) if is_missing(&e) => Ok(()),
            removed => removed,
        },
    }
}

/// Puts all in their places. If one cannot be put there, those before it are taken back.
fn put_all(store: &Store, prepared: Vec<Prepared<'_>>) -> Result<(), Error> {
    let mut done: Vec<(&Place, Vec<u8>)> = Vec::new();
    for Prepared { place, old, new } in prepared {
        if let Err(e) = put(place, new) {
            for (place, old) in done {
                if let Err(e) = write(store, place, &old).and_then(|file| put(place, file)) {
                    log::error!("{}: {}", fs::shown(&place.path()), fs::error_text(&e));
                }
            }
            return Err(failed(place)(e));
        }
        done.push((place, old));
    }
    for (place, _) in done.iter().filter(|_| store.config.fsync) {
        // They are changed now, whether the sync works or not.
        if let Err(e) = place.dir.folder().sync() {
            log::error!("{}: {}", fs::shown(place.dir.path()), fs::error_text(&e));
        }
    }
    Ok(())
}

/// Changes what a Maildir's owner keeps about folders of others, if there is anything.
fn edit_account(
    store: &Store,
    maildir: Rc<Entered>,
    edit: impl FnOnce(&mut Contents),
) -> Result<(), Error> {
    let place = Place { dir: maildir, file: File::Account, folder: Vec::new() };
    if place.dir.folder().stat(place.file.name()).is_err() {
        return Ok(());
    }
    let _lock = Lock::acquire(store, &place.dir)?;
    let (mut contents, old) = Contents::read(&place).map_err(failed(&place))?;
    edit(&mut contents);
    let new = contents.to_bytes();
    if new != old {
        let new = write(store, &place, &new).map_err(failed(&place))?;
        put_all(store, vec![Prepared { place: &place, old, new }])?;
    }
    Ok(())
}

/// A folder of somebody else was removed: drops what belongs to it.
pub(crate) fn forget(store: &Store, maildir: Rc<Entered>, folder: &[u8]) -> Result<(), Error> {
    edit_account(store, maildir, |contents| drop(contents.take(folder)))
}

/// A folder of somebody else was renamed, with those below it.
pub(crate) fn rename(
    store: &Store,
    maildir: Rc<Entered>,
    old: &[u8],
    new: &[u8],
) -> Result<(), Error> {
    edit_account(store, maildir, |contents| {
        for folder in contents.folders() {
            let rest = folder.strip_prefix(old);
            if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with(b".")) {
                let annotations = contents.take(&folder);
                contents.put([new, rest].concat(), annotations);
            }
        }
    })
}
