//! GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 2087, RFC 9208, PROTOCOL 7.7). The limits are the
//! administrator's: a client may only look. There are no soft limits.

use super::args::{self, Mailbox};
use super::{Call, capability};
use crate::response::quota::{Quota, QuotaRoot, Resource};
use crate::session::{Code, Outcome, Result, Session};
use crate::types::folder::Space;

/// The one root that can have limits: the session's own Maildir.
const OWN_ROOT: &[u8] = b"ROOT";
/// The roots of the folders in `#shared` and in `shared`.
const INDEX_ROOT: &[u8] = b"PUBLIC";
const LINK_ROOT: &[u8] = b"SHARED";
/// The largest number of a response (RFC 9051 9, `number64`).
const MAX_NUMBER: u64 = i64::MAX.unsigned_abs();

/// Sends the usage and the limits of a root.
fn send_quota(s: &mut Session, root: &[u8]) {
    let mut resources = Vec::new();
    if root == OWN_ROOT
        && let Some(usage) = s.quota().usage()
    {
        let kib = |bytes: u64| bytes.div_ceil(1024);
        for (name, usage, limit) in [
            ("STORAGE", kib(usage.bytes), kib(usage.limits.bytes)),
            ("MESSAGE", usage.messages, usage.limits.messages),
        ] {
            if limit > 0 {
                let limit = limit.min(MAX_NUMBER);
                resources.push(Resource { name, usage, limit });
            }
        }
    }
    s.send(&Quota { root, resources: &resources });
}

/// `astring`, a root. What follows is passed over (PROTOCOL 1.6).
pub(crate) fn parse_root(s: &mut Session, _: &Call<'_>) -> Result<Vec<u8>> {
    Ok(s.io.astring()?)
}

/// `mailbox`. What follows is passed over (PROTOCOL 1.6).
pub(crate) fn parse_mailbox(s: &mut Session, _: &Call<'_>) -> Result<Mailbox> {
    Mailbox::parse(s)
}

/// GETQUOTA: sends the figures of a root. To Courier, every word is one (RFC 9208 4.1.1 has NO).
pub(crate) fn getquota(s: &mut Session, _: &Call<'_>, root: Vec<u8>) -> Result<Outcome> {
    let is_standard = ["QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE"]
        .into_iter()
        .any(|word| capability::is_offered(&s.options, word));
    if is_standard && ![OWN_ROOT, INDEX_ROOT, LINK_ROOT].contains(&&*root) {
        return Outcome::no("No such quota root.").with_code(Code::NonExistent).refuse();
    }
    send_quota(s, &root);
    Ok(Outcome::ok("GETQUOTA Ok."))
}

/// GETQUOTAROOT: sends the root of a folder, which need not exist, and its figures.
pub(crate) fn getquotaroot(s: &mut Session, _: &Call<'_>, mailbox: Mailbox) -> Result<Outcome> {
    let Ok(name) = mailbox.name(s) else {
        return args::invalid_name().refuse();
    };
    let root = match name.space() {
        Space::Inbox | Space::Own(_) => OWN_ROOT,
        Space::Index(_) => INDEX_ROOT,
        Space::Link(_) => LINK_ROOT,
    };
    s.send(&QuotaRoot { name: &mailbox.shown, root });
    send_quota(s, root);
    Ok(Outcome::ok("GETQUOTAROOT Ok."))
}

/// SETQUOTA: refuses (Courier).
pub(crate) fn setquota(_: &mut Session, _: &Call<'_>, (): ()) -> Result<Outcome> {
    Outcome::no("SETQUOTA No permission.").with_code(Code::NoPerm).refuse()
}
