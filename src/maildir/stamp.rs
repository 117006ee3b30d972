//! Stamps: by the times of a directory we prove that nothing in it has changed.

use crate::sys::directory::Directory;
use crate::sys::stat::Stat;
use crate::sys::{dir, filesystem};
use std::fs::File;
use std::io;
use std::time::Duration;

/// How far a file system may cut a time, in nanoseconds. Most keep it exactly.
const PRECISION: i128 = 1_000_000;
/// How far the clocks of hosts with a common file system may be apart, the time included that a
/// change takes to the server: as much as is allowed twice between a host and its file server
/// (session start, "Clock skew").
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// Which file or directory, and when it last changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    /// Device and inode.
    inode: (u64, u64),
    mtime: i128,
    ctime: i128,
    /// Whether other hosts may change it too.
    is_shared: bool,
}

impl Stamp {
    /// The stamp of what this is about.
    pub(super) fn of(stat: &Stat) -> Stamp {
        let (mtime, ctime) = (stat.mtime_nanos(), stat.ctime_nanos());
        Stamp { inode: stat.inode(), mtime, ctime, is_shared: false }
    }

    /// The stamp of an open directory, which may be from a cache, and then is an earlier one.
    pub(super) fn of_open(directory: &File) -> io::Result<Stamp> {
        let stamp = Stamp::of(&Stat::of(directory)?);
        let is_shared = filesystem::is_shared_device(stamp.inode.0, || directory.try_clone());
        Ok(Stamp { is_shared, ..stamp })
    }

    /// The stamp that a directory in `folder` has now. Over NFS, opening it asks the server;
    /// GlusterFS and others answer from caches until some of it is read. Of what this kernel alone
    /// changes, its name is enough.
    pub(super) fn of_directory(folder: &Directory, name: &[u8]) -> Option<Stamp> {
        let stat = folder.stat(name).ok()?;
        let open = || folder.open_to_read(name);
        if !stat.is_dir() {
            return None;
        }
        if !filesystem::is_shared_device(stat.inode().0, open) {
            return Some(Stamp::of(&stat));
        }
        let opened = open().ok()?;
        let stamp = Stamp::of_open(&opened).ok()?;
        if !stamp.is_shared {
            return Some(stamp);
        }
        dir::refresh(&opened);
        Stamp::of_open(&opened).ok()
    }

    /// Device and inode.
    pub(super) fn inode(self) -> (u64, u64) {
        self.inode
    }

    /// Modification and change time, in nanoseconds since 1970.
    pub(super) fn times(self) -> (i128, i128) {
        (self.mtime, self.ctime)
    }

    /// Whether this kernel dates the changes. Only of a directory's stamp.
    pub(super) fn is_local(self) -> bool {
        !self.is_shared
    }

    /// Whether the file system seems to keep times in whole seconds.
    pub(super) fn is_coarse(self) -> bool {
        let whole = |t: i128| t.rem_euclid(1_000_000_000) == 0;
        whole(self.mtime) && whole(self.ctime)
    }

    /// The tick of the clock of file times: two changes within it may leave the same time. A
    /// kernel's is ten milliseconds at most; on a file system that keeps whole seconds it is a
    /// second. Where several hosts change files, each may set times by its own clock, and the
    /// latest time stays: a change by a host whose clock is behind is as one in the same tick.
    pub(super) fn tick(self) -> Duration {
        if self.is_shared {
            return CLOCKS_APART;
        }
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

    /// Whether nothing was put in or taken out for longer than `age` before `now` (nanoseconds since
    /// 1970). This proves nothing.
    pub(super) fn is_at_rest_since(self, age: i128, now: i128) -> bool {
        self.mtime.saturating_add(age) < now
    }

    /// Whether every change after `now` (nanoseconds since 1970) gives another stamp. That is so if
    /// the last change is further back than one tick.
    pub(super) fn is_settled(self, now: i128) -> bool {
        let tick = i128::try_from(self.tick().as_nanos()).unwrap_or(i128::MAX);
        self.mtime.max(self.ctime).saturating_add(tick) < now
    }

    /// Whether the last change was before a reading of this kernel's clock of file times (`tick`),
    /// so that every change after that reading gives another stamp. Of what this kernel dates.
    pub(super) fn is_before(self, tick: i128) -> bool {
        !self.is_coarse() && self.mtime.max(self.ctime).saturating_add(PRECISION) < tick
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
