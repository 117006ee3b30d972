//! The user, the host, and processes: this one and others.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, Uid, User};
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

/// The name of the real user id in the password file (through NSS), as Courier takes it for a
/// session without a login.
pub(crate) fn passwd_name() -> Option<Vec<u8>> {
    User::from_uid(Uid::current()).ok().flatten().map(|u| u.name.into_bytes())
}

/// The real user id.
pub(crate) fn uid() -> u32 {
    Uid::current().as_raw()
}

/// The effective user id.
pub(crate) fn euid() -> u32 {
    Uid::effective().as_raw()
}

/// The effective group id.
pub(crate) fn egid() -> u32 {
    nix::unistd::Gid::effective().as_raw()
}

/// This process.
pub(crate) fn pid() -> u32 {
    std::process::id()
}

/// Whether a process of this number, of whatever user, runs on this host. A zombie (it has ended,
/// but nobody has waited for it) does not; a thread's number does not count.
pub(crate) fn process_runs(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 0) else { return false };
    // SAFETY: pidfd_open takes two numbers.
    let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    match Errno::result(opened) {
        Ok(fd) => {
            let Ok(fd) = RawFd::try_from(fd) else { return false };
            // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
            let fd = unsafe { OwnedFd::from_raw_fd(fd) };
            let mut ended = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
            poll(&mut ended, PollTimeout::ZERO) != Ok(1)
        }
        Err(Errno::ESRCH | Errno::EINVAL | Errno::ENOENT) => false,
        // The kernel has no pidfd_open, or does not permit it.
        Err(_) => nix::sys::signal::kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH),
    }
}

/// A process as `/proc` describes it.
pub(crate) struct Process {
    /// When it began, in nanoseconds since 1970 by the present clock.
    pub(crate) start: i128,
    /// It makes no progress: it was stopped, or hangs in a system call (a file server does not
    /// answer).
    pub(crate) stuck: bool,
}

/// A process by its number; `None` if `/proc` has none.
pub(crate) fn process(pid: u32) -> Option<Process> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses, which may hold any characters; the third is the
    // state; the 22nd is the start, in ticks since the machine has booted.
    let rest = stat.get(memchr::memrchr(b')', &stat)?..)?;
    let mut fields = rest.split(|b| *b == b' ');
    let stuck = matches!(fields.nth(1)?, b"T" | b"t" | b"D");
    let ticks: u64 = std::str::from_utf8(fields.nth(18)?).ok()?.parse().ok()?;
    let a_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten()?;
    Some(Process {
        start: boot() + i128::from(ticks) * 1_000_000_000 / i128::from(a_second.max(1)),
        stuck,
    })
}

/// When the first process of the machine or of the container began, in nanoseconds since 1970. No
/// running process is older.
pub(crate) fn first_start() -> i128 {
    process(1).map_or_else(boot, |first| first.start)
}

/// Which boot of the machine this is; `None` where the system does not say.
pub(crate) fn boot_id() -> Option<[u8; 16]> {
    static ID: OnceLock<Option<[u8; 16]>> = OnceLock::new();
    *ID.get_or_init(read_boot_id)
}

fn read_boot_id() -> Option<[u8; 16]> {
    let text = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    let mut digits = text.iter().filter_map(|b| char::from(*b).to_digit(16));
    let mut id = [0; 16];
    for byte in &mut id {
        *byte = (digits.next()? * 16 + digits.next()?) as u8;
    }
    Some(id)
}

/// When the machine has booted, in nanoseconds since 1970.
fn boot() -> i128 {
    let up = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    let up = up.map_or(0, |t| i128::from(t.tv_sec()) * 1_000_000_000 + i128::from(t.tv_nsec()));
    super::clock::now_nanos() - up
}

/// The name that gethostname() gives.
pub(crate) fn hostname() -> Vec<u8> {
    nix::unistd::gethostname()
        .map(std::os::unix::ffi::OsStringExt::into_vec)
        .unwrap_or_else(|_| b"localhost".to_vec())
}

/// The system's name and release, as `uname -s` and `uname -r` print them.
pub(crate) fn system() -> (Vec<u8>, Vec<u8>) {
    use std::os::unix::ffi::OsStrExt;
    nix::sys::utsname::uname()
        .map(|u| (u.sysname().as_bytes().to_vec(), u.release().as_bytes().to_vec()))
        .unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nix::sys::signal::{Signal, kill};

    #[test]
    fn processes() {
        assert!(
            process_runs(pid()) && process_runs(1) && !process_runs(0) && !process_runs(u32::MAX)
        );
        assert!(first_start() <= process(pid()).unwrap().start);
        let before = crate::sys::clock::now_nanos();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let number = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let started = process(child.id()).unwrap();
        // (In ticks of a hundredth of a second.)
        assert!((started.start - before).abs() < 2_000_000_000, "{} {before}", started.start);
        assert!(!process(pid()).unwrap().stuck);
        kill(number, Signal::SIGSTOP).unwrap();
        while !process(child.id()).unwrap().stuck {
            std::thread::yield_now();
        }
        assert!(process_runs(child.id()));
        child.kill().unwrap();
        // A zombie.
        while process_runs(child.id()) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(process(child.id()).is_none());
    }
}
