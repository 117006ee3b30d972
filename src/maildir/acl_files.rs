//! Where access control lists are on disk: `courierimapacl` in the folder, or
//! `courierimaphieracl/<name>` for a name that has no directory (STORAGE 5.2, 5.3). A folder
//! without a list gets a copy of its parent's when its list is first read, and keeps that.

use super::Entered;
use super::acl::{Acl, MAX_FILE};
use super::error::is_missing;
use super::folder_names;
use super::host::Host;
use super::stamp::Stamp;
use super::temporary::TemporaryFile;
use crate::sys::directory::{self, Directory};
use crate::sys::stat::Stat;
use crate::sys::{clock, fs};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

/// The list of a folder, in its directory.
pub(super) const FILE: &[u8] = b"courierimapacl";
const HIERARCHY: &[u8] = b"courierimaphieracl";

/// The most lists of a batch. Each needs three descriptors, of which a process may have 1024.
pub(crate) const MAX_LISTS: usize = 64;

/// By this it is seen that a folder's own file is another one; nothing if there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ListStamp(Option<Stamp>);

impl ListStamp {
    /// The stamp of the list in a folder.
    pub(crate) fn of(folder: &Entered) -> ListStamp {
        ListStamp(folder.folder().stat(FILE).ok().map(|stat| Stamp::of(&stat)))
    }

    /// Whether every later change gives another stamp. Without a list of its own a folder has its
    /// parent's, which is not looked at here; a Maildir itself (`is_top`) has none.
    pub(crate) fn is_settled(self, is_top: bool) -> bool {
        self.0.map_or(is_top, |stamp| stamp.is_settled(clock::now_nanos()))
    }
}

/// The lists of one Maildir.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AclFiles<'a> {
    /// The Maildir itself, not one of its folders.
    pub(crate) root: &'a Path,
    /// The host in names of temporary files.
    pub(crate) host: &'a Host,
    /// `IMAP_FSYNC`.
    pub(crate) sync: bool,
}

