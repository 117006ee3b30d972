//! Changing what is there: flags by a rename, deletion by an unlink, keywords by a file. No lock is
//! taken for any of it (but for careful keywords), so each begins with a name that somebody may
//! have changed since.
//!
//! When a name is not there any more, `cur` is read once, and all messages adopt the names that
//! they have now (STORAGE 1.4); those that have none are marked, so that a FETCH of ten thousand
//! messages which somebody else has just removed costs one reading, not ten thousand. The flags
//! that came with a new name are told to the client when the message is next spoken of:
//! [`Messages::take_changed`].

use super::index::Index;
use super::look::Stamp;
use super::messages::{Messages, bit};
use super::names::{self, Stem};
use super::quota::{self, Action, Quota};
use super::scan::Snapshot;
use super::{Dir, Error, KeywordMode, Store, folders, keywords, lock::Lock, renamed, shared_link};
use crate::sys::dir::{self, EntryKind};
use crate::sys::{clock, fs};
use crate::types::{Flags, Operation, SetId};
use std::cell::OnceCell;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The most renames by others that one operation follows.
const TRIES: u32 = 200;
/// The most readings of `cur` in search of messages: a reading may miss one that is renamed
/// meanwhile.
const READINGS: u32 = 4;
/// Longer than a tick of the clock of file times (a hundredth of a second at most).
const TICK: Duration = Duration::from_millis(20);

/// Does something with a message's present name; when the file is not there under it, under its new
/// one.
///
/// `act` may be called with names that are only likely. It has to find out by a system call whether
/// the file is there, before anything follows from the flags in the name.
///
/// [`Error::Gone`] only for a message that was looked for and not found; one that is renamed too
/// fast to be followed is another error.
fn with_name<T>(
    dir: &Dir,
    messages: &mut Messages,
    i: usize,
    mut act: impl FnMut(&mut Messages, &[u8]) -> io::Result<T>,
) -> Result<T, Error> {
    let failed = |e: io::Error, name: &[u8]| Error::about("changing", &dir.message(name))(e);
    for attempt in 0..TRIES {
        let name = messages.file_name(i);
        if name.is_empty() {
            return Err(Error::Gone);
        }
        match act(messages, &name) {
            Err(e) if fs::is_gone(&e) => {}
            done => return done.map_err(|e| failed(e, &name)),
        }
        // One reading finds the new names of all messages; it is not repeated for those that it did
        // not find.
        if attempt == 0 && !messages.has(i, bit::GONE) {
            refresh(dir, messages)?;
            if !messages.has(i, bit::GONE) && !messages.is_named(i, &name) {
                continue;
            }
        }
        if messages.has(i, bit::GONE) && !messages.is_restless() {
            return Err(Error::Gone);
        }
        // Somebody renames it all the time: the deed itself is tried with every likely name, for a
        // look before it would be out of date.
        if let Some(done) = with_likely_name(messages, i, &mut act) {
            return done.map_err(|e| failed(e, &messages.file_name(i)));
        }
        match renamed::find(&dir.cur(), messages.base_name(i), &name) {
            Some(found) => adopt(messages, i, &found),
            None if messages.has(i, bit::GONE) => return Err(Error::Gone),
            None => refresh(dir, messages)?,
        }
        // Out of step with whoever it is.
        clock::sleep(Duration::from_micros(u64::from(clock::now().1 % 97)));
    }
    let restless = fs::error(io::ErrorKind::ResourceBusy);
    Err(Error::failed(
        format!("following {}", fs::shown(&dir.message(&messages.file_name(i)))),
        restless,
    ))
}

/// Tries an act with the names that differ by one flag from the one that is known; `None` if the
/// file is under none of them.
fn with_likely_name<T>(
    messages: &mut Messages,
    i: usize,
    act: &mut impl FnMut(&mut Messages, &[u8]) -> io::Result<T>,
) -> Option<io::Result<T>> {
    let known = messages.file_name(i);
    let told = !messages.is_changed(i);
    for name in renamed::likely(messages.base_name(i), &known) {
        adopt(messages, i, &name);
        match act(messages, &name) {
            Err(e) if fs::is_gone(&e) => {
                messages.set_file_name(i, &known);
                if told {
                    messages.unmark(i, bit::CHANGED);
                }
            }
            done => {
                messages.unmark(i, bit::GONE);
                return Some(done);
            }
        }
    }
    None
}

/// A message's file has this name now.
fn adopt(messages: &mut Messages, i: usize, name: &[u8]) {
    messages.unmark(i, bit::GONE);
    if !messages.is_named(i, name) {
        let flags = messages.flags(i);
        messages.set_file_name(i, name);
        if messages.flags(i) != flags {
            messages.mark(i, bit::CHANGED);
        }
    }
}

