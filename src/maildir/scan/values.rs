//! Step 6 of a scan: the modification sequences of the messages, from the folder's state, and what
//! is new to the state recorded in it. And the folder from its state alone, where that is proven to
//! be all.

use super::lock::Access;
use super::number::Uids;
use super::request::{Mode, Request};
use super::snapshot::{Due, Proof, Snapshot};
use super::unlocked;
use crate::maildir::lock::Lock;
use crate::maildir::messages::Absent;
use crate::maildir::sequences::Sequences;
use crate::maildir::stamp::Stamp;
use crate::maildir::state::compare::{self, Seen};
use crate::maildir::state::{self, Found, Image, StoredProof};
use crate::maildir::time::ScanTime;
use crate::maildir::{Entered, KeywordMode, Store, record, upkeep};
use crate::sys::clock;
use crate::types::{KeywordTable, ModSeq, SetId};
use std::time::Duration;

/// The longest tick of the clock of file times, and a little more.
const MAX_TICK: Duration = Duration::from_millis(15);

impl Snapshot {
    /// Whether it shows all keywords, and tells what to record of them.
    pub(in crate::maildir) fn shows_keywords(&self, store: &Store) -> bool {
        store.config.keywords.is_on() && !self.has_unread_keywords
    }

    /// What the state has to say of this folder.
    fn seen<'a>(&'a self, store: &Store, rewritten: &'a [u32]) -> Seen<'a> {
        let Proof { cur, new_mail, keywords, uid_file, settled, .. } = self.proof;
        Seen {
            validity: self.uid_validity,
            next: self.uid_next,
            messages: &self.messages,
            keywords: &self.keywords,
            has_keywords: self.shows_keywords(store),
            proof: StoredProof::of([cur, new_mail, keywords, uid_file], settled),
            rewritten,
        }
    }

    /// The proof that the folder is as its state says, by a scan that has found it so, if the state
    /// does not have it.
    pub(in crate::maildir) fn unsaved_proof(&self, store: &Store) -> Option<StoredProof> {
        if self.proof.is_saved || !self.proof.settled {
            return None;
        }
        let known = self.sequences.as_ref().filter(|known| !known.is_short())?;
        let proof = self.seen(store, &[]).proof_after(&known.tail.proof);
        proof.is_settled().then_some(proof)
    }

    /// What cannot be recorded is shown with the values that the session has told before, and no
    /// value covers it; in a folder that is just being opened there are none.
    pub(super) fn go_without_values(&mut self, previous: Option<&Snapshot>) {
        let same = |old: &&Snapshot| old.uid_validity == self.uid_validity;
        let Some(old) = previous.filter(same) else { return };
        self.sequences = old.sequences.as_ref().map(|known| {
            let value = |i| {
                let at = self.messages.uid(i).and_then(|uid| old.messages.position(uid).ok());
                at.and_then(|at| known.values.get(at)).copied().unwrap_or(1)
            };
            let values = (0..self.messages.len()).map(value).collect();
            let mut sequences = Sequences { values, ..known.clone() };
            sequences.cut_short();
            sequences
        });
        self.details = old.details.clone();
        // The next look tries again.
        self.proof.settled &= self.sequences.is_none();
    }

    /// In a folder that is just being opened, where what was found cannot be recorded: a client that
    /// comes back is told all changes, and no value covers them. Later looks try again.
    pub(super) fn take_recorded(&mut self, request: &Request<'_>, rewritten: &[u32]) {
        let Request { store, dir, previous, .. } = *request;
        let is_known = previous.is_some_and(|old| old.uid_validity == self.uid_validity);
        if is_known || self.sequences.is_some() || !self.saved || request.mode.is_search() {
            return;
        }
        let Some(image) = state::read(store, dir).of(Some(self.uid_validity)) else { return };
        let (sequences, details) = image.short_of(&self.seen(store, rewritten));
        self.sequences = Some(sequences);
        self.details = details;
        self.proof.settled = false;
    }

    /// Keywords that could not be read are not shown, and the state has them: no value covers that.
    fn note_unread_keywords(&mut self, previous: Option<&Snapshot>) {
        if self.has_unread_keywords
            && let Some(sequences) = &mut self.sequences
        {
            let told = previous.and_then(|old| old.sequences.as_ref()?.short);
            sequences.short = sequences.short.or(told);
            sequences.open_short(state::chance());
        }
    }

    /// Takes what this session has learned of the messages and not saved yet.
    pub(super) fn keep_learned(&mut self, previous: Option<&Snapshot>) {
        if let Some(old) = previous.filter(|old| old.uid_validity == self.uid_validity) {
            self.details.take_unsaved(&old.details);
        }
    }

