//! Folders as a whole: create, delete, rename (STORAGE 1.1).
//!
//! A UIDVALIDITY must never come back under a folder's name with other messages behind its UIDs. It
//! is the time at which the folder was made. So whoever takes a folder away first waits until the
//! clock has passed its UIDVALIDITY: another session, or another program, may make a folder of that
//! name at once. Only a folder that was made in this very second makes anybody wait.

use super::dir::UID_FILE;
use super::error::is_missing;
use super::lock::{self, Lock, MAX_CLOCK_SKEW};
pub(crate) use super::make_folder::TakenBack;
use super::make_folder::{self, must_be};
use super::scan::{Mode, scan};
use super::temporary::TemporaryFile;
use super::{Dir, Entered, Error, Store, folder_names, uiddb};
use crate::sys::directory::Directory;
use crate::sys::stat::Stat;
use crate::sys::{breath, clock, dir, fs};
use crate::types::{Flags, UidValidity};
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// A folder that was made a moment ago. It is open, so that no other directory gets its inode.
pub(crate) struct Created(Entered);

/// Makes a folder with an empty UID file. A folder that exists is an error (EEXIST). When this
/// fails half-way, nothing is left.
///
/// Another session may rename or remove the folder before it is ready. Then it was created first.
pub(crate) fn create(store: &Store, dir: &Dir) -> Result<Created, Error> {
    let made = make_folder::make(store, dir)
        .map_err(|e| Error::failed(format!("creating {}", fs::shown(dir.path())), e))?;
    let scanned = scan(store, &made, Mode::New, None, Vec::new());
    let done = scanned.and_then(|scanned| match scanned.snapshot.is_saved() {
        true => Ok(()),
        // An existing folder can be shown without a UID file. A new one needs it.
        false => Err(Error::failed(
            format!("creating {}", fs::shown(&made.uid_file_path())),
            fs::error(io::ErrorKind::PermissionDenied),
        )),
    });
    let created = Created(made);
    match done {
        Err(e) if undo_create(store, &created, &|_| {}) != TakenBack::Moved => Err(e),
        _ => Ok(created),
    }
}

/// Removes a folder that was made a moment ago, because something that belongs to CREATE failed. If
/// mail has come in meanwhile, the folder stays. `before`: what is done when it is certain to go.
pub(crate) fn undo_create(
    store: &Store,
    Created(made): &Created,
    before: &dyn Fn(&Directory),
) -> TakenBack {
    let Ok((maildir, name)) = make_folder::place(&Dir::at(made.path())) else {
        return TakenBack::Moved;
    };
    let validity = uiddb::validity_of(made);
    let taken = make_folder::take_back(store, (&maildir, &name), made, before);
    if taken == TakenBack::Removed {
        // It was there for a moment, and empty. The wait is for the client's next try.
        let tmp = maildir.open_directory(b"tmp").ok().map(Rc::new);
        let _ = wait_until_past(store, validity, tmp.as_ref());
    }
    taken
}

/// How often removing a folder is tried while others still put files into it.
const MAX_TRIES: u32 = 10;

/// Removes a folder and everything in it. Folders below it are directories of their own and stay. A
/// symbolic link is not removed (ENOTDIR).
pub(crate) fn delete(store: &Store, dir: &Dir) -> Result<(), Error> {
    let path = dir.path();
    let about = |e| Error::about("removing", path)(e);
    let (maildir, name) = make_folder::place(dir).map_err(about)?;
    if !maildir.stat(&name).map_err(about)?.is_dir() {
        return Err(Error::failed(
            format!("removing {}", fs::shown(path)),
            fs::error(io::ErrorKind::NotADirectory),
        ));
    }
    let folder = Entered::of(Rc::new(maildir.open_directory(&name).map_err(about)?));
    let this = folder.folder().own_stat().map_err(about)?;
    outlast(store, &folder)?;
    let removed = remove(store, (&maildir, &name), &this, &maildir);
    // As long as it is open, no other directory gets its inode.
    drop(folder);
    removed
}

/// Removes the directory (or link) `name` in `holder` with all that is in it, if it still is
/// `this`: another session may have removed it, and made another one. One rename takes it out of
/// sight, into the `tmp` of the Maildir; then it is emptied there. What is left over after the
/// rename is removed from `tmp` one day.
///
/// [`Error::Gone`] if it is not there any more.
pub(super) fn remove(
    store: &Store,
    (holder, name): (&Directory, &[u8]),
    this: &Stat,
    maildir: &Directory,
) -> Result<(), Error> {
    let about = |e| Error::about("removing", &holder.path_of(name))(e);
    let into = (maildir, make_folder::DELETED);
    let taken = make_folder::take_out(store, (holder, name), this, into).map_err(about)?;
    let Some((tmp, gone)) = taken else {
        return empty((holder, name), this).map_err(about);
    };
    if wait_for_movers(store, &tmp, &gone).is_err() {
        // It is out of sight, and goes with the leftovers.
        return Ok(());
    }
    if let Err(e) = empty((&tmp, &gone), this)
        && !breath::is_interruption(&e)
    {
        log::error!("{}: {}", fs::shown(&tmp.path_of(&gone)), fs::error_text(&e));
    }
    Ok(())
}

