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
    assert!(log.iter().any(|line| line.starts_with("ERR: alice: ACL of INBOX.nnn")), "{log:#?}");
    let too_long = format!("ERR: alice: ACL of INBOX.{}...: File name too long", "x".repeat(91));
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
