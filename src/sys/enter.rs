//! Opens the directory of a folder by its path, the one place where links are followed.
//!
//! Most paths have no link in them, and openat2(2) with RESOLVE_NO_SYMLINKS opens them in one call.
//! But a folder's directory may be a link, and the way to it may have one: `.Link` folders,
//! `shared`, accounts of a shared index, an absolute `MAILDIR` (lib.rs, "The store"). Those are
//! walked one component at a time. The owner of a shared folder can put a link there, too, to a
//! directory of whoever opens it, which would then be read and changed as the shared folder. So a
//! link is followed only if root made it, or we, or the owner of the directory to which it leads.

use super::stat::Stat;
use super::user;
use nix::errno::Errno;
use nix::fcntl::{
    AT_FDCWD, OFlag, OpenHow, ResolveFlag, open as plain, openat, openat2, readlinkat,
};
use nix::sys::stat::Mode;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicBool, Ordering};

/// How many links one path may have, as the kernel limits it.
const MAX_LINKS: u32 = 40;

/// A descriptor that stands for a place and needs no permission to read it.
pub(super) const PLACE: OFlag = OFlag::O_PATH.union(OFlag::O_CLOEXEC);

static UNKNOWN_TO_KERNEL: AtomicBool = AtomicBool::new(false);

/// Opens a directory as a place (O_PATH). Errors: ELOOP for a link that is not followed, EXDEV for
/// a relative path that leads out of the working directory.
pub(super) fn enter(path: &Path) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    if leads_out(path) {
        return Err(Errno::EXDEV.into());
    }
    match at_once(path, PLACE | OFlag::O_DIRECTORY)? {
        Some(place) => Ok(place),
        None => enter_from(plain(".", PLACE | OFlag::O_DIRECTORY, Mode::empty())?, path),
    }
}

/// Opens a path that has no link in it. `None`: it may have one, or it leads out of the working
/// directory, or the kernel cannot tell.
pub(super) fn open_without_links(path: &Path, flags: OFlag) -> io::Result<Option<OwnedFd>> {
    if leads_out(path) { Ok(None) } else { at_once(path, flags) }
}

/// Whether a relative path may lead out of the working directory.
fn leads_out(path: &Path) -> bool {
    memchr::memmem::find(path.as_os_str().as_bytes(), b"..").is_some()
        && path.is_relative()
        && path.components().any(|c| c == Component::ParentDir)
}

/// Opens a path in one call. `None` where it has to be walked.
fn at_once(path: &Path, flags: OFlag) -> io::Result<Option<OwnedFd>> {
    if UNKNOWN_TO_KERNEL.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    match openat2(AT_FDCWD, path, how) {
        Ok(opened) => Ok(Some(opened)),
        Err(Errno::ENOSYS) => {
            UNKNOWN_TO_KERNEL.store(true, Ordering::Relaxed);
            Ok(None)
        }
        // A link, a container's filter that does not know the call, or what another host has
        // replaced.
        Err(Errno::ELOOP | Errno::EPERM | Errno::EINTR | Errno::EAGAIN | Errno::ESTALE) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// As [`enter`], from an open directory.
pub(super) fn enter_from(from: OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let place = walk(from, path, &mut 0)?;
    if Stat::of(&place)?.is_dir() { Ok(place) } else { Err(Errno::ENOTDIR.into()) }
}

/// Walks a path from a directory, one component at a time.
fn walk(from: OwnedFd, path: &Path, links: &mut u32) -> io::Result<OwnedFd> {
    let mut at = from;
    for component in path.components() {
        let name = match component {
            Component::RootDir => {
                at = plain("/", PLACE | OFlag::O_DIRECTORY, Mode::empty())?;
                continue;
            }
            Component::CurDir | Component::Prefix(_) => continue,
            Component::ParentDir | Component::Normal(_) => component.as_os_str(),
        };
        let next = openat(&at, name, PLACE | OFlag::O_NOFOLLOW, Mode::empty())?;
        let found = Stat::of(&next)?;
        if !found.is_symlink() {
            at = next;
            continue;
        }
        *links = links.saturating_add(1);
        if *links > MAX_LINKS {
            return Err(Errno::ELOOP.into());
        }
        let target = readlinkat(&next, "")?;
        let there = walk(at, Path::new(&target), links)?;
        let trusted = [0, user::euid(), Stat::of(&there)?.uid()];
        if !trusted.contains(&found.uid()) {
            return Err(Errno::ELOOP.into());
        }
        at = there;
    }
    Ok(at)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{lchown, symlink};

    #[test]
    fn links() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for dir in ["M/.a/cur", "outside/cur", "theirs"] {
            fs::create_dir_all(at(dir)).unwrap();
        }
        fs::write(at("M/file"), "").unwrap();
        symlink(at("outside"), at("M/.link")).unwrap();
        symlink("../outside", at("M/.relative")).unwrap();
        symlink("M", at("N")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("M/file", at("M/.file")).unwrap();
        let enter = |name: &str| {
            let entered = super::enter(&at(name));
            entered.map(|fd| Stat::of(fd).unwrap().inode().1).map_err(|e| e.raw_os_error().unwrap())
        };
        let inode = |name: &str| {
            use std::os::unix::fs::MetadataExt;
            Ok(fs::metadata(at(name)).unwrap().ino())
        };
        assert_eq!(enter("M/.a"), inode("M/.a"));
        assert_eq!(enter("M/.link"), inode("outside"));
        assert_eq!(enter("M/.relative"), inode("outside"));
        assert_eq!(enter("N/.a/cur"), inode("M/.a/cur"));
        assert_eq!(enter("M/../N/.link/cur"), inode("outside/cur"));
        assert_eq!(enter("M/none"), Err(libc::ENOENT));
        assert_eq!(enter("M/file"), Err(libc::ENOTDIR));
        assert_eq!(enter("N/file"), Err(libc::ENOTDIR));
        assert_eq!(enter("loop"), Err(libc::ELOOP));
        // A way out of the working directory.
        let out = super::enter(Path::new("../x")).unwrap_err();
        assert_eq!(out.raw_os_error(), Some(libc::EXDEV));
        if user::euid() != 0 {
            eprintln!("left out: it takes root to make somebody else's link");
            return;
        }
        // Somebody else's link to what is not theirs.
        lchown(at("M/.link"), Some(65534), None).unwrap();
        assert_eq!(enter("M/.link"), Err(libc::ELOOP));
        lchown(at("outside"), Some(65534), None).unwrap();
        assert_eq!(enter("M/.link"), inode("outside"));
        lchown(at("N"), Some(65534), None).unwrap();
        assert_eq!(enter("N/.a"), Err(libc::ELOOP));
    }
}
