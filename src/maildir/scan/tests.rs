//! Scans of every odd folder of STORAGE 2.5, the files before and after.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::testing::{TestFolder, show};
use super::*;
use crate::maildir::reading::FolderReading;
use crate::maildir::store::LockTiming;
use crate::maildir::{Config, Dir, status, uiddb, upkeep};
use crate::sys::{clock, dir};
use crate::types::{Flags, UidValidity};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

const ASKED: status::Asked = status::Asked { sizes: true, highest: false };

/// One odd folder: the UID file, what is in `cur`, and what is to be seen and written. `V` is a new
/// UIDVALIDITY.
fn check(uids: &str, files: &[&str], shown: &str, after: &str) {
    let f = TestFolder::of(files);
    if !uids.is_empty() {
        f.set_uids(uids);
    }
    // The clock of file times may be behind ours by a tick.
    let start = clock::now().0 - 1_000_000_001;
    let snapshot = f.scan();
    let end = clock::now().0 - 1_000_000_000;
    assert_eq!(show(&snapshot), shown, "{uids:?}");
    let validity = i64::from(snapshot.uid_validity.get());
    let after = if after.contains('V') {
        assert!(validity >= start && validity <= end, "{uids:?}");
        after.replace('V', &validity.to_string())
    } else {
        after.to_owned()
    };
    assert_eq!(f.uids(), after, "{uids:?}");
    assert!(snapshot.is_saved());
    assert!(f.list("tmp").is_empty());
    // A second look changes nothing, and nothing is recent any more.
    let again = f.scan();
    assert_eq!(show(&again), shown.replace(" *", ""));
    assert_eq!((again.uid_validity, again.uid_next), (snapshot.uid_validity, snapshot.uid_next));
    assert_eq!(f.uids(), after);
}

