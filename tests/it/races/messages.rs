//! Messages that are changed by two at once.

use super::{at_once, is_ok, subjects};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use support::Maildir;

/// A message that has lost \Deleted before EXPUNGE reached it stays. One that EXPUNGE has said is
/// gone does not come back.
#[test]
fn undeleting_while_it_is_expunged() {
    let maildir = Maildir::new();
    for n in 0..40 {
        maildir.write(&format!("cur/{n}.x:2,T"), format!("Subject: {n:02}\n\n").as_bytes());
    }
    let saved = at_once(&maildir, &[], 2, |who, s, meeting| -> Vec<String> {
        s.cmd("SELECT INBOX").has("* 40 EXISTS");
        meeting.wait();
        if who == 0 {
            assert!(is_ok(s, "EXPUNGE"));
            return Vec::new();
        }
        let saved =
            (1..=40usize).rev().filter(|n| is_ok(s, &format!("STORE {n} -FLAGS (\\Deleted)")));
        saved.map(|n| format!("{:02}", n - 1)).collect()
    });
    let mut due = saved[1].clone();
    due.sort();
    assert_eq!(subjects(&maildir, "INBOX"), due);
}

/// Files are put from `cur` into `new` and back by hand, without end: they keep UIDs and keywords.
#[test]
fn messages_that_go_back_to_new() {
    const MESSAGES: usize = 30;
    let maildir = Maildir::new();
    for n in 0..MESSAGES {
        maildir.write(&format!("cur/{n}.x:2,S"), format!("Subject: {n:02}\n\n").as_bytes());
    }
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has(&format!("* {MESSAGES} EXISTS"));
    s.cmd("STORE 1:* +FLAGS.SILENT (Kept)").ok("STORE completed.");
    let database = || {
        let text = fs::read_to_string(maildir.path().join("courierimapuiddb")).unwrap();
        let mut lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    s.cmd("NOOP").ok("NOOP completed");
    let before = database();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (root, stop) = (maildir.path(), &stop);
        for hand in 0..2 {
            scope.spawn(move || {
                let mut turn = 0usize;
                while !stop.load(Ordering::SeqCst) {
                    turn += 1;
                    let name = format!("{}.x:2,S", (turn * 7 + hand) % MESSAGES);
                    let (cur, new) = (root.join("cur").join(&name), root.join("new").join(&name));
                    let _ = match turn % 3 {
                        0 => fs::rename(&new, &cur),
                        _ => fs::rename(&cur, &new),
                    };
                }
            });
        }
        for _ in 0..150 {
            s.cmd("NOOP").lacks("* 1 EXPUNGE");
            s.forget();
        }
        stop.store(true, Ordering::SeqCst);
    });
    s.cmd("NOOP").ok("NOOP completed");
    assert_eq!(database(), before);
    let reply = maildir.session(&[]).cmd("SELECT INBOX");
    reply.has(&format!("* {MESSAGES} EXISTS"));
    s.cmd("SEARCH NOT KEYWORD Kept").has("* SEARCH");
}

/// One file under two names of one message: it is one message, and gone when it is expunged.
#[test]
fn a_file_with_two_names() {
    for (first, second) in [("", "S"), ("S", "F"), ("FS", ""), ("T", "ST"), ("", "T")] {
        let maildir = Maildir::new();
        maildir.write(&format!("cur/1.x:2,{first}"), b"Subject: two names\n\n");
        maildir.write("cur/2.x:2,", b"Subject: other\n\n");
        let cur = maildir.path().join("cur");
        let link = |name: &str| {
            fs::hard_link(cur.join(format!("1.x:2,{first}")), cur.join(name)).unwrap();
        };
        link(&format!("1.x:2,{second}"));
        // A copy is a message of its own.
        link("3.x:2,");
        let mut s = maildir.session(&[]);
        s.cmd("SELECT INBOX").has("* 3 EXISTS");
        s.cmd("UID STORE 1 +FLAGS.SILENT (\\Deleted)").ok("STORE completed.");
        s.cmd("UID EXPUNGE 1").ok("EXPUNGE completed").has("* 1 EXPUNGE");
        s.cmd("NOOP").ok("NOOP completed");
        let mut left = maildir.files_in("cur");
        left.sort();
        assert_eq!(left, ["2.x:2,", "3.x:2,"], "{first:?} and {second:?}\n{}", s.story());
    }
}
