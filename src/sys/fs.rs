//! Calls on open files, files that an administrator names, and what an error of a file call means.
//! What is in a Maildir is reached by [`super::directory`] only.

use super::stat::Stat;
use nix::fcntl::OFlag;
use nix::sys::time::TimeSpec;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The path that these bytes spell.
pub(crate) fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// `dir/name`.
pub(crate) fn join(dir: &Path, name: &[u8]) -> PathBuf {
    dir.join(OsStr::from_bytes(name))
}

/// Opening a FIFO does not block, and a terminal does not become ours.
pub(super) const CAREFULLY: OFlag =
    OFlag::O_NONBLOCK.union(OFlag::O_CLOEXEC).union(OFlag::O_NOCTTY);

/// The file with what stat(2) says of it, if it is a regular one.
pub(super) fn regular(file: File) -> io::Result<(File, Stat)> {
    let stat = Stat::of(&file)?;
    if stat.is_file() {
        Ok((file, stat))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

/// Opens a regular file that an administrator names, for reading; symbolic links are followed.
pub(crate) fn open_through_link(path: &Path) -> io::Result<(File, Stat)> {
    regular(File::options().read(true).custom_flags(CAREFULLY.bits()).open(path)?)
}

/// The whole of an open control file, no more than `limit` bytes.
pub(crate) fn read_all(file: &File, size: u64, limit: u64) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::new(io::ErrorKind::InvalidData, "control file too large");
    if size > limit {
        return Err(too_large());
    }
    // Control files are replaced, not changed, so the size at opening is final, and no second read
    // has to find the end.
    let size = usize::try_from(size).unwrap_or(0);
    if size > 0 {
        let mut data = vec![0; size];
        let got = read_at(file, &mut data, 0)?;
        data.truncate(got);
        return Ok(data);
    }
    let mut data = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut data).map_err(of_open)?;
    if data.len() as u64 > limit { Err(too_large()) } else { Ok(data) }
}

/// Opens an existing regular file that an administrator names, for appending; only a link in the
/// last component is refused.
pub(crate) fn open_append_anywhere(path: &Path) -> io::Result<(File, Stat)> {
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
            Err(e) => return Err(of_open(e)),
        }
    }
    Ok(done)
}

/// Reads the beginning of a file in one call; how much was read. Less than a page, where the buffer
/// has room for more, is the whole of a regular file.
pub(super) fn read_start(file: &File, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read_at(buf, 0) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map_err(of_open),
        }
    }
}

/// Writes all of it at an offset.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Sets a file's modification time (INTERNALDATE), in whole seconds; a symbolic link is not
/// followed.
#[cfg(test)]
pub(crate) fn set_mtime(path: &Path, seconds: i64) -> io::Result<()> {
    let time = at_second(seconds);
    let follow = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
    nix::sys::stat::utimensat(nix::fcntl::AT_FDCWD, path, &time, &time, follow).map_err(Into::into)
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

/// Whether an error says that there is no file of this name: it was renamed or removed (ESTALE: by
/// another host on a network file system).
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESTALE))
}

/// What an error of a call on an open file means: it is never that there is no such file. GlusterFS
/// says so where another host has removed or replaced the file since, for it opens files only when
/// they are read. To take that for a missing file would be to lose what is in the new one.
pub(super) fn of_open(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ENOENT) => io::Error::from_raw_os_error(libc::ESTALE),
        _ => error,
    }
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

/// Whether an error says nothing of the file: the system, the disk or another host is in trouble.
pub(crate) fn is_trouble(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EIO | libc::ESTALE)
    )
}

/// Whether an error says that we may not write there at all (as opposed to a full disk).
pub(crate) fn is_unwritable(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM | libc::EROFS))
}

/// Whether an error says that a name is longer than the file system takes.
pub(crate) fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENAMETOOLONG)
}

/// Whether an error says that a file was replaced by another host.
pub(crate) fn is_stale(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ESTALE)
}

/// Whether an error says that the name belongs to something of another type: a link, a FIFO, a
/// device, a directory instead of a file or the other way round.
pub(crate) fn is_out_of_place(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ELOOP | libc::ENOTDIR | libc::EISDIR | libc::ENXIO | libc::ENODEV)
    ) || (error.raw_os_error().is_none() && error.kind() == io::ErrorKind::InvalidInput)
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
        io::ErrorKind::FileTooLarge => io::Error::from_raw_os_error(libc::EFBIG),
        io::ErrorKind::StorageFull => io::Error::from_raw_os_error(libc::ENOSPC),
        io::ErrorKind::ResourceBusy => io::Error::from_raw_os_error(libc::EBUSY),
        other => other.into(),
    }
}

/// Waits until a file's content and size are on disk.
pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Has the file system begin to write a file, without a wait. Of many files that are to be on disk
/// the first one's sync then takes the rest along. That it cannot be done makes no difference but in
/// time.
pub(crate) fn begin_sync(file: &File) {
    // SAFETY: the call reads and writes no memory of ours; the descriptor is open.
    unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
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
