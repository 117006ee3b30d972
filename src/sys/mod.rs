//! The system: the only place for `unsafe`, libc and nix. Everything above asks the kernel through
//! here.

pub mod alloc;
mod beneath;
pub mod clock;
pub mod dir;
pub mod fs;
pub mod last_words;
pub mod log;
pub mod panic;
pub mod poll;
pub mod process;
pub mod signals;
pub mod stdio;
pub mod user;
