//! Moving messages into a folder by a rename of each, under the folder's lock.
//!
//! The UID file with the new names is written and synced first, under its name in `tmp`. Then the
//! files are renamed, and then the UID file gets its name. So:
//!
//! - If the UID file cannot be written (a full disk), nothing has moved.
//! - Whoever scans without the lock finds files that have no line, as in a delivery, and waits for
//!   the lock. Nobody is ever told of a next UID above messages that are yet to come.
//! - A kill leaves each message in one of the two folders. What has come has no UID then, and the
//!   next scan gives it one.
//! - A message that was not there any more, or could not be renamed, leaves a line without a file.
//!   The next scan drops the line, and the UID is not given again.
//!
//! What has moved is never removed here, whatever goes wrong later.

use super::lock::{self, Access, Turn};
use super::request::{Mode, Request};
use super::save::{self, Saved};
use super::{MAX_TRIES, collect, sync};
use crate::maildir::deliver::Arrivals;
use crate::maildir::messages::Messages;
use crate::maildir::{Entered, Error, Store, state};
use crate::types::UidValidity;

/// Messages of another folder that come in.
pub(crate) trait Incoming {
    /// The names that those have, or will have, which have come or are about to.
    fn names(&self) -> Vec<Vec<u8>>;
    /// Those that are about to come into the folder's `cur` do, as far as they can.
    fn arrive(&mut self, to: &Entered);
    /// Whether any has come.
    fn have_arrived(&self) -> bool;
    /// Those that have come go back, as far as they can: the folder is not there any more.
    fn go_back(&mut self, to: &Entered);
    /// Takes from the folder's messages the UIDs that those which have come have got.
    fn take_uids(&mut self, there: &Messages);
}

/// Moves messages into the folder; its UIDVALIDITY, if the UIDs that they have got are on disk. An
/// error does not say that nothing has moved: `moves` knows what has.
///
/// [`Error::Gone`] if the folder is not there any more. Then nothing has moved, or it has moved
/// back. `above`: UIDs below this one are not given.
pub(crate) fn move_in(
    store: &Store,
    dir: &Entered,
    above: Option<(UidValidity, u32)>,
    moves: &mut dyn Incoming,
) -> Result<Option<UidValidity>, Error> {
    let mode = Mode::ReadWrite;
    let mut request = Request { above, delivers: true, ..Request::new(store, dir, mode) };
    for _ in 0..MAX_TRIES {
        match once(&request, moves) {
            Ok(Try::Done(validity)) => return Ok(validity),
            Ok(Try::Again) => {}
            Ok(Try::Doubtful(validity)) => request.doubtful = Some(validity),
            Err(e) => {
                // What came in an earlier try.
                must_be_in_place(dir, moves)?;
                return Err(e);
            }
        }
    }
    must_be_in_place(dir, moves)?;
    Err(Error::Locked)
}

/// What came of one try, as in any other scan.
enum Try {
    Done(Option<UidValidity>),
    Again,
    Doubtful(UidValidity),
}

fn once(request: &Request<'_>, moves: &mut dyn Incoming) -> Result<Try, Error> {
    let Turn::Ours(mut access) = lock::lock(request, None)? else { return Ok(Try::Again) };
    let done = with_lock(request, &mut access, moves);
    if done.is_err() {
        // The folder may have gone after messages had come. Whoever deletes it waits for the lock.
        must_be_in_place(request.dir, moves)?;
    }
    done
}

fn with_lock(
    request: &Request<'_>,
    access: &mut Access,
    moves: &mut dyn Incoming,
) -> Result<Try, Error> {
    let Request { store, dir, .. } = *request;
    must_be_in_place(dir, moves)?;
    let state = state::read(store, dir);
    let request = &Request { image: state.image(), ..*request };
    let mut arrivals = Arrivals::of_move(dir, moves.names());
    let mut found = collect::collect(request, access, &mut Vec::new(), &mut arrivals)?;
    let saved = save::save(request, access, &mut found, Some(&mut || moves.arrive(dir)))?;
    let uids = match saved {
        Saved::Done(uids) => uids,
        Saved::Again => return Ok(Try::Again),
        Saved::Doubtful(uids) => return Ok(Try::Doubtful(uids.validity)),
    };
    must_be_in_place(dir, moves)?;
    moves.take_uids(&found.messages);
    access.lock = None;
    if !moves.have_arrived() {
        return Ok(Try::Done(None));
    }
    if store.config.fsync {
        sync(dir, true)?;
    }
    Ok(Try::Done(uids.saved.then_some(uids.validity)))
}

/// An error if another session has removed the folder: into one on its way out nothing is moved,
/// and what has come in after that is taken back.
fn must_be_in_place(dir: &Entered, moves: &mut dyn Incoming) -> Result<(), Error> {
    if dir.is_in_place() {
        return Ok(());
    }
    moves.go_back(dir);
    Err(Error::Gone)
}
