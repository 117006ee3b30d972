//! The inner loops, by the clock (`cargo bench`) and by instructions, which a noisy machine does
//! not change (`scripts/profile --counts`: each loop once under callgrind, which counts only inside
//! `counted`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use postrider::testing::{self, addresses, scan, structure, to_wire, tokens};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// How many messages the folder of the scan has.
const FOLDER: usize = 10_000;

fn main() {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("--once") {
        let name = args.next().unwrap_or_default();
        let loops = loops();
        match loops.iter().find(|l| l.name == name) {
            Some(one) => once(one),
            None => loops.iter().for_each(|l| println!("{} {} {}", l.name, l.units, l.unit)),
        }
        return;
    }
    divan::main();
}

/// One inner loop, for counting.
struct Loop {
    name: &'static str,
    /// How much it works through, and in what.
    units: usize,
    unit: &'static str,
    work: Box<dyn Fn()>,
}

fn loops() -> Vec<Loop> {
    let (line, message, head) = (commands(), message(), header_block());
    let (known, fresh) = (folder("known", true), folder("fresh", false));
    let mut list: Vec<Loop> = Vec::new();
    let mut add =
        |name, units, unit, work: Box<dyn Fn()>| list.push(Loop { name, units, unit, work });
    let (m1, m2, m3) = (message.clone(), message.clone(), message.clone());
    add(
        "tokenizer",
        line.len(),
        "byte",
        Box::new(move || {
            black_box(tokens(&line));
        }),
    );
    add(
        "mime",
        message.len(),
        "byte",
        Box::new(move || {
            structure(&m1);
        }),
    );
    add(
        "crlf",
        message.len(),
        "byte",
        Box::new(move || {
            let mut out = Vec::with_capacity(m2.len());
            to_wire(&m2, &mut out);
            black_box(out);
        }),
    );
    add(
        "wire_len",
        message.len(),
        "byte",
        Box::new(move || {
            black_box(testing::wire_len(&m3));
        }),
    );
    let block = head.clone();
    add(
        "envelope",
        1,
        "header",
        Box::new(move || {
            black_box(addresses(&block));
        }),
    );
    add(
        "fields",
        1,
        "header",
        Box::new(move || {
            black_box(chosen(&head));
        }),
    );
    add(
        "scan_known",
        FOLDER,
        "message",
        Box::new(move || {
            black_box(read(&known));
        }),
    );
    add(
        "scan_fresh",
        FOLDER,
        "message",
        Box::new(move || {
            let _ = fs::remove_file(fresh.join("courierimapuiddb"));
            black_box(read(&fresh));
        }),
    );
    list
}

fn once(one: &Loop) {
    counted(&*one.work);
}

/// Callgrind counts in here.
#[inline(never)]
fn counted(work: &dyn Fn()) {
    work();
    // Not a tail call: the name must stay on the stack.
    black_box(());
}

/// Command lines as clients send them.
fn commands() -> Vec<u8> {
    let mut text = String::new();
    for n in 0..200 {
        let _ = write!(
            text,
            "a{n} UID FETCH {n}:{},7,9:* (UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (\"From\" To Subject)])\r\n\
             b{n} STORE 1:{n} +FLAGS.SILENT (\\Seen $Label1)\r\nc{n} SELECT \"INBOX.some folder\"\r\n",
            n + 100
        );
    }
    text.into_bytes()
}

/// 1 MiB in five parts, LF.
fn message() -> Vec<u8> {
    let mut text = String::from_utf8(header_block()).unwrap().trim_end().to_owned();
    text.push_str(
        "\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"limit of parts\"\n\n",
    );
    for part in 0..5 {
        let _ = write!(
            text,
            "--limit of parts\nContent-Type: text/plain; charset=utf-8; name=\"{part}.txt\"\n\n"
        );
        for line in 0..2950 {
            let _ = writeln!(
                text,
                "{line:5} The quick brown fox jumps over the lazy dog, and so on to the end."
            );
        }
    }
    text.push_str("--limit of parts--\n");
    text.into_bytes()
}

