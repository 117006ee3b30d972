//! Step 4 of a scan: the UID file, before anybody is told a new UID.

use super::collect::Collected;
use super::lock::Access;
use super::number::{Uids, number, number_unsaved};
use super::request::Request;
use crate::maildir::Error;
use crate::maildir::uiddb::{self, Draft};
use crate::sys::fs;

/// Gives UIDs to the messages without one and saves them, where that is possible. `None`: the lock
/// was taken from us, and nothing was saved.
pub(super) fn save(
    request: &Request<'_>,
    access: &Access,
    found: &mut Collected<'_>,
) -> Result<Option<Uids>, Error> {
    let draft = found.draft.take();
    if access.is_writable && request.unsaved().is_none() && found.has_room {
        let uids = number(request, access.time.seconds, found)?;
        if !found.is_stale && !found.has_news {
            return Ok(Some(uids));
        }
        // Another scan may be under way, and give UIDs of its own.
        if access.lock.as_ref().is_some_and(|lock| !lock.is_ours()) {
            return Ok(None);
        }
        if write(request, found, uids, draft)? {
            return Ok(Some(uids));
        }
        found.has_room = false;
    }
    number_unsaved(request, access.time.seconds, found).map(Some)
}

/// Writes the UID file; `false` if that is refused. A file that only has something stale in
/// it may stay as it is: an account that is full can still be opened, and emptied.
fn write(
    request: &Request<'_>,
    found: &Collected<'_>,
    uids: Uids,
    draft: Option<Draft<'_>>,
) -> Result<bool, Error> {
    let Request { store, dir, delivers, .. } = *request;
    let begins_anew = found.uids.validity.is_some_and(|old| old != uids.validity);
    let header = uiddb::Header { validity: uids.validity, next: uids.next };
    let draft = draft.map_or_else(|| Draft::new(store, dir), Ok);
    let sync_directory = found.has_news || begins_anew;
    let written = draft.and_then(|draft| draft.write(header, &found.messages, sync_directory));
    let Err(e) = written else {
        store.has_room();
        return Ok(true);
    };
    let path = dir.uid_file_path();
    if !found.has_news {
        store.complain(&path, &e, "it stays as it is");
        return Ok(true);
    }
    // Where no message has a saved UID, an empty folder would be shown.
    let has_some = found.uids.validity.is_some() || fs::is_full(&e);
    if has_some && !delivers && !begins_anew {
        // What was in `new` is in `cur` now, and stays there unseen: to move it back would wake
        // every session that watches the folder, again and again.
        store.new_mail_is_hidden(&path, &e);
        return Ok(false);
    }
    Err(Error::failed(format!("writing {}", fs::shown(&path)), e))
}
