//! Looking up from long work. Signals are let in, and a client that has gone is noticed, only where
//! the session waits ([`super::poll`]). Work that may take long without a wait (a loop over
//! messages, parts, fields, names, folders, files) calls [`breathe`] in each round. It returns its
//! error wherever a half-done piece of work may be left; what undoes such work never calls it.

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
        _ => return Ok(()),
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
