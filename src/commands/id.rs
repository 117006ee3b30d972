//! ID (RFC 2971, PROTOCOL 3.2).

use super::Call;
use crate::response::session::Id;
use crate::session::logging::shown;
use crate::session::{Error, Outcome, Result, Session};
use crate::sys::user;
use crate::types::limits::MAX_ID_PAIRS;
use crate::wire::Token;

/// A field and its value, which may be NIL.
type Pairs = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn string(s: &mut Session) -> Result<Option<Vec<u8>>> {
    match s.io.token()? {
        token @ (Token::Quoted(_) | Token::Literal(_)) => Ok(Some(s.io.text_of(token)?)),
        token if token.is("NIL") => Ok(None),
        _ => Err(Error::Syntax),
    }
}

/// `id-params-list`, which may be empty: RFC 2971 4 (Courier: not). What follows it on the line is
/// passed over (Courier, PROTOCOL 1.6).
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Pairs> {
    let mut pairs = Pairs::new();
    match s.io.token()? {
        Token::Open => {}
        token if token.is("NIL") => return Ok(pairs),
        _ => return Err(Error::Syntax),
    }
    loop {
        if *s.io.peek()? == Token::Close {
            return Ok(pairs);
        }
        let key = string(s)?.ok_or(Error::Syntax)?;
        let value = string(s)?;
        if pairs.len() == MAX_ID_PAIRS {
            return Err(Error::Syntax);
        }
        pairs.push((key, value));
    }
}

/// Logs the client's fields where the setting asks for ID, sends ours.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, pairs: Pairs) -> Result<Outcome> {
    if s.options.id_fields.is_some() {
        let mut line = format!("ID, {}", s.who());
        for (key, value) in &pairs {
            let value = value.as_deref().map_or("(nil)".into(), shown);
            line.push_str(&format!(", {}={value}", shown(key)));
        }
        log::info!("{line}");
    }
    let wanted = s.options.id_fields.unwrap_or(0);
    let (system, release) = user::system();
    let mut fields: Vec<(&str, &[u8])> = vec![("name", b"Postrider")];
    for (bit, name, value) in [
        (1, "version", env!("CARGO_PKG_VERSION").as_bytes()),
        (2, "os", &*system),
        (4, "os-version", &*release),
    ] {
        if wanted & bit != 0 {
            fields.push((name, value));
        }
    }
    fields.push(("vendor", b"Postrider"));
    s.send(&Id(&fields));
    Ok(Outcome::ok("ID completed"))
}
