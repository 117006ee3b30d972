//! Positions in a message, in stored bytes and in wire bytes.

use crate::mime::wire_form::line_ends;

/// A position in the file, and how many line ends precede it: the wire size of any range is a
/// subtraction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) pos: u64,
    pub(super) lf: u64,
    /// LFs without a CR before them: each is one byte longer on the wire.
    bare: u64,
}

impl Mark {
    /// The position on the wire.
    pub(super) fn wire(self) -> u64 {
        self.pos + self.bare
    }

    /// The position before the line break of `bytes` bytes (0: there is none) that ends here.
    pub(super) fn before_break(mut self, bytes: u64) -> Mark {
        if bytes > 0 {
            self.pos -= bytes;
            self.lf -= 1;
            self.bare -= u64::from(bytes == 1);
        }
        self
    }
}

/// The later one of two positions.
pub(super) fn later(a: Mark, b: Mark) -> Mark {
    if a.pos >= b.pos { a } else { b }
}

/// How far the file was read, and what the last bytes were.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    pub(super) now: Mark,
    last_cr: bool,
    /// The last byte ended a line.
    pub(super) last_lf: bool,
    /// The length of the last line break: 1 or 2, or 0 at the beginning.
    pub(super) last_break: u64,
}

impl Cursor {
    /// Passes over the next bytes.
    pub(super) fn advance(&mut self, bytes: &[u8]) {
        let Some((last, before)) = bytes.split_last() else {
            return;
        };
        let (lf, bare) = line_ends(bytes, self.last_cr);
        self.last_lf = *last == b'\n';
        if self.last_lf {
            let cr = before.last().map_or(self.last_cr, |b| *b == b'\r');
            self.last_break = if cr { 2 } else { 1 };
        }
        self.now.pos += bytes.len() as u64;
        self.now.lf += lf;
        self.now.bare += bare;
        self.last_cr = *last == b'\r';
    }
}
