//! What is remembered of a message, so that its file need not be opened: the header fields that
//! clients ask for, and the tree of parts. A compact form, made to be read in part: the fields come
//! first, as they are stored, and are looked at in place.
//!
//! ```text
//! payload   = format bits names places fields [structure]
//! format    = %x04
//! bits      = 1 byte; 1: there is a structure
//! names     = number count, then count times two bytes, little-endian: what stands for the name of
//!             each field of the header that is not among the fields, ascending
//! places    = number count, number length, then so many bytes: for each of the fields what stands
//!             for its name (two bytes), and its length (number)
//! fields    = number length, then so many bytes: whole fields of the header as stored, in their
//!             order, and the empty line if there is one
//! structure = see structure.rs
//! number    = little-endian in groups of seven bits, the high bit set in all bytes but the last
//! ```
//!
//! Whether a question can be answered is decided by `names`, not by a list that has to be the same
//! in the program that wrote it and the one that reads it: a field counts as left out if its name, or
//! another name for which the same two bytes stand, is among them.

mod bytes;
mod common;
mod outline;
mod structure;
#[cfg(test)]
mod tests;

pub(crate) use bytes::Text;
pub(crate) use outline::{Outline, Outlined, Params, Visitor, Written};
pub(crate) use structure::enclosed;

use super::envelope::{self, Envelope};
use super::header::{self, Field, NAME_COMPARED};
use super::structure::Structure;
use bytes::{Cursor, push_number};

const FORMAT: u8 = 4;
const HAS_STRUCTURE: u8 = 1;

/// A field that is longer is left out, as if nobody asked for it.
const MAX_FIELD: usize = 2 * 1024;
/// All fields together take no more bytes.
const MAX_FIELDS: usize = 8 * 1024;
/// A header that is longer is not remembered.
const MAX_BLOCK: usize = 64 * 1024;
/// A header with more names is not remembered.
const MAX_NAMES: usize = 250;
/// A structure that takes more bytes is not remembered.
const MAX_STRUCTURE: usize = 8 * 1024;

/// The fields that are remembered: those of ENVELOPE, SORT and THREAD, and what Thunderbird, Apple
/// Mail, Outlook, K-9, mutt, alpine, Evolution, Gnus, Geary and Roundcube ask for of each message.
/// (Not Received, DKIM-Signature, Authentication-Results: long, and asked for by few.)
const REMEMBERED: [&[u8]; 57] = [
    b"date",
    b"subject",
    b"from",
    b"sender",
    b"reply-to",
    b"to",
    b"cc",
    b"bcc",
    b"message-id",
    b"in-reply-to",
    b"references",
    b"newsgroups",
    b"followup-to",
    b"mail-followup-to",
    b"mail-reply-to",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"content-description",
    b"content-disposition",
    b"content-language",
    b"content-location",
    b"content-class",
    b"content-md5",
    b"priority",
    b"importance",
    b"x-priority",
    b"x-msmail-priority",
    b"list-id",
    b"list-post",
    b"list-subscribe",
    b"list-unsubscribe",
    b"list-archive",
    b"mailing-list",
    b"x-mailing-list",
    b"x-list",
    b"x-loop",
    b"x-beenthere",
    b"originator",
    b"return-path",
    b"delivered-to",
    b"x-original-to",
    b"disposition-notification-to",
    b"auto-submitted",
    b"x-spam-flag",
    b"x-spam-status",
    b"x-spam-level",
    b"x-label",
    b"x-ref",
    b"xref",
    b"lines",
    b"x-k9mail-identity",
    b"x-uniform-type-identifier",
    b"x-universally-unique-identifier",
    b"x-calendar-attachment",
    b"x-tuid",
    b"x-mozilla-draft-info",
];

/// What stands for a name of a header field.
const fn digest(name: &[u8]) -> u16 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut at = 0;
    while at < name.len() && at < NAME_COMPARED {
        #[allow(clippy::indexing_slicing)]
        let byte = name[at].to_ascii_lowercase();
        hash = (hash ^ byte as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash ^ (hash >> 16)) as u16
}

/// What stands for the names of [`REMEMBERED`], one bit for each value.
static IS_REMEMBERED: [u64; 1024] = {
    let mut bits = [0; 1024];
    let mut at = 0;
    while at < REMEMBERED.len() {
        #[allow(clippy::indexing_slicing)]
        let digest = digest(REMEMBERED[at]) as usize;
        #[allow(clippy::indexing_slicing)]
        {
            bits[digest / 64] |= 1 << (digest % 64);
        }
        at += 1;
    }
    bits
};

