//! Numbers and strings in a payload. Whatever is read may be anybody's: each length is checked
//! against what is there.

/// Strings of which one or two bytes stand in a payload, in quotes, as an answer has them. The order
/// counts: new ones go to the end.
static WORDS: [&[u8]; 63] = [
    b"\"text\"",
    b"\"plain\"",
    b"\"charset\"",
    b"\"utf-8\"",
    b"\"7bit\"",
    b"\"us-ascii\"",
    b"\"iso-8859-1\"",
    b"\"quoted-printable\"",
    b"\"base64\"",
    b"\"8bit\"",
    b"\"html\"",
    b"\"multipart\"",
    b"\"alternative\"",
    b"\"mixed\"",
    b"\"related\"",
    b"\"boundary\"",
    b"\"application\"",
    b"\"octet-stream\"",
    b"\"pdf\"",
    b"\"name\"",
    b"\"filename\"",
    b"\"attachment\"",
    b"\"inline\"",
    b"\"image\"",
    b"\"png\"",
    b"\"jpeg\"",
    b"\"gif\"",
    b"\"message\"",
    b"\"rfc822\"",
    b"\"delivery-status\"",
    b"\"report\"",
    b"\"signed\"",
    b"\"encrypted\"",
    b"\"binary\"",
    b"\"format\"",
    b"\"flowed\"",
    b"\"delsp\"",
    b"\"yes\"",
    b"\"type\"",
    b"\"multipart/alternative\"",
    b"\"text/html\"",
    b"\"text/plain\"",
    b"\"protocol\"",
    b"\"micalg\"",
    b"\"pgp-sha256\"",
    b"\"sha-256\"",
    b"\"application/pgp-signature\"",
    b"\"pgp-signature\"",
    b"\"pkcs7-signature\"",
    b"\"application/pkcs7-signature\"",
    b"\"signature.asc\"",
    b"\"smime.p7s\"",
    b"\"calendar\"",
    b"\"method\"",
    b"\"windows-1252\"",
    b"\"iso-8859-15\"",
    b"\"iso-8859-2\"",
    b"\"zip\"",
    b"\"report-type\"",
    b"\"rfc822-headers\"",
    b"\"x-unix-mode\"",
    b"\"size\"",
    b"\"creation-date\"",
];

/// A string that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Text<'a> {
    /// A common one, in quotes, between which it can stand as it is.
    Quoted(&'static [u8]),
    /// Any other.
    Other(&'a [u8]),
}

impl<'a> Text<'a> {
    /// Without quotes.
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Text::Quoted(text) => inner(text),
            Text::Other(text) => text,
        }
    }
}

/// What is between quotes.
fn inner(quoted: &[u8]) -> &[u8] {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
}

/// Appends a number.
pub(super) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a string: `2 * length` and its bytes, or `2 * n + 1` for the word of number n.
pub(super) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    match WORDS.iter().position(|word| inner(word) == text) {
        Some(number) => push_number(out, number as u64 * 2 + 1),
        None => {
            push_number(out, text.len() as u64 * 2);
            out.extend_from_slice(text);
        }
    }
}

/// Reads a payload from its beginning to its end.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// What stands for a name, and a length.
    #[inline]
    pub(super) fn place(&mut self) -> Option<(u16, usize)> {
        // Most are short.
        if let [low, high, length @ ..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Some((u16::from_le_bytes([*low, *high]), usize::from(*length)));
        }
        let (digest, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        Some((u16::from_le_bytes(*digest), length))
    }

    /// A number; `None` for one that does not fit 63 bits.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Option<u64> {
        match *self.rest {
            // Most have one byte, or two.
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                Some(u64::from(byte))
            }
            [low, high, ref rest @ ..] if high < 0x80 => {
                self.rest = rest;
                Some(u64::from(low & 0x7f) | u64::from(high) << 7)
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A number that counts bytes or other things of which each takes at least one byte: no more
    /// than there are bytes left.
    pub(super) fn length(&mut self) -> Option<usize> {
        let number = usize::try_from(self.number()?).ok()?;
        (number <= self.rest.len()).then_some(number)
    }

    /// A string.
    pub(super) fn text(&mut self) -> Option<Text<'a>> {
        let number = self.number()?;
        let half = usize::try_from(number / 2).ok()?;
        if number % 2 == 1 {
            return WORDS.get(half).map(|word| Text::Quoted(word));
        }
        self.take(half).map(Text::Other)
    }

    /// What was read since this was left.
    pub(super) fn read_since(&self, before: &'a [u8]) -> &'a [u8] {
        before.get(..before.len().saturating_sub(self.rest.len())).unwrap_or_default()
    }
}
