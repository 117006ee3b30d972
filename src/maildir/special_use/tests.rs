use super::*;
use crate::maildir::Config;
use crate::maildir::resolve::tests::{World, folder};
use std::fs as stdfs;

const RULES: Rules<'_> = Rules { trash: b"Bin", outbox: Some(b"Outbox") };

/// Each folder with its uses, sorted.
fn shown(names: &Namespace) -> Vec<String> {
    let one = |(name, uses): (&Vec<u8>, &SpecialUses)| {
        format!("{} {}", String::from_utf8_lossy(name), uses.shown())
    };
    let uses = names.special_uses(RULES).unwrap();
    let mut all: Vec<String> = uses.iter().map(one).collect();
    all.sort();
    all
}

fn set(names: &Namespace, sub: &str, uses: &str) {
    let store = Store::new(Config::default());
    let uses = SpecialUses::parse(uses.as_bytes()).unwrap();
    names.set_special_uses(&store, sub.as_bytes(), uses).unwrap();
}

#[test]
fn by_name_and_setting() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    assert_eq!(shown(&joe), Vec::<String>::new());
    for name in ["Gesendet", "sent items", "Trash", "A.Drafts", "SPAM", "Bin.Archive", "Bin"] {
        folder(&world.at(&format!("joe/.{name}")));
    }
    // No folder yet.
    stdfs::create_dir(world.at("joe/.Drafts")).unwrap();
    stdfs::write(world.at("joe/.Archive"), "").unwrap();
    assert_eq!(shown(&joe), ["Bin \\Trash", "SPAM \\Junk", "sent items \\Sent"]);
    // Without the right to see it.
    stdfs::write(world.at("joe/.sent items/courierimapacl"), "owner r\n").unwrap();
    assert_eq!(shown(&joe), ["Bin \\Trash", "Gesendet \\Sent", "SPAM \\Junk"]);
    let rules = Rules { trash: b"SPAM", outbox: Some(b"Gesendet") };
    let uses = joe.special_uses(rules).unwrap();
    assert_eq!(uses, HashMap::from([(b"SPAM".to_vec(), SpecialUses::TRASH)]));
}

#[test]
fn what_was_set_wins() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    for name in ["Sent", "Sent Items", "Drafts", "A.out"] {
        folder(&world.at(&format!("joe/.{name}")));
    }
    assert_eq!(shown(&joe), ["Drafts \\Drafts", "Sent \\Sent"]);
    set(&joe, "A.out", "\\Sent \\Archive");
    assert_eq!(shown(&joe), ["A.out \\Archive \\Sent", "Drafts \\Drafts"]);
    // It is taken from where it was.
    set(&joe, "Drafts", "\\Sent");
    assert_eq!(shown(&joe), ["A.out \\Archive", "Drafts \\Sent"]);
    set(&joe, "Drafts", "");
    assert_eq!(shown(&joe), ["A.out \\Archive", "Sent \\Sent"]);
    set(&joe, "Sent", "");
    assert_eq!(shown(&joe), ["A.out \\Archive", "Sent Items \\Sent"]);
    let store = Store::new(Config::default());
    let missing = joe.set_special_uses(&store, b"none", SpecialUses::SENT);
    assert!(matches!(missing, Err(SetRefused::Failed(Error::Gone))));
    assert_eq!(shown(&joe), ["A.out \\Archive", "Sent Items \\Sent"]);
    assert_eq!(stdfs::read(world.at("joe/.Sent/postrider-specialuse")).unwrap(), b"\n");
    assert_eq!(stdfs::read_dir(world.at("joe/tmp")).unwrap().count(), 0);
}

