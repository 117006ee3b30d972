//! The connection to the client: standard input and output in a session, memory in tests.

use super::error::End;
use crate::sys::{last_words, poll, stdio::Stdio};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Events on a connection: those to wait for, or those that have happened.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Events {
    /// There is input, or its end.
    pub(crate) input: bool,
    /// There is room for output.
    pub(crate) output: bool,
    /// The descriptor that was passed as `watch` is readable.
    pub(crate) watch: bool,
}

/// A connection that blocks only in its two waits.
pub(crate) trait Connection {
    /// Waits for `wanted`. An answer with nothing set means that the time is up.
    fn wait(
        &mut self,
        wanted: Events,
        watch: Option<BorrowedFd<'_>>,
        timeout: Option<Duration>,
    ) -> Result<Events, End>;
    /// Reads what is there. Only after a wait has reported input. 0 is the end.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    /// Writes as much as there is room for; `WouldBlock` if there is none.
    fn write(&mut self, data: &[u8]) -> io::Result<usize>;
    /// Whether every write needs a wait before it.
    fn must_wait(&self) -> bool;
    /// Waits for room for output at the end of the session, when signals no longer matter. Whether
    /// there is some.
    fn wait_without_signals(&mut self, timeout: Duration) -> Result<bool, End>;
    /// Records what may still be sent if the process must end at once: `unsent`, which ends with a
    /// response. `mid_response`: the client has a part of a response whose rest is not in `unsent`,
    /// so nothing may follow.
    fn note_unsent(&mut self, unsent: &[u8], mid_response: bool);
    /// Sends a part of what an encoding still holds back. Whether nothing is left.
    fn write_rest(&mut self) -> io::Result<bool> {
        Ok(true)
    }
    /// Whether something is left for [`Connection::write_rest`].
    fn has_rest(&self) -> bool {
        false
    }
    /// What is recorded by [`Connection::note_unsent`] is to be sent in the stored blocks of
    /// DEFLATE.
    fn use_stored_blocks(&mut self) {}
    /// Ends the session: discards input until the client has received all output, for `patience` at
    /// most.
    fn hang_up(&mut self, patience: Duration);
}

impl Connection for Stdio {
    fn wait(
        &mut self,
        wanted: Events,
        watch: Option<BorrowedFd<'_>>,
        timeout: Option<Duration>,
    ) -> Result<Events, End> {
        let interest = poll::WaitFor {
            input: wanted.input.then(|| self.input()),
            output: wanted.output.then(|| self.output()),
            watch: watch.filter(|_| wanted.watch),
            // A wait for input or output notices by itself that the other end is gone.
            hangup: None,
        };
        let ready = poll::wait(interest, timeout).map_err(|_| End::Closed)?;
        if ready.signal {
            return Err(End::Signal);
        }
        Ok(Events { input: ready.input, output: ready.output, watch: ready.watch })
    }

    fn wait_without_signals(&mut self, timeout: Duration) -> Result<bool, End> {
        Stdio::wait_without_signals(self, timeout).map_err(|_| End::Closed)
    }

    fn note_unsent(&mut self, unsent: &[u8], mid_response: bool) {
        last_words::note_unsent(unsent, mid_response);
    }

    fn use_stored_blocks(&mut self) {
        last_words::use_stored_blocks();
    }

    fn hang_up(&mut self, patience: Duration) {
        Stdio::hang_up(self, patience);
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Stdio::read(self, buf)
    }

    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Stdio::write(self, data)
    }

    fn must_wait(&self) -> bool {
        Stdio::must_wait(self)
    }
}

/// A connection in memory: all input is there from the start, and all output is kept.
#[derive(Default, Debug)]
pub(crate) struct MemoryConnection {
    input: Vec<u8>,
    at: usize,
    chunk: usize,
    output: std::rc::Rc<std::cell::RefCell<Vec<u8>>>,
}

impl MemoryConnection {
    /// A client that sends `input` in chunks of `chunk` bytes (0: all at once) and then closes.
    pub(crate) fn new(input: &[u8], chunk: usize) -> MemoryConnection {
        MemoryConnection { input: input.to_vec(), chunk, ..MemoryConnection::default() }
    }

    /// A handle on what was written.
    #[cfg(test)]
    pub(crate) fn output(&self) -> std::rc::Rc<std::cell::RefCell<Vec<u8>>> {
        std::rc::Rc::clone(&self.output)
    }
}

impl Connection for MemoryConnection {
    fn wait(
        &mut self,
        wanted: Events,
        _: Option<BorrowedFd<'_>>,
        _: Option<Duration>,
    ) -> Result<Events, End> {
        Ok(Events { watch: false, ..wanted })
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let room = if self.chunk == 0 { buf.len() } else { buf.len().min(self.chunk) };
        let n = rest.len().min(room);
        for (to, from) in buf.iter_mut().zip(rest.iter().take(n)) {
            *to = *from;
        }
        self.at += n;
        Ok(n)
    }

    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.output.borrow_mut().extend_from_slice(data);
        Ok(data.len())
    }

    fn must_wait(&self) -> bool {
        false
    }

    fn wait_without_signals(&mut self, _: Duration) -> Result<bool, End> {
        Ok(true)
    }

    fn note_unsent(&mut self, _: &[u8], _: bool) {}

    fn hang_up(&mut self, _: Duration) {}
}
