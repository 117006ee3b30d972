//! STATUS of a folder that is not selected: the counts of what a scan would find, without moving a
//! message or giving a UID (STORAGE 1.3). Where the folder's state is proven to be all that there
//! is, they are in its first bytes, and no directory is read.

mod recorded;

use super::lock::Lock;
use super::messages::bit;
use super::reading::FolderReading;
use super::second_names::is_same_file;
use super::stamp::Stamp;
use super::state::{self, Image, Summary};
use super::time::ScanTime;
use super::uiddb::{self, Version};
use super::{Entered, Error, Messages, Store, keywords, quota};
use crate::sys::breath::{self, Interrupted};
use crate::sys::stat::Stat;
use crate::types::{Flags, ModSeq, UidValidity};

/// What is asked for beside the counts.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Asked {
    /// [`Status::deleted_bytes`]
    pub(crate) sizes: bool,
    /// [`Status::highest`]
    pub(crate) highest: bool,
}

/// The counts of STATUS (RFC 3501 6.3.10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Status {
    /// All messages, those in `new` too.
    pub(crate) messages: usize,
    /// Messages that no session has seen yet.
    pub(crate) recent: usize,
    /// The UID that the next new message would get after these.
    pub(crate) uid_next: u32,
    /// The UIDVALIDITY in the UID file. Without a file it is another one each time (STORAGE 2.2).
    pub(crate) uid_validity: UidValidity,
    /// Messages without \Seen.
    pub(crate) unseen: usize,
    /// Messages with \Deleted.
    pub(crate) deleted: usize,
    /// The bytes on disk of these; 0 if they were not asked for.
    pub(crate) deleted_bytes: u64,
    /// The greatest modification sequence (RFC 7162 3.1.7). `None` if it was not asked for, or none
    /// covers all that there is.
    pub(crate) highest: Option<ModSeq>,
}

/// The bytes on disk of the messages that an EXPUNGE would remove (RFC 9208 4.1.4). Only files
/// without a size in their name need a stat.
pub(crate) fn deleted_bytes(dir: &Entered, messages: &Messages) -> Result<u64, Interrupted> {
    let mut bytes = 0u64;
    for i in (0..messages.len()).filter(|i| messages.flags(*i).contains(Flags::DELETED)) {
        let name = messages.file_name(i);
        let size = quota::size_in_name(&name).or_else(|| {
            breath::breathe().ok()?;
            dir.stat_message(&name).ok().filter(Stat::is_file).map(|stat| stat.len())
        });
        bytes = bytes.saturating_add(size.unwrap_or(0));
    }
    breath::breathe()?;
    Ok(bytes)
}

/// How often a folder is counted whose UID file is replaced meanwhile.
const MAX_COUNTS: u32 = 3;

