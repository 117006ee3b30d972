//! Small files that are replaced as a whole: written beside, in a `tmp`, and renamed, so that
//! nobody ever reads half of one.

use crate::sys::{clock, dir, fs, user};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How often a name in `tmp` may turn out to be taken.
const TRIES: u32 = 100;

/// A new file in `tmp`: `<sec>.M<usec>P<pid>_<kind>.<host>` (STORAGE 4.1, 5.2), with its path.
pub(crate) fn temporary(
    tmp: &Path,
    kind: &str,
    host: &[u8],
    mode: u32,
) -> io::Result<(File, PathBuf)> {
    let pid = user::pid();
    for attempt in 0..TRIES {
        let (seconds, micros) = clock::now();
        let again = if attempt == 0 { String::new() } else { format!("_{attempt}") };
        let name =
            [format!("{seconds}.M{micros}P{pid}_{kind}{again}.").as_bytes(), &safe_host(host)]
                .concat();
        let path = fs::join(tmp, &name);
        match fs::create_new(&path, mode) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => return Ok((other?, path)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A host name as a part of a file name: without `/`.
pub(crate) fn safe_host(host: &[u8]) -> Vec<u8> {
    host.iter().map(|b| if *b == b'/' || *b == 0 { b'_' } else { *b }).collect()
}

/// Puts `data` in the place of `target`, by way of a file in `tmp`.
pub(crate) fn replace(
    tmp: &Path,
    target: &Path,
    kind: &str,
    host: &[u8],
    mode: u32,
    data: &[u8],
) -> io::Result<()> {
    let (mut file, path) = temporary(tmp, kind, host, mode)?;
    let done = file.write_all(data).and_then(|()| {
        drop(file);
        fs::rename(&path, target)
    });
    if done.is_err() {
        let _ = fs::unlink(&path);
    }
    done
}

/// Moves what is in a folder's `new` to its `cur`, where no scan is made. Nothing is ever put over
/// a message: one whose name is taken stays where it is, and the next scan gives it a name of its
/// own.
pub(crate) fn take_in(folder: &Path) {
    for name in dir::names(&folder.join("new")).unwrap_or_default() {
        if !name.starts_with(b".") {
            let suffix: &[u8] = if name.contains(&b':') { b"" } else { b":2," };
            let to = fs::join(&folder.join("cur"), &[&*name, suffix].concat());
            let _ = fs::rename_new(&fs::join(&folder.join("new"), &name), &to);
        }
    }
}

/// Whether an error says that there is nothing of that name.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether this is the name of a folder below a Maildir: levels that are not empty, no `/`.
pub(crate) fn is_name(sub: &[u8]) -> bool {
    !sub.iter().any(|b| matches!(b, b'/' | 0)) && !sub.split(|b| *b == b'.').any(<[u8]>::is_empty)
}

/// The directory of a folder: the Maildir itself for an empty name, else `.<sub>` in it.
pub(crate) fn folder(root: &Path, sub: &[u8]) -> PathBuf {
    if sub.is_empty() { root.to_path_buf() } else { fs::join(root, &[b".", sub].concat()) }
}

/// The part of a dotted name before its last dot; empty at the top.
pub(crate) fn parent(sub: &[u8]) -> &[u8] {
    memchr::memrchr(b'.', sub).and_then(|dot| sub.get(..dot)).unwrap_or_default()
}

/// The folders of a Maildir as its directory has them: every entry that starts with a dot, without
/// that dot. Names that no client could write (`.`, `..`, `..x`, `.a..b`) are left out.
pub(crate) fn folders(root: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut subs = super::folders::list_own(root)?;
    subs.retain(|sub| is_name(sub));
    Ok(subs)
}

/// Whether `sub` lies below `above`, both dotted names of one Maildir.
pub(crate) fn is_below(sub: &[u8], above: &[u8]) -> bool {
    sub.strip_prefix(above).is_some_and(|rest| rest.starts_with(b"."))
}
