//! GETMETADATA (RFC 5464 4.2).

use super::{entry, special_use};
use crate::commands::Call;
use crate::commands::args::Mailbox;
use crate::maildir::metadata::{Annotations, Contents};
use crate::maildir::special_use::Uses;
use crate::response::metadata::{Metadata, MetadataCode};
use crate::session::annotations::Scope;
use crate::session::folder::Folder;
use crate::session::{Code, Error, Outcome, Result, Session};
use crate::types::{EntryName, number};
use crate::wire::Token;
use crate::wire::input::Brackets;
use std::cell::OnceCell;
use std::collections::HashSet;

/// How far below a name annotations are asked for (4.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Depth {
    /// The name itself.
    #[default]
    Zero,
    /// And those immediately below it.
    One,
    /// And all below it.
    Infinity,
}

/// What is asked for.
#[derive(Clone, Default, Debug)]
pub(crate) struct Query {
    pub(super) depth: Depth,
    /// Longer values are left out (4.2.1).
    max_size: Option<u64>,
    pub(super) entries: Vec<EntryName>,
    /// What the account's folders are used for, once it is known.
    pub(super) uses: OnceCell<Uses>,
    /// What the account's owner keeps about folders of others, once it is read.
    account: OnceCell<Option<Contents>>,
}

/// The arguments.
pub(crate) struct Question {
    mailbox: Mailbox,
    query: Query,
}

/// Strings up to the closing parenthesis.
fn list(s: &mut Session) -> Result<Vec<Vec<u8>>> {
    let mut texts = Vec::new();
    loop {
        match s.io.token_as(Brackets::Text)? {
            Token::Close => return Ok(texts),
            token => texts.push(s.io.text_of(token)?),
        }
    }
}

/// `getmetadata-options`, between their parentheses.
fn options(texts: &[Vec<u8>]) -> Result<Query> {
    let mut query = Query::default();
    let mut words = texts.iter().map(|text| text.to_ascii_uppercase());
    while let Some(option) = words.next() {
        let value = words.next().ok_or(Error::Syntax)?;
        match &*option {
            b"MAXSIZE" => query.max_size = Some(number::digits(&value).ok_or(Error::Syntax)?),
            b"DEPTH" => {
                query.depth = match &*value {
                    b"0" => Depth::Zero,
                    b"1" => Depth::One,
                    b"INFINITY" => Depth::Infinity,
                    _ => return Err(Error::Syntax),
                }
            }
            _ => return Err(Error::Syntax),
        }
    }
    if texts.is_empty() { Err(Error::Syntax) } else { Ok(query) }
}

/// `entries`, from their first token; also several without parentheses, as in an example of RFC
/// 5464 4.4.1.
fn entries(s: &mut Session, first: Token) -> Result<Vec<Vec<u8>>> {
    if first == Token::Open {
        let texts = list(s)?;
        s.io.end_of_line()?;
        return Ok(texts);
    }
    let mut texts = vec![s.io.text_of(first)?];
    loop {
        match s.io.token_as(Brackets::Text)? {
            Token::Eol => return Ok(texts),
            token => texts.push(s.io.text_of(token)?),
        }
    }
}

impl Query {
    /// The names that are asked for, each once. Only together with those below it may a name be one
    /// that has no value.
    fn ask(mut self, texts: &[Vec<u8>]) -> Result<Query> {
        let mut known = HashSet::new();
        for text in texts {
            let name = entry(text)?;
            if self.depth == Depth::Zero && !name.is_complete() {
                return Err(Error::Syntax);
            }
            if known.insert(name.as_bytes().to_vec()) {
                self.entries.push(name);
            }
        }
        if self.entries.is_empty() { Err(Error::Syntax) } else { Ok(self) }
    }
}

/// `[getmetadata-options SP] mailbox SP entries`; the options may also come behind the mailbox, as
/// in the examples of RFC 5464 4.2.
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Question> {
    let mut query = None;
    let mut token = s.io.token_as(Brackets::Text);
    if token == Ok(Token::Open) {
        query = Some(options(&list(s)?)?);
        token = s.io.token_as(Brackets::Text);
    }
    let mailbox = Mailbox::of(s, token)?;
    let mut first = s.io.token_as(Brackets::Text)?;
    if first == Token::Open && query.is_none() {
        let texts = list(s)?;
        if texts.first().is_none_or(|text| text.starts_with(b"/")) {
            s.io.end_of_line()?;
            return Ok(Question { mailbox, query: Query::default().ask(&texts)? });
        }
        query = Some(options(&texts)?);
        first = s.io.token_as(Brackets::Text)?;
    }
    let texts = entries(s, first)?;
    Ok(Question { mailbox, query: query.unwrap_or_default().ask(&texts)? })
}

