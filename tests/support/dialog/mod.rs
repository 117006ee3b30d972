//! Dialogs: sessions as they are typed, with what each of the two servers answers, in text files.
//! See `tests/dialogs/README.md`.

mod disk;
mod exchange;
pub mod pattern;
pub mod play;
mod read;
mod record;

use pattern::Pattern;
use std::path::{Path, PathBuf};

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// Ours as it is shipped.
    Postrider,
    /// Ours with `IMAP_EXTENSIONS=0`: Courier's wire, corrected.
    CourierWire,
    /// The original.
    Courier,
}

/// Which side a marked line belongs to: `[ours ROW]` or `[courier ROW]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Ours,
    Courier,
}

/// The row of the lines that `IMAP_EXTENSIONS=0` takes away, or brings back.
pub const EXTENSION: &str = "extension";

/// Why something is of one side only: the side, and the row of the table of differences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub side: Side,
    pub row: String,
}

impl Mark {
    /// Whether what is marked is expected of this speaker.
    pub fn covers(&self, speaker: Speaker) -> bool {
        match (self.side, self.row == EXTENSION) {
            (Side::Ours, true) => speaker == Speaker::Postrider,
            (Side::Courier, true) => speaker != Speaker::Postrider,
            (Side::Ours, false) => speaker != Speaker::Courier,
            (Side::Courier, false) => speaker == Speaker::Courier,
        }
    }
}

/// One expected line: of an answer, a log or a file.
#[derive(Debug, Clone)]
pub struct Expect {
    /// None: whoever speaks.
    pub mark: Option<Mark>,
    pub unordered: bool,
    pub pattern: Pattern,
    pub text: String,
}

impl Expect {
    fn is_of(&self, speaker: Speaker) -> bool {
        self.mark.as_ref().is_none_or(|mark| mark.covers(speaker))
    }
}

/// Lines sent and the answer expected.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub session: u8,
    /// Empty: the server speaks by itself.
    pub sends: Vec<Pattern>,
    pub expects: Vec<Expect>,
    pub tag: String,
    /// More of a command whose continuation was answered.
    pub continues: bool,
    /// No answer is written down yet.
    pub blank: bool,
}

#[derive(Debug, Clone)]
pub enum Step {
    Exchange(Exchange),
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
    /// Milliseconds.
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

impl Step {
    fn expects(&self) -> &[Expect] {
        match self {
            Step::Exchange(Exchange { expects, .. })
            | Step::Log { expects, .. }
            | Step::ExpectFile { expects, .. }
            | Step::ExpectFiles { expects, .. } => expects,
            _ => &[],
        }
    }
}

/// A parsed dialog. Each step knows the last of its lines in the file, so that answers can be
/// recorded below it.
#[derive(Debug, Clone)]
pub struct Dialog {
    pub name: String,
    pub path: PathBuf,
    /// By session; None: all of them.
    pub env: Vec<(Option<u8>, String, String)>,
    pub args: Vec<String>,
    /// The dialog has a meaning for one side only.
    pub only: Option<Mark>,
    /// Both servers must leave the same Maildir, apart from times and unique names.
    pub same_disk: bool,
    /// Also played with one server for the odd sessions and the other for the even ones.
    pub mixed: bool,
    pub steps: Vec<(usize, Step)>,
}

impl Dialog {
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut dialog = Self {
            name: name_of(path),
            path: path.to_owned(),
            env: Vec::new(),
            args: vec!["./Maildir".to_owned()],
            only: None,
            same_disk: false,
            mixed: false,
            steps: Vec::new(),
        };
        for (number, line) in text.lines().enumerate() {
            let failed = |e| format!("{}:{}: {e}", path.display(), number + 1);
            dialog.line(number, line).map_err(failed)?;
        }
        dialog.lengths();
        Ok(dialog)
    }

    /// Whether the dialog has a meaning for this speaker.
    pub fn is_for(&self, speaker: Speaker) -> bool {
        self.only.as_ref().is_none_or(|mark| mark.covers(speaker))
    }

    /// The rows of the table of differences that this dialog names.
    pub fn rows(&self) -> Vec<&str> {
        let marks = self.steps.iter().flat_map(|(_, step)| step.expects());
        let marks = self.only.iter().chain(marks.filter_map(|e| e.mark.as_ref()));
        marks.map(|mark| mark.row.as_str()).filter(|row| *row != EXTENSION).collect()
    }

    /// How many commands are sent.
    pub fn commands(&self) -> usize {
        let sent = |step: &Step| match step {
            Step::Exchange(e) => !e.continues && !e.sends.is_empty(),
            _ => false,
        };
        self.steps.iter().filter(|(_, step)| sent(step)).count()
    }

    /// How many answers differ between Courier and ours on Courier's wire.
    pub fn differences(&self) -> usize {
        let differs = |e: &Expect| e.mark.as_ref().is_some_and(|mark| mark.row != EXTENSION);
        self.steps.iter().filter(|(_, step)| step.expects().iter().any(differs)).count()
    }
}

/// The paths of a directory's dialogs, by name.
pub fn paths(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "dialog"))
        .collect();
    paths.sort();
    paths
}

/// `select` for `tests/dialogs/select.dialog`.
pub fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
