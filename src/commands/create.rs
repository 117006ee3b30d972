//! CREATE (RFC 3501 6.3.3, PROTOCOL 4.7), with USE (RFC 6154 3).

use super::args::{self, Mailbox};
use super::{Call, capability};
use crate::maildir::folders::TakenBack;
use crate::session::{Code, Error, Outcome, Result, Session, refusal, special_use};
use crate::types::SpecialUses;
use crate::types::folder::Space;
use crate::types::special_use::UnknownUse;
use crate::wire::Token;

/// The folder, and what it is to be used for.
pub(crate) struct Request {
    mailbox: Mailbox,
    /// `None` if that was not said.
    uses: Option<std::result::Result<SpecialUses, UnknownUse>>,
}

/// `mailbox [SP "(" create-param *(SP create-param) ")"]` (RFC 4466 2.2)
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Request> {
    let mailbox = Mailbox::parse(s)?;
    let mut uses = None;
    match s.io.token()? {
        Token::Eol => {}
        Token::Open if capability::is_offered(&s.options, "CREATE-SPECIAL-USE") => {
            if !s.io.token()?.is("USE") {
                return Err(Error::Syntax);
            }
            uses = Some(parse_uses(s)?);
            if s.io.token()? != Token::Close {
                return Err(Error::Syntax);
            }
            s.io.end_of_line()?;
        }
        _ => return Err(Error::Syntax),
    }
    Ok(Request { mailbox, uses })
}

/// `"(" [use-attr *(SP use-attr)] ")"`
fn parse_uses(s: &mut Session) -> Result<std::result::Result<SpecialUses, UnknownUse>> {
    if s.io.token()? != Token::Open {
        return Err(Error::Syntax);
    }
    let mut uses = Ok(SpecialUses::empty());
    loop {
        match s.io.token()? {
            Token::Close => return Ok(uses),
            Token::Atom(word) if word.starts_with(b"\\") => {
                uses = uses.and_then(|all| Ok(all | SpecialUses::of_word(&word)?));
            }
            _ => return Err(Error::Syntax),
        }
    }
}

/// Makes the folder; not those above it (Courier).
pub(crate) fn run(s: &mut Session, _: &Call<'_>, request: Request) -> Result<Outcome> {
    let Request { mailbox, uses } = request;
    let created = Outcome::ok_named(&mailbox.shown, "created.");
    let name = mailbox.without_separator().valid_name(s)?;
    if name.space() == Space::Inbox {
        return Outcome::no("INBOX already exists!").with_code(Code::AlreadyExists).refuse();
    }
    if name.has_control() {
        return args::invalid_name().refuse();
    }
    if mailbox.ends_in_separator() {
        // What has no use, for it holds no messages.
        if uses.is_some_and(|uses| uses != Ok(SpecialUses::empty())) {
            return special_use::not_possible().refuse();
        }
        // RFC 3501 6.3.3: a declaration that folders will be made below it. There is nothing to do.
        return Ok(created);
    }
    if matches!(name.space(), Space::Link(_)) {
        return refusal::denied("CREATE", name.spelled(), b'c').refuse();
    }
    let Some(folder) = s.location_of(&name) else {
        return refusal::denied("CREATE", name.spelled(), b'c').refuse();
    };
    s.require_create(&name, "CREATE")?;
    let uses = match uses {
        Some(Err(UnknownUse)) => {
            let text = "Mailbox not created; the special use is not supported.";
            return Outcome::no(text).with_code(Code::UseAttr).refuse();
        }
        Some(Ok(uses)) => Some(uses),
        None => None,
    };
    if uses.is_some() && !folder.dir.is_there() {
        s.require_special_uses(&folder)?;
    }
    let folder_made = s.create_folder(&folder)?;
    if let Some(uses) = uses
        && let Err(e) = s.set_special_uses(&folder, uses)
    {
        // RFC 6154 3: without its use the folder must not be there.
        if s.undo_create(&folder, &folder_made) != TakenBack::Removed {
            // Mail has come in meanwhile, or another session has renamed it.
            let text = "The mailbox is created, but its special use is not set.";
            return Outcome::no(text).with_code(Code::Unavailable).refuse();
        }
        return Err(e);
    }
    Ok(created)
}
