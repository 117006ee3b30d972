//! Changing messages: flags by a rename, deletion by an unlink or by a move into the trash. No lock
//! is taken for it. Each change begins with a name that somebody may have changed since, see
//! [`super::follow`].

use super::follow::with_current_name;
use super::messages::{Messages, bit};
use super::names::{self, Stem};
use super::quota::{self, Action, Charge, Exceeded, Quota};
use super::second_names::{SecondNames, is_same_file};
use super::{Dir, Entered, Error, Store, make_folder, renamed, shared_link};
use crate::sys::directory::Directory;
use crate::sys::stat::Stat;
use crate::sys::{control, fs};
use crate::types::{Flags, Operation};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

/// Opens a message. If another session has changed its flags, they are taken over
/// ([`Messages::take_changed`]).
///
/// [`Error::Gone`] if the message is not there any more.
pub(crate) fn open(
    dir: &Entered,
    messages: &mut Messages,
    i: usize,
) -> Result<(File, Stat), Error> {
    with_current_name(dir, messages, i, "opening", |_, name| {
        if dir.is_of_links() {
            shared_link::open(dir, name)
        } else {
            dir.cur()?.open(name).map(Some)
        }
    })?
    .ok_or(Error::Gone)
}

/// Opens a message and works with the file, again if another host replaces the file meanwhile
/// (GlusterFS opens it only when it is read). Errors: those of [`open`], and inside, the work's.
pub(crate) fn with_open<T>(
    dir: &Entered,
    messages: &mut Messages,
    i: usize,
    mut work: impl FnMut(&Messages, (&File, &Stat)) -> Result<T, Error>,
) -> Result<Result<T, Error>, Error> {
    let try_once = || open(dir, messages, i).map(|(file, stat)| work(messages, (&file, &stat)));
    control::while_stale(try_once, |done| {
        let failed = done.as_ref().ok().and_then(|done| done.as_ref().err());
        failed.and_then(Error::io).is_some_and(fs::is_stale)
    })
}

/// Opens a message again whose open file was replaced by another host. It has this base name, and
/// was last seen in `cur` under this file name. Errors: ENOENT if `cur` has it no more.
pub(crate) fn reopen(cur: &Directory, base: &[u8], name: &[u8]) -> io::Result<File> {
    let opened = cur.open(name).or_else(|e| match renamed::find(cur, base, name) {
        Some(now) if fs::is_gone(&e) => cur.open(&now),
        _ => Err(e),
    });
    let opened = match opened {
        // A name may be remembered that is gone. What the directory has is asked of the server.
        Err(e) if fs::is_stale(&e) => match cur.names()?.iter().find(|n| names::base(n) == base) {
            Some(now) => cur.open(now),
            None => Err(fs::error(io::ErrorKind::NotFound)),
        },
        other => other,
    };
    opened.map(|(file, _)| file)
}

/// A change of system flags.
#[derive(Clone, Copy)]
pub(crate) struct Edit<'a> {
    operation: Operation,
    flags: Flags,
    allowed: Flags,
    quota: Option<&'a Quota<'a>>,
}

impl<'a> Edit<'a> {
    /// Flags outside of `allowed` stay as they are.
    pub(crate) fn new(operation: Operation, flags: Flags, allowed: Flags) -> Edit<'a> {
        Edit { operation, flags, allowed, quota: None }
    }

    /// With the quota that the messages of the folder count for, unless they are \Deleted: what
    /// the change adds or takes away is accounted for (STORAGE 7.3).
    pub(crate) fn counted_by(self, quota: Option<&'a Quota<'a>>) -> Edit<'a> {
        Edit { quota, ..self }
    }

    /// Charges the quota, if the message begins or ceases to count by this change; `Exceeded` if it
    /// does not fit. An error if the file is not there: nothing is charged for a file that is
    /// missing, and nothing is done to a file without a charge.
    fn charge(
        &self,
        old: Flags,
        new: Flags,
        (cur, name): (&Directory, &[u8]),
    ) -> io::Result<Result<Option<Charge>, Exceeded>> {
        let counts = quota::is_counted(new);
        let changes = |quota: &&Quota<'_>| quota::is_counted(old) != counts && quota.is_kept();
        let Some(quota) = self.quota.filter(changes) else { return Ok(Ok(None)) };
        let found = cur.stat(name)?.len();
        let size = quota::size_in_name(name).unwrap_or(found);
        if counts {
            return Ok(quota.check_and_add(size, 1, Action::Store));
        }
        let charge = quota.begin();
        if let Some(charge) = &charge {
            charge.subtract(size, 1);
        }
        Ok(Ok(charge))
    }
}

