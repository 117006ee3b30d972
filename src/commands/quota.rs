//! GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 2087, PROTOCOL 7.7). The limits are the administrator's: a
//! client may only look.

use super::Call;
use super::args::Mailbox;
use crate::session::{Outcome, Result, Session};
use crate::types::folder::Space;
use crate::wire::write;

/// Writes `* QUOTA "<root>" (...)`; the list is empty for a root without limits
/// (RFC 2087 5.1, `quota_list`; Courier leaves it out, which is more than some parsers take).
fn push_quota(s: &mut Session, root: &[u8]) {
    let usage = if root == b"ROOT" { s.quota().usage() } else { None };
    let out = &mut s.io.out;
    out.extend_from_slice(b"* QUOTA ");
    write::string(out, root);
    let mut shown: Vec<String> = Vec::new();
    if let Some(usage) = usage {
        let kib = |octets: u64| octets.div_ceil(1024);
        let resources = [
            ("STORAGE", kib(usage.bytes), kib(usage.limits.bytes)),
            ("MESSAGE", usage.messages, usage.limits.messages),
        ];
        let limited = resources.iter().filter(|(_, _, limit)| *limit > 0);
        shown.extend(limited.map(|(name, used, limit)| format!("{name} {used} {limit}")));
    }
    out.extend_from_slice(format!(" ({})", shown.join(" ")).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// GETQUOTA
pub(crate) mod getquota {
    use super::*;

    /// `astring`; what follows is passed over (PROTOCOL 1.6).
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Vec<u8>> {
        Ok(s.io.astring()?)
    }

    /// Tells the figures of a root.
    pub(crate) fn run(s: &mut Session, _: &Call, root: Vec<u8>) -> Result<Outcome> {
        push_quota(s, &root);
        Ok(Outcome::ok("GETQUOTA Ok."))
    }
}

/// GETQUOTAROOT
pub(crate) mod getquotaroot {
    use super::*;

    /// `mailbox`; what follows is passed over (PROTOCOL 1.6).
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Mailbox> {
        Mailbox::parse(s)
    }

    /// Tells the root of a folder, which need not exist, and its figures.
    pub(crate) fn run(s: &mut Session, _: &Call, mailbox: Mailbox) -> Result<Outcome> {
        let Ok(name) = mailbox.name(s) else {
            return Outcome::no("Invalid mailbox name.").refuse();
        };
        let root: &[u8] = match name.space() {
            Space::Inbox | Space::Own(_) => b"ROOT",
            Space::Index(_) => b"PUBLIC",
            Space::Link(_) => b"SHARED",
        };
        let out = &mut s.io.out;
        out.extend_from_slice(b"* QUOTAROOT ");
        write::string(out, &mailbox.0);
        out.push(b' ');
        write::string(out, root);
        out.extend_from_slice(b"\r\n");
        push_quota(s, root);
        Ok(Outcome::ok("GETQUOTAROOT Ok."))
    }
}

/// SETQUOTA
pub(crate) mod setquota {
    use super::*;

    /// Whatever comes is refused, read or not (Courier).
    pub(crate) fn parse(_: &mut Session, _: &Call) -> Result<()> {
        Ok(())
    }

    /// Refuses.
    pub(crate) fn run(_: &mut Session, _: &Call, (): ()) -> Result<Outcome> {
        Outcome::no("SETQUOTA No permission.").refuse()
    }
}
