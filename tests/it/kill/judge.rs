//! What may be on disk afterwards, and what the answer must have been.

use super::KILLED;
use super::scenario::*;
use super::session::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use support::client::{self, Allow};
use support::{is_program, postrider};

/// Removes a dead session's lock, as the next one does five seconds after it has found it.
pub fn after_five_seconds(root: &Path) {
    let mut dirs = vec![root.to_owned()];
    dirs.extend(fs::read_dir(root).into_iter().flatten().flatten().map(|e| e.path()));
    for dir in dirs {
        let _ = fs::remove_file(dir.join("tmp/courier.lock"));
    }
}

/// Files where no file should be.
pub fn strangers(root: &Path) -> Vec<String> {
    let mut strange = Vec::new();
    let mut each = |dir: &Path, prefix: &str| {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let known = matches!(
                &*name,
                "cur"
                    | "new"
                    | "tmp"
                    | "courierimapuiddb"
                    | "courierimapkeywords"
                    | "maildirfolder"
                    | "courierimapacl"
            );
            let of_root = prefix.is_empty()
                && (name.starts_with('.')
                    || name == "courierimapsubscribed"
                    || name == "courierimaphieracl");
            if !known && !of_root {
                strange.push(format!("{prefix}{name}"));
            }
        }
    };
    each(root, "");
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            each(&entry.path(), &format!("{name}/"));
        }
    }
    strange
}

pub fn subjects(state: &State, but: &str) -> BTreeMap<String, usize> {
    let mut subjects = BTreeMap::new();
    for (_, (_, messages)) in state.0.iter().filter(|(name, _)| but.is_empty() || *name != but) {
        for (subject, _) in messages.values() {
            *subjects.entry(subject.clone()).or_default() += 1;
        }
    }
    subjects
}

/// Whether a state may be what `reply` has left. The complaint.
pub fn judge(
    scenario: &Scenario,
    before: &State,
    after: &State,
    is: &State,
    word: Option<&str>,
    log: &str,
) -> Result<(), String> {
    let fail =
        |what: &str| Err(format!("{what}\nbefore: {before:?}\nafter:  {after:?}\nis:     {is:?}"));
    let logged = log.lines().any(|l| l.starts_with("ERR"));
    for (name, (validity, _)) in &is.0 {
        let known =
            before.0.get(name).into_iter().chain(after.0.get(name)).any(|f| f.0 == *validity);
        let new =
            matches!(&**name, "INBOX.made" | "INBOX.moved" | "INBOX.moved.sub" | "INBOX.Trash");
        // The UID file of a folder goes before the folder is renamed.
        let new = new || scenario.name == "rename" && word.is_none() && name.starts_with("INBOX.b");
        if !known && !new && (scenario.rule != Rule::Delete || word == Some("OK")) {
            return fail(&format!("UIDVALIDITY {validity} of {name}"));
        }
    }
    if is.1 != after.1 && (word == Some("OK") || is.1 != before.1) {
        return fail("subscriptions");
    }
    match scenario.rule {
        Rule::Folders | Rule::Delete => {
            if word == Some("OK") && !logged && is.0.keys().ne(after.0.keys()) {
                return fail("OK, and the folders are others");
            }
            let but = if scenario.rule == Rule::Delete { "INBOX.box" } else { "" };
            let (due, real) = (subjects(before, but), subjects(is, but));
            if due != real { fail("messages lost or doubled") } else { Ok(()) }
        }
        Rule::Whole | Rule::Each => {
            if word == Some("OK") && !logged && is.0 != after.0 {
                return fail("OK, and not done");
            }
            if word == Some("NO") && scenario.rule == Rule::Whole && is.0 != before.0 {
                return fail("NO, and something was done");
            }
            if is.0.keys().ne(before.0.keys()) {
                return fail("folders");
            }
            for (name, (_, messages)) in &is.0 {
                let (old, new) = (&before.0[name].1, &after.0[name].1);
                let all: BTreeSet<u32> =
                    old.keys().chain(new.keys()).chain(messages.keys()).copied().collect();
                for uid in all {
                    let (was, will, is) = (old.get(&uid), new.get(&uid), messages.get(&uid));
                    // A kill between a message's text and its flags and keywords cannot be: they
                    // come in one rename. New ones that were not numbered yet get their UIDs from
                    // the next session, by their names' order.
                    let arrived = word.is_none()
                        && was.is_none()
                        && new
                            .iter()
                            .any(|(uid, message)| !old.contains_key(uid) && Some(message) == is);
                    if is != was && is != will && !arrived {
                        return fail(&format!("UID {uid} of {name} is {is:?}"));
                    }
                }
            }
            Ok(())
        }
    }
}

