//! SEARCH's criteria: from tokens to a tree (RFC 3501 6.4.4, PROTOCOL 6.5). The tree says what the
//! client wrote, strings still in the client's character set; nothing in here looks at a folder.

use crate::mime::date;
use crate::types::keywords::is_valid_keyword;
use crate::types::limits::MAX_SEARCH_KEYS;
use crate::types::{Flags, ModSeq};
use crate::wire::{Error, Io, Result, Set, Token};

/// How a date is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    /// Earlier than the day.
    Before,
    /// Within the day.
    On,
    /// Within the day or later.
    Since,
}

impl When {
    /// Whether `day` stands so to `limit`; both in days since 1970-01-01.
    pub(crate) fn holds(self, day: i64, limit: i64) -> bool {
        match self {
            When::Before => day < limit,
            When::On => day == limit,
            When::Since => day >= limit,
        }
    }
}

/// `search-key`
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    /// Every message.
    All,
    /// All of these.
    And(Vec<Key>),
    /// Any of these.
    Or(Vec<Key>),
    /// Not this.
    Not(Box<Key>),
    /// By sequence number.
    Numbers(Set),
    /// By UID.
    Uids(Set),
    /// `$`: what the last SEARCH with SAVE has found.
    Found,
    /// Having a system flag.
    Flag(Flags),
    /// \Recent.
    Recent,
    /// Having a keyword.
    Keyword(Vec<u8>),
    /// By the day of the internal date, in days since 1970-01-01.
    Internal(When, i64),
    /// By the day in the Date field, in days since 1970-01-01.
    Sent(When, i64),
    /// By the day on which it came into the folder, in days since 1970-01-01.
    Saved(When, i64),
    /// Received at least so many seconds ago.
    Older(u64),
    /// Received at most so many seconds ago.
    Younger(u64),
    /// Changed with this modification sequence or a greater one.
    Changed(u64),
    /// More bytes on the wire than this.
    Larger(u64),
    /// Fewer bytes on the wire than this.
    Smaller(u64),
    /// A string in a header field: name, string.
    Header(Vec<u8>, Vec<u8>),
    /// A string in the text parts.
    Body(Vec<u8>),
    /// A string in a header or in the text parts.
    Text(Vec<u8>),
}

/// The inside of `( ... )`, of a NOT or of an OR that is not complete yet. A stack of these stands
/// in for recursion: a client's parentheses never reach the machine's stack.
enum Open {
    List(Vec<Key>),
    Not,
    Or(Option<Key>),
}

/// What one token, with its arguments, is.
enum Step {
    Key(Key),
    Open(Open),
}

/// Keys of extensions, and the capabilities that announce them.
const EXTENSIONS: [(&str, &str); 8] = [
    ("MODSEQ", "CONDSTORE"),
    ("$", "SEARCHRES"),
    ("OLDER", "WITHIN"),
    ("YOUNGER", "WITHIN"),
    ("SAVEDBEFORE", "SAVEDATE"),
    ("SAVEDON", "SAVEDATE"),
    ("SAVEDSINCE", "SAVEDATE"),
    ("SAVEDATESUPPORTED", "SAVEDATE"),
];

/// Whether a capability is offered.
pub(super) type Offered<'a> = &'a dyn Fn(&str) -> bool;

/// `1*(SP search-key)` and the end of the line: all keys must hold. `first` is a first token that
/// was read already. A key that is not `offered` is unknown.
///
/// # Errors
/// A line outside the grammar, or with more keys than are accepted.
pub(super) fn parse(io: &mut Io, first: Option<Token>, offered: Offered<'_>) -> Result<Key> {
    let mut first = first;
    let mut stack: Vec<Open> = Vec::new();
    let mut all = Vec::new();
    let mut count = 0usize;
    loop {
        let token = match first.take() {
            Some(token) => token,
            None => io.token()?,
        };
        let mut done = match token {
            Token::Eol if stack.is_empty() && !all.is_empty() => return Ok(and(all)),
            Token::Close => match stack.pop() {
                // Courier too: `()` is refused.
                Some(Open::List(keys)) if !keys.is_empty() => and(keys),
                _ => return Err(Error::Syntax),
            },
            token => {
                count = count.saturating_add(1);
                if count > MAX_SEARCH_KEYS {
                    return Err(Error::TooMany("Too many search keys in one command."));
                }
                match step(io, token, offered)? {
                    Step::Key(key) => key,
                    Step::Open(open) => {
                        stack.push(open);
                        continue;
                    }
                }
            }
        };
        // A complete key goes to whatever waits for it, which may thereby be complete itself.
        loop {
            match stack.pop() {
                None => {
                    all.push(done);
                    break;
                }
                Some(Open::List(mut keys)) => {
                    keys.push(done);
                    stack.push(Open::List(keys));
                    break;
                }
                Some(Open::Or(None)) => {
                    stack.push(Open::Or(Some(done)));
                    break;
                }
                Some(Open::Not) => done = not(done),
                Some(Open::Or(Some(other))) => done = or(other, done),
            }
        }
    }
}

