//! Folders shared by file permissions, the older kind of sharing (STORAGE 6.2): names that begin
//! with `shared.`. A subscribed folder is a directory in this account's Maildir. It holds a link
//! `shared` to the provider's folder and one symbolic link per message. So the account has its own
//! flags and UIDs for the provider's messages.

use super::error::is_missing;
use super::host::Host;
use super::names::key;
use super::stamp::Stamp;
use super::temporary::TemporaryFile;
use super::{Entered, Error, Store, folder_names, folders, renamed, upkeep};
use crate::sys::directory::Directory;
use crate::sys::stat::Stat;
use crate::sys::{clock, dir, fs};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// The file with the providers of all accounts of the host.
pub(super) const GLOBAL: &str = "/etc/courier/maildirshared";
/// The file with the account's own providers.
const LOCAL: &[u8] = b"shared-maildirs";
/// The directory with the subscribed folders.
const TREE: &[u8] = b"shared-folders";
/// The most bytes of a file with providers.
const MAX_FILE: u64 = 1024 * 1024;

/// The old-style shared folders of one account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedLinks<'a> {
    /// The account's Maildir.
    pub(crate) root: &'a Path,
    /// The host's file of providers: [`GLOBAL`], except in tests.
    pub(crate) global: &'a Path,
}

/// A folder `shared.<name>.<folder>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LinkedFolder {
    /// The account's folder: `shared-folders/<name>/<folder>` in its Maildir.
    pub(crate) dir: PathBuf,
    /// The provider's folder.
    pub(crate) target: PathBuf,
}

/// What SUBSCRIBE or UNSUBSCRIBE did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Subscribed {
    /// Nothing: the folder was subscribed, or not, before.
    Already,
    /// It made or removed the account's folder.
    Done,
}

