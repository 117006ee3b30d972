//! IDLE (RFC 2177, PROTOCOL 3.6): a loop over the client, the changes of the folder, and the clock.

use super::{Call, capability};
use crate::maildir::observer::Observer;
use crate::response;
use crate::session::{Error, Outcome, Result, Selected, Session, logging};
use crate::sys::{breath, clock, fs};
use crate::wire::io::WaitOutcome;
use crate::wire::{End, Token};
use std::time::Duration;

/// Idles until the client sends a line.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, (): ()) -> Result<Outcome> {
    // It waits for the client.
    breath::be_quiet();
    s.with_selected(idle)
}

/// The open folder. Inotify instances are few for each user, so one is had here only.
struct Observed<'a> {
    selected: &'a mut Selected,
    observer: Observer,
}

/// What ended a wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// The client has sent something.
    Client,
    /// The folder may have changed.
    Change,
    /// It is time for a rescan.
    Clock,
}

/// A change is never missed: the observer is there before the scan. What a scan does itself (it
/// moves new mail) wakes us a few times more at most, and those scans prove that nothing changed.
fn idle(s: &mut Session, selected: Option<&mut Selected>) -> Result<Outcome> {
    let mut observed = selected.map(|selected| {
        let observer = Observer::new(&selected.folder.dir);
        log_refusal(s, &observer);
        Observed { selected, observer }
    });
    let is_watching = observed.as_ref().is_some_and(|o| o.observer.is_watching());
    let enhanced =
        is_watching && s.options.use_locks && capability::is_announced(&s.options, "IDLE");
    response::session::idling(&mut s.encoder(), enhanced);
    rescan(s, observed.as_mut())?;
    loop {
        match wait(s, observed.as_mut())? {
            Woken::Client => return finish(s, observed),
            Woken::Change => {
                rescan(s, observed.as_mut())?;
            }
            Woken::Clock => rescan_by_clock(s, observed.as_mut())?,
        }
    }
}

/// Logs that the folder is polled, and why, once in a session.
fn log_refusal(s: &Session, observer: &Observer) {
    if let Some(e) = observer.refusal()
        && s.store.is_first_refusal_of_inotify()
    {
        let user = logging::shown(&s.client.user);
        log::warn!("{user}: inotify: {}; IDLE polls the folder", fs::error_text(e));
    }
}

/// Waits for the client, for a change, or for the time of the next rescan.
fn wait(s: &mut Session, mut observed: Option<&mut Observed<'_>>) -> Result<Woken> {
    let inactive = s.io.deadline;
    let begin = clock::monotonic();
    let rescan = begin + Duration::from_secs(s.options.idle_seconds);
    // Each rescan is as good as a poll, so the time to the next one begins here.
    let mut polled = begin;
    loop {
        if s.io.has_input() {
            return Ok(Woken::Client);
        }
        let poll = observed.as_deref().and_then(Observed::poll_after).map(|pause| polled + pause);
        let until = [inactive, poll].into_iter().flatten().fold(rescan, |a, b| a.min(b));
        let fd = observed.as_deref().and_then(|o| o.observer.fd());
        let woken = s.io.wait(fd, Some(until))?;
        let now = clock::monotonic();
        let observer = observed.as_deref_mut().map(|o| &mut o.observer);
        let is_changed = match woken {
            WaitOutcome::Input => return Ok(Woken::Client),
            WaitOutcome::Watch => observer.is_some_and(|o| o.take_notice()),
            WaitOutcome::TimedOut if inactive.is_some_and(|i| now >= i) => {
                return Err(End::Inactive.into());
            }
            WaitOutcome::TimedOut if now >= rescan => return Ok(Woken::Clock),
            WaitOutcome::TimedOut => {
                polled = now;
                observer.is_some_and(|o| o.poll())
            }
        };
        if is_changed {
            return Ok(Woken::Change);
        }
    }
}

impl Observed<'_> {
    fn poll_after(&self) -> Option<Duration> {
        self.observer.poll_after(&self.selected.history)
    }
}

/// Rescans and announces; whether there was something to announce. What cannot be read or moved now
/// is tried again soon. The log has the reason.
fn rescan(s: &mut Session, observed: Option<&mut Observed<'_>>) -> Result<bool> {
    let Some(Observed { selected, observer }) = observed else { return Ok(false) };
    let is_read = selected.rescan_if_possible(s)?;
    observer.scanned(is_read && !selected.snapshot.hides);
    let changed = selected.pending.as_ref().is_some_and(|c| c.is_any());
    selected.announce_changes(s, true);
    selected.tell_highest(s, None);
    selected.folder.leave();
    Ok(changed)
}

/// The last resort: a rescan whatever the observer says, which learns from what it has missed.
fn rescan_by_clock(s: &mut Session, mut observed: Option<&mut Observed<'_>>) -> Result<()> {
    if let Some(o) = observed.as_deref_mut() {
        o.observer.poll();
    }
    let changed = rescan(s, observed.as_deref_mut())?;
    if let Some(o) = observed.as_deref_mut()
        && changed
        && o.observer.found_by_clock(&mut o.selected.history)
    {
        rescan(s, observed)?;
    }
    Ok(())
}

/// The client's line: `DONE`, or something else, which is a syntax error of the IDLE command.
fn finish(s: &mut Session, mut observed: Option<Observed<'_>>) -> Result<Outcome> {
    s.io.begin_line();
    let done = match s.io.token()? {
        Token::Quoted(text) => text == b"DONE",
        token => token.is("DONE"),
    };
    // Courier passes over what follows on the line (PROTOCOL 1.6).
    rescan(s, observed.as_mut())?;
    if done { Ok(Outcome::ok("IDLE completed")) } else { Err(Error::Syntax) }
}
