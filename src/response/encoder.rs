//! The forms of the wire: atoms, strings, numbers, lists. Appends to the output queue of the
//! connection.

use crate::mime::facts::Text;
use crate::mime::{charset, encoded_word};
use crate::wire::io::Writer;
use crate::wire::{End, Io, write};

/// Writes values to a connection, in the charset that its client takes.
pub(crate) struct Encoder<'a> {
    target: Target<'a>,
    utf8: bool,
}

/// Where values go.
enum Target<'a> {
    Connection(Writer<'a>),
    Memory(&'a mut Vec<u8>),
}

impl Target<'_> {
    fn out(&mut self) -> &mut Vec<u8> {
        match self {
            Target::Connection(writer) => writer.out(),
            Target::Memory(out) => out,
        }
    }
}

impl<'a> Encoder<'a> {
    /// `utf8`: whether the client has asked for 8-bit text (RFC 9755).
    pub(crate) fn new(io: &'a mut Io, utf8: bool) -> Encoder<'a> {
        Encoder { target: Target::Connection(io.writer()), utf8 }
    }

    /// The same, for what is to be sent later, perhaps.
    pub(crate) fn in_memory(out: &'a mut Vec<u8>, utf8: bool) -> Encoder<'a> {
        Encoder { target: Target::Memory(out), utf8 }
    }

    /// Atoms and punctuation, as they are.
    pub(crate) fn raw(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        self.target.out().extend_from_slice(text.as_ref());
        self
    }

    /// A blank.
    pub(crate) fn space(&mut self) -> &mut Self {
        self.raw(" ")
    }

    /// `number` and its kin.
    pub(crate) fn number(&mut self, n: impl Into<u64>) -> &mut Self {
        write::number(self.target.out(), n.into());
        self
    }

    /// `string`: quoted, or a literal where it holds CR, LF or NUL, or 8-bit text for a client that
    /// has not asked for it. For one that has, what is not UTF-8 is repaired (RFC 9755 3).
    pub(crate) fn string(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        let text = text.as_ref();
        if self.utf8 {
            write::string(self.target.out(), charset::guess(text).as_bytes());
        } else {
            write::string_7bit(self.target.out(), text);
        }
        self
    }

    /// `string`, for text from a message. A client that has not asked for 8-bit text gets encoded
    /// words.
    pub(crate) fn text(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        let text = text.as_ref();
        if write::plain_string(self.target.out(), text) {
            return self;
        }
        if self.utf8 || text.is_ascii() {
            self.string(text)
        } else {
            self.string(encoded_word::encode(text))
        }
    }

    /// `nstring`, for text from a message.
    pub(crate) fn optional_text(&mut self, text: Option<impl AsRef<[u8]>>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.raw("NIL"),
        }
    }

    /// `string`, for text from a message that was remembered.
    pub(crate) fn remembered(&mut self, text: Text<'_>) -> &mut Self {
        match text {
            Text::Quoted(text) => self.raw(text),
            Text::Other(text) => self.text(text),
        }
    }

    /// `nstring`, for text from a message that was remembered.
    pub(crate) fn optional_remembered(&mut self, text: Option<Text<'_>>) -> &mut Self {
        match text {
            Some(text) => self.remembered(text),
            None => self.raw("NIL"),
        }
    }

    /// `string` or `literal8`, of bytes that are sent as they are: quoted where they are short and
    /// of ASCII (RFC 3501 9, `quoted`).
    pub(crate) fn binary(&mut self, bytes: &[u8]) -> &mut Self {
        const MAX_QUOTED: usize = 1000;
        let is_plain = |b: &u8| b.is_ascii() && !matches!(b, b'\r' | b'\n' | 0);
        if bytes.len() <= MAX_QUOTED && bytes.iter().all(is_plain) {
            write::string(self.target.out(), bytes);
            return self;
        }
        if bytes.contains(&0) {
            self.raw("~");
        }
        self.literal_head(bytes.len() as u64).raw(bytes)
    }

    /// `sequence-set`: the numbers in their order, runs of them joined.
    pub(crate) fn number_set(&mut self, numbers: impl IntoIterator<Item = u32>) -> &mut Self {
        write::number_set(self.target.out(), numbers);
        self
    }

    /// `sequence-set`: ranges, first and last number of each.
    pub(crate) fn set(&mut self, ranges: &[(u32, u32)]) -> &mut Self {
        for (i, (from, to)) in ranges.iter().enumerate() {
            if i > 0 {
                self.raw(",");
            }
            self.number(*from);
            if from != to {
                self.raw(":").number(*to);
            }
        }
        self
    }

    /// `{n}` and its line break. `length` bytes must follow.
    pub(crate) fn literal_head(&mut self, length: u64) -> &mut Self {
        write::literal_head(self.target.out(), length);
        self
    }

    /// `~{n}` and its line break (RFC 3516 7). `length` bytes must follow.
    pub(crate) fn literal8_head(&mut self, length: u64) -> &mut Self {
        write::literal8_head(self.target.out(), length);
        self
    }

    /// The values of a list with blanks between them; no parentheses.
    pub(crate) fn spaced<T>(
        &mut self,
        values: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Encoder<'a>, T),
    ) -> &mut Self {
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                self.space();
            }
            write(self, value);
        }
        self
    }

    /// `"(" [value *(SP value)] ")"`
    pub(crate) fn list<T>(
        &mut self,
        values: impl IntoIterator<Item = T>,
        write: impl FnMut(&mut Encoder<'a>, T),
    ) -> &mut Self {
        self.raw("(").spaced(values, write).raw(")")
    }

    /// Where the output ends now. For [`Encoder::repeat`].
    pub(crate) fn position(&mut self) -> usize {
        self.target.out().len()
    }

    /// Writes once more what was written from `start` to `end`. Nothing may have been flushed
    /// meanwhile.
    pub(crate) fn repeat(&mut self, start: usize, end: usize) -> &mut Self {
        debug_assert!(start <= end && end <= self.target.out().len(), "a range of the output");
        self.target.out().extend_from_within(start..end);
        self
    }

    /// In the middle of a long response: sends what has collected if that is a good deal.
    pub(crate) fn flush_within(&mut self) -> Result<(), End> {
        match &mut self.target {
            Target::Connection(writer) => writer.flush_within(),
            Target::Memory(_) => Ok(()),
        }
    }
}
