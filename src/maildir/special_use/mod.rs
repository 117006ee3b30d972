//! What the account's own folders are used for (STORAGE 4.4): by what was set, else by their names.
//!
//! What was set is in a file of the folder, so that it goes wherever the folder goes, whoever
//! renames or removes it. To look for that file in each of thousands of folders would cost LIST a
//! system call each. So the Maildir has a register of the folders that may have one, by inode and by
//! name: the inode stays when Courier renames the folder, the name when a backup is put back.

mod names;

use super::error::is_missing;
use super::resolve::{self, Namespace};
use super::{Error, Store, folder_names, temporary};
use crate::sys::breath::{self, Interrupted};
use crate::sys::directory::Directory;
use crate::sys::fs;
use crate::types::limits::MAX_SPECIAL_USE_FOLDERS;
use crate::types::number::digits;
use crate::types::special_use::SpecialUses;
use std::collections::{HashMap, HashSet};
use std::io;
use std::rc::Rc;

/// The file of a folder: one line, the words of RFC 6154 with blanks between them.
pub(super) const FILE: &[u8] = b"postrider-specialuse";
/// The most bytes of it.
const MAX_FILE: u64 = 1024;
/// The register of the Maildir: a line `<inode> <folder>` for each folder that may have a file.
const REGISTER: &[u8] = b"postrider-specialuses";
/// The most bytes of it.
const MAX_REGISTER: u64 = 1024 * 1024;

/// The folders with a use, by their names on disk, without the dot in front.
pub(crate) type Uses = HashMap<Vec<u8>, SpecialUses>;

/// What the settings say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    /// The trash folder.
    pub(crate) trash: &'a [u8],
    /// The outbox, which is nothing else: what a client puts into it is mailed.
    pub(crate) outbox: Option<&'a [u8]>,
}

/// Entries of a Maildir: the name of the folder, and the inode.
pub(super) type Entries = [(Vec<u8>, u64)];

/// Why the uses of a folder are not set.
#[derive(Debug)]
pub(crate) enum SetRefused {
    /// Too many folders have a value.
    TooMany,
    /// The register cannot hold the folder's name.
    Name,
    /// [`Error::Gone`] if there is no such folder.
    Failed(Error),
}

impl From<Error> for SetRefused {
    fn from(error: Error) -> SetRefused {
        SetRefused::Failed(error)
    }
}

impl From<io::Error> for SetRefused {
    fn from(error: io::Error) -> SetRefused {
        SetRefused::Failed(Error::failed("special uses", error))
    }
}

/// The folders that may have a file.
#[derive(Default)]
struct Register {
    inodes: HashSet<u64>,
    names: HashSet<Vec<u8>>,
}

impl Register {
    fn read(maildir: &Directory) -> io::Result<Register> {
        let text = match maildir.read_control(REGISTER, MAX_REGISTER) {
            Err(e) if is_missing(&e) => return Ok(Register::default()),
            text => text?,
        };
        let mut register = Register::default();
        for line in text.split(|b| *b == b'\n') {
            let Some((inode, name)) = memchr::memchr(b' ', line).map(|at| line.split_at(at)) else {
                continue;
            };
            register.inodes.extend(digits(inode));
            register.names.extend(name.get(1..).map(<[u8]>::to_vec));
        }
        Ok(register)
    }

    fn has(&self, (name, inode): &(Vec<u8>, u64)) -> bool {
        self.inodes.contains(inode) || self.names.contains(name)
    }
}

/// What was set for a folder. `None` if nothing was; an empty set is something.
fn stored(maildir: &Rc<Directory>, sub: &[u8]) -> io::Result<Option<SpecialUses>> {
    let text = folder_names::enter(maildir, sub).and_then(|dir| dir.read_control(FILE, MAX_FILE));
    match text {
        Err(e) if is_missing(&e) => Ok(None),
        text => Ok(Some(SpecialUses::known(&text?))),
    }
}

fn logged(maildir: &Directory, name: &[u8], e: &io::Error) {
    log::error!("{}: {}", fs::shown(&maildir.path_of(name)), fs::error_text(e));
}

/// What was set for a folder. A file that cannot be read counts as one without any use.
fn stored_or_logged(maildir: &Rc<Directory>, sub: &[u8]) -> Option<SpecialUses> {
    stored(maildir, sub).unwrap_or_else(|e| {
        logged(maildir, &[b".", sub].concat(), &e);
        Some(SpecialUses::empty())
    })
}

/// The uses of a Maildir's folders, as far as the user may see these.
pub(super) fn find(
    maildir: &Rc<Directory>,
    folders: &Entries,
    rules: Rules<'_>,
    may_see: &dyn Fn(&[u8]) -> bool,
) -> Result<Uses, Interrupted> {
    let register = Register::read(maildir).unwrap_or_else(|e| {
        logged(maildir, REGISTER, &e);
        Register::default()
    });
    let mut set: HashMap<&[u8], SpecialUses> = HashMap::new();
    let mut named = Vec::new();
    for folder in folders {
        breath::breathe()?;
        let name = &*folder.0;
        if rules.outbox == Some(name) {
            continue;
        }
        if register.has(folder)
            && let Some(uses) = stored_or_logged(maildir, name)
        {
            set.insert(name, uses);
            continue;
        }
        if name == rules.trash {
            named.push((0, name, SpecialUses::TRASH));
        } else if let Some((uses, place)) = names::find(name) {
            named.push((place, name, uses));
        }
    }
    named.retain(|(_, name, _)| !name.contains(&b'.'));
    named.sort_unstable_by_key(|(place, name, _)| (*place, *name));
    let mut taken: SpecialUses = set.values().copied().collect();
    for (_, name, uses) in named {
        if !taken.intersects(uses) && is_folder(maildir, name) && may_see(name) {
            taken |= uses;
            set.insert(name, uses);
        }
    }
    let shown = set.into_iter().filter(|(name, uses)| !uses.is_empty() && may_see(name));
    Ok(shown.map(|(name, uses)| (name.to_vec(), uses)).collect())
}

