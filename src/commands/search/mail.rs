//! The message that is searched, and the folder as far as searching asks it.

use crate::session::message::{self, Cache, Reader};
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
    /// When it came into the folder, in seconds since 1970, if that is known.
    fn saved(&self, index: usize) -> Option<i64>;
    /// Opens it; `false` if it is gone.
    fn open(&mut self, index: usize, reader: &mut Reader) -> bool;
    /// Has the reader know its internal date, for which it need not be opened; `false` if it is
    /// gone.
    fn stat(&mut self, index: usize, reader: &mut Reader) -> bool;
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
    reader: Reader,
    cache: Cache,
}

impl Default for Mail {
    fn default() -> Mail {
        Mail { index: 0, file: File::Untouched, reader: Reader::new(), cache: Cache::default() }
    }
}

impl Mail {
    /// Turns to the message at an index.
    pub(crate) fn turn_to(&mut self, index: usize) {
        self.reader.close();
        self.index = index;
        self.file = File::Untouched;
    }

    /// The open file; `None` when the message is gone.
    pub(crate) fn open(&mut self, folder: &mut impl Folder) -> Option<(&mut Reader, &mut Cache)> {
        if matches!(self.file, File::Untouched | File::Statted) {
            self.file =
                if folder.open(self.index, &mut self.reader) { File::Open } else { File::Gone };
        }
        (self.file == File::Open).then_some((&mut self.reader, &mut self.cache))
    }

    /// The internal date; `None` when the message is gone.
    pub(crate) fn internal_date(&mut self, folder: &mut impl Folder) -> Option<i64> {
        if self.file == File::Untouched {
            self.file =
                if folder.stat(self.index, &mut self.reader) { File::Statted } else { File::Gone };
        }
        (self.file != File::Gone).then(|| message::internal_date(&self.reader))
    }
}
