//! Message sets (RFC 3501 9, `sequence-set`): numbers, ranges, `*`.

use crate::types::number;
use std::collections::BTreeMap;

/// One end of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bound {
    /// A number as written. Zero is accepted on its own (Courier), and names no message.
    Number(u64),
    /// `*`: the last message.
    Last,
}

/// A set as the client wrote it: ranges in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Set(Vec<(Bound, Bound)>);

/// A range of a set in a given folder, its ends in order; or as it was written, by
/// [`Set::as_written`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    /// The first number.
    pub(crate) from: u64,
    /// The last number, not below `from`.
    pub(crate) to: u64,
}

impl Set {
    /// Reads a set. Numbers inside a range or a list must not begin with 0; a trailing comma is
    /// accepted (Courier); anything else outside the grammar is `None`.
    pub(crate) fn parse(text: &[u8]) -> Option<Set> {
        // Courier: 0 alone is accepted, and names no message.
        if text == b"0" {
            return Some(Set(vec![(Bound::Number(0), Bound::Number(0))]));
        }
        let text = match text.strip_suffix(b",") {
            Some(rest) if !rest.is_empty() => rest,
            _ => text,
        };
        text.split(|b| *b == b',').map(range).collect::<Option<Vec<_>>>().map(Set)
    }

    /// The ranges for a folder whose highest number is `last` (`None` when it is empty), in the
    /// client's order, each number once: what an earlier range has is left out of a later one (RFC
    /// 3501 9, `sequence-set`: "MAY be reordered and overlap coalesced"; Courier: overlaps are
    /// served as often as they are named). Reversed ends are put in order: `4:2` means `2:4`, and
    /// `9:*` where the last is 3 means `3:9` (RFC 3501 9, `seq-range`). A range with `*` never
    /// reaches past `last`. In an empty folder `*` alone is 0, which names no message (Courier),
    /// and a range with `*` is left out.
    pub(crate) fn ranges(&self, last: Option<u32>) -> Vec<Range> {
        let mut merged = Merged::default();
        let mut ranges = Vec::new();
        for range in self.0.iter().filter_map(|range| in_folder(range, last)) {
            merged.add(range, &mut ranges);
        }
        ranges
    }

    /// The ranges as they were written, of a set without `*`; `None` with one.
    pub(crate) fn as_written(&self) -> Option<Vec<Range>> {
        let number = |bound: &Bound| match bound {
            Bound::Number(n) => Some(*n),
            Bound::Last => None,
        };
        self.0.iter().map(|(a, b)| Some(Range { from: number(a)?, to: number(b)? })).collect()
    }
}

/// A range in a folder whose highest number is `last`.
fn in_folder((a, b): &(Bound, Bound), last: Option<u32>) -> Option<Range> {
    let value = |bound: &Bound| match bound {
        Bound::Number(n) => Some(*n),
        Bound::Last => last.map(u64::from),
    };
    let (a_is_last, b_is_last) = (*a == Bound::Last, *b == Bound::Last);
    if a_is_last && b_is_last && last.is_none() {
        return Some(Range { from: 0, to: 0 });
    }
    let (x, y) = (value(a)?, value(b)?);
    let (from, to) = (x.min(y), x.max(y));
    let to = if a_is_last || b_is_last { to.min(u64::from(last?)).max(from) } else { to };
    Some(Range { from, to })
}

/// Numbers that were named so far, as ranges that do not touch: their ends by their beginnings.
#[derive(Default)]
struct Merged(BTreeMap<u64, u64>);

impl Merged {
    /// Adds a range. What is new of it goes to `new`, ascending. The ranges that it meets become
    /// one with it, so all additions together look at each range little more than once.
    fn add(&mut self, range: Range, new: &mut Vec<Range>) {
        let Range { mut from, mut to } = range;
        // The first number that is not known to be named yet; none after the last there is.
        let mut next = Some(from);
        let before = self.0.range(..=from).next_back().map(|(first, last)| (*first, *last));
        if let Some((first, last)) = before.filter(|(_, last)| *last >= from) {
            (from, to, next) = (first, to.max(last), last.checked_add(1));
        }
        while let Some(start) = next.filter(|next| *next <= range.to) {
            let known = self.0.range(start..=range.to).next().map(|(first, last)| (*first, *last));
            let Some((first, last)) = known else {
                new.push(Range { from: start, to: range.to });
                break;
            };
            if first > start {
                new.push(Range { from: start, to: first.saturating_sub(1) });
            }
            self.0.remove(&first);
            (to, next) = (to.max(last), last.checked_add(1));
        }
        self.0.insert(from, to);
    }
}

