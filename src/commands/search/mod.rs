//! SEARCH, SORT and THREAD (RFC 3501 6.4.4, RFC 5256, PROTOCOL 6.5 to 6.10): which messages match,
//! in which order, and who answers whom.
//!
//! [`keys`] reads the criteria, [`plan`] makes them ready for the folder, [`evaluate`] decides for
//! each message. [`sort`] and [`thread`] take what they need of a message that matches while it is
//! open.

mod digest;
mod evaluate;
mod forest;
mod keys;
mod link_cut;
mod mail;
mod multi;
mod plain;
mod plan;
mod references;
mod returns;
mod sort;
mod sources;
mod thread;

pub(super) use multi::{parse as parse_multi, run as run_multi};
pub(super) use plain::{parse as parse_search, run as run_search};
pub(super) use sort::{parse as parse_sort, run as run_sort};
pub(super) use thread::{parse as parse_thread, run as run_thread};

use crate::commands::{args, capability};
use crate::maildir::{self, Sequences};
use crate::mime::casemap::Comparator;
use crate::mime::charset;
use crate::session::message::{Message, Wants};
use crate::session::refusal::PROTOCOL_ERROR;
use crate::session::{Code, Outcome, Result, Selected, Session};
use crate::sys::breath::{self, Items};
use crate::sys::clock;
use crate::types::{Flags, ModSeq, Seq, Uid};
use crate::wire::{self, Token};
use evaluate::Evaluation;
use keys::Key;
use mail::{Folder, Mail};
use plan::Plan;
use std::io;

/// `search-key`s and the character set of their strings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Criteria {
    label: Vec<u8>,
    key: Key,
    comparator: Comparator,
    /// Whether they ask for modification sequences.
    by_sequence: bool,
}

impl Criteria {
    fn new(s: &Session, label: Vec<u8>, key: Key) -> Criteria {
        let by_sequence = asks_for_changes(&key);
        Criteria { label, key, comparator: comparator(s), by_sequence }
    }

    /// At the end of the line: what has to hold of the open folder, if it is searched.
    fn check(self, s: &mut Session) -> Result<Criteria> {
        if self.by_sequence {
            args::need_sequences(s)?;
        }
        Ok(self)
    }
}

/// From which modification sequence on a message is one that a client asks for (RFC 7162 3.1.5). It
/// knows those up to the value before, or has been told the value itself.
fn since(sequences: Option<&Sequences>, value: u64) -> u64 {
    let is_known = |value| sequences.is_some_and(|sequences| sequences.known(value) != 0);
    if is_known(value) || value.checked_sub(1).is_some_and(is_known) { value } else { 0 }
}

/// Whether a key asks for modification sequences. Recursion is bounded by the number of keys in a
/// command.
fn asks_for_changes(key: &Key) -> bool {
    match key {
        Key::Changed(_) => true,
        Key::Not(key) => asks_for_changes(key),
        Key::And(keys) | Key::Or(keys) => keys.iter().any(asks_for_changes),
        _ => false,
    }
}

/// How texts are compared.
fn comparator(s: &Session) -> Comparator {
    match capability::is_offered(&s.options, "I18NLEVEL=1") {
        true => Comparator::UnicodeCasemap,
        false => Comparator::Simple,
    }
}

/// The character set of strings where none is named.
const DEFAULT: &[u8] = b"UTF-8";

/// The name of a character set. Courier: an empty one is none, but with UTF8=ACCEPT it is refused.
fn label(s: &mut Session) -> Result<Vec<u8>> {
    let label = s.io.astring()?;
    Ok(if label.is_empty() && !s.utf8() { DEFAULT.to_vec() } else { label })
}

/// RFC 3501 6.4.4: NO, with BADCHARSET, for a character set that is not known.
fn known_charset(label: &[u8]) -> Result<()> {
    if charset::lookup(label).is_some() {
        return Ok(());
    }
    Outcome::no("The requested character set is not supported.")
        .with_code(Code::BadCharset)
        .refuse()
}

