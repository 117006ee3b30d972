//! The UID file, `courierimapuiddb`: the one authority for UIDs (STORAGE 2). It is read as a whole,
//! and its content becomes the arena of the messages' names. It is replaced as a whole, under the
//! folder's lock.

use super::dir::{MAX_CONTROL_FILE, UID_FILE};
use super::messages::{Messages, bit};
use super::stamp::Stamp;
use super::temporary::TemporaryFile;
use super::{Entered, Error, Store};
use crate::sys::fs;
use crate::types::{Uid, UidValidity, number};
use std::fs::File;
use std::io::{self, Seek, Write};

/// What a UID file says.
pub(super) struct UidFile {
    /// `None`: the file cannot be used, and all messages get new UIDs.
    pub(super) validity: Option<UidValidity>,
    /// The UIDVALIDITY in the file, even if it cannot go on: a new one has to be greater.
    pub(super) before: Option<UidValidity>,
    /// The next UID, above every UID in the file.
    pub(super) next: u32,
    /// By ascending UID. A message whose UID an earlier line has is marked as doubled, and has
    /// none.
    pub(super) messages: Messages,
    /// Whether the file has something that must not stay.
    pub(super) stale: bool,
}

impl UidFile {
    /// What a missing file says.
    pub(super) fn absent() -> UidFile {
        UidFile {
            validity: None,
            before: None,
            next: 1,
            messages: Messages::default(),
            stale: true,
        }
    }
}

/// Which UID file was read. It is kept open, so that no later one can have its inode.
pub(super) struct Version {
    stamp: Option<Stamp>,
    _file: Option<File>,
}

impl Version {
    /// Whether this is still the folder's UID file. What it says of a name stays true in any case.
    pub(super) fn is_current(&self, dir: &Entered) -> bool {
        Version::certain_stamp(dir).is_ok_and(|stamp| stamp == self.stamp)
    }

    /// The stamp of the folder's UID file as it is now; `None` if there is none. Where another host
    /// may replace it, this may be a second old.
    pub(super) fn stamp_now(dir: &Entered) -> Option<Stamp> {
        dir.folder().stat(UID_FILE).ok().map(|stat| Stamp::of(&stat))
    }

    /// The same, and certain. An error where that cannot be had.
    pub(super) fn certain_stamp(dir: &Entered) -> io::Result<Option<Stamp>> {
        match dir.folder().stat_now(UID_FILE) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            found => Ok(Some(Stamp::of(&found?))),
        }
    }

    /// The stamp of the file that was read; `None` if there was none.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }
}

/// Reads the UID file of a folder. A missing file is as an empty one.
pub(super) fn read(dir: &Entered) -> Result<(UidFile, Version), Error> {
    match dir.folder().read_control_file(UID_FILE, MAX_CONTROL_FILE) {
        Ok((data, file, stat)) => {
            Ok((parse(data), Version { stamp: Some(Stamp::of(&stat)), _file: Some(file) }))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Ok((UidFile::absent(), Version { stamp: None, _file: None }))
        }
        // A damaged file system or a missing right: new UIDs for all messages would be worse.
        Err(e) => Err(Error::about("reading", &dir.uid_file_path())(e)),
    }
}

/// The UIDVALIDITY in a folder's UID file. Only the first line is read.
pub(crate) fn validity_of(dir: &Entered) -> Option<UidValidity> {
    let start = dir.folder().read_control_start(UID_FILE, 256).ok()?;
    let line = start.split(|b| *b == b'\n').next()?;
    header(line).and_then(|(validity, _)| fits(validity))
}

/// Parses the first line: version, UIDVALIDITY, next UID, and whatever follows (STORAGE 2.5).
/// Blanks and leading zeros are accepted as scanf() accepts them: a header that is good for Courier
/// must not make us give new UIDs.
fn header(mut line: &[u8]) -> Option<(u64, u64)> {
    let mut next = || {
        line = line.trim_ascii_start();
        let (number, rest) = leading_number(line)?;
        line = rest;
        Some(number)
    };
    if next()? != 1 {
        return None;
    }
    Some((next()?, next()?))
}

/// The number at the start of a text, and what follows it. A number beyond 64 bits becomes the
/// greatest one.
fn leading_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let (digits, rest) =
        text.split_at_checked(text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len()))?;
    if digits.is_empty() {
        return None;
    }
    Some((number::digits(digits).unwrap_or(u64::MAX), rest))
}

fn fits(validity: u64) -> Option<UidValidity> {
    u32::try_from(validity).ok().and_then(UidValidity::new)
}

