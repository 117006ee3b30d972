//! The wire form of stored text: each LF that no CR precedes becomes CRLF, everything else stays.
//!
//! In Maildirs lines end in LF, in IMAP in CRLF. Every size that the server sends (RFC822.SIZE,
//! literal counts, BODYSTRUCTURE) and every message byte follow this rule, so that a file that
//! already has CRLF, or a mixture, is sent with proper lines and correct sizes. (Courier turns CRLF
//! into CR CR LF; see the table of differences.)

use memchr::{memchr, memchr_iter};

/// Counts CR LF pairs in `chunk`; `prev_cr` says whether the byte before it was a CR.
fn count_crlf(chunk: &[u8], prev_cr: bool) -> u64 {
    let Some((first, tail)) = chunk.split_first() else {
        return 0;
    };
    let mut n = u64::from(prev_cr && *first == b'\n');
    // Blocks of 128 pairs, so that the inner sum fits in a byte and the compiler can use vectors.
    let mut before = chunk.chunks(128);
    for block in tail.chunks(128) {
        let left = before.next().unwrap_or_default();
        let sum: u8 = left
            .iter()
            .zip(block)
            .map(|(a, b)| u8::from(*a == b'\r') & u8::from(*b == b'\n'))
            .sum();
        n += u64::from(sum);
    }
    n
}

/// Line ends in `chunk`: the number of LFs, and how many of them no CR precedes.
/// `prev_cr`: the byte before the chunk was a CR.
pub(crate) fn line_ends(chunk: &[u8], prev_cr: bool) -> (u64, u64) {
    let lf = memchr_iter(b'\n', chunk).count() as u64;
    if lf == 0 {
        return (0, 0);
    }
    let crlf = if memchr(b'\r', chunk).is_none() {
        u64::from(prev_cr && chunk.first() == Some(&b'\n'))
    } else {
        count_crlf(chunk, prev_cr)
    };
    (lf, lf - crlf)
}

/// The length of `chunk` in wire bytes. `prev_was_cr`: the byte before the chunk was a CR.
pub(crate) fn wire_len(chunk: &[u8], prev_was_cr: bool) -> u64 {
    chunk.len() as u64 + line_ends(chunk, prev_was_cr).1
}

/// Appends the wire form of all of `chunk`. `prev_cr`: the byte before the chunk was a CR.
///
/// Most of what is served passes through here, so the room is reserved once, and each line is
/// copied together with the LF before it.
pub(crate) fn append(chunk: &[u8], prev_cr: bool, out: &mut Vec<u8>) {
    out.reserve(chunk.len().saturating_add(memchr_iter(b'\n', chunk).count()));
    let mut from = 0;
    for at in memchr_iter(b'\n', chunk) {
        let after_cr = match at.checked_sub(1) {
            Some(before) => chunk.get(before) == Some(&b'\r'),
            None => prev_cr,
        };
        if !after_cr {
            out.extend_from_slice(chunk.get(from..at).unwrap_or_default());
            out.push(b'\r');
            from = at;
        }
    }
    out.extend_from_slice(chunk.get(from..).unwrap_or_default());
}

/// Puts 0x80 in the place of each NUL.
// RFC 3501 9: `literal = "{" number "}" CRLF *CHAR8`, and `CHAR8 = %x01-ff`. 4.3.1: text with NULs
// has to be encoded, so what is here is broken. 0x80 stands for no character in most character sets,
// and the size remains.
pub(crate) fn replace_nul(wire: &mut [u8]) {
    let Some(first) = memchr(0, wire) else { return };
    for byte in wire.get_mut(first..).unwrap_or_default() {
        if *byte == 0 {
            *byte = 0x80;
        }
    }
}

/// Converts stored bytes to wire bytes, chunk by chunk, for a whole range or for a slice of it.
///
/// A slice (partial fetch, RFC 3501 6.4.5) counts wire bytes and may begin or end between CR and
/// LF.
#[derive(Debug, Clone)]
pub(crate) struct Converter {
    prev_cr: bool,
    skip: u64,
    take: u64,
}

