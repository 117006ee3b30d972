//! From a name to a folder that may be used. The store's [`crate::maildir::resolve::Namespace`]
//! knows where folders are and who may do what. Here its answers become Courier's refusals.

use super::folder::Folder;
use super::refusal::{self, CANNOT_DELETE, CANNOT_OPEN, SUBSCRIPTIONS, denied, does_not_exist};
use super::reply::{Code, Outcome, Result};
use super::{Selected, Session};
use crate::maildir::change::Trash;
use crate::maildir::folders::{self, Created, TakenBack};
use crate::maildir::resolve::FolderKind;
use crate::maildir::{self, Dir, Entered, shared_link};
use crate::sys::fs;
use crate::types::folder::{NameError, Space};
use crate::types::{FolderName, Rights, Uid};
use std::io;

/// How a folder that is not there is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Missing {
    /// `NO Mailbox does not exist, or must be subscribed to.`
    Refused,
    /// `NO [TRYCREATE] <text>`
    TryCreate(&'static str),
}

/// The client's own spelling of the folder above.
fn parent_spelled(name: &FolderName) -> &[u8] {
    let spelled = name.spelled();
    memchr::memrchr(b'.', spelled).and_then(|dot| spelled.get(..dot)).unwrap_or(spelled)
}

impl Session {
    /// The folder of an argument's name, which must be there; any fault of the name is answered as
    /// if it were not.
    pub(crate) fn locate(
        &self,
        name: std::result::Result<FolderName, NameError>,
    ) -> Result<Folder> {
        match name {
            Ok(name) => self.locate_name(name, Missing::Refused),
            Err(_) => does_not_exist().refuse(),
        }
    }

    /// As [`Session::locate`]; the folder stays entered, for a command that looks into it at once.
    pub(crate) fn locate_and_enter(
        &self,
        name: std::result::Result<FolderName, NameError>,
    ) -> Result<Folder> {
        let found = name.ok().and_then(|name| {
            let (at, entered) = self.namespace.resolve_and_enter(&name).ok()?;
            Some(Folder::entered(name, at, entered))
        });
        found.map_or_else(|| does_not_exist().refuse(), Ok)
    }

    /// The folder of a name, which must be there.
    pub(crate) fn locate_name(&self, name: FolderName, missing: Missing) -> Result<Folder> {
        match self.namespace.resolve(&name) {
            Ok(at) => Ok(Folder::new(name, at)),
            Err(_) => match missing {
                Missing::Refused => does_not_exist().refuse(),
                Missing::TryCreate(text) => Outcome::no(text).with_code(Code::TryCreate).refuse(),
            },
        }
    }

    /// Where a folder is or would be; `None` for names that cannot be folders with messages of
    /// their own.
    pub(crate) fn location_of(&self, name: &FolderName) -> Option<Folder> {
        self.namespace.location(name).map(|at| Folder::new(name.clone(), at))
    }

    /// Whether a folder has a message without \Seen (PROTOCOL 4.5); `None` if it is none.
    pub(crate) fn is_marked(&self, name: &FolderName) -> Option<bool> {
        let Space::Link(path) = name.space() else {
            return self.location_of(name).map(|folder| folders::is_marked(&folder.dir));
        };
        let link = self.namespace.links().find(path)?;
        let own = Dir::of_links(&link.dir);
        if !own.is_there() {
            // It will be subscribed when it is first opened, and nothing in it is \Seen then.
            return Some(folders::is_filled(&Dir::at(link.target)));
        }
        let synchronised = own
            .enter()
            .and_then(|folder| shared_link::synchronise(&folder, &self.store.config.host));
        if let Err(e) = synchronised {
            log::error!("{}: {}", fs::shown(own.path()), fs::error_text(&e));
        }
        Some(folders::is_marked(&own))
    }

    /// Whether a name has an access control list that may be asked for or changed: a folder, or a
    /// level above folders.
    pub(crate) fn has_list(&self, name: &FolderName) -> bool {
        match self.namespace.location(name) {
            Some(at) => at.dir.is_there() || self.namespace.lists(&at.root).has_children(&at.sub),
            None => self.namespace.is_level(name),
        }
    }

