//! The index file of shared folders (STORAGE 6.1): the accounts and groups of the names that begin
//! with `#shared.`. The administrator writes these files. A session reads each of them once, when
//! it first needs it.

use crate::sys::directory::Directory;
use crate::sys::fs;
use crate::types::number::atoi;
use crate::types::utf7;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The most bytes of an index file.
const MAX_FILE: u64 = 32 * 1024 * 1024;
/// How deep groups may be nested: a file may name itself.
const MAX_DEPTH: usize = 16;
/// How many groups one listing reads.
const MAX_GROUPS: usize = 10_000;

/// The owner of the accounts in the top index: nobody.
const NOBODY: &[u8] = b"vendor=courier.internal";

/// The index of a session.
#[derive(Debug, Default)]
pub(crate) struct SharedIndex {
    file: Option<PathBuf>,
    munge: bool,
    /// Device and inode of the session's own Maildir, which is not shown.
    own: Option<(u64, u64)>,
    files: RefCell<HashMap<PathBuf, Rc<IndexFile>>>,
}

/// One index file.
#[derive(Debug, Default)]
struct IndexFile {
    list: Vec<IndexEntry>,
    /// The first entry of each name. A level may have a hundred thousand accounts, and each of them
    /// is looked up.
    by_name: HashMap<Box<[u8]>, usize>,
}

impl IndexFile {
    fn find(&self, name: &[u8]) -> Option<&IndexEntry> {
        self.list.get(*self.by_name.get(name)?)
    }
}

#[derive(Debug)]
struct IndexEntry {
    /// The name as a level of a folder's name.
    name: Box<[u8]>,
    target: Target,
}

#[derive(Debug)]
enum Target {
    /// Another index file, and the owner's identifier of the accounts in it.
    Group(PathBuf, Box<[u8]>),
    /// A Maildir.
    Account(PathBuf),
}

/// What a name stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum IndexName {
    /// A level of groups.
    Level,
    /// Something in an account.
    Folder(IndexFolder),
}

/// A folder in a shared account's Maildir. It need not exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct IndexFolder {
    /// The Maildir.
    pub(crate) root: PathBuf,
    /// The folder in it, empty for its INBOX.
    pub(crate) sub: Vec<u8>,
    /// The owner's identifier for access control.
    pub(crate) owner: Vec<u8>,
}

impl SharedIndex {
    /// `file` is `IMAP_SHAREDINDEXFILE`, to which `sharedgroup` is appended; without it nothing is
    /// shared. `munge` is `IMAP_SHAREDMUNGENAMES`, `own` the session's own Maildir.
    pub(crate) fn new(
        file: Option<&[u8]>,
        sharedgroup: &[u8],
        munge: bool,
        own: &Path,
    ) -> SharedIndex {
        let file = file
            .filter(|f| !f.is_empty())
            .map(|f| fs::path(&[f, sharedgroup].concat()).to_path_buf());
        let own = inode(own);
        SharedIndex { file, munge, own, files: RefCell::default() }
    }

    /// Reads an index file, unless it was read before.
    fn entries(&self, file: &Path) -> Rc<IndexFile> {
        if let Some(known) = self.files.borrow().get(file) {
            return Rc::clone(known);
        }
        let shown = fs::shown(file);
        let read = fs::open_through_link(file)
            .and_then(|(open, stat)| fs::read_all(&open, stat.len(), MAX_FILE));
        let text = read.unwrap_or_else(|e| {
            log::error!("{shown}: {}", fs::error_text(&e));
            Vec::new()
        });
        let mut entries = IndexFile::default();
        for (n, line) in (1u64..).zip(text.split(|b| *b == b'\n')) {
            let line = line.split(|b| *b == b'#').next().unwrap_or_default();
            if line.is_empty() {
                continue;
            }
            match self.entry(line, file) {
                Some(entry) => {
                    entries.by_name.entry(entry.name.clone()).or_insert(entries.list.len());
                    entries.list.push(entry);
                }
                None => log::error!("{shown}({n}): syntax error."),
            }
        }
        let entries = Rc::new(entries);
        self.files.borrow_mut().insert(file.to_path_buf(), Rc::clone(&entries));
        entries
    }

