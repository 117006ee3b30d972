//! ENVELOPE (RFC 3501 7.4.2, PROTOCOL 5.5), and how text from messages becomes strings of the wire
//! (PROTOCOL 5.3).

use crate::mime::address::Address;
use crate::mime::encoded_word;
use crate::mime::envelope::{List, Text, envelope};
use crate::wire::write;

/// Appends text from a message as a string. Without UTF8=ACCEPT a client takes no 8-bit text (RFC
/// 6855 3): it gets encoded words.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &[u8], utf8: bool) {
    if utf8 || text.is_ascii() {
        write::string(out, text);
    } else {
        write::string(out, &encoded_word::encode(text));
    }
}

/// Appends text from a message as a string, or `NIL`.
pub(crate) fn push_optional(out: &mut Vec<u8>, text: Option<&[u8]>, utf8: bool) {
    match text {
        Some(text) => push_text(out, text, utf8),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Appends the envelope of the message whose header is `block`.
pub(crate) fn push_envelope(out: &mut Vec<u8>, block: &[u8], utf8: bool) {
    let e = envelope(block);
    out.push(b'(');
    push_optional(out, e.text(Text::Date), utf8);
    out.push(b' ');
    push_optional(out, e.text(Text::Subject), utf8);
    out.push(b' ');
    let start = out.len();
    push_addresses(out, &e.addresses(List::From), utf8);
    let from = start..out.len();
    for list in [List::Sender, List::ReplyTo, List::To, List::Cc, List::Bcc] {
        out.push(b' ');
        let addresses = e.addresses(list);
        // RFC 3501 7.4.2: "If the Sender or Reply-To lines are absent in the [RFC-2822] header, or
        // are present but empty, the server sets the corresponding member of the envelope to be the
        // same value as the from member".
        if addresses.is_empty() && matches!(list, List::Sender | List::ReplyTo) {
            out.extend_from_within(from.clone());
        } else {
            push_addresses(out, &addresses, utf8);
        }
    }
    out.push(b' ');
    push_optional(out, e.text(Text::InReplyTo), utf8);
    out.push(b' ');
    push_optional(out, e.text(Text::MessageId), utf8);
    out.push(b')');
}

/// `"(" 1*address ")" / nil`, no blanks between addresses.
fn push_addresses(out: &mut Vec<u8>, list: &[Address<'_>], utf8: bool) {
    if list.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for address in list {
        for (i, field) in
            [&address.name, &address.route, &address.mailbox, &address.host].into_iter().enumerate()
        {
            out.push(if i == 0 { b'(' } else { b' ' });
            push_optional(out, field.as_deref(), utf8);
        }
        out.push(b')');
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(header: &str, utf8: bool) -> String {
        let mut out = Vec::new();
        push_envelope(&mut out, header.as_bytes(), utf8);
        String::from_utf8_lossy(&out).into_owned()
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