#[test]
fn odd_uid_files() {
    let two = &["2.b:2,S", "1.a:2,"];
    let new = "1 1.a:2, *\n2 2.b:2,S *\n";
    let written = "1 V 3\n1 1.a\n2 2.b\n";
    for absent in
        ["", "1 5", "1 5\n", "2 5 6\n1 1.a\n", "1 5 6", "garbage\n1 1.a\n", "1 0 9\n1 1.a\n"]
    {
        check(absent, two, new, written);
    }
    check("1 5 9\n3 1.a\n4 2.b\n", two, "3 1.a:2,\n4 2.b:2,S\n", "1 5 9\n3 1.a\n4 2.b\n");
    check(
        "1 5 9 more words\n3 1.a\n4 2.b\n",
        two,
        "3 1.a:2,\n4 2.b:2,S\n",
        "1 5 9 more words\n3 1.a\n4 2.b\n",
    );
    // The last line without LF is ignored.
    check("1 5 9\n3 1.a\n4 2.b", two, "3 1.a:2,\n9 2.b:2,S *\n", "1 5 10\n3 1.a\n9 2.b\n");
    // Lines that are none.
    check("1 5 9\n3 1.a\nfoo\nx 2.b\n\n", two, "3 1.a:2,\n9 2.b:2,S *\n", "1 5 10\n3 1.a\n9 2.b\n");
    // Extra text or a CR: another name.
    check("1 5 9\n3 1.a \n4 2.b\r\n", two, "9 1.a:2, *\n10 2.b:2,S *\n", "1 5 11\n9 1.a\n10 2.b\n");
    // A name with its flags.
    check("1 5 9\n3 1.a:2,S\n4 2.b\n", two, "3 1.a:2,\n4 2.b:2,S\n", "1 5 9\n3 1.a\n4 2.b\n");
    // A message that is gone; the next UID stays.
    check("1 5 9\n3 1.a\n4 2.b\n8 3.c\n", two, "3 1.a:2,\n4 2.b:2,S\n", "1 5 9\n3 1.a\n4 2.b\n");
    // A UID that is too high, with and without news.
    check("1 5 4\n3 1.a\n4 2.b\n", two, "3 1.a:2,\n4 2.b:2,S\n", "1 5 5\n3 1.a\n4 2.b\n");
    check("1 5 2\n4 2.b\n", two, "4 2.b:2,S\n5 1.a:2, *\n", "1 5 6\n4 2.b\n5 1.a\n");
    // One UID twice: the later line gets a new one, and is no news to the client's user.
    check("1 5 9\n3 2.b\n3 1.a\n", two, "3 2.b:2,S\n9 1.a:2,\n", "1 5 10\n3 2.b\n9 1.a\n");
    check("1 5 9\n3 0.z\n3 1.a\n4 2.b\n", two, "4 2.b:2,S\n9 1.a:2,\n", "1 5 10\n4 2.b\n9 1.a\n");
    // One name twice: the first line counts.
    check("1 5 9\n3 1.a\n4 2.b\n6 1.a\n", two, "3 1.a:2,\n4 2.b:2,S\n", "1 5 9\n3 1.a\n4 2.b\n");
    check("1 5 9\n6 1.a\n4 2.b\n3 1.a\n", two, "4 2.b:2,S\n6 1.a:2,\n", "1 5 9\n4 2.b\n6 1.a\n");
    // Not in order: sorted by the next write, which is not due.
    check("1 5 9\n4 2.b\n3 1.a\n", two, "3 1.a:2,\n4 2.b:2,S\n", "1 5 9\n4 2.b\n3 1.a\n");
    // Beyond 32 bits: a new UIDVALIDITY.
    for large in [
        "1 4294967296 9\n3 1.a\n",
        "1 5 4294967296\n3 1.a\n",
        "1 5 9\n4294967296 1.a\n",
        "1 5 9\n4294967295 1.a\n",
    ] {
        check(large, two, new, written);
    }
    // No UIDs left: all are given anew, under a larger UIDVALIDITY.
    check("1 5 4294967295\n7 2.b\n", two, "1 1.a:2, *\n2 2.b:2,S\n", written);
    check(
        "1 4000000000 4294967295\n7 2.b\n",
        two,
        "1 1.a:2, *\n2 2.b:2,S\n",
        "1 4000000001 3\n1 1.a\n2 2.b\n",
    );
}

#[test]
fn odd_names() {
    check(
        "",
        &[
            "1000.x:2,",
            "900.x:2,",
            "x:2,",
            "900.a",
            "5.p:2,PSa",
            "6.q:2,S:2,T",
            "7.r:x",
            ".hidden:2,S",
            "8.s,S=12:2,",
        ],
        "1 x:2, *\n2 5.p:2,PSa *\n3 6.q:2,S:2,T *\n4 7.r:x *\n5 8.s,S=12:2, *\n\
         6 900.a *\n7 900.x:2, *\n8 1000.x:2, *\n",
        "1 V 9\n1 x\n2 5.p\n3 6.q:2,S\n4 7.r\n5 8.s,S=12\n6 900.a\n7 900.x\n8 1000.x\n",
    );
}

#[test]
fn what_is_no_file_is_no_message() {
    let f = TestFolder::of(&["1.a:2,"]);
    std::fs::create_dir(f.path("cur/2.dir:2,")).unwrap();
    std::fs::create_dir(f.path("new/3.dir")).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(f.path("cur/4.fifo:2,"))
            .status()
            .unwrap()
            .success()
    );
    let _socket = std::os::unix::net::UnixListener::bind(f.path("new/5.socket")).unwrap();
    assert_eq!(show(&f.scan()), "1 1.a:2, *\n");
    assert!(f.path("new/3.dir").is_dir());
}

