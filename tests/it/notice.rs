//! How a session in IDLE learns of changes where the kernel's notification refuses, tells nothing,
//! or is on a directory that was replaced. `IMAP_IDLE_TIMEOUT` is an hour here, so that no rescan
//! by the clock helps.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use support::{Maildir, PATIENCE, Session, postrider};

const IDLE: &[(&str, &str)] =
    &[("IMAP_CAPABILITY", "IMAP4rev1 UIDPLUS IDLE"), ("IMAP_IDLE_TIMEOUT", "3600")];
const ENHANCED: &str = "+ entering ENHANCED idle mode";
const PLAIN: &str = "+ entering idle mode";
const MESSAGE: &[u8] = b"Subject: x\n\nx\n";

fn two_messages(maildir: &Maildir, folder: &str) {
    for n in 1..=2 {
        let path = maildir.folder_path(folder).join(format!("cur/100{n}.m{n}:2,"));
        fs::write(path, MESSAGE).unwrap();
    }
    maildir.session(&[]).cmd(&format!("SELECT {folder}")).has("* 2 RECENT");
}

fn begin(s: &mut Session, folder: &str, words: &str) {
    s.cmd(&format!("SELECT {folder}")).ok("[READ-WRITE] Ok");
    s.send(b"i IDLE\r\n");
    told(s, &[words]);
}

/// A session under strace, which refuses or changes system calls. `None`, with a word, where it is
/// not installed.
fn under_strace(maildir: &Maildir, inject: &[&str]) -> Option<Session> {
    let strace = support::programs::strace()?;
    let ours = postrider();
    let injections: Vec<String> = inject.iter().map(|i| format!("inject={i}")).collect();
    let mut args = vec!["-f", "-o", "/dev/null"];
    injections.iter().for_each(|i| args.extend(["-e", i]));
    args.extend([ours.to_str().unwrap(), "./Maildir"]);
    let mut s = maildir.start(strace, IDLE, &args);
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    Some(s)
}

/// The next lines, exactly.
#[track_caller]
fn told(s: &mut Session, lines: &[&str]) {
    for line in lines {
        assert_eq!(s.line(), *line, "{}", s.story());
    }
}

/// A delivery is told, a change of flags, a removal; then the session goes on.
#[track_caller]
fn notices_changes(maildir: &Maildir, s: &mut Session, folder: &str) {
    let cur = maildir.folder_path(folder).join("cur");
    maildir.deliver(folder, "2000.x", MESSAGE);
    told(s, &["* 3 EXISTS", "* 1 RECENT", "* 3 FETCH (FLAGS (\\Recent))"]);
    fs::rename(cur.join("1001.m1:2,"), cur.join("1001.m1:2,S")).unwrap();
    told(s, &["* 1 FETCH (FLAGS (\\Seen))"]);
    fs::remove_file(cur.join("1002.m2:2,")).unwrap();
    told(s, &["* 2 EXPUNGE", "* 2 EXISTS", "* 1 RECENT"]);
}

#[track_caller]
fn done(s: &mut Session) {
    s.send(b"DONE\r\n");
    told(s, &["i OK IDLE completed"]);
}

fn log_of(mut s: Session) -> Vec<String> {
    s.cmd("LOGOUT").ok("LOGOUT completed");
    s.log()
}

/// Sessions that poll need seconds, so the cases run side by side.
fn each<T: Send>(cases: impl IntoIterator<Item = T>, run: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            let run = &run;
            scope.spawn(move || run(case));
        }
    });
}

/// No instance, no watch, no inotify at all.
#[test]
fn without_inotify_the_folder_is_polled() {
    let refusals = [
        "inotify_init1:error=EMFILE",
        "inotify_init1:error=ENOSYS",
        "inotify_add_watch:error=ENOSPC",
    ];
    each(refusals, |inject| {
        let maildir = Maildir::new();
        two_messages(&maildir, "INBOX");
        let Some(mut s) = under_strace(&maildir, &[inject]) else { return };
        begin(&mut s, "INBOX", PLAIN);
        notices_changes(&maildir, &mut s, "INBOX");
        done(&mut s);
        begin(&mut s, "INBOX", PLAIN);
        done(&mut s);
        let log = log_of(s);
        let told = log.iter().filter(|line| line.starts_with("WARN: alice: inotify: ")).count();
        assert_eq!(told, 1, "once in a session: {log:#?}");
    });
}

