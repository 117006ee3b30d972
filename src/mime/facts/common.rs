//! What parts mostly say of themselves: type, charset and encoding, as one number.
//!
//! ```text
//! number   = 16 * type + 4 * charset + encoding
//! type     = text/plain (0), text/html (1)
//! charset  = us-ascii (0), utf-8 (1), iso-8859-1 (2), windows-1252 (3)
//! encoding = 7bit (0), 8bit (1), quoted-printable (2), base64 (3)
//! ```

use super::bytes::Text;
use crate::mime::structure::Part;

/// A description of a part.
pub(super) struct Common {
    /// As an answer has it: type, parameters, no identifier, no description, encoding.
    pub(super) written: &'static [u8],
    pub(super) subtype: &'static [u8],
    /// In the form of a payload.
    pub(super) params: &'static [u8],
    pub(super) encoding: &'static [u8],
}

/// The type of all of them.
pub(super) const KIND: Text<'_> = Text::Quoted(b"\"text\"");

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

/// The description of this number.
pub(super) fn of_number(number: u8) -> Option<&'static Common> {
    ALL.get(usize::from(number / 4))?.get(usize::from(number % 4))
}

/// The number of a part's description, if there is one.
pub(super) fn number_of(part: &Part) -> Option<u8> {
    let [charset] = &*part.params else { return None };
    let is_such = part.kind == b"text" && charset.name == b"charset";
    if !is_such || part.id.is_some() || part.description.is_some() {
        return None;
    }
    let place = |of: &[&[u8]], text: &[u8]| of.iter().position(|one| *one == text);
    let subtype = place(&[b"plain", b"html"], &part.subtype)?;
    let charset = place(&[b"us-ascii", b"utf-8", b"iso-8859-1", b"windows-1252"], &charset.value)?;
    let encoding = place(&[b"7bit", b"8bit", b"quoted-printable", b"base64"], &part.encoding)?;
    u8::try_from(16 * subtype + 4 * charset + encoding).ok()
}
