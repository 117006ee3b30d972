//! REPLACE (RFC 8508): a message takes the place of another, which goes when the new one is there.
//! A kill in between leaves both.

use super::append::{Incoming, Message};
use super::args::Mailbox;
use super::{Call, expunge};
use crate::maildir::quota;
use crate::maildir::resolve::FolderKind;
use crate::maildir::{self, change};
use crate::response::mailbox::Replaced;
use crate::session::folder::Folder;
use crate::session::refusal::{NotDelivered, vanished};
use crate::session::{Code, Error, Outcome, Result, Selected, Session};
use crate::types::{Flags, Uid, number};
use crate::wire::Token;
use std::os::unix::ffi::OsStrExt;

/// A message that cannot be removed; then the new one does not stay either.
const NOT_REMOVED: NotDelivered = NotDelivered {
    doing: "replacing",
    text: "[ALERT] Cannot remove the message - no write permission or out of disk space.",
    missing: "",
};

/// The old message, where the new one goes, and what it is.
pub(crate) struct Replace {
    /// Its number; `None` for `*`.
    old: Option<u64>,
    mailbox: Mailbox,
    message: Message,
}

/// `replace = "REPLACE" SP seq-number SP mailbox append-message`
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Replace> {
    let old = match s.io.token()? {
        Token::Atom(text) if text == b"*" => None,
        Token::Atom(text) if !text.starts_with(b"0") => {
            Some(number::digits(&text).ok_or(Error::Syntax)?)
        }
        _ => return Err(Error::Syntax),
    };
    let mailbox = Mailbox::parse(s)?;
    let token = s.io.token()?;
    Ok(Replace { old, mailbox, message: Message::parse(s, token)? })
}

/// The message that is to go; `None` if there is none of that number.
fn find(selected: &Selected, old: Option<u64>, by_uid: bool) -> Option<Uid> {
    let messages = &selected.snapshot.messages;
    let Some(number) = old else { return messages.uid(messages.len().checked_sub(1)?) };
    if by_uid {
        let uid = Uid::new(u32::try_from(number).ok()?)?;
        return messages.position(uid).is_ok().then_some(uid);
    }
    messages.uid(usize::try_from(number).ok()?.checked_sub(1)?)
}

/// Whether a message counts for the quota of its folder, and whether it will count for our own in
/// the trash (STORAGE 7.3).
#[derive(Clone, Copy)]
struct Counts {
    here: bool,
    in_trash: bool,
}

impl Counts {
    fn of(s: &Session, selected: &Selected, uid: Uid, flags: Flags) -> Counts {
        let here = quota::is_counted(flags) && Session::is_counted(&selected.folder);
        let in_trash = s.goes_to_trash(selected, uid) && quota::is_counted_folder(&s.trash);
        // Both are the same quota: nothing changes.
        let moves = here && in_trash && selected.folder.at.kind == FolderKind::Own;
        Counts { here: here && !moves, in_trash: in_trash && !moves }
    }
}

/// Looks at the message that is to go: what the quota of `to` gets back for it, in bytes and
/// messages.
fn look(s: &Session, selected: &mut Selected, uid: Uid, to: &Folder) -> Result<(u64, u64)> {
    let messages = &mut selected.snapshot.messages;
    let Ok(index) = messages.position(uid) else { return vanished().refuse() };
    let opened = selected.folder.enter().and_then(|dir| change::open(&dir, messages, index));
    let (_, stat) = opened.map_err(|e| match e {
        maildir::Error::Gone => vanished().into(),
        e => s.not_delivered(e, NOT_REMOVED),
    })?;
    let size = quota::size_in_name(messages.base_name(index)).unwrap_or(stat.len());
    let flags = messages.flags(index);
    let is_counted = Counts::of(s, selected, uid, flags).here;
    let is_one_quota = selected.folder.at.root == to.at.root;
    Ok(if is_counted && is_one_quota { (size, 1) } else { (0, 0) })
}

/// Removes the old message, once the new one is there. `is_freed`: the quota knows already. Whether
/// it counted until now.
fn remove(s: &mut Session, selected: &mut Selected, uid: Uid, is_freed: bool) -> Result<bool> {
    // Whoever has removed it in this moment has done what is asked.
    let Ok(index) = selected.snapshot.messages.position(uid) else { return Ok(false) };
    let messages = &selected.snapshot.messages;
    let (name, flags) = (messages.file_name(index), messages.flags(index));
    let size = quota::size_in_name(&name)
        .or_else(|| selected.folder.enter().ok()?.stat_message(&name).ok().map(|stat| stat.len()));
    let size = size.unwrap_or(0);
    let counts = Counts::of(s, selected, uid, flags);
    // A count of the Maildir that comes in between is noticed.
    let leaves = (counts.here && !is_freed)
        .then(|| selected.folder.quota(&s.store.config).begin())
        .flatten();
    let comes = counts.in_trash.then(|| s.quota().begin()).flatten();
    let mut ways = expunge::Ways::of_any(s);
    let removed = match expunge::take_away(s, selected, index, &mut ways) {
        Ok(Some(removed)) => removed,
        Ok(None) => {
            let messages = &mut selected.snapshot.messages;
            let opened =
                selected.folder.enter().and_then(|dir| change::open(&dir, messages, index));
            return match opened {
                Err(maildir::Error::Gone) => Ok(false),
                _ => Outcome::no(NOT_REMOVED.text).refuse(),
            };
        }
        Err(maildir::Error::Stopped) => return Err(s.stopped()),
        Err(e) => return Err(s.not_delivered(e, NOT_REMOVED)),
    };
    expunge::log_removal(s, &removed);
    if let Some(charge) = leaves {
        charge.subtract(size, 1);
        selected.folder.quota(&s.store.config).settle(&charge);
    }
    if let Some(charge) = comes {
        charge.add(size, 1);
        s.quota().settle(&charge);
    }
    // Its flags are those that it has lost its name with.
    Ok(quota::is_counted(Flags::of_file_name(removed.from.as_os_str().as_bytes())))
}

/// Receives the new message, stores it, and removes the old one.
pub(crate) fn run(
    s: &mut Session,
    selected: &mut Selected,
    call: &Call<'_>,
    a: Replace,
) -> Result<Outcome> {
    let Some(old) = find(selected, a.old, call.uid) else {
        return Outcome::no("There is no such message to replace.")
            .with_code(Code::NonExistent)
            .refuse();
    };
    let mut incoming = Incoming::begin(s, Some(&mut *selected), "REPLACE", &a.mailbox)?;
    incoming.frees(|s, selected, to| look(s, selected, old, to))?;
    incoming.receive(a.message)?;
    incoming.end()?;
    // Somebody may have removed it while the new one came.
    incoming.frees(|s, selected, to| look(s, selected, old, to))?;
    let (freed, mut counted) = (incoming.freed, true);
    let is_freed = freed != (0, 0);
    let (validity, uids) = incoming.store(|s, selected| {
        counted = remove(s, selected.ok_or(Error::Syntax)?, old, is_freed)?;
        Ok(())
    })?;
    if is_freed
        && !counted
        && let Some(charge) = selected.folder.quota(&s.store.config).begin()
    {
        // Somebody else has accounted for it in this moment.
        charge.add(freed.0, freed.1);
        selected.folder.quota(&s.store.config).settle(&charge);
    }
    // RFC 8508 4.3: first which message is the new one, then that it is there, then that the old
    // one is not.
    if let [uid] = *uids {
        s.send(&Replaced { validity, uid });
    }
    selected.announce_changes(s, false);
    selected.rescan_after_removal(s)?;
    Ok(Outcome::ok("REPLACE completed."))
}
