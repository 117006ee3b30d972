//! The client of the measurements: one session over a socket pair. It reads in large pieces and
//! looks only for line starts and the tag, so that the server is what is timed; what it counts on
//! the way shows that the answer was whole.

use memchr::memmem;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How much of an answer is kept for a look at its text.
const KEPT: usize = 8 << 20;
/// Longer than any answer should take.
const PATIENCE: Duration = Duration::from_secs(900);

/// One command's answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// From before the command is written until its tagged line has come.
    pub seconds: f64,
    pub bytes: u64,
    /// Untagged lines.
    pub lines: u64,
    pub ok: bool,
    /// The beginning of the answer, at most 8 MiB.
    pub text: Vec<u8>,
    /// The tagged line.
    pub last: String,
}

impl Answer {
    /// How many numbers stand in `* SEARCH`, `* SORT` or `* THREAD`.
    pub fn hits(&self) -> u64 {
        let mut hits = 0;
        for line in self.text.split(|&b| b == b'\n') {
            let word = line.starts_with(b"* SEARCH")
                || line.starts_with(b"* SORT")
                || line.starts_with(b"* THREAD");
            if word {
                hits +=
                    line.split(|b| !b.is_ascii_digit()).filter(|w| !w.is_empty()).count() as u64;
            }
        }
        hits
    }

    /// The number before `EXISTS`.
    pub fn exists(&self) -> Option<u64> {
        let text = String::from_utf8_lossy(&self.text);
        text.lines().find_map(|l| l.strip_prefix("* ")?.strip_suffix(" EXISTS")?.parse().ok())
    }
}

/// Whether times are of the processor, not of the clock: these stay the same on a busy machine, but
/// leave out waits for the disk.
static PROCESSOR: AtomicBool = AtomicBool::new(false);

pub fn by_processor() {
    PROCESSOR.store(true, Ordering::Relaxed);
}

/// A stop-watch on a process.
pub struct Watch {
    begin: Instant,
    process: String,
    used: u64,
}

impl Watch {
    /// On a process, or on the calling thread.
    pub fn on(pid: Option<u32>) -> Self {
        let process = pid.map_or("/proc/thread-self/schedstat".to_owned(), |pid| {
            format!("/proc/{pid}/schedstat")
        });
        let used = if PROCESSOR.load(Ordering::Relaxed) { used(&process) } else { 0 };
        Self { begin: Instant::now(), process, used }
    }

    pub fn seconds(&self) -> f64 {
        let wall = self.begin.elapsed().as_secs_f64();
        if !PROCESSOR.load(Ordering::Relaxed) {
            return wall;
        }
        if !self.process.contains("self") {
            // The account is up to date when the process waits again.
            std::thread::sleep(Duration::from_micros(300));
        }
        used(&self.process).saturating_sub(self.used) as f64 / 1e9
    }
}

