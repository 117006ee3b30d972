//! SEARCH (RFC 3501 6.4.4, PROTOCOL 6.5).

use super::returns::{self, Returns};
use super::{
    Criteria, DEFAULT, Ends, find, highest, known_charset, label, search_keys, send_renamed,
};
use crate::commands::Call;
use crate::response::search::Numbers;
use crate::session::{Outcome, Result, Selected, Session};
use crate::wire::Token;
use crate::wire::input::Brackets;

/// The arguments of SEARCH.
pub(crate) struct Search {
    returns: Option<Returns>,
    criteria: Criteria,
}

/// `[search-return-opts SP] search-program` (RFC 4466 3)
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Search> {
    let first = s.io.token_as(Brackets::Text)?;
    let (returns, first) = returns::leading(s, first, "ESEARCH")?;
    let criteria = program(s, first).and_then(|criteria| criteria.check(s));
    let criteria = match returns {
        Some(returns) => returns.or_forget(criteria, s.selected.as_mut())?,
        None => criteria?,
    };
    Ok(Search { returns, criteria })
}

/// `["CHARSET" SP astring] 1*(SP search-key)`. `first` is a first token that was read already.
pub(super) fn program(s: &mut Session, first: Option<Token>) -> Result<Criteria> {
    let first = match first {
        Some(first) => first,
        None => s.io.token_as(Brackets::Text)?,
    };
    if !first.is("CHARSET") {
        let key = search_keys(s, Some(first))?;
        return Ok(Criteria::new(s, DEFAULT.to_vec(), key));
    }
    let label = label(s)?;
    // Courier judges the character set before the keys: a client need not send literals in one that
    // is of no use.
    if s.utf8() {
        // RFC 9755 3: "it SHOULD reject the command with a BAD response". Courier: NO.
        return Outcome::bad("CHARSET is not valid in UTF8 mode as per RFC 6855").refuse();
    }
    known_charset(&label)?;
    let key = search_keys(s, None)?;
    Ok(Criteria::new(s, label, key))
}

/// Sends the messages that match, ascending.
pub(crate) fn run(
    s: &mut Session,
    selected: &mut Selected,
    call: &Call<'_>,
    Search { returns, criteria }: Search,
) -> Result<Outcome> {
    let mut found = Vec::new();
    let by_sequence = criteria.by_sequence;
    let ends = returns.map_or(Ends::ALL, Returns::ends);
    let renamed =
        find((&*s, &mut *selected), call.uid, criteria, ends, |number, _, _| found.push(number))?;
    found.sort_unstable();
    match returns {
        Some(returns) => returns.deliver(s, selected, call, (&found, by_sequence)),
        None => {
            let all = found.iter().copied();
            let sequence = if by_sequence { highest(selected, call.uid, all) } else { None };
            s.send(&Numbers { word: "SEARCH", found: &found, sequence });
        }
    }
    send_renamed(s, selected, &renamed);
    Ok(Outcome::ok("SEARCH done."))
}
