//! Encoded words to UTF-8.
//!
//! Read generously, since senders are: encoded words within words and quotes, blanks inside a word,
//! characters split between two words.

use std::borrow::Cow;

use memchr::memchr;

use crate::mime::charset::{self, Guess};
use crate::mime::decode::{Base64, hex};

/// One `=?charset?encoding?text?=`.
struct Word<'a> {
    charset: &'a [u8],
    is_base64: bool,
    text: &'a [u8],
    /// Length in the source.
    len: usize,
}

/// What adjacent words in one character set decode to: a character may be split between them, and
/// so may a group of base64.
#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
    base64: Base64,
}

impl Bytes {
    fn of(word: &Word<'_>) -> Bytes {
        let mut bytes = Bytes::default();
        bytes.push(word);
        bytes
    }

    fn push(&mut self, word: &Word<'_>) {
        if !word.is_base64 || !self.base64.is_cut() {
            self.base64.flush(&mut self.bytes);
        }
        if word.is_base64 {
            self.base64.push(word.text, &mut self.bytes);
        } else {
            self.bytes.reserve(word.text.len());
            q(word.text, &mut self.bytes);
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.base64.flush(&mut self.bytes);
        self.bytes
    }
}

/// Decodes the encoded words in a value (unfolded or not). White space between two adjacent encoded
/// words goes away (RFC 2047 6.2); words in a character set that is not known stay as they are.
/// What is not encoded is guessed for the value as a whole: see [`charset::guess`].
pub(crate) fn decode(value: &[u8]) -> Cow<'_, str> {
    if find_mark(value).is_none() {
        return charset::guess(value);
    }
    match quick(value) {
        Some(text) => Cow::Owned(text),
        None => thorough(value),
    }
}

/// The text of a value that is ASCII, with encoded words of UTF-8 alone and nothing wrong in them.
fn quick(value: &[u8]) -> Option<String> {
    if !value.is_ascii() {
        return None;
    }
    let mut out = Bytes { bytes: Vec::with_capacity(value.len()), ..Bytes::default() };
    let (mut rest, mut follows_word, mut spent) = (value, false, false);
    while let Some(start) = find_mark(rest) {
        let (plain, from) = rest.split_at(start);
        let word = word(from, &mut spent)?;
        if !word.charset.eq_ignore_ascii_case(b"utf-8") {
            return None;
        }
        if !follows_word || !plain.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
            out.base64.flush(&mut out.bytes);
            out.bytes.extend_from_slice(plain);
        }
        out.push(&word);
        follows_word = true;
        rest = from.get(word.len..)?;
    }
    out.base64.flush(&mut out.bytes);
    out.bytes.extend_from_slice(rest);
    String::from_utf8(out.bytes).ok()
}

fn thorough(value: &[u8]) -> Cow<'_, str> {
    let guess = Guess::of(value);
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    // Set once no `?` is left, so that unfinished words cost one search, not one each.
    let mut spent = false;
    loop {
        let start = if spent { None } else { find_mark(rest) };
        let Some(start) = start else {
            out.push_str(&guess.text(rest));
            return Cow::Owned(out);
        };
        let (plain, from) = rest.split_at(start);
        match run(from, guess, &mut spent) {
            Some((text, len)) => {
                out.push_str(&guess.text(plain));
                out.push_str(&text);
                rest = from.get(len..).unwrap_or_default();
            }
            None => {
                // Not a word: `=?` is text, and the search goes on after it.
                let keep = start + 2;
                out.push_str(&guess.text(rest.get(..keep).unwrap_or(rest)));
                rest = rest.get(keep..).unwrap_or_default();
            }
        }
    }
}

/// Whether a value is ASCII without encoded words: its text is the value.
pub(crate) fn is_plain(value: &[u8]) -> bool {
    value.is_ascii() && find_mark(value).is_none()
}

/// Where a text has `=?` first. Other equals signs are few in a header.
fn find_mark(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr(b'=', text.get(from..)?)?;
        if text.get(at + 1) == Some(&b'?') {
            return Some(at);
        }
        from = at + 1;
    }
}

