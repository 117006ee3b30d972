//! The clocks. The time is read nowhere else, so that a test can see every use of it.

use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock: whole seconds since 1970 and microseconds.
pub(crate) fn now() -> (i64, u32) {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(t) => (i64::try_from(t.as_secs()).unwrap_or(i64::MAX), t.subsec_micros()),
        Err(_) => (0, 0),
    }
}

/// The wall clock in nanoseconds since 1970, as file times have it.
pub(crate) fn now_nanos() -> i128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_nanos() as i128)
}

/// The clock by which this kernel dates changes in its own file systems, in nanoseconds since 1970.
/// It advances by ticks of a few milliseconds.
pub(crate) fn file_tick() -> i128 {
    clock_gettime(ClockId::CLOCK_REALTIME_COARSE)
        .map_or(0, |t| i128::from(t.tv_sec()) * 1_000_000_000 + i128::from(t.tv_nsec()))
}

/// A clock that only goes forward, for deadlines.
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// Sleeps. Signals do not end it, so it is only for fractions of a second.
pub(crate) fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// A time in the server's local zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalTime {
    /// The year, such as 2024.
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: u32,
    /// From 1.
    pub(crate) day: u32,
    /// From 0.
    pub(crate) hour: u32,
    /// From 0.
    pub(crate) minute: u32,
    /// From 0, 60 in a leap second.
    pub(crate) second: u32,
    /// Seconds east of UTC.
    pub(crate) offset: i32,
}

/// The local time of `seconds` since 1970, by `TZ` (Courier).
pub(crate) fn local_time(seconds: i64) -> LocalTime {
    // SAFETY: `tm` is plain data that localtime_r fills; a null answer leaves the zeroed value,
    // which is valid.
    let tm = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&seconds, &mut tm);
        tm
    };
    let small = |n: libc::c_int| u32::try_from(n).unwrap_or(0);
    LocalTime {
        year: i64::from(tm.tm_year) + 1900,
        month: small(tm.tm_mon) + 1,
        day: small(tm.tm_mday),
        hour: small(tm.tm_hour),
        minute: small(tm.tm_min),
        second: small(tm.tm_sec),
        offset: i32::try_from(tm.tm_gmtoff).unwrap_or(0),
    }
}

/// Reads `TZ` once (localtime_r alone need not, POSIX); called before the first use of
/// [`local_time`].
pub(crate) fn read_time_zone() {
    unsafe extern "C" {
        fn tzset();
    }
    // SAFETY: tzset takes nothing and only reads the environment, at start-up, when nothing changes
    // it.
    unsafe { tzset() }
}
