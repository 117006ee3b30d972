//! What sessions have learned of messages by opening their files, so that no session need learn it
//! again: size on the wire, date, where the facts are ([`super::facts`]).
//!
//! Nothing rests on it. Whoever opens a file compares it with what was learned, and forgets what
//! does not fit.

use super::Messages;
use crate::sys::stat::Stat;
use crate::types::Uid;
use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::rc::Rc;

/// What was learned of one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Detail {
    /// RFC822.SIZE, in bytes on the wire, once somebody has measured it.
    pub(crate) size: Option<u64>,
    /// INTERNALDATE: the file's modification time, in seconds since 1970.
    pub(crate) date: i64,
    /// The file's inode.
    pub(crate) inode: u64,
    /// Where its record is in the file of facts: an offset in bytes, never 0.
    pub(crate) facts: Option<u64>,
    /// Whether it was learned within a minute of the file's modification time. A filter may have
    /// rewritten the file since, so another session looks at the file once before it believes it.
    pub(crate) is_young: bool,
}

impl Detail {
    /// Whether the file is the one that this was learned of, as far as that is known here.
    pub(crate) fn fits(&self, stat: &Stat) -> bool {
        stat.is_file() && (self.inode, self.date) == (stat.inode().1, stat.mtime())
    }
}

impl Detail {
    /// In the place of what turned out to be of another file.
    pub(super) const NOTHING: Detail =
        Detail { size: None, date: 0, inode: 0, facts: None, is_young: false };

    /// Whether anything is known. (No file has the inode 0.)
    fn is_any(&self) -> bool {
        self.inode != 0
    }
}

/// Reads the details that a state has, by ascending UID.
pub(super) type ReadDetails = Rc<dyn Fn() -> Vec<(u32, Detail)>>;

/// What was learned of the messages of a folder, by UID.
#[derive(Clone, Default)]
pub(crate) struct Details {
    /// From the base of the folder's state, by ascending UID, once they were read.
    base: OnceCell<Vec<(u32, Detail)>>,
    /// How they are read.
    later: Option<ReadDetails>,
    /// The file of facts that the offsets in the base are in.
    base_generation: Option<u64>,
    /// What the state has beside them, by ascending UID.
    recent: Vec<(u32, Detail)>,
    /// By this session, since it was last saved.
    learned: HashMap<u32, Detail>,
    /// The file of facts that the offsets are in ([`super::facts`]).
    generation: Option<u64>,
    /// Where in the base the last question was answered: the next one is mostly about the next
    /// message.
    last: Cell<usize>,
}

impl Details {
    /// As the folder's state has them, by ascending UID; the offsets are in that file of facts.
    pub(super) fn of(base: Vec<(u32, Detail)>, generation: Option<u64>) -> Details {
        debug_assert!(base.is_sorted_by_key(|(uid, _)| *uid), "the UIDs ascend");
        let base = OnceCell::from(base);
        Details { base, generation, base_generation: generation, ..Details::default() }
    }

    /// The same, to be read when the first of them is needed.
    pub(super) fn later(read: ReadDetails, generation: Option<u64>) -> Details {
        let later = Some(read);
        Details { later, generation, base_generation: generation, ..Details::default() }
    }

    fn base(&self) -> &[(u32, Detail)] {
        self.base.get_or_init(|| self.later.as_ref().map(|read| read()).unwrap_or_default())
    }

    /// Adds what the state has beside its base, of which the latest counts.
    pub(super) fn add(&mut self, mut news: Vec<(u32, Detail)>) {
        if news.is_empty() {
            return;
        }
        news.reverse();
        news.append(&mut self.recent);
        news.sort_by_key(|(uid, _)| *uid);
        news.dedup_by_key(|(uid, _)| *uid);
        self.recent = news;
    }

    /// What somebody has learned of a message.
    pub(crate) fn get(&self, uid: u32) -> Option<Detail> {
        if !self.learned.is_empty()
            && let Some(detail) = self.learned.get(&uid)
        {
            return Some(*detail).filter(Detail::is_any);
        }
        if let Ok(at) = self.recent.binary_search_by_key(&uid, |(uid, _)| *uid) {
            return self.recent.get(at).map(|(_, detail)| *detail).filter(Detail::is_any);
        }
        let base = self.base();
        let is_at = |at: &usize| base.get(*at).is_some_and(|(known, _)| *known == uid);
        let last = self.last.get();
        let near = [last, last.saturating_add(1)].into_iter().find(is_at);
        let search = || base.binary_search_by_key(&uid, |(uid, _)| *uid).ok();
        let at = near.or_else(search)?;
        self.last.set(at);
        let (_, detail) = base.get(at).filter(|(_, detail)| detail.is_any())?;
        let is_current = self.base_generation == self.generation;
        Some(Detail { facts: detail.facts.filter(|_| is_current), ..*detail })
    }

    /// Takes note of what was learned. It is saved later.
    pub(crate) fn learn(&mut self, uid: u32, detail: Detail) {
        self.learned.insert(uid, detail);
    }

    /// Forgets what does not fit the file of a message; the state will, too.
    pub(crate) fn forget(&mut self, uid: u32) {
        self.learned.insert(uid, Detail::NOTHING);
    }

    /// The low bits of the inodes of the files of which something is known, by the positions of
    /// these messages; 0 for others.
    pub(super) fn inodes_of(&self, messages: &Messages) -> Vec<u32> {
        if self.base().is_empty() && self.recent.is_empty() {
            return Vec::new();
        }
        let inode = |i| {
            let uid = messages.uid(i).map_or(0, Uid::get);
            self.get(uid).map_or(0, |detail| detail.inode as u32)
        };
        (0..messages.len()).map(inode).collect()
    }

    /// The file of facts that the offsets are in; `None` if there is none.
    pub(crate) fn generation(&self) -> Option<u64> {
        self.generation
    }

    /// Says in which file of facts the offsets are from now on. Those in another one are forgotten.
    pub(crate) fn set_generation(&mut self, generation: Option<u64>) {
        if self.generation != generation {
            self.generation = generation;
            self.base_generation = self.base_generation.filter(|base| Some(*base) == generation);
            if self.base_generation.is_none() {
                // Not even if that file came back.
                self.base_generation = Some(0);
            }
            self.recent.iter_mut().for_each(|(_, detail)| detail.facts = None);
            self.learned.values_mut().for_each(|detail| detail.facts = None);
        }
    }

    /// Whether there is something to save.
    pub(super) fn has_unsaved(&self) -> bool {
        !self.learned.is_empty()
    }

    /// Takes over what an earlier scan of the same folder has learned and not saved.
    pub(super) fn take_unsaved(&mut self, other: &Details) {
        if self.generation.is_none() {
            self.generation = other.generation;
        }
        let is_same = self.generation == other.generation;
        self.learned.extend(other.learned.iter().map(|(uid, detail)| {
            (*uid, Detail { facts: detail.facts.filter(|_| is_same), ..*detail })
        }));
    }

    /// What this session has learned and not saved, by ascending UID.
    pub(super) fn unsaved(&self) -> Vec<(u32, Detail)> {
        let mut unsaved: Vec<_> =
            self.learned.iter().map(|(uid, detail)| (*uid, *detail)).collect();
        unsaved.sort_unstable_by_key(|(uid, _)| *uid);
        unsaved
    }

    /// Takes what was learned for saved.
    pub(super) fn settle(&mut self) {
        if self.learned.is_empty() {
            return;
        }
        let new = self.unsaved();
        self.learned = HashMap::new();
        self.add(new);
    }
}
