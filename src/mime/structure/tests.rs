//! Structures by table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::mime::params::Param;
use crate::types::limits;

const M: &str = "MIME-Version: 1.0\n";

/// The tree in short: type/subtype, encoding unless 7bit, wire size of the body, lines; children in
/// brackets.
fn brief(p: &Part) -> String {
    let t = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    let mut out = format!("{}/{}", t(&p.kind), t(&p.subtype));
    if p.encoding != b"7bit" {
        out += &format!(" {}", t(&p.encoding));
    }
    match &p.content {
        Content::Leaf => out += &format!(" {} {}", p.body_size, p.body_lines),
        Content::Multipart(parts) => {
            out += &format!("[{}]", parts.iter().map(brief).collect::<Vec<_>>().join(", "));
        }
        Content::Message(inner) => {
            out += &format!(" {} {}<{}>", p.body_size, p.body_lines, brief(inner))
        }
    }
    out
}

fn shape(text: &str) -> String {
    brief(&parse(text.as_bytes(), StructureLimits::default()).root)
}

fn check(cases: &[(&str, &str)]) {
    for (text, want) in cases {
        let lf = format!("{M}{text}");
        assert_eq!(shape(&lf), *want, "{lf:?}");
        // The same with CRLF: the same sizes on the wire.
        let crlf = lf.replace('\n', "\r\n");
        assert_eq!(shape(&crlf), *want, "{crlf:?}");
    }
}

#[test]
fn leaves() {
    check(&[
        ("Content-Type: foo\n\nab\n", "text/plain 4 1"),
        ("Content-Type: text\n\nab", "text/plain 2 0"),
        // Of two fields the first that says anything.
        ("Content-Type: TEXT/HTML\nContent-Type: image/PNG\n x\n\n", "text/html 0 0"),
        ("Content-Type:\n \nContent-Type: image/PNG\n\n", "image/png 0 0"),
        ("Content-Type: \0\nContent-Type: image/PNG\n\n", "image/png 0 0"),
        (
            "Content-Transfer-Encoding: base64\nX: y\nContent-Transfer-Encoding: 7bit\n\n",
            "text/plain base64 0 0",
        ),
        ("Content-Type: message/rfc822\0\n\nA: b\n\nx", "message/rfc822 9 2<text/plain 1 0>"),
        ("Content-Transfer-Encoding: Weird (x)\n\n\n", "text/plain weird 2 1"),
        ("Subject: x", "text/plain 0 0"),
        ("Content-Type: message/delivery-status\n\nA: b\n\nC: d\n", "message/delivery-status 14 3"),
    ]);
}

#[test]
fn multiparts() {
    let mp = "Content-Type: multipart/mixed; boundary=b\n\n";
    let with = |body: &str| shape(&format!("{M}{mp}{body}"));
    assert_eq!(
        with("pre\n--b\n\nhi\n--b\nContent-Type: text/html\n\nyo\n\n--b--\npost\n--b\n"),
        "multipart/mixed[text/plain 2 0, text/html 4 1]"
    );
    assert_eq!(with("--b\n\nhi\n"), "multipart/mixed[text/plain 2 0]");
    assert_eq!(with("--b\n\nhi"), "multipart/mixed[text/plain 2 0]");
    assert_eq!(with("--b\n\nhi\n--b--"), "multipart/mixed[text/plain 2 0]");
    assert_eq!(with("--b \t\n\nhi\n--b-- \n"), "multipart/mixed[text/plain 2 0]");
    assert_eq!(
        with("--b\n--b\n\n--b\n\n\n--b--\n"),
        "multipart/mixed[text/plain 0 0, text/plain 0 0, text/plain 0 0]"
    );
    assert_eq!(with("--b\nContent-Type: text/html\n--b--\n"), "multipart/mixed[text/html 0 0]");
    assert_eq!(
        with("--b\nContent-Type: message/rfc822\n--b--\n"),
        "multipart/mixed[message/rfc822 0 0<text/plain 0 0>]"
    );
    // Never occurs, only closed, case, absent.
    assert_eq!(with("hi\n"), "multipart/mixed 4 1");
    assert_eq!(with("pre\n--b--\n"), "multipart/mixed 12 2");
    assert_eq!(with("--B\n\nhi\n"), "multipart/mixed 11 3");
    assert_eq!(shape(&format!("{M}Content-Type: multipart/x\n\n--\n")), "multipart/x 4 1");
    assert_eq!(
        shape(&format!("{M}Content-Type: multipart/x; boundary=\"b \"\n\n--b\n\nhi\n")),
        "multipart/x[text/plain 2 0]"
    );
    // A header whose boundary is cut off: the first delimiter has it whole.
    assert_eq!(with("--bla\n\nhi\n--b--\n"), "multipart/mixed[text/plain 2 0]");
    assert_eq!(
        with("--bla\n\nhi\n--bla\n\nyou\n--blub\n--bla--\nend\n"),
        "multipart/mixed[text/plain 2 0, text/plain 11 1]"
    );
    // But a preamble may have a line that begins with it.
    for preamble in ["--bla\n", "pre\n--b bla --\n\nx\n", "--bla\nContent-Type: message/rfc822\n\n"]
    {
        assert_eq!(
            with(&format!("{preamble}--b\n\nhi\n--b\nContent-Type: text/html\n\nyo\n--b--\n")),
            "multipart/mixed[text/plain 2 0, text/html 2 0]",
            "{preamble}"
        );
    }
    // Unless it comes again.
    assert_eq!(
        with("--bla\n\nhi\n--bla\n\nyou\n--b\n\n"),
        "multipart/mixed[text/plain 2 0, text/plain 3 0, text/plain 0 0]"
    );
    // Behind the first one a line is text that has more than the boundary.
    assert_eq!(
        with("--b\n\nhi\n--bla\n--b-- x\n--b---\n--b -\n--b--\n"),
        "multipart/mixed[text/plain 33 4]"
    );
}

