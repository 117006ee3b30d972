//! Recording what this session has changed in the folder's state, under its lock: what a client is
//! told of modification sequences is on disk first, so that the next session goes on from it.
//!
//! Most sessions that take the lock find the state as they left it, and append one record. What
//! others have recorded meanwhile is read from the end of the file and taken over: flags, keywords
//! and values of messages that the session knows. Messages that came or went wait for the next
//! scan; until then [`Sequences::highest`](super::Sequences::highest) stays below them.

use super::lock::{Lock, Wait};
use super::messages::bit;
use super::sequences::Sequences;
use super::state::{self, Event, Found, Item, Record, Tail, Told, set_name};
use super::{Entered, Error, Messages, Snapshot, Store};
use crate::sys::clock;
use crate::types::{KeywordTable, ModSeq, Uid};
use std::time::Duration;

/// How long a change waits for the lock: longer than any session needs it.
const PATIENCE: Duration = Duration::from_secs(1);
/// After a wait without success, for so long nobody waits again.
const IMPATIENCE: Duration = Duration::from_secs(60);

/// The folder's turn for changes: its lock, and the snapshot brought up to date with what other
/// sessions have recorded.
pub(crate) struct Turn<'a> {
    store: &'a Store,
    dir: &'a Entered,
    lock: Lock,
    /// The end of the state; `None` where nothing can be recorded.
    tail: Option<Tail>,
    has_keywords: bool,
}

/// Takes the folder's lock for a change that depends on modification sequences, and takes over into
/// the snapshot what others have recorded: flags, keywords and modification sequences of messages
/// ([`Messages::take_changed`] says of which). Messages that came or went wait for the next scan.
///
/// [`Error::Locked`] if the lock cannot be had within a second.
pub(crate) fn begin<'a>(
    store: &'a Store,
    dir: &'a Entered,
    snapshot: &mut Snapshot,
) -> Result<Turn<'a>, Error> {
    begin_after(store, dir, snapshot, &[])
}

/// As [`begin`], after this session has changed messages: their positions, ascending. What others
/// have recorded of one of those is taken over only if its file has another name by now.
fn begin_after<'a>(
    store: &'a Store,
    dir: &'a Entered,
    snapshot: &mut Snapshot,
    ours: &[usize],
) -> Result<Turn<'a>, Error> {
    let lock = lock(store, dir)?;
    let tail = take_over(store, dir, snapshot, ours);
    Ok(Turn { store, dir, lock, tail, has_keywords: snapshot.shows_keywords(store) })
}

/// The lock for recording, if it is free; where values matter to the client, if it can be had within
/// a second.
pub(super) fn lock_if_awaited(store: &Store, dir: &Entered) -> Option<Lock> {
    if store.values_matter.get() {
        return lock(store, dir).ok();
    }
    Lock::attempt(store, dir).ok().flatten()
}

/// Waits for the lock, a second at most; not at all for a minute after a wait without success.
pub(super) fn lock(store: &Store, dir: &Entered) -> Result<Lock, Error> {
    let now = clock::monotonic();
    if store.locked_out.get().is_some_and(|since| now.saturating_duration_since(since) < IMPATIENCE)
    {
        return match Lock::attempt(store, dir)? {
            Some(lock) => {
                store.locked_out.set(None);
                Ok(lock)
            }
            None => Err(Error::Locked),
        };
    }
    let mut wait = Wait::begin(store, dir).at_most(PATIENCE);
    loop {
        match wait.turn() {
            Ok(None) => {}
            Ok(Some(lock)) => return Ok(lock),
            Err(e) => {
                store.locked_out.set(Some(now));
                return Err(e);
            }
        }
    }
}

