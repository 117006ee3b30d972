//! The log on standard error, in Courier's lines (PROTOCOL 2.4): couriertcpd hands them to
//! courierlogger, which takes the word before the colon for the level.
//!
//! A fault (an error or a warning) may be found anywhere, by code that does not know whose session
//! it is, and again by each NOOP. So each gets the account here, and is logged once in a session.

use crate::sys::log as lines;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

pub(crate) use lines::COURIER;

/// The target of lines with Courier's `NOTICE:` level, which `log` does not have.
pub(crate) const NOTICE: &str = "notice";
/// The target of lines without a level.
pub(crate) const BARE: &str = "bare";

/// So many faults of a session are logged: more would fill the disk, and tell nothing new.
pub(crate) const MAX_FAULTS: usize = 1000;

/// Starts the log. `RUST_LOG` is not read: the log is the administrator's.
pub(crate) fn start() {
    let lines = env_logger::Builder::new()
        .filter_level(LevelFilter::Debug)
        .target(env_logger::Target::Pipe(Box::new(lines::StandardError)))
        .write_style(env_logger::WriteStyle::Never)
        .format(|out, record| {
            let level = match (record.target(), record.level()) {
                (NOTICE, _) => "NOTICE: ",
                (BARE, _) => "",
                (_, Level::Error) => "ERR: ",
                (_, Level::Warn) => "WARN: ",
                (_, Level::Info) => "INFO: ",
                (_, Level::Debug | Level::Trace) => "DEBUG: ",
            };
            // One write a line, and whatever it holds never makes a second one.
            writeln!(out, "{}", lines::line(level, &record.args().to_string()))
        })
        .build();
    if log::set_boxed_logger(Box::new(Logger(lines))).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

/// Says whose session it is: every fault from now on names the account.
pub(crate) fn start_session(account: &[u8]) {
    faults().account = shown(account);
}

/// Writes the lines, faults as [`Faults`] has them.
struct Logger(env_logger::Logger);

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let (level, target) = (record.level(), record.target());
        if level > Level::Warn || [NOTICE, BARE, COURIER].contains(&target) {
            return self.0.log(record);
        }
        let line = faults().line(&record.args().to_string());
        if let Some(line) = line {
            let args = format_args!("{line}");
            self.0.log(&Record::builder().level(level).target(target).args(args).build());
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

static FAULTS: LazyLock<Mutex<Faults>> = LazyLock::new(Mutex::default);

fn faults() -> MutexGuard<'static, Faults> {
    FAULTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The faults of a session.
#[derive(Default)]
struct Faults {
    /// Whose session it is; empty if that is not known.
    account: String,
    /// Hashes of the faults that were logged.
    logged: HashSet<u64>,
}

impl Faults {
    /// The line for a fault (`what file: reason`); `None` for one that was logged before.
    fn line(&mut self, fault: &str) -> Option<String> {
        if self.logged.len() > MAX_FAULTS {
            return None;
        }
        let mut hash = DefaultHasher::new();
        fault.hash(&mut hash);
        if !self.logged.insert(hash.finish()) {
            return None;
        }
        let last = format!("more than {MAX_FAULTS} faults in one session: no more are logged");
        let fault = if self.logged.len() > MAX_FAULTS { &last } else { fault };
        let account = match &*self.account {
            "" => String::new(),
            account => format!(", user={account}"),
        };
        // The account is there however long the fault is.
        let room = lines::MAX_LINE.saturating_sub("NOTICE: ".len() + account.len());
        Some([lines::shown(fault.as_bytes(), room), account].concat())
    }
}

/// A value for the log: what a client, the login process or a file says.
pub(crate) fn shown(value: &[u8]) -> String {
    lines::value(value)
}

/// A path for the log.
pub(crate) fn shown_path(path: &[u8]) -> String {
    lines::shown(path, lines::MAX_PATH)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_logged_once_and_names_the_account() {
        let mut faults = Faults::default();
        assert_eq!(faults.line("./cur: Permission denied").unwrap(), "./cur: Permission denied");
        faults.account = "alice".to_owned();
        assert_eq!(faults.line("./cur: Permission denied"), None);
        assert_eq!(faults.line("./cur: I/O error").unwrap(), "./cur: I/O error, user=alice");
        let line = faults.line(&"x".repeat(1000)).unwrap();
        assert!(line.ends_with("xxx..., user=alice") && line.len() == 492, "{line}");
    }

    #[test]
    fn faults_come_to_an_end() {
        let mut faults = Faults { account: "alice".to_owned(), ..Faults::default() };
        let lines: Vec<String> = (0..5000).filter_map(|n| faults.line(&n.to_string())).collect();
        assert_eq!(lines.len(), MAX_FAULTS + 1);
        assert_eq!(
            lines.last().unwrap(),
            "more than 1000 faults in one session: no more are logged, user=alice"
        );
    }
}
