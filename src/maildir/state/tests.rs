//! What is written is read again; and of bytes that are not what was written, nothing is believed
//! but what was true at some moment.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::compare::{Seen, record};
use super::format::HEADER;
use super::read::decode;
use super::*;
use crate::maildir::details::Detail;
use crate::maildir::lock::Lock;
use crate::maildir::names;
use crate::maildir::testing::TestFolder;
use crate::sys::stat::Stat;
use crate::types::{ModSeq, SetId, Uid, keywords::is_valid_keyword};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A message, its UID left out.
#[derive(Clone, PartialEq, Debug)]
struct Message {
    name: String,
    keywords: Vec<usize>,
}

/// A folder, and what was learned of its messages.
#[derive(Clone, Debug)]
struct Folder {
    messages: BTreeMap<u32, Message>,
    next: u32,
}

const KEYWORDS: [&str; 5] = ["Work", "$Forwarded", "a!#&'+,-./:;<=>?@^_`|b", "NIL", "}"];

fn message() -> impl Strategy<Value = Message> {
    let name = (
        prop_oneof![
            "[1-9][0-9]{3}[.][A-Za-z0-9_=,+-]{1,20}",
            "[a-z\u{e4}][ -.0-~]{0,30}",
            "1000[.]M1P2_[0-9][.]host,S=[0-9]{1,6}",
        ],
        prop_oneof![
            5 => ":2,D?F?R?S?T?",
            1 => ":2,[A-Za-z]{0,9}",
            1 => Just(String::new()),
            1 => ":1,[ -.0-~]{0,5}",
            1 => ":2,S\n",
        ],
    );
    let keywords = vec(0..KEYWORDS.len(), 0..3);
    (name, keywords)
        .prop_map(|((base, suffix), keywords)| Message { name: base + &suffix, keywords })
}

fn folder() -> impl Strategy<Value = Folder> {
    (btree_map(1u32..60, message(), 0..12), 60u32..70)
        .prop_map(|(messages, next)| Folder { messages, next })
}

fn made(folder: &Folder) -> (Messages, KeywordTable) {
    let (mut messages, mut keywords) = (Messages::default(), KeywordTable::new());
    for (i, (uid, message)) in folder.messages.iter().enumerate() {
        let name = message.name.as_bytes();
        messages.push_base(*uid, names::base(name));
        messages.set_file_name(i, name);
        let set = keywords.set_of(message.keywords.iter().map(|k| KEYWORDS[*k].as_bytes()));
        messages.set_keywords(i, set);
    }
    (messages, keywords)
}

/// All that an image says, in an order of its own.
fn show(image: &Image) -> Vec<String> {
    let Image { validity, next, runs, expunged, tail, .. } = image;
    let proof = tail.proof;
    let mut out = vec![format!("{validity} {next} {runs:?} {expunged:?} {proof:?}")];
    out.push(format!("{:?} {:?}", image.details.generation(), image.tail.summary.highest));
    for i in 0..image.messages.len() {
        let uid = image.messages.uid(i).unwrap();
        out.push(format!(
            "{uid} {:?} {:?} {:?} {} {:?} {:?}",
            String::from_utf8_lossy(&image.messages.file_name(i)),
            image.messages.flags(i),
            shown_keywords(&image.keywords, image.messages.keywords(i)),
            image.values[i],
            image.details.get(uid.get()),
            image.messages.key(i).len(),
        ));
    }
    out
}

fn shown_keywords(table: &KeywordTable, set: SetId) -> Vec<String> {
    let mut names: Vec<_> =
        table.names_of(set).map(|n| String::from_utf8_lossy(n).into_owned()).collect();
    names.sort();
    names
}

/// What may be believed of any bytes whatever.
fn verify_bounds(data: &[u8], image: &Image) {
    let count = image.messages.len();
    assert!(count * 24 <= data.len() && image.values.len() == count);
    for i in 0..count {
        let (base, name) = (image.messages.base_name(i), image.messages.file_name(i));
        assert!(!base.is_empty() && !base.starts_with(b".") && !base.contains(&b'\n'), "{name:?}");
        assert!(!name.starts_with(b".") && !name.iter().any(|b| [b'/', 0].contains(b)), "{name:?}");
        assert!(image.messages.uid(i).is_some_and(|uid| uid.get() < image.next));
        assert!(image.values[i] <= ModSeq::MAX);
    }
    let uids: Vec<_> = (0..count).map(|i| image.messages.uid(i)).collect();
    assert!(uids.is_sorted_by(|a, b| a < b));
    assert!(image.keywords.names().all(is_valid_keyword));
    assert!(image.keywords.names().map(|name| name.len() + 2).sum::<usize>() <= data.len());
    assert!((image.runs.iter().len() + image.expunged.iter().len()) * 16 <= data.len());
}

