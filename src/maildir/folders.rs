//! Folders as a whole: create, delete, rename (STORAGE 1.1).
//!
//! A UIDVALIDITY must never come back under a folder's name with other messages behind its UIDs. It
//! is the time at which the folder was made. So whoever takes a folder away first waits until the
//! clock has passed its UIDVALIDITY: another session, or another program, may make a folder of that
//! name at once. Only a folder that was made in this very second makes anybody wait.

use super::lock::MAX_CLOCK_SKEW;
use super::make_folder::{self, parent};
use super::scan::{Mode, scan};
use super::temporary::TemporaryFile;
use super::{Dir, Error, Store, folder_names, uiddb};
use crate::sys::{clock, dir, fs, poll};
use crate::types::{Flags, UidValidity};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Makes a folder with an empty UID file. A folder that exists is an error (EEXIST). When this
/// fails half-way, nothing is left.
pub(crate) fn create(store: &Store, dir: &Dir) -> Result<(), Error> {
    make_folder::make(store, dir)
        .map_err(|e| Error::failed(format!("creating {}", fs::shown(dir.path())), e))?;
    let scanned = scan(store, dir, Mode::ReadWrite, None, Vec::new());
    let done = scanned.and_then(|_| match uiddb::validity_of(dir) {
        // On a full disk a scan goes on without a UID file. A new folder needs one.
        None => Err(Error::failed(
            format!("creating {}", fs::shown(&dir.uid_file())),
            fs::error(io::ErrorKind::StorageFull),
        )),
        Some(_) => Ok(()),
    });
    done.inspect_err(|_| undo_create(store, dir))
}

/// Removes a folder that was made a moment ago, because something that belongs to CREATE failed. If
/// mail has come in meanwhile, the folder stays.
pub(crate) fn undo_create(store: &Store, dir: &Dir) {
    let validity = uiddb::validity_of(dir);
    make_folder::unmake(dir);
    // It was there for a moment, and empty. The wait is for the client's next try.
    let _ = wait_until_past(store, validity, &parent(dir.path()).join("tmp"));
}

/// How often removing a folder is tried while others still put files into it.
const MAX_TRIES: u32 = 10;

/// Removes a folder and everything in it. Folders below it are directories of their own and stay. A
/// symbolic link is not removed (ENOTDIR).
pub(crate) fn delete(store: &Store, dir: &Dir) -> Result<(), Error> {
    let path = dir.path();
    let metadata = fs::lstat(path).map_err(Error::about("removing", path))?;
    if !metadata.is_dir() {
        return Err(Error::failed(
            format!("removing {}", fs::shown(path)),
            fs::error(io::ErrorKind::NotADirectory),
        ));
    }
    outlast(store, dir)?;
    remove(store, path, parent(path))
}

/// Removes the directory `path` with all that is in it: one rename takes it out of sight, into the
/// `tmp` of the Maildir `root`; then it is emptied there. What is left over after the rename is
/// removed from `tmp` one day.
pub(super) fn remove(store: &Store, path: &Path, root: &Path) -> Result<(), Error> {
    let moved = make_folder::path_in_tmp(store, root, make_folder::DELETED)
        .and_then(|gone| fs::rename_new(path, &gone).map(|()| gone));
    let is_moved = moved.is_ok();
    let at = moved.as_deref().unwrap_or(path);
    for tries in 0.. {
        let Err(e) = fs::remove_tree(at) else { break };
        if e.kind() == io::ErrorKind::NotFound && fs::lstat(at).is_err() {
            break;
        }
        let is_refilled =
            matches!(e.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound);
        if is_refilled && tries < MAX_TRIES {
            continue;
        }
        if is_moved {
            log::error!("{}: {}", fs::shown(at), fs::error_text(&e));
            break;
        }
        return Err(Error::failed(format!("removing {}", fs::shown(path)), e));
    }
    Ok(())
}

/// Before a folder goes: waits until the clock has passed its UIDVALIDITY, so that a folder which
/// anybody makes under its name has a greater one.
///
/// [`Error::Stopped`] if a signal asks the session to stop. A client that goes away does not end the
/// wait: it may be back, with CREATE, before the second is over.
pub(super) fn outlast(store: &Store, dir: &Dir) -> Result<(), Error> {
    loop {
        let validity = uiddb::validity_of(dir);
        wait_until_past(store, validity, &dir.tmp())?;
        if uiddb::validity_of(dir) == validity {
            return Ok(());
        }
    }
}

/// Nobody waits for a UIDVALIDITY that lies further in the future than Courier's pause.
const MAX_WAIT_NANOS: i128 = 2_000_000_000;

/// Waits until a new UIDVALIDITY will be greater than this one. It will be made from the file
/// system's time, which is found by a file in `tmp`.
fn wait_until_past(store: &Store, validity: Option<UidValidity>, tmp: &Path) -> Result<(), Error> {
    let Some(validity) = validity else { return Ok(()) };
    let past = (i128::from(validity.get()) + 1_000_000_001) * 1_000_000_000;
    // Where even the slowest clock has passed it, no file is needed.
    while clock::now_nanos().saturating_sub(MAX_CLOCK_SKEW) < past {
        let time = TemporaryFile::create(&store.config.host, tmp, b"_time", 0o600)
            .and_then(|file| file.file()?.metadata());
        let now = time.map_or_else(|_| clock::now_nanos(), |m| fs::mtime_nanos(&m));
        let left = past.saturating_sub(now);
        if left <= 0 || left > MAX_WAIT_NANOS {
            break;
        }
        // The clock of file times may be a tick behind.
        let left = Duration::from_nanos(u64::try_from(left).unwrap_or(0))
            .saturating_add(Duration::from_millis(1));
        match poll::pause(left, None) {
            Ok(ready) if ready.signal => return Err(Error::Stopped),
            Ok(ready) if !ready.hangup => {}
            _ => clock::sleep(left),
        }
    }
    Ok(())
}

