//! What a client keeps of a folder between its sessions, and what it sees of it in one.

use super::told::Flags;
use std::collections::BTreeMap;

/// A message as the client believes it to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub flags: Flags,
    /// The last modification sequence that was told of it.
    pub modseq: Option<u64>,
    /// How often sessions had changed it when that was told ([`super::stage::Stage::touches`]).
    pub touches: u64,
}

/// What is kept of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// 0: nothing is known.
    pub validity: u32,
    /// Up to which modification sequence everything is in here. `None`: the server keeps none.
    pub modseq: Option<u64>,
    /// All messages below this UID are in here.
    pub next: u32,
    pub messages: BTreeMap<u32, Known>,
    /// It holds what nobody told ([`super::acts`]): its numbers say nothing.
    pub is_spoiled: bool,
}

impl Cache {
    /// Forgets everything: the folder has other UIDs now.
    pub fn reset(&mut self, validity: u32) {
        *self = Cache { validity, next: 1, ..Cache::default() };
    }

    /// The rule of RFC 7162 6, at each tagged response: a HIGHESTMODSEQ that was told counts, even a
    /// lower one; else the highest MODSEQ of the messages, if it is higher than what is kept. A lazy
    /// client only takes what is lower.
    pub fn keep(&mut self, told: Option<u64>, highest: Option<u64>, is_lazy: bool) {
        let Some(kept) = self.modseq else { return };
        self.modseq = Some(match (told, highest) {
            (Some(told), _) if is_lazy => kept.min(told),
            (Some(told), _) => told,
            (None, Some(highest)) if !is_lazy => kept.max(highest),
            _ => kept,
        });
    }
}

/// The numbers of an open folder: the UID of each message, if it is known.
#[derive(Clone, Debug, Default)]
pub struct View(pub Vec<Option<u32>>);

impl View {
    pub fn exists(&mut self, n: usize) -> Result<(), String> {
        if n < self.0.len() {
            return Err(format!("EXISTS {n} where {} are known", self.0.len()));
        }
        self.0.resize(n, None);
        Ok(())
    }

    /// The UID that went.
    pub fn expunge(&mut self, n: usize) -> Result<Option<u32>, String> {
        if n == 0 || n > self.0.len() {
            return Err(format!("EXPUNGE {n} where {} are known", self.0.len()));
        }
        Ok(self.0.remove(n - 1))
    }

    /// A UID that was visible has gone. If its number is not known, it is one of those between the
    /// known ones, of which the client cannot tell which.
    pub fn vanish(&mut self, uid: u32) -> Result<(), String> {
        let is_below = |known: &Option<u32>| known.is_some_and(|known| known < uid);
        let is_above = |known: &Option<u32>| known.is_some_and(|known| known > uid);
        let from = self.0.iter().rposition(is_below).map_or(0, |i| i + 1);
        let to = self.0.iter().position(is_above).unwrap_or(self.0.len());
        let unknown = || (from..to).rev().find(|i| self.0[*i].is_none());
        match self.0.iter().position(|known| *known == Some(uid)).or_else(unknown) {
            Some(place) => drop(self.0.remove(place)),
            None => return Err(format!("VANISHED {uid}, which is not there")),
        }
        Ok(())
    }

    /// Message `n` has this UID.
    pub fn is(&mut self, n: usize, uid: Option<u32>) -> Result<Option<u32>, String> {
        let Some(known) = n.checked_sub(1).and_then(|i| self.0.get(i).copied()) else {
            return Err(format!("FETCH {n} where {} are known", self.0.len()));
        };
        match (known, uid) {
            (Some(known), Some(uid)) if known != uid => {
                Err(format!("message {n} is UID {uid}, and was {known}"))
            }
            (None, Some(uid)) => {
                self.0[n - 1] = Some(uid);
                let mut known = self.0.iter().flatten();
                let mut last = 0;
                match known.all(|uid| std::mem::replace(&mut last, *uid) < *uid) {
                    true => Ok(Some(uid)),
                    false => Err(format!("UIDs do not ascend: {:?}", self.0)),
                }
            }
            _ => Ok(known),
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// First and last number whose UID is not known.
    pub fn unknown(&self) -> Option<(usize, usize)> {
        let first = self.0.iter().position(Option::is_none)?;
        let last = self.0.iter().rposition(Option::is_none)?;
        Some((first + 1, last + 1))
    }

    /// The UIDs that are known.
    pub fn uids(&self) -> Vec<u32> {
        self.0.iter().flatten().copied().collect()
    }
}
