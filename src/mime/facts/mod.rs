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
use super::header::{self, NAME_COMPARED};
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
        let mut cursor = Cursor::new(payload);
        if cursor.byte()? != FORMAT {
            return None;
        }
        let bits = cursor.byte()?;
        let names = cursor.length()?;
        let left_out = cursor.take(names.checked_mul(2)?)?;
        let count = cursor.number()?;
        let length = cursor.length()?;
        let places = (count, cursor.take(length)?);
        let length = cursor.length()?;
        let fields = cursor.take(length)?;
        let structure = (bits & HAS_STRUCTURE != 0).then(|| cursor.rest());
        Some(Facts { left_out, places, fields, structure })
    }

    /// All fields that are remembered, as a header.
    #[cfg(test)]
    pub(crate) fn header(&self) -> &'a [u8] {
        self.fields
    }

    /// The remembered fields of these names, each as stored, and in the end what is behind the
    /// fields. There may be others besides.
    fn chosen(&self, names: &Names) -> impl Iterator<Item = &'a [u8]> {
        let (count, places) = self.places;
        let (mut cursor, mut rest, mut left) = (Cursor::new(places), Some(self.fields), count);
        std::iter::from_fn(move || {
            while left > 0 {
                left -= 1;
                let Some((digest, length)) = cursor.digest().zip(cursor.number()) else { break };
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                let Some((field, behind)) = rest?.split_at_checked(length) else { break };
                rest = Some(behind);
                if names.0.contains(&digest) {
                    return Some(field);
                }
            }
            left = 0;
            rest.take()
        })
    }

    /// Puts the remembered fields of these names into `out`, in the place of what is there, as a
    /// header: with the empty line, if there is one. Where all of them are remembered
    /// ([`Facts::have`]), they are as in the whole header. There may be others besides.
    pub(crate) fn header_of(&self, names: &Names, out: &mut Vec<u8>) {
        out.clear();
        self.chosen(names).for_each(|field| out.extend_from_slice(field));
    }

    /// The envelope, if its fields are remembered: they are those of `names`
    /// ([`Names::of_envelope`]).
    pub(crate) fn envelope(&self, names: &Names) -> Option<Envelope<'a>> {
        let fields = || self.chosen(names).map(header::split_field);
        self.have(names).then(|| envelope::of_fields(fields()))
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
