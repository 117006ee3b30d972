//! What SORT compares messages by.

use super::Key;
use crate::mime::casemap::Comparator;
use crate::mime::header::Field;
use crate::mime::{address, date, encoded_word, subject};
use crate::types::limits::MAX_COMPARED_FIELD;

/// The header field that a key needs.
pub(super) fn field(key: Key) -> Option<&'static [u8]> {
    match key {
        Key::Arrival | Key::Size => None,
        Key::Date => Some(b"date"),
        Key::Subject => Some(b"subject"),
        Key::From | Key::DisplayFrom => Some(b"from"),
        Key::To | Key::DisplayTo => Some(b"to"),
        Key::Cc => Some(b"cc"),
    }
}

/// What a message is compared by; texts in their form for comparison.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) arrival: i64,
    pub(super) sent: i64,
    pub(super) size: u64,
    pub(super) subject: Option<Vec<u8>>,
    pub(super) from: Option<Vec<u8>>,
    pub(super) to: Option<Vec<u8>>,
    pub(super) cc: Option<Vec<u8>>,
    pub(super) display_from: Vec<u8>,
    pub(super) display_to: Vec<u8>,
}

impl Values {
    /// The text of a key; empty where there is none.
    pub(super) fn text(&self, key: Key) -> &[u8] {
        let text = match key {
            Key::Cc => &self.cc,
            Key::From => &self.from,
            Key::To => &self.to,
            Key::Subject => &self.subject,
            Key::DisplayFrom => return &self.display_from,
            Key::DisplayTo => return &self.display_to,
            Key::Arrival | Key::Date | Key::Size => return &[],
        };
        text.as_deref().unwrap_or_default()
    }

    /// Takes the values of the header by which messages are compared, those of `wanted`; of a
    /// repeated field the first counts.
    pub(super) fn read<'f>(
        &mut self,
        fields: impl Iterator<Item = Field<'f>>,
        wanted: impl Fn(Key) -> bool,
        comparator: Comparator,
    ) {
        let mut dated = false;
        for field in fields {
            let is = |name: &[u8]| field.name.eq_ignore_ascii_case(name);
            let slot = if is(b"date") {
                // RFC 5256 2.2: in UTC; without a usable one the internal date (Courier: first).
                if !dated
                    && wanted(Key::Date)
                    && let Some(sent) = date::parse(field.value)
                {
                    self.sent = sent.unix();
                }
                dated = true;
                continue;
            } else if is(b"subject") {
                if self.subject.is_none() && wanted(Key::Subject) {
                    self.subject = Some(subject::base_subject(field.value).key(comparator));
                }
                continue;
            } else if is(b"from") {
                (&mut self.from, Key::From, Some((&mut self.display_from, Key::DisplayFrom)))
            } else if is(b"to") {
                (&mut self.to, Key::To, Some((&mut self.display_to, Key::DisplayTo)))
            } else if is(b"cc") {
                (&mut self.cc, Key::Cc, None)
            } else {
                continue;
            };
            let (slot, key, shown) = slot;
            let shown = shown.filter(|(_, key)| wanted(*key));
            if slot.is_none() && (wanted(key) || shown.is_some()) {
                let text = field.text(MAX_COMPARED_FIELD);
                *slot = Some(mailbox(&text, comparator));
                if let Some((shown, _)) = shown {
                    *shown = display(&text, comparator);
                }
            }
        }
    }
}

/// RFC 5256 3: "[IMAP] addr-mailbox of the first address", without regard to case (RFC 5256 7).
/// Courier: mailbox and host, as written.
fn mailbox(value: &[u8], comparator: Comparator) -> Vec<u8> {
    let first = address::first(value).and_then(|a| a.mailbox).unwrap_or_default();
    comparator.key(&String::from_utf8_lossy(&first))
}

/// RFC 5957 3: the name of the first address, decoded; without one the address itself.
fn display(value: &[u8], comparator: Comparator) -> Vec<u8> {
    let Some(first) = address::first(value) else { return Vec::new() };
    let name = first.name.unwrap_or_default();
    let name = encoded_word::decode(&name);
    if !name.is_empty() {
        return comparator.key(&name);
    }
    let mailbox = first.mailbox.unwrap_or_default();
    let address = match first.host.filter(|host| !host.is_empty()) {
        Some(host) => [&*mailbox, b"@", &*host].concat(),
        None => mailbox.into_owned(),
    };
    comparator.key(&String::from_utf8_lossy(&address))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mime::header;

    #[test]
    fn mailboxes() {
        for (value, text) in [
            ("Zoe <bob@x>", "BOB"),
            ("bob", "BOB"),
            ("<Bob@y>, a@b", "BOB"),
            ("A group: a@b;", "A GROUP"),
            ("José@x", "JOSÉ"),
            ("\"q p\"@x", "\"Q P\""),
            ("", ""),
            (" , ", ""),
        ] {
            assert_eq!(mailbox(value.as_bytes(), Comparator::Simple), text.as_bytes(), "{value}");
        }
    }

    #[test]
    fn names() {
        for (value, text) in [
            ("Zoe <bob@x>", "ZOE"),
            ("=?utf-8?q?J=C3=B6rg?= <bob@x>", "J\u{d6}RG"),
            ("bob@Example.org (Zoe)", "ZOE"),
            ("\"\" <bob@x>", "BOB@X"),
            ("bob@x, Zoe <z@x>", "BOB@X"),
            ("bob", "BOB"),
            ("A group: a@b;", "A GROUP"),
            ("", ""),
        ] {
            assert_eq!(display(value.as_bytes(), Comparator::Simple), text.as_bytes(), "{value}");
        }
    }

    #[test]
    fn headers() {
        let mut v = Values { sent: 5, ..Values::default() };
        v.read(header::fields(b"Subject: Re: [l] a\n b\nSubject: c\nFROM: a@x\nTo:\nTo: b@x\nDate: 1 Jan 1970 00:00:07 +0000\nDate: 1 Jan 1970 00:00:08 +0000\n"), |_| true, Comparator::Simple);
        assert_eq!((v.subject.as_deref(), v.from.as_deref()), (Some(&b"A B"[..]), Some(&b"A"[..])));
        assert_eq!((v.to.as_deref(), v.cc, v.sent), (Some(&b""[..]), None, 7));
        let mut v = Values { sent: 5, ..Values::default() };
        v.read(
            header::fields(b"Date: never\nDate: 1 Jan 1970 00:00:08 +0000\n"),
            |_| true,
            Comparator::Simple,
        );
        assert_eq!(v.sent, 5);
    }
}
