//! The trash: which folder it is, and how old messages are purged from it and from other folders
//! (STORAGE 10.1).

use super::folder_names;
use super::quota::{self, Quota};
use super::{Entered, upkeep};
use crate::sys::breath;
use crate::sys::directory::Directory;
use crate::sys::fs;
use crate::types::Flags;
use crate::types::number::atoi;
use std::path::Path;
use std::rc::Rc;

const DAY: i64 = 86_400;

/// Which folder is purged, and after how many days.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rule {
    /// The folder's name on disk, without the dot in front.
    pub(crate) folder: Vec<u8>,
    /// The age of a message in days at which it is removed; at least 1.
    pub(crate) days: i64,
}

/// The trash folder's name on disk by `IMAP_TRASHFOLDERNAME`: `Trash` if that is unset, empty or
/// not the name of a folder.
pub(crate) fn folder_name(setting: Option<&[u8]>) -> Vec<u8> {
    setting.filter(|n| folder_names::is_valid(n)).unwrap_or(b"Trash").to_vec()
}

/// Parses `IMAP_EMPTYTRASH`: a number of days for the trash folder, or `folder:days,folder:days`.
/// Less than 1 counts as 1, so an empty value purges after a day. Items without a colon are
/// skipped.
pub(crate) fn rules(setting: &[u8], trash: &[u8]) -> Vec<Rule> {
    let rule = |folder: &[u8], days: &[u8]| Rule {
        folder: folder.to_vec(),
        days: atoi(days).clamp(1, i64::MAX / DAY),
    };
    if !setting.iter().any(|b| matches!(b, b':' | b',')) {
        return vec![rule(trash, setting)];
    }
    let item = |item: &[u8]| {
        let colon = memchr::memchr(b':', item)?;
        let (folder, days) = item.split_at_checked(colon)?;
        folder_names::is_valid(folder).then(|| rule(folder, days.get(1..).unwrap_or_default()))
    };
    setting.split(|b| *b == b',').filter_map(item).collect()
}

