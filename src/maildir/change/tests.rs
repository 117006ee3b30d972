//! Changes against what others have done in the meantime.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::testing::TestFolder;
use super::*;
use crate::maildir::Config;
use std::io::Read;

const ALL: Flags = Flags::all();

fn letters(flags: Flags) -> String {
    let mut out = Vec::new();
    flags.push_letters(&mut out);
    String::from_utf8(out).unwrap()
}

fn f(letters: &str) -> Flags {
    Flags::of_letters(letters.as_bytes())
}

#[test]
fn arithmetic_of_flags() {
    for (operation, flags, old, allowed, new) in [
        (Operation::Replace, f("S"), "FT", ALL, "S"),
        (Operation::Replace, f("S"), "FT", f("S"), "FST"),
        (Operation::Replace, f(""), "FT", f("F"), "T"),
        (Operation::Add, f("ST"), "F", ALL, "FST"),
        (Operation::Add, f("ST"), "F", f("S"), "FS"),
        (Operation::Remove, f("ST"), "FST", ALL, "F"),
        (Operation::Remove, f("ST"), "FST", f("T"), "FS"),
    ] {
        assert_eq!(letters(operation.apply(f(old), flags, allowed)), new, "{operation:?} {old}");
    }
}

#[test]
fn flags_are_a_rename() {
    let d = TestFolder::of(&["1.a:2,PSa", "2.b", "3.c:2,"]);
    let mut m = d.scan().messages;
    let mut store = |i, operation, flags| {
        letters(store_flags(&d.enter(), &mut m, i, &Edit::new(operation, flags, ALL)).unwrap())
    };
    // Nothing to change: not even the unknown letters go.
    assert_eq!(store(0, Operation::Add, f("S")), "S");
    assert_eq!(d.list("cur"), ["1.a:2,PSa", "2.b", "3.c:2,"]);
    assert_eq!(store(0, Operation::Add, f("F")), "FS");
    assert_eq!(store(1, Operation::Add, f("T")), "T");
    assert_eq!(store(2, Operation::Replace, f("DFRST")), "DFRST");
    assert_eq!(d.list("cur"), ["1.a:2,FS", "2.b:2,T", "3.c:2,DFRST"]);
    assert_eq!(store(2, Operation::Remove, f("DRS")), "FT");
    assert_eq!(d.list("cur"), ["1.a:2,FS", "2.b:2,T", "3.c:2,FT"]);
    assert_eq!(m.file_name(2), b"3.c:2,FT");
}

#[test]
fn changes_of_others_are_merged() {
    let d = TestFolder::of(&["1.a:2,S", "2.b:2,", "3.c:2,T", "4.d:2,F"]);
    let mut m = d.scan().messages;
    d.rename("cur/1.a:2,S", "cur/1.a:2,F");
    d.rename("cur/2.b:2,", "cur/2.b:2,R");
    d.remove("cur/3.c:2,T");
    // What we knew as set is not any more, so setting it is a change.
    assert_eq!(
        letters(
            store_flags(&d.enter(), &mut m, 0, &Edit::new(Operation::Add, f("S"), ALL)).unwrap()
        ),
        "FS"
    );
    // The reading told of the others, too.
    assert!(m.take_changed(0) && m.take_changed(1) && !m.take_changed(1) && !m.take_changed(3));
    assert_eq!(
        letters(
            store_flags(&d.enter(), &mut m, 1, &Edit::new(Operation::Replace, f("S"), ALL))
                .unwrap()
        ),
        "S"
    );
    assert!(matches!(
        store_flags(&d.enter(), &mut m, 2, &Edit::new(Operation::Add, f("S"), ALL)),
        Err(Error::Gone)
    ));
    assert!(matches!(
        store_flags(&d.enter(), &mut m, 9, &Edit::new(Operation::Add, f("S"), ALL)),
        Err(Error::Gone)
    ));
    assert_eq!(d.list("cur"), ["1.a:2,FS", "2.b:2,S", "4.d:2,F"]);
}

#[test]
fn no_file_is_overwritten() {
    let d = TestFolder::of(&["1.a:2,"]);
    let mut m = d.scan().messages;
    d.put("cur/1.a:2,S");
    assert!(matches!(
        store_flags(&d.enter(), &mut m, 0, &Edit::new(Operation::Add, f("S"), ALL)),
        Err(Error::Io(..))
    ));
    assert_eq!(d.read("cur/1.a:2,S"), "Subject: cur/1.a:2,S\n\ntext\n");
    assert_eq!(d.read("cur/1.a:2,"), "Subject: cur/1.a:2,\n\ntext\n");
}

