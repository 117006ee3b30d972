//! STORE (PROTOCOL 6.2): flags and keywords of messages.

use crate::commands::Call;
use crate::commands::args::{self, Piece};
use crate::commands::flags::{self, FlagList};
use crate::maildir::change::{self, Edit};
use crate::maildir::quota::Quota;
use crate::maildir::{self, KeywordMode};
use crate::session::{Error, Outcome, Result, Session};
use crate::types::Operation;
use crate::wire::Set;

/// The messages, the verb, whether to answer, the flags.
pub(crate) struct Arguments {
    set: Set,
    operation: Operation,
    silent: bool,
    list: FlagList,
}

/// `sequence-set SP store-att-flags`
pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Arguments> {
    let set = args::set(s)?;
    let word = s.io.token()?.word().ok_or(Error::Syntax)?;
    let (operation, word) = match word.split_first() {
        Some((b'+', rest)) => (Operation::Add, rest),
        Some((b'-', rest)) => (Operation::Remove, rest),
        _ => (Operation::Replace, &*word),
    };
    let silent = match word {
        b"FLAGS" => false,
        b"FLAGS.SILENT" => true,
        _ => return Err(Error::Syntax),
    };
    let list = FlagList::parse_to_end(s)?;
    Ok(Arguments { set, operation, silent, list })
}

/// Changes the system flags of one message; whether it is still there.
fn change_flags(s: &mut Session, index: usize, a: &Arguments) -> Result<bool> {
    let Session { selected: Some(selected), store, .. } = s else { return Ok(false) };
    // (The setting is nothing to STORE: the file alone counts, STORAGE 7.4.)
    let quota = Session::is_counted(&selected.folder)
        .then(|| Quota::new(&selected.folder.at.root, &store.config));
    let edit = Edit::new(a.operation, a.list.flags, flags::allowed(selected.rights))
        .counted_by(quota.as_ref());
    match change::store_flags(&selected.dir, &mut selected.snapshot.messages, index, &edit) {
        Ok(_) => Ok(true),
        Err(maildir::Error::Gone) => Ok(false),
        Err(e) => Err(s.store_error(
            e,
            "[ALERT] Cannot store flags - no write permission or out of disk space.",
        )),
    }
}

/// Changes the keywords of these messages, in one go: one lock where there is one.
fn change_keywords(s: &mut Session, which: &[usize], a: &Arguments) -> Result<()> {
    let Session { selected: Some(selected), store, options, .. } = s else { return Ok(()) };
    let touched = a.operation == Operation::Replace || !a.list.keywords.is_empty();
    if !touched || !options.keywords.is_on() || !selected.rights.has(b'w') {
        return Ok(());
    }
    change::store_keywords(
        store,
        &selected.dir,
        &mut selected.snapshot,
        which,
        a.operation,
        &a.list.keywords,
    )
    .map_err(|e| s.store_error(e, "An error occured while updating keywords"))
}

/// Changes a stretch of messages and tells what came of it.
fn change_stretch(
    s: &mut Session,
    range: std::ops::Range<usize>,
    a: &Arguments,
    uid: bool,
    missing: &mut bool,
) -> Result<()> {
    let mut changed = Vec::with_capacity(range.len());
    let mut result = Ok(());
    for index in range {
        match change_flags(s, index, a) {
            Ok(true) => changed.push(index),
            Ok(false) => *missing = true,
            Err(e) => {
                result = Err(e);
                break;
            }
        }
    }
    // What was changed before is told before the refusal.
    let result = result.and(change_keywords(s, &changed, a));
    if s.options.keywords == KeywordMode::Careful
        && let Some(selected) = &mut s.selected
    {
        // What another session has added in between is merged, and new to the client.
        selected.learn_keywords(&mut s.io.out, true);
    }
    for index in changed {
        let Some(selected) = &mut s.selected else { break };
        // RFC 3501 6.4.6: .SILENT keeps back what the client knows, not what others have changed
        // meanwhile.
        if selected.snapshot.messages.take_changed(index) || !a.silent {
            selected.push_fetch_flags(&mut s.io.out, index, uid);
            s.io.flush_if_full()?;
        }
    }
    result
}

/// Changes the messages one by one; a STORE that fails half-way has changed those before.
pub(crate) fn run(s: &mut Session, call: &Call, a: Arguments) -> Result<Outcome> {
    let may_add = s.options.keywords.is_on();
    let Some(selected) = &mut s.selected else { return Err(Error::Syntax) };
    let pieces = args::pieces(&a.set, call.uid, &selected.snapshot.messages);
    let new: Vec<Vec<u8>> =
        a.list.keywords.iter().filter(|k| !selected.knows_keyword(k)).cloned().collect();
    if !new.is_empty() && selected.rights.has(b'w') {
        selected.keywords.extend(new);
        selected.push_flag_lines(&mut s.io.out, &selected.keywords, may_add);
    }
    let mut missing = false;
    for piece in pieces {
        match piece {
            Piece::Invalid(n) => args::invalid_number(&mut s.io.out, n),
            Piece::Messages(range) => change_stretch(s, range, &a, call.uid, &mut missing)?,
        }
    }
    let touched = a.operation == Operation::Replace || !a.list.keywords.is_empty();
    if let Some(selected) = s.selected.as_mut().filter(|_| touched) {
        selected.forget_unused_keywords(&mut s.io.out, may_add);
    }
    // RFC 2180 4.2.1: with .SILENT, nothing was to be told of those that are gone.
    if missing && !a.silent {
        // RFC 2180 4.2.3, RFC 5530 3: the others were changed, and told.
        return Ok(Outcome::no("Some of the requested messages no longer exist.")
            .with_added_code("EXPUNGEISSUED"));
    }
    Ok(Outcome::ok("STORE completed."))
}