    /// Looks at the folder once more, if this snapshot does not prove that it is as the state says:
    /// for the next session, when this one leaves the folder. Nothing is moved or written. `mode`:
    /// of the selection.
    pub(crate) fn prove(&mut self, store: &Store, dir: &Entered, mode: Mode) {
        let Some(known) = self.sequences.as_ref().filter(|known| !known.is_short()) else { return };
        if !self.saved || !dir.folder().is_local() {
            return;
        }
        let now = state::stamps_now(dir);
        let holds = |proof: &StoredProof| proof.holds(now, store.config.keywords.is_on());
        if holds(&known.tail.proof) || self.unsaved_proof(store).is_some_and(|proof| holds(&proof))
        {
            return;
        }
        wait_for_tick(dir);
        let request = Request { previous: Some(&*self), ..Request::new(store, dir, mode) };
        if request.may_go_without_lock()
            && let Some(found) = unlocked::scan(&request, state::read(store, dir))
            && !found.has_news
            && !found.has_leftovers
        {
            *self = found.snapshot;
        }
    }
}

impl Snapshot {
    /// HIGHESTMODSEQ until the state is made, if that is due.
    pub(crate) fn highest_until_made(&self) -> Option<ModSeq> {
        self.due.and_then(|due| ModSeq::new(due.told))
    }

    /// Makes the state that is due, from what the scan has found; what has changed in the folder
    /// since, the next scan finds. If another session has made one, that counts. Without the lock
    /// it stays due. `dir`: as it is now; `mode`: of the selection.
    pub(crate) fn make_state(&mut self, store: &Store, dir: &Entered, mode: Mode) {
        let Some(due) = self.due else { return };
        let Some(lock) = record::lock_if_awaited(store, dir) else { return };
        self.due = None;
        let found = state::read(store, dir);
        let learned = std::mem::take(&mut self.details);
        if state::is_missing(dir) {
            let settled = self.proof.settled;
            self.proof.settled &= due.is_settled;
            let made = compare::begin_at((store, dir, &lock), due.told, &self.seen(store, &[]));
            if let Ok(recorded) = made {
                self.take(recorded);
                self.proof.is_saved = self.proof.settled == settled;
            }
            self.proof.settled = settled;
        } else {
            let request = Request::new(store, dir, mode);
            if !take_values(&request, found, self) {
                self.take_recorded(&request, &[]);
            }
        }
        self.details.take_unsaved(&learned);
        self.note_unread_keywords(None);
    }

    /// Where the client was told of modification sequences, and they cannot be recorded: whatever
    /// value it comes back with, it is told everything. The next look tries again.
    pub(crate) fn take_unrecorded(&mut self) {
        self.sequences = Some(compare::unrecorded(self.messages.len()));
        self.proof.settled = false;
    }

    fn take(&mut self, recorded: compare::Recorded) {
        self.sequences = Some(recorded.sequences);
        self.details = recorded.details;
        self.proof.is_saved = true;
    }
}

/// Whether a state that is missing may be made later: what the client is told of it then.
pub(super) fn may_wait(store: &Store, dir: &Entered) -> Option<u64> {
    let now = u64::try_from(clock::now_nanos() / 1000).ok();
    // By the clock of this machine alone.
    let may_wait = state::is_kept(store)
        && !store.values_matter.get()
        && dir.folder().is_local()
        && state::is_missing(dir);
    now.filter(|_| may_wait)
}

/// Has the state be made later, if it may be; whether it may.
pub(super) fn defer(request: &Request<'_>, snapshot: &mut Snapshot) -> bool {
    let is_settled = snapshot.proof.settled;
    let is_writable =
        request.dir.folder().is_writable() && request.dir.tmp().is_ok_and(|tmp| tmp.is_writable());
    let told = request.defers.filter(|_| is_writable && state::is_missing(request.dir));
    snapshot.due = told.map(|told| Due { told, is_settled });
    snapshot.due.is_some()
}

/// Takes the values of the messages from the state that was read before them, or from the present
/// one, without the lock. `false`: the state has to be brought up to date; then the messages have
/// the values that the session has told.
pub(super) fn take_values(request: &Request<'_>, read: Found, snapshot: &mut Snapshot) -> bool {
    let Request { store, dir, previous, .. } = *request;
    if !state::is_kept(store) {
        return true;
    }
    let image_if_same = |found: Found, snapshot: &Snapshot| {
        let image = found.of(Some(snapshot.uid_validity))?;
        let values = image.values_if_same(&snapshot.seen(store, &[]))?;
        Some((image, values))
    };
    let is_current = read.is_current(dir);
    let same = image_if_same(read, snapshot).or_else(|| match is_current {
        true => None,
        // Another session may have recorded meanwhile what this one has found.
        false => image_if_same(state::read(store, dir), snapshot),
    });
    let is_same = same.is_some();
    match same {
        Some((image, values)) => {
            let Image { runs, expunged, details, tail, .. } = *image;
            snapshot.sequences = Some(compare::sequences(values, runs, expunged, tail));
            snapshot.details = details;
            snapshot.proof.is_saved =
                tail.proof == snapshot.seen(store, &[]).proof_after(&tail.proof);
            snapshot.keep_learned(previous);
        }
        None => snapshot.go_without_values(previous),
    }
    snapshot.note_unread_keywords(previous);
    is_same
}

