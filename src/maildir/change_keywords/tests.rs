//! Keywords changed in both modes, against what others write.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::testing::{TestFolder, show};
use super::*;
use crate::maildir::Config;

fn edit(operation: Operation, names: &[Vec<u8>]) -> KeywordEdit<'_> {
    KeywordEdit { operation, names }
}

#[test]
fn keywords_the_fast_way() {
    let d = TestFolder::of(&["1.a:2,", "2.b:2,"]);
    let mut s = d.scan();
    let go = |s: &mut Snapshot, i: usize, change, names: &[&str]| {
        let names: Vec<_> = names.iter().map(|n| n.as_bytes().to_vec()).collect();
        store_keywords(&d.store, &d.enter(), s, &[i], edit(change, &names)).unwrap();
        show(s).lines().nth(i).unwrap().split_once(":2, *").unwrap().1.to_owned()
    };
    assert_eq!(go(&mut s, 0, Operation::Add, &["Work", "$Label1"]), " Work $Label1");
    assert_eq!(d.read("courierimapkeywords/1.a"), "Work\n$Label1\n");
    // Another spelling is the same keyword, and nothing is written for what does not change.
    d.remove("courierimapkeywords/1.a");
    assert_eq!(go(&mut s, 0, Operation::Add, &["WORK"]), " Work $Label1");
    assert_eq!(d.list("courierimapkeywords").len(), 0);
    assert_eq!(go(&mut s, 0, Operation::Remove, &["work", "none"]), " $Label1");
    assert_eq!(d.read("courierimapkeywords/1.a"), "$Label1\n");
    assert_eq!(go(&mut s, 0, Operation::Replace, &[]), "");
    assert_eq!(d.read("courierimapkeywords/1.a"), "");
    // Where the directory has gone.
    std::fs::remove_dir_all(d.path("courierimapkeywords")).unwrap();
    assert_eq!(go(&mut s, 1, Operation::Replace, &["x"]), " x");
    assert_eq!(d.read("courierimapkeywords/2.b"), "x\n");
    assert!(d.list("tmp").is_empty());
    // Not at all.
    let off = Store::new(Config { keywords: KeywordMode::Off, ..Config::default() });
    store_keywords(&off, &d.enter(), &mut s, &[0], edit(Operation::Add, &[b"y".to_vec()])).unwrap();
    assert!(!d.path("courierimapkeywords/1.a").exists());
}

#[test]
fn keywords_the_careful_way() {
    let d = TestFolder::with(Config { keywords: KeywordMode::Careful, ..Config::default() });
    for name in ["1.a", "2.b", "3.c"] {
        d.put(&format!("cur/{name}:2,"));
    }
    let mut s = d.scan();
    // Another session's changes, one merged and one not.
    d.write("courierimapkeywords/:list", "Theirs\n\n2.b:0\n");
    d.write("courierimapkeywords/1.a", "Theirs\n");
    store_keywords(
        &d.store,
        &d.enter(),
        &mut s,
        &[0, 1, 2],
        edit(Operation::Add, &[b"Ours".to_vec()]),
    )
    .unwrap();
    assert_eq!(show(&s), "1 1.a:2, * Theirs Ours\n2 2.b:2, * Theirs Ours\n3 3.c:2, * Ours\n");
    for (name, content) in [("1.a", "Theirs\nOurs\n"), ("2.b", "Theirs\nOurs\n"), ("3.c", "Ours\n")]
    {
        assert_eq!(d.read(&format!("courierimapkeywords/{name}")), content);
    }
    assert!(d.list("tmp").is_empty());
    store_keywords(
        &d.store,
        &d.enter(),
        &mut s,
        &[0],
        edit(Operation::Remove, &[b"theirs".to_vec()]),
    )
    .unwrap();
    let scanned = d.scan();
    assert_eq!(show(&scanned), "1 1.a:2, Ours\n2 2.b:2, Theirs Ours\n3 3.c:2, Ours\n");
    assert!(!d.list("courierimapkeywords").iter().any(|n| n.starts_with(".tmp")));
    // A file that appears while we write is not overwritten.
    d.write("courierimapkeywords/1.a", "Later\n");
    assert!(!write_keywords::write_set_carefully(&d.store, &d.enter(), b"1.a", &[b"x"]).unwrap());
    assert_eq!(d.read("courierimapkeywords/1.a"), "Later\n");
}