#[test]
fn boundaries_as_mail_has_them() {
    let two = |declared: &str, line: &str, end: &str| {
        let text = format!(
            "{M}Content-Type: multipart/mixed; {declared}\n\npre\n{line}\n\n1\n{line}\n\n2\n{end}\n"
        );
        assert_eq!(shape(&text), "multipart/mixed[text/plain 1 0, text/plain 1 0]", "{text}");
        let text = text.replace('\n', "\r\n");
        assert_eq!(shape(&text), "multipart/mixed[text/plain 1 0, text/plain 1 0]", "{text}");
    };
    for (declared, boundary) in [
        ("boundary=\"foo \"", "foo "),
        ("boundary=\"foo \"", "foo"),
        ("boundary=\"foo\n \"", "foo"),
        ("boundary=foo bar", "foo bar"),
        ("boundary=foo bar; x=y", "foobar"),
        ("boundary=foo bar ; x=y", "foo"),
        ("boundary=foo\n bar", "foo bar"),
        ("boundary=foo x=y", "foo"),
        ("boundary=foo (comment)", "foo"),
        ("boundary=\"foo; x=y", "foo"),
        ("boundary=\"foo; x=y", "foo; x=y"),
        ("boundary*=us-ascii''a%20b%3D", "a b="),
        ("boundary*=a%3d", "a="),
        ("boundary*0=a%20; boundary*1=b", "a%20b"),
        ("boundary*0*=us-ascii'en'%3D_7;\n boundary*1*=3-b%5F", "=_73-b_"),
        ("boundary*1=b; boundary*0=\"a\"", "ab"),
        ("boundary=a; boundary*=b", "a"),
        ("boundary=a; boundary*=b", "b"),
        ("boundary=\"-\"", "-"),
        ("boundary=\"--\"", "--"),
        ("boundary=a\0b", "a\0b"),
        ("boun\0dary=a", "a"),
        ("boundary\0*=a", "a"),
        ("Boundary = \"(a)\"", "(a)"),
    ] {
        two(declared, &format!("--{boundary}"), &format!("--{boundary}--"));
        two(declared, &format!("--{boundary} \t"), &format!("--{boundary}-- "));
    }
    // What the first delimiter did not mean is text from there on.
    assert_eq!(
        shape(
            "Content-Type: multipart/mixed; boundary=foo bar\n\n\
             --foo bar\n\n--foo\n--foobar\n--foo bar--\n"
        ),
        "multipart/mixed[text/plain 15 1]"
    );
    assert_eq!(
        shape(
            "Content-Type: multipart/mixed; boundary=\"-\"\n\n---\n\nHello\n\
             -----Original Message-----\n--- Original Message ---\nquoted\n---\n\nPDF\n-----\n"
        ),
        "multipart/mixed[text/plain 67 3, text/plain 3 0]"
    );
    // No boundary at all.
    for none in ["boundary=", "boundary=\"\"", "boundary=\" \"", "boundary*1=b", "boundary*=%00x"] {
        let text = format!("Content-Type: multipart/mixed; {none}\n\n--\n\n1\n--b\n\n2\n");
        assert_eq!(shape(&text), "multipart/mixed 19 6", "{none}");
    }
    let long = "x".repeat(limits::MAX_BOUNDARY + 1);
    let text = format!("Content-Type: multipart/mixed; boundary={long}\n\n--{long}\n\n1\n");
    assert_eq!(parse(text.as_bytes(), StructureLimits::default()).root.parts().len(), 0);
}

