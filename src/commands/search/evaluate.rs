//! Whether a message matches, decided step by step, the cheap steps first (RFC 3501 6.4.4, PROTOCOL
//! 6.6).
//!
//! A key is true, false or not known yet. At first only the session's snapshot is asked. If that
//! leaves the answer open, the file is opened, then its header is read, then the file is measured,
//! then its text is decoded. After each step the criteria are tried again. A file is opened once,
//! and nothing is read that cannot change the answer. Text passes through in chunks: a message of
//! any size is searched in a small, fixed amount of memory.

use super::mail::{Folder, Mail};
use super::plan::{HeaderTest, Level, Node, Plan};
use crate::mime::charset::ToUtf8;
use crate::mime::decode::Decoder;
use crate::mime::header::{self, Field};
use crate::mime::search_text::{Matcher, Needle};
use crate::mime::structure::{self, Content, Part, StructureLimits};
use crate::mime::{address, date, encoded_word};
use crate::session::message::{Reader, Wants};
use crate::sys::breath::{self, Interrupted};
use crate::sys::clock;
use std::borrow::Cow;
use std::io;

/// A header that is looked through at one go, in bytes.
const SHORT: usize = 16 * 1024;
/// So many tests of header fields are done at one go.
const FEW: usize = 16;

/// What is known of a message.
struct Known {
    level: Level,
    /// The internal date, in seconds since 1970.
    received: i64,
    /// Bytes of the file: the size on the wire is no less, and at most twice as much.
    stored: u64,
    size: Option<u64>,
    /// Whether its structure is at hand, so that nobody need ask its header for it.
    has_structure: bool,
    /// The day in the Date field.
    sent: Option<i64>,
    /// By header test.
    headers: Vec<bool>,
    /// By text test: found.
    texts: Vec<bool>,
}

/// The value of a field, of which each form is made when it is first needed.
struct Value<'a> {
    stored: &'a [u8],
    is_plain: Option<bool>,
    text: Option<Cow<'a, str>>,
    addresses: Option<Option<String>>,
}

impl<'a> Value<'a> {
    fn of(stored: &'a [u8]) -> Value<'a> {
        Value { stored, is_plain: None, text: None, addresses: None }
    }

    /// Whether a string is in it.
    fn passes(&mut self, test: &HeaderTest, buffer: &mut Vec<u8>) -> bool {
        if test.needle.is_empty() {
            return true;
        }
        let stored = self.stored;
        let is_plain = || stored.len() <= SHORT && encoded_word::is_plain(stored);
        let is_plain = *self.is_plain.get_or_insert_with(is_plain);
        let is_found = if is_plain {
            test.needle.contains_ascii(stored, buffer)
        } else {
            let text = self.text.get_or_insert_with(|| encoded_word::decode(stored));
            test.needle.contains(text, buffer)
        };
        if is_found {
            return true;
        }
        let addresses = || address::search_form(stored);
        test.is_address
            && match self.addresses.get_or_insert_with(addresses) {
                Some(addresses) => test.needle.contains(addresses, buffer),
                None => false,
            }
    }
}

/// Criteria at work.
pub(crate) struct Evaluation<'p> {
    plan: &'p Plan,
    known: Known,
    /// A buffer.
    form: Vec<u8>,
    /// Kept from text to text.
    work: Option<Work<'p>>,
}

/// What a text passes through.
struct Work<'p> {
    decoded: Vec<u8>,
    text: String,
    matcher: Matcher<'p>,
}