/// What could not be read is not overwritten by what is known.
#[test]
fn keywords_are_not_added_to_unread_ones() {
    use std::os::unix::fs::PermissionsExt;
    for mode in [KeywordMode::Fast, KeywordMode::Careful] {
        let d = TestFolder::with(Config { fsync: false, keywords: mode, ..Config::default() });
        d.put("cur/1.a:2,");
        d.write("courierimapkeywords/:list", "Theirs\n\n1.a:0\n");
        let mut s = d.scan();
        // Root may read everything: too large does as well as forbidden.
        std::fs::File::options()
            .write(true)
            .open(d.path("courierimapkeywords/:list"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        std::fs::set_permissions(
            d.path("courierimapkeywords/:list"),
            std::fs::Permissions::from_mode(0o000),
        )
        .unwrap();
        let mut unread = d.scan();
        let add = |s: &mut Snapshot| {
            store_keywords(&d.store, &d.enter(), s, &[0], edit(Operation::Add, &[b"Ours".to_vec()]))
        };
        assert!(add(&mut unread).is_err(), "{mode:?}");
        assert!(!d.path("courierimapkeywords/1.a").exists());
        // The careful way reads anew; the fast way goes by what the session knows.
        assert_eq!(add(&mut s).is_ok(), mode == KeywordMode::Fast);
    }
}

/// A message that came after the session's last scan keeps its keywords.
#[test]
fn keywords_of_messages_that_are_new_to_the_session() {
    let d = TestFolder::with(Config { keywords: KeywordMode::Careful, ..Config::default() });
    d.put("cur/1.a:2,");
    let mut s = d.scan();
    d.put("cur/2.b:2,");
    d.put("cur/3.c:2,");
    d.write("courierimapkeywords/:list", "Theirs\n\n2.b:0\n");
    d.write("courierimapkeywords/3.c", "Last\n");
    std::fs::File::options()
        .write(true)
        .open(d.path("courierimapkeywords/3.c"))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    // Twice, so that the first change is merged.
    for name in ["Ours", "Too"] {
        let names = [name.as_bytes().to_vec()];
        let edit = edit(Operation::Add, &names);
        store_keywords(&d.store, &d.enter(), &mut s, &[0], edit).unwrap();
    }
    assert_eq!(show(&d.scan()), "1 1.a:2, Ours Too\n2 2.b:2, * Theirs\n3 3.c:2, * Last\n");
}

#[test]
fn keywords_on_a_condition() {
    for mode in [KeywordMode::Fast, KeywordMode::Careful] {
        let d = TestFolder::with(Config { keywords: mode, ..Config::default() });
        for name in ["1.a", "2.b", "3.c"] {
            d.put(&format!("cur/{name}:2,"));
        }
        let mut s = d.scan();
        // Merged and not merged, after the scan.
        d.write("courierimapkeywords/2.b", "Theirs\n");
        let entered = d.enter();
        let lock = Lock::acquire(&d.store, &entered).unwrap();
        let mut held = HeldKeywords::read((&d.store, &entered), &lock, &s.messages).unwrap();
        let names = [b"Mine".to_vec()];
        let add = edit(Operation::Add, &names);
        assert_eq!(held.swap(&mut s, 0, add).unwrap(), Swap::Done);
        assert_eq!(held.swap(&mut s, 1, add).unwrap(), Swap::Refused);
        assert_eq!((s.messages.take_changed(0), s.messages.take_changed(1)), (false, true));
        // Somebody who takes no lock is faster.
        d.write("courierimapkeywords/3.c", "Fast\n");
        assert_eq!(held.swap(&mut s, 2, add).unwrap(), Swap::Refused);
        assert_eq!(d.read("courierimapkeywords/3.c"), "Fast\n");
        assert_eq!(d.read("courierimapkeywords/1.a"), "Mine\n");
        let shown = show(&s);
        assert!(shown.contains(":2, * Mine") && shown.contains(":2, * Theirs"), "{shown}");
        held.put_back(&mut s, 0, SetId::EMPTY).unwrap();
        assert_eq!(d.read("courierimapkeywords/1.a"), "");
        assert!(!show(&s).contains("Mine") && !s.messages.take_changed(0));
        // What somebody who takes no lock changes meanwhile stays.
        let mut held = HeldKeywords::read((&d.store, &entered), &lock, &s.messages).unwrap();
        assert_eq!(held.swap(&mut s, 0, add).unwrap(), Swap::Done);
        d.write("courierimapkeywords/1.a", "mine\nTheirs\n");
        held.put_back(&mut s, 0, SetId::EMPTY).unwrap();
        assert_eq!(d.read("courierimapkeywords/1.a"), "Theirs\n");
        let names: Vec<&[u8]> = s.keywords.names_of(s.messages.keywords(0)).collect();
        assert_eq!((names, s.messages.take_changed(0)), (vec![&b"Theirs"[..]], true));
    }
}
