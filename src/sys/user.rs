//! Who and where we are: the user, the host, the process.

use nix::unistd::{Uid, User};

/// The name of the real user id in the password file (through NSS), as Courier takes it for a session without a login.
pub fn passwd_name() -> Option<Vec<u8>> {
    User::from_uid(Uid::current()).ok().flatten().map(|u| u.name.into_bytes())
}

/// The real user id.
pub fn uid() -> u32 {
    Uid::current().as_raw()
}

/// The effective user id.
pub fn euid() -> u32 {
    Uid::effective().as_raw()
}

/// The effective group id.
pub fn egid() -> u32 {
    nix::unistd::Gid::effective().as_raw()
}

/// This process.
pub fn pid() -> u32 {
    std::process::id()
}

/// Whether a process of that number runs on this host (also when it is somebody else's).
pub fn process_exists(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return false };
    pid > 0 && nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) != Err(nix::errno::Errno::ESRCH)
}

/// The name that gethostname() gives.
pub fn hostname() -> Vec<u8> {
    nix::unistd::gethostname().map(std::os::unix::ffi::OsStringExt::into_vec).unwrap_or_else(|_| b"localhost".to_vec())
}

/// The system's name and release, as `uname -s` and `uname -r` print them.
pub fn system() -> (Vec<u8>, Vec<u8>) {
    use std::os::unix::ffi::OsStrExt;
    nix::sys::utsname::uname().map(|u| (u.sysname().as_bytes().to_vec(), u.release().as_bytes().to_vec())).unwrap_or_default()
}
