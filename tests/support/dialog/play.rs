//! Plays a dialog on a server over a fresh Maildir, compares every answer, and records answers that
//! are still missing.

use super::disk::snapshot;
use super::pattern::{EXTENSIONS, Variables};
use super::{Dialog, Expect, Speaker, Step};
use crate::{Maildir, Session};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The most failures that a dialog tells of.
const MOST_FAILURES: usize = 12;

/// What came of playing a dialog.
pub struct Outcome {
    /// Each difference between what was expected and what came, with its line.
    pub failures: Vec<String>,
    /// Everything said, the logs, and what lies in the Maildir, for the reader of a failure.
    pub story: String,
    /// What lies on disk afterwards, times and unique names taken out.
    pub disk: BTreeMap<String, String>,
    /// In record mode: lines to add below a line of the file (counted from 0).
    pub recorded: Vec<(usize, Vec<String>)>,
}

/// A server, and whose answers are expected of it.
#[derive(Clone, Copy)]
pub struct Server<'a> {
    pub speaker: Speaker,
    pub program: &'a Path,
}

pub(super) struct Player<'a> {
    pub dialog: &'a Dialog,
    /// For the sessions 1 and 3, and for 2 and 4.
    servers: [Server<'a>; 2],
    pub record: bool,
    pub maildir: Maildir,
    pub sessions: BTreeMap<u8, Session>,
    /// Sessions that said BYE or whose client hung up: the next `C:` starts a new one.
    pub gone: BTreeMap<u8, bool>,
    pub variables: Variables,
    pub recorded: Vec<(usize, Vec<String>)>,
    pub story: String,
}

/// Plays `dialog`, its even sessions on the second server. With `record`, answers that the dialog
/// does not have are taken down instead of compared.
pub fn play<'a>(dialog: &'a Dialog, servers: [Server<'a>; 2], record: bool) -> Outcome {
    let mut player = Player {
        dialog,
        servers,
        record,
        maildir: Maildir::new(),
        sessions: BTreeMap::new(),
        gone: BTreeMap::new(),
        variables: Variables::new(),
        recorded: Vec::new(),
        story: String::new(),
    };
    let home = player.maildir.home().to_string_lossy().into_owned();
    player.variables.insert("DIR".to_owned(), home);
    if servers.iter().all(|server| server.speaker == Speaker::Postrider) {
        player.variables.insert(EXTENSIONS.to_owned(), String::new());
    }
    let file = dialog.path.display();
    let mut failures = Vec::new();
    for (line, step) in &dialog.steps {
        if let Err(message) = player.step(*line, step) {
            failures.push(format!("{file}:{}: {message}", line + 1));
            if failures.len() >= MOST_FAILURES {
                break;
            }
        }
    }
    let open: Vec<u8> = player.sessions.keys().copied().collect();
    for session in open {
        if let Err(message) = player.end(session) {
            failures.push(format!("{file}: session {session}: {message}"));
        }
    }
    let disk = snapshot(player.maildir.path());
    Outcome { failures, story: player.story, disk, recorded: player.recorded }
}

impl Player<'_> {
    pub fn server(&self, session: u8) -> Server<'_> {
        self.servers[usize::from(session.is_multiple_of(2))]
    }

    fn step(&mut self, line: usize, step: &Step) -> Result<(), String> {
        match step {
            Step::Exchange(exchange) => return self.exchange(line, exchange),
            Step::HangUp(session) => self.end(*session)?,
            Step::Signal(session, name) => {
                let session = self.sessions.get(session).ok_or("no such session")?;
                let signal = format!("SIG{name}").parse().map_err(|_| "unknown signal")?;
                let pid = nix::unistd::Pid::from_raw(session.pid().cast_signed());
                nix::sys::signal::kill(pid, Some(signal)).map_err(|e| e.to_string())?;
            }
            Step::Exit(session, code) => {
                let s = self.sessions.get_mut(session).ok_or("no such session")?;
                s.hang_up();
                let status = s.wait().ok_or("the process does not end")?;
                self.gone.insert(*session, true);
                if status.code() != Some(*code) {
                    return Err(format!("exit status: expected {code}, {status}"));
                }
            }
            Step::Log { session, expects, blank } => {
                let s = self.sessions.get_mut(session).ok_or("no such session")?;
                s.hang_up();
                s.wait().ok_or("the process does not end")?;
                self.gone.insert(*session, true);
                let lines: Vec<Vec<u8>> = s.log().into_iter().map(String::into_bytes).collect();
                if *blank && self.record {
                    let lines = lines.iter().map(|l| format!("L: {}", self.written(l))).collect();
                    self.recorded.push((line, lines));
                    return Ok(());
                }
                let speaker = self.server(*session).speaker;
                return self.compare(speaker, "log", expects, &lines);
            }
            Step::Sleep(ms) => std::thread::sleep(Duration::from_millis(*ms)),
            Step::ExpectFile { name, expects, blank } => {
                let lines = self.lines_of(name)?;
                return self.compare_or_record((line, *blank), name, expects, &lines);
            }
            Step::ExpectFiles { dir, expects, blank } => {
                let lines = self.files_of(dir);
                return self.compare_or_record((line, *blank), "files", expects, &lines);
            }
            _ => return self.on_disk(step),
        }
        Ok(())
    }

    fn compare_or_record(
        &mut self,
        (line, blank): (usize, bool),
        what: &str,
        expects: &[Expect],
        lines: &[Vec<u8>],
    ) -> Result<(), String> {
        if blank && self.record {
            let mut lines: Vec<String> =
                lines.iter().map(|l| format!("| {}", self.written(l))).collect();
            if lines.is_empty() {
                lines.push("| (none)".to_owned());
            }
            self.recorded.push((line, lines));
            return Ok(());
        }
        self.compare(self.server(1).speaker, what, expects, lines)
    }
}
