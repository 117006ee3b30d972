//! A difference that goes into `maildirsize` while somebody else may be counting the Maildir.
//!
//! A recount replaces the file, and what was in the old one is gone. That is right for all messages
//! that had changed when the recount looked for the last time whether anything had: it has counted
//! them. It is wrong for a difference that was written before the file was replaced and whose
//! messages change after that last look. So:
//!
//! - The file is opened before the messages change, and the difference is written into what was
//!   opened. If that is the old file, the count has the messages; or else they change later than
//!   the recount ends.
//! - When the messages are about to change, a difference in an old file is written again, into the
//!   new one ([`Charge::renew`]).
//! - If the file is another one when they have changed ([`Charge::settle`]), nobody knows whether
//!   they were counted. Then the Maildir is counted again, at the end of the command ([`Doubts`]):
//!   a count replaces the file under the other sessions. If each of them counted at once, it would
//!   replace the file under the rest, and several that change many messages would only count.
//!
//! So among sessions of this program no difference is lost or counted twice, with these exceptions:
//!
//! - Messages keep changing during each of a recount's tries (`MAX_COUNTS`). What the last one has
//!   counted replaces the file all the same, filled up, so that the Maildir is counted again after
//!   about a hundred differences.
//! - A session is killed between a difference and its messages, or a line or the file cannot be
//!   written.
//! - Courier takes a change within the same second for none, and its differences are as they come.
//!
//! Then the sum may be wrong until the next recount, which comes after some two hundred differences
//! at most.

use super::size_file::{self, SizeFile};
use super::{Config, Quota};
use crate::sys::directory::Directory;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What one command knows of the sum.
#[derive(Default, Debug)]
pub(crate) struct Doubts {
    /// The file that was there when a change last left the sum in doubt.
    doubtful: Cell<Option<(u64, u64)>>,
    /// Whether the Maildir was counted because it is full.
    is_counted: Cell<bool>,
}

impl Doubts {
    pub(super) fn note(&self, maildir: &Directory) {
        self.doubtful.set(file_now(maildir));
    }

    /// Whether there may be any.
    pub(crate) fn are_any(&self) -> bool {
        self.doubtful.get().is_some()
    }

    /// Whether the Maildir is to be counted. Not if somebody has replaced the file since the last
    /// doubt: whoever counts sees whether messages change meanwhile, and then counts again. The
    /// next time this is `false`.
    pub(super) fn take(&self, maildir: &Directory) -> bool {
        self.doubtful.take().is_some_and(|inode| file_now(maildir) == Some(inode))
    }

    pub(super) fn note_count(&self) {
        self.is_counted.set(true);
    }

    /// A sum over the quota was counted by this command. It is believed until the end.
    pub(super) fn is_counted(&self) -> bool {
        self.is_counted.get()
    }
}

/// The device and inode of the file as it is now.
fn file_now(maildir: &Directory) -> Option<(u64, u64)> {
    maildir.stat(size_file::NAME).ok().map(|stat| stat.inode())
}

/// A difference, in the file or not yet, of messages that are about to change.
#[must_use]
#[derive(Debug)]
pub(crate) struct Charge {
    maildir: Rc<Directory>,
    size_file: RefCell<SizeFile>,
    /// Bytes and messages.
    difference: Cell<(i64, i64)>,
    is_written: Cell<bool>,
    /// Whether the messages have changed.
    is_settled: Cell<bool>,
    /// Whether the Maildir was counted for it.
    is_counted: Cell<bool>,
}

impl Charge {
    /// For messages whose difference is not known yet.
    pub(super) fn begin(maildir: Rc<Directory>, size_file: SizeFile) -> Charge {
        Charge {
            maildir,
            size_file: RefCell::new(size_file),
            difference: Cell::new((0, 0)),
            is_written: Cell::new(false),
            is_settled: Cell::new(false),
            is_counted: Cell::new(false),
        }
    }

    /// A difference that is written before the messages come.
    pub(super) fn written(
        maildir: Rc<Directory>,
        size_file: SizeFile,
        difference: (i64, i64),
    ) -> Charge {
        let charge = Charge::begin(maildir, size_file);
        charge.difference.set(difference);
        charge.write();
        charge
    }

    fn write(&self) {
        self.size_file.borrow_mut().append(self.difference.get());
        self.is_written.set(true);
    }

    /// Whether the file was replaced since.
    fn is_replaced(&self) -> bool {
        file_now(&self.maildir).is_some_and(|inode| inode != self.size_file.borrow().inode)
    }

    /// More messages begin to count.
    pub(crate) fn add(&self, bytes: u64, messages: u64) {
        self.change(size_file::signed_size(bytes), size_file::signed_size(messages));
    }

    /// More messages cease to count.
    pub(crate) fn subtract(&self, bytes: u64, messages: u64) {
        let negative = |n| size_file::signed_size(n).saturating_neg();
        self.change(negative(bytes), negative(messages));
    }

    fn change(&self, bytes: i64, messages: i64) {
        let (all_bytes, all_messages) = self.difference.get();
        self.difference
            .set((all_bytes.saturating_add(bytes), all_messages.saturating_add(messages)));
    }

    /// The messages are about to change, and did not yet: sees to it that the difference is in the
    /// file as it is now.
    pub(crate) fn renew(&self) {
        if self.is_replaced()
            && let Some(size_file) = SizeFile::read(&self.maildir)
        {
            self.size_file.replace(size_file);
            if self.is_written.get() {
                self.write();
            }
        }
    }

    /// The messages have changed.
    pub(crate) fn settle(&self, config: &Config) {
        if self.is_doubtful_when_settled() {
            self.count(config);
        }
    }

    /// The messages have changed. Whether the Maildir has to be counted now.
    pub(super) fn is_doubtful_when_settled(&self) -> bool {
        self.is_settled.set(true);
        if !self.is_written.get() && self.difference.get() != (0, 0) {
            if self.size_file.borrow().must_be_counted() {
                return true;
            }
            self.write();
        }
        self.is_replaced()
    }

    /// The messages did not change after all, or are as they were before.
    pub(crate) fn cancel(&self, config: &Config) {
        let (bytes, messages) = self.difference.get();
        if self.is_written.get() {
            let opposite = (bytes.saturating_neg(), messages.saturating_neg());
            self.size_file.borrow_mut().append(opposite);
        }
        // Messages that were never there were not counted either.
        if self.is_settled.get() && self.is_replaced() {
            self.count(config);
        }
    }

    /// Whether a part of the difference that came true only after [`Charge::settle`] may have been
    /// counted, too.
    pub(crate) fn is_doubtful_later(&self) -> bool {
        self.is_counted.get() || self.is_replaced()
    }

    fn count(&self, config: &Config) {
        self.is_counted.set(true);
        Quota::of(Some(Rc::clone(&self.maildir)), config).recalculate();
        if let Some(size_file) = SizeFile::read(&self.maildir) {
            self.size_file.replace(size_file);
        }
    }
}
