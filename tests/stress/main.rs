//! The stress: see `engine`. One line of figures; a loss or a false picture is a failure. Started by
//! `scripts/stress`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod engine;

use engine::{Plan, World};
use lexopt::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: stress [--seconds N] [--sessions N] [--kills] [--copies] [--mixed]
       [--courier] [--seed N] [--keep] [--keywords 0|1|2] [--no-fsync] [--no-hands]
       [--ours PROGRAM]... [--courier-program PROGRAM]... [--home DIR]";

/// The plan, and whether the Maildir is kept.
fn arguments() -> Result<(Plan, bool), lexopt::Error> {
    let (mut plan, mut keep) = (Plan::default(), false);
    let (mut ours, mut courier) = (Vec::new(), Vec::new());
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seconds") => plan.seconds = parser.value()?.parse()?,
            Long("sessions") => plan.sessions = parser.value()?.parse::<usize>()?.max(1),
            Long("seed") => plan.seed = parser.value()?.parse()?,
            Long("kills") => plan.kills = true,
            Long("copies") => plan.copies = true,
            Long("mixed") => plan.mixed = true,
            Long("courier") => plan.courier_only = true,
            Long("keep") => keep = true,
            Long("keywords") => plan.keywords = parser.value()?.string()?,
            Long("no-fsync") => plan.fsync = false,
            Long("no-hands") => plan.hands = false,
            Long("ours") => ours.push(parser.value()?.into()),
            Long("courier-program") => courier.push(parser.value()?.into()),
            Long("home") => plan.home = Some(parser.value()?.into()),
            Long("help") | Short('h') => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            _ => return Err(argument.unexpected()),
        }
    }
    if !ours.is_empty() {
        plan.ours = ours;
    }
    if !courier.is_empty() {
        plan.courier = courier;
    }
    Ok((plan, keep))
}

/// The log lines that no session should ever write.
fn is_bad(line: &str) -> bool {
    // Several want the same folder on purpose.
    let of_folders = line.starts_with("ERR: creating ./.") && line.contains("File exists")
        || line.starts_with("ERR: renaming in .");
    line.contains("panicked") || line.contains("CRIT") || line.starts_with("ERR") && !of_folders
}

fn main() -> ExitCode {
    let (plan, keep) = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("stress: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let is_missing = |program: &&PathBuf| !support::is_program(program);
    if plan.mixed || plan.courier_only {
        if let Some(missing) = plan.courier.iter().find(is_missing) {
            let missing = missing.display();
            eprintln!("stress: {missing} is not here (apt-get install courier-imap)");
            return ExitCode::from(2);
        }
    }
    let world = World::new(plan);
    let start = Instant::now();
    engine::run(&world);
    let complaints = report(&world, start.elapsed());
    if keep || complaints > 0 {
        println!("kept: {}", world.home.keep().display());
    }
    ExitCode::from(u8::from(complaints > 0))
}

/// The one line.
fn report(world: &World, time: Duration) -> usize {
    let lines =
        String::from_utf8_lossy(&std::fs::read(&world.log).unwrap_or_default()).into_owned();
    let mut bad = BTreeMap::<String, u32>::new();
    for line in lines.lines().filter(|l| is_bad(l)) {
        let general: String = line.chars().filter(|c| !c.is_ascii_digit()).collect();
        *bad.entry(general).or_default() += 1;
    }
    for (line, count) in &bad {
        println!("log, {count} times: {line}");
        if line.contains("panicked") {
            world.complain(line.clone());
        }
    }
    let f = world.figures.lock().unwrap().clone();
    let complaints = world.complaints.lock().unwrap();
    let of = |word: &str| complaints.iter().filter(|c| c.contains(word)).count();
    let (plan, ledger) = (&world.plan, world.ledger.lock().unwrap());
    let theirs = world.theirs.lock().unwrap();
    for what in theirs.iter().take(5) {
        println!("Courier's own: {}", what.lines().next().unwrap_or_default());
    }
    let theirs = if theirs.is_empty() {
        String::new()
    } else {
        format!(", and {} of Courier's own", theirs.len())
    };
    let who = match (plan.courier_only, plan.mixed) {
        (true, _) => "Courier's",
        (_, true) => "half of them Courier's",
        _ => "ours",
    };
    println!(
        "stress: seed {}, {:.0} s, {} sessions ({who}), {} commands: {} appends ({} of several), {} replaced, {} deliveries, {} copies ({} answered OK, of {} messages), {} moves (of {} messages), {} stores, {} expunges, \
         {} idles, {} STATUS, {} folders made, {} renamed, {} deleted, {} visits to such ({} refused), \
         {} changes of subscriptions, {} messages served whole, {} changes by hand, {} kills, {} refused for a lost lock; {} UIDs, {} pictures compared: {} lost, {} doubled, \
         {} false pictures, {} complaints{theirs}",
        plan.seed,
        time.as_secs_f64(),
        plan.sessions,
        f.commands,
        f.appends,
        f.multiappends,
        f.replaces,
        f.deliveries,
        f.copies,
        f.copies_ok,
        f.copied,
        f.moves,
        f.moved,
        f.stores,
        f.expunges,
        f.idles,
        f.statuses,
        f.made,
        f.renamed,
        f.deleted,
        f.visits,
        f.visits_refused,
        f.subscriptions,
        f.served,
        f.hands,
        f.kills,
        f.lost_locks,
        ledger.uids.len(),
        f.pictures,
        of("LOST"),
        of("DOUBLED"),
        of("FALSE"),
        complaints.len(),
    );
    complaints.len()
}
