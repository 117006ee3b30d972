//! The modification sequences of a folder (RFC 7162), as the folder's state has them: which message
//! changed when, and which UIDs went when.
//!
//! Values come in runs. Inside a run every value up to the last was given, so a client's value that
//! lies in one says exactly what the client has been told. A run ends where values may have been
//! lost (`state`). A client's value that lies in no run counts as 0: the client is told everything.

use super::Messages;
use super::state::Tail;
use crate::types::{ModSeq, Ranges, Uid};

/// No run that began by a clock which is right has values below this: in microseconds since 1970, it is
/// in the January of that year.
const LEAST: u64 = 1 << 40;
/// So many runs are remembered. A client's value from an older one counts as 0.
pub(super) const MAX_RUNS: usize = 256;
/// How far a new run begins above the last value that is known.
const GAP: u64 = 1_000_000;
/// So many ranges of expunged UIDs are remembered. Beyond that, ranges are joined, and a client is
/// told of some UIDs again that it knows to be gone.
pub(super) const MAX_EXPUNGED: usize = 4096;

/// The runs of values, oldest first; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Runs(Vec<(u64, u64)>);

impl Runs {
    /// A first run, of one value.
    pub(super) fn new(first: u64) -> Runs {
        let first = first.clamp(1, ModSeq::MAX);
        Runs(vec![(first, first)])
    }

    /// From a file: ascending, none empty, none beyond 63 bits. `None` if they are not.
    pub(super) fn of(runs: Vec<(u64, u64)>) -> Option<Runs> {
        let mut last = 0;
        for (from, to) in &runs {
            if *from <= last || to < from || *to > ModSeq::MAX {
                return None;
            }
            last = *to;
        }
        (!runs.is_empty() && runs.len() <= MAX_RUNS).then_some(Runs(runs))
    }

    /// First and last value of each.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }

    /// The greatest value that was given.
    pub(super) fn last(&self) -> u64 {
        self.0.last().map_or(1, |(_, last)| *last)
    }

    /// Gives the next value. Where there is none left, the greatest is given again.
    pub(super) fn next(&mut self) -> u64 {
        let Some((_, last)) = self.0.last_mut() else { return 1 };
        *last = last.saturating_add(1).min(ModSeq::MAX);
        *last
    }

    /// Sets the last value of the present run, as a journal has it.
    pub(super) fn advance_to(&mut self, to: u64) {
        if let Some((_, last)) = self.0.last_mut() {
            *last = to.clamp(*last, ModSeq::MAX);
        }
    }

    /// Begins a new run. `time`: the latest of the times that are known, in microseconds since 1970.
    /// `chance`: a random number. By a clock that is behind, and after two runs within a second, a
    /// run begins ahead of the time. If it is lost, the next one must not begin there again.
    pub(super) fn begin(&mut self, time: u64, chance: u64) {
        let least = self.last().saturating_add(GAP).max(time);
        let first = least.saturating_add(chance % GAP).min(ModSeq::MAX);
        self.begin_at(first);
    }

    /// Begins a new run as a journal has it; `None` if it is not above the last.
    pub(super) fn begin_at(&mut self, first: u64) -> Option<()> {
        if first <= self.last() || first > ModSeq::MAX {
            return None;
        }
        if self.0.len() >= MAX_RUNS {
            self.0.remove(0);
        }
        self.0.push((first, first));
        Some(())
    }

    /// What a client's value says of what it was told: the value itself, or 0 outside of all runs.
    pub(super) fn known(&self, value: u64) -> u64 {
        let at = self.0.partition_point(|(_, last)| *last < value);
        match self.0.get(at) {
            Some((first, _)) if *first <= value => value,
            _ => 0,
        }
    }
}

/// The UIDs that are gone, by ascending UID: first and last of a range, and the value that its last
/// change got.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Expunged(Vec<(u32, u32, u64)>);

impl Expunged {
    /// From a file; `None` if the ranges are not in order.
    pub(super) fn of(ranges: Vec<(u32, u32, u64)>) -> Option<Expunged> {
        let mut before = 0;
        for (from, to, _) in &ranges {
            if *from <= before || to < from {
                return None;
            }
            before = *to;
        }
        Some(Expunged(ranges))
    }

