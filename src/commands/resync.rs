//! QRESYNC (RFC 7162 3.2.5, 3.2.6): a client that comes back is told what it has missed, which
//! messages are gone and which have changed.

use super::args::Which;
use crate::response::mailbox::vanished_lines;
use crate::session::{Error, Result, Selected, Session};
use crate::sys::breath;
use crate::types::{ModSeq, Ranges, UidValidity};
use crate::wire::set::Range;
use crate::wire::{Set, Token};

/// What a client knows of a folder, from the last time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Resync {
    uid_validity: UidValidity,
    /// The modification sequence that it was told last.
    since: u64,
    /// The UIDs that it knows; `None` for all that there were.
    uids: Option<Ranges>,
    sample: Sample,
}

/// `"(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`
pub(super) fn parse(s: &mut Session) -> Result<Resync> {
    open(s)?;
    let uid_validity = s.io.token()?.number().and_then(|n| u32::try_from(n).ok());
    let uid_validity = uid_validity.and_then(UidValidity::new).ok_or(Error::Syntax)?;
    let since = s.io.token()?.number().and_then(ModSeq::new).ok_or(Error::Syntax)?.get();
    let mut resync = Resync { uid_validity, since, uids: None, sample: Sample::default() };
    let mut token = s.io.token()?;
    if let Token::Atom(text) = &token {
        let uids = Set::parse(text).and_then(|set| set.as_written());
        resync.uids = Some(numbers(uids.ok_or(Error::Syntax)?));
        token = s.io.token()?;
    }
    if token == Token::Open {
        resync.sample = Sample::of(&set(s)?, &set(s)?).ok_or(Error::Syntax)?;
        close(s)?;
        token = s.io.token()?;
    }
    if token == Token::Close { Ok(resync) } else { Err(Error::Syntax) }
}

fn open(s: &mut Session) -> Result<()> {
    if s.io.token()? == Token::Open { Ok(()) } else { Err(Error::Syntax) }
}

fn close(s: &mut Session) -> Result<()> {
    if s.io.token()? == Token::Close { Ok(()) } else { Err(Error::Syntax) }
}

fn set(s: &mut Session) -> Result<Set> {
    match s.io.token()? {
        Token::Atom(text) => Set::parse(&text).ok_or(Error::Syntax),
        _ => Err(Error::Syntax),
    }
}

/// The numbers of a set that can be UIDs. The ends of a range may be in either order.
fn numbers(written: Vec<Range>) -> Ranges {
    let ranges = written.into_iter().filter_map(|Range { from, to }| {
        let (from, to) = (from.min(to).max(1), from.max(to));
        let from = u32::try_from(from).ok().filter(|from| u64::from(*from) <= to)?;
        Some((from, u32::try_from(to).unwrap_or(u32::MAX)))
    });
    ranges.collect()
}

/// `seq-match-data = "(" known-sequence-set SP known-uid-set ")"`: the UIDs that a client knows for
/// some sequence numbers (RFC 7162 3.2.5.2). Both are ascending, and of one length.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Sample {
    numbers: Vec<Range>,
    uids: Vec<Range>,
}

impl Sample {
    /// From what was written; `None` with `*`. A sample that is not ascending, or where the one set
    /// is longer than the other, proves nothing: then the client is told as if there were none.
    fn of(numbers: &Set, uids: &Set) -> Option<Sample> {
        let sample = Sample { numbers: numbers.as_written()?, uids: uids.as_written()? };
        let numbers = length(&sample.numbers);
        Some(if numbers.is_some() && numbers == length(&sample.uids) {
            sample
        } else {
            Sample::default()
        })
    }

