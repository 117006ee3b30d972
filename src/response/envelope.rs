//! ENVELOPE (RFC 3501 7.4.2, PROTOCOL 5.5). Its values come from [`crate::mime::envelope`].

use super::Encoder;
use crate::mime::address::Address;
use crate::mime::envelope::{AddressField, Envelope, TextField};

/// Writes an envelope, without the item's name.
pub(crate) fn write(e: &mut Encoder<'_>, envelope: &Envelope<'_>) {
    e.raw("(").optional_text(envelope.text(TextField::Date));
    e.space().optional_text(envelope.text(TextField::Subject)).space();
    let start = e.position();
    addresses(e, &envelope.addresses(AddressField::From));
    let end = e.position();
    for list in [
        AddressField::Sender,
        AddressField::ReplyTo,
        AddressField::To,
        AddressField::Cc,
        AddressField::Bcc,
    ] {
        e.space();
        let found = envelope.addresses(list);
        // RFC 3501 7.4.2: "If the Sender or Reply-To lines are absent in the [RFC-2822] header, or
        // are present but empty, the server sets the corresponding member of the envelope to be the
        // same value as the from member".
        if found.is_empty() && matches!(list, AddressField::Sender | AddressField::ReplyTo) {
            e.repeat(start, end);
        } else {
            addresses(e, &found);
        }
    }
    e.space().optional_text(envelope.text(TextField::InReplyTo));
    e.space().optional_text(envelope.text(TextField::MessageId)).raw(")");
}

/// `"(" 1*address ")" / nil`, no blanks between addresses.
fn addresses(e: &mut Encoder<'_>, list: &[Address<'_>]) {
    if list.is_empty() {
        e.raw("NIL");
        return;
    }
    e.raw("(");
    for address in list {
        e.list([&address.name, &address.route, &address.mailbox, &address.host], |e, field| {
            e.optional_text(field.as_deref());
        });
    }
    e.raw(")");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::envelope::envelope;
    use crate::wire::{Io, connection::MemoryConnection};

    fn shown(header: &str, utf8: bool) -> String {
        let mut io = Io::new(Box::new(MemoryConnection::default()));
        write(&mut Encoder::new(&mut io, utf8), &envelope(header.as_bytes()));
        String::from_utf8_lossy(&io.out).into_owned()
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
