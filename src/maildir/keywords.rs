//! Keywords on disk: Courier's protocol of small files beside a merged list (STORAGE 3).
//!
//! A change of one message's keywords is a file with its whole new set,
//! `courierimapkeywords/<base>`, which appears by one rename. Every scan merges such files into
//! `:list`, under the folder's lock, and then keeps them for a while as `.<N>.<base>`, where N
//! counts periods of five minutes: a session that read the old `:list` a moment ago still finds the
//! change beside it. The keywords of a message are in its `<base>` if there is one, else in the
//! `.<N>.<base>` of the highest N, else on its line in `:list`.
//!
//! Writers take no lock, so files come and go during the reading. If one vanishes between the
//! listing and its opening, everything is read again.

use super::dir::MAX_CONTROL_FILE;
use super::index::Index;
use super::messages::Messages;
use super::stamp::Stamp;
use super::temporary::TemporaryFile;
use super::{Entered, Error, Store};
use crate::sys::directory::Directory;
use crate::sys::{breath, clock, dir, fs};
use crate::types::number::{self, push as push_number};
use crate::types::{KeywordTable, SetId};
use std::cell::OnceCell;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

/// The keywords of a folder as they are on disk.
pub(super) struct FolderKeywords {
    pub(super) table: KeywordTable,
    /// The set of each message, by its position.
    pub(super) sets: Vec<SetId>,
    /// The stamp of the directory before it was read.
    pub(super) stamp: Option<Stamp>,
    /// Whether something could not be read. Then no file may be replaced by what was read.
    pub(super) has_unread: bool,
    /// Whether something is there to be merged or removed.
    pub(super) needs_merge: bool,
}

impl FolderKeywords {
    /// None of these messages has a keyword.
    fn none(messages: &Messages, stamp: Option<Stamp>) -> FolderKeywords {
        let sets = vec![SetId::EMPTY; messages.len()];
        FolderKeywords {
            table: KeywordTable::new(),
            sets,
            stamp,
            has_unread: false,
            needs_merge: false,
        }
    }

    /// The set of the message at this position.
    pub(super) fn set(&self, i: usize) -> SetId {
        debug_assert!(i < self.sets.len(), "every message has a set");
        self.sets.get(i).copied().unwrap_or_default()
    }
}

/// The length of one period N in `.<N>.<base>`, in seconds.
const PERIOD: i64 = 300;
/// The age in seconds at which the file of an unknown message is removed. Before that its message
/// may be on its way.
const MAX_UNKNOWN_AGE: i64 = 15 * 60;
/// The age in seconds at which a scratch file of a careful update is removed.
const MAX_SCRATCH_AGE: i64 = 120;
/// The most bytes of one message's file.
const MAX_FILE: u64 = 4 << 20;
/// How often the reading starts again because a file has vanished.
const MAX_RESTARTS: u32 = 50;
/// The same for a file that another host has replaced, which takes seconds to find out.
const MAX_STALE_RESTARTS: u32 = 2;

/// The directory's name in the folder.
const NAME: &[u8] = b"courierimapkeywords";
/// The merged list.
const LIST: &[u8] = b":list";

/// Makes the directory, with the mode of the folder's directory (STORAGE 3.1).
pub(super) fn make_directory(dir: &Entered) -> io::Result<()> {
    match dir.folder().mkdir(NAME, 0o700) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        other => other?,
    }
    let mode = dir.folder().own_stat()?.mode() & 0o777;
    dir.keywords()?.set_mode(mode)
}

/// What is done with changes that are not merged yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Merge {
    No,
    /// They are merged, and what belongs to no message is removed. The messages are all that there
    /// are: this is for a scan.
    All,
    /// They are merged. There may be messages that came after the last scan: what belongs to them
    /// stays.
    OfKnown,
}

/// Where keywords are off: as if there were none, though their directory is made for IDLE.
pub(super) fn none(dir: &Entered, messages: &Messages, merge: Merge) -> FolderKeywords {
    if merge != Merge::No {
        let _ = make_directory(dir);
    }
    FolderKeywords::none(messages, Stamp::of_directory(dir.folder(), NAME))
}

