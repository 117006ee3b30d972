//! The log is the administrator's: whatever a client says, or names, makes no line of its own
//! there. courierlogger cuts at 510 bytes and gives what follows a level of its own, so that a
//! part of a name could be `LOGIN FAILED, user=root`, and somebody be shut out for it.

use support::{Maildir, Session};

const FORGED: &str = "INFO: LOGIN FAILED, user=root, ip=[192.0.2.9]";
const LEVELS: [&str; 5] = ["ERR: ", "WARN: ", "NOTICE: ", "INFO: ", "DEBUG: "];

/// `n` bytes of nothing, then the forged line.
fn forged(n: usize) -> String {
    format!("{}{FORGED}", "x".repeat(n))
}

/// Ends the session; its log, every line of which is checked.
fn log_of(mut s: Session) -> Vec<String> {
    s.hang_up();
    s.wait().unwrap();
    let log = s.log();
    for line in &log {
        assert!(line.len() <= 500, "{} bytes: {line}", line.len());
        let level = LEVELS
            .iter()
            .find(|level| line.starts_with(**level))
            .unwrap_or_else(|| panic!("no level: {line}"));
        assert!(!line[level.len()..].starts_with("LOGIN FAILED"), "{line}");
        assert!(
            !line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')),
            "{line:?}"
        );
    }
    log
}

#[test]
fn an_id_of_thirty_long_pairs_is_one_line() {
    let maildir = Maildir::new();
    let mut s = maildir.session(&[("IMAP_ID_FIELDS", "0")]);
    for before in [0, 40, 90, 437, 440, 470, 64 * 1024 - FORGED.len()] {
        let pair = format!("\"{}\" \"{}\" ", forged(before.min(200)), forged(before));
        // RFC 2971: 30 pairs; of the longest as many as a command may hold.
        let pairs = 30.min(1_000_000 / pair.len());
        s.cmd(&format!("ID ({})", pair.repeat(pairs).trim_end())).ok("ID completed");
    }
    s.cmd(&format!(
        "ID (\"name\" \"{}\" \"os\" NIL \"v\\\\r\" \"1\u{85}2\u{2028}3\")",
        "n".repeat(101)
    ))
    .ok("ID completed");
    s.send(b"l ID (\"name\" {9}\r\n");
    assert_eq!(s.line(), "+ OK");
    s.send(b"a\r\nb\0\xff\x7fcd)\r\n");
    s.finish("l").ok("ID completed");
    let log = log_of(s);
    let who = "user=alice, ip=[127.0.0.1], port=[0]";
    assert_eq!(log.len(), 11, "{log:#?}");
    let whole = format!("INFO: ID, {who}{}", format!(", {FORGED}={FORGED}").repeat(30));
    assert_eq!(log[1], format!("{}...", &whole[..497]));
    // With 90 bytes before it the forged text begins within what is kept of a value.
    let value = format!("{}INFO: L...", "x".repeat(90));
    let whole = format!("INFO: ID, {who}{}", format!(", {value}={value}").repeat(30));
    assert_eq!(log[3], format!("{}...", &whole[..497]));
    assert_eq!(
        log[8],
        format!("INFO: ID, {who}, name={}..., os=(nil), v\\r=1/2/3", "n".repeat(97))
    );
    assert_eq!(log[9], format!("INFO: ID, {who}, name=a//b/\u{fffd}/cd"));
}

