//! Content-Transfer-Encodings undone, chunk by chunk (RFC 2045 6.7 and 6.8). Broken input never
//! fails: in base64 other characters are skipped, in quoted-printable they are copied.

use memchr::{memchr, memchr2};

/// A Content-Transfer-Encoding, by what has to be done to undo it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    /// 7bit, 8bit, binary: nothing.
    Identity,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
}

impl Encoding {
    /// By its name, in any case. `None` for one that RFC 2045 6.1 does not define.
    pub(crate) fn of(name: &[u8]) -> Option<Encoding> {
        const NAMES: [(&[u8], Encoding); 5] = [
            (b"7bit", Encoding::Identity),
            (b"8bit", Encoding::Identity),
            (b"binary", Encoding::Identity),
            (b"base64", Encoding::Base64),
            (b"quoted-printable", Encoding::QuotedPrintable),
        ];
        NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, encoding)| *encoding)
    }
}

/// Removes a transfer encoding from a stream. The result does not depend on how the stream is cut.
#[derive(Debug, Clone)]
pub(crate) enum Decoder {
    /// 7bit, 8bit, binary and anything unknown.
    Identity,
    /// base64.
    Base64(Base64),
    /// quoted-printable.
    QuotedPrintable(QuotedPrintable),
}

impl Decoder {
    /// For a Content-Transfer-Encoding, in any case.
    pub(crate) fn for_encoding(name: &[u8]) -> Decoder {
        Decoder::of(Encoding::of(name).unwrap_or(Encoding::Identity))
    }

    /// For an encoding.
    pub(crate) fn of(encoding: Encoding) -> Decoder {
        match encoding {
            Encoding::Identity => Decoder::Identity,
            Encoding::Base64 => Decoder::Base64(Base64::default()),
            Encoding::QuotedPrintable => Decoder::QuotedPrintable(QuotedPrintable::default()),
        }
    }

    /// Whether bytes pass unchanged.
    pub(crate) fn is_identity(&self) -> bool {
        matches!(self, Decoder::Identity)
    }

    /// Appends what the next bytes decode to.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Decoder::Identity => out.extend_from_slice(bytes),
            Decoder::Base64(d) => d.push(bytes, out),
            Decoder::QuotedPrintable(d) => d.push(bytes, out),
        }
    }

    /// Appends what was still held back at the end of the stream.
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        match self {
            Decoder::Identity => {}
            Decoder::Base64(mut d) => d.flush(out),
            Decoder::QuotedPrintable(mut d) => d.flush(out),
        }
    }
}

const SKIP: u8 = 0xff;
const PAD: u8 = 0xfe;

#[allow(clippy::indexing_slicing)] // evaluated by the compiler
const VALUES: [u8; 256] = {
    let mut table = [SKIP; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut n = 0;
    while n < 64 {
        table[alphabet[n] as usize] = n as u8;
        n += 1;
    }
    table[b'=' as usize] = PAD;
    table
};

fn value(b: u8) -> u8 {
    VALUES.get(usize::from(b)).copied().unwrap_or(SKIP)
}

/// Base64, between chunks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Base64 {
    bits: u32,
    /// Characters in `bits`, 0 to 3.
    held: u8,
}

/// The bits of each character in each place of a group of four.
static BITS: [[u32; 256]; 4] = [bits(18), bits(12), bits(6), bits(0)];

/// What is no base64, in [`BITS`].
const NONE: u32 = 1 << 31;

#[allow(clippy::indexing_slicing)] // evaluated by the compiler
const fn bits(shift: u32) -> [u32; 256] {
    let mut table = [NONE; 256];
    let mut b = 0;
    while b < 256 {
        if VALUES[b] < 64 {
            table[b] = (VALUES[b] as u32) << shift;
        }
        b += 1;
    }
    table
}

/// How many characters are looked at together: room is made for all of them, and if the first is not
/// base64, for nothing.
const RUN: usize = 128;

