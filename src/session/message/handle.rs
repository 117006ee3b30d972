//! A message, as commands ask about it: answered from what is remembered of it where that does, from
//! its file otherwise. Whoever asks says first what will be asked ([`Wants`]); if that is not
//! remembered ([`Message::knows`]), the file is opened.
//!
//! What is remembered may be wrong by somebody's malice, where others may write the folder. So it is
//! never the measure of a literal: what is sent as one is measured in the file.

use super::cache::Cache;
use super::reader::Reader;
use crate::maildir::details::Detail;
use crate::maildir::facts::{About, Record};
use crate::mime::envelope::{self, Envelope};
use crate::mime::facts::{self, Chosen, Facts, Layout, Names, Outline};
use crate::mime::header;
use crate::mime::structure::Structure;
use crate::response::bodystructure::{Form, write_outline};
use crate::sys::stat::Stat;
use std::io;
use std::rc::Rc;

/// What will be asked about a message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wants {
    /// [`Message::size`].
    pub(crate) size: bool,
    /// [`Message::header`], for fields of these names.
    pub(crate) fields: Option<Names>,
    /// [`Message::structure`].
    pub(crate) structure: bool,
    /// [`Message::answer`]; then [`Wants::structure`], too.
    pub(crate) answer: Option<Form>,
    /// What is in the file.
    pub(crate) bytes: bool,
}

impl Wants {
    /// Whether more is wanted than size and date.
    fn record(&self) -> bool {
        self.fields.is_some() || self.structure
    }
}

/// One message. Its buffers serve the next one too.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// Its file, if that is open.
    pub(crate) reader: Reader,
    /// What was found out in the file, of this message or the last.
    pub(crate) cache: Cache,
    detail: Option<Detail>,
    /// Whether the detail, and the record, were looked for.
    looked: (bool, bool),
    /// Of which file the record is, and what it holds; nothing where there is none.
    about: Option<About>,
    payload: Vec<u8>,
    layout: Option<Layout>,
    /// The remembered structure, once it was read.
    tree: Option<Rc<Structure>>,
    /// The same as an answer, once it was written, and in which form.
    answer: Vec<u8>,
    answered: Option<Form>,
    /// Its internal date, once known.
    date: Option<i64>,
    /// Whether its header was read.
    read_header: bool,
    /// The fields that were last asked for.
    chosen: Vec<u8>,
}

impl Message {
    /// None yet, and what was found out of the last.
    pub(crate) fn after(cache: Cache) -> Message {
        Message { cache, ..Message::default() }
    }

    /// With an open file, and what was found out before.
    #[cfg(test)]
    pub(crate) fn with(reader: Reader, cache: Cache) -> Message {
        let date = Some(reader.modified);
        Message { reader, cache, date, ..Message::default() }
    }

    /// Before another message: nothing is known of it, no file is open.
    pub(crate) fn begin(&mut self) {
        self.reader.close();
        self.detail = None;
        self.looked = (false, false);
        self.about = None;
        self.payload.clear();
        self.layout = None;
        self.tree = None;
        self.answered = None;
        self.date = None;
        self.read_header = false;
    }

    /// What is to be looked for, of detail and record.
    pub(super) fn lacks(&mut self, wants: &Wants) -> (bool, bool) {
        let (detail, record) = self.looked;
        self.looked = (true, record || wants.record());
        (!detail, !record && wants.record())
    }

    /// Takes what is remembered.
    pub(super) fn recall(&mut self, detail: Detail, record: Option<Record<'_>>) {
        self.detail = Some(detail);
        self.date = Some(detail.date);
        if let Some(record) = record {
            self.about = Some(record.about);
            self.payload.clear();
            self.payload.extend_from_slice(record.payload);
            self.layout = Layout::of(record.payload);
        }
    }