#[test]
fn new_mail_moves() {
    let f = TestFolder::of(&["1.a:2,S"]);
    f.scan();
    for name in ["new/30.c", "new/4.d:2,F", "new/.hidden", "cur/5.e:2,"] {
        f.put(name);
    }
    let snapshot = f.scan();
    assert_eq!(show(&snapshot), "1 1.a:2,S\n2 4.d:2,F *\n3 5.e:2, *\n4 30.c:2, *\n");
    assert_eq!(f.list("new"), [".hidden"]);
    assert_eq!(f.read("cur/30.c:2,"), "Subject: new/30.c\n\ntext\n");
    assert_eq!(f.uids(), format!("1 {} 5\n1 1.a\n2 4.d\n3 5.e\n4 30.c\n", snapshot.uid_validity));
}

#[test]
fn one_name_two_messages() {
    // In `cur` and `new`: both stay, with a UID each.
    let f = TestFolder::of(&["1.a:2,S"]);
    f.set_uids("1 5 9\n3 1.a\n");
    f.put("new/1.a");
    let s = f.scan();
    assert_eq!(s.messages.len(), 2);
    assert_eq!(
        (s.messages.uid(0).unwrap().get(), s.messages.file_name(0)),
        (3, b"1.a:2,S".to_vec())
    );
    assert_eq!(s.messages.uid(1).unwrap().get(), 9);
    let name = String::from_utf8(s.messages.file_name(1)).unwrap();
    assert_eq!(f.read(&format!("cur/{name}")), "Subject: new/1.a\n\ntext\n");
    assert!(name.ends_with(":2,") && f.list("new").is_empty());
    assert_eq!(show(&f.scan()), show(&s).replace(" *", ""));
    // Twice in `cur`.
    let f = TestFolder::of(&["1.a:2,S", "1.a:2,F", "1.a"]);
    f.set_uids("1 5 9\n3 1.a\n");
    let s = f.scan();
    assert_eq!(s.messages.len(), 3);
    assert_eq!(s.messages.base_name(0), b"1.a");
    let mut contents: Vec<_> = (0..3)
        .map(|i| f.read(&format!("cur/{}", String::from_utf8(s.messages.file_name(i)).unwrap())))
        .collect();
    contents.sort();
    assert_eq!(
        contents,
        [
            "Subject: cur/1.a\n\ntext\n",
            "Subject: cur/1.a:2,F\n\ntext\n",
            "Subject: cur/1.a:2,S\n\ntext\n"
        ]
    );
    assert_eq!(show(&f.scan()), show(&s).replace(" *", ""));
    // Two names of one file: a rename in progress, one message.
    let f = TestFolder::of(&["1.a:2,S"]);
    std::fs::hard_link(f.path("cur/1.a:2,S"), f.path("cur/1.a:2,F")).unwrap();
    std::fs::hard_link(f.path("cur/1.a:2,S"), f.path("new/1.a")).unwrap();
    assert_eq!(f.scan().messages.len(), 1);
    assert_eq!(f.list("cur"), ["1.a:2,F", "1.a:2,S"]);
    assert_eq!(f.list("new"), ["1.a"]);
    let status = status::read(&f.store, &f.enter(), ASKED).unwrap();
    assert_eq!((status.messages, status.recent, status.unseen), (1, 0, 0));
}

/// A session was killed between link(2) and unlink(2), on a file system that has no other way.
#[test]
fn of_two_names_of_one_file_the_same_counts_for_all_in_the_end() {
    let f = TestFolder::of(&["1.a:2,F"]);
    let before = f.scan();
    std::fs::hard_link(f.path("cur/1.a:2,F"), f.path("cur/1.a:2,S")).unwrap();
    let name = |previous: Option<&Snapshot>, seconds: i128| {
        let now = clock::now_nanos() + seconds * 1_000_000_000;
        let entered = f.enter();
        let messages = uiddb::read(&entered).unwrap().0.messages;
        let mut reading = FolderReading::new(&f.store, &entered, messages);
        reading.read_cur(now).unwrap();
        reading.rename_doubles(previous.map(|s| &s.messages), now);
        String::from_utf8(reading.messages.file_name(0)).unwrap()
    };
    assert_eq!(name(Some(&before), 0), "1.a:2,F", "a change must not seem undone");
    assert_eq!(name(None, 0), "1.a:2,S");
    assert_eq!(name(Some(&before), 100), "1.a:2,S");
    assert_eq!(f.list("cur"), ["1.a:2,F", "1.a:2,S"]);
    assert_eq!(name(Some(&before), 700), "1.a:2,S");
    assert_eq!(f.list("cur"), ["1.a:2,S"]);
}

