//! Our BODYSTRUCTURE against the structure that Python's email parser finds, which shares no code
//! with us. They read broken mail differently in a few ways: each is a kind here, with its reason,
//! and a difference of no kind is a failure.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use support::{Maildir, Session};

/// What one message is to both.
struct Found<'a> {
    message: &'a [u8],
    /// Trees in the form of `tests/tools/structure.py`.
    python: &'a str,
    ours: &'a str,
    /// What Python says is wrong with the message.
    defects: &'a str,
}

/// A known kind of difference: its name, the reason, and whether a message is of that kind.
type Kind = (&'static str, &'static str, fn(&Found) -> bool);

const KINDS: &[Kind] = &[
    (
        "header-end",
        "Python ends a header at the first line that is no field; in IMAP it ends at the empty line",
        |f| {
            f.defects.contains("MissingHeaderBodySeparatorDefect")
                || f.message.split(|b| *b == b'\n').any(has_blank_before_colon)
        },
    ),
    ("lone-cr", "Python ends a line at a CR without LF; we do not, nor does Courier", |f| {
        f.message.windows(2).any(|w| w[0] == b'\r' && w[1] != b'\n')
    }),
    (
        "boundary-found",
        "Python leaves a multipart without parts; rows boundary-forms, boundary-line, equal-boundaries",
        |f| unopened(f.ours) < unopened(f.python),
    ),
    (
        "empty-parts",
        "Python takes delimiter lines that follow one another for one; each of ours has its part",
        |f| without_empty_parts(f.ours) == without_empty_parts(f.python),
    ),
];

fn has_blank_before_colon(line: &[u8]) -> bool {
    let name = line.split(|b| *b == b':').next().unwrap_or_default();
    name.len() < line.len()
        && name.trim_ascii_end().len() < name.len()
        && name.trim_ascii_end().iter().all(u8::is_ascii_graphic)
}

/// How many multiparts are without parts.
fn unopened(tree: &str) -> usize {
    tree.matches("multipart/").count()
}

fn without_empty_parts(tree: &str) -> String {
    tree.split([' ', '(']).filter(|part| *part != "text/plain:0").collect::<Vec<_>>().join(" ")
}

