//! The process itself (its command line, its working directory) and the programs that a session
//! runs: `loginexec` and the mailer of the outbox.

use super::breath;
use super::poll::{self, WaitFor};
use super::{clock, signals};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, umask};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Prepares a command so that its process starts with the default handling of signals.
pub(crate) fn default_signals(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec only sigaction and sigprocmask are called, both
    // async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            signals::reset_in_child();
            Ok(())
        })
    }
}

/// How a program that was given input has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Whether it exited with 0, after it was given all input or had closed its end.
    pub(crate) succeeded: bool,
    /// The beginning of what it wrote to standard output and standard error together.
    pub(crate) output: Vec<u8>,
}

/// Runs a command: gives it `input` chunk by chunk (`None` at the end), keeps the first `keep`
/// bytes that it writes, and waits for its end. It gets descriptors 0, 1 and 2 and no other. It
/// need not read its input. What it leaves running (a daemon that holds its output) is not waited
/// for.
///
/// Errors, after which it is killed: `TimedOut` if it makes no progress for `patience`;
/// `Interrupted` if a signal asks the session to stop before all input was given; any error of
/// `input`.
pub(crate) fn run_with_input(
    command: &mut Command,
    mut input: impl FnMut() -> io::Result<Option<Vec<u8>>>,
    keep: usize,
    patience: Duration,
) -> io::Result<Finished> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
    only_standard_descriptors(default_signals(command));
    let mut child = command.spawn()?;
    // The command holds the pipe's writing end, without which the reading end has no end of file.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Running {
        stdin: child.stdin.take(),
        child,
        reader: Some(reader),
        chunk: Vec::new(),
        at: 0,
        keep,
        output: Vec::new(),
    };
    let finished = running.finish(&mut input, patience);
    if finished.is_err() {
        let _ = running.child.kill();
        let _ = running.child.wait();
    }
    finished
}

/// A program that is being given input.
struct Running {
    child: Child,
    /// `None` after the last of the input, or once the program has closed its end.
    stdin: Option<ChildStdin>,
    /// Its output; `None` once that has ended.
    reader: Option<io::PipeReader>,
    /// The input to be written next, from `at` on.
    chunk: Vec<u8>,
    at: usize,
    /// How much of the output is kept, in bytes.
    keep: usize,
    output: Vec<u8>,
}