/// File name and keywords by UID.
type Shown = BTreeMap<u32, (Vec<u8>, Vec<String>)>;

/// A state's file, and every state that it was before, the oldest first.
struct History {
    bytes: Vec<u8>,
    /// The end of each record.
    ends: Vec<usize>,
    shown: Vec<Vec<String>>,
    seen: Vec<Shown>,
    stat: Stat,
}

impl History {
    /// The state of a folder as sessions find it, one after the other.
    fn of(folders: &[Folder]) -> History {
        let place = TestFolder::new();
        let mut history = History {
            bytes: vec![],
            ends: vec![],
            shown: vec![],
            seen: vec![],
            stat: own_stat(&place),
        };
        for folder in folders {
            step(&place, folder);
            history.take(&place);
        }
        history
    }

    fn take(&mut self, place: &TestFolder) {
        self.bytes = std::fs::read(place.path("postrider.state")).unwrap();
        if self.ends.last() != Some(&self.bytes.len()) {
            self.ends.push(self.bytes.len());
            self.shown.push(show(&image(place)));
            self.seen.push(seen_of(&image(place)));
        }
    }

    /// Of other bytes: refused, or what was true at some moment.
    fn verify(&self, bytes: &[u8], what: &str) {
        let Some(image) = decode(bytes, &self.stat) else { return };
        verify_bounds(bytes, &image);
        let shown = show(&image);
        let is_known = self.shown.contains(&shown);
        assert!(is_known, "{what}: {shown:#?}\nis none of {:#?}", self.shown);
    }
}

fn own_stat(place: &TestFolder) -> Stat {
    place.enter().folder().own_stat().unwrap()
}

fn image(place: &TestFolder) -> Box<Image> {
    match read(&place.store, &place.enter()) {
        Found::Image(image) => {
            // All of it, before the file is replaced.
            image.messages.base_name(0);
            image.details.get(0);
            image
        }
        Found::Damaged(_) => panic!("what was written is not believed"),
        Found::None => panic!("there is no state"),
    }
}

fn proof(inode: u64) -> StoredProof {
    let mut bytes = vec![1u8];
    for part in 0..4u8 {
        bytes.push(u8::from(part != 2));
        bytes.extend_from_slice(&inode.to_le_bytes());
        bytes.extend_from_slice(&[if part == 2 { 0 } else { part + 1 }; 24]);
    }
    StoredProof::read(&mut bytes::Input::new(&bytes)).unwrap()
}

/// A session finds the folder like this, and records it.
fn step(place: &TestFolder, folder: &Folder) {
    let dir = place.enter();
    let lock = Lock::attempt(&place.store, &dir).unwrap().unwrap();
    let (messages, keywords) = made(folder);
    let seen = Seen {
        validity: UidValidity::new(700_000_000).unwrap(),
        next: folder.next,
        messages: &messages,
        keywords: &keywords,
        has_keywords: true,
        proof: proof(u64::from(folder.next)),
        rewritten: &[],
    };
    let found = read(&place.store, &dir);
    assert!(!matches!(found, Found::Damaged(_)), "what was written is not believed");
    let above = found.last_value();
    record((&place.store, &dir, &lock), found.of(Some(seen.validity)), above, &seen).unwrap();
}

/// What is known of a folder from its image.
fn seen_of(image: &Image) -> Shown {
    let messages = &image.messages;
    let seen = |i| {
        let keywords = shown_keywords(&image.keywords, messages.keywords(i));
        (messages.uid(i).unwrap().get(), (messages.file_name(i), keywords))
    };
    (0..messages.len()).map(seen).collect()
}

