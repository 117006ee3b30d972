//! The folders that ESEARCH searches: `IN (...)` (RFC 7377 2.2, RFC 5465 6).

use crate::commands::args::Mailbox;
use crate::maildir::pattern::Pattern;
use crate::session::refusal::SUBSCRIPTIONS;
use crate::session::{Code, Error, Outcome, Result, Session};
use crate::sys::breath;
use crate::types::folder::{self, FolderName, Space};
use crate::types::limits::{MAX_SEARCHED_FOLDERS, MAX_SEARCHED_TREES};
use crate::wire::Token;
use crate::wire::input::Brackets;
use std::collections::HashSet;

/// `filter-mailboxes`
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// The open folder.
    Selected,
    /// The user's own folders. RFC 5465 6.3: "inboxes" is the same where mail may be delivered to
    /// any of them.
    Personal,
    /// Those that are subscribed to.
    Subscribed,
    /// These.
    Mailboxes(Vec<Mailbox>),
    /// These and what is below them: one level, or all.
    Subtree(Vec<Mailbox>, Depth),
}

impl Source {
    /// How often it has all folders looked up.
    fn trees(&self) -> usize {
        match self {
            Source::Selected | Source::Mailboxes(_) => 0,
            Source::Personal | Source::Subscribed => 1,
            Source::Subtree(names, _) => names.len(),
        }
    }
}

/// How far below a folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Depth {
    One,
    All,
}

/// `"(" source-mbox [SP "(" scope-options ")"] ")"`. There are no scope options: RFC 7377 4.
pub(super) fn parse(s: &mut Session) -> Result<Vec<Source>> {
    if s.io.token()? != Token::Open {
        return Err(Error::Syntax);
    }
    let mut sources = Vec::new();
    loop {
        let token = s.io.token()?;
        if token == Token::Close && !sources.is_empty() {
            return Ok(sources);
        }
        sources.push(match token.word().as_deref() {
            Some(b"SELECTED") => Source::Selected,
            Some(b"PERSONAL" | b"INBOXES") => Source::Personal,
            Some(b"SUBSCRIBED") => Source::Subscribed,
            Some(b"MAILBOXES") => Source::Mailboxes(mailboxes(s)?),
            Some(b"SUBTREE") => Source::Subtree(mailboxes(s)?, Depth::All),
            Some(b"SUBTREE-ONE") => Source::Subtree(mailboxes(s)?, Depth::One),
            _ => return Err(Error::Syntax),
        });
    }
}

/// RFC 7377 2.4
fn too_many() -> Error {
    Outcome::no("Too many folders in one search.").with_code(Code::Limit).into()
}

/// `one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")"`
fn mailboxes(s: &mut Session) -> Result<Vec<Mailbox>> {
    let mut names = Vec::new();
    let first = s.io.token_as(Brackets::Text)?;
    if first != Token::Open {
        return Ok(vec![mailbox(s, first)?]);
    }
    loop {
        let token = s.io.token_as(Brackets::Text)?;
        if token == Token::Close && !names.is_empty() {
            return Ok(names);
        }
        names.push(mailbox(s, token)?);
    }
}

fn mailbox(s: &mut Session, token: Token) -> Result<Mailbox> {
    Mailbox::of(s, Ok(token)).map_err(|e| match e {
        Error::Invalid => Error::Syntax,
        e => e,
    })
}

/// The folders found so far, none twice.
#[derive(Default)]
struct Folders {
    list: Vec<FolderName>,
    known: HashSet<Vec<u8>>,
}

impl Folders {
    fn add(&mut self, name: FolderName) -> Result<()> {
        if self.known.contains(name.as_bytes()) {
            return Ok(());
        }
        if self.list.len() >= MAX_SEARCHED_FOLDERS {
            return Err(too_many());
        }
        self.known.insert(name.as_bytes().to_vec());
        self.list.push(name);
        Ok(())
    }

