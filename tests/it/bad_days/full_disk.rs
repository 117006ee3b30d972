//! A full disk.

use super::{MESSAGE, UIDPLUS, under_strace};
use std::fs;
use std::path::Path;
use std::time::Duration;
use support::{Maildir, Session};

/// Does something in a mount namespace of its own, in which a small file system is at `at`, with
/// this limit (tmpfs(5)). `None`, with a word, where that is not allowed.
pub(crate) fn on_a_small_disk<T: Send>(
    at: &Path,
    limit: &str,
    work: impl FnOnce() -> T + Send,
) -> Option<T> {
    let mount = |source: &str, target: &str, kind: &str, flags: libc::c_ulong, options: &str| {
        let text = [source, target, kind, options].map(|t| std::ffi::CString::new(t).unwrap());
        let [source, target, kind, options] = text.each_ref().map(|t| t.as_ptr());
        // SAFETY: four strings that live until the call returns.
        unsafe { libc::mount(source, target, kind, flags, options.cast()) == 0 }
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: unshare takes a number; the namespace is this thread's alone, and its
            // children's.
            let own = unsafe { libc::unshare(libc::CLONE_NEWNS) == 0 };
            let ready = own
                && mount("none", "/", "none", libc::MS_REC | libc::MS_PRIVATE, "")
                && mount("small", at.to_str().unwrap(), "tmpfs", 0, &format!("{limit},mode=700"));
            if !ready {
                eprintln!("left out: no mounts of our own here (it takes root)");
                return None;
            }
            Some(work())
        });
        thread.join().unwrap()
    })
}