fn seen_in(folder: &Folder) -> Shown {
    let keywords = |message: &Message| {
        let mut names: Vec<_> = message.keywords.iter().map(|k| KEYWORDS[*k].to_owned()).collect();
        names.sort();
        names.dedup();
        names
    };
    let seen = |(uid, message): (&u32, &Message)| {
        (*uid, (message.name.clone().into_bytes(), keywords(message)))
    };
    folder.messages.iter().map(seen).collect()
}

/// The same folder at several moments: the UIDs only ever grow.
fn moments() -> impl Strategy<Value = Vec<Folder>> {
    let change = (btree_map(1u32..60, message(), 0..6), vec(1u32..60, 0..4), 0u32..9);
    (folder(), vec(change, 1..5)).prop_map(|(first, changes)| {
        let mut all = vec![first];
        for (put, gone, more) in changes {
            let mut now: Folder = all.last().unwrap().clone();
            for (uid, mut message) in put {
                match now.messages.get(&uid) {
                    // Only flags and keywords of a message change.
                    Some(old) => {
                        let base = names::base(old.name.as_bytes());
                        let suffix =
                            message.name.split_off(names::base(message.name.as_bytes()).len());
                        message.name = String::from_utf8(base.to_vec()).unwrap() + &suffix;
                        if names::base(message.name.as_bytes()) == base {
                            now.messages.insert(uid, message);
                        }
                    }
                    None => {
                        now.messages.insert(now.next, message);
                        now.next += 1;
                    }
                }
            }
            gone.iter().for_each(|uid| drop(now.messages.remove(uid)));
            now.next += more;
            all.push(now);
        }
        all
    })
}

/// A small folder with everything in it, at four moments.
fn everything() -> History {
    everything_in(&TestFolder::new())
}

fn everything_in(place: &TestFolder) -> History {
    let message = |name: &str, keywords: &[usize]| Message {
        name: name.to_owned(),
        keywords: keywords.to_vec(),
    };
    let first = Folder {
        messages: BTreeMap::from([
            (1, message("1001.a:2,S", &[0])),
            (3, message("1003.c", &[])),
            (4, message("1004.d:x:2,aS", &[0, 1])),
        ]),
        next: 6,
    };
    let mut second = first.clone();
    second.messages.insert(1, message("1001.a:2,", &[1, 4]));
    second.messages.insert(6, message("1006.f,S=9:2,FS", &[2]));
    second.messages.remove(&3);
    second.next = 9;
    let mut third = second.clone();
    third.messages.insert(4, message("1004.d:x:2,T", &[]));
    let mut history =
        History { bytes: vec![], ends: vec![], shown: vec![], seen: vec![], stat: own_stat(place) };
    for folder in [&first, &second, &third] {
        step(place, folder);
        history.take(place);
    }
    // What was learned of one, and a new run.
    let dir = place.enter();
    let lock = Lock::attempt(&place.store, &dir).unwrap().unwrap();
    let mut record = Record::default();
    let image = image(place);
    record.facts(Some(77));
    let detail = Detail { size: Some(9), date: -1, inode: 5, facts: Some(20), is_young: true };
    record.detail(4, &detail);
    let highest = image.tail.summary.highest + 2_000_000;
    record.run(highest, (image.tail.inode, [0; 16]));
    let summary = Summary { highest, ..image.tail.summary };
    append((&place.store, &dir, &lock), &image.tail, record, summary).unwrap();
    drop(lock);
    history.take(place);
    assert_eq!((history.ends.len(), history.shown.len()), (4, 4));
    assert!(history.shown[3].iter().any(|line| line.contains("is_young: true")));
    history
}

/// Each record's bytes.
fn records(history: &History) -> Vec<Vec<u8>> {
    history.ends.windows(2).map(|w| history.bytes[w[0]..w[1]].to_vec()).collect()
}

#[test]
fn each_byte_is_another() {
    let history = everything();
    history.verify(&history.bytes, "whole");
    assert!(decode(&history.bytes, &history.stat).is_some());
    for at in 0..history.bytes.len() {
        for bits in [1, 0x80, 0xff] {
            let mut bad = history.bytes.clone();
            bad[at] ^= bits;
            history.verify(&bad, &format!("byte {at}"));
            let is_refused = decode(&bad, &history.stat).is_none();
            assert_eq!(is_refused, at < history.ends[0], "byte {at}");
        }
    }
}

