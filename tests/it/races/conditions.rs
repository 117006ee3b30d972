//! STORE with UNCHANGEDSINCE (RFC 7162 3.1.3) against others: of those that go by the same state, one
//! wins; a lock that cannot be had changes nothing; what could not be recorded is not counted on.

use super::at_once;
use std::time::{Duration, Instant};
use support::{Maildir, Session};

fn message(maildir: &Maildir) {
    maildir.write("cur/1001.m1:2,", b"Subject: one\n\none\n");
}

/// The modification sequence of the first message.
fn sequence(s: &mut Session) -> u64 {
    let reply = s.cmd("FETCH 1 (MODSEQ)");
    let text = String::from_utf8_lossy(reply.get("* 1 FETCH (MODSEQ (")).into_owned();
    text.trim_start_matches("* 1 FETCH (MODSEQ (").trim_end_matches("))").parse().unwrap()
}

/// HIGHESTMODSEQ of a response code in these lines; 0 for none.
fn highest(lines: &[Vec<u8>]) -> u64 {
    let text = String::from_utf8_lossy(&lines.concat()).into_owned();
    let rest = text.split("[HIGHESTMODSEQ ").nth(1).unwrap_or("0]");
    rest.split(']').next().unwrap().parse().unwrap()
}

/// By flags, by keywords, and by both.
#[test]
fn one_of_those_that_go_by_the_same_state_wins() {
    for mode in ["1", "2"] {
        let maildir = Maildir::new();
        message(&maildir);
        let rounds = 24;
        let wins = at_once(&maildir, &[("IMAP_KEYWORDS", mode)], 3, |who, s, meeting| {
            s.cmd("SELECT INBOX (CONDSTORE)").says("OK");
            let mut wins = Vec::new();
            for round in 0..rounds {
                s.cmd("NOOP").says("OK");
                let known = sequence(s);
                meeting.wait();
                let change = match round % 3 {
                    0 => format!("+FLAGS.SILENT (k{round}-{who})"),
                    1 => "+FLAGS.SILENT (\\Flagged)".to_owned(),
                    _ => format!("FLAGS (k{round}-{who} \\Answered)"),
                };
                let reply = s.cmd(&format!("STORE 1 (UNCHANGEDSINCE {known}) {change}"));
                let last = String::from_utf8_lossy(reply.last()).into_owned();
                let has_won = !last.contains(" OK [MODIFIED 1] ");
                assert!(last.contains(" OK "), "{}", s.story());
                assert!(sequence(s) > known, "{}", s.story());
                wins.push(has_won);
                meeting.wait();
            }
            wins
        });
        for round in 0..rounds {
            let count = wins.iter().filter(|wins| wins[round]).count();
            assert_eq!(count, 1, "round {round}, IMAP_KEYWORDS={mode}: {wins:?}");
        }
    }
}

#[test]
fn who_holds_the_lock_is_not_waited_for_long() {
    let maildir = Maildir::new();
    message(&maildir);
    let mut s = maildir.session(&[]);
    let opened = s.cmd("SELECT INBOX (CONDSTORE)");
    let known = highest(&opened.responses);
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    let lock = format!("{}:{host}\n", std::process::id());
    maildir.write("tmp/courier.lock", lock.as_bytes());
    let begin = Instant::now();
    for command in ["+FLAGS (\\Seen)", "+FLAGS.SILENT (\\Seen)", "FLAGS (x)"] {
        s.cmd(&format!("STORE 1 (UNCHANGEDSINCE {known}) {command}"))
            .says("NO [INUSE] ")
            .lacks("* 1 FETCH");
    }
    // A plain STORE is done all the same. It cannot be recorded, so nothing is counted on.
    let reply = s.cmd("STORE 1 +FLAGS.SILENT (\\Flagged)");
    reply.ok("[HIGHESTMODSEQ 1] STORE completed.");
    reply.has(&format!("* 1 FETCH (UID 1 MODSEQ ({known}))"));
    assert!(begin.elapsed() < Duration::from_secs(60), "{}", s.story());
    assert_eq!(maildir.files_in("cur"), ["1001.m1:2,F"]);
    std::fs::remove_file(maildir.path().join("tmp/courier.lock")).unwrap();
    // The next look records it.
    let reply = s.cmd("NOOP");
    let now = highest(&reply.responses);
    assert!(now > known, "{}", s.story());
    s.cmd(&format!("FETCH 1 FLAGS (CHANGEDSINCE {known})"))
        .has(&format!("* 1 FETCH (FLAGS (\\Flagged \\Recent) MODSEQ ({now}))"));
    s.cmd(&format!("STORE 1 (UNCHANGEDSINCE {now}) FLAGS.SILENT ()")).ok("STORE completed.");
}

