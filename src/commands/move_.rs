//! MOVE (RFC 6851): messages of the open folder into another, each of them or not. One that cannot
//! be moved stays where it is, and the tagged line says so.

use super::Call;
use super::args::{self, Span};
use super::copy::{self, Copies};
use super::flags;
use crate::maildir::move_by_copy::move_by_copy;
use crate::maildir::moving::{Cost, Kept, Moved, Moves};
use crate::maildir::quota::{Action, Charge, Quota};
use crate::maildir::{self, scan};
use crate::response::mailbox::Copied;
use crate::response::session::InvalidNumber;
use crate::session::folder::Folder;
use crate::session::refusal::{NotDelivered, over_quota, vanished};
use crate::session::{Error, Outcome, Result, Selected, Session};
use crate::sys::{breath, fs};
use crate::types::{Rights, Uid, UidValidity};

const NO_ROOM: &str = "[ALERT] MOVE failed - no write permission or out of disk space.";
const NOT_MOVED: NotDelivered =
    NotDelivered { doing: "moving", text: NO_ROOM, missing: "Mailbox does not exist." };

/// What has come of a MOVE.
struct Done {
    moved: Vec<Moved>,
    /// The UIDVALIDITY of the UIDs that may be told.
    validity: Option<UidValidity>,
    /// Whether the messages are in the open folder again, under new UIDs.
    is_same_folder: bool,
    /// The answer, if it is not OK.
    refusal: Option<Error>,
}

/// The positions of the messages in the open folder.
fn positions(s: &mut Session, spans: Vec<Span>) -> Result<Vec<usize>> {
    let mut which = Vec::new();
    for span in spans {
        breath::breathe()?;
        match span {
            Span::Invalid(n) => s.send(&InvalidNumber(n)),
            Span::Messages(range) => which.extend(range),
        }
    }
    Ok(which)
}

/// What a move changes in the quotas of the Maildirs that it leaves and enters.
struct Accounts<'a> {
    from: Quota<'a>,
    to: Quota<'a>,
    /// Whether messages count in the folder that they leave, and in the one that they enter.
    counts: (bool, bool),
    is_same: bool,
    charges: (Option<Charge>, Option<Charge>),
}

impl<'a> Accounts<'a> {
    /// Before the messages move: refuses them if they do not fit. Within one Maildir they need no
    /// room (RFC 6851 4.1), unless they begin to count.
    fn open(
        s: &'a Session,
        (from, to): (&Folder, &Folder),
        moves: &Moves<'_>,
    ) -> Result<Accounts<'a>> {
        let counts = (Session::is_counted(from), Session::is_counted(to));
        let quota = s.quota_of(to);
        let is_same = from.at.root == to.at.root;
        let from = if is_same { quota.clone() } else { s.quota_of(from) };
        let is_same = is_same || from.is_same(&quota);
        let to = quota;
        let mut accounts = Accounts { from, to, counts, is_same, charges: (None, None) };
        let (less, more) = accounts.difference(moves);
        let more = match is_same {
            true => (more.0.saturating_sub(less.0), more.1.saturating_sub(less.1)),
            false => more,
        };
        if more != (0, 0) && accounts.to.check(more.0, more.1, Action::Copy).is_err() {
            return over_quota().refuse();
        }
        accounts.charges.1 = accounts.to.begin();
        if !is_same {
            accounts.charges.0 = accounts.from.begin();
        }
        Ok(accounts)
    }

    /// What ceases to count and what begins to.
    fn difference(&self, moves: &Moves<'_>) -> (Cost, Cost) {
        let (from, to) = moves.costs();
        let counted = |counts: bool, cost: Cost| if counts { cost } else { (0, 0) };
        (counted(self.counts.0, from), counted(self.counts.1, to))
    }

    /// The messages have moved.
    fn settle(self, moves: &Moves<'_>) {
        let (less, more) = self.difference(moves);
        if let Some(charge) = &self.charges.1 {
            charge.add(more.0, more.1);
            if self.is_same {
                charge.subtract(less.0, less.1);
            }
            self.to.settle(charge);
        }
        if let Some(charge) = &self.charges.0 {
            charge.subtract(less.0, less.1);
            self.from.settle(charge);
        }
    }
}

