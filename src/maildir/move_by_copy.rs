//! Moving messages where a rename is not possible, or not as good as a copy: to another file
//! system, out of somebody else's folder, out of an old-style shared folder.
//!
//! The copies are delivered as any other messages; they are on disk, with their UIDs, before the
//! first original is removed. A kill may leave a message in both folders, never in none. If an
//! original cannot be removed, its copy is.

use super::deliver::Delivery;
use super::follow::with_current_name;
use super::moving::{Moves, State};
use super::scan::{Mode, scan};
use super::{Entered, Error, change, names, shared_link};
use crate::sys::breath::{self, Items};
use crate::sys::fs;
use crate::types::{Flags, UidValidity};
use std::io;

/// Moves messages into the folder; its UIDVALIDITY, if the UIDs that they have got are on disk. An
/// error does not say that nothing has moved: `moves` knows what has.
///
/// [`Error::Gone`] if the folder is not there any more: no more originals are removed then.
pub(crate) fn move_by_copy(
    to: &Entered,
    moves: &mut Moves<'_>,
) -> Result<Option<UidValidity>, Error> {
    let (mut which, mut deliveries) = (Vec::new(), Vec::new());
    let mut items = Items::of(moves.all.len());
    for n in 0..moves.all.len() {
        if moves.all.get(n).is_none_or(|m| m.state != State::Waiting) {
            continue;
        }
        items.breathe()?;
        if let Some(delivery) = copy(moves, n, to)? {
            which.push(n);
            deliveries.push(delivery);
        }
    }
    drop(items);
    if deliveries.is_empty() {
        return Ok(None);
    }
    let scanned = scan(moves.store(), to, Mode::ReadWrite, None, deliveries)?;
    let mut uids = scanned.delivered.iter();
    for (n, name) in which.into_iter().zip(&scanned.names) {
        if let Some(moving) = moves.all.get_mut(n) {
            moving.uid = uids.next().copied();
            moving.copied_as = Some(names::base(name).into());
        }
        if !to.is_in_place() {
            return Err(Error::Gone);
        }
        moves.is_stopped |= breath::breathe().is_err();
        // What is not moved any more is not left in both folders either.
        let done = if moves.is_stopped { Err(Error::Stopped) } else { remove(moves, n) };
        let done = follow(moves, (n, to, name), done);
        moves.note(n, done);
    }
    moves.follow_keywords(to);
    Ok((!scanned.delivered.is_empty()).then_some(scanned.snapshot.uid_validity))
}

/// Makes the copy ready; `None` if the message is gone, or cannot be opened.
fn copy(moves: &mut Moves<'_>, n: usize, to: &Entered) -> Result<Option<Delivery>, Error> {
    let Some(index) = moves.all.get(n).map(|m| m.index) else { return Ok(None) };
    let (store, from) = (moves.store(), &moves.from);
    let copied = change::with_open(from, moves.messages, index, |messages, opened| {
        let path = || from.message_path(&messages.file_name(index));
        Delivery::copy_of(store, (from, to), opened, path)
    });
    let (mut delivery, mtime) = match copied {
        Ok(copied) => copied?,
        Err(Error::Stopped) => return Err(Error::Stopped),
        Err(e) => {
            moves.note(n, Err(e));
            return Ok(None);
        }
    };
    let flags = moves.flags_of(index);
    if let Some(moving) = moves.all.get_mut(n) {
        moving.flags = flags;
    }
    delivery.finish(moves.store(), flags, moves.keywords_of(index), mtime)?;
    Ok(Some(delivery))
}

/// Removes the original; the flags that it had. An error if it stays.
fn remove(moves: &mut Moves<'_>, n: usize) -> Result<Flags, Error> {
    let Some(i) = moves.all.get(n).map(|m| m.index) else { return Err(Error::Gone) };
    let Moves { from, messages, second_names, .. } = moves;
    with_current_name(from, messages, i, "moving", |messages, name| {
        let cur = from.cur()?;
        if from.is_of_links() {
            let is_gone = shared_link::expunge(from, name)?;
            return if is_gone { Ok(()) } else { Err(fs::error(io::ErrorKind::PermissionDenied)) };
        }
        let stat = cur.stat(name)?;
        second_names.look(from, messages, &stat);
        cur.unlink(name)?;
        second_names.remove(i, &stat);
        Ok(())
    })?;
    Ok(moves.flags_of(i))
}

/// The copy, `name`, goes if the original stays or has gone elsewhere, and else gets the flags that
/// the original had in the end.
fn follow(
    moves: &Moves<'_>,
    (n, to, name): (usize, &Entered, &[u8]),
    done: Result<Flags, Error>,
) -> Result<Flags, Error> {
    let copied = moves.all.get(n).map_or(Flags::empty(), |m| m.flags);
    match done {
        Ok(flags) if flags == copied => Ok(flags),
        Ok(flags) => {
            // If another session was faster, its change counts.
            let now = names::with_flags(names::base(name), flags);
            let renamed = to.cur().and_then(|cur| cur.rename_within(name, &now));
            Ok(if renamed.is_ok() { flags } else { copied })
        }
        // A network file system may say so of a file that it has removed.
        Err(Error::Gone) if !moves.from.folder().is_local() => Ok(copied),
        Err(e) => {
            let _ = to.cur().and_then(|cur| cur.unlink(name));
            let base = names::base(name);
            let _ = to.keywords().and_then(|keywords| keywords.unlink(base));
            Err(e)
        }
    }
}
