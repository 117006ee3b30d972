//! From bytes of the wire to a message file.

use crate::maildir::{self, deliver::Delivery};
use crate::mime::header::EndFinder;

/// Writes a message's bytes without the CRs (STORAGE 1.2). What cannot be written is still taken
/// off the wire, so that the next command is the next command.
pub(super) struct Writer {
    delivery: Delivery,
    failed: Option<maildir::Error>,
    /// Bytes taken, CRs too.
    taken: u64,
    /// Whether what comes may have 8-bit bytes in the header.
    takes_8bit: bool,
    /// The last byte written.
    last: u8,
    header: EndFinder,
    in_header: bool,
    has_8bit_header: bool,
    stripped: Vec<u8>,
}

impl Writer {
    pub(super) fn new(delivery: Delivery) -> Writer {
        Writer {
            delivery,
            failed: None,
            taken: 0,
            takes_8bit: false,
            last: 0,
            header: EndFinder::new(),
            in_header: true,
            has_8bit_header: false,
            stripped: Vec::new(),
        }
    }

    /// Whether the bytes that come now may be 8-bit ones in the header: the client has said so, or
    /// they are on the server already.
    pub(super) fn take_8bit(&mut self, takes_8bit: bool) {
        self.takes_8bit = takes_8bit;
    }

    /// Some more bytes.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.taken = self.taken.saturating_add(chunk.len() as u64);
        if self.failed.is_some() {
            return;
        }
        self.stripped.clear();
        let mut rest = chunk;
        while let Some(at) = memchr::memchr(b'\r', rest) {
            let (before, after) = rest.split_at(at);
            self.stripped.extend_from_slice(before);
            rest = after.get(1..).unwrap_or_default();
        }
        self.stripped.extend_from_slice(rest);
        if self.in_header {
            let end = self.header.push(&self.stripped);
            let head = end.and_then(|e| self.stripped.get(..e)).unwrap_or(&self.stripped);
            self.has_8bit_header |= !self.takes_8bit && !head.is_ascii();
            self.in_header = end.is_none();
        }
        if let Some(last) = self.stripped.last() {
            self.last = *last;
            self.failed = self.delivery.write(&self.stripped).err();
        }
    }

    /// Bytes taken so far, CRs too.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether something cannot be written.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Bytes on disk so far.
    pub(super) fn size(&self) -> u64 {
        self.delivery.size()
    }

    /// Whether its header has 8-bit bytes that should not be there.
    pub(super) fn has_8bit_header(&self) -> bool {
        self.has_8bit_header
    }

    /// The message is complete: its last line gets its end.
    pub(super) fn finish(mut self) -> Result<Delivery, maildir::Error> {
        if self.last != b'\n' {
            self.push(b"\n");
        }
        self.failed.map_or(Ok(self.delivery), Err)
    }
}
