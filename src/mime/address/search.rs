//! Addresses as SEARCH compares them.

use super::each;
use crate::mime::charset::Guess;
use crate::mime::encoded_word;

/// The addresses of a field in their plainest form, `name <local@host>`, without comments, folding
/// and quotes: "the envelope structure's FROM field" (RFC 3501 6.4.4, FROM). None where that says
/// no more than the field as it is written.
pub(crate) fn search_form(value: &[u8]) -> Option<String> {
    if !is_odd(value) {
        return None;
    }
    let guess = Guess::of(value);
    let mut text = String::with_capacity(value.len());
    for address in each(value) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        let name = address.name.unwrap_or_default();
        text.push_str(&encoded_word::decode(&name));
        text.push_str(if name.is_empty() { "" } else { " <" });
        text.push_str(&guess.text(&address.mailbox.unwrap_or_default()));
        if let Some(host) = address.host.filter(|host| !host.is_empty()) {
            text.push('@');
            text.push_str(&guess.text(&host));
        }
        text.push_str(if name.is_empty() { "" } else { ">" });
    }
    Some(text)
}

/// Whether something stands between the parts of an address: a comment, white space, quotes,
/// backslashes.
fn is_odd(value: &[u8]) -> bool {
    if memchr::memchr2(b'(', b'\\', value).is_some() {
        return true;
    }
    let is_part = |b: Option<&u8>| b.is_some_and(|b| !b.is_ascii_whitespace() && *b != b'"');
    memchr::memchr2_iter(b'@', b'.', value).any(|at| {
        let before = at.checked_sub(1).and_then(|at| value.get(at));
        !is_part(before) || !is_part(value.get(at.saturating_add(1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (value, form) in [
            ("user-from (comment)@ (comment) domain.org", "comment <user-from@domain.org>"),
            ("<user-from (comment)@ (comment) domain.org>", "comment <user-from@domain.org>"),
            ("J (x) <a . b @ c>,\n d@e", "J (x) <a.b@c>, d@e"),
            ("\"john.doe\"@c", "john.doe@c"),
            ("\"Doe, \\\"J\\\"\" <j@x>", "Doe, \"J\" <j@x>"),
            ("(=?utf-8?q?J=C3=B6rg?=) j@x", "J\u{f6}rg <j@x>"),
            ("g (c): a@b;", "g (c), a@b, "),
        ] {
            assert_eq!(search_form(value.as_bytes()).as_deref(), Some(form), "{value}");
        }
        for value in ["a@b", "A B <a@b>, c@d", "\"A, B\" <a@b>", "plain", ""] {
            assert_eq!(search_form(value.as_bytes()), None, "{value}");
        }
    }
}
