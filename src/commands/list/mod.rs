//! LIST and LSUB (RFC 3501 6.3.8, 6.3.9; RFC 5258; PROTOCOL 4.5): which names match, and what each
//! is.

mod beside;
mod lines;
mod options;

use super::Call;
use crate::maildir::list::Listed;
use crate::maildir::pattern::{Pattern, Patterns};
use crate::response::folders::{Entry, Extra, Listing};
use crate::session::refusal::SUBSCRIPTIONS;
use crate::session::{Code, Error, Outcome, Result, Session};
use crate::sys::breath;
use crate::types::Rights;
use crate::types::folder::{self, FolderName, Space};
use crate::types::limits::MAX_LIST_PATTERNS;
use crate::wire::Token;
use crate::wire::input::Brackets;
use beside::Beside;
use lines::Line;
use options::{Asked, Extras};
use std::collections::HashMap;

/// The arguments of both commands, in UTF-8; `None` for what is in no encoding that a name may
/// have.
pub(crate) struct Request {
    asked: Asked,
    reference: Option<Vec<u8>>,
    patterns: Vec<Option<Vec<u8>>>,
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

/// `patterns`, after the opening parenthesis.
fn patterns(s: &mut Session) -> Result<Vec<Option<Vec<u8>>>> {
    let mut patterns = Vec::new();
    loop {
        match s.io.token_as(Brackets::Text)? {
            Token::Close if patterns.is_empty() => return Err(Error::Syntax),
            Token::Close => return Ok(patterns),
            _ if patterns.len() >= MAX_LIST_PATTERNS => {
                return Outcome::too_many("Too many mailboxes in one command.").refuse();
            }
            token => patterns.push(text(s, token)?),
        }
    }
}

/// `[(options)] mailbox list-mailbox`, or what RFC 5258 6 makes of it. LSUB takes the options too
/// (Courier).
fn arguments(s: &mut Session, may_be_extended: bool) -> Result<Request> {
    let mut asked = Asked::default();
    let mut token = uncounted(s)?;
    if token == Token::Open {
        asked = options::selections(s, may_be_extended)?;
        token = s.io.token_as(Brackets::Text)?;
    }
    let reference = text(s, token)?;
    let patterns = match uncounted(s)? {
        Token::Open if may_be_extended => {
            asked.is_extended = true;
            patterns(s)?
        }
        token => vec![text(s, token)?],
    };
    match s.io.token()? {
        Token::Eol => {}
        token if may_be_extended && token.is("RETURN") => {
            asked.is_extended = true;
            options::returns(s, &mut asked.returns)?;
            s.io.end_of_line()?;
        }
        _ => return Err(Error::Syntax),
    }
    Ok(Request { asked, reference, patterns })
}

/// The arguments of LIST.
pub(crate) fn parse_list(s: &mut Session, _: &Call<'_>) -> Result<Request> {
    let may_be_extended = options::are_offered(s);
    arguments(s, may_be_extended)
}

/// The arguments of LSUB.
pub(crate) fn parse_lsub(s: &mut Session, _: &Call<'_>) -> Result<Request> {
    arguments(s, false)
}

/// What is listed.
enum Target {
    /// An empty pattern asks for the separator and the root of the reference (RFC 3501 6.3.8).
    Root(Vec<u8>),
    /// Names that match one of the patterns.
    Names(Vec<Pattern>),
    /// Nothing can match.
    Nothing,
}

/// PROTOCOL 4.5, "Pattern resolution".
fn resolve(a: &Request) -> Result<Target> {
    let Some(reference) = &a.reference else { return Ok(Target::Nothing) };
    let reference = reference.strip_suffix(b".").unwrap_or(reference);
    if !reference.is_empty() && FolderName::from_disk(reference).is_err() {
        return Ok(Target::Nothing);
    }
    if !a.asked.is_extended
        && let [Some(pattern)] = a.patterns.as_slice()
    {
        return match Pattern::new(&Pattern::join(reference, pattern)) {
            _ if pattern.is_empty() => Ok(Target::Root(reference.to_vec())),
            Some(pattern) => Ok(Target::Names(vec![pattern])),
            None => Outcome::no("Invalid argument").with_code(Code::Limit).refuse(),
        };
    }
    // RFC 5258 3: an empty pattern matches nothing here, and one that the server does not like is
    // ignored.
    let texts = a.patterns.iter().flatten().filter(|text| !text.is_empty());
    let patterns = texts.filter_map(|text| Pattern::new(&Pattern::join(reference, text)));
    Ok(Target::Names(patterns.collect()))
}

/// The attributes of a folder: Courier's in Courier's order, then those of RFC 5258 and RFC 6154.
fn attributes(s: &Session, line: &Line, asked: &Asked, is_closed: bool) -> Vec<&'static str> {
    let mut words = Vec::with_capacity(8);
    let name = &line.listed;
    let marked = marked(s, name);
    let obsolete = s.options.obsolete_client && !asked.returns.children;
    let there = [
        (!name.is_folder || is_closed, "\\Noselect"),
        (marked == Some(false), "\\Unmarked"),
        (marked == Some(true), "\\Marked"),
        (!name.has_children && !obsolete, "\\HasNoChildren"),
        (!name.has_children && obsolete, "\\Noinferiors"),
        (name.has_children && !obsolete, "\\HasChildren"),
        (!name.is_folder && asked.is_extended, "\\NonExistent"),
        (line.is_subscribed, "\\Subscribed"),
    ];
    words.extend(there.into_iter().filter_map(|(there, word)| there.then_some(word)));
    words.extend(line.uses.words());
    words
}