/// `1*(SP search-key)` and the end of the line. `first` is a first token that was read already.
///
/// A quoted string that is not UTF-8 is refused by NO (Courier), where RFC 9755 3 has BAD: JavaMail
/// writes Latin-1 there under UTF8=ACCEPT, and searches by itself after NO. After BAD it fails.
fn search_keys(s: &mut Session, first: Option<Token>) -> Result<Key> {
    let Session { io, options, .. } = s;
    keys::parse(io, first, &|word| capability::is_offered(options, word)).map_err(|e| match e {
        wire::Error::Syntax if io.is_ill_formed() => {
            Outcome::no(PROTOCOL_ERROR).with_code(Code::ClientBug).into()
        }
        e => e.into(),
    })
}

/// `search-criteria` of SORT and THREAD: the character set is mandatory (RFC 5256 5).
fn criteria(s: &mut Session) -> Result<Criteria> {
    let label = label(s)?;
    let key = search_keys(s, None)?;
    Criteria::new(s, label, key).check(s)
}

/// Whether SORT and THREAD may have strings in this character set.
fn check_charset(s: &Session, criteria: &Criteria) -> Result<()> {
    if s.utf8() && !criteria.label.eq_ignore_ascii_case(b"UTF-8") {
        return Outcome::bad("Only UTF-8 charset is valid after enabling RFC 6855 support")
            .with_code(Code::BadCharset)
            .refuse();
    }
    known_charset(&criteria.label)
}

/// The name of a key or an algorithm: an atom in any case, or (Courier, PROTOCOL 1.2) a quoted
/// string in upper case.
fn option_word(token: Token) -> Option<Vec<u8>> {
    match token {
        Token::Quoted(text) => Some(text),
        token => token.word(),
    }
}

/// The open folder, as evaluation asks it.
struct Live<'a> {
    selected: &'a mut Selected,
    /// Messages that turned out to have other flags than the client knows.
    renamed: Vec<usize>,
}

impl Folder for Live<'_> {
    fn uid(&self, index: usize) -> Option<Uid> {
        self.selected.snapshot.messages.uid(index)
    }

    fn flags(&self, index: usize) -> Flags {
        self.selected.snapshot.messages.flags(index)
    }

    fn recent(&self, index: usize) -> bool {
        self.selected.snapshot.messages.recent(index)
    }

    fn has_keyword(&self, index: usize, number: u32) -> bool {
        let snapshot = &self.selected.snapshot;
        snapshot.keywords.contains(snapshot.messages.keywords(index), number)
    }

    fn sequence(&self, index: usize) -> u64 {
        let Some(sequences) = &self.selected.snapshot.sequences else { return 0 };
        // What is not recorded is later than all values.
        let is_recorded = !sequences.is_news(index, u64::MAX);
        if is_recorded { sequences.of(index).get() } else { u64::MAX }
    }

    fn saved(&self, index: usize) -> Option<i64> {
        self.selected.snapshot.messages.saved(index)
    }

    fn recall(&mut self, index: usize, message: &mut Message, wants: &Wants) {
        self.selected.recall(index, message, wants);
    }

    fn open(&mut self, index: usize, message: &mut Message) -> bool {
        let opened = self.selected.open_message(index, message);
        self.note(index, opened)
    }

    fn stat(&mut self, index: usize, message: &mut Message) -> bool {
        let seen = self.selected.date_message(index, message);
        self.note(index, seen)
    }

    fn learn(&mut self, index: usize, message: &mut Message) {
        self.selected.learn(index, message);
    }

    fn unreadable(&self, index: usize, e: io::Error) {
        self.log(&self.selected.unreadable(index, e));
    }
}

