//! The one place in which a session waits, and the only one in which signals are let in; long work
//! looks up by it, too ([`super::breath`]).

use super::signals;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::SigSet;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// The events that a wait ends with.
#[derive(Clone, Copy, Default)]
pub(crate) struct WaitFor<'a> {
    /// A descriptor to read from.
    pub(crate) input: Option<BorrowedFd<'a>>,
    /// A descriptor to write to.
    pub(crate) output: Option<BorrowedFd<'a>>,
    /// A watch, readable when something has changed.
    pub(crate) watch: Option<BorrowedFd<'a>>,
    /// A descriptor of which only the hang-up of its other end matters.
    pub(crate) hangup: Option<BorrowedFd<'a>>,
}

/// What has ended a wait; nothing set means that the time is up.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    /// There is input, or its end.
    pub(crate) input: bool,
    /// There is room for output, or the other end is gone.
    pub(crate) output: bool,
    /// The watch reports a change.
    pub(crate) watch: bool,
    /// The other end of `hangup` is gone.
    pub(crate) hangup: bool,
    /// A signal asks the session to stop.
    pub(crate) signal: bool,
}

/// Waits for one of these events, a signal, or the end of the time (`None`: no limit).
pub(crate) fn wait(interest: WaitFor<'_>, timeout: Option<Duration>) -> io::Result<Ready> {
    if signals::asked_to_stop() {
        return Ok(Ready { signal: true, ..Ready::default() });
    }
    poll(interest, timeout, Some(signals::open_mask()))
}

/// Waits at the end of a session, when signals no longer matter: they are not let in.
pub(crate) fn wait_without_signals(interest: WaitFor<'_>, timeout: Duration) -> io::Result<Ready> {
    poll(interest, Some(timeout), None)
}

fn poll(
    interest: WaitFor<'_>,
    timeout: Option<Duration>,
    mask: Option<SigSet>,
) -> io::Result<Ready> {
    let mut ready = Ready::default();
    let wanted = [
        (interest.input, PollFlags::POLLIN),
        (interest.output, PollFlags::POLLOUT),
        (interest.watch, PollFlags::POLLIN),
        (interest.hangup, PollFlags::empty()),
    ];
    let mut fds: Vec<PollFd<'_>> =
        wanted.iter().filter_map(|(fd, flags)| fd.map(|fd| PollFd::new(fd, *flags))).collect();
    let timeout = timeout.map(TimeSpec::from_duration);
    let result = ppoll(&mut fds, timeout, mask);
    LAST_WAIT.set(coarse_time());
    match result {
        Ok(_) => {}
        Err(Errno::EINTR) => {
            ready.signal = signals::asked_to_stop();
            return Ok(ready);
        }
        Err(e) => return Err(e.into()),
    }
    let mut results = fds.iter().map(|fd| fd.any().unwrap_or(true));
    // One result for each descriptor that was passed, in the same order.
    let mut take = |passed: bool| passed && results.next().unwrap_or(false);
    ready.input = take(interest.input.is_some());
    ready.output = take(interest.output.is_some());
    ready.watch = take(interest.watch.is_some());
    ready.hangup = take(interest.hangup.is_some());
    ready.signal = signals::asked_to_stop();
    Ok(ready)
}

/// A pause in a longer task (waiting for a lock or for the clock). It ends early when `watch`
/// reports a change, a signal arrives, or standard output is hung up. (The end of standard input
/// does not count: what was sent before it is still answered.)
pub(crate) fn pause(time: Duration, watch: Option<BorrowedFd<'_>>) -> io::Result<Ready> {
    // SAFETY: descriptor 1 is the connection for as long as the process lives; if it was closed,
    // poll says POLLNVAL.
    let stdout = unsafe { BorrowedFd::borrow_raw(1) };
    wait(WaitFor { watch, hangup: Some(stdout), ..WaitFor::default() }, Some(time))
}

thread_local! {
    /// When the last wait has ended, by [`coarse_time`].
    static LAST_WAIT: Cell<Duration> = Cell::new(coarse_time());
}

/// The time since the last wait, exact to a few milliseconds.
pub(super) fn since_last_wait() -> Duration {
    coarse_time().saturating_sub(LAST_WAIT.get())
}

/// A clock that is read without a system call, and advances every few milliseconds.
fn coarse_time() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).map_or(Duration::ZERO, Duration::from)
}