/// The folders of the register with `sub` among them, without those that are gone.
fn registered<'a>(
    maildir: &Directory,
    folders: &'a Entries,
    sub: &[u8],
) -> Result<Vec<&'a (Vec<u8>, u64)>, SetRefused> {
    if sub.contains(&b'\n') {
        return Err(SetRefused::Name);
    }
    let register = Register::read(maildir)?;
    let kept: Vec<_> = folders
        .iter()
        .filter(|folder| !folder.0.contains(&b'\n'))
        .filter(|folder| folder.0 == sub || register.has(folder))
        .collect();
    if kept.len() > MAX_SPECIAL_USE_FOLDERS {
        return Err(SetRefused::TooMany);
    }
    Ok(kept)
}

fn is_folder(maildir: &Rc<Directory>, sub: &[u8]) -> bool {
    folder_names::enter(maildir, sub).is_ok_and(|folder| folder.has_directory(b"cur"))
}

impl Namespace {
    /// What the account's own folders are used for.
    pub(crate) fn special_uses(&self, rules: Rules<'_>) -> io::Result<Uses> {
        let maildir = Rc::new(Directory::enter(self.root())?);
        let folders = folder_names::list_with_inodes(&maildir)?;
        let may_see = |sub: &[u8]| self.may_see(&[b"INBOX.", sub].concat());
        Ok(find(&maildir, &folders, rules, &may_see)?)
    }

    /// Whether uses can be set for a folder `.<sub>` that is about to be made.
    pub(crate) fn check_special_uses(&self, sub: &[u8]) -> Result<(), SetRefused> {
        let maildir = Directory::enter(self.root())?;
        let mut folders = folder_names::list_with_inodes(&maildir)?;
        folders.push((sub.to_vec(), 0));
        registered(&maildir, &folders, sub).map(drop)
    }

    /// Sets what the account's folder `.<sub>` is used for, and takes these uses from all other
    /// folders for which they were set. The Maildir is locked meanwhile. If it fails, all is as it
    /// was.
    pub(crate) fn set_special_uses(
        &self,
        store: &Store,
        sub: &[u8],
        uses: SpecialUses,
    ) -> Result<(), SetRefused> {
        let _lock = resolve::lock(store, self.root())?;
        let maildir = Rc::new(Directory::enter(self.root())?);
        let folders = folder_names::list_with_inodes(&maildir)?;
        if !folders.iter().any(|(name, _)| name == sub) {
            return Err(SetRefused::Failed(Error::Gone));
        }
        let kept = registered(&maildir, &folders, sub)?;
        let mut changes = vec![(sub, stored_or_logged(&maildir, sub), uses)];
        for other in kept.iter().map(|(name, _)| &**name).filter(|name| *name != sub) {
            breath::breathe().map_err(Error::from)?;
            let had = stored_or_logged(&maildir, other).unwrap_or_default();
            if had.intersects(uses) {
                changes.push((other, Some(had), had - uses));
            }
        }
        self.write_register(&maildir, &kept)?;
        for (at, (name, _, uses)) in changes.iter().enumerate() {
            if let Err(e) = self.write_uses(&maildir, name, *uses) {
                for (name, had, _) in changes.iter().take(at) {
                    self.put_back_uses(&maildir, name, *had);
                }
                let path = fs::shown(&maildir.path_of(&[b".", *name].concat()));
                return Err(Error::failed(format!("special uses in {path}"), e).into());
            }
        }
        Ok(())
    }

    fn put_back_uses(&self, maildir: &Rc<Directory>, sub: &[u8], had: Option<SpecialUses>) {
        let done = match had {
            Some(uses) => self.write_uses(maildir, sub, uses),
            None => folder_names::enter(maildir, sub).and_then(|folder| folder.unlink(FILE)),
        };
        if let Err(e) = done {
            logged(maildir, &[b".", sub].concat(), &e);
        }
    }

    fn write_register(&self, maildir: &Rc<Directory>, kept: &[&(Vec<u8>, u64)]) -> io::Result<()> {
        let mut data = Vec::new();
        for (name, inode) in kept {
            data.extend_from_slice(inode.to_string().as_bytes());
            data.push(b' ');
            data.extend_from_slice(name);
            data.push(b'\n');
        }
        let tmp = Rc::new(maildir.open_directory(b"tmp")?);
        temporary::replace(self.writing(), (&tmp, b"_specialuse"), (maildir, REGISTER), &data)
    }

    fn write_uses(&self, maildir: &Rc<Directory>, sub: &[u8], uses: SpecialUses) -> io::Result<()> {
        let folder = folder_names::enter(maildir, sub)?;
        let tmp = Rc::new(folder.open_directory(b"tmp").map_err(|e| match is_missing(&e) {
            // It is not the folder that is missing.
            true => fs::error(io::ErrorKind::NotADirectory),
            false => e,
        })?);
        let text = uses.shown() + "\n";
        temporary::replace(self.writing(), (&tmp, b"_specialuse"), (&folder, FILE), text.as_bytes())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