#[test]
fn a_name_with_a_line_end_gets_another() {
    let f = TestFolder::of(&["1.a\n7 x:2,S"]);
    f.put("new/2.b\n8 y");
    let s = f.scan();
    assert_eq!(s.messages.len(), 2);
    assert!(f.list("cur").iter().all(|n| !n.contains('\n')));
    let seen = (0..2).filter(|i| s.messages.flags(*i).contains(Flags::SEEN));
    assert_eq!(seen.count(), 1);
    assert_eq!(show(&f.scan()), show(&s).replace(" *", ""));
}

#[test]
fn a_message_that_comes_back_keeps_its_uid() {
    let f = TestFolder::of(&["1.a:2,S"]);
    f.set_uids("1 5 9\n3 1.a\n");
    f.rename("cur/1.a:2,S", "new/1.a");
    assert_eq!(show(&f.scan()), "3 1.a:2,\n");
}

#[test]
fn deliveries_come_first_and_in_order() {
    let f = TestFolder::of(&["1.a:2,", "0.z:2,"]);
    let start = f.try_scan(Mode::ReadWrite, None, vec![]).unwrap().snapshot;
    f.put("new/2.new");
    let one = f.delivery("one\n", Flags::SEEN, &["Work", "$Label1"]);
    let two = f.delivery("two\n", Flags::empty(), &[]);
    assert_eq!(f.list("tmp").len(), 2);
    let scanned = f.try_scan(Mode::ReadWrite, Some(&start), vec![one, two]).unwrap();
    assert_eq!(scanned.delivered.iter().map(|u| u.get()).collect::<Vec<_>>(), [3, 4]);
    let m = &scanned.snapshot.messages;
    assert_eq!((0..5).map(|i| m.recent(i)).collect::<Vec<_>>(), [false, false, false, false, true]);
    let name = String::from_utf8(m.file_name(2)).unwrap();
    assert_eq!(f.read(&format!("cur/{name}")), "one\n");
    let metadata = std::fs::metadata(f.path(&format!("cur/{name}"))).unwrap();
    let part = format!("V{:016X}I{:016X}_0.", metadata.dev(), metadata.ino());
    assert!(name.contains(&part) && name.ends_with(",S=4:2,S"), "{name}");
    assert_eq!(show(&scanned.snapshot).lines().nth(2).unwrap(), format!("3 {name} Work $Label1"));
    assert!(f.list("tmp").is_empty());
    // With no UID file the delivered ones are first all the same, as Courier has it.
    let f = TestFolder::of(&["1.a:2,"]);
    let one = f.delivery("one\n", Flags::empty(), &[]);
    let scanned = f.try_scan(Mode::ReadWrite, None, vec![one]).unwrap();
    assert_eq!(scanned.delivered[0].get(), 1);
}

#[test]
fn a_delivery_that_is_not_made_leaves_nothing() {
    let f = TestFolder::new();
    drop(f.delivery("one\n", Flags::empty(), &[]));
    assert!(f.list("tmp").is_empty());
    // The UID file cannot be replaced: nothing stays, and the old file does.
    f.set_uids("1 5 9\n");
    let one = f.delivery("one\n", Flags::empty(), &["Work"]);
    std::fs::remove_file(f.path("courierimapuiddb")).unwrap();
    std::fs::create_dir(f.path("courierimapuiddb")).unwrap();
    assert!(f.try_scan(Mode::ReadWrite, None, vec![one]).is_err());
    assert!(f.list("cur").is_empty() && f.list("tmp").is_empty());
    assert_eq!(f.list("courierimapkeywords"), ["(none)"]);
}

