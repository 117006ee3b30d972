//! What the server says, as values, and the one encoder that writes them. Handlers make values, and
//! only this module knows how an untagged response looks on the wire. The tagged line is
//! [`crate::session::reply`]'s, the `+` that asks for a literal is the wire's.
//!
//! | module | responses |
//! |---|---|
//! | [`session`] | PREAUTH, BYE, CAPABILITY, ENABLED, ID, NAMESPACE, IDLE's `+`, texts behind OK and NO |
//! | [`mailbox`] | FLAGS, EXISTS, RECENT, EXPUNGE, VANISHED, the codes of SELECT |
//! | [`fetch`] | FETCH and its data items; [`envelope`] and [`bodystructure`] beside it |
//! | [`folders`] | LIST, LSUB, STATUS |
//! | [`access`] | ACL, MYRIGHTS, LISTRIGHTS, ACLFAILED, RIGHTS-INFO |
//! | [`metadata`] | METADATA |
//! | [`quota`] | QUOTA, QUOTAROOT |
//! | [`search`] | SEARCH, ESEARCH, SORT, THREAD |

pub(crate) mod access;
pub(crate) mod bodystructure;
mod encoder;
pub(crate) mod envelope;
pub(crate) mod fetch;
pub(crate) mod folders;
pub(crate) mod mailbox;
pub(crate) mod metadata;
pub(crate) mod quota;
pub(crate) mod search;
pub(crate) mod session;

pub(crate) use encoder::Encoder;

use crate::wire::Io;

/// An untagged response: what stands between `* ` and the line break.
pub(crate) trait Untagged {
    /// Writes it.
    fn write(&self, e: &mut Encoder<'_>);
}

/// Sends an untagged response to a client that takes 8-bit text (`utf8`) or does not.
pub(crate) fn send(io: &mut Io, utf8: bool, response: &impl Untagged) {
    let mut encoder = Encoder::new(io, utf8);
    encoder.raw("* ");
    response.write(&mut encoder);
    encoder.raw("\r\n");
    drop(encoder);
    io.end_response();
}

/// How a response is written for a client without UTF8=ACCEPT, without the `* ` before it.
#[cfg(test)]
pub(crate) fn written(response: &impl Untagged) -> String {
    let mut io =
        crate::wire::Io::new(Box::new(crate::wire::connection::MemoryConnection::default()));
    response.write(&mut Encoder::new(&mut io, false));
    String::from_utf8_lossy(&io.out()).into_owned()
}
