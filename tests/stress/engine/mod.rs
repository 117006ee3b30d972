//! Many real processes on one Maildir, for a given time, with everything that can go wrong: clients
//! that do anything at any moment, a delivery agent, a program that renames and removes files
//! behind our back, SIGKILL, and Courier's own sessions beside ours. Some folders stay; others are
//! made, renamed and deleted all the time. Every few seconds all pause, and the pictures that the
//! clients have are held against the Maildir; at the end, everything that was ever acknowledged.

mod actions;
mod check;
mod extras;
pub mod ledger;
mod moves;
mod others;
mod status;
mod storing;
mod worker;

use extras::Extras;
use ledger::{FOLDERS, Ledger, folder_path};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};
use worker::Worker;

/// What is to be done.
pub struct Plan {
    pub seconds: u64,
    pub sessions: usize,
    pub kills: bool,
    /// Mostly COPY, while others change flags without end.
    pub copies: bool,
    /// Every other session is Courier's.
    pub mixed: bool,
    /// All sessions are Courier's: how does the original fare?
    pub courier_only: bool,
    pub seed: u64,
    pub keywords: String,
    pub fsync: bool,
    /// The program behind our back.
    pub hands: bool,
    /// Our program; several, where sessions are started on several hosts in turn.
    pub ours: Vec<PathBuf>,
    /// Courier's, in the same way.
    pub courier: Vec<PathBuf>,
    /// Where the Maildir is made; below `target` if nothing is said.
    pub home: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            seconds: 20,
            sessions: 8,
            kills: false,
            copies: false,
            mixed: false,
            courier_only: false,
            seed: 1,
            keywords: "1".to_owned(),
            fsync: true,
            hands: true,
            ours: vec![support::postrider()],
            courier: vec![support::programs::courier()],
            home: None,
        }
    }
}

/// What is counted.
#[derive(Default, Clone)]
pub struct Figures {
    pub appends: u64,
    pub multiappends: u64,
    pub replaces: u64,
    pub deliveries: u64,
    pub served: u64,
    pub stores: u64,
    pub copies: u64,
    /// Those that were answered OK, and how many messages they had to copy.
    pub copies_ok: u64,
    pub copied: u64,
    pub moves: u64,
    pub moved: u64,
    pub expunges: u64,
    pub idles: u64,
    /// Folders that were made, renamed and deleted; visits to such ones, and those in which
    /// something was refused because the folder was gone.
    pub made: u64,
    pub renamed: u64,
    pub deleted: u64,
    pub visits: u64,
    pub visits_refused: u64,
    pub subscriptions: u64,
    pub statuses: u64,
    pub kills: u64,
    pub lost_locks: u64,
    pub hands: u64,
    pub pictures: u64,
    pub commands: u64,
}

/// The process of one worker, for the one who kills.
#[derive(Default)]
pub struct Slot(Mutex<(Option<u32>, bool)>);

impl Slot {
    pub fn take(&self, pid: u32) {
        *self.0.lock().unwrap() = (Some(pid), false);
    }

    /// Whether the process was killed.
    pub fn release(&self) -> bool {
        let mut slot = self.0.lock().unwrap();
        slot.0 = None;
        slot.1
    }

    fn kill(&self) -> bool {
        let mut slot = self.0.lock().unwrap();
        let Some(pid) = slot.0.filter(|_| !slot.1) else { return false };
        slot.1 = true;
        kill(Pid::from_raw(pid as i32), Signal::SIGKILL).is_ok()
    }
}

/// How often all meet in one pause: when all have stopped, after each of two looks, when the clients
/// have compared their pictures, and when the Maildir was checked.
const MEETINGS: usize = 5;

/// Where everybody meets when all is to be quiet.
pub struct Gate {
    pausing: AtomicBool,
    over: AtomicBool,
    barrier: Barrier,
    round: AtomicU32,
}

impl Gate {
    pub fn pausing(&self) -> bool {
        self.pausing.load(Ordering::SeqCst)
    }
    pub fn over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
    pub fn meet(&self) {
        self.barrier.wait();
    }
    /// For those who have nothing to compare at a pause.
    pub fn sit_out(&self) {
        (0..MEETINGS).for_each(|_| self.meet());
    }
}

/// Keywords by UID.
pub type Keywords = BTreeMap<u32, BTreeSet<String>>;

