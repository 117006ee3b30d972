//! A message with parts in `binary` becomes one without, as it is received (RFC 3516 4.4): in the
//! files of a Maildir there are lines, of which IMAP sends no NUL, and CRs are not kept.
//!
//! A part whose Content-Transfer-Encoding is `binary` becomes `base64`; a multipart or an enclosed
//! message with that label, which it has for the sake of what is in it (RFC 2045 6.4), becomes
//! `8bit`. All else passes byte for byte. Parts are found by the rules of [`super::Parser`], so that
//! what was encoded here is decoded there.
//!
//! Some messages have no such form: with a NUL outside of a binary part, with `binary` for a type
//! that cannot be encoded, with more parts than are looked at.

mod header;

use super::boundary::{Boundary, Fit};
use super::parser::CANDIDATE;
use super::part::{Part, StructureLimits};
use crate::mime::encode::Lines;
use header::Header;
use memchr::{memchr, memmem};
use std::borrow::Cow;

/// The message has no form without `binary`.
struct NoForm;

type Result<T> = std::result::Result<T, NoForm>;

/// An entity whose end has not been seen.
struct OpenPart {
    /// It is a message, and not a body part.
    message: bool,
    /// It is a multipart/digest.
    is_digest: bool,
    boundary: Option<Boundary>,
    /// The closing delimiter was seen.
    closed: bool,
}

impl OpenPart {
    fn new(message: bool) -> OpenPart {
        OpenPart { message, is_digest: false, boundary: None, closed: false }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// At the start of a line of a header.
    Header,
    /// In a line of a header that is too long to be looked at.
    LongLine,
    /// At the start of a line of a body.
    LineStart,
    /// At a line break of a body that is encoded, and `--` follows.
    Break,
    /// Somewhere in a body.
    Middle,
}

/// Takes a message in chunks of any size, and passes on one without `binary`.
pub(crate) struct NoBinary {
    limits: StructureLimits,
    /// What was received and not passed on.
    waiting: Vec<u8>,
    at: At,
    /// The open parts, from the message itself to the innermost. Never empty.
    stack: Vec<OpenPart>,
    /// The header that the message is in.
    header: Header,
    /// The body is encoded.
    encoder: Option<Lines>,
    parts: usize,
    /// Something was changed.
    changed: bool,
    failed: bool,
    delimiter: memmem::Finder<'static>,
}

impl NoBinary {
    /// At the start of a message.
    pub(crate) fn new(limits: StructureLimits) -> NoBinary {
        NoBinary {
            limits,
            waiting: Vec::new(),
            at: At::Header,
            stack: vec![OpenPart::new(true)],
            header: Header::default(),
            encoder: None,
            parts: 1,
            changed: false,
            failed: false,
            delimiter: memmem::Finder::new(b"\n--"),
        }
    }

    /// Whether the message has no form without `binary`. Then what is passed on is the message as
    /// it came, from there on.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Takes the next bytes, and appends what they have become to `out`.
    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if self.failed {
            out.extend_from_slice(chunk);
            return;
        }
        self.waiting.extend_from_slice(chunk);
        self.work(false, out);
    }

