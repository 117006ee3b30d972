//! What the access control lists of an account said when they were last read: `postrider.acls` in
//! the Maildir (STORAGE 14.8). Every folder has a list of its own (STORAGE 5.3), and LIST needs all
//! of them. To open, read and close thousands of files takes longer than all the rest of it. But
//! nearly all say the same, and a file with the inode, length and times of one that was read says
//! what that one said: then one stat(2) is enough.
//!
//! - A list is noted only where every later change gives it another time, as it is with folders
//!   ([`Stamp`]), and only on file systems of this machine.
//! - The file is a cache. It is checked before it is believed, and written anew by a LIST that had
//!   to read many lists. Of an account with few folders there is none.
//! - It is about the account's own folders, and written by their owner: whoever can write it can
//!   change the lists themselves.

use super::acl_files::{AclFiles, FILE};
use super::host::Host;
use super::stamp::Stamp;
use super::state::bytes::{Input, Output};
use super::temporary;
use crate::sys::clock;
use crate::sys::directory::Directory;
use crate::sys::stat::Stat;
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;

/// The name of the file, in the Maildir.
pub(super) const NAME: &[u8] = b"postrider.acls";
/// Its first bytes, the version among them.
const MAGIC: [u8; 8] = *b"PRacls\x00\x01";
/// The most bytes of it.
const MAX_FILE: u64 = 8 << 20;
/// The most lists in it, and the most different texts.
const MAX_ENTRIES: usize = 200_000;
const MAX_TEXTS: usize = 256;
/// The most bytes of a list that is noted.
const MAX_TEXT: usize = 4096;
/// The fewest lists for which the file is written.
const WORTH_WRITING: usize = 16;

/// After how many looks at single lists it is read what is known of all.
const MANY: u32 = 16;

/// What is known of the account's lists, once that is worth reading.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    is_kept: bool,
    /// How many single lists were looked at.
    asked: Cell<u32>,
    /// `None` as long as nothing was read; `Some(None)` where nothing can be known.
    lists: RefCell<Option<Option<KnownLists>>>,
}

impl Remembered {
    /// Nothing was read yet. `is_kept`: whether it ever will be.
    pub(super) fn new(is_kept: bool) -> Remembered {
        Remembered { is_kept, ..Remembered::default() }
    }

    /// What `find` makes of what is known of the lists of the Maildir `root`. `None` also where it
    /// is not worth reading: that is, unless all of them (`is_listing`) or many are looked at.
    pub(super) fn find<T>(
        &self,
        root: &Path,
        is_listing: bool,
        find: impl FnOnce(&mut KnownLists) -> Option<T>,
    ) -> Option<T> {
        if !self.is_kept {
            return None;
        }
        let mut lists = self.lists.borrow_mut();
        if lists.is_none() {
            let asked = self.asked.get().saturating_add(1);
            self.asked.set(asked);
            if !is_listing && asked < MANY {
                return None;
            }
            // Single looks learn nothing.
            let is_of_use = |lists: &KnownLists| is_listing || !lists.entries.is_empty();
            *lists = Some(KnownLists::read(root).filter(is_of_use));
        }
        find(lists.as_mut()?.as_mut()?)
    }

    /// It will be read anew.
    pub(super) fn forget(&self) {
        self.asked.set(0);
        self.lists.take();
    }

    /// The same, and what was learned is saved.
    pub(super) fn save(&self, host: &Host) {
        self.asked.set(0);
        if let Some(Some(lists)) = self.lists.take() {
            lists.save(host);
        }
    }
}

/// A file of which the content is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    inode: u64,
    mtime: i64,
    ctime: i64,
    length: u32,
    /// The place of the text.
    text: u32,
}

impl Entry {
    /// The entry of a file with the content at this place. `None` for one that is not regular.
    fn of(stat: &Stat, text: usize) -> Option<Entry> {
        stat.is_file().then_some(())?;
        Some(Entry {
            inode: stat.inode().1,
            mtime: i64::try_from(stat.mtime_nanos()).ok()?,
            ctime: i64::try_from(stat.ctime_nanos()).ok()?,
            length: u32::try_from(stat.len()).ok()?,
            text: u32::try_from(text).ok()?,
        })
    }
}

/// The lists of an account that are known.
#[derive(Debug)]
pub(super) struct KnownLists {
    maildir: Rc<Directory>,
    device: u64,
    texts: Vec<Vec<u8>>,
    /// By inode.
    entries: Vec<Entry>,
    /// Which of the entries were used.
    used: Vec<bool>,
    learned: Vec<Entry>,
}

impl KnownLists {
    /// Reads what is known of the lists of a Maildir. `None` where nothing can be: other hosts may
    /// change it without this one knowing.
    pub(super) fn read(root: &Path) -> Option<KnownLists> {
        let maildir = Directory::enter(root).map(Rc::new).ok()?;
        let device = maildir.own_stat().ok()?.inode().0;
        if !maildir.is_local() {
            return None;
        }
        let data = maildir.read_control(NAME, MAX_FILE).unwrap_or_default();
        let (texts, entries) = decode(&data).unwrap_or_default();
        let used = vec![false; entries.len()];
        Some(KnownLists { maildir, device, texts, entries, used, learned: Vec::new() })
    }

