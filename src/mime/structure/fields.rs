//! From the raw Content- fields of one header to what its part is.

use super::boundary::Boundary;
use super::part::{Content, Disposition, Part};
use crate::mime::header::unfold;
use crate::mime::params;

/// The fields that the structure needs, in the order of [`Kept`].
const NAMES: [&[u8]; 8] = [
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
    if !matches!(name.first(), Some(b'c' | b'C')) {
        return None;
    }
    NAMES.iter().position(|n| n.eq_ignore_ascii_case(name))
}

/// Raw values, still folded. Of a repeated field the first one counts that says anything: so do
/// mail clients, and what else came to the message, came behind it (Courier: the last one).
#[derive(Debug, Default)]
pub(super) struct Kept {
    values: [Option<Vec<u8>>; NAMES.len()],
}

impl Kept {
    /// A field begins. Whether its value is wanted.
    pub(super) fn start(&mut self, slot: usize) -> bool {
        // A NUL says nothing: it is left out of what is written.
        let is_blank = |b: &u8| b.is_ascii_whitespace() || *b == 0;
        let wanted = |v: &Option<Vec<u8>>| v.as_ref().is_none_or(|v| v.iter().all(is_blank));
        match self.values.get_mut(slot) {
            Some(value) if wanted(value) => {
                *value = Some(Vec::new());
                true
            }
            _ => false,
        }
    }

    pub(super) fn value(&mut self, slot: usize) -> Option<&mut Vec<u8>> {
        self.values.get_mut(slot)?.as_mut()
    }
}

/// The part that the fields describe, its ranges and contents still empty, and the boundary if it
/// is a multipart that has one. `digest`: it is a direct part of a multipart/digest.
///
/// MIME-Version is not asked for: a Content-Type without one, or with one that is not 1.0, is meant
/// all the same (PHP's mail(), `"1.0"`, `1,0`), and without it the user sees no attachments.
/// RFC 2045 4 leaves to us what such a message is. (Courier: it is plain text.)
pub(super) fn describe(kept: Kept, digest: bool) -> (Part, Option<Boundary>) {
    let [ctype, encoding, id, description, disposition, md5, language, location] = kept.values;
    let text = |v: Option<Vec<u8>>| {
        v.map(|mut v| {
            v.retain(|b| *b != 0);
            unfold(&v).into_owned()
        })
        .filter(|v| !v.is_empty())
    };
    let (known, params) = ctype.as_deref().map(params::content_type).unwrap_or_default();
    // RFC 2046 5.1.5: in a digest the default is message/rfc822.
    let (kind, subtype) = known.unwrap_or_else(|| {
        let (kind, subtype): (&[u8], &[u8]) =
            if digest { (b"message", b"rfc822") } else { (b"text", b"plain") };
        (kind.to_vec(), subtype.to_vec())
    });
    let boundary = match ctype {
        Some(value) if kind == b"multipart" => Boundary::of(&value),
        _ => None,
    };
    let part = Part {
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
            .and_then(|v| params::disposition(&v))
            .map(|(kind, params)| Disposition { kind, params }),
        language: text(language),
        location: text(location),
        content: Content::Leaf,
    };
    (part, boundary)
}
