//! FETCH: a message's data items (RFC 3501 7.4.2, PROTOCOL 5.4).

use super::{Encoder, Untagged};
use crate::mime::charset;
use crate::types::{Flags, KeywordTable, ModSeq, Seq, SetId, Uid};
use crate::wire::write;

/// The flags of one message.
#[derive(Clone, Copy)]
pub(crate) struct MessageFlags<'a> {
    /// System flags.
    pub(crate) flags: Flags,
    /// \Recent.
    pub(crate) recent: bool,
    /// The message's keywords.
    pub(crate) set: SetId,
    /// The folder's keywords.
    pub(crate) table: &'a KeywordTable,
}

impl MessageFlags<'_> {
    /// `"(" [flag *(SP flag)] ")"`: system flags in Courier's order, \Recent, keywords.
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("(");
        let mut words = 0;
        let mut word = |e: &mut Encoder<'_>, word: &[u8]| {
            if words > 0 {
                e.space();
            }
            words += 1;
            e.raw(word);
        };
        for name in self.flags.names() {
            word(e, name.as_bytes());
        }
        if self.recent {
            word(e, b"\\Recent");
        }
        if !self.set.is_empty() {
            for name in self.table.names_of(self.set) {
                word(e, name);
            }
        }
        e.raw(")");
    }
}

/// The name of a section in the response, which is the same for every message: `BODY[1.MIME]<0>`.
/// `item` is what stands before the bracket, `spec` the section's in upper case, `start` the first
/// byte of a slice; `utf8`: the client takes 8-bit text. Courier: the names of header fields as the client wrote them, each quoted;
/// nothing for an empty list.
pub(crate) fn section_label(
    item: &str,
    spec: &[u8],
    names: &[Vec<u8>],
    start: Option<u64>,
    utf8: bool,
) -> Vec<u8> {
    let mut label = [item.as_bytes(), b"[", spec].concat();
    for (i, name) in names.iter().enumerate() {
        label.extend_from_slice(if i == 0 { b" (" } else { b" " });
        match utf8 {
            true => write::string(&mut label, charset::guess(name).as_bytes()),
            false => write::string_7bit(&mut label, name),
        }
    }
    if !names.is_empty() {
        label.push(b')');
    }
    label.push(b']');
    if let Some(start) = start {
        label.push(b'<');
        write::number(&mut label, start);
        label.push(b'>');
    }
    label
}

/// A data item whose value is at hand. Those that may be long are written by [`super::envelope`] and
/// [`super::bodystructure`].
pub(crate) enum Item<'a> {
    /// `FLAGS`
    Flags(MessageFlags<'a>),
    /// `UID`
    Uid(Uid),
    /// `MODSEQ` (RFC 7162 3.1.4.2)
    ModSeq(ModSeq),
    /// `INTERNALDATE`, in the form of RFC 3501 9, `date-time`.
    InternalDate(&'a str),
    /// `SAVEDATE` (RFC 8514 4.2), in the same form; `None` where it is not known.
    SaveDate(Option<&'a str>),
    /// `RFC822.SIZE`, in bytes on the wire.
    Size(u64),
    /// A section by the name that the client gave it, and the head of its literal. So many bytes
    /// must follow.
    Section {
        /// `BODY[1.MIME]<0>`, `RFC822`
        label: &'a [u8],
        /// Bytes on the wire.
        length: u64,
    },
    /// `BINARY` (RFC 3516 4.3), by its whole name, and the head of its literal. So many bytes must
    /// follow.
    Binary {
        /// `BINARY[1]<0>`
        label: &'a [u8],
        /// The length of the literal, and whether it is one for NULs. `None`: there is no such
        /// part.
        literal: Option<(u64, bool)>,
    },
    /// `BINARY.SIZE`, by its whole name.
    BinarySize {
        /// `BINARY.SIZE[1]`
        label: &'a [u8],
        /// Bytes of the content.
        size: u64,
    },
}

impl Item<'_> {
    /// Writes its name and its value.
    pub(crate) fn write(&self, e: &mut Encoder<'_>) {
        match self {
            Item::Flags(flags) => {
                e.raw("FLAGS ");
                flags.write(e);
            }
            Item::Uid(uid) => {
                e.raw("UID ").number(uid.get());
            }
            Item::ModSeq(sequence) => {
                e.raw("MODSEQ (").number(sequence.get()).raw(")");
            }
            Item::InternalDate(date) => {
                e.raw("INTERNALDATE \"").raw(date).raw("\"");
            }
            Item::SaveDate(None) => {
                e.raw("SAVEDATE NIL");
            }
            Item::SaveDate(Some(date)) => {
                e.raw("SAVEDATE \"").raw(date).raw("\"");
            }
            Item::Size(size) => {
                e.raw("RFC822.SIZE ").number(*size);
            }
            Item::Section { label, length } => {
                e.raw(label).space().literal_head(*length);
            }
            Item::Binary { label, literal } => {
                e.raw(label).space();
                match *literal {
                    Some((length, true)) => e.literal8_head(length),
                    Some((length, false)) => e.literal_head(length),
                    None => e.raw("NIL"),
                };
            }
            Item::BinarySize { label, size } => {
                e.raw(label).space().number(*size);
            }
        }
    }
}

/// What begins a FETCH response, up to its first data item.
pub(crate) fn begin(e: &mut Encoder<'_>, number: Seq) {
    e.raw("* ").number(number.get()).raw(" FETCH (");
}

/// What ends one.
pub(crate) fn end(e: &mut Encoder<'_>) {
    e.raw(")\r\n");
}

/// A FETCH response that nobody asked for: a message's flags are others now.
pub(crate) struct FlagsChanged<'a> {
    /// The message.
    pub(crate) number: Seq,
    /// Its UID, where the command was a UID command (RFC 3501 6.4.8).
    pub(crate) uid: Option<Uid>,
    /// Its flags; `None` if the client knows them.
    pub(crate) flags: Option<MessageFlags<'a>>,
    /// Its modification sequence, where CONDSTORE is enabled (RFC 7162 3.2.4).
    pub(crate) sequence: Option<ModSeq>,
}

impl Untagged for FlagsChanged<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.number(self.number.get()).raw(" FETCH (");
        let uid = self.uid.map(Item::Uid);
        let items = [uid, self.flags.map(Item::Flags), self.sequence.map(Item::ModSeq)];
        e.spaced(items.into_iter().flatten(), |e, item| item.write(e)).raw(")");
    }
}