/// Parses a UID file. This never fails: what cannot be parsed counts as missing.
pub(super) fn parse(data: Vec<u8>) -> UidFile {
    let mut file = UidFile::absent();
    // The first line needs its LF, as every other (STORAGE 2.5).
    let Some(first_end) = memchr::memchr(b'\n', &data) else { return file };
    let Some((validity, next)) = data.get(..first_end).and_then(header) else { return file };
    file.before = fits(validity);
    file.stale = false;
    let (Some(validity), Ok(next)) = (fits(validity), u32::try_from(next)) else {
        return UidFile { before: file.before, ..UidFile::absent() };
    };
    let mut messages = Messages::with_arena(data);
    let mut at = first_end.saturating_add(1);
    loop {
        let rest = messages.arena().get(at..).unwrap_or_default();
        // A last line without LF is ignored.
        let Some(length) = memchr::memchr(b'\n', rest) else { break };
        let line = rest.get(..length).unwrap_or_default();
        let start = at;
        at = at.saturating_add(length).saturating_add(1);
        let Some((uid, rest)) = leading_number(line) else { continue };
        let Some(space) = memchr::memchr(b' ', rest)
            .map(|at| at.saturating_add(line.len()).saturating_sub(rest.len()))
        else {
            continue;
        };
        let name = space.saturating_add(1);
        let name_length = length.saturating_sub(name);
        let Ok(uid) = u32::try_from(uid) else {
            // RFC 3501 9, `nz-number`: after a value beyond 32 bits a new UIDVALIDITY begins.
            return UidFile { before: file.before, ..UidFile::absent() };
        };
        // No file has a name that long, and no message has the UID 0.
        if uid != 0 && u16::try_from(name_length).is_ok() {
            messages.push_from_arena(uid, start.saturating_add(name), name_length);
        }
    }
    // The next UID is above every UID in the file, whatever the first line says.
    let Some(after) = messages.highest().checked_add(1) else {
        return UidFile { before: file.before, ..UidFile::absent() };
    };
    if !messages.is_sorted() {
        // Of two lines with the same name the first counts, whatever its UID.
        file.stale = messages.drop_doubled_names();
        messages.sort_by_uid();
    }
    file.stale |= after > next;
    file.next = next.max(after).max(1);
    if messages.take_doubled_uids() {
        file.stale = true;
    }
    file.validity = Some(validity);
    file.messages = messages;
    file
}

/// A new UIDVALIDITY: the time less 1,000,000,000 (STORAGE 2.2), but greater than the one before.
pub(super) fn fresh_validity(seconds: i64, before: Option<UidValidity>) -> UidValidity {
    let now = seconds
        .checked_sub(1_000_000_000)
        .and_then(|s| u32::try_from(s).ok())
        .and_then(UidValidity::new);
    let now = now.unwrap_or(UidValidity::MIN);
    match before {
        Some(before) if before >= now => before.next().unwrap_or(now),
        _ => now,
    }
}

/// The UIDVALIDITYs from here on are for UIDs that cannot be saved. Time gets there in 2069.
pub(super) const UNSAVED: u32 = 1 << 31;
/// So many of them may be the next one.
const SPREAD: u32 = 1 << 24;

/// A UIDVALIDITY for UIDs that cannot be saved. No other session must give it, for there the same
/// UIDs may be other messages: it does not follow from the time, of which two sessions may have the
/// same second, but from `chance`, a random number. `own`: the last one that this session has given
/// so; `saved`: that of the UID file.
pub(super) fn unsaved_validity(
    own: Option<UidValidity>,
    saved: Option<UidValidity>,
    chance: u64,
) -> UidValidity {
    if own > saved
        && let Some(next) = own.and_then(UidValidity::next)
    {
        return next;
    }
    let least = saved.map_or(0, UidValidity::get).max(UNSAVED);
    let least = if u32::MAX - least > SPREAD { least } else { UNSAVED };
    let step = u32::try_from(chance % u64::from(SPREAD)).unwrap_or(0);
    UidValidity::new(least.saturating_add(1).saturating_add(step)).unwrap_or(UidValidity::MIN)
}

/// The first line of a UID file.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) validity: UidValidity,
    /// The next UID.
    pub(super) next: u32,
}

/// How many bytes a UID file will have: with those of the messages that were found, and with others
/// whose base names have these lengths. It is exact but for the first line, since to give back what
/// was reserved in vain takes a disk some milliseconds.
pub(super) fn size_of(
    messages: &Messages,
    mut next: u32,
    new_bases: impl Iterator<Item = usize>,
) -> u64 {
    let mut line = |uid: Option<Uid>, base: usize| {
        let uid = uid.map_or(next, Uid::get);
        next = next.max(uid.saturating_add(1));
        // The UID, a blank, the name, a line end.
        u64::from(uid.checked_ilog10().unwrap_or(0)).saturating_add(3).saturating_add(base as u64)
    };
    let found = (0..messages.len()).filter(|i| messages.has(*i, bit::FOUND));
    let found: u64 = found.map(|i| line(messages.uid(i), messages.base_name(i).len())).sum();
    MAX_HEADER.saturating_add(found).saturating_add(new_bases.map(|base| line(None, base)).sum())
}

