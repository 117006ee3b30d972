//! The log on standard error, in Courier's lines (PROTOCOL 2.4): couriertcpd hands them to
//! courierlogger, which takes the word before the colon for the level.

use crate::sys::log as lines;
use log::{Level, LevelFilter};
use std::io::Write;

/// The target of lines with Courier's `NOTICE:` level, which `log` does not have.
pub(crate) const NOTICE: &str = "notice";
/// The target of lines without a level.
pub(crate) const BARE: &str = "bare";

/// Starts the log. `RUST_LOG` is not read: the log is the administrator's.
pub(crate) fn start() {
    let _ = env_logger::Builder::new()
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
        .try_init();
}

/// A value for the log: what a client, the login process or a file says.
pub(crate) fn shown(value: &[u8]) -> String {
    lines::value(value)
}

/// A path for the log.
pub(crate) fn shown_path(path: &[u8]) -> String {
    lines::shown(path, lines::MAX_PATH)
}
