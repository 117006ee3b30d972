//! Opening and closing folders: SELECT, EXAMINE, CLOSE, UNSELECT (PROTOCOL 4.2, 4.3).

use super::args::{self, Mailbox};
use super::{Call, expunge};
use crate::maildir::{Mode, scan};
use crate::session::selected::push_rights;
use crate::session::{Outcome, Result, Selected, Session};
use crate::types::{Flags, Rights};
use crate::wire::write;
use std::collections::HashSet;

fn parse_mailbox(s: &mut Session) -> Result<Mailbox> {
    let mailbox = Mailbox::parse(s)?;
    s.io.end_of_line()?;
    Ok(mailbox)
}

fn open(s: &mut Session, mailbox: &Mailbox, examine: bool) -> Result<Outcome> {
    // The folder that was open is closed either way, without an expunge (RFC 3501 6.3.1).
    let before = s.selected.take();
    let folder = s.locate(mailbox.name(s))?;
    let rights = s.require(&folder.name, b'r', "SELECT/EXAMINE")?;
    // Both the flags and the answer say READ-ONLY (RFC 3501 7.1), where Courier 5.0.13 says it in
    // the answer alone.
    let examined = examine || folder.at.read_only;
    let read_only = examined || !rights.intersects(Rights::WRITING);
    let mode = if read_only { Mode::ReadOnly } else { Mode::ReadWrite };
    s.synchronise(&folder)?;
    // The same folder again, and nothing has changed in it: the last look is as good as a new one.
    let unchanged = before.filter(|old| {
        old.dir == folder.dir
            && old.mode() == mode
            && !folder.is_link()
            && old.snapshot.is_saved()
            && scan::is_unchanged(&s.store, &old.dir, &old.snapshot)
    });
    let snapshot = match unchanged {
        Some(old) => old.snapshot.selected_again(),
        None => {
            let scanned = scan::scan(&s.store, &folder.dir, mode, None, Vec::new());
            scanned.map_err(|e| s.store_error(e, "Unable to open this mailbox."))?.snapshot
        }
    };
    let mut selected = Selected {
        name: folder.name.clone(),
        dir: folder.dir.clone(),
        folder,
        read_only,
        examined,
        rights,
        snapshot,
        keywords: Vec::new(),
        copied: HashSet::new(),
        pending: None,
        last_served: None,
    };
    selected.keywords = selected.used_keywords();
    let out = &mut s.io.out;
    selected.push_flag_lines(out, &selected.keywords, s.options.keywords.is_on());
    selected.push_counts(out);
    let mut coded = |name: &str, n: u64, text: &str| {
        out.extend_from_slice(format!("* OK [{name} ").as_bytes());
        write::number(out, n);
        out.extend_from_slice(format!("] {text}\r\n").as_bytes());
    };
    let messages = &selected.snapshot.messages;
    // RFC 3501 6.3.1: the first unseen message, if there is one.
    let unseen = (0..messages.len()).find(|i| !messages.flags(*i).contains(Flags::SEEN));
    if let Some(index) = unseen.filter(|_| s.options.extensions) {
        coded("UNSEEN", index as u64 + 1, "Ok");
    }
    coded("UIDVALIDITY", u64::from(selected.snapshot.uid_validity.get()), "Ok");
    if s.options.extensions {
        coded("UIDNEXT", u64::from(selected.snapshot.uid_next), "Ok");
    }
    push_rights(out, rights);
    s.selected = Some(selected);
    Ok(if read_only {
        Outcome::ok("Ok").with_code("READ-ONLY")
    } else {
        Outcome::ok("Ok").with_code("READ-WRITE")
    })
}

/// SELECT (RFC 3501 6.3.1).
#[allow(clippy::module_inception, reason = "named for the command, like its neighbours")]
pub(crate) mod select {
    use super::*;

    /// `mailbox`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Mailbox> {
        parse_mailbox(s)
    }

    /// Opens it for reading and writing.
    pub(crate) fn run(s: &mut Session, _: &Call, mailbox: Mailbox) -> Result<Outcome> {
        open(s, &mailbox, false)
    }
}

/// EXAMINE (RFC 3501 6.3.2).
pub(crate) mod examine {
    use super::*;

    /// `mailbox`
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Mailbox> {
        parse_mailbox(s)
    }

    /// Opens it for reading.
    pub(crate) fn run(s: &mut Session, _: &Call, mailbox: Mailbox) -> Result<Outcome> {
        open(s, &mailbox, true)
    }
}

/// CLOSE (RFC 3501 6.4.2).
pub(crate) mod close {
    use super::*;

    /// No arguments.
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<()> {
        args::none(s)
    }

    /// Removes what is flagged \Deleted, where that is allowed, and closes the folder, without a
    /// word of either.
    pub(crate) fn run(s: &mut Session, _: &Call, (): ()) -> Result<Outcome> {
        if s.selected.as_ref().is_some_and(|f| !f.read_only && f.rights.has(b'e')) {
            expunge::remove_deleted(s, None)?;
        }
        s.selected = None;
        Ok(Outcome::ok("mailbox closed."))
    }
}

/// UNSELECT (RFC 3691): ours.
pub(crate) mod unselect {
    use super::*;

    /// No arguments.
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<()> {
        if !s.options.extensions {
            return Err(crate::session::Error::Syntax);
        }
        args::none(s)
    }

    /// Closes the folder and removes nothing.
    pub(crate) fn run(s: &mut Session, _: &Call, (): ()) -> Result<Outcome> {
        s.selected = None;
        Ok(Outcome::ok("mailbox closed."))
    }
}
