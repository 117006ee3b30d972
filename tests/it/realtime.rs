//! What one session does reaches the others, at once and truly: the procedure "Verifying realtime
//! concurrent folder status updates" of the manual page with three sessions, \Recent told once
//! however they race, IDLE with and without the kernel's notice, and changes of others that must
//! not be swallowed.

use std::thread;
use std::time::{Duration, Instant};
use support::{Maildir, PATIENCE, Session};

const IDLE: &[(&str, &str)] = &[("IMAP_CAPABILITY", "IMAP4rev1 UIDPLUS IDLE")];

fn two_messages(maildir: &Maildir) {
    for n in 1..=2 {
        maildir.write(
            &format!("cur/100{n}.m{n}:2,"),
            format!("Subject: message {n}\n\nBody {n}\n").as_bytes(),
        );
    }
    maildir.session(&[]).cmd("SELECT INBOX").has("* 2 RECENT");
}

fn idling(maildir: &Maildir, env: &[(&str, &str)], words: &str) -> Session {
    let mut s = maildir.session(env);
    s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
    s.send(b"i IDLE\r\n");
    assert_eq!(s.line(), words, "{}", s.story());
    s
}

/// The next lines, exactly; and none after them.
#[track_caller]
fn told(s: &mut Session, lines: &[&str]) {
    for line in lines {
        assert_eq!(s.line(), *line, "{}", s.story());
    }
}

#[track_caller]
fn quiet(s: &mut Session) {
    let more = s.response(Duration::from_millis(60));
    assert_eq!(more, None, "{}", s.story());
}

