//! An open directory, and the calls on what is in it. Each takes one name, never a path, and
//! follows no link. So whoever exchanges a directory or a file for a link while we work, the owner
//! of a shared folder for one, redirects nothing.

use super::enter::{self, PLACE};
use super::fs::{self, CAREFULLY, error, regular};
use super::stat::Stat;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, RenameFlags, openat, readlinkat, renameat, renameat2};
use nix::sys::stat::{Mode, fchmod, fstatat, mkdirat};
use nix::unistd::{AccessFlags, UnlinkatFlags, faccessat, linkat, symlinkat, unlinkat};
use std::cell::OnceCell;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// How deep a tree is that is removed. No folder is deeper than two levels.
const MAX_DEPTH: u32 = 64;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    place: OwnedFd,
    path: PathBuf,
    /// [`Directory::is_local`], once it was asked.
    pub(super) local: OnceCell<bool>,
}

/// A name that is one component. What would lead elsewhere is refused (EINVAL).
fn one(name: &[u8]) -> io::Result<&[u8]> {
    let is_one = !matches!(name, b"" | b"." | b"..") && memchr::memchr2(b'/', 0, name).is_none();
    if is_one { Ok(name) } else { Err(error(io::ErrorKind::InvalidInput)) }
}

impl Directory {
    fn at(place: OwnedFd, path: PathBuf) -> Directory {
        Directory { place, path, local: OnceCell::new() }
    }

    /// Opens a directory by its path. Links on the way are followed as [`super::enter`] has it.
    pub(crate) fn enter(path: &Path) -> io::Result<Directory> {
        Ok(Directory::at(enter::enter(path)?, path.to_owned()))
    }

    /// The same directory, which was renamed: for the log.
    pub(crate) fn moved_to(self, path: PathBuf) -> Directory {
        Directory { path, ..self }
    }

    /// Opens a directory in it, of which the name may be a link: links are followed as
    /// [`super::enter`] has it.
    pub(crate) fn enter_child(&self, name: &[u8]) -> io::Result<Directory> {
        match self.open_directory(name) {
            Err(e) if e.raw_os_error() == Some(libc::ELOOP) => {
                let place = enter::enter_from(self.place.try_clone()?, fs::path(name))?;
                Ok(Directory::at(place, self.path_of(name)))
            }
            other => other,
        }
    }

    /// The path by which it was opened, for the log.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of what is in it, for the log.
    pub(crate) fn path_of(&self, name: &[u8]) -> PathBuf {
        fs::join(&self.path, name)
    }

    /// A path that leads to this very directory while it is open, for inotify.
    pub(crate) fn proc_path(&self) -> PathBuf {
        proc_path(&self.place)
    }

