//! The one wait. Every moment in which a session does nothing is spent in here, and signals come in
//! only here.

use super::signals;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::SigSet;
use nix::sys::time::TimeSpec;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// What a wait is for.
#[derive(Clone, Copy, Default)]
pub(crate) struct WaitFor<'a> {
    /// A descriptor to read from.
    pub(crate) input: Option<BorrowedFd<'a>>,
    /// A descriptor to write to.
    pub(crate) output: Option<BorrowedFd<'a>>,
    /// The notification of changes.
    pub(crate) watch: Option<BorrowedFd<'a>>,
    /// A descriptor whose far end may go away, and of which nothing else is wanted.
    pub(crate) hangup: Option<BorrowedFd<'a>>,
}

/// What ended a wait; nothing set means that the time was up.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    /// There is input, or its end.
    pub(crate) input: bool,
    /// Output is accepted, or the far end is gone.
    pub(crate) output: bool,
    /// A change was noticed.
    pub(crate) watch: bool,
    /// The far end of `hangup` is gone.
    pub(crate) hangup: bool,
    /// A signal asks the session to stop.
    pub(crate) signal: bool,
}

/// Waits until something of interest happens, a signal arrives or the time is up (`None`: no
/// limit).
pub(crate) fn wait(interest: WaitFor<'_>, timeout: Option<Duration>) -> io::Result<Ready> {
    if signals::asked_to_stop() {
        return Ok(Ready { signal: true, ..Ready::default() });
    }
    poll(interest, timeout, Some(signals::open_mask()))
}

/// Waits on the way out, when a signal was told already or does not matter any more: none is let
/// in.
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
    match ppoll(&mut fds, timeout, mask) {
        Ok(_) => {}
        Err(Errno::EINTR) => {
            ready.signal = signals::asked_to_stop();
            return Ok(ready);
        }
        Err(e) => return Err(e.into()),
    }
    let mut results = fds.iter().map(|fd| fd.any().unwrap_or(true));
    let mut take = |there: bool| there && results.next().unwrap_or(false);
    ready.input = take(interest.input.is_some());
    ready.output = take(interest.output.is_some());
    ready.watch = take(interest.watch.is_some());
    ready.hangup = take(interest.hangup.is_some());
    ready.signal = signals::asked_to_stop();
    Ok(ready)
}

/// A pause in a longer piece of work (waiting for a lock, letting the clock pass): ends early when
/// `watch` has something, when a signal arrives, or when nobody is left to read our answers. (The
/// end of standard input is no hang-up: what was sent before it is still answered.)
pub(crate) fn pause(time: Duration, watch: Option<BorrowedFd<'_>>) -> io::Result<Ready> {
    // SAFETY: descriptor 1 is the connection for as long as the process lives; if it was closed,
    // poll says POLLNVAL.
    let stdout = unsafe { BorrowedFd::borrow_raw(1) };
    wait(WaitFor { watch, hangup: Some(stdout), ..WaitFor::default() }, Some(time))
}
