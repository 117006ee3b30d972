//! The arithmetic of sequence numbers: what must be announced so that a client's list of messages
//! becomes the new one (RFC 3501 7.4.1). Two ascending lists of UIDs go in, numbers come out, and
//! property tests play the client.

use crate::types::{Ranges, Seq, Uid};

/// The messages of one scan: UIDs, ascending.
pub(crate) trait List {
    /// How many there are.
    fn len(&self) -> usize;
    /// The UID at an index, from 0.
    fn uid(&self, index: usize) -> Option<Uid>;
}

/// What is different in the next scan.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Changes {
    /// Sequence numbers for EXPUNGE, in the order in which to send them. Each counts in the list
    /// that the ones before it have left.
    pub(crate) expunged: Vec<Seq>,
    /// The UIDs of the same messages, for VANISHED (RFC 7162 3.2.10).
    pub(crate) vanished: Ranges,
    /// How many messages are kept. In the new list they come first.
    pub(crate) kept: usize,
    /// Messages added behind them.
    pub(crate) added: usize,
    /// Kept messages whose flags or keywords have changed, by their indices in the new list.
    pub(crate) changed: Vec<usize>,
    /// Whether it is another folder under the same name: its UIDs say nothing about those before.
    pub(crate) replaced: bool,
}

impl Changes {
    /// Whether anything is different.
    pub(crate) fn is_any(&self) -> bool {
        self.resized() || !self.changed.is_empty() || self.replaced
    }

    /// Whether the number of messages must be announced.
    pub(crate) fn resized(&self) -> bool {
        !self.expunged.is_empty() || self.added > 0
    }
}

/// Compares two scans. `same(old, new)` says whether the message at these indices has the flags and
/// keywords that it had.
///
/// IMAP cannot announce a message that turns up *between* known ones: what is new comes at the end.
/// Then everything known from there on is expunged first and comes anew.
pub(crate) fn compare(
    old: &impl List,
    new: &impl List,
    mut same: impl FnMut(usize, usize) -> bool,
) -> Changes {
    let mut changes = Changes::default();
    let (mut i, mut vanished) = (0, Vec::new());
    while let Some(was) = old.uid(i) {
        let gone = match new.uid(changes.kept) {
            Some(is) if is == was => {
                if !same(i, changes.kept) {
                    changes.changed.push(changes.kept);
                }
                changes.kept += 1;
                false
            }
            Some(is) if is < was => break,
            _ => true,
        };
        if gone {
            changes.expunged.extend(Seq::from_index(changes.kept));
            vanished.push(was.get());
        }
        i += 1;
    }
    // Whatever is left of the old list has something new before it.
    let left = old.len().saturating_sub(i);
    if let Some(number) = Seq::from_index(changes.kept) {
        changes.expunged.extend(std::iter::repeat_n(number, left));
    }
    vanished.extend(numbers(old, i));
    changes.vanished = Ranges::of_numbers(vanished);
    changes.added = new.len().saturating_sub(changes.kept);
    changes
}

/// The UIDs of a list from an index on.
fn numbers(list: &impl List, from: usize) -> impl Iterator<Item = u32> {
    (from..list.len()).filter_map(|i| list.uid(i)).map(Uid::get)
}

/// The changes where another folder has the name now (its UIDVALIDITY changed): all that was known
/// is gone.
pub(crate) fn replaced(old: &impl List, new: &impl List) -> Changes {
    Changes {
        expunged: vec![Seq::MIN; old.len()],
        vanished: Ranges::of_numbers(numbers(old, 0)),
        added: new.len(),
        replaced: true,
        ..Changes::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// UIDs with a state each.
    #[derive(Clone, Debug)]
    struct Folder(Vec<(u32, u8)>);

    impl List for Folder {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn uid(&self, index: usize) -> Option<Uid> {
            self.0.get(index).and_then(|(uid, _)| Uid::new(*uid))
        }
    }

    fn changes(old: &Folder, new: &Folder) -> Changes {
        compare(old, new, |i, j| old.0[i].1 == new.0[j].1)
    }

    /// What a client that believes every line has in the end.
    fn client(old: &Folder, new: &Folder, changes: &Changes) -> Vec<(u32, u8)> {
        let mut picture = old.0.clone();
        for n in &changes.expunged {
            picture.remove(n.index());
        }
        assert_eq!(picture.len(), changes.kept);
        // By VANISHED it comes to the same, and each UID in it is one that was there.
        let mut by_uid = old.0.clone();
        by_uid.retain(|(uid, _)| !changes.vanished.contains(*uid));
        assert_eq!(by_uid, picture);
        let named: u32 = changes.vanished.iter().map(|(from, to)| to - from + 1).sum();
        assert_eq!(named as usize, changes.expunged.len());
        picture.extend(&new.0[changes.kept..]);
        for seq in changes.changed.iter().filter_map(|i| Seq::from_index(*i)) {
            picture[seq.index()].1 = new.0[seq.index()].1;
        }
        picture
    }

    #[test]
    fn table() {
        let f = |uids: &[u32]| Folder(uids.iter().map(|u| (*u, 0)).collect());
        for (old, new, expunged, added) in [
            (&[1, 2, 3][..], &[1, 2, 3][..], &[][..], 0),
            (&[1, 2, 3], &[], &[1, 1, 1], 0),
            (&[1, 2, 3, 4], &[1, 3], &[2, 3], 0),
            (&[1, 2], &[2, 5], &[1], 1),
            (&[], &[1], &[], 1),
            (&[1, 5, 6], &[1, 3, 5, 6], &[2, 2], 3),
        ] {
            let c = changes(&f(old), &f(new));
            let numbers: Vec<u32> = c.expunged.iter().map(|n| n.get()).collect();
            assert_eq!((&numbers[..], c.added), (expunged, added), "{old:?} to {new:?}");
        }
    }

    fn folder() -> impl Strategy<Value = Folder> {
        proptest::collection::btree_map(1u32..30, 0u8..3, 0..20)
            .prop_map(|m| Folder(m.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn the_client_ends_with_the_truth(old in folder(), new in folder()) {
            let c = changes(&old, &new);
            prop_assert_eq!(client(&old, &new, &c), new.0.clone());
            let c = replaced(&old, &new);
            prop_assert_eq!(client(&old, &new, &c), new.0);
        }

        /// In life UIDs only grow: then nothing that is still there is ever expunged.
        #[test]
        fn nothing_is_expunged_that_is_there(old in folder(), gone in proptest::collection::vec(any::<bool>(), 30), more in 0u32..5) {
            let mut new = Folder(old.0.iter().copied().filter(|(uid, _)| !gone[*uid as usize % 30]).collect());
            let lost = old.0.len() - new.0.len();
            new.0.extend((0..more).map(|n| (100 + n, 0)));
            let c = changes(&old, &new);
            prop_assert_eq!(c.expunged.len(), lost);
            prop_assert_eq!(c.added, more as usize);
        }
    }
}
