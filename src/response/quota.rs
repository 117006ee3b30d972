//! Responses about quotas (RFC 2087 5, PROTOCOL 7.7). Names are as the client wrote them.

use super::{Encoder, Untagged};

/// `QUOTAROOT`
pub(crate) struct QuotaRoot<'a> {
    /// The folder.
    pub(crate) name: &'a [u8],
    /// Its root.
    pub(crate) root: &'a [u8],
}

impl Untagged for QuotaRoot<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("QUOTAROOT ").string(self.name).space().string(self.root);
    }
}

/// One resource of a quota: its name, usage and limit, in the resource's unit.
pub(crate) struct Resource {
    /// `STORAGE` (units of 1024 bytes) or `MESSAGE`.
    pub(crate) name: &'static str,
    /// What is used.
    pub(crate) usage: u64,
    /// What may be used.
    pub(crate) limit: u64,
}

/// `QUOTA`. The list is empty for a root without limits (RFC 2087 5.1, `quota_list`; Courier
/// leaves it out, which is more than some parsers take).
pub(crate) struct Quota<'a> {
    /// The root.
    pub(crate) root: &'a [u8],
    /// Its limits.
    pub(crate) resources: &'a [Resource],
}

impl Untagged for Quota<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("QUOTA ").string(self.root).space().list(self.resources, |e, resource| {
            e.raw(resource.name).space().number(resource.usage).space().number(resource.limit);
        });
    }
}
