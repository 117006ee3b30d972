//! A header on its way: what it says of its part, and its Content-Transfer-Encoding, which may have
//! to change once the whole of it is known. It is held back from that field on.

use super::{NoForm, Result, must_be_text};
use crate::mime::header::split_field;
use crate::mime::structure::boundary::Boundary;
use crate::mime::structure::fields::{Kept, describe, slot};
use crate::mime::structure::part::{Part, StructureLimits};
use crate::types::limits::MAX_HEADER;
use memchr::memchr;
use std::ops::Range;

/// The places of two fields in [`Kept`]: Content-Type and Content-Transfer-Encoding.
const CONTENT_TYPE: usize = 0;
const ENCODING: usize = 1;

/// A header whose end has not been seen.
#[derive(Default)]
pub(super) struct Header {
    kept: Kept,
    kept_bytes: usize,
    /// The field that continuation lines belong to.
    field: Option<usize>,
    /// All from the first Content-Transfer-Encoding on.
    held: Vec<u8>,
    /// Where that field is in there.
    encoding: Range<usize>,
    /// How many such fields there are.
    encodings: usize,
}

impl Header {
    /// Takes a line, as it was received and as it will be stored. What is not held back is appended
    /// to `out`.
    pub(super) fn line(
        &mut self,
        line: &[u8],
        stored: &[u8],
        limits: &StructureLimits,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if matches!(stored.first(), Some(b' ' | b'\t')) {
            if self.ends_in_encoding() {
                self.encoding.end += line.len();
            }
            self.keep(stored, limits)?;
        } else {
            let field = split_field(stored);
            let slot = slot(field.name).filter(|s| matches!(*s, CONTENT_TYPE | ENCODING));
            if slot == Some(ENCODING) {
                self.encodings += 1;
                if self.encodings == 1 {
                    self.encoding = 0..line.len();
                }
            }
            self.field = slot.filter(|slot| self.kept.start(*slot));
            self.keep(field.value, limits)?;
        }
        self.pass(line, out)
    }

    /// Takes the rest of a line that is too long to be looked at, or some of it.
    pub(super) fn more(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if self.ends_in_encoding() {
            return Err(NoForm);
        }
        self.pass(line, out)
    }

    /// Whether the last line so far belongs to the first Content-Transfer-Encoding.
    fn ends_in_encoding(&self) -> bool {
        self.encodings == 1 && self.encoding.end == self.held.len()
    }

    fn keep(&mut self, text: &[u8], limits: &StructureLimits) -> Result<()> {
        let Some(value) = self.field.and_then(|slot| self.kept.value(slot)) else {
            return Ok(());
        };
        self.kept_bytes = self.kept_bytes.saturating_add(text.len());
        if value.len().saturating_add(text.len()) > limits.max_field
            || self.kept_bytes > limits.max_kept
        {
            return Err(NoForm);
        }
        value.extend_from_slice(text);
        Ok(())
    }

    fn pass(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<()> {
        must_be_text(line)?;
        if self.encodings == 0 {
            out.extend_from_slice(line);
        } else if self.held.len().saturating_add(line.len()) > MAX_HEADER {
            return Err(NoForm);
        } else {
            self.held.extend_from_slice(line);
        }
        Ok(())
    }

    /// What it says of its part. For the end of the header.
    pub(super) fn describe(&mut self, in_digest: bool) -> (Part, Option<Boundary>) {
        describe(std::mem::take(&mut self.kept), in_digest)
    }

    /// Gives its Content-Transfer-Encoding another value. Of two such fields nobody knows which one
    /// counts to others.
    pub(super) fn relabel(&mut self, label: &[u8]) -> Result<()> {
        let old = self.held.get(self.encoding.clone()).filter(|_| self.encodings == 1);
        let old = old.ok_or(NoForm)?;
        let colon = memchr(b':', old).ok_or(NoForm)?;
        let name = old.get(..=colon).unwrap_or_default();
        let end: &[u8] = match old {
            [.., b'\r', b'\n'] => b"\r\n",
            [.., b'\n'] => b"\n",
            _ => b"",
        };
        let new = [name, b" ", label, end].concat();
        self.held.splice(self.encoding.clone(), new);
        Ok(())
    }

    /// Appends what was held back.
    pub(super) fn pass_on(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.held);
    }
}
