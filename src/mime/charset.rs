//! Character sets: from a label to UTF-8, chunk by chunk.
//!
//! `encoding_rs` does the conversion. Mail differs from the web in one respect: text that is
//! unlabelled, or labelled us-ascii, and yet has 8-bit bytes is taken for UTF-8 as long as it is
//! valid, and for windows-1252 from there on.

use encoding_rs::{CoderResult, Decoder, Encoding, REPLACEMENT, WINDOWS_1252};

/// The encoding that a label names. None for unknown ones: SEARCH answers BADCHARSET then (RFC 3501
/// 6.4.4).
pub(crate) fn lookup(label: &[u8]) -> Option<&'static Encoding> {
    let label = label.trim_ascii();
    // RFC 2231 5: a language may follow.
    let label = label.split(|b| *b == b'*').next().unwrap_or(label);
    Encoding::for_label(label)
        // "replacement" stands for encodings that encoding_rs refuses to decode.
        .filter(|e| *e != REPLACEMENT)
        .or_else(|| {
            // Names that mail has and the web has not.
            let alias: &[u8] = match label.to_ascii_lowercase().as_slice() {
                b"ansi_x3.4-1986" | b"iso646-us" | b"646" | b"us" | b"cp367" => b"us-ascii",
                b"cp932" | b"windows-932" => b"shift_jis",
                b"cp936" | b"ms936" | b"windows-936" => b"gbk",
                b"cp949" | b"windows-949" => b"euc-kr",
                b"cp950" | b"windows-950" => b"big5",
                b"eucjp" => b"euc-jp",
                b"euckr" => b"euc-kr",
                b"tis620" => b"tis-620",
                b"latin-1" => b"latin1",
                b"iso-8859-8-e" => b"iso-8859-8",
                _ => return None,
            };
            Encoding::for_label(alias)
        })
}

/// Whether the label means plain ASCII, so that the encoding of 8-bit bytes must be guessed.
fn is_ascii_label(label: &[u8]) -> bool {
    let label = label.trim_ascii();
    label.is_empty()
        || label.eq_ignore_ascii_case(b"us-ascii")
        || label.eq_ignore_ascii_case(b"ascii")
}

/// A whole value in the encoding that `label` names; None when it names none. Broken sequences
/// become U+FFFD.
pub(crate) fn decode(label: &[u8], bytes: &[u8]) -> Option<String> {
    if is_ascii_label(label) {
        return Some(guess(bytes));
    }
    let encoding = lookup(label)?;
    Some(encoding.decode_without_bom_handling(bytes).0.into_owned())
}

/// A whole value in the encoding that `label` names. None if it names none or the bytes are not
/// valid in it: a broken SEARCH pattern matches nothing.
pub(crate) fn decode_strict(label: &[u8], bytes: &[u8]) -> Option<String> {
    let encoding = lookup(label)?;
    if is_ascii_label(label) && !bytes.is_ascii() {
        return None;
    }
    encoding.decode_without_bom_handling_and_without_replacement(bytes).map(|s| s.into_owned())
}

/// Text of unknown encoding: UTF-8 if it is valid, otherwise windows-1252.
pub(crate) fn guess(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(s) => s.to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

enum Source {
    Known(Box<Decoder>),
    /// UTF-8 so far; up to three bytes of a character that the last chunk cut.
    Utf8(Vec<u8>),
    /// UTF-8 no longer.
    Western,
}

/// Converts a stream of bytes to UTF-8. The result does not depend on how the stream is cut.
pub(crate) struct ToUtf8 {
    source: Source,
}

impl ToUtf8 {
    /// For a body part with this charset parameter. With an unknown label, as without one, the
    /// encoding is guessed.
    pub(crate) fn for_body(label: Option<&[u8]>) -> Self {
        let known = label.filter(|l| !is_ascii_label(l)).and_then(lookup);
        let source = match known {
            Some(encoding) => Source::Known(Box::new(encoding.new_decoder())),
            None => Source::Utf8(Vec::new()),
        };
        ToUtf8 { source }
    }

    /// Appends the text of the next bytes to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut String) {
        match &mut self.source {
            Source::Known(decoder) => run(decoder, bytes, out, false),
            Source::Utf8(held) => {
                let joined;
                let mut input = bytes;
                if !held.is_empty() {
                    held.extend_from_slice(bytes);
                    joined = std::mem::take(held);
                    input = &joined;
                }
                match std::str::from_utf8(input) {
                    Ok(s) => out.push_str(s),
                    Err(e) => {
                        let (good, bad) = input.split_at(e.valid_up_to());
                        out.push_str(std::str::from_utf8(good).unwrap_or_default());
                        if e.error_len().is_none() {
                            *held = bad.to_vec();
                        } else {
                            push_western(bad, out);
                            self.source = Source::Western;
                        }
                    }
                }
            }
            Source::Western => push_western(bytes, out),
        }
    }

    /// Appends the replacement of an incomplete character at the end of the stream.
    pub(crate) fn finish(mut self, out: &mut String) {
        match &mut self.source {
            Source::Known(decoder) => run(decoder, &[], out, true),
            Source::Utf8(held) => push_western(held, out),
            Source::Western => {}
        }
    }
}

fn push_western(bytes: &[u8], out: &mut String) {
    out.push_str(&WINDOWS_1252.decode_without_bom_handling(bytes).0);
}

fn run(decoder: &mut Decoder, bytes: &[u8], out: &mut String, last: bool) {
    let mut rest = bytes;
    loop {
        out.reserve(decoder.max_utf8_buffer_length(rest.len()).unwrap_or(rest.len()).max(16));
        let (result, read, _) = decoder.decode_to_string(rest, out, last);
        rest = rest.get(read..).unwrap_or_default();
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(label: Option<&[u8]>, bytes: &[u8], cut: usize) -> String {
        let mut out = String::new();
        let mut d = ToUtf8::for_body(label);
        bytes.chunks(cut).for_each(|c| d.push(c, &mut out));
        d.finish(&mut out);
        out
    }

    #[test]
    fn labels() {
        assert!(lookup(b"x-nonsense").is_none());
        assert!(lookup(b"iso-2022-kr").is_none());
        assert_eq!(decode(b"ISO-8859-15", b"\xa4").unwrap(), "€");
        assert_eq!(decode(b"utf-8*en", "é".as_bytes()).unwrap(), "é");
        assert_eq!(decode_strict(b"utf-8", b"\xff"), None);
        assert_eq!(decode_strict(b"us-ascii", b"\xe9"), None);
        assert_eq!(decode_strict(b"koi8-r", b"\xc1").unwrap(), "а");
    }

    #[test]
    fn bodies() {
        for cut in 1..5 {
            assert_eq!(stream(Some(b"us-ascii"), "é€".as_bytes(), cut), "é€");
            assert_eq!(stream(None, b"caf\xe9 \xc3\xa9", cut), "café Ã©");
            assert_eq!(stream(Some(b"x-nonsense"), b"a\xe2\x82", cut), "aâ‚");
            assert_eq!(stream(Some(b"utf-8"), b"a\xffb", cut), "a\u{fffd}b");
            assert_eq!(stream(Some(b"iso-2022-jp"), b"\x1b$B$\"\x1b(B.", cut), "あ.");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn chunks_do_not_matter(
            v in prop::collection::vec(any::<u8>(), 0..60),
            cut in 1usize..7,
            label in prop::sample::select(vec!["", "utf-8", "latin1", "shift_jis", "utf-16"]),
        ) {
            let label = Some(label.as_bytes());
            prop_assert_eq!(stream(label, &v, cut), stream(label, &v, 1000));
        }
    }
}
