//! RENAME (RFC 3501 6.3.5, PROTOCOL 4.9).

use super::Call;
use super::args::{self, Mailbox};
use crate::session::{Code, Outcome, Result, Session, refusal};
use crate::types::FolderName;
use crate::types::folder::Space;

/// The old name and the new one.
pub(crate) struct Names {
    old: Mailbox,
    new: Mailbox,
}

/// `mailbox SP mailbox`. One separator at the end of each is dropped (Courier).
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Names> {
    let old = Mailbox::parse(s)?.without_separator();
    let new = Mailbox::parse(s)?.without_separator();
    s.io.end_of_line()?;
    Ok(Names { old, new })
}

/// Renames the folder and those below it. The checks come in Courier's order (PROTOCOL 4.9).
pub(crate) fn run(s: &mut Session, _: &Call<'_>, names: Names) -> Result<Outcome> {
    let no = |code: Code, text: &'static str| -> Result<Outcome> {
        Outcome::no(text).with_code(code).refuse()
    };
    let old = names.old.valid_name(s)?;
    if matches!(old.space(), Space::Link(_)) {
        return no(Code::Cannot, "Invalid mailbox");
    }
    let Some(from) = s.location_of(&old) else {
        return no(Code::NonExistent, "Invalid mailbox");
    };
    s.require(&old, b'x', "RENAME")?;
    let new = names.new.valid_name(s)?;
    if new.has_control() {
        return args::invalid_name().refuse();
    }
    if new.space() == Space::Inbox {
        return refusal::denied("RENAME", b"INBOX", b'c').refuse();
    }
    s.require_create(&new, "RENAME")?;
    let Some(to) = s.location_of(&new) else {
        return no(Code::Cannot, "Invalid new mailbox name");
    };
    // Courier: INBOX is not above the others here.
    let moves = |open: &FolderName| {
        if from.is_top() { old == *open } else { old.is_at_or_above(open) }
    };
    if s.selected.as_ref().is_some_and(|f| moves(&f.folder.name)) {
        return no(Code::InUse, "Can't RENAME the currently-open folder");
    }
    if from.at.root != to.at.root {
        return no(Code::Cannot, "Cannot move a folder to a different account.");
    }
    if from.is_top() {
        return no(Code::Cannot, "INBOX rename not implemented.");
    }
    if s.is_trash(&from) || s.is_trash(&to) {
        return no(Code::Cannot, "Reserved folder name - cannot rename.");
    }
    s.rename_folder(&from, &to)?;
    Ok(Outcome::ok("Folder renamed."))
}
