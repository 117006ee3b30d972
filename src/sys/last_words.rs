//! The end of a process that cannot go on, because memory has run out or the program has a fault.
//! It writes a line to the log, and sends the client the answers of finished commands and a BYE,
//! unless the client has received a part of a response only. Nothing here allocates or waits, so
//! neither a client that does not read nor a log reader that has stopped delays the end.
//!
//! The answers are in the session's output queue, which may be half changed at that moment. So the
//! queue records where its unsent responses are whenever that changes, and the allocator corrects
//! the record when it moves or frees their memory.

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

/// The unsent responses, complete; null if there are none. (A session has one thread. With more, a
/// block could be moved or freed between two of the stores below.)
static UNSENT: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static LENGTH: AtomicUsize = AtomicUsize::new(0);
/// The client has received a part of a response whose rest is not in `UNSENT`.
static MID_RESPONSE: AtomicBool = AtomicBool::new(false);

/// What is sent goes into stored blocks of DEFLATE.
static STORED: AtomicBool = AtomicBool::new(false);

/// How many bytes a pipe takes at once after poll() has reported room (POSIX PIPE_BUF).
pub(super) const PIPE_BUF: usize = 4096;
/// Ends the process if a write blocks even so: another process may have filled the pipe since.
const MAX_BLOCKED: Duration = Duration::from_secs(1);

/// Records that `unsent` is still to be sent, and whether the client is left in the middle of a
/// response after it. Holds until the next call, or until the memory of `unsent` is freed.
pub(crate) fn note_unsent(unsent: &[u8], mid_response: bool) {
    let at = if unsent.is_empty() { ptr::null_mut() } else { unsent.as_ptr().cast_mut() };
    UNSENT.store(at, Relaxed);
    LENGTH.store(unsent.len(), Relaxed);
    MID_RESPONSE.store(mid_response, Relaxed);
}

/// From now on, what is sent continues a DEFLATE stream that stands at a byte boundary whenever
/// something may be sent: it goes into stored blocks, for which nothing need be compressed.
pub(crate) fn use_stored_blocks() {
    STORED.store(true, Relaxed);
}

/// The offset of `UNSENT` in a block of memory, if it is in there.
fn within(block: *mut u8, size: usize) -> Option<usize> {
    let offset = UNSENT.load(Relaxed).addr().wrapping_sub(block.addr());
    (offset < size).then_some(offset)
}

/// From the allocator: a block is about to be freed.
pub(super) fn freed(block: *mut u8, size: usize) {
    if within(block, size).is_some() {
        // A BYE must not follow: the client would miss the answers before it.
        note_unsent(&[], true);
    }
}

/// From the allocator: a block has moved, and may have another size.
pub(super) fn moved(block: *mut u8, size: usize, to: *mut u8, new_size: usize) {
    if let Some(offset) = within(block, size) {
        if offset.saturating_add(LENGTH.load(Relaxed)) <= new_size {
            UNSENT.store(to.wrapping_add(offset), Relaxed);
        } else {
            note_unsent(&[], true);
        }
    }
}

extern "C" fn give_up(_: libc::c_int) {
    // SAFETY: _exit is async-signal-safe.
    unsafe { libc::_exit(1) }
}

/// Ends the process with status 1 after this time, in whole seconds, if it still runs.
pub(super) fn exit_after(after: Duration) {
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

/// Ends the process: writes `log` to the log, and the unsent responses and `goodbye` to the client,
/// as far as they can be written without waiting.
pub(super) fn end(log: &[u8], goodbye: &[u8]) -> ! {
    exit_after(MAX_BLOCKED);
    write_all(2, log);
    let unsent = UNSENT.load(Relaxed);
    let unsent = if unsent.is_null() {
        &[]
    } else {
        // SAFETY: if not null, `unsent` points to LENGTH initialised bytes of a block that was not
        // freed (`freed` and `moved` see to that), and no other code runs any more.
        unsafe { std::slice::from_raw_parts(unsent, LENGTH.load(Relaxed)) }
    };
    if !MID_RESPONSE.load(Relaxed) && say(unsent) {
        say(goodbye);
    }
    let _ = discard_input();
    // SAFETY: ends the process. There is nothing to clean up: the next session recognises a lock
    // whose owner is gone.
    unsafe { libc::_exit(1) }
}

/// Sends to the client. Whether that was all.
fn say(text: &[u8]) -> bool {
    if !STORED.load(Relaxed) {
        return write_all(1, text);
    }
    for block in text.chunks(usize::from(u16::MAX)) {
        // RFC 1951 3.2.4: not BFINAL (see `wire::deflate`), BTYPE 0; the length; its complement.
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        let [[a, b], [c, d]] = [length.to_le_bytes(), (!length).to_le_bytes()];
        if !write_all(1, &[0, a, b, c, d]) || !write_all(1, block) {
            return false;
        }
    }
    true
}

/// How many buffers of input are discarded at once: more than the kernel usually holds, but not as
/// many as a client can send.
const MAX_DISCARDED: u32 = 4096;

/// Discards what the input socket has received: a socket that is closed with unread input is reset,
/// and the client loses output. Whether the input has ended.
pub(super) fn discard_input() -> bool {
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

/// Writes as much as a descriptor takes without waiting. Whether that was all.
fn write_all(fd: i32, mut text: &[u8]) -> bool {
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
    // SAFETY: it is not closed here; if it is not open, poll and write fail, which is harmless.
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

    const CHILD: &str = "POSTRIDER_TEST_EXIT";

    /// A write that blocks, in a process of its own.
    #[test]
    fn a_blocked_write_is_ended() {
        if std::env::var_os(CHILD).is_some() {
            let (_reader, writer) = std::io::pipe().unwrap();
            exit_after(Duration::ZERO);
            while nix::unistd::write(&writer, &[b'.'; 4096]).is_ok() {}
            std::process::exit(3);
        }
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child
            .args([
                "--exact",
                "sys::last_words::tests::a_blocked_write_is_ended",
                "--test-threads=1",
            ])
            .env(CHILD, "1");
        assert_eq!(child.output().unwrap().status.code(), Some(1));
    }

    fn noted() -> (*mut u8, usize, bool) {
        (UNSENT.load(Relaxed), LENGTH.load(Relaxed), MID_RESPONSE.load(Relaxed))
    }

    /// The tests' allocator is the program's.
    #[test]
    fn the_queue_is_found_after_a_move() {
        let mut queue = b"a OK done\r\n* 1 FETCH".to_vec();
        note_unsent(queue.get(2..11).unwrap(), false);
        let before = queue.as_mut_ptr();
        assert_eq!(noted(), (before.wrapping_add(2), 9, false));
        // The next reservation cannot be met in place: a block of this size is mapped, and moves.
        queue.reserve(1 << 20);
        let _keep = vec![0u8; 1 << 20];
        queue.reserve(64 << 20);
        assert_ne!(queue.as_mut_ptr(), before);
        assert_eq!(noted(), (queue.as_mut_ptr().wrapping_add(2), 9, false));
        queue.shrink_to_fit();
        assert_eq!(noted(), (queue.as_mut_ptr().wrapping_add(2), 9, false));
        // Other blocks do not matter.
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
