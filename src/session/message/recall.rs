//! What the open folder does for a message that is asked about: it recalls what is remembered, opens
//! the file, and remembers what was found in it.

use super::handle::{Message, Wants};
use crate::maildir;
use crate::session::{Selected, Session};

impl Selected {
    /// Has a message know what is remembered of it, as far as that is wanted.
    pub(crate) fn recall(&mut self, index: usize, message: &mut Message, wants: &Wants) {
        let (lacks_detail, lacks_record) = message.lacks(wants);
        let Selected { folder, memory, snapshot, .. } = self;
        let enter = || folder.enter().ok();
        let detail = match lacks_detail {
            true => memory.detail(&enter, snapshot, index),
            false => message.detail(),
        };
        let Some(detail) = detail else { return };
        let record = match lacks_record {
            true => memory.record(&enter, snapshot, index, &detail),
            false => None,
        };
        if lacks_detail || lacks_record {
            message.recall(detail, record);
        }
    }

    /// Opens a message's file ([`super::open`]). What is remembered of another file is forgotten.
    pub(crate) fn open_message(
        &mut self,
        index: usize,
        message: &mut Message,
    ) -> Result<(), maildir::Error> {
        let Selected { folder, memory, snapshot, .. } = self;
        let dir = folder.enter()?;
        super::open(&dir, &mut snapshot.messages, index, &mut message.reader)?;
        if let Some(stat) = message.reader.stat()
            && !message.is_as_remembered(&stat)
        {
            memory.forget(snapshot, index);
        }
        Ok(())
    }

    /// Has a message know its internal date, for which the file need not be opened
    /// ([`super::stat`]).
    pub(crate) fn date_message(
        &mut self,
        index: usize,
        message: &mut Message,
    ) -> Result<(), maildir::Error> {
        let dir = self.folder.enter()?;
        let messages = &mut self.snapshot.messages;
        let stat = super::stat(&dir, messages, index, &mut message.reader)?;
        message.set_date(stat.mtime());
        self.memory.learn(&mut self.snapshot, (index, &stat), None, None);
        Ok(())
    }

    /// Remembers what was found out about a message by opening it. Nothing is written yet.
    pub(crate) fn learn(&mut self, index: usize, message: &mut Message) {
        let Some(stat) = message.reader.stat().filter(|_| self.memory.is_learning()) else {
            return;
        };
        let (size, payload) = message.news();
        if size.is_some() || payload.is_some() {
            self.memory.learn(&mut self.snapshot, (index, &stat), size, payload.as_deref());
        }
    }

    /// In the middle of a long command: saves what was learned, if there is no room for more. That
    /// takes little beside the reading of so many files.
    pub(crate) fn save_learned_if_full(&mut self, s: &Session) {
        if self.memory.is_full() {
            self.save_learned(s);
        }
    }

    /// Saves what was learned in the folder's index, if that is possible now.
    pub(crate) fn save_learned(&mut self, s: &Session) {
        if !self.memory.has_unsaved(&s.store, &self.snapshot) {
            return;
        }
        if let Ok(dir) = self.folder.enter() {
            self.memory.save(&s.store, &dir, &mut self.snapshot);
        }
        self.leave();
    }

    /// The session is over: saves what was learned, after a last look at the folder, by which the
    /// next session can open it without one.
    fn save_for_next_session(&mut self, s: &Session) {
        let mode = self.mode();
        if let Ok(dir) = self.folder.enter_afresh() {
            self.snapshot.prove(&s.store, &dir, mode);
        }
        self.save_learned(s);
    }

    /// At the end of a command: no descriptor is kept, since folders are renamed and replaced.
    pub(crate) fn leave(&mut self) {
        self.memory.leave();
        self.folder.leave();
    }
}

impl Session {
    /// Whether the open folder has learned something that is not saved.
    pub(crate) fn has_learned(&self) -> bool {
        let has_unsaved = |open: &Selected| open.memory.has_unsaved(&self.store, &open.snapshot);
        self.selected.as_ref().is_some_and(has_unsaved)
    }

    /// The session is over: saves what the next one can use.
    pub(crate) fn save_for_next_session(&mut self) {
        self.with_selected(|s, selected| {
            if let Some(selected) = selected {
                selected.save_for_next_session(s);
            }
        });
    }

    /// Whether something waits for no more than that the client has its answer: the state of the
    /// open folder, or what was learned in the one that was open before.
    pub(crate) fn has_something_left(&mut self) -> bool {
        self.let_go_of_saved();
        let is_due = |open: &Selected| open.snapshot.highest_until_made().is_some();
        self.left.is_some() || self.selected.as_ref().is_some_and(is_due)
    }

    /// Lets the folder go that was open before, if nothing is to be saved of it.
    pub(crate) fn let_go_of_saved(&mut self) {
        let Session { left, store, .. } = self;
        left.take_if(|left| !left.memory.has_unsaved(store, &left.snapshot));
    }

    /// Saves that.
    pub(crate) fn save_what_is_left(&mut self) {
        if let Some(mut left) = self.left.take() {
            left.save_learned(self);
        }
        self.with_selected(|s, selected| {
            if let Some(selected) = selected {
                selected.make_state(s);
                selected.leave();
            }
        });
    }

    /// Saves what was learned of the messages of the open folder.
    pub(crate) fn save_learned(&mut self) {
        self.with_selected(|s, selected| {
            if let Some(selected) = selected {
                selected.save_learned(s);
            }
        });
    }
}
