//! The test house's tools: Maildirs that vanish after the test and real sessions over them.
//!
//! Every session is the real binary, started with an empty environment plus the variables that the
//! test names, so that no test ever opens somebody's mail. A failure tells the whole story: the
//! transcript, the log and the Maildir's listing.
//!
//! ```ignore
//! let maildir = Maildir::new();
//! maildir.deliver("INBOX", "1000.a", b"Subject: hello\n\nbody\n");
//! let mut s = maildir.session(&[("IMAP_KEYWORDS", "1")]);
//! s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok").has("* 1 EXISTS");
//! ```
#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

pub mod clock;
pub mod dialog;
pub mod pattern;
pub mod play;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest that a test waits for one answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What every session has unless the test says otherwise: the wire is Courier's, nothing sleeps,
/// time is UTC.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("AUTHENTICATED", "alice"),
    ("HOSTNAME", "host.example"),
    ("IMAP_BROKENUIDV", "1"),
    ("IMAP_EXTENSIONS", "0"),
    ("IMAP_KEYWORDS", "1"),
    ("TZ", "UTC0"),
];

/// splitmix64: numbers that a seed repeats.
pub struct Random(pub u64);

impl Random {
    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % n.max(1)
    }

    /// One of them.
    pub fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// Our own binary; another one if IMAPD_UNDER_TEST names it.
pub fn postrider() -> PathBuf {
    std::env::var_os("IMAPD_UNDER_TEST")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_imapd")), PathBuf::from)
}

/// A home directory with a Maildir in it, gone when dropped.
pub struct Maildir {
    home: tempfile::TempDir,
    root: PathBuf,
}

