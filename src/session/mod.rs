//! A session: its connection, its settings, the folder that it has open. The commands work on these
//! as plain fields.

pub mod access;
pub mod facts;
pub mod intake;
pub mod logging;
pub mod options;
pub mod reply;
pub mod selected;
pub mod sync;
pub mod view;

pub use options::Options;
pub use reply::{Error, Fatal, Outcome, Result};
pub use selected::Selected;

use crate::maildir::Store;
use crate::maildir::account::AccountOptions;
use crate::maildir::resolve::Namespace;
use crate::sys::clock;
use crate::wire::Io;
use std::time::Instant;

/// Who is served, for the log.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// The account.
    pub user: Vec<u8>,
    /// Its address.
    pub ip: Vec<u8>,
    /// Its port.
    pub port: Vec<u8>,
}

/// What the session's last line in the log counts (PROTOCOL 2.4).
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Octets of message headers sent, CRs not counted.
    pub header: u64,
    /// Octets of message bodies sent, inserted CRs not counted.
    pub body: u64,
}

/// One session.
pub struct Session {
    /// The connection.
    pub io: Io,
    /// The settings.
    pub options: Options,
    /// The account's options, from its `OPTIONS`.
    pub account: AccountOptions,
    /// The store, which knows nothing of IMAP.
    pub store: Store,
    /// Where folders are, and who may do what in them.
    pub namespace: Namespace,
    /// The trash folder's name on disk, without its dot.
    pub trash: Vec<u8>,
    /// The folder that is open.
    pub selected: Option<Selected>,
    /// Whether `ENABLE UTF8=ACCEPT` was given (RFC 6855).
    pub utf8: bool,
    /// Who is served.
    pub client: Client,
    /// For the log.
    pub counts: Counts,
    /// When it began.
    pub started: Instant,
    /// LOGOUT was given: the tagged line is the last.
    pub over: bool,
}

impl Session {
    /// `, user=<u>, ip=[<ip>], port=[<port>]` for log lines; without the user where there is none.
    pub fn who(&self) -> String {
        let Client { user, ip, port } = &self.client;
        let place = format!("ip=[{}], port=[{}]", logging::shown(ip), logging::shown(port));
        if user.is_empty() { place } else { format!("user={}, {place}", logging::shown(user)) }
    }

    /// Whole seconds since the session began.
    pub fn age(&self) -> u64 {
        clock::monotonic().saturating_duration_since(self.started).as_secs()
    }
}
