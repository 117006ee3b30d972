//! One command on one Maildir, and how its refusals are played.

use super::trace::{self, Call, Target};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;
use support::programs::strace;
use support::{Maildir, PATIENCE, Reply, Session, postrider};

/// A command, and what becomes of it when a system call is refused.
pub(super) struct Scene {
    /// Files beside those of [`maildir`].
    pub(super) files: &'static [(&'static str, &'static str)],
    /// Settings.
    pub(super) env: &'static [(&'static str, &'static str)],
    /// Commands before it, one a line; `stir cur`: another program changes that directory;
    /// `deliver new/x`: it delivers a message there.
    pub(super) before: &'static str,
    /// The command; a literal follows its length. During IDLE [`ARRIVES`] comes into INBOX.
    pub(super) command: &'static str,
    /// What it is told and leaves on disk if nothing is refused.
    pub(super) told: &'static str,
    /// What it leaves on disk.
    pub(super) disk: &'static str,
    pub(super) rows: &'static [Row],
}

/// One line of the table.
pub(super) struct Row {
    /// The system call that is refused ([`Target`]).
    pub(super) call: &'static str,
    /// The errors for which the rest is the same, as words.
    pub(super) errors: &'static [&'static str],
    /// What the client is told: untagged responses, and the start of the tagged one, with ` | `
    /// between them. `done`: the same as if nothing had been refused.
    pub(super) told: &'static str,
    /// What the one line in the log has, beside the reason; empty: the log is silent. `or silent `
    /// before it: the log may be silent as well, because a second try can succeed.
    pub(super) log: &'static str,
    /// What is there after that was not there before (`+`), or no longer (`-`). `done`: the same as
    /// if nothing had been refused.
    pub(super) disk: &'static str,
}

/// What a message holds here.
const MESSAGE: &str = "Subject: x\n\ntext\n";
/// A message that comes during IDLE.
const ARRIVES: &str = "1004.x";
/// A list of rights, so that none is made.
const ACL: &str = "owner aceilrstwx\nadministrators aceilrstwx\n";

/// Two folders whose messages have UIDs.
fn maildir(files: &[(&str, &str)]) -> Maildir {
    let maildir = Maildir::new();
    maildir.folder("INBOX.box");
    for folder in ["", ".box/"] {
        fs::create_dir(maildir.path().join(folder).join("courierimapkeywords")).unwrap();
        maildir.write(&format!("{folder}courierimapacl"), ACL.as_bytes());
    }
    for (name, content) in [
        ("cur/1001.x:2,", MESSAGE),
        ("cur/1002.x:2,S", MESSAGE),
        ("cur/1003.x:2,ST", MESSAGE),
        ("courierimapuiddb", "1 555 4\n1 1001.x\n2 1002.x\n3 1003.x\n"),
        (".box/cur/2001.x:2,", MESSAGE),
        (".box/courierimapuiddb", "1 556 2\n1 2001.x\n"),
    ] {
        maildir.write(name, content.as_bytes());
    }
    for (name, content) in files {
        maildir.write(name, content.as_bytes());
        if let Some((folder, _)) = name.split_once("/cur/") {
            fs::create_dir_all(maildir.path().join(folder).join("tmp")).unwrap();
        }
    }
    maildir
}

/// What strace refuses.
pub(super) enum Refused {
    /// Nothing: all calls are traced.
    Nothing,
    /// One call, by its name and how many there were before.
    Once(String, usize, String),
    /// Every call of these names on a file or in a directory.
    Always(&'static [&'static str], String, String),
}

impl Refused {
    /// The call that is meant, found among those of a session that is refused nothing.
    pub(super) fn of(target: &Target<'_>, error: &str, calls: &[Call]) -> Result<Refused, String> {
        let error = error.to_owned();
        if target.always {
            return Ok(Refused::Always(target.names, target.path.to_owned(), error));
        }
        let mut meant = calls.iter().filter(|call| call.in_command && target.is(call));
        let Some(call) = meant.nth(target.number - 1) else {
            let there: Vec<String> = calls
                .iter()
                .filter(|call| call.in_command)
                .map(|call| format!("{} {}", call.name, call.paths.join(" ")))
                .collect();
            return Err(format!("there is no such call among these:\n{}", there.join("\n")));
        };
        Ok(Refused::Once(call.name.clone(), call.ordinal, error))
    }

