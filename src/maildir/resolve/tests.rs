use super::*;
use std::fs as stdfs;

/// Accounts joe (ours), bob and sal below one directory, an index with a group, an old-style
/// provider.
pub(in crate::maildir) struct World {
    pub(crate) dir: tempfile::TempDir,
}

pub(in crate::maildir) fn folder(at: &Path) {
    for part in ["tmp", "new", "cur"] {
        stdfs::create_dir_all(at.join(part)).unwrap();
    }
}

impl World {
    pub(crate) fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let at = |p: &str| dir.path().join(p);
        for f in [
            "joe",
            "joe/.A",
            "joe/.A.B",
            "joe/.V.W",
            "bob",
            "bob/.Pub",
            "bob/.Pub.Sub",
            "bob/.Priv",
            "bob/.V.W",
            "sal",
            "Shr",
            "Shr/.Wr",
            "Shr/.Wr.sub.deep",
        ] {
            folder(&at(f));
        }
        stdfs::write(at("bob/.Pub/courierimapacl"), "owner aceilrstwx\nanyone lrswit\n").unwrap();
        stdfs::write(at("bob/.Priv/courierimapacl"), "owner aceilrstwx\nuser=joe lrcx\n").unwrap();
        stdfs::write(at("sal/courierimapacl"), "owner aceilrstwx\nanyone lrc\n").unwrap();
        let root = dir.path().display();
        stdfs::write(
            at("index"),
            format!(
                "joe\t1\t1\t/\t{root}/joe\nbob\t1\t1\t/\t{root}/bob\n\
                 Sales\t*\tsales\nGone\t*\tmissing\n"
            ),
        )
        .unwrap();
        stdfs::write(at("sales"), format!("bob\t1\t1\t/\t{root}/bob\nsal\t1\t1\t/\t{root}/sal\n"))
            .unwrap();
        stdfs::write(at("joe/shared-maildirs"), format!("corp {root}/Shr\n")).unwrap();
        World { dir }
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn as_user(&self, user: &str, options: &str) -> Namespace {
        let mut namespace = Namespace::new(Settings {
            root: self.at("joe"),
            host: Host::new(b"h"),
            fsync: false,
            user: user.into(),
            options: AccountOptions::parse(options.as_bytes()),
            index_file: Some(self.at("index").into_os_string().into_encoded_bytes()),
            munge: false,
            index: true,
        });
        namespace.global = self.at("global");
        namespace
    }

    /// A session that writes down nothing of what lists say.
    pub(crate) fn without_index(&self, user: &str) -> Namespace {
        Namespace { inherited: Inherited::new(false), ..self.as_user(user, "") }
    }
}

fn name(text: &str) -> FolderName {
    FolderName::from_disk(text.as_bytes()).unwrap()
}

fn letters(names: &Namespace, folder: &str) -> String {
    String::from_utf8(names.rights(&name(folder)).unwrap().letters()).unwrap()
}

#[test]
fn places() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    let inbox = joe.resolve(&name("INBOX")).unwrap();
    assert_eq!(
        (inbox.dir.path().to_path_buf(), inbox.sub.len(), inbox.kind),
        (world.at("joe"), 0, FolderKind::Own)
    );
    let own = joe.resolve(&name("INBOX.A.B")).unwrap();
    assert_eq!(
        (own.dir.path().to_path_buf(), own.root, own.owner),
        (world.at("joe/.A.B"), world.at("joe"), b"user=joe".to_vec())
    );
    let shared = joe.resolve(&name("#shared.Sales.bob.Pub")).unwrap();
    assert_eq!(
        (shared.dir.path().to_path_buf(), shared.root, shared.owner, shared.kind),
        (world.at("bob/.Pub"), world.at("bob"), b"user=Sales".to_vec(), FolderKind::Index)
    );
    for missing in [
        "INBOX.V",
        "INBOX.x",
        "#shared.bob.x",
        "#shared.joe",
        "#shared.joe.A",
        "#shared.Sales",
        "#shared.nobody",
        "shared",
        "shared.corp",
        "shared.corp.x",
        "shared.nope.x",
    ] {
        assert_eq!(joe.resolve(&name(missing)), Err(NoSuchFolder), "{missing}");
    }
    assert_eq!(joe.location(&name("INBOX.new")).unwrap().dir.path(), world.at("joe/.new"));
    assert_eq!(joe.location(&name("#shared.bob.new")).unwrap().dir.path(), world.at("bob/.new"));
    for nowhere in
        ["#shared.new", "#shared.Sales", "#shared.Sales.new", "shared.corp.new", "shared"]
    {
        assert_eq!(joe.location(&name(nowhere)), None, "{nowhere}");
    }
    assert!(!world.at("joe/shared-folders").exists());
    let link = joe.resolve(&name("shared.corp.Wr")).unwrap();
    assert_eq!(
        (link.dir.path().to_path_buf(), link.delivery.path().to_path_buf()),
        (world.at("joe/shared-folders/corp/Wr"), world.at("joe/shared-folders/corp/Wr/shared"))
    );
    assert_eq!((link.kind, link.read_only, link.root), (FolderKind::Link, false, world.at("joe")));
    assert_eq!(
        stdfs::read_link(world.at("joe/shared-folders/corp/Wr/shared")).unwrap(),
        world.at("Shr/.Wr")
    );
}

