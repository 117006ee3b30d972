//! SELECT and EXAMINE (RFC 3501 6.3.1, 6.3.2; PROTOCOL 4.2).

use super::args::Mailbox;
use super::resync::{self, Resync};
use super::{Call, capability};
use crate::maildir::{Mode, Sequences, Snapshot, scan};
use crate::response::mailbox::FolderCode;
use crate::session::folder::Folder;
use crate::session::refusal::CANNOT_OPEN;
use crate::session::selected::Access;
use crate::session::{Code, Error, Features, Outcome, Result, Selected, Session};
use crate::types::{Flags, Rights};
use crate::wire::Token;

/// The folder, and how it is opened.
pub(crate) struct Opening {
    mailbox: Mailbox,
    parameters: Parameters,
}

/// `select-param`s (RFC 4466 2.1).
#[derive(Default)]
struct Parameters {
    /// `CONDSTORE` (RFC 7162 3.1.8)
    condstore: bool,
    /// `QRESYNC` (RFC 7162 3.2.5)
    resync: Option<Resync>,
}

/// `mailbox [SP "(" select-param *(SP select-param) ")"]`
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Opening> {
    let mailbox = Mailbox::parse(s)?;
    let parameters = match s.io.token()? {
        Token::Eol => Parameters::default(),
        Token::Open if capability::is_offered(&s.options, "CONDSTORE") => parameters(s)?,
        _ => return Err(Error::Syntax),
    };
    s.io.end_of_line()?;
    Ok(Opening { mailbox, parameters })
}

/// `select-param *(SP select-param) ")"`
fn parameters(s: &mut Session) -> Result<Parameters> {
    let mut parameters = Parameters::default();
    let mut is_empty = true;
    loop {
        match s.io.token()? {
            Token::Close if !is_empty => return Ok(parameters),
            token if token.is("CONDSTORE") => parameters.condstore = true,
            // RFC 7162 3.2.5: BAD, unless it was enabled.
            token
                if token.is("QRESYNC")
                    && parameters.resync.is_none()
                    && s.enabled.contains(Features::QRESYNC) =>
            {
                parameters.resync = Some(resync::parse(s)?);
            }
            _ => return Err(Error::Syntax),
        }
        is_empty = false;
    }
}

/// SELECT: opens a folder for reading and writing.
pub(crate) fn select(s: &mut Session, _: &Call<'_>, opening: Opening) -> Result<Outcome> {
    open(s, &opening, false)
}

/// EXAMINE: opens a folder for reading.
pub(crate) fn examine(s: &mut Session, _: &Call<'_>, opening: Opening) -> Result<Outcome> {
    open(s, &opening, true)
}

fn open(s: &mut Session, opening: &Opening, examine: bool) -> Result<Outcome> {
    let Opening { mailbox, parameters } = opening;
    if parameters.condstore {
        s.enabled |= Features::CONDSTORE;
    }
    // The folder that was open is closed either way, without an expunge (RFC 3501 6.3.1).
    if let Some(before) = s.selected.take() {
        s.left = Some(before);
        // RFC 7162 3.2.11: whether or not the client has enabled either of them.
        if capability::is_offered(&s.options, "CONDSTORE") {
            s.send(&FolderCode::Closed);
        }
    }
    let folder = s.locate(mailbox.name(s))?;
    let rights = s.require(&folder.name, b'r', "SELECT/EXAMINE")?;
    // Both the flags and the answer say READ-ONLY (RFC 3501 7.1), where Courier 5.0.13 says it in
    // the answer alone.
    let flags_are_fixed = examine || folder.at.read_only;
    let read_only = flags_are_fixed || !rights.intersects(Rights::WRITING);
    let mode = if read_only { Mode::ReadOnly } else { Mode::ReadWrite };
    let snapshot = snapshot(s, &folder, mode)?;
    let access = Access { read_only, flags_are_fixed, rights };
    let selected = Selected::new(folder, access, snapshot).with_memory(s);
    announce(s, &selected);
    if let Some(resync) = &parameters.resync {
        resync.tell(s, &selected)?;
    }
    s.selected = Some(selected);
    let code = if read_only { Code::ReadOnly } else { Code::ReadWrite };
    Ok(Outcome::ok("Ok").with_code(code))
}

/// The folder's messages. If it is the folder that was open before and nothing has changed in it,
/// the last scan is as good as a new one.
fn snapshot(s: &mut Session, folder: &Folder, mode: Mode) -> Result<Snapshot> {
    let dir = folder.enter_afresh().map_err(|e| s.store_error(e, CANNOT_OPEN))?;
    s.synchronise(&dir)?;
    s.store.values_matter.set(s.enabled.contains(Features::CONDSTORE));
    let is_same = |old: &mut Selected| {
        old.folder.dir == folder.dir && !folder.is_link() && old.snapshot.is_saved()
    };
    let mut before = s.left.take_if(is_same);
    if let Some(old) = &mut before {
        old.save_learned(s);
    }
    s.let_go_of_saved();
    let is_unchanged =
        |old: &Selected| old.mode() == mode && scan::is_unchanged(&dir, &old.snapshot);
    let before = match before {
        Some(old) if is_unchanged(&old) => return Ok(old.snapshot.reselected()),
        before => before.map(|old| old.snapshot),
    };
    let refused = |e| s.store_error(e, CANNOT_OPEN);
    let snapshot = scan::open(&s.store, &dir, mode).map_err(refused)?;
    match before {
        // What this session has told its client counts.
        Some(old) if old.is_contradicted_by(&snapshot) => {
            let scanned = scan::scan(&s.store, &dir, mode, Some(&old), Vec::new());
            Ok(scanned.map_err(refused)?.snapshot.with_recent_of(&snapshot))
        }
        _ => Ok(snapshot),
    }
}

/// Sends what a client is told of a folder that it opens.
fn announce(s: &mut Session, selected: &Selected) {
    selected.send_flags(s);
    selected.send_counts(s);
    let messages = &selected.snapshot.messages;
    // RFC 3501 6.3.1: the first unseen message, if there is one.
    let unseen = (0..messages.len()).find(|i| !messages.flags(*i).contains(Flags::SEEN));
    if let Some(index) = unseen {
        s.send_addition(&FolderCode::Unseen(index as u64 + 1));
    }
    s.send(&FolderCode::UidValidity(selected.snapshot.uid_validity));
    s.send_addition(&FolderCode::UidNext(selected.snapshot.uid_next));
    // RFC 7162 3.1.2 has it only for clients that have enabled CONDSTORE.
    if capability::is_offered(&s.options, "CONDSTORE") {
        let highest = selected.sequences().map(Sequences::highest);
        match highest.or(selected.snapshot.highest_until_made()) {
            Some(highest) => s.send(&FolderCode::HighestModSeq(highest)),
            None => s.send(&FolderCode::NoModSeq),
        }
    }
    s.send(&FolderCode::MyRights(selected.rights));
}
