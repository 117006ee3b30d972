//! Plays a dialog on a server over a fresh Maildir, compares every answer, and records answers that
//! are still missing.

use super::pattern::{self, Variables};
use super::{Dialog, Expect, Side, Step};
use crate::text::{show, split_crlf};
use crate::{Maildir, PATIENCE, Session, maildir, now};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// What came of playing a dialog.
pub struct Outcome {
    /// Each difference between what was expected and what came, with its place.
    pub failures: Vec<String>,
    /// Everything said, for the reader of a failure.
    pub story: String,
    /// What lies on disk afterwards, times and unique names taken out.
    pub disk: BTreeMap<String, String>,
    /// In record mode: lines to add below a line of the file (counted from 0).
    pub recorded: Vec<(usize, Vec<String>)>,
}

/// A server and the answers that are expected of it.
pub type Server<'a> = (Side, &'a Path);

struct Player<'a> {
    dialog: &'a Dialog,
    /// For the sessions 1 and 3, and for 2 and 4.
    servers: [Server<'a>; 2],
    record: bool,
    maildir: Maildir,
    sessions: BTreeMap<u8, Session>,
    /// Sessions that said BYE or whose client hung up: the next `C:` starts a new one.
    gone: BTreeMap<u8, bool>,
    variables: Variables,
    failures: Vec<String>,
    recorded: Vec<(usize, Vec<String>)>,
    story: String,
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
        failures: Vec::new(),
        recorded: Vec::new(),
        story: String::new(),
    };
    player.variables.insert("DIR".to_owned(), player.maildir.home().to_string_lossy().into_owned());
    for (line, step) in &dialog.steps {
        if let Err(message) = player.step(*line, step) {
            player.failures.push(format!("{}:{}: {message}", dialog.path.display(), line + 1));
            if player.failures.len() >= 12 {
                break;
            }
        }
    }
    let open: Vec<u8> = player.sessions.keys().copied().collect();
    for session in open {
        if let Err(message) = player.end(session) {
            player
                .failures
                .push(format!("{}: session {session}: {message}", dialog.path.display()));
        }
    }
    let disk = snapshot(player.maildir.path());
    let mut story = std::mem::take(&mut player.story);
    let _ = write!(story, "--- Maildir\n{}", player.maildir.listing());
    Outcome { failures: player.failures, story, disk, recorded: player.recorded }
}