/// The same in a file: names and details are read when they are needed. Then those that are damaged
/// come from the UID file, or are not known.
#[test]
fn each_byte_in_a_file() {
    let place = TestFolder::new();
    let history = everything_in(&place);
    for uids in ["1 700000000 9\n1 1001.a\n4 1004.d:x\n6 1006.f,S=9\n", ""] {
        place.set_uids(uids);
        for at in 0..history.bytes.len() {
            let mut bad = history.bytes.clone();
            bad[at] ^= 0x55;
            std::fs::write(place.path("postrider.state"), bad).unwrap();
            let Found::Image(image) = read(&place.store, &place.enter()) else { continue };
            let seen = seen_of(&image);
            if history.seen.contains(&seen) {
                continue;
            }
            assert!(uids.is_empty(), "byte {at}: {seen:?}");
            for (uid, (name, _)) in seen {
                let is_known = history.seen.iter().any(|seen| seen[&uid].0 == name);
                assert!(is_known || name.starts_with(b"\n"), "byte {at}: {uid} {name:?}");
            }
        }
    }
}

#[test]
fn each_beginning() {
    let history = everything();
    for length in 0..history.bytes.len() {
        let image = decode(&history.bytes[..length], &history.stat);
        history.verify(&history.bytes[..length], &format!("{length} bytes"));
        let whole = history.ends.iter().filter(|end| **end <= length).count();
        assert_eq!(image.is_some(), whole > 0, "{length} bytes");
        if let Some(image) = image {
            assert_eq!(show(&image), history.shown[whole - 1], "{length} bytes");
            assert_eq!(image.tail.is_whole, history.ends.contains(&length), "{length} bytes");
        }
    }
}

/// Records twice, in another order, left out, or from another file: what follows the first that is
/// not in its place is not believed.
#[test]
fn records_that_are_not_in_their_place() {
    let (history, other) = (everything(), everything());
    let (ours, theirs) = (records(&history), records(&other));
    let base = &history.bytes[..history.ends[0]];
    let all: Vec<&Vec<u8>> = ours.iter().chain(&theirs).collect();
    for a in 0..all.len() {
        for b in 0..all.len() {
            for c in 0..all.len() {
                let journal = [&all[a][..], all[b], all[c]].concat();
                let bytes = [base, &journal].concat();
                let image = decode(&bytes, &history.stat).unwrap();
                let right = [a, b, c].iter().zip(0..).take_while(|(a, b)| **a == *b).count();
                assert_eq!(show(&image), history.shown[right], "records {a} {b} {c}");
                assert_eq!(image.tail.is_whole, right == 3);
            }
        }
    }
    // A message does not go twice.
    let (twice, tail) = (everything(), decode(&history.bytes, &history.stat).unwrap().tail);
    let mut record = Record::default();
    (0..2).for_each(|_| record.expunge(1, 1, tail.summary.highest));
    let (record, _) = record.finish(&tail.summary, tail.checksum).unwrap();
    assert!(decode(&[&history.bytes[..], &record].concat(), &twice.stat).is_none());
    // A header before another file's body.
    let bytes = [&history.bytes[..HEADER], &other.bytes[HEADER..]].concat();
    history.verify(&bytes, "another body");
}

/// Flips, and puts the checksums right, as somebody may who writes a state himself.
fn forged(history: &History, changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = history.bytes.clone();
    for (at, byte) in changes {
        let at = at % bytes.len();
        bytes[at] = *byte;
    }
    // The sections, as far as the lengths let them be found.
    let sections: Vec<(usize, usize)> = {
        let at = HEADER - 4;
        let start = section_table();
        let mut from = HEADER;
        (0..4)
            .map_while(|i| {
                let field = start + i * 12;
                let length = u64::from_le_bytes(bytes[field..field + 8].try_into().unwrap());
                let length = usize::try_from(length).ok()?;
                let until = from.checked_add(length).filter(|until| *until <= bytes.len())?;
                let checksum = crc32fast::hash(&bytes[from..until]);
                bytes[field + 8..field + 12].copy_from_slice(&checksum.to_le_bytes());
                debug_assert!(field + 12 <= at);
                from = until;
                Some((from, until))
            })
            .collect()
    };
    let checksum = crc32fast::hash(&bytes[..HEADER - 4]);
    bytes[HEADER - 4..HEADER].copy_from_slice(&checksum.to_le_bytes());
    let mut before = crc32fast::hash(&bytes[..HEADER - 4]);
    let mut at = sections.last().map_or(HEADER, |(_, until)| *until);
    while at + 8 < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let Some(end) = (at + 8).checked_add(length as usize).filter(|e| *e <= bytes.len()) else {
            break;
        };
        let mut hasher = crc32fast::Hasher::new_with_initial(before);
        hasher.update(&length.to_le_bytes());
        hasher.update(&bytes[at + 8..end]);
        before = hasher.finalize();
        bytes[at + 4..at + 8].copy_from_slice(&before.to_le_bytes());
        at = end;
    }
    bytes
}

