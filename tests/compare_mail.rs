//! Serves the same mail with Courier's imapd and with ours and compares every answer: sizes,
//! envelopes, structures, sections, SEARCH, SORT, THREAD. With `--mutate` the messages are damaged
//! first, the same way for both. What differs is counted by command, the first examples are shown,
//! and the messages are kept for a look. With `--python` our structures are compared with those
//! that Python's email parser finds. Started by `scripts/compare-mail`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use lexopt::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use support::text::show;
use support::{Maildir, Random, Session};

#[path = "compare_mail/structure.rs"]
mod structure;

const USAGE: &str = "usage: compare-mail [--courier PROGRAM] [--ours PROGRAM] [--python] [--mutate] [--seed N] [--limit N] [--show N] MAILDIR";

/// Asked of each message, one at a time.
const ITEMS: &[&str] = &[
    "RFC822.SIZE",
    "ENVELOPE",
    "BODYSTRUCTURE",
    "BODY",
    "BODY.PEEK[]",
    "BODY.PEEK[HEADER]",
    "BODY.PEEK[TEXT]",
    "BODY.PEEK[1]",
    "BODY.PEEK[1.MIME]",
    "BODY.PEEK[1.HEADER]",
    "BODY.PEEK[1.TEXT]",
    "BODY.PEEK[1.1]",
    "BODY.PEEK[1.2]",
    "BODY.PEEK[2]",
    "BODY.PEEK[2.HEADER]",
    "BODY.PEEK[2.TEXT]",
    "BODY.PEEK[2.1]",
    "BODY.PEEK[3]",
    "BODY.PEEK[HEADER.FIELDS (From To Subject Date Content-Type)]",
    "BODY.PEEK[HEADER.FIELDS.NOT (Received)]",
    "BODY.PEEK[]<100.200>",
    "BODY.PEEK[TEXT]<7.50>",
];

/// Asked of the folder: only what the table of differences leaves equal (ties, threads of one
/// subject and sizes it does not).
const FOLDER: &[&str] = &[
    "SORT (DATE) UTF-8 ALL",
    "SORT (ARRIVAL) UTF-8 ALL",
    "THREAD REFERENCES UTF-8 ALL",
    "SEARCH BODY meeting",
    "SEARCH BODY \"coffee\"",
    "SEARCH BODY \"grüße\"",
    "SEARCH BODY \"日本語\"",
    "SEARCH TEXT library",
    "SEARCH TEXT \"boundary\"",
    "SEARCH SUBJECT report",
    "SEARCH SUBJECT \"münchen\"",
    "SEARCH FROM \"müller\"",
    "SEARCH TO alice",
    "SEARCH HEADER References sample",
    "SEARCH HEADER List-Id \"\"",
    "SEARCH SENTBEFORE 1-Jan-2022",
    "SEARCH SENTON 5-Mar-2021",
    "SEARCH SINCE 1-Jan-2022",
    "SEARCH LARGER 5000",
];

/// Damages a message: lines go, come twice, change places, lose their ends; bytes change.
fn mutate(content: &[u8], random: &mut Random) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> =
        content.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..1 + random.below(4) {
        let (a, b) = (random.below(lines.len()), random.below(lines.len()));
        if lines.is_empty() {
            break;
        }
        match random.below(9) {
            0 => drop(lines.remove(a)),
            1 => lines.insert(a, lines[b].clone()),
            2 => lines.swap(a, b),
            3 => lines.insert(a, b"\n".to_vec()),
            4 => drop(lines[a].pop()),
            5 => lines.truncate(a + 1),
            6 => {
                let at = random.below(lines[a].len());
                if let Some(byte) = lines[a].get_mut(at) {
                    *byte = b"\"\\;:=-()<>@, \t?aZ\xe9\xc3"[random.below(19)];
                }
            }
            7 => lines[a].make_ascii_uppercase(),
            _ => {
                let at = random.below(lines[a].len());
                lines[a].truncate(at);
                lines[a].push(b'\n');
            }
        }
    }
    lines.concat()
}

struct Options {
    courier: PathBuf,
    ours: PathBuf,
    python: bool,
    mutate: bool,
    seed: u64,
    limit: usize,
    shown: usize,
    maildir: PathBuf,
}

