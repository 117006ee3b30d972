//! Messages with `binary` in them, and what is stored of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::mime::content::ToContent;
use crate::mime::decode::Encoding;
use crate::mime::structure::properties::FRAGMENTS;
use crate::mime::structure::{Content, parse};
use proptest::prelude::*;

/// What is passed on, and whether there is a form.
fn pass(message: &[u8], cut: usize) -> (Vec<u8>, bool) {
    let mut filter = NoBinary::new(StructureLimits::default());
    let mut out = Vec::new();
    message.chunks(cut).for_each(|chunk| filter.push(chunk, &mut out));
    filter.finish(&mut out);
    (out, !filter.has_failed())
}

fn without_crs(message: &[u8]) -> Vec<u8> {
    message.iter().copied().filter(|b| *b != b'\r').collect()
}

/// Lines of text with CRLF, `\0` for a NUL.
fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

#[test]
fn what_becomes_of_messages() {
    for (message, expected) in [
        ("A: b\n\nbody\n", "A: b\n\nbody\n"),
        (
            "Content-Transfer-Encoding: binary\n\n\0a\n",
            "Content-Transfer-Encoding: base64\n\nAGENCg==",
        ),
        ("Content-Transfer-Encoding: binary", "Content-Transfer-Encoding: base64"),
        (
            "A: b\nCONTENT-TRANSFER-ENCODING :\n (x)\n BINARY\n (y)\nC: d\n e\n\nhi",
            "A: b\nCONTENT-TRANSFER-ENCODING : base64\nC: d\n e\n\naGk=",
        ),
        (
            "Content-Transfer-Encoding: 8bit\n x\nContent-Type: multipart/x; boundary=b\n\n\
             pre\n--b\nContent-Transfer-Encoding: binary\nX: y\n\na\0\n\n--b \n\n7bit\n--b\n\
             Content-Transfer-Encoding: binary\n\n\n--b\nContent-Transfer-Encoding: binary\n\n--b--\npost\n",
            "Content-Transfer-Encoding: 8bit\n x\nContent-Type: multipart/x; boundary=b\n\n\
             pre\n--b\nContent-Transfer-Encoding: base64\nX: y\n\nYQANCg==\n--b \n\n7bit\n--b\n\
             Content-Transfer-Encoding: base64\n\n\n--b\nContent-Transfer-Encoding: base64\n\n--b--\npost\n",
        ),
        // What encloses binary parts has their label.
        (
            "Content-Transfer-Encoding: binary\nContent-Type: multipart/x; boundary=b\n\n--b\n\
             Content-Type: message/rfc822\nContent-Transfer-Encoding: binary\n\n\
             Content-Transfer-Encoding: binary\n\n-\n--c\n--b--",
            "Content-Transfer-Encoding: 8bit\nContent-Type: multipart/x; boundary=b\n\n--b\n\
             Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n\
             Content-Transfer-Encoding: base64\n\nLQ0KLS1j\n--b--",
        ),
        // A part in a digest, and one whose type nobody knows.
        (
            "Content-Type: multipart/digest; boundary=b\n\n--b\n\nContent-Transfer-Encoding: binary\n\nhi",
            "Content-Type: multipart/digest; boundary=b\n\n--b\n\nContent-Transfer-Encoding: base64\n\naGk=",
        ),
        (
            "Content-Type: x-y/z\nContent-Transfer-Encoding: binary\n\nhi",
            "Content-Type: x-y/z\nContent-Transfer-Encoding: base64\n\naGk=",
        ),
        // Of two types the first one counts.
        (
            "Content-Transfer-Encoding: binary\nContent-Type: text/plain\nContent-Type: message/rfc822\n\nA",
            "Content-Transfer-Encoding: base64\nContent-Type: text/plain\nContent-Type: message/rfc822\n\nQQ==",
        ),
    ] {
        for cut in [1, 2, 3, 7, 1000] {
            let (out, ok) = pass(&wire(message), cut);
            assert!(ok, "{message:?}");
            assert_eq!(String::from_utf8_lossy(&out), expected.replace('\n', "\r\n"), "{cut}");
        }
        // The same where lines end in LF.
        let (out, ok) = pass(message.as_bytes(), 5);
        assert!(ok, "{message:?}");
        if !message.contains('\0') && !message.contains("-\n--c") {
            assert_eq!(String::from_utf8_lossy(&without_crs(&out)), expected);
        }
    }
}

