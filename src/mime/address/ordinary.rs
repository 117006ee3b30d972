//! Addresses in their ordinary forms, which nearly all have, read without copying.

use super::Address;
use crate::mime::params::is_space;
use std::borrow::Cow;

/// A longer name is left to the whole parser, so that no text is read twice for it.
const MAX_QUICK_NAME: usize = 1024;

/// Bytes that have no special meaning: no white space, no control character, no delimiter.
#[allow(clippy::indexing_slicing)] // evaluated by the compiler
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0u8;
    while b < 255 {
        table[b as usize] = b > b' '
            && b != 0x7f
            && !matches!(
                b,
                b'(' | b')' | b'"' | b'<' | b'>' | b',' | b';' | b':' | b'@' | b'[' | b']' | b'\\'
            );
        b += 1;
    }
    table
};

/// Text before the first byte that has a special meaning, and the rest.
pub(super) fn plain(text: &[u8]) -> (&[u8], &[u8]) {
    let len = text
        .iter()
        .position(|b| !PLAIN.get(usize::from(*b)).copied().unwrap_or(false))
        .unwrap_or(text.len());
    text.split_at(len)
}

fn without_blanks(text: &[u8]) -> &[u8] {
    text.get(text.iter().position(|b| !is_space(*b)).unwrap_or(text.len())..).unwrap_or_default()
}

/// An address in one of its ordinary forms, `l@h`, `<l@h>`, `Some Name <l@h>`, `"Any name" <l@h>`,
/// without routes, comments or backslashes, and what follows it. None for any other form, which the
/// whole parser must read.
pub(super) fn ordinary(text: &[u8], quotes_end: bool) -> Option<(Address<'_>, &[u8])> {
    let mut name: &[u8] = &[];
    let mut rest = text;
    if let Some(inner) = text.strip_prefix(b"\"") {
        let (shown, after) =
            inner.split_at(memchr::memchr2(b'"', b'\\', inner).filter(|_| quotes_end)?);
        if memchr::memchr2(b'\r', b'\n', shown).is_some() {
            return None;
        }
        name = shown.trim_ascii();
        rest = without_blanks(after.strip_prefix(b"\"")?);
    } else if text.first() != Some(&b'<') {
        let (mut word, mut after) = plain(text);
        if let Some(host) = after.strip_prefix(b"@") {
            let (host, after) = plain(host);
            let after = without_blanks(after);
            let ends = matches!(after.first(), None | Some(b',' | b';'));
            return (ends && !word.is_empty() && !host.is_empty())
                .then(|| (of_parts(None, word, host), after));
        }
        // Words with single blanks between them.
        while !word.is_empty() && after.first() == Some(&b' ') {
            (word, after) = plain(after.get(1..)?);
            if text.len().saturating_sub(after.len()) > MAX_QUICK_NAME {
                return None;
            }
        }
        name = text.get(..text.len().checked_sub(after.len())?)?.trim_ascii_end();
        rest = after;
    }
    let (mailbox, rest) = plain(rest.strip_prefix(b"<")?);
    let (host, rest) = plain(rest.strip_prefix(b"@")?);
    let rest = without_blanks(rest.strip_prefix(b">")?);
    let ends = !mailbox.is_empty() && !host.is_empty() && rest.first() != Some(&b'(');
    ends.then(|| (of_parts((!name.is_empty()).then_some(name), mailbox, host), rest))
}

fn of_parts<'a>(name: Option<&'a [u8]>, mailbox: &'a [u8], host: &'a [u8]) -> Address<'a> {
    Address {
        name: name.map(Cow::Borrowed),
        route: None,
        mailbox: Some(Cow::Borrowed(mailbox)),
        host: Some(Cow::Borrowed(host)),
    }
}
