//! Reads a dialog file: a session as it is typed, with what each of the two servers answers. See
//! `tests/dialogs/README.md`.

pub mod pattern;
pub mod play;

use pattern::Pattern;
use std::path::{Path, PathBuf};

/// Which of the two servers plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Ours,
    Courier,
}

/// One expected line: of an answer, a log or a file.
#[derive(Debug, Clone)]
pub struct Expect {
    /// None: both servers.
    pub side: Option<Side>,
    /// The row in the table of differences, for a line of one side.
    pub row: Option<String>,
    pub unordered: bool,
    pub pattern: Pattern,
    pub text: String,
}

#[derive(Debug, Clone)]
pub enum Step {
    /// Lines sent and the answer expected. `sends` empty: the server speaks by itself.
    Exchange {
        session: u8,
        sends: Vec<Pattern>,
        expects: Vec<Expect>,
        tag: String,
        continues: bool,
        blank: bool,
    },
    /// The client goes away.
    HangUp(u8),
    Signal(u8, String),
    /// The process ends by itself or by a hang-up: its exit status.
    Exit(u8, i32),
    /// The process has ended: its log.
    Log {
        session: u8,
        expects: Vec<Expect>,
        blank: bool,
    },
    Sleep(u64),
    Folder(String),
    Uidvalidity(String, u64),
    Messages(usize, String),
    File {
        name: Pattern,
        lines: Vec<Pattern>,
        time: Option<u64>,
    },
    Touch(String, u64),
    Mkdir(String),
    Remove(String),
    Move(String, String),
    Symlink(String, String),
    Mode(String, u32),
    ExpectFile {
        name: String,
        expects: Vec<Expect>,
        blank: bool,
    },
    ExpectFiles {
        dir: String,
        expects: Vec<Expect>,
        blank: bool,
    },
}

/// A parsed dialog. Each step knows the last of its lines in the file, so that answers can be
/// recorded below it.
#[derive(Debug, Clone)]
pub struct Dialog {
    pub name: String,
    pub path: PathBuf,
    /// None: all sessions.
    pub env: Vec<(Option<u8>, String, String)>,
    pub args: Vec<String>,
    /// The dialog has a meaning for one side only; with the row that says why.
    pub only: Option<(Side, String)>,
    /// Both servers must leave the same Maildir, apart from times and unique names.
    pub same_disk: bool,
    /// Also played with one server for the odd sessions and the other for the even ones.
    pub mixed: bool,
    pub steps: Vec<(usize, Step)>,
}