#[test]
fn links_as_folders() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    std::os::unix::fs::symlink(world.at("bob"), world.at("joe/.Link")).unwrap();
    std::os::unix::fs::symlink("/nonexistent", world.at("joe/.Dangling")).unwrap();
    stdfs::write(world.at("joe/.File"), "").unwrap();
    assert_eq!(joe.resolve(&name("INBOX.Link")).unwrap().dir.path(), world.at("joe/.Link"));
    assert_eq!(joe.resolve(&name("INBOX.Dangling")), Err(NoSuchFolder));
    assert_eq!(joe.resolve(&name("INBOX.File")), Err(NoSuchFolder));
    assert_eq!(joe.resolve(&name(&format!("INBOX.{}", "x".repeat(300)))), Err(NoSuchFolder));
    assert_eq!(joe.resolve(&name("INBOX.a\nb")), Err(NoSuchFolder));
    // No spelling climbs.
    for bad in [
        "INBOX..",
        "INBOX...x",
        "INBOX./x",
        "INBOX.a/../b",
        "#shared..x",
        "shared.corp...x",
        "INBOX.a\0",
    ] {
        assert!(FolderName::from_disk(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn rights_in_all_namespaces() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    for (folder, rights) in [
        ("INBOX", "aceilrstwx"),
        ("INBOX.A.B", "aceilrstwx"),
        ("INBOX.new.deep", "aceilrstwx"),
        ("#shared.bob", ""),
        ("#shared.bob.Pub", "ilrstw"),
        ("#shared.bob.Pub.Sub", "ilrstw"),
        ("#shared.bob.Priv", "clrx"),
        ("#shared.bob.V", ""),
        ("#shared.Sales", "l"),
        ("#shared.Sales.sal", "clr"),
        ("#shared.Sales.sal.new", "clr"),
        ("#shared.joe", ""),
        ("#shared.nobody", ""),
        ("#shared.nobody.x", ""),
        ("shared", "l"),
        ("shared.corp", "l"),
        ("shared.corp.Wr", "eilrstwx"),
        ("shared.corp.Wr.sub", "lrsw"),
    ] {
        assert_eq!(letters(&joe, folder), rights, "{folder}");
    }
    assert!(world.at("bob/.Pub.Sub/courierimapacl").exists());
    assert!(world.at("joe/courierimaphieracl/new.deep").exists());
    assert!(!world.at("joe/courierimapacl").exists());
    // A user called like the group owns what is in it; the administrators everything.
    assert_eq!(letters(&world.as_user("Sales", ""), "#shared.Sales.bob.Priv"), "aceilrstwx");
    assert_eq!(letters(&world.as_user("Sales", ""), "#shared.bob"), "");
    assert_eq!(letters(&world.as_user("x", "group=administrators"), "#shared.bob"), "aceilrstwx");
}

#[test]
fn without_lists() {
    let world = World::new();
    let joe = world.as_user("joe", "disableshared=1");
    assert_eq!(letters(&joe, "INBOX.A"), "ceilrstwx");
    assert_eq!(letters(&joe, "#shared.bob.Pub"), "");
    assert_eq!(letters(&joe, "shared.corp.Wr"), "eilrstwx");
    assert!(matches!(joe.load(&name("INBOX.A")), Err(ChangeRefused::Special)));
    assert!(matches!(
        joe.change(&Store::new(Default::default()), &name("INBOX.A"), |_| Ok(())),
        Err(ChangeRefused::Special)
    ));
    assert!(!world.at("joe/.A/courierimapacl").exists());
}

#[test]
fn changes() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    let store = Store::new(Default::default());
    let change = |folder: &str, id: &str, rights: &str| {
        joe.change(&store, &name(folder), |acl| acl.change(id.as_bytes(), rights.as_bytes()))
    };
    change("INBOX.A", "user=fred", "lrs").unwrap();
    let file = world.at("joe/.A/courierimapacl");
    assert_eq!(
        stdfs::read_to_string(&file).unwrap(),
        "owner aceilrstwx\nadministrators aceilrstwx\nuser=fred lrs\n"
    );
    assert!(
        matches!(change("INBOX.A", "owner", "r"), Err(ChangeRefused::Owner(id)) if id == b"owner")
    );
    assert!(stdfs::read_to_string(&file).unwrap().starts_with("owner aceilrstwx\n"));
    // INBOX gets a file only now; a name without a directory has its list elsewhere.
    change("INBOX", "anyone", "l").unwrap();
    assert_eq!(
        stdfs::read_to_string(world.at("joe/courierimapacl")).unwrap(),
        "owner aceilrstwx\nadministrators aceilrstwx\nanyone l\n"
    );
    change("INBOX.V", "anyone", "+r").unwrap();
    assert_eq!(
        stdfs::read_to_string(world.at("joe/courierimaphieracl/V")).unwrap(),
        "owner aceilrstwx\nadministrators aceilrstwx\nanyone lr\n"
    );
    for special in ["shared.corp.Wr", "#shared.Sales", "#shared.nobody"] {
        assert!(matches!(change(special, "anyone", "l"), Err(ChangeRefused::Special)), "{special}");
    }
    assert_eq!(joe.load(&name("shared.corp.Wr")).unwrap().to_bytes(), b"anyone eilrstwx\n");
    assert_eq!(joe.load(&name("#shared.Sales")).unwrap().to_bytes(), b"anyone l\n");
    assert_eq!(stdfs::read_dir(world.at("joe/tmp")).unwrap().count(), 0);
}

#[test]
fn a_list_that_cannot_be_read_gives_no_rights() {
    let world = World::new();
    let joe = world.as_user("joe", "");
    stdfs::create_dir(world.at("joe/.A/courierimapacl")).unwrap();
    assert!(joe.rights(&name("INBOX.A")).is_err());
    assert_eq!(joe.rights_or_none(&name("INBOX.A")), Rights::NONE);
    assert!(matches!(joe.load(&name("INBOX.A")), Err(ChangeRefused::Failed(_))));
}
