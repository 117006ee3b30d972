//! Annotations (RFC 5464): where those of a folder are, and what of them the user may see.

use super::folder::Folder;
use super::reply::{Outcome, Result};
use super::{Session, refusal};
use crate::maildir::metadata::{self, Annotations, ChangeRefused, Changes, Contents, File, Place};
use crate::maildir::resolve::FolderKind;
use crate::maildir::{Dir, Entered, Error};
use crate::sys::fs;
use crate::types::{EntryName, FolderName, Rights};
use std::cell::OnceCell;
use std::rc::Rc;

/// Whose annotations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Scope {
    /// One user's.
    Private,
    /// All users'.
    Shared,
}

/// There would be too many annotations, or too much of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooMany;

/// Any one of these beside `l` lets a user see annotations (RFC 5464 3.3).
const SEEING: Rights = Rights::of(b"rswip");

/// The refusal of annotations that cannot be read.
const CANNOT_READ: &str = "Cannot read the annotations.";
/// The refusal of annotations that cannot be written.
const CANNOT_WRITE: &str = "Cannot save the annotations.";
const NO_ROOM: &str = "Cannot save the annotations: out of disk space.";

/// Whether a folder is in another account.
fn is_foreign(folder: &Folder) -> bool {
    folder.at.kind == FolderKind::Index
}

impl Session {
    /// The account's own Maildir.
    fn account(&self) -> Result<Rc<Entered>> {
        let opened = Dir::at(self.namespace.root()).enter().map(Rc::new);
        opened.map_err(|e| self.io_refusal(&fs::shown(self.namespace.root()), &e, CANNOT_READ))
    }

    /// Where annotations of a folder are, or of the server.
    ///
    /// What is private about a folder of somebody else must not be where others read it, and the
    /// session may not be able to write there: it is in the user's own Maildir.
    fn place(&self, folder: Option<&Folder>, scope: Scope) -> Result<Place> {
        let Some(folder) = folder else {
            return Ok(Place { dir: self.account()?, file: File::Account, folder: Vec::new() });
        };
        let failed = |e| self.folder_error(folder, e, CANNOT_READ);
        let at = |dir, file| Place { dir, file, folder: Vec::new() };
        Ok(match scope {
            Scope::Shared => at(folder.enter_delivery().map_err(failed)?, File::Shared),
            Scope::Private if is_foreign(folder) => Place {
                dir: self.account()?,
                file: File::Account,
                folder: folder.name.as_bytes().to_vec(),
            },
            // An old-style shared folder has a directory in the user's own Maildir.
            Scope::Private => at(folder.enter().map_err(failed)?, File::Private),
        })
    }

    /// The annotations of a folder, or the private ones of the server.
    pub(crate) fn annotations(&self, folder: Option<&Folder>, scope: Scope) -> Result<Annotations> {
        if folder.is_none() && scope == Scope::Shared {
            return Ok(self.annotations_of_administrator());
        }
        let place = self.place(folder, scope)?;
        metadata::read(&place)
            .map_err(|e| self.io_refusal(&fs::shown(&place.path()), &e, CANNOT_READ))
    }

    /// As [`Session::annotations`], for a command that asks for those of many folders: the account's
    /// file is read once. If that fails, it is logged once.
    pub(crate) fn annotations_once(
        &self,
        folder: Option<&Folder>,
        scope: Scope,
        account: &OnceCell<Option<Contents>>,
    ) -> Result<Annotations> {
        let foreign = folder.filter(|f| scope == Scope::Private && is_foreign(f));
        let Some(folder) = foreign else { return self.annotations(folder, scope) };
        let read = || {
            let place = Place { dir: self.account()?, file: File::Account, folder: Vec::new() };
            metadata::read_all(&place)
                .map_err(|e| self.io_refusal(&fs::shown(&place.path()), &e, CANNOT_READ))
        };
        match account.get_or_init(|| read().ok()) {
            Some(contents) => Ok(contents.copy(folder.name.as_bytes())),
            None => Outcome::no(CANNOT_READ).refuse(),
        }
    }

    /// What the administrator says to all users (RFC 5464 3.2.1.1).
    fn annotations_of_administrator(&self) -> Annotations {
        let mut annotations = Annotations::default();
        for (name, value) in [
            ("/shared/admin", &self.options.metadata_admin),
            ("/shared/comment", &self.options.metadata_comment),
        ] {
            if let Some(name) = EntryName::parse(name.as_bytes()) {
                annotations.set(&name, value.as_deref());
            }
        }
        annotations
    }

    /// Changes annotations, all or none.
    pub(crate) fn change_annotations(
        &self,
        folder: Option<&Folder>,
        changes: Changes,
    ) -> Result<std::result::Result<(), TooMany>> {
        let (private, shared): (Changes, Changes) =
            changes.into_iter().partition(|(name, _)| name.is_private());
        let mut places = Vec::new();
        for (scope, changes) in [(Scope::Shared, shared), (Scope::Private, private)] {
            if !changes.is_empty() {
                places.push((self.place(folder, scope)?, changes));
            }
        }
        let is_there = |name: &[u8]| {
            FolderName::from_disk(name)
                .is_ok_and(|name| self.location_of(&name).is_some_and(|f| f.dir.is_there()))
        };
        match metadata::change(&self.store, &places, is_there) {
            Ok(()) => Ok(Ok(())),
            Err(ChangeRefused::TooMany) => Ok(Err(TooMany)),
            Err(ChangeRefused::Failed(e)) => {
                let text = if e.io().is_some_and(fs::is_full) { NO_ROOM } else { CANNOT_WRITE };
                Err(match folder {
                    Some(folder) => self.folder_error(folder, e, text),
                    None => self.store_error(e, text),
                })
            }
        }
    }

    /// Whether somebody with these rights may see a folder's annotations.
    pub(crate) fn sees_annotations(rights: Rights) -> bool {
        rights.has(b'l') && rights.intersects(SEEING)
    }

    /// What the user may do in a folder of which he asks for the annotations, or changes them. To
    /// whom it is not shown it is not there.
    pub(crate) fn require_annotations(&mut self, folder: &Folder, command: &str) -> Result<Rights> {
        let rights = self.rights_announced(&folder.name)?;
        if !rights.has(b'l') {
            return refusal::does_not_exist().refuse();
        }
        if !rights.intersects(SEEING) {
            return refusal::denied(command, folder.name.spelled(), b'r').refuse();
        }
        Ok(rights)
    }

    /// After a folder was removed: what the user keeps about it outside of it goes, too.
    pub(super) fn forget_annotations(&self, folder: &Folder) {
        self.follow(folder, |maildir| {
            metadata::forget(&self.store, maildir, folder.name.as_bytes())
        });
    }

    /// After a folder was renamed: what the user keeps about it outside of it follows.
    pub(super) fn rename_annotations(&self, from: &Folder, to: &Folder) {
        self.follow(from, |maildir| {
            metadata::rename(&self.store, maildir, from.name.as_bytes(), to.name.as_bytes())
        });
    }

    /// The folder is changed by now, so a failure is only logged.
    fn follow(
        &self,
        folder: &Folder,
        change: impl FnOnce(Rc<Entered>) -> std::result::Result<(), Error>,
    ) {
        if !is_foreign(folder) {
            return;
        }
        let maildir = Dir::at(self.namespace.root()).enter();
        let done = maildir.map_err(|e| Error::failed("annotations", e)).map(Rc::new);
        if let Err(e) = done.and_then(change) {
            self.log_store_error(&e);
        }
    }
}