#[test]
fn examine_writes_uids() {
    let f = TestFolder::of(&["1.a:2,"]);
    f.put("new/2.b");
    let s = f.try_scan(Mode::ReadOnly, None, vec![]).unwrap().snapshot;
    assert_eq!(show(&s), "1 1.a:2, *\n2 2.b:2, *\n");
    assert!(f.list("new").is_empty());
    assert_eq!(show(&f.scan()), "1 1.a:2,\n2 2.b:2,\n");
}

#[test]
fn a_search_writes_where_mail_has_no_uid() {
    let f = TestFolder::of(&["1.a:2,", "3.c:2,S"]);
    let search = |patience| f.try_scan(Mode::Search(patience), None, vec![]);
    let shown = |patience| show(&search(patience).unwrap().snapshot);
    // A UID file with a line too many, and an old file in `tmp`, are left to others.
    f.set_uids("1 5 9\n3 1.a\n4 3.c\n5 9.gone\n");
    f.write("tmp/1.old", "x");
    f.age("tmp/1.old", 3 * 24 * 3600);
    std::fs::remove_dir(f.path("courierimapkeywords")).unwrap_or_default();
    let before = f.list("");
    let inode = || std::fs::metadata(f.path("courierimapuiddb")).unwrap().ino();
    let file = inode();
    assert_eq!(shown(Patience::Short), "3 1.a:2,\n4 3.c:2,S\n");
    assert_eq!((f.list(""), inode()), (before, file));
    // New mail, while somebody has the lock: what has UIDs is shown, and nothing is moved.
    f.put("new/2.b");
    f.put("cur/4.d:2,F");
    let host = String::from_utf8_lossy(&f.store.config.lock_host);
    f.write("tmp/courier.lock", &format!("{}:{host}", std::os::unix::process::parent_id()));
    let timing = f.store.timing.get();
    f.store.timing.set(LockTiming { limit: Duration::from_millis(100), ..timing });
    assert!(matches!(search(Patience::Short), Err(Error::Locked)));
    assert_eq!(shown(Patience::None), "3 1.a:2,\n4 3.c:2,S\n");
    assert_eq!((f.list("new"), inode()), (vec!["2.b".to_owned()], file));
    f.remove("tmp/courier.lock");
    assert_eq!(shown(Patience::None), "3 1.a:2,\n4 3.c:2,S\n9 2.b:2, *\n10 4.d:2,F *\n");
    assert_eq!(f.uids(), "1 5 11\n3 1.a\n4 3.c\n9 2.b\n10 4.d\n");
    // Without any UIDs: nothing is there, and nothing is made; or something is.
    let f = TestFolder::of(&[]);
    let search = || f.try_scan(Mode::Search(Patience::Short), None, vec![]).unwrap().snapshot;
    assert_eq!(search().messages.len(), 0);
    assert!(!f.path("courierimapuiddb").exists());
    f.put("new/1.a");
    assert_eq!(show(&search()), "1 1.a:2, *\n");
    assert_eq!(search().uid_validity, f.scan().uid_validity);
}

