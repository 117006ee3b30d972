//! STORE with UNCHANGEDSINCE (RFC 7162 3.1.3): a message is changed only if nobody else has changed
//! it.
//!
//! The folder's lock is held while that is decided, and what other sessions have recorded is taken
//! over first. Who changes a message without the lock (Courier, a program) is found out by the
//! rename, which is tried from the known name only, and by the keywords, which are read under the
//! lock. One modification sequence stands for all that can change in a message, so a message is left
//! as it is, too, where only other flags were changed (RFC 7162 3.1.12 would allow to see through
//! that); its flags are sent, and the client can try again at once.

use super::{CANNOT, Change};
use crate::commands::Call;
use crate::commands::args::{self, Span};
use crate::commands::flags;
use crate::maildir::change::{Edit, Swap, swap_flags};
use crate::maildir::change_keywords::{HeldKeywords, KeywordEdit};
use crate::maildir::quota::{Doubts, Quota};
use crate::maildir::{self, Entered, record};
use crate::response::session::InvalidNumber;
use crate::session::refusal::vanished;
use crate::session::{Code, Error, Outcome, Result, Selected, Session};
use crate::sys::breath::Items;
use crate::types::{Flags, Operation, Seq};
use std::collections::HashSet;

/// What has come of it.
#[derive(Default)]
struct Done {
    /// Messages that are as the client wants them.
    stored: HashSet<usize>,
    /// Those of them that have changed.
    changed: Vec<usize>,
    /// Messages that were left as they were.
    modified: Vec<usize>,
    /// Whether a message is gone.
    missing: bool,
    /// Why a message could not be changed; the first reason.
    refused: Option<maildir::Error>,
}

/// One message after the other, under the lock.
struct Storing<'a> {
    selected: &'a mut Selected,
    dir: &'a Entered,
    edit: Edit<'a>,
    /// Messages that were found changed before, which is not recorded; ascending.
    unrecorded: &'a [usize],
    /// All that were found changed when the lock was taken, with the flags that they had.
    found: &'a HashSet<(usize, Flags)>,
    /// What is done with the keywords, if anything.
    keywords: Option<(HeldKeywords<'a>, KeywordEdit<'a>)>,
    done: Done,
}

