//! Messages that several sessions store at once: MULTIAPPEND, and REPLACE of one message.

use super::{at_once, subjects};
use std::fs;
use support::Maildir;

/// What `maildirsize` has in sum, and what there is: bytes and messages.
fn sums(maildir: &Maildir) -> [(i64, i64); 2] {
    let text = fs::read_to_string(maildir.path().join("maildirsize")).unwrap();
    let numbers = |line: &str| -> Vec<i64> {
        line.split_whitespace().map(|word| word.parse().unwrap()).collect()
    };
    let lines = text.lines().skip(1).map(numbers);
    let told = lines.fold((0, 0), |(bytes, count), n| (bytes + n[0], count + n[1]));
    let mut there = (0, 0);
    for name in maildir.files().iter().filter(|name| name.contains("cur/")) {
        let size = fs::metadata(maildir.path().join(name)).unwrap().len();
        there = (there.0 + i64::try_from(size).unwrap(), there.1 + 1);
    }
    [told, there]
}

fn text(who: usize, number: usize) -> String {
    format!("Subject: {who}-{number}\r\n\r\n{}\r\n", "x".repeat(number * 7 % 90))
}

/// All of a command's messages are there or none, its UIDs follow one another, and the quota counts
/// each of them once, whatever is refused.
#[test]
fn commands_of_several_messages_under_a_quota() {
    let maildir = Maildir::new();
    maildir.write("maildirsize", b"1000000S,100C\n0 0\n");
    let taken = at_once(&maildir, &[], 4, |who, s, meeting| -> usize {
        meeting.wait();
        let mut taken = 0;
        for round in 0..12 {
            let texts: Vec<String> = (0..3).map(|n| text(who, 3 * round + n)).collect();
            let messages: Vec<String> =
                texts.iter().map(|text| format!(" {{{}+}}\r\n{text}", text.len())).collect();
            let reply = s.cmd(&format!("APPEND INBOX{}", messages.concat()));
            let last = String::from_utf8_lossy(reply.last()).into_owned();
            if last.contains("quota") {
                continue;
            }
            let uids = last.split_once("[APPENDUID ").expect(&last).1.split(' ').nth(1).unwrap();
            let (from, to) = uids.trim_end_matches(']').split_once(':').expect(&last);
            let [from, to] = [from, to].map(|uid| uid.parse::<u32>().unwrap());
            assert_eq!(from + 2, to, "{last}");
            taken += 3;
        }
        taken
    });
    let taken: usize = taken.iter().sum();
    // There is no lock: each of the four may have seen room for its last three.
    assert!((90..=111).contains(&taken), "{taken} of 144");
    assert_eq!(subjects(&maildir, "INBOX").len(), taken);
    let [told, there] = sums(&maildir);
    assert_eq!(told, there);
}

/// Each session keeps a draft of its own, under a quota that has no room for one more.
#[test]
fn drafts_that_are_replaced_under_a_quota() {
    let maildir = Maildir::new();
    for who in 0..3 {
        maildir
            .write(&format!("cur/{who}.x,S=15:2,"), format!("Subject: {who}-0\n\n\n\n").as_bytes());
    }
    maildir.write("maildirsize", b"1000000S,3C\n45 3\n");
    maildir.write("courierimapuiddb", b"1 555 4\n1 0.x,S=15\n2 1.x,S=15\n3 2.x,S=15\n");
    at_once(&maildir, &[], 3, |who, s, meeting| {
        s.cmd("SELECT INBOX").says("OK [READ-WRITE]");
        meeting.wait();
        let mut uid = (who + 1).to_string();
        for round in 1..=15 {
            let text = text(who, round);
            let reply = s.cmd(&format!("UID REPLACE {uid} INBOX {{{}+}}\r\n{text}", text.len()));
            reply.says("OK REPLACE completed.");
            let ready = String::from_utf8_lossy(reply.get("* OK [APPENDUID ")).into_owned();
            uid = ready.split([' ', ']']).nth(4).unwrap().to_owned();
        }
    });
    let mut due: Vec<String> = (0..3).map(|who| format!("{who}-15")).collect();
    due.sort();
    assert_eq!(subjects(&maildir, "INBOX"), due);
    let [told, there] = sums(&maildir);
    assert_eq!(told, there);
}

/// Two replace the same message. Whoever is told OK has its message there, and whoever is told NO
/// has none; the old one is gone.
#[test]
fn one_message_that_two_replace() {
    for _ in 0..6 {
        let maildir = Maildir::new();
        maildir.write("cur/1.x:2,", b"Subject: old\n\n");
        let told = at_once(&maildir, &[], 2, |who, s, meeting| -> bool {
            s.cmd("SELECT INBOX").has("* 1 EXISTS");
            let text = text(who, 1);
            s.send(format!("r REPLACE 1 INBOX {{{}}}\r\n", text.len()).as_bytes());
            assert!(s.finish("r").last().starts_with(b"+ "));
            meeting.wait();
            s.send(format!("{text}\r\n").as_bytes());
            let reply = s.finish("r");
            let is_done = reply.last().starts_with(b"r OK ");
            assert!(is_done || reply.last().starts_with(b"r NO [EXPUNGEISSUED] "), "{}", s.story());
            is_done
        });
        assert!(told.contains(&true), "somebody has removed it");
        let there = subjects(&maildir, "INBOX");
        let due: Vec<String> =
            (0..2).filter(|who| told[*who]).map(|who| format!("{who}-1")).collect();
        assert_eq!(there, due);
    }
}

/// Another session moves the old message away in the moment in which the new one is stored: both
/// stay, the old one in its new folder (RFC 8508 4: it is no longer in the mailbox). Who had moved
/// it before is told so, and nothing is stored.
#[test]
fn a_message_that_is_moved_while_it_is_replaced() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.box").write("cur/1.x:2,", b"Subject: old\n\n");
    let text = text(1, 1);
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has("* 1 EXISTS");
    let mut other = maildir.session(&[]);
    other.cmd("SELECT INBOX").has("* 1 EXISTS");
    // Somebody has the lock: the new message waits in `tmp`.
    let lock = maildir.path().join("tmp/courier.lock");
    fs::write(&lock, format!("{} host.example\n", std::process::id())).unwrap();
    s.send(format!("x REPLACE 1 INBOX {{{}+}}\r\n{text}\r\n", text.len()).as_bytes());
    assert_eq!(s.response(std::time::Duration::from_millis(300)), None, "{}", s.story());
    other.send(b"y MOVE 1 INBOX.box\r\n");
    while maildir.files_in(".box/cur").is_empty() {
        std::thread::yield_now();
    }
    fs::remove_file(&lock).unwrap();
    s.finish("x").has("* 1 EXPUNGE").has("* 1 EXISTS").ok("REPLACE completed.");
    other.finish("y").has("* 1 EXPUNGE").ok("MOVE completed.");
    assert_eq!(subjects(&maildir, "INBOX"), ["1-1"]);
    assert_eq!(subjects(&maildir, "INBOX.box"), ["old"]);
    s.cmd("UID MOVE 2 INBOX.box").ok("MOVE completed.");
    s.cmd_literal("UID REPLACE 2 INBOX", text.as_bytes(), "")
        .no("[NONEXISTENT] There is no such message to replace.");
}
