//! The folder's state, `postrider.state`: what the modification sequences of CONDSTORE and QRESYNC
//! rest on, and by which a session opens an unchanged folder without reading it. Courier knows
//! nothing of it. The messages' files and the UID file have the truth; the state says what was seen
//! of it, and when.
//!
//! - It may be lost, cut, damaged or put back from a backup at any time: it is checked before it is
//!   believed (`format.rs`, `journal.rs`), and a new one is made.
//! - It is written under the folder's lock, by appending a record or by replacing the file. A
//!   session that cannot write it goes on without it.
//! - **Values may have been lost** where the file is not the one that was last written, as far as
//!   can be seen: another boot of the machine (appending is not synced), another inode or a later
//!   change of the file (a backup was put back), a torn end. Then a new run of values begins
//!   ([`sequences`](super::sequences)), above everything that may have been given.

pub(super) mod bytes;
pub(super) mod compare;
mod format;
pub(super) mod inspect;
mod journal;
mod numbers;
mod proof;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(super) use format::Content;
pub(crate) use format::Summary;
pub(super) use journal::{Event, Item, Record, Told, set_name};
pub(super) use proof::StoredProof;
pub(super) use read::{Counts, read, summary};
pub(super) use write::{append, replace};

use super::details::Details;
use super::dir::MAX_CONTROL_FILE;
use super::messages;
use super::sequences::{Expunged, Runs};
use super::{Entered, Messages, Store};
use crate::sys::{clock, fs, user};
use crate::types::{KeywordTable, ModSeq, UidValidity};
use journal::{Records, Replay};
use std::hash::{BuildHasher, Hasher, RandomState};

/// The name of the file, in the folder's directory.
pub(super) const NAME: &[u8] = b"postrider.state";
/// A journal of this length, in bytes, or of an eighth of the base if that is more, is written into
/// a new base.
const MAX_JOURNAL: u64 = 32 * 1024;
/// How much later than the time in its last record a file may have been changed, in nanoseconds: a
/// tick of the clock of file times, and a little. Of a file system that keeps whole seconds, more.
const WRITTEN_WITHIN: i128 = 20_000_000;
const WRITTEN_WITHIN_SECONDS: i128 = 2_000_000_000;

/// A state as it was read.
pub(super) struct Image {
    pub(super) validity: UidValidity,
    /// The next UID.
    pub(super) next: u32,
    pub(super) messages: Messages,
    /// The modification sequence of each message.
    pub(super) values: Vec<u64>,
    pub(super) keywords: KeywordTable,
    pub(super) runs: Runs,
    pub(super) expunged: Expunged,
    pub(super) details: Details,
    pub(super) tail: Tail,
}

/// The end of a state: where its next record goes, and whether it is the one that was last written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::maildir) struct Tail {
    inode: u64,
    /// The inode and the boot that the header has, or the last record that begins a run.
    header: (u64, [u8; 16]),
    base: u64,
    end: u64,
    checksum: u32,
    /// Whether the file ends there.
    is_whole: bool,
    /// When the file was last changed, in nanoseconds since 1970.
    changed: i128,
    /// As the last record has it.
    pub(in crate::maildir) summary: Summary,
    /// The last one.
    pub(in crate::maildir) proof: StoredProof,
}

impl Tail {
    /// Where there is no state.
    fn of_no_file() -> Tail {
        Tail {
            inode: 0,
            header: (0, [0; 16]),
            base: 0,
            end: 0,
            checksum: 0,
            is_whole: false,
            changed: 0,
            summary: Summary::default(),
            proof: StoredProof::of([None; 4], false),
        }
    }

    /// Whether no value can have been lost since this was written, and nothing of it was put back
    /// from somewhere else.
    pub(super) fn is_continuous(&self, dir: &Entered) -> bool {
        if !self.is_whole || self.header.0 != self.inode {
            return false;
        }
        if !dir.folder().is_local() {
            // Each record was synced before the lock was released. The clock is another host's.
            return true;
        }
        user::boot_id() == Some(self.header.1) && is_in_time(self.changed, self.summary.written)
    }