    fn openat(&self, name: &[u8], flags: OFlag, mode: u32) -> io::Result<OwnedFd> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(mode);
        let mut looks_again = true;
        loop {
            match openat(&self.place, name, flags, mode) {
                Err(Errno::EINTR) => {}
                // Another host has replaced it since this one last asked.
                Err(Errno::ESTALE) if std::mem::take(&mut looks_again) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Opens a directory in it. Errors: ELOOP for a link.
    pub(crate) fn open_directory(&self, name: &[u8]) -> io::Result<Directory> {
        match self.openat(one(name)?, PLACE | OFlag::O_DIRECTORY, 0) {
            Ok(place) => Ok(Directory::at(place, self.path_of(name))),
            Err(e) => Err(self.not_a_directory(name, e)),
        }
    }

    /// The error with which a directory could not be opened, ELOOP if it is a link.
    fn not_a_directory(&self, name: &[u8], e: io::Error) -> io::Error {
        let is_link = e.raw_os_error() == Some(libc::ENOTDIR)
            && self.stat(name).is_ok_and(|stat| stat.is_symlink());
        if is_link { Errno::ELOOP.into() } else { e }
    }

    /// Opens a directory in it to read its entries. Errors: ELOOP for a link.
    pub(crate) fn open_to_read(&self, name: &[u8]) -> io::Result<File> {
        let opened = self.openat(one(name)?, OFlag::O_DIRECTORY | OFlag::O_NONBLOCK, 0);
        opened.map(File::from).map_err(|e| self.not_a_directory(name, e))
    }

    /// Opens this directory anew, to read its entries from the beginning or to ask for its times:
    /// over NFS it is the opening that asks the server.
    pub(crate) fn reading(&self) -> io::Result<File> {
        Ok(File::from(self.openat(b".", OFlag::O_DIRECTORY | OFlag::O_NONBLOCK, 0)?))
    }

    /// Opens a regular file for reading. Errors: ELOOP for a link.
    pub(crate) fn open(&self, name: &[u8]) -> io::Result<(File, Stat)> {
        regular(File::from(self.openat(one(name)?, CAREFULLY, 0)?))
    }

    /// Opens a file and reads the beginning of it in one call, for small files of which very many
    /// are read; the file, and how much was read. Nobody asks what kind of file it is: what cannot
    /// be read at an offset (a FIFO, a directory) is an error.
    pub(crate) fn read_start(&self, name: &[u8], buffer: &mut [u8]) -> io::Result<(File, usize)> {
        let file = File::from(self.openat(one(name)?, CAREFULLY, 0)?);
        let got = fs::read_start(&file, buffer)?;
        Ok((file, got))
    }

    /// Opens a regular file for reading and appending.
    pub(crate) fn open_append(&self, name: &[u8]) -> io::Result<(File, Stat)> {
        let flags = OFlag::O_RDWR | OFlag::O_APPEND | CAREFULLY;
        regular(File::from(self.openat(one(name)?, flags, 0)?))
    }

    /// Makes a new file for reading and writing; one that exists already, even as a dangling link,
    /// is an error.
    pub(crate) fn create_new(&self, name: &[u8], mode: u32) -> io::Result<File> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
        Ok(File::from(self.openat(one(name)?, flags, mode)?))
    }

    /// A path that leads to this very file or link while the descriptor is open, for inotify.
    pub(crate) fn pin(&self, name: &[u8]) -> io::Result<(OwnedFd, PathBuf)> {
        let file = self.openat(one(name)?, PLACE, 0)?;
        let path = proc_path(&file);
        Ok((file, path))
    }

    /// lstat(2).
    pub(crate) fn stat(&self, name: &[u8]) -> io::Result<Stat> {
        Ok(Stat::new(fstatat(&self.place, one(name)?, AtFlags::AT_SYMLINK_NOFOLLOW)?))
    }

    /// lstat(2) of what is in a directory in it. That directory may be a link, which is followed, to
    /// wherever it leads: this is for comparing with what is known, and for nothing else. Its name
    /// is put together from parts: thousands are asked for in a row.
    pub(crate) fn stat_below(&self, directory: &[&[u8]], name: &[u8]) -> io::Result<Stat> {
        let mut path = Vec::with_capacity(128);
        directory.iter().for_each(|part| path.extend_from_slice(part));
        one(&path)?;
        for part in [b"/", one(name)?, b"\0"] {
            path.extend_from_slice(part);
        }
        let path = CStr::from_bytes_with_nul(&path).map_err(|_| Errno::EINVAL)?;
        Ok(Stat::new(fstatat(&self.place, path, AtFlags::AT_SYMLINK_NOFOLLOW)?))
    }

    /// Whether a link leads to nothing, or is not there.
    pub(crate) fn leads_nowhere(&self, name: &[u8]) -> bool {
        let found = one(name).and_then(|name| Ok(fstatat(&self.place, name, AtFlags::empty())?));
        let missing = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
        found.is_err_and(|e| missing.contains(&e.kind()))
    }

    /// What stat(2) says of the directory itself.
    pub(crate) fn own_stat(&self) -> io::Result<Stat> {
        Stat::of(&self.place)
    }

    /// Whether there is a directory of this name, and not a link to one.
    pub(crate) fn has_directory(&self, name: &[u8]) -> bool {
        self.stat(name).is_ok_and(|stat| stat.is_dir())
    }

    /// Whether the process may make and remove names in it, by its effective ids.
    /// `true` if that cannot be found out: then writing tells.
    pub(crate) fn is_writable(&self) -> bool {
        let access = faccessat(&self.place, ".", AccessFlags::W_OK, AtFlags::AT_EACCESS);
        !access.is_err_and(|e| fs::is_unwritable(&e.into()))
    }

    /// The names of all entries; for small directories.
    pub(crate) fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        super::dir::for_each(&self.reading()?, |name, _| names.push(name.to_vec()))?;
        Ok(names)
    }