/// Reads the keywords of all messages. Merging, as every scan does it, needs the folder's lock.
/// Whatever goes wrong with the merging is left to the next scan: nothing is lost by waiting.
///
/// `index` is the index of the messages, which is made if it is needed: most folders have no
/// keywords.
pub(super) fn read(
    store: &Store,
    dir: &Entered,
    messages: &Messages,
    index: &OnceCell<Index>,
    merge: Merge,
) -> Result<FolderKeywords, Error> {
    if merge != Merge::No {
        let _ = make_directory(dir);
    }
    let mut restarts = 0;
    loop {
        let mut reading = Reading::new(store, dir, messages, index);
        reading.looks_again = restarts < MAX_STALE_RESTARTS;
        reading.keeps_unknown = merge == Merge::OfKnown;
        match reading.read_all() {
            Err(e) if fs::is_gone(&e) && restarts < MAX_RESTARTS => restarts += 1,
            Err(e) => {
                let path = dir.keywords_path();
                return Err(Error::failed(format!("reading {}", fs::shown(&path)), e));
            }
            Ok(()) => {
                if merge != Merge::No
                    && !reading.keywords.has_unread
                    && let Err(e) = reading.merge()
                {
                    log::error!("{}: {}", fs::shown(&dir.keywords_path()), fs::error_text(&e));
                }
                reading.keywords.needs_merge = reading.needs_merge();
                return Ok(reading.keywords);
            }
        }
    }
}

/// The keywords that a folder has, and perhaps some that no message has any more: those of the list
/// and of what is not merged yet. If they are more than `enough`, not all of them.
pub(super) fn all_names(
    store: &Store,
    dir: &Entered,
    enough: usize,
) -> Result<KeywordTable, Error> {
    let (messages, index) = (Messages::default(), OnceCell::new());
    let mut reading = Reading::new(store, dir, &messages, &index);
    let done = reading.read_all();
    if let (Ok(()), Ok(here)) = (done, dir.keywords()) {
        // No message is known here. What has a period is in the list.
        let names = std::mem::take(&mut reading.unknown);
        for name in names.iter().filter(|name| !name.starts_with(b".")) {
            // Of a shared folder, others may have filled the directory.
            breath::breathe()?;
            if reading.keywords.table.names().len() > enough {
                break;
            }
            // One that is gone is in the list by now, or its message is gone.
            let _ = reading.read_file(here, name);
        }
    }
    Ok(reading.keywords.table)
}

/// A file of a known message.
struct MessageFile {
    message: usize,
    /// The period N; `None` for a change that is not merged yet.
    period: Option<i64>,
    name: Vec<u8>,
}

impl MessageFile {
    /// The order of files: by message, the newest last.
    fn rank(&self) -> (usize, bool, i64) {
        (self.message, self.period.is_none(), self.period.unwrap_or(0))
    }
}

struct Reading<'a> {
    store: &'a Store,
    dir: &'a Entered,
    messages: &'a Messages,
    index: &'a OnceCell<Index>,
    keywords: FolderKeywords,
    found: Vec<MessageFile>,
    /// Names of files whose messages are not there.
    unknown: Vec<Vec<u8>>,
    /// Whether messages may be there that are not known. Their files and lines stay.
    keeps_unknown: bool,
    /// The lines of `:list` that stay: base names with their keywords.
    kept: Vec<(Vec<u8>, SetId)>,
    /// Scratch files, with the second in which they were made.
    scratch: Vec<(i64, Vec<u8>)>,
    /// Whether there is a `:list`.
    has_list: bool,
    /// Whether `:list` has to be written anew.
    is_stale: bool,
    /// Whether all begins anew where another host has replaced a file meanwhile.
    looks_again: bool,
}

