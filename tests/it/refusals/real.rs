//! Refusals that need no strace: a disk without inodes, directories that may not be written, names
//! that are as long as a name can be.

use crate::bad_days::full_disk::on_a_small_disk;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use support::{Maildir, Session, postrider};

const MESSAGE: &[u8] = b"Subject: x\n\ntext\n";
const UIDPLUS: (&str, &str) = ("IMAP_CAPABILITY", "IMAP4rev1 UIDPLUS");

/// The lines of the log that are no news.
fn complaints(s: &mut Session) -> Vec<String> {
    s.cmd("LOGOUT").ok("LOGOUT completed");
    s.wait();
    s.log().into_iter().filter(|line| !line.starts_with("INFO: ")).collect()
}

/// Not even the lock can be made: what is there is read and deleted all the same.
#[test]
fn no_inode_is_left() {
    let maildir = Maildir::new();
    on_a_small_disk(maildir.path(), "nr_inodes=24", || {
        for sub in ["tmp", "new", "cur", "courierimapkeywords"] {
            fs::create_dir(maildir.path().join(sub)).unwrap();
        }
        maildir.folder("INBOX.box");
        for n in 1..=3 {
            maildir.write(&format!("cur/100{n}.x:2,"), MESSAGE);
        }
        maildir.session(&[UIDPLUS]).cmd("SELECT INBOX").has("* 3 EXISTS");
        maildir.deliver("INBOX", "2000.new", MESSAGE);
        for n in 0.. {
            if fs::write(maildir.path().join(format!("filler{n}")), "").is_err() {
                break;
            }
        }
        let mut s = maildir.session(&[UIDPLUS]);
        s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok").has("* 3 EXISTS");
        s.cmd("FETCH 1:3 (UID BODY.PEEK[TEXT])").ok("FETCH completed.").get("* 3 FETCH (UID 3 ");
        s.cmd_literal("APPEND INBOX", b"Subject: y\r\n\r\ny\r\n", "")
            .no("[ALERT] Cannot create message - no write permission or out of disk space.");
        s.cmd("COPY 1 INBOX.box")
            .no("[ALERT] COPY failed - no write permission or out of disk space.");
        s.cmd("CREATE INBOX.made").no("[UNAVAILABLE] Cannot create this folder.");
        s.cmd("STORE 1 +FLAGS (\\Deleted)").ok("STORE completed.");
        let reply = s.cmd("EXPUNGE");
        reply.ok("EXPUNGE completed").has("* 1 EXPUNGE");
        // One inode is free now, for the lock or for what it protects.
        s.cmd("STORE 1 +FLAGS (\\Deleted)").ok("STORE completed.");
        s.cmd("EXPUNGE").ok("EXPUNGE completed").has("* 1 EXPUNGE");
        s.cmd("STORE 1 +FLAGS (\\Deleted)").ok("STORE completed.");
        s.cmd("EXPUNGE").ok("EXPUNGE completed").has("* 1 EXPUNGE").has("* 1 EXISTS");
        s.cmd("FETCH 1 UID").has("* 1 FETCH (UID 4)");
        assert!(maildir.files_in("tmp").is_empty(), "{}", s.story());
        assert!(!maildir.path().join(".made").exists(), "{}", s.story());
        let hidden = complaints(&mut s).iter().filter(|l| l.contains("new mail is not")).count();
        assert!((1..=2).contains(&hidden), "{}", s.story());
    });
}

/// A session that permissions hold for, whoever runs the test.
fn without_privileges(maildir: &Maildir) -> Session {
    let ours = postrider();
    let imapd = ours.to_str().unwrap();
    let mut s = if fs::metadata("/proc/self").unwrap().uid() == 0 {
        let may_not = "--bounding-set=-dac_override,-dac_read_search";
        maildir.start(Path::new("/usr/bin/setpriv"), &[UIDPLUS], &[may_not, imapd, "./Maildir"])
    } else {
        maildir.start(&ours, &[UIDPLUS], &["./Maildir"])
    };
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    s
}

/// New mail that nobody can move is counted by nobody, and the log says so once.
#[test]
fn directories_that_may_not_be_written() {
    for shut in ["new", "cur", "tmp", ""] {
        let maildir = Maildir::new();
        maildir.folder("INBOX.box").write(".box/cur/1000.x:2,", MESSAGE);
        maildir.session(&[]).cmd("SELECT INBOX.box").has("* 1 EXISTS");
        maildir.deliver("INBOX.box", "2000.new", MESSAGE);
        let directory = maildir.path().join(".box").join(shut);
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o555)).unwrap();
        let mut s = without_privileges(&maildir);
        let status = s.cmd("STATUS INBOX.box (MESSAGES RECENT)");
        for _ in 0..2 {
            let select = s.cmd("SELECT INBOX.box");
            select.ok("[READ-WRITE] Ok");
            s.cmd("NOOP").ok("NOOP completed");
            if matches!(shut, "new" | "cur") {
                status.has("* STATUS \"INBOX.box\" (MESSAGES 1 RECENT 0)");
                select.has("* 1 EXISTS");
            }
        }
        s.cmd("UID FETCH 1 BODY.PEEK[TEXT]").ok("FETCH completed.");
        let told = complaints(&mut s);
        let about = told.iter().filter(|line| line.contains("not shown")).count();
        assert!(about <= 1 && (about == 1 || shut.is_empty()), "{shut}: {told:#?}\n{}", s.story());
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        maildir.session(&[]).cmd("SELECT INBOX.box").has("* 2 EXISTS");
    }
}

/// `:2,` does not fit behind a name of 253 bytes, nor a flag behind one of 255.
#[test]
fn names_without_room_for_flags() {
    let maildir = Maildir::new();
    let name = |begin: &str, length: usize| format!("{begin:y<length$}");
    maildir.write(&format!("cur/{}", name("1001.x:2,", 255)), MESSAGE);
    maildir.write(&format!("cur/{}", name("1002.x", 253)), MESSAGE);
    maildir.write("cur/1003.x:2,", MESSAGE);
    maildir.deliver("INBOX", &name("1004.x", 253), MESSAGE);
    maildir.deliver("INBOX", &name("1005.x", 255), MESSAGE);
    let mut s = maildir.session(&[]);
    s.cmd("STATUS INBOX (MESSAGES)").has("* STATUS \"INBOX\" (MESSAGES 5)");
    s.cmd("SELECT INBOX").has("* 5 EXISTS");
    let reply = s.cmd("STORE 1:5 +FLAGS (\\Flagged)");
    reply.no("[ALERT] Cannot store flags - no write permission or out of disk space.");
    for n in 3..=5 {
        reply.get(&format!("* {n} FETCH (FLAGS (\\Flagged"));
    }
    s.cmd("FETCH 1:5 BODY.PEEK[TEXT]").ok("FETCH completed.").get("* 5 FETCH (BODY[TEXT] {6}");
    s.cmd("STATUS INBOX (MESSAGES)").has("* STATUS \"INBOX\" (MESSAGES 5)");
    assert!(maildir.files_in("new").is_empty(), "{}", s.story());
    let told = complaints(&mut s);
    assert!(told.len() == 1 && told[0].contains("File name too long"), "{}", s.story());
}
