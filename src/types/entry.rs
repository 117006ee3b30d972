//! Names of annotations (RFC 5464 3.2): `/shared/comment`, `/private/vendor/x/y`.

use super::limits::MAX_METADATA_NAME;

/// A name that follows the rules. Case does not matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EntryName {
    spelled: Vec<u8>,
    name: Vec<u8>,
}

impl EntryName {
    /// `entry`: components after slashes, the first of which says whose the annotation is; `None`
    /// for anything else.
    pub(crate) fn parse(text: &[u8]) -> Option<EntryName> {
        let name = text.to_ascii_lowercase();
        let is_allowed = |b: &u8| matches!(b, b' '..=b'~') && !matches!(b, b'*' | b'%');
        let mut components = name.strip_prefix(b"/")?.split(|b| *b == b'/');
        let scope = components.next()?;
        let is_name = name.len() <= MAX_METADATA_NAME
            && name.iter().all(is_allowed)
            && matches!(scope, b"private" | b"shared")
            && !components.any(<[u8]>::is_empty);
        is_name.then(|| EntryName { spelled: text.to_vec(), name })
    }

    /// As it was written.
    pub(crate) fn spelled(&self) -> &[u8] {
        &self.spelled
    }

    /// In lower case, by which names are compared.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.name
    }

    /// Whether it is of one user, and not of all.
    pub(crate) fn is_private(&self) -> bool {
        self.name.starts_with(b"/private")
    }

    /// Whether it may have a value, and does not only stand above others.
    pub(crate) fn is_complete(&self) -> bool {
        let mut components = self.name.split(|b| *b == b'/').skip(2);
        match components.next() {
            None => false,
            Some(b"vendor") => components.count() >= 2,
            Some(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, complete) in [
            ("/shared/comment", Some(true)),
            ("/Private/COMMENT", Some(true)),
            ("/private/a b/c", Some(true)),
            ("/private/vendor/x/y", Some(true)),
            ("/private/vendor/x/y/z", Some(true)),
            ("/private/vendor/x", Some(false)),
            ("/private/vendor", Some(false)),
            ("/private/vendors", Some(true)),
            ("/private", Some(false)),
            ("/shared", Some(false)),
            ("", None),
            ("/", None),
            ("shared/comment", None),
            ("/comment", None),
            ("/privateer/comment", None),
            ("/shared/", None),
            ("/shared//comment", None),
            ("//shared/comment", None),
            ("/shared/comment/", None),
            ("/shared/*", None),
            ("/shared/c%", None),
            ("/shared/\t", None),
            ("/shared/\x7f", None),
            ("/shared/é", None),
        ] {
            let name = EntryName::parse(text.as_bytes());
            assert_eq!(name.as_ref().map(EntryName::is_complete), complete, "{text:?}");
        }
        let longest = format!("/shared/{}", "x".repeat(MAX_METADATA_NAME - 8));
        assert!(EntryName::parse(longest.as_bytes()).is_some());
        assert!(EntryName::parse(format!("{longest}x").as_bytes()).is_none());
    }
}
