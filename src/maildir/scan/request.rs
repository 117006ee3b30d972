//! What a scan is asked to do. Every step of it takes this.

use super::snapshot::Snapshot;
use crate::maildir::messages::{Absent, Messages, Told, bit};
use crate::maildir::stamp::Stamp;
use crate::maildir::state::Image;
use crate::maildir::uiddb::UidFile;
use crate::maildir::{Entered, Store};
use crate::types::UidValidity;

/// What a scan is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Of a folder that cannot be locked or written, the messages with saved UIDs are shown.
    ReadWrite,
    /// The folder is being made: UIDs that cannot be saved are an error.
    New,
    /// A folder that cannot be locked or written is shown as it is, with UIDs that hold for this
    /// selection only.
    ReadOnly,
    /// The messages are looked at once. Where each has its UID nothing is written; otherwise it is
    /// as ReadOnly. If they cannot be given UIDs, those with saved UIDs are shown.
    Search(Patience),
}

impl Mode {
    /// Whether it is [`Mode::Search`].
    pub(super) fn is_search(self) -> bool {
        matches!(self, Mode::Search(_))
    }
}

/// How long a search waits for the lock of a folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Patience {
    /// About a second; then [`Error::Locked`](crate::maildir::Error::Locked).
    Short,
    /// Not at all: if somebody has it, the messages with saved UIDs are shown.
    None,
}

/// What a scan is asked to do.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) store: &'a Store,
    pub(super) dir: &'a Entered,
    pub(super) mode: Mode,
    /// The last scan of the same selection.
    pub(super) previous: Option<&'a Snapshot>,
    /// The next UID, under a UIDVALIDITY, as a session has told it that does not give its last scan.
    pub(super) above: Option<(UidValidity, u32)>,
    /// The UIDVALIDITY under which a try before this one has written UIDs without the lock.
    pub(super) doubtful: Option<UidValidity>,
    /// The folder's state, as it was before the reading.
    pub(super) image: Option<&'a Image>,
    /// Whether messages are delivered, or the folder is new: then UIDs have to be saved.
    pub(super) delivers: bool,
    /// Where the folder's state, which it does not have yet, is made later: the HIGHESTMODSEQ that
    /// the client is told until then ([`Due`](super::snapshot::Due)).
    pub(super) defers: Option<u64>,
}

impl<'a> Request<'a> {
    /// For a folder of which nothing is known.
    pub(super) fn new(store: &'a Store, dir: &'a Entered, mode: Mode) -> Request<'a> {
        Request {
            store,
            dir,
            mode,
            previous: None,
            above: None,
            doubtful: None,
            image: None,
            delivers: false,
            defers: None,
        }
    }

    /// The last scan, if its UIDs could not be saved. They go on for as long as the folder is
    /// selected, or the client would see them change.
    pub(super) fn unsaved(&self) -> Option<&'a Snapshot> {
        self.previous.filter(|previous| !previous.is_saved())
    }

    /// The next UID above those that this session knows under this UIDVALIDITY, and whether it
    /// knows one of these UIDs under another name: then the folder is not the one that it was. A
    /// UID file from a backup, or one that two sessions have written at once, can be like that.
    /// The same if we were one of the two.
    pub(super) fn compare_with_known(&self, file: &UidFile) -> Known {
        let doubtful = self.doubtful.is_some() && self.doubtful == file.validity;
        let mut known = Known { next: file.next, is_replaced: doubtful };
        if let Some(told) = self.told(file.validity) {
            known.next = known.next.max(told.next);
            known.is_replaced |= told.messages.contradict(&file.messages);
        }
        // What sessions before this one have told.
        if let Some(image) = self.image.filter(|image| Some(image.validity) == file.validity) {
            known.next = known.next.max(image.next);
            known.is_replaced |= image.messages.contradict(&file.messages);
        }
        if let Some((_, next)) = self.above.filter(|above| Some(above.0) == file.validity) {
            known.next = known.next.max(next);
        }
        known
    }

    /// The UIDVALIDITY that the folder's state is about.
    pub(super) fn recorded_validity(&self) -> Option<UidValidity> {
        self.image.map(|image| image.validity)
    }

    /// What this session knows under a UIDVALIDITY.
    pub(super) fn told(&self, validity: Option<UidValidity>) -> Option<Told<'a>> {
        let same = |previous: &&Snapshot| validity == Some(previous.uid_validity);
        self.previous.filter(same).map(Snapshot::told)
    }

    /// Whether a message that is there has a UID under this UIDVALIDITY which named another one, or
    /// may have, as far as this session knows: between two of its looks an older UID file has come
    /// back, and the UID of a message that was gone was given a second time.
    pub(super) fn is_contradicted_by(&self, validity: UidValidity, there: &Messages) -> bool {
        let by_state = || {
            let image = self.image.filter(|image| image.validity == validity);
            image.is_some_and(|image| image.told(&Absent::default()).is_contradicted_by(there))
        };
        self.told(Some(validity)).is_some_and(|told| told.is_contradicted_by(there)) || by_state()
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
        let is_safe = self.store.config.use_locks || self.mode.is_search();
        !self.delivers && self.unsaved().is_none() && is_safe
    }

    /// Whether there is probably something to write: messages were removed, or keywords changed.
    pub(super) fn will_probably_write(&self) -> bool {
        let Some(previous) = self.previous else { return false };
        previous.messages.count(bit::GONE) > 0
            || previous.proof.keywords
                != Stamp::of_directory(self.dir.folder(), b"courierimapkeywords")
    }
}
