//! BINARY and BINARY.SIZE (RFC 3516): parts without their transfer encoding.

use super::cannot_go_on;
use super::contents::Contents;
use super::parse::{Item, Section};
use super::section;
use crate::mime::decode::Encoding;
use crate::response::fetch::Item as Datum;
use crate::session::message::{self, ContentSlice, Encoded, Measured, Message};
use crate::session::{Result, Session};

/// What a section of BINARY is in one message.
enum Found {
    /// There is no such part.
    Missing,
    /// Nobody knows how to decode it.
    Undecodable,
    /// Bytes of the file.
    Encoded(Encoded),
}

impl Contents<'_> {
    /// Whether an item asks for a content whose encoding is unknown.
    pub(super) fn is_undecodable(&mut self, item: &Item) -> Result<bool> {
        match item {
            Item::Binary(section) | Item::BinarySize(section) => {
                Ok(matches!(self.find_encoded(section)?, Found::Undecodable))
            }
            _ => Ok(false),
        }
    }

    fn find_encoded(&mut self, section: &Section) -> Result<Found> {
        if section.path.is_empty() {
            let range = 0..self.message.reader.len();
            return Ok(Found::Encoded(Encoded { range, encoding: Encoding::Identity }));
        }
        let message = self.message.structure().map_err(cannot_go_on)?;
        Ok(match section::encoded(&message.root, &section.path) {
            None => Found::Missing,
            Some((_, None)) => Found::Undecodable,
            Some((range, Some(encoding))) => Found::Encoded(Encoded { range, encoding }),
        })
    }

    fn measure(&mut self, encoded: &Encoded) -> Result<Measured> {
        let Message { reader, cache, .. } = &mut self.message;
        message::measure(cache, reader, encoded).map_err(cannot_go_on)
    }

    /// The size of a content. A part that does not exist has none.
    pub(super) fn binary_size(&mut self, section: &Section) -> Result<()> {
        let size = match self.find_encoded(section)? {
            Found::Encoded(encoded) => self.measure(&encoded)?.size,
            Found::Missing | Found::Undecodable => 0,
        };
        Datum::BinarySize { label: &section.label, size }.write(&mut self.s.encoder());
        Ok(())
    }

    /// A content, or a slice of it, and its literal.
    pub(super) fn binary(&mut self, section: &Section) -> Result<()> {
        let Found::Encoded(encoded) = self.find_encoded(section)? else {
            Datum::Binary { label: &section.label, literal: None }.write(&mut self.s.encoder());
            return Ok(());
        };
        let Measured { size, has_nul } = self.measure(&encoded)?;
        let (start, count) = section.partial.unwrap_or((0, u64::MAX));
        let take = size.saturating_sub(start).min(count);
        let slice = (start, take);
        let Message { reader, cache, .. } = &mut self.message;
        // RFC 3516 4.3: a literal8 only where there is a NUL, so that a client need not look.
        let has_nul = has_nul
            && (take == size
                || message::has_nul(cache, reader, &encoded, slice).map_err(cannot_go_on)?);
        let literal = Some((take, has_nul));
        Datum::Binary { label: &section.label, literal }.write(&mut self.s.encoder());
        let mut slice = ContentSlice::new(cache, reader, &encoded, slice);
        let Session { io, counts, .. } = &mut *self.s;
        while let Some(content) = slice.step(reader).map_err(cannot_go_on)? {
            io.out().extend_from_slice(content);
            counts.body = counts.body.saturating_add(content.len() as u64);
            io.flush_within()?;
        }
        slice.remember(cache);
        Ok(())
    }
}
