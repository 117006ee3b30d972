//! A session that is stopped at each system call that changes a file, and one to which each such
//! call is refused.
//!
//! strace stops or refuses the Nth call of a kind (`-e inject`). Whatever was acknowledged is there
//! afterwards, what was not is there or not, and nothing is half: every message is as it was before
//! or as it would be after, under the same UID, for our next session and for Courier's; left-overs
//! lie in tmp/ only. A refused call is answered by NO and a line in the log, or by OK where no harm
//! is done, and the session goes on.
//!
//! `cargo test` takes a sample; `scripts/kill-steps` takes all steps (KILL_STEPS=all).

mod judge;
mod scenario;
mod session;

use judge::*;
use scenario::*;
use session::*;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use support::{is_program, postrider};

/// How many sessions were really killed.
static KILLED: AtomicUsize = AtomicUsize::new(0);

struct Case {
    scenario: &'static Scenario,
    point: Point,
    error: Option<&'static str>,
}

type Prepared = HashMap<&'static str, ((State, State), Vec<Point>)>;

/// For each scenario: the state before and after it, and its calls.
fn prepared() -> &'static Prepared {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let made = Mutex::new(HashMap::new());
        std::thread::scope(|scope| {
            for scenario in SCENARIOS {
                let made = &made;
                scope.spawn(move || {
                    let env = environment(scenario);
                    let home = template(scenario);
                    if scenario.name == "look" {
                        // What is in `new` is there before and after; it only moves.
                        let state = look(&postrider(), home.path(), &env).unwrap();
                        let points = points(scenario);
                        made.lock()
                            .unwrap()
                            .insert(scenario.name, ((state.clone(), state), points));
                        return;
                    }
                    let before = look(&postrider(), home.path(), &env).unwrap();
                    play(home.path(), scenario, &["-o", "/dev/null", "-e", "trace=rmdir"]);
                    let after = look(&postrider(), home.path(), &env).unwrap();
                    let points = points(scenario);
                    made.lock().unwrap().insert(scenario.name, ((before, after), points));
                });
            }
        });
        made.into_inner().unwrap()
    })
}

/// Runs the cases (or a sample of them), some at a time: most of the time goes by in waiting.
fn run(cases: Vec<Case>, sample: usize) {
    let all = std::env::var_os("KILL_STEPS").is_some_and(|v| v == "all");
    let cases: Vec<Case> = if all || cases.len() <= sample {
        cases
    } else {
        let n = cases.len();
        // Evenly spread.
        cases
            .into_iter()
            .enumerate()
            .filter(|(i, _)| i * sample / n != (i + 1) * sample / n)
            .map(|(_, case)| case)
            .collect()
    };
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(e) = disturb(
                        case.scenario,
                        &prepared()[case.scenario.name].0,
                        &case.point,
                        case.error,
                    ) {
                        wrong.lock().unwrap().push(e);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    println!(
        "{} steps, {} sessions killed, {} wrong",
        cases.len(),
        KILLED.load(Ordering::SeqCst),
        wrong.len()
    );
    assert!(
        wrong.is_empty(),
        "{} of {} steps:\n\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n\n=====\n\n")
    );
}

fn can_run() -> bool {
    let can = is_program(Path::new(STRACE));
    if !can {
        eprintln!("left out: strace is not here");
    }
    can
}

fn only() -> Option<String> {
    std::env::var("KILL_ONLY").ok()
}

fn wanted(scenario: &Scenario) -> bool {
    only().is_none_or(|only| only == scenario.name)
}

#[test]
fn killed_at_every_step() {
    if !can_run() {
        return;
    }
    let mut cases = Vec::new();
    for scenario in SCENARIOS.iter().filter(|s| wanted(s)) {
        // A kill at a call that only reads is one at the next that writes.
        let changes = |p: &&Point| {
            p.call != "getdents64" && (!p.call.starts_with("openat") || p.line.contains("O_CREAT"))
        };
        let points = prepared()[scenario.name].1.iter().filter(changes);
        cases.extend(points.map(|point| Case { scenario, point: point.clone(), error: None }));
    }
    run(cases, 60);
}

#[test]
fn refused_at_every_step() {
    if !can_run() {
        return;
    }
    let mut cases = Vec::new();
    for scenario in SCENARIOS.iter().filter(|s| wanted(s)) {
        for point in &prepared()[scenario.name].1 {
            cases.extend(point.errors.iter().map(|error| Case {
                scenario,
                point: point.clone(),
                error: Some(error),
            }));
        }
    }
    run(cases, 60);
}
