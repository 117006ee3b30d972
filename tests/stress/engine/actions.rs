//! What a client of the stress does: each command, and how its answer is held against the ledger.

use super::ledger::{FOLDERS, Ledger, content, id_of, on_the_wire};
use super::worker::{Open, Worker};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use support::client::{Allow, Client, Fetched, PATIENCE, Reply, Result};

pub const FLAGS: &[&str] = &["\\Seen", "\\Flagged", "\\Answered", "\\Draft"];
pub const KEYWORDS: &[&str] = &["Work", "$Forwarded", "later"];

/// A set for a few places: as numbers or UIDs. `None` if a UID is not known.
pub fn set(client: &Client, places: &[usize], uid: bool) -> Option<String> {
    let words: Option<Vec<String>> = places
        .iter()
        .map(|i| {
            if uid {
                client.picture.get(*i)?.uid.map(|u| u.to_string())
            } else {
                Some((i + 1).to_string())
            }
        })
        .collect();
    words.map(|w| w.join(",")).filter(|w| !w.is_empty())
}

/// Messages that are to be copied or moved.
pub struct Way {
    pub command: String,
    pub target: usize,
    /// Their UIDs and numbers.
    pub sources: Vec<(u32, u64)>,
}

impl Worker<'_> {
    pub fn select(&mut self, folder: usize) -> Result<()> {
        self.selected = None;
        self.client().picture.clear();
        let reply = self.client().cmd(&format!("SELECT {}", FOLDERS[folder]), Allow::Expunge)?;
        if self.has_lost_its_lock(&reply) {
            return Ok(());
        }
        let (Some(validity), "OK") = (reply.validity, &*reply.word) else {
            return self.client().wrong("SELECT failed");
        };
        let told = self.ledger(|l| l.validity(folder, validity));
        self.complain(told);
        self.selected = Some(folder);
        self.learn()
    }

    pub fn simple(&mut self, command: &str) -> Result<()> {
        let reply = self.cmd(command, Allow::Expunge)?;
        if reply.word != "OK" && !self.may_refuse(&reply) {
            return self.client().wrong("failed");
        }
        self.learn()
    }

    /// A few neighbours.
    pub fn places(&mut self, most: usize) -> Vec<usize> {
        let n = self.client().picture.len();
        if n == 0 {
            return Vec::new();
        }
        let from = self.r.below(n);
        let count = 1 + self.r.below(most);
        (from..n.min(from + count)).collect()
    }

    /// Refused because the lock was taken away: by Courier, where it finds a dead session's and
    /// removes ours with it.
    pub fn has_lost_its_lock(&self, reply: &Reply) -> bool {
        let plan = &self.world.plan;
        let lost = plan.kills && plan.mixed && reply.word == "NO" && reply.text.contains("[INUSE]");
        self.world.count(|f| f.lost_locks += u64::from(lost));
        lost
    }

    /// In a folder that others rename and delete, NO is an answer to anything.
    fn may_refuse(&mut self, reply: &Reply) -> bool {
        if self.visiting.is_some() && reply.word == "NO" {
            self.refused += 1;
            return true;
        }
        self.has_lost_its_lock(reply)
    }

    /// Where another host removes a message, one that is open can be read no longer.
    fn is_across_hosts(&self) -> bool {
        self.world.plan.ours.len() > 1
    }

    /// An answer that is neither OK nor said of messages that are gone.
    pub fn expect(&mut self, reply: &Reply) -> Result<()> {
        if self.may_refuse(reply)
            || reply.word == "OK"
            || reply.text.contains("no longer exist")
            || self.client().courier
            || self.is_across_hosts() && reply.text.contains("cannot be read")
        {
            return Ok(());
        }
        self.client().wrong("refused")
    }

    pub fn fetch(&mut self, folder: usize) -> Result<()> {
        let whole = self.r.percent(40);
        let places = self.places(if whole { 3 } else { 30 });
        let uid = self.r.percent(50);
        let Some(set) = set(self.client(), &places, uid) else { return Ok(()) };
        let word = if uid { "UID FETCH" } else { "FETCH" };
        let items = match whole {
            true if self.r.percent(50) => "(UID RFC822.SIZE BODY.PEEK[])",
            true => "(UID RFC822.SIZE BODY[])",
            false => "(UID FLAGS)",
        };
        let allow = if uid { Allow::Expunge } else { Allow::Fixed };
        let reply = self.cmd(&format!("{word} {set} {items}"), allow)?;
        self.expect(&reply)?;
        for fetched in reply.fetched.iter().filter(|f| f.body.is_some()) {
            let body = fetched.body.as_deref().unwrap_or_default();
            // What Courier serves of a message that is gone; we answer NO.
            if self.client().courier
                && (body.is_empty() || support::find(body, b"message unavailable").is_some())
            {
                continue;
            }
            let known = self.client().picture[fetched.index].id;
            let Some(id) = id_of(body).or(known) else { continue };
            let wire = on_the_wire(&content(id));
            if body != wire || fetched.size.is_some_and(|s| s != wire.len()) {
                let (is, due) = (body.len(), wire.len());
                return self.client().wrong(&format!(
                    "message {id} in {folder} was served with {is} bytes of {due}, size {:?}",
                    fetched.size
                ));
            }
            self.world.count(|f| f.served += 1);
        }
        Ok(())
    }

    pub fn store(&mut self, folder: usize) -> Result<()> {
        let places = self.places(6);
        let uid = self.r.percent(50);
        let Some(set) = set(self.client(), &places, uid) else { return Ok(()) };
        let mut names: BTreeSet<String> =
            FLAGS.iter().filter(|_| self.r.percent(35)).map(|f| (*f).to_owned()).collect();
        if self.r.percent(25) {
            names.insert(KEYWORDS[self.r.below(KEYWORDS.len())].to_owned());
        }
        let sign = ["+", "-", ""][self.r.below(3)];
        if sign == "-" && self.r.percent(30) {
            names.insert("\\Deleted".to_owned());
        }
        self.change(folder, &places, &set, uid, sign, &names)
    }

    /// STORE, and what the client believes after it.
    pub fn change(
        &mut self,
        _: usize,
        places: &[usize],
        set: &str,
        uid: bool,
        sign: &str,
        names: &BTreeSet<String>,
    ) -> Result<()> {
        let silent = self.r.percent(40);
        let word = if uid { "UID STORE" } else { "STORE" };
        let item = if silent { "FLAGS.SILENT" } else { "FLAGS" };
        let list: Vec<&str> = names.iter().map(String::as_str).collect();
        let uids: Vec<Option<u32>> = places.iter().map(|i| self.client().picture[*i].uid).collect();
        let allow = if uid { Allow::Expunge } else { Allow::Fixed };
        let reply = self.cmd(&format!("{word} {set} {sign}{item} ({})", list.join(" ")), allow)?;
        self.world.count(|f| f.stores += 1);
        self.expect(&reply)?;
        let whole = reply.word == "OK";
        if silent {
            // What somebody else has changed meanwhile is told, and is what the flags are now (RFC
            // 3501 6.4.6).
            let picture = &self.client().picture;
            let told = |f: &Fetched| f.flags.as_ref().and_then(|_| picture.get(f.index)?.uid);
            let told: BTreeSet<u32> = reply.fetched.iter().filter_map(told).collect();
            // A UID command may have moved the numbers.
            for uid in uids {
                if whole && uid.is_some_and(|uid| told.contains(&uid)) {
                    continue;
                }
                let Some(entry) = self.client().picture.iter_mut().find(|e| e.uid == uid) else {
                    continue;
                };
                match &mut entry.flags {
                    _ if !whole => entry.flags = None,
                    Some(flags) if sign == "+" => flags.extend(names.iter().cloned()),
                    Some(flags) if sign == "-" => flags.retain(|f| !names.contains(f)),
                    Some(flags) => {
                        let recent = flags.contains("\\Recent");
                        flags.clone_from(names);
                        if recent {
                            flags.insert("\\Recent".to_owned());
                        }
                    }
                    None => {}
                }
            }
        }
        if whole { Ok(()) } else { self.learn() }
    }

    pub fn delete(&mut self, folder: usize) -> Result<()> {
        let most = if self.client().picture.len() > 120 { 25 } else { 4 };
        let mut places = self.places(most);
        let client = self.client.as_ref().unwrap();
        let free = |i: &usize| {
            client.picture[*i].uid.is_some()
                && client.picture[*i].id.is_some_and(|id| !Ledger::is_keeper(id))
        };
        places.retain(free);
        let uid = self.r.percent(50);
        let Some(set) = set(self.client(), &places, uid) else { return Ok(()) };
        let uids: Vec<u32> = places.iter().filter_map(|i| self.client().picture[*i].uid).collect();
        self.ledger(|l| uids.iter().for_each(|uid| l.doom(folder, *uid)));
        self.change(folder, &places, &set, uid, "+", &BTreeSet::from(["\\Deleted".to_owned()]))
    }

    pub fn expunge(&mut self, folder: usize) -> Result<()> {
        self.world.count(|f| f.expunges += 1);
        if self.r.percent(60) {
            return self.simple("EXPUNGE");
        }
        let _ = folder;
        let places = self.places(40);
        match set(self.client(), &places, true) {
            Some(set) => self.simple(&format!("UID EXPUNGE {set}")),
            None => Ok(()),
        }
    }

    /// The messages in these places on their way into some folder. `None`: there is none.
    pub fn way(&mut self, word: &str, places: &[usize]) -> Option<Way> {
        let uid = self.r.percent(50);
        let set = set(self.client(), places, uid)?;
        let target = self.r.below(FOLDERS.len());
        let picture = &self.client().picture;
        let sources = places.iter().filter_map(|i| picture[*i].uid.zip(picture[*i].id)).collect();
        let by_uid = if uid { "UID " } else { "" };
        let command = format!("{by_uid}{word} {set} {}", FOLDERS[target]);
        Some(Way { command, target, sources })
    }

    pub fn copy(&mut self, folder: usize) -> Result<()> {
        let crowded = self.client().picture.len() > 150;
        let mut places = self.places(3);
        let mut r = self.r.clone();
        let client = self.client.as_ref().unwrap();
        places.retain(|i| {
            client.picture[*i].uid.is_some()
                && client.picture[*i].id.is_some_and(|id| {
                    if Ledger::is_keeper(id) { r.percent(2) } else { !crowded || r.percent(10) }
                })
        });
        self.r = r;
        let Some(Way { command, target, sources }) = self.way("COPY", &places) else {
            return Ok(());
        };
        self.open = Open::Copy(target, sources.iter().map(|s| s.1).collect());
        let reply = self.cmd(&command, Allow::Expunge)?;
        let cut_off = std::mem::replace(&mut self.open, Open::Nothing);
        self.expect(&reply)?;
        self.world.count(|f| f.copies += 1);
        let told = code(&reply.text, "COPYUID")
            .map(|words| words.iter().map(|w| uids_of(w)).collect::<Vec<_>>());
        // (Where a lock may get lost, a copy may be expunged before it is told.)
        let plan = &self.world.plan;
        if told.is_none() && reply.word == "OK" && !plan.kills && !plan.mixed && !plan.courier_only
        {
            return self.client().wrong("LOST: COPY answered OK and did not say what was copied");
        }
        let (Some([_, from, to]), "OK") = (told.as_deref(), &*reply.word) else {
            if self.has_lost_its_lock(&reply)
                && let Open::Copy(folder, ids) = &cut_off
            {
                self.ledger(|l| ids.iter().for_each(|id| l.taken_back(*folder, *id)));
            }
            // None were there any more; or Courier, which may stop half-way.
            if let (Open::Copy(folder, ids), true) =
                (cut_off, self.client().courier || reply.word == "OK")
            {
                self.ledger(|l| ids.iter().for_each(|id| l.perhaps(folder, *id)));
            }
            return self.learn();
        };
        if from.len() != to.len() {
            return self.client().wrong("COPYUID of two lengths");
        }
        let due: BTreeSet<u32> = sources.iter().map(|s| s.0).collect();
        if !self.client().courier && from.iter().copied().collect::<BTreeSet<u32>>() != due {
            return self.client().wrong(&format!(
                "LOST: COPY answered OK, {} of {} messages were copied",
                from.len(),
                due.len()
            ));
        }
        self.world.count(|f| {
            f.copies_ok += 1;
            f.copied += due.len() as u64;
        });
        let mut results = Vec::new();
        self.ledger(|l| {
            for (from, to) in from.iter().zip(to) {
                let Some(id) = sources.iter().find(|s| s.0 == *from).map(|s| s.1) else {
                    results.push(Err(format!("COPYUID names {from}, which was not copied")));
                    continue;
                };
                l.arrived(target, id);
                results.push(l.learn(target, *to, id));
                if l.is_tainted(id) || l.doomed.contains(&(folder, *from)) {
                    l.doom(target, *to);
                }
            }
        });
        for result in results {
            self.complain(result);
        }
        self.learn()
    }

    pub fn idle(&mut self) -> Result<()> {
        let tag = self.client().tag();
        let client = self.client.as_mut().unwrap();
        client.send(format!("{tag} IDLE\r\n").as_bytes())?;
        let mut all = Reply::default();
        let until = Instant::now() + Duration::from_millis(self.r.below(400) as u64);
        let client = self.client.as_mut().unwrap();
        let mut begun = false;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if begun && left.is_zero() {
                break;
            }
            let patience = if begun { left } else { PATIENCE };
            match client.response(patience)? {
                Some(line) if line.starts_with(b"+ ") => begun = true,
                Some(line) if !begun && line.starts_with(format!("{tag} NO").as_bytes()) => {
                    return self.idle_refused();
                }
                Some(line) => client.take(&line, Allow::Expunge, &mut all)?,
                None if begun => break,
                None => return client.wrong("IDLE is not entered"),
            }
        }
        client.send(b"DONE\r\n")?;
        let reply = client.finish(&tag, Allow::Expunge)?;
        if reply.word != "OK" && !self.may_refuse(&reply) {
            return self.client().wrong("IDLE failed");
        }
        // Numbers may have moved since: only the picture counts, and that was kept.
        self.world.count(|f| f.idles += 1);
        self.learn()
    }

    fn idle_refused(&mut self) -> Result<()> {
        if self.visiting.is_some() { Ok(()) } else { self.client().wrong("IDLE refused") }
    }

    pub fn search(&mut self) -> Result<()> {
        let keys = ["SEEN", "DELETED", "UNFLAGGED LARGER 500", "SUBJECT stress", "KEYWORD Work"];
        let key = keys[self.r.below(keys.len())];
        let reply = self.cmd(&format!("SEARCH {key}"), Allow::Fixed)?;
        self.expect(&reply)
    }
}

/// The words of a response code.
pub fn code<'t>(text: &'t str, name: &str) -> Option<Vec<&'t str>> {
    let rest = text.strip_prefix('[')?.strip_prefix(name)?;
    let (words, _) = rest.split_once(']')?;
    Some(words.split_ascii_whitespace().collect())
}

/// `3,5:7` as numbers.
pub fn uids_of(set: &str) -> Vec<u32> {
    let mut uids = Vec::new();
    for piece in set.split(',') {
        let (from, to) = piece.split_once(':').unwrap_or((piece, piece));
        if let (Ok(from), Ok(to)) = (from.parse::<u32>(), to.parse::<u32>()) {
            uids.extend(from..=to);
        }
    }
    uids
}
