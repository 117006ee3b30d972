//! Threads: trees of messages, their order among siblings, and the way through them that THREAD
//! sends (RFC 5256 3 and 5). No recursion anywhere: a thread may be as deep as a folder is large.

use super::digest::{ByDigest, Digests};
use super::link_cut::NONE;
use crate::response::search::Step;

/// A message in a thread, or a dummy: a message that is not there and whose children stand beside
/// each other for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// The node above, or [`NONE`].
    pub(crate) parent: u32,
    /// The message's sequence number or UID; 0 for a dummy.
    pub(crate) number: u32,
    /// The sent date, seconds since 1970.
    pub(crate) sent: i64,
}

/// Threads. Messages come in the order of their sequence numbers; dummies anywhere, but only at the
/// top.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forest {
    /// The nodes.
    pub(crate) nodes: Vec<Node>,
    /// What threads are ordered by, at the index of the node at their top. Empty: as siblings are.
    latest: Vec<(i64, u32)>,
}

impl Forest {
    fn node(&self, at: u32) -> Node {
        self.nodes.get(at as usize).copied().unwrap_or(Node { parent: NONE, number: 0, sent: 0 })
    }

    /// What siblings are ordered by: the sent date, then the sequence number (RFC 5256 2.2). A
    /// dummy is ordered by its first child (RFC 5256 3, step 6).
    pub(crate) fn keys(&self) -> Vec<(i64, u32)> {
        let mut keys = vec![(i64::MAX, u32::MAX); self.nodes.len()];
        for (at, node) in (0u32..).zip(&self.nodes) {
            if node.number == 0 {
                continue;
            }
            let key = (node.sent, at);
            if let Some(own) = keys.get_mut(at as usize) {
                *own = key;
            }
            if let Some(dummy) = keys.get_mut(node.parent as usize)
                && self.node(node.parent).number == 0
            {
                *dummy = key.min(*dummy);
            }
        }
        keys
    }

    /// Has the threads ordered by the latest date in each. `dates` are those of the messages, which
    /// are the first nodes.
    pub(crate) fn order_by_latest(&mut self, dates: &[i64]) {
        // By node: the top of its thread, once that is known.
        let mut top: Vec<Option<u32>> = vec![None; self.nodes.len()];
        self.latest = vec![(i64::MIN, 0); self.nodes.len()];
        let mut path = Vec::new();
        for (start, date) in (0u32..).zip(dates) {
            let mut at = start;
            let root = loop {
                if let Some(known) = top.get(at as usize).copied().flatten() {
                    break known;
                }
                path.push(at);
                match self.node(at).parent {
                    NONE => break at,
                    parent => at = parent,
                }
            };
            for at in path.drain(..) {
                if let Some(slot) = top.get_mut(at as usize) {
                    *slot = Some(root);
                }
            }
            if let Some(latest) = self.latest.get_mut(root as usize) {
                *latest = (*latest).max((*date, start));
            }
        }
    }

    /// The way through the threads as THREAD has it. Dummies without children are left out.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let keys = self.keys();
        let key = |at: u32| {
            let latest = self.latest.get(at as usize).filter(|_| self.node(at).parent == NONE);
            latest.or_else(|| keys.get(at as usize)).copied().unwrap_or((i64::MAX, at))
        };
        // Every set of siblings, each in order, one behind the other; those at the top come last.
        // `starts`: by parent, where they begin; at first, how many they are.
        let top = self.nodes.len();
        let mut starts = vec![0u32; top + 2];
        let place = |at: u32| match self.node(at).parent {
            NONE => top,
            parent => parent as usize,
        };
        let is_left_out = |at: u32| keys.get(at as usize) == Some(&(i64::MAX, u32::MAX));
        let all = || (0..u32::try_from(top).unwrap_or(u32::MAX)).filter(|at| !is_left_out(*at));
        for at in all() {
            if let Some(count) = starts.get_mut(place(at) + 1) {
                *count += 1;
            }
        }
        let mut before = 0;
        for start in &mut starts {
            before += *start;
            *start = before;
        }
        let mut next = starts.clone();
        let mut order = vec![0u32; before as usize];
        for at in all() {
            if let Some(next) = next.get_mut(place(at)) {
                if let Some(slot) = order.get_mut(*next as usize) {
                    *slot = at;
                }
                *next += 1;
            }
        }
        for bounds in starts.windows(2) {
            if let [start, end] = bounds
                && end - start > 1
                && let Some(family) = order.get_mut(*start as usize..*end as usize)
            {
                family.sort_by_cached_key(|at| key(*at));
            }
        }
        let family = |parent: usize| {
            let start = starts.get(parent).copied().unwrap_or_default();
            let end = starts.get(parent + 1).copied().unwrap_or_default();
            order.get(start as usize..end as usize).unwrap_or_default()
        };

