//! What a FETCH asks for: `fetch-att` and its sections, from tokens (RFC 3501 9, PROTOCOL 5.1,
//! 5.7).

use crate::commands::args::{self, Which};
use crate::commands::{Call, capability};
use crate::mime::facts::Names;
use crate::response::fetch::section_label;
use crate::session::{Error, Features, Options, Outcome, Result, Session};
use crate::types::limits::{MAX_FETCH_ITEMS, MAX_HEADER_NAMES};
use crate::types::{Page, number};
use crate::wire::input::Brackets;
use crate::wire::{Io, Token};

/// The arguments of FETCH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    /// Which messages.
    pub(crate) which: Which,
    /// What of them, macros resolved, in the order asked.
    pub(crate) items: Vec<Item>,
    /// Which of them.
    pub(crate) modifiers: Modifiers,
}

/// `fetch-modifier`s (RFC 4466 2.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Modifiers {
    /// `CHANGEDSINCE`: those with a greater modification sequence (RFC 7162 3.1.4.1).
    pub(crate) since: Option<u64>,
    /// `VANISHED`: and the UIDs that are gone since (RFC 7162 3.2.6).
    pub(crate) vanished: bool,
    /// `PARTIAL`: of these, those at these places (RFC 9394 3.3, 3.4).
    pub(crate) page: Option<Page>,
}

/// One `fetch-att`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Item {
    /// `FLAGS`
    Flags,
    /// `UID`
    Uid,
    /// `INTERNALDATE`
    InternalDate,
    /// `SAVEDATE`
    SaveDate,
    /// `MODSEQ`
    ModSeq,
    /// `RFC822.SIZE`
    Size,
    /// `ENVELOPE`
    Envelope,
    /// `BODY`
    Body,
    /// `BODYSTRUCTURE`
    BodyStructure,
    /// `BODY[...]`, `BODY.PEEK[...]`, `RFC822`, `RFC822.HEADER`, `RFC822.TEXT`
    Section(Section),
    /// `BINARY[...]`, `BINARY.PEEK[...]`
    Binary(Section),
    /// `BINARY.SIZE[...]`
    BinarySize(Section),
}

/// Bytes of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Section {
    /// How the answer names it: `BODY[1.MIME]<0>`, `RFC822`.
    pub(crate) label: Vec<u8>,
    /// Which part; empty for the message itself.
    pub(crate) path: Vec<u32>,
    /// What of the part.
    pub(crate) what: What,
    /// The names of HEADER.FIELDS and HEADER.FIELDS.NOT.
    pub(crate) names: Vec<Vec<u8>>,
    /// The same, for what is remembered.
    pub(crate) digests: Names,
    /// The first byte and the number of bytes, on the wire.
    pub(crate) partial: Option<(u64, u64)>,
    /// Whether \Seen stays as it is.
    pub(crate) peek: bool,
}

/// `section-text`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// Nothing was said: the whole message, or the body of a part.
    Whole,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS`
    Fields,
    /// `HEADER.FIELDS.NOT`
    FieldsNot,
    /// `TEXT`
    Text,
    /// `MIME`
    Mime,
}

/// What the items need, all together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Needs {
    /// The message's file, if only to stat it.
    pub(crate) file: bool,
    /// What is in the file.
    pub(crate) bytes: bool,
    /// More of it than its header.
    pub(crate) all: bool,
    /// \Seen is to be set.
    pub(crate) seen: bool,
    /// The UID is among the items.
    pub(crate) uid: bool,
    /// The flags are among the items.
    pub(crate) flags: bool,
    /// The modification sequence is among the items.
    pub(crate) sequence: bool,
}

impl Item {
    /// What it needs.
    pub(crate) fn needs(&self) -> Needs {
        match self {
            Item::Flags => Needs { flags: true, ..Needs::default() },
            Item::SaveDate => Needs::default(),
            Item::ModSeq => Needs { sequence: true, ..Needs::default() },
            Item::Uid => Needs { uid: true, ..Needs::default() },
            Item::InternalDate => Needs { file: true, ..Needs::default() },
            Item::Envelope => Needs { file: true, bytes: true, ..Needs::default() },
            Item::Size | Item::Body | Item::BodyStructure | Item::BinarySize(_) => {
                Needs { file: true, bytes: true, all: true, ..Needs::default() }
            }
            Item::Binary(section) => Needs {
                file: true,
                bytes: true,
                all: true,
                seen: !section.peek,
                ..Needs::default()
            },
            Item::Section(section) => {
                let head = matches!(section.what, What::Header | What::Fields | What::FieldsNot);
                let all = !head || !section.path.is_empty();
                Needs { file: true, bytes: true, all, seen: !section.peek, ..Needs::default() }
            }
        }
    }
}

/// What all of the items need.
pub(crate) fn needs(items: &[Item]) -> Needs {
    items.iter().map(Item::needs).fold(Needs::default(), |a, b| Needs {
        file: a.file | b.file,
        bytes: a.bytes | b.bytes,
        all: a.all | b.all,
        seen: a.seen | b.seen,
        uid: a.uid | b.uid,
        flags: a.flags | b.flags,
        sequence: a.sequence | b.sequence,
    })
}

/// `fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP
/// fetch-att) ")") [SP fetch-modifiers]`
///
/// Courier: macros may stand in the list too.
pub(crate) fn parse(s: &mut Session, call: &Call<'_>) -> Result<Request> {
    let which = args::set(s)?;
    let (mut items, modifiers) = rest(s)?;
    // RFC 7162 3.2.6
    if modifiers.vanished && !(call.uid && modifiers.since.is_some()) {
        return Err(Error::Syntax);
    }
    let asks = items.contains(&Item::ModSeq);
    if modifiers.since.is_some() && !asks {
        // RFC 7162 3.1.4.1: "it implicitly adds the MODSEQ FETCH message data item".
        items.push(Item::ModSeq);
    }
    if modifiers.since.is_some() || asks {
        args::need_sequences(s)?;
    }
    Ok(Request { which, items, modifiers })
}

