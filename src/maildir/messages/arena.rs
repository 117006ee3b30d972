//! Where the base names of messages are: in the content of a file that was read, and behind it those
//! that came later. The names of a folder that was opened by its state alone are read when the first
//! of them is needed.

use std::cell::OnceCell;
use std::rc::Rc;

/// Reads the names that a state has: for the UIDs, places and lengths of messages, as many bytes as
/// there are to be, each name in its place; and whether those of the state are damaged, so that these
/// are from elsewhere.
pub(in crate::maildir) type ReadNames = Rc<dyn Fn(&[(u32, usize, usize)]) -> (Vec<u8>, bool)>;

/// An arena of less than so many bytes grows by its own length.
const DOUBLED: usize = 512 * 1024;

/// Base names, addressed by offsets.
#[derive(Clone, Default)]
pub(super) struct Arena {
    /// Names that are yet to be read: how, and how many bytes. They have the first offsets.
    later: Option<(ReadNames, usize)>,
    read: OnceCell<(Vec<u8>, bool)>,
    own: Vec<u8>,
}

impl Arena {
    /// The content of a file.
    pub(super) fn of(content: Vec<u8>) -> Arena {
        Arena { own: content, ..Arena::default() }
    }

    /// So many bytes, to be read later.
    pub(super) fn later(read: ReadNames, length: usize) -> Arena {
        Arena { later: Some((read, length)), ..Arena::default() }
    }

    /// What was given to [`Arena::of`], and what came after it.
    pub(super) fn content(&self) -> &[u8] {
        &self.own
    }

    /// Whether nothing has to be read for these offsets any more.
    pub(super) fn has(&self, at: usize) -> bool {
        self.read.get().is_some() || self.later.as_ref().is_none_or(|(_, length)| at >= *length)
    }

    /// Reads the names that are yet to be read. `places`: those of all messages.
    pub(super) fn load(&self, places: impl FnOnce() -> Vec<(u32, usize, usize)>) {
        if let Some((read, length)) = &self.later {
            self.read.get_or_init(|| {
                let mut places = places();
                places.retain(|(_, at, _)| at < length);
                let (mut names, are_damaged) = read(&places);
                names.resize(*length, b'\n');
                (names, are_damaged)
            });
        }
    }

    /// Whether names that were read are not those that they should be read from.
    pub(super) fn are_damaged(&self) -> bool {
        self.read.get().is_some_and(|(_, are_damaged)| *are_damaged)
    }

    /// They are taken for undamaged from here on.
    pub(super) fn forget_damage(&mut self) {
        if let Some((_, are_damaged)) = self.read.get_mut() {
            *are_damaged = false;
        }
    }

    /// Bytes at an offset; `None` if there are none, or they have yet to be read.
    pub(super) fn get(&self, at: usize, length: usize) -> Option<&[u8]> {
        let later = self.later.as_ref().map_or(0, |(_, length)| *length);
        match at.checked_sub(later) {
            Some(at) => self.own.get(at..at.saturating_add(length)),
            None => self.read.get()?.0.get(at..at.saturating_add(length)),
        }
    }

    /// Adds a name; its offset.
    pub(super) fn push(&mut self, name: &[u8]) -> usize {
        let later = self.later.as_ref().map_or(0, |(_, length)| *length);
        let at = later.saturating_add(self.own.len());
        let needed = name.len().saturating_add(1);
        if self.own.capacity().saturating_sub(self.own.len()) < needed {
            // To double an arena of many megabytes for one new message would be a waste.
            let more = self.own.len().min(DOUBLED).max(self.own.len() / 8);
            self.own.reserve_exact(needed.max(4096).max(more));
        }
        self.own.extend_from_slice(name);
        // No two names begin at the same offset, not even if one is empty.
        self.own.push(b'\n');
        at
    }

    /// Gives unused memory back.
    pub(super) fn shrink(&mut self) {
        if self.own.capacity() > self.own.len().saturating_add(65536) {
            self.own.shrink_to_fit();
        }
    }
}
