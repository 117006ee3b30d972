//! Signals, and clients that go away, in the middle of long work: the session ends before the work
//! is done, in order, and what it leaves is whole.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use support::process::{Ends, Process, Received};
use support::{Maildir, PATIENCE, Session, postrider};

/// INBOX with so many messages, which are links to one file.
fn many(messages: usize, content: &[u8]) -> Maildir {
    let maildir = Maildir::new();
    maildir.write("cur/1000.0:2,", content);
    let first = maildir.path().join("cur/1000.0:2,");
    for n in 1..messages {
        fs::hard_link(&first, maildir.path().join(format!("cur/1000.{n}:2,"))).unwrap();
    }
    maildir
}

/// A message whose header is as large as one may be, and a search for what is in none of its
/// fields: a folder of these is searched for many minutes.
pub(crate) fn endless() -> (Maildir, String) {
    let maildir = many(500, &b"Subject: y\n".repeat(380_000));
    (maildir, format!("SEARCH{}", " SUBJECT x".repeat(900)))
}

fn terminate(s: &Session) {
    kill(Pid::from_raw(s.pid().cast_signed()), Signal::SIGTERM).unwrap();
}

/// Waits until there is such a name in a directory.
fn appears(dir: &Path, is_it: impl Fn(&str) -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !fs::read_dir(dir).unwrap().any(|e| is_it(&e.unwrap().file_name().to_string_lossy())) {
        assert!(std::time::Instant::now() < end, "nothing in {}", dir.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The session says goodbye, and has not answered the command.
fn said_goodbye(s: &mut Session) {
    let mut last = Vec::new();
    while let Some(response) = s.response(PATIENCE) {
        assert!(!response.starts_with(b"x OK"), "{}", s.story());
        last = response;
    }
    let status = s.wait();
    assert_eq!(last, b"* BYE Courier-IMAP server shut down by signal.", "{}", s.story());
    assert_eq!(status.and_then(|st| st.code()), Some(0), "{}", s.story());
    let log = s.log();
    let last = log.last().unwrap();
    assert!(last.contains("Disconnected during shutdown by signal, user=alice, "), "{log:#?}");
}

#[test]
fn a_search_without_end_ends_at_a_signal() {
    let (maildir, search) = endless();
    let thread = search.replace("SEARCH", "THREAD REFERENCES UTF-8");
    let sort = search.replace("SEARCH", "UID SORT (SUBJECT) UTF-8");
    for command in [&search, &thread, &sort] {
        let mut s = maildir.session(&[]);
        s.cmd("SELECT INBOX").has("* 500 EXISTS");
        s.send(format!("x {command}\r\n").as_bytes());
        std::thread::sleep(Duration::from_millis(100));
        terminate(&s);
        said_goodbye(&mut s);
    }
}

#[test]
fn a_search_without_end_ends_when_the_client_goes_away() {
    let (maildir, search) = endless();
    let mut command = Command::new(postrider());
    command.arg("./Maildir").current_dir(maildir.home()).env_clear();
    command.envs([("AUTHENTICATED", "alice"), ("HOSTNAME", "host.example")]);
    // A pipe that we do not read has no end that goes away.
    let mut process = Process::spawn(command, Ends::Socket, None).unwrap();
    process.send(b"s SELECT INBOX\r\n").unwrap();
    while !matches!(process.response(PATIENCE), Received::Response(r) if r.starts_with(b"s OK ")) {
        assert!(!process.has_ended());
    }
    process.send(format!("x {search}\r\n").as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    process.hang_up();
    let status = process.wait(PATIENCE);
    let log = String::from_utf8_lossy(&process.log()).into_owned();
    assert_eq!(status.and_then(|st| st.code()), Some(0), "{log}");
    assert!(log.contains("INFO: DISCONNECTED, user=alice, "), "{log}");
}

#[test]
fn a_store_that_is_cut_short_has_changed_some() {
    let maildir = many(20_000, b"Subject: x\n\ny\n");
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has("* 20000 EXISTS");
    s.send(b"x STORE 1:* FLAGS.SILENT (\\Seen word)\r\n");
    appears(&maildir.path().join("cur"), |name| name.ends_with(":2,S"));
    terminate(&s);
    said_goodbye(&mut s);
    let seen = maildir.files_in("cur").iter().filter(|name| name.ends_with(":2,S")).count();
    assert!((1..20_000).contains(&seen), "{seen}");
    assert!(maildir.files_in("tmp").is_empty(), "{:?}", maildir.files_in("tmp"));
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has("* 20000 EXISTS");
}

#[test]
fn a_copy_that_is_cut_short_has_copied_nothing() {
    let maildir = many(20_000, b"Subject: x\n\ny\n");
    maildir.folder("INBOX.box");
    let mut s = maildir.session(&[("MAILDIRQUOTA", "100000000S")]);
    s.cmd("SELECT INBOX").has("* 20000 EXISTS");
    s.send(b"x COPY 1:* INBOX.box\r\n");
    appears(&maildir.path().join(".box/tmp"), |name| name != "courier.lock");
    terminate(&s);
    said_goodbye(&mut s);
    for dir in ["tmp", "cur", "new"] {
        assert_eq!(maildir.files_in(&format!(".box/{dir}")), [""; 0], "{dir}");
    }
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX.box").has("* 0 EXISTS");
}

#[test]
fn an_expunge_that_is_cut_short_has_moved_some() {
    let maildir = many(20_000, b"Subject: x\n\ny\n");
    for name in maildir.files_in("cur") {
        let to = maildir.path().join(format!("cur/{name}T"));
        fs::rename(maildir.path().join("cur").join(name), to).unwrap();
    }
    maildir.folder("INBOX.Trash");
    let mut s = maildir.session(&[("IMAP_MOVE_EXPUNGE_TO_TRASH", "1")]);
    s.cmd("SELECT INBOX").has("* 20000 EXISTS");
    s.send(b"x EXPUNGE\r\n");
    appears(&maildir.path().join(".Trash/cur"), |_| true);
    terminate(&s);
    said_goodbye(&mut s);
    let left = maildir.files_in("cur").len();
    assert!((1..20_000).contains(&left), "{left}");
    assert_eq!(left + maildir.files_in(".Trash/cur").len(), 20_000);
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has(&format!("* {left} EXISTS"));
}

/// What has moved is told before the goodbye, and has its UID.
#[test]
fn a_move_that_is_cut_short_has_moved_some() {
    let maildir = many(20_000, b"Subject: x\n\ny\n");
    maildir.folder("INBOX.box");
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has("* 20000 EXISTS");
    s.send(b"x MOVE 1:* INBOX.box\r\n");
    appears(&maildir.path().join(".box/cur"), |_| true);
    terminate(&s);
    let responses = s.finish("x").responses;
    let lines: Vec<&str> = responses.iter().map(|r| std::str::from_utf8(r).unwrap()).collect();
    let [told, others @ .., last] = lines.as_slice() else { panic!("{lines:?}") };
    let (expunged, counts): (Vec<&str>, Vec<&str>) =
        others.iter().partition(|line| **line == "* 1 EXPUNGE");
    let is_count = |line: &&str| line.ends_with(" EXISTS") || line.ends_with(" RECENT");
    assert!(counts.iter().all(is_count), "{counts:?}");
    assert_eq!(*last, "* BYE Courier-IMAP server shut down by signal.");
    s.wait();
    let moved = maildir.files_in(".box/cur").len();
    assert!((1..20_000).contains(&moved), "{moved}");
    assert_eq!((expunged.len(), maildir.files_in("cur").len()), (moved, 20_000 - moved));
    assert!(told.contains(&format!(" 1:{moved} 1:{moved}] Ok")), "{told}");
    assert_eq!(maildir.files_in(".box/tmp"), [""; 0]);
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has(&format!("* {} EXISTS", 20_000 - moved));
    s.cmd("SELECT INBOX.box").has(&format!("* {moved} EXISTS"));
    s.cmd(&format!("FETCH {moved} UID")).has(&format!("* {moved} FETCH (UID {moved})"));
}
