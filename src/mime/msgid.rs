//! Message identifiers in Message-ID, In-Reply-To and References, in the form in which threading
//! compares them.

use crate::types::limits::MAX_REFERENCES;

/// An identifier without its angle brackets. Compared byte by byte (RFC 5256 3: case-sensitive).
pub(crate) type MessageId = Vec<u8>;

/// All identifiers in angle brackets, in order: what a References or In-Reply-To value holds.
pub(crate) fn ids(value: &[u8]) -> Vec<MessageId> {
    let mut list = Vec::new();
    let mut rest = value;
    while let Some(start) = memchr::memchr(b'<', rest) {
        let inner = rest.get(start + 1..).unwrap_or_default();
        let Some(end) = memchr::memchr2(b'<', b'>', inner) else {
            break;
        };
        let (text, tail) = inner.split_at(end);
        rest = tail;
        if tail.first() == Some(&b'>') {
            list.extend(normal(text));
        }
    }
    let surplus = list.len().saturating_sub(MAX_REFERENCES);
    list.drain(..surplus);
    list
}

/// The identifier of a Message-ID value; one without brackets is accepted if it is a single word
/// with an `@`.
pub(crate) fn message_id(value: &[u8]) -> Option<MessageId> {
    if let Some(id) = ids(value).into_iter().next() {
        return Some(id);
    }
    let word = value.trim_ascii();
    let single = word.contains(&b'@')
        && !word.iter().any(|b| b.is_ascii_whitespace() || matches!(b, b'<' | b'>'));
    single.then(|| normal(word)).flatten()
}

/// RFC 5256 3: "MUST normalize any msg-id": quotes around a local part and the backslashes of
/// quoted pairs are removed. White space (folding within the brackets) is dropped.
fn normal(text: &[u8]) -> Option<MessageId> {
    if !text.iter().any(|b| matches!(b, b'"' | b'\\') || b.is_ascii_whitespace()) {
        return (!text.is_empty()).then(|| text.to_vec());
    }
    let mut id = Vec::with_capacity(text.len());
    let mut quoted = false;
    let mut it = text.iter().copied();
    while let Some(b) = it.next() {
        match b {
            b'"' => quoted = !quoted,
            b'\\' if quoted => id.extend(it.next()),
            b' ' | b'\t' if quoted => id.push(b),
            _ if b.is_ascii_whitespace() => {}
            _ => id.push(b),
        }
    }
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn show(list: Vec<MessageId>) -> Vec<String> {
        list.into_iter().map(|id| String::from_utf8(id).unwrap()).collect()
    }

    #[test]
    fn table() {
        for (value, want) in [
            ("<a@b>\n <c@d>,<e@f>", &["a@b", "c@d", "e@f"][..]),
            ("Your mail of <x y> <\"01K F\\\"8\"@x.com> j@x", &["xy", "01K F\"8@x.com"]),
            ("<a@\n b>", &["a@b"]),
            ("<> < > <a@b", &[]),
            ("<a@b <c@d>", &["c@d"]),
            ("a@b", &[]),
        ] {
            assert_eq!(show(ids(value.as_bytes())), want, "{value:?}");
        }
        assert_eq!(message_id(b" a@b \n"), Some(b"a@b".to_vec()));
        assert_eq!(message_id(b" <\"a\"@b> x"), Some(b"a@b".to_vec()));
        assert_eq!(message_id(b"not an id"), None);
        assert_eq!(message_id(b""), None);
    }
}
