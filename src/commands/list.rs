//! LIST and LSUB (RFC 3501 6.3.8, 6.3.9; PROTOCOL 4.5): which names match, and what each is.

use super::Call;
use crate::maildir::list::Listed;
use crate::maildir::pattern::Pattern;
use crate::response::folders::{Entry, Extra, Listing};
use crate::session::refusal::SUBSCRIPTIONS;
use crate::session::{Code, Error, Outcome, Result, Session};
use crate::sys::breath;
use crate::types::Rights;
use crate::types::folder::{self, FolderName, Space};
use crate::wire::Token;
use crate::wire::input::Brackets;
use std::collections::HashMap;

/// What `LIST (...)` asks for beside the names. Unknown words are passed over (Courier).
#[derive(Clone, Copy, Default, Debug)]
struct Wanted {
    acl: bool,
    rights: bool,
    address: bool,
}

/// The arguments of both commands, in UTF-8; `None` for what is in no encoding that a name may
/// have.
pub(crate) struct Request {
    wanted: Wanted,
    reference: Option<Vec<u8>>,
    pattern: Option<Vec<u8>>,
}

/// A reference or pattern: astring, `NIL` standing for the empty string (Courier). Anything else is
/// not counted as an error.
fn text(s: &mut Session, token: Token) -> Result<Option<Vec<u8>>> {
    if token == Token::Atom(b"NIL".to_vec()) {
        return Ok(Some(Vec::new()));
    }
    let wire = match s.io.text_of(token) {
        Ok(wire) => wire,
        Err(crate::wire::Error::Syntax) => return Err(Error::Invalid),
        Err(e) => return Err(e.into()),
    };
    Ok(folder::text_of_wire(&wire, s.utf8()))
}

/// A token, of which a failure is not counted as an error.
fn uncounted(s: &mut Session) -> Result<Token> {
    s.io.token_as(Brackets::Text).map_err(|e| match e {
        crate::wire::Error::Syntax => Error::Invalid,
        e => e.into(),
    })
}

/// Courier's options, after the opening parenthesis.
fn options(s: &mut Session) -> Result<Wanted> {
    let mut wanted = Wanted::default();
    loop {
        let word = match s.io.token()? {
            Token::Close => return Ok(wanted),
            Token::Open | Token::BracketOpen | Token::BracketClose | Token::Eol => {
                return Err(Error::Syntax);
            }
            // Quoted words are taken as they are, atoms in any case (PROTOCOL 1.2).
            Token::Atom(word) => word.to_ascii_uppercase(),
            token => s.io.text_of(token)?,
        };
        match &*word {
            b"ACL" => wanted.acl = true,
            b"MYRIGHTS" => wanted.rights = true,
            b"POSTADDRESS" => wanted.address = true,
            _ => {}
        }
    }
}

/// `[(options)] mailbox list-mailbox`. LSUB takes the options too (Courier).
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Request> {
    let mut wanted = Wanted::default();
    let mut token = uncounted(s)?;
    if token == Token::Open {
        wanted = options(s)?;
        token = s.io.token_as(Brackets::Text)?;
    }
    let reference = text(s, token)?;
    let token = uncounted(s)?;
    let pattern = text(s, token)?;
    s.io.end_of_line()?;
    Ok(Request { wanted, reference, pattern })
}

/// What is listed.
enum Target {
    /// An empty pattern asks for the separator and the root of the reference (RFC 3501 6.3.8).
    Root(Vec<u8>),
    /// Names that match.
    Names(Pattern),
    /// Nothing can match.
    Nothing,
}

/// PROTOCOL 4.5, "Pattern resolution".
fn resolve(a: &Request) -> Result<Target> {
    let (Some(reference), Some(text)) = (&a.reference, &a.pattern) else {
        return Ok(Target::Nothing);
    };
    let reference = reference.strip_suffix(b".").unwrap_or(reference);
    if !reference.is_empty() && FolderName::from_disk(reference).is_err() {
        return Ok(Target::Nothing);
    }
    if text.is_empty() {
        return Ok(Target::Root(reference.to_vec()));
    }
    match Pattern::new(&Pattern::join(reference, text)) {
        Some(pattern) => Ok(Target::Names(pattern)),
        None => Outcome::no("Invalid argument").with_code(Code::Limit).refuse(),
    }
}

/// The attributes of a folder, in Courier's order.
fn attributes(s: &Session, name: &Listed) -> Vec<&'static str> {
    let marked = marked(s, name);
    let (leaf, obsolete) = (name.is_folder && !name.has_children, s.options.obsolete_client);
    [
        (!name.is_folder, "\\Noselect"),
        (marked == Some(false), "\\Unmarked"),
        (marked == Some(true), "\\Marked"),
        (leaf && !obsolete, "\\HasNoChildren"),
        (leaf && obsolete, "\\Noinferiors"),
        (name.has_children && !obsolete, "\\HasChildren"),
    ]
    .into_iter()
    .filter_map(|(there, attribute)| there.then_some(attribute))
    .collect()
}

/// Sends one folder. A name that the client's encoding cannot express is left out (STORAGE 4.3).
fn send_entry(s: &mut Session, listing: Listing, name: &Listed, wanted: Wanted) -> Result<()> {
    let Some(wire) = folder::to_wire(&name.name, s.utf8()) else { return Ok(()) };
    let attributes = attributes(s, name);
    let extras = extras(s, &name.name, wanted)?;
    s.send(&Entry { listing, attributes: &attributes, name: &wire, extras: &extras });
    Ok(s.io.flush_if_full()?)
}

