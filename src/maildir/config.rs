//! The settings of the store. The session fills them in from the environment, once.

use super::host::Host;
use super::quota_limits::QuotaLimits;
use crate::sys::user;

/// How keywords are kept (`IMAP_KEYWORDS`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum KeywordMode {
    /// Not at all: their files are not read.
    #[default]
    Off,
    /// A change replaces the message's set; the last writer wins (STORAGE 3.3).
    Fast,
    /// A change is applied to the set on disk, under the folder's lock (STORAGE 3.4).
    Careful,
}

impl KeywordMode {
    /// Whether keywords are kept.
    pub(crate) fn is_on(self) -> bool {
        self != KeywordMode::Off
    }
}

/// The settings of the store.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The host in file names: `$HOSTNAME`, else gethostname().
    pub(crate) host: Host,
    /// The host in locks: gethostname().
    pub(crate) lock_host: Vec<u8>,
    /// `IMAP_USELOCKS`.
    pub(crate) use_locks: bool,
    /// `IMAP_FSYNC`: whether new mail and UIDs are synced to the disk before a client is told them.
    pub(crate) fsync: bool,
    /// `IMAP_INDEX`: whether folders have an index.
    pub(crate) index: bool,
    /// `IMAP_INDEX_SIZE`: how many bytes the facts of an account's messages may take.
    pub(crate) index_size: u64,
    /// `IMAP_KEYWORDS`.
    pub(crate) keywords: KeywordMode,
    /// `MAILDIRQUOTA`; `None` if it is unset or limits nothing.
    pub(crate) quota: Option<QuotaLimits>,
}

impl Default for Config {
    fn default() -> Config {
        let host = user::hostname();
        Config {
            host: Host::new(&host),
            lock_host: host,
            use_locks: true,
            fsync: true,
            index: true,
            index_size: u64::MAX,
            keywords: KeywordMode::Fast,
            quota: None,
        }
    }
}
