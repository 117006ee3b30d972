//! RFC 2047: encoded words in header fields, decoded for SEARCH and SORT, and made where a client
//! cannot take 8-bit text.

mod decode;
mod encode;

pub(crate) use decode::{decode, is_plain};
pub(crate) use encode::encode;
