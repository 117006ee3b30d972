//! What is remembered of the message that was served last, so that a client may fetch a part of
//! 300 MB in a thousand slices.

use super::decoding::{Decoding, Encoded, Measured};
use super::reader::{Identity, Reader};
use crate::mime::structure::Structure;
use std::collections::HashMap;
use std::rc::Rc;

/// How far a partial fetch came, for the next one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// Where in the file the section begins, in bytes.
    pub(super) base: u64,
    /// An offset in the file, in that section.
    pub(super) at: u64,
    /// Wire bytes from the one to the other.
    pub(super) wire: u64,
    /// Whether the byte before `at` is a CR of the section.
    pub(super) after_cr: bool,
}

/// What is remembered of the last message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cache {
    of: Identity,
    pub(super) size: Option<u64>,
    pub(super) header_end: Option<u64>,
    pub(super) structure: Option<Rc<Structure>>,
    pub(super) position: Option<Position>,
    /// The contents of parts that were measured.
    pub(super) contents: HashMap<Encoded, Measured>,
    /// How far the last content was decoded.
    pub(super) decoding: Option<Decoding>,
}

impl Cache {
    /// This, if it is about the open message; otherwise emptied first.
    pub(super) fn about(&mut self, reader: &Reader) -> &mut Cache {
        if self.of != reader.identity {
            *self = Cache { of: reader.identity, ..Cache::default() };
        }
        self
    }

    /// Size and structure, as far as they were found out in the open file.
    pub(super) fn found(&mut self, reader: &Reader) -> (Option<u64>, Option<Rc<Structure>>) {
        let cache = self.about(reader);
        (cache.size, cache.structure.clone())
    }

    /// The structure, if it is known already.
    pub(crate) fn known_structure(&mut self, reader: &Reader) -> Option<Rc<Structure>> {
        self.about(reader).structure.clone()
    }
}
