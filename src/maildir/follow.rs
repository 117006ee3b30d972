//! Doing something with a message's file under the name that it has now. Every change of a flag, by
//! any session, is a rename, and no lock keeps it away.
//!
//! When a name is not there any more, `cur` is read once, and all messages get the names that their
//! files have now (STORAGE 1.4). Messages that have none are marked. So a FETCH of ten thousand
//! messages that somebody else has just removed costs one reading, not ten thousand. The flags that
//! come with a new name are announced to the client later ([`Messages::take_changed`]).

use super::index::Index;
use super::messages::{Messages, bit};
use super::names;
use super::stamp::Stamp;
use super::{Entered, Error, renamed};
use crate::sys::dir::{self, EntryKind};
use crate::sys::{clock, fs};
use std::io;
use std::time::{Duration, Instant};

/// How many renames by others one operation follows.
const MAX_RENAMES: u32 = 200;
/// How often `cur` is read in search of messages. One reading may miss a message that is renamed
/// meanwhile.
const MAX_READINGS: u32 = 4;
/// Longer than a tick of the clock of file times, which is a hundredth of a second at most.
const TICK: Duration = Duration::from_millis(20);

/// Calls `act` with a message's file name; if the file is not there under that name, with its new
/// name.
///
/// `doing` says in the log what did not work.
///
/// `act` may be called with names that are only likely. Before it draws any conclusion from the
/// flags in the name, it has to find out by a system call whether the file is there.
///
/// [`Error::Gone`] only for a message that was looked for and not found. A message that is renamed
/// too fast to be followed is another error (EBUSY).
pub(super) fn with_current_name<T>(
    dir: &Entered,
    messages: &mut Messages,
    i: usize,
    doing: &str,
    mut act: impl FnMut(&mut Messages, &[u8]) -> io::Result<T>,
) -> Result<T, Error> {
    let failed = |e: io::Error, name: &[u8]| Error::about(doing, &dir.message_path(name))(e);
    for attempt in 0..MAX_RENAMES {
        let name = messages.file_name(i);
        if name.is_empty() {
            return Err(Error::Gone);
        }
        match act(messages, &name) {
            Err(e) if fs::is_gone(&e) => {}
            done => return done.map_err(|e| failed(e, &name)),
        }
        // One reading finds the new names of all messages. It is not repeated for a message that it
        // did not find.
        if attempt == 0 && !messages.has(i, bit::GONE) {
            find_new_names(dir, messages)?;
            if !messages.has(i, bit::GONE) && !messages.is_named(i, &name) {
                continue;
            }
        }
        if messages.has(i, bit::GONE) && !messages.gone_is_uncertain() {
            return Err(Error::Gone);
        }
        // Somebody renames it all the time. A stat would be out of date at once, so `act` itself is
        // tried with every likely name.
        if let Some(done) = with_likely_name(messages, i, &mut act) {
            return done.map_err(|e| failed(e, &messages.file_name(i)));
        }
        let found = dir.cur().ok().and_then(|cur| renamed::find(cur, messages.base_name(i), &name));
        match found {
            Some(found) => set_name(messages, i, &found),
            None if messages.has(i, bit::GONE) => return Err(Error::Gone),
            None => find_new_names(dir, messages)?,
        }
        // Fall out of step with whoever renames it.
        clock::sleep(Duration::from_micros(u64::from(clock::now().1 % 97)));
    }
    let path = dir.message_path(&messages.file_name(i));
    let busy = fs::error(io::ErrorKind::ResourceBusy);
    Err(Error::failed(format!("{doing} {}", fs::shown(&path)), busy))
}

