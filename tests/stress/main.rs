//! Many real processes on one Maildir, for a given time, with everything that can go wrong: clients
//! that do anything at any moment, a delivery agent, a program that renames and removes files
//! behind our back, SIGKILL, and Courier's own sessions beside ours. Every few seconds all pause,
//! and the pictures that the clients have are held against the Maildir; at the end, everything that
//! was ever acknowledged. One line of figures; a loss or a false picture is a failure. Started by
//! `scripts/stress`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod ledger;
mod worker;

use ledger::{FOLDERS, Ledger, content, folder_path, id_of};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};
use support::Random;
use support::client::{self, Allow, Client};
use worker::Worker;

const USAGE: &str = "usage: stress [--seconds N] [--sessions N] [--kills] [--copies] [--mixed] [--courier] [--seed N] [--keep]
       [--keywords 0|1|2] [--no-fsync] [--no-hands] [--ours PROGRAM] [--courier-program PROGRAM]";

/// What is to be done.
pub struct Plan {
    seconds: u64,
    sessions: usize,
    pub kills: bool,
    /// Mostly COPY, while others change flags without end.
    pub copies: bool,
    /// Every other session is Courier's.
    pub mixed: bool,
    /// All sessions are Courier's: how does the original fare?
    pub courier_only: bool,
    pub seed: u64,
    keep: bool,
    keywords: String,
    fsync: bool,
    /// The program behind our back.
    hands: bool,
    pub ours: PathBuf,
    pub courier: PathBuf,
}

/// What is counted.
#[derive(Default, Clone)]
pub struct Figures {
    pub appends: u64,
    pub deliveries: u64,
    pub served: u64,
    pub stores: u64,
    pub copies: u64,
    /// Those that were answered OK, and how many messages they had to copy.
    pub copies_ok: u64,
    pub copied: u64,
    pub expunges: u64,
    pub idles: u64,
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
}

pub struct World {
    pub plan: Plan,
    pub home: PathBuf,
    pub root: PathBuf,
    pub env: Vec<(String, String)>,
    pub log: PathBuf,
    pub ledger: Mutex<Ledger>,
    pub slots: Vec<Slot>,
    pub gate: Gate,
    complaints: Mutex<Vec<String>>,
    /// What a session of Courier's did wrong all by itself: counted, not held against us.
    theirs: Mutex<Vec<String>>,
    figures: Mutex<Figures>,
    fresh: Mutex<BTreeMap<(u32, usize), Option<BTreeMap<u32, BTreeSet<String>>>>>,
}

