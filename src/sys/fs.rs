//! File calls. Everything in a Maildir is opened so that a link, a FIFO or a device instead of a
//! file does no harm (lib.rs, "The store"), and every change on disk is made by one of the few
//! functions here.

use super::beneath;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::stat::Mode;
use nix::sys::time::TimeSpec;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The path that these bytes spell.
pub(crate) fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// `dir/name`.
pub(crate) fn join(dir: &Path, name: &[u8]) -> PathBuf {
    dir.join(OsStr::from_bytes(name))
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

/// Opening a FIFO does not block, and a terminal does not become ours.
const CAREFULLY: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_CLOEXEC).union(OFlag::O_NOCTTY);

fn regular(file: File) -> io::Result<(File, Metadata)> {
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(not_regular()) }
}

/// Opens a regular file of a folder for reading; a symbolic link is refused (ELOOP; see
/// [`super::beneath`]).
pub(crate) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    regular(beneath::open(path, CAREFULLY, 0)?)
}

/// Opens a regular file that an administrator names, for reading; symbolic links are followed.
pub(crate) fn open_through_link(path: &Path) -> io::Result<(File, Metadata)> {
    regular(File::options().read(true).custom_flags(CAREFULLY.bits()).open(path)?)
}

/// The whole of a control file, no more than `limit` bytes; a larger one is an error
/// (`InvalidData`).
pub(crate) fn read_control(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (file, metadata) = open(path)?;
    read_all(&file, &metadata, limit)
}

/// The whole of an open control file, no more than `limit` bytes.
pub(crate) fn read_all(file: &File, metadata: &Metadata, limit: u64) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::new(io::ErrorKind::InvalidData, "control file too large");
    if metadata.len() > limit {
        return Err(too_large());
    }
    // Control files are replaced, not changed, so the size at opening is final, and no second read
    // has to find the end.
    let size = usize::try_from(metadata.len()).unwrap_or(0);
    if size > 0 {
        let mut data = vec![0; size];
        let got = read_at(file, &mut data, 0)?;
        data.truncate(got);
        return Ok(data);
    }
    let mut data = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut data)?;
    if data.len() as u64 > limit { Err(too_large()) } else { Ok(data) }
}

/// Makes a new file for reading and writing; one that exists already, even as a dangling link, is
/// an error.
pub(crate) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    beneath::open(path, OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL, mode)
}

/// Opens an existing regular file of a folder for appending (maildirsize); a symbolic link is
/// refused.
pub(crate) fn open_append(path: &Path) -> io::Result<(File, Metadata)> {
    regular(beneath::open(path, OFlag::O_RDWR | OFlag::O_APPEND | CAREFULLY, 0)?)
}

/// Opens an existing regular file that an administrator names, for appending; only a link in the
/// last component is refused.
pub(crate) fn open_append_anywhere(path: &Path) -> io::Result<(File, Metadata)> {
    regular(
        File::options()
            .append(true)
            .custom_flags((CAREFULLY | OFlag::O_NOFOLLOW).bits())
            .open(path)?,
    )
}

/// Reads at an offset until the buffer is full or the file ends; how much was read.
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..) {
        if rest.is_empty() {
            break;
        }
        match file.read_at(rest, offset.saturating_add(done as u64)) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// rename(2): replaces `to` in one step.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

/// renameat2(2) with RENAME_NOREPLACE. If the file system does not support that: link(2) and
/// unlink(2). If it has no hard links either (or for a directory): lstat(2) and rename(2).
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use nix::errno::Errno;
    use nix::fcntl::{RenameFlags, renameat2};
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => match link(from, to) {
            Err(e) if no_hard_links(&e) && lstat(to).is_ok() => {
                Err(error(io::ErrorKind::AlreadyExists))
            }
            Err(e) if no_hard_links(&e) => rename(from, to),
            linked => linked.and_then(|()| unlink(from)),
        },
        other => Ok(other?),
    }
}

/// link(2): a second name for a file.
pub(crate) fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::hard_link(from, to)
}

/// A second name for an open file, even if it was renamed. Errors: `/proc` is not mounted, or the
/// file has no name any more.
pub(crate) fn link_open(file: &File, to: &Path) -> io::Result<()> {
    let from = format!("/proc/self/fd/{}", file.as_raw_fd());
    nix::unistd::linkat(AT_FDCWD, from.as_str(), AT_FDCWD, to, AtFlags::AT_SYMLINK_FOLLOW)
        .map_err(Into::into)
}