#[test]
fn nothing_is_unchanged_until_the_clock_has_moved() {
    let f = TestFolder::of(&["1.a:2,"]);
    f.scan();
    let tick = clock::file_tick();
    f.put("cur/2.b:2,");
    f.remove("cur/2.b:2,");
    let s = f.scan();
    // Too soon, unless the clock of file times has moved: the directories have just changed.
    assert!(!is_unchanged(&f.enter(), &s) || clock::file_tick() > tick);
    clock::sleep(Duration::from_millis(70));
    let s = f.scan();
    assert!(is_unchanged(&f.enter(), &s));
    for (n, change) in [
        (|f: &TestFolder| f.put("new/9.x")) as fn(&TestFolder),
        |f| f.rename("cur/1.a:2,", "cur/1.a:2,S"),
        |f| f.write("courierimapkeywords/1.a", "x\n"),
        |f| f.set_uids("1 5 9\n"),
        |f| f.remove("cur/1.a:2,S"),
        |f| std::fs::rename(f.dir.path(), f.root.path().join("away")).unwrap(),
    ]
    .iter()
    .enumerate()
    {
        change(&f);
        assert!(!f.dir.enter().is_ok_and(|f| is_unchanged(&f, &s)), "{n}");
    }
}

#[test]
fn old_files_in_tmp_are_found_by_their_ctime() {
    // No test can set a ctime: a young file stays, whatever its mtime.
    let f = TestFolder::new();
    f.put("tmp/1.a");
    f.age("tmp/1.a", 1_000_000);
    f.scan();
    assert_eq!(f.list("tmp"), ["1.a"]);
    let later = clock::now().0 + upkeep::TMP_SECONDS + 10;
    f.put("tmp/.hidden");
    upkeep::purge_tmp(&f.store, &f.enter(), later);
    assert_eq!(f.list("tmp").len(), 2, "looked at a moment ago");
    f.store.forget_purges();
    upkeep::purge_tmp(&f.store, &f.enter(), later);
    assert_eq!(f.list("tmp"), [".hidden"]);
}

#[test]
fn a_folder_that_is_not_there() {
    let f = TestFolder::new();
    let nowhere = f.sub("Nowhere");
    assert!(matches!(nowhere.try_scan(Mode::ReadWrite, None, vec![]), Err(Error::Gone)));
    assert!(matches!(nowhere.try_scan(Mode::ReadOnly, None, vec![]), Err(Error::Gone)));
    std::fs::remove_dir(f.path("tmp")).unwrap();
    f.put("cur/1.a:2,S");
    // No UID can be saved.
    assert!(matches!(f.try_scan(Mode::New, None, vec![]), Err(Error::Io(..))));
    let s = f.try_scan(Mode::ReadWrite, None, vec![]).unwrap().snapshot;
    assert_eq!(show(&s), "");
    let s = f.try_scan(Mode::ReadOnly, None, vec![]).unwrap().snapshot;
    assert_eq!((show(&s).as_str(), s.is_saved()), ("1 1.a:2,S *\n", false));
    let other = f.try_scan(Mode::ReadOnly, None, vec![]).unwrap().snapshot;
    assert!(other.uid_validity > s.uid_validity);
    // Nobody else gives the same UIDVALIDITY, not even in this second: the UIDs may be others.
    let there = TestFolder { dir: Dir::at(f.dir.path()), ..f.sub("x") };
    let theirs = there.try_scan(Mode::ReadOnly, None, vec![]).unwrap().snapshot;
    assert!(![s.uid_validity, other.uid_validity].contains(&theirs.uid_validity));
    f.put("cur/0.b:2,");
    let next = f.try_scan(Mode::ReadOnly, Some(&s), vec![]).unwrap().snapshot;
    assert_eq!(
        (show(&next).as_str(), next.uid_validity),
        ("1 1.a:2,S\n2 0.b:2, *\n", s.uid_validity)
    );
    // Once they can be saved, it is the time again: some clients hold no greater one than 2^31 - 1.
    std::fs::create_dir(f.path("tmp")).unwrap();
    let saved = f.scan();
    assert!(saved.is_saved() && saved.uid_validity.get() < 1 << 31);
}

