//! The lock of a folder. It is exactly Courier's dot-lock, because Courier's sessions on this host
//! and on others take the same one (STORAGE 8). It is held for the milliseconds of a scan, never
//! while we wait for a client.
//!
//! `tmp/courier.lock` is a link to a file of our own that holds `<pid>:<host>`: link(2) is atomic
//! even over NFS without a lock daemon. A lock is stale if its holder does not run any more.
//! Crashes and power cuts leave locks behind, and process numbers come again, so a lock is also
//! stale if it is older than the process of that number, older than the first process of this
//! machine (or container), older than two minutes if another host made it, or older than fifteen
//! minutes. Who removes a stale lock waits for five seconds before the next try, so that two
//! sessions that saw it do not remove each other's new lock.

use super::temporary::TemporaryFile;
use super::watch::Watch;
use super::{Entered, Error, Store};
use crate::sys::directory::Directory;
use crate::sys::stat::Stat;
use crate::sys::{breath, clock, fs, user};
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A held lock. It is released when this is dropped.
pub(crate) struct Lock {
    /// The `tmp` in which the lock is, and which file it is; `None` if locks are off.
    held: Option<(Rc<Directory>, FileId)>,
    /// The file system's time when the lock was taken, in nanoseconds since 1970.
    time: Option<i128>,
}

/// Which file: device, inode, and modification time, because an inode is soon used again.
type FileId = ((u64, u64), i128);

fn id(stat: &Stat) -> FileId {
    (stat.inode(), stat.mtime_nanos())
}

/// The lock's name in `tmp`.
pub(super) const NAME: &[u8] = b"courier.lock";

/// The shortest wait between two tries. A scan takes about as long.
const FIRST_WAIT: Duration = Duration::from_micros(200);
/// The same for a session that has waited for [`PATIENCE`]: it comes before those that have just
/// begun to wait.
const NEXT_WAIT: Duration = Duration::from_micros(70);
const PATIENCE: Duration = Duration::from_millis(10);
/// The longest wait between two tries where nothing notifies us of the lock's end.
const MAX_WAIT: Duration = Duration::from_millis(50);
/// From when on it matters who has the lock: nearly every holder is done before.
const LOOK_AFTER: Duration = Duration::from_millis(2);
/// From when on a watch is worth its inotify instance, of which a user has few.
const WATCH_AFTER: Duration = Duration::from_millis(100);
/// The wait where inotify notifies us of the lock's end. It ends early enough to notice a holder
/// that has died.
const WATCHED_WAIT: Duration = Duration::from_secs(1);
/// For how long a network file system may say that what we make is another host's.
const STALE_PATIENCE: Duration = Duration::from_secs(5);
/// The age from which our own file is made anew: its age will be the lock's age.
const MAX_TICKET_AGE: Duration = Duration::from_secs(1);
/// In this time the age of a lock is found out again, whatever the ticket's was.
const AGE_CHECK: Duration = Duration::from_secs(2);
/// How far the file system's clock, which dates locks, may be off from ours, in nanoseconds. At
/// login it was proven to be less.
pub(super) const MAX_CLOCK_SKEW: i128 = 31_000_000_000;

impl Lock {
    /// Takes a folder's lock, and waits for it if it is held. A wait without success is logged.
    ///
    /// [`Error::Locked`] after two minutes, [`Error::Stopped`] when a signal arrives or the client
    /// goes away, [`Error::Gone`] if the folder is not there. With `IMAP_USELOCKS=0` no lock is
    /// taken.
    pub(crate) fn acquire(store: &Store, dir: &Entered) -> Result<Lock, Error> {
        let mut wait = Wait::begin(store, dir);
        loop {
            if let Some(lock) = wait.turn()? {
                return Ok(lock);
            }
        }
    }

    /// Takes a folder's lock if nobody has it.
    pub(super) fn attempt(store: &Store, dir: &Entered) -> Result<Option<Lock>, Error> {
        Wait::begin(store, dir).attempt()
    }

