//! Digests of texts: what THREAD keeps of Message-IDs and subjects, which may be long, and many.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// Stands for a text of any length. Two texts with one digest are not to be expected: the keys are
/// random, and nobody knows them. With any two texts of n bytes at most, one pair of keys in 2^122 /
/// (n / 7 + 2)^2 makes them the same.
pub(crate) type Digest = (u64, u64);

/// A table by digests, which are hashes already.
pub(crate) type ByDigest<T> = HashMap<Digest, T, BuildHasherDefault<AsIs>>;

/// Takes digests for hashes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn write(&mut self, bytes: &[u8]) {
        debug_assert!(false, "digests are numbers");
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = self.0.rotate_left(32) ^ number;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// A prime number, by which remainders are easily had.
const PRIME: u64 = (1 << 61) - 1;

/// The remainder of a product of two numbers below 2^62.
#[inline]
fn product(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let sum = (product as u64 & PRIME) + (product >> 61) as u64;
    // Of less than 2^62 + 2^61; what is one remainder must be one number.
    let sum = (sum & PRIME) + (sum >> 61);
    if sum >= PRIME { sum - PRIME } else { sum }
}

/// Makes digests, with keys of its own: the values of two polynomials, of which a text's length and
/// its bytes, by sevens, are the coefficients.
#[derive(Clone, Debug)]
pub(crate) struct Digests(u64, u64);

impl Default for Digests {
    fn default() -> Digests {
        let key = || RandomState::new().hash_one(0u8) % PRIME;
        Digests(key(), key())
    }
}

impl Digests {
    /// The digest of a text.
    pub(crate) fn of(&self, text: &[u8]) -> Digest {
        let Digests(first, second) = *self;
        let (words, rest) = text.as_chunks::<7>();
        let start = text.len() as u64 & PRIME;
        let (mut a, mut b) = (product(start, first), product(start, second));
        let mut add = |word: u64| {
            a = product(a + word, first);
            b = product(b + word, second);
        };
        for [p, q, r, s, t, u, v] in words {
            add(u64::from_le_bytes([*p, *q, *r, *s, *t, *u, *v, 0]));
        }
        if !rest.is_empty() {
            add(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
        (a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn products() {
        for (a, b) in [
            (0, 0),
            (1, PRIME - 1),
            (PRIME - 1, PRIME - 1),
            (PRIME, PRIME - 1),
            ((1 << 62) - 1, PRIME - 1),
            ((1 << 61) + (1 << 56) - 3, PRIME - 2),
        ] {
            let expected = u128::from(a) * u128::from(b) % u128::from(PRIME);
            assert_eq!(u128::from(product(a, b)), expected, "{a} {b}");
        }
    }

    #[test]
    fn texts() {
        let digests = Digests::default();
        let texts: Vec<Vec<u8>> = (0..=30)
            .flat_map(|length| [vec![0; length], vec![b'a'; length]])
            .chain((0..8).map(|zeros| [&b"1234567"[..], &vec![0; zeros], b"x"].concat()))
            .collect();
        let known: std::collections::HashSet<Digest> =
            texts.iter().map(|text| digests.of(text)).collect();
        // The empty text is there twice.
        assert_eq!(known.len(), texts.len() - 1);
        assert_ne!(digests.of(b"a"), Digests::default().of(b"a"));
    }

    proptest! {
        #[test]
        fn another_text_another_digest(a in ".{0,20}", b in ".{0,20}", n in any::<u64>(), m in any::<u64>()) {
            let digests = Digests::default();
            prop_assert_eq!(a == b, digests.of(a.as_bytes()) == digests.of(b.as_bytes()));
            let (n, m) = (n & ((1 << 62) - 1), m % PRIME);
            let expected = u128::from(n) * u128::from(m) % u128::from(PRIME);
            prop_assert_eq!(u128::from(product(n, m)), expected);
        }
    }
}
