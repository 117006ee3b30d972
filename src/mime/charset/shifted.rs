//! Sets of seven bits that shift between ASCII and two-byte characters: HZ (RFC 1843) and
//! ISO-2022-KR (RFC 1557). They become the same text in eight bits, GBK and EUC-KR.

/// A stream of such text.
#[derive(Debug)]
pub(super) struct Shifted {
    is_hz: bool,
    /// Within two-byte characters.
    double: bool,
    /// Behind the first byte of one.
    half: bool,
    /// Bytes of an escape sequence that has not ended.
    escape: u8,
}

impl Shifted {
    pub(super) fn hz() -> Shifted {
        Shifted { is_hz: true, double: false, half: false, escape: 0 }
    }

    pub(super) fn iso_2022_kr() -> Shifted {
        Shifted { is_hz: false, double: false, half: false, escape: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            if self.is_hz { self.hz_byte(*byte, out) } else { self.kr_byte(*byte, out) }
        }
    }

    fn hz_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.escape) != 0 {
            match byte {
                b'{' => self.double = true,
                b'}' => self.double = false,
                b'~' => out.push(b'~'),
                // A line that goes on.
                b'\n' | b'\r' => {}
                _ => {
                    out.push(b'~');
                    self.text(byte, out);
                }
            }
        } else if byte == b'~' && !self.half {
            self.escape = 1;
        } else {
            self.text(byte, out);
        }
    }

    fn kr_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        // What a line begins with in the first place: ESC $ ) C.
        let escape = match (self.escape, byte) {
            (_, 0x1b) => 1,
            (1, b'$') => 2,
            (2, b')') => 3,
            (3, b'C') => 4,
            _ => 0,
        };
        self.escape = escape % 4;
        match byte {
            _ if escape != 0 => {}
            0x0e => self.double = true,
            0x0f => self.double = false,
            _ => self.text(byte, out),
        }
    }

    /// A byte that shifts nothing.
    fn text(&mut self, byte: u8, out: &mut Vec<u8>) {
        let is_double = self.double && matches!(byte, 0x21..=0x7e);
        // Whatever goes wrong, it does not outlast the line.
        self.double &= byte != b'\n';
        self.half = is_double && !self.half;
        out.push(if is_double { byte | 0x80 } else { byte });
    }
}