fn validity(maildir: &Maildir) -> String {
    let database = std::fs::read_to_string(maildir.path().join("courierimapuiddb")).unwrap();
    database.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn the_procedure_of_the_manual_page() {
    let maildir = Maildir::new();
    two_messages(&maildir);
    let selected = [
        "* FLAGS (\\Draft \\Answered \\Flagged \\Deleted \\Seen \\Recent)".to_owned(),
        "* OK [PERMANENTFLAGS (\\* \\Draft \\Answered \\Flagged \\Deleted \\Seen)] Limited"
            .to_owned(),
        "* 2 EXISTS".to_owned(),
        "* 0 RECENT".to_owned(),
        // An extension, as is UIDNEXT below.
        "* OK [UNSEEN 1] Ok".to_owned(),
        format!("* OK [UIDVALIDITY {}] Ok", validity(&maildir)),
        "* OK [UIDNEXT 3] Ok".to_owned(),
        // The page's sample leaves this line out; Courier sends it.
        "* OK [MYRIGHTS \"acdilrsw\"] ACL".to_owned(),
        "a OK [READ-WRITE] Ok".to_owned(),
    ];
    let selected: Vec<&str> = selected.iter().map(String::as_str).collect();
    let mut sessions: Vec<Session> = (0..3).map(|_| maildir.session(IDLE)).collect();
    for s in &mut sessions {
        s.send(b"a SELECT INBOX\r\n");
        told(s, &selected[..selected.len() - 2]);
        // An extension again.
        assert!(s.line().contains("MODSEQ"), "{}", s.story());
        told(s, &selected[selected.len() - 2..]);
    }
    // Step 2: the first two wait.
    let mut actor = sessions.pop().unwrap();
    for s in &mut sessions {
        s.send(b"a IDLE\r\n");
        told(s, &["+ entering ENHANCED idle mode"]);
        quiet(s);
    }
    // Steps 3 to 5.
    for turn in 0..10 {
        let (sign, flags) = if turn % 2 == 0 { ('+', "\\Deleted") } else { ('-', "") };
        let line = format!("* 1 FETCH (FLAGS ({flags}))");
        actor.send(format!("a STORE 1 {sign}FLAGS (\\Deleted)\r\n").as_bytes());
        told(&mut actor, &[&line, "a OK STORE completed."]);
        for s in &mut sessions {
            told(s, &[&line]);
        }
    }
    // Step 6.
    actor.send(b"a STORE 1 +FLAGS (\\Deleted)\r\n");
    told(&mut actor, &["* 1 FETCH (FLAGS (\\Deleted))", "a OK STORE completed."]);
    for s in &mut sessions {
        told(s, &["* 1 FETCH (FLAGS (\\Deleted))"]);
    }
    actor.send(b"a EXPUNGE\r\n");
    told(&mut actor, &["* 1 EXPUNGE", "* 1 EXISTS", "* 0 RECENT", "a OK EXPUNGE completed"]);
    for s in &mut sessions {
        told(s, &["* 1 EXPUNGE", "* 1 EXISTS", "* 0 RECENT"]);
    }
    // Step 7: now all three wait.
    actor.send(b"a IDLE\r\n");
    told(&mut actor, &["+ entering ENHANCED idle mode"]);
    sessions.push(actor);
    maildir.deliver("INBOX", "2000.new", b"Subject: new\n\nnew\n");
    let mut recent = 0;
    for s in &mut sessions {
        told(s, &["* 2 EXISTS"]);
        let count = s.line();
        let flags = s.line();
        match (&*count, &*flags) {
            ("* 1 RECENT", "* 2 FETCH (FLAGS (\\Recent))") => recent += 1,
            ("* 0 RECENT", "* 2 FETCH (FLAGS ())") => {}
            _ => panic!("{count}\n{flags}\n{}", s.story()),
        }
    }
    assert_eq!(recent, 1);
    for s in &mut sessions {
        quiet(s);
        s.send(b"DONE\r\n");
        told(s, &["a OK IDLE completed"]);
        quiet(s);
    }
}

#[test]
fn recent_is_told_once_however_they_race() {
    let maildir = Maildir::new();
    let mut idle: Vec<Session> =
        (0..3).map(|_| idling(&maildir, IDLE, "+ entering ENHANCED idle mode")).collect();
    for n in 1..=30 {
        maildir.deliver("INBOX", &format!("{}.x", 1000 + n), b"Subject: x\n\nx\n");
        let mut told = 0;
        for s in &mut idle {
            // A second look may come between EXISTS and the next delivery, never between these
            // three.
            assert_eq!(s.line(), format!("* {n} EXISTS"), "{}", s.story());
            assert!(s.line().ends_with(" RECENT"), "{}", s.story());
            told += usize::from(s.line() == format!("* {n} FETCH (FLAGS (\\Recent))"));
        }
        assert_eq!(told, 1, "delivery {n}");
    }
    for s in &mut idle {
        s.send(b"DONE\r\n");
        s.finish("i").ok("IDLE completed");
    }
    // The same without IDLE, several at a time: all look at the same moment.
    for round in 1..=20u32 {
        for n in 0..5 {
            maildir.deliver("INBOX", &format!("{}.y{n}", 2000 + round), b"Subject: y\n\ny\n");
        }
        let counts: Vec<usize> = thread::scope(|scope| {
            let run = |s: &mut Session| {
                s.cmd("NOOP").ok("NOOP completed").has(&format!("* {} EXISTS", 30 + round * 5));
                let first = 31 + (round - 1) * 5;
                let reply = s.cmd(&format!("FETCH {first}:{} FLAGS", first + 4));
                reply.responses.iter().filter(|r| r.ends_with(b"(FLAGS (\\Recent))")).count()
            };
            let running: Vec<_> = idle.iter_mut().map(|s| scope.spawn(move || run(s))).collect();
            running.into_iter().map(|r| r.join().unwrap()).collect()
        });
        assert_eq!(counts.iter().sum::<usize>(), 5, "round {round}: {counts:?}");
    }
}

/// The flags of other messages that are taken over on the way (a file had to be looked for) are
/// told, by this command or the next look.
#[test]
fn changes_of_others_are_not_swallowed() {
    let maildir = Maildir::new();
    two_messages(&maildir);
    maildir.folder("INBOX.target");
    let mv =
        |a: &str, b: &str| std::fs::rename(maildir.path().join(a), maildir.path().join(b)).unwrap();
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
    // A silent change tells what others did, for its OK does not (RFC 3501 6.4.6).
    mv("cur/1001.m1:2,", "cur/1001.m1:2,F");
    s.cmd("STORE 1 +FLAGS.SILENT (\\Seen)")
        .ok("STORE completed.")
        .has("* 1 FETCH (FLAGS (\\Flagged \\Seen))");
    s.cmd("STORE 1 +FLAGS.SILENT (\\Seen)").ok("STORE completed.").lacks("*");
    // STORE of one message finds that the other was renamed.
    mv("cur/1001.m1:2,FS", "cur/1001.m1:2,S");
    mv("cur/1002.m2:2,", "cur/1002.m2:2,R");
    s.cmd("STORE 1 +FLAGS (\\Draft)")
        .ok("STORE completed.")
        .has("* 1 FETCH (FLAGS (\\Draft \\Seen))");
    s.cmd("NOOP").ok("NOOP completed").has("* 2 FETCH (FLAGS (\\Answered))");
    // COPY opens the message and says nothing of its flags.
    mv("cur/1002.m2:2,R", "cur/1002.m2:2,FR");
    s.cmd("COPY 2 INBOX.target");
    s.cmd("NOOP").ok("NOOP completed").has("* 2 FETCH (FLAGS (\\Flagged \\Answered))");
    // FETCH tells with the message, whether or not it was asked for flags.
    mv("cur/1002.m2:2,FR", "cur/1002.m2:2,");
    s.cmd("FETCH 2 RFC822.SIZE").ok("FETCH completed.").has("* 2 FETCH (FLAGS ())");
    s.cmd("NOOP").ok("NOOP completed").lacks("*");
}

#[test]
fn flags_of_many_sessions_add_up() {
    let maildir = Maildir::new();
    two_messages(&maildir);
    let flags = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft"];
    let mut sessions: Vec<Session> = flags.iter().map(|_| maildir.session(&[])).collect();
    for s in &mut sessions {
        s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
    }
    for round in 0..25 {
        let sign = if round % 2 == 0 { '+' } else { '-' };
        thread::scope(|scope| {
            for (s, flag) in sessions.iter_mut().zip(flags) {
                scope.spawn(move || {
                    s.cmd(&format!("STORE 1:2 {sign}FLAGS.SILENT ({flag})"))
                        .ok("STORE completed.")
                        .clone()
                });
            }
        });
        let letters = if sign == '+' { "DFRS" } else { "" };
        assert_eq!(
            maildir.files_in("cur"),
            [format!("1001.m1:2,{letters}"), format!("1002.m2:2,{letters}")],
            "round {round}"
        );
    }
    for s in &mut sessions {
        s.cmd("NOOP").ok("NOOP completed");
        s.cmd("FETCH 1:2 FLAGS").has("* 1 FETCH (FLAGS (\\Draft \\Flagged \\Answered \\Seen))");
    }
}

fn context_switches(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("voluntary_ctxt_switches")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn an_idle_session_sleeps() {
    let maildir = Maildir::new();
    two_messages(&maildir);
    let mut s = idling(&maildir, IDLE, "+ entering ENHANCED idle mode");
    let env = [IDLE[0], ("IMAP_IDLE_TIMEOUT", "1")];
    let mut polling = idling(&maildir, &env, "+ entering ENHANCED idle mode");
    thread::sleep(Duration::from_millis(300));
    let (before, polled) = (context_switches(s.pid()), context_switches(polling.pid()));
    thread::sleep(Duration::from_millis(3100));
    assert_eq!(context_switches(s.pid()) - before, 0, "woken without a reason");
    let polled = context_switches(polling.pid()) - polled;
    assert!((2..=30).contains(&polled), "{polled} switches in three looks");
    for s in [&mut s, &mut polling] {
        quiet(s);
        s.send(b"DONE\r\n");
        told(s, &["i OK IDLE completed"]);
    }
}

#[test]
fn a_client_that_vanishes_ends_its_session_at_once() {
    let maildir = Maildir::new();
    two_messages(&maildir);
    for command in ["IDLE", ""] {
        let mut s = maildir.session(IDLE);
        s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
        if !command.is_empty() {
            s.send(b"i IDLE\r\n");
            s.line();
        }
        let start = Instant::now();
        s.hang_up();
        assert_eq!(s.wait().and_then(|s| s.code()), Some(0), "{}", s.story());
        assert!(start.elapsed() < Duration::from_millis(700), "{command}: {:?}", start.elapsed());
    }
}

#[test]
fn without_locks_or_the_capability_idle_is_plain_and_still_notices() {
    for env in [("IMAP_USELOCKS", "0"), ("IMAP_CAPABILITY", "IMAP4rev1")] {
        let maildir = Maildir::new();
        two_messages(&maildir);
        let mut both = IDLE.to_vec();
        both.push(env);
        let mut s = idling(&maildir, &both, "+ entering idle mode");
        let start = Instant::now();
        maildir.deliver("INBOX", "2000.x", b"Subject: x\n\nx\n");
        told(&mut s, &["* 3 EXISTS"]);
        assert!(start.elapsed() < PATIENCE / 4);
    }
}
