//! A session that is stopped at a system call while another takes its lock: one in another
//! container with the same host name, on another host after two minutes, or with the help of a
//! hand. It goes on as if it still had it. All the same no UID ever names two messages, and no
//! message is lost.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;
use support::programs::strace;
use support::stops::Stops;
use support::{Maildir, Session};

/// The calls at which the session is stopped, each when it is done.
const CALLS: [&str; 9] = [
    "openat",
    "linkat",
    "newfstatat",
    "getdents64",
    "write",
    "fsync",
    "renameat",
    "renameat2",
    "unlinkat",
];

/// UIDVALIDITY and UID.
type Name = (u32, u32);

fn message(subject: &str) -> String {
    let text = format!("Subject: {subject}\r\n\r\ntext\r\n");
    format!("a APPEND INBOX {{{}+}}\r\n{text}\r\n", text.len())
}

/// What an APPEND has told.
fn told(answer: &str) -> Name {
    let code = answer.split_once("[APPENDUID ").unwrap_or_else(|| panic!("{answer}")).1;
    let (validity, rest) = code.split_once(' ').unwrap();
    (validity.parse().unwrap(), rest.split_once(']').unwrap().0.parse().unwrap())
}

/// The rest of the answer to the command `a`.
fn answer(s: &mut Session) -> String {
    let mut lines = String::new();
    loop {
        let line = s.line();
        lines += &line;
        if line.starts_with("a ") {
            return lines;
        }
    }
}

/// The command whose scan gives the UID of "ours".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Work {
    Append,
    Move,
    Noop,
    Select,
}

impl Work {
    /// Everything up to the command.
    fn prepare(self, maildir: &Maildir, s: &mut Session) -> Option<u32> {
        if self == Work::Move {
            maildir.folder("INBOX.from").deliver("INBOX.from", "2.x", b"Subject: ours\n\ntext\n");
            s.cmd("SELECT INBOX.from").has("* 1 EXISTS");
            return None;
        }
        let selected = (self != Work::Select).then(|| s.cmd("SELECT INBOX"));
        if self != Work::Append {
            maildir.deliver("INBOX", "1600000001.M1P1.host", b"Subject: ours\n\ntext\n");
        }
        selected.map(|reply| {
            validity(&String::from_utf8_lossy(reply.get("* OK [UIDVALIDITY "))).unwrap()
        })
    }

    fn command(self) -> String {
        match self {
            Work::Append => message("ours"),
            Work::Move => "a MOVE 1 INBOX\r\n".to_owned(),
            Work::Noop => "a NOOP\r\n".to_owned(),
            Work::Select => "a SELECT INBOX\r\n".to_owned(),
        }
    }
}

/// The last UIDVALIDITY that these answers tell.
fn validity(answers: &str) -> Option<u32> {
    let code = answers.rsplit_once("[UIDVALIDITY ")?.1;
    code.split(']').next()?.parse().ok()
}

