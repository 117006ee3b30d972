//! The tree of parts in a payload.
//!
//! ```text
//! structure = bits size part
//! bits      = 1 byte; 1: a header has 8-bit bytes; 2: the message's header has an end; 4: a limit
//!             was reached
//! size      = number: bytes on the wire
//! part      = bits gap range range what
//!             [id] [description] [md5] [disposition params] [language] [location] contents
//! bits      = 1 byte; 3: leaf (0), multipart (1), message (2); 4, 8, 16, 32, 64, 128: there are an
//!             id, a description, ...
//! gap       = number: bytes from the end of the part before, or else from the beginning of the body
//!             around, to the header
//! range     = length lines cr: numbers; bytes in the file, LFs in it, LFs with a CR before them. The
//!             header's, then the body's, which follows it
//! what      = code (1 byte, common.rs); then, if it is 0: kind subtype encoding params; if it is one
//!             of a multipart: name and value of a parameter
//! params    = number count, then count times a name and a value
//! contents  = of a multipart: number count, then the parts; of a message: number length, the fields
//!             of its header that its envelope needs, and the part in it
//! ```

use super::bytes::{push_number, push_text};
use super::common;
use crate::mime::envelope;
use crate::mime::header;
use crate::mime::params::Param;
use crate::mime::structure::{Content, Disposition, Part, Structure};
use std::io;
use std::ops::Range;

pub(super) const EIGHT_BIT: u8 = 1;
pub(super) const HEADER_ENDED: u8 = 2;
pub(super) const LIMITED: u8 = 4;

pub(super) const MULTIPART: u8 = 1;
pub(super) const MESSAGE: u8 = 2;
pub(super) const ID: u8 = 4;
pub(super) const DESCRIPTION: u8 = 8;
pub(super) const MD5: u8 = 16;
pub(super) const DISPOSITION: u8 = 32;
pub(super) const LANGUAGE: u8 = 64;
pub(super) const LOCATION: u8 = 128;

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
    push_part(out, &structure.root, 0, &mut headers.iter());
}

/// Appends a part; `from`: where it could begin at the earliest. Recursion ends at the parser's
/// limit of depth.
fn push_part(
    out: &mut Vec<u8>,
    part: &Part,
    from: u64,
    headers: &mut std::slice::Iter<'_, Vec<u8>>,
) {
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
    let code = common::code_of(part);
    out.push(code);
    match (code, &part.content) {
        (0, _) => {
            push_text(out, &part.kind);
            push_text(out, &part.subtype);
            push_text(out, &part.encoding);
            push_params(out, &part.params);
        }
        (_, Content::Multipart(_)) => part.params.iter().for_each(|param| push_param(out, param)),
        _ => {}
    }
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
                push_part(out, inner, from, headers);
                from = inner.body.end;
            }
        }
        Content::Message(inner) => {
            let fields = headers.next().map(Vec::as_slice).unwrap_or_default();
            push_number(out, fields.len() as u64);
            out.extend_from_slice(fields);
            push_part(out, inner, part.body.start, headers);
        }
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
    params.iter().for_each(|param| push_param(out, param));
}

fn push_param(out: &mut Vec<u8>, param: &Param) {
    push_text(out, &param.name);
    push_text(out, &param.value);
}
