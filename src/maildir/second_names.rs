//! One file under two names of one message: a rename by link(2) and unlink(2) that was cut short
//! (as by a crash), or a hand. It is one message, so EXPUNGE removes both names: the other one
//! would bring the message back.

use super::Entered;
use super::messages::Messages;
use crate::sys::dir;
use crate::sys::directory::Directory;
use crate::sys::stat::Stat;
use std::rc::Rc;

/// For how long (in nanoseconds) a file must not have changed before one of its two names goes by
/// itself. Until then somebody may be in the middle of a rename, and will remove the other name.
const MIN_AGE: i128 = 600_000_000_000;

/// From when on (in nanoseconds) all sessions take the same one of two names. A rename is done much
/// sooner, whatever the clocks of other hosts say.
const AGREED_AGE: i128 = 60_000_000_000;

/// The names in `cur` and `new` that are not those of their messages, as far as they are known to
/// one EXPUNGE.
#[derive(Default)]
pub(crate) struct SecondNames(Option<Vec<SecondName>>);

struct SecondName {
    /// The position of the message.
    of: usize,
    part: Rc<Directory>,
    name: Vec<u8>,
}

impl SecondNames {
    /// Looks for them, before a file with this stat is removed. The directories are read once, and
    /// only if there is a file with two links. Later than the removal would be too late: whoever
    /// takes \Deleted away by link(2) and unlink(2) in that moment has been told OK.
    pub(super) fn look(&mut self, dir: &Entered, messages: &Messages, stat: &Stat) {
        if stat.links() < 2 || self.0.is_some() {
            return;
        }
        let mut found = Vec::new();
        let index = messages.index(|_| {});
        for part in [dir.cur(), dir.new_mail()].into_iter().flatten() {
            // What cannot be read holds nothing that a scan would show.
            let _ = part.reading().and_then(|open| {
                dir::for_each(&open, |name, _| {
                    let i = messages.find(&index, name).filter(|i| !messages.is_named(*i, name));
                    found.extend(i.map(|of| SecondName {
                        of,
                        part: Rc::clone(part),
                        name: name.to_vec(),
                    }));
                })
            });
        }
        self.0 = Some(found);
    }

    /// Removes the second names of a message whose file, with this stat, was removed or moved away.
    pub(super) fn remove(&self, i: usize, stat: &Stat) {
        let names = self.0.iter().flatten().filter(|second| second.of == i);
        for SecondName { part, name, .. } in names {
            if part.stat(name).is_ok_and(|second| is_same_file(&second, stat)) {
                let _ = part.unlink(name);
            }
        }
    }
}

pub(super) fn is_same_file(a: &Stat, b: &Stat) -> bool {
    a.inode() == b.inode()
}

/// Whether a file with this stat has had its two names for so long that nobody is about to remove
/// one. `now`: nanoseconds since 1970, no later than the file system's time.
pub(super) fn is_agreed(stat: &Stat, now: i128) -> bool {
    stat.ctime_nanos().saturating_add(AGREED_AGE) < now
}

/// Removes the name `second` of the file that has the name `kept` in `cur`, too, if the file has
/// been as it is for some time. Only under the folder's lock, so that nobody else removes `kept`
/// for the same reason. `now`: nanoseconds since 1970, no later than the file system's time.
pub(super) fn remove_settled(
    (part, second): (&Directory, &[u8]),
    (cur, kept): (&Directory, &[u8]),
    now: i128,
) {
    let (Ok(a), Ok(b)) = (part.stat(second), cur.stat(kept)) else { return };
    let is_settled = a.ctime_nanos().saturating_add(MIN_AGE) < now;
    if is_same_file(&a, &b) && b.is_file() && b.links() > 1 && is_settled {
        let _ = part.unlink(second);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sys::clock;
    use std::fs;

    #[test]
    fn a_second_name_goes_in_time_and_never_the_last_one() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let cur = Directory::enter(home.path()).unwrap();
        for (name, text) in [("1.x:2,", "one"), ("1.x:2,F", "another")] {
            fs::write(at(name), text).unwrap();
        }
        fs::hard_link(at("1.x:2,"), at("1.x:2,S")).unwrap();
        let remove = |second: &[u8], kept: &[u8], seconds: i128| {
            let now = clock::now_nanos() + seconds * 1_000_000_000;
            remove_settled((&cur, second), (&cur, kept), now);
            cur.stat(second).is_err()
        };
        assert!(!remove(b"1.x:2,S", b"1.x:2,", 500), "somebody may be renaming it");
        assert!(!remove(b"1.x:2,F", b"1.x:2,", 700), "it is another file");
        assert!(remove(b"1.x:2,S", b"1.x:2,", 700));
        assert!(!remove(b"1.x:2,", b"1.x:2,", 700), "it has one name");
        fs::hard_link(at("1.x:2,"), at("2.x:2,")).unwrap();
        assert!(!remove(b"1.x:2,", b"1.x:2,S", 700), "the other name is gone");
    }
}
