//! Folder names: what a client may write, which folder it means, and how it is written back
//! (PROTOCOL 4.1, STORAGE 4.3).
//!
//! # Names on the wire
//!
//! One rule for every command, for names, references and patterns alike ([`text_of_wire`]):
//!
//! - Under UTF8=ACCEPT a name is UTF-8.
//! - Otherwise a name in ASCII is modified UTF-7, decoded as leniently as Courier does
//!   ([`utf7::decode`]). A name with 8-bit bytes is UTF-8, in which `&` is a plain character: such a
//!   client knows nothing of modified UTF-7 (RFC 9051 5.1, where IMAP is going).
//! - What is neither names nothing. Commands on a folder answer that it is not there; those that
//!   would make a name refuse it; a pattern matches nothing. None of this is BAD: to the grammar
//!   (RFC 3501 9, `mailbox`) it is a name like any other.
//!
//! On disk a name is UTF-8. It is written back in the form of the session, whatever the form in
//! which it came ([`to_wire`]).

use super::limits::{MAX_FOLDER_LEVELS, MAX_FOLDER_NAME};
use crate::types::utf7;
use std::borrow::Cow;

/// A name that follows the rules, with the folder it means. Two names are equal when they mean the
/// same folder, however they are spelled: `inbox` is `INBOX` (RFC 3501 5.1).
#[derive(Clone, Eq, Debug)]
pub(crate) struct FolderName {
    /// As the client wrote it, if that is known.
    spelled: Option<Vec<u8>>,
    name: Vec<u8>,
}

impl PartialEq for FolderName {
    fn eq(&self, other: &FolderName) -> bool {
        self.name == other.name
    }
}

/// Which folder a name means. The texts are UTF-8 (or the client's bytes under UTF8=ACCEPT)
/// without the namespace's prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Space<'a> {
    /// The account's own Maildir.
    Inbox,
    /// `INBOX.<sub>`: the directory `.<sub>` in it.
    Own(&'a [u8]),
    /// `#shared` and `#shared.<path>`: found by way of the index file.
    Index(&'a [u8]),
    /// `shared` and `shared.<path>`: older, by file permissions.
    Link(&'a [u8]),
}

/// Why a name was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NameError {
    /// Neither modified UTF-7 nor UTF-8.
    Encoding,
    /// Outside every namespace, too long, with too many levels, or with `/`, an empty component, or
    /// `..`.
    Invalid,
}

impl FolderName {
    /// Reads a name as it came from the client. `utf8`: UTF8=ACCEPT is on.
    pub(crate) fn from_wire(wire: &[u8], utf8: bool) -> Result<FolderName, NameError> {
        let name = text_of_wire(wire, utf8).ok_or(NameError::Encoding)?;
        let mut folder = FolderName::from_disk(&name)?;
        folder.spelled = Some(wire.to_vec());
        Ok(folder)
    }

    /// Reads a name as control files have it: UTF-8, with the namespace's prefix.
    pub(crate) fn from_disk(name: &[u8]) -> Result<FolderName, NameError> {
        let (mut levels, mut before) = (1usize, b'.');
        for b in name {
            match b {
                b'/' | 0 => return Err(NameError::Invalid),
                b'.' if before == b'.' => return Err(NameError::Invalid),
                b'.' => levels = levels.saturating_add(1),
                _ => {}
            }
            before = *b;
        }
        if before == b'.' || levels > MAX_FOLDER_LEVELS || name.len() > MAX_FOLDER_NAME {
            return Err(NameError::Invalid);
        }
        let end = memchr::memchr(b'.', name).unwrap_or(name.len());
        let (first, rest) = name.split_at(end);
        let mut name = name.to_vec();
        if first.eq_ignore_ascii_case(b"INBOX") {
            name.splice(..end, *b"INBOX");
        } else if first != b"shared" && (first != b"#shared" || rest.is_empty()) {
            // Courier: `#shared` alone is no folder, `shared` alone is an upper level.
            return Err(NameError::Invalid);
        }
        Ok(FolderName { spelled: None, name })
    }

    /// The name as the client wrote it, for echoing.
    pub(crate) fn spelled(&self) -> &[u8] {
        self.spelled.as_deref().unwrap_or(&self.name)
    }

    /// The whole name as control files have it (`INBOX.Sent`): UTF-8, the prefix in its usual
    /// spelling.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.name
    }

    /// Which folder it is.
    pub(crate) fn space(&self) -> Space<'_> {
        let rest = |prefix: &[u8]| {
            let rest = self.name.strip_prefix(prefix)?;
            if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b".") }
        };
        if let Some(sub) = rest(b"INBOX") {
            if sub.is_empty() { Space::Inbox } else { Space::Own(sub) }
        } else if let Some(path) = rest(b"#shared") {
            Space::Index(path)
        } else {
            Space::Link(rest(b"shared").unwrap_or_default())
        }
    }

    /// The folder one level up, in the same namespace; `None` at the top.
    pub(crate) fn parent(&self) -> Option<FolderName> {
        let dot = memchr::memrchr(b'.', &self.name)?;
        FolderName::from_disk(self.name.get(..dot)?).ok()
    }

    /// Whether `other` is this folder or one below it.
    pub(crate) fn is_at_or_above(&self, other: &FolderName) -> bool {
        other
            .name
            .strip_prefix(&*self.name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
    }

    /// Whether the name has a control character or a separator of lines (RFC 9755 3): such folders
    /// are served, but not created (lib.rs, "The wire").
    pub(crate) fn has_control(&self) -> bool {
        let is_refused = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        String::from_utf8_lossy(&self.name).contains(is_refused)
    }
}

