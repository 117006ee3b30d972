//! The session's process beside strangers' mail: what it leaves behind, what it hands on, and how
//! it ends when memory runs out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use support::{Maildir, Session, postrider};

fn shell(maildir: &Maildir, before: &str) -> Session {
    let start = format!("{before}; exec {} ./Maildir", postrider().display());
    maildir.start(Path::new("/bin/sh"), &[], &["-c", &start])
}

#[test]
fn an_allocation_that_fails_ends_the_session_in_order() {
    let maildir = Maildir::new();
    maildir.write("cur/1000.a:2,", b"Subject: a\n\nbody\n");
    maildir.write("courierimapkeywords/x", b"");
    // Within what a list of keywords may have, and more than there is memory.
    fs::File::create(maildir.path().join("courierimapkeywords/:list"))
        .unwrap()
        .set_len(200 << 20)
        .unwrap();
    let mut s = shell(&maildir, "ulimit -v 65536");
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    s.send(b"a NOOP\r\nb SELECT INBOX\r\n");
    let mut lines = Vec::new();
    while let Some(line) = s.response(support::PATIENCE) {
        lines.push(support::text::show(&line));
    }
    // What the finished command was answered comes before the goodbye.
    let goodbye = "* BYE [ALERT] Fatal error: Cannot allocate memory: Cannot allocate memory";
    assert_eq!(lines, ["a OK NOOP completed", goodbye], "{}", s.story());
    assert_eq!(s.wait().and_then(|st| st.code()), Some(1), "{}", s.story());
    assert_eq!(s.log().last().unwrap(), "ERR: Cannot allocate memory");
    // The next one, with memory enough, is not kept out by what this one has left.
    fs::remove_file(maildir.path().join("courierimapkeywords/:list")).unwrap();
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok").has("* 1 EXISTS");
}

#[test]
fn the_smallest_memory_that_serves() {
    let maildir = Maildir::new();
    let line = format!("{}\n", "x".repeat(76));
    maildir.write("cur/1000.a:2,", format!("Subject: a\n\n{}", line.repeat(200_000)).as_bytes());
    let mut s = shell(&maildir, "ulimit -v 32768");
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    s.cmd("SELECT INBOX").has("* 1 EXISTS");
    s.cmd("FETCH 1 (RFC822.SIZE BODYSTRUCTURE)").ok("FETCH completed.");
    s.cmd("SEARCH BODY nowhere").ok("SEARCH done.");
    let reply = s.cmd("FETCH 1 BODY.PEEK[]");
    assert!(reply.responses[0].len() > 15_000_000);
    s.forget();
    s.cmd("NOOP").ok("NOOP completed");
}

