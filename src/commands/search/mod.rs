//! SEARCH, SORT and THREAD (RFC 3501 6.4.4, RFC 5256, PROTOCOL 6.5 to 6.10): which messages, in
//! which order, who answers whom.
//!
//! [`keys`] reads the criteria, [`plan`] makes them ready for the folder, [`evaluate`] asks each
//! message; [`sort`] and [`thread`] take what they need of a message that matches while it is open.

mod evaluate;
mod forest;
mod keys;
mod link_cut;
mod plan;
mod references;
pub(crate) mod sort;
pub(crate) mod thread;

use super::Call;
use crate::mime::charset;
use crate::session::facts::{self, Reader};
use crate::session::{Error, Outcome, Result, Selected, Session};
use crate::sys::clock;
use crate::types::{Flags, number};
use crate::wire::Token;
use crate::wire::input::Brackets;
use evaluate::{Evaluation, Folder, Mail};
use keys::Key;
use plan::Plan;
use std::time::Duration;

/// `search-key`s and the character set of their strings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Criteria {
    label: Vec<u8>,
    key: Key,
}

/// SEARCH.
pub(crate) mod plain {
    use super::*;

    /// `["CHARSET" SP astring] 1*(SP search-key)`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Criteria> {
        let first = s.io.token_as(Brackets::Text)?;
        if !first.is("CHARSET") {
            let key = keys::parse(&mut s.io, Some(first))?;
            return Ok(Criteria { label: b"UTF-8".to_vec(), key });
        }
        let label = s.io.astring()?;
        // Courier judges the character set before the keys: a client need not send literals in one
        // that is of no use.
        if s.selected.is_none() {
            return Err(Error::Syntax);
        }
        if s.utf8 {
            // RFC 6855 3: "it SHOULD reject the command with a BAD response". Courier: NO.
            return Outcome::bad("CHARSET is not valid in UTF8 mode as per RFC 6855").refuse();
        }
        known_charset(&label)?;
        let key = keys::parse(&mut s.io, None)?;
        Ok(Criteria { label, key })
    }

    /// Tells the messages that match, ascending.
    pub(crate) fn run(s: &mut Session, call: &Call, criteria: Criteria) -> Result<Outcome> {
        let mut line = b"* SEARCH".to_vec();
        let renamed = find(s, call.uid, criteria, |number, _, _| {
            line.push(b' ');
            number::push(&mut line, u64::from(number));
        })?;
        line.extend_from_slice(b"\r\n");
        answer(s, &line, &renamed);
        Ok(Outcome::ok("SEARCH done."))
    }
}

/// RFC 3501 6.4.4: NO, with BADCHARSET, for a character set that is not known.
fn known_charset(label: &[u8]) -> Result<()> {
    if charset::lookup(label).is_some() {
        return Ok(());
    }
    Outcome::no("The requested character set is not supported.").with_code("BADCHARSET").refuse()
}

/// `search-criteria` of SORT and THREAD: the character set is mandatory (RFC 5256 5).
fn criteria(s: &mut Session) -> Result<Criteria> {
    let label = s.io.astring()?;
    let key = keys::parse(&mut s.io, None)?;
    Ok(Criteria { label, key })
}

/// Whether SORT and THREAD may be used. Courier says so before it reads their arguments.
fn is_on(s: &Session) -> Result<()> {
    if s.options.disable_thread_sort && s.selected.is_some() {
        return Outcome::no("This command is disabled by the system administrator.").refuse();
    }
    Ok(())
}

/// Whether SORT and THREAD may have strings in this character set.
fn may_use(s: &Session, criteria: &Criteria) -> Result<()> {
    if s.utf8 && !criteria.label.eq_ignore_ascii_case(b"UTF-8") {
        return Outcome::bad("Only UTF-8 charset is valid after enabling RFC 6855 support")
            .with_code("BADCHARSET")
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

/// The open folder, for the evaluation.
struct Live<'a> {
    selected: &'a mut Selected,
    /// Messages that turned out to have other flags than the client knows.
    renamed: Vec<usize>,
}

impl Folder for Live<'_> {
    fn uid(&self, index: usize) -> u32 {
        self.selected.snapshot.messages.uid(index).map_or(0, |uid| uid.get())
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

    fn open(&mut self, index: usize, reader: &mut Reader) -> bool {
        let opened = facts::open(self.selected, index, reader).is_ok();
        self.note(index);
        opened
    }

    fn look(&mut self, index: usize, reader: &mut Reader) -> bool {
        let seen = facts::look(self.selected, index, reader).is_ok();
        self.note(index);
        seen
    }
}

impl Live<'_> {
    /// Notes whether the message turned out to have other flags.
    fn note(&mut self, index: usize) {
        if self.selected.snapshot.messages.take_changed(index) {
            self.renamed.push(index);
        }
    }
}

/// How often a long search lets signals in.
const BREATH: Duration = Duration::from_millis(500);

/// Hands every message that matches to `hit`, ascending, with its sequence number or UID; the
/// messages found renamed.
fn find(
    s: &mut Session,
    uid: bool,
    criteria: Criteria,
    mut hit: impl FnMut(u32, &mut Live<'_>, &mut Mail),
) -> Result<Vec<usize>> {
    let Session { io, selected, .. } = s;
    let Some(selected) = selected else { return Err(Error::Syntax) };
    let messages = &selected.snapshot.messages;
    let count = messages.len();
    let folder = plan::Folder {
        count: u32::try_from(count).unwrap_or(u32::MAX),
        last_uid: count.checked_sub(1).and_then(|last| messages.uid(last)).map(|uid| uid.get()),
        keyword: &|name| selected.snapshot.keywords.find(name),
    };
    let plan = Plan::new(criteria.key, &criteria.label, &folder);
    let mut evaluation = Evaluation::new(&plan);
    let mut live = Live { selected, renamed: Vec::new() };
    let mut mail = Mail::default();
    let mut next_breath = clock::monotonic() + BREATH;
    for index in 0..count {
        mail.turn_to(index);
        if evaluation.matches(&mut live, &mut mail) {
            let number = if uid {
                live.uid(index)
            } else {
                u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
            };
            hit(number, &mut live, &mut mail);
        }
        let now = clock::monotonic();
        if now >= next_breath {
            io.wait(None, Some(now + Duration::from_micros(1)))?;
            next_breath = now + BREATH;
        }
    }
    Ok(live.renamed)
}

/// Writes the result, then the FETCH lines of messages found renamed (PROTOCOL 6.5).
fn answer(s: &mut Session, line: &[u8], renamed: &[usize]) {
    s.io.out.extend_from_slice(line);
    if let Some(selected) = &s.selected {
        for index in renamed {
            selected.push_fetch_flags(&mut s.io.out, *index, false);
        }
    }
}
