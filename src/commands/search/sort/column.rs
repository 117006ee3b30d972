//! The values by which messages are sorted, and the sorting.

use super::Criterion;
use std::cmp::Ordering;
use std::ops::Range;

/// So many bytes of a text are compared at once.
const CHUNK: usize = size_of::<u64>();

/// The values of one key, one of each message, in little memory.
#[derive(Clone, Debug)]
pub(super) enum Column {
    Numbers(Vec<i64>),
    Texts { ends: Vec<usize>, bytes: Vec<u8> },
}

impl Column {
    fn compare(&self, a: usize, b: usize) -> Ordering {
        match self {
            Column::Numbers(values) => values.get(a).cmp(&values.get(b)),
            Column::Texts { .. } => self.text(a).cmp(self.text(b)),
        }
    }

    /// The text at a place, if it is a column of texts.
    fn text(&self, at: usize) -> &[u8] {
        let Column::Texts { ends, bytes } = self else { return &[] };
        let start = at.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
        ends.get(at).and_then(|end| bytes.get(start..*end)).unwrap_or_default()
    }

    /// Eight bytes of the value at a place, or less where it ends: values are in the order of the
    /// first of these in which they differ. Of a number there is but one.
    fn chunk(&self, at: usize, depth: usize, reverse: bool) -> u64 {
        let chunk = match self {
            // Negative numbers before the others.
            Column::Numbers(values) => values.get(at).map_or(0, |n| n.cast_unsigned() ^ (1 << 63)),
            Column::Texts { .. } => {
                let rest = self.text(at).get(depth.saturating_mul(CHUNK)..).unwrap_or_default();
                match rest.first_chunk() {
                    Some(chunk) => u64::from_be_bytes(*chunk),
                    None => {
                        let mut chunk = [0; CHUNK];
                        chunk.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                        u64::from_be_bytes(chunk)
                    }
                }
            }
        };
        if reverse { !chunk } else { chunk }
    }

    pub(super) fn push_number(&mut self, value: i64) {
        if let Column::Numbers(values) = self {
            values.push(value);
        }
    }

    /// Adds the first bytes of a text, `most` at most.
    pub(super) fn push_text(&mut self, value: &[u8], most: usize) {
        if let Column::Texts { ends, bytes } = self {
            bytes.extend_from_slice(value.get(..most).unwrap_or(value));
            ends.push(bytes.len());
        }
    }

    /// Bytes of texts.
    pub(super) fn size(&self) -> usize {
        match self {
            Column::Numbers(_) => 0,
            Column::Texts { bytes, .. } => bytes.len(),
        }
    }

    /// Cuts all texts to this many bytes.
    pub(super) fn cut(&mut self, most: usize) {
        let Column::Texts { ends, bytes } = self else { return };
        let (mut start, mut kept) = (0, 0);
        for end in ends {
            let length = end.saturating_sub(start).min(most);
            bytes.copy_within(start..start.saturating_add(length), kept);
            start = *end;
            kept = kept.saturating_add(length);
            *end = kept;
        }
        bytes.truncate(kept);
    }
}

/// The order of so many messages by these columns, the first of which counts most. RFC 5256 3: equal
/// messages stay in the order of the folder, REVERSE or not (Courier 5.0.13: descending).
pub(super) fn order(columns: &[(Criterion, Column)], count: usize) -> Vec<u32> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let Some((((_, reverse), first), others)) = columns.split_first() else {
        return (0..count).collect();
    };
    // By the first column, chunk by chunk: numbers are compared faster than texts, and most texts
    // differ early or not at all. Messages with the same chunk are next to each other, and in the
    // order of the folder.
    let mut order: Vec<(u64, u32)> =
        (0..count).map(|at| (first.chunk(at as usize, 0, *reverse), at)).collect();
    order.sort_unstable();
    let mut runs = Vec::new();
    push_runs(&order, 0, 0, &mut runs);
    while let Some((range, depth)) = runs.pop() {
        let start = range.start;
        let Some(run) = order.get_mut(range) else { continue };
        match what_is_left(first, run, depth) {
            Left::Nothing if others.is_empty() => {}
            Left::Nothing => by_all(others, run),
            Left::Length => by_all(columns, run),
            Left::More => {
                for (chunk, at) in &mut *run {
                    *chunk = first.chunk(*at as usize, depth + 1, *reverse);
                }
                run.sort_unstable();
                push_runs(run, start, depth + 1, &mut runs);
            }
        }
    }
    order.into_iter().map(|(_, at)| at).collect()
}

/// Where the chunk is the same in several, and how far that chunk is from the first.
type Run = (Range<usize>, usize);

fn push_runs(order: &[(u64, u32)], mut start: usize, depth: usize, runs: &mut Vec<Run>) {
    for run in order.chunk_by(|(a, _), (b, _)| a == b) {
        let end = start + run.len();
        if run.len() > 1 {
            runs.push((start..end, depth));
        }
        start = end;
    }
}

/// What there is to compare yet of values that are the same up to a chunk.
enum Left {
    /// They are the same.
    Nothing,
    /// They end, but not all at the same place: a NUL looks like the end.
    Length,
    /// Some go on.
    More,
}

fn what_is_left(column: &Column, run: &[(u64, u32)], depth: usize) -> Left {
    let Some(((_, first), others)) = run.split_first() else { return Left::Nothing };
    let first = column.text(*first as usize);
    if others.iter().all(|(_, at)| column.text(*at as usize) == first) {
        return Left::Nothing;
    }
    let longest = run.iter().map(|(_, at)| column.text(*at as usize).len()).max();
    match longest.is_some_and(|longest| longest > depth.saturating_add(1).saturating_mul(CHUNK)) {
        true => Left::More,
        false => Left::Length,
    }
}

/// Sorts by whole values.
fn by_all(columns: &[(Criterion, Column)], run: &mut [(u64, u32)]) {
    run.sort_unstable_by(|(_, a), (_, b)| {
        let by_keys = columns.iter().map(|((_, reverse), column)| {
            let ordering = column.compare(*a as usize, *b as usize);
            if *reverse { ordering.reverse() } else { ordering }
        });
        by_keys.chain([a.cmp(b)]).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::Key;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        /// Chunks or not: as by a stable sort of the texts.
        #[test]
        fn by_chunks(
            texts in prop::collection::vec(
                prop::collection::vec(
                    prop::sample::select(vec![
                        &b"\0"[..], b"a", b"b", b"\xff", b"12345678", b"\0\0\0\0\0\0\0\0",
                    ]),
                    0..5,
                ),
                0..40,
            ),
            second in prop::collection::vec(0i64..3, 40),
            reverse in any::<(bool, bool)>(),
        ) {
            let texts: Vec<Vec<u8>> = texts.iter().map(|parts| parts.concat()).collect();
            let mut column = Column::Texts { ends: Vec::new(), bytes: Vec::new() };
            texts.iter().for_each(|text| column.push_text(text, usize::MAX));
            let numbers = Column::Numbers(second.clone());
            let columns =
                [((Key::Subject, reverse.0), column), ((Key::Arrival, reverse.1), numbers)];
            for columns in [&columns[..1], &columns] {
                let mut expected: Vec<u32> = (0..texts.len() as u32).collect();
                if columns.len() > 1 {
                    expected.sort_by_key(|at| second[*at as usize] * if reverse.1 { -1 } else { 1 });
                }
                expected.sort_by(|a, b| {
                    let order = texts[*a as usize].cmp(&texts[*b as usize]);
                    if reverse.0 { order.reverse() } else { order }
                });
                prop_assert_eq!(order(columns, texts.len()), expected);
            }
        }
    }
}
