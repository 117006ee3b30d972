//! One open message: its size, date, envelope, structure, and bytes by the section.

use super::cannot_go_on;
use super::parse::{Item, Section, What};
use super::section::{self, Range as Located};
use crate::mime::date::imap_date_time;
use crate::mime::facts::Names;
use crate::response::bodystructure::{Failed, Form, Writer};
use crate::response::envelope;
use crate::response::fetch::Item as Datum;
use crate::session::message::{Message, Slice};
use crate::session::{Result, Session};
use crate::sys::clock;
use std::ops::Range;

/// A moment, in seconds since 1970, as IMAP writes it in the server's zone.
pub(super) fn local_date_time(seconds: i64) -> String {
    imap_date_time(seconds, clock::local_time(seconds).offset / 60)
}

/// An open message, and the session that serves it.
pub(super) struct Contents<'a> {
    /// The session.
    pub(super) s: &'a mut Session,
    /// The message.
    pub(super) message: Message,
    /// The names of the fields of ENVELOPE.
    pub(super) envelope: Names,
    /// Header lines that were chosen, with CRLF; kept for its allocation.
    pub(super) lines: Vec<u8>,
}

impl<'a> Contents<'a> {
    /// For a session, before its first message.
    pub(super) fn new(s: &'a mut Session, message: Message) -> Contents<'a> {
        Contents { s, message, envelope: Names::of_envelope(), lines: Vec::new() }
    }

    /// Writes an item that comes from the file, its name first.
    pub(super) fn item(&mut self, item: &Item) -> Result<()> {
        match item {
            Item::Flags | Item::Uid | Item::SaveDate | Item::ModSeq => {
                debug_assert!(false, "these come from the folder")
            }
            Item::InternalDate => {
                let date = local_date_time(self.message.date());
                Datum::InternalDate(&date).write(&mut self.s.encoder());
            }
            Item::Size => {
                let size = self.message.size().map_err(cannot_go_on)?;
                Datum::Size(size).write(&mut self.s.encoder());
            }
            Item::Envelope => {
                let found = self.message.envelope(&self.envelope).map_err(cannot_go_on)?;
                let mut encoder = self.s.encoder();
                encoder.raw("ENVELOPE ");
                envelope::write(&mut encoder, &found)?;
            }
            Item::Body => self.structure(false)?,
            Item::BodyStructure => self.structure(true)?,
            Item::Section(section) => self.section(section)?,
            Item::Binary(section) => self.binary(section)?,
            Item::BinarySize(section) => self.binary_size(section)?,
        }
        Ok(())
    }

    /// Whether any header of the message, a part's included, has 8-bit bytes.
    pub(crate) fn has_8bit_header(&mut self) -> bool {
        if self.message.reader.is_ascii_at_hand() {
            return false;
        }
        self.message.structure().is_ok_and(|message| message.has_8bit_header)
    }

    fn structure(&mut self, extended: bool) -> Result<()> {
        let form = Form { extended, utf8: self.s.utf8() };
        if let Some(answer) = self.message.answer(form) {
            self.s.encoder().raw(answer);
            return Ok(());
        }
        let found = self.message.structure().map_err(cannot_go_on)?;
        let mut encoder = self.s.encoder();
        Writer { encoder: &mut encoder, headers: &mut self.message.reader, extended }
            .item(&found.root)
            .map_err(|failed| match failed {
                Failed::Unreadable(e) => cannot_go_on(e),
                Failed::End(end) => end.into(),
            })
    }

    /// A section and its literal. A part that does not exist is an empty one (Courier; NIL would be
    /// as good by RFC 3501 9, but clients know this).
    fn section(&mut self, section: &Section) -> Result<()> {
        let is_of_message = section.path.is_empty() && section.what == What::Fields;
        if is_of_message && self.message.remembers(&section.digests) {
            return self.remembered_lines(section);
        }
        let is_parsed = self.message.is_parsed();
        if section.path.is_empty() && !is_parsed {
            let range = self.range_of_message(section.what)?;
            if matches!(section.what, What::Fields | What::FieldsNot) {
                return self.chosen_lines(section, range);
            }
            let size = self.size_of(section, &range)?;
            return self.bytes(section, range, size);
        }
        let message = self.message.structure().map_err(cannot_go_on)?;
        match section::locate(&message.root, &section.path, section.what) {
            Some(Located { stored, chosen: true, .. }) => self.chosen_lines(section, stored),
            Some(Located { stored, mut size, .. }) => {
                if !self.message.is_parsed() {
                    size = self.measured(section, &stored)?;
                }
                self.bytes(section, stored, size)
            }
            None => {
                self.begin(section, 0);
                Ok(())
            }
        }
    }

    /// The section's name, and the head of its literal.
    fn begin(&mut self, section: &Section, length: u64) {
        Datum::Section { label: &section.label, length }.write(&mut self.s.encoder());
    }

    /// Where the sections of the message itself lie: for these the header's end is enough.
    fn range_of_message(&mut self, what: What) -> Result<Range<u64>> {
        if what == What::Whole {
            return Ok(0..self.message.reader.len());
        }
        if matches!(what, What::Fields | What::FieldsNot) {
            // No more of it counts than message::header has.
            self.message.whole_header().map_err(cannot_go_on)?;
            return Ok(0..self.message.reader.header_seen());
        }
        let end = self.message.header_len().map_err(cannot_go_on)?;
        Ok(if what == What::Text { end..self.message.reader.len() } else { 0..end })
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
            return self.message.measure().map_err(cannot_go_on);
        }
        if section.partial.is_some() && !self.message.has_structure() {
            let found = self.message.structure().map_err(cannot_go_on)?;
            let whole = section::locate(&found.root, &[], section.what);
            return Ok(whole.map_or(0, |range| range.size));
        }
        self.measured(section, range)
    }

