//! What a client does in a folder that is open: it goes on with what it is told.

use super::client::{Syncer, Terms, wrong};
use super::stage::{FLAGS, FOLDERS, KEYWORDS, Stage, message};
use super::told::{Flags, Set};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use support::Random;
use support::client::{Allow, PATIENCE, Result};

/// Whether the whole folder is in step after what was done.
pub type InStep = bool;

impl Syncer {
    /// Does something; whether the cache must be right now.
    pub fn go_on(&mut self, stage: &Stage, r: &mut Random) -> Result<InStep> {
        // A folder that keeps no values refuses what would ask for them (RFC 7162 3.1.2.2).
        let most = if self.link()?.has_none { 82 } else { 100 };
        match r.below(most) {
            0..22 => return self.noop(stage, if r.percent(80) { "NOOP" } else { "CHECK" }),
            22..52 => self.store(stage, r)?,
            52..60 => {
                let by_uid = r.percent(40).then(|| self.some(r, 50)).flatten();
                let command = match by_uid {
                    Some(uids) => format!("UID EXPUNGE {uids}"),
                    None => "EXPUNGE".to_owned(),
                };
                self.polite(stage, &command, Allow::Expunge)?;
            }
            60..66 => {
                let word = if r.percent(60) { "MOVE" } else { "COPY" };
                let folder = FOLDERS[r.below(FOLDERS.len())];
                if let Some(uids) = self.some(r, 20) {
                    self.polite(stage, &format!("UID {word} {uids} {folder}"), Allow::Expunge)?;
                }
            }
            66..74 => {
                let folder = FOLDERS[r.below(FOLDERS.len())];
                let flags = some_flags(r).join(" ");
                let text = message(r.number());
                self.cmd_literal(stage, &format!("APPEND {folder} ({flags})"), &text)?;
            }
            74..82 => {
                // Sets \Seen.
                let link = self.link()?;
                if link.view.len() > 0 {
                    let n = 1 + r.below(link.view.len());
                    let command = format!("FETCH {n} (BODY[TEXT])");
                    self.polite(stage, &command, Allow::Fixed)?;
                }
            }
            82..88 => {
                if let Some(uids) = self.some(r, 40) {
                    let command = format!("UID FETCH {uids} (FLAGS MODSEQ)");
                    self.link()?.is_enabled = true;
                    self.polite(stage, &command, Allow::Expunge)?;
                }
            }
            88..94 => {
                let Some(folder) = self.link()?.selected else { return Ok(false) };
                if let (Some(modseq), true) = (self.caches[folder].modseq, self.link()?.is_quick) {
                    let tail = format!("(FLAGS) (CHANGEDSINCE {modseq} VANISHED)");
                    let mut terms = Terms::full(Allow::Expunge);
                    terms.earlier = Some(Set(vec![(1, u32::MAX)]));
                    self.cmd(stage, &format!("UID FETCH 1:* {tail}"), terms)?;
                }
            }
            _ => {
                let Some(folder) = self.link()?.selected else { return Ok(false) };
                let modseq = self.caches[folder].modseq.unwrap_or(0);
                self.link()?.is_enabled = true;
                self.polite(stage, &format!("SEARCH MODSEQ {modseq}"), Allow::Fixed)?;
            }
        }
        self.learn(stage)?;
        Ok(false)
    }

    /// A command that may be refused because messages are gone, a lock is held, or the disk is full.
    fn polite(&mut self, stage: &Stage, command: &str, allow: Allow) -> Result<()> {
        // What FETCH answers of itself need not have UID and MODSEQ.
        let terms = match command.contains("FETCH") {
            true => Terms::new(allow),
            false => Terms::full(allow),
        };
        self.cmd(stage, command, terms).map(drop)
    }

    /// A look: everything is told then, if it can be had.
    pub fn noop(&mut self, stage: &Stage, command: &str) -> Result<InStep> {
        let answer = self.cmd(stage, command, Terms::full(Allow::Expunge))?;
        self.learn(stage)?;
        Ok(answer.is_ok() && self.link()?.is_synced)
    }

    /// Some of the messages that are there.
    fn some(&mut self, r: &mut Random, percent: usize) -> Option<Set> {
        let uids = self.link.as_ref()?.view.uids();
        let some = Set::of(uids.into_iter().filter(|_| r.percent(percent)));
        (!some.0.is_empty()).then_some(some)
    }

