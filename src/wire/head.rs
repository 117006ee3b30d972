//! The head of a literal, `{n}` or `{n+}` and the line break, known octet by octet (RFC 3501 9,
//! `literal`; RFC 7888).
//!
//! It is followed over every octet of a line, those of refused tokens too: a client that has
//! written a head sends the octets that it announces, whatever stands before it on the line, and
//! they are never commands.

use super::Literal;

/// How much of a head the line ends in so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Head {
    /// Nothing of one.
    #[default]
    None,
    /// `{`
    Open,
    /// `{n`. A number past 64 bits is the largest of them: as good as endless.
    Length(u64),
    /// `{n+`
    Plus(u64),
    /// `{n}` or `{n+}`: only a line break may follow.
    Closed(Literal),
    /// The same and CR.
    Cr(Literal),
}

impl Head {
    /// Takes the next octet of the line; the literal, if that was its line break.
    pub(super) fn take(&mut self, octet: u8) -> Option<Literal> {
        let closed = |length, synchronising| {
            Head::Closed(Literal { length, synchronising, literal8: false })
        };
        let mut complete = None;
        *self = match (*self, octet) {
            (_, b'{') => Head::Open,
            (Head::Open, b'0'..=b'9') => Head::Length(u64::from(octet - b'0')),
            (Head::Length(n), b'0'..=b'9') => {
                Head::Length(n.saturating_mul(10).saturating_add(u64::from(octet - b'0')))
            }
            (Head::Length(n), b'+') => Head::Plus(n),
            (Head::Length(n), b'}') => closed(n, true),
            (Head::Plus(n), b'}') => closed(n, false),
            (Head::Closed(literal), b'\r') => Head::Cr(literal),
            (Head::Closed(literal) | Head::Cr(literal), b'\n') => {
                complete = Some(literal);
                Head::None
            }
            _ => Head::None,
        };
        complete
    }

    /// Takes octets of one line, its LF at most at their end.
    pub(super) fn take_all(&mut self, octets: &[u8]) -> Option<Literal> {
        // Only the last `{` can begin a head that lasts.
        let from = memchr::memrchr(b'{', octets).unwrap_or(0);
        for octet in octets.get(from..).unwrap_or_default() {
            if let Some(literal) = self.take(*octet) {
                return Some(literal);
            }
            if *self == Head::None {
                return None;
            }
        }
        None
    }

    /// Whether a line break would make it complete.
    pub(super) fn is_closed(self) -> bool {
        matches!(self, Head::Closed(_) | Head::Cr(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_end(line: &str, piece: usize) -> Option<(u64, bool)> {
        let mut head = Head::default();
        let found = line.as_bytes().chunks(piece).find_map(|octets| head.take_all(octets));
        found.map(|l| (l.length, l.synchronising))
    }

    #[test]
    fn heads() {
        let zeros = "0".repeat(40);
        for (line, literal) in [
            ("x {5}\r\n", Some((5, true))),
            ("{5+}\n", Some((5, false))),
            ("~{0+}\r\n", Some((0, false))),
            ("\"x {7+}\r\n", Some((7, false))),
            ("{5{6+}\r\n", Some((6, false))),
            ("{5+}{6}\r\n", Some((6, true))),
            (&format!("{{{zeros}5+}}\r\n"), Some((5, false))),
            (&format!("{{1{zeros}+}}\r\n"), Some((u64::MAX, false))),
            (&format!("{{{}}}\r\n", u64::MAX), Some((u64::MAX, true))),
            ("{}\r\n", None),
            ("{+}\r\n", None),
            ("{5++}\r\n", None),
            ("{5+5}\r\n", None),
            ("{5+} \r\n", None),
            ("{5+}\r\r\n", None),
            ("{-5}\r\n", None),
            ("{5+}x\r\n", None),
            ("5+}\r\n", None),
            ("\r\n", None),
        ] {
            for piece in [1, 2, 3, 1000] {
                assert_eq!(at_end(line, piece), literal, "{line:?} in pieces of {piece}");
            }
        }
    }
}
