//! How each server is started: the same account, the same environment as a login would give,
//! everything else empty.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ours,
    Courier,
    Dovecot,
}

#[derive(Debug, Clone)]
pub struct Server {
    pub kind: Kind,
    pub name: &'static str,
    pub program: PathBuf,
    /// Holds `Maildir`, and is where the session starts.
    pub home: PathBuf,
    /// Before the name of a folder.
    pub prefix: &'static str,
    /// `ulimit -v` in KiB.
    pub limit: Option<u64>,
    /// Whether the kernel refuses inotify, so that IDLE polls.
    pub polls: bool,
}

/// A shell in a user namespace, where it may set limits.
fn in_namespace() -> Command {
    let mut unshare = Command::new("/usr/bin/unshare");
    unshare.args(["--user", "--map-root-user", "/bin/sh"]);
    unshare
}

const WITHOUT_INOTIFY: &str = "echo 0 > /proc/sys/user/max_inotify_instances || exit";

/// Whether [`Server::without_inotify`] can be had here.
pub fn has_namespaces() -> bool {
    in_namespace().args(["-c", WITHOUT_INOTIFY]).status().is_ok_and(|s| s.success())
}

/// What Courier's start script sets, as Debian ships it.
const COURIER: &[(&str, &str)] = &[
    ("AUTHENTICATED", "bench"),
    ("IMAP_ACL", "1"),
    (
        "IMAP_CAPABILITY",
        "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE",
    ),
    ("IMAP_EMPTYTRASH", "Trash:7"),
    ("IMAP_ENHANCEDIDLE", "1"),
    ("IMAP_IDLE_TIMEOUT", "60"),
    ("IMAP_KEYWORDS", "1"),
    ("IMAP_TRASHFOLDERNAME", "Trash"),
    ("IMAP_USELOCKS", "1"),
];

impl Server {
    pub fn new(kind: Kind, program: PathBuf, base: &Path) -> Self {
        let (name, prefix) = match kind {
            Kind::Ours => ("Postrider", "INBOX."),
            Kind::Courier => ("Courier", "INBOX."),
            Kind::Dovecot => ("Dovecot", ""),
        };
        Self { kind, name, program, home: base.join(name), prefix, limit: None, polls: false }
    }

    /// The same server in a user namespace whose limit of inotify instances is 0.
    pub fn without_inotify(&self, base: &Path) -> Self {
        let name = "Postrider, polling";
        Self { name, home: base.join(name), polls: true, ..self.clone() }
    }

    pub fn maildir(&self) -> PathBuf {
        self.home.join("Maildir")
    }

    /// The directory of a folder below the inbox.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.maildir().join(format!(".{name}"))
    }

    /// A command ready to be spawned. `sync`: as shipped; without it nothing is synced to disk.
    pub fn command(&self, sync: bool) -> io::Result<Command> {
        let shell = |first: &str, mut command: Command| {
            command.arg("-c").arg(format!("{first}; exec \"$0\" \"$@\"")).arg(&self.program);
            command
        };
        let mut command = match self.limit {
            _ if self.polls => shell(WITHOUT_INOTIFY, in_namespace()),
            Some(limit) => shell(&format!("ulimit -v {limit}"), Command::new("/bin/sh")),
            None => Command::new(&self.program),
        };
        command.env_clear().current_dir(&self.home);
        match self.kind {
            Kind::Ours | Kind::Courier => {
                command.envs(COURIER.iter().copied()).arg("./Maildir");
                if !sync {
                    command.env("IMAP_FSYNC", "0");
                }
            }
            Kind::Dovecot => {
                // No configuration file: -O; the packaged libraries lie beside the program.
                let libraries = self.program.parent().unwrap_or(Path::new("/"));
                command
                    .env("LD_LIBRARY_PATH", libraries)
                    .env("USER", "bench")
                    .env("HOME", &self.home);
                command.args([
                    "-O",
                    "-o",
                    &format!("mail_location=maildir:{}", self.maildir().display()),
                ]);
                command.args([
                    "-o",
                    "log_path=/dev/stderr",
                    "-o",
                    "maildir_copy_with_hardlinks=yes",
                ]);
                if !sync {
                    command.args(["-o", "mail_fsync=never"]);
                }
            }
        }
        let log = File::options().create(true).append(true).open(self.home.join("log"))?;
        command.stderr(log);
        Ok(command)
    }
}

/// The figures of a process, in KiB, from /proc.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    pub pss: u64,
    pub dirty: u64,
    pub peak: u64,
}

impl Memory {
    pub fn of(pid: u32) -> io::Result<Self> {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(Self {
            pss: field(&rollup, "Pss:"),
            dirty: field(&rollup, "Private_Dirty:"),
            peak: field(&status, "VmHWM:"),
        })
    }
}

/// The number after a name in one of /proc's tables; 0 where there is none.
pub fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|l| l.strip_prefix(name));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
