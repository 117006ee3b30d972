//! One of the two hosts: its sessions, and its view of the files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::{ENVIRONMENT, Session};

/// A host, by the process that holds its namespaces.
pub struct Host {
    pid: u32,
    /// Where the volume is mounted, as the host sees it.
    mail: PathBuf,
    courier: PathBuf,
}

/// Both.
pub struct Cluster {
    pub one: Host,
    pub two: Host,
}

impl Host {
    pub fn new(pid: u32, mail: &Path, courier: &Path) -> Host {
        Host { pid, mail: mail.to_owned(), courier: courier.to_owned() }
    }

    /// A path below the volume, by which we see what the host sees.
    pub fn path(&self, below: &str) -> PathBuf {
        let seen = self.mail.strip_prefix("/").unwrap();
        Path::new("/proc").join(self.pid.to_string()).join("root").join(seen).join(below)
    }

    /// An account: a home directory with an empty Maildir.
    pub fn account(&self, home: &str) {
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(self.path(&format!("{home}/Maildir/{sub}"))).unwrap();
        }
    }

    fn spawn(&self, program: &Path, home: &str, env: &[(&str, &str)]) -> Session {
        let mut command = Command::new("/usr/bin/nsenter");
        command.args(["-t", &self.pid.to_string(), "-m", "-n", "-u", "--", "/bin/sh", "-c"]);
        command.arg("cd \"$0\" && exec \"$@\"").arg(self.mail.join(home));
        command.arg(program).arg("./Maildir").env_clear();
        // The name of the host is its own.
        command.envs(ENVIRONMENT.iter().copied().filter(|(name, _)| *name != "HOSTNAME"));
        command.envs(env.iter().copied());
        let mut session = Session::spawn(command, self.path(&format!("{home}/Maildir")));
        let greeting = session.line();
        assert!(greeting.starts_with("* PREAUTH"), "{greeting}\n{}", session.story());
        session
    }

    /// A session of ours on this host.
    pub fn session(&self, home: &str) -> Session {
        self.spawn(&support::postrider(), home, &[])
    }

    /// One of Courier's imapd; `None` if it is not installed.
    pub fn courier(&self, home: &str) -> Option<Session> {
        let capability = [("IMAP_CAPABILITY", "IMAP4rev1 UIDPLUS"), ("IMAP_USELOCKS", "1")];
        support::is_program(&self.courier).then(|| self.spawn(&self.courier, home, &capability))
    }

    /// A delivery on this host: written in `tmp`, moved to `new`.
    pub fn deliver(&self, home: &str, name: &str, content: &str) {
        let (tmp, new) =
            (format!("{home}/Maildir/tmp/{name}"), format!("{home}/Maildir/new/{name}"));
        fs::write(self.path(&tmp), content).unwrap();
        fs::rename(self.path(&tmp), self.path(&new)).unwrap();
    }

    /// The names in a directory, sorted.
    pub fn names(&self, below: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(below)).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Every process of the host is killed, at once: sessions, file system and all.
    pub fn kill(&self) {
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        let ours = namespace(&self.pid.to_string()).expect("the host lives");
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        for pid in pids.filter(|pid| namespace(&pid.to_string()).as_ref() == Some(&ours)) {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
}

/// The messages' UIDs and flags as the session has them: `(UID, FLAGS)` by number.
pub fn fetched(session: &mut Session) -> Vec<(u32, String)> {
    let reply = session.cmd("FETCH 1:* (UID FLAGS)");
    let text = |r: &Vec<u8>| String::from_utf8_lossy(r).into_owned();
    let lines = reply
        .responses
        .iter()
        .map(text)
        .filter(|line| line.starts_with("* ") && line.contains(" FETCH "));
    lines
        .map(|line| {
            let uid = line.split_once("UID ").and_then(|(_, rest)| {
                rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
            });
            let flags = line.split_once("FLAGS (").and_then(|(_, rest)| rest.split_once(')'));
            (uid.unwrap_or(0), flags.map_or_else(String::new, |(flags, _)| flags.to_owned()))
        })
        .collect()
}

/// The UID of an APPENDUID code.
pub fn appended(reply: &support::Reply) -> (u32, u32) {
    let text = String::from_utf8_lossy(reply.last()).into_owned();
    let words = text.split_once("[APPENDUID ").and_then(|(_, rest)| rest.split_once(']'));
    let numbers = words.and_then(|(words, _)| words.split_once(' '));
    let Some((validity, uid)) = numbers else { panic!("no APPENDUID: {text}") };
    (validity.parse().unwrap(), uid.parse().unwrap())
}

/// NOOPs until a response is there, and how long that took in all.
pub fn noop_until(session: &mut Session, seen: impl Fn(&str) -> bool) -> (Duration, u32) {
    let begin = std::time::Instant::now();
    for n in 0.. {
        let reply = session.cmd("NOOP");
        let mut lines = reply.responses.iter().map(|r| String::from_utf8_lossy(r).into_owned());
        if lines.any(|line| seen(&line)) {
            return (begin.elapsed(), n);
        }
        if begin.elapsed() > Duration::from_secs(20) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the other host's change was never seen\n{}", session.story())
}
