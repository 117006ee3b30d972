//! The fields of ENVELOPE, from a header block as stored.
//!
//! Values are unfolded and trimmed, but not decoded: encoded words and 8-bit bytes stay.

use super::address::{self, Addresses};
use super::header::{Field, fields, unfold};
use std::borrow::Cow;

/// RFC 3501 7.4.2, ENVELOPE: the values; address lists are parsed when asked for. None and empty
/// lists are NIL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Envelope<'a> {
    /// In the order of [`NAMES`].
    values: [Cow<'a, [u8]>; NAMES.len()],
}

/// The fields of an envelope that are text; the numbers are indexes in [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextField {
    Date = 0,
    Subject = 1,
    InReplyTo = 8,
    MessageId = 9,
}

/// The fields of an envelope that are address lists; the numbers are indexes in [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressField {
    From = 2,
    Sender = 3,
    ReplyTo = 4,
    To = 5,
    Cc = 6,
    Bcc = 7,
}

impl Envelope<'_> {
    /// A text, as written; None if it is empty.
    pub(crate) fn text(&self, which: TextField) -> Option<&[u8]> {
        self.values.get(which as usize).map(|v| &**v).filter(|v| !v.is_empty())
    }

    /// The addresses of a field's own value, one after the other: there may be a million of them.
    /// (That From replaces an empty Sender or Reply-To is left to the caller.)
    pub(crate) fn addresses(&self, which: AddressField) -> Addresses<'_> {
        address::each(self.value(which))
    }

    /// The value of an address field, as written; empty where there is none.
    pub(crate) fn value(&self, which: AddressField) -> &[u8] {
        self.values.get(which as usize).map(|v| &**v).unwrap_or_default()
    }
}

/// The fields of an envelope, in its order, in lower case.
pub(super) const NAMES: [&[u8]; 10] = [
    b"date",
    b"subject",
    b"from",
    b"sender",
    b"reply-to",
    b"to",
    b"cc",
    b"bcc",
    b"in-reply-to",
    b"message-id",
];

/// Whether an envelope needs the fields of this name.
pub(super) fn has_field(name: &[u8]) -> bool {
    NAMES.iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// The envelope of the message whose header is `block` (with or without the final empty line).
pub(crate) fn envelope(block: &[u8]) -> Envelope<'_> {
    of_fields(fields(block))
}

/// The same, of the fields of a header in their order.
pub(super) fn of_fields<'a>(fields: impl Iterator<Item = Field<'a>>) -> Envelope<'a> {
    let mut found = Envelope::default();
    for field in fields {
        let Some(slot) = NAMES.iter().position(|n| n.eq_ignore_ascii_case(field.name)) else {
            continue;
        };
        let Some(value) = found.values.get_mut(slot) else { continue };
        let text = unfold(field.value);
        // Courier: the values of a repeated field are joined.
        if value.is_empty() {
            *value = text;
        } else if !text.is_empty() {
            let value = value.to_mut();
            value.extend_from_slice(b", ");
            value.extend_from_slice(&text);
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn who(e: &Envelope<'_>, list: AddressField) -> Vec<String> {
        let text = |part: &Option<Cow<'_, [u8]>>| {
            String::from_utf8_lossy(part.as_ref().unwrap()).into_owned()
        };
        e.addresses(list).map(|a| text(&a.mailbox) + "@" + &text(&a.host)).collect()
    }

    #[test]
    fn defaults_and_repetitions() {
        let e = envelope(
            b"From: a@b\nFROM: c@d\nSender: \n\t\nSubject:  a\n\t\tb \nSubject: \n\
         subject: c\nMessage-ID: <x>\nIn-Reply-To:\n\nTo: body\n",
        );
        assert_eq!(who(&e, AddressField::From), ["a@b", "c@d"]);
        assert_eq!(
            (who(&e, AddressField::Sender).len(), who(&e, AddressField::ReplyTo).len()),
            (0, 0)
        );
        assert_eq!(e.text(TextField::Subject), Some(&b"a\t\tb, c"[..]));
        assert_eq!(e.text(TextField::MessageId), Some(&b"<x>"[..]));
        assert_eq!(
            (
                e.text(TextField::InReplyTo),
                e.text(TextField::Date),
                e.addresses(AddressField::To).count()
            ),
            (None, None, 0)
        );
        let e = envelope(b"From: a@b\nReply-To: r@x\nSender: s@x\n");
        assert_eq!(
            (who(&e, AddressField::Sender), who(&e, AddressField::ReplyTo)),
            (vec!["s@x".to_string()], vec!["r@x".to_string()])
        );
    }

    #[test]
    fn fields_are_whole() {
        let list: Vec<String> = (0..10_000).map(|n| format!("user{n}@example.com")).collect();
        let block = format!("To: {}\nSubject: {}\n\n", list.join(",\n "), "x".repeat(90_000));
        let e = envelope(block.as_bytes());
        assert_eq!(e.text(TextField::Subject).unwrap().len(), 90_000);
        assert_eq!(who(&e, AddressField::To), list);
    }
}
