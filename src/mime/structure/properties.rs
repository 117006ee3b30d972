//! The promises of the module, for any bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::mime::wire_form::to_wire;
use proptest::prelude::*;
use std::ops::Range;

/// What parts are made of, and what looks like their boundaries, `b` and `bb`.
pub(crate) const FRAGMENTS: [&str; 18] = [
    "\n",
    "\n",
    "\r\n",
    "--b\n",
    "--b",
    "--bb\r\n",
    "--b--\n",
    "--bb--",
    "-",
    "\r",
    "\n--",
    "x",
    "text\n",
    "Subject: é\n",
    "\0",
    " ",
    "\n\n--b\n",
    "\n\n--bb\n",
];

/// A message of lines and fragments that the parser must tell apart.
pub(crate) fn message() -> impl Strategy<Value = Vec<u8>> {
    let own = [
        "MIME-Version: 1.0\n",
        "Content-Type: multipart/mixed; boundary=b\n",
        "Content-Type: multipart/digest;\r\n boundary=\"bb\"\r\n",
        "Content-Type: multipart/related; boundary=\"b \"\n",
        "Content-Type: multipart/related; boundary=b b; boundary*0*=x''b\n",
        "--b --\n",
        "--b b\n",
        "Content-Type: message/rfc822\n",
        "Content-Type: text/plain; charset=X\n",
    ];
    let line = prop::sample::select([&own[..], &FRAGMENTS].concat());
    (any::<bool>(), prop::collection::vec(line, 0..60)).prop_map(|(mime, v)| {
        let head = if mime {
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
        } else {
            ""
        };
        format!("{head}{}", v.concat()).into_bytes()
    })
}

fn verify(p: &Part, text: &[u8], within: &Range<u64>) {
    let slice = |r: &Range<u64>| &text[r.start as usize..r.end as usize];
    assert!(
        within.start <= p.header.start && p.header.end == p.body.start && p.body.end <= within.end
    );
    assert_eq!(p.header_size, to_wire(slice(&p.header)).len() as u64);
    assert_eq!(p.body_size, to_wire(slice(&p.body)).len() as u64);
    let lines = |r| slice(r).iter().filter(|b| **b == b'\n').count() as u64;
    assert_eq!((p.header_lines, p.body_lines), (lines(&p.header), lines(&p.body)));
    match &p.content {
        Content::Leaf => {}
        Content::Message(inner) => {
            assert_eq!(inner.whole(), p.body);
            verify(inner, text, &p.body);
        }
        Content::Multipart(parts) => {
            assert!(!parts.is_empty());
            let mut from = p.body.start;
            for c in parts {
                verify(c, text, &(from..p.body.end));
                from = c.body.end;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_message(text in message(), cut in 1usize..40) {
        let limits = StructureLimits { max_parts: 12, max_depth: 5, max_field: 60, max_kept: 300 };
        let whole = parse(&text, limits);
        prop_assert_eq!(whole.size, to_wire(&text).len() as u64);
        prop_assert_eq!(whole.root.whole(), 0..text.len() as u64);
        verify(&whole.root, &text, &(0..text.len() as u64));
        let mut p = Parser::new(limits);
        text.chunks(cut).for_each(|c| p.push(c));
        prop_assert_eq!(p.finish(), whole);
        let free = parse(&text, StructureLimits::default());
        verify(&free.root, &text, &(0..text.len() as u64));
    }

    #[test]
    fn any_bytes(text in prop::collection::vec(any::<u8>(), 0..300)) {
        let m = parse(&text, StructureLimits::default());
        verify(&m.root, &text, &(0..text.len() as u64));
    }
}

/// The messages of the dialogs about structure: each stands for a kind that is easy to get wrong.
fn cases() -> Vec<Vec<u8>> {
    const DIALOGS: [&str; 4] = [
        include_str!("../../../tests/dialogs/boundaries.dialog"),
        include_str!("../../../tests/dialogs/mime-odd.dialog"),
        include_str!("../../../tests/dialogs/fetch-mime.dialog"),
        include_str!("../../../tests/dialogs/bodystructure.dialog"),
    ];
    let mut found: Vec<Vec<u8>> = Vec::new();
    for line in DIALOGS.iter().flat_map(|text| text.lines()) {
        if line.starts_with("file ") {
            found.push(Vec::new());
        } else if let (Some(text), Some(message)) = (line.strip_prefix('|'), found.last_mut()) {
            let text = text.strip_prefix(' ').unwrap_or(text).replace("%{sp}", " ");
            message.extend_from_slice(text.replace("%{x00}", "\0").as_bytes());
            message.push(b'\n');
        }
    }
    found
}

/// Lines go, come twice, change places, lose their ends; bytes change.
fn damage(message: &[u8], blows: &[(u8, usize, usize)]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> =
        message.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    for (kind, a, b) in blows {
        if lines.is_empty() {
            break;
        }
        let (a, b) = (a % lines.len(), b % lines.len());
        match kind % 7 {
            0 => drop(lines.remove(a)),
            1 => lines.insert(a, lines[b].clone()),
            2 => lines.swap(a, b),
            3 => drop(lines[a].pop()),
            4 => lines[a].splice(..0, *b"--").for_each(drop),
            5 => lines[a].insert(0, b"\0 \"*;=-\r"[b % 8]),
            _ => {
                let at = b % lines[a].len().max(1);
                lines[a].truncate(at);
            }
        }
    }
    lines.concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn damaged_cases(
        message in prop::sample::select(cases()),
        blows in prop::collection::vec(any::<(u8, usize, usize)>(), 0..6),
        cut in 1usize..40,
    ) {
        let text = damage(&message, &blows);
        let whole = parse(&text, StructureLimits::default());
        verify(&whole.root, &text, &(0..text.len() as u64));
        let mut parser = Parser::new(StructureLimits::default());
        text.chunks(cut).for_each(|chunk| parser.push(chunk));
        prop_assert_eq!(parser.finish(), whole);
    }
}
