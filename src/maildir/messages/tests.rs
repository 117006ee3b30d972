//! The compact list: names come back as they were, UIDs in order.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

#[test]
fn records_are_small() {
    assert!(std::mem::size_of::<Record>() <= 20);
}

#[test]
fn names_come_back_as_they_were() {
    let names = [
        "1.a:2,S",
        "2.a:2,",
        "3.a",
        "4.a:2,SF",
        "5.a:2,Sab",
        "6.a:1,x",
        "7.a:2,S:2,F",
        ":2,S",
        "8.a:",
        "9.a,S=5:2,DFRST",
    ];
    let mut all = Messages::default();
    for name in names {
        all.push_named(name.as_bytes(), 0);
    }
    for (i, name) in names.iter().enumerate() {
        assert_eq!(all.file_name(i), name.as_bytes());
        assert!(all.is_named(i, name.as_bytes()), "{name}");
        assert!(!all.is_named(i, b"x"));
    }
    assert_eq!(all.base_name(6), b"7.a:2,S");
    assert_eq!(all.key(6), b"7.a");
    assert_eq!(all.flags(3), Flags::SEEN | Flags::FLAGGED);
    all.set_file_name(3, b"4.a:2,S");
    assert_eq!(all.file_name(3), b"4.a:2,S");
    assert_eq!(all.flags(3), Flags::SEEN);
    all.set_file_name(0, b"1.a:2,aS");
    assert_eq!(all.file_name(0), b"1.a:2,aS");
    all.set_file_name(0, b"1.a,S=7:2,T");
    assert_eq!(all.file_name(0), b"1.a,S=7:2,T");
    assert_eq!(all.base_name(0), b"1.a,S=7");
    assert_eq!(all.file_name(99), b"");
}

#[test]
fn numbers_in_order() {
    let mut all = Messages::with_arena(b"5 known\n".to_vec());
    all.push_from_arena(5, 2, 5);
    all.push_named(b"20.b:2,", 0);
    all.push_named(b"zz:2,", bit::DELIVERED);
    all.push_named(b"3.c:2,", 0);
    all.push_named(b"aa:2,", bit::DELIVERED);
    all.push_named(b"n:2,", 0);
    assert_eq!(all.number(9), Some(14));
    let got: Vec<_> =
        (0..all.len()).map(|i| (all.uid(i).unwrap().get(), all.base_name(i).to_vec())).collect();
    let want = [(5, "known"), (9, "zz"), (10, "aa"), (11, "n"), (12, "3.c"), (13, "20.b")];
    assert_eq!(got, want.map(|(n, s)| (n, s.as_bytes().to_vec())));
    assert_eq!(all.position(Uid::new(10).unwrap()), Ok(2));
    assert_eq!(all.position(Uid::new(6).unwrap()), Err(1));
    all.forget_uids();
    assert_eq!(all.number(u32::MAX), None);
}
