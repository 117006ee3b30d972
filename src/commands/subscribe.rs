//! SUBSCRIBE and UNSUBSCRIBE (RFC 3501 6.3.6, 6.3.7; PROTOCOL 4.6).

use super::Call;
use super::args::Mailbox;
use crate::maildir::shared_link::Subscribed;
use crate::session::{Outcome, Result, Session, logging};
use crate::types::folder::Space;

/// Courier has this text for both commands, where an old-style shared folder is concerned.
const CANNOT: &str = "Cannot subscribe to this folder.";

/// SUBSCRIBE: adds the name, whether the folder exists or not.
pub(crate) fn subscribe(s: &mut Session, _: &Call<'_>, mailbox: Mailbox) -> Result<Outcome> {
    if mailbox.ends_in_separator() {
        return Ok(Outcome::ok("Folder directory subscribe punted."));
    }
    let name = mailbox.valid_name(s)?;
    if let Space::Link(path) = name.space() {
        let shown = format!("subscribing to {}", logging::shown(name.as_bytes()));
        let done = s.namespace.links().subscribe(path);
        return Ok(match done.map_err(|e| s.io_refusal(&shown, &e, CANNOT))? {
            Subscribed::Already => Outcome::ok("Already subscribed."),
            Subscribed::Done => Outcome::ok("SUBSCRIBE completed."),
        });
    }
    s.change_subscriptions(&name, true)?;
    Ok(Outcome::ok("Folder subscribed."))
}

/// UNSUBSCRIBE: takes the name out, whether it was there or not.
pub(crate) fn unsubscribe(s: &mut Session, _: &Call<'_>, mailbox: Mailbox) -> Result<Outcome> {
    if mailbox.ends_in_separator() {
        return Ok(Outcome::ok("Folder directory unsubscribe punted."));
    }
    let name = mailbox.valid_name(s)?;
    if let Space::Link(path) = name.space() {
        let done = s.namespace.links().unsubscribe(&s.store, path);
        return Ok(match done.map_err(|e| s.store_error(e, CANNOT))? {
            Subscribed::Already => Outcome::ok("Already unsubscribed."),
            Subscribed::Done => Outcome::ok("UNSUBSCRIBE completed."),
        });
    }
    s.change_subscriptions(&name, false)?;
    Ok(Outcome::ok("Folder unsubscribed."))
}
