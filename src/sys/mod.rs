//! The system: the only module with `unsafe`, libc and nix. All others make system calls through
//! it.

pub(crate) mod alloc;
pub(crate) mod breath;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod dir;
pub(crate) mod directory;
mod enter;
pub(crate) mod filesystem;
pub(crate) mod fs;
pub(crate) mod last_words;
pub(crate) mod log;
pub(crate) mod panic;
pub(crate) mod poll;
pub(crate) mod process;
pub(crate) mod signals;
pub(crate) mod stat;
pub(crate) mod stdio;
pub(crate) mod user;
