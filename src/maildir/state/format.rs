//! The base of a state file: all of a folder at one moment. STORAGE 14 describes it byte by byte.
//! Nothing here touches a file, and no byte is believed before it was checked.

use super::bytes::{Input, Output};
use super::proof::StoredProof;
use crate::maildir::Messages;
use crate::maildir::details::{Detail, Details};
use crate::maildir::sequences::{Expunged, MAX_EXPUNGED, MAX_RUNS, Runs};
use crate::types::keywords::is_valid_keyword;
use crate::types::limits::MAX_READ_KEYWORDS;
use crate::types::{Flags, KeywordTable, SetId, UidValidity};
use std::collections::HashMap;

/// The first bytes of a state file, the version among them.
pub(super) const MAGIC: [u8; 8] = *b"PRstate\x01";
/// The length of the header in bytes.
pub(super) const HEADER: usize = 320;
/// Bytes of a message in the numbers section.
pub(super) const NUMBERS: usize = 24;
/// Bytes of a message in the details section.
const DETAILS: usize = 36;
/// Stands for a size that is not known.
const NO_SIZE: u64 = u64::MAX;
/// The bits of an offset of facts; all of them stand for no facts.
const NO_FACTS: u64 = (1 << 62) - 1;
/// The bit beside an offset of facts that says [`Detail::is_young`].
const YOUNG: u64 = 1 << 63;

/// What a state says of its folder without a look at the messages: what STATUS asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Summary {
    /// The next UID.
    pub(crate) next: u32,
    /// The greatest value that was given.
    pub(crate) highest: u64,
    /// Messages.
    pub(crate) messages: u32,
    /// Those without \Seen.
    pub(crate) unseen: u32,
    /// Those with \Deleted.
    pub(crate) deleted: u32,
    /// When it was written: microseconds since 1970, by the clock of file times.
    pub(super) written: i64,
}

impl Summary {
    /// Counts the messages.
    pub(super) fn of(messages: &Messages, next: u32, highest: u64) -> Summary {
        let count = |is: fn(Flags) -> bool| {
            let n = (0..messages.len()).filter(|i| is(messages.flags(*i))).count();
            u32::try_from(n).unwrap_or(u32::MAX)
        };
        Summary {
            next,
            highest,
            messages: u32::try_from(messages.len()).unwrap_or(u32::MAX),
            unseen: count(|flags| !flags.contains(Flags::SEEN)),
            deleted: count(|flags| flags.contains(Flags::DELETED)),
            written: 0,
        }
    }

    /// The same of these messages.
    pub(in crate::maildir) fn counted(&self, messages: &Messages) -> Summary {
        Summary { written: self.written, ..Summary::of(messages, self.next, self.highest) }
    }

    /// Reads what [`Summary::write`] has written.
    pub(super) fn read(input: &mut Input<'_>) -> Option<Summary> {
        Some(Summary {
            next: input.u32()?,
            highest: input.u64()?,
            messages: input.u32()?,
            unseen: input.u32()?,
            deleted: input.u32()?,
            written: input.i64()?,
        })
    }

    /// 32 bytes: next UID (4), highest value (8), messages, unseen, deleted (4 each), time (8).
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.u32(self.next);
        out.u64(self.highest);
        out.u32(self.messages);
        out.u32(self.unseen);
        out.u32(self.deleted);
        out.i64(self.written);
    }
}

/// A section: its length in bytes, and its checksum (CRC-32 of IEEE 802.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Section {
    pub(super) length: u64,
    pub(super) checksum: u32,
}

impl Section {
    fn of(bytes: &[u8]) -> Section {
        Section { length: bytes.len() as u64, checksum: crc32fast::hash(bytes) }
    }

    /// Whether these are its bytes.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        *self == Section::of(bytes)
    }
}

