//! A file that is not under the name that we know: every change of a flag is a rename, by any session of any program at any moment, so a
//! missing name says little. Reading the directory finds the new name, but not that of a file which is renamed again and again while we
//! read: the entry that we see is old when we come to it, and a file that moves from what we have yet to read to what we have read is not
//! seen at all. The names that a change of flags can lead to are few, and asking for each takes microseconds.

use crate::sys::fs;
use std::path::Path;

/// The letters of flags, in the order in which they stand in a name. `P` is kept by other programs.
const LETTERS: [u8; 6] = *b"DFPRST";
/// How many sets of them there are.
const SETS: u8 = 1 << LETTERS.len();
/// How often all of them are asked for: a file may change its name between two questions.
const ROUNDS: u32 = 3;

/// The name that the file of this base has now, if it is one that a change of flags leads to; the likely ones are asked for first: those
/// that differ by few flags from `name`, by which it was last known.
pub(super) fn find(cur: &Path, base: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let known = name.get(base.len()..).and_then(|s| s.strip_prefix(b":2,")).unwrap_or_default();
    let known = LETTERS.iter().rev().fold(0, |set, letter| set << 1 | u8::from(known.contains(letter)));
    let mut differences: Vec<u8> = (0..SETS).collect();
    differences.sort_by_key(|d| d.count_ones());
    for _ in 0..ROUNDS {
        for difference in &differences {
            let mut name = base.to_vec();
            name.extend_from_slice(b":2,");
            name.extend((0..).zip(LETTERS).filter(|(n, _)| (known ^ difference) >> n & 1 != 0).map(|(_, letter)| letter));
            if fs::lstat(&fs::join(cur, &name)).is_ok() {
                return Some(name);
            }
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_flags_is_found() {
        let cur = tempfile::tempdir().unwrap();
        for known in ["1.a:2,", "1.a:2,FS", "1.a", "1.a:2,XYZ"] {
            for name in ["1.a:2,", "1.a:2,D", "1.a:2,DFPRST", "1.a:2,PT"] {
                let at = cur.path().join(name);
                std::fs::write(&at, "").unwrap();
                assert_eq!(find(cur.path(), b"1.a", known.as_bytes()).unwrap(), name.as_bytes(), "{known}");
                assert_eq!(find(cur.path(), b"1", known.as_bytes()), None);
                std::fs::remove_file(&at).unwrap();
            }
            assert_eq!(find(cur.path(), b"1.a", known.as_bytes()), None);
        }
    }

    /// Somebody changes a flag all the time.
    #[test]
    fn a_restless_file_is_found() {
        let cur = tempfile::tempdir().unwrap();
        let (a, b) = (cur.path().join("1.a:2,"), cur.path().join("1.a:2,F"));
        std::fs::write(&a, "").unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::fs::rename(&a, &b).unwrap();
                    std::fs::rename(&b, &a).unwrap();
                }
            });
            let found = (0..1000).filter(|_| find(cur.path(), b"1.a", b"1.a:2,").is_some()).count();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(found, 1000);
        });
    }
}
