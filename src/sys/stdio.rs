//! The connection of a session: standard input and output. Their blocking mode stays as it is,
//! since other processes share it; this file writes without blocking all the same.

use super::last_words::{self, PIPE_BUF};
use super::{clock, poll, signals};
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{MsgFlags, recv, send, setsockopt, sockopt};
use nix::sys::stat::{Mode, SFlag, fstat};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// How to write without ever blocking.
enum WriteMethod {
    /// A socket: per-call flags.
    Socket,
    /// A non-blocking descriptor of our own for the same pipe.
    OwnDescriptor(OwnedFd),
    /// Anything else: at most PIPE_BUF bytes after poll() has reported room.
    SmallWrites,
    /// A file: never blocks.
    File,
}

/// Descriptors 0 and 1.
pub(crate) struct Stdio {
    input_is_socket: bool,
    is_tcp: bool,
    write_method: WriteMethod,
}

/// How many bytes of output the client's system has not acknowledged.
fn unacknowledged() -> i32 {
    let mut count: libc::c_int = 0;
    // SAFETY: TIOCOUTQ writes one integer, `count`; it fails on anything but a connection.
    if unsafe { libc::ioctl(1, libc::TIOCOUTQ, &mut count) } == 0 { count } else { 0 }
}

fn kind(fd: BorrowedFd<'_>) -> Option<SFlag> {
    fstat(fd).ok().map(|s| SFlag::from_bits_truncate(s.st_mode & SFlag::S_IFMT.bits()))
}

impl Stdio {
    /// Finds out what descriptors 0 and 1 are, and has TCP notice a dead client: by keep-alive, and
    /// by output that is not acknowledged for `stall`.
    pub(crate) fn new(stall: Duration) -> Stdio {
        let input = std::io::stdin();
        let output = std::io::stdout();
        let input_is_socket = kind(input.as_fd()) == Some(SFlag::S_IFSOCK);
        let write_method = match kind(output.as_fd()) {
            Some(SFlag::S_IFSOCK) => WriteMethod::Socket,
            Some(SFlag::S_IFREG) => WriteMethod::File,
            Some(SFlag::S_IFIFO) => {
                let flags =
                    OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
                open("/proc/self/fd/1", flags, Mode::empty())
                    .map_or(WriteMethod::SmallWrites, WriteMethod::OwnDescriptor)
            }
            _ => WriteMethod::SmallWrites,
        };
        let mut is_tcp = false;
        if input_is_socket {
            let _ = setsockopt(&input.as_fd(), sockopt::KeepAlive, &true);
            let millis = u32::try_from(stall.as_millis()).unwrap_or(60_000);
            is_tcp = setsockopt(&input.as_fd(), sockopt::TcpUserTimeout, &millis).is_ok();
        }
        Stdio { input_is_socket, is_tcp, write_method }
    }

    /// The descriptor to wait on for input.
    pub(crate) fn input(&self) -> BorrowedFd<'static> {
        // SAFETY: descriptor 0 stays what it is for as long as the process lives.
        unsafe { BorrowedFd::borrow_raw(0) }
    }

    /// The descriptor to wait on before more output.
    pub(crate) fn output(&self) -> BorrowedFd<'_> {
        match &self.write_method {
            WriteMethod::OwnDescriptor(fd) => fd.as_fd(),
            // SAFETY: descriptor 1 stays what it is for as long as the process lives.
            _ => unsafe { BorrowedFd::borrow_raw(1) },
        }
    }

    /// Reads what is there. Only after a wait has reported input. 0 is the end.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.input_is_socket {
            return Ok(recv(0, buf, MsgFlags::MSG_DONTWAIT)?);
        }
        Ok(nix::unistd::read(self.input(), buf)?)
    }

    /// Writes a part of `data` without waiting; `WouldBlock` if there is no room. The caller must
    /// have waited for room if [`Stdio::must_wait`] says so.
    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match &self.write_method {
            WriteMethod::Socket => {
                Ok(send(1, data, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL)?)
            }
            WriteMethod::OwnDescriptor(fd) => Ok(nix::unistd::write(fd, data)?),
            WriteMethod::File => Ok(nix::unistd::write(self.output(), data)?),
            WriteMethod::SmallWrites => {
                let chunk = data.get(..data.len().min(PIPE_BUF)).unwrap_or(data);
                // A terminal may block even so, until it has room for all of the chunk.
                Ok(signals::let_in(|| nix::unistd::write(self.output(), chunk))?)
            }
        }
    }

    /// Whether every write needs a wait before it.
    pub(crate) fn must_wait(&self) -> bool {
        matches!(self.write_method, WriteMethod::SmallWrites)
    }

    /// Waits for room at the end of a session, when signals no longer matter. Whether there is
    /// some.
    pub(crate) fn wait_without_signals(&mut self, timeout: Duration) -> io::Result<bool> {
        if self.must_wait() {
            last_words::exit_after(timeout + Duration::from_secs(1));
        }
        let interest = poll::WaitFor { output: Some(self.output()), ..poll::WaitFor::default() };
        Ok(poll::wait_without_signals(interest, timeout)?.output)
    }

    /// Ends the connection after the last output: discards what the client has sent and goes on
    /// sending. A TCP connection that is closed with unread input, or that receives input after its
    /// end, is reset, and the client loses output that it has not read. So this waits until the
    /// client's system has acknowledged everything, for `patience` at most.
    pub(crate) fn hang_up(&mut self, patience: Duration) {
        let end = clock::monotonic() + patience;
        loop {
            let input_ended = last_words::discard_input();
            let left = end.saturating_duration_since(clock::monotonic());
            if !self.is_tcp || left.is_zero() || unacknowledged() == 0 {
                return;
            }
            let pause = left.min(Duration::from_millis(20));
            if input_ended {
                clock::sleep(pause);
            } else {
                let interest =
                    poll::WaitFor { input: Some(self.input()), ..poll::WaitFor::default() };
                let _ = poll::wait_without_signals(interest, pause);
            }
        }
    }
}
