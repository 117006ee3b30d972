//! Message identifiers in Message-ID, In-Reply-To and References, in the form in which threading
//! compares them.

use crate::types::limits::MAX_REFERENCES;
use std::borrow::Cow;

/// An identifier without its angle brackets. Compared byte by byte (RFC 5256 3: case-sensitive).
pub(crate) type MessageId<'a> = Cow<'a, [u8]>;

/// All identifiers in angle brackets, in order: what a References or In-Reply-To value holds.
pub(crate) fn ids(value: &[u8]) -> Vec<MessageId<'_>> {
    let mut list: Vec<MessageId<'_>> = each(value).collect();
    let surplus = list.len().saturating_sub(MAX_REFERENCES);
    list.drain(..surplus);
    list
}

/// The first of them.
pub(crate) fn first(value: &[u8]) -> Option<MessageId<'_>> {
    each(value).next()
}

fn each(value: &[u8]) -> impl Iterator<Item = MessageId<'_>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        loop {
            let start = memchr::memchr(b'<', rest)?;
            let inner = rest.get(start + 1..).unwrap_or_default();
            let end = memchr::memchr2(b'<', b'>', inner)?;
            let (text, tail) = inner.split_at(end);
            rest = tail;
            if tail.first() == Some(&b'>')
                && let Some(id) = normal(text)
            {
                return Some(id);
            }
        }
    })
}

/// The identifier of a Message-ID value; one without brackets is accepted if it is a single word
/// with an `@`.
pub(crate) fn message_id(value: &[u8]) -> Option<MessageId<'_>> {
    if let Some(id) = first(value) {
        return Some(id);
    }
    let word = value.trim_ascii();
    let single = word.contains(&b'@')
        && !word.iter().any(|b| b.is_ascii_whitespace() || matches!(b, b'<' | b'>'));
    single.then(|| normal(word)).flatten()
}

/// RFC 5256 3: "MUST normalize any msg-id": quotes around a local part and the backslashes of
/// quoted pairs are removed. White space (folding within the brackets) is dropped.
fn normal(text: &[u8]) -> Option<MessageId<'_>> {
    // All of it at once, which takes less time than to stop early.
    let is_odd = |b: &u8| (*b <= b' ') | (*b == b'"') | (*b == b'\\');
    if !text.iter().fold(false, |odd, b| odd | is_odd(b)) {
        return (!text.is_empty()).then_some(Cow::Borrowed(text));
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
    (!id.is_empty()).then_some(Cow::Owned(id))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn show(list: Vec<MessageId<'_>>) -> Vec<String> {
        list.into_iter().map(|id| String::from_utf8(id.into_owned()).unwrap()).collect()
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
        assert_eq!(first(b"x < > <a@b> <c@d>").as_deref(), Some(&b"a@b"[..]));
        assert_eq!(message_id(b" a@b \n"), Some(Cow::Borrowed(&b"a@b"[..])));
        assert_eq!(message_id(b" <\"a\"@b> x"), Some(Cow::Borrowed(&b"a@b"[..])));
        assert_eq!(message_id(b"not an id"), None);
        assert_eq!(message_id(b""), None);
    }
}
