//! Message sets (RFC 3501 9, `sequence-set`): numbers, ranges, `*`.

use crate::types::number;

/// One end of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bound {
    /// A number as written. Zero is accepted on its own (Courier), and names no message.
    Number(u64),
    /// `*`: the last message.
    Last,
}

/// A set as the client wrote it: ranges in their order, overlaps kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Set(Vec<(Bound, Bound)>);

/// A range of a set in a given folder, its ends in order.
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

    /// The ranges for a folder whose highest number is `last` (`None` when it is empty). Reversed
    /// ends are put in order: `4:2` means `2:4`, and `9:*` where the last is 3 means `3:9` (RFC
    /// 3501 9, `seq-range`). A range with `*` never reaches past `last`. In an empty folder `*`
    /// alone is 0, which names no message (Courier), and a range with `*` is left out.
    pub(crate) fn ranges(&self, last: Option<u32>) -> impl Iterator<Item = Range> + '_ {
        self.0.iter().filter_map(move |(a, b)| {
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
        })
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
        Some(set.ranges(last).map(|r| (r.from, r.to)).collect())
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
            ("1,1:2", 3, &[(1, 1), (1, 2)]),
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