impl Default for Converter {
    fn default() -> Self {
        Self::new()
    }
}

impl Converter {
    /// Converts everything.
    pub(crate) fn new() -> Self {
        Self::slice(0, u64::MAX)
    }

    /// Skips the first `skip` wire bytes and yields at most `take` after them.
    pub(crate) fn slice(skip: u64, take: u64) -> Self {
        Converter { prev_cr: false, skip, take }
    }

    /// Appends the wire form of `chunk` to `out`.
    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if self.take == 0 {
            return;
        }
        let mut rest = chunk;
        if self.skip > 0 {
            // A chunk that ends before the slice is only measured.
            let len = wire_len(rest, self.prev_cr);
            if len <= self.skip {
                self.skip -= len;
                self.remember(rest);
                return;
            }
        }
        if self.skip == 0 && self.take == u64::MAX {
            append(rest, self.prev_cr, out);
            self.remember(rest);
            return;
        }
        while let Some(at) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at);
            let crlf = match line.last() {
                Some(last) => *last == b'\r',
                None => self.prev_cr,
            };
            self.emit(line, out);
            if !crlf {
                self.emit(b"\r", out);
            }
            self.emit(b"\n", out);
            self.prev_cr = false;
            rest = after.get(1..).unwrap_or_default();
            if self.take == 0 {
                return;
            }
        }
        self.emit(rest, out);
        self.remember(rest);
    }

    fn remember(&mut self, consumed: &[u8]) {
        if let Some(last) = consumed.last() {
            self.prev_cr = *last == b'\r';
        }
    }

    fn emit(&mut self, wire: &[u8], out: &mut Vec<u8>) {
        let len = wire.len() as u64;
        if self.skip >= len {
            self.skip -= len;
            return;
        }
        let chunk = wire.get(self.skip as usize..).unwrap_or_default();
        self.skip = 0;
        let n = self.take.min(chunk.len() as u64);
        out.extend_from_slice(chunk.get(..n as usize).unwrap_or_default());
        self.take -= n;
    }
}

/// The wire form of a whole value that is in memory.
#[cfg(test)]
pub(crate) fn to_wire(stored: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stored.len() + stored.len() / 16);
    Converter::new().push(stored, &mut out);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rule, byte by byte.
    fn plain(input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut prev = 0;
        for &b in input {
            if b == b'\n' && prev != b'\r' {
                out.push(b'\r');
            }
            out.push(b);
            prev = b;
        }
        out
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"ab\r\n\0".to_vec()), 0..400)
    }

    #[test]
    fn crlf_stays_and_lf_grows() {
        assert_eq!(to_wire(b"a\nb\r\n\rc\r\r\n\n"), b"a\r\nb\r\n\rc\r\r\n\r\n");
        assert_eq!(wire_len(b"\n", true), 1);
        assert_eq!(wire_len(b"\n", false), 2);
    }

    #[test]
    fn nul_is_replaced() {
        for (text, want) in
            [(&b""[..], &b""[..]), (b"a\r\n", b"a\r\n"), (b"\0a\0\0b", b"\x80a\x80\x80b")]
        {
            let mut text = text.to_vec();
            replace_nul(&mut text);
            assert_eq!(text, want);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn agrees_with_the_rule(t in text(), cut in 1usize..50) {
            let want = plain(&t);
            prop_assert_eq!(to_wire(&t), want.clone());
            prop_assert_eq!(wire_len(&t, false), want.len() as u64);
            let mut out = Vec::new();
            let mut c = Converter::new();
            for chunk in t.chunks(cut) {
                c.push(chunk, &mut out);
            }
            prop_assert_eq!(out, want);
        }

        #[test]
        fn slices(t in text(), cut in 1usize..50, skip in 0usize..300, take in 0usize..300) {
            let want: Vec<u8> = plain(&t).into_iter().skip(skip).take(take).collect();
            let mut out = Vec::new();
            let mut c = Converter::slice(skip as u64, take as u64);
            for chunk in t.chunks(cut) {
                c.push(chunk, &mut out);
            }
            prop_assert_eq!(out, want);
        }
    }
}
