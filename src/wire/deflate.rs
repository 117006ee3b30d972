//! A connection whose bytes are compressed both ways (RFC 4978): raw DEFLATE around another
//! connection.
//!
//! What comes in is inflated a buffer at a time, and only when somebody waits for it: a few bytes
//! that stand for gigabytes cost time as they are read, not memory. What goes out is deflated, and
//! flushed to a byte boundary before each wait. There, and only there, a session that must end at
//! once can still be heard (`sys::last_words`).
//!
//! The stream never gets an end (a final block). RFC 4978 asks for none, other servers send none,
//! and to Perl's Mail::IMAPClient, which imapsync is built on, it is an error.

use super::connection::{Connection, Events};
use super::error::End;
use crate::sys::clock;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// The size of each buffer: input before and after it is inflated, output after it is deflated.
const BUFFER: usize = 16 * 1024;
/// The least work: answers of IMAP become a quarter of their size, and mail half (RFC 4978 4).
const LEVEL: Compression = Compression::fast();

/// A connection with compression.
pub(super) struct Deflated {
    inner: Box<dyn Connection>,
    input: Input,
    output: Output,
}

/// Bytes with a part that was used already.
#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    at: usize,
}

impl Queue {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    fn take(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.bytes.len());
    }

    /// Empties it and lets `fill` write up to [`BUFFER`] bytes; how many, or its error.
    fn refill<E>(&mut self, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<usize, E> {
        self.at = 0;
        self.bytes.resize(BUFFER, 0);
        let filled = fill(&mut self.bytes);
        self.bytes.truncate(*filled.as_ref().unwrap_or(&0));
        filled
    }
}

/// How the input has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    /// The client has sent all that it will send.
    End,
    /// The connection failed.
    Failed,
    /// It is no DEFLATE stream.
    Garbled,
}

struct Input {
    inflate: Decompress,
    /// As it was received.
    raw: Queue,
    /// Inflated.
    ready: Queue,
    /// The last inflation has filled its buffer: there may be more without further input.
    has_more: bool,
    over: Option<Over>,
}

struct Output {
    deflate: Compress,
    /// Deflated and not sent yet.
    packed: Queue,
    /// Everything that was deflated is in `packed` or was sent, up to a byte boundary.
    is_flushed: bool,
}

impl Input {
    /// Inflates what is there, until something is ready. False: more raw input is needed.
    fn prepare(&mut self) -> bool {
        while self.ready.is_empty() && self.over.is_none() {
            if self.raw.is_empty() && !self.has_more {
                return false;
            }
            let Input { inflate, raw, ready, .. } = self;
            let before = inflate.total_in();
            let mut status = Ok(Status::Ok);
            let produced = ready.refill(|buffer| {
                let before = inflate.total_out();
                status = inflate.decompress(raw.rest(), buffer, FlushDecompress::None);
                let produced = inflate.total_out().saturating_sub(before);
                Ok::<usize, ()>(usize::try_from(produced).unwrap_or(0))
            });
            let consumed = inflate.total_in().saturating_sub(before);
            raw.take(usize::try_from(consumed).unwrap_or(usize::MAX));
            self.has_more = produced == Ok(BUFFER);
            match status {
                Ok(Status::StreamEnd) => self.over = Some(Over::End),
                Ok(_) if consumed > 0 || produced != Ok(0) || self.raw.is_empty() => {}
                _ => self.over = Some(Over::Garbled),
            }
        }
        true
    }

    /// Takes raw input off the connection.
    fn receive(&mut self, connection: &mut dyn Connection) {
        match self.raw.refill(|buffer| connection.read(buffer)) {
            Ok(0) => self.over = Some(Over::End),
            Ok(_) => {}
            Err(e) if is_temporary(&e) => {}
            Err(_) => self.over = Some(Over::Failed),
        }
    }
}

