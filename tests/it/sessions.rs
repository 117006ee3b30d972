//! What a dialog cannot say: time, signals, torrents of commands, address-space limits, a client
//! that does not read.

use std::path::Path;
use std::time::{Duration, Instant};
use support::{Maildir, PATIENCE};

fn three_messages(maildir: &Maildir) {
    for n in 1..=3 {
        let content = format!("From: a@example.com\nSubject: message {n}\n\nBody {n}\n");
        maildir.write(&format!("cur/100{n}.m{n}:2,"), content.as_bytes());
    }
}

/// `imapd` in a new Maildir's home with this command line, no input: status, output, errors.
fn run(args: &[&str], maildir: Option<&str>) -> (Option<i32>, String, String) {
    let home = Maildir::new();
    let mut command = std::process::Command::new(support::postrider());
    command.args(args).current_dir(home.home()).env_clear();
    command.envs(maildir.map(|m| ("MAILDIR", m))).stdin(std::process::Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_command_line_that_is_not_understood() {
    for (args, named) in [
        (&["./Maildir", "extra"][..], "\"extra\""),
        (&["--verbose"], "'--verbose'"),
        (&["-h"], "'-h'"),
        (&["./Maildir", "--version"], "'--version'"),
        (&["--help", "./Maildir"], "\"./Maildir\""),
        (&["--version=1"], "'--version'"),
        (&["--a\nINFO: b"], "'--a/INFO: b'"),
    ] {
        let (status, output, errors) = run(args, None);
        assert_eq!((status, output.as_str()), (Some(1), ""), "{args:?}");
        let line = errors.strip_suffix("; usage: imapd [MAILDIR] | --version | --help\n");
        let line = line.unwrap_or_else(|| panic!("{args:?}: {errors}"));
        assert!(line.starts_with("imapd: ") && line.contains(named), "{args:?}: {line}");
        assert!(!line.contains('\n'), "{args:?}: {line}");
    }
}

#[test]
fn a_command_line_that_is_understood() {
    for args in [&["--version"][..], &["--help"]] {
        let (status, output, errors) = run(args, None);
        assert!(output.contains("imapd") && output.ends_with('\n'), "{output}");
        assert_eq!((status, errors.as_str()), (Some(0), ""), "{args:?}");
    }
    // MAILDIR wins over the argument; without both it is ./Maildir.
    for (args, maildir, there) in [
        (&["./Maildir"][..], None, true),
        (&[], None, true),
        (&["--", "./Maildir"], None, true),
        (&["none"], Some("Maildir"), true),
        (&["Maildir"], Some("none"), false),
        (&["none"], None, false),
        (&["--", "--version"], None, false),
        (&[""], None, false),
    ] {
        let (status, output, _) = run(args, maildir);
        assert_eq!(output.starts_with("* PREAUTH "), there, "{args:?} {maildir:?}: {output}");
        assert_eq!(status == Some(0), there, "{args:?} {maildir:?}: {output}");
    }
}

#[test]
fn idle_tells_of_a_delivery_at_once() {
    let maildir = Maildir::new();
    let mut s = maildir.session(&[("IMAP_EXTENSIONS", "1"), ("IMAP_CAPABILITY", "IMAP4rev1 IDLE")]);
    s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
    s.send(b"i IDLE\r\n");
    assert_eq!(s.line(), "+ entering ENHANCED idle mode", "{}", s.story());
    let start = Instant::now();
    maildir.deliver("INBOX", "1000.x", b"Subject: x\n\nx\n");
    assert_eq!(s.line(), "* 1 EXISTS", "{}", s.story());
    assert!(start.elapsed() < Duration::from_secs(2), "told after {:?}", start.elapsed());
    assert_eq!(s.line(), "* 1 RECENT", "{}", s.story());
    s.send(b"DONE\r\n");
    s.finish("i");
    s.cmd("NOOP").ok("NOOP completed").lacks("*");
}

#[test]
fn idle_tells_what_another_session_does() {
    let maildir = Maildir::new();
    three_messages(&maildir);
    let mut a = maildir.session(&[]);
    let mut b = maildir.session(&[]);
    a.cmd("SELECT INBOX").has("* 3 EXISTS");
    b.cmd("SELECT INBOX").has("* 3 EXISTS");
    a.send(b"i IDLE\r\n");
    a.finish("i");
    b.cmd("STORE 2 +FLAGS (\\Flagged)").ok("STORE completed.");
    assert_eq!(a.line(), "* 2 FETCH (FLAGS (\\Flagged \\Recent))", "{}", a.story());
    b.cmd("STORE 1 +FLAGS.SILENT (\\Deleted)").ok("STORE completed.");
    b.cmd("EXPUNGE").has("* 1 EXPUNGE");
    let mut told = Vec::new();
    while let Some(line) = a.response(Duration::from_secs(5)) {
        told.push(String::from_utf8(line).unwrap());
        if told.last().is_some_and(|l| l.ends_with("RECENT")) {
            break;
        }
    }
    assert!(
        told.contains(&"* 1 EXPUNGE".to_owned()) && told.contains(&"* 2 EXISTS".to_owned()),
        "{}",
        a.story()
    );
}

#[test]
fn commands_before_the_end_of_input_are_answered() {
    let maildir = Maildir::new();
    three_messages(&maildir);
    let mut s = maildir.session(&[]);
    s.send(b"a SELECT INBOX\r\nb FETCH 1:3 UID\r\nc NOOP\r\nd NO");
    s.hang_up();
    assert!(s.wait().unwrap().success());
    let rest = String::from_utf8(s.rest()).unwrap();
    assert!(
        rest.ends_with("* 3 FETCH (UID 3)\r\nb OK FETCH completed.\r\nc OK NOOP completed\r\n"),
        "{rest}"
    );
    assert!(s.log()[1].starts_with("INFO: DISCONNECTED, user=alice, "), "{}", s.story());
}

#[test]
fn signals_end_a_session_politely() {
    for (name, signal) in [
        ("TERM", nix::sys::signal::SIGTERM),
        ("HUP", nix::sys::signal::SIGHUP),
        ("INT", nix::sys::signal::SIGINT),
    ] {
        let maildir = Maildir::new();
        let mut s = maildir.session(&[]);
        // Courier forgets its handlers after the first CREATE or DELETE.
        s.cmd("CREATE INBOX.a").ok("\"INBOX.a\" created.");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(s.pid().cast_signed()), signal).unwrap();
        assert_eq!(
            s.line(),
            "* BYE Courier-IMAP server shut down by signal.",
            "{name}: {}",
            s.story()
        );
        assert_eq!(s.wait().and_then(|s| s.code()), Some(0), "{name}");
        assert!(
            s.log()[1].starts_with("NOTICE: Disconnected during shutdown by signal, user=alice, "),
            "{name}: {}",
            s.story()
        );
    }
}

#[test]
fn a_torrent_of_commands() {
    let maildir = Maildir::new();
    three_messages(&maildir);
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
    let commands: String = (0..3000).map(|n| format!("x{n} FETCH 1:3 (UID FLAGS)\r\n")).collect();
    s.send(commands.as_bytes());
    let mut lines = 0;
    while lines < 12_000 {
        assert!(s.response(PATIENCE).is_some(), "after {lines} lines");
        lines += 1;
    }
    s.cmd("NOOP").ok("NOOP completed");
}

#[test]
fn a_message_set_of_64_kibibytes() {
    let maildir = Maildir::new();
    three_messages(&maildir);
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
    let set = "1,3,".repeat(16_000);
    s.cmd(&format!("UID STORE {set}2 +FLAGS.SILENT (\\Seen)")).ok("STORE completed.");
    s.cmd("SEARCH SEEN").has("* SEARCH 1 2 3");
}

#[test]
fn a_message_larger_than_the_address_space() {
    let maildir = Maildir::new();
    let line = format!("{}\n", "QUJD".repeat(18));
    let mut content = String::from(
        "From: a@example.com\nSubject: big\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n",
    );
    content.push_str("--b\n\nsmall text\n--b\nContent-Type: application/BYTESTREAM_\nContent-Transfer-Encoding: base64\n\n");
    let lines = 80_000_000 / line.len();
    content.push_str(&line.repeat(lines));
    content.push_str("--b\n\nlast needle\n--b--\n");
    maildir.write("cur/1000.big:2,", content.as_bytes());
    let limited = format!("ulimit -v 65536; exec {} ./Maildir", support::postrider().display());
    let mut s = maildir.start(Path::new("/bin/sh"), &[], &["-c", &limited]);
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    let patient = |s: &mut support::Session, tag: &str| {
        let mut last = Vec::new();
        while let Some(line) = s.response(Duration::from_secs(120)) {
            if line.starts_with(tag.as_bytes()) {
                assert!(
                    line.starts_with(format!("{tag} OK ").as_bytes()),
                    "{}",
                    support::text::show(&line)
                );
                return last;
            }
            last = line;
        }
        panic!("no answer: {}", s.log().join("\n"));
    };
    s.cmd("SELECT INBOX").has("* 1 EXISTS");
    s.send(b"a FETCH 1 (RFC822.SIZE BODYSTRUCTURE)\r\n");
    let size = content.len() + content.bytes().filter(|&b| b == b'\n').count();
    let answer = String::from_utf8(patient(&mut s, "a")).unwrap();
    assert!(answer.contains(&format!("RFC822.SIZE {size} ")), "{answer}");
    // The line break before the boundary is the boundary's.
    assert!(answer.contains(&format!("\"base64\" {} ", lines * (line.len() + 1) - 2)), "{answer}");
    s.send(b"b SEARCH BODY needle\r\n");
    assert_eq!(patient(&mut s, "b"), b"* SEARCH 1");
    s.send(b"c FETCH 1 BODY.PEEK[3]\r\n");
    assert_eq!(patient(&mut s, "c"), b"* 1 FETCH (BODY[3] {11}\r\nlast needle)");
    s.send(b"d FETCH 1 BODY.PEEK[]<79000000.10>\r\n");
    assert!(patient(&mut s, "d").starts_with(b"* 1 FETCH (BODY[]<79000000> {10}\r\n"));
    s.send(b"f FETCH 1 (BINARY.SIZE[2] BINARY.PEEK[2]<54.6>)\r\n");
    let answer = format!("* 1 FETCH (BINARY.SIZE[2] {} BINARY[2]<54> {{6}}\r\nABCABC)", lines * 54);
    assert_eq!(patient(&mut s, "f"), answer.as_bytes());
    s.send(b"e FETCH 1 BODY.PEEK[]\r\n");
    let mut bytes = 0;
    let mut chunk = patient(&mut s, "e");
    bytes += chunk.len();
    chunk.clear();
    assert_eq!(bytes, size + format!("* 1 FETCH (BODY[] {{{size}}}\r\n)").len());
}

#[test]
fn an_append_that_never_comes_leaves_nothing() {
    let maildir = Maildir::new();
    let mut s = maildir.session(&[]);
    s.send(b"a APPEND INBOX {1000}\r\n");
    assert_eq!(s.finish("a").last(), b"+ OK");
    s.send(b"Subject: half a message\r\n");
    s.hang_up();
    assert!(s.wait().unwrap().success());
    let mail: Vec<String> = maildir
        .files()
        .into_iter()
        .filter(|f| f.starts_with("cur/") || f.starts_with("tmp/"))
        .collect();
    assert!(mail.is_empty(), "{mail:?}");
    assert!(s.log()[1].starts_with("INFO: DISCONNECTED, "), "{}", s.story());
}

#[test]
fn a_session_leaves_nothing_in_tmp() {
    let maildir = Maildir::new();
    three_messages(&maildir);
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok").has("* 3 EXISTS");
    s.cmd("LOGOUT").ok("LOGOUT completed");
    assert!(s.wait().unwrap().success());
    let left: Vec<String> = maildir.files().into_iter().filter(|f| f.starts_with("tmp/")).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn a_login_from_nowhere_gets_no_word() {
    let maildir = Maildir::new();
    for address in [("TCPREMOTEIP", ""), ("TCPREMOTEPORT", "")] {
        let env = [
            ("IMAPLOGINTAG", "x1"),
            ("TCPREMOTEIP", "192.0.2.7"),
            ("TCPREMOTEPORT", "4711"),
            address,
        ];
        let mut s = maildir.start(&support::postrider(), &env, &["./Maildir"]);
        s.hang_up();
        assert_eq!(s.wait().and_then(|s| s.code()), Some(0));
        assert_eq!((s.rest(), s.log()), (Vec::new(), Vec::new()));
    }
}

/// A message that gets the inode of the one that was served before, with its size and its date, is
/// another message all the same.
#[test]
fn an_inode_that_is_used_again() {
    let maildir = Maildir::new();
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX");
    let plain = b"Content-Type: text/plain\r\n\r\none\r\ntwo\r\n";
    let html = b"Content-Type: text/html\r\n\r\nonetwo\r\nx\r\n";
    assert_eq!(plain.len(), html.len());
    for (uid, message) in (1..).zip([&plain[..], html, plain, html]) {
        s.cmd_literal("APPEND INBOX (\\Deleted) \"01-Jan-2020 00:00:00 +0000\"", message, "");
        let (subtype, size) = if message == html { ("html", 11) } else { ("plain", 10) };
        s.cmd("FETCH 1 (UID BODYSTRUCTURE)").has(&format!(
            "* 1 FETCH (UID {uid} BODYSTRUCTURE (\"text\" \"{subtype}\" NIL NIL NIL \"7bit\" \
             {size} 2 NIL NIL NIL))"
        ));
        s.cmd("EXPUNGE").ok("EXPUNGE completed");
    }
}