    /// Whether this is the same end of the same file.
    fn is_at(&self, other: &Tail) -> bool {
        (self.inode, self.end, self.checksum) == (other.inode, other.end, other.checksum)
    }

    /// Whether the file was made since the machine has booted.
    pub(super) fn is_of_this_boot(&self) -> bool {
        user::boot_id() == Some(self.header.1)
    }

    /// Whether a new base should be written instead of one more record.
    pub(super) fn is_long(&self) -> bool {
        !self.is_whole || self.end.saturating_sub(self.base) > MAX_JOURNAL.max(self.base / 8)
    }

    /// Before values are given, under the lock: begins a new run where some may have been lost.
    /// The record says of which file and boot it is, so that the next one goes on from there.
    pub(super) fn begin_run_if_needed(
        &mut self,
        dir: &Entered,
        runs: &mut Runs,
        record: &mut Record,
    ) {
        if !self.is_continuous(dir) {
            let before = runs.last();
            runs.begin(latest_time(dir), chance());
            if runs.last() != before {
                self.header = (self.inode, user::boot_id().unwrap_or_default());
                record.run(runs.last(), self.header);
            }
        }
    }

    /// Reads what was recorded after this, under the lock: `each` is called with it. The end after
    /// that; `None` if it is another file, or one that is damaged.
    pub(super) fn read_on<'a>(
        &self,
        dir: &Entered,
        buffer: &'a mut Vec<u8>,
        mut each: impl FnMut(Event<'a>) -> Option<()>,
    ) -> Option<Tail> {
        let (file, stat) = dir.folder().open_control(NAME).ok()?;
        let length = stat.len().checked_sub(self.end)?;
        if stat.inode().1 != self.inode || !self.is_whole || stat.len() > MAX_CONTROL_FILE {
            return None;
        }
        buffer.resize(usize::try_from(length).ok()?, 0);
        if fs::read_at(&file, buffer, self.end).ok()? != buffer.len() {
            return None;
        }
        let mut tail = Tail { changed: stat.ctime_nanos(), ..*self };
        for (items, checksum, length) in Records::new(buffer, tail.checksum) {
            journal::each(items, |event| {
                match &event {
                    Event::Summary(summary) => tail.summary = *summary,
                    Event::Proof(proof) => tail.proof = *proof,
                    Event::Run(_, origin) => tail.header = *origin,
                    _ => {}
                }
                each(event)
            })?;
            tail.end = tail.end.checked_add(length as u64)?;
            tail.checksum = checksum;
        }
        (tail.end == stat.len()).then_some(tail)
    }
}

/// What can be said of a state file.
pub(super) enum Found {
    /// There is none, or none that can be read.
    None,
    /// It is damaged, of another version, or about another folder. No value of it can be believed,
    /// but a new one must be above this one.
    Damaged(u64),
    Image(Box<Image>),
}

impl Found {
    /// The greatest value in it: a new state begins above.
    pub(super) fn last_value(&self) -> u64 {
        match self {
            Found::None => 0,
            Found::Damaged(last) => *last,
            Found::Image(image) => image.runs.last(),
        }
    }

    /// Whether the file is still the same, without a look into it.
    pub(super) fn is_current(&self, dir: &Entered) -> bool {
        let stat = dir.folder().stat(NAME);
        match self {
            Found::None => stat.is_err(),
            Found::Damaged(_) => false,
            Found::Image(image) => stat.is_ok_and(|stat| {
                let Tail { inode, changed, end, .. } = image.tail;
                (stat.inode().1, stat.ctime_nanos(), stat.len()) == (inode, changed, end)
            }),
        }
    }

    /// The state, whatever its UIDVALIDITY.
    pub(super) fn image(&self) -> Option<&Image> {
        match self {
            Found::Image(image) => Some(image),
            _ => None,
        }
    }

