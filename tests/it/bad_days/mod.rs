//! Sessions on bad days: a neighbour who renames without end, a full disk, a clock that is wrong, a
//! crash that left a lock behind. Nothing that was acknowledged is lost, and nobody is locked out.

pub(crate) mod full_disk;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use support::{Maildir, Session, postrider};

const UIDPLUS: (&str, &str) = ("IMAP_CAPABILITY", "IMAP4rev1 UIDPLUS QUOTA");
/// 31-Dec-9999 23:59:59, beyond what nanoseconds in 64 bits reach.
const FAR: u64 = 253_402_300_799;

/// What a message weighs here.
const MESSAGE: &[u8] = b"Subject: x\n\ntext\n";

/// A session whose system calls strace delays or refuses; `None`, with a word, where it is not
/// installed.
fn under_strace(maildir: &Maildir, options: &[&str]) -> Option<Session> {
    let strace = support::programs::strace()?;
    let ours = postrider();
    // Of two places for the trace the last one counts.
    let args = [&["-o", "/dev/null"], options, &[ours.to_str().unwrap(), "./Maildir"]].concat();
    let mut s = maildir.start(strace, &[UIDPLUS], &args);
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    Some(s)
}

/// Renames a file to and fro, as somebody does who cannot decide whether a message is flagged,
/// while `work` is done.
fn with_restless<T>(cur: &Path, base: &str, work: impl FnOnce() -> T) -> T {
    let names = [":2,", ":2,F"].map(|end| cur.join(format!("{base}{end}")));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = fs::rename(&names[0], &names[1]);
                let _ = fs::rename(&names[1], &names[0]);
            }
        });
        // Also when an assertion fails: the thread is waited for.
        let _stop = Stop(&stop);
        work()
    })
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn what_a_copy_answers_ok_is_there() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.box");
    for n in 0..300 {
        maildir.write(&format!("cur/{}.x:2,", 1000 + n), MESSAGE);
    }
    let mut s = maildir.session(&[UIDPLUS]);
    s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
    let mut copied = 0;
    with_restless(&maildir.path().join("cur"), "1150.x", || {
        for n in 0..200 {
            let set = if n % 2 == 0 { "151" } else { "150:152" };
            let reply = s.cmd(&format!("COPY {set} INBOX.box"));
            reply.says("OK [COPYUID ");
            copied += if n % 2 == 0 { 1 } else { 3 };
        }
    });
    assert_eq!(maildir.files_in(".box/cur").len(), copied);
    assert!(maildir.files_in(".box/tmp").is_empty());
    // FETCH and STORE find it, too.
    with_restless(&maildir.path().join("cur"), "1150.x", || {
        for _ in 0..100 {
            s.cmd("FETCH 151 BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
                .ok("FETCH completed.")
                .get("* 151 FETCH (BODY[");
            s.cmd("STORE 151 +FLAGS (\\Seen)").ok("STORE completed.");
            s.cmd("STORE 151 -FLAGS (\\Seen)").ok("STORE completed.");
        }
    });
}

/// An old-style shared folder: links to a provider's messages, which the provider renames.
#[test]
fn a_providers_message_is_found_and_expunged_under_any_name() {
    let maildir = Maildir::new();
    let provider = Maildir::new();
    provider.folder("INBOX.pub").write(".pub/cur/1000.x:2,", MESSAGE);
    maildir.write("shared-maildirs", format!("p {}\n", provider.path().display()).as_bytes());
    let mut s = maildir.session(&[]);
    s.cmd("SELECT shared.p.pub").has("* 1 EXISTS");
    let rename = |from: &str, to: &str| {
        let cur = provider.path().join(".pub/cur");
        fs::rename(cur.join(from), cur.join(to)).unwrap();
    };
    rename("1000.x:2,", "1000.x:2,S");
    s.cmd("FETCH 1 RFC822.SIZE").has("* 1 FETCH (RFC822.SIZE 20)");
    s.cmd("STORE 1 +FLAGS (\\Deleted)").ok("STORE completed.");
    rename("1000.x:2,S", "1000.x:2,RS");
    s.cmd("EXPUNGE").has("* 1 EXPUNGE");
    assert!(provider.files_in(".pub/cur").is_empty());
}