impl Player<'_> {
    fn step(&mut self, line: usize, step: &Step) -> Result<(), String> {
        let io = |e: std::io::Error| e.to_string();
        match step {
            Step::Exchange { session, sends, expects, tag, continues, blank } => {
                // In a pipeline the first command's tagged line is not the end.
                let tag = if sends.len() > 1 && !continues && !*blank { "" } else { tag };
                return self.exchange(line, *session, sends, expects, tag, *blank);
            }
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
                return self.compare(self.server(*session).0, "log", expects, &lines);
            }
            Step::Sleep(ms) => std::thread::sleep(Duration::from_millis(*ms)),
            Step::Folder(name) => {
                self.maildir.folder(name);
            }
            Step::Uidvalidity(folder, n) => {
                let path = self.maildir.folder_path(folder).join("courierimapuiddb");
                fs::write(path, format!("1 {n} 1\n")).map_err(io)?;
            }
            Step::Messages(n, folder) => {
                for k in 1..=*n {
                    let path =
                        self.maildir.folder_path(folder).join(format!("cur/{}.m{k}:2,", 1000 + k));
                    fs::write(
                        &path,
                        format!("From: sender{k}@example.com\nSubject: message {k}\n\nBody {k}\n"),
                    )
                    .map_err(io)?;
                    set_time(&path, 1_700_000_000 + 3_600 * k as u64)?;
                }
            }
            Step::File { name, lines, time } => {
                let name =
                    String::from_utf8_lossy(&name.octets(b"", &self.variables)?).into_owned();
                let mut content = Vec::new();
                for line in lines {
                    content.extend(line.octets(b"\n", &self.variables)?);
                }
                self.maildir.write(&name, &content);
                if let Some(time) = time {
                    set_time(&self.maildir.path().join(name), *time)?;
                }
            }
            Step::Touch(name, time) => set_time(&self.path(name)?, *time)?,
            Step::Mkdir(name) => fs::create_dir_all(self.maildir.path().join(name)).map_err(io)?,
            Step::Remove(name) => {
                let path = self.path(name)?;
                if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
                    .map_err(io)?;
            }
            Step::Move(from, to) => {
                fs::rename(self.path(from)?, self.maildir.path().join(to)).map_err(io)?
            }
            Step::Symlink(target, name) => {
                std::os::unix::fs::symlink(target, self.maildir.path().join(name)).map_err(io)?;
            }
            Step::Mode(name, mode) => {
                fs::set_permissions(self.path(name)?, fs::Permissions::from_mode(*mode))
                    .map_err(io)?;
            }
            Step::ExpectFile { name, expects, blank } => {
                let content = fs::read(self.path(name)?).map_err(|e| format!("{name}: {e}"))?;
                let mut lines: Vec<Vec<u8>> =
                    content.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
                match lines.pop() {
                    Some(last) if !last.is_empty() => lines.push([&last[..], b"%{raw}"].concat()),
                    _ => {}
                }
                return self.compare_or_record(line, name, expects, *blank, &lines);
            }
            Step::ExpectFiles { dir, expects, blank } => {
                // What Courier notes about folders that are not there is no matter of dialogs.
                let files = self.maildir.files_in(dir);
                let shown = files.iter().filter(|f| !f.starts_with("courierimaphieracl/"));
                let mut lines: Vec<Vec<u8>> = shown.map(|f| f.as_bytes().to_vec()).collect();
                lines.sort_by_key(|l| neutral(l));
                return self.compare_or_record(line, "files", expects, *blank, &lines);
            }
        }
        Ok(())
    }

    fn compare_or_record(
        &mut self,
        line: usize,
        what: &str,
        expects: &[Expect],
        blank: bool,
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
        self.compare(self.servers[0].0, what, expects, lines)
    }

    /// A path of the Maildir; one `*` in the last component stands for whatever makes it the name
    /// of exactly one file.
    fn path(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.maildir.path().join(name);
        let last = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((start, end)) = last.split_once('*') else {
            return Ok(path);
        };
        let dir = path.parent().unwrap_or(&path);
        let entries =
            fs::read_dir(dir).map_err(|e| format!("{name}: {e}"))?.flatten().map(|e| e.path());
        let found: Vec<PathBuf> = entries
            .filter(|p| {
                let file = p.file_name().unwrap_or_default().to_string_lossy().into_owned();
                file.len() >= start.len() + end.len()
                    && file.starts_with(start)
                    && file.ends_with(end)
            })
            .collect();
        match &found[..] {
            [one] => Ok(one.clone()),
            _ => Err(format!("{name}: {} files have such a name", found.len())),
        }
    }

    /// The session, started if it is not there.
    fn session(&mut self, number: u8, greeting: bool) -> Result<&mut Session, String> {
        if self.gone.remove(&number).is_some() {
            self.end(number)?;
            self.gone.remove(&number);
        }
        if !self.sessions.contains_key(&number) {
            let text = |text: &str| -> Result<String, String> {
                let octets = pattern::Pattern::parse(text)?.octets(b"", &self.variables)?;
                String::from_utf8(octets).map_err(|e| e.to_string())
            };
            let mut env = Vec::new();
            for (_, name, value) in
                self.dialog.env.iter().filter(|(s, _, _)| s.is_none_or(|s| s == number))
            {
                env.push((name.clone(), text(value)?));
            }
            let args: Vec<String> =
                self.dialog.args.iter().map(|a| text(a)).collect::<Result<_, _>>()?;
            let env: Vec<(&str, &str)> =
                env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let mut session = self.maildir.start(self.server(number).1, &env, &args);
            if greeting {
                let line = session.response(PATIENCE).unwrap_or_default();
                if line != b"* PREAUTH Ready." {
                    self.story.push_str(&session.story());
                    return Err(format!("greeting: {}", show(&line)));
                }
            }
            self.sessions.insert(number, session);
        }
        self.sessions.get_mut(&number).ok_or_else(|| "no session".to_owned())
    }

    /// Closes a session and sees that it goes without another word.
    fn end(&mut self, number: u8) -> Result<(), String> {
        let Some(mut session) = self.sessions.remove(&number) else {
            return Ok(());
        };
        self.gone.insert(number, true);
        session.hang_up();
        let status = session.wait();
        let rest = session.rest();
        let _ = write!(self.story, "=== session {number}\n{}", session.story());
        if !rest.is_empty() {
            return Err(format!("said at the end: {}", show(&rest)));
        }
        status
            .map(|_| ())
            .ok_or_else(|| "the process did not end when its client had gone".to_owned())
    }

    #[allow(clippy::too_many_arguments)]
    fn exchange(
        &mut self,
        line: usize,
        number: u8,
        sends: &[pattern::Pattern],
        expects: &[Expect],
        tag: &str,
        blank: bool,
    ) -> Result<(), String> {
        let mut octets = Vec::new();
        for send in sends {
            octets.extend(send.octets(b"\r\n", &self.variables)?);
        }
        if blank && !self.record {
            return Err("no answer is written here; record one with --bless".to_owned());
        }
        let side = self.server(number).0;
        let session = self.session(number, !sends.is_empty())?;
        session.send(&octets);
        let expects: Vec<&Expect> =
            expects.iter().filter(|e| e.side.is_none_or(|s| s == side)).collect();
        let Some(last) = expects.last() else {
            if blank {
                let lines = self.listen(number, tag);
                let lines = lines.iter().map(|l| self.spoken(number, l, tag)).collect();
                self.recorded.push((line, lines));
            }
            return Ok(());
        };
        let (last, wanted) = (last.pattern.clone(), last.pattern.first_word());
        let wanted = wanted.filter(|w| w != "*" && w != ")");
        let deadline = Instant::now() + PATIENCE;
        let mut responses: Vec<Vec<u8>> = Vec::new();
        let mut trial = self.variables.clone();
        let session = self.session(number, false)?;
        while let Some(response) =
            session.response(deadline.saturating_duration_since(Instant::now()))
        {
            let first = response.split(|&b| b == b' ').next().unwrap_or_default().to_vec();
            let end = split_crlf(&response).pop().unwrap_or_default().to_vec();
            responses.push(response);
            let stop = match &wanted {
                Some(word) => {
                    first == word.as_bytes()
                        || (!tag.is_empty() && tag != "*" && first == tag.as_bytes())
                }
                None => {
                    last.matches(&end, &mut trial)
                        || (!tag.is_empty() && tag != "*" && first == tag.as_bytes())
                }
            };
            if stop {
                break;
            }
        }
        if responses.iter().any(|r| r.starts_with(b"* BYE")) {
            self.gone.insert(number, true);
        }
        let lines: Vec<Vec<u8>> =
            responses.iter().flat_map(|r| split_crlf(r)).map(<[u8]>::to_vec).collect();
        let said = show(octets.strip_suffix(b"\r\n").unwrap_or(&octets));
        let expects: Vec<Expect> = expects.into_iter().cloned().collect();
        self.compare(side, &said, &expects, &lines)
    }

    /// What a server says to a command for which nothing is expected yet.
    fn listen(&mut self, number: u8, tag: &str) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let Some(session) = self.sessions.get_mut(&number) else {
            return lines;
        };
        while let Some(response) = session.response(Duration::from_millis(1500)) {
            let stop = response.starts_with(b"* NO Error in IMAP")
                || response.starts_with(b"+")
                || (tag != "*" && response.starts_with(format!("{tag} ").as_bytes()));
            if response.starts_with(b"* BYE") {
                self.gone.insert(number, true);
            }
            lines.extend(split_crlf(&response).into_iter().map(<[u8]>::to_vec));
            if stop {
                break;
            }
        }
        lines
    }

    fn spoken(&mut self, number: u8, line: &[u8], tag: &str) -> String {
        // Folders come in no defined order.
        let listed = line.starts_with(b"* LIST (") || line.starts_with(b"* LSUB (");
        let head = if number == 1 { "S".to_owned() } else { format!("S{number}") };
        match line.strip_suffix(b" NO Error in IMAP command received by server.") {
            Some(t) if t == tag.as_bytes() => format!("{head}: %{{error}}"),
            Some(t) if !t.contains(&b' ') => format!("{head}: %{{error {}}}", show(t)),
            _ if listed => format!("{head}~: {}", self.written(line)),
            _ => format!("{head}: {}", unordered_keywords(&self.written(line))),
        }
    }

    /// A received line as it is written into a dialog: what will differ the next time becomes a
    /// placeholder.
    fn written(&mut self, line: &[u8]) -> String {
        let text = show(line).replace(&*self.maildir.home().to_string_lossy(), "%{DIR}");
        let era = now() - 1_000_000_000;
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            let start = out.is_empty() || !out.ends_with(|c: char| c.is_ascii_digit() || c == '.');
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if let Some(n) = pattern::unique_name(rest.as_bytes()).filter(|_| start) {
                out.push_str("%{name}");
                rest = &rest[n..];
            } else if start
                && digits == 9
                && rest[..9].parse::<u64>().is_ok_and(|n| n.abs_diff(era) < 10_000)
            {
                let value = rest[..9].to_owned();
                let known =
                    self.variables.iter().find(|(_, v)| **v == value).map(|(k, _)| k.clone());
                let name = known.unwrap_or_else(|| match self.variables.len() {
                    0 | 1 => "V".to_owned(),
                    n => format!("V{n}"),
                });
                let _ = write!(out, "%{{{name}}}");
                self.variables.insert(name, value);
                rest = &rest[9..];
            } else if let Some(after) =
                rest.strip_prefix("time=").filter(|_| text.contains(", user="))
            {
                out.push_str("time=%{#}");
                rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            } else if start && digits > 0 {
                out.push_str(&rest[..digits]);
                rest = &rest[digits..];
            } else {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        out
    }

    fn server(&self, session: u8) -> Server<'_> {
        self.servers[usize::from(session.is_multiple_of(2))]
    }

    fn compare(
        &mut self,
        side: Side,
        what: &str,
        expects: &[Expect],
        lines: &[Vec<u8>],
    ) -> Result<(), String> {
        let expects: Vec<&Expect> =
            expects.iter().filter(|e| e.side.is_none_or(|s| s == side)).collect();
        let mut good = expects.len() == lines.len();
        let mut at = 0;
        while good && at < expects.len() {
            let group = expects[at..].iter().take_while(|e| e.unordered).count().max(1);
            let mut left: Vec<&Vec<u8>> = lines[at..at + group].iter().collect();
            for expect in &expects[at..at + group] {
                match left.iter().position(|l| expect.pattern.matches(l, &mut self.variables)) {
                    Some(found) => drop(left.remove(found)),
                    None => good = false,
                }
            }
            at += group;
        }
        if good {
            return Ok(());
        }
        let mut message = format!("{}\n", what.chars().take(300).collect::<String>());
        for n in 0..expects.len().max(lines.len()) {
            let expected = expects.get(n).map(|e| e.text.clone());
            let received = lines.get(n).map(|l| show(l));
            let same = match (expects.get(n), lines.get(n)) {
                (Some(e), Some(l)) => e.pattern.matches(l, &mut self.variables.clone()),
                _ => false,
            };
            if same {
                let _ = writeln!(message, "      {}", received.unwrap_or_default());
                continue;
            }
            if let Some(expected) = expected {
                let _ = writeln!(message, "    - {expected}");
            }
            if let Some(received) = received {
                let _ = writeln!(message, "    + {received}");
            }
        }
        Err(message)
    }
}

