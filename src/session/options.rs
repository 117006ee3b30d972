//! Every environment variable, read once. Administrators configure a session by these alone, under
//! the names and with the rules of value that Courier has (STORAGE 11.1); the table here, the
//! manual page and a test hold together.

use super::features::Extensions;
use crate::maildir::KeywordMode;
use crate::types::number::atoi;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// What the environment says. Unset and empty are told apart only where Courier does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// `IMAPLOGINTAG`: the tag of the login command; its presence says that imaplogin started us.
    pub(crate) login_tag: Option<Vec<u8>>,
    /// `AUTHENTICATED`: the account.
    pub(crate) authenticated: Option<Vec<u8>>,
    /// `AUTHADDR`: the sender for the outbox.
    pub(crate) auth_address: Option<Vec<u8>>,
    /// `TCPREMOTEIP`, for the log.
    pub(crate) remote_ip: Vec<u8>,
    /// `TCPREMOTEPORT`, for the log.
    pub(crate) remote_port: Vec<u8>,
    /// `PROTOCOL`: `SMAP1` is refused.
    pub(crate) protocol: Vec<u8>,
    /// `OPTIONS`: the account's options.
    pub(crate) account: Vec<u8>,
    /// `MAILDIR`, when not empty.
    pub(crate) maildir: Option<Vec<u8>>,
    /// `MAILDIRQUOTA`.
    pub(crate) maildir_quota: Option<Vec<u8>>,
    /// `HOSTNAME`: the host part of file names.
    pub(crate) hostname: Option<Vec<u8>>,
    /// `HEADERFROM`: a header field for the outbox.
    pub(crate) header_from: Option<Vec<u8>>,
    /// `SENDMAIL`: the mailer for the outbox.
    pub(crate) sendmail: Option<Vec<u8>>,
    /// `OUTBOX`, such as `.Outbox`; `None` when empty.
    pub(crate) outbox: Option<Vec<u8>>,
    /// `OUTBOX_MULTIPLE_SEND`.
    pub(crate) outbox_multiple: bool,
    /// `IMAPDEBUGFILE`, when not empty.
    pub(crate) debug_file: Option<Vec<u8>>,
    /// `IMAP_ACL`: the ACL capability.
    pub(crate) acl: bool,
    /// `IMAP_CAPABILITY`.
    pub(crate) capability: Option<Vec<u8>>,
    /// `IMAP_CAPABILITY_TLS`, when not empty.
    pub(crate) capability_tls: Option<Vec<u8>>,
    /// `SMAP_CAPABILITY`, when not empty.
    pub(crate) smap_capability: Option<Vec<u8>>,
    /// `IMAP_CHECK_ALL_FOLDERS`.
    pub(crate) check_all_folders: bool,
    /// `IMAP_DISABLETHREADSORT`.
    pub(crate) disable_thread_sort: bool,
    /// `IMAP_EMPTYTRASH`; set but empty means one day.
    pub(crate) empty_trash: Option<Vec<u8>>,
    /// `IMAP_IDLE_TIMEOUT`: seconds between two rescans in IDLE.
    pub(crate) idle_seconds: u64,
    /// `IMAP_ID_FIELDS`: what ID tells, and whether what clients tell is logged; bits 1 version, 2 os, 4 os-version.
    pub(crate) id_fields: Option<i64>,
    /// `IMAP_KEYWORDS`; unset, on without a login program, off with one.
    pub(crate) keywords: KeywordMode,
    /// `IMAP_LOG_DELETIONS`.
    pub(crate) log_deletions: bool,
    /// `IMAP_MAILBOX_SANITY_CHECK`.
    pub(crate) sanity_check: bool,
    /// `IMAP_METADATA_ADMIN`, when not empty: ours; the server's `/shared/admin`.
    pub(crate) metadata_admin: Option<Vec<u8>>,
    /// `IMAP_METADATA_COMMENT`, when not empty: ours; the server's `/shared/comment`.
    pub(crate) metadata_comment: Option<Vec<u8>>,
    /// `IMAP_MOVE_EXPUNGE_TO_TRASH`.
    pub(crate) move_to_trash: bool,
    /// `IMAP_OBSOLETE_CLIENT`.
    pub(crate) obsolete_client: bool,
    /// `IMAP_SHAREDINDEXFILE`, when not empty.
    pub(crate) shared_index: Option<Vec<u8>>,
    /// `IMAP_SHAREDMUNGENAMES`.
    pub(crate) shared_munge: bool,
    /// `IMAP_TLS`: the connection is encrypted.
    pub(crate) tls: bool,
    /// `TLS_EXTERNAL`, when not empty: a certificate may log in.
    pub(crate) tls_external: bool,
    /// `IMAP_TRASHFOLDERNAME`.
    pub(crate) trash: Vec<u8>,
    /// `IMAP_USELOCKS`.
    pub(crate) use_locks: bool,
    /// `IMAP_EXTENSIONS`: ours; what is added to Courier's wire rather than corrected on it.
    pub(crate) extensions: Extensions,
    /// `IMAP_FSYNC`: ours; whether what is answered is on disk first.
    pub(crate) fsync: bool,
    /// `IMAP_INDEX`: ours; whether folders have an index.
    pub(crate) index: bool,
    /// `IMAP_INDEX_SIZE`: ours; how many MiB of an account the facts of its messages may take.
    pub(crate) index_size: u64,
}