    /// The ranges.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (u32, u32, u64)> {
        self.0.iter().copied()
    }

    /// Notes that the UIDs of a range are gone since the change that got this value.
    pub(super) fn add(&mut self, from: u32, to: u32, value: u64) {
        let at = self.0.partition_point(|(_, end, _)| *end < from);
        let until = self.0.partition_point(|(begin, _, _)| *begin <= to);
        if at < until {
            // It was known to be gone, in part: one range for all, with the latest value.
            let taken: Vec<_> = self.0.drain(at..until).collect();
            let from = taken.first().map_or(from, |r| r.0.min(from));
            let to = taken.last().map_or(to, |r| r.1.max(to));
            let value = taken.iter().map(|r| r.2).fold(value, u64::max);
            self.0.insert(at, (from, to, value));
        } else if let Some(before) = at.checked_sub(1).and_then(|i| self.0.get_mut(i))
            && before.2 == value
            && before.1.checked_add(1) == Some(from)
        {
            before.1 = to;
        } else {
            self.0.insert(at, (from, to, value));
        }
        if self.0.len() > MAX_EXPUNGED {
            self.join();
        }
    }

    /// Halves the number of ranges: of two neighbours each, the older pairs become one. What lies
    /// between them is not gone perhaps; whoever asks takes what is there out.
    fn join(&mut self) {
        let mut values: Vec<u64> =
            self.0.windows(2).map(|pair| pair.iter().map(|r| r.2).fold(0, u64::max)).collect();
        let middle = values.len() / 2;
        let (_, limit, _) = values.select_nth_unstable(middle);
        let limit = *limit;
        let mut joined: Vec<(u32, u32, u64)> = Vec::with_capacity(self.0.len());
        for range in std::mem::take(&mut self.0) {
            match joined.last_mut() {
                Some(last) if last.2.max(range.2) <= limit => {
                    last.1 = range.1;
                    last.2 = last.2.max(range.2);
                }
                _ => joined.push(range),
            }
        }
        self.0 = joined;
    }
}

/// The modification sequences of the messages of a scan.
#[derive(Clone, Debug)]
pub(crate) struct Sequences {
    /// Of each message, in the order of the messages.
    pub(super) values: Vec<u64>,
    pub(super) runs: Runs,
    pub(super) expunged: Expunged,
    /// Up to which value everything is in these messages.
    pub(super) highest: u64,
    /// What is told for `highest` where something that the messages show could not be recorded: a
    /// value that is in no run.
    pub(super) short: Option<u64>,
    /// The end of the state as it was when all of it was read or written.
    pub(super) tail: Tail,
}

impl Sequences {
    /// HIGHESTMODSEQ of what the messages show: a client that comes back with it is told all later
    /// changes. A value of no run, if some of what they show could not be recorded.
    pub(crate) fn highest(&self) -> ModSeq {
        value(self.short.unwrap_or(self.highest))
    }

    /// Whether something that the messages show could not be recorded.
    pub(super) fn is_short(&self) -> bool {
        self.short.is_some()
    }

    /// Something could not be recorded that a session does or finds while the folder is open.
    pub(super) fn cut_short(&mut self) {
        self.short.get_or_insert(ModSeq::MIN.get());
    }

    /// The same where the folder is opened. A client that remembers the very value which it is told
    /// then takes its cache for up to date: so no two openings have the same one. `chance`: a random
    /// number.
    pub(super) fn open_short(&mut self, chance: u64) {
        let first = self.runs.iter().next().map_or(1, |(first, _)| first);
        let below = first.min(LEAST).saturating_sub(1).max(1);
        self.short.get_or_insert(1u64.saturating_add(chance % below));
    }

    /// The modification sequence of the message at `index`.
    pub(crate) fn of(&self, index: usize) -> ModSeq {
        value(self.values.get(index).copied().unwrap_or_default())
    }

    /// Whether a client has to be told of the message at `index` that comes with this value
    /// ([`Sequences::known`]): it has a greater one, or one that says nothing, since what was found
    /// of it is not recorded.
    pub(crate) fn is_news(&self, index: usize, since: u64) -> bool {
        let value = self.of(index);
        value == ModSeq::MIN || value.get() > since
    }