#[test]
fn equal_boundaries() {
    // The innermost that is open.
    check(&[
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\
             Content-Type: multipart/alternative; boundary=b\n\n--b\n\n1\n--b\n\n2\n--b--\n\
             --b\n\n3\n--b--\n",
            "multipart/mixed[multipart/alternative[text/plain 1 0, text/plain 1 0], \
             text/plain 1 0]",
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n\
             Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n--b--\n--b\n\n3\n--b--\n",
            "multipart/mixed[message/rfc822 60 5<multipart/mixed[text/plain 1 0]>, \
             text/plain 1 0]",
        ),
        // One ends like the closing delimiter of the other.
        (
            "Content-Type: multipart/mixed; boundary=b--\n\n--b--\n\
             Content-Type: multipart/alternative; boundary=b\n\n--b\n\n1\n--b--\n\
             --b--\n\n3\n--b----\n",
            "multipart/mixed[multipart/alternative[text/plain 1 0], text/plain 1 0]",
        ),
    ]);
}

#[test]
fn nested() {
    check(&[
        // b and bb, in both directions.
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\
             Content-Type: multipart/alternative; boundary=bb\n\n--bb\n\n1\n--bb\n\n2\n--bb--\n\
             --b\n\n3\n--b--\n",
            "multipart/mixed[multipart/alternative[text/plain 1 0, text/plain 1 0], \
             text/plain 1 0]",
        ),
        (
            "Content-Type: multipart/mixed; boundary=bb\n\n--bb\n\
             Content-Type: multipart/alternative; boundary=b\n\n--b\n\n1\n--b\n\n2\n--b--\n\
             --bb\n\n3\n--bb--\n",
            "multipart/mixed[multipart/alternative[text/plain 1 0, text/plain 1 0], \
             text/plain 1 0]",
        ),
        // An outer boundary ends an inner multipart that was never closed.
        (
            "Content-Type: multipart/mixed; boundary=o\n\n--o\n\
             Content-Type: multipart/mixed; boundary=i\n\n--i\n\n1\n--o\n\n2\n--o--\n",
            "multipart/mixed[multipart/mixed[text/plain 1 0], text/plain 1 0]",
        ),
        (
            "Content-Type: multipart/digest; boundary=o\n\n--o\n\nSubject: x\n\nhi\n--o\n\
             Content-Type: text/html\n\n2\n--o--\n",
            "multipart/digest[message/rfc822 16 2<text/plain 2 0>, text/html 1 0]",
        ),
        // An enclosed message is MIME as the message is; a multipart/digest's default goes no
        // deeper.
        (
            "Content-Type: message/rfc822\n\nContent-Type: text/html\n\nhi\n",
            "message/rfc822 31 3<text/html 4 1>",
        ),
        (
            "Content-Type: message/global\n\nMIME-Version: 1.0\nContent-Type: text/html\n\nhi\n",
            "message/global 50 4<text/html 4 1>",
        ),
        (
            "Content-Type: message/global\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA==\n",
            "message/global base64 18 1",
        ),
        (
            "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\n\
             MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\n1\n--i--\n\
             --o--\n",
            "multipart/mixed[message/rfc822 79 6<multipart/mixed[text/plain 1 0]>]",
        ),
    ]);
}

#[test]
fn whatever_mime_version_says() {
    for version in ["", "1.0", "\"1.0\"", "1,0", "1-0", "1.0 (comment)", "1 . 0", "x", "2.0", "é"]
    {
        let version =
            if version.is_empty() { String::new() } else { format!("MIME-Version: {version}\n") };
        let text = format!(
            "{version}Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\
             Content-Type: application/pdf\n\nPDF\n--b--\n"
        );
        assert_eq!(shape(&text), "multipart/mixed[text/plain 3 0, application/pdf 3 0]");
        let text = format!(
            "Content-Type: message/rfc822\n\n{version}Content-Type: text/html\n\
             Content-Transfer-Encoding: BASE64\nContent-Disposition: inline\n\nx"
        );
        let m = parse(text.as_bytes(), StructureLimits::default());
        let inner = m.root.enclosed().unwrap();
        assert_eq!(brief(inner), "text/html base64 1 0");
        assert_eq!(inner.disposition.as_ref().unwrap().kind, b"inline");
    }
    // Without any field plain text stays plain text.
    assert_eq!(shape("Subject: x\n\n--b\n\nx\n"), "text/plain 10 3");
}

