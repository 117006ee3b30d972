//! COPY (PROTOCOL 6.3): messages of the open folder into another, all of them or none.

use super::Call;
use super::args::{self, Mailbox, Span, Which};
use super::flags::FlagList;
use crate::maildir::quota::{self, Action};
use crate::maildir::{self, Snapshot, change, deliver::Delivery};
use crate::response::session::InvalidNumber;
use crate::session::access::Missing;
use crate::session::delivery::Delivered;
use crate::session::folder::Folder;
use crate::session::refusal::{NotDelivered, PROTOCOL_ERROR, denied, vanished};
use crate::session::{Code, Error, Outcome, Result, Selected, Session};
use crate::sys::breath::{self, Items};
use crate::types::folder::NameError;
use crate::types::{Flags, Rights, Uid};

const NO_ROOM: &str = "[ALERT] COPY failed - no write permission or out of disk space.";
const NOT_COPIED: NotDelivered =
    NotDelivered { doing: "copying", text: NO_ROOM, missing: "Mailbox does not exist." };

/// The messages and the folder.
pub(crate) struct Copies {
    pub(super) which: Which,
    pub(super) mailbox: Mailbox,
}

/// `sequence-set SP mailbox`
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Copies> {
    let which = args::set(s)?;
    let mailbox = Mailbox::parse(s)?;
    s.io.end_of_line()?;
    Ok(Copies { which, mailbox })
}

/// A message to be copied: its index in the open folder, its UID, its size on disk.
struct Source {
    index: usize,
    uid: Uid,
    size: u64,
}

/// What could not be opened or read. One message that is gone is enough: nothing is copied (RFC
/// 2180 4.4.1), for a client that gets OK deletes the originals next.
fn unreadable(s: &Session, e: maildir::Error) -> Error {
    match e {
        maildir::Error::Gone => vanished().into(),
        e => s.not_delivered(e, NOT_COPIED),
    }
}

/// Finds the messages.
fn sources(s: &mut Session, selected: &mut Selected, spans: Vec<Span>) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for span in spans {
        let range = match span {
            Span::Invalid(n) => {
                s.send(&InvalidNumber(n));
                continue;
            }
            Span::Messages(range) => range,
        };
        for index in range {
            breath::breathe()?;
            let messages = &mut selected.snapshot.messages;
            let Some(uid) = messages.uid(index) else { continue };
            // The size in the name is good enough for the quota. What is copied is measured then.
            let size = match quota::size_in_name(messages.base_name(index)) {
                Some(size) => size,
                None => match selected
                    .folder
                    .enter()
                    .and_then(|dir| change::open(&dir, messages, index))
                {
                    Ok((_, stat)) => stat.len(),
                    Err(e) => return Err(unreadable(s, e)),
                },
            };
            sources.push(Source { index, uid, size });
        }
    }
    Ok(sources)
}

/// The keywords that come with the messages.
fn keywords_of(sources: &[Source], selected: &Selected) -> Vec<Vec<u8>> {
    let Snapshot { messages, keywords, .. } = &selected.snapshot;
    let names = keywords.names_in(sources.iter().map(|source| messages.keywords(source.index)));
    names.into_iter().map(<[u8]>::to_vec).collect()
}

/// A COPY on its way: the session, the open folder, the folder that gets the messages.
struct Copying<'a> {
    s: &'a mut Session,
    selected: &'a mut Selected,
    to: Folder,
    /// The user's rights on it.
    rights: Rights,
}

