//! Folders themselves: CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (PROTOCOL 4.6 to 4.9).

use super::Call;
use super::args::Mailbox;
use crate::maildir::shared_link::Subscribed;
use crate::session::access;
use crate::session::{Error, Outcome, Result, Session};
use crate::types::folder::{FolderName, NameError, Space};
use crate::types::utf7;
use crate::wire::write;

const INVALID: &str = "Invalid mailbox name.";

fn parse_mailbox(s: &mut Session) -> Result<Mailbox> {
    let mailbox = Mailbox::parse(s)?;
    s.io.end_of_line()?;
    Ok(mailbox)
}

/// The folder of an argument: malformed UTF-7 is a syntax error, a name outside the rules is
/// refused (PROTOCOL 4.1).
fn name_of(s: &Session, mailbox: &Mailbox) -> Result<FolderName> {
    mailbox.name(s).map_err(|e| match e {
        NameError::Encoding => Error::Syntax,
        NameError::Invalid => Outcome::no(INVALID).into(),
    })
}

/// The client's own spelling of the folder above.
fn parent_spelled(name: &FolderName) -> &[u8] {
    let spelled = name.spelled();
    memchr::memrchr(b'.', spelled).and_then(|dot| spelled.get(..dot)).unwrap_or(spelled)
}

/// Refuses unless the user may make folders below the one above `name`.
fn require_create(s: &mut Session, name: &FolderName, command: &str) -> Result<()> {
    let denied = || access::denied(command, parent_spelled(name), b'c');
    let Some(parent) = name.parent() else { return denied().refuse() };
    if s.rights(&parent)?.has(b'c') { Ok(()) } else { denied().refuse() }
}

/// CREATE (RFC 3501 6.3.3).
pub(crate) mod create {
    use super::*;

    /// `mailbox`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Mailbox> {
        parse_mailbox(s)
    }

    /// Makes the folder; not those above it (Courier).
    pub(crate) fn run(s: &mut Session, _: &Call, mailbox: Mailbox) -> Result<Outcome> {
        // Courier: the name as it would write it itself, superfluous encodings gone.
        let decoded = if s.utf8 { None } else { utf7::decode(&mailbox.0) };
        let mut text = Vec::new();
        write::string(
            &mut text,
            &decoded.and_then(|n| utf7::encode(&n)).unwrap_or_else(|| mailbox.0.clone()),
        );
        text.extend_from_slice(b" created.");
        let created = Outcome::ok_bytes(text);
        let name = name_of(s, &mailbox.without_separator())?;
        if name.space() == Space::Inbox {
            return Outcome::no("INBOX already exists!").refuse();
        }
        if name.has_control() {
            return Outcome::no(INVALID).refuse();
        }
        if mailbox.ends_in_separator() {
            // RFC 3501 6.3.3: a declaration that folders will be made below it; nothing is to be
            // done.
            return Ok(created);
        }
        if matches!(name.space(), Space::Link(_)) {
            return access::denied("CREATE", name.spelled(), b'c').refuse();
        }
        let Some(folder) = s.location_of(&name) else {
            return access::denied("CREATE", name.spelled(), b'c').refuse();
        };
        require_create(s, &name, "CREATE")?;
        s.create_folder(&folder)?;
        Ok(created)
    }
}

/// DELETE (RFC 3501 6.3.4).
pub(crate) mod delete {
    use super::*;

    const CANNOT: &str = "Cannot delete this folder.";

    /// `mailbox`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Mailbox> {
        parse_mailbox(s)
    }

    /// Removes the folder with its messages; those below it stay.
    pub(crate) fn run(s: &mut Session, _: &Call, mailbox: Mailbox) -> Result<Outcome> {
        if mailbox.ends_in_separator() {
            return Ok(Outcome::ok("Folder directory delete punted."));
        }
        let folder = s.locate(mailbox.name(s))?;
        if s.selected.as_ref().is_some_and(|f| f.name == folder.name) {
            return Outcome::no("Cannot delete currently-open folder.").refuse();
        }
        if let Space::Link(path) = folder.name.space() {
            s.namespace
                .links()
                .unsubscribe(path)
                .map_err(|e| s.io_refusal("shared folder", &e, CANNOT))?;
            return Ok(Outcome::ok("UNSUBSCRIBEd a shared folder."));
        }
        s.require(&folder.name, b'x', "DELETE")?;
        if folder.is_top() || s.is_trash(&folder) {
            return Outcome::no(CANNOT).refuse();
        }
        s.delete_folder(&folder)?;
        Ok(Outcome::ok("Folder deleted."))
    }
}