/// Reads `cur`: every message adopts the name that its file has now, by its base name without `,S=`
/// (STORAGE 1.4). Those that were not met are marked as gone; whether that is certain is noted too:
/// a directory that changes all the time may hide a file from every reading.
fn refresh(dir: &Dir, messages: &mut Messages) -> Result<(), Error> {
    let path = dir.cur();
    let index = messages
        .index_by(|base| names::without_size(base.get(..names::key_length(base)).unwrap_or(base)));
    messages.unmark_all(bit::FOUND | bit::THIS_TIME);
    let mut certain = false;
    let mut calm: Option<(Stamp, Instant)> = None;
    for _ in 0..READINGS {
        let cur = dir::open(&path).map_err(Error::about("opening", &path))?;
        let stamp =
            |d: &File| d.metadata().map(|m| Stamp::of(&m)).map_err(Error::about("reading", &path));
        let before = stamp(&cur)?;
        let now = clock::monotonic();
        let since = calm.filter(|(stamp, _)| *stamp == before).map_or(now, |(_, since)| since);
        calm = Some((before, since));
        messages.unmark_all(bit::THIS_TIME);
        dir::for_each(&cur, |name, kind| meet(messages, &index, name, kind))
            .map_err(Error::about("reading", &path))?;
        certain = messages.all_have(bit::FOUND | bit::GONE);
        if certain {
            break;
        }
        if stamp(&cur)? == before {
            // Two changes within one tick of the file system's clock leave one time: only a reading
            // that began after that tick counts.
            if !before.is_coarse() && now.saturating_duration_since(since) >= TICK {
                certain = true;
                break;
            }
            clock::sleep(TICK);
        }
    }
    messages.mark_unless(bit::FOUND, bit::GONE);
    messages.unmark_all(bit::FOUND | bit::THIS_TIME);
    messages.set_restless(!certain);
    Ok(())
}

/// One entry of `cur`, read in search of messages.
fn meet(messages: &mut Messages, index: &Index, name: &[u8], kind: EntryKind) {
    if name.starts_with(b".") || matches!(kind, EntryKind::Dir | EntryKind::Other) {
        return;
    }
    let key = names::without_size(name.get(..names::key_length(name)).unwrap_or(name));
    let same = |i: usize| names::without_size(messages.key(i)) == key;
    // The very name goes before one that is like it.
    let exact = |i: usize| messages.base_name(i) == base(name);
    let Some(i) = index.find(key, |i| same(i) && exact(i)).or_else(|| index.find(key, same)) else {
        return;
    };
    if messages.has(i, bit::THIS_TIME) && !exact(i) {
        return;
    }
    messages.mark(i, bit::FOUND | bit::THIS_TIME);
    adopt(messages, i, name);
}

fn base(name: &[u8]) -> &[u8] {
    name.get(..names::base_length(name)).unwrap_or(name)
}

/// Opens a message. The last value: whether its flags were found changed by somebody else, now or
/// before, and not told yet; they are adopted, and the mark stays until it is taken
/// ([`Messages::take_changed`]).
///
/// [`Error::Gone`] if it is not there any more.
pub(crate) fn open(
    dir: &Dir,
    messages: &mut Messages,
    i: usize,
) -> Result<(File, Metadata, bool), Error> {
    let (file, metadata) = with_name(dir, messages, i, |_, name| {
        if dir.is_of_links() {
            shared_link::open(dir.path(), name)
        } else {
            fs::open(&dir.message(name)).map(Some)
        }
    })?
    .ok_or(Error::Gone)?;
    Ok((file, metadata, messages.is_changed(i)))
}

/// What is to become of a message's system flags.
#[derive(Clone, Copy)]
pub(crate) struct Edit<'a> {
    operation: Operation,
    flags: Flags,
    allowed: Flags,
    quota: Option<&'a Quota<'a>>,
}

impl<'a> Edit<'a> {
    /// A change; flags outside of `allowed` stay as they are.
    pub(crate) fn new(operation: Operation, flags: Flags, allowed: Flags) -> Edit<'a> {
        Edit { operation, flags, allowed, quota: None }
    }

    /// In a folder whose messages count, but for those that are \Deleted: what the rename did is
    /// charged or refunded (STORAGE 7.3).
    pub(crate) fn counted_by(self, quota: Option<&'a Quota<'a>>) -> Edit<'a> {
        Edit { quota, ..self }
    }

    /// The quota and the message's size, if this change makes it count or count no longer. An error
    /// where the file is not there: nothing is charged for it, and nothing is done to it without a
    /// charge.
    fn charge(
        &self,
        old: Flags,
        new: Flags,
        path: &Path,
    ) -> io::Result<Option<(&'a Quota<'a>, u64)>> {
        let changes = |quota: &&Quota<'_>| {
            quota::is_counted(old) != quota::is_counted(new) && quota.is_kept()
        };
        let Some(quota) = self.quota.filter(changes) else { return Ok(None) };
        let found = fs::lstat(path)?.len();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        Ok(Some((quota, quota::size_in_name(name).unwrap_or(found))))
    }
}