impl Maildir {
    /// An empty Maildir below the target directory (which has no sticky bit, as imapd wants it).
    pub fn new() -> Self {
        let home = tempfile::Builder::new()
            .prefix("mail-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        let root = home.path().join("Maildir");
        for sub in ["", "tmp", "new", "cur"] {
            fs::create_dir(root.join(sub)).unwrap();
        }
        Self { home, root }
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The directory that sessions start in.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where a folder lives: `INBOX`, or `INBOX.a.b` in `.a.b`.
    pub fn folder_path(&self, folder: &str) -> PathBuf {
        match folder.strip_prefix("INBOX") {
            Some(rest) => self.root.join(rest),
            None => panic!("folders are named from INBOX: {folder}"),
        }
    }

    /// Makes a folder as Courier makes it.
    pub fn folder(&self, folder: &str) -> &Self {
        let path = self.folder_path(folder);
        for sub in ["", "tmp", "new", "cur"] {
            fs::create_dir_all(path.join(sub)).unwrap();
        }
        fs::write(path.join("maildirfolder"), b"").unwrap();
        self
    }

    /// A delivery: written in `tmp`, moved to `new`.
    pub fn deliver(&self, folder: &str, name: &str, content: &[u8]) -> &Self {
        let path = self.folder_path(folder);
        fs::write(path.join("tmp").join(name), content).unwrap();
        fs::rename(path.join("tmp").join(name), path.join("new").join(name)).unwrap();
        self
    }

    /// A file of the Maildir with exactly this name and content; directories come into being as
    /// needed.
    pub fn write(&self, name: &str, content: &[u8]) -> &Self {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Sets a file's modification time (Unix seconds): the message's INTERNALDATE.
    pub fn touch(&self, name: &str, seconds: u64) -> &Self {
        let file = fs::File::open(self.root.join(name)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        self
    }

    /// Every file below the Maildir, sorted, as paths relative to it.
    pub fn files(&self) -> Vec<String> {
        self.files_in("")
    }

    /// The same for one directory, as paths relative to that.
    pub fn files_in(&self, dir: &str) -> Vec<String> {
        let mut found = Vec::new();
        let dir = self.root.join(dir);
        walk(&dir, &mut |path| {
            if !path.is_dir() || path.is_symlink() {
                found.push(path.strip_prefix(&dir).unwrap().to_string_lossy().into_owned());
            }
        });
        found.sort();
        found
    }

    /// What lies in the Maildir: mode, size, time and name, for people.
    pub fn listing(&self) -> String {
        let mut out = String::new();
        let mut paths = Vec::new();
        walk(&self.root, &mut |path| paths.push(path.to_path_buf()));
        paths.sort();
        for path in paths {
            let Ok(meta) = fs::symlink_metadata(&path) else {
                continue;
            };
            let slash = if meta.is_dir() { "/" } else { "" };
            let name = path.strip_prefix(&self.root).unwrap().display();
            let _ = writeln!(
                out,
                "{:06o} {:>7} {} {name}{slash}",
                meta.mode(),
                meta.size(),
                meta.mtime()
            );
        }
        out
    }

    /// A session of our binary with the usual environment, changed by `env` (an empty value
    /// unsets); past its greeting.
    pub fn session(&self, env: &[(&str, &str)]) -> Session {
        let mut s = self.start(&postrider(), env, &["./Maildir"]);
        let greeting = s.response(PATIENCE);
        assert_eq!(greeting.as_deref(), Some(&b"* PREAUTH Ready."[..]), "greeting\n{}", s.story());
        s
    }

    /// A session of any binary, before its greeting.
    pub fn start(&self, program: &Path, env: &[(&str, &str)], args: &[&str]) -> Session {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.home()).env_clear();
        for (name, value) in ENVIRONMENT.iter().chain(env) {
            if value.is_empty() {
                command.env_remove(name);
            } else {
                command.env(name, value);
            }
        }
        Session::spawn(command, self.root.clone())
    }
}

impl Default for Maildir {
    fn default() -> Self {
        Self::new()
    }
}

fn walk(dir: &Path, see: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        see(&path);
        if path.is_dir() && !path.is_symlink() {
            walk(&path, see);
        }
    }
}

/// One running session. Its ends are pipes; reading has a time limit.
pub struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    log: Arc<Mutex<Vec<u8>>>,
    log_reader: Option<thread::JoinHandle<()>>,
    buffer: Vec<u8>,
    ended: bool,
    tags: u32,
    root: PathBuf,
    /// Both directions, as text.
    pub transcript: String,
}

impl Session {
    fn spawn(mut command: Command, root: PathBuf) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut stdout = child.stdout.take().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut chunk = vec![0; 65536];
            while let Ok(n @ 1..) = stdout.read(&mut chunk) {
                if sender.send(chunk[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        let log = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&log);
        let log_reader = Some(thread::spawn(move || {
            let mut chunk = vec![0; 4096];
            while let Ok(n @ 1..) = stderr.read(&mut chunk) {
                shared.lock().unwrap().extend_from_slice(&chunk[..n]);
            }
        }));
        let input = child.stdin.take();
        let (buffer, transcript) = (Vec::new(), String::new());
        Self {
            child,
            input,
            output,
            log,
            log_reader,
            buffer,
            ended: false,
            tags: 0,
            root,
            transcript,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends octets as they are. A session that has gone is noticed by the reader, not here.
    pub fn send(&mut self, octets: &[u8]) {
        for line in octets.split_inclusive(|&b| b == b'\n') {
            let _ = writeln!(
                self.transcript,
                "C: {}",
                pattern::show(line.strip_suffix(b"\r\n").unwrap_or(line))
            );
        }
        if let Some(input) = self.input.as_mut() {
            let _ = input.write_all(octets).and_then(|()| input.flush());
        }
    }

    fn fill(&mut self, deadline: Instant) -> bool {
        match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(chunk) => {
                self.buffer.extend_from_slice(&chunk);
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                self.ended = true;
                false
            }
        }
    }

    /// One response: a line, and the literals and lines that belong to it, without the final CR LF.
    /// None: nothing (complete) within the time, or the session has ended.
    pub fn response(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + patience;
        let mut from = 0;
        loop {
            while let Some(at) = find(&self.buffer[from..], b"\r\n") {
                let end = from + at;
                match literal_at_end(&self.buffer[from..end]) {
                    Some(n) => {
                        from = end + 2 + n;
                        while self.buffer.len() < from {
                            if !self.fill(deadline) {
                                return None;
                            }
                        }
                    }
                    None => {
                        let mut response: Vec<u8> = self.buffer.drain(..end + 2).collect();
                        response.truncate(end);
                        for line in split_crlf(&response) {
                            let _ = writeln!(self.transcript, "S: {}", pattern::show(line));
                        }
                        return Some(response);
                    }
                }
            }
            if !self.fill(deadline) {
                return None;
            }
        }
    }

    /// The next response as text; `(nothing)` when none comes.
    pub fn line(&mut self) -> String {
        self.response(PATIENCE).map_or_else(|| "(nothing)".to_owned(), |r| pattern::show(&r))
    }

    /// Octets that were received and not taken by `response`; after the end, everything that is
    /// left.
    pub fn rest(&mut self) -> Vec<u8> {
        while let Ok(chunk) = self
            .output
            .recv_timeout(Duration::from_millis(if self.input.is_none() { 2000 } else { 0 }))
        {
            self.buffer.extend_from_slice(&chunk);
        }
        std::mem::take(&mut self.buffer)
    }

    /// Whether the session closed its output.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Sends one command with a fresh tag and reads up to its tagged line.
    pub fn cmd(&mut self, command: &str) -> Reply {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(format!("{tag} {command}\r\n").as_bytes());
        self.finish(&tag)
    }

    /// APPEND and the like: the command up to its `{n}`, which is added, the literal, and the rest
    /// of the line.
    pub fn cmd_literal(&mut self, command: &str, literal: &[u8], tail: &str) -> Reply {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(format!("{tag} {command} {{{}}}\r\n", literal.len()).as_bytes());
        let reply = self.finish(&tag);
        if !reply.last().starts_with(b"+") {
            return reply;
        }
        self.send(&[literal, tail.as_bytes(), b"\r\n"].concat());
        self.finish(&tag)
    }

    /// Reads until the tagged line of `tag`, a continuation line or the end.
    pub fn finish(&mut self, tag: &str) -> Reply {
        let mut responses = Vec::new();
        while let Some(response) = self.response(PATIENCE) {
            let last =
                response.starts_with(format!("{tag} ").as_bytes()) || response.starts_with(b"+");
            responses.push(response);
            if last {
                break;
            }
        }
        Reply { tag: tag.to_owned(), responses, story: self.story() }
    }

    /// The lines that the session wrote to standard error so far; all of them once it has ended.
    pub fn log(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.log.lock().unwrap()).lines().map(str::to_owned).collect()
    }

    /// Closes the session's input, as a client that goes away.
    pub fn hang_up(&mut self) {
        self.input = None;
    }

    /// Waits for the end of the process; None when it does not come (the process is then killed).
    pub fn wait(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                if let Some(reader) = self.log_reader.take() {
                    let _ = reader.join();
                }
                return Some(status);
            }
            thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }

