use super::*;
use crate::maildir::resolve::tests::{World, folder};
use std::fs as stdfs;

/// Each name, `/` behind a level that is no folder, `+` behind what has children; sorted.
fn shown(list: &[Listed]) -> Vec<String> {
    let one = |l: &Listed| {
        let name = String::from_utf8_lossy(&l.name);
        format!(
            "{name}{}{}",
            if l.is_folder { "" } else { "/" },
            if l.has_children { "+" } else { "" }
        )
    };
    let mut all: Vec<String> = list.iter().map(one).collect();
    all.sort();
    all
}

fn list(names: &Namespace, pattern: &str) -> Vec<String> {
    shown(&names.list(&Pattern::new(pattern.as_bytes()).unwrap().into()).unwrap())
}

#[test]
fn own_folders_and_links() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    for (pattern, expected) in [
        (
            "*",
            &[
                "INBOX+",
                "INBOX.A+",
                "INBOX.A.B",
                "INBOX.V.W",
                "INBOX.V/+",
                "shared.corp.Wr+",
                "shared.corp.Wr.sub.deep",
                "shared.corp.Wr.sub/+",
                "shared.corp/+",
                "shared/+",
            ][..],
        ),
        ("%", &["INBOX+", "shared/+"]),
        ("INBOX.%", &["INBOX.A+", "INBOX.V/+"]),
        ("INBOX.A", &["INBOX.A+"]),
        ("INBOX.A.B", &["INBOX.A.B"]),
        ("INBOX.V", &["INBOX.V/+"]),
        ("INBOX.A.%", &["INBOX.A.B"]),
        ("*B", &["INBOX.A.B"]),
        ("shared.%", &["shared.corp/+"]),
        ("shared.corp.%", &["shared.corp.Wr+"]),
        ("#shared", &[]),
        ("x*", &[]),
    ] {
        assert_eq!(list(&joe, pattern), expected, "{pattern}");
    }
}

#[test]
fn without_the_right_to_see() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    stdfs::write(world.at("joe/.A.B/courierimapacl"), "owner r\n").unwrap();
    assert_eq!(list(&joe, "INBOX.A*"), ["INBOX.A"]);
    stdfs::write(world.at("joe/.A/courierimapacl"), "owner r\n").unwrap();
    stdfs::remove_dir_all(world.at("joe/.V.W")).unwrap();
    assert_eq!(list(&joe, "I*"), ["INBOX"]);
    assert_eq!(list(&joe, "%"), ["INBOX", "shared/+"]);
}

#[test]
fn odd_entries() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    stdfs::write(world.at("joe/.File"), "").unwrap();
    stdfs::create_dir(world.at("joe/.Empty")).unwrap();
    stdfs::write(world.at("joe/.a..b"), "").unwrap();
    stdfs::write(world.at("joe/..x"), "").unwrap();
    stdfs::write(world.at("joe/.new\nline"), "").unwrap();
    // Courier lists every entry that starts with a dot.
    assert_eq!(
        list(&joe, "INBOX.%"),
        ["INBOX.A+", "INBOX.Empty", "INBOX.File", "INBOX.V/+", "INBOX.new\nline"]
    );
}

#[test]
fn the_index() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    for (pattern, expected) in [
        ("#shared.%", &["#shared.Gone/+", "#shared.Sales/+", "#shared.bob/+"][..]),
        ("#shared.Sales.%", &["#shared.Sales.bob/+", "#shared.Sales.sal"]),
        (
            "#shared.bob*",
            &["#shared.bob.Priv", "#shared.bob.Pub+", "#shared.bob.Pub.Sub", "#shared.bob/+"],
        ),
        ("#shared.Sales", &["#shared.Sales/+"]),
        ("#shared.Gone.*", &[]),
        ("#shared.joe*", &[]),
        ("#shared.nobody", &[]),
        (
            "#shared.%.%",
            &["#shared.Sales.bob/+", "#shared.Sales.sal", "#shared.bob.Priv", "#shared.bob.Pub+"],
        ),
    ] {
        assert_eq!(list(&joe, pattern), expected, "{pattern}");
    }
    assert_eq!(list(&world.as_user("joe", "disableshared"), "#shared.*"), Vec::<String>::new());
}

#[test]
fn a_large_maildir() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    for i in 0..300 {
        folder(&world.at(&format!("joe/.many.f{i}")));
    }
    assert_eq!(list(&joe, "INBOX.many.%").len(), 300);
    assert_eq!(list(&joe, "%"), ["INBOX+", "shared/+"]);
}

#[test]
fn subscribed() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    let lsub = |pattern: &str| {
        shown(&joe.list_subscribed(&Pattern::new(pattern.as_bytes()).unwrap()).unwrap())
    };
    assert_eq!(lsub("*"), Vec::<String>::new());
    stdfs::write(
        world.at("joe/courierimapsubscribed"),
        "inbox.N.M\nINBOX.A\n#shared.bob.Pub\n#shared.bob\n\nbad\nINBOX.a/b\n",
    )
    .unwrap();
    joe.links().subscribe(b"corp.Wr").unwrap();
    assert_eq!(
        lsub("*"),
        [
            "INBOX.A",
            "INBOX.N.M",
            "INBOX.N/+",
            "INBOX/+",
            "shared.corp.Wr",
            "shared.corp/+",
            "shared/+"
        ]
    );
    assert_eq!(lsub("%"), ["INBOX/+", "shared/+"]);
    assert_eq!(lsub("INBOX.%"), ["INBOX.A", "INBOX.N/+"]);
    assert_eq!(lsub("#shared.*"), ["#shared.bob.Pub", "#shared.bob/+"]);
    // Courier saves the rights of what is not there, too.
    assert!(world.at("joe/courierimaphieracl/N.M").exists());
}
