//! A folder's keywords: each distinct name once, each distinct set of them once, a small number per
//! message.

use super::limits::MAX_READ_KEYWORDS;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Which set of keywords a message has; index into its folder's [`KeywordTable`]. Zero is the empty
/// set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug)]
pub(crate) struct SetId(u32);

impl SetId {
    /// No keyword.
    pub(crate) const EMPTY: SetId = SetId(0);

    /// Whether it is the empty set.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The keywords of one folder, and the sets of them that its messages have.
///
/// Names compare without regard to ASCII case; the spelling first seen is kept (STORAGE 3.5).
/// Neither names nor sets are removed: a table is replaced at the next scan of the folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeywordTable {
    names: Vec<Box<[u8]>>,
    /// By the name in lower case.
    by_name: HashMap<Box<[u8]>, u32>,
    sets: Vec<Rc<[u32]>>,
    by_set: HashMap<Rc<[u32]>, SetId>,
}

impl KeywordTable {
    /// An empty table.
    pub(crate) fn new() -> KeywordTable {
        KeywordTable::default()
    }

    /// The number of a name, which is added if it is new; `None` past the limit.
    pub(crate) fn intern(&mut self, name: &[u8]) -> Option<u32> {
        if let Some(at) = self.find(name) {
            return Some(at);
        }
        if self.names.len() >= MAX_READ_KEYWORDS {
            return None;
        }
        let at = u32::try_from(self.names.len()).ok()?;
        self.names.push(name.into());
        self.by_name.insert(name.to_ascii_lowercase().into(), at);
        Some(at)
    }

    /// The number of a name that is known.
    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        self.by_name.get(&*name.to_ascii_lowercase()).copied()
    }

    /// The name of a number.
    pub(crate) fn name(&self, number: u32) -> Option<&[u8]> {
        self.names.get(number as usize).map(|n| &**n)
    }

    /// All names, in the order in which they were first seen.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.names.iter().map(|n| &**n)
    }

    /// The set of these numbers, in any order, doubles allowed.
    pub(crate) fn set(&mut self, mut numbers: Vec<u32>) -> SetId {
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.is_empty() {
            return SetId::EMPTY;
        }
        if let Some(id) = self.by_set.get(&*numbers) {
            return *id;
        }
        // Number 0 is the empty set.
        let id = u32::try_from(self.sets.len() + 1).map(SetId);
        let Some(id) = id.ok().filter(|_| self.sets.len() < MAX_READ_KEYWORDS) else {
            return SetId::EMPTY;
        };
        let set: Rc<[u32]> = numbers.into();
        self.sets.push(Rc::clone(&set));
        self.by_set.insert(set, id);
        id
    }

    /// The set of these names.
    pub(crate) fn set_of<'a>(&mut self, names: impl IntoIterator<Item = &'a [u8]>) -> SetId {
        let numbers = names.into_iter().filter_map(|n| self.intern(n)).collect();
        self.set(numbers)
    }

    /// The numbers in a set, ascending.
    pub(crate) fn members(&self, set: SetId) -> &[u32] {
        (set.0 as usize).checked_sub(1).and_then(|at| self.sets.get(at)).map_or(&[], |s| s)
    }

    /// The names in a set.
    pub(crate) fn names_of(&self, set: SetId) -> impl Iterator<Item = &[u8]> {
        self.members(set).iter().filter_map(|n| self.name(*n))
    }

    /// The names in any of these sets, each once, in the order of the table.
    pub(crate) fn names_in(&self, sets: impl IntoIterator<Item = SetId>) -> Vec<&[u8]> {
        if self.names().len() == 0 {
            return Vec::new();
        }
        let mut different: HashSet<SetId> = HashSet::new();
        let mut last = SetId::EMPTY;
        for set in sets {
            if set != last {
                last = set;
                different.insert(set);
            }
        }
        let mut numbers: Vec<u32> =
            different.iter().flat_map(|set| self.members(*set)).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.iter().filter_map(|n| self.name(*n)).collect()
    }

    /// Whether a set has the keyword of this number.
    pub(crate) fn contains(&self, set: SetId, number: u32) -> bool {
        self.members(set).binary_search(&number).is_ok()
    }
}

/// Compares sets of keywords of two tables; each pair once.
pub(crate) struct SameKeywords<'a> {
    old: &'a KeywordTable,
    new: &'a KeywordTable,
    known: HashMap<(SetId, SetId), bool>,
}

impl<'a> SameKeywords<'a> {
    /// Sets of these two tables.
    pub(crate) fn new(old: &'a KeywordTable, new: &'a KeywordTable) -> Self {
        SameKeywords { old, new, known: HashMap::new() }
    }

    /// Whether two sets are the same keywords.
    pub(crate) fn same(&mut self, old: SetId, new: SetId) -> bool {
        if old.is_empty() || new.is_empty() {
            return old.is_empty() == new.is_empty();
        }
        *self.known.entry((old, new)).or_insert_with(|| {
            let names = |table: &KeywordTable, set| {
                let mut names: Vec<Vec<u8>> =
                    table.names_of(set).map(<[u8]>::to_ascii_lowercase).collect();
                names.sort();
                names
            };
            names(self.old, old) == names(self.new, new)
        })
    }
}

/// Whether a client may give a keyword this name: an atom (RFC 3501 9, `flag-keyword`). The
/// specials of an atom are what Courier replaces in names that it reads from disk (STORAGE 3.5), so
/// Courier keeps every name that a client may give.
pub(crate) fn is_valid_keyword(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(b))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["$Forwarded", "NIL", "[x", "~", "}", "a!#$&'+,-./:;<=>?@^_`|b"] {
            assert!(is_valid_keyword(name.as_bytes()), "{name}");
        }
        for name in
            ["", "a b", "a]", "a(", "a)", "{a", "a%", "a*", "a\"", "\\a", "\u{e9}", "a\u{7f}"]
        {
            assert!(!is_valid_keyword(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn sets_are_shared() {
        let mut t = KeywordTable::new();
        let a = t.set_of([&b"Work"[..], b"$Forwarded"]);
        let b = t.set_of([&b"$forwarded"[..], b"WORK", b"work"]);
        assert_eq!(a, b);
        assert_eq!(t.names_of(a).collect::<Vec<_>>(), [&b"Work"[..], b"$Forwarded"]);
        let c = t.set_of([&b"new"[..], b"Work"]);
        assert_eq!(t.names_in([c, a, a]), [&b"Work"[..], b"$Forwarded", b"new"]);
        assert!(t.set(vec![]).is_empty());
        assert!(t.contains(a, t.find(b"work").unwrap()));
    }
}