#[test]
fn messages_without_such_a_form() {
    let nested = |n: usize| {
        (0..n)
            .map(|i| format!("Content-Type: multipart/x; boundary=b{i}\n\n--b{i}\n"))
            .collect::<String>()
    };
    for message in [
        "\0",
        "A: \0\n\n",
        "A: b\n\n\0",
        "Content-Transfer-Encoding: 8bit\n\n\0",
        "Content-Transfer-Encoding: x-binary\n\n\0",
        "Content-Type: multipart/x; boundary=b\n\n\0\n--b\n\n",
        "Content-Type: multipart/x; boundary=b\n\n--b\n\nx\n--b--\n\0",
        "Content-Type: multipart/x\nContent-Transfer-Encoding: binary\n\nx",
        "Content-Type: message/partial\nContent-Transfer-Encoding: binary\n\nx",
        "Content-Type: message/delivery-status\nContent-Transfer-Encoding: binary\n\nx",
        "Content-Transfer-Encoding: binary\nContent-Transfer-Encoding: 8bit\n\nx",
        "Content-Transfer-Encoding: binary\nContent-Transfer-Encoding: binary\n\nx",
        &format!("Content-Transfer-Encoding: {}binary\n\nx", " ".repeat(70_000)),
        &format!("{}Content-Transfer-Encoding: binary\n\nx", nested(200)),
        &format!("{}{}", nested(1), "--b0\n".repeat(100_000)),
    ] {
        for cut in [3, 8192] {
            let (out, ok) = pass(&wire(message), cut);
            assert!(!ok, "{:?}", &message[..message.len().min(200)]);
            assert!(out.len() >= message.len());
        }
    }
    // As much as there may be.
    let parts = format!(
        "{}{}",
        nested(90),
        "--b89\nContent-Transfer-Encoding: binary\n\n\0\n".repeat(9_000)
    );
    let (out, ok) = pass(&wire(&parts), 8192);
    assert!(ok && !out.contains(&0));
}

/// A tree of parts.
#[derive(Clone, Debug)]
enum Tree {
    /// An encoding, and the body as it is sent.
    Leaf(&'static str, Vec<u8>),
    Message(Box<Tree>),
    Multipart(Vec<Tree>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let byte = prop::sample::select(b"ab\r\n\0-=\xff".to_vec());
    let leaf = prop_oneof![
        prop::collection::vec(byte, 0..200).prop_map(|body| Tree::Leaf("binary", body)),
        prop::collection::vec(any::<u8>(), 0..99).prop_map(|body| Tree::Leaf("Binary", body)),
        "[a-z \n-]{0,80}".prop_map(|text| Tree::Leaf("8bit", wire(&text))),
        "([A-Za-z0-9]{4}\n){0,9}".prop_map(|text| Tree::Leaf("base64", wire(&text))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::Multipart),
            inner.prop_map(|tree| Tree::Message(Box::new(tree))),
        ]
    })
}

impl Tree {
    fn has_binary(&self) -> bool {
        match self {
            Tree::Leaf(encoding, _) => encoding.eq_ignore_ascii_case("binary"),
            Tree::Message(inner) => inner.has_binary(),
            Tree::Multipart(parts) => parts.iter().any(Tree::has_binary),
        }
    }

