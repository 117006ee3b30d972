//! The process itself (its command line, its working directory) and the programs that a session
//! runs: `loginexec` and the mailer of the outbox.

use super::poll::{self, WaitFor};
use super::{clock, signals};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Prepares a command so that its process starts with the signals as usual.
pub(crate) fn ordinary_signals(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec only sigaction and sigprocmask are called, both
    // async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            signals::reset_in_child();
            Ok(())
        })
    }
}

/// How a program that was finished has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Whether it exited with 0, and was given the whole input unless it did not want it.
    pub(crate) succeeded: bool,
    /// What it wrote first, to standard output and standard error together.
    pub(crate) output: Vec<u8>,
}

/// Runs a command: gives it `input` piece by piece (`None` at the end), keeps the first `keep`
/// octets of what it writes, and waits for its end. It gets descriptors 0, 1 and 2 and no other. A
/// program that does not read its input is no error, its exit status tells; one that makes no
/// progress for `patience` is killed, as is one that has not been given everything when a signal
/// asks the session to stop. What is left running behind its back (a daemon that holds its output)
/// is not waited for.
pub(crate) fn run_with_input(
    command: &mut Command,
    mut input: impl FnMut() -> io::Result<Option<Vec<u8>>>,
    keep: usize,
    patience: Duration,
) -> io::Result<Finished> {
    let (mut reader, writer) = io::pipe()?;
    command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
    only_standard_descriptors(ordinary_signals(command));
    let mut child = command.spawn()?;
    // The command holds the pipe's far end; without this its end would never be seen.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut stdin = child.stdin.take();
    let result = (|| {
        for fd in
            [Some(reader.as_fd()), stdin.as_ref().map(ChildStdin::as_fd)].into_iter().flatten()
        {
            fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        let mut finished = Finished { succeeded: false, output: Vec::new() };
        let mut piece = Vec::new();
        let mut at = 0usize;
        let mut open = true;
        let mut buffer = vec![0; 4096];
        let mut deadline = Instant::checked_add(&clock::monotonic(), patience);
        loop {
            if at >= piece.len() && stdin.is_some() {
                match input()? {
                    Some(next) => (piece, at) = (next, 0),
                    None => stdin = None,
                }
                if piece.get(at..).is_none_or(<[u8]>::is_empty) {
                    continue;
                }
            }
            if let Some(status) = child.try_wait()?
                && !(open
                    && read_some(&mut reader, &mut buffer, &mut finished.output, keep)?
                        .is_some_and(|n| n > 0))
            {
                finished.succeeded = status.success();
                return Ok(finished);
            }
            // Once its output has ended nothing wakes us at the program's end.
            let pause = Duration::from_millis(if open || stdin.is_some() { 100 } else { 5 });
            let interest = WaitFor {
                input: open.then(|| reader.as_fd()),
                output: stdin.as_ref().map(ChildStdin::as_fd),
                ..WaitFor::default()
            };
            let ready = poll::wait(interest, Some(pause))?;
            if ready.signal {
                if stdin.is_some() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                clock::sleep(Duration::from_millis(20));
            }
            let mut progress = false;
            if ready.input || ready.signal {
                match read_some(&mut reader, &mut buffer, &mut finished.output, keep)? {
                    Some(0) => open = false,
                    Some(_) => progress = true,
                    None => {}
                }
            }
            if ready.output
                && let Some(to) = &mut stdin
            {
                match to.write(piece.get(at..).unwrap_or_default()) {
                    Ok(n) => (at, progress) = (at.saturating_add(n), true),
                    Err(e)
                        if matches!(
                            e.kind(),
                            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                        ) => {}
                    // It has closed its input: it has what it wants.
                    Err(_) => stdin = None,
                }
            }
            if progress {
                deadline = Instant::checked_add(&clock::monotonic(), patience);
            } else if deadline.is_some_and(|d| clock::monotonic() > d) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    })();
    if result.is_err() {
        stop(&mut child);
    }
    result
}

/// Reads once without waiting: what was read, 0 at the end, `None` if there is nothing now.
fn read_some(
    from: &mut impl Read,
    buffer: &mut [u8],
    kept: &mut Vec<u8>,
    keep: usize,
) -> io::Result<Option<usize>> {
    match from.read(buffer) {
        Ok(n) => {
            let room = keep.saturating_sub(kept.len()).min(n);
            kept.extend_from_slice(buffer.get(..room).unwrap_or_default());
            Ok(Some(n))
        }
        Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Prepares a command so that its process gets no descriptor beyond 0, 1 and 2: not those that we
/// were given either (Courier's start script leaves some open).
fn only_standard_descriptors(command: &mut Command) -> &mut Command {
    const CLOEXEC: libc::c_uint = 1 << 2;
    // SAFETY: between fork and exec only close_range or fcntl are called, both async-signal-safe.
    // The descriptors are marked, not closed, so that the pipe by which a failing exec is told
    // still works.
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

/// Runs a command to its end; whether it exited with 0. It gets descriptors 0, 1 and 2 and no
/// other.
pub(crate) fn succeeds(command: &mut Command) -> io::Result<bool> {
    Ok(only_standard_descriptors(ordinary_signals(command)).status()?.success())
}

/// No core file: it would hold mail. A limit of 1 is too small for a file, and also tells the
/// kernel not to hand the core to a program (systemd-coredump, apport), which a limit of 0 does
/// not. PR_SET_DUMPABLE would do so too, but would take /proc/self and the debugger away from the
/// user himself.
pub(crate) fn no_core_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let hard = getrlimit(Resource::RLIMIT_CORE).map_or(0, |(_, hard)| hard);
    let _ = setrlimit(Resource::RLIMIT_CORE, hard.min(1), hard.min(1));
}

/// The working directory of the process, for good.
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
