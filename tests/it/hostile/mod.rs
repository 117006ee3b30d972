//! Clients that do not play by the rules: every command cut at each byte, in every state; wrong
//! arguments; bytes and tokens by chance; literals where none belong; depth, width and number
//! beyond reason; a client that does not read, or goes away.
//!
//! What must hold every time: an answer or a clean end (status 0 or 1, no panic), the next command
//! works, and no message's content has changed. The everyday amount is small; `HOSTILE_ROUNDS=n`
//! multiplies it (see scripts/fuzz-session), `HOSTILE_SEED=n` begins elsewhere.

mod victim;

use postrider::testing::commands;
use std::fs;
use std::time::Duration;
use support::find;
use victim::*;

#[test]
fn every_command_has_a_line() {
    for (name, _) in commands() {
        let there = LINES.iter().any(|l| l.split(' ').find(|w| *w != "UID") == Some(name));
        // Not played here: they wait, or end the session.
        assert!(there || matches!(name, "IDLE" | "LOGOUT"), "{name}");
    }
}

#[test]
fn commands_cut_at_each_byte() {
    std::thread::scope(|scope| {
        for state in STATES {
            scope.spawn(move || {
                let maildir = victim();
                let mut v = Victim::new(&maildir, &[("IMAP_ACL", "1")], state);
                for line in LINES {
                    for cut in 0..=line.len() {
                        v.hit(&[b"x ", &line.as_bytes()[..cut]].concat());
                    }
                    // What comes before changes the state; begin the next line where it belongs.
                    v.hit(format!("x {state}").as_bytes());
                }
                v.end();
                // APPEND's literal, whole or filled up by the line end that came behind it.
                unharmed(&maildir, &[b"abc\n", b"ab\n", b"a\n", b"\nf\n"], "");
            });
        }
    });
}

#[test]
fn clients_that_go_away_at_each_byte() {
    let maildir = victim();
    let mut random = random(1);
    let lines = LINES.iter().chain(&["IDLE\r\nDONE", "LOGOUT", "APPEND INBOX {10}\r\nhalf"]);
    for line in lines {
        for _ in 0..4 * rounds() {
            let cut = random.below(line.len() + 1);
            let mut s = maildir.session(&[]);
            s.send(&[b"s SELECT INBOX\r\nx ", &line.as_bytes()[..cut]].concat());
            s.hang_up();
            ended_well(&mut s);
        }
    }
    unharmed(&maildir, &[b"abc\n"], "");
}

