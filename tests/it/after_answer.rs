//! What is written when the client has its answer: the first state of a folder, and what was learned
//! of messages. And what a warm session does not do.

use std::fs;
use std::path::{Path, PathBuf};
use support::{Maildir, Reply, Session, postrider};

const MESSAGES: usize = 40;

fn fill(maildir: &Maildir, from: usize, to: usize) {
    for n in from..to {
        let text = format!(
            "Date: Tue, 1 Jan 2030 10:{:02}:00 +0000\nFrom: a{n}@x\nSubject: number {n}\n\
             Message-ID: <{n}@x>\nX-Long: {}\n\nbody\n",
            n % 60,
            "x".repeat(600)
        );
        let name = format!("cur/{}.m:2,S", 10_000 + n);
        maildir.write(&name, text.as_bytes()).touch(&name, 1_700_000_000);
    }
}

/// A session under strace, which writes what it sees to a file. `None`, with a word, where it is not
/// installed.
fn under_strace(maildir: &Maildir, options: &[&str]) -> Option<(Session, PathBuf)> {
    let strace = support::programs::strace()?;
    let trace = maildir.home().join("trace");
    let ours = postrider();
    let mut args = vec!["-y", "-s", "65536", "-o", trace.to_str().unwrap()];
    args.extend(options);
    args.extend([ours.to_str().unwrap(), "./Maildir"]);
    let mut s = maildir.start(strace, &[], &args);
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    Some((s, trace))
}

/// The calls of a session that has ended.
fn calls(mut s: Session, trace: &Path) -> Vec<String> {
    s.cmd("LOGOUT").says("OK");
    s.wait();
    fs::read_to_string(trace).unwrap().lines().map(str::to_owned).collect()
}

/// The beginnings of calls, for a failure.
fn shown(calls: &[String]) -> Vec<String> {
    calls.iter().map(|call| call.chars().take(120).collect()).collect()
}

#[track_caller]
fn place(calls: &[String], what: &str, is_it: impl Fn(&str) -> bool) -> usize {
    let at = calls.iter().position(|call| is_it(call));
    at.unwrap_or_else(|| panic!("no {what} in {:#?}", shown(calls)))
}

/// Where a state gets its name.
fn state_is_put(call: &str) -> bool {
    call.starts_with("rename") && call.contains("postrider.state")
}

#[test]
fn a_first_state() {
    let maildir = Maildir::new();
    fill(&maildir, 0, MESSAGES);
    for (uid_file, parameter, is_late) in
        [(false, "", true), (true, "", true), (true, " (CONDSTORE)", false)]
    {
        if !uid_file {
            maildir.deliver("INBOX", "20000.x", b"Subject: new\n\nx\n");
        }
        let Some((mut s, trace)) = under_strace(&maildir, &[]) else { return };
        let opened = s.cmd(&format!("SELECT INBOX{parameter}"));
        opened.says("OK").has(&format!("* {} EXISTS", MESSAGES + 1)).lacks("* OK [NOMODSEQ");
        s.cmd("NOOP").says("OK");
        let calls = calls(s, &trace);
        let answer = place(&calls, "answer", |call| call.contains("[READ-WRITE] Ok"));
        let put = place(&calls, "state", state_is_put);
        assert_eq!(put > answer, is_late, "{uid_file} {parameter}: {:#?}", shown(&calls));
        // The folder is read once.
        let readings = calls.iter().filter(|c| c.contains("getdents") && c.contains("/cur>"));
        let (before, _) = calls.split_at(answer);
        let ends = readings.filter(|c| before.contains(c) && c.ends_with("= 0")).count();
        assert_eq!(ends, 1, "{uid_file} {parameter}: {:#?}", shown(&calls));
        fs::remove_file(maildir.path().join("postrider.state")).unwrap();
    }
}

fn number(reply: &Reply, code: &str) -> u64 {
    let line = String::from_utf8_lossy(reply.get(&format!("* OK [{code} "))).into_owned();
    line.split(['[', ']', ' ']).find_map(|word| word.parse().ok()).unwrap()
}