#[test]
fn it_goes_where_the_folder_goes() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    folder(&world.at("joe/.Sent"));
    folder(&world.at("joe/.x"));
    set(&joe, "x", "\\Sent");
    // Courier renames it.
    stdfs::rename(world.at("joe/.x"), world.at("joe/.y.z")).unwrap();
    assert_eq!(shown(&joe), ["y.z \\Sent"]);
    // A new folder of the old name has nothing.
    folder(&world.at("joe/.x"));
    assert_eq!(shown(&joe), ["y.z \\Sent"]);
    // The register is brought up to date by the next change. A backup has other inodes.
    set(&joe, "x", "\\Junk");
    stdfs::rename(world.at("joe/.y.z"), world.at("joe/old")).unwrap();
    assert_eq!(shown(&joe), ["Sent \\Sent", "x \\Junk"]);
    folder(&world.at("joe/.y.z"));
    stdfs::copy(
        world.at("joe/old/postrider-specialuse"),
        world.at("joe/.y.z/postrider-specialuse"),
    )
    .unwrap();
    assert_eq!(shown(&joe), ["x \\Junk", "y.z \\Sent"]);
    stdfs::remove_dir_all(world.at("joe/.y.z")).unwrap();
    assert_eq!(shown(&joe), ["Sent \\Sent", "x \\Junk"]);
    set(&joe, "x", "");
    let register = stdfs::read_to_string(world.at("joe/postrider-specialuses")).unwrap();
    assert_eq!(register.lines().count(), 1, "{register}");
}

#[test]
fn hostile_files() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    folder(&world.at("joe/.Sent"));
    folder(&world.at("joe/.Spam"));
    set(&joe, "Sent", "\\Archive");
    let file = world.at("joe/.Sent/postrider-specialuse");
    for text in ["\\Archive \\Later nonsense \0\n", "\\archive\r\n\r\n", " \\Archive"] {
        stdfs::write(&file, text).unwrap();
        assert_eq!(shown(&joe), ["Sent \\Archive", "Spam \\Junk"], "{text:?}");
    }
    // What cannot be read is no use, neither by name.
    stdfs::File::create(&file).unwrap().set_len(MAX_FILE + 1).unwrap();
    assert_eq!(shown(&joe), ["Spam \\Junk"]);
    stdfs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(world.at("joe/.Spam/cur"), &file).unwrap();
    assert_eq!(shown(&joe), ["Spam \\Junk"]);
    let register = world.at("joe/postrider-specialuses");
    stdfs::write(&register, "\n\nx\n99999999999999999999 \n1\0 a\nabc Spam\n").unwrap();
    assert_eq!(shown(&joe), ["Sent \\Sent", "Spam \\Junk"]);
    stdfs::File::create(&register).unwrap().set_len(MAX_REGISTER + 1).unwrap();
    assert_eq!(shown(&joe), ["Sent \\Sent", "Spam \\Junk"]);
    let store = Store::new(Config::default());
    assert!(joe.set_special_uses(&store, b"Spam", SpecialUses::SENT).is_err());
}

#[test]
fn so_many_values() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    let mut register = String::new();
    for i in 0..MAX_SPECIAL_USE_FOLDERS {
        stdfs::create_dir(world.at(&format!("joe/.f{i}"))).unwrap();
        register += &format!("0 f{i}\n");
    }
    stdfs::write(world.at("joe/postrider-specialuses"), register).unwrap();
    folder(&world.at("joe/.x"));
    let store = Store::new(Config::default());
    let set = |sub: &[u8]| joe.set_special_uses(&store, sub, SpecialUses::SENT);
    assert!(matches!(set(b"x"), Err(SetRefused::TooMany)));
    // Those that are gone do not count.
    stdfs::remove_dir(world.at("joe/.f7")).unwrap();
    set(b"x").unwrap();
    assert_eq!(shown(&joe), ["x \\Sent"]);
}

#[test]
fn all_or_nothing() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    folder(&world.at("joe/.x"));
    folder(&world.at("joe/.y"));
    set(&joe, "x", "\\Sent \\Junk");
    // The use cannot be taken from where it is.
    stdfs::remove_dir(world.at("joe/.x/tmp")).unwrap();
    let store = Store::new(Config::default());
    for before in ["", "\\Archive"] {
        if !before.is_empty() {
            set(&joe, "y", before);
        }
        let refused = joe.set_special_uses(&store, b"y", SpecialUses::SENT);
        assert!(matches!(refused, Err(SetRefused::Failed(_))));
        let y = stdfs::read_to_string(world.at("joe/.y/postrider-specialuse")).unwrap_or_default();
        assert_eq!(y.trim_end(), before);
    }
    assert_eq!(shown(&joe), ["x \\Junk \\Sent", "y \\Archive"]);
}
