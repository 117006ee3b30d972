//! STATUS: while all goes on, bounds that hold whatever the others do; in a pause, the exact
//! figures.

use super::ledger::{FOLDERS, Truth};
use super::worker::Worker;
use support::client::{Allow, Client, Result};

/// The figures of one answer.
#[derive(Debug)]
pub struct Status {
    messages: usize,
    recent: usize,
    unseen: usize,
    uid_next: u32,
    uid_validity: u32,
}

impl Status {
    /// What is wrong, where all is quiet: all messages have a UID, up to `last`, and somebody has
    /// seen them all.
    pub fn differs(
        &self,
        name: &str,
        (messages, unseen): (usize, usize),
        last: u32,
        validity: u32,
    ) -> Option<String> {
        let is_right = (self.messages, self.unseen, self.recent) == (messages, unseen, 0)
            && self.uid_next > last
            && self.uid_validity == validity;
        (!is_right).then(|| {
            format!(
                "FALSE STATUS of {name}: {self:?}, in truth {messages} messages, {unseen} unseen, \
                 last UID {last}, UIDVALIDITY {validity}"
            )
        })
    }
}

const ITEMS: &str = "(MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)";

fn figures(text: &str) -> Option<Status> {
    let words: Vec<&str> = text.split([' ', '(', ')']).collect();
    let of = |name: &str| {
        let at = words.iter().position(|w| *w == name)?;
        words.get(at + 1)?.parse::<u32>().ok()
    };
    Some(Status {
        messages: of("MESSAGES")? as usize,
        recent: of("RECENT")? as usize,
        unseen: of("UNSEEN")? as usize,
        uid_next: of("UIDNEXT")?,
        uid_validity: of("UIDVALIDITY")?,
    })
}

/// Asks, where the answer must be OK.
pub fn ask(client: &mut Client, name: &str) -> Result<Status> {
    let reply = client.cmd(&format!("STATUS {name} {ITEMS}"), Allow::Expunge)?;
    match reply.status.as_deref().and_then(figures) {
        Some(status) if reply.word == "OK" => Ok(status),
        _ => client.wrong("STATUS without its figures"),
    }
}

/// How many messages are unseen.
pub fn unseen(truth: &Truth) -> usize {
    truth
        .values()
        .filter(|(_, letters)| !letters.split('|').next().unwrap_or_default().contains('S'))
        .count()
}

impl Worker<'_> {
    pub fn status(&mut self) -> Result<()> {
        let folder = self.r.below(FOLDERS.len());
        let known = self.client().picture.len();
        // What holds before the question holds ever after.
        let (keepers, highest) = self.ledger(|l| l.at_least(folder));
        let reply = self.cmd(&format!("STATUS {} {ITEMS}", FOLDERS[folder]), Allow::Expunge)?;
        if reply.word == "NO" && self.has_lost_its_lock(&reply) {
            return Ok(());
        }
        let Some(status) = reply.status.as_deref().and_then(figures) else {
            return self.client().wrong("STATUS without its figures");
        };
        self.world.count(|f| f.statuses += 1);
        let told = self.ledger(|l| l.validity(folder, status.uid_validity));
        self.complain(told);
        let plan = &self.world.plan;
        if self.client().courier || plan.mixed && plan.kills {
            return Ok(());
        }
        let is_right = if self.selected == Some(folder) {
            status.messages == known
        } else {
            status.messages >= keepers && status.uid_next > highest
        };
        if !is_right || status.unseen > status.messages || status.recent > status.messages {
            return self.client().wrong(&format!(
                "FALSE STATUS: {status:?}; the client knows {known}; {keepers} messages are never \
                 removed, and UID {highest} was told"
            ));
        }
        Ok(())
    }
}