    /// strace's options. (To trace one system call is much faster than to trace many.)
    fn options(&self, maildir: &Path) -> Vec<String> {
        let list = |names: &[&str]| {
            names.iter().map(|name| format!("?{name}")).collect::<Vec<_>>().join(",")
        };
        let mut options = Vec::new();
        match self {
            Refused::Nothing => {
                let all: Vec<&str> =
                    trace::FAMILIES.iter().flat_map(|(_, names)| *names).copied().collect();
                options.push(format!("trace={}", list(&all)));
            }
            Refused::Once(name, ordinal, error) => {
                options.push(format!("trace={name}"));
                options.push(format!("inject={name}:error={error}:when={ordinal}"));
            }
            Refused::Always(names, _, error) => {
                options.push(format!("trace={}", list(names)));
                options.push(format!("inject={}:error={error}", list(names)));
            }
        }
        let mut options: Vec<String> =
            options.into_iter().flat_map(|option| ["-e".to_owned(), option]).collect();
        if let Refused::Always(_, path, _) = self
            && !path.is_empty()
        {
            // As a path, as a name in a directory, and as what a descriptor refers to.
            let name = path.rsplit('/').next().unwrap_or_default();
            let whole = maildir.join(path);
            for path in [name, &format!("./{path}"), whole.to_str().unwrap()] {
                options.extend(["-P".to_owned(), path.to_owned()]);
            }
        }
        options
    }
}

/// What a row's log begins with that may be silent.
const OR_SILENT: &str = "or silent ";

/// Files by name, with what they hold.
type Files = BTreeMap<String, String>;

/// How a scene went.
pub(super) struct Played {
    reply: Reply,
    /// What was there before, and after.
    before: Files,
    after: Files,
    log: Vec<String>,
    calls: Vec<Call>,
    story: String,
    /// What is left over in `tmp` in the end.
    left: Vec<String>,
    /// What the rule of lib.rs promises, and is not so.
    broken: Vec<String>,
}

impl Scene {
    /// Whether the command is IDLE.
    pub(super) fn idles(&self) -> bool {
        self.command == "IDLE"
    }

    /// The calls of a session that is refused nothing.
    pub(super) fn calls(&self) -> Vec<Call> {
        let played = self.run(&Refused::Nothing);
        let row = Row { call: "", errors: &[], told: self.told, log: "", disk: self.disk };
        if let Err(how) = played.check(self, &row, "") {
            panic!("nothing was refused\n{how}");
        }
        played.calls
    }

    /// Plays the scene, in which strace refuses a call.
    pub(super) fn refuse(&self, refused: &Refused, target: &Target<'_>) -> Result<Played, String> {
        let mut last = String::new();
        // The calls before it may be others, as the folder is settled by then or not.
        for _ in 0..12 {
            let played = self.run(refused);
            let mut hit = played.calls.iter().filter(|call| call.injected);
            if hit.clone().next().is_some() && hit.all(|call| target.is(call) || target.always) {
                return Ok(played);
            }
            last = played.story;
        }
        Err(format!("another call was refused\n{last}"))
    }