/// The folder of exactly this name, with what LIST knows of it.
fn find(s: &Session, name: &[u8]) -> Result<Option<Listed>> {
    // The name as a pattern; wildcards in it stand for themselves at least.
    let Some(pattern) = Pattern::new(&Pattern::join(name, b"")) else { return Ok(None) };
    let name = pattern.as_bytes().to_vec();
    Ok(s.namespace.list(&pattern)?.into_iter().find(|l| l.name == name))
}

/// The response to an empty pattern: the attributes of the reference, if that is a folder.
fn send_root(s: &mut Session, listing: Listing, reference: &[u8]) -> Result<()> {
    let is_shared = reference == b"#shared" || reference.starts_with(b"#shared.");
    let name: &[u8] = if is_shared { b"#shared." } else { b"" };
    let attributes = match find(s, reference)? {
        Some(listed) => attributes(s, &listed),
        None => vec!["\\Noselect"],
    };
    s.send(&Entry { listing, attributes: &attributes, name, extras: &[] });
    Ok(())
}

/// What was asked for beside the name, as far as the user may see it.
fn extras(s: &mut Session, name: &[u8], wanted: Wanted) -> Result<Vec<Extra>> {
    let mut extras = Vec::new();
    if (wanted.acl || wanted.rights)
        && let Ok(name) = FolderName::from_disk(name)
    {
        let rights = s.rights_announced(&name)?;
        if wanted.acl
            && rights.has(b'a')
            && let Ok(list) = s.namespace.load(&name)
        {
            let entries = list.entries().map(|(who, rights)| (who.to_vec(), rights));
            extras.push(Extra::Acl(entries.collect()));
        }
        if wanted.rights && rights.intersects(Rights::ASKING) {
            extras.push(Extra::MyRights(rights));
        }
    }
    if wanted.address {
        extras.push(Extra::PostAddress);
    }
    Ok(extras)
}

/// Sends the entries of folders as `LIST (ACL)` does, as far as the user may see their lists (`a`):
/// so the ACL commands answer (PROTOCOL 7.4).
pub(crate) fn send_with_acl(s: &mut Session, names: &[FolderName]) -> Result<()> {
    let wanted = Wanted { acl: true, ..Wanted::default() };
    let mut listed = HashMap::new();
    if let [name] = names {
        listed.extend(find(s, name.as_bytes())?.map(|found| (found.name.clone(), found)));
    } else {
        // One reading of the directories for all of them.
        let spaces: [(&[u8], bool); 2] = [(b"*", false), (b"#shared.*", true)];
        for (pattern, is_index) in spaces {
            let is_wanted = names.iter().any(|n| matches!(n.space(), Space::Index(_)) == is_index);
            if let Some(pattern) = Pattern::new(pattern).filter(|_| is_wanted) {
                let found = s.namespace.list(&pattern)?;
                listed.extend(found.into_iter().map(|found| (found.name.clone(), found)));
            }
        }
    }
    for name in names {
        breath::breathe()?;
        if s.has_list(name)
            && s.rights_announced(name)?.has(b'a')
            && let Some(found) = listed.get(name.as_bytes())
        {
            send_entry(s, Listing::List, found, wanted)?;
        }
    }
    Ok(())
}

/// `\Marked` or `\Unmarked`, for INBOX, and for all folders where the setting says so.
fn marked(s: &Session, name: &Listed) -> Option<bool> {
    if !name.is_folder || !(s.options.check_all_folders || name.name == b"INBOX") {
        return None;
    }
    let folder = FolderName::from_disk(&name.name).ok()?;
    s.is_marked(&folder)
}

/// The folders that a LIST pattern means, and the levels above folders that may become folders:
/// what the ACL commands are applied to (PROTOCOL 7.4).
pub(crate) fn matching(s: &Session, pattern: &[u8]) -> Result<Vec<Vec<u8>>> {
    let Some(pattern) = Pattern::new(&Pattern::join(b"", pattern)) else { return Ok(Vec::new()) };
    let has_list =
        |name: &[u8]| FolderName::from_disk(name).is_ok_and(|n| s.location_of(&n).is_some());
    let found = s.namespace.list(&pattern)?.into_iter();
    Ok(found.filter(|n| n.is_folder || has_list(&n.name)).map(|n| n.name).collect())
}

/// LIST (RFC 3501 6.3.8): sends the folders that match.
pub(crate) fn list(s: &mut Session, _: &Call<'_>, request: Request) -> Result<Outcome> {
    match resolve(&request)? {
        Target::Root(reference) => send_root(s, Listing::List, &reference)?,
        Target::Nothing => {}
        Target::Names(pattern) => {
            for name in s.namespace.list(&pattern)? {
                breath::breathe()?;
                send_entry(s, Listing::List, &name, request.wanted)?;
            }
        }
    }
    Ok(Outcome::ok("LIST completed"))
}

/// LSUB (RFC 3501 6.3.9): sends the subscriptions that match. What each is follows from the
/// subscriptions alone (Courier).
pub(crate) fn lsub(s: &mut Session, _: &Call<'_>, request: Request) -> Result<Outcome> {
    match resolve(&request)? {
        Target::Root(reference) => send_root(s, Listing::Lsub, &reference)?,
        Target::Nothing => {}
        Target::Names(pattern) => {
            let names = s.namespace.list_subscribed(&pattern);
            for name in names.map_err(|e| s.io_refusal(SUBSCRIPTIONS, &e, "LSUB failed"))? {
                breath::breathe()?;
                send_entry(s, Listing::Lsub, &name, request.wanted)?;
            }
        }
    }
    Ok(Outcome::ok("LSUB completed"))
}