/// `seq-range / seq-number`
fn range(text: &[u8]) -> Option<(Bound, Bound)> {
    match memchr::memchr(b':', text) {
        Some(colon) => Some((bound(text.get(..colon)?)?, bound(text.get(colon + 1..)?)?)),
        None => bound(text).map(|b| (b, b)),
    }
}

fn bound(text: &[u8]) -> Option<Bound> {
    if text == b"*" {
        return Some(Bound::Last);
    }
    if text.first() == Some(&b'0') {
        return None;
    }
    // Past 64 bits it names no message either way.
    let all_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    all_digits.then(|| Bound::Number(number::digits(text).unwrap_or(u64::MAX)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(text: &str, last: u32) -> Option<Vec<(u64, u64)>> {
        let set = Set::parse(text.as_bytes())?;
        let last = (last > 0).then_some(last);
        Some(set.ranges(last).iter().map(|r| (r.from, r.to)).collect())
    }

    #[test]
    fn table() {
        for (text, last, expected) in [
            ("1", 3, &[(1, 1)][..]),
            ("1:3", 3, &[(1, 3)]),
            ("3:1", 3, &[(1, 3)]),
            ("*:1", 3, &[(1, 3)]),
            ("9:*", 3, &[(3, 3)]),
            ("*", 3, &[(3, 3)]),
            ("1,1:2", 3, &[(1, 1), (2, 2)]),
            ("3,1,2", 3, &[(3, 3), (1, 1), (2, 2)]),
            ("1:*,1:*,1:*", 3, &[(1, 3)]),
            ("5,2,1:7,9,1:*", 9, &[(5, 5), (2, 2), (1, 1), (3, 4), (6, 7), (9, 9), (8, 8)]),
            (
                "18446744073709551615,1:18446744073709551615,1",
                3,
                &[(u64::MAX, u64::MAX), (1, u64::MAX - 1)],
            ),
            ("2:9", 3, &[(2, 9)]),
            ("1,", 3, &[(1, 1)]),
            ("0", 3, &[(0, 0)]),
            ("*", 0, &[(0, 0)]),
            ("1:*", 0, &[]),
            ("99999999999999999999", 3, &[(u64::MAX, u64::MAX)]),
        ] {
            assert_eq!(ranges(text, last).as_deref(), Some(expected), "{text}");
        }
        for bad in ["", ",1", "1:0", "0:1", "01", "1:", ":1", "a", "1:2:3", "1,,2", "**", ","] {
            assert_eq!(ranges(bad, 3), None, "{bad}");
        }
    }

    proptest! {
        /// The numbers in the client's order, each where it is named first.
        #[test]
        fn each_number_once(named in proptest::collection::vec((1u64..30, 1u64..30), 1..12)) {
            let text: Vec<String> = named.iter().map(|(a, b)| format!("{a}:{b}")).collect();
            let set = Set::parse(text.join(",").as_bytes()).unwrap();
            let got: Vec<u64> = set.ranges(Some(9)).iter().flat_map(|r| r.from..=r.to).collect();
            let mut expected = Vec::new();
            for n in named.iter().flat_map(|(a, b)| *a.min(b)..=*a.max(b)) {
                if !expected.contains(&n) {
                    expected.push(n);
                }
            }
            prop_assert_eq!(got, expected);
        }

        #[test]
        fn any_bytes(text in proptest::collection::vec(any::<u8>(), 0..20), last in 0u32..10) {
            if let Some(set) = Set::parse(&text) {
                for r in set.ranges(Some(last).filter(|l| *l > 0)) {
                    prop_assert!(r.from <= r.to);
                }
            }
        }
    }
}
