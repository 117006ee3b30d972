//! The push parser. It examines lines that may be boundaries or header fields, and counts the rest.
//!
//! Outside of headers the parser searches for `\n--` and counts line ends, both at memchr's speed.

use memchr::{memchr, memmem};

use super::boundary::{Boundary, Fit};
use super::fields::{Kept, describe, slot};
use super::part::{Content, Part, Structure, StructureLimits};
use super::position::{Cursor, Mark, later};
use crate::mime::header::split_field;

/// Of a line that may be a boundary, this many bytes count.
pub(super) const CANDIDATE: usize = 4096;

/// A part whose end has not been seen.
struct OpenPart {
    start: Mark,
    /// Where the body begins; None while in the header.
    body: Option<Mark>,
    /// It is a message, and not a body part.
    message: bool,
    kept: Kept,
    field: Option<usize>,
    part: Option<Part>,
    boundary: Option<Boundary>,
    /// The closing delimiter was seen; what follows is the epilogue.
    closed: bool,
    children: Vec<Part>,
    /// Where the last child ends.
    inner_end: Mark,
}

impl OpenPart {
    fn new(start: Mark, message: bool) -> Self {
        OpenPart {
            start,
            body: None,
            message,
            kept: Kept::default(),
            field: None,
            part: None,
            boundary: None,
            closed: false,
            children: Vec::new(),
            inner_end: Mark::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// In a header; `line` has the current line so far.
    Header,
    /// At the start of a line of a body.
    LineStart,
    /// In a body line that begins with `-`; `line` has its first bytes.
    Candidate,
    /// Somewhere in a body, waiting for the next `\n--`.
    Middle,
}

/// Parses one message, pushed in chunks of any size. [`super`] says what it guarantees.
pub(crate) struct Parser {
    limits: StructureLimits,
    cursor: Cursor,
    at: At,
    line: Vec<u8>,
    line_start: Mark,
    /// The length of the line break before `line_start`.
    line_break: u64,
    /// The open parts, from the message itself to the innermost. Never empty before `finish`.
    stack: Vec<OpenPart>,
    /// A boundary may occur: a multipart is open, and more parts are allowed.
    probing: bool,
    /// The bytes that open boundaries begin with: most lines with `--` are told apart by them.
    starts: [bool; 256],
    parts: usize,
    kept: usize,
    limited: bool,
    has_8bit_header: bool,
    header_ended: bool,
    delimiter: memmem::Finder<'static>,
}

impl Parser {
    /// At the start of a message.
    pub(crate) fn new(limits: StructureLimits) -> Self {
        Parser {
            limits,
            cursor: Cursor::default(),
            at: At::Header,
            line: Vec::new(),
            line_start: Mark::default(),
            line_break: 0,
            stack: vec![OpenPart::new(Mark::default(), true)],
            probing: false,
            starts: [false; 256],
            parts: 1,
            kept: 0,
            limited: false,
            has_8bit_header: false,
            header_ended: false,
            delimiter: memmem::Finder::new(b"\n--"),
        }
    }

    /// Takes the next bytes of the file.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while !rest.is_empty() {
            rest = match self.at {
                At::Header => self.header(rest),
                _ if !self.probing => {
                    self.cursor.advance(rest);
                    &[]
                }
                At::LineStart => self.body_line(rest),
                At::Candidate => self.candidate(rest),
                At::Middle => self.middle(rest),
            };
        }
    }

    /// The structure, at the end of the file. Parts that are still open end there.
    pub(crate) fn finish(mut self) -> Structure {
        match self.at {
            At::Header if !self.line.is_empty() => self.header_line(),
            At::Candidate => self.candidate_line(),
            _ => {}
        }
        let end = self.cursor.now;
        // A part without a closing boundary ends as if there were one after the last line
        // (Courier), so the last line break does not belong to it.
        let inner =
            if self.cursor.last_lf { end.before_break(self.cursor.last_break) } else { end };
        let waiting = self
            .stack
            .iter()
            .position(|open| open.boundary.is_some() && !open.closed)
            .filter(|_| !self.limited);
        let mut root = None;
        while let Some(level) = self.stack.len().checked_sub(1) {
            let at = if waiting.is_some_and(|outer| level > outer) { inner } else { end };
            root = self.close_top(at);
        }
        debug_assert!(root.is_some(), "closing the outermost part returns it");
        let root = root.unwrap_or_else(|| describe(Kept::default(), false).0);
        Structure {
            root,
            size: end.wire(),
            file_size: end.pos,
            has_8bit_header: self.has_8bit_header,
            header_ended: self.header_ended,
            limited: self.limited,
        }
    }