/// While the provider changes flags without end, a message is served, and goes on both sides or on
/// none.
#[test]
fn a_restless_providers_message_is_never_taken_for_gone() {
    let maildir = Maildir::new();
    let provider = Maildir::new();
    provider.folder("INBOX.pub");
    for n in 0..200 {
        provider.write(&format!(".pub/cur/{}.x:2,", 2000 + n), MESSAGE);
    }
    maildir.write("shared-maildirs", format!("p {}\n", provider.path().display()).as_bytes());
    let mut s = maildir.session(&[]);
    s.cmd("SELECT shared.p.pub").has("* 200 EXISTS");
    let cur = provider.path().join(".pub/cur");
    for n in 0..40 {
        // The first of those that are left, so that no number moves.
        with_restless(&cur, &format!("{}.x", 2000 + n), || {
            s.cmd("FETCH 1 RFC822.SIZE").ok("FETCH completed.").has("* 1 FETCH (RFC822.SIZE 20)");
            s.cmd("STORE 1 +FLAGS.SILENT (\\Deleted)").ok("STORE completed.");
            s.cmd("EXPUNGE").ok("EXPUNGE completed").has("* 1 EXPUNGE");
        });
        assert_eq!(fs::read_dir(&cur).unwrap().count(), 199 - n, "{}", s.story());
    }
}

/// The provider changes a flag in the very moment in which its file is to be removed.
#[test]
fn a_providers_message_goes_on_both_sides() {
    let maildir = Maildir::new();
    let provider = Maildir::new();
    provider.folder("INBOX.pub");
    maildir.write("shared-maildirs", format!("p {}\n", provider.path().display()).as_bytes());
    let cur = provider.path().join(".pub/cur");
    let delay = [
        "-P",
        cur.to_str().unwrap(),
        "-e",
        "trace=unlinkat",
        "-e",
        "inject=unlinkat:delay_enter=1500000",
    ];
    let Some(mut s) = under_strace(&maildir, &delay) else { return };
    s.cmd("SELECT shared.p.pub").has("* 0 EXISTS");
    // On a busy machine the moment may be missed.
    let met = (1000..1005).any(|n| {
        provider.write(&format!(".pub/cur/{n}.x:2,"), MESSAGE);
        s.cmd("NOOP").has("* 1 EXISTS");
        s.cmd("STORE 1 +FLAGS.SILENT (\\Deleted)").ok("STORE completed.");
        s.send(b"e EXPUNGE\r\n");
        std::thread::sleep(Duration::from_millis(250));
        let met = fs::rename(cur.join(format!("{n}.x:2,")), cur.join(format!("{n}.x:2,F")));
        s.finish("e").ok("EXPUNGE completed").has("* 1 EXPUNGE");
        assert!(provider.files_in(".pub/cur").is_empty(), "{}", s.story());
        met.is_ok()
    });
    assert!(met, "{}", s.story());
}

