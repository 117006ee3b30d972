//! What the wire needs of a connection; standard input and output in a session, memory in tests.

use super::End;
use crate::sys::{last_words, poll, stdio::Stdio};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// What a wait on a connection is for, and what ended it.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Events {
    /// Input (or its end).
    pub(crate) input: bool,
    /// Room for output.
    pub(crate) output: bool,
    /// The notification that was handed in.
    pub(crate) watch: bool,
}

/// A connection that never blocks but in [`Connection::wait`].
pub(crate) trait Connection {
    /// Waits for what is wanted; nothing set in the answer means that the time is up.
    fn wait(
        &mut self,
        wants: Events,
        watch: Option<BorrowedFd<'_>>,
        timeout: Option<Duration>,
    ) -> Result<Events, End>;
    /// Reads what is there, after a wait has said so; 0 is the end.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    /// Writes a part, or `WouldBlock`.
    fn write(&mut self, data: &[u8]) -> io::Result<usize>;
    /// Whether every write needs a wait before it.
    fn must_wait(&self) -> bool;
    /// Waits for room for output on the way out, when no signal counts any more; whether there is
    /// some.
    fn wait_without_signals(&mut self, timeout: Duration) -> Result<bool, End>;
    /// Takes note of what may still be said if the process must end here and now: `whole` is on its
    /// way and ends a response. In the middle of one, of which no end is there, it is nothing.
    fn note_unsent(&mut self, whole: &[u8], in_the_middle: bool);
    /// Nothing more is written, and what is read is thrown away, for so long at most as the last
    /// words are on their way.
    fn hang_up(&mut self, patience: Duration);
}

impl Connection for Stdio {
    fn wait(
        &mut self,
        wants: Events,
        watch: Option<BorrowedFd<'_>>,
        timeout: Option<Duration>,
    ) -> Result<Events, End> {
        let interest = poll::WaitFor {
            input: wants.input.then(|| self.input()),
            output: wants.output.then(|| self.output()),
            watch: watch.filter(|_| wants.watch),
            // The end of input, and of output, shows by itself in what is waited for.
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

    fn note_unsent(&mut self, whole: &[u8], in_the_middle: bool) {
        last_words::note_unsent(whole, in_the_middle);
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

/// A connection in memory: all input is there from the start, and what was written is kept.
#[derive(Default, Debug)]
pub(crate) struct MemoryConnection {
    input: Vec<u8>,
    at: usize,
    piece: usize,
    output: std::rc::Rc<std::cell::RefCell<Vec<u8>>>,
}

impl MemoryConnection {
    /// A client that sends `input` in pieces of `piece` octets (0: all at once) and then closes.
    pub(crate) fn new(input: &[u8], piece: usize) -> MemoryConnection {
        MemoryConnection { input: input.to_vec(), piece, ..MemoryConnection::default() }
    }

    /// What was written so far, shared.
    #[cfg(test)]
    pub(crate) fn output(&self) -> std::rc::Rc<std::cell::RefCell<Vec<u8>>> {
        std::rc::Rc::clone(&self.output)
    }
}

impl Connection for MemoryConnection {
    fn wait(
        &mut self,
        wants: Events,
        _: Option<BorrowedFd<'_>>,
        _: Option<Duration>,
    ) -> Result<Events, End> {
        Ok(Events { watch: false, ..wants })
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let most = if self.piece == 0 { buf.len() } else { buf.len().min(self.piece) };
        let n = rest.len().min(most);
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