    /// The length on the wire of a range, as [`Contents::size_of`] has it, measured in the file.
    fn measured(&mut self, section: &Section, range: &Range<u64>) -> Result<u64> {
        let stored = range.end.saturating_sub(range.start);
        match section.partial {
            Some((start, count)) if start.saturating_add(count) <= stored => Ok(stored),
            _ => self.message.reader.wire_len(range.clone()).map_err(cannot_go_on),
        }
    }

    /// Bytes as they are, or a slice of them. `size`: of all of them, on the wire.
    fn bytes(&mut self, section: &Section, range: Range<u64>, size: u64) -> Result<()> {
        let (start, count) = section.partial.unwrap_or((0, u64::MAX));
        let take = size.saturating_sub(start).min(count);
        self.begin(section, take);
        let Session { io, counts, .. } = &mut *self.s;
        // The log counts bytes of the file. Courier: RFC822.HEADER and MIME count as header,
        // BODY[HEADER] as body.
        let is_header = match section.what {
            What::Header => section.label.starts_with(b"R"),
            what => what == What::Mime,
        };
        let count = if is_header { &mut counts.header } else { &mut counts.body };
        let Message { reader, cache, .. } = &mut self.message;
        let mut slice = Slice::new(cache, reader, range, start, take);
        loop {
            let stored = slice.step(reader, &mut io.out()).map_err(cannot_go_on)?;
            let Some(stored) = stored else { break };
            *count = count.saturating_add(stored);
            io.flush_within()?;
        }
        slice.remember(cache);
        Ok(())
    }

    /// Some lines of a header and the empty line, or a slice of that.
    fn chosen_lines(&mut self, section: &Section, header: Range<u64>) -> Result<()> {
        let length = header.end.saturating_sub(header.start);
        let block = self.message.reader.header_block(header).map_err(cannot_go_on)?;
        section::choose_lines(block, length, (section.what, &section.names), &mut self.lines);
        self.send_lines(section)
    }

    /// The same of the message's own header, where these lines are remembered.
    fn remembered_lines(&mut self, section: &Section) -> Result<()> {
        let block = self.message.header(&section.digests).map_err(cannot_go_on)?;
        let (length, chosen) = (block.len() as u64, (section.what, &*section.names));
        section::choose_lines(block, length, chosen, &mut self.lines);
        self.send_lines(section)
    }

    /// The lines that were chosen, or a slice of them.
    fn send_lines(&mut self, section: &Section) -> Result<()> {
        let lines = &self.lines;
        let (start, count) = section.partial.unwrap_or((0, u64::MAX));
        let from = usize::try_from(start).unwrap_or(usize::MAX).min(lines.len());
        let rest = lines.get(from..).unwrap_or_default();
        let slice = rest
            .get(..usize::try_from(count).unwrap_or(usize::MAX).min(rest.len()))
            .unwrap_or_default();
        // Courier: of chosen lines the log counts the text without line ends.
        let text = slice.iter().filter(|b| !matches!(**b, b'\r' | b'\n')).count() as u64;
        self.s.counts.header = self.s.counts.header.saturating_add(text);
        let length = slice.len() as u64;
        Datum::Section { label: &section.label, length }.write(&mut self.s.encoder());
        self.s.encoder().raw(slice);
        Ok(())
    }
}