#[test]
fn opening_follows_renames() {
    let d = TestFolder::of(&["1.a:2,", "2.b,S=5:2,", "3.c:2,", "4.d:2,"]);
    let mut m = d.scan().messages;
    let read = |m: &mut Messages, i| {
        open(&d.enter(), m, i).map(|(mut file, metadata)| {
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(metadata.len(), text.len() as u64);
            (text.lines().next().unwrap().to_owned(), m.is_changed(i))
        })
    };
    assert_eq!(read(&mut m, 0).unwrap(), ("Subject: cur/1.a:2,".to_owned(), false));
    d.rename("cur/1.a:2,", "cur/1.a:2,S");
    // A size that came or went does not make it another message (STORAGE 1.4).
    d.rename("cur/2.b,S=5:2,", "cur/2.b:2,F");
    d.rename("cur/3.c:2,", "cur/3.c,S=7:2,");
    d.remove("cur/4.d:2,");
    assert_eq!(read(&mut m, 0).unwrap(), ("Subject: cur/1.a:2,".to_owned(), true));
    assert!(m.is_changed(0) && m.take_changed(0) && !m.is_changed(0));
    assert_eq!(read(&mut m, 0).unwrap(), ("Subject: cur/1.a:2,".to_owned(), false));
    assert_eq!(read(&mut m, 1).unwrap(), ("Subject: cur/2.b,S=5:2,".to_owned(), true));
    assert_eq!(read(&mut m, 2).unwrap(), ("Subject: cur/3.c:2,".to_owned(), false));
    assert!(matches!(read(&mut m, 3), Err(Error::Gone)));
    assert_eq!(letters(m.flags(1)), "F");
}

/// Another host replaces the file between the lookup and the reading: the work begins anew, with the
/// file that is there. Whatever else it says is its answer.
#[test]
fn a_file_that_is_replaced_is_opened_again() {
    let d = TestFolder::of(&["1.a:2,", "2.b:2,"]);
    let mut m = d.scan().messages;
    let read = |mut file: &File| {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    };
    let failed = |errno| Error::failed("reading", io::Error::from_raw_os_error(errno));
    let mut seen = Vec::new();
    let done = with_open(&d.enter(), &mut m, 0, |messages, (file, stat)| {
        seen.push(format!("{} {}", letters(messages.flags(0)), stat.len()));
        if seen.len() == 1 {
            // By another session, its flag too.
            d.write("tmp/x", "new\n");
            d.rename("tmp/x", "cur/1.a:2,F");
            d.remove("cur/1.a:2,");
            return Err(failed(libc::ESTALE));
        }
        Ok(read(file))
    });
    assert_eq!(done.unwrap().unwrap(), "new\n");
    assert_eq!(seen, [" 26", "F 4"]);
    let mut calls = 0;
    let done = with_open(&d.enter(), &mut m, 1, |_, _| -> Result<(), Error> {
        calls += 1;
        Err(failed(libc::EIO))
    });
    assert_eq!((done.unwrap().unwrap_err().errno(), calls), (Some(libc::EIO), 1));
    let done = with_open(&d.enter(), &mut m, 1, |_, _| -> Result<(), Error> {
        let _ = std::fs::remove_file(d.path("cur/2.b:2,"));
        Err(failed(libc::ESTALE))
    });
    assert!(matches!(done, Err(Error::Gone)));
}

#[test]
fn links_and_pipes_are_not_opened() {
    let d = TestFolder::of(&["1.a:2,"]);
    // A folder that is made of links: those that lead into the folder behind `shared`.
    let theirs = d.path("theirs/cur/2.b:2,");
    std::fs::create_dir_all(d.path("theirs/cur")).unwrap();
    std::fs::write(&theirs, "text\n").unwrap();
    std::os::unix::fs::symlink(d.path("theirs"), d.path("shared")).unwrap();
    std::os::unix::fs::symlink(&theirs, d.path("cur/2.b:2,")).unwrap();
    let links = || Dir::of_links(d.dir.path()).enter().unwrap();
    let mut m = d.scan().messages;
    assert_eq!(m.len(), 2);
    assert!(matches!(open(&d.enter(), &mut m, 1), Err(Error::Io(..))));
    assert!(open(&links(), &mut m, 1).is_ok());
    std::fs::remove_file(&theirs).unwrap();
    assert!(matches!(open(&links(), &mut m, 1), Err(Error::Gone)));
    std::fs::create_dir(&theirs).unwrap();
    assert!(matches!(open(&links(), &mut m, 1), Err(Error::Io(..))));
    assert!(unlink(&links(), &mut m, 1, &mut Removal::default()).unwrap().is_none());
    assert!(std::fs::symlink_metadata(d.path("cur/2.b:2,")).is_ok());
    std::fs::remove_dir(&theirs).unwrap();
    assert!(unlink(&links(), &mut m, 1, &mut Removal::default()).unwrap().is_some());
    assert_eq!(d.list("cur"), ["1.a:2,"]);
    d.remove("cur/1.a:2,");
    std::fs::create_dir(d.path("cur/1.a:2,")).unwrap();
    assert!(matches!(open(&d.enter(), &mut m, 0), Err(Error::Io(..))));
}

