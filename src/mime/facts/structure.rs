//! The tree of parts in a payload.
//!
//! ```text
//! structure = bits size part headers
//! bits      = 1 byte; 1: a header has 8-bit bytes; 2: the message's header has an end; 4: a limit
//!             was reached
//! size      = number: bytes on the wire
//! part      = bits gap range range kind subtype encoding params
//!             [id] [description] [md5] [disposition params] [language] [location] contents
//! bits      = 1 byte; 3: leaf (0), multipart (1), message (2); 4, 8, 16, 32, 64, 128: there are an
//!             id, a description, ...
//! gap       = number: bytes from the end of the part before, or else from the beginning of the body
//!             around, to the header
//! range     = length lines cr: numbers; bytes in the file, LFs in it, LFs with a CR before them. The
//!             header's, then the body's, which follows it
//! params    = number count, then count times a name and a value
//! contents  = of a multipart: number count, then the parts; of a message: the part in it
//! headers   = for each message in the message, in the order of the file: number length, and the
//!             fields of its header that its envelope needs
//! ```

use super::bytes::{Cursor, push_number, push_text};
use crate::mime::envelope;
use crate::mime::header;
use crate::mime::params::Param;
use crate::mime::structure::{Content, Disposition, Part, Structure};
use crate::types::limits::MAX_DEPTH;
use std::io;
use std::ops::Range;

const EIGHT_BIT: u8 = 1;
const HEADER_ENDED: u8 = 2;
const LIMITED: u8 = 4;

const MULTIPART: u8 = 1;
const MESSAGE: u8 = 2;
const ID: u8 = 4;
const DESCRIPTION: u8 = 8;
const MD5: u8 = 16;
const DISPOSITION: u8 = 32;
const LANGUAGE: u8 = 64;
const LOCATION: u8 = 128;

/// A structure that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Known {
    /// The tree of parts.
    pub(crate) structure: Structure,
    /// Of the messages in the message, in the order of the file: where their headers are in the
    /// file, and the fields of them that an envelope needs.
    pub(crate) headers: Vec<(Range<u64>, Vec<u8>)>,
}

/// Of [`Known::headers`] the fields of one header, by its place in the file.
pub(crate) fn header_at<'a>(
    headers: &'a [(Range<u64>, Vec<u8>)],
    range: &Range<u64>,
) -> Option<&'a [u8]> {
    let at = headers.binary_search_by_key(&range.start, |(place, _)| place.start).ok()?;
    headers.get(at).map(|(_, fields)| &**fields)
}

/// The fields of the headers of the messages in a message that their envelopes need, in the order
/// of the file. `read`: reads a header, by its place in the file.
pub(crate) fn enclosed(
    root: &Part,
    mut read: impl FnMut(Range<u64>, &mut dyn FnMut(&[u8])) -> io::Result<()>,
) -> io::Result<Vec<Vec<u8>>> {
    let mut places = Vec::new();
    root.walk(&mut |part| places.extend(part.enclosed().map(|inner| inner.header.clone())));
    let mut headers = Vec::with_capacity(places.len());
    for place in places {
        let mut kept = Vec::new();
        read(place, &mut |block| {
            let wanted = header::fields(block).filter(|f| envelope::has_field(f.name));
            wanted.for_each(|field| kept.extend_from_slice(field.raw));
        })?;
        headers.push(kept);
    }
    Ok(headers)
}

/// Appends a structure, with the fields of [`enclosed`].
pub(super) fn push(out: &mut Vec<u8>, structure: &Structure, headers: &[Vec<u8>]) {
    let bits = [
        (structure.has_8bit_header, EIGHT_BIT),
        (structure.header_ended, HEADER_ENDED),
        (structure.limited, LIMITED),
    ];
    out.push(bits.iter().filter(|(is, _)| *is).fold(0, |all, (_, bit)| all | bit));
    push_number(out, structure.size);
    push_part(out, &structure.root, 0);
    for header in headers {
        push_number(out, header.len() as u64);
        out.extend_from_slice(header);
    }
}

/// Appends a part; `from`: where it could begin at the earliest. Recursion ends at the parser's
/// limit of depth.
fn push_part(out: &mut Vec<u8>, part: &Part, from: u64) {
    let mut bits = match part.content {
        Content::Leaf => 0,
        Content::Multipart(_) => MULTIPART,
        Content::Message(_) => MESSAGE,
    };
    for (is, bit) in [
        (part.id.is_some(), ID),
        (part.description.is_some(), DESCRIPTION),
        (part.md5.is_some(), MD5),
        (part.disposition.is_some(), DISPOSITION),
        (part.language.is_some(), LANGUAGE),
        (part.location.is_some(), LOCATION),
    ] {
        bits |= if is { bit } else { 0 };
    }
    out.push(bits);
    push_number(out, part.header.start.saturating_sub(from));
    push_range(out, &part.header, part.header_lines, part.header_size);
    push_range(out, &part.body, part.body_lines, part.body_size);
    push_text(out, &part.kind);
    push_text(out, &part.subtype);
    push_text(out, &part.encoding);
    push_params(out, &part.params);
    for text in [&part.id, &part.description, &part.md5].into_iter().flatten() {
        push_text(out, text);
    }
    if let Some(Disposition { kind, params }) = &part.disposition {
        push_text(out, kind);
        push_params(out, params);
    }
    for text in [&part.language, &part.location].into_iter().flatten() {
        push_text(out, text);
    }
    match &part.content {
        Content::Leaf => {}
        Content::Multipart(parts) => {
            push_number(out, parts.len() as u64);
            let mut from = part.body.start;
            for inner in parts {
                push_part(out, inner, from);
                from = inner.body.end;
            }
        }
        Content::Message(inner) => push_part(out, inner, part.body.start),
    }
}