#[test]
fn fields_of_a_part() {
    let m = parse(
        b"MIME-Version: 1.0\nContent-Type: Text/Plain;\n Charset=\"US-ASCII\"; Name*0=\"ab\"\n\
         Content-ID: cid@x\nContent-Description: desc\n\t(x)\nContent-MD5: md5==\n\
         Content-Disposition: ATTACHMENT; FileName=\"f n.txt\"; size=5\n\
         Content-Language: de, en\nContent-Location: http://x/\n\nx",
        StructureLimits::default(),
    );
    let p = &m.root;
    assert_eq!(p.param(b"charset"), Some(&b"us-ascii"[..]));
    assert_eq!(p.param(b"name*0"), Some(&b"ab"[..]));
    assert_eq!(p.id.as_deref(), Some(&b"<cid@x>"[..]));
    assert_eq!(p.description.as_deref(), Some(&b"desc\t(x)"[..]));
    assert_eq!(p.md5.as_deref(), Some(&b"md5=="[..]));
    let d = p.disposition.as_ref().unwrap();
    assert_eq!(d.kind, b"attachment");
    assert_eq!(d.params[0], Param { name: b"filename".to_vec(), value: b"f n.txt".to_vec() });
    assert_eq!(p.language.as_deref(), Some(&b"de, en"[..]));
    assert_eq!(p.location.as_deref(), Some(&b"http://x/"[..]));
    assert!(m.header_ended && !m.has_8bit_header && !m.limited);
}

#[test]
fn whole_message_facts() {
    let m = parse("Subject: é\n\nx\n".as_bytes(), StructureLimits::default());
    assert!(m.has_8bit_header);
    assert_eq!((m.size, m.file_size), (18, 15));
    let m = parse("Subject: e\n\né".as_bytes(), StructureLimits::default());
    assert!(!m.has_8bit_header);
    let m = parse(b"Subject: e\nX", StructureLimits::default());
    assert!(!m.header_ended);
    assert_eq!((m.root.header.clone(), m.root.body.clone(), m.size), (0..12, 12..12, 13));
    let m = parse(b"", StructureLimits::default());
    assert_eq!((m.root.header, m.root.body, m.size), (0..0, 0..0, 0));
}

#[test]
fn too_many_parts() {
    let mut text = format!("{M}Content-Type: multipart/mixed; boundary=b\n\n").into_bytes();
    for _ in 0..50_000 {
        text.extend_from_slice(b"--b\n\nx\n");
    }
    let m = parse(&text, StructureLimits::default());
    assert!(m.limited);
    assert_eq!(m.root.parts().len(), 9_999);
    assert_eq!(m.root.parts().last().unwrap().body.end, text.len() as u64);
}

#[test]
fn too_deep() {
    let mut text = M.to_string();
    for n in 0..300 {
        text += &format!("Content-Type: multipart/mixed; boundary=b{n}.\n\n--b{n}.\n");
    }
    let m = parse(text.as_bytes(), StructureLimits::default());
    assert!(m.limited);
    let mut depth = 1;
    let mut p = &m.root;
    while let Some(inner) = p.parts().first() {
        p = inner;
        depth += 1;
    }
    assert_eq!((depth, p.kind.as_slice()), (100, &b"multipart"[..]));

    let text = format!("{M}Content-Type: message/rfc822\n\n").repeat(5000);
    let m = parse(text.as_bytes(), StructureLimits::default());
    let mut depth = 1;
    let mut p = &m.root;
    while let Some(inner) = p.enclosed() {
        p = inner;
        depth += 1;
    }
    assert_eq!(
        (depth, p.kind.as_slice(), p.subtype.as_slice()),
        (100, &b"application"[..], &b"octet-stream"[..])
    );
}

#[test]
fn long_lines_and_fields() {
    // A header that never ends, a line of megabytes: counted, not kept.
    let mut text = b"MIME-Version: 1.0\nContent-Type: text/html; name=\"".to_vec();
    text.resize(3_000_000, b'x');
    let m = parse(&text, StructureLimits::default());
    assert!(!m.header_ended);
    assert_eq!(m.root.subtype, b"html");
    assert!(m.root.params[0].value.len() <= 65_536);
    // A delimiter with much white space behind it.
    let text =
        format!("{M}Content-Type: multipart/mixed; boundary=b\n\n--b{}\n\nx", " ".repeat(10_000));
    assert_eq!(shape(&text), "multipart/mixed[text/plain 1 0]");
}
