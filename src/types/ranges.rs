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
    }
}