#[test]
fn arguments_wrong_missing_and_too_many() {
    const ARGUMENTS: &[&str] = &[
        "",
        " ",
        " ()",
        " (",
        " )",
        " \"",
        " \"\"",
        " {",
        " {}",
        " {0+}\r\n",
        " {0+}\r\n {0+}\r\n {0+}\r\n",
        " ~{0+}\r\n",
        " {1+}\r\n\0",
        " NIL",
        " NIL NIL NIL NIL",
        " 0",
        " 0:0",
        " *",
        " *:*",
        " 4294967295:4294967296",
        " 18446744073709551616",
        " -1",
        " 1:2:3",
        " INBOX",
        " INBOX INBOX INBOX",
        " \"INBOX.\" \"INBOX..\"",
        " ..",
        " INBOX.../..",
        " \"../../etc\"",
        " \"INBOX./etc/passwd\"",
        " \"#shared.x.y\"",
        " shared.x.y",
        " \"&\"",
        " \"&AA-\"",
        " \"&2AA-\"",
        " \\",
        " \\Seen",
        " (\\Seen",
        " 1 (",
        " 1 ()",
        " 1 (FLAGS",
        " 1 BODY[",
        " 1 BODY[]<",
        " 1 BODY[]<0.0>",
        " 1 BODY[]<4294967295.4294967295>",
        " 1 BODY[]<18446744073709551615.18446744073709551615>",
        " 1 BODY[4294967296]",
        " 1 BODY[1.1.1.1.1.1.1.1.1.1.1]",
        " 1 BODY[0]",
        " 1 BODY[HEADER.FIELDS ()]",
        " 1 BODY[1.MIME.1]",
        " 1 FLAGS (\\Recent \\*)",
        " 1 +FLAGS",
        " 1 -FLAGS.SILENT NIL",
        " ALL ALL ALL",
        " () UTF-8 ALL",
        " (DATE) NOSUCH ALL",
        " (REVERSE REVERSE) UTF-8 ALL",
        " CHARSET",
        " CHARSET {3+}\r\nx y ALL",
        " BEFORE 99-Zzz-99999",
        " SENTON \"31-Feb-2000\"",
        " SMALLER -1",
        " LARGER 18446744073709551615",
        " UID",
        " UID 0",
        " NOT",
        " OR ALL",
        " OR OR OR",
        " HEADER",
        " HEADER \"\" \"\"",
        " KEYWORD \"\"",
        " INBOX (X)",
        " INBOX ()",
        " INBOX (MESSAGES",
        " \"\" \"",
        " \"\" {3+}\r\n%%%",
        " \"ROOT\" (STORAGE 99999999999999999999)",
        " \"ROOT\" (STORAGE -1)",
        " INBOX anyone +++---",
        " INBOX -anyone =",
        " \"INBOX\" \"a\tb\r\"",
        " REFERENCES UTF-8 (((",
        " X UTF-8 ALL",
        " INBOX {99999999999999999999+}",
        " INBOX {18446744073709551615}",
        " \u{e9}",
        " \"\u{e9}\"",
        "\0",
        " \x7f",
        "\t1\tFLAGS",
    ];
    std::thread::scope(|scope| {
        for state in STATES {
            scope.spawn(move || {
                let maildir = victim();
                let mut v = Victim::new(&maildir, &[("IMAP_ACL", "1")], state);
                for (name, uid) in commands().into_iter().filter(|(name, _)| *name != "LOGOUT") {
                    for argument in ARGUMENTS {
                        v.hit(format!("x {name}{argument}").as_bytes());
                        if uid {
                            v.hit(format!("x UID {name}{argument}").as_bytes());
                        }
                    }
                    v.hit(format!("x {state}").as_bytes());
                }
                v.end();
                unharmed(&maildir, &[b"", b"\0"], "");
            });
        }
    });
}

#[test]
fn bytes_by_chance() {
    let maildir = victim();
    let mut random = random(2);
    let mut v = Victim::new(&maildir, &[], "SELECT INBOX");
    for _ in 0..400 * rounds() {
        let bytes: Vec<u8> = match random.below(3) {
            0 => (0..random.below(200)).map(|_| random.below(256) as u8).collect(),
            1 => (0..random.below(80))
                .map(|_| b"x \"\\(){}[]~+*%:,.0123\r\nABORT<>"[random.below(30)])
                .collect(),
            // A good line with a few bytes changed.
            _ => {
                let mut line = format!("x {}", random.of(LINES)).into_bytes();
                for _ in 0..=random.below(3) {
                    let at = random.below(line.len());
                    line[at] = random.below(256) as u8;
                }
                line
            }
        };
        v.hit(&bytes);
    }
    v.end();
}

#[test]
fn tokens_by_chance() {
    const WORDS: &[&str] = &[
        "UID",
        "(",
        ")",
        "[",
        "]",
        "<0.5>",
        "1:*",
        "*",
        "1",
        "2,3",
        "NIL",
        "ALL",
        "NOT",
        "OR",
        "\"\"",
        "\"INBOX\"",
        "INBOX.other",
        "\"%\"",
        "\"*\"",
        "{0+}\r\n",
        "{2+}\r\nab",
        "~{2+}\r\nab",
        "\\Seen",
        "\\Deleted",
        "(\\Seen)",
        "+FLAGS",
        "-FLAGS.SILENT",
        "FLAGS",
        "BODY",
        "BODY[]",
        "BODY[1]",
        "BODY.PEEK[HEADER]",
        "BODY[1.1.TEXT]<1.2>",
        "ENVELOPE",
        "BODYSTRUCTURE",
        "RFC822",
        "RFC822.SIZE",
        "UTF-8",
        "US-ASCII",
        "REFERENCES",
        "DATE",
        "SUBJECT",
        "REVERSE",
        "TEXT",
        "HEADER",
        "CHARSET",
        "1-Jan-2020",
        "MESSAGES",
        "ROOT",
        "STORAGE",
        "bob",
        "anyone",
        "lrswipte",
    ];
    let maildir = victim();
    let mut random = random(3);
    let mut v =
        Victim::new(&maildir, &[("IMAP_ACL", "1"), ("IMAP_EXTENSIONS", "1")], "SELECT INBOX");
    let commands = commands();
    for _ in 0..600 * rounds() {
        let mut line = format!("x {}", commands[random.below(commands.len())].0);
        for _ in 0..random.below(9) {
            line.push_str(if random.below(6) == 0 { "" } else { " " });
            line.push_str(random.of(WORDS));
        }
        v.hit(line.as_bytes());
    }
    v.end();
    unharmed(&maildir, &[b"ab\n"], "");
}

