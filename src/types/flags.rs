//! System flags, and how a Maildir file name spells them.

use bitflags::bitflags;

bitflags! {
    /// A set of system flags (RFC 3501 2.3.2). \Recent is not one of them: it belongs to a session,
    /// not to a message.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
    pub(crate) struct Flags: u8 {
        const DRAFT = 1;
        const FLAGGED = 2;
        const ANSWERED = 4;
        const SEEN = 8;
        const DELETED = 16;
    }
}

// Every message of an open folder has one.
const _: () = assert!(size_of::<Flags>() == 1);

/// Each flag with its Maildir letter and its name, in the order of Courier's FLAGS response
/// (PROTOCOL 5.4).
const TABLE: [(Flags, u8, &str); 5] = [
    (Flags::DRAFT, b'D', "\\Draft"),
    (Flags::FLAGGED, b'F', "\\Flagged"),
    (Flags::ANSWERED, b'R', "\\Answered"),
    (Flags::SEEN, b'S', "\\Seen"),
    (Flags::DELETED, b'T', "\\Deleted"),
];

impl Flags {
    /// The flag of a name, in any case: `\Seen`.
    pub(crate) fn by_name(name: &[u8]) -> Option<Flags> {
        TABLE.iter().find(|(_, _, n)| n.as_bytes().eq_ignore_ascii_case(name)).map(|(f, _, _)| *f)
    }

    /// The flags in a file name: the text after its last `:`, if that starts with `2,`. Unknown
    /// letters are passed over.
    pub(crate) fn of_file_name(name: &[u8]) -> Flags {
        let suffix = memchr::memrchr(b':', name)
            .and_then(|colon| name.get(colon..))
            .and_then(|s| s.strip_prefix(b":2,"));
        suffix.map_or(Flags::empty(), Flags::of_letters)
    }

    /// The flags of Maildir letters.
    pub(crate) fn of_letters(letters: &[u8]) -> Flags {
        TABLE
            .iter()
            .filter(|(_, l, _)| letters.contains(l))
            .fold(Flags::empty(), |all, (f, _, _)| all | *f)
    }

    /// The flags of letters that are written as [`Flags::push_letters`] writes them: known, each
    /// once, in order. `None` for others.
    pub(crate) fn of_usual_letters(letters: &[u8]) -> Option<Flags> {
        let mut rest = letters;
        let mut flags = Flags::empty();
        for (flag, letter, _) in TABLE {
            if let Some((_, tail)) = rest.split_first().filter(|(first, _)| **first == letter) {
                flags |= flag;
                rest = tail;
            }
        }
        rest.is_empty().then_some(flags)
    }

    /// Appends the Maildir letters in the order of a file name, `DFRST`.
    pub(crate) fn push_letters(self, out: &mut Vec<u8>) {
        out.extend(TABLE.iter().filter(|(f, _, _)| self.contains(*f)).map(|(_, l, _)| *l));
    }

    /// The names, in the order of Courier's FLAGS item: `\Draft \Flagged \Answered \Seen \Deleted`.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        TABLE.iter().filter(move |(f, _, _)| self.contains(*f)).map(|(_, _, n)| *n)
    }
}

/// What is done with a list of flags or keywords (RFC 3501 6.4.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    /// These and no others.
    Replace,
    /// These too.
    Add,
    /// Without these.
    Remove,
}

impl Operation {
    /// What becomes of the system flags `old`; those outside of `allowed` stay as they are.
    pub(crate) fn apply(self, old: Flags, flags: Flags, allowed: Flags) -> Flags {
        match self {
            Operation::Replace => old.difference(allowed) | (flags & allowed),
            Operation::Add => old | (flags & allowed),
            Operation::Remove => old.difference(flags & allowed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_a_file_name() {
        for (name, letters) in [
            ("1.a:2,S", "S"),
            ("1.a:2,TSRFD", "DFRST"),
            ("1.a:2,PSa", "S"),
            ("1.a", ""),
            ("1.a:1,S", ""),
            ("1.a:2,S:2,T", "T"),
            (":2,F", "F"),
        ] {
            let mut out = Vec::new();
            Flags::of_file_name(name.as_bytes()).push_letters(&mut out);
            assert_eq!(out, letters.as_bytes(), "{name}");
            assert_eq!(Flags::of_usual_letters(&out), Some(Flags::of_file_name(name.as_bytes())));
        }
        for unusual in ["SD", "SS", "P", "aS", "S:2,", "Sx"] {
            assert_eq!(Flags::of_usual_letters(unusual.as_bytes()), None, "{unusual}");
        }
    }
}
