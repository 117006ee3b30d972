//! The result of a scan: the folder as the session shows it, with the proof by which a later
//! command can skip the scan.

use crate::maildir::details::Details;
use crate::maildir::messages::{Absent, Messages, Told, bit};
use crate::maildir::stamp::Stamp;
use crate::maildir::uiddb::Version;
use crate::maildir::{Entered, Sequences};
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
    /// What is known of the UIDs that no message has now.
    pub(super) absent: Absent,
    /// Their keywords.
    pub(crate) keywords: KeywordTable,
    /// Whether some keywords could not be read. Then no set may be built on those that were.
    pub(in crate::maildir) has_unread_keywords: bool,
    pub(super) saved: bool,
    /// Whether there is something that is not shown: it could not be read or moved, or there is no
    /// room on the disk for its UID. The next scan tries again.
    pub(crate) hides: bool,
    /// Their modification sequences; `None` where none can be kept (RFC 7162 3.1.2.2, NOMODSEQ).
    pub(crate) sequences: Option<Sequences>,
    /// The folder has no state, and gets one when the client has its answer.
    pub(super) due: Option<Due>,
    /// What sessions have learned of the messages by opening them.
    pub(crate) details: Details,
    pub(super) proof: Proof,
}

/// A state that is made when the client has its answer. The HIGHESTMODSEQ that the client is told
/// is the time before the state was looked for. Every run of values that anybody begins from then on
/// is above it. So if the state is not made, because the session dies or another one has made it, the
/// value is in no run: a client that comes back with it is told everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::maildir) struct Due {
    pub(super) told: u64,
    /// Whether the proof of the scan is one to be recorded as settled.
    pub(super) is_settled: bool,
}

/// What proves that a folder is unchanged: the stamps of its directories before they were read.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) cur: Option<Stamp>,
    pub(super) new_mail: Option<Stamp>,
    pub(super) keywords: Option<Stamp>,
    pub(super) uid_file: Option<Stamp>,
    /// Whether every later change gives other stamps.
    pub(super) settled: bool,
    /// Whether the folder's state has this proof.
    pub(super) is_saved: bool,
}

impl Snapshot {
    /// Keywords that messages have, in the order of the table.
    pub(crate) fn used_keywords(&self) -> Vec<&[u8]> {
        self.keywords.names_in((0..self.messages.len()).map(|i| self.messages.keywords(i)))
    }

    /// The state has the proof now.
    pub(in crate::maildir) fn proof_is_saved(&mut self) {
        self.proof.is_saved = true;
    }

    /// Whether the UIDs are on disk. If not, they hold until the folder is left, and the next
    /// selection begins anew.
    pub(crate) fn is_saved(&self) -> bool {
        self.saved
    }

    /// What the session knows under this UIDVALIDITY.
    pub(super) fn told(&self) -> Told<'_> {
        Told { messages: &self.messages, absent: &self.absent, next: self.uid_next }
    }

    /// Whether a later scan that knew nothing of this one has gone back behind it: the folder has
    /// an older UID file, or UIDs that are told already name other messages.
    pub(crate) fn is_contradicted_by(&self, later: &Snapshot) -> bool {
        self.saved
            && later.saved
            && later.uid_validity == self.uid_validity
            && (later.uid_next < self.uid_next || self.told().is_contradicted_by(&later.messages))
    }

    /// Leaves out the messages from a UID on, as if it had not been given. The next scan looks at
    /// them again, and does not take the UID file for one that is on disk.
    pub(super) fn leave_out_from(&mut self, uid: u32) {
        self.messages.leave_out_from(uid);
        self.absent.forget_from(uid);
        self.due = None;
        self.uid_next = self.uid_next.min(uid);
        self.proof.uid_file = None;
        self.proof.settled = false;
    }

    /// The same folder without the messages that are known to be gone by now.
    pub(crate) fn without_gone(&self) -> Snapshot {
        let mut left = self.clone();
        left.absent.add_gone(&left.messages);
        if let Some(sequences) = &mut left.sequences {
            sequences.leave_out(|index| self.messages.has(index, bit::GONE));
        }
        left.messages.leave_out(bit::GONE);
        left.messages.unmark_all(bit::CHANGED);
        left.proof.settled = false;
        left
    }

    /// Takes over what was \Recent in an earlier scan that nobody was told of: this one has found it
    /// with a UID.
    pub(crate) fn with_recent_of(mut self, earlier: &Snapshot) -> Snapshot {
        self.messages.add_recent(&earlier.messages);
        self
    }

    /// The same folder for a new selection, in which nothing is \Recent: the selection before was
    /// told.
    pub(crate) fn reselected(mut self) -> Snapshot {
        self.messages.unmark_all(bit::RECENT | bit::CHANGED);
        self
    }
}

/// Whether a folder is proven to be as the snapshot has it. This takes no lock and makes no file.
/// `false` proves nothing. `dir` must have been entered just now, or a network file system answers
/// from what it remembers.
pub(crate) fn is_unchanged(dir: &Entered, snapshot: &Snapshot) -> bool {
    let old = &snapshot.proof;
    old.settled
        && old.cur.is_some()
        && Stamp::of_directory(dir.folder(), b"cur") == old.cur
        && Stamp::of_directory(dir.folder(), b"new") == old.new_mail
        && Stamp::of_directory(dir.folder(), b"courierimapkeywords") == old.keywords
        && Version::stamp_now(dir) == old.uid_file
}
