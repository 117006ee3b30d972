//! Header blocks: their fields, their end, and the selections of fields that FETCH offers.
//!
//! Everything works on a block as stored: LF or CRLF or a mixture, 8-bit bytes, NULs, lines
//! without a colon.

use super::charset;
use std::borrow::Cow;
use std::collections::HashSet;

use memchr::{memchr, memchr2};

/// Of a header name, this many bytes are compared (PROTOCOL 5.7; Courier's buffer).
pub(crate) const NAME_COMPARED: usize = 255;

/// One field: a line and its continuation lines. A line without a colon is a field with an empty
/// name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// The name as written, without the blanks that old mail puts before the colon.
    pub(crate) name: &'a [u8],
    /// Everything after the colon, folding and final line break included.
    pub(crate) value: &'a [u8],
    /// The whole field as stored, its line break included.
    pub(crate) raw: &'a [u8],
}

impl<'a> Field<'a> {
    /// Whether this field has this name; case does not matter.
    pub(crate) fn is(&self, name: &[u8]) -> bool {
        same_name(self.name, name)
    }

    /// The first bytes of the value, `most` at most, unfolded and trimmed; see [`unfold`].
    pub(crate) fn text(&self, most: usize) -> Cow<'a, [u8]> {
        unfold(charset::cut(self.value, most))
    }
}

/// Compares header names without regard to case, over the first [`NAME_COMPARED`] bytes.
pub(crate) fn same_name(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() && a.len().min(b.len()) < NAME_COMPARED {
        return false;
    }
    let cut = |n: &[u8]| n.len().min(NAME_COMPARED);
    a.get(..cut(a)).unwrap_or_default().eq_ignore_ascii_case(b.get(..cut(b)).unwrap_or_default())
}

/// The fields of a header block, in order; ends at the empty line or at the end of the block.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

/// Iterates over the fields of a header block (with or without its final empty line).
pub(crate) fn fields(block: &[u8]) -> Fields<'_> {
    Fields { rest: block }
}

/// The length of the first line with its line break.
fn line_len(block: &[u8]) -> usize {
    memchr(b'\n', block).map_or(block.len(), |at| at + 1)
}

fn is_empty_line(block: &[u8]) -> bool {
    block.starts_with(b"\n") || block.starts_with(b"\r\n")
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.rest.is_empty() || is_empty_line(self.rest) {
            return None;
        }
        let mut len = line_len(self.rest);
        // RFC 5322 2.2.3: a line that begins with white space continues the field.
        while let Some(next) = self.rest.get(len..) {
            if !matches!(next.first(), Some(b' ' | b'\t')) {
                break;
            }
            len += line_len(next);
        }
        let (raw, rest) = self.rest.split_at(len);
        self.rest = rest;
        Some(split_field(raw))
    }
}

/// Splits a whole stored field at its colon. Without a colon in the first line the name is empty.
pub(crate) fn split_field(raw: &[u8]) -> Field<'_> {
    match memchr2(b':', b'\n', raw).map(|at| raw.split_at(at)) {
        Some((name, rest)) if rest.first() == Some(&b':') => {
            Field { name: trim_end(name), value: rest.get(1..).unwrap_or_default(), raw }
        }
        _ => Field { name: &[], value: raw, raw },
    }
}

/// Names that fields are looked up in: a few are compared one by one, of many a table is made.
enum Names<'a> {
    Few(&'a [Vec<u8>]),
    Many(HashSet<Vec<u8>>),
}

impl<'a> Names<'a> {
    const FEW: usize = 16;

    fn new(names: &'a [Vec<u8>]) -> Names<'a> {
        if names.len() <= Names::FEW {
            return Names::Few(names);
        }
        Names::Many(names.iter().map(|name| Names::key(name)).collect())
    }

    /// What is the same in names that are the same ([`same_name`]).
    fn key(name: &[u8]) -> Vec<u8> {
        name.get(..NAME_COMPARED).unwrap_or(name).to_ascii_lowercase()
    }

    fn have(&self, field: &Field<'_>) -> bool {
        match self {
            Names::Few(names) => names.iter().any(|name| field.is(name)),
            Names::Many(names) => names.contains(&Names::key(field.name)),
        }
    }
}

/// The stored lines that HEADER.FIELDS selects, in the order of the block, without the empty line.
pub(crate) fn select<'a>(block: &'a [u8], names: &'a [Vec<u8>]) -> impl Iterator<Item = &'a [u8]> {
    let names = Names::new(names);
    fields(block).filter(move |f| !f.name.is_empty() && names.have(f)).map(|f| f.raw)
}

/// The stored lines that HEADER.FIELDS.NOT leaves, in the order of the block, without the empty
/// line.
pub(crate) fn select_not<'a>(
    block: &'a [u8],
    names: &'a [Vec<u8>],
) -> impl Iterator<Item = &'a [u8]> {
    let names = Names::new(names);
    fields(block).filter(move |f| f.name.is_empty() || !names.have(f)).map(|f| f.raw)
}