    /// rename(2): replaces what has the new name, in one step.
    pub(crate) fn rename(&self, from: &[u8], to: &Directory, name: &[u8]) -> io::Result<()> {
        Ok(renameat(&self.place, one(from)?, &to.place, one(name)?)?)
    }

    /// renameat2(2) with RENAME_NOREPLACE. If the file system does not support that: link(2) and
    /// unlink(2). If that is refused, too (or for a directory): lstat(2) and rename(2).
    pub(crate) fn rename_new(&self, from: &[u8], to: &Directory, name: &[u8]) -> io::Result<()> {
        let (from, name) = (one(from)?, one(name)?);
        match renameat2(&self.place, from, &to.place, name, RenameFlags::RENAME_NOREPLACE) {
            Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => {
                match self.link(from, to, name) {
                    Ok(()) => self.drop_old_name(from, to, name),
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists || fs::is_gone(&e) => Err(e),
                    Err(_) if to.stat(name).is_ok() => Err(error(io::ErrorKind::AlreadyExists)),
                    Err(_) => self.rename(from, to, name),
                }
            }
            other => Ok(other?),
        }
    }

    /// The second half of a rename by link(2): removes the old name. link(2) asks for the file, not
    /// for its name: if a cache still knew a name that another host has changed (network file
    /// systems), the file has two names now, and the one that we have made goes. It stays if it is
    /// the only one: over NFS, unlink(2) may succeed and say that it did not.
    fn drop_old_name(&self, from: &[u8], to: &Directory, name: &[u8]) -> io::Result<()> {
        let Err(e) = self.unlink(from) else { return Ok(()) };
        if !fs::is_gone(&e) {
            return Err(e);
        }
        let inode = to.stat(name)?.inode().1;
        let mut names = 0u32;
        for folder in [self, to] {
            super::dir::for_each_inode(&folder.reading()?, |_, of| {
                names = names.saturating_add(u32::from(of == inode));
            })?;
        }
        // Within one directory each name was counted twice.
        let ours = if self.own_stat()?.inode() == to.own_stat()?.inode() { 2 } else { 1 };
        if names <= ours {
            return Ok(());
        }
        to.unlink(name)?;
        Err(e)
    }

    /// link(2): a second name for a file.
    pub(crate) fn link(&self, from: &[u8], to: &Directory, name: &[u8]) -> io::Result<()> {
        Ok(linkat(&self.place, one(from)?, &to.place, one(name)?, AtFlags::empty())?)
    }

    /// A second name, in this directory, for an open file, even if it was renamed. Errors: `/proc`
    /// is not mounted, or the file has no name any more.
    pub(crate) fn link_open(&self, file: &File, name: &[u8]) -> io::Result<()> {
        let from = proc_path(file);
        let flags = AtFlags::AT_SYMLINK_FOLLOW;
        Ok(linkat(AT_FDCWD, &from, &self.place, one(name)?, flags)?)
    }

    /// symlink(2).
    pub(crate) fn symlink(&self, target: &Path, name: &[u8]) -> io::Result<()> {
        Ok(symlinkat(target, &self.place, one(name)?)?)
    }

    /// readlink(2).
    pub(crate) fn read_link(&self, name: &[u8]) -> io::Result<PathBuf> {
        let target = readlinkat(&self.place, one(name)?)?;
        Ok(fs::path(&target.into_vec()).to_path_buf())
    }

    /// unlink(2).
    pub(crate) fn unlink(&self, name: &[u8]) -> io::Result<()> {
        Ok(unlinkat(&self.place, one(name)?, UnlinkatFlags::NoRemoveDir)?)
    }

