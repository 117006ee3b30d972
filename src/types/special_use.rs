//! What a folder is used for (RFC 6154 2, RFC 8457 3), and how it is written: `\Drafts \Sent`.

bitflags::bitflags! {
    /// The uses of a folder.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub(crate) struct SpecialUses: u8 {
        /// Messages that were put away.
        const ARCHIVE = 1;
        /// Messages that are being written.
        const DRAFTS = 1 << 1;
        /// Messages that are likely to be important.
        const IMPORTANT = 1 << 2;
        /// Unwanted mail.
        const JUNK = 1 << 3;
        /// Copies of what was sent.
        const SENT = 1 << 4;
        /// Deleted messages.
        const TRASH = 1 << 5;
    }
}

/// A word that names no use that a folder can have here. `\All` and `\Flagged` are of those: they
/// promise that all such messages of the account are in the folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct UnknownUse;

const WORDS: &[(&str, SpecialUses)] = &[
    ("\\Archive", SpecialUses::ARCHIVE),
    ("\\Drafts", SpecialUses::DRAFTS),
    ("\\Important", SpecialUses::IMPORTANT),
    ("\\Junk", SpecialUses::JUNK),
    ("\\Sent", SpecialUses::SENT),
    ("\\Trash", SpecialUses::TRASH),
];

impl SpecialUses {
    /// The use of a word, in any case.
    pub(crate) fn of_word(word: &[u8]) -> Result<SpecialUses, UnknownUse> {
        let found = WORDS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
        found.map(|(_, uses)| *uses).ok_or(UnknownUse)
    }

    /// The uses of words with white space between them; an empty text is none. What is no use is
    /// an error, or is passed over by [`SpecialUses::known`].
    pub(crate) fn parse(text: &[u8]) -> Result<SpecialUses, UnknownUse> {
        words(text).map(SpecialUses::of_word).collect()
    }

    /// The uses in a text that a later version may have written.
    pub(crate) fn known(text: &[u8]) -> SpecialUses {
        words(text).filter_map(|word| SpecialUses::of_word(word).ok()).collect()
    }

    /// The words.
    pub(crate) fn words(self) -> impl Iterator<Item = &'static str> {
        WORDS.iter().filter(move |(_, one)| self.contains(*one)).map(|(word, _)| *word)
    }

    /// The words with blanks between them.
    pub(crate) fn shown(self) -> String {
        self.words().collect::<Vec<_>>().join(" ")
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (text, uses, shown) in [
            ("", Ok(SpecialUses::empty()), ""),
            (" \n", Ok(SpecialUses::empty()), ""),
            ("\\sent", Ok(SpecialUses::SENT), "\\Sent"),
            (
                "\\Trash  \\DRAFTS\n",
                Ok(SpecialUses::TRASH | SpecialUses::DRAFTS),
                "\\Drafts \\Trash",
            ),
            ("\\Junk \\Junk", Ok(SpecialUses::JUNK), "\\Junk"),
            ("\\All", Err(UnknownUse), ""),
            ("Sent", Err(UnknownUse), ""),
            ("\\Sent\\Junk", Err(UnknownUse), ""),
            ("\\Sent x", Err(UnknownUse), "\\Sent"),
        ] {
            assert_eq!(SpecialUses::parse(text.as_bytes()), uses, "{text}");
            assert_eq!(SpecialUses::known(text.as_bytes()).shown(), shown, "{text}");
        }
    }
}