        let mut steps = Vec::new();
        // What is still to come: nodes, and the ends of lists.
        let mut stack = Vec::new();
        for thread in family(top) {
            stack.push(Some(*thread));
            while let Some(next) = stack.pop() {
                let Some(mut at) = next else {
                    steps.push(Step::Close);
                    continue;
                };
                steps.push(Step::Open);
                // thread-members: parent and child as long as there is one child; then the children
                // as lists of their own.
                loop {
                    let number = self.node(at).number;
                    if number != 0 {
                        steps.push(Step::Message(number));
                    }
                    let children = family(at as usize);
                    if let [child] = children {
                        at = *child;
                        continue;
                    }
                    stack.push(None);
                    stack.extend(children.iter().rev().copied().map(Some));
                    break;
                }
            }
        }
        steps
    }
}

/// Numbers for subjects: equal base subjects, equal numbers. 0 is the empty subject.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subjects {
    digests: Digests,
    known: ByDigest<u32>,
}

impl Subjects {
    /// The number of a base subject in its form for comparison.
    pub(crate) fn number(&mut self, text: &[u8]) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let digest = self.digests.of(text);
        if let Some(number) = self.known.get(&digest) {
            return *number;
        }
        let number = u32::try_from(self.known.len()).unwrap_or(u32::MAX - 1).saturating_add(1);
        self.known.insert(digest, number);
        number
    }
}

