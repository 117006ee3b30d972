//! Access control lists: the commands of RFC 4314, with RFC 2086's `d`, and Courier's own ACL
//! command (PROTOCOL 7.3, 7.4).

mod change;
mod many;
mod show;

pub(super) use change::{deleteacl, setacl};
pub(super) use many::{parse as parse_acl, run as run_acl};
pub(super) use show::{getacl, listrights, myrights};

use super::Call;
use super::args::Mailbox;
use crate::session::{Result, Session};

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
