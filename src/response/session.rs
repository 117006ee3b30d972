//! Responses about the session itself.

use super::{Encoder, Untagged};
use crate::types::Seq;

/// `CAPABILITY`
pub(crate) struct Capability<'a>(pub(crate) &'a [Vec<u8>]);

impl Untagged for Capability<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("CAPABILITY");
        for word in self.0 {
            e.space().raw(word);
        }
    }
}

/// `ENABLED` (RFC 5161 3.2)
pub(crate) struct Enabled<'a>(pub(crate) &'a [&'a str]);

impl Untagged for Enabled<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("ENABLED");
        for word in self.0 {
            e.space().raw(word);
        }
    }
}

/// `ID`: fields and their values (RFC 2971 3.2).
pub(crate) struct Id<'a>(pub(crate) &'a [(&'a str, &'a [u8])]);

impl Untagged for Id<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("ID ").list(self.0, |e, (name, value)| {
            e.string(name).space().string(value);
        });
    }
}

/// `NAMESPACE` (RFC 2342): always Courier's three. Courier has `#shared.` and `shared.` both among
/// the shared ones, and older releases of Ruby's net-imap fail where there are two of a kind. What is
/// in `#shared.` are the folders of other users.
pub(crate) struct Namespace {
    /// Whether it is as Courier has it.
    pub(crate) as_courier: bool,
}

impl Untagged for Namespace {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw(if self.as_courier {
            r##"NAMESPACE (("INBOX." ".")) NIL (("#shared." ".")("shared." "."))"##
        } else {
            r##"NAMESPACE (("INBOX." ".")) (("#shared." ".")) (("shared." "."))"##
        });
    }
}

/// The greeting of a session that nobody had to log in to, with the capabilities if there are any.
pub(crate) struct Preauth<'a>(pub(crate) &'a [Vec<u8>]);

impl Untagged for Preauth<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("PREAUTH ");
        if !self.0.is_empty() {
            e.raw("[");
            Capability(self.0).write(e);
            e.raw("] ");
        }
        e.raw("Ready.");
    }
}

/// `BYE`
pub(crate) struct Bye<'a>(pub(crate) &'a str);

impl Untagged for Bye<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("BYE ").raw(self.0);
    }
}

/// `BYE` after an error that the session cannot go on from.
pub(crate) struct FatalBye<'a> {
    /// What was tried.
    pub(crate) what: &'a str,
    /// Why it failed; may be empty.
    pub(crate) reason: &'a str,
}

impl Untagged for FatalBye<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("BYE [ALERT] Fatal error: ").raw(self.what).raw(": ").raw(self.reason);
    }
}

/// What IDLE answers at once (RFC 2177 3); `enhanced`: changes are noticed by a watch. Unlike an
/// untagged response it has no `*`.
pub(crate) fn idling(e: &mut Encoder<'_>, enhanced: bool) {
    e.raw(match enhanced {
        true => "+ entering ENHANCED idle mode\r\n",
        false => "+ entering idle mode\r\n",
    });
}

/// `OK [ALERT]` and a text for the user's eyes.
pub(crate) struct Alert(pub(crate) &'static str);

impl Untagged for Alert {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("OK [ALERT] ").raw(self.0);
    }
}

/// `OK [INPROGRESS ...]`: a command is still at work (RFC 9585 4).
pub(crate) struct InProgress<'a> {
    /// Its tag.
    pub(crate) tag: &'a [u8],
    /// So many items are done, of so many; `None` where that is not known.
    pub(crate) items: Option<(usize, usize)>,
}

impl Untagged for InProgress<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("OK [INPROGRESS (");
        // RFC 9585 4: a tag with a bracket is not told.
        if self.tag.contains(&b']') {
            e.raw("NIL");
        } else {
            e.string(self.tag);
        }
        // RFC 9585 4: what is done is always less than the goal.
        match self.items.filter(|(done, total)| done < total) {
            Some((done, total)) => {
                let [done, total] = [done, total].map(|n| n as u64);
                e.space().number(done).space().number(total).raw(")] ");
                e.number(done).raw(" of ").number(total).raw(" done.")
            }
            None => e.raw(" NIL NIL)] Still at work."),
        };
    }
}

/// The warning about 8-bit headers to a client without UTF8=ACCEPT (PROTOCOL 5.8).
pub(crate) struct UnicodeMessage {
    /// The message.
    pub(crate) number: Seq,
}

impl Untagged for UnicodeMessage {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("OK [ALERT] Message ").number(self.number.get()).raw(
            " appears to be a Unicode message and your E-mail reader did not enable Unicode \
             support. Please use an E-mail reader that supports IMAP with UTF-8 (see \
             https://datatracker.ietf.org/doc/html/rfc9755)",
        );
    }
}

/// `NO`: a message that cannot be opened, while the others are served.
pub(crate) struct CannotOpen {
    /// The message.
    pub(crate) number: Seq,
}

impl Untagged for CannotOpen {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("NO [ALERT] Cannot open message ").number(self.number.get());
    }
}

/// `NO`: a sequence number that names no message (PROTOCOL 6.1).
pub(crate) struct InvalidNumber(pub(crate) u64);

impl Untagged for InvalidNumber {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("NO Invalid message sequence number: ").number(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::written;

    #[test]
    fn progress() {
        let line = |tag: &str, items| written(&InProgress { tag: tag.as_bytes(), items });
        assert_eq!(line("a1", None), r#"OK [INPROGRESS ("a1" NIL NIL)] Still at work."#);
        assert_eq!(line("a", Some((0, 7))), r#"OK [INPROGRESS ("a" 0 7)] 0 of 7 done."#);
        assert_eq!(line("a", Some((7, 7))), r#"OK [INPROGRESS ("a" NIL NIL)] Still at work."#);
        assert_eq!(line("a", Some((0, 0))), r#"OK [INPROGRESS ("a" NIL NIL)] Still at work."#);
        assert_eq!(line("a]", Some((6, 7))), "OK [INPROGRESS (NIL 6 7)] 6 of 7 done.");
        assert_eq!(line("\\a*%", None), r#"OK [INPROGRESS ("\\a*%" NIL NIL)] Still at work."#);
    }
}
