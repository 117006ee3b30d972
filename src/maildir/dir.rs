//! One folder's directory, and the names of what is in it (STORAGE 1.1): as a place, and entered.

use super::error::is_missing;
use crate::sys::directory::Directory;
use crate::sys::fs;
use crate::sys::stat::Stat;
use std::cell::OnceCell;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// `courierimapuiddb`.
pub(super) const UID_FILE: &[u8] = b"courierimapuiddb";

/// Where a folder is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Dir {
    path: PathBuf,
    links: bool,
}

impl Dir {
    /// The folder in a directory: `.` for INBOX, `./.Sub`, or somebody else's by its absolute path.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Dir {
        Dir { path: path.into(), links: false }
    }

    /// A folder whose messages are symbolic links to somebody else's (STORAGE 6.2).
    pub(crate) fn of_links(path: impl Into<PathBuf>) -> Dir {
        Dir { path: path.into(), links: true }
    }

    /// The directory's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the directory exists. Without a `cur` it cannot be opened all the same (STORAGE
    /// 1.1). A system in trouble (no descriptor is left) will say so when it is opened.
    pub(crate) fn is_there(&self) -> bool {
        self.enter_if_there().is_some()
    }

    /// Opens the directory; `None` if it does not exist ([`Dir::is_there`]).
    pub(super) fn enter_if_there(&self) -> Option<io::Result<Entered>> {
        match self.enter() {
            Ok(entered) => Some(Ok(entered)),
            Err(e) => {
                if fs::is_unwritable(&e) {
                    log::error!("opening {}: {}", fs::shown(&self.path), fs::error_text(&e));
                }
                fs::is_trouble(&e).then_some(Err(e))
            }
        }
    }

    /// Opens the folder's directory. The one place where links are followed: see
    /// [`crate::sys::directory::Directory::enter`].
    pub(crate) fn enter(&self) -> io::Result<Entered> {
        let mut entered = Entered::of(Rc::new(Directory::enter(&self.path)?));
        entered.links = self.links;
        Ok(entered)
    }
}

/// A folder that is entered: its directory is open, and its parts are once they are needed. It is
/// entered once for a command or a scan, and what is done then is done in this very directory,
/// whatever becomes of its path meanwhile.
#[derive(Debug)]
pub(crate) struct Entered {
    folder: Rc<Directory>,
    links: bool,
    cur: OnceCell<Rc<Directory>>,
    new_mail: OnceCell<Rc<Directory>>,
    tmp: OnceCell<Rc<Directory>>,
    keywords: OnceCell<Rc<Directory>>,
    provider: OnceCell<(PathBuf, Rc<Directory>)>,
}

/// A part of a folder, opened when it is first asked for.
fn part<'a>(
    folder: &Directory,
    cell: &'a OnceCell<Rc<Directory>>,
    name: &str,
) -> io::Result<&'a Rc<Directory>> {
    if let Some(open) = cell.get() {
        return Ok(open);
    }
    let open = Rc::new(folder.open_directory(name.as_bytes())?);
    Ok(cell.get_or_init(|| open))
}

impl Entered {
    /// The folder in an open directory.
    pub(super) fn of(folder: Rc<Directory>) -> Entered {
        let (cur, new_mail, tmp, keywords, provider) = Default::default();
        Entered { folder, links: false, cur, new_mail, tmp, keywords, provider }
    }

    /// The same folder, which was renamed: for the log.
    pub(super) fn moved_to(self, path: PathBuf) -> Entered {
        match Rc::try_unwrap(self.folder) {
            Ok(folder) => Entered::of(Rc::new(folder.moved_to(path))),
            Err(folder) => Entered { folder, ..self },
        }
    }

    /// The folder's own directory.
    pub(crate) fn folder(&self) -> &Rc<Directory> {
        &self.folder
    }

    /// The path by which it was entered, for the log.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether messages are symbolic links.
    pub(crate) fn is_of_links(&self) -> bool {
        self.links
    }

    /// `cur`: the messages.
    pub(crate) fn cur(&self) -> io::Result<&Rc<Directory>> {
        part(&self.folder, &self.cur, "cur")
    }

