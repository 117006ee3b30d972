//! What is written from what is remembered is what is written from the tree.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::mime::facts::{Facts, enclosed, encode};
use crate::mime::structure::properties::message;
use crate::mime::structure::{StructureLimits, parse};
use crate::wire::Io;
use crate::wire::connection::MemoryConnection;
use proptest::prelude::*;

/// A message in memory.
struct InMemory<'a>(&'a [u8]);

impl Headers for InMemory<'_> {
    fn header(&mut self, range: Range<u64>) -> io::Result<&[u8]> {
        Ok(&self.0[range.start as usize..range.end as usize])
    }
}

fn shown(utf8: bool, write: impl FnOnce(&mut Encoder<'_>)) -> String {
    let connection = MemoryConnection::default();
    let sent = connection.output();
    let mut io = Io::new(Box::new(connection));
    write(&mut Encoder::new(&mut io, utf8));
    assert!(io.flush().is_ok());
    let sent = sent.borrow();
    sent.escape_ascii().to_string()
}

/// Whether a structure is remembered of it; then it is written as the tree is.
fn verify(text: &[u8]) -> bool {
    let found = parse(text, StructureLimits::default());
    let headers = enclosed(&found.root, |range, sink| {
        sink(&text[range.start as usize..range.end as usize]);
        Ok(())
    });
    let header = &text[..found.root.header.end as usize];
    let Some(payload) = encode(header, Some((&found, &headers.unwrap()))) else { return false };
    let Some(outline) = Facts::read(&payload).unwrap().outline() else { return false };
    for (utf8, extended) in [(false, false), (false, true), (true, false), (true, true)] {
        let from_tree = shown(utf8, |encoder| {
            let headers = &mut InMemory(text);
            assert!(Writer { encoder, headers, extended }.item(&found.root).is_ok());
        });
        let mut from_outline = Vec::new();
        let length = write_outline(&mut from_outline, outline, Form { extended, utf8 });
        assert_eq!(length, Some(text.len() as u64));
        assert_eq!(from_outline.escape_ascii().to_string(), from_tree);
    }
    true
}

/// Header fields that answers show, and bodies for them.
fn told() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::sample::select(vec![
        "Content-Type: text/plain; charset=utf-8\n",
        "Content-Type: text/html; charset=\"ISO-8859-1\"\n",
        "Content-Type: text/plain; charset=us-ascii; format=flowed\n",
        "Content-Type: text/plain; charset=koi8-r\n",
        "Content-Type: text/plain; name=\"a\\\"b\\\\c\"\n",
        "Content-Type: text/x-é; name=\"é\"\n",
        "Content-Type: application/pdf; name=a.pdf\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n",
        "Content-Type: multipart/alternative; boundary=\"bb\"; type=\"é\"\n\n--bb\n",
        "Content-Type: message/rfc822\n\n",
        "Content-Type: message/rfc822\nContent-Disposition: inline\n\n",
        "Content-Type: message/global\n\n",
        "Content-Transfer-Encoding: 8bit\n",
        "Content-Transfer-Encoding: Quoted-Printable\n",
        "Content-Transfer-Encoding: base64\n",
        "Content-Transfer-Encoding: x-odd\"\n",
        "Content-ID: <a@b>\n",
        "Content-Description: Grüße \"you\"\n",
        "Content-Description:\n",
        "Content-MD5: abc==\n",
        "Content-Disposition: attachment; filename=\"ü.pdf\"; size=12\n",
        "Content-Disposition: inline\n",
        "Content-Language: de, en\n",
        "Content-Location: http://a/\n",
        "From: é <a@b>, c@d\n",
        "Subject: forwarded é\n",
        "\n",
        "body\n",
        "é\r\n",
        "\n--b\n",
        "\n--bb\n",
        "\n--b--\n",
        "\n--bb--\n",
    ]);
    prop::collection::vec(lines, 0..50).prop_map(|lines| {
        let lines = lines.concat();
        format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n{lines}")
            .into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_message(text in message()) {
        verify(&text);
    }

    #[test]
    fn any_description(text in told()) {
        verify(&text);
    }
}

#[test]
fn all_kinds() {
    let text = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Language: en\n\
        \n--b\nContent-Type: text/plain; charset=utf-8\n\nx\n\
        --b\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\
        Content-Disposition: attachment; filename=\"a \\\"b\\\"\"\nContent-MD5: m\n\nx\n\
        --b\nContent-ID: <i>\nContent-Description: Gr\u{fc}\u{df}e\n\nx\n\
        --b\nContent-Type: message/rfc822\n\nFrom: J\u{f6} <j@x>\nContent-Type: multipart/mixed; \
        boundary=c\n\n--c\n\nx\n--c--\n\
        --b\nContent-Type: message/global\n\nFrom: J\u{f6} <j@x>\nContent-Type: message/rfc822\n\n\
        Subject: s\n\nx\n\
        --b\nContent-Type: image/png; name=\"\u{fc}\"\n\nx\n--b--\n";
    assert!(verify(text.as_bytes()));
}