    /// STORE: plain or silent, with a condition or without.
    pub fn store(&mut self, stage: &Stage, r: &mut Random) -> Result<()> {
        let Some(folder) = self.link()?.selected else { return Ok(()) };
        let view = self.link()?.view.clone();
        let Some(first) = (view.len() > 0).then(|| r.below(view.len())) else { return Ok(()) };
        let places: Vec<usize> = (first..view.len().min(first + 1 + r.below(3))).collect();
        let uids: Vec<u32> = places.iter().filter_map(|i| view.0[*i]).collect();
        if uids.len() < places.len() {
            return Ok(());
        }
        let by_uid = r.percent(50);
        let (sign, is_silent) = (["+", "-", ""][r.below(3)], r.percent(50));
        let flags: Flags = some_flags(r).into_iter().map(str::to_owned).collect();
        let (condition, is_honest) = self.condition(folder, &uids, r);
        let set = match by_uid {
            true => Set::of(uids.iter().copied()),
            false => Set::of(places.iter().map(|i| *i as u32 + 1)),
        };
        let word = if by_uid { "UID STORE" } else { "STORE" };
        let item = if is_silent { "FLAGS.SILENT" } else { "FLAGS" };
        let list: Vec<&str> = flags.iter().map(String::as_str).collect();
        let command = format!("{word} {set}{condition} {sign}{item} ({})", list.join(" "));
        let before = stage.disk(folder);
        let believed: BTreeMap<u32, _> = uids
            .iter()
            .filter_map(|uid| Some((*uid, self.caches[folder].messages.get(uid)?.clone())))
            .collect();
        self.link()?.is_enabled |= !condition.is_empty();
        let allow = if by_uid { Allow::Expunge } else { Allow::Fixed };
        let terms = Terms { may_be_bad: !is_honest, ..Terms::full(allow) };
        let answer = self.cmd(stage, &command, terms)?;
        let refused =
            |i: usize| answer.modified.has(if by_uid { uids[i] } else { places[i] as u32 + 1 });
        let done = |i: &usize| answer.is_ok() && !refused(*i);
        for uid in (0..uids.len()).filter(done).map(|i| &uids[i]) {
            let known = believed.get(uid);
            if let (Some(known), Some(before), true) = (known, &before, is_honest)
                && !condition.is_empty()
            {
                // RFC 7162 3.1.3: nothing that the client was not told is overwritten.
                let was = before.get(uid);
                if was.is_some_and(|was| is_overwritten(was, &known.flags, sign, &flags)) {
                    let what = format!("UID {uid} was {was:?} when this was stored on condition");
                    return wrong(self.link()?, &what);
                }
                if stage.touches(folder, *uid) > known.touches {
                    let what = format!("UID {uid} was changed and changed back; this was stored");
                    return wrong(self.link()?, &what);
                }
            }
            if is_silent && !answer.flagged.contains(uid) {
                self.apply(folder, *uid, sign, &flags);
            }
        }
        if !answer.is_ok() {
            let command = format!("UID FETCH {} (FLAGS)", Set::of(uids.iter().copied()));
            self.polite(stage, &command, Allow::Expunge)?;
        }
        Ok(())
    }

    /// A condition for STORE, and whether the value was ever told.
    fn condition(&self, folder: usize, uids: &[u32], r: &mut Random) -> (String, bool) {
        let cache = &self.caches[folder];
        let of_messages = || {
            let values: Option<Vec<u64>> =
                uids.iter().map(|uid| cache.messages.get(uid)?.modseq).collect();
            values?.into_iter().min()
        };
        let is_synced = self.link.as_ref().is_some_and(|link| link.is_synced && !link.has_none);
        let value = match r.below(10) {
            _ if self.link.as_ref().is_none_or(|link| link.has_none) => None,
            0..4 => None,
            4..7 => of_messages(),
            7..9 => cache.modseq.filter(|_| is_synced),
            _ => return (format!(" (UNCHANGEDSINCE {})", garbage(r)), false),
        };
        (value.map_or_else(String::new, |n| format!(" (UNCHANGEDSINCE {n})")), true)
    }

    /// A change of the client's own that was acknowledged.
    fn apply(&mut self, folder: usize, uid: u32, sign: &str, flags: &Flags) {
        let Some(known) = self.caches[folder].messages.get_mut(&uid) else { return };
        match sign {
            "+" => known.flags.extend(flags.iter().cloned()),
            "-" => known.flags.retain(|flag| !flags.contains(flag)),
            _ => known.flags.clone_from(flags),
        }
    }

