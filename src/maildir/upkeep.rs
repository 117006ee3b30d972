//! What a session does for every folder it comes across, whatever it came for: new mail moves from
//! `new` to `cur`, and what was left over in `tmp` goes (STORAGE 1.3, 1.5).

use super::dir::Entered;
use super::make_folder;
use super::store::Store;
use crate::sys::clock;
use crate::types::number;

/// How long a file may stay in `tmp`, in seconds (STORAGE 1.5).
pub(super) const TMP_SECONDS: i64 = 36 * 3600;
const DAY: i64 = 24 * 3600;

/// Moves what is in a folder's `new` to its `cur`, for callers that do not scan it. No message is
/// ever replaced: one whose name is taken stays in `new`, and the next scan gives it another name.
pub(super) fn move_new_to_cur(folder: &Entered) {
    let (Ok(new), Ok(cur)) = (folder.new_mail(), folder.cur()) else { return };
    for name in new.names().unwrap_or_default() {
        if !name.starts_with(b".") {
            let suffix: &[u8] = if name.contains(&b':') { b"" } else { b":2," };
            let _ = new.rename_new(&name, cur, &[&*name, suffix].concat());
        }
    }
}

/// Removes what was left over in a folder's `tmp`, not more often than every 20 minutes. `now`:
/// seconds since 1970, by the file system's clock.
pub(super) fn purge_tmp(store: &Store, dir: &Entered, now: i64) {
    if !store.is_purge_due(dir.path()) {
        return;
    }
    let oldest = now.saturating_sub(TMP_SECONDS);
    let Ok(tmp) = dir.tmp() else { return };
    for name in tmp.names().unwrap_or_default() {
        // A name begins with the second of its making. A young file needs no stat.
        let made = number::atoi(&name);
        if made > oldest && made <= now {
            continue;
        }
        let Some(stat) = tmp.stat(&name).ok().filter(|_| !name.starts_with(b".")) else {
            continue;
        };
        if stat.ctime() >= oldest {
            continue;
        }
        if stat.is_dir() {
            let is_first_day = stat.ctime() >= oldest.saturating_sub(DAY);
            make_folder::remove_leftover(tmp, &name, is_first_day);
        } else {
            let _ = tmp.unlink(&name);
        }
    }
}

/// Removes old files from the `tmp` of a provider's folder, where other accounts write.
pub(super) fn purge_shared_tmp(folder: &Entered) {
    let Ok(tmp) = folder.tmp() else { return };
    let oldest = clock::now().0.saturating_sub(TMP_SECONDS);
    for name in tmp.names().unwrap_or_default() {
        if !name.starts_with(b".")
            && tmp.stat(&name).is_ok_and(|stat| !stat.is_dir() && stat.ctime() < oldest)
        {
            let _ = tmp.unlink(&name);
        }
    }
}