/// The header: what tells whether the rest is about this folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) validity: UidValidity,
    /// The inode of the file itself: a copy has another one.
    pub(super) inode: u64,
    /// The machine's boot; zeros if it is not known.
    pub(super) boot: [u8; 16],
    /// The generation of the facts file; 0: there is none.
    pub(super) facts: u64,
    pub(super) summary: Summary,
    pub(super) proof: StoredProof,
    /// Runs, expunged UIDs, keywords, odd names.
    pub(super) tables: Section,
    /// UID, value, flags, keywords and name lengths of each message.
    pub(super) numbers: Section,
    /// The base names, each with a LF behind it.
    pub(super) names: Section,
    /// Size, date, inode, facts of the messages for which they are known.
    pub(super) details: Section,
}

impl Header {
    /// Reads a header; `None` if it is damaged, or of another version.
    pub(super) fn read(bytes: &[u8]) -> Option<Header> {
        let bytes = bytes.get(..HEADER)?;
        let (content, checksum) = bytes.split_at_checked(HEADER - 4)?;
        if Input::new(checksum).u32()? != crc32fast::hash(content) {
            return None;
        }
        let mut input = Input::new(content);
        if input.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let validity = UidValidity::new(input.u32()?)?;
        let inode = input.u64()?;
        let boot = input.take(16)?.try_into().ok()?;
        let facts = input.u64()?;
        let summary = Summary::read(&mut input)?;
        let proof = StoredProof::read(&mut input)?;
        let mut section = || Some(Section { length: input.u64()?, checksum: input.u32()? });
        let (tables, numbers, names, details) = (section()?, section()?, section()?, section()?);
        Some(Header {
            validity,
            inode,
            boot,
            facts,
            summary,
            proof,
            tables,
            numbers,
            names,
            details,
        })
    }

    /// [`HEADER`] bytes, of which the last four are the checksum of the rest.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(&MAGIC);
        out.u32(self.validity.get());
        out.u64(self.inode);
        out.extend_from_slice(&self.boot);
        out.u64(self.facts);
        self.summary.write(&mut out);
        self.proof.write(&mut out);
        for section in [self.tables, self.numbers, self.names, self.details] {
            out.u64(section.length);
            out.u32(section.checksum);
        }
        debug_assert!(out.len() <= HEADER - 4, "the header has room for all of it");
        out.resize(HEADER - 4, 0);
        let checksum = crc32fast::hash(&out);
        out.u32(checksum);
        out
    }

    /// What the checksum of the first record begins with: the checksum at the end of a header. (That
    /// of a header with its checksum would be the same for all headers: so it is with a CRC.)
    pub(super) fn seed(bytes: &[u8]) -> Option<u32> {
        Input::new(bytes.get(HEADER - 4..HEADER)?).u32()
    }

    /// Where the journal begins; `None` past all files.
    pub(super) fn base_length(&self) -> Option<u64> {
        [self.tables, self.numbers, self.names, self.details]
            .iter()
            .try_fold(HEADER as u64, |sum, section| sum.checked_add(section.length))
    }
}

/// All of a folder, to be written.
pub(in crate::maildir) struct Content<'a> {
    pub(in crate::maildir) validity: UidValidity,
    pub(in crate::maildir) next: u32,
    pub(in crate::maildir) messages: &'a Messages,
    /// The keywords of the messages.
    pub(in crate::maildir) keywords: &'a KeywordTable,
    /// The modification sequence of each message.
    pub(in crate::maildir) values: &'a [u64],
    pub(in crate::maildir) runs: &'a Runs,
    pub(in crate::maildir) expunged: &'a Expunged,
    pub(in crate::maildir) details: &'a Details,
    pub(in crate::maildir) proof: StoredProof,
}

