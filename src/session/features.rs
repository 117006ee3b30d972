//! What a session has enabled (RFC 5161), and which of our additions an administrator lets it have.

bitflags::bitflags! {
    /// Extensions that ENABLE has switched on.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub(crate) struct Features: u8 {
        /// 8-bit text both ways, folder names in UTF-8 (RFC 6855).
        const UTF8_ACCEPT = 1;
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
    /// These and no others.
    Only(Vec<String>),
    /// All but these.
    Without(Vec<String>),
}

impl Extensions {
    /// Reads the setting: a number (0: none; any other: all), or words separated by blanks. `-WORD`
    /// takes that word away. If any word has no `-`, only those without remain.
    pub(crate) fn parse(setting: &[u8]) -> Extensions {
        let text = String::from_utf8_lossy(setting);
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        match words.as_slice() {
            [] => return Extensions::All,
            [number] if number.bytes().all(|b| b.is_ascii_digit()) => {
                let is_zero = number.bytes().all(|b| b == b'0');
                return if is_zero { Extensions::None } else { Extensions::All };
            }
            _ => {}
        }
        let without: Vec<String> =
            words.iter().filter_map(|w| w.strip_prefix('-')).map(str::to_owned).collect();
        let only: Vec<String> = words
            .iter()
            .filter(|w| !w.starts_with('-') && !names(&without, w))
            .map(|w| (*w).to_owned())
            .collect();
        let has_only = words.iter().any(|w| !w.starts_with('-'));
        if has_only { Extensions::Only(only) } else { Extensions::Without(without) }
    }

    /// Whether a capability is among them. What it depends on is not looked at.
    pub(crate) fn have(&self, word: &str) -> bool {
        match self {
            Extensions::All => true,
            Extensions::None => false,
            Extensions::Only(words) => names(words, word),
            Extensions::Without(words) => !names(words, word),
        }
    }

    /// Whether there are additions that no capability names: response codes, and lines of SELECT.
    pub(crate) fn are_on(&self) -> bool {
        *self != Extensions::None
    }

    /// The words of the setting.
    pub(crate) fn words(&self) -> &[String] {
        match self {
            Extensions::All | Extensions::None => &[],
            Extensions::Only(words) | Extensions::Without(words) => words,
        }
    }
}

fn names(words: &[String], word: &str) -> bool {
    words.iter().any(|w| w.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings() {
        let parse = |text: &str| Extensions::parse(text.as_bytes());
        let list = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        for (text, expected) in [
            ("", Extensions::All),
            (" ", Extensions::All),
            ("1", Extensions::All),
            ("0", Extensions::None),
            ("00", Extensions::None),
            ("A B", Extensions::Only(list(&["A", "B"]))),
            ("-A -B", Extensions::Without(list(&["A", "B"]))),
            ("A B -b", Extensions::Only(list(&["A"]))),
            ("A -A", Extensions::Only(Vec::new())),
            ("yes", Extensions::Only(list(&["yes"]))),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
        assert!(parse("literal+").have("LITERAL+") && !parse("literal+").have("UNSELECT"));
        assert!(!parse("-literal+").have("LITERAL+") && parse("-literal+").have("UNSELECT"));
        assert!(parse("A").are_on() && parse("-A").are_on() && !parse("0").are_on());
    }
}