/// The stored lines of a message's header that `[1.MIME]` shows, without the empty line: those that
/// RFC 2045 3 calls MIME header fields, MIME-Version and all whose names begin with Content-.
pub(crate) fn select_mime(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    fields(block).filter(|f| is_mime_name(f.name)).map(|f| f.raw)
}

/// Whether RFC 2045 3 counts this name among the MIME header fields.
pub(crate) fn is_mime_name(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"mime-version")
        || name.get(..8).is_some_and(|p| p.eq_ignore_ascii_case(b"content-"))
}

/// A field value without its line breaks and without blanks at either end.
///
/// RFC 5322 2.2.3: unfolding removes the CRLF and keeps the white space after it. A CR that ends no
/// line becomes a blank, as in Courier: a control character would need a literal.
pub(crate) fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = trim(value);
    if memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr2(b'\r', b'\n', rest) {
        let (plain, end) = rest.split_at(at);
        out.extend_from_slice(plain);
        if end.first() == Some(&b'\r') && end.get(1) != Some(&b'\n') {
            out.push(b' ');
        }
        rest = end.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

fn is_blank(b: &u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without white space at either end.
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let start = value.iter().position(|b| !is_blank(b)).unwrap_or(value.len());
    trim_end(value.get(start..).unwrap_or_default())
}

fn trim_end(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|b| !is_blank(b)).map_or(0, |at| at + 1);
    value.get(..end).unwrap_or_default()
}

/// Finds the end of a header in a stream: the first empty line, LF or CRLF.
#[derive(Debug, Clone, Default)]
pub(crate) struct EndFinder {
    /// What the current line is so far: 0 for nothing, 1 for a lone CR, 2 for anything else.
    line: u8,
    done: bool,
}

impl EndFinder {
    /// At the start of a header.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes the next chunk. `Some(n)`: the header ends after the first `n` bytes of this chunk,
    /// its empty line included. None: it has not ended.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Option<usize> {
        if self.done {
            return Some(0);
        }
        let mut at = 0;
        while let Some(rest) = chunk.get(at..) {
            let Some(len) = memchr(b'\n', rest) else {
                self.line = match (self.line, rest) {
                    (n, []) => n,
                    (0, b"\r") => 1,
                    _ => 2,
                };
                return None;
            };
            let empty = match self.line {
                0 => len == 0 || (len == 1 && rest.starts_with(b"\r")),
                1 => len == 0,
                _ => false,
            };
            at += len + 1;
            self.line = 0;
            if empty {
                self.done = true;
                return Some(at);
            }
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BLOCK: &[u8] = b"From: a\nX-Dup: 1\n two\nnocolon\nSubject : s\r\n\tt\r\nx-dup: 3\n\
     Content-Type: x\n\nbody: 1\n";

    #[test]
    fn iterates() {
        let names: Vec<_> = fields(BLOCK).map(|f| f.name).collect();
        assert_eq!(names, [&b"From"[..], b"X-Dup", b"", b"Subject", b"x-dup", b"Content-Type"]);
        assert_eq!(fields(BLOCK).find(|f| f.is(b"subject")).unwrap().text(100).as_ref(), b"s\tt");
        assert_eq!(fields(BLOCK).filter(|f| f.is(b"X-DUP")).count(), 2);
        let names = [b"x-dup".to_vec(), b"FROM".to_vec()];
        assert_eq!(
            select(BLOCK, &names).collect::<Vec<_>>().concat(),
            b"From: a\nX-Dup: 1\n two\nx-dup: 3\n"
        );
        assert_eq!(
            select_not(BLOCK, &names).collect::<Vec<_>>().concat(),
            b"nocolon\nSubject : s\r\n\tt\r\nContent-Type: x\n"
        );
        assert_eq!(select_mime(BLOCK).collect::<Vec<_>>().concat(), b"Content-Type: x\n");
        assert_eq!(EndFinder::new().push(BLOCK), Some(BLOCK.len() - 8));
    }

    #[test]
    fn names_count_to_255() {
        let long = vec![b'x'; 300];
        let mut other = vec![b'X'; 255];
        other.push(b'y');
        assert!(same_name(&long, &other));
        assert!(!same_name(&long, &other[..254]));
    }

    #[test]
    fn unfolds() {
        assert_eq!(unfold(b"  a b\n\t\tc \n").as_ref(), b"a b\t\tc");
        assert_eq!(unfold(b" a\rb\r\n c\r\n").as_ref(), b"a b c");
        assert_eq!(unfold(b" \r\n").as_ref(), b"");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn end_does_not_depend_on_chunks(
            t in prop::collection::vec(prop::sample::select(b"a:\r\n".to_vec()), 0..60),
            cut in 1usize..9,
        ) {
            let want = EndFinder::new().push(&t);
            let mut f = EndFinder::new();
            let mut base = 0;
            let mut got = None;
            for c in t.chunks(cut) {
                if let Some(n) = f.push(c) {
                    got = Some(base + n);
                    break;
                }
                base += c.len();
            }
            prop_assert_eq!(got, want);
            // All raw fields together are the block up to the empty line.
            let all: Vec<u8> = fields(&t).flat_map(|f| f.raw.to_vec()).collect();
            prop_assert!(t.starts_with(&all));
        }
    }
}