/// A folder that others have changed is opened while nobody can record that: a client that comes back
/// keeps what it knows, is told all that it has missed, and no value is said to cover that.
#[test]
fn a_folder_is_opened_that_nobody_can_lock() {
    let maildir = Maildir::new();
    for n in 1..=3 {
        maildir.write(&format!("cur/100{n}.m{n}:2,"), b"Subject: x\n\nx\n");
    }
    let mut s = maildir.session(&[]);
    s.cmd("ENABLE QRESYNC").says("OK");
    let opened = s.cmd("SELECT INBOX");
    let known = highest(&opened.responses);
    let validity = String::from_utf8_lossy(opened.get("* OK [UIDVALIDITY ")).into_owned();
    let validity = validity.split([' ', ']']).nth(3).unwrap().to_owned();
    s.cmd("LOGOUT").says("OK");
    let open = |since: u64| {
        let mut s = maildir.session(&[]);
        s.cmd("ENABLE QRESYNC").says("OK");
        let opened = s.cmd(&format!("SELECT INBOX (QRESYNC ({validity} {since}))"));
        opened.says("OK").lacks("* OK [NOMODSEQ]");
        (s, opened)
    };
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    let lock = maildir.path().join("tmp/courier.lock");
    std::fs::write(&lock, format!("{}:{host}\n", std::process::id())).unwrap();
    // Nothing has changed: the state says all.
    let (mut s, opened) = open(known);
    assert_eq!(highest(&opened.responses), known, "{}", s.story());
    opened.lacks("* VANISHED").lacks("* 1 FETCH");
    s.cmd("LOGOUT").says("OK");
    let cur = maildir.path().join("cur");
    std::fs::rename(cur.join("1001.m1:2,"), cur.join("1001.m1:2,F")).unwrap();
    std::fs::remove_file(cur.join("1002.m2:2,")).unwrap();
    // A client that is told what it remembers would look no further.
    let (mut s, opened) = open(known);
    let told = highest(&opened.responses);
    assert!(told < 1 << 40, "{}", s.story());
    s.cmd("LOGOUT").says("OK");
    let (mut s, opened) = open(told);
    assert!(highest(&opened.responses) < 1 << 40, "{}", s.story());
    assert_ne!(highest(&opened.responses), told, "{}", s.story());
    opened.has("* VANISHED (EARLIER) 2").has("* 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (1))");
    opened.has(&format!("* 2 FETCH (UID 3 FLAGS () MODSEQ ({known}))"));
    s.cmd("LOGOUT").says("OK");
    let (mut s, opened) = open(known);
    opened.has("* VANISHED (EARLIER) 2").has("* 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (1))");
    opened.lacks("* 2 FETCH");
    s.cmd(&format!("UID FETCH 1:* FLAGS (CHANGEDSINCE {known} VANISHED)"))
        .has("* VANISHED (EARLIER) 2")
        .has("* 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (1))")
        .lacks("* 2 FETCH");
    s.cmd(&format!("SEARCH MODSEQ {}", known + 1)).has("* SEARCH 1 (MODSEQ 1)");
    s.cmd("STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)").says("NO [INUSE] ");
    std::fs::remove_file(&lock).unwrap();
    // The next look records it.
    let now = highest(&s.cmd("NOOP").responses);
    assert!(now > known, "{}", s.story());
    let (s, opened) = open(known);
    assert_eq!(highest(&opened.responses), now, "{}", s.story());
    opened
        .has("* VANISHED (EARLIER) 2")
        .has(&format!("* 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ ({now}))"))
        .lacks("* 2 FETCH");
}

/// A message's number is in MODIFIED once, whatever the set.
#[test]
fn many_messages_fail() {
    let maildir = Maildir::new();
    for n in 1..=2_000 {
        maildir.write(&format!("cur/{}.m{n}:2,", 1_000 + n), b"Subject: x\n\nx\n");
    }
    let mut s = maildir.session(&[]);
    let known = highest(&s.cmd("SELECT INBOX (CONDSTORE)").responses);
    let odd: Vec<String> = (1..=2_000).step_by(2).map(|n| n.to_string()).collect();
    let odd = odd.join(",");
    s.cmd(&format!("STORE {odd} +FLAGS.SILENT (\\Seen)")).ok("STORE completed.");
    let reply =
        s.cmd(&format!("STORE 2000:1,* (UNCHANGEDSINCE {known}) +FLAGS.SILENT (\\Flagged)"));
    reply.ok(&format!("[MODIFIED {odd}] Some of the messages were changed by others."));
    assert_eq!(reply.responses.len(), 2_001);
}