    /// The last UID that is where the client knows it to be, 0 if none is: up to there the client
    /// knows which messages are gone. `uid`: the UID at a sequence number.
    fn known_up_to(&self, count: u64, uid: impl Fn(u64) -> Option<u32>) -> u32 {
        let mut known = 0;
        let mut uids = self.uids.iter().copied();
        let mut run = uids.next();
        for numbers in &self.numbers {
            let mut from = numbers.from;
            while let Some(Range { from: first, to: last }) = run
                && from <= numbers.to
            {
                if from > count {
                    return known;
                }
                // This pair, and so many more with the next numbers on both sides.
                let more = numbers.to.saturating_sub(from).min(last.saturating_sub(first));
                let there = more.min(count.saturating_sub(from));
                let pairs = (0..=there).rev();
                let mut pairs = pairs.map(|i| (from.saturating_add(i), first.saturating_add(i)));
                let is_there = |(n, is)| uid(n).filter(|uid| u64::from(*uid) == is);
                known = pairs.find_map(is_there).unwrap_or(known);
                from = from.saturating_add(more).saturating_add(1);
                let next = first.checked_add(more).and_then(|n| n.checked_add(1));
                run = match next.filter(|next| *next <= last) {
                    Some(next) => Some(Range { from: next, to: last }),
                    None => uids.next(),
                };
            }
        }
        known
    }
}

/// How many numbers these ranges have; `None` if they do not ascend.
fn length(ranges: &[Range]) -> Option<u128> {
    let mut before = 0;
    let mut length = 0u128;
    for Range { from, to } in ranges {
        if *from <= before || to < from {
            return None;
        }
        length = length.saturating_add(u128::from(to - from)).saturating_add(1);
        before = *to;
    }
    Some(length)
}

impl Resync {
    /// Tells a client that opens a folder what it has missed.
    pub(super) fn tell(&self, s: &mut Session, selected: &Selected) -> Result<()> {
        let snapshot = &selected.snapshot;
        // RFC 7162 3.2.5, 3.2.5.1: of another folder, and where there are no modification
        // sequences, it knows nothing.
        let Some(sequences) = selected.sequences() else { return Ok(()) };
        if self.uid_validity != snapshot.uid_validity {
            return Ok(());
        }
        let since = sequences.known(self.since);
        let all = || [(1, u32::MAX)].into_iter().collect();
        let known = self.uids.clone().unwrap_or_else(all);
        let mut missed = known.clone();
        if since == 0 {
            // RFC 7162 5.3: where we know what went since, that says more than the sample.
            let messages = &snapshot.messages;
            let uid = |n: u64| messages.uid(usize::try_from(n).ok()?.checked_sub(1)?);
            let up_to = self.sample.known_up_to(messages.len() as u64, |n| uid(n).map(|u| u.get()));
            missed = known.within(up_to.saturating_add(1), u32::MAX);
        }
        vanished(s, selected, (&missed, self.uids.is_some()), since)?;
        for index in 0..snapshot.messages.len() {
            let is_known =
                snapshot.messages.uid(index).is_some_and(|uid| known.contains(uid.get()));
            if is_known && sequences.is_news(index, since) {
                breath::breathe()?;
                selected.send_message_flags(s, index, true);
                s.io.flush_if_full()?;
            }
        }
        Ok(())
    }
}

/// Sends VANISHED (EARLIER): of these UIDs, those that are gone since. `is_named`: whether the client
/// has named them, and does not mean all that there ever were.
fn vanished(
    s: &mut Session,
    selected: &Selected,
    (known, is_named): (&Ranges, bool),
    since: u64,
) -> Result<()> {
    let Some(sequences) = selected.sequences() else { return Ok(()) };
    let messages = &selected.snapshot.messages;
    let is_open = known.as_slice().last().is_some_and(|(_, last)| *last == u32::MAX);
    let gone = match since == 0 && is_named && !is_open {
        // The UID file may have been lost and made anew, under the same UIDVALIDITY if that was
        // within a second, and the state with it: then the client knows UIDs beyond the next one.
        true => sequences.vanished(messages, known, since),
        // Later UIDs are still to come.
        false => {
            let last = selected.snapshot.uid_next.saturating_sub(1);
            sequences.vanished(messages, &known.within(1, last), since)
        }
    };
    for line in vanished_lines(&gone, true) {
        breath::breathe()?;
        s.send(&line);
        s.io.flush_if_full()?;
    }
    Ok(())
}

