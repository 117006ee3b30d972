//! BINARY beside BODY: a part's content is what a client makes of BODY by itself.

use super::{Asked, parsed};
use crate::mime::wire_form::replace_nul;
use proptest::prelude::*;

impl Asked {
    /// The bytes of one content, its count checked, and whether its literal is one for NULs.
    fn content(&mut self, text: &str) -> (Vec<u8>, bool) {
        let out = self.bytes(text);
        let open = out.iter().position(|b| *b == b'{').unwrap();
        let close = out.iter().position(|b| *b == b'}').unwrap();
        let n: usize = std::str::from_utf8(&out[open + 1..close]).unwrap().parse().unwrap();
        let bytes = out[close + 3..].to_vec();
        assert_eq!(bytes.len(), n, "{text}: {}", String::from_utf8_lossy(&out));
        (bytes, out[open - 1] == b'~')
    }
}

/// Base64 as RFC 2045 6.8 describes it, group by group.
fn base64(text: &[u8]) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for run in text.split(|b| *b == b'=') {
        let values: Vec<u32> = run
            .iter()
            .filter_map(|b| alphabet.iter().position(|a| a == b))
            .map(|v| v as u32)
            .collect();
        for group in values.chunks(4) {
            let bits = (0..4).fold(0, |bits, i| bits << 6 | group.get(i).copied().unwrap_or(0));
            out.extend_from_slice(&bits.to_be_bytes()[1..group.len().max(1)]);
        }
    }
    out
}