/// Changes a message's flags, starting from those that it has on disk; the flags after that. What
/// others have changed stays to be told ([`Messages::take_changed`]): a silent change has no reply
/// that would. Unknown letters in the name are lost by a change (STORAGE 1.2).
///
/// [`Error::Gone`] if it is not there any more; [`Error::OverQuota`] if there is no room for a
/// message that is to be \Deleted no longer.
pub(crate) fn store_flags(
    dir: &Dir,
    messages: &mut Messages,
    i: usize,
    edit: &Edit<'_>,
) -> Result<Flags, Error> {
    let mut over = false;
    let done = with_name(dir, messages, i, |messages, name| {
        let old = messages.flags(i);
        let flags = edit.operation.apply(old, edit.flags, edit.allowed);
        let path = dir.message(name);
        if flags == old {
            // Nothing to do, if those are the flags that it still has.
            fs::lstat(&path)?;
            return Ok(flags);
        }
        let mut target = base(name).to_vec();
        target.extend_from_slice(b":2,");
        flags.push_letters(&mut target);
        let charge = edit.charge(old, flags, &path)?;
        let will_count = quota::is_counted(flags);
        if let Some((quota, size)) = charge.filter(|_| will_count)
            && quota.check_and_add(size, 1, Action::Store).is_err()
        {
            over = true;
            return Ok(old);
        }
        // Only one session's rename takes a message from one name to another: what it did is
        // accounted for once.
        let renamed = fs::rename_new(&path, &dir.message(&target));
        if let Some((quota, size)) = charge.filter(|_| renamed.is_ok() != will_count) {
            quota.subtract(size, 1);
        }
        renamed?;
        messages.set_file_name(i, &target);
        Ok(flags)
    });
    if over { Err(Error::OverQuota) } else { done }
}

/// Unlinks a message; whether it is gone by that. Of a link, what it points at is removed, too;
/// where that cannot be, it stays. One that turns out to have been changed by others, and to be
/// without \Deleted now, stays: somebody has taken the flag back.
pub(crate) fn unlink(dir: &Dir, messages: &mut Messages, i: usize) -> Result<bool, Error> {
    let done = with_name(dir, messages, i, |messages, name| {
        if was_taken_back(messages, i) {
            fs::lstat(&dir.message(name))?;
            return Ok(false);
        }
        if dir.is_of_links() {
            return shared_link::expunge(dir.path(), name);
        }
        fs::unlink(&dir.message(name)).map(|()| true)
    });
    was_there(done, messages, i)
}

/// Moves a message into another folder's `cur` under the same base name, without the flags
/// `drop_flags` (the trash, STORAGE 10.1); whether it was there. The folder is made if it is
/// missing. As with [`unlink`], one that has lost \Deleted since stays.
///
/// An error with EXDEV: the folder is in another file system, and nothing was done.
pub(crate) fn move_to(
    store: &Store,
    dir: &Dir,
    messages: &mut Messages,
    i: usize,
    target: &Dir,
    drop_flags: Flags,
) -> Result<bool, Error> {
    let done = with_name(dir, messages, i, |messages, name| {
        let flags = messages.flags(i);
        let path = dir.message(name);
        if was_taken_back(messages, i) {
            fs::lstat(&path)?;
            return Ok(false);
        }
        let mut new = base(name).to_vec();
        for _ in 0..NAMES {
            match dir::open(&target.cur()) {
                Err(e) if fs::is_gone(&e) => make_folder(store, target)?,
                other => drop(other?),
            }
            let mut to = new.clone();
            to.extend_from_slice(b":2,");
            flags.without(drop_flags).push_letters(&mut to);
            match fs::rename_new(&path, &target.message(&to)) {
                Ok(()) => return Ok(true),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    let m = fs::lstat(&path)?;
                    new = Stem::next(store).base(store, m.dev(), m.ino(), m.len());
                }
                // Which of the two is not there? The message, if the folder is.
                Err(e) if fs::is_gone(&e) && !target.cur().is_dir() => {}
                Err(e) => return Err(e),
            }
        }
        Err(fs::error(io::ErrorKind::AlreadyExists))
    });
    was_there(done, messages, i)
}

/// The most names that are tried for a message in the trash.
const NAMES: u32 = 4;

