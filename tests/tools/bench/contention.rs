//! Many busy clients on one folder, and how soon idle ones are told of a delivery:
//! `scripts/bench --contention`.

use super::client::Session;
use super::idle;
use super::mail;
use super::results::{group, median, time};
use super::servers::{Kind, Server};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub clients: usize,
    pub seconds: u64,
    /// Messages delivered to idle sessions.
    pub deliveries: usize,
    pub rounds: usize,
}

impl Plan {
    pub fn usual() -> Self {
        Self { clients: 10, seconds: 10, deliveries: 200, rounds: 3 }
    }

    pub fn quick() -> Self {
        Self { seconds: 2, deliveries: 40, rounds: 1, ..Self::usual() }
    }

    pub fn run(self, servers: &[Server], base: &Path) -> io::Result<String> {
        let mut figures = Figures::default();
        for round in 1..=self.rounds {
            for server in servers {
                self.busy(server, base)?.note(server.name, &mut figures);
                let notice = idle::delivery_notice(server, base, self.clients, self.deliveries)?;
                for (what, part) in [("median", 0.5), ("99 of 100", 0.99), ("longest", 1.0)] {
                    let name = format!("notice of a delivery, {what}");
                    figures.add(&name, server.name, notice.at(part).unwrap_or(f64::NAN));
                }
                figures.add(MISSED, server.name, notice.missed as f64);
            }
            eprintln!(" contention, round {round} of {}", self.rounds);
        }
        Ok(self.markdown(servers, &figures))
    }

