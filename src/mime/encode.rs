//! Base64 made (RFC 2045 6.8): at once for encoded words, in lines for the body of a part.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The character of the six bits from `shift` on.
fn digit(bits: u32, shift: u32) -> u8 {
    ALPHABET.get((bits >> shift & 63) as usize).copied().unwrap_or(b'=')
}

/// Appends bytes as base64, padded.
pub(super) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len().div_ceil(3).saturating_mul(4));
    let (groups, rest) = bytes.as_chunks::<3>();
    for [a, b, c] in groups {
        let bits = u32::from_be_bytes([0, *a, *b, *c]);
        out.extend_from_slice(&[digit(bits, 18), digit(bits, 12), digit(bits, 6), digit(bits, 0)]);
    }
    match rest {
        [a, b] => {
            let bits = u32::from_be_bytes([0, *a, *b, 0]);
            out.extend_from_slice(&[digit(bits, 18), digit(bits, 12), digit(bits, 6), b'=']);
        }
        [a] => {
            let bits = u32::from_be_bytes([0, *a, 0, 0]);
            out.extend_from_slice(&[digit(bits, 18), digit(bits, 12), b'=', b'=']);
        }
        _ => {}
    }
}

/// Bytes in one line of base64: 76 characters (RFC 2045 6.8).
const LINE: usize = 57;

/// Base64 in lines, with CRLF between them and none behind the last: that belongs to the boundary.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The bytes of a line that is not full.
    line: Vec<u8>,
    /// A line was written.
    begun: bool,
}

impl Lines {
    /// Appends what the next bytes make of whole lines.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        if !self.line.is_empty() {
            let room = LINE.saturating_sub(self.line.len()).min(rest.len());
            let (first, after) = rest.split_at(room);
            self.line.extend_from_slice(first);
            rest = after;
            if self.line.len() < LINE {
                return;
            }
            let line = std::mem::take(&mut self.line);
            self.write(&line, out);
            self.line = line;
            self.line.clear();
        }
        let mut lines = rest.chunks_exact(LINE);
        for line in &mut lines {
            self.write(line, out);
        }
        self.line.extend_from_slice(lines.remainder());
    }

    /// Appends the last line.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.write(&line, out);
        }
    }

    fn write(&mut self, line: &[u8], out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            out.extend_from_slice(b"\r\n");
        }
        base64(line, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (bytes, expected) in
            [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("\u{ff}\0>", "w78APg==")]
        {
            let mut out = Vec::new();
            base64(bytes.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn lines() {
        for (count, lengths) in
            [(0, &[0][..]), (1, &[4]), (57, &[76]), (58, &[76, 4]), (171, &[76, 76, 76])]
        {
            for cut in [1, 2, 56, 57, 58, 200] {
                let (mut lines, mut out) = (Lines::default(), Vec::new());
                vec![b'x'; count].chunks(cut).for_each(|chunk| lines.push(chunk, &mut out));
                lines.finish(&mut out);
                let text = String::from_utf8_lossy(&out).into_owned();
                let found: Vec<usize> = text.split("\r\n").map(str::len).collect();
                assert_eq!(found, lengths, "{count} in {cut}");
            }
        }
    }
}
