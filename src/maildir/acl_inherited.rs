//! The lists that folders inherit, saved together. The first LIST of an account may find thousands
//! of folders without a list, of which each gets its parent's (STORAGE 5.3). To write one is quick,
//! to wait for the disk is not. So what is looked at for one command is gathered: a batch is
//! written, synced together, and then put in place.

use super::acl::Acl;
use super::acl_files::{self, AclFiles, MAX_LISTS};
use super::acl_known::Remembered;
use super::host::Host;
use crate::sys::directory::Directory;
use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Lists that are not on disk yet.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    /// Whether lists are gathered now.
    is_on: Cell<bool>,
    lists: RefCell<Vec<List>>,
    /// What is known of the lists on disk.
    pub(super) known: Remembered,
}

/// The list that a folder has inherited.
#[derive(Debug)]
struct List {
    root: PathBuf,
    sub: Vec<u8>,
    acl: Acl,
}

impl Inherited {
    /// Nothing yet. `remembers`: whether it is written down what lists say.
    pub(super) fn new(remembers: bool) -> Inherited {
        Inherited { known: Remembered::new(remembers), ..Inherited::default() }
    }

    /// Whether lists are gathered now.
    pub(super) fn is_on(&self) -> bool {
        self.is_on.get()
    }

    /// The list of a folder, if it is here.
    fn get(&self, root: &Path, sub: &[u8]) -> Option<Acl> {
        let lists = self.lists.borrow();
        let list = lists.iter().rev().find(|list| list.sub == sub && list.root == root)?;
        Some(list.acl.clone())
    }

    /// The list of a folder; if it is inherited, it is gathered here. A batch that is full is saved.
    pub(super) fn load(&self, files: &AclFiles<'_>, sub: &[u8]) -> io::Result<Acl> {
        let found = files.find(sub, &|at| self.get(files.root, at))?;
        for level in found.missing {
            let (root, sub) = (files.root.to_path_buf(), level.to_vec());
            let mut lists = self.lists.borrow_mut();
            lists.push(List { root, sub, acl: found.acl.clone() });
            let is_full = lists.len() >= MAX_LISTS;
            drop(lists);
            if is_full {
                self.save(files.host, files.sync);
            }
        }
        Ok(found.acl)
    }

    /// Saves what was gathered. A Maildir may be somebody else's: that a list cannot be saved is no
    /// error. One that a folder has got meanwhile stays.
    fn save(&self, host: &Host, sync: bool) {
        let lists = self.lists.take();
        for lists in lists.chunk_by(|a, b| a.root == b.root) {
            let Some(root) = lists.first().map(|list| &*list.root) else { continue };
            let Ok(maildir) = Directory::enter(root).map(Rc::new) else { continue };
            let files = AclFiles { root, host, sync };
            let write = |list: &List| files.write_new(&maildir, &list.sub, &list.acl).ok();
            let mut written: Vec<_> = lists.iter().filter_map(write).collect();
            if acl_files::sync(written.iter_mut().collect(), sync).is_ok() {
                for list in written {
                    let _ = list.put_where_none_is();
                }
            }
        }
    }
}

/// As long as this lives, lists are gathered. In the end they are saved, and so is what was learned
/// of those on disk.
pub(crate) struct Gathering<'a> {
    inherited: &'a Inherited,
    writing: (&'a Host, bool),
}

impl<'a> Gathering<'a> {
    /// Begins. `None` inside of another one. `writing`: the host in names of temporary files, and
    /// whether lists are synced.
    pub(super) fn begin(
        inherited: &'a Inherited,
        writing: (&'a Host, bool),
    ) -> Option<Gathering<'a>> {
        (!inherited.is_on.replace(true)).then(|| {
            inherited.known.forget();
            Gathering { inherited, writing }
        })
    }
}

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        self.inherited.is_on.set(false);
        self.inherited.save(self.writing.0, self.writing.1);
        self.inherited.known.save(self.writing.0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::maildir::testing::TestFolder;

    const FRED: &str = "owner aceilrstwx\nuser=fred lr\nadministrators aceilrstwx\n";

    fn read(inbox: &TestFolder, name: &str) -> Option<String> {
        std::fs::read_to_string(inbox.path(name)).ok()
    }

    /// More than a batch, with levels that are missing, and a list that comes meanwhile.
    #[test]
    fn saved_as_if_one_by_one() {
        let inbox = TestFolder::new();
        let (count, host) = (MAX_LISTS + 3, Host::new(b"h"));
        let subs: Vec<String> = (0..count).map(|n| format!("p.q.f{n}")).collect();
        for sub in &subs {
            inbox.put(&format!(".{sub}/tmp/x"));
        }
        inbox.write("courierimaphieracl/p", FRED);
        let files = AclFiles { root: inbox.dir.path(), host: &host, sync: true };
        let inherited = Inherited::default();
        let gathering = Gathering::begin(&inherited, (&host, true));
        assert!(Gathering::begin(&inherited, (&host, true)).is_none() && inherited.is_on());
        for sub in &subs {
            assert_eq!(inherited.load(&files, sub.as_bytes()).unwrap().to_bytes(), FRED.as_bytes());
        }
        // One batch is saved, and the rest in the end.
        let saved = || {
            subs.iter()
                .filter(|sub| read(&inbox, &format!(".{sub}/courierimapacl")).is_some())
                .count()
        };
        assert_eq!(saved(), MAX_LISTS - 1);
        assert_eq!(read(&inbox, "courierimaphieracl/p.q").as_deref(), Some(FRED));
        let last = format!(".p.q.f{}/courierimapacl", count - 1);
        inbox.write(&last, "owner al\n");
        drop(gathering);
        assert!(!inherited.is_on());
        assert_eq!(saved(), count);
        assert_eq!(read(&inbox, &last).as_deref(), Some("owner al\n"));
        assert_eq!(read(&inbox, ".p.q.f0/courierimapacl").as_deref(), Some(FRED));
        assert_eq!(inbox.list(".p.q.f0/tmp"), ["x"]);
        assert_eq!(inbox.list("tmp"), [""; 0]);
    }
}
