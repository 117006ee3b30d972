//! Text of unknown encoding.

use encoding_rs::WINDOWS_1252;
use std::borrow::Cow;

/// What the 8-bit bytes of a value are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guess {
    /// UTF-8, perhaps with bad bytes in it.
    Utf8,
    /// windows-1252: there is no character of UTF-8 in it.
    Western,
}

impl Guess {
    /// Looks at a whole value.
    pub(crate) fn of(value: &[u8]) -> Guess {
        match std::str::from_utf8(value) {
            Ok(_) => Guess::Utf8,
            Err(_) if value.utf8_chunks().any(|c| !c.valid().is_ascii()) => Guess::Utf8,
            Err(_) => Guess::Western,
        }
    }

    /// A piece of the value, cut at ASCII. U+FFFD stands for what is not valid in UTF-8.
    pub(crate) fn text(self, piece: &[u8]) -> Cow<'_, str> {
        match self {
            Guess::Utf8 => String::from_utf8_lossy(piece),
            Guess::Western => WINDOWS_1252.decode_without_bom_handling(piece).0,
        }
    }
}

/// Text of unknown encoding: all that is valid UTF-8 stays, and U+FFFD stands for what is not.
/// Where no character of UTF-8 is in it, all of it is windows-1252.
pub(crate) fn guess(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Guess::of(bytes).text(bytes),
    }
}

/// The first bytes of a text, `most` at most, without cutting a character of UTF-8.
pub(crate) fn cut(text: &[u8], most: usize) -> &[u8] {
    let Some(kept) = text.get(..most) else { return text };
    // A character has four bytes at most.
    for back in 1..4 {
        let Some((before, tail)) = most.checked_sub(back).and_then(|at| text.split_at_checked(at))
        else {
            break;
        };
        match tail.first() {
            // The rest of a character.
            Some(0x80..=0xbf) => {}
            Some(0xc0..=0xff) => {
                let tail = tail.get(..4).unwrap_or(tail);
                let first = tail.utf8_chunks().next().and_then(|c| c.valid().chars().next());
                let crosses = first.is_some_and(|c| c.len_utf8() > back);
                return if crosses { before } else { kept };
            }
            _ => break,
        }
    }
    kept
}

/// Text of unknown encoding, as a stream.
///
/// What will come is not known, so a bad byte before the first character of UTF-8 is taken for
/// windows-1252, and U+FFFD stands for a later one.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// Up to three bytes of a character that the last chunk cut.
    held: Vec<u8>,
    /// A character of UTF-8 was there.
    is_utf8: bool,
}

impl Repair {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut String) {
        let joined;
        let mut input = bytes;
        if !self.held.is_empty() {
            self.held.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.held);
            input = &joined;
        }
        if let Ok(text) = std::str::from_utf8(input) {
            self.is_utf8 |= !text.is_ascii();
            out.push_str(text);
            return;
        }
        let mut left = input.len();
        for chunk in input.utf8_chunks() {
            let (valid, bad) = (chunk.valid(), chunk.invalid());
            left -= valid.len() + bad.len();
            self.is_utf8 = self.is_utf8 || !valid.is_ascii();
            out.push_str(valid);
            if left == 0 && is_begun(bad) {
                self.held = bad.to_vec();
            } else {
                self.bad(bad, out);
            }
        }
    }

    pub(super) fn finish(self, out: &mut String) {
        self.bad(&self.held, out);
    }

    fn bad(&self, bytes: &[u8], out: &mut String) {
        if bytes.is_empty() {
        } else if self.is_utf8 {
            out.push('\u{fffd}');
        } else {
            out.extend(bytes.iter().map(|b| western(*b)));
        }
    }
}

/// Whether more bytes could make this a character.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none())
}

/// A byte of windows-1252.
fn western(byte: u8) -> char {
    // WHATWG encoding standard, index-windows-1252: beyond these it is ISO 8859-1.
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    let high = byte.checked_sub(0x80).and_then(|n| HIGH.get(usize::from(n)));
    high.copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn guesses() {
        let cases: &[(&[u8], &str)] = &[
            (b"caf\xc3\xa9", "café"),
            (b"caf\xe9", "café"),
            (b"\xe4\xbc\x9a\xe8\xae", "会\u{fffd}"),
            (b"\xae\xe4\xbc\x9a x\xff", "\u{fffd}会 x\u{fffd}"),
            (b"\xe8\xae", "è®"),
            (b"", ""),
        ];
        for (bytes, want) in cases {
            assert_eq!(guess(bytes), *want);
        }
    }

    #[test]
    fn cuts() {
        for (text, most, kept) in [
            ("aé", 2, "a"),
            ("aé", 3, "aé"),
            ("a€", 3, "a"),
            ("😀", 3, ""),
            ("a😀b", 5, "a😀"),
            ("ab", 1, "a"),
            ("ab", 5, "ab"),
            ("é", 0, ""),
        ] {
            assert_eq!(cut(text.as_bytes(), most), kept.as_bytes(), "{text} {most}");
        }
        assert_eq!(cut(b"\x80\x80\x80\x80\x80", 4), b"\x80\x80\x80\x80");
        assert_eq!(cut(b"\xe9\xe9\xe9", 2), b"\xe9\xe9");
    }

    #[test]
    fn western_is_windows_1252() {
        for b in 0..=255 {
            let want = WINDOWS_1252.decode_without_bom_handling(&[b]).0.into_owned();
            assert_eq!(western(b).to_string(), want);
        }
    }
}