impl Content<'_> {
    /// The base: a header, and what follows it. `None` if a message has a name that a state cannot
    /// hold.
    pub(super) fn encode(
        &self,
        (inode, boot, written): (u64, [u8; 16], i64),
    ) -> Option<(Header, Vec<u8>)> {
        let mut sets = Sets::default();
        let (mut numbers, mut names, mut odd) = (Vec::new(), Vec::new(), Vec::new());
        let mut details = Vec::new();
        numbers.reserve_exact(self.messages.len().saturating_mul(NUMBERS));
        let mut odd_count = 0usize;
        for i in 0..self.messages.len() {
            let uid = self.messages.uid(i)?.get();
            let base = self.messages.base_name(i);
            if !is_valid_base(base) {
                return None;
            }
            numbers.u32(uid);
            numbers.u64(self.values.get(i).copied()?);
            numbers.u32(sets.number(self.messages.keywords(i)));
            numbers.u16(u16::try_from(base.len()).ok()?);
            numbers.u16(u16::try_from(self.messages.key(i).len()).ok()?);
            numbers.u8(self.messages.flags(i).bits());
            numbers.extend_from_slice(&[0; 3]);
            names.extend_from_slice(base);
            names.push(b'\n');
            if let Some(whole) = self.messages.odd(i) {
                odd.count(i);
                odd.string(whole);
                odd_count = odd_count.saturating_add(1);
            }
            if let Some(detail) = self.details.get(uid) {
                write_detail(&mut details, uid, &detail);
            }
        }
        let mut tables = Vec::new();
        tables.count(self.runs.iter().len());
        for (first, last) in self.runs.iter() {
            tables.u64(first);
            tables.u64(last);
        }
        tables.count(self.expunged.iter().len());
        for (first, last, value) in self.expunged.iter() {
            tables.u32(first);
            tables.u32(last);
            tables.u64(value);
        }
        tables.count(self.keywords.names().len());
        for name in self.keywords.names() {
            tables.string(name);
        }
        tables.count(sets.all.len());
        for set in &sets.all {
            let members = self.keywords.members(*set);
            tables.count(members.len());
            for number in members {
                tables.u32(*number);
            }
        }
        tables.count(odd_count);
        tables.append(&mut odd);
        let header = Header {
            validity: self.validity,
            inode,
            boot,
            facts: self.details.generation().unwrap_or(0),
            summary: Summary { written, ..Summary::of(self.messages, self.next, self.runs.last()) },
            proof: self.proof,
            tables: Section::of(&tables),
            numbers: Section::of(&numbers),
            names: Section::of(&names),
            details: Section::of(&details),
        };
        let mut out = tables;
        out.reserve_exact(numbers.len().saturating_add(names.len()).saturating_add(details.len()));
        out.append(&mut numbers);
        out.append(&mut names);
        out.append(&mut details);
        Some((header, out))
    }
}

/// The sets of keywords that messages have, numbered from 1 as they come; 0 is the empty set.
#[derive(Default)]
struct Sets {
    all: Vec<SetId>,
    numbers: HashMap<SetId, u32>,
}

impl Sets {
    fn number(&mut self, set: SetId) -> u32 {
        if set.is_empty() {
            return 0;
        }
        *self.numbers.entry(set).or_insert_with(|| {
            self.all.push(set);
            u32::try_from(self.all.len()).unwrap_or(0)
        })
    }
}

/// What the tables section says.
pub(super) struct Tables {
    pub(super) runs: Runs,
    pub(super) expunged: Expunged,
    pub(super) keywords: KeywordTable,
    /// By number less one.
    pub(super) sets: Vec<SetId>,
    /// Positions of messages, and their whole file names.
    pub(super) odd: HashMap<usize, Vec<u8>>,
}

impl Tables {
    /// Reads the section; `None` if it is damaged.
    pub(super) fn read(bytes: &[u8]) -> Option<Tables> {
        let mut input = Input::new(bytes);
        let count = |input: &mut Input<'_>, most: usize, least_bytes: usize| {
            let count = input.u32()? as usize;
            // No more than there can be, or than there is room for.
            let fits = count <= most && count <= input.len() / least_bytes.max(1);
            fits.then_some(count)
        };
        let runs = (0..count(&mut input, MAX_RUNS, 16)?)
            .map(|_| Some((input.u64()?, input.u64()?)))
            .collect::<Option<_>>()?;
        let expunged = (0..count(&mut input, MAX_EXPUNGED, 16)?)
            .map(|_| Some((input.u32()?, input.u32()?, input.u64()?)))
            .collect::<Option<_>>()?;
        let mut keywords = KeywordTable::new();
        let names = count(&mut input, MAX_READ_KEYWORDS, 2)?;
        for at in 0..names {
            if intern(&mut keywords, input.string()?)? as usize != at {
                return None;
            }
        }
        let mut sets = Vec::new();
        for _ in 0..count(&mut input, MAX_READ_KEYWORDS, 4)? {
            let members = count(&mut input, names, 4)?;
            let numbers = (0..members)
                .map(|_| input.u32().filter(|n| (*n as usize) < names))
                .collect::<Option<Vec<u32>>>()?;
            sets.push(keywords.set(numbers));
        }
        let mut odd = HashMap::new();
        for _ in 0..count(&mut input, usize::MAX, 6)? {
            let at = input.u32()? as usize;
            odd.insert(at, input.string()?.to_vec());
        }
        if !input.is_empty() {
            return None;
        }
        let (runs, expunged) = (Runs::of(runs)?, Expunged::of(expunged)?);
        Some(Tables { runs, expunged, keywords, sets, odd })
    }
}

