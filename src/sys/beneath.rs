//! Opens the files of a folder, and never a file elsewhere to which somebody has put a link.
//!
//! openat2(2) with RESOLVE_NO_SYMLINKS, and RESOLVE_BENEATH for paths in our own Maildir that have
//! a `..`, walks the path once, as fast as open(2), and refuses links (ELOOP) and paths that leave
//! the directory (EXDEV). But the directory of a folder may itself be a link: `.Link` folders,
//! `shared`, accounts of a shared index, whose paths are the administrator's (lib.rs, "The store").
//! So after ELOOP the folder's directory is opened through its links, and the rest of the path is
//! opened from there without following any.
//!
//! With a kernel that has no openat2 (before 5.6), O_NOFOLLOW protects the last component only.

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open as plain, openat2};
use nix::sys::stat::Mode;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The directories inside of a folder, which must not be links.
const PARTS: &[&str] = &["cur", "new", "tmp", "courierimapkeywords", "courierimaphieracl"];

static UNKNOWN_TO_KERNEL: AtomicBool = AtomicBool::new(false);

/// Whether a path's last component is one of a folder's own directories.
pub(super) fn is_part(path: &Path) -> bool {
    path.file_name().is_some_and(|name| PARTS.iter().any(|part| name == *part))
}

/// open(2) of a file or directory in a folder; `mode` is for a new file. Errors: ELOOP if the path
/// has a link inside of the folder.
pub(super) fn open(path: &Path, flags: OFlag, mode: u32) -> io::Result<File> {
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(mode);
    if !UNKNOWN_TO_KERNEL.load(Ordering::Relaxed) {
        // RESOLVE_BENEATH takes half a microsecond, so it is used only if the path may lead out.
        let leads_out = memchr::memmem::find(path.as_os_str().as_bytes(), b"../").is_some();
        let beneath = if leads_out && path.is_relative() {
            ResolveFlag::RESOLVE_BENEATH
        } else {
            ResolveFlag::empty()
        };
        match try_open(AT_FDCWD, path, flags, mode, beneath) {
            Err(Errno::ELOOP) => return below_a_link(path, flags, mode),
            Err(Errno::ENOSYS) => UNKNOWN_TO_KERNEL.store(true, Ordering::Relaxed),
            // A missing permission, or a container's filter that does not know the call.
            Err(Errno::EPERM) => {}
            other => return Ok(other?),
        }
    }
    loop {
        match plain(path, flags, mode) {
            Err(Errno::EINTR) => {}
            other => return Ok(File::from(other?)),
        }
    }
}

fn try_open(
    from: BorrowedFd<'_>,
    path: &Path,
    flags: OFlag,
    mode: Mode,
    resolve: ResolveFlag,
) -> Result<File, Errno> {
    // The kernel refuses a mode without O_CREAT.
    let mode = if flags.contains(OFlag::O_CREAT) { mode } else { Mode::empty() };
    let how =
        OpenHow::new().flags(flags).mode(mode).resolve(resolve | ResolveFlag::RESOLVE_NO_SYMLINKS);
    // EAGAIN: a directory was renamed while the kernel checked that the path stays beneath it.
    for _ in 0..100 {
        match openat2(from, path, how) {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            other => return other.map(File::from),
        }
    }
    Err(Errno::EAGAIN)
}

/// Opens the folder's directory through links, and the rest of the path without.
fn below_a_link(path: &Path, flags: OFlag, mode: Mode) -> io::Result<File> {
    let parent = path.parent().unwrap_or(Path::new(""));
    let folder = if is_part(parent) { parent.parent().unwrap_or(Path::new("")) } else { parent };
    let below = path.strip_prefix(folder).map_err(|_| Errno::ELOOP)?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder =
        plain(folder, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    Ok(try_open(folder.as_fd(), below, flags, mode, ResolveFlag::RESOLVE_BENEATH)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for dir in ["M/.a/cur", "M/.b", "outside/cur"] {
            fs::create_dir_all(at(dir)).unwrap();
        }
        fs::write(at("M/.a/cur/1"), "mail").unwrap();
        fs::write(at("outside/secret"), "secret").unwrap();
        fs::write(at("outside/cur/1"), "linked").unwrap();
        symlink(at("outside"), at("M/.link")).unwrap();
        symlink(at("M"), at("N")).unwrap();
        symlink(at("outside/cur"), at("M/.b/cur")).unwrap();
        symlink(at("outside/secret"), at("M/.a/cur/2")).unwrap();
        symlink("1", at("M/.a/cur/3")).unwrap();
        let read = |name: &str| {
            let file = open(&at(name), OFlag::O_RDONLY | OFlag::O_NONBLOCK, 0);
            file.and_then(io::read_to_string).map_err(|e| e.raw_os_error().unwrap_or(0))
        };
        for (name, expected) in [
            ("M/.a/cur/1", Ok("mail")),
            ("M/.a/cur/none", Err(libc::ENOENT)),
            // The folder's directory may be a link, and the way to the Maildir have one.
            ("M/.link/cur/1", Ok("linked")),
            ("N/.a/cur/1", Ok("mail")),
            // What is in a folder may not.
            ("M/.a/cur/2", Err(libc::ELOOP)),
            ("M/.a/cur/3", Err(libc::ELOOP)),
            ("M/.b/cur/1", Err(libc::ELOOP)),
            ("N/.b/cur/1", Err(libc::ELOOP)),
        ] {
            assert_eq!(read(name).as_deref(), expected.as_ref().copied(), "{name}");
        }
        assert!(open(&at("M/.b/cur"), OFlag::O_DIRECTORY, 0).is_err());
        let new = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR;
        assert!(open(&at("M/.b/cur/new"), new, 0o600).is_err());
        assert!(open(&at("M/.a/cur/new"), new, 0o600).is_ok());
        assert_eq!(
            open(&at("M/.a/cur/2"), new, 0o600).unwrap_err().raw_os_error(),
            Some(libc::EEXIST)
        );
        assert!(!at("outside/cur/new").exists());
        // A way out of the working directory.
        assert_eq!(
            open(Path::new("../x"), OFlag::O_RDONLY, 0).unwrap_err().raw_os_error(),
            Some(libc::EXDEV)
        );
    }
}
