//! The message that is searched, and the folder as far as searching asks it.

use crate::session::message::{Message, Wants};
use crate::types::{Flags, Uid};
use std::io;

/// The folder, as far as searching asks it.
pub(crate) trait Folder {
    /// The UID of the message at an index.
    fn uid(&self, index: usize) -> Option<Uid>;
    /// Its system flags.
    fn flags(&self, index: usize) -> Flags;
    /// Whether it is \Recent.
    fn recent(&self, index: usize) -> bool;
    /// Whether it has the keyword of this number.
    fn has_keyword(&self, index: usize, number: u32) -> bool;
    /// Its modification sequence; 0 where there are none.
    fn sequence(&self, index: usize) -> u64;
    /// When it came into the folder, in seconds since 1970, if that is known.
    fn saved(&self, index: usize) -> Option<i64>;
    /// Has it know what is remembered of it, as far as that is wanted.
    fn recall(&mut self, index: usize, message: &mut Message, wants: &Wants);
    /// Opens it; `false` if it is gone.
    fn open(&mut self, index: usize, message: &mut Message) -> bool;
    /// Has it know its internal date, for which it need not be opened; `false` if it is gone.
    fn stat(&mut self, index: usize, message: &mut Message) -> bool;
    /// Remembers what was found out by opening it.
    fn learn(&mut self, index: usize, message: &mut Message);
    /// Takes note of one that was opened and cannot be read.
    fn unreadable(&self, index: usize, e: io::Error);
}

/// What was done with the file of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum File {
    Untouched,
    /// Only its internal date is known.
    Statted,
    Open,
    Gone,
}

/// One message that is searched: its file, opened when it is first needed and only once. The
/// buffers serve the next message too.
pub(crate) struct Mail {
    pub(super) index: usize,
    file: File,
    message: Message,
}

impl Default for Mail {
    fn default() -> Mail {
        Mail { index: 0, file: File::Untouched, message: Message::default() }
    }
}

impl Mail {
    /// Turns to the message at an index.
    pub(crate) fn turn_to(&mut self, index: usize) {
        self.message.begin();
        self.index = index;
        self.file = File::Untouched;
    }

    /// The message, of which all this can be asked; it is opened if need be. `None` when it is gone.
    pub(crate) fn with(&mut self, folder: &mut impl Folder, wants: &Wants) -> Option<&mut Message> {
        if self.file != File::Open {
            folder.recall(self.index, &mut self.message, wants);
            if !self.message.knows(wants) {
                return self.open(folder);
            }
        }
        (self.file != File::Gone).then_some(&mut self.message)
    }

    /// The message, open; `None` when it is gone.
    fn open(&mut self, folder: &mut impl Folder) -> Option<&mut Message> {
        if matches!(self.file, File::Untouched | File::Statted) {
            self.file =
                if folder.open(self.index, &mut self.message) { File::Open } else { File::Gone };
        }
        (self.file == File::Open).then_some(&mut self.message)
    }

    /// The internal date; `None` when the message is gone.
    pub(crate) fn internal_date(&mut self, folder: &mut impl Folder) -> Option<i64> {
        let nothing = Wants::default();
        if self.file == File::Untouched {
            folder.recall(self.index, &mut self.message, &nothing);
            if !self.message.knows(&nothing) {
                let is_there = folder.stat(self.index, &mut self.message);
                self.file = if is_there { File::Statted } else { File::Gone };
            }
        }
        (self.file != File::Gone).then(|| self.message.date())
    }

    /// Remembers what was found out about it.
    pub(crate) fn finish(&mut self, folder: &mut impl Folder) {
        if self.file == File::Open {
            folder.learn(self.index, &mut self.message);
        }
    }
}
