//! SIGTERM, SIGHUP and SIGINT end a session in order: they are blocked everywhere but inside the
//! waits of [`super::poll`], so that no change on disk is cut in two (PROTOCOL 1.8).

use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, pthread_sigmask, sigaction,
};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED_TO_STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_: libc::c_int) {
    ASKED_TO_STOP.store(true, Ordering::Relaxed);
}

fn ours() -> SigSet {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.add(Signal::SIGHUP);
    set.add(Signal::SIGINT);
    set
}

/// Signals that would end the process where a call fails: SIGPIPE where the client is gone, SIGXFSZ
/// where a file would grow beyond what `ulimit -f` allows. Ignored, they leave EPIPE and EFBIG.
const OF_FAILED_WRITES: [Signal; 2] = [Signal::SIGPIPE, Signal::SIGXFSZ];

/// Handles the three signals, blocks them, and ignores those of failed writes. Called once, at
/// start-up.
pub(crate) fn install() {
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::empty(), SigSet::empty());
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
    unsafe {
        for signal in &ours() {
            let _ = sigaction(signal, &action);
        }
        for signal in OF_FAILED_WRITES {
            let _ = sigaction(signal, &ignore);
        }
    }
    let _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&ours()), None);
}

/// Whether one of the three has arrived.
pub(crate) fn asked_to_stop() -> bool {
    ASKED_TO_STOP.load(Ordering::Relaxed)
}

/// The signals blocked inside a wait: those blocked when the process began, without our three.
pub(super) fn open_mask() -> SigSet {
    static MASK: OnceLock<SigSet> = OnceLock::new();
    *MASK.get_or_init(|| {
        let mut mask = SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty());
        for signal in &ours() {
            mask.remove(signal);
        }
        mask
    })
}

/// Makes one system call with the signals let in, so that they interrupt it if it blocks. (A signal
/// that arrives just before the call does not, so the caller waits first.)
pub(super) fn let_in<T>(call: impl FnOnce() -> T) -> T {
    let mut before = SigSet::empty();
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&open_mask()), Some(&mut before));
    let result = call();
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    result
}

/// In a child between fork and exec: resets the signals to their defaults.
pub(super) fn reset_in_child() {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: sigaction with SIG_DFL is async-signal-safe.
    unsafe {
        for signal in &ours() {
            let _ = sigaction(signal, &default);
        }
        for signal in OF_FAILED_WRITES {
            let _ = sigaction(signal, &default);
        }
    }
    let _ = pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&ours()), None);
}
