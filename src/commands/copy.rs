//! COPY (PROTOCOL 6.3): messages of the open folder into another, all of them or none.

use crate::commands::Call;
use crate::commands::args::{self, Mailbox, Piece};
use crate::commands::flags::FlagList;
use crate::maildir::quota::{self, Action};
use crate::maildir::{self, change, deliver::Delivery};
use crate::session::access::{Folder, Missing};
use crate::session::intake::Delivered;
use crate::session::{Error, Outcome, Result, Session};
use crate::sys::fs;
use crate::types::folder::NameError;
use crate::types::{Flags, Rights, Uid};
use crate::wire::{Set, write};
use std::fs::File;
use std::os::unix::fs::MetadataExt;

const NO_ROOM: &str = "[ALERT] COPY failed - no write permission or out of disk space.";

/// The messages and the folder.
pub(crate) struct Arguments {
    set: Set,
    mailbox: Mailbox,
}

/// `sequence-set SP mailbox`
pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Arguments> {
    let set = args::set(s)?;
    let mailbox = Mailbox::parse(s)?;
    s.io.end_of_line()?;
    Ok(Arguments { set, mailbox })
}

/// What is copied: the place in the open folder, its UID, its size on disk.
struct Source {
    index: usize,
    uid: Uid,
    size: u64,
}

/// A message that is no more: nothing is copied (RFC 3501 6.4.7, RFC 2180 4.4.1). A client that was
/// told OK deletes the originals next.
fn vanished() -> Error {
    Outcome::no("Some of the requested messages no longer exist.")
        .with_added_code("EXPUNGEISSUED")
        .into()
}

/// What could not be opened or read.
fn unreadable(s: &Session, e: maildir::Error) -> Error {
    match e {
        maildir::Error::Gone => vanished(),
        e => s.store_error(e, NO_ROOM),
    }
}

/// Finds the messages.
fn sources(s: &mut Session, pieces: Vec<Piece>) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for piece in pieces {
        let range = match piece {
            Piece::Invalid(n) => {
                args::invalid_number(&mut s.io.out, n);
                continue;
            }
            Piece::Messages(range) => range,
        };
        for index in range {
            let Session { selected: Some(selected), .. } = s else { return Err(Error::Syntax) };
            let Some(uid) = selected.snapshot.messages.uid(index) else { continue };
            // The size in the name is good enough for the quota; what is copied is measured then.
            let messages = &mut selected.snapshot.messages;
            let size = match quota::size_in_name(messages.base_name(index)) {
                Some(size) => size,
                None => match change::open(&selected.dir, messages, index) {
                    Ok((_, metadata, _)) => metadata.len(),
                    Err(e) => return Err(unreadable(s, e)),
                },
            };
            sources.push(Source { index, uid, size });
        }
    }
    Ok(sources)
}

/// Makes one copy ready to be put into the folder. The message is opened once, under whatever name
/// it has now, and copied by its descriptor: no rename by another session comes in between.
fn prepare(s: &mut Session, folder: &Folder, rights: Rights, source: &Source) -> Result<Delivery> {
    let Session { selected: Some(selected), store, .. } = s else { return Err(Error::Syntax) };
    let snapshot = &mut selected.snapshot;
    let (file, metadata, _) =
        match change::open(&selected.dir, &mut snapshot.messages, source.index) {
            Ok(opened) => opened,
            Err(e) => return Err(unreadable(s, e)),
        };
    let set = snapshot.messages.keywords(source.index);
    let list = FlagList {
        flags: snapshot.messages.flags(source.index),
        keywords: snapshot.keywords.names_of(set).map(<[u8]>::to_vec).collect(),
    }
    .limited_to(rights);
    let dir = folder.delivery_dir();
    let linked =
        if selected.dir.is_of_links() { Ok(None) } else { Delivery::link_of(store, &dir, &file) };
    let made = linked.and_then(|linked| match linked {
        Some(mut delivery) => {
            delivery.finish(store, list.flags, list.keywords, None)?;
            Ok(delivery)
        }
        None => {
            let mut delivery = Delivery::create(store, &dir, Some(metadata.len()))?;
            write_all_of(&file, &mut delivery)?;
            delivery.finish(store, list.flags, list.keywords, Some(metadata.mtime()))?;
            Ok(delivery)
        }
    });
    made.map_err(|e| match e.errno() {
        Some(errno) => {
            s.log_failure("copying", Some(errno));
            Outcome::no(NO_ROOM).into()
        }
        None => s.store_error(e, NO_ROOM),
    })
}

/// Copies a message's octets.
fn write_all_of(file: &File, copy: &mut Delivery) -> std::result::Result<(), maildir::Error> {
    let mut buffer = vec![0; 128 * 1024];
    let mut at = 0;
    loop {
        let n = fs::read_at(file, &mut buffer, at)
            .map_err(|e| maildir::Error::failed("reading a message", e))?;
        if n == 0 {
            return Ok(());
        }
        at = at.saturating_add(n as u64);
        copy.write(buffer.get(..n).unwrap_or_default())?;
    }
}