impl AclFiles<'_> {
    fn maildir(&self) -> io::Result<Rc<Directory>> {
        Directory::enter(self.root).map(Rc::new)
    }

    /// The list of the folder `.<sub>`, or of the INBOX if `sub` is empty. A folder without a list
    /// inherits its parent's, which is saved if that is possible: the Maildir may be somebody
    /// else's. An error if a file cannot be read.
    pub(crate) fn load(&self, sub: &[u8]) -> io::Result<Acl> {
        if let Some(data) = self.text_at_once(sub) {
            return Ok(Acl::parse_complete(&data));
        }
        let Found { mut acl, maildir, missing } = self.find(sub, &|_| None)?;
        let Some(maildir) = &maildir else { return Ok(acl) };
        for level in missing {
            match self.save_in(maildir, level, &acl, Existing::Stays) {
                Ok(()) => {}
                // Somebody has given it a list of its own in this very moment.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    acl = read(maildir, level)?.unwrap_or(acl);
                    acl.complete();
                }
                Err(_) => break,
            }
        }
        Ok(acl)
    }

    /// The same, and nothing is saved. `known`: lists that will be saved by and by.
    pub(super) fn find<'s>(
        &self,
        sub: &'s [u8],
        known: &dyn Fn(&[u8]) -> Option<Acl>,
    ) -> io::Result<Found<'s>> {
        let mut missing = Vec::new();
        let maildir = match self.maildir() {
            Err(e) if is_missing(&e) => None,
            maildir => Some(maildir?),
        };
        let mut at = sub;
        let mut acl = loop {
            if let Some(acl) = maildir.as_ref().map_or(Ok(None), |maildir| read(maildir, at))? {
                break acl;
            }
            if let Some(acl) = known(at) {
                break acl;
            }
            if at.is_empty() {
                break Acl::of_inbox();
            }
            missing.push(at);
            at = folder_names::parent(at);
        };
        acl.complete();
        missing.reverse();
        Ok(Found { acl, maildir, missing })
    }

    /// The content of the folder's own file, if one call gets it: not if the folder is a link. LIST
    /// reads those of all folders.
    pub(super) fn text_at_once(&self, sub: &[u8]) -> Option<Vec<u8>> {
        directory::read_control_at(fs::path(&self.path(sub)?), MAX_FILE)
    }

    /// The same with what stat(2) says of the file that was read.
    pub(super) fn text_and_stat(&self, sub: &[u8]) -> Option<(Vec<u8>, Stat)> {
        directory::read_control_with_stat(fs::path(&self.path(sub)?), MAX_FILE)
    }

    /// The path of the folder's own file; `None` for what is no name of a folder.
    fn path(&self, sub: &[u8]) -> Option<Vec<u8>> {
        let root = self.root.as_os_str().as_bytes();
        if sub.is_empty() {
            return Some([root, b"/", FILE].concat());
        }
        folder_names::is_valid(sub).then(|| [root, b"/.", sub, b"/", FILE].concat())
    }

    /// The content of the folder's own file. `None` if there is none; [`AclFiles::load`] may find a
    /// list all the same.
    pub(crate) fn text(&self, sub: &[u8]) -> io::Result<Option<Vec<u8>>> {
        if let Some(data) = self.text_at_once(sub) {
            return Ok(Some(data));
        }
        let folder = self.maildir().and_then(|maildir| folder_names::enter(&maildir, sub));
        let data = folder.and_then(|folder| folder.read_control(FILE, MAX_FILE));
        if_there(data)
    }

    /// Writes the list of a folder, or of a name that has no directory. The list must be complete
    /// ([`Acl::complete`]).
    pub(crate) fn save(&self, sub: &[u8], acl: &Acl) -> io::Result<()> {
        self.save_in(&self.maildir()?, sub, acl, Existing::IsReplaced)
    }

    fn save_in(
        &self,
        maildir: &Rc<Directory>,
        sub: &[u8],
        acl: &Acl,
        existing: Existing,
    ) -> io::Result<()> {
        self.write(&file_of(maildir, sub)?, acl, existing)
    }

    /// Writes a list by way of the `tmp` of its folder.
    fn write(&self, to: &ListFile<'_>, acl: &Acl, existing: Existing) -> io::Result<()> {
        let mut list = self.write_at(to, acl)?;
        list.file.close(self.sync)?;
        match existing {
            Existing::IsReplaced => list.put(),
            Existing::Stays => list.put_where_none_is(),
        }
    }

    /// Writes a list into `tmp`. It is not on disk yet.
    fn write_at(&self, to: &ListFile<'_>, acl: &Acl) -> io::Result<WrittenList> {
        let tmp = Rc::new(to.holder.open_directory(b"tmp")?);
        let file = TemporaryFile::create(self.host, &tmp, b"_acl", 0o644)?;
        file.file()?.write_all(&acl.to_bytes())?;
        Ok(WrittenList { file, to: Rc::clone(&to.directory), name: to.name.to_vec() })
    }

    /// The first half of [`AclFiles::save`]: the list is written, neither synced nor in its place.
    pub(super) fn write_new(
        &self,
        maildir: &Rc<Directory>,
        sub: &[u8],
        acl: &Acl,
    ) -> io::Result<WrittenList> {
        self.write_at(&file_of(maildir, sub)?, acl)
    }

    /// Removes the list of a name without a directory.
    fn forget(&self, sub: &[u8]) {
        let hierarchy = self.maildir().and_then(|maildir| maildir.open_directory(HIERARCHY));
        let _ = hierarchy.and_then(|hierarchy| hierarchy.unlink(sub));
    }

    /// Whether there are folders below this name.
    pub(crate) fn has_children(&self, sub: &[u8]) -> bool {
        self.maildir()
            .and_then(|maildir| folder_names::list(&maildir))
            .is_ok_and(|all| all.iter().any(|f| folder_names::is_below(f, sub)))
    }

    /// Before a folder is made: what an earlier folder of that name has left behind is removed
    /// (Courier 5.1.8). If the name is the parent of other folders, it keeps its list.
    pub(crate) fn before_creation(&self, sub: &[u8]) {
        if !self.has_children(sub) {
            self.forget(sub);
        }
    }

    /// When a folder goes again that was made a moment ago: where its name had a list before
    /// ([`read`]), it has it again.
    pub(crate) fn undo_create(&self, sub: &[u8], made: &Directory) {
        if self.has_children(sub) {
            let hierarchy = self.maildir().and_then(|maildir| maildir.open_directory(HIERARCHY));
            let _ = hierarchy.and_then(|hierarchy| made.rename(FILE, &hierarchy, sub));
        }
    }

    /// Before a folder is deleted: the list that it has is kept for its name, if there are folders
    /// below it (STORAGE 1.1). As long as the folder is there, its own file counts.
    pub(crate) fn before_deletion(&self, sub: &[u8], list: Option<&Acl>) {
        if let Some(acl) = list.filter(|_| self.has_children(sub)) {
            let maildir = self.maildir();
            let kept = maildir
                .and_then(|m| self.write(&file_in_hierarchy(&m, sub)?, acl, Existing::IsReplaced));
            drop(kept);
        }
    }

    /// Removes the list of a name that has neither a folder any more nor folders below it.
    pub(crate) fn deleted(&self, sub: &[u8]) {
        if !self.has_children(sub) {
            self.forget(sub);
        }
    }
}

