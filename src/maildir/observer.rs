//! How a session in IDLE learns that its folder has changed: by the kernel's notification, and by
//! polling the times of the directories where that cannot be had, or does not tell everything.
//!
//! - inotify is refused: a user has few instances (often 128, and many accounts may be one user),
//!   and watches run out. It is asked for again, after a second, two, four ..., at most a minute.
//! - On a network file system the kernel tells what this host changes, and nothing of the others.
//!   There the directories are polled beside inotify. A file system that we do not know may be such
//!   a one, too: if a rescan by the clock finds what the watch has missed, polling begins.
//! - A scan could not read or move everything (a full disk, an error of the disk). Nothing notifies
//!   of the end of that, so it is tried again, like a watch that was refused.
//! - `cur`, `new` or the whole folder are replaced: the watch goes with the old directory. A watch
//!   that lost its directory is made anew, and polling bridges the time until it can be.
//!
//! Two changes within one tick of the clock of file times leave the same time. So a rescan after
//! the first may miss the second. Therefore times that are new to us lead to two rescans: at once,
//! and again when a tick has passed since we first saw them. No clock but our own is asked for
//! that.

use super::Dir;
use super::stamp::Stamp;
use super::watch::{Refusal, Watch};
use crate::sys::{clock, fs};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// The pause between two polls. Changes of other hosts are to be found within two seconds, and
/// network file systems may answer from a cache that is one second old (FUSE, CIFS).
const POLL_INTERVAL: Duration = Duration::from_millis(1500);
/// The pause between two polls of a folder in which nothing happens.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(10);
/// How long nothing may happen before the pauses grow.
const QUIET: Duration = Duration::from_secs(60 * 60);
/// The first pause before a watch that was refused is asked for again, and before a scan that could
/// not show everything is repeated.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The longest such pause.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// What is remembered of an open folder from one IDLE to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct History {
    /// When it last changed.
    last_change: Instant,
    /// Whether the kernel has told nothing of a change.
    was_missed: bool,
}

impl History {
    /// A folder that was opened just now.
    pub(crate) fn new() -> History {
        History { last_change: clock::monotonic(), was_missed: false }
    }

    /// Notes that the folder has changed.
    pub(crate) fn changed(&mut self) {
        self.last_change = clock::monotonic();
    }

    fn quiet(&self) -> Duration {
        clock::monotonic().saturating_duration_since(self.last_change)
    }
}

/// The pause between two polls of a folder that has not changed for so long. It grows in proportion
/// after an hour, and is ten seconds after less than seven.
fn poll_interval(quiet: Duration) -> Duration {
    let part = quiet.as_secs_f64() / QUIET.as_secs_f64();
    POLL_INTERVAL.mul_f64(part.max(1.0)).min(MAX_POLL_INTERVAL)
}

/// Observes one folder for as long as a client idles.
pub(crate) struct Observer {
    dir: Dir,
    watch: Option<Watch>,
    retry: Retry,
    /// When to scan again what could not be read or moved.
    repeat: Option<Retry>,
    times: Times,
    /// Whether other hosts may change the folder.
    is_shared: bool,
    /// Why the kernel does not notify, unless a scan says so.
    refusal: Option<io::Error>,
}

impl Observer {
    /// Begins to observe. The folder has to be scanned after this, for the changes before it.
    pub(crate) fn new(dir: &Dir) -> Observer {
        let stamps = Stamps::of(dir);
        let mut observer = Observer {
            dir: dir.clone(),
            watch: None,
            retry: Retry::new(),
            repeat: None,
            times: Times::new(stamps, clock::monotonic()),
            is_shared: false,
            refusal: None,
        };
        observer.begin_watch(stamps);
        observer
    }

    /// Whether the kernel notifies of changes.
    pub(crate) fn is_watching(&self) -> bool {
        self.watch.is_some()
    }

    /// The error with which the kernel has refused to notify, for the log.
    pub(crate) fn refusal(&self) -> Option<&io::Error> {
        self.refusal.as_ref()
    }

