//! The head of a literal, `{n}` or `{n+}` and the line break, recognised byte by byte (RFC 3501 9,
//! `literal`; RFC 7888).
//!
//! Every byte of a line goes through it, those of refused tokens too: a client that has written a
//! head sends the bytes that it announces, whatever precedes it on the line, and these bytes must
//! never be taken for commands.

use super::token::Literal;

/// How much of a literal's head the line so far ends with.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Head {
    /// No part of one.
    #[default]
    None,
    /// `{`
    Open,
    /// `{n`. A number past 64 bits counts as `u64::MAX`, which is as good as endless.
    Length(u64),
    /// `{n+`
    Plus(u64),
    /// `{n}` or `{n+}`: only a line break may follow.
    Closed(Literal),
    /// [`Head::Closed`] and CR.
    Cr(Literal),
}

impl Head {
    /// Takes the next byte of the line. Returns the literal if this byte completes its head.
    pub(super) fn take(&mut self, byte: u8) -> Option<Literal> {
        let closed = |length, synchronising| {
            Head::Closed(Literal { length, synchronising, literal8: false })
        };
        let mut complete = None;
        *self = match (*self, byte) {
            (_, b'{') => Head::Open,
            (Head::Open, b'0'..=b'9') => Head::Length(u64::from(byte - b'0')),
            (Head::Length(n), b'0'..=b'9') => {
                Head::Length(n.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
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

    /// Takes bytes of one line; an LF can only be the last of them.
    pub(super) fn take_all(&mut self, bytes: &[u8]) -> Option<Literal> {
        // A head that an earlier `{` begins ends at the last `{`.
        let from = memchr::memrchr(b'{', bytes).unwrap_or(0);
        for byte in bytes.get(from..).unwrap_or_default() {
            if let Some(literal) = self.take(*byte) {
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

    fn at_end(line: &str, chunk: usize) -> Option<(u64, bool)> {
        let mut head = Head::default();
        let found = line.as_bytes().chunks(chunk).find_map(|bytes| head.take_all(bytes));
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
            for chunk in [1, 2, 3, 1000] {
                assert_eq!(at_end(line, chunk), literal, "{line:?} in chunks of {chunk}");
            }
        }
    }
}
