//! THREAD REFERENCES (RFC 5256 3) and REFS (draft-ietf-morg-inthread-01 4): who answers whom, by
//! Message-IDs first, and in REFERENCES by subjects then. The
//! six steps of the RFC, each under its number, in nearly linear time and without recursion.

use super::digest::{ByDigest, Digests};
use super::forest::{Forest, Node};
use super::link_cut::{LinkCut, NONE};
use crate::mime::msgid::MessageId;
use crate::types::limits::MAX_ABSENT_MESSAGES;
use std::collections::HashMap;

/// What threading needs of a message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Message<'a> {
    /// Its sequence number or its UID.
    pub(crate) number: u32,
    /// The sent date, seconds since 1970.
    pub(crate) sent: i64,
    /// The internal date, seconds since 1970.
    pub(crate) received: i64,
    /// The number of its base subject; 0 when that is empty.
    pub(crate) subject: u32,
    /// A reply or a forward, by its subject.
    pub(crate) is_reply: bool,
    /// Its Message-ID.
    pub(crate) id: Option<MessageId<'a>>,
    /// The Message-IDs before it, the parent last.
    pub(crate) references: Vec<MessageId<'a>>,
}

/// A message, or one that others refer to and that is not there.
#[derive(Clone, Copy)]
struct Slot {
    parent: u32,
    number: u32,
    sent: i64,
    subject: u32,
    is_reply: bool,
}

/// Messages being threaded.
#[derive(Default)]
pub(crate) struct References {
    slots: Vec<Slot>,
    digests: Digests,
    ids: ByDigest<u32>,
    trees: LinkCut,
    /// The slots of the messages, in the order of their sequence numbers.
    messages: Vec<u32>,
    /// Their internal dates.
    received: Vec<i64>,
}

impl References {
    /// Steps (1)(A) and (B) for one message. Messages come in the order of their sequence numbers.
    pub(crate) fn add(&mut self, message: Message<'_>) {
        let Message { number, sent, received, subject, is_reply, id, references } = message;
        // RFC 5256 3 (1)(A): of several messages with one ID the first has it, the others get one
        // of their own. (Courier: the earlier one loses the parent and the children that it has so
        // far.)
        let slot = match id.and_then(|id| self.slot_of(&id, true)) {
            Some(slot) if self.get(slot).number == 0 => slot,
            _ => self.new_place(),
        };
        if let Some(p) = self.slots.get_mut(slot as usize) {
            *p = Slot { number, sent, subject, is_reply, ..*p };
        }
        self.messages.push(slot);
        self.received.push(received);

        // (A)
        let mut before = NONE;
        for id in references {
            let absent = self.slots.len().saturating_sub(self.messages.len());
            let Some(at) = self.slot_of(&id, absent < MAX_ABSENT_MESSAGES) else { continue };
            if before != NONE && self.get(at).parent == NONE {
                self.link(at, before);
            }
            before = at;
        }
        // (B)
        if self.get(slot).parent != NONE {
            self.trees.cut(slot);
            self.set_parent(slot, NONE);
        }
        if before != NONE {
            self.link(slot, before);
        }
    }

    /// Makes `parent` the parent of `child`, which has none, unless that would be a loop.
    fn link(&mut self, child: u32, parent: u32) {
        // `child` has no parent: it is above `parent` exactly if it is the root there.
        if self.trees.root(parent) != child {
            self.trees.link(child, parent);
            self.set_parent(child, parent);
        }
    }

    fn get(&self, at: u32) -> Slot {
        let nobody = Slot { parent: NONE, number: 0, sent: 0, subject: 0, is_reply: false };
        self.slots.get(at as usize).copied().unwrap_or(nobody)
    }

    fn set_parent(&mut self, at: u32, parent: u32) {
        if let Some(slot) = self.slots.get_mut(at as usize) {
            slot.parent = parent;
        }
    }

    fn new_place(&mut self) -> u32 {
        let at = u32::try_from(self.slots.len()).unwrap_or(NONE - 1);
        self.slots.push(Slot { parent: NONE, number: 0, sent: 0, subject: 0, is_reply: false });
        self.trees.add();
        at
    }

    /// The slot of an ID. One that is not known gets one, if there may be more.
    fn slot_of(&mut self, id: &[u8], may_add: bool) -> Option<u32> {
        let digest = self.digests.of(id);
        if let Some(at) = self.ids.get(&digest) {
            return Some(*at);
        }
        let at = may_add.then(|| self.new_place())?;
        self.ids.insert(digest, at);
        Some(at)
    }

    /// Steps (2) and (3), then the threads by the most recent internal date in each, which is what
    /// REFS has in the place of step (4). It ignores subjects.
    pub(crate) fn finish_by_arrival(mut self) -> Forest {
        self.drop_ids();
        let mut forest = self.pruned();
        forest.order_by_latest(&self.received);
        forest
    }

    fn drop_ids(&mut self) {
        self.ids = ByDigest::default();
        self.trees = LinkCut::default();
    }

    /// Steps (2) to (6).
    pub(crate) fn finish(mut self) -> Forest {
        self.drop_ids();
        let mut forest = self.pruned();
        gather_subjects(&mut forest, &self.messages, &self.slots);
        // (6): siblings are put in order when they are written.
        forest
    }

