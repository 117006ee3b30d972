//! What a cautious administrator runs before changing the server: Courier's imapd and ours open
//! every folder of an existing Maildir side by side, each on its own copy, and everything that they
//! serve is compared. The Maildir itself is only read; a listing with all times before and after
//! proves it. Started by `scripts/check-maildir`.
#![allow(clippy::indexing_slicing, missing_docs)]

mod compare;
mod known;
mod listing;
mod options;
mod progress;
mod server;
mod views;

use listing::LeftOut;
use options::Options;
use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

/// The findings so far.
#[derive(Default)]
pub struct Report {
    pub folders: u64,
    pub messages: u64,
    pub bytes: u64,
    pub values: u64,
    /// Known differences: row, how often.
    pub rows: BTreeMap<&'static str, u64>,
    pub findings: Vec<String>,
}

impl Report {
    pub fn find(&mut self, what: String) {
        self.findings.push(what);
    }
}

fn main() -> ExitCode {
    let options = match options::options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("check-maildir: {error}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match options::prepared(options).and_then(|options| check(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("check-maildir: {message}");
            ExitCode::from(2)
        }
    }
}

fn check(o: &Options) -> Result<bool, String> {
    let disk = |e: std::io::Error| e.to_string();
    let before = listing::listing(&o.maildir).map_err(disk)?;
    println!("{}: {} files and directories", o.maildir.display(), before.len());
    let home = o.work.join(format!("{}", std::process::id()));
    fs::create_dir(&home).map_err(disk)?;
    let mut left_out = LeftOut::default();
    let result = views::prepare(o, &home, &mut left_out).and_then(|how| {
        println!("each server has its own {how} in {}", home.display());
        let mut report = Report::default();
        compare::compare(o, &home, &mut report)?;
        Ok(report)
    });
    if !o.keep {
        views::clean(o, &home);
    }
    let report = result?;
    let changes = listing::changes(&before, &listing::listing(&o.maildir).map_err(disk)?);

    for finding in report.findings.iter().take(o.show) {
        println!("{finding}");
    }
    if report.findings.len() > o.show {
        println!("... and {} more (--show N)", report.findings.len() - o.show);
    }
    left_out.0.sort();
    left_out.0.dedup();
    if !left_out.0.is_empty() {
        println!("not looked at: {}", left_out.0.join(", "));
    }
    for (row, count) in &report.rows {
        println!("known difference {row} (postrider-courier(7)): {count}");
    }
    match changes.as_slice() {
        [] => println!(
            "nothing in {} was changed: {} entries, all times as before",
            o.maildir.display(),
            before.len()
        ),
        some => {
            println!(
                "{} entries of {} changed meanwhile (a delivery, an open session?):",
                some.len(),
                o.maildir.display()
            );
            some.iter().take(10).for_each(|c| println!("  {c}"));
        }
    }
    println!(
        "{} folders, {} messages, {} MB, {} values compared: {} known differences, {} others",
        report.folders,
        report.messages,
        report.bytes >> 20,
        report.values,
        report.rows.values().sum::<u64>(),
        report.findings.len()
    );
    Ok(report.findings.is_empty() && changes.is_empty())
}
