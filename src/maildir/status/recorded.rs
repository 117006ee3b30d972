//! HIGHESTMODSEQ of a folder that is not open and not proven to be as its state has it (RFC 7162
//! 3.1.7). A client takes a value that it has seen before to mean that it has missed nothing. So
//! what a look finds is recorded first, as a scan would do it, and then the value covers it.
//!
//! Mail without a UID is not covered: no message is moved here, and no UID given. The scan that gives
//! it one gives it a greater value.
//!
//! What cannot be recorded is covered by no value, and STATUS says 0, as of a folder that has none.
//! Any other may be wrong. The state's own value is the one that the client may have, and then it
//! would pass over the change. It may have 1, too, from a STORE that could not be recorded. And a
//! greater one could be given to another change later, which the client would then miss.
//!
//! Where the UID file contradicts the state, only a scan decides which UIDs there are: 0 as well.

use super::{Asked, Look, Purpose, Status};
use crate::maildir::lock::Lock;
use crate::maildir::messages::{Absent, bit};
use crate::maildir::stamp::Stamp;
use crate::maildir::state::compare::{self, Seen};
use crate::maildir::state::{self, Image, StoredProof};
use crate::maildir::time::ScanTime;
use crate::maildir::uiddb::{self, Draft, Header};
use crate::maildir::{Entered, Error, Messages, Store, keywords, record, scan};
use crate::types::{ModSeq, UidValidity};
use std::cell::OnceCell;
use std::io;

/// How long a folder must have been unchanged (in nanoseconds) for a count of its messages to be
/// recorded, too: the next one is taken from the state. One that is in use will be read again.
const AT_REST: i128 = 60_000_000_000;

/// The counts, with HIGHESTMODSEQ where that can be had. `None`: there is no UIDVALIDITY.
pub(super) fn read(store: &Store, dir: &Entered, asked: Asked) -> Result<Option<Status>, Error> {
    let state = state::read(store, dir);
    // Without a state there is something to be recorded in any case.
    let found = match state.image() {
        Some(_) => Found::unlocked((store, dir), state, asked),
        None => None,
    };
    let found = match found.map(|found| (found.highest_if_same(store), found)) {
        Some((Some(highest), found)) => {
            let status = Status { highest: Some(highest), ..found.status };
            if found.recordable.is_at_rest {
                prove(store, dir, found);
            }
            return Ok(Some(status));
        }
        found => found.map(|(_, found)| found),
    };
    match record::lock(store, dir) {
        Ok(lock) => record_locked((store, dir, &lock), asked, found),
        Err(e @ (Error::Stopped | Error::Gone)) => Err(e),
        // Somebody else has it, or none can be made here.
        Err(_) => Ok(None),
    }
}

/// Records what was found, under the lock, where it is different from the state. Where the folder
/// may have changed since, it is looked at again.
fn record_locked(
    (store, dir, lock): (&Store, &Entered, &Lock),
    asked: Asked,
    found: Option<Found>,
) -> Result<Option<Status>, Error> {
    let found = match found.filter(|found| found.is_current(dir)) {
        Some(found) => Some(found),
        None => Found::locked((store, dir, lock), asked)?,
    };
    let Some(Found { state, recordable, status }) = found else { return Ok(None) };
    if recordable.contradicts(state.image()) {
        return Ok(Some(status));
    }
    let (above, image) = (state.last_value(), state.of(Some(recordable.validity)));
    let recorded = compare::record((store, dir, lock), image, above, &recordable.seen(store)).ok();
    let highest = recorded.map(|recorded| recorded.sequences.highest());
    Ok(Some(Status { highest, ..status }))
}

/// What a look has found, beside the state that it was compared with.
pub(super) struct Found {
    state: state::Found,
    recordable: Recordable,
    status: Status,
}

impl Found {
    /// By a look without the lock; `None` where only one with it can tell.
    pub(super) fn unlocked(
        (store, dir): (&Store, &Entered),
        state: state::Found,
        asked: Asked,
    ) -> Option<Found> {
        dir.keywords().ok()?;
        let time = ScanTime::unlocked(dir);
        let look = Look::at((store, dir), &time, Purpose::Record(state.image())).ok()?;
        let validity = look.validity.filter(|_| look.version.is_current(dir))?;
        let status = look.status(dir, validity, asked).ok()?;
        let recordable = Recordable::of(store, dir, look, validity, &time).ok()?;
        Some(Found { state, recordable, status })
    }

    /// By a look with it. `None`: there is no UIDVALIDITY, and none can be begun.
    fn locked(
        (store, dir, lock): (&Store, &Entered, &Lock),
        asked: Asked,
    ) -> Result<Option<Found>, Error> {
        let time = ScanTime::of(Some(lock));
        let _ = keywords::make_directory(dir);
        let state = state::read(store, dir);
        let mut look = Look::at((store, dir), &time, Purpose::Record(state.image()))?;
        if look.validity.is_none() && begin(store, dir, &look, &time).is_ok() {
            look = Look::at((store, dir), &time, Purpose::Record(state.image()))?;
        }
        let Some(validity) = look.validity else { return Ok(None) };
        let status = look.status(dir, validity, asked)?;
        let recordable = Recordable::of(store, dir, look, validity, &time)?;
        Ok(Some(Found { state, recordable, status }))
    }

    /// The value that covers it, if the state says the very same.
    fn highest_if_same(&self, store: &Store) -> Option<ModSeq> {
        let image =
            self.state.image().filter(|image| !self.recordable.contradicts(Some(*image)))?;
        image.values_if_same(&self.recordable.seen(store))?;
        ModSeq::new(image.runs.last())
    }