/// `IMAP_INDEX_SIZE` where it is unset, in MiB: a million messages.
const INDEX_SIZE: u64 = 1024;

/// The variables that [`Options`] reads, in the order of the manual page.
pub(crate) const VARIABLES: &[&str] = &[
    "AUTHADDR",
    "AUTHENTICATED",
    "HEADERFROM",
    "HOSTNAME",
    "IMAPDEBUGFILE",
    "IMAPLOGINTAG",
    "IMAP_ACL",
    "IMAP_CAPABILITY",
    "IMAP_CAPABILITY_TLS",
    "IMAP_CHECK_ALL_FOLDERS",
    "IMAP_DISABLETHREADSORT",
    "IMAP_EMPTYTRASH",
    "IMAP_EXTENSIONS",
    "IMAP_FSYNC",
    "IMAP_IDLE_TIMEOUT",
    "IMAP_ID_FIELDS",
    "IMAP_INDEX",
    "IMAP_INDEX_SIZE",
    "IMAP_KEYWORDS",
    "IMAP_LOG_DELETIONS",
    "IMAP_MAILBOX_SANITY_CHECK",
    "IMAP_METADATA_ADMIN",
    "IMAP_METADATA_COMMENT",
    "IMAP_MOVE_EXPUNGE_TO_TRASH",
    "IMAP_OBSOLETE_CLIENT",
    "IMAP_SHAREDINDEXFILE",
    "IMAP_SHAREDMUNGENAMES",
    "IMAP_TLS",
    "IMAP_TRASHFOLDERNAME",
    "IMAP_USELOCKS",
    "MAILDIR",
    "MAILDIRQUOTA",
    "OPTIONS",
    "OUTBOX",
    "OUTBOX_MULTIPLE_SEND",
    "PROTOCOL",
    "SENDMAIL",
    "SMAP_CAPABILITY",
    "TCPREMOTEIP",
    "TCPREMOTEPORT",
    "TLS_EXTERNAL",
];

/// Variables of Courier's that are accepted and have no effect here, with the reason.
pub(crate) const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("COURIERTLS", "TLS is over before the session starts"),
    ("IMAP_BROKENUIDV", "DELETE and RENAME do not pause here"),
    ("IMAP_ENHANCEDIDLE", "notification is used wherever it works"),
    ("IMAP_STARTTLS", "TLS is over before the session starts"),
    ("IMAP_TLS_REQUIRED", "checked before the session starts"),
    ("MAILDIR_SKIP_SYMLINK_CHECKS", "messages are opened without following links"),
    ("PATH", "the mailer is run with a fixed one"),
    ("TLS_SUBJECT_CN", "used by the login process"),
    ("TZ", "read by the C library"),
];

impl Options {
    /// Reads the process's environment.
    pub(crate) fn from_environment() -> Options {
        Options::read(|name| std::env::var_os(name).map(OsString::into_vec))
    }

