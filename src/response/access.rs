//! Responses about rights (RFC 4314 3.6 to 3.8, PROTOCOL 7.3, 7.4). Names are as the client wrote
//! them.

use super::{Encoder, Untagged};
use crate::types::Rights;

/// How rights are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RightsForm {
    /// As Courier writes them, in quotes.
    Courier,
    /// The same letters without quotes, as other servers write them: Balsa hangs up on quotes here.
    Unquoted,
    /// Without quotes, in the letters of RFC 4314.
    Standard,
}

/// `rights`, an astring: an atom where it is one of letters and digits.
fn write_rights(e: &mut Encoder<'_>, rights: Rights, form: RightsForm) {
    let letters = match form {
        RightsForm::Courier | RightsForm::Unquoted => rights.shown(),
        RightsForm::Standard => rights.shown_standard(),
    };
    let is_atom = !letters.is_empty() && letters.iter().all(u8::is_ascii_alphanumeric);
    if is_atom && form != RightsForm::Courier {
        e.raw(letters);
    } else {
        e.string(letters);
    }
}

/// `ACL`
pub(crate) struct Acl<'a> {
    /// The folder.
    pub(crate) name: &'a [u8],
    /// Identifiers in the form of RFC 4314, and their rights.
    pub(crate) entries: &'a [(Vec<u8>, Rights)],
    /// How rights are written.
    pub(crate) form: RightsForm,
}

impl Untagged for Acl<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("ACL ").string(self.name);
        for (identifier, rights) in self.entries {
            e.space().string(identifier).space();
            write_rights(e, *rights, self.form);
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
    /// How they are written.
    pub(crate) form: RightsForm,
}

impl Untagged for MyRights<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("MYRIGHTS ").string(self.name).space();
        write_rights(e, self.rights, self.form);
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