/// Whoever is moving messages into a folder has its lock. When the folder is out of sight, they are
/// taken back: none of them must be removed until then. Whoever gets the lock later sees first that
/// the folder is gone.
fn wait_for_movers(store: &Store, tmp: &Directory, gone: &[u8]) -> Result<(), Error> {
    let Ok(folder) = tmp.open_directory(gone).map(|open| Entered::of(Rc::new(open))) else {
        return Ok(());
    };
    let is_locked = folder.tmp().is_ok_and(|tmp| tmp.stat(lock::NAME).is_ok());
    if is_locked && store.config.use_locks {
        Lock::acquire(store, &folder).map(drop)
    } else {
        Ok(())
    }
}

/// Removes a directory with all that is in it, also if others still put files into it.
fn empty((holder, name): (&Directory, &[u8]), this: &Stat) -> io::Result<()> {
    for tries in 0.. {
        let Err(e) = holder.remove_tree(name, this) else { break };
        let kind = e.kind();
        if kind == io::ErrorKind::NotFound && must_be((holder, name), this).is_err() {
            break;
        }
        let is_refilled =
            matches!(kind, io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound);
        if !is_refilled || tries >= MAX_TRIES {
            return Err(e);
        }
    }
    Ok(())
}

/// Before a folder goes: waits until the clock has passed its UIDVALIDITY, so that a folder which
/// anybody makes under its name has a greater one.
///
/// [`Error::Stopped`] if a signal asks the session to stop. A client that goes away does not end
/// the wait: it may be back, with CREATE, before the second is over.
pub(super) fn outlast(store: &Store, dir: &Entered) -> Result<(), Error> {
    loop {
        let validity = uiddb::validity_of(dir);
        wait_until_past(store, validity, dir.tmp().ok())?;
        if uiddb::validity_of(dir) == validity {
            return Ok(());
        }
    }
}

/// Nobody waits for a UIDVALIDITY that lies further in the future than Courier's pause.
const MAX_WAIT_NANOS: i128 = 2_000_000_000;

