//! Every setting has an effect: for each variable of the table there is a session in which one of
//! its values shows on the wire, in the log or on disk, and another does not. The table here and
//! the one in the code are held together by the last test.

use postrider::testing::VARIABLES;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use support::{Maildir, postrider};

/// One variable: what it is compared under, two values (`None`: unset), and what the session is
/// told.
struct Case {
    name: &'static str,
    values: [Option<&'static str>; 2],
    with: &'static [(&'static str, &'static str)],
    input: &'static str,
}

const fn case(name: &'static str, values: [Option<&'static str>; 2], input: &'static str) -> Case {
    Case { name, values, with: &[], input }
}

const fn case_with(
    name: &'static str,
    values: [Option<&'static str>; 2],
    with: &'static [(&'static str, &'static str)],
    input: &'static str,
) -> Case {
    Case { name, values, with, input }
}

const APPEND: &str = "a APPEND INBOX.Outbox {16+}\r\nSubject: x\r\n\r\nx\n\r\n";
const LOGIN: &[(&str, &str)] =
    &[("IMAPLOGINTAG", "t1"), ("TCPREMOTEIP", "192.0.2.1"), ("TCPREMOTEPORT", "99")];
const OUTBOX: &[(&str, &str)] = &[("OUTBOX", ".Outbox"), ("SENDMAIL", "%MAILER")];

const CASES: &[Case] = &[
    case_with("AUTHADDR", [None, Some("alias@example.com")], OUTBOX, APPEND),
    case("AUTHENTICATED", [Some("alice"), Some("bob")], ""),
    case_with("HEADERFROM", [None, Some("X-Sender")], OUTBOX, APPEND),
    case(
        "HOSTNAME",
        [Some("one.example"), Some("two.example")],
        "a APPEND INBOX {3+}\r\nx\r\n\r\n",
    ),
    case("IMAPDEBUGFILE", [None, Some("trace")], "a NOOP\r\n"),
    case_with(
        "IMAPLOGINTAG",
        [None, Some("t1")],
        &[("TCPREMOTEIP", "192.0.2.1"), ("TCPREMOTEPORT", "99")],
        "",
    ),
    case("IMAP_ACL", [None, Some("1")], "a CAPABILITY\r\n"),
    case("IMAP_CAPABILITY", [None, Some("IMAP4rev1 IDLE")], "a CAPABILITY\r\n"),
    case_with(
        "IMAP_CAPABILITY_TLS",
        [None, Some("IMAP4rev1 X")],
        &[("IMAP_TLS", "1")],
        "a CAPABILITY\r\n",
    ),
    case("IMAP_CHECK_ALL_FOLDERS", [None, Some("1")], "a LIST \"\" INBOX.Outbox\r\n"),
    case(
        "IMAP_DISABLETHREADSORT",
        [None, Some("1")],
        "a SELECT INBOX\r\nb SORT (DATE) UTF-8 ALL\r\n",
    ),
    case("IMAP_EMPTYTRASH", [None, Some("Trash:1")], ""),
    case("IMAP_EXTENSIONS", [Some("0"), Some("1")], "a CAPABILITY\r\n"),
    case("IMAP_ID_FIELDS", [None, Some("1")], "a ID NIL\r\n"),
    case("IMAP_KEYWORDS", [Some("0"), Some("1")], "a SELECT INBOX\r\n"),
    case(
        "IMAP_LOG_DELETIONS",
        [None, Some("1")],
        "a SELECT INBOX\r\nb STORE 1 +FLAGS (\\Deleted)\r\nc EXPUNGE\r\n",
    ),
    case(
        "IMAP_METADATA_ADMIN",
        [None, Some("mailto:a@example.com")],
        "a GETMETADATA \"\" /shared/admin\r\n",
    ),
    case(
        "IMAP_METADATA_COMMENT",
        [None, Some("down on Sunday")],
        "a GETMETADATA \"\" /shared/comment\r\n",
    ),
    case(
        "IMAP_MOVE_EXPUNGE_TO_TRASH",
        [None, Some("1")],
        "a SELECT INBOX\r\nb STORE 1 +FLAGS (\\Deleted)\r\nc EXPUNGE\r\n",
    ),
    case("IMAP_OBSOLETE_CLIENT", [None, Some("1")], "a LIST \"\" INBOX.Outbox\r\n"),
    case("IMAP_SHAREDINDEXFILE", [None, Some("%HOME/index")], "a LIST \"\" \"#shared.*\"\r\n"),
    case_with(
        "IMAP_SHAREDMUNGENAMES",
        [None, Some("1")],
        &[("IMAP_SHAREDINDEXFILE", "%HOME/index")],
        "a LIST \"\" \"#shared.*\"\r\n",
    ),
    case("IMAP_TLS", [None, Some("1")], ""),
    case(
        "IMAP_TRASHFOLDERNAME",
        [None, Some("Bin")],
        "a CREATE INBOX.Bin\r\nb DELETE INBOX.Bin\r\n",
    ),
    case("MAILDIR", [None, Some("%HOME/Other")], "a STATUS INBOX (MESSAGES)\r\n"),
    case("MAILDIRQUOTA", [None, Some("5S")], "a APPEND INBOX {9+}\r\nlong text\r\n"),
    case("OPTIONS", [None, Some("disableimap=1")], ""),
    case_with("OUTBOX", [None, Some(".Outbox")], &[("SENDMAIL", "%MAILER")], APPEND),
    case_with(
        "OUTBOX_MULTIPLE_SEND",
        [None, Some("1")],
        OUTBOX,
        "a SELECT INBOX\r\nb COPY 1:2 INBOX.Outbox\r\n",
    ),
    case("PROTOCOL", [None, Some("SMAP1")], ""),
    case_with("SENDMAIL", [Some("/bin/false"), Some("%MAILER")], &[("OUTBOX", ".Outbox")], APPEND),
    case_with(
        "SMAP_CAPABILITY",
        [None, Some("SMAP1")],
        &[("IMAP_KEYWORDS", "1")],
        "a CAPABILITY\r\n",
    ),
    case_with("TCPREMOTEIP", [Some("192.0.2.1"), Some("192.0.2.2")], LOGIN, ""),
    case_with("TCPREMOTEPORT", [Some("1"), Some("2")], LOGIN, ""),
    case_with("TLS_EXTERNAL", [None, Some("yes")], &[("IMAP_TLS", "1")], "a CAPABILITY\r\n"),
];

/// Variables whose effect is not in the answers of one short session, and where it is shown.
const ELSEWHERE: &[(&str, &str)] = &[
    ("IMAP_FSYNC", "tests/it/durability.rs, by the system calls"),
    ("IMAP_INDEX", "tests/it/facts.rs, by the files"),
    ("IMAP_INDEX_SIZE", "tests/it/facts.rs, by the files"),
    ("IMAP_IDLE_TIMEOUT", "tests/it/realtime.rs, by the time between looks"),
    ("IMAP_MAILBOX_SANITY_CHECK", "src/session/options.rs; needs a Maildir of somebody else's"),
    ("IMAP_USELOCKS", "tests/dialogs/locks-off.dialog"),
];

/// A home with everything that the cases touch; the same names and times each time.
fn maildir() -> Maildir {
    let maildir = Maildir::new();
    for (n, name) in ["1000.a", "1001.b"].iter().enumerate() {
        maildir
            .write(&format!("cur/{name}:2,"), format!("Subject: message {n}\n\nbody\n").as_bytes());
    }
    maildir.folder("INBOX.Outbox").folder("INBOX.Trash");
    maildir.write(".Trash/cur/900.old:2,", b"Subject: old\n\n");
    maildir.write("trace", b"");
    let home = maildir.home();
    for dir in [
        "Other/cur",
        "Other/new",
        "Other/tmp",
        "bob/Maildir/cur",
        "bob/Maildir/new",
        "bob/Maildir/tmp",
    ] {
        std::fs::create_dir_all(home.join(dir)).unwrap();
    }
    let bob = home.join("bob");
    std::fs::write(bob.join("Maildir/courierimapacl"), "owner aceilrstwx\nanyone lr\n").unwrap();
    std::fs::write(home.join("index"), format!("bob.x\t1\t1\t{}\n", bob.display())).unwrap();
    let mailer = home.join("mailer");
    std::fs::write(
        &mailer,
        format!("#!/bin/sh\n(echo \"$@\"; cat) > {}\n", maildir.path().join("sent").display()),
    )
    .unwrap();
    std::fs::set_permissions(&mailer, std::fs::Permissions::from_mode(0o755)).unwrap();
    maildir
}

/// Everything that a session shows: its answers, its log, and what it leaves. Paths, counts and
/// unique names are the same each time.
fn shown(case: &Case, value: Option<&str>) -> String {
    let maildir = maildir();
    let home = maildir.home().display().to_string();
    let place =
        |text: &str| text.replace("%HOME", &home).replace("%MAILER", &format!("{home}/mailer"));
    let mut command = Command::new(postrider());
    command.current_dir(maildir.home()).env_clear().arg("./Maildir");
    command.env("AUTHENTICATED", "alice").env("HOSTNAME", "host.example");
    for (name, value) in case.with {
        command.env(name, place(value));
    }
    match value {
        Some(value) => command.env(case.name, place(value)),
        None => command.env_remove(case.name),
    };
    if case.name == "IMAP_EMPTYTRASH" {
        // Old by its inode's time, which nothing but the clock can make: a day is the least. Shown
        // by `new` being taken in.
        maildir.write(".Trash/new/950.new", b"Subject: new\n\n");
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), case.input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let mut all = String::from_utf8_lossy(&output.stdout).into_owned();
    all.push_str(&String::from_utf8_lossy(&output.stderr));
    for name in maildir.files() {
        // A unique name is told apart by its host alone.
        let unique = name.rsplit('/').next().unwrap_or_default();
        let kept = if unique.contains(".M") && unique.contains('P') {
            name.split_once("host").map_or("", |x| x.1)
        } else {
            &name
        };
        let kept = if unique.contains("two.example") { "two.example" } else { kept };
        all.push_str(&format!("{kept}\n"));
    }
    for name in ["sent", "trace"] {
        all.push_str(&String::from_utf8_lossy(
            &std::fs::read(maildir.path().join(name)).unwrap_or_default(),
        ));
    }
    all.replace(&home, "%HOME").lines().map(without_clock).collect::<Vec<_>>().join("\n")
}

/// A line without numbers that the clock makes.
fn without_clock(line: &str) -> String {
    let codes = ["UIDVALIDITY", "HIGHESTMODSEQ", "APPENDUID", "COPYUID"];
    if codes.iter().any(|code| line.contains(code)) {
        return line.chars().filter(|c| !c.is_ascii_digit()).collect();
    }
    // The last line in the log has the session's seconds.
    line.split_once(", time=").map_or(line.to_owned(), |(before, after)| {
        format!("{before}{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
    })
}

#[test]
fn each_variable_shows() {
    for case in CASES {
        let [one, other] = case.values.map(|value| shown(case, value));
        assert_eq!(one, shown(case, case.values[0]), "{}: the same value twice", case.name);
        assert_ne!(one, other, "{}: {:?} shows nothing", case.name, case.values);
    }
}

#[test]
fn no_variable_is_forgotten() {
    let mut here: Vec<&str> =
        CASES.iter().map(|c| c.name).chain(ELSEWHERE.iter().map(|(name, _)| *name)).collect();
    here.sort_unstable();
    assert_eq!(here, VARIABLES);
}
