//! What a client of the stress stores: one message or several, and one in the place of another.

use super::actions::{FLAGS, KEYWORDS, code, uids_of};
use super::ledger::{FOLDERS, Ledger, content, on_the_wire};
use super::worker::{Open, Worker};
use support::client::Result;

impl Worker<'_> {
    fn new_id(&mut self) -> u64 {
        let mut r = self.r.clone();
        let id = self.ledger(|l| l.new_id(&mut r));
        self.r = r;
        id
    }

    fn flags(&mut self) -> String {
        let mut flags: Vec<&str> = FLAGS.iter().copied().filter(|_| self.r.percent(25)).collect();
        if self.r.percent(20) {
            flags.push(KEYWORDS[self.r.below(KEYWORDS.len())]);
        }
        flags.join(" ")
    }

    /// One message, or a few in one command (RFC 3502).
    pub fn append(&mut self) -> Result<()> {
        let crowded = self.client().picture.len() > 150;
        if crowded && !self.r.percent(15) {
            return Ok(());
        }
        let folder = self.r.below(FOLDERS.len());
        let more =
            if !self.client().courier && self.r.percent(30) { 1 + self.r.below(3) } else { 0 };
        let mut ids = Vec::new();
        let mut command = format!("APPEND {}", FOLDERS[folder]);
        for _ in 0..more {
            let id = self.new_id();
            let text = String::from_utf8(on_the_wire(&content(id))).unwrap();
            command += &format!(" ({}) {{{}+}}\r\n{text}", self.flags(), text.len());
            ids.push(id);
        }
        let last = self.new_id();
        ids.push(last);
        command += &format!(" ({})", self.flags());
        let plus = self.r.percent(50) && !self.client().courier;
        let text = on_the_wire(&content(last));
        self.open = Open::Append(folder, ids.clone());
        let reply = self.client().cmd_literal(&command, &text, plus)?;
        self.open = Open::Nothing;
        self.note(&reply);
        if self.has_lost_its_lock(&reply) {
            self.ledger(|l| ids.iter().for_each(|id| l.taken_back(folder, *id)));
            return Ok(());
        }
        if reply.word != "OK" {
            return self.client().wrong("APPEND refused");
        }
        self.world.count(|f| {
            f.appends += 1;
            f.multiappends += u64::from(more > 0);
        });
        let told = code(&reply.text, "APPENDUID")
            .and_then(|words| Some((words.first()?.parse().ok()?, uids_of(words.get(1)?))));
        if told.as_ref().is_some_and(|(_, uids)| uids.len() != ids.len()) {
            return self.client().wrong("APPENDUID tells another number of messages");
        }
        let result = self.ledger(|l| {
            ids.iter().for_each(|id| l.arrived(folder, *id));
            let Some((validity, uids)) = told else { return Ok(()) };
            l.validity(folder, validity)?;
            ids.iter().zip(uids).try_for_each(|(id, uid)| l.learn(folder, uid, *id))
        });
        self.complain(result);
        self.learn()
    }

    /// A message takes the place of another (RFC 8508).
    pub fn replace(&mut self, folder: usize) -> Result<()> {
        let places = self.places(1);
        let client = self.client.as_ref().unwrap();
        let free = places.first().and_then(|i| {
            let entry = &client.picture[*i];
            entry
                .uid
                .zip(entry.id)
                .filter(|(_, id)| !Ledger::is_keeper(*id))
                .map(|(uid, _)| (*i, uid))
        });
        let Some((place, uid)) = free.filter(|_| !client.courier) else { return Ok(()) };
        let target = if self.r.percent(60) { folder } else { self.r.below(FOLDERS.len()) };
        let by_uid = self.r.percent(50);
        let which =
            if by_uid { format!("UID REPLACE {uid}") } else { format!("REPLACE {}", place + 1) };
        let id = self.new_id();
        let command = format!("{which} {} ({})", FOLDERS[target], self.flags());
        let (text, plus) = (on_the_wire(&content(id)), self.r.percent(50));
        self.ledger(|l| l.doom(folder, uid));
        self.open = Open::Append(target, vec![id]);
        let reply = self.client().cmd_literal(&command, &text, plus)?;
        self.open = Open::Nothing;
        self.note(&reply);
        if self.has_lost_its_lock(&reply) {
            self.ledger(|l| l.taken_back(target, id));
            return self.learn();
        }
        if reply.word != "OK" {
            self.expect(&reply)?;
            return self.learn();
        }
        self.world.count(|f| f.replaces += 1);
        self.ledger(|l| l.arrived(target, id));
        if self.client().picture.iter().any(|entry| entry.uid == Some(uid)) {
            return self.client().wrong("REPLACE answered OK, and the old message is still there");
        }
        self.learn()
    }
}
