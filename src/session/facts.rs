//! Facts about messages, asked in one place each: size, header, structure, date. SEARCH, SORT and
//! FETCH come here, so that a store of facts that were found before can slip in behind these few
//! functions.
//!
//! A [`Reader`] holds one open message and a window into it, never the whole of a large one; a
//! message that fits the window is read once, whatever is asked about it. The allocations are used
//! again for the next message. A [`Memory`] lives with the open folder and remembers of the last
//! message what is costly to find, so that a client may fetch a part of 300 MB in a thousand
//! pieces.

use super::Selected;
use crate::maildir::{self, change};
use crate::mime::header::EndFinder;
use crate::mime::structure::{self, Limits, Parser};
use crate::mime::wire_form;
use crate::sys::fs;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;

/// The window: as much of a message as is in memory at a time.
pub(crate) const WINDOW: usize = 64 * 1024;
/// What is read first where only the header is wanted.
const FIRST: usize = 8 * 1024;
/// Of a header, this many octets count for what is looked up in it (a header of this length is an
/// accident or an attack).
pub(crate) const HEADER_LIMIT: u64 = 4 << 20;

/// What tells one message file from another: device, inode, size, time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Identity(u64, u64, u64, i128);

/// How far a partial fetch came, for the next one.
#[derive(Clone, Copy, Debug)]
struct Position {
    /// Where in the file the section begins.
    base: u64,
    /// A place in the file in that section.
    at: u64,
    /// Wire octets from the one to the other.
    wire: u64,
    /// Whether the octet before `at` is a CR of the section.
    after_cr: bool,
}

/// What is remembered of the last message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    of: Identity,
    size: Option<u64>,
    header_end: Option<u64>,
    structure: Option<Rc<structure::Message>>,
    place: Option<Position>,
}

/// One message's file, open.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    file: Option<File>,
    identity: Identity,
    size: u64,
    modified: i64,
    window: Vec<u8>,
    /// What part of the file the window shows.
    shown: Range<u64>,
    /// A header that does not fit the window.
    block: Vec<u8>,
    /// Where the header ends, once known.
    header_end: Option<u64>,
}

/// Opens the message at `index` of the open folder. If another session renamed it, its new flags
/// are taken over, and `messages.take_changed` tells so. [`maildir::Error::Gone`]: the message is
/// no more.
pub(crate) fn open(
    selected: &mut Selected,
    index: usize,
    reader: &mut Reader,
) -> Result<(), maildir::Error> {
    reader.close();
    let (file, metadata, _) = change::open(&selected.dir, &mut selected.snapshot.messages, index)?;
    reader.set(file, &metadata);
    Ok(())
}

/// As [`open`], for who wants [`internal_date`] alone: where the file has the name that we know,
/// looking at it is enough.
pub(crate) fn look(
    selected: &mut Selected,
    index: usize,
    reader: &mut Reader,
) -> Result<(), maildir::Error> {
    if !selected.dir.is_of_links()
        && let Ok(metadata) =
            fs::lstat(&selected.dir.message(&selected.snapshot.messages.file_name(index)))
        && metadata.is_file()
    {
        reader.close();
        reader.modified = metadata.mtime();
        return Ok(());
    }
    open(selected, index, reader)
}

/// RFC822.SIZE: the exact length on the wire, in octets (RFC 3501 2.3.4). Never from the file's
/// name: that counts stored octets, or lies.
pub(crate) fn wire_size(memory: &mut Memory, reader: &mut Reader) -> io::Result<u64> {
    let memory = memory.about(reader);
    if let Some(size) = memory.size {
        return Ok(size);
    }
    let size = reader.wire_len(0..reader.size)?;
    memory.size = Some(size);
    Ok(size)
}

/// The message's header as stored, its empty line included; no more than its first [`HEADER_LIMIT`]
/// octets, cut behind a whole line.
pub(crate) fn header(reader: &mut Reader) -> io::Result<&[u8]> {
    let end = reader.find_header_end(HEADER_LIMIT)?;
    reader.header_block(0..end)
}

/// The length of the header as stored, its empty line included, however long it is. All of the file
/// where no empty line is.
pub(crate) fn header_len(memory: &mut Memory, reader: &mut Reader) -> io::Result<u64> {
    let memory = memory.about(reader);
    if reader.header_end.is_none() {
        reader.header_end = memory.header_end;
    }
    let end = reader.find_header_end(u64::MAX)?;
    memory.header_end = Some(end);
    Ok(end)
}

/// Parts, their places and sizes.
pub(crate) fn structure(
    memory: &mut Memory,
    reader: &mut Reader,
) -> io::Result<Rc<structure::Message>> {
    let memory = memory.about(reader);
    if let Some(known) = &memory.structure {
        return Ok(Rc::clone(known));
    }
    let mut parser = Parser::new(Limits::default());
    reader.each(0..reader.size, |chunk| parser.push(chunk))?;
    let found = Rc::new(parser.finish());
    memory.size = Some(found.size);
    memory.structure = Some(Rc::clone(&found));
    Ok(found)
}