fn header_block() -> Vec<u8> {
    let mut text = String::new();
    for hop in 0..4 {
        let _ = writeln!(
            text,
            "Received: from mx{hop}.example.org (mx{hop}.example.org [192.0.2.{hop}])\n\tby mail.example.com with ESMTP id 4711;\n\tWed, 1 Jan 2020 10:00:00 +0000"
        );
    }
    text.push_str(
        "From: =?utf-8?Q?J=C3=B6rg_M=C3=BCller?= <joerg@example.de>\nTo: \"Public, J.\" <jp@example.com>, Bob <bob@example.org>,\n carol@example.net\n\
         Cc: list: alice@example.com, dave@example.com;\nSubject: Re: [list] Minutes of the board\nDate: Wed, 1 Jan 2020 10:00:00 +0100\n\
         Message-ID: <4711.1@example.de>\nIn-Reply-To: <4710.1@example.com>\nReferences: <4708.1@example.com>\n\t<4710.1@example.com>\n\
         List-Id: <list.example.org>\nX-Mailer: Sample 1.0\n\n",
    );
    text.into_bytes()
}

fn chosen(block: &[u8]) -> usize {
    let names: Vec<Vec<u8>> = ["From", "To", "Cc", "Subject", "Date", "Message-ID"]
        .iter()
        .map(|n| n.as_bytes().to_vec())
        .collect();
    testing::header_fields(block, &names)
}

/// A folder of empty messages, kept from one run to the next.
fn folder(name: &str, known: bool) -> PathBuf {
    let root = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("inner-{name}"));
    if !root.is_dir() {
        for sub in ["tmp", "new", "cur"] {
            fs::create_dir_all(root.join(sub)).unwrap();
        }
        for n in 0..FOLDER {
            let name = format!(
                "{}.M{n}P4711V000000000000FE00I{n:016X}_0.sample,S={n}:2,S",
                1_577_836_800 + n
            );
            fs::File::create(root.join("cur").join(name)).unwrap();
        }
    }
    if known {
        read(&root);
    }
    root
}

fn read(folder: &Path) -> usize {
    scan(folder).unwrap()
}

#[divan::bench]
fn tokenizer(bencher: Bencher<'_, '_>) {
    let line = commands();
    bencher.counter(BytesCount::new(line.len())).bench(|| tokens(&line));
}

#[divan::bench]
fn mime_structure(bencher: Bencher<'_, '_>) {
    let text = message();
    bencher.counter(BytesCount::new(text.len())).bench(|| structure(&text));
}

#[divan::bench]
fn lf_to_crlf(bencher: Bencher<'_, '_>) {
    let text = message();
    let mut out = Vec::new();
    bencher.counter(BytesCount::new(text.len())).bench_local(|| {
        out.clear();
        to_wire(&text, &mut out);
        out.len()
    });
}

#[divan::bench]
fn wire_len(bencher: Bencher<'_, '_>) {
    let text = message();
    bencher.counter(BytesCount::new(text.len())).bench(|| testing::wire_len(&text));
}

#[divan::bench]
fn envelope_of_header(bencher: Bencher<'_, '_>) {
    let block = header_block();
    bencher.counter(ItemsCount::new(1usize)).bench(|| addresses(&block));
}

#[divan::bench]
fn header_fields(bencher: Bencher<'_, '_>) {
    let block = header_block();
    bencher.counter(ItemsCount::new(1usize)).bench(|| chosen(&block));
}

/// With a UID database: reading it, reading the directory, matching the two.
#[divan::bench]
fn scan_known(bencher: Bencher<'_, '_>) {
    let dir = folder("known", true);
    bencher.counter(ItemsCount::new(FOLDER)).bench(|| read(&dir));
}

/// Without one: numbering and writing it too.
#[divan::bench]
fn scan_fresh(bencher: Bencher<'_, '_>) {
    let dir = folder("fresh", false);
    bencher.counter(ItemsCount::new(FOLDER)).bench_local(|| {
        let _ = fs::remove_file(dir.join("courierimapuiddb"));
        read(&dir)
    });
}
