//! The sessions: the one under strace, and those that look afterwards.

use super::scenario::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;
use support::client::{self, Allow, Client, Reply, Stop};
use support::postrider;

/// A folder as a client sees it: UIDVALIDITY and, by UID, subject and flags.
pub type Folder = (u32, BTreeMap<u32, (String, BTreeSet<String>)>);
/// All folders, and what is subscribed.
pub type State = (BTreeMap<String, Folder>, BTreeSet<String>);

pub fn client(program: &Path, home: &Path, env: &[(String, String)]) -> Client {
    let mut c = Client::start(program, program == Path::new(COURIER), home, env, &home.join("log"))
        .unwrap_or_else(|e| panic!("{e:?}"));
    let greeting = c.response(client::PATIENCE);
    assert!(
        greeting.as_ref().is_ok_and(|g| g.as_ref().is_some_and(|g| g.starts_with(b"* PREAUTH"))),
        "{greeting:?}"
    );
    c
}

/// What a new session sees, or what went wrong.
pub fn look(program: &Path, home: &Path, env: &[(String, String)]) -> Result<State, String> {
    let mut c = client(program, home, env);
    let text = |e: Stop| format!("{e:?}");
    let mut names: BTreeSet<String> = BTreeSet::from(["INBOX".to_owned()]);
    for entry in fs::read_dir(home.join("Maildir")).into_iter().flatten().flatten() {
        // What LIST would show: every directory that begins with a dot.
        if let Some(name) = entry.file_name().to_string_lossy().strip_prefix('.') {
            names.insert(format!("INBOX.{name}"));
        }
    }
    let mut folders = BTreeMap::new();
    for name in names {
        c.picture.clear();
        let selected = c.cmd(&format!("SELECT {name}"), Allow::Expunge).map_err(text)?;
        if selected.word != "OK" {
            folders.insert(name, (0, BTreeMap::new()));
            continue;
        }
        let mut messages = BTreeMap::new();
        if !c.picture.is_empty() {
            let all = c
                .cmd("FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])", Allow::Fixed)
                .map_err(text)?;
            for f in all.fetched {
                let subject = String::from_utf8_lossy(f.body.as_deref().unwrap_or_default())
                    .trim()
                    .to_owned();
                let flags: BTreeSet<String> =
                    f.flags.unwrap_or_default().into_iter().filter(|f| f != "\\Recent").collect();
                messages.insert(f.uid.unwrap_or(0), (subject, flags));
            }
        }
        if messages.len() != c.picture.len() {
            return Err(format!(
                "{name}: {} messages of {}\n{}",
                messages.len(),
                c.picture.len(),
                c.story()
            ));
        }
        folders.insert(name, (selected.validity.unwrap_or(0), messages));
    }
    let _ = c.cmd("LOGOUT", Allow::Expunge);
    c.process.hang_up();
    let _ = c.process.wait(client::PATIENCE);
    let subscribed =
        fs::read_to_string(home.join("Maildir/courierimapsubscribed")).unwrap_or_default();
    Ok((folders, subscribed.lines().map(str::to_owned).collect()))
}

/// How the command ended.
pub struct Played {
    /// `None`: the session was killed before its answer.
    pub reply: Option<Reply>,
    /// The same command once more, and NOOP, where the session goes on.
    pub after: Vec<String>,
    pub story: String,
}

/// SELECT, the command under test, and what follows, under strace.
pub fn play(home: &Path, scenario: &Scenario, options: &[&str]) -> Played {
    let mut command = Command::new(STRACE);
    command.args(options).arg(postrider()).arg("./Maildir").current_dir(home).env_clear();
    command.envs(environment(scenario));
    let mut c =
        Client::spawn(command, false, &home.join("log")).unwrap_or_else(|e| panic!("{e:?}"));
    let mut played = Played { reply: None, after: Vec::new(), story: String::new() };
    let mut run = || -> client::Result<()> {
        c.response(client::PATIENCE)?;
        // Nothing is looked at here that the command would have to change.
        let mail = home.join("Maildir/new");
        let aside = home.join("aside");
        let hidden = scenario.name == "look"
            && fs::rename(&mail, &aside).is_ok()
            && fs::create_dir(&mail).is_ok();
        if c.cmd("SELECT INBOX", Allow::Expunge)?.word != "OK" {
            return c.wrong("SELECT");
        }
        if hidden {
            for entry in fs::read_dir(&aside).unwrap().flatten() {
                fs::rename(entry.path(), mail.join(entry.file_name())).unwrap();
            }
        }
        let mut once = || match scenario.literal {
            "" => c.cmd(scenario.command, Allow::Expunge),
            text => c.cmd_literal(scenario.command, text.as_bytes(), true),
        };
        played.reply = Some(once()?);
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
    if let Err(Stop::Wrong(what)) = ended {
        played.story.push_str(&what);
        if played.reply.is_none() {
            played.reply = Some(Reply { word: "WRONG".to_owned(), ..Reply::default() });
        }
    }
    played
}

/// One call at which to stop.
#[derive(Clone, Debug)]
pub struct Point {
    pub call: String,
    /// Which of its kind, from 1.
    pub n: usize,
    /// The line of the trace.
    pub line: String,
    /// The errors that it could give.
    pub errors: &'static [&'static str],
}

/// The calls that the command makes.
pub fn points(scenario: &Scenario) -> Vec<Point> {
    let home = template(scenario);
    let trace = home.path().join("trace");
    let set = format!("trace={CALLS},recvfrom,sendto");
    let played = play(
        home.path(),
        scenario,
        &["-o", trace.to_str().unwrap(), "-s", "1000", "-y", "-e", &set],
    );
    assert_eq!(
        played.reply.as_ref().map(|r| &*r.word),
        Some("OK"),
        "{}: {}",
        scenario.name,
        played.story
    );
    let text = fs::read_to_string(&trace).unwrap();
    let mut counts: HashMap<String, usize> = HashMap::new();
    let (mut points, mut begun) = (Vec::new(), false);
    for line in text.lines() {
        let Some((call, rest)) = line.split_once('(') else { continue };
        if call == "recvfrom" {
            begun |= rest.contains("\"t2 ");
            continue;
        }
        if call == "sendto" && begun && rest.contains("t2 OK ") {
            break;
        }
        if call == "sendto" {
            continue;
        }
        let n = counts.entry(call.to_owned()).or_default();
        *n += 1;
        if begun {
            let errors: &[&str] = match call {
                "openat" | "openat2" if rest.contains("O_CREAT") => {
                    &["ENOSPC", "EIO", "EDQUOT", "EMFILE", "EACCES"]
                }
                "openat" | "openat2" => &["EIO", "EMFILE", "EACCES"],
                "write" if rest.starts_with("2<") => continue,
                "write" | "ftruncate" => &["ENOSPC", "EIO", "EDQUOT"],
                "fsync" => &["EIO", "ENOSPC", "EDQUOT"],
                "unlink" | "unlinkat" | "rmdir" => &["EIO", "EACCES"],
                "getdents64" => &["EIO"],
                _ => &["ENOSPC", "EIO", "EDQUOT", "EACCES"],
            };
            points.push(Point { call: call.to_owned(), n: *n, line: line.to_owned(), errors });
        }
    }
    assert!(!points.is_empty(), "{}: no calls in {text}", scenario.name);
    points
}
