//! How each server is started: the same account, the same environment as a login would give,
//! everything else empty.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

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
    /// Of the others, as they tell it: "2.4.1".
    pub version: String,
    /// Dovecot's settings since 2.4, as its master hands them to each session.
    settings: Option<Arc<OwnedFd>>,
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
    pub fn new(kind: Kind, program: PathBuf, base: &Path) -> io::Result<Self> {
        let (name, prefix) = match kind {
            Kind::Ours => ("Postrider", "INBOX."),
            Kind::Courier => ("Courier", "INBOX."),
            Kind::Dovecot => ("Dovecot", ""),
        };
        let version = version(kind, &program)?;
        let home = base.join(name);
        let settings = match kind {
            Kind::Dovecot if !version.starts_with("2.3") => {
                fs::create_dir_all(&home)?;
                Some(Arc::new(settings(&program, &version, &home)?))
            }
            _ => None,
        };
        let limit = None;
        Ok(Self { kind, name, program, version, settings, home, prefix, limit, polls: false })
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
            Kind::Dovecot => self.dovecot(&mut command, sync),
        }
        let log = File::options().create(true).append(true).open(self.home.join("log"))?;
        command.stderr(log);
        Ok(command)
    }

    fn dovecot(&self, command: &mut Command, sync: bool) {
        command
            .env("LD_LIBRARY_PATH", libraries(&self.program))
            .env("USER", "bench")
            .env("HOME", &self.home);
        if let Some(settings) = &self.settings {
            command.env("DOVECOT_CONFIG_FD", settings.as_raw_fd().to_string());
        } else {
            // The defaults, without a configuration file.
            let location = format!("mail_location=maildir:{}", self.maildir().display());
            command.args(["-O", "-o", &location, "-o", "log_path=/dev/stderr"]);
        }
        if !sync {
            command.args(["-o", "mail_fsync=never"]);
        }
    }
}

/// All settings of Dovecot, which are its defaults but for the place of the mail, in the form in
/// which its master hands them on: an open file. Without one (-O), 2.4 would not know what it keeps
/// in its cache.
fn settings(program: &Path, version: &str, home: &Path) -> io::Result<OwnedFd> {
    let (text, binary) = (home.join("dovecot.conf"), home.join("dovecot.settings"));
    let lines = [
        format!("dovecot_config_version = {version}"),
        format!("dovecot_storage_version = {version}"),
        "mail_driver = maildir".to_owned(),
        format!("mail_path = {}/Maildir", home.display()),
        "log_path = /dev/stderr\n".to_owned(),
    ];
    fs::write(&text, lines.join("\n"))?;
    let doveconf = libraries(program).join("../../bin/doveconf");
    let mut command = Command::new(&doveconf);
    command.env_clear().arg("-F").arg("-c").arg(&text);
    command.args(["/bin/sh", "-c", "cat <&$DOVECOT_CONFIG_FD"]).stdout(File::create(&binary)?);
    if !command.status()?.success() {
        return Err(io::Error::other(format!("{} failed", doveconf.display())));
    }
    let file = File::open(&binary)?;
    // SAFETY: the descriptor is open; its copy, which children inherit, belongs to nobody else.
    match unsafe { libc::dup(file.as_raw_fd()) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: as above.
        copy => Ok(unsafe { OwnedFd::from_raw_fd(copy) }),
    }
}

/// Where the libraries of a packaged Dovecot lie.
fn libraries(program: &Path) -> &Path {
    program.parent().unwrap_or(Path::new("/"))
}

/// What the program, or the one beside it, says of its version.
fn version(kind: Kind, program: &Path) -> io::Result<String> {
    let (asked, before) = match kind {
        Kind::Ours => return Ok(String::new()),
        Kind::Courier => (program.to_owned(), "Courier-IMAP "),
        Kind::Dovecot => (libraries(program).join("../../sbin/dovecot"), ""),
    };
    let mut command = Command::new(&asked);
    let output = command.arg("--version").env("LD_LIBRARY_PATH", libraries(program)).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_once(before).map_or("", |(_, rest)| rest);
    let version = version.split(|c: char| c != '.' && !c.is_ascii_digit()).next().unwrap_or("");
    if version.is_empty() {
        return Err(io::Error::other(format!("{} tells no version", asked.display())));
    }
    Ok(version.to_owned())
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
