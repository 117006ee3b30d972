//! Finding a message by its name: a hash table of positions with eight bytes per slot. std's
//! `HashMap` would need a copy of every name; here the names stay in the arena of the messages.

/// A hash table of positions. The caller has the keys, and compares them.
pub(super) struct Index {
    /// A hash and a position + 1; 0 in an empty slot.
    slots: Vec<(u32, u32)>,
    used: usize,
}

/// The hash of a key, which is read eight bytes at a time.
pub(super) fn hash(key: &[u8]) -> u32 {
    const K: u64 = 0x9E37_79B9_7F4A_7C15;
    let (words, rest) = key.as_chunks::<8>();
    let mut h = key.len() as u64;
    for word in words {
        h = (h.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(K);
    }
    let tail = rest.iter().fold(0u64, |t, b| (t << 8) | u64::from(*b));
    h = (h.rotate_left(23) ^ tail).wrapping_mul(K);
    ((h ^ (h >> 32)).wrapping_mul(K) >> 32) as u32
}

impl Index {
    /// An empty table with room for so many keys.
    pub(super) fn with_capacity(names: usize) -> Index {
        let size = names.saturating_mul(2).max(16).checked_next_power_of_two().unwrap_or(16);
        Index { slots: vec![(0, 0); size], used: 0 }
    }

    /// The position of a key. `same` compares the key at a position with it.
    pub(super) fn find(&self, key: &[u8], same: impl FnMut(usize) -> bool) -> Option<usize> {
        self.find_hash(hash(key), same)
    }

    /// The position of a key. If it has none, it gets this one, and the answer is `None`.
    pub(super) fn find_or_insert(
        &mut self,
        key: &[u8],
        position: usize,
        same: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let hash = hash(key);
        if let Some(found) = self.find_hash(hash, same) {
            return Some(found);
        }
        self.insert_hash(hash, position);
        None
    }

    /// Gives this position to a key that has none.
    pub(super) fn insert(&mut self, key: &[u8], position: usize) {
        self.insert_hash(hash(key), position);
    }

    fn insert_hash(&mut self, hash: u32, position: usize) {
        if self.used >= self.slots.len() / 4 * 3 {
            let mut larger = vec![(0, 0); self.slots.len().saturating_mul(2)];
            for (hash, position) in self.slots.iter().filter(|s| s.1 != 0) {
                put(&mut larger, *hash, *position);
            }
            self.slots = larger;
        }
        if let Some(position) = u32::try_from(position).ok().and_then(|p| p.checked_add(1)) {
            put(&mut self.slots, hash, position);
            self.used = self.used.saturating_add(1);
        }
    }

    fn find_hash(&self, wanted: u32, mut same: impl FnMut(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = wanted as usize & mask;
        loop {
            let (hash, position) = *self.slots.get(at)?;
            let position = (position as usize).checked_sub(1)?;
            if hash == wanted && same(position) {
                return Some(position);
            }
            at = at.wrapping_add(1) & mask;
        }
    }
}

fn put(slots: &mut [(u32, u32)], hash: u32, position: u32) {
    let mask = slots.len().wrapping_sub(1);
    let mut at = hash as usize & mask;
    while let Some(slot) = slots.get_mut(at) {
        if slot.1 == 0 {
            *slot = (hash, position);
            return;
        }
        at = at.wrapping_add(1) & mask;
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_put_in() {
        let names: Vec<String> = (0..5000).map(|n| format!("{}.M{}P1.host", n, n * 7)).collect();
        let mut index = Index::with_capacity(10);
        for (at, name) in names.iter().enumerate() {
            assert_eq!(index.find_or_insert(name.as_bytes(), at, |i| names[i] == *name), None);
        }
        for (at, name) in names.iter().enumerate() {
            assert_eq!(index.find(name.as_bytes(), |i| names[i] == *name), Some(at));
        }
        assert_eq!(index.find(b"", |_| true), None);
    }

    #[test]
    fn hashes_spread() {
        let mut seen: Vec<u32> = (0..100_000u32)
            .map(|n| hash(format!("17000{n:05}.M1P2.host,S=100").as_bytes()) >> 12)
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 90_000, "{}", seen.len());
    }
}