impl World {
    pub fn complain(&self, what: String) {
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

    /// The keywords of a folder, by UID, as a session has them that opens it now: once in each
    /// pause.
    pub fn keywords(&self, folder: usize) -> Option<BTreeMap<u32, BTreeSet<String>>> {
        let mut fresh = self.fresh.lock().unwrap();
        let key = (self.gate.round.load(Ordering::SeqCst), folder);
        if let Some(known) = fresh.get(&key) {
            return known.clone();
        }
        let read = || -> client::Result<BTreeMap<u32, BTreeSet<String>>> {
            let mut c = Client::start(&self.plan.ours, false, &self.home, &self.env, &self.log)?;
            c.response(client::PATIENCE)?;
            c.cmd(&format!("EXAMINE {}", FOLDERS[folder]), Allow::Expunge)?;
            let reply = c.cmd("FETCH 1:* (UID FLAGS)", Allow::Fixed)?;
            c.cmd("LOGOUT", Allow::Expunge).ok();
            c.process.hang_up();
            let _ = c.process.wait(client::PATIENCE);
            let words = |f: &client::Fetched| {
                f.flags.iter().flatten().filter(|w| !w.starts_with('\\')).cloned().collect()
            };
            Ok(reply.fetched.iter().filter_map(|f| Some((f.uid?, words(f)))).collect())
        };
        let result = match read() {
            Ok(map) => Some(map),
            Err(e) => {
                self.complain(format!("a look at {}: {e:?}", FOLDERS[folder]));
                None
            }
        };
        fresh.insert(key, result.clone());
        result
    }
}

/// Delivers into `new`, as agents do: written in `tmp`, moved.
fn deliver(world: &World) {
    let mut r = Random(world.plan.seed ^ 0xdead_beef);
    let mut n = 0u64;
    while !world.gate.over() {
        if world.gate.pausing() {
            (0..4).for_each(|_| world.gate.meet());
            continue;
        }
        let folder = r.below(FOLDERS.len());
        let path = folder_path(&world.root, folder);
        let crowded = std::fs::read_dir(path.join("cur")).map_or(0, Iterator::count) > 250;
        if !crowded || r.percent(10) {
            let id = world.ledger.lock().unwrap().new_id(&mut r);
            n += 1;
            let name = format!(
                "{}.M{}P{}Q{n}.agent",
                support::now(),
                r.below(1_000_000),
                std::process::id()
            );
            let name = if r.percent(50) { format!("{name},S={}", content(id).len()) } else { name };
            std::fs::write(path.join("tmp").join(&name), content(id)).unwrap();
            world.ledger.lock().unwrap().arrived(folder, id);
            std::fs::rename(path.join("tmp").join(&name), path.join("new").join(&name)).unwrap();
            world.count(|f| f.deliveries += 1);
        }
        std::thread::sleep(Duration::from_millis(5 + r.below(90) as u64));
    }
}

/// Renames and removes files behind our back.
fn meddle(world: &World) {
    let mut r = Random(world.plan.seed ^ 0xfeed);
    while !world.gate.over() {
        if world.gate.pausing() {
            (0..4).for_each(|_| world.gate.meet());
            continue;
        }
        let pause = if world.plan.copies { 100 + r.below(500) } else { 5_000 + r.below(60_000) };
        std::thread::sleep(Duration::from_micros(pause as u64));
        if !world.plan.hands {
            continue;
        }
        let folder = r.below(FOLDERS.len());
        let cur = folder_path(&world.root, folder).join("cur");
        let mut names: Vec<String> = std::fs::read_dir(&cur)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let Some(name) = names.get(r.below(names.len())) else { continue };
        let path = cur.join(name);
        let Some((base, letters)) = name.split_once(":2,") else { continue };
        let dice = if world.plan.copies { 2 + r.below(800) } else { r.below(10) };
        if dice < 2 {
            let Some(id) = std::fs::read(&path).ok().and_then(|m| id_of(&m)) else { continue };
            if Ledger::is_keeper(id) {
                continue;
            }
            world.ledger.lock().unwrap().doom_by_hand(folder, id);
            if dice == 0 {
                let _ = std::fs::remove_file(&path);
            } else {
                let _ = std::fs::rename(
                    &path,
                    cur.join(format!(
                        "{base}:2,{letters}{}",
                        if letters.contains('T') { "" } else { "T" }
                    )),
                );
            }
        } else {
            let letter = ['D', 'F', 'R', 'S'][r.below(4)];
            let mut set: BTreeSet<char> = letters.chars().collect();
            if !set.remove(&letter) {
                set.insert(letter);
            }
            let _ = std::fs::rename(
                &path,
                cur.join(format!("{base}:2,{}", set.iter().collect::<String>())),
            );
        }
        world.count(|f| f.hands += 1);
    }
}

/// Kills a session now and then.
fn slay(world: &World) {
    let mut r = Random(world.plan.seed ^ 0xabad_1dea);
    while !world.gate.over() {
        if world.gate.pausing() {
            (0..4).for_each(|_| world.gate.meet());
            continue;
        }
        std::thread::sleep(Duration::from_micros(r.below(600_000) as u64));
        if world.plan.kills && world.slots[r.below(world.slots.len())].kill() {
            world.count(|f| f.kills += 1);
        }
    }
}

/// Lets them all run, and pause now and then.
fn run(world: &World) {
    let end = Instant::now() + Duration::from_secs(world.plan.seconds);
    std::thread::scope(|scope| {
        for n in 0..world.plan.sessions {
            scope.spawn(move || {
                let mut worker = Worker::new(world, n);
                worker.run();
                world.count(|f| f.commands += worker.commands);
            });
        }
        scope.spawn(|| deliver(world));
        scope.spawn(|| meddle(world));
        scope.spawn(|| slay(world));
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
            (0..2).for_each(|_| world.gate.meet());
            check(world, over);
            world.gate.meet();
            if over {
                return;
            }
        }
    });
}

/// Holds the ledger against the folders on disk, while all is quiet.
fn check(world: &World, whole: bool) {
    for folder in 0..FOLDERS.len() {
        // Somebody has to take in what lies in `new`.
        world.keywords(folder);
        let mut wrong = Vec::new();
        let truth = ledger::truth(&world.root, folder, whole, &mut wrong);
        wrong.extend(world.ledger.lock().unwrap().check(folder, &truth));
        if whole && !world.plan.kills {
            for entry in std::fs::read_dir(folder_path(&world.root, folder).join("tmp"))
                .into_iter()
                .flatten()
                .flatten()
            {
                wrong.push(format!(
                    "left in tmp of {}: {}",
                    FOLDERS[folder],
                    entry.file_name().to_string_lossy()
                ));
            }
        }
        for what in wrong {
            world.complain(what);
        }
    }
}