/// Not even in the second in which the file was made: its UIDs may be other messages' now.
#[test]
fn a_uid_file_that_was_lost_has_its_uidvalidity_for_itself() {
    let f = TestFolder::of(&["2.b:2,"]);
    let first = f.scan();
    std::fs::remove_file(f.path("courierimapuiddb")).unwrap();
    f.put("cur/1.a:2,");
    let second = f.scan();
    assert_eq!(show(&second), "1 1.a:2, *\n2 2.b:2, *\n");
    assert!(second.uid_validity > first.uid_validity);
}

#[test]
fn status_moves_nothing() {
    let f = TestFolder::of(&["1.a:2,S", "2.b:2,", "3.c:2,S"]);
    f.put("new/4.d");
    f.put("new/5.e:2,S");
    f.put("new/.no");
    f.set_uids("1 5 9\n3 1.a\n4 2.b\n5 9.gone\n");
    let before = (f.uids(), f.list("cur"), f.list("new"), f.list("tmp"));
    let status = status::read(&f.store, &f.enter(), ASKED).unwrap();
    let want = status::Status {
        messages: 5,
        recent: 3,
        uid_next: 12,
        uid_validity: UidValidity::new(5).unwrap(),
        unseen: 2,
        deleted: 0,
        deleted_bytes: 0,
        highest: None,
    };
    assert_eq!(status, want);
    assert_eq!((f.uids(), f.list("cur"), f.list("new"), f.list("tmp")), before);
    let s = f.scan();
    assert_eq!((s.messages.len(), s.uid_next), (5, 12));
    let status = status::read(&f.store, &f.enter(), ASKED).unwrap();
    assert_eq!((status.messages, status.recent, status.uid_next, status.unseen), (5, 0, 12, 2));
    // Without a UID file: a UIDVALIDITY of the moment.
    f.remove("courierimapuiddb");
    let status = status::read(&f.store, &f.enter(), ASKED).unwrap();
    assert!(status.uid_validity.get() > 700_000_000);
    assert_eq!((status.recent, status.uid_next), (5, 6));
    let entered = f.enter();
    std::fs::remove_dir_all(f.dir.path()).unwrap();
    assert!(matches!(status::read(&f.store, &entered, ASKED), Err(Error::Gone)));
}

#[test]
fn courier_sees_the_same() {
    let uids = "1 700000000 9\n3 1001.a\n5 1002.b,S=30\n";
    let make = || {
        let f = TestFolder::of(&["1001.a:2,S", "1002.b,S=30:2,", "900.c:2,F", "x"]);
        f.set_uids(uids);
        f.put("new/1003.d");
        f.write("courierimapkeywords/:list", "Work\nold\n\n1001.a:0 1\n");
        f.write("courierimapkeywords/900.c", "Work\n$Fresh\n");
        f.write("courierimapkeywords/1002.b,S=30", "");
        f
    };
    let theirs = make();
    let Some(output) = theirs.courier(&["SELECT INBOX", "UID FETCH 1:* FLAGS"]) else { return };
    assert!(output.contains("* 5 EXISTS"), "{output}");
    let ours = make();
    ours.scan();
    for dir in ["cur", "new", "tmp", "courierimapkeywords", "."] {
        // Our index is beside Courier's files.
        let mut here = ours.list(dir);
        here.retain(|name| name != "postrider.state");
        assert_eq!(here, theirs.list(dir), "{dir}");
    }
    assert_eq!(ours.uids(), theirs.uids());
    let lines = |f: &TestFolder| {
        let mut lines: Vec<_> =
            f.read("courierimapkeywords/:list").lines().map(str::to_owned).collect();
        lines.sort();
        lines.len()
    };
    assert_eq!(lines(&ours), lines(&theirs));
    // Each reads what the other wrote, and nothing is rewritten.
    let before = (ours.uids(), ours.read("courierimapkeywords/:list"));
    let output = ours.courier(&["SELECT INBOX", "FETCH 1:* (UID FLAGS)"]).unwrap();
    let shown = show(&ours.scan());
    assert_eq!((ours.uids(), ours.read("courierimapkeywords/:list")), before);
    assert_eq!(shown, show(&theirs.scan()));
    assert!(output.contains("* 0 RECENT"), "{output}");
    assert_eq!(
        shown,
        "3 1001.a:2,S Work old\n5 1002.b,S=30:2,\n9 x\n10 900.c:2,F Work $Fresh\n11 1003.d:2,\n"
    );
}