    fn run(&self, refused: &Refused) -> Played {
        let maildir = maildir(self.files);
        if self.idles() {
            // SELECT finds a settled folder, so IDLE scans it only when something arrives.
            std::thread::sleep(Duration::from_millis(100));
        }
        let trace = maildir.home().join("trace");
        let ours = postrider();
        let options = refused.options(maildir.path());
        let mut args = vec!["-y", "-s", "200", "-o", trace.to_str().unwrap()];
        args.extend(options.iter().map(String::as_str));
        args.extend([ours.to_str().unwrap(), "./Maildir"]);
        let mut s = maildir.start(strace().unwrap(), self.env, &args);
        assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
        for command in self.before.lines() {
            match command.split_once(' ') {
                Some(("stir", directory)) => stir(&maildir.path().join(directory)),
                Some(("deliver", file)) => drop(maildir.write(file, MESSAGE.as_bytes())),
                _ => drop(s.cmd(command).says("OK ")),
            }
        }
        is_at_rest(&mut s);
        let before = files(&maildir);
        s.send(format!("cmd {}\r\n", self.command).as_bytes());
        let mut reply = s.finish("cmd");
        if self.idles() {
            maildir.deliver("INBOX", ARRIVES, MESSAGE.as_bytes());
            idle(&mut s, &mut reply);
        }
        is_at_rest(&mut s);
        let after = files(&maildir);
        let mut broken = Vec::new();
        look_after(&mut s, &mut broken);
        s.cmd("LOGOUT");
        s.wait();
        look_again(&maildir, &mut broken);
        let left = maildir.files().into_iter().filter(|f| f.contains("tmp/"));
        let left = left.map(|name| trace::stable(&name)).collect();
        let text = fs::read(&trace).unwrap();
        let calls = trace::read(&String::from_utf8_lossy(&text), maildir.path());
        let log = s.log();
        Played { reply, before, after, log, calls, story: s.story(), left, broken }
    }
}

/// Whatever the session does for the next one, it has done when it answers again.
fn is_at_rest(s: &mut Session) {
    s.cmd("NONSENSE").says("BAD ");
}

/// Changes a directory as another program could: its time is another one.
fn stir(directory: &Path) {
    let file = directory.join(".stirred");
    fs::write(&file, "").unwrap();
    fs::remove_file(&file).unwrap();
}

/// A tagged line without the response code that says what the error was: it differs between the
/// errors of a row. (Those for single errors are in `src/session/reply.rs`.)
fn without_code(line: &[u8]) -> Vec<u8> {
    const CODES: [&str; 6] =
        ["ALREADYEXISTS", "CANNOT", "LIMIT", "NOPERM", "OVERQUOTA", "UNAVAILABLE"];
    let line = String::from_utf8_lossy(line);
    let found = CODES.iter().find_map(|code| line.strip_prefix(&format!("cmd NO [{code}] ")));
    found.map_or_else(|| line.clone().into_owned(), |text| format!("cmd NO {text}")).into_bytes()
}

/// The client idles until it is told of a message that has arrived.
fn idle(s: &mut Session, reply: &mut Reply) {
    while !reply.last().ends_with(b" FETCH (FLAGS (\\Recent))")
        && let Some(response) = s.response(PATIENCE)
    {
        reply.responses.push(response);
    }
    s.send(b"DONE\r\n");
    reply.responses.extend(s.finish("cmd").responses);
}

/// What is there: directories, files with what they hold, and the next UIDs. Names are the same
/// each time.
fn files(maildir: &Maildir) -> Files {
    let mut found = Files::new();
    support::maildir::walk(maildir.path(), &mut |path| {
        let name = path.strip_prefix(maildir.path()).unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.insert(format!("{}/", trace::stable(&name)), String::new());
            return;
        }
        if support::maildir::is_index(path) {
            return;
        }
        let text = fs::read_to_string(path).unwrap();
        match name.strip_suffix("courierimapuiddb") {
            Some(folder) => {
                let next = text.split_ascii_whitespace().nth(2).unwrap_or_default();
                found.insert(format!("{folder}UIDNEXT={next}"), String::new());
            }
            None => {
                found.insert(trace::stable(&name), text);
            }
        }
    });
    found
}

/// In the same session: a message with a UID is read, and another one deleted.
fn look_after(s: &mut Session, broken: &mut Vec<String>) {
    let select = s.cmd("SELECT INBOX");
    let read = s.cmd("UID FETCH 1 BODY.PEEK[]");
    if !select.last().ends_with(b" OK [READ-WRITE] Ok") {
        broken.push("INBOX cannot be selected".to_owned());
    }
    if !read.responses[0].ends_with(b"\r\n\r\ntext\r\n)") {
        broken.push("UID 1 cannot be read".to_owned());
    }
    s.cmd("UID EXPUNGE 3");
}

/// In another session, from which nothing is refused: the UIDs are the same.
fn look_again(maildir: &Maildir, broken: &mut Vec<String>) {
    let mut s = maildir.session(&[]);
    let select = s.cmd("SELECT INBOX");
    if !select.responses.iter().any(|r| r == b"* OK [UIDVALIDITY 555] Ok") {
        broken.push("the UIDVALIDITY is another".to_owned());
    }
    let fetch = s.cmd("UID FETCH 1,3 BODY.PEEK[]");
    if fetch.responses.len() != 2 {
        broken.push("UID 1 is gone, or UID 3 is not".to_owned());
    }
}

