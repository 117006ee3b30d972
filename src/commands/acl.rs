//! Access control lists on the wire: the commands of RFC 4314 (with RFC 2086's `d`), and Courier's
//! own ACL command (PROTOCOL 7.3, 7.4).

use super::args::Mailbox;
use super::{Call, list};
use crate::maildir::acl::{self, Acl, ChangeRefused};
use crate::session::access::{self, Folder};
use crate::session::{Error, Outcome, Result, Session};
use crate::types::folder::Space;
use crate::types::{FolderName, Rights};
use crate::wire::input::Brackets;
use crate::wire::{Token, write};

const CANNOT: &str = "Cannot modify ACLs on this mailbox.";
const NOT_AS_REQUESTED: &str = "Cannot modify ACLs as requested.";

/// The mailbox and the words behind it; what follows is passed over (PROTOCOL 1.6).
fn parse_words<const N: usize>(s: &mut Session) -> Result<(Mailbox, [Vec<u8>; N])> {
    let mailbox = Mailbox::parse(s)?;
    let mut words = [const { Vec::new() }; N];
    for word in &mut words {
        *word = s.io.astring()?;
    }
    Ok((mailbox, words))
}

/// The folder of a command that changes its list, if the user may (`a`).
fn administered(s: &mut Session, mailbox: &Mailbox, command: &str) -> Result<Folder> {
    let folder = s.locate(mailbox.name(s))?;
    if folder.is_link() {
        return Outcome::no("Cannot set ACLs for this mailbox").refuse();
    }
    s.require(&folder.name, b'a', command)?;
    Ok(folder)
}

/// What becomes of a list.
type Edited = std::result::Result<(), ChangeRefused>;

/// Changes a folder's list, and tells the rights on the open folder if they are others now.
fn change(s: &mut Session, name: &FolderName, edit: impl FnOnce(&mut Acl) -> Edited) -> Edited {
    s.namespace.change(&s.store, name, edit)?;
    // Looked up once more: rights on the open folder that have changed are told.
    let _ = s.rights(name);
    Ok(())
}

/// A folder's list; without one there is nothing to change or show.
fn load(s: &Session, name: &FolderName, text: &'static str) -> Result<Acl> {
    s.namespace.load(name).map_err(|_| Outcome::no(text).into())
}

/// How SETACL and DELETEACL tell a refusal. Owner violations are told alike in every form, as the
/// newer releases do.
fn refusal(s: &Session, refused: ChangeRefused) -> Error {
    match refused {
        ChangeRefused::Owner(_) => Outcome::no(NOT_AS_REQUESTED).into(),
        ChangeRefused::Failed(e) => s.io_refusal("ACL", &e, CANNOT),
        ChangeRefused::Locked(e) => s.store_error(e, CANNOT),
        _ => Outcome::no(CANNOT).into(),
    }
}

/// SETACL (RFC 4314 3.1).
pub(crate) mod setacl {
    use super::*;

    /// `mailbox SP identifier SP mod-rights`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<(Mailbox, [Vec<u8>; 2])> {
        parse_words(s)
    }

    /// Changes one entry.
    pub(crate) fn run(
        s: &mut Session,
        _: &Call,
        (mailbox, [who, rights]): (Mailbox, [Vec<u8>; 2]),
    ) -> Result<Outcome> {
        let folder = administered(s, &mailbox, "SETACL")?;
        let identifier =
            acl::from_rfc2086(&who).ok_or_else(|| Outcome::no("Invalid ACL identifier."))?;
        change(s, &folder.name, |list| list.change(&identifier, &rights))
            .map_err(|refused| refusal(s, refused))?;
        Ok(Outcome::ok("ACLs updated."))
    }
}

/// DELETEACL (RFC 4314 3.2).
pub(crate) mod deleteacl {
    use super::*;

    /// `mailbox SP identifier`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<(Mailbox, [Vec<u8>; 1])> {
        parse_words(s)
    }

    /// Takes one entry out.
    pub(crate) fn run(
        s: &mut Session,
        _: &Call,
        (mailbox, [who]): (Mailbox, [Vec<u8>; 1]),
    ) -> Result<Outcome> {
        let folder = administered(s, &mailbox, "DELETEACL")?;
        let identifier =
            acl::from_rfc2086(&who).ok_or_else(|| Outcome::no("Invalid ACL identifier."))?;
        let remove = |list: &mut Acl| {
            list.remove(&identifier);
            Ok(())
        };
        change(s, &folder.name, remove).map_err(|refused| refusal(s, refused))?;
        Ok(Outcome::ok("ACLs updated."))
    }
}

/// GETACL (RFC 4314 3.3).
pub(crate) mod getacl {
    use super::*;

