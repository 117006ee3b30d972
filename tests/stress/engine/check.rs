//! All is quiet: what the clients believe, what the ledger knows and what lies on disk must agree.

use super::ledger::{self, FOLDERS, Truth, folder_path};
use super::worker::Worker;
use super::{Keywords, World, status};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use support::client::{self, Allow, Client, Result};

impl World {
    /// The keywords of a folder, by UID, as a session has them that opens it now: once in each
    /// pause.
    pub fn keywords(&self, folder: usize) -> Option<Keywords> {
        let mut fresh = self.fresh.lock().unwrap();
        let key = (self.gate.round.load(Ordering::SeqCst), folder);
        if let Some(known) = fresh.get(&key) {
            return known.clone();
        }
        let read = || -> client::Result<Keywords> {
            let mut c =
                Client::start(&self.plan.ours[0], false, self.home.path(), &self.env, &self.log)?;
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

/// Reads a folder on disk ([`ledger::truth`]). Beside other hosts twice if need be: for a second
/// after they have replaced a file, its name leads to the old one here.
fn truth(world: &World, folder: usize, whole: bool, wrong: &mut Vec<String>) -> Truth {
    let read = |wrong: &mut Vec<String>| {
        ledger::truth(&world.root, folder, whole, world.plan.kills, wrong)
    };
    let mut first = Vec::new();
    let truth = read(&mut first);
    if !first.is_empty() && world.plan.ours.len() > 1 {
        std::thread::sleep(std::time::Duration::from_secs(2));
        return read(wrong);
    }
    wrong.append(&mut first);
    truth
}

/// Holds the ledger against the folders on disk, while all is quiet.
pub fn check(world: &World, whole: bool) {
    let mut truths = Vec::new();
    for (folder, name) in FOLDERS.iter().enumerate() {
        // Somebody has to take in what lies in `new`.
        world.keywords(folder);
        let mut wrong = Vec::new();
        let truth = truth(world, folder, whole, &mut wrong);
        wrong.extend(world.ledger.lock().unwrap().check(folder, &truth));
        if whole && !world.plan.kills {
            for entry in std::fs::read_dir(folder_path(&world.root, folder).join("tmp"))
                .into_iter()
                .flatten()
                .flatten()
            {
                wrong.push(format!(
                    "left in tmp of {}: {}",
                    name,
                    entry.file_name().to_string_lossy()
                ));
            }
        }
        wrong.extend(status(world, folder, &truth));
        for what in wrong {
            world.complain(what);
        }
        truths.push(truth);
    }
    for what in world.ledger.lock().unwrap().check_all(&truths) {
        world.complain(what);
    }
}

/// What is wrong with a folder's STATUS.
fn status(world: &World, folder: usize, truth: &ledger::Truth) -> Option<String> {
    let ask = || -> Result<status::Status> {
        let mut c =
            Client::start(&world.plan.ours[0], false, world.home.path(), &world.env, &world.log)?;
        c.response(client::PATIENCE)?;
        status::ask(&mut c, FOLDERS[folder])
    };
    let told = match ask() {
        Ok(told) => told,
        Err(stop) => return Some(format!("STATUS of {}: {stop:?}", FOLDERS[folder])),
    };
    let ledger = world.ledger.lock().unwrap();
    let (_, last) = ledger.at_least(folder);
    let validity = ledger.validity.get(&folder).copied().unwrap_or(0);
    told.differs(FOLDERS[folder], (truth.len(), status::unseen(truth)), last, validity)
}

impl Worker<'_> {
    /// All is quiet: every client looks twice, and then its picture is the Maildir.
    pub fn quiet(&mut self) {
        let gate = &self.world.gate;
        gate.meet();
        for _ in 0..2 {
            if self.selected.is_some() {
                let done = self.simple("NOOP");
                self.settle(done);
            }
            self.world.gate.meet();
        }
        if self.selected.is_some() {
            let done = self.compare();
            self.settle(done);
        }
        // What sessions leave in `tmp` is counted when those have ended that were asked here.
        (0..2).for_each(|_| self.world.gate.meet());
    }

    fn compare(&mut self) -> Result<()> {
        let Some(folder) = self.selected else { return Ok(()) };
        let mut wrong = Vec::new();
        let truth = truth(self.world, folder, false, &mut wrong);
        let client = self.client.as_ref().unwrap();
        let believed: Vec<u32> = client.picture.iter().filter_map(|e| e.uid).collect();
        let real: Vec<u32> = truth.keys().copied().collect();
        if believed != real {
            return client.wrong(&format!(
                "FALSE PICTURE of {}: {believed:?}\nthe truth: {real:?}",
                FOLDERS[folder]
            ));
        }
        let system = |flags: &BTreeSet<String>| {
            flags
                .iter()
                .filter(|f| f.starts_with('\\') && *f != "\\Recent")
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        for (entry, (uid, (_, letters))) in client.picture.iter().zip(&truth) {
            let Some(flags) = &entry.flags else { continue };
            if !ledger::may_be(letters, &system(flags)) {
                return client.wrong(&format!(
                    "FALSE FLAGS of UID {uid} in {}: {flags:?}, the file has {letters}",
                    FOLDERS[folder]
                ));
            }
        }
        // Keywords, by a client that has just come.
        let all = self.world.keywords(folder);
        let client = self.client.as_ref().unwrap();
        for entry in &client.picture {
            let (Some(uid), Some(flags)) = (entry.uid, &entry.flags) else { continue };
            let words: BTreeSet<String> =
                flags.iter().filter(|f| !f.starts_with('\\')).cloned().collect();
            if all.as_ref().is_some_and(|all| all.get(&uid) != Some(&words)) {
                let real = all.as_ref().and_then(|all| all.get(&uid));
                return client.wrong(&format!(
                    "FALSE KEYWORDS of UID {uid} in {}: {words:?}, a new session has {real:?}",
                    FOLDERS[folder]
                ));
            }
        }
        self.world.count(|f| f.pictures += 1);
        Ok(())
    }
}