fn options() -> Result<Options, lexopt::Error> {
    let mut o = Options {
        courier: support::programs::courier(),
        ours: support::postrider(),
        python: false,
        mutate: false,
        seed: 1,
        limit: 300,
        shown: 3,
        maildir: PathBuf::new(),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("courier") => o.courier = parser.value()?.into(),
            Long("ours") => o.ours = parser.value()?.into(),
            Long("python") => o.python = true,
            Long("mutate") => o.mutate = true,
            Long("seed") => o.seed = parser.value()?.parse()?,
            Long("limit") => o.limit = parser.value()?.parse()?,
            Long("show") => o.shown = parser.value()?.parse()?,
            Value(maildir) => o.maildir = maildir.into(),
            _ => return Err(argument.unexpected()),
        }
    }
    if o.maildir.as_os_str().is_empty() {
        return Err("a MAILDIR is wanted".into());
    }
    Ok(o)
}

fn main() -> ExitCode {
    let o = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("compare-mail: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(o.maildir.join("cur")).unwrap().flatten().map(|e| e.path()).collect();
    files.sort();
    files.truncate(o.limit);
    let mut random = Random(o.seed);
    if o.python {
        let read = |file: &PathBuf| {
            let content = std::fs::read(file).unwrap();
            if o.mutate { mutate(&content, &mut random) } else { content }
        };
        return structure::compare(&files.iter().map(read).collect::<Vec<_>>(), o.shown);
    }
    let (one, other) = (Maildir::new(), Maildir::new());
    let mut messages = Vec::new();
    for file in &files {
        let n = messages.len();
        let mut content = std::fs::read(file).unwrap();
        // Row nested-message-size: Courier counts these one byte too long.
        if support::find(&content, b"Content-Type: message/rfc822").is_some() {
            continue;
        }
        if o.mutate {
            content = mutate(&content, &mut random);
        }
        for maildir in [&one, &other] {
            let name = format!("cur/{}.m{n}:2,S", 1000 + n);
            maildir.write(&name, &content).touch(&name, 1_600_000_000 + 50_000 * n as u64);
        }
        messages.push(content);
    }
    let mut a = open(&one, &o.courier);
    let mut b = open(&other, &o.ours);
    b.hold_to_grammar();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut asked, mut different) = (0, 0);
    let keep = support::programs::scratch_directory().join("compare-mail");
    let _ = std::fs::remove_dir_all(&keep);
    std::fs::create_dir_all(&keep).unwrap();
    let mut differ = |item: &'static str, message: Option<usize>, x: &str, y: &str| {
        let count = counts.entry(item).or_insert(0);
        *count += 1;
        if *count <= o.shown {
            let kept = message.map(|n| keep.join(format!("{n}.eml")));
            if let (Some(path), Some(n)) = (&kept, message) {
                std::fs::write(path, &messages[n]).unwrap();
            }
            println!("{item} ({})", kept.unwrap_or_default().display());
            println!("{}", difference(x, y));
        }
    };
    for n in 0..messages.len() {
        for item in ITEMS {
            let command = format!("FETCH {} {item}", n + 1);
            let (x, y) = (ask(&mut a, &command, "Courier"), ask(&mut b, &command, "ours"));
            asked += 1;
            if x != y {
                different += 1;
                differ(item, Some(n), &x, &y);
            }
        }
    }
    for command in FOLDER {
        let (x, y) = (ask(&mut a, command, "Courier"), ask(&mut b, command, "ours"));
        asked += 1;
        if x != y {
            different += 1;
            differ(command, None, &x, &y);
        }
    }
    for (item, count) in &counts {
        println!("{count:6}  {item}");
    }
    println!("{} messages, {asked} answers compared, {different} differ", messages.len());
    if different == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn open(maildir: &Maildir, program: &Path) -> Session {
    let mut s = maildir.start(program, &[], &["./Maildir"]);
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
    s
}

/// The answer as text, what is decided to differ made equal. A session that died ends everything:
/// its message is the bug.
fn ask(s: &mut Session, command: &str, who: &str) -> String {
    s.forget();
    s.send(format!("a {command}\r\n").as_bytes());
    let mut out = String::new();
    loop {
        match s.response(Duration::from_secs(60)) {
            Some(line) if line.starts_with(b"a ") => {
                out.push_str(&show(&line));
                break;
            }
            Some(line) => {
                out.push_str(&show(&line));
                out.push('\n');
            }
            None => {
                println!("{who} did not answer: {command}\n{}", s.story());
                std::process::exit(1);
            }
        }
    }
    // The default encoding.
    out.replace("\"8bit\"", "\"7bit\"")
}

/// The neighbourhood of the first difference.
fn difference(x: &str, y: &str) -> String {
    let same = x.bytes().zip(y.bytes()).take_while(|(a, b)| a == b).count();
    let window = |s: &str| {
        let mut from = same.saturating_sub(100);
        while !s.is_char_boundary(from.min(s.len())) {
            from -= 1;
        }
        s[from.min(s.len())..].chars().take(240).collect::<String>()
    };
    format!("    Courier ...{}\n    ours    ...{}", window(x), window(y))
}
