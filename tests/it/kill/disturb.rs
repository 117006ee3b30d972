//! One scenario with one call disturbed, and what our next session finds, and Courier's, and ours
//! again.

use super::judge::{self, Case};
use super::scenario::Scenario;
use super::session::{self, Played, Point, play};
use super::state::{COURIER, State, client, look};
use super::{Prepared, template};
use std::fs;
use std::path::Path;
use support::client::{self, Allow};
use support::{is_program, postrider};

/// How often it is tried to meet the call that is meant.
const MAX_TRIES: usize = 12;

/// The scenario was played, and disturbed.
struct Disturbed {
    home: tempfile::TempDir,
    played: Played,
    inject: String,
    /// Whether what was met is the call that was meant, or another one of the commands under test.
    has_met: bool,
}

/// Plays it until the call that is meant is met. How many of its kind come before the commands
/// differs: SELECT falls into the tick of the clock in which the folder was made, or does not.
fn play_disturbed(scenario: &Scenario, point: &Point, what: &str) -> Disturbed {
    let mut n = point.n;
    for tries in 1.. {
        let home = template::home(scenario);
        let call = &point.place.call;
        let inject = format!("inject={call}:{what}:when={n}");
        let (set, trace) = (format!("trace={call},recvfrom"), home.path().join("trace"));
        let trace_option = trace.to_str().unwrap();
        let options = ["-qqq", "-y", "-s", "1000", "-o", trace_option, "-e", &set, "-e", &inject];
        let played = play(home.path(), scenario, scenario.steps.len(), &options);
        let hit = session::hit(&trace, home.path(), scenario);
        let is_it = hit.place.as_ref() == Some(&point.place);
        if is_it || tries == MAX_TRIES {
            return Disturbed { home, played, inject, has_met: hit.place.is_some() };
        }
        n = hit.before.map_or(n + 1, |before| point.n - point.before + before);
    }
    unreachable!("one try is the last");
}

/// Whether it has met a call of the commands under test, or the complaint.
pub fn disturb(
    scenario: &Scenario,
    prepared: &Prepared,
    point: &Point,
    error: Option<&str>,
) -> Result<bool, String> {
    let what = error.map_or_else(|| "signal=KILL".to_owned(), |error| format!("error={error}"));
    let Disturbed { home, played, inject, has_met } = play_disturbed(scenario, point, &what);
    if error.is_some() && !has_met {
        // What was refused is a look of our own, or nothing.
        return Ok(false);
    }
    let log = fs::read_to_string(home.path().join("log")).unwrap_or_default();
    let at = format!("{}: {inject}\n  at {}", scenario.name, point.line);
    let tell = |what: String| Err(format!("{at}\n{what}\n{}\nlog:\n{log}", played.story));
    let word = played.replies.last().map(|r| &*r.word).filter(|_| !played.killed);
    if let Some(error) = error
        && let Err(e) = goes_on(word, &played.after, error, &log)
    {
        return tell(e);
    }
    let root = home.path().join("Maildir");
    judge::after_five_seconds(home.path());
    let strange = judge::strangers(&root);
    if !strange.is_empty() {
        return tell(format!("left behind: {strange:?}"));
    }
    let acknowledged = played.replies.len() - usize::from(error.is_some());
    let states = &prepared.states;
    let before = &states[acknowledged];
    let after = states.get(acknowledged + 1).unwrap_or(before);
    let mut last: Option<State> = None;
    for (turn, program) in [postrider(), COURIER.into(), postrider()].iter().enumerate() {
        if !is_program(program) {
            continue;
        }
        let who = format!("session {turn} after it");
        let is = match look(program, home.path()) {
            Ok(is) => is,
            Err(e) => return tell(format!("{who}: {e}")),
        };
        let case = Case { scenario, before, after, is: &is, word, log: &log };
        if let Err(e) = case.judge() {
            return tell(format!("{who}: {e}"));
        }
        let index = judge::index(&root);
        if !index.is_empty() {
            return tell(format!("the index after {who}: {index:?}"));
        }
        if let Some(last) = last.filter(|last| *last != is) {
            return tell(format!("{who} sees something else:\n{last:?}\n{is:?}"));
        }
        last = Some(is);
    }
    if let Err(e) = once_more(home.path(), scenario, acknowledged, states) {
        return tell(format!("once more: {e}"));
    }
    Ok(has_met)
}

/// Whether a refused call is answered as it should be, and the session goes on.
fn goes_on(word: Option<&str>, after: &[String], error: &str, log: &str) -> Result<(), String> {
    match word {
        Some("OK") => {}
        Some("NO") if log.contains("ERR") => {}
        Some("NO") => return Err(format!("NO after {error}, and no line in the log")),
        other => return Err(format!("{error} is answered by {other:?}")),
    }
    // The moment of a look decides whether it finds anything to do: a refusal may meet the next
    // command.
    let refused = after.iter().filter(|l| !l.contains(": OK ")).count();
    if after.len() != 3 || refused > usize::from(word == Some("OK")) {
        return Err(format!("after {error} the session does not go on: {after:?}"));
    }
    Ok(())
}

/// What was not done can be done now, and what is done stays: in the end all is as it should be.
fn once_more(
    home: &Path,
    scenario: &Scenario,
    acknowledged: usize,
    states: &[State],
) -> Result<(), String> {
    let due = &states[states.len() - 1];
    let mut all_done = true;
    let mut c = client(&postrider(), home, scenario.env);
    let mut again = || -> client::Result<()> {
        c.cmd("SELECT INBOX", Allow::Expunge)?;
        let done = scenario.steps.iter().take(acknowledged);
        if let Some(select) = done.rev().find(|step| step.0.starts_with("SELECT ")) {
            select.send(&mut c)?;
        }
        for step in scenario.steps.iter().skip(acknowledged).filter(|step| step.0 != "LOGOUT") {
            let reply = step.send(&mut c)?;
            // What is there cannot be made again, what is gone not be removed.
            let is_folder = ["CREATE ", "DELETE ", "RENAME "].iter().any(|c| step.0.starts_with(c));
            all_done &= reply.word == "OK";
            if reply.word != "OK" && !is_folder {
                return c.wrong("refused the second time");
            }
        }
        Ok(())
    };
    let ended = again();
    c.process.hang_up();
    let _ = c.process.wait(client::PATIENCE);
    ended.map_err(|e| format!("{e:?}\n{}", c.story()))?;
    let is = look(&postrider(), home)?;
    // Those of levels without a folder may be inherited.
    let lists = |state: &State| -> Vec<String> {
        let folders = state.folders.keys().filter_map(|name| state.lists.get(name));
        folders.cloned().collect()
    };
    let is_open = |state: &State| state.folders.values().all(|f| f.validity != 0);
    if is.folders.keys().ne(due.folders.keys())
        || !is_open(&is)
        || is.subscriptions != due.subscriptions
        || is.subscribed != due.subscribed
        || lists(&is) != lists(due)
        || all_done && is.annotations != due.annotations
    {
        return Err(format!("it is not done\ndue: {due:?}\nis:  {is:?}\n{}", c.story()));
    }
    Ok(())
}
