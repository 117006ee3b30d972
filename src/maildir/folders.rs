//! Folders as a whole: create, delete, rename (STORAGE 1.1).
//!
//! A UIDVALIDITY must never come back under a folder's name with other messages behind its UIDs. It
//! is the time at which the folder was made. So whoever deletes or renames a folder waits until the
//! clock has passed the old UIDVALIDITY. Only a folder that was made in this very second makes
//! anybody wait.

use super::make_folder::{self, parent};
use super::scan::{Mode, scan};
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
    done.inspect_err(|_| undo_create(dir))
}

/// Removes a folder that was made a moment ago, because something that belongs to CREATE failed. If
/// mail has come in meanwhile, the folder stays.
pub(crate) fn undo_create(dir: &Dir) {
    let validity = uiddb::validity_of(dir);
    make_folder::unmake(dir);
    wait_until_past(validity, parent(dir.path()));
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
    let validity = uiddb::validity_of(dir);
    remove(store, path)?;
    wait_until_past(validity, parent(path));
    Ok(())
}

/// Removes a directory with all that is in it: one rename takes it out of sight, into `tmp`; then
/// it is emptied there. What is left over after the rename is removed from `tmp` one day.
fn remove(store: &Store, path: &Path) -> Result<(), Error> {
    let moved = make_folder::path_in_tmp(store, path, make_folder::DELETED)
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

/// Waits until a new UIDVALIDITY will be greater than this one. `parent` is a directory that was
/// changed a moment ago: its time is the file system's time, from which the next UIDVALIDITY will
/// be made. Nobody waits for a value that lies further in the future than Courier's pause.
fn wait_until_past(validity: Option<UidValidity>, parent: &Path) {
    const MAX_WAIT_NANOS: i128 = 2_000_000_000;
    let Some(validity) = validity else { return };
    let past = (i128::from(validity.get()) + 1_000_000_001) * 1_000_000_000;
    let now =
        std::fs::metadata(parent).map_or_else(|_| clock::now_nanos(), |m| fs::mtime_nanos(&m));
    let left = past.saturating_sub(now);
    if left > MAX_WAIT_NANOS {
        return;
    }
    // The clock of file times may be a tick behind.
    let Ok(left) = u64::try_from(left.saturating_add(20_000_000)) else { return };
    let end = clock::monotonic() + Duration::from_nanos(left);
    loop {
        let left = end.saturating_duration_since(clock::monotonic());
        match poll::pause(left, None) {
            Ok(ready) if ready.signal || ready.hangup => return,
            Ok(_) => {}
            Err(_) => clock::sleep(left),
        }
        if left.is_zero() {
            return;
        }
    }
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
    let validity = moves.iter().filter_map(|(from, _)| uiddb::validity_of(&Dir::at(from))).max();
    for (at, (from, to)) in moves.iter().enumerate() {
        if let Err(e) = fs::rename_new(from, to) {
            for (from, to) in moves.iter().take(at).rev() {
                let _ = fs::rename_new(to, from);
            }
            return Err(failed(e));
        }
    }
    if store.config.fsync {
        // Mail that comes in under the new name must be found there after a crash. But the folders
        // are renamed now, whether the sync works or not.
        if let Err(e) = fs::sync_dir(root) {
            log::error!("{}: {}", fs::shown(root), fs::error_text(&e));
        }
    }
    wait_until_past(validity, root);
    for (_, to) in &moves {
        let dir = Dir::at(to);
        match fs::unlink(&dir.uid_file()) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => log::error!("{}: {e}", fs::shown(&dir.uid_file())),
        }
        // If this fails, the folder gets its UIDVALIDITY when it is opened next.
        let _ = scan(store, &dir, Mode::ReadWrite, None, Vec::new());
    }
    rename_hierarchy_lists(root, old, new);
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
