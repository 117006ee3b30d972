//! MOVE, held against the ledger: a message is in one of the two folders, also when the session is
//! killed, and what is told to have moved is there.

use super::actions::{Way, code, uids_of};
use super::ledger::Ledger;
use super::worker::{Open, Worker};
use std::collections::BTreeSet;
use support::client::{Allow, Result};

impl Worker<'_> {
    pub fn move_some(&mut self, folder: usize) -> Result<()> {
        // Courier has no MOVE.
        if self.client().courier {
            return Ok(());
        }
        let mut places = self.places(4);
        let client = self.client.as_ref().unwrap();
        let may_move = |id: u64| !Ledger::is_keeper(id) || Ledger::is_rover(id);
        places.retain(|i| {
            client.picture[*i].uid.is_some() && client.picture[*i].id.is_some_and(may_move)
        });
        let Some(Way { command, target, sources }) = self.way("MOVE", &places) else {
            return Ok(());
        };
        self.ledger(|l| sources.iter().for_each(|(uid, _)| l.leaves(folder, *uid)));
        self.open = Open::Move(folder, target, sources.iter().map(|s| s.1).collect());
        let reply = self.cmd(&command, Allow::Expunge)?;
        self.open = Open::Nothing;
        self.expect(&reply)?;
        let told = reply.copied.as_deref().and_then(|text| code(text, "COPYUID"));
        let told: Vec<Vec<u32>> =
            told.unwrap_or_default().iter().map(|words| uids_of(words)).collect();
        let (from, to) = match told.as_slice() {
            [_, from, to] => (&from[..], &to[..]),
            _ => (&[][..], &[][..]),
        };
        let due: BTreeSet<u32> = sources.iter().map(|s| s.0).collect();
        let moved: BTreeSet<u32> = from.iter().copied().collect();
        if from.len() != to.len() || !moved.is_subset(&due) {
            return self.client().wrong("a COPYUID that cannot be");
        }
        if reply.word == "OK" && moved != due && !self.world.plan.mixed {
            return self.client().wrong("MOVE answered OK, and did not say what has moved");
        }
        self.world.count(|f| {
            f.moves += 1;
            f.moved += moved.len() as u64;
        });
        let mut results = Vec::new();
        self.ledger(|l| {
            for (uid, id) in &sources {
                let Some(at) = from.iter().position(|from| from == uid) else {
                    // Somebody else has it, or (where locks get lost) nobody could tell its UID.
                    l.adrift(folder, target, *id);
                    continue;
                };
                l.moved(folder, target, *id);
                results.push(l.learn(target, to[at], *id));
                if l.is_tainted(*id) || l.doomed.contains(&(folder, *uid)) {
                    l.doom(target, to[at]);
                }
            }
        });
        for result in results {
            self.complain(result);
        }
        self.learn()
    }
}