    /// Whether the lock is still ours. Courier removes a stale lock by its name alone: a session
    /// that takes the lock between Courier's check and that removal loses it.
    pub(super) fn is_ours(&self) -> bool {
        let is = |tmp: &Directory, ours| tmp.stat_now(NAME).is_ok_and(|stat| id(&stat) == ours);
        self.held.as_ref().is_none_or(|(tmp, ours)| is(tmp, *ours))
    }

    /// The file system's time when the lock was taken, in nanoseconds since 1970; `None` if locks
    /// are off.
    pub(super) fn time(&self) -> Option<i128> {
        self.time
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let Some((tmp, ours)) = &self.held else { return };
        let found = match tmp.stat_now(NAME) {
            // The directory cannot be read. The lock is probably ours still.
            Err(e) if !fs::is_gone(&e) => tmp.stat(NAME),
            found => found,
        };
        let removed = found.and_then(|stat| match id(&stat) == *ours {
            true => tmp.unlink(NAME),
            // Somebody has removed ours, and has the lock now.
            false => Ok(()),
        });
        if let Err(e) = removed
            && !fs::is_gone(&e)
        {
            let path = fs::shown(&tmp.path_of(NAME));
            log::error!("{path}: {}; the lock stays", fs::error_text(&e));
        }
    }
}

/// A lock of somebody else, as it was last read.
struct Observed {
    content: Vec<u8>,
    /// Its age in nanoseconds.
    age: i128,
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "held by {} for {} s",
            crate::sys::log::value(&self.content),
            self.age / 1_000_000_000
        )
    }
}

/// A wait for a lock: one turn after the other, so that a scan that waits can look in between
/// whether it still needs the lock.
pub(super) struct Wait<'a> {
    store: &'a Store,
    dir: &'a Entered,
    begun: Instant,
    /// The longest wait.
    limit: Duration,
    /// What is added to the longest wait.
    extra: Duration,
    ticket: Option<Ticket>,
    /// Which lock is in the way, and since when.
    seen: Option<(FileId, Instant)>,
    watch: Option<Watch>,
    /// The lock as it was last read.
    last: Option<Observed>,
}

impl fmt::Display for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = fs::join(&self.dir.tmp_path(), NAME);
        let seconds = self.begun.elapsed().as_secs();
        write!(f, "{}: not locked after {seconds} s", fs::shown(&path))?;
        self.last.iter().try_for_each(|seen| write!(f, ", {seen}"))
    }
}

