//! One session from start to end: the checks before the greeting, the loop over the commands, the
//! goodbye and the log lines (PROTOCOL 2, STORAGE 10.6).

mod start;

use crate::commands::{self, Call};
use crate::response::session::{Bye, FatalBye};
use crate::response::{self, Untagged};
use crate::session::refusal::PROTOCOL_ERROR;
use crate::session::{Compression, Error, Fatal, Outcome, Result, Session, logging};
use crate::sys::{
    breath, clock,
    process::{self, CommandLine},
};
use crate::wire::{self, End, Io, Token, input::Brackets};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// A client that completes no command for this long is sent away (PROTOCOL 1.7).
const INACTIVITY: Duration = Duration::from_secs(30 * 60);
/// So many protocol errors in a row end the session (PROTOCOL 1.6).
const MAX_ERRORS: u32 = 10;

/// What follows the complaint about a command line that is not understood.
const USAGE: &str = "usage: imapd [MAILDIR] | --version | --help";

/// Runs the program: arguments and environment in, the session on standard input and output, the
/// exit status out.
pub fn main() -> ExitCode {
    let argument = match process::command_line() {
        Ok(CommandLine::Serve(argument)) => argument,
        Ok(CommandLine::Version) => {
            return print(&format!("Postrider {} (imapd)\n", env!("CARGO_PKG_VERSION")));
        }
        Ok(CommandLine::Help) => return print(start::HELP),
        Err(what) => {
            // (`eprintln!` panics where nobody reads it.)
            let _ = writeln!(std::io::stderr(), "imapd: {what}; {USAGE}");
            return ExitCode::FAILURE;
        }
    };
    crate::sys::panic::end_in_order();
    logging::start();
    match start::open(argument) {
        Ok(session) => serve(session),
        Err(code) => code,
    }
}

/// Writes to standard output. (`println!` panics where nobody reads it.)
fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// How a session came to its end.
enum Ending {
    Logout,
    End(End),
    /// A fatal error; the status is 1.
    Fatal(Fatal),
}

fn serve(mut s: Session) -> ExitCode {
    let ending = match converse(&mut s) {
        Ending::End(End::Garbled) => {
            let what = "COMPRESSED DATA CANNOT BE READ".to_owned();
            fatal(&s, Fatal { what, reason: String::new() })
        }
        ending => ending,
    };
    // The answers to finished commands are sent in any case, a goodbye only between two responses.
    let (word, goodbye) = match &ending {
        Ending::Logout => {
            start::empty_trash(&s);
            (Some("LOGOUT"), None)
        }
        Ending::End(End::Closed | End::Garbled) => (Some("DISCONNECTED"), None),
        Ending::End(End::Inactive) => (Some("TIMEOUT"), Some("Disconnected for inactivity.")),
        Ending::End(End::Signal) => (None, Some("Courier-IMAP server shut down by signal.")),
        Ending::Fatal(Fatal { what, reason }) => {
            close(&mut s.io, &FatalBye { what, reason });
            return ExitCode::FAILURE;
        }
    };
    match goodbye {
        Some(text) => close(&mut s.io, &Bye(text)),
        None => s.io.close(|_| ()),
    }
    s.save_for_next_session();
    farewell(&s, word);
    ExitCode::SUCCESS
}

/// The last line in the log (PROTOCOL 2.4); `None` after a signal.
fn farewell(s: &Session, word: Option<&str>) {
    let tls = if s.options.tls { ", starttls=1" } else { "" };
    let (who, age) = (s.who(), s.age());
    let nobody = s.client.user.is_empty();
    let counts = format!(
        "headers={}, body={}, rcvd={}, sent={}, time={age}{tls}",
        s.counts.header,
        s.counts.body,
        s.io.received,
        s.io.sent()
    );
    const SIGNAL: &str = "Disconnected during shutdown by signal";
    match word {
        None if nobody => {
            log::warn!(target: logging::NOTICE, "{SIGNAL}, {who}, time={age}{tls}");
        }
        None => log::warn!(target: logging::NOTICE, "{SIGNAL}, {who}, {counts}"),
        Some(_) if nobody => log::debug!("Disconnected, {who}, time={age}{tls}"),
        Some(word) => log::info!("{word}, {who}, {counts}"),
    }
}

