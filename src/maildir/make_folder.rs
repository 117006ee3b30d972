//! Making a folder's directories, and taking them back. A folder appears and disappears by one
//! rename, out of or into the `tmp` of its Maildir: half a folder could neither be opened nor be
//! made again.

use super::dir::{Dir, Entered, UID_FILE};
use super::names::Stem;
use super::special_use;
use super::store::Store;
use crate::sys::directory::Directory;
use crate::sys::fs;
use crate::sys::stat::Stat;
use std::io;
use std::path::Path;
use std::rc::Rc;

/// How the name in `tmp` ends of a folder that is being made.
pub(super) const IN_THE_MAKING: &[u8] = b"_folder";
/// How the name in `tmp` ends of a folder that was deleted.
pub(super) const DELETED: &[u8] = b"_deleted";

/// The Maildir that holds a folder, open, and the folder's name in it.
pub(super) fn place(dir: &Dir) -> io::Result<(Directory, Vec<u8>)> {
    let path = dir.path();
    let name = path.file_name().ok_or_else(|| fs::error(io::ErrorKind::InvalidInput))?;
    let parent = path.parent().unwrap_or(Path::new(""));
    Ok((Directory::enter(parent)?, name.as_encoded_bytes().to_vec()))
}

/// The `tmp` of a Maildir or folder, and a new name in it for what is on its way in or out. An
/// error if that `tmp` is no directory (a link, say).
pub(super) fn place_in_tmp(
    store: &Store,
    root: &Directory,
    end: &[u8],
) -> io::Result<(Directory, Vec<u8>)> {
    let tmp = root.open_directory(b"tmp")?;
    let mut name = Stem::next(store).temporary(&store.config.host, None);
    name.extend_from_slice(end);
    Ok((tmp, name))
}

/// Removes a directory that was left over in `tmp`, if its name is that of a folder. A deleted
/// folder goes with all that is in it. One in the making goes only if it holds no mail: a crash may
/// have undone the rename that put it in its place, after mail was acknowledged.
///
/// A folder that stays is logged on the first day it is found, not every day.
pub(super) fn remove_leftover(tmp: &Directory, name: &[u8], is_first_day: bool) {
    if name.ends_with(DELETED) {
        let _ = tmp.stat(name).and_then(|this| tmp.remove_tree(name, &this));
    } else if name.ends_with(IN_THE_MAKING) {
        let Ok(open) = tmp.open_directory(name) else { return };
        let dir = Entered::of(Rc::new(open));
        if !may_hold_mail(&dir) {
            unmake(tmp, name, &dir, &|_| {});
        } else if is_first_day {
            log::warn!(
                "{}: a folder that was never put in its place, with mail in it; it stays",
                fs::shown(dir.path())
            );
        }
    }
}

/// Whether there may be a message. A directory that cannot be read may hold one.
fn may_hold_mail(dir: &Entered) -> bool {
    [dir.cur(), dir.new_mail()].into_iter().any(|part| match part.and_then(|part| part.names()) {
        Ok(names) => !names.is_empty(),
        Err(e) => !fs::is_gone(&e),
    })
}

/// Makes a folder's directories and its `maildirfolder`, in Courier's order and with its modes. All
/// of it is synced before mail comes in. `AlreadyExists` if the folder is there.
pub(super) fn make(store: &Store, dir: &Dir) -> io::Result<Entered> {
    let (maildir, name) = place(dir)?;
    let made = make_unsynced(store, &maildir, &name)?;
    if store.config.fsync {
        let synced = made.folder().sync().and_then(|()| maildir.sync());
        synced.inspect_err(|_| _ = take_back(store, (&maildir, &name), &made, &|_| {}))?;
    }
    Ok(made)
}

fn make_unsynced(store: &Store, maildir: &Directory, name: &[u8]) -> io::Result<Entered> {
    if maildir.stat(name).is_ok() {
        return Err(fs::error(io::ErrorKind::AlreadyExists));
    }
    let made = place_in_tmp(store, maildir, IN_THE_MAKING).and_then(|(tmp, new_name)| {
        let made = make_at(&tmp, &new_name)?;
        Ok((tmp, new_name, made))
    });
    let (tmp, new_name, made) = match made {
        Ok(made) => made,
        // A Maildir whose `tmp` cannot be used: the folder is made in its place.
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return make_at(maildir, name);
        }
        Err(e) if fs::is_out_of_place(&e) => return make_at(maildir, name),
        Err(e) => return Err(e),
    };
    match tmp.rename_new(&new_name, maildir, name) {
        Ok(()) => Ok(made.moved_to(maildir.path_of(name))),
        Err(e) => {
            unmake(&tmp, &new_name, &made, &|_| {});
            if e.kind() == io::ErrorKind::CrossesDevices { make_at(maildir, name) } else { Err(e) }
        }
    }
}

fn make_at(parent: &Directory, name: &[u8]) -> io::Result<Entered> {
    parent.mkdir(name, 0o700)?;
    let dir = Entered::of(Rc::new(parent.open_directory(name)?));
    let make_contents = || {
        for part in ["tmp", "new", "cur"] {
            dir.folder().mkdir(part.as_bytes(), 0o700)?;
        }
        dir.folder().create_new(b"maildirfolder", 0o600).map(drop)
    };
    make_contents().inspect_err(|_| _ = unmake(parent, name, &dir, &|_| {}))?;
    Ok(dir)
}

