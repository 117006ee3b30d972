//! Moving mail from `new` to `cur` (STORAGE 1.3), while others do the same.

use super::FolderReading;
use crate::maildir::messages::bit;
use crate::maildir::second_names::is_same_file;
use crate::maildir::{renamed, second_names};
use crate::sys::directory::Directory;
use crate::sys::{breath, fs};
use std::io;

/// How often a file is followed that goes to and fro between `new` and `cur`.
const MAX_MOVES: u32 = 10;

impl FolderReading<'_> {
    /// Moves files from `new` to `cur` (STORAGE 1.3). A file that cannot be moved stays, and the
    /// next scan tries again.
    pub(in crate::maildir) fn move_new(&mut self, names: Vec<Vec<u8>>, now: i128) {
        let dir = self.dir;
        let (Ok(new_mail), Ok(cur)) = (dir.new_mail(), dir.cur()) else { return };
        for name in names {
            // What stays in `new` is found by the next scan.
            if breath::breathe().is_err() {
                self.hides = true;
                break;
            }
            let known = self.messages.find(&self.index, &name);
            let is_done = match known.filter(|i| self.messages.has(*i, bit::FOUND)) {
                Some(i) => self.is_done_with_second(i, (new_mail, &name), cur, now),
                None => false,
            };
            if !is_done {
                self.move_to_cur(known, (new_mail, &name), cur);
            }
        }
    }

    /// A name in `new` of a message that was found already. `false`: it was put back there after
    /// `cur` was read, and has to be moved as if before.
    fn is_done_with_second(
        &mut self,
        i: usize,
        (new_mail, name): (&Directory, &[u8]),
        cur: &Directory,
        now: i128,
    ) -> bool {
        // It may have gone to `cur` again.
        let Ok(second) = new_mail.stat(name) else { return true };
        let mut kept = self.messages.file_name(i);
        let mut first = cur.stat(&kept);
        if first.as_ref().is_err_and(fs::is_gone) {
            let Some(renamed) = renamed::find(cur, self.messages.base_name(i), &kept) else {
                return false;
            };
            first = cur.stat(&renamed);
            kept = renamed;
        }
        match first {
            Ok(first) if is_same_file(&second, &first) => {
                second_names::remove_settled((new_mail, name), (cur, &kept), now);
            }
            Ok(_) => self.rename_to_unique(new_mail, name),
            // What cannot be told now, the next scan will tell.
            Err(_) => self.hides = true,
        }
        true
    }

    /// Moves a file from `new` to `cur`. `known`: the position of its message.
    fn move_to_cur(
        &mut self,
        known: Option<usize>,
        (new_mail, name): (&Directory, &[u8]),
        cur: &Directory,
    ) {
        if name.contains(&b'\n') {
            return self.rename_to_unique(new_mail, name);
        }
        let mut name = name.to_vec();
        for _ in 0..MAX_MOVES {
            let mut target = name.clone();
            if !name.contains(&b':') {
                target.extend_from_slice(b":2,");
            }
            match new_mail.rename_new(&name, cur, &target) {
                Ok(()) => match known {
                    // It was in `cur` before, and keeps its UID.
                    Some(i) => self.found(i, &target, 0),
                    None => self.add(&target, 0),
                },
                // The name is taken, or too long with its `:2,`.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists || fs::is_too_long(&e) => {
                    self.rename_to_unique(new_mail, &name);
                }
                // It may have gone to `cur` in this very moment, and may come back in the next.
                Err(e) if fs::is_gone(&e) => {
                    let Some(i) = known else { return };
                    let base = self.messages.base_name(i);
                    let mut candidates = renamed::all(base, &target);
                    candidates.insert(0, base.to_vec());
                    match renamed::find_in(&[cur, new_mail], &candidates) {
                        Some((0, now)) => self.found(i, &now, 0),
                        Some((_, now)) => {
                            name = now;
                            continue;
                        }
                        None => {}
                    }
                }
                Err(e) => self.cannot_be_moved(new_mail, &e),
            }
            return;
        }
        self.hides = true;
    }
}
