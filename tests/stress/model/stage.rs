//! The Maildir on which a history is played, the sessions that are started over it, and what all
//! know of it.

use super::told::Flags;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use support::client::{Client, PATIENCE, Result, Stop};

pub const FOLDERS: &[&str] = &["INBOX", "INBOX.box"];
pub const FLAGS: &[&str] = &["\\Seen", "\\Flagged", "\\Answered", "\\Draft"];
pub const KEYWORDS: &[&str] = &["Work", "$Forwarded", "later"];
/// The letters of the flags in file names.
const LETTERS: &[(char, &str)] = &[
    ('D', "\\Draft"),
    ('F', "\\Flagged"),
    ('R', "\\Answered"),
    ('S', "\\Seen"),
    ('T', "\\Deleted"),
];
pub const STATE: &str = "postrider.state";
pub const FACTS: &str = "postrider.facts";
pub const UIDS: &str = "courierimapuiddb";

/// A small message; no two are alike.
pub fn message(n: u64) -> Vec<u8> {
    format!("Subject: {n:x}\r\nFrom: writer@example.com\r\n\r\nbody of {n:x}\r\n").into_bytes()
}

/// How a session of ours is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Usual,
    NoIndex,
    NoExtensions,
    NoKeywords,
    Careful,
    NoLocks,
    /// Our clock is off by so many seconds; the file system's is not.
    Skewed(i64),
    /// It is another time, by the clock and by the files.
    OtherTime(i64),
    /// The machine has been started anew.
    OtherBoot,
    /// The file names bear another host.
    OtherHost,
}

/// What the stage is made of.
pub struct Props {
    /// Our program, on one host or several.
    pub ours: Vec<PathBuf>,
    /// `None`: Courier's sessions are left out.
    pub courier: Option<PathBuf>,
    /// A library that shifts the clock ([`support::clock::shifted`]).
    pub clock: Option<String>,
    /// Whether mounts of our own may be made: another boot, a small disk.
    pub has_mounts: bool,
    pub has_strace: bool,
    /// Several hosts: what one has done the other may see a little later.
    pub is_cluster: bool,
}

/// Which state of a message: folder, UIDVALIDITY, UID, modification sequence.
pub type StateKey = (usize, u32, u32, u64);

pub struct Stage<'a> {
    pub props: &'a Props,
    pub home: PathBuf,
    pub root: PathBuf,
    log: PathBuf,
    /// Whether one thing is done after the other: then the disk says what was before and after.
    pub is_single: bool,
    begin: Instant,
    told: Mutex<HashMap<StateKey, (Flags, String)>>,
    touches: Mutex<HashMap<(usize, u32), u64>>,
    journal: Mutex<Vec<String>>,
}

/// A UID file, as far as it makes sense.
pub struct Uids {
    validity: String,
    next: u32,
    names: BTreeMap<u32, String>,
}

impl Uids {
    fn of(text: &str) -> Uids {
        let mut first = text.lines().next().unwrap_or_default().split(' ').skip(1);
        let validity = first.next().unwrap_or_default().to_owned();
        let next = first.next().and_then(|next| next.parse().ok()).unwrap_or_default();
        let lines = text.lines().skip(1).filter_map(|line| line.split_once(' '));
        let names = lines.filter_map(|(uid, name)| Some((uid.parse().ok()?, name.to_owned())));
        Uids { validity, next, names: names.collect() }
    }

    /// Whether a later file has forgotten UIDs, under the same UIDVALIDITY or without any: whoever
    /// makes a new one in the same second gives the same.
    pub fn is_contradicted_by(&self, later: &Uids) -> bool {
        let mut names = self.names.iter();
        let is_another =
            |(uid, name): (&u32, &String)| later.names.get(uid).is_some_and(|n| n != name);
        let is_same = self.validity == later.validity || later.validity.is_empty();
        is_same && (later.next < self.next || names.any(is_another))
    }
}

