//! What is told of a message's file: size, date, envelope, structure, and octets by the section.

use super::bodystructure::Writer;
use super::items::{Item, Section, What};
use super::section::{self, Stretch};
use super::{envelope, unreadable};
use crate::mime::date::imap_date_time;
use crate::mime::header;
use crate::mime::wire_form::Converter;
use crate::session::facts::{self, Memory, Reader, Walk};
use crate::session::{Counts, Result};
use crate::sys::clock;
use crate::wire::{Io, write};
use std::ops::Range;

/// An open message, and where to write what it says.
pub(crate) struct Contents<'a> {
    /// The connection.
    pub(crate) io: &'a mut Io,
    /// For the log.
    pub(crate) counts: &'a mut Counts,
    /// Whether the client takes 8-bit text.
    pub(crate) utf8: bool,
    /// What is remembered of the last message.
    pub(crate) memory: Memory,
    /// The message.
    pub(crate) reader: Reader,
    /// Header lines on their way out.
    pub(crate) lines: Vec<u8>,
}

impl Contents<'_> {
    /// Writes an item that comes from the file, its name first. FLAGS and UID do not: nothing is
    /// written.
    pub(crate) fn item(&mut self, item: &Item) -> Result<()> {
        match item {
            Item::Flags | Item::Uid => {}
            Item::InternalDate => {
                let seconds = facts::internal_date(&self.reader);
                let date = imap_date_time(seconds, clock::local(seconds).offset / 60);
                self.io.out.extend_from_slice(b"INTERNALDATE \"");
                self.io.out.extend_from_slice(date.as_bytes());
                self.io.out.push(b'"');
            }
            Item::Size => {
                let size =
                    facts::wire_size(&mut self.memory, &mut self.reader).map_err(unreadable)?;
                self.io.out.extend_from_slice(b"RFC822.SIZE ");
                write::number(&mut self.io.out, size);
            }
            Item::Envelope => {
                self.io.out.extend_from_slice(b"ENVELOPE ");
                let block = facts::header(&mut self.reader).map_err(unreadable)?;
                envelope::push_envelope(&mut self.io.out, block, self.utf8);
            }
            Item::Body => self.structure(b"BODY ", false)?,
            Item::BodyStructure => self.structure(b"BODYSTRUCTURE ", true)?,
            Item::Section(section) => {
                self.io.out.extend_from_slice(&section.label);
                self.io.out.push(b' ');
                self.section(section)?;
            }
        }
        Ok(())
    }

    /// Whether any header of the message, a part's included, has 8-bit octets.
    pub(crate) fn has_8bit_header(&mut self) -> bool {
        if self.reader.is_ascii_at_hand() {
            return false;
        }
        facts::structure(&mut self.memory, &mut self.reader)
            .is_ok_and(|message| message.has_8bit_header)
    }

    fn structure(&mut self, label: &[u8], extended: bool) -> Result<()> {
        let message = facts::structure(&mut self.memory, &mut self.reader).map_err(unreadable)?;
        self.io.out.extend_from_slice(label);
        Writer { io: self.io, reader: &mut self.reader, utf8: self.utf8, extended }
            .body(&message.root)
    }

    /// The literal of a section. A part that does not exist is an empty one (Courier; NIL would be
    /// as good by RFC 3501 9, but clients know this).
    fn section(&mut self, section: &Section) -> Result<()> {
        let known = match self.memory.known_structure(&self.reader) {
            Some(known) => Some(known),
            None if section.path.is_empty() => None,
            None => Some(facts::structure(&mut self.memory, &mut self.reader).map_err(unreadable)?),
        };
        let (range, size) = match known {
            Some(message) => match section::locate(&message.root, &section.path, section.what) {
                Some(Stretch { range, size }) => (range, Some(size)),
                None => {
                    self.io.out.extend_from_slice(b"{0}\r\n");
                    return Ok(());
                }
            },
            None => (self.range_of_message(section.what)?, None),
        };
        match section.what {
            What::Fields | What::FieldsNot | What::Mime => self.chosen_lines(section, range),
            What::Whole | What::Header | What::Text => {
                let size = match size {
                    Some(size) => size,
                    None => self.size_of(section, &range)?,
                };
                self.octets(section, range, size)
            }
        }
    }

    /// Where the sections of the message itself lie: for these the header's end is enough.
    fn range_of_message(&mut self, what: What) -> Result<Range<u64>> {
        if what == What::Whole {
            return Ok(0..self.reader.len());
        }
        if matches!(what, What::Fields | What::FieldsNot) {
            // No more of it counts than facts::header has.
            facts::header(&mut self.reader).map_err(unreadable)?;
            return Ok(0..self.reader.header_seen());
        }
        let end = facts::header_len(&mut self.memory, &mut self.reader).map_err(unreadable)?;
        Ok(if what == What::Text { end..self.reader.len() } else { 0..end })
    }

    /// The length on the wire of a section of the message itself. For a slice that surely lies
    /// within the section, any length that shows that will do; else the message is parsed, so that
    /// the next slice finds the sizes known.
    fn size_of(&mut self, section: &Section, range: &Range<u64>) -> Result<u64> {
        let stored = range.end.saturating_sub(range.start);
        if let Some((start, count)) = section.partial
            && start.saturating_add(count) <= stored
        {
            return Ok(stored);
        }
        if section.what == What::Whole {
            return facts::wire_size(&mut self.memory, &mut self.reader).map_err(unreadable);
        }
        if section.partial.is_some() {
            let message =
                facts::structure(&mut self.memory, &mut self.reader).map_err(unreadable)?;
            let stretch = section::locate(&message.root, &[], section.what);
            return Ok(stretch.map_or(0, |s| s.size));
        }
        self.reader.wire_len(range.clone()).map_err(unreadable)
    }

    /// Octets as they are, or a slice of them. `size`: of all of them, on the wire.
    fn octets(&mut self, section: &Section, range: Range<u64>, size: u64) -> Result<()> {
        let (start, count) = section.partial.unwrap_or((0, u64::MAX));
        let take = size.saturating_sub(start).min(count);
        write::literal_head(&mut self.io.out, take);
        // The log's counts: the octets of the file; by Courier RFC822.HEADER is header,
        // BODY[HEADER] body.
        let is_header = section.what == What::Header && section.label.starts_with(b"R");
        let count = if is_header { &mut self.counts.header } else { &mut self.counts.body };
        let mut walk = Walk::new(&mut self.memory, &self.reader, range, start, take);
        while let Some(stored) =
            walk.step(&mut self.reader, &mut self.io.out).map_err(unreadable)?
        {
            *count = count.saturating_add(stored);
            self.io.flush_within()?;
        }
        walk.remember(&mut self.memory);
        Ok(())
    }

    /// Some lines of a header and the empty line, or a slice of that.
    fn chosen_lines(&mut self, section: &Section, header: Range<u64>) -> Result<()> {
        let length = header.end.saturating_sub(header.start);
        let block = self.reader.header_block(header).map_err(unreadable)?;
        // RFC 3501 6.4.5: "the blank line is included in all header fetches, except in the case of
        // a message which has no body and no blank line". Courier: and where no line was chosen.
        let has_empty_line =
            block.ends_with(b"\n\n") || block.ends_with(b"\n\r\n") || (block.len() as u64) < length;
        let lines = &mut self.lines;
        lines.clear();
        let mut converter = Converter::new();
        let mut put = |line: &[u8]| converter.push(line, lines);
        match section.what {
            What::FieldsNot => header::select_not(block, &section.names).for_each(&mut put),
            What::Mime => header::select_mime(block).for_each(&mut put),
            _ => header::select(block, &section.names).for_each(&mut put),
        }
        if !lines.is_empty() && !lines.ends_with(b"\n") {
            lines.extend_from_slice(b"\r\n");
        }
        if has_empty_line || lines.is_empty() {
            lines.extend_from_slice(b"\r\n");
        }
        let (start, count) = section.partial.unwrap_or((0, u64::MAX));
        let from = usize::try_from(start).unwrap_or(usize::MAX).min(lines.len());
        let rest = lines.get(from..).unwrap_or_default();
        let slice = rest
            .get(..usize::try_from(count).unwrap_or(usize::MAX).min(rest.len()))
            .unwrap_or_default();
        write::literal_head(&mut self.io.out, slice.len() as u64);
        self.io.out.extend_from_slice(slice);
        // Courier: of chosen lines the log counts the text without line ends.
        let text = slice.iter().filter(|b| !matches!(**b, b'\r' | b'\n')).count() as u64;
        self.counts.header = self.counts.header.saturating_add(text);
        Ok(())
    }
}