impl<'p> Evaluation<'p> {
    /// For these criteria.
    pub(crate) fn new(plan: &'p Plan) -> Evaluation<'p> {
        let known = Known {
            level: Level::View,
            received: 0,
            stored: 0,
            size: None,
            has_structure: false,
            sent: None,
            headers: vec![false; plan.headers.len()],
            texts: vec![false; plan.texts.len()],
        };
        Evaluation { plan, known, form: Vec::new(), work: None }
    }

    /// Whether the message that `mail` has turned to matches.
    // Courier: a message whose file is gone when it is wanted matches nothing, not even a NOT
    // (PROTOCOL 6.6).
    pub(crate) fn matches(&mut self, folder: &mut impl Folder, mail: &mut Mail) -> bool {
        self.known.level = Level::View;
        if let Some(answer) = self.answer(folder, mail.index) {
            return answer;
        }
        match self.learn(folder, mail) {
            Ok(()) => self.answer(folder, mail.index).unwrap_or(false),
            Err(e) => {
                folder.unreadable(mail.index, e);
                false
            }
        }
    }

    fn answer(&self, folder: &impl Folder, index: usize) -> Option<bool> {
        if self.known.level < self.plan.least {
            return None;
        }
        self.value(&self.plan.root, folder, index)
    }

    /// Learns more and more, until the answer is there.
    ///
    /// # Errors
    /// The file is gone or cannot be read.
    fn learn(&mut self, folder: &mut impl Folder, mail: &mut Mail) -> io::Result<()> {
        let index = mail.index;
        let gone = io::ErrorKind::NotFound;
        let plan = self.plan;
        if !plan.wants_header && !plan.wants.size {
            self.known.received = mail.internal_date(folder).ok_or(gone)?;
            self.known.level = Level::Text;
            return Ok(());
        }
        let message = mail.with(folder, &plan.wants).ok_or(gone)?;
        let known = &mut self.known;
        known.level = Level::File;
        known.received = message.date();
        known.stored = message.reader.len();
        known.size = message.known_size();
        known.has_structure = !plan.texts.is_empty() && message.has_structure();
        known.texts.clear();
        known.texts.extend(plan.texts.iter().map(Needle::is_empty));
        if self.answer(folder, index).is_some() {
            return Ok(());
        }
        let mut lone = None;
        if plan.wants_header {
            if !plan.texts.is_empty() && message.reader.is_open() {
                message.reader.read_ahead()?;
            }
            match &plan.wants.fields {
                Some(names) if plan.texts.is_empty() => {
                    self.read_fields(message.fields(names)?)?;
                }
                Some(names) => lone = self.read_header(message.header(names)?)?,
                None => lone = self.read_header(message.whole_header()?)?,
            }
            self.known.level = Level::Header;
            if self.answer(folder, index).is_some() {
                return Ok(());
            }
        }
        if plan.wants.size {
            self.known.size = Some(message.size()?);
            self.known.level = Level::Size;
            if self.answer(folder, index).is_some() {
                return Ok(());
            }
        }
        let text = Wants { bytes: true, structure: true, ..Wants::default() };
        let message = mail.with(folder, &text).ok_or(gone)?;
        match lone {
            Some(mut part) => {
                part.body = message.header_len()?..message.reader.len();
                self.read_text(&[&part], &mut message.reader, &*folder, index)?;
            }
            None => {
                let structure = message.structure()?;
                let mut parts = Vec::new();
                structure.root.walk(&mut |part| parts.push(part));
                self.read_text(&parts, &mut message.reader, &*folder, index)?;
            }
        }
        self.known.level = Level::Text;
        Ok(())
    }

    /// Takes all that the message's own header says. Returns the message as a part, where the
    /// header says that it has no others, and its structure is not at hand.
    fn read_header(&mut self, block: &[u8]) -> Result<Option<Part>, Interrupted> {
        self.read_fields(header::fields(block))?;
        if self.plan.texts.is_empty() {
            return Ok(None);
        }
        self.look_in_fields(block)?;
        if self.known.has_structure {
            return Ok(None);
        }
        let root = structure::parse(block, StructureLimits::default()).root;
        let is_lone = root.content == Content::Leaf
            && !matches!(root.kind.as_slice(), b"multipart" | b"message");
        Ok(is_lone.then_some(root))
    }

    /// Takes what the fields of the message's own header say that are asked about.
    fn read_fields<'f>(
        &mut self,
        fields: impl Iterator<Item = Field<'f>>,
    ) -> Result<(), Interrupted> {
        let (plan, known, buffer) = (self.plan, &mut self.known, &mut self.form);
        known.headers.fill(false);
        known.sent = None;
        let mut dated = !plan.wants_sent;
        let (mut length, has_many) = (0, plan.headers.len() > FEW);
        for field in fields {
            length += field.raw.len();
            let is_long = length > SHORT || has_many;
            if is_long {
                breath::breathe()?;
            }
            if !dated && field.is(b"Date") {
                dated = true;
                // RFC 3501 6.4.4: "disregarding time and timezone": the day as it is written
                // (Courier: the server's local day).
                known.sent = date::parse(field.value).map(|d| d.days());
            }
            let mut value = Value::of(field.value);
            for (test, found) in plan.headers.iter().zip(&mut known.headers) {
                // RFC 3501 6.4.4: the envelope's fields, the message's header: its own (Courier:
                // any header in the message).
                if !*found && !field.name.is_empty() && field.is(&test.name) {
                    if is_long {
                        breath::breathe()?;
                    }
                    *found = value.passes(test, buffer);
                }
            }
        }
        Ok(())
    }

