//! COMPRESS=DEFLATE on real sessions (RFC 4978): a client with a real DEFLATE stream each way.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use support::{Maildir, PATIENCE, postrider};

/// A client on a socket.
struct Client {
    child: Child,
    socket: UnixStream,
    streams: Option<(Compress, Decompress)>,
    /// What was received and not expected yet.
    text: String,
    /// The connection has an end.
    is_over: bool,
    /// How many bytes are sent at a time.
    piece: usize,
}

impl Client {
    /// Past its greeting; `limit`: shell commands before it.
    fn new(maildir: &Maildir, limit: &str) -> Client {
        let (socket, theirs) = UnixStream::pair().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let theirs: OwnedFd = theirs.into();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &format!("{limit} exec {} ./Maildir", postrider().display())])
            .current_dir(maildir.home())
            .env_clear()
            .envs(support::ENVIRONMENT.iter().copied())
            .stdin(theirs.try_clone().unwrap())
            .stdout(theirs)
            .stderr(Stdio::null());
        let child = command.spawn().unwrap();
        drop(command);
        let mut client = Client {
            child,
            socket,
            streams: None,
            text: String::new(),
            is_over: false,
            piece: usize::MAX,
        };
        client.expect("Ready.\r\n");
        client
    }

    /// With compression.
    fn compressed(maildir: &Maildir, limit: &str) -> Client {
        let mut client = Client::new(maildir, limit);
        client.send("z COMPRESS DEFLATE\r\n");
        client.expect("z OK DEFLATE active.\r\n");
        client.deflate();
        client
    }

    /// Compresses from now on.
    fn deflate(&mut self) {
        assert_eq!(self.text, "");
        self.streams = Some((Compress::new(Compression::default(), false), Decompress::new(false)));
    }

    fn send(&mut self, text: &str) {
        let bytes = match &mut self.streams {
            None => text.as_bytes().to_vec(),
            Some((compress, _)) => {
                let mut bytes = Vec::with_capacity(text.len() * 2 + 100);
                compress.compress_vec(text.as_bytes(), &mut bytes, FlushCompress::Sync).unwrap();
                bytes
            }
        };
        self.send_raw(&bytes);
    }

    fn send_raw(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece) {
            self.socket.write_all(piece).unwrap();
        }
    }

    fn receive(&mut self) {
        let mut bytes = [0; 4096];
        let count = self.socket.read(&mut bytes).unwrap();
        let mut bytes = &bytes[..count];
        self.is_over |= count == 0;
        let Some((_, decompress)) = &mut self.streams else {
            self.text.push_str(std::str::from_utf8(bytes).unwrap());
            return;
        };
        while !bytes.is_empty() {
            let mut out = Vec::with_capacity(65_536);
            let before = decompress.total_in();
            let status = decompress.decompress_vec(bytes, &mut out, FlushDecompress::None).unwrap();
            bytes = &bytes[(decompress.total_in() - before) as usize..];
            self.text.push_str(std::str::from_utf8(&out).unwrap());
            // Mail::IMAPClient reads no answer in front of such an end.
            assert_ne!(status, Status::StreamEnd, "the stream has an end");
        }
        // What is left in the window.
        let mut out = Vec::with_capacity(65_536);
        let _ = decompress.decompress_vec(&[], &mut out, FlushDecompress::None);
        self.text.push_str(std::str::from_utf8(&out).unwrap());
    }

    /// Reads to this text; all up to it.
    #[track_caller]
    fn expect(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.text.find(text) {
                let rest = self.text.split_off(at + text.len());
                return std::mem::replace(&mut self.text, rest);
            }
            assert!(!self.is_over, "expected: {text}\nreceived: {}", self.text);
            self.receive();
        }
    }

    #[track_caller]
    fn cmd(&mut self, command: &str) -> String {
        self.send(&format!("{command}\r\n"));
        let tag = command.split(' ').next().unwrap();
        let untagged = self.expect(&format!("{tag} "));
        untagged + &self.expect("\r\n")
    }

    /// All that still comes, and the status.
    fn rest(mut self) -> (String, ExitStatus) {
        while !self.is_over {
            self.receive();
        }
        (self.text, self.child.wait().unwrap())
    }
}

