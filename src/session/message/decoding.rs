//! Decoding a part's body step by step, over the file: no part is ever in memory.

use super::reader::{Reader, first};
use crate::mime::content::ToContent;
use crate::mime::decode::Encoding;
use std::io;
use std::ops::Range;

/// Where a part's body lies in the file, and how it is encoded.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Encoded {
    /// Offsets in the file.
    pub(crate) range: Range<u64>,
    /// How to decode it.
    pub(crate) encoding: Encoding,
}

/// What must be known of a content before it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Measured {
    /// Its length in bytes.
    pub(crate) size: u64,
    /// Whether there is a NUL in it.
    pub(crate) has_nul: bool,
}

/// How much of the file is decoded at a time, in bytes.
pub(super) const STEP: u64 = 16 * 1024;

/// How far a content was decoded.
#[derive(Clone, Debug)]
pub(super) struct Decoding {
    pub(super) of: Encoded,
    /// An offset in the file, within the body.
    at: u64,
    /// Bytes of the content so far.
    pub(super) made: u64,
    decoder: ToContent,
    ended: bool,
}

impl Decoding {
    pub(super) fn new(of: Encoded) -> Decoding {
        let (at, decoder) = (of.range.start, ToContent::new(of.encoding));
        Decoding { of, at, made: 0, decoder, ended: false }
    }

    /// Puts some more of the content into `out`, in the place of what is there; whether there was
    /// more.
    pub(super) fn step(&mut self, reader: &mut Reader, out: &mut Vec<u8>) -> io::Result<bool> {
        out.clear();
        if self.ended {
            return Ok(false);
        }
        if self.at >= self.of.range.end {
            self.decoder.clone().finish(out);
            self.ended = true;
        } else {
            let chunk = first(reader.chunk(self.at)?, (self.of.range.end - self.at).min(STEP));
            if chunk.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.decoder.push(chunk, out);
            self.at += chunk.len() as u64;
        }
        self.made = self.made.saturating_add(out.len() as u64);
        Ok(true)
    }
}