    /// mkdir(2) with a mode, less the umask.
    pub(crate) fn mkdir(&self, name: &[u8], mode: u32) -> io::Result<()> {
        Ok(mkdirat(&self.place, one(name)?, Mode::from_bits_truncate(mode))?)
    }

    /// rmdir(2).
    pub(crate) fn rmdir(&self, name: &[u8]) -> io::Result<()> {
        Ok(unlinkat(&self.place, one(name)?, UnlinkatFlags::RemoveDir)?)
    }

    /// Sets the permissions of the directory itself.
    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(fchmod(self.reading()?, Mode::from_bits_truncate(mode))?)
    }

    /// Waits until the directory's entries are on disk; no error if the file system cannot do that
    /// for directories, or if we may write here and not read.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let opened = match self.reading() {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            opened => opened?,
        };
        match opened.sync_all() {
            Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => Ok(()),
            synced => synced,
        }
    }

    /// Removes a directory with its contents, if it is `this`. No link is followed; one of this
    /// name is unlinked. Errors: `DirectoryNotEmpty` if others put files into it meanwhile;
    /// `NotFound` if another directory has the name, from the beginning or meanwhile; ELOOP if it is
    /// deeper than 64 levels.
    pub(crate) fn remove_tree(&self, name: &[u8], this: &Stat) -> io::Result<()> {
        if self.stat(name)?.is_symlink() {
            return self.unlink(name);
        }
        let directory = self.open_directory(name)?;
        if directory.own_stat()?.inode() != this.inode() {
            return Err(error(io::ErrorKind::NotFound));
        }
        directory.remove_contents(MAX_DEPTH)?;
        if self.stat(name)?.inode() != this.inode() {
            return Err(error(io::ErrorKind::NotFound));
        }
        self.rmdir(name)
    }

    fn remove_contents(&self, depth: u32) -> io::Result<()> {
        let below = depth.checked_sub(1).ok_or(Errno::ELOOP)?;
        let mut directories = Vec::new();
        let mut failed = None;
        super::dir::for_each(&self.reading()?, |name, _| match self.unlink(name) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) if e.raw_os_error() == Some(libc::EISDIR) => directories.push(name.to_vec()),
            // What unlink(2) says of a directory by POSIX.
            Err(e) if self.has_directory(name) => {
                drop(e);
                directories.push(name.to_vec());
            }
            Err(e) => {
                failed.get_or_insert(e);
            }
        })?;
        for name in directories {
            let contents = self.open_directory(&name).and_then(|d| d.remove_contents(below));
            match contents.and_then(|()| self.rmdir(&name)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// The whole of a control file, by a path that has no link in it, no more than `limit` bytes: one
/// call instead of entering each directory. `None` if it cannot be had like that.
pub(crate) fn read_control_at(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let file = File::from(enter::open_without_links(path, CAREFULLY).ok()??);
    // Nearly all are short. A short one needs no stat to tell where it ends.
    let mut start = [0; 1024];
    let got = fs::read_start(&file, &mut start).ok()?;
    if got < start.len() && got as u64 <= limit {
        return start.get(..got).map(<[u8]>::to_vec);
    }
    let (file, stat) = regular(file).ok()?;
    fs::read_all(&file, stat.len(), limit).ok()
}

/// The same with what stat(2) said of the file before it was read.
pub(crate) fn read_control_with_stat(path: &Path, limit: u64) -> Option<(Vec<u8>, Stat)> {
    let opened = enter::open_without_links(path, CAREFULLY).ok()??;
    let (file, stat) = regular(File::from(opened)).ok()?;
    Some((fs::read_all(&file, stat.len(), limit).ok()?, stat))
}

fn proc_path(fd: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs as stdfs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> i32 {
        result.unwrap_err().raw_os_error().unwrap()
    }

    #[test]
    fn one_name_and_no_link() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        stdfs::create_dir_all(at("M/cur")).unwrap();
        stdfs::create_dir_all(at("outside")).unwrap();
        stdfs::write(at("outside/secret"), "secret").unwrap();
        stdfs::write(at("M/cur/1"), "mail").unwrap();
        symlink(at("outside/secret"), at("M/cur/2")).unwrap();
        symlink(at("outside"), at("M/new")).unwrap();
        let folder = Directory::enter(&at("M")).unwrap();
        let cur = folder.open_directory(b"cur").unwrap();
        assert_eq!(io::read_to_string(cur.open(b"1").unwrap().0).unwrap(), "mail");
        assert_eq!(errno(cur.open(b"2")), libc::ELOOP);
        assert_eq!(errno(cur.create_new(b"2", 0o600)), libc::EEXIST);
        assert_eq!(errno(folder.open_directory(b"new")), libc::ELOOP);
        assert_eq!(errno(folder.open_directory(b"none")), libc::ENOENT);
        assert_eq!(errno(cur.open_directory(b"1")), libc::ENOTDIR);
        for name in [&b""[..], b".", b"..", b"../outside/secret", b"a/b", b"/", b"a\0b"] {
            assert_eq!(errno(cur.open(name)), libc::EINVAL);
            assert_eq!(errno(cur.unlink(name)), libc::EINVAL);
            assert_eq!(errno(cur.mkdir(name, 0o700)), libc::EINVAL);
            assert_eq!(errno(cur.rename(b"1", &folder, name)), libc::EINVAL);
            assert_eq!(errno(cur.rename_new(name, &folder, b"1")), libc::EINVAL);
            assert_eq!(errno(cur.stat(name)), libc::EINVAL);
            assert_eq!(errno(folder.open_directory(name)), libc::EINVAL);
        }
        // The directory is exchanged: we stay where we are.
        stdfs::rename(at("M/cur"), at("M/old")).unwrap();
        symlink(at("outside"), at("M/cur")).unwrap();
        assert_eq!(errno(cur.open(b"secret")), libc::ENOENT);
        cur.set_mode(0o755).unwrap();
        assert_ne!(stdfs::metadata(at("outside")).unwrap().permissions().mode() & 0o777, 0o777);
        assert_eq!(stdfs::metadata(at("M/old")).unwrap().permissions().mode() & 0o777, 0o755);
        assert!(cur.unlink(b"1").is_ok() && cur.names().unwrap() == [b"2".to_vec()]);
    }

    #[test]
    fn trees() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        stdfs::create_dir_all(at("M/a/b/c")).unwrap();
        stdfs::create_dir_all(at("outside")).unwrap();
        stdfs::write(at("outside/secret"), "secret").unwrap();
        stdfs::write(at("M/a/b/1"), "mail").unwrap();
        symlink(at("outside"), at("M/a/b/2")).unwrap();
        symlink(at("outside"), at("M/link")).unwrap();
        let folder = Directory::enter(&at("M")).unwrap();
        let remove = |name| folder.remove_tree(name, &folder.stat(name)?);
        let outside = Directory::enter(&at("outside")).unwrap().own_stat().unwrap();
        assert_eq!(errno(folder.remove_tree(b"a", &outside)), libc::ENOENT, "it is another one");
        assert!(at("M/a/b/1").exists());
        remove(b"a").unwrap();
        assert_eq!(errno(remove(b"a")), libc::ENOENT);
        remove(b"link").unwrap();
        assert!(!at("M/a").exists() && at("outside/secret").exists());
        stdfs::create_dir_all(at(&format!("M/deep{}", "/x".repeat(70)))).unwrap();
        assert_eq!(errno(remove(b"deep")), libc::ELOOP);
    }

    #[test]
    fn a_rename_by_link_from_a_name_that_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let cur = Directory::enter(home.path()).unwrap();
        std::fs::write(home.path().join("1.a:2,S"), "mail").unwrap();
        // Another host has made 1.a:2, to 1.a:2,S, and link(2) has found the file all the same.
        cur.link(b"1.a:2,S", &cur, b"1.a:2,F").unwrap();
        let dropped = cur.drop_old_name(b"1.a:2,", &cur, b"1.a:2,F");
        assert_eq!(dropped.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(cur.names().unwrap(), [b"1.a:2,S"]);
        // The old name is gone because we have removed it.
        cur.drop_old_name(b"1.a:2,", &cur, b"1.a:2,S").unwrap();
        assert_eq!(cur.names().unwrap(), [b"1.a:2,S"]);
    }
}