/// All of these, nested lists made flat.
fn and(keys: Vec<Key>) -> Key {
    let mut flat = Vec::with_capacity(keys.len());
    for key in keys {
        match key {
            Key::And(mut inner) => flat.append(&mut inner),
            key => flat.push(key),
        }
    }
    match flat.pop() {
        Some(only) if flat.is_empty() => only,
        Some(last) => {
            flat.push(last);
            Key::And(flat)
        }
        None => Key::All,
    }
}

/// `OR a OR b c` is one list of three.
fn or(a: Key, b: Key) -> Key {
    let mut keys = match a {
        Key::Or(keys) => keys,
        a => vec![a],
    };
    match b {
        Key::Or(mut more) => keys.append(&mut more),
        b => keys.push(b),
    }
    Key::Or(keys)
}

/// RFC 3501 9: `"NOT" SP search-key`, of which NOT itself is one; Courier refuses `NOT NOT x`.
fn not(key: Key) -> Key {
    match key {
        Key::Not(inner) => *inner,
        key => Key::Not(Box::new(key)),
    }
}

fn flag(flag: Flags) -> Step {
    Step::Key(Key::Flag(flag))
}

fn unless(key: Key) -> Step {
    Step::Key(not(key))
}

/// One token and the arguments that belong to it.
fn step(io: &mut Io, token: Token, offered: Offered<'_>) -> Result<Step> {
    let text = match token {
        Token::Open => return Ok(Step::Open(Open::List(Vec::new()))),
        Token::Atom(text) => text,
        _ => return Err(Error::Syntax),
    };
    if !is_known(&text, offered) {
        return Err(Error::Syntax);
    }
    let key = match text.to_ascii_uppercase().as_slice() {
        b"ALL" => Key::All,
        b"NOT" => return Ok(Step::Open(Open::Not)),
        b"OR" => return Ok(Step::Open(Open::Or(None))),
        b"ANSWERED" => return Ok(flag(Flags::ANSWERED)),
        b"DELETED" => return Ok(flag(Flags::DELETED)),
        b"DRAFT" => return Ok(flag(Flags::DRAFT)),
        b"FLAGGED" => return Ok(flag(Flags::FLAGGED)),
        b"SEEN" => return Ok(flag(Flags::SEEN)),
        b"UNANSWERED" => return Ok(unless(Key::Flag(Flags::ANSWERED))),
        b"UNDELETED" => return Ok(unless(Key::Flag(Flags::DELETED))),
        b"UNDRAFT" => return Ok(unless(Key::Flag(Flags::DRAFT))),
        b"UNFLAGGED" => return Ok(unless(Key::Flag(Flags::FLAGGED))),
        b"UNSEEN" => return Ok(unless(Key::Flag(Flags::SEEN))),
        b"RECENT" => Key::Recent,
        b"OLD" => return Ok(unless(Key::Recent)),
        // RFC 3501 6.4.4: "functionally equivalent to (RECENT UNSEEN)".
        b"NEW" => Key::And(vec![Key::Recent, not(Key::Flag(Flags::SEEN))]),
        b"KEYWORD" => Key::Keyword(string(io)?),
        b"UNKEYWORD" => return Ok(unless(Key::Keyword(string(io)?))),
        b"BEFORE" => Key::Internal(When::Before, day(io)?),
        b"ON" => Key::Internal(When::On, day(io)?),
        b"SINCE" => Key::Internal(When::Since, day(io)?),
        b"SENTBEFORE" => Key::Sent(When::Before, day(io)?),
        b"SENTON" => Key::Sent(When::On, day(io)?),
        b"SENTSINCE" => Key::Sent(When::Since, day(io)?),
        b"SAVEDBEFORE" => Key::Saved(When::Before, day(io)?),
        b"SAVEDON" => Key::Saved(When::On, day(io)?),
        b"SAVEDSINCE" => Key::Saved(When::Since, day(io)?),
        // RFC 8514 4.3: of a folder, all or none.
        b"SAVEDATESUPPORTED" => Key::All,
        b"OLDER" => Key::Older(interval(io)?),
        b"YOUNGER" => Key::Younger(interval(io)?),
        b"MODSEQ" => Key::Changed(mod_sequence(io)?),
        b"LARGER" => Key::Larger(number(io)?),
        b"SMALLER" => Key::Smaller(number(io)?),
        b"HEADER" => {
            let name = string(io)?;
            Key::Header(name, string(io)?)
        }
        name @ (b"BCC" | b"CC" | b"FROM" | b"SUBJECT" | b"TO") => {
            Key::Header(name.to_vec(), string(io)?)
        }
        b"BODY" => Key::Body(string(io)?),
        b"TEXT" => Key::Text(string(io)?),
        b"$" => Key::Found,
        b"UID" => match io.token()? {
            Token::Atom(text) if text == b"$" && is_known(&text, offered) => Key::Found,
            Token::Atom(text) => Key::Uids(Set::parse(&text).ok_or(Error::Syntax)?),
            _ => return Err(Error::Syntax),
        },
        _ => Key::Numbers(Set::parse(&text).ok_or(Error::Syntax)?),
    };
    Ok(Step::Key(key))
}