    /// IDLE; `meanwhile` changes something. Ends when something was told, or after a while.
    pub fn idle(&mut self, stage: &Stage, meanwhile: &mut dyn FnMut()) -> Result<InStep> {
        let tag = self.send("IDLE")?;
        let terms = Terms::full(Allow::Expunge);
        if self.finish(stage, &tag, &terms)?.word != "+" {
            return Ok(false);
        }
        meanwhile();
        let until = Instant::now() + Duration::from_millis(30);
        let mut patience = Duration::from_millis(30);
        while let Some(response) = {
            let link = self.link()?;
            link.client.response(patience)?
        } {
            let told = self.read(&response)?;
            self.take(stage, &told, &terms)?;
            patience = until.saturating_duration_since(Instant::now());
        }
        self.link()?.client.send(b"DONE\r\n")?;
        let answer = self.finish(stage, &tag, &terms)?;
        self.learn(stage)?;
        Ok(answer.is_ok() && self.link()?.is_synced)
    }

    /// A command whose answer is cut off: the client takes what came, and the session is killed.
    pub fn cut(&mut self, stage: &Stage, r: &mut Random) -> Result<()> {
        let uids = self.some(r, 40).unwrap_or(Set(vec![(1, 1)]));
        let flags = some_flags(r).join(" ");
        let command = match r.below(6) {
            0..2 => "NOOP".to_owned(),
            2 => format!("UID STORE {uids} +FLAGS ({flags})"),
            3 => format!("UID STORE {uids} -FLAGS.SILENT ({flags})"),
            4 => format!("UID MOVE {uids} {}", FOLDERS[1]),
            _ => "EXPUNGE".to_owned(),
        };
        let tag = self.send(&command)?;
        let end = format!("{tag} ");
        for _ in 0..r.below(4) {
            let response = self.link()?.client.response(PATIENCE)?;
            let Some(response) = response.filter(|r| !r.starts_with(end.as_bytes())) else { break };
            let told = self.read(&response)?;
            self.take(stage, &told, &Terms::full(Allow::Expunge))?;
        }
        std::thread::sleep(Duration::from_micros(r.below(1500) as u64));
        self.kill();
        Ok(())
    }

    /// A client that comes with values that nobody gave it, and a cache that is all wrong. It must
    /// be set right, and nobody else may be harmed.
    pub fn spoil(&mut self, folder: usize, r: &mut Random) {
        let cache = &mut self.caches[folder];
        if cache.validity == 0 || cache.modseq.is_none() {
            return;
        }
        cache.is_spoiled = true;
        cache.modseq = Some(garbage(r).clamp(1, (1 << 63) - 1));
        for known in cache.messages.values_mut() {
            if r.percent(50) {
                known.flags = some_flags(r).into_iter().map(str::to_owned).collect();
            }
            known.modseq = None;
        }
        for _ in 0..r.below(4) {
            let uid = 1 + r.below(cache.next as usize) as u32;
            if uid < cache.next {
                cache.messages.entry(uid).or_default();
            }
        }
    }
}

/// Whether STORE has put something in the place of what its client was not told: system flags are
/// all in one name; of the keywords those that it writes.
fn is_overwritten(was: &Flags, known: &Flags, sign: &str, stored: &Flags) -> bool {
    let counts = |flag: &String| flag.starts_with('\\') || sign.is_empty() || stored.contains(flag);
    was.symmetric_difference(known).any(counts)
}

/// A value that is in no run of the server's, most likely.
pub fn garbage(r: &mut Random) -> u64 {
    match r.below(5) {
        0 => (1 << 63) - 1 - r.below(3) as u64,
        1 => 1 + r.below(1000) as u64,
        2 => (1 << 53) + r.number() % 1000,
        3 => 1 << (20 + r.below(25)),
        _ => (r.number() >> 1) | 1 << 61,
    }
}

/// Any flags.
pub fn some_flags(r: &mut Random) -> Vec<&'static str> {
    let mut flags: Vec<&str> = FLAGS.iter().copied().filter(|_| r.percent(30)).collect();
    if r.percent(15) {
        flags.push("\\Deleted");
    }
    if r.percent(35) {
        flags.push(KEYWORDS[r.below(KEYWORDS.len())]);
    }
    flags
}
