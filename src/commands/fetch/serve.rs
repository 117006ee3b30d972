//! Serving one message after the other: its response, then what follows from it (\Seen, the alert
//! for 8-bit headers).

use super::contents::{Contents, local_date_time};
use super::parse::{Item, Needs};
use crate::maildir::{self, change};
use crate::response::fetch::{self, Item as Datum};
use crate::response::session::{CannotOpen, UnicodeMessage};
use crate::session::{Result, Selected, message};
use crate::sys::breath;
use crate::types::{Flags, Operation, Seq, Uid};

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
    /// What went wrong so far.
    pub(super) failures: Failures,
}

impl Serving<'_> {
    /// Serves the message at `index`.
    pub(super) fn message(&mut self, index: usize) -> Result<()> {
        let uid = self.selected.snapshot.messages.uid(index);
        let (Some(number), Some(uid)) = (Seq::from_index(index), uid) else {
            debug_assert!(false, "spans name messages of the folder");
            return Ok(());
        };
        if self.needs.file && !self.open(index, number)? {
            return Ok(());
        }
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
        Ok(self.contents.s.io.flush_if_full()?)
    }

    /// Opens the message's file, or stats it where that is enough; whether it is there.
    fn open(&mut self, index: usize, number: Seq) -> Result<bool> {
        let find = if self.needs.bytes { message::open } else { message::stat };
        let messages = &mut self.selected.snapshot.messages;
        let dir = self.selected.folder.enter();
        let mut found = dir.and_then(|dir| find(&dir, messages, index, &mut self.contents.reader));
        if found.is_ok() && self.needs.bytes {
            let read = self.contents.reader.begin(self.needs.all);
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

    fn item(&mut self, index: usize, uid: Uid, item: &Item) -> Result<()> {
        match item {
            Item::Flags => {
                let flags = self.selected.flags(index);
                Datum::Flags(flags).write(&mut self.contents.s.encoder());
            }
            Item::Uid => Datum::Uid(uid).write(&mut self.contents.s.encoder()),
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
            if !self.contents.s.utf8() && self.contents.has_8bit_header() {
                self.contents.s.send(&UnicodeMessage { number });
            }
            let messages = &mut self.selected.snapshot.messages;
            let edit = change::Edit::new(Operation::Add, Flags::SEEN, Flags::SEEN);
            let dir = self.selected.folder.enter();
            match dir.and_then(|dir| change::store_flags(&dir, messages, index, &edit)) {
                Ok(_) => {}
                // It was there a moment ago, and the client has it. The next scan finds it gone.
                Err(maildir::Error::Gone) => return,
                Err(error) => {
                    self.failures.unmarked.get_or_insert(error);
                    return;
                }
            }
        }
        let changed = self.selected.snapshot.messages.take_changed(index);
        if newly_seen || (changed && !self.needs.flags) {
            // RFC 3501 6.4.8: every FETCH response of a UID command has the UID. Courier leaves it
            // out here.
            self.selected.send_message_flags(self.contents.s, index, self.by_uid);
        }
    }
}