    /// What is remembered of header and structure.
    fn facts(&self) -> Option<Facts<'_>> {
        Facts::at(&self.payload, self.layout?)
    }

    pub(super) fn detail(&self) -> Option<Detail> {
        self.detail
    }

    /// Takes the date of a file that was not opened.
    pub(super) fn set_date(&mut self, date: i64) {
        self.date = Some(date);
    }

    /// The file is open. `false`: it is another than the one of which something is remembered, which
    /// is forgotten.
    pub(super) fn is_as_remembered(&mut self, stat: &Stat) -> bool {
        self.date = Some(stat.mtime());
        let fits = self.detail.is_none_or(|detail| detail.fits(stat))
            && self.about.is_none_or(|about| about.fits(stat));
        if !fits {
            self.detail = None;
            self.about = None;
            self.payload.clear();
            self.layout = None;
            self.tree = None;
            self.answered = None;
        }
        fits
    }

    /// Whether all this can be answered without the file.
    pub(crate) fn knows(&mut self, wants: &Wants) -> bool {
        let Some(detail) = self.detail else { return false };
        if wants.bytes || (wants.size && detail.size.is_none()) {
            return false;
        }
        if let Some(names) = &wants.fields
            && !self.remembers(names)
        {
            return false;
        }
        match wants.answer {
            Some(form) => self.answer(form).is_some(),
            None => !wants.structure || self.has_tree(),
        }
    }

    /// Whether the fields of these names are remembered.
    pub(crate) fn remembers(&self, names: &Names) -> bool {
        self.facts().is_some_and(|facts| facts.have(names))
    }

    /// Whether its structure is at hand.
    pub(crate) fn has_structure(&mut self) -> bool {
        self.has_tree() || self.is_parsed()
    }

    /// Whether its structure was found in the file by this session, with sizes to rely on.
    pub(crate) fn is_parsed(&mut self) -> bool {
        self.reader.is_open() && self.cache.known_structure(&self.reader).is_some()
    }

    fn has_tree(&mut self) -> bool {
        if self.tree.is_none()
            && let (Some(outline), Some(about)) = (outline(&self.payload), self.about)
            && let Some(structure) = outline.structure()
            && structure.file_size == about.size
        {
            self.tree = Some(Rc::new(structure));
        }
        self.tree.is_some()
    }

    /// BODY or BODYSTRUCTURE from the remembered structure; `None` if there is none, or
    /// [`Message::is_parsed`].
    pub(crate) fn answer(&mut self, form: Form) -> Option<&[u8]> {
        if self.is_parsed() {
            return None;
        }
        if self.answered != Some(form) {
            self.answered = None;
            self.answer.clear();
            let length = write_outline(&mut self.answer, outline(&self.payload)?, form)?;
            (length == self.about?.size).then_some(())?;
            self.answered = Some(form);
        }
        Some(&self.answer)
    }

    /// INTERNALDATE: seconds since 1970 (the file's modification time).
    pub(crate) fn date(&self) -> i64 {
        self.date.unwrap_or_default()
    }

    /// RFC822.SIZE, if it is known already.
    pub(crate) fn known_size(&self) -> Option<u64> {
        self.detail.and_then(|detail| detail.size)
    }

    /// RFC822.SIZE.
    pub(crate) fn size(&mut self) -> io::Result<u64> {
        match self.known_size() {
            Some(size) => Ok(size),
            None => self.measure(),
        }
    }

    /// RFC822.SIZE, from the file.
    pub(crate) fn measure(&mut self) -> io::Result<u64> {
        super::wire_size(&mut self.cache, &mut self.reader)
    }

    /// A header in which the fields of these names are as in the message's, which has others
    /// besides, perhaps.
    pub(crate) fn header(&mut self, names: &Names) -> io::Result<&[u8]> {
        let facts = self.layout.and_then(|layout| Facts::at(&self.payload, layout));
        if let Some(facts) = facts.filter(|facts| facts.have(names)) {
            facts.header_of(names, &mut self.chosen);
            return Ok(&self.chosen);
        }
        self.read_header = true;
        super::header(&mut self.reader)
    }

    /// The envelope; `names`: of its fields.
    pub(crate) fn envelope(&mut self, names: &Names) -> io::Result<Envelope<'_>> {
        let facts = self.layout.and_then(|layout| Facts::at(&self.payload, layout));
        if let Some(known) = facts.and_then(|facts| facts.envelope(names)) {
            return Ok(known);
        }
        self.read_header = true;
        Ok(envelope::envelope(super::header(&mut self.reader)?))
    }

    /// The fields of the header that have these names, in their order, and others besides, perhaps.
    pub(crate) fn fields<'a>(&'a mut self, names: &'a Names) -> io::Result<Chosen<'a, 'a>> {
        // As `facts`, which would borrow all of it.
        let facts = self.layout.and_then(|layout| Facts::at(&self.payload, layout));
        if let Some(facts) = facts.filter(|facts| facts.have(names)) {
            return Ok(facts.fields_of(names));
        }
        self.read_header = true;
        Ok(Chosen::Stored(header::fields(super::header(&mut self.reader)?)))
    }

    /// The message's header ([`super::header`]).
    pub(crate) fn whole_header(&mut self) -> io::Result<&[u8]> {
        self.read_header = true;
        super::header(&mut self.reader)
    }

    /// The length of the header as stored ([`super::header_len`]).
    pub(crate) fn header_len(&mut self) -> io::Result<u64> {
        super::header_len(&mut self.cache, &mut self.reader)
    }

    /// The tree of parts. Its sizes are to be measured before a literal is sent, unless
    /// [`Message::is_parsed`].
    pub(crate) fn structure(&mut self) -> io::Result<Rc<Structure>> {
        if !self.is_parsed()
            && self.has_tree()
            && let Some(tree) = &self.tree
        {
            return Ok(Rc::clone(tree));
        }
        super::structure(&mut self.cache, &mut self.reader)
    }

    /// What was found out in the open file that is not remembered yet: size, and what goes into a
    /// record.
    pub(super) fn news(&mut self) -> (Option<u64>, Option<Vec<u8>>) {
        let (size, structure) = self.cache.found(&self.reader);
        let size = size.filter(|size| self.known_size() != Some(*size));
        let known = self.facts();
        let structure = structure.filter(|_| known.is_none_or(|facts| facts.outline().is_none()));
        if structure.is_none() && !(self.read_header && known.is_none()) {
            return (size, None);
        }
        let was_known = known.is_some();
        let payload = self.payload_of(structure.as_deref()).ok().flatten();
        // A structure that is too large is no news the second time.
        let is_new = |payload: &Vec<u8>| {
            !was_known || Facts::read(payload).is_some_and(|facts| facts.outline().is_some())
        };
        (size, payload.filter(is_new))
    }

    fn payload_of(&mut self, structure: Option<&Structure>) -> io::Result<Option<Vec<u8>>> {
        let Some(structure) = structure else {
            return Ok(facts::encode(super::header(&mut self.reader)?, None));
        };
        let headers = facts::enclosed(&structure.root, |range, sink| {
            sink(self.reader.header_block(range)?);
            Ok(())
        })?;
        let block = super::header(&mut self.reader)?;
        Ok(facts::encode(block, Some((structure, &headers))))
    }
}

/// The structure in a payload, if there is one.
fn outline(payload: &[u8]) -> Option<Outline<'_>> {
    Facts::read(payload)?.outline()
}
