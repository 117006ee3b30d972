//! Which bytes of a message a section means (RFC 3501 6.4.5, PROTOCOL 5.7). Pure: a tree of parts
//! and a path go in, ranges of the file come out.

use super::parse::What;
use crate::mime::decode::Encoding;
use crate::mime::header;
use crate::mime::structure::{Content, Part};
use crate::mime::wire_form::{Converter, replace_nul};
use std::ops;

/// A range of the file, with its length on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    /// Offsets in the file.
    pub(crate) stored: ops::Range<u64>,
    /// Bytes on the wire.
    pub(crate) size: u64,
    /// It is a header of which some lines are chosen.
    pub(crate) chosen: bool,
}

/// The part that a path names, `1.2`, and whether it is the body of a message that is no multipart,
/// whose header is the message's.
///
/// RFC 3501 6.4.5: the parts of an enclosed message follow the number of the message/rfc822 part; a
/// message that is no multipart has one part, 1, its body. That holds for a message whose own type
/// is message/rfc822 too: part 1 is the whole enclosed message, of the size that BODYSTRUCTURE
/// has it (Courier sends the enclosed message's body).
///
/// Courier: below part 1 of a message that is no multipart, part 1 is that body again.
pub(super) fn find<'a>(root: &'a Part, path: &[u32]) -> Option<(&'a Part, bool)> {
    let mut part = root;
    let mut is_message = true;
    for (depth, number) in path.iter().enumerate() {
        if depth > 0
            && let Some(inner) = part.enclosed()
        {
            part = inner;
            is_message = true;
        }
        match &part.content {
            Content::Multipart(parts) => {
                part = parts.get((*number as usize).checked_sub(1)?)?;
                is_message = false;
            }
            _ if *number == 1 && is_message => {}
            _ => return None,
        }
    }
    Some((part, is_message))
}

fn header_of(part: &Part, chosen: bool) -> Range {
    Range { stored: part.header.clone(), size: part.header_size, chosen }
}

fn body_of(part: &Part) -> Range {
    Range { stored: part.body.clone(), size: part.body_size, chosen: false }
}

/// Where the bytes of a section lie; for the kinds that choose among header lines, where that
/// header lies. `None`: there is no such part.
pub(crate) fn locate(root: &Part, path: &[u32], what: What) -> Option<Range> {
    let fields = matches!(what, What::Fields | What::FieldsNot);
    if path.is_empty() {
        return Some(match what {
            What::Whole => Range {
                stored: root.whole(),
                size: root.header_size.saturating_add(root.body_size),
                chosen: false,
            },
            What::Text => body_of(root),
            _ => header_of(root, fields),
        });
    }
    let (part, is_message) = find(root, path)?;
    // Courier: HEADER and TEXT of a part that is no message are that part's own.
    let message = part.enclosed().unwrap_or(part);
    Some(match what {
        What::Whole => body_of(part),
        // RFC 3501 6.4.5: MIME "refers to the [MIME-IMB] header for this part". That is all of a
        // body part's header (RFC 2045 2.4; a field that does not begin with Content- has no
        // meaning there, but is signed with the part: RFC 1847 2.1). Of a message's header it is
        // those fields that RFC 2045 3 describes.
        What::Mime => header_of(part, is_message),
        What::Text => body_of(message),
        What::Header | What::Fields | What::FieldsNot => header_of(message, fields),
    })
}

/// Where the body of a part lies, and how it is encoded; no encoding if that is unknown. `None`:
/// there is no such part.
pub(super) fn encoded(root: &Part, path: &[u32]) -> Option<(ops::Range<u64>, Option<Encoding>)> {
    if path.is_empty() {
        // RFC 3516 3: what has no field of its own is "7bit". The field in a message's header
        // speaks of its body.
        return Some((root.whole(), Some(Encoding::Identity)));
    }
    let (part, _) = find(root, path)?;
    let encoding = match part.content {
        // RFC 2045 6.4: a multipart is never encoded itself, and this one was found not to be.
        Content::Multipart(_) => Some(Encoding::Identity),
        _ => Encoding::of(&part.encoding),
    };
    Some((part.body.clone(), encoding))
}

/// The lines of a header that a section means, and the empty line behind them, as on the wire.
/// `block`: the header, or the beginning of one that is too long; `length`: of all of it.
pub(crate) fn choose_lines(
    block: &[u8],
    length: u64,
    (what, names): (What, &[Vec<u8>]),
    lines: &mut Vec<u8>,
) {
    // RFC 3501 6.4.5: "the blank line is included in all header fetches, except in the case of a
    // message which has no body and no blank line". Courier: and where no line was chosen.
    let has_empty_line =
        block.ends_with(b"\n\n") || block.ends_with(b"\n\r\n") || (block.len() as u64) < length;
    lines.clear();
    let mut converter = Converter::new();
    let mut put = |line: &[u8]| converter.push(line, lines);
    match what {
        What::FieldsNot => header::select_not(block, names).for_each(&mut put),
        What::Mime => header::select_mime(block).for_each(&mut put),
        _ => header::select(block, names).for_each(&mut put),
    }
    if !lines.is_empty() && !lines.ends_with(b"\n") {
        lines.extend_from_slice(b"\r\n");
    }
    if has_empty_line || lines.is_empty() {
        lines.extend_from_slice(b"\r\n");
    }
    replace_nul(lines);
}