impl Storing<'_> {
    /// Changes a message that has no greater modification sequence than the client knows.
    fn swap(&mut self, index: usize) -> std::result::Result<Swap, maildir::Error> {
        let snapshot = &mut self.selected.snapshot;
        let before = (snapshot.messages.flags(index), snapshot.messages.keywords(index));
        if let Some((held, edit)) = &mut self.keywords
            && held.swap(snapshot, index, *edit)? == Swap::Refused
        {
            return Ok(Swap::Refused);
        }
        let swapped = swap_flags(self.dir, &mut snapshot.messages, index, &self.edit);
        if !matches!(swapped, Ok(Swap::Done)) {
            if let Some((held, _)) = &mut self.keywords {
                held.put_back(snapshot, index, before.1)?;
            }
            return swapped;
        }
        if before != (snapshot.messages.flags(index), snapshot.messages.keywords(index)) {
            self.done.changed.push(index);
        }
        Ok(Swap::Done)
    }

    /// Whether somebody has changed a message, and no modification sequence says so: the search for
    /// another message that has a new name finds the new names of all.
    fn is_found_changed(&self, index: usize) -> bool {
        let messages = &self.selected.snapshot.messages;
        messages.is_changed(index) && !self.found.contains(&(index, messages.flags(index)))
            || self.unrecorded.binary_search(&index).is_ok()
    }

    /// Tries all messages. An error ends it; what was changed before stays.
    fn all(&mut self, spans: &[Span], since: u64) -> std::result::Result<(), maildir::Error> {
        let mut items = Items::of(args::count(spans));
        for span in spans {
            let Span::Messages(range) = span else { continue };
            for index in range.clone() {
                items.breathe()?;
                let sequences = self.selected.sequences();
                let is_known = sequences.is_some_and(|of| of.of(index).get() <= since);
                if !is_known || self.is_found_changed(index) {
                    self.done.modified.push(index);
                    continue;
                }
                match self.swap(index) {
                    Ok(Swap::Done) => drop(self.done.stored.insert(index)),
                    Ok(Swap::Refused) => self.done.modified.push(index),
                    Err(maildir::Error::Gone) => self.done.missing = true,
                    // That one file cannot be renamed says nothing of the next.
                    Err(e) if e.io().is_some() => {
                        self.done.refused.get_or_insert(e);
                    }
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }
}

/// Decides and changes, all under the lock, and records what was changed. Messages that others have
/// changed are recorded with it, for they are told.
fn store(
    s: &Session,
    selected: &mut Selected,
    change: &Change,
    (spans, since): (&[Span], u64),
) -> std::result::Result<Done, maildir::Error> {
    let dir = selected.folder.enter()?;
    let mut unrecorded = selected.unrecorded();
    unrecorded.sort_unstable();
    let turn = record::begin(&s.store, &dir, &mut selected.snapshot)?;
    if !turn.is_up_to_date() {
        // What others have done since is not known. The next scan finds it out.
        return Err(maildir::Error::Locked);
    }
    let found = selected.found_changed();
    let since = selected.sequences().map_or(0, |sequences| sequences.known(since));
    let doubts = Doubts::default();
    let folder = selected.folder.clone();
    let quota: Option<Quota<'_>> =
        Session::is_counted(&folder).then(|| folder.quota(&s.store.config).noting(&doubts));
    let edit = Edit::new(change.operation, change.list.flags, flags::allowed(selected.rights))
        .counted_by(quota.as_ref());
    let keywords = match s.options.keywords.is_on() {
        true => {
            let place = (&s.store, &*dir);
            let held = HeldKeywords::read(place, turn.lock(), &selected.snapshot.messages);
            match change.touches_keywords() && selected.rights.has(b'w') {
                true => {
                    let names = &*change.list.keywords;
                    Some((held?, KeywordEdit { operation: change.operation, names }))
                }
                // They are compared all the same, if they can be read.
                false => held
                    .ok()
                    .map(|held| (held, KeywordEdit { operation: Operation::Add, names: &[] })),
            }
        }
        false => None,
    };
    let mut storing = Storing {
        selected: &mut *selected,
        dir: &dir,
        edit,
        unrecorded: &unrecorded,
        found: &found,
        keywords,
        done: Done::default(),
    };
    let result = storing.all(spans, since);
    let mut done = storing.done;
    done.modified.sort_unstable();
    if doubts.are_any() {
        folder.quota(&s.store.config).resolve(&doubts);
    }
    if let Err(e) = result {
        if matches!(e, maildir::Error::Stopped) {
            return Err(e);
        }
        done.refused.get_or_insert(e);
    }
    let mut news = done.changed.clone();
    news.extend(unrecorded);
    news.extend(selected.found_changed().difference(&found).map(|(index, _)| *index));
    news.sort_unstable();
    news.dedup();
    if !news.is_empty() {
        turn.record(&mut selected.snapshot, &news);
    }
    selected.note_recorded();
    Ok(done)
}

/// Stores and tells.
pub(super) fn run(
    s: &mut Session,
    selected: &mut Selected,
    (call, change): (&Call<'_>, &Change),
    (spans, since): (Vec<Span>, u64),
) -> Result<Outcome> {
    let done = store(s, selected, change, (&spans, since)).map_err(|e| s.store_error(e, CANNOT))?;
    selected.announce_new_keywords(s);
    for span in &spans {
        let range = match span {
            Span::Invalid(n) => {
                s.send(&InvalidNumber(*n));
                continue;
            }
            Span::Messages(range) => range.clone(),
        };
        for index in range {
            let is_stored = done.stored.contains(&index);
            let is_changed = selected.snapshot.messages.take_changed(index);
            // RFC 7162 3.1.3: it "MUST be sent, even if the .SILENT suffix is specified", and with
            // the flags of a message that was left as it was, the client knows why.
            if is_stored && change.silent && !is_changed {
                selected.send_sequence(s, index);
            } else if is_stored || is_changed || done.modified.binary_search(&index).is_ok() {
                selected.send_message_flags(s, index, call.uid);
            }
            s.io.flush_if_full()?;
        }
    }
    selected.send_changes_of_others(s, call.uid);
    if change.touches_keywords() {
        selected.drop_unused_keywords(s);
    }
    outcome(s, selected, done, call.uid)
}

/// The answer. RFC 7162 3.1.3: the messages that were left as they were are named whatever else
/// there is to say.
fn outcome(s: &Session, selected: &Selected, done: Done, by_uid: bool) -> Result<Outcome> {
    let Done { modified, missing, refused, .. } = done;
    let messages = &selected.snapshot.messages;
    let numbers = modified.into_iter().filter_map(|index| match by_uid {
        true => messages.uid(index).map(|uid| uid.get()),
        false => Seq::from_index(index).map(Seq::get),
    });
    let numbers: Vec<u32> = numbers.collect();
    let outcome = match refused.map(|e| s.store_error(e, CANNOT)) {
        Some(Error::Refused(outcome)) => *outcome,
        Some(e) => return Err(e),
        None if missing => vanished(),
        None if numbers.is_empty() => return Ok(Outcome::ok("STORE completed.")),
        None => Outcome::ok("Some of the messages were changed by others."),
    };
    Ok(if numbers.is_empty() { outcome } else { outcome.with_code(Code::Modified(numbers)) })
}
