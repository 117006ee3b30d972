//! From bytes of the wire to a message file.

use crate::maildir::{self, deliver::Delivery};
use crate::mime::header::EndFinder;
use crate::mime::structure::{NoBinary, StructureLimits};

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
    /// Encodes what is `binary`.
    filter: Option<NoBinary>,
    filtered: Vec<u8>,
    /// Whether some of it came as a literal8.
    has_binary: bool,
}

impl Writer {
    /// `filters`: whether the message may have `binary` parts, which are encoded then.
    pub(super) fn new(delivery: Delivery, filters: bool) -> Writer {
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
            filter: filters.then(|| NoBinary::new(StructureLimits::default())),
            filtered: Vec::new(),
            has_binary: false,
        }
    }

    /// Whether 8-bit bytes that come now may be in the header: they are on the server already.
    pub(super) fn take_8bit(&mut self, takes_8bit: bool) {
        self.takes_8bit = takes_8bit;
    }

    /// From now on there are bytes of a literal8: the message must have a form that can be stored.
    pub(super) fn take_binary(&mut self) {
        self.has_binary = true;
    }

    /// Whether it has none (RFC 3516 4.4).
    pub(super) fn is_unstorable(&self) -> bool {
        self.has_binary && self.filter.as_ref().is_some_and(NoBinary::has_failed)
    }

    /// Some more bytes.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.taken = self.taken.saturating_add(chunk.len() as u64);
        if self.failed.is_some() {
            return;
        }
        strip(chunk, &mut self.stripped);
        if self.in_header {
            let end = self.header.push(&self.stripped);
            let head = end.and_then(|e| self.stripped.get(..e)).unwrap_or(&self.stripped);
            self.has_8bit_header |= !self.takes_8bit && !head.is_ascii();
            self.in_header = end.is_none();
        }
        if let Some(filter) = &mut self.filter {
            self.filtered.clear();
            filter.push(chunk, &mut self.filtered);
            strip(&self.filtered, &mut self.stripped);
        }
        self.write();
    }

    /// No more bytes come.
    pub(super) fn end(&mut self) {
        if let Some(filter) = self.filter.as_mut().filter(|_| self.failed.is_none()) {
            self.filtered.clear();
            filter.finish(&mut self.filtered);
            strip(&self.filtered, &mut self.stripped);
            self.write();
        }
    }

    fn write(&mut self) {
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
        if self.last != b'\n' && self.failed.is_none() {
            self.failed = self.delivery.write(b"\n").err();
        }
        self.failed.map_or(Ok(self.delivery), Err)
    }
}

/// Puts the bytes without their CRs into `out`, in the place of what is there.
fn strip(bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'\r', rest) {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        rest = after.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}
