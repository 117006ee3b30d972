//! The queue of unsent output, and how it is sent. It is behind [`super::Io`], which handlers know.

use super::connection::{Connection, Events, MemoryConnection};
use super::deflate::Deflated;
use super::error::End;
use crate::sys::{breath, clock};
use std::io;
use std::time::{Duration, Instant};

/// More output than this is sent before the command ends.
pub(super) const HIGH_WATER: usize = 64 * 1024;
/// How long the client may refuse output (PROTOCOL 1.7).
pub(crate) const STALL: Duration = Duration::from_secs(60);
/// How long a client has, in all, to receive the rest of the output when a signal ends the session.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// Writes the trace that IMAPDEBUGFILE asks for.
pub(crate) type Trace = Box<dyn FnMut(&[u8])>;

/// How long a flush waits for a client that does not read.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    /// For [`STALL`]; then the client counts as gone.
    Stall,
    /// Not at all: what there is no room for stays in the queue.
    None,
    /// Until then, whatever signals come: the session is ending.
    Until(Instant),
}

/// The output queue and the connection.
pub(super) struct Output {
    pub(super) connection: Box<dyn Connection>,
    /// Output that was not sent yet; handlers append to it.
    pub(super) out: Vec<u8>,
    /// How much of `out` was sent. 0 except during a flush.
    pub(super) written: usize,
    /// How much of `out` the trace has.
    traced: usize,
    /// Where the last complete response in `out` ends; 0 if no response ends in it.
    pub(super) complete: usize,
    /// The client has received the beginning of a response, and `out` starts with the rest of it.
    pub(super) starts_mid_response: bool,
    /// The client is gone, or has not read for too long: nothing more is sent.
    client_gone: bool,
    /// The client has sent a whole command line, and waits for the answer to it.
    pub(super) is_answering: bool,
    /// Bytes sent.
    pub(super) sent: u64,
    pub(super) trace: Option<Trace>,
}

impl Output {
    pub(super) fn new(connection: Box<dyn Connection>) -> Output {
        Output {
            connection,
            out: Vec::new(),
            written: 0,
            traced: 0,
            complete: 0,
            starts_mid_response: false,
            client_gone: false,
            is_answering: false,
            sent: 0,
            trace: None,
        }
    }

    /// Notes that a response ends where `out` ends now.
    pub(super) fn end_response(&mut self) {
        debug_assert!(
            self.out.is_empty() || self.out.ends_with(b"\r\n"),
            "a response ends in a line break"
        );
        self.complete = self.out.len();
        self.starts_mid_response &= !self.out.is_empty();
        self.note_unsent();
    }

    /// Whether there is output that the client's system does not have yet.
    pub(super) fn has_unsent(&self) -> bool {
        !self.out.is_empty() || self.connection.has_rest()
    }

    /// Sends all output, or as much as `patience` allows.
    pub(super) fn flush(&mut self, patience: Patience) -> Result<(), End> {
        if !self.has_unsent() {
            return Ok(());
        }
        let untraced = self.out.get(self.traced..).unwrap_or_default();
        if let Some(trace) = self.trace.as_mut().filter(|_| !untraced.is_empty()) {
            trace(b"WRITE: ");
            trace(untraced);
        }
        let result = if self.client_gone { Err(End::Closed) } else { self.write_out(patience) };
        self.client_gone |= result == Err(End::Closed);
        if self.client_gone {
            self.out.clear();
        }
        self.starts_mid_response = self.is_mid_response();
        self.out.drain(..self.written.min(self.out.len()));
        self.complete = self.complete.saturating_sub(self.written).min(self.out.len());
        self.written = 0;
        self.traced = self.out.len();
        self.note_unsent();
        // Keeps the allocation for the next answer, unless one has made it large.
        self.out.shrink_to(2 * HIGH_WATER);
        breath::restart_clock();
        result
    }

    fn write_out(&mut self, patience: Patience) -> Result<(), End> {
        let mut wait = self.connection.must_wait();
        loop {
            let has_more = self.written < self.out.len() || self.connection.has_rest();
            if wait && has_more {
                if !self.wait_for_room(patience)? {
                    return Ok(());
                }
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

    /// Whether there is room now; without it only [`Patience::None`] ends.
    fn wait_for_room(&mut self, patience: Patience) -> Result<bool, End> {
        let wants = Events { output: true, ..Events::default() };
        let until = match patience {
            Patience::None => {
                return Ok(self.connection.wait(wants, None, Some(Duration::ZERO))?.output);
            }
            Patience::Stall => clock::monotonic() + STALL,
            Patience::Until(until) => until,
        };
        loop {
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return Err(End::Closed);
            }
            let room = match patience {
                Patience::Until(_) => self.connection.wait_without_signals(left)?,
                _ => self.connection.wait(wants, None, Some(left))?.output,
            };
            if room {
                return Ok(true);
            }
        }
    }

    /// Whether what is written now begins a response.
    pub(super) fn is_between_responses(&self) -> bool {
        self.complete == self.out.len() && !self.is_mid_response()
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

    /// Drops a response that has not ended. Whether the client has a part of it.
    pub(super) fn drop_incomplete(&mut self) -> bool {
        let mid_response = self.is_mid_response();
        self.out.truncate(self.complete);
        self.traced = self.traced.min(self.complete);
        mid_response
    }

    /// Sends what is left at the end of the session, and ends the connection.
    pub(super) fn finish(&mut self) {
        let flushed = self.flush(Patience::Stall);
        let end = clock::monotonic() + GRACE;
        if flushed == Err(End::Signal) {
            let _ = self.flush(Patience::Until(end));
        }
        // A client that is gone confirms nothing.
        let patience = if self.client_gone {
            Duration::ZERO
        } else {
            end.saturating_duration_since(clock::monotonic())
        };
        self.connection.hang_up(patience);
    }

    /// Compresses from here on, both ways; `received` is input that was read already.
    pub(super) fn compress(&mut self, received: &[u8]) {
        let plain = std::mem::replace(&mut self.connection, Box::new(MemoryConnection::default()));
        self.connection = Box::new(Deflated::new(plain, received));
        self.note_unsent();
    }
}
