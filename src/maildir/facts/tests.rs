//! What one session has learned, another finds; and what is not whole, nobody believes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::maildir::details::Detail;
use crate::maildir::testing::TestFolder;
use crate::maildir::{Config, Snapshot};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::rc::Rc;

const NAME: &str = "postrider.facts";

/// A session with the folder open.
struct Session<'a> {
    folder: &'a TestFolder,
    snapshot: Snapshot,
    memory: Memory,
}

impl<'a> Session<'a> {
    fn new(folder: &'a TestFolder) -> Session<'a> {
        let snapshot = folder.scan();
        Session { folder, snapshot, memory: Memory::new(&folder.store, folder.dir.path(), false) }
    }

    /// One that knows what this one has saved.
    fn next(&self) -> Session<'a> {
        let mut next = Session::new(self.folder);
        next.snapshot.details = self.snapshot.details.clone();
        next
    }

    fn learn(&mut self, index: usize, payload: &[u8]) {
        let dir = self.folder.enter();
        let stat = dir.stat_message(&self.snapshot.messages.file_name(index)).unwrap();
        self.memory.learn(&mut self.snapshot, (index, &stat), Some(7), Some(payload));
    }

    fn save(&mut self) {
        self.memory.save(&self.folder.store, &self.folder.enter(), &mut self.snapshot);
        self.memory.leave();
    }

    fn find(&mut self, index: usize) -> Option<Vec<u8>> {
        let enter = || Some(Rc::new(self.folder.enter()));
        let detail = self.memory.detail(&enter, &mut self.snapshot, index)?;
        let record = self.memory.record(&enter, &self.snapshot, index, &detail)?;
        Some(record.payload.to_vec())
    }
}

/// Old messages.
fn folder(count: usize) -> TestFolder {
    with(Config { fsync: false, ..Config::default() }, count)
}

fn with(config: Config, count: usize) -> TestFolder {
    let folder = TestFolder::with(config);
    for n in 0..count {
        let name = format!("cur/{}.m:2,", 1000 + n);
        folder.put(&name);
        folder.age(&name, 1000);
    }
    folder
}

#[test]
fn learned_by_one_found_by_the_next() {
    let folder = folder(3);
    let mut one = Session::new(&folder);
    one.learn(0, b"first");
    one.learn(2, b"third");
    assert_eq!((one.find(0), one.find(1)), (Some(b"first".to_vec()), None));
    assert!(!folder.path(NAME).exists());
    one.save();
    let first = one.snapshot.details.generation();
    let mut two = one.next();
    assert_eq!((two.find(0), two.find(1)), (Some(b"first".to_vec()), None));
    // Records are appended, and take the place of others.
    two.learn(0, b"again");
    two.learn(1, b"second");
    two.save();
    let mut three = two.next();
    let found: Vec<_> = (0..3).filter_map(|i| three.find(i)).collect();
    assert_eq!(found, [&b"again"[..], b"second", b"third"]);
    assert_eq!(two.snapshot.details.generation(), first);
    // Nothing new, nothing written.
    let length = folder.path(NAME).metadata().unwrap().len();
    three.save();
    assert_eq!(folder.path(NAME).metadata().unwrap().len(), length);
    assert!(folder.list("tmp").is_empty());
}

/// Every byte of the file is another one, or the file ends there: then a record is as it was, or
/// not there.
#[test]
fn no_damage_is_believed() {
    let folder = folder(2);
    let mut one = Session::new(&folder);
    one.learn(0, b"first");
    one.learn(1, b"second");
    one.save();
    let good = std::fs::read(folder.path(NAME)).unwrap();
    let verify = |bytes: &[u8]| {
        std::fs::write(folder.path(NAME), bytes).unwrap();
        let mut next = one.next();
        let found = [next.find(0), next.find(1)];
        assert!(found[0].as_ref().is_none_or(|found| found == b"first"));
        assert!(found[1].as_ref().is_none_or(|found| found == b"second"));
        found.iter().flatten().count()
    };
    for at in 0..good.len() {
        for bit in [1, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            assert_eq!(verify(&bad), if at < FILE_HEAD { 0 } else { 1 }, "{at}");
        }
        assert!(verify(&good[..at]) < 2, "{at}");
    }
    assert_eq!(verify(&good), 2);
    // Damaged, it is replaced when there is something to save.
    std::fs::write(folder.path(NAME), b"nonsense").unwrap();
    let mut next = one.next();
    next.learn(1, b"anew");
    next.save();
    assert_eq!((next.find(0), next.find(1)), (None, Some(b"anew".to_vec())));
}

