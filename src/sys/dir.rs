//! Reads directories with a large buffer: a scan of a folder spends its time here.

use super::breath;
use nix::errno::Errno;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// The type of an entry as the directory has it, without a stat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// Something else.
    Other,
    /// The file system does not say.
    Unknown,
}

const BUFFER: usize = 128 * 1024;

/// Calls `each` with every entry's name and kind, `.` and `..` left out, in the directory's own
/// order. An error also if the work is to end ([`breath::breathe`]).
pub(crate) fn for_each(dir: &File, mut each: impl FnMut(&[u8], EntryKind)) -> io::Result<()> {
    records(dir, |name, kind, _| each(name, kind))
}

/// The same with every entry's inode, too.
pub(crate) fn for_each_entry(
    dir: &File,
    each: impl FnMut(&[u8], EntryKind, u64),
) -> io::Result<()> {
    records(dir, each)
}

/// The same with every entry's name and inode.
pub(crate) fn for_each_inode(dir: &File, mut each: impl FnMut(&[u8], u64)) -> io::Result<()> {
    records(dir, |name, _, inode| each(name, inode))
}

/// Reads the first few entries, for what that does to the caches of a network file system: it asks
/// the server, and what was known of the directory's times is forgotten.
pub(crate) fn refresh(dir: &File) {
    // Room for the longest name, and so for one entry at least.
    let _ = read(dir, &mut [0u64; 128]);
}

/// Reads entries into a buffer, whose words align them as the kernel wants it. How many bytes.
fn read(dir: &File, buffer: &mut [u64]) -> io::Result<usize> {
    let size = size_of_val(buffer);
    // SAFETY: the buffer is valid for its whole length, and the kernel writes no more than that.
    let got =
        unsafe { libc::syscall(libc::SYS_getdents64, dir.as_raw_fd(), buffer.as_mut_ptr(), size) };
    let got = Errno::result(got)?;
    Ok(usize::try_from(got).unwrap_or(0).min(size))
}

fn records(dir: &File, mut each: impl FnMut(&[u8], EntryKind, u64)) -> io::Result<()> {
    let mut buffer = vec![0u64; BUFFER / 8];
    loop {
        let got = read(dir, &mut buffer)?;
        if got == 0 {
            return Ok(());
        }
        // SAFETY: the kernel has filled the first `got` bytes, and `got` is at most the buffer's
        // length.
        let mut records = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), got) };
        // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name with its NUL.
        while let Some((head, _)) = records.split_first_chunk::<19>() {
            let length = usize::from(u16::from_ne_bytes([head[16], head[17]]));
            let Some((record, rest)) = records.split_at_checked(length.max(19)) else { break };
            records = rest;
            let name = record.get(19..).unwrap_or_default();
            let name = memchr::memchr(0, name).and_then(|end| name.get(..end)).unwrap_or(name);
            if name == b"." || name == b".." {
                continue;
            }
            let kind = match head[18] {
                libc::DT_REG => EntryKind::File,
                libc::DT_DIR => EntryKind::Dir,
                libc::DT_LNK => EntryKind::Link,
                libc::DT_UNKNOWN => EntryKind::Unknown,
                _ => EntryKind::Other,
            };
            breath::breathe()?;
            let inode = head.first_chunk().map_or(0, |inode| u64::from_ne_bytes(*inode));
            each(name, kind, inode);
        }
    }
}
