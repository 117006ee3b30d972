//! Reads directories with a large buffer: a scan of a folder spends its time here.

use super::breath;
use nix::errno::Errno;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
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

/// Most directories that are read are small, and a session may read thousands in a row: so the
/// buffer is on the stack, and nobody clears it.
const BUFFER: usize = 32 * 1024;

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
    let _ = read(dir, &mut [const { MaybeUninit::uninit() }; 128]);
}

/// Reads entries into a buffer, whose words align them as the kernel wants it. The entries.
fn read<'a>(dir: &File, buffer: &'a mut [MaybeUninit<u64>]) -> io::Result<&'a [u8]> {
    let size = size_of_val(buffer);
    // SAFETY: the buffer is valid for its whole length, and the kernel writes no more than that.
    let got =
        unsafe { libc::syscall(libc::SYS_getdents64, dir.as_raw_fd(), buffer.as_mut_ptr(), size) };
    let got = usize::try_from(Errno::result(got)?).unwrap_or(0).min(size);
    // SAFETY: the kernel has filled the first `got` bytes, and `got` is at most the buffer's
    // length.
    Ok(unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), got) })
}

fn records(dir: &File, mut each: impl FnMut(&[u8], EntryKind, u64)) -> io::Result<()> {
    let mut buffer = [const { MaybeUninit::uninit() }; BUFFER / 8];
    loop {
        let mut records = read(dir, &mut buffer)?;
        if records.is_empty() {
            return Ok(());
        }
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