impl Copying<'_> {
    /// Makes one copy ready to be put into the folder. The message is opened once, under whatever
    /// name it has now, and copied by its descriptor: no rename by another session comes in
    /// between.
    fn prepare(&mut self, source: &Source) -> Result<Delivery> {
        let Snapshot { messages, keywords, .. } = &mut self.selected.snapshot;
        let from = self.selected.folder.enter().map_err(|e| unreadable(self.s, e))?;
        let store = &self.s.store;
        let made = change::with_open(&from, messages, source.index, |messages, opened| {
            let names = keywords.names_of(messages.keywords(source.index));
            let list = FlagList {
                flags: messages.flags(source.index),
                keywords: names.map(<[u8]>::to_vec).collect(),
            }
            .limited_to(self.rights);
            let to = self.to.enter_delivery()?;
            let path = || from.message_path(&messages.file_name(source.index));
            let (mut delivery, mtime) = Delivery::copy_of(store, (&from, &to), opened, path)?;
            delivery.finish(store, list.flags, list.keywords, mtime)?;
            Ok(delivery)
        })
        .map_err(|e| unreadable(self.s, e))?;
        made.map_err(|e| self.s.not_delivered_to(&self.to, e, NOT_COPIED))
    }

    /// Makes all copies ready; into the outbox, mails them too.
    fn prepare_all(&mut self, sources: &[Source], outbox: bool) -> Result<Vec<Delivery>> {
        let mut items = Items::of(sources.len());
        let mut deliveries = Vec::with_capacity(sources.len());
        for source in sources {
            items.breathe()?;
            deliveries.push(self.prepare(source)?);
        }
        drop(items);
        // Last: what was sent cannot be taken back.
        if outbox && !self.mail_all(sources)? {
            return Outcome::no(NO_ROOM).refuse();
        }
        Ok(deliveries)
    }

    /// Mails the messages; whether the mailer took them all.
    fn mail_all(&mut self, sources: &[Source]) -> Result<bool> {
        for source in sources {
            breath::breathe()?;
            let messages = &mut self.selected.snapshot.messages;
            let dir = self.selected.folder.enter();
            match dir.and_then(|dir| change::open(&dir, messages, source.index)) {
                Ok((file, _)) if self.s.mail(&file) => {}
                Ok(_) => return Ok(false),
                Err(e) => return Err(unreadable(self.s, e)),
            }
        }
        Ok(true)
    }

    /// Copies all of the messages or none, and charges the quota for what was copied. UIDVALIDITY
    /// and UIDs of the copies.
    fn copy_all(&mut self, sources: &[Source], outbox: bool) -> Result<Delivered> {
        // What the names promise is charged before anything is written. What is then found may have
        // another size or other flags.
        let messages = &self.selected.snapshot.messages;
        let due = sum(sources.iter().map(|source| (source.size, messages.flags(source.index))));
        let mut charge = self.s.charge(&self.to, due, Action::Copy)?;
        let copied = self.prepare_all(sources, outbox).and_then(|mut deliveries| {
            let cost = sum(deliveries.iter().map(|delivery| (delivery.size(), delivery.flags())));
            if cost != due {
                self.s.refund(&self.to, charge.take().as_deref());
                charge = self.s.charge(&self.to, cost, Action::Copy)?;
            }
            if let Some(first) = deliveries.first_mut() {
                first.charge.clone_from(&charge);
            }
            self.s.deliver(Some(&mut *self.selected), &self.to, deliveries, NOT_COPIED)
        });
        copied.inspect_err(|_| self.s.refund(&self.to, charge.as_deref()))
    }
}

/// What messages cost: bytes on disk, and how many. One that is \Deleted does not count (STORAGE
/// 7.3).
type Cost = (u64, u64);

fn sum(costs: impl Iterator<Item = (u64, Flags)>) -> Cost {
    costs
        .filter(|(_, flags)| quota::is_counted(*flags))
        .fold((0, 0), |(size, count), (one, _)| (size.saturating_add(one), count + 1))
}

/// The folder that is to get messages, and the user's rights on it, among which must be the one to
/// insert. `command` is its name in a refusal.
pub(super) fn target(
    s: &mut Session,
    selected: &mut Selected,
    mailbox: &Mailbox,
    (command, refusal): (&str, NotDelivered),
) -> Result<(Folder, Rights)> {
    // RFC 3501 6.4.7: "can't copy to that name" is NO, as it is to Courier, though in the words of
    // its protocol error (PROTOCOL 6.3).
    let name = mailbox.name(s).map_err(|e| match e {
        NameError::Invalid => Outcome::no(PROTOCOL_ERROR).with_code(Code::Cannot),
        NameError::Encoding => Outcome::no(refusal.missing).with_code(Code::TryCreate),
    })?;
    let to = s.locate_name(name, Missing::TryCreate(refusal.missing))?;
    let rights = selected.rights_beside(s, &to.name)?;
    if !rights.has(b'i') {
        return denied(command, to.name.spelled(), b'i').refuse();
    }
    Ok((to, rights))
}

/// Whether messages that come into a folder are mailed; refused if they are too many for that.
pub(super) fn is_mailed(s: &Session, to: &Folder, count: usize) -> Result<bool> {
    let outbox = s.is_outbox(to);
    let multiple = s.outbox.as_ref().is_some_and(|outbox| outbox.multiple);
    if outbox && count > 1 && !multiple {
        return Outcome::no("[ALERT] Only one message may be sent at a time.").refuse();
    }
    Ok(outbox)
}

/// Checks, copies, says which message became which.
pub(crate) fn run(
    s: &mut Session,
    selected: &mut Selected,
    call: &Call<'_>,
    a: Copies,
) -> Result<Outcome> {
    let (to, rights) = target(s, selected, &a.mailbox, ("COPY", NOT_COPIED))?;
    let spans = args::spans(&a.which, call.uid, selected);
    let sources = sources(s, selected, spans)?;
    if sources.is_empty() {
        return Ok(Outcome::ok("COPY completed."));
    }
    let outbox = is_mailed(s, &to, sources.len())?;
    if rights.has(b'w') {
        s.must_take_keywords(&to, &keywords_of(&sources, selected), NOT_COPIED)?;
    }
    let (validity, to) = Copying { s, selected, to, rights }.copy_all(&sources, outbox)?;
    let from: Vec<Uid> = sources.iter().map(|source| source.uid).collect();
    selected.copied.extend(&from);
    // There are no UIDs that last, or a copy was removed before it could be announced (RFC 4315 3:
    // the two sets have one length, and neither is empty).
    if to.len() != from.len() || to.is_empty() {
        return Ok(Outcome::ok("COPY completed."));
    }
    Ok(Outcome::ok("COPY completed.").with_code(Code::CopyUid(validity, from, to)))
}
