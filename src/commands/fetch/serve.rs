//! Serving one message after the other: its line, then what follows from it (\Seen, the alert for
//! 8-bit headers).

use super::contents::Contents;
use super::items::{Item, Needs};
use super::unreadable;
use crate::maildir::{self, change};
use crate::session::{Result, Selected, facts};
use crate::types::{Flags, Operation};
use crate::wire::write;

/// What went wrong with messages while the others were served.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// A message is no more.
    pub(crate) missing: bool,
    /// A message could not be opened; the first reason.
    pub(crate) failed: Option<maildir::Error>,
    /// A message could not be marked \\Seen; the first reason.
    pub(crate) unmarked: Option<maildir::Error>,
}

/// One FETCH on its way through the messages.
pub(crate) struct Serving<'a> {
    /// What is asked.
    pub(crate) items: &'a [Item],
    /// What that needs.
    pub(crate) needs: Needs,
    /// A UID FETCH that does not ask for the UID gets it all the same (RFC 3501 6.4.8).
    pub(crate) with_uid: bool,
    /// It is a UID FETCH.
    pub(crate) by_uid: bool,
    /// Whether messages become \Seen.
    pub(crate) may_set_seen: bool,
    /// The open folder.
    pub(crate) selected: &'a mut Selected,
    /// The message being served, and the way out.
    pub(crate) contents: Contents<'a>,
    /// What went wrong so far.
    pub(crate) ended: Ended,
}

impl Serving<'_> {
    /// Serves the message at `index`.
    pub(crate) fn message(&mut self, index: usize) -> Result<()> {
        let number = (index as u64).saturating_add(1);
        if self.needs.file {
            let find = if self.needs.octets { facts::open } else { facts::look };
            match find(self.selected, index, &mut self.contents.reader) {
                Ok(()) => {}
                Err(maildir::Error::Gone) => {
                    self.ended.missing = true;
                    return Ok(());
                }
                Err(error) => {
                    self.contents.io.out.extend_from_slice(b"* NO [ALERT] Cannot open message ");
                    write::number(&mut self.contents.io.out, number);
                    self.contents.io.out.extend_from_slice(b"\r\n");
                    self.ended.failed.get_or_insert(error);
                    return Ok(self.contents.io.flush_if_full()?);
                }
            }
            if self.needs.all {
                self.contents.reader.want_all().map_err(unreadable)?;
            }
        }
        self.contents.io.out.extend_from_slice(b"* ");
        write::number(&mut self.contents.io.out, number);
        self.contents.io.out.extend_from_slice(b" FETCH (");
        if self.with_uid {
            self.uid(index);
        }
        for (i, item) in self.items.iter().enumerate() {
            if i > 0 || self.with_uid {
                self.contents.io.out.push(b' ');
            }
            self.item(index, item)?;
        }
        self.contents.io.out.extend_from_slice(b")\r\n");
        self.aftermath(index);
        Ok(self.contents.io.flush_if_full()?)
    }

    /// Gives back what outlives the command.
    pub(crate) fn finish(self) -> Ended {
        self.selected.last_served = Some(self.contents.memory);
        self.ended
    }

    fn uid(&mut self, index: usize) {
        self.contents.io.out.extend_from_slice(b"UID ");
        let uid = self.selected.snapshot.messages.uid(index).map_or(0, |u| u.get());
        write::number(&mut self.contents.io.out, u64::from(uid));
    }

    fn item(&mut self, index: usize, item: &Item) -> Result<()> {
        match item {
            Item::Flags => {
                self.contents.io.out.extend_from_slice(b"FLAGS ");
                self.selected.push_flags(&mut self.contents.io.out, index);
            }
            Item::Uid => self.uid(index),
            item => self.contents.item(item)?,
        }
        Ok(())
    }

    /// What a message's line brings with it: \Seen, and the flags where they changed, here or by
    /// somebody else (then they were taken over when the file was found). FLAGS in the line itself
    /// shows what was before.
    fn aftermath(&mut self, index: usize) {
        let newly_seen = self.may_set_seen
            && !self.selected.snapshot.messages.flags(index).contains(Flags::SEEN);
        if newly_seen {
            if !self.contents.utf8 && self.contents.has_8bit_header() {
                self.alert(index);
            }
            let (dir, messages) = (&self.selected.dir, &mut self.selected.snapshot.messages);
            let edit = change::Edit::new(Operation::Add, Flags::SEEN, Flags::SEEN);
            match change::store_flags(dir, messages, index, &edit) {
                Ok(_) => {}
                // It was there a moment ago, and the client has it: the next look tells that it is
                // gone.
                Err(maildir::Error::Gone) => return,
                Err(error) => {
                    self.ended.unmarked.get_or_insert(error);
                    return;
                }
            }
        }
        let changed = self.selected.snapshot.messages.take_changed(index);
        if newly_seen || (changed && !self.needs.flags) {
            // RFC 3501 6.4.8: every FETCH response of a UID command has the UID. Courier leaves it
            // out here.
            self.selected.push_fetch_flags(&mut self.contents.io.out, index, self.by_uid);
        }
    }

    /// PROTOCOL 5.8.
    fn alert(&mut self, index: usize) {
        let out = &mut self.contents.io.out;
        out.extend_from_slice(b"* OK [ALERT] Message ");
        write::number(out, (index as u64).saturating_add(1));
        out.extend_from_slice(
            b" appears to be a Unicode message and your E-mail reader did not enable Unicode support. Please use an E-mail reader \
              that supports IMAP with UTF-8 (see https://datatracker.ietf.org/doc/html/rfc6855)\r\n",
        );
    }
}
