//! The way out of a process that cannot go on: memory has run out, or a fault was found in the
//! program. The log gets a line, the client what finished commands have answered and a BYE. Nothing
//! here allocates, and nothing waits: neither a client that does not read nor a log reader that has
//! stopped keeps the process. A BYE never stands in the middle of a response.
//!
//! What the client may still get lies in the session's queue. The queue says where, whenever that
//! changes, and the allocator says when the memory moves, so that it is known at any moment without
//! asking the queue, which may be half changed just then.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, pthread_sigmask, sigaction,
};
use nix::sys::socket::{MsgFlags, recv, send};
use std::os::fd::BorrowedFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// What is still to be sent, and ends a response; null: nothing. (A session has one thread; with
/// more, a block could move or be freed between the two halves of what is done here.)
static QUEUE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static LENGTH: AtomicUsize = AtomicUsize::new(0);
/// The client has a part of a response, and the rest will not come.
static IN_THE_MIDDLE: AtomicBool = AtomicBool::new(false);

/// After poll() has said yes, a pipe takes this many octets (POSIX PIPE_BUF).
pub(super) const PIPE_BUF: usize = 4096;
/// If a write waits all the same (another process has filled the pipe in between), this ends it.
const BACKSTOP: Duration = Duration::from_secs(1);

/// Takes note of where the connection stands: `whole` is still to be sent, and a line may follow
/// it, unless the client is left in the middle of a response. Counts until the next call, or until
/// the memory of `whole` is freed.
pub(crate) fn note_unsent(whole: &[u8], in_the_middle: bool) {
    let at = if whole.is_empty() { ptr::null_mut() } else { whole.as_ptr().cast_mut() };
    QUEUE.store(at, Relaxed);
    LENGTH.store(whole.len(), Relaxed);
    IN_THE_MIDDLE.store(in_the_middle, Relaxed);
}

/// How far behind the beginning of a block of memory the queue lies, if it lies in it.
fn within(block: *mut u8, size: usize) -> Option<usize> {
    let offset = QUEUE.load(Relaxed).addr().wrapping_sub(block.addr());
    (offset < size).then_some(offset)
}

/// From the allocator: a block is about to be freed.
pub(super) fn freed(block: *mut u8, size: usize) {
    if within(block, size).is_some() {
        // Whoever frees what was to be sent does not want a goodbye behind what is missing.
        note_unsent(&[], true);
    }
}

/// From the allocator: a block has moved, and may have another size.
pub(super) fn moved(block: *mut u8, size: usize, to: *mut u8, new_size: usize) {
    if let Some(offset) = within(block, size) {
        if offset.saturating_add(LENGTH.load(Relaxed)) <= new_size {
            QUEUE.store(to.wrapping_add(offset), Relaxed);
        } else {
            note_unsent(&[], true);
        }
    }
}

extern "C" fn give_up(_: libc::c_int) {
    // SAFETY: _exit is async-signal-safe.
    unsafe { libc::_exit(1) }
}

/// Ends the process, status 1, if it has not ended by itself after this time, which counts in whole
/// seconds.
pub(super) fn backstop(after: Duration) {
    let action = SigAction::new(SigHandler::Handler(give_up), SaFlags::empty(), SigSet::empty());
    let seconds = libc::c_uint::try_from(after.as_secs()).unwrap_or(libc::c_uint::MAX).max(1);
    // SAFETY: the handler only calls _exit; alarm is a plain system call.
    unsafe {
        let _ = sigaction(Signal::SIGALRM, &action);
        libc::alarm(seconds);
    }
    let mut alarm = SigSet::empty();
    alarm.add(Signal::SIGALRM);
    let _ = pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&alarm), None);
}

