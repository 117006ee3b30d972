//! A part's content, its transfer encoding undone (RFC 3516 4.3).
//!
//! RFC 3516 6: text has CRLF at the ends of its lines, however it is stored. So what is not encoded
//! is in its wire form, and quoted-printable, whose line ends are the text's, is decoded from its
//! wire form. Bytes that an encoding spells out, all of base64 among them, stay as they are.

use super::decode::{Decoder, Encoding};
use super::wire_form;

/// Undoes a transfer encoding, chunk by chunk. The result does not depend on how the stored bytes
/// are cut.
#[derive(Debug, Clone)]
pub(crate) struct ToContent {
    decoder: Decoder,
    after_cr: bool,
    /// The wire form of one chunk; kept for its allocation.
    wire: Vec<u8>,
}

impl ToContent {
    /// At the beginning of a part's body.
    pub(crate) fn new(encoding: Encoding) -> ToContent {
        ToContent { decoder: Decoder::of(encoding), after_cr: false, wire: Vec::new() }
    }

    /// Appends the content of the next stored bytes.
    pub(crate) fn push(&mut self, stored: &[u8], out: &mut Vec<u8>) {
        match &mut self.decoder {
            Decoder::Identity => wire_form::append(stored, self.after_cr, out),
            // A line end is nothing to it, in either form.
            Decoder::Base64(decoder) => decoder.push(stored, out),
            decoder @ Decoder::QuotedPrintable(_) => {
                wire_form::append(stored, self.after_cr, &mut self.wire);
                decoder.push(&self.wire, out);
                self.wire.clear();
            }
        }
        if let Some(last) = stored.last() {
            self.after_cr = *last == b'\r';
        }
    }

    /// Appends what was held back, at the end of the body.
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        self.decoder.finish(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(encoding: Encoding, stored: &str, cut: usize) -> String {
        let mut out = Vec::new();
        let mut content = ToContent::new(encoding);
        stored.as_bytes().chunks(cut).for_each(|chunk| content.push(chunk, &mut out));
        content.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn line_ends() {
        for (encoding, stored, expected) in [
            (Encoding::Identity, "a\nb\r\nc\rd\n", "a\r\nb\r\nc\rd\r\n"),
            (Encoding::Identity, "\0=41\n", "\0=41\r\n"),
            (Encoding::QuotedPrintable, "a\nb=\nc \nd=0Ae=\n", "a\r\nbc\r\nd\ne"),
            (Encoding::QuotedPrintable, "a\r\nb=\r\nc\r\n", "a\r\nbc\r\n"),
            (Encoding::Base64, "YQpi\nDQo=\n", "a\nb\r\n"),
        ] {
            for cut in 1..9 {
                assert_eq!(content(encoding, stored, cut), expected, "{stored:?}");
            }
        }
    }
}
