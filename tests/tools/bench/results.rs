//! The figures of a run, and the tables made of them.

use super::servers::{Kind, Memory, Server};
use std::collections::BTreeMap;
use std::fmt::Write;

/// One piece of work: the times of each server, round by round.
#[derive(Debug, Default, Clone)]
pub struct Row {
    pub name: String,
    /// Ratio to Courier to be beaten.
    pub goal: Option<f64>,
    pub times: BTreeMap<&'static str, Vec<f64>>,
    pub limit: Vec<f64>,
    pub limit_name: &'static str,
    /// What each server counted: it must be the same everywhere.
    pub counts: BTreeMap<&'static str, u64>,
    pub expected: Option<u64>,
    pub bytes: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default)]
pub struct Results {
    pub messages: usize,
    pub rounds: usize,
    pub servers: Vec<(&'static str, Kind)>,
    pub rows: Vec<Row>,
    /// An idle session with the folder open.
    pub idle: BTreeMap<&'static str, Memory>,
    /// At the end of the whole list of work.
    pub end: BTreeMap<&'static str, Memory>,
    /// Bytes of all names in the folder.
    pub names: u64,
    pub wrong: Vec<String>,
}

/// The middle one of the values that are known.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    match n {
        0 => None,
        _ if n % 2 == 1 => Some(sorted[n / 2]),
        _ => Some((sorted[n / 2 - 1] + sorted[n / 2]) / 2.0),
    }
}

/// The median of the ratios within each round: both sides had the same minute of the machine.
fn ratio(ours: Option<&Vec<f64>>, other: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> =
        ours?.iter().zip(other).filter(|(_, b)| **b > 0.0).map(|(a, b)| a / b).collect();
    median(&ratios)
}

impl Results {
    pub fn row(&mut self, name: &str, goal: Option<f64>) -> usize {
        if let Some(at) = self.rows.iter().position(|r| r.name == name) {
            return at;
        }
        self.rows.push(Row { name: name.to_owned(), goal, ..Row::default() });
        self.rows.len() - 1
    }

    fn has(&self, kind: Kind) -> Option<&'static str> {
        self.servers.iter().find(|s| s.1 == kind).map(|s| s.0)
    }

    /// Compares what was counted and lists what does not fit.
    pub fn check(&mut self) {
        let reference = self.has(Kind::Courier);
        for row in &self.rows {
            let wanted = row.expected.or_else(|| row.counts.get(reference?).copied());
            for (server, count) in &row.counts {
                if wanted.is_some_and(|w| w != *count) {
                    self.wrong.push(format!(
                        "{}: {server} gave {count} instead of {}",
                        row.name,
                        wanted.unwrap_or(0)
                    ));
                }
            }
            // A whole answer is about as long as Courier's.
            if let Some(base) = reference.and_then(|r| row.bytes.get(r)).filter(|b| **b > 10_000) {
                for (server, bytes) in &row.bytes {
                    if *bytes < base * 7 / 10 {
                        self.wrong.push(format!(
                            "{}: {server} sent {bytes} bytes, Courier {base}",
                            row.name
                        ));
                    }
                }
            }
        }
    }

    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "### {} messages, {} rounds, medians\n",
            group(self.messages as u64),
            self.rounds
        );
        let ours = self.has(Kind::Ours);
        let courier = self.has(Kind::Courier);
        let mut head = "| work |".to_owned();
        let mut rule = "|---|".to_owned();
        for (name, _) in &self.servers {
            let _ = write!(head, " {name} |");
            rule.push_str("---:|");
        }
        if ours.is_some() {
            head.push_str(" / Courier | goal | / Dovecot | / limit | limit |");
            rule.push_str("---:|---:|---:|---:|---|");
        } else {
            head.push_str(" limit | |");
            rule.push_str("---:|---|");
        }
        let _ = writeln!(out, "{head}\n{rule}");
        for row in &self.rows {
            let _ = write!(out, "| {} |", row.name);
            for (name, _) in &self.servers {
                let _ = write!(
                    out,
                    " {} |",
                    row.times.get(name).and_then(|t| median(t)).map_or("–".to_owned(), time)
                );
            }
            let limit = median(&row.limit).map_or("–".to_owned(), time);
            if let Some(ours) = ours {
                let mine = row.times.get(ours);
                let by = |name: Option<&'static str>| ratio(mine, row.times.get(name?)?);
                let to_courier = by(courier);
                let mark = match (to_courier, row.goal) {
                    (Some(r), Some(g)) if r > g => " ✗",
                    (Some(_), Some(_)) => " ✓",
                    _ => "",
                };
                let _ = write!(
                    out,
                    " {}{mark} | {} | {} | {} | {}{} |",
                    show(to_courier),
                    row.goal.map_or(String::new(), |g| format!("{g}")),
                    show(by(self.has(Kind::Dovecot))),
                    ratio(mine, &row.limit).map_or("–".to_owned(), |r| format!("{r:.2}")),
                    row.limit_name,
                    if row.limit.is_empty() { String::new() } else { format!(" {limit}") },
                );
            } else {
                let _ = write!(out, " {limit} | {} |", row.limit_name);
            }
            out.push('\n');
        }
        self.memory(&mut out);
        if self.wrong.is_empty() {
            out.push_str("\nEvery answer was complete: the counts of untagged lines, hits and files agree.\n");
        } else {
            out.push_str("\nNot comparable:\n");
            for line in &self.wrong {
                let _ = writeln!(out, "- {line}");
            }
        }
        out
    }

    fn memory(&self, out: &mut String) {
        type Line = (&'static str, fn(&Memory) -> u64, bool, Option<f64>);
        let lines: [Line; 4] = [
            ("peak RSS over all work", |m| m.peak, true, Some(0.6)),
            ("idle, folder open: PSS", |m| m.pss, false, None),
            ("idle, folder open: private dirty", |m| m.dirty, false, Some(0.5)),
            ("private dirty after all work", |m| m.dirty, true, None),
        ];
        out.push_str("\n| memory (KiB) |");
        for (name, _) in &self.servers {
            let _ = write!(out, " {name} |");
        }
        out.push_str(" / Courier | goal |\n|---|");
        out.push_str(&"---:|".repeat(self.servers.len() + 2));
        out.push('\n');
        for (name, pick, end, goal) in lines {
            let table = if end { &self.end } else { &self.idle };
            let of = |server: Option<&'static str>| table.get(server?).map(pick);
            let _ = write!(out, "| {name} |");
            for (server, _) in &self.servers {
                let _ = write!(out, " {} |", of(Some(server)).map_or("–".to_owned(), group));
            }
            let ratio = of(self.has(Kind::Ours))
                .zip(of(self.has(Kind::Courier)).filter(|c| *c > 0))
                .map(|(a, b)| a as f64 / b as f64);
            let mark = ratio.zip(goal).map_or("", |(r, g)| if r > g { " ✗" } else { " ✓" });
            let _ = writeln!(
                out,
                " {}{mark} | {} |",
                show(ratio),
                goal.map_or(String::new(), |g| format!("{g}"))
            );
        }
    }
}