#[test]
fn another_folders_file() {
    let (here, there) = (folder(2), folder(2));
    let mut one = Session::new(&here);
    one.learn(0, b"here");
    one.save();
    let mut other = Session::new(&there);
    other.learn(0, b"there");
    other.save();
    std::fs::copy(there.path(NAME), here.path(NAME)).unwrap();
    assert_eq!(one.next().find(0), None);
    // Appending goes on in the file that is there.
    one.learn(1, b"more");
    one.save();
    assert_eq!((one.next().find(0), one.next().find(1)), (None, Some(b"more".to_vec())));
    // A UID that names another message.
    let mut next = one.next();
    next.snapshot.messages.set_file_name(1, b"other:2,");
    assert_eq!(next.find(1), None);
}

/// One session has written the file anew, and another, which has not read that, saves a size.
#[test]
fn a_generation_is_not_taken_back() {
    let folder = folder(2);
    let mut one = Session::new(&folder);
    one.learn(0, b"first");
    one.save();
    let mut two = one.next();
    std::fs::remove_file(folder.path(NAME)).unwrap();
    one.learn(1, b"second");
    one.save();
    let dir = folder.enter();
    let stat = dir.stat_message(&two.snapshot.messages.file_name(0)).unwrap();
    two.memory.learn(&mut two.snapshot, (0, &stat), Some(9), None);
    two.save();
    let mut three = Session::new(&folder);
    assert_eq!(three.snapshot.details.generation(), one.snapshot.details.generation());
    assert_eq!((three.find(0), three.find(1)), (None, Some(b"second".to_vec())));
}

#[test]
fn what_is_in_the_way_is_replaced_or_left() {
    let folder = folder(1);
    folder.put("outside");
    for make in [
        &|| symlink(folder.path("outside"), folder.path(NAME)).unwrap(),
        &|| std::fs::set_permissions(folder.path(NAME), PermissionsExt::from_mode(0o000)).unwrap(),
        &|| folder.write(NAME, ""),
    ] as [&dyn Fn(); 3]
    {
        make();
        let mut one = Session::new(&folder);
        one.learn(0, b"first");
        one.save();
        assert_eq!(one.next().find(0), Some(b"first".to_vec()));
    }
    assert!(folder.read("outside").starts_with("Subject"));
    std::fs::remove_file(folder.path(NAME)).unwrap();
    std::fs::create_dir(folder.path(NAME)).unwrap();
    let mut one = Session::new(&folder);
    one.learn(0, b"first");
    one.save();
    assert!(!one.memory.is_learning() && folder.list("tmp").is_empty());
    assert_eq!(one.find(0), None);
}

#[test]
fn of_little_room_the_newest_messages_have_it() {
    let room = (FILE_HEAD + 3 * (HEAD + 1000)) as u64;
    let folder = with(Config { fsync: false, index_size: room, ..Config::default() }, 5);
    let mut one = Session::new(&folder);
    for index in [4, 0, 1] {
        one.learn(index, &[b'a'; 1000]);
    }
    one.save();
    one.learn(2, &[b'a'; 1000]);
    one.learn(3, &[b'b'; 1000]);
    one.save();
    let mut next = one.next();
    let found: Vec<bool> = (0..5).map(|i| next.find(i).is_some()).collect();
    assert_eq!(found, [false, false, true, true, true]);
    assert!(folder.path(NAME).metadata().unwrap().len() <= room);
    let none = with(Config { fsync: false, index_size: 0, ..Config::default() }, 1);
    let mut one = Session::new(&none);
    one.learn(0, b"x");
    one.save();
    assert!(!none.path(NAME).exists());
}