/// Mails the messages of a COPY into the outbox.
fn send_all(s: &mut Session, sources: &[Source]) -> Result<bool> {
    for source in sources {
        let Session { selected: Some(selected), .. } = s else { return Ok(false) };
        match change::open(&selected.dir, &mut selected.snapshot.messages, source.index) {
            Ok((file, _, _)) => {
                if !s.send(&file) {
                    return Ok(false);
                }
            }
            Err(e) => return Err(unreadable(s, e)),
        }
    }
    Ok(true)
}

/// Checks, copies, tells which became which.
pub(crate) fn run(s: &mut Session, call: &Call, a: Arguments) -> Result<Outcome> {
    // RFC 3501 6.4.7: "can't copy to that name" is NO, as it is to Courier, though in the words of
    // its protocol error (PROTOCOL 6.3).
    let name = a.mailbox.name(s).map_err(|e| match e {
        NameError::Invalid => Error::from(Outcome::no("Error in IMAP command received by server.")),
        NameError::Encoding => Outcome::no("Mailbox does not exist.").with_code("TRYCREATE").into(),
    })?;
    let folder = s.locate_name(name, Missing::TryCreate("Mailbox does not exist."))?;
    let rights = s.require(&folder.name, b'i', "COPY")?;
    let Some(selected) = &s.selected else { return Err(Error::Syntax) };
    let pieces = args::pieces(&a.set, call.uid, &selected.snapshot.messages);
    let sources = sources(s, pieces)?;
    if sources.is_empty() {
        return Ok(Outcome::ok("COPY completed."));
    }
    let outbox = s.is_outbox(&folder);
    let multiple = s.outbox.as_ref().is_some_and(|outbox| outbox.multiple);
    if outbox && sources.len() > 1 && !multiple {
        return Outcome::no("[ALERT] Only one message may be sent at a time.").refuse();
    }
    let (validity, to) = copy_all(s, &folder, rights, &sources, outbox)?;
    let from: Vec<Uid> = sources.iter().map(|source| source.uid).collect();
    // None that lasts; or one was removed before it could be told (RFC 4315 3: the two sets have
    // one length, and neither is empty).
    if to.len() != from.len() || to.is_empty() {
        return Ok(Outcome::ok("COPY completed."));
    }
    if let Some(selected) = &mut s.selected {
        selected.copied.extend(&from);
    }
    let mut code = format!("COPYUID {validity} ").into_bytes();
    write::number_set(&mut code, from.iter().map(|u| u.get()));
    code.push(b' ');
    write::number_set(&mut code, to.iter().map(|u| u.get()));
    Ok(Outcome::ok("COPY completed.").with_code(String::from_utf8_lossy(&code).into_owned()))
}

/// What messages cost: octets on disk, and how many. One that is \Deleted costs nothing (STORAGE
/// 7.3).
type Cost = (u64, u64);

fn sum(costs: impl Iterator<Item = (u64, Flags)>) -> Cost {
    costs
        .filter(|(_, flags)| quota::is_counted(*flags))
        .fold((0, 0), |(size, count), (one, _)| (size.saturating_add(one), count + 1))
}

/// Copies all of them or none, and has the quota charged for what was copied. UIDVALIDITY and UIDs
/// of the copies.
fn copy_all(
    s: &mut Session,
    folder: &Folder,
    rights: Rights,
    sources: &[Source],
    outbox: bool,
) -> Result<Delivered> {
    // What the names promise is charged before anything is written; what is then found there may be
    // another size or have other flags.
    let flags =
        |index| s.selected.as_ref().map_or(Flags::NONE, |f| f.snapshot.messages.flags(index));
    let mut charged = sum(sources.iter().map(|source| (source.size, flags(source.index))));
    s.charge(folder, charged, Action::Copy)?;
    let copied = prepare_all(s, folder, rights, sources, outbox).and_then(|deliveries| {
        let cost = sum(deliveries.iter().map(|delivery| (delivery.size(), delivery.flags())));
        if cost != charged {
            s.refund(folder, std::mem::take(&mut charged));
            s.charge(folder, cost, Action::Copy)?;
            charged = cost;
        }
        s.deliver(folder, deliveries, NO_ROOM)
    });
    copied.inspect_err(|_| s.refund(folder, charged))
}

fn prepare_all(
    s: &mut Session,
    folder: &Folder,
    rights: Rights,
    sources: &[Source],
    outbox: bool,
) -> Result<Vec<Delivery>> {
    let deliveries = sources
        .iter()
        .map(|source| prepare(s, folder, rights, source))
        .collect::<Result<Vec<Delivery>>>()?;
    // Last: what was sent cannot be taken back.
    if outbox && !send_all(s, sources)? {
        return Outcome::no(NO_ROOM).refuse();
    }
    Ok(deliveries)
}
