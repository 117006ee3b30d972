//! Flag lists, as STORE and APPEND have them (PROTOCOL 6.2, STORAGE 3.5).

use crate::session::{Error, Outcome, Result, Session};
use crate::types::limits::{MAX_KEYWORD, MAX_KEYWORDS};
use crate::types::{Flags, Rights, keywords::is_valid_keyword};
use crate::wire::Token;
use crate::wire::input::Brackets;

/// The flags of a command: system flags and keywords, no keyword twice.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct FlagList {
    /// System flags.
    pub(crate) flags: Flags,
    /// Keywords in the client's spelling and order.
    pub(crate) keywords: Vec<Vec<u8>>,
}

/// The system flags that these rights let a user change: `s` \Seen, `t` \Deleted, `w` the others
/// (STORAGE 5.1).
pub(crate) fn allowed(rights: Rights) -> Flags {
    let mut flags = Flags::empty();
    for (letter, these) in [
        (b's', Flags::SEEN),
        (b't', Flags::DELETED),
        (b'w', Flags::ANSWERED | Flags::FLAGGED | Flags::DRAFT),
    ] {
        if rights.has(letter) {
            flags |= these;
        }
    }
    flags
}

impl FlagList {
    /// Takes one flag. \Recent and unknown `\` words are syntax errors, and keywords are where they
    /// are not kept.
    fn add(&mut self, s: &Session, word: Vec<u8>) -> Result<()> {
        if let Some(flag) = Flags::by_name(&word) {
            self.flags |= flag;
            return Ok(());
        }
        let is_number = word.iter().all(u8::is_ascii_digit);
        if !s.options.keywords.is_on() || is_number || !is_valid_keyword(&word) {
            return Err(Error::Syntax);
        }
        if word.len() > MAX_KEYWORD {
            return Outcome::too_many("A keyword is too long.").refuse();
        }
        if !self.keywords.iter().any(|k| k.eq_ignore_ascii_case(&word)) {
            if self.keywords.len() >= MAX_KEYWORDS {
                return Outcome::too_many("Too many keywords in one command.").refuse();
            }
            self.keywords.push(word);
        }
        Ok(())
    }

    /// A list of one flag.
    pub(crate) fn of_one(s: &Session, flag: Vec<u8>) -> Result<FlagList> {
        let mut list = FlagList::default();
        list.add(s, flag)?;
        Ok(list)
    }

    /// `flag-list`, its `(` already taken.
    pub(crate) fn parse_list(s: &mut Session) -> Result<FlagList> {
        let mut list = FlagList::default();
        loop {
            match s.io.token_as(Brackets::Flags)? {
                Token::Close => return Ok(list),
                Token::Atom(word) => list.add(s, word)?,
                _ => return Err(Error::Syntax),
            }
        }
    }

    /// `flag-list / (flag *(SP flag))` to the end of the line (RFC 3501 9, `store-att-flags`).
    /// Nothing at all is the empty list (Courier); `NIL` is a keyword like any other (Courier: the
    /// empty list here, an error in parentheses).
    pub(crate) fn parse_to_end(s: &mut Session) -> Result<FlagList> {
        let mut list = FlagList::default();
        loop {
            match s.io.token_as(Brackets::Flags)? {
                Token::Open if list == FlagList::default() => {
                    list = FlagList::parse_list(s)?;
                    s.io.end_of_line()?;
                    return Ok(list);
                }
                Token::Eol => return Ok(list),
                Token::Atom(word) => list.add(s, word)?,
                _ => return Err(Error::Syntax),
            }
        }
    }

    /// Without what these rights do not let a user set: the rest is left out without a word
    /// (PROTOCOL 6.3, 6.4).
    pub(crate) fn limited_to(mut self, rights: Rights) -> FlagList {
        self.flags &= allowed(rights);
        if !rights.has(b'w') {
            self.keywords.clear();
        }
        self
    }
}
