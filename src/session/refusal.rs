//! Refusals that many commands share: what the store or the rights do not allow, in Courier's
//! words, with the reason in the log.

use super::folder::Folder;
use super::reply::{Code, Outcome};
use super::{Error, Session, logging};
use crate::maildir;
use crate::sys::{breath, fs, signals};
use crate::types::FolderName;
use crate::wire::End;
use std::io;

/// The refusal of a folder that is not there (PROTOCOL 4.1).
pub(crate) fn does_not_exist() -> Outcome {
    Outcome::no("Mailbox does not exist, or must be subscribed to.").with_code(Code::NonExistent)
}

/// The refusal of what does not fit the quota (PROTOCOL 6.3, 6.4).
pub(crate) fn over_quota() -> Outcome {
    Outcome::no("[ALERT] You exceeded your mail quota.").with_code(Code::OverQuota)
}

/// The answer to a protocol error (PROTOCOL 1.6).
pub(crate) const PROTOCOL_ERROR: &str = "Error in IMAP command received by server.";

/// The refusal of keywords that a folder or a message has no room for.
const TOO_MANY_KEYWORDS: &str = "Too many keywords.";

/// The refusal of a folder that cannot be scanned.
pub(crate) const CANNOT_OPEN: &str = "Unable to open this mailbox.";

/// The refusal of a folder that cannot be removed.
pub(crate) const CANNOT_DELETE: &str = "Cannot delete this folder.";

/// The file of the subscriptions, for the log.
pub(crate) const SUBSCRIPTIONS: &str = "./courierimapsubscribed";

/// Some messages are gone. Those that are left were served or changed (RFC 2180 4.1.2, 4.2.3; RFC
/// 5530 3); a COPY has copied none (RFC 3501 6.4.7).
pub(crate) fn vanished() -> Outcome {
    Outcome::no("Some of the requested messages no longer exist.").with_code(Code::ExpungeIssued)
}

/// `NO Access denied for <CMD> on <name> (ACL "<letter>" required)`
pub(crate) fn denied(command: &str, name: &[u8], right: u8) -> Outcome {
    Outcome::no_bytes(denied_text(command, name, right)).with_code(Code::NoPerm)
}

/// The text of [`denied`].
pub(crate) fn denied_text(command: &str, name: &[u8], right: u8) -> Vec<u8> {
    [
        b"Access denied for ",
        command.as_bytes(),
        b" on ",
        name,
        b" (ACL \"",
        &[right],
        b"\" required)",
    ]
    .concat()
}

/// How it is told that messages could not be delivered.
#[derive(Clone, Copy)]
pub(crate) struct NotDelivered {
    /// Courier's word in the log (PROTOCOL 2.4).
    pub(crate) doing: &'static str,
    /// The refusal.
    pub(crate) text: &'static str,
    /// The refusal of a folder that is not there, after `[TRYCREATE]`.
    pub(crate) missing: &'static str,
}

/// A folder's access control list, for the log.
pub(crate) fn list_of(name: &FolderName) -> String {
    format!("access control list of {}", logging::shown(name.spelled()))
}

/// With the response code for what the system said.
fn because(outcome: Outcome, error: &maildir::Error) -> Outcome {
    match error.io() {
        Some(e) => outcome.because(e),
        None => outcome,
    }
}

/// Whether an error may say that a folder was removed.
fn is_of_missing(error: &maildir::Error) -> bool {
    match error {
        maildir::Error::Gone => true,
        error => error.io().is_some_and(fs::is_gone),
    }
}

impl Session {
    /// Logs the system's error on a file and refuses with `text`.
    pub(crate) fn io_refusal(&self, file: &str, e: &io::Error, text: &'static str) -> Error {
        if breath::is_interruption(e) {
            return self.stopped();
        }
        log::error!("{file}: {}", fs::error_text(e));
        Outcome::no(text).because(e).into()
    }

    /// Refuses because a folder's access control list cannot be read.
    pub(super) fn unreadable_list(&self, name: &FolderName, e: &io::Error) -> Error {
        log::error!("{}: {}", list_of(name), fs::error_text(e));
        Outcome::no(format!(
            "Unable to read ACLs for {}: {}",
            String::from_utf8_lossy(name.spelled()),
            fs::error_text(e)
        ))
        .because(e)
        .into()
    }

    /// A failure of the store as an answer, in the command's own words. The reason goes into the
    /// log.
    pub(crate) fn store_error(&self, error: maildir::Error, text: &'static str) -> Error {
        match error {
            maildir::Error::Gone => {
                Outcome::no(text).because(&io::ErrorKind::NotFound.into()).into()
            }
            // RFC 5530 3: another session holds the folder for longer than anybody should.
            maildir::Error::Locked => Outcome::no(text).with_code(Code::InUse).into(),
            maildir::Error::OverQuota => over_quota().into(),
            maildir::Error::TooManyKeywords => {
                Outcome::no(TOO_MANY_KEYWORDS).with_code(Code::Limit).into()
            }
            maildir::Error::Stopped => self.stopped(),
            error @ maildir::Error::Io(_) => {
                self.log_store_error(&error);
                because(Outcome::no(text), &error).into()
            }
        }
    }

    /// A failure of the store that the client need not hear of: only the log has it. That another
    /// session has removed the folder or the message is no failure.
    pub(crate) fn log_store_error(&self, error: &maildir::Error) {
        if !matches!(error, maildir::Error::Gone) {
            log::error!("{error}");
        }
    }

    /// Refuses messages that could not be delivered. The log has Courier's words, and behind them
    /// the file and the reason.
    ///
    /// A folder that was removed meanwhile is answered as one that was never there: see
    /// [`Session::not_delivered_to`].
    pub(crate) fn not_delivered(&self, error: maildir::Error, refusal: NotDelivered) -> Error {
        let Some(errno) = error.errno() else { return self.store_error(error, refusal.text) };
        log::error!(
            target: logging::COURIER,
            "error {} a message, user={}, errno={errno}: {error}",
            refusal.doing,
            logging::shown(&self.client.user)
        );
        because(Outcome::no(refusal.text), &error).into()
    }

    /// As [`Session::not_delivered`], for what goes wrong in the folder that gets the messages. If
    /// another session has removed it, it is not there, and there is nothing to log.
    pub(crate) fn not_delivered_to(
        &self,
        folder: &Folder,
        error: maildir::Error,
        refusal: NotDelivered,
    ) -> Error {
        if is_of_missing(&error) && !folder.is_delivery_there() {
            return Outcome::no(refusal.missing).with_code(Code::TryCreate).into();
        }
        self.not_delivered(error, refusal)
    }

    /// As [`Session::store_error`], for a folder that another session may have removed.
    pub(crate) fn folder_error(
        &self,
        folder: &Folder,
        error: maildir::Error,
        text: &'static str,
    ) -> Error {
        let is_gone = is_of_missing(&error) && !folder.dir.is_there();
        if is_gone { does_not_exist().into() } else { self.store_error(error, text) }
    }

    /// A wait for a lock or long work was ended from outside.
    pub(crate) fn stopped(&self) -> Error {
        Error::End(if signals::asked_to_stop() { End::Signal } else { End::Closed })
    }
}
