//! Access control lists: the commands of RFC 4314, with RFC 2086's `d`, and Courier's own ACL
//! command (PROTOCOL 7.3, 7.4).

mod change;
mod many;
mod show;

pub(super) use change::{deleteacl, setacl};
pub(super) use many::{parse as parse_acl, run as run_acl};
pub(super) use show::{getacl, listrights, myrights};

use super::args::Mailbox;
use super::{Call, capability};
use crate::response::access::RightsForm;
use crate::session::refusal::{denied, does_not_exist};
use crate::session::{Result, Session};
use crate::types::{FolderName, Rights};

/// Whether the commands follow RFC 4314 to the letter. Where its rights are not announced, they are
/// Courier's, which follow RFC 2086.
fn is_standard(s: &Session) -> bool {
    capability::is_offered(&s.options, "RIGHTS=texk")
}

/// How rights are written in this session.
pub(super) fn rights_form(s: &Session) -> RightsForm {
    match (is_standard(s), s.has_additions()) {
        (true, _) => RightsForm::Standard,
        (false, true) => RightsForm::Unquoted,
        (false, false) => RightsForm::Courier,
    }
}

/// The rights, if `a` is among them, which `command` needs.
fn require_administrator(s: &mut Session, name: &FolderName, command: &str) -> Result<Rights> {
    let rights = s.rights_announced(name)?;
    if rights.has(b'a') {
        return Ok(rights);
    }
    hide(s, rights)?;
    denied(command, name.spelled(), b'a').refuse()
}

/// To a user who would not see the folder in LIST, it is not there (RFC 4314 6).
fn hide(s: &Session, rights: Rights) -> Result<()> {
    if is_standard(s) && !rights.has(b'l') {
        return does_not_exist().refuse();
    }
    Ok(())
}

/// `mailbox` and `N` words: identifiers, rights. What follows is passed over (PROTOCOL 1.6).
pub(super) fn parse_words<const N: usize>(
    s: &mut Session,
    _: &Call<'_>,
) -> Result<(Mailbox, [Vec<u8>; N])> {
    let mailbox = Mailbox::parse(s)?;
    let mut words = [const { Vec::new() }; N];
    for word in &mut words {
        *word = s.io.astring()?;
    }
    Ok((mailbox, words))
}
