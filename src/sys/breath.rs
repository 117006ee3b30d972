//! Looking up from long work. Signals are let in, and a client that has gone is noticed, only where
//! the session waits ([`super::poll`]). Work that may take long without a wait (a loop over
//! messages, parts, fields, names, folders, files) calls [`breathe`] in each round. It returns its
//! error wherever a half-done piece of work may be left; what undoes such work never calls it.
//!
//! The same place tells a client that its command is still at work: for the length of a command the
//! session has a [`Listener`] here, which is called when the client has heard nothing for a while.

use super::{clock, poll};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Why work must end, and the session with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Interrupted {
    /// A signal asks the session to stop.
    Signal,
    /// The client is gone.
    HungUp,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// For work whose errors are the system's. [`is_interruption`] knows it again.
impl From<Interrupted> for io::Error {
    fn from(why: Interrupted) -> io::Error {
        io::Error::other(why)
    }
}

/// Whether an error comes from [`breathe`].
pub(crate) fn is_interruption(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Interrupted>())
}

/// How long work may go on without a look. Short commands are done before the first one: what a
/// client has sent before it went away is carried out as far as it can be at once.
const INTERVAL: Duration = Duration::from_millis(50);

thread_local! {
    /// The session is over: every later look says so at once.
    static OVER: Cell<Option<Interrupted>> = const { Cell::new(None) };
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Tells the client of the command that is at work.
    static LISTENER: Cell<Option<Listener>> = const { Cell::new(None) };
    /// When it is called next; `None` if there is none.
    static DUE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// How long the client hears nothing until then.
    static SILENCE: Cell<Duration> = const { Cell::new(FIRST_SILENCE) };
    /// How far the command has come.
    static PROGRESS: Cell<Option<Progress>> = const { Cell::new(None) };
}

/// How far a command has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Progress {
    /// So many items are done.
    pub(crate) done: usize,
    /// Of so many.
    pub(crate) total: usize,
}

/// Tells a client that its command is at work, and how far it has come where that is known. It must
/// not wait: the work may hold a lock.
pub(crate) type Listener = Box<dyn FnMut(Option<Progress>) -> Result<(), Interrupted>>;

/// For how long the client hears nothing before it is told for the first time.
const FIRST_SILENCE: Duration = Duration::from_secs(1);
/// The same from then on (RFC 9585 4: every 10 to 15 seconds).
const NEXT_SILENCE: Duration = Duration::from_secs(10);

/// A command at work. The listener goes when this is dropped.
pub(crate) struct AtWork(());

impl AtWork {
    /// Begins.
    pub(crate) fn begin(listener: Listener) -> AtWork {
        LISTENER.set(Some(listener));
        SILENCE.set(FIRST_SILENCE);
        PROGRESS.set(None);
        DUE.set(clock::monotonic().checked_add(FIRST_SILENCE));
        AtWork(())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        be_quiet();
    }
}

/// For the rest of the command its client is told nothing.
pub(crate) fn be_quiet() {
    LISTENER.set(None);
    DUE.set(None);
}

/// Notes that the client has just been told something, or has sent something.
pub(crate) fn restart_clock() {
    if DUE.get().is_some() {
        DUE.set(clock::monotonic().checked_add(SILENCE.get()));
    }
}

/// Calls the listener if it is time.
pub(super) fn tell() -> Result<(), Interrupted> {
    let now = clock::monotonic();
    if DUE.get().is_none_or(|due| now < due) {
        return Ok(());
    }
    DUE.set(now.checked_add(SILENCE.get()));
    let Some(mut listener) = LISTENER.take() else { return Ok(()) };
    let told = listener(PROGRESS.get());
    LISTENER.set(Some(listener));
    told
}

/// Notes that the client was told that its command is at work.
pub(crate) fn has_told() {
    SILENCE.set(NEXT_SILENCE);
    DUE.set(clock::monotonic().checked_add(NEXT_SILENCE));
}

/// A loop that knows how far it has come. The first one of a command is what its client is told of:
/// the numbers only grow, and what they lead to stays the same (RFC 9585 4).
pub(crate) struct Items {
    /// So many rounds were begun.
    begun: usize,
    total: usize,
    is_told: bool,
}

impl Items {
    /// Before a loop over `total` items.
    pub(crate) fn of(total: usize) -> Items {
        let is_told = PROGRESS.get().is_none();
        let items = Items { begun: 0, total, is_told };
        items.note();
        items
    }

    fn note(&self) {
        if self.is_told {
            PROGRESS.set(Some(Progress { done: self.begun, total: self.total }));
        }
    }

    /// [`breathe`], in each round of the loop.
    pub(crate) fn breathe(&mut self) -> Result<(), Interrupted> {
        self.note();
        self.begun = self.begun.saturating_add(1);
        breathe()
    }
}

impl Drop for Items {
    /// All of them are done.
    fn drop(&mut self) {
        self.begun = self.total;
        self.note();
    }
}

/// [`poll::pause`], in which the client is told that the command is at work. It may end early
/// without a reason.
pub(crate) fn pause(time: Duration, watch: Option<BorrowedFd<'_>>) -> io::Result<poll::Ready> {
    let until_due = DUE.get().map(|due| due.saturating_duration_since(clock::monotonic()));
    let mut ready = poll::pause(until_due.map_or(time, |left| left.min(time)), watch)?;
    if !ready.signal && !ready.hangup {
        match tell() {
            Ok(()) => {}
            Err(Interrupted::Signal) => ready.signal = true,
            Err(Interrupted::HungUp) => ready.hangup = true,
        }
    }
    Ok(ready)
}

/// Sets the end of the time for which a command may go on after its client has sent its last byte.
pub(crate) fn set_deadline(deadline: Option<Instant>) {
    DEADLINE.set(deadline);
}

/// An error if a signal has arrived or the client is gone: the caller stops and passes it on. It
/// costs one reading of a coarse clock, and a system call every [`INTERVAL`].
pub(crate) fn breathe() -> Result<(), Interrupted> {
    if let Some(why) = OVER.get() {
        return Err(why);
    }
    if poll::since_last_wait() < INTERVAL {
        return Ok(());
    }
    let why = match poll::pause(Duration::ZERO, None) {
        Ok(ready) if ready.signal => Interrupted::Signal,
        Ok(ready) if ready.hangup || has_waited_long_enough() => Interrupted::HungUp,
        _ => match tell() {
            Ok(()) => return Ok(()),
            Err(why) => why,
        },
    };
    OVER.set(Some(why));
    Err(why)
}

/// Whether the deadline has passed, and the client's side of the connection is closed. (Such a
/// client may still be waiting for answers.)
fn has_waited_long_enough() -> bool {
    if DEADLINE.get().is_none_or(|deadline| clock::monotonic() < deadline) {
        return false;
    }
    // SAFETY: descriptor 0 is the connection for as long as the process lives; if it was closed,
    // poll says POLLNVAL.
    let stdin = unsafe { BorrowedFd::borrow_raw(0) };
    let mut fds = [PollFd::new(stdin, PollFlags::from_bits_retain(libc::POLLRDHUP))];
    nix::poll::poll(&mut fds, PollTimeout::ZERO).is_ok_and(|n| n > 0)
}
