//! The two queues of a session: unread input and unsent output. Handlers append to `out`, which is
//! sent before the next wait, so that the answers to pipelined commands share a write. Past the
//! high-water mark it is sent at once, so that it stays small; a client that does not read for a
//! minute ends the session.
//!
//! A session may end at any moment. The answers of finished commands are still sent then, but a
//! goodbye must not land in the middle of a response, where it would become a part of somebody's
//! mail. So the output queue knows where its last complete response ends, and whether the client
//! has received a part of a response only.

use super::connection::{Connection, Events, MemoryConnection};
use super::deflate::Deflated;
use super::error::End;
use super::head::Head;
use super::token::{Literal, Token};
use crate::sys::clock;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// More output than this is sent before the command ends.
const HIGH_WATER: usize = 64 * 1024;
/// How long the client may refuse output (PROTOCOL 1.7).
pub(crate) const STALL: Duration = Duration::from_secs(60);
/// How long a client has, in all, to receive the rest of the output when a signal ends the session.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// The size of one read.
const CHUNK: usize = 16 * 1024;

/// Writes the trace that IMAPDEBUGFILE asks for.
pub(crate) type Trace = Box<dyn FnMut(&[u8])>;

/// The connection with its queues.
pub(crate) struct Io {
    connection: Box<dyn Connection>,
    pub(super) buffer: Vec<u8>,
    pub(super) at: usize,
    /// Output that was not sent yet; handlers append to it.
    pub(crate) out: Vec<u8>,
    /// How much of `out` was sent. 0 except during a flush.
    written: usize,
    /// Where the last complete response in `out` ends; 0 if no response ends in it.
    complete: usize,
    /// The client has received the beginning of a response, and `out` starts with the rest of it.
    starts_mid_response: bool,
    /// The client is gone, or has not read for too long: nothing more is sent.
    client_gone: bool,
    /// When the session ends for inactivity.
    pub(crate) deadline: Option<Instant>,
    /// Bytes received.
    pub(crate) received: u64,
    /// Bytes sent.
    pub(crate) sent: u64,
    pub(super) trace: Option<Trace>,
    pub(super) line: Line,
}

/// The state of the current command line.
#[derive(Default)]
pub(super) struct Line {
    /// The LF was taken: the line is over.
    pub(crate) ended: bool,
    /// A token that was peeked at and not taken.
    pub(crate) peeked: Option<Token>,
    /// A literal whose head was read and whose bytes were not.
    pub(crate) literal: Option<Literal>,
    /// How much of such a head the line ends with so far.
    pub(crate) head: Head,
    /// Bytes of this command so far, literals included.
    pub(crate) bytes: usize,
    /// A quoted string had 8-bit text that is not UTF-8.
    pub(crate) ill_formed: bool,
}

/// What ended a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WaitOutcome {
    /// There is input, or its end.
    Input,
    /// The watch reports a change.
    Watch,
    /// The deadline has passed.
    TimedOut,
}

impl Io {
    pub(crate) fn new(connection: Box<dyn Connection>) -> Io {
        Io {
            connection,
            buffer: Vec::new(),
            at: 0,
            out: Vec::new(),
            written: 0,
            complete: 0,
            starts_mid_response: false,
            client_gone: false,
            deadline: None,
            received: 0,
            sent: 0,
            trace: None,
            line: Line::default(),
        }
    }

    /// Passes every token and every write to `trace` from now on.
    pub(crate) fn set_trace(&mut self, trace: Trace) {
        self.trace = Some(trace);
    }

