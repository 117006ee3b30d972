//! The one who reads everything: a session that has just come, and asks for all flags.

use super::cache::Cache;
use super::stage::{FOLDERS, Manner, Stage};
use super::told::{self, Flags, Told};
use super::ways::Reach;
use std::collections::BTreeMap;
use support::client::{PATIENCE, Result};

/// A folder as it is.
#[derive(Debug, Default)]
pub struct Truth {
    pub validity: u32,
    flags: BTreeMap<u32, Flags>,
}

/// Reads a folder. `None`: it could not be opened.
pub fn read(stage: &Stage, folder: usize, manner: Manner, writes: bool) -> Result<Option<Truth>> {
    let mut client = stage.ours(0, manner)?;
    let mut truth = Truth::default();
    let word = if writes { "SELECT" } else { "EXAMINE" };
    for command in [&format!("{word} {}", FOLDERS[folder]), "FETCH 1:* (UID FLAGS)"] {
        let tag = client.tag();
        client.send(format!("{tag} {command}\r\n").as_bytes())?;
        loop {
            let Some(response) = client.response(PATIENCE)? else {
                return client.wrong("no answer");
            };
            if response.starts_with(format!("{tag} NO").as_bytes()) {
                stage.end(client)?;
                // An empty folder has no messages to fetch.
                return Ok((truth.validity > 0).then_some(truth));
            }
            if response.starts_with(format!("{tag} ").as_bytes()) {
                break;
            }
            match told::untagged(&response).or_else(|why| client.wrong(&why))? {
                Told::Validity(n) => truth.validity = n,
                Told::Fetch(told::Fetch { uid: Some(uid), flags: Some(flags), .. }) => {
                    truth.flags.insert(uid, flags);
                }
                _ => {}
            }
        }
    }
    stage.end(client)?;
    Ok(Some(truth))
}

impl Truth {
    /// What a cache has otherwise.
    pub fn differences(&self, cache: &Cache, reach: &Reach) -> Vec<String> {
        let mut found = Vec::new();
        let matters = |uid: &u32| match reach {
            Reach::All => true,
            Reach::Some(set) => set.has(*uid),
            Reach::Refused => false,
        };
        if *reach != Reach::Refused && cache.validity != self.validity {
            found.push(format!("  UIDVALIDITY {} for {}\n", cache.validity, self.validity));
        }
        for (uid, flags) in self.flags.iter().filter(|(uid, _)| matters(uid)) {
            match cache.messages.get(uid) {
                None => found.push(format!("  UID {uid} is not known\n")),
                Some(known) if known.flags != *flags => found.push(format!(
                    "  UID {uid} is believed to be {:?}, MODSEQ {:?}, and is {flags:?}\n",
                    known.flags, known.modseq
                )),
                Some(_) => {}
            }
        }
        let gone = |uid: &&u32| matters(uid) && !self.flags.contains_key(uid);
        for uid in cache.messages.keys().filter(gone) {
            found.push(format!("  UID {uid} is believed to be there, and is not\n"));
        }
        found
    }
}