    /// What stat(2) says of the file of the folder `.<sub>`, or of the INBOX if `sub` is empty. If
    /// the folder is a link, it is followed: it is only compared with what is known.
    pub(super) fn stat(&self, sub: &[u8]) -> Option<Stat> {
        if sub.is_empty() {
            return self.maildir.stat(FILE).ok();
        }
        self.maildir.stat_below(&[b".", sub], FILE).ok()
    }

    /// What the file says.
    pub(super) fn text(&mut self, stat: &Stat) -> Option<&[u8]> {
        let wanted = Entry::of(stat, 0).filter(|_| stat.inode().0 == self.device)?;
        let at = self.entries.binary_search_by_key(&wanted.inode, |entry| entry.inode).ok()?;
        let entry = self.entries.get(at)?;
        if *entry != (Entry { text: entry.text, ..wanted }) {
            return None;
        }
        *self.used.get_mut(at)? = true;
        self.texts.get(entry.text as usize).map(Vec::as_slice)
    }

    /// What the file of a folder says, which is read and noted; not if the folder is a link.
    pub(super) fn read_list(&mut self, lists: &AclFiles<'_>, sub: &[u8]) -> Option<Vec<u8>> {
        let now = clock::now_nanos();
        let (text, stat) = lists.text_and_stat(sub)?;
        self.learn(&stat, &text, now);
        Some(text)
    }

    /// Notes what a file says that was read after `now` (nanoseconds since 1970).
    fn learn(&mut self, stat: &Stat, text: &[u8], now: i128) {
        let is_known = stat.inode().0 == self.device && stat.len() == text.len() as u64;
        if !is_known || text.len() > MAX_TEXT || !Stamp::of(stat).is_settled(now) {
            return;
        }
        let at = match self.texts.iter().position(|known| known == text) {
            Some(at) => at,
            None if self.texts.len() < MAX_TEXTS => {
                self.texts.push(text.to_vec());
                self.texts.len() - 1
            }
            None => return,
        };
        self.learned.extend(Entry::of(stat, at));
    }

    /// Writes the file, if enough was learned for that. It is no matter if it cannot be written.
    pub(super) fn save(mut self, host: &Host) {
        let known = self.entries.len().saturating_add(self.learned.len());
        if known < WORTH_WRITING || self.learned.len() < (self.entries.len() / 16).max(1) {
            return;
        }
        let used = self.used.iter().filter(|used| **used).count();
        // Those of folders that were not asked for stay, unless they are too many to be there still.
        let keeps_unused = self.entries.len() <= used.saturating_add(self.learned.len()) * 2;
        let mut used = self.used.iter();
        self.entries.retain(|_| used.next() == Some(&true) || keeps_unused);
        // Of two entries of an inode the one that was learned comes first, and stays.
        let mut entries = self.learned;
        entries.append(&mut self.entries);
        entries.sort_by_key(|entry| entry.inode);
        entries.dedup_by_key(|entry| entry.inode);
        if entries.len() > MAX_ENTRIES {
            return;
        }
        let Ok(tmp) = self.maildir.open_directory(b"tmp").map(Rc::new) else { return };
        let data = encode(&self.texts, &entries);
        let to = (&*self.maildir, NAME);
        let _ = temporary::replace((host, false), (&tmp, b"_acls"), to, &data);
    }
}

/// Magic, texts, entries, checksum.
fn encode(texts: &[Vec<u8>], entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * 32 + 4096);
    out.extend_from_slice(&MAGIC);
    out.u32(texts.len() as u32);
    for text in texts {
        out.u16(text.len() as u16);
        out.extend_from_slice(text);
    }
    out.u32(entries.len() as u32);
    for Entry { inode, mtime, ctime, length, text } in entries {
        out.u64(*inode);
        out.i64(*mtime);
        out.i64(*ctime);
        out.u32(*length);
        out.u32(*text);
    }
    let checksum = crc32fast::hash(&out);
    out.u32(checksum);
    out
}

/// `None` for a file that is damaged, or of another version.
fn decode(data: &[u8]) -> Option<(Vec<Vec<u8>>, Vec<Entry>)> {
    let (content, checksum) = data.split_last_chunk::<4>()?;
    if u32::from_le_bytes(*checksum) != crc32fast::hash(content) {
        return None;
    }
    let mut input = Input::new(content);
    if input.take(MAGIC.len())? != MAGIC {
        return None;
    }
    let count = usize::try_from(input.u32()?).ok().filter(|n| *n <= MAX_TEXTS)?;
    let texts: Option<Vec<Vec<u8>>> =
        (0..count).map(|_| input.string().map(<[u8]>::to_vec)).collect();
    let texts = texts?;
    let count = usize::try_from(input.u32()?).ok().filter(|n| *n <= MAX_ENTRIES)?;
    let mut entry = || {
        let inode = input.u64()?;
        let (mtime, ctime) = (input.i64()?, input.i64()?);
        Some(Entry { inode, mtime, ctime, length: input.u32()?, text: input.u32()? })
    };
    let entries: Option<Vec<Entry>> = (0..count).map(|_| entry()).collect();
    let entries = entries?;
    let is_right = input.is_empty()
        && entries.is_sorted_by(|a, b| a.inode < b.inode)
        && entries.iter().all(|entry| (entry.text as usize) < texts.len());
    is_right.then_some((texts, entries))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
