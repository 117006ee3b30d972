//! Folders as a whole: made, removed, renamed, listed (STORAGE 1.1).
//!
//! A folder's UIDVALIDITY must never come back under its name with other messages behind its UIDs.
//! It is the time of its making, so whoever removes or renames a folder waits until the clock has
//! passed the UIDVALIDITY that goes away: nothing, but for a folder that was made in this very
//! second.

use super::names::Stem;
use super::scan::{Mode, scan};
use super::{Dir, Error, Store, uiddb};
use crate::sys::{clock, dir, fs, poll};
use crate::types::{Flags, UidValidity};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Makes a folder with its empty UID file. One that is there already is an error (EEXIST); when it
/// fails half-way, nothing stays.
pub(crate) fn create(store: &Store, dir: &Dir) -> Result<(), Error> {
    make(store, dir)
        .map_err(|e| Error::failed(format!("creating {}", fs::shown(dir.path())), e))?;
    let scanned = scan(store, dir, Mode::ReadWrite, None, Vec::new());
    let done = scanned.and_then(|_| match uiddb::validity_of(dir) {
        // A full disk: the scan goes on without it, for a folder that is there already.
        None => Err(Error::failed(
            format!("creating {}", fs::shown(&dir.uid_file())),
            fs::error(io::ErrorKind::StorageFull),
        )),
        Some(_) => Ok(()),
    });
    done.inspect_err(|_| take_back(dir))
}

/// What the name of a folder in `tmp` ends in: one that is being made, and one that was deleted.
const COMING: &[u8] = b"_folder";
const GOING: &[u8] = b"_deleted";

/// A new name in the `tmp` of the Maildir that the folder at `path` is in. A folder comes and goes
/// by a rename from or to there: half of one would be neither to be opened nor to be made again.
///
/// An error if that `tmp` is no directory, but a link, say.
fn aside(store: &Store, path: &Path, end: &[u8]) -> io::Result<PathBuf> {
    let tmp = parent(path).join("tmp");
    dir::open(&tmp)?;
    let mut name = Stem::next(store).temporary(store, None);
    name.extend_from_slice(end);
    Ok(fs::join(&tmp, &name))
}

/// The Maildir that the folder at `path` is in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes what is left in `tmp` of a folder on its way in or out, if the name is that of one. What
/// its owner has deleted goes with all that is in it. One that was being made goes only if it is
/// empty: a crash may have taken back the rename by which it got its place, and mail that was
/// acknowledged may lie in it.
///
/// `first`: this is the first day on which it is found; the log has it then, and not for ever.
pub(super) fn sweep(path: &Path, name: &[u8], first: bool) {
    if name.ends_with(GOING) {
        let _ = fs::remove_tree(path);
    } else if name.ends_with(COMING) {
        let dir = Dir::at(path);
        if !holds_mail(&dir) {
            unmake(&dir);
        } else if first {
            log::warn!(
                "{}: a folder that was never put in its place, with mail in it; it stays",
                fs::shown(path)
            );
        }
    }
}

/// Whether there may be a message: a directory that cannot be read may hold one.
fn holds_mail(dir: &Dir) -> bool {
    [dir.cur(), dir.new_mail()].iter().any(|part| match dir::names(part) {
        Ok(names) => !names.is_empty(),
        Err(e) => !fs::is_gone(&e),
    })
}

/// Makes a folder's directories and its mark, in Courier's order and with its modes; all of it is
/// on disk before mail comes into it.
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
    let new = match aside(store, dir.path(), COMING)
        .map(Dir::at)
        .and_then(|new| make_at(&new).map(|()| new))
    {
        Ok(new) => new,
        // A Maildir whose `tmp` cannot be used: in its place, then.
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
    let inside = || {
        for sub in [dir.tmp(), dir.new_mail(), dir.cur()] {
            fs::mkdir(&sub, 0o700)?;
        }
        fs::create_new(&dir.path().join("maildirfolder"), 0o600).map(drop)
    };
    inside().inspect_err(|_| unmake(dir))
}