/// A client keeps the HIGHESTMODSEQ of a plain SELECT. The session is killed when it has its answer
/// and the state is not there yet, or is there. Whatever is changed afterwards, the client is told.
#[test]
fn a_session_that_is_killed_before_its_state_is_there() {
    let kills: [&[&str]; 3] = [
        &["-e", "inject=rename,renameat,renameat2:signal=KILL"],
        &["-e", "inject=pwrite64:signal=KILL"],
        &[],
    ];
    for kill in kills {
        let maildir = Maildir::new();
        fill(&maildir, 0, MESSAGES);
        maildir.session(&[("IMAP_INDEX", "0")]).cmd("SELECT INBOX").says("OK");
        let Some((mut s, _)) = under_strace(&maildir, kill) else { return };
        let opened = s.cmd("SELECT INBOX");
        opened.says("OK");
        let (told, validity) = (number(&opened, "HIGHESTMODSEQ"), number(&opened, "UIDVALIDITY"));
        let has_state = || maildir.path().join("postrider.state").exists();
        if kill.is_empty() {
            s.cmd("NOOP").says("OK");
            assert!(has_state());
            s.hang_up();
        }
        s.wait();
        assert!(!kill.is_empty() || has_state());
        assert!(kill.is_empty() || !has_state(), "it was killed before");
        // Another one, whose client does not go by values; then one that changes something.
        let plain = number(&maildir.session(&[]).cmd("SELECT INBOX"), "HIGHESTMODSEQ");
        assert!(plain != told, "it would say that nothing has changed");
        let cur = maildir.path().join("cur");
        fs::rename(cur.join("10001.m:2,S"), cur.join("10001.m:2,FS")).unwrap();
        fs::remove_file(cur.join("10002.m:2,S")).unwrap();
        let mut s = maildir.session(&[]);
        s.cmd("ENABLE QRESYNC").says("OK");
        let again = s.cmd(&format!("SELECT INBOX (QRESYNC ({validity} {told}))"));
        again.says("OK").get("* VANISHED (EARLIER) ");
        let fetched = again.responses.iter().filter(|r| support::find(r, b" FETCH (").is_some());
        let expected = if kill.is_empty() { 1 } else { MESSAGES - 1 };
        assert_eq!(fetched.count(), expected, "{kill:?}");
    }
}

/// What comes before the client goes by values has none until the state is made; afterwards all is
/// as if it had been there.
#[test]
fn values_are_there_for_the_next_command() {
    let maildir = Maildir::new();
    fill(&maildir, 0, 3);
    let mut s = maildir.session(&[]);
    // In one go: the second command is there before the first has its answer.
    s.send(b"a SELECT INBOX\r\nb FETCH 1 (MODSEQ)\r\n");
    let opened = s.finish("a");
    let told = number(&opened, "HIGHESTMODSEQ");
    let reply = s.finish("b");
    let now = number(&reply, "HIGHESTMODSEQ");
    assert!(now > told, "{}", s.story());
    reply.has(&format!("* 1 FETCH (MODSEQ ({told}))"));
    s.cmd("STORE 1 +FLAGS (\\Deleted)").says("OK");
    let mut s = maildir.session(&[]);
    assert!(number(&s.cmd("SELECT INBOX"), "HIGHESTMODSEQ") > now);
}

/// What was learned in a folder is saved when the client has the answer to what closes it.
#[test]
fn what_was_learned_before_a_folder_is_closed() {
    for close in ["CLOSE", "UNSELECT", "SELECT INBOX.other", "SELECT INBOX"] {
        let maildir = Maildir::new();
        maildir.folder("INBOX.other");
        fill(&maildir, 0, MESSAGES);
        maildir.session(&[]).cmd("SELECT INBOX").says("OK");
        let Some((mut s, trace)) = under_strace(&maildir, &[]) else { return };
        s.cmd("SELECT INBOX").says("OK");
        s.send(format!("a FETCH 1:* ENVELOPE\r\nb {close}\r\n").as_bytes());
        s.finish("a").says("OK");
        s.finish("b").says("OK");
        s.cmd("NOOP").says("OK");
        let facts = maildir.path().join("postrider.facts");
        assert!(facts.exists(), "{close}");
        let calls = calls(s, &trace);
        let answer = place(&calls, "answer", |call| call.contains("b OK "));
        let put = place(&calls, "facts", |call| {
            call.starts_with("rename") && call.contains("postrider.facts")
        });
        assert!(put > answer || close == "SELECT INBOX", "{close}: {:#?}", shown(&calls));
    }
}

/// Commands that a warm session answers from state and facts.
const QUESTIONS: [&str; 9] = [
    "FETCH 1:* (RFC822.SIZE INTERNALDATE)",
    "FETCH 1:* ENVELOPE",
    "FETCH 1:* BODYSTRUCTURE",
    "FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)]",
    "SEARCH SUBJECT 7",
    "SEARCH FROM a1",
    "SORT (SUBJECT) UTF-8 ALL",
    "SORT (REVERSE DATE) UTF-8 ALL",
    "THREAD REFERENCES UTF-8 ALL",
];