/// Changes a message's flags, starting from those that it has on disk. The flags after that. The
/// changes of others are still to be announced ([`Messages::take_changed`]): a silent STORE has no
/// reply that would do it. Unknown letters in the name are lost by a change (STORAGE 1.2).
///
/// [`Error::Gone`] if the message is not there any more; [`Error::OverQuota`] if \Deleted would be
/// taken away and the quota has no room for the message.
pub(crate) fn store_flags(
    dir: &Entered,
    messages: &mut Messages,
    i: usize,
    edit: &Edit<'_>,
) -> Result<Flags, Error> {
    let mut is_over_quota = false;
    let done = with_current_name(dir, messages, i, CHANGING, |messages, name| {
        let old = messages.flags(i);
        let Ok(flags) = rename(dir, messages, (i, name), edit)? else {
            is_over_quota = true;
            return Ok(old);
        };
        Ok(flags)
    });
    if is_over_quota { Err(Error::OverQuota) } else { done }
}

/// What is done when a file cannot be renamed, for the log.
const CHANGING: &str = "changing the flags of";

/// Renames a message's file from this name to that of its flags after the change: these flags, or
/// `Exceeded` if they would take room that the quota does not have.
fn rename(
    dir: &Entered,
    messages: &mut Messages,
    (i, name): (usize, &[u8]),
    edit: &Edit<'_>,
) -> io::Result<Result<Flags, Exceeded>> {
    let old = messages.flags(i);
    let flags = edit.operation.apply(old, edit.flags, edit.allowed);
    let cur = dir.cur()?;
    if flags == old {
        // There is nothing to do, if the file still has these flags.
        cur.stat(name)?;
        return Ok(Ok(flags));
    }
    let target = names::with_flags(names::base(name), flags);
    let charge = match edit.charge(old, flags, (cur, name))? {
        Ok(charge) => charge,
        Err(exceeded) => return Ok(Err(exceeded)),
    };
    // Only one session can rename a message from one name to another, so each change is accounted
    // for once.
    let renamed = match cur.rename_within(name, &target) {
        // The file has both names. The other one goes with EXPUNGE, or with a scan.
        Err(e)
            if e.kind() == io::ErrorKind::AlreadyExists
                && is_same_file(&cur.stat(name)?, &cur.stat(&target)?) =>
        {
            Ok(())
        }
        renamed => renamed,
    };
    if let (Some(quota), Some(charge)) = (edit.quota, charge) {
        match renamed {
            Ok(()) => quota.settle(&charge),
            Err(_) => quota.cancel(&charge),
        }
    }
    renamed?;
    messages.set_file_name(i, &target);
    Ok(Ok(flags))
}

/// What came of a change that is made only if nobody else has changed the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Swap {
    /// It is made.
    Done,
    /// Somebody else has changed the message, and what they have made of it is taken over
    /// ([`Messages::take_changed`]).
    Refused,
}

/// Changes a message's flags, if its file still has the name that is known: who renames it first
/// wins (RFC 7162 3.1.3). Errors: those of [`store_flags`].
pub(crate) fn swap_flags(
    dir: &Entered,
    messages: &mut Messages,
    i: usize,
    edit: &Edit<'_>,
) -> Result<Swap, Error> {
    let name = messages.file_name(i);
    if name.is_empty() {
        return Err(Error::Gone);
    }
    match rename(dir, messages, (i, &name), edit) {
        Ok(Ok(_)) => Ok(Swap::Done),
        Ok(Err(_)) => Err(Error::OverQuota),
        Err(e) if fs::is_gone(&e) => {
            with_current_name(dir, messages, i, CHANGING, |_, name| dir.cur()?.stat(name))?;
            Ok(Swap::Refused)
        }
        Err(e) => Err(Error::about(CHANGING, &dir.message_path(&name))(e)),
    }
}

/// A message's file that was removed.
#[derive(Debug)]
pub(crate) struct Removed {
    /// Its path.
    pub(crate) from: PathBuf,
    /// Its path in the trash, if it is there.
    pub(crate) to: Option<PathBuf>,
}

/// What one command that removes messages goes by.
#[derive(Default)]
pub(crate) struct Removal {
    second_names: SecondNames,
    /// Whether a message goes from which another session has taken \Deleted.
    whatever_flags: bool,
}

impl Removal {
    /// For messages whatever their flags are.
    pub(crate) fn of_any() -> Removal {
        Removal { whatever_flags: true, ..Removal::default() }
    }

    fn keeps(&self, messages: &Messages, i: usize) -> bool {
        !self.whatever_flags && is_undeleted(messages, i)
    }
}