/// `cargo test --release -- --ignored --nocapture measure`: what a look at a large folder costs,
/// beside reading the directory.
#[test]
#[ignore = "a measurement"]
fn measure() {
    let count: usize = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
    let f = TestFolder::with(Config { fsync: false, ..Config::default() });
    for n in 0..count {
        let name = format!(
            "cur/{}.M{}P{}V000000000000FE00I{:016X}_0.mail.example.org,S={}:2,S",
            1_700_000_000 + n,
            n % 1_000_000,
            n % 32768,
            n,
            n
        );
        std::fs::write(f.path(&name), "").unwrap();
    }
    // The best of several, for other work on the machine disturbs.
    let several = |times: u32, what: &str, act: &mut dyn FnMut()| {
        let best = (0..times).map(|_| {
            let start = clock::monotonic();
            act();
            start.elapsed()
        });
        eprintln!("{what}: {:?}", best.min().unwrap());
    };
    let time = |what: &str, act: &mut dyn FnMut()| several(1, what, act);
    several(9, "directory", &mut || {
        dir::for_each(&f.enter().cur().unwrap().reading().unwrap(), |_, _| {}).unwrap()
    });
    let mut first = None;
    time("first look", &mut || first = Some(f.scan()));
    let mut second = None;
    several(9, "second look", &mut || second = Some(f.scan()));
    f.put("new/1.x");
    time("one new message", &mut || drop(f.try_scan(Mode::ReadWrite, second.as_ref(), vec![])));
    f.remove(&format!(
        "cur/{}",
        String::from_utf8(second.as_ref().unwrap().messages.file_name(77)).unwrap()
    ));
    time("one removed", &mut || drop(f.try_scan(Mode::ReadWrite, second.as_ref(), vec![])));
    clock::sleep(Duration::from_millis(70));
    let third = f.scan();
    time("proven unchanged", &mut || assert!(is_unchanged(&f.enter(), &third)));
    several(9, "status", &mut || drop(status::read(&f.store, &f.enter(), ASKED)));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    for line in status.lines().filter(|l| l.starts_with("VmPeak") || l.starts_with("VmHWM")) {
        eprintln!("{line}");
    }
}

#[test]
fn what_is_left_of_folders_is_swept_out_of_tmp() {
    let f = TestFolder::new();
    for dir in [
        "tmp/1.deleted_deleted/cur",
        "tmp/1.empty_folder/cur",
        "tmp/1.full_folder/cur",
        "tmp/1.fresh_folder/new",
        "tmp/1.other",
    ] {
        std::fs::create_dir_all(f.path(dir)).unwrap();
    }
    f.put("tmp/1.deleted_deleted/cur/1.a:2,");
    f.put("tmp/1.full_folder/cur/1.a:2,");
    f.put("tmp/1.fresh_folder/new/1.a");
    f.put("tmp/1.y");
    upkeep::purge_tmp(&f.store, &f.enter(), clock::now().0 + 35 * 3600);
    assert_eq!(f.list("tmp").len(), 6);
    f.store.forget_purges();
    upkeep::purge_tmp(&f.store, &f.enter(), clock::now().0 + 37 * 3600);
    // What was deleted is gone. What was never put in its place may hold mail that was
    // acknowledged.
    assert_eq!(f.list("tmp"), ["1.fresh_folder", "1.full_folder", "1.other"]);
    assert_eq!(f.list("tmp/1.full_folder/cur"), ["1.a:2,"]);
    assert_eq!(f.list("tmp/1.fresh_folder/new"), ["1.a"]);
}