fn is_temporary(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl Output {
    /// Deflates into the empty queue; how much of `data` was taken.
    fn pack(&mut self, data: &[u8], flush: FlushCompress) -> usize {
        let Output { deflate, packed, .. } = self;
        let before = deflate.total_in();
        let mut failed = false;
        let produced = packed.refill(|buffer| {
            let before = deflate.total_out();
            failed = deflate.compress(data, buffer, flush).is_err();
            let produced = deflate.total_out().saturating_sub(before);
            Ok::<usize, ()>(usize::try_from(produced).unwrap_or(0))
        });
        debug_assert!(!failed, "the stream is as we left it");
        // A flush that has filled the buffer may have more to write.
        self.is_flushed = flush != FlushCompress::None && produced != Ok(BUFFER);
        usize::try_from(deflate.total_in().saturating_sub(before)).unwrap_or(0)
    }

    /// Whether the client has everything, up to a byte boundary, or will have it when the system
    /// has sent it.
    fn is_at_boundary(&self) -> bool {
        self.is_flushed && self.packed.is_empty()
    }
}

impl Deflated {
    /// Around `inner`, of which `received` was read already.
    pub(super) fn new(mut inner: Box<dyn Connection>, received: &[u8]) -> Deflated {
        inner.use_stored_blocks();
        Deflated {
            inner,
            input: Input {
                inflate: Decompress::new(false),
                raw: Queue { bytes: received.to_vec(), at: 0 },
                ready: Queue::default(),
                has_more: false,
                over: None,
            },
            output: Output {
                deflate: Compress::new(LEVEL, false),
                packed: Queue::default(),
                is_flushed: true,
            },
        }
    }

    /// Sends a part of what is packed.
    fn send(&mut self) -> io::Result<()> {
        let sent = self.inner.write(self.output.packed.rest())?;
        self.output.packed.take(sent);
        Ok(())
    }
}

impl Connection for Deflated {
    /// Input is reported only when some was inflated: an empty block is none.
    fn wait(
        &mut self,
        wanted: Events,
        watch: Option<BorrowedFd<'_>>,
        timeout: Option<Duration>,
    ) -> Result<Events, End> {
        let until = timeout.and_then(|timeout| clock::monotonic().checked_add(timeout));
        loop {
            if wanted.input && self.input.prepare() {
                let others = Events { input: false, ..wanted };
                let ready = self.inner.wait(others, watch, Some(Duration::ZERO))?;
                return Ok(Events { input: true, ..ready });
            }
            let left = until.map(|until| until.saturating_duration_since(clock::monotonic()));
            let ready = self.inner.wait(wanted, watch, left.or(timeout))?;
            if !ready.input {
                return Ok(ready);
            }
            self.input.receive(&mut *self.inner);
            if ready.output || ready.watch {
                return Ok(Events { input: self.input.prepare(), ..ready });
            }
        }
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.input.prepare() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let ready = self.input.ready.rest();
        if ready.is_empty() {
            return match self.input.over {
                Some(Over::Garbled) => Err(io::ErrorKind::InvalidData.into()),
                Some(Over::Failed) => Err(io::ErrorKind::ConnectionReset.into()),
                Some(Over::End) | None => Ok(0),
            };
        }
        let count = ready.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(ready) {
            *to = *from;
        }
        self.input.ready.take(count);
        Ok(count)
    }

    /// Takes a part of `data`. What is not sent yet of it is sent by further calls, and by
    /// [`Connection::write_rest`].
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if !self.output.packed.is_empty() {
            self.send()?;
            return Ok(0);
        }
        // Whatever happens in here, nothing may follow.
        self.inner.note_unsent(&[], true);
        let taken = self.output.pack(data, FlushCompress::None);
        if !self.output.packed.is_empty() {
            match self.send() {
                Err(e) if !is_temporary(&e) => return Err(e),
                _ => {}
            }
        }
        Ok(taken)
    }

    fn write_rest(&mut self) -> io::Result<bool> {
        if self.output.packed.is_empty() && !self.output.is_flushed {
            self.inner.note_unsent(&[], true);
            self.output.pack(&[], FlushCompress::Sync);
        }
        if !self.output.packed.is_empty() {
            self.send()?;
        }
        Ok(self.output.is_at_boundary())
    }

    fn has_rest(&self) -> bool {
        !self.output.is_at_boundary()
    }

    fn must_wait(&self) -> bool {
        self.inner.must_wait()
    }

    fn wait_without_signals(&mut self, timeout: Duration) -> Result<bool, End> {
        self.inner.wait_without_signals(timeout)
    }

    fn note_unsent(&mut self, unsent: &[u8], mid_response: bool) {
        let can_follow = !mid_response && self.output.is_at_boundary();
        self.inner.note_unsent(if can_follow { unsent } else { &[] }, !can_follow);
    }

    fn hang_up(&mut self, patience: Duration) {
        self.inner.hang_up(patience);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
