//! LIST and LSUB (PROTOCOL 4.5): which names match, and what each is.

use super::Call;
use crate::maildir::list::Listed;
use crate::maildir::pattern::Pattern;
use crate::session::{Error, Outcome, Result, Session};
use crate::types::Rights;
use crate::types::folder::{self, FolderName};
use crate::types::utf7;
use crate::wire::input::Brackets;
use crate::wire::{Token, write};

/// What `LIST (...)` asks for beside the names; unknown words are passed over (Courier).
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Extras {
    acl: bool,
    rights: bool,
    address: bool,
}

/// The arguments of both commands, in UTF-8.
pub(crate) struct Arguments {
    extras: Extras,
    reference: Vec<u8>,
    pattern: Vec<u8>,
}

/// A reference or pattern: astring, `NIL` standing for the empty string (Courier). Anything else is
/// not counted as an error.
fn text(s: &mut Session, token: Token) -> Result<Vec<u8>> {
    if token == Token::Atom(b"NIL".to_vec()) {
        return Ok(Vec::new());
    }
    let wire = match s.io.text_of(token) {
        Ok(wire) => wire,
        Err(crate::wire::Error::Syntax) => return Err(Error::Invalid),
        Err(e) => return Err(e.into()),
    };
    if s.utf8 { Ok(wire) } else { utf7::decode(&wire).ok_or(Error::Syntax) }
}

fn next_text(s: &mut Session) -> Result<Vec<u8>> {
    match s.io.token_as(Brackets::Text) {
        Ok(token) => text(s, token),
        Err(crate::wire::Error::Syntax) => Err(Error::Invalid),
        Err(e) => Err(e.into()),
    }
}

fn parse_arguments(s: &mut Session) -> Result<Arguments> {
    let mut extras = Extras::default();
    let mut token = match s.io.token_as(Brackets::Text) {
        Ok(token) => token,
        Err(crate::wire::Error::Syntax) => return Err(Error::Invalid),
        Err(e) => return Err(e.into()),
    };
    if token == Token::Open {
        loop {
            match s.io.token()? {
                Token::Close => break,
                // Quoted words are taken as they are, atoms in any case (PROTOCOL 1.2).
                Token::Open | Token::BracketOpen | Token::BracketClose | Token::Eol => {
                    return Err(Error::Syntax);
                }
                token => {
                    let word = match token.word() {
                        Some(word) => word,
                        None => s.io.text_of(token)?,
                    };
                    match &*word {
                        b"ACL" => extras.acl = true,
                        b"MYRIGHTS" => extras.rights = true,
                        b"POSTADDRESS" => extras.address = true,
                        _ => {}
                    }
                }
            }
        }
        token = s.io.token_as(Brackets::Text)?;
    }
    let reference = text(s, token)?;
    let pattern = next_text(s)?;
    s.io.end_of_line()?;
    Ok(Arguments { extras, reference, pattern })
}

/// What is looked for.
enum Wanted {
    /// An empty pattern asks for the separator and the root of the reference (RFC 3501 6.3.8).
    Root(Vec<u8>),
    /// Names that match.
    Names(Pattern),
    /// Nothing can match.
    Nothing,
}

/// PROTOCOL 4.5, "Pattern resolution".
fn resolve(a: &Arguments) -> Result<Wanted> {
    let reference = a.reference.strip_suffix(b".").unwrap_or(&a.reference);
    if !reference.is_empty() && FolderName::from_disk(reference).is_err() {
        return Ok(Wanted::Nothing);
    }
    if a.pattern.is_empty() {
        return Ok(Wanted::Root(reference.to_vec()));
    }
    match Pattern::new(&Pattern::join(reference, &a.pattern)) {
        Some(pattern) => Ok(Wanted::Names(pattern)),
        None => Outcome::no("Invalid argument").refuse(),
    }
}

/// The attributes of a folder, in Courier's order.
fn attributes(s: &Session, name: &Listed) -> String {
    let marked = marked(s, name);
    let (leaf, obsolete) = (name.is_folder && !name.has_children, s.options.obsolete_client);
    let attributes: Vec<&str> = [
        (!name.is_folder, "\\Noselect"),
        (marked == Some(false), "\\Unmarked"),
        (marked == Some(true), "\\Marked"),
        (leaf && !obsolete, "\\HasNoChildren"),
        (leaf && obsolete, "\\Noinferiors"),
        (name.has_children && !obsolete, "\\HasChildren"),
    ]
    .into_iter()
    .filter_map(|(there, attribute)| there.then_some(attribute))
    .collect();
    attributes.join(" ")
}

/// Writes one line. Names that have no wire form are left out (STORAGE 4.3).
fn push_line(s: &mut Session, word: &str, name: &Listed, extras: Extras) -> Result<()> {
    let Some(wire) = folder::to_wire(&name.name, s.utf8) else { return Ok(()) };
    let attributes = attributes(s, name);
    let extra = extra_data(s, &name.name, extras)?;
    let out = &mut s.io.out;
    out.extend_from_slice(format!("* {word} ({attributes}) \".\" ").as_bytes());
    write::string(out, &wire);
    if !extra.is_empty() {
        out.extend_from_slice(b" (");
        out.extend_from_slice(&extra);
        out.push(b')');
    }
    out.extend_from_slice(b"\r\n");
    Ok(s.io.flush_if_full()?)
}

