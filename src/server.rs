//! One session from start to end: the checks before the greeting, the loop over the commands, the goodbye and the log lines
//! (PROTOCOL 2, STORAGE 10.6).

mod start;

use crate::commands::{self, Call};
use crate::session::{Error, Outcome, Result, Session, logging};
use crate::sys::clock;
use crate::wire::{End, Io, Token};
use std::process::ExitCode;
use std::time::Duration;

/// A client that completes no command for this long is sent away (PROTOCOL 1.7).
const INACTIVITY: Duration = Duration::from_secs(30 * 60);
/// The protocol error of this number in a row ends the session (PROTOCOL 1.6).
const MOST_ERRORS: u32 = 10;

/// Runs the program: arguments and environment in, the session on standard input and output, the exit status out.
pub fn main() -> ExitCode {
    let argument = crate::sys::process::argument();
    match argument.as_ref().and_then(|a| a.to_str()) {
        Some("--version") => {
            return print(&format!("Postrider {} (imapd)\n", env!("CARGO_PKG_VERSION")));
        }
        Some("--help") => {
            return print(start::HELP);
        }
        _ => {}
    }
    crate::sys::panic::end_in_order();
    logging::start();
    match start::open(argument) {
        Ok(session) => serve(session),
        Err(code) => code,
    }
}

/// Writes what `--version` and `--help` tell. (`println!` panics where nobody reads it.)
fn print(text: &str) -> ExitCode {
    use std::io::Write;
    let mut out = std::io::stdout();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How a session came to its end.
enum Ending {
    Logout,
    End(End),
    /// A fatal error; the status is 1.
    Fatal,
}

fn serve(mut s: Session) -> ExitCode {
    let ending = converse(&mut s);
    let (word, code) = match ending {
        Ending::Logout => {
            start::empty_trash(&s);
            ("LOGOUT", ExitCode::SUCCESS)
        }
        Ending::End(End::Closed) => ("DISCONNECTED", ExitCode::SUCCESS),
        Ending::End(End::Inactive) => {
            s.untagged(b"BYE Disconnected for inactivity.");
            ("TIMEOUT", ExitCode::SUCCESS)
        }
        Ending::End(End::Signal) => {
            s.untagged(b"BYE Courier-IMAP server shut down by signal.");
            let _ = s.io.flush();
            farewell(&s, None);
            return ExitCode::SUCCESS;
        }
        Ending::Fatal => {
            let _ = s.io.flush();
            return ExitCode::FAILURE;
        }
    };
    let _ = s.io.flush();
    farewell(&s, Some(word));
    code
}

/// The last line in the log (PROTOCOL 2.4); `None` after a signal.
fn farewell(s: &Session, word: Option<&str>) {
    let tls = if s.options.tls { ", starttls=1" } else { "" };
    let (who, age) = (s.who(), s.age());
    let nobody = s.client.user.is_empty();
    let counts = format!(
        "headers={}, body={}, rcvd={}, sent={}, time={age}{tls}",
        s.counts.header, s.counts.body, s.io.received, s.io.sent
    );
    match word {
        None if nobody => {
            log::warn!(target: logging::NOTICE, "Disconnected during shutdown by signal, {who}, time={age}{tls}");
        }
        None => log::warn!(target: logging::NOTICE, "Disconnected during shutdown by signal, {who}, {counts}"),
        Some(_) if nobody => log::debug!("Disconnected, {who}, time={age}{tls}"),
        Some(word) => log::info!("{word}, {who}, {counts}"),
    }
}

/// Commands until the end.
fn converse(s: &mut Session) -> Ending {
    let mut errors = 0;
    loop {
        s.io.deadline = Some(clock::monotonic() + INACTIVITY);
        let mut tag = None;
        let result = command(s, &mut tag);
        // What is left of the line goes before the answer, so that an answer always is to a whole line.
        let result = match (result, s.io.finish_line()) {
            (Err(Error::End(end)), _) => Err(Error::End(end)),
            (result, Ok(())) => result,
            // The client went away behind a complete command: it is answered, into the void.
            (result, Err(_)) => result,
        };
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
                if errors >= MOST_ERRORS {
                    return fatal(s, "TOO MANY CONSECUTIVE PROTOCOL VIOLATIONS", "");
                }
                Outcome::bad("Error in IMAP command received by server.")
            }
            Err(Error::Fatal(f)) => return fatal(s, &f.what, &f.reason),
            Err(Error::End(end)) => return Ending::End(end),
        };
        s.tagged(tag.as_deref(), &outcome);
        if s.over {
            return Ending::Logout;
        }
        if let Err(end) = s.io.ease() {
            return Ending::End(end);
        }
    }
}

/// `* BYE [ALERT] Fatal error: ...`: what was not sent yet is dropped first (PROTOCOL 2.1).
fn fatal(s: &mut Session, what: &str, reason: &str) -> Ending {
    s.io.out.clear();
    s.untagged(format!("BYE [ALERT] Fatal error: {what}: {reason}").as_bytes());
    if !what.is_empty() {
        log::error!("{}: {what}", logging::shown(&s.client.user));
    }
    Ending::Fatal
}

/// One command line. `tag` is set as soon as it is known.
fn command(s: &mut Session, tag: &mut Option<Vec<u8>>) -> Result<Outcome> {
    s.io.begin_line();
    match s.io.token()? {
        Token::Atom(text) => *tag = Some(text),
        _ => return Err(Error::Syntax),
    }
    let mut name = s.io.token()?.word().ok_or(Error::Syntax)?;
    let uid = name == b"UID";
    if uid {
        name = s.io.token()?.word().ok_or(Error::Syntax)?;
    }
    let row = commands::find(&name).filter(|row| row.uid || !uid).ok_or(Error::Syntax)?;
    let call = Call { uid, row };
    let result = (row.run)(s, &call);
    if row.expunges == commands::Expunges::Yes || (uid && row.expunges == commands::Expunges::WithUid) {
        s.tell(false);
    }
    result
}

/// Looks after the output of a session that is not there yet.
fn say(io: &mut Io, line: &str) {
    io.out.extend_from_slice(line.as_bytes());
    io.out.extend_from_slice(b"\r\n");
    let _ = io.flush();
}