/// Decodes groups of four characters, up to the first that is not base64 and no further than the
/// line goes; returns the rest. Most attachments pass through here.
fn groups<'a>(bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let run = bytes.get(..RUN).unwrap_or(bytes);
    let end = memchr(b'\n', run).unwrap_or(run.len());
    let line = bytes.get(..end).unwrap_or_default();
    let (quads, _) = line.as_chunks::<4>();
    let start = out.len();
    out.resize(start + quads.len() * 3, 0);
    let (triples, _) = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<3>();
    let [first, second, third, fourth] = &BITS;
    let of = |table: &[u32; 256], b: u8| table.get(usize::from(b)).copied().unwrap_or(NONE);
    let mut count = 0;
    for ([a, b, c, d], triple) in quads.iter().zip(triples) {
        let bits = of(first, *a) | of(second, *b) | of(third, *c) | of(fourth, *d);
        if bits >= NONE {
            break;
        }
        let [_, x, y, z] = bits.to_be_bytes();
        *triple = [x, y, z];
        count += 1;
    }
    out.truncate(start + count * 3);
    bytes.get(count * 4..).unwrap_or_default()
}

impl Base64 {
    /// Whether the last group is cut: what came is not the whole of some bytes.
    pub(crate) fn is_cut(&self) -> bool {
        match self.held {
            0 => false,
            2 => self.bits & 0xf != 0,
            3 => self.bits & 0x3 != 0,
            _ => true,
        }
    }

    /// Appends what the next characters decode to.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len() / 4 * 3 + 3);
        let mut rest = bytes;
        loop {
            // Whole groups at once.
            if self.held == 0 {
                rest = groups(rest, out);
            }
            let Some((first, after)) = rest.split_first() else {
                return;
            };
            rest = after;
            match value(*first) {
                SKIP => {}
                // Padding ends a group; more base64 may follow.
                PAD => self.flush(out),
                v => {
                    self.bits = self.bits << 6 | u32::from(v);
                    self.held += 1;
                    if self.held == 4 {
                        let [_, x, y, z] = self.bits.to_be_bytes();
                        out.extend_from_slice(&[x, y, z]);
                        self.bits = 0;
                        self.held = 0;
                    }
                }
            }
        }
    }

    /// Appends what a last group without its padding decodes to.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>) {
        match self.held {
            2 => out.push((self.bits >> 4) as u8),
            3 => out.extend_from_slice(&[(self.bits >> 10) as u8, (self.bits >> 2) as u8]),
            _ => {}
        }
        self.bits = 0;
        self.held = 0;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    /// `=`
    Equals,
    /// `=` and one hexadecimal digit.
    Digit(u8),
    /// `=` and white space: a soft line break if the line ends here.
    Blank,
}

/// Quoted-printable, between chunks.
#[derive(Debug, Clone)]
pub(crate) struct QuotedPrintable {
    escape: Escape,
    /// White space that is dropped if a line end follows; at the start the `=` of
    /// [`Escape::Blank`].
    held: Vec<u8>,
}

impl Default for QuotedPrintable {
    fn default() -> Self {
        QuotedPrintable { escape: Escape::None, held: Vec::new() }
    }
}

/// The most white space that is held back; more is not taken for trailing white space.
const MAX_HELD: usize = 1024;

