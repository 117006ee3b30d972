//! What the parser finds: a tree of parts, with offsets into the file and sizes on the wire, and
//! the limits that bound it.

use crate::mime::decode::Decoder;
use crate::mime::params::Param;
use crate::types::limits;
use std::ops::Range;

/// Bounds on what one message can make the parser do and keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StructureLimits {
    /// Parts in all, enclosed messages and multiparts counted (Courier 5.0.13: 300).
    pub(crate) max_parts: usize,
    /// Nesting of parts, the message itself being 1 (Courier 5.0.13: 20).
    pub(crate) max_depth: usize,
    /// Bytes of one header field that count.
    pub(crate) max_field: usize,
    /// Bytes kept of all Content- fields of the message.
    pub(crate) max_kept: usize,
}

impl Default for StructureLimits {
    fn default() -> Self {
        StructureLimits {
            max_parts: limits::MAX_PARTS,
            max_depth: limits::MAX_DEPTH,
            max_field: limits::MAX_PART_FIELD,
            max_kept: limits::MAX_PART_FIELDS,
        }
    }
}

/// A Content-Disposition (RFC 2183).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disposition {
    /// `inline`, `attachment` ... in lower case.
    pub(crate) kind: Vec<u8>,
    /// Its parameters, in order.
    pub(crate) params: Vec<Param>,
}

/// What a part consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// Bytes. Also a multipart without a usable boundary parameter, or whose boundary never occurs.
    Leaf,
    /// Parts, at least one.
    Multipart(Vec<Part>),
    /// message/rfc822 and message/global: the enclosed message, with its own header and body.
    Message(Box<Part>),
}

/// A message or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// File offsets of the header, its empty line included.
    pub(crate) header: Range<u64>,
    /// File offsets of the body, without the line break that belongs to the boundary after it.
    pub(crate) body: Range<u64>,
    /// Length of the header on the wire.
    pub(crate) header_size: u64,
    /// Length of the body on the wire.
    pub(crate) body_size: u64,
    /// LFs in the header.
    pub(crate) header_lines: u64,
    /// LFs in the body.
    pub(crate) body_lines: u64,
    /// Media type in lower case; `text` if the message has none.
    pub(crate) kind: Vec<u8>,
    /// Media subtype in lower case, perhaps empty.
    pub(crate) subtype: Vec<u8>,
    /// Content-Type's parameters in order: names in lower case, values as written, except that of
    /// `charset`, which is in lower case.
    pub(crate) params: Vec<Param>,
    /// Content-ID in angle brackets.
    pub(crate) id: Option<Vec<u8>>,
    /// Content-Description, unfolded.
    pub(crate) description: Option<Vec<u8>>,
    /// Content-Transfer-Encoding in lower case; `7bit` when there is none.
    pub(crate) encoding: Vec<u8>,
    /// Content-MD5.
    pub(crate) md5: Option<Vec<u8>>,
    /// Content-Disposition.
    pub(crate) disposition: Option<Disposition>,
    /// Content-Language as written, unfolded.
    pub(crate) language: Option<Vec<u8>>,
    /// Content-Location as written, unfolded.
    pub(crate) location: Option<Vec<u8>>,
    /// What it consists of.
    pub(crate) content: Content,
}

impl Part {
    /// File offsets of header and body together: what an enclosed message is.
    pub(crate) fn whole(&self) -> Range<u64> {
        self.header.start..self.body.end
    }

    /// The value of a Content-Type parameter; `name` in lower case.
    pub(crate) fn param(&self, name: &[u8]) -> Option<&[u8]> {
        self.params.iter().find(|p| p.name == name).map(|p| p.value.as_slice())
    }

    /// The direct parts of a multipart; empty for anything else.
    #[cfg(test)]
    pub(crate) fn parts(&self) -> &[Part] {
        match &self.content {
            Content::Multipart(parts) => parts,
            _ => &[],
        }
    }

    /// Whether it is of a type that encloses a message: message/rfc822, or message/global that is
    /// not encoded (RFC 6532 3.7).
    pub(crate) fn is_message(&self) -> bool {
        self.kind == b"message"
            && (self.subtype == b"rfc822"
                || (self.subtype == b"global"
                    && Decoder::for_encoding(&self.encoding).is_identity()))
    }

    /// The message inside a message/rfc822 part.
    pub(crate) fn enclosed(&self) -> Option<&Part> {
        match &self.content {
            Content::Message(inner) => Some(inner),
            _ => None,
        }
    }

    /// Visits this part and all below it, in file order.
    pub(crate) fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Part)) {
        // Recursion is bounded by StructureLimits::max_depth.
        visit(self);
        match &self.content {
            Content::Leaf => {}
            Content::Multipart(parts) => parts.iter().for_each(|p| p.walk(visit)),
            Content::Message(inner) => inner.walk(visit),
        }
    }
}

/// A parsed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Structure {
    /// The message itself as a part.
    pub(crate) root: Part,
    /// RFC822.SIZE: the length of the whole file on the wire.
    pub(crate) size: u64,
    /// The length of the file.
    pub(crate) file_size: u64,
    /// A header, be it a part's or an enclosed message's, has a byte above 127.
    pub(crate) has_8bit_header: bool,
    /// The message's own header ends with an empty line; if not, all of the file is header.
    pub(crate) header_ended: bool,
    /// A limit was reached, and the tree is simpler than the message.
    pub(crate) limited: bool,
}
