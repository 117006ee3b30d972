//! Folders made, removed and renamed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::testing::{TestFolder, list};
use super::*;
use std::os::unix::fs::MetadataExt;

fn errno(result: Result<(), Error>) -> Option<i32> {
    result.unwrap_err().errno()
}

#[test]
fn made_as_courier_makes_them() {
    let inbox = TestFolder::new();
    let f = inbox.sub("Sent");
    create(&f.store, &f.dir).unwrap();
    assert_eq!(
        f.list("."),
        ["courierimapkeywords", "courierimapuiddb", "cur", "maildirfolder", "new", "tmp"]
    );
    let mode = |name: &str| std::fs::symlink_metadata(f.path(name)).unwrap().mode() & 0o777;
    assert_eq!((mode("."), mode("cur"), mode("maildirfolder")), (0o700, 0o700, 0o600));
    assert_eq!(f.uids(), format!("1 {} 1\n", uiddb::validity_of(&f.enter()).unwrap()));
    assert_eq!(errno(create(&f.store, &f.dir).map(drop)), Some(17));
    assert!(f.path("cur").is_dir());
    let long = inbox.sub(&"x".repeat(300));
    assert!(create(&long.store, &long.dir).is_err());
    // Half-way: nothing stays.
    let f = inbox.sub("Half");
    let nowhere = Dir::at(inbox.path("none/.x"));
    assert!(create(&f.store, &nowhere).is_err());
    assert!(!inbox.path("none").exists());
}

#[test]
fn removed_with_all_that_is_in_it() {
    let inbox = TestFolder::new();
    let f = inbox.sub("A");
    create(&f.store, &f.dir).unwrap();
    let below = inbox.sub("A.B");
    create(&below.store, &below.dir).unwrap();
    f.put("cur/1.a:2,");
    f.put("odd/deep/file");
    let outside = inbox.root.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("kept"), "").unwrap();
    std::os::unix::fs::symlink(&outside, f.path("link")).unwrap();
    let was = uiddb::validity_of(&f.enter()).unwrap();
    delete(&f.store, &f.dir).unwrap();
    assert!(!f.dir.is_there() && below.dir.is_there());
    assert_eq!(list(&outside), ["kept"]);
    // Its UIDVALIDITY does not come back.
    create(&f.store, &f.dir).unwrap();
    assert!(uiddb::validity_of(&f.enter()).unwrap() > was);
    // A link is no folder.
    std::os::unix::fs::symlink(&outside, inbox.path(".Link")).unwrap();
    assert_eq!(errno(delete(&f.store, &inbox.sub("Link").dir)), Some(20));
    assert_eq!(list(&outside), ["kept"]);
    assert!(matches!(delete(&f.store, &inbox.sub("None").dir), Err(Error::Gone)));
}

#[test]
fn no_waiting_for_old_or_strange_values() {
    let inbox = TestFolder::new();
    let entered = inbox.enter();
    let tmp = entered.tmp().ok();
    let start = clock::monotonic();
    for n in [1, 700_000_000, u32::MAX] {
        wait_until_past(&inbox.store, UidValidity::new(n), tmp).unwrap();
    }
    wait_until_past(&inbox.store, None, tmp).unwrap();
    assert!(start.elapsed() < Duration::from_millis(50));
}

#[test]
fn renamed_with_all_below() {
    let inbox = TestFolder::new();
    for name in ["Old", "Old.a", "Old.a.b", "Older"] {
        let f = inbox.sub(name);
        create(&f.store, &f.dir).unwrap();
        f.put("cur/7.x:2,S");
        f.set_uids("1 5 9\n8 7.x\n");
    }
    inbox.write("courierimaphieracl/Old.v", "owner lr\n");
    inbox.write("courierimaphieracl/Olden", "owner lr\n");
    let go = |old: &str, new: &str| {
        rename(&inbox.store, inbox.dir.path(), old.as_bytes(), new.as_bytes())
    };
    go("Old", "New.x").unwrap();
    let mut subs = folder_names::list_all(inbox.enter().folder()).unwrap();
    subs.sort();
    assert_eq!(subs, [&b"New.x"[..], b"New.x.a", b"New.x.a.b", b"Older"]);
    let f = inbox.sub("New.x.a.b");
    assert_eq!(f.list("cur"), ["7.x:2,S"]);
    let validity = uiddb::validity_of(&f.enter()).unwrap();
    assert!(validity.get() > 700_000_000);
    assert_eq!(f.uids(), format!("1 {validity} 2\n1 7.x\n"));
    assert_eq!(inbox.list("courierimaphieracl"), ["New.x.v", "Olden"]);
    // There and back: yet another UIDVALIDITY.
    go("New.x", "Old").unwrap();
    assert!(uiddb::validity_of(&inbox.sub("Old.a.b").enter()).unwrap() > validity);
    // What is not there, and what is in the way: nothing moves.
    assert!(matches!(go("None", "Other"), Err(Error::Gone)));
    let blocked = inbox.sub("N.a.b");
    create(&blocked.store, &blocked.dir).unwrap();
    let before = inbox.list(".");
    assert_eq!(errno(go("Old", "N")), Some(17));
    assert_eq!(errno(go("Old", "Old.a.c")), Some(22));
    assert_eq!(errno(go("Old", "Old")), Some(22));
    assert_eq!(inbox.list("."), before);
    assert_eq!(inbox.sub("Old").list("cur"), ["7.x:2,S"]);
    // A name that is too long for one of them: all go back.
    let long = "y".repeat(252);
    assert!(go("Old", &long).is_err());
    assert_eq!(inbox.list("."), before);
    // Entries without `cur` stay where they are.
    inbox.put(".Plain");
    assert!(matches!(go("Plain", "Fancy"), Err(Error::Gone)));
    assert!(inbox.path(".Plain").is_file());
}

