//! What is told of messages and what is sent of them must agree: every size is the length of what a
//! client then fetches.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod binary;

use super::contents::Contents;
use super::parse::{Item, needs, rest};
use crate::mime::structure::properties::FRAGMENTS;
use crate::mime::wire_form::{replace_nul, to_wire};
use crate::session::message::{Cache, Message, Reader};
use crate::session::{Counts, Features, Session};
use crate::wire::connection::MemoryConnection;
use proptest::prelude::*;
use std::io::Write;

/// A message in a file, asked like a client asks.
struct Asked {
    file: tempfile::NamedTempFile,
    cache: Cache,
    counts: Counts,
    utf8: bool,
}

fn parsed(text: &str) -> Option<Vec<Item>> {
    let link = MemoryConnection::new(format!("{text}\r\n").as_bytes(), 0);
    let mut session = Session::for_tests(Box::new(link));
    session.io.begin_line();
    rest(&mut session).ok().map(|(items, _)| items)
}

impl Asked {
    fn new(message: &[u8]) -> Asked {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(message).unwrap();
        Asked { file, cache: Cache::default(), counts: Counts::default(), utf8: false }
    }

    /// What comes between the parentheses.
    fn bytes(&mut self, text: &str) -> Vec<u8> {
        let asked = parsed(text).unwrap_or_else(|| panic!("{text}"));
        let link = MemoryConnection::new(b"", 0);
        let sent = link.output();
        let mut session = Session::for_tests(Box::new(link));
        if self.utf8 {
            session.enabled |= Features::UTF8_ACCEPT;
        }
        let mut reader = Reader::default();
        let file = self.file.reopen().unwrap();
        let stat = crate::sys::stat::Stat::of(&file).unwrap();
        reader.set(file, &stat, None);
        if needs(&asked).all {
            reader.read_ahead().unwrap();
        }
        let cache = std::mem::take(&mut self.cache);
        let mut contents = Contents::new(&mut session, Message::with(reader, cache));
        for (i, item) in asked.iter().enumerate() {
            if i > 0 {
                contents.s.io.out().push(b' ');
            }
            contents.item(item).unwrap();
        }
        self.cache = contents.message.cache;
        self.counts.header += session.counts.header;
        self.counts.body += session.counts.body;
        session.io.flush().unwrap();
        sent.take()
    }

    fn text(&mut self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text)).into_owned()
    }

    /// The bytes of one section's literal, its count checked.
    fn literal(&mut self, text: &str) -> Vec<u8> {
        let out = self.bytes(text);
        let open = out.iter().position(|b| *b == b'{').unwrap();
        let close = out.iter().position(|b| *b == b'}').unwrap();
        let n: usize = std::str::from_utf8(&out[open + 1..close]).unwrap().parse().unwrap();
        let bytes = out[close + 3..].to_vec();
        assert_eq!(bytes.len(), n, "{text}: {}", String::from_utf8_lossy(&out));
        bytes
    }
}

/// A body structure as a client reads it.
#[derive(Debug)]
enum Value {
    List(Vec<Value>),
    Text(Vec<u8>),
    Number(usize),
    Nil,
}

fn value(at: &mut &[u8]) -> Value {
    while at[0] == b' ' {
        *at = &at[1..];
    }
    match at[0] {
        b'(' => {
            *at = &at[1..];
            let mut list = Vec::new();
            while at[0] != b')' {
                list.push(value(at));
                while at[0] == b' ' {
                    *at = &at[1..];
                }
            }
            *at = &at[1..];
            Value::List(list)
        }
        b'"' => {
            let mut text = Vec::new();
            *at = &at[1..];
            while at[0] != b'"' {
                if at[0] == b'\\' {
                    *at = &at[1..];
                }
                text.push(at[0]);
                *at = &at[1..];
            }
            *at = &at[1..];
            Value::Text(text)
        }
        b'{' => {
            let close = at.iter().position(|b| *b == b'}').unwrap();
            let n: usize = std::str::from_utf8(&at[1..close]).unwrap().parse().unwrap();
            let text = at[close + 3..close + 3 + n].to_vec();
            *at = &at[close + 3 + n..];
            Value::Text(text)
        }
        b'N' => {
            assert!(at.starts_with(b"NIL"));
            *at = &at[3..];
            Value::Nil
        }
        _ => {
            let end = at.iter().position(|b| !b.is_ascii_digit()).unwrap();
            let n = std::str::from_utf8(&at[..end]).unwrap().parse().unwrap();
            *at = &at[end..];
            Value::Number(n)
        }
    }
}

