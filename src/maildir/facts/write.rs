//! Writing the file of facts, under the folder's lock: appending, and writing it anew.

use super::pending::{Pending, Readers};
use super::record::{HEAD, name_digest};
use super::{FILE_HEAD, Facts, NAME, file_head, generation_of};
use crate::maildir::lock::Lock;
use crate::maildir::temporary::TemporaryFile;
use crate::maildir::{Entered, Snapshot, Store};
use crate::sys::stat::Stat;
use crate::sys::{clock, user};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};

/// Below this length a file is not looked at for what is of no use in it, in bytes.
const SMALL: u64 = 256 * 1024;
/// So many bytes of records at once are reason to ask for the room that is left.
const MANY: u64 = 64 * 1024;
/// So much is written at once where a file is written anew.
const PIECE: usize = 256 * 1024;

/// Where the records are now.
pub(super) struct Written {
    pub(super) generation: u64,
    /// Offsets by UID.
    pub(super) places: HashMap<u32, u64>,
    /// Who may read the file.
    pub(super) readers: Readers,
}

/// A number that no other file of facts has.
fn new_generation() -> u64 {
    let time = clock::now_nanos() as u64;
    (time ^ u64::from(user::pid()).rotate_left(44)).max(1)
}

/// Appends records, and makes the file if there is none. If there is no room for them, or more than
/// a third of the file would be of no use then, it is written anew: with the records of the messages
/// that are there, as many of the newest as have room. `room`: how many bytes more the files of the
/// account may take; asked where many records come, or the file has grown much.
///
/// The lock is the folder's. An error leaves the file as it was.
pub(super) fn save(
    store: &Store,
    dir: &Entered,
    _lock: &Lock,
    (pending, snapshot): (&Pending, &Snapshot),
    room: &dyn Fn() -> u64,
) -> io::Result<Written> {
    let opened = match dir.folder().open_append(NAME) {
        Ok((file, stat)) => generation_of(&file).map(|generation| (file, stat, generation)),
        Err(_) => None,
    };
    let Some((file, stat, generation)) = opened else {
        let old = dir.folder().stat(NAME).map_or(0, |stat| stat.len());
        return anew(store, dir, (pending, snapshot), room().saturating_add(old));
    };
    let records = pending.for_file(&Readers::of(&stat));
    let added: u64 = records.iter().map(|(_, record)| record.len() as u64).sum();
    let length = stat.len().saturating_add(added);
    let has_grown = stat.len().max(1).ilog2() < length.max(1).ilog2();
    if added >= MANY || has_grown {
        let most = stat.len().saturating_add(room());
        let live = || live_length((&file, stat.len()), &records, (generation, snapshot));
        let is_wasteful = length >= SMALL
            && live().is_some_and(|live| live.saturating_add(added) < length / 3 * 2);
        if length > most || is_wasteful {
            return anew(store, dir, (pending, snapshot), most);
        }
    }
    let (mut bytes, mut places) = (Vec::new(), HashMap::new());
    for (uid, record) in records {
        places.insert(uid, stat.len().saturating_add(bytes.len() as u64));
        bytes.extend_from_slice(record);
    }
    if let Err(e) = (&file).write_all(&bytes) {
        // What is behind the last whole record is of no use; and room is short, perhaps.
        let _ = file.set_len(stat.len());
        return Err(e);
    }
    Ok(Written { generation, places, readers: Readers::of(&stat) })
}

/// How many bytes of a file are of use beside new records, which take the place of others; `None` if
/// that is not known.
fn live_length(
    (file, length): (&File, u64),
    new: &[(u32, &[u8])],
    (of, snapshot): (u64, &Snapshot),
) -> Option<u64> {
    // Of a file that others have begun, what is of use in it is not known here.
    if snapshot.details.generation() != Some(of) {
        return None;
    }
    let mut facts = Facts::of(file.try_clone().ok()?, length);
    let is_replaced = |uid: u32| new.binary_search_by_key(&uid, |(uid, _)| *uid).is_ok();
    let kept = live((&mut facts, of), snapshot).filter(|live| !is_replaced(live.uid));
    Some(kept.map(|live| live.length).sum())
}

/// A record that is of use.
struct Live {
    uid: u32,
    /// What stands for the base name.
    name: u32,
    offset: u64,
    /// Of the whole record.
    length: u64,
}

