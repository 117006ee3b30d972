//! The connection: standard input and output, whose blocking mode is not ours to change (other
//! processes share it).

use super::last_words::{self, PIPE_BUF};
use super::{clock, poll, signals};
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{MsgFlags, recv, send, setsockopt, sockopt};
use nix::sys::stat::{Mode, SFlag, fstat};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// How to write without ever blocking.
enum Way {
    /// A socket: per-call flags.
    Socket,
    /// A descriptor of our own for the same pipe or terminal, non-blocking.
    Own(OwnedFd),
    /// Nothing better: after poll() has said yes, a pipe takes this many octets (POSIX PIPE_BUF).
    Small,
    /// A file: never blocks.
    File,
}

/// The two ends that we were given.
pub(crate) struct Stdio {
    input_is_socket: bool,
    is_tcp: bool,
    way: Way,
}

/// How many octets of output the client's side has not confirmed.
fn on_the_way() -> i32 {
    let mut count: libc::c_int = 0;
    // SAFETY: TIOCOUTQ writes one integer, which is there; on what is no connection it fails.
    if unsafe { libc::ioctl(1, libc::TIOCOUTQ, &mut count) } == 0 { count } else { 0 }
}

fn kind(fd: BorrowedFd<'_>) -> Option<SFlag> {
    fstat(fd).ok().map(|s| SFlag::from_bits_truncate(s.st_mode & SFlag::S_IFMT.bits()))
}

impl Stdio {
    /// Looks at what descriptors 0 and 1 are, and asks TCP to notice a dead client (keep-alive, and
    /// no more than `stall` of unacknowledged output).
    pub(crate) fn new(stall: Duration) -> Stdio {
        let input = std::io::stdin();
        let output = std::io::stdout();
        let input_is_socket = kind(input.as_fd()) == Some(SFlag::S_IFSOCK);
        let way = match kind(output.as_fd()) {
            Some(SFlag::S_IFSOCK) => Way::Socket,
            Some(SFlag::S_IFREG) => Way::File,
            Some(SFlag::S_IFIFO) => {
                let flags =
                    OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
                open("/proc/self/fd/1", flags, Mode::empty()).map_or(Way::Small, Way::Own)
            }
            _ => Way::Small,
        };
        let mut is_tcp = false;
        if input_is_socket {
            let _ = setsockopt(&input.as_fd(), sockopt::KeepAlive, &true);
            let millis = u32::try_from(stall.as_millis()).unwrap_or(60_000);
            is_tcp = setsockopt(&input.as_fd(), sockopt::TcpUserTimeout, &millis).is_ok();
        }
        Stdio { input_is_socket, is_tcp, way }
    }

    /// The descriptor to wait on for input.
    pub(crate) fn input(&self) -> BorrowedFd<'static> {
        // SAFETY: descriptor 0 stays what it is for as long as the process lives.
        unsafe { BorrowedFd::borrow_raw(0) }
    }

    /// The descriptor to wait on before more output.
    pub(crate) fn output(&self) -> BorrowedFd<'_> {
        match &self.way {
            Way::Own(fd) => fd.as_fd(),
            // SAFETY: descriptor 1 stays what it is for as long as the process lives.
            _ => unsafe { BorrowedFd::borrow_raw(1) },
        }
    }

    /// Reads what is there; only after a wait has said so. 0 is the end of input.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.input_is_socket {
            return Ok(recv(0, buf, MsgFlags::MSG_DONTWAIT)?);
        }
        Ok(nix::unistd::read(self.input(), buf)?)
    }

    /// Writes a part of `data`, never waiting: `WouldBlock` says that a wait is due. For
    /// [`Way::Small`] the caller must have waited for the descriptor before (see
    /// [`Stdio::must_wait`]).
    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match &self.way {
            Way::Socket => Ok(send(1, data, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL)?),
            Way::Own(fd) => Ok(nix::unistd::write(fd, data)?),
            Way::File => Ok(nix::unistd::write(self.output(), data)?),
            Way::Small => {
                let piece = data.get(..data.len().min(PIPE_BUF)).unwrap_or(data);
                // A terminal may wait all the same: for room for all of it.
                Ok(signals::let_in(|| nix::unistd::write(self.output(), piece))?)
            }
        }
    }

    /// Whether every write needs a wait before it.
    pub(crate) fn must_wait(&self) -> bool {
        matches!(self.way, Way::Small)
    }

    /// Waits for room on the way out, when signals do not count any more.
    pub(crate) fn wait_without_signals(&mut self, timeout: Duration) -> io::Result<bool> {
        if self.must_wait() {
            last_words::backstop(timeout + Duration::from_secs(1));
        }
        let interest = poll::WaitFor { output: Some(self.output()), ..poll::WaitFor::default() };
        Ok(poll::wait_without_signals(interest, timeout)?.output)
    }

    /// After the last word: throws away what the client has sent and goes on sending. A connection
    /// that is closed with input in it, or to which input comes after that, is reset, and takes
    /// back what the client has not read yet. TCP is waited for until the client's side has all of
    /// it, no longer than `patience`.
    pub(crate) fn hang_up(&mut self, patience: Duration) {
        let end = clock::monotonic() + patience;
        loop {
            let over = last_words::empty_input();
            let left = end.saturating_duration_since(clock::monotonic());
            if !self.is_tcp || left.is_zero() || on_the_way() == 0 {
                return;
            }
            let pause = left.min(Duration::from_millis(20));
            if over {
                clock::sleep(pause);
            } else {
                let interest =
                    poll::WaitFor { input: Some(self.input()), ..poll::WaitFor::default() };
                let _ = poll::wait_without_signals(interest, pause);
            }
        }
    }
}
