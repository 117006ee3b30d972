//! A session that is stopped at each system call that changes a file, and one to which each such
//! call is refused.
//!
//! strace stops or refuses the Nth call of a kind (`-e inject`). Whatever was acknowledged is there
//! afterwards, what was not is there or not, and nothing is half: every message is as it was before
//! or as it would be after, under the same UID, for our next session and for Courier's; left-overs
//! lie in tmp/ only. A refused call is answered by NO and a line in the log, or by OK where no harm
//! is done, and the session goes on.
//!
//! `cargo test` takes a sample; `scripts/kill-steps` takes all steps (KILL_STEPS=all).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use support::client::{self, Allow, Client, Reply, Stop};
use support::{is_program, postrider};

const STRACE: &str = "/usr/bin/strace";
const COURIER: &str = "/usr/bin/imapd";
/// The calls that change files, and those without which nothing can be changed.
const CALLS: &str = "openat,openat2,write,fsync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,chmod,fchmod,\
    utimensat,ftruncate,symlink,symlinkat,getdents64";

/// What is done, and what may become of it.
struct Scenario {
    name: &'static str,
    env: &'static [(&'static str, &'static str)],
    /// Sent with this literal, if there is one.
    command: &'static str,
    literal: &'static str,
    /// How a folder may differ when the command was not done: each message as before or after; or
    /// only its presence counts.
    rule: Rule,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule {
    /// All or nothing, unless it was killed: then each message is as before or as after.
    Whole,
    /// Each message is as before or as after.
    Each,
    /// Folders come, go and change their names: messages count by their subjects, none is lost.
    Folders,
    /// As Folders, and the folder `INBOX.box` may be there in part.
    Delete,
}

const TEXT: &str = "Subject: appended\r\n\r\ntext\r\n";

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "append",
        env: &[],
        command: "APPEND INBOX (\\Flagged Work)",
        literal: TEXT,
        rule: Rule::Whole,
    },
    Scenario {
        name: "append elsewhere",
        env: &[],
        command: "APPEND INBOX.box (\\Seen)",
        literal: TEXT,
        rule: Rule::Whole,
    },
    Scenario {
        name: "copy",
        env: &[],
        command: "COPY 1:3 INBOX.box",
        literal: "",
        rule: Rule::Whole,
    },
    Scenario {
        name: "flags",
        env: &[],
        command: "STORE 1:3 +FLAGS (\\Seen)",
        literal: "",
        rule: Rule::Each,
    },
    Scenario {
        name: "keywords",
        env: &[],
        command: "STORE 1:3 +FLAGS (Fresh)",
        literal: "",
        rule: Rule::Each,
    },
    Scenario {
        name: "careful keywords",
        env: &[("IMAP_KEYWORDS", "2")],
        command: "STORE 1:3 +FLAGS (Fresh)",
        literal: "",
        rule: Rule::Each,
    },
    Scenario { name: "expunge", env: &[], command: "EXPUNGE", literal: "", rule: Rule::Each },
    Scenario {
        name: "expunge to the trash",
        env: &[("IMAP_MOVE_EXPUNGE_TO_TRASH", "1")],
        command: "EXPUNGE",
        literal: "",
        rule: Rule::Folders,
    },
    Scenario {
        name: "create",
        env: &[],
        command: "CREATE INBOX.made",
        literal: "",
        rule: Rule::Folders,
    },
    Scenario {
        name: "rename",
        env: &[],
        command: "RENAME INBOX.box INBOX.moved",
        literal: "",
        rule: Rule::Folders,
    },
    Scenario {
        name: "delete",
        env: &[],
        command: "DELETE INBOX.box",
        literal: "",
        rule: Rule::Delete,
    },
    Scenario {
        name: "subscribe",
        env: &[],
        command: "SUBSCRIBE INBOX.box.sub",
        literal: "",
        rule: Rule::Whole,
    },
    Scenario {
        name: "rights",
        env: &[],
        command: "SETACL INBOX.box anyone lr",
        literal: "",
        rule: Rule::Whole,
    },
    Scenario { name: "look", env: &[], command: "NOOP", literal: "", rule: Rule::Folders },
];

