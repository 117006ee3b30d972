//! From a folder's name to its directory and to the user's rights, for all three namespaces
//! (STORAGE 4.3, 5, 6).
//!
//! No name can lead out of its Maildir: levels hold no `/` and are never empty, so `..` is no name.
//! Symbolic links are followed only where the administrator or the owner has made them, as a folder
//! (`.Link`) or as an old-style shared folder.

use super::account::AccountOptions;
use super::acl::{Acl, ChangeRefused, User};
use super::acl_files::{self, AclFiles};
use super::acl_inherited::{Gathering, Inherited};
use super::acl_known::KnownLists;
use super::folder_names;
use super::host::Host;
use super::shared_index::{self, IndexName, SharedIndex};
use super::shared_link::{self, SharedLinks};
use super::subscriptions::Subscriptions;
use super::{Dir, Entered, Error, Store, lock::Lock};
use crate::sys::fs;
use crate::types::{FolderName, Rights, Space};
use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

/// Which namespace a folder is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FolderKind {
    /// The account's own Maildir.
    Own,
    /// Another account's, by the shared index.
    Index,
    /// Shared by file permissions; its messages are links.
    Link,
}

/// Where a folder is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Resolved {
    /// The folder that is scanned.
    pub(crate) dir: Dir,
    /// The folder to which APPEND and COPY deliver: another one for [`FolderKind::Link`].
    pub(crate) delivery: Dir,
    /// The Maildir that it is in, for quota, access control and trash.
    pub(crate) root: PathBuf,
    /// The folder's name in `root`, empty for an INBOX.
    pub(crate) sub: Vec<u8>,
    /// The namespace.
    pub(crate) kind: FolderKind,
    /// The owner's identifier, `user=joe`.
    pub(crate) owner: Vec<u8>,
    /// Whether SELECT is read-only whatever the rights say.
    pub(crate) read_only: bool,
}

/// There is no such folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoSuchFolder;

/// What a session needs to look up names.
#[derive(Debug)]
pub(crate) struct Namespace {
    root: PathBuf,
    host: Host,
    fsync: bool,
    user: User,
    /// `disableshared`: no lists, no index (STORAGE 5.7).
    no_lists: bool,
    index: SharedIndex,
    global: PathBuf,
    /// The rights by the last list: nearly all folders have the same one.
    last: RefCell<LastRights>,
    inherited: Inherited,
}

/// The user's rights by a list with this content, in a folder of this owner.
#[derive(Debug, Default)]
struct LastRights {
    text: Vec<u8>,
    owner: Vec<u8>,
    rights: Option<Rights>,
}

/// The most bytes of a list that is remembered.
const MAX_REMEMBERED: usize = 4096;

/// The settings behind a [`Namespace`].
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The account's Maildir, `.` in a session.
    pub(crate) root: PathBuf,
    /// The host in file names.
    pub(crate) host: Host,
    /// `IMAP_FSYNC`.
    pub(crate) fsync: bool,
    /// The login, `AUTHENTICATED`.
    pub(crate) user: Vec<u8>,
    /// `OPTIONS`.
    pub(crate) options: AccountOptions,
    /// `IMAP_SHAREDINDEXFILE`.
    pub(crate) index_file: Option<Vec<u8>>,
    /// `IMAP_SHAREDMUNGENAMES`.
    pub(crate) munge: bool,
    /// `IMAP_INDEX`: whether it is written down what lists say.
    pub(crate) index: bool,
}

impl Namespace {
    /// The names as this account sees them.
    pub(crate) fn new(settings: Settings) -> Namespace {
        let no_lists = settings.options.flag("disableshared");
        let group = settings.options.value("sharedgroup").unwrap_or_default();
        let file = settings.index_file.as_deref().filter(|_| !no_lists);
        Namespace {
            index: SharedIndex::new(file, group, settings.munge, &settings.root),
            user: User::new(&settings.user, settings.options.groups()),
            root: settings.root,
            host: settings.host,
            fsync: settings.fsync,
            no_lists,
            global: PathBuf::from(shared_link::GLOBAL),
            last: RefCell::default(),
            inherited: Inherited::new(settings.index),
        }
    }

    /// The account's Maildir.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The index of shared folders.
    pub(crate) fn index(&self) -> &SharedIndex {
        &self.index
    }

