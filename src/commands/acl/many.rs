//! ACL STORE, ACL SET, ACL DELETE: Courier's way to change the lists of many folders (PROTOCOL
//! 7.4).

use super::change::{self, Edited};
use crate::commands::{Call, list};
use crate::maildir::acl::{self, Acl, ChangeRefused};
use crate::maildir::acl_files::MAX_LISTS;
use crate::response::access::{AclFailed, RightsInfo};
use crate::session::{Code, Error, Outcome, Result, Session, refusal};
use crate::sys::breath::Items;
use crate::sys::fs;
use crate::types::FolderName;
use crate::types::folder::{Space, text_of_wire, to_wire};
use crate::types::limits::MAX_ACL_PATTERNS;
use crate::wire::Token;
use crate::wire::input::Brackets;
use std::collections::BTreeSet;

/// What is done to each list.
enum Verb {
    Store { identifier: Vec<u8>, rights: Vec<u8> },
    Set(Vec<(Vec<u8>, Vec<u8>)>),
    Delete { identifier: Vec<u8> },
}

impl Verb {
    fn name(&self) -> &'static str {
        match self {
            Verb::Store { .. } => "STORE",
            Verb::Set(_) => "SET",
            Verb::Delete { .. } => "DELETE",
        }
    }
}

/// The command; `None` where Courier answers `FAILED`.
pub(crate) struct Command(Option<Changes>);

/// The folders, and what is done to the list of each.
struct Changes {
    /// Names or patterns, in UTF-8. What is in no encoding that a name may have is left out.
    names: Vec<Vec<u8>>,
    are_patterns: bool,
    verb: Verb,
}

/// One folder, or a list of LIST patterns; in UTF-8.
fn boxes(s: &mut Session) -> Result<(Vec<Vec<u8>>, bool)> {
    let invalid = |e: crate::wire::Error| {
        if e == crate::wire::Error::Syntax { Error::Invalid } else { e.into() }
    };
    let token = s.io.token_as(Brackets::Text).map_err(invalid)?;
    if token != Token::Open {
        let text = s.io.text_of(token).map_err(invalid)?;
        return Ok((Vec::from_iter(text_of_wire(&text, s.utf8())), false));
    }
    let mut patterns = Vec::new();
    let mut count = 0usize;
    loop {
        match s.io.token_as(Brackets::Text).map_err(invalid)? {
            Token::Close => return Ok((patterns, true)),
            _ if count >= MAX_ACL_PATTERNS => {
                return Outcome::too_many("Too many mailboxes in one command.").refuse();
            }
            token => {
                count += 1;
                let text = s.io.text_of(token).map_err(invalid)?;
                patterns.extend(text_of_wire(&text, s.utf8()));
            }
        }
    }
}

/// The words up to the end of the line.
fn words(s: &mut Session) -> Result<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    loop {
        match s.io.token_as(Brackets::Text)? {
            Token::Eol => return Ok(words),
            token => words.push(s.io.text_of(token)?),
        }
    }
}

/// `ACL STORE boxes id rights`, `ACL SET boxes [id rights]...`, `ACL DELETE boxes id`.
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Command> {
    let Some(sub) = s.io.token()?.word() else { return Ok(Command(None)) };
    if !matches!(&*sub, b"STORE" | b"SET" | b"DELETE") {
        return Ok(Command(None));
    }
    let (names, are_patterns) = boxes(s)?;
    let mut words = words(s)?.into_iter();
    let verb = match (&*sub, words.next(), words.next()) {
        (b"STORE", Some(identifier), Some(rights)) => Verb::Store { identifier, rights },
        (b"DELETE", Some(identifier), _) => Verb::Delete { identifier },
        (b"SET", None, None) => Verb::Set(Vec::new()),
        (b"SET", Some(identifier), Some(rights)) => {
            let mut entries = vec![(identifier, rights)];
            while let Some(identifier) = words.next() {
                let Some(rights) = words.next() else { return Ok(Command(None)) };
                entries.push((identifier, rights));
            }
            Verb::Set(entries)
        }
        _ => return Ok(Command(None)),
    };
    Ok(Command(Some(Changes { names, are_patterns, verb })))
}

/// Makes the list of one folder the new one.
fn edit(list: &mut Acl, verb: &Verb) -> Edited {
    match verb {
        Verb::Store { identifier, rights } => list.change(identifier, rights),
        Verb::Delete { identifier } => {
            list.remove(identifier);
            Ok(())
        }
        Verb::Set(entries) => {
            *list = Acl::new();
            entries.iter().try_for_each(|(identifier, rights)| list.change(identifier, rights))
        }
    }
}

const SPECIAL: &[u8] = b"ACLs may not be modified for special mailbox";

/// Whether the list of a folder may be changed.
enum Allowed {
    Yes,
    /// No, and this is said.
    No(Vec<u8>),
    /// There is no such list. Courier says nothing of it.
    Missing,
}

