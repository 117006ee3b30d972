//! Responses about folders that need not be open: LIST, LSUB, STATUS (PROTOCOL 4.4, 4.5).

use super::{Encoder, Untagged};
use crate::types::Rights;

/// `LIST` or `LSUB`, by the command that asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Listing {
    /// `LIST`
    List,
    /// `LSUB`
    Lsub,
}

/// One folder.
pub(crate) struct Entry<'a> {
    /// Which of the two responses.
    pub(crate) listing: Listing,
    /// Attributes, in Courier's order.
    pub(crate) attributes: &'a [&'static str],
    /// The name, encoded for the client.
    pub(crate) name: &'a [u8],
    /// What was asked for beside the name.
    pub(crate) extras: &'a [Extra],
}

/// What follows the name in a LIST entry: Courier's additions (PROTOCOL 4.5), or those of RFC 5258.
pub(crate) enum Extra {
    /// Identifiers with their rights.
    Acl(Vec<(Vec<u8>, Rights)>),
    /// The user's rights.
    MyRights(Rights),
    /// Always NIL: Courier has no posting addresses.
    PostAddress,
    /// The criteria that something below the folder meets (RFC 5258 3.5).
    ChildInfo(Vec<&'static str>),
}

impl Extra {
    fn write(&self, e: &mut Encoder<'_>) {
        match self {
            Extra::Acl(entries) => {
                e.raw("(\"ACL\" (");
                for (identifier, rights) in entries {
                    e.raw("(").string(identifier).space().string(rights.shown()).raw(")");
                }
                e.raw("))");
            }
            Extra::MyRights(rights) => {
                e.raw("(\"MYRIGHTS\" ").string(rights.shown()).raw(")");
            }
            Extra::PostAddress => {
                e.raw("(POSTADDRESS NIL)");
            }
            Extra::ChildInfo(criteria) => {
                e.raw("\"CHILDINFO\" ").list(criteria, |e, criterion| {
                    e.string(criterion);
                });
            }
        }
    }
}

impl Untagged for Entry<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw(match self.listing {
            Listing::List => "LIST ",
            Listing::Lsub => "LSUB ",
        });
        e.list(self.attributes, |e, attribute| {
            e.raw(attribute);
        });
        e.raw(" \".\" ").string(self.name);
        if !self.extras.is_empty() {
            e.raw(" (");
            for (i, extra) in self.extras.iter().enumerate() {
                if i > 0 && matches!(extra, Extra::ChildInfo(_)) {
                    e.space();
                }
                extra.write(e);
            }
            e.raw(")");
        }
    }
}

/// `STATUS`: the name as the client wrote it, and the figures that it asked for.
pub(crate) struct Status<'a> {
    /// The name.
    pub(crate) name: &'a [u8],
    /// Each item with its value; `None` is NIL.
    pub(crate) figures: &'a [(&'static str, Option<u64>)],
}

impl Untagged for Status<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("STATUS ").string(self.name).space().list(self.figures, |e, (item, value)| {
            e.raw(item).space();
            match value {
                Some(value) => e.number(*value),
                None => e.raw("NIL"),
            };
        });
    }
}
