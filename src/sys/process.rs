//! Programs that a session runs: `loginexec` and the mailer of the outbox.

use super::signals;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Prepares a command so that its process starts with the signals as usual.
pub fn ordinary_signals(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec only sigaction and sigprocmask are called, both async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            signals::reset_in_child();
            Ok(())
        })
    }
}

/// Runs a command to its end; whether it exited with 0.
pub fn succeeds(command: &mut Command) -> io::Result<bool> {
    Ok(ordinary_signals(command).status()?.success())
}

/// No core file: it would hold mail.
pub fn no_core_files() {
    use nix::sys::resource::{Resource, setrlimit};
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
}

/// The working directory of the process, for good.
pub fn change_directory(path: &std::path::Path) -> io::Result<()> {
    std::env::set_current_dir(path)
}
