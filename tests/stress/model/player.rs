//! Plays a history: one thing after the other, each from a number, so that a seed repeats it and
//! steps can be left out.

use super::cache::Cache;
use super::client::{Syncer, Way};
use super::damage::{self, Copies};
use super::reader;
use super::stage::{FACTS, FOLDERS, Manner, STATE, Stage, UIDS, Uids, names};
use super::told::Flags;
use super::ways::Reach;
use super::writers::{self, Away, Writer};
use std::collections::BTreeMap;
use std::fs;
use support::Random;
use support::client::{Result, Stop};

/// What is done in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A client gets in step.
    Sync,
    /// A client goes on in its session.
    GoOn,
    Idle,
    /// A client's session is killed in the middle of an answer.
    Cut,
    /// A client's session ends.
    End,
    /// A session of ours, and of Courier's, that keeps nothing.
    Ours,
    Courier,
    Deliver,
    Hand,
    Damage,
    /// A file is kept, something is done, and the file is put back.
    Back,
    Kill,
    Lock,
    Disk,
    /// A session that only looks.
    Look,
    /// A client comes with garbage.
    Spoil,
}

impl What {
    /// Whether something is destroyed.
    pub fn is_harm(self) -> bool {
        matches!(self, What::Damage | What::Back | What::Kill | What::Lock | What::Disk)
    }
}

const WEIGHTS: &[(What, usize)] = &[
    (What::Sync, 250),
    (What::GoOn, 200),
    (What::Idle, 12),
    (What::Cut, 35),
    (What::End, 50),
    (What::Ours, 100),
    (What::Courier, 80),
    (What::Deliver, 60),
    (What::Hand, 100),
    (What::Damage, 60),
    (What::Back, 30),
    (What::Kill, 40),
    (What::Lock, 5),
    (What::Disk, 20),
    (What::Look, 30),
    (What::Spoil, 15),
];

/// A step: what is done, and the number from which everything in it follows.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub what: What,
    pub dice: u64,
}

/// A step, and its number in the whole history.
pub type Numbered = (usize, Step);

/// The history of a seed.
pub fn history(seed: u64) -> Vec<Step> {
    let mut r = Random(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
    let total = WEIGHTS.iter().map(|(_, weight)| weight).sum();
    let begin = [What::Deliver, What::Deliver, What::Ours].map(|what| (what, r.number()));
    let mut steps: Vec<Step> = begin.into_iter().map(|(what, dice)| Step { what, dice }).collect();
    for _ in 0..20 + r.below(100) {
        let mut n = r.below(total);
        let what = WEIGHTS.iter().find(|(_, weight)| {
            let hit = n < *weight;
            n = n.saturating_sub(*weight);
            hit
        });
        steps.push(Step { what: what.map_or(What::Sync, |(what, _)| *what), dice: r.number() });
    }
    steps
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub histories: u64,
    pub steps: u64,
    pub syncs: u64,
    pub compared: u64,
    pub refused: u64,
    pub damages: u64,
    pub kills: u64,
}

pub struct Player<'a> {
    stage: &'a Stage<'a>,
    pub syncers: Vec<Syncer>,
    writers: Vec<Writer>,
    copies: Copies,
    away: Away,
    /// Whether the disk is small enough to be filled.
    is_small: bool,
    is_full: bool,
    pub figures: Figures,
}

/// The clients of a history.
pub fn clients() -> Vec<Syncer> {
    vec![
        Syncer::new("quick", Way::Quick, false),
        Syncer::new("quick too", Way::Quick, false),
        Syncer::new("lazy", Way::Quick, true),
        Syncer::new("changed", Way::Changed, false),
        Syncer::new("changed lazy", Way::Changed, true),
    ]
}

