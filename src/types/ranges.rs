//! A set of numbers, kept as ranges.

/// Numbers, as ranges in order that do not touch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Ranges(Vec<(u32, u32)>);

impl FromIterator<(u32, u32)> for Ranges {
    /// From ranges in any order, which may overlap. The ends of each are in order.
    fn from_iter<T: IntoIterator<Item = (u32, u32)>>(ranges: T) -> Ranges {
        let mut list: Vec<(u32, u32)> = ranges.into_iter().collect();
        list.sort_unstable();
        list.dedup_by(|next, before| {
            let joins = next.0 <= before.1.saturating_add(1);
            if joins {
                before.1 = before.1.max(next.1);
            }
            joins
        });
        list.shrink_to_fit();
        Ranges(list)
    }
}

impl Ranges {
    /// The numbers of an iterator.
    pub(crate) fn of_numbers(numbers: impl IntoIterator<Item = u32>) -> Ranges {
        numbers.into_iter().map(|n| (n, n)).collect()
    }

    /// Whether a number is in here.
    pub(crate) fn contains(&self, n: u32) -> bool {
        let next = self.0.partition_point(|(from, _)| *from <= n);
        next.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, to)| n <= *to)
    }

    /// These numbers without those of `others`.
    pub(crate) fn without(&self, others: &Ranges) -> Ranges {
        let (mut left, mut rest) = (Vec::new(), others.0.iter().peekable());
        for (from, to) in self.iter() {
            let mut from = Some(from);
            while rest.next_if(|(_, end)| from.is_some_and(|from| *end < from)).is_some() {}
            let mut others = rest.clone();
            while let Some(begin) = from
                && let Some((other, end)) = others.next_if(|(other, _)| *other <= to)
            {
                if let Some(before) = other.checked_sub(1).filter(|before| *before >= begin) {
                    left.push((begin, before));
                }
                from = end.checked_add(1).filter(|next| *next <= to);
            }
            left.extend(from.map(|from| (from, to)));
        }
        Ranges(left)
    }

    /// Those of these numbers that lie between two, both included.
    pub(crate) fn within(&self, first: u32, last: u32) -> Ranges {
        let cut = self.iter().map(|(from, to)| (from.max(first), to.min(last)));
        Ranges(cut.filter(|(from, to)| from <= to).collect())
    }

    /// The ranges as a list.
    pub(crate) fn as_slice(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// The ranges, first and last number of each, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let r: Ranges =
            [(4, 6), (1, 1), (5, 9), (10, 10), (u32::MAX, u32::MAX)].into_iter().collect();
        assert_eq!(r.iter().collect::<Vec<_>>(), [(1, 1), (4, 10), (u32::MAX, u32::MAX)]);
        assert_eq!(
            (0..12).filter(|n| r.contains(*n)).collect::<Vec<_>>(),
            [1, 4, 5, 6, 7, 8, 9, 10]
        );
        let r = Ranges::of_numbers([7, 1, 2, 7]);
        assert_eq!(r.iter().collect::<Vec<_>>(), [(1, 2), (7, 7)]);
        assert!(!Ranges::default().contains(0));
        let r: Ranges = [(1, 3), (5, 8), (10, u32::MAX)].into_iter().collect();
        assert_eq!(r.within(2, 6).as_slice(), [(2, 3), (5, 6)]);
        assert_eq!(r.within(4, 4), Ranges::default());
        assert_eq!(r.within(9, 10).as_slice(), [(10, 10)]);
        assert_eq!(r.within(10, 9), Ranges::default());
        let numbers = |r: &Ranges| (0..40).filter(|n| r.contains(*n)).collect::<Vec<_>>();
        for (all, others) in [
            (vec![(1, 10)], vec![(1, 10)]),
            (vec![(1, 10)], vec![(3, 3), (5, 6), (10, 20)]),
            (vec![(1, 3), (5, 8), (10, 30)], vec![(2, 6), (8, 11), (30, u32::MAX)]),
            (vec![(4, 5)], vec![]),
            (vec![(0, u32::MAX)], vec![(0, 0), (39, u32::MAX)]),
            (vec![], vec![(1, 2)]),
        ] {
            let (all, others): (Ranges, Ranges) =
                (all.into_iter().collect(), others.into_iter().collect());
            let left = all.without(&others);
            let expected: Vec<u32> =
                (0..40).filter(|n| all.contains(*n) && !others.contains(*n)).collect();
            assert_eq!(numbers(&left), expected, "{all:?} {others:?}");
            assert_eq!(left, left.iter().collect());
        }
    }
}
