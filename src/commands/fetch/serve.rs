//! Serving one message after the other: its response, then what follows from it (\Seen, the alert
//! for 8-bit headers).

use super::contents::{Contents, local_date_time};
use super::parse::{Item, Needs};
use crate::maildir::{self, change};
use crate::response::fetch::{self, Item as Datum};
use crate::response::session::{CannotOpen, UnicodeMessage};
use crate::session::message::Wants;
use crate::session::{Result, Selected, Session};
use crate::sys::breath;
use crate::types::{Flags, ModSeq, Operation, Seq, Uid};

/// What went wrong with messages while the others were served.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Whether a message is gone.
    pub(super) missing: bool,
    /// Why a message could not be opened; the first reason.
    pub(super) unopened: Option<maildir::Error>,
    /// Why a message could not be marked \Seen; the first reason.
    pub(super) unmarked: Option<maildir::Error>,
    /// Whether a part was asked for whose encoding is unknown.
    pub(super) undecodable: bool,
}

/// One FETCH on its way through the messages.
pub(super) struct Serving<'a> {
    /// What is asked for.
    pub(super) items: &'a [Item],
    /// What that needs.
    pub(super) needs: Needs,
    /// What will be asked about each message.
    pub(super) wants: Wants,
    /// A UID FETCH that does not ask for the UID gets it all the same (RFC 3501 6.4.8).
    pub(super) with_uid: bool,
    /// Whether it is a UID FETCH.
    pub(super) by_uid: bool,
    /// Whether messages become \Seen.
    pub(super) may_set_seen: bool,
    /// The open folder.
    pub(super) selected: &'a mut Selected,
    /// The message being served, and the session.
    pub(super) contents: Contents<'a>,
    /// What is told behind the last message.
    pub(super) late: Late,
    /// What went wrong so far.
    pub(super) failures: Failures,
}

/// What one FETCH changes, and finds changed.
pub(super) struct Late {
    /// Whether modification sequences are told. Then a change is told when it is recorded, which is
    /// done for all messages together.
    tells_sequences: bool,
    /// Messages that have become \Seen.
    seen: Vec<usize>,
}

impl Late {
    /// Of a FETCH that is about to begin.
    pub(super) fn of(s: &Session, selected: &Selected) -> Late {
        Late { tells_sequences: selected.tells_sequences(s), seen: Vec::new() }
    }
}