    /// Whether a look under the lock would find the same: neither the state nor the folder has
    /// changed since.
    pub(super) fn is_current(&self, dir: &Entered) -> bool {
        let Recordable { stamps, is_telling, .. } = &self.recordable;
        dir.folder().is_local()
            && *is_telling
            && *stamps == state::stamps_now(dir)
            && self.state.is_current(dir)
    }
}

/// Begins the UID file of a folder that nobody has opened yet. No message in it gets a UID, but the
/// UIDVALIDITY that is told here is the one that the folder will have: interimap gives up where the
/// next SELECT says another.
fn begin(store: &Store, dir: &Entered, look: &Look, time: &ScanTime) -> io::Result<()> {
    let validity = uiddb::fresh_validity(time.seconds, look.validity_before);
    Draft::new(store, dir)?.write(Header { validity, next: 1 }, &Messages::default())?.put()
}

/// Records what a count has found in a folder at rest, if nobody else has the lock, so that the next
/// count is taken from the state. `state`: what the look was compared with.
pub(super) fn prove_if_at_rest(
    store: &Store,
    dir: &Entered,
    (state, look, status): (state::Found, Look, Status),
    time: &ScanTime,
) {
    let Some(validity) = look.validity else { return };
    if state::is_kept(store)
        && is_at_rest(dir, &look, time)
        && let Ok(recordable) = Recordable::of(store, dir, look, validity, time)
    {
        prove(store, dir, Found { state, recordable, status });
    }
}

/// The state that a count without the lock is compared with, where it will probably be recorded.
pub(super) fn state_at_rest(store: &Store, dir: &Entered, time: &ScanTime) -> state::Found {
    let is_old = |stamp: Option<Stamp>| {
        stamp.is_some_and(|stamp| stamp.is_at_rest_since(AT_REST, time.nanos))
    };
    let of = |name| Stamp::of_directory(dir.folder(), name);
    let is_at_rest = || dir.folder().is_local() && is_old(of(b"cur")) && is_old(of(b"new"));
    if state::is_kept(store) && is_at_rest() { state::read(store, dir) } else { state::Found::None }
}

fn is_at_rest(dir: &Entered, look: &Look, time: &ScanTime) -> bool {
    let stamps = [look.cur, look.new_mail, look.version.stamp()];
    let is_old = |stamp: Stamp| stamp.is_at_rest_since(AT_REST, time.nanos);
    look.is_done && dir.folder().is_local() && stamps.into_iter().all(|s| s.is_some_and(is_old))
}

fn prove(store: &Store, dir: &Entered, found: Found) {
    // A session without keywords proves nothing of them.
    let can_be_written =
        || dir.folder().is_writable() && dir.tmp().is_ok_and(|tmp| tmp.is_writable());
    if store.config.keywords.is_on()
        && can_be_written()
        && let Ok(Some(lock)) = Lock::attempt(store, dir)
    {
        // It was counted already. What hinders it is told by the scan that it hinders.
        let _ = record_locked((store, dir, &lock), Asked::default(), Some(found));
    }
}

/// What the state can have of a look.
struct Recordable {
    look: Look,
    validity: UidValidity,
    keywords: keywords::FolderKeywords,
    /// Of `cur`, `new`, the keywords and the UID file, each before it was read.
    stamps: [Option<Stamp>; 4],
    /// Whether every change since then gives another stamp.
    is_telling: bool,
    /// Whether these stamps prove that the state is all that there is.
    is_settled: bool,
    /// [`is_at_rest`]
    is_at_rest: bool,
}

impl Recordable {
    /// The messages with UIDs, and their keywords.
    fn of(
        store: &Store,
        dir: &Entered,
        mut look: Look,
        validity: UidValidity,
        time: &ScanTime,
    ) -> Result<Recordable, Error> {
        let messages = &mut look.messages;
        messages.leave_out(bit::FRESH | bit::DOUBLED);
        debug_assert!(messages.is_ascending(), "the order of the UID file");
        let keywords = match store.config.keywords.is_on() {
            true => keywords::read(store, dir, messages, &OnceCell::new(), keywords::Merge::No)?,
            false => keywords::none(dir, messages, keywords::Merge::No),
        };
        for (i, set) in keywords.sets.iter().enumerate() {
            messages.set_keywords(i, *set);
        }
        let stamps = [look.cur, look.new_mail, keywords.stamp, look.version.stamp()];
        // Where a scan would change something, the state is not all that there is.
        let is_telling = scan::are_settled(&stamps, time);
        let is_settled = is_telling && look.is_done && !keywords.has_unread;
        let is_at_rest = is_at_rest(dir, &look, time);
        Ok(Recordable { look, validity, keywords, stamps, is_telling, is_settled, is_at_rest })
    }

    fn seen<'a>(&'a self, store: &Store) -> Seen<'a> {
        let Look { messages, next, rewritten, .. } = &self.look;
        Seen {
            validity: self.validity,
            next: *next,
            messages,
            keywords: &self.keywords.table,
            has_keywords: store.config.keywords.is_on() && !self.keywords.has_unread,
            proof: StoredProof::of(self.stamps, self.is_settled),
            rewritten,
        }
    }

    /// Whether UIDs name other messages than the state has them name, or may.
    fn contradicts(&self, image: Option<&Image>) -> bool {
        image.filter(|image| image.validity == self.validity).is_some_and(|image| {
            self.look.is_contradicted
                || image.told(&Absent::default()).is_contradicted_by(&self.look.messages)
        })
    }
}