    /// Appends what was held back, at the end of the message.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.work(true, out);
        // A header without its end; it may enclose a message, which has none either.
        while !self.failed && matches!(self.at, At::Header | At::LongLine) {
            if self.header_complete(out).is_err() {
                self.fail(&[], out);
            }
        }
        if let Some(encoder) = self.encoder.take() {
            encoder.finish(out);
        }
    }

    fn work(&mut self, is_end: bool, out: &mut Vec<u8>) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut rest = waiting.as_slice();
        while !self.failed && !rest.is_empty() {
            match self.step(rest, is_end, out) {
                Ok(Some(taken)) => rest = rest.get(taken..).unwrap_or_default(),
                Ok(None) => break,
                Err(NoForm) => {
                    self.fail(rest, out);
                    rest = &[];
                }
            }
        }
        let taken = waiting.len() - rest.len();
        waiting.drain(..taken);
        self.waiting = waiting;
    }

    /// Passes on what was held back as it is.
    fn fail(&mut self, rest: &[u8], out: &mut Vec<u8>) {
        self.failed = true;
        if let Some(encoder) = self.encoder.take() {
            encoder.finish(out);
        }
        std::mem::take(&mut self.header).pass_on(out);
        out.extend_from_slice(rest);
    }

    /// Takes some bytes from the front of `rest`, which is not empty: how many, and `None` if more
    /// must come first.
    fn step(&mut self, rest: &[u8], is_end: bool, out: &mut Vec<u8>) -> Result<Option<usize>> {
        match self.at {
            At::Header => self.header(rest, is_end, out),
            At::LongLine => {
                let line = first_line(rest).unwrap_or(rest);
                self.header.more(line, out)?;
                if line.ends_with(b"\n") {
                    self.at = At::Header;
                }
                Ok(Some(line.len()))
            }
            _ if !self.is_probing() => {
                self.pass_body(rest, out)?;
                Ok(Some(rest.len()))
            }
            _ if self.encoder.is_none() => self.text(rest, is_end, out),
            At::LineStart => self.candidate(0, rest, is_end, out),
            At::Break => {
                let length = if rest.starts_with(b"\r") { 2 } else { 1 };
                self.candidate(length, rest, is_end, out)
            }
            At::Middle => self.middle(rest, is_end, out),
        }
    }

    fn header(&mut self, rest: &[u8], is_end: bool, out: &mut Vec<u8>) -> Result<Option<usize>> {
        let line = match first_line(rest) {
            Some(line) => line,
            None if is_end => rest,
            None if rest.len() >= self.limits.max_field => {
                self.at = At::LongLine;
                rest
            }
            None => return Ok(None),
        };
        let stored = stored_form(line);
        if let Some((level, fit)) = self.boundary(&stored) {
            must_be_whole(line, is_end)?;
            self.header_complete(out)?;
            self.delimit(level, fit, &stored)?;
            self.end_body(out);
            out.extend_from_slice(line);
        } else if *stored == *b"\n" || *stored == *b"\r\n" {
            self.header_complete(out)?;
            out.extend_from_slice(line);
        } else {
            self.header.line(line, &stored, &self.limits, out)?;
        }
        Ok(Some(line.len()))
    }

    /// A header has ended: decides what is to become of the body, and passes the header on.
    fn header_complete(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let depth = self.stack.len();
        let in_digest = match self.stack.as_slice() {
            [.., parent, top] => parent.is_digest && !top.message,
            _ => false,
        };
        let (part, boundary) = self.header.describe(in_digest);
        let is_binary = part.encoding == b"binary";
        let encloses = part.is_message();
        let is_multipart = part.kind == b"multipart";
        if (encloses || is_multipart) && depth >= self.limits.max_depth {
            return Err(NoForm);
        }
        if is_binary {
            let label = label_for(&part, encloses || boundary.is_some())?;
            self.changed = true;
            self.header.relabel(label)?;
            self.encoder = (label == BASE64).then(Lines::default);
        }
        std::mem::take(&mut self.header).pass_on(out);
        if let Some(top) = self.stack.last_mut() {
            top.is_digest = part.subtype == b"digest";
            top.boundary = boundary;
        }
        self.at = At::LineStart;
        if encloses {
            self.open_part(true)?;
        }
        Ok(())
    }

    fn open_part(&mut self, message: bool) -> Result<()> {
        self.parts += 1;
        if self.parts > self.limits.max_parts {
            return Err(NoForm);
        }
        self.stack.push(OpenPart::new(message));
        self.at = At::Header;
        Ok(())
    }

    /// Whether a boundary may occur.
    fn is_probing(&self) -> bool {
        self.stack.iter().any(|open| open.boundary.is_some() && !open.closed)
    }

    /// In a body that is not encoded.
    fn text(&mut self, rest: &[u8], is_end: bool, out: &mut Vec<u8>) -> Result<Option<usize>> {
        let line = match first_line(rest) {
            Some(line) => line,
            None if is_end || self.at == At::Middle || rest.len() >= CANDIDATE => rest,
            None => return Ok(None),
        };
        let stored = stored_form(line);
        let found = if self.at == At::LineStart { self.boundary(&stored) } else { None };
        match found {
            Some((level, fit)) => {
                must_be_whole(line, is_end)?;
                self.delimit(level, fit, &stored)?;
                out.extend_from_slice(line);
            }
            None => {
                self.pass_body(line, out)?;
                self.at = if line.ends_with(b"\n") { At::LineStart } else { At::Middle };
            }
        }
        Ok(Some(line.len()))
    }

    /// In a body that is encoded: up to a line break that may belong to a delimiter.
    fn middle(&mut self, rest: &[u8], is_end: bool, out: &mut Vec<u8>) -> Result<Option<usize>> {
        if let Some(at) = self.delimiter.find(rest) {
            let before = rest.get(..at).unwrap_or_default();
            let text = before.strip_suffix(b"\r").unwrap_or(before);
            self.pass_body(text, out)?;
            self.at = At::Break;
            return Ok(Some(text.len()));
        }
        let waits = [&b"\r\n-"[..], b"\n-", b"\r\n", b"\n", b"\r"];
        let text = match waits.iter().find_map(|end| rest.strip_suffix(*end)) {
            Some(text) if !is_end => text,
            _ => rest,
        };
        self.pass_body(text, out)?;
        Ok((!text.is_empty()).then_some(text.len()))
    }

    /// In a body that is encoded: a line that may be a delimiter, behind the `line_break` bytes of
    /// a line break.
    fn candidate(
        &mut self,
        line_break: usize,
        rest: &[u8],
        is_end: bool,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>> {
        let (before, text) = rest.split_at_checked(line_break).unwrap_or((rest, &[]));
        if !text.starts_with(b"--") {
            if b"--".starts_with(text) && !is_end {
                return Ok(None);
            }
            self.at = At::Middle;
            return Ok(Some(0));
        }
        let line = match first_line(text) {
            Some(line) => line,
            None if is_end || text.len() >= CANDIDATE => text,
            None => return Ok(None),
        };
        let Some((level, fit)) = self.boundary(line) else {
            // The line's own end may be the break before a delimiter.
            let taken = line_break + 2;
            self.pass_body(rest.get(..taken).unwrap_or_default(), out)?;
            self.at = At::Middle;
            return Ok(Some(taken));
        };
        must_be_whole(line, is_end)?;
        self.delimit(level, fit, line)?;
        self.end_body(out);
        out.extend_from_slice(before);
        out.extend_from_slice(line);
        Ok(Some(line_break + line.len()))
    }

    fn pass_body(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match &mut self.encoder {
            Some(encoder) => encoder.push(bytes, out),
            None => {
                must_be_text(bytes)?;
                out.extend_from_slice(bytes);
            }
        }
        Ok(())
    }

    fn end_body(&mut self, out: &mut Vec<u8>) {
        if let Some(encoder) = self.encoder.take() {
            encoder.finish(out);
        }
    }

    /// As [`super::Parser`] has it: which open multipart this line belongs to, and how.
    fn boundary(&self, line: &[u8]) -> Option<(usize, Fit)> {
        let text = delimiter_text(line)?;
        let open = self.stack.iter().map(|open| open.boundary.as_ref().filter(|_| !open.closed));
        Boundary::best_fit(open, text)
    }

    /// The line is a delimiter of the multipart at `level`.
    fn delimit(&mut self, level: usize, fit: Fit, line: &[u8]) -> Result<()> {
        must_be_text(line)?;
        let text = delimiter_text(line).unwrap_or_default();
        let open = self.stack.get_mut(level).ok_or(NoForm)?;
        // What looked like a part until now was none: too late, if it was changed.
        if open.boundary.as_mut().is_some_and(|b| b.settle(text, fit)) && self.changed {
            return Err(NoForm);
        }
        if matches!(fit, Fit::Exact { close: true, .. }) {
            open.closed = true;
            self.at = At::LineStart;
            self.stack.truncate(level + 1);
            return Ok(());
        }
        self.stack.truncate(level + 1);
        self.open_part(false)
    }
}

