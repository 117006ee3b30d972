//! Making a folder's directories, and taking them back. A folder appears and disappears by one
//! rename, out of or into the `tmp` of its Maildir: half a folder could neither be opened nor be
//! made again.

use super::dir::Dir;
use super::names::Stem;
use super::store::Store;
use crate::sys::{dir, fs};
use std::io;
use std::path::{Path, PathBuf};

/// How the name in `tmp` ends of a folder that is being made.
pub(super) const IN_THE_MAKING: &[u8] = b"_folder";
/// How the name in `tmp` ends of a folder that was deleted.
pub(super) const DELETED: &[u8] = b"_deleted";

/// A new path in the `tmp` of the Maildir or folder `root`, for what is on its way in or out. An
/// error if that `tmp` is no directory (a link, say).
pub(super) fn path_in_tmp(store: &Store, root: &Path, end: &[u8]) -> io::Result<PathBuf> {
    let tmp = root.join("tmp");
    dir::open(&tmp)?;
    let mut name = Stem::next(store).temporary(&store.config.host, None);
    name.extend_from_slice(end);
    Ok(fs::join(&tmp, &name))
}

/// The Maildir that holds the folder `path`.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes a directory that was left over in `tmp`, if its name is that of a folder. A deleted
/// folder goes with all that is in it. One in the making goes only if it holds no mail: a crash may
/// have undone the rename that put it in its place, after mail was acknowledged.
///
/// A folder that stays is logged on the first day it is found, not every day.
pub(super) fn remove_leftover(path: &Path, name: &[u8], is_first_day: bool) {
    if name.ends_with(DELETED) {
        let _ = fs::remove_tree(path);
    } else if name.ends_with(IN_THE_MAKING) {
        let dir = Dir::at(path);
        if !may_hold_mail(&dir) {
            unmake(&dir);
        } else if is_first_day {
            log::warn!(
                "{}: a folder that was never put in its place, with mail in it; it stays",
                fs::shown(path)
            );
        }
    }
}

/// Whether there may be a message. A directory that cannot be read may hold one.
fn may_hold_mail(dir: &Dir) -> bool {
    [dir.cur(), dir.new_mail()].iter().any(|part| match dir::names(part) {
        Ok(names) => !names.is_empty(),
        Err(e) => !fs::is_gone(&e),
    })
}

/// Makes a folder's directories and its `maildirfolder`, in Courier's order and with its modes. All
/// of it is synced before mail comes in. `AlreadyExists` if the folder is there.
pub(super) fn make(store: &Store, dir: &Dir) -> io::Result<()> {
    make_unsynced(store, dir)?;
    if !store.config.fsync {
        return Ok(());
    }
    let synced = fs::sync_dir(dir.path()).and_then(|()| fs::sync_dir(parent(dir.path())));
    synced.inspect_err(|_| unmake(dir))
}

fn make_unsynced(store: &Store, dir: &Dir) -> io::Result<()> {
    if fs::lstat(dir.path()).is_ok() {
        return Err(fs::error(io::ErrorKind::AlreadyExists));
    }
    let made = path_in_tmp(store, parent(dir.path()), IN_THE_MAKING)
        .map(Dir::at)
        .and_then(|new| make_at(&new).map(|()| new));
    let new = match made {
        Ok(new) => new,
        // A Maildir whose `tmp` cannot be used: the folder is made in its place.
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return make_at(dir);
        }
        Err(e) if fs::is_out_of_place(&e) => return make_at(dir),
        Err(e) => return Err(e),
    };
    match fs::rename_new(new.path(), dir.path()) {
        Ok(()) => Ok(()),
        Err(e) => {
            unmake(&new);
            if e.kind() == io::ErrorKind::CrossesDevices { make_at(dir) } else { Err(e) }
        }
    }
}

fn make_at(dir: &Dir) -> io::Result<()> {
    fs::mkdir(dir.path(), 0o700)?;
    let make_contents = || {
        for sub in [dir.tmp(), dir.new_mail(), dir.cur()] {
            fs::mkdir(&sub, 0o700)?;
        }
        fs::create_new(&dir.path().join("maildirfolder"), 0o600).map(drop)
    };
    make_contents().inspect_err(|_| unmake(dir))
}

/// Removes what [`make`] and a first scan made. If somebody has put a message in meanwhile, the
/// folder stays, whole.
pub(super) fn unmake(dir: &Dir) {
    for part in [dir.cur(), dir.new_mail()] {
        match fs::rmdir(&part) {
            Err(e) if !fs::is_gone(&e) => {
                let _ = fs::mkdir(&dir.cur(), 0o700);
                return;
            }
            _ => {}
        }
    }
    let _ = fs::rmdir(&dir.keywords());
    let _ = fs::unlink(&dir.uid_file());
    let _ = fs::unlink(&dir.path().join("maildirfolder"));
    let _ = fs::rmdir(&dir.tmp());
    let _ = fs::rmdir(dir.path());
}

/// Makes the trash folder if it is missing. Something else in its place is an error of its own
/// (`NotADirectory`): it is not the message that is missing.
pub(super) fn make_if_missing(store: &Store, dir: &Dir) -> io::Result<()> {
    match make(store, dir) {
        // Another session was first, or there is half a folder.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.cur().is_dir() => Ok(()),
        Err(e) if fs::is_gone(&e) || e.kind() == io::ErrorKind::AlreadyExists => {
            Err(fs::error(io::ErrorKind::NotADirectory))
        }
        other => other,
    }
}