fn used(process: &str) -> u64 {
    let text = std::fs::read_to_string(process).unwrap_or_default();
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

pub struct Session {
    child: Child,
    socket: UnixStream,
    buffer: Vec<u8>,
    count: u32,
}

impl Session {
    /// Starts the server and waits for its greeting; the time from before the fork to the greeting.
    pub fn start(mut command: Command) -> io::Result<(Self, f64)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(PATIENCE))?;
        let output: OwnedFd = theirs.try_clone()?.into();
        let input: OwnedFd = theirs.into();
        command.stdin(Stdio::from(input)).stdout(Stdio::from(output));
        let begin = Instant::now();
        let child = command.spawn()?;
        // The command holds our copies of the server's ends: a server that dies must be seen as the
        // end of the input.
        drop(command);
        let mut session = Self { child, socket: ours, buffer: vec![0; 1 << 20], count: 0 };
        let mut greeting = Vec::new();
        while !greeting.contains(&b'\n') {
            let n = session.socket.read(&mut session.buffer)?;
            if n == 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "no greeting"));
            }
            greeting.extend_from_slice(&session.buffer[..n]);
        }
        let seconds = begin.elapsed().as_secs_f64();
        if !greeting.starts_with(b"* PREAUTH") {
            return Err(io::Error::other(format!(
                "greeting: {}",
                String::from_utf8_lossy(&greeting).trim_end()
            )));
        }
        Ok((session, seconds))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// One command without its tag and CRLF.
    pub fn command(&mut self, text: &str) -> io::Result<Answer> {
        self.pipeline(&[text])
    }

    /// As `command`; anything but OK is an error.
    pub fn good(&mut self, text: &str) -> io::Result<Answer> {
        let answer = self.command(text)?;
        if answer.ok {
            Ok(answer)
        } else {
            Err(io::Error::other(format!("{text}: {}", answer.last)))
        }
    }

    /// Several commands in one write; `ok` and `last` are the last one's, but a NO or BAD in
    /// between clears `ok`.
    pub fn pipeline(&mut self, commands: &[&str]) -> io::Result<Answer> {
        let mut bytes = Vec::new();
        for (n, text) in commands.iter().enumerate() {
            let tag = if n + 1 == commands.len() { self.tag() } else { "zqb.".to_owned() };
            bytes.extend_from_slice(format!("{tag} {text}\r\n").as_bytes());
        }
        let tag = format!("zqb.{} ", self.count);
        let watch = Watch::on(Some(self.pid()));
        self.socket.write_all(&bytes)?;
        let mut answer = self.until(tag.as_bytes())?;
        answer.seconds = watch.seconds();
        if memmem::find(&answer.text, b"\r\nzqb. NO").is_some()
            || memmem::find(&answer.text, b"\r\nzqb. BAD").is_some()
        {
            answer.ok = false;
        }
        Ok(answer)
    }

    /// APPEND with a synchronising literal, as every client can.
    pub fn append(&mut self, folder: &str, message: &[u8]) -> io::Result<Answer> {
        let tag = self.tag();
        let watch = Watch::on(Some(self.pid()));
        write!(self.socket, "{tag} APPEND {folder} {{{}}}\r\n", message.len())?;
        let go = self.until(b"+ ")?;
        if !go.last.starts_with("+ ") {
            return Ok(go);
        }
        self.socket.write_all(message)?;
        self.socket.write_all(b"\r\n")?;
        let mut answer = self.until(format!("{tag} ").as_bytes())?;
        answer.seconds = watch.seconds();
        Ok(answer)
    }

    /// Enters IDLE; `idle_done` ends it.
    pub fn idle(&mut self) -> io::Result<String> {
        let tag = self.tag();
        write!(self.socket, "{tag} IDLE\r\n")?;
        Ok(self.until(b"+ ")?.last)
    }

    pub fn idle_done(&mut self) -> io::Result<Answer> {
        let tag = format!("zqb.{} ", self.count);
        self.socket.write_all(b"DONE\r\n")?;
        self.until(tag.as_bytes())
    }

    /// Reads until `word` has come in an untagged line; None: `patience` ran out.
    pub fn notice(&mut self, word: &[u8], patience: Duration) -> io::Result<Option<Instant>> {
        self.socket.set_read_timeout(Some(patience))?;
        let mut seen = Vec::new();
        let came = loop {
            match self.socket.read(&mut self.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    let now = Instant::now();
                    seen.extend_from_slice(&self.buffer[..n]);
                    if memmem::find(&seen, word).is_some() {
                        break Some(now);
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => break None,
                Err(e) => return Err(e),
            }
        };
        self.socket.set_read_timeout(Some(PATIENCE))?;
        Ok(came)
    }

    pub fn logout(mut self) -> io::Result<()> {
        let _ = self.command("LOGOUT");
        self.child.wait().map(drop)
    }

    fn tag(&mut self) -> String {
        self.count += 1;
        format!("zqb.{}", self.count)
    }

    fn until(&mut self, tag: &[u8]) -> io::Result<Answer> {
        let mut answer = Answer::default();
        let starts = memmem::Finder::new(b"\n* ");
        // The last two bytes of the piece before stand in front of each piece; the answer begins
        // at the start of a line.
        self.buffer[..2].copy_from_slice(b" \n");
        let mut tail: Vec<u8> = Vec::new();
        loop {
            let n = match self.socket.read(&mut self.buffer[2..]) {
                Ok(0) => {
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server has gone"));
                }
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            let piece = &self.buffer[..n + 2];
            answer.bytes += n as u64;
            answer.lines += starts.find_iter(piece).count() as u64;
            let new = &piece[2..];
            let room = KEPT - answer.text.len();
            answer.text.extend_from_slice(&new[..n.min(room)]);
            tail.extend_from_slice(&new[n.saturating_sub(2048)..]);
            tail.drain(..tail.len().saturating_sub(2048));
            if let Some(body) = tail.strip_suffix(b"\r\n") {
                let line = body.rsplit(|&b| b == b'\n').next().unwrap_or(body);
                let refused = tag == b"+ " && line.starts_with(b"zqb.");
                if line.starts_with(tag) || refused || line.starts_with(b"* BYE") {
                    answer.ok = line[tag.len().min(line.len())..].starts_with(b"OK");
                    answer.last = String::from_utf8_lossy(line).trim_end().to_owned();
                    return Ok(answer);
                }
            }
            self.buffer.copy_within(n..n + 2, 0);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
