//! What a session does for every folder it comes across, whatever it came for: new mail moves from
//! `new` to `cur`, and what was left over in `tmp` goes (STORAGE 1.3, 1.5).

use super::dir::Dir;
use super::make_folder;
use super::store::Store;
use crate::sys::{clock, dir, fs};
use crate::types::number;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How long a file may stay in `tmp`, in seconds (STORAGE 1.5).
pub(super) const TMP_SECONDS: i64 = 36 * 3600;
const DAY: i64 = 24 * 3600;

/// Moves what is in a folder's `new` to its `cur`, for callers that do not scan it. No message is
/// ever replaced: one whose name is taken stays in `new`, and the next scan gives it another name.
pub(super) fn move_new_to_cur(folder: &Path) {
    let new = folder.join("new");
    for name in dir::names(&new).unwrap_or_default() {
        if !name.starts_with(b".") {
            let suffix: &[u8] = if name.contains(&b':') { b"" } else { b":2," };
            let to = fs::join(&folder.join("cur"), &[&*name, suffix].concat());
            let _ = fs::rename_new(&fs::join(&new, &name), &to);
        }
    }
}

/// Removes what was left over in a folder's `tmp`, not more often than every 20 minutes. `now`:
/// seconds since 1970, by the file system's clock.
pub(super) fn purge_tmp(store: &Store, dir: &Dir, now: i64) {
    if !store.is_purge_due(dir.path()) {
        return;
    }
    let oldest = now.saturating_sub(TMP_SECONDS);
    let tmp = dir.tmp();
    for name in dir::names(&tmp).unwrap_or_default() {
        // A name begins with the second of its making. A young file needs no stat.
        let made = number::atoi(&name);
        if made > oldest && made <= now {
            continue;
        }
        let path = fs::join(&tmp, &name);
        let Some(metadata) = fs::lstat(&path).ok().filter(|_| !name.starts_with(b".")) else {
            continue;
        };
        if metadata.ctime() >= oldest {
            continue;
        }
        if metadata.is_dir() {
            let is_first_day = metadata.ctime() >= oldest.saturating_sub(DAY);
            make_folder::remove_leftover(&path, &name, is_first_day);
        } else {
            let _ = fs::unlink(&path);
        }
    }
}

/// Removes old files from the `tmp` of a provider's folder, where other accounts write.
pub(super) fn purge_shared_tmp(folder: &Path) {
    let tmp = folder.join("tmp");
    let oldest = clock::now().0.saturating_sub(TMP_SECONDS);
    for name in dir::names(&tmp).unwrap_or_default() {
        let path = fs::join(&tmp, &name);
        if !name.starts_with(b".")
            && fs::lstat(&path).is_ok_and(|m| !m.is_dir() && m.ctime() < oldest)
        {
            let _ = fs::unlink(&path);
        }
    }
}
