//! What APPEND and its kin store: the flags, the date and the data of one message, up to the first
//! of its bytes. These stay where they are, so that every check can come before the continuation.

use crate::commands::capability;
use crate::commands::flags::FlagList;
use crate::mime::date;
use crate::session::{Error, Result, Session};
use crate::wire::Token;
use crate::wire::input::Brackets;

/// Whether one command may store several messages.
pub(super) fn takes_several(s: &Session) -> bool {
    capability::is_offered(&s.options, "MULTIAPPEND")
}

/// Whether a message may come as a literal8, and have `binary` parts (RFC 3516 4.4).
pub(super) fn takes_binary(s: &Session) -> bool {
    capability::is_offered(&s.options, "BINARY")
}

/// Everything before a message's own bytes.
pub(crate) struct Message {
    /// Flags and keywords.
    pub(super) list: FlagList,
    /// Seconds since 1970.
    pub(super) date: Option<i64>,
    /// Where the bytes come from.
    pub(super) data: Data,
}

/// `append-data`: where a message's bytes come from. The head of the literal was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Data {
    /// A literal of so many bytes.
    Literal(u64),
    /// A literal8 of so many bytes (RFC 3516 4.4).
    Binary(u64),
    /// `UTF8 (~{n}...)` (RFC 6855 4, which RFC 9755 has dropped: clients of Courier send it).
    Utf8(u64),
    /// `CATENATE (...)` (RFC 4469), the first of its parts.
    Catenate(Part),
}

/// `cat-part`: some of a message's bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// `TEXT` and a literal of so many bytes.
    Text(u64),
    /// `TEXT` and a literal8 of so many bytes.
    Binary(u64),
    /// `UTF8 (~{n}...)` (RFC 6855 4, which RFC 9755 has dropped: clients of Courier send it).
    Utf8(u64),
    /// `URL` and the token of an astring. If that is a literal, it was not accepted yet.
    Url(Token),
}

impl Message {
    /// `[flag-list SP] [date-time SP] append-data` (RFC 3502, RFC 4466 2.8, `append-message`), its
    /// first token given. Upper-case `NIL` stands for no flags or no date, an empty string for no
    /// date, and one flag needs no parentheses (Courier).
    pub(crate) fn parse(s: &mut Session, mut token: Token) -> Result<Message> {
        let mut list = FlagList::default();
        let mut date = None;
        if token == Token::Open {
            list = FlagList::parse_list(s)?;
            token = s.io.token()?;
        } else if token == Token::Atom(b"NIL".to_vec()) {
            token = s.io.token()?;
        } else if let Token::Atom(flag) = &mut token
            && !(s.utf8() && flag.eq_ignore_ascii_case(b"UTF8"))
            && !(flag.eq_ignore_ascii_case(b"CATENATE") && catenates(s)?)
        {
            list = FlagList::of_one(s, std::mem::take(flag))?;
            token = s.io.token()?;
        }
        if let Token::Quoted(text) = &token {
            if !text.is_empty() {
                date = Some(date::parse_append(text).ok_or(Error::Syntax)?.unix());
            }
            token = s.io.token()?;
        } else if token == Token::Atom(b"NIL".to_vec()) {
            token = s.io.token()?;
        }
        Ok(Message { list, date, data: data(s, token)? })
    }
}

/// `append-data`, its first token given.
fn data(s: &mut Session, token: Token) -> Result<Data> {
    match token {
        Token::Literal(literal) if !literal.literal8 => Ok(Data::Literal(literal.length)),
        Token::Literal(literal) if takes_binary(s) => Ok(Data::Binary(literal.length)),
        token if s.utf8() && token.is("UTF8") => utf8_literal(s).map(Data::Utf8),
        token if token.is("CATENATE") && catenates(s)? => {
            s.io.token()?;
            let token = s.io.token()?;
            Part::parse(s, &token).map(Data::Catenate)
        }
        _ => Err(Error::Syntax),
    }
}

/// Whether the word CATENATE, the last token, begins `"CATENATE" SP "(" cat-part *(SP cat-part)
/// ")"`. It may be a keyword (Courier), and is nothing else where the extension is not offered.
fn catenates(s: &mut Session) -> Result<bool> {
    Ok(capability::is_offered(&s.options, "CATENATE") && *s.io.peek()? == Token::Open)
}

impl Part {
    /// `cat-part = "TEXT" SP (literal / literal8) / "URL" SP astring / utf8-literal`, its first token
    /// given.
    pub(super) fn parse(s: &mut Session, token: &Token) -> Result<Part> {
        if token.is("TEXT") {
            return match s.io.token()? {
                Token::Literal(literal) if !literal.literal8 => Ok(Part::Text(literal.length)),
                Token::Literal(literal) if takes_binary(s) => Ok(Part::Binary(literal.length)),
                _ => Err(Error::Syntax),
            };
        }
        if token.is("URL") {
            return match s.io.token_as(Brackets::Text)? {
                url @ (Token::Atom(_) | Token::Quoted(_) | Token::Literal(_)) => Ok(Part::Url(url)),
                _ => Err(Error::Syntax),
            };
        }
        if s.utf8() && token.is("UTF8") {
            utf8_literal(s).map(Part::Utf8)
        } else {
            Err(Error::Syntax)
        }
    }
}

/// `utf8-literal = "UTF8" SP "(" literal8 ")"`, behind its word: the length.
fn utf8_literal(s: &mut Session) -> Result<u64> {
    if s.io.token()? != Token::Open {
        return Err(Error::Syntax);
    }
    match s.io.token()? {
        Token::Literal(literal) if literal.literal8 => Ok(literal.length),
        _ => Err(Error::Syntax),
    }
}
