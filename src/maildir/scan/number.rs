//! Step 3 of a scan: UIDs for the messages that have none (STORAGE 2.2, 2.4).

use super::collect::{Collected, FileUids};
use super::request::Request;
use crate::maildir::Error;
use crate::maildir::messages::{Messages, bit};
use crate::maildir::state::chance;
use crate::maildir::uiddb::{UNSAVED, fresh_validity, unsaved_validity};
use crate::types::UidValidity;
use std::io;

/// The UIDs of a folder.
#[derive(Clone, Copy)]
pub(super) struct Uids {
    pub(super) validity: UidValidity,
    /// The next UID.
    pub(super) next: u32,
    /// Whether they are on disk.
    pub(super) saved: bool,
}

/// Numbers the messages, to be saved. If there are not enough UIDs left, or those in the
/// file name other messages than they did, all messages get new ones under another UIDVALIDITY.
pub(super) fn number(
    request: &Request<'_>,
    seconds: i64,
    found: &mut Collected<'_>,
) -> Result<Uids, Error> {
    let FileUids { validity, before, next, is_replaced } = found.uids;
    // Never a UIDVALIDITY under which this session has announced UIDs without saving them, nor that
    // of a UID file which vanished in its first second, as it says itself or the folder's state does.
    let seen = request.previous.map(|previous| previous.uid_validity);
    let old = above_unsaved(request, before.max(seen).max(request.recorded_validity()));
    let validity = validity.unwrap_or_else(|| fresh_validity(seconds, old));
    if !is_replaced && let Some(next) = found.messages.number(next) {
        return Ok(Uids { validity, next, saved: true });
    }
    found.messages.forget_uids();
    let next = number_all(&mut found.messages, 1)?;
    let validity = fresh_validity(seconds, old.max(Some(validity)));
    Ok(Uids { validity, next, saved: true })
}

/// The UIDVALIDITY above which a new one has to be that is to be saved. Those of UIDs that this
/// session could not save lie far above all others, and must not draw those of other folders with
/// them: they matter only where the folder's own is as great.
fn above_unsaved(request: &Request<'_>, old: Option<UidValidity>) -> Option<UidValidity> {
    let unsaved = request.store.unsaved_validity();
    if old.is_some_and(|old| old.get() >= UNSAVED) { old.max(unsaved) } else { old }
}

/// Numbers the messages where UIDs cannot be saved.
pub(super) fn number_unsaved(
    request: &Request<'_>,
    seconds: i64,
    found: &mut Collected<'_>,
) -> Result<Uids, Error> {
    let Request { store, previous, .. } = *request;
    let Collected { messages, has_room, uids, .. } = found;
    let used = uids.validity.max(uids.before);
    if !*has_room && uids.validity.is_none() {
        // No message has a saved UID, so none is shown: no UID is announced that could name another
        // message later.
        messages.leave_out(bit::FRESH | bit::DOUBLED);
        let told = previous.map(|previous| (previous.uid_validity, previous.uid_next));
        let used = above_unsaved(request, used.max(request.recorded_validity()));
        let fresh = || fresh_validity(seconds, used);
        let (validity, next) = told.unwrap_or_else(|| (fresh(), uids.next));
        return Ok(Uids { validity, next, saved: true });
    }
    let rest = if request.unsaved().is_some() {
        Rest::Continue
    } else if previous.is_some() || !*has_room {
        // Without room on the disk, the rest is shown when there is room again.
        Rest::Hide
    } else {
        Rest::Anew
    };
    let fresh = unsaved_validity(store.unsaved_validity(), used, chance());
    let numbered = if uids.is_replaced {
        messages.forget_uids();
        Uids { validity: fresh, next: number_all(messages, 1)?, saved: false }
    } else {
        number_rest(messages, *uids, rest, fresh)?
    };
    if !numbered.saved {
        store.set_unsaved_validity(numbered.validity);
    }
    Ok(numbered)
}

/// What becomes of messages without a saved UID, where none can be saved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// They continue the unsaved UIDs of the last scan.
    Continue,
    /// They are not shown: the last scan could keep to the file, and so does this one.
    Hide,
    /// All messages get UIDs from 1 on, under a UIDVALIDITY of their own.
    Anew,
}

/// Numbers the messages without saved UIDs, if there are any, or leaves them out.
fn number_rest(
    messages: &mut Messages,
    uids: FileUids,
    rest: Rest,
    fresh: UidValidity,
) -> Result<Uids, Error> {
    match uids.validity {
        Some(validity) if rest == Rest::Continue => {
            Ok(Uids { validity, next: number_all(messages, uids.next)?, saved: false })
        }
        Some(validity)
            if rest == Rest::Hide
                || messages.count(bit::FRESH) + messages.count(bit::DOUBLED) == 0 =>
        {
            messages.leave_out(bit::FRESH | bit::DOUBLED);
            Ok(Uids { validity, next: uids.next, saved: true })
        }
        _ => {
            messages.forget_uids();
            Ok(Uids { validity: fresh, next: number_all(messages, 1)?, saved: false })
        }
    }
}

fn number_all(messages: &mut Messages, next: u32) -> Result<u32, Error> {
    let too_many = || Error::failed("giving UIDs", io::Error::other("too many messages"));
    messages.number(next).ok_or_else(too_many)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn unsaved_uids() {
        let numbered = |file: Option<u32>, next, rest, known: &[u32], fresh: &[&str]| {
            let mut m = Messages::with_arena(b"aabbcc".to_vec());
            for (at, uid) in known.iter().enumerate() {
                m.push_from_arena(*uid, at * 2, 2);
            }
            for name in fresh {
                m.push_named(name.as_bytes(), bit::FRESH);
            }
            let uids = FileUids {
                validity: file.and_then(UidValidity::new),
                before: None,
                next,
                is_replaced: false,
            };
            let fresh = UidValidity::new(777).unwrap();
            let Uids { validity, next, saved } = number_rest(&mut m, uids, rest, fresh).unwrap();
            let all: Vec<_> = (0..m.len())
                .map(|i| {
                    (m.uid(i).unwrap().get(), String::from_utf8(m.base_name(i).to_vec()).unwrap())
                })
                .collect();
            (validity.get(), next, saved, all)
        };
        let own = |list: &[(u32, &str)]| {
            list.iter().map(|(n, s)| (*n, (*s).to_owned())).collect::<Vec<_>>()
        };
        // The file has them all.
        assert_eq!(
            numbered(Some(5), 9, Rest::Anew, &[3, 4], &[]),
            (5, 9, true, own(&[(3, "aa"), (4, "bb")]))
        );
        // It does not: all anew.
        assert_eq!(
            numbered(Some(5), 9, Rest::Anew, &[3], &["x"]),
            (777, 3, false, own(&[(1, "aa"), (2, "x")]))
        );
        assert_eq!(
            numbered(None, 1, Rest::Anew, &[], &["y", "x"]),
            (777, 3, false, own(&[(1, "x"), (2, "y")]))
        );
        // On from there.
        assert_eq!(
            numbered(Some(777), 3, Rest::Continue, &[1], &["x"]),
            (777, 4, false, own(&[(1, "aa"), (3, "x")]))
        );
        // After a look that was good: what is not in the file stays out of sight.
        assert_eq!(numbered(Some(5), 9, Rest::Hide, &[3], &["x"]), (5, 9, true, own(&[(3, "aa")])));
    }
}