/// Unlinks a message, under all its names; `None` if it is not gone by this call. With a link its
/// target is removed, too; if that is impossible, the link stays. A message stays, too, if another
/// session has taken \Deleted away.
pub(crate) fn unlink(
    dir: &Entered,
    messages: &mut Messages,
    i: usize,
    removal: &mut Removal,
) -> Result<Option<Removed>, Error> {
    let done = with_current_name(dir, messages, i, "removing", |messages, name| {
        let cur = dir.cur()?;
        if removal.keeps(messages, i) {
            cur.stat(name)?;
            return Ok(None);
        }
        let is_gone = if dir.is_of_links() {
            shared_link::expunge(dir, name)?
        } else {
            let stat = cur.stat(name)?;
            removal.second_names.look(dir, messages, &stat);
            cur.unlink(name)?;
            removal.second_names.remove(i, &stat);
            true
        };
        Ok(is_gone.then(|| Removed { from: cur.path_of(name), to: None }))
    });
    note_removal(done, messages, i)
}

/// The trash folder on its way through one command: entered when a message goes there.
pub(crate) struct Trash {
    dir: Dir,
    entered: Option<Entered>,
}

impl Trash {
    /// The folder of this place. It need not be there.
    pub(crate) fn at(dir: Dir) -> Trash {
        Trash { dir, entered: None }
    }

    /// Its `cur`; the folder is made if it is missing.
    fn cur(&mut self, store: &Store) -> io::Result<Rc<Directory>> {
        let known = self.entered.take().map_or_else(|| self.dir.enter(), Ok);
        let with_cur = known.and_then(|entered| {
            entered.cur()?;
            Ok(entered)
        });
        let entered = match with_cur {
            Err(e) if fs::is_gone(&e) => make_folder::make_if_missing(store, &self.dir)?,
            with_cur => with_cur?,
        };
        let cur = entered.cur().cloned();
        self.entered = Some(entered);
        cur
    }

    /// Whether it was removed since it was entered. Then it is entered anew the next time.
    fn is_gone(&mut self) -> bool {
        let is_gone = !self.entered.as_ref().is_some_and(Entered::has_cur);
        if is_gone {
            self.entered = None;
        }
        is_gone
    }
}

/// How many names are tried for a message in the trash.
const MAX_TRASH_NAMES: u32 = 4;

/// The flags that a message loses on its way into the trash (STORAGE 10.1).
pub(crate) fn lost_in_trash() -> Flags {
    Flags::DELETED | Flags::DRAFT
}

/// Moves a message into the trash folder's `cur` under the same base name, without the flags
/// [`lost_in_trash`]. The folder is made if it is missing. `None` if the message is not gone by
/// this call; as with [`unlink`], one that has lost \Deleted stays.
///
/// An error with EXDEV: the trash is in another file system, and nothing was done.
pub(crate) fn move_to_trash(
    store: &Store,
    dir: &Entered,
    messages: &mut Messages,
    i: usize,
    (trash, removal): (&mut Trash, &mut Removal),
) -> Result<Option<Removed>, Error> {
    let done = with_current_name(dir, messages, i, "moving to the trash", |messages, name| {
        let cur = dir.cur()?;
        if removal.keeps(messages, i) {
            cur.stat(name)?;
            return Ok(None);
        }
        let stat = cur.stat(name)?;
        removal.second_names.look(dir, messages, &stat);
        let fresh = || Stem::next(store).base(&store.config.host, stat.inode(), stat.len());
        // Courier: the base name stays. One that says when the message came into this folder would
        // be wrong in the other (RFC 8514 3).
        let base = names::base(name);
        let mut new = if names::saved(base).is_some() { fresh() } else { base.to_vec() };
        for _ in 0..MAX_TRASH_NAMES {
            let to = trash.cur(store)?;
            let target = names::renamed_without(name, &new, lost_in_trash());
            match cur.rename_new(name, &to, &target) {
                Ok(()) => {
                    removal.second_names.remove(i, &stat);
                    let (from, to) = (cur.path_of(name), Some(to.path_of(&target)));
                    return Ok(Some(Removed { from, to }));
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => new = fresh(),
                // The folder is not there; or else the message is not.
                Err(e) if fs::is_gone(&e) && trash.is_gone() => {}
                Err(e) => return Err(e),
            }
        }
        Err(fs::error(io::ErrorKind::AlreadyExists))
    });
    note_removal(done, messages, i)
}

/// Whether another session has taken \Deleted away.
fn is_undeleted(messages: &Messages, i: usize) -> bool {
    messages.has(i, bit::CHANGED) && !messages.flags(i).contains(Flags::DELETED)
}

/// Marks a removed message as gone. One that was gone before is no error.
fn note_removal(
    done: Result<Option<Removed>, Error>,
    messages: &mut Messages,
    i: usize,
) -> Result<Option<Removed>, Error> {
    match done {
        Ok(Some(removed)) => {
            messages.mark(i, bit::GONE);
            Ok(Some(removed))
        }
        Err(Error::Gone) => Ok(None),
        other => other,
    }
}

#[cfg(test)]
mod tests;
