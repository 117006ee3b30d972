//! The journal of a state file: what has changed since its base. A record is a length, a checksum
//! and items. The checksum begins with that of the record before, so that nothing stale behind a
//! torn record is ever taken for its successor. STORAGE 14.4 has the bytes.

use super::Image;
use super::bytes::{Input, Output};
use super::format::{self, Summary};
use super::proof::StoredProof;
use crate::maildir::Messages;
use crate::maildir::details::Detail;
use crate::maildir::messages::bit;
use crate::types::{Flags, KeywordTable, SetId, Uid};
use std::collections::HashMap;

/// Bytes before the items of a record: their length, and the checksum.
const FRAME: usize = 8;

/// In the place of the number of keywords: they are as they were.
const AS_THEY_WERE: u32 = u32::MAX;

/// The kinds of items.
mod kind {
    /// A message that came, or has another base name now.
    pub(super) const MESSAGE: u8 = 1;
    /// A message with other flags or keywords.
    pub(super) const CHANGE: u8 = 2;
    /// UIDs that are gone.
    pub(super) const EXPUNGE: u8 = 3;
    /// What was learned of a message.
    pub(super) const DETAIL: u8 = 4;
    /// The times of a complete reading.
    pub(super) const PROOF: u8 = 5;
    /// A new run of values begins.
    pub(super) const RUN: u8 = 6;
    /// The facts file has another generation.
    pub(super) const FACTS: u8 = 7;
    /// The summary: the end of every record.
    pub(super) const SUMMARY: u8 = 8;
}

/// A message in a record.
pub(in crate::maildir) struct Item<'a> {
    pub(in crate::maildir) uid: u32,
    pub(in crate::maildir) value: u64,
    pub(in crate::maildir) flags: Flags,
    /// Its keywords, by the table; `None`: as they were, since they were not read.
    pub(in crate::maildir) keywords: Option<(&'a KeywordTable, SetId)>,
    /// Its file name beyond the base name, if that is not `:2,` and the letters of the flags.
    pub(in crate::maildir) odd: Option<&'a [u8]>,
}

/// A record that is being made.
#[derive(Default)]
pub(in crate::maildir) struct Record(Vec<u8>);

impl Record {
    /// Whether it says nothing.
    pub(in crate::maildir) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A message that came, or whose base name is another one.
    pub(in crate::maildir) fn message(&mut self, base: &[u8], item: &Item<'_>) {
        self.0.u8(kind::MESSAGE);
        self.0.string(base);
        self.item(item);
    }

    /// A message with other flags or keywords.
    pub(in crate::maildir) fn change(&mut self, item: &Item<'_>) {
        self.0.u8(kind::CHANGE);
        self.item(item);
    }

    fn item(&mut self, item: &Item<'_>) {
        self.0.u32(item.uid);
        self.0.u64(item.value);
        self.0.u8(item.flags.bits());
        match item.keywords {
            Some((table, set)) => {
                self.0.count(table.members(set).len());
                for name in table.names_of(set) {
                    self.0.string(name);
                }
            }
            None => self.0.u32(AS_THEY_WERE),
        }
        self.0.string(item.odd.unwrap_or_default());
    }

    /// UIDs that are gone.
    pub(in crate::maildir) fn expunge(&mut self, first: u32, last: u32, value: u64) {
        self.0.u8(kind::EXPUNGE);
        self.0.u32(first);
        self.0.u32(last);
        self.0.u64(value);
    }

    /// What was learned of a message.
    pub(in crate::maildir) fn detail(&mut self, uid: u32, detail: &Detail) {
        self.0.u8(kind::DETAIL);
        format::write_detail(&mut self.0, uid, detail);
    }

    /// The proof by a complete reading.
    pub(in crate::maildir) fn proof(&mut self, proof: &StoredProof) {
        self.0.u8(kind::PROOF);
        proof.write(&mut self.0);
    }

    /// The first value of a new run.
    /// `origin`: the file's inode and the machine's boot, as a header has them.
    pub(in crate::maildir) fn run(&mut self, first: u64, (inode, boot): (u64, [u8; 16])) {
        self.0.u8(kind::RUN);
        self.0.u64(first);
        self.0.u64(inode);
        self.0.extend_from_slice(&boot);
    }

    /// The generation of the facts file in which the offsets of what follows are.
    pub(in crate::maildir) fn facts(&mut self, generation: Option<u64>) {
        self.0.u8(kind::FACTS);
        self.0.u64(generation.unwrap_or(0));
    }

    /// The items, to be played.
    pub(super) fn items(mut self, summary: &Summary) -> Vec<u8> {
        self.0.u8(kind::SUMMARY);
        summary.write(&mut self.0);
        self.0
    }

    /// The whole record, to be appended; and its checksum, with which the next one begins.
    /// `before`: the checksum of the record before; of the first one, that of the header.
    pub(super) fn finish(self, summary: &Summary, before: u32) -> Option<(Vec<u8>, u32)> {
        let mut items = self.items(summary);
        let length = u32::try_from(items.len()).ok()?;
        let checksum = checksum(before, length, &items);
        let mut out = Vec::with_capacity(items.len().saturating_add(FRAME));
        out.u32(length);
        out.u32(checksum);
        out.append(&mut items);
        Some((out, checksum))
    }
}

