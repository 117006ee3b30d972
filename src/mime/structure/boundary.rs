//! The boundary of one multipart: what its header may mean by it, and which lines are delimiters.
//!
//! Mail does not always write a boundary as it declares it: `boundary=foo bar` without quotes, a
//! blank at the end, the forms of RFC 2231. All readings are kept until the first delimiter shows
//! which one is meant.

use crate::mime::params::{self, Lexer, extended};
use crate::types::limits::MAX_BOUNDARY;

/// What a line is to a multipart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// A delimiter: nothing but white space is behind the boundary.
    Exact {
        /// It closes the multipart.
        close: bool,
        /// Which reading of the boundary it has.
        reading: usize,
    },
    /// It begins with the boundary, of this length, and goes on.
    Longer(usize),
}

/// One reading of a boundary parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reading {
    /// Without white space at the end, which it cannot have (RFC 2046 5.1.1).
    text: Vec<u8>,
    /// It was declared with white space at the end, so that the closing `--` may follow a blank.
    padded: bool,
}

/// The boundary of an open multipart.
#[derive(Debug)]
pub(super) struct Boundary {
    readings: Vec<Reading>,
    /// A delimiter was seen.
    seen: bool,
    /// The reading that the first delimiter had, when it went on behind the boundary, and no other
    /// delimiter has confirmed yet.
    guessed: Option<usize>,
}

impl Boundary {
    /// Which of these a line belongs to, and how: the innermost one that it is, else the one of
    /// which it has the most. `open`: from the outermost multipart in; `None` has no boundary.
    pub(super) fn best_fit<'b>(
        open: impl DoubleEndedIterator<Item = Option<&'b Boundary>> + ExactSizeIterator,
        text: &[u8],
    ) -> Option<(usize, Fit)> {
        let mut best: Option<(usize, usize)> = None;
        for (level, boundary) in open.enumerate().rev() {
            match boundary.and_then(|boundary| boundary.fit(text)) {
                Some(Fit::Longer(len)) if best.is_none_or(|(_, most)| len > most) => {
                    best = Some((level, len));
                }
                Some(fit @ Fit::Exact { .. }) => return Some((level, fit)),
                _ => {}
            }
        }
        best.map(|(level, len)| (level, Fit::Longer(len)))
    }

    /// The boundary that a Content-Type value declares. None if there is none that can be searched
    /// for.
    pub(super) fn of(content_type: &[u8]) -> Option<Boundary> {
        let mut lex = Lexer::new(content_type);
        let mut readings = Vec::new();
        let mut add = |text: &[u8]| {
            let end = text.trim_ascii_end();
            if !end.is_empty()
                && end.len() <= MAX_BOUNDARY
                && readings.iter().all(|known: &Reading| known.text != end)
            {
                readings.push(Reading { text: end.to_vec(), padded: end.len() < text.len() });
            }
        };
        let mut plain = false;
        let mut others = Vec::new();
        lex.each_param(|name, value, written| {
            if name == b"boundary" {
                if !std::mem::replace(&mut plain, true) {
                    add(&value);
                    match written.iter().filter(|b| **b == b'"').count() {
                        0 => {
                            let written = params::one_line(written);
                            add(&written);
                            add(written.split(|b| *b == b' ').next().unwrap_or_default());
                        }
                        // A quote that is never closed.
                        1 => add(value.split(|b| *b == b';').next().unwrap_or_default()),
                        _ => {}
                    }
                }
            } else if name.starts_with(b"boundary*") {
                others.push(params::Param { name, value });
            }
        });
        if let Some(value) = extended(&others, b"boundary") {
            add(&value);
        }
        (!readings.is_empty()).then_some(Boundary { readings, seen: false, guessed: None })
    }

    /// The bytes that its readings begin with.
    pub(super) fn starts(&self) -> impl Iterator<Item = u8> {
        self.readings.iter().filter_map(|reading| reading.text.first().copied())
    }

    /// What a line is, of which `text` follows the `--`.
    ///
    /// RFC 2046 5.1.1: `delimiter transport-padding CRLF`, so a line with more behind the boundary
    /// is text: `-----Original Message-----` where the boundary is `-`. The prose of that section
    /// lets any line count that begins with the boundary (so does Courier); that holds for the
    /// first delimiter, for mail whose header has the boundary cut off.
    pub(super) fn fit(&self, text: &[u8]) -> Option<Fit> {
        let mut longer = None;
        for (reading, Reading { text: boundary, padded }) in self.readings.iter().enumerate() {
            let Some(after) = text.strip_prefix(boundary.as_slice()) else {
                continue;
            };
            if is_blank(after) {
                return Some(Fit::Exact { close: false, reading });
            }
            let dashes = if *padded { after.trim_ascii_start() } else { after };
            if dashes.strip_prefix(b"--").is_some_and(is_blank) {
                return Some(Fit::Exact { close: true, reading });
            }
            if !self.seen && !after.starts_with(b"--") {
                longer = longer.max(Some(boundary.len()));
            }
        }
        longer.map(Fit::Longer)
    }

    /// A line was taken for a delimiter: from now on it says what the boundary is. Whether the
    /// delimiter before it was none: it went on behind the boundary, and now the boundary itself
    /// comes. A preamble may have such a line.
    pub(super) fn settle(&mut self, text: &[u8], fit: Fit) -> bool {
        let first = !std::mem::replace(&mut self.seen, true);
        let guessed = self.guessed.take();
        match fit {
            Fit::Exact { reading, .. } if first => self.keep(reading),
            Fit::Exact { close: false, reading } if guessed.is_some_and(|g| g != reading) => {
                self.keep(reading);
                return true;
            }
            Fit::Longer(_) if first => {
                self.guessed = Some(self.readings.len());
                let text = text.trim_ascii_end();
                if text.len() <= MAX_BOUNDARY {
                    self.readings.push(Reading { text: text.to_vec(), padded: false });
                }
            }
            _ => {}
        }
        false
    }

    /// Drops all readings but one.
    fn keep(&mut self, reading: usize) {
        self.readings.swap(0, reading);
        self.readings.truncate(1);
    }
}

fn is_blank(text: &[u8]) -> bool {
    text.iter().all(|b| params::is_space(*b))
}