/// Plays a scenario with one call disturbed and looks at what is left, with our next session, with
/// Courier's, with ours again.
pub fn disturb(
    scenario: &Scenario,
    expected: &(State, State),
    point: &Point,
    error: Option<&str>,
) -> Result<(), String> {
    let home = template(scenario);
    let what = match error {
        None => "signal=KILL".to_owned(),
        Some(error) => format!("error={error}"),
    };
    let inject = format!("inject={}:{what}:when={}", point.call, point.n);
    let trace = format!("trace={}", point.call);
    let options = ["-qqq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let played = play(home.path(), scenario, &options);
    let log = fs::read_to_string(home.path().join("log")).unwrap_or_default();
    let tell = |what: String| {
        Err(format!(
            "{}: {inject}\n  at {}\n{what}\n{}\nlog:\n{log}",
            scenario.name, point.line, played.story
        ))
    };
    let word = played.reply.as_ref().map(|r| r.word.clone());
    KILLED.fetch_add(usize::from(word.is_none()), Ordering::SeqCst);
    if let Some(error) = error {
        match word.as_deref() {
            Some("OK") => {}
            Some("NO") if log.contains("ERR") => {}
            Some("NO") => return tell(format!("NO after {error}, and no line in the log")),
            other => return tell(format!("{error} is answered by {other:?}")),
        }
        // The moment of a look decides whether it finds anything to do: a refusal may meet the next
        // command.
        let refused = played.after.iter().filter(|l| !l.contains(": OK ")).count();
        if played.after.len() != 3 || refused > usize::from(word.as_deref() == Some("OK")) {
            return tell(format!("after {error} the session does not go on: {:?}", played.after));
        }
    }
    let root = home.path().join("Maildir");
    after_five_seconds(&root);
    let strange = strangers(&root);
    if !strange.is_empty() {
        return tell(format!("left behind: {strange:?}"));
    }
    let env = environment(scenario);
    let (before, after) = expected;
    let mut last: Option<State> = None;
    for (turn, program) in [postrider(), COURIER.into(), postrider()].iter().enumerate() {
        if !is_program(program) {
            continue;
        }
        let state = match look(program, home.path(), &env) {
            Ok(state) => state,
            Err(e) => return tell(format!("session {turn} after it: {e}")),
        };
        if let Err(e) = judge(scenario, before, after, &state, word.as_deref(), &log) {
            return tell(format!("session {turn} after it: {e}"));
        }
        if let Some(last) = last
            && last != state
        {
            return tell(format!(
                "session {turn} after it sees something else:\n{last:?}\n{state:?}"
            ));
        }
        last = Some(state);
    }
    // And it can be done now.
    let mut c = client(&postrider(), home.path(), &env);
    let mut again = || -> client::Result<()> {
        c.cmd("SELECT INBOX", Allow::Expunge)?;
        let reply = match scenario.literal {
            "" => c.cmd(scenario.command, Allow::Expunge)?,
            text => c.cmd_literal(scenario.command, text.as_bytes(), true)?,
        };
        // What is there cannot be made again; but then it is whole.
        for (name, there) in [
            ("INBOX.made", true),
            ("INBOX.moved", true),
            ("INBOX.box", scenario.rule != Rule::Delete),
        ] {
            let due = after.0.contains_key(name);
            c.picture.clear();
            if (due || !there)
                && (c.cmd(&format!("SELECT {name}"), Allow::Expunge)?.word == "OK") != there
            {
                return c.wrong("done twice, and not done");
            }
        }
        if reply.word != "OK" && !matches!(scenario.rule, Rule::Folders | Rule::Delete) {
            return c.wrong("refused the second time");
        }
        Ok(())
    };
    let ended = again();
    c.process.hang_up();
    let _ = c.process.wait(client::PATIENCE);
    match ended {
        Ok(()) => Ok(()),
        Err(e) => tell(format!("once more: {e:?}\n{}", c.story())),
    }
}
