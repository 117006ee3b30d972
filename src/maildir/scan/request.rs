//! What a scan is asked to do. Every step of it takes this.

use super::snapshot::Snapshot;
use crate::maildir::{Entered, Store};

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
}

/// What a scan is asked to do.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) store: &'a Store,
    pub(super) dir: &'a Entered,
    pub(super) mode: Mode,
    /// The last scan of the same selection.
    pub(super) previous: Option<&'a Snapshot>,
    /// Whether messages are delivered, or the folder is new: then UIDs have to be saved.
    pub(super) delivers: bool,
}

impl<'a> Request<'a> {
    /// The last scan, if its UIDs could not be saved. They go on for as long as the folder is
    /// selected, or the client would see them change.
    pub(super) fn unsaved(&self) -> Option<&'a Snapshot> {
        self.previous.filter(|previous| !previous.is_saved())
    }
}
