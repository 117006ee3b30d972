//! Two hosts over one volume: what one does, the other sees. Started by `scripts/cluster`, which
//! has set them up (`tests/cluster/README.md`). Prints `pass` and `FAIL` lines, and `figure` lines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod death;
mod host;
mod rounds;
mod steps;

use host::{Cluster, Host};
use lexopt::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: cluster steps|rounds|death --mail DIR --host PID --host PID
       [--courier PROGRAM] [--rounds N] [--wait]";

/// Plays one test, and says how it went.
fn play(name: &str, test: impl FnOnce()) -> bool {
    let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
    println!("{}  {name}", if passed { "pass" } else { "FAIL" });
    passed
}

fn run() -> Result<bool, lexopt::Error> {
    let (mut part, mut mail, mut hosts, mut courier) =
        (String::new(), PathBuf::new(), Vec::new(), support::programs::courier());
    let (mut rounds, mut waits) = (100, false);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(word) if part.is_empty() => part = word.string()?,
            Long("mail") => mail = parser.value()?.into(),
            Long("host") => hosts.push(parser.value()?.parse::<u32>()?),
            Long("courier") => courier = parser.value()?.into(),
            Long("rounds") => rounds = parser.value()?.parse()?,
            Long("wait") => waits = true,
            _ => return Err(argument.unexpected()),
        }
    }
    let [one, two] = hosts[..] else { return Err("two hosts, no more and no less".into()) };
    let host = |pid| Host::new(pid, &mail, &courier);
    let cluster = Cluster { one: host(one), two: host(two) };
    match part.as_str() {
        "steps" => Ok(steps::play_all(&cluster)),
        "rounds" => Ok(rounds::play_all(&cluster, rounds)),
        "death" => Ok(death::play_all(&cluster, waits)),
        _ => Err("which part?".into()),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(passed) => ExitCode::from(u8::from(!passed)),
        Err(error) => {
            eprintln!("cluster: {error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}