    /// `new`: mail that was delivered and that no session has seen yet.
    pub(crate) fn new_mail(&self) -> io::Result<&Rc<Directory>> {
        part(&self.folder, &self.new_mail, "new")
    }

    /// `cur`, opened to read its entries. Who does nothing else with it needs no more than this.
    pub(super) fn read_cur(&self) -> io::Result<File> {
        self.read_part(&self.cur, b"cur")
    }

    /// `new`, opened to read its entries.
    pub(super) fn read_new_mail(&self) -> io::Result<File> {
        self.read_part(&self.new_mail, b"new")
    }

    fn read_part(&self, cell: &OnceCell<Rc<Directory>>, name: &[u8]) -> io::Result<File> {
        cell.get().map_or_else(|| self.folder.open_to_read(name), |open| open.reading())
    }

    /// `tmp`: where every file is written first.
    pub(crate) fn tmp(&self) -> io::Result<&Rc<Directory>> {
        part(&self.folder, &self.tmp, "tmp")
    }

    /// `courierimapkeywords`.
    pub(crate) fn keywords(&self) -> io::Result<&Rc<Directory>> {
        part(&self.folder, &self.keywords, "courierimapkeywords")
    }

    /// For a folder whose messages are links: the path of the provider's `cur`, as the link `shared`
    /// has it, and that directory (STORAGE 6.2).
    pub(super) fn provider(&self) -> io::Result<&(PathBuf, Rc<Directory>)> {
        if let Some(open) = self.provider.get() {
            return Ok(open);
        }
        let target = self.folder.read_link(b"shared")?;
        let cur = Directory::enter(&target)?.open_directory(b"cur")?;
        Ok(self.provider.get_or_init(|| (target.join("cur"), Rc::new(cur))))
    }

    /// The path of `cur`, for the log.
    pub(crate) fn cur_path(&self) -> PathBuf {
        self.folder.path_of(b"cur")
    }

    /// The path of `new`, for the log.
    pub(crate) fn new_mail_path(&self) -> PathBuf {
        self.folder.path_of(b"new")
    }

    /// The path of `tmp`, for the log.
    pub(crate) fn tmp_path(&self) -> PathBuf {
        self.folder.path_of(b"tmp")
    }

    /// The path of `courierimapkeywords`, for the log.
    pub(crate) fn keywords_path(&self) -> PathBuf {
        self.folder.path_of(b"courierimapkeywords")
    }

    /// The path of the UID file, for the log.
    pub(crate) fn uid_file_path(&self) -> PathBuf {
        self.folder.path_of(UID_FILE)
    }

    /// A message's path in `cur`, for the log.
    pub(crate) fn message_path(&self, name: &[u8]) -> PathBuf {
        fs::join(&self.cur_path(), name)
    }

    /// Whether this is the same folder, under whatever name.
    pub(crate) fn is_same(&self, other: &Entered) -> bool {
        let inode = |entered: &Entered| entered.folder.own_stat().ok().map(|stat| stat.inode());
        inode(self).is_some_and(|this| inode(other) == Some(this))
    }

    /// Whether the folder still is where it was entered: it may have been removed or renamed, and
    /// another one made. `true` if that cannot be found out.
    pub(crate) fn is_in_place(&self) -> bool {
        let there = Directory::enter(self.path()).and_then(|there| there.own_stat());
        match (there, self.folder.own_stat()) {
            (Ok(there), Ok(this)) => there.inode() == this.inode(),
            (Err(e), _) => !is_missing(&e),
            _ => true,
        }
    }

    /// Whether `cur` is in its place: a folder that was removed under us has none any more.
    pub(crate) fn has_cur(&self) -> bool {
        self.folder.has_directory(b"cur")
    }

    /// What lstat(2) says of a message.
    pub(crate) fn stat_message(&self, name: &[u8]) -> io::Result<Stat> {
        self.cur()?.stat(name)
    }
}

/// The most bytes of a folder's control file: a million messages with the longest names.
pub(super) const MAX_CONTROL_FILE: u64 = 320 << 20;