impl<'a> Reading<'a> {
    fn new(
        store: &'a Store,
        dir: &'a Entered,
        messages: &'a Messages,
        index: &'a OnceCell<Index>,
    ) -> Reading<'a> {
        let keywords = FolderKeywords::none(messages, None);
        Reading {
            store,
            dir,
            messages,
            index,
            keywords,
            found: Vec::new(),
            unknown: Vec::new(),
            keeps_unknown: false,
            kept: Vec::new(),
            scratch: Vec::new(),
            has_list: false,
            is_stale: false,
            looks_again: false,
        }
    }

    /// The position of the message with exactly this base name.
    fn message(&self, base: &[u8]) -> Option<usize> {
        let index = self.index.get_or_init(|| self.messages.index(|_| {}));
        self.messages.find(index, base).filter(|i| self.messages.base_name(*i) == base)
    }

    fn read_all(&mut self) -> io::Result<()> {
        let path = self.dir.keywords_path();
        let opened = self.dir.keywords().and_then(|here| Ok((Rc::clone(here), here.reading()?)));
        let (here, entries) = match opened {
            // Nobody has ever set a keyword here, and we could not make the directory.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            // Mail without keywords is better than no mail.
            Err(e) => {
                self.cannot_read(&path, &e);
                return Ok(());
            }
            Ok(opened) => opened,
        };
        self.keywords.stamp = Stamp::of_open(&entries).ok();
        match here.read_control(LIST, MAX_CONTROL_FILE) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => {
                self.cannot_read(&path.join(":list"), &e);
                self.keywords.has_unread = !fs::is_out_of_place(&e);
            }
            Ok(list) => self.read_list(&list),
        }
        if let Err(e) = dir::for_each(&entries, |name, _| self.read_entry(name)) {
            self.cannot_read(&path, &e);
        }
        self.found.sort_by_key(MessageFile::rank);
        let found = std::mem::take(&mut self.found);
        for (at, file) in found.iter().enumerate() {
            // The newest of each message counts.
            if found.get(at.saturating_add(1)).is_some_and(|next| next.message == file.message) {
                continue;
            }
            breath::breathe()?;
            let set = self.read_file(&here, &file.name)?;
            if let Some(slot) = self.keywords.sets.get_mut(file.message)
                && *slot != set
            {
                *slot = set;
                self.is_stale = true;
            }
        }
        self.found = found;
        Ok(())
    }

    /// Reads `:list`: names, an empty line, and for each message a line with numbers of names.
    fn read_list(&mut self, data: &[u8]) {
        self.has_list = true;
        let mut names: Vec<Option<u32>> = Vec::new();
        let mut lines = data.split(|b| *b == b'\n');
        for line in lines.by_ref() {
            if line.is_empty() {
                break;
            }
            names.push(self.intern(line));
        }
        for line in lines.filter(|l| !l.is_empty()) {
            let colon = memchr::memrchr(b':', line).unwrap_or(line.len());
            let (base, indexes) = line.split_at_checked(colon).unwrap_or_default();
            let message = self.message(base);
            if message.is_none() && !self.keeps_unknown {
                self.is_stale = true;
                continue;
            }
            let numbers = indexes.split(|b| !b.is_ascii_digit()).filter_map(number::digits);
            let name = |n| names.get(usize::try_from(n).ok()?).copied().flatten();
            let set = self.keywords.table.set(numbers.filter_map(name).collect());
            let Some(message) = message else {
                self.kept.push((base.to_vec(), set));
                continue;
            };
            // Courier: of two lines the later one counts.
            if let Some(slot) = self.keywords.sets.get_mut(message) {
                *slot = set;
            }
        }
    }

    fn intern(&mut self, name: &[u8]) -> Option<u32> {
        self.keywords.table.intern(&to_atom(name))
    }

    /// Notes that keywords cannot be read.
    fn cannot_read(&mut self, path: &Path, e: &io::Error) {
        self.store.complain(path, e, "keywords are not shown");
        self.keywords.has_unread = true;
    }

    /// Reads one message's file: a keyword on each line.
    fn read_file(&mut self, here: &Directory, name: &[u8]) -> io::Result<SetId> {
        let data = match here.read_control(name, MAX_FILE) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(e),
            Err(e) if fs::is_stale(&e) && self.looks_again => return Err(e),
            // A directory, a link or a file without end counts as empty.
            Err(e) => {
                if !fs::is_out_of_place(&e) && e.kind() != io::ErrorKind::InvalidData {
                    self.cannot_read(&here.path_of(name), &e);
                }
                return Ok(SetId::EMPTY);
            }
            Ok(data) => data,
        };
        let lines = data.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        let numbers = lines.filter_map(|l| self.intern(l)).collect();
        Ok(self.keywords.table.set(numbers))
    }

    /// Takes note of one entry of the directory.
    fn read_entry(&mut self, name: &[u8]) {
        if name == LIST {
            return;
        }
        let Some(hidden) = name.strip_prefix(b".") else {
            match self.message(name) {
                Some(message) => {
                    self.found.push(MessageFile { message, period: None, name: name.to_vec() })
                }
                None => self.unknown.push(name.to_vec()),
            }
            return;
        };
        if let Some(rest) = hidden.strip_prefix(b"tmp.") {
            // `.tmp.<time><name>`: the name begins with the same time, so half of the digits are
            // it.
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let made = rest.get(..digits / 2).and_then(number::digits).unwrap_or(0);
            self.scratch.push((i64::try_from(made).unwrap_or(i64::MAX), name.to_vec()));
            return;
        }
        let Some(dot) = memchr::memchr(b'.', hidden) else { return };
        let (period, base) = hidden.split_at_checked(dot).unwrap_or_default();
        let Some(period) = number::digits(period).and_then(|n| i64::try_from(n).ok()) else {
            return;
        };
        match base.strip_prefix(b".").and_then(|base| self.message(base)) {
            Some(message) => {
                self.found.push(MessageFile { message, period: Some(period), name: name.to_vec() })
            }
            None => self.unknown.push(name.to_vec()),
        }
    }

    fn needs_merge(&self) -> bool {
        let period = clock::now().0 / PERIOD;
        let is_old = |file: &MessageFile| file.period.is_none_or(|of| of < period);
        let is_strange = !self.unknown.is_empty() || !self.scratch.is_empty();
        self.is_stale || is_strange || self.found.iter().any(is_old)
    }

    /// Writes `:list`, renames what it has now, and removes what is old (STORAGE 3.2).
    fn merge(&self) -> io::Result<()> {
        let here = match self.dir.keywords() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            here => here?,
        };
        let (now, _) = clock::now();
        let period = now / PERIOD;
        for name in self.unknown.iter().filter(|_| !self.keeps_unknown) {
            let oldest = now.saturating_sub(MAX_UNKNOWN_AGE);
            if here.stat(name).is_ok_and(|stat| stat.mtime() < oldest) {
                let _ = here.unlink(name);
            }
        }
        for (made, name) in &self.scratch {
            if *made < now.saturating_sub(MAX_SCRATCH_AGE) {
                let _ = here.unlink(name);
            }
        }
        if self.is_stale {
            self.write_list(here)?;
        }
        // Not before `:list` has their content.
        for files in self.found.chunk_by(|a, b| a.message == b.message) {
            if breath::breathe().is_err() {
                break;
            }
            // A file from the future, by a clock that was ahead, would outrank a newer change. So
            // the newer one takes its name, as in Courier 6.
            let ahead = files.iter().filter_map(|file| file.period).max().unwrap_or(0);
            let next = period.saturating_add(1).max(ahead);
            for (at, file) in files.iter().enumerate() {
                let Some(of) = file.period else {
                    let kept = [b".", next.to_string().as_bytes(), b".", &*file.name].concat();
                    let _ = here.rename(&file.name, here, &kept);
                    continue;
                };
                let newer = files.get(at.saturating_add(1));
                let superseded = match newer {
                    Some(newer) => newer.period.is_some_and(|n| n < period),
                    None => files.len() == 1,
                };
                if of < period && superseded {
                    let _ = here.unlink(&file.name);
                }
            }
        }
        Ok(())
    }

    fn write_list(&self, here: &Directory) -> io::Result<()> {
        let table = &self.keywords.table;
        // Only names that a message has, numbered in the order in which messages need them.
        let mut numbers: Vec<Option<u64>> = vec![None; table.names().count()];
        let mut names = Vec::new();
        let mut lines = Vec::new();
        let mut count = 0;
        let known = self.keywords.sets.iter().enumerate();
        let known = known.map(|(i, set)| (self.messages.base_name(i), set));
        let kept = self.kept.iter().map(|(base, set)| (&**base, set));
        for (base, set) in known.chain(kept).filter(|(_, set)| !set.is_empty()) {
            lines.extend_from_slice(base);
            let mut separator = b':';
            for member in table.members(*set) {
                let Some(number) = numbers.get_mut(*member as usize) else { continue };
                let number = *number.get_or_insert_with(|| {
                    debug_assert!(table.name(*member).is_some(), "a set is one of its table");
                    names.extend_from_slice(table.name(*member).unwrap_or_default());
                    names.push(b'\n');
                    count += 1;
                    count - 1
                });
                lines.push(separator);
                push_number(&mut lines, number);
                separator = b' ';
            }
            lines.push(b'\n');
        }
        if lines.is_empty() {
            return if self.has_list { here.unlink(LIST) } else { Ok(()) };
        }
        names.push(b'\n');
        let mut temporary =
            TemporaryFile::create(&self.store.config.host, self.dir.tmp()?, b"", 0o644)?;
        temporary.file()?.write_all(&names)?;
        temporary.file()?.write_all(&lines)?;
        temporary.close(self.store.config.fsync)?;
        temporary.rename_to(here, LIST)?;
        if self.store.config.fsync { here.sync() } else { Ok(()) }
    }
}

/// A keyword from disk as a response can hold it: with Courier's replacements (STORAGE 3.5), and
/// with `_` for whatever no atom can hold.
fn to_atom(name: &[u8]) -> Vec<u8> {
    name.iter()
        .map(|b| if b.is_ascii_graphic() && !b"(){%*\"\\]".contains(b) { *b } else { b'_' })
        .collect()
}

/// Whether a message with this base name can have a file here.
pub(super) fn can_be_stored(base: &[u8]) -> bool {
    !base.is_empty() && !base.starts_with(b".") && base != LIST && !base.contains(&b'\n')
}

#[cfg(test)]
mod tests;
