//! Address lists of header fields, as real mail writes them.
//!
//! RFC 5322 3.4 with its obsolete forms, and beyond: missing commas, words without a host, comments as names, quotes,
//! comments and angle brackets that never end. Nothing is refused. Where the grammar does not say what broken
//! text means, Courier's reading is taken: words without an `@` are addresses with an empty host.

use super::params::{Lexer, is_space};

/// One element of an address list in RFC 3501's form (section 7.4.2, ENVELOPE).
///
/// A group begins with an element that has a mailbox (the group's name) and no host, and ends with one that has neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// The display name, quotes and their backslashes removed, encoded words untouched; or the comment that serves as one.
    pub name: Option<Vec<u8>>,
    /// The obsolete source route, `@a,@b` (RFC 3501's at-domain-list).
    pub route: Option<Vec<u8>>,
    /// The local part, its quotes kept; or the name of a group.
    pub mailbox: Option<Vec<u8>>,
    /// The domain; empty, not None, when the text has none.
    pub host: Option<Vec<u8>>,
}

impl Address {
    /// The element that ends a group.
    pub fn is_group_end(&self) -> bool {
        self.mailbox.is_none()
    }

    /// The element that begins a group.
    pub fn is_group_start(&self) -> bool {
        self.mailbox.is_some() && self.host.is_none()
    }

    /// An address proper, neither beginning nor end of a group.
    pub fn is_mailbox(&self) -> bool {
        self.host.is_some()
    }

    /// `mailbox@host`, or the mailbox alone when there is no host.
    pub fn addr_spec(&self) -> Vec<u8> {
        let mut out = self.mailbox.clone().unwrap_or_default();
        if let Some(host) = self.host.as_ref().filter(|h| !h.is_empty()) {
            out.push(b'@');
            out.extend_from_slice(host);
        }
        out
    }
}

/// Words that stand together: perhaps an address, perhaps part of a name.
#[derive(Default)]
struct Item {
    text: Vec<u8>,
    comment: Option<Vec<u8>>,
}

/// Parses the value of an address field, folded or not.
pub fn parse(value: &[u8]) -> Vec<Address> {
    let mut p = Parser {
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
    };
    p.run();
    p.list
}

struct Parser<'a> {
    lex: Lexer<'a>,
    list: Vec<Address>,
    /// What stands since the last separator, as addresses ...
    items: Vec<Item>,
    /// ... and as a display name.
    phrase: Vec<u8>,
    /// A comment before the first item.
    comment: Option<Vec<u8>>,
    /// White space was passed.
    gap: bool,
    /// The item ends in `@` or `.`: the next word joins it even after white space (RFC 5322 4.4).
    glue: bool,
    /// False once a quote was found that never ends: from there on `"` is an ordinary character.
    quotes_end: bool,
    in_group: bool,
    /// Some item holds an `@`: a colon then belongs to a source route, not to a group.
    has_at: bool,
}

