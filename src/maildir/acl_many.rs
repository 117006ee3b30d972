//! Changing the access control lists of many folders, as Courier's ACL command does. Nearly all of
//! the time is the wait for the disk. So a batch of lists is written, synced together, and only then
//! put in place, under one lock.

use super::acl::{Acl, ChangeRefused};
use super::acl_files::{self, WrittenList};
use super::resolve::{self, Namespace};
use super::{Error, Store};
use crate::sys::directory::Directory;
use crate::types::FolderName;
use std::io;
use std::path::Path;
use std::rc::Rc;

/// Changes a list.
pub(crate) type Edit<'a> = dyn Fn(&mut Acl) -> Result<(), ChangeRefused> + 'a;

impl Namespace {
    /// As [`Namespace::change`], for up to [`acl_files::MAX_LISTS`] folders; what became of each. A
    /// list that stays the same is not written. An error if a Maildir could not be locked.
    pub(crate) fn change_many(
        &self,
        store: &Store,
        names: &[FolderName],
        edit: &Edit<'_>,
    ) -> Result<Vec<Result<(), ChangeRefused>>, Error> {
        let root_of = |name: &FolderName| self.location(name).map(|at| at.root);
        let mut results = Vec::new();
        let mut rest = names;
        while let Some(first) = rest.first() {
            let root = root_of(first);
            let end = rest.iter().position(|name| root_of(name) != root).unwrap_or(rest.len());
            let (batch, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            match root.filter(|_| self.has_lists()) {
                Some(root) => results.extend(self.change_batch(store, &root, batch, edit)?),
                None => results.extend(batch.iter().map(|_| Err(ChangeRefused::Special))),
            }
            rest = after;
        }
        Ok(results)
    }

    fn change_batch(
        &self,
        store: &Store,
        root: &Path,
        names: &[FolderName],
        edit: &Edit<'_>,
    ) -> Result<Vec<Result<(), ChangeRefused>>, Error> {
        let maildir =
            Directory::enter(root).map(Rc::new).map_err(Error::about("entering", root))?;
        let _lock = resolve::lock(store, root)?;
        let mut written: Vec<_> =
            names.iter().map(|name| self.write(&maildir, name, edit)).collect();
        let files = written.iter_mut().filter_map(|written| written.as_mut().ok()?.as_mut());
        let synced = acl_files::sync(files.collect(), self.writing().1);
        let put = |list: WrittenList| match &synced {
            Ok(()) => list.put(),
            Err(e) => {
                Err(e.raw_os_error().map_or_else(|| e.kind().into(), io::Error::from_raw_os_error))
            }
        };
        let done = written.into_iter().map(|written| match written? {
            Some(list) => put(list).map_err(ChangeRefused::Failed),
            None => Ok(()),
        });
        Ok(done.collect())
    }

    /// Writes the new list of one folder; `None` if it is the old one.
    fn write(
        &self,
        maildir: &Rc<Directory>,
        name: &FolderName,
        edit: &Edit<'_>,
    ) -> Result<Option<WrittenList>, ChangeRefused> {
        let at = self.location(name).ok_or(ChangeRefused::Special)?;
        let acl = self.edited(&at, edit)?;
        let lists = self.lists(&at.root);
        if lists.text(&at.sub).map_err(ChangeRefused::Failed)? == Some(acl.to_bytes()) {
            return Ok(None);
        }
        lists.write_new(maildir, &at.sub, &acl).map(Some).map_err(ChangeRefused::Failed)
    }
}