/// ORDEREDSUBJECT (RFC 5256 3): of the messages with one base subject the first is the parent, all
/// others are its children.
///
/// `messages`, in the order of their sequence numbers: number or UID, sent date, subject. Messages
/// without a subject share one thread, as the RFC's words have it and as Courier does.
// RFC 5256 3: "subsequent messages of the thread are siblings of the second message"; Courier
// prints a chain.
pub(crate) fn ordered_subject(messages: impl IntoIterator<Item = (u32, i64, u32)>) -> Forest {
    let mut forest = Forest::default();
    let mut subjects = Vec::new();
    // By subject: the earliest message.
    let mut first: Vec<u32> = Vec::new();
    for (at, (number, sent, subject)) in (0u32..).zip(messages) {
        forest.nodes.push(Node { parent: NONE, number, sent });
        subjects.push(subject);
        if first.len() <= subject as usize {
            first.resize(subject as usize + 1, NONE);
        }
        let earlier = first
            .get(subject as usize)
            .and_then(|f| forest.nodes.get(*f as usize))
            .is_some_and(|n| n.sent <= sent);
        if let Some(slot) = first.get_mut(subject as usize)
            && !earlier
        {
            *slot = at;
        }
    }
    for (at, (node, subject)) in (0u32..).zip(forest.nodes.iter_mut().zip(subjects)) {
        let parent = first.get(subject as usize).copied().unwrap_or(NONE);
        if parent != at {
            node.parent = parent;
        }
    }
    forest
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::response::search::Threads;
    use proptest::prelude::*;

    fn shown(forest: &Forest) -> String {
        crate::response::written(&Threads(&forest.steps()))
    }

    fn forest(nodes: &[(u32, u32, i64)]) -> Forest {
        Forest {
            nodes: nodes
                .iter()
                .map(|&(parent, number, sent)| Node { parent, number, sent })
                .collect(),
            ..Forest::default()
        }
    }

    #[test]
    fn lines() {
        for (nodes, line) in [
            (&[][..], "THREAD"),
            (&[(NONE, 0, 0)], "THREAD"),
            (&[(NONE, 1, 0)], "THREAD (1)"),
            (&[(NONE, 1, 5), (NONE, 2, 3)], "THREAD (2)(1)"),
            (&[(NONE, 1, 0), (0, 2, 0), (1, 3, 0)], "THREAD (1 2 3)"),
            (&[(NONE, 1, 0), (0, 2, 0), (0, 3, 0)], "THREAD (1 (2)(3))"),
            (&[(2, 6, 9), (2, 5, 10), (NONE, 0, 0), (NONE, 1, 0)], "THREAD (1)((6)(5))"),
            // RFC 5256 4: the example of the THREAD response, by its picture.
            (
                &[
                    (NONE, 2, 0),
                    (NONE, 3, 1),
                    (3, 4, 2),
                    (1, 6, 2),
                    (6, 7, 9),
                    (2, 23, 3),
                    (3, 44, 4),
                    (4, 96, 9),
                ],
                "THREAD (2)(3 6 (4 23)(44 7 96))",
            ),
        ] {
            assert_eq!(shown(&forest(nodes)), line);
        }
    }

    #[test]
    fn subjects_make_threads() {
        for (messages, line) in [
            (&[][..], "THREAD"),
            // PROTOCOL 6.9's example, with its children as siblings.
            (
                &[(1, 20, 1), (2, 40, 1), (3, 50, 1), (4, 30, 1), (8, 10, 1)],
                "THREAD (8 (1)(4)(2)(3))",
            ),
            (&[(1, 20, 1), (2, 10, 2), (3, 5, 1)], "THREAD (3 1)(2)"),
            (&[(1, 7, 1), (2, 7, 1), (3, 7, 1)], "THREAD (1 (2)(3))"),
            (&[(1, 7, 0), (2, 6, 0)], "THREAD (2 1)"),
        ] {
            assert_eq!(shown(&ordered_subject(messages.iter().copied())), line);
        }
    }

    #[test]
    fn deep() {
        let nodes: Vec<_> =
            (0..100_000u32).map(|n| (n.checked_sub(1).unwrap_or(NONE), n + 1, 0)).collect();
        assert!(shown(&forest(&nodes)).starts_with("THREAD (1 2 3 "));
        // Two children at each step: the deepest nesting that there is.
        let nodes: Vec<_> =
            (0..100_000u32).map(|n| ((n & !1).checked_sub(2).unwrap_or(NONE), n + 1, 0)).collect();
        assert!(shown(&forest(&nodes)).starts_with("THREAD (1 (3 (5 ("));
    }

    proptest! {
        #[test]
        fn every_message_once(parents in proptest::collection::vec((any::<u32>(), 0i64..5), 0..40)) {
            let nodes: Vec<_> = parents.iter().zip(0u32..).map(|((p, sent), at)| {
                let parent = if at == 0 || p % 4 == 0 { NONE } else { p % at };
                (parent, at + 1, *sent)
            }).collect();
            let line = shown(&forest(&nodes));
            let mut numbers: Vec<u32> = line.split(|c: char| !c.is_ascii_digit()).filter_map(|w| w.parse().ok()).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (1..=nodes.len() as u32).collect::<Vec<_>>());
            let depth = line.bytes().fold(0i32, |d, b| d + i32::from(b == b'(') - i32::from(b == b')'));
            prop_assert_eq!(depth, 0);
        }
    }
}