fn is_remembered(digest: u16) -> bool {
    let word = IS_REMEMBERED.get(usize::from(digest / 64)).copied().unwrap_or_default();
    word >> (digest % 64) & 1 == 1
}

/// Names of header fields that somebody asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Names(Vec<u16>);

impl Names {
    /// These.
    pub(crate) fn of<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> Names {
        let mut digests: Vec<u16> = names.into_iter().map(digest).collect();
        digests.sort_unstable();
        digests.dedup();
        Names(digests)
    }

    /// Those of ENVELOPE.
    pub(crate) fn of_envelope() -> Names {
        Names::of(envelope::NAMES)
    }

    #[inline]
    fn have(&self, digest: u16) -> bool {
        match self.0.as_slice() {
            [only] => *only == digest,
            names => names.contains(&digest),
        }
    }

    /// Adds others.
    pub(crate) fn extend(&mut self, others: Names) {
        self.0.extend(others.0);
        self.0.sort_unstable();
        self.0.dedup();
    }
}

/// Makes a payload of a message's header and its structure, as far as that is known, with the
/// headers of the messages in it ([`enclosed`]). `None`: it would be too large.
pub(crate) fn encode(block: &[u8], known: Option<(&Structure, &[Vec<u8>])>) -> Option<Vec<u8>> {
    if block.len() > MAX_BLOCK {
        return None;
    }
    let (mut fields, mut left_out) = (Vec::with_capacity(1024), Vec::new());
    let (mut length, mut count, mut places) = (0, 0, Vec::with_capacity(64));
    for field in header::fields(block) {
        length += field.raw.len();
        if field.name.is_empty() {
            continue;
        }
        let digest = digest(field.name);
        let is_short = field.raw.len() <= MAX_FIELD && field.raw.len() + fields.len() <= MAX_FIELDS;
        if is_short && is_remembered(digest) {
            fields.extend_from_slice(field.raw);
            count += 1;
            places.extend_from_slice(&digest.to_le_bytes());
            push_number(&mut places, field.raw.len() as u64);
        } else {
            left_out.push(digest);
        }
    }
    fields.extend_from_slice(block.get(length..).unwrap_or_default());
    left_out.sort_unstable();
    left_out.dedup();
    if left_out.len() > MAX_NAMES {
        return None;
    }
    let mut payload = Vec::with_capacity(fields.len() + 2 * left_out.len() + 128);
    payload.extend_from_slice(&[FORMAT, 0]);
    push_number(&mut payload, left_out.len() as u64);
    for digest in left_out {
        payload.extend_from_slice(&digest.to_le_bytes());
    }
    push_number(&mut payload, count);
    push_number(&mut payload, places.len() as u64);
    payload.extend_from_slice(&places);
    push_number(&mut payload, fields.len() as u64);
    payload.extend_from_slice(&fields);
    if let Some((known, headers)) = known {
        let before = payload.len();
        structure::push(&mut payload, known, headers);
        if payload.len() - before > MAX_STRUCTURE {
            payload.truncate(before);
        } else if let Some(bits) = payload.get_mut(1) {
            *bits |= HAS_STRUCTURE;
        }
    }
    Some(payload)
}

/// Where in a payload what is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    left_out: Place,
    /// How many fields, and their places.
    count: u64,
    places: Place,
    fields: Place,
    structure: Option<Place>,
}

/// From where to where, in bytes.
type Place = (usize, usize);

impl Layout {
    /// Reads a payload; `None` if it is not one.
    pub(crate) fn of(payload: &[u8]) -> Option<Layout> {
        let whole = payload.len();
        let mut cursor = Cursor::new(payload);
        if cursor.byte()? != FORMAT {
            return None;
        }
        let bits = cursor.byte()?;
        let take = |cursor: &mut Cursor<'_>, length| {
            let start = whole - cursor.rest().len();
            cursor.take(length).map(|taken| (start, start + taken.len()))
        };
        let names = cursor.length()?;
        let left_out = take(&mut cursor, names.checked_mul(2)?)?;
        let count = cursor.number()?;
        let length = cursor.length()?;
        let places = take(&mut cursor, length)?;
        let length = cursor.length()?;
        let fields = take(&mut cursor, length)?;
        let structure = (bits & HAS_STRUCTURE != 0).then_some((fields.1, whole));
        Some(Layout { left_out, count, places, fields, structure })
    }
}