/// The content of the list in a folder that is entered; `None` if it cannot be had at once.
pub(super) fn text_in(folder: &Entered) -> Option<Vec<u8>> {
    // Nearly all are short. A short one needs no stat to tell where it ends.
    let mut start = [0; 1024];
    match folder.folder().read_start(FILE, &mut start).ok()?.1 {
        got if got < start.len() => start.get(..got).map(<[u8]>::to_vec),
        _ => folder.folder().read_control(FILE, MAX_FILE).ok(),
    }
}

/// The list of a folder.
pub(super) struct Found<'s> {
    pub(super) acl: Acl,
    /// The Maildir, if it is there.
    maildir: Option<Rc<Directory>>,
    /// The folder and those above it that inherit the list and have to save it, from the top down.
    pub(super) missing: Vec<&'s [u8]>,
}

/// A list in `tmp` that is going to replace the one of a folder.
pub(super) struct WrittenList {
    file: TemporaryFile,
    to: Rc<Directory>,
    name: Vec<u8>,
}

impl WrittenList {
    /// Puts it in its place, unless there is a list by now (`AlreadyExists`).
    pub(super) fn put_where_none_is(mut self) -> io::Result<()> {
        self.file.rename_new_to(&self.to, &self.name)
    }

    /// Puts it in its place.
    pub(super) fn put(self) -> io::Result<()> {
        self.file.rename_to(&self.to, &self.name)
    }
}

/// Closes the files, which are on disk then if `is_wanted`. All are begun to be written before the
/// first one is waited for: a wait for each of many takes several times as long.
pub(super) fn sync(files: Vec<&mut WrittenList>, is_wanted: bool) -> io::Result<()> {
    if is_wanted && files.len() > 1 {
        files.iter().for_each(|list| list.file.begin_sync());
    }
    files.into_iter().try_for_each(|list| list.file.close(is_wanted))
}

/// Where the list of a folder is.
struct ListFile<'a> {
    /// What has the `tmp` for it.
    holder: Rc<Directory>,
    directory: Rc<Directory>,
    name: &'a [u8],
}

/// Where the list of a folder is, or of a name that has no directory.
fn file_of<'a>(maildir: &Rc<Directory>, sub: &'a [u8]) -> io::Result<ListFile<'a>> {
    match if_there(folder_names::enter(maildir, sub))? {
        Some(folder) => Ok(ListFile { holder: Rc::clone(&folder), directory: folder, name: FILE }),
        None => file_in_hierarchy(maildir, sub),
    }
}

fn file_in_hierarchy<'a>(maildir: &Rc<Directory>, sub: &'a [u8]) -> io::Result<ListFile<'a>> {
    let hierarchy = match maildir.open_directory(HIERARCHY) {
        Err(e) if is_missing(&e) => match maildir.mkdir(HIERARCHY, 0o755) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => maildir.open_directory(HIERARCHY)?,
        },
        hierarchy => hierarchy?,
    };
    Ok(ListFile { holder: Rc::clone(maildir), directory: Rc::new(hierarchy), name: sub })
}

/// What becomes of a list that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    IsReplaced,
    /// It is an error (`AlreadyExists`).
    Stays,
}

/// `None` for what is not there.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(e) if is_missing(&e) => Ok(None),
        result => result.map(Some),
    }
}

/// The list of one folder or name, without its parents'.
fn read(maildir: &Rc<Directory>, sub: &[u8]) -> io::Result<Option<Acl>> {
    let folder = if_there(folder_names::enter(maildir, sub))?;
    if let Some(folder) = &folder
        && let Some(acl) = read_file(folder, FILE)?
    {
        return Ok(Some(acl));
    }
    if sub.is_empty() {
        return Ok(None);
    }
    let Some(kept) = if_there(maildir.open_directory(HIERARCHY))? else { return Ok(None) };
    // Courier 5.1.8: the list of a name without a directory moves into the directory once there is
    // one.
    if let Some(folder) = &folder
        && kept.rename(sub, folder, FILE).is_ok()
    {
        return read_file(folder, FILE);
    }
    read_file(&kept, sub)
}