#[test]
fn a_far_date_is_stored() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.box");
    // Mail that others may read: where its file is not for them, it is copied, not linked.
    for folder in ["", ".box/"] {
        fs::set_permissions(
            maildir.path().join(format!("{folder}tmp")),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
    }
    maildir.write("cur/1000.x:2,", MESSAGE).touch("cur/1000.x:2,", FAR);
    fs::set_permissions(
        maildir.path().join("cur/1000.x:2,"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let mut s = maildir.session(&[UIDPLUS]);
    s.cmd("SELECT INBOX").has("* 1 EXISTS");
    s.cmd("COPY 1 INBOX.box").says("OK [COPYUID ");
    s.cmd_literal("APPEND INBOX \"31-Dec-9999 23:59:59 +0000\"", b"Subject: x\r\n\r\nx\r\n", "")
        .says("OK [APPENDUID ");
    s.cmd_literal("APPEND INBOX \"31-Dec-9999 23:59:59 -1200\"", b"Subject: x\r\n\r\nx\r\n", "")
        .says("OK [APPENDUID ");
    s.cmd_literal("APPEND INBOX \" 1-Jan-0001 00:00:00 +0000\"", b"Subject: x\r\n\r\nx\r\n", "")
        .says("OK [APPENDUID ");
    let dates = s.cmd("FETCH 1:4 INTERNALDATE");
    for date in dates.responses.iter().filter(|r| r.windows(12).any(|w| w == b"INTERNALDATE")) {
        // "dd-Mmm-yyyy hh:mm:ss +0000": four digits of a year, whatever the file system made of it.
        assert_eq!(
            date.len(),
            b"* 1 FETCH (INTERNALDATE \"31-Dec-9999 23:59:59 +0000\")".len(),
            "{}",
            String::from_utf8_lossy(date)
        );
    }
    // What was learned is saved by now.
    s.hang_up();
    s.wait().unwrap();
    assert!(
        maildir.files_in("tmp").is_empty() && maildir.files_in(".box/tmp").is_empty(),
        "{}",
        maildir.listing()
    );
}

#[test]
fn emptying_the_trash_puts_nothing_over_a_message() {
    let maildir = Maildir::new();
    maildir
        .folder("INBOX.Sent")
        .write(".Sent/new/1000.x", b"Subject: new\n\n")
        .write(".Sent/cur/1000.x:2,", b"Subject: old\n\n");
    let mut s = maildir.session(&[("IMAP_EMPTYTRASH", "Sent:30")]);
    assert_eq!(fs::read(maildir.path().join(".Sent/cur/1000.x:2,")).unwrap(), b"Subject: old\n\n");
    let reply = {
        s.cmd("SELECT INBOX.Sent").has("* 2 EXISTS");
        s.cmd("FETCH 1:2 BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
    };
    let all = reply.responses.concat();
    for subject in ["Subject: new", "Subject: old"] {
        assert!(support::find(&all, subject.as_bytes()).is_some(), "{subject}\n{}", s.story());
    }
}

#[test]
fn a_wrong_clock_purges_nothing() {
    let maildir = Maildir::new();
    let Some(ahead) = support::clock::ahead(maildir.home(), 10) else { return };
    maildir.folder("INBOX.Trash").write(".Trash/cur/1000.x:2,S", MESSAGE);
    let env = [("IMAP_EMPTYTRASH", "Trash:7"), ("LD_PRELOAD", &*ahead)];
    let mut s = maildir.start(&postrider(), &env, &["./Maildir"]);
    assert_eq!(
        s.line(),
        "* BYE Clock skew detected. Check the clock on the file server",
        "{}",
        s.story()
    );
    s.wait().unwrap();
    assert_eq!(maildir.files_in(".Trash/cur"), ["1000.x:2,S"]);
    // The same with a right clock, and older mail: it still works.
    let mut s = maildir.session(&[("IMAP_EMPTYTRASH", "Trash:7")]);
    s.cmd("LOGOUT").ok("LOGOUT completed");
    assert_eq!(maildir.files_in(".Trash/cur"), ["1000.x:2,S"]);
}

/// A lock of this host whose number a living process has by now (the first process lives always),
/// and which is older than any session holds a lock.
#[test]
fn a_dead_sessions_lock_is_not_the_living_processs() {
    let maildir = Maildir::new();
    maildir.write("cur/1000.x:2,", MESSAGE);
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    maildir.write("tmp/courier.lock", format!("1:{host}").as_bytes());
    let lock = fs::File::open(maildir.path().join("tmp/courier.lock")).unwrap();
    lock.set_modified(SystemTime::now() - Duration::from_secs(16 * 60)).unwrap();
    let start = Instant::now();
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has("* 1 EXISTS");
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    s.cmd("LOGOUT").ok("LOGOUT completed");
    let log = s.log().join("\n");
    let line =
        format!("WARN: ./tmp/courier.lock: a stale lock was removed, held by 1:{host} for 96");
    assert!(log.contains(&line), "{log}");
}

/// The sums of a maildirsize: bytes and messages.
fn quota(maildir: &Maildir) -> (i64, i64) {
    let text = fs::read_to_string(maildir.path().join("maildirsize")).unwrap();
    let numbers = text.lines().skip(1).map(|line| {
        let mut words = line.split_ascii_whitespace().map(|w| w.parse::<i64>().unwrap());
        (words.next().unwrap(), words.next().unwrap())
    });
    numbers.fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1))
}

#[test]
fn the_quota_follows_what_was_done() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.box").folder("INBOX.Bin");
    for n in 0..4 {
        maildir.write(&format!("cur/100{n}.x:2,"), MESSAGE);
    }
    let size = MESSAGE.len() as i64;
    maildir.write("maildirsize", format!("100000S\n{} 4\n", 4 * size).as_bytes());
    let mut sessions: Vec<Session> = (0..3).map(|_| maildir.session(&[UIDPLUS])).collect();
    for s in &mut sessions {
        s.cmd("SELECT INBOX").has("* 4 EXISTS");
    }
    // Three set the same flag: one of them has done it.
    for s in &mut sessions {
        s.cmd("STORE 1 +FLAGS.SILENT (\\Deleted)").ok("STORE completed.");
    }
    assert_eq!(quota(&maildir), (3 * size, 3));
    // And take it back.
    for s in &mut sessions {
        s.cmd("STORE 1 -FLAGS (\\Deleted)").ok("STORE completed.");
    }
    assert_eq!(quota(&maildir), (4 * size, 4));
    // What is gone is flagged by nobody, and copied by nobody.
    fs::remove_file(maildir.path().join("cur/1001.x:2,")).unwrap();
    let s = &mut sessions[0];
    s.cmd("STORE 2 +FLAGS (\\Deleted)")
        .no("[EXPUNGEISSUED] Some of the requested messages no longer exist.");
    s.cmd("COPY 1:3 INBOX.box")
        .no("[EXPUNGEISSUED] Some of the requested messages no longer exist.");
    assert_eq!(quota(&maildir), (4 * size, 4));
    assert!(maildir.files_in(".box").iter().all(|f| !f.contains(".M")), "{}", maildir.listing());
    // A trash folder that is not called Trash counts.
    let mut s =
        maildir.session(&[("IMAP_MOVE_EXPUNGE_TO_TRASH", "1"), ("IMAP_TRASHFOLDERNAME", "Bin")]);
    s.cmd("SELECT INBOX").has("* 3 EXISTS");
    s.cmd("STORE 3 +FLAGS (\\Deleted)").ok("STORE completed.");
    assert_eq!(quota(&maildir), (3 * size, 3));
    s.cmd("EXPUNGE").has("* 3 EXPUNGE");
    assert_eq!(quota(&maildir), (4 * size, 4));
}

