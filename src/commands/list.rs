//! LIST and LSUB (PROTOCOL 4.5): which names match, and what each is.

mod tree;

use super::Call;
use crate::session::{Error, Outcome, Result, Session};
use crate::types::folder::{self, FolderName};
use crate::types::utf7;
use crate::wire::{Token, write};
use tree::{Name, Pattern};

/// More wildcards than this are refused (PROTOCOL 4.5).
const MOST_WILDCARDS: usize = 10;

/// What `LIST (...)` asks for beside the names; unknown words are passed over (Courier).
#[derive(Clone, Copy, Default, Debug)]
pub struct Extras {
    acl: bool,
    rights: bool,
    address: bool,
}

/// The arguments of both commands, in UTF-8.
pub struct Arguments {
    extras: Extras,
    reference: Vec<u8>,
    pattern: Vec<u8>,
}

/// A reference or pattern: astring, `NIL` standing for the empty string (Courier). Anything else is not counted as an error.
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
    match s.io.token() {
        Ok(token) => text(s, token),
        Err(crate::wire::Error::Syntax) => Err(Error::Invalid),
        Err(e) => Err(e.into()),
    }
}

fn parse_arguments(s: &mut Session, with_extras: bool) -> Result<Arguments> {
    let mut extras = Extras::default();
    let mut token = match s.io.token() {
        Ok(token) => token,
        Err(crate::wire::Error::Syntax) => return Err(Error::Invalid),
        Err(e) => return Err(e.into()),
    };
    if token == Token::Open && with_extras {
        loop {
            match s.io.token()? {
                Token::Close => break,
                word if word.is("ACL") => extras.acl = true,
                word if word.is("MYRIGHTS") => extras.rights = true,
                word if word.is("POSTADDRESS") => extras.address = true,
                Token::Atom(_) => {}
                _ => return Err(Error::Invalid),
            }
        }
        token = s.io.token()?;
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
    if a.pattern.is_empty() {
        return Ok(Wanted::Root(reference.to_vec()));
    }
    if !reference.is_empty() && FolderName::from_disk(reference).is_err() {
        return Ok(Wanted::Nothing);
    }
    let mut pattern = a.pattern.clone();
    if !reference.is_empty() {
        pattern = [reference, b".", &*pattern].concat();
    }
    if let Some(rest) = pattern.strip_suffix(b".") {
        pattern = rest.to_vec();
    }
    if pattern.iter().filter(|b| matches!(b, b'*' | b'%')).count() > MOST_WILDCARDS {
        return Outcome::no("Invalid argument").refuse();
    }
    Ok(Wanted::Names(Pattern::new(pattern)))
}

/// Writes one line. Names that have no wire form are left out (STORAGE 4.3).
fn push_line(s: &mut Session, word: &str, name: &Name, marked: Option<bool>, extras: &[u8]) {
    let Some(wire) = folder::to_wire(&name.name, s.utf8) else { return };
    let obsolete = s.options.obsolete_client;
    let attributes: Vec<&str> = [
        (!name.real, "\\Noselect"),
        (marked == Some(false), "\\Unmarked"),
        (marked == Some(true), "\\Marked"),
        (!name.children && !obsolete && name.real, "\\HasNoChildren"),
        (!name.children && obsolete && name.real, "\\Noinferiors"),
        (name.children && !obsolete, "\\HasChildren"),
    ]
    .into_iter()
    .filter_map(|(there, attribute)| there.then_some(attribute))
    .collect();
    let out = &mut s.io.out;
    out.extend_from_slice(format!("* {word} ({}) \".\" ", attributes.join(" ")).as_bytes());
    write::string(out, &wire);
    if !extras.is_empty() {
        out.extend_from_slice(b" (");
        out.extend_from_slice(extras);
        out.push(b')');
    }
    out.extend_from_slice(b"\r\n");
}

/// The line for an empty pattern.
fn push_root(s: &mut Session, word: &str, reference: &[u8]) -> Result<()> {
    let shown: &[u8] = if reference == b"#shared" || reference.starts_with(b"#shared.") { b"#shared." } else { b"" };
    let real = match FolderName::from_disk(reference) {
        Ok(name) => s.place_of(name)?.is_some_and(|place| place.dir.is_there()),
        Err(_) => false,
    };
    let out = &mut s.io.out;
    out.extend_from_slice(format!("* {word} (").as_bytes());
    if !real {
        out.extend_from_slice(b"\\Noselect");
    }
    out.extend_from_slice(b") \".\" ");
    write::string(out, shown);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Whether a folder's right `l` lets it be listed, and its place. Names that lead nowhere are listed: a subscription may outlive
/// its folder.
fn is_visible(s: &mut Session, name: &FolderName) -> Result<bool> {
    match s.place_of(name.clone())? {
        Some(place) => Ok(s.rights(&place)?.has(b'l')),
        None => Ok(true),
    }
}

/// `("ACL" (...))("MYRIGHTS" "...")(POSTADDRESS NIL)`, each if asked for and allowed.
fn extra_data(s: &mut Session, name: &[u8], extras: Extras) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    if (extras.acl || extras.rights)
        && let Ok(name) = FolderName::from_disk(name)
        && let Some(place) = s.place_of(name)?
    {
        let rights = s.rights(&place)?;
        if extras.acl && rights.has(b'a') {
            out.extend_from_slice(b"(\"ACL\" ");
            s.push_acl(&mut out, &place)?;
            out.push(b')');
        }
        if extras.rights && rights.intersects(crate::types::Rights::ASKING) {
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

/// Writes the line that the ACL commands answer with, one for a folder: as `LIST (ACL)` does (PROTOCOL 7.4).
pub fn push_acl_line(s: &mut Session, name: &FolderName) -> Result<()> {
    let space = s.folder_names(name.as_bytes().starts_with(b"#"))?;
    let children = space.iter().any(|other| tree::is_below(other, name.as_bytes()));
    let line = Name { name: name.as_bytes().to_vec(), real: space.iter().any(|n| n == name.as_bytes()), children };
    let extras = extra_data(s, name.as_bytes(), Extras { acl: true, ..Extras::default() })?;
    let marked = marked(s, &line)?;
    push_line(s, "LIST", &line, marked, &extras);
    Ok(())
}

/// `\Marked` or `\Unmarked`, for INBOX, and for all folders where the setting says so.
fn marked(s: &mut Session, name: &Name) -> Result<Option<bool>> {
    if !name.real || !(s.options.check_all_folders || name.name == b"INBOX") {
        return Ok(None);
    }
    let Ok(folder) = FolderName::from_disk(&name.name) else { return Ok(None) };
    Ok(s.place_of(folder)?.map(|place| crate::maildir::folders::marked(&place.dir)))
}

/// The names of LIST patterns among all folders, sorted: what the ACL commands are applied to (PROTOCOL 7.4).
pub fn matching(s: &mut Session, pattern: &[u8]) -> Result<Vec<Vec<u8>>> {
    let pattern = Pattern::new(pattern.strip_suffix(b".").unwrap_or(pattern).to_vec());
    let names = s.folder_names(pattern.is_index())?;
    Ok(tree::matches(names, &pattern).into_iter().filter(|n| n.real).map(|n| n.name).collect())
}

/// LIST (RFC 3501 6.3.8).
pub mod list {
    use super::*;

    /// `[(options)] mailbox list-mailbox`
    pub fn parse(s: &mut Session, _: &Call) -> Result<Arguments> {
        parse_arguments(s, true)
    }

    /// Tells the folders that match.
    pub fn run(s: &mut Session, _: &Call, a: Arguments) -> Result<Outcome> {
        match resolve(&a)? {
            Wanted::Root(reference) => push_root(s, "LIST", &reference)?,
            Wanted::Nothing => {}
            Wanted::Names(pattern) => {
                let mut names = s.folder_names(pattern.is_index())?;
                let mut failed = None;
                names.retain(|name| {
                    let Ok(folder) = FolderName::from_disk(name) else { return false };
                    is_visible(s, &folder).unwrap_or_else(|e| {
                        failed = Some(e);
                        false
                    })
                });
                if let Some(Error::End(end)) = failed {
                    return Err(end.into());
                }
                for name in tree::matches(names, &pattern) {
                    let marked = marked(s, &name)?;
                    let extras = extra_data(s, &name.name, a.extras)?;
                    push_line(s, "LIST", &name, marked, &extras);
                    s.io.ease()?;
                }
            }
        }
        Ok(Outcome::ok("LIST completed"))
    }
}

/// LSUB (RFC 3501 6.3.9).
pub mod lsub {
    use super::*;

    /// `mailbox list-mailbox`
    pub fn parse(s: &mut Session, _: &Call) -> Result<Arguments> {
        parse_arguments(s, true)
    }

    /// Tells the subscriptions that match; what each is follows from the subscriptions alone (Courier).
    pub fn run(s: &mut Session, _: &Call, a: Arguments) -> Result<Outcome> {
        match resolve(&a)? {
            Wanted::Root(reference) => push_root(s, "LSUB", &reference)?,
            Wanted::Nothing => {}
            Wanted::Names(pattern) => {
                let mut names = s.subscriptions()?;
                names.retain(|name| name.starts_with(b"#") == pattern.is_index());
                let mut seen = Vec::with_capacity(names.len());
                for name in names {
                    let visible = match FolderName::from_disk(&name) {
                        Ok(folder) => is_visible(s, &folder)?,
                        Err(_) => false,
                    };
                    if visible {
                        seen.push(name);
                    }
                }
                for name in tree::matches(seen, &pattern) {
                    let marked = marked(s, &name)?;
                    let extras = extra_data(s, &name.name, a.extras)?;
                    push_line(s, "LSUB", &name, marked, &extras);
                    s.io.ease()?;
                }
            }
        }
        Ok(Outcome::ok("LSUB completed"))
    }
}
