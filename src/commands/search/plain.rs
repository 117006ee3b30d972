//! SEARCH (RFC 3501 6.4.4, PROTOCOL 6.5).

use super::{Criteria, DEFAULT, find, known_charset, label, search_keys, send_renamed};
use crate::commands::Call;
use crate::response::search::Numbers;
use crate::session::{Outcome, Result, Selected, Session};
use crate::wire::input::Brackets;

/// `["CHARSET" SP astring] 1*(SP search-key)`
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Criteria> {
    let first = s.io.token_as(Brackets::Text)?;
    if !first.is("CHARSET") {
        let key = search_keys(s, Some(first))?;
        return Ok(Criteria { label: DEFAULT.to_vec(), key });
    }
    let label = label(s)?;
    // Courier judges the character set before the keys: a client need not send literals in one that
    // is of no use.
    if s.utf8() {
        // RFC 6855 3: "it SHOULD reject the command with a BAD response". Courier: NO.
        return Outcome::bad("CHARSET is not valid in UTF8 mode as per RFC 6855").refuse();
    }
    known_charset(&label)?;
    let key = search_keys(s, None)?;
    Ok(Criteria { label, key })
}

/// Sends the messages that match, ascending.
pub(crate) fn run(
    s: &mut Session,
    selected: &mut Selected,
    call: &Call<'_>,
    criteria: Criteria,
) -> Result<Outcome> {
    let mut found = Vec::new();
    let renamed = find(selected, call.uid, criteria, |number, _, _| found.push(number))?;
    s.send(&Numbers { word: "SEARCH", found: &found });
    send_renamed(s, selected, &renamed);
    Ok(Outcome::ok("SEARCH done."))
}