/// The records that messages have in the file of a generation, by ascending UID.
fn live<'a>(
    (facts, generation): (&'a mut Facts, u64),
    snapshot: &'a Snapshot,
) -> impl Iterator<Item = Live> + 'a {
    let is_known = snapshot.details.generation() == Some(generation);
    let messages = &snapshot.messages;
    let count = if is_known { messages.len() } else { 0 };
    (0..count).filter_map(move |i| {
        let uid = messages.uid(i)?.get();
        let offset = snapshot.details.get(uid)?.facts?;
        let name = name_digest(messages.base_name(i));
        let record = facts.record(offset, uid, Some(name))?;
        let length = HEAD.saturating_add(record.payload.len()) as u64;
        Some(Live { uid, name, offset, length })
    })
}

/// Writes the file anew.
fn anew(
    store: &Store,
    dir: &Entered,
    (pending, snapshot): (&Pending, &Snapshot),
    most: u64,
) -> io::Result<Written> {
    let old = dir.folder().open(NAME).ok().and_then(|(file, stat)| {
        let generation = generation_of(&file)?;
        Some((Facts::of(file, stat.len()), stat, generation))
    });
    let mode = old.as_ref().map_or(0o666, |(_, stat, _)| stat.mode() | 0o600);
    let tmp = dir.tmp()?;
    let temporary =
        TemporaryFile::create(&store.config.host, tmp, b"_facts", pending.mode() & mode & 0o666)?;
    let stat = Stat::of(temporary.file()?)?;
    let readers = Readers::of(&stat);
    let new: HashMap<u32, &[u8]> = pending.for_file(&readers).into_iter().collect();
    // What is in the old file, its readers may read.
    let old = old.filter(|(_, stat, _)| Readers::of(stat).include(&readers));
    let (mut facts, known) = match old {
        Some((mut facts, _, generation)) => {
            let known = live((&mut facts, generation), snapshot).collect();
            (Some(facts), known)
        }
        None => (None, Vec::new()),
    };
    let chosen = choose(known, &new, snapshot, most);
    let generation = new_generation();
    let mut bytes = file_head(generation);
    let (mut written, mut places) = (0u64, HashMap::with_capacity(chosen.len()));
    let mut file = temporary.file()?;
    for (uid, source) in chosen {
        let start = bytes.len();
        match source {
            Source::New(record) => bytes.extend_from_slice(record),
            Source::Old(offset, name) => {
                let Some(record) = facts.as_mut().and_then(|f| f.record(offset, uid, Some(name)))
                else {
                    continue;
                };
                record.push(&mut bytes);
            }
        }
        places.insert(uid, written.saturating_add(start as u64));
        if bytes.len() >= PIECE {
            file.write_all(&bytes)?;
            written = written.saturating_add(bytes.len() as u64);
            bytes.clear();
        }
    }
    file.write_all(&bytes)?;
    temporary.rename_to(dir.folder(), NAME)?;
    Ok(Written { generation, places, readers })
}

/// Where a record comes from.
enum Source<'a> {
    New(&'a [u8]),
    /// An offset in the old file, and what stands for the base name.
    Old(u64, u32),
}

/// The records for a new file, by ascending UID: the newest, no more than `most` bytes.
fn choose<'a>(
    old: Vec<Live>,
    new: &HashMap<u32, &'a [u8]>,
    snapshot: &Snapshot,
    most: u64,
) -> Vec<(u32, Source<'a>)> {
    let old: HashMap<u32, Live> = old.into_iter().map(|live| (live.uid, live)).collect();
    let messages = &snapshot.messages;
    let mut left = most.saturating_sub(FILE_HEAD as u64);
    let mut chosen = Vec::new();
    for uid in (0..messages.len()).rev().filter_map(|i| messages.uid(i)).map(|uid| uid.get()) {
        let (length, source) = match (new.get(&uid), old.get(&uid)) {
            (Some(record), _) => (record.len() as u64, Source::New(record)),
            (None, Some(live)) => (live.length, Source::Old(live.offset, live.name)),
            (None, None) => continue,
        };
        let Some(rest) = left.checked_sub(length) else { break };
        left = rest;
        chosen.push((uid, source));
    }
    chosen.reverse();
    chosen
}