    /// The old-style shared folders.
    pub(crate) fn links(&self) -> SharedLinks<'_> {
        SharedLinks { root: &self.root, global: &self.global }
    }

    /// The account's subscriptions, without the old-style shared folders.
    pub(crate) fn subscriptions(&self) -> Subscriptions<'_> {
        Subscriptions { root: &self.root, host: &self.host, sync: self.fsync }
    }

    /// How control files are written: the host in names of temporary files, and whether they are
    /// synced.
    pub(super) fn writing(&self) -> (&Host, bool) {
        (&self.host, self.fsync)
    }

    /// The access control lists of a Maildir: of `root()`, or of [`Resolved::root`].
    pub(crate) fn lists<'a>(&'a self, root: &'a Path) -> AclFiles<'a> {
        AclFiles { root, host: &self.host, sync: self.fsync }
    }

    /// Lists that folders inherit are saved together, as long as what this gives lives: for a
    /// command that looks at many of them.
    pub(crate) fn gather_inherited(&self) -> Option<Gathering<'_>> {
        Gathering::begin(&self.inherited, self.writing())
    }

    /// Whether folders have access control lists.
    pub(super) fn has_lists(&self) -> bool {
        !self.no_lists
    }

    fn own(&self, sub: &[u8]) -> Resolved {
        let dir = Dir::at(folder_names::directory(&self.root, sub));
        Resolved {
            delivery: dir.clone(),
            dir,
            root: self.root.clone(),
            sub: sub.to_vec(),
            kind: FolderKind::Own,
            owner: self.user.identifier().to_vec(),
            read_only: false,
        }
    }

    fn shared(account: shared_index::IndexFolder) -> Resolved {
        let dir = Dir::at(folder_names::directory(&account.root, &account.sub));
        Resolved {
            delivery: dir.clone(),
            dir,
            root: account.root,
            sub: account.sub,
            kind: FolderKind::Index,
            owner: account.owner,
            read_only: false,
        }
    }

    /// Where a folder is or would be, for CREATE and RENAME. `None` for names that cannot be
    /// folders: levels of the index, accounts that are not in it, old-style shared folders.
    pub(crate) fn location(&self, name: &FolderName) -> Option<Resolved> {
        match name.space() {
            Space::Inbox => Some(self.own(b"")),
            Space::Own(sub) => Some(self.own(sub)),
            Space::Index(path) => match self.index.find(path)? {
                IndexName::Folder(account) => Some(Namespace::shared(account)),
                IndexName::Level => None,
            },
            Space::Link(_) => None,
        }
    }

    /// Where a folder is. An old-style shared folder gets subscribed, as Courier does it when the
    /// folder is first used (STORAGE 6.2).
    pub(crate) fn resolve(&self, name: &FolderName) -> Result<Resolved, NoSuchFolder> {
        self.resolve_and_enter(name).map(|(at, _)| at)
    }

    /// The same with the folder, entered, where that is how it was found to be there.
    pub(crate) fn resolve_and_enter(
        &self,
        name: &FolderName,
    ) -> Result<(Resolved, Option<Entered>), NoSuchFolder> {
        if !matches!(name.space(), Space::Link(_)) {
            let at = self.location(name).ok_or(NoSuchFolder)?;
            let entered = at.dir.enter_if_there().ok_or(NoSuchFolder)?;
            return Ok((at, entered.ok()));
        }
        self.resolve_link(name).map(|at| (at, None))
    }

    fn resolve_link(&self, name: &FolderName) -> Result<Resolved, NoSuchFolder> {
        let Space::Link(path) = name.space() else { return Err(NoSuchFolder) };
        let link = self
            .links()
            .find(path)
            .filter(shared_link::LinkedFolder::is_there)
            .ok_or(NoSuchFolder)?;
        if let Err(e) = self.links().subscribe(path) {
            log::error!("{}: {}", fs::shown(&link.dir), fs::error_text(&e));
            return Err(NoSuchFolder);
        }
        Ok(Resolved {
            delivery: Dir::at(link.dir.join("shared")),
            read_only: link.is_read_only(),
            dir: Dir::of_links(link.dir),
            root: self.root.clone(),
            sub: Vec::new(),
            kind: FolderKind::Link,
            owner: b"anonymous".to_vec(),
        })
    }

    /// Whether [`Namespace::resolve`] would subscribe to this folder.
    pub(crate) fn opening_subscribes(&self, name: &FolderName) -> bool {
        matches!(name.space(), Space::Link(path) if !self.links().is_subscribed(path))
    }

    /// Whether a name is a level of the shared index, above the accounts.
    pub(crate) fn is_level(&self, name: &FolderName) -> bool {
        matches!(name.space(), Space::Index(path)
            if self.index.find(path) == Some(IndexName::Level))
    }

    /// The list and the owner of a folder; `None` if the name stands for nothing.
    fn list_of(&self, name: &FolderName) -> io::Result<Option<(Acl, Vec<u8>)>> {
        if self.is_level(name) {
            return Ok(Some((Acl::of_level(), Vec::new())));
        }
        let Some(at) = self.location(name) else { return Ok(None) };
        Ok(Some((self.lists(&at.root).load(&at.sub)?, at.owner)))
    }

    /// What the user may do in a folder. If the folder does not exist, it inherits its parent's
    /// list, which is saved (STORAGE 5.3). A name that stands for nothing gives no rights. An error
    /// if a list cannot be read.
    pub(crate) fn rights(&self, name: &FolderName) -> io::Result<Rights> {
        match name.space() {
            Space::Inbox | Space::Own(_) if self.no_lists => {
                Ok(Rights::ALL.without(Rights::of(b"a")))
            }
            Space::Link(path) => Ok(self.link_rights(path)),
            Space::Inbox => self.own_rights(b""),
            Space::Own(sub) => self.own_rights(sub),
            Space::Index(path) => match self.index.find(path) {
                Some(IndexName::Level) => Ok(Acl::of_level().rights(&self.user, b"")),
                Some(IndexName::Folder(account)) => {
                    self.rights_by_list(&account.root, &account.sub, &account.owner)
                }
                None => Ok(Rights::NONE),
            },
        }
    }

    /// As [`Namespace::rights`], of a folder that is entered.
    pub(crate) fn rights_in(
        &self,
        name: &FolderName,
        at: &Resolved,
        folder: &Entered,
    ) -> io::Result<Rights> {
        if at.kind == FolderKind::Link || self.no_lists {
            return self.rights(name);
        }
        if at.kind == FolderKind::Own {
            let find = |known: &mut KnownLists| {
                let text = known.text(&folder.folder().stat(acl_files::FILE).ok()?)?;
                Some(self.rights_by_content(text, &at.owner))
            };
            if let Some(rights) = self.inherited.known.find(&self.root, false, find) {
                return Ok(rights);
            }
        }
        let lists = self.lists(&at.root);
        let text = acl_files::text_in(folder).or_else(|| lists.text_at_once(&at.sub));
        self.rights_by_text(text, (&at.root, &at.sub), &at.owner)
    }

    /// The rights in one of the account's own folders.
    fn own_rights(&self, sub: &[u8]) -> io::Result<Rights> {
        let (lists, owner) = (self.lists(&self.root), self.user.identifier());
        if !self.inherited.is_on() {
            return self.rights_by_list(&self.root, sub, owner);
        }
        let known = self.inherited.known.find(&self.root, true, |known| {
            let Some(stat) = known.stat(sub) else { return Some(None) };
            if let Some(text) = known.text(&stat) {
                return Some(Some(self.rights_by_content(text, owner)));
            }
            let text = known.read_list(&lists, sub)?;
            Some(Some(self.rights_by_content(&text, owner)))
        });
        match known {
            Some(Some(rights)) => Ok(rights),
            // It has no list of its own.
            Some(None) => self.rights_by_text(None, (&self.root, sub), owner),
            None => self.rights_by_list(&self.root, sub, owner),
        }
    }

    fn rights_by_list(&self, root: &Path, sub: &[u8], owner: &[u8]) -> io::Result<Rights> {
        self.rights_by_text(self.lists(root).text_at_once(sub), (root, sub), owner)
    }

    /// `text`: the folder's own list, if it was found at once.
    fn rights_by_text(
        &self,
        text: Option<Vec<u8>>,
        (root, sub): (&Path, &[u8]),
        owner: &[u8],
    ) -> io::Result<Rights> {
        let Some(text) = text else {
            let lists = self.lists(root);
            let gathers = self.inherited.is_on();
            let acl = if gathers { self.inherited.load(&lists, sub)? } else { lists.load(sub)? };
            return Ok(acl.rights(&self.user, owner));
        };
        Ok(self.rights_by_content(&text, owner))
    }

    /// The rights by a list with this content.
    fn rights_by_content(&self, text: &[u8], owner: &[u8]) -> Rights {
        let mut last = self.last.borrow_mut();
        if let Some(rights) = last.rights.filter(|_| last.text == text && last.owner == owner) {
            return rights;
        }
        let rights = Acl::parse_complete(text).rights(&self.user, owner);
        if text.len() <= MAX_REMEMBERED {
            *last = LastRights { text: text.to_vec(), owner: owner.to_vec(), rights: Some(rights) };
        }
        rights
    }

    /// As [`Namespace::rights`]. A list that cannot be read is logged and gives no rights.
    pub(crate) fn rights_or_none(&self, name: &FolderName) -> Rights {
        self.rights(name).unwrap_or_else(|e| {
            log::error!(
                "Error reading ACLs for {}: {}",
                crate::sys::log::value(name.as_bytes()),
                fs::error_text(&e)
            );
            Rights::NONE
        })
    }

    /// The fixed rights of old-style shared folders (STORAGE 5.5).
    fn link_rights(&self, path: &[u8]) -> Rights {
        if !path.contains(&b'.') {
            return Rights::of(b"l");
        }
        let writable = self.links().find(path).is_some_and(|link| link.is_writable());
        Rights::of(if writable { b"lrswixte" } else { b"lrsw" })
    }

    /// A folder's list, for GETACL and the like.
    pub(crate) fn load(&self, name: &FolderName) -> Result<Acl, ChangeRefused> {
        if let Space::Link(path) = name.space() {
            let mut acl = Acl::new();
            acl.set(b"anyone", self.link_rights(path))?;
            return Ok(acl);
        }
        if self.no_lists {
            return Err(ChangeRefused::Special);
        }
        self.list_of(name)
            .map_err(ChangeRefused::Failed)?
            .map(|(acl, _)| acl)
            .ok_or(ChangeRefused::Special)
    }

    /// Adds a name to the subscriptions, or takes it out. The Maildir is locked from the reading to
    /// the writing, so that of two simultaneous changes none is lost.
    pub(crate) fn change_subscriptions(
        &self,
        store: &Store,
        name: &FolderName,
        add: bool,
    ) -> Result<(), Error> {
        let _lock = lock(store, &self.root)?;
        let file = self.subscriptions();
        let changed = if add { file.add(name.as_bytes()) } else { file.remove(name.as_bytes()) };
        changed.map_err(|e| Error::failed("subscriptions", e))
    }

    /// Changes a folder's list, if the rules allow the result (STORAGE 5.6). The new list. The
    /// Maildir is locked from the reading to the writing, so that of two simultaneous changes none
    /// is lost. The caller has checked the right `a`.
    pub(crate) fn change(
        &self,
        store: &Store,
        name: &FolderName,
        edit: impl FnOnce(&mut Acl) -> Result<(), ChangeRefused>,
    ) -> Result<Acl, ChangeRefused> {
        let at = self.location(name).filter(|_| self.has_lists()).ok_or(ChangeRefused::Special)?;
        let _lock = lock(store, &at.root).map_err(ChangeRefused::Locked)?;
        let acl = self.edited(&at, edit)?;
        self.lists(&at.root).save(&at.sub, &acl).map_err(ChangeRefused::Failed)?;
        Ok(acl)
    }

    /// The list of a folder after a change, if the rules allow the result (STORAGE 5.6). It is not
    /// saved.
    pub(super) fn edited(
        &self,
        at: &Resolved,
        edit: impl FnOnce(&mut Acl) -> Result<(), ChangeRefused>,
    ) -> Result<Acl, ChangeRefused> {
        let mut acl = self.lists(&at.root).load(&at.sub).map_err(ChangeRefused::Failed)?;
        edit(&mut acl)?;
        acl.check(&at.owner)?;
        Ok(acl)
    }
}

/// Takes the lock of a Maildir.
pub(super) fn lock(store: &Store, root: &Path) -> Result<Lock, Error> {
    let maildir = Dir::at(root).enter().map_err(Error::about("locking", root))?;
    Lock::acquire(store, &maildir)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
pub(super) mod tests;
