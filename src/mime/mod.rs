//! Messages as bytes: where their parts lie, what their header fields say, what their text is.
//!
//! Pure code: bytes in, values out; no files, no session, no IMAP syntax. A message is never held in
//! memory here: whatever reads a body takes chunks of any size and its result does not depend on how
//! the message was cut. Two units of length occur everywhere and are never mixed: *stored* octets (offsets into
//! the file, lines usually ending in LF) and *wire* octets (what a client receives, lines ending in CRLF).

pub mod header;
pub mod params;
pub mod structure;
pub mod wire_form;
