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
    /// Warm, where it was played in three ways.
    pub times: BTreeMap<&'static str, Vec<f64>>,
    /// Ours without an index, and once more in the same session.
    pub first: Vec<f64>,
    pub again: Vec<f64>,
    pub limit: Vec<f64>,
    pub limit_name: &'static str,
    /// What each server counted and how many bytes it sent, in every round and way.
    pub answers: Vec<(String, u64, u64)>,
    pub expected: Option<u64>,
}

/// Stands before what went wrong.
pub const NOT_COMPARABLE: &str = "Not comparable:";

/// What our index takes of the disk, in bytes, and the names of the messages without flags.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub state: u64,
    pub facts: u64,
    pub names: u64,
}

#[derive(Debug, Default)]
pub struct Results {
    pub messages: usize,
    pub rounds: usize,
    pub servers: Vec<(&'static str, Kind)>,
    pub rows: Vec<Row>,
    /// An idle session with the folder open.
    pub idle: BTreeMap<&'static str, Memory>,
    /// The most of any session, after its work.
    pub most: BTreeMap<&'static str, Memory>,
    /// Bytes of all names in the folder.
    pub names: u64,
    pub room: Option<Room>,
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

    /// Compares what was counted and lists what does not fit: a count must be the same everywhere.
    pub fn check(&mut self) {
        let mut wrong = Vec::new();
        for row in &self.rows {
            // Courier's answer is the measure, or where it does not play, the first one.
            let courier = row.answers.iter().find(|(who, ..)| who == "Courier");
            let Some((measure, count, bytes)) = courier.or(row.answers.first()) else {
                wrong.push(format!("{}: no answer", row.name));
                continue;
            };
            let wanted = row.expected.unwrap_or(*count);
            for (who, count, sent) in &row.answers {
                if *count != wanted {
                    wrong.push(format!("{}: {who} gave {count} instead of {wanted}", row.name));
                }
                // A whole answer is about as long as Courier's.
                if *bytes > 10_000 && *sent < bytes * 7 / 10 {
                    wrong.push(format!("{}: {who} sent {sent} bytes, {measure} {bytes}", row.name));
                }
            }
        }
        for line in wrong {
            self.fails(line);
        }
    }

    /// Notes what a session has used.
    pub fn used(&mut self, server: &'static str, now: Memory) {
        let most = self.most.entry(server).or_default();
        *most = Memory {
            pss: most.pss.max(now.pss),
            dirty: most.dirty.max(now.dirty),
            peak: most.peak.max(now.peak),
        };
    }

    /// Notes what went wrong.
    pub fn fails(&mut self, line: String) {
        if !self.wrong.contains(&line) {
            eprintln!("{line}");
            self.wrong.push(line);
        }
    }

    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let messages = group(self.messages as u64);
        let _ = writeln!(out, "### {messages} messages, {} rounds, medians\n", self.rounds);
        if self.has(Kind::Ours).is_some() {
            self.table(&mut out);
        } else {
            self.table_of_others(&mut out);
        }
        self.memory(&mut out);
        self.room(&mut out);
        self.opening(&mut out);
        if self.wrong.is_empty() {
            out.push_str("\nEvery answer was complete: the counts of untagged lines, hits and files agree.\n");
        } else {
            let _ = writeln!(out, "\n{NOT_COMPARABLE}");
            for line in &self.wrong {
                let _ = writeln!(out, "- {line}");
            }
        }
        out
    }