    /// `mailbox`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<(Mailbox, [Vec<u8>; 0])> {
        parse_words(s)
    }

    /// Tells the list, groups left out (PROTOCOL 7.2).
    pub(crate) fn run(
        s: &mut Session,
        _: &Call,
        (mailbox, []): (Mailbox, [Vec<u8>; 0]),
    ) -> Result<Outcome> {
        let folder = s.locate(mailbox.name(s))?;
        s.require(&folder.name, b'a', "GETACL")?;
        let list = load(s, &folder.name, "Cannot retrieve ACLs for mailbox.")?;
        let out = &mut s.io.out;
        out.extend_from_slice(b"* ACL ");
        write::string(out, &mailbox.0);
        for (identifier, rights) in list.entries() {
            if let Some(shown) = acl::to_rfc2086(identifier) {
                out.push(b' ');
                write::string(out, &shown);
                out.push(b' ');
                write::string(out, &rights.shown());
            }
        }
        out.extend_from_slice(b"\r\n");
        Ok(Outcome::ok("GETACL completed."))
    }
}

/// The folder of a question about rights: any one right will do.
fn asked(s: &mut Session, mailbox: &Mailbox) -> Result<(Folder, Rights)> {
    let folder = s.locate(mailbox.name(s))?;
    let rights = s.rights(&folder.name)?;
    if rights.intersects(Rights::ASKING) {
        return Ok((folder, rights));
    }
    // Courier names GETACL and `a` here (PROTOCOL 7.3, sic).
    access::denied("GETACL", folder.name.spelled(), b'a').refuse()
}

/// LISTRIGHTS (RFC 4314 3.4).
pub(crate) mod listrights {
    use super::*;

    /// `mailbox SP identifier`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<(Mailbox, [Vec<u8>; 1])> {
        parse_words(s)
    }

    /// Tells which rights an identifier always has and which it may be given.
    pub(crate) fn run(
        s: &mut Session,
        _: &Call,
        (mailbox, [who]): (Mailbox, [Vec<u8>; 1]),
    ) -> Result<Outcome> {
        let (folder, _) = asked(s, &mailbox)?;
        let stored = acl::from_rfc2086(&who).unwrap_or_default();
        let is_owner = |id: &[u8]| id == folder.at.owner;
        let minus = stored
            .strip_prefix(b"-")
            .is_some_and(|id| is_owner(id) || matches!(id, b"anyone" | b"anonymous"));
        let rights = if is_owner(&stored) {
            "\"al\" c d i p r s w"
        } else if minus {
            "\"\" c d i p r s w"
        } else {
            "\"\" a c d i l p r s w"
        };
        let out = &mut s.io.out;
        out.extend_from_slice(b"* LISTRIGHTS ");
        write::string(out, &mailbox.0);
        out.push(b' ');
        write::string(out, &who);
        out.push(b' ');
        out.extend_from_slice(rights.as_bytes());
        out.extend_from_slice(b"\r\n");
        Ok(Outcome::ok("LISTRIGHTS completed."))
    }
}

/// MYRIGHTS (RFC 4314 3.5).
pub(crate) mod myrights {
    use super::*;

    /// `mailbox`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<(Mailbox, [Vec<u8>; 0])> {
        parse_words(s)
    }

    /// Tells what the user may do.
    pub(crate) fn run(
        s: &mut Session,
        _: &Call,
        (mailbox, []): (Mailbox, [Vec<u8>; 0]),
    ) -> Result<Outcome> {
        let (_, rights) = asked(s, &mailbox)?;
        let out = &mut s.io.out;
        out.extend_from_slice(b"* MYRIGHTS ");
        write::string(out, &mailbox.0);
        out.push(b' ');
        write::string(out, &rights.shown());
        out.extend_from_slice(b"\r\n");
        Ok(Outcome::ok("MYRIGHTS completed."))
    }
}

/// ACL STORE, ACL SET, ACL DELETE: one change on many folders (PROTOCOL 7.4).
pub(crate) mod acl_command {
    use super::*;

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

    /// The folders and the change; `None` where Courier answers `FAILED`.
    pub(crate) struct Arguments(Option<(Vec<Vec<u8>>, bool, Verb)>);

    fn decoded(s: &Session, wire: Vec<u8>) -> Result<Vec<u8>> {
        if s.utf8 { Ok(wire) } else { crate::types::utf7::decode(&wire).ok_or(Error::Syntax) }
    }