fn read_file(directory: &Directory, name: &[u8]) -> io::Result<Option<Acl>> {
    let data = if_there(directory.read_control(name, MAX_FILE))?;
    Ok(data.map(|data| Acl::parse(&data)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::types::Rights;
    use std::fs as stdfs;

    fn maildir(folders: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for f in [""].iter().chain(folders) {
            let at = if f.is_empty() {
                dir.path().to_path_buf()
            } else {
                dir.path().join(format!(".{f}"))
            };
            for d in ["tmp", "new", "cur"] {
                stdfs::create_dir_all(at.join(d)).unwrap();
            }
        }
        dir
    }

    fn read(dir: &tempfile::TempDir, at: &str) -> String {
        stdfs::read_to_string(dir.path().join(at)).unwrap_or_else(|_| "-".into())
    }

    const PLAIN: &str = "owner aceilrstwx\nadministrators aceilrstwx\n";
    const FRED: &str = "owner aceilrstwx\nadministrators aceilrstwx\nuser=fred lr\n";

    #[test]
    fn inherits_and_saves() {
        let dir = maildir(&["Q.R"]);
        let files = AclFiles { root: dir.path(), host: &Host::new(b"h"), sync: true };
        assert_eq!(files.load(b"").unwrap(), Acl::of_inbox());
        assert_eq!(read(&dir, "courierimapacl"), "-");
        files.load(b"Q.R").unwrap();
        assert_eq!(read(&dir, ".Q.R/courierimapacl"), PLAIN);
        assert_eq!(read(&dir, "courierimaphieracl/Q"), PLAIN);
        let mut acl = files.load(b"Q").unwrap();
        acl.set(b"user=fred", Rights::of(b"lr")).unwrap();
        files.save(b"Q", &acl).unwrap();
        assert_eq!(read(&dir, "courierimaphieracl/Q"), FRED);
        files.load(b"Q.S.T").unwrap();
        assert_eq!(read(&dir, "courierimaphieracl/Q.S"), FRED);
        assert_eq!(read(&dir, "courierimaphieracl/Q.S.T"), FRED);
        // Inheritance was a copy.
        assert_eq!(read(&dir, ".Q.R/courierimapacl"), PLAIN);
        assert_eq!(stdfs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
        assert_eq!(stdfs::read_dir(dir.path().join(".Q.R/tmp")).unwrap().count(), 0);
    }

    #[test]
    fn create_and_delete() {
        let dir = maildir(&["Q.R"]);
        let files = AclFiles { root: dir.path(), host: &Host::new(b"h"), sync: true };
        let mut acl = files.load(b"Q").unwrap();
        acl.set(b"user=fred", Rights::of(b"lr")).unwrap();
        files.save(b"Q", &acl).unwrap();
        for d in ["tmp", "new", "cur"] {
            stdfs::create_dir_all(dir.path().join(".Q").join(d)).unwrap();
        }
        // There before, as the parent of Q.R.
        files.before_creation(b"Q");
        files.load(b"Q").unwrap();
        assert_eq!(read(&dir, ".Q/courierimapacl"), FRED);
        assert_eq!(read(&dir, "courierimaphieracl/Q"), "-");
        // Gone, but Q.R is there still.
        files.before_deletion(b"Q", Some(&acl));
        stdfs::remove_dir_all(dir.path().join(".Q")).unwrap();
        files.deleted(b"Q");
        assert_eq!(read(&dir, "courierimaphieracl/Q"), FRED);
        stdfs::remove_dir_all(dir.path().join(".Q.R")).unwrap();
        files.deleted(b"Q");
        assert_eq!(read(&dir, "courierimaphieracl/Q"), "-");
        // What Courier left behind does not give fred his rights back.
        stdfs::write(dir.path().join("courierimaphieracl/N"), FRED).unwrap();
        files.before_creation(b"N");
        for d in ["tmp", "new", "cur"] {
            stdfs::create_dir_all(dir.path().join(".N").join(d)).unwrap();
        }
        files.load(b"N").unwrap();
        assert_eq!(read(&dir, ".N/courierimapacl"), PLAIN);
    }

    #[test]
    fn hostile_files() {
        let dir = maildir(&["A"]);
        let files = AclFiles { root: dir.path(), host: &Host::new(b"h"), sync: true };
        let at = dir.path().join(".A/courierimapacl");
        stdfs::create_dir(&at).unwrap();
        assert!(files.load(b"A").is_err());
        stdfs::remove_dir(&at).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &at).unwrap();
        assert!(files.load(b"A").is_err());
        stdfs::remove_file(&at).unwrap();
        stdfs::File::create(&at).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert!(files.load(b"A").is_err());
        stdfs::write(&at, (0..=255u8).cycle().take(100_000).collect::<Vec<u8>>()).unwrap();
        assert!(files.load(b"A").unwrap().get(b"administrators").has(b'a'));
        // A file where a folder is expected, and a name too long for the file system.
        stdfs::write(dir.path().join(".F"), "").unwrap();
        assert_eq!(files.load(b"F").unwrap(), Acl::of_inbox());
        assert!(files.load(&[b'x'; 300]).is_err());
    }
}