#[test]
fn names_of_folders_make_no_lines() {
    let maildir = Maildir::new();
    // A folder whose list cannot be read.
    let name = "n".repeat(240);
    maildir.folder(&format!("INBOX.{name}"));
    std::fs::create_dir(maildir.path().join(format!(".{name}/courierimapacl"))).unwrap();
    let mut s = maildir.session(&[("IMAP_LOG_DELETIONS", "1")]);
    let refusal = format!("Unable to read ACLs for INBOX.{name}: ");
    let reply = s.cmd(&format!("SELECT INBOX.{name}"));
    assert!(String::from_utf8_lossy(reply.last()).contains(&refusal), "{}", s.story());
    for before in [200, 400, 437, 450, 460, 470, 480, 500] {
        let name = format!("\"INBOX.{}\"", forged(before));
        for command in ["CREATE", "SUBSCRIBE", "SELECT", "GETACL", "STATUS", "RENAME INBOX"] {
            let tail = if command == "STATUS" { " (MESSAGES)" } else { "" };
            s.cmd(&format!("{command} {name}{tail}"));
        }
        s.cmd(&format!("DELETE {name}"));
        s.cmd(&format!("SETACL {name} \"{}\" lr", forged(before)));
        s.cmd_literal(&format!("APPEND {name}"), b"x", "");
    }
    let log = log_of(s);
    assert!(
        log.iter().any(|line| line.starts_with("ERR: access control list of INBOX.nnn")),
        "{log:#?}"
    );
    let too_long = format!(
        "ERR: access control list of INBOX.{}...: File name too long, user=alice",
        "x".repeat(91)
    );
    assert!(log.contains(&too_long), "{log:#?}");
}

/// What the login process and the environment say is cut like anything else.
#[test]
fn the_environment_makes_no_lines() {
    let maildir = Maildir::new();
    let long = forged(470);
    let start = |name: &str| {
        maildir.start(
            &support::postrider(),
            &[
                ("IMAPLOGINTAG", "t"),
                ("TCPREMOTEIP", "192.0.2.1"),
                ("TCPREMOTEPORT", "7"),
                (name, &long),
            ],
            &["./Maildir"],
        )
    };
    for name in ["AUTHENTICATED", "TCPREMOTEIP", "TCPREMOTEPORT", "PROTOCOL"] {
        let mut s = start(name);
        s.send(b"a NOOP\r\n");
        s.finish("a").ok("NOOP completed");
        let log = log_of(s);
        assert!(log[0].contains("xxx..."), "{name}: {log:#?}");
        // The counts at the end are there.
        assert!(log[1].contains(", time="), "{name}: {log:#?}");
    }
    let mut s = start("MAILDIR");
    s.wait().unwrap();
    assert_eq!(
        s.log()[0],
        format!("chdir {}...: File name too long", "x".repeat(252)),
        "{}",
        s.story()
    );
}

#[test]
fn an_expunge_is_logged_under_the_names_that_the_files_had() {
    for (trash, taken) in [(false, false), (true, false), (true, true)] {
        let maildir = Maildir::new();
        let cur = maildir.path().join("cur");
        std::fs::write(cur.join("1001.a:2,T"), "Subject: x\n\nx\n").unwrap();
        if taken {
            let theirs = maildir.path().join(".Trash/cur");
            for sub in ["cur", "new", "tmp"] {
                std::fs::create_dir_all(maildir.path().join(".Trash").join(sub)).unwrap();
            }
            std::fs::write(theirs.join("1001.a:2,S"), "theirs\n").unwrap();
        }
        let setting = if trash { "1" } else { "0" };
        let settings = [("IMAP_LOG_DELETIONS", "1"), ("IMAP_MOVE_EXPUNGE_TO_TRASH", setting)];
        let mut s = maildir.session(&settings);
        s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
        // Another session has set a flag meanwhile.
        std::fs::rename(cur.join("1001.a:2,T"), cur.join("1001.a:2,ST")).unwrap();
        s.cmd("EXPUNGE").ok("EXPUNGE completed");
        let log = log_of(s);
        let line = log.iter().find(|l| l.starts_with("INFO: EXPUNGED")).unwrap();
        assert!(line.contains("old_name=./cur/1001.a:2,ST"), "{log:?}");
        let new = line.split_once("new_name=").map(|(_, new)| new.split(": only").next().unwrap());
        assert_eq!(new.is_some(), trash, "{log:?}");
        if let Some(new) = new {
            let text = std::fs::read_to_string(maildir.path().join(new)).unwrap();
            assert_eq!(text, "Subject: x\n\nx\n", "{log:?}");
            assert_eq!(new == ".Trash/cur/1001.a:2,S", !taken, "{log:?}");
        }
    }
}