/// Stops after the nth call of this kind in a command. `false`: there are not so many.
fn play(work: Work, call: &str, n: usize) -> bool {
    let maildir = Maildir::new();
    maildir.deliver("INBOX", "1600000000.M1P1.host", b"Subject: first\n\ntext\n");
    let trace = maildir.home().join("trace");
    let mut first = maildir.session(&[]);
    let selected = work.prepare(&maildir, &mut first);
    let mut stops = Stops::attach(first.pid(), call, &n.to_string(), &trace);
    first.send(work.command().as_bytes());
    let mut early = Vec::new();
    let stopped = loop {
        if stops.has_stopped() {
            break true;
        }
        let response = first.response(Duration::from_millis(2)).unwrap_or_default();
        early.push(String::from_utf8_lossy(&response).into_owned());
        if response.starts_with(b"a ") {
            break false;
        }
    };
    let mut names: BTreeMap<Name, String> = BTreeMap::new();
    if stopped {
        let _ = fs::remove_file(maildir.path().join("tmp/courier.lock"));
        let mut second = maildir.session(&[]);
        second.cmd("SELECT INBOX").says("OK");
        second.send(message("theirs").as_bytes());
        names.insert(told(&answer(&mut second)), "theirs".to_owned());
        stops.go_on();
        let mut told_first = early.concat();
        if !early.iter().any(|line| line.starts_with("a ")) {
            told_first += &answer(&mut first);
        }
        if work == Work::Append {
            let before = names.insert(told(&told_first), "ours".to_owned());
            assert_eq!(before, None, "{call} {n}: one UID for two messages");
        }
        if work == Work::Move {
            // It need not say which UID the message has got.
            let code = told_first.split_once("[COPYUID ").map(|(_, code)| code.replace(" 1 ", " "));
            if let Some(code) = code {
                let before = names.insert(told(&format!("[APPENDUID {code}")), "ours".to_owned());
                assert_eq!(before, None, "{call} {n}: one UID for two messages");
            }
            first.cmd("SELECT INBOX").says("OK");
        }
        if matches!(work, Work::Noop | Work::Select) {
            let is_recent = |s: &mut Session| {
                let reply = s.cmd("SEARCH RECENT SUBJECT ours");
                reply.get("* SEARCH").iter().any(u8::is_ascii_digit)
            };
            let shown = [is_recent(&mut first), is_recent(&mut second)];
            assert!(shown.contains(&true), "{work:?}, {call} {n}: \\Recent nowhere");
        }
        let validity = validity(&told_first)
            .or(selected)
            .unwrap_or_else(|| look(&maildir).keys().next().unwrap().0);
        for (uid, subject) in subjects(&mut first) {
            let name = (validity, uid);
            let before = names.insert(name, subject.clone());
            assert!(
                before.as_ref().is_none_or(|before| *before == subject),
                "{work:?}, {call} {n}: {name:?} was {before:?}, and is {subject}"
            );
        }
        let third = look(&maildir);
        let mut there: Vec<&str> = third.values().map(String::as_str).collect();
        there.sort_unstable();
        assert_eq!(there, ["first", "ours", "theirs"], "{work:?}, {call} {n}: {third:?}");
        for (name, subject) in names {
            let is = third.get(&name);
            let validity = third.keys().next().unwrap().0;
            assert!(
                name.0 != validity || is.is_some_and(|is| *is == subject),
                "{work:?}, {call} {n}: {name:?} was {subject}: {third:?}"
            );
        }
    }
    stopped
}

/// What a new session sees.
fn look(maildir: &Maildir) -> BTreeMap<Name, String> {
    let mut s = maildir.session(&[]);
    let selected = s.cmd("SELECT INBOX");
    let validity = validity(&String::from_utf8_lossy(selected.get("* OK [UIDVALIDITY "))).unwrap();
    subjects(&mut s).into_iter().map(|(uid, subject)| ((validity, uid), subject)).collect()
}

/// The messages that a session shows, by UID.
fn subjects(s: &mut Session) -> BTreeMap<u32, String> {
    s.send(b"a FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\n");
    let mut seen = BTreeMap::new();
    while let Some(response) = s.response(Duration::from_secs(30)) {
        let text = String::from_utf8_lossy(&response).into_owned();
        if text.starts_with("a ") {
            break;
        }
        let Some((_, uid)) = text.split_once("UID ") else { continue };
        let uid: String = uid.chars().take_while(char::is_ascii_digit).collect();
        let subject = text.split_once("Subject: ").unwrap().1;
        let subject = subject.lines().next().unwrap().to_owned();
        seen.insert(uid.parse().unwrap(), subject);
    }
    seen
}

fn play_all(work: Work) {
    if strace().is_none() {
        return;
    }
    std::thread::scope(|scope| {
        for call in CALLS {
            scope.spawn(move || {
                let steps = (1..).take_while(|n| play(work, call, *n)).count();
                println!("{work:?}, {call}: {steps} steps");
            });
        }
    });
}

#[test]
fn a_lock_is_taken_at_every_step_of_append() {
    play_all(Work::Append);
}

#[test]
fn a_lock_is_taken_at_every_step_of_move() {
    play_all(Work::Move);
}

#[test]
fn a_lock_is_taken_at_every_step_of_noop() {
    play_all(Work::Noop);
}

#[test]
fn a_lock_is_taken_at_every_step_of_select() {
    play_all(Work::Select);
}
