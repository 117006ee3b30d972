//! Messages by their saved UIDs, in a folder that is not open. There is no scan: nothing is moved,
//! no UID is given, and what is \Recent stays so.

use super::{Entered, Error, Messages, uiddb};
use crate::types::UidValidity;

/// What the UID file of a folder says.
pub(crate) struct Saved {
    /// The UIDVALIDITY; `None` without a UID file that counts.
    pub(crate) validity: Option<UidValidity>,
    /// By ascending UID. Their flags and keywords are not known, and some may be gone:
    /// [`super::change::open`] finds their files.
    pub(crate) messages: Messages,
}

/// Reads the UID file.
pub(crate) fn read(dir: &Entered) -> Result<Saved, Error> {
    let (file, _) = uiddb::read(dir)?;
    Ok(Saved { validity: file.validity, messages: file.messages })
}