    /// Leaves out messages by their indices.
    pub(super) fn leave_out(&mut self, mut is_out: impl FnMut(usize) -> bool) {
        let mut index = 0..self.values.len();
        self.values.retain(|_| index.next().is_some_and(|index| !is_out(index)));
    }

    /// What a value that a client brings stands for: itself, or 0 if it is in no run of ours.
    pub(crate) fn known(&self, value: u64) -> u64 {
        self.runs.known(value)
    }

    /// Of the UIDs that a client knows, those that are not there any more, without those that the
    /// client was told of by `since` ([`Sequences::known`] of its value). `messages`: those that
    /// these are about. (RFC 7162 3.2.6: VANISHED (EARLIER).)
    pub(crate) fn vanished(&self, messages: &Messages, client: &Ranges, since: u64) -> Ranges {
        let there = (0..messages.len()).filter_map(|i| messages.uid(i)).map(Uid::get);
        let old = self.expunged.iter().filter(|(_, _, value)| *value <= since);
        let told: Ranges = old.map(|(from, to, _)| (from, to)).collect();
        client.without(&Ranges::of_numbers(there)).without(&told)
    }
}

/// A value of the file, which has been checked, as a client is told it.
fn value(n: u64) -> ModSeq {
    ModSeq::new(n).unwrap_or(ModSeq::MIN)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_inside_a_run_only() {
        let mut runs = Runs::new(1000);
        runs.next();
        runs.begin(5_000_000, 0);
        runs.next();
        assert_eq!(runs.iter().collect::<Vec<_>>(), [(1000, 1001), (5_000_000, 5_000_001)]);
        for (value, known) in [
            (0, 0),
            (1, 0),
            (999, 0),
            (1000, 1000),
            (1001, 1001),
            (1002, 0),
            (4_999_999, 0),
            (5_000_001, 5_000_001),
            (5_000_002, 0),
            (u64::MAX, 0),
        ] {
            assert_eq!(runs.known(value), known, "{value}");
        }
        // By a clock that is behind, too, a run begins above the last.
        runs.begin(7, 0);
        assert_eq!(runs.last(), 6_000_001);
        // One that is lost does not begin at the same value when it begins anew.
        let mut others = runs.clone();
        runs.begin(7, 123);
        others.begin(7, 1_000_456);
        assert_eq!((runs.last(), others.last()), (7_000_124, 7_000_457));
        for n in 0..1000 {
            runs.begin(n, n);
        }
        assert_eq!(runs.iter().len(), MAX_RUNS);
        assert!(Runs::of(runs.iter().collect()).is_some());
        let mut runs = Runs::new(ModSeq::MAX - 1);
        assert_eq!((runs.next(), runs.next()), (ModSeq::MAX, ModSeq::MAX));
        runs.begin(0, 7);
        assert_eq!(runs.iter().len(), 1);
    }

    #[test]
    fn expunged_ranges() {
        let mut gone = Expunged::default();
        for (uid, value) in [(5, 10), (6, 10), (3, 11), (9, 12)] {
            gone.add(uid, uid, value);
        }
        assert_eq!(gone.iter().collect::<Vec<_>>(), [(3, 3, 11), (5, 6, 10), (9, 9, 12)]);
        gone.add(4, 7, 13);
        assert_eq!(gone.iter().collect::<Vec<_>>(), [(3, 3, 11), (4, 7, 13), (9, 9, 12)]);
        assert_eq!(Expunged::of(gone.iter().collect()), Some(gone));
        assert_eq!(Expunged::of(vec![(3, 2, 1)]), None);
        assert_eq!(Expunged::of(vec![(0, 2, 1)]), None);
        assert_eq!(Expunged::of(vec![(1, 2, 1), (2, 3, 1)]), None);
        // Many: nothing is forgotten, and the latest stay apart.
        let mut gone = Expunged::default();
        let last = 20_000u32;
        for n in 1..=last {
            gone.add(n * 2, n * 2, u64::from(n));
        }
        assert!(gone.iter().len() <= MAX_EXPUNGED);
        for n in 1..=last {
            let uid = n * 2;
            let found = gone.iter().find(|(from, to, _)| (*from..=*to).contains(&uid)).unwrap();
            assert!(found.2 >= u64::from(n), "{uid}");
        }
        assert!(gone.iter().any(|range| range == (last * 2, last * 2, u64::from(last))));
    }
}