    /// The work, ours beside the others'.
    fn table(&self, out: &mut String) {
        let (courier, dovecot) = (self.has(Kind::Courier), self.has(Kind::Dovecot));
        let _ = writeln!(
            out,
            "Postrider: warm, that is in a new session, after others have done all of it; first: without an index; again: in the same session as first.\n\n\
             | work | Courier | Postrider | first | again | Dovecot | / Courier | goal | first / Courier | / Dovecot | / limit | limit |\n\
             |---|{}---|",
            "---:|".repeat(10)
        );
        for row in &self.rows {
            let of = |name: Option<&'static str>| row.times.get(name?);
            let mine = of(self.has(Kind::Ours));
            let shown = |times: Option<&Vec<f64>>| {
                times.and_then(|t| median(t)).map_or("–".to_owned(), time)
            };
            let by = |times: Option<&Vec<f64>>, name| ratio(times, of(name)?);
            let to_courier = by(mine, courier);
            let goal = row.goal.map_or(String::new(), |g| format!("{g}"));
            let limit = median(&row.limit).map_or(String::new(), |l| format!(" {}", time(l)));
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {}{} | {goal} | {} | {} | {} | {}{limit} |",
                row.name,
                shown(of(courier)),
                shown(mine),
                shown(Some(&row.first)),
                shown(Some(&row.again)),
                shown(of(dovecot)),
                show(to_courier),
                mark(to_courier, row.goal),
                show(by(Some(&row.first), courier)),
                show(by(mine, dovecot)),
                ratio(mine, &row.limit).map_or("–".to_owned(), |r| format!("{r:.2}")),
                row.limit_name,
            );
        }
    }

    /// The work without ours: times alone.
    fn table_of_others(&self, out: &mut String) {
        let _ = write!(out, "| work |");
        for (name, _) in &self.servers {
            let _ = write!(out, " {name} |");
        }
        let _ = writeln!(out, "\n|---|{}", "---:|".repeat(self.servers.len()));
        for row in &self.rows {
            let _ = write!(out, "| {} |", row.name);
            for (name, _) in &self.servers {
                let middle = row.times.get(name).and_then(|t| median(t));
                let _ = write!(out, " {} |", middle.map_or("–".to_owned(), time));
            }
            out.push('\n');
        }
    }

    /// How soon a new session has opened the very large folder.
    fn opening(&self, out: &mut String) {
        let row = self.rows.iter().find(|row| row.name == "SELECT");
        let mine = row.zip(self.has(Kind::Ours)).and_then(|(row, ours)| row.times.get(ours));
        let Some(seconds) = mine.and_then(|t| median(t)) else { return };
        if self.messages > super::mail::LARGE {
            let within = mark(Some(seconds), Some(0.03));
            let _ = writeln!(out, "\nOpened warm in {} (goal: 30 ms){within}.", time(seconds));
        }
    }

    fn room(&self, out: &mut String) {
        let Some(room) = self.room else { return };
        let each = |bytes: u64| bytes as f64 / self.messages as f64;
        let beside = each(room.state) - each(room.names);
        let facts = each(room.facts);
        let _ = match (room.state, room.facts) {
            (0, 0) => writeln!(out, "\nNo index was kept."),
            _ => writeln!(
                out,
                "\nRoom of the index, in bytes a message: {} {beside:.0} beside the name, which has {:.0} (goal: 64){}; {} {facts:.0} (goal: 1,024){}.",
                super::mail::STATE,
                each(room.names),
                mark(Some(beside), Some(64.0)),
                super::mail::FACTS,
                mark(Some(facts), Some(1024.0)),
            ),
        };
    }

    fn memory(&self, out: &mut String) {
        type Line = (&'static str, fn(&Memory) -> u64, bool, Option<f64>);
        let lines: [Line; 4] = [
            ("peak RSS over all work", |m| m.peak, true, Some(0.6)),
            ("folder open: PSS", |m| m.pss, false, None),
            ("folder open: private dirty", |m| m.dirty, false, Some(0.2)),
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
            let table = if end { &self.most } else { &self.idle };
            let of = |server: Option<&'static str>| table.get(server?).map(pick);
            let _ = write!(out, "| {name} |");
            for (server, _) in &self.servers {
                let _ = write!(out, " {} |", of(Some(server)).map_or("–".to_owned(), group));
            }
            let ratio = of(self.has(Kind::Ours))
                .zip(of(self.has(Kind::Courier)).filter(|c| *c > 0))
                .map(|(a, b)| a as f64 / b as f64);
            let _ = writeln!(
                out,
                " {}{} | {} |",
                show(ratio),
                mark(ratio, goal),
                goal.map_or(String::new(), |g| format!("{g}"))
            );
        }
    }
}

/// Cost per message of our server at each size, first and warm, and memory per message.
pub fn growth(runs: &[Results]) -> String {
    let mut out = "### Growth: Postrider, microseconds per message\n\n| work |".to_owned();
    for way in ["", "first, "] {
        for run in runs {
            let _ = write!(out, " {way}{} |", group(run.messages as u64));
        }
        let _ = write!(out, " {way}growth |");
    }
    let _ = writeln!(out, "\n|---|{}", "---:|".repeat(2 * runs.len() + 2));
    let Some((before, last)) = runs.iter().rev().nth(1).zip(runs.last()) else { return out };
    let Some(ours) = last.has(Kind::Ours) else { return out };
    for row in &last.rows {
        // Work of a fixed size says nothing about growth.
        let fixed = ["greeting", "COPY of", "MOVE of", "APPEND of", "of 5", "one BODY", "IDLE"];
        if fixed.iter().any(|f| row.name.contains(f)) {
            continue;
        }
        let _ = write!(out, "| {} |", row.name);
        for is_first in [false, true] {
            let each = |run: &Results| {
                let row = run.rows.iter().find(|r| r.name == row.name)?;
                let times = if is_first { Some(&row.first) } else { row.times.get(ours) };
                Some(median(times?)? * 1e6 / run.messages as f64)
            };
            for value in runs.iter().map(each) {
                let _ = write!(out, " {} |", value.map_or("–".to_owned(), |v| format!("{v:.3}")));
            }
            let factor = each(before).zip(each(last)).map(|(b, l)| l / b);
            // The clock scatters by a fifth.
            let _ = write!(out, " {}{} |", show(factor), mark(factor, Some(1.2)));
        }
        out.push('\n');
    }
    if let (Some(x), Some(y)) = (before.idle.get(ours), last.idle.get(ours)) {
        let messages = last.messages.saturating_sub(before.messages).max(1) as f64;
        let each = (y.dirty.saturating_sub(x.dirty) * 1024) as f64 / messages;
        let name = last.names as f64 / last.messages as f64;
        let _ = writeln!(
            out,
            "\nMemory per message with the folder open: {each:.0} bytes of private memory; its name has {name:.0} (goal: the name and 32: {:.0}){}.",
            name + 32.0,
            mark(Some(each), Some(name + 32.0))
        );
    }
    out
}

/// Whether a figure that is to be low is within its goal.
pub fn mark(figure: Option<f64>, goal: Option<f64>) -> &'static str {
    match (figure, goal) {
        (Some(f), Some(g)) if f > g => " ✗",
        (Some(_), Some(_)) => " ✓",
        _ => "",
    }
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
