//! A session that is stopped at a system call while another takes its lock: one in another
//! container with the same host name, on another host after two minutes, or with the help of a
//! hand. It goes on as if it still had it. All the same no UID ever names two messages, and no
//! message is lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::programs::strace;
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
    loop {
        let line = s.line();
        if line.starts_with("a ") {
            return line;
        }
    }
}

/// strace on a running session, which stops it after the nth call of this kind.
fn stop_after(call: &str, n: usize, pid: u32, trace: &Path) -> Child {
    let inject = format!("inject={call}:signal=SIGSTOP:when={n}");
    let child = Command::new(strace().unwrap())
        .args(["-p", &pid.to_string(), "-o", trace.to_str().unwrap()])
        .args(["-e", &format!("trace={call}"), "-e", &inject])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{pid}/status");
    while fs::read_to_string(&status).unwrap().contains("TracerPid:\t0\n") {
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

/// Stops after the nth call of this kind in an APPEND. `false`: there are not so many.
fn play(call: &str, n: usize) -> bool {
    let maildir = Maildir::new();
    maildir.deliver("INBOX", "1600000000.M1P1.host", b"Subject: first\n\ntext\n");
    let trace = maildir.home().join("trace");
    let mut first = maildir.session(&[]);
    first.cmd("SELECT INBOX").says("OK");
    let mut tracer = stop_after(call, n, first.pid(), &trace);
    first.send(message("ours").as_bytes());
    let mut early = Vec::new();
    let stopped = loop {
        if fs::read_to_string(&trace).is_ok_and(|t| t.contains("stopped by SIGSTOP")) {
            break true;
        }
        let response = first.response(Duration::from_millis(2)).unwrap_or_default();
        early.push(String::from_utf8_lossy(&response).into_owned());
        if response.starts_with(b"a ") {
            break false;
        }
    };
    let mut names: BTreeMap<Name, &str> = BTreeMap::new();
    if stopped {
        let _ = fs::remove_file(maildir.path().join("tmp/courier.lock"));
        let mut second = maildir.session(&[]);
        second.cmd("SELECT INBOX").says("OK");
        second.send(message("theirs").as_bytes());
        names.insert(told(&answer(&mut second)), "theirs");
        Command::new("kill").args(["-CONT", &first.pid().to_string()]).status().unwrap();
        let line = match early.iter().find(|line| line.starts_with("a ")) {
            Some(line) => line.clone(),
            None => answer(&mut first),
        };
        let before = names.insert(told(&line), "ours");
        assert_eq!(before, None, "{call} {n}: one UID for two messages");
        let third = look(&maildir);
        let mut subjects: Vec<&str> = third.values().map(String::as_str).collect();
        subjects.sort_unstable();
        assert_eq!(subjects, ["first", "ours", "theirs"], "{call} {n}: {third:?}");
        for (name, subject) in names {
            let is = third.get(&name);
            let validity = third.keys().next().unwrap().0;
            assert!(
                name.0 != validity || is.is_some_and(|is| is == subject),
                "{call} {n}: {name:?} was {subject}: {third:?}"
            );
        }
    }
    let _ = tracer.kill();
    let _ = tracer.wait();
    stopped
}

/// What a new session sees.
fn look(maildir: &Maildir) -> BTreeMap<Name, String> {
    let mut s = maildir.session(&[]);
    let selected = s.cmd("SELECT INBOX");
    let code = String::from_utf8_lossy(selected.get("* OK [UIDVALIDITY ")).into_owned();
    let validity: String =
        code.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    let validity = validity.parse().unwrap();
    s.send(b"a FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\n");
    let mut seen = BTreeMap::new();
    while let Some(response) = s.response(Duration::from_secs(30)) {
        let text = String::from_utf8_lossy(&response).into_owned();
        if text.starts_with("a ") {
            break;
        }
        let uid = text.split_once("UID ").unwrap().1;
        let uid: String = uid.chars().take_while(char::is_ascii_digit).collect();
        let subject = text.split_once("Subject: ").unwrap().1;
        let subject = subject.lines().next().unwrap().to_owned();
        seen.insert((validity, uid.parse().unwrap()), subject);
    }
    seen
}

#[test]
fn a_lock_is_taken_at_every_step() {
    if strace().is_none() {
        return;
    }
    std::thread::scope(|scope| {
        for call in CALLS {
            scope.spawn(move || {
                let steps = (1..).take_while(|n| play(call, *n)).count();
                println!("{call}: {steps} steps");
            });
        }
    });
}