    /// Transcript, log and listing: what a failure prints.
    pub fn story(&self) -> String {
        let mut out = format!("--- transcript\n{}", self.transcript);
        if !self.buffer.is_empty() {
            let _ = writeln!(out, "(incomplete: {})", pattern::show(&self.buffer));
        }
        let _ = writeln!(out, "--- log\n{}", self.log().join("\n"));
        out
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.input = None;
        if thread::panicking() || !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// The answer to one command. Its checks return it, so that they read in a row.
#[derive(Debug, Clone)]
pub struct Reply {
    tag: String,
    pub responses: Vec<Vec<u8>>,
    story: String,
}

impl Reply {
    /// The last line: the tagged one, or the continuation.
    pub fn last(&self) -> &[u8] {
        self.responses.last().map_or(b"", |r| r)
    }

    #[track_caller]
    fn tagged(&self, word: &str, text: &str) -> &Self {
        let expected = format!("{} {word} {text}", self.tag);
        assert!(
            self.last() == expected.as_bytes(),
            "expected: {expected}\nreceived: {}\n{}",
            pattern::show(self.last()),
            self.story
        );
        self
    }

    #[track_caller]
    pub fn ok(&self, text: &str) -> &Self {
        self.tagged("OK", text)
    }

    #[track_caller]
    pub fn no(&self, text: &str) -> &Self {
        self.tagged("NO", text)
    }

    #[track_caller]
    pub fn bad(&self, text: &str) -> &Self {
        self.tagged("BAD", text)
    }

    /// The tagged line starts like this, its tag left out.
    #[track_caller]
    pub fn says(&self, start: &str) -> &Self {
        let expected = format!("{} {start}", self.tag);
        assert!(
            self.last().starts_with(expected.as_bytes()),
            "expected: {expected}...\nreceived: {}\n{}",
            pattern::show(self.last()),
            self.story
        );
        self
    }

    /// One of the responses is exactly this (literals included, lines joined by CR LF).
    #[track_caller]
    pub fn has(&self, response: &str) -> &Self {
        assert!(
            self.responses.iter().any(|r| r == response.as_bytes()),
            "expected: {response}\n{}",
            self.story
        );
        self
    }

    /// None of the responses starts like this.
    #[track_caller]
    pub fn lacks(&self, start: &str) -> &Self {
        let found = self.responses.iter().any(|r| r.starts_with(start.as_bytes()));
        assert!(!found, "not expected: {start}\n{}", self.story);
        self
    }

    /// The first response that starts like this.
    #[track_caller]
    pub fn get(&self, start: &str) -> &[u8] {
        match self.responses.iter().find(|r| r.starts_with(start.as_bytes())) {
            Some(response) => response,
            None => panic!("expected: {start}...\n{}", self.story),
        }
    }
}

/// The octet count of a line that ends in `{n}`: a literal follows.
pub fn literal_at_end(line: &[u8]) -> Option<usize> {
    let open = line.strip_suffix(b"}")?;
    let at = open.iter().rposition(|&b| b == b'{')?;
    let digits = &open[at + 1..];
    if digits.is_empty()
        || !digits.iter().all(u8::is_ascii_digit)
        || at == 0
        || !matches!(line[at - 1], b' ' | b'~')
    {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// The lines of a response, literals cut into lines as well.
pub fn split_crlf(mut octets: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(at) = find(octets, b"\r\n") {
        lines.push(&octets[..at]);
        octets = &octets[at + 2..];
    }
    lines.push(octets);
    lines
}

/// Unix seconds now.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Whether a path may be executed: is Courier here?
pub fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}
