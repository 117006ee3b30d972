//! The two queues of a session: unread input and unsent output ([`super::output`]). Handlers append
//! to the output, which is sent before the next wait, so that the answers to pipelined commands
//! share a write. Past the high-water mark it is sent at once, so that it stays small; a client that
//! does not read for a minute ends the session.
//!
//! A session may end at any moment. The answers of finished commands are still sent then, but a
//! goodbye must not land in the middle of a response, where it would become a part of somebody's
//! mail. So the output queue knows where its last complete response ends, and whether the client
//! has received a part of a response only.

use super::connection::{Connection, Events};
use super::error::End;
use super::head::Head;
use super::output::{HIGH_WATER, Output, Patience, Trace};
use super::token::{Literal, Token};
use crate::sys::{breath, clock};
use std::cell::{RefCell, RefMut};
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Instant;

/// The size of one read.
const CHUNK: usize = 16 * 1024;

/// The connection with its queues.
pub(crate) struct Io {
    /// Shared with [`Io::aside`].
    pub(super) output: Rc<RefCell<Output>>,
    pub(super) buffer: Vec<u8>,
    pub(super) at: usize,
    /// When the session ends for inactivity.
    pub(crate) deadline: Option<Instant>,
    /// Bytes received.
    pub(crate) received: u64,
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

/// The output while a response, or a part of one, is written. The connection is not used meanwhile.
pub(crate) struct Writer<'a>(RefMut<'a, Output>);

impl Writer<'_> {
    /// Output that was not sent yet.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.0.out
    }

    /// As [`Io::flush_within`].
    pub(crate) fn flush_within(&mut self) -> Result<(), End> {
        if self.0.out.len() >= HIGH_WATER { self.0.flush(Patience::Stall) } else { Ok(()) }
    }
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
        Io::around(Rc::new(RefCell::new(Output::new(connection))))
    }

    fn around(output: Rc<RefCell<Output>>) -> Io {
        Io { output, buffer: Vec::new(), at: 0, deadline: None, received: 0, line: Line::default() }
    }

    /// Another handle on the output, for what is said while a command is at work
    /// ([`Io::flush_aside`]).
    pub(crate) fn aside(&self) -> Io {
        Io::around(Rc::clone(&self.output))
    }

    /// Passes every token and every write to `trace` from now on.
    pub(crate) fn set_trace(&mut self, trace: Trace) {
        self.output.borrow_mut().trace = Some(trace);
    }

    /// Output that was not sent yet; handlers append to it. What is returned must be gone before
    /// the next use of the connection.
    pub(crate) fn out(&mut self) -> RefMut<'_, Vec<u8>> {
        RefMut::map(self.output.borrow_mut(), |output| &mut output.out)
    }

    /// To write a response, or a part of one.
    pub(crate) fn writer(&mut self) -> Writer<'_> {
        Writer(self.output.borrow_mut())
    }

    /// Bytes sent.
    pub(crate) fn sent(&self) -> u64 {
        self.output.borrow().sent
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

    /// Notes that a response ends where the output ends now.
    pub(crate) fn end_response(&mut self) {
        self.output.borrow_mut().end_response();
    }

    /// Flushes, between responses, if there is more output than the high-water mark.
    pub(crate) fn flush_if_full(&mut self) -> Result<(), End> {
        let mut writer = self.writer();
        writer.0.end_response();
        writer.flush_within()
    }

    /// Flushes, in the middle of a response, if there is more output than the high-water mark.
    pub(crate) fn flush_within(&mut self) -> Result<(), End> {
        self.writer().flush_within()
    }

    /// Sends all output. Errors: `Closed` if the client is gone or makes no progress for [`STALL`];
    /// `Signal`, which leaves the rest in the queue.
    pub(crate) fn flush(&mut self) -> Result<(), End> {
        self.output.borrow_mut().flush(Patience::Stall)
    }

    /// Whether something may be said while a command is at work: its line was read to the end, no
    /// response is half written, and the client has been sent all output. If there is some, as much
    /// as there is room for is sent instead.
    pub(crate) fn can_speak_aside(&mut self) -> Result<bool, End> {
        // It is borrowed where a response is being written.
        let Ok(mut output) = self.output.try_borrow_mut() else { return Ok(false) };
        if !output.is_answering || !output.is_between_responses() {
            return Ok(false);
        }
        let is_all_sent = !output.has_unsent();
        output.flush(Patience::None)?;
        Ok(is_all_sent)
    }

    /// Sends what there is room for, without a wait: the work that goes on may hold a lock.
    pub(crate) fn flush_aside(&mut self) -> Result<(), End> {
        self.output.borrow_mut().flush(Patience::None)
    }

    /// Notes whether the client waits for an answer, and for nothing else.
    pub(super) fn set_answering(&mut self, is_answering: bool) {
        self.output.borrow_mut().is_answering = is_answering;
    }

    /// Ends the session: drops an incomplete response, lets `goodbye` append one unless the client
    /// is left in the middle of a response, and sends what is left.
    pub(crate) fn close(&mut self, goodbye: impl FnOnce(&mut Io)) {
        let mid_response = self.output.borrow_mut().drop_incomplete();
        if !mid_response {
            goodbye(self);
        }
        self.output.borrow_mut().finish();
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
            let ready = self.output.borrow_mut().connection.wait(
                Events { input: true, output: false, watch: watch.is_some() },
                watch,
                left,
            )?;
            if ready.input {
                breath::restart_clock();
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
            let room = self.buffer.get_mut(have..).unwrap_or_default();
            let got = self.output.borrow_mut().connection.read(room);
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
        self.output.borrow_mut().compress(self.unread());
        self.buffer.clear();
        self.at = 0;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
