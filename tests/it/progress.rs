//! INPROGRESS (RFC 9585): a client whose command takes long hears that it is at work, and how far it
//! has come.

use crate::interrupt::endless;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::text::show;
use support::{Maildir, Session, postrider, until};

const MESSAGE: &[u8] = b"Subject: x\n\ny\n";
/// Longer than a client is left without a word.
const LONG: Duration = Duration::from_millis(1500);

/// The lock of a folder, which this process holds.
struct Held(PathBuf);

impl Held {
    fn of(maildir: &Maildir, folder: &str) -> Held {
        let path = maildir.folder_path(folder).join("tmp/courier.lock");
        let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
        fs::write(&path, format!("{}:{host}", std::process::id())).unwrap();
        Held(path)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

/// INBOX and two folders, each with new mail.
fn maildir() -> Maildir {
    let maildir = Maildir::new();
    for folder in ["INBOX", "INBOX.b", "INBOX.c"] {
        if folder != "INBOX" {
            maildir.folder(folder);
        }
        maildir.deliver(folder, "1000.x", MESSAGE);
    }
    maildir
}

/// Sends a command with the tag `x` while a folder's lock is held, for as long as it takes until
/// the client is told of it; the lines up to that, and the rest of the answer.
fn told(s: &mut Session, held: Held, command: &str) -> (Vec<String>, String) {
    s.send(format!("{command}\r\n").as_bytes());
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line: &String| !line.contains("INPROGRESS")) {
        lines.push(s.line());
        assert_ne!(lines.last().unwrap(), "(nothing)", "{}", s.story());
    }
    drop(held);
    let reply = s.finish("x");
    (lines, show(reply.last()))
}

const AT_WORK: &str = r#"* OK [INPROGRESS ("x" NIL NIL)] Still at work."#;

#[test]
fn a_wait_for_a_lock() {
    let maildir = maildir();
    let mut s = maildir.session(&[]);
    let (lines, answer) = told(&mut s, Held::of(&maildir, "INBOX"), "x SELECT INBOX");
    assert_eq!(lines, [AT_WORK]);
    assert_eq!(answer, "x OK [READ-WRITE] Ok");
    // Answers that wait to be sent come first.
    maildir.deliver("INBOX", "1001.x", MESSAGE);
    let (lines, answer) = told(&mut s, Held::of(&maildir, "INBOX"), "a ID NIL\r\nx CHECK");
    assert_eq!(lines.last().unwrap(), AT_WORK);
    assert!(lines[lines.len() - 2].starts_with("a OK "), "{lines:?}");
    assert!(answer.starts_with("x OK "), "{answer}");
    // Behind a literal, and not before its end.
    let append = "x APPEND INBOX.b {6+}\r\na: b\r\n";
    let (lines, answer) = told(&mut s, Held::of(&maildir, "INBOX.b"), append);
    assert_eq!(lines, [AT_WORK]);
    assert!(answer.starts_with("x OK [APPENDUID "), "{answer}");
    let (lines, answer) = told(&mut s, Held::of(&maildir, "INBOX.c"), "x MOVE 1 INBOX.c");
    assert_eq!(lines, [AT_WORK]);
    assert!(answer.starts_with("x OK "), "{answer}");
}

#[test]
fn a_slow_search_says_how_far_it_is() {
    let (maildir, search) = endless();
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has("* 500 EXISTS");
    s.send(format!("x {search}\r\n").as_bytes());
    let line = s.line();
    let of =
        line.strip_prefix(r#"* OK [INPROGRESS ("x" "#).and_then(|rest| rest.split_once(" 500)] "));
    let Some((done, text)) = of else { panic!("{line}") };
    assert_eq!(text, format!("{done} of 500 done."));
    assert!(done.parse::<u32>().unwrap() < 500, "{line}");
    s.hang_up();
}

/// RFC 9585 4: a tag that could end the response code is not told. The others are quoted.
#[test]
fn odd_tags() {
    let maildir = maildir();
    let held = Held::of(&maildir, "INBOX");
    let sessions = [("x]", "NIL"), (r"\x", r#""\\x""#)].map(|(tag, told)| {
        let mut s = maildir.session(&[]);
        s.send(format!("{tag} EXAMINE INBOX\r\n").as_bytes());
        (s, tag, told)
    });
    let sessions = sessions.map(|(mut s, tag, told)| {
        assert_eq!(s.line(), format!("* OK [INPROGRESS ({told} NIL NIL)] Still at work."));
        (s, tag)
    });
    drop(held);
    for (mut s, tag) in sessions {
        let reply = s.finish(tag);
        assert_eq!(show(reply.last()), format!("{tag} OK [READ-ONLY] Ok"));
    }
}

/// How far a search of many folders is: the numbers only grow, and what they lead to stays the same.
#[test]
fn folders_are_counted() {
    let (maildir, search) = endless();
    let Some(fast) = support::clock::fast(maildir.home(), 50) else { return };
    let names: Vec<String> = (0..5).map(|n| format!("INBOX.f{n}")).collect();
    for name in &names {
        maildir.folder(name).deliver(name, "1000.x", &b"Subject: y\n".repeat(200));
    }
    let mut s = maildir.session(&[("LD_PRELOAD", &*fast)]);
    let keys = search.strip_prefix("SEARCH").unwrap();
    s.send(format!("x ESEARCH IN (mailboxes ({} INBOX)){keys}\r\n", names.join(" ")).as_bytes());
    let (mut told, mut last) = (0, 0);
    // INBOX never ends: it is told of more than once.
    while told < 3 {
        let line = s.line();
        let Some(rest) = line.strip_prefix(r#"* OK [INPROGRESS ("x" "#) else { panic!("{line}") };
        let (done, text) = rest.split_once(" 6)] ").unwrap_or_else(|| panic!("{line}"));
        assert_eq!(text, format!("{done} of 6 done."));
        let done: u32 = done.parse().unwrap();
        assert!((last..6).contains(&done), "{done} after {last}");
        last = done;
        told += u32::from(done == 5);
    }
    s.hang_up();
}

/// A search does not wait for long for a folder that somebody has locked. It finds there what has
/// UIDs, and the rest another time.
#[test]
fn a_search_passes_by_a_lock() {
    let maildir = maildir();
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX.b").has("* 1 EXISTS");
    s.cmd("SELECT INBOX").has("* 1 EXISTS");
    for folder in ["INBOX.b", "INBOX.c"] {
        maildir.deliver(folder, "1001.x", MESSAGE);
    }
    let held = [Held::of(&maildir, "INBOX.b"), Held::of(&maildir, "INBOX.c")];
    let search = "ESEARCH IN (selected mailboxes (INBOX.b INBOX.c)) RETURN (COUNT) SUBJECT x";
    let found = |s: &mut Session| {
        let reply = s.cmd(search);
        reply.ok("ESEARCH done.");
        let lines = reply.responses.iter().map(|line| show(line));
        let count = |line: String| {
            Some(format!("{} {}", line.split('"').nth(3)?, line.rsplit(' ').next()?))
        };
        lines.filter_map(count).collect::<Vec<_>>()
    };
    assert_eq!(found(&mut s), ["INBOX 1", "INBOX.b 1"]);
    drop(held);
    assert_eq!(found(&mut s), ["INBOX 1", "INBOX.b 2", "INBOX.c 2"]);
}

/// A client that does not read while its command is at work: the work goes on, nobody else waits
/// for it, and nothing is added to what the client has yet to read.
#[test]
fn nobody_waits_for_a_client_that_does_not_read() {
    for (command, answer) in [
        ("SELECT INBOX.b", "x OK [READ-WRITE] Ok"),
        ("APPEND INBOX.b {6+}\r\na: b\r\n", "x OK [APPENDUID "),
    ] {
        let maildir = maildir();
        let mut client = Command::new(postrider());
        client.arg("./Maildir").current_dir(maildir.home()).env_clear();
        client.envs([("AUTHENTICATED", "alice"), ("HOSTNAME", "host.example")]);
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut client = client.spawn().unwrap();
        let mut input = client.stdin.take().unwrap();
        let mut output = client.stdout.take().unwrap();
        // What is in the pipe takes nearly all of its room, and the next answers take the rest.
        let capability = |times: usize| "c CAPABILITY\r\n".repeat(times);
        let mut start = vec![0; 64 * 1024];
        input.write_all(capability(1).as_bytes()).unwrap();
        let mut length = 0;
        while !start[..length].ends_with(b"c OK CAPABILITY completed\r\n") {
            length += output.read(&mut start[length..]).unwrap();
        }
        let size = length - start.iter().position(|b| *b == b'\n').unwrap() - 1;
        let (first, second) = (60_000 / size, 20_000 / size);
        input.write_all(capability(first).as_bytes()).unwrap();
        input.write_all(b"d DELETE INBOX.c\r\n").unwrap();
        until(|| !maildir.folder_path("INBOX.c").exists());
        let held = Held::of(&maildir, "INBOX.b");
        input.write_all(format!("{}x {command}\r\n", capability(second)).as_bytes()).unwrap();
        std::thread::sleep(LONG);
        drop(held);
        // The new mail has its UID, so the session has had the lock. It has it no longer.
        let uids = maildir.folder_path("INBOX.b").join("courierimapuiddb");
        until(|| uids.exists());
        let mut other = maildir.session(&[]);
        other.cmd("SELECT INBOX.b").says("OK [READ-WRITE] Ok");
        input.write_all(b"z LOGOUT\r\n").unwrap();
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        client.wait().unwrap();
        let count = |text: &str| rest.lines().filter(|line| line.starts_with(text)).count();
        assert_eq!((count("c OK "), count(answer), count("z OK ")), (first + second, 1, 1));
        assert_eq!(count("* OK [INPROGRESS"), 0, "{command}");
    }
}

/// Nothing is said where an administrator has taken the word away, and in IDLE, which waits for the
/// client.
#[test]
fn silence() {
    let commands =
        [("0", "x SELECT INBOX"), ("-INPROGRESS", "x SELECT INBOX"), ("1", "x IDLE\r\nDONE")];
    let all = commands.map(|(extensions, command)| {
        let maildir = maildir();
        let mut s = maildir.session(&[("IMAP_EXTENSIONS", extensions)]);
        if command.contains("IDLE") {
            s.cmd("SELECT INBOX").has("* 1 EXISTS");
            maildir.deliver("INBOX", "1001.x", MESSAGE);
        }
        let held = Held::of(&maildir, "INBOX");
        s.send(format!("{command}\r\n").as_bytes());
        (maildir, s, held)
    });
    std::thread::sleep(LONG);
    for (_maildir, mut s, held) in all {
        drop(held);
        let mut line = String::new();
        while !line.starts_with("x OK") {
            line = s.line();
            assert!(!line.contains("INPROGRESS") && line != "(nothing)", "{}", s.story());
        }
    }
}