/// Records in the folder's state what a scan under the lock has found.
pub(super) fn record(
    request: &Request<'_>,
    access: &Access,
    found: Found,
    (snapshot, rewritten): (&mut Snapshot, &[u32]),
) {
    let Request { store, dir, previous, .. } = *request;
    let above = found.last_value();
    let image = found.of(Some(snapshot.uid_validity));
    let recorded = match &access.lock {
        // A folder that is being made gets its state when it is opened.
        Some(lock)
            if access.is_writable
                && snapshot.saved
                && request.mode != Mode::New
                && state::is_kept(store) =>
        {
            if defer(request, snapshot) {
                return;
            }
            compare::record((store, dir, lock), image, above, &snapshot.seen(store, rewritten)).ok()
        }
        _ => None,
    };
    match recorded {
        Some(recorded) => {
            snapshot.take(recorded);
            snapshot.keep_learned(previous);
        }
        None => {
            snapshot.go_without_values(previous);
            snapshot.take_recorded(request, rewritten);
        }
    }
    snapshot.note_unread_keywords(previous);
}

/// Records what a scan without the lock has found, if nothing has changed since it began. `Err`: it
/// has to be scanned anew under this lock.
pub(super) fn record_unchanged(
    request: &Request<'_>,
    lock: Lock,
    (snapshot, rewritten): (&mut Snapshot, &[u32]),
) -> Result<(), Lock> {
    let Request { store, dir, .. } = *request;
    let found = state::read(store, dir);
    let is_certain = |image: &Image| {
        let with_image = Request { image: Some(image), ..*request };
        !with_image.is_contradicted_by(snapshot.uid_validity, &snapshot.messages)
    };
    let is_unchanged = dir.folder().is_local()
        && super::is_unchanged(dir, snapshot)
        && dir.tmp().is_ok_and(|tmp| tmp.is_writable())
        && found.image().is_none_or(is_certain);
    if !is_unchanged {
        return Err(lock);
    }
    let time = ScanTime::of(Some(&lock));
    let access = Access { lock: Some(lock), has_room: true, is_writable: true, time };
    record(request, &access, found, (snapshot, rewritten));
    Ok(())
}

/// The folder as its state has it, where the proof of the state holds: nothing has changed since a
/// session has read all of it. Without the lock, without a look at a directory's entries.
/// `Err`: it is not, and the state comes back.
pub(super) fn warm(request: &Request<'_>, found: Found) -> Result<Snapshot, Found> {
    let Request { store, dir, mode, .. } = *request;
    let Found::Image(image) = found else { return Err(found) };
    if !dir.folder().is_local() {
        return Err(Found::Image(image));
    }
    let stamps = state::stamps_now(dir);
    let is_writable = || dir.folder().is_writable() && dir.tmp().is_ok_and(|tmp| tmp.is_writable());
    if !image.tail.proof.holds(stamps, store.config.keywords.is_on())
        || (mode == Mode::ReadWrite && !is_writable())
    {
        return Err(Found::Image(image));
    }
    let time = ScanTime::unlocked(dir);
    let [cur, new_mail, keywords, uid_file] = stamps;
    let uids = Uids { validity: image.validity, next: image.next, saved: true };
    // In the boot in which the proof was saved, the UID file was on disk then.
    if store.config.fsync
        && !image.tail.is_of_this_boot()
        && !unlocked::is_durable(request, uids, uid_file, &time)
        && dir.folder().sync().is_err()
    {
        return Err(Found::Image(image));
    }
    if !mode.is_search() {
        upkeep::purge_tmp(store, dir, time.seconds);
    }
    Ok(of_image(
        store,
        *image,
        Proof { cur, new_mail, keywords, uid_file, settled: true, is_saved: true },
    ))
}

fn of_image(store: &Store, image: Image, proof: Proof) -> Snapshot {
    let Image { validity, next, mut messages, values, mut keywords, .. } = image;
    let Image { runs, expunged, details, tail, .. } = image;
    if store.config.keywords == KeywordMode::Off {
        for i in 0..messages.len() {
            messages.set_keywords(i, SetId::EMPTY);
        }
        keywords = KeywordTable::new();
    }
    Snapshot {
        uid_validity: validity,
        uid_next: next,
        messages,
        absent: Absent::default(),
        keywords,
        has_unread_keywords: false,
        saved: true,
        hides: false,
        sequences: Some(compare::sequences(values, runs, expunged, tail)),
        due: None,
        details,
        proof,
    }
}

/// Waits for a moment, if the folder was changed in this very tick of the clock of file times: what
/// is read now would prove nothing.
fn wait_for_tick(dir: &Entered) {
    let begun = clock::monotonic();
    let is_fresh =
        |tick| state::stamps_now(dir).iter().flatten().any(|stamp| !stamp.is_before(tick));
    while is_fresh(clock::file_tick()) && begun.elapsed() < MAX_TICK {
        clock::sleep(Duration::from_millis(1));
    }
}

/// The stamps of a proof, all of which lie back far enough that each later change gives another.
pub(in crate::maildir) fn are_settled(stamps: &[Option<Stamp>], time: &ScanTime) -> bool {
    stamps.iter().flatten().all(|stamp| {
        stamp.is_settled(time.nanos) || (stamp.is_local() && stamp.is_before(time.tick))
    })
}