    /// The state of the folder, if it is about this UIDVALIDITY.
    pub(super) fn of(self, validity: Option<UidValidity>) -> Option<Box<Image>> {
        match self {
            Found::Image(image) if Some(image.validity) == validity => Some(image),
            _ => None,
        }
    }
}

/// Whether a state can be kept of a folder at all.
pub(super) fn is_kept(store: &Store) -> bool {
    store.config.index && store.config.use_locks
}

/// Whether the folder has none, nor anything else by its name.
pub(super) fn is_missing(dir: &Entered) -> bool {
    dir.folder().stat(NAME).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
}

/// The stamps that the parts of a folder have now, as [`StoredProof::of`] takes them.
pub(super) fn stamps_now(dir: &Entered) -> [Option<super::stamp::Stamp>; 4] {
    use super::stamp::Stamp;
    let of = |name: &[u8]| Stamp::of_directory(dir.folder(), name);
    [of(b"cur"), of(b"new"), of(b"courierimapkeywords"), super::uiddb::Version::stamp_now(dir)]
}

impl Image {
    /// The same after one more record; `None` if that makes no sense.
    fn with(mut self, record: Record, summary: &Summary) -> Option<Image> {
        let items = record.items(summary);
        let mut replay = Replay::on(&mut self);
        replay.play(&items)?;
        replay.finish();
        Some(self)
    }

    /// All of it, to be written.
    pub(super) fn content(&self) -> Content<'_> {
        Content {
            validity: self.validity,
            next: self.next,
            messages: &self.messages,
            keywords: &self.keywords,
            values: &self.values,
            runs: &self.runs,
            expunged: &self.expunged,
            details: &self.details,
            proof: self.tail.proof,
        }
    }

    /// Whether this is a copy that came with the copy of a folder: neither the file nor `cur` are
    /// those that it was written for.
    fn is_of_another_folder(&self, dir: &Entered) -> bool {
        let Tail { inode, header, proof, .. } = &self.tail;
        header.0 != *inode
            && proof.is_of_another(super::stamp::Stamp::of_directory(dir.folder(), b"cur"))
    }

    /// What sessions have told of the folder. Every UID below the next one that is not there is
    /// gone: `absent` is empty.
    pub(super) fn told<'a>(&'a self, absent: &'a messages::Absent) -> messages::Told<'a> {
        messages::Told { messages: &self.messages, absent, next: self.next }
    }
}

/// A random number.
pub(super) fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The latest of the times that are known of a folder, in microseconds since 1970: our own, and
/// those of its directories. A run of values begins there, so that it is above all that were given
/// by a clock that is right.
pub(super) fn latest_time(dir: &Entered) -> u64 {
    let now = u64::try_from(clock::now_nanos() / 1000).unwrap_or(0);
    let there = StoredProof::of(stamps_now(dir), false);
    let folder = dir.folder().own_stat().map_or(0, |stat| stat.ctime_nanos() / 1000);
    // A time that somebody has set beyond all clocks would leave no values above it.
    let is_possible = |time: &u64| *time < ModSeq::MAX / 2;
    let folder = u64::try_from(folder).unwrap_or(0);
    [now, there.latest(), folder].into_iter().filter(is_possible).max().unwrap_or(0)
}

/// The time of the clock of file times, in microseconds since 1970.
fn now() -> i64 {
    i64::try_from(clock::file_tick() / 1000).unwrap_or(0)
}

/// Whether a file was last changed (nanoseconds since 1970) when its last record says (microseconds).
fn is_in_time(changed: i128, written: i64) -> bool {
    let is_coarse = changed.rem_euclid(1_000_000_000) == 0;
    let within = if is_coarse { WRITTEN_WITHIN_SECONDS } else { WRITTEN_WITHIN };
    (changed - i128::from(written) * 1000).abs() <= within
}
