//! The session under strace, and the calls that it makes.

use super::scenario::*;
use super::{STRACE, template};
use crate::refusals::trace;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::client::{self, Allow, Client, Reply, Stop};
use support::postrider;

/// The calls that change files, and those without which nothing can be changed.
const CALLS: &str = "openat,openat2,write,pwrite64,writev,fsync,fdatasync,fallocate,link,linkat,\
    rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,chmod,fchmod,fchmodat,utimensat,\
    ftruncate,symlink,symlinkat,copy_file_range,sendfile,getdents64";

/// How the commands ended.
#[derive(Default)]
pub struct Played {
    /// The answers that came before the session was killed.
    pub replies: Vec<Reply>,
    /// The session was killed before the last answer.
    pub killed: bool,
    /// What it answers to what follows, where it goes on.
    pub after: Vec<String>,
    pub story: String,
}

impl Step {
    /// Sends it, and takes the answer.
    pub fn send(&self, c: &mut Client) -> client::Result<Reply> {
        if self.0.starts_with("SELECT ") {
            c.picture.clear();
        }
        if self.0 == "LOGOUT" {
            return logout(c);
        }
        match self.1 {
            Literal::None => c.cmd(self.0, Allow::Expunge),
            Literal::Text(text) => c.cmd_literal(self.0, text.as_bytes(), true),
            Literal::Lines(lines) => {
                let line = format!("{}\r\n", "0123456789".repeat(7));
                let text = format!("Subject: large\r\n\r\n{}", line.repeat(lines));
                c.cmd_literal(self.0, text.as_bytes(), false)
            }
        }
    }
}

/// A BYE that is asked for.
fn logout(c: &mut Client) -> client::Result<Reply> {
    let tag = c.tag();
    c.send(format!("{tag} LOGOUT\r\n").as_bytes())?;
    while let Some(line) = c.response(client::PATIENCE)? {
        if line.starts_with(format!("{tag} OK ").as_bytes()) {
            return Ok(Reply { word: "OK".to_owned(), ..Reply::default() });
        }
    }
    c.wrong("no answer")
}

/// SELECT, the first `steps` commands under test, and what follows; under strace if it has options.
pub fn play(home: &Path, scenario: &Scenario, steps: usize, options: &[&str]) -> Played {
    let env = environment(scenario).expect("a scenario that can be played");
    let mut command = Command::new(if options.is_empty() { postrider() } else { STRACE.into() });
    if !options.is_empty() {
        command.args(options).arg(postrider());
    }
    command.arg("./Maildir").current_dir(home).env_clear().envs(env);
    let mut c =
        Client::spawn(command, false, &home.join("log")).unwrap_or_else(|e| panic!("{e:?}"));
    let mut played = Played::default();
    let mut run = || -> client::Result<()> {
        c.response(client::PATIENCE)?;
        if scenario.steps.is_empty() {
            return Ok(());
        }
        if c.cmd("SELECT INBOX", Allow::Expunge)?.word != "OK" {
            return c.wrong("SELECT");
        }
        (scenario.meanwhile)(&home.join("Maildir"));
        for step in scenario.steps.iter().take(steps) {
            played.replies.push(step.send(&mut c)?);
        }
        if options.iter().any(|o| o.contains("error=")) {
            for command in ["NOOP", "SELECT INBOX", "CHECK"] {
                let reply = c.cmd(command, Allow::Expunge)?;
                played.after.push(format!("{command}: {} {}", reply.word, reply.text));
            }
        }
        Ok(())
    };
    let ended = run();
    c.process.hang_up();
    let _ = c.process.wait(client::PATIENCE);
    played.story = format!("{ended:?}\n{}", c.story());
    match ended {
        Ok(()) => {}
        Err(Stop::Dead) => played.killed = played.after.is_empty(),
        Err(Stop::Wrong(what)) => {
            played.story.push_str(&what);
            played.replies.push(Reply { word: "WRONG".to_owned(), ..Reply::default() });
        }
    }
    played
}

/// Which call of the commands under test it is, whatever its number in the process is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub call: String,
    /// The files that it is about; names that are made anew each time are `NEW`.
    files: Vec<String>,
    /// How many such calls there were up to this one, since the commands began.
    nth: usize,
}

/// One call at which to stop.
#[derive(Clone, Debug)]
pub struct Point {
    pub place: Place,
    /// Which of its kind, from 1.
    pub n: usize,
    /// How many of its kind there were before the commands under test.
    pub before: usize,
    /// The line of the trace.
    pub line: String,
    /// The errors that it could give.
    pub errors: &'static [&'static str],
}

impl Point {
    /// Whether a kill here is another one than at the next call that writes.
    pub fn changes(&self) -> bool {
        self.place.call != "getdents64"
            && (!self.place.call.starts_with("openat") || self.line.contains("O_CREAT"))
    }
}

/// One call of a trace.
struct Traced<'t> {
    line: &'t str,
    call: &'t str,
    arguments: &'t str,
    /// How many calls of its kind there were up to this one.
    n: usize,
    /// Which call of the commands under test it is; `None`: it is made before them or after.
    place: Option<Place>,
}