#[test]
fn marked_by_an_unseen_message() {
    let inbox = TestFolder::of(&["1.a:2,S", "2.b:2,FS", ".x"]);
    assert!(!is_marked(&inbox.dir));
    inbox.put("new/3.c");
    assert!(is_marked(&inbox.dir));
    inbox.rename("new/3.c", "cur/3.c:2,F");
    assert!(is_marked(&inbox.dir));
    inbox.rename("cur/3.c:2,F", "cur/3.c:2,S");
    assert!(!is_marked(&inbox.dir));
    assert!(!is_marked(&inbox.sub("None").dir));
}

/// Another session has removed the folder, and made it again: it is not the one that was to go.
#[test]
fn a_folder_that_was_made_again_stays() {
    for has_tmp in [true, false] {
        let inbox = TestFolder::new();
        let f = inbox.sub("A");
        create(&f.store, &f.dir).unwrap();
        let (maildir, name) = make_folder::place(&f.dir).unwrap();
        let old = maildir.open_directory(&name).unwrap();
        delete(&f.store, &f.dir).unwrap();
        if !has_tmp {
            std::fs::remove_dir(inbox.path("tmp")).unwrap();
            inbox.put("tmp");
        }
        let remove_old = || remove(&f.store, (&maildir, &name), &old.own_stat().unwrap(), &maildir);
        assert!(matches!(remove_old(), Err(Error::Gone)));
        create(&f.store, &f.dir).unwrap();
        f.put("new/1.a");
        assert!(matches!(remove_old(), Err(Error::Gone)));
        assert_eq!(f.list("new"), ["1.a"]);
        delete(&f.store, &f.dir).unwrap();
        assert!(!f.dir.is_there());
    }
}

/// What is taken back is the folder that was made, not another one that has its name now.
#[test]
fn only_what_was_made_is_taken_back() {
    for has_tmp in [true, false] {
        let inbox = TestFolder::new();
        if !has_tmp {
            std::fs::remove_dir(inbox.path("tmp")).unwrap();
            inbox.put("tmp");
        }
        let f = inbox.sub("A");
        // As it was made, with a use and a list.
        let made = create(&f.store, &f.dir).unwrap();
        f.put("postrider-specialuse");
        f.put("courierimapacl");
        assert_eq!(undo_create(&f.store, &made, &|_| {}), TakenBack::Removed);
        assert!(!f.dir.is_there());
        // Another session has renamed it, and perhaps another program makes one of its name.
        for makes_another in [false, true] {
            let made = create(&f.store, &f.dir).unwrap();
            inbox.rename(".A", ".B");
            if makes_another {
                std::fs::create_dir(inbox.path(".A")).unwrap();
            }
            assert_eq!(undo_create(&f.store, &made, &|_| {}), TakenBack::Moved);
            assert_eq!(f.dir.is_there(), makes_another);
            assert!(uiddb::validity_of(&inbox.sub("B").enter()).is_some());
            std::fs::remove_dir_all(inbox.path(".B")).ok();
            std::fs::remove_dir(inbox.path(".A")).ok();
        }
        // Mail has come in.
        for part in ["new", "cur"] {
            let made = create(&f.store, &f.dir).unwrap();
            f.put(&format!("{part}/1.a"));
            assert_eq!(undo_create(&f.store, &made, &|_| {}), TakenBack::HasMail);
            assert_eq!(f.list(part), ["1.a"]);
            assert!(f.enter().has_cur());
            delete(&f.store, &f.dir).unwrap();
        }
        if has_tmp {
            assert_eq!(inbox.list("tmp"), [""; 0]);
        }
    }
}

/// RENAME goes back for another folder below; what has one of the new names now is another one.
#[test]
fn only_what_was_renamed_is_renamed_back() {
    let inbox = TestFolder::new();
    for name in ["Old", "Old.a"] {
        let f = inbox.sub(name);
        create(&f.store, &f.dir).unwrap();
    }
    let maildir = inbox.enter();
    let moved = |from: &'static str, to: &'static str| {
        let this = maildir.folder().stat(from.as_bytes()).unwrap();
        inbox.rename(from, to);
        Renamed { from: from.as_bytes(), to: to.as_bytes(), this }
    };
    let renamed = [moved(".Old", ".New"), moved(".Old.a", ".New.a")];
    inbox.rename(".New.a", ".Elsewhere");
    let another = inbox.sub("New.a");
    create(&another.store, &another.dir).unwrap();
    rename_back(maildir.folder(), &renamed);
    let mut subs = folder_names::list_all(maildir.folder()).unwrap();
    subs.sort();
    assert_eq!(subs, [&b"Elsewhere"[..], b"New.a", b"Old"]);
}
