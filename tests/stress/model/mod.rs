//! The model test of CONDSTORE and QRESYNC (RFC 7162): clients that keep folders in step by nothing
//! but modification sequences, beside one that reads everything. Histories are played over one
//! Maildir by sessions of ours, Courier's, deliveries, hands, kills, and damage of the index; after
//! each synchronisation a client's cache is what the reader sees.
//!
//! [`player`] plays a history step by step from a seed, so that a failure can be repeated, and
//! [`shrink`] leaves out what it does not need. [`crowd`] lets all run at once. [`client`] is the
//! client, [`ways`] how it gets in step, [`acts`] what it does in an open folder.

mod acts;
pub mod cache;
mod client;
mod crowd;
mod damage;
mod player;
mod reader;
mod shrink;
mod stage;
pub mod told;
mod ways;
mod writers;

use player::{Figures, Numbered, Player};
use stage::{Props, Stage};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// What is to be done.
pub struct Plan {
    pub seconds: u64,
    pub seed: u64,
    /// One history only, of these steps; empty: of all its steps.
    pub only: Option<Vec<usize>>,
    /// Everybody at once, all the time; else for the last third of it.
    pub is_crowd: bool,
    /// The index is damaged, sessions are killed, the disk gets full.
    pub harms: bool,
    pub ours: Vec<PathBuf>,
    pub courier: Option<PathBuf>,
    /// Where the Maildirs are made; below `target` if nothing is said.
    pub home: Option<PathBuf>,
}

/// A step that takes longer is printed: a lock that is waited for, mostly.
const SLOW: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_secs(86_400);

/// A history that went wrong.
struct Failure {
    what: String,
    /// The step at which it did.
    at: usize,
    journal: String,
}

/// Set where this program runs in a space of mounts of its own.
const OWN_MOUNTS: &str = "MODEL_HAS_MOUNTS";

/// Starts this program anew where it may mount what it likes and nothing of that stays. Comes back
/// where that cannot be had, with the reason, or where it is so already.
pub fn with_mounts() -> Option<std::process::ExitCode> {
    if std::env::var_os(OWN_MOUNTS).is_some() || !nix_is_root() {
        return None;
    }
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--mount", "--propagation", "private"]);
    let can = Command::new("/usr/bin/unshare").args(["--mount", "true"]).output();
    if !can.is_ok_and(|done| done.status.success()) {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    command.arg(program).args(std::env::args_os().skip(1)).env(OWN_MOUNTS, "1");
    let code = command.status().ok()?.code();
    Some(std::process::ExitCode::from(code.and_then(|n| u8::try_from(n).ok()).unwrap_or(1)))
}

fn nix_is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status.lines().any(|line| line.starts_with("Uid:") && line.ends_with("\t0"))
    })
}

/// A home for one history. Dropped, it is gone, with its disk.
struct Home {
    dir: tempfile::TempDir,
    is_small: bool,
}

impl Home {
    fn new(plan: &Plan, props: &Props, small: bool) -> Home {
        let dir = match &plan.home {
            Some(dir) => tempfile::Builder::new().prefix("model-").tempdir_in(dir).unwrap(),
            None => support::maildir::scratch("model-"),
        };
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m,mode=755", "model"]).arg(dir.path());
        let is_small =
            small && props.has_mounts && mount.status().is_ok_and(|status| status.success());
        Home { dir, is_small }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.is_small {
            let _ = Command::new("umount").arg("-l").arg(self.dir.path()).status();
        }
    }
}

/// Plays some steps of a history. After the deadline no more of them are begun.
fn play(
    plan: &Plan,
    props: &Props,
    (seed, steps): (u64, &[Numbered]),
    deadline: Instant,
) -> (Figures, Option<Failure>) {
    let home = Home::new(plan, props, seed.is_multiple_of(2));
    let stage = Stage::new(props, home.dir.path(), true);
    let mut player = Player::new(&stage, home.is_small);
    for (at, (number, step)) in steps.iter().enumerate() {
        if Instant::now() > deadline {
            return (player.figures, None);
        }
        let begin = Instant::now();
        let done = player.step(*number, *step);
        if begin.elapsed() > SLOW {
            let took = begin.elapsed().as_secs();
            println!("qresync: seed {seed}, step {number} took {took} s: {:?}", step.what);
        }
        let failed = match done {
            Ok(()) => stage.bad_log().first().cloned(),
            Err(support::client::Stop::Wrong(what)) => Some(what),
            Err(support::client::Stop::Dead) => Some("a session ended by itself".to_owned()),
        };
        if let Some(what) = failed {
            let listing = stage.listing();
            let stories: String = player.syncers.iter().map(client::Syncer::story).collect();
            let what = format!("{what}\n{stories}--- log\n{}{listing}", stage.log());
            return (player.figures, Some(Failure { what, at, journal: stage.journal(120) }));
        }
    }
    player.figures.histories = 1;
    (player.figures, None)
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Figures) {
        self.histories += other.histories;
        self.steps += other.steps;
        self.syncs += other.syncs;
        self.compared += other.compared;
        self.refused += other.refused;
        self.damages += other.damages;
        self.kills += other.kills;
    }
}

