//! ESEARCH (RFC 7377): SEARCH in many folders.
//!
//! A folder that is not open is looked at as STATUS does it: nothing is moved, no UID is given, and
//! nothing stops being \Recent. So what has come in since anybody has opened it is not found: it
//! has no UID yet by which it could be named. A folder that is not there, may not be read, or fails,
//! is left out, and its name appears nowhere (RFC 7377 2.2, 5).

use super::returns::{self, Returns};
use super::sources::{self, Source};
use super::{Criteria, find, plain, send_renamed};
use crate::commands::Call;
use crate::maildir::{self, scan};
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
    let criteria = plain::program(s, first);
    let criteria = returns.or_forget(criteria, s.selected.as_mut())?;
    Ok(Multi { sources, returns, criteria })
}

/// Searches one folder after the other.
pub(crate) fn run(s: &mut Session, call: &Call<'_>, search: Multi) -> Result<Outcome> {
    let folders = sources::folders(s, &search.sources)?;
    let mut items = Items::of(folders.len());
    for name in folders {
        items.breathe()?;
        if s.is_open(&name) {
            s.with_selected(|s, selected| match selected {
                Some(selected) => search_open(s, selected, call, &search),
                None => Ok(()),
            })?;
        } else if let Some(mut folder) = look(s, name)? {
            let found = found(&mut folder, &search)?.0;
            search.returns.send_of_folder(s, call, &folder, &found);
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
    let (found, renamed) = found(selected, search)?;
    search.returns.save(selected, true, &found);
    search.returns.send_of_folder(s, call, selected, &found);
    send_renamed(s, selected, &renamed);
    Ok(())
}

/// The UIDs that match, ascending, and the messages that were found renamed.
fn found(folder: &mut Selected, search: &Multi) -> Result<(Vec<u32>, Vec<usize>)> {
    let mut found = Vec::new();
    let criteria = search.criteria.clone();
    let renamed = find(folder, true, criteria, search.returns.ends(), |uid, _, _| found.push(uid))?;
    found.sort_unstable();
    Ok((found, renamed))
}

/// A folder, as it is for a moment; `None` for one that is not there or may not be read.
fn look(s: &Session, name: FolderName) -> Result<Option<Selected>> {
    let Ok(rights) = s.rights(&name) else { return Ok(None) };
    if !rights.has(b'r') {
        return Ok(None);
    }
    let Ok(folder) = s.locate(Ok(name)) else { return Ok(None) };
    let snapshot = folder.enter_afresh().and_then(|dir| {
        if s.synchronise(&dir).is_err() {
            return Ok(None);
        }
        scan::look(&s.store, &dir)
    });
    match snapshot {
        Ok(Some(snapshot)) => {
            let access = Access { read_only: true, flags_are_fixed: true, rights };
            Ok(Some(Selected::new(folder, access, snapshot)))
        }
        Ok(None) => Ok(None),
        Err(maildir::Error::Stopped) => Err(s.stopped()),
        Err(e) => {
            s.log_store_error(&e);
            Ok(None)
        }
    }
}