impl<'a> Player<'a> {
    pub fn new(stage: &'a Stage<'a>, is_small: bool) -> Player<'a> {
        Player {
            stage,
            syncers: clients(),
            writers: vec![Writer::new(false), Writer::new(false), Writer::new(true)],
            copies: Copies::new(),
            away: Away::new(),
            is_small,
            is_full: false,
            figures: Figures::default(),
        }
    }

    /// One step, and what it changed on disk.
    pub fn step(&mut self, number: usize, step: Step) -> Result<()> {
        let mut r = Random(step.dice);
        self.stage.note(format!("{number}: {:?}", step.what));
        self.figures.steps += 1;
        let before = self.disks();
        let by = self.act(step.what, &mut r)?;
        let after = self.disks();
        for folder in 0..FOLDERS.len() {
            self.changes(folder, &before[folder], &after[folder], by);
        }
        Ok(())
    }

    fn disks(&self) -> Vec<BTreeMap<u32, Flags>> {
        (0..FOLDERS.len()).map(|f| self.stage.disk(f).unwrap_or_default()).collect()
    }

    /// Notes what has changed on disk. `is_ours`: by sessions that record what they do.
    fn changes(
        &mut self,
        folder: usize,
        before: &BTreeMap<u32, Flags>,
        after: &BTreeMap<u32, Flags>,
        is_ours: bool,
    ) {
        for (uid, flags) in after {
            let was = before.get(uid);
            if was == Some(flags) {
                continue;
            }
            self.stage.note(format!("      {} {uid}: {was:?} -> {flags:?}", FOLDERS[folder]));
            if !is_ours || was.is_none() {
                continue;
            }
            let count = self.stage.touch(folder, *uid);
            for syncer in &mut self.syncers {
                if let Some(known) = syncer.caches[folder].messages.get_mut(uid)
                    && known.flags == *flags
                {
                    known.touches = count;
                }
            }
        }
        for uid in before.keys().filter(|uid| !after.contains_key(uid)) {
            self.stage.note(format!("      {} {uid}: gone", FOLDERS[folder]));
        }
    }

    /// Does it. Whether all changes were made by sessions that record them.
    fn act(&mut self, what: What, r: &mut Random) -> Result<bool> {
        let n = r.below(self.syncers.len());
        match what {
            What::Sync => self.sync(n, r)?,
            What::GoOn => return self.go_on(n, r),
            What::Idle => return self.idle(n, r).map(|()| false),
            What::Cut => {
                if self.syncers[n].link.is_some() {
                    let name = &self.syncers[n].name;
                    self.stage.note(format!("    client {name}"));
                    self.syncers[n].cut(self.stage, r)?;
                }
                return Ok(false);
            }
            What::End => {
                let name = &self.syncers[n].name;
                self.stage.note(format!("    client {name}"));
                let dice = r.below(3);
                if dice == 0 && self.syncers[n].link.is_some() {
                    self.close(n)?;
                }
                self.syncers[n].end(dice == 1);
            }
            What::Ours | What::Courier => {
                let n = if what == What::Courier { 2 } else { r.below(2) };
                if what == What::Courier && self.stage.props.courier.is_none() {
                    return Ok(false);
                }
                let manner = manner(r);
                let before = self.stage.uids();
                let by_ours = self.writers[n].act(self.stage, manner, r);
                if what == What::Courier {
                    self.forget_reused(&before);
                }
                return by_ours;
            }
            What::Deliver => writers::deliver(self.stage, r),
            What::Hand => {
                writers::meddle(self.stage, &mut self.away, r);
                return Ok(false);
            }
            What::Damage => {
                self.figures.damages += 1;
                self.stage.forget_touches();
                damage::damage(self.stage, &mut self.copies, r);
            }
            What::Back => self.back(r)?,
            What::Kill => {
                self.figures.kills += 1;
                writers::killed(self.stage, r)?;
                return Ok(false);
            }
            What::Lock => self.lock(n, r)?,
            What::Disk => self.disk(r),
            What::Look => {
                let folder = r.below(FOLDERS.len());
                let manner = manner(r);
                self.stage.note(format!("    {manner:?}"));
                reader::read(self.stage, folder, manner, r.percent(30))?;
                return Ok(false);
            }
            What::Spoil => {
                let folder = r.below(FOLDERS.len());
                self.syncers[n].end(false);
                self.syncers[n].spoil(folder, r);
                self.sync_folder(n, folder, r)?;
            }
        }
        Ok(true)
    }

    /// On a full disk Courier's server forgets UIDs, and gives them to other messages. Where the index is lost as
    /// well, nobody can know that: the clients begin anew.
    fn forget_reused(&mut self, before: &[Uids]) {
        for (folder, (was, is)) in before.iter().zip(self.stage.uids()).enumerate() {
            if was.is_contradicted_by(&is) {
                self.stage.note(format!("      {}: UIDs were forgotten", FOLDERS[folder]));
                for syncer in &mut self.syncers {
                    syncer.end(false);
                    syncer.caches[folder] = Cache::default();
                }
            }
        }
    }

    fn close(&mut self, n: usize) -> Result<()> {
        let terms = super::client::Terms::new(support::client::Allow::Expunge);
        let syncer = &mut self.syncers[n];
        if syncer.link()?.selected.is_some() {
            syncer.cmd(self.stage, "CLOSE", terms)?;
        }
        Ok(())
    }

    /// A client gets in step, and mostly somebody looks whether it is.
    fn sync(&mut self, n: usize, r: &mut Random) -> Result<()> {
        let folder = r.below(FOLDERS.len());
        self.sync_folder(n, folder, r)
    }

    fn sync_folder(&mut self, n: usize, folder: usize, r: &mut Random) -> Result<()> {
        self.figures.syncs += 1;
        let syncer = &mut self.syncers[n];
        let name = syncer.name.clone();
        if syncer.link.is_none() || r.percent(40) {
            let manner = match r.below(20) {
                0 => Manner::Skewed([-5, 5, -25, 25][r.below(4)]),
                1 => Manner::OtherTime([-86_400 * 400, 3600, 86_400 * 400][r.below(3)]),
                2 => Manner::OtherBoot,
                3 => Manner::Careful,
                4 => Manner::NoIndex,
                _ => Manner::Usual,
            };
            self.stage.note(format!("    client {name}: a new session, {manner:?}"));
            syncer.end(r.percent(50));
            let client = self.stage.ours(r.below(2), manner)?;
            syncer.begin(self.stage, client)?;
        }
        let cache = &syncer.caches[folder];
        let (validity, modseq) = (cache.validity, cache.modseq);
        let from = format!("{validity} {modseq:?}");
        self.stage.note(format!("    client {name}: {} from {from}", FOLDERS[folder]));
        let reach = syncer.sync(self.stage, folder, r)?;
        if reach == Reach::Refused {
            self.figures.refused += 1;
            self.stage.note("    refused".to_owned());
            if !self.is_full {
                return self.syncers[n].link()?.client.wrong("SELECT is refused");
            }
        }
        let is_followed = r.percent(75);
        if is_followed { self.compare(n, folder, &reach, r) } else { Ok(()) }
    }

    fn compare(&mut self, n: usize, folder: usize, reach: &Reach, r: &mut Random) -> Result<()> {
        // Without an index, and without a disk, UIDs are what that session makes of it.
        let manner = match r.below(10) {
            0..4 if !self.is_full => Manner::NoIndex,
            4 => Manner::OtherHost,
            _ => Manner::Usual,
        };
        let may_write = r.percent(70);
        let Some(truth) = reader::read(self.stage, folder, manner, may_write)? else {
            return Ok(());
        };
        self.figures.compared += 1;
        // Without a sound UID file, and without room for one, each session has a UIDVALIDITY of its
        // own, and keeps it.
        let has_none = self.syncers[n].link.as_ref().is_some_and(|link| link.has_none);
        let is_other = truth.validity != self.syncers[n].caches[folder].validity;
        if self.is_full && has_none || (self.is_full || has_none) && is_other {
            return Ok(());
        }
        let differences = truth.differences(&self.syncers[n].caches[folder], reach);
        if differences.is_empty() {
            return Ok(());
        }
        let name = &self.syncers[n].name;
        Err(Stop::Wrong(format!(
            "FALSE (client {name}, {}, {manner:?}): this is not what is there\n{}",
            FOLDERS[folder],
            differences.concat()
        )))
    }

    /// A client goes on. Whether it changed something that is recorded.
    fn go_on(&mut self, n: usize, r: &mut Random) -> Result<bool> {
        let name = self.syncers[n].name.clone();
        let Some(folder) = self.syncers[n].link.as_ref().and_then(|link| link.selected) else {
            self.sync(n, r)?;
            return Ok(true);
        };
        self.stage.note(format!("    client {name} in {}", FOLDERS[folder]));
        let has_none = self.syncers[n].link()?.has_none;
        if self.syncers[n].go_on(self.stage, r)? && r.percent(75) {
            self.compare(n, folder, &Reach::All, r)?;
        }
        Ok(!has_none)
    }

    fn idle(&mut self, n: usize, r: &mut Random) -> Result<()> {
        let Some(folder) = self.syncers[n].link.as_ref().and_then(|link| link.selected) else {
            return self.sync(n, r);
        };
        let mut inner = Random(r.number());
        let (stage, away, writers) = (self.stage, &mut self.away, &mut self.writers);
        let mut failed = Ok(());
        let is_in_step = self.syncers[n].idle(stage, &mut || match inner.below(3) {
            0 => writers::deliver(stage, &mut inner),
            1 => writers::meddle(stage, away, &mut inner),
            _ => failed = writers[0].act(stage, Manner::Usual, &mut inner).map(drop),
        })?;
        failed?;
        if is_in_step { self.compare(n, folder, &Reach::All, r) } else { Ok(()) }
    }

    /// Yesterday's file: it is kept, something is done, and it is put back.
    fn back(&mut self, r: &mut Random) -> Result<()> {
        let folder = r.below(FOLDERS.len());
        let name = [STATE, STATE, STATE, STATE, FACTS, UIDS][r.below(6)];
        damage::keep(self.stage, &mut self.copies, folder, name);
        for _ in 0..1 + r.below(4) {
            let what =
                [What::GoOn, What::Ours, What::Sync, What::Courier, What::Hand, What::Deliver]
                    [r.below(6)];
            self.stage.note(format!("   {what:?}"));
            self.act(what, &mut Random(r.number()))?;
        }
        self.figures.damages += 1;
        damage::back(self.stage, &self.copies, (folder, name), true, r);
        self.stage.forget_touches();
        Ok(())
    }

    /// A lock of a host that has died: a client goes on beside it.
    fn lock(&mut self, n: usize, r: &mut Random) -> Result<()> {
        let Some(folder) = self.syncers[n].link.as_ref().and_then(|link| link.selected) else {
            return Ok(());
        };
        let path = self.stage.path(folder);
        if r.percent(10) {
            self.stage.note("    an old lock of another host".to_owned());
            writers::dead_lock(&path, 121);
            return self.sync_folder(n, folder, r);
        }
        self.stage.note(format!("    a lock of another host in {}", FOLDERS[folder]));
        writers::dead_lock(&path, 0);
        let mut done = self.syncers[n].store(self.stage, r);
        if done.is_ok() && r.percent(50) && self.all_have_uids(folder) {
            // Somebody opens it beside it. What is new to the index cannot be recorded.
            done = self.sync_folder(n, folder, r);
        }
        let _ = fs::remove_file(path.join("tmp/courier.lock"));
        done
    }

    /// Whether no look needs the lock to give UIDs.
    fn all_have_uids(&self, folder: usize) -> bool {
        let path = self.stage.path(folder);
        let with_uids = self.stage.disk(folder).map_or(0, |disk| disk.len());
        names(&path.join("new")).is_empty() && names(&path.join("cur")).len() == with_uids
    }

    /// The disk gets full, or has room again.
    fn disk(&mut self, r: &mut Random) {
        let filler = self.stage.home.join("filler");
        if self.is_full {
            self.is_full = false;
            self.stage.note(format!("    there is room again: {:?}", fs::remove_file(filler)));
            return;
        }
        if !self.is_small {
            return;
        }
        let Ok(mut file) = fs::File::create(&filler) else { return };
        let mut size = 0u64;
        while std::io::Write::write_all(&mut file, &[b'x'; 4096]).is_ok() {
            size += 4096;
        }
        let left = r.below(3) as u64 * 4096;
        let _ = file.set_len(size.saturating_sub(left));
        self.is_full = true;
        self.stage.note(format!("    the disk is full, but for {left} bytes"));
    }
}

/// How a session that changes or looks is started.
pub fn manner(r: &mut Random) -> Manner {
    match r.below(24) {
        0..2 => Manner::NoIndex,
        2..4 => Manner::NoExtensions,
        4..7 => Manner::NoKeywords,
        7..9 => Manner::Careful,
        9 => Manner::NoLocks,
        10..12 => Manner::Skewed([-5, 5, -25, 25][r.below(4)]),
        12..14 => Manner::OtherTime([-86_400 * 400, -3600, 60, 86_400 * 400][r.below(4)]),
        14..16 => Manner::OtherBoot,
        16..18 => Manner::OtherHost,
        _ => Manner::Usual,
    }
}
