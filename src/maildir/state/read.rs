//! Reading a state: all of it, all but what is needed later, or the counts alone.

use super::format::{self, Header, Summary, Tables};
use super::journal::{self, Event, Records, Replay};
use super::numbers::{Names, Numbers};
use super::{Found, Image, NAME, Tail, is_kept};
use crate::maildir::details::{Detail, Details};
use crate::maildir::dir::MAX_CONTROL_FILE;
use crate::maildir::stamp::Stamp;
use crate::maildir::{Entered, Messages, Store, uiddb};
use crate::sys::directory::Directory;
use crate::sys::fs;
use crate::sys::stat::Stat;
use crate::types::{Uid, UidValidity};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

/// So many bytes are read at once of a state of which only the summary is wanted.
const MAX_AT_ONCE: usize = 8 * 1024;

/// Reads the state of a folder, without the lock or with it. Names and details are read when they
/// are needed, where no other host may replace the file.
pub(in crate::maildir) fn read(store: &Store, dir: &Entered) -> Found {
    if !is_kept(store) {
        return Found::None;
    }
    let opened = dir.folder().open_control(NAME);
    let Ok((file, stat)) = opened else { return Found::None };
    let mut start = [0; format::HEADER];
    let header = match fs::read_at(&file, &mut start, 0) {
        Ok(got) if got == start.len() && stat.len() <= MAX_CONTROL_FILE => Header::read(&start),
        _ => None,
    };
    let Some(header) = header else { return Found::Damaged(0) };
    let last = header.summary.highest;
    let image = if dir.folder().is_local() {
        read_parts(dir, (&file, &stat), &start, header)
    } else {
        fs::read_all(&file, stat.len(), MAX_CONTROL_FILE).ok().and_then(|data| decode(&data, &stat))
    };
    match image {
        Some(image) if image.is_of_another_folder(dir) => Found::Damaged(image.runs.last()),
        Some(image) => Found::Image(Box::new(image)),
        None => Found::Damaged(last),
    }
}

/// Reads what a session needs that opens a folder: all but names and details.
fn read_parts(
    dir: &Entered,
    (file, stat): (&File, &Stat),
    start: &[u8],
    header: Header,
) -> Option<Image> {
    let base = header.base_length().filter(|base| *base <= stat.len())?;
    let read = |at: u64, length: u64| {
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        (fs::read_at(file, &mut bytes, at).ok()? == bytes.len()).then_some(bytes)
    };
    let tables = read(format::HEADER as u64, header.tables.length)?;
    let numbers_at = (format::HEADER as u64).checked_add(header.tables.length)?;
    let names_at = numbers_at.checked_add(header.numbers.length)?;
    let details_at = names_at.checked_add(header.names.length)?;
    let journal = read(base, stat.len().saturating_sub(base))?;
    let later = |offset, section| Later {
        folder: dir.path().to_path_buf(),
        inode: stat.inode(),
        offset,
        section,
    };
    let (names, details) = (later(names_at, header.names), later(details_at, header.details));
    let length = usize::try_from(header.names.length).ok()?;
    let names = Names::Later(Rc::new(move |places| names.names(places)), length);
    let generation = (header.facts != 0).then_some(header.facts);
    let details = match header.details.length {
        0 => Details::of(Vec::new(), generation),
        _ => Details::later(Rc::new(move || details.details()), generation),
    };
    let tables = read_tables(&header, &tables)?;
    let mut numbers = Numbers::new(&tables, header.numbers.length, names);
    let mut left = usize::try_from(header.numbers.length).ok()?;
    let mut piece = vec![0; Numbers::PIECE.min(left)];
    let mut at = numbers_at;
    while left > 0 {
        let piece = piece.get_mut(..Numbers::PIECE.min(left))?;
        if fs::read_at(file, piece, at).ok()? != piece.len() {
            return None;
        }
        numbers.read(piece)?;
        left = left.checked_sub(piece.len())?;
        at = at.checked_add(piece.len() as u64)?;
    }
    let numbers = numbers.finish(&header.numbers)?;
    decode_parts(&header, (tables, numbers, &journal), details, (start, stat))
}

