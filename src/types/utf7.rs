//! Modified UTF-7 (RFC 3501 5.1.3): how folder names outside ASCII travel unless UTF8=ACCEPT is on.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// The UTF-8 text of a name in modified UTF-7. `None` where it is malformed: an 8-bit byte, a shift
/// that is not closed or holds what is not base64, a lone surrogate.
///
/// Courier: superfluous encodings of ASCII are accepted, and bits at the end of a shift that make
/// no whole UTF-16 unit are dropped. So PHP's `imap_utf7_encode`, which encodes bytes in place of
/// UTF-16, finds the folders again that it has made with Courier (`Entw&,A-rfe`, `Entwrfe`).
pub(crate) fn decode(wire: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(wire.len());
    let mut rest = wire;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'&' {
            if first >= 0x80 {
                return None;
            }
            out.push(first);
            continue;
        }
        let end = memchr::memchr(b'-', rest)?;
        let (shifted, after) = rest.split_at(end);
        rest = after.strip_prefix(b"-")?;
        if shifted.is_empty() {
            out.push(b'&');
        } else {
            decode_shift(shifted, &mut out)?;
        }
    }
    Some(out)
}

fn decode_shift(shifted: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut bits = 0u32;
    let mut have = 0u32;
    let mut units = Vec::with_capacity(shifted.len().div_ceil(2));
    for &c in shifted {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b',' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0x3f_ffff;
        have += 6;
        if have >= 16 {
            have -= 16;
            units.push((bits >> have & 0xffff) as u16);
        }
    }
    for c in char::decode_utf16(units) {
        let c = c.ok()?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(())
}

/// The modified UTF-7 form of a UTF-8 name; `None` if `name` is not UTF-8.
pub(crate) fn encode(name: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(name).ok()?;
    let mut out = Vec::with_capacity(name.len());
    let mut pending: Vec<u16> = Vec::new();
    for c in text.chars() {
        if matches!(c, ' '..='~') {
            flush(&mut pending, &mut out);
            out.push(c as u8);
            if c == '&' {
                out.push(b'-');
            }
        } else {
            pending.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }
    flush(&mut pending, &mut out);
    Some(out)
}

fn flush(pending: &mut Vec<u16>, out: &mut Vec<u8>) {
    if pending.is_empty() {
        return;
    }
    let digit = |v: u32| ALPHABET.get((v & 63) as usize).copied().unwrap_or(b'A');
    out.push(b'&');
    let mut bits = 0u32;
    let mut have = 0u32;
    for unit in pending.drain(..) {
        bits = bits << 16 | u32::from(unit);
        have += 16;
        while have >= 6 {
            have -= 6;
            out.push(digit(bits >> have));
        }
        bits &= (1 << have) - 1;
    }
    if have > 0 {
        out.push(digit(bits << (6 - have)));
    }
    out.push(b'-');
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        for (utf8, wire) in [
            ("INBOX", "INBOX"),
            ("Entw\u{fc}rfe", "Entw&APw-rfe"),
            ("a&b", "a&-b"),
            ("\u{53f0}\u{5317}", "&U,BTFw-"),
            (
                "~peter/mail/\u{53f0}\u{5317}/\u{65e5}\u{672c}\u{8a9e}",
                "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
            ),
            ("\u{1f600}", "&2D3eAA-"),
        ] {
            assert_eq!(encode(utf8.as_bytes()).unwrap(), wire.as_bytes());
            assert_eq!(decode(wire.as_bytes()).unwrap(), utf8.as_bytes());
        }
        // Superfluous, and with bits left over.
        for (wire, utf8) in [
            ("&AGE-", "a"),
            ("&AGF-", "a"),
            ("&AGFA-", "a"),
            ("x&A-", "x"),
            ("Entw&,A-rfe", "Entwrfe"),
        ] {
            assert_eq!(decode(wire.as_bytes()).unwrap(), utf8.as_bytes(), "{wire}");
        }
        for bad in
            ["a&b", "&", "&&", "&&-", "&2D0-", "&AAA", "\u{e9}", "&A!-", "&AOQ&APY-", "&AOQ=-"]
        {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(name in "\\PC{0,20}") {
            let wire = encode(name.as_bytes()).unwrap();
            prop_assert!(wire.is_ascii());
            prop_assert_eq!(decode(&wire).unwrap(), name.as_bytes());
        }

        #[test]
        fn any_bytes(wire in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(name) = decode(&wire) {
                prop_assert!(std::str::from_utf8(&name).is_ok());
            }
        }
    }
}