/// A new UID file that is not in its place yet.
pub(super) struct Draft<'a> {
    store: &'a Store,
    dir: &'a Entered,
    file: TemporaryFile,
    /// Whether the file was made larger than its content may be.
    is_reserved: bool,
}

/// The most bytes of the first line.
const MAX_HEADER: u64 = 32;
/// More than the longest name that we give.
pub(super) const MAX_OWN_NAME: usize = 255;
/// How many bytes are written at once.
const CHUNK: usize = 64 * 1024;

impl<'a> Draft<'a> {
    /// An empty one.
    pub(super) fn new(store: &'a Store, dir: &'a Entered) -> io::Result<Draft<'a>> {
        let mut tag = b"_imapuid_".to_vec();
        number::push(&mut tag, store.next_uid_file());
        let file = TemporaryFile::create(&store.config.host, dir.tmp()?, &tag, 0o644)?;
        Ok(Draft { store, dir, file, is_reserved: false })
    }

    /// One for which there is room on the disk: for so many bytes, of [`size_of`]. Where the file
    /// system cannot reserve room, writing as much would tell. That is done only if the disk was
    /// full before ([`Store::is_out_of_room`]).
    pub(super) fn with_room(
        store: &'a Store,
        dir: &'a Entered,
        size: u64,
    ) -> io::Result<Draft<'a>> {
        let mut draft = Draft::new(store, dir)?;
        match fs::reserve(draft.file.file()?, size) {
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                if store.is_out_of_room() {
                    let zeros = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
                    draft.file.file()?.write_all(&zeros)?;
                    draft.file.file()?.rewind()?;
                    draft.is_reserved = true;
                }
            }
            reserved => {
                reserved?;
                draft.is_reserved = true;
            }
        }
        Ok(draft)
    }

    /// Writes the file and syncs it. It is not in its place yet.
    pub(super) fn write(self, header: Header, messages: &Messages) -> io::Result<Written<'a>> {
        let Draft { store, dir, file, is_reserved } = self;
        let mut out = Vec::with_capacity(CHUNK.saturating_add(512));
        out.extend_from_slice(b"1 ");
        number::push(&mut out, u64::from(header.validity.get()));
        out.push(b' ');
        number::push(&mut out, u64::from(header.next));
        out.push(b'\n');
        for i in 0..messages.len() {
            let Some(uid) = messages.uid(i) else {
                debug_assert!(false, "a message without a UID is saved");
                continue;
            };
            number::push(&mut out, u64::from(uid.get()));
            out.push(b' ');
            out.extend_from_slice(messages.base_name(i));
            out.push(b'\n');
            if out.len() >= CHUNK {
                file.file()?.write_all(&out)?;
                out.clear();
            }
        }
        file.file()?.write_all(&out)?;
        if is_reserved {
            let mut file = file.file()?;
            let end = file.stream_position()?;
            file.set_len(end)?;
        }
        if store.config.fsync {
            fs::sync_file(file.file()?)?;
        }
        Ok(Written { dir, file })
    }
}

/// A new UID file that is complete and on disk, but not in its place yet.
pub(super) struct Written<'a> {
    dir: &'a Entered,
    file: TemporaryFile,
}