/// Moves the messages at these positions.
fn move_all(
    s: &Session,
    selected: &mut Selected,
    (to, rights): (&Folder, Rights),
    which: &[usize],
) -> Result<Done> {
    let is_mailed = copy::is_mailed(s, to, which.len())?;
    let from = selected.folder.enter().map_err(|e| match e {
        maildir::Error::Gone => vanished().into(),
        e => s.not_delivered(e, NOT_MOVED),
    })?;
    let target = to.enter_delivery().map_err(|e| s.not_delivered_to(to, e, NOT_MOVED))?;
    let is_same_folder = from.is_same(&target);
    let told = (selected.snapshot.uid_validity, selected.snapshot.uid_next);
    let kept = Kept { flags: flags::allowed(rights), keywords: rights.has(b'w') };
    let messages = &mut selected.snapshot.messages;
    let mut moves = Moves::look(&s.store, (from, &target), messages, which, kept)
        .map_err(|e| s.not_delivered_to(to, e, NOT_MOVED))?;
    s.must_take_keywords(to, &moves.keyword_names(), NOT_MOVED)?;
    let accounts = Accounts::open(s, (&selected.folder, to), &moves)?;
    if is_mailed {
        // Last: what was sent cannot be taken back.
        moves.send(|message| s.mail(message)).map_err(|e| s.not_delivered(e, NOT_MOVED))?;
    }
    let done = if moves.waiting() == 0 {
        Ok(None)
    } else if moves.can_be_renamed() {
        scan::move_in(&s.store, &target, is_same_folder.then_some(told), &mut moves)
    } else {
        move_by_copy(&target, &mut moves)
    };
    moves.call_off();
    accounts.settle(&moves);
    let refusal = match (moves.take_refusal(), &done) {
        (Some(maildir::Error::Stopped), _) | (_, Err(maildir::Error::Stopped)) => Some(s.stopped()),
        (Some(e), Ok(_)) => Some(s.not_delivered(e, NOT_MOVED)),
        (_, Err(_)) => None,
        (None, Ok(_)) if moves.are_some_refused() => Some(Outcome::no(NO_ROOM).into()),
        (None, Ok(_)) => moves.are_some_gone().then(|| vanished().into()),
    };
    let moved = moves.moved(&target);
    let (validity, refusal) = match done {
        Ok(validity) => (validity.filter(|_| !to.is_link()), refusal),
        Err(e) => (None, refusal.or_else(|| Some(s.not_delivered_to(to, e, NOT_MOVED)))),
    };
    Ok(Done { moved, validity, is_same_folder, refusal })
}

/// Says which messages became which, before it says that they are gone (RFC 6851 4.3).
fn tell(s: &mut Session, done: &Done) -> Vec<Uid> {
    if s.options.log_deletions {
        for Moved { old, new, .. } in &done.moved {
            let (old, new) = (fs::shown(old), fs::shown(new));
            log::info!("MOVED, {}, old_name={old}, new_name={new}", s.who());
        }
    }
    let Some(validity) = done.validity else { return Vec::new() };
    let pairs = done.moved.iter().filter_map(|moved| Some((moved.from, moved.to?)));
    let (from, to): (Vec<Uid>, Vec<Uid>) = pairs.unzip();
    if !to.is_empty() {
        s.send(&Copied { validity, from: &from, to: &to });
    }
    to
}

/// Moves the messages; says which became which, then that they are gone.
pub(crate) fn run(
    s: &mut Session,
    selected: &mut Selected,
    call: &Call<'_>,
    a: Copies,
) -> Result<Outcome> {
    let (to, rights) = copy::target(s, selected, &a.mailbox, ("MOVE", NOT_MOVED))?;
    let spans = args::spans(&a.which, call.uid, selected);
    let which = positions(s, spans)?;
    if which.is_empty() {
        return Ok(Outcome::ok("MOVE completed."));
    }
    let done = move_all(s, selected, (&to, rights), &which)?;
    let uids = tell(s, &done);
    if let Some(Error::End(end)) = done.refusal {
        // The session is to end: what is known is told, and nothing else is found out.
        selected.leave_out_gone();
        selected.announce_changes(s, false);
        return Err(Error::End(end));
    }
    selected.rescan_after_removal(s)?;
    if done.is_same_folder {
        // RFC 3501 6.3.11: this session is the first to be told of them.
        let messages = &mut selected.snapshot.messages;
        for uid in uids {
            if let Ok(index) = messages.position(uid) {
                messages.set_recent(index, true);
            }
        }
    }
    match done.refusal {
        Some(refusal) => Err(refusal),
        None => Ok(Outcome::ok("MOVE completed.")),
    }
}
