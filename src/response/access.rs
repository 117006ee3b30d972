//! Responses about rights (RFC 4314 3.6 to 3.8, PROTOCOL 7.3, 7.4). Names are as the client wrote
//! them.

use super::{Encoder, Untagged};
use crate::types::Rights;

/// `rights`, an astring: an atom, as other servers write it, where it is one of letters and digits.
/// Balsa hangs up on quotes there, which Courier always writes.
fn write_rights(e: &mut Encoder<'_>, rights: Rights, as_courier: bool) {
    let rights = rights.shown();
    let rights: &[u8] = rights.as_ref();
    if !as_courier && !rights.is_empty() && rights.iter().all(u8::is_ascii_alphanumeric) {
        e.raw(rights);
    } else {
        e.string(rights);
    }
}

/// `ACL`
pub(crate) struct Acl<'a> {
    /// The folder.
    pub(crate) name: &'a [u8],
    /// Identifiers in the form of RFC 4314, and their rights.
    pub(crate) entries: &'a [(Vec<u8>, Rights)],
    /// Whether rights are quoted, as Courier has them.
    pub(crate) as_courier: bool,
}

impl Untagged for Acl<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("ACL ").string(self.name);
        for (identifier, rights) in self.entries {
            e.space().string(identifier).space();
            write_rights(e, *rights, self.as_courier);
        }
    }
}

/// `LISTRIGHTS`
pub(crate) struct ListRights<'a> {
    /// The folder.
    pub(crate) name: &'a [u8],
    /// The identifier.
    pub(crate) identifier: &'a [u8],
    /// What it always has, quoted, and what it may be given, one by one.
    pub(crate) rights: &'static str,
}

impl Untagged for ListRights<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("LISTRIGHTS ").string(self.name).space().string(self.identifier);
        e.space().raw(self.rights);
    }
}

/// `MYRIGHTS`
pub(crate) struct MyRights<'a> {
    /// The folder.
    pub(crate) name: &'a [u8],
    /// What the user may do in it.
    pub(crate) rights: Rights,
    /// Whether they are quoted, as Courier has them.
    pub(crate) as_courier: bool,
}

impl Untagged for MyRights<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("MYRIGHTS ").string(self.name).space();
        write_rights(e, self.rights, self.as_courier);
    }
}

/// Courier's `ACLFAILED`: one folder of an ACL command was not changed.
pub(crate) struct AclFailed<'a> {
    /// The folder.
    pub(crate) name: &'a [u8],
    /// Why.
    pub(crate) reason: &'a [u8],
}

impl Untagged for AclFailed<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("ACLFAILED ").string(self.name).space().raw(self.reason);
    }
}

/// Courier's `RIGHTS-INFO`: who would lose rights that nobody may take away.
pub(crate) struct RightsInfo<'a> {
    /// The folder.
    pub(crate) name: &'a [u8],
    /// Whose rights.
    pub(crate) identifier: &'a [u8],
    /// Which.
    pub(crate) rights: &'static str,
}

impl Untagged for RightsInfo<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("RIGHTS-INFO ").string(self.name).space().string(self.identifier);
        e.space().raw(self.rights);
    }
}