/// Yesterday's UID file and yesterday's mail were put back: a message is there again, under the UID
/// that it had, below others.
#[test]
fn a_message_that_comes_back() {
    let message = |name: &str| Message { name: name.to_owned(), keywords: vec![] };
    let three = [(1, message("1.a:2,")), (2, message("2.b:2,")), (3, message("3.c:2,"))];
    let first = Folder { messages: BTreeMap::from(three), next: 4 };
    let mut second = first.clone();
    second.messages.remove(&2);
    let place = TestFolder::new();
    for folder in [&first, &second, &first] {
        step(&place, folder);
        assert_eq!(seen_of(&image(&place)), seen_in(folder));
    }
}

/// A keyword from a file may have any length.
#[test]
fn a_keyword_that_is_too_long_for_a_state() {
    let place = TestFolder::of(&["1001.a:2,"]);
    let long = "k".repeat(70_000);
    place.write("courierimapkeywords/1001.a", &format!("{long}\n"));
    let snapshot = place.scan();
    assert_eq!(snapshot.keywords.names().map(<[u8]>::len).collect::<Vec<_>>(), [70_000]);
    assert!(snapshot.sequences.is_none() && !place.path("postrider.state").exists());
}

/// The last value was given: what changes then gets a new one all the same.
#[test]
fn values_that_have_reached_their_end() {
    let place = TestFolder::of(&["1001.a:2,", "1002.b:2,"]);
    let mut snapshot = place.scan();
    {
        let image = image(&place);
        let (runs, values) = (Runs::new(ModSeq::MAX - 1), vec![ModSeq::MAX - 1; 2]);
        let Image { validity, next, messages, keywords, expunged, details, .. } = &*image;
        let (messages, proof) = (messages, image.tail.proof);
        let content = Content {
            validity: *validity,
            next: *next,
            messages,
            keywords,
            values: &values,
            runs: &runs,
            expunged,
            details,
            proof,
        };
        let dir = place.enter();
        let lock = Lock::attempt(&place.store, &dir).unwrap().unwrap();
        replace(&place.store, &dir, &lock, &content).unwrap();
    }
    for (n, suffix) in [":2,S", ":2,FS", ":2,F", ":2,"].iter().enumerate() {
        let before = snapshot.sequences.as_ref().unwrap().of(0);
        let from = place.list("cur").into_iter().find(|name| name.starts_with("1001")).unwrap();
        place.rename(&format!("cur/{from}"), &format!("cur/1001.a{suffix}"));
        snapshot = place.scan();
        let now = snapshot.sequences.as_ref().unwrap();
        assert_ne!(now.of(0), before, "change {n}");
        assert_eq!(now.highest(), now.of(0), "change {n}");
    }
    assert!(image(&place).runs.last() < ModSeq::MAX - 1);
}

/// Any length, and nothing in it: it is not read.
#[test]
fn a_large_file_of_nothing() {
    let place = TestFolder::of(&["1001.a:2,"]);
    let file = std::fs::File::create(place.path("postrider.state")).unwrap();
    file.set_len(MAX_CONTROL_FILE).unwrap();
    assert!(matches!(read(&place.store, &place.enter()), Found::Damaged(0)));
    assert!(place.scan().sequences.is_some());
    assert!(file_length(&place) < 1000);
}