impl<'a> Wait<'a> {
    /// Begins. Nothing is tried yet.
    pub(super) fn begin(store: &'a Store, dir: &'a Entered) -> Wait<'a> {
        let (ticket, seen, watch, last) = (None, None, None, None);
        let (begun, extra) = (clock::monotonic(), Duration::ZERO);
        let limit = store.timing.get().limit;
        Wait { store, dir, begun, limit, extra, ticket, seen, watch, last }
    }

    /// The same with a shorter limit.
    pub(super) fn at_most(self, limit: Duration) -> Wait<'a> {
        Wait { limit: limit.min(self.limit), ..self }
    }

    /// Tries once, and waits a little if somebody has the lock: then `None`. For the errors see
    /// [`Lock::acquire`]; they are logged here.
    pub(super) fn turn(&mut self) -> Result<Option<Lock>, Error> {
        let turn = match self.attempt() {
            Ok(None) => self.pause().map(|()| None),
            other => other,
        };
        match &turn {
            Err(Error::Locked) => log::error!("{self}"),
            Err(Error::Stopped) => log::warn!("{self}"),
            _ => {}
        }
        turn
    }

    fn tmp(&self) -> Result<&'a Rc<Directory>, Error> {
        self.dir.tmp().map_err(|e| cannot_lock(self.dir, e))
    }

    fn path(&self) -> PathBuf {
        fs::join(&self.dir.tmp_path(), NAME)
    }

    /// Tries once; `None` if somebody has the lock.
    fn attempt(&mut self) -> Result<Option<Lock>, Error> {
        if !self.store.config.use_locks {
            return Ok(Some(Lock { held: None, time: None }));
        }
        let tmp = self.tmp()?;
        let ticket = match self.ticket.take() {
            Some(ticket) if ticket.made.elapsed() <= MAX_TICKET_AGE => Some(ticket),
            _ => self.make_ticket()?,
        };
        let Some(ticket) = ticket else { return Ok(None) };
        let ticket = self.ticket.insert(ticket);
        match ticket.take(tmp) {
            Ok(Some(id)) => {
                Ok(Some(Lock { held: Some((Rc::clone(tmp), id)), time: Some(ticket.time) }))
            }
            Ok(None) => Ok(None),
            // Somebody has removed our file. Making another one shows if the folder is gone, too.
            Err(e) if fs::is_gone(&e) => {
                self.ticket = None;
                self.ticket = self.make_ticket()?;
                Ok(None)
            }
            Err(e) => Err(Error::about("locking", &self.path())(e)),
        }
    }

    /// A file of ours; `None` if a network file system cannot make one in this moment.
    fn make_ticket(&self) -> Result<Option<Ticket>, Error> {
        match Ticket::make(self.store, self.dir) {
            Err(e) if e.io().is_some_and(fs::is_stale) && self.begun.elapsed() < STALE_PATIENCE => {
                Ok(None)
            }
            made => made.map(Some),
        }
    }

    /// Waits for a moment, longer the longer this very lock is held.
    fn pause(&mut self) -> Result<(), Error> {
        let timing = self.store.timing.get();
        let now = clock::monotonic();
        let waited = now.saturating_duration_since(self.begun);
        let limit = self.limit.saturating_add(self.extra);
        let left = limit.checked_sub(waited).filter(|left| !left.is_zero());
        let left = left.ok_or(Error::Locked)?;
        let tmp = self.tmp()?;
        // It has gone meanwhile, or link(2) and a cache of names do not agree.
        let Ok(stat) = tmp.stat(NAME) else {
            let unseen = waited.saturating_sub(PATIENCE) / 16;
            return pause(at_random(unseen.clamp(NEXT_WAIT, MAX_WAIT)).min(left), None);
        };
        let since = match &self.seen {
            Some((of, since)) if *of == id(&stat) => *since,
            _ => {
                self.watch = None;
                self.seen.insert((id(&stat), now)).1
            }
        };
        let held = now.saturating_duration_since(since);
        let shortest = if waited > PATIENCE { NEXT_WAIT } else { FIRST_WAIT };
        let short = at_random((held / 4).clamp(shortest, MAX_WAIT)).min(left);
        if held < LOOK_AFTER {
            return pause(short, None);
        }
        match self.judge() {
            Holder::None => Ok(()),
            Holder::Stale(was) => {
                if remove_if(tmp, was) {
                    let holder =
                        self.last.as_ref().map_or_else(String::new, |seen| format!(", {seen}"));
                    let path = fs::shown(&self.path()).to_string();
                    log::warn!("{path}: a stale lock was removed{holder}");
                }
                self.extra = timing.after_stale.saturating_add(AGE_CHECK);
                pause(timing.after_stale, None)
            }
            Holder::Here if held >= WATCH_AFTER => match &mut self.watch {
                Some(watch) => {
                    pause(WATCHED_WAIT.min(left), Some(watch))?;
                    watch.drain();
                    Ok(())
                }
                // The watch begins before the next try, so no end of the lock is missed.
                None => match Watch::of_file(tmp, NAME) {
                    Ok(watch) => {
                        self.watch = Some(watch);
                        Ok(())
                    }
                    Err(_) => pause(short, None),
                },
            },
            // It is stale only at the age at which the wait would end, and its age is known to a
            // second. To give up just before would be to have waited for nothing.
            Holder::Elsewhere => {
                self.extra = self.extra.max(AGE_CHECK);
                pause(short, None)
            }
            Holder::Here => pause(short, None),
            Holder::Directory => {
                let e = fs::error(io::ErrorKind::IsADirectory);
                Err(Error::about("locking", &self.path())(e))
            }
        }
    }

    /// Finds out who has the lock.
    fn judge(&mut self) -> Holder {
        self.last = None;
        let (store, Ok(tmp)) = (self.store, self.dir.tmp()) else { return Holder::None };
        let now = self.ticket.as_ref().map_or_else(clock::now_nanos, |ticket| ticket.time);
        let found = tmp.open(NAME).and_then(|(file, stat)| {
            let mut content = [0u8; 1024];
            let length = fs::read_at(&file, &mut content, 0)?;
            Ok((stat, content.get(..length).unwrap_or_default().to_vec()))
        });
        let (stat, content) = match found {
            Ok(found) => found,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Holder::None,
            // It cannot be read, or is no file: only its age counts.
            Err(_) => match tmp.stat(NAME) {
                Ok(stat) if stat.is_dir() => return Holder::Directory,
                // A link or a FIFO is nobody's lock.
                Ok(stat) if !stat.is_file() => return Holder::Stale(id(&stat)),
                Ok(stat) => (stat, Vec::new()),
                Err(_) => return Holder::None,
            },
        };
        let holder = id(&stat);
        let seen = self.last.insert(Observed { content, age: now.saturating_sub(holder.1) });
        let timing = store.timing.get();
        // A lock from the future was made before the clock was set back, so it counts as old.
        let older_than = |age: Duration| seen.age.unsigned_abs() > age.as_nanos();
        let Some(pid) = pid_here(&seen.content, &store.config.lock_host) else {
            return if older_than(timing.foreign_age) {
                Holder::Stale(holder)
            } else {
                Holder::Elsewhere
            };
        };
        let is_before = |start: i128| holder.1.saturating_add(MAX_CLOCK_SKEW) < start;
        let stale = if pid == user::pid() || !user::process_runs(pid) {
            true
        } else if seen.age.unsigned_abs() < MAX_CLOCK_SKEW.unsigned_abs() {
            // By clocks that differ so much, a new lock is not provably older than anything.
            false
        } else {
            let process = user::process(pid);
            is_before(user::first_start())
                || process.as_ref().is_some_and(|process| is_before(process.start))
                // A session that is stopped or waits for a file server keeps its lock: it would
                // continue as if it still had it.
                || older_than(timing.longest_held) && !process.is_some_and(|process| process.stuck)
        };
        if stale { Holder::Stale(holder) } else { Holder::Here }
    }
}