/// The kernel's own refusal: a user namespace has a limit of its own.
#[test]
fn instances_that_are_used_up_come_back() {
    let maildir = Maildir::new();
    two_messages(&maildir, "INBOX");
    let limit = "/proc/sys/user/max_inotify_instances";
    let fifo = maildir.home().join("more");
    let script = format!(
        "echo 0 > {limit} || exit 1
        mkfifo more || exit 1
        {{ read -r line < more; echo 10 > {limit}; }} > /dev/null 2>&1 &
        exec \"$0\" ./Maildir"
    );
    let ours = postrider();
    let args = ["--user", "--map-root-user", "/bin/sh", "-c", &script, ours.to_str().unwrap()];
    let path = [("PATH", "/usr/bin:/bin"), IDLE[0], IDLE[1]];
    let unshare = Path::new("/usr/bin/unshare");
    if !support::is_program(unshare) {
        eprintln!("left out: unshare is not installed");
        return;
    }
    let mut s = maildir.start(unshare, &path, &args);
    match s.response(PATIENCE) {
        Some(greeting) => assert!(support::is_greeting(&greeting), "{}", s.story()),
        None => {
            eprintln!("left out: no user namespaces here: {}", s.story());
            return;
        }
    }
    begin(&mut s, "INBOX", PLAIN);
    notices_changes(&maildir, &mut s, "INBOX");
    fs::write(&fifo, "\n").unwrap();
    let start = Instant::now();
    let fds = format!("/proc/{}/fd", s.pid());
    let has_watch = || {
        fs::read_dir(&fds).unwrap().flatten().any(|fd| {
            fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == "anon_inode:inotify")
        })
    };
    while !has_watch() {
        assert!(start.elapsed() < PATIENCE, "{}", s.story());
        std::thread::sleep(Duration::from_millis(20));
    }
    maildir.deliver("INBOX", "3000.x", MESSAGE);
    told(&mut s, &["* 3 EXISTS", "* 2 RECENT", "* 3 FETCH (FLAGS (\\Recent))"]);
    done(&mut s);
    begin(&mut s, "INBOX", ENHANCED);
    done(&mut s);
}

/// Other hosts change a network file system, and inotify, which works, tells nothing of it.
#[test]
fn a_network_file_system_is_polled_beside_inotify() {
    each(["69690000", "46557365", "424d53ff"], |kind| {
        let maildir = Maildir::new();
        two_messages(&maildir, "INBOX");
        // The file system's type is the first word of the answer (here of 32 bits; the rest of a
        // longer one is 0).
        let kind = format!("fstatfs:poke_exit=@arg2={kind}00000000");
        let Some(mut s) = under_strace(&maildir, &["inotify_add_watch:retval=1", &kind]) else {
            return;
        };
        begin(&mut s, "INBOX", ENHANCED);
        notices_changes(&maildir, &mut s, "INBOX");
        done(&mut s);
        assert!(!log_of(s).iter().any(|line| line.contains("inotify")));
    });
}

/// A session in IDLE in a folder that is about to be replaced: the kernel notifies, or it polls.
fn idling(maildir: &Maildir, polls: bool) -> Option<Session> {
    let (mut s, words) = match polls {
        false => (maildir.session(IDLE), ENHANCED),
        true => (under_strace(maildir, &["inotify_init1:error=EMFILE"])?, PLAIN),
    };
    begin(&mut s, "INBOX.box", words);
    Some(s)
}

/// `cur`, `new` or the keywords are replaced under IDLE.
#[test]
fn a_directory_that_is_replaced_is_noticed() {
    let subs = ["new", "cur", "courierimapkeywords"];
    each(subs.iter().flat_map(|sub| [(*sub, false), (*sub, true)]), |(sub, polls)| {
        let maildir = Maildir::new();
        maildir.folder("INBOX.box");
        two_messages(&maildir, "INBOX.box");
        let Some(mut s) = idling(&maildir, polls) else { return };
        let folder = maildir.folder_path("INBOX.box");
        let other = maildir.home().join("other");
        fs::create_dir(&other).unwrap();
        if sub == "cur" {
            fs::write(other.join("1001.m1:2,F"), MESSAGE).unwrap();
            fs::write(other.join("1002.m2:2,"), MESSAGE).unwrap();
        }
        fs::rename(folder.join(sub), folder.join("old")).unwrap();
        fs::rename(&other, folder.join(sub)).unwrap();
        if sub == "cur" {
            told(&mut s, &["* 1 FETCH (FLAGS (\\Flagged))"]);
            fs::rename(folder.join("cur/1001.m1:2,F"), folder.join("cur/1001.m1:2,")).unwrap();
            told(&mut s, &["* 1 FETCH (FLAGS ())"]);
        }
        notices_changes(&maildir, &mut s, "INBOX.box");
        done(&mut s);
    });
}

/// The whole folder is replaced by another one; for a moment there is none.
#[test]
fn a_folder_that_is_replaced_is_noticed() {
    each([false, true], |polls| {
        let maildir = Maildir::new();
        maildir.folder("INBOX.box").folder("INBOX.other");
        two_messages(&maildir, "INBOX.box");
        two_messages(&maildir, "INBOX.other");
        maildir.write(".other/courierimapuiddb", b"1 777 8\n5 1001.m1\n7 1002.m2\n");
        let Some(mut s) = idling(&maildir, polls) else { return };
        let path = |folder: &str| maildir.folder_path(folder);
        fs::rename(path("INBOX.box"), path("INBOX.away")).unwrap();
        fs::rename(path("INBOX.other"), path("INBOX.box")).unwrap();
        let both_gone = ["* 1 EXPUNGE", "* 1 EXPUNGE", "* OK [UIDVALIDITY 777] Ok"];
        told(&mut s, &both_gone);
        told(&mut s, &["* 2 EXISTS", "* 0 RECENT"]);
        told(&mut s, &["* 1 FETCH (FLAGS ())", "* 2 FETCH (FLAGS ())"]);
        notices_changes(&maildir, &mut s, "INBOX.box");
        done(&mut s);
    });
}