fn arguments() -> Option<Plan> {
    let mut plan = Plan {
        seconds: 20,
        sessions: 8,
        kills: false,
        copies: false,
        mixed: false,
        courier_only: false,
        seed: 1,
        keep: false,
        keywords: "1".to_owned(),
        fsync: true,
        hands: true,
        ours: support::postrider(),
        courier: "/usr/bin/imapd".into(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match &*word {
            "--seconds" => plan.seconds = words.next()?.parse().ok()?,
            "--sessions" => plan.sessions = words.next()?.parse().ok().filter(|n| *n > 0)?,
            "--seed" => plan.seed = words.next()?.parse().ok()?,
            "--kills" => plan.kills = true,
            "--copies" => plan.copies = true,
            "--mixed" => plan.mixed = true,
            "--courier" => plan.courier_only = true,
            "--keep" => plan.keep = true,
            "--keywords" => plan.keywords = words.next()?,
            "--no-fsync" => plan.fsync = false,
            "--no-hands" => plan.hands = false,
            "--ours" => plan.ours = words.next()?.into(),
            "--courier-program" => plan.courier = words.next()?.into(),
            _ => return None,
        }
    }
    Some(plan)
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

/// The log lines that no session should ever write.
fn is_bad(line: &str) -> bool {
    line.contains("panicked") || line.contains("CRIT") || line.starts_with("ERR")
}

fn main() -> ExitCode {
    let Some(plan) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let needs_courier = plan.mixed || plan.courier_only;
    if needs_courier && !support::is_program(&plan.courier) {
        eprintln!("stress: {} is not here (apt-get install courier-imap)", plan.courier.display());
        return ExitCode::from(2);
    }
    let home = support::maildir::scratch("stress-");
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
    let env = environment(&plan);
    let log = home.path().join("log");
    std::fs::write(&log, "").unwrap();
    let parties = plan.sessions + 4;
    let world = World {
        home: home.path().to_owned(),
        root,
        env,
        log: log.clone(),
        ledger: Mutex::default(),
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
    };
    let start = Instant::now();
    run(&world);
    let complaints = report(&world, start.elapsed(), &log);
    if world.plan.keep || complaints > 0 {
        println!("kept: {}", home.keep().display());
    }
    ExitCode::from(u8::from(complaints > 0))
}

/// The one line.
fn report(world: &World, time: Duration, log: &Path) -> usize {
    let lines = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let mut bad = BTreeMap::<String, u32>::new();
    for line in lines.lines().filter(|l| is_bad(l)) {
        let general: String = line.chars().filter(|c| !c.is_ascii_digit()).collect();
        *bad.entry(general).or_default() += 1;
    }
    for (line, count) in &bad {
        println!("log, {count} times: {line}");
        if line.contains("panicked") {
            world.complain(line.clone());
        }
    }
    let f = world.figures.lock().unwrap().clone();
    let complaints = world.complaints.lock().unwrap();
    let of = |word: &str| complaints.iter().filter(|c| c.contains(word)).count();
    let (plan, ledger) = (&world.plan, world.ledger.lock().unwrap());
    let theirs = world.theirs.lock().unwrap();
    for what in theirs.iter().take(5) {
        println!("Courier's own: {}", what.lines().next().unwrap_or_default());
    }
    let theirs = if theirs.is_empty() {
        String::new()
    } else {
        format!(", and {} of Courier's own", theirs.len())
    };
    let who = match (plan.courier_only, plan.mixed) {
        (true, _) => "Courier's",
        (_, true) => "half of them Courier's",
        _ => "ours",
    };
    println!(
        "stress: seed {}, {:.0} s, {} sessions ({who}), {} commands: {} appends, {} deliveries, {} copies ({} answered OK, of {} messages), {} stores, {} expunges, \
         {} idles, {} messages served whole, {} changes by hand, {} kills, {} refused for a lost lock; {} UIDs, {} pictures compared: {} lost, {} doubled, \
         {} false pictures, {} complaints{theirs}",
        plan.seed,
        time.as_secs_f64(),
        plan.sessions,
        f.commands,
        f.appends,
        f.deliveries,
        f.copies,
        f.copies_ok,
        f.copied,
        f.stores,
        f.expunges,
        f.idles,
        f.served,
        f.hands,
        f.kills,
        f.lost_locks,
        ledger.known(),
        f.pictures,
        of("LOST"),
        of("DOUBLED"),
        of("FALSE"),
        complaints.len(),
    );
    complaints.len()
}
