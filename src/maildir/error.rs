//! Why something in the store did not work.

use crate::sys::breath::{self, Interrupted};
use crate::sys::fs;
use std::fmt;
use std::io;
use std::path::Path;

/// Why something in the store did not work.
#[derive(Debug)]
pub(crate) enum Error {
    /// The folder or the message is not there.
    Gone,
    /// Somebody held the folder's lock for two minutes.
    Locked,
    /// What was to be done would exceed the quota.
    OverQuota,
    /// A signal asked the session to stop, or its client went away, during a wait or long work.
    Stopped,
    /// A message would have more keywords than one may have.
    TooManyKeywords,
    /// The system refused; with what was tried.
    Io(anyhow::Error),
}

impl Error {
    /// The system's reason, where there is one.
    pub(crate) fn io(&self) -> Option<&io::Error> {
        match self {
            Error::Io(e) => e.downcast_ref(),
            _ => None,
        }
    }

    /// The system's error number.
    pub(crate) fn errno(&self) -> Option<i32> {
        self.io().and_then(io::Error::raw_os_error)
    }

    /// What the system said, with what was tried; [`Error::Stopped`] if it is no error of the
    /// system's, but the end of the session.
    pub(crate) fn failed(context: impl Into<String>, e: io::Error) -> Error {
        if breath::is_interruption(&e) {
            return Error::Stopped;
        }
        Error::Io(anyhow::Error::new(e).context(context.into()))
    }

    /// Wraps what the system said about a path; a missing file or directory becomes
    /// [`Error::Gone`].
    pub(crate) fn about<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
        move |e| match e.kind() {
            io::ErrorKind::NotFound => Error::Gone,
            _ => Error::failed(format!("{what} {}", fs::shown(path)), e),
        }
    }
}

impl From<Interrupted> for Error {
    fn from(_: Interrupted) -> Error {
        Error::Stopped
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Gone => f.write_str("No such file or directory"),
            Error::Locked => f.write_str("The folder is locked"),
            Error::OverQuota => f.write_str("Quota exceeded"),
            Error::Stopped => f.write_str("Interrupted"),
            Error::TooManyKeywords => f.write_str("Too many keywords"),
            Error::Io(e) => {
                write!(f, "{e}: {}", self.io().map_or_else(String::new, fs::error_text))
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.io().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

/// Whether an error says that there is nothing of that name, neither a file nor a directory.
pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