impl Parser<'_> {
    fn run(&mut self) {
        while let Some(b) = self.lex.peek() {
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
            self.items.push(Item::default());
        }
        if self.items.is_empty() {
            self.items.push(Item::default());
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
        let len = rest.iter().skip(1).position(|b| is_space(*b) || b"(\"<>,;:@.".contains(b)).map_or(rest.len(), |at| at + 1);
        let word = rest.get(..len).unwrap_or(rest);
        for _ in 0..len {
            self.lex.bump();
        }
        self.word(word, word);
    }

    fn literal(&mut self) {
        let rest = self.lex.rest();
        let len = rest.iter().position(|b| *b == b']').map_or(1, |at| at + 1);
        let word = rest.get(..len).unwrap_or(rest);
        for _ in 0..len {
            self.lex.bump();
        }
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

    /// At a quote: the string as written and as meant; None when it never ends.
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
        let mut address = split(&text);
        let phrase = std::mem::take(&mut self.phrase);
        let before = self.comment.take();
        address.name = Some(trimmed(phrase)).filter(|p| !p.is_empty()).or(before).or(comment);
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

    /// A separator: what has gathered was addresses without brackets.
    fn flush(&mut self) {
        let mut before = self.comment.take();
        for item in self.items.drain(..) {
            let mut address = split(&item.text);
            address.name = item.comment.or(before.take());
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
        self.list.push(Address { mailbox: Some(name), ..Address::default() });
        self.in_group = true;
    }

    /// The marker that RFC 3501 asks for, also where the text forgot its semicolon.
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
fn split(text: &[u8]) -> Address {
    let (route, text) = match text.first() {
        Some(b'@') => match text.iter().position(|b| *b == b':') {
            Some(colon) => (text.get(..colon).map(<[u8]>::to_vec), text.get(colon + 1..).unwrap_or_default()),
            None => (None, text),
        },
        _ => (None, text),
    };
    let quote = text.iter().rposition(|b| *b == b'"').unwrap_or(0);
    let at = text.iter().rposition(|b| *b == b'@').filter(|at| *at >= quote);
    let (mailbox, host) = match at {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
        None => (text, &b""[..]),
    };
    Address { name: None, route, mailbox: Some(mailbox.to_vec()), host: Some(host.to_vec()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn show(v: &str) -> String {
        let s = |o: &Option<Vec<u8>>| o.as_ref().map_or("-".to_string(), |v| format!("{}", String::from_utf8_lossy(v)));
        parse(v.as_bytes())
            .iter()
            .map(|a| {
                let route = a.route.as_ref().map_or(String::new(), |r| format!("{}:", String::from_utf8_lossy(r)));
                format!("({}|{}{}|{})", s(&a.name), route, s(&a.mailbox), s(&a.host))
            })
            .collect()
    }

    #[test]
    fn table() {
        for (value, want) in [
            ("John <j@x>", "(John|j|x)"),
            ("j@x", "(-|j|x)"),
            ("<j@x>", "(-|j|x)"),
            ("foo@bar (Foo Bar)", "(Foo Bar|foo|bar)"),
            (r#""Doe, \"J\" Q" <j@x>"#, r#"(Doe, "J" Q|j|x)"#),
            (r#""a\\b" <"q p"@x>"#, r#"(a\b|"q p"|x)"#),
            ("plain", "(-|plain|)"),
            ("<@r1,@r2:m@s>", "(-|@r1,@r2:m|s)"),
            ("@r:m@s", "(-|@r:m|s)"),
            ("g: a@b, c@d;", "(-|g|-)(-|a|b)(-|c|d)(-|-|-)"),
            ("undisclosed-recipients:;", "(-|undisclosed-recipients|-)(-|-|-)"),
            ("Undisclosed recipients:", "(-|Undisclosed recipients|-)(-|-|-)"),
            ("g1:a@b;g2:c@d;", "(-|g1|-)(-|a|b)(-|-|-)(-|g2|-)(-|c|d)(-|-|-)"),
            ("g: h: a@b;;", "(-|g|-)(-|-|-)(-|h|-)(-|a|b)(-|-|-)"),
            ("my group (c): a@b;, x@y", "(-|my group (c)|-)(-|a|b)(-|-|-)(-|x|y)"),
            ("a@b;c@d", "(-|a|b)(-|c|d)"),
            ("empty multi", "(-|empty|)(-|multi|)"),
            ("a@b c@d", "(-|a|b)(-|c|d)"),
            ("John Doe <j@x> Jane <k@x>", "(John Doe|j|x)(Jane|k|x)"),
            ("John (x) <j@x>", "(John (x)|j|x)"),
            ("(c) j@x (d)", "(d|j|x)"),
            ("(c) <j@x>", "(c|j|x)"),
            ("<j@x> (c)", "(c|j|x)"),
            ("J <j@x> (c), k@y", "(J|j|x)(-|k|y)"),
            ("foo@bar.com <foo@bar.com>", "(foo@bar.com|foo|bar.com)"),
            ("John Q. Public <j@x>", "(John Q. Public|j|x)"),
            ("<>", "(-||)"),
            ("John <>", "(John||)"),
            (r#""a" "b" <c@d>"#, "(a b|c|d)"),
            ("a  b\r\n\tc <c@d>", "(a b c|c|d)"),
            ("j @ x . y", "(-|j|x.y)"),
            ("j@[1.2.3.4]", "(-|j|[1.2.3.4])"),
            ("<j@[IPv6:1::2]>", "(-|j|[IPv6:1::2])"),
            ("j@[IPv6:1::2], k", "(-|j|[IPv6:1::2])(-|k|)"),
            ("j@x@y", "(-|j@x|y)"),
            ("\"unclosed <a@b>, c@d", "(\"unclosed|a|b)(-|c|d)"),
            ("John <a@b", "(John|a|b)"),
            ("John <a@b, Jane <c@d>", "(John|a|b)(Jane|c|d)"),
            ("<<a@b>>", "(-|a|b)"),
            ("a@b>", "(-|a|b)"),
            (",,a@b,,", "(-|a|b)"),
            ("=?utf-8?q?J=C3=A9?= =?utf-8?q?x?= <a@b>", "(=?utf-8?q?J=C3=A9?= =?utf-8?q?x?=|a|b)"),
            ("a@b (c (d) e)", "(c (d) e|a|b)"),
            (r"a@b (c\)d)", "(c)d|a|b)"),
            ("MAILER-DAEMON (Mail System)", "(Mail System|MAILER-DAEMON|)"),
            ("a!b!c", "(-|a!b!c|)"),
            ("a@", "(-|a|)"),
            ("@b", "(-||b)"),
            ("<a b@c>", "(-|a b|c)"),
            ("< a @ b >", "(-|a|b)"),
            ("\"a@b\" <c@d>", "(a@b|c|d)"),
            ("\"a@b\"@c", "(-|\"a@b\"|c)"),
            ("'J' <a@b>", "('J'|a|b)"),
            ("José <a@b>", "(José|a|b)"),
            ("", ""),
            (" , ;", ""),
        ] {
            assert_eq!(show(value), want, "{value:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn anything(v in prop::collection::vec(prop::sample::select(b"a@.<>(),;:\"\\[] \n\xe9".to_vec()), 0..60)) {
            let list = parse(&v);
            // Groups open and close in turn.
            let mut open = false;
            for a in &list {
                if a.is_group_start() {
                    prop_assert!(!open);
                    open = true;
                } else if a.is_group_end() {
                    prop_assert!(open);
                    open = false;
                }
            }
            prop_assert!(!open);
        }
    }
}