/// Everything behind the set, to the end of the line.
pub(super) fn rest(s: &mut Session) -> Result<(Vec<Item>, Modifiers)> {
    Ok((items(s)?, modifiers(s)?))
}

/// The items behind the set.
fn items(s: &mut Session) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    match s.io.token()? {
        Token::Open => loop {
            match s.io.token()? {
                Token::Close if !items.is_empty() => break,
                token => {
                    item(s, &token, &mut items)?;
                    check_count(&items)?;
                }
            }
        },
        token => item(s, &token, &mut items)?,
    }
    Ok(items)
}

/// `["(" fetch-modifier *(SP fetch-modifier) ")"]` (RFC 4466 2.4), to the end of the line.
fn modifiers(s: &mut Session) -> Result<Modifiers> {
    let mut modifiers = Modifiers::default();
    match s.io.token()? {
        Token::Eol => return Ok(modifiers),
        Token::Open => {}
        _ => return Err(Error::Syntax),
    }
    loop {
        match s.io.token()? {
            Token::Close if modifiers != Modifiers::default() => break,
            token if token.is("PARTIAL") => modifiers.page = Some(args::page(s, modifiers.page)?),
            token if token.is("CHANGEDSINCE") => {
                let is_offered = capability::is_offered(&s.options, "CONDSTORE");
                if modifiers.since.is_some() || !is_offered {
                    return Err(Error::Syntax);
                }
                // RFC 7162 7, `mod-sequence-value`: not 0.
                let since = args::mod_sequence(s)?;
                modifiers.since = Some(Some(since).filter(|n| *n > 0).ok_or(Error::Syntax)?);
            }
            // RFC 7162 3.2.3: BAD, unless it was enabled.
            token if token.is("VANISHED") && !modifiers.vanished => {
                modifiers.vanished = s.enabled.contains(Features::QRESYNC);
                if !modifiers.vanished {
                    return Err(Error::Syntax);
                }
            }
            _ => return Err(Error::Syntax),
        }
    }
    s.io.end_of_line()?;
    Ok(modifiers)
}

/// Refuses more items than one command may hold.
fn check_count(items: &[Item]) -> Result<()> {
    if items.len() <= MAX_FETCH_ITEMS {
        return Ok(());
    }
    Outcome::too_many("Too many items in one command.").refuse()
}

/// The items that an extension brings, and the word that announces it.
const OF_EXTENSIONS: [(&[u8], &str); 5] = [
    (b"MODSEQ", "CONDSTORE"),
    (b"BINARY", "BINARY"),
    (b"BINARY.PEEK", "BINARY"),
    (b"BINARY.SIZE", "BINARY"),
    (b"SAVEDATE", "SAVEDATE"),
];