    /// One folder, or a list of LIST patterns; in UTF-8.
    fn boxes(s: &mut Session) -> Result<(Vec<Vec<u8>>, bool)> {
        let invalid = |e: crate::wire::Error| {
            if e == crate::wire::Error::Syntax { Error::Invalid } else { e.into() }
        };
        let token = s.io.token_as(Brackets::Text).map_err(invalid)?;
        if token != Token::Open {
            let text = s.io.text_of(token).map_err(invalid)?;
            return Ok((vec![decoded(s, text)?], false));
        }
        let mut patterns = Vec::new();
        loop {
            match s.io.token_as(Brackets::Text).map_err(invalid)? {
                Token::Close => return Ok((patterns, true)),
                token => {
                    let text = s.io.text_of(token).map_err(invalid)?;
                    patterns.push(decoded(s, text)?);
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
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Arguments> {
        let Some(sub) = s.io.token()?.word() else { return Ok(Arguments(None)) };
        if !matches!(&*sub, b"STORE" | b"SET" | b"DELETE") {
            return Ok(Arguments(None));
        }
        let (names, patterns) = boxes(s)?;
        let mut words = words(s)?.into_iter();
        let verb = match (&*sub, words.next(), words.next()) {
            (b"STORE", Some(identifier), Some(rights)) => Verb::Store { identifier, rights },
            (b"DELETE", Some(identifier), _) => Verb::Delete { identifier },
            (b"SET", None, None) => Verb::Set(Vec::new()),
            (b"SET", Some(identifier), Some(rights)) => {
                let mut entries = vec![(identifier, rights)];
                while let Some(identifier) = words.next() {
                    let Some(rights) = words.next() else { return Ok(Arguments(None)) };
                    entries.push((identifier, rights));
                }
                Verb::Set(entries)
            }
            _ => return Ok(Arguments(None)),
        };
        Ok(Arguments(Some((names, patterns, verb))))
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

    fn failed(s: &mut Session, name: &[u8], text: &[u8]) {
        let out = &mut s.io.out;
        out.extend_from_slice(b"* ACLFAILED ");
        write::string(out, name);
        out.push(b' ');
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    }

    /// `* RIGHTS-INFO "<box>" "<who>" al c e ...`: who would lose what nobody may take from him.
    fn rights_info(s: &mut Session, name: &[u8], who: &[u8], rights: &str) {
        let out = &mut s.io.out;
        out.extend_from_slice(b"* RIGHTS-INFO ");
        write::string(out, name);
        out.push(b' ');
        write::string(out, who);
        out.push(b' ');
        out.extend_from_slice(rights.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// Changes one folder; whether its list is told after that.
    fn change_one(s: &mut Session, name: &FolderName, verb: &Verb) -> Result<bool> {
        let shown = crate::types::folder::to_wire(name.as_bytes(), s.utf8).unwrap_or_default();
        if matches!(name.space(), Space::Link(_)) {
            failed(s, &shown, b"ACLs may not be modified for special mailbox");
            return Ok(false);
        }
        if s.locate(Ok(name.clone())).is_err() {
            return Ok(false);
        }
        if !s.rights(name)?.has(b'a') {
            let command = format!("ACL {}", verb.name());
            let text = [b"NO ", &*access::denied_text(&command, &shown, b'a')].concat();
            failed(s, &shown, &text);
            return Ok(false);
        }
        match change(s, name, |list| edit(list, verb)) {
            Ok(()) => return Ok(true),
            Err(ChangeRefused::Owner(who)) => rights_info(s, &shown, &who, "al c e i p r s t w x"),
            // Courier: a whole list without the administrators is no list.
            Err(ChangeRefused::Administrators) if matches!(verb, Verb::Set(_)) => {
                failed(s, &shown, b"Invalid argument")
            }
            Err(ChangeRefused::Administrators) => {
                rights_info(s, &shown, b"administrators", "aceilrstwx")
            }
            Err(ChangeRefused::Special) => {
                failed(s, &shown, b"ACLs may not be modified for special mailbox")
            }
            Err(ChangeRefused::Invalid) => failed(s, &shown, b"Invalid argument"),
            Err(ChangeRefused::Failed(e)) => {
                failed(s, &shown, crate::sys::fs::error_text(&e).as_bytes())
            }
            Err(ChangeRefused::Locked(e)) => return Err(s.store_error(e, CANNOT)),
        }
        // Courier: the list as it still is follows, but not after SET.
        Ok(!matches!(verb, Verb::Set(_)))
    }

    /// Changes the folders, then tells the list of each.
    pub(crate) fn run(s: &mut Session, _: &Call, a: Arguments) -> Result<Outcome> {
        // PROTOCOL 7.4: neither OK nor NO nor BAD, sic; RFC 3501 7.1 has only those, so BAD it is.
        let Some((names, patterns, verb)) = a.0 else {
            return Ok(Outcome::bad("ACL FAILED: Invalid argument"));
        };
        let mut found: Vec<Vec<u8>> = Vec::new();
        for name in names {
            if patterns {
                found.extend(list::matching(s, &name));
            } else {
                found.push(name);
            }
        }
        if patterns {
            found.sort();
            found.dedup();
        }
        if let Verb::Set(entries) = &verb
            && let Some((identifier, rights)) =
                entries.iter().find(|(id, _)| !acl::is_identifier(id))
        {
            let text = [b"ACL SET <", &**identifier, b", ", rights, b"> failed."].concat();
            return Outcome::no_bytes(text).refuse();
        }
        let folders: Vec<FolderName> =
            found.iter().filter_map(|name| FolderName::from_disk(name).ok()).collect();
        let mut told = Vec::new();
        for name in &folders {
            if change_one(s, name, &verb)? {
                told.push(name);
            }
        }
        for name in told {
            if s.locate(Ok(name.clone())).is_ok() && s.rights(name)?.has(b'a') {
                list::push_acl_line(s, name)?;
            }
        }
        Ok(Outcome::ok(format!("ACL {} completed.", verb.name())))
    }
}
