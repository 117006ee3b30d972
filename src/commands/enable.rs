//! ENABLE (RFC 5161, PROTOCOL 3.3). Courier takes it in every state, so do we.

use super::{Call, capability};
use crate::response::session::Enabled;
use crate::session::{Features, Outcome, Result, Session};
use crate::wire::Token;

/// The extensions named, as far as they are known. Quoted words must be in upper case (PROTOCOL
/// 1.2).
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Features> {
    let mut named = Features::empty();
    loop {
        let word = match s.io.token()? {
            Token::Eol => return Ok(named),
            Token::Atom(word) => word.to_ascii_uppercase(),
            token => s.io.text_of(token)?,
        };
        if !word.iter().any(u8::is_ascii_lowercase) {
            named |= capability::enables(&s.options, &word).unwrap_or_default();
        }
    }
}

/// Switches them on; says what is on.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, named: Features) -> Result<Outcome> {
    s.send(&Enabled(&capability::enabled_words(s.enabled | named)));
    if named.contains(Features::CONDSTORE) {
        s.enable_condstore();
    }
    s.enabled |= named;
    Ok(Outcome::ok("Options enabled"))
}