impl Turn<'_> {
    /// Whether the snapshot has all that others have recorded, and changes of ours can be recorded.
    pub(crate) fn is_up_to_date(&self) -> bool {
        self.tail.is_some()
    }

    /// The lock, for what else needs it.
    pub(crate) fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Gives the messages at these positions, which were changed, new modification sequences, and
    /// records them. Where that fails, they keep the old ones, and
    /// [`Sequences::highest`](super::Sequences::highest) is the smallest value.
    pub(crate) fn record(self, snapshot: &mut Snapshot, changed: &[usize]) {
        let Some(sequences) = &mut snapshot.sequences else { return };
        let recorded = self.tail.and_then(|tail| {
            let keywords = self.has_keywords.then_some(&snapshot.keywords);
            let messages = (&snapshot.messages, keywords);
            let place = (self.store, self.dir, &self.lock);
            append(place, &tail, (messages, sequences, changed))
        });
        match recorded {
            Some((tail, value)) => {
                for i in changed {
                    if let Some(slot) = sequences.values.get_mut(*i) {
                        *slot = value;
                    }
                }
                if sequences.highest == sequences.tail.summary.highest {
                    sequences.highest = value;
                }
                sequences.tail = tail;
            }
            None => sequences.cut_short(),
        }
    }
}

/// Appends a record of changed messages; the end after it, and their value.
fn append(
    (store, dir, lock): (&Store, &Entered, &Lock),
    tail: &Tail,
    ((messages, keywords), sequences, changed): (
        (&Messages, Option<&KeywordTable>),
        &mut Sequences,
        &[usize],
    ),
) -> Option<(Tail, u64)> {
    let mut record = Record::default();
    let mut runs = sequences.runs.clone();
    let mut tail = *tail;
    tail.begin_run_if_needed(dir, &mut runs, &mut record);
    let before = runs.last();
    let value = runs.next();
    if value == before {
        // There is no value left.
        return None;
    }
    let mut summary = tail.summary;
    summary.highest = value;
    for i in changed {
        let Some(uid) = messages.uid(*i) else { continue };
        if messages.has(*i, bit::GONE) {
            continue;
        }
        record.change(&Item {
            uid: uid.get(),
            value,
            flags: messages.flags(*i),
            keywords: keywords.map(|table| (table, messages.keywords(*i))),
            odd: messages.odd(*i),
        });
    }
    let tail = state::append((store, dir, lock), &tail, record, summary).ok()?;
    sequences.runs = runs;
    Some((tail, value))
}

/// Takes over what others have recorded since the session has read the state; its end now. `None`:
/// nothing can be recorded by this snapshot.
fn take_over(
    store: &Store,
    dir: &Entered,
    snapshot: &mut Snapshot,
    ours: &[usize],
) -> Option<Tail> {
    let known = snapshot.sequences.as_ref()?;
    if known.is_short() {
        return None;
    }
    let (mut buffer, before) = (Vec::new(), known.tail);
    let has_keywords = snapshot.shows_keywords(store);
    let mut take = TakeOver { dir, snapshot, ours, has_keywords, is_all: true };
    let read = before.read_on(dir, &mut buffer, |event| take.event(event));
    let is_all = take.is_all;
    let tail = match read {
        Some(tail) => tail,
        None => return take_over_all(store, dir, snapshot, ours),
    };
    finish(snapshot, tail, is_all)
}

/// Notes that the state was read up to here. `is_all`: whether the session shows all of it.
fn finish(snapshot: &mut Snapshot, tail: Tail, is_all: bool) -> Option<Tail> {
    let sequences = snapshot.sequences.as_mut()?;
    let was_all = sequences.highest == sequences.tail.summary.highest;
    if is_all && was_all {
        sequences.highest = tail.summary.highest;
    }
    sequences.runs.advance_to(tail.summary.highest);
    sequences.tail = tail;
    Some(tail)
}

/// Others' records on their way into a snapshot.
struct TakeOver<'a> {
    dir: &'a Entered,
    snapshot: &'a mut Snapshot,
    ours: &'a [usize],
    /// Whether the snapshot shows keywords.
    has_keywords: bool,
    is_all: bool,
}

