//! Modification sequences in a session (RFC 7162 3.1): what is recorded before it is told, and
//! which value a client may take for HIGHESTMODSEQ.
//!
//! A client remembers one number. When it comes back with it, it must be told all that has changed
//! since, so the number may never be greater than what the client has been told of. From tagged line
//! to tagged line it takes the greatest MODSEQ that it has seen, unless HIGHESTMODSEQ says something
//! else (RFC 7162 6). [`Selected::tell_highest`] says so wherever these two are not the same.

use super::told::Told;
use super::{Code, Features, Outcome, Selected, Session};
use crate::maildir::{Sequences, record};
use crate::response::fetch::FlagsChanged;
use crate::response::mailbox::FolderCode;
use crate::types::{Flags, ModSeq, Seq};
use std::collections::HashSet;

impl Selected {
    /// The modification sequences of the messages, where the client was told that there are some.
    pub(crate) fn sequences(&self) -> Option<&Sequences> {
        self.snapshot.sequences.as_ref().filter(|_| self.told.is_some())
    }

    /// Whether modification sequences are told to the client, asked for or not.
    pub(crate) fn tells_sequences(&self, s: &Session) -> bool {
        s.enabled.contains(Features::CONDSTORE) && self.sequences().is_some()
    }

    /// The modification sequence of a message, which is told now.
    pub(crate) fn tell_sequence(&self, s: &mut Session, index: usize) -> Option<ModSeq> {
        let sequence = self.sequences()?.of(index);
        s.told_sequence = s.told_sequence.max(sequence.get());
        Some(sequence)
    }

    /// Sends HIGHESTMODSEQ, unless NOMODSEQ was sent.
    fn send_highest(&mut self, s: &mut Session) {
        let Some(highest) = self.sequences().map(Sequences::highest) else { return };
        s.send(&FolderCode::HighestModSeq(highest));
        if let Some(told) = &mut self.told {
            told.highest = highest.get();
        }
    }

    /// Says what the folder has of modification sequences, if the client is to hear of that: it was
    /// replaced by another, or has none any more.
    pub(super) fn announce_sequences(&mut self, s: &mut Session) {
        self.told = self.snapshot.sequences.as_ref().map(Sequences::highest).map(Told::of);
        if s.enabled.contains(Features::CONDSTORE) {
            s.send(&match self.sequences() {
                Some(sequences) => FolderCode::HighestModSeq(sequences.highest()),
                None => FolderCode::NoModSeq,
            });
        }
    }

    /// Whether the modification sequences that the client was told of are gone.
    pub(super) fn has_lost_sequences(&self) -> bool {
        self.told.is_some() && self.snapshot.sequences.is_none()
    }

    /// A command is one that enables CONDSTORE. The first one is followed by HIGHESTMODSEQ (RFC
    /// 7162 3.1).
    pub(crate) fn enable_condstore(&mut self, s: &mut Session) {
        if !s.enabled.contains(Features::CONDSTORE) {
            s.enabled |= Features::CONDSTORE;
            s.store.values_matter.set(true);
            self.make_state(s);
            // The client was told of modification sequences when it opened the folder.
            if self.has_lost_sequences() {
                self.snapshot.take_unrecorded();
            }
            self.send_highest(s);
        }
    }

    /// Makes the folder's state, if that was put off until the client has its answer.
    pub(crate) fn make_state(&mut self, s: &Session) {
        let mode = self.mode();
        if self.snapshot.highest_until_made().is_some()
            && let Ok(dir) = self.folder.enter()
        {
            self.snapshot.make_state(&s.store, &dir, mode);
        }
    }

    /// Sends that a message has changed: its flags, where the client does not know them, and its
    /// modification sequence. RFC 7162 3.2.4: then with its UID.
    pub(super) fn send_change(
        &self,
        s: &mut Session,
        index: usize,
        (with_uid, with_flags): (bool, bool),
    ) {
        let uid = self.snapshot.messages.uid(index);
        let (Some(number), Some(uid)) = (Seq::from_index(index), uid) else {
            debug_assert!(false, "a message of this folder");
            return;
        };
        let is_enabled = s.enabled.contains(Features::CONDSTORE);
        let uid = (with_uid || is_enabled).then_some(uid);
        let sequence = if is_enabled { self.tell_sequence(s, index) } else { None };
        let flags = (with_flags || sequence.is_none()).then(|| self.flags(index));
        s.send(&FlagsChanged { number, uid, flags, sequence });
    }

    /// Sends the new modification sequence of a message whose flags the client knows.
    pub(crate) fn send_sequence(&self, s: &mut Session, index: usize) {
        self.send_change(s, index, (false, false));
    }