    /// The busy clients of one server.
    fn busy(self, server: &Server, base: &Path) -> io::Result<Work> {
        let folder = idle::folder(server, base, "busy")?;
        // What every server makes when it first sees a folder is no part of this.
        let (mut first, _) = Session::start(server.command(true)?)?;
        first.good(&format!("SELECT {}busy", server.prefix))?;
        first.logout()?;
        let sessions = (0..self.clients)
            .map(|_| Ok(Session::start(server.command(true)?)?.0))
            .collect::<io::Result<Vec<_>>>()?;
        let name = format!("{}busy", server.prefix);
        let start = Barrier::new(sessions.len());
        let limit = Duration::from_secs(self.seconds);
        let done: Vec<io::Result<Client>> = thread::scope(|scope| {
            let threads: Vec<_> = sessions
                .into_iter()
                .map(|session| {
                    let (name, start) = (&name, &start);
                    scope.spawn(move || {
                        start.wait();
                        Client::default().work(session, name, limit)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let clients = done.into_iter().collect::<io::Result<Vec<_>>>()?;
        // What was appended and not expunged by its own client must be there.
        let expected = idle::MESSAGES + clients.iter().map(|c| c.left).sum::<u64>();
        let found = mail::count(&folder)?;
        Ok(Work { clients, expected, found })
    }

    fn markdown(self, servers: &[Server], figures: &Figures) -> String {
        let mut out = format!(
            "### {} busy clients in one folder for {} s, {} sessions in IDLE, medians of {} rounds\n\n| what |",
            self.clients, self.seconds, self.clients, self.rounds
        );
        let name = |kind| servers.iter().find(|s| s.kind == kind).map(|s| s.name);
        let ours = name(Kind::Ours);
        let others: Vec<_> = [Kind::Courier, Kind::Dovecot].into_iter().filter_map(name).collect();
        for server in servers {
            let _ = write!(out, " {} |", server.name);
        }
        for other in &others {
            let _ = write!(out, " / {other} |");
        }
        let _ = writeln!(out, "\n|---|{}", "---:|".repeat(servers.len() + others.len()));
        for row in &figures.names {
            let of = |server: &str| figures.values.get(&(row.clone(), server.to_owned()));
            let _ = write!(out, "| {row} |");
            for server in servers {
                let middle = of(server.name).and_then(|v| median(v));
                let _ = write!(out, " {} |", middle.map_or("–".to_owned(), |v| shown(row, v)));
            }
            for other in &others {
                let ratios = ours.and_then(of).zip(of(other)).map(|(mine, theirs)| {
                    mine.iter().zip(theirs).map(|(a, b)| a / b).collect::<Vec<_>>()
                });
                let ratio = ratios.and_then(|r| median(&r));
                let _ = write!(out, " {} |", ratio.map_or("–".to_owned(), |r| format!("{r:.2}")));
            }
            out.push('\n');
        }
        let _ = writeln!(
            out,
            "\nEach client goes round: {}. Syncing is on, as shipped.",
            COMMANDS.join(", ")
        );
        out
    }
}

/// The commands of one round of a client. STORE is by UID, of the message that the client appended
/// in the round before: Courier's session does not show it before the next SELECT or NOOP.
const COMMANDS: [&str; 6] = ["SELECT", "APPEND", "STORE", "EXPUNGE", "NOOP", "STATUS"];
const ALL: &str = "commands";
const LEAST: &str = "commands of the least busy client";
const SHARE: &str = "its share of the mean";
const LONGEST: &str = "longest wait for one command";
const REFUSED: &str = "refused";
const STUCK: &str = "clients without an answer for 20 s";
const WRONG: &str = "messages too many or too few at the end";
const MISSED: &str = "notices that took over five seconds";

/// How long a client waits for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A figure with its unit.
fn shown(row: &str, value: f64) -> String {
    match row {
        ALL | LEAST | REFUSED | STUCK | WRONG | MISSED => group(value as u64),
        SHARE => format!("{:.0} %", value * 100.0),
        _ => time(value),
    }
}

/// Each row's values, round by round, for each server.
#[derive(Default)]
struct Figures {
    names: Vec<String>,
    values: BTreeMap<(String, String), Vec<f64>>,
}

impl Figures {
    fn add(&mut self, name: &str, server: &str, value: f64) {
        if !self.names.iter().any(|n| n == name) {
            self.names.push(name.to_owned());
        }
        self.values.entry((name.to_owned(), server.to_owned())).or_default().push(value);
    }
}

/// What the clients of one server did.
struct Work {
    clients: Vec<Client>,
    expected: u64,
    found: u64,
}

impl Work {
    fn note(&self, server: &str, figures: &mut Figures) {
        let counts = self.clients.iter().map(|c| c.commands);
        let all: u64 = counts.clone().sum();
        let least = counts.min().unwrap_or(0);
        let mean = all as f64 / self.clients.len() as f64;
        figures.add(ALL, server, all as f64);
        figures.add(LEAST, server, least as f64);
        figures.add(SHARE, server, least as f64 / mean);
        let longest = self.clients.iter().map(|c| c.longest).fold(0.0, f64::max);
        figures.add(LONGEST, server, longest);
        for (n, name) in COMMANDS.iter().enumerate() {
            let times: Vec<f64> =
                self.clients.iter().flat_map(|c| c.times[n].iter().copied()).collect();
            let longest = times.iter().copied().fold(f64::NAN, f64::max);
            figures.add(&format!("{name}, median"), server, median(&times).unwrap_or(f64::NAN));
            figures.add(&format!("{name}, longest"), server, longest);
        }
        figures.add(REFUSED, server, self.clients.iter().map(|c| c.refused).sum::<u64>() as f64);
        let stuck = self.clients.iter().filter(|c| c.is_stuck).count();
        figures.add(STUCK, server, stuck as f64);
        figures.add(WRONG, server, self.expected.abs_diff(self.found) as f64);
    }
}

/// One busy client.
#[derive(Default)]
struct Client {
    /// Commands that were answered OK in time.
    commands: u64,
    refused: u64,
    /// Whether a command had no answer in time, and the client was given up.
    is_stuck: bool,
    /// Seconds of the longest one, whether it was in time or not.
    longest: f64,
    times: [Vec<f64>; COMMANDS.len()],
    /// Messages that it has appended and not expunged.
    left: u64,
}

impl Client {
    fn work(mut self, mut session: Session, folder: &str, limit: Duration) -> io::Result<Client> {
        let message = message();
        session.socket().set_read_timeout(Some(PATIENCE))?;
        let begin = Instant::now();
        let mut uid: Option<u32> = None;
        while begin.elapsed() < limit {
            let before = uid.take();
            for n in 0..COMMANDS.len() {
                let watch = Instant::now();
                let answer = match n {
                    0 => session.command(&format!("SELECT {folder}")),
                    1 => session.append(folder, &message),
                    2 => {
                        let uid = before.unwrap_or(u32::MAX);
                        session.command(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"))
                    }
                    3 => session.command("EXPUNGE"),
                    4 => session.command("NOOP"),
                    _ => session.command(&format!("STATUS {folder} (MESSAGES UIDNEXT)")),
                };
                let seconds = watch.elapsed().as_secs_f64();
                self.longest = self.longest.max(seconds);
                let answer = match answer {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        self.is_stuck = true;
                        return Ok(self);
                    }
                    answer => answer?,
                };
                let ok = answer.ok;
                match n {
                    1 if ok => {
                        uid = appended(&answer.last);
                        self.left += 1;
                    }
                    2 if ok && before.is_some() => self.left -= 1,
                    _ => {}
                }
                if !ok {
                    self.refused += 1;
                } else if begin.elapsed() < limit {
                    self.commands += 1;
                    self.times[n].push(seconds);
                }
            }
        }
        session.logout()?;
        Ok(self)
    }
}

/// The UID in `[APPENDUID validity uid]` (RFC 4315 3).
fn appended(line: &str) -> Option<u32> {
    line.split_once("[APPENDUID ")?.1.split_once(']')?.0.split(' ').nth(1)?.parse().ok()
}

fn message() -> Vec<u8> {
    let mut text = "From: a@example.com\r\nTo: b@example.com\r\nSubject: contention\r\n\
                    Date: Wed, 1 Jan 2020 00:00:00 +0000\r\n\r\n"
        .to_owned();
    for _ in 0..20 {
        text.push_str("A line of text, as there are many in a message.\r\n");
    }
    text.into_bytes()
}