/// Between half and one and a half of a time, so that two sessions do not meet again and again.
fn at_random(time: Duration) -> Duration {
    let random = clock::now_nanos().unsigned_abs() as u64 ^ u64::from(user::pid()) << 7;
    let part = u32::try_from(random.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54).unwrap_or(512);
    // `part` is below 1024.
    time.saturating_mul(part.saturating_add(512)) / 1024
}

/// Waits; [`Error::Stopped`] if the session has to end.
fn pause(time: Duration, watch: Option<&Watch>) -> Result<(), Error> {
    let end = clock::monotonic().checked_add(time);
    loop {
        let left =
            end.map_or(Duration::ZERO, |end| end.saturating_duration_since(clock::monotonic()));
        match breath::pause(left, watch.map(Watch::fd)) {
            Ok(ready) if ready.signal || ready.hangup => return Err(Error::Stopped),
            Ok(ready) if ready.watch => return Ok(()),
            Ok(_) => {}
            Err(_) => clock::sleep(left.min(MAX_WAIT)),
        }
        if left.is_zero() {
            return Ok(());
        }
    }
}

/// Unlinks a lock if it is this very file, not one that somebody has made since. Whether it was
/// unlinked.
fn remove_if(tmp: &Directory, wanted: FileId) -> bool {
    tmp.stat_now(NAME).is_ok_and(|stat| id(&stat) == wanted) && tmp.unlink(NAME).is_ok()
}