/// What became of a folder that was to be taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TakenBack {
    /// It is gone.
    Removed,
    /// Somebody has put a message in: it is there, whole.
    HasMail,
    /// It is not under its name any more: another session has renamed or removed it.
    Moved,
}

/// Takes back the folder that [`make`] has made, if it still has its name: another session may have
/// renamed it, and yet another one have made a folder of that name. It is emptied out of sight,
/// where nobody puts anything in or renames it. `before`: what is done when it is certain to go.
pub(super) fn take_back(
    store: &Store,
    (maildir, name): (&Directory, &[u8]),
    made: &Entered,
    before: &dyn Fn(&Directory),
) -> TakenBack {
    let this = made.folder().own_stat();
    let hidden =
        this.and_then(|this| take_out(store, (maildir, name), &this, (maildir, IN_THE_MAKING)));
    match hidden {
        Err(e) => {
            if !fs::is_gone(&e) {
                log::error!("{}: {}", fs::shown(made.path()), fs::error_text(&e));
            }
            TakenBack::Moved
        }
        Ok(Some((tmp, hidden))) => {
            if unmake(&tmp, &hidden, made, before) {
                return TakenBack::Removed;
            }
            put_back((&tmp, &hidden), (maildir, name));
            TakenBack::HasMail
        }
        Ok(None) if unmake(maildir, name, made, before) => TakenBack::Removed,
        Ok(None) => TakenBack::HasMail,
    }
}

/// Takes the directory (or link) `name` of `holder` out of sight by one rename, into the `tmp` of
/// the Maildir, under a name with this end, if it is `this`: another session may have removed it,
/// and made another one. Where it is now; `None` if it cannot be moved.
///
/// Errors: `NotFound` if it is not there any more.
pub(super) fn take_out(
    store: &Store,
    (holder, name): (&Directory, &[u8]),
    this: &Stat,
    (maildir, end): (&Directory, &[u8]),
) -> io::Result<Option<(Directory, Vec<u8>)>> {
    must_be((holder, name), this)?;
    let moved = place_in_tmp(store, maildir, end)
        .and_then(|(tmp, hidden)| holder.rename_new(name, &tmp, &hidden).map(|()| (tmp, hidden)));
    let Ok((tmp, hidden)) = moved else {
        must_be((holder, name), this)?;
        return Ok(None);
    };
    if let Err(e) = must_be((&tmp, &hidden), this) {
        put_back((&tmp, &hidden), (holder, name));
        return Err(e);
    }
    Ok(Some((tmp, hidden)))
}

/// An error (`NotFound`) if there is another directory under this name, or none.
pub(super) fn must_be((holder, name): (&Directory, &[u8]), this: &Stat) -> io::Result<()> {
    let is_this = holder.stat(name)?.inode() == this.inode();
    if is_this { Ok(()) } else { Err(fs::error(io::ErrorKind::NotFound)) }
}

/// Puts a folder back that must not go. If yet another one has its name by now, it stays in `tmp`,
/// under a name by which no mail is removed.
fn put_back((tmp, hidden): (&Directory, &[u8]), (holder, name): (&Directory, &[u8])) {
    if let Err(e) = tmp.rename_new(hidden, holder, name) {
        let kept = [hidden, IN_THE_MAKING].concat();
        let _ = tmp.rename_new(hidden, tmp, &kept);
        log::error!("{}: {}", fs::shown(&tmp.path_of(&kept)), fs::error_text(&e));
    }
}

/// Removes what [`make`] and a first scan made of the folder `dir`, which is `name` in `parent`. If
/// somebody has put a message in meanwhile, the folder stays, whole, and this is `false`.
fn unmake(parent: &Directory, name: &[u8], dir: &Entered, before: &dyn Fn(&Directory)) -> bool {
    let folder = dir.folder();
    for part in ["cur", "new"] {
        match folder.rmdir(part.as_bytes()) {
            Err(e) if !fs::is_gone(&e) => {
                let _ = folder.mkdir(b"cur", 0o700);
                return false;
            }
            _ => {}
        }
    }
    before(folder);
    let _ = folder.rmdir(b"courierimapkeywords");
    let _ = folder.unlink(UID_FILE);
    let _ = folder.unlink(b"courierimapacl");
    let _ = folder.unlink(special_use::FILE);
    let _ = folder.unlink(b"maildirfolder");
    let _ = folder.rmdir(b"tmp");
    if folder.own_stat().and_then(|this| must_be((parent, name), &this)).is_ok() {
        let _ = parent.rmdir(name);
    }
    true
}

/// Makes the trash folder if it is missing. Something else in its place is an error of its own
/// (`NotADirectory`): it is not the message that is missing.
pub(super) fn make_if_missing(store: &Store, dir: &Dir) -> io::Result<Entered> {
    match make(store, dir) {
        Err(e) if fs::is_gone(&e) || e.kind() == io::ErrorKind::AlreadyExists => {
            // Another session was first, or there is half a folder.
            let there = dir.enter().ok().filter(|_| e.kind() == io::ErrorKind::AlreadyExists);
            let there = there.filter(Entered::has_cur);
            there.ok_or_else(|| fs::error(io::ErrorKind::NotADirectory))
        }
        other => other,
    }
}
