//! What lies in a Maildir, to the nanosecond, so that "nothing was changed" is a fact and not a
//! promise; and the copies that the two servers work on.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// All that `stat` tells of a file, but for the time of last access (reading changes it) and link
/// counts of directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    mode: u32,
    uid: u32,
    gid: u32,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    target: Option<PathBuf>,
}

/// Every file and directory below `dir`, by path. Links are not followed.
pub fn listing(dir: &Path) -> io::Result<BTreeMap<PathBuf, Entry>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path)?;
        if meta.is_dir() {
            for entry in fs::read_dir(&path)? {
                todo.push(entry?.path());
            }
        }
        let entry = Entry {
            mode: meta.mode(),
            uid: meta.uid(),
            gid: meta.gid(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            target: fs::read_link(&path).ok(),
        };
        found.insert(path, entry);
    }
    Ok(found)
}

/// The paths that differ between two listings.
pub fn changes(before: &BTreeMap<PathBuf, Entry>, after: &BTreeMap<PathBuf, Entry>) -> Vec<String> {
    let mut out = Vec::new();
    for (path, entry) in before {
        match after.get(path) {
            None => out.push(format!("gone: {}", path.display())),
            Some(now) if now != entry => out.push(format!("changed: {}", path.display())),
            Some(_) => {}
        }
    }
    out.extend(
        after.keys().filter(|p| !before.contains_key(*p)).map(|p| format!("new: {}", p.display())),
    );
    out
}

/// Names at the top of a Maildir that a copy leaves out: a program that would be run, and the ways
/// to other people's mail.
const LEFT_OUT: &[&str] = &["loginexec", "shared-maildirs", "shared-folders"];

/// What was left out of a copy, for the summary.
#[derive(Default)]
pub struct LeftOut(pub Vec<String>);

/// Copies a Maildir with owners, modes and times. Folders behind links are copied as folders, so
/// that nothing that the servers do goes back to the original; what is neither file, directory nor
/// link is left out, and so is the content of `tmp`.
pub fn copy(from: &Path, to: &Path, left_out: &mut LeftOut) -> io::Result<()> {
    copy_dir(from, to, 0, left_out)
}

fn copy_dir(from: &Path, to: &Path, depth: usize, left_out: &mut LeftOut) -> io::Result<()> {
    let meta = fs::metadata(from)?;
    fs::create_dir(to)?;
    let in_tmp = depth > 0 && from.file_name().is_some_and(|n| n == "tmp");
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, name) = (entry.path(), entry.file_name());
        let place = to.join(&name);
        let kind = entry.file_type()?;
        if (depth == 0 && LEFT_OUT.iter().any(|n| name == *n)) || in_tmp {
            if !in_tmp {
                left_out.0.push(name.to_string_lossy().into_owned());
            }
        } else if kind.is_dir() {
            copy_dir(&source, &place, depth + 1, left_out)?;
        } else if kind.is_file() {
            copy_file(&source, &place)?;
        } else if kind.is_symlink() {
            copy_link(&source, &place, depth, left_out)?;
        } else {
            left_out.0.push(format!("{} (not a file)", source.display()));
        }
    }
    finish(to, &meta)
}

fn copy_link(source: &Path, place: &Path, depth: usize, left_out: &mut LeftOut) -> io::Result<()> {
    match fs::metadata(source) {
        Ok(meta) if meta.is_dir() && depth == 0 => copy_dir(source, place, depth + 1, left_out),
        Ok(meta) if meta.is_file() => {
            // A message behind a link: read only, so the original may be its target.
            symlink(fs::canonicalize(source)?, place)?;
            let link = fs::symlink_metadata(source)?;
            lchown(place, Some(link.uid()), Some(link.gid())).or_else(unless_root)
        }
        _ => {
            left_out.0.push(format!("{} (a link)", source.display()));
            Ok(())
        }
    }
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    // Without a new time of access where the system allows it; only the owner may ask for that.
    let quiet = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOATIME | libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(from);
    let mut source = quiet.or_else(|_| File::open(from))?;
    let meta = source.metadata()?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut source, &mut target)?;
    drop(target);
    finish(to, &meta)
}

/// Owner, mode and time of modification (a message's INTERNALDATE), as in the original.
fn finish(to: &Path, meta: &fs::Metadata) -> io::Result<()> {
    chown(to, Some(meta.uid()), Some(meta.gid())).or_else(unless_root)?;
    fs::set_permissions(to, fs::Permissions::from_mode(meta.mode() & 0o7777))?;
    let (seconds, nanos) =
        (u64::try_from(meta.mtime()).unwrap_or(0), u32::try_from(meta.mtime_nsec()).unwrap_or(0));
    File::open(to)?.set_modified(UNIX_EPOCH + Duration::new(seconds, nanos))
}

fn unless_root(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::PermissionDenied { Ok(()) } else { Err(error) }
}

/// Takes what must not be served out of a view of the original that is no copy (an overlay): writes
/// go to the view only.
pub fn tidy(view: &Path, original: &Path, left_out: &mut LeftOut) -> io::Result<()> {
    // Neither file nor directory nor link: a session might wait for it for ever.
    for (path, entry) in listing(view)? {
        if ![libc::S_IFREG, libc::S_IFDIR, libc::S_IFLNK].contains(&(entry.mode & libc::S_IFMT)) {
            left_out.0.push(format!(
                "{} (not a file)",
                original.join(path.strip_prefix(view).unwrap_or(&path)).display()
            ));
            fs::remove_file(path)?;
        }
    }
    for entry in fs::read_dir(view)? {
        let entry = entry?;
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if LEFT_OUT.iter().any(|n| name == *n) {
            left_out.0.push(name.to_string_lossy().into_owned());
            if kind.is_dir() {
                fs::remove_dir_all(entry.path())?
            } else {
                fs::remove_file(entry.path())?
            }
        } else if kind.is_symlink() {
            fs::remove_file(entry.path())?;
            copy_link(&original.join(&name), &entry.path(), 0, left_out)?;
        }
    }
    Ok(())
}
