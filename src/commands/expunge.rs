//! EXPUNGE (PROTOCOL 6.3): what is flagged \Deleted goes, to the trash where the administrator
//! wants that.

use super::Call;
use super::args::{self, Piece};
use crate::maildir::{self, change, quota};
use crate::session::logging::shown;
use crate::session::{Error, Outcome, Result, Session};
use crate::sys::fs;
use crate::types::Flags;
use crate::wire::Set;

/// Removes the messages flagged \Deleted, all of them or those of a UID set.
pub(crate) fn remove_deleted(s: &mut Session, uids: Option<&Set>) -> Result<()> {
    let Some(selected) = &s.selected else { return Ok(()) };
    let whole = vec![Piece::Messages(0..selected.snapshot.messages.len())];
    let pieces = uids.map_or(whole, |set| args::pieces(set, true, &selected.snapshot.messages));
    for piece in pieces {
        let Piece::Messages(range) = piece else { continue };
        for index in range {
            let deleted = s
                .selected
                .as_ref()
                .is_some_and(|f| f.snapshot.messages.flags(index).contains(Flags::DELETED));
            if deleted {
                remove(s, index)?;
            }
        }
    }
    Ok(())
}

/// Removes one message. One that is gone already is gone; one that cannot be removed stays, and the
/// log says so.
fn remove(s: &mut Session, index: usize) -> Result<()> {
    let trash = s.trash_for(index);
    let size = if trash.is_some() { size_in_trash(s, index) } else { None };
    let Session { selected: Some(selected), store, options, .. } = s else { return Ok(()) };
    let logged = options.log_deletions;
    let flags = selected.snapshot.messages.flags(index);
    let old = selected.dir.message(&selected.snapshot.messages.file_name(index));
    let who = |s: &Session| format!("EXPUNGED, {}, old_name={}", s.who(), fs::shown(&old));
    let messages = &mut selected.snapshot.messages;
    let result = match &trash {
        Some(dir) => change::move_to(
            store,
            &selected.dir,
            messages,
            index,
            dir,
            Flags::DELETED | Flags::DRAFT,
        ),
        None => change::unlink(&selected.dir, messages, index),
    };
    let moved = matches!(result, Ok(true));
    match result {
        Ok(true) if logged => {
            if let Some(dir) = &trash {
                let mut new = selected.snapshot.messages.base_name(index).to_vec();
                new.extend_from_slice(b":2,");
                flags.without(Flags::DELETED | Flags::DRAFT).push_letters(&mut new);
                log::info!(
                    "{}, new_name={}: only new_name will be left",
                    who(s),
                    fs::shown(&dir.message(&new))
                );
            }
            log::info!("{}", who(s));
        }
        Ok(_) => {}
        Err(maildir::Error::Stopped) => return Err(s.store_error(maildir::Error::Stopped, "")),
        Err(e) => log::error!("{}: {e}", shown(&s.client.user)),
    }
    if let Some(size) = size.filter(|_| moved) {
        s.quota().add(size, 1);
    }
    Ok(())
}

/// What a message will take of the quota once it is in the trash; `None` for nothing. There it is
/// \Deleted no longer, and a folder that is not called Trash counts (STORAGE 7.3).
fn size_in_trash(s: &Session, index: usize) -> Option<u64> {
    let selected = s
        .selected
        .as_ref()
        .filter(|_| quota::is_counted_folder(&s.trash) && s.quota().is_kept())?;
    let messages = &selected.snapshot.messages;
    let name = messages.file_name(index);
    quota::size_in_name(&name)
        .or_else(|| fs::lstat(&selected.dir.message(&name)).ok().map(|m| m.len()))
}

/// `UID EXPUNGE SP sequence-set`, or no arguments.
pub(crate) fn parse(s: &mut Session, call: &Call) -> Result<Option<Set>> {
    let set = if call.uid { Some(args::set(s)?) } else { None };
    s.io.end_of_line()?;
    Ok(set)
}

/// Removes and looks again.
pub(crate) fn run(s: &mut Session, _: &Call, set: Option<Set>) -> Result<Outcome> {
    let Some(selected) = &s.selected else { return Err(Error::Syntax) };
    if !selected.rights.has(b'e') {
        return Outcome::no("Access denied for EXPUNGE on current mailbox (ACL \"e\" required)")
            .refuse();
    }
    if selected.read_only {
        return Outcome::no("Cannot expunge read-only mailbox.").refuse();
    }
    remove_deleted(s, set.as_ref())?;
    s.rescan_after_removal()?;
    Ok(Outcome::ok("EXPUNGE completed"))
}