fn push_range(out: &mut Vec<u8>, range: &Range<u64>, lines: u64, size: u64) {
    let length = range.end.saturating_sub(range.start);
    push_number(out, length);
    push_number(out, lines);
    // Each LF without a CR before it is one byte more on the wire.
    push_number(out, lines.saturating_sub(size.saturating_sub(length)));
}

fn push_params(out: &mut Vec<u8>, params: &[Param]) {
    push_number(out, params.len() as u64);
    for param in params {
        push_text(out, &param.name);
        push_text(out, &param.value);
    }
}

/// Reads a structure; `None` if it contradicts itself.
pub(super) fn read(bytes: &[u8]) -> Option<Known> {
    let mut cursor = Cursor::new(bytes);
    let bits = cursor.byte()?;
    let size = cursor.number()?;
    let mut headers = Vec::new();
    let root = read_part(&mut cursor, 0..u64::MAX, 0, &mut headers)?;
    if root.header.start != 0 {
        return None;
    }
    for (_, fields) in &mut headers {
        let length = cursor.length()?;
        *fields = cursor.take(length)?.to_vec();
    }
    let structure = Structure {
        size,
        file_size: root.body.end,
        has_8bit_header: bits & EIGHT_BIT != 0,
        header_ended: bits & HEADER_ENDED != 0,
        limited: bits & LIMITED != 0,
        root,
    };
    cursor.rest().is_empty().then_some(Known { structure, headers })
}

type Headers = Vec<(Range<u64>, Vec<u8>)>;

/// Reads a part that lies within a range of the file.
fn read_part(
    cursor: &mut Cursor<'_>,
    within: Range<u64>,
    depth: usize,
    headers: &mut Headers,
) -> Option<Part> {
    if depth >= MAX_DEPTH {
        return None;
    }
    let bits = cursor.byte()?;
    let start = within.start.checked_add(cursor.number()?)?;
    let (header, header_lines, header_size) = read_range(cursor, start, within.end)?;
    let (body, body_lines, body_size) = read_range(cursor, header.end, within.end)?;
    let [kind, subtype, encoding] = [text(cursor)?, text(cursor)?, text(cursor)?];
    let params = read_params(cursor)?;
    let mut optional = |bit| match bits & bit {
        0 => Some(None),
        _ => text(cursor).map(Some),
    };
    let [id, description, md5] = [optional(ID)?, optional(DESCRIPTION)?, optional(MD5)?];
    let disposition = match bits & DISPOSITION {
        0 => None,
        _ => Some(Disposition { kind: text(cursor)?, params: read_params(cursor)? }),
    };
    let mut optional = |bit| match bits & bit {
        0 => Some(None),
        _ => text(cursor).map(Some),
    };
    let [language, location] = [optional(LANGUAGE)?, optional(LOCATION)?];
    let content = match bits & (MULTIPART | MESSAGE) {
        0 => Content::Leaf,
        MULTIPART => {
            let count = cursor.length()?;
            let mut parts: Vec<Part> = Vec::new();
            let mut from = body.start;
            for _ in 0..count {
                let inner = read_part(cursor, from..body.end, depth + 1, headers)?;
                from = inner.body.end;
                parts.push(inner);
            }
            (count > 0).then_some(Content::Multipart(parts))?
        }
        MESSAGE => {
            let at = headers.len();
            headers.push((0..0, Vec::new()));
            let inner = read_part(cursor, body.clone(), depth + 1, headers)?;
            if let Some((place, _)) = headers.get_mut(at) {
                *place = inner.header.clone();
            }
            Content::Message(Box::new(inner))
        }
        _ => return None,
    };
    Some(Part {
        header,
        body,
        header_size,
        body_size,
        header_lines,
        body_lines,
        kind,
        subtype,
        params,
        id,
        description,
        encoding,
        md5,
        disposition,
        language,
        location,
        content,
    })
}

/// A range that begins at `start`, the lines in it, and its size on the wire.
fn read_range(cursor: &mut Cursor<'_>, start: u64, end: u64) -> Option<(Range<u64>, u64, u64)> {
    let [length, lines, with_cr] = [cursor.number()?, cursor.number()?, cursor.number()?];
    let range = start..start.checked_add(length)?;
    let bare = lines.checked_sub(with_cr)?;
    (range.end <= end && lines <= length).then_some(())?;
    Some((range, lines, length.checked_add(bare)?))
}

fn text(cursor: &mut Cursor<'_>) -> Option<Vec<u8>> {
    cursor.text().map(<[u8]>::to_vec)
}

fn read_params(cursor: &mut Cursor<'_>) -> Option<Vec<Param>> {
    let count = cursor.length()?;
    let mut params = Vec::new();
    for _ in 0..count {
        params.push(Param { name: text(cursor)?, value: text(cursor)? });
    }
    Some(params)
}