fn checksum(before: u32, length: u32, items: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(&length.to_le_bytes());
    hasher.update(items);
    hasher.finalize()
}

/// The records of a journal, each with its checksum and its length in the file, up to the first one
/// that is not whole.
pub(super) struct Records<'a> {
    rest: &'a [u8],
    checksum: u32,
}

impl<'a> Records<'a> {
    /// `before`: as in [`Record::finish`].
    pub(super) fn new(bytes: &'a [u8], before: u32) -> Records<'a> {
        Records { rest: bytes, checksum: before }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (&'a [u8], u32, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let mut input = Input::new(self.rest);
        let (length, found) = (input.u32()?, input.u32()?);
        let items = input.take(usize::try_from(length).ok()?)?;
        if length == 0 || found != checksum(self.checksum, length, items) {
            return None;
        }
        self.checksum = found;
        let whole = items.len().saturating_add(FRAME);
        self.rest = self.rest.get(whole..).unwrap_or_default();
        Some((items, found, whole))
    }
}

/// A message in a record that is read.
pub(in crate::maildir) struct Told<'a> {
    pub(in crate::maildir) uid: u32,
    pub(in crate::maildir) value: u64,
    pub(in crate::maildir) flags: Flags,
    /// Its keywords; `None`: as they were.
    pub(in crate::maildir) keywords: Option<Names<'a>>,
    /// As [`Item::odd`].
    pub(in crate::maildir) odd: Option<&'a [u8]>,
}

/// Names of keywords in a record.
#[derive(Clone, Copy)]
pub(in crate::maildir) struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    /// `None`: it makes no sense; `Some(None)`: they are as they were.
    fn read(input: &mut Input<'a>) -> Option<Option<Names<'a>>> {
        let mut names = *input;
        let count = input.u32()?;
        if count == AS_THEY_WERE {
            return Some(None);
        }
        for _ in 0..count {
            input.string()?;
        }
        let length = names.len().checked_sub(input.len())?;
        names.take(length).map(|names| Some(Names(names)))
    }

    /// As they are written there.
    pub(super) fn list(self) -> Vec<&'a [u8]> {
        let mut input = Input::new(self.0);
        let count = input.u32().unwrap_or(0);
        (0..count).map_while(|_| input.string()).collect()
    }

    /// Puts them into a table: the set of them. `None` beyond its limit.
    pub(in crate::maildir) fn intern(self, table: &mut KeywordTable) -> Option<SetId> {
        let mut input = Input::new(self.0);
        let mut numbers = Vec::new();
        for _ in 0..input.u32()? {
            numbers.push(format::intern(table, input.string()?)?);
        }
        Some(table.set(numbers))
    }
}

/// What a record says, item by item.
pub(in crate::maildir) enum Event<'a> {
    /// A message that came, or has this base name now.
    Message(&'a [u8], Told<'a>),
    /// A message with other flags or keywords.
    Change(Told<'a>),
    /// UIDs that are gone, first and last, and the value.
    Expunge(u32, u32, u64),
    /// What was learned of the message with this UID.
    Detail(u32, Detail),
    /// The proof by a complete reading.
    Proof(StoredProof),
    /// A new run, its first value, and of which file and boot it is.
    Run(u64, (u64, [u8; 16])),
    /// The facts file has this generation.
    Facts(Option<u64>),
    /// The end of the record.
    Summary(Summary),
}

/// Reads a record: `each` is called with every item. `None` if it makes no sense, or `each` says so.
pub(in crate::maildir) fn each<'a>(
    items: &'a [u8],
    mut each: impl FnMut(Event<'a>) -> Option<()>,
) -> Option<()> {
    let mut input = Input::new(items);
    loop {
        let event = match input.u8()? {
            kind::MESSAGE => {
                let base = input.string()?;
                let is_clean = memchr::memchr3(b'/', b'\n', 0, base).is_none();
                if !is_clean || !format::is_valid_base(base) {
                    return None;
                }
                Event::Message(base, told(&mut input)?)
            }
            kind::CHANGE => Event::Change(told(&mut input)?),
            kind::EXPUNGE => {
                let (first, last, value) = (input.u32()?, input.u32()?, input.u64()?);
                if first == 0 || last < first {
                    return None;
                }
                Event::Expunge(first, last, value)
            }
            kind::DETAIL => {
                let (uid, detail) = format::read_detail(&mut input)?;
                Event::Detail(uid, detail)
            }
            kind::PROOF => Event::Proof(StoredProof::read(&mut input)?),
            kind::RUN => {
                let (first, inode) = (input.u64()?, input.u64()?);
                Event::Run(first, (inode, input.take(16)?.try_into().ok()?))
            }
            kind::FACTS => Event::Facts(Some(input.u64()?).filter(|generation| *generation != 0)),
            kind::SUMMARY => {
                let summary = Summary::read(&mut input)?;
                each(Event::Summary(summary))?;
                return input.is_empty().then_some(());
            }
            _ => return None,
        };
        each(event)?;
    }
}