/// `[SP entry-name SP entry-type-req] SP mod-sequence-valzer` (RFC 7162 7). One modification sequence
/// stands for all that can change in a message, so the entry says nothing (3.1.5).
fn mod_sequence(io: &mut Io) -> Result<u64> {
    let mut token = io.token()?;
    if let Token::Quoted(entry) = &token {
        let flag = entry.strip_prefix(b"/flags/").unwrap_or_default();
        let flag = flag.strip_prefix(b"\\").unwrap_or(flag);
        if flag.is_empty() || !is_valid_keyword(flag) {
            return Err(Error::Syntax);
        }
        let kind = io.token()?;
        if !["priv", "shared", "all"].iter().any(|word| kind.is(word)) {
            return Err(Error::Syntax);
        }
        token = io.token()?;
    }
    token.number().filter(|n| *n <= ModSeq::MAX).ok_or(Error::Syntax)
}

/// Whether a word may be a key here: it is of no extension, or of one that is there.
fn is_known(text: &[u8], offered: Offered<'_>) -> bool {
    let extension = EXTENSIONS.iter().find(|(key, _)| text.eq_ignore_ascii_case(key.as_bytes()));
    extension.is_none_or(|(_, word)| offered(word))
}

/// `astring`
fn string(io: &mut Io) -> Result<Vec<u8>> {
    io.astring()
}

/// `date`, quoted or not. RFC 3501 9: what is no date is outside the grammar (Courier: it matches
/// nothing). A year of two digits is read as in mail (RFC 5322 4.3).
fn day(io: &mut Io) -> Result<i64> {
    let token = io.token()?;
    let text = io.text_of(token)?;
    date::parse_search(&with_century(text)).ok_or(Error::Syntax)
}

/// A date `14-Nov-23` as `14-Nov-2023`; others as they are.
fn with_century(mut text: Vec<u8>) -> Vec<u8> {
    if let [.., b'-', tens @ b'0'..=b'9', b'0'..=b'9'] = &*text {
        let century: &[u8] = if *tens < b'5' { b"20" } else { b"19" };
        let at = text.len().saturating_sub(2);
        text.splice(at..at, century.iter().copied());
    }
    text
}

/// `number`
fn number(io: &mut Io) -> Result<u64> {
    io.token()?.number().ok_or(Error::Syntax)
}