    /// Adds the folders that match a pattern and `wanted`; the user may look all of them up (`l`).
    /// An old-style shared folder has UIDs of this account once it is subscribed; a search does not
    /// subscribe to whatever is in its way.
    fn add_listed(
        &mut self,
        s: &Session,
        pattern: &[u8],
        wanted: impl Fn(&FolderName) -> bool,
    ) -> Result<()> {
        let Some(pattern) = Pattern::new(pattern) else { return Ok(()) };
        for listed in s.namespace.list(&pattern.into())? {
            breath::breathe()?;
            if listed.is_folder
                && let Ok(name) = FolderName::from_disk(&listed.name)
                && wanted(&name)
                && !s.namespace.opening_subscribes(&name)
            {
                self.add(name)?;
            }
        }
        Ok(())
    }

    fn add_subscribed(&mut self, s: &Session) -> Result<()> {
        for pattern in [&b"*"[..], b"#shared.*"] {
            let Some(pattern) = Pattern::new(pattern) else { continue };
            let listed = s.namespace.list_subscribed(&pattern);
            let listed = listed.map_err(|e| s.io_refusal(SUBSCRIPTIONS, &e, "ESEARCH failed"))?;
            for listed in listed.iter().filter(|listed| listed.is_folder) {
                if let Ok(name) = FolderName::from_disk(&listed.name) {
                    self.add(name)?;
                }
            }
        }
        Ok(())
    }

    /// Adds a folder and what is below it. The name need not be that of a folder.
    fn add_subtree(&mut self, s: &Session, mailbox: &Mailbox, depth: Depth) -> Result<()> {
        let text = match mailbox.name(s) {
            Ok(name) => {
                let text = name.as_bytes().to_vec();
                self.add(name)?;
                text
            }
            // `#shared` is no folder, but has some below it.
            Err(_) => match folder::text_of_wire(&mailbox.shown, s.utf8()) {
                Some(text) if text == b"#shared" => text,
                _ => return Ok(()),
            },
        };
        let is_below = |name: &FolderName| {
            let below =
                name.as_bytes().strip_prefix(&*text).and_then(|rest| rest.strip_prefix(b"."));
            below.is_some_and(|rest| depth == Depth::All || !rest.contains(&b'.'))
        };
        // What are wildcards in the name are so in the pattern: it matches more, `is_below` does
        // not. Where they are too many for a pattern, all folders are looked at.
        let pattern = [&*text, b".*"].concat();
        let everything: &[u8] = if text.starts_with(b"#") { b"#shared.*" } else { b"*" };
        let pattern = if Pattern::new(&pattern).is_some() { &*pattern } else { everything };
        self.add_listed(s, pattern, is_below)
    }
}

/// The folders that sources mean, none twice. Whether they are there, and may be read, is not
/// asked.
pub(super) fn folders(s: &Session, sources: &[Source]) -> Result<Vec<FolderName>> {
    if sources.iter().map(Source::trees).sum::<usize>() > MAX_SEARCHED_TREES {
        return Err(too_many());
    }
    let mut folders = Folders::default();
    for source in sources {
        match source {
            Source::Selected => {
                if let Some(selected) = &s.selected {
                    folders.add(selected.folder.name.clone())?;
                }
            }
            Source::Personal => {
                let is_own =
                    |name: &FolderName| matches!(name.space(), Space::Inbox | Space::Own(_));
                folders.add_listed(s, b"INBOX*", is_own)?;
            }
            Source::Subscribed => folders.add_subscribed(s)?,
            Source::Mailboxes(names) => {
                for name in names.iter().filter_map(|name| name.name(s).ok()) {
                    folders.add(name)?;
                }
            }
            Source::Subtree(names, depth) => {
                names.iter().try_for_each(|name| folders.add_subtree(s, name, *depth))?;
            }
        }
    }
    Ok(folders.list)
}