/// Whether these are base names that files can have, at the places of messages (UID, offset, length).
pub(super) fn are_names(names: &[u8], places: &[(u32, usize, usize)]) -> bool {
    memchr::memchr2(b'/', 0, names).is_none()
        && places.iter().all(|(_, at, length)| {
            let end = at.saturating_add(*length);
            let base = names.get(*at..end).unwrap_or_default();
            let is_whole = names.get(end) == Some(&b'\n') && memchr::memchr(b'\n', base).is_none();
            is_whole && is_valid_base(base)
        })
}

/// Gives a message its whole file name; `None` if that is not one of this message.
pub(super) fn set_odd(messages: &mut Messages, i: usize, whole: &[u8], flags: Flags) -> Option<()> {
    let base = messages.base_name(i);
    let is_its = crate::maildir::names::base(whole) == base && Flags::of_file_name(whole) == flags;
    // What follows the base name may hold a LF: the UID file has the base name alone.
    if !is_its || !is_valid_base(whole) || memchr::memchr2(b'/', 0, whole).is_some() {
        return None;
    }
    let whole = whole.to_vec();
    messages.set_file_name(i, &whole);
    Some(())
}

/// Puts the name of a keyword into a table, as it goes out to clients; `None` if no keyword is
/// called so: a hostile state would have its own lines sent.
pub(super) fn intern(table: &mut KeywordTable, name: &[u8]) -> Option<u32> {
    is_valid_keyword(name).then(|| table.intern(name))?
}

/// Whether a file of a folder can have this base name. With another, a hostile state would lead an
/// EXPUNGE elsewhere. (What is in the middle of it is looked at for all names at once.)
pub(super) fn is_valid_base(base: &[u8]) -> bool {
    !base.is_empty() && !base.starts_with(b".") && base.len() <= 255
}

/// 36 bytes: UID (4), size, date, inode, place of the facts and youth (8 each).
pub(super) fn write_detail(out: &mut Vec<u8>, uid: u32, detail: &Detail) {
    out.u32(uid);
    out.u64(detail.size.unwrap_or(NO_SIZE));
    out.i64(detail.date);
    out.u64(detail.inode);
    let facts = detail.facts.filter(|at| *at < NO_FACTS).unwrap_or(NO_FACTS);
    out.u64(if detail.is_young { facts | YOUNG } else { facts });
}

/// Reads what [`write_detail`] has written.
pub(super) fn read_detail(input: &mut Input<'_>) -> Option<(u32, Detail)> {
    let (uid, size, date, inode) = (input.u32()?, input.u64()?, input.i64()?, input.u64()?);
    let place = input.u64()?;
    let facts = place & NO_FACTS;
    let detail = Detail {
        size: (size != NO_SIZE).then_some(size),
        date,
        inode,
        facts: (facts != NO_FACTS && facts != 0).then_some(facts),
        is_young: place & YOUNG != 0,
    };
    Some((uid, detail))
}

/// Reads the details section; `None` if it is damaged.
pub(super) fn details(bytes: &[u8]) -> Option<Vec<(u32, Detail)>> {
    let (records, rest) = bytes.as_chunks::<DETAILS>();
    let mut all = Vec::with_capacity(records.len());
    all.extend(records.iter().map_while(|r| read_detail(&mut Input::new(r))));
    let is_whole = rest.is_empty() && all.len() == records.len();
    (is_whole && all.is_sorted_by(|a, b| a.0 < b.0)).then_some(all)
}
