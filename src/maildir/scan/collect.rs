//! Step 2 of a scan: the messages of the UID file, deliveries, `cur` and `new`.

use super::lock::Access;
use super::request::Request;
use super::snapshot::Snapshot;
use crate::maildir::deliver::{Arrivals, Delivery};
use crate::maildir::index::Index;
use crate::maildir::messages::{Absent, Messages, bit};
use crate::maildir::reading::FolderReading;
use crate::maildir::stamp::Stamp;
use crate::maildir::uiddb::{self, Draft, MAX_OWN_NAME, UidFile, Version};
use crate::maildir::{Error, Store, names};
use crate::sys::{breath, fs};
use crate::types::UidValidity;
use std::cell::OnceCell;

/// What is said of a UID file that cannot be written: Courier's words (PROTOCOL 2.4).
pub(super) const FAILED: &str = "Failed to create cache file:";

/// The messages that are there, not all of them with UIDs yet.
pub(super) struct Collected<'a> {
    pub(super) messages: Messages,
    /// Those of the UID file that are not there.
    pub(super) missing: Absent,
    /// The positions of the messages by name, as far as they will still be right at the end.
    pub(super) index: OnceCell<Index>,
    /// `cur` before it was read.
    pub(super) cur: Option<Stamp>,
    /// `new` before it was read.
    pub(super) new_mail: Option<Stamp>,
    /// What the UID file says beside the messages.
    pub(super) uids: FileUids,
    /// Whether clients will be told something that the UID file does not have: UIDs or a
    /// UIDVALIDITY.
    pub(super) has_news: bool,
    /// Whether the UID file has something that must not stay.
    pub(super) is_stale: bool,
    /// `false` if there is no room on the disk for the UID file.
    pub(super) has_room: bool,
    /// Whether there was mail in `new`. What could not be moved may be there still.
    pub(super) had_new: bool,
    /// Whether something that is there is not shown, for want of room or because it could not be
    /// read or moved.
    pub(super) hides: bool,
    /// A temporary UID file with room on the disk for all messages.
    pub(super) draft: Option<Draft<'a>>,
    /// Which UID file was read; `None` where the last scan stands in its place.
    pub(super) version: Option<Version>,
    /// The UIDs of messages whose files are others than those of which something was learned.
    pub(super) rewritten: Vec<u32>,
    /// How many messages the UID file has, for the log.
    pub(super) known: usize,
}

/// What the UID file says beside the messages.
#[derive(Clone, Copy)]
pub(super) struct FileUids {
    /// `None`: all messages get new UIDs.
    pub(super) validity: Option<UidValidity>,
    /// The UIDVALIDITY in the file, even if it cannot go on: a new one has to be greater.
    pub(super) before: Option<UidValidity>,
    /// The next UID.
    pub(super) next: u32,
    /// Whether all messages get new UIDs, because those in the file name other messages than they
    /// did.
    pub(super) is_replaced: bool,
}

/// Reads the UID file and the folder, delivers, and moves `new` to `cur`. `arrivals` are deliveries
/// that are in `cur` already.
pub(super) fn collect<'a>(
    request: &Request<'a>,
    access: &Access,
    deliveries: &mut Vec<Delivery>,
    arrivals: &mut Arrivals<'_>,
) -> Result<Collected<'a>, Error> {
    let Request { store, dir, .. } = *request;
    let (file, version) = match request.unsaved() {
        Some(previous) => (in_place_of_file(previous), None),
        None => uiddb::read(dir).map(|(file, version)| (file, Some(version)))?,
    };
    let known = file.messages.len();
    let by_session = request.compare_with_known(&file);
    let mut uids = FileUids {
        validity: file.validity,
        before: file.before,
        next: by_session.next,
        is_replaced: by_session.is_replaced,
    };
    let is_stale = file.stale || file.next != uids.next;
    let mut reading = FolderReading::new(store, dir, file.messages);
    if let Some(image) = request.image {
        reading.expect(&image.details);
    }
    deliver(store, deliveries, arrivals)?;
    for name in arrivals.names() {
        reading.add(name, bit::DELIVERED);
    }
    reading.read_cur(access.time.nanos)?;
    let (draft, has_room) = if access.lock.is_some() {
        collect_new(request, access, &mut reading, &uids)?
    } else {
        let names = reading.list_new();
        if !access.has_room {
            for name in &names {
                reading.found_in_new(name);
            }
        }
        (None, access.has_room)
    };
    let is_stale = is_stale || reading.is_stale;
    let FolderReading { mut messages, index, cur, new_mail, rewritten, had_new, hides, .. } =
        reading;
    let read = messages.len();
    let missing = Absent::not_found(&messages);
    messages.keep(bit::FOUND);
    let is_contradicted = |validity| request.is_contradicted_by(validity, &messages);
    uids.is_replaced |= uids.validity.is_some_and(is_contradicted);
    let has_news = messages.count(bit::FRESH) > 0
        || messages.count(bit::DOUBLED) > 0
        || uids.validity.is_none()
        || uids.is_replaced;
    let is_stale = is_stale || messages.len() != read;
    // The index stays right if no message changes its position any more.
    let keeps_positions = messages.len() == read && !has_news;
    let index = if keeps_positions { OnceCell::from(index) } else { OnceCell::new() };
    Ok(Collected {
        messages,
        missing,
        index,
        cur,
        new_mail,
        uids,
        has_news,
        is_stale,
        has_room,
        had_new,
        hides: hides || !has_room,
        draft,
        version,
        rewritten,
        known,
    })
}