    /// Reads the variables that `get` knows.
    pub(crate) fn read(get: impl Fn(&str) -> Option<Vec<u8>>) -> Options {
        let filled = |name: &str| get(name).filter(|v| !v.is_empty());
        let on = |name: &str| get(name).is_some_and(|v| atoi(&v) != 0);
        let on_unless_zero = |name: &str| filled(name).is_none_or(|v| atoi(&v) != 0);
        Options {
            login_tag: get("IMAPLOGINTAG"),
            authenticated: get("AUTHENTICATED"),
            auth_address: filled("AUTHADDR"),
            remote_ip: get("TCPREMOTEIP").unwrap_or_default(),
            remote_port: get("TCPREMOTEPORT").unwrap_or_default(),
            protocol: get("PROTOCOL").unwrap_or_default(),
            account: get("OPTIONS").unwrap_or_default(),
            maildir: filled("MAILDIR"),
            maildir_quota: filled("MAILDIRQUOTA"),
            hostname: filled("HOSTNAME"),
            header_from: filled("HEADERFROM"),
            sendmail: filled("SENDMAIL"),
            outbox: filled("OUTBOX"),
            outbox_multiple: on("OUTBOX_MULTIPLE_SEND"),
            debug_file: filled("IMAPDEBUGFILE"),
            acl: on("IMAP_ACL"),
            capability: get("IMAP_CAPABILITY"),
            capability_tls: filled("IMAP_CAPABILITY_TLS"),
            smap_capability: filled("SMAP_CAPABILITY"),
            check_all_folders: on("IMAP_CHECK_ALL_FOLDERS"),
            disable_thread_sort: get("IMAP_DISABLETHREADSORT").is_some_and(|v| atoi(&v) > 0),
            empty_trash: get("IMAP_EMPTYTRASH"),
            // Courier spins at 0; a second is the least, and nothing idles for longer than a day.
            idle_seconds: get("IMAP_IDLE_TIMEOUT")
                .map_or(60, |v| u64::try_from(atoi(&v)).unwrap_or(0).clamp(1, 86_400)),
            id_fields: get("IMAP_ID_FIELDS").map(|v| atoi(&v)),
            keywords: match get("IMAP_KEYWORDS").map(|v| atoi(&v)) {
                // Whoever starts it by hand has no start script that sets it to 1.
                None if get("IMAPLOGINTAG").is_none() => KeywordMode::Fast,
                None | Some(0) => KeywordMode::Off,
                Some(1) => KeywordMode::Fast,
                Some(_) => KeywordMode::Careful,
            },
            // Set but empty is on (STORAGE 11.1).
            log_deletions: get("IMAP_LOG_DELETIONS").is_some_and(|v| v.first() != Some(&b'0')),
            sanity_check: on_unless_zero("IMAP_MAILBOX_SANITY_CHECK"),
            move_to_trash: on("IMAP_MOVE_EXPUNGE_TO_TRASH"),
            obsolete_client: on("IMAP_OBSOLETE_CLIENT"),
            shared_index: filled("IMAP_SHAREDINDEXFILE"),
            shared_munge: on("IMAP_SHAREDMUNGENAMES"),
            tls: on("IMAP_TLS"),
            tls_external: filled("TLS_EXTERNAL").is_some(),
            trash: filled("IMAP_TRASHFOLDERNAME").unwrap_or_else(|| b"Trash".to_vec()),
            // On when unset; when set, only `1...` keeps it on (STORAGE 11.1).
            use_locks: get("IMAP_USELOCKS").is_none_or(|v| v.first() == Some(&b'1')),
            extensions: get("IMAP_EXTENSIONS").map_or(Extensions::All, |v| Extensions::parse(&v)),
            fsync: on_unless_zero("IMAP_FSYNC"),
            index: on_unless_zero("IMAP_INDEX"),
            index_size: filled("IMAP_INDEX_SIZE")
                .map_or(INDEX_SIZE, |v| u64::try_from(atoi(&v)).unwrap_or(0)),
            metadata_admin: filled("IMAP_METADATA_ADMIN"),
            metadata_comment: filled("IMAP_METADATA_COMMENT"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Options {
        Options::read(|name| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_bytes().to_vec())
        })
    }

    #[test]
    fn unset() {
        let o = read(&[]);
        assert!(o.use_locks && o.sanity_check && o.extensions.are_on() && o.fsync);
        assert_eq!(o.trash, b"Trash");
        assert_eq!(o.idle_seconds, 60);
        assert_eq!((o.keywords, o.id_fields, o.log_deletions), (KeywordMode::Fast, None, false));
        assert_eq!(read(&[("IMAPLOGINTAG", "a")]).keywords, KeywordMode::Off);
    }

    #[test]
    fn traps() {
        assert!(!read(&[("IMAP_USELOCKS", "")]).use_locks);
        assert!(!read(&[("IMAP_USELOCKS", "yes")]).use_locks);
        assert!(read(&[("IMAP_USELOCKS", "1")]).use_locks);
        assert!(read(&[("IMAP_LOG_DELETIONS", "")]).log_deletions);
        assert!(!read(&[("IMAP_LOG_DELETIONS", "0")]).log_deletions);
        assert_eq!(read(&[("IMAP_EMPTYTRASH", "")]).empty_trash.as_deref(), Some(&b""[..]));
        assert!(read(&[("IMAP_MAILBOX_SANITY_CHECK", "")]).sanity_check);
        assert!(!read(&[("IMAP_MAILBOX_SANITY_CHECK", "0")]).sanity_check);
        assert_eq!(read(&[("MAILDIR", "")]).maildir, None);
        assert_eq!(read(&[("IMAP_KEYWORDS", "2")]).keywords, KeywordMode::Careful);
        assert_eq!(read(&[("IMAP_ID_FIELDS", "")]).id_fields, Some(0));
        assert!(read(&[("IMAP_INDEX", "")]).index && !read(&[("IMAP_INDEX", "0")]).index);
        for (value, size) in [("", 1024), ("0", 0), ("7", 7), ("-1", 0), ("many", 0)] {
            assert_eq!(read(&[("IMAP_INDEX_SIZE", value)]).index_size, size);
        }
        for (value, seconds) in [("0", 1), ("-5", 1), ("7", 7), ("99999999999999999999", 86_400)] {
            assert_eq!(read(&[("IMAP_IDLE_TIMEOUT", value)]).idle_seconds, seconds);
        }
    }

    /// Each variable of the table is asked for, and nothing else is.
    #[test]
    fn the_table_is_whole() {
        let asked = std::cell::RefCell::new(Vec::new());
        Options::read(|name| {
            asked.borrow_mut().push(name.to_owned());
            None
        });
        let mut asked = asked.into_inner();
        asked.sort();
        asked.dedup();
        assert_eq!(asked, VARIABLES);
    }
}