/// Waits until a new UIDVALIDITY will be greater than this one. It will be made from the file
/// system's time, which is found by a file in `tmp`.
fn wait_until_past(
    store: &Store,
    validity: Option<UidValidity>,
    tmp: Option<&Rc<Directory>>,
) -> Result<(), Error> {
    let Some(validity) = validity else { return Ok(()) };
    let past = (i128::from(validity.get()) + 1_000_000_001) * 1_000_000_000;
    let file_time = || {
        let file = TemporaryFile::create(&store.config.host, tmp?, b"_time", 0o600).ok()?;
        Some(Stat::of(file.file().ok()?).ok()?.mtime_nanos())
    };
    // Where even the slowest clock has passed it, no file is needed.
    while clock::now_nanos().saturating_sub(MAX_CLOCK_SKEW) < past {
        let now = file_time().unwrap_or_else(clock::now_nanos);
        let left = past.saturating_sub(now);
        if left <= 0 || left > MAX_WAIT_NANOS {
            break;
        }
        // The clock of file times may be a tick behind.
        let left = Duration::from_nanos(u64::try_from(left).unwrap_or(0))
            .saturating_add(Duration::from_millis(1));
        match breath::pause(left, None) {
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
    let maildir = Directory::enter(root).map_err(failed)?;
    let mut moves: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for sub in folder_names::list_all(&maildir).map_err(failed)? {
        let Some(rest) =
            sub.strip_prefix(old).filter(|rest| rest.is_empty() || rest.starts_with(b"."))
        else {
            continue;
        };
        let from = [b".", &*sub].concat();
        let to = [b".", new, rest].concat();
        match enter(&maildir, &from).and_then(|folder| folder.folder().stat(b"cur")) {
            Ok(stat) if stat.is_dir() => {}
            // Not a folder.
            Ok(_) => continue,
            Err(e) if is_missing(&e) || fs::is_out_of_place(&e) => continue,
            // Half of a tree would be renamed.
            Err(e) => return Err(failed(e)),
        }
        if maildir.stat(&to).is_ok() {
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
        if let Ok(folder) = enter(&maildir, from) {
            outlast(store, &folder)?;
        }
    }
    rename_all(store, &maildir, &moves).map_err(failed)?;
    if store.config.fsync {
        // Mail that comes in under the new name must be found there after a crash. But the folders
        // are renamed now, whether the sync works or not.
        if let Err(e) = maildir.sync() {
            log::error!("{}: {}", fs::shown(root), fs::error_text(&e));
        }
    }
    for (_, to) in &moves {
        // If this fails, the folder gets its UIDVALIDITY when it is opened next.
        let Ok(dir) = enter(&maildir, to) else { continue };
        // There is a UID file if another session has scanned the folder at that moment.
        let _ = outlast(store, &dir);
        match dir.folder().unlink(UID_FILE) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => log::error!("{}: {}", fs::shown(&dir.uid_file_path()), fs::error_text(&e)),
        }
        if breath::breathe().is_ok()
            && let Err(e) = scan(store, &dir, Mode::ReadWrite, None, Vec::new())
        {
            log::error!("{e}");
        }
    }
    rename_hierarchy_lists(&maildir, old, new);
    Ok(())
}

fn enter(maildir: &Directory, name: &[u8]) -> io::Result<Entered> {
    maildir.enter_child(name).map(|open| Entered::of(Rc::new(open)))
}

/// Renames the folders, all of them or none. Their UID files are taken away first: nobody must see
/// a folder under its new name with the old UIDVALIDITY, which an earlier folder of the new name
/// may have had, if the two were made in one second.
fn rename_all(store: &Store, maildir: &Directory, moves: &[(Vec<u8>, Vec<u8>)]) -> io::Result<()> {
    let mut aside = Vec::new();
    for (from, to) in moves {
        let kept = enter(maildir, from).and_then(|folder| {
            let (tmp, kept) = make_folder::place_in_tmp(store, folder.folder(), b"_imapuid")?;
            folder.folder().rename_new(UID_FILE, &tmp, &kept)?;
            Ok(kept)
        });
        // Where this fails, the file goes a moment later, under the new name.
        aside.extend(kept.ok().map(|kept| (from, to, kept)));
    }
    let mut renamed = Vec::new();
    for (from, to) in moves {
        let rename = || -> io::Result<Renamed<'_>> {
            breath::breathe()?;
            let this = maildir.stat(from)?;
            maildir.rename_new(from, maildir, to)?;
            Ok(Renamed { from, to, this })
        };
        match rename() {
            Ok(one) => renamed.push(one),
            Err(e) => {
                rename_back(maildir, &renamed);
                for (from, _, kept) in &aside {
                    let _ = enter(maildir, from)
                        .and_then(|dir| dir.tmp()?.rename_new(kept, dir.folder(), UID_FILE));
                }
                return Err(e);
            }
        }
    }
    for (_, to, kept) in &aside {
        let _ = enter(maildir, to).and_then(|folder| folder.tmp()?.unlink(kept));
    }
    Ok(())
}

/// A folder that was renamed a moment ago, and which one it is.
struct Renamed<'a> {
    from: &'a [u8],
    to: &'a [u8],
    this: Stat,
}

/// Gives folders their old names back. What another session has made under the new name meanwhile
/// stays.
fn rename_back(maildir: &Directory, renamed: &[Renamed<'_>]) {
    for Renamed { from, to, this } in renamed.iter().rev() {
        let _ = must_be((maildir, to), this).and_then(|()| maildir.rename_new(to, maildir, from));
    }
}

/// Renames the access lists in `courierimaphieracl`, and replaces what is there (STORAGE 1.1).
fn rename_hierarchy_lists(maildir: &Directory, old: &[u8], new: &[u8]) {
    let Ok(kept) = maildir.open_directory(b"courierimaphieracl") else { return };
    for name in kept.names().unwrap_or_default() {
        if let Some(rest) =
            name.strip_prefix(old).filter(|rest| rest.is_empty() || rest.starts_with(b"."))
        {
            let _ = kept.rename(&name, &kept, &[new, rest].concat());
        }
    }
}

/// Whether a folder has a message without \Seen, in `new` or in `cur` (\Marked; PROTOCOL 4.5).
/// `false` if it cannot be read.
pub(crate) fn is_marked(dir: &Dir) -> bool {
    has_message(dir, |name| !Flags::of_file_name(name).contains(Flags::SEEN))
}

/// Whether a folder has any message. `false` if it cannot be read.
pub(crate) fn is_filled(dir: &Dir) -> bool {
    has_message(dir, |_| true)
}

/// Whether a folder has such a message.
fn has_message(dir: &Dir, is_such: impl Fn(&[u8]) -> bool) -> bool {
    let Ok(folder) = dir.enter() else { return false };
    let found = |part: &[u8]| {
        let mut any = false;
        let found = folder.folder().open_to_read(part).and_then(|d| {
            dir::for_each(&d, |name, _| any |= !name.starts_with(b".") && is_such(name))
        });
        found.is_ok() && any
    };
    found(b"new") || found(b"cur")
}

#[cfg(test)]
mod tests;