#[test]
fn a_quota_that_cannot_be_understood_is_one_line() {
    let maildir = Maildir::new();
    let mut s = maildir.session(&[("MAILDIRQUOTA", "10Q,20Q,30Q")]);
    for _ in 0..3 {
        s.cmd("APPEND INBOX {1+}\r\nx");
    }
    s.cmd("GETQUOTAROOT INBOX").ok("GETQUOTAROOT Ok.");
    let log = log_of(s);
    assert_eq!(log.iter().filter(|l| l.contains("quota string")).count(), 1, "{log:?}");
}

#[test]
fn a_setting_full_of_unknown_words_is_a_few_lines() {
    for (setting, lines) in [
        ("NOSUCH nosuch NOSUCH", 2),
        ("UNSELECT -NOSUCH", 1),
        ("UNSELECT -", 1),
        ("1 -UNSELECT", 1),
        ("-UNSELECT literal+", 0),
        (&*(0..10_000).map(|n| format!("x{n} ")).collect::<String>(), 6),
    ] {
        let maildir = Maildir::new();
        let log = log_of(maildir.session(&[("IMAP_EXTENSIONS", setting)]));
        let found = log.iter().filter(|l| l.contains("IMAP_EXTENSIONS")).count();
        assert_eq!(found, lines, "{log:?}");
    }
}

/// What the log says beside the beginning and the end of a session.
fn faults_of(s: Session) -> Vec<String> {
    log_of(s).into_iter().filter(|l| l.starts_with("ERR: ") || l.starts_with("WARN: ")).collect()
}

#[test]
fn a_fault_is_one_line_with_its_file_its_reason_and_the_account() {
    let maildir = Maildir::new();
    let root = maildir.path();
    maildir.write("cur/1001.a:2,", b"Subject: x\n\nx\n");
    std::os::unix::fs::symlink("/etc/passwd", root.join("cur/1002.b:2,")).unwrap();
    std::fs::write(root.join("courierimapkeywords"), "").unwrap();
    std::fs::create_dir(root.join("courierimapsubscribed")).unwrap();
    maildir.folder("INBOX.l");
    std::fs::create_dir(root.join(".l/courierimapacl")).unwrap();
    let mut s = maildir.session(&[]);
    for _ in 0..3 {
        s.cmd("SELECT INBOX").has("* 2 EXISTS");
        s.cmd("FETCH 1:* (BODY.PEEK[])")
            .no("[UNAVAILABLE] Some of the requested messages cannot be read.");
        s.cmd("COPY 2 INBOX").no("[ALERT] COPY failed - no write permission or out of disk space.");
        s.cmd("SUBSCRIBE INBOX.x").no("[CORRUPTION] Cannot subscribe to this folder.");
        s.cmd("LSUB \"\" *").no("[CORRUPTION] LSUB failed");
        s.cmd("SELECT INBOX.l")
            .no("[CORRUPTION] Unable to read ACLs for INBOX.l: not a regular file");
    }
    let copying = "ERR: error copying a message, user=alice, errno=40: \
                   opening ./cur/1002.b:2,: Too many levels of symbolic links";
    let mut log = faults_of(s);
    // Courier's own line is there for each message that was not stored or copied.
    assert_eq!(log.iter().filter(|l| *l == copying).count(), 3, "{log:#?}");
    log.retain(|l| l != copying);
    assert_eq!(
        log,
        [
            "ERR: ./courierimapkeywords: Not a directory; keywords are not shown, user=alice",
            "ERR: opening ./cur/1002.b:2,: Too many levels of symbolic links, user=alice",
            "ERR: ./courierimapsubscribed: not a regular file, user=alice",
            "ERR: access control list of INBOX.l: not a regular file, user=alice",
        ]
    );
}