/// Renames the folder `.<old>` of the Maildir `root` and all folders below it. Each gets a new
/// UIDVALIDITY. The access lists of names without a directory are renamed, too (STORAGE 1.1).
///
/// Errors: [`Error::Gone`] if there is no such folder, EEXIST if one of the new names is taken,
/// EINVAL for a move into itself. After an error nothing is renamed.
pub(crate) fn rename(store: &Store, root: &Path, old: &[u8], new: &[u8]) -> Result<(), Error> {
    let failed = |e: io::Error| Error::failed(format!("renaming in {}", fs::shown(root)), e);
    if new.strip_prefix(old).is_some_and(|rest| rest.is_empty() || rest.starts_with(b".")) {
        return Err(failed(fs::error(io::ErrorKind::InvalidInput)));
    }
    let mut moves: Vec<(PathBuf, PathBuf)> = Vec::new();
    for sub in folder_names::list_all(root).map_err(failed)? {
        let Some(rest) =
            sub.strip_prefix(old).filter(|rest| rest.is_empty() || rest.starts_with(b"."))
        else {
            continue;
        };
        let from = fs::join(root, &[b".", &*sub].concat());
        let to = fs::join(root, &[b".", new, rest].concat());
        if !from.join("cur").is_dir() {
            continue;
        }
        if fs::lstat(&to).is_ok() {
            return Err(failed(fs::error(io::ErrorKind::AlreadyExists)));
        }
        moves.push((from, to));
    }
    if moves.is_empty() {
        // Courier answers OK and does nothing. RFC 3501 6.3.5 wants an error.
        return Err(Error::Gone);
    }
    moves.sort();
    for (from, _) in &moves {
        outlast(store, &Dir::at(from))?;
    }
    rename_all(store, &moves).map_err(failed)?;
    if store.config.fsync {
        // Mail that comes in under the new name must be found there after a crash. But the folders
        // are renamed now, whether the sync works or not.
        if let Err(e) = fs::sync_dir(root) {
            log::error!("{}: {}", fs::shown(root), fs::error_text(&e));
        }
    }
    for (_, to) in &moves {
        let dir = Dir::at(to);
        // There is one if another session has scanned the folder at that moment.
        let _ = outlast(store, &dir);
        match fs::unlink(&dir.uid_file()) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => log::error!("{}: {}", fs::shown(&dir.uid_file()), fs::error_text(&e)),
        }
        // If this fails, the folder gets its UIDVALIDITY when it is opened next.
        let _ = scan(store, &dir, Mode::ReadWrite, None, Vec::new());
    }
    rename_hierarchy_lists(root, old, new);
    Ok(())
}

/// Renames the folders, all of them or none. Their UID files are taken away first: nobody must see
/// a folder under its new name with the old UIDVALIDITY, which an earlier folder of the new name
/// may have had, if the two were made in one second.
fn rename_all(store: &Store, moves: &[(PathBuf, PathBuf)]) -> io::Result<()> {
    let mut aside = Vec::new();
    for (from, _) in moves {
        let kept = make_folder::path_in_tmp(store, from, b"_imapuid")
            .and_then(|kept| fs::rename_new(&Dir::at(from).uid_file(), &kept).map(|()| kept));
        // Where this fails, the file goes a moment later, under the new name.
        aside.extend(kept.ok().map(|kept| (from, kept)));
    }
    let put_back = || {
        for (from, kept) in &aside {
            let _ = fs::rename_new(kept, &Dir::at(*from).uid_file());
        }
    };
    for (at, (from, to)) in moves.iter().enumerate() {
        if let Err(e) = fs::rename_new(from, to) {
            for (from, to) in moves.iter().take(at).rev() {
                let _ = fs::rename_new(to, from);
            }
            put_back();
            return Err(e);
        }
    }
    for (from, to) in moves {
        let kept = aside.iter().filter(|(of, _)| *of == from).map(|(_, kept)| kept);
        for path in kept.filter_map(|kept| kept.strip_prefix(from).ok()) {
            let _ = fs::unlink(&to.join(path));
        }
    }
    Ok(())
}

/// Renames the access lists in `courierimaphieracl`, and replaces what is there (STORAGE 1.1).
fn rename_hierarchy_lists(root: &Path, old: &[u8], new: &[u8]) {
    let kept = root.join("courierimaphieracl");
    for name in dir::names(&kept).unwrap_or_default() {
        if let Some(rest) =
            name.strip_prefix(old).filter(|rest| rest.is_empty() || rest.starts_with(b"."))
        {
            let _ = fs::rename(&fs::join(&kept, &name), &fs::join(&kept, &[new, rest].concat()));
        }
    }
}

/// Whether a folder has a message without \Seen, in `new` or in `cur` (\Marked; PROTOCOL 4.5).
/// `false` if it cannot be read.
pub(crate) fn is_marked(dir: &Dir) -> bool {
    let unseen = |path: PathBuf| {
        let mut any = false;
        let found = dir::open(&path).and_then(|d| {
            dir::for_each(&d, |name, _| {
                any |= !name.starts_with(b".") && !Flags::of_file_name(name).contains(Flags::SEEN)
            })
        });
        found.is_ok() && any
    };
    unseen(dir.new_mail()) || unseen(dir.cur())
}

#[cfg(test)]
mod tests;
