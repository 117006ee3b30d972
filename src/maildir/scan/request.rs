//! What a scan is asked to do. Every step of it takes this.

use super::snapshot::Snapshot;
use crate::maildir::messages::{Messages, bit};
use crate::maildir::stamp::Stamp;
use crate::maildir::uiddb::UidFile;
use crate::maildir::{Entered, Store};
use crate::types::UidValidity;

/// What a scan is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// A folder that cannot be locked is an error.
    ReadWrite,
    /// A folder that cannot be locked or written is shown as it is, with UIDs that hold for this
    /// selection only.
    ReadOnly,
}

/// What a scan is asked to do.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) store: &'a Store,
    pub(super) dir: &'a Entered,
    pub(super) mode: Mode,
    /// The last scan of the same selection.
    pub(super) previous: Option<&'a Snapshot>,
    /// What a scan before this one has written without being sure of its lock.
    pub(super) claim: Option<&'a Claim>,
    /// Whether messages are delivered: then UIDs have to be saved.
    pub(super) delivers: bool,
}

/// UIDs that were written in a UID file: others may have read them there.
pub(super) struct Claim {
    pub(super) validity: UidValidity,
    pub(super) next: u32,
    pub(super) messages: Messages,
}

impl<'a> Request<'a> {
    /// The last scan, if its UIDs could not be saved. They go on for as long as the folder is
    /// selected, or the client would see them change.
    pub(super) fn unsaved(&self) -> Option<&'a Snapshot> {
        self.previous.filter(|previous| !previous.is_saved())
    }

    /// The next UID above those that this session knows under this UIDVALIDITY, and whether it
    /// knows one of these UIDs under another name: then the folder is not the one that it was. A
    /// UID file from a backup, or one that two sessions have written at once, can be like that.
    pub(super) fn compare_with_known(&self, file: &UidFile) -> Known {
        let told = self.previous.map(|old| (old.uid_validity, old.uid_next, &old.messages));
        let written = self.claim.map(|claim| (claim.validity, claim.next, &claim.messages));
        let mut known = Known { next: file.next, is_replaced: false };
        for (validity, next, messages) in told.into_iter().chain(written) {
            if file.validity == Some(validity) {
                known.next = known.next.max(next);
                known.is_replaced |= messages.contradict(&file.messages);
            }
        }
        known
    }
}

/// What a UID file is beside what the session knows.
pub(super) struct Known {
    /// Above every UID that the session knows.
    pub(super) next: u32,
    /// Whether UIDs name other messages than they did.
    pub(super) is_replaced: bool,
}

impl Request<'_> {
    /// Whether a scan without the lock may do. UIDs that could not be saved go on only in a locked
    /// scan, which may be able to save them.
    pub(super) fn may_go_without_lock(&self) -> bool {
        !self.delivers && self.unsaved().is_none() && self.store.config.use_locks
    }

    /// Whether there is probably something to write: messages were removed, or keywords changed.
    pub(super) fn will_probably_write(&self) -> bool {
        let Some(previous) = self.previous else { return false };
        previous.messages.count(bit::GONE) > 0
            || previous.proof.keywords
                != Stamp::of_directory(self.dir.folder(), b"courierimapkeywords")
    }
}