    /// Looks for strings in header fields, names and values.
    // RFC 3501 6.4.4: TEXT is the header or the body; a match may span a field's name and value
    // (Courier: not).
    fn look_in_fields(&mut self, block: &[u8]) -> Result<(), Interrupted> {
        let (plan, buffer) = (self.plan, &mut self.form);
        let tests = || plan.with_headers.iter().zip(&plan.texts);
        if !tests().zip(&self.known.texts).any(|((with, _), found)| *with && !*found) {
            return Ok(());
        }
        for field in header::fields(block) {
            breath::breathe()?;
            let text = encoded_word::decode(field.raw);
            for ((with, needle), found) in tests().zip(&mut self.known.texts) {
                *found = *found || (*with && needle.contains(&text, buffer));
            }
        }
        Ok(())
    }

    /// Looks for strings in the text of the parts, and in the headers of all but the first; stops
    /// once the answer is there.
    fn read_text(
        &mut self,
        parts: &[&Part],
        reader: &mut Reader,
        folder: &impl Folder,
        index: usize,
    ) -> io::Result<()> {
        let mut work = self.work.take().unwrap_or_else(|| Work {
            decoded: Vec::new(),
            text: String::new(),
            matcher: Matcher::new(&self.plan.texts),
        });
        let done = self.read_text_with(&mut work, parts, reader, (folder, index));
        self.work = Some(work);
        done
    }

