//! Folder names: what a client may write, which folder it means, and how it is written back
//! (PROTOCOL 4.1, STORAGE 4.3).

use super::limits::{MAX_FOLDER_LEVELS, MAX_FOLDER_NAME};
use crate::types::utf7;

/// A name that follows the rules, with the folder it means. Two names are equal when they mean the
/// same folder, however they are spelled: `inbox` is `INBOX` (RFC 3501 5.1).
#[derive(Clone, Eq, Debug)]
pub(crate) struct FolderName {
    spelled: Vec<u8>,
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
    /// Not modified UTF-7 (RFC 3501 5.1.3).
    Encoding,
    /// Outside every namespace, too long, with too many levels, or with `/`, an empty component, or
    /// `..`.
    Invalid,
}

impl FolderName {
    /// Reads a name as it came from the client: modified UTF-7, or raw under UTF8=ACCEPT.
    pub(crate) fn from_wire(wire: &[u8], utf8: bool) -> Result<FolderName, NameError> {
        let name =
            if utf8 { wire.to_vec() } else { utf7::decode(wire).ok_or(NameError::Encoding)? };
        let mut folder = FolderName::from_disk(&name)?;
        folder.spelled = wire.to_vec();
        Ok(folder)
    }

    /// Reads a name as control files have it: UTF-8, with the namespace's prefix.
    pub(crate) fn from_disk(name: &[u8]) -> Result<FolderName, NameError> {
        if name.contains(&b'/')
            || name.contains(&0)
            || name.len() > MAX_FOLDER_NAME
            || name.split(|b| *b == b'.').count() > MAX_FOLDER_LEVELS
            || name.split(|b| *b == b'.').any(<[u8]>::is_empty)
        {
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
        Ok(FolderName { spelled: name.clone(), name })
    }

    /// The name as the client wrote it, for echoing.
    pub(crate) fn spelled(&self) -> &[u8] {
        &self.spelled
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

    /// Whether the name has a control character: such folders are served, but not created (lib.rs,
    /// "The wire").
    pub(crate) fn has_control(&self) -> bool {
        self.name.iter().any(u8::is_ascii_control)
    }
}

/// The name of a control file or directory in the form for the wire: unchanged under UTF8=ACCEPT,
/// else in modified UTF-7. `None` for a name that is not UTF-8: Courier ends the session there, and
/// here the name is left out (STORAGE 4.3).
pub(crate) fn to_wire(name: &[u8], utf8: bool) -> Option<Vec<u8>> {
    if utf8 { Some(name.to_vec()) } else { utf7::encode(name) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
        assert_eq!(FolderName::from_wire(b"INBOX.a&b", false), Err(NameError::Encoding));
        assert_eq!(FolderName::from_wire(b"INBOX.a&b", true).unwrap().space(), Space::Own(b"a&b"));
        let f = |wire: &[u8], utf8| FolderName::from_wire(wire, utf8).unwrap();
        assert_eq!(f(b"inbox.&AOk-", false), f("INBOX.\u{e9}".as_bytes(), true));
        assert_ne!(f(b"INBOX.A", false), f(b"INBOX.a", false));
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