/// Fetches every part that a body structure names and holds it against what is said of it. `path`
/// is what stands before the part's own number.
fn check(asked: &mut Asked, body: &Value, path: &str, number: Option<usize>) {
    let Value::List(fields) = body else { panic!("{body:?}") };
    let own = match number {
        Some(n) if path.is_empty() => n.to_string(),
        Some(n) => format!("{path}.{n}"),
        None => path.to_owned(),
    };
    if let Value::List(_) = fields[0] {
        for (i, part) in fields.iter().take_while(|f| matches!(f, Value::List(_))).enumerate() {
            check(asked, part, &own, Some(i + 1));
        }
        return;
    }
    // A message that is no multipart has one part, 1.
    let own = match number {
        Some(_) => own,
        None if own.is_empty() => "1".to_owned(),
        None => format!("{own}.1"),
    };
    let (Value::Text(kind), Value::Text(subtype), Value::Number(size)) =
        (&fields[0], &fields[1], &fields[6])
    else {
        panic!("{fields:?}")
    };
    let bytes = asked.literal(&format!("BODY.PEEK[{own}]"));
    assert_eq!(bytes.len(), *size, "{own} of {fields:?}");
    let lines = bytes.iter().filter(|b| **b == b'\n').count();
    let is_message = kind == b"message" && subtype == b"rfc822";
    if is_message {
        let Value::Number(n) = fields[9] else { panic!("{fields:?}") };
        assert_eq!(n, lines);
        let header = asked.literal(&format!("BODY.PEEK[{own}.HEADER]"));
        let text = asked.literal(&format!("BODY.PEEK[{own}.TEXT]"));
        assert_eq!([header, text].concat(), bytes);
        check(asked, &fields[8], &own, None);
    } else if kind == b"text" {
        let Value::Number(n) = fields[7] else { panic!("{fields:?}") };
        assert_eq!(n, lines);
    }
}

fn check_all(message: &[u8]) {
    let mut asked = Asked::new(message);
    let whole = asked.literal("BODY[]");
    let mut wire = to_wire(message);
    replace_nul(&mut wire);
    assert_eq!(whole, wire);
    assert_eq!(asked.text("RFC822.SIZE"), format!("RFC822.SIZE {}", whole.len()));
    assert_eq!([asked.literal("BODY[HEADER]"), asked.literal("BODY[TEXT]")].concat(), whole);
    assert_eq!([asked.literal("RFC822.HEADER"), asked.literal("RFC822.TEXT")].concat(), whole);
    let out = asked.bytes("BODYSTRUCTURE");
    let body = value(&mut &out[14..]);
    check(&mut asked, &body, "", None);
    // The same without anything remembered.
    let mut fresh = Asked::new(message);
    assert_eq!(
        [fresh.literal("BODY[HEADER]"), Asked::new(message).literal("BODY[TEXT]")].concat(),
        whole
    );
    assert_eq!(fresh.literal("BODY[9.9]"), b"");
}

