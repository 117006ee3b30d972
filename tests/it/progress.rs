//! INPROGRESS (RFC 9585): a client whose command takes long hears that it is at work, and how far it
//! has come.

use crate::interrupt::endless;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use support::text::show;
use support::{Maildir, Session};

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
