//! The table of refusals: which system call of which command fails, and how; what the client is
//! told, what the log says beside the reason, what is on disk after. One half is of commands about
//! folders, the other of commands about messages.

pub(super) mod folders;
pub(super) mod messages;
pub(super) mod metadata;

use super::scene::Row;

// The errors, by what they mean.

/// No room: neither blocks nor inodes, or none of the user's share.
const FULL: &str = "ENOSPC EDQUOT";
/// We may not.
const DENIED: &str = "EACCES EROFS";
/// Nobody may.
const NEVER: &str = "EPERM";
/// The disk is broken.
const BROKEN: &str = "EIO";
/// No descriptor is left.
const FEW: &str = "EMFILE ENFILE";
/// The name is too long, there are too many links, the other name is on another disk.
const NAMES: &str = "ENAMETOOLONG EMLINK EXDEV";
/// The file system does not know the call.
const UNKNOWN: &str = "EINVAL EOPNOTSUPP";
/// The file was replaced by another host.
const STALE: &str = "ESTALE";

const ALL: &[&str] = &[FULL, DENIED, NEVER, BROKEN, FEW, NAMES, UNKNOWN, STALE];
const NOT_FULL: &[&str] = &[DENIED, NEVER, BROKEN, FEW, NAMES, UNKNOWN, STALE];
const NOT_STALE: &[&str] = &[FULL, DENIED, NEVER, BROKEN, FEW, NAMES, UNKNOWN];
const NOT_UNKNOWN: &[&str] = &[FULL, DENIED, NEVER, BROKEN, FEW, NAMES, STALE];
const NEITHER_FULL_NOR_STALE: &[&str] = &[DENIED, NEVER, BROKEN, FEW, NAMES, UNKNOWN];

const fn row(
    call: &'static str,
    errors: &'static [&'static str],
    told: &'static str,
    log: &'static str,
    disk: &'static str,
) -> Row {
    Row { call, errors, told, log, disk }
}

/// A message that nobody has seen.
const NEW_MAIL: &str = "Subject: new\n\ntext\n";
const SILENT: &str = "";
const NOTHING: &str = "";
const DONE: &str = "done";
