//! The two queues of a session. What a handler writes collects in `out` and goes out before the
//! next wait, so that the answers to pipelined commands share a write; past the high-water mark it
//! goes out at once, and a client that does not read for a minute ends the session instead of
//! growing it.
//!
//! A session may end at any moment. Then what finished commands have answered is sent, and a
//! goodbye never stands in the middle of a response, where it would be a part of somebody's mail.
//! So the queue knows where its last whole response ends, and whether what has gone out already
//! ends there or in the middle of one.

use super::connection::{Connection, Events};
use super::{End, Token};
use crate::sys::clock;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Output past this many octets is written without waiting for the command's end.
const HIGH_WATER: usize = 64 * 1024;
/// How long the client may refuse output (PROTOCOL 1.7).
pub(crate) const STALL: Duration = Duration::from_secs(60);
/// How long, in all, the client is given to take what is left when a signal has ended the session.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// How much is asked of the connection at once.
const CHUNK: usize = 16 * 1024;

/// A place for the trace that IMAPDEBUGFILE asks for.
pub(crate) type Trace = Box<dyn FnMut(&[u8])>;

/// The connection with its queues.
pub(crate) struct Io {
    connection: Box<dyn Connection>,
    pub(super) buffer: Vec<u8>,
    pub(super) at: usize,
    /// Output that has not gone out yet; handlers append to it.
    pub(crate) out: Vec<u8>,
    /// How much of `out` has gone out; 0 but within a flush.
    written: usize,
    /// Where the last whole response in `out` ends; 0: there is no end of one.
    complete: usize,
    /// What went out before `out` ends in the middle of a response, the rest of which `out` begins
    /// with.
    mid_response: bool,
    /// The client is gone, or has not read for too long: it gets nothing more.
    client_gone: bool,
    /// When the session ends for inactivity.
    pub(crate) deadline: Option<Instant>,
    /// Octets received.
    pub(crate) received: u64,
    /// Octets sent.
    pub(crate) sent: u64,
    pub(super) trace: Option<Trace>,
    pub(super) line: Line,
}

/// Where we are in the current command line.
#[derive(Default)]
pub(super) struct Line {
    /// The LF was consumed: nothing more of this line comes.
    pub(crate) ended: bool,
    /// A token that was looked at and put back.
    pub(crate) back: Option<Token>,
    /// The head of a literal whose octets were not read yet.
    pub(crate) literal: Option<super::Literal>,
    /// How much of such a head the line ends in so far.
    pub(crate) head: super::head::Head,
    /// Octets of this command so far, literals included.
    pub(crate) bytes: usize,
}

/// What ended a wait in IDLE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WaitOutcome {
    /// There is input, or its end.
    Input,
    /// The notification has something.
    Watch,
    /// The time is up.
    TimedOut,
}

impl Io {
    /// A session's connection.
    pub(crate) fn new(connection: Box<dyn Connection>) -> Io {
        Io {
            connection,
            buffer: Vec::new(),
            at: 0,
            out: Vec::new(),
            written: 0,
            complete: 0,
            mid_response: false,
            client_gone: false,
            deadline: None,
            received: 0,
            sent: 0,
            trace: None,
            line: Line::default(),
        }
    }

    /// Has every token and every write recorded from now on.
    pub(crate) fn set_trace(&mut self, trace: Trace) {
        self.trace = Some(trace);
    }

    /// What was received and not yet looked at.
    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Whether there is input that was received and not yet looked at.
    pub(crate) fn has_input(&self) -> bool {
        !self.unread().is_empty()
    }

    /// Notes that all of `out` is whole responses. Called where one ends; a tagged or untagged line
    /// does so by itself.
    pub(crate) fn end_response(&mut self) {
        debug_assert!(
            self.out.is_empty() || self.out.ends_with(b"\r\n"),
            "a response ends in a line break"
        );
        self.complete = self.out.len();
        self.mid_response &= !self.out.is_empty();
        self.note_unsent();
    }

    /// Between responses: writes out if a good deal has collected.
    pub(crate) fn flush_if_full(&mut self) -> Result<(), End> {
        self.end_response();
        self.flush_within()
    }

    /// The same in the middle of a response.
    pub(crate) fn flush_within(&mut self) -> Result<(), End> {
        if self.out.len() >= HIGH_WATER { self.flush() } else { Ok(()) }
    }

    /// Writes everything out, waiting for the client no longer than [`STALL`] at a time. What is
    /// left when a signal ends that stays; a client that is gone gets nothing more.
    pub(crate) fn flush(&mut self) -> Result<(), End> {
        self.flush_until(None)
    }

