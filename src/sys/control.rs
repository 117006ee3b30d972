//! Control files that other hosts replace. A network file system answers from caches: for a second
//! or more, a name may lead to the file that had it before, and opening and reading that one
//! succeeds (GlusterFS: a cache in the kernel and another one in its client, one second each). Who
//! reads the UID file under the lock must read what the last holder of the lock has written, or one
//! UID would name two messages.
//!
//! Reading a directory always asks the server. So the directory says which file has the name, by
//! its inode, and the open file must be that one. Reading the directory also corrects what the
//! caches have of its names (FUSE), and opening it does the same on NFS. Where files are changed by
//! this host only, none of this is done.
//!
//! A name that another host has taken away is remembered as well, and only time helps.

use super::directory::Directory;
use super::stat::Stat;
use super::{clock, dir, filesystem, fs};
use std::fs::File;
use std::io;
use std::time::Duration;

/// The pauses between tries, in milliseconds: five seconds, for two caches of one second, of which
/// each is late on a busy machine, while other hosts go on replacing the file.
const PAUSES: [u64; 11] = [0, 10, 20, 40, 80, 160, 320, 640, 1280, 1280, 1280];
/// With how many other entries the inodes of a directory are compared with those of stat.
const MAX_COMPARED: usize = 4;

impl Directory {
    /// The whole of a control file, no more than `limit` bytes; a larger one is an error
    /// (`InvalidData`).
    pub(crate) fn read_control(&self, name: &[u8], limit: u64) -> io::Result<Vec<u8>> {
        self.read_control_file(name, limit).map(|(data, ..)| data)
    }

    /// The same, with the open file.
    pub(crate) fn read_control_file(
        &self,
        name: &[u8],
        limit: u64,
    ) -> io::Result<(Vec<u8>, File, Stat)> {
        self.with_control(name, |file, stat| {
            let data = fs::read_all(&file, stat.len(), limit)?;
            Ok((data, file, stat))
        })
    }

    /// The beginning of a control file, no more than `most` bytes.
    pub(crate) fn read_control_start(&self, name: &[u8], most: usize) -> io::Result<Vec<u8>> {
        self.with_control(name, |file, _| {
            let mut start = vec![0; most];
            let got = fs::read_at(&file, &mut start, 0)?;
            start.truncate(got);
            Ok(start)
        })
    }

    /// Opens and reads, again if another host replaces the file during the reading. To open it is
    /// tried for as long by itself.
    fn with_control<T>(
        &self,
        name: &[u8],
        read: impl Fn(File, Stat) -> io::Result<T>,
    ) -> io::Result<T> {
        let try_once = || self.open_control(name).map(|(file, stat)| read(file, stat));
        while_stale(try_once, |done| {
            done.as_ref().is_ok_and(|read| read.as_ref().is_err_and(fs::is_stale))
        })?
    }

    /// Opens the regular file that has this name now, whatever the caches say.
    ///
    /// Errors: those of [`Directory::open`]; ESTALE where the directory goes on naming another
    /// file, or cannot be read itself.
    pub(crate) fn open_control(&self, name: &[u8]) -> io::Result<(File, Stat)> {
        let opened = self.open(name);
        let may_be_stale = match &opened {
            Ok((_, stat)) => self.is_shared(stat.inode().0),
            Err(e) => fs::is_gone(e) && !self.is_local(),
        };
        if !may_be_stale {
            return opened;
        }
        let inode = |(_, stat): &(File, Stat)| stat.inode().1;
        certainly(opened, inode, || self.open(name), || list(self, name), clock::sleep)
    }

    /// lstat(2) of what has this name now, whatever the caches say. Errors: ESTALE if they go on
    /// knowing another file by this name than the directory has.
    pub(crate) fn stat_now(&self, name: &[u8]) -> io::Result<Stat> {
        let found = self.stat(name);
        let may_be_stale = match &found {
            Ok(stat) => self.is_shared(stat.inode().0),
            Err(e) => fs::is_gone(e) && !self.is_local(),
        };
        if !may_be_stale {
            return found;
        }
        let inode = |stat: &Stat| stat.inode().1;
        certainly(found, inode, || self.stat(name), || list(self, name), clock::sleep)
    }

    /// [`Directory::rename_new`] within this directory, where the caches may know names that other
    /// hosts have changed: the new one, under which another host had the file a second ago (a flag
    /// is set there, and taken back here), or the old one (the same flag is set on both hosts).
    /// Errors: ENOENT if the directory does not have the old name.
    pub(crate) fn rename_within(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        let rename = || self.rename_new(from, self, to);
        let renamed = rename();
        if !is_taken(&renamed) || self.is_local() {
            return renamed;
        }
        let inodes = || {
            let mut found = [None; 2];
            dir::for_each_inode(&self.reading()?, |name, inode| match name {
                name if name == from => found[0] = Some(inode),
                name if name == to => found[1] = Some(inode),
                _ => {}
            })?;
            Ok(found)
        };
        rename_if_free(renamed, rename, inodes, clock::sleep)
    }