    /// Records that this session has changed messages. Where modification sequences are told, the
    /// changes of others that were found meanwhile are recorded with them: what is told is recorded
    /// first, and all of it is told ([`Selected::send_changes_of_others`]).
    pub(crate) fn record(&mut self, s: &Session, changed: &[usize]) {
        if self.snapshot.sequences.is_none() {
            return;
        }
        let mut changed = changed.to_vec();
        let tells_sequences = self.tells_sequences(s);
        if tells_sequences {
            changed.extend(self.unrecorded());
        }
        changed.sort_unstable();
        changed.dedup();
        if changed.is_empty() {
            return;
        }
        // A folder that is gone has nothing left to be found changed.
        if let Ok(dir) = self.folder.enter() {
            record::changed(&s.store, &dir, &mut self.snapshot, &changed);
        }
        if tells_sequences {
            self.note_recorded();
        }
    }

    /// Changes of others that were found and are not told yet: messages and their flags.
    pub(crate) fn found_changed(&self) -> HashSet<(usize, Flags)> {
        let messages = &self.snapshot.messages;
        let changed = (0..messages.len()).filter(|i| messages.is_changed(*i));
        changed.map(|i| (i, messages.flags(i))).collect()
    }

    /// Those of them that are not recorded.
    pub(crate) fn unrecorded(&self) -> Vec<usize> {
        let is_recorded = |found: &(usize, Flags)| {
            self.told.as_ref().is_some_and(|told| told.recorded.contains(found))
        };
        self.found_changed().into_iter().filter(|found| !is_recorded(found)).map(|f| f.0).collect()
    }

    /// Notes that all changes that were found are recorded.
    pub(crate) fn note_recorded(&mut self) {
        let found = self.found_changed();
        if let Some(told) = &mut self.told {
            told.recorded = found;
        }
    }

    /// Whether a message was found changed, and that is not recorded.
    pub(crate) fn is_unrecorded(&self, index: usize) -> bool {
        let messages = &self.snapshot.messages;
        let recorded = self.told.as_ref().map(|told| &told.recorded);
        messages.is_changed(index)
            && recorded.is_some_and(|recorded| !recorded.contains(&(index, messages.flags(index))))
    }

    /// Sends the changes of others that were found, or that came with what was recorded, where
    /// modification sequences are told. Elsewhere they wait for the next scan.
    pub(crate) fn send_changes_of_others(&mut self, s: &mut Session, with_uid: bool) {
        if !self.tells_sequences(s) {
            return;
        }
        let messages = &self.snapshot.messages;
        let changed: Vec<usize> = (0..messages.len()).filter(|i| messages.is_changed(*i)).collect();
        if !changed.is_empty() {
            self.announce_new_keywords(s);
        }
        for index in changed {
            self.snapshot.messages.take_changed(index);
            self.send_message_flags(s, index, with_uid);
        }
    }

    /// Notes that the client was told of expunged messages.
    pub(super) fn note_expunged(&mut self) {
        if let Some(told) = &mut self.told {
            told.expunged = true;
        }
    }

    /// Before a tagged line: says HIGHESTMODSEQ where the client would take another value for it,
    /// in the tagged line if that has room for it. RFC 7162 3.2.7: after an expunge in any case.
    pub(crate) fn tell_highest(&mut self, s: &mut Session, outcome: Option<&mut Outcome>) {
        let seen = std::mem::take(&mut s.told_sequence);
        debug_assert!(self.pending.is_none(), "all that was found is announced");
        if !s.enabled.contains(Features::CONDSTORE) {
            return;
        }
        let Some(highest) = self.sequences().map(Sequences::highest) else { return };
        let Some(told) = &mut self.told else { return };
        told.recorded.clear();
        let is_wanted = std::mem::take(&mut told.expunged) && s.enabled.contains(Features::QRESYNC);
        if told.highest.max(seen) != highest.get() || is_wanted {
            match outcome.filter(|outcome| outcome.is_plain_ok()) {
                Some(outcome) => outcome.set_code(Code::HighestModSeq(highest)),
                None => s.send(&FolderCode::HighestModSeq(highest)),
            }
        }
        told.highest = highest.get();
    }
}

impl Session {
    /// A command is one that enables CONDSTORE (RFC 7162 3.1), with a folder open or not.
    pub(crate) fn enable_condstore(&mut self) {
        self.with_selected(|s, selected| match selected {
            Some(selected) => selected.enable_condstore(s),
            None => s.enabled |= Features::CONDSTORE,
        });
    }

    /// [`Selected::tell_highest`] of the open folder.
    pub(crate) fn tell_highest(&mut self, outcome: Option<&mut Outcome>) {
        self.with_selected(|s, selected| match selected {
            Some(selected) => selected.tell_highest(s, outcome),
            None => s.told_sequence = 0,
        });
    }
}