    /// What the user may do in a folder (STORAGE 5.5).
    pub(crate) fn rights(&self, name: &FolderName) -> Result<Rights> {
        self.namespace.rights(name).map_err(|e| self.unreadable_list(name, &e))
    }

    /// As [`Session::rights`]. If it is the open folder and the rights have changed, that is
    /// announced.
    pub(crate) fn rights_announced(&mut self, name: &FolderName) -> Result<Rights> {
        let rights = self.rights(name)?;
        self.with_selected(|s, selected| {
            if let Some(selected) = selected.filter(|f| f.folder.name == *name) {
                selected.note_rights(s, rights);
            }
        });
        Ok(rights)
    }

    /// The rights, if `right` is among them; otherwise the refusal.
    pub(crate) fn require(
        &mut self,
        name: &FolderName,
        right: u8,
        command: &str,
    ) -> Result<Rights> {
        let rights = self.rights_announced(name)?;
        if rights.has(right) { Ok(rights) } else { denied(command, name.spelled(), right).refuse() }
    }

    /// As [`Session::require`], of a folder that is entered: its list is read from there.
    pub(crate) fn require_in(&mut self, folder: &Folder, right: u8, command: &str) -> Result<()> {
        if self.rights_in(folder)?.has(right) {
            return Ok(());
        }
        denied(command, folder.name.spelled(), right).refuse()
    }

    fn rights_in(&mut self, folder: &Folder) -> Result<Rights> {
        match folder.if_entered() {
            Some(entered) if !self.is_open(&folder.name) => {
                let rights = self.namespace.rights_in(&folder.name, &folder.at, &entered);
                rights.map_err(|e| self.unreadable_list(&folder.name, &e))
            }
            _ => self.rights_announced(&folder.name),
        }
    }

    /// Refuses unless the user may make folders below the one above `name`.
    pub(crate) fn require_create(&mut self, name: &FolderName, command: &str) -> Result<()> {
        let denied = || denied(command, parent_spelled(name), b'c');
        let Some(parent) = name.parent() else { return denied().refuse() };
        if self.rights_announced(&parent)?.has(b'c') { Ok(()) } else { denied().refuse() }
    }

    /// Whether this is the open folder.
    pub(crate) fn is_open(&self, name: &FolderName) -> bool {
        self.selected.as_ref().is_some_and(|f| f.folder.name == *name)
    }

    /// Before a scan of an old-style shared folder: its links are brought up to date with the
    /// provider's folder.
    pub(crate) fn synchronise(&self, folder: &Entered) -> Result<()> {
        if !folder.is_of_links() {
            return Ok(());
        }
        shared_link::synchronise(folder, &self.store.config.host)
            .map_err(|e| self.io_refusal(&fs::shown(folder.path()), &e, CANNOT_OPEN))
    }

    /// Whether a folder is the trash of the session's own Maildir.
    pub(crate) fn is_trash(&self, folder: &Folder) -> bool {
        folder.at.kind == FolderKind::Own && !folder.is_top() && folder.at.sub == self.trash
    }

    /// Whether a folder is the outbox.
    pub(crate) fn is_outbox(&self, folder: &Folder) -> bool {
        let own = folder.at.kind == FolderKind::Own;
        self.outbox.as_ref().is_some_and(|outbox| own && outbox.folder == folder.at.sub)
    }

    /// Whether an expunged message is moved to the trash; if not, it is removed (PROTOCOL 6.3).
    pub(crate) fn goes_to_trash(&self, selected: &Selected, uid: Uid) -> bool {
        let folder = &selected.folder;
        self.options.move_to_trash
            && !self.is_trash(folder)
            && !folder.is_link()
            && !selected.copied.contains(&uid)
    }