impl TakeOver<'_> {
    fn event(&mut self, event: Event<'_>) -> Option<()> {
        match event {
            Event::Message(_, told) | Event::Change(told) => self.message(&told),
            Event::Expunge(first, last, value) => {
                let sequences = self.snapshot.sequences.as_mut()?;
                sequences.expunged.add(first, last, value);
                let messages = &self.snapshot.messages;
                let from = messages.position(Uid::new(first)?).unwrap_or_else(|at| at);
                let is_there = messages.uid(from).is_some_and(|uid| uid.get() <= last);
                // UIDs that came and went: the client is told of the next UID by a scan.
                self.is_all &= !is_there && last < self.snapshot.uid_next;
                Some(())
            }
            Event::Run(first, _) => self.snapshot.sequences.as_mut()?.runs.begin_at(first),
            Event::Summary(summary) => {
                self.is_all &= summary.next <= self.snapshot.uid_next;
                let sequences = self.snapshot.sequences.as_mut()?;
                sequences.runs.advance_to(summary.highest);
                Some(())
            }
            Event::Detail(..) | Event::Facts(_) | Event::Proof(_) => Some(()),
        }
    }

    fn message(&mut self, told: &Told<'_>) -> Option<()> {
        let Ok(at) = self.snapshot.messages.position(Uid::new(told.uid)?) else {
            self.is_all = false;
            return Some(());
        };
        let Snapshot { messages, keywords, sequences, .. } = &mut *self.snapshot;
        *sequences.as_mut()?.values.get_mut(at)? = told.value;
        if is_ours(self.dir, messages, at, self.ours) {
            return Some(());
        }
        let before = (messages.flags(at), messages.keywords(at));
        let set = match told.keywords.filter(|_| self.has_keywords) {
            Some(names) => names.intern(keywords)?,
            None => before.1,
        };
        set_name(messages, at, told)?;
        messages.set_keywords(at, set);
        if before != (messages.flags(at), set) {
            messages.mark(at, bit::CHANGED);
        }
        Some(())
    }
}

/// Whether a message was changed by this session, and has the name that we gave it.
fn is_ours(dir: &Entered, messages: &Messages, at: usize, ours: &[usize]) -> bool {
    ours.binary_search(&at).is_ok() && dir.stat_message(&messages.file_name(at)).is_ok()
}

/// The same from the whole state, where the end alone does not tell.
fn take_over_all(
    store: &Store,
    dir: &Entered,
    snapshot: &mut Snapshot,
    ours: &[usize],
) -> Option<Tail> {
    let Found::Image(image) = state::read(store, dir) else { return None };
    if image.validity != snapshot.uid_validity {
        return None;
    }
    let (has_keywords, next) = (snapshot.shows_keywords(store), snapshot.uid_next);
    let Snapshot { messages, keywords, sequences, .. } = &mut *snapshot;
    let sequences = sequences.as_mut()?;
    let was_all = sequences.highest == sequences.tail.summary.highest;
    let mut is_all = image.next == next && image.messages.len() == messages.len();
    for at in 0..messages.len() {
        let uid = messages.uid(at)?;
        let Ok(there) = image.messages.position(uid) else {
            is_all = false;
            continue;
        };
        let (value, slot) = (*image.values.get(there)?, sequences.values.get_mut(at)?);
        if *slot == value {
            continue;
        }
        *slot = value;
        if is_ours(dir, messages, at, ours) {
            continue;
        }
        let mut set = messages.keywords(at);
        if has_keywords {
            set = keywords.set_of(image.keywords.names_of(image.messages.keywords(there)));
        }
        if messages.flags(at) != image.messages.flags(there) || messages.keywords(at) != set {
            messages.mark(at, bit::CHANGED);
        }
        let name = image.messages.file_name(there);
        messages.set_file_name(at, &name);
        messages.set_keywords(at, set);
    }
    // A state that was made anew, or put back from an earlier time, has not all that the client was
    // told: what is taken back later may be no change to it. The client compares all.
    let last = sequences.tail.summary.highest;
    let is_continued = image.runs.known(last) == last;
    sequences.runs = image.runs;
    sequences.expunged = image.expunged;
    sequences.tail = image.tail;
    let highest = image.tail.summary.highest;
    sequences.highest = match is_all && was_all {
        _ if !is_continued => ModSeq::MIN.get(),
        true => highest,
        false => sequences.highest.min(highest),
    };
    Some(image.tail)
}