fn told<'a>(input: &mut Input<'a>) -> Option<Told<'a>> {
    let (uid, value) = (input.u32()?, input.u64()?);
    let flags = Flags::from_bits(input.u8()?)?;
    let keywords = Names::read(input)?;
    let odd = Some(input.string()?).filter(|odd| !odd.is_empty());
    Some(Told { uid, value, flags, keywords, odd })
}

/// Plays records on an image.
pub(super) struct Replay<'a> {
    image: &'a mut Image,
    /// Sets of keywords by their names as a record has them.
    sets: HashMap<Vec<u8>, SetId>,
    /// What was learned, in the order of the records.
    details: Vec<(u32, Detail)>,
    has_gone: bool,
    /// The greatest value that a record gives to a message.
    greatest: u64,
}

impl<'a> Replay<'a> {
    /// On this image.
    pub(super) fn on(image: &'a mut Image) -> Replay<'a> {
        Replay { image, sets: HashMap::new(), details: Vec::new(), has_gone: false, greatest: 0 }
    }

    /// Plays one record; `None` if it makes no sense, and then the image is of no use any more.
    pub(super) fn play(&mut self, items: &[u8]) -> Option<()> {
        each(items, |event| self.event(event))
    }

    fn event(&mut self, event: Event<'_>) -> Option<()> {
        match event {
            Event::Message(base, told) => self.message(base, &told),
            Event::Change(told) => self.change(&told),
            Event::Expunge(first, last, value) => self.expunge(first, last, value),
            Event::Detail(uid, detail) => {
                self.details.push((uid, detail));
                Some(())
            }
            Event::Proof(proof) => {
                self.image.tail.proof = proof;
                Some(())
            }
            Event::Run(first, origin) => {
                self.image.tail.header = origin;
                self.image.runs.begin_at(first)
            }
            Event::Facts(generation) => {
                if generation != self.image.details.generation() {
                    self.details.iter_mut().for_each(|(_, detail)| detail.facts = None);
                }
                self.image.details.set_generation(generation);
                Some(())
            }
            Event::Summary(summary) => {
                let image = &mut *self.image;
                if summary.next < image.next || summary.highest < image.runs.last() {
                    return None;
                }
                image.next = summary.next;
                image.runs.advance_to(summary.highest);
                image.tail.summary = summary;
                Some(())
            }
        }
    }

    /// Takes out what is gone. The greatest value that a record gives to a message.
    pub(super) fn finish(self) -> u64 {
        if self.has_gone {
            let messages = &mut self.image.messages;
            let mut i = 0usize;
            self.image.values.retain(|_| {
                let stays = !messages.has(i, bit::GONE);
                i = i.saturating_add(1);
                stays
            });
            messages.leave_out(bit::GONE);
        }
        self.image.details.add(self.details);
        self.greatest
    }

    fn message(&mut self, base: &[u8], told: &Told<'_>) -> Option<()> {
        let messages = &mut self.image.messages;
        let last = messages.len().checked_sub(1).and_then(|i| messages.uid(i));
        if told.uid > last.map_or(0, Uid::get) {
            messages.push_base(told.uid, base);
            self.image.values.push(0);
        } else {
            let at = self.position(told.uid)?;
            self.image.messages.set_base(at, base);
        }
        self.change(told)
    }

    fn change(&mut self, told: &Told<'_>) -> Option<()> {
        let at = self.position(told.uid)?;
        set_name(&mut self.image.messages, at, told)?;
        if let Some(names) = told.keywords {
            let set = match self.sets.get(names.0) {
                Some(known) => *known,
                None => {
                    let set = names.intern(&mut self.image.keywords)?;
                    self.sets.insert(names.0.to_vec(), set);
                    set
                }
            };
            self.image.messages.set_keywords(at, set);
        }
        *self.image.values.get_mut(at)? = told.value;
        self.greatest = self.greatest.max(told.value);
        Some(())
    }

    fn position(&self, uid: u32) -> Option<usize> {
        let messages = &self.image.messages;
        messages.position(Uid::new(uid)?).ok().filter(|at| !messages.has(*at, bit::GONE))
    }

    fn expunge(&mut self, first: u32, last: u32, value: u64) -> Option<()> {
        let messages = &mut self.image.messages;
        let from = messages.position(Uid::new(first)?).unwrap_or_else(|at| at);
        for at in from..messages.len() {
            if messages.uid(at).is_none_or(|uid| uid.get() > last) {
                break;
            }
            // A message goes once. Ranges that lie one over the other could take hours to play.
            if messages.has(at, bit::GONE) {
                return None;
            }
            messages.mark(at, bit::GONE);
            self.has_gone = true;
        }
        self.image.expunged.add(first, last, value);
        Some(())
    }
}

/// Gives a message the flags that a record tells of it, and with them its file name.
pub(in crate::maildir) fn set_name(
    messages: &mut Messages,
    at: usize,
    told: &Told<'_>,
) -> Option<()> {
    match told.odd {
        Some(odd) => format::set_odd(messages, at, odd, told.flags),
        None => {
            messages.set_flags(at, told.flags);
            Some(())
        }
    }
}