impl Serving<'_> {
    /// Serves the message at `index`.
    pub(super) fn message(&mut self, index: usize) -> Result<()> {
        let uid = self.selected.snapshot.messages.uid(index);
        let (Some(number), Some(uid)) = (Seq::from_index(index), uid) else {
            debug_assert!(false, "spans name messages of the folder");
            return Ok(());
        };
        if self.needs.file && !self.is_remembered(index) && !self.open(index, number)? {
            return Ok(());
        }
        self.record_found(index);
        fetch::begin(&mut self.contents.s.encoder(), number);
        if self.with_uid {
            Datum::Uid(uid).write(&mut self.contents.s.encoder());
        }
        let (mut is_empty, mut sees) = (!self.with_uid, false);
        for item in self.items {
            breath::breathe()?;
            // RFC 3516 4.3: the command fails. What else was asked for is served.
            if self.contents.is_undecodable(item)? {
                self.failures.undecodable = true;
                continue;
            }
            if !std::mem::take(&mut is_empty) {
                self.contents.s.encoder().space();
            }
            self.item(index, uid, item)?;
            sees |= item.needs().seen;
            self.contents.s.io.flush_within()?;
        }
        if is_empty {
            // RFC 3501 9: the list is never empty.
            Datum::Uid(uid).write(&mut self.contents.s.encoder());
        }
        fetch::end(&mut self.contents.s.encoder());
        self.set_seen(index, number, sees);
        self.selected.learn(index, &mut self.contents.message);
        self.selected.save_learned_if_full(self.contents.s);
        Ok(self.contents.s.io.flush_if_full()?)
    }

    /// Whether all that is asked is remembered, so that the file need not be opened.
    fn is_remembered(&mut self, index: usize) -> bool {
        let message = &mut self.contents.message;
        message.begin();
        self.selected.recall(index, message, &self.wants);
        message.knows(&self.wants)
    }

    /// Where modification sequences are told: flags that somebody else has changed are recorded
    /// before they are told.
    fn record_found(&mut self, index: usize) {
        if self.late.tells_sequences
            && (self.needs.flags || self.needs.sequence)
            && self.selected.is_unrecorded(index)
        {
            self.selected.record(self.contents.s, &[]);
        }
    }

    /// Behind the last message: records what has become \Seen, and tells what is not told yet.
    pub(super) fn end(&mut self) -> Result<()> {
        let seen = std::mem::take(&mut self.late.seen);
        self.selected.record(self.contents.s, &seen);
        if self.late.tells_sequences {
            for index in seen {
                self.selected.snapshot.messages.take_changed(index);
                self.selected.send_message_flags(self.contents.s, index, self.by_uid);
                self.contents.s.io.flush_if_full()?;
            }
            self.selected.send_changes_of_others(self.contents.s, self.by_uid);
        }
        Ok(())
    }

    /// Opens the message's file, or stats it where that is enough; whether it is there.
    fn open(&mut self, index: usize, number: Seq) -> Result<bool> {
        let message = &mut self.contents.message;
        let mut found = match self.needs.bytes {
            true => self.selected.open_message(index, message),
            false => self.selected.date_message(index, message),
        };
        if found.is_ok() && self.needs.bytes {
            let read = message.reader.begin(self.needs.all);
            found = read.map_err(|e| self.selected.unreadable(index, e));
        }
        match found {
            Ok(()) => Ok(true),
            Err(maildir::Error::Gone) => {
                self.failures.missing = true;
                Ok(false)
            }
            Err(maildir::Error::Stopped) => Err(self.contents.s.stopped()),
            Err(error) => {
                self.contents.s.send(&CannotOpen { number });
                self.contents.s.log_store_error(&error);
                self.failures.unopened.get_or_insert(error);
                self.contents.s.io.flush_if_full()?;
                Ok(false)
            }
        }
    }

    /// Whether any header of the message has 8-bit bytes. Where that is not remembered, the file is
    /// opened.
    fn has_8bit_header(&mut self, index: usize) -> bool {
        let message = &mut self.contents.message;
        let structure = Wants { structure: true, ..Wants::default() };
        self.selected.recall(index, message, &structure);
        let is_at_hand = message.reader.is_open() || message.has_structure();
        (is_at_hand || self.selected.open_message(index, message).is_ok())
            && self.contents.has_8bit_header()
    }

    fn item(&mut self, index: usize, uid: Uid, item: &Item) -> Result<()> {
        match item {
            Item::Flags => {
                let flags = self.selected.flags(index);
                Datum::Flags(flags).write(&mut self.contents.s.encoder());
            }
            Item::Uid => Datum::Uid(uid).write(&mut self.contents.s.encoder()),
            Item::ModSeq => {
                let sequence = self.selected.tell_sequence(self.contents.s, index);
                let sequence = sequence.unwrap_or(ModSeq::MIN);
                Datum::ModSeq(sequence).write(&mut self.contents.s.encoder());
            }
            Item::SaveDate => {
                let date = self.selected.snapshot.messages.saved(index).map(local_date_time);
                Datum::SaveDate(date.as_deref()).write(&mut self.contents.s.encoder());
            }
            item => self.contents.item(item)?,
        }
        Ok(())
    }

    /// Sets \Seen where an item that was served asks for that, and sends the flags if they have changed, here or
    /// in another session (then they were taken over when the file was found). FLAGS in the
    /// message's own response shows them as they were before.
    fn set_seen(&mut self, index: usize, number: Seq, sees: bool) {
        let newly_seen = self.may_set_seen
            && sees
            && !self.selected.snapshot.messages.flags(index).contains(Flags::SEEN);
        if newly_seen {
            if !self.contents.s.utf8() && self.has_8bit_header(index) {
                self.contents.s.send(&UnicodeMessage { number });
            }
            let messages = &mut self.selected.snapshot.messages;
            let edit = change::Edit::new(Operation::Add, Flags::SEEN, Flags::SEEN);
            let dir = self.selected.folder.enter();
            match dir.and_then(|dir| change::store_flags(&dir, messages, index, &edit)) {
                Ok(_) => self.late.seen.push(index),
                // It was there a moment ago, and the client has it. The next scan finds it gone.
                Err(maildir::Error::Gone) => return,
                Err(error) => {
                    self.failures.unmarked.get_or_insert(error);
                    return;
                }
            }
        }
        if self.late.tells_sequences {
            return;
        }
        let changed = self.selected.snapshot.messages.take_changed(index);
        if newly_seen || (changed && !self.needs.flags) {
            // RFC 3501 6.4.8: every FETCH response of a UID command has the UID. Courier leaves it
            // out here.
            self.selected.send_message_flags(self.contents.s, index, self.by_uid);
        }
    }
}
