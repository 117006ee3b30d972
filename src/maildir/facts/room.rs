//! How much room the facts of an account take.

use super::NAME;
use crate::sys::directory::Directory;
use std::path::Path;

/// How many bytes the files of facts in a Maildir take, of all its folders.
pub(super) fn taken(root: &Path) -> u64 {
    let Ok(root) = Directory::enter(root) else { return 0 };
    let length = |dir: &Directory| match dir.stat(NAME) {
        Ok(stat) if stat.is_file() => stat.len(),
        _ => 0,
    };
    let mut taken = length(&root);
    for name in root.names().unwrap_or_default() {
        if name.starts_with(b".")
            && let Ok(folder) = root.open_directory(&name)
        {
            taken = taken.saturating_add(length(&folder));
        }
    }
    taken
}
