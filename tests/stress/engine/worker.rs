//! A client that does anything at any moment, and holds every answer against the ledger.

use super::ledger::{FOLDERS, Ledger, id_of};
use super::{Plan, World};
use std::time::Duration;
use support::Random;
use support::client::{Allow, Client, Entry, Reply, Result, Stop};

/// What an acknowledgement that never came may have brought about.
pub enum Open {
    Nothing,
    Append(usize, Vec<u64>),
    Copy(usize, Vec<u64>),
    /// Out of the first folder, into the second.
    Move(usize, usize, Vec<u64>),
    /// Into a folder that is renamed.
    Extra(Vec<u64>),
}

pub struct Worker<'a> {
    pub world: &'a World,
    pub number: usize,
    pub r: Random,
    pub client: Option<Client>,
    pub selected: Option<usize>,
    pub open: Open,
    /// The folder that comes, moves or goes, and its UIDVALIDITY, while one is open.
    pub visiting: Option<(String, u32)>,
    /// How often NO was the answer there.
    pub refused: u32,
    /// Commands of processes that have ended.
    pub commands: u64,
}

impl<'a> Worker<'a> {
    pub fn new(world: &'a World, number: usize) -> Worker<'a> {
        let r = Random(world.plan.seed.wrapping_mul(1_000).wrapping_add(number as u64));
        Worker {
            world,
            number,
            r,
            client: None,
            selected: None,
            open: Open::Nothing,
            visiting: None,
            refused: 0,
            commands: 0,
        }
    }

    pub fn ledger<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.world.ledger.lock().unwrap())
    }

    pub fn complain(&self, what: std::result::Result<(), String>) {
        if let Err(what) = what {
            let story = self.client.as_ref().map(Client::story).unwrap_or_default();
            self.world.complain(format!("{what}\n{story}"));
        }
    }

    /// Until the time is up; at a pause everybody compares.
    pub fn run(&mut self) {
        while !self.world.gate.over() {
            if self.world.gate.pausing() {
                self.quiet();
                continue;
            }
            let done = self.turn();
            self.settle(done);
        }
        self.end(true);
    }

    /// Sees to a session that has ended, or done wrong.
    pub fn settle(&mut self, done: Result<()>) {
        match done {
            Ok(()) => {}
            Err(Stop::Dead) => {
                self.open_is_loose();
                self.end(false);
            }
            Err(Stop::Wrong(what)) => {
                self.world.complain(what);
                self.end(true);
            }
        }
    }

    /// What was under way may have been done.
    pub fn open_is_loose(&mut self) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Append(folder, ids) | Open::Copy(folder, ids) => {
                self.ledger(|l| ids.iter().for_each(|id| l.perhaps(folder, *id)))
            }
            Open::Move(from, to, ids) => {
                self.ledger(|l| ids.iter().for_each(|id| l.adrift(from, to, *id)))
            }
            Open::Extra(ids) => self.extras(|e| e.perhaps(&ids)),
        }
    }

    /// Ends the session; `asked` by us, else it must have been killed.
    pub fn end(&mut self, asked: bool) {
        let Some(mut client) = self.client.take() else { return };
        self.selected = None;
        self.visiting = None;
        self.commands += client.commands;
        let killed = self.world.slots[self.number].release();
        if !asked && !killed {
            let (who, story) = (client.who(), client.story());
            self.world.complain(format!("a session ended by itself ({who})\n{story}"));
        }
        client.process.hang_up();
        if self.world.plan.kills {
            // A session that goes on for no one would hold nobody up, but tests end.
            std::thread::sleep(Duration::from_millis(5));
        }
        if client.process.wait(Duration::from_secs(60)).is_none() {
            let (who, story) = (client.who(), client.story());
            self.world
                .complain(format!("a session whose client has gone lives on ({who})\n{story}"));
        }
    }

    fn start(&mut self) -> Result<()> {
        let Plan { mixed, courier_only, .. } = self.world.plan;
        let courier = courier_only || mixed && self.number % 2 == 1;
        let programs = if courier { &self.world.plan.courier } else { &self.world.plan.ours };
        // The programs in turn; where every other session is Courier's, each has both kinds.
        let turn = if mixed { self.number / 2 } else { self.number };
        let program = &programs[turn % programs.len()];
        let client = Client::start(
            program,
            courier,
            self.world.home.path(),
            &self.world.env,
            &self.world.log,
        )?;
        self.world.slots[self.number].take(client.process.pid());
        self.client = Some(client);
        let client = self.client.as_mut().unwrap();
        match client.response(support::client::PATIENCE)? {
            Some(line) if line.starts_with(b"* PREAUTH") => Ok(()),
            _ => client.wrong("no greeting"),
        }
    }

    fn turn(&mut self) -> Result<()> {
        if self.client.is_none() {
            self.start()?;
        }
        let Some(folder) = self.selected else {
            let folder = self.r.below(FOLDERS.len());
            return self.select(folder);
        };
        if self.world.plan.copies && self.r.percent(60) {
            return match self.r.below(10) {
                0..4 => self.copy(folder),
                4..6 => self.move_some(folder),
                _ => self.store(folder),
            };
        }
        if self.r.percent(12) {
            return self.extra();
        }
        let dice = self.r.below(100);
        match dice {
            0..14 => self.append(),
            14..30 => self.fetch(folder),
            30..46 => self.store(folder),
            46..53 => self.delete(folder),
            53..57 => self.copy(folder),
            57..61 => self.move_some(folder),
            61..66 => self.expunge(folder),
            66..69 => self.replace(folder),
            69..78 => self.simple("NOOP"),
            78..80 => self.simple("CHECK"),
            80..86 => self.idle(),
            86..90 => self.search(),
            90..93 => self.status(),
            93..97 => {
                let folder = self.r.below(FOLDERS.len());
                self.select(folder)
            }
            97..99 => {
                self.cmd("CLOSE", Allow::Expunge)?;
                self.selected = None;
                Ok(())
            }
            _ => {
                if self.r.percent(50) {
                    let client = self.client.as_mut().unwrap();
                    client.send(b"bye LOGOUT\r\n")?;
                }
                self.end(true);
                Ok(())
            }
        }
    }

    pub fn client(&mut self) -> &mut Client {
        self.client.as_mut().unwrap()
    }

    /// One command; its FETCH lines go into the ledger, and what is new is asked for.
    pub fn cmd(&mut self, command: &str, allow: Allow) -> Result<Reply> {
        let reply = self.client().cmd(command, allow)?;
        self.note(&reply);
        Ok(reply)
    }

    /// Holds what was fetched against the ledger.
    pub fn note(&mut self, reply: &Reply) {
        if self.visiting.is_some() {
            return self.note_visit(reply);
        }
        let Some(folder) = self.selected else { return };
        let client = self.client.as_mut().unwrap();
        let session = (client.process.pid(), client.courier);
        let mut complaints = Vec::new();
        let mut ledger = self.world.ledger.lock().unwrap();
        for fetched in &reply.fetched {
            let Some(entry) = client.picture.get_mut(fetched.index) else { continue };
            if let Some(body) = &fetched.body
                && let Some(id) = id_of(body)
            {
                if entry.id.is_some_and(|known| known != id) {
                    complaints.push(format!("a message became another one: {:?} {id}", entry.id));
                }
                entry.id = Some(id);
            }
            let Some(uid) = entry.uid else { continue };
            if let Some(id) = entry.id {
                complaints.extend(ledger.learn(folder, uid, id).err());
            }
            if let Some(flags) = &fetched.flags {
                if flags.contains("\\Deleted") {
                    ledger.doom(folder, uid);
                }
                if flags.contains("\\Recent") {
                    complaints.extend(ledger.recent(folder, uid, session).err());
                }
            }
        }
        drop(ledger);
        for what in complaints {
            self.complain(Err(what));
        }
    }

    /// Asks for what the picture lacks.
    pub fn learn(&mut self) -> Result<()> {
        let client = self.client.as_ref().unwrap();
        let unknown = |e: &Entry| e.uid.is_none() || e.flags.is_none();
        let Some(first) = client.picture.iter().position(unknown) else { return Ok(()) };
        let last = client.picture.iter().rposition(unknown).unwrap_or(first);
        let range =
            format!("FETCH {}:{} (UID FLAGS BODY.PEEK[HEADER.FIELDS (X-ID)])", first + 1, last + 1);
        self.cmd(&range, Allow::Fixed)?;
        let client = self.client.as_ref().unwrap();
        let uids: Vec<u32> = client.picture.iter().filter_map(|e| e.uid).collect();
        if !uids.is_sorted_by(|a, b| a < b) {
            return client.wrong("UIDs do not ascend");
        }
        Ok(())
    }
}
