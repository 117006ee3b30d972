//! The fields of ENVELOPE, from a header block as stored.
//!
//! Values are unfolded and trimmed, but not decoded: encoded words and 8-bit bytes stay.

use super::address::{self, Address};
use super::header::{fields, unfold};
use crate::types::limits::MAX_ENVELOPE_FIELD;
use std::borrow::Cow;

/// RFC 3501 7.4.2, ENVELOPE: the values; address lists are parsed when asked for. None and empty
/// lists are NIL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Envelope<'a> {
    /// In the order of [`NAMES`], as is `cut`.
    values: [Cow<'a, [u8]>; NAMES.len()],
    /// Whether the value was longer than [`MAX_ENVELOPE_FIELD`].
    cut: [bool; NAMES.len()],
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

    /// The addresses of a field's own value. (That From replaces an empty Sender or Reply-To is
    /// left to the caller.)
    pub(crate) fn addresses(&self, which: AddressField) -> Vec<Address<'_>> {
        let value = self.values.get(which as usize).map(|v| &**v).unwrap_or_default();
        addresses(value, self.cut.get(which as usize).copied().unwrap_or(false))
    }
}

/// The fields of an envelope, in its order, in lower case.
const NAMES: [&[u8]; 10] = [
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

/// The envelope of the message whose header is `block` (with or without the final empty line).
pub(crate) fn envelope(block: &[u8]) -> Envelope<'_> {
    let mut found = Envelope::default();
    for field in fields(block) {
        let Some(slot) = NAMES.iter().position(|n| n.eq_ignore_ascii_case(field.name)) else {
            continue;
        };
        let (Some(value), Some(cut)) = (found.values.get_mut(slot), found.cut.get_mut(slot)) else {
            continue;
        };
        let text = unfold(field.value);
        if text.is_empty() || *cut {
            continue;
        }
        // Courier: the values of a repeated field, joined with a comma (the newest release's form).
        if value.is_empty() {
            *value = text;
        } else {
            let value = value.to_mut();
            value.push(b',');
            value.extend_from_slice(&text);
        }
        if value.len() > MAX_ENVELOPE_FIELD {
            match value {
                Cow::Borrowed(text) => *text = text.get(..MAX_ENVELOPE_FIELD).unwrap_or(text),
                Cow::Owned(text) => text.truncate(MAX_ENVELOPE_FIELD),
            }
            *cut = true;
        }
    }
    found
}

/// The addresses of a value. If it was cut, its last address is left out: half a host name would be
/// another host's.
fn addresses(value: &[u8], cut: bool) -> Vec<Address<'_>> {
    let mut list = address::parse(value);
    if cut {
        let grouped = list.last().is_some_and(Address::is_group_end);
        let at = list.len().saturating_sub(if grouped { 2 } else { 1 });
        if list.get(at).is_some_and(Address::is_mailbox) {
            list.remove(at);
        }
    }
    list
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn who(e: &Envelope<'_>, list: AddressField) -> Vec<String> {
        let text = |part: &Option<Cow<'_, [u8]>>| {
            String::from_utf8_lossy(part.as_ref().unwrap()).into_owned()
        };
        e.addresses(list).iter().map(|a| text(&a.mailbox) + "@" + &text(&a.host)).collect()
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
        assert_eq!(e.text(TextField::Subject), Some(&b"a\t\tb,c"[..]));
        assert_eq!(e.text(TextField::MessageId), Some(&b"<x>"[..]));
        assert_eq!(
            (
                e.text(TextField::InReplyTo),
                e.text(TextField::Date),
                e.addresses(AddressField::To).len()
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
    fn fields_are_cut() {
        let list: Vec<String> = (0..600).map(|n| format!("user{n}@example.com")).collect();
        let block = format!("To: {}\nSubject: {}\n\n", list.join(","), "x".repeat(9000));
        let e = envelope(block.as_bytes());
        assert_eq!(e.text(TextField::Subject).unwrap().len(), MAX_ENVELOPE_FIELD);
        let to = who(&e, AddressField::To);
        assert_eq!(to, list[..to.len()]);
        assert!(to.len() > 400);
    }
}