    /// The folder that expunged messages are moved to.
    pub(crate) fn trash_folder(&self) -> Trash {
        // Courier's log shows it without `./`.
        Trash::at(Dir::at(fs::path(&[b".", &*self.trash].concat())))
    }

    /// Makes a folder with its access control list (STORAGE 1.1, 5.3).
    pub(crate) fn create_folder(&self, folder: &Folder) -> Result<Created> {
        const CANNOT: &str = "Cannot create this folder.";
        let lists = self.namespace.lists(&folder.at.root);
        lists.before_creation(&folder.at.sub);
        let created = folders::create(&self.store, &folder.dir).map_err(|e| match e.io() {
            // It is there; another session may have made it in this moment.
            Some(refused) if refused.kind() == io::ErrorKind::AlreadyExists => {
                Outcome::no(CANNOT).with_code(Code::AlreadyExists).into()
            }
            _ => self.store_error(e, CANNOT),
        })?;
        match lists.load(&folder.at.sub) {
            Err(e) if self.undo_create(folder, &created) != TakenBack::Moved => {
                Err(self.io_refusal(&refusal::list_of(&folder.name), &e, CANNOT))
            }
            _ => Ok(created),
        }
    }

    /// As [`folders::undo_create`], its access control list included.
    pub(crate) fn undo_create(&self, folder: &Folder, created: &Created) -> TakenBack {
        let lists = self.namespace.lists(&folder.at.root);
        folders::undo_create(&self.store, created, &|made| lists.undo_create(&folder.at.sub, made))
    }

    /// Removes a folder. Its access control list stays where there are folders below it (STORAGE 1.1).
    pub(crate) fn delete_folder(&self, folder: &Folder) -> Result<()> {
        let lists = self.namespace.lists(&folder.at.root);
        let kept = lists.load(&folder.at.sub).ok();
        lists.before_deletion(&folder.at.sub, kept.as_ref());
        folders::delete(&self.store, &folder.dir).map_err(|e| match e {
            maildir::Error::Gone => does_not_exist().into(),
            e => self.store_error(e, CANNOT_DELETE),
        })?;
        lists.deleted(&folder.at.sub);
        self.forget_annotations(folder);
        self.quota_of(folder).recalculate();
        Ok(())
    }

    /// Renames a folder and those below it.
    pub(crate) fn rename_folder(&self, from: &Folder, to: &Folder) -> Result<()> {
        folders::rename(&self.store, &from.at.root, &from.at.sub, &to.at.sub).map_err(
            |e| match e.io() {
                Some(io) => {
                    // A name that is taken is the client's affair, all else the administrator's.
                    if !matches!(
                        io.kind(),
                        io::ErrorKind::AlreadyExists | io::ErrorKind::InvalidInput
                    ) {
                        self.log_store_error(&e);
                    }
                    Outcome::no(format!("RENAME failed: {}", fs::error_text(io))).because(io).into()
                }
                None if matches!(e, maildir::Error::Gone) => does_not_exist().into(),
                None => self.store_error(e, "RENAME failed"),
            },
        )?;
        self.rename_annotations(from, to);
        self.quota_of(from).recalculate();
        Ok(())
    }

    /// Adds a name to the subscriptions or takes it out.
    pub(crate) fn change_subscriptions(&self, name: &FolderName, add: bool) -> Result<()> {
        let text = if add {
            "Cannot subscribe to this folder."
        } else {
            "Cannot unsubscribe from this folder."
        };
        let changed = self.namespace.change_subscriptions(&self.store, name, add);
        changed.map_err(|e| match e.io().map(io::Error::kind) {
            Some(io::ErrorKind::FileTooLarge) => {
                Outcome::no("Too many subscriptions.").with_code(Code::Limit).into()
            }
            _ if name.as_bytes().contains(&b'\n') => {
                Outcome::no("Invalid mailbox name.").with_code(Code::Cannot).into()
            }
            _ => match e.io() {
                Some(io) => self.io_refusal(SUBSCRIPTIONS, io, text),
                None => self.store_error(e, text),
            },
        })
    }
}
