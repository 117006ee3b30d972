//! One open message and a window into its file. A message that fits the window is read once,
//! whatever is asked about it; of a larger one there is never more than a window in memory. The
//! buffers serve the next message too.

use crate::maildir::change;
use crate::mime::header::EndFinder;
use crate::mime::wire_form;
use crate::response::bodystructure::Headers;
use crate::sys::directory::Directory;
use crate::sys::stat::Stat;
use crate::sys::{breath, fs};
use crate::types::Uid;
use crate::types::limits::MAX_HEADER;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::rc::Rc;

/// The window: as much of a message as is in memory at a time.
const WINDOW: usize = 64 * 1024;
/// What is read first where only the header is wanted.
const FIRST: usize = 8 * 1024;

/// What tells one message file from another: device, inode, size, time, and the message's UID, for
/// the inode of a removed file is soon used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Identity((u64, u64), u64, i128, Option<Uid>);

/// One message's file, open.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    file: Option<File>,
    stat: Option<Stat>,
    pub(super) identity: Identity,
    pub(super) size: u64,
    /// Seconds since 1970.
    pub(super) modified: i64,
    window: Vec<u8>,
    /// What part of the file the window shows.
    shown: Range<u64>,
    /// A header that does not fit the window.
    block: Vec<u8>,
    /// Where the header ends, once known.
    pub(super) header_end: Option<u64>,
    /// Where the file is from: the directory, the base name, the file name.
    pub(super) source: Option<(Rc<Directory>, Vec<u8>, Vec<u8>)>,
}

impl Reader {
    /// Lets the file go; the buffers stay.
    pub(crate) fn close(&mut self) {
        self.file = None;
        self.stat = None;
        self.identity = Identity::default();
        self.size = 0;
        self.shown = 0..0;
        self.header_end = None;
        self.source = None;
    }

    /// Takes an open file for the message with this UID.
    pub(crate) fn set(&mut self, file: File, stat: &Stat, uid: Option<Uid>) {
        self.close();
        self.identity = Identity(stat.inode(), stat.len(), stat.mtime_nanos(), uid);
        self.size = stat.len();
        self.modified = stat.mtime();
        self.stat = Some(*stat);
        self.file = Some(file);
    }

    /// Whether a file is open.
    pub(crate) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// What fstat(2) said of the open file.
    pub(super) fn stat(&self) -> Option<Stat> {
        self.stat
    }

    /// Bytes of the file.
    pub(crate) fn len(&self) -> u64 {
        self.size
    }

    /// Bytes from `offset` on: as many as the window has behind it, at least one unless the file
    /// ends there.
    pub(crate) fn chunk(&mut self, offset: u64) -> io::Result<&[u8]> {
        self.show(offset, WINDOW)?;
        Ok(self.shown_from(offset))
    }

    /// The bytes of a range, chunk by chunk.
    pub(crate) fn each(
        &mut self,
        range: Range<u64>,
        mut sink: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let mut at = range.start;
        while at < range.end {
            let chunk = first(self.chunk(at)?, range.end - at);
            if chunk.is_empty() {
                break;
            }
            sink(chunk);
            at += chunk.len() as u64;
        }
        Ok(())
    }

    /// The length on the wire of a range that begins with a line.
    pub(crate) fn wire_len(&mut self, range: Range<u64>) -> io::Result<u64> {
        let (mut length, mut after_cr) = (0u64, false);
        self.each(range, |chunk| {
            length = length.saturating_add(wire_form::wire_len(chunk, after_cr));
            after_cr = chunk.last() == Some(&b'\r');
        })?;
        Ok(length)
    }

    /// The stored bytes of a header (of the message or of a part) at once; of a very long one
    /// the first [`MAX_HEADER`] bytes, cut behind a whole line.
    pub(crate) fn header_block(&mut self, range: Range<u64>) -> io::Result<&[u8]> {
        let end = range.end.min(self.size);
        let length = end.saturating_sub(range.start);
        if length <= WINDOW as u64 {
            if range.start < self.shown.start || end > self.shown.end {
                self.shown = 0..0;
                self.show(range.start, FIRST.max(length as usize))?;
            }
            return Ok(first(self.shown_from(range.start), length));
        }
        let most = length.min(MAX_HEADER as u64) as usize;
        let mut block = std::mem::take(&mut self.block);
        block.resize(most, 0);
        let read = self.read(&mut block, range.start);
        self.block = block;
        read?;
        if most as u64 != length {
            let whole_lines = memchr::memrchr(b'\n', &self.block).map_or(0, |at| at + 1);
            self.block.truncate(whole_lines);
        }
        Ok(&self.block)
    }