/// No file of a message is opened or looked at, no directory read, and the number of calls does not
/// grow with the folder but for what is read of state and facts, and written to the client.
#[test]
fn a_warm_session() {
    let maildir = Maildir::new();
    let mut counts = Vec::new();
    for (from, to) in [(0, MESSAGES), (MESSAGES, 4 * MESSAGES)] {
        fill(&maildir, from, to);
        let mut s = maildir.session(&[]);
        s.cmd("SELECT INBOX").says("OK");
        for question in QUESTIONS {
            s.cmd(question).says("OK");
        }
        s.cmd("LOGOUT").says("OK");
        s.wait();
        // A session that could not prove at its end that nothing has changed leaves that to the next.
        let mut tries = 20;
        let calls = loop {
            let Some(calls) = warm(&maildir, to) else { return };
            tries -= 1;
            if tries == 0 || !calls.iter().any(|call| reads_directory(call)) {
                break calls;
            }
        };
        let is_touched = |call: &String| call.contains(".m:2,") || reads_directory(call);
        assert!(!calls.iter().any(is_touched), "{:#?}", shown(&calls));
        counts.push(calls.iter().filter(|call| is_about_files(call)).count());
    }
    assert!(counts[1] <= counts[0] + 4, "{counts:?}");
}

/// The calls of a session from SELECT to the end of the last question.
fn warm(maildir: &Maildir, messages: usize) -> Option<Vec<String>> {
    let (mut s, trace) = under_strace(maildir, &[])?;
    s.cmd("SELECT INBOX").has(&format!("* {messages} EXISTS"));
    for question in QUESTIONS {
        s.cmd(question).says("OK");
    }
    let mut calls = calls(s, &trace);
    calls.truncate(place(&calls, "LOGOUT", |call| call.contains("LOGOUT")));
    Some(calls.split_off(place(&calls, "SELECT", |call| call.contains("SELECT INBOX"))))
}

/// Whether it reads a directory of messages. (What was left over in `tmp` is removed now and then.)
fn reads_directory(call: &str) -> bool {
    call.starts_with("getdents") && !call.contains("/tmp>")
}

/// Whether it is a call that there may be for each message, but for those that read or write.
fn is_about_files(call: &str) -> bool {
    let names = ["open", "close", "stat", "newfstatat", "fstat", "lstat", "access", "faccessat"];
    let others = ["readlink", "link", "unlink", "rename", "getdents", "fcntl", "lseek"];
    names.iter().chain(&others).any(|name| call.starts_with(name))
}

/// The message files that the answer to one command takes, in a new session.
fn opened(maildir: &Maildir, commands: &[&str]) -> Option<usize> {
    let (mut s, trace) = under_strace(maildir, &[])?;
    for command in commands {
        s.cmd(command).says("OK");
    }
    Some(calls(s, &trace).iter().filter(|call| call.contains(".m:2,")).count())
}

/// More than fits the memory for what is not saved yet: one search leaves nothing to be learned.
#[test]
fn one_search_of_a_large_folder() {
    let maildir = Maildir::new();
    let fields: String = ["References", "To", "Cc", "Reply-To"]
        .map(|name| format!("{name}: {}\n", "x".repeat(1900)))
        .concat();
    for n in 0..1300 {
        let name = format!("cur/{}.m:2,S", 10_000 + n);
        maildir.write(&name, format!("Subject: s\n{fields}\n").as_bytes());
        maildir.touch(&name, 1_700_000_000);
    }
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").says("OK");
    s.cmd("SEARCH SUBJECT zzz").says("OK");
    s.cmd("LOGOUT").says("OK");
    s.wait();
    let Some(count) = opened(&maildir, &["SELECT INBOX", "SORT (SUBJECT) UTF-8 ALL"]) else {
        return;
    };
    assert_eq!(count, 0);
}

/// A search of a folder that is not open leaves what it has learned, too.
#[test]
fn a_search_of_another_folder() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.other");
    let search = "ESEARCH IN (mailboxes INBOX.other) SUBJECT number";
    for n in 0..3 {
        let path = maildir.folder_path("INBOX.other").join(format!("cur/{}.m:2,S", 1000 + n));
        fs::write(&path, format!("Subject: number {n}\n\nx\n")).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX.other").says("OK");
    s.cmd("LOGOUT").says("OK");
    s.wait();
    let Some(first) = opened(&maildir, &[search]) else { return };
    assert!(first > 0);
    assert_eq!(opened(&maildir, &[search]), Some(0));
}
