//! Finding a file that is renamed again and again. Every change of a flag is a rename, by any
//! session of any program at any moment. Reading the directory finds the new name of a file that
//! was renamed once. But if it is renamed while we read, its entry is out of date when we come to
//! it, or moves from the part that we have yet to read into the part that we have read. A change of
//! flags can lead to few names only, and a stat of each takes microseconds.

use crate::sys::directory::Directory;

/// The letters of flags, in their order in a name. Other programs use `P`.
const LETTERS: [u8; 6] = *b"DFPRST";
/// How many sets of letters there are.
const SETS: u8 = 1 << LETTERS.len();
/// How often all names are tried: a file may be renamed between two stats.
const ROUNDS: u32 = 3;

/// The name with this base name and the known letters, except that the flags in the bits of
/// `difference` are inverted. Letters that are no flags (other servers keep keywords there) stay at
/// the end.
fn with_flags(base: &[u8], known: &[u8], difference: u8) -> Vec<u8> {
    let mut name = base.to_vec();
    name.extend_from_slice(b":2,");
    let is_set = |n: u8, letter: u8| known.contains(&letter) != (difference >> n & 1 != 0);
    name.extend(
        (0..).zip(LETTERS).filter(|(n, letter)| is_set(*n, *letter)).map(|(_, letter)| letter),
    );
    name.extend(known.iter().filter(|letter| !LETTERS.contains(letter)));
    name
}

/// The letters of a file name with this base name.
fn letters<'n>(base: &[u8], name: &'n [u8]) -> &'n [u8] {
    name.get(base.len()..).and_then(|s| s.strip_prefix(b":2,")).unwrap_or_default()
}

/// The known name, and the names to which a change of one flag leads.
pub(super) fn likely(base: &[u8], name: &[u8]) -> Vec<Vec<u8>> {
    let one = (0..LETTERS.len()).map(|n| 1 << n);
    [0].into_iter()
        .chain(one)
        .map(|difference| with_flags(base, letters(base, name), difference))
        .collect()
}

/// The name that the file with this base name has now, if a change of flags leads to it. The names
/// that differ by few flags from `name`, the last one known, are tried first. A file that is
/// renamed all the time may be missed.
pub(super) fn find(cur: &Directory, base: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    find_in(&[cur], &all(base, name)).map(|(_, name)| name)
}

/// The known name, and all names to which a change of flags leads.
pub(super) fn all(base: &[u8], name: &[u8]) -> Vec<Vec<u8>> {
    let mut differences: Vec<u8> = (0..SETS).collect();
    differences.sort_by_key(|d| d.count_ones());
    differences.iter().map(|d| with_flags(base, letters(base, name), *d)).collect()
}

/// The first of these names that there is in one of these directories, and in which. Each name is
/// looked for in all of them before the next one: a file that goes to and fro between them is
/// missed only if it moves between two stats, in every round.
pub(super) fn find_in(parts: &[&Directory], names: &[Vec<u8>]) -> Option<(usize, Vec<u8>)> {
    (0..ROUNDS).find_map(|_| {
        names.iter().find_map(|name| {
            // A directory of that name is no message, and is not to be moved like one.
            let is_there = |part: &&Directory| part.stat(name).is_ok_and(|stat| !stat.is_dir());
            let part = parts.iter().position(is_there)?;
            Some((part, name.clone()))
        })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_flags_is_found() {
        let cur = tempfile::tempdir().unwrap();
        let open = Directory::enter(cur.path()).unwrap();
        for (known, names) in [
            ("1.a:2,", ["1.a:2,", "1.a:2,D", "1.a:2,DFPRST", "1.a:2,PT"]),
            ("1.a:2,FS", ["1.a:2,", "1.a:2,D", "1.a:2,DFPRST", "1.a:2,PT"]),
            ("1.a", ["1.a:2,", "1.a:2,D", "1.a:2,DFPRST", "1.a:2,PT"]),
            ("1.a:2,Sab", ["1.a:2,Sab", "1.a:2,ab", "1.a:2,FSab", "1.a:2,DFPRSTab"]),
        ] {
            for name in names {
                let at = cur.path().join(name);
                std::fs::write(&at, "").unwrap();
                assert_eq!(
                    find(&open, b"1.a", known.as_bytes()).unwrap(),
                    name.as_bytes(),
                    "{known}"
                );
                assert_eq!(find(&open, b"1", known.as_bytes()), None);
                std::fs::remove_file(&at).unwrap();
            }
            assert_eq!(find(&open, b"1.a", known.as_bytes()), None);
        }
        std::fs::create_dir(cur.path().join("1.a:2,S")).unwrap();
        assert_eq!(find(&open, b"1.a", b"1.a:2,"), None, "a directory is no message");
    }

    #[test]
    fn one_flag_more_or_less_is_likely() {
        let names = likely(b"1.a", b"1.a:2,FS");
        assert_eq!(
            names,
            [
                &b"1.a:2,FS"[..],
                b"1.a:2,DFS",
                b"1.a:2,S",
                b"1.a:2,FPS",
                b"1.a:2,FRS",
                b"1.a:2,F",
                b"1.a:2,FST"
            ]
        );
    }

    /// Somebody changes a flag all the time: mostly it is found.
    #[test]
    fn a_file_that_is_always_renamed_is_found() {
        let cur = tempfile::tempdir().unwrap();
        let open = Directory::enter(cur.path()).unwrap();
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
            let found = (0..1000).filter(|_| find(&open, b"1.a", b"1.a:2,").is_some()).count();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(found > 500, "{found}");
        });
    }
}