impl<'a> Stage<'a> {
    /// An empty Maildir in `home`.
    pub fn new(props: &'a Props, home: &Path, is_single: bool) -> Stage<'a> {
        let root = home.join("Maildir");
        for folder in FOLDERS {
            let path = root.join(folder.strip_prefix("INBOX").unwrap_or_default());
            for sub in ["tmp", "new", "cur"] {
                fs::create_dir_all(path.join(sub)).unwrap();
            }
            if *folder != "INBOX" {
                fs::write(path.join("maildirfolder"), "").unwrap();
            }
        }
        fs::write(home.join("boot"), "11111111-2222-4333-8444-555555555555\n").unwrap();
        Stage {
            props,
            home: home.to_owned(),
            root,
            log: home.join("log"),
            is_single,
            begin: Instant::now(),
            told: Mutex::default(),
            touches: Mutex::default(),
            journal: Mutex::default(),
        }
    }

    pub fn path(&self, folder: usize) -> PathBuf {
        self.root.join(FOLDERS[folder].strip_prefix("INBOX").unwrap_or_default())
    }

    /// Notes what happens.
    pub fn note(&self, what: String) {
        let at = match self.is_single {
            true => String::new(),
            false => format!("{:.3} s ", self.begin.elapsed().as_secs_f64()),
        };
        self.journal.lock().unwrap().push(at + &what);
    }

    /// The last things that happened.
    pub fn journal(&self, count: usize) -> String {
        let journal = self.journal.lock().unwrap();
        let from = journal.len().saturating_sub(count);
        journal[from..].iter().map(|line| format!("  {line}\n")).collect()
    }

    /// The lines of the log that no session should write.
    pub fn bad_log(&self) -> Vec<String> {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.lines().filter(|line| line.contains("panicked")).map(str::to_owned).collect()
    }

    /// The UID files, and what lies in the Maildir.
    pub fn listing(&self) -> String {
        let mut text = String::new();
        for (folder, name) in FOLDERS.iter().enumerate() {
            let uids = fs::read(self.path(folder).join(UIDS)).unwrap_or_default();
            text += &format!("--- UIDs of {name}\n{}", String::from_utf8_lossy(&uids));
        }
        text + "--- Maildir\n" + &support::maildir::listing(&self.root)
    }

    /// The end of the log.
    pub fn log(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].iter().map(|l| format!("    {l}\n")).collect()
    }

    /// A session of ours, past its greeting.
    pub fn ours(&self, host: usize, manner: Manner) -> Result<Client> {
        self.start(self.command(host, manner), false)
    }

    /// A session of Courier's.
    pub fn courier(&self) -> Result<Client> {
        let program = self.props.courier.as_deref().unwrap_or(Path::new("/nonexistent"));
        let mut command = Command::new(program);
        command.arg("./Maildir");
        self.environment(&mut command, Manner::Usual);
        self.start(command, true)
    }

    /// Our program, ready to be started.
    pub fn command(&self, host: usize, manner: Manner) -> Command {
        let program = &self.props.ours[host % self.props.ours.len()];
        let mut command = match manner {
            Manner::OtherBoot if self.props.has_mounts => {
                let mut command = Command::new("/usr/bin/unshare");
                let boot = "/proc/sys/kernel/random/boot_id";
                let mount = format!("mount --bind \"$0\" {boot} && exec \"$@\"");
                command.args(["--mount", "/bin/sh", "-c", &mount]).arg(self.home.join("boot"));
                command.arg(program);
                command
            }
            _ => Command::new(program),
        };
        command.arg("./Maildir");
        self.environment(&mut command, manner);
        command
    }

    /// What a session is given, and nothing else.
    pub fn environment(&self, command: &mut Command, manner: Manner) {
        let capability = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE SORT QUOTA IDLE ACL ACL2=UNION";
        command.current_dir(&self.home).env_clear();
        command.envs([
            ("AUTHENTICATED", "alice"),
            ("HOSTNAME", "host.example"),
            ("IMAP_CAPABILITY", capability),
            ("IMAP_KEYWORDS", "1"),
            ("IMAP_USELOCKS", "1"),
            ("IMAP_IDLE_TIMEOUT", "60"),
            ("TZ", "UTC0"),
            ("PATH", "/usr/bin:/bin:/usr/sbin:/sbin"),
        ]);
        let mut shift = |seconds: i64, files: i64| {
            if let Some(clock) = &self.props.clock {
                command.env("LD_PRELOAD", clock);
                command.env("CLOCK_SHIFT", seconds.to_string());
                command.env("FILES_SHIFT", files.to_string());
            }
        };
        match manner {
            Manner::Skewed(seconds) => shift(seconds, 0),
            Manner::OtherTime(seconds) => shift(seconds, seconds),
            Manner::NoIndex => drop(command.env("IMAP_INDEX", "0")),
            Manner::NoExtensions => drop(command.env("IMAP_EXTENSIONS", "0")),
            Manner::NoKeywords => drop(command.env("IMAP_KEYWORDS", "0")),
            Manner::Careful => drop(command.env("IMAP_KEYWORDS", "2")),
            Manner::NoLocks => drop(command.env("IMAP_USELOCKS", "0")),
            Manner::OtherHost => drop(command.env("HOSTNAME", "other.example")),
            Manner::Usual | Manner::OtherBoot => {}
        }
    }

    /// Starts a session and reads its greeting.
    pub fn start(&self, command: Command, is_courier: bool) -> Result<Client> {
        let mut client = Client::spawn(command, is_courier, &self.log)?;
        match client.response(PATIENCE)? {
            Some(line) if line.starts_with(b"* PREAUTH") => Ok(client),
            _ => client.wrong("no greeting"),
        }
    }