/// Sends one folder, and what is told beside it. A name that the client's encoding cannot express
/// is left out (STORAGE 4.3).
fn send_line(s: &mut Session, listing: Listing, line: &Line, asked: &Asked) -> Result<()> {
    let Some(wire) = folder::to_wire(&line.listed.name, s.utf8()) else { return Ok(()) };
    // RFC 5819 2: whether the folder can be opened is known before the line is sent.
    let beside = Beside::of(s, line, &asked.returns)?;
    let attributes = attributes(s, line, asked, beside.is_closed);
    let mut extras = extras(s, &line.listed, asked.extras)?;
    if line.has_selected_below {
        extras.push(Extra::ChildInfo(asked.criteria.words()));
    }
    s.send(&Entry { listing, attributes: &attributes, name: &wire, extras: &extras });
    beside.send(s, &wire);
    Ok(s.io.flush_if_full()?)
}

/// The folder of exactly this name, with what LIST knows of it.
fn find(s: &Session, name: &[u8]) -> Result<Option<Listed>> {
    // The name as a pattern; wildcards in it stand for themselves at least.
    let Some(pattern) = Pattern::new(&Pattern::join(name, b"")) else { return Ok(None) };
    let name = pattern.as_bytes().to_vec();
    Ok(s.namespace.list(&pattern.into())?.into_iter().find(|l| l.name == name))
}

/// The response to an empty pattern: the attributes of the reference, if that is a folder.
fn send_root(s: &mut Session, listing: Listing, reference: &[u8]) -> Result<()> {
    let is_shared = reference == b"#shared" || reference.starts_with(b"#shared.");
    let name: &[u8] = if is_shared { b"#shared." } else { b"" };
    let attributes = match find(s, reference)? {
        Some(listed) => attributes(s, &listed.into(), &Asked::default(), false),
        None => vec!["\\Noselect"],
    };
    s.send(&Entry { listing, attributes: &attributes, name, extras: &[] });
    Ok(())
}

/// What was asked for beside the name, as far as the user may see it.
fn extras(s: &mut Session, listed: &Listed, wanted: Extras) -> Result<Vec<Extra>> {
    let mut extras = Vec::new();
    if (wanted.acl || wanted.rights)
        && let Ok(name) = FolderName::from_disk(&listed.name)
    {
        let rights = match listed.rights.filter(|_| !s.is_open(&name)) {
            Some(rights) => rights,
            None => s.rights_announced(&name)?,
        };
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
    let extras = Extras { acl: true, ..Extras::default() };
    let asked = Asked { extras, ..Asked::default() };
    let mut listed = HashMap::new();
    if let [name] = names {
        listed.extend(find(s, name.as_bytes())?.map(|found| (found.name.clone(), found)));
    } else {
        // One reading of the directories for all of them.
        let spaces: [(&[u8], bool); 2] = [(b"*", false), (b"#shared.*", true)];
        for (pattern, is_index) in spaces {
            let is_wanted = names.iter().any(|n| matches!(n.space(), Space::Index(_)) == is_index);
            if let Some(pattern) = Pattern::new(pattern).filter(|_| is_wanted) {
                let found = s.namespace.list(&pattern.into())?;
                listed.extend(found.into_iter().map(|found| (found.name.clone(), found)));
            }
        }
    }
    for name in names {
        breath::breathe()?;
        if s.has_list(name)
            && s.rights_announced(name)?.has(b'a')
            && let Some(found) = listed.remove(name.as_bytes())
        {
            send_line(s, Listing::List, &found.into(), &asked)?;
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
    let found = s.namespace.list(&pattern.into())?.into_iter();
    Ok(found.filter(|n| n.is_folder || has_list(&n.name)).map(|n| n.name).collect())
}

/// LIST (RFC 3501 6.3.8): sends the folders that match.
pub(crate) fn list(s: &mut Session, _: &Call<'_>, request: Request) -> Result<Outcome> {
    if let Some(items) = request.asked.returns.status {
        items.enable(s);
    }
    match resolve(&request)? {
        Target::Root(reference) => send_root(s, Listing::List, &reference)?,
        Target::Nothing => {}
        Target::Names(patterns) => {
            for line in lines::find(s, &Patterns::new(patterns), &request.asked)? {
                breath::breathe()?;
                send_line(s, Listing::List, &line, &request.asked)?;
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
        Target::Names(patterns) => {
            for pattern in patterns {
                let names = s.namespace.list_subscribed(&pattern);
                for name in names.map_err(|e| s.io_refusal(SUBSCRIPTIONS, &e, "LSUB failed"))? {
                    breath::breathe()?;
                    send_line(s, Listing::Lsub, &name.into(), &request.asked)?;
                }
            }
        }
    }
    Ok(Outcome::ok("LSUB completed"))
}