impl Live<'_> {
    /// Takes note of a message that turned out to have other flags, and of one that cannot be
    /// opened. Whether it could.
    fn note(&mut self, index: usize, opened: std::result::Result<(), maildir::Error>) -> bool {
        if self.selected.snapshot.messages.take_changed(index) {
            self.renamed.push(index);
        }
        opened.inspect_err(|e| self.log(e)).is_ok()
    }

    /// A message that cannot be read matches nothing; the log says why. Not of one that is gone.
    fn log(&self, e: &maildir::Error) {
        let is_fault = match e.io() {
            Some(e) => !breath::is_interruption(e),
            None => false,
        };
        if is_fault {
            log::error!("{e}");
        }
    }
}

/// How many messages of a result are looked for, at either end of it. What lies between is not
/// searched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ends {
    /// So many of the first.
    first: usize,
    /// So many of the last.
    last: usize,
}

impl Ends {
    /// The whole result.
    const ALL: Ends = Ends { first: usize::MAX, last: 0 };
}

/// Hands every message that matches to `hit`, with its sequence number or UID: the first ones
/// ascending, then the last ones descending. Returns the messages that were found renamed.
///
/// What is learned of messages is saved on the way where it would be too much for the memory, so
/// that one search of a large folder leaves nothing to be learned.
fn find(
    (s, selected): (&Session, &mut Selected),
    uid: bool,
    criteria: Criteria,
    ends: Ends,
    mut hit: impl FnMut(u32, &mut Live<'_>, &mut Mail),
) -> Result<Vec<usize>> {
    let messages = &selected.snapshot.messages;
    let count = messages.len();
    let folder = plan::Folder {
        count: u32::try_from(count).unwrap_or(u32::MAX),
        last_uid: count.checked_sub(1).and_then(|last| messages.uid(last)).map(|uid| uid.get()),
        keyword: &|name| selected.snapshot.keywords.find(name),
        since: &|value| since(selected.snapshot.sequences.as_ref(), value),
        found: &selected.found,
        now: clock::now().0,
        comparator: criteria.comparator,
    };
    let plan = Plan::new(criteria.key, &criteria.label, &folder);
    let mut evaluation = Evaluation::new(&plan);
    let mut live = Live { selected, renamed: Vec::new() };
    let mut mail = Mail::default();
    let Ends { mut first, mut last } = ends;
    let mut left = 0..count;
    let mut items = Items::of(count);
    loop {
        let (index, wanted) = match (first, last) {
            (0, 0) => break,
            (0, _) => (left.next_back(), &mut last),
            _ => (left.next(), &mut first),
        };
        let Some(index) = index else { break };
        items.breathe()?;
        mail.turn_to(index);
        if evaluation.matches(&mut live, &mut mail) {
            let number = if uid {
                live.uid(index).map(Uid::get)
            } else {
                Seq::from_index(index).map(Seq::get)
            };
            debug_assert!(number.is_some(), "a message of this folder");
            let Some(number) = number else { continue };
            *wanted = wanted.saturating_sub(1);
            hit(number, &mut live, &mut mail);
        }
        mail.finish(&mut live);
        live.selected.save_learned_if_full(s);
    }
    // A message in whose middle it was time to end counts as one that does not match.
    breath::breathe()?;
    Ok(live.renamed)
}

/// Sends the flags of messages that were found renamed, behind the result (PROTOCOL 6.5).
fn send_renamed(s: &mut Session, selected: &mut Selected, renamed: &[usize]) {
    if selected.tells_sequences(s) {
        selected.record(s, renamed);
    }
    for index in renamed {
        selected.send_message_flags(s, *index, false);
    }
    selected.send_changes_of_others(s, false);
}

/// The greatest modification sequence of what was found, by sequence numbers or UIDs (RFC 7162
/// 3.1.6); `None` where nothing was.
fn highest(selected: &Selected, by_uid: bool, found: impl Iterator<Item = u32>) -> Option<ModSeq> {
    let messages = &selected.snapshot.messages;
    let index = |number: u32| match by_uid {
        true => messages.position(Uid::new(number)?).ok(),
        false => Some(number.checked_sub(1)? as usize),
    };
    let sequences = selected.snapshot.sequences.as_ref()?;
    found.filter_map(index).map(|index| sequences.of(index)).max()
}
