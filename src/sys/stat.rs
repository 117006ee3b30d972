//! What stat(2) says of a file or directory.

use super::fs;
use nix::sys::stat::{FileStat, fstat};
use std::io;
use std::os::fd::AsFd;

/// What stat(2) says of a file or directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat(FileStat);

impl Stat {
    /// Of an open file or directory.
    pub(crate) fn of(file: impl AsFd) -> io::Result<Stat> {
        fstat(file).map(Stat).map_err(|e| fs::of_open(e.into()))
    }

    pub(super) fn new(stat: FileStat) -> Stat {
        Stat(stat)
    }

    fn is(&self, kind: libc::mode_t) -> bool {
        self.0.st_mode & libc::S_IFMT == kind
    }

    /// Whether it is a regular file.
    pub(crate) fn is_file(&self) -> bool {
        self.is(libc::S_IFREG)
    }

    /// Whether it is a directory.
    pub(crate) fn is_dir(&self) -> bool {
        self.is(libc::S_IFDIR)
    }

    /// Whether it is a symbolic link.
    pub(crate) fn is_symlink(&self) -> bool {
        self.is(libc::S_IFLNK)
    }

    /// Device and inode: which file it is.
    pub(crate) fn inode(&self) -> (u64, u64) {
        (self.0.st_dev, self.0.st_ino)
    }

    /// The permissions, without the type.
    pub(crate) fn mode(&self) -> u32 {
        self.0.st_mode & 0o7777
    }

    /// The owner's user id.
    pub(crate) fn uid(&self) -> u32 {
        self.0.st_uid
    }

    /// The group's id.
    pub(crate) fn gid(&self) -> u32 {
        self.0.st_gid
    }

    /// How many names it has.
    pub(crate) fn links(&self) -> u64 {
        self.0.st_nlink
    }

    /// Its size in bytes.
    pub(crate) fn len(&self) -> u64 {
        u64::try_from(self.0.st_size).unwrap_or(0)
    }

    /// The modification time in seconds since 1970.
    pub(crate) fn mtime(&self) -> i64 {
        self.0.st_mtime
    }

    /// The modification time in nanoseconds since 1970.
    pub(crate) fn mtime_nanos(&self) -> i128 {
        i128::from(self.0.st_mtime) * 1_000_000_000 + i128::from(self.0.st_mtime_nsec)
    }

    /// When the inode was last changed, in seconds since 1970.
    pub(crate) fn ctime(&self) -> i64 {
        self.0.st_ctime
    }

    /// When the inode was last changed, in nanoseconds since 1970.
    pub(crate) fn ctime_nanos(&self) -> i128 {
        i128::from(self.0.st_ctime) * 1_000_000_000 + i128::from(self.0.st_ctime_nsec)
    }
}
