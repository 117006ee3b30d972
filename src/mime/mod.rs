//! Messages as bytes: where their parts are, what their header fields say, what their text is.
//!
//! Pure code: bytes in, values out; no files, no session, no IMAP syntax. A message is never held
//! in memory here: whatever reads a body takes chunks of any size, and its result does not depend
//! on where they are cut. Two units of length occur everywhere and are never mixed: *stored* bytes
//! (offsets into the file, lines usually ending in LF) and *wire* bytes (what a client receives,
//! lines ending in CRLF).
//!
//! | module | subject |
//! |---|---|
//! | [`structure`] | the tree of parts with offsets and sizes, in one pass |
//! | [`wire_form`] | LF to CRLF: counting, converting, slicing |
//! | [`header`] | fields of a header block, selection, unfolding, the header's end |
//! | [`params`] | `type/subtype; name=value` |
//! | [`address`], [`envelope`] | address lists, and the fields of ENVELOPE |
//! | [`date`] | Date fields, IMAP's dates, the calendar |
//! | [`encoded_word`], [`charset`], [`decode`] | RFC 2047, character sets, transfer encodings |
//! | [`encode`] | base64 made |
//! | [`content`] | a part's content, its transfer encoding undone |
//! | [`search_text`] | SEARCH's comparison |
//! | [`subject`], [`msgid`] | base subjects and identifiers for SORT and THREAD |

pub(crate) mod address;
pub(crate) mod casemap;
pub(crate) mod charset;
pub(crate) mod content;
pub(crate) mod date;
pub(crate) mod decode;
mod encode;
pub(crate) mod encoded_word;
pub(crate) mod envelope;
pub(crate) mod facts;
pub(crate) mod header;
pub(crate) mod msgid;
pub(crate) mod params;
pub(crate) mod search_text;
pub(crate) mod structure;
pub(crate) mod subject;
pub(crate) mod wire_form;
