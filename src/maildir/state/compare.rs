//! What is different between a folder's state and what a scan has found: that is recorded.

use super::{Content, Image, Item, Record, StoredProof, Summary, Tail};
use crate::maildir::details::{Detail, Details};
use crate::maildir::lock::Lock;
use crate::maildir::sequences::{Expunged, Runs, Sequences};
use crate::maildir::{Entered, Messages, Store};
use crate::types::{KeywordTable, ModSeq, SameKeywords, SetId, Uid, UidValidity};
use std::io;

/// A folder as a scan has found it.
#[derive(Clone, Copy)]
pub(in crate::maildir) struct Seen<'a> {
    pub(in crate::maildir) validity: UidValidity,
    pub(in crate::maildir) next: u32,
    pub(in crate::maildir) messages: &'a Messages,
    pub(in crate::maildir) keywords: &'a KeywordTable,
    /// Whether all keywords were read. If not, those of the state stay.
    pub(in crate::maildir) has_keywords: bool,
    pub(in crate::maildir) proof: StoredProof,
    /// The UIDs of messages whose files are others than those of which something was learned.
    pub(in crate::maildir) rewritten: &'a [u32],
}

impl Seen<'_> {
    /// The proof by this reading, and by the one before it.
    pub(in crate::maildir) fn proof_after(&self, before: &StoredProof) -> StoredProof {
        if self.has_keywords { self.proof } else { self.proof.without_keywords(before) }
    }
}

/// One difference. Messages by their positions in what was seen.
enum Difference {
    /// It is not in the state.
    Came(usize),
    /// It has other flags or keywords.
    Changed(usize),
    /// Only its file name is another, with the same flags.
    Renamed(usize),
    /// UIDs, first and last, that have gone since, or that came and went.
    Gone(u32, u32),
}

impl Image {
    /// The values of the messages that were seen, if the state says the very same of them.
    pub(in crate::maildir) fn values_if_same(&self, seen: &Seen<'_>) -> Option<Vec<u64>> {
        let mut same = self.validity == seen.validity && self.next == seen.next;
        if same {
            self.compare(seen, |_| {
                same = false;
                false
            });
        }
        // A damaged one is not what it seems, and has to be made anew.
        same &= !self.messages.has_damaged_names();
        same.then(|| self.values.clone())
    }

    /// The sequences of a folder in which other things were seen, and cannot be recorded. What is as
    /// the state says keeps its value, the rest has the smallest, and no value covers all.
    pub(in crate::maildir) fn short_of(self, seen: &Seen<'_>) -> (Sequences, Details) {
        let mut values: Vec<u64> = Vec::with_capacity(seen.messages.len());
        for j in 0..seen.messages.len() {
            let at = seen.messages.uid(j).and_then(|uid| self.messages.position(uid).ok());
            values.push(at.and_then(|at| self.values.get(at)).copied().unwrap_or_default());
        }
        self.compare(seen, |difference| {
            if let Difference::Came(j) | Difference::Changed(j) = difference
                && let Some(value) = values.get_mut(j)
            {
                *value = ModSeq::MIN.get();
            }
            true
        });
        let Image { runs, expunged, mut details, tail, .. } = self;
        seen.rewritten.iter().for_each(|uid| details.forget(*uid));
        let mut sequences = sequences(values, runs, expunged, tail);
        sequences.open_short(super::chance());
        (sequences, details)
    }

    /// Calls `each` with every difference, until it says `false`.
    fn compare(&self, seen: &Seen<'_>, mut each: impl FnMut(Difference) -> bool) {
        let uid = |messages: &Messages, i| messages.uid(i).map(Uid::get);
        let mut keywords = SameKeywords::new(&self.keywords, seen.keywords);
        let (mut i, mut j) = (0, 0);
        loop {
            let difference = match (uid(&self.messages, i), uid(seen.messages, j)) {
                (None, None) => break,
                (Some(old), Some(new)) if old == new => {
                    let same_flags = self.messages.flags(i) == seen.messages.flags(j)
                        && (!seen.has_keywords
                            || keywords.same(self.messages.keywords(i), seen.messages.keywords(j)));
                    let same_name = self.messages.base_name(i) == seen.messages.base_name(j)
                        && self.messages.odd(i) == seen.messages.odd(j);
                    (i, j) = (i + 1, j + 1);
                    match (same_flags, same_name) {
                        (true, true) => continue,
                        (true, false) => Difference::Renamed(j - 1),
                        _ => Difference::Changed(j - 1),
                    }
                }
                (Some(old), new) if new.is_none_or(|new| old < new) => {
                    i += 1;
                    Difference::Gone(old, old)
                }
                _ => {
                    j += 1;
                    Difference::Came(j - 1)
                }
            };
            if !each(difference) {
                return;
            }
        }
        // What was given a UID and removed between two looks.
        let mut from = self.next;
        let there = (0..seen.messages.len()).filter_map(|j| uid(seen.messages, j));
        for uid in there.filter(|uid| *uid >= self.next).chain([seen.next]) {
            if uid > from && !each(Difference::Gone(from, uid - 1)) {
                return;
            }
            from = uid.saturating_add(1);
        }
    }
}

