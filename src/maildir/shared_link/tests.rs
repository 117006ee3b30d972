use super::super::Config;
use super::*;
use std::fs as stdfs;

struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    /// A provider `Shr` with the folders Wr and Wr.sub.deep, and an account `M` that knows it as
    /// `corp`.
    fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["M", "Shr", "Shr/.Wr", "Shr/.Wr.sub.deep"] {
            for part in ["tmp", "new", "cur"] {
                stdfs::create_dir_all(dir.path().join(folder).join(part)).unwrap();
            }
        }
        stdfs::create_dir(dir.path().join("Shr/.nocur")).unwrap();
        let fixture = Fixture { dir };
        fixture.write(
            "M/shared-maildirs",
            &format!(
                "# c\ncorp\t{}\nrel ../Shr\nbad\n  lead /x\na.b /x\n../.. /x\n",
                fixture.at("Shr").display()
            ),
        );
        fixture
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        stdfs::write(self.at(path), text).unwrap();
    }

    fn list(&self, path: &str) -> Vec<String> {
        let mut names: Vec<String> = stdfs::read_dir(self.at(path))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn with<T>(&self, work: impl FnOnce(SharedLinks<'_>) -> T) -> T {
        work(SharedLinks { root: &self.at("M"), global: &self.at("global") })
    }
}

#[test]
fn subscriptions_are_directories() {
    let fixture = Fixture::new();
    let store = Store::new(Config::default());
    fixture.with(|links| {
        let mut all = links.all();
        all.sort();
        assert_eq!(all, [b"corp.Wr".to_vec(), b"corp.Wr.sub.deep".to_vec()]);
        assert!(links.subscribed().is_empty());
        assert_eq!(links.subscribe(b"corp").unwrap(), Subscribed::Already);
        assert!(links.subscribe(b"nope.x").is_err());
        assert_eq!(links.subscribe(b"corp.Wr.sub.deep").unwrap(), Subscribed::Done);
        assert_eq!(links.subscribe(b"corp.Wr.sub.deep").unwrap(), Subscribed::Already);
        assert_eq!(
            fixture.list("M/shared-folders/corp/Wr.sub.deep"),
            ["cur", "new", "shared", "tmp"]
        );
        assert_eq!(
            stdfs::read_link(fixture.at("M/shared-folders/corp/Wr.sub.deep/shared")).unwrap(),
            fixture.at("Shr/.Wr.sub.deep")
        );
        assert_eq!(links.subscribed(), [b"corp.Wr.sub.deep".to_vec()]);
        // The provider is gone from the list; the subscription can be given up nevertheless.
        stdfs::remove_file(fixture.at("M/shared-maildirs")).unwrap();
        assert_eq!(links.unsubscribe(&store, b"corp.Wr.sub.deep").unwrap(), Subscribed::Done);
        assert_eq!(links.unsubscribe(&store, b"corp.Wr.sub.deep").unwrap(), Subscribed::Already);
        assert_eq!(links.unsubscribe(&store, b"corp").unwrap(), Subscribed::Already);
        assert!(fixture.list("M/shared-folders").is_empty());
        assert!(fixture.at("Shr/.Wr.sub.deep/cur").is_dir());
    });
}

#[test]
fn the_hosts_providers_come_first() {
    let fixture = Fixture::new();
    fixture.write("global", "corp /elsewhere # no\n");
    fixture.with(|links| {
        assert_eq!(links.find(b"corp.Wr").unwrap().target, Path::new("/elsewhere/.Wr"));
        assert!(!links.find(b"corp.Wr").unwrap().is_there());
        for bad in ["corp", "", "corp.", "corp..x", "..", ".x", "corp.a/b", "nope.x"] {
            assert_eq!(links.find(bad.as_bytes()), None, "{bad}");
        }
    });
}

fn entered(dir: &Path) -> Entered {
    crate::maildir::Dir::of_links(dir).enter().unwrap()
}

fn sync(dir: &Path) -> io::Result<()> {
    synchronise(&crate::maildir::Dir::of_links(dir).enter()?, &Host::new(b"h"))
}

#[test]
fn messages_come_and_go() {
    let fixture = Fixture::new();
    fixture.with(|links| links.subscribe(b"corp.Wr").unwrap());
    let dir = fixture.at("M/shared-folders/corp/Wr");
    fixture.write("Shr/.Wr/new/1.a", "x");
    fixture.write("Shr/.Wr/cur/2.b:2,S", "x");
    sync(&dir).unwrap();
    assert_eq!(fixture.list("Shr/.Wr/cur"), ["1.a:2,", "2.b:2,S"]);
    assert_eq!(fixture.list("M/shared-folders/corp/Wr/new"), ["1.a:2,", "2.b:2,"]);
    assert_eq!(fixture.list("M/shared-folders/corp/Wr/tmp"), Vec::<String>::new());
    assert_eq!(stdfs::read(dir.join("shared-timestamp")).unwrap(), b"\0");
    assert_eq!(stdfs::read_to_string(dir.join("new/1.a:2,")).unwrap(), "x");
    // Nothing happens while nothing has changed.
    clock::sleep(std::time::Duration::from_millis(20));
    sync(&dir).unwrap();
    clock::sleep(std::time::Duration::from_millis(20));
    sync(&dir).unwrap();
    stdfs::remove_file(dir.join("cur/1.a:2,")).unwrap();
    sync(&dir).unwrap();
    assert_eq!(fixture.list("M/shared-folders/corp/Wr/cur"), ["2.b:2,"]);
    // A renamed message, a removed one, a new one; own flags stay.
    stdfs::rename(dir.join("cur/2.b:2,"), dir.join("cur/2.b:2,F")).unwrap();
    stdfs::rename(fixture.at("Shr/.Wr/cur/2.b:2,S"), fixture.at("Shr/.Wr/cur/2.b:2,RS")).unwrap();
    stdfs::write(dir.join("cur/mine:2,"), "not a link").unwrap();
    fixture.write("Shr/.Wr/new/3.c", "x");
    sync(&dir).unwrap();
    assert_eq!(fixture.list("M/shared-folders/corp/Wr/cur"), ["2.b:2,F", "mine:2,"]);
    assert_eq!(
        stdfs::read_link(dir.join("cur/2.b:2,F")).unwrap(),
        fixture.at("Shr/.Wr/cur/2.b:2,RS")
    );
    assert_eq!(fixture.list("M/shared-folders/corp/Wr/new"), ["1.a:2,", "3.c:2,"]);
    stdfs::remove_file(fixture.at("Shr/.Wr/cur/3.c:2,")).unwrap();
    sync(&dir).unwrap();
    assert_eq!(fixture.list("M/shared-folders/corp/Wr/cur"), ["1.a:2,", "2.b:2,F", "mine:2,"]);
}

#[test]
fn expunging() {
    let fixture = Fixture::new();
    fixture.with(|links| links.subscribe(b"corp.Wr").unwrap());
    let dir = fixture.at("M/shared-folders/corp/Wr");
    fixture.write("Shr/.Wr/cur/1.a:2,S", "x");
    sync(&dir).unwrap();
    sync(&dir).unwrap();
    stdfs::rename(dir.join("cur/1.a:2,"), dir.join("cur/1.a:2,ST")).unwrap();
    assert!(expunge(&entered(&dir), b"1.a:2,ST").unwrap());
    assert!(fixture.list("M/shared-folders/corp/Wr/cur").is_empty());
    assert!(fixture.list("Shr/.Wr/cur").is_empty());
    // Renamed by somebody since; opened and removed all the same.
    fixture.write("Shr/.Wr/cur/3.c:2,RS", "y");
    std::os::unix::fs::symlink(fixture.at("Shr/.Wr/cur/3.c:2,"), dir.join("cur/3.c:2,T")).unwrap();
    let (mut file, _) = open(&entered(&dir), b"3.c:2,T").unwrap().unwrap();
    let mut text = String::new();
    io::Read::read_to_string(&mut file, &mut text).unwrap();
    assert_eq!(text, "y");
    assert!(expunge(&entered(&dir), b"3.c:2,T").unwrap());
    assert!(fixture.list("Shr/.Wr/cur").is_empty());
    // Gone for good; and no such link at all.
    std::os::unix::fs::symlink(fixture.at("Shr/.Wr/cur/4.d:2,"), dir.join("cur/4.d:2,T")).unwrap();
    assert!(open(&entered(&dir), b"4.d:2,T").unwrap().is_none());
    assert!(expunge(&entered(&dir), b"4.d:2,T").unwrap());
    assert!(fixture.list("M/shared-folders/corp/Wr/cur").is_empty());
    assert_eq!(expunge(&entered(&dir), b"4.d:2,T").unwrap_err().kind(), io::ErrorKind::NotFound);
    // A link that leads elsewhere is no reason to remove what is there.
    fixture.write("precious", "x");
    std::os::unix::fs::symlink(fixture.at("precious"), dir.join("cur/2.b:2,ST")).unwrap();
    assert!(open(&entered(&dir), b"2.b:2,ST").unwrap().is_none());
    assert!(!expunge(&entered(&dir), b"2.b:2,ST").unwrap());
    assert_eq!(fixture.list("M/shared-folders/corp/Wr/cur"), ["2.b:2,S"]);
    assert!(fixture.at("precious").exists());
    // A link among the provider's files, where everybody may write, is not followed.
    std::os::unix::fs::symlink(fixture.at("precious"), fixture.at("Shr/.Wr/cur/5.e:2,")).unwrap();
    sync(&dir).unwrap();
    sync(&dir).unwrap();
    assert!(open(&entered(&dir), b"5.e:2,").is_err());
}

#[test]
fn hostile_files() {
    let fixture = Fixture::new();
    let file = fixture.at("M/shared-maildirs");
    stdfs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    fixture.with(|links| assert!(links.providers().is_empty()));
    stdfs::remove_file(&file).unwrap();
    stdfs::File::create(&file).unwrap().set_len(MAX_FILE + 1).unwrap();
    fixture.with(|links| assert!(links.providers().is_empty()));
    stdfs::write(&file, (0..=255u8).cycle().take(100_000).collect::<Vec<u8>>()).unwrap();
    fixture.with(|links| assert!(links.all().is_empty()));
    // A provider's folder that is gone, and a link that leads nowhere useful.
    fixture.write("M/shared-maildirs", &format!("corp {}\n", fixture.at("Shr").display()));
    fixture.with(|links| links.subscribe(b"corp.Nope").unwrap());
    assert!(sync(&fixture.at("M/shared-folders/corp/Nope")).is_err());
    assert!(sync(&fixture.at("M/shared-folders/corp/None")).is_err());
    let shared = fixture.at("M/shared-folders/corp/Nope/shared");
    stdfs::remove_file(&shared).unwrap();
    std::os::unix::fs::symlink("../../..", &shared).unwrap();
    assert!(sync(&fixture.at("M/shared-folders/corp/Nope")).is_err());
}