#[test]
fn unlinking() {
    let d = TestFolder::of(&["1.a:2,T", "2.b:2,T", "3.c:2,T", "4.d:2,"]);
    let mut m = d.scan().messages;
    d.rename("cur/2.b:2,T", "cur/2.b:2,ST");
    d.rename("cur/3.c:2,T", "cur/3.c:2,S");
    let mut gone = |i| unlink(&d.enter(), &mut m, i, &mut Removal::default()).unwrap().is_some();
    assert!(gone(0));
    assert!(!gone(0));
    assert!(gone(1));
    // Somebody has taken \Deleted back.
    assert!(!gone(2));
    assert!(gone(3));
    assert_eq!(d.list("cur"), ["3.c:2,S"]);
}

#[test]
fn moving_to_the_trash() {
    let d = TestFolder::of(&["1.a:2,DST", "2.b:2,T", "3.c:2,T"]);
    let trash = d.sub("Trash");
    let mut place = Trash::at(trash.dir.clone());
    let mut m = d.scan().messages;
    let mut go = |i| {
        move_to_trash(&d.store, &d.enter(), &mut m, i, (&mut place, &mut Removal::default()))
            .map(|removed| removed.is_some())
    };
    assert!(go(0).unwrap());
    assert_eq!(trash.list("."), ["cur", "maildirfolder", "new", "tmp"]);
    assert_eq!(trash.list("cur"), ["1.a:2,S"]);
    // The name is taken there.
    trash.put("cur/2.b:2,");
    assert!(go(1).unwrap());
    assert_eq!(trash.list("cur").len(), 3);
    assert_eq!(trash.read("cur/2.b:2,"), "Subject: cur/2.b:2,\n\ntext\n");
    d.remove("cur/3.c:2,T");
    assert!(!go(2).unwrap());
    assert_eq!(d.list("cur").len(), 0);
}

#[test]
fn ten_thousand_gone_messages_are_found_out_by_one_reading() {
    let d = TestFolder::with(Config { fsync: false, ..Config::default() });
    for n in 0..3000 {
        std::fs::write(d.path(&format!("cur/{n}.a:2,")), "").unwrap();
    }
    let mut m = d.scan().messages;
    for n in 0..2999 {
        d.remove(&format!("cur/{n}.a:2,"));
    }
    let start = crate::sys::clock::monotonic();
    let gone =
        (0..3000).filter(|i| matches!(open(&d.enter(), &mut m, *i), Err(Error::Gone))).count();
    assert_eq!(gone, 2999);
    assert!(start.elapsed().as_millis() < 1000);
}

/// A trash that is no folder is not taken for a message that is not there.
#[test]
fn a_half_made_trash_takes_nothing() {
    let d = TestFolder::of(&["1.a:2,T"]);
    let mut m = d.scan().messages;
    let trash = d.sub("Trash");
    let mut place = Trash::at(trash.dir.clone());
    std::fs::create_dir(trash.dir.path()).unwrap();
    let moved =
        move_to_trash(&d.store, &d.enter(), &mut m, 0, (&mut place, &mut Removal::default()));
    assert_eq!(moved.unwrap_err().errno(), Some(libc::ENOTDIR));
    assert_eq!(d.list("cur"), ["1.a:2,T"]);
    std::fs::remove_dir(trash.dir.path()).unwrap();
    assert!(
        move_to_trash(&d.store, &d.enter(), &mut m, 0, (&mut place, &mut Removal::default()))
            .unwrap()
            .is_some()
    );
    assert_eq!(trash.list("cur"), ["1.a:2,"]);
}

#[test]
fn who_renames_first_wins() {
    let d = TestFolder::of(&["1.a:2,S", "2.b:2,", "3.c:2,T", "4.d:2,"]);
    let mut m = d.scan().messages;
    let swap = |m: &mut Messages, i, operation, flags| {
        swap_flags(&d.enter(), m, i, &Edit::new(operation, f(flags), ALL))
    };
    assert_eq!(swap(&mut m, 0, Operation::Add, "F").unwrap(), Swap::Done);
    assert_eq!(m.file_name(0), b"1.a:2,FS");
    // Somebody else has renamed it: what they have made of it is known, and stays.
    d.rename("cur/2.b:2,", "cur/2.b:2,R");
    assert_eq!(swap(&mut m, 1, Operation::Add, "F").unwrap(), Swap::Refused);
    assert_eq!((letters(m.flags(1)), m.take_changed(1)), ("R".to_owned(), true));
    assert_eq!(swap(&mut m, 1, Operation::Add, "F").unwrap(), Swap::Done);
    // Where nothing is to be changed, too.
    d.rename("cur/3.c:2,T", "cur/3.c:2,ST");
    assert_eq!(swap(&mut m, 2, Operation::Add, "T").unwrap(), Swap::Refused);
    assert_eq!(swap(&mut m, 2, Operation::Add, "T").unwrap(), Swap::Done);
    d.remove("cur/4.d:2,");
    assert!(matches!(swap(&mut m, 3, Operation::Add, "F"), Err(Error::Gone)));
    assert_eq!(d.list("cur"), ["1.a:2,FS", "2.b:2,FR", "3.c:2,ST"]);
}
