//! Address lists of header fields, as real mail writes them.
//!
//! RFC 5322 3.4 with its obsolete forms, and beyond: missing commas, words without a host, comments
//! as names, quotes, comments and angle brackets that never end. Nothing is refused. Where the
//! grammar does not say what broken text means, Courier's reading is taken: words without an `@`
//! are addresses with an empty host.

use super::params::{Lexer, is_space};
use std::borrow::Cow;

/// One element of an address list in RFC 3501's form (section 7.4.2, ENVELOPE).
///
/// A group begins with an element that has a mailbox (the group's name) and no host, and ends with
/// one that has neither. Of ordinary text, the parts are borrowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    /// The display name, quotes and their backslashes removed, encoded words untouched; or the
    /// comment that serves as one.
    pub(crate) name: Option<Cow<'a, [u8]>>,
    /// The obsolete source route, `@a,@b` (RFC 3501's at-domain-list).
    pub(crate) route: Option<Cow<'a, [u8]>>,
    /// The local part, its quotes kept; or the name of a group.
    pub(crate) mailbox: Option<Cow<'a, [u8]>>,
    /// The domain; empty, not None, when the text has none.
    pub(crate) host: Option<Cow<'a, [u8]>>,
}

impl Address<'_> {
    /// The element that ends a group.
    pub(crate) fn is_group_end(&self) -> bool {
        self.mailbox.is_none()
    }

    /// An address proper, neither beginning nor end of a group.
    pub(crate) fn is_mailbox(&self) -> bool {
        self.host.is_some()
    }
}

/// Words without white space between them: an address, or part of a name if `<address>` follows.
#[derive(Default)]
struct BareAddress {
    text: Vec<u8>,
    comment: Option<Vec<u8>>,
}

/// Parses the value of an address field, folded or not.
pub(crate) fn parse(value: &[u8]) -> Vec<Address<'_>> {
    let mut p = Parser::new(value);
    p.run(usize::MAX, true);
    p.list
}

/// The first element of what [`parse`] returns; the rest is not parsed.
pub(crate) fn first(value: &[u8]) -> Option<Address<'_>> {
    let mut p = Parser::new(value);
    p.run(1, true);
    p.list.into_iter().next()
}

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