    fn entry(&self, line: &[u8], file: &Path) -> Option<IndexEntry> {
        let mut fields = line.split(|b| *b == b'\t');
        let raw = fields.next()?;
        let name = level_name(raw, self.munge)?.into_boxed_slice();
        let second = fields.next()?;
        let third = fields.next().filter(|f| !f.is_empty() && !f.contains(&0))?;
        if second == b"*" {
            // Courier: the file is in the directory of this one, even if its name begins with `/`.
            let start = third.iter().position(|b| *b != b'/')?;
            let group = fs::join(file.parent()?, third.get(start..)?);
            return Some(IndexEntry {
                name,
                target: Target::Group(group, [b"user=", raw].concat().into()),
            });
        }
        if atoi(second) <= 0 || atoi(third) <= 0 {
            return None;
        }
        let home = fields.next()?;
        let maildir = fields.next().filter(|m| !m.is_empty()).unwrap_or(b"./Maildir");
        // An absolute Maildir stays as it is. Without a home, a relative one would be looked for in
        // the session's own Maildir.
        let root = fs::join(fs::path(home), maildir);
        (root.is_absolute() && !line.contains(&0))
            .then_some(IndexEntry { name, target: Target::Account(root) })
    }

    /// Whether an account's Maildir is there and not the session's own.
    fn is_shown(&self, root: &Path) -> bool {
        inode(root).is_some_and(|inode| self.own != Some(inode))
    }

    /// What the name `#shared.<path>` stands for; `None` if the index does not have it.
    pub(crate) fn find(&self, path: &[u8]) -> Option<IndexName> {
        let mut file = self.file.clone()?;
        let mut owner: Box<[u8]> = NOBODY.into();
        let mut rest = path;
        for _ in 0..MAX_DEPTH {
            if rest.is_empty() {
                return Some(IndexName::Level);
            }
            let end = memchr::memchr(b'.', rest).unwrap_or(rest.len());
            let (level, below) = rest.split_at_checked(end)?;
            rest = below.strip_prefix(b".").unwrap_or(below);
            let entries = self.entries(&file);
            match &entries.find(level)?.target {
                Target::Group(group, user) => (file, owner) = (group.clone(), user.clone()),
                Target::Account(root) => {
                    let account =
                        IndexFolder { root: root.clone(), sub: rest.to_vec(), owner: owner.into() };
                    return self.is_shown(root).then_some(IndexName::Folder(account));
                }
            }
        }
        None
    }

    /// Walks the index, and calls `group` and `account` with what is there. `wanted(name)`: whether
    /// the name `#shared...` or something below it is of interest. `enter(name)`: whether something
    /// below it is.
    pub(crate) fn walk(
        &self,
        wanted: &dyn Fn(&[u8]) -> bool,
        enter: &dyn Fn(&[u8]) -> bool,
        group: &mut dyn FnMut(&[u8]),
        account: &mut dyn FnMut(&[u8], IndexFolder),
    ) {
        let Some(file) = &self.file else { return };
        let mut budget = MAX_GROUPS;
        let mut waiting = vec![(file.clone(), b"#shared".to_vec(), NOBODY.to_vec(), Vec::new())];
        while let Some((file, prefix, owner, above)) = waiting.pop() {
            let mut found = Vec::new();
            for entry in &self.entries(&file).list {
                let name = [&prefix, &b"."[..], &entry.name].concat();
                if !wanted(&name) {
                    continue;
                }
                match &entry.target {
                    Target::Group(next, user) => {
                        group(&name);
                        // A group inside itself is shown, but not entered again.
                        let known = *next == file || above.contains(next);
                        if enter(&name) && !known && above.len() < MAX_DEPTH && budget > 0 {
                            budget -= 1;
                            let above = above.iter().chain([&file]).cloned().collect();
                            found.push((next.clone(), name, user.to_vec(), above));
                        }
                    }
                    Target::Account(root) if self.is_shown(root) => {
                        account(
                            &name,
                            IndexFolder {
                                root: root.clone(),
                                sub: Vec::new(),
                                owner: owner.clone(),
                            },
                        );
                    }
                    Target::Account(_) => {}
                }
            }
            waiting.extend(found.into_iter().rev());
        }
        if budget == 0 {
            log::warn!("shared index: more than {MAX_GROUPS} groups");
        }
    }
}

