//! UTF-7 (RFC 2152), as mail of the nineties has it.

/// A stream of UTF-7 on its way to UTF-8.
#[derive(Debug, Default)]
pub(super) struct Utf7 {
    /// Behind a `+`.
    shifted: bool,
    /// Nothing but the `+` was there so far.
    fresh: bool,
    bits: u32,
    /// How many of `bits` count.
    have: u32,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

impl Utf7 {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut String) {
        for byte in bytes {
            if self.shifted {
                if let Some(value) = value(*byte) {
                    self.fresh = false;
                    self.digit(value, out);
                    continue;
                }
                let fresh = self.fresh;
                self.unshift(out);
                if *byte == b'-' {
                    if fresh {
                        out.push('+');
                    }
                    continue;
                }
                if fresh {
                    out.push('+');
                }
            }
            match byte {
                b'+' => *self = Utf7 { shifted: true, fresh: true, ..Utf7::default() },
                b if b.is_ascii() => out.push(char::from(*b)),
                _ => out.push('\u{fffd}'),
            }
        }
    }

    pub(super) fn finish(mut self, out: &mut String) {
        if self.fresh {
            out.push('+');
        }
        self.unshift(out);
    }

    fn digit(&mut self, value: u8, out: &mut String) {
        self.bits = (self.bits << 6 | u32::from(value)) & 0x3f_ffff;
        self.have += 6;
        if self.have < 16 {
            return;
        }
        self.have -= 16;
        let unit = (self.bits >> self.have & 0xffff) as u16;
        match (self.high.take(), unit) {
            (None, 0xd800..=0xdbff) => self.high = Some(unit),
            (high, unit) => {
                let units = high.into_iter().chain([unit]);
                out.extend(char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')));
            }
        }
    }

    fn unshift(&mut self, out: &mut String) {
        if self.high.is_some() {
            out.push('\u{fffd}');
        }
        *self = Utf7::default();
    }
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
