//! Modification sequences (RFC 7162 3.1): what a message, or a folder, has of them.

use std::fmt;
use std::num::NonZeroU64;

/// A modification sequence: at least 1, at most 2^63 - 1 (RFC 7162 7, `mod-sequence-value`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ModSeq(NonZeroU64);

impl ModSeq {
    /// The smallest value. None of ours is as small: a client that goes on from it compares all.
    pub(crate) const MIN: ModSeq = ModSeq(NonZeroU64::MIN);
    /// The greatest value.
    pub(crate) const MAX: u64 = (1 << 63) - 1;

    /// `None` for zero, and beyond 63 bits.
    pub(crate) fn new(n: u64) -> Option<ModSeq> {
        NonZeroU64::new(n).filter(|_| n <= ModSeq::MAX).map(ModSeq)
    }

    /// The plain number.
    pub(crate) const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for ModSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ModSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModSeq({})", self.0)
    }
}