    /// The descriptor to wait on for input; then [`Self::take_notice`].
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(Watch::fd)
    }

    /// How long to wait before the next [`Self::poll`]. `None`: no poll is needed.
    pub(crate) fn poll_after(&self, history: &History) -> Option<Duration> {
        let is_blind = self.watch.is_none() || self.is_shared || history.was_missed;
        let poll = is_blind.then(|| poll_interval(history.quiet()));
        let repeat = self.repeat.as_ref().map(|repeat| repeat.remaining(clock::monotonic()));
        poll.into_iter().chain(repeat).min()
    }

    /// Notes whether a scan could read and show everything. If not, a poll asks for another one.
    pub(crate) fn scanned(&mut self, is_whole: bool) {
        if is_whole {
            self.repeat = None;
        } else {
            self.repeat.get_or_insert_with(Retry::new).refused(clock::monotonic());
        }
    }

    /// Takes the kernel's notifications. Whether the folder has to be scanned.
    pub(crate) fn take_notice(&mut self) -> bool {
        let Some(watch) = &mut self.watch else { return false };
        let is_noticed = watch.drain();
        // A watch that works is kept: making one and closing one takes longer than a scan.
        if !watch.is_whole() {
            self.begin_watch(Stamps::of(&self.dir));
        }
        is_noticed
    }

    /// Looks at the times of the directories, and asks for a new watch if that is due, or if the
    /// directories are others by now and nobody has told (a link, a mount, another host). Whether
    /// the folder has to be scanned.
    pub(crate) fn poll(&mut self) -> bool {
        let now = clock::monotonic();
        let stamps = Stamps::of(&self.dir);
        let is_exchanged = !stamps.are_same_places(&self.times.seen);
        let is_changed = self.times.compare(stamps, now)
            | self.repeat.as_ref().is_some_and(|repeat| repeat.is_due(now));
        if is_exchanged || (self.watch.is_none() && self.retry.is_due(now)) {
            self.begin_watch(stamps);
            // No notice tells what happened before there was a watch.
            return is_changed || self.watch.is_some();
        }
        is_changed
    }

    /// After a rescan by the clock that has found a change: remembers it if the kernel has not told
    /// of it. Whether the folder has to be scanned again.
    pub(crate) fn found_by_clock(&mut self, history: &mut History) -> bool {
        let is_noticed = self.take_notice();
        history.was_missed |= self.watch.is_some() && !is_noticed;
        is_noticed
    }

    /// Makes a new watch in the place of the old one. The folder has to be scanned after it.
    /// `before`: the stamps as they are now.
    fn begin_watch(&mut self, before: Stamps) {
        // The old one first: it may be the last instance that there is.
        self.watch = None;
        let (watch, is_shared) = match self.dir.enter() {
            Ok(dir) => (Watch::new(&dir), !dir.folder().is_local()),
            Err(e) => (Err(Refusal::OfDirectory(e)), false),
        };
        self.is_shared = is_shared;
        let after = Stamps::of(&self.dir);
        match watch {
            // A directory that was exchanged between its opening and the watch tells nothing: then
            // a poll finds the new one.
            Ok(watch) if before.are_in_place(&after) => {
                self.watch = Some(watch);
                self.retry = Retry::new();
                self.times = Times::new(after, clock::monotonic());
            }
            Ok(_) => self.retry.refused(clock::monotonic()),
            Err(refusal) => {
                self.retry.refused(clock::monotonic());
                self.refusal = match refusal {
                    Refusal::ByKernel(e) => Some(e),
                    Refusal::OfDirectory(e) => (!is_logged_by_scan(&e)).then_some(e),
                };
            }
        }
    }
}

/// Whether a scan meets this error of a directory, too, and logs it.
fn is_logged_by_scan(e: &io::Error) -> bool {
    fs::is_gone(e) || fs::is_unwritable(e) || fs::is_out_of_place(e)
}

/// When to try again what has failed.
struct Retry {
    at: Option<Instant>,
    pause: Duration,
}

impl Retry {
    fn new() -> Retry {
        Retry { at: None, pause: RETRY_AFTER }
    }

    fn refused(&mut self, now: Instant) {
        self.at = Some(now + self.pause);
        self.pause = self.pause.saturating_mul(2).min(MAX_RETRY_AFTER);
    }

    fn is_due(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| now >= at)
    }

    fn remaining(&self, now: Instant) -> Duration {
        self.at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }
}

/// The stamps of what a watch would watch; `None` for what cannot be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamps([Option<Stamp>; 3]);

impl Stamps {
    fn of(dir: &Dir) -> Stamps {
        let entered = dir.enter().ok();
        let folder = entered.as_ref().map(|entered| entered.folder());
        let parts = [&b"cur"[..], b"new", b"courierimapkeywords"];
        Stamps(parts.map(|part| Stamp::of_directory(folder?, part)))
    }

    /// The longest of their ticks. Where there is nothing, no change can hide.
    fn tick(&self) -> Duration {
        let ticks = self.0.iter().flatten().map(|stamp| stamp.tick());
        ticks.max().unwrap_or(Duration::MAX)
    }

    /// Whether what was there is there still. The keywords may have been made meanwhile.
    fn are_in_place(&self, after: &Stamps) -> bool {
        let mut pairs = self.0.iter().zip(&after.0);
        pairs.all(|(a, b)| a.is_none_or(|a| b.is_some_and(|b| a.is_same_place(b))))
    }

    fn are_same_places(&self, other: &Stamps) -> bool {
        let is_same = |pair: (&Option<Stamp>, &Option<Stamp>)| match pair {
            (Some(a), Some(b)) => a.is_same_place(*b),
            (a, b) => a.is_none() == b.is_none(),
        };
        self.0.iter().zip(&other.0).all(is_same)
    }
}

/// The stamps that were seen last.
struct Times {
    seen: Stamps,
    /// When they were first seen.
    since: Instant,
    /// Whether there was a scan since, one tick later.
    is_settled: bool,
}

impl Times {
    /// Stamps that were just read. A scan follows.
    fn new(seen: Stamps, now: Instant) -> Times {
        Times { seen, since: now, is_settled: false }
    }

    /// Compares with stamps that were just read. Whether the folder has to be scanned.
    fn compare(&mut self, stamps: Stamps, now: Instant) -> bool {
        if stamps != self.seen {
            *self = Times::new(stamps, now);
            return true;
        }
        if !self.is_settled && now.saturating_duration_since(self.since) > stamps.tick() {
            self.is_settled = true;
            return true;
        }
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
