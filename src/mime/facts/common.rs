//! What parts mostly say of themselves, as one byte: type, charset and encoding of a text, type and
//! boundary of a multipart.
//!
//! ```text
//! code     = 0: none of these
//!            1 + 16 * type + 4 * charset + encoding: a text, with no id and no description
//!            33 + multipart: with no other parameter than its boundary, which follows; 7bit
//! type     = text/plain (0), text/html (1)
//! charset  = us-ascii (0), utf-8 (1), iso-8859-1 (2), windows-1252 (3)
//! encoding = 7bit (0), 8bit (1), quoted-printable (2), base64 (3)
//! multipart = mixed (0), alternative (1), related (2), signed (3)
//! ```

use super::bytes::Text;
use crate::mime::params::Param;
use crate::mime::structure::{Content, Part};

/// A description of a text.
pub(super) struct Common {
    /// As an answer has it: type, parameters, no identifier, no description, encoding.
    pub(super) written: &'static [u8],
    pub(super) subtype: &'static [u8],
    /// In the form of a payload.
    pub(super) params: &'static [u8],
    pub(super) encoding: &'static [u8],
}

/// The type of all of them.
pub(super) const TEXT: Text<'_> = Text::Quoted(b"\"text\"");

macro_rules! description {
    ($subtype:literal, $charset:literal, $params:literal, $encoding:literal) => {
        Common {
            written: concat!(
                "(\"text\" \"",
                $subtype,
                "\" (\"charset\" \"",
                $charset,
                "\") NIL NIL \"",
                $encoding,
                "\" "
            )
            .as_bytes(),
            subtype: concat!("\"", $subtype, "\"").as_bytes(),
            params: $params,
            encoding: concat!("\"", $encoding, "\"").as_bytes(),
        }
    };
}

macro_rules! all {
    ($($subtype:literal)*) => { [$(
        all!($subtype, "us-ascii", b"\x05\x0b"),
        all!($subtype, "utf-8", b"\x05\x07"),
        all!($subtype, "iso-8859-1", b"\x05\x0d"),
        all!($subtype, "windows-1252", b"\x05\x6d"),
    )*] };
    ($subtype:literal, $charset:literal, $params:literal) => { [
        description!($subtype, $charset, $params, "7bit"),
        description!($subtype, $charset, $params, "8bit"),
        description!($subtype, $charset, $params, "quoted-printable"),
        description!($subtype, $charset, $params, "base64"),
    ] };
}

static ALL: [[Common; 4]; 8] = all!("plain" "html");

/// A description of a multipart, whose one parameter is its boundary.
pub(super) struct Multipart {
    /// As an answer has it, up to the boundary.
    pub(super) written: &'static [u8],
    pub(super) subtype: &'static [u8],
}

macro_rules! multipart {
    ($subtype:literal) => {
        Multipart {
            written: concat!(" \"", $subtype, "\" (\"boundary\" ").as_bytes(),
            subtype: concat!("\"", $subtype, "\"").as_bytes(),
        }
    };
}

/// The type of all of them.
pub(super) const MULTIPART: Text<'_> = Text::Quoted(b"\"multipart\"");
/// The name of their parameter.
pub(super) const BOUNDARY: Text<'_> = Text::Quoted(b"\"boundary\"");
/// Their encoding.
pub(super) const ENCODING: Text<'_> = Text::Quoted(b"\"7bit\"");

static MULTIPARTS: [Multipart; 4] =
    [multipart!("mixed"), multipart!("alternative"), multipart!("related"), multipart!("signed")];

/// The code of the first of [`MULTIPARTS`].
const FIRST_MULTIPART: u8 = 33;

/// What a code says.
pub(super) enum Meaning {
    Nothing,
    Text(&'static Common),
    Multipart(&'static Multipart),
}

/// What a code says; `None` if there is no such code.
pub(super) fn meaning(code: u8) -> Option<Meaning> {
    let Some(number) = code.checked_sub(1) else { return Some(Meaning::Nothing) };
    if let Some(number) = code.checked_sub(FIRST_MULTIPART) {
        return MULTIPARTS.get(usize::from(number)).map(Meaning::Multipart);
    }
    let text = ALL.get(usize::from(number / 4))?.get(usize::from(number % 4))?;
    Some(Meaning::Text(text))
}

/// The code for a part.
pub(super) fn code_of(part: &Part) -> u8 {
    let [param] = &*part.params else { return 0 };
    let code = match part.content {
        Content::Leaf => text_code(part, param),
        Content::Multipart(_) => multipart_code(part, param),
        Content::Message(_) => None,
    };
    code.unwrap_or(0)
}

fn text_code(part: &Part, charset: &Param) -> Option<u8> {
    let is_such = part.kind == b"text" && charset.name == b"charset";
    if !is_such || part.id.is_some() || part.description.is_some() {
        return None;
    }
    let place = |of: &[&[u8]], text: &[u8]| of.iter().position(|one| *one == text);
    let subtype = place(&[b"plain", b"html"], &part.subtype)?;
    let charset = place(&[b"us-ascii", b"utf-8", b"iso-8859-1", b"windows-1252"], &charset.value)?;
    let encoding = place(&[b"7bit", b"8bit", b"quoted-printable", b"base64"], &part.encoding)?;
    u8::try_from(1 + 16 * subtype + 4 * charset + encoding).ok()
}

fn multipart_code(part: &Part, boundary: &Param) -> Option<u8> {
    let is_such = part.kind == b"multipart" && boundary.name == b"boundary";
    if !is_such || part.encoding != b"7bit" {
        return None;
    }
    let is_its = |one: &Multipart| Text::Quoted(one.subtype).bytes() == part.subtype;
    let number = MULTIPARTS.iter().position(is_its)?;
    u8::try_from(number).ok()?.checked_add(FIRST_MULTIPART)
}
