//! How many system calls STATUS and LIST make for a folder: an account has thousands, and each call
//! more is felt. The numbers are bounds, not what a kernel must have.

use std::fs;
use std::time::Duration;
use support::{Maildir, postrider};

const FOLDERS: usize = 20;
/// Reads the same directory, and tells of one folder.
const INBOX: &str = "LIST \"\" INBOX";
/// How often a session is tried anew whose predecessor may have been too early to prove anything.
const TRIES: u32 = 50;
/// The calls that name no file, or only the client's: those between a session and its client, those
/// for memory, and what only a build for debugging asks of a descriptor.
const LEFT_OUT: [&str; 8] =
    ["ppoll(", "read(", "write(", "recvfrom(", "rt_sigprocmask(", "brk(", "getpid(", "fcntl("];

/// Folders with mail.
fn folders() -> Maildir {
    let maildir = Maildir::new();
    for n in 0..FOLDERS {
        let folder = format!("INBOX.f{n}");
        maildir.folder(&folder);
        maildir.deliver(&folder, "1000.a", b"Subject: x\n\ntext\n");
    }
    maildir
}

/// The calls of a session about files, while it is given these commands. `None`: strace is not installed.
fn calls(maildir: &Maildir, commands: &[String]) -> Option<Vec<String>> {
    let strace = support::programs::strace()?;
    let (trace, ours) = (maildir.home().join("trace"), postrider());
    let args = ["-o", trace.to_str().unwrap(), ours.to_str().unwrap(), "./Maildir"];
    let env = [("IMAP_CAPABILITY", "IMAP4rev1 LIST-EXTENDED LIST-STATUS CONDSTORE")];
    let mut s = maildir.start(strace, &env, &args);
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    for command in commands {
        s.cmd(command).says("OK");
    }
    s.cmd("LOGOUT").says("OK");
    s.wait();
    let trace = fs::read_to_string(trace).unwrap();
    let is_file_call = |line: &&str| !LEFT_OUT.iter().any(|call| line.starts_with(call));
    Some(trace.lines().filter(is_file_call).map(str::to_owned).collect())
}

/// These commands make at most `most` calls for each folder more than `other`, in some session.
/// `before`: what is done before each of them.
fn at_most(
    maildir: &Maildir,
    most: usize,
    (commands, other): (&[String], &str),
    before: &dyn Fn(),
) {
    let Some(without) = calls(maildir, &[other.to_owned()]) else { return };
    let mut last = Vec::new();
    for _ in 0..TRIES {
        before();
        last = calls(maildir, commands).unwrap();
        if last.len() <= without.len() + most * FOLDERS + FOLDERS / 2 {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let each = last.len().saturating_sub(without.len()) as f64 / FOLDERS as f64;
    panic!("{each} calls for each folder:\n{}", last.join("\n"));
}

fn status_of_each(items: &str) -> Vec<String> {
    (0..FOLDERS).map(|n| format!("STATUS INBOX.f{n} ({items})")).collect()
}

/// Makes new states: with proofs that hold, if nothing was changed in this very moment.
fn prove(maildir: &Maildir) {
    for n in 0..FOLDERS {
        let _ = fs::remove_file(maildir.path().join(format!(".f{n}/postrider.state")));
    }
    let mut s = maildir.session(&[]);
    for command in status_of_each("HIGHESTMODSEQ") {
        s.cmd(&command).says("OK");
    }
    s.cmd("LOGOUT").says("OK");
}

/// Gives all messages their UIDs.
fn open_all(maildir: &Maildir) {
    let mut s = maildir.session(&[]);
    for n in 0..FOLDERS {
        s.cmd(&format!("SELECT INBOX.f{n}")).says("OK");
    }
    s.cmd("LOGOUT").says("OK");
}

#[test]
fn a_status_from_the_state() {
    let maildir = folders();
    open_all(&maildir);
    let prove = || prove(&maildir);
    at_most(&maildir, 11, (&status_of_each("MESSAGES UNSEEN UIDNEXT"), "NOOP"), &prove);
    at_most(&maildir, 12, (&status_of_each("MESSAGES HIGHESTMODSEQ"), "NOOP"), &prove);
}

/// No lock is taken, and each directory is read once.
#[test]
fn a_status_of_folders_that_were_never_opened() {
    let maildir = folders();
    at_most(&maildir, 31, (&status_of_each("MESSAGES UNSEEN UIDNEXT"), "NOOP"), &|| {});
    let Some(calls) = calls(&maildir, &status_of_each("MESSAGES")) else { return };
    assert!(!calls.iter().any(|call| call.contains("courier.lock")), "{}", calls.join("\n"));
}

/// One stat(2) for each folder's access control list.
#[test]
fn a_list() {
    let maildir = folders();
    open_all(&maildir);
    at_most(&maildir, 1, (&["LIST \"\" *".to_owned()], INBOX), &|| {});
    let counts = ["LIST \"\" INBOX.f* RETURN (STATUS (MESSAGES UNSEEN))".to_owned()];
    at_most(&maildir, 9, (&counts, INBOX), &|| prove(&maildir));
}

/// What another program does to lists between two LIST is seen by both the session that was there
/// before and a new one.
#[test]
fn lists_that_others_change() {
    let maildir = folders();
    let acls = maildir.path().join("postrider.acls");
    let mut s = maildir.session(&[]);
    for _ in 0..TRIES {
        s.cmd("LIST \"\" *").ok("LIST completed");
        if acls.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(acls.exists());
    let hidden = b"owner r\nadministrators aceilrstwx\n";
    // Courier's way, and a hand's.
    maildir.write(".f3/tmp/list", hidden);
    let list = |n: usize| maildir.path().join(format!(".f{n}/courierimapacl"));
    fs::rename(maildir.path().join(".f3/tmp/list"), list(3)).unwrap();
    fs::write(list(5), hidden).unwrap();
    fs::remove_file(list(7)).unwrap();
    fs::rename(maildir.path().join(".f3"), maildir.path().join(".f3b")).unwrap();
    fs::rename(maildir.path().join(".f4"), maildir.path().join(".f3")).unwrap();
    fs::rename(maildir.path().join(".f3b"), maildir.path().join(".f4")).unwrap();
    for s in [&mut s, &mut maildir.session(&[])] {
        let reply = s.cmd("LIST \"\" INBOX.*");
        for n in 0..FOLDERS {
            let line = format!("* LIST (\\HasNoChildren) \".\" \"INBOX.f{n}\"");
            if [4, 5].contains(&n) {
                reply.lacks(&line)
            } else {
                reply.has(&line)
            };
        }
    }
}