/// Commands until the end.
fn converse(s: &mut Session) -> Ending {
    let mut errors = 0;
    loop {
        s.io.deadline = Some(clock::monotonic() + INACTIVITY);
        breath::set_deadline(s.io.deadline);
        let mut tag = None;
        let result = command(s, &mut tag);
        if !matches!(result, Err(Error::End(_) | Error::Fatal(_))) {
            // The rest of the line is read before the answer, so that each answer is to a whole
            // line. A client that went away after a complete command is answered all the same. One
            // that does not send a literal that it has announced is sent away: what it may send
            // later would be taken for commands.
            if let Err(wire::Error::End(end @ (End::Inactive | End::Signal | End::Garbled))) =
                s.io.finish_line()
            {
                if let Ok(outcome) = &result {
                    s.tagged(tag.as_deref(), outcome);
                }
                return Ending::End(end);
            }
        }
        let outcome = match result {
            Ok(outcome) => {
                errors = 0;
                outcome
            }
            Err(Error::Refused(outcome)) => {
                errors = 0;
                *outcome
            }
            Err(Error::Invalid) => {
                errors = 0;
                Outcome::bad("Invalid command")
            }
            Err(Error::Syntax) => {
                errors += 1;
                if errors >= MAX_ERRORS {
                    let what = "TOO MANY CONSECUTIVE PROTOCOL VIOLATIONS".to_owned();
                    return fatal(s, Fatal { what, reason: String::new() });
                }
                Outcome::bad(PROTOCOL_ERROR)
            }
            Err(Error::Fatal(f)) => return fatal(s, *f),
            Err(Error::End(end)) => return Ending::End(end),
        };
        s.tagged(tag.as_deref(), &outcome);
        if s.over {
            return Ending::Logout;
        }
        if s.compression == Compression::Next {
            s.compression = Compression::On;
            if let Err(end) = s.io.compress() {
                return Ending::End(end);
            }
        }
        if let Err(end) = s.io.flush_if_full() {
            return Ending::End(end);
        }
        if s.has_something_left() {
            if let Err(end) = s.io.flush() {
                return Ending::End(end);
            }
            s.save_what_is_left();
        }
        // The client has its answer, and asks for nothing else yet.
        if s.has_learned() && !s.io.has_input() {
            if let Err(end) = s.io.flush() {
                return Ending::End(end);
            }
            s.save_learned();
        }
    }
}

/// A fatal error, noted in the log.
fn fatal(s: &Session, fatal: Fatal) -> Ending {
    if !fatal.what.is_empty() {
        let user = logging::shown(&s.client.user);
        log::error!(target: logging::COURIER, "{user}: {}", fatal.what);
    }
    Ending::Fatal(fatal)
}

/// One command line. `tag` is set as soon as it is known.
fn command(s: &mut Session, tag: &mut Option<Vec<u8>>) -> Result<Outcome> {
    s.io.begin_line();
    // RFC 3501 9, `tag`: it may have brackets.
    let tag = match s.io.token_as(Brackets::Text)? {
        Token::Atom(text) => tag.insert(text),
        _ => return Err(Error::Syntax),
    };
    let mut name = s.io.token()?.word().ok_or(Error::Syntax)?;
    let uid = name == b"UID";
    if uid {
        name = s.io.token()?.word().ok_or(Error::Syntax)?;
    }
    let row = commands::find(s, &name).filter(|row| row.policy.uid || !uid);
    let call = Call { tag, uid, row: row.ok_or(Error::Syntax)? };
    let _at_work = call.at_work(s);
    let mut result = call.run(s);
    if !matches!(result, Err(Error::End(_) | Error::Fatal(_))) {
        if call.may_expunge() {
            s.announce_changes(false);
        }
        s.tell_highest(result.as_mut().ok());
    }
    // Descriptors are not kept between commands: folders are renamed and replaced.
    if let Some(selected) = &mut s.selected {
        selected.leave();
    }
    result
}

/// Ends a session with a last response, after the answers to finished commands.
fn close(io: &mut Io, goodbye: &impl Untagged) {
    io.close(|io| response::send(io, false, goodbye));
}