/// For UID FETCH with VANISHED (RFC 7162 3.2.6): sends VANISHED (EARLIER) for the UIDs of a set that
/// are gone since the modification sequence of a client.
pub(super) fn tell_vanished(
    s: &mut Session,
    selected: &Selected,
    which: &Which,
    since: u64,
) -> Result<()> {
    let Some(sequences) = selected.sequences() else { return Ok(()) };
    let since = sequences.known(since);
    let (known, is_named) = match which {
        Which::Found => (selected.found.clone(), false),
        Which::Set(set) => {
            // `*` is the last message (RFC 3501 9), and the last one that is gone as well.
            let messages = &selected.snapshot.messages;
            let last = messages.len().checked_sub(1).and_then(|i| messages.uid(i)).map(|u| u.get());
            let ever = selected.snapshot.uid_next.checked_sub(1).filter(|last| *last > 0);
            let mut ranges = set.ranges(last);
            ranges.extend(set.ranges(ever));
            (numbers(ranges), true)
        }
    };
    vanished(s, selected, (&known, is_named), since)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> Set {
        Set::parse(text.as_bytes()).unwrap()
    }

    fn sample(numbers: &str, uids: &str) -> Option<Sample> {
        Sample::of(&written(numbers), &written(uids))
    }

    fn known_up_to(sample: &Sample, uids: &[u32]) -> u32 {
        let uid = |n: u64| uids.get(usize::try_from(n).ok()?.checked_sub(1)?).copied();
        sample.known_up_to(uids.len() as u64, uid)
    }

    /// RFC 7162 3.2.5.2: every third UID is there.
    #[test]
    fn the_examples_of_the_rfc() {
        let uids: Vec<u32> = (1..=10_003).map(|n| n * 3).collect();
        let sample = sample(
            "5000,7500,9000,9990:9999",
            "15000,22500,27000,29970,29973,29976,29979,29982,29985,29988,29991,29994,29997",
        );
        assert_eq!(known_up_to(&sample.unwrap(), &uids), 29_997);
        // "If the (N+1)th message number is 12, and the (N+1)th UID is 24, and the (N+1)th message
        // has UID 25, then the lowest UID included would be 9."
        let uids = [1, 2, 4, 8, 9, 10, 11, 12, 13, 14, 15, 25];
        assert_eq!(
            known_up_to(&super::Sample::of(&written("4,12"), &written("8,24")).unwrap(), &uids),
            8
        );
    }

    #[test]
    fn samples() {
        let uids = [3, 5, 6, 7, 20];
        for (numbers, known, up_to) in [
            ("1", "3", 3),
            ("1", "4", 0),
            ("1:5", "3,5:7,20", 20),
            ("1:5", "3,5:7,21", 7),
            ("2:4", "5:7", 7),
            ("2:4,5", "5:7,9", 7),
            ("1,5", "4,20", 20),
            // Beyond the last message, and beyond all numbers.
            ("5:9", "20:24", 20),
            ("6", "20", 0),
            ("5,18446744073709551615", "20,18446744073709551615", 20),
            ("1:18446744073709551615", "1:18446744073709551615", 0),
            ("2:18446744073709551615", "5:18446744073709551614", 0),
            ("2:18446744073709551614", "5:18446744073709551615", 0),
            ("2:4294967295", "5:4294967298", 7),
            // What proves nothing.
            ("1,2", "3", 0),
            ("1", "3,5", 0),
            ("2,1", "5,3", 0),
            ("2:1", "3,5", 0),
            ("1,1", "3,3", 0),
            ("1:2,2", "3,5,5", 0),
            ("0", "3", 0),
        ] {
            let sample = sample(numbers, known).unwrap();
            assert_eq!(known_up_to(&sample, &uids), up_to, "{numbers} {known}");
            assert_eq!(known_up_to(&sample, &[]), 0, "{numbers} {known}");
        }
        for (numbers, known) in [("*", "3"), ("1", "*"), ("1:*", "3:*"), ("1,*", "3,4")] {
            assert_eq!(sample(numbers, known), None, "{numbers} {known}");
        }
    }

    #[test]
    fn known_uids() {
        for (text, uids) in [
            ("1:3,7", &[(1, 3), (7, 7)][..]),
            ("9:2,1", &[(1, 9)]),
            ("0", &[]),
            ("4294967295:99999999999", &[(u32::MAX, u32::MAX)]),
            ("4294967296", &[]),
            ("99999999999999999999:5", &[(5, u32::MAX)]),
        ] {
            assert_eq!(numbers(written(text).as_written().unwrap()).as_slice(), uids, "{text}");
        }
        assert_eq!(written("1,2:*").as_written(), None);
    }

    /// A client's list, and which of its messages are still there.
    fn folders() -> impl Strategy<Value = (Vec<u32>, Vec<u32>)> {
        proptest::collection::btree_map(1u32..60, any::<bool>(), 0..30).prop_map(|all| {
            let there = all.iter().filter(|(_, there)| **there).map(|(uid, _)| *uid).collect();
            (all.into_keys().collect(), there)
        })
    }

    /// Numbers, one by one or as ranges.
    fn set_of(numbers: &[u32], joined: bool) -> Set {
        let mut text = Vec::new();
        if joined {
            for (from, to) in Ranges::of_numbers(numbers.iter().copied()).iter() {
                text.push(format!("{from}:{to}"));
            }
        } else {
            text.extend(numbers.iter().map(u32::to_string));
        }
        written(&text.join(","))
    }

    proptest! {
        /// A client that tells the truth misses nothing by its sample, and is told of no message
        /// below the last that is where it knows it to be.
        #[test]
        fn honest_samples(
            (client, there) in folders(),
            chosen in proptest::collection::vec(any::<bool>(), 60),
            joined in any::<(bool, bool)>(),
        ) {
            let pairs: Vec<(u32, u32)> = (1..)
                .zip(client.iter().copied())
                .filter(|(n, _)| chosen[*n as usize % 60])
                .collect();
            prop_assume!(!pairs.is_empty());
            let (numbers, uids): (Vec<u32>, Vec<u32>) = pairs.iter().copied().unzip();
            let sample = Sample::of(&set_of(&numbers, joined.0), &set_of(&uids, joined.1)).unwrap();
            let up_to = known_up_to(&sample, &there);
            let gone: Vec<u32> = client.iter().copied().filter(|uid| !there.contains(uid)).collect();
            prop_assert!(gone.iter().all(|uid| *uid > up_to), "{gone:?} {up_to}");
            let found = pairs.iter().rev().find(|(n, uid)| there.get(*n as usize - 1) == Some(uid));
            prop_assert_eq!(up_to, found.map_or(0, |(_, uid)| *uid));
        }

        /// Any two sets, against the pairs one by one.
        #[test]
        fn any_samples(
            (_, there) in folders(),
            sets in proptest::collection::vec(
                (proptest::collection::btree_set(1u32..70, 1..20), any::<bool>()), 2..=2),
        ) {
            let numbers: Vec<u32> = sets[0].0.iter().copied().collect();
            let uids: Vec<u32> = sets[1].0.iter().copied().collect();
            let sample = Sample::of(&set_of(&numbers, sets[0].1), &set_of(&uids, sets[1].1)).unwrap();
            let pairs = numbers.iter().zip(&uids).rev();
            let expected = if numbers.len() == uids.len() {
                let mut found = pairs.filter(|(n, uid)| there.get(**n as usize - 1) == Some(*uid));
                found.next().map_or(0, |(_, uid)| *uid)
            } else {
                0
            };
            prop_assert_eq!(known_up_to(&sample, &there), expected);
        }
    }
}