/// The text of a name or a pattern as it came from the client, in UTF-8; `None` where it is in no
/// encoding that a name may have. `utf8`: UTF8=ACCEPT is on.
pub(crate) fn text_of_wire(wire: &[u8], utf8: bool) -> Option<Vec<u8>> {
    if utf8 || !wire.is_ascii() {
        std::str::from_utf8(wire).ok().map(|text| text.as_bytes().to_vec())
    } else {
        utf7::decode(wire)
    }
}

/// The name of a control file or directory in the form for the wire: unchanged under UTF8=ACCEPT,
/// else in modified UTF-7. `None` for a name that is not UTF-8, for which neither form has a
/// spelling: Courier ends the session there, and here the name is left out (STORAGE 4.3).
pub(crate) fn to_wire(name: &[u8], utf8: bool) -> Option<Cow<'_, [u8]>> {
    if name.iter().all(|b| matches!(b, b' '..=b'~') && *b != b'&') {
        return Some(name.into());
    }
    let text = std::str::from_utf8(name).ok()?;
    if utf8 { Some(text.as_bytes().into()) } else { utf7::encode(name).map(Cow::from) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_places() {
        for (wire, place) in [
            ("INBOX", Space::Inbox),
            ("inbox", Space::Inbox),
            ("iNbOx.a.b", Space::Own(b"a.b")),
            ("INBOX.Entw&APw-rfe", Space::Own("Entw\u{fc}rfe".as_bytes())),
            ("shared", Space::Link(b"")),
            ("shared.x.y", Space::Link(b"x.y")),
            ("#shared.bob", Space::Index(b"bob")),
        ] {
            let name = FolderName::from_wire(wire.as_bytes(), false).unwrap();
            assert_eq!(name.space(), place, "{wire}");
            assert_eq!(name.spelled(), wire.as_bytes());
        }
        for bad in [
            "",
            "foo",
            "INBOX.",
            "INBOX..a",
            ".INBOX",
            "INBOX.a/b",
            "INBOX.&AC8-",
            "INBOXa",
            "Shared.x",
            "INBOX.&AC4-a",
            "#shared",
        ] {
            assert_eq!(
                FolderName::from_wire(bad.as_bytes(), false),
                Err(NameError::Invalid),
                "{bad}"
            );
        }
        let f = |wire: &[u8], utf8| FolderName::from_wire(wire, utf8).unwrap();
        assert_eq!(f(b"inbox.&AOk-", false), f("INBOX.\u{e9}".as_bytes(), true));
        assert_ne!(f(b"INBOX.A", false), f(b"INBOX.a", false));
    }

    #[test]
    fn encodings() {
        for (wire, utf8, text) in [
            (&b"R&-D"[..], false, Some("R&D")),
            (b"R&D", false, None),
            (b"R&D", true, Some("R&D")),
            (b"R&-D", true, Some("R&-D")),
            ("R&D \u{e4}".as_bytes(), false, Some("R&D \u{e4}")),
            ("R&-D \u{e4}".as_bytes(), false, Some("R&-D \u{e4}")),
            (b"Entw&,A-rfe", false, Some("Entwrfe")),
            (b"Entw\xfcrfe", false, None),
            (b"Entw\xfcrfe", true, None),
            (b"&AOQ*", false, None),
            (b"&AOQ-*", false, Some("\u{e4}*")),
        ] {
            let shown = String::from_utf8_lossy(wire);
            assert_eq!(text_of_wire(wire, utf8).as_deref(), text.map(str::as_bytes), "{shown}");
            let named = FolderName::from_wire(&[b"INBOX.", wire].concat(), utf8);
            match text {
                Some(text) => assert_eq!(named.unwrap().space(), Space::Own(text.as_bytes())),
                None => assert_eq!(named, Err(NameError::Encoding), "{shown}"),
            }
        }
        assert_eq!(to_wire(b"\xfc", false), None);
        assert_eq!(to_wire(b"\xfc", true), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever a client writes: what it names can be written back in both forms, and these
        /// name the same.
        #[test]
        fn a_name_on_disk_has_a_spelling(wire in wire(), utf8: bool) {
            if let Ok(folder) = FolderName::from_wire(&wire, utf8) {
                let name = folder.as_bytes();
                prop_assert!(std::str::from_utf8(name).is_ok());
                for utf8 in [false, true] {
                    let spelled = to_wire(name, utf8).unwrap();
                    prop_assert!(utf8 || spelled.iter().all(|b| (b' '..=b'~').contains(b)));
                    prop_assert_eq!(&FolderName::from_wire(&spelled, utf8).unwrap(), &folder);
                }
            }
        }

        /// 8-bit text is the same name with and without UTF8=ACCEPT.
        #[test]
        fn utf8_is_utf8(name in "INBOX\\.[a&\u{e4}\u{1f600}-]{0,9}\u{e9}") {
            let named = |utf8| FolderName::from_wire(name.as_bytes(), utf8).unwrap();
            prop_assert_eq!(named(false), named(true));
        }
    }

    /// What a client may write: names, near names, and anything.
    fn wire() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            "INBOX\\.[&,+A-Da-z0-9.\u{e4}\u{4e2d}/*%-]{0,12}".prop_map(String::into_bytes),
            "INBOX\\.[a-c]{0,3}&[A-D2aOQ,+]{1,9}-[a-c&-]{0,4}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..12)
                .prop_map(|bytes| [b"INBOX.", &*bytes].concat()),
        ]
    }

    #[test]
    fn family() {
        let f = |n: &str| FolderName::from_disk(n.as_bytes()).unwrap();
        assert_eq!(f("INBOX.a.b").parent(), Some(f("INBOX.a")));
        assert_eq!(f("INBOX").parent(), None);
        assert!(f("INBOX.a").is_at_or_above(&f("INBOX.a.b")));
        assert!(!f("INBOX.a").is_at_or_above(&f("INBOX.ab")));
    }
}