    fn start_line(&mut self) {
        self.line.clear();
        self.line_start = self.cursor.now;
        self.line_break = self.cursor.last_break;
    }

    /// Moves the rest of the line into `line`, which grows to `cap` bytes at most. Returns what
    /// follows it, and whether the line is complete.
    fn take_line<'a>(&mut self, chunk: &'a [u8], cap: usize) -> (&'a [u8], bool) {
        let (len, complete) = match memchr(b'\n', chunk) {
            Some(at) => (at + 1, true),
            None => (chunk.len(), false),
        };
        let (taken, rest) = chunk.split_at(len);
        let room = cap.saturating_sub(self.line.len()).min(taken.len());
        self.line.extend_from_slice(taken.get(..room).unwrap_or_default());
        self.cursor.advance(taken);
        (rest, complete)
    }

    fn header<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        if self.line.is_empty() {
            self.start_line();
        }
        let before = self.cursor.now.pos;
        let (rest, complete) = self.take_line(chunk, self.limits.max_field.max(CANDIDATE));
        if !self.has_8bit_header {
            let taken = chunk.get(..(self.cursor.now.pos - before) as usize).unwrap_or_default();
            self.has_8bit_header = !taken.is_ascii();
        }
        if complete {
            self.header_line();
        }
        rest
    }

    /// Handles a line of a header; at the end of the file it may be incomplete.
    fn header_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if let Some((level, fit)) = self.boundary(&line) {
            self.line = line;
            self.delimit(level, fit);
            return;
        }
        if line == b"\n" || line == b"\r\n" {
            self.header_ended = true;
            self.header_complete(self.cursor.now);
        } else {
            self.header_field(&line);
        }
        self.line = line;
        self.line.clear();
    }

    fn header_field(&mut self, line: &[u8]) {
        debug_assert!(!self.stack.is_empty());
        let Some(open) = self.stack.last_mut() else {
            return;
        };
        let text = if matches!(line.first(), Some(b' ' | b'\t')) {
            line
        } else {
            let field = split_field(line);
            open.field = slot(field.name).filter(|slot| open.kept.start(*slot));
            field.value
        };
        if let Some(value) = open.field.and_then(|slot| open.kept.value(slot)) {
            let room = self
                .limits
                .max_field
                .saturating_sub(value.len())
                .min(self.limits.max_kept.saturating_sub(self.kept))
                .min(text.len());
            value.extend_from_slice(text.get(..room).unwrap_or_default());
            self.kept += room;
            self.limited |= room < text.len();
        }
    }

    /// The innermost part's header ends at `end`: decides what the part is and what it may contain.
    fn header_complete(&mut self, end: Mark) {
        let depth = self.stack.len();
        let (parent, top) = match self.stack.as_mut_slice() {
            [.., parent, top] => (Some(parent), top),
            [top] => (None, top),
            [] => return,
        };
        // The digest's default applies to its direct parts only, not to a message enclosed in one.
        let digest = !top.message
            && parent.and_then(|p| p.part.as_ref()).is_some_and(|p| p.subtype == b"digest");
        let (mut part, boundary) = describe(std::mem::take(&mut top.kept), digest);
        part.header = top.start.pos..end.pos;
        part.header_size = end.wire() - top.start.wire();
        part.header_lines = end.lf - top.start.lf;
        top.body = Some(end);
        let is_message = part.is_message();
        let mut enclosed = false;
        if part.kind == b"multipart" {
            if depth < self.limits.max_depth {
                top.boundary = boundary;
            } else {
                self.limited = true;
            }
        } else if is_message {
            if depth < self.limits.max_depth && self.parts < self.limits.max_parts {
                enclosed = true;
            } else {
                self.limited = true;
                part.kind = b"application".to_vec();
                part.subtype = b"octet-stream".to_vec();
            }
        }
        top.part = Some(part);
        if enclosed {
            self.open_part(end, true);
        } else {
            self.at = At::LineStart;
        }
        self.note_probing();
    }

    fn open_part(&mut self, start: Mark, message: bool) {
        self.parts += 1;
        self.stack.push(OpenPart::new(start, message));
        self.at = At::Header;
        self.line.clear();
    }

    fn note_probing(&mut self) {
        let mut open = false;
        self.starts = [false; 256];
        for boundary in self.stack.iter().filter(|o| !o.closed).filter_map(|o| o.boundary.as_ref())
        {
            open = true;
            for start in boundary.starts() {
                if let Some(known) = self.starts.get_mut(usize::from(start)) {
                    *known = true;
                }
            }
        }
        self.probing = open && self.parts < self.limits.max_parts;
        self.limited |= open && !self.probing;
    }

    fn body_line<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        if chunk.first() == Some(&b'-') {
            self.start_line();
            self.at = At::Candidate;
        } else {
            self.at = At::Middle;
        }
        chunk
    }

    fn middle<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let consumed = match self.delimiter.find(chunk) {
            Some(at) => at + 1,
            // The pattern may end in the next chunk.
            None if chunk.ends_with(b"\n-") => chunk.len() - 1,
            None => chunk.len(),
        };
        let (taken, rest) = chunk.split_at(consumed);
        self.cursor.advance(taken);
        if taken.last() == Some(&b'\n') {
            self.at = At::LineStart;
        }
        rest
    }

    fn candidate<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let (rest, complete) = self.take_line(chunk, CANDIDATE);
        if complete {
            self.candidate_line();
        } else if self.line.len() >= 2 && !self.line.starts_with(b"--") {
            self.at = At::Middle;
        }
        rest
    }

    fn candidate_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let found = self.boundary(&line);
        self.line = line;
        self.at = At::LineStart;
        if let Some((level, fit)) = found {
            self.delimit(level, fit);
        }
    }

    /// Which open multipart this line belongs to, and how.
    ///
    /// Where several open boundaries begin the line (`b` and a nested `bb`), the one that fills it
    /// is meant; Courier would take the outer one and cut the inner multipart in two. Of equals the
    /// innermost: the outer ones' turn comes when it is closed (Courier: the outermost, and what
    /// follows its end is in no part). Of several that do not fill it, the longest.
    fn boundary(&self, line: &[u8]) -> Option<(usize, Fit)> {
        if !self.probing {
            return None;
        }
        let text = line.get(..CANDIDATE).unwrap_or(line).strip_prefix(b"--")?;
        let start = text.first()?;
        if self.starts.get(usize::from(*start)) != Some(&true) {
            return None;
        }
        let open = self.stack.iter().map(|open| open.boundary.as_ref().filter(|_| !open.closed));
        Boundary::best_fit(open, text)
    }

    /// The current line is a delimiter of the multipart at `level`.
    fn delimit(&mut self, level: usize, fit: Fit) {
        let close = matches!(fit, Fit::Exact { close: true, .. });
        let text = self.line.get(..CANDIDATE).unwrap_or(&self.line);
        let text = text.strip_prefix(b"--").unwrap_or_default();
        let boundary = self.stack.get_mut(level).and_then(|open| open.boundary.as_mut());
        let was_preamble = boundary.is_some_and(|boundary| boundary.settle(text, fit));
        // The line break before a boundary belongs to the boundary.
        let end = self.line_start.before_break(self.line_break);
        self.close_above(level + 1, end);
        // The one part so far is no part.
        if let Some(open) = self.stack.get_mut(level).filter(|_| was_preamble) {
            open.children.clear();
        }
        self.line.clear();
        if close {
            if let Some(open) = self.stack.get_mut(level) {
                open.closed = true;
            }
            self.at = At::LineStart;
        } else {
            self.open_part(self.cursor.now, false);
        }
        self.note_probing();
    }

    /// Closes parts until `keep` are open. `end`: where the line break before the boundary begins.
    fn close_above(&mut self, keep: usize, end: Mark) {
        while self.stack.len() > keep {
            self.close_top(end);
        }
    }

    /// Closes the innermost part and adds it to the one around it; the outermost is returned. If
    /// the part is still in its header, only the header ends, which may open a part inside; nothing
    /// is closed then.
    fn close_top(&mut self, end: Mark) -> Option<Part> {
        if let Some(top) = self.stack.last().filter(|top| top.body.is_none()) {
            self.header_complete(later(top.start, end));
            return None;
        }
        let top = self.stack.pop()?;
        let mut part = top.part?;
        let start = top.body?;
        // A line break that ends a header (this part's, or that of the last part inside) belongs to
        // that header and not to the boundary.
        let end = later(later(start, end), top.inner_end);
        part.body = start.pos..end.pos;
        part.body_size = end.wire() - start.wire();
        part.body_lines = end.lf - start.lf;
        let is_message = part.kind == b"message";
        let mut children = top.children;
        part.content = match children.pop() {
            None => Content::Leaf,
            Some(inner) if is_message => Content::Message(Box::new(inner)),
            Some(last) => {
                children.push(last);
                Content::Multipart(children)
            }
        };
        match self.stack.last_mut() {
            Some(parent) => {
                parent.children.push(part);
                parent.inner_end = end;
                None
            }
            None => Some(part),
        }
    }
}