/// Calls `act` with the names that differ by one flag from the known one. `None` if the file has
/// none of them.
fn with_likely_name<T>(
    messages: &mut Messages,
    i: usize,
    act: &mut impl FnMut(&mut Messages, &[u8]) -> io::Result<T>,
) -> Option<io::Result<T>> {
    let known = messages.file_name(i);
    let was_changed = messages.is_changed(i);
    let was_gone = messages.has(i, bit::GONE);
    for name in renamed::likely(messages.base_name(i), &known) {
        set_name(messages, i, &name);
        match act(messages, &name) {
            Err(e) if fs::is_gone(&e) => {
                messages.set_file_name(i, &known);
                if !was_changed {
                    messages.unmark(i, bit::CHANGED);
                }
                if was_gone {
                    messages.mark(i, bit::GONE);
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

/// Notes that another session has given a message's file this name.
fn set_name(messages: &mut Messages, i: usize, name: &[u8]) {
    messages.unmark(i, bit::GONE);
    if !messages.is_named(i, name) {
        let flags = messages.flags(i);
        messages.set_file_name(i, name);
        if messages.flags(i) != flags {
            messages.mark(i, bit::CHANGED);
        }
    }
}

/// Reads `cur`, and gives every message the name that its file has now, by its base name without
/// `,S=` (STORAGE 1.4). Messages that were not found are marked as gone. That is certain if nothing
/// was renamed during the reading. Otherwise it is noted that it is not: a directory that changes
/// all the time may hide a file from every reading.
fn find_new_names(dir: &Entered, messages: &mut Messages) -> Result<(), Error> {
    let path = dir.cur_path();
    let directory = dir.cur().map_err(Error::about("opening", &path))?;
    let index = messages.index_by(|base| names::without_size(names::key(base)));
    messages.unmark_all(bit::FOUND | bit::THIS_READING);
    let mut proof = Proof::default();
    let mut is_certain = false;
    for _ in 0..MAX_READINGS {
        let cur = directory.reading().map_err(Error::about("opening", &path))?;
        let stamp = || Stamp::of_open(&cur).map_err(Error::about("reading", &path));
        let before = stamp()?;
        let is_telling = proof.is_telling(before);
        messages.unmark_all(bit::THIS_READING);
        dir::for_each(&cur, |name, kind| read_entry(messages, &index, name, kind))
            .map_err(Error::about("reading", &path))?;
        is_certain = messages.all_have(bit::FOUND | bit::GONE);
        if is_certain {
            break;
        }
        if stamp()? == before {
            if is_telling {
                is_certain = true;
                break;
            }
            Proof::wait(before);
        }
    }
    messages.mark_unless(bit::FOUND, bit::GONE);
    messages.unmark_all(bit::FOUND | bit::THIS_READING);
    messages.set_gone_is_uncertain(!is_certain);
    Ok(())
}

/// Whether a directory of the same stamp before and after a reading has not changed meanwhile. Two
/// changes within one tick of the clock of file times may leave the same stamp.
#[derive(Default)]
struct Proof {
    /// Since when the directory has had this stamp, as far as we have seen.
    unchanged: Option<(Stamp, Instant)>,
}

impl Proof {
    /// Whether a rename from now on gives another stamp than `stamp`, which was read just now.
    fn is_telling(&mut self, stamp: Stamp) -> bool {
        let now = clock::monotonic();
        let since = self.unchanged.filter(|(old, _)| *old == stamp).map_or(now, |(_, since)| since);
        self.unchanged = Some((stamp, since));
        stamp.is_local() && stamp.is_telling(clock::file_tick())
            || !stamp.is_coarse() && now.saturating_duration_since(since) >= TICK
    }

    /// Waits until it will.
    fn wait(stamp: Stamp) {
        if !stamp.is_local() || stamp.is_coarse() {
            return clock::sleep(TICK);
        }
        let begin = clock::monotonic();
        while !stamp.is_telling(clock::file_tick()) && begin.elapsed() < TICK {
            clock::sleep(Duration::from_millis(1));
        }
    }
}

/// Takes one entry of `cur` as the name of the message that it belongs to.
fn read_entry(messages: &mut Messages, index: &Index, name: &[u8], kind: EntryKind) {
    if name.starts_with(b".") || matches!(kind, EntryKind::Dir | EntryKind::Other) {
        return;
    }
    let key = names::without_size(names::key(name));
    let is_similar = |i: usize| names::without_size(messages.key(i)) == key;
    let is_exact = |i: usize| messages.base_name(i) == names::base(name);
    let found = index.find(key, |i| is_similar(i) && is_exact(i));
    let Some(i) = found.or_else(|| index.find(key, is_similar)) else { return };
    if messages.has(i, bit::THIS_READING) && !is_exact(i) {
        return;
    }
    messages.mark(i, bit::FOUND | bit::THIS_READING);
    set_name(messages, i, name);
}