/// (Few enough changes that the file is not counted anew: the format has no lock for that.)
#[test]
fn many_sessions_and_one_quota() {
    let maildir = Maildir::new();
    for n in 0..6 {
        maildir.write(&format!("cur/10{n:02}.x:2,"), MESSAGE);
    }
    let size = MESSAGE.len() as i64;
    maildir.write("maildirsize", format!("1000000S\n{} 6\n", 6 * size).as_bytes());
    std::thread::scope(|scope| {
        for n in 0..4 {
            let maildir = &maildir;
            scope.spawn(move || {
                let mut s = maildir.session(&[]);
                s.cmd("SELECT INBOX").has("* 6 EXISTS");
                for turn in 0..4 {
                    let sign = if (turn + n) % 2 == 0 { '+' } else { '-' };
                    s.cmd(&format!("STORE 1:6 {sign}FLAGS.SILENT (\\Deleted)"))
                        .ok("STORE completed.");
                }
            });
        }
    });
    let left = maildir.files_in("cur").iter().filter(|name| !name.ends_with('T')).count() as i64;
    assert_eq!(quota(&maildir), (left * size, left));
}

/// A folder whose making cannot be synced is not there, and can be made again.
#[test]
fn a_folder_is_made_whole_or_not_at_all() {
    for n in 1..=3 {
        let maildir = Maildir::new();
        let refuse = format!("inject=fsync:error=EIO:when={n}");
        let Some(mut s) = under_strace(&maildir, &["-e", "trace=fsync", "-e", &refuse]) else {
            return;
        };
        s.cmd("CREATE INBOX.made").no("[UNAVAILABLE] Cannot create this folder.");
        assert!(!maildir.path().join(".made").exists(), "{n}\n{}", s.story());
        s.cmd("CREATE INBOX.made").ok("\"INBOX.made\" created.");
    }
}

