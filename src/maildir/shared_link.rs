//! Folders shared by file permissions, the older kind of sharing (STORAGE 6.2): names that begin
//! with `shared.`. A subscribed folder is a directory in this account's Maildir. It holds a link
//! `shared` to the provider's folder and one symbolic link per message. So the account has its own
//! flags and UIDs for the provider's messages.

use super::error::is_missing;
use super::host::Host;
use super::names::key;
use super::stamp::Stamp;
use super::temporary::TemporaryFile;
use super::{Dir, Error, Store, folder_names, folders, renamed, upkeep};
use crate::sys::{clock, dir, fs};
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
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
            .and_then(|(file, m)| fs::read_all(&file, &m, MAX_FILE));
        let local = fs::join(self.root, LOCAL);
        let own = fs::read_control(&local, MAX_FILE);
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
            for sub in folder_names::list(&root).unwrap_or_default() {
                if folder_names::directory(&root, &sub).join("cur").is_dir() {
                    found.push([&*name, b".", &sub].concat());
                }
            }
        }
        found
    }

    /// All folders that the account is subscribed to, as `<name>.<folder>`.
    pub(crate) fn subscribed(&self) -> Vec<Vec<u8>> {
        let tree = fs::join(self.root, TREE);
        let mut found = Vec::new();
        for name in dir::names(&tree).unwrap_or_default() {
            if name.contains(&b'.') {
                continue;
            }
            for folder in dir::names(&fs::join(&tree, &name)).unwrap_or_default() {
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
        let dot = memchr::memchr(b'.', path)?;
        let (name, rest) = path.split_at_checked(dot)?;
        let (_, root) = self.providers().into_iter().find(|(n, _)| n == name)?;
        Some(LinkedFolder { dir, target: folder_names::directory(&root, rest.strip_prefix(b".")?) })
    }

    /// The account's folder of a name, even if the provider is not known any more.
    fn dir(&self, path: &[u8]) -> Option<PathBuf> {
        let dot = memchr::memchr(b'.', path)?;
        let (name, rest) = path.split_at_checked(dot)?;
        let folder = rest.strip_prefix(b".")?;
        if name.is_empty() || name.contains(&b'/') || !folder_names::is_valid(folder) {
            return None;
        }
        Some(fs::join(&fs::join(&fs::join(self.root, TREE), name), folder))
    }

    /// Makes the account's folder, for SUBSCRIBE and for the first SELECT, EXAMINE or STATUS. A
    /// level above folders counts as subscribed. The provider need not have the folder (Courier).
    pub(crate) fn subscribe(&self, path: &[u8]) -> io::Result<Subscribed> {
        if !path.contains(&b'.') {
            return Ok(Subscribed::Already);
        }
        let link = self.find(path).ok_or(io::ErrorKind::NotFound)?;
        let shared = link.dir.join("shared");
        if fs::lstat(&shared).is_ok() {
            return Ok(Subscribed::Already);
        }
        let tree = fs::join(self.root, TREE);
        let above = link.dir.parent().unwrap_or(&tree);
        let parts = ["tmp", "cur", "new"].map(|part| link.dir.join(part));
        for made in [&*tree, above, &link.dir].into_iter().chain(parts.iter().map(PathBuf::as_path))
        {
            match fs::mkdir(made, 0o700) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                _ => {}
            }
        }
        // Last: if this link exists, everything else does, too.
        fs::symlink(&link.target, &shared)?;
        Ok(Subscribed::Done)
    }

    /// Removes the account's folder and its flags, for UNSUBSCRIBE and DELETE. The provider's
    /// messages stay. As with any folder, its UIDVALIDITY does not come back.
    pub(crate) fn unsubscribe(&self, store: &Store, path: &[u8]) -> Result<Subscribed, Error> {
        let Some(dir) = self.dir(path) else { return Ok(Subscribed::Already) };
        if fs::lstat(&dir).is_err() {
            return Ok(Subscribed::Already);
        }
        folders::outlast(store, &Dir::at(&dir))?;
        // Links are removed, not followed.
        folders::remove(store, &dir, self.root)?;
        if let Some(above) = dir.parent() {
            let _ = fs::rmdir(above);
        }
        Ok(Subscribed::Done)
    }
}

impl LinkedFolder {
    /// Whether the provider has the folder.
    pub(crate) fn is_there(&self) -> bool {
        self.target.join("cur").is_dir()
    }

    /// Whether this account may add messages to the folder (STORAGE 5.5).
    pub(crate) fn is_writable(&self) -> bool {
        fs::writable(&self.target.join("new"))
    }

    /// Whether SELECT is read-only.
    pub(crate) fn is_read_only(&self) -> bool {
        !fs::writable(&self.target.join("cur"))
    }
}

fn mtime(path: &Path) -> io::Result<i128> {
    Ok(fs::mtime_nanos(&path.metadata()?))
}

/// Brings the account's folder `dir` up to date with the provider's, before every scan of it
/// (STORAGE 6.2, "Synchronisation"). If nothing has changed, this takes three stats.
pub(crate) fn synchronise(dir: &Path, host: &Host) -> io::Result<()> {
    let shared = dir.join("shared");
    let target = std::fs::read_link(&shared)?;
    if !target.is_absolute() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    upkeep::purge_shared_tmp(&shared);
    upkeep::move_new_to_cur(&shared);
    upkeep::move_new_to_cur(dir);
    let stamp = dir.join("shared-timestamp");
    let newest = mtime(&shared.join("new")).unwrap_or(0).max(mtime(&shared.join("cur"))?);
    if fs::lstat(&stamp).is_ok_and(|m| fs::mtime_nanos(&m) > newest) {
        return Ok(());
    }
    // Before the reading, so that the next one finds what comes in meanwhile.
    let _ = fs::unlink(&stamp);
    std::io::Write::write_all(&mut fs::create_new(&stamp, 0o600)?, b"\0")?;
    update_links(dir, &target, host)
}