#[test]
fn depth_width_and_length() {
    let maildir = victim();
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX");
    let deep = |open: &str, middle: &str, close: &str, n: usize| {
        format!("{}{middle}{}", open.repeat(n), close.repeat(n))
    };
    for n in [100, 990, 1001, 100_000] {
        for line in [
            format!("SEARCH {}", deep("(", "ALL", ")", n)),
            format!("SEARCH {}", deep("NOT ", "ALL", "", n)),
            format!("SEARCH {}", deep("OR ALL ", "ALL", "", n)),
            format!("SEARCH {}", deep("NOT (SEEN ", "ALL", ")", n)),
            format!("SEARCH {}", deep("OR (SEEN ALL) (FLAGGED ", "ALL", ")", n)),
            format!("SEARCH {}", deep("OR (SEEN BODY x) NOT (TEXT y ", "ALL", ")", n / 2)),
            format!("SORT {} UTF-8 ALL", deep("(", "DATE", ")", n)),
            format!("SORT ({}) UTF-8 ALL", "DATE ".repeat(n)),
            format!("THREAD REFERENCES UTF-8 {}", deep("NOT (SEEN ", "ALL", ")", n)),
            format!("FETCH 1 {}", deep("(", "FLAGS", ")", n)),
            format!("FETCH 1 ({})", "BODY.PEEK[] ".repeat(n)),
            format!("FETCH 1 BODY.PEEK[{}1]", "1.".repeat(n)),
            format!("FETCH 1 BODY.PEEK[HEADER.FIELDS ({})]", "From ".repeat(n)),
            format!("STATUS INBOX {}", deep("(", "MESSAGES", ")", n)),
            format!("STORE 1 FLAGS {}", deep("(", "x", ")", n)),
            format!("CREATE \"INBOX{}\"", ".a".repeat(n)),
            format!("LIST \"\" \"{}\"", "*%".repeat(n)),
            format!("LIST \"\" \"{}z\"", "*a".repeat(n)),
            format!("ID ({})", "\"a\" \"b\" ".repeat(n)),
            format!("SETACL INBOX bob {}", "lr".repeat(n)),
            format!("SUBSCRIBE \"INBOX.{}\"", "a".repeat(n)),
            format!("ENABLE {}", "X".repeat(n)),
        ] {
            let reply = s.cmd(&line);
            let last = String::from_utf8_lossy(reply.last()).into_owned();
            let head: String = line.chars().take(40).collect();
            assert!(
                [" OK ", " NO ", " BAD "].iter().any(|w| last.contains(w)),
                "{n}: {head}: {last} {:?}",
                s.log()
            );
            s.cmd("NOOP").ok("NOOP completed");
            s.forget();
        }
    }
    // Message sets of 64 KiB are served.
    let set = vec!["1"; 32 * 1024].join(",");
    s.cmd(&format!("SEARCH {set}")).ok("SEARCH done.").has("* SEARCH 1");
    let ranges = vec!["4:1"; 16 * 1024].join(",");
    s.cmd(&format!("UID SEARCH UID {ranges}")).ok("SEARCH done.").has("* SEARCH 1 2 3 4");
    s.forget();
    // A command beyond a mebibyte, one token, one string: one answer each.
    for line in [
        format!("NOOP {}", "x ".repeat(600_000)),
        "Y".repeat(2_000_000),
        format!("SELECT \"{}\"", "z".repeat(70_000)),
    ] {
        let reply = s.cmd(&line);
        assert_eq!(reply.responses.len(), 1);
        assert!(find(reply.last(), b" BAD ").is_some() || find(reply.last(), b" NO ").is_some());
        s.forget();
    }
    s.cmd("NOOP").ok("NOOP completed");
    unharmed(&maildir, &[], "");
}

