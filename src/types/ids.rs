//! Numbers that must not be mixed up: unique identifiers, message sequence numbers, UIDVALIDITY.

use std::fmt;
use std::num::NonZeroU32;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(NonZeroU32);

        impl $name {
            /// `None` for zero (RFC 3501 9, `nz-number`).
            pub(crate) const fn new(n: u32) -> Option<Self> {
                match NonZeroU32::new(n) {
                    Some(n) => Some(Self(n)),
                    None => None,
                }
            }

            /// The plain number.
            pub(crate) const fn get(self) -> u32 {
                self.0.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

number! {
    /// A message's unique identifier (RFC 3501 2.3.1.1).
    Uid
}
number! {
    /// A message's sequence number (RFC 3501 2.3.1.2), from 1.
    Seq
}
number! {
    /// A folder's UIDVALIDITY (RFC 3501 2.3.1.1).
    UidValidity
}

impl Seq {
    /// The first message.
    pub(crate) const MIN: Seq = Seq(NonZeroU32::MIN);

    /// The sequence number of the message at `index` (from 0) of a folder.
    pub(crate) fn from_index(index: usize) -> Option<Seq> {
        u32::try_from(index).ok().and_then(|n| n.checked_add(1)).and_then(Seq::new)
    }

    /// The index in the folder, from 0.
    #[cfg(test)]
    pub(crate) const fn index(self) -> usize {
        (self.get() - 1) as usize
    }
}

impl UidValidity {
    /// The smallest value.
    pub(crate) const MIN: UidValidity = UidValidity(NonZeroU32::MIN);

    /// The next value; `None` past 32 bits.
    pub(crate) fn next(self) -> Option<UidValidity> {
        self.0.checked_add(1).map(UidValidity)
    }
}
