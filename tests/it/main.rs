//! The tests of the whole program, each on real sessions of the real binary, in one binary of
//! their own (linking costs more than compiling). `cargo test --test it NAME` runs a module or a
//! test. The dialogs, the stress and the comparisons with Courier are binaries beside this one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod after_answer;
mod bad_days;
mod calls;
mod check_maildir;
mod citations;
mod compress;
mod condstore;
mod courier_tools;
mod cycles;
mod durability;
mod ends;
mod facts;
mod gone;
mod hostile;
mod hostile_files;
mod hostile_owner;
mod hostile_process;
mod index_damage;
mod interrupt;
mod kill;
mod large_folder;
mod limits;
mod log;
mod manual;
mod model;
mod moves;
mod notice;
mod progress;
mod qresync;
mod races;
mod realtime;
mod refusals;
mod sessions;
mod settings;
mod show_index;
mod stolen_lock;
mod stress;
#[path = "../stress/engine/mod.rs"]
mod stress_engine;
#[path = "../stress/model/mod.rs"]
#[allow(dead_code)]
mod stress_model;
mod validity;