#[test]
fn a_file_of_which_a_third_is_of_no_use_is_written_anew() {
    let folder = folder(20);
    let mut one = Session::new(&folder);
    let mut generations = std::collections::HashSet::new();
    for round in 0..40u8 {
        for index in 0..20 {
            one.learn(index, &[round; 5000]);
        }
        one.save();
        generations.insert(one.snapshot.details.generation());
    }
    let length = folder.path(NAME).metadata().unwrap().len();
    assert!(length < 1_000_000, "{length}");
    assert!(generations.len() > 2 && generations.len() < 30, "{}", generations.len());
    let mut next = one.next();
    assert!((0..20).all(|i| next.find(i) == Some(vec![39; 5000])));
}

/// First the header was remembered of each message, then the structure with it.
#[test]
fn what_is_learned_in_two_steps_is_there_once() {
    let folder = folder(600);
    let mut one = Session::new(&folder);
    (0..600).for_each(|index| one.learn(index, &[b'h'; 500]));
    one.save();
    (0..600).for_each(|index| one.learn(index, &[b's'; 600]));
    one.save();
    let length = folder.path(NAME).metadata().unwrap().len();
    assert_eq!(length, (FILE_HEAD + 600 * (record::HEAD + 600)) as u64);
    let mut next = one.next();
    assert!((0..600).all(|i| next.find(i) == Some(vec![b's'; 600])));
    // A few more of them are not worth that.
    (0..120).for_each(|index| one.learn(index, &[b't'; 600]));
    one.save();
    let added = folder.path(NAME).metadata().unwrap().len() - length;
    assert_eq!(added, (120 * (record::HEAD + 600)) as u64);
    let mut next = one.next();
    assert!((0..600).all(|i| next.find(i) == Some(vec![if i < 120 { b't' } else { b's' }; 600])));
}

#[test]
fn only_what_everybody_may_read() {
    let folder = folder(3);
    let chmod = |n: usize, mode| {
        let path = folder.path(&format!("cur/{}.m:2,", 1000 + n));
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    [(0, 0o644), (1, 0o600), (2, 0o640)].into_iter().for_each(|(n, mode)| chmod(n, mode));
    let mode = || folder.path(NAME).metadata().unwrap().permissions().mode() & 0o777;
    let mut one = Session::new(&folder);
    one.learn(0, b"open");
    one.save();
    assert_eq!(mode() & 0o444, 0o444);
    one.learn(1, b"closed");
    one.learn(2, b"half");
    one.save();
    assert_eq!((one.next().find(0).is_some(), one.next().find(1)), (true, None));
    assert_eq!(one.next().find(2), None);
    // A file that is made for the closed one is closed, too.
    std::fs::remove_file(folder.path(NAME)).unwrap();
    let mut two = Session::new(&folder);
    (0..3).for_each(|i| two.learn(i, b"x"));
    two.save();
    assert_eq!(mode(), 0o600);
    assert!((0..3).all(|i| two.next().find(i).is_some()));
}

/// What was learned of a young file is looked at once, by another session.
#[test]
fn young_files_are_looked_at() {
    let folder = folder(2);
    let names = ["cur/1000.m:2,", "cur/1001.m:2,"];
    names.iter().for_each(|name| folder.age(name, 5));
    let mut one = Session::new(&folder);
    one.learn(0, b"first");
    one.learn(1, b"second");
    one.save();
    // Rewritten in place, as a filter does it: the same inode.
    std::fs::write(folder.path(names[1]), "Subject: other\n\n").unwrap();
    let mut two = one.next();
    assert_eq!((two.find(0), two.find(1)), (Some(b"first".to_vec()), None));
    // The first session has read it itself; whoever opens the file next compares it.
    assert_eq!(one.find(1), Some(b"second".to_vec()));
    let detail = |session: &Session<'_>, index: usize| {
        let uid = session.snapshot.messages.uid(index).unwrap().get();
        session.snapshot.details.get(uid)
    };
    assert!(detail(&two, 0).is_some_and(|d: Detail| d.is_young) && detail(&two, 1).is_none());
}

#[test]
fn nothing_is_kept_where_nothing_may_be() {
    for config in [
        Config { index: false, ..Config::default() },
        Config { use_locks: false, ..Config::default() },
    ] {
        let folder = with(config, 1);
        let mut one = Session::new(&folder);
        one.learn(0, b"first");
        one.save();
        assert_eq!((one.find(0), folder.path(NAME).exists()), (None, false));
    }
}
