//! Control files that are read, changed and written: no session writes away what another has
//! written.

use super::{at_once, is_ok};
use std::collections::BTreeSet;
use std::fs;
use support::Maildir;

const SESSIONS: usize = 6;
const ROUNDS: usize = 30;

#[test]
fn subscriptions() {
    let maildir = Maildir::new();
    at_once(&maildir, &[], SESSIONS, |n, s, meeting| {
        for round in 0..ROUNDS {
            meeting.wait();
            s.cmd(&format!("SUBSCRIBE INBOX.s{n}.r{round}")).ok("Folder subscribed.");
            if round % 3 == 2 {
                s.cmd(&format!("UNSUBSCRIBE INBOX.s{n}.r{}", round - 1)).ok("Folder unsubscribed.");
            }
        }
    });
    let text = fs::read_to_string(maildir.path().join("courierimapsubscribed")).unwrap();
    let found: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let due: BTreeSet<String> = (0..SESSIONS)
        .flat_map(|n| (0..ROUNDS).filter(|r| r % 3 != 1).map(move |r| format!("INBOX.s{n}.r{r}")))
        .collect();
    let missing: Vec<_> = due.difference(&found).collect();
    assert!(missing.is_empty(), "{} of {} are lost: {missing:?}", missing.len(), due.len());
    assert_eq!(found, due);
}

#[test]
fn entries_of_an_access_list() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.box");
    at_once(&maildir, &[], SESSIONS, |n, s, meeting| {
        for round in 0..ROUNDS {
            meeting.wait();
            s.cmd(&format!("SETACL INBOX.box s{n}r{round} lr")).ok("ACLs updated.");
        }
    });
    let text = fs::read_to_string(maildir.path().join(".box/courierimapacl")).unwrap();
    let lost: Vec<String> = (0..SESSIONS)
        .flat_map(|n| (0..ROUNDS).map(move |r| format!("user=s{n}r{r} lr")))
        .filter(|entry| !text.lines().any(|line| line == entry))
        .collect();
    assert!(lost.is_empty(), "{} are lost: {lost:?}", lost.len());
}

/// Sessions change one file, or two at once, whose locks they need.
#[test]
fn annotations() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.box");
    at_once(&maildir, &[], SESSIONS, |n, s, meeting| {
        for round in 0..ROUNDS / 2 {
            meeting.wait();
            let value = format!("\"{n} {round}\"");
            let entries = match n % 3 {
                0 => format!("(/shared/s{n}r{round} {value})"),
                1 => format!("(/private/s{n}r{round} {value} /shared/s{n}r{round} {value})"),
                _ => format!("(/shared/s{n}r{round} {value} /private/s{n}r{round} {value})"),
            };
            s.cmd(&format!("SETMETADATA INBOX.box {entries}")).ok("SETMETADATA completed.");
        }
    });
    let text = |name: &str| fs::read_to_string(maildir.path().join(".box").join(name)).unwrap();
    let (shared, private) = (text("postrider-metadata"), text("postrider-metadata-private"));
    for n in 0..SESSIONS {
        for round in 0..ROUNDS / 2 {
            let has = |text: &str, scope: &str| {
                text.contains(&format!("/{scope}/s{n}r{round}\n{n} {round}\n"))
            };
            assert!(has(&shared, "shared"), "s{n}r{round} is lost");
            assert!(n % 3 == 0 || has(&private, "private"), "s{n}r{round} is lost");
        }
    }
}

/// A list is inherited, and saved, when somebody first asks for it.
#[test]
fn a_list_that_is_inherited_while_it_is_changed() {
    let maildir = Maildir::new();
    for round in 0..40 {
        maildir.folder(&format!("INBOX.r{round}"));
    }
    at_once(&maildir, &[], SESSIONS, |n, s, meeting| {
        for round in 0..40 {
            meeting.wait();
            match n {
                0 => {
                    s.cmd(&format!("SETACL INBOX.r{round} mary lr")).ok("ACLs updated.");
                }
                1 | 2 => drop(s.cmd(&format!("LIST \"\" INBOX.r{round}"))),
                _ => drop(s.cmd(&format!("STATUS INBOX.r{round} (MESSAGES)"))),
            }
        }
    });
    for round in 0..40 {
        let text = fs::read_to_string(maildir.path().join(format!(".r{round}/courierimapacl")));
        assert!(text.unwrap().contains("user=mary lr\n"), "the entry in INBOX.r{round} is lost");
    }
}

#[test]
fn careful_keywords_of_one_message() {
    let maildir = Maildir::new();
    maildir.write("cur/1000.x:2,", b"Subject: x\n\nx\n");
    let env = [("IMAP_KEYWORDS", "2")];
    at_once(&maildir, &env, 4, |n, s, meeting| {
        s.cmd("SELECT INBOX").has("* 1 EXISTS");
        for round in 0..10 {
            meeting.wait();
            s.cmd(&format!("STORE 1 +FLAGS.SILENT (s{n}r{round})")).ok("STORE completed.");
        }
    });
    let mut s = maildir.session(&env);
    s.cmd("SELECT INBOX").has("* 1 EXISTS");
    let flags = String::from_utf8_lossy(s.cmd("FETCH 1 FLAGS").get("* 1 FETCH")).into_owned();
    for keyword in (0..4).flat_map(|n| (0..10).map(move |r| format!("s{n}r{r}"))) {
        let is_there = flags.split([' ', '(', ')']).any(|word| word == keyword);
        assert!(is_there, "{keyword} is lost: {flags}");
    }
}

/// The differences of all are in the sum.
#[test]
fn the_quota() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.box");
    maildir.write("maildirsize", b"100000000S,100000C\n           0            0\n");
    let text = b"Subject: x\n\nx\n";
    at_once(&maildir, &[], SESSIONS, |n, s, meeting| {
        let folder = if n % 2 == 0 { "INBOX" } else { "INBOX.box" };
        s.cmd(&format!("SELECT {folder}"));
        // The file gets full some times, and somebody counts the Maildir beside all the others.
        for _ in 0..ROUNDS {
            meeting.wait();
            s.cmd_literal(&format!("APPEND {folder}"), text, "").says("OK ");
            assert!(is_ok(s, "STORE 1 +FLAGS.SILENT (\\Deleted)"));
            assert!(is_ok(s, "STORE 1 -FLAGS.SILENT (\\Deleted)"));
        }
    });
    // A count in the middle of all that may miss a difference. Its file gets full soon, and is
    // counted again in a quiet moment.
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX");
    for _ in 0..120 {
        s.cmd("STORE 1 +FLAGS.SILENT (\\Deleted)").says("OK ");
        s.cmd("STORE 1 -FLAGS.SILENT (\\Deleted)").says("OK ");
    }
    let size = fs::read_to_string(maildir.path().join("maildirsize")).unwrap();
    let (mut bytes, mut messages) = (0, 0);
    for line in size.lines().skip(1) {
        let words: Vec<i64> = line.split_whitespace().map(|w| w.parse().unwrap()).collect();
        bytes += words[0];
        messages += words[1];
    }
    let due = (SESSIONS * ROUNDS) as i64;
    assert_eq!((bytes, messages), (due * text.len() as i64, due), "{size}");
}
