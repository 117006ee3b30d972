//! What LIST can be asked (PROTOCOL 4.5; RFC 5258 3.1, 3.2): two tables, of the options before the
//! names and of those behind them. An option that `IMAP_EXTENSIONS` takes away is unknown.

use crate::commands::{capability, metadata, status};
use crate::session::{Error, Result, Session};
use crate::wire::Token;

/// What Courier's `LIST (...)` asks for beside the names.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Extras {
    pub(super) acl: bool,
    pub(super) rights: bool,
    pub(super) address: bool,
}

/// Which names are listed, beyond the patterns.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Criteria {
    /// Those that are subscribed.
    pub(super) subscribed: bool,
    /// Those with a special use.
    pub(super) special_use: bool,
    /// Also those above names that meet the criteria.
    pub(super) recursive: bool,
}

impl Criteria {
    /// The options that say what a name must be, as CHILDINFO repeats them.
    pub(super) fn words(self) -> Vec<&'static str> {
        let all = [(self.subscribed, "SUBSCRIBED"), (self.special_use, "SPECIAL-USE")];
        all.into_iter().filter_map(|(asked, word)| asked.then_some(word)).collect()
    }
}

/// What is told of each name.
#[derive(Clone, Default, Debug)]
pub(super) struct Returns {
    /// Whether it is subscribed.
    pub(super) subscribed: bool,
    /// Whether it has children, also where the setting is for clients that do not know the
    /// attributes.
    pub(super) children: bool,
    /// The figures of STATUS.
    pub(super) status: Option<status::Items>,
    /// The user's rights, in a response of their own.
    pub(super) rights: bool,
    /// Annotations.
    pub(super) metadata: Option<metadata::Query>,
}

/// The options of one command.
#[derive(Clone, Default, Debug)]
pub(super) struct Asked {
    pub(super) extras: Extras,
    pub(super) criteria: Criteria,
    pub(super) returns: Returns,
    /// Whether it is an extended LIST (RFC 5258 3): by options that are not Courier's, by a list of
    /// patterns, or by RETURN.
    pub(super) is_extended: bool,
}

/// An option before the names.
struct Selection {
    word: &'static str,
    /// The capability that it belongs to; `None` for Courier's own.
    needs: Option<&'static str>,
    note: fn(&mut Asked),
}

const fn courier(word: &'static str, note: fn(&mut Asked)) -> Selection {
    Selection { word, needs: None, note }
}

const fn extended(word: &'static str, needs: &'static str, note: fn(&mut Asked)) -> Selection {
    Selection { word, needs: Some(needs), note }
}

static SELECTIONS: &[Selection] = &[
    courier("ACL", |asked| asked.extras.acl = true),
    courier("MYRIGHTS", |asked| asked.extras.rights = true),
    courier("POSTADDRESS", |asked| asked.extras.address = true),
    extended("SUBSCRIBED", "LIST-EXTENDED", |asked| {
        asked.criteria.subscribed = true;
        asked.returns.subscribed = true;
    }),
    extended("SPECIAL-USE", "SPECIAL-USE", |asked| asked.criteria.special_use = true),
    // Every folder is on this server.
    extended("REMOTE", "LIST-EXTENDED", |_| {}),
    extended("RECURSIVEMATCH", "LIST-EXTENDED", |asked| asked.criteria.recursive = true),
];

/// An option behind RETURN.
struct Return {
    word: &'static str,
    /// The capability that it belongs to.
    needs: &'static str,
    /// Reads what belongs to it.
    parse: fn(&mut Session, &mut Returns) -> Result<()>,
}

static RETURNS: &[Return] = &[
    Return {
        word: "SUBSCRIBED",
        needs: "LIST-EXTENDED",
        parse: |_, returns| {
            returns.subscribed = true;
            Ok(())
        },
    },
    Return {
        word: "CHILDREN",
        needs: "LIST-EXTENDED",
        parse: |_, returns| {
            returns.children = true;
            Ok(())
        },
    },
    // LIST shows special uses whether they are asked for or not: many clients never ask.
    Return { word: "SPECIAL-USE", needs: "SPECIAL-USE", parse: |_, _| Ok(()) },
    Return {
        word: "STATUS",
        needs: "LIST-STATUS",
        parse: |s, returns| {
            if s.io.token()? != Token::Open || *s.io.peek()? == Token::Close {
                return Err(Error::Syntax);
            }
            // RFC 5258 3: what is not known in an extended LIST is BAD.
            returns.status = Some(status::Items::parse_list(s, status::Unknown::IsError)?);
            Ok(())
        },
    },
    Return {
        word: "MYRIGHTS",
        needs: "LIST-MYRIGHTS",
        parse: |_, returns| {
            returns.rights = true;
            Ok(())
        },
    },
    Return {
        word: "METADATA",
        needs: "LIST-METADATA",
        parse: |s, returns| {
            returns.metadata = Some(metadata::parse_return(s)?);
            Ok(())
        },
    },
];

/// Whether the command may be extended.
pub(super) fn are_offered(s: &Session) -> bool {
    capability::is_offered(&s.options, "LIST-EXTENDED")
}

/// The options before the names, after the opening parenthesis: `list-select-opts`. `knows_all`:
/// whether those of RFC 5258 are known, and any other is an error. Courier passes over what it does
/// not know.
pub(super) fn selections(s: &mut Session, knows_all: bool) -> Result<Asked> {
    let mut asked = Asked { is_extended: knows_all, ..Asked::default() };
    let mut is_couriers = false;
    loop {
        let word = match s.io.token()? {
            Token::Close => break,
            Token::Open | Token::BracketOpen | Token::BracketClose | Token::Eol => {
                return Err(Error::Syntax);
            }
            // Quoted words are taken as they are, atoms in any case (PROTOCOL 1.2).
            Token::Atom(word) => word.to_ascii_uppercase(),
            token => s.io.text_of(token)?,
        };
        let is_known = |option: &&Selection| match option.needs {
            None => true,
            Some(needs) => knows_all && capability::is_offered(&s.options, needs),
        };
        let option = SELECTIONS.iter().find(|o| o.word.as_bytes() == word).filter(is_known);
        match option {
            Some(option) => {
                (option.note)(&mut asked);
                is_couriers |= option.needs.is_none();
            }
            // RFC 5258 3: "a BAD response".
            None if knows_all => return Err(Error::Syntax),
            None => {}
        }
    }
    // RFC 5258 3.1: it only makes sense with others.
    if asked.criteria.recursive && asked.criteria.words().is_empty() {
        return Err(Error::Syntax);
    }
    // Courier's own options are of Courier's LIST.
    if is_couriers && asked.criteria.words().is_empty() {
        asked.is_extended = false;
    }
    Ok(asked)
}

/// `list-return-opts`, after the word RETURN.
pub(super) fn returns(s: &mut Session, returns: &mut Returns) -> Result<()> {
    if s.io.token()? != Token::Open {
        return Err(Error::Syntax);
    }
    loop {
        let word = match s.io.token()? {
            Token::Close => return Ok(()),
            token => token.word().ok_or(Error::Syntax)?,
        };
        let is_known = |o: &&Return| capability::is_offered(&s.options, o.needs);
        let option = RETURNS.iter().find(|o| o.word.as_bytes() == word).filter(is_known);
        (option.ok_or(Error::Syntax)?.parse)(s, returns)?;
    }
}