/// A base that is read in several pieces says what it says as a whole, and each of them is checked.
#[test]
fn pieces_of_a_large_one() {
    let place = TestFolder::new();
    let message = |uid: u32| Message {
        name: format!("{}.x:2,S", 1000 + uid),
        keywords: vec![uid as usize % 3],
    };
    let messages: BTreeMap<u32, Message> = (1..10_000).map(|uid| (uid, message(uid))).collect();
    step(&place, &Folder { messages, next: 10_000 });
    let bytes = std::fs::read(place.path("postrider.state")).unwrap();
    let stat = place.enter().folder().stat(NAME).unwrap();
    let whole = decode(&bytes, &stat).unwrap();
    assert_eq!(show(&image(&place)), show(&whole));
    let piece = super::numbers::Numbers::PIECE;
    for at in [piece / 2, piece, piece * 2 + 7, piece * 2 + 24 * 1000] {
        let mut bad = bytes.clone();
        bad[2000 + at] ^= 1;
        std::fs::write(place.path("postrider.state"), bad).unwrap();
        assert!(matches!(read(&place.store, &place.enter()), Found::Damaged(_)), "byte {at}");
    }
}

fn file_length(place: &TestFolder) -> u64 {
    place.path("postrider.state").metadata().unwrap().len()
}

/// Where the header has its sections.
fn section_table() -> usize {
    // Magic, UIDVALIDITY, inode, boot, generation; summary; proof.
    8 + 4 + 8 + 16 + 8 + 32 + (1 + 4 * 33)
}

/// Each byte changed to several others with the checksums put right: nothing panics, no name leads
/// elsewhere.
#[test]
fn a_forged_one() {
    let history = everything();
    assert_eq!(forged(&history, &[]), history.bytes);
    let mut read = 0;
    for at in 0..history.bytes.len() {
        for byte in [0, 1, b'/', b'.', b'\n', 0x7f, 0x80, 0xff] {
            let bytes = forged(&history, &[(at, byte)]);
            if let Some(image) = decode(&bytes, &history.stat) {
                verify_bounds(&bytes, &image);
                show(&image);
                read += 1;
            }
        }
    }
    assert!(read > 1000, "{read}");
}

/// More in `scripts/fuzz-session`.
fn cases(everyday: u32) -> u32 {
    let rounds = std::env::var("HOSTILE_ROUNDS").ok().and_then(|n| n.parse().ok());
    everyday.saturating_mul(rounds.unwrap_or(1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(64)))]

    /// A folder comes back as it was; and so does what sessions record of it one after the other,
    /// which is the same as the last of them all at once.
    #[test]
    fn what_was_written_is_read(folders in moments()) {
        let place = TestFolder::new();
        let mut before: Option<Box<Image>> = None;
        for folder in &folders {
            step(&place, folder);
            let now = image(&place);
            prop_assert_eq!(seen_of(&now), seen_in(folder));
            prop_assert_eq!(now.next, folder.next);
            prop_assert_eq!(now.tail.proof, proof(u64::from(folder.next)));
            prop_assert!(now.tail.is_whole);
            if let Some(before) = before {
                let (old, new) = (seen_of(&before), seen_of(&now));
                let last = before.runs.last();
                for (i, (uid, seen)) in new.iter().enumerate() {
                    let flags = |name: &[u8]| crate::types::Flags::of_file_name(name);
                    let was = old.get(uid);
                    let same = was.is_some_and(|was| flags(&was.0) == flags(&seen.0) && was.1 == seen.1);
                    let at = before.messages.position(Uid::new(*uid).unwrap());
                    match at {
                        Ok(at) if same => prop_assert_eq!(now.values[i], before.values[at]),
                        _ => prop_assert!(now.values[i] > last, "{} has an old value", uid),
                    }
                }
                // What is gone since is known, with a new value.
                let gone = old.keys().chain(&(before.next..now.next).collect::<Vec<_>>()).copied()
                    .filter(|uid| !new.contains_key(uid)).collect::<Vec<_>>();
                for uid in gone {
                    let range = now.expunged.iter().find(|(a, b, _)| (*a..=*b).contains(&uid));
                    prop_assert!(range.is_some_and(|(_, _, value)| value > last), "{} went", uid);
                }
            }
            before = Some(now);
        }
        // All at once.
        let last = before.unwrap();
        let content = Content {
            validity: last.validity,
            next: last.next,
            messages: &last.messages,
            keywords: &last.keywords,
            values: &last.values,
            runs: &last.runs,
            expunged: &last.expunged,
            details: &last.details,
            proof: last.tail.proof,
        };
        let (header, body) = content.encode((1, [7; 16], 9)).unwrap();
        let bytes = [header.write(), body].concat();
        let again = decode(&bytes, &own_stat(&place)).unwrap();
        prop_assert_eq!(show(&again), show(&last));
    }

    /// Any bytes; and a state in which any are changed, its checksums put right.
    #[test]
    fn any_bytes(
        bytes in vec(any::<u8>(), 0..2000),
        changes in vec((any::<usize>(), any::<u8>()), 1..9),
    ) {
        thread_local! { static HISTORY: History = everything(); }
        HISTORY.with(|history| {
            assert!(decode(&bytes, &history.stat).is_none());
            let bytes = forged(history, &changes);
            if let Some(image) = decode(&bytes, &history.stat) {
                verify_bounds(&bytes, &image);
                show(&image);
            }
        });
    }

    /// Some bytes of a random state are others, or are not there.
    #[test]
    fn damage(folders in moments(), at in any::<usize>(), bits in 1u8.., cut in any::<usize>()) {
        let history = History::of(&folders);
        let mut bad = history.bytes.clone();
        let at = at % bad.len();
        bad[at] ^= bits;
        history.verify(&bad, "flipped");
        bad = history.bytes.clone();
        bad.truncate(cut % bad.len());
        history.verify(&bad, "cut");
        let again = history.bytes[..at].to_vec();
        history.verify(&[&history.bytes[..], &again].concat(), "twice");
    }
}