/// Whether a `fetch-att` is one in this session, as far as extensions decide that.
fn is_known(options: &Options, word: &[u8]) -> bool {
    let extension = OF_EXTENSIONS.iter().find(|(item, _)| *item == word);
    extension.is_none_or(|(_, capability)| capability::is_offered(options, capability))
}

/// `fetch-att`, or a macro.
fn item(s: &mut Session, token: &Token, items: &mut Vec<Item>) -> Result<()> {
    let word = token.word().filter(|word| is_known(&s.options, word)).ok_or(Error::Syntax)?;
    let io = &mut s.io;
    const FAST: [Item; 3] = [Item::Flags, Item::InternalDate, Item::Size];
    let one = match &*word {
        b"FAST" | b"ALL" | b"FULL" => {
            items.extend(FAST);
            if word != b"FAST" {
                items.push(Item::Envelope);
            }
            if word == b"FULL" {
                items.push(Item::Body);
            }
            return Ok(());
        }
        b"FLAGS" => Item::Flags,
        b"UID" => Item::Uid,
        b"INTERNALDATE" => Item::InternalDate,
        b"SAVEDATE" => Item::SaveDate,
        b"MODSEQ" => Item::ModSeq,
        b"ENVELOPE" => Item::Envelope,
        b"BODYSTRUCTURE" => Item::BodyStructure,
        b"RFC822.SIZE" => Item::Size,
        // RFC 3501 6.4.5: RFC822 and RFC822.TEXT set \Seen (Courier: RFC822 alone), RFC822.HEADER
        // does not.
        b"RFC822" => Item::Section(whole(word, What::Whole, false)),
        b"RFC822.HEADER" => Item::Section(whole(word, What::Header, true)),
        b"RFC822.TEXT" => Item::Section(whole(word, What::Text, false)),
        b"BODY" | b"BODY.PEEK" => {
            if *io.peek()? == Token::BracketOpen {
                io.token()?;
                Item::Section(section(s, word != b"BODY")?)
            } else {
                // Courier: BODY.PEEK without a section is BODY.
                Item::Body
            }
        }
        b"BINARY" => Item::Binary(section_binary(io, "BINARY", false)?),
        b"BINARY.PEEK" => Item::Binary(section_binary(io, "BINARY", true)?),
        b"BINARY.SIZE" => Item::BinarySize(section_binary(io, "BINARY.SIZE", true)?),
        _ => return Err(Error::Syntax),
    };
    items.push(one);
    Ok(())
}

fn whole(label: Vec<u8>, what: What, peek: bool) -> Section {
    let (path, names, digests) = Default::default();
    Section { label, path, what, names, digests, partial: None, peek }
}

/// `section = "[" [section-spec] "]"` with what may follow it, after the opening bracket.
fn section(s: &mut Session, peek: bool) -> Result<Section> {
    let utf8 = s.utf8();
    let io = &mut s.io;
    let mut section = whole(Vec::new(), What::Whole, peek);
    let mut spec = Vec::new();
    match io.token()? {
        Token::BracketClose => {}
        token => {
            spec = token.word().ok_or(Error::Syntax)?;
            (section.path, section.what) = section_spec(&spec).ok_or(Error::Syntax)?;
            if matches!(section.what, What::Fields | What::FieldsNot) {
                section.names = header_list(io)?;
                section.digests = Names::of(section.names.iter().map(Vec::as_slice));
            }
            if io.token()? != Token::BracketClose {
                return Err(Error::Syntax);
            }
        }
    }
    section.partial = optional_partial(io)?;
    let start = section.partial.map(|(start, _)| start);
    section.label = section_label("BODY", &spec, &section.names, start, utf8);
    Ok(section)
}

/// `section-binary = "[" [section-part] "]"` (RFC 3516 7) with what may follow it, of the data item
/// that the answer names so.
fn section_binary(io: &mut Io, name: &str, peek: bool) -> Result<Section> {
    if io.token()? != Token::BracketOpen {
        return Err(Error::Syntax);
    }
    let mut section = whole(Vec::new(), What::Whole, peek);
    let mut spec = Vec::new();
    let mut token = io.token()?;
    if let Some(word) = token.word() {
        spec = word;
        let (path, what) = section_spec(&spec).ok_or(Error::Syntax)?;
        if what != What::Whole {
            return Err(Error::Syntax);
        }
        section.path = path;
        token = io.token()?;
    }
    if token != Token::BracketClose {
        return Err(Error::Syntax);
    }
    if name == "BINARY" {
        section.partial = optional_partial(io)?;
    }
    let start = section.partial.map(|(start, _)| start);
    section.label = section_label(name, &spec, &[], start, false);
    Ok(section)
}

