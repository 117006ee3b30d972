//! Character sets: from a label to UTF-8, chunk by chunk.
//!
//! `encoding_rs` converts what the web knows, `oem_cp` has the tables of DOS. Mail differs from the
//! web in two respects. Text that is unlabelled, or labelled us-ascii, may have 8-bit bytes all the
//! same: [`guess`] says what they mean. And mail still has sets that the web has given up: see
//! [`label`].

mod label;
mod repair;
mod shifted;
mod utf7;

pub(crate) use label::{Charset, lookup};
pub(crate) use repair::{Guess, cut, guess};

use encoding_rs::{CoderResult, Decoder, UTF_8};
use oem_cp::code_table_type::TableType;
use repair::Repair;
use shifted::Shifted;
use utf7::Utf7;

/// A whole value in the encoding that `label` names; None when it names none. Broken sequences
/// become U+FFFD.
pub(crate) fn decode(label: &[u8], bytes: Vec<u8>) -> Option<String> {
    // Most values: without a copy.
    if label.eq_ignore_ascii_case(b"utf-8") {
        return Some(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => UTF_8.decode_without_bom_handling(e.as_bytes()).0.into_owned(),
        });
    }
    decode_other(label, &bytes)
}

fn decode_other(label: &[u8], bytes: &[u8]) -> Option<String> {
    // Not to be asked of every word.
    let says_something =
        label.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"iso-8859"));
    if !says_something && label::says_nothing(label) {
        return Some(guess(bytes).into_owned());
    }
    Some(match lookup(label)? {
        Charset::Web(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        other => whole(other, bytes),
    })
}

/// A whole value in the encoding that `label` names. None if it names none or the bytes are not
/// valid in it: a broken SEARCH pattern matches nothing.
pub(crate) fn decode_strict(label: &[u8], bytes: &[u8]) -> Option<String> {
    if label::is_ascii(label) {
        return bytes.is_ascii().then(|| bytes.iter().map(|b| char::from(*b)).collect());
    }
    match lookup(label)? {
        Charset::Web(encoding) => encoding
            .decode_without_bom_handling_and_without_replacement(bytes)
            .map(std::borrow::Cow::into_owned),
        other => Some(whole(other, bytes)).filter(|text| !text.contains('\u{fffd}')),
    }
}

fn whole(charset: Charset, bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut converter = ToUtf8 { source: Source::of(charset) };
    converter.push(bytes, &mut out);
    converter.finish(&mut out);
    out
}

enum Source {
    Web(Box<Decoder>),
    Page(TableType),
    Utf7(Utf7),
    Shifted(Shifted, Box<Decoder>),
    Unknown(Repair),
}

impl Source {
    fn of(charset: Charset) -> Source {
        match charset {
            Charset::Web(encoding) => Source::Web(Box::new(encoding.new_decoder())),
            Charset::Page(table) => Source::Page(table),
            Charset::Utf7 => Source::Utf7(Utf7::default()),
            Charset::Hz => Source::Shifted(Shifted::hz(), Box::new(encoding_rs::GBK.new_decoder())),
            Charset::Iso2022Kr => {
                Source::Shifted(Shifted::iso_2022_kr(), Box::new(encoding_rs::EUC_KR.new_decoder()))
            }
        }
    }
}

/// Converts a stream of bytes to UTF-8. The result does not depend on how the stream is cut.
pub(crate) struct ToUtf8 {
    source: Source,
}

impl ToUtf8 {
    /// For a body part with this charset parameter. With an unknown label, as without one, the
    /// encoding is guessed.
    pub(crate) fn for_body(label: Option<&[u8]>) -> Self {
        let known = label.filter(|l| !label::says_nothing(l)).and_then(lookup);
        ToUtf8 { source: known.map_or_else(|| Source::Unknown(Repair::default()), Source::of) }
    }

    /// Appends the text of the next bytes to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut String) {
        match &mut self.source {
            Source::Web(decoder) => run(decoder, bytes, out, false),
            Source::Page(table) => page(table, bytes, out),
            Source::Utf7(utf7) => utf7.push(bytes, out),
            Source::Shifted(shifted, decoder) => {
                let mut plain = Vec::with_capacity(bytes.len());
                shifted.push(bytes, &mut plain);
                run(decoder, &plain, out, false);
            }
            Source::Unknown(repair) => repair.push(bytes, out),
        }
    }

    /// Appends the replacement of an incomplete character at the end of the stream.
    pub(crate) fn finish(self, out: &mut String) {
        match self.source {
            Source::Web(mut decoder) | Source::Shifted(_, mut decoder) => {
                run(&mut decoder, &[], out, true);
            }
            Source::Page(_) => {}
            Source::Utf7(utf7) => utf7.finish(out),
            Source::Unknown(repair) => repair.finish(out),
        }
    }
}

/// Text of a set that has one byte for each character, ASCII below 128.
fn page(table: &TableType, bytes: &[u8], out: &mut String) {
    out.reserve(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let (valid, invalid) = (chunk.valid(), chunk.invalid());
        let characters = |bytes: &[u8], out: &mut String| {
            out.extend(bytes.iter().map(|b| table.decode_char_checked(*b).unwrap_or('\u{fffd}')));
        };
        if valid.is_ascii() {
            out.push_str(valid)
        } else {
            characters(valid.as_bytes(), out)
        }
        characters(invalid, out);
    }
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
mod tests;