/// Ends the process now: `log` to the log, what the queue has left and `goodbye` to the client, as
/// far as they are taken at once.
pub(super) fn end(log: &[u8], goodbye: &[u8]) -> ! {
    backstop(BACKSTOP);
    say(2, log);
    let queue = QUEUE.load(Relaxed);
    let queue = if queue.is_null() {
        &[]
    } else {
        // SAFETY: a queue that is not null is LENGTH initialised bytes of a block that is not freed
        // (`freed`, `moved`), and nothing else runs any more.
        unsafe { std::slice::from_raw_parts(queue, LENGTH.load(Relaxed)) }
    };
    if !IN_THE_MIDDLE.load(Relaxed) && say(1, queue) {
        say(1, goodbye);
    }
    let _ = empty_input();
    // SAFETY: ends the process; nothing of ours is to be cleared away (a lock that is left is seen
    // to be nobody's).
    unsafe { libc::_exit(1) }
}

/// How many pieces of input are thrown away at once: more than the kernel holds as a rule, and not
/// as long as a client goes on.
const MAX_DISCARDED: u32 = 4096;

/// Throws away what a socket has received: with input in it, it would take back what was said.
/// Whether its input is over.
pub(super) fn empty_input() -> bool {
    let mut buffer = [0; 4096];
    for _ in 0..MAX_DISCARDED {
        match recv(0, &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(Errno::EAGAIN) => return false,
            Err(_) => return true,
        }
    }
    false
}

/// Writes what a descriptor takes at once; whether that was all.
fn say(fd: i32, mut text: &[u8]) -> bool {
    while !text.is_empty() {
        let sent = match send(fd, text, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
            Err(Errno::ENOTSOCK) => write_small(fd, text),
            other => other,
        };
        match sent {
            Ok(n) => text = text.get(n..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
    true
}

fn write_small(fd: i32, text: &[u8]) -> nix::Result<usize> {
    // SAFETY: a descriptor that is not open makes poll and write fail, no more; it is not closed
    // here.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let mut room = [PollFd::new(fd, PollFlags::POLLOUT)];
    if poll(&mut room, PollTimeout::ZERO)? == 0 {
        return Err(Errno::EAGAIN);
    }
    nix::unistd::write(fd, text.get(..text.len().min(PIPE_BUF)).unwrap_or(text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CHILD: &str = "POSTRIDER_TEST_BACKSTOP";

    /// A write that waits all the same, in a process of its own.
    #[test]
    fn a_backstop_ends_what_waits() {
        if std::env::var_os(CHILD).is_some() {
            let (_reader, writer) = std::io::pipe().unwrap();
            backstop(Duration::ZERO);
            while nix::unistd::write(&writer, &[b'.'; 4096]).is_ok() {}
            std::process::exit(3);
        }
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child
            .args([
                "--exact",
                "sys::last_words::tests::a_backstop_ends_what_waits",
                "--test-threads=1",
            ])
            .env(CHILD, "1");
        assert_eq!(child.output().unwrap().status.code(), Some(1));
    }

    fn noted() -> (*mut u8, usize, bool) {
        (QUEUE.load(Relaxed), LENGTH.load(Relaxed), IN_THE_MIDDLE.load(Relaxed))
    }

    /// The tests' allocator is the program's.
    #[test]
    fn the_queue_is_found_where_it_has_moved_to() {
        let mut queue = b"a OK done\r\n* 1 FETCH".to_vec();
        note_unsent(queue.get(2..11).unwrap(), false);
        let before = queue.as_mut_ptr();
        assert_eq!(noted(), (before.wrapping_add(2), 9, false));
        // Not within what it has: a block of this size is one of its own, which moves.
        queue.reserve(1 << 20);
        let _keep = vec![0u8; 1 << 20];
        queue.reserve(64 << 20);
        assert_ne!(queue.as_mut_ptr(), before);
        assert_eq!(noted(), (queue.as_mut_ptr().wrapping_add(2), 9, false));
        queue.shrink_to_fit();
        assert_eq!(noted(), (queue.as_mut_ptr().wrapping_add(2), 9, false));
        // Other memory does not matter.
        drop(vec![0u8; 4096]);
        assert_eq!(noted().1, 9);
        queue.truncate(5);
        queue.shrink_to_fit();
        assert_eq!(noted(), (ptr::null_mut(), 0, true));
        note_unsent(&queue, false);
        drop(queue);
        assert_eq!(noted(), (ptr::null_mut(), 0, true));
        note_unsent(&[], false);
        assert_eq!(noted(), (ptr::null_mut(), 0, false));
    }
}
