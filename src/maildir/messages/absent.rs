//! What a session knows of UIDs whose messages are not there. By it a UID that comes back can be
//! told from one that is given a second time, after a UID file from a backup has taken its place.

use super::{Messages, Record, bit};
use crate::maildir::index;

/// How many UIDs are remembered that are no longer in the UID file. It forgets them: a UID that
/// comes back after that is taken for one that is given a second time, and the folder begins anew.
const MAX_REMEMBERED: usize = 16_384;

/// UIDs below the next one whose messages the last scan has not found. By ascending UID, each with
/// the hash of its message's key.
#[derive(Clone, Default)]
pub(in crate::maildir) struct Absent(Vec<(u32, u32)>);

/// What a session knows under one UIDVALIDITY.
#[derive(Clone, Copy)]
pub(in crate::maildir) struct Told<'a> {
    /// The messages of the last scan.
    pub(in crate::maildir) messages: &'a Messages,
    /// Those that it has not found.
    pub(in crate::maildir) absent: &'a Absent,
    /// The next UID. Every UID below may have named a message.
    pub(in crate::maildir) next: u32,
}

impl Absent {
    /// The messages of the UID file whose files the present scan has not found.
    pub(in crate::maildir) fn not_found(messages: &Messages) -> Absent {
        let missing = messages.records.iter().filter(|r| r.uid != 0 && r.bits & bit::FOUND == 0);
        Absent(missing.map(|r| messages.entry(r)).collect())
    }

    /// What is to be remembered after a scan that has shown the messages `now`. `missing`: those
    /// of the UID file that it has not found. What was known before stays: if the file has another
    /// name for such a UID, or one that it did not have, that name does not count.
    pub(in crate::maildir) fn after(
        told: Option<Told<'_>>,
        mut missing: Absent,
        now: &Messages,
    ) -> Absent {
        let Some(told) = told else { return missing };
        let mut known: Vec<_> =
            told.absent.0.iter().copied().filter(|(uid, _)| !now.has_uid(*uid)).collect();
        if known.len() > MAX_REMEMBERED {
            known.retain(|(uid, _)| missing.key_hash(*uid).is_some());
        }
        known.extend(told.messages.not_in(now).map(|r| told.messages.entry(r)));
        missing.0.retain(|(uid, _)| *uid >= told.next);
        known.append(&mut missing.0);
        known.sort_unstable();
        known.dedup_by_key(|(uid, _)| *uid);
        Absent(known)
    }

    /// Adds messages that are gone.
    pub(in crate::maildir) fn add_gone(&mut self, messages: &Messages) {
        let gone = messages.records.iter().filter(|r| r.bits & bit::GONE != 0);
        self.0.extend(gone.map(|r| messages.entry(r)));
        self.0.sort_unstable();
    }

    /// Forgets the UIDs from this one on.
    pub(in crate::maildir) fn forget_from(&mut self, uid: u32) {
        self.0.retain(|(known, _)| *known < uid);
    }

    fn key_hash(&self, uid: u32) -> Option<u32> {
        let at = self.0.binary_search_by_key(&uid, |(known, _)| *known).ok()?;
        self.0.get(at).map(|(_, hash)| *hash)
    }
}

impl Told<'_> {
    /// Whether one of these messages has a UID that the session knows for another one, or may have
    /// known: it is below the next UID, and no message had it. Both are in the order of their UIDs.
    pub(in crate::maildir) fn is_contradicted_by(self, there: &Messages) -> bool {
        self.messages.contradict(there)
            || there.not_in(self.messages).take_while(|r| r.uid < self.next).any(|r| {
                let (uid, hash) = there.entry(r);
                uid != 0 && self.absent.key_hash(uid) != Some(hash)
            })
    }
}

impl Messages {
    fn entry(&self, record: &Record) -> (u32, u32) {
        (record.uid, index::hash(self.key_of(record)))
    }

    fn has_uid(&self, uid: u32) -> bool {
        self.records.binary_search_by_key(&uid, |r| r.uid).is_ok()
    }

    /// The messages whose UIDs are not there. Both are in the order of their UIDs.
    fn not_in<'a>(&'a self, there: &'a Messages) -> impl Iterator<Item = &'a Record> {
        let mut rest = there.records.iter().peekable();
        self.records.iter().filter(move |r| {
            while rest.next_if(|other| other.uid < r.uid).is_some() {}
            rest.peek().is_none_or(|other| other.uid != r.uid)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(all: &[(u32, &str)]) -> Messages {
        let mut messages = Messages::default();
        for (uid, name) in all {
            messages.push_named(name.as_bytes(), bit::FOUND);
            if let Some(record) = messages.records.last_mut() {
                record.uid = *uid;
            }
        }
        messages
    }

    #[test]
    fn uids_that_come_back_and_uids_that_are_given_again() {
        let first = messages(&[(1, "1.a:2,"), (2, "2.b:2,"), (4, "4.d:2,")]);
        // When it was first opened, UID 3 was in the file, and its message was not there.
        let absent = Absent::not_found(&{
            let mut lines = messages(&[(3, "3.c:2,")]);
            lines.unmark_all(bit::FOUND);
            lines
        });
        let absent = Absent::after(None, absent, &first);
        let told = Told { messages: &first, absent: &absent, next: 6 };
        let is_other =
            |told: Told<'_>, all: &[(u32, &str)]| told.is_contradicted_by(&messages(all));
        assert!(!is_other(told, &[(1, "1.a:2,S"), (6, "6.f:2,")]));
        assert!(!is_other(told, &[(3, "3.c:2,S"), (4, "4.d:2,T")]), "it was away");
        assert!(is_other(told, &[(3, "3.x:2,")]));
        assert!(is_other(told, &[(5, "5.e:2,")]), "no message had it, as far as we know");
        assert!(is_other(told, &[(2, "2.x:2,"), (4, "4.d:2,")]));

        // UID 2 is gone; the file says that it is another message now, which is not there yet.
        let second = messages(&[(1, "1.a:2,"), (4, "4.d:2,")]);
        let mut lines = messages(&[(2, "2.x:2,"), (5, "5.x:2,"), (7, "7.g:2,")]);
        lines.unmark_all(bit::FOUND);
        let absent = Absent::after(Some(told), Absent::not_found(&lines), &second);
        let told = Told { messages: &second, absent: &absent, next: 8 };
        assert!(!is_other(told, &[(2, "2.b:2,"), (3, "3.c:2,"), (7, "7.g:2,")]));
        for other in [(2, "2.x:2,"), (5, "5.x:2,"), (7, "7.x:2,"), (6, "6.f:2,")] {
            assert!(is_other(told, &[other]), "{other:?}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let all: Vec<(u32, u32)> = (1..=40_000).map(|uid| (uid, 0)).collect();
        let (none, absent) = (Messages::default(), Absent(all));
        let told = Told { messages: &none, absent: &absent, next: 40_001 };
        let in_file = Absent(vec![(7, 0), (50_000, 0)]);
        assert_eq!(Absent::after(Some(told), in_file, &none).0, [(7, 0), (50_000, 0)]);
    }
}