/// Makes a folder that is missing. What is there and is no folder is an error of its own: it is not
/// the message that is missing.
fn make_folder(store: &Store, dir: &Dir) -> io::Result<()> {
    match folders::make(store, dir) {
        // Another session was first, or there is half a folder.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.cur().is_dir() => Ok(()),
        Err(e) if fs::is_gone(&e) || e.kind() == io::ErrorKind::AlreadyExists => {
            Err(fs::error(io::ErrorKind::NotADirectory))
        }
        other => other,
    }
}

fn was_taken_back(messages: &Messages, i: usize) -> bool {
    messages.has(i, bit::CHANGED) && !messages.flags(i).contains(Flags::DELETED)
}

/// Notes that a message is gone; whether it is so by what was done here.
fn was_there(done: Result<bool, Error>, messages: &mut Messages, i: usize) -> Result<bool, Error> {
    match done {
        Ok(true) => {
            messages.mark(i, bit::GONE);
            Ok(true)
        }
        Err(Error::Gone) => Ok(false),
        other => other,
    }
}

/// Changes the keywords of some messages of a snapshot, on disk and in it. Nothing is written for a
/// message whose keywords stay the same.
///
/// With [`KeywordMode::Careful`], and unless the set is replaced, the change is applied to what is
/// on disk, under the folder's lock.
pub(crate) fn store_keywords(
    store: &Store,
    dir: &Dir,
    snapshot: &mut Snapshot,
    which: &[usize],
    change: Operation,
    names: &[Vec<u8>],
) -> Result<(), Error> {
    match store.config.keywords {
        KeywordMode::Off => Ok(()),
        // What was not read would be lost.
        KeywordMode::Fast if change != Operation::Replace && snapshot.partial => Err(unread(dir)),
        KeywordMode::Careful if change != Operation::Replace => {
            carefully(store, dir, snapshot, which, change, names)
        }
        _ => {
            let numbers: Vec<u32> =
                names.iter().filter_map(|n| snapshot.keywords.intern(n)).collect();
            let count = snapshot.messages.len();
            for i in which.iter().copied().filter(|i| *i < count) {
                let old = snapshot.messages.keywords(i);
                let new = changed(&mut snapshot.keywords, old, change, &numbers);
                if new != old {
                    let words: Vec<&[u8]> = snapshot.keywords.names_of(new).collect();
                    keywords::write_set(store, dir, snapshot.messages.base_name(i), &words)?;
                    snapshot.messages.set_keywords(i, new);
                }
            }
            Ok(())
        }
    }
}

fn changed(
    table: &mut crate::types::KeywordTable,
    old: SetId,
    change: Operation,
    numbers: &[u32],
) -> SetId {
    let mut members = table.members(old).to_vec();
    match change {
        Operation::Replace => members = numbers.to_vec(),
        Operation::Add => members.extend_from_slice(numbers),
        Operation::Remove => members.retain(|m| !numbers.contains(m)),
    }
    table.set(members)
}

/// Keywords cannot be added to those that could not be read.
fn unread(dir: &Dir) -> Error {
    Error::failed(
        format!("changing {}", fs::shown(&dir.keywords())),
        fs::error(io::ErrorKind::PermissionDenied),
    )
}

fn carefully(
    store: &Store,
    dir: &Dir,
    snapshot: &mut Snapshot,
    which: &[usize],
    change: Operation,
    names: &[Vec<u8>],
) -> Result<(), Error> {
    let _lock = Lock::acquire(store, dir)?;
    let index = OnceCell::new();
    let mut state = keywords::read(store, dir, &snapshot.messages, &index, true)?;
    if state.partial {
        return Err(unread(dir));
    }
    let count = snapshot.messages.len();
    for i in which.iter().copied().filter(|i| *i < count) {
        let mut tries = 0;
        loop {
            let numbers: Vec<u32> = names.iter().filter_map(|n| state.table.intern(n)).collect();
            let old = state.sets.get(i).copied().unwrap_or_default();
            let new = changed(&mut state.table, old, change, &numbers);
            let words: Vec<&[u8]> = state.table.names_of(new).collect();
            let written = new == old
                || keywords::write_set_carefully(
                    store,
                    dir,
                    snapshot.messages.base_name(i),
                    &words,
                )?;
            if written {
                let set = snapshot.keywords.set_of(words);
                snapshot.messages.set_keywords(i, set);
                break;
            }
            if tries >= TRIES {
                return Err(Error::failed(
                    "updating keywords",
                    fs::error(io::ErrorKind::AlreadyExists),
                ));
            }
            tries += 1;
            // Somebody without a lock was faster: the reading takes that in, and out of the way.
            state = keywords::read(store, dir, &snapshot.messages, &index, true)?;
            if state.partial {
                return Err(unread(dir));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