/// Takes back what [`make_at`] and a first scan did. A folder into which somebody has put something
/// meanwhile stays, whole.
fn unmake(dir: &Dir) {
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

/// Takes a folder back that was made a moment ago, and whose making did not come to its end; what
/// has come into it stays.
pub(crate) fn take_back(dir: &Dir) {
    let validity = uiddb::validity_of(dir);
    unmake(dir);
    wait_until_past(validity, parent(dir.path()));
}

/// The tries at removing a folder into which others still put things.
const TRIES: u32 = 10;

/// Removes a folder and everything in it; folders below it are directories of their own and stay. A
/// symbolic link is not a folder to be removed (ENOTDIR).
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

/// Removes a directory with all that is in it: in one step out of sight, then piece by piece. What
/// is left after the first step is swept out of `tmp` one day.
fn remove(store: &Store, path: &Path) -> Result<(), Error> {
    let gone =
        aside(store, path, GOING).and_then(|gone| fs::rename_new(path, &gone).map(|()| gone));
    let moved = gone.is_ok();
    let at = gone.as_deref().unwrap_or(path);
    let mut tries = 0;
    loop {
        match fs::remove_tree(at) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound && fs::lstat(at).is_err() => {
                return Ok(());
            }
            Err(e)
                if tries >= TRIES
                    || !matches!(
                        e.kind(),
                        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound
                    ) =>
            {
                if moved {
                    log::error!("{}: {}", fs::shown(at), fs::error_text(&e));
                    return Ok(());
                }
                return Err(Error::failed(format!("removing {}", fs::shown(path)), e));
            }
            Err(_) => tries += 1,
        }
    }
}

/// Waits until a new UIDVALIDITY will be greater. `parent` is a directory that was changed a moment
/// ago: its time is that of the file system, from which the next UIDVALIDITY will be taken. For a
/// value from a future that is further away than Courier's pause there is no waiting.
fn wait_until_past(validity: Option<UidValidity>, parent: &Path) {
    const LONGEST: i128 = 2_000_000_000;
    let Some(validity) = validity else { return };
    let past = (i128::from(validity.get()) + 1_000_000_001) * 1_000_000_000;
    let now =
        std::fs::metadata(parent).map_or_else(|_| clock::now_nanos(), |m| fs::mtime_nanos(&m));
    let left = past.saturating_sub(now);
    if left > LONGEST {
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

/// Renames the own folder `.<old>` and all below it, in the Maildir `root`. Each gets a new
/// UIDVALIDITY, and the rights that are kept for names without a directory go along (STORAGE 1.1).
///
/// Errors: [`Error::Gone`] if there is no such folder (Courier: none), EEXIST if one of the new
/// names is taken, EINVAL for a move into itself; then nothing is renamed.
pub(crate) fn rename(store: &Store, root: &Path, old: &[u8], new: &[u8]) -> Result<(), Error> {
    let failed = |e: io::Error| Error::failed(format!("renaming in {}", fs::shown(root)), e);
    if new.strip_prefix(old).is_some_and(|rest| rest.is_empty() || rest.starts_with(b".")) {
        return Err(failed(fs::error(io::ErrorKind::InvalidInput)));
    }
    let mut moves: Vec<(PathBuf, PathBuf)> = Vec::new();
    for sub in list_own(root).map_err(failed)? {
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
        // Courier: done, with nothing done. RFC 3501 6.3.5 has an error for a folder that is not
        // there.
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
        // Mail that comes in under the new name is found under it after a crash. The folders are
        // renamed either way.
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
        // If this fails the folder gets its UIDVALIDITY when it is next opened.
        let _ = scan(store, &dir, Mode::ReadWrite, None, Vec::new());
    }
    rename_kept_rights(root, old, new);
    Ok(())
}

/// `courierimaphieracl`, the rights of names that have no directory, goes along, replacing what is
/// there (STORAGE 1.1).
fn rename_kept_rights(root: &Path, old: &[u8], new: &[u8]) {
    let kept = root.join("courierimaphieracl");
    for name in dir::names(&kept).unwrap_or_default() {
        if let Some(rest) =
            name.strip_prefix(old).filter(|rest| rest.is_empty() || rest.starts_with(b"."))
        {
            let _ = fs::rename(&fs::join(&kept, &name), &fs::join(&kept, &[new, rest].concat()));
        }
    }
}

/// The own folders in a Maildir, by their names without the first dot, in the directory's order:
/// every entry that begins with a dot, even if it is no folder (STORAGE 1.1).
pub(crate) fn list_own(root: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut subs = Vec::new();
    dir::for_each(&dir::open(root)?, |name, _| {
        if let Some(sub) = name.strip_prefix(b".") {
            subs.push(sub.to_vec());
        }
    })?;
    Ok(subs)
}

/// Whether a folder has a message without \Seen, in `new` or in `cur` (\Marked; PROTOCOL 4.5). One
/// that cannot be read has none.
pub(crate) fn marked(dir: &Dir) -> bool {
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
