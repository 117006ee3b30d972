//! Every file in `tests/dialogs/` is one test of our binary: sessions as a reader would type them,
//! with exact answers.
//!
//! `cargo test --test dialogs [FILTER]` plays those whose name contains FILTER.
//! `scripts/compare-courier` plays the same files on Courier's server and on ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use support::dialog::play::play;
use support::dialog::{Dialog, Side};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = args.iter().filter(|a| !a.starts_with('-')).collect();
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs"))
            .unwrap()
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "dialog"))
            .collect();
    paths.sort();
    let all = paths.len();
    let name = |p: &PathBuf| p.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    paths.retain(|p| filters.is_empty() || filters.iter().any(|f| name(p).contains(f.as_str())));
    if args.iter().any(|a| a == "--list") {
        paths.iter().for_each(|p| println!("{}: test", name(p)));
        return ExitCode::SUCCESS;
    }
    if args.iter().any(|a| a == "--ignored") {
        paths.clear();
    }
    println!("\nrunning {} tests", paths.len());
    let start = Instant::now();
    let next = AtomicUsize::new(0);
    let results = Mutex::new((0, 0, 0, String::new()));
    let workers = std::thread::available_parallelism().map_or(2, usize::from) * 2;
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let dialog = Dialog::load(path);
                    let failure = match &dialog {
                        Err(message) => Some(message.clone()),
                        Ok(d)
                            if d.only.as_ref().is_some_and(|(side, _)| *side == Side::Courier) =>
                        {
                            None
                        }
                        Ok(d) => {
                            let ours = support::postrider();
                            let outcome = play(d, [(Side::Ours, ours.as_path()); 2], false);
                            let failed = !outcome.failures.is_empty();
                            failed.then(|| {
                                format!("{}\n{}", outcome.failures.join("\n"), outcome.story)
                            })
                        }
                    };
                    let mut results = results.lock().unwrap();
                    results.2 += dialog.map_or(0, |d| d.commands());
                    match failure {
                        None => {
                            results.0 += 1;
                            println!("test dialogs::{} ... ok", name(path));
                        }
                        Some(failure) => {
                            results.1 += 1;
                            println!("test dialogs::{} ... FAILED", name(path));
                            results.3 += &format!("---- dialogs::{} ----\n{failure}\n", name(path));
                        }
                    }
                }
            });
        }
    });
    let (passed, failed, commands, failures) = results.into_inner().unwrap();
    if failed > 0 {
        println!("\nfailures:\n\n{failures}");
    }
    println!(
        "\n{commands} commands in {} dialogs\n\ntest result: {}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        paths.len(),
        if failed == 0 { "ok" } else { "FAILED" },
        all - paths.len(),
        start.elapsed().as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