const BASE64: &[u8] = b"base64";

/// What `binary` becomes. `is_open`: its parts are looked at.
fn label_for(part: &Part, is_open: bool) -> Result<&'static [u8]> {
    if is_open {
        return Ok(b"8bit");
    }
    // RFC 2045 6.4: no encoding for these.
    if part.kind == b"multipart" || part.kind == b"message" {
        return Err(NoForm);
    }
    Ok(BASE64)
}

/// The first line, with its LF; `None` if that has not come.
fn first_line(text: &[u8]) -> Option<&[u8]> {
    memchr(b'\n', text).and_then(|at| text.get(..=at))
}

/// A line of text as it will be stored: only a line's end may have a CR.
fn stored_form(line: &[u8]) -> Cow<'_, [u8]> {
    let text = line.strip_suffix(b"\r\n").unwrap_or(line);
    if memchr(b'\r', text).is_none() {
        return Cow::Borrowed(line);
    }
    Cow::Owned(line.iter().copied().filter(|b| *b != b'\r').collect())
}

/// What follows the `--` of a line that may be a delimiter, as far as it counts.
fn delimiter_text(line: &[u8]) -> Option<&[u8]> {
    line.get(..CANDIDATE).unwrap_or(line).strip_prefix(b"--")
}

/// A delimiter with more blanks behind it than are waited for.
fn must_be_whole(line: &[u8], is_end: bool) -> Result<()> {
    if is_end || line.ends_with(b"\n") { Ok(()) } else { Err(NoForm) }
}

fn must_be_text(bytes: &[u8]) -> Result<()> {
    if memchr(0, bytes).is_some() { Err(NoForm) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
