//! Stamps: by the times of a directory we prove that nothing in it has changed.

use crate::sys::directory::Directory;
use crate::sys::stat::Stat;
use std::time::Duration;

/// How far a file system may cut a time, in nanoseconds. Most keep it exactly.
const PRECISION: i128 = 1_000_000;

/// Which file or directory, and when it last changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    /// Device and inode.
    inode: (u64, u64),
    mtime: i128,
    ctime: i128,
}

impl Stamp {
    /// The stamp of what this is about.
    pub(super) fn of(stat: &Stat) -> Stamp {
        Stamp { inode: stat.inode(), mtime: stat.mtime_nanos(), ctime: stat.ctime_nanos() }
    }

    /// The stamp of a directory in `folder`, opened afresh: over NFS, open asks the server.
    pub(super) fn of_directory(folder: &Directory, name: &[u8]) -> Option<Stamp> {
        let opened = folder.open_to_read(name).ok()?;
        Stat::of(&opened).ok().map(|stat| Stamp::of(&stat))
    }

    /// Whether the file system seems to keep times in whole seconds.
    pub(super) fn is_coarse(self) -> bool {
        let whole = |t: i128| t.rem_euclid(1_000_000_000) == 0;
        whole(self.mtime) && whole(self.ctime)
    }

    /// The tick of the clock of file times: two changes within it may leave the same time. A
    /// kernel's is ten milliseconds at most; on a file system that keeps whole seconds it is a
    /// second.
    pub(super) fn tick(self) -> Duration {
        Duration::from_millis(if self.is_coarse() { 2000 } else { 50 })
    }

    /// Whether this is the same directory, changed or not.
    pub(super) fn is_same_place(self, other: Stamp) -> bool {
        self.inode == other.inode
    }

    /// Whether the last change was before `now` (nanoseconds since 1970) by more than `age`.
    pub(super) fn is_older_than(self, age: i128, now: i128) -> bool {
        self.mtime.max(self.ctime).saturating_add(age) < now
    }

    /// Whether every change after `now` (nanoseconds since 1970) gives another stamp. That is so if
    /// the last change is further back than one tick.
    pub(super) fn is_settled(self, now: i128) -> bool {
        let tick = i128::try_from(self.tick().as_nanos()).unwrap_or(i128::MAX);
        self.mtime.max(self.ctime).saturating_add(tick) < now
    }

    /// Whether every later rename gives another stamp, on a file system that this kernel dates.
    /// `tick` is [`crate::sys::clock::file_tick`] read after the stamp.
    ///
    /// If the stamp is behind the clock, a change now would be dated later. If it is ahead, the
    /// file system dates a change exactly when somebody has read the time before (Linux 6.13).
    pub(super) fn is_telling(self, tick: i128) -> bool {
        !self.is_coarse() && (self.ctime > tick || self.ctime.saturating_add(PRECISION) < tick)
    }

    /// The same as a file system keeps it that has no fractions of seconds.
    #[cfg(test)]
    pub(super) fn in_whole_seconds(self) -> Stamp {
        let whole = |t: i128| t - t.rem_euclid(1_000_000_000);
        Stamp { mtime: whole(self.mtime), ctime: whole(self.ctime), ..self }
    }
}
