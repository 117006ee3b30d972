//! The content of a part, its transfer encoding undone (RFC 3516): measured once, then sent as a
//! whole or in slices. The decoder goes over the file each time; no part is ever in memory.

use super::cache::Cache;
use super::decoding::{Decoding, Encoded, Measured, STEP};
use super::reader::Reader;
use crate::mime::decode::Encoding;
use crate::mime::wire_form;
use std::io;
use std::ops::Range;

/// Measures a content. Clients ask for the sizes of the parts, and then for the parts: what was
/// measured is remembered.
pub(crate) fn measure(
    cache: &mut Cache,
    reader: &mut Reader,
    encoded: &Encoded,
) -> io::Result<Measured> {
    let cache = cache.about(reader);
    if let Some(known) = cache.contents.get(encoded) {
        return Ok(*known);
    }
    let measured = match encoded.encoding {
        Encoding::Identity => measure_text(reader, encoded.range.clone())?,
        _ => measure_decoded(reader, encoded.clone())?,
    };
    cache.contents.insert(encoded.clone(), measured);
    Ok(measured)
}

/// Measures what is not encoded: its wire form need not be made for that.
fn measure_text(reader: &mut Reader, range: Range<u64>) -> io::Result<Measured> {
    let (mut measured, mut after_cr) = (Measured::default(), false);
    reader.each(range, |chunk| {
        measured.size = measured.size.saturating_add(wire_form::wire_len(chunk, after_cr));
        measured.has_nul = measured.has_nul || memchr::memchr(0, chunk).is_some();
        after_cr = chunk.last() == Some(&b'\r');
    })?;
    Ok(measured)
}

fn measure_decoded(reader: &mut Reader, encoded: Encoded) -> io::Result<Measured> {
    let mut decoding = Decoding::new(encoded);
    let (mut content, mut has_nul) = (Vec::new(), false);
    while decoding.step(reader, &mut content)? {
        has_nul = has_nul || memchr::memchr(0, &content).is_some();
    }
    Ok(Measured { size: decoding.made, has_nul })
}

/// Walks a slice of a content: its bytes `skip..skip + take`, from the nearest place that is known.
#[derive(Debug)]
pub(crate) struct ContentSlice {
    decoding: Decoding,
    /// As it was before the step that went beyond the slice: the next one begins in there.
    before_end: Option<Decoding>,
    content: Vec<u8>,
    skip: u64,
    end: u64,
}

impl ContentSlice {
    /// At the beginning of the slice, or as near before it as the last one came.
    pub(crate) fn new(
        cache: &mut Cache,
        reader: &Reader,
        encoded: &Encoded,
        (skip, take): (u64, u64),
    ) -> ContentSlice {
        let known = cache.about(reader).decoding.clone();
        let known = known.filter(|d| d.of == *encoded && d.made <= skip);
        ContentSlice {
            decoding: known.unwrap_or_else(|| Decoding::new(encoded.clone())),
            before_end: None,
            content: Vec::new(),
            skip,
            end: skip.saturating_add(take),
        }
    }

    /// Some more of the slice (nothing, on the way to it); `None` at its end.
    pub(crate) fn step(&mut self, reader: &mut Reader) -> io::Result<Option<&[u8]>> {
        let from = self.decoding.made;
        if from >= self.end {
            return Ok(None);
        }
        // A step makes two bytes of a stored one at most, and what was held back before it.
        if self.end - from <= 4 * STEP {
            self.before_end = Some(self.decoding.clone());
        }
        if !self.decoding.step(reader, &mut self.content)? {
            return Ok(None);
        }
        let length = self.content.len() as u64;
        let skip = self.skip.saturating_sub(from).min(length);
        let end = (self.end - from).min(length).max(skip);
        Ok(Some(self.content.get(skip as usize..end as usize).unwrap_or_default()))
    }

    /// Remembers how far it came, for the next slice.
    pub(crate) fn remember(self, cache: &mut Cache) {
        let is_beyond = self.decoding.made > self.end;
        cache.decoding = Some(match self.before_end {
            Some(before) if is_beyond => before,
            _ => self.decoding,
        });
    }
}

/// Whether there is a NUL in a slice of a content.
pub(crate) fn has_nul(
    cache: &mut Cache,
    reader: &mut Reader,
    encoded: &Encoded,
    slice: (u64, u64),
) -> io::Result<bool> {
    let mut slice = ContentSlice::new(cache, reader, encoded, slice);
    while let Some(content) = slice.step(reader)? {
        if memchr::memchr(0, content).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
