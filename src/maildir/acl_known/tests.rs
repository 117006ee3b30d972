//! The file as bytes, and beside a session without it.

use super::*;
use crate::maildir::pattern::Pattern;
use crate::maildir::resolve::Namespace;
use crate::maildir::resolve::tests::{World, folder};
use crate::types::Rights;
use proptest::prelude::*;
use std::fs as stdfs;
use std::path::PathBuf;
use std::time::Duration;

const FOLDERS: usize = 24;
const TEXTS: [&str; 4] = [
    "owner aceilrstwx\nadministrators aceilrstwx\n",
    "owner lr\nadministrators aceilrstwx\n",
    "owner xr\nadministrators aceilrstwx\n",
    "",
];

fn world() -> World {
    let world = World::new();
    for n in 0..FOLDERS {
        folder(&world.at(&format!("joe/.k{n}")));
    }
    world
}

fn acls(world: &World) -> PathBuf {
    world.at("joe/postrider.acls")
}

/// What LIST finds: names and rights.
fn list(names: &Namespace) -> Vec<(Vec<u8>, Option<Rights>)> {
    let pattern = Pattern::new(b"INBOX*").unwrap();
    let listed = names.list(&pattern.into()).unwrap();
    listed.into_iter().map(|listed| (listed.name, listed.rights)).collect()
}

/// Lists until all are noted: those that are too young are not.
fn learn(world: &World) {
    for _ in 0..100 {
        list(&world.as_user("joe", ""));
        let known = stdfs::read(acls(world)).ok().and_then(|data| decode(&data));
        if known.is_some_and(|(_, entries)| entries.len() >= FOLDERS + 3) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("not all was written down");
}

#[test]
fn damaged_or_not() {
    let texts = vec![b"owner lr\n".to_vec(), Vec::new()];
    let entry = |inode, text| Entry { inode, mtime: -1, ctime: i64::MAX, length: 9, text };
    let entries = vec![entry(1, 0), entry(7, 1), entry(u64::MAX, 0)];
    let data = encode(&texts, &entries);
    assert_eq!(decode(&data), Some((texts.clone(), entries)));
    for at in 0..data.len() {
        assert_eq!(decode(&data[..at]), None);
        let mut flipped = data.clone();
        flipped[at] ^= 4;
        assert_eq!(decode(&flipped), None);
    }
    // Right as a whole, and wrong in itself.
    assert_eq!(decode(&encode(&texts, &[entry(1, 2)])), None);
    assert_eq!(decode(&encode(&texts, &[entry(2, 0), entry(1, 0)])), None);
    assert_eq!(decode(&[&encode(&texts, &[]), &b"x"[..]].concat()), None);
}

#[test]
fn what_is_known_is_not_read() {
    let world = world();
    learn(&world);
    let right = list(&world.as_user("joe", ""));
    let data = stdfs::read(acls(&world)).unwrap();
    let (mut texts, entries) = decode(&data).unwrap();
    // Other texts show that they were taken from here.
    for text in &mut texts {
        *text = TEXTS[2].into();
    }
    stdfs::write(acls(&world), encode(&texts, &entries)).unwrap();
    assert_eq!(list(&world.as_user("joe", "")).len(), 1, "the INBOX has no list of its own");
    assert_eq!(list(&world.without_index("joe")), right);
    for damaged in [&data[..data.len() - 1], &b""[..], &b"x"[..]] {
        stdfs::write(acls(&world), damaged).unwrap();
        assert_eq!(list(&world.as_user("joe", "")), right);
    }
    // What is in its way is left alone.
    stdfs::remove_file(acls(&world)).unwrap();
    stdfs::create_dir(acls(&world)).unwrap();
    assert_eq!(list(&world.as_user("joe", "")), right);
}

#[test]
fn few_folders_have_none() {
    let world = World::new();
    for _ in 0..5 {
        list(&world.as_user("joe", ""));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!acls(&world).exists());
}

#[derive(Clone, Debug)]
enum Step {
    /// Replaces a list by a rename, as Courier does.
    Replace(usize, usize),
    /// Writes into it.
    Write(usize, usize),
    Remove(usize),
    /// Two folders change their names.
    Exchange(usize, usize),
    /// A folder becomes a link to another one, or comes back.
    Link(usize, usize),
    Settle,
    List,
}

fn step() -> impl Strategy<Value = Step> {
    let two = || (0..FOLDERS, 0..FOLDERS);
    prop_oneof![
        3 => (0..FOLDERS, 0..TEXTS.len()).prop_map(|(n, text)| Step::Replace(n, text)),
        3 => (0..FOLDERS, 0..TEXTS.len()).prop_map(|(n, text)| Step::Write(n, text)),
        1 => (0..FOLDERS).prop_map(Step::Remove),
        2 => two().prop_map(|(a, b)| Step::Exchange(a, b)),
        1 => two().prop_map(|(a, b)| Step::Link(a, b)),
        2 => Just(Step::Settle),
        4 => Just(Step::List),
    ]
}

/// What another program does.
fn play(world: &World, step: &Step) {
    let at = |n: &usize| world.at(&format!("joe/.k{n}"));
    let list = |n: &usize| at(n).join("courierimapacl");
    let aside = world.at("joe/tmp/aside");
    // Names may be links to folders that are elsewhere by now: then nothing comes of a step.
    match step {
        Step::Replace(n, text) => {
            stdfs::write(&aside, TEXTS[*text]).unwrap();
            let _ = stdfs::rename(&aside, list(n));
        }
        Step::Write(n, text) => drop(stdfs::write(list(n), TEXTS[*text])),
        Step::Remove(n) => drop(stdfs::remove_file(list(n))),
        Step::Exchange(a, b) if a != b => {
            let _ = stdfs::rename(at(a), world.at("joe/tmp/folder"));
            let _ = stdfs::rename(at(b), at(a));
            let _ = stdfs::rename(world.at("joe/tmp/folder"), at(b));
        }
        Step::Link(a, b) if a != b && !at(b).is_symlink() => {
            if at(a).is_symlink() {
                stdfs::remove_file(at(a)).unwrap();
                folder(&at(a));
            } else {
                let gone = format!("joe/tmp/gone{a}");
                stdfs::remove_dir_all(world.at(&gone)).ok();
                stdfs::rename(at(a), world.at(&gone)).unwrap();
                std::os::unix::fs::symlink(at(b), at(a)).unwrap();
            }
        }
        Step::Settle => std::thread::sleep(Duration::from_millis(60)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What is written down never shows.
    #[test]
    fn as_without_it(steps in prop::collection::vec(step(), 4..32)) {
        let world = world();
        learn(&world);
        // A session that goes on, beside new ones.
        let same = world.as_user("joe", "");
        for step in &steps {
            play(&world, step);
            if let Step::List = step {
                let right = list(&world.without_index("joe"));
                prop_assert_eq!(&list(&world.as_user("joe", "")), &right);
                prop_assert_eq!(&list(&same), &right);
            }
        }
    }
}