/// The value of a hexadecimal digit, in any case.
pub(crate) fn hex(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

impl QuotedPrintable {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            match self.escape {
                Escape::None => {
                    let len = memchr2(b'=', b'\n', rest).unwrap_or(rest.len());
                    let (text, tail) = rest.split_at(len);
                    self.text(text, out);
                    rest = tail;
                    if let Some((stop, after)) = tail.split_first() {
                        rest = after;
                        if *stop == b'\n' {
                            // RFC 2045 6.7 (3): white space at the end of a line was added on the
                            // way. A CR is part of the line end.
                            let cr = self.held.ends_with(b"\r");
                            self.held.clear();
                            out.extend_from_slice(if cr { b"\r\n" } else { b"\n" });
                        } else {
                            out.append(&mut self.held);
                            self.escape = Escape::Equals;
                        }
                    }
                }
                Escape::Equals => match *first {
                    b'\n' => {
                        self.escape = Escape::None;
                        rest = after;
                    }
                    b' ' | b'\t' | b'\r' => {
                        self.held.push(b'=');
                        self.escape = Escape::Blank;
                    }
                    b if hex(b).is_some() => {
                        self.escape = Escape::Digit(b);
                        rest = after;
                    }
                    _ => {
                        out.push(b'=');
                        self.escape = Escape::None;
                    }
                },
                Escape::Digit(high) => {
                    self.escape = Escape::None;
                    if let (Some(h), Some(l)) = (hex(high), hex(*first)) {
                        out.push(h << 4 | l);
                        rest = after;
                    } else {
                        out.extend_from_slice(&[b'=', high]);
                    }
                }
                Escape::Blank => match *first {
                    b'\n' => {
                        self.held.clear();
                        self.escape = Escape::None;
                        rest = after;
                    }
                    b' ' | b'\t' | b'\r' if self.held.len() < MAX_HELD => {
                        self.held.push(*first);
                        rest = after;
                    }
                    _ => {
                        out.append(&mut self.held);
                        self.escape = Escape::None;
                    }
                },
            }
        }
    }

    /// Text without `=` and LF.
    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let solid =
            text.iter().rposition(|b| !matches!(b, b' ' | b'\t' | b'\r')).map_or(0, |at| at + 1);
        let (solid, blank) = text.split_at(solid);
        if !solid.is_empty() {
            out.append(&mut self.held);
            out.extend_from_slice(solid);
        }
        self.held.extend_from_slice(blank);
        if let Some(surplus) = self.held.len().checked_sub(MAX_HELD) {
            out.extend(self.held.drain(..surplus));
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        match self.escape {
            Escape::Digit(d) => out.extend_from_slice(&[b'=', d]),
            // A soft line break at the end of a part: its line end belongs to the boundary.
            Escape::None | Escape::Equals | Escape::Blank => {}
        }
        self.held.clear();
        self.escape = Escape::None;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(encoding: &[u8], bytes: &[u8], cut: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut d = Decoder::for_encoding(encoding);
        bytes.chunks(cut).for_each(|c| d.push(c, &mut out));
        d.finish(&mut out);
        out
    }

    #[test]
    fn base64_table() {
        for (input, want) in [
            ("", ""),
            ("aGVsbG8=", "hello"),
            ("aGVsbG8", "hello"),
            ("aGVs\r\nbG8gd2\n9ybGQ=\n", "hello world"),
            ("aA==aGk=", "hhi"),
            ("a!G-V_s", "hel"),
            ("a", ""),
        ] {
            for cut in 1..6 {
                assert_eq!(run(b"BASE64", input.as_bytes(), cut), want.as_bytes(), "{input:?}");
            }
        }
    }

    #[test]
    fn quoted_printable_table() {
        for (input, want) in [
            ("caf=C3=A9=e2=82=ac", "café€"),
            ("soft=\nbreak=\r\nand= \t\nblank", "softbreakandblank"),
            ("trail \t\nx \r\ny  ", "trail\nx\r\ny"),
            ("a=3Db =zz =4", "a=b =zz =4"),
            ("= x=", "= x"),
            ("x= ", "x"),
            ("==3D", "=="),
            ("a  b", "a  b"),
        ] {
            for cut in 1..6 {
                assert_eq!(
                    String::from_utf8_lossy(&run(b"Quoted-Printable", input.as_bytes(), cut)),
                    want,
                    "{input:?}"
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn chunks_do_not_matter(
            v in prop::collection::vec(prop::sample::select(b"aB3= \t\r\nz\xff".to_vec()), 0..80),
            cut in 1usize..9,
        ) {
            for encoding in [&b"base64"[..], b"quoted-printable", b"8bit"] {
                prop_assert_eq!(run(encoding, &v, cut), run(encoding, &v, 1000));
            }
        }

        #[test]
        fn long_white_space(n in 1000usize..1100, m in 1usize..100, cut in 1usize..3000) {
            let v = format!("a{}b={}c{}\n", " ".repeat(n), " ".repeat(n + m), " ".repeat(n));
            let decoded = |cut| run(b"quoted-printable", v.as_bytes(), cut);
            prop_assert_eq!(decoded(cut), decoded(1));
        }
    }
}
