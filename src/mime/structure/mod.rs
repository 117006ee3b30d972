//! Where the parts of a message are and how they describe themselves, found in one pass over the
//! file.
//!
//! [`Parser`] is pushed the raw file in chunks of any size and returns a tree of [`Part`]s with
//! offsets into the file; it keeps no bodies. Everything here serves one rule: `BODY[]` is the
//! whole file, RFC822.SIZE is its exact length on the wire, and every size is the length of what
//! fetching that range yields.
//!
//! No message makes it fail. What is beyond the [`StructureLimits`] remains text of the part that
//! holds it:
//! - after `max_parts` parts no boundary is recognised, and the part then open runs to the end of
//!   the file;
//! - at `max_depth` a multipart is a leaf, and a message/rfc822 is a leaf of type
//!   application/octet-stream (a client expects an envelope with `message/rfc822`);
//! - of a field, `max_field` bytes count; of all Content- fields together, `max_kept`.

mod boundary;
mod fields;
mod no_binary;
mod parser;
mod part;
mod position;
#[cfg(test)]
pub(crate) mod properties;
#[cfg(test)]
mod tests;

pub(crate) use no_binary::NoBinary;
pub(crate) use parser::Parser;
pub(crate) use part::{Content, Disposition, Part, Structure, StructureLimits};

/// Parses a message that is in memory.
pub(crate) fn parse(message: &[u8], limits: StructureLimits) -> Structure {
    let mut parser = Parser::new(limits);
    parser.push(message);
    parser.finish()
}
