//! SETMETADATA (RFC 5464 4.3).

use super::{entry, special_use};
use crate::commands::Call;
use crate::commands::args::Mailbox;
use crate::maildir::metadata::Changes;
use crate::maildir::resolve::FolderKind;
use crate::response::metadata::MetadataCode;
use crate::session::annotations::{Scope, TooMany};
use crate::session::folder::Folder;
use crate::session::{Code, Error, Outcome, Result, Session};
use crate::types::limits::MAX_METADATA_VALUE;
use crate::wire::Token;
use crate::wire::input::Brackets;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The arguments.
pub(crate) struct Change {
    mailbox: Mailbox,
    changes: Changes,
}

/// `value`: `nstring` or `literal8`. A literal that is too long is refused before it is sent.
fn value(s: &mut Session) -> Result<Option<Vec<u8>>> {
    match s.io.token()? {
        Token::Atom(text) if text.eq_ignore_ascii_case(b"NIL") => Ok(None),
        Token::Quoted(text) => Ok(Some(text)),
        Token::Literal(literal) if literal.length > MAX_METADATA_VALUE as u64 => {
            Outcome::no("The annotation is too long.")
                .with_code(Code::Metadata(MetadataCode::MaxSize(MAX_METADATA_VALUE as u64)))
                .refuse()
        }
        token @ Token::Literal(_) => Ok(Some(s.io.text_of(token)?)),
        _ => Err(Error::Syntax),
    }
}

/// `mailbox SP "(" entry SP value *(SP entry SP value) ")"`
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Change> {
    let mailbox = Mailbox::parse(s)?;
    if s.io.token()? != Token::Open {
        return Err(Error::Syntax);
    }
    let mut changes = Changes::new();
    loop {
        let name = match s.io.token_as(Brackets::Text)? {
            Token::Close => break,
            token => s.io.text_of(token)?,
        };
        let name = entry(&name)?;
        if !name.is_complete() {
            return Err(Error::Syntax);
        }
        changes.push((name, value(s)?));
    }
    s.io.end_of_line()?;
    if changes.is_empty() { Err(Error::Syntax) } else { Ok(Change { mailbox, changes }) }
}

/// Changes the annotations, all or none.
pub(crate) fn set(s: &mut Session, _: &Call<'_>, mut a: Change) -> Result<Outcome> {
    let folder = super::folder(s, &a.mailbox, "SETMETADATA")?;
    let has_shared = a.changes.iter().any(|(name, _)| !name.is_private());
    match &folder {
        // What is said to all who may see the folder takes more than seeing it.
        Some(folder) if has_shared => {
            s.require(&folder.name, b'w', "SETMETADATA")?;
        }
        // RFC 5464 3.3: it would be said to the users of all accounts.
        None if has_shared => {
            return Outcome::no("Only the administrator changes these.")
                .with_code(Code::NoPerm)
                .refuse();
        }
        _ => {}
    }
    // The file in the user's own Maildir has its name in a line.
    let has_no_line = |f: &Folder| f.at.kind == FolderKind::Index && f.name.has_control();
    let has_private = a.changes.iter().any(|(name, _)| name.is_private());
    if has_private && folder.as_ref().is_some_and(has_no_line) {
        return Outcome::no("Only shared annotations are kept of this mailbox.")
            .with_code(Code::Metadata(MetadataCode::NoPrivate))
            .refuse();
    }
    let uses = special_use::take(s, folder.as_ref(), &mut a.changes)?;
    let before = match uses {
        Some(_) => values_now(s, folder.as_ref(), &a.changes)?,
        None => Changes::new(),
    };
    match s.change_annotations(folder.as_ref(), a.changes)? {
        Ok(()) => {}
        Err(TooMany) => {
            return Outcome::no("Too many annotations.")
                .with_code(Code::Metadata(MetadataCode::TooMany))
                .refuse();
        }
    }
    if let (Some(uses), Some(folder)) = (uses, &folder)
        && let Err(e) = s.set_special_uses(folder, uses)
    {
        // RFC 5464 4.3: all or none.
        let _ = s.change_annotations(Some(folder), before)?;
        return Err(e);
    }
    Ok(Outcome::ok("SETMETADATA completed."))
}

/// The values that these names have, as changes that would give them back.
fn values_now(s: &Session, folder: Option<&Folder>, changes: &Changes) -> Result<Changes> {
    let mut read = HashMap::new();
    let mut now = Changes::new();
    for (name, _) in changes {
        let scope = if name.is_private() { Scope::Private } else { Scope::Shared };
        let annotations = match read.entry(scope) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(unread) => unread.insert(s.annotations(folder, scope)?),
        };
        now.push((name.clone(), annotations.get(name).map(<[u8]>::to_vec)));
    }
    Ok(now)
}
