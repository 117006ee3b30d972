//! THREAD (RFC 5256 3, draft-ietf-morg-inthread-01 4, PROTOCOL 6.9).

use super::forest::{Subjects, ordered_subject};
use super::mail::{Folder as _, Mail};
use super::references::{Message, References};
use super::{Criteria, Ends, Live, check_charset, criteria, find, option_word, send_renamed};
use crate::commands::{Call, capability};
use crate::mime::casemap::Comparator;
use crate::mime::facts::Names;
use crate::mime::header::Field;
use crate::mime::{date, msgid, subject};
use crate::response::search::Threads;
use crate::session::message::Wants;
use crate::session::{Error, Outcome, Result, Selected, Session};
use crate::types::limits::MAX_COMPARED_FIELD;

/// `thread-alg`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Algorithm {
    /// By base subject alone.
    OrderedSubject,
    /// By Message-IDs, then by subject.
    References,
    /// By Message-IDs alone, the threads by the latest arrival in each.
    Refs,
}

/// `thread-alg SP search-criteria`
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<(Algorithm, Criteria)> {
    let algorithm = match option_word(s.io.token()?).as_deref() {
        Some(b"ORDEREDSUBJECT") => Algorithm::OrderedSubject,
        Some(b"REFERENCES") => Algorithm::References,
        Some(b"REFS") if capability::is_offered(&s.options, "THREAD=REFS") => Algorithm::Refs,
        _ => return Err(Error::Syntax),
    };
    Ok((algorithm, criteria(s)?))
}

/// The algorithm, and how subjects are compared.
type Way = (Algorithm, Comparator);

/// The header fields that threading needs.
const FIELDS: [&[u8]; 5] = [b"date", b"subject", b"message-id", b"references", b"in-reply-to"];

/// Sends the threads of the messages that match.
pub(crate) fn run(
    s: &mut Session,
    selected: &mut Selected,
    call: &Call<'_>,
    (algorithm, criteria): (Algorithm, Criteria),
) -> Result<Outcome> {
    check_charset(s, &criteria)?;
    let mut subjects = Subjects::default();
    let way = (algorithm, criteria.comparator);
    let wants = Wants { fields: Some(Names::of(FIELDS)), ..Wants::default() };
    let (forest, renamed) = match algorithm {
        Algorithm::OrderedSubject => {
            let mut messages = Vec::new();
            let folder = (&*s, &mut *selected);
            let renamed = find(folder, call.uid, criteria, Ends::ALL, |number, folder, mail| {
                if let Some(message) = read(number, (folder, mail, &wants), &mut subjects, way) {
                    messages.push((number, message.sent, message.subject));
                }
            })?;
            (ordered_subject(messages), renamed)
        }
        Algorithm::References | Algorithm::Refs => {
            let mut references = References::default();
            let folder = (&*s, &mut *selected);
            let renamed = find(folder, call.uid, criteria, Ends::ALL, |number, folder, mail| {
                if let Some(message) = read(number, (folder, mail, &wants), &mut subjects, way) {
                    references.add(message);
                }
            })?;
            let forest = match algorithm {
                Algorithm::Refs => references.finish_by_arrival(),
                _ => references.finish(),
            };
            (forest, renamed)
        }
    };
    s.send(&Threads(&forest.steps()));
    send_renamed(s, selected, &renamed);
    Ok(Outcome::ok("THREAD done."))
}

/// What threading needs of a message. Courier: one that is gone is left out.
fn read<'m>(
    number: u32,
    (folder, mail, wants): (&mut Live<'_>, &'m mut Mail, &'m Wants),
    subjects: &mut Subjects,
    way: Way,
) -> Option<Message<'m>> {
    let mail_index = mail.index;
    let found = mail.with(folder, wants)?;
    // RFC 5256 2.2: without a usable Date the internal date (Courier: none, which is the earliest
    // or equal to all).
    let received = found.date();
    let mut message = Message { number, sent: received, received, ..Message::default() };
    match found.fields(wants.fields.as_ref()?) {
        Ok(fields) => read_fields(&mut message, fields, subjects, way),
        Err(e) => folder.unreadable(mail_index, e),
    }
    Some(message)
}

/// Reads the header's fields. Of a repeated field the first counts.
fn read_fields<'f>(
    message: &mut Message<'f>,
    fields: impl Iterator<Item = Field<'f>>,
    subjects: &mut Subjects,
    way: Way,
) {
    let (algorithm, comparator) = way;
    let ids = algorithm != Algorithm::OrderedSubject;
    let (mut sent, mut subject, mut id, mut references, mut in_reply_to) =
        (None, None, None, None, None);
    for field in fields {
        let is = |name: &[u8]| field.name.eq_ignore_ascii_case(name);
        let slot = if is(b"date") {
            &mut sent
        } else if algorithm != Algorithm::Refs && is(b"subject") {
            &mut subject
        } else if ids && is(b"message-id") {
            &mut id
        } else if ids && is(b"references") {
            &mut references
        } else if ids && is(b"in-reply-to") {
            &mut in_reply_to
        } else {
            continue;
        };
        slot.get_or_insert(field.value.get(..MAX_COMPARED_FIELD).unwrap_or(field.value));
    }
    if let Some(sent) = sent.and_then(date::parse) {
        message.sent = sent.unix();
    }
    if let Some(subject) = subject {
        let base = subject::base_subject(subject);
        message.is_reply = base.is_reply;
        message.subject = subjects.number(&base.key(comparator));
    }
    message.id = id.and_then(msgid::message_id);
    message.references = references.map(msgid::ids).unwrap_or_default();
    if message.references.is_empty() {
        // RFC 5256 3: "the first (if any) valid Message ID found in the In-Reply-To header line".
        message.references.extend(in_reply_to.and_then(msgid::first));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mime::header;
    use crate::mime::msgid::MessageId;

    #[test]
    fn headers() {
        fn read(text: &str) -> Message<'_> {
            let mut message = Message { sent: 7, ..Message::default() };
            read_fields(
                &mut message,
                header::fields(text.as_bytes()),
                &mut Subjects::default(),
                (Algorithm::References, Comparator::Simple),
            );
            message
        }
        fn ids<'a>(list: &[&'a str]) -> Vec<MessageId<'a>> {
            list.iter().map(|id| id.as_bytes().into()).collect()
        }
        let m = read(
            "Message-ID: <\"a\"@x>\nReferences: <r1@x>\n <r2@x>\nIn-Reply-To: <i@x>\nSubject: Re: s\nDate: 1 Jan 1970 00:00:09 +0000\n",
        );
        assert_eq!((m.id, m.references), (Some(b"a@x"[..].into()), ids(&["r1@x", "r2@x"])));
        assert_eq!((m.sent, m.subject, m.is_reply), (9, 1, true));
        let m = read(
            "References: nothing valid\nIn-Reply-To: mail of <x@y> <i@x>\nSubject: s\nSubject: Re: t\nDate: never\n",
        );
        assert_eq!((m.id, m.references), (None, ids(&["x@y"])));
        assert_eq!((m.sent, m.subject, m.is_reply), (7, 1, false));
        let m = read("Subject: Re:\n");
        assert_eq!((m.references, m.subject, m.is_reply), (ids(&[]), 0, true));
    }
}