impl Played {
    /// Compares it with a row.
    pub(super) fn check(&self, scene: &Scene, row: &Row, error: &str) -> Result<(), String> {
        let or_done = |text, done| if text == "done" { done } else { text };
        let mut wrong = self.broken.clone();
        for name in self.left.iter().filter(|name| !row.disk.contains(&format!("+{name}"))) {
            wrong.push(format!("left over: {name}"));
        }
        let told = or_done(row.told, scene.told);
        if !self.tells(told) {
            wrong.push(format!("expected: {told}"));
        }
        let disk = or_done(row.disk, scene.disk);
        let changes = self.changes();
        if changes != disk {
            wrong.push(format!("on disk:  {disk}\nreally:   {changes}"));
        }
        let lines: Vec<&String> = self
            .log
            .iter()
            .filter(|line| !line.starts_with("INFO: ") && !line.starts_with("strace"))
            .collect();
        let log = row.log.strip_prefix(OR_SILENT);
        let right = match *lines {
            [] => row.log.is_empty() || log.is_some(),
            [line] => {
                let log = log.unwrap_or(row.log);
                !log.is_empty() && line.contains(log) && line.contains(&reason(error))
            }
            _ => false,
        };
        if !right {
            wrong.push(format!(
                "expected in the log: {}: {}\nreally: {lines:#?}",
                row.log,
                reason(error)
            ));
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n{}", wrong.join("\n"), self.story)) }
    }

    /// Whether the client was told all of this.
    fn tells(&self, told: &str) -> bool {
        let (untagged, tagged) = told.rsplit_once(" | ").unwrap_or(("", told));
        without_code(self.reply.last()).starts_with(format!("cmd {tagged}").as_bytes())
            && untagged
                .split(" | ")
                .filter(|line| !line.is_empty())
                .all(|line| self.reply.responses.iter().any(|r| r == line.as_bytes()))
    }

    /// What has changed on disk. A whole directory stands for all that is in it.
    fn changes(&self) -> String {
        let only_in = |one: &Files, other: &Files, sign: char| {
            let mut names: Vec<String> = Vec::new();
            for name in one.keys().filter(|name| !other.contains_key(*name)) {
                let is_in = |dir: &String| dir.ends_with('/') && name.starts_with(dir);
                let is_old_uid = sign == '-' && name.contains("UIDNEXT=");
                if !is_old_uid && !names.iter().any(is_in) {
                    names.push(name.clone());
                }
            }
            names.into_iter().map(|name| format!("{sign}{name}")).collect::<Vec<_>>()
        };
        let changed = |(name, text): (&String, &String)| {
            self.before.get(name).filter(|before| *before != text).map(|_| format!("*{name}"))
        };
        let mut all = only_in(&self.before, &self.after, '-');
        all.extend(only_in(&self.after, &self.before, '+'));
        all.extend(self.after.iter().filter_map(changed));
        all.join(" ")
    }
}

/// The system's words for an error.
fn reason(error: &str) -> String {
    let number = match error {
        "" => return String::new(),
        "ENOSPC" => libc::ENOSPC,
        "EDQUOT" => libc::EDQUOT,
        "EIO" => libc::EIO,
        "EACCES" => libc::EACCES,
        "EPERM" => libc::EPERM,
        "EROFS" => libc::EROFS,
        "EMFILE" => libc::EMFILE,
        "ENFILE" => libc::ENFILE,
        "ENAMETOOLONG" => libc::ENAMETOOLONG,
        "EMLINK" => libc::EMLINK,
        "EXDEV" => libc::EXDEV,
        "EINVAL" => libc::EINVAL,
        "EOPNOTSUPP" => libc::EOPNOTSUPP,
        "ESTALE" => libc::ESTALE,
        other => panic!("no error is called {other}"),
    };
    let text = std::io::Error::from_raw_os_error(number).to_string();
    text.split(" (os error").next().unwrap().to_owned()
}