/// Why a folder could not be locked; [`Error::Gone`] if it is not there.
fn cannot_lock(dir: &Entered, e: io::Error) -> Error {
    match e.kind() {
        io::ErrorKind::NotFound if dir.has_cur() => {
            Error::failed(format!("locking {}", fs::shown(dir.path())), e)
        }
        _ => Error::about("locking", dir.path())(e),
    }
}

/// A file of ours in `tmp`, which becomes the lock by a second link to it.
struct Ticket {
    file: TemporaryFile,
    content: Vec<u8>,
    id: FileId,
    made: Instant,
    /// Its modification time in nanoseconds since 1970, by the clock of the file system.
    time: i128,
}

impl Ticket {
    fn make(store: &Store, dir: &Entered) -> Result<Ticket, Error> {
        let failed = |e: io::Error| cannot_lock(dir, e);
        let tmp = dir.tmp().map_err(failed)?;
        let mut file = TemporaryFile::create(&store.config.host, tmp, b"_courierlock", 0o644)
            .map_err(failed)?;
        let content = [user::pid().to_string().as_bytes(), b":", &store.config.lock_host].concat();
        let write = || -> io::Result<Stat> {
            match file.file()?.write_all(&content) {
                // On a full disk an empty lock is better than none. It is stale after two minutes.
                Err(e) if fs::is_full(&e) => {}
                other => other?,
            }
            Stat::of(file.file()?)
        };
        let stat = write().map_err(failed)?;
        match file.close(false) {
            Err(e) if !fs::is_full(&e) => return Err(failed(e)),
            _ => {}
        }
        Ok(Ticket {
            file,
            content,
            id: id(&stat),
            made: clock::monotonic(),
            time: stat.mtime_nanos(),
        })
    }

    /// Tries once; `None` if somebody has the lock.
    fn take(&self, tmp: &Directory) -> io::Result<Option<FileId>> {
        let linked = self.file.directory().link(self.file.name(), tmp, NAME);
        // Over NFS the answer to link() may get lost. Success or not, only the link count is right,
        // where it can be had.
        let links = self.file.directory().stat(self.file.name()).map(|stat| stat.links());
        match (linked, links) {
            (_, Ok(2)) | (Ok(()), Err(_)) => Ok(Some(self.id)),
            (Ok(()), Ok(_)) => Ok(None),
            (Err(e), _) if e.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            (Err(e), _) if fs::no_hard_links(&e) || fs::is_full(&e) => self.take_without_links(tmp),
            (Err(e), _) => Err(e),
        }
    }

    /// Makes the lock as a file where there are no hard links. Courier does without a lock there;
    /// so this keeps only our own sessions apart.
    fn take_without_links(&self, tmp: &Directory) -> io::Result<Option<FileId>> {
        match tmp.create_new(NAME, 0o644) {
            Ok(mut file) => {
                let _ = file.write_all(&self.content);
                let stat = Stat::of(&file).inspect_err(|_| drop(tmp.unlink(NAME)))?;
                Ok(Some(id(&stat)))
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Who has the lock.
enum Holder {
    /// Nobody any more.
    None,
    /// A session that has ended.
    Stale(FileId),
    /// A process of this host.
    Here,
    /// Another host, or somebody unknown.
    Elsewhere,
    /// Nobody, but a directory has the lock's name, and will keep it.
    Directory,
}

/// The process in the content `<pid>:<host>` of a lock, if the host is this one.
fn pid_here(content: &[u8], host: &[u8]) -> Option<u32> {
    let colon = memchr::memchr(b':', content)?;
    let (pid, rest) = content.split_at_checked(colon)?;
    if rest.strip_prefix(b":")? != host {
        return None;
    }
    crate::types::number::digits(pid).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)
}

#[cfg(test)]
mod tests;