    /// Whether it is on a file system of this machine, which dates files by our own clock and shows
    /// every change at once.
    pub(crate) fn is_local(&self) -> bool {
        if let Some(local) = self.local.get() {
            return *local;
        }
        let Ok(stat) = self.own_stat() else { return true };
        *self.local.get_or_init(|| !self.is_shared(stat.inode().0))
    }

    /// Whether the file system of this device, on which the directory is, is one of several hosts.
    pub(crate) fn is_shared(&self, device: u64) -> bool {
        filesystem::is_shared_device(device, || self.reading())
    }
}

/// Reads anew what another host has replaced during the reading, and again for five seconds.
/// Errors: ESTALE if it has replaced it each time.
pub(crate) fn until_fresh<T>(read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    while_stale(read, |read| read.as_ref().is_err_and(fs::is_stale))
}

/// Tries again, for five seconds, as long as another host replaces what is read.
pub(crate) fn while_stale<T>(try_once: impl FnMut() -> T, is_stale: impl Fn(&T) -> bool) -> T {
    pausing(try_once, is_stale, clock::sleep)
}

fn pausing<T>(
    mut try_once: impl FnMut() -> T,
    is_stale: impl Fn(&T) -> bool,
    mut sleep: impl FnMut(Duration),
) -> T {
    for pause in PAUSES {
        let tried = try_once();
        if !is_stale(&tried) {
            return tried;
        }
        sleep(Duration::from_millis(pause));
    }
    try_once()
}

fn is_taken(renamed: &io::Result<()>) -> bool {
    renamed.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::AlreadyExists)
}

/// Renames again and again while only the caches have the new name. Nothing else is safe: rename(2)
/// does nothing between two names of one file, and unlink(2) could take the only one. `inodes`:
/// what the directory has under the old name and under the new one.
fn rename_if_free(
    taken: io::Result<()>,
    mut rename: impl FnMut() -> io::Result<()>,
    mut inodes: impl FnMut() -> io::Result<[Option<u64>; 2]>,
    mut sleep: impl FnMut(Duration),
) -> io::Result<()> {
    let mut renamed = taken;
    for pause in PAUSES {
        let [old, new] = inodes()?;
        if old.is_none() {
            return Err(fs::error(io::ErrorKind::NotFound));
        }
        if new.is_some() && new != old {
            break;
        }
        sleep(Duration::from_millis(pause));
        // With both names, another host is in the middle of the same rename, by link and unlink.
        if new.is_none() {
            renamed = rename();
            if !is_taken(&renamed) {
                break;
            }
        }
    }
    renamed
}

/// What a directory says of a name in it.
#[derive(Clone, Copy)]
struct Listed {
    /// The file that has the name.
    inode: Option<u64>,
    /// Whether stat gives the same inodes as the directory; `None`: there is nothing to compare.
    are_inodes_real: Option<bool>,
}

fn list(directory: &Directory, wanted: &[u8]) -> io::Result<Listed> {
    let mut listed = Listed { inode: None, are_inodes_real: None };
    let mut others: Vec<(Vec<u8>, u64)> = Vec::new();
    dir::for_each_inode(&directory.reading()?, |name, inode| {
        if name == wanted {
            listed.inode = Some(inode);
        } else if others.len() < MAX_COMPARED {
            others.push((name.to_vec(), inode));
        }
    })?;
    for (name, inode) in others {
        let Ok(stat) = directory.stat(&name) else { continue };
        listed.are_inodes_real = Some(stat.inode().1 == inode);
        if stat.inode().1 == inode {
            break;
        }
    }
    Ok(listed)
}