    /// Whether the file is in the window and plain ASCII throughout: a quick no to some questions.
    pub(crate) fn is_ascii_at_hand(&self) -> bool {
        self.shown == (0..self.size) && self.shown_from(0).is_ascii()
    }

    /// Brings the whole message into the window where it fits: for when more than the header will
    /// be asked for.
    pub(crate) fn read_ahead(&mut self) -> io::Result<()> {
        if self.size <= WINDOW as u64 { self.show(0, WINDOW) } else { Ok(()) }
    }

    /// Reads the beginning, or the whole message where it is wanted and fits the window. Whoever has
    /// another host remove it just now learns so before anything is sent.
    pub(crate) fn begin(&mut self, wants_all: bool) -> io::Result<()> {
        if wants_all && self.size <= WINDOW as u64 {
            return self.read_ahead();
        }
        self.show(0, FIRST)
    }

    /// Where the header ends, as far as it was searched for.
    pub(crate) fn header_seen(&self) -> u64 {
        self.header_end.unwrap_or(self.size)
    }

    /// Searches the first `limit` bytes for the header's end; where it is, or where the search
    /// ended.
    pub(super) fn find_header_end(&mut self, limit: u64) -> io::Result<u64> {
        if let Some(end) = self.header_end {
            return Ok(end);
        }
        let mut finder = EndFinder::new();
        let mut at = 0;
        let mut most = FIRST;
        while at < self.size && at < limit {
            self.show(at, most)?;
            let chunk = self.shown_from(at);
            if let Some(length) = finder.push(chunk) {
                at += length as u64;
                self.header_end = Some(at);
                return Ok(at);
            }
            at += chunk.len() as u64;
            most = WINDOW;
        }
        if at >= self.size {
            self.header_end = Some(self.size);
        }
        Ok(at)
    }

    /// Has the window show `offset`, reading no more than `most` bytes if it does not yet.
    fn show(&mut self, offset: u64, most: usize) -> io::Result<()> {
        if self.shown.contains(&offset) || offset >= self.size {
            return Ok(());
        }
        breath::breathe()?;
        let length = (self.size - offset).min(most as u64) as usize;
        let mut window = std::mem::take(&mut self.window);
        if window.len() < length {
            window.resize(length, 0);
        }
        let read = self.read(window.get_mut(..length).unwrap_or_default(), offset);
        self.window = window;
        self.shown = 0..0;
        read?;
        self.shown = offset..offset + length as u64;
        Ok(())
    }

    fn shown_from(&self, offset: u64) -> &[u8] {
        if !self.shown.contains(&offset) {
            return &[];
        }
        let from = (offset - self.shown.start) as usize;
        let to = (self.shown.end - self.shown.start) as usize;
        self.window.get(from..to).unwrap_or_default()
    }

    /// Fills the buffer. A message never changes; one that ends early is damaged, and an error.
    fn read(&mut self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let Some(file) = &self.file else { return Err(io::ErrorKind::NotFound.into()) };
        let got = match (fs::read_at(file, buf, offset), &self.source) {
            // On a file server the file was replaced. What is half sent goes on from a fresh open.
            (Err(e), Some((cur, base, name))) if fs::is_stale(&e) => {
                let fresh = match change::reopen(cur, base, name) {
                    // It was removed, and is gone.
                    Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Err(gone),
                    fresh => fresh.map_err(|_| e)?,
                };
                let got = fs::read_at(&fresh, buf, offset)?;
                self.file = Some(fresh);
                got
            }
            (got, _) => got?,
        };
        if got == buf.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Headers for Reader {
    fn header(&mut self, range: Range<u64>) -> io::Result<&[u8]> {
        self.header_block(range)
    }
}

/// The first bytes of a chunk, `most` at most.
pub(super) fn first(chunk: &[u8], most: u64) -> &[u8] {
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(chunk.len());
    chunk.get(..most).unwrap_or_default()
}
