//! From the raw Content- fields of one header to what its part is.

use super::part::{Content, Disposition, Part};
use crate::mime::header::unfold;
use crate::mime::params;

/// The fields that the structure needs, in the order of [`Kept`].
const NAMES: [&[u8]; 9] = [
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"content-id",
    b"content-description",
    b"content-disposition",
    b"content-md5",
    b"content-language",
    b"content-location",
];

/// The index of a field in [`Kept`], by its name; None for fields that the structure does not need.
pub(super) fn slot(name: &[u8]) -> Option<usize> {
    // Decides most fields of most headers.
    if !matches!(name.first(), Some(b'c' | b'C' | b'm' | b'M')) {
        return None;
    }
    NAMES.iter().position(|n| n.eq_ignore_ascii_case(name))
}

/// Raw values, still folded. Of a repeated field the last one counts, as in Courier's newest
/// release.
#[derive(Debug, Default)]
pub(super) struct Kept {
    values: [Option<Vec<u8>>; NAMES.len()],
}

impl Kept {
    pub(super) fn start(&mut self, slot: usize) {
        if let Some(v) = self.values.get_mut(slot) {
            *v = Some(Vec::new());
        }
    }

    pub(super) fn value(&mut self, slot: usize) -> Option<&mut Vec<u8>> {
        self.values.get_mut(slot)?.as_mut()
    }
}

/// The part that the fields describe, its ranges and contents still empty.
///
/// `message`: this is the header of a message, whose own MIME-Version says whether it is MIME; the
/// header of a body part needs none. `digest`: the part is a direct part of a multipart/digest.
pub(super) fn describe(kept: Kept, message: bool, digest: bool) -> Part {
    let [version, ctype, encoding, id, description, disposition, md5, language, location] =
        kept.values;
    let text = |v: Option<Vec<u8>>| v.map(|v| unfold(&v).into_owned()).filter(|v| !v.is_empty());
    let mime = !message || version.is_some_and(|v| params::is_mime_1(&v));
    // Without MIME-Version the message is plain text (RFC 2045 4; Courier ignores type, parameters
    // and disposition then). Its transfer encoding counts all the same: RFC 2045 6.1 assumes 7bit
    // only if the field is absent, and a client that is given "7bit" would show base64.
    let known = ctype.filter(|_| mime).and_then(|v| params::content_type(&v));
    // RFC 2046 5.1.5: in a digest the default is message/rfc822.
    let (kind, subtype, params) = known.unwrap_or_else(|| {
        let (kind, subtype): (&[u8], &[u8]) =
            if digest { (b"message", b"rfc822") } else { (b"text", b"plain") };
        (kind.to_vec(), subtype.to_vec(), Vec::new())
    });
    Part {
        header: 0..0,
        body: 0..0,
        header_size: 0,
        body_size: 0,
        header_lines: 0,
        body_lines: 0,
        kind,
        subtype,
        params,
        id: id.and_then(|v| params::content_id(&v)),
        description: text(description),
        encoding: encoding
            .and_then(|v| params::first_token(&v))
            .unwrap_or_else(|| b"7bit".to_vec()),
        md5: text(md5),
        disposition: disposition
            .filter(|_| mime)
            .and_then(|v| params::disposition(&v))
            .map(|(kind, params)| Disposition { kind, params }),
        language: text(language),
        location: text(location),
        content: Content::Leaf,
    }
}
