//! Step 5 of a scan, and its result: the folder as the session shows it, with the proof by which a
//! later command can skip the scan.

use super::collect::Collected;
use super::number::Uids;
use crate::maildir::keywords;
use crate::maildir::messages::{Messages, bit};
use crate::maildir::stamp::Stamp;
use crate::maildir::{Dir, Error, Store};
use crate::sys::fs;
use crate::types::{KeywordTable, UidValidity};

/// A folder as a scan found it.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// The UIDVALIDITY of the UIDs.
    pub(crate) uid_validity: UidValidity,
    /// The next UID: greater than every UID that was ever given under this UIDVALIDITY.
    pub(crate) uid_next: u32,
    /// The messages, by ascending UID.
    pub(crate) messages: Messages,
    /// Their keywords.
    pub(crate) keywords: KeywordTable,
    /// Whether some keywords could not be read. Then no set may be built on those that were.
    pub(in crate::maildir) has_unread_keywords: bool,
    saved: bool,
    proof: Proof,
}

/// What proves that a folder is unchanged: the stamps of its directories before they were read.
#[derive(Clone, PartialEq, Eq)]
struct Proof {
    cur: Option<Stamp>,
    new_mail: Option<Stamp>,
    keywords: Option<Stamp>,
    uid_file: Option<Stamp>,
    /// Whether every later change gives other stamps.
    settled: bool,
}

impl Snapshot {
    /// Whether the UIDs are on disk. If not, they hold until the folder is left, and the next
    /// selection begins anew.
    pub(crate) fn is_saved(&self) -> bool {
        self.saved
    }

    /// The same folder without the messages that are known to be gone by now.
    pub(crate) fn without_gone(&self) -> Snapshot {
        let mut left = self.clone();
        left.messages.leave_out(bit::GONE);
        left.messages.unmark_all(bit::CHANGED);
        left.proof.settled = false;
        left
    }

    /// The same folder for a new selection, in which nothing is \Recent: the selection before was
    /// told.
    pub(crate) fn reselected(mut self) -> Snapshot {
        self.messages.unmark_all(bit::RECENT | bit::CHANGED);
        self
    }
}

/// Reads the keywords and makes the snapshot. `nanos`: the time of the scan. `writes_keywords`:
/// whether the keyword files are merged, as every scan does where it can.
pub(super) fn snapshot(
    (store, dir): (&Store, &Dir),
    nanos: i128,
    writes_keywords: bool,
    found: Collected<'_>,
    uids: Uids,
) -> Result<Snapshot, Error> {
    let Collected { mut messages, index, cur, new_mail, has_room, known, .. } = found;
    let uid_file = uid_file_stamp(dir);
    let read = keywords::read(store, dir, &messages, &index, writes_keywords)?;
    drop(index);
    for (i, set) in read.sets.iter().enumerate() {
        messages.set_keywords(i, *set);
    }
    let is_settled =
        [cur, new_mail, read.stamp].iter().flatten().all(|stamp| stamp.is_settled(nanos));
    let settled = is_settled && has_room && !read.has_unread;
    let proof = Proof { cur, new_mail, keywords: read.stamp, uid_file, settled };
    log::trace!("{}: {known} known, {} there", fs::shown(dir.path()), messages.len());
    debug_assert!(messages.is_ascending(), "messages have ascending UIDs");
    Ok(Snapshot {
        uid_validity: uids.validity,
        uid_next: uids.next,
        messages,
        keywords: read.table,
        has_unread_keywords: read.has_unread,
        saved: uids.saved,
        proof,
    })
}

/// Whether a folder is proven to be as the snapshot has it. This takes no lock and makes no file.
/// `false` proves nothing.
pub(crate) fn is_unchanged(dir: &Dir, snapshot: &Snapshot) -> bool {
    let old = &snapshot.proof;
    old.settled
        && old.cur.is_some()
        && Stamp::of_directory(&dir.cur()) == old.cur
        && Stamp::of_directory(&dir.new_mail()) == old.new_mail
        && Stamp::of_directory(&dir.keywords()) == old.keywords
        && uid_file_stamp(dir) == old.uid_file
}

fn uid_file_stamp(dir: &Dir) -> Option<Stamp> {
    fs::lstat(&dir.uid_file()).ok().map(|m| Stamp::of(&m))
}