/// `nz-number` of OLDER and YOUNGER, in seconds (RFC 5032 3).
fn interval(io: &mut Io) -> Result<u64> {
    number(io).and_then(|n| if n == 0 { Err(Error::Syntax) } else { Ok(n) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::wire::connection::MemoryConnection;
    use proptest::prelude::*;

    fn read(line: &[u8]) -> Result<Key> {
        parse(&mut Io::new(Box::new(MemoryConnection::new(line, 0))), None, &|word| word != "GONE")
    }

    fn ok(line: &str) -> Key {
        read(format!("{line}\r\n").as_bytes()).unwrap_or_else(|_| panic!("{line}"))
    }

    #[test]
    fn keys() {
        let seen = || Key::Flag(Flags::SEEN);
        let not_seen = || Key::Not(Box::new(seen()));
        let set = |t: &str| Key::Numbers(Set::parse(t.as_bytes()).unwrap());
        let header = |n: &str, t: &str| Key::Header(n.into(), t.into());
        for (line, key) in [
            ("ALL", Key::All),
            ("unseen", not_seen()),
            ("NOT NOT SEEN", seen()),
            ("NOT (NOT UNSEEN)", not_seen()),
            ("NEW", Key::And(vec![Key::Recent, not_seen()])),
            ("OLD", Key::Not(Box::new(Key::Recent))),
            ("3:1,* (1 (SEEN))", Key::And(vec![set("3:1,*"), set("1"), seen()])),
            ("0", set("0")),
            ("UID 4:*", Key::Uids(Set::parse(b"4:*").unwrap())),
            ("OR SEEN OR 1 2", Key::Or(vec![seen(), set("1"), set("2")])),
            ("OR OR SEEN 1 2", Key::Or(vec![seen(), set("1"), set("2")])),
            (
                "OR (SEEN 1) NOT 2",
                Key::Or(vec![Key::And(vec![seen(), set("1")]), Key::Not(Box::new(set("2")))]),
            ),
            (
                "from nil subject NIL",
                Key::And(vec![header("FROM", "nil"), header("SUBJECT", "NIL")]),
            ),
            ("SUBJECT [a]", header("SUBJECT", "[a]")),
            ("HEADER X-[y] \"a b\"", header("X-[y]", "a b")),
            ("HEADER X {3+}\r\na\nb", header("X", "a\nb")),
            ("TEXT 12", Key::Text(b"12".to_vec())),
            ("BODY \"\"", Key::Body(Vec::new())),
            ("KEYWORD $Junk", Key::Keyword(b"$Junk".to_vec())),
            ("UNKEYWORD x", Key::Not(Box::new(Key::Keyword(b"x".to_vec())))),
            ("LARGER 0", Key::Larger(0)),
            ("smaller 4294967296", Key::Smaller(1 << 32)),
            ("SINCE 1-feb-1994", Key::Internal(When::Since, 8797)),
            ("older 5", Key::Older(5)),
            ("savedon 1-feb-1994", Key::Saved(When::On, 8797)),
            ("SAVEDATESUPPORTED", Key::All),
            ("modseq 0", Key::Changed(0)),
            ("MODSEQ 9223372036854775807", Key::Changed(ModSeq::MAX)),
            (r#"MODSEQ "/flags/\\draft" all 620162338"#, Key::Changed(620162338)),
            (r#"NOT MODSEQ "/flags/$Junk" PRIV 7"#, Key::Not(Box::new(Key::Changed(7)))),
            ("NOT YOUNGER 18446744073709551615", Key::Not(Box::new(Key::Younger(u64::MAX)))),
            ("UID $ $", Key::And(vec![Key::Found, Key::Found])),
            ("SENTON \"1-Feb-1994 10:00\"", Key::Sent(When::On, 8797)),
        ] {
            assert_eq!(ok(line), key, "{line}");
        }
    }

    #[test]
    fn refused() {
        for line in [
            "",
            "()",
            "(SEEN",
            "SEEN)",
            "(SEEN))",
            "NOT",
            "OR SEEN",
            "OR",
            "(NOT)",
            "(OR SEEN)",
            "FOO",
            "RETURN (MIN) ALL",
            "SUBJECT",
            "HEADER X",
            "LARGER x",
            "LARGER \"1\"",
            "LARGER",
            "MODSEQ",
            "MODSEQ x",
            "MODSEQ \"1\"",
            "MODSEQ 9223372036854775808",
            "MODSEQ -1",
            "MODSEQ all 7",
            r#"MODSEQ "/flags/\\draft" 7"#,
            r#"MODSEQ "/flags/\\draft" any 7"#,
            r#"MODSEQ "/flags/" all 7"#,
            r#"MODSEQ "/flags/a b" all 7"#,
            r#"MODSEQ "/comment" all 7"#,
            "MODSEQ /flags/x all 7",
            "BEFORE 2024-01-01",
            "ON 31-Feb-2024",
            "\"SEEN\"",
            "\"1\"",
            "UID",
            "UID \"1\"",
            "UID x",
            "1:0",
            ",1",
            "KEYWORD",
            "SEEN [",
            "SAVEDON",
            "SAVEDON x",
            "SAVEDDATE 1-Feb-1994",
            "YOUNGER",
            "YOUNGER 0",
            "OLDER \"5\"",
            "OLDER -1",
            "$,1",
            "1:$",
            "UID $:1",
            "SUBJECT (x)",
        ] {
            assert_eq!(read(format!("{line}\r\n").as_bytes()), Err(Error::Syntax), "{line}");
        }
    }

    #[test]
    fn hostile_nesting() {
        for (open, key, close) in [
            ("(", "SEEN", ")"),
            ("NOT ", "SEEN", ""),
            ("OR SEEN ", "SEEN", ""),
            ("(NOT OR 1 ", "2", ")"),
        ] {
            let line =
                |n: usize| format!("{}{key}{}\r\n", open.repeat(n), close.repeat(n)).into_bytes();
            assert!(read(&line(249)).is_ok(), "{open}");
            assert!(matches!(read(&line(100_000)), Err(Error::TooMany(_))), "{open}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_bytes(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&line);
        }

        #[test]
        fn any_words(words in proptest::collection::vec(proptest::sample::select(vec![
            "(", ")", "NOT", "OR", "SEEN", "1:*", "SUBJECT", "x", "{1+}\r\ny", "UID", "HEADER", "SINCE", "1-Feb-2020", "NEW",
        ]), 0..30)) {
            let _ = read(format!("{}\r\n", words.join(" ")).as_bytes());
        }
    }
}