/// The calls of a trace, but for what is read from the client.
fn traced<'t>(text: &'t str, home: &Path, scenario: &Scenario) -> Vec<Traced<'t>> {
    // SELECT is the first command.
    let next = format!("\"t{} ", scenario.steps.len() + 2);
    let home = fs::canonicalize(home).unwrap();
    let mut calls: HashMap<&str, usize> = HashMap::new();
    let mut places: HashMap<Place, usize> = HashMap::new();
    let mut is_under_test = scenario.steps.is_empty();
    let mut all = Vec::new();
    for line in text.lines() {
        let Some((call, arguments)) = line.split_once('(') else { continue };
        if call == "recvfrom" && !scenario.steps.is_empty() {
            is_under_test |= arguments.contains("\"t2 ");
            is_under_test &= !arguments.contains(&next);
        }
        if call == "recvfrom" {
            continue;
        }
        let n = calls.entry(call).or_default();
        *n += 1;
        let place = is_under_test.then(|| {
            let mut place = Place {
                call: call.to_owned(),
                files: if call == "sendto" { Vec::new() } else { files(call, arguments, &home) },
                nth: 0,
            };
            let nth = places.entry(place.clone()).or_default();
            *nth += 1;
            place.nth = *nth;
            place
        });
        all.push(Traced { line, call, arguments, n: *n, place });
    }
    all
}

fn files(call: &str, arguments: &str, home: &Path) -> Vec<String> {
    let has_data = matches!(call, "pwrite64" | "writev");
    let all = trace::paths(if has_data { "write" } else { call }, arguments, home);
    let is_open_file = |path: &String| path.starts_with("/proc/self/fd/");
    all.into_iter().filter(|path| !is_open_file(path)).collect()
}

/// The calls that the commands make, up to the last answer, which is a call itself.
pub fn points(scenario: &Scenario) -> Vec<Point> {
    let home = template::home(scenario);
    let trace = home.path().join("trace");
    let set = format!("trace={CALLS},recvfrom,sendto");
    let options = ["-o", trace.to_str().unwrap(), "-s", "1000", "-y", "-e", &set];
    let played = play(home.path(), scenario, scenario.steps.len(), &options);
    assert!(
        played.replies.len() == scenario.steps.len()
            && played.replies.iter().all(|r| r.word == "OK"),
        "{}: {}",
        scenario.name,
        played.story
    );
    let text = fs::read_to_string(&trace).unwrap();
    let last = match scenario.steps.len() {
        0 => "* PREAUTH ".to_owned(),
        n => format!("t{} OK ", n + 1),
    };
    let mut before: HashMap<&str, usize> = HashMap::new();
    let mut points = Vec::new();
    for Traced { line, call, arguments, n, place } in traced(&text, home.path(), scenario) {
        let Some(place) = place else {
            before.insert(call, n);
            continue;
        };
        // A line of the log is no file of the Maildir.
        if call == "write" && arguments.starts_with("2<") {
            continue;
        }
        let errors = errors(call, arguments);
        let before = before.get(call).copied().unwrap_or(0);
        points.push(Point { place, n, before, line: line.to_owned(), errors });
        if call == "sendto" && arguments.contains(&last) {
            return points;
        }
    }
    panic!("{}: {last} is not sent in {text}", scenario.name);
}

/// What a disturbance has met.
pub struct Hit {
    /// The call; `None`: none, or one that is made before the commands under test or after them.
    pub place: Option<Place>,
    /// How many calls of its kind there were before the commands; `None`: they did not begin.
    pub before: Option<usize>,
}

/// Which call was disturbed, by the trace of it and of its kind.
pub fn hit(trace: &Path, home: &Path, scenario: &Scenario) -> Hit {
    let text = fs::read(trace).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let all = traced(&text, home, scenario);
    let before = all.iter().position(|traced| traced.place.is_some());
    // A call that a signal ends has no result.
    let is_hit = |line: &str| line.ends_with("(INJECTED)") || line.ends_with("= ?");
    let hit = all.into_iter().find(|traced| is_hit(traced.line));
    Hit { place: hit.and_then(|hit| hit.place), before }
}

fn errors(call: &str, rest: &str) -> &'static [&'static str] {
    match call {
        "openat" | "openat2" if rest.contains("O_CREAT") => {
            &["ENOSPC", "EIO", "EDQUOT", "EMFILE", "EACCES"]
        }
        "openat" | "openat2" => &["EIO", "EMFILE", "EACCES"],
        "write" | "ftruncate" => &["ENOSPC", "EIO", "EDQUOT"],
        "fsync" => &["EIO", "ENOSPC", "EDQUOT"],
        "unlink" | "unlinkat" | "rmdir" => &["EIO", "EACCES"],
        "getdents64" => &["EIO"],
        "sendto" | "fallocate" => &[],
        _ => &["ENOSPC", "EIO", "EDQUOT", "EACCES"],
    }
}
