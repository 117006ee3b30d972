//! The options of an account, as the login chain hands them over in OPTIONS (STORAGE 11.3). One
//! parser, so that every feature reads a switch in the same way.

use crate::types::number::atoi;

/// The words of OPTIONS: `disableshared=1,group=sales,sharedgroup=7`.
#[derive(Clone, Default, Debug)]
pub(crate) struct AccountOptions {
    words: Vec<Vec<u8>>,
}

impl AccountOptions {
    /// Splits the text at commas. Blanks belong to the words.
    pub(crate) fn parse(text: &[u8]) -> AccountOptions {
        let words =
            text.split(|b| *b == b',').filter(|w| !w.is_empty()).map(<[u8]>::to_vec).collect();
        AccountOptions { words }
    }

    /// The value of each word of this name: `None` for a word without `=`.
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = Option<&'a [u8]>> {
        self.words.iter().filter_map(move |word| {
            let rest = word.strip_prefix(name.as_bytes())?;
            if rest.is_empty() { Some(None) } else { Some(Some(rest.strip_prefix(b"=")?)) }
        })
    }

    /// Whether a switch is on: `name` or `name=` alone, or with a value that begins with `t` or `y`
    /// or is a number other than 0.
    pub(crate) fn flag(&self, name: &'static str) -> bool {
        let Some(value) = self.values(name).next() else { return false };
        match value.unwrap_or_default().first() {
            None | Some(b't' | b'T' | b'y' | b'Y') => true,
            Some(_) => atoi(value.unwrap_or_default()) != 0,
        }
    }

    /// The text after `name=` in the first such word.
    pub(crate) fn value(&self, name: &'static str) -> Option<&[u8]> {
        self.values(name).flatten().next()
    }

    /// The account's groups in access control lists: every `group=NAME`.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &[u8]> {
        self.values("group").flatten().filter(|g| !g.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches() {
        for (text, on) in [
            ("disableimap", true),
            ("disableimap=", true),
            ("disableimap=1", true),
            ("x=1,disableimap=yes", true),
            ("disableimap=T", true),
            ("disableimap=0", false),
            ("disableimap=no", false),
            ("disableimap=on", false),
            (" disableimap=1", false),
            ("disableimapx=1", false),
            ("", false),
            (",,,", false),
        ] {
            assert_eq!(AccountOptions::parse(text.as_bytes()).flag("disableimap"), on, "{text}");
        }
    }

    #[test]
    fn values_and_groups() {
        let options =
            AccountOptions::parse(b"group=a,sharedgroup=12,group=administrators,group,group=");
        assert_eq!(options.value("sharedgroup"), Some(&b"12"[..]));
        assert_eq!(options.value("mailhost"), None);
        assert_eq!(options.groups().collect::<Vec<_>>(), [&b"a"[..], b"administrators"]);
    }
}