/// Purges the folders, at login and logout: their new mail moves to `cur`, then files whose inode
/// was not changed for the days of the rule are removed. No lock is taken and no UID given. Folders
/// that do not exist are skipped. How many files were removed.
///
/// `now`, in seconds since 1970, has to be the file system's time, because the times of the files
/// are.
pub(crate) fn purge(root: &Path, rules: &[Rule], quota: &Quota<'_>, now: i64) -> u64 {
    let mut removed = 0u64;
    let Ok(maildir) = Directory::enter(root).map(Rc::new) else { return removed };
    for rule in rules {
        let Ok(folder) = folder_names::enter(&maildir, &rule.folder).map(Entered::of) else {
            continue;
        };
        if folder.cur().is_err() {
            continue;
        }
        upkeep::move_new_to_cur(&folder);
        let before = now.saturating_sub(rule.days.saturating_mul(DAY));
        let charge = quota.begin();
        let (mut bytes, mut messages) = (0u64, 0u64);
        for part in [folder.cur(), folder.new_mail()] {
            let Ok(part) = part else { continue };
            for name in part.names().unwrap_or_default() {
                if breath::breathe().is_err() {
                    break;
                }
                let Ok(stat) = part.stat(&name) else { continue };
                if name.starts_with(b".") || stat.is_dir() || stat.ctime() >= before {
                    continue;
                }
                if let Err(e) = part.unlink(&name) {
                    if !fs::is_gone(&e) {
                        // Of many files with one reason this is one line.
                        log::error!("purging {}: {}", fs::shown(part.path()), fs::error_text(&e));
                    }
                    continue;
                }
                removed = removed.saturating_add(1);
                // A message with \Deleted was subtracted when it got the flag.
                if quota::is_counted_folder(&rule.folder)
                    && quota::is_counted(Flags::of_file_name(&name))
                {
                    bytes = bytes.saturating_add(stat.len());
                    messages = messages.saturating_add(1);
                }
            }
        }
        if let Some(charge) = charge {
            charge.subtract(bytes, messages);
            quota.settle(&charge);
        }
    }
    removed
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::maildir::Config;
    use std::fs as stdfs;

    fn make(root: &Path, name: &str) {
        for part in ["tmp", "new", "cur"] {
            stdfs::create_dir_all(root.join(format!(".{name}")).join(part)).unwrap();
        }
    }

    #[test]
    fn settings() {
        let shown = |setting: &str| -> Vec<String> {
            let name = |r: &Rule| format!("{}={}", String::from_utf8_lossy(&r.folder), r.days);
            rules(setting.as_bytes(), b"Bin").iter().map(name).collect()
        };
        for (setting, expected) in [
            ("7", &["Bin=7"][..]),
            ("", &["Bin=1"]),
            ("0", &["Bin=1"]),
            ("-5", &["Bin=1"]),
            ("x", &["Bin=1"]),
            ("Trash:7", &["Trash=7"]),
            ("Trash:7,Sent.Old:30,nope,Spam:", &["Trash=7", "Sent.Old=30", "Spam=1"]),
            ("../x:1,a/b:1,:3,.x:2,..:1", &[]),
            (",", &[]),
            ("a:99999999999999999999", &["a=106751991167300"]),
        ] {
            assert_eq!(shown(setting), expected, "{setting}");
        }
        assert_eq!(folder_name(None), b"Trash");
        assert_eq!(folder_name(Some(b"")), b"Trash");
        assert_eq!(folder_name(Some(b"../x")), b"Trash");
        assert_eq!(folder_name(Some(b"Bin.old")), b"Bin.old");
    }

    const TODAY: i64 = 0;

    /// Purges, so many days from now.
    fn purge_in(days: i64, root: &Path, rules: &[Rule]) -> u64 {
        let config = Config::default();
        let now = crate::sys::clock::now().0 + days * DAY;
        purge(root, rules, &Quota::new(root, &config), now)
    }

    #[test]
    fn nothing_is_put_over_a_message() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), "Sent");
        let folder = dir.path().join(".Sent");
        stdfs::write(folder.join("new/1.a"), "new").unwrap();
        stdfs::write(folder.join("cur/1.a:2,"), "old").unwrap();
        assert_eq!(purge_in(TODAY, dir.path(), &rules(b"Sent:1", b"Trash")), 0);
        assert_eq!(stdfs::read(folder.join("cur/1.a:2,")).unwrap(), b"old");
        assert_eq!(stdfs::read(folder.join("new/1.a")).unwrap(), b"new");
    }

    #[test]
    fn purges_by_the_inode_change() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), "Trash");
        let folder = dir.path().join(".Trash");
        stdfs::write(folder.join("new/1.a"), "x").unwrap();
        stdfs::write(folder.join("cur/2.b:2,S"), "x").unwrap();
        // An old message that was moved here just now stays.
        crate::sys::fs::set_mtime(&folder.join("cur/2.b:2,S"), 0).unwrap();
        assert_eq!(purge_in(TODAY, dir.path(), &rules(b"Trash:1,None:1", b"Trash")), 0);
        let mut names: Vec<_> = Directory::enter(&folder.join("cur")).unwrap().names().unwrap();
        names.sort();
        assert_eq!(names, [b"1.a:2,".to_vec(), b"2.b:2,S".to_vec()]);
    }

    #[test]
    fn purging_is_accounted_for() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["Old", "Trash"] {
            make(dir.path(), name);
            for file in ["1.a:2,S", "2.b:2,T"] {
                stdfs::write(dir.path().join(format!(".{name}/cur/{file}")), "1234").unwrap();
            }
        }
        stdfs::write(dir.path().join("maildirsize"), "100S\n 4 1\n").unwrap();
        let rule = |f: &str| Rule { folder: f.into(), days: 1 };
        assert_eq!(purge_in(2, dir.path(), &[rule("Old"), rule("Trash")]), 4);
        let size = stdfs::read_to_string(dir.path().join("maildirsize")).unwrap();
        assert_eq!(size, "100S\n 4 1\n          -4           -1\n");
    }
}
