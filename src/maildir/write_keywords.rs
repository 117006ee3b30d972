//! Writing one message's keywords (STORAGE 3.3, 3.4).

use super::keywords::{can_be_stored, make_directory};
use super::temporary::TemporaryFile;
use super::{Entered, Error, Store};
use crate::sys::directory::Directory;
use crate::sys::{clock, fs};
use std::io::{self, Write};
use std::rc::Rc;

fn content(names: &[&[u8]]) -> Vec<u8> {
    names.iter().flat_map(|n| n.iter().copied().chain([b'\n'])).collect()
}

/// A temporary file with a set of keywords.
fn write_temporary(store: &Store, dir: &Entered, names: &[&[u8]]) -> io::Result<TemporaryFile> {
    let mut temporary = TemporaryFile::create(&store.config.host, dir.tmp()?, b"", 0o644)?;
    temporary.file()?.write_all(&content(names))?;
    temporary.close(false)?;
    Ok(temporary)
}

/// The directory, which is made if it is missing. An error if it is something else.
fn require_directory(dir: &Entered) -> io::Result<&Rc<Directory>> {
    match dir.keywords() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            make_directory(dir)?;
            dir.keywords()
        }
        other => other,
    }
}

/// Writes one message's whole set. The last writer wins (STORAGE 3.3).
pub(super) fn write_set(
    store: &Store,
    dir: &Entered,
    base: &[u8],
    names: &[&[u8]],
) -> Result<(), Error> {
    if !can_be_stored(base) {
        return Ok(());
    }
    let write = || -> io::Result<()> {
        let here = require_directory(dir)?;
        write_temporary(store, dir, names)?.rename_to(here, base)
    };
    write().map_err(|e| cannot_write(dir, base, e))
}

/// Writes one message's whole set, unless somebody has written one since the last reading: then
/// `false` (STORAGE 3.4).
pub(super) fn write_set_carefully(
    store: &Store,
    dir: &Entered,
    base: &[u8],
    names: &[&[u8]],
) -> Result<bool, Error> {
    if !can_be_stored(base) {
        return Ok(true);
    }
    let write = || -> io::Result<bool> {
        let here = require_directory(dir)?;
        let mut temporary = write_temporary(store, dir, names)?;
        let now = clock::now().0.to_string();
        let scratch = [b".tmp.", now.as_bytes(), temporary.name()].concat();
        temporary.move_to(here, scratch)?;
        match here.link(temporary.name(), here, base) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) if fs::no_hard_links(&e) => {
                match here.rename_new(temporary.name(), here, base) {
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                    other => other.map(|()| true),
                }
            }
            other => other.map(|()| true),
        }
    };
    write().map_err(|e| cannot_write(dir, base, e))
}

fn cannot_write(dir: &Entered, base: &[u8], e: io::Error) -> Error {
    let path = fs::join(&dir.keywords_path(), base);
    Error::failed(format!("writing {}", fs::shown(&path)), e)
}