/// Tries until the directory agrees with what was found by a name: with the inode, or that there is
/// nothing.
fn certainly<T>(
    first: io::Result<T>,
    inode_of: impl Fn(&T) -> u64,
    mut again: impl FnMut() -> io::Result<T>,
    mut list: impl FnMut() -> io::Result<Listed>,
    mut sleep: impl FnMut(Duration),
) -> io::Result<T> {
    let mut found = first;
    let mut absences = 0;
    for pause in PAUSES {
        if pause > 0 {
            sleep(Duration::from_millis(pause));
        }
        let listed = match list() {
            // This does not say that the name is gone. The directory may be, or a cache is wrong.
            Err(e) if fs::is_gone(&e) => None,
            listed => Some(listed?),
        };
        if listed.is_some_and(|listed| listed.inode.is_none()) {
            absences += 1;
        }
        match (&found, listed) {
            (Ok(found_file), Some(Listed { inode: Some(inode), .. }))
                if inode_of(found_file) == inode =>
            {
                return found;
            }
            // Some file systems make their inodes up, and the directory has others.
            (Ok(_), Some(Listed { inode: Some(_), are_inodes_real: Some(false) })) => {
                return found;
            }
            (Err(e), Some(Listed { inode: None, .. })) if e.kind() == io::ErrorKind::NotFound => {
                return found;
            }
            (Err(e), _) if !fs::is_gone(e) => return found,
            // Only the caches have it, for a second.
            (_, Some(Listed { inode: None, .. })) if absences > 1 => {
                return Err(fs::error(io::ErrorKind::NotFound));
            }
            _ => found = again(),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ESTALE))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A directory with `old` and `new`, of which the second has replaced the first.
    fn replaced() -> (tempfile::TempDir, Directory) {
        let home = tempfile::tempdir().unwrap();
        for name in ["old", "new"] {
            std::fs::write(home.path().join(name), name).unwrap();
        }
        let directory = Directory::enter(home.path()).unwrap();
        (home, directory)
    }

    fn text(opened: io::Result<(File, Stat)>) -> Result<String, i32> {
        opened
            .and_then(|(file, _)| io::read_to_string(file))
            .map_err(|e| e.raw_os_error().unwrap_or(0))
    }

    /// The inode of an open file.
    fn of(opened: &(File, Stat)) -> u64 {
        opened.1.inode().1
    }

    fn errno<T>(errno: i32) -> io::Result<T> {
        Err(io::Error::from_raw_os_error(errno))
    }

    /// What is read if the caches lead to the old file for so many opens, or say this.
    fn read(stale: usize, says: Option<i32>, are_inodes_real: Option<bool>) -> Result<String, i32> {
        let (_home, directory) = replaced();
        let mut opens = 0;
        let mut open = || {
            opens += 1;
            match says {
                _ if opens > stale => directory.open(b"new"),
                None => directory.open(b"old"),
                Some(says) => errno(says),
            }
        };
        let inode = Some(directory.stat(b"new").unwrap().inode().1);
        let first = open();
        text(certainly(first, of, open, || Ok(Listed { inode, are_inodes_real }), |_| {}))
    }

    #[test]
    fn the_directory_decides() {
        for real in [Some(true), None] {
            assert_eq!(read(0, None, real).unwrap(), "new");
            assert_eq!(read(1, None, real).unwrap(), "new", "a stale name");
            assert_eq!(read(5, None, real).unwrap(), "new", "for longer");
            assert_eq!(read(5, Some(libc::ESTALE), real).unwrap(), "new");
            assert_eq!(read(5, Some(libc::ENOENT), real).unwrap(), "new");
            assert_eq!(read(99, None, real), Err(libc::ESTALE), "for ever");
            assert_eq!(read(99, Some(libc::EACCES), real), Err(libc::EACCES));
        }
        assert_eq!(read(99, None, Some(false)).unwrap(), "old", "there is no telling");
    }

    #[test]
    fn a_missing_file_is_missing_in_the_directory_too() {
        let (_home, directory) = replaced();
        let nothing = || Ok(Listed { inode: None, are_inodes_real: Some(true) });
        let never = || panic!("the directory agrees");
        let missing = || errno(libc::ENOENT);
        assert_eq!(text(certainly(missing(), of, never, nothing, |_| {})), Err(libc::ENOENT));
        // It is found by its old name, and the directory has it no more.
        let found = directory.open(b"old");
        assert_eq!(text(certainly(found, of, missing, nothing, |_| {})), Err(libc::ENOENT));
    }

    #[test]
    fn a_rename_to_a_name_that_the_caches_have() {
        let taken = || errno::<()>(libc::EEXIST);
        // What the directory has from one look to the next, and after how many tries it succeeds.
        let play = |seen: &[[Option<u64>; 2]], tries: usize| {
            let (mut looks, mut renames) = (0, 0);
            let inodes = || {
                looks += 1;
                Ok(seen.get(looks - 1).or(seen.last()).copied().unwrap())
            };
            let rename = || {
                renames += 1;
                if renames < tries { taken() } else { Ok(()) }
            };
            let renamed = rename_if_free(taken(), rename, inodes, |_| {});
            renamed.map_err(|e| e.raw_os_error().unwrap_or(0))
        };
        let (free, busy, done) = ([Some(1), None], [Some(1), Some(1)], [None, Some(1)]);
        assert_eq!(play(&[free], 3), Ok(()), "the caches forget it");
        assert_eq!(play(&[free], 99), Err(libc::EEXIST), "they do not");
        assert_eq!(play(&[done], 1), Err(libc::ENOENT), "another host has done the same");
        assert_eq!(play(&[busy, busy, done], 1), Err(libc::ENOENT), "it is about to");
        assert_eq!(play(&[busy, free], 1), Ok(()), "it has given up");
        assert_eq!(play(&[busy], 1), Err(libc::EEXIST), "it has died");
        assert_eq!(play(&[[Some(1), Some(2)]], 1), Err(libc::EEXIST), "another file");
    }

    #[test]
    fn a_name_that_only_the_caches_have_is_gone() {
        let (_home, directory) = replaced();
        let mut lists = 0;
        let mut nothing = || {
            lists += 1;
            Ok(Listed { inode: None, are_inodes_real: Some(true) })
        };
        let cached = || directory.open(b"old");
        assert_eq!(text(certainly(cached(), of, cached, &mut nothing, |_| {})), Err(libc::ENOENT));
        assert_eq!(lists, 2);
    }

    #[test]
    fn a_directory_that_cannot_be_read_does_not_say_that_a_name_is_gone() {
        let missing = || errno(libc::ENOENT);
        for trouble in [libc::ENOENT, libc::ESTALE] {
            let list = || errno(trouble);
            assert_eq!(text(certainly(missing(), of, missing, list, |_| {})), Err(libc::ESTALE));
        }
        // At last it can be.
        let mut lists =
            vec![Ok(Listed { inode: None, are_inodes_real: None }), errno(libc::ENOENT)];
        let list = || lists.pop().unwrap();
        assert_eq!(text(certainly(missing(), of, missing, list, |_| {})), Err(libc::ENOENT));
    }

    #[test]
    fn a_stat_is_what_the_directory_says() {
        let (_home, directory) = replaced();
        let (old, new) = (directory.stat(b"old").unwrap(), directory.stat(b"new").unwrap());
        let is = |found: fn(&Directory) -> io::Result<Stat>, inode, are_inodes_real| {
            let again = || found(&directory);
            let of = |stat: &Stat| stat.inode().1;
            certainly(again(), of, again, || Ok(Listed { inode, are_inodes_real }), |_| {})
                .map(|stat| stat.inode())
                .map_err(|e| e.raw_os_error().unwrap_or(0))
        };
        let inode = Some(new.inode().1);
        for real in [Some(true), None] {
            assert_eq!(is(|d| d.stat(b"new"), inode, real), Ok(new.inode()));
            assert_eq!(is(|d| d.stat(b"old"), inode, real), Err(libc::ESTALE), "a stale name");
            assert_eq!(is(|_| errno(libc::ENOENT), inode, real), Err(libc::ESTALE), "not known");
            assert_eq!(is(|d| d.stat(b"old"), None, real), Err(libc::ENOENT), "gone");
        }
        assert_eq!(is(|d| d.stat(b"old"), inode, Some(false)), Ok(old.inode()), "no telling");
    }

    #[test]
    fn a_file_that_is_replaced_during_the_reading_is_read_again() {
        let is_stale = |read: &io::Result<i32>| read.as_ref().is_err_and(fs::is_stale);
        let mut left = vec![Ok(7), errno(libc::ESTALE), errno(libc::ESTALE)];
        assert_eq!(pausing(|| left.pop().unwrap(), is_stale, |_| {}).unwrap(), 7);
        let mut calls = 0;
        let mut fails = |with| {
            let read = || {
                calls += 1;
                errno(with)
            };
            pausing(read, is_stale, |_| {})
        };
        assert_eq!(fails(libc::ESTALE).unwrap_err().raw_os_error(), Some(libc::ESTALE));
        assert_eq!(fails(libc::EIO).unwrap_err().raw_os_error(), Some(libc::EIO));
        assert_eq!(calls, 2 + PAUSES.len());
    }

    #[test]
    fn directories_and_stat_agree_here() {
        let (_home, directory) = replaced();
        let stat = directory.stat(b"old").unwrap();
        let listed = list(&directory, b"old").unwrap();
        assert_eq!((listed.inode, listed.are_inodes_real), (Some(stat.inode().1), Some(true)));
        assert_eq!(list(&directory, b"none").unwrap().inode, None);
        assert_eq!(directory.stat_now(b"old").unwrap().inode(), stat.inode());
        assert_eq!(directory.read_control(b"new", 10).unwrap(), b"new");
    }
}
