//! A session that is stopped at each system call that changes a file, and one to which each such
//! call is refused.
//!
//! strace stops or refuses the Nth call of a kind (`-e inject`). Whatever was acknowledged is there
//! afterwards, what was not is there or not, and nothing is half: every message is as it was before
//! or as it would be after, under the same UID, for our next session and for Courier's; each folder
//! can be opened; subscriptions, access lists and the quota are those before or after; left-overs
//! lie in tmp/ only; and what was not done can be done then. A refused call is answered by NO and a
//! line in the log, or by OK where no harm is done, and the session goes on.
//!
//! `cargo test` takes a sample; `scripts/kill-steps` takes all steps (KILL_STEPS=all).

mod disturb;
mod judge;
mod scenario;
mod session;
mod state;
mod template;

use disturb::disturb;
use scenario::{SCENARIOS, Scenario, environment};
use session::{Point, play, points};
use state::{State, look};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use support::{is_program, postrider};

const STRACE: &str = "/usr/bin/strace";

struct Case {
    scenario: &'static Scenario,
    point: Point,
    error: Option<&'static str>,
}

/// What is known of a scenario that nothing disturbs.
struct Prepared {
    /// Before it, and after each of its commands.
    states: Vec<State>,
    points: Vec<Point>,
}

fn prepare(scenario: &'static Scenario) -> Prepared {
    let looked = |steps: usize| {
        let home = template::home(scenario);
        match steps {
            0 => (scenario.meanwhile)(&home.path().join("Maildir")),
            _ => drop(play(home.path(), scenario, steps, &[])),
        }
        look(&postrider(), home.path()).unwrap()
    };
    let states = (0..=scenario.steps.len().max(1)).map(looked).collect();
    Prepared { states, points: points(scenario) }
}

/// The scenarios that are wanted and that can be played here.
fn prepared() -> &'static HashMap<&'static str, Prepared> {
    static PREPARED: OnceLock<HashMap<&'static str, Prepared>> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let only = std::env::var("KILL_ONLY").ok();
        let is_wanted = |s: &&Scenario| only.as_ref().is_none_or(|only| *only == s.name);
        let wanted: Vec<_> =
            SCENARIOS.iter().filter(is_wanted).filter(|s| environment(s).is_some()).collect();
        assert!(!wanted.is_empty(), "no scenario is called {only:?}");
        let made = Mutex::new(HashMap::new());
        let next = AtomicUsize::new(0);
        in_parallel(|| {
            while let Some(scenario) = wanted.get(next.fetch_add(1, Ordering::SeqCst)) {
                let prepared = prepare(scenario);
                made.lock().unwrap().insert(scenario.name, prepared);
            }
        });
        made.into_inner().unwrap()
    })
}

/// Some at a time: most of the time goes by in waiting.
fn in_parallel(work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(&work);
        }
    });
}

/// So many of the cases, evenly spread, or all.
fn sampled(cases: Vec<Case>, sample: usize) -> Vec<Case> {
    let all = std::env::var_os("KILL_STEPS").is_some_and(|v| v == "all");
    let n = cases.len();
    let is_taken = |i: usize| all || n <= sample || i * sample / n != (i + 1) * sample / n;
    cases.into_iter().enumerate().filter(|(i, _)| is_taken(*i)).map(|(_, case)| case).collect()
}

/// Runs the cases, and counts them by their scenario.
fn run(cases: &[Case], verb: &str) {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let counts: Mutex<BTreeMap<&str, usize>> = Mutex::default();
    in_parallel(|| {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
            let Case { scenario, point, error } = case;
            match disturb(scenario, &prepared()[scenario.name], point, *error) {
                // One that meets nobody shows nothing.
                Ok(has_met) => {
                    *counts.lock().unwrap().entry(scenario.name).or_default() +=
                        usize::from(has_met);
                }
                Err(e) => wrong.lock().unwrap().push(e),
            }
        }
    });
    let (counts, wrong) = (counts.into_inner().unwrap(), wrong.into_inner().unwrap());
    let each: Vec<String> = counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
    let (all, bad) = (cases.len(), wrong.len());
    println!("{verb} at {all} steps ({}): {bad} wrong", each.join(", "));
    assert!(wrong.is_empty(), "{bad} of {all} steps:\n\n{}", wrong.join("\n\n=====\n\n"));
}

fn can_run() -> bool {
    let can = is_program(Path::new(STRACE));
    if !can {
        eprintln!("left out: strace is not here");
    }
    can
}

/// The scenarios, in the order of the table.
fn scenarios() -> impl Iterator<Item = (&'static Scenario, &'static Prepared)> {
    SCENARIOS.iter().filter_map(|s| Some((s, prepared().get(s.name)?)))
}

#[test]
fn killed_at_every_step() {
    if !can_run() {
        return;
    }
    let mut cases = Vec::new();
    for (scenario, prepared) in scenarios() {
        let points = prepared.points.iter().filter(|p| p.changes());
        cases.extend(points.map(|point| Case { scenario, point: point.clone(), error: None }));
    }
    run(&sampled(cases, 120), "killed");
}

#[test]
fn refused_at_every_step() {
    if !can_run() {
        return;
    }
    let mut cases = Vec::new();
    for (scenario, prepared) in scenarios().filter(|(scenario, _)| scenario.refused) {
        for point in &prepared.points {
            let errors = point.errors.iter();
            cases.extend(errors.map(|error| Case {
                scenario,
                point: point.clone(),
                error: Some(error),
            }));
        }
    }
    run(&sampled(cases, 60), "refused");
}
