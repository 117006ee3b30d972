//! ENVELOPE (RFC 3501 7.4.2, PROTOCOL 5.5). Its values come from [`crate::mime::envelope`].

use super::Encoder;
use crate::mime::envelope::{AddressField, Envelope, TextField};
use crate::wire::End;

/// A list of no more bytes than this is not flushed before its end, and From can be repeated from
/// the output.
const SHORT: usize = 8 * 1024;

/// Writes an envelope, without the item's name. Addresses are written as they are parsed.
///
/// # Errors
/// The session is over: a long list is sent piece by piece.
pub(crate) fn write(e: &mut Encoder<'_>, envelope: &Envelope<'_>) -> Result<(), End> {
    e.raw("(").optional_text(envelope.text(TextField::Date));
    e.space().optional_text(envelope.text(TextField::Subject)).space();
    let start = e.position();
    let is_short = addresses(e, envelope, AddressField::From)?;
    let mut from = is_short.then(|| (start, e.position()));
    for list in [
        AddressField::Sender,
        AddressField::ReplyTo,
        AddressField::To,
        AddressField::Cc,
        AddressField::Bcc,
    ] {
        e.space();
        // RFC 3501 7.4.2: "If the Sender or Reply-To lines are absent in the [RFC-2822] header, or
        // are present but empty, the server sets the corresponding member of the envelope to be the
        // same value as the from member".
        let has_default = matches!(list, AddressField::Sender | AddressField::ReplyTo);
        if !has_default || envelope.addresses(list).next().is_some() {
            let is_short = addresses(e, envelope, list)?;
            from = from.filter(|_| is_short);
        } else if let Some((start, end)) = from {
            e.repeat(start, end);
        } else {
            addresses(e, envelope, AddressField::From)?;
        }
    }
    e.space().optional_text(envelope.text(TextField::InReplyTo));
    e.space().optional_text(envelope.text(TextField::MessageId)).raw(")");
    Ok(())
}

/// `"(" 1*address ")" / nil`, no blanks between addresses. Whether it is short: what was written
/// before it has not been flushed then.
fn addresses(
    e: &mut Encoder<'_>,
    envelope: &Envelope<'_>,
    list: AddressField,
) -> Result<bool, End> {
    let is_short = envelope.value(list).len() <= SHORT;
    let mut is_empty = true;
    for address in envelope.addresses(list) {
        if std::mem::take(&mut is_empty) {
            e.raw("(");
        }
        e.list([&address.name, &address.route, &address.mailbox, &address.host], |e, field| {
            e.optional_text(field.as_deref());
        });
        if !is_short {
            e.flush_within()?;
        }
    }
    e.raw(if is_empty { "NIL" } else { ")" });
    Ok(is_short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::envelope::envelope;
    use crate::wire::{Io, connection::MemoryConnection};

    fn shown(header: &str, utf8: bool) -> String {
        let mut io = Io::new(Box::new(MemoryConnection::default()));
        assert!(write(&mut Encoder::new(&mut io, utf8), &envelope(header.as_bytes())).is_ok());
        String::from_utf8_lossy(&io.out()).into_owned()
    }

    #[test]
    fn addresses() {
        for (to, expected) in [
            ("John <j@x>", r#"(("John" NIL "j" "x"))"#),
            ("j@x, <k@x>", r#"((NIL NIL "j" "x")(NIL NIL "k" "x"))"#),
            ("foo@bar (Foo Bar)", r#"(("Foo Bar" NIL "foo" "bar"))"#),
            (r#""Doe, \"J\" Q" <j@x>"#, r#"(("Doe, \"J\" Q" NIL "j" "x"))"#),
            (r#""a\\b" <"q p"@x>"#, r#"(("a\\b" NIL "\"q p\"" "x"))"#),
            ("plain", r#"((NIL NIL "plain" ""))"#),
            (
                "g: a@b, c@d;",
                r#"((NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL "c" "d")(NIL NIL NIL NIL))"#,
            ),
            (
                "undisclosed-recipients:;",
                r#"((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))"#,
            ),
            ("<@r1,@r2:m@s>", r#"((NIL "@r1,@r2" "m" "s"))"#),
            ("", "NIL"),
        ] {
            let expected = format!("(NIL NIL NIL NIL NIL {expected} NIL NIL NIL NIL)");
            assert_eq!(shown(&format!("To: {to}\n\n"), false), expected, "{to}");
        }
    }

    #[test]
    fn eight_bit_text() {
        let header = "Subject: raw \u{e9} 8bit\nFrom: J\u{f6} <j@x>\n\n";
        let from = |name: &str| format!("(({name} NIL \"j\" \"x\"))");
        let plain = from("\"=?utf-8?B?SsO2?=\"");
        assert_eq!(
            shown(header, false),
            format!(
                "(NIL \"raw =?utf-8?B?w6k=?= 8bit\" {plain} {plain} {plain} NIL NIL NIL NIL NIL)"
            )
        );
        let raw = from("\"J\u{f6}\"");
        assert_eq!(
            shown(header, true),
            format!("(NIL \"raw \u{e9} 8bit\" {raw} {raw} {raw} NIL NIL NIL NIL NIL)")
        );
        // A NUL cannot be quoted.
        assert_eq!(
            shown("Subject: a\0b\"\n\n", false),
            "(NIL {3}\r\nab\" NIL NIL NIL NIL NIL NIL NIL NIL)"
        );
    }

    /// A list that is sent piece by piece is as one that is not.
    #[test]
    fn long_lists() {
        let list: Vec<String> = (0..9000).map(|n| format!("u{n}@x")).collect();
        let shown_list: String = (0..9000).map(|n| format!("(NIL NIL \"u{n}\" \"x\")")).collect();
        let (list, long) = (list.join(", "), format!("({shown_list})"));
        let all = |header: String| {
            let connection = MemoryConnection::default();
            let sent = connection.output();
            let mut io = Io::new(Box::new(connection));
            let envelope = envelope(header.as_bytes());
            assert!(write(&mut Encoder::new(&mut io, false), &envelope).is_ok());
            assert!(io.flush().is_ok());
            String::from_utf8_lossy(&sent.borrow()).into_owned()
        };
        let short = r#"((NIL NIL "a" "b"))"#;
        for (header, lists) in [
            (format!("From: {list}\n"), [&long, &long, &long, "NIL"]),
            (format!("From: a@b\nSender: {list}\n"), [short, &long, short, "NIL"]),
            (format!("From: a@b\nReply-To: {list}\n"), [short, short, &long, "NIL"]),
            (format!("From: a@b\nTo: {list}\n"), [short, short, short, &long]),
        ] {
            let want = format!("(NIL NIL {} NIL NIL NIL NIL)", lists.join(" "));
            assert_eq!(all(header), want);
        }
    }

    #[test]
    fn empty_members_are_from() {
        let from = r#"((NIL NIL "a" "b")(NIL NIL "c" "d"))"#;
        let header = "From: a@b\nFROM: c@d\nSender: \n\t\nReply-To: ,\n\n";
        assert_eq!(
            shown(header, false),
            format!("(NIL NIL {from} {from} {from} NIL NIL NIL NIL NIL)")
        );
    }
}