    /// `until`: on the way out, and no longer than that; `None`: as usual.
    fn flush_until(&mut self, until: Option<Instant>) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        if let Some(trace) = &mut self.trace {
            trace(b"WRITE: ");
            trace(&self.out);
        }
        let result = if self.client_gone { Err(End::Closed) } else { self.write_out(until) };
        self.client_gone |= result == Err(End::Closed);
        if self.client_gone {
            self.out.clear();
        }
        self.mid_response = self.in_the_middle();
        self.out.drain(..self.written.min(self.out.len()));
        self.complete = self.complete.saturating_sub(self.written).min(self.out.len());
        self.written = 0;
        self.note_unsent();
        // The allocation is used again, unless one answer has made it large.
        self.out.shrink_to(2 * HIGH_WATER);
        result
    }

    fn write_out(&mut self, until: Option<Instant>) -> Result<(), End> {
        let mut wait = self.connection.must_wait();
        while self.written < self.out.len() {
            if wait {
                self.wait_for_room(until)?;
                wait = self.connection.must_wait();
            }
            match self.connection.write(self.out.get(self.written..).unwrap_or_default()) {
                Ok(n) => {
                    self.sent = self.sent.saturating_add(n as u64);
                    self.written = self.written.saturating_add(n);
                    self.note_unsent();
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait = true,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(End::Closed),
            }
        }
        Ok(())
    }

    fn wait_for_room(&mut self, until: Option<Instant>) -> Result<(), End> {
        let last = until.is_some();
        let until = until.unwrap_or_else(|| clock::monotonic() + STALL);
        let wants = Events { output: true, ..Events::default() };
        loop {
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return Err(End::Closed);
            }
            let room = if last {
                self.connection.wait_without_signals(left)?
            } else {
                self.connection.wait(wants, None, Some(left))?.output
            };
            if room {
                return Ok(());
            }
        }
    }

    /// Whether the client has seen a part of a response of which the rest is not whole in `out`.
    fn in_the_middle(&self) -> bool {
        self.client_gone
            || self.written > self.complete
            || (self.complete == 0 && self.mid_response)
    }

    /// Tells the connection what may still be said if the process ends here and now.
    fn note_unsent(&mut self) {
        let middle = self.in_the_middle();
        let whole = if self.client_gone {
            &[]
        } else {
            self.out.get(self.written..self.complete).unwrap_or_default()
        };
        self.connection.note_unsent(whole, middle);
    }

    /// The end of the session: what is not a whole response is dropped, `goodbye` (a line) follows
    /// if it may stand there, and all that is left is sent.
    pub(crate) fn close(&mut self, goodbye: Option<&[u8]>) {
        let middle = self.in_the_middle();
        self.out.truncate(self.complete);
        if let Some(line) = goodbye.filter(|_| !middle) {
            self.out.extend_from_slice(line);
            self.out.extend_from_slice(b"\r\n");
            self.end_response();
        }
        let flushed = self.flush();
        let end = clock::monotonic() + GRACE;
        if flushed == Err(End::Signal) {
            let _ = self.flush_until(Some(end));
        }
        // Who is gone is not waited for.
        let patience = if self.client_gone {
            Duration::ZERO
        } else {
            end.saturating_duration_since(clock::monotonic())
        };
        self.connection.hang_up(patience);
    }

    /// The one wait: flushes, then waits for input, for `watch`, or until `until`.
    pub(crate) fn wait(
        &mut self,
        watch: Option<BorrowedFd<'_>>,
        until: Option<Instant>,
    ) -> Result<WaitOutcome, End> {
        // Nothing is awaited of a client in the middle of a response to it.
        self.end_response();
        self.flush()?;
        loop {
            let left = until.map(|u| u.saturating_duration_since(clock::monotonic()));
            if left.is_some_and(|l| l.is_zero()) {
                return Ok(WaitOutcome::TimedOut);
            }
            let ready = self.connection.wait(
                Events { input: true, output: false, watch: watch.is_some() },
                watch,
                left,
            )?;
            if ready.input {
                return Ok(WaitOutcome::Input);
            }
            if ready.watch {
                return Ok(WaitOutcome::Watch);
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
            if self.wait(None, deadline)? == WaitOutcome::TimedOut {
                return Err(End::Inactive);
            }
            let have = self.buffer.len();
            self.buffer.resize(have.saturating_add(CHUNK), 0);
            let got = self.connection.read(self.buffer.get_mut(have..).unwrap_or_default());
            self.buffer.truncate(have.saturating_add(*got.as_ref().unwrap_or(&0)));
            match got {
                Ok(0) => return Err(End::Closed),
                Ok(n) => {
                    self.received = self.received.saturating_add(n as u64);
                    return Ok(());
                }
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) => {}
                Err(_) => return Err(End::Closed),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
