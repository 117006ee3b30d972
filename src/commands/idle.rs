//! IDLE (RFC 2177, PROTOCOL 3.6): a loop over the client, the kernel's notice of changes, and the
//! clock.

use crate::commands::basic::capability;
use crate::commands::{Call, args};
use crate::maildir::watch::Watch;
use crate::session::{Error, Outcome, Result, Session};
use crate::sys::clock;
use crate::wire::End;
use crate::wire::io::Wake;
use std::time::Duration;

/// No arguments.
pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<()> {
    args::none(s)
}

/// A watch on the open folder. Instances are few per user, so one is asked for here only; `None`
/// where there is none to be had, and then the clock alone wakes us.
fn watch(s: &Session) -> Option<Watch> {
    s.selected.as_ref().and_then(|selected| Watch::new(&selected.dir).ok())
}

/// Idles until the client sends a line.
///
/// A change is never missed: the watch is there before the look, and what a look does itself (it
/// moves new mail) wakes us once more at most, for a look that proves nothing changed.
pub(crate) fn run(s: &mut Session, _: &Call, (): ()) -> Result<Outcome> {
    let mut watch = watch(s);
    let enhanced =
        watch.is_some() && s.options.use_locks && capability::announced(&s.options, "IDLE");
    let words: &[u8] =
        if enhanced { b"+ entering ENHANCED idle mode\r\n" } else { b"+ entering idle mode\r\n" };
    s.io.out.extend_from_slice(words);
    let inactive = s.io.deadline;
    let pause = Duration::from_secs(s.options.idle_seconds);
    let mut by_clock = false;
    loop {
        let changed = look(s)?;
        if std::mem::take(&mut by_clock) && changed {
            // What the clock alone has found shows that the folder is another one than the watch is
            // on.
            watch = self::watch(s);
            continue;
        }
        let next = clock::monotonic() + pause;
        loop {
            if s.io.has_input() {
                return finish(s);
            }
            let until = inactive.map_or(next, |i| i.min(next));
            match s.io.wait(watch.as_ref().map(Watch::fd), Some(until))? {
                Wake::Input => return finish(s),
                Wake::Watch => {
                    if watch.as_mut().is_some_and(Watch::drain) {
                        break;
                    }
                }
                Wake::Time if inactive.is_some_and(|i| clock::monotonic() >= i) => {
                    return Err(End::Inactive.into());
                }
                Wake::Time => {
                    by_clock = true;
                    break;
                }
            }
        }
        // A refusal may be over, and what was removed may be there again: before the look, so that
        // nothing is missed. A watch that works is kept; to make one and to let one go takes longer
        // than to look.
        if !watch.as_ref().is_some_and(Watch::is_whole) {
            watch = self::watch(s);
        }
    }
}

/// Looks and tells; whether there was something to tell. A folder that cannot be read now is looked
/// at again at the next turn; the client hears of it at `DONE`.
fn look(s: &mut Session) -> Result<bool> {
    s.rescan_if_possible()?;
    let pending = s.selected.as_ref().and_then(|f| f.pending.as_ref());
    let changed = pending.is_some_and(|c| c.resized() || !c.changed.is_empty());
    s.announce_changes(true);
    Ok(changed)
}

/// The client's line: `DONE`, or something else, which is a syntax error of the IDLE command.
fn finish(s: &mut Session) -> Result<Outcome> {
    s.io.begin_line();
    let done = match s.io.token()? {
        crate::wire::Token::Quoted(text) => text == b"DONE",
        token => token.is("DONE"),
    };
    // Courier passes over what follows on the line (PROTOCOL 1.6).
    s.rescan_if_possible()?;
    s.announce_changes(true);
    if done { Ok(Outcome::ok("IDLE completed")) } else { Err(Error::Syntax) }
}