/// What came of recording.
pub(in crate::maildir) struct Recorded {
    pub(in crate::maildir) sequences: Sequences,
    pub(in crate::maildir) details: Details,
}

/// Brings the state up to date with what was seen, under the lock. `above`: the greatest value of a
/// state that could not be used.
pub(in crate::maildir) fn record(
    (store, dir, lock): (&Store, &Entered, &Lock),
    image: Option<Box<Image>>,
    above: u64,
    seen: &Seen<'_>,
) -> io::Result<Recorded> {
    can_hold(seen)?;
    // Values that have reached their end begin anew: those that clients know lie in no run then.
    let is_spent = |value: u64| value >= ModSeq::MAX;
    let image = image.filter(|image| !is_spent(image.runs.last()));
    let above = if is_spent(above) { 0 } else { above };
    let Some(mut image) = image else { return begin((store, dir, lock), above, seen) };
    if seen.next < image.next {
        // The scan knew less than the state. No reader would take such a record.
        return Err(io::Error::other("UIDs below those of the state"));
    }
    let mut record = Record::default();
    image.tail.begin_run_if_needed(dir, &mut image.runs, &mut record);
    let mut differences = Vec::new();
    image.compare(seen, |difference| {
        differences.push(difference);
        true
    });
    let mut values = Vec::with_capacity(seen.messages.len());
    for j in 0..seen.messages.len() {
        let at = seen.messages.uid(j).and_then(|uid| image.messages.position(uid).ok());
        values.push(at.and_then(|at| image.values.get(at)).copied().unwrap_or(0));
    }
    let is_new_value = |d: &Difference| !matches!(d, Difference::Renamed(_));
    if differences.iter().any(is_new_value) || image.next != seen.next {
        image.runs.next();
    }
    let value = image.runs.last();
    for difference in &differences {
        match *difference {
            Difference::Gone(first, last) => {
                record.expunge(first, last, value);
                image.expunged.add(first, last, value);
            }
            Difference::Came(j) | Difference::Changed(j) | Difference::Renamed(j) => {
                if is_new_value(difference)
                    && let Some(slot) = values.get_mut(j)
                {
                    *slot = value;
                }
                let Some(uid) = seen.messages.uid(j) else { continue };
                let old = image.messages.position(uid).ok();
                let keywords = (seen.keywords, seen.messages.keywords(j));
                let item = Item {
                    uid: uid.get(),
                    value: values.get(j).copied().unwrap_or(value),
                    flags: seen.messages.flags(j),
                    keywords: seen.has_keywords.then_some(keywords),
                    odd: seen.messages.odd(j),
                };
                let base = seen.messages.base_name(j);
                let is_named = old.is_some_and(|old| image.messages.base_name(old) == base);
                if is_named {
                    record.change(&item);
                } else if super::format::is_valid_base(base) {
                    record.message(base, &item);
                } else {
                    return Err(io::Error::other("a name that a state cannot hold"));
                }
            }
        }
    }
    for uid in seen.rewritten {
        record.detail(*uid, &Detail::NOTHING);
        image.details.forget(*uid);
    }
    image.details.settle();
    let proof = seen.proof_after(&image.tail.proof);
    if image.tail.proof != proof && proof.is_settled() {
        record.proof(&proof);
        image.tail.proof = proof;
    }
    let is_damaged = image.messages.has_damaged_names();
    let is_due = !record.is_empty() || image.next != seen.next || is_damaged;
    if is_due {
        let summary = Summary::of(seen.messages, seen.next, image.runs.last());
        // A record puts messages behind the last one only. Others come back with a UID file.
        let is_between = |d: &Difference| {
            let uid = |j| seen.messages.uid(j).map_or(0, Uid::get);
            matches!(*d, Difference::Came(j) if uid(j) <= image.messages.highest())
        };
        let is_long = !dir.folder().is_local()
            || image.tail.is_long()
            || is_damaged
            || differences.iter().any(is_between);
        let appended = match is_long {
            true => None,
            false => super::append((store, dir, lock), &image.tail, record, summary).ok(),
        };
        // The journal has grown too long; or the file cannot be written, but another can be put in
        // its place: its owner is another user.
        image.tail = match appended {
            Some(tail) => tail,
            None => replace((store, dir, lock), &image, seen, &values)?,
        };
    }
    let Image { runs, expunged, details, tail, .. } = *image;
    Ok(Recorded { sequences: sequences(values, runs, expunged, tail), details })
}

