//! The fields of ENVELOPE, from a header block as stored.
//!
//! Values come raw: unfolded and trimmed, encoded words untouched, 8-bit octets as they are. How they are written for a
//! client is the business of FETCH.

use super::address::{self, Address};
use super::header::{fields, unfold};

/// Of each field, all its repetitions together, this many octets count (PROTOCOL 5.5).
pub const MAX_FIELD: usize = 8192;

/// RFC 3501 7.4.2, ENVELOPE. None and empty lists are NIL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Date, as written.
    pub date: Option<Vec<u8>>,
    /// Subject, as written.
    pub subject: Option<Vec<u8>>,
    /// From.
    pub from: Vec<Address>,
    /// Sender; From where it is missing or empty.
    pub sender: Vec<Address>,
    /// Reply-To; From where it is missing or empty.
    pub reply_to: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// Bcc.
    pub bcc: Vec<Address>,
    /// In-Reply-To, as written.
    pub in_reply_to: Option<Vec<u8>>,
    /// Message-ID, as written.
    pub message_id: Option<Vec<u8>>,
}

const NAMES: [&[u8]; 10] =
    [b"date", b"subject", b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"in-reply-to", b"message-id"];

/// The names of the fields that an envelope is made of, in its order, in lower case.
pub fn field_names() -> &'static [&'static [u8]] {
    &NAMES
}

/// The envelope of the message whose header is `block` (with or without the final empty line).
pub fn envelope(block: &[u8]) -> Envelope {
    let mut values: [Vec<u8>; NAMES.len()] = Default::default();
    let mut cut = [false; NAMES.len()];
    for field in fields(block) {
        let Some(slot) = NAMES.iter().position(|n| n.eq_ignore_ascii_case(field.name)) else {
            continue;
        };
        let (Some(value), Some(cut)) = (values.get_mut(slot), cut.get_mut(slot)) else {
            continue;
        };
        let text = unfold(field.value);
        if text.is_empty() || *cut {
            continue;
        }
        // Courier: the values of a repeated field, joined with a comma (the newest release's form).
        if !value.is_empty() {
            value.push(b',');
        }
        value.extend_from_slice(&text);
        if value.len() > MAX_FIELD {
            value.truncate(MAX_FIELD);
            *cut = true;
        }
    }
    let [date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id] = values;
    let [_, _, from_cut, sender_cut, reply_cut, to_cut, cc_cut, bcc_cut, _, _] = cut;
    let text = |v: Vec<u8>| (!v.is_empty()).then_some(v);
    let from = addresses(&from, from_cut);
    // RFC 3501 7.4.2: "If the Sender or Reply-To lines are absent in the [RFC-2822] header, or are present but
    // empty, the server sets the corresponding member of the envelope to be the same value as the from member".
    let or_from = |list: Vec<Address>| if list.is_empty() { from.clone() } else { list };
    Envelope {
        date: text(date),
        subject: text(subject),
        sender: or_from(addresses(&sender, sender_cut)),
        reply_to: or_from(addresses(&reply_to, reply_cut)),
        to: addresses(&to, to_cut),
        cc: addresses(&cc, cc_cut),
        bcc: addresses(&bcc, bcc_cut),
        in_reply_to: text(in_reply_to),
        message_id: text(message_id),
        from,
    }
}

/// The addresses of a value. Of a value that was cut, the address that the cut went through is left out: half a host
/// name would be somebody else's.
fn addresses(value: &[u8], cut: bool) -> Vec<Address> {
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

    fn who(list: &[Address]) -> Vec<String> {
        list.iter().map(|a| String::from_utf8(a.addr_spec()).unwrap()).collect()
    }

    #[test]
    fn defaults_and_repetitions() {
        let e = envelope(b"From: a@b\nFROM: c@d\nSender: \n\t\nSubject:  a\n\t\tb \nSubject: \nsubject: c\nMessage-ID: <x>\nIn-Reply-To:\n\nTo: body\n");
        assert_eq!(who(&e.from), ["a@b", "c@d"]);
        assert_eq!((who(&e.sender), who(&e.reply_to)), (who(&e.from), who(&e.from)));
        assert_eq!(e.subject.as_deref(), Some(&b"a\t\tb,c"[..]));
        assert_eq!(e.message_id.as_deref(), Some(&b"<x>"[..]));
        assert_eq!((e.in_reply_to, e.date, e.to.len()), (None, None, 0));
        let e = envelope(b"From: a@b\nReply-To: r@x\nSender: s@x\n");
        assert_eq!((who(&e.sender), who(&e.reply_to)), (vec!["s@x".to_string()], vec!["r@x".to_string()]));
    }

    #[test]
    fn fields_are_cut() {
        let list: Vec<String> = (0..600).map(|n| format!("user{n}@example.com")).collect();
        let e = envelope(format!("To: {}\nSubject: {}\n\n", list.join(","), "x".repeat(9000)).as_bytes());
        assert_eq!(e.subject.unwrap().len(), MAX_FIELD);
        assert_eq!(who(&e.to), list[..e.to.len()]);
        assert!(e.to.len() > 400);
    }
}