    /// Ends a session and waits until it has gone.
    pub fn end(&self, mut client: Client) -> Result<()> {
        client.process.hang_up();
        match client.process.wait(Duration::from_secs(60)) {
            Some(_) => Ok(()),
            None => Err(Stop::Wrong("a session lives on after its client".to_owned())),
        }
    }

    /// Whether this is the first state of a message that is told under this value, or the same.
    pub fn is_consistent(
        &self,
        key: StateKey,
        flags: &Flags,
        who: &str,
    ) -> std::result::Result<(), String> {
        let mut told = self.told.lock().unwrap();
        let who = format!("{who} at {:.3} s", self.begin.elapsed().as_secs_f64());
        match told.insert(key, (flags.clone(), who.clone())) {
            Some((before, other)) if before != *flags => {
                let (folder, _, uid, modseq) = key;
                Err(format!(
                    "UNLIKE: one value, two states ({}, UID {uid}, MODSEQ {modseq}): {before:?} \
                     told to {other}, {flags:?} to {who}",
                    FOLDERS[folder]
                ))
            }
            _ => Ok(()),
        }
    }

    /// How often sessions of ours have changed a message, as far as was noticed.
    pub fn touches(&self, folder: usize, uid: u32) -> u64 {
        self.touches.lock().unwrap().get(&(folder, uid)).copied().unwrap_or(0)
    }

    /// One more. The number now.
    pub fn touch(&self, folder: usize, uid: u32) -> u64 {
        let mut touches = self.touches.lock().unwrap();
        let count = touches.entry((folder, uid)).or_default();
        *count += 1;
        *count
    }

    /// The index was laid hands on: what was changed and changed back may be forgotten.
    pub fn forget_touches(&self) {
        self.touches.lock().unwrap().clear();
    }

    /// The UID file of each folder.
    pub fn uids(&self) -> Vec<Uids> {
        let path = |folder| self.path(folder).join(UIDS);
        let text = |folder| fs::read_to_string(path(folder)).unwrap_or_default();
        (0..FOLDERS.len()).map(|folder| Uids::of(&text(folder))).collect()
    }

    /// What lies on disk: by UID, the flags and keywords. `None` where many are at work.
    pub fn disk(&self, folder: usize) -> Option<BTreeMap<u32, Flags>> {
        if !self.is_single {
            return None;
        }
        let path = self.path(folder);
        let uids = Uids::of(&fs::read_to_string(path.join(UIDS)).unwrap_or_default());
        let uids: HashMap<&str, u32> =
            uids.names.iter().map(|(uid, name)| (name.as_str(), *uid)).collect();
        let keywords = keywords(&path.join("courierimapkeywords"));
        let mut found = BTreeMap::new();
        for name in names(&path.join("cur")) {
            let (base, letters) = name.rsplit_once(":2,").unwrap_or((&name, ""));
            let Some(uid) = uids.get(base) else { continue };
            let system = LETTERS.iter().filter(|(c, _)| letters.contains(*c));
            let mut flags: Flags = system.map(|(_, flag)| (*flag).to_owned()).collect();
            flags.extend(keywords.get(base).into_iter().flatten().cloned());
            found.insert(*uid, flags);
        }
        Some(found)
    }
}

/// The names in a directory, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The keywords by base name, as Courier keeps them: the list, and newer files beside it.
fn keywords(dir: &Path) -> HashMap<String, Flags> {
    let mut found: HashMap<String, (u64, Flags)> = HashMap::new();
    let list = fs::read_to_string(dir.join(":list")).unwrap_or_default();
    let (words, messages) = list.split_once("\n\n").unwrap_or((&list, ""));
    let words: Vec<&str> = words.lines().collect();
    for (base, numbers) in messages.lines().filter_map(|line| line.rsplit_once(':')) {
        let of = |n: &str| Some((*words.get(n.parse::<usize>().ok()?)?).to_owned());
        found.insert(base.to_owned(), (0, numbers.split(' ').filter_map(of).collect()));
    }
    for name in names(dir).iter().filter(|name| *name != ":list") {
        let (rank, base) = match name.strip_prefix('.').map(|rest| rest.split_once('.')) {
            Some(Some((n, base))) if n.parse::<u64>().is_ok() => (n.parse().unwrap_or(0), base),
            Some(_) => continue,
            None => (u64::MAX, name.as_str()),
        };
        let text = fs::read_to_string(dir.join(name)).unwrap_or_default();
        if found.get(base).is_none_or(|(known, _)| *known <= rank) {
            found.insert(base.to_owned(), (rank, text.lines().map(str::to_owned).collect()));
        }
    }
    found.into_iter().map(|(base, (_, flags))| (base, flags)).collect()
}
