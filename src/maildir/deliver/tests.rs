//! Messages on their way in.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::testing::TestFolder;
use super::*;
use crate::maildir::{Config, Mode, change};
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;

#[test]
fn bytes_as_they_are() {
    let f = TestFolder::new();
    let mut d = Delivery::create(&f.store, &f.enter(), None).unwrap();
    let (mut want, mut all) = (Vec::new(), 0);
    for (n, length) in
        [0usize, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 3, 200_000, 7].into_iter().enumerate()
    {
        let piece = vec![b'a' + n as u8; length];
        d.write(&piece).unwrap();
        want.extend_from_slice(&piece);
        all += length as u64;
        assert_eq!(d.size(), all);
    }
    d.write(b"\n").unwrap();
    d.write(b"").unwrap();
    want.push(b'\n');
    let name = f.list("tmp")[0].clone();
    assert!(
        name.ends_with(&format!("_0.{}", String::from_utf8_lossy(f.store.config.host.as_bytes()))),
        "{name}"
    );
    d.finish(&f.store, Flags::SEEN | Flags::DRAFT, vec![], Some(1_000_000_000)).unwrap();
    assert!(d.write(b"x").is_err());
    let scanned = f.try_scan(Mode::ReadWrite, None, vec![d]).unwrap();
    let name = String::from_utf8(scanned.snapshot.messages.file_name(0)).unwrap();
    assert!(name.ends_with(&format!(",S={}:2,DS", want.len())), "{name}");
    assert_eq!(std::fs::read(f.path(&format!("cur/{name}"))).unwrap(), want);
    let metadata = std::fs::metadata(f.path(&format!("cur/{name}"))).unwrap();
    assert_eq!((metadata.mtime(), metadata.nlink()), (1_000_000_000, 1));
}

#[test]
fn a_known_size_is_in_both_names() {
    let f = TestFolder::new();
    let mut d = Delivery::create(&f.store, &f.enter(), Some(4)).unwrap();
    assert!(f.list("tmp")[0].ends_with(",S=4"));
    d.write(b"abc\n").unwrap();
    d.finish(&f.store, Flags::empty(), vec![], None).unwrap();
    let m = f.try_scan(Mode::ReadWrite, None, vec![d]).unwrap().snapshot.messages;
    assert!(m.file_name(0).ends_with(b",S=4:2,"));
}

#[test]
fn nowhere_to_go() {
    let f = TestFolder::new();
    let nowhere = f.enter();
    std::fs::remove_dir_all(f.dir.path()).unwrap();
    assert!(matches!(Delivery::create(&f.store, &nowhere, None), Err(Error::Gone)));
    let file = File::open("/etc/passwd").unwrap();
    assert!(matches!(Delivery::link_of(&f.store, &nowhere, &file), Err(Error::Gone)));
}

#[test]
fn a_second_name_in_place_of_a_copy() {
    let f = TestFolder::of(&["1.a:2,S"]);
    let target = f.sub("Copy");
    crate::maildir::folders::create(&f.store, &target.dir).unwrap();
    let mut m = f.scan().messages;
    let (file, metadata) = change::open(&f.enter(), &mut m, 0).unwrap();
    let link = || Delivery::link_of(&f.store, &target.enter(), &file).unwrap();
    // Somebody changes a flag after it was opened.
    f.rename("cur/1.a:2,S", "cur/1.a:2,RS");
    let mut made = link().unwrap();
    made.finish(&f.store, Flags::FLAGGED, vec![b"Work".to_vec()], None).unwrap();
    let scanned = target.try_scan(Mode::ReadWrite, None, vec![made]).unwrap();
    let name = String::from_utf8(scanned.snapshot.messages.file_name(0)).unwrap();
    assert!(name.ends_with(&format!(",S={}:2,F", metadata.len())));
    assert_eq!(
        std::fs::metadata(target.path(&format!("cur/{name}"))).unwrap().ino(),
        metadata.inode().1
    );
    assert_eq!(f.list("cur"), ["1.a:2,RS"]);
    // Not for others to read where others read: copy it.
    let source = f.path("cur/1.a:2,RS");
    std::fs::set_permissions(&source, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(link().is_some());
    std::fs::set_permissions(target.path("tmp"), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(link().is_none());
    std::fs::set_permissions(target.path("tmp"), std::fs::Permissions::from_mode(0o700)).unwrap();
    // Its text is still there when its last name is not.
    std::fs::remove_file(&source).unwrap();
    let other = std::fs::read_dir(target.path("cur")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(other).unwrap();
    assert!(link().is_none());
    assert!(target.list("tmp").is_empty());
}

#[test]
fn two_processes_never_share_a_name() {
    let f = TestFolder::new();
    let all: Vec<_> = (0..500).map(|_| f.delivery("x\n", Flags::empty(), &[])).collect();
    assert_eq!(f.list("tmp").len(), 500);
    let scanned = f.try_scan(Mode::ReadWrite, None, all).unwrap();
    assert_eq!(scanned.delivered.len(), 500);
    assert!(scanned.delivered.is_sorted());
    assert_eq!(f.list("cur").len(), 500);
}

#[test]
fn courier_takes_up_what_was_delivered() {
    let f = TestFolder::with(Config::default());
    f.scan();
    let one = f.delivery("Subject: one\n\ntext\n", Flags::SEEN, &["Work"]);
    let scanned = f.try_scan(Mode::ReadWrite, None, vec![one]).unwrap();
    let before = (f.uids(), f.list("cur"), f.list("courierimapkeywords"));
    let Some(output) = f.courier(&["SELECT INBOX", "FETCH 1 (UID FLAGS)"]) else { return };
    assert!(output.contains("* 1 FETCH (UID 1 FLAGS (\\Seen Work))"), "{output}");
    assert!(
        output.contains(&format!("UIDVALIDITY {}", scanned.snapshot.uid_validity))
            && output.contains("* 0 RECENT"),
        "{output}"
    );
    assert_eq!((f.uids(), f.list("cur"), f.list("courierimapkeywords")), before);
    // And the other way: what Courier appends and marks is what we see.
    let output = f
        .courier(&[
            "SELECT INBOX",
            "STORE 1 +FLAGS (\\Flagged Extra)",
            "APPEND INBOX (\\Answered) {3}\r\nabc",
        ])
        .unwrap();
    assert!(output.contains("APPENDUID"), "{output}");
    let s = f.scan();
    assert_eq!(s.messages.len(), 2);
    let (one, two) = (s.messages.flags(0), s.messages.flags(1));
    assert_eq!((one, two), (Flags::SEEN | Flags::FLAGGED, Flags::ANSWERED));
    assert_eq!(s.keywords.names_of(s.messages.keywords(0)).count(), 2);
    assert!(!s.messages.recent(1));
}
