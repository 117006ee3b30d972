//! Step 4 of a scan: the UID file, before anybody is told a new UID.

use super::collect::{Collected, FAILED};
use super::lock::Access;
use super::number::{Uids, number, number_unsaved};
use super::request::Request;
use crate::maildir::Error;
use crate::maildir::lock::Lock;
use crate::maildir::uiddb::{self, Draft};
use crate::sys::fs;

/// What came of saving the UIDs.
pub(super) enum Saved {
    /// They hold.
    Done(Uids),
    /// Another scan may be under way: begin anew. Nothing was written.
    Again,
    /// The same, but they were written.
    Doubtful(Uids),
}

/// What came of writing the UID file.
enum Written {
    Done,
    /// There is no room for it.
    NoRoom,
    Again,
    Doubtful,
}

/// Gives UIDs to the messages without one and saves them, where that is possible. What is expected
/// comes by `arrive`: it is called when the UIDs are on disk, in a file that has yet to get its
/// name, and not where that fails.
pub(super) fn save(
    request: &Request<'_>,
    access: &Access,
    found: &mut Collected<'_>,
    mut arrive: Option<&mut dyn FnMut()>,
) -> Result<Saved, Error> {
    let draft = found.draft.take();
    if access.is_writable && request.unsaved().is_none() && found.has_room {
        let uids = number(request, access.time.seconds, found)?;
        if !found.is_stale && !found.has_news {
            return Ok(Saved::Done(uids));
        }
        match write(request, access, found, (uids, draft), &mut arrive)? {
            Written::Done => return Ok(Saved::Done(uids)),
            Written::Again => return Ok(Saved::Again),
            Written::Doubtful => return Ok(Saved::Doubtful(uids)),
            Written::NoRoom => found.has_room = false,
        }
    }
    let uids = number_unsaved(request, access.time.seconds, found)?;
    if let Some(arrive) = arrive {
        arrive();
    }
    Ok(Saved::Done(uids))
}

/// Writes the UID file. One that only has something stale in it may stay as it is: an account that
/// is full can still be opened, and emptied.
fn write(
    request: &Request<'_>,
    access: &Access,
    found: &Collected<'_>,
    (uids, draft): (Uids, Option<Draft<'_>>),
    arrive: &mut Option<&mut dyn FnMut()>,
) -> Result<Written, Error> {
    let Request { store, dir, delivers, .. } = *request;
    let begins_anew = found.uids.validity.is_some_and(|old| old != uids.validity);
    let header = uiddb::Header { validity: uids.validity, next: uids.next };
    let draft = draft.map_or_else(|| Draft::new(store, dir), Ok);
    let is_ours = || access.lock.as_ref().is_none_or(Lock::is_ours);
    // Another scan may give UIDs of its own meanwhile: it has our lock, or had it and is done.
    let is_overtaken =
        || !is_ours() || found.version.as_ref().is_some_and(|read| !read.is_current(dir));
    let written = draft.and_then(|draft| draft.write(header, &found.messages)).and_then(|file| {
        if is_overtaken() {
            return Ok(Written::Again);
        }
        if let Some(arrive) = arrive {
            arrive();
            if is_overtaken() {
                return Ok(Written::Again);
            }
        }
        file.put()?;
        Ok(if is_ours() { Written::Done } else { Written::Doubtful })
    });
    let e = match written {
        Ok(written) => {
            store.has_room();
            return Ok(written);
        }
        Err(e) => e,
    };
    let path = dir.uid_file_path();
    if !found.has_news {
        store.complain(&path, &e, "it stays as it is");
        return Ok(Written::Done);
    }
    // Where no message has a saved UID, an empty folder would be shown.
    let has_some = found.uids.validity.is_some() || fs::is_full(&e);
    // Messages that have UIDs of others are shown under UIDs that are not saved.
    let may_hide = !begins_anew || found.uids.is_replaced;
    if has_some && !delivers && may_hide {
        // What was in `new` is in `cur` now, and stays there unseen: to move it back would wake
        // every session that watches the folder, again and again.
        store.new_mail_is_hidden(&path, &e);
        return Ok(Written::NoRoom);
    }
    Err(Error::failed(format!("{FAILED} {}", fs::shown(&path)), e))
}
