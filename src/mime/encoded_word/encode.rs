//! 8-bit text to encoded words, for clients that have not enabled UTF-8.

use std::borrow::Cow;

use crate::mime::charset;
use crate::mime::encode::base64;

/// Bytes of text in one encoded word: 45 make 60 of base64, which with its frame stays within RFC
/// 2047's 75.
const WORD: usize = 45;

/// Writes a value without 8-bit bytes (PROTOCOL 5.3): words that are plain ASCII stay, those that
/// are not become `=?utf-8?B?...?=`, neighbours joined with the blanks between them. What is not
/// valid UTF-8 is repaired: see [`charset::guess`]. The form is right for unstructured text and for
/// phrases (RFC 2047 5 (1) and (3)).
pub(crate) fn encode(value: &[u8]) -> Cow<'_, [u8]> {
    if value.is_ascii() {
        return Cow::Borrowed(value);
    }
    let text = charset::guess(value);
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut rest = &*text;
    // True after an existing encoded word: readers drop the white space between it and the next
    // one, so that white space has to be encoded as well.
    let mut after_word = false;
    while !rest.is_empty() {
        let blank_len = rest.len() - rest.trim_start_matches(is_blank).len();
        let (blanks, from) = rest.split_at(blank_len);
        let len = from.find(is_blank).unwrap_or(from.len());
        let (word, tail) = from.split_at(len);
        if word.is_ascii() {
            out.extend_from_slice(blanks.as_bytes());
            out.extend_from_slice(word.as_bytes());
            after_word = is_encoded(word);
            rest = tail;
            continue;
        }
        // Takes in the 8-bit words that follow directly.
        let mut end = len;
        loop {
            let more = from.get(end..).unwrap_or_default();
            let blank_len = more.len() - more.trim_start_matches(is_blank).len();
            let next = more.get(blank_len..).unwrap_or_default();
            let next_len = next.find(is_blank).unwrap_or(next.len());
            let next_word = next.get(..next_len).unwrap_or_default();
            if is_encoded(next_word) {
                // The blank before it, for the same reason as above.
                end += blank_len;
                break;
            }
            if next_word.is_ascii() {
                break;
            }
            end += blank_len + next_len;
        }
        let joined_blanks = from.get(len..end).is_some_and(|t| t.ends_with(is_blank));
        let mut body = String::new();
        if after_word {
            body.push_str(blanks);
            out.push(b' ');
        } else {
            out.extend_from_slice(blanks.as_bytes());
        }
        body.push_str(from.get(..end).unwrap_or_default());
        words(&body, &mut out);
        if joined_blanks {
            out.push(b' ');
        }
        after_word = false;
        rest = from.get(end..).unwrap_or_default();
    }
    Cow::Owned(out)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_encoded(word: &str) -> bool {
    word.len() > 6 && word.starts_with("=?") && word.ends_with("?=")
}

/// Appends `text` as encoded words, cut between characters (RFC 2047 5).
fn words(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    let mut first = true;
    while !rest.is_empty() {
        let mut cut = rest.len().min(WORD);
        while !rest.is_char_boundary(cut) {
            cut -= 1;
        }
        let (chunk, tail) = rest.split_at(cut);
        if !first {
            out.push(b' ');
        }
        first = false;
        out.extend_from_slice(b"=?utf-8?B?");
        base64(chunk.as_bytes(), out);
        out.extend_from_slice(b"?=");
        rest = tail;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::super::decode;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        for (value, want) in [
            ("plain", "plain"),
            ("raw é 8bit", "raw =?utf-8?B?w6k=?= 8bit"),
            ("café bar é baz", "=?utf-8?B?Y2Fmw6k=?= bar =?utf-8?B?w6k=?= baz"),
            ("José é Smith", "=?utf-8?B?Sm9zw6kgw6k=?= Smith"),
            ("José, J", "=?utf-8?B?Sm9zw6ks?= J"),
            ("  é ", "  =?utf-8?B?w6k=?= "),
            (
                "=?utf-8?q?a?= é =?utf-8?q?b?= c",
                "=?utf-8?q?a?= =?utf-8?B?IMOpIA==?= =?utf-8?q?b?= c",
            ),
        ] {
            assert_eq!(String::from_utf8_lossy(&encode(value.as_bytes())), want, "{value:?}");
        }
        assert_eq!(encode(b"caf\xe9 bar").as_ref(), b"=?utf-8?B?Y2Fmw6k=?= bar");
        assert_eq!(decode(&encode(b"\xe4\xbc\x9a\xe8\xae bar")), "会\u{fffd} bar");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn decodes_to_what_it_was(
            v in prop::collection::vec(
                prop::sample::select(vec!["a", " ", "é", "€😀", "bc", "  ", " =?utf-8?q?x?= "]),
                0..60,
            ),
        ) {
            let text = v.concat();
            let coded = encode(text.as_bytes()).into_owned();
            prop_assert!(coded.is_ascii());
            prop_assert_eq!(decode(&coded), decode(text.as_bytes()));
            for word in coded.split(|b| *b == b' ') {
                prop_assert!(!word.starts_with(b"=?utf-8?B?") || word.len() <= 75);
            }
        }
    }
}