    fn write(&self, name: &str, out: &mut Vec<u8>) {
        let label = if self.has_binary() { "binary" } else { "7bit" };
        match self {
            Tree::Leaf(encoding, body) => {
                out.extend(wire(&format!("Content-Transfer-Encoding: {encoding}\n\n")));
                out.extend(body);
            }
            Tree::Message(inner) => {
                out.extend(wire(&format!(
                    "Content-Transfer-Encoding: {label}\nContent-Type: message/rfc822\n\nSubject: s\n"
                )));
                inner.write(&format!("{name}m"), out);
            }
            Tree::Multipart(parts) => {
                out.extend(wire(&format!(
                    "Content-Type: multipart/mixed; boundary=\"{name}\"\nContent-Transfer-Encoding: {label}\n\n"
                )));
                for (n, part) in parts.iter().enumerate() {
                    out.extend(wire(&format!("\n--{name}\n")));
                    part.write(&format!("{name}{n}"), out);
                }
                out.extend(wire(&format!("\n--{name}--\n")));
            }
        }
    }

    /// The part is what was sent.
    fn check(&self, part: &Part, stored: &[u8]) {
        let body = &stored[part.body.start as usize..part.body.end as usize];
        match (self, &part.content) {
            (Tree::Leaf(encoding, sent), Content::Leaf) => {
                if !encoding.eq_ignore_ascii_case("binary") {
                    assert_eq!(body, without_crs(sent));
                    return;
                }
                assert_eq!(part.encoding, b"base64");
                let (mut content, mut out) = (ToContent::new(Encoding::Base64), Vec::new());
                content.push(body, &mut out);
                content.finish(&mut out);
                assert_eq!(&out, sent);
            }
            (Tree::Message(tree), Content::Message(inner)) => tree.check(inner, stored),
            (Tree::Multipart(trees), Content::Multipart(parts)) => {
                assert_eq!(trees.len(), parts.len());
                trees.iter().zip(parts).for_each(|(tree, part)| tree.check(part, stored));
            }
            _ => panic!("{self:?} became {part:?}"),
        }
    }
}

/// Lines and fragments that make parts and look like their boundaries, seldom with a NUL.
fn pieces() -> impl Strategy<Value = Vec<&'static str>> {
    let own = [
        "Content-Type: multipart/mixed; boundary=b\n",
        "\nContent-Type: multipart/digest;\r\n boundary=\"bb\"\r\n",
        "Content-Type: message/rfc822\n",
        "Content-Transfer-Encoding: 7bit\n",
        "Content-Transfer-Encoding: binary\n",
        "\nContent-Transfer-Encoding: binary\r\n\r\n",
        "\n--b\nContent-Transfer-Encoding:\n binary\n",
        "--b --\n",
    ];
    let text: Vec<_> = FRAGMENTS.iter().copied().filter(|piece| *piece != "\0").collect();
    let pieces = prop::collection::vec(prop::sample::select([&own[..], &text].concat()), 0..60);
    let nul = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (pieces, nul).prop_map(|(mut pieces, nul)| {
        if let Some(at) = nul {
            pieces.insert(at.index(pieces.len() + 1), "\0");
        }
        pieces
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn parts_come_back(parts in prop::collection::vec(tree(), 1..3), cut in 1usize..60) {
        let tree = Tree::Multipart(parts);
        let mut sent = Vec::new();
        tree.write("=_", &mut sent);
        let (out, ok) = pass(&sent, cut);
        prop_assert!(ok);
        prop_assert_eq!(pass(&sent, usize::MAX), (out.clone(), true));
        let stored = without_crs(&out);
        let root = parse(&stored, StructureLimits::default()).root;
        tree.check(&root, &stored);
    }

    /// Whatever comes: no NUL and no binary part is left, or the message is refused; what has no
    /// binary part passes as it is.
    #[test]
    fn any_message(pieces in pieces(), cut in 1usize..40) {
        let message = pieces.concat().into_bytes();
        let (out, ok) = pass(&message, cut);
        prop_assert_eq!(&pass(&message, usize::MAX), &(out.clone(), ok));
        if pieces.iter().all(|piece| !piece.contains("binary")) {
            prop_assert_eq!(&out, &message);
        }
        if ok {
            prop_assert!(!out.contains(&0));
            let stored = without_crs(&out);
            let mut is_left = false;
            let root = parse(&stored, StructureLimits::default()).root;
            root.walk(&mut |part| is_left |= part.encoding == b"binary");
            prop_assert!(!is_left, "{}", String::from_utf8_lossy(&stored));
        }
    }
}
