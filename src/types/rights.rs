//! Rights of an access control list (RFC 4314 2, STORAGE 5.1): a set of printable characters.

/// A set of rights: as in Courier, of any printable characters other than a blank.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Rights(u128);

impl Rights {
    /// No right.
    pub(crate) const NONE: Rights = Rights(0);
    /// `aceilrstwx`: what an owner has (no `p`).
    pub(crate) const ALL: Rights = Rights::of(b"aceilrstwx");
    /// Any one of these opens a folder read-write (STORAGE 5.1).
    pub(crate) const WRITING: Rights = Rights::of(b"iestw");
    /// Any one of these lets a user ask for the rights (PROTOCOL 7.3).
    pub(crate) const ASKING: Rights = Rights::of(b"lricxea");
    /// The same in RFC 4314 4, in which `c` is called `k`.
    pub(crate) const ASKING_STANDARD: Rights = Rights::of(b"lricxa");
    /// The rights of RFC 4314 2.1, as files have them: `c` for `k`.
    pub(crate) const STANDARD: Rights = Rights::of(b"aceilprstwx");

    /// The rights of these letters; what is not printable ASCII is left out.
    pub(crate) const fn of(letters: &[u8]) -> Rights {
        let mut bits = 0u128;
        let mut rest = letters;
        while let [first, tail @ ..] = rest {
            if *first > b' ' && *first < 0x7f {
                bits |= 1 << *first;
            }
            rest = tail;
        }
        Rights(bits)
    }

    /// Like [`Rights::of`], but RFC 2086's `d` means `e`, `t` and `x` (RFC 4314 2.1.1).
    pub(crate) const fn of_wire(letters: &[u8]) -> Rights {
        let rights = Rights::of(letters);
        if rights.has(b'd') { rights.without(Rights::of(b"d")).with(Rights::ETX) } else { rights }
    }

    /// Like [`Rights::of_wire`], and `k` is the same as `c`, by which files call it (RFC 4314
    /// 2.1.1, the second of its two groups of servers).
    pub(crate) const fn of_standard(letters: &[u8]) -> Rights {
        let rights = Rights::of_wire(letters);
        if rights.has(b'k') { rights.without(Rights::K).with(Rights::of(b"c")) } else { rights }
    }

    const K: Rights = Rights::of(b"k");
    const ETX: Rights = Rights::of(b"etx");

    /// Whether the right `letter` is in here.
    pub(crate) const fn has(self, letter: u8) -> bool {
        letter < 0x7f && self.0 & (1 << letter) != 0
    }

    /// Whether all of `other` are in here.
    pub(crate) const fn contains(self, other: Rights) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is in here.
    pub(crate) const fn intersects(self, other: Rights) -> bool {
        self.0 & other.0 != 0
    }

    /// Both together.
    pub(crate) const fn with(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }

    /// These without `other`.
    pub(crate) const fn without(self, other: Rights) -> Rights {
        Rights(self.0 & !other.0)
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The letters in byte order, as files have them.
    pub(crate) fn letters(self) -> Vec<u8> {
        (b'!'..0x7f).filter(|l| self.has(*l)).collect()
    }

    /// The letters for the wire: `d` replaces `e`, `t` and `x` together (PROTOCOL 7.1). If only
    /// some of these three are there, they are shown, also in GETACL and MYRIGHTS, in which Courier
    /// hides them (RFC 4314 2.1.1).
    pub(crate) fn shown(self) -> Vec<u8> {
        let letters = self.letters();
        if !self.contains(Rights::ETX) {
            return letters;
        }
        let mut out: Vec<u8> = letters.into_iter().filter(|l| !matches!(l, b't' | b'x')).collect();
        out.iter_mut().filter(|l| **l == b'e').for_each(|l| *l = b'd');
        out
    }

    /// The letters for the wire where RFC 4314 is offered: `k` as well as `c`, and `d` beside any
    /// of `e`, `t` and `x` (2.1.1).
    pub(crate) fn shown_standard(self) -> Vec<u8> {
        let mut shown = self.without(Rights::K);
        if shown.has(b'c') {
            shown = shown.with(Rights::K);
        }
        if shown.intersects(Rights::ETX) {
            shown = shown.with(Rights::of(b"d"));
        }
        shown.letters()
    }
}

impl std::fmt::Debug for Rights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rights({})", String::from_utf8_lossy(&self.letters()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_forms() {
        for (letters, shown) in
            [("aceilrstwx", "acdilrsw"), ("aeilrs", "aeilrs"), ("lrs", "lrs"), ("", "")]
        {
            let r = Rights::of(letters.as_bytes());
            assert_eq!(r.shown(), shown.as_bytes());
        }
        assert_eq!(Rights::of_wire(b"dl").letters(), b"eltx");
    }

    /// RFC 4314 2.1.1
    #[test]
    fn obsolete_rights() {
        for (client, file, shown) in [
            ("lrswida", "aeilrstwx", "adeilrstwx"),
            ("lrswikda", "aceilrstwx", "acdeiklrstwx"),
            ("lrswicda", "aceilrstwx", "acdeiklrstwx"),
            ("lrck", "clr", "cklr"),
            ("lrt", "lrt", "dlrt"),
            ("lrx", "lrx", "dlrx"),
            ("", "", ""),
        ] {
            let rights = Rights::of_standard(client.as_bytes());
            assert_eq!(rights.letters(), file.as_bytes(), "{client}");
            assert_eq!(rights.shown_standard(), shown.as_bytes(), "{client}");
        }
        // Courier has no `k`: in a file it gives no right.
        assert_eq!(Rights::of(b"klr").shown_standard(), b"lr");
    }
}
