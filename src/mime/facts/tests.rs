//! What was remembered answers as the message does; and no bytes do harm.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::mime::structure::properties::message;
use crate::mime::structure::{StructureLimits, parse};
use proptest::prelude::*;

/// The header with its empty line, and the structure.
fn learn(text: &[u8]) -> (Vec<u8>, Structure, Vec<Vec<u8>>) {
    let found = parse(text, StructureLimits::default());
    let header = text[..found.root.header.end as usize].to_vec();
    let headers = enclosed(&found.root, |range, sink| {
        sink(&text[range.start as usize..range.end as usize]);
        Ok(())
    });
    (header, found, headers.unwrap())
}

/// The envelopes of the messages in a message.
struct Envelopes<'a>(Vec<&'a [u8]>);

impl<'a> Visitor<'a> for Envelopes<'a> {
    fn begin(&mut self, _: &Outlined<'a>) {}
    fn enclosed(&mut self, _: &Outlined<'a>, fields: &'a [u8]) {
        self.0.push(fields);
    }
    fn end(&mut self, _: &Outlined<'a>) {}
}

fn envelopes(part: &crate::mime::structure::Part, text: &[u8], outline: Outline<'_>) {
    let mut found = Envelopes(Vec::new());
    assert!(outline.visit(&mut found).is_some());
    let mut found = found.0.into_iter();
    part.walk(&mut |part| {
        let Some(inner) = part.enclosed() else { return };
        let block = &text[inner.header.start as usize..inner.header.end as usize];
        let fields = found.next().unwrap();
        assert_eq!(crate::mime::envelope::envelope(fields), crate::mime::envelope::envelope(block));
    });
    assert_eq!(found.next(), None);
}

fn structure(facts: Facts<'_>) -> Option<Structure> {
    facts.outline()?.structure()
}

fn verify(text: &[u8]) {
    let (header, found, headers) = learn(text);
    let Some(payload) = encode(&header, Some((&found, &headers))) else { return };
    let facts = Facts::read(&payload).unwrap();
    if let Some(outline) = facts.outline() {
        assert_eq!(outline.visit(&mut ()), Some(found.file_size));
        assert_eq!(outline.structure().as_ref(), Some(&found));
        envelopes(&found.root, text, outline);
    }
    let ends = |block: &[u8]| block.ends_with(b"\n\n") || block.ends_with(b"\n\r\n");
    let mut chosen = Vec::new();
    // Each name that occurs, and some that may not.
    let mut names: Vec<&[u8]> = header::fields(&header).map(|f| f.name).collect();
    names.extend([&b"Subject"[..], b"x-none", b"TO"]);
    for name in names.into_iter().filter(|name| !name.is_empty()) {
        if facts.have(&Names::of([name])) {
            let raw = |block| {
                let same = header::fields(block).filter(|f| f.is(name));
                same.flat_map(|f| f.raw.to_vec()).collect::<Vec<u8>>()
            };
            assert_eq!(raw(facts.header()), raw(&header), "{}", name.escape_ascii());
            facts.header_of(&Names::of([name]), &mut chosen);
            assert_eq!(raw(&chosen), raw(&header), "{}", name.escape_ascii());
            let names = Names::of([name]);
            let same = facts.fields_of(&names).filter(|f| f.is(name));
            let expected: Vec<_> = header::fields(&header).filter(|f| f.is(name)).collect();
            assert_eq!(same.collect::<Vec<_>>(), expected, "{}", name.escape_ascii());
            if header::fields(&chosen).next().is_some() {
                assert_eq!(ends(&chosen), ends(&header));
            }
        }
    }
    if header::fields(facts.header()).next().is_some() {
        assert_eq!(ends(facts.header()), ends(&header));
    }
    let names = Names::of_envelope();
    let envelope = facts.envelope(&names);
    assert_eq!(envelope.is_some(), facts.have(&names));
    if let Some(envelope) = envelope {
        assert_eq!(envelope, crate::mime::envelope::envelope(&header));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_message(text in message()) {
        verify(&text);
    }

    #[test]
    fn any_header(lines in prop::collection::vec(prop::sample::select(vec![
        "Subject: a\n", "Subject: b\r\n", "X-Unknown: c\n", " more\n", "no colon\n", "\n", "\r\n",
        "Date : d\n", "From me: x\n", "To: e", "\r", "received: f\r\n", "CC:\n", ":\n",
    ]), 0..12)) {
        verify(lines.concat().as_bytes());
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [&[FORMAT, HAS_STRUCTURE][..], &bytes].concat();
        if let Some(facts) = Facts::read(&bytes) {
            facts.have(&Names::of([&b"Subject"[..]]));
            facts.header_of(&Names::of([&b"Subject"[..]]), &mut Vec::new());
            facts.fields_of(&Names::of([&b"Subject"[..], b"to"])).count();
            if let Some(found) = structure(facts) {
                prop_assert!(found.root.whole().end == found.file_size);
            }
        }
    }

    /// Bytes that are nearly right: one is another, or the end is missing.
    #[test]
    fn damaged(text in message(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (header, found, headers) = learn(&text);
        if let Some(mut payload) = encode(&header, Some((&found, &headers))) {
            let at = at.index(payload.len());
            let cut = Facts::read(&payload[..at]).and_then(structure);
            prop_assert!(cut.is_none());
            payload[at] = byte;
            if let Some(Structure { root, .. }) = Facts::read(&payload).and_then(structure) {
                // Every part still lies in the file.
                root.walk(&mut |part| assert!(part.body.end <= root.body.end));
            }
        }
    }
}

#[test]
fn what_is_left_out_is_known() {
    let long = format!("References: {}\n", "<a@b> ".repeat(400));
    let text = format!("Subject: s\nReceived: by x\nX-Odd: y\nTo: t\n{long}\n");
    let payload = encode(text.as_bytes(), None).unwrap();
    let facts = Facts::read(&payload).unwrap();
    assert_eq!(facts.header(), b"Subject: s\nTo: t\n\n");
    let have = |names: &[&[u8]]| facts.have(&Names::of(names.iter().copied()));
    assert!(have(&[b"SUBJECT", b"To", b"x-none", b"Cc"]));
    for name in [&b"received"[..], b"x-odd", b"references"] {
        assert!(!have(&[b"subject", name]), "{}", name.escape_ascii());
    }
    assert!(have(&[]) && facts.outline().is_none());
    assert_eq!(encode(&vec![b'x'; MAX_BLOCK + 1], None), None);
    let many: String = (0..300).map(|n| format!("X-{n}: v\n")).collect();
    assert_eq!(encode(many.as_bytes(), None), None);
}

#[test]
fn a_structure_that_is_too_large_is_not_remembered() {
    let part = "--b\nContent-Type: text/x-something-or-other; name=a-name-of-some-length\n\nx\n";
    let text = format!(
        "Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n{}--b--\n",
        part.repeat(200)
    );
    let (header, found, headers) = learn(text.as_bytes());
    let payload = encode(&header, Some((&found, &headers))).unwrap();
    let facts = Facts::read(&payload).unwrap();
    assert!(facts.outline().is_none() && facts.have(&Names::of_envelope()));
    verify(text.as_bytes());
}

/// A payload that nests deeper than any message: the reader does not follow it.
#[test]
fn depth_is_bounded() {
    let mut bytes = vec![0, 0];
    for _ in 0..100_000 {
        bytes.extend_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0]);
    }
    assert_eq!(Outline(&bytes).visit(&mut ()), None);
    assert_eq!(Outline(&bytes).structure(), None);
}

/// A description that is common takes one byte, and is as one that is spelled out.
#[test]
fn common_descriptions() {
    for subtype in ["plain", "html", "calendar"] {
        for charset in ["us-ascii", "utf-8", "iso-8859-1", "windows-1252", "koi8-r"] {
            for encoding in ["7bit", "8bit", "quoted-printable", "base64", "binary"] {
                for more in ["", "; format=flowed", "\nContent-ID: <a>", "\nContent-Description: d"]
                {
                    let text = format!(
                        "MIME-Version: 1.0\nContent-Transfer-Encoding: {encoding}\n\
                         Content-Type: text/{subtype}; charset={charset}{more}\n\nbody\n"
                    );
                    verify(text.as_bytes());
                    let is_common = more.is_empty()
                        && !(subtype == "calendar" || charset == "koi8-r" || encoding == "binary");
                    let found = parse(text.as_bytes(), StructureLimits::default());
                    assert_eq!(common::code_of(&found.root) != 0, is_common, "{text}");
                }
            }
        }
    }
    for subtype in ["mixed", "alternative", "related", "signed", "report"] {
        for more in ["", "; type=x", "\nContent-Disposition: inline", "\nContent-Language: de"] {
            for encoding in ["", "\nContent-Transfer-Encoding: 8bit"] {
                let text = format!(
                    "MIME-Version: 1.0\nContent-Type: multipart/{subtype}; boundary=b{more}{encoding}\n\
                     \n--b\n\nx\n--b--\n"
                );
                verify(text.as_bytes());
                let is_common =
                    subtype != "report" && !more.starts_with(';') && encoding.is_empty();
                let found = parse(text.as_bytes(), StructureLimits::default());
                assert_eq!(common::code_of(&found.root) != 0, is_common, "{text}");
            }
        }
    }
    // Bits and code contradict each other, or there is no such code.
    let part = |bits, code| [0, 0, bits, 0, 0, 0, 0, 0, 0, 0, code];
    let length = |part: &[u8], more: &[u8]| Outline(&[part, more].concat()).visit(&mut ());
    assert_eq!(length(&part(0, 1), b""), Some(0));
    assert_eq!(length(&part(0, 32), b""), Some(0));
    for code in 33..=255 {
        assert_eq!(length(&part(0, code), b"\x1f\0"), None);
    }
    for bits in [1, 2, 3, structure::ID, structure::DESCRIPTION] {
        assert_eq!(length(&part(bits, 1), b"\x01"), None);
    }
    let inner = [1, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let multipart = |code, name| length(&part(1, code), &[&[name, 0][..], &inner].concat());
    assert_eq!(multipart(33, 0x1f), Some(0));
    assert_eq!((multipart(33, 0x1d), multipart(37, 0x1f)), (None, None));
}

#[test]
fn small() {
    let text = b"Date: Tue, 1 Jan 2030 00:00:00 +0000\nFrom: a@b\nSubject: s\nMIME-Version: 1.0\n\
        Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 7bit\n\nbody\n";
    let (header, found, headers) = learn(text);
    let payload = encode(&header, Some((&found, &headers))).unwrap();
    // The place of each of six fields takes three bytes.
    assert!(payload.len() <= header.len() + 48, "{} for {}", payload.len(), header.len());
}