/// `loginexec` and the mailer get descriptors 0, 1 and 2, no core file is left by them or by us;
/// `loginexec` has the environment that Courier gives it, the mailer only what it needs.
#[test]
fn programs_get_what_is_theirs() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.Outbox");
    let program = |name: &str| {
        let path = maildir.path().join(name);
        let script = format!(
            "#!/bin/sh\n{{ ls /proc/self/fd; ulimit -c; env; }} > '{}'\n",
            path.with_extension("out").display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    program("loginexec");
    let mailer = program("mailer");
    let env = [
        ("OUTBOX", ".Outbox"),
        ("SENDMAIL", mailer.to_str().unwrap()),
        ("SECRET", "s3cret"),
        ("PATH", "/usr/bin:/bin"),
        ("HOME", "/nowhere"),
        ("IMAP_EXTENSIONS", ""),
    ];
    let start = format!(
        "exec 3</dev/null 4</etc/passwd 5</etc/passwd 9</etc/passwd; exec {} ./Maildir",
        postrider().display()
    );
    let mut s = maildir.start(Path::new("/bin/sh"), &env, &["-c", &start]);
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    // ls itself has a fourth.
    let check = |name: &str| {
        let text = fs::read_to_string(maildir.path().join(name)).unwrap();
        let (open, rest) = text.split_once("\n3\n").unwrap_or_else(|| panic!("{name}: {text}"));
        assert_eq!(open, "0\n1\n2", "{name}: {text}");
        assert!(rest.starts_with("0\n") || rest.starts_with("1\n"), "{name}: {text}");
        text
    };
    let environment = check("loginexec.out");
    assert!(
        environment.contains("SECRET=s3cret") && environment.contains("AUTHENTICATED=alice"),
        "{environment}"
    );
    s.cmd_literal("APPEND INBOX.Outbox", b"Subject: out\r\n\r\nbody\r\n", "");
    let environment = check("mailer.out");
    assert!(!environment.contains("SECRET"), "{environment}");
    let limits = fs::read_to_string(format!("/proc/{}/limits", s.pid())).unwrap();
    let core = limits.lines().find(|l| l.starts_with("Max core file size")).unwrap();
    let values: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert!(values.iter().all(|v| matches!(*v, "0" | "1")), "{core}");
}

/// `ulimit -f`, as some inetd sets it, counts blocks of 512 bytes.
#[test]
fn a_file_that_may_not_grow_is_a_full_disk() {
    const NO_ROOM: &str = "Cannot create message - no write permission or out of disk space.";
    let maildir = Maildir::new();
    maildir.folder("INBOX.box");
    let text = |bytes: usize| format!("Subject: x\r\n\r\n{}\r\n", "x".repeat(bytes)).into_bytes();
    maildir.write("cur/1000.large:2,", &text(8000));
    let mut s = shell(&maildir, "ulimit -f 8");
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    for size in [5000, 200_000] {
        s.cmd_literal("APPEND INBOX", &text(size), "").no(&format!("[ALERT] {NO_ROOM}"));
    }
    s.cmd_literal("APPEND INBOX", &text(1000), "").says("OK [APPENDUID ");
    s.cmd("SELECT INBOX").has("* 2 EXISTS");
    // A copy is a link, which needs no room.
    s.cmd("COPY 1 INBOX.box").says("OK [COPYUID ");
    // More UIDs than the UID file may have.
    for n in 0..200 {
        maildir.deliver("INBOX", &format!("2000.{n}.a-name-of-some-length"), b"Subject: y\n\ny\n");
    }
    s.cmd("NOOP").ok("NOOP completed").lacks("* 202 EXISTS");
    s.cmd("STORE 1 +FLAGS (\\Seen)").ok("STORE completed.");
    s.cmd("LOGOUT").ok("LOGOUT completed");
    assert!(maildir.files_in("tmp").is_empty(), "{}", maildir.listing());
    maildir.session(&[]).cmd("SELECT INBOX").has("* 202 EXISTS");
}

/// inetd gives umask 0; Courier's start script 022.
#[test]
fn whatever_the_umask_nobody_else_may_write() {
    for (umask, taken) in [("0", 0o022), ("002", 0o022), ("022", 0o022), ("077", 0o077)] {
        let maildir = Maildir::new();
        let mut s = shell(&maildir, &format!("umask {umask}"));
        assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
        s.cmd_literal("APPEND INBOX", b"Subject: x\r\n\r\ny\r\n", "").says("OK [APPENDUID ");
        s.cmd("CREATE INBOX.box").ok("\"INBOX.box\" created.");
        s.cmd("SUBSCRIBE INBOX.box").ok("Folder subscribed.");
        s.cmd("SELECT INBOX").has("* 1 EXISTS");
        s.cmd("STORE 1 FLAGS (word)").ok("STORE completed.");
        s.cmd("COPY 1 INBOX.box").says("OK [COPYUID ");
        support::maildir::walk(maildir.path(), &mut |path| {
            let mode = fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
            assert!(mode & 0o022 == 0, "umask {umask}: {mode:o} {}", path.display());
        });
        let of = |name: &str| {
            let mode =
                fs::symlink_metadata(maildir.path().join(name)).unwrap().permissions().mode();
            mode & 0o777
        };
        assert_eq!(
            of(&format!("cur/{}", maildir.files_in("cur")[0])),
            0o666 & !taken,
            "{}",
            maildir.listing()
        );
    }
}
