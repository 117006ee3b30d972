//! The time by which a scan judges. Files are dated by the file system's clock, which over NFS is
//! another machine's.

use super::Entered;
use super::lock::{Lock, MAX_CLOCK_SKEW};
use crate::sys::clock;

/// When a folder is scanned.
pub(super) struct ScanTime {
    /// Seconds since 1970, for new UIDVALIDITY values.
    pub(super) seconds: i64,
    /// Nanoseconds since 1970, for judging the times of directories: no later than the file
    /// system's time.
    pub(super) nanos: i128,
    /// The clock by which this kernel dates changes in its own file systems.
    pub(super) tick: i128,
}

impl ScanTime {
    /// The time for a reading without the lock. A file system of this machine has our clock.
    pub(super) fn unlocked(dir: &Entered) -> ScanTime {
        if !dir.folder().is_local() {
            return ScanTime::of(None);
        }
        let (tick, seconds) = (clock::file_tick(), clock::now().0);
        ScanTime { seconds, nanos: clock::now_nanos(), tick }
    }

    /// The time at which the file system has dated the lock; without a lock, our own time, which is
    /// made early enough for the file system's clock.
    pub(super) fn of(lock: Option<&Lock>) -> ScanTime {
        let tick = clock::file_tick();
        match lock.and_then(Lock::time) {
            Some(nanos) => ScanTime {
                seconds: i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(0),
                nanos,
                tick,
            },
            None => ScanTime {
                seconds: clock::now().0,
                nanos: clock::now_nanos().saturating_sub(MAX_CLOCK_SKEW),
                tick,
            },
        }
    }
}