/// Saves in the state, under the lock, what this session has learned of the messages, and the proof
/// by its last scan that the folder is as the state says. No value is given for that. What cannot be
/// saved stays known to this session.
pub(super) fn save(store: &Store, dir: &Entered, lock: &Lock, snapshot: &mut Snapshot) {
    let Some(mut tail) = take_over(store, dir, snapshot, &[]) else { return };
    let Some(known) = &snapshot.sequences else { return };
    let (mut record, mut runs) = (Record::default(), known.runs.clone());
    let news = snapshot.details.unsaved();
    if !news.is_empty() {
        record.facts(snapshot.details.generation());
        for (uid, detail) in &news {
            record.detail(*uid, detail);
        }
    }
    let mut summary = tail.summary;
    // What was put back from somewhere else is not what the scan has compared.
    let proof = snapshot.unsaved_proof(store).filter(|_| tail.is_continuous(dir));
    if let Some(proof) = &proof {
        record.proof(proof);
        summary = tail.summary.counted(&snapshot.messages);
    }
    let is_damaged = snapshot.messages.has_damaged_names();
    if record.is_empty() && !is_damaged {
        return;
    }
    // A record makes the file look like the one that was last written: a break is noted first.
    tail.begin_run_if_needed(dir, &mut runs, &mut record);
    summary.highest = runs.last();
    if let Ok(tail) = state::append((store, dir, lock), &tail, record, summary)
        && let Some(sequences) = &mut snapshot.sequences
    {
        if sequences.highest == sequences.tail.summary.highest {
            sequences.highest = runs.last();
        }
        sequences.runs = runs;
        sequences.tail = tail;
        sequences.tail.proof = proof.unwrap_or(tail.proof);
        snapshot.details.settle();
        if proof.is_some() {
            snapshot.proof_is_saved();
        }
        if tail.is_long() || is_damaged {
            compact(store, dir, lock, snapshot);
            snapshot.messages.forget_damage();
        }
    }
}

/// Writes a state whose journal has grown long anew, as it is.
fn compact(store: &Store, dir: &Entered, lock: &Lock, snapshot: &mut Snapshot) {
    let Found::Image(image) = state::read(store, dir) else { return };
    let is_current = snapshot.sequences.as_ref().is_some_and(|known| known.tail == image.tail);
    if !is_current {
        return;
    }
    if let Ok(tail) = state::replace(store, dir, lock, &image.content())
        && let Some(sequences) = &mut snapshot.sequences
    {
        sequences.tail = tail;
        snapshot.details = image.details;
    }
}

/// Records that messages at these positions, ascending, were changed by this session: the lock,
/// [`begin`] and [`Turn::record`] in one. If the lock cannot be had within a second, they are not
/// recorded ([`Turn::record`]), and the next scan finds the change.
pub(crate) fn changed(store: &Store, dir: &Entered, snapshot: &mut Snapshot, changed: &[usize]) {
    if snapshot.sequences.is_none() || changed.is_empty() {
        return;
    }
    match begin_after(store, dir, snapshot, changed) {
        Ok(turn) => turn.record(snapshot, changed),
        Err(_) => {
            if let Some(sequences) = &mut snapshot.sequences {
                sequences.cut_short();
            }
        }
    }
}