/// Writes a whole state of what was seen, with what the old one has beside it.
fn replace(
    (store, dir, lock): (&Store, &Entered, &Lock),
    image: &Image,
    seen: &Seen<'_>,
    values: &[u64],
) -> io::Result<Tail> {
    let mut content = Content {
        validity: seen.validity,
        next: seen.next,
        messages: seen.messages,
        keywords: seen.keywords,
        values,
        ..image.content()
    };
    if seen.has_keywords {
        return super::replace(store, dir, lock, &content);
    }
    // Their keywords were not read: they stay as the old state has them.
    let mut messages = seen.messages.clone();
    for j in 0..messages.len() {
        let old = messages.uid(j).and_then(|uid| image.messages.position(uid).ok());
        messages.set_keywords(j, old.map_or(SetId::EMPTY, |old| image.messages.keywords(old)));
    }
    content = Content { messages: &messages, keywords: &image.keywords, ..content };
    super::replace(store, dir, lock, &content)
}

/// Whether a state can have the keywords that were seen.
fn can_hold(seen: &Seen<'_>) -> io::Result<()> {
    match seen.keywords.names().any(|name| u16::try_from(name.len()).is_err()) {
        true => Err(io::Error::other("a keyword that a state cannot hold")),
        false => Ok(()),
    }
}

/// Makes a first state, above all values that may have been given.
fn begin(at: (&Store, &Entered, &Lock), above: u64, seen: &Seen<'_>) -> io::Result<Recorded> {
    let mut runs = Runs::new(above.max(1));
    runs.begin(super::latest_time(at.1), super::chance());
    let first = runs.last();
    make(at, (first, Runs::new(first)), seen)
}

/// Makes a first state of what a client was shown before with this value for HIGHESTMODSEQ. The
/// value is a run of its own. The next run begins by the present time: above values that other
/// sessions have told meanwhile in the same way.
pub(in crate::maildir) fn begin_at(
    at: (&Store, &Entered, &Lock),
    told: u64,
    seen: &Seen<'_>,
) -> io::Result<Recorded> {
    can_hold(seen)?;
    let mut runs = Runs::new(told);
    runs.begin(super::latest_time(at.1), super::chance());
    make(at, (told, runs), seen)
}

/// The modification sequences of messages of which nothing can be recorded.
pub(in crate::maildir) fn unrecorded(messages: usize) -> Sequences {
    let runs = Runs::new(ModSeq::MIN.get());
    let values = vec![ModSeq::MIN.get(); messages];
    let mut sequences = sequences(values, runs, Expunged::default(), Tail::of_no_file());
    sequences.open_short(super::chance());
    sequences
}

/// Makes a first state, in which all messages have one value.
fn make(
    (store, dir, lock): (&Store, &Entered, &Lock),
    (value, runs): (u64, Runs),
    seen: &Seen<'_>,
) -> io::Result<Recorded> {
    let values = vec![value; seen.messages.len()];
    let proof = seen.proof_after(&StoredProof::of([None; 4], false));
    let (expunged, details) = (Expunged::default(), Details::default());
    let content = Content {
        validity: seen.validity,
        next: seen.next,
        messages: seen.messages,
        keywords: seen.keywords,
        values: &values,
        runs: &runs,
        expunged: &expunged,
        details: &details,
        proof,
    };
    let tail = super::replace(store, dir, lock, &content)?;
    Ok(Recorded { sequences: sequences(values, runs, expunged, tail), details })
}

/// The sequences of messages that show all that is recorded.
pub(in crate::maildir) fn sequences(
    values: Vec<u64>,
    runs: Runs,
    expunged: Expunged,
    tail: Tail,
) -> Sequences {
    let highest = runs.last();
    Sequences { values, runs, expunged, highest, short: None, tail }
}
