//! What the server says, as values, and the one encoder that writes them. Handlers make values;
//! nothing outside of this module knows how a response looks on the wire (the tagged line is
//! [`crate::session::reply`]'s).
//!
//! | module | responses |
//! |---|---|
//! | [`session`] | CAPABILITY, ENABLED, ID, NAMESPACE, BYE, texts behind OK and NO |
//! | [`mailbox`] | FLAGS, EXISTS, RECENT, EXPUNGE, the codes of SELECT |
//! | [`fetch`] | FETCH and its data items; [`envelope`] and [`bodystructure`] beside it |
//! | [`folders`] | LIST, LSUB, STATUS |
//! | [`access`] | ACL, MYRIGHTS, LISTRIGHTS, QUOTA, QUOTAROOT |
//! | [`search`] | SEARCH, SORT, THREAD |

pub(crate) mod access;
pub(crate) mod bodystructure;
mod encoder;
pub(crate) mod envelope;
pub(crate) mod fetch;
pub(crate) mod folders;
pub(crate) mod mailbox;
pub(crate) mod search;
pub(crate) mod session;

pub(crate) use encoder::Encoder;

/// An untagged response: what stands between `* ` and the line break.
pub(crate) trait Untagged {
    /// Writes it.
    fn write(&self, e: &mut Encoder<'_>);
}

/// How a response is written for a client without UTF8=ACCEPT, without the `* ` before it.
#[cfg(test)]
pub(crate) fn written(response: &impl Untagged) -> String {
    let mut io =
        crate::wire::Io::new(Box::new(crate::wire::connection::MemoryConnection::default()));
    response.write(&mut Encoder::new(&mut io, false));
    String::from_utf8_lossy(&io.out).into_owned()
}