/// Cost per message of our server at each size, and memory per message.
pub fn growth(runs: &[Results]) -> String {
    let mut out = "### Growth: Postrider, microseconds per message\n\n| work |".to_owned();
    for run in runs {
        let _ = write!(out, " {} |", group(run.messages as u64));
    }
    out.push_str(" largest / second smallest |\n|---|");
    out.push_str(&"---:|".repeat(runs.len() + 1));
    out.push('\n');
    let Some(first) = runs.first() else { return out };
    let Some(ours) = first.has(Kind::Ours) else { return out };
    for row in &first.rows {
        // Work of a fixed size says nothing about growth.
        let fixed = ["greeting", "COPY of", "MOVE of", "APPEND of", "folders", "one BODY", "IDLE"];
        if fixed.iter().any(|f| row.name.contains(f)) {
            continue;
        }
        let each: Vec<Option<f64>> = runs
            .iter()
            .map(|run| {
                let row = run.rows.iter().find(|r| r.name == row.name)?;
                Some(median(row.times.get(ours)?)? * 1e6 / run.messages as f64)
            })
            .collect();
        let _ = write!(out, "| {} |", row.name);
        for value in &each {
            let _ = write!(out, " {} |", value.map_or("–".to_owned(), |v| format!("{v:.3}")));
        }
        let known: Vec<f64> = each.iter().flatten().copied().collect();
        let base = known.get(1.min(known.len().saturating_sub(2))).copied();
        let factor = base.zip(known.last()).map(|(b, l)| l / b);
        let mark = factor.map_or("", |f| if f > 1.5 { " ✗" } else { " ✓" });
        let _ = writeln!(out, " {}{mark} |", show(factor));
    }
    if let Some(b) = runs.iter().rfind(|r| r.messages <= 100_000) {
        let a = first;
        if let (Some(x), Some(y)) = (a.idle.get(ours), b.idle.get(ours)) {
            let messages = (b.messages - a.messages).max(1) as f64;
            let each = (y.dirty.saturating_sub(x.dirty) * 1024) as f64 / messages;
            let name = b.names as f64 / b.messages as f64;
            let _ = writeln!(
                out,
                "\nMemory per message with the folder open: {each:.0} bytes of private memory, of which the name {name:.0} (goal: the name and 32: {:.0}){}.",
                name + 32.0,
                if each > name + 32.0 { " ✗" } else { " ✓" }
            );
        }
    }
    out
}

fn show(ratio: Option<f64>) -> String {
    match ratio {
        None => "–".to_owned(),
        Some(r) if r < 0.0095 => format!("{r:.4}"),
        Some(r) if r < 0.095 => format!("{r:.3}"),
        Some(r) => format!("{r:.2}"),
    }
}

pub fn time(seconds: f64) -> String {
    if seconds < 1e-3 {
        format!("{:.1} µs", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.2} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}

pub fn group(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (k, c) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

pub fn listed(servers: &[Server]) -> Vec<(&'static str, Kind)> {
    servers.iter().map(|s| (s.name, s.kind)).collect()
}