impl Dialog {
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut dialog = Self {
            name,
            path: path.to_owned(),
            env: Vec::new(),
            args: vec!["./Maildir".to_owned()],
            only: None,
            same_disk: false,
            mixed: false,
            steps: Vec::new(),
        };
        for (number, line) in text.lines().enumerate() {
            dialog
                .line(number, line)
                .map_err(|e| format!("{}:{}: {e}", path.display(), number + 1))?;
        }
        dialog.lengths();
        Ok(dialog)
    }

    /// The rows of the table of differences that this dialog names.
    pub fn rows(&self) -> Vec<&str> {
        let marked = self.steps.iter().flat_map(|(_, step)| match step {
            Step::Exchange { expects, .. }
            | Step::Log { expects, .. }
            | Step::ExpectFile { expects, .. }
            | Step::ExpectFiles { expects, .. } => expects.as_slice(),
            _ => &[],
        });
        let only = self.only.iter().map(|(_, row)| row.as_str());
        only.chain(marked.filter_map(|e| e.row.as_deref())).collect()
    }

    /// How many commands are sent.
    pub fn commands(&self) -> usize {
        self.steps
            .iter()
            .filter(|(_, s)| matches!(s, Step::Exchange { continues: false, sends, .. } if !sends.is_empty()))
            .count()
    }

    /// How many answers differ between the servers.
    pub fn differences(&self) -> usize {
        let differs = |step: &Step| match step {
            Step::Exchange { expects, .. } | Step::Log { expects, .. } => {
                expects.iter().any(|e| e.row.is_some())
            }
            Step::ExpectFile { expects, .. } | Step::ExpectFiles { expects, .. } => {
                expects.iter().any(|e| e.row.is_some())
            }
            _ => false,
        };
        self.steps.iter().filter(|(_, s)| differs(s)).count()
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(text) = line.strip_prefix('|') {
            return self.content(number, text);
        }
        if let Some((head, text)) = split_head(line) {
            return self.speech(number, head, text);
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let step = match (word, &words[..]) {
            _ if word.starts_with("env") => {
                let session = session_of(&word[3..])?;
                let (name, value) = rest.split_once('=').ok_or("env NAME=VALUE")?;
                self.env.push((
                    (word != "env").then_some(session),
                    name.to_owned(),
                    value.to_owned(),
                ));
                return Ok(());
            }
            ("args", _) => {
                self.args = words.iter().map(|w| (*w).to_owned()).collect();
                return Ok(());
            }
            ("only", ["ours", row]) => {
                self.only = Some((Side::Ours, (*row).to_owned()));
                return Ok(());
            }
            ("only", ["courier", row]) => {
                self.only = Some((Side::Courier, (*row).to_owned()));
                return Ok(());
            }
            ("same", ["disk"]) => {
                self.same_disk = true;
                return Ok(());
            }
            ("mixed", []) => {
                self.mixed = true;
                return Ok(());
            }
            ("hangup", []) => Step::HangUp(1),
            ("hangup", [n]) => Step::HangUp(session_of(n)?),
            ("signal", [name]) => Step::Signal(1, (*name).to_owned()),
            ("exit", [code]) => Step::Exit(1, code.parse().map_err(|_| "exit CODE")?),
            ("exit", [n, code]) => {
                Step::Exit(session_of(n)?, code.parse().map_err(|_| "exit SESSION CODE")?)
            }
            ("sleep", [ms]) => Step::Sleep(ms.parse().map_err(|_| "sleep MILLISECONDS")?),
            ("folder", _) => Step::Folder(rest.to_owned()),
            ("uidvalidity", _) => {
                let (folder, n) = rest.rsplit_once(' ').ok_or("uidvalidity FOLDER N")?;
                Step::Uidvalidity(folder.to_owned(), n.parse().map_err(|_| "a number")?)
            }
            ("messages", [n]) => {
                Step::Messages(n.parse().map_err(|_| "a number")?, "INBOX".to_owned())
            }
            ("messages", [n, folder]) => {
                Step::Messages(n.parse().map_err(|_| "a number")?, (*folder).to_owned())
            }
            ("file", _) => {
                let (name, time) = with_time(rest)?;
                Step::File { name: Pattern::parse(name)?, lines: Vec::new(), time }
            }
            ("touch", _) => match with_time(rest)? {
                (name, Some(time)) => Step::Touch(name.to_owned(), time),
                _ => return Err("touch FILE @ 2024-01-31 12:00:00".to_owned()),
            },
            ("mkdir", [name]) => Step::Mkdir((*name).to_owned()),
            ("rm", [name]) => Step::Remove((*name).to_owned()),
            ("mv", [from, to]) => Step::Move((*from).to_owned(), (*to).to_owned()),
            ("symlink", [target, name]) => Step::Symlink((*target).to_owned(), (*name).to_owned()),
            ("mode", [mode, name]) => Step::Mode(
                (*name).to_owned(),
                u32::from_str_radix(mode, 8).map_err(|_| "an octal mode")?,
            ),
            ("expect", ["file", name]) => {
                Step::ExpectFile { name: (*name).to_owned(), expects: Vec::new(), blank: true }
            }
            ("expect", ["files"]) => {
                Step::ExpectFiles { dir: String::new(), expects: Vec::new(), blank: true }
            }
            ("expect", ["files", dir]) => {
                Step::ExpectFiles { dir: (*dir).to_owned(), expects: Vec::new(), blank: true }
            }
            _ => return Err(format!("what is this? {line}")),
        };
        self.steps.push((number, step));
        Ok(())
    }

    /// A `|` line: content of the file, or an expected line of the file or listing, named above it.
    fn content(&mut self, number: usize, text: &str) -> Result<(), String> {
        let Some((last, step)) = self.steps.last_mut() else {
            return Err("content of what?".to_owned());
        };
        *last = number;
        match step {
            Step::File { lines, .. } => {
                lines.push(Pattern::parse(text.strip_prefix(' ').unwrap_or(text))?)
            }
            Step::ExpectFile { expects, blank, .. } | Step::ExpectFiles { expects, blank, .. } => {
                let unordered = text.starts_with('~');
                let text = text.trim_start_matches('~');
                let (mark, text) = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
                    Some((mark, text)) => (Some(mark), text),
                    None => (None, text),
                };
                *blank = false;
                if text.trim() != "(none)" {
                    expects.push(expect(mark, unordered, text.strip_prefix(' ').unwrap_or(text))?);
                }
            }
            _ => return Err("content of what?".to_owned()),
        }
        Ok(())
    }

    /// A line that somebody says: `C:`, `C&:`, `S:`, `S2~:`, `S[ours row]:`, `L:`.
    fn speech(&mut self, number: usize, head: &str, text: &str) -> Result<(), String> {
        let (who, mark) = match head.strip_suffix(']').and_then(|h| h.split_once('[')) {
            Some((who, mark)) => (who, Some(mark)),
            None => (head, None),
        };
        let unordered = who.ends_with('~');
        let more = who.ends_with('&');
        let who = who.trim_end_matches(['~', '&']);
        let session = session_of(&who[1..])?;
        let last = self.steps.last_mut();
        match who.as_bytes()[0] {
            b'C' => {
                let pattern = Pattern::parse(text)?;
                if let Some((at, Step::Exchange { session: s, sends, expects, blank, .. })) = last
                    && *s == session
                    && expects.is_empty()
                    && !*blank
                {
                    (*at, *blank) = (number, !more);
                    sends.push(pattern);
                    return Ok(());
                }
                let before = self.steps.iter().rev().find_map(|(_, s)| match s {
                    Step::Exchange { session: s, expects, tag, .. } if *s == session => {
                        Some((expects, tag.clone()))
                    }
                    _ => None,
                });
                let continues = before
                    .as_ref()
                    .is_some_and(|(e, _)| e.last().is_some_and(|e| e.text.starts_with('+')));
                let tag = match before {
                    Some((_, tag)) if continues => tag,
                    _ => text.split_whitespace().next().unwrap_or("*").to_owned(),
                };
                let (sends, expects) = (vec![pattern], Vec::new());
                self.steps.push((
                    number,
                    Step::Exchange { session, sends, expects, tag, continues, blank: !more },
                ));
            }
            b'S' => {
                let new = match last {
                    Some((at, Step::Exchange { session: s, expects, tag, blank, .. }))
                        if *s == session =>
                    {
                        (*at, *blank) = (number, false);
                        expects.extend(answers(mark, unordered, text, tag)?);
                        return Ok(());
                    }
                    _ => answers(mark, unordered, text, "*")?,
                };
                let (sends, tag) = (Vec::new(), String::new());
                self.steps.push((
                    number,
                    Step::Exchange {
                        session,
                        sends,
                        expects: new,
                        tag,
                        continues: true,
                        blank: false,
                    },
                ));
            }
            _ => {
                let record = text == "?";
                let new = if record { Vec::new() } else { vec![expect(mark, unordered, text)?] };
                match last {
                    Some((at, Step::Log { session: s, expects, .. })) if *s == session => {
                        *at = number;
                        expects.extend(new);
                    }
                    _ => self
                        .steps
                        .push((number, Step::Log { session, expects: new, blank: record })),
                }
            }
        }
        Ok(())
    }

    /// Fills in each `%{len}`: the octets of the lines that follow it, up to the line end that
    /// closes the command.
    fn lengths(&mut self) {
        let mut lines: Vec<(usize, usize, u8, bool)> = Vec::new();
        for (at, (_, step)) in self.steps.iter().enumerate() {
            if let Step::Exchange { session, sends, .. } = step {
                lines.extend((0..sends.len()).map(|n| (at, n, *session, n + 1 == sends.len())));
            }
        }
        for (k, &(at, n, session, _)) in lines.iter().enumerate() {
            let mut length = 0;
            for &(at, n, s, last) in &lines[k + 1..] {
                let Step::Exchange { sends, .. } = &self.steps[at].1 else {
                    continue;
                };
                if s == session {
                    length += sends[n]
                        .octets(b"\r\n", &std::collections::BTreeMap::new())
                        .map_or(0, |o| o.len());
                    if last {
                        break;
                    }
                }
            }
            if let Step::Exchange { sends, .. } = &mut self.steps[at].1 {
                sends[n].set_length(length.saturating_sub(2));
            }
        }
    }
}