/// The folder of exactly this name, with what LIST knows of it.
fn find(s: &Session, name: &[u8]) -> Option<Listed> {
    // The name as a pattern; wildcards in it stand for themselves at least.
    let pattern = Pattern::new(&Pattern::join(name, b""))?;
    let name = pattern.as_bytes().to_vec();
    s.namespace.list(&pattern).into_iter().find(|l| l.name == name)
}

/// The line for an empty pattern: the attributes of the reference, if that is a folder.
fn push_root(s: &mut Session, word: &str, reference: &[u8]) {
    let shown: &[u8] = if reference == b"#shared" || reference.starts_with(b"#shared.") {
        b"#shared."
    } else {
        b""
    };
    let attributes =
        find(s, reference).map_or_else(|| "\\Noselect".to_owned(), |listed| attributes(s, &listed));
    let out = &mut s.io.out;
    out.extend_from_slice(format!("* {word} ({attributes}) \".\" ").as_bytes());
    write::string(out, shown);
    out.extend_from_slice(b"\r\n");
}

/// `("ACL" (...))("MYRIGHTS" "...")(POSTADDRESS NIL)`, each if asked for and allowed.
fn extra_data(s: &mut Session, name: &[u8], extras: Extras) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    if (extras.acl || extras.rights)
        && let Ok(name) = FolderName::from_disk(name)
    {
        let rights = s.rights(&name)?;
        if extras.acl
            && rights.has(b'a')
            && let Ok(list) = s.namespace.load(&name)
        {
            out.extend_from_slice(b"(\"ACL\" (");
            for (identifier, rights) in list.entries() {
                out.push(b'(');
                write::string(&mut out, identifier);
                out.push(b' ');
                write::string(&mut out, &rights.shown());
                out.push(b')');
            }
            out.extend_from_slice(b"))");
        }
        if extras.rights && rights.intersects(Rights::ASKING) {
            out.extend_from_slice(b"(\"MYRIGHTS\" ");
            write::string(&mut out, &rights.shown());
            out.push(b')');
        }
    }
    if extras.address {
        out.extend_from_slice(b"(POSTADDRESS NIL)");
    }
    Ok(out)
}

/// Writes the line that the ACL commands answer with, one for a folder: as `LIST (ACL)` does
/// (PROTOCOL 7.4).
pub(crate) fn push_acl_line(s: &mut Session, name: &FolderName) -> Result<()> {
    match find(s, name.as_bytes()) {
        Some(line) => push_line(s, "LIST", &line, Extras { acl: true, ..Extras::default() }),
        None => Ok(()),
    }
}

/// `\Marked` or `\Unmarked`, for INBOX, and for all folders where the setting says so.
fn marked(s: &Session, name: &Listed) -> Option<bool> {
    if !name.is_folder || !(s.options.check_all_folders || name.name == b"INBOX") {
        return None;
    }
    let folder = FolderName::from_disk(&name.name).ok()?;
    s.location_of(&folder).map(|folder| crate::maildir::folders::marked(&folder.dir))
}

/// The folders that a LIST pattern means: what the ACL commands are applied to (PROTOCOL 7.4).
pub(crate) fn matching(s: &Session, pattern: &[u8]) -> Vec<Vec<u8>> {
    let Some(pattern) = Pattern::new(&Pattern::join(b"", pattern)) else { return Vec::new() };
    s.namespace.list(&pattern).into_iter().filter(|n| n.is_folder).map(|n| n.name).collect()
}

/// LIST (RFC 3501 6.3.8).
#[allow(clippy::module_inception, reason = "named for the command, like its neighbours")]
pub(crate) mod list {
    use super::*;

    /// `[(options)] mailbox list-mailbox`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Arguments> {
        parse_arguments(s)
    }

    /// Tells the folders that match.
    pub(crate) fn run(s: &mut Session, _: &Call, a: Arguments) -> Result<Outcome> {
        match resolve(&a)? {
            Wanted::Root(reference) => push_root(s, "LIST", &reference),
            Wanted::Nothing => {}
            Wanted::Names(pattern) => {
                for name in s.namespace.list(&pattern) {
                    push_line(s, "LIST", &name, a.extras)?;
                }
            }
        }
        Ok(Outcome::ok("LIST completed"))
    }
}

/// LSUB (RFC 3501 6.3.9).
pub(crate) mod lsub {
    use super::*;

    /// `mailbox list-mailbox`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Arguments> {
        parse_arguments(s)
    }

    /// Tells the subscriptions that match; what each is follows from the subscriptions alone
    /// (Courier).
    pub(crate) fn run(s: &mut Session, _: &Call, a: Arguments) -> Result<Outcome> {
        match resolve(&a)? {
            Wanted::Root(reference) => push_root(s, "LSUB", &reference),
            Wanted::Nothing => {}
            Wanted::Names(pattern) => {
                let names = s.namespace.list_subscribed(&pattern);
                for name in names.map_err(|e| s.io_refusal("subscriptions", &e, "LSUB failed"))? {
                    push_line(s, "LSUB", &name, a.extras)?;
                }
            }
        }
        Ok(Outcome::ok("LSUB completed"))
    }
}