/// What a STORE has changed is told, also if the rest of it is refused.
#[test]
fn flags_are_told_when_keywords_are_refused() {
    let maildir = Maildir::new();
    maildir.write("cur/1001.x:2,", MESSAGE).write("cur/1002.x:2,", MESSAGE);
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has("* 2 EXISTS");
    fs::remove_dir(maildir.path().join("courierimapkeywords")).unwrap();
    maildir.write("courierimapkeywords", b"");
    let reply = s.cmd("STORE 1:2 +FLAGS (\\Seen Work)");
    reply.no("[CORRUPTION] An error occured while updating keywords");
    reply.has("* 1 FETCH (FLAGS (\\Seen \\Recent))").has("* 2 FETCH (FLAGS (\\Seen \\Recent))");
}

/// A file that cannot be read takes no other message with it, nor the session.
#[test]
fn one_message_cannot_be_read() {
    let maildir = Maildir::new();
    for n in 1..=3 {
        maildir.write(&format!("cur/100{n}.x:2,"), MESSAGE);
    }
    let file = maildir.path().join("cur/1002.x:2,");
    let refuse =
        ["-P", file.to_str().unwrap(), "-e", "trace=pread64", "-e", "inject=pread64:error=EIO"];
    let Some(mut s) = under_strace(&maildir, &refuse) else { return };
    s.cmd("SELECT INBOX").has("* 3 EXISTS");
    let reply = s.cmd("FETCH 1:3 (UID BODY.PEEK[])");
    reply.no("[UNAVAILABLE] Some of the requested messages cannot be read.");
    for n in [1, 3] {
        reply.has(&format!("* {n} FETCH (UID {n} BODY[] {{20}}\r\nSubject: x\r\n\r\ntext\r\n)"));
    }
    reply.has("* NO [ALERT] Cannot open message 2");
    s.cmd("NOOP").ok("NOOP completed");
    s.hang_up();
    s.wait().unwrap();
    assert!(s.log().iter().any(|l| l.contains("reading ./cur/")), "{}", s.story());
}

/// New mail whose UIDs lie in a directory that cannot be synced is not shown, by NOOP neither; but
/// once it can be synced.
#[test]
fn unsynced_uids_are_not_told_by_the_next_scan() {
    for (when, is_shown) in [("1+", false), ("1", true)] {
        let maildir = Maildir::new();
        maildir.write("cur/1001.x:2,", MESSAGE);
        maildir.session(&[]).cmd("SELECT INBOX").has("* 1 EXISTS");
        maildir.deliver("INBOX", "1002.x", MESSAGE);
        let path = fs::canonicalize(maildir.path()).unwrap();
        let refuse = format!("inject=fsync:error=EIO:when={when}");
        let options = ["-P", path.to_str().unwrap(), "-e", "trace=fsync", "-e", &refuse];
        let Some(mut s) = under_strace(&maildir, &options) else { return };
        s.cmd("SELECT INBOX").has("* 1 EXISTS").has("* OK [UIDNEXT 2] Ok");
        for _ in 0..2 {
            let reply = s.cmd("NOOP");
            reply.ok("NOOP completed");
            let told = reply.responses.iter().any(|line| line.ends_with(b" EXISTS"));
            assert!(is_shown || !told, "{}", s.story());
        }
        let expected = if is_shown { "* SEARCH 1 2" } else { "* SEARCH 1" };
        s.cmd("UID SEARCH ALL").has(expected);
    }
}

/// A folder without a list of its own, which cannot be written, has its parent's: as it is now.
#[test]
fn inherited_rights_that_change_while_the_folder_is_open() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.a").folder("INBOX.a.b");
    maildir.write(".a.b/cur/1001.x:2,", MESSAGE);
    fs::remove_dir(maildir.path().join(".a.b/tmp")).unwrap();
    let mut s = maildir.session(&[("IMAP_ACL", "1")]);
    s.cmd("EXAMINE INBOX.a.b").has("* 1 EXISTS");
    s.cmd("NOOP").ok("NOOP completed");
    maildir.write(".a/courierimapacl", b"owner alr\nadministrators aceilrstwx\n");
    s.cmd("NOOP").has("* OK [MYRIGHTS \"alr\"] ACL");
}
