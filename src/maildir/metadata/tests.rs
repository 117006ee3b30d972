use super::*;
use crate::maildir::testing::TestFolder;
use crate::types::EntryName;
use crate::types::limits::{MAX_METADATA_BYTES, MAX_METADATA_ENTRIES, MAX_METADATA_VALUE};

fn name(text: &str) -> EntryName {
    EntryName::parse(text.as_bytes()).unwrap()
}

fn place(f: &TestFolder, file: File, folder: &str) -> Place {
    Place { dir: Rc::new(f.enter()), file, folder: folder.into() }
}

fn set(f: &TestFolder, place: &Place, entry: &str, value: Option<&[u8]>) -> &'static str {
    let changes = vec![(name(entry), value.map(<[u8]>::to_vec))];
    match change(&f.store, &[(place.clone(), changes)], |folder| folder == b"#shared.there") {
        Ok(()) => "ok",
        Err(ChangeRefused::TooMany) => "too many",
        Err(ChangeRefused::Failed(_)) => "failed",
    }
}

fn text(f: &TestFolder, file: &str) -> String {
    std::fs::read_to_string(f.path(file)).unwrap_or_else(|_| "-".into())
}

#[test]
fn the_form_of_a_file() {
    let f = TestFolder::of(&[]);
    let shared = place(&f, File::Shared, "");
    assert_eq!(set(&f, &shared, "/shared/Comment", Some(b"a\nb")), "ok");
    assert_eq!(set(&f, &shared, "/shared/vendor/x/two words", Some(b"")), "ok");
    assert_eq!(
        text(&f, "postrider-metadata"),
        "postrider-metadata 1\n3 /shared/Comment\na\nb\n0 /shared/vendor/x/two words\n\n"
    );
    assert_eq!(set(&f, &shared, "/SHARED/COMMENT", Some(b"c")), "ok");
    assert_eq!(read(&shared).unwrap().get(&name("/shared/comment")).unwrap(), b"c");
    let below = |of: &str| {
        let (read, of) = (read(&shared).unwrap(), name(of));
        let below = read.below(&of).map(|(name, _)| String::from_utf8(name).unwrap());
        below.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(below("/Shared"), "/Shared/COMMENT /Shared/vendor/x/two words");
    assert_eq!(below("/shared/vendor"), "/shared/vendor/x/two words");
    assert_eq!(below("/shared/comm"), "");
    assert_eq!(set(&f, &shared, "/shared/comment", None), "ok");
    assert_eq!(set(&f, &shared, "/shared/vendor/x/two words", None), "ok");
    assert_eq!(text(&f, "postrider-metadata"), "-", "a file without annotations goes");
    assert_eq!(set(&f, &shared, "/shared/nothing", None), "ok");
}

#[test]
fn folders_of_others() {
    let f = TestFolder::of(&[]);
    let server = place(&f, File::Account, "");
    let of = |folder: &str| place(&f, File::Account, folder);
    for place in [&of("#shared.b"), &server, &of("#shared.b.c"), &of("#shared.bc")] {
        assert_eq!(set(&f, place, "/private/comment", Some(&place.folder)), "ok");
    }
    let one =
        |folder: &str| format!("folder {folder}\n{} /private/comment\n{folder}\n", folder.len());
    let all = |folders: &[&str]| {
        let folders: String = folders.iter().map(|folder| one(folder)).collect();
        format!("postrider-metadata 1\n0 /private/comment\n\n{folders}")
    };
    let file = "postrider-metadata-account";
    assert_eq!(text(&f, file), all(&["#shared.b", "#shared.b.c", "#shared.bc"]));
    rename(&f.store, Rc::new(f.enter()), b"#shared.b", b"#shared.d").unwrap();
    let moved = text(&f, file);
    assert!(moved.contains("folder #shared.d\n9 /private/comment\n#shared.b\n"), "{moved}");
    assert!(moved.contains("folder #shared.d.c\n") && moved.contains("folder #shared.bc\n"));
    forget(&f.store, Rc::new(f.enter()), b"#shared.d").unwrap();
    let left = text(&f, file);
    assert!(!left.contains("folder #shared.d\n") && left.contains("folder #shared.d.c\n"));
}

#[test]
fn limits() {
    let f = TestFolder::of(&[]);
    let shared = place(&f, File::Shared, "");
    for n in 0..MAX_METADATA_ENTRIES {
        assert_eq!(set(&f, &shared, &format!("/shared/{n}"), Some(b"x")), "ok");
    }
    assert_eq!(set(&f, &shared, "/shared/one", Some(b"x")), "too many");
    assert_eq!(set(&f, &shared, "/shared/1", Some(b"y")), "ok");
    let large = vec![b'x'; MAX_METADATA_VALUE];
    let mut count = 0;
    while set(&f, &shared, &format!("/shared/{count}"), Some(&large)) == "ok" {
        count += 1;
    }
    assert_eq!(count, MAX_METADATA_BYTES / MAX_METADATA_VALUE - 1);
    assert_eq!(set(&f, &shared, "/shared/0", None), "ok");
    // What belongs to folders that are gone makes room.
    let of = |folder: &str| place(&f, File::Account, folder);
    for n in 0..count {
        assert_eq!(set(&f, &of(&format!("#shared.{n}")), "/private/a", Some(&large)), "ok");
    }
    assert_eq!(set(&f, &of("#shared.there"), "/private/a", Some(&large)), "ok");
    assert_eq!(set(&f, &of("#shared.there"), "/private/b", Some(b"x")), "ok");
    assert!(read(&of("#shared.1")).unwrap().len() == 0);
    assert_eq!(read(&of("#shared.there")).unwrap().len(), 2);
}

#[test]
fn a_change_of_two_files_is_one() {
    let f = TestFolder::of(&[]);
    let (shared, private) = (place(&f, File::Shared, ""), place(&f, File::Private, ""));
    let both = |value: &str| {
        let changes = |entry: &str| vec![(name(entry), Some(value.as_bytes().to_vec()))];
        let changes = [
            (shared.clone(), changes("/shared/comment")),
            (private.clone(), changes("/private/comment")),
        ];
        change(&f.store, &changes, |_| true).is_ok()
    };
    assert!(both("one"));
    // The second file cannot be put in its place.
    std::fs::remove_file(f.path("postrider-metadata-private")).unwrap();
    std::fs::create_dir(f.path("postrider-metadata-private")).unwrap();
    assert!(!both("two"));
    assert_eq!(read(&shared).unwrap().get(&name("/shared/comment")).unwrap(), b"one");
    assert!(f.list("tmp").is_empty());
}

#[test]
fn files_that_make_no_sense() {
    let f = TestFolder::of(&[]);
    let shared = place(&f, File::Shared, "");
    let head = "postrider-metadata 1\n";
    for (rest, entries) in [
        ("", Some(0)),
        ("1 /shared/a\nx\n", Some(1)),
        ("folder x\n1 /shared/a\nx\n", Some(0)),
        ("1 /shared/a\nx", None),
        ("1 /shared/a\nxy\n", None),
        ("2 /shared/a\nx\n", None),
        ("99999999999999999999 /shared/a\nx\n", None),
        ("-1 /shared/a\nx\n", None),
        ("1 /shared/a\nx\n1 /SHARED/A\ny\n", None),
        ("1 /a\nx\n", None),
        ("1 /shared\nx\n", None),
        ("1\nx\n", None),
        ("\n", None),
        ("folder", None),
    ] {
        std::fs::write(f.path("postrider-metadata"), format!("{head}{rest}")).unwrap();
        assert_eq!(read(&shared).ok().map(|found| found.len()), entries, "{rest:?}");
        let changed = set(&f, &shared, "/shared/b", Some(b"x"));
        assert_eq!(changed, if entries.is_some() { "ok" } else { "failed" }, "{rest:?}");
    }
    let path = f.path("postrider-metadata");
    for bytes in [&b"postrider-metadata 2\n"[..], b"x", b"\0\xff\n"] {
        std::fs::write(&path, bytes).unwrap();
        assert!(read(&shared).is_err());
    }
    std::fs::write(&path, "").unwrap();
    assert_eq!(read(&shared).unwrap().len(), 0, "a crash has left it empty");
    std::fs::File::create(&path).unwrap().set_len(MAX_METADATA_BYTES as u64 + 1).unwrap();
    assert!(read(&shared).is_err());
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert!(read(&shared).is_err());
}
