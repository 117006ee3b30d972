//! A session whose output, and whose log, nobody reads unless asked to.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use support::{Maildir, postrider};

/// No end takes longer on a busy machine: the program's own grace is five seconds.
pub const SOON: Duration = support::PATIENCE;
/// Long enough for a session to have done what it can do, and to wait.
pub const SETTLED: Duration = Duration::from_millis(300);
pub const BYE: &str = "* BYE Courier-IMAP server shut down by signal.\r\n";

/// What the session writes to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    Pipe,
    Socket,
}

pub const KINDS: [Kind; 2] = [Kind::Pipe, Kind::Socket];

/// One end of the connection (or of the log) in our hands: what was written, and a way to fill it
/// up.
pub struct End {
    pub kind: Kind,
    pub reader: File,
    pub writer: File,
}

impl End {
    pub fn new(kind: Kind) -> End {
        let (reader, writer): (OwnedFd, OwnedFd) = match kind {
            Kind::Pipe => {
                let (reader, writer) = std::io::pipe().unwrap();
                (reader.into(), writer.into())
            }
            Kind::Socket => {
                let (reader, writer) = UnixStream::pair().unwrap();
                (reader.into(), writer.into())
            }
        };
        End { kind, reader: reader.into(), writer: writer.into() }
    }

    pub fn stdio(&self) -> Stdio {
        self.writer.try_clone().unwrap().into()
    }

    /// Writes until nothing more fits, without making the session's descriptor non-blocking.
    pub fn fill(&self) -> usize {
        let mut bytes = 0;
        let piece = [b'.'; 4096];
        match self.kind {
            Kind::Pipe => {
                // A pipe gives each opener flags of its own.
                let path = format!("/proc/self/fd/{}", self.writer.as_raw_fd());
                let mut own = OpenOptions::new()
                    .write(true)
                    .custom_flags(nix::libc::O_NONBLOCK)
                    .open(path)
                    .unwrap();
                for size in [4096, 1] {
                    while let Ok(n) = own.write(&piece[..size]) {
                        bytes += n;
                    }
                }
            }
            Kind::Socket => {
                for size in [4096, 1] {
                    let now = nix::sys::socket::MsgFlags::MSG_DONTWAIT;
                    while let Ok(n) =
                        nix::sys::socket::send(self.writer.as_raw_fd(), &piece[..size], now)
                    {
                        bytes += n;
                    }
                }
            }
        }
        bytes
    }
}

/// A session whose output nobody reads unless asked to.
pub struct Session {
    pub child: Child,
    pub input: Option<ChildStdin>,
    pub output: End,
    pub log: End,
}

impl Session {
    /// Past its greeting.
    pub fn start(maildir: &Maildir, kind: Kind, limit: &str) -> Session {
        let (output, log) = (End::new(kind), End::new(Kind::Pipe));
        let mut s = Session::spawn(maildir, output, log, limit);
        s.greeting();
        s
    }

    pub fn spawn(maildir: &Maildir, output: End, log: End, limit: &str) -> Session {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &format!("{limit} exec {} ./Maildir", postrider().display())])
            .current_dir(maildir.home())
            .env_clear();
        command.envs(support::ENVIRONMENT.iter().copied());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(output.stdio())
            .stderr(log.stdio())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        Session { child, input, output, log }
    }

    pub fn send(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    pub fn read(&mut self, n: usize) -> String {
        let mut bytes = vec![0; n];
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            // We hold the other end as well: it has no end of its own.
            let mut there = [PollFd::new(self.output.reader.as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut there, PollTimeout::from(30_000u16)), Ok(1), "nothing more comes");
            let got = self.output.reader.read(rest).unwrap();
            rest = &mut rest[got..];
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Reads the greeting.
    pub fn greeting(&mut self) {
        let mut line = String::new();
        while !line.ends_with('\n') {
            line.push_str(&self.read(1));
        }
        assert!(support::is_greeting(line.trim_end().as_bytes()), "{line:?}");
    }

    /// Waits until the session has done what it can do, and waits itself.
    pub fn settle(&self) {
        // Asleep, and so often as before: on a busy machine it may also wait for its turn.
        let asleep = || -> Option<String> {
            let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
            let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
            status.contains("State:\tS").then(|| switches.collect())
        };
        let (start, mut since, mut last) = (Instant::now(), Instant::now(), None);
        while since.elapsed() < SETTLED && start.elapsed() < support::PATIENCE {
            thread::sleep(Duration::from_millis(20));
            let now = asleep();
            if now.is_none() || now != last {
                (since, last) = (Instant::now(), now);
            }
        }
    }

    pub fn signal(&self) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
    }

    /// Waits for the end, which must come soon.
    #[track_caller]
    pub fn wait(&mut self, what: &str) -> (ExitStatus, Duration) {
        let start = Instant::now();
        while start.elapsed() < SOON {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, start.elapsed());
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{what}: the session does not end");
    }

    /// All that is left of the output, and the log.
    pub fn rest(mut self) -> (String, String) {
        let _ = self.child.wait();
        let all = |end: &mut End| {
            end.writer = File::open("/dev/null").unwrap();
            let mut bytes = Vec::new();
            let _ = end.reader.read_to_end(&mut bytes);
            String::from_utf8(bytes).unwrap()
        };
        (all(&mut self.output), all(&mut self.log))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
