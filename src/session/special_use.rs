//! Special uses of folders (RFC 6154): which folders may have one, and the refusals.

use super::folder::Folder;
use super::reply::{Code, Outcome, Result};
use super::{Error, Session};
use crate::maildir::resolve::FolderKind;
use crate::maildir::special_use::{Rules, SetRefused, Uses};
use crate::types::SpecialUses;

const CANNOT: &str = "Cannot set the special use of this folder.";

/// The refusal of a use that a folder cannot have (RFC 6154 3).
pub(crate) fn not_possible() -> Outcome {
    Outcome::no("This folder cannot have that special use.").with_code(Code::UseAttr)
}

impl Session {
    /// By which folders have a use, where none was set.
    pub(crate) fn special_use_rules(&self) -> Rules<'_> {
        let outbox = self.outbox.as_ref().map(|outbox| &*outbox.folder);
        Rules { trash: &self.trash, outbox }
    }

    /// Whether a folder may have a use: the account's own, but not INBOX, and not the outbox.
    /// (What it is for others, their own clients know: RFC 6154 2.)
    pub(crate) fn may_have_special_uses(&self, folder: &Folder) -> bool {
        folder.at.kind == FolderKind::Own && !folder.is_top() && !self.is_outbox(folder)
    }

    /// What the account's folders are used for, as LIST shows it.
    pub(crate) fn special_uses(&self) -> Result<Uses> {
        let uses = self.namespace.special_uses(self.special_use_rules());
        uses.map_err(|e| self.io_refusal("special uses", &e, "Cannot read the special uses."))
    }

    /// Refuses if uses cannot be set for a folder that is about to be made.
    pub(crate) fn require_special_uses(&self, folder: &Folder) -> Result<()> {
        if !self.may_have_special_uses(folder) {
            return not_possible().refuse();
        }
        let checked = self.namespace.check_special_uses(&folder.at.sub);
        checked.map_err(|refused| self.special_use_refusal(folder, refused))
    }

    /// Sets what a folder is used for. Other folders for which one of these uses was set lose it.
    pub(crate) fn set_special_uses(&self, folder: &Folder, uses: SpecialUses) -> Result<()> {
        if !self.may_have_special_uses(folder) {
            return not_possible().refuse();
        }
        let set = self.namespace.set_special_uses(&self.store, &folder.at.sub, uses);
        set.map_err(|refused| self.special_use_refusal(folder, refused))
    }

    fn special_use_refusal(&self, folder: &Folder, refused: SetRefused) -> Error {
        match refused {
            SetRefused::TooMany => {
                Outcome::no("Too many special uses.").with_code(Code::Limit).into()
            }
            SetRefused::Name => not_possible().into(),
            SetRefused::Failed(e) => self.folder_error(folder, e, CANNOT),
        }
    }
}
