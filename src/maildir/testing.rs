//! For tests: a Maildir that is removed after the test, and sessions of the real Courier in it if
//! that is installed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::deliver::Delivery;
use super::scan::{Mode, Scanned, Snapshot, scan};
use super::{Config, Dir, Entered, Error, Store};
use crate::types::Flags;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A Maildir `M` in a temporary directory, and a folder in it (`M` itself, unless made by
/// [`TestFolder::sub`]).
pub(super) struct TestFolder {
    pub(super) root: std::rc::Rc<tempfile::TempDir>,
    pub(super) dir: Dir,
    pub(super) store: Store,
}

/// The real Courier, if it is installed.
const COURIER: &str = "/usr/bin/imapd";

impl TestFolder {
    /// Empty; nothing is synced, which only costs time here.
    pub(super) fn new() -> TestFolder {
        TestFolder::with(Config { fsync: false, ..Config::default() })
    }

    pub(super) fn with(config: Config) -> TestFolder {
        let root = std::rc::Rc::new(tempfile::tempdir().unwrap());
        let folder =
            TestFolder { dir: Dir::at(root.path().join("M")), store: Store::new(config), root };
        std::fs::create_dir(folder.dir.path()).unwrap();
        for sub in ["cur", "new", "tmp"] {
            std::fs::create_dir(folder.path(sub)).unwrap();
        }
        folder
    }

    /// With messages in `cur`.
    pub(super) fn of(names: &[&str]) -> TestFolder {
        let folder = TestFolder::new();
        for name in names {
            folder.put(&format!("cur/{name}"));
        }
        folder
    }

    /// The folder `.<name>` in the same Maildir, as another session has it.
    pub(super) fn sub(&self, name: &str) -> TestFolder {
        let dir = Dir::at(self.dir.path().join(format!(".{name}")));
        TestFolder { root: self.root.clone(), dir, store: Store::new(self.store.config.clone()) }
    }

    /// The folder, entered now.
    pub(super) fn enter(&self) -> Entered {
        self.dir.enter().unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file whose content is its name.
    pub(super) fn put(&self, name: &str) {
        self.write(name, &format!("Subject: {name}\n\ntext\n"));
    }

    pub(super) fn write(&self, name: &str, content: &str) {
        if let Some(parent) = self.path(name).parent() {
            std::fs::create_dir_all(parent).unwrap();
        }
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> String {
        String::from_utf8(std::fs::read(self.path(name)).unwrap_or_else(|e| e.to_string().into()))
            .unwrap()
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap();
    }

    /// What a directory holds, sorted.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        list(&self.path(name))
    }

    pub(super) fn uids(&self) -> String {
        self.read("courierimapuiddb")
    }

    pub(super) fn set_uids(&self, content: &str) {
        self.write("courierimapuiddb", content);
    }

    pub(super) fn scan(&self) -> Snapshot {
        self.try_scan(Mode::ReadWrite, None, vec![]).unwrap().snapshot
    }

    pub(super) fn try_scan(
        &self,
        mode: Mode,
        previous: Option<&Snapshot>,
        deliveries: Vec<Delivery>,
    ) -> Result<Scanned, Error> {
        let entered = self.dir.enter().map_err(Error::about("opening", self.dir.path()))?;
        scan(&self.store, &entered, mode, previous, deliveries)
    }

    /// Sets a file's modification time so many seconds back.
    pub(super) fn age(&self, name: &str, seconds: i64) {
        crate::sys::fs::set_mtime(&self.path(name), crate::sys::clock::now().0 - seconds).unwrap();
    }

    /// A finished delivery to here.
    pub(super) fn delivery(&self, text: &str, flags: Flags, keywords: &[&str]) -> Delivery {
        let mut delivery = Delivery::create(&self.store, &self.enter(), None).unwrap();
        delivery.write(text.as_bytes()).unwrap();
        let keywords = keywords.iter().map(|k| k.as_bytes().to_vec()).collect();
        delivery.finish(&self.store, flags, keywords, None).unwrap();
        delivery
    }

    /// Plays a session of the real Courier in this Maildir; `None` if it is not installed.
    pub(super) fn courier(&self, commands: &[&str]) -> Option<String> {
        let version = Command::new(COURIER).arg("--version").env_clear().output().ok()?;
        if !String::from_utf8_lossy(&version.stdout).contains("Courier-IMAP") {
            return None;
        }
        let mut child = Command::new(COURIER)
            .arg("M")
            .env_clear()
            .envs([("AUTHENTICATED", "u"), ("IMAP_KEYWORDS", "1"), ("IMAP_USELOCKS", "1")])
            .current_dir(self.root.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input =
            commands.iter().enumerate().map(|(n, c)| format!("a{n} {c}\r\n")).collect::<String>()
                + "z LOGOUT\r\n";
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

pub(super) fn list(path: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return vec!["(none)".into()] };
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A snapshot as text: UID, file name, `*` for recent, keywords; one message a line.
pub(super) fn show(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    let m = &snapshot.messages;
    for i in 0..m.len() {
        let name = m.file_name(i);
        out += &format!(
            "{} {}{}",
            m.uid(i).unwrap(),
            String::from_utf8_lossy(&name),
            if m.recent(i) { " *" } else { "" }
        );
        for keyword in snapshot.keywords.names_of(m.keywords(i)) {
            out += &format!(" {}", String::from_utf8_lossy(keyword));
        }
        out += "\n";
    }
    out
}