    /// Input that was received and not taken yet.
    pub(super) fn unread(&self) -> &[u8] {
        debug_assert!(self.at <= self.buffer.len());
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Whether there is such input.
    pub(crate) fn has_input(&self) -> bool {
        !self.unread().is_empty()
    }

    /// Notes that a response ends where `out` ends now.
    pub(crate) fn end_response(&mut self) {
        debug_assert!(
            self.out.is_empty() || self.out.ends_with(b"\r\n"),
            "a response ends in a line break"
        );
        self.complete = self.out.len();
        self.starts_mid_response &= !self.out.is_empty();
        self.note_unsent();
    }

    /// Flushes, between responses, if `out` is past the high-water mark.
    pub(crate) fn flush_if_full(&mut self) -> Result<(), End> {
        self.end_response();
        self.flush_within()
    }

    /// Flushes, in the middle of a response, if `out` is past the high-water mark.
    pub(crate) fn flush_within(&mut self) -> Result<(), End> {
        if self.out.len() >= HIGH_WATER { self.flush() } else { Ok(()) }
    }

    /// Sends all output. Errors: `Closed` if the client is gone or makes no progress for [`STALL`];
    /// `Signal`, which leaves the rest in `out`.
    pub(crate) fn flush(&mut self) -> Result<(), End> {
        self.flush_until(None)
    }

    /// `until`: the session is ending and waits until then at most, whatever signals come.
    fn flush_until(&mut self, until: Option<Instant>) -> Result<(), End> {
        if self.out.is_empty() && !self.connection.has_rest() {
            return Ok(());
        }
        if let Some(trace) = self.trace.as_mut().filter(|_| !self.out.is_empty()) {
            trace(b"WRITE: ");
            trace(&self.out);
        }
        let result = if self.client_gone { Err(End::Closed) } else { self.write_out(until) };
        self.client_gone |= result == Err(End::Closed);
        if self.client_gone {
            self.out.clear();
        }
        self.starts_mid_response = self.is_mid_response();
        self.out.drain(..self.written.min(self.out.len()));
        self.complete = self.complete.saturating_sub(self.written).min(self.out.len());
        self.written = 0;
        self.note_unsent();
        // Keeps the allocation for the next answer, unless one has made it large.
        self.out.shrink_to(2 * HIGH_WATER);
        result
    }

    fn write_out(&mut self, until: Option<Instant>) -> Result<(), End> {
        let mut wait = self.connection.must_wait();
        loop {
            if wait {
                self.wait_for_room(until)?;
                wait = self.connection.must_wait();
            }
            let rest = self.out.get(self.written..).unwrap_or_default();
            let written = if rest.is_empty() {
                self.connection.write_rest().map(|is_all| if is_all { None } else { Some(0) })
            } else {
                self.connection.write(rest).map(Some)
            };
            match written {
                Ok(None) => return Ok(()),
                Ok(Some(n)) => {
                    self.sent = self.sent.saturating_add(n as u64);
                    self.written = self.written.saturating_add(n);
                    self.note_unsent();
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait = true,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(End::Closed),
            }
        }
    }

    fn wait_for_room(&mut self, until: Option<Instant>) -> Result<(), End> {
        let ending = until.is_some();
        let until = until.unwrap_or_else(|| clock::monotonic() + STALL);
        let wants = Events { output: true, ..Events::default() };
        loop {
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return Err(End::Closed);
            }
            let room = if ending {
                self.connection.wait_without_signals(left)?
            } else {
                self.connection.wait(wants, None, Some(left))?.output
            };
            if room {
                return Ok(());
            }
        }
    }

    /// Whether the client has received a part of a response whose end is not in `out`.
    fn is_mid_response(&self) -> bool {
        debug_assert!(self.complete <= self.out.len() || self.client_gone);
        self.client_gone
            || self.written > self.complete
            || (self.complete == 0 && self.starts_mid_response)
    }

    /// Tells the connection what may still be sent if the process must end at once.
    fn note_unsent(&mut self) {
        let mid_response = self.is_mid_response();
        let unsent = self.out.get(self.written..self.complete).filter(|_| !self.client_gone);
        self.connection.note_unsent(unsent.unwrap_or_default(), mid_response);
    }

    /// Ends the session: drops an incomplete response, lets `goodbye` append one unless the client
    /// is left in the middle of a response, and sends what is left.
    pub(crate) fn close(&mut self, goodbye: impl FnOnce(&mut Io)) {
        let mid_response = self.is_mid_response();
        self.out.truncate(self.complete);
        if !mid_response {
            goodbye(self);
        }
        let flushed = self.flush();
        let end = clock::monotonic() + GRACE;
        if flushed == Err(End::Signal) {
            let _ = self.flush_until(Some(end));
        }
        // A client that is gone confirms nothing.
        let patience = if self.client_gone {
            Duration::ZERO
        } else {
            end.saturating_duration_since(clock::monotonic())
        };
        self.connection.hang_up(patience);
    }

    /// Flushes, then waits for input, for `watch`, or until `until`.
    pub(crate) fn wait(
        &mut self,
        watch: Option<BorrowedFd<'_>>,
        until: Option<Instant>,
    ) -> Result<WaitOutcome, End> {
        // No handler waits for input in the middle of a response.
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

    /// Appends more input to what is unread. Errors: `Inactive` if none comes by `deadline`.
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
                Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(End::Garbled),
                Err(_) => return Err(End::Closed),
            }
        }
    }

    /// Sends all output, and compresses from there on, both ways (RFC 4978).
    pub(crate) fn compress(&mut self) -> Result<(), End> {
        self.end_response();
        self.flush()?;
        let plain = std::mem::replace(&mut self.connection, Box::new(MemoryConnection::default()));
        self.connection = Box::new(Deflated::new(plain, self.unread()));
        self.buffer.clear();
        self.at = 0;
        self.note_unsent();
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