/// A state that was put back in place begins one new run, and goes on from there.
#[test]
fn one_new_run_after_a_break() {
    let place = TestFolder::of(&["1.a:2,"]);
    place.scan();
    let state = place.path("postrider.state");
    let bytes = std::fs::read(&state).unwrap();
    clock::sleep(std::time::Duration::from_millis(30));
    std::fs::write(&state, &bytes).unwrap();
    let mut snapshot = place.scan();
    let before = image(&place).runs.last();
    let mut change = || {
        crate::maildir::record::changed(&place.store, &place.enter(), &mut snapshot, &[0]);
        snapshot.sequences.as_ref().unwrap().of(0).get()
    };
    let first = change();
    assert!(first > before + 1_000_000);
    // By this session, and by one that reads the file.
    assert_eq!(change(), first + 1);
    let mut other = place.scan();
    crate::maildir::record::changed(&place.store, &place.enter(), &mut other, &[0]);
    assert_eq!(other.sequences.as_ref().unwrap().of(0).get(), first + 2);
    assert_eq!(image(&place).runs.iter().len(), 2);
}

/// Names that are damaged come from the UID file, and the next who writes makes the state anew: one
/// that scans the folder, or one that was open and has needed them.
#[test]
fn damaged_names_are_made_anew() {
    let place = TestFolder::of(&["1.a:2,", "2.b:2,S"]);
    let mut snapshot = place.scan();
    let state = place.path("postrider.state");
    let whole = |bytes: &[u8]| bytes.windows(8).position(|names| names == b"1.a\n2.b\n");
    let damage = || {
        let mut bytes = std::fs::read(&state).unwrap();
        let at = whole(&bytes).unwrap();
        bytes[at] = b'9';
        std::fs::write(&state, &bytes).unwrap();
    };
    damage();
    let dir = place.enter();
    let Found::Image(image) = read(&place.store, &dir) else { panic!("the rest is sound") };
    assert_eq!(image.messages.base_name(0), b"1.a");
    snapshot.messages = image.messages;
    let lock = Lock::attempt(&place.store, &dir).unwrap().unwrap();
    crate::maildir::record::save(&place.store, &dir, &lock, &mut snapshot);
    assert!(whole(&std::fs::read(&state).unwrap()).is_some(), "by a session that was open");
    assert!(!snapshot.messages.has_damaged_names());
    drop(lock);
    damage();
    // The folder is not as it was, so that it is not opened by the state alone.
    std::fs::rename(place.path("cur/1.a:2,"), place.path("cur/1.a:2,F")).unwrap();
    place.scan();
    assert!(whole(&std::fs::read(&state).unwrap()).is_some(), "by one that scans");
}