/// The last scan, whose UIDs could not be saved, in place of the UID file.
fn in_place_of_file(previous: &Snapshot) -> UidFile {
    let mut messages = previous.messages.clone();
    messages.unmark_all(u8::MAX);
    UidFile {
        validity: Some(previous.uid_validity),
        before: None,
        next: previous.uid_next,
        messages,
        stale: false,
    }
}

/// Puts the deliveries into `cur`.
fn deliver(
    store: &Store,
    deliveries: &mut Vec<Delivery>,
    arrivals: &mut Arrivals<'_>,
) -> Result<(), Error> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let dir = arrivals.dir();
    dir.cur().map_err(Error::about("opening", &dir.cur_path()))?;
    let charge = deliveries.first_mut().and_then(|first| first.charge.take());
    if let Some(charge) = &charge {
        charge.renew();
    }
    let put = deliveries.drain(..).try_for_each(|mut delivery| {
        breath::breathe()?;
        arrivals.add(delivery.put(store, dir)?);
        Ok(())
    });
    // As long as some are there, they count.
    if let Some(charge) = charge {
        charge.settle(&store.config);
    }
    put
}

/// Moves `new` to `cur`, once there is room for the UID file that this makes necessary. The draft
/// of that file, and whether there is room. Without room, or if the file is refused for another
/// reason, only messages that have UIDs are moved: they need none.
fn collect_new<'a>(
    request: &Request<'a>,
    access: &Access,
    reading: &mut FolderReading<'_>,
    uids: &FileUids,
) -> Result<(Option<Draft<'a>>, bool), Error> {
    let Request { store, dir, delivers, .. } = *request;
    let now = access.time.nanos;
    let previous = request.previous.map(|old| &old.messages);
    let mut names = reading.list_new_after_cur(previous, now)?;
    reading.rename_doubles(previous, now);
    let mut draft = None;
    let saves = access.is_writable && request.unsaved().is_none();
    if saves && (!names.is_empty() || reading.messages.count(bit::FRESH) > 0) {
        match Draft::with_room(store, dir, room_for(reading, uids.next, &names)) {
            Ok(with_room) => draft = Some(with_room),
            Err(e) if !delivers && (uids.validity.is_some() || fs::is_full(&e)) => {
                store.new_mail_is_hidden(&dir.uid_file_path(), &e);
                names.retain(|name| reading.was_put_back(name));
                reading.move_new(names, now);
                return Ok((None, false));
            }
            Err(e) => {
                let path = dir.uid_file_path();
                return Err(Error::failed(format!("{FAILED} {}", fs::shown(&path)), e));
            }
        }
    }
    reading.move_new(names, now);
    Ok((draft, true))
}

/// The bytes of the UID file with what has been found, and with these names from `new`.
fn room_for(reading: &FolderReading<'_>, next: u32, new_names: &[Vec<u8>]) -> u64 {
    let messages = &reading.messages;
    let base = |name: &Vec<u8>| {
        let known = messages.find(&reading.index, name);
        // A message whose name is taken will get one of ours.
        let is_taken = known.is_some_and(|i| messages.has(i, bit::FOUND));
        if is_taken { MAX_OWN_NAME } else { names::base(name).len() }
    };
    uiddb::size_of(messages, next, new_names.iter().map(base))
}