/// A folder as a client sees it: UIDVALIDITY and, by UID, subject and flags.
type Folder = (u32, BTreeMap<u32, (String, BTreeSet<String>)>);
/// All folders, and what is subscribed.
type State = (BTreeMap<String, Folder>, BTreeSet<String>);

fn environment(scenario: &Scenario) -> Vec<(String, String)> {
    let mut env: BTreeMap<&str, &str> = BTreeMap::from([
        ("AUTHENTICATED", "alice"),
        ("HOSTNAME", "host.example"),
        ("IMAP_BROKENUIDV", "1"),
        ("IMAP_CAPABILITY", "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE IDLE ACL"),
        ("IMAP_KEYWORDS", "1"),
        ("TZ", "UTC0"),
    ]);
    env.extend(scenario.env.iter().copied());
    env.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

/// A home whose Maildir has what the scenarios need. UIDs and UIDVALIDITY are the same in all of
/// them.
fn template(scenario: &Scenario) -> tempfile::TempDir {
    let home = support::maildir::scratch("kill-");
    let root = home.path().join("Maildir");
    let folder = |name: &str, messages: &[(&str, &str)]| {
        let at = root.join(name);
        for sub in ["tmp", "new", "cur", "courierimapkeywords"] {
            fs::create_dir_all(at.join(sub)).unwrap();
        }
        if !name.is_empty() {
            fs::write(at.join("maildirfolder"), "").unwrap();
        }
        let mut database = format!("1 {} {}\n", 700_000_001, messages.len() + 1);
        for (i, (base, letters)) in messages.iter().enumerate() {
            database.push_str(&format!("{} {base}\n", i + 1));
            fs::write(
                at.join("cur").join(format!("{base}:2,{letters}")),
                format!("Subject: {base}\n\nbody\n"),
            )
            .unwrap();
        }
        fs::write(at.join("courierimapuiddb"), database).unwrap();
    };
    folder("", &[("1001.a", ""), ("1002.b", "T"), ("1003.c", "F"), ("1004.d", "ST")]);
    fs::write(root.join("courierimapkeywords/:list"), "Work\n\n1003.c:0\n").unwrap();
    fs::write(root.join("courierimapkeywords/1002.b"), "Work\n").unwrap();
    folder(".box", &[("2001.e", ""), ("2002.f", "S")]);
    folder(".box.sub", &[("3001.g", "")]);
    fs::write(root.join("courierimapsubscribed"), "INBOX\nINBOX.box\n").unwrap();
    if scenario.name == "look" {
        fs::write(root.join("new/1005.n"), "Subject: 1005.n\n\nbody\n").unwrap();
        fs::write(root.join("new/1006.o"), "Subject: 1006.o\n\nbody\n").unwrap();
    }
    home
}

fn client(program: &Path, home: &Path, env: &[(String, String)]) -> Client {
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
fn look(program: &Path, home: &Path, env: &[(String, String)]) -> Result<State, String> {
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
struct Played {
    /// `None`: the session was killed before its answer.
    reply: Option<Reply>,
    /// The same command once more, and NOOP, where the session goes on.
    after: Vec<String>,
    story: String,
}

/// SELECT, the command under test, and what follows, under strace.
fn play(home: &Path, scenario: &Scenario, options: &[&str]) -> Played {
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
struct Point {
    call: String,
    /// Which of its kind, from 1.
    n: usize,
    /// The line of the trace.
    line: String,
    /// The errors that it could give.
    errors: &'static [&'static str],
}

/// The calls that the command makes.
fn points(scenario: &Scenario) -> Vec<Point> {
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

/// Removes a dead session's lock, as the next one does five seconds after it has found it.
fn after_five_seconds(root: &Path) {
    let mut dirs = vec![root.to_owned()];
    dirs.extend(fs::read_dir(root).into_iter().flatten().flatten().map(|e| e.path()));
    for dir in dirs {
        let _ = fs::remove_file(dir.join("tmp/courier.lock"));
    }
}

/// Files where no file should be.
fn strangers(root: &Path) -> Vec<String> {
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

fn subjects(state: &State, but: &str) -> BTreeMap<String, usize> {
    let mut subjects = BTreeMap::new();
    for (_, (_, messages)) in state.0.iter().filter(|(name, _)| but.is_empty() || *name != but) {
        for (subject, _) in messages.values() {
            *subjects.entry(subject.clone()).or_default() += 1;
        }
    }
    subjects
}

/// Whether a state may be what `reply` has left. The complaint.
fn judge(
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
fn disturb(
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

/// How many sessions were really killed.
static KILLED: AtomicUsize = AtomicUsize::new(0);

struct Case {
    scenario: &'static Scenario,
    point: Point,
    error: Option<&'static str>,
}

type Prepared = HashMap<&'static str, ((State, State), Vec<Point>)>;

/// For each scenario: the state before and after it, and its calls.
fn prepared() -> &'static Prepared {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let made = Mutex::new(HashMap::new());
        std::thread::scope(|scope| {
            for scenario in SCENARIOS {
                let made = &made;
                scope.spawn(move || {
                    let env = environment(scenario);
                    let home = template(scenario);
                    if scenario.name == "look" {
                        // What is in `new` is there before and after; it only moves.
                        let state = look(&postrider(), home.path(), &env).unwrap();
                        let points = points(scenario);
                        made.lock()
                            .unwrap()
                            .insert(scenario.name, ((state.clone(), state), points));
                        return;
                    }
                    let before = look(&postrider(), home.path(), &env).unwrap();
                    play(home.path(), scenario, &["-o", "/dev/null", "-e", "trace=rmdir"]);
                    let after = look(&postrider(), home.path(), &env).unwrap();
                    let points = points(scenario);
                    made.lock().unwrap().insert(scenario.name, ((before, after), points));
                });
            }
        });
        made.into_inner().unwrap()
    })
}

/// Runs the cases (or a sample of them), some at a time: most of the time goes by in waiting.
fn run(cases: Vec<Case>, sample: usize) {
    let all = std::env::var_os("KILL_STEPS").is_some_and(|v| v == "all");
    let cases: Vec<Case> = if all || cases.len() <= sample {
        cases
    } else {
        let n = cases.len();
        // Evenly spread.
        cases
            .into_iter()
            .enumerate()
            .filter(|(i, _)| i * sample / n != (i + 1) * sample / n)
            .map(|(_, case)| case)
            .collect()
    };
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(e) = disturb(
                        case.scenario,
                        &prepared()[case.scenario.name].0,
                        &case.point,
                        case.error,
                    ) {
                        wrong.lock().unwrap().push(e);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    println!(
        "{} steps, {} sessions killed, {} wrong",
        cases.len(),
        KILLED.load(Ordering::SeqCst),
        wrong.len()
    );
    assert!(
        wrong.is_empty(),
        "{} of {} steps:\n\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n\n=====\n\n")
    );
}

fn can_run() -> bool {
    let can = is_program(Path::new(STRACE));
    if !can {
        eprintln!("left out: strace is not here");
    }
    can
}

fn only() -> Option<String> {
    std::env::var("KILL_ONLY").ok()
}

fn wanted(scenario: &Scenario) -> bool {
    only().is_none_or(|only| only == scenario.name)
}

#[test]
fn killed_at_every_step() {
    if !can_run() {
        return;
    }
    let mut cases = Vec::new();
    for scenario in SCENARIOS.iter().filter(|s| wanted(s)) {
        // A kill at a call that only reads is one at the next that writes.
        let changes = |p: &&Point| {
            p.call != "getdents64" && (!p.call.starts_with("openat") || p.line.contains("O_CREAT"))
        };
        let points = prepared()[scenario.name].1.iter().filter(changes);
        cases.extend(points.map(|point| Case { scenario, point: point.clone(), error: None }));
    }
    run(cases, 60);
}

#[test]
fn refused_at_every_step() {
    if !can_run() {
        return;
    }
    let mut cases = Vec::new();
    for scenario in SCENARIOS.iter().filter(|s| wanted(s)) {
        for point in &prepared()[scenario.name].1 {
            cases.extend(point.errors.iter().map(|error| Case {
                scenario,
                point: point.clone(),
                error: Some(error),
            }));
        }
    }
    run(cases, 60);
}