/// Plays histories until the time is up. The number of failures.
pub fn run(plan: &Plan) -> usize {
    let tools = support::maildir::scratch("model-tools-");
    let is_cluster = plan.ours.len() > 1;
    let props = Props {
        ours: plan.ours.clone(),
        courier: plan.courier.clone().filter(|program| support::is_program(program)),
        clock: support::clock::shifted(tools.path()).filter(|_| !is_cluster),
        has_mounts: std::env::var_os(OWN_MOUNTS).is_some() && !is_cluster,
        has_strace: support::programs::strace().is_some() && !is_cluster,
        is_cluster,
    };
    let begin = Instant::now();
    let crowd_from = if plan.is_crowd { 0 } else { plan.seconds * 2 / 3 };
    // A history that is named is played to its end.
    let time = if plan.only.is_some() { DAY } else { Duration::from_secs(crowd_from) };
    let (mut total, mut failures) = (Figures::default(), 0);
    let mut seed = plan.seed;
    while begin.elapsed() < Duration::from_secs(crowd_from) && failures < 5 {
        let steps: Vec<Numbered> = player::history(seed).into_iter().enumerate().collect();
        let steps = match &plan.only {
            Some(only) if !only.is_empty() => {
                steps.into_iter().filter(|(n, _)| only.contains(n)).collect()
            }
            _ => steps,
        };
        let steps: Vec<Numbered> =
            steps.into_iter().filter(|(_, step)| plan.harms || !step.what.is_harm()).collect();
        let (figures, failed) = play(plan, &props, (seed, &steps), begin + time);
        total += figures;
        if let Some(failure) = failed {
            failures += 1;
            report(plan, &props, seed, &steps, failure);
        }
        if plan.only.is_some() {
            break;
        }
        seed += 1;
    }
    let played = seed - plan.seed;
    let mut crowds = 0;
    while begin.elapsed() < Duration::from_secs(plan.seconds) && plan.only.is_none() && failures < 5
    {
        let left = plan.seconds.saturating_sub(begin.elapsed().as_secs()).clamp(2, 12);
        let (figures, failed) = crowd(plan, &props, seed, left);
        total += figures;
        if let Some(what) = failed {
            failures += 1;
            println!("qresync: FAILED with all at once, seed {seed}: {what}");
        }
        crowds += 1;
        seed += 1;
    }
    let is_damaged = if is_cluster { "" } else { " of the index" };
    println!(
        "qresync: seed {}, {:.0} s, {played} histories and {crowds} crowds, {} steps: {} \
         synchronisations ({} refused), {} compared with a full reading, {} kills, {} times \
         damage{is_damaged}: {failures} failures",
        plan.seed,
        begin.elapsed().as_secs_f64(),
        total.steps,
        total.syncs,
        total.refused,
        total.compared,
        total.kills,
        total.damages,
    );
    failures
}

fn crowd(plan: &Plan, props: &Props, seed: u64, seconds: u64) -> (Figures, Option<String>) {
    let home = Home::new(plan, props, false);
    let stage = Stage::new(props, home.dir.path(), false);
    let (figures, failed) = crowd::play(&stage, seed, seconds, plan.harms && !props.is_cluster);
    let failed = failed.or_else(|| stage.bad_log().first().cloned());
    let told = failed.map(|what| {
        let listing = stage.listing();
        let (journal, log) = (stage.journal(400), stage.log());
        format!("{what}\n--- what was done\n{journal}--- log\n{log}{listing}")
    });
    (figures, told)
}

/// Makes a failing history short, and prints it.
fn report(plan: &Plan, props: &Props, seed: u64, steps: &[Numbered], failure: Failure) {
    let first = failure.what.lines().next().unwrap_or_default().to_owned();
    println!("qresync: FAILED, seed {seed}, step {} of {}: {first}", failure.at, steps.len());
    let until = steps.get(..=failure.at).unwrap_or(steps);
    let (steps, failure) = match plan.only {
        Some(_) => (until.to_vec(), failure),
        None => shrink::shrink(until, failure, &|steps, deadline| {
            play(plan, props, (seed, steps), deadline).1
        }),
    };
    let numbers: Vec<String> = steps.iter().map(|(n, _)| n.to_string()).collect();
    println!("again: scripts/stress --qresync --seed {seed} --only {}", numbers.join(","));
    println!("--- what was done\n{}{}", failure.journal, failure.what);
}