/// Messages made of pieces that matter to the structure.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let own = [
        "MIME-Version: 1.0\n",
        "Content-Type: multipart/mixed; boundary=b\n",
        "Content-Type: multipart/digest;\r\n boundary=\"bb\"\r\n",
        "Content-Type: message/rfc822\n",
        "Content-Type: text/plain; charset=\"a\\\"b\"\n",
        "From: a@b, c: d;\n",
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n",
        "Content-Disposition: x; y=\"é\"\n",
        "Content-Type: text\n",
    ];
    let piece = prop::sample::select([&own[..], &FRAGMENTS].concat());
    (0u8..3, prop::collection::vec(piece, 0..40)).prop_map(|(kind, v)| {
        let head = match kind {
            0 => "",
            1 => "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n",
            _ => "MIME-Version: 1.0\nContent-Type: message/rfc822\n\n",
        };
        format!("{head}{}", v.concat()).into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn sizes_are_true(message in message()) {
        check_all(&message);
    }

    /// Slices of any size, each from where the last one ended, make the whole again.
    #[test]
    fn slices_join(
        line in "[a-z\r]{0,9}", times in 1usize..9000, step in 1usize..70_000, section in prop::sample::select(vec!["", "TEXT", "HEADER", "1"]),
    ) {
        let message = format!("Subject: x\n\n{}end", format!("{line}\n").repeat(times)).into_bytes();
        let mut asked = Asked::new(&message);
        let whole = Asked::new(&message).literal(&format!("BODY[{section}]"));
        let step = step.max(whole.len() / 20);
        let mut joined = Vec::new();
        while joined.len() < whole.len() {
            let piece = asked.literal(&format!("BODY[{section}]<{}.{step}>", joined.len()));
            prop_assert!(!piece.is_empty());
            joined.extend(piece);
        }
        prop_assert!(joined == whole);
        prop_assert_eq!(asked.literal(&format!("BODY[{section}]<{}.{step}>", whole.len())), b"");
        // Backwards.
        let from = whole.len() / 3;
        let to = (from + step).min(whole.len());
        let piece = asked.literal(&format!("BODY[{section}]<{from}.{step}>"));
        prop_assert!(piece == whole[from..to]);
    }
}

#[test]
fn structures() {
    for (message, expected) in [
        ("Subject: x\n\nhi\n", r#"("text" "plain" NIL NIL NIL "7bit" 4 1 NIL NIL NIL)"#),
        (
            "MIME-Version: 1.0\nContent-Type: Foo\nContent-ID: x\nContent-Disposition: inline\nContent-Language: de\n\n",
            r#"("text" "plain" NIL "<x>" NIL "7bit" 0 0 NIL ("inline" NIL) NIL)"#,
        ),
        (
            "MIME-Version: 1.0\nContent-Type: multipart/x; boundary=b; y=z\nContent-Language: de\n\n--b\n\nhi\n--b--\n",
            r#"(("text" "plain" NIL NIL NIL "7bit" 2 0 NIL NIL NIL) "x" ("boundary" "b" "y" "z") NIL "de")"#,
        ),
        (
            "MIME-Version: 1.0\nContent-Type: message/rfc822\n\nSubject: é\n\nhi",
            "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 17 (NIL \"=?utf-8?B?w6k=?=\" NIL NIL NIL NIL NIL NIL NIL NIL) (\"text\" \"plain\" NIL NIL NIL \"7bit\" 2 0 NIL NIL NIL) 2 NIL NIL NIL)",
        ),
    ] {
        assert_eq!(
            Asked::new(message.as_bytes()).text("BODYSTRUCTURE"),
            format!("BODYSTRUCTURE {expected}")
        );
        check_all(message.as_bytes());
    }
}

#[test]
fn sections_of_messages_in_messages() {
    let message = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\nX-Y: z\n\n\
        Subject: in\n\nbody\n--o\nContent-Type: text/html\nX-Z: z\n\nhtml\n--o--\n";
    let mut m = Asked::new(message.as_bytes());
    for (section, expected) in [
        ("1", "Subject: in\r\n\r\nbody"),
        ("1.HEADER", "Subject: in\r\n\r\n"),
        ("1.HEADER.FIELDS (SUBJECT)", "Subject: in\r\n\r\n"),
        ("1.HEADER.FIELDS.NOT subject", "\r\n"),
        ("1.TEXT", "body"),
        ("1.1", "body"),
        ("1.1.1", "body"),
        ("1.2", ""),
        ("1.MIME", "Content-Type: message/rfc822\r\nX-Y: z\r\n\r\n"),
        ("1.1.MIME", "\r\n"),
        ("2", "html"),
        ("2.1", ""),
        ("2.HEADER", "Content-Type: text/html\r\nX-Z: z\r\n\r\n"),
        ("2.TEXT", "html"),
        ("2.MIME", "Content-Type: text/html\r\nX-Z: z\r\n\r\n"),
        ("3", ""),
    ] {
        assert_eq!(
            String::from_utf8_lossy(&m.literal(&format!("BODY[{section}]"))),
            expected,
            "{section}"
        );
    }
    // A message that is one.
    let mut m =
        Asked::new(b"MIME-Version: 1.0\nContent-Type: message/rfc822\n\nSubject: in\n\nbody\n");
    for (section, expected) in [
        ("1", "Subject: in\r\n\r\nbody\r\n"),
        ("1.1", "body\r\n"),
        ("1.HEADER", "Subject: in\r\n\r\n"),
        ("HEADER.FIELDS (Subject)", "\r\n"),
    ] {
        assert_eq!(
            String::from_utf8_lossy(&m.literal(&format!("BODY[{section}]"))),
            expected,
            "{section}"
        );
    }
}

#[test]
fn header_lines() {
    let mut m = Asked::new("A: 1\nB: 2\n two\nnocolon\na : 3\r\nC: é\r\n\r\n".as_bytes());
    for (asked, expected) in [
        ("BODY[HEADER.FIELDS (a)]", "BODY[HEADER.FIELDS (\"a\")] {15}\r\nA: 1\r\na : 3\r\n\r\n"),
        (
            "BODY.PEEK[HEADER.FIELDS (\"B\" x)]<3.4>",
            "BODY[HEADER.FIELDS (\"B\" \"x\")]<3> {4}\r\n2\r\n ",
        ),
        ("BODY[HEADER.FIELDS ()]", "BODY[HEADER.FIELDS] {2}\r\n\r\n"),
        ("BODY[HEADER.FIELDS c]", "BODY[HEADER.FIELDS (\"c\")] {9}\r\nC: é\r\n\r\n"),
        (
            "BODY[HEADER.FIELDS.NOT (A B C)]",
            "BODY[HEADER.FIELDS.NOT (\"A\" \"B\" \"C\")] {11}\r\nnocolon\r\n\r\n",
        ),
    ] {
        assert_eq!(m.text(asked), expected, "{asked}");
    }
    // A message without the empty line.
    let mut m = Asked::new(b"A: 1\nB: 2");
    assert_eq!(m.literal("BODY[HEADER.FIELDS (a)]"), b"A: 1\r\n");
    assert_eq!(m.literal("BODY[HEADER.FIELDS (b)]"), b"B: 2\r\n");
    assert_eq!(m.literal("BODY[HEADER.FIELDS (c)]"), b"\r\n");
}

#[test]
fn counts_for_the_log() {
    let mut m = Asked::new(b"From: a@b\nSubject: s\n\nhello\n");
    for (asked, header, body) in [
        ("BODY[]", 0, 28),
        ("BODY[HEADER]", 0, 22),
        ("BODY[HEADER.FIELDS (Subject From)]", 19, 0),
        ("BODY[HEADER.FIELDS (Subject)]<0.3>", 3, 0),
        ("BODY[TEXT]", 0, 6),
        ("RFC822.HEADER", 22, 0),
        ("BODY[]<3.25>", 0, 22),
        ("BODY[HEADER]<3.14>", 0, 13),
    ] {
        m.counts = Counts::default();
        m.bytes(asked);
        assert_eq!((m.counts.header, m.counts.body), (header, body), "{asked}");
    }
}

#[test]
fn what_is_refused() {
    for bad in [
        "",
        "()",
        "(UID",
        "UID FLAGS",
        "(UID))",
        "((UID))",
        "\"UID\"",
        "NONSENSE",
        "RFC822.PEEK",
        "BODY[",
        "BODY[0]",
        "BODY[1.]",
        "BODY[MIME]",
        "BODY[1]x",
        "BODY[HEADER.FIELDS]",
        "BODY[HEADER.FIELDS (a b]",
        "BODY[TEXT]<x>",
        "BODY[TEXT]<>",
        "BODY[TEXT]<1.2",
        "BODY[\"1\"]",
    ] {
        assert_eq!(parsed(bad), None, "{bad}");
    }
    for (good, n) in [
        ("ALL", 4),
        ("(FAST UID)", 4),
        ("full", 5),
        ("BODY.PEEK", 1),
        ("BODY [1] <0.1>", 1),
        ("(BODY[1]BODY[2])", 2),
    ] {
        assert_eq!(parsed(good).map(|items| items.len()), Some(n), "{good}");
    }
}

#[test]
fn large_headers() {
    // Larger than the window, and larger than what counts of a header.
    let mut text = b"Subject: first\n".to_vec();
    for n in 0..300_000 {
        writeln!(text, "X-{n}: some words of a header").unwrap();
    }
    let mut m = Asked::new(&[&*text, b"Subject: last\n\nbody"].concat());
    assert_eq!(
        m.literal("BODY[HEADER.FIELDS (Subject X-50000)]"),
        b"Subject: first\r\nX-50000: some words of a header\r\n\r\n"
    );
    assert_eq!(m.literal("BODY[TEXT]"), b"body");
    assert_eq!(m.text("ENVELOPE"), "ENVELOPE (NIL \"first\" NIL NIL NIL NIL NIL NIL NIL NIL)");
    let mut m = Asked::new(&[&text[..200_000], b"\nSubject: last\n\nbody"].concat());
    assert_eq!(
        m.text("ENVELOPE"),
        "ENVELOPE (NIL \"first, last\" NIL NIL NIL NIL NIL NIL NIL NIL)"
    );
    assert_eq!(
        m.literal("BODY[HEADER.FIELDS (Subject)]"),
        b"Subject: first\r\nSubject: last\r\n\r\n"
    );
}
