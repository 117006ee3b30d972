//! A session: its connection, its settings, the folder that it has open. The commands work on these
//! as plain fields.

pub(crate) mod access;
pub(crate) mod facts;
pub(crate) mod intake;
pub(crate) mod logging;
pub(crate) mod options;
pub(crate) mod reply;
pub(crate) mod selected;
pub(crate) mod sync;
pub(crate) mod view;

pub(crate) use options::Options;
pub(crate) use reply::{Error, Fatal, Outcome, Result};
pub(crate) use selected::Selected;

use crate::maildir::Store;
use crate::maildir::account::AccountOptions;
use crate::maildir::outbox::Outbox;
use crate::maildir::resolve::Namespace;
use crate::sys::clock;
use crate::wire::Io;
use std::time::Instant;

/// Who is served, for the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    /// The account.
    pub(crate) user: Vec<u8>,
    /// Its address.
    pub(crate) ip: Vec<u8>,
    /// Its port.
    pub(crate) port: Vec<u8>,
}

/// What the session's last line in the log counts (PROTOCOL 2.4).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Octets of message headers sent, CRs not counted.
    pub(crate) header: u64,
    /// Octets of message bodies sent, inserted CRs not counted.
    pub(crate) body: u64,
}

/// One session.
pub(crate) struct Session {
    /// The connection.
    pub(crate) io: Io,
    /// The settings.
    pub(crate) options: Options,
    /// The account's options, from its `OPTIONS`.
    pub(crate) account: AccountOptions,
    /// The store, which knows nothing of IMAP.
    pub(crate) store: Store,
    /// Where folders are, and who may do what in them.
    pub(crate) namespace: Namespace,
    /// The trash folder's name on disk, without its dot.
    pub(crate) trash: Vec<u8>,
    /// The folder whose messages are mailed, if there is one.
    pub(crate) outbox: Option<Outbox>,
    /// The folder that is open.
    pub(crate) selected: Option<Selected>,
    /// Whether `ENABLE UTF8=ACCEPT` was given (RFC 6855).
    pub(crate) utf8: bool,
    /// Who is served.
    pub(crate) client: Client,
    /// For the log.
    pub(crate) counts: Counts,
    /// When it began.
    pub(crate) started: Instant,
    /// LOGOUT was given: the tagged line is the last.
    pub(crate) over: bool,
}

impl Session {
    /// `, user=<u>, ip=[<ip>], port=[<port>]` for log lines; without the user where there is none.
    pub(crate) fn who(&self) -> String {
        let Client { user, ip, port } = &self.client;
        let folder = format!("ip=[{}], port=[{}]", logging::shown(ip), logging::shown(port));
        if user.is_empty() { folder } else { format!("user={}, {folder}", logging::shown(user)) }
    }

    /// Whole seconds since the session began.
    pub(crate) fn age(&self) -> u64 {
        clock::monotonic().saturating_duration_since(self.started).as_secs()
    }
}
