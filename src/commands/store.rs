//! STORE (PROTOCOL 6.2): flags and keywords of messages.

mod conditional;

use super::args::{self, Span, Which};
use super::flags::{self, FlagList};
use super::{Call, capability};
use crate::maildir::change::{self, Edit};
use crate::maildir::change_keywords::{KeywordEdit, store_keywords};
use crate::maildir::quota::Doubts;
use crate::maildir::{self, KeywordMode, keyword_limit};
use crate::response::session::InvalidNumber;
use crate::session::refusal::vanished;
use crate::session::{Error, Outcome, Result, Selected, Session};
use crate::sys::breath::Items;
use crate::types::{Flags, Operation, SetId};
use crate::wire::Token;

/// The messages, and what is done with which flags.
pub(crate) struct Change {
    which: Which,
    operation: Operation,
    /// Whether the new flags are not sent.
    silent: bool,
    list: FlagList,
    /// `UNCHANGEDSINCE`: only messages with no greater modification sequence (RFC 7162 3.1.3).
    unchanged_since: Option<u64>,
}

impl Change {
    /// Whether it can change the keywords of a message.
    fn touches_keywords(&self) -> bool {
        self.operation == Operation::Replace || !self.list.keywords.is_empty()
    }
}

/// `"(" store-modifier *(SP store-modifier) ")"` (RFC 4466 2.5), behind the parenthesis.
fn modifiers(s: &mut Session) -> Result<u64> {
    if !s.io.token()?.is("UNCHANGEDSINCE") {
        return Err(Error::Syntax);
    }
    let since = args::mod_sequence(s)?;
    // RFC 7162 7: "Only a single UNCHANGEDSINCE may be specified", and there is no other.
    if s.io.token()? == Token::Close { Ok(since) } else { Err(Error::Syntax) }
}

/// `sequence-set [SP store-modifiers] SP store-att-flags`
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Change> {
    let which = args::set(s)?;
    let (mut unchanged_since, mut token) = (None, s.io.token()?);
    if token == Token::Open && capability::is_offered(&s.options, "CONDSTORE") {
        unchanged_since = Some(modifiers(s)?);
        token = s.io.token()?;
    }
    let word = token.word().ok_or(Error::Syntax)?;
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
    if unchanged_since.is_some() {
        args::need_sequences(s)?;
    }
    Ok(Change { which, operation, silent, list, unchanged_since })
}

/// A STORE on its way through the messages.
struct Storing<'a> {
    s: &'a mut Session,
    selected: &'a mut Selected,
    change: &'a Change,
    by_uid: bool,
    /// The flags and keywords that messages had which were changed, or are to be.
    before: Vec<(Flags, SetId)>,
    /// Whether a message turned out to be gone.
    missing: bool,
    /// The refusal of the first message that could not be changed.
    refused: Option<Error>,
    /// Of the quota.
    doubts: Doubts,
}

const CANNOT: &str = "[ALERT] Cannot store flags - no write permission or out of disk space.";

