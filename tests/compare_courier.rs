//! Plays every dialog on Courier's server and on ours: does Courier answer what the dialog says it
//! does, do we, and is every difference a row of man/postrider-courier.7? Started by
//! `scripts/compare-courier`, never by a plain `cargo test`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::dialog::play::{Outcome, play};
use support::dialog::{Dialog, Side};

const USAGE: &str = "usage: compare-courier [--courier PROGRAM] [--ours PROGRAM] [--only courier|ours] [--bless] [-v] [DIALOG...]

Plays the dialogs (all, or those whose name contains a DIALOG) on both servers, each over its own fresh Maildir.
  --courier PROGRAM   Courier's imapd; without it $COURIER_IMAPD, or /usr/bin/imapd
  --ours PROGRAM      another build of ours
  --only SIDE         play on one server only
  --bless             take down Courier's answers where a dialog has none yet
  -v                  the whole story of each failure";

struct Options {
    courier: PathBuf,
    ours: PathBuf,
    sides: Vec<Side>,
    bless: bool,
    verbose: bool,
    filters: Vec<String>,
}

fn options() -> Result<Options, String> {
    let courier = std::env::var_os("COURIER_IMAPD")
        .map_or_else(|| PathBuf::from("/usr/bin/imapd"), PathBuf::from);
    let sides = vec![Side::Courier, Side::Ours];
    let mut o = Options {
        courier,
        ours: support::postrider(),
        sides,
        bless: false,
        verbose: false,
        filters: Vec::new(),
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} wants a value"));
        match arg.as_str() {
            "--courier" => o.courier = PathBuf::from(value()?),
            "--ours" => o.ours = PathBuf::from(value()?),
            "--only" => match value()?.as_str() {
                "courier" => o.sides = vec![Side::Courier],
                "ours" => o.sides = vec![Side::Ours],
                other => return Err(format!("--only {other}?")),
            },
            "--bless" => {
                o.bless = true;
                o.sides = vec![Side::Courier];
            }
            "-v" => o.verbose = true,
            _ if arg.starts_with('-') => return Err(USAGE.to_owned()),
            _ => {
                let name =
                    Path::new(&arg).file_stem().unwrap_or_default().to_string_lossy().into_owned();
                o.filters.push(name);
            }
        }
    }
    Ok(o)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if options.sides.contains(&Side::Courier) && !support::is_program(&options.courier) {
        eprintln!(
            "compare-courier: {} is not there (Debian: apt-get install courier-imap)",
            options.courier.display()
        );
        return ExitCode::from(2);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root.join("tests/dialogs"))
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "dialog"))
        .filter(|p| {
            let name = p.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            options.filters.is_empty() || options.filters.iter().any(|f| name.contains(f.as_str()))
        })
        .collect();
    paths.sort();
    let table = table_of_differences(&root.join("man/postrider-courier.7"));
    let next = AtomicUsize::new(0);
    let report = Mutex::new(Report::default());
    let workers = std::thread::available_parallelism().map_or(2, usize::from) * 2;
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    one(path, &options, &report);
                }
            });
        }
    });
    let report = report.into_inner().unwrap();
    let unknown: Vec<&String> =
        report.rows.keys().filter(|r| *r != "extension" && !table.contains(*r)).collect();
    let Report { dialogs, commands, differences, recorded, failed, .. } = &report;
    if options.bless {
        println!("{recorded} answers recorded");
    }
    let verdict = match (table.is_empty(), unknown.is_empty()) {
        (true, _) => "there is no table of differences".to_owned(),
        (false, true) => "all in the table".to_owned(),
        (false, false) => format!("{} rows are NOT in the table", unknown.len()),
    };
    for row in &unknown {
        println!(
            "row {row}: {} ({})",
            report.rows[*row].join(", "),
            if table.is_empty() { "to be written" } else { "missing" }
        );
    }
    println!(
        "{dialogs} dialogs, {commands} commands, {differences} differences, {verdict}; {failed} dialogs failed"
    );
    let good = *failed == 0 && (unknown.is_empty() || table.is_empty());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Default)]
struct Report {
    dialogs: usize,
    commands: usize,
    differences: usize,
    recorded: usize,
    failed: usize,
    rows: BTreeMap<String, Vec<String>>,
}

fn one(path: &Path, options: &Options, report: &Mutex<Report>) {
    let dialog = match Dialog::load(path) {
        Ok(dialog) => dialog,
        Err(message) => {
            println!("{message}");
            report.lock().unwrap().failed += 1;
            return;
        }
    };
    let mut failures = Vec::new();
    let mut disks = Vec::new();
    let mut recorded = 0;
    let courier = (Side::Courier, options.courier.as_path());
    let ours = (Side::Ours, options.ours.as_path());
    let mut plays = vec![("Courier", [courier, courier]), ("ours", [ours, ours])];
    plays.retain(|(_, [(side, _), _])| {
        options.sides.contains(side) && dialog.only.as_ref().is_none_or(|(only, _)| only == side)
    });
    if dialog.mixed && plays.len() == 2 {
        plays.push(("Courier and ours", [courier, ours]));
        plays.push(("ours and Courier", [ours, courier]));
    }
    for (who, servers) in plays {
        let outcome = play(&dialog, servers, options.bless);
        if options.bless {
            recorded += write_down(&dialog, &outcome);
        }
        for failure in &outcome.failures {
            failures.push(format!("{who}: {failure}"));
        }
        if !outcome.failures.is_empty() && options.verbose {
            failures.push(outcome.story);
        }
        disks.push(outcome.disk);
    }
    if let ([courier, ours, ..], true) = (&disks[..], dialog.same_disk) {
        for name in courier.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
            let (a, b) = (courier.get(name), ours.get(name));
            if a != b {
                let none = "(not there)".to_owned();
                let (a, b) = (a.unwrap_or(&none), b.unwrap_or(&none));
                failures.push(format!(
                    "{}: on disk: {name}\n    Courier: {a:?}\n    ours:    {b:?}",
                    path.display()
                ));
            }
        }
    }
    let mut report = report.lock().unwrap();
    report.dialogs += 1;
    report.commands += dialog.commands();
    report.differences += dialog.differences();
    report.recorded += recorded;
    report.failed += usize::from(!failures.is_empty());
    for row in dialog.rows() {
        let dialogs = report.rows.entry(row.to_owned()).or_default();
        if !dialogs.contains(&dialog.name) {
            dialogs.push(dialog.name.clone());
        }
    }
    for failure in failures {
        println!("{failure}");
    }
}

/// Puts what was recorded into the dialog file, below the lines that asked for it.
fn write_down(dialog: &Dialog, outcome: &Outcome) -> usize {
    if outcome.recorded.is_empty() {
        return 0;
    }
    let text = std::fs::read_to_string(&dialog.path).unwrap();
    let mut out = String::new();
    let mut count = 0;
    for (number, line) in text.lines().enumerate() {
        if line != "L: ?" {
            out.push_str(line);
            out.push('\n');
        }
        for (_, lines) in outcome.recorded.iter().filter(|(at, _)| *at == number) {
            count += 1;
            for line in lines {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    std::fs::write(&dialog.path, out).unwrap();
    count
}

/// The rows' names in the manual page: kebab-case, in bold at the beginning of a line.
fn table_of_differences(page: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(page).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.strip_prefix("\\fB")?.split_once("\\fR: "))
        .map(|(name, _)| name.to_owned())
        .collect()
}
