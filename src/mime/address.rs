//! Address lists of header fields, as real mail writes them.
//!
//! RFC 5322 3.4 with its obsolete forms, and beyond: missing commas, words without a host, comments
//! as names, quotes, comments and angle brackets that never end. Nothing is refused. Where the
//! grammar does not say what broken text means, Courier's reading is taken: words without an `@`
//! are addresses with an empty host.

mod ordinary;
mod search;

pub(crate) use search::search_form;

use super::params::{Lexer, is_space};
use ordinary::{ordinary, plain};
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
    /// The local part, with quotes only where it needs them; or the name of a group.
    pub(crate) mailbox: Option<Cow<'a, [u8]>>,
    /// The domain; empty, not None, when the text has none.
    pub(crate) host: Option<Cow<'a, [u8]>>,
}

#[cfg(test)]
impl Address<'_> {
    /// The element that ends a group.
    pub(crate) fn is_group_end(&self) -> bool {
        self.mailbox.is_none()
    }
}

/// Words without white space between them: an address, or part of a name if `<address>` follows.
#[derive(Default)]
struct BareAddress {
    text: Vec<u8>,
    comment: Option<Vec<u8>>,
}

/// The elements of an address list. Each is parsed when it is asked for.
pub(crate) struct Addresses<'a> {
    parser: Parser<'a>,
    /// How many of the parser's list were handed out.
    given: usize,
}

impl<'a> Iterator for Addresses<'a> {
    type Item = Address<'a>;

    fn next(&mut self) -> Option<Address<'a>> {
        if self.given >= self.parser.list.len() {
            self.given = 0;
            self.parser.list.clear();
            let next = self.parser.ordinary();
            if next.is_some() {
                return next;
            }
            self.parser.run(1, true);
        }
        let next = self.parser.list.get_mut(self.given).map(std::mem::take);
        self.given += 1;
        next
    }
}

/// Parses the value of an address field, folded or not.
pub(crate) fn each(value: &[u8]) -> Addresses<'_> {
    Addresses { parser: Parser::new(value), given: 0 }
}

/// The first element; the rest is not parsed.
pub(crate) fn first(value: &[u8]) -> Option<Address<'_>> {
    each(value).next()
}

/// Words without `@` that may become one name. Each of more of them is an address of its own: what
/// is kept of a value stays small.
const MAX_WORDS: usize = 4096;

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
            brackets_end: true,
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
    /// False once a `[` was found that never ends, likewise.
    brackets_end: bool,
    in_group: bool,
    /// An item has an `@`, so a colon belongs to a source route, not to a group.
    has_at: bool,
}

impl<'a> Parser<'a> {
    /// The next address, if it has an ordinary form and begins here: what [`Parser::run`] adds to
    /// the list.
    fn ordinary(&mut self) -> Option<Address<'a>> {
        if !self.phrase.is_empty() || !self.items.is_empty() || self.comment.is_some() {
            return None;
        }
        loop {
            match self.lex.peek()? {
                b if is_space(b) => self.gap = true,
                b',' => (self.gap, self.glue, self.has_at) = (false, false, false),
                _ => break,
            }
            self.lex.bump();
        }
        let (address, rest) = ordinary(self.lex.rest(), self.quotes_end)?;
        self.lex.skip_to(rest);
        self.gap = false;
        Some(address)
    }
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
                b'[' if self.brackets_end && self.is_behind_at() => self.literal(),
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
            if self.items.len() >= MAX_WORDS {
                self.flush();
                self.phrase.extend_from_slice(shown);
            }
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

    fn is_behind_at(&self) -> bool {
        self.items.last().is_some_and(|item| item.text.ends_with(b"@"))
    }

    fn literal(&mut self) {
        let rest = self.lex.rest();
        let end = memchr::memchr(b']', rest);
        self.brackets_end = end.is_some();
        let len = end.map_or(1, |at| at + 1);
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
        if !self.items.is_empty() {
            for item in self.items.drain(..) {
                let mut address = split(item.text);
                address.name = item.comment.or(before.take()).map(Cow::Owned);
                self.list.push(address);
            }
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
    let mailbox = without_needless_quotes(text);
    Address { name: None, route, mailbox: Some(Cow::Owned(mailbox)), host: Some(Cow::Owned(host)) }
}

/// A local part without its quotes, if it says the same without them.
// RFC 3501 9, addr-mailbox: "local-part after removing [RFC-2822] quoting". But clients join
// mailbox and host with an @, and then `"a, b"@x` would be two addresses, `"a@b"@x` another one:
// where the quotes are needed they stay, as Courier has it.
fn without_needless_quotes(local: Vec<u8>) -> Vec<u8> {
    if memchr::memchr(b'"', &local).is_none() {
        return local;
    }
    let mut bare = Vec::with_capacity(local.len());
    let mut bytes = local.iter();
    let mut in_quotes = false;
    while let Some(b) = bytes.next() {
        match b {
            b'"' => in_quotes = !in_quotes,
            b'\\' if in_quotes => bare.extend(bytes.next()),
            _ => bare.push(*b),
        }
    }
    if in_quotes {
        return local;
    }
    // RFC 5322 3.2.3: dot-atom.
    let is_dot_atom = bare.split(|b| *b == b'.').all(|atom| {
        let (plain, rest) = plain(atom);
        !plain.is_empty() && rest.is_empty()
    });
    if is_dot_atom { bare } else { local }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;
