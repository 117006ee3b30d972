//! A Maildir that vanishes after the test, filled by the test itself or by sessions over it.

use crate::programs::{postrider, scratch_directory};
use crate::session::Session;
use crate::{ENVIRONMENT, PATIENCE};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// A home directory with a Maildir in it, gone when dropped.
pub struct Maildir {
    home: tempfile::TempDir,
    root: PathBuf,
}

impl Maildir {
    /// An empty Maildir below the target directory (which has no sticky bit, as imapd wants it).
    pub fn new() -> Self {
        let home = scratch("mail-");
        let root = home.path().join("Maildir");
        for sub in ["", "tmp", "new", "cur"] {
            fs::create_dir(root.join(sub)).unwrap();
        }
        Self { home, root }
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The directory that sessions start in.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where a folder lives: `INBOX`, or `INBOX.a.b` in `.a.b`.
    pub fn folder_path(&self, folder: &str) -> PathBuf {
        match folder.strip_prefix("INBOX") {
            Some(rest) => self.root.join(rest),
            None => panic!("folders are named from INBOX: {folder}"),
        }
    }

    /// Makes a folder as Courier makes it.
    pub fn folder(&self, folder: &str) -> &Self {
        let path = self.folder_path(folder);
        for sub in ["", "tmp", "new", "cur"] {
            fs::create_dir_all(path.join(sub)).unwrap();
        }
        fs::write(path.join("maildirfolder"), b"").unwrap();
        self
    }

    /// A delivery: written in `tmp`, moved to `new`.
    pub fn deliver(&self, folder: &str, name: &str, content: &[u8]) -> &Self {
        let path = self.folder_path(folder);
        fs::write(path.join("tmp").join(name), content).unwrap();
        fs::rename(path.join("tmp").join(name), path.join("new").join(name)).unwrap();
        self
    }

    /// A file of the Maildir with exactly this name and content; directories come into being as
    /// needed.
    pub fn write(&self, name: &str, content: &[u8]) -> &Self {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Sets a file's modification time (Unix seconds): the message's INTERNALDATE.
    pub fn touch(&self, name: &str, seconds: u64) -> &Self {
        let file = fs::File::open(self.root.join(name)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        self
    }

    /// Every file below the Maildir, sorted, as paths relative to it; without our index, which
    /// Courier's Maildirs do not have.
    pub fn files(&self) -> Vec<String> {
        self.files_in("")
    }

    /// The same for one directory, as paths relative to that. A session may be writing its index
    /// behind an answer: that is waited for.
    pub fn files_in(&self, dir: &str) -> Vec<String> {
        let is_passing = |file: &String| {
            let path = self.root.join(dir).join(file);
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let names = ["_state.", "_facts.", "_acls.", "_courierlock.", "courier.lock"];
            path.parent().is_some_and(|parent| parent.ends_with("tmp"))
                && names.iter().any(|passing| name.contains(passing))
        };
        let mut found = self.files_now(dir);
        for _ in 0..200 {
            if !found.iter().any(is_passing) || found.iter().any(|file| file.contains("_imapuid_"))
            {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            found = self.files_now(dir);
        }
        found
    }

    fn files_now(&self, dir: &str) -> Vec<String> {
        let mut found = Vec::new();
        let dir = self.root.join(dir);
        walk(&dir, &mut |path| {
            if (!path.is_dir() || path.is_symlink()) && !is_index(path) {
                found.push(path.strip_prefix(&dir).unwrap().to_string_lossy().into_owned());
            }
        });
        found.sort();
        found
    }

    /// What lies in the Maildir, for people.
    pub fn listing(&self) -> String {
        listing(&self.root)
    }

    /// A session of our binary with the usual environment, changed by `env` (an empty value
    /// unsets); past its greeting.
    pub fn session(&self, env: &[(&str, &str)]) -> Session {
        let mut s = self.start(&postrider(), env, &["./Maildir"]);
        let greeting = s.response(PATIENCE);
        assert!(greeting.is_some_and(|line| crate::is_greeting(&line)), "greeting\n{}", s.story());
        s
    }

    /// A session of any binary, before its greeting.
    pub fn start(&self, program: &Path, env: &[(&str, &str)], args: &[&str]) -> Session {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.home()).env_clear();
        for (name, value) in ENVIRONMENT.iter().chain(env) {
            if value.is_empty() {
                command.env_remove(name);
            } else {
                command.env(name, value);
            }
        }
        Session::spawn(command, self.root.clone())
    }
}

impl Default for Maildir {
    fn default() -> Self {
        Self::new()
    }
}

/// Calls `see` for everything below a directory. Links are not followed.
pub fn walk(dir: &Path, see: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        see(&path);
        if path.is_dir() && !path.is_symlink() {
            walk(&path, see);
        }
    }
}

/// An empty directory below `target/tmp`, gone when dropped.
pub fn scratch(prefix: &str) -> tempfile::TempDir {
    tempfile::Builder::new().prefix(prefix).tempdir_in(scratch_directory()).unwrap()
}

/// Whether this is a file of a folder's index.
pub fn is_index(path: &Path) -> bool {
    let ours = ["postrider.state", "postrider.facts", "postrider.acls"];
    path.file_name().is_some_and(|name| ours.iter().any(|our| name == *our))
}

/// What lies below a directory: mode, size, time and name, for people.
pub fn listing(root: &Path) -> String {
    let mut paths = Vec::new();
    walk(root, &mut |path| paths.push(path.to_path_buf()));
    paths.sort();
    let mut out = String::new();
    for path in paths {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        let slash = if meta.is_dir() { "/" } else { "" };
        let name = path.strip_prefix(root).unwrap_or(&path).display();
        let (mode, size, time) = (meta.mode(), meta.size(), meta.mtime());
        let _ = writeln!(out, "{mode:06o} {size:>7} {time} {name}{slash}");
    }
    out
}
