//! STATUS (PROTOCOL 4.4): a folder's figures, without opening it and without changing anything.

use super::args::Mailbox;
use super::{Call, capability};
use crate::maildir::status::{self, Status};
use crate::maildir::{Sequences, Snapshot};
use crate::response::folders::Status as Response;
use crate::session::folder::Folder;
use crate::session::{Error, Outcome, Result, Selected, Session};
use crate::types::{Flags, ModSeq};
use crate::wire::Token;

/// The items, in the order of the answer, and the capability that announces each of ours.
const ITEMS: [(&str, Option<&str>); 9] = [
    ("MESSAGES", None),
    ("RECENT", None),
    ("UIDNEXT", None),
    ("UIDVALIDITY", None),
    ("UNSEEN", None),
    ("DELETED", Some("QUOTA=RES-MESSAGE")),
    ("DELETED-STORAGE", Some("QUOTA=RES-STORAGE")),
    ("APPENDLIMIT", Some("APPENDLIMIT")),
    ("HIGHESTMODSEQ", Some("CONDSTORE")),
];
/// The place of the item for which each of the messages may need a stat.
const DELETED_STORAGE: usize = 6;
/// The place of the item that enables CONDSTORE.
const HIGHEST: usize = 8;
/// A message may be as long as the disk has room (RFC 7889 3: NIL).
const APPEND_LIMIT: Option<u64> = None;

const FAILED: &str = "[ALERT] STATUS failed";

/// The values of the items; `None` is NIL.
type Figures = [Option<u64>; ITEMS.len()];

/// Which of the items are asked for.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Items([bool; ITEMS.len()]);

/// What an item means that is not known, or that `IMAP_EXTENSIONS` takes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unknown {
    /// Nothing (Courier).
    IsPassedOver,
    /// A syntax error.
    IsError,
}

impl Items {
    /// `status-att`
    fn ask(&mut self, s: &Session, token: &Token, unknown: Unknown) -> Result<()> {
        let word = token.word().ok_or(Error::Syntax)?;
        if token.number().is_some() {
            return Err(Error::Syntax);
        }
        let is_known = |needs: Option<&str>| {
            needs.is_none_or(|needs| capability::is_offered(&s.options, needs))
        };
        let at = ITEMS.iter().position(|(name, needs)| name.as_bytes() == word && is_known(*needs));
        match at.and_then(|at| self.0.get_mut(at)) {
            Some(asked) => *asked = true,
            None if unknown == Unknown::IsError => return Err(Error::Syntax),
            None => {}
        }
        Ok(())
    }

    /// RFC 7162 3.1: to ask for HIGHESTMODSEQ enables CONDSTORE.
    pub(super) fn enable(self, s: &mut Session) {
        if self.0[HIGHEST] {
            s.enable_condstore();
        }
    }

    /// `status-att *(SP status-att) ")"`
    pub(super) fn parse_list(s: &mut Session, unknown: Unknown) -> Result<Items> {
        let mut asked = Items::default();
        loop {
            match s.io.token()? {
                Token::Close => return Ok(asked),
                token => asked.ask(s, &token, unknown)?,
            }
        }
    }
}

/// The folder and which of the items are asked for.
pub(crate) struct Question {
    mailbox: Mailbox,
    asked: Items,
}

/// `mailbox SP "(" status-att *(SP status-att) ")"`; one without parentheses is tolerated (Courier).
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Question> {
    let mailbox = Mailbox::parse(s)?;
    let asked = match s.io.token()? {
        Token::Open => Items::parse_list(s, Unknown::IsPassedOver)?,
        token => {
            let mut asked = Items::default();
            asked.ask(s, &token, Unknown::IsPassedOver)?;
            asked
        }
    };
    s.io.end_of_line()?;
    Ok(Question { mailbox, asked })
}

fn of_selected(s: &Session, selected: &Selected, sizes: bool) -> Result<Status> {
    let Snapshot { messages, uid_next, uid_validity, .. } = &selected.snapshot;
    let count = |is_such: &dyn Fn(Flags) -> bool| {
        (0..messages.len()).filter(|i| is_such(messages.flags(*i))).count()
    };
    let deleted_bytes = if sizes {
        let dir =
            selected.folder.enter().map_err(|e| s.folder_error(&selected.folder, e, FAILED))?;
        status::deleted_bytes(&dir, messages)?
    } else {
        0
    };
    Ok(Status {
        messages: messages.len(),
        recent: selected.recent(),
        uid_next: *uid_next,
        uid_validity: *uid_validity,
        unseen: count(&|flags| !flags.contains(Flags::SEEN)),
        deleted: count(&|flags| flags.contains(Flags::DELETED)),
        deleted_bytes,
        highest: selected.sequences().map(Sequences::highest),
    })
}

fn figures(status: &Status) -> Figures {
    let count = |n: usize| Some(n as u64);
    [
        count(status.messages),
        count(status.recent),
        Some(u64::from(status.uid_next)),
        Some(u64::from(status.uid_validity.get())),
        count(status.unseen),
        count(status.deleted),
        Some(status.deleted_bytes),
        APPEND_LIMIT,
        // RFC 7162 3.1.7: 0 where there are none.
        Some(status.highest.map_or(0, ModSeq::get)),
    ]
}

/// What is asked of a folder, each item with its value; `None` is NIL. Of the open folder these are
/// the ones that the client knows already.
pub(super) fn ask(
    s: &Session,
    folder: &Folder,
    Items(asked): Items,
) -> Result<Vec<(&'static str, Option<u64>)>> {
    let sizes = asked[DELETED_STORAGE];
    let status = match &s.selected {
        Some(selected) if selected.folder.name == folder.name => of_selected(s, selected, sizes)?,
        _ => {
            let failed = |e| s.folder_error(folder, e, FAILED);
            let dir = folder.enter().map_err(failed)?;
            s.synchronise(&dir)?;
            let asked = status::Asked { sizes, highest: asked[HIGHEST] };
            status::read(&s.store, &dir, asked).map_err(failed)?
        }
    };
    let items = ITEMS.into_iter().zip(figures(&status)).zip(asked);
    Ok(items.filter(|(_, asked)| *asked).map(|(((item, _), figure), _)| (item, figure)).collect())
}

/// Sends the figures.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, question: Question) -> Result<Outcome> {
    let folder = s.locate_and_enter(question.mailbox.name(s))?;
    s.require_in(&folder, b'r', "STATUS")?;
    question.asked.enable(s);
    let figures = ask(s, &folder, question.asked)?;
    s.send(&Response { name: &question.mailbox.shown, figures: &figures });
    Ok(Outcome::ok("STATUS Completed."))
}