/// Which directory a Maildir is; `None` if it is not there.
fn inode(maildir: &Path) -> Option<(u64, u64)> {
    let stat = Directory::enter(maildir).and_then(|maildir| maildir.own_stat());
    stat.ok().map(|stat| stat.inode())
}

/// An account's or a group's name as a level of a folder's name (STORAGE 6.1): in modified UTF-7,
/// without separators.
fn level_name(name: &[u8], munge: bool) -> Option<Vec<u8>> {
    let encoded = utf7::encode(name).filter(|n| !n.is_empty())?;
    let mut out = Vec::with_capacity(encoded.len());
    for b in encoded {
        match (b, munge) {
            (b'.' | b'/', false) => out.push(b' '),
            (b'.', true) => out.extend_from_slice(b"\\:"),
            (b'/', true) => out.extend_from_slice(b"\\;"),
            (b'\\', true) => out.extend_from_slice(b"\\\\"),
            _ => out.push(b),
        }
    }
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::fs as stdfs;

    struct Fixture {
        dir: tempfile::TempDir,
    }

    impl Fixture {
        fn new(files: &[(&str, &str)]) -> Fixture {
            let dir = tempfile::tempdir().unwrap();
            for account in ["joe", "bob", "sal"] {
                stdfs::create_dir_all(dir.path().join(account).join("Maildir")).unwrap();
            }
            for (name, text) in files {
                stdfs::write(
                    dir.path().join(name),
                    text.replace("D/", &format!("{}/", dir.path().display())),
                )
                .unwrap();
            }
            Fixture { dir }
        }

        fn index(&self, file: &str, munge: bool) -> SharedIndex {
            let file = self.dir.path().join(file);
            SharedIndex::new(
                Some(file.as_os_str().as_encoded_bytes()),
                b"",
                munge,
                &self.dir.path().join("joe/Maildir"),
            )
        }

        fn root(&self, account: &str) -> PathBuf {
            self.dir.path().join(account).join("./Maildir")
        }
    }

    fn names(index: &SharedIndex) -> Vec<String> {
        let found = RefCell::new(Vec::new());
        let text = |n: &[u8]| String::from_utf8_lossy(n).into_owned();
        index.walk(
            &|_| true,
            &|_| true,
            &mut |n| found.borrow_mut().push(text(n) + "/"),
            &mut |n, _| {
                found.borrow_mut().push(text(n));
            },
        );
        found.into_inner()
    }

    const TOP: &str = "# comment\njoe\t5001\t5001\tD/joe\n\
        bob\t5001\t5001\tD/bob\tMaildir # c\n\
        bob2\t5001\t5001\t/x\tD/bob/Maildir\topt\n\
        nope\t1\t1\t/nonexistent\nzero\t0\t1\tD/bob\nshort\t1\n\
        a.b/c\\d\t1\t1\tD/sal\nJ\u{f6}rg\t1\t1\tD/sal\nSales\t*\tsales\nLoop\t*\ttop\n\
        Gone\t*\tmissing\n\nneg\t-1\t1\tD/sal\nal\t1x\t1\tD/sal\nrel\t1\t1\t\tx\n";
    const SALES: &str = "bob\t5001\t5001\tD/bob\njoe\t1\t1\tD/sal\nDeep\t*\t/deep\n";
    const DEEP: &str = "sal\t5001\t5001\tD/sal\nUp\t*\tsales\n";

    #[test]
    fn finds_accounts() {
        let fixture = Fixture::new(&[("top", TOP), ("sales", SALES), ("deep", DEEP)]);
        let index = fixture.index("top", false);
        let account = |name: &str, sub: &str, owner: &str| {
            Some(IndexName::Folder(IndexFolder {
                root: fixture.root(name),
                sub: sub.into(),
                owner: owner.into(),
            }))
        };
        let nobody = "vendor=courier.internal";
        assert_eq!(index.find(b""), Some(IndexName::Level));
        assert_eq!(index.find(b"Sales"), Some(IndexName::Level));
        assert_eq!(index.find(b"Sales.bob.Pub.x"), account("bob", "Pub.x", "user=Sales"));
        assert_eq!(index.find(b"Sales.joe"), account("sal", "", "user=Sales"));
        assert_eq!(index.find(b"Sales.Deep.sal"), account("sal", "", "user=Deep"));
        assert_eq!(index.find(b"J&APY-rg.X"), account("sal", "X", nobody));
        assert_eq!(index.find(b"a b c\\d"), account("sal", "", nobody));
        assert!(matches!(index.find(b"bob2"), Some(IndexName::Folder(_))));
        // Courier: the blank before the comment belongs to the Maildir's name.
        for missing in
            ["bob", "joe", "nope", "zero", "short", "neg", "rel", "nobody", "Gone.x", "J\u{f6}rg"]
        {
            assert_eq!(index.find(missing.as_bytes()), None, "{missing}");
        }
        assert_eq!(index.find(b"Loop.Loop.Sales.bob"), account("bob", "", "user=Sales"));
        assert_eq!(index.find(&b"Loop.".repeat(100_000)), None);
        let munged = fixture.index("top", true);
        assert_eq!(munged.find(b"a\\:b\\;c\\\\d"), account("sal", "", nobody));
    }

    #[test]
    fn lists_and_does_not_run_in_circles() {
        let fixture = Fixture::new(&[("top", TOP), ("sales", SALES), ("deep", DEEP)]);
        assert_eq!(
            names(&fixture.index("top", false)),
            [
                "#shared.bob2",
                "#shared.a b c\\d",
                "#shared.J&APY-rg",
                "#shared.Sales/",
                "#shared.Loop/",
                "#shared.Gone/",
                "#shared.al",
                "#shared.Sales.bob",
                "#shared.Sales.joe",
                "#shared.Sales.Deep/",
                "#shared.Sales.Deep.sal",
                "#shared.Sales.Deep.Up/",
            ]
        );
        // Groups that multiply: bounded by MAX_GROUPS.
        let many: Vec<(String, String)> = (0..20)
            .map(|i| (format!("g{i}"), (0..10).map(|j| format!("n{j}\t*\tg{}\n", i + 1)).collect()))
            .collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(a, b)| (&**a, &**b)).collect();
        let fixture = Fixture::new(&many);
        assert!(names(&fixture.index("g0", false)).len() <= (MAX_GROUPS + 1) * 10);
    }

    #[test]
    fn hostile_files() {
        let fixture = Fixture::new(&[
            ("nul", "a\t1\t1\t/x\0y\nb\t*\t\0\n\0\t1\t1\t/\n\u{1}\t1\t1\tD/sal\n"),
            ("empty", ""),
        ]);
        assert_eq!(names(&fixture.index("missing", false)), Vec::<String>::new());
        assert_eq!(names(&fixture.index("empty", false)), Vec::<String>::new());
        assert_eq!(names(&fixture.index("nul", false)), ["#shared.&AAE-"]);
        let at = fixture.dir.path().join("bin");
        stdfs::write(&at, (0..=255u8).cycle().take(100_000).collect::<Vec<u8>>()).unwrap();
        assert_eq!(names(&fixture.index("bin", false)), Vec::<String>::new());
        stdfs::File::create(&at).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert_eq!(names(&fixture.index("bin", false)), Vec::<String>::new());
        stdfs::remove_file(&at).unwrap();
        stdfs::create_dir(&at).unwrap();
        assert_eq!(names(&fixture.index("bin", false)), Vec::<String>::new());
        assert_eq!(SharedIndex::new(Some(b""), b"", false, fixture.dir.path()).find(b"x"), None);
        assert_eq!(SharedIndex::new(None, b"12", false, fixture.dir.path()).find(b"x"), None);
    }
}