pub struct World {
    pub plan: Plan,
    pub home: tempfile::TempDir,
    pub root: PathBuf,
    pub env: Vec<(String, String)>,
    pub log: PathBuf,
    pub ledger: Mutex<Ledger>,
    /// The folders that come, move and go.
    pub extras: Mutex<Extras>,
    pub slots: Vec<Slot>,
    pub gate: Gate,
    pub complaints: Mutex<Vec<String>>,
    /// What a session of Courier's did wrong all by itself: counted, not held against us.
    pub theirs: Mutex<Vec<String>>,
    pub figures: Mutex<Figures>,
    /// What a session that has just come knows, by pause and folder.
    fresh: Mutex<BTreeMap<(u32, usize), Option<Keywords>>>,
}

impl World {
    /// A Maildir with the folders, and nobody in it yet.
    pub fn new(plan: Plan) -> World {
        let home = match &plan.home {
            Some(dir) => tempfile::Builder::new().prefix("stress-").tempdir_in(dir).unwrap(),
            None => support::maildir::scratch("stress-"),
        };
        let root = home.path().join("Maildir");
        for folder in 0..FOLDERS.len() {
            let path = folder_path(&root, folder);
            for sub in ["tmp", "new", "cur"] {
                std::fs::create_dir_all(path.join(sub)).unwrap();
            }
            if folder > 0 {
                std::fs::write(path.join("maildirfolder"), "").unwrap();
            }
        }
        let log = home.path().join("log");
        std::fs::write(&log, "").unwrap();
        // The workers, those beside them, and who lets them all run.
        let parties = plan.sessions + 4;
        World {
            env: environment(&plan),
            root,
            log,
            ledger: Mutex::default(),
            extras: Mutex::default(),
            slots: (0..plan.sessions).map(|_| Slot::default()).collect(),
            gate: Gate {
                pausing: AtomicBool::new(false),
                over: AtomicBool::new(false),
                barrier: Barrier::new(parties),
                round: AtomicU32::new(0),
            },
            complaints: Mutex::default(),
            theirs: Mutex::default(),
            figures: Mutex::default(),
            fresh: Mutex::default(),
            plan,
            home,
        }
    }

    pub fn complain(&self, what: String) {
        // What Courier's sessions do wrong is theirs: one ends with "unexpected EOF" now and then.
        // Courier removes a dead session's lock by name, and so at times a living one's; then two
        // sessions see a message first.
        let raced = self.plan.kills
            && what.starts_with("\\Recent")
            && what.lines().next().is_some_and(|l| l.contains(", true)"));
        if !self.plan.courier_only && (raced || what.contains("(Courier, pid")) {
            return self.theirs.lock().unwrap().push(what);
        }
        let mut complaints = self.complaints.lock().unwrap();
        if complaints.len() < 20 {
            eprintln!("stress: {what}");
        }
        complaints.push(what);
    }

    pub fn count(&self, add: impl FnOnce(&mut Figures)) {
        add(&mut self.figures.lock().unwrap());
    }
}

/// Lets them all run, and pause now and then.
pub fn run(world: &World) {
    let end = Instant::now() + Duration::from_secs(world.plan.seconds);
    std::thread::scope(|scope| {
        for n in 0..world.plan.sessions {
            scope.spawn(move || {
                let mut worker = Worker::new(world, n);
                worker.run();
                world.count(|f| f.commands += worker.commands);
            });
        }
        scope.spawn(|| others::deliver(world));
        scope.spawn(|| others::meddle(world));
        scope.spawn(|| others::slay(world));
        loop {
            let left = end.saturating_duration_since(Instant::now());
            std::thread::sleep(left.min(Duration::from_secs(10)));
            world.gate.round.fetch_add(1, Ordering::SeqCst);
            world.gate.pausing.store(true, Ordering::SeqCst);
            world.gate.meet();
            let over = Instant::now() >= end;
            // Nobody looks at these before the last meeting.
            world.gate.pausing.store(false, Ordering::SeqCst);
            world.gate.over.store(over, Ordering::SeqCst);
            (0..3).for_each(|_| world.gate.meet());
            check::check(world, over);
            extras::check(world);
            world.gate.meet();
            if over {
                return;
            }
        }
    });
}

fn environment(plan: &Plan) -> Vec<(String, String)> {
    let fsync = if plan.fsync { "1" } else { "0" };
    let capability = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE ACL ACL2=UNION";
    let pairs = [
        ("AUTHENTICATED", "alice"),
        ("HOSTNAME", "host.example"),
        ("IMAP_CAPABILITY", capability),
        ("IMAP_KEYWORDS", &plan.keywords),
        ("IMAP_FSYNC", fsync),
        ("IMAP_USELOCKS", "1"),
        ("IMAP_IDLE_TIMEOUT", "60"),
        ("TZ", "UTC0"),
    ];
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}