    /// Steps (2) and (3): the messages, numbered by their order, behind them the dummies that stay,
    /// all of them at the top. Every message gets the nearest message above it as parent, or else
    /// the topmost dummy.
    fn pruned(&self) -> Forest {
        const UNKNOWN: u32 = NONE - 1;
        // By slot: the slot that its children are under after the pruning.
        let mut home = vec![UNKNOWN; self.slots.len()];
        let mut path = Vec::new();
        let homes = |home: &[u32], at: u32| home.get(at as usize).copied().unwrap_or(NONE);
        for start in 0..u32::try_from(self.slots.len()).unwrap_or(0) {
            let mut at = start;
            while homes(&home, at) == UNKNOWN {
                path.push(at);
                let slot = self.get(at);
                if slot.number != 0 || slot.parent == NONE {
                    if let Some(slot) = home.get_mut(at as usize) {
                        *slot = at;
                    }
                } else {
                    at = slot.parent;
                }
            }
            let end = homes(&home, at);
            for at in path.drain(..) {
                if let Some(slot) = home.get_mut(at as usize).filter(|slot| **slot == UNKNOWN) {
                    *slot = end;
                }
            }
        }
        // Where each slot that stays is in the forest.
        let mut node_of = vec![NONE; self.slots.len()];
        for (node, slot) in (0u32..).zip(&self.messages) {
            if let Some(slot) = node_of.get_mut(*slot as usize) {
                *slot = node;
            }
        }
        let mut forest = Forest::default();
        forest.nodes.reserve(self.messages.len());
        forest.nodes.extend(self.messages.iter().map(|at| {
            let slot = self.get(*at);
            Node { parent: NONE, number: slot.number, sent: slot.sent }
        }));
        // A dummy with one child gives its slot to it: so it becomes a node with its second child.
        let mut only_child = vec![NONE; self.slots.len()];
        for (node, at) in (0u32..).zip(&self.messages) {
            let parent = self.get(*at).parent;
            if parent == NONE {
                continue;
            }
            let above = homes(&home, parent);
            let mut above_node = homes(&node_of, above);
            if above_node == NONE {
                let Some(only) = only_child.get_mut(above as usize) else { continue };
                if *only == NONE {
                    *only = node;
                    continue;
                }
                let first = *only;
                above_node = u32::try_from(forest.nodes.len()).unwrap_or(NONE);
                forest.nodes.push(Node { parent: NONE, number: 0, sent: 0 });
                if let Some(slot) = node_of.get_mut(above as usize) {
                    *slot = above_node;
                }
                if let Some(first) = forest.nodes.get_mut(first as usize) {
                    first.parent = above_node;
                }
            }
            if let Some(node) = forest.nodes.get_mut(node as usize) {
                node.parent = above_node;
            }
        }
        forest
    }
}

/// Steps (4) and (5): threads with one base subject become one thread.
fn gather_subjects(forest: &mut Forest, messages: &[u32], slots: &[Slot]) {
    /// What the subject table has: the node, and whether it is a dummy, a reply.
    #[derive(Clone, Copy)]
    struct Entry {
        node: u32,
        dummy: bool,
        reply: bool,
    }
    // (4)
    let keys = forest.keys();
    let mut top: Vec<(i64, u32, u32)> = Vec::new();
    for (node, (n, (sent, first))) in (0u32..).zip(forest.nodes.iter().zip(&keys)) {
        if n.parent == NONE {
            top.push((*sent, *first, node));
        }
    }
    top.sort_unstable();
    // (5)(B)(i): of a dummy the first child speaks; a key names it.
    let slot = |node: u32| messages.get(node as usize).and_then(|at| slots.get(*at as usize));
    let thread = |first: u32, node: u32| {
        let subject = slot(first).map_or(0, |p| p.subject);
        let dummy = slot(node).is_none();
        let entry = Entry { node, dummy, reply: slot(node).is_some_and(|p| p.is_reply) };
        (subject != 0).then_some((subject, entry))
    };
    let mut table: HashMap<u32, Entry> = HashMap::new();
    for (subject, current) in top.iter().filter_map(|(_, first, node)| thread(*first, *node)) {
        table
            .entry(subject)
            .and_modify(|known| {
                if !known.dummy && (current.dummy || (known.reply && !current.reply)) {
                    *known = current;
                }
            })
            .or_insert(current);
    }
    // (5)(C)
    let mut joined: HashMap<u32, u32> = HashMap::new();
    for (subject, current) in top.iter().filter_map(|(_, first, node)| thread(*first, *node)) {
        let Some(known) = table.get_mut(&subject).filter(|known| known.node != current.node) else {
            continue;
        };
        if known.dummy && current.dummy {
            joined.insert(current.node, known.node);
            continue;
        }
        if !known.dummy && (!current.reply || known.reply) {
            let dummy = u32::try_from(forest.nodes.len()).unwrap_or(NONE);
            forest.nodes.push(Node { parent: NONE, number: 0, sent: 0 });
            set_parent(forest, known.node, dummy);
            *known = Entry { node: dummy, dummy: true, reply: false };
        }
        set_parent(forest, current.node, known.node);
    }
    if !joined.is_empty() {
        for node in &mut forest.nodes {
            if let Some(to) = joined.get(&node.parent) {
                node.parent = *to;
            }
        }
    }
}

fn set_parent(forest: &mut Forest, node: u32, parent: u32) {
    if let Some(node) = forest.nodes.get_mut(node as usize) {
        node.parent = parent;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
