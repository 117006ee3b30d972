//! The two queues of a session. What a handler writes collects in `out` and goes out before the next wait, so that the answers to
//! pipelined commands share a write; past the high-water mark it goes out at once, and a client that does not read for a minute
//! ends the session instead of growing it.

use super::link::{Link, Wants};
use super::{End, Token};
use crate::sys::clock;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Output past this many octets is written without waiting for the command's end.
const HIGH_WATER: usize = 64 * 1024;
/// How long the client may refuse output (PROTOCOL 1.7).
pub const STALL: Duration = Duration::from_secs(60);
/// How much is asked of the connection at once.
const CHUNK: usize = 16 * 1024;

/// A place for the trace that IMAPDEBUGFILE asks for.
pub type Trace = Box<dyn FnMut(&[u8])>;

/// The connection with its queues.
pub struct Io {
    link: Box<dyn Link>,
    pub(super) buffer: Vec<u8>,
    pub(super) at: usize,
    /// Output that has not gone out yet; handlers append to it.
    pub out: Vec<u8>,
    /// When the session ends for inactivity.
    pub deadline: Option<Instant>,
    /// Octets received.
    pub received: u64,
    /// Octets sent.
    pub sent: u64,
    pub(super) trace: Option<Trace>,
    pub(super) line: Line,
}

/// Where we are in the current command line.
#[derive(Default)]
pub(super) struct Line {
    /// The LF was consumed: nothing more of this line comes.
    pub ended: bool,
    /// A token that was looked at and put back.
    pub back: Option<Token>,
    /// The head of a literal whose octets were not read yet.
    pub literal: Option<super::Literal>,
    /// How much of such a head the line ends in so far.
    pub head: super::head::Head,
    /// Octets of this command so far, literals included.
    pub octets: usize,
}

/// What ended a wait in IDLE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// There is input, or its end.
    Input,
    /// The notification has something.
    Watch,
    /// The time is up.
    Time,
}

impl Io {
    /// A session's connection.
    pub fn new(link: Box<dyn Link>) -> Io {
        Io {
            link,
            buffer: Vec::new(),
            at: 0,
            out: Vec::new(),
            deadline: None,
            received: 0,
            sent: 0,
            trace: None,
            line: Line::default(),
        }
    }

    /// Has every token and every write recorded from now on.
    pub fn set_trace(&mut self, trace: Trace) {
        self.trace = Some(trace);
    }

    /// What was received and not yet looked at.
    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Whether there is input that was received and not yet looked at.
    pub fn has_input(&self) -> bool {
        !self.unread().is_empty()
    }

    /// Writes out if a good deal has collected; called inside loops that produce output.
    pub fn ease(&mut self) -> Result<(), End> {
        if self.out.len() >= HIGH_WATER { self.flush() } else { Ok(()) }
    }

    /// Writes everything out, waiting for the client no longer than [`STALL`] at a time.
    pub fn flush(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        let out = std::mem::take(&mut self.out);
        if let Some(trace) = &mut self.trace {
            trace(b"WRITE: ");
            trace(&out);
        }
        let result = self.write_all(&out);
        // The allocation is used again, unless one answer has made it large.
        self.out = out;
        self.out.clear();
        self.out.shrink_to(2 * HIGH_WATER);
        result
    }

    fn write_all(&mut self, mut rest: &[u8]) -> Result<(), End> {
        while !rest.is_empty() {
            if self.link.must_wait() {
                self.wait_for_room()?;
            }
            match self.link.write(rest) {
                Ok(n) => {
                    self.sent = self.sent.saturating_add(n as u64);
                    rest = rest.get(n..).unwrap_or_default();
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.wait_for_room()?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(End::Closed),
            }
        }
        Ok(())
    }

    fn wait_for_room(&mut self) -> Result<(), End> {
        let until = clock::monotonic() + STALL;
        loop {
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return Err(End::Closed);
            }
            if self.link.wait(Wants { output: true, ..Wants::default() }, None, Some(left))?.output {
                return Ok(());
            }
        }
    }

    /// The one wait: flushes, then waits for input, for `watch`, or until `until`.
    pub fn wait(&mut self, watch: Option<BorrowedFd<'_>>, until: Option<Instant>) -> Result<Wake, End> {
        self.flush()?;
        loop {
            let left = until.map(|u| u.saturating_duration_since(clock::monotonic()));
            if left.is_some_and(|l| l.is_zero()) {
                return Ok(Wake::Time);
            }
            let ready = self.link.wait(Wants { input: true, output: false, watch: watch.is_some() }, watch, left)?;
            if ready.input {
                return Ok(Wake::Input);
            }
            if ready.watch {
                return Ok(Wake::Watch);
            }
        }
    }

    /// Gets more input behind what is unread, by `deadline` at the latest.
    pub(super) fn fill(&mut self, deadline: Option<Instant>) -> Result<(), End> {
        if self.at > 0 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        loop {
            if self.wait(None, deadline)? == Wake::Time {
                return Err(End::Inactive);
            }
            let have = self.buffer.len();
            self.buffer.resize(have.saturating_add(CHUNK), 0);
            let got = self.link.read(self.buffer.get_mut(have..).unwrap_or_default());
            self.buffer.truncate(have.saturating_add(*got.as_ref().unwrap_or(&0)));
            match got {
                Ok(0) => return Err(End::Closed),
                Ok(n) => {
                    self.received = self.received.saturating_add(n as u64);
                    return Ok(());
                }
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => return Err(End::Closed),
            }
        }
    }
}