/// symlink(2).
pub(crate) fn symlink(target: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

/// unlink(2).
pub(crate) fn unlink(path: &Path) -> io::Result<()> {
    nix::unistd::unlink(path).map_err(Into::into)
}

/// mkdir(2) with a mode, less the umask.
pub(crate) fn mkdir(path: &Path, mode: u32) -> io::Result<()> {
    nix::unistd::mkdir(path, Mode::from_bits_truncate(mode)).map_err(Into::into)
}

/// rmdir(2).
pub(crate) fn rmdir(path: &Path) -> io::Result<()> {
    std::fs::remove_dir(path)
}

/// chmod(2).
pub(crate) fn chmod(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// Sets a file's modification time (INTERNALDATE), in whole seconds; a symbolic link is not
/// followed.
#[cfg(test)]
pub(crate) fn set_mtime(path: &Path, seconds: i64) -> io::Result<()> {
    let time = at_second(seconds);
    let follow = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
    nix::sys::stat::utimensat(AT_FDCWD, path, &time, &time, follow).map_err(Into::into)
}

/// Any second: the file system stores the nearest time that it can. (nix's own constructor asserts
/// that the nanoseconds fit into 64 bits, which ends in 2262.)
fn at_second(seconds: i64) -> TimeSpec {
    TimeSpec::new(seconds, 0)
}

/// Sets an open file's modification time, in whole seconds.
pub(crate) fn set_file_mtime(file: &File, seconds: i64) -> io::Result<()> {
    let time = at_second(seconds);
    nix::sys::stat::futimens(file, &time, &time).map_err(Into::into)
}

/// Reserves space for this many bytes without changing a file's size.
///
/// Errors: ENOSPC or EDQUOT if there is no room; EFBIG if files may not become so large;
/// `Unsupported` if that cannot be found out.
pub(crate) fn reserve(file: &File, size: u64) -> io::Result<()> {
    use nix::errno::Errno;
    use nix::fcntl::{FallocateFlags, fallocate};
    let size = libc::off_t::try_from(size).unwrap_or(libc::off_t::MAX);
    match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, size) {
        Ok(()) => Ok(()),
        Err(full @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG)) => Err(full.into()),
        Err(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// close(2), whose result matters: NFS may report a full disk only here.
pub(crate) fn close(file: File) -> io::Result<()> {
    nix::unistd::close(std::os::fd::OwnedFd::from(file)).map_err(Into::into)
}

/// lstat(2).
pub(crate) fn lstat(path: &Path) -> io::Result<Metadata> {
    std::fs::symlink_metadata(path)
}

/// Removes a directory with its contents. No symbolic link is followed, not even one that is made
/// meanwhile.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    std::fs::remove_dir_all(path)
}

/// Whether an error says that there is no file of this name: it was renamed or removed (ESTALE: by
/// another host on a network file system).
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESTALE))
}

/// Whether an error says that a file system has no hard links, or none here.
pub(crate) fn no_hard_links(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EPERM
                | libc::EOPNOTSUPP
                | libc::ENOSYS
                | libc::EMLINK
                | libc::EXDEV
                | libc::EACCES
                | libc::EINVAL
        )
    )
}

/// Whether an error says that we may not write there at all (as opposed to a full disk).
pub(crate) fn is_unwritable(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM | libc::EROFS))
}

/// Whether an error says that the name belongs to something of another type: a link, a FIFO, a
/// device, a directory instead of a file or the other way round.
pub(crate) fn is_out_of_place(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ELOOP | libc::ENOTDIR | libc::EISDIR | libc::ENXIO | libc::ENODEV)
    ) || (error.raw_os_error().is_none() && error.kind() == io::ErrorKind::InvalidInput)
}

/// Whether an error says that a control file exists and cannot be read: it is too large, or we lack
/// the permission.
pub(crate) fn is_unreadable(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied || error.kind() == io::ErrorKind::InvalidData
}

/// Whether an error says that the disk, or the user's share of it, is full, or that the file would
/// be larger than the process may make one (`ulimit -f`).
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG))
}

/// The error that the system would return, with its number: for what is refused before a system
/// call.
pub(crate) fn error(kind: io::ErrorKind) -> io::Error {
    match kind {
        io::ErrorKind::AlreadyExists => io::Error::from_raw_os_error(libc::EEXIST),
        io::ErrorKind::IsADirectory => io::Error::from_raw_os_error(libc::EISDIR),
        io::ErrorKind::InvalidInput => io::Error::from_raw_os_error(libc::EINVAL),
        io::ErrorKind::NotADirectory => io::Error::from_raw_os_error(libc::ENOTDIR),
        io::ErrorKind::NotFound => io::Error::from_raw_os_error(libc::ENOENT),
        io::ErrorKind::StorageFull => io::Error::from_raw_os_error(libc::ENOSPC),
        io::ErrorKind::ResourceBusy => io::Error::from_raw_os_error(libc::EBUSY),
        other => other.into(),
    }
}

/// Waits until a file's content and size are on disk.
pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Waits until a directory's entries are on disk; no error if the file system cannot do that for
/// directories.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    match super::dir::open(path)?.sync_all() {
        Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => Ok(()),
        synced => synced,
    }
}

/// Whether the process may write to a path, by its effective ids.
pub(crate) fn writable(path: &Path) -> bool {
    use nix::unistd::{AccessFlags, faccessat};
    faccessat(AT_FDCWD, path, AccessFlags::W_OK, AtFlags::AT_EACCESS).is_ok()
}

/// The modification time in nanoseconds since 1970.
pub(crate) fn mtime_nanos(metadata: &Metadata) -> i128 {
    i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec())
}

/// A path for the log: on one line, and cut to [`super::log::MAX_PATH`].
pub(crate) fn shown(path: &Path) -> String {
    super::log::shown(path.as_os_str().as_bytes(), super::log::MAX_PATH)
}

/// The system's words for an error, those of `strerror` without Rust's number: `No such file or
/// directory`.
pub(crate) fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
