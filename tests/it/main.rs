//! The tests of the whole program, each on real sessions of the real binary, in one binary of
//! their own (linking costs more than compiling). `cargo test --test it NAME` runs a module or a
//! test. The dialogs, the stress and the comparisons with Courier are binaries beside this one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod bad_days;
mod check_maildir;
mod citations;
mod compress;
mod courier_tools;
mod cycles;
mod durability;
mod ends;
mod gone;
mod hostile;
mod hostile_files;
mod hostile_owner;
mod hostile_process;
mod interrupt;
mod kill;
mod limits;
mod log;
mod manual;
mod moves;
mod notice;
mod progress;
mod races;
mod realtime;
mod refusals;
mod sessions;
mod settings;
mod stolen_lock;
mod stress;
#[path = "../stress/engine/mod.rs"]
mod stress_engine;
mod validity;
