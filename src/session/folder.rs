//! A folder: its name, and where it is. It is entered once for a command, and left at its end.

use crate::maildir::quota::Quota;
use crate::maildir::resolve::{FolderKind, Resolved};
use crate::maildir::{Config, Dir, Entered, Error};
use crate::sys::directory::Directory;
use crate::types::FolderName;
use std::cell::RefCell;
use std::rc::Rc;

/// A folder that is there, or would be there.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    /// Its name.
    pub(crate) name: FolderName,
    /// The directory that is scanned.
    pub(crate) dir: Dir,
    /// Whose it is, and where new mail goes.
    pub(crate) at: Resolved,
    open: RefCell<Open>,
}

/// What the present command has entered.
#[derive(Clone, Debug, Default)]
struct Open {
    folder: Option<Rc<Entered>>,
    delivery: Option<Rc<Entered>>,
    maildir: Option<Rc<Directory>>,
}

fn enter(dir: &Dir) -> Result<Rc<Entered>, Error> {
    dir.enter().map(Rc::new).map_err(Error::about("opening", dir.path()))
}

impl Folder {
    pub(super) fn new(name: FolderName, at: Resolved) -> Folder {
        Folder { name, dir: at.dir.clone(), at, open: RefCell::default() }
    }

    /// The same, entered already.
    pub(super) fn entered(name: FolderName, at: Resolved, folder: Option<Entered>) -> Folder {
        let open = Open { folder: folder.map(Rc::new), ..Open::default() };
        Folder { open: RefCell::new(open), ..Folder::new(name, at) }
    }

    /// The folder, if it is entered.
    pub(super) fn if_entered(&self) -> Option<Rc<Entered>> {
        self.open.borrow().folder.clone()
    }

    /// The folder, entered once for a command.
    pub(crate) fn enter(&self) -> Result<Rc<Entered>, Error> {
        let open = self.open.borrow().folder.clone();
        open.map_or_else(|| self.enter_afresh(), Ok)
    }

    /// The folder, entered anew: for a scan, and for the proof that nothing has changed.
    pub(crate) fn enter_afresh(&self) -> Result<Rc<Entered>, Error> {
        let entered = enter(&self.dir)?;
        self.open.borrow_mut().folder = Some(Rc::clone(&entered));
        Ok(entered)
    }

    /// Where new messages go: for an old-style shared folder the provider's side (STORAGE 6.2).
    pub(crate) fn enter_delivery(&self) -> Result<Rc<Entered>, Error> {
        if !self.is_link() {
            return self.enter();
        }
        let open = self.open.borrow().delivery.clone();
        if let Some(open) = open {
            return Ok(open);
        }
        let entered = enter(&self.at.delivery)?;
        self.open.borrow_mut().delivery = Some(Rc::clone(&entered));
        Ok(entered)
    }

    /// Whether there still is a directory where new messages go.
    pub(crate) fn is_delivery_there(&self) -> bool {
        if self.is_link() { self.at.delivery.is_there() } else { self.dir.is_there() }
    }

    /// The quota of the Maildir that it is in.
    pub(crate) fn quota<'a>(&self, config: &'a Config) -> Quota<'a> {
        let mut open = self.open.borrow_mut();
        if open.maildir.is_none() {
            open.maildir = Directory::enter(&self.at.root).ok().map(Rc::new);
        }
        Quota::of(open.maildir.clone(), config)
    }

    /// Closes what was entered: after a command, anybody may rename or replace the folder.
    pub(crate) fn leave(&self) {
        self.open.take();
    }

    /// Whether it is a Maildir itself, somebody's INBOX.
    pub(crate) fn is_top(&self) -> bool {
        self.at.sub.is_empty()
    }

    /// Whether it is an old-style shared folder.
    pub(crate) fn is_link(&self) -> bool {
        self.at.kind == FolderKind::Link
    }
}
