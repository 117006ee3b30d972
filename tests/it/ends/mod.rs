//! How a session ends when its client does not read, or its log reader does not: in time and by
//! itself, with every answer of a finished command that the client takes, and never with a goodbye
//! in the middle of somebody's mail.

mod session;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use session::*;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;
use support::{Maildir, postrider};

/// One message of this many lines, and how it is served.
fn big_message(maildir: &Maildir, name: &str, lines: usize) -> String {
    let content: String =
        (0..lines).map(|n| format!("This is line {n} of the message.\n")).collect();
    let content = format!("Subject: big\n\n{content}");
    maildir.write(&format!("cur/{name}:2,S"), content.as_bytes());
    content.replace('\n', "\r\n")
}

/// More keywords than there is memory.
fn too_many_keywords(maildir: &Maildir) -> &'static str {
    maildir.write("courierimapkeywords/x", b"");
    File::create(maildir.path().join("courierimapkeywords/:list"))
        .unwrap()
        .set_len(200 << 20)
        .unwrap();
    "ulimit -v 65536;"
}

#[test]
fn memory_runs_out_and_nobody_reads() {
    for kind in KINDS {
        let maildir = Maildir::new();
        let limit = too_many_keywords(&maildir);
        let mut s = Session::start(&maildir, kind, limit);
        let filled = s.output.fill();
        s.send("a NOOP\r\nb SELECT INBOX\r\n");
        // The answer to NOOP waits for room, unless both commands came at once.
        let (status, took) = s.wait(&format!("{kind:?}"));
        assert_eq!(status.code(), Some(1), "{kind:?}");
        assert!(took < Duration::from_secs(3), "{kind:?}: {took:?}");
        let (output, log) = s.rest();
        assert_eq!(output, ".".repeat(filled), "{kind:?}");
        assert!(log.ends_with("ERR: Cannot allocate memory\n"), "{kind:?}: {log}");
    }
}

