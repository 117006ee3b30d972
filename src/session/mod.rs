//! A session: its connection, its settings, the folder that it has open. The commands work on these
//! as plain fields.

pub(crate) mod access;
pub(crate) mod annotations;
pub(crate) mod condstore;
pub(crate) mod delivery;
pub(crate) mod features;
pub(crate) mod folder;
pub(crate) mod logging;
pub(crate) mod message;
pub(crate) mod options;
pub(crate) mod progress;
pub(crate) mod refusal;
pub(crate) mod reply;
pub(crate) mod selected;
pub(crate) mod special_use;
pub(crate) mod sync;
pub(crate) mod told;
pub(crate) mod view;

pub(crate) use features::Features;
pub(crate) use options::Options;
pub(crate) use reply::{Code, Error, Fatal, Outcome, Result};
pub(crate) use selected::Selected;

use crate::maildir::Store;
use crate::maildir::account::AccountOptions;
use crate::maildir::outbox::Outbox;
use crate::maildir::resolve::Namespace;
use crate::response::{self, Encoder, Untagged};
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
    /// The folder that was open before, until what was learned of it is saved.
    pub(crate) left: Option<Selected>,
    /// What `ENABLE` has switched on.
    pub(crate) enabled: Features,
    /// The greatest modification sequence of a message that was told since the last tagged line; 0:
    /// none was.
    pub(crate) told_sequence: u64,
    /// Who is served.
    pub(crate) client: Client,
    /// For the log.
    pub(crate) counts: Counts,
    /// When it began.
    pub(crate) started: Instant,
    /// LOGOUT was given: the tagged line is the last.
    pub(crate) over: bool,
    /// Whether the connection is compressed.
    pub(crate) compression: Compression,
}

/// Whether the connection is compressed (RFC 4978).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Compression {
    /// It is not.
    Off,
    /// It is from the end of the next tagged line on.
    Next,
    /// It is.
    On,
}

impl Session {
    /// `user=<u>, ip=[<ip>], port=[<port>]` for log lines; without the user where there is none.
    pub(crate) fn who(&self) -> String {
        let Client { user, ip, port } = &self.client;
        let address = format!("ip=[{}], port=[{}]", logging::shown(ip), logging::shown(port));
        if user.is_empty() { address } else { format!("user={}, {address}", logging::shown(user)) }
    }

    /// Whole seconds since the session began.
    pub(crate) fn age(&self) -> u64 {
        clock::monotonic().saturating_duration_since(self.started).as_secs()
    }

    /// Whether the client takes 8-bit text (RFC 9755).
    pub(crate) fn utf8(&self) -> bool {
        self.enabled.contains(Features::UTF8_ACCEPT)
    }

    /// Whether the wire may show what Courier does not have; not with `IMAP_EXTENSIONS=0`.
    pub(crate) fn has_additions(&self) -> bool {
        self.options.extensions.are_on()
    }

    /// Writes what is not a whole response: the parts of a FETCH.
    pub(crate) fn encoder(&mut self) -> Encoder<'_> {
        let utf8 = self.utf8();
        Encoder::new(&mut self.io, utf8)
    }

    /// Sends an untagged response.
    pub(crate) fn send(&mut self, response: &impl Untagged) {
        let utf8 = self.utf8();
        response::send(&mut self.io, utf8, response);
    }

    /// Sends an untagged response that Courier does not have, unless `IMAP_EXTENSIONS=0`.
    pub(crate) fn send_addition(&mut self, response: &impl Untagged) {
        if self.has_additions() {
            self.send(response);
        }
    }

    /// Works on the session and the open folder at once. Meanwhile the session does not know of the
    /// folder: use the argument, and not what asks [`Session::selected`]
    /// ([`Session::rights_announced`], [`Session::announce_changes`]).
    pub(crate) fn with_selected<T>(
        &mut self,
        work: impl FnOnce(&mut Session, Option<&mut Selected>) -> T,
    ) -> T {
        let mut selected = self.selected.take();
        let done = work(self, selected.as_mut());
        debug_assert!(self.selected.is_none(), "no folder is opened in here");
        self.selected = selected;
        done
    }

    /// Announces what the last scan of the open folder found; `with_new` is IDLE's way
    /// ([`Selected::announce_changes`]).
    pub(crate) fn announce_changes(&mut self, with_new: bool) {
        self.with_selected(|s, selected| {
            if let Some(selected) = selected {
                selected.announce_changes(s, with_new);
            }
        });
    }
}

#[cfg(test)]
impl Session {
    /// A session on a connection in memory, over a Maildir that is never read.
    pub(crate) fn for_tests(link: Box<dyn crate::wire::connection::Connection>) -> Session {
        use crate::maildir::resolve::Settings;
        let namespace = Namespace::new(Settings {
            root: std::path::PathBuf::from("."),
            host: crate::maildir::Host::new(b"host"),
            fsync: false,
            user: b"alice".to_vec(),
            options: AccountOptions::default(),
            index_file: None,
            munge: false,
            index: false,
        });
        Session {
            io: Io::new(link),
            options: Options::default(),
            account: AccountOptions::default(),
            store: Store::new(crate::maildir::Config::default()),
            namespace,
            trash: b"Trash".to_vec(),
            outbox: None,
            selected: None,
            left: None,
            enabled: Features::empty(),
            told_sequence: 0,
            client: Client::default(),
            counts: Counts::default(),
            started: clock::monotonic(),
            over: false,
            compression: Compression::Off,
        }
    }
}