impl Storing<'_> {
    /// Changes the messages and sends their flags. The keywords of all of them are changed at once,
    /// for that may take the folder's lock and a reading of all its keywords.
    fn all(&mut self, spans: &[Span]) -> Result<()> {
        let mut changed = Vec::new();
        let mut items = Items::of(args::count(spans));
        let result =
            spans.iter().try_for_each(|span| self.change_flags_of(span, &mut items, &mut changed));
        drop(items);
        if self.doubts.are_any() {
            self.selected.folder.quota(&self.s.store.config).resolve(&self.doubts);
        }
        // Messages that were changed before a failure are still sent, ahead of the NO.
        let result = result.and(self.change_keywords(&changed));
        if self.s.options.keywords == KeywordMode::Careful {
            // Keywords that another session has added in between are kept, and new to the client.
            self.selected.announce_new_keywords(self.s);
        }
        let messages = &self.selected.snapshot.messages;
        let now = |i: &usize| (messages.flags(*i), messages.keywords(*i));
        let was = changed.iter().zip(&self.before);
        let mut news: Vec<usize> =
            was.filter(|(i, before)| now(i) != **before).map(|(i, _)| *i).collect();
        news.sort_unstable();
        self.selected.record(self.s, &news);
        self.tell(spans, changed, &news)?;
        result
    }

    /// Sends the flags of these messages, of which some are other flags now.
    fn tell(&mut self, spans: &[Span], changed: Vec<usize>, news: &[usize]) -> Result<()> {
        let mut changed = changed.into_iter().peekable();
        let tells_sequences = self.selected.tells_sequences(self.s);
        for span in spans {
            let range = match span {
                Span::Invalid(n) => {
                    self.s.send(&InvalidNumber(*n));
                    continue;
                }
                Span::Messages(range) => range,
            };
            while let Some(index) = changed.next_if(|index| range.contains(index)) {
                // RFC 3501 6.4.6: .SILENT keeps back what the client knows, not what others have
                // changed meanwhile.
                if self.selected.snapshot.messages.take_changed(index) || !self.change.silent {
                    self.selected.send_message_flags(self.s, index, self.by_uid);
                } else if tells_sequences && news.binary_search(&index).is_ok() {
                    self.selected.send_sequence(self.s, index);
                }
                self.s.io.flush_if_full()?;
            }
        }
        self.selected.send_changes_of_others(self.s, self.by_uid);
        Ok(())
    }

    /// Changes the system flags of some of the messages; adds those that are still there to
    /// `changed`.
    fn change_flags_of(
        &mut self,
        span: &Span,
        items: &mut Items,
        changed: &mut Vec<usize>,
    ) -> Result<()> {
        let Span::Messages(range) = span else { return Ok(()) };
        for index in range.clone() {
            items.breathe()?;
            let messages = &self.selected.snapshot.messages;
            let before = (messages.flags(index), messages.keywords(index));
            match self.change_flags(index) {
                Ok(true) => {
                    changed.push(index);
                    self.before.push(before);
                }
                Ok(false) => self.missing = true,
                // That one file cannot be renamed says nothing of the next. (Its name may be as
                // long as a name can be.)
                Err(e) if e.io().is_some() => {
                    if self.refused.is_none() {
                        self.refused = Some(self.s.store_error(e, CANNOT));
                    }
                }
                Err(e) => return Err(self.s.store_error(e, CANNOT)),
            }
        }
        Ok(())
    }

    /// Changes the system flags of one message; whether it is still there.
    fn change_flags(&mut self, index: usize) -> std::result::Result<bool, maildir::Error> {
        let (s, folder, doubts) = (&*self.s, &self.selected.folder, &self.doubts);
        let quota = || folder.quota(&s.store.config).noting(doubts);
        let quota = Session::is_counted(folder).then(quota);
        let allowed = flags::allowed(self.selected.rights);
        let edit = Edit::new(self.change.operation, self.change.list.flags, allowed)
            .counted_by(quota.as_ref());
        let messages = &mut self.selected.snapshot.messages;
        let dir = folder.enter();
        match dir.and_then(|dir| change::store_flags(&dir, messages, index, &edit)) {
            Ok(_) => Ok(true),
            Err(maildir::Error::Gone) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Changes the keywords of these messages at once, with one lock where there is one.
    fn change_keywords(&mut self, which: &[usize]) -> Result<()> {
        let (s, change) = (&*self.s, self.change);
        if !change.touches_keywords()
            || !s.options.keywords.is_on()
            || !self.selected.rights.has(b'w')
        {
            return Ok(());
        }
        let snapshot = &mut self.selected.snapshot;
        let edit = KeywordEdit { operation: change.operation, names: &change.list.keywords };
        let dir = self.selected.folder.enter();
        dir.and_then(|dir| store_keywords(&s.store, &dir, snapshot, which, edit))
            // Courier: its spelling.
            .map_err(|e| s.store_error(e, "An error occured while updating keywords"))
    }
}

/// Changes the messages one by one. A STORE that fails has changed and told those that it could.
pub(crate) fn run(
    s: &mut Session,
    selected: &mut Selected,
    call: &Call<'_>,
    change: Change,
) -> Result<Outcome> {
    let spans = args::spans(&change.which, call.uid, selected);
    if selected.rights.has(b'w') {
        if change.operation != Operation::Remove {
            keyword_limit::check_snapshot(&selected.snapshot, &change.list.keywords)
                .map_err(|e| s.store_error(e, CANNOT))?;
        }
        selected.announce_keywords(s, &change.list.keywords);
    }
    if let Some(since) = change.unchanged_since {
        return conditional::run(s, selected, (call, &change), (spans, since));
    }
    let by_uid = call.uid;
    let doubts = Doubts::default();
    let mut storing = Storing {
        s,
        selected,
        change: &change,
        by_uid,
        before: Vec::new(),
        missing: false,
        refused: None,
        doubts,
    };
    storing.all(&spans)?;
    let Storing { missing, refused, .. } = storing;
    if change.touches_keywords() {
        selected.drop_unused_keywords(s);
    }
    if let Some(refusal) = refused {
        return Err(refusal);
    }
    // RFC 2180 4.2.1: with .SILENT, nothing was to be sent of those that are gone.
    if missing && !change.silent {
        return Ok(vanished());
    }
    Ok(Outcome::ok("STORE completed."))
}