/// A run of adjacent encoded words in one character set at the start of `from`: its text and its
/// length.
fn run(from: &[u8], guess: Guess, spent: &mut bool) -> Option<(String, usize)> {
    let first = word(from, spent)?;
    let mut bytes = Bytes::of(&first);
    let mut len = first.len;
    let mut text = String::new();
    let mut charset_now = first.charset;
    let mut source = 0;
    loop {
        let after = from.get(len..).unwrap_or_default();
        let blanks = after.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count();
        let next =
            after.get(blanks..).filter(|n| n.starts_with(b"=?")).and_then(|n| word(n, spent));
        let same = next.as_ref().is_some_and(|n| n.charset.eq_ignore_ascii_case(charset_now));
        if let Some(n) = next.as_ref().filter(|_| same) {
            bytes.push(n);
            len += blanks + n.len;
            continue;
        }
        let known = match charset::decode(charset_now, bytes.end()) {
            Some(t) => {
                if text.is_empty() {
                    text = t;
                } else {
                    text.push_str(&t);
                }
                true
            }
            None => {
                text.push_str(&guess.text(from.get(source..len).unwrap_or_default()));
                false
            }
        };
        let Some(n) = next else {
            return Some((text, len));
        };
        // The white space before a word in another character set goes too, unless one of the two
        // stays undecoded.
        if !known || charset::decode(n.charset, Vec::new()).is_none() {
            text.push_str(&guess.text(after.get(..blanks).unwrap_or_default()));
        }
        source = len + blanks;
        len = source + n.len;
        charset_now = n.charset;
        bytes = Bytes::of(&n);
    }
}

/// An encoded word at the start of `from`.
fn word<'a>(from: &'a [u8], spent: &mut bool) -> Option<Word<'a>> {
    if *spent {
        return None;
    }
    let body = from.strip_prefix(b"=?")?;
    let mark = memchr(b'?', body.get(..80).unwrap_or(body))?;
    let (charset, tail) = body.split_at(mark);
    if charset.is_empty() || charset.iter().any(|b| !b.is_ascii_graphic()) {
        return None;
    }
    let ([_, encoding, b'?'], text) = tail.split_first_chunk::<3>()? else {
        return None;
    };
    // The text holds no `?` (RFC 2047 2), so each search ends at the next one.
    let Some(end) = memchr(b'?', text) else {
        *spent = true;
        return None;
    };
    let (text, tail) = text.split_at(end);
    if !tail.starts_with(b"?=") {
        return None;
    }
    let is_base64 = match encoding {
        b'B' | b'b' => true,
        b'Q' | b'q' => false,
        _ => return None,
    };
    Some(Word { charset, is_base64, text, len: 2 + mark + 3 + end + 2 })
}

