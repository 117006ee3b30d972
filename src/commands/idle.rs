//! IDLE (RFC 2177, PROTOCOL 3.6): a loop over the client, the kernel's notice of changes, and the
//! clock.

use super::{Call, capability};
use crate::maildir::watch::Watch;
use crate::response;
use crate::session::{Error, Outcome, Result, Selected, Session};
use crate::sys::clock;
use crate::wire::io::WaitOutcome;
use crate::wire::{End, Token};
use std::time::Duration;

/// A watch on the open folder; `None` where there is none to be had, and then the clock alone wakes
/// us. Inotify instances are few for each user, so one is asked for here only.
fn watch(selected: Option<&Selected>) -> Option<Watch> {
    selected.and_then(|selected| Watch::new(&selected.folder.dir).ok())
}

/// Idles until the client sends a line.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, (): ()) -> Result<Outcome> {
    s.with_selected(idle)
}

/// What ended a wait.
enum Woken {
    /// The client has sent something.
    Client,
    /// The watch has noticed something.
    Watch,
    /// It is time for a rescan.
    Clock,
}

/// A change is never missed: the watch is there before the scan. What a scan does itself (it moves
/// new mail) wakes us once more at most, and that scan proves that nothing changed.
fn idle(s: &mut Session, mut selected: Option<&mut Selected>) -> Result<Outcome> {
    let mut watch = self::watch(selected.as_deref());
    let enhanced =
        watch.is_some() && s.options.use_locks && capability::is_announced(&s.options, "IDLE");
    response::session::idling(&mut s.encoder(), enhanced);
    let pause = Duration::from_secs(s.options.idle_seconds);
    let mut by_clock = false;
    loop {
        let changed = rescan(s, selected.as_deref_mut())?;
        if std::mem::take(&mut by_clock) && changed {
            // The watch has missed what the clock has found: it is on another folder now.
            watch = self::watch(selected.as_deref());
            continue;
        }
        match wait(s, watch.as_mut(), pause)? {
            Woken::Client => return finish(s, selected),
            Woken::Watch => {}
            Woken::Clock => by_clock = true,
        }
        // A watch that works is kept: making one and closing one takes longer than a scan. A new
        // one comes before the scan, so that nothing is missed.
        if !watch.as_ref().is_some_and(Watch::is_whole) {
            watch = self::watch(selected.as_deref());
        }
    }
}

/// Waits for the client, for the watch, or for the time of the next rescan.
fn wait(s: &mut Session, mut watch: Option<&mut Watch>, pause: Duration) -> Result<Woken> {
    let inactive = s.io.deadline;
    let next = clock::monotonic() + pause;
    let until = inactive.map_or(next, |i| i.min(next));
    loop {
        if s.io.has_input() {
            return Ok(Woken::Client);
        }
        match s.io.wait(watch.as_deref().map(Watch::fd), Some(until))? {
            WaitOutcome::Input => return Ok(Woken::Client),
            WaitOutcome::Watch if watch.as_mut().is_some_and(|watch| watch.drain()) => {
                return Ok(Woken::Watch);
            }
            WaitOutcome::Watch => {}
            WaitOutcome::TimedOut if inactive.is_some_and(|i| clock::monotonic() >= i) => {
                return Err(End::Inactive.into());
            }
            WaitOutcome::TimedOut => return Ok(Woken::Clock),
        }
    }
}

/// Rescans and announces; whether there was something to announce. A folder that cannot be read now
/// is tried again at the next turn. The log has the reason.
fn rescan(s: &mut Session, selected: Option<&mut Selected>) -> Result<bool> {
    let Some(selected) = selected else { return Ok(false) };
    selected.rescan_if_possible(s)?;
    let changed = selected.pending.as_ref().is_some_and(|c| c.resized() || !c.changed.is_empty());
    selected.announce_changes(s, true);
    Ok(changed)
}

/// The client's line: `DONE`, or something else, which is a syntax error of the IDLE command.
fn finish(s: &mut Session, selected: Option<&mut Selected>) -> Result<Outcome> {
    s.io.begin_line();
    let done = match s.io.token()? {
        Token::Quoted(text) => text == b"DONE",
        token => token.is("DONE"),
    };
    // Courier passes over what follows on the line (PROTOCOL 1.6).
    rescan(s, selected)?;
    if done { Ok(Outcome::ok("IDLE completed")) } else { Err(Error::Syntax) }
}
