//! Names of folders on disk: the dotted path below a Maildir (`Sent.Old`), which is the directory
//! `.Sent.Old` in it (STORAGE 1.1). The empty name is the Maildir itself.

use crate::sys::directory::Directory;
use crate::sys::{dir, fs};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Whether this is the name of a folder: no empty level, no `/`.
pub(super) fn is_valid(sub: &[u8]) -> bool {
    !sub.iter().any(|b| matches!(b, b'/' | 0)) && !sub.split(|b| *b == b'.').any(<[u8]>::is_empty)
}

/// The directory of a folder: the Maildir itself for an empty name, else `.<sub>` in it.
pub(super) fn directory(root: &Path, sub: &[u8]) -> PathBuf {
    if sub.is_empty() { root.to_path_buf() } else { fs::join(root, &[b".", sub].concat()) }
}

/// Opens the directory of a folder of an open Maildir, which may be a link.
pub(super) fn enter(maildir: &Rc<Directory>, sub: &[u8]) -> io::Result<Rc<Directory>> {
    if sub.is_empty() {
        return Ok(Rc::clone(maildir));
    }
    maildir.enter_child(&[b".", sub].concat()).map(Rc::new)
}

/// The name up to its last dot; empty at the top.
pub(super) fn parent(sub: &[u8]) -> &[u8] {
    memchr::memrchr(b'.', sub).and_then(|dot| sub.get(..dot)).unwrap_or_default()
}

/// Whether `sub` is below `above`, in the same Maildir.
pub(super) fn is_below(sub: &[u8], above: &[u8]) -> bool {
    sub.strip_prefix(above).is_some_and(|rest| rest.starts_with(b"."))
}

/// As [`list`], each name with the inode of its entry.
pub(super) fn list_with_inodes(maildir: &Directory) -> io::Result<Vec<(Vec<u8>, u64)>> {
    let mut subs = Vec::new();
    dir::for_each_inode(&maildir.reading()?, |name, inode| {
        if let Some(sub) = name.strip_prefix(b".").filter(|sub| is_valid(sub)) {
            subs.push((sub.to_vec(), inode));
        }
    })?;
    Ok(subs)
}

/// Every entry of a Maildir that begins with a dot, without that dot and in the directory's order,
/// even what is no folder (STORAGE 1.1).
pub(super) fn list_all(maildir: &Directory) -> io::Result<Vec<Vec<u8>>> {
    let mut subs = Vec::new();
    dir::for_each(&maildir.reading()?, |name, _| {
        if let Some(sub) = name.strip_prefix(b".") {
            subs.push(sub.to_vec());
        }
    })?;
    Ok(subs)
}

/// As [`list_all`], without names that no client could write (`..x`, `.a..b`).
pub(super) fn list(maildir: &Directory) -> io::Result<Vec<Vec<u8>>> {
    let mut subs = list_all(maildir)?;
    subs.retain(|sub| is_valid(sub));
    Ok(subs)
}