fn plain(text: &[u8]) -> (&[u8], &[u8]) {
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
fn ordinary(text: &[u8], quotes_end: bool) -> Option<(Address<'_>, &[u8])> {
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

impl<'a> Parser<'a> {
    fn new(value: &'a [u8]) -> Self {
        Parser {
            lex: Lexer::new(value),
            list: Vec::new(),
            items: Vec::new(),
            phrase: Vec::new(),
            comment: None,
            gap: false,
            glue: false,
            quotes_end: true,
            in_group: false,
            has_at: false,
        }
    }
}

struct Parser<'a> {
    lex: Lexer<'a>,
    list: Vec<Address<'a>>,
    /// The words since the last separator, as addresses ...
    items: Vec<BareAddress>,
    /// ... and as a display name.
    phrase: Vec<u8>,
    /// A comment before the first item.
    comment: Option<Vec<u8>>,
    /// White space precedes the next word.
    gap: bool,
    /// The item ends in `@` or `.`: the next word joins it even after white space (RFC 5322 4.4).
    glue: bool,
    /// False once a quote was found that never ends: from there on `"` is an ordinary character.
    quotes_end: bool,
    in_group: bool,
    /// An item has an `@`, so a colon belongs to a source route, not to a group.
    has_at: bool,
}

impl Parser<'_> {
    /// Parses to the end, or until there are `max` addresses. `quick`: reads ordinary forms by
    /// [`ordinary`], with the same result.
    fn run(&mut self, max: usize, quick: bool) {
        while let Some(b) = self.lex.peek() {
            if self.list.len() >= max {
                return;
            }
            // At the start of an address; `glue` holds only behind a word.
            if quick
                && self.phrase.is_empty()
                && self.items.is_empty()
                && self.comment.is_none()
                && let Some((address, rest)) = ordinary(self.lex.rest(), self.quotes_end)
            {
                self.list.push(address);
                self.lex.skip_to(rest);
                self.gap = false;
                continue;
            }
            match b {
                _ if is_space(b) => {
                    self.lex.bump();
                    self.gap = true;
                }
                b'(' => self.paren(),
                b'"' => self.quote(),
                b'<' => self.angle(),
                b',' => {
                    self.lex.bump();
                    self.flush();
                }
                b';' => {
                    self.lex.bump();
                    self.flush();
                    self.end_group();
                }
                b':' if !self.has_at => {
                    self.lex.bump();
                    self.begin_group();
                }
                b'>' => {
                    self.lex.bump();
                    self.gap = true;
                }
                b'@' | b'.' => {
                    self.lex.bump();
                    self.joint(b);
                }
                b'[' if self.items.last().is_some_and(|i| i.text.ends_with(b"@")) => self.literal(),
                _ => self.atom(),
            }
        }
        self.flush();
        self.end_group();
    }

    /// Adds a word: `raw` to the item, `shown` to the name.
    fn word(&mut self, raw: &[u8], shown: &[u8]) {
        if self.gap && !self.phrase.is_empty() {
            self.phrase.push(b' ');
        }
        self.phrase.extend_from_slice(shown);
        if self.gap && !self.glue {
            self.items.push(BareAddress::default());
        }
        if self.items.is_empty() {
            self.items.push(BareAddress::default());
        }
        if let Some(item) = self.items.last_mut() {
            item.text.extend_from_slice(raw);
        }
        self.gap = false;
        self.glue = false;
    }

    fn joint(&mut self, b: u8) {
        // `j @ x`: the white space before the joint does not separate.
        self.glue = true;
        self.has_at |= b == b'@';
        self.word(&[b], &[b]);
        self.glue = true;
    }

    fn atom(&mut self) {
        let rest = self.lex.rest();
        let len = rest
            .iter()
            .skip(1)
            .position(|b| {
                is_space(*b)
                    || matches!(*b, b'(' | b'"' | b'<' | b'>' | b',' | b';' | b':' | b'@' | b'.')
            })
            .map_or(rest.len(), |at| at + 1);
        let word = rest.get(..len).unwrap_or(rest);
        self.lex.skip_to(rest.get(len..).unwrap_or_default());
        self.word(word, word);
    }

    fn literal(&mut self) {
        let rest = self.lex.rest();
        let len = rest.iter().position(|b| *b == b']').map_or(1, |at| at + 1);
        let word = rest.get(..len).unwrap_or(rest);
        self.lex.skip_to(rest.get(len..).unwrap_or_default());
        self.word(word, word);
    }

    fn paren(&mut self) {
        let Some(text) = self.lex.comment() else {
            // A comment that never ends: an ordinary character.
            self.atom();
            return;
        };
        self.gap = true;
        if !self.phrase.is_empty() {
            self.phrase.push(b' ');
        }
        // Within a longer name the comment is part of it: `John (x) <j@x>`.
        if !self.items.is_empty() {
            self.phrase.push(b'(');
            self.phrase.extend_from_slice(&text);
            self.phrase.push(b')');
        }
        match self.items.last_mut() {
            Some(item) => item.comment = Some(text),
            None => self.comment = Some(text),
        }
    }

    /// At a quote: the string as written and with its quoting removed; None when it never ends.
    fn quoted_string(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut lex = self.lex.clone();
        lex.bump();
        let mut shown = Vec::new();
        lex.quoted(&mut shown);
        let whole = self.lex.rest();
        let raw = whole.get(..whole.len() - lex.rest().len()).unwrap_or_default();
        if raw.len() < 2 || !ends_quoted(raw) {
            self.quotes_end = false;
            return None;
        }
        self.lex = lex;
        Some((raw.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect(), shown))
    }

    fn quote(&mut self) {
        match if self.quotes_end { self.quoted_string() } else { None } {
            Some((raw, shown)) => self.word(&raw, &shown),
            None => self.atom(),
        }
    }

    fn angle(&mut self) {
        while self.lex.peek() == Some(b'<') {
            self.lex.bump();
        }
        let mut text = Vec::new();
        let mut comment = None;
        let mut route = false;
        while let Some(b) = self.lex.peek() {
            match b {
                b'>' => {
                    self.lex.bump();
                    break;
                }
                b',' if text.first() == Some(&b'@') && !route => text.extend(self.lex.bump()),
                // The bracket is missing; the next address begins here.
                b',' | b';' | b'<' => break,
                b'(' => match self.lex.comment() {
                    Some(c) => comment = Some(c),
                    None => text.extend(self.lex.bump()),
                },
                b'"' if self.quotes_end => match self.quoted_string() {
                    Some((raw, _)) => text.extend(raw),
                    None => text.extend(self.lex.bump()),
                },
                _ => {
                    self.lex.bump();
                    if is_space(b) {
                        // `< a @ b >`, but `<a b@c>` keeps its blank.
                        if !matches!(text.last(), None | Some(b' ' | b'@' | b'.')) {
                            text.push(b' ');
                        }
                    } else {
                        if matches!(b, b'@' | b'.') && text.last() == Some(&b' ') {
                            text.pop();
                        }
                        route |= b == b':';
                        text.push(b);
                    }
                }
            }
        }
        while text.last() == Some(&b' ') {
            text.pop();
        }
        // A comment right behind the bracket names an address that has no other name.
        self.lex_blanks();
        if let Some(after) = self.lex.comment() {
            comment = Some(after);
        }
        let mut address = split(text);
        let phrase = std::mem::take(&mut self.phrase);
        let before = self.comment.take();
        address.name =
            Some(trimmed(phrase)).filter(|p| !p.is_empty()).or(before).or(comment).map(Cow::Owned);
        self.items.clear();
        self.gap = false;
        self.glue = false;
        self.has_at = false;
        self.list.push(address);
    }

    fn lex_blanks(&mut self) {
        while self.lex.peek().is_some_and(is_space) {
            self.lex.bump();
        }
    }

    /// At a separator: the words before it are addresses without brackets.
    fn flush(&mut self) {
        let mut before = self.comment.take();
        for item in self.items.drain(..) {
            let mut address = split(item.text);
            address.name = item.comment.or(before.take()).map(Cow::Owned);
            self.list.push(address);
        }
        self.phrase.clear();
        self.gap = false;
        self.glue = false;
        self.has_at = false;
    }

    fn begin_group(&mut self) {
        // Groups do not nest (RFC 5322 3.4): a new one ends the one before.
        self.end_group();
        let name = trimmed(std::mem::take(&mut self.phrase));
        self.items.clear();
        self.comment = None;
        self.gap = false;
        self.glue = false;
        self.has_at = false;
        self.list.push(Address { mailbox: Some(Cow::Owned(name)), ..Address::default() });
        self.in_group = true;
    }

    /// The end marker of RFC 3501, also for a group without its semicolon.
    fn end_group(&mut self) {
        if self.in_group {
            self.list.push(Address::default());
            self.in_group = false;
        }
    }
}

fn trimmed(text: Vec<u8>) -> Vec<u8> {
    text.trim_ascii().to_vec()
}

/// Whether a string that begins with a quote ends with one that no backslash hides.
fn ends_quoted(raw: &[u8]) -> bool {
    let Some((b'"', inner)) = raw.split_last() else {
        return false;
    };
    inner.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 0
}

/// `[@route:]local@host`, divided at the last `@`.
fn split<'a>(mut text: Vec<u8>) -> Address<'a> {
    let mut route = None;
    if text.first() == Some(&b'@')
        && let Some(colon) = memchr::memchr(b':', &text)
    {
        let rest = text.split_off(colon.saturating_add(1));
        text.truncate(colon);
        route = Some(Cow::Owned(text));
        text = rest;
    }
    let quote = memchr::memrchr(b'"', &text).unwrap_or(0);
    let mut host = Vec::new();
    if let Some(at) = memchr::memrchr(b'@', &text).filter(|at| *at >= quote) {
        host = text.split_off(at.saturating_add(1));
        text.truncate(at);
    }
    Address { name: None, route, mailbox: Some(Cow::Owned(text)), host: Some(Cow::Owned(host)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;