fn update_links(dir: &Path, target: &Path, host: &Host) -> io::Result<()> {
    // The provider's messages: file names by key.
    let mut messages: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    dir::for_each(&dir::open(&target.join("cur"))?, |name, kind| {
        if !name.starts_with(b".") && kind != dir::EntryKind::Dir {
            messages.insert(key(name).to_vec(), name.to_vec());
        }
    })?;
    let cur = target.join("cur");
    let tmp = dir.join("tmp");
    let new_link = |name: &[u8]| -> io::Result<TemporaryFile> {
        let mut link = TemporaryFile::create(host, &tmp, b"_newlink", 0o600)?;
        link.become_link(&fs::join(&cur, name))?;
        Ok(link)
    };
    for part in ["new", "cur"] {
        let here = dir.join(part);
        for link in dir::names(&here)? {
            if link.starts_with(b".") {
                continue;
            }
            let at = fs::join(&here, &link);
            // What is no link was not made by us, and stays.
            let Ok(points_at) = std::fs::read_link(&at) else { continue };
            match messages.remove(key(&link)) {
                None => match fs::unlink(&at) {
                    Err(e) if !is_missing(&e) => return Err(e),
                    _ => {}
                },
                Some(name) if points_at != fs::join(&cur, &name) => {
                    new_link(&name)?.rename_to(&at)?
                }
                Some(_) => {}
            }
        }
    }
    let new = dir.join("new");
    for (key, name) in messages {
        match new_link(&name)?.rename_new_to(&fs::join(&new, &[&*key, b":2,"].concat())) {
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
fn target_of(dir: &Path, name: &[u8]) -> io::Result<Option<(PathBuf, Vec<u8>)>> {
    let target = std::fs::read_link(fs::join(&dir.join("cur"), name))?;
    let provider = std::fs::read_link(dir.join("shared")).unwrap_or_default().join("cur");
    if target.parent() != Some(&provider) {
        return Ok(None);
    }
    Ok(target.file_name().map(|name| name.as_encoded_bytes().to_vec()).map(|name| (provider, name)))
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
    dir: &Path,
    name: &[u8],
    mut act: impl FnMut(&Path) -> io::Result<T>,
) -> io::Result<Option<T>> {
    let Some((provider, mut file)) = target_of(dir, name)? else { return Ok(None) };
    for _ in 0..MAX_RENAMES {
        // A stat would be out of date at once, so `act` itself is tried with every likely name.
        for name in [file.clone()].into_iter().chain(renamed::likely(key(&file), &file)) {
            match act(&fs::join(&provider, &name)) {
                Err(e) if is_missing(&e) || fs::is_gone(&e) => {}
                done => return done.map(Some),
            }
        }
        match name_now(&provider, &file)? {
            Some(now) => file = now,
            None => return Ok(None),
        }
        // Fall out of step with whoever renames it.
        clock::sleep(Duration::from_micros(u64::from(clock::now().1 % 97)));
    }
    Err(fs::error(io::ErrorKind::ResourceBusy))
}

/// The present name of a provider's file; `None` if it is gone.
fn name_now(provider: &Path, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    for _ in 0..MAX_READINGS {
        let mut now = None;
        let read = dir::open(provider).and_then(|open| {
            let before = Stamp::of(&open.metadata()?);
            dir::for_each(&open, |there, _| {
                if !there.starts_with(b".") && key(there) == key(name) {
                    now = Some(there.to_vec());
                }
            })?;
            // If nothing was renamed during the reading, nothing was hidden. Two changes within one
            // tick of the clock leave the same time.
            Ok(before.is_settled(clock::now_nanos()) && before == Stamp::of(&open.metadata()?))
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
pub(crate) fn open(dir: &Path, name: &[u8]) -> io::Result<Option<(File, Metadata)>> {
    with_target(dir, name, fs::open)
}

/// Expunges a message (`name` in the account's `cur`): the provider's file, then the link. `false`
/// if the file cannot be removed. Then the link stays and loses its `T` (STORAGE 6.2).
pub(crate) fn expunge(dir: &Path, name: &[u8]) -> io::Result<bool> {
    let link = fs::join(&dir.join("cur"), name);
    let removed = match with_target(dir, name, fs::unlink) {
        Ok(Some(())) => true,
        // The file is gone, or the link leads elsewhere, to what must not be removed.
        Ok(None) => link.metadata().is_err_and(|e| is_missing(&e)),
        // The link has another name by now, or the file is renamed too fast.
        Err(e) if fs::is_gone(&e) || e.kind() == io::ErrorKind::ResourceBusy => return Err(e),
        Err(_) => false,
    };
    if removed {
        fs::unlink(&link)?;
        return Ok(true);
    }
    let flags = name.get(key(name).len()..).unwrap_or_default();
    let kept: Vec<u8> = flags.iter().filter(|b| **b != b'T').copied().collect();
    if kept.len() != flags.len() {
        fs::rename_new(&link, &fs::join(&dir.join("cur"), &[key(name), &kept].concat()))?;
    }
    Ok(false)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;