/// Compares, and says what differs. `shown`: so many examples of each kind.
pub fn compare(messages: &[Vec<u8>], shown: usize) -> ExitCode {
    let maildir = Maildir::new();
    let mut names = String::new();
    for (n, message) in messages.iter().enumerate() {
        let name = format!("cur/{}.m{n}:2,S", 1000 + n);
        maildir.write(&name, message);
        let path: PathBuf = maildir.path().join(&name);
        names += &format!("{}\n", path.display());
    }
    let oracle = python(&names);
    let mut session = maildir.start(&support::postrider(), &[], &["./Maildir"]);
    session.line();
    session.cmd("EXAMINE INBOX").ok("[READ-ONLY] Ok");
    let keep = support::programs::scratch_directory().join("compare-mail");
    let _ = std::fs::remove_dir_all(&keep);
    std::fs::create_dir_all(&keep).unwrap();
    let mut counts: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (n, (message, line)) in messages.iter().zip(oracle.lines()).enumerate() {
        let (python, defects) = line.split_once('\t').unwrap_or((line, ""));
        let ours = &ours(&mut session, n + 1);
        if ours == python {
            continue;
        }
        let found = Found { message, python, ours, defects };
        let (kind, reason, _) = KINDS.iter().find(|(.., is_of)| is_of(&found)).unwrap_or(&(
            "UNEXPLAINED",
            "no known kind",
            |_| true,
        ));
        let (count, _) = counts.entry(kind).or_insert((0, reason));
        *count += 1;
        if *count <= shown || *kind == "UNEXPLAINED" {
            let kept = keep.join(format!("{}.eml", n + 1));
            std::fs::write(&kept, message).unwrap();
            println!("{kind} ({}, {defects})", kept.display());
            println!("    Python {python}\n    ours   {ours}");
        }
    }
    for (kind, (count, reason)) in &counts {
        println!("{count:6}  {kind}: {reason}");
    }
    let unexplained = counts.get("UNEXPLAINED").map_or(0, |(count, _)| *count);
    let differ: usize = counts.values().map(|(count, _)| count).sum();
    println!(
        "{} messages, {differ} structures differ from Python's, {unexplained} without a reason",
        messages.len()
    );
    if unexplained == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What Python finds in these files, a line for each.
fn python(names: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/structure.py");
    let mut child = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there");
    let mut input = child.stdin.take().unwrap();
    let names = names.to_owned();
    let writer = std::thread::spawn(move || input.write_all(names.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{script} failed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The tree that our BODYSTRUCTURE of a message shows.
fn ours(session: &mut Session, number: usize) -> String {
    session.forget();
    session.send(format!("a FETCH {number} BODYSTRUCTURE\r\n").as_bytes());
    let mut tree = String::new();
    while let Some(line) = session.response(Duration::from_secs(60)) {
        if line.starts_with(b"a ") {
            return tree;
        }
        if let Some(at) = support::find(&line, b"BODYSTRUCTURE ") {
            tree = show(&value(&mut &line[at + 14..]));
        }
    }
    panic!("no answer: {}", session.story());
}

enum Value {
    List(Vec<Value>),
    Text(String),
    Number(u64),
    Nil,
}

fn value(at: &mut &[u8]) -> Value {
    *at = at.trim_ascii_start();
    match at[0] {
        b'(' => {
            *at = &at[1..];
            let mut list = Vec::new();
            while at.trim_ascii_start()[0] != b')' {
                list.push(value(at));
            }
            *at = &at.trim_ascii_start()[1..];
            Value::List(list)
        }
        b'"' => {
            let mut text = Vec::new();
            let mut bytes = at[1..].iter();
            while let Some(b) = bytes.next().filter(|b| **b != b'"') {
                text.push(if *b == b'\\' { *bytes.next().unwrap() } else { *b });
            }
            *at = bytes.as_slice();
            Value::Text(String::from_utf8_lossy(&text).into_owned())
        }
        b'{' => {
            let close = at.iter().position(|b| *b == b'}').unwrap();
            let length: usize = std::str::from_utf8(&at[1..close]).unwrap().parse().unwrap();
            let (text, rest) = at[close + 3..].split_at(length);
            *at = rest;
            Value::Text(String::from_utf8_lossy(text).into_owned())
        }
        b'N' => {
            *at = &at[3..];
            Value::Nil
        }
        _ => {
            let end = at.iter().position(|b| !b.is_ascii_digit()).unwrap();
            let (digits, rest) = at.split_at(end);
            *at = rest;
            Value::Number(std::str::from_utf8(digits).unwrap().parse().unwrap())
        }
    }
}

fn show(body: &Value) -> String {
    let Value::List(fields) = body else { panic!("a body is a list") };
    let parts: Vec<String> =
        fields.iter().take_while(|f| matches!(f, Value::List(_))).map(show).collect();
    match fields[parts.len()..].first() {
        Some(Value::Text(subtype)) if !parts.is_empty() => {
            return format!("({}){subtype}", parts.join(" "));
        }
        _ => {}
    }
    match fields.as_slice() {
        [Value::Text(kind), Value::Text(subtype), rest @ ..] => match (kind.as_str(), rest) {
            ("message", [_, _, _, _, _, _, inner, ..]) if subtype == "rfc822" => {
                format!("<{}>", show(inner))
            }
            ("message" | "multipart", _) => format!("{kind}/{subtype}:?"),
            (_, [_, _, _, _, Value::Number(size), ..]) => format!("{kind}/{subtype}:{size}"),
            _ => panic!("a part has a size"),
        },
        _ => panic!("a part has a type"),
    }
}