impl SharedLinks<'_> {
    /// The providers, name and Maildir, the host's first. Skipped are names that cannot be a level,
    /// and Maildirs without an absolute path, to which no link could lead.
    pub(crate) fn providers(&self) -> Vec<(Vec<u8>, PathBuf)> {
        let global = fs::open_through_link(self.global)
            .and_then(|(file, stat)| fs::read_all(&file, stat.len(), MAX_FILE));
        let local = fs::join(self.root, LOCAL);
        let own = Directory::enter(self.root).and_then(|root| root.read_control(LOCAL, MAX_FILE));
        let mut found = Vec::new();
        for (read, path) in [(global, self.global), (own, &local)] {
            let text = match read {
                Ok(text) => text,
                Err(e) if is_missing(&e) => continue,
                Err(e) => {
                    log::error!("{}: {}", fs::shown(path), fs::error_text(&e));
                    continue;
                }
            };
            for line in text.split(|b| *b == b'\n') {
                let line = line.split(|b| *b == b'#').next().unwrap_or_default();
                let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
                let (name, path) = line.split_at_checked(end).unwrap_or_default();
                let path = path.trim_ascii();
                if !name.is_empty()
                    && !name.iter().any(|b| b"./\0".contains(b))
                    && path.starts_with(b"/")
                    && !path.contains(&0)
                {
                    found.push((name.to_vec(), fs::path(path).to_path_buf()));
                }
            }
        }
        found
    }

    /// All folders of the providers, as `<name>.<folder>`.
    pub(crate) fn all(&self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for (name, root) in self.providers() {
            let Ok(maildir) = Directory::enter(&root).map(Rc::new) else { continue };
            for sub in folder_names::list(&maildir).unwrap_or_default() {
                let folder = folder_names::enter(&maildir, &sub);
                if folder.is_ok_and(|folder| folder.has_directory(b"cur")) {
                    found.push([&*name, b".", &sub].concat());
                }
            }
        }
        found
    }

    /// All folders that the account is subscribed to, as `<name>.<folder>`.
    pub(crate) fn subscribed(&self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let Ok(tree) = self.tree() else { return found };
        for name in tree.names().unwrap_or_default() {
            if name.contains(&b'.') {
                continue;
            }
            let folders = tree.enter_child(&name).and_then(|above| above.names());
            for folder in folders.unwrap_or_default() {
                if folder_names::is_valid(&folder) {
                    found.push([&*name, b".", &folder].concat());
                }
            }
        }
        found
    }

    /// The folder `<name>.<folder>`, whether it exists or not; `None` for levels above folders and
    /// for unknown providers.
    pub(crate) fn find(&self, path: &[u8]) -> Option<LinkedFolder> {
        let dir = self.dir(path)?;
        let (name, folder) = halves(path)?;
        let (_, root) = self.providers().into_iter().find(|(n, _)| n == name)?;
        Some(LinkedFolder { dir, target: folder_names::directory(&root, folder) })
    }

    /// The directory with the subscribed folders.
    fn tree(&self) -> io::Result<Directory> {
        Directory::enter(self.root)?.enter_child(TREE)
    }

    /// The account's folder of a name, even if the provider is not known any more.
    fn dir(&self, path: &[u8]) -> Option<PathBuf> {
        let (name, folder) = halves(path)?;
        Some(fs::join(&fs::join(&fs::join(self.root, TREE), name), folder))
    }

    /// Whether the account is subscribed to a folder.
    pub(crate) fn is_subscribed(&self, path: &[u8]) -> bool {
        let folder = self.dir(path).ok_or_else(|| fs::error(io::ErrorKind::NotFound));
        folder.and_then(|dir| Directory::enter(&dir)?.stat(b"shared")).is_ok()
    }

    /// Makes the account's folder, for SUBSCRIBE and for the first SELECT, EXAMINE or STATUS. A
    /// level above folders counts as subscribed. The provider need not have the folder (Courier).
    pub(crate) fn subscribe(&self, path: &[u8]) -> io::Result<Subscribed> {
        if !path.contains(&b'.') {
            return Ok(Subscribed::Already);
        }
        let link = self.find(path).ok_or(io::ErrorKind::NotFound)?;
        if self.is_subscribed(path) {
            return Ok(Subscribed::Already);
        }
        let (name, folder) = halves(path).ok_or(io::ErrorKind::NotFound)?;
        let mut at = Directory::enter(self.root)?;
        for level in [TREE, name, folder] {
            make_if_missing(&at, level)?;
            at = at.enter_child(level)?;
        }
        for part in ["tmp", "cur", "new"] {
            make_if_missing(&at, part.as_bytes())?;
        }
        // Last: if this link exists, everything else does, too.
        at.symlink(&link.target, b"shared")?;
        Ok(Subscribed::Done)
    }

    /// Removes the account's folder and its flags, for UNSUBSCRIBE and DELETE. The provider's
    /// messages stay. As with any folder, its UIDVALIDITY does not come back.
    pub(crate) fn unsubscribe(&self, store: &Store, path: &[u8]) -> Result<Subscribed, Error> {
        let Some((name, folder)) = halves(path) else { return Ok(Subscribed::Already) };
        let open = || -> io::Result<_> {
            let maildir = Directory::enter(self.root)?;
            let tree = maildir.enter_child(TREE)?;
            let above = tree.enter_child(name)?;
            let this = above.stat(folder)?;
            Ok((maildir, tree, above, this))
        };
        let Ok((maildir, tree, above, this)) = open() else { return Ok(Subscribed::Already) };
        let open = above.open_directory(folder).ok().map(|open| Entered::of(Rc::new(open)));
        if let Some(open) = &open {
            folders::outlast(store, open)?;
        }
        // Links are removed, not followed.
        match folders::remove(store, (&above, folder), &this, &maildir) {
            Err(Error::Gone) => return Ok(Subscribed::Already),
            removed => removed?,
        }
        // As long as it is open, no other directory gets its inode.
        drop(open);
        let _ = tree.rmdir(name);
        Ok(Subscribed::Done)
    }
}

/// The two halves of `<name>.<folder>`; `None` for what is not that.
fn halves(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = memchr::memchr(b'.', path)?;
    let (name, rest) = path.split_at_checked(dot)?;
    let folder = rest.strip_prefix(b".")?;
    let is_name = !name.is_empty() && !name.contains(&b'/') && folder_names::is_valid(folder);
    is_name.then_some((name, folder))
}

