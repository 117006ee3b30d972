//! Finding messages by name, with an [`Index`] of their positions.

use super::{Messages, bit};
use crate::maildir::index::Index;
use crate::maildir::names;
use std::collections::HashSet;

impl Messages {
    /// Removes all but the first message of each name. Whether there was any to remove.
    pub(in crate::maildir) fn drop_doubled_names(&mut self) -> bool {
        let mut doubled = Vec::new();
        self.index(|i| doubled.push(i));
        for i in &doubled {
            self.mark(*i, bit::GONE);
        }
        self.leave_out(bit::GONE);
        !doubled.is_empty()
    }

    /// The index of all messages by name. If several have the same name, the first one is in it,
    /// and `doubled` is called with the position of every other one.
    pub(in crate::maildir) fn index(&self, mut doubled: impl FnMut(usize)) -> Index {
        let mut index = Index::with_capacity(self.len());
        for position in 0..self.len() {
            let key = self.key(position);
            if index.find_or_insert(key, position, |i| self.key(i) == key).is_some() {
                doubled(position);
            }
        }
        index
    }

    /// The index of all messages by a key made of their base names. Every message is in it, even if
    /// several have the same key.
    pub(in crate::maildir) fn index_by(&self, key: impl Fn(&[u8]) -> &[u8]) -> Index {
        let mut index = Index::with_capacity(self.len());
        for position in 0..self.len() {
            index.find_or_insert(key(self.base_name(position)), position, |_| false);
        }
        index
    }

    /// The position of the message whose name has the same key (all before the first `:`).
    pub(in crate::maildir) fn find(&self, index: &Index, name: &[u8]) -> Option<usize> {
        let key = names::key(name);
        index.find(key, |i| self.key(i) == key)
    }

    /// As [`Messages::find`]. If there is no such message, the index gets an entry for it: the
    /// caller must add it as the last message.
    pub(in crate::maildir) fn find_or_reserve(
        &self,
        index: &mut Index,
        name: &[u8],
    ) -> Option<usize> {
        let key = names::key(name);
        index.find_or_insert(key, self.len(), |i| self.key(i) == key)
    }

    /// Marks as \Recent what is \Recent in `other`, whatever the UIDs are.
    pub(in crate::maildir) fn add_recent(&mut self, other: &Messages) {
        let recent: HashSet<&[u8]> =
            (0..other.len()).filter(|i| other.recent(*i)).map(|i| other.key(i)).collect();
        if recent.is_empty() {
            return;
        }
        for i in 0..self.len() {
            if recent.contains(self.key(i)) {
                self.mark(i, bit::RECENT);
            }
        }
    }
}