/// Lets nobody write to the small file system, or lets everybody again.
pub(crate) fn remount(at: &Path, read_only: bool) {
    let target = std::ffi::CString::new(at.to_str().unwrap()).unwrap();
    let flags = libc::MS_REMOUNT | if read_only { libc::MS_RDONLY } else { 0 };
    // SAFETY: a string that lives until the call returns; the others may be missing here.
    let done = unsafe {
        libc::mount(std::ptr::null(), target.as_ptr(), std::ptr::null(), flags, std::ptr::null())
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

/// Takes what room there is; gives it back when it is removed.
pub(crate) fn fill(maildir: &Maildir) {
    let mut file = fs::File::create(maildir.path().join("filler")).unwrap();
    while std::io::Write::write_all(&mut file, &[b'x'; 4096]).is_ok() {}
}

/// A Maildir on a disk of 256 KiB.
fn small(maildir: &Maildir) {
    for sub in ["tmp", "new", "cur"] {
        fs::create_dir(maildir.path().join(sub)).unwrap();
    }
}

#[test]
fn a_full_disk_locks_nobody_out() {
    let maildir = Maildir::new();
    on_a_small_disk(maildir.path(), "size=256k", || {
        small(&maildir);
        maildir.folder("INBOX.box").folder("INBOX.fresh");
        for n in 1..=3 {
            maildir.write(&format!("cur/100{n}.x:2,"), MESSAGE);
        }
        maildir.session(&[UIDPLUS]).cmd("SELECT INBOX").has("* 3 RECENT");
        maildir.write(".fresh/cur/1000.x:2,", MESSAGE);
        maildir.deliver("INBOX", "2000.new", MESSAGE);
        fill(&maildir);
        let mut s = maildir.session(&[UIDPLUS]);
        // What has a saved UID is served; what has none waits in new.
        for command in ["SELECT INBOX", "EXAMINE INBOX", "SELECT INBOX"] {
            s.cmd(command).has("* 3 EXISTS").has("* 0 RECENT");
        }
        s.cmd("NOOP").ok("NOOP completed").lacks("* 4 EXISTS");
        s.cmd("CHECK").ok("CHECK completed").lacks("* 4 EXISTS");
        assert_eq!(maildir.files_in("new"), ["2000.new"]);
        s.cmd("FETCH 1:3 (UID BODY.PEEK[])").ok("FETCH completed.").get("* 3 FETCH (UID 3 ");
        s.cmd("STATUS INBOX.box (MESSAGES)").ok("STATUS Completed.");
        s.cmd_literal("APPEND INBOX", b"Subject: x\r\n\r\ny\r\n", "")
            .no("[ALERT] Cannot create message - no write permission or out of disk space.");
        s.cmd("CREATE INBOX.made").no("[UNAVAILABLE] Cannot create this folder.");
        assert!(!maildir.path().join(".made").exists());
        // One that somebody has put back into new keeps its UID, and is not told to be gone.
        fs::rename(maildir.path().join("cur/1003.x:2,"), maildir.path().join("new/1003.x"))
            .unwrap();
        s.cmd("NOOP").ok("NOOP completed").lacks("* 3 EXPUNGE");
        s.cmd("FETCH 3 (UID FLAGS)").has("* 3 FETCH (UID 3 FLAGS ())");
        // In a folder that has never had a UID file no message has a UID: one that is told and not
        // saved could name another message next.
        s.cmd("SELECT INBOX.fresh").has("* 0 EXISTS");
        s.cmd("NOOP").ok("NOOP completed").lacks("* 1 EXISTS");
        // Its owner makes room, every EXPUNGE is told, and what waited comes.
        s.cmd("SELECT INBOX").has("* 3 EXISTS");
        s.cmd("STORE 1:2 +FLAGS (\\Deleted)").ok("STORE completed.");
        let reply = s.cmd("EXPUNGE");
        reply.ok("EXPUNGE completed").has("* 2 EXISTS").has("* 1 RECENT");
        assert_eq!(
            reply.responses.iter().filter(|r| *r == b"* 1 EXPUNGE").count(),
            2,
            "{}",
            s.story()
        );
        s.cmd("FETCH 1:2 UID").has("* 1 FETCH (UID 3)").has("* 2 FETCH (UID 4)");
        assert!(maildir.files_in("new").is_empty(), "{}", maildir.listing());
        fs::remove_file(maildir.path().join("filler")).unwrap();
        s.cmd("SELECT INBOX.fresh").has("* 1 EXISTS");
        assert!(
            maildir.files_in("tmp").is_empty() && maildir.files_in(".fresh/tmp").is_empty(),
            "{}",
            maildir.listing()
        );
        s.cmd("LOGOUT").ok("LOGOUT completed");
        let told = s.log().iter().filter(|line| line.contains("new mail is not shown")).count();
        assert!(
            (1..=3).contains(&told),
            "once, and once more after there was room: {:#?}",
            s.log()
        );
    });
}

/// In IDLE a session that cannot take in what came must not wake itself, or others, again and
/// again.
#[test]
fn a_full_disk_keeps_nobody_awake() {
    let maildir = Maildir::new();
    on_a_small_disk(maildir.path(), "size=256k", || {
        small(&maildir);
        maildir.write("cur/1001.x:2,", MESSAGE);
        maildir.session(&[]).cmd("SELECT INBOX").has("* 1 EXISTS");
        let mut sessions: Vec<Session> = (0..3).map(|_| maildir.session(&[UIDPLUS])).collect();
        for s in &mut sessions {
            s.cmd("SELECT INBOX").has("* 1 EXISTS");
            s.send(b"i IDLE\r\n");
            s.line();
        }
        fs::write(maildir.path().join("tmp/2000.new"), MESSAGE).unwrap();
        fill(&maildir);
        fs::rename(maildir.path().join("tmp/2000.new"), maildir.path().join("new/2000.new"))
            .unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let spent = |s: &Session| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", s.pid())).unwrap();
            let fields: Vec<&str> =
                stat.rsplit(')').next().unwrap().split_ascii_whitespace().collect();
            fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
        };
        let before: u64 = sessions.iter().map(spent).sum();
        std::thread::sleep(Duration::from_millis(1000));
        let after: u64 = sessions.iter().map(spent).sum();
        assert!(
            after - before < 20,
            "{} hundredths of a second of processor time in one second",
            after - before
        );
        for s in &mut sessions {
            s.send(b"DONE\r\n");
            s.finish("i").ok("IDLE completed").lacks("* 2 EXISTS");
        }
    });
}

/// Some file systems find out that they are full when a file is synced.
#[test]
fn a_disk_that_is_full_at_the_sync_keeps_nobody_awake() {
    let maildir = Maildir::new();
    maildir.write("cur/1001.x:2,", MESSAGE);
    maildir.session(&[]).cmd("SELECT INBOX").has("* 1 EXISTS");
    let trace = maildir.home().join("trace");
    let refuse = [
        "-e",
        "trace=fsync,fallocate",
        "-e",
        "inject=fsync:error=ENOSPC",
        "-e",
        "inject=fallocate:error=EOPNOTSUPP",
    ];
    let options = [&["-o", trace.to_str().unwrap()], &refuse[..]].concat();
    let Some(mut s) = under_strace(&maildir, &options) else { return };
    s.cmd("SELECT INBOX").has("* 1 EXISTS");
    s.send(b"i IDLE\r\n");
    s.line();
    maildir.deliver("INBOX", "2000.new", MESSAGE);
    std::thread::sleep(Duration::from_millis(1500));
    s.send(b"DONE\r\n");
    s.finish("i").ok("IDLE completed").lacks("* 2 EXISTS");
    s.cmd("LOGOUT").ok("LOGOUT completed");
    s.wait().unwrap();
    let tries = fs::read_to_string(&trace)
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("fsync"))
        .count();
    assert!((1..20).contains(&tries), "{tries} syncs\n{}", s.story());
    // With another disk all is there.
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has("* 2 EXISTS").has("* 1 RECENT");
}

/// The UID file is gone, and there is no room for another one: nothing is shown. What the session
/// has told counts all the same when an older UID file comes back.
#[test]
fn no_uid_is_given_again_after_a_full_disk() {
    let maildir = Maildir::new();
    on_a_small_disk(maildir.path(), "size=256k", || {
        small(&maildir);
        let file = maildir.path().join("courierimapuiddb");
        let message = |n: u32| maildir.write(&format!("cur/100{n}.x:2,"), MESSAGE);
        message(1);
        let mut s = maildir.session(&[UIDPLUS]);
        s.cmd("SELECT INBOX").has("* 1 EXISTS");
        let backup = fs::read(&file).unwrap();
        message(2);
        s.cmd("NOOP").has("* 2 EXISTS");
        fs::remove_file(maildir.path().join("cur/1002.x:2,")).unwrap();
        fs::remove_file(&file).unwrap();
        fill(&maildir);
        s.cmd("NOOP").ok("NOOP completed").has("* 1 EXPUNGE").lacks("* OK [UIDVALIDITY");
        fs::remove_file(maildir.path().join("filler")).unwrap();
        fs::write(&file, backup).unwrap();
        s.cmd("NOOP").has("* 1 EXISTS").lacks("* OK [UIDVALIDITY");
        message(3);
        s.cmd("NOOP").has("* 2 EXISTS");
        s.cmd("UID SEARCH ALL").has("* SEARCH 1 3");
    });
}
