//! COPY (PROTOCOL 6.3): messages of the open folder into another, all of them or none.

use crate::commands::Call;
use crate::commands::args::{self, Mailbox, Piece};
use crate::commands::flags::FlagList;
use crate::maildir::quota::{self, By};
use crate::maildir::{self, change, deliver::Delivery};
use crate::session::access::{Missing, Place};
use crate::session::{Error, Outcome, Result, Session};
use crate::sys::fs;
use crate::types::folder::NameError;
use crate::types::{Flags, Rights, Uid};
use crate::wire::{Set, write};
use std::os::unix::fs::MetadataExt;

const NO_ROOM: &str = "[ALERT] COPY failed - no write permission or out of disk space.";

/// The messages and the folder.
pub struct Arguments {
    set: Set,
    mailbox: Mailbox,
}

/// `sequence-set SP mailbox`
pub fn parse(s: &mut Session, _: &Call) -> Result<Arguments> {
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

/// Finds the messages; those whose file is gone are left out, the code tells which were copied.
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
            let Session { selected: Some(selected), store, .. } = s else { return Err(Error::Syntax) };
            let Some(uid) = selected.snapshot.messages.uid(index) else { continue };
            // The size in the name is good enough for the quota; what is copied is measured then.
            let messages = &mut selected.snapshot.messages;
            let size = match quota::size_in_name(messages.base_name(index)) {
                Some(size) => size,
                None => match change::open(store, &selected.dir, messages, index) {
                    Ok((_, metadata, _)) => metadata.len(),
                    Err(maildir::Error::Gone) => continue,
                    Err(e) => return Err(s.store_error(e, NO_ROOM)),
                },
            };
            sources.push(Source { index, uid, size });
        }
    }
    Ok(sources)
}

/// Makes one copy ready to be put into the folder.
fn prepare(s: &mut Session, place: &Place, rights: Rights, source: &Source) -> Result<Option<Delivery>> {
    let Session { selected: Some(selected), store, .. } = s else { return Ok(None) };
    let snapshot = &mut selected.snapshot;
    let (file, metadata, _) = match change::open(store, &selected.dir, &mut snapshot.messages, source.index) {
        Ok(opened) => opened,
        Err(maildir::Error::Gone) => return Ok(None),
        Err(e) => return Err(s.store_error(e, NO_ROOM)),
    };
    let set = snapshot.messages.keywords(source.index);
    let list = FlagList {
        flags: snapshot.messages.flags(source.index),
        keywords: snapshot.keywords.names_of(set).map(<[u8]>::to_vec).collect(),
    }
    .limited_to(rights);
    let mtime = metadata.mtime();
    let path = change::path_of(&selected.dir, &snapshot.messages, source.index);
    let dir = place.delivery_dir();
    if !selected.dir.is_of_links() {
        match Delivery::link_of(store, &dir, &path, metadata.len(), list.flags, list.keywords.clone()) {
            Ok(Some(linked)) => return Ok(Some(linked)),
            Ok(None) => {}
            Err(maildir::Error::Gone) => return Ok(None),
            Err(e) => return Err(s.store_error(e, NO_ROOM)),
        }
    }
    let mut copy = Delivery::create(store, &dir, Some(metadata.len())).map_err(|e| s.store_error(e, NO_ROOM))?;
    let mut buffer = vec![0; 128 * 1024];
    let mut at = 0;
    let copied = loop {
        match fs::read_at(&file, &mut buffer, at) {
            Ok(0) => break Ok(()),
            Ok(n) => {
                at = at.saturating_add(n as u64);
                if let Err(e) = copy.write(buffer.get(..n).unwrap_or_default()) {
                    break Err(e);
                }
            }
            Err(e) => break Err(maildir::Error::failed("reading a message", e)),
        }
    };
    if let Err(e) = copied {
        s.log_failure("copying", e.errno());
        return Outcome::no(NO_ROOM).refuse();
    }
    match copy.finish(&s.store, list.flags, list.keywords, Some(mtime)) {
        Ok(()) => Ok(Some(copy)),
        Err(e) => Err(s.store_error(e, NO_ROOM)),
    }
}

/// Mails the messages of a COPY into the outbox.
fn send_all(s: &mut Session, sources: &[Source]) -> Result<bool> {
    for source in sources {
        let Session { selected: Some(selected), store, .. } = s else { return Ok(false) };
        match change::open(store, &selected.dir, &mut selected.snapshot.messages, source.index) {
            Ok((file, _, _)) => {
                if !s.send(&file) {
                    return Ok(false);
                }
            }
            Err(e) => return Err(s.store_error(e, NO_ROOM)),
        }
    }
    Ok(true)
}

/// Checks, copies, tells which became which.
pub fn run(s: &mut Session, call: &Call, a: Arguments) -> Result<Outcome> {
    // RFC 3501 6.4.7: "can't copy to that name" is NO, as it is to Courier, though in the words of its protocol error (PROTOCOL 6.3).
    let name = a.mailbox.name(s).map_err(|e| match e {
        NameError::Invalid => Error::from(Outcome::no("Error in IMAP command received by server.")),
        NameError::Encoding => Outcome::no("Mailbox does not exist.").with_code("TRYCREATE").into(),
    })?;
    let place = s.locate_name(name, Missing::TryCreate("Mailbox does not exist."))?;
    let rights = s.require(&place.name, b'i', "COPY")?;
    let Some(selected) = &s.selected else { return Err(Error::Syntax) };
    let pieces = args::pieces(&a.set, call.uid, &selected.snapshot.messages);
    let sources = sources(s, pieces)?;
    if sources.is_empty() {
        return Ok(Outcome::ok("COPY completed."));
    }
    let outbox = s.is_outbox(&place);
    if outbox && sources.len() > 1 && !s.options.outbox_multiple {
        return Outcome::no("[ALERT] Only one message may be sent at a time.").refuse();
    }
    // Only what will count is charged: not a copy that is \Deleted (STORAGE 7.3).
    let counted = |s: &Session, source: &Source| {
        s.selected.as_ref().is_some_and(|f| !f.snapshot.messages.flags(source.index).contains(Flags::DELETED))
    };
    let (mut size, mut count) = (0u64, 0u64);
    for source in sources.iter().filter(|source| counted(s, source)) {
        size = size.saturating_add(source.size);
        count = count.saturating_add(1);
    }
    s.charge(&place, size, count, By::Copy)?;
    let copied = copy_all(s, &place, rights, &sources, outbox);
    let (validity, from, to) = match copied {
        Ok(done) => done,
        Err(e) => {
            s.refund(&place, size, count);
            return Err(e);
        }
    };
    // None that lasts; or one was removed before it could be told (RFC 4315 3: the two sets have one length).
    if to.len() != from.len() {
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

type Copied = (crate::types::UidValidity, Vec<Uid>, Vec<Uid>);

fn copy_all(s: &mut Session, place: &Place, rights: Rights, sources: &[Source], outbox: bool) -> Result<Copied> {
    if outbox && !send_all(s, sources)? {
        return Outcome::no(NO_ROOM).refuse();
    }
    let mut deliveries = Vec::with_capacity(sources.len());
    let mut from = Vec::with_capacity(sources.len());
    for source in sources {
        if let Some(delivery) = prepare(s, place, rights, source)? {
            deliveries.push(delivery);
            from.push(source.uid);
        }
    }
    let (validity, to) = s.deliver(place, deliveries, NO_ROOM)?;
    Ok((validity, from, to))
}