#[test]
fn literals_where_none_belong() {
    let maildir = victim();
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX");
    // Bytes of a refused non-synchronising literal are never commands.
    for line in [
        "a NOOP {14+}\r\nz1 EXPUNGE\r\n  ",
        "a {14+}\r\nz1 EXPUNGE\r\n  ",
        "{14+}\r\nz1 EXPUNGE\r\n  ",
        "a FETCH {14+}\r\nz1 EXPUNGE\r\n   FLAGS",
        "a STORE 1 {14+}\r\nz1 EXPUNGE\r\n   x",
        "a UID {14+}\r\nz1 EXPUNGE\r\n  ",
        "a SELECT INBOX {14+}\r\nz1 EXPUNGE\r\n  ",
        "a XNO {4+}\r\nz1 E {14+}\r\nz1 EXPUNGE\r\n  ",
        "a SELECT {70000+}\r\n",
        "a APPEND INBOX.nowhere {14+}\r\nz1 EXPUNGE\r\n  ",
        "a APPEND INBOX (\\Bad {14+}\r\nz1 EXPUNGE\r\n  ",
    ] {
        let filler = if line.contains("70000") {
            "z1 EXPUNGE\r\n".repeat(70_000 / 12 + 1)[..70_000].to_owned()
        } else {
            String::new()
        };
        s.send(format!("{line}{filler}\r\nb NOOP\r\n").as_bytes());
        let reply = s.finish("b");
        reply.lacks("z1");
        assert!(reply.last().starts_with(b"b OK"), "{line}\n{}", s.story());
        s.forget();
    }
    // A synchronising one is refused without a continuation; what comes next is a command.
    for line in [
        "NOOP {3}",
        "SELECT {65537}",
        "SELECT {99999999999999999999}",
        "FETCH {3}",
        "APPEND INBOX.nowhere {1000000000000}",
    ] {
        let reply = s.cmd(line);
        assert!(!reply.last().starts_with(b"+"), "{line}\n{}", s.story());
        s.cmd("NOOP").ok("NOOP completed");
    }
    unharmed(&maildir, &[], "");
}

/// `VmRSS` in KiB.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap_or("0");
    line.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

#[test]
fn thousands_of_commands_at_once_and_a_client_that_does_not_read() {
    let maildir = victim();
    let large = [b"Subject: large\n\n", vec![b'x'; 2_000_000].as_slice()].concat();
    maildir.deliver("INBOX", "2000.large.host", &large);
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX");
    let mut pipeline = String::new();
    for n in 0..5000 {
        pipeline.push_str(&format!(
            "p{n} {}\r\n",
            ["NOOP", "FETCH 1:4 (UID FLAGS)", "SEARCH ALL"][n % 3]
        ));
    }
    s.send(pipeline.as_bytes());
    let reply = s.finish("p4999");
    assert_eq!(reply.responses.iter().filter(|r| r.starts_with(b"p")).count(), 5000);
    s.forget();
    s.cmd("LOGOUT");
    ended_well(&mut s);

    // The far end is a pipe that nobody reads, with answers of 2 GB behind it.
    use std::io::Write;
    use std::process::{Command, Stdio};
    let (reader, writer) = std::io::pipe().unwrap();
    let mut child = Command::new(support::postrider())
        .arg("./Maildir")
        .current_dir(maildir.home())
        .env_clear()
        .envs(support::ENVIRONMENT.iter().copied())
        .stdin(Stdio::piped())
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        let _ = input.write_all(b"s SELECT INBOX\r\n");
        for n in 0..1000 {
            if input
                .write_all(
                    format!("f{n} FETCH 1:* (BODY.PEEK[] BODYSTRUCTURE ENVELOPE)\r\n").as_bytes(),
                )
                .is_err()
            {
                break;
            }
        }
    });
    std::thread::sleep(Duration::from_millis(1500));
    let memory = resident(child.id());
    assert!(memory > 0 && memory < 40_000, "{memory} KiB resident");
    // It goes away: so do we.
    drop(reader);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    feeder.join().unwrap();
    unharmed(&maildir, &[&large], "");
}
