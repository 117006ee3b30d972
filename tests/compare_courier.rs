//! Plays every dialog on Courier's server and on ours: does Courier answer what the dialog says it
//! does, do we, and is every difference a row of the table in man/postrider-courier.7? Started by
//! `scripts/compare-courier`, never by a plain `cargo test`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use lexopt::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::dialog::play::{Outcome, Server, play};
use support::dialog::{Dialog, Speaker, name_of, paths};
use support::differences;

const USAGE: &str =
    "usage: compare-courier [--courier PROGRAM] [--ours PROGRAM] [--only courier|ours] [--bless] [-v]
                       [DIALOG...]

Plays the dialogs (all, or those whose name contains a DIALOG) on both servers, each over its own
fresh Maildir; on ours with IMAP_EXTENSIONS=0.
  --courier PROGRAM   Courier's imapd; without it $COURIER_IMAPD, or /usr/bin/imapd
  --ours PROGRAM      another build of ours
  --only SIDE         play on one server only
  --bless             take down Courier's answers where a dialog has none yet
  -v                  the whole story of each failure";

struct Options {
    courier: PathBuf,
    ours: PathBuf,
    speakers: Vec<Speaker>,
    bless: bool,
    verbose: bool,
    filters: Vec<String>,
}

fn options() -> Result<Options, lexopt::Error> {
    let mut o = Options {
        courier: support::programs::courier(),
        ours: support::postrider(),
        speakers: vec![Speaker::Courier, Speaker::CourierWire],
        bless: false,
        verbose: false,
        filters: Vec::new(),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("courier") => o.courier = parser.value()?.into(),
            Long("ours") => o.ours = parser.value()?.into(),
            Long("only") => match parser.value()?.string()?.as_str() {
                "courier" => o.speakers = vec![Speaker::Courier],
                "ours" => o.speakers = vec![Speaker::CourierWire],
                other => return Err(format!("--only {other}?").into()),
            },
            Long("bless") => {
                o.bless = true;
                o.speakers = vec![Speaker::Courier];
            }
            Short('v') => o.verbose = true,
            Long("help") | Short('h') => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            Value(dialog) => o.filters.push(name_of(Path::new(&dialog))),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(o)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("compare-courier: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if options.speakers.contains(&Speaker::Courier) && !support::is_program(&options.courier) {
        let missing = options.courier.display();
        eprintln!("compare-courier: {missing} is not there (Debian: apt-get install courier-imap)");
        return ExitCode::from(2);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = paths(&root.join("tests/dialogs"));
    paths.retain(|path| {
        let name = name_of(path);
        options.filters.is_empty() || options.filters.iter().any(|f| name.contains(f.as_str()))
    });
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
    let table = differences::rows();
    let unknown: Vec<&String> =
        report.rows.keys().filter(|row| !table.contains(row.as_str())).collect();
    for row in &unknown {
        let dialogs = report.rows[*row].join(", ");
        println!("row {row} ({dialogs}) is not in man/postrider-courier.7");
    }
    let Report { dialogs, commands, differences, recorded, failed, .. } = &report;
    if options.bless {
        println!("{recorded} answers recorded");
    }
    let verdict = match unknown.len() {
        0 => "all in the table".to_owned(),
        n => format!("{n} rows are NOT in the table"),
    };
    println!(
        "{dialogs} dialogs, {commands} commands, {differences} differences, {verdict}; \
         {failed} dialogs failed"
    );
    let good = *failed == 0 && unknown.is_empty();
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
    let courier = Server { speaker: Speaker::Courier, program: &options.courier };
    let ours = Server { speaker: Speaker::CourierWire, program: &options.ours };
    let mut plays = vec![("Courier", [courier, courier]), ("ours", [ours, ours])];
    plays.retain(|(_, [Server { speaker, .. }, _])| {
        options.speakers.contains(speaker) && dialog.is_for(*speaker)
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