/// INTERNALDATE: seconds since 1970 (the file's modification time).
pub(crate) fn internal_date(reader: &Reader) -> i64 {
    reader.modified
}

impl Memory {
    /// This, if it is about the open message; otherwise emptied first.
    fn about(&mut self, reader: &Reader) -> &mut Memory {
        if self.of != reader.identity {
            *self = Memory { of: reader.identity, ..Memory::default() };
        }
        self
    }

    /// The structure, if it is known already.
    pub(crate) fn known_structure(&mut self, reader: &Reader) -> Option<Rc<structure::Message>> {
        self.about(reader).structure.clone()
    }
}

impl Reader {
    /// Without a message; nothing is allocated yet.
    pub(crate) fn new() -> Reader {
        Reader::default()
    }

    /// Lets the file go; the buffers stay.
    pub(crate) fn close(&mut self) {
        self.file = None;
        self.identity = Identity::default();
        self.size = 0;
        self.shown = 0..0;
        self.header_end = None;
    }

    /// Takes an open file for the message.
    pub(crate) fn set(&mut self, file: File, metadata: &Metadata) {
        self.close();
        self.identity =
            Identity(metadata.dev(), metadata.ino(), metadata.len(), fs::mtime_nanos(metadata));
        self.size = metadata.len();
        self.modified = metadata.mtime();
        self.file = Some(file);
    }

    /// Octets of the file.
    pub(crate) fn len(&self) -> u64 {
        self.size
    }

    /// Whether the file is empty, or none is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Octets from `offset` on: as many as the window has behind it, at least one unless the file
    /// ends there.
    pub(crate) fn chunk(&mut self, offset: u64) -> io::Result<&[u8]> {
        self.show(offset, WINDOW)?;
        Ok(self.shown_from(offset))
    }

    /// The octets of a range, chunk by chunk.
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

    /// The stored octets of a header (of the message or of a part) in one piece; of a very long one
    /// the first [`HEADER_LIMIT`] octets, cut behind a whole line.
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
        let most = length.min(HEADER_LIMIT) as usize;
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
    pub(crate) fn want_all(&mut self) -> io::Result<()> {
        if self.size <= WINDOW as u64 { self.show(0, WINDOW) } else { Ok(()) }
    }

    /// How far the header goes, as far as it was looked for.
    pub(crate) fn header_seen(&self) -> u64 {
        self.header_end.unwrap_or(self.size)
    }

    /// Looks for the header's end in the first `limit` octets; where it is, or where the looking
    /// ended.
    fn find_header_end(&mut self, limit: u64) -> io::Result<u64> {
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

    /// Has the window show `offset`, reading no more than `most` octets if it does not yet.
    fn show(&mut self, offset: u64, most: usize) -> io::Result<()> {
        if self.shown.contains(&offset) || offset >= self.size {
            return Ok(());
        }
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
    fn read(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let Some(file) = &self.file else { return Err(io::ErrorKind::NotFound.into()) };
        let got = fs::read_at(file, buf, offset)?;
        if got == buf.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// The first octets of a chunk, `most` at most.
fn first(chunk: &[u8], most: u64) -> &[u8] {
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(chunk.len());
    chunk.get(..most).unwrap_or_default()
}

/// Walks a slice of a section: wire octets `skip..skip + take` of the stored range, from the
/// nearest place that is known.
#[derive(Debug)]
pub(crate) struct Walk {
    place: Position,
    end: u64,
    skip: u64,
    take: u64,
}

/// How finely a partial fetch remembers where it was, in stored octets.
const STEP: u64 = 16 * 1024;

impl Walk {
    /// At the beginning of the slice, or as near before it as the last one of this section came.
    pub(crate) fn new(
        memory: &mut Memory,
        reader: &Reader,
        range: Range<u64>,
        skip: u64,
        take: u64,
    ) -> Walk {
        let start = Position { base: range.start, at: range.start, wire: 0, after_cr: false };
        let known = memory.about(reader).place;
        let known = known.filter(|p| p.base == range.start && p.wire <= skip && p.at <= range.end);
        Walk { place: known.unwrap_or(start), end: range.end, skip, take }
    }

    /// Appends some more of the slice to `out`; how many octets of the file that was (0 on the way
    /// to the slice), `None` at the end.
    pub(crate) fn step(
        &mut self,
        reader: &mut Reader,
        out: &mut Vec<u8>,
    ) -> io::Result<Option<u64>> {
        if self.take == 0 || self.place.at >= self.end {
            return Ok(None);
        }
        let Position { at, wire, after_cr, .. } = self.place;
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
            // Octets of the file: for the log, which does not count the CRs that were put in.
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
        if chunk_end > slice_end {
            // The next slice begins in this chunk: the place before it is the one to remember.
            self.take = 0;
        } else {
            self.place.after_cr = chunk.last() == Some(&b'\r');
            self.place.at = at + chunk.len() as u64;
            self.place.wire = chunk_end;
        }
        Ok(Some(sent))
    }

    /// Remembers how far it came, for the next slice.
    pub(crate) fn remember(self, memory: &mut Memory) {
        memory.place = Some(self.place);
    }
}
