//! EXPUNGE (PROTOCOL 6.3): what is flagged \Deleted goes, to the trash where the administrator
//! wants that.

use super::Call;
use super::args::{self, Span, Which};
use crate::maildir::change::{Removal, Removed, Trash};
use crate::maildir::quota::{Charge, Doubts};
use crate::maildir::{self, change, quota};
use crate::session::{Outcome, Result, Selected, Session};
use crate::sys::breath::Items;
use crate::sys::fs;
use crate::types::Flags;

/// What one command needs to know where messages go, and how many names they have.
pub(super) struct Ways {
    trash: Trash,
    removal: Removal,
    doubts: Doubts,
}

impl Ways {
    fn of_deleted(s: &Session) -> Ways {
        Ways { trash: s.trash_folder(), removal: Removal::default(), doubts: Doubts::default() }
    }

    /// For messages whatever their flags are.
    pub(super) fn of_any(s: &Session) -> Ways {
        Ways { removal: Removal::of_any(), ..Ways::of_deleted(s) }
    }
}

/// Removes the messages flagged \Deleted, all of them or those of a UID set.
pub(crate) fn remove_deleted(
    s: &mut Session,
    selected: &mut Selected,
    uids: Option<&Which>,
) -> Result<()> {
    let spans = match uids {
        Some(which) => args::spans(which, true, selected),
        None => vec![Span::Messages(0..selected.snapshot.messages.len())],
    };
    let mut ways = Ways::of_deleted(s);
    let mut items = Items::of(args::count(&spans));
    for span in spans {
        let Span::Messages(range) = span else { continue };
        for index in range {
            items.breathe()?;
            if selected.snapshot.messages.flags(index).contains(Flags::DELETED) {
                remove(s, selected, index, &mut ways)?;
            }
        }
    }
    if ways.doubts.are_any() {
        s.quota().resolve(&ways.doubts);
    }
    Ok(())
}

/// Removes one message. One that is gone already is gone; one that cannot be removed stays, and the
/// log says so.
fn remove(s: &mut Session, selected: &mut Selected, index: usize, ways: &mut Ways) -> Result<()> {
    let Some(uid) = selected.snapshot.messages.uid(index) else { return Ok(()) };
    let goes_to_trash = s.goes_to_trash(selected, uid);
    let charge = if goes_to_trash { charge_in_trash(s, selected, index) } else { None };
    let removed = take_away(s, selected, index, ways);
    let removed = match removed {
        Ok(Some(removed)) => removed,
        Ok(None) => return Ok(()),
        Err(maildir::Error::Stopped) => return Err(s.stopped()),
        Err(e) => {
            s.log_store_error(&e);
            return Ok(());
        }
    };
    log_removal(s, &removed);
    if let Some(charge) = charge {
        s.quota().noting(&ways.doubts).settle(&charge);
    }
    Ok(())
}

/// Removes a message, or moves it to the trash; `None` if it is not gone by this call.
pub(super) fn take_away(
    s: &Session,
    selected: &mut Selected,
    index: usize,
    ways: &mut Ways,
) -> std::result::Result<Option<Removed>, maildir::Error> {
    let Some(uid) = selected.snapshot.messages.uid(index) else { return Ok(None) };
    let goes_to_trash = s.goes_to_trash(selected, uid);
    let messages = &mut selected.snapshot.messages;
    let dir = selected.folder.enter()?;
    if goes_to_trash {
        let Ways { trash, removal, .. } = ways;
        change::move_to_trash(&s.store, &dir, messages, index, (trash, removal))
    } else {
        change::unlink(&dir, messages, index, &mut ways.removal)
    }
}

/// Notes a removed message in the log, if that is wanted.
pub(super) fn log_removal(s: &Session, removed: &Removed) {
    if !s.options.log_deletions {
        return;
    }
    let line = format!("EXPUNGED, {}, old_name={}", s.who(), fs::shown(&removed.from));
    if let Some(new) = &removed.to {
        log::info!("{line}, new_name={}: only new_name will be left", fs::shown(new));
    }
    log::info!("{line}");
}

/// What a message will take of the quota once it is in the trash; `None` for nothing. There it is
/// \Deleted no longer, and a folder that is not called Trash counts (STORAGE 7.3).
fn charge_in_trash(s: &Session, selected: &Selected, index: usize) -> Option<Charge> {
    if !quota::is_counted_folder(&s.trash) || !s.quota().is_kept() {
        return None;
    }
    let name = selected.snapshot.messages.file_name(index);
    let size = quota::size_in_name(&name).or_else(|| {
        selected.folder.enter().ok()?.stat_message(&name).ok().map(|stat| stat.len())
    })?;
    let charge = s.quota().begin()?;
    charge.add(size, 1);
    Some(charge)
}

/// `UID EXPUNGE SP sequence-set`, or no arguments.
pub(crate) fn parse(s: &mut Session, call: &Call<'_>) -> Result<Option<Which>> {
    let which = if call.uid { Some(args::set(s)?) } else { None };
    s.io.end_of_line()?;
    Ok(which)
}

/// Removes and rescans.
pub(crate) fn run(
    s: &mut Session,
    selected: &mut Selected,
    _: &Call<'_>,
    which: Option<Which>,
) -> Result<Outcome> {
    remove_deleted(s, selected, which.as_ref())?;
    selected.rescan_after_removal(s)?;
    Ok(Outcome::ok("EXPUNGE completed"))
}
