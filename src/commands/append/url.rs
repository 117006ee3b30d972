//! The URL of a message or of a part of it, as CATENATE takes it (RFC 4469 3, RFC 5092). Only the
//! relative forms, without a server: they speak of the user's own session.

use crate::commands::fetch::{What, section_spec};
use crate::types::limits::MAX_HEADER_NAMES;
use crate::types::number;
use crate::types::{Uid, UidValidity};

/// What a URL names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct MessageUrl {
    /// The name of the folder, in UTF-8; `None` for the open one.
    pub(super) folder: Option<Vec<u8>>,
    /// Its UIDVALIDITY, if that is said.
    pub(super) validity: Option<UidValidity>,
    /// The message.
    pub(super) uid: Uid,
    /// Which part of it; empty for the message itself.
    pub(super) path: Vec<u32>,
    /// What of the part.
    pub(super) what: What,
    /// The names of HEADER.FIELDS and HEADER.FIELDS.NOT.
    pub(super) names: Vec<Vec<u8>>,
    /// The first byte and the number of bytes, on the wire.
    pub(super) partial: Option<(u64, u64)>,
}

/// `iabsolute-path` or `irelative-path`, of one message:
///
/// ```text
/// ["/"] enc-mailbox [";UIDVALIDITY=" nz-number] "/;UID=" nz-number ["/;SECTION=" enc-section]
/// ["/;PARTIAL=" number ["." nz-number]]
/// ```
///
/// or without the folder, from `;UID=` on (RFC 5092 9.1: the folder of the base URL; RFC 4469 3:
/// the open one). `None` for everything else: other servers, searches, fragments, what is not
/// encoded.
pub(super) fn parse(url: &[u8]) -> Option<MessageUrl> {
    if !url.iter().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'"')) {
        return None;
    }
    let (folder, mut rest) = if url.get(..5).is_some_and(|s| s.eq_ignore_ascii_case(b";UID=")) {
        (None, url)
    } else {
        let path = url.strip_prefix(b"/").unwrap_or(url);
        let end = memchr::memchr(b';', path)?;
        let (name, parameters) = path.split_at(end);
        // With a colon before the first slash it is a scheme, with two slashes a server.
        let first = name.split(|b| *b == b'/').next().unwrap_or_default();
        if first.is_empty() || (path.len() == url.len() && first.contains(&b':')) {
            return None;
        }
        (Some(name), parameters)
    };
    let mut validity = None;
    let folder = match folder {
        None => None,
        Some(name) => {
            let name = match parameter(&mut rest, b";UIDVALIDITY=") {
                Some(text) => {
                    validity = Some(UidValidity::new(nz_number(text)?)?);
                    rest = rest.strip_prefix(b"/")?;
                    name
                }
                None => name.strip_suffix(b"/")?,
            };
            Some(decoded(name)?)
        }
    };
    let uid = Uid::new(nz_number(parameter(&mut rest, b";UID=")?)?)?;
    let (path, what, names) = match parameter(&mut rest, b"/;SECTION=") {
        Some(text) => section(&decoded(text)?)?,
        None => (Vec::new(), What::Whole, Vec::new()),
    };
    let partial = match parameter(&mut rest, b"/;PARTIAL=") {
        Some(text) => Some(partial(text)?),
        None => None,
    };
    rest.is_empty().then_some(MessageUrl { folder, validity, uid, path, what, names, partial })
}

/// The value of a parameter, if that is what comes next; up to the next one.
fn parameter<'a>(rest: &mut &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (head, value) = rest.split_at_checked(name.len())?;
    if !head.eq_ignore_ascii_case(name) {
        return None;
    }
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    // The slash before the next parameter is that one's.
    let (value, after) = value.split_at(end);
    let cut = value.len() - usize::from(!after.is_empty() && value.ends_with(b"/"));
    let start = rest.len() - after.len() - (value.len() - cut);
    *rest = rest.get(start..).unwrap_or_default();
    value.get(..cut)
}

/// `nz-number`
fn nz_number(text: &[u8]) -> Option<u32> {
    if text.starts_with(b"0") {
        return None;
    }
    number::digits(text).and_then(|n| u32::try_from(n).ok())
}

/// `partial-range = number ["." nz-number]`
fn partial(text: &[u8]) -> Option<(u64, u64)> {
    match memchr::memchr(b'.', text) {
        None => Some((number::digits(text)?, u64::MAX)),
        Some(dot) => {
            let (start, count) = text.split_at(dot);
            let count = number::digits(count.strip_prefix(b".")?).filter(|n| *n > 0)?;
            Some((number::digits(start)?, count))
        }
    }
}

/// The text behind percent-encoding (RFC 3986 2.1).
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(b) = rest.next() {
        out.push(match b {
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            b => *b,
        });
    }
    Some(out)
}

