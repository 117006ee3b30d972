//! A folder of 100,000 messages, in one answer each.

use std::fs;
use std::path::PathBuf;
use support::session::{Reply, Session};
use support::{Maildir, PATIENCE};

const MESSAGES: u32 = 100_000;
/// So many names may one file have, everywhere.
const LINKS: u32 = 50_000;

/// The messages are few files with many names; those files.
fn maildir() -> (Maildir, Vec<PathBuf>) {
    let maildir = Maildir::new();
    let mut files = Vec::new();
    for n in 0..MESSAGES {
        if n % LINKS == 0 {
            let file = format!("message{n}");
            maildir.write(&file, b"Subject: before\n\nx\n").touch(&file, 1_700_000_000);
            files.push(maildir.path().join(file));
        }
        let name = maildir.path().join(format!("cur/{}.m:2,", 1_000_000 + n));
        fs::hard_link(files.last().unwrap(), name).unwrap();
    }
    (maildir, files)
}

/// What a command of a session says. Its transcript would be long.
fn ask(s: &mut Session, command: &str) -> Reply {
    s.forget();
    s.send(format!("t {command}\r\n").as_bytes());
    let reply = s.finish_within("t", PATIENCE * 4);
    s.forget();
    reply
}

fn tagged(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.last()).into_owned()
}

#[test]
fn a_hundred_thousand_messages() {
    let (maildir, files) = maildir();
    let mut s = maildir.session(&[]);
    let reply = ask(&mut s, "SELECT INBOX (CONDSTORE)");
    let line = String::from_utf8_lossy(reply.get("* OK [HIGHESTMODSEQ ")).into_owned();
    all_were_changed_by_others(&maildir, &mut s, line.split([' ', ']']).nth(3).unwrap());
    what_was_learned_of_all(&maildir, s, &files);
}

/// The messages that a conditional STORE leaves as they are are ranges, in one line. `told`:
/// HIGHESTMODSEQ.
fn all_were_changed_by_others(maildir: &Maildir, s: &mut Session, told: &str) {
    let reply = ask(s, "STORE 1:* (UNCHANGEDSINCE 1) +FLAGS.SILENT (\\Seen)");
    let end = "Some of the messages were changed by others.";
    assert_eq!(tagged(&reply), format!("t OK [MODIFIED 1:{MESSAGES}] {end}"));
    assert_eq!(reply.responses.len(), MESSAGES as usize + 1);
    // Every second one of some.
    let some = 2000;
    for n in (0..some).step_by(2) {
        let path = |flags| maildir.path().join(format!("cur/{}.m:2,{flags}", 1_000_000 + n));
        fs::rename(path(""), path("F")).unwrap();
    }
    ask(s, "NOOP").says("OK");
    let store = format!("UID STORE 1:{some} (UNCHANGEDSINCE {told}) +FLAGS.SILENT (\\Seen)");
    let odd: Vec<String> = (1..=some).step_by(2).map(|n| n.to_string()).collect();
    assert_eq!(tagged(&ask(s, &store)), format!("t OK [MODIFIED {}] {end}", odd.join(",")));
    let count = format!("* ESEARCH (TAG \"t\") COUNT {}", some / 2);
    ask(s, "SEARCH RETURN (COUNT) SEEN").has(&count);
}

/// What was learned of them is saved, in bounded room, and serves the next session.
fn what_was_learned_of_all(maildir: &Maildir, mut s: Session, files: &[PathBuf]) {
    ask(&mut s, "FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]").says("OK");
    ask(&mut s, "NOOP").says("OK");
    ask(&mut s, "LOGOUT").says("OK");
    s.wait().unwrap();
    let length = fs::metadata(maildir.path().join("postrider.facts")).unwrap().len();
    assert!(length < u64::from(MESSAGES) * 256, "{length}");
    // Whoever opens a file now finds another subject.
    for file in files {
        let time = fs::metadata(file).unwrap().modified().unwrap();
        fs::write(file, b"Subject: afters\n\nx").unwrap();
        fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
    }
    let mut s = maildir.session(&[]);
    ask(&mut s, "SELECT INBOX").says("OK");
    let count = format!("* ESEARCH (TAG \"t\") COUNT {MESSAGES}");
    ask(&mut s, "SEARCH RETURN (COUNT) SUBJECT before").says("OK").has(&count);
}
