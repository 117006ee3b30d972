//! What a client has been told of modification sequences.

use crate::types::{Flags, ModSeq};
use std::collections::HashSet;

/// What a client knows of the modification sequences of the open folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    /// What it takes for HIGHESTMODSEQ.
    pub(super) highest: u64,
    /// Whether it was told of expunged messages since the last tagged line.
    pub(super) expunged: bool,
    /// Changes of others that are recorded and not told yet: messages and their flags.
    pub(super) recorded: HashSet<(usize, Flags)>,
}

impl Told {
    /// Of a folder that is being opened: this is its HIGHESTMODSEQ.
    pub(super) fn of(highest: ModSeq) -> Told {
        Told { highest: highest.get(), expunged: false, recorded: HashSet::new() }
    }
}
