//! ESEARCH (RFC 7377): SEARCH in many folders.
//!
//! In a folder that is not open nothing is changed where each message has its UID. Mail that has
//! come in since anybody has opened the folder gets its UIDs as under EXAMINE, and is \Recent to no
//! later session: all that matches must be found (RFC 7377 2.1), and is named by UIDs. Where these
//! cannot be had (another session has the lock, the disk is full, the folder cannot be written), the
//! messages with UIDs are searched. A folder that is not there, may not be read, or fails, is left
//! out, and its name appears nowhere (RFC 7377 2.2, 5). So is one without modification sequences where
//! these are asked for: RFC 7162 3.1.2.2 has BAD for the open folder alone.

use super::returns::{self, Returns};
use super::sources::{self, Source};
use super::{Criteria, find, plain, send_renamed};
use crate::commands::Call;
use crate::maildir::scan::{self, Patience};
use crate::maildir::{self, Entered, Mode, Snapshot};
use crate::session::selected::Access;
use crate::session::{Error, Outcome, Result, Selected, Session};
use crate::sys::breath::Items;
use crate::types::FolderName;
use crate::wire::input::Brackets;

/// The arguments of ESEARCH.
pub(crate) struct Multi {
    sources: Vec<Source>,
    returns: Returns,
    criteria: Criteria,
}

/// `[SP esearch-source-opts] [SP search-return-opts] SP search-program`
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Multi> {
    let mut first = s.io.token_as(Brackets::Text)?;
    // RFC 7377 2.2: the open folder where none is named.
    let mut sources = vec![Source::Selected];
    if first.is("IN") {
        sources = sources::parse(s)?;
        first = s.io.token_as(Brackets::Text)?;
    }
    let (returns, first) = returns::leading(s, first, "ESEARCH")?;
    let returns = returns.unwrap_or(Returns::ALL);
    // RFC 7377 2.2: the open folder must be there, and SAVE is for it alone.
    let is_alone = sources.iter().all(|source| *source == Source::Selected);
    if (sources.contains(&Source::Selected) && s.selected.is_none())
        || (returns.saves() && !is_alone)
    {
        return Err(Error::Syntax);
    }
    let mut criteria = plain::program(s, first);
    if sources.contains(&Source::Selected) {
        criteria = criteria.and_then(|criteria| criteria.check(s));
    }
    let criteria = returns.or_forget(criteria, s.selected.as_mut())?;
    if criteria.by_sequence {
        s.enable_condstore();
    }
    Ok(Multi { sources, returns, criteria })
}

/// Searches one folder after the other.
pub(crate) fn run(s: &mut Session, call: &Call<'_>, search: Multi) -> Result<Outcome> {
    let folders = sources::folders(s, &search.sources)?;
    let mut items = Items::of(folders.len());
    let mut patience = Patience::Short;
    for name in folders {
        items.breathe()?;
        if s.is_open(&name) {
            s.with_selected(|s, selected| match selected {
                Some(selected) => search_open(s, selected, call, &search),
                None => Ok(()),
            })?;
        } else if let Some(mut folder) = look(s, name, &mut patience)? {
            let found = found(s, &mut folder, &search)?.0;
            let by_sequence = search.criteria.by_sequence;
            search.returns.send_of_folder(s, call, &folder, (&found, by_sequence));
            if folder.memory.has_learned(&folder.snapshot) && folder.snapshot.sequences.is_some() {
                // Before the next folder, which it delays by little beside the opening of so many
                // files.
                s.io.flush()?;
                folder.save_learned(s);
            }
        }
        s.io.flush_if_full()?;
    }
    Ok(Outcome::ok("ESEARCH done."))
}

/// Searches the open folder, as it is known.
fn search_open(
    s: &mut Session,
    selected: &mut Selected,
    call: &Call<'_>,
    search: &Multi,
) -> Result<()> {
    let (found, renamed) = found(s, selected, search)?;
    search.returns.save(selected, true, &found);
    let by_sequence = search.criteria.by_sequence;
    search.returns.send_of_folder(s, call, selected, (&found, by_sequence));
    send_renamed(s, selected, &renamed);
    Ok(())
}

/// The UIDs that match, ascending, and the messages that were found renamed.
fn found(s: &Session, folder: &mut Selected, search: &Multi) -> Result<(Vec<u32>, Vec<usize>)> {
    let mut found = Vec::new();
    if search.criteria.by_sequence && folder.snapshot.sequences.is_none() {
        return Ok((found, Vec::new()));
    }
    let criteria = search.criteria.clone();
    let ends = search.returns.ends();
    let renamed = find((s, folder), true, criteria, ends, |uid, _, _| found.push(uid))?;
    found.sort_unstable();
    Ok((found, renamed))
}

/// A folder, as it is for a moment; `None` for one that is not there or may not be read.
fn look(s: &Session, name: FolderName, patience: &mut Patience) -> Result<Option<Selected>> {
    // In this order: to ask for the rights of a folder that is not there leaves a list of them.
    let Ok(folder) = s.locate(Ok(name)) else { return Ok(None) };
    let Ok(rights) = s.rights(&folder.name) else { return Ok(None) };
    if !rights.has(b'r') {
        return Ok(None);
    }
    let snapshot = folder.enter_afresh().and_then(|dir| {
        if s.synchronise(&dir).is_err() {
            return Err(maildir::Error::Gone);
        }
        snapshot(s, &dir, patience)
    });
    match snapshot {
        Ok(snapshot) => {
            let access = Access { read_only: true, flags_are_fixed: true, rights };
            Ok(Some(Selected::new(folder, access, snapshot).with_memory(s)))
        }
        Err(maildir::Error::Stopped) => Err(s.stopped()),
        Err(e) => {
            s.log_store_error(&e);
            Ok(None)
        }
    }
}

/// The folder's messages. After a lock that could not be had no other one is waited for: they may be
/// many.
fn snapshot(
    s: &Session,
    dir: &Entered,
    patience: &mut Patience,
) -> std::result::Result<Snapshot, maildir::Error> {
    let scan = |patience| {
        let scanned = scan::scan(&s.store, dir, Mode::Search(patience), None, Vec::new());
        scanned.map(|scanned| scanned.snapshot)
    };
    match scan(*patience) {
        Err(maildir::Error::Locked) if *patience == Patience::Short => {
            *patience = Patience::None;
            scan(Patience::None)
        }
        scanned => scanned,
    }
}