impl Written<'_> {
    /// Puts it in the place of the old one, which stays if this fails. It stays after a crash only
    /// when the folder's directory is synced, too.
    pub(super) fn put(self) -> io::Result<()> {
        self.file.rename_to(self.dir.folder(), UID_FILE)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> (Option<u32>, u32, Vec<(u32, String)>, bool) {
        let f = parse(text.as_bytes().to_vec());
        let m = &f.messages;
        let all = (0..m.len())
            .map(|i| {
                (
                    m.uid(i).map_or(0, |u| u.get()),
                    String::from_utf8_lossy(m.base_name(i)).into_owned(),
                )
            })
            .collect();
        (f.validity.map(|v| v.get()), f.next, all, f.stale)
    }

    #[test]
    fn the_size_to_be() {
        let text = "1 795332402 4\n1 a,S=17\n9 b\n150 gone\n";
        let mut messages = parse(text.into()).messages;
        messages.mark(0, bit::FOUND);
        messages.mark(1, bit::FOUND);
        let lines = "1 a,S=17\n9 b\n999 new\n1000 newer\n";
        let size = size_of(&messages, 999, [3, 5].into_iter());
        assert_eq!(size, MAX_HEADER + lines.len() as u64);
    }

    #[test]
    fn ordinary() {
        let (validity, next, all, stale) = lines("1 795332402 4\n1 a,S=17\n3 b\n");
        assert_eq!((validity, next, stale), (Some(795_332_402), 4, false));
        assert_eq!(all, [(1, "a,S=17".to_owned()), (3, "b".to_owned())]);
    }

    #[test]
    fn absent() {
        for text in [
            "",
            "1 5",
            "1 5\n",
            "2 5 6\n1 a\n",
            "x\n",
            "1 5 6",
            "1 5 x\n",
            "1 0 6\n",
            "1 4294967296 5\n",
            "1 5 4294967296\n",
            "\n1 5 6\n",
        ] {
            let (validity, next, all, stale) = lines(text);
            assert_eq!((validity, next, all.len(), stale), (None, 1, 0, true), "{text:?}");
        }
        for text in
            ["1 5 6\n4294967296 a\n", "1 5 6\n4294967295 a\n", "1 5 6\n99999999999999999999999 a\n"]
        {
            assert_eq!(lines(text).0, None, "{text:?}");
            assert_eq!(parse(text.into()).before.unwrap().get(), 5);
        }
    }

    #[test]
    fn headers_as_courier_reads_them() {
        for text in ["1 5 10\n", "  1   5\t10 foo\n", "01 05 10x\n", "1 5 10\r\n"] {
            assert_eq!(lines(text), (Some(5), 10, vec![], false), "{text:?}");
        }
    }

    #[test]
    fn odd_lines() {
        let one = |text: &str| lines(&format!("1 5 10 words\n{text}"));
        let a = vec![(2, "a".to_owned())];
        assert_eq!(one("2 a\n3 b"), (Some(5), 10, a.clone(), false), "no LF at the end");
        assert_eq!(one("2 a\nfoo\nx b\n3\n\n 4 c\n"), (Some(5), 10, a.clone(), false), "not lines");
        assert_eq!(one("2 a\n0 b\n"), (Some(5), 10, a, false), "UID 0");
        assert_eq!(one("2 a b\n").2, [(2, "a b".to_owned())]);
        assert_eq!(one("2  a\r\n").2, [(2, " a\r".to_owned())]);
        assert_eq!(one("3x a\n").2, [(3, "a".to_owned())]);
        assert_eq!(one("7 a\n3 b\n13 a\n3 c").1, 14);
        assert_eq!(
            one("7 a\n3 a\n"),
            (Some(5), 10, vec![(7, "a".to_owned())], true),
            "doubled name"
        );
        assert_eq!(one("7 a\n3 b\n").2, [(3, "b".to_owned()), (7, "a".to_owned())]);
        assert_eq!(
            one("12 a\n"),
            (Some(5), 13, vec![(12, "a".to_owned())], true),
            "next UID too low"
        );
        assert_eq!(
            one("3 a\n4 c\n3 b\n"),
            (Some(5), 10, vec![(3, "a".into()), (0, "b".into()), (4, "c".into())], true),
            "doubled UID"
        );
    }

    #[test]
    fn validity_grows() {
        let v = |n| UidValidity::new(n);
        assert_eq!(fresh_validity(1_795_332_402, None), v(795_332_402).unwrap());
        assert_eq!(fresh_validity(1_795_332_402, v(5)), v(795_332_402).unwrap());
        assert_eq!(fresh_validity(1_795_332_402, v(795_332_402)), v(795_332_403).unwrap());
        assert_eq!(fresh_validity(0, None), UidValidity::MIN);
        // Of UIDs that cannot be saved: beyond all times, not twice, and above the one in the file.
        let first = unsaved_validity(None, v(795_332_402), 7).get();
        assert_eq!(first, UNSAVED + 8);
        assert_ne!(unsaved_validity(None, v(795_332_402), 8).get(), first);
        assert_eq!(unsaved_validity(v(first), v(795_332_402), 9).get(), first + 1);
        assert_eq!(unsaved_validity(v(first), v(first + 5), 9).get(), first + 15);
        assert_eq!(unsaved_validity(None, v(u32::MAX), u64::from(SPREAD) + 1).get(), UNSAVED + 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            parse(data);
        }

        #[test]
        fn nearly_right(text in "1 [0-9]{1,11} [0-9]{1,11}\n([0-9 a:\n]{0,12}\n?){0,12}") {
            let f = parse(text.into_bytes());
            prop_assert!(f.next >= 1);
            prop_assert!(f.messages.highest() < f.next);
            let uids: Vec<_> = (0..f.messages.len()).filter_map(|i| f.messages.uid(i)).collect();
            prop_assert!(uids.is_sorted_by(|a, b| a < b));
        }
    }
}