/// RENAME (RFC 3501 6.3.5).
pub(crate) mod rename {
    use super::*;

    /// The old name and the new one.
    pub(crate) struct Arguments {
        old: Mailbox,
        new: Mailbox,
    }

    /// `mailbox SP mailbox`; one separator at the end of each is dropped (Courier).
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Arguments> {
        let old = Mailbox::parse(s)?.without_separator();
        let new = Mailbox::parse(s)?.without_separator();
        s.io.end_of_line()?;
        Ok(Arguments { old, new })
    }

    /// Moves the folder and those below it, in Courier's order of checks (PROTOCOL 4.9).
    pub(crate) fn run(s: &mut Session, _: &Call, a: Arguments) -> Result<Outcome> {
        let no = |text: &'static str| -> Result<Outcome> { Outcome::no(text).refuse() };
        if a.new.name(s) == Err(NameError::Encoding) {
            return Err(Error::Syntax);
        }
        let old = name_of(s, &a.old)?;
        if matches!(old.space(), Space::Link(_)) {
            return no("Invalid mailbox");
        }
        let Some(from) = s.location_of(&old) else { return no("Invalid mailbox") };
        s.require(&old, b'x', "RENAME")?;
        let new = name_of(s, &a.new)?;
        if new.has_control() {
            return no(INVALID);
        }
        if new.space() == Space::Inbox {
            return access::denied("RENAME", b"INBOX", b'c').refuse();
        }
        require_create(s, &new, "RENAME")?;
        let Some(to) = s.location_of(&new) else { return no("Invalid new mailbox name") };
        if s.selected.as_ref().is_some_and(|f| old.is_at_or_above(&f.name)) {
            return no("Can't RENAME the currently-open folder");
        }
        if from.at.root != to.at.root {
            return no("Cannot move a folder to a different account.");
        }
        if from.is_top() {
            return no("INBOX rename not implemented.");
        }
        if s.is_trash(&from) || s.is_trash(&to) {
            return no("Reserved folder name - cannot rename.");
        }
        s.rename_folder(&from, &to)?;
        Ok(Outcome::ok("Folder renamed."))
    }
}

/// SUBSCRIBE (RFC 3501 6.3.6).
pub(crate) mod subscribe {
    use super::*;

    /// `mailbox`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Mailbox> {
        parse_mailbox(s)
    }

    /// Adds the name, whether the folder exists or not.
    pub(crate) fn run(s: &mut Session, _: &Call, mailbox: Mailbox) -> Result<Outcome> {
        if mailbox.ends_in_separator() {
            return Ok(Outcome::ok("Folder directory subscribe punted."));
        }
        let name = name_of(s, &mailbox)?;
        if let Space::Link(path) = name.space() {
            const CANNOT: &str = "Cannot subscribe to this folder.";
            let done = s
                .namespace
                .links()
                .subscribe(path)
                .map_err(|e| s.io_refusal("shared folder", &e, CANNOT))?;
            return Ok(match done {
                Subscribed::Already => Outcome::ok("Already subscribed."),
                Subscribed::Done => Outcome::ok("SUBSCRIBE completed."),
            });
        }
        s.change_subscriptions(&name, true)?;
        Ok(Outcome::ok("Folder subscribed."))
    }
}

/// UNSUBSCRIBE (RFC 3501 6.3.7).
pub(crate) mod unsubscribe {
    use super::*;

    /// `mailbox`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Mailbox> {
        parse_mailbox(s)
    }

    /// Takes the name away, whether it was there or not.
    pub(crate) fn run(s: &mut Session, _: &Call, mailbox: Mailbox) -> Result<Outcome> {
        if mailbox.ends_in_separator() {
            return Ok(Outcome::ok("Folder directory unsubscribe punted."));
        }
        let name = name_of(s, &mailbox)?;
        if let Space::Link(path) = name.space() {
            const CANNOT: &str = "Cannot subscribe to this folder.";
            let done = s
                .namespace
                .links()
                .unsubscribe(path)
                .map_err(|e| s.io_refusal("shared folder", &e, CANNOT))?;
            return Ok(match done {
                Subscribed::Already => Outcome::ok("Already unsubscribed."),
                Subscribed::Done => Outcome::ok("UNSUBSCRIBE completed."),
            });
        }
        s.change_subscriptions(&name, false)?;
        Ok(Outcome::ok("Folder unsubscribed."))
    }
}