/// `[partial]`
fn optional_partial(io: &mut Io) -> Result<Option<(u64, u64)>> {
    let text = match io.peek()? {
        Token::Atom(text) if text.starts_with(b"<") => text.clone(),
        _ => return Ok(None),
    };
    io.token()?;
    Ok(Some(partial(&text).ok_or(Error::Syntax)?))
}

/// `section-spec = section-msgtext / (section-part ["." section-text])`, in upper case.
pub(crate) fn section_spec(word: &[u8]) -> Option<(Vec<u32>, What)> {
    let mut path = Vec::new();
    let mut rest = word;
    while rest.first().is_some_and(u8::is_ascii_digit) {
        let end = memchr::memchr(b'.', rest).unwrap_or(rest.len());
        let (digits, tail) = rest.split_at(end);
        if digits.starts_with(b"0") {
            return None;
        }
        // A number beyond all parts names one that is not there.
        let part = number::digits(digits)
            .or_else(|| digits.iter().all(u8::is_ascii_digit).then_some(u64::MAX))?;
        path.push(u32::try_from(part).unwrap_or(u32::MAX));
        rest = match tail.split_first() {
            None => return Some((path, What::Whole)),
            Some((_, tail)) => tail,
        };
    }
    let what = match rest {
        b"HEADER" => What::Header,
        b"HEADER.FIELDS" => What::Fields,
        b"HEADER.FIELDS.NOT" => What::FieldsNot,
        b"TEXT" => What::Text,
        // RFC 3501 9: MIME only behind a part.
        b"MIME" if !path.is_empty() => What::Mime,
        _ => return None,
    };
    Some((path, what))
}

/// `header-list = "(" header-fld-name *(SP header-fld-name) ")"`. Courier: no name at all, and one
/// name without parentheses, are taken too.
fn header_list(io: &mut Io) -> Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    match io.token()? {
        Token::Open => loop {
            match io.token_as(Brackets::Text)? {
                Token::Close => return Ok(names),
                _ if names.len() >= MAX_HEADER_NAMES => {
                    return Outcome::too_many("Too many header names in one list.").refuse();
                }
                token => names.push(io.text_of(token)?),
            }
        },
        token => names.push(io.text_of(token)?),
    }
    Ok(names)
}

/// `"<" number "." nz-number ">"`. Courier: the count may be missing (all the rest), and what does
/// not parse behind the numbers is passed over.
fn partial(text: &[u8]) -> Option<(u64, u64)> {
    let inside = text.strip_prefix(b"<")?.strip_suffix(b">")?;
    let (start, rest) = leading_number(inside)?;
    let count = rest.strip_prefix(b".").and_then(leading_number).map_or(u64::MAX, |(n, _)| n);
    Some((start, count))
}

fn leading_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() { None } else { Some((number::digits(digits).unwrap_or(u64::MAX), rest)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sections() {
        for (text, path, what) in [
            ("HEADER", &[][..], What::Header),
            ("TEXT", &[], What::Text),
            ("1", &[1], What::Whole),
            ("1.2.3", &[1, 2, 3], What::Whole),
            ("10.HEADER.FIELDS.NOT", &[10], What::FieldsNot),
            ("4.HEADER.FIELDS", &[4], What::Fields),
            ("1.MIME", &[1], What::Mime),
            ("99999999999999999999999", &[u32::MAX], What::Whole),
        ] {
            assert_eq!(section_spec(text.as_bytes()), Some((path.to_vec(), what)), "{text}");
        }
        for bad in [
            "0", "1.", "1.0", "1.01", "MIME", ".1", "1..2", "1x", "1.X", "TEXT.1", "HEADER.",
            "FIELDS", "",
        ] {
            assert_eq!(section_spec(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn partials() {
        for (text, expected) in [
            ("<0.5>", (0, 5)),
            ("<7>", (7, u64::MAX)),
            ("<0,5>", (0, u64::MAX)),
            ("<1.x>", (1, u64::MAX)),
            ("<1.2x>", (1, 2)),
            ("<99999999999999999999.0>", (u64::MAX, 0)),
        ] {
            assert_eq!(partial(text.as_bytes()), Some(expected), "{text}");
        }
        for bad in ["<>", "<x>", "<.5>", "<1.2", "1>", "<"] {
            assert_eq!(partial(bad.as_bytes()), None, "{bad}");
        }
    }
}
