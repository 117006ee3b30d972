//! Postrider: one IMAP session over one Maildir, in Courier's place.
#![deny(unsafe_code)]

pub mod maildir;
pub mod mime;
#[allow(unsafe_code)]
pub mod sys;
pub mod types;
pub mod wire;
