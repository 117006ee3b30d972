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
                for turn in 0..20_000usize {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let name = format!("{}.x:2,S", (turn * 7 + hand) % MESSAGES);
                    let (cur, new) = (root.join("cur").join(&name), root.join("new").join(&name));
                    let _ = match turn % 3 {
                        0 => fs::rename(&new, &cur),
                        _ => fs::rename(&cur, &new),
                    };
                    std::thread::sleep(std::time::Duration::from_micros(200));
                }
            });
        }
        for _ in 0..60 {
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

/// One file under two names of one message, as a rename by link and unlink leaves it that was cut
/// short: it is one message, and gone when it is expunged. A copy is a message of its own.
#[test]
fn a_file_with_two_names() {
    let names = [("", "S"), ("S", "F"), ("FS", ""), ("T", "ST"), ("", "T"), ("T", "")];
    let trash = [("IMAP_MOVE_EXPUNGE_TO_TRASH", "1")];
    for (first, second) in names {
        for (command, env) in [("UID EXPUNGE 1", &[][..]), ("EXPUNGE", &trash), ("CLOSE", &[])] {
            let maildir = Maildir::new();
            maildir.folder("INBOX.Trash");
            maildir.write(&format!("cur/1.x:2,{first}"), b"Subject: two names\n\n");
            maildir.write("cur/2.x:2,", b"Subject: other\n\n");
            let at = |name: &str| maildir.path().join(name);
            for name in [&*format!("cur/1.x:2,{second}"), "new/1.x", "cur/3.x:2,"] {
                fs::hard_link(at(&format!("cur/1.x:2,{first}")), at(name)).unwrap();
            }
            let mut s = maildir.session(env);
            s.cmd("SELECT INBOX").has("* 3 EXISTS");
            s.cmd("UID STORE 1 +FLAGS (\\Deleted)").ok("STORE completed.");
            s.cmd("NOOP").ok("NOOP completed").lacks("* 1 FETCH");
            let reply = s.cmd(command);
            if command != "CLOSE" {
                reply.has("* 1 EXPUNGE");
            }
            s.cmd("NOOP").ok("NOOP completed");
            let story = s.story();
            assert_eq!(maildir.files_in("cur"), ["2.x:2,", "3.x:2,"], "{story}");
            assert_eq!(maildir.files_in("new"), [""; 0], "{story}");
            let trashed = usize::from(!env.is_empty());
            assert_eq!(maildir.files_in(".Trash/cur").len(), trashed, "{story}");
        }
    }
}