/// Keywords come in no defined order: `FLAGS (a b \\Seen)` becomes `FLAGS (%{set a b} \\Seen)`.
fn unordered_keywords(line: &str) -> String {
    let flags = line
        .find("FLAGS (")
        .map(|at| at + 7)
        .and_then(|from| Some((from, from + line[from..].find(')')?)));
    let Some((from, to)) = flags else { return line.to_owned() };
    let keywords: Vec<&str> = line[from..to].split(' ').filter(|w| !w.starts_with('\\')).collect();
    if keywords.len() < 2 {
        return line.to_owned();
    }
    let keywords = keywords.join(" ");
    line.replacen(&keywords, &format!("%{{set {keywords}}}"), 1)
}

fn set_time(path: &Path, seconds: u64) -> Result<(), String> {
    let file = fs::File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).map_err(|e| e.to_string())
}

/// The Maildir as far as two servers can leave the same one: modes, names and contents without
/// times and unique names.
fn snapshot(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    maildir::walk(root, &mut |path| {
        if path.components().any(|c| c.as_os_str() == "courierimaphieracl") {
            return;
        }
        let Ok(meta) = fs::symlink_metadata(path) else {
            return;
        };
        let name = neutral(path.strip_prefix(root).unwrap_or(path).to_string_lossy().as_bytes());
        let content = if meta.is_file() {
            neutral(&fs::read(path).unwrap_or_default())
        } else {
            String::new()
        };
        let content = format!("{:06o} {content}", meta.mode());
        let mut key = name.clone();
        let mut copy = 1;
        while found.contains_key(&key) {
            copy += 1;
            key = format!("{name} ({copy})");
        }
        found.insert(key, content);
    });
    found
}

/// Text without what differs from run to run.
fn neutral(octets: &[u8]) -> String {
    let era = now() - 1_000_000_000;
    let mut out = Vec::new();
    let mut rest = octets;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let number: u64 =
            std::str::from_utf8(&rest[..digits]).ok().and_then(|d| d.parse().ok()).unwrap_or(0);
        if let Some(n) = pattern::unique_name(rest) {
            out.extend_from_slice(b"NAME");
            rest = &rest[n..];
        } else if number.abs_diff(era) < 10_000 {
            out.extend_from_slice(b"UIDVALIDITY");
            rest = &rest[digits..];
        } else if number.abs_diff(now() / 300) < 10 {
            out.extend_from_slice(b"TIME");
            rest = &rest[digits..];
        } else {
            let n = digits.max(1);
            out.extend_from_slice(&rest[..n]);
            rest = &rest[n..];
        }
    }
    show(&out).replace("%{x0a}", "\n")
}
