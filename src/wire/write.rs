//! Values in the forms of the wire: quoted strings, literals, numbers.

pub(crate) use crate::types::number::push as number;

/// Whether a text of ASCII can stand between quotes as it is.
fn is_plain(text: &[u8]) -> bool {
    let is_odd = |b: u8| b >= 0x80 || matches!(b, b'\r' | b'\n' | 0 | b'"' | b'\\');
    // All of it at once, which takes less time than to stop early.
    !text.iter().fold(false, |odd, b| odd | is_odd(*b))
}

/// Appends a string whose text can stand between quotes as it is; `false`: it cannot.
pub(crate) fn plain_string(out: &mut Vec<u8>, text: &[u8]) -> bool {
    if !is_plain(text) {
        return false;
    }
    out.reserve(text.len().saturating_add(2));
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
    true
}

/// Appends a string: quoted, or as a literal where it holds CR, LF or NUL (NULs left out: RFC 3501
/// 9, CHAR8 has none).
pub(crate) fn string(out: &mut Vec<u8>, text: &[u8]) {
    if memchr::memchr3(b'\r', b'\n', 0, text).is_some() {
        return literal(out, text);
    }
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        out.push(b'\\');
        if let Some((c, tail)) = special.split_first() {
            out.push(*c);
            rest = tail;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// The same for a client that takes no 8-bit text between quotes: a literal where there is any (RFC
/// 3501 9, `QUOTED-CHAR` and `CHAR8`).
pub(crate) fn string_7bit(out: &mut Vec<u8>, text: &[u8]) {
    if text.is_ascii() { string(out, text) } else { literal(out, text) }
}

/// Appends a literal, its NULs left out.
fn literal(out: &mut Vec<u8>, text: &[u8]) {
    let nuls = memchr::memchr_iter(0, text).count();
    literal_head(out, (text.len() - nuls) as u64);
    out.extend(text.iter().filter(|b| **b != 0));
}

/// Appends `{n}` and the line break; `n` bytes must follow.
pub(crate) fn literal_head(out: &mut Vec<u8>, length: u64) {
    out.push(b'{');
    number(out, length);
    out.extend_from_slice(b"}\r\n");
}

/// Appends `~{n}` and the line break (RFC 3516 7, `literal8`); `n` bytes must follow.
pub(crate) fn literal8_head(out: &mut Vec<u8>, length: u64) {
    out.push(b'~');
    literal_head(out, length);
}

/// Appends numbers in the order given, runs of them joined: `1:3,7` (RFC 3501 9, `sequence-set`).
pub(crate) fn number_set(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>) {
    let mut run: Option<(u32, u32)> = None;
    let mut first = true;
    let mut put = |out: &mut Vec<u8>, (from, to): (u32, u32)| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        number(out, u64::from(from));
        if from != to {
            out.push(b':');
            number(out, u64::from(to));
        }
    };
    for n in numbers {
        run = match run {
            Some((from, to)) if to.checked_add(1) == Some(n) => Some((from, n)),
            Some(done) => {
                put(out, done);
                Some((n, n))
            }
            None => Some((n, n)),
        };
    }
    if let Some(last) = run {
        put(out, last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn strings() {
        for (text, is_plain) in [("", true), ("a b", true), ("\"", false), ("\u{e9}", false)] {
            let mut out = Vec::new();
            assert_eq!(plain_string(&mut out, text.as_bytes()), is_plain);
            assert_eq!(out, if is_plain { format!("\"{text}\"").into_bytes() } else { vec![] });
        }
        for (text, wire) in [
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\"b\\c", "\"a\\\"b\\\\c\""),
            ("a\r\nb", "{4}\r\na\r\nb"),
            ("a\0b", "{2}\r\nab"),
        ] {
            assert_eq!(written(|o| string(o, text.as_bytes())), wire);
            assert_eq!(written(|o| string_7bit(o, text.as_bytes())), wire);
        }
        assert_eq!(written(|o| string(o, "a \u{e9}".as_bytes())), "\"a \u{e9}\"");
        assert_eq!(written(|o| string_7bit(o, "\"\u{e9}\0".as_bytes())), "{3}\r\n\"\u{e9}");
    }

    #[test]
    fn sets() {
        for (numbers, wire) in [
            (&[1, 5, 10][..], "1,5,10"),
            (&[1, 2, 3], "1:3"),
            (&[3, 2, 4, 5], "3,2,4:5"),
            (&[], ""),
        ] {
            assert_eq!(written(|o| number_set(o, numbers.iter().copied())), wire);
        }
    }
}