/// Quoted-printable as RFC 2045 6.7 describes it, line by line.
fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text).into_owned();
    let mut out = Vec::new();
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        let line = line.trim_end_matches([' ', '\t', '\r']);
        let (line, soft) = line.strip_suffix('=').map_or((line, false), |line| (line, true));
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let code = rest.get(1..3).filter(|_| c == '=');
            match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
                Some(byte) => {
                    out.push(byte);
                    rest = &rest[3..];
                }
                None => {
                    out.push(c as u8);
                    rest = &rest[1..];
                }
            }
        }
        if lines.peek().is_some() && !soft {
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

fn decoded(encoding: &str, body: &[u8]) -> Vec<u8> {
    match encoding {
        "base64" => base64(body),
        "Quoted-Printable" => quoted_printable(body),
        _ => body.to_vec(),
    }
}

/// A body in one of the encodings, well-made or not.
fn part() -> impl Strategy<Value = (&'static str, String)> {
    let pieces = |encoding: &'static str, pieces: &'static [&'static str]| {
        prop::collection::vec(prop::sample::select(pieces), 0..30)
            .prop_map(move |pieces| (encoding, pieces.concat()))
    };
    prop_oneof![
        pieces(
            "base64",
            &["QUJD", "AAAA", "A", "=", "==", "\n", "\r\n", "!", "-", " ", "\0", "zz"]
        ),
        pieces(
            "Quoted-Printable",
            &[
                "a", "=41", "=0A", "=00", "=", "=\n", "= \r\n", " \n", " ", "\t", "=z", "=4", "\r",
                "\n"
            ]
        ),
        pieces("8bit", &["a", "\n", "\r\n", "\r", "\0", " ", "=41"]),
        pieces("binary", &["a\n", "\0"]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn contents_are_what_a_client_decodes(
        parts in prop::collection::vec(part(), 1..4), inside in any::<bool>(), step in 1usize..40,
    ) {
        let mut message = String::from("MIME-Version: 1.0\n");
        if inside {
            message += "Content-Type: message/rfc822\n\nSubject: inner\n";
        }
        message += "Content-Type: multipart/mixed; boundary=\"=_b\"\n\n";
        for (encoding, body) in &parts {
            message += &format!("--=_b\nContent-Transfer-Encoding: {encoding}\n\n{body}\n");
        }
        message += "--=_b--\n";
        let mut asked = Asked::new(message.as_bytes());
        for (n, (encoding, _)) in parts.iter().enumerate() {
            let path = format!("{}{}", if inside { "1." } else { "" }, n + 1);
            let body = asked.literal(&format!("BODY.PEEK[{path}]"));
            let (mut content, literal8) = asked.content(&format!("BINARY[{path}]"));
            prop_assert_eq!(literal8, content.contains(&0));
            let size = asked.text(&format!("BINARY.SIZE[{path}]"));
            prop_assert_eq!(size, format!("BINARY.SIZE[{path}] {}", content.len()));
            for from in (0..content.len() + step).step_by(step) {
                let (slice, literal8) = asked.content(&format!("BINARY[{path}]<{from}.{step}>"));
                let end = content.len().min(from + step);
                prop_assert_eq!(&slice[..], &content[from.min(end)..end]);
                prop_assert_eq!(literal8, slice.contains(&0));
            }
            if !matches!(*encoding, "base64" | "Quoted-Printable") {
                replace_nul(&mut content);
            }
            prop_assert_eq!(content, decoded(encoding, &body), "{} of {}", path, message);
        }
        let (mut whole, literal8) = asked.content("BINARY[]");
        prop_assert_eq!(literal8, whole.contains(&0));
        replace_nul(&mut whole);
        prop_assert_eq!(whole, asked.literal("BODY[]"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    /// A large part in slices, forwards and from anywhere.
    #[test]
    fn slices_join(
        width in 1usize..100, lines in 1usize..1000, step in 1usize..90_000, encoding in prop::sample::select(vec!["base64", "quoted-printable", "7bit"]),
    ) {
        let body = format!("{}=\n", "QUJDRA".repeat(width)).repeat(lines);
        let message = format!("Content-Transfer-Encoding: {encoding}\n\n{body}").into_bytes();
        let (whole, _) = Asked::new(&message).content("BINARY[1]");
        let mut asked = Asked::new(&message);
        let step = step.max(whole.len() / 20);
        let mut joined = Vec::new();
        while joined.len() < whole.len() {
            let (piece, _) = asked.content(&format!("BINARY[1]<{}.{step}>", joined.len()));
            prop_assert!(!piece.is_empty());
            joined.extend(piece);
        }
        prop_assert!(joined == whole);
        for from in [whole.len() / 3, whole.len() / 2, 0] {
            let to = (from + step).min(whole.len());
            let (piece, _) = asked.content(&format!("BINARY[1]<{from}.{step}>"));
            prop_assert!(piece == whole[from..to]);
        }
    }
}

#[test]
fn sections() {
    let message = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=o\nContent-Transfer-Encoding: base64\n\n\
        --o\nContent-Type: message/rfc822\n\nSubject: in\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n\
        --o\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQTogYgoKeA==\n\
        --o\nContent-Type: multipart/x; boundary=never\nContent-Transfer-Encoding: base64\n\naGk=\n\
        --o\nContent-Transfer-Encoding:\n\n=41\n--o--\n";
    let mut m = Asked::new(message.as_bytes());
    for (section, expected) in [
        ("1", "Subject: in\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8="),
        ("1.1", "hello"),
        ("1.1.1.1", "hello"),
        ("2", "A: b\n\nx"),
        ("3", "hi"),
        ("4", "=41"),
    ] {
        let (content, _) = m.content(&format!("BINARY.PEEK[{section}]"));
        assert_eq!(String::from_utf8_lossy(&content), expected, "{section}");
    }
    assert_eq!(m.text("(BINARY[5] BINARY.SIZE[5])"), "BINARY[5] NIL BINARY.SIZE[5] 0");
    assert_eq!(m.text("BINARY[5]<3.4>"), "BINARY[5]<3> NIL");
    assert_eq!(m.text("BINARY[4]<3.4>"), "BINARY[4]<3> {0}\r\n");
}

#[test]
fn what_is_refused() {
    for bad in [
        "BINARY",
        "BINARY.SIZE",
        "BINARY[",
        "BINARY[1",
        "BINARY[0]",
        "BINARY[1.]",
        "BINARY[TEXT]",
        "BINARY[1.MIME]",
        "BINARY[1.HEADER]",
        "BINARY[HEADER.FIELDS (a)]",
        "BINARY[\"1\"]",
        "BINARY[1]<x>",
        "BINARY.SIZE[1]<0.1>",
        "BINARY.PEEK.SIZE[1]",
        "BINARY.SIZE.PEEK[1]",
    ] {
        assert_eq!(parsed(bad), None, "{bad}");
    }
    for (good, n) in [
        ("binary[]", 1),
        ("BINARY.PEEK[1.2]<0.5>", 1),
        ("(BINARY[1]BINARY.SIZE[2])", 2),
        ("BINARY[99999999999999999999.1]<7>", 1),
    ] {
        assert_eq!(parsed(good).map(|items| items.len()), Some(n), "{good}");
    }
}