/// A message of any length: a small one is written at its end.
#[test]
fn a_message_that_cannot_be_stored_is_logged_in_couriers_words() {
    let Some(strace) = support::programs::strace() else { return };
    let ours = support::postrider();
    for length in [1, 100_000] {
        let maildir = Maildir::new();
        let refuse = ["-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:error=EDQUOT"];
        let args = [&refuse[..], &[ours.to_str().unwrap(), "./Maildir"]].concat();
        let mut s = maildir.start(strace, &[], &args);
        assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
        s.cmd_literal("APPEND INBOX", "x".repeat(length).as_bytes(), "")
            .no("[ALERT] Cannot create message - no write permission or out of disk space.");
        let log = faults_of(s);
        let start = "ERR: error storing a message, user=alice, errno=122: writing ./tmp/";
        assert!(log.len() == 1 && log[0].starts_with(start), "{log:#?}");
        assert!(log[0].ends_with(": Disk quota exceeded"), "{log:#?}");
    }
}

#[test]
fn a_clock_that_is_wrong_and_a_lock_that_is_never_free() {
    let maildir = Maildir::new();
    let Some(ahead) = support::clock::ahead(maildir.home(), 10) else { return };
    let mut s = maildir.start(&support::postrider(), &[("LD_PRELOAD", &*ahead)], &["./Maildir"]);
    assert_eq!(s.line(), "* BYE Clock skew detected. Check the clock on the file server");
    let log = faults_of(s);
    let start = "ERR: ./tmp/courier-imap.clockskew.chk: the file system's clock is 86";
    assert_eq!(log.len(), 1, "{log:#?}");
    assert!(log[0].starts_with(start), "{log:#?}");
    assert!(log[0].ends_with(" s behind this host's, user=alice"), "{log:#?}");

    let Some(fast) = support::clock::fast(maildir.home(), 600) else { return };
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    maildir.write("tmp/courier.lock", format!("{}:{host}", std::process::id()).as_bytes());
    let mut s = maildir.session(&[("LD_PRELOAD", &fast)]);
    s.cmd("SELECT INBOX").no("[INUSE] Unable to open this mailbox.");
    let log = faults_of(s);
    assert_eq!(log.len(), 1, "{log:#?}");
    assert!(log[0].starts_with("ERR: ./tmp/courier.lock: not locked after 1"), "{log:#?}");
    let holder = format!(", held by {}:{host} for ", std::process::id());
    assert!(log[0].contains(&holder) && log[0].ends_with(" s, user=alice"), "{log:#?}");
}

#[test]
fn which_maildir_is_served_where_there_are_two() {
    let maildir = Maildir::new();
    let wrapped = [("IMAPLOGINTAG", "t"), ("TCPREMOTEIP", "192.0.2.1"), ("TCPREMOTEPORT", "7")];
    for (env, argument, line) in [
        (
            &wrapped[..],
            "./Other",
            Some("WARN: MAILDIR=Maildir is served, not the argument ./Other, user=alice"),
        ),
        (&wrapped, "Maildir", None),
        // By hand: people export MAILDIR.
        (&[], "./Other", None),
    ] {
        let env = [env, &[("MAILDIR", "Maildir")]].concat();
        let mut s = maildir.start(&support::postrider(), &env, &[argument]);
        s.send(b"a NOOP\r\n");
        s.finish("a").ok("NOOP completed");
        assert_eq!(faults_of(s), Vec::from_iter(line), "{argument}");
    }
}

/// What another session removes is no fault, and a line without a file would help nobody.
#[test]
fn a_folder_that_goes_away_is_no_fault() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.box");
    maildir.write(".box/cur/1001.a:2,T", b"Subject: x\n\nx\n");
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX.box").has("* 1 EXISTS");
    maildir.session(&[]).cmd("DELETE INBOX.box").ok("Folder deleted.");
    s.cmd("FETCH 1 BODY[TEXT]").says("NO ");
    s.cmd("STORE 1 +FLAGS (\\Seen)").says("NO ");
    s.cmd("EXPUNGE").says("OK ");
    assert_eq!(faults_of(s), [""; 0]);
}