#[test]
fn memory_runs_out_and_neither_client_nor_log_is_read() {
    let maildir = Maildir::new();
    let limit = too_many_keywords(&maildir);
    let mut s = Session::start(&maildir, Kind::Pipe, limit);
    s.output.fill();
    s.log.fill();
    s.send("b SELECT INBOX\r\n");
    let (status, took) = s.wait("full log");
    assert_eq!(status.code(), Some(1));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn memory_runs_out_in_the_middle_of_a_literal() {
    for kind in KINDS {
        let maildir = Maildir::new();
        // A great many parts: the structure, which comes after the text, takes memory.
        let parts = "--b\n\nx\n".repeat(60_000);
        let content =
            format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n{parts}");
        maildir.write("cur/1000.a:2,S", content.as_bytes());
        let mut s = Session::start(&maildir, kind, "");
        s.send("a SELECT INBOX\r\n");
        let mut head = String::new();
        while !head.ends_with("a OK [READ-WRITE] Ok\r\n") {
            head.push_str(&s.read(1));
        }
        s.send("b FETCH 1 (BODY.PEEK[] BODYSTRUCTURE)\r\n");
        s.settle();
        let none =
            Command::new("prlimit").args(["--as=1:1", "--pid", &s.child.id().to_string()]).status();
        assert!(none.is_ok_and(|status| status.success()), "prlimit (util-linux) is needed here");
        let reader = thread::spawn({
            let mut reader = s.output.reader.try_clone().unwrap();
            move || {
                let mut bytes = Vec::new();
                let mut piece = [0; 4096];
                while let Ok(n @ 1..) = reader.read(&mut piece) {
                    bytes.extend_from_slice(&piece[..n]);
                }
                bytes
            }
        });
        let (status, _) = s.wait(&format!("{kind:?}"));
        assert_eq!(status.code(), Some(1), "{kind:?}");
        let (_, log) = s.rest();
        assert!(log.ends_with("ERR: Cannot allocate memory\n"), "{kind:?}: {log}");
        let output = String::from_utf8(reader.join().unwrap()).unwrap();
        let served = content.replace('\n', "\r\n");
        let answer = format!("* 1 FETCH (BODY[] {{{}}}\r\n{served} BODYSTRUCTURE (", served.len());
        assert!(output.len() > 65_000, "{kind:?}: {}", output.len());
        let same = output.bytes().zip(answer.bytes()).take_while(|(a, b)| a == b).count();
        // Nothing but the answer, as far as it came; of the structure only its own characters.
        assert!(same == output.len() || same == answer.len(), "{kind:?}: {}", &output[same..]);
        assert!(!output.contains("BYE"), "{kind:?}");
    }
}

#[test]
fn a_signal_in_the_middle_of_a_literal() {
    for kind in KINDS {
        for read in [0, 1, 100_000] {
            let maildir = Maildir::new();
            let served = big_message(&maildir, "1000.a", 100_000);
            let mut s = Session::start(&maildir, kind, "");
            s.send("a EXAMINE INBOX\r\nb FETCH 1 BODY.PEEK[]\r\n");
            let before = s.read(read);
            s.settle();
            s.signal();
            let (status, took) = s.wait(&format!("{kind:?}"));
            assert_eq!(status.code(), Some(0), "{kind:?}");
            assert!(took < Duration::from_secs(3), "{kind:?}: {took:?}");
            let (rest, log) = s.rest();
            let output = before + &rest;
            let (_, fetched) = output.split_once("a OK [READ-ONLY] Ok\r\n").unwrap();
            let answer = format!("* 1 FETCH (BODY[] {{{}}}\r\n{served}", served.len());
            assert!(
                !fetched.is_empty() && fetched.len() < answer.len() && answer.starts_with(fetched),
                "{kind:?} {read}: {output}"
            );
            assert!(
                log.contains("NOTICE: Disconnected during shutdown by signal, user=alice, "),
                "{kind:?}: {log}"
            );
        }
    }
}

#[test]
fn a_signal_while_a_finished_answer_waits_for_a_slow_reader() {
    for kind in KINDS {
        let maildir = Maildir::new();
        let served = big_message(&maildir, "1000.a", 1_000);
        // The first session in a folder sends its answer before it does anything else.
        maildir.session(&[]).cmd("EXAMINE INBOX").ok("[READ-ONLY] Ok");
        let mut s = Session::start(&maildir, kind, "");
        let filled = s.output.fill();
        s.send("a EXAMINE INBOX\r\nb FETCH 1 BODY.PEEK[]\r\nc NOOP\r\n");
        s.settle();
        s.signal();
        thread::sleep(SETTLED);
        assert_eq!(s.read(filled), ".".repeat(filled));
        let mut output = String::new();
        while output.len() + 4096 < served.len() {
            output.push_str(&s.read(4096));
            thread::sleep(Duration::from_millis(10));
        }
        while !output.ends_with(BYE) && output.len() < 100_000 {
            output.push_str(&s.read(1));
        }
        let (_, fetched) = output.split_once("a OK [READ-ONLY] Ok\r\n").unwrap();
        let answer = format!(
            "* 1 FETCH (BODY[] {{{}}}\r\n{served})\r\nb OK FETCH completed.\r\nc OK NOOP completed\r\n{BYE}",
            served.len()
        );
        assert_eq!(fetched, answer, "{kind:?}");
        assert_eq!(s.wait(&format!("{kind:?}")).0.code(), Some(0));
        assert_eq!(s.rest().0, "", "{kind:?}");
    }
}

#[test]
fn a_signal_while_nobody_reads() {
    for kind in KINDS {
        let maildir = Maildir::new();
        let mut s = Session::start(&maildir, kind, "");
        let filled = s.output.fill();
        s.send("a NOOP\r\n");
        s.settle();
        s.signal();
        thread::sleep(SETTLED);
        // Another one changes nothing.
        s.signal();
        let (status, took) = s.wait(&format!("{kind:?}"));
        assert_eq!(status.code(), Some(0), "{kind:?}");
        assert!(took > Duration::from_secs(4), "given up after {took:?}");
        assert_eq!(s.rest().0, ".".repeat(filled), "{kind:?}");
    }
}

#[test]
fn a_signal_in_idle() {
    let maildir = Maildir::new();
    maildir.write("cur/1000.a:2,", b"Subject: a\n\n");
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
    s.send(b"i IDLE\r\n");
    s.finish("i");
    maildir.deliver("INBOX", "1001.b", b"Subject: b\n\n");
    assert_eq!(s.line(), "* 2 EXISTS", "{}", s.story());
    thread::sleep(SETTLED);
    kill(Pid::from_raw(s.pid().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(s.wait().and_then(|status| status.code()), Some(0));
    s.hang_up();
    let rest = String::from_utf8(s.rest()).unwrap();
    assert!(rest.ends_with(BYE), "{rest}");
}

#[test]
fn a_message_that_is_cut_while_it_is_served() {
    for kind in KINDS {
        let maildir = Maildir::new();
        let served = big_message(&maildir, "1000.a", 100_000);
        let mut s = Session::start(&maildir, kind, "");
        s.send("a EXAMINE INBOX\r\nb FETCH 1 BODY.PEEK[]\r\nc NOOP\r\n");
        let mut reader = s.output.reader.try_clone().unwrap();
        let mut bytes = Vec::new();
        let mut piece = [0; 65536];
        // Not before it is served.
        while support::find(&bytes, b"BODY[] {").is_none() {
            let n = reader.read(&mut piece[..1024]).unwrap();
            bytes.extend_from_slice(&piece[..n]);
        }
        let file =
            OpenOptions::new().write(true).open(maildir.path().join("cur/1000.a:2,S")).unwrap();
        file.set_len(1000).unwrap();
        let output = thread::spawn(move || {
            while let Ok(n @ 1..) = reader.read(&mut piece) {
                bytes.extend_from_slice(&piece[..n]);
            }
            String::from_utf8(bytes).unwrap()
        });
        assert_eq!(s.wait(&format!("{kind:?}")).0.code(), Some(1), "{kind:?}");
        let (_, log) = s.rest();
        assert!(log.ends_with("ERR: alice: Cannot read a message\n"), "{kind:?}: {log}");
        let output = output.join().unwrap();
        let (_, fetched) = output.split_once("a OK [READ-ONLY] Ok\r\n").unwrap();
        let answer = format!("* 1 FETCH (BODY[] {{{}}}\r\n{served}", served.len());
        assert!(fetched.len() < answer.len() && answer.starts_with(fetched), "{kind:?}: {output}");
    }
}

#[test]
fn a_log_reader_that_has_stopped_keeps_no_session_from_ending() {
    let maildir = Maildir::new();
    let (output, log) = (End::new(Kind::Pipe), End::new(Kind::Pipe));
    log.fill();
    // Not even at its first line.
    let mut s = Session::spawn(&maildir, output, log, "");
    s.settle();
    assert_eq!(
        s.child.try_wait().unwrap(),
        None,
        "a line is waited for as long as nothing asks the session to end"
    );
    s.signal();
    assert_eq!(s.wait("full log").0.code(), Some(0));
    let mut s = Session::start(&maildir, Kind::Pipe, "");
    s.log.fill();
    s.send("a ID NIL\r\nb LOGOUT\r\n");
    s.settle();
    s.signal();
    assert_eq!(s.wait("full log at the end").0.code(), Some(0));
    assert!(s.rest().0.ends_with("b OK LOGOUT completed\r\n"));
}

/// A terminal takes a line as a whole or waits, whatever poll says; a signal ends that too.
#[test]
fn a_terminal_that_nobody_reads() {
    let maildir = Maildir::new();
    big_message(&maildir, "1000.a", 100_000);
    let (master, slave) = terminal();
    let mut command = Command::new(postrider());
    command
        .arg("./Maildir")
        .current_dir(maildir.home())
        .env_clear()
        .envs(support::ENVIRONMENT.iter().copied());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(slave.try_clone().unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let input = child.stdin.take();
    input.as_ref().unwrap().write_all(b"a EXAMINE INBOX\r\nb FETCH 1 BODY.PEEK[]\r\n").unwrap();
    let mut s = Session {
        child,
        input,
        output: End { kind: Kind::Pipe, reader: master, writer: slave },
        log: End::new(Kind::Pipe),
    };
    s.settle();
    s.signal();
    s.wait("terminal");
}

#[test]
fn memory_runs_out_at_a_terminal() {
    let maildir = Maildir::new();
    let limit = too_many_keywords(&maildir);
    let (master, slave) = terminal();
    let output = End { kind: Kind::Pipe, reader: master, writer: slave };
    let mut s = Session::spawn(&maildir, output, End::new(Kind::Pipe), limit);
    s.greeting();
    // A terminal, too, gives each opener flags of its own.
    s.output.fill();
    s.send("a SELECT INBOX\r\n");
    assert_eq!(s.wait("terminal").0.code(), Some(1));
}

/// A new terminal: its far end, and the end that a program has.
fn terminal() -> (File, File) {
    use nix::libc;
    let open = |path: &str| {
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path).unwrap()
    };
    let master = open("/dev/ptmx");
    let (mut locked, mut number) = (0, 0);
    // SAFETY: both requests read or write one int, which is there.
    let done = unsafe {
        libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw mut locked)
            | libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN, &raw mut number)
    };
    assert_eq!(done, 0);
    let slave = open(&format!("/dev/pts/{number}"));
    (master, slave)
}

/// A socket that is closed with input in it is reset, and takes back what was not read yet.
#[test]
fn last_words_are_not_taken_back() {
    let maildir = Maildir::new();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new(postrider());
    command
        .arg("./Maildir")
        .current_dir(maildir.home())
        .env_clear()
        .envs(support::ENVIRONMENT.iter().copied());
    let fd: OwnedFd = theirs.into();
    command.stdin(fd.try_clone().unwrap()).stdout(fd).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut commands = "x NONSENSE\r\n".repeat(10);
    commands.push_str(&"y NOOP\r\n".repeat(10_000));
    ours.write_all(commands.as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let mut output = String::new();
    ours.read_to_string(&mut output).unwrap();
    let (greeting, output) = output.split_once("\r\n").unwrap();
    assert!(support::is_greeting(greeting.as_bytes()), "{greeting}");
    let errors = "x BAD Error in IMAP command received by server.\r\n".repeat(9);
    let bye = "* BYE [ALERT] Fatal error: TOO MANY CONSECUTIVE PROTOCOL VIOLATIONS: \r\n";
    assert_eq!(output, format!("{errors}{bye}"));
}

/// A client that stops in the middle of what it has announced is sent away: what comes later is
/// never taken for commands.
#[test]
fn what_was_announced_and_comes_late_is_no_command() {
    let maildir = Maildir::new();
    let Some(fast) = support::clock::fast(maildir.home(), 600) else { return };
    // A refused literal waits a minute, a line half an hour.
    for (start, rest, seconds) in [
        ("a APPEND INBOX.missing {24+}\r\nSubject:", " x\r\na CREATE INBOX.x\r\n", 60..1800),
        ("a FOO bar", "\r\na CREATE INBOX.x\r\n", 1800..u64::MAX),
    ] {
        let mut s = maildir.session(&[("LD_PRELOAD", &*fast)]);
        s.send(start.as_bytes());
        assert_eq!(s.line(), "* BYE Disconnected for inactivity.", "{}", s.story());
        s.send(rest.as_bytes());
        assert_eq!(s.rest(), b"", "{}", s.story());
        s.wait().unwrap();
        assert!(!maildir.path().join(".x").exists(), "{}", s.story());
        let log = s.log();
        let last = log.last().unwrap();
        let told: u64 = last.rsplit("time=").next().unwrap().parse().unwrap();
        assert!(last.starts_with("INFO: TIMEOUT, ") && seconds.contains(&told), "{last}");
    }
}

/// Over TCP, to a client that reads slowly and does not stop sending: what it was answered arrives,
/// and so does the goodbye.
#[test]
fn answers_arrive_while_the_client_goes_on_sending() {
    let maildir = Maildir::new();
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = OwnedFd::from(listener.accept().unwrap().0);
    let mut command = Command::new(postrider());
    command
        .arg("./Maildir")
        .current_dir(maildir.home())
        .env_clear()
        .env("AUTHENTICATED", "alice")
        .env("IMAP_EXTENSIONS", "0");
    command
        .stdin(Stdio::from(server.try_clone().unwrap()))
        .stdout(Stdio::from(server))
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(command);
    let answers = 20_000;
    let commands = "a CAPABILITY\r\n".repeat(answers) + &"\"\r\n".repeat(10);
    let mut sender = client.try_clone().unwrap();
    let received = thread::scope(|scope| {
        scope.spawn(move || {
            let _ = sender.write_all(commands.as_bytes());
            // Until the connection is gone.
            for _ in 0..400 {
                if sender.write_all(b"y NOOP\r\n").is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        let mut received = Vec::new();
        let mut buffer = [0; 32 * 1024];
        while let Ok(n) = client.read(&mut buffer) {
            if n == 0 {
                break;
            }
            received.extend_from_slice(&buffer[..n]);
            thread::sleep(Duration::from_millis(5));
        }
        received
    });
    let _ = child.wait();
    let text = String::from_utf8_lossy(&received);
    assert_eq!(text.matches("a OK CAPABILITY completed\r\n").count(), answers);
    assert!(
        text.ends_with("* BYE [ALERT] Fatal error: TOO MANY CONSECUTIVE PROTOCOL VIOLATIONS: \r\n"),
        "{}",
        &text[text.len() - 200..]
    );
}