    fn read_text_with(
        &mut self,
        Work { decoded, text, matcher }: &mut Work<'_>,
        parts: &[&Part],
        reader: &mut Reader,
        (folder, index): (&impl Folder, usize),
    ) -> io::Result<()> {
        // Courier: the texts of the parts are one text.
        matcher.begin();
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                breath::breathe()?;
                self.look_in_fields(reader.header_block(part.header.clone())?)?;
                if self.answer(folder, index).is_some() {
                    return Ok(());
                }
            }
            // RFC 3501 6.4.4: parts of other types than text and message may be left out.
            if part.content != Content::Leaf
                || !matches!(part.kind.as_slice(), b"text" | b"message")
            {
                continue;
            }
            let mut decoder = Decoder::for_encoding(&part.encoding);
            let mut to_utf8 = ToUtf8::for_body(part.param(b"charset"));
            let mut at = part.body.start;
            while at < part.body.end {
                let chunk = reader.chunk(at)?;
                let left = usize::try_from(part.body.end.saturating_sub(at)).unwrap_or(usize::MAX);
                let chunk = chunk.get(..left).unwrap_or(chunk);
                if chunk.is_empty() {
                    break;
                }
                at = at.saturating_add(chunk.len() as u64);
                text.clear();
                if decoder.is_identity() {
                    to_utf8.push(chunk, text);
                } else {
                    decoded.clear();
                    decoder.push(chunk, decoded);
                    to_utf8.push(decoded, text);
                }
                if self.pass(matcher, text) && self.answer(folder, index).is_some() {
                    return Ok(());
                }
            }
            decoded.clear();
            decoder.finish(decoded);
            text.clear();
            to_utf8.push(decoded, text);
            to_utf8.finish(text);
            self.pass(matcher, text);
        }
        Ok(())
    }

    /// Matches more text; whether a string was found in it.
    fn pass(&mut self, matcher: &mut Matcher<'_>, text: &str) -> bool {
        matcher.push(text);
        let mut new = false;
        for (test, found) in self.known.texts.iter_mut().enumerate() {
            if !*found && matcher.found(test) {
                *found = true;
                new = true;
            }
        }
        new
    }

    /// True, false, or not known yet. Recursion is bounded by the number of keys in a command.
    fn value(&self, node: &Node, folder: &impl Folder, index: usize) -> Option<bool> {
        let known = &self.known;
        let from = |level: Level, value: bool| (known.level >= level).then_some(value);
        match node {
            Node::Is(known) => Some(*known),
            Node::And(nodes) => self.list(nodes, folder, index, false),
            Node::Or(nodes) => self.list(nodes, folder, index, true),
            Node::Not(node) => self.value(node, folder, index).map(|value| !value),
            Node::Numbers(ranges) => Some(
                u32::try_from(index)
                    .is_ok_and(|i| i.checked_add(1).is_some_and(|n| ranges.contains(n))),
            ),
            Node::Uids(ranges) => {
                Some(folder.uid(index).is_some_and(|uid| ranges.contains(uid.get())))
            }
            Node::Flag(flag) => Some(folder.flags(index).contains(*flag)),
            Node::Recent => Some(folder.recent(index)),
            Node::Changed(since) => Some(folder.sequence(index) >= *since),
            Node::Keyword(number) => Some(folder.has_keyword(index, *number)),
            // Courier: the server's local day; RFC 3501 6.4.4 disregards the zone, and INTERNALDATE
            // is in this one.
            Node::Internal(when, day) => {
                from(Level::File, when.holds(local_day(known.received), *day))
            }
            Node::Saved(when, day) => match folder.saved(index) {
                Some(seconds) => Some(when.holds(local_day(seconds), *day)),
                // RFC 8514 4.3: the internal date, where this one is not known.
                None => from(Level::File, when.holds(local_day(known.received), *day)),
            },
            Node::Until(moment) => from(Level::File, known.received <= *moment),
            Node::From(moment) => from(Level::File, known.received >= *moment),
            Node::Sent(when, day) => {
                from(Level::Header, known.sent.is_some_and(|sent| when.holds(sent, *day)))
            }
            // RFC 3501 6.4.4: the RFC-2822 size, which is RFC822.SIZE (Courier: the size of the
            // file).
            Node::Larger(n) => self.size(|size| size > *n),
            Node::Smaller(n) => self.size(|size| size < *n),
            Node::Header(test) => {
                from(Level::Header, known.headers.get(*test).copied().unwrap_or(false))
            }
            Node::Text(test) => match known.texts.get(*test) {
                Some(true) if known.level >= Level::File => Some(true),
                _ => from(Level::Text, false),
            },
        }
    }

    /// Whether a comparison of the size on the wire holds; from the size of the file alone where
    /// that decides it.
    fn size(&self, holds: impl Fn(u64) -> bool) -> Option<bool> {
        let known = &self.known;
        if known.level < Level::File {
            return None;
        }
        match known.size {
            Some(size) => Some(holds(size)),
            None => {
                let least = holds(known.stored);
                (least == holds(known.stored.saturating_mul(2))).then_some(least)
            }
        }
    }

    /// Whether one of these has the value `decisive`; otherwise they are all the other, or some are
    /// not known.
    fn list(
        &self,
        nodes: &[Node],
        folder: &impl Folder,
        index: usize,
        decisive: bool,
    ) -> Option<bool> {
        let mut all = Some(!decisive);
        for node in nodes {
            match self.value(node, folder, index) {
                Some(value) if value == decisive => return Some(decisive),
                Some(_) => {}
                None => all = None,
            }
        }
        all
    }
}

/// The day of a moment in the server's zone, in days since 1970-01-01.
fn local_day(seconds: i64) -> i64 {
    let local = clock::local_time(seconds);
    let small = |n: u32| u8::try_from(n).unwrap_or(1);
    date::days_from_civil(local.year, small(local.month), small(local.day))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