/// A section of a state that is read when it is needed. The state may have been replaced by then.
struct Later {
    folder: PathBuf,
    /// The file's device and inode.
    inode: (u64, u64),
    offset: u64,
    section: format::Section,
}

impl Later {
    /// `None`: the state is not there any more.
    fn read(&self) -> Option<Vec<u8>> {
        let folder = Directory::enter(&self.folder).ok()?;
        let (file, _) = folder.open(NAME).ok().filter(|(_, stat)| stat.inode() == self.inode)?;
        let mut bytes = vec![0; usize::try_from(self.section.length).ok()?];
        let got = fs::read_at(&file, &mut bytes, self.offset).ok()?;
        bytes.truncate(got);
        Some(bytes)
    }

    /// The base names, each in its place; from the UID file if the state is damaged (`true`), or not
    /// there any more.
    fn names(&self, places: &[(u32, usize, usize)]) -> (Vec<u8>, bool) {
        let read = self.read();
        let is_there = read.is_some();
        let are_right =
            |names: &Vec<u8>| self.section.is(names) && format::are_names(names, places);
        match read.filter(are_right) {
            Some(names) => (names, false),
            None => (self.names_of_uid_file(places), is_there),
        }
    }

    fn names_of_uid_file(&self, places: &[(u32, usize, usize)]) -> Vec<u8> {
        let length = usize::try_from(self.section.length).unwrap_or(0);
        let mut names = vec![b'\n'; length];
        let folder = Directory::enter(&self.folder);
        let Ok((file, _)) = folder
            .map(|d| Entered::of(Rc::new(d)))
            .and_then(|entered| uiddb::read(&entered).map_err(|_| io::ErrorKind::NotFound.into()))
        else {
            return names;
        };
        for (uid, at, length) in places {
            let there = Uid::new(*uid).and_then(|uid| file.messages.position(uid).ok());
            let base = there.map_or(&[][..], |there| file.messages.base_name(there));
            if let Some(place) = names.get_mut(*at..at.saturating_add(*length))
                && place.len() == base.len()
            {
                place.copy_from_slice(base);
            }
        }
        names
    }

    /// The details; none if the state is not there any more.
    fn details(&self) -> Vec<(u32, Detail)> {
        let read = self.read().filter(|bytes| self.section.is(bytes));
        read.and_then(|bytes| format::details(&bytes)).unwrap_or_default()
    }
}

/// Reads a whole file; `None` if its base is damaged.
pub(super) fn decode(data: &[u8], stat: &Stat) -> Option<Image> {
    let header = Header::read(data)?;
    let mut rest = data.get(format::HEADER..)?;
    let mut section = |section: &format::Section| {
        let (bytes, behind) = rest.split_at_checked(usize::try_from(section.length).ok()?)?;
        rest = behind;
        Some(bytes)
    };
    let (tables, numbers) = (section(&header.tables)?, section(&header.numbers)?);
    let (names, details) = (section(&header.names)?, section(&header.details)?);
    if !header.names.is(names) || !header.details.is(details) {
        return None;
    }
    let generation = (header.facts != 0).then_some(header.facts);
    let details = Details::of(format::details(details)?, generation);
    let tables = read_tables(&header, tables)?;
    let mut read = Numbers::new(&tables, header.numbers.length, Names::Read(names.to_vec()));
    read.read(numbers)?;
    let numbers = read.finish(&header.numbers)?;
    decode_parts(&header, (tables, numbers, rest), details, (data, stat))
}

fn read_tables(header: &Header, tables: &[u8]) -> Option<Tables> {
    if header.tables.is(tables) { Tables::read(tables) } else { None }
}