/// A message of this many different lines.
fn message(lines: u64) -> String {
    let line = |n: u64| format!("Line {n}: {}\n", n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    format!("Subject: big\n\n{}", (0..lines).map(line).collect::<String>())
}

/// INPROGRESS (RFC 9585) is of use only at once.
#[test]
fn a_client_is_told_at_once_that_its_command_is_at_work() {
    let maildir = Maildir::new();
    maildir.write("new/1001.a", message(1).as_bytes());
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    maildir.write("tmp/courier.lock", format!("{}:{host}\n", std::process::id()).as_bytes());
    let mut c = Client::compressed(&maildir, "");
    c.send("a SELECT INBOX\r\n");
    let before = c.expect("* OK [INPROGRESS (\"a\" NIL NIL)] Still at work.\r\n");
    assert!(before.starts_with("* OK [INPROGRESS "), "{before}");
    std::fs::remove_file(maildir.path().join("tmp/courier.lock")).unwrap();
    c.expect("a OK ");
    c.expect("\r\n");
    assert!(c.cmd("b NOOP").starts_with("b OK "));
}

#[test]
fn a_session_from_start_to_end() {
    for piece in [usize::MAX, 1] {
        let maildir = Maildir::new();
        let big = message(20_000);
        maildir.write("cur/1001.a:2,S", big.as_bytes());
        let mut c = Client::compressed(&maildir, "");
        c.piece = piece;
        assert!(c.cmd("a SELECT INBOX").contains("* 1 EXISTS\r\n"));
        assert_eq!(c.cmd("b COMPRESS DEFLATE"), "b BAD [COMPRESSIONACTIVE] DEFLATE is active.\r\n");
        let served = c.cmd("c FETCH 1 BODY.PEEK[]");
        assert!(served.contains(&big.replace('\n', "\r\n")));
        // Literals, with a continuation and without.
        c.send("d APPEND INBOX {9}\r\n");
        c.expect("+ OK\r\n");
        c.send("Subject: \r\n");
        c.expect("d OK ");
        c.expect("\r\n");
        assert!(c.cmd("e APPEND INBOX {3+}\r\nx\r\n").contains("e OK "));
        // Pipelined.
        c.send("f NOOP\r\ng NOOP\r\n");
        c.expect("f OK NOOP completed\r\ng OK NOOP completed\r\n");
        // IDLE tells at once; an empty block is not the end of it.
        c.send("h IDLE\r\n");
        c.expect("idle mode\r\n");
        c.send("");
        maildir.deliver("INBOX", "2000.b", b"Subject: new\n\n");
        c.expect("* 4 EXISTS\r\n");
        c.send("DONE\r\n");
        c.expect("h OK IDLE completed\r\n");
        c.send("i LOGOUT\r\n");
        let (text, status) = c.rest();
        assert!(text.ends_with("i OK LOGOUT completed\r\n"), "{text}");
        assert!(status.success());
    }
}

/// QRESYNC (RFC 7162) in both directions of a stream.
#[test]
fn a_client_that_comes_back_is_told_what_it_has_missed() {
    let maildir = Maildir::new();
    for n in 1..=5 {
        maildir.write(&format!("cur/100{n}.a:2,"), b"Subject: x\n\nx\n");
    }
    let after = |text: &str, word: &str| {
        let rest = text.split_once(word).unwrap_or_else(|| panic!("{word}: {text}")).1;
        rest.split([']', ')']).next().unwrap().to_owned()
    };
    let mut c = Client::new(&maildir, "");
    assert!(c.cmd("a ENABLE QRESYNC").contains("* ENABLED CONDSTORE QRESYNC\r\n"));
    c.send("b COMPRESS DEFLATE\r\n");
    c.expect("b OK DEFLATE active.\r\n");
    c.deflate();
    let opened = c.cmd("c SELECT INBOX");
    let (validity, told) = (after(&opened, "[UIDVALIDITY "), after(&opened, "[HIGHESTMODSEQ "));
    let stored = c.cmd("d STORE 1 +FLAGS.SILENT (\\Seen)");
    assert!(stored.starts_with("* 1 FETCH (UID 1 MODSEQ ("), "{stored}");
    let mut other = maildir.session(&[]);
    other.cmd("SELECT INBOX").says("OK");
    other.cmd("STORE 2:3,5 +FLAGS.SILENT (\\Deleted)").says("OK");
    other.cmd("EXPUNGE").says("OK");
    other.cmd("UID STORE 4 +FLAGS.SILENT (\\Flagged)").says("OK");
    let news = c.cmd("e NOOP");
    assert!(news.contains("* VANISHED 2:3,5\r\n"), "{news}");
    assert!(news.contains("* 2 FETCH (UID 4 FLAGS (\\Flagged"), "{news}");
    c.send("f LOGOUT\r\n");
    c.rest();
    // Back again, compressed from the start.
    let mut c = Client::compressed(&maildir, "");
    c.cmd("a ENABLE QRESYNC");
    let missed = c.cmd(&format!("b SELECT INBOX (QRESYNC ({validity} {told} 1:5 (1:5 1:5)))"));
    assert!(missed.contains("* VANISHED (EARLIER) 2:3,5\r\n"), "{missed}");
    assert!(missed.contains("* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ ("), "{missed}");
    assert!(missed.contains("* 2 FETCH (UID 4 FLAGS (\\Flagged) MODSEQ ("), "{missed}");
    let told = after(&missed, "[HIGHESTMODSEQ ");
    let fetched = c.cmd(&format!("c UID FETCH 1:* (FLAGS) (CHANGEDSINCE {told} VANISHED)"));
    assert_eq!(fetched, "c OK FETCH completed.\r\n");
}

#[test]
fn commands_that_come_with_it_are_compressed() {
    let maildir = Maildir::new();
    let mut c = Client::new(&maildir, "");
    let mut bytes = b"a COMPRESS DEFLATE\r\n".to_vec();
    let mut stream = Vec::with_capacity(1000);
    let mut compress = Compress::new(Compression::default(), false);
    compress.compress_vec(b"b NOOP\r\n", &mut stream, FlushCompress::Sync).unwrap();
    bytes.extend_from_slice(&stream);
    c.send_raw(&bytes);
    // The answer itself is not compressed; what follows it is.
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        c.socket.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    assert_eq!(line, b"a OK DEFLATE active.\r\n");
    c.deflate();
    c.expect("b OK NOOP completed\r\n");
}

#[test]
fn what_is_no_stream_ends_the_session() {
    let maildir = Maildir::new();
    let mut c = Client::compressed(&maildir, "");
    assert!(c.cmd("a NOOP").ends_with("a OK NOOP completed\r\n"));
    // A block of type 3, of which there is none.
    c.send_raw(&[0xff; 8]);
    let (text, status) = c.rest();
    assert_eq!(text, "* BYE [ALERT] Fatal error: COMPRESSED DATA CANNOT BE READ: \r\n");
    assert_eq!(status.code(), Some(1));
}

/// A megabyte that stands for a gigabyte: the session goes on, in little memory.
#[test]
fn a_bomb_is_skipped() {
    let maildir = Maildir::new();
    let mut c = Client::compressed(&maildir, "ulimit -v 65536;");
    // A refused literal is read and thrown away.
    let zeros = "0".repeat(1 << 20);
    c.send(&format!("a APPEND INBOX.none {{{}+}}\r\n", zeros.len() * 40));
    for _ in 0..40 {
        c.send(&zeros);
    }
    c.send("\r\nb NOOP\r\n");
    c.expect("a NO [TRYCREATE] ");
    c.expect("b OK NOOP completed\r\n");
    // So is a line that is too long.
    for _ in 0..40 {
        c.send(&zeros);
    }
    c.send("\r\nc NOOP\r\n");
    c.expect("* BAD ");
    c.expect("c OK NOOP completed\r\n");
}

#[test]
fn signals_and_the_end_of_input_end_the_session() {
    let maildir = Maildir::new();
    let mut c = Client::compressed(&maildir, "");
    c.cmd("a NOOP");
    kill(Pid::from_raw(c.child.id().cast_signed()), Signal::SIGTERM).unwrap();
    let (text, status) = c.rest();
    assert_eq!(text, "* BYE Courier-IMAP server shut down by signal.\r\n");
    assert!(status.success());

    let mut c = Client::compressed(&maildir, "");
    c.send("a NOOP\r\n");
    c.socket.shutdown(std::net::Shutdown::Write).unwrap();
    let (text, status) = c.rest();
    assert_eq!(text, "a OK NOOP completed\r\n");
    assert!(status.success());
}

/// Nothing can be compressed when memory has run out: the goodbye comes uncompressed in the stream.
#[test]
fn a_fatal_exit_says_goodbye_in_a_stored_block() {
    let maildir = Maildir::new();
    maildir.write("courierimapkeywords/x", b"");
    let list = maildir.path().join("courierimapkeywords/:list");
    File::create(list).unwrap().set_len(200 << 20).unwrap();
    for commands in ["b SELECT INBOX\r\n", "a NOOP\r\nb SELECT INBOX\r\n"] {
        let mut c = Client::compressed(&maildir, "ulimit -v 65536;");
        c.cmd("z NOOP");
        c.send(commands);
        let (text, status) = c.rest();
        let answers = if commands.contains("NOOP") { "a OK NOOP completed\r\n" } else { "" };
        assert_eq!(
            text,
            format!(
                "{answers}* BYE [ALERT] Fatal error: Cannot allocate memory: Cannot allocate memory\r\n"
            )
        );
        assert_eq!(status.code(), Some(1));
    }
}