/// `section-spec`, its parts: which part, what of it, and the names of a `header-list`.
fn section(text: &[u8]) -> Option<(Vec<u32>, What, Vec<Vec<u8>>)> {
    let end = memchr::memchr(b' ', text).unwrap_or(text.len());
    let (spec, list) = text.split_at(end);
    let (path, what) = section_spec(&spec.to_ascii_uppercase())?;
    if !matches!(what, What::Fields | What::FieldsNot) {
        return list.is_empty().then_some((path, what, Vec::new()));
    }
    let list = list.strip_prefix(b" (")?.strip_suffix(b")")?;
    let unquoted = |name: &[u8]| {
        let inside = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\""));
        inside.unwrap_or(name).to_vec()
    };
    let names: Vec<Vec<u8>> = list.split(|b| *b == b' ').map(unquoted).collect();
    let is_good = |name: &Vec<u8>| !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    let all_good = names.len() <= MAX_HEADER_NAMES && names.iter().all(is_good);
    all_good.then_some((path, what, names))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(url: &str) -> Option<String> {
        let u = parse(url.as_bytes())?;
        let folder = u.folder.map(|f| String::from_utf8_lossy(&f).into_owned());
        let names: Vec<_> = u.names.iter().map(|n| String::from_utf8_lossy(n)).collect();
        Some(format!(
            "{} {} {} {:?}{:?} {} {:?}",
            folder.as_deref().unwrap_or("-"),
            u.validity.map_or(0, UidValidity::get),
            u.uid.get(),
            u.path,
            u.what,
            names.join("+"),
            u.partial
        ))
    }

    #[test]
    fn good() {
        for (url, expected) in [
            ("/INBOX/;UID=20", "INBOX 0 20 []Whole  None"),
            ("INBOX/;UID=20", "INBOX 0 20 []Whole  None"),
            ("/INBOX;UIDVALIDITY=7/;UID=20", "INBOX 7 20 []Whole  None"),
            ("/inbox;uidvalidity=7/;uid=20/;section=1.2.mime", "inbox 7 20 [1, 2]Mime  None"),
            (";UID=20", "- 0 20 []Whole  None"),
            (";uid=20/;Section=HEADER", "- 0 20 []Header  None"),
            ("/INBOX/;UID=4294967295/;PARTIAL=0.5", "INBOX 0 4294967295 []Whole  Some((0, 5))"),
            (
                "/INBOX/;UID=1/;SECTION=TEXT/;PARTIAL=17",
                "INBOX 0 1 []Text  Some((17, 18446744073709551615))",
            ),
            ("/INBOX.Entw%C3%BCrfe%20%26%2f/;UID=1", "INBOX.Entw\u{fc}rfe &/ 0 1 []Whole  None"),
            ("/a/b;UIDVALIDITY=1/;UID=1", "a/b 1 1 []Whole  None"),
            ("/a:b/;UID=1", "a:b 0 1 []Whole  None"),
            (
                "/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(To%20%22From%22)",
                "INBOX 0 1 []Fields To+From None",
            ),
            ("/INBOX/;UID=1/;SECTION=2.HEADER.FIELDS.NOT%20(To)", "INBOX 0 1 [2]FieldsNot To None"),
        ] {
            assert_eq!(shown(url).as_deref(), Some(expected), "{url}");
        }
    }

    #[test]
    fn bad() {
        for url in [
            "",
            "/",
            "//",
            "INBOX",
            "/INBOX",
            "/INBOX/",
            "/;UID=1",
            "/INBOX;UID=1",
            "/INBOX;UIDVALIDITY=1",
            "/INBOX;UIDVALIDITY=1;UID=1",
            "/INBOX;UIDVALIDITY=0/;UID=1",
            "/INBOX;UIDVALIDITY=4294967296/;UID=1",
            "/INBOX/;UID=0",
            "/INBOX/;UID=01",
            "/INBOX/;UID=",
            "/INBOX/;UID=1:2",
            "/INBOX/;UID=*",
            "/INBOX/;UID=4294967296",
            "/INBOX/;UID=1/",
            "/INBOX/;UID=1;SECTION=1",
            "/INBOX/;UID=1/;SECTION=",
            "/INBOX/;UID=1/;SECTION=0",
            "/INBOX/;UID=1/;SECTION=MIME",
            "/INBOX/;UID=1/;SECTION=1/",
            "/INBOX/;UID=1/;SECTION=HEADER.FIELDS",
            "/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20()",
            "/INBOX/;UID=1/;SECTION=HEADER%20(To)",
            "/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(To%0d%0a)",
            "/INBOX/;UID=1/;PARTIAL=1/;SECTION=1",
            "/INBOX/;UID=1/;PARTIAL=",
            "/INBOX/;UID=1/;PARTIAL=1.",
            "/INBOX/;UID=1/;PARTIAL=1.0",
            "/INBOX/;UID=1/;PARTIAL=.5",
            "/INBOX/;UID=1/;PARTIAL=1.2.3",
            "/INBOX/;UID=1;EXPIRE=2030-01-01T00:00:00Z;URLAUTH=anonymous:INTERNAL:0",
            "/INBOX/;UID=1?SUBJECT%20x",
            "/INBOX/;UID=1#x",
            "/IN BOX/;UID=1",
            "/INBOX%/;UID=1",
            "/INBOX%2/;UID=1",
            "/INBOX%zz/;UID=1",
            "/INBOX.\u{fc}/;UID=1",
            "/INBOX/;UID=%31",
            "imap://host/INBOX/;UID=1",
            "imap:/INBOX/;UID=1",
            "//host/INBOX/;UID=1",
            "http://host/;UID=1",
            ";UIDVALIDITY=1/;UID=1",
            ";SECTION=1",
            ";PARTIAL=1",
        ] {
            assert_eq!(shown(url), None, "{url}");
        }
    }

    proptest! {
        #[test]
        fn anything(url in "[/;:.%?#()A-Z0-9=]{0,40}", raw in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(url.as_bytes());
            let _ = parse(&raw);
            let _ = parse(format!("/INBOX/;UID=1/;SECTION={url}").as_bytes());
        }
    }
}