fn allowed(s: &mut Session, name: &FolderName, verb: &Verb) -> Result<Allowed> {
    if matches!(name.space(), Space::Link(_)) {
        return Ok(Allowed::No(SPECIAL.to_vec()));
    }
    if !s.has_list(name) {
        return Ok(Allowed::Missing);
    }
    if s.rights_announced(name)?.has(b'a') {
        return Ok(Allowed::Yes);
    }
    let command = format!("ACL {}", verb.name());
    let text = refusal::denied_text(&command, &on_wire(s, name), b'a');
    Ok(Allowed::No([b"NO ", &*text].concat()))
}

fn on_wire(s: &Session, name: &FolderName) -> Vec<u8> {
    to_wire(name.as_bytes(), s.utf8()).unwrap_or_default().into_owned()
}

/// Says what became of one list; whether the list is sent after that.
fn tell(s: &mut Session, name: &FolderName, verb: &Verb, edited: Edited) -> Result<bool> {
    let shown = on_wire(s, name);
    let failed = |s: &mut Session, reason: &[u8]| s.send(&AclFailed { name: &shown, reason });
    let rights_info = |s: &mut Session, identifier: &[u8], rights| {
        s.send(&RightsInfo { name: &shown, identifier, rights });
    };
    match edited {
        Ok(()) => {
            if s.is_open(name) {
                let _ = s.rights_announced(name);
            }
            return Ok(true);
        }
        Err(ChangeRefused::Owner(who)) => rights_info(s, &who, "al c e i p r s t w x"),
        // Courier: a whole list without the administrators is no list.
        Err(ChangeRefused::Administrators) if matches!(verb, Verb::Set(_)) => {
            failed(s, b"Invalid argument");
        }
        Err(ChangeRefused::Administrators) => rights_info(s, b"administrators", "aceilrstwx"),
        Err(ChangeRefused::Special) => failed(s, SPECIAL),
        Err(ChangeRefused::TooLarge) => failed(s, change::TOO_LARGE.as_bytes()),
        Err(ChangeRefused::Invalid | ChangeRefused::UnknownRight) => failed(s, b"Invalid argument"),
        Err(ChangeRefused::Failed(e)) => {
            log::error!("{}: {}", refusal::list_of(name), fs::error_text(&e));
            failed(s, fs::error_text(&e).as_bytes());
        }
        Err(ChangeRefused::Locked(e)) => return Err(s.store_error(e, change::CANNOT)),
    }
    // Courier: the list as it still is follows, but not after SET.
    Ok(!matches!(verb, Verb::Set(_)))
}

/// Changes folders, and says of each what became of it. Those whose lists are sent after that.
fn change_some(s: &mut Session, names: &[FolderName], verb: &Verb) -> Result<Vec<FolderName>> {
    let are_allowed: Vec<Allowed> =
        names.iter().map(|name| allowed(s, name, verb)).collect::<Result<_>>()?;
    let changed: Vec<FolderName> = names
        .iter()
        .zip(&are_allowed)
        .filter(|(_, allowed)| matches!(allowed, Allowed::Yes))
        .map(|(name, _)| name.clone())
        .collect();
    let edited = s.namespace.change_many(&s.store, &changed, &|list| edit(list, verb));
    let mut edited = edited.map_err(|e| s.store_error(e, change::CANNOT))?.into_iter();
    let mut sent = Vec::new();
    for (name, allowed) in names.iter().zip(are_allowed) {
        match allowed {
            Allowed::No(reason) => s.send(&AclFailed { name: &on_wire(s, name), reason: &reason }),
            Allowed::Missing => {}
            Allowed::Yes => {
                if let Some(edited) = edited.next()
                    && tell(s, name, verb, edited)?
                {
                    sent.push(name.clone());
                }
            }
        }
    }
    Ok(sent)
}

/// The folders that are meant.
fn folders(s: &Session, names: Vec<Vec<u8>>, are_patterns: bool) -> Result<Vec<FolderName>> {
    let parsed = |name: &Vec<u8>| FolderName::from_disk(name).ok();
    if !are_patterns {
        return Ok(names.iter().filter_map(parsed).collect());
    }
    let mut found = BTreeSet::new();
    for pattern in &names {
        found.extend(list::matching(s, pattern)?);
    }
    Ok(found.iter().filter_map(parsed).collect())
}

/// Changes the folders, then sends the list of each.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, command: Command) -> Result<Outcome> {
    // PROTOCOL 7.4: neither OK nor NO nor BAD, sic; RFC 3501 7.1 has only those, so BAD it is.
    let Some(Changes { names, are_patterns, verb }) = command.0 else {
        return Ok(Outcome::bad("ACL FAILED: Invalid argument"));
    };
    let folders = folders(s, names, are_patterns)?;
    if let Verb::Set(entries) = &verb
        && let Some((identifier, rights)) = entries.iter().find(|(id, _)| !acl::is_identifier(id))
    {
        let text = [b"ACL SET <", &**identifier, b", ", rights, b"> failed."].concat();
        return Outcome::no_bytes(text).with_code(Code::Cannot).refuse();
    }
    let mut changed = Vec::new();
    let mut items = Items::of(folders.len());
    for some in folders.chunks(MAX_LISTS) {
        some.iter().try_for_each(|_| items.breathe())?;
        changed.extend(change_some(s, some, &verb)?);
    }
    list::send_with_acl(s, &changed)?;
    Ok(Outcome::ok(format!("ACL {} completed.", verb.name())))
}
