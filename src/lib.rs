//! Postrider: one IMAP session on standard input and output over one Maildir, in the place of
//! Courier's `imapd`.
//!
//! # The house
//!
//! Imports run downward only; `scripts/check-layers` proves it.
//!
//! ```text
//! main.rs          calls the library
//! 5 server         start-up, the loop over the commands, goodbye, log lines
//! 4 commands       one file per family: its parser and its handler; THE table is in its mod.rs
//! 3 session        what a command works on: connection, settings, the open folder; its looks at the folder (sync), the
//!                  arithmetic of sequence numbers (view), the tagged line (reply), every environment variable (options)
//! 2 maildir        files: unique names, scan, UID database, keywords, locks, subscriptions, quota, ACLs, shared folders; no IMAP
//! 2 mime           messages: structure with offsets, header fields, addresses, dates, decoding; no files
//! 2 wire           bytes in, tokens out, values in, bytes out; no files
//! 1 types          UIDs, folder names, flags, rights, keyword sets: values and their rules, no I/O
//! 1 sys            the only place for unsafe code, libc and nix: waits, signals, file calls, clocks
//! ```
//!
//! # How a command flows
//!
//! The server takes the tag and the command's name and finds the row of the table. The row's parser
//! pulls its arguments from the wire to the end of the line; only then is the state looked at, and
//! the handler acts and returns an outcome. News of the folder is written if the row allows, then
//! the one tagged line. Output collects and goes out before the next wait.
//!
//! # What the comments cite
//!
//! `RFC n s` is a section of an RFC. `Courier:` marks what is so because Courier's imapd 5.0.13
//! does it. `PROTOCOL n`, `STORAGE n` and `DESIGN` are the sections of the project's notes on
//! Courier's answers, on its files, and on what was decided where the two leave room; the dialogs
//! in `tests/dialogs` show the same facts, played on both servers.

#![deny(unsafe_code)]
#![warn(unreachable_pub)]

mod commands;
mod maildir;
mod mime;
mod response;
mod server;
mod session;
#[allow(unsafe_code)]
mod sys;
#[doc(hidden)]
pub mod testing;
mod types;
mod wire;

pub use server::main;

/// An allocation that fails ends the session in order.
#[global_allocator]
static ALLOCATOR: sys::alloc::Allocator = sys::alloc::Allocator;