/// `C: text` and its kin: the head without the colon, and the text.
fn split_head(line: &str) -> Option<(&str, &str)> {
    let (head, text) = line.split_once(':')?;
    let known = head.starts_with(['C', 'S', 'L'])
        && head[1..].starts_with(['[', '~', '&', '2', '3', '4'])
        || head.len() == 1;
    known.then(|| (head, text.strip_prefix(' ').unwrap_or(text)))
}

fn session_of(text: &str) -> Result<u8, String> {
    if text.is_empty() { Ok(1) } else { text.parse().map_err(|_| format!("session {text}?")) }
}

fn expect(mark: Option<&str>, unordered: bool, text: &str) -> Result<Expect, String> {
    let (side, row) = match mark.map(|m| m.split_once(' ')) {
        None => (None, None),
        Some(Some(("ours", row))) => (Some(Side::Ours), Some(row.to_owned())),
        Some(Some(("courier", row))) => (Some(Side::Courier), Some(row.to_owned())),
        _ => return Err("a mark is [ours ROW] or [courier ROW]".to_owned()),
    };
    Ok(Expect { side, row, unordered, pattern: Pattern::parse(text)?, text: text.to_owned() })
}

/// An `S:` line; `%{error}` stands for the two servers' answers to a protocol error.
fn answers(
    mark: Option<&str>,
    unordered: bool,
    text: &str,
    tag: &str,
) -> Result<Vec<Expect>, String> {
    let tag = match text.strip_prefix("%{error").and_then(|t| t.strip_suffix('}')) {
        Some("") => tag,
        Some(tag) => tag.trim_start(),
        None => return Ok(vec![expect(mark, unordered, text)?]),
    };
    Ok(vec![
        expect(
            Some("ours bad-for-syntax"),
            false,
            &format!("{tag} BAD Error in IMAP command received by server."),
        )?,
        expect(
            Some("courier bad-for-syntax"),
            false,
            &format!("{tag} NO Error in IMAP command received by server."),
        )?,
    ])
}

/// `NAME @ 2024-01-31 12:00:00`: the name, and the time in Unix seconds (UTC).
fn with_time(text: &str) -> Result<(&str, Option<u64>), String> {
    let Some((name, time)) = text.split_once(" @ ") else {
        return Ok((text, None));
    };
    let numbers: Vec<u64> = time.split(['-', ' ', ':']).map_while(|n| n.parse().ok()).collect();
    let [year, month, day, hour, minute, second] = numbers[..] else {
        return Err("a time is 2024-01-31 12:00:00".to_owned());
    };
    // Days from the civil date, counted from 1 March of year 0.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Ok((name, Some(days * 86_400 + hour * 3_600 + minute * 60 + second)))
}