impl Running {
    /// Gives it all its input and waits for its end.
    fn finish(
        &mut self,
        input: &mut dyn FnMut() -> io::Result<Option<Vec<u8>>>,
        patience: Duration,
    ) -> io::Result<Finished> {
        let fds = [self.reader.as_ref().map(AsFd::as_fd), self.stdin.as_ref().map(AsFd::as_fd)];
        for fd in fds.into_iter().flatten() {
            fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        let mut deadline = Instant::checked_add(&clock::monotonic(), patience);
        loop {
            while self.stdin.is_some() && self.at >= self.chunk.len() {
                match input()? {
                    Some(next) => (self.chunk, self.at) = (next, 0),
                    None => self.stdin = None,
                }
            }
            if let Some(status) = self.child.try_wait()?
                && !self.read_some()?
            {
                let output = std::mem::take(&mut self.output);
                return Ok(Finished { succeeded: status.success(), output });
            }
            if self.exchange()? {
                deadline = Instant::checked_add(&clock::monotonic(), patience);
            } else if deadline.is_some_and(|d| clock::monotonic() > d) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// Waits for a moment, reads and writes what is possible. Whether something was.
    fn exchange(&mut self) -> io::Result<bool> {
        // With both pipes closed no event reports the program's end.
        let piped = self.reader.is_some() || self.stdin.is_some();
        let pause = Duration::from_millis(if piped { 100 } else { 5 });
        let wait_for = WaitFor {
            input: self.reader.as_ref().map(AsFd::as_fd),
            output: self.stdin.as_ref().map(AsFd::as_fd),
            ..WaitFor::default()
        };
        let ready = poll::wait(wait_for, Some(pause))?;
        // That the client is gone does not stop the program.
        let _ = breath::tell();
        if ready.signal {
            if self.stdin.is_some() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            clock::sleep(Duration::from_millis(20));
        }
        let mut progress = false;
        if ready.input || ready.signal {
            progress = self.read_some()?;
        }
        if ready.output {
            progress |= self.write_some();
        }
        Ok(progress)
    }

    /// Reads once without waiting. Whether there was something.
    fn read_some(&mut self) -> io::Result<bool> {
        let Some(reader) = &mut self.reader else { return Ok(false) };
        let mut buffer = [0; 4096];
        match reader.read(&mut buffer) {
            Ok(0) => self.reader = None,
            Ok(n) => {
                let room = self.keep.saturating_sub(self.output.len()).min(n);
                self.output.extend_from_slice(buffer.get(..room).unwrap_or_default());
                return Ok(true);
            }
            Err(e) if is_temporary(&e) => {}
            Err(e) => return Err(e),
        }
        Ok(false)
    }

    /// Writes once without waiting. Whether something was written.
    fn write_some(&mut self) -> bool {
        let Some(stdin) = &mut self.stdin else { return false };
        match stdin.write(self.chunk.get(self.at..).unwrap_or_default()) {
            Ok(n) => {
                self.at = self.at.saturating_add(n);
                return true;
            }
            Err(e) if is_temporary(&e) => {}
            // The program has closed its end: it needs no more.
            Err(_) => self.stdin = None,
        }
        false
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Prepares a command so that its process gets descriptors 0, 1 and 2 only. We ourselves are given
/// more: Courier's start script leaves some open.
fn only_standard_descriptors(command: &mut Command) -> &mut Command {
    const CLOEXEC: libc::c_uint = 1 << 2;
    // SAFETY: between fork and exec only close_range or fcntl are called, both async-signal-safe.
    // The descriptors are marked, not closed: one of them is the pipe by which std reports that
    // exec has failed.
    unsafe {
        command.pre_exec(|| {
            if libc::syscall(libc::SYS_close_range, 3 as libc::c_uint, libc::c_uint::MAX, CLOEXEC)
                != 0
            {
                for fd in 3..1024 {
                    libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
                }
            }
            Ok(())
        })
    }
}

/// Takes from the modes of new files what umask 022 takes, which is the umask of Courier's start
/// script, and whatever the umask that we were given takes beyond that. (inetd gives 0, by which
/// everybody could write into the mail.)
pub(crate) fn limit_modes() {
    let least = Mode::S_IWGRP | Mode::S_IWOTH;
    let given = umask(least);
    umask(given | least);
}

/// Runs a command to its end; whether it exited with 0. It gets descriptors 0, 1 and 2 and no
/// other.
pub(crate) fn succeeds(command: &mut Command) -> io::Result<bool> {
    Ok(only_standard_descriptors(default_signals(command)).status()?.success())
}

/// Prevents core files, which would hold mail. A limit of 1 is too small for a file, and unlike 0
/// it also keeps the kernel from passing the core to a program (systemd-coredump, apport).
/// PR_SET_DUMPABLE would do that too, but would deny the user /proc/self and the debugger.
pub(crate) fn no_core_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let hard = getrlimit(Resource::RLIMIT_CORE).map_or(0, |(_, hard)| hard);
    let _ = setrlimit(Resource::RLIMIT_CORE, hard.min(1), hard.min(1));
}

/// Changes the working directory of the process.
pub(crate) fn change_directory(path: &std::path::Path) -> io::Result<()> {
    std::env::set_current_dir(path)
}

/// What the command line asks for.
pub(crate) enum CommandLine {
    /// A session, over this Maildir if one is named.
    Serve(Option<OsString>),
    /// `--version`
    Version,
    /// `--help`
    Help,
}

/// Reads the command line of the process. Errors: an unknown option, or a second argument; the text
/// names it, on one line.
pub(crate) fn command_line() -> Result<CommandLine, String> {
    read_command_line(lexopt::Parser::from_env())
        .map_err(|e| super::log::value(e.to_string().as_bytes()))
}

fn read_command_line(mut parser: lexopt::Parser) -> Result<CommandLine, lexopt::Error> {
    use lexopt::Arg::{Long, Value};
    let mut found = None;
    while let Some(argument) = parser.next()? {
        found = Some(match argument {
            _ if found.is_some() => return Err(argument.unexpected()),
            Long("version") => CommandLine::Version,
            Long("help") => CommandLine::Help,
            Value(maildir) => CommandLine::Serve(Some(maildir)),
            other => return Err(other.unexpected()),
        });
    }
    Ok(found.unwrap_or(CommandLine::Serve(None)))
}