/// Counts a folder's messages, without the lock if the UID file stays the same meanwhile: all that
/// is not in it then has no UID yet. Otherwise it counts again under the lock.
pub(crate) fn read(store: &Store, dir: &Entered, asked: Asked) -> Result<Status, Error> {
    // Keywords are not counted, but a change of them is a change.
    let keywords = asked.highest && store.config.keywords.is_on();
    let counts = state::summary(store, dir, keywords);
    if let state::Counts::Proven(uid_validity, summary) = &counts
        && let Some(status) = by_state(*uid_validity, summary, asked)
    {
        return Ok(status);
    }
    if asked.highest
        && state::is_kept(store)
        && let Some(status) = recorded::read(store, dir, asked)?
    {
        return Ok(status);
    }
    // Courier makes the directory whenever it reads a folder, for IDLE to watch (STORAGE 3.1). We do
    // not need it here.
    if !dir.folder().has_directory(b"courierimapkeywords") {
        let _ = keywords::make_directory(dir);
    }
    for _ in 0..MAX_COUNTS {
        let time = ScanTime::unlocked(dir);
        let state = match counts {
            state::Counts::NoState => state::Found::None,
            _ => recorded::state_at_rest(store, dir, &time),
        };
        let purpose = state.image().map_or(Purpose::Count, |image| Purpose::Record(Some(image)));
        match Look::at((store, dir), &time, purpose) {
            Ok(look) if look.version.is_current(dir) => {
                let status = look.status(dir, look.validity_now(&time), asked)?;
                recorded::prove_if_at_rest(store, dir, (state, look, status), &time);
                return Ok(status);
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    read_locked(store, dir, asked)
}

/// The counts as the folder's state has them, where its proof holds: then there is no message in
/// `new` that a scan would move, and every one in `cur` has its UID. That UID file need not be on
/// disk: UIDNEXT names no message.
fn by_state(uid_validity: UidValidity, summary: &Summary, asked: Asked) -> Option<Status> {
    // Which messages these are, and their sizes, a summary does not say.
    if asked.sizes && summary.deleted > 0 {
        return None;
    }
    Some(Status {
        messages: summary.messages as usize,
        recent: 0,
        uid_next: summary.next,
        uid_validity,
        unseen: summary.unseen as usize,
        deleted: summary.deleted as usize,
        deleted_bytes: 0,
        highest: ModSeq::new(summary.highest).filter(|_| asked.highest),
    })
}

/// Counts under the folder's lock, if it can be locked.
fn read_locked(store: &Store, dir: &Entered, asked: Asked) -> Result<Status, Error> {
    let lock = match Lock::acquire(store, dir) {
        Ok(lock) => Some(lock),
        Err(e) if e.io().is_none() => return Err(e),
        Err(_) => None,
    };
    let time = ScanTime::of(lock.as_ref());
    let look = Look::at((store, dir), &time, Purpose::Count)?;
    look.status(dir, look.validity_now(&time), asked)
}

/// What a look is for.
#[derive(Clone, Copy)]
enum Purpose<'a> {
    Count,
    /// What is different from the folder's state will be recorded, if there is one: nothing that is
    /// there may count as gone.
    Record(Option<&'a Image>),
}

/// What was found in a folder. Nothing was changed in it.
struct Look {
    /// All messages, those without a UID among them.
    messages: Messages,
    /// The UIDVALIDITY in the UID file, and the one that it had before it was lost.
    validity: Option<UidValidity>,
    validity_before: Option<UidValidity>,
    /// The next UID in the UID file.
    next: u32,
    /// The UID file.
    version: Version,
    /// The directories before they were read.
    cur: Option<Stamp>,
    new_mail: Option<Stamp>,
    /// The UIDs of messages whose files are others than those of which the state has something.
    rewritten: Vec<u32>,
    /// Whether a scan would leave every file where it is.
    is_done: bool,
    /// Whether a scan would begin a new UIDVALIDITY, or give greater UIDs than the file has.
    is_contradicted: bool,
}

impl Look {
    /// Looks. Without the lock a message may be on its way from `new` to `cur`: it is in the list
    /// of `new`, which is read first.
    fn at(
        (store, dir): (&Store, &Entered),
        time: &ScanTime,
        purpose: Purpose<'_>,
    ) -> Result<Look, Error> {
        let (file, version) = uiddb::read(dir)?;
        let image = match purpose {
            Purpose::Record(image) => image.filter(|image| Some(image.validity) == file.validity),
            Purpose::Count => None,
        };
        let is_older = image.is_some_and(|image| {
            image.next > file.next || image.messages.contradict(&file.messages)
        });
        let mut reading = FolderReading::new(store, dir, file.messages);
        if let Some(image) = image {
            reading.expect(&image.details);
        }
        let mut names = reading.list_new();
        reading.read_cur(time.nanos)?;
        let has_to_rename = reading.has_to_rename();
        reading.choose_names(time.nanos);
        if matches!(purpose, Purpose::Record(_)) && !reading.messages.all_have(bit::FOUND) {
            // Somebody may have put it back from `cur` to `new` meanwhile: then it is in neither.
            let mut more = reading.list_new();
            reading.look_for_missing(None, &mut more);
            names.append(&mut more);
            names.sort_unstable();
            names.dedup();
        }
        let has_new = !names.is_empty();
        add_new(dir, &mut reading, names);
        let FolderReading { mut messages, cur, new_mail, rewritten, hides, .. } = reading;
        messages.keep(bit::FOUND);
        let has_unnumbered = messages.count(bit::FRESH) > 0 || messages.count(bit::DOUBLED) > 0;
        Ok(Look {
            messages,
            validity: file.validity,
            validity_before: file.before,
            next: file.next,
            version,
            cur,
            new_mail,
            is_done: !has_new && !has_unnumbered && !has_to_rename && !hides,
            rewritten,
            is_contradicted: is_older,
        })
    }

    /// The UIDVALIDITY in the UID file. Without one it is another one each time (STORAGE 2.2).
    fn validity_now(&self, time: &ScanTime) -> UidValidity {
        let fresh = || uiddb::fresh_validity(time.seconds, self.validity_before);
        self.validity.unwrap_or_else(fresh)
    }

    /// The counts.
    fn status(
        &self,
        dir: &Entered,
        uid_validity: UidValidity,
        asked: Asked,
    ) -> Result<Status, Error> {
        let messages = &self.messages;
        let count =
            |is: fn(Flags) -> bool| (0..messages.len()).filter(|i| is(messages.flags(*i))).count();
        let recent = messages.count(bit::FRESH);
        let unnumbered = recent.saturating_add(messages.count(bit::DOUBLED));
        let next = u32::try_from(unnumbered).ok().and_then(|n| self.next.checked_add(n));
        Ok(Status {
            messages: messages.len(),
            recent,
            uid_next: next.unwrap_or(u32::MAX),
            uid_validity,
            unseen: count(|flags| !flags.contains(Flags::SEEN)),
            deleted: count(|flags| flags.contains(Flags::DELETED)),
            deleted_bytes: if asked.sizes { deleted_bytes(dir, messages)? } else { 0 },
            highest: None,
        })
    }
}

/// Adds what a scan would move from `new`.
fn add_new(dir: &Entered, reading: &mut FolderReading<'_>, names: Vec<Vec<u8>>) {
    let can_move = names.is_empty()
        || [dir.new_mail(), dir.cur()].iter().all(|d| d.as_ref().is_ok_and(|d| d.is_writable()));
    for name in names {
        // A scan will give a message its old UID back if it has one and is not in `cur`, and a new
        // name to a file whose name is taken.
        if reading.found_in_new(&name) {
            continue;
        }
        // What no scan can move it does not show.
        if !can_move {
            continue;
        }
        if let Some(i) = reading.messages.find(&reading.index, &name) {
            // By now it may be the very file that is in `cur`, or have been moved there by link(2)
            // and not been unlinked yet.
            let Ok(second) = dir.new_mail().and_then(|new_mail| new_mail.stat(&name)) else {
                continue;
            };
            let first = dir.cur().and_then(|cur| cur.stat(&reading.messages.file_name(i)));
            if first.is_ok_and(|first| is_same_file(&first, &second)) {
                continue;
            }
            reading.messages.push_named(&name, bit::FRESH | bit::FOUND);
        } else {
            reading.add(&name, 0);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