/// A payload that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    left_out: &'a [u8],
    /// How many fields, and their places.
    places: (u64, &'a [u8]),
    fields: &'a [u8],
    structure: Option<&'a [u8]>,
}

impl<'a> Facts<'a> {
    /// Reads a payload; `None` if it is not one.
    pub(crate) fn read(payload: &'a [u8]) -> Option<Facts<'a>> {
        Facts::at(payload, Layout::of(payload)?)
    }

    /// A payload of which the layout is known; `None` if it is that of another one.
    #[inline]
    pub(crate) fn at(payload: &'a [u8], layout: Layout) -> Option<Facts<'a>> {
        let part = |(start, end): Place| payload.get(start..end);
        Some(Facts {
            left_out: part(layout.left_out)?,
            places: (layout.count, part(layout.places)?),
            fields: part(layout.fields)?,
            structure: layout.structure.and_then(part),
        })
    }

    /// All fields that are remembered, as a header.
    #[cfg(test)]
    pub(crate) fn header(&self) -> &'a [u8] {
        self.fields
    }

    /// Puts the remembered fields of these names into `out`, in the place of what is there, as a
    /// header: with the empty line, if there is one. Where all of them are remembered
    /// ([`Facts::have`]), they are as in the whole header. There may be others besides.
    pub(crate) fn header_of(&self, names: &Names, out: &mut Vec<u8>) {
        out.clear();
        let mut fields = self.raw_of(names);
        fields.by_ref().for_each(|field| out.extend_from_slice(field));
        out.extend_from_slice(fields.rest);
    }

    /// The remembered fields of these names, as stored.
    #[inline]
    fn raw_of<'n>(&self, names: &'n Names) -> Raw<'a, 'n> {
        let (count, places) = self.places;
        Raw { names, count, places: Cursor::new(places), rest: self.fields }
    }

    /// The remembered fields of these names, in their order. There may be others besides.
    #[inline]
    pub(crate) fn fields_of<'n>(&self, names: &'n Names) -> Chosen<'a, 'n> {
        Chosen::Remembered(self.raw_of(names))
    }

    /// The envelope, if its fields are remembered: they are those of `names`
    /// ([`Names::of_envelope`]).
    pub(crate) fn envelope(&self, names: &Names) -> Option<Envelope<'a>> {
        self.have(names).then(|| envelope::of_fields(self.fields_of(names)))
    }

    /// Whether all fields of these names are among those that are remembered.
    pub(crate) fn have(&self, names: &Names) -> bool {
        let mut asked = names.0.iter().copied().peekable();
        for pair in self.left_out.chunks_exact(2) {
            let digest = pair.try_into().map(u16::from_le_bytes).unwrap_or_default();
            while asked.next_if(|asked| *asked < digest).is_some() {}
            match asked.peek() {
                None => return true,
                Some(asked) if *asked == digest => return false,
                _ => {}
            }
        }
        true
    }

    /// The structure, if there is one.
    pub(crate) fn outline(&self) -> Option<Outline<'a>> {
        self.structure.map(Outline)
    }
}

/// Remembered fields of some names, as stored.
#[derive(Debug)]
pub(crate) struct Raw<'a, 'n> {
    names: &'n Names,
    /// So many places are left.
    count: u64,
    places: Cursor<'a>,
    /// The fields that are left, and what is behind the last.
    rest: &'a [u8],
}

impl<'a> Iterator for Raw<'a, '_> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        while let Some(count) = self.count.checked_sub(1) {
            self.count = count;
            let (digest, length) = self.places.place()?;
            let (field, behind) = self.rest.split_at_checked(length)?;
            self.rest = behind;
            if self.names.have(digest) {
                return Some(field);
            }
        }
        None
    }
}

/// Fields of a header that somebody has asked for, with others besides.
#[derive(Debug)]
pub(crate) enum Chosen<'a, 'n> {
    /// Of those that are remembered.
    Remembered(Raw<'a, 'n>),
    /// All of them, as stored.
    Stored(header::Fields<'a>),
}

impl<'a> Iterator for Chosen<'a, '_> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        match self {
            Chosen::Remembered(raw) => raw.next().map(header::split_field),
            Chosen::Stored(fields) => fields.next(),
        }
    }
}
