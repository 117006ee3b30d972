//! What is refused once is tried again by the next command, though nothing has changed since.

use std::time::Duration;
use support::programs::strace;
use support::{Maildir, Session, postrider};

/// A session in whose INBOX a call on this path fails once.
fn refused_once(maildir: &Maildir, call: &str, path: &str) -> Session {
    let inject = format!("inject={call}:error=EIO:when=1");
    let trace = maildir.home().join("trace");
    let ours = postrider();
    let args = [
        ["-o", trace.to_str().unwrap()],
        ["-e", &format!("trace={call}")],
        ["-e", &inject],
        ["-P", path],
        [ours.to_str().unwrap(), "./Maildir"],
    ];
    let mut s = maildir.start(strace().unwrap(), &[], &args.concat());
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    s
}

/// Mail that cannot be moved from `new`, or not be found there, in a folder that has been at rest
/// for longer than a tick of the clock of file times.
#[test]
fn mail_that_stays_in_new_is_shown_by_the_next_command() {
    if strace().is_none() {
        return;
    }
    for call in ["renameat2", "getdents64"] {
        let maildir = Maildir::new();
        let new = maildir.path().join("new");
        let path = if call == "renameat2" { "1002.x" } else { new.to_str().unwrap() };
        maildir.deliver("INBOX", "1001.x", b"Subject: x\n\ntext\n");
        maildir.session(&[]).cmd("SELECT INBOX").has("* 1 EXISTS");
        std::thread::sleep(Duration::from_millis(100));
        let mut s = refused_once(&maildir, call, path);
        s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok").has("* 1 EXISTS");
        maildir.deliver("INBOX", "1002.x", b"Subject: y\n\ntext\n");
        std::thread::sleep(Duration::from_millis(100));
        let reply = s.cmd("NOOP");
        reply.ok("NOOP completed").lacks("* 2 EXISTS");
        std::thread::sleep(Duration::from_millis(100));
        s.cmd("NOOP").ok("NOOP completed").has("* 2 EXISTS");
        let log = s.log().join("\n");
        assert!(log.contains("mail in it is not shown"), "{call}: {}", s.story());
    }
}