/// RFC 2047 4.2.
fn q(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((b, after)) = rest.split_first() {
        rest = after;
        match b {
            b'_' => out.push(b' '),
            b'=' => {
                if let [high, low, tail @ ..] = after
                    && let (Some(high), Some(low)) = (hex(*high), hex(*low))
                {
                    out.push(high << 4 | low);
                    rest = tail;
                } else {
                    out.push(b'=');
                }
            }
            b'\r' | b'\n' => {}
            _ => out.push(*b),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        for (value, want) in [
            ("plain é", "plain é"),
            ("=?utf-8?B?w6k=?=", "é"),
            ("=?UTF-8?q?J=C3=A9_x?= tail", "Jé x tail"),
            ("a =?iso-8859-1?q?=E9?=  =?utf-8?q?=C3=A9?= b", "a éé b"),
            ("=?utf-8?q?=C3?=\r\n =?UTF-8?b?qQ==?=", "é"),
            ("=?utf-8?b?w6nDqQ?=", "éé"),
            // Without padding, whole and cut within a group.
            ("=?utf-8?b?w6nDqQ?= =?utf-8?b?w6k?=", "ééé"),
            ("=?utf-8?b?w6nD?= =?utf-8?b?qcOp?=", "ééé"),
            ("=?utf-8?b?5Lya6?= =?utf-8?b?K6u?=", "会议"),
            ("=?utf-8?b?5Lya6K?= =?utf-8?b?6u?=", "会议"),
            ("=?utf-8?b?5Lya6K6u5?= =?utf-8?q?=E4=BC=9A?=", "会议会"),
            // A character that is cut for good.
            ("=?utf-8?b?5Lya6K4=?= x", "会\u{fffd} x"),
            ("=?utf-8?b?5Lya6K4=?= =?gb2312?b?vOHS6Q==?=", "会\u{fffd}坚议"),
            ("=?unknown-8bit?q?caf=E9?=", "café"),
            ("=?ibm850?q?caf=82?= =?cp852?q?=9C?=", "caféť"),
            ("=?utf-7?q?caf+AOk-?=", "café"),
            ("=?x-none?q?a?= =?utf-8?q?b?= =?x-none?q?c?=", "=?x-none?q?a?= b =?x-none?q?c?="),
            ("=?x-none?q?a?=  =?x-none?q?b?=", "=?x-none?q?a?=  =?x-none?q?b?="),
            ("=?utf-8*en?q?a?=", "a"),
            ("(=?utf-8?q?a?=)=?utf-8?q?b?=x", "(a)bx"),
            ("=?utf-8?q?a b?=", "a b"),
            ("=?utf-8?x?a?= =?utf-8?q?a", "=?utf-8?x?a?= =?utf-8?q?a"),
            ("=? =?utf-8?q?a?=", "=? a"),
            ("=?=?utf-8?q?a?=", "=?a"),
            ("=?iso-2022-jp?B?GyRCJCIbKEI=?= x", "あ x"),
        ] {
            assert_eq!(decode(value.as_bytes()), want, "{value:?}");
        }
        assert_eq!(decode(b"caf\xe9 =?utf-8?q?a?="), "café a");
        assert_eq!(decode(b"\xe4\xbc\x9a =?utf-8?q?a?= \xe8\xae"), "会 a \u{fffd}");
    }

    #[test]
    fn unfinished_words_are_cheap() {
        let v = b"=?utf-8?q?a".repeat(200_000);
        assert_eq!(decode(&v).len(), v.len());
        let v = [b"=?a?q?".repeat(200_000), b"?=".to_vec()].concat();
        assert_eq!(decode(&v).len(), v.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn anything(
            v in prop::collection::vec(
                prop::sample::select(vec![
                    "=?", "utf-8", "?", "?=", "q", "B", "=C3", "w6k=", " ", "\n", "x", "é",
                ]),
                0..40,
            ),
        ) {
            let value = v.concat();
            let text = decode(value.as_bytes());
            prop_assert_eq!(text, match find_mark(value.as_bytes()) {
                Some(_) => thorough(value.as_bytes()),
                None => value.as_str().into(),
            });
        }

        #[test]
        fn the_quick_way_is_the_same(
            v in prop::collection::vec(
                prop::sample::select(vec![
                    &b"=?utf-8?q?a?="[..], b"=?UTF-8?B?w6k=?=", b"=?utf-8?b?w6?=", b"=?utf-8?b?kx?=",
                    b"=?utf-8?q?=C3?=", b"=?utf-8?q?=A9?=", b"=?utf-8?b?w6l?=", b"=?utf-8?q??=", b" ",
                    b"\r\n ", b"x", b"=?", b"?=", b"=?us-ascii?q?b?=", b"=?utf-8?x?a?=", b"\xc3", b"(",
                    b"=?utf-8?b?=EF=BB=BF?=", b"=?utf-8?q?=EF=BB=BF?=", b"=?utf-8?b?YQ==YQ?=",
                ]),
                0..8,
            ),
        ) {
            let value = v.concat();
            if let Some(text) = quick(&value) {
                prop_assert_eq!(text, thorough(&value));
            }
        }
    }
}