/// Puts an image together from its parts: `start` begins with the header.
fn decode_parts(
    header: &Header,
    (tables, (messages, values, greatest), journal): (Tables, (Messages, Vec<u64>, u64), &[u8]),
    details: Details,
    (start, stat): (&[u8], &Stat),
) -> Option<Image> {
    let Tables { runs, expunged, keywords, .. } = tables;
    let is_right = messages.highest() < header.summary.next
        && greatest <= runs.last()
        && expunged
            .iter()
            .all(|(_, last, value)| last < header.summary.next && value <= runs.last())
        && header.summary.highest == runs.last();
    if !is_right {
        return None;
    }
    let base = header.base_length()?;
    let mut image = Image {
        validity: header.validity,
        next: header.summary.next,
        messages,
        values,
        keywords,
        runs,
        expunged,
        details,
        tail: Tail {
            proof: header.proof,
            summary: header.summary,
            inode: stat.inode().1,
            header: (header.inode, header.boot),
            base,
            end: base,
            checksum: Header::seed(start)?,
            is_whole: true,
            changed: stat.ctime_nanos(),
        },
    };
    let (mut end, mut checksum) = (base, image.tail.checksum);
    let mut replay = Replay::on(&mut image);
    for (items, next, length) in Records::new(journal, checksum) {
        replay.play(items)?;
        end = end.checked_add(length as u64)?;
        checksum = next;
    }
    // The values of the base are not above the runs of the base, and these only grow.
    let greatest = replay.finish();
    let is_whole = end == base.checked_add(journal.len() as u64)?;
    image.tail = Tail { end, checksum, is_whole, ..image.tail };
    let is_right = image.messages.highest() < image.next
        && image.values.len() == image.messages.len()
        && greatest <= image.runs.last();
    is_right.then_some(image)
}

/// What a state says of a folder without its messages.
pub(in crate::maildir) enum Counts {
    /// There is none.
    NoState,
    /// Not that this is how the folder is now.
    Unproven,
    /// The counts: its proof holds.
    Proven(UidValidity, Summary),
}

/// The counts of a state whose proof holds of the folder, without its messages: most states are read
/// at once. `keywords`: whether they have to be unchanged, too. Unproven where other hosts may change
/// the folder: there a proof takes more than a few calls.
pub(in crate::maildir) fn summary(store: &Store, dir: &Entered, keywords: bool) -> Counts {
    if !is_kept(store) {
        return Counts::NoState;
    }
    let mut start = [0; MAX_AT_ONCE];
    match dir.folder().read_start(NAME, &mut start) {
        Ok((file, got)) => {
            let proven = start.get(..got).and_then(|start| proven(dir, &file, start, keywords));
            proven.map_or(Counts::Unproven, |(validity, counts)| Counts::Proven(validity, counts))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Counts::NoState,
        Err(_) => Counts::Unproven,
    }
}

/// The same by the state that begins so.
fn proven(
    dir: &Entered,
    file: &File,
    start: &[u8],
    keywords: bool,
) -> Option<(UidValidity, Summary)> {
    let got = start.len();
    let header = Header::read(start)?;
    let base = header.base_length()?;
    let mut rest = Vec::new();
    let journal = if got < MAX_AT_ONCE {
        start.get(usize::try_from(base).ok()?..)?
    } else {
        let length = Stat::of(file).ok().filter(|stat| stat.len() <= MAX_CONTROL_FILE)?.len();
        rest.resize(usize::try_from(length.checked_sub(base)?).ok()?, 0);
        let got = fs::read_at(file, &mut rest, base).ok()?;
        rest.get(..got)?
    };
    let (mut summary, mut proof) = (header.summary, header.proof);
    for (items, ..) in Records::new(journal, Header::seed(start)?) {
        journal::each(items, |event| {
            match event {
                Event::Summary(later) => summary = later,
                Event::Proof(later) => proof = later,
                _ => {}
            }
            Some(())
        })?;
    }
    let of = |name: &[u8]| Stamp::of_directory(dir.folder(), name);
    let cur = Some(of(b"cur")?).filter(|cur| cur.is_local());
    let stamps = [cur?, of(b"new")?, uiddb::Version::stamp_now(dir)?].map(Some);
    let holds = match keywords {
        true => {
            let [cur, new_mail, uid_file] = stamps;
            proof.holds([cur, new_mail, of(b"courierimapkeywords"), uid_file], true)
        }
        false => proof.holds_of_messages(stamps),
    };
    holds.then_some((header.validity, summary))
}
