//! The stress: see `engine`, and `model` for clients that synchronise. One line of figures; a loss
//! or a false picture is a failure. Started by `scripts/stress`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod engine;
mod model;

use engine::{Plan, World};
use lexopt::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: stress [--seconds N] [--sessions N] [--kills] [--copies] [--mixed]
       [--courier] [--seed N] [--keep] [--keywords 0|1|2] [--no-fsync] [--no-hands]
       [--ours PROGRAM]... [--courier-program PROGRAM]... [--home DIR]
       stress --qresync [--seconds N] [--seed N] [--only [STEP,STEP...]] [--crowd]
       [--no-harm] [--ours PROGRAM]... [--courier-program PROGRAM] [--home DIR]";

/// What the command line says.
#[derive(Default)]
struct Options {
    plan: Plan,
    /// The Maildir is kept.
    keep: bool,
    /// The model test instead: see `model`.
    qresync: bool,
    only: Option<Vec<usize>>,
    crowd: bool,
    no_harm: bool,
}

fn arguments() -> Result<Options, lexopt::Error> {
    let mut options = Options::default();
    let plan = &mut options.plan;
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
            Long("keep") => options.keep = true,
            Long("qresync") => options.qresync = true,
            Long("crowd") => options.crowd = true,
            Long("no-harm") => options.no_harm = true,
            Long("only") => {
                let list = parser.value()?.string()?;
                let numbers = list.split(',').filter(|n| !n.is_empty()).map(str::parse);
                let numbers = numbers.collect::<Result<_, _>>();
                options.only = Some(numbers.map_err(|_| "--only wants numbers of steps")?);
            }
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
    Ok(options)
}

/// The model test.
fn qresync(options: Options) -> ExitCode {
    if let Some(code) = model::with_mounts() {
        return code;
    }
    let Options { plan, only, crowd, no_harm, .. } = options;
    let failures = model::run(&model::Plan {
        seconds: plan.seconds,
        seed: plan.seed,
        only,
        is_crowd: crowd,
        harms: !no_harm,
        ours: plan.ours,
        courier: plan.courier.into_iter().next(),
        home: plan.home,
    });
    ExitCode::from(u8::from(failures > 0))
}

/// The log lines that no session should ever write.
fn is_bad(line: &str) -> bool {
    // Several want the same folder on purpose.
    let of_folders = line.starts_with("ERR: creating ./.") && line.contains("File exists")
        || line.starts_with("ERR: renaming in .");
    line.contains("panicked") || line.contains("CRIT") || line.starts_with("ERR") && !of_folders
}

fn main() -> ExitCode {
    let options = match arguments() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("stress: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if options.qresync {
        return qresync(options);
    }
    let Options { plan, keep, .. } = options;
    let is_missing = |program: &&PathBuf| !support::is_program(program);
    if (plan.mixed || plan.courier_only)
        && let Some(missing) = plan.courier.iter().find(is_missing)
    {
        let missing = missing.display();
        eprintln!("stress: {missing} is not here (apt-get install courier-imap)");
        return ExitCode::from(2);
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
