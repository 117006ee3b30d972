//! A slice of a section as a client fetches it: part of the stored bytes, with CRLF for LF.

use super::cache::{Cache, Position};
use super::reader::{Reader, first};
use crate::mime::wire_form;
use std::io;
use std::ops::Range;

/// Walks a slice of a section: wire bytes `skip..skip + take` of the stored range, from the
/// nearest position that is known.
#[derive(Debug)]
pub(crate) struct Slice {
    position: Position,
    end: u64,
    skip: u64,
    take: u64,
}

/// How finely a partial fetch remembers where it was, in stored bytes.
const STEP: u64 = 16 * 1024;

impl Slice {
    /// At the beginning of the slice, or as near before it as the last one of this section came.
    pub(crate) fn new(
        cache: &mut Cache,
        reader: &Reader,
        range: Range<u64>,
        skip: u64,
        take: u64,
    ) -> Slice {
        let start = Position { base: range.start, at: range.start, wire: 0, after_cr: false };
        let known = cache.about(reader).position;
        let known = known.filter(|p| p.base == range.start && p.wire <= skip && p.at <= range.end);
        Slice { position: known.unwrap_or(start), end: range.end, skip, take }
    }

    /// Appends some more of the slice to `out`; how many bytes of the file that was (0 on the way
    /// to the slice), `None` at the end.
    pub(crate) fn step(
        &mut self,
        reader: &mut Reader,
        out: &mut Vec<u8>,
    ) -> io::Result<Option<u64>> {
        if self.take == 0 || self.position.at >= self.end {
            return Ok(None);
        }
        let Position { at, wire, after_cr, .. } = self.position;
        let chunk = first(reader.chunk(at)?, (self.end - at).min(STEP));
        if chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = wire_form::wire_len(chunk, after_cr);
        let slice_end = self.skip.saturating_add(self.take);
        let chunk_end = wire.saturating_add(length);
        let mut sent = 0;
        let before = out.len();
        if wire >= self.skip && chunk_end <= slice_end {
            wire_form::append(chunk, after_cr, out);
            // Bytes of the file: for the log, which does not count the CRs that were put in.
            sent = chunk.len() as u64;
        } else if chunk_end > self.skip {
            // The converter learns of a CR before the chunk by being given one, which it then
            // leaves out.
            let lead = u64::from(after_cr);
            let skip = self.skip.saturating_sub(wire);
            let take = slice_end.saturating_sub(wire.saturating_add(skip));
            let mut converter = wire_form::Converter::slice(skip.saturating_add(lead), take);
            if after_cr {
                converter.push(b"\r", out);
            }
            converter.push(chunk, out);
            let made = out.get(before..).unwrap_or_default();
            sent = made.len() as u64;
            if memchr::memchr(b'\r', chunk).is_none() {
                sent = sent.saturating_sub(memchr::memchr_iter(b'\r', made).count() as u64);
            }
        }
        wire_form::replace_nul(out.get_mut(before..).unwrap_or_default());
        if chunk_end > slice_end {
            // The next slice begins in this chunk: the position before it is the one to remember.
            self.take = 0;
        } else {
            self.position.after_cr = chunk.last() == Some(&b'\r');
            self.position.at = at + chunk.len() as u64;
            self.position.wire = chunk_end;
        }
        Ok(Some(sent))
    }

    /// Remembers how far it came, for the next slice.
    pub(crate) fn remember(self, cache: &mut Cache) {
        cache.position = Some(self.position);
    }
}