fn make_if_missing(parent: &Directory, name: &[u8]) -> io::Result<()> {
    match parent.mkdir(name, 0o700) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

impl LinkedFolder {
    fn part(&self, name: &[u8]) -> io::Result<Directory> {
        Directory::enter(&self.target)?.open_directory(name)
    }

    /// Whether the provider has the folder.
    pub(crate) fn is_there(&self) -> bool {
        self.part(b"cur").is_ok()
    }

    /// Whether this account may add messages to the folder (STORAGE 5.5).
    pub(crate) fn is_writable(&self) -> bool {
        self.part(b"new").is_ok_and(|new| new.is_writable())
    }

    /// Whether SELECT is read-only.
    pub(crate) fn is_read_only(&self) -> bool {
        !self.part(b"cur").is_ok_and(|cur| cur.is_writable())
    }
}

fn mtime(directory: &Directory) -> io::Result<i128> {
    Ok(directory.own_stat()?.mtime_nanos())
}

/// Brings the account's folder `dir` up to date with the provider's, before every scan of it
/// (STORAGE 6.2, "Synchronisation"). If nothing has changed, this takes three stats.
pub(crate) fn synchronise(dir: &Entered, host: &Host) -> io::Result<()> {
    const STAMP: &[u8] = b"shared-timestamp";
    let target = dir.folder().read_link(b"shared")?;
    if !target.is_absolute() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let provider = Entered::of(Rc::new(Directory::enter(&target)?));
    upkeep::purge_shared_tmp(&provider);
    upkeep::move_new_to_cur(&provider);
    upkeep::move_new_to_cur(dir);
    let new_mail = provider.new_mail().and_then(|new| mtime(new)).unwrap_or(0);
    let newest = new_mail.max(mtime(provider.cur()?)?);
    if dir.folder().stat(STAMP).is_ok_and(|stat| stat.mtime_nanos() > newest) {
        return Ok(());
    }
    // As old as the beginning of the reading, so that the next one finds what comes in meanwhile;
    // in its place after the reading, so that one which was not completed is done again.
    let stamp = TemporaryFile::create(host, dir.tmp()?, b"_stamp", 0o600)?;
    stamp.file()?.write_all(b"\0")?;
    update_links(dir, &provider, host)?;
    stamp.rename_to(dir.folder(), STAMP)
}

fn update_links(dir: &Entered, provider: &Entered, host: &Host) -> io::Result<()> {
    // The provider's messages: file names by key.
    let mut messages: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    dir::for_each(&provider.cur()?.reading()?, |name, kind| {
        if !name.starts_with(b".") && kind != dir::EntryKind::Dir {
            messages.insert(key(name).to_vec(), name.to_vec());
        }
    })?;
    let cur = provider.cur_path();
    let tmp = dir.tmp()?;
    let new_link = |name: &[u8]| -> io::Result<TemporaryFile> {
        let mut link = TemporaryFile::create(host, tmp, b"_newlink", 0o600)?;
        link.become_link(&fs::join(&cur, name))?;
        Ok(link)
    };
    for here in [dir.new_mail()?, dir.cur()?] {
        for link in here.names()? {
            if link.starts_with(b".") {
                continue;
            }
            // What is no link was not made by us, and stays.
            let Ok(points_at) = here.read_link(&link) else { continue };
            match messages.remove(key(&link)) {
                None => match here.unlink(&link) {
                    Err(e) if !is_missing(&e) => return Err(e),
                    _ => {}
                },
                Some(name) if points_at != fs::join(&cur, &name) => {
                    new_link(&name)?.rename_to(here, &link)?
                }
                Some(_) => {}
            }
        }
    }
    let new = dir.new_mail()?;
    for (key, name) in messages {
        match new_link(&name)?.rename_new_to(new, &[&*key, b":2,"].concat()) {
            // Another session was first, or something else has this name.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
    }
    Ok(())
}

/// The provider's `cur`, and the name in it to which the link of a message leads (`name` in the
/// account's `cur`). `None` if the link leads elsewhere.
///
/// Errors: `NotFound` if there is no such link.
fn target_of<'a>(dir: &'a Entered, name: &[u8]) -> io::Result<Option<(&'a Directory, Vec<u8>)>> {
    let target = dir.cur()?.read_link(name)?;
    let Ok((path, provider)) = dir.provider() else { return Ok(None) };
    if target.parent() != Some(path) {
        return Ok(None);
    }
    Ok(target.file_name().map(|name| (&**provider, name.as_encoded_bytes().to_vec())))
}

/// How many renames by others one operation follows.
const MAX_RENAMES: u32 = 200;
/// How often the provider's folder is read in search of a message.
const MAX_READINGS: u32 = 4;

/// Calls `act` with the provider's file of a message, under the name that it has now: another
/// session may have renamed it since the last synchronisation, or may do so at this moment. `None`
/// if it is gone, or if the link leads elsewhere.
///
/// Errors: `NotFound` if there is no such link, `ResourceBusy` if the file was renamed too fast to
/// be followed.
fn with_target<T>(
    dir: &Entered,
    name: &[u8],
    mut act: impl FnMut(&Directory, &[u8]) -> io::Result<T>,
) -> io::Result<Option<T>> {
    let Some((provider, mut file)) = target_of(dir, name)? else { return Ok(None) };
    for _ in 0..MAX_RENAMES {
        // A stat would be out of date at once, so `act` itself is tried with every likely name.
        for name in [file.clone()].into_iter().chain(renamed::likely(key(&file), &file)) {
            match act(provider, &name) {
                Err(e) if is_missing(&e) || fs::is_gone(&e) => {}
                done => return done.map(Some),
            }
        }
        match name_now(provider, &file)? {
            Some(now) => file = now,
            None => return Ok(None),
        }
        // Fall out of step with whoever renames it.
        clock::sleep(Duration::from_micros(u64::from(clock::now().1 % 97)));
    }
    Err(fs::error(io::ErrorKind::ResourceBusy))
}

/// The present name of a provider's file; `None` if it is gone.
fn name_now(provider: &Directory, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    for _ in 0..MAX_READINGS {
        let mut now = None;
        let read = provider.reading().and_then(|open| {
            let before = Stamp::of(&Stat::of(&open)?);
            dir::for_each(&open, |there, _| {
                if !there.starts_with(b".") && key(there) == key(name) {
                    now = Some(there.to_vec());
                }
            })?;
            // If nothing was renamed during the reading, nothing was hidden. Two changes within one
            // tick of the clock leave the same time.
            Ok(before.is_settled(clock::now_nanos()) && before == Stamp::of(&Stat::of(&open)?))
        });
        let is_unchanged = match read {
            Err(e) if is_missing(&e) => return Ok(None),
            read => read?,
        };
        now = now
            .or_else(|| if is_unchanged { None } else { renamed::find(provider, key(name), name) });
        if is_unchanged || now.is_some() {
            return Ok(now);
        }
    }
    Ok(None)
}

/// Opens the provider's file of a message. Only the account's own link is followed, not a link
/// among the provider's files, where others can write. `None` if the file is gone.
pub(crate) fn open(dir: &Entered, name: &[u8]) -> io::Result<Option<(File, Stat)>> {
    with_target(dir, name, Directory::open)
}

/// Expunges a message (`name` in the account's `cur`): the provider's file, then the link. `false`
/// if the file cannot be removed. Then the link stays and loses its `T` (STORAGE 6.2).
pub(crate) fn expunge(dir: &Entered, name: &[u8]) -> io::Result<bool> {
    let cur = dir.cur()?;
    let removed = match with_target(dir, name, Directory::unlink) {
        Ok(Some(())) => true,
        // The file is gone, or the link leads elsewhere, to what must not be removed.
        Ok(None) => cur.leads_nowhere(name),
        // The link has another name by now, or the file is renamed too fast.
        Err(e) if fs::is_gone(&e) || e.kind() == io::ErrorKind::ResourceBusy => return Err(e),
        Err(e) => {
            log::warn!(
                "removing the target of {}: {}",
                fs::shown(&dir.message_path(name)),
                fs::error_text(&e)
            );
            false
        }
    };
    if removed {
        cur.unlink(name)?;
        return Ok(true);
    }
    let flags = name.get(key(name).len()..).unwrap_or_default();
    let kept: Vec<u8> = flags.iter().filter(|b| **b != b'T').copied().collect();
    if kept.len() != flags.len() {
        cur.rename_new(name, cur, &[key(name), &kept].concat())?;
    }
    Ok(false)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;
