//! What a session has enabled (RFC 5161), and which of our additions an administrator lets it have.

use crate::types::number::atoi;

bitflags::bitflags! {
    /// Extensions that ENABLE has switched on, or a command that CONDSTORE is enabled by.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub(crate) struct Features: u8 {
        /// 8-bit text both ways, folder names in UTF-8 (RFC 9755).
        const UTF8_ACCEPT = 1;
        /// Modification sequences in what is told (RFC 7162 3.1).
        const CONDSTORE = 2;
        /// VANISHED in the place of EXPUNGE (RFC 7162 3.2), and CONDSTORE with it.
        const QRESYNC = 4 | Self::CONDSTORE.bits();
    }
}

/// `IMAP_EXTENSIONS`: which capabilities we offer beyond Courier's. Words compare without regard to
/// case.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Extensions {
    /// All of them.
    #[default]
    All,
    /// None, and no other addition either: the wire shows Courier's, corrected, and nothing more.
    None,
    /// By the words of the setting: without those that have a `-` before them; and if there are
    /// words without one, no others than these.
    Words(Vec<String>),
}

/// So many words of the setting count.
const MAX_WORDS: usize = 100;

impl Extensions {
    /// Reads the setting: one number (0: none; any other: all), or words separated by blanks.
    pub(crate) fn parse(setting: &[u8]) -> Extensions {
        let text = String::from_utf8_lossy(setting);
        let words: Vec<&str> = text.split_ascii_whitespace().take(MAX_WORDS).collect();
        match words.as_slice() {
            [] => Extensions::All,
            [number] if is_number(number) => match atoi(number.as_bytes()) {
                0 => Extensions::None,
                _ => Extensions::All,
            },
            _ => Extensions::Words(words.into_iter().map(str::to_owned).collect()),
        }
    }

    /// Whether a capability is among them. What it depends on is not looked at.
    pub(crate) fn have(&self, capability: &str) -> bool {
        let Extensions::Words(words) = self else { return *self == Extensions::All };
        let (mut has_plain, mut is_plain) = (false, false);
        for word in words {
            match word.strip_prefix('-') {
                Some(without) if without.eq_ignore_ascii_case(capability) => return false,
                Some(_) => {}
                // A number beside words says nothing.
                None if is_number(word) => {}
                None => {
                    has_plain = true;
                    is_plain |= word.eq_ignore_ascii_case(capability);
                }
            }
        }
        is_plain || !has_plain
    }

    /// Whether there are additions that no capability names: response codes, and lines of SELECT.
    pub(crate) fn are_on(&self) -> bool {
        *self != Extensions::None
    }

    /// The words of the setting, as they were written.
    pub(crate) fn words(&self) -> &[String] {
        match self {
            Extensions::Words(words) => words,
            Extensions::All | Extensions::None => &[],
        }
    }
}

/// Whether a word is a number as the other settings have them (`atoi`).
fn is_number(word: &str) -> bool {
    word.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings() {
        let parse = |text: &str| Extensions::parse(text.as_bytes());
        for (text, expected) in [
            ("", Extensions::All),
            (" \t", Extensions::All),
            ("1", Extensions::All),
            (" 2 ", Extensions::All),
            ("0", Extensions::None),
            ("00", Extensions::None),
            ("-0", Extensions::None),
            ("+0", Extensions::None),
            ("0x", Extensions::None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
        for (text, a, b) in [
            ("A B", true, true),
            ("a", true, false),
            ("-a", false, true),
            ("-A -B", false, false),
            ("A B -b", true, false),
            ("A -A", false, false),
            ("1 -A", false, true),
            ("1 A", true, false),
            ("off", false, false),
            ("-", true, true),
            ("-C", true, true),
        ] {
            let extensions = parse(text);
            assert_eq!((extensions.have("A"), extensions.have("B")), (a, b), "{text:?}");
            assert!(extensions.are_on(), "{text:?}");
        }
        assert_eq!(parse(&"x ".repeat(100_000)).words().len(), MAX_WORDS);
    }
}