/// What RETURN asks for in LIST: `"METADATA" SP entries` (RFC 9590 5). The options of GETMETADATA are
/// taken, too.
pub(crate) fn parse_return(s: &mut Session) -> Result<Query> {
    let mut texts = strings(s)?;
    let mut query = Query::default();
    if texts.first().is_some_and(|text| !text.starts_with(b"/")) {
        query = options(&texts)?;
        texts = strings(s)?;
    }
    query.ask(&texts)
}

/// One string, or several in parentheses.
fn strings(s: &mut Session) -> Result<Vec<Vec<u8>>> {
    match s.io.token_as(Brackets::Text)? {
        Token::Open => list(s),
        token => Ok(vec![s.io.text_of(token)?]),
    }
}

/// What was found.
#[derive(Default)]
pub(crate) struct Found {
    /// Names and values; `None`: it has none.
    pub(crate) entries: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The names of `entries`, in lower case: with DEPTH, names may stand below each other.
    known: HashSet<Vec<u8>>,
    /// The length of the longest value that was left out.
    longest: Option<u64>,
}

impl Found {
    /// Adds a value, unless it is too long.
    fn add(&mut self, name: Vec<u8>, value: &[u8], max_size: Option<u64>) {
        let length = value.len() as u64;
        if max_size.is_some_and(|most| length > most) {
            self.longest = self.longest.max(Some(length));
        } else if self.known.insert(name.to_ascii_lowercase()) {
            self.entries.push((name, Some(value.to_vec())));
        }
    }

    /// Adds what a query asks for by one name. A name without a value is told to have none, unless
    /// it stands above others that have one.
    fn look_up(&mut self, query: &Query, name: &EntryName, annotations: &Annotations) {
        let mut is_there = false;
        if let Some(value) = annotations.get(name) {
            is_there = true;
            self.add(name.spelled().to_vec(), value, query.max_size);
        }
        if query.depth != Depth::Zero {
            let begin = name.spelled().len().saturating_add(1);
            for (below, value) in annotations.below(name) {
                let rest = below.get(begin..).unwrap_or_default();
                if query.depth == Depth::Infinity || !rest.contains(&b'/') {
                    is_there = true;
                    self.add(below, value, query.max_size);
                }
            }
        }
        if !is_there && self.known.insert(name.spelled().to_ascii_lowercase()) {
            self.entries.push((name.spelled().to_vec(), None));
        }
    }
}

/// Looks up what is asked for of a folder, or of the server.
pub(crate) fn find(s: &Session, folder: Option<&Folder>, query: &Query) -> Result<Found> {
    let (mut private, mut shared) = (None, None);
    let mut found = Found::default();
    for name in &query.entries {
        let (read, scope) = if name.is_private() {
            (&mut private, Scope::Private)
        } else {
            (&mut shared, Scope::Shared)
        };
        let annotations = match read {
            Some(annotations) => annotations,
            None => {
                let read = read.insert(s.annotations_once(folder, scope, &query.account)?);
                if let Some(folder) = folder.filter(|_| scope == Scope::Private) {
                    special_use::add(s, folder, query, read)?;
                }
                read
            }
        };
        found.look_up(query, name, annotations);
    }
    Ok(found)
}

/// Sends the annotations that are asked for.
pub(crate) fn get(s: &mut Session, _: &Call<'_>, question: Question) -> Result<Outcome> {
    let folder = super::folder(s, &question.mailbox, "GETMETADATA")?;
    let found = find(s, folder.as_ref(), &question.query)?;
    if !found.entries.is_empty() {
        s.send(&Metadata { name: &question.mailbox.shown, entries: &found.entries });
    }
    let done = Outcome::ok("GETMETADATA completed.");
    Ok(match found.longest {
        Some(length) => done.with_code(Code::Metadata(MetadataCode::LongEntries(length))),
        None => done,
    })
}
