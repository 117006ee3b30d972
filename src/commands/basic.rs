//! Commands that hardly touch the store: CAPABILITY, ID, ENABLE, NAMESPACE, NOOP, CHECK, LOGOUT
//! (PROTOCOL 2.2, 3).

use super::{Call, args};
use crate::session::{Error, Outcome, Result, Session};
use crate::wire::{Token, write};

/// CAPABILITY (PROTOCOL 3.1).
pub(crate) mod capability {
    use super::*;
    use crate::session::Options;

    /// Words that Courier knows, announced where no setting says otherwise.
    const COURIERS: &[u8] = b"IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE";
    /// Words that are ours: on, unless `IMAP_EXTENSIONS=0`.
    const ADDED: &[u8] = b"LITERAL+ UNSELECT";

    /// The words for these settings, in Courier's order and none twice. Ours stand before the last
    /// part. A word that Courier knows and the setting leaves out stays out: an administrator took
    /// it away.
    pub(crate) fn words(options: &Options) -> Vec<Vec<u8>> {
        let mut words: Vec<Vec<u8>> = Vec::new();
        let mut put = |part: &[u8]| {
            for word in part.split(|b| *b == b' ').filter(|w| !w.is_empty()) {
                if !words.iter().any(|w| w.eq_ignore_ascii_case(word)) {
                    words.push(word.to_vec());
                }
            }
        };
        let tls = options.capability_tls.as_deref().filter(|_| options.tls);
        match tls.or(options.capability.as_deref()) {
            Some(setting) => put(setting),
            None if options.extensions => put(COURIERS),
            None => put(b"IMAP4rev1"),
        }
        if let Some(smap) = &options.smap_capability {
            put(smap);
            if options.keywords.is_on() {
                put(b"KEYWORDS");
            }
        }
        if options.acl {
            put(b"ACL ACL2=UNION");
        }
        if options.id_fields.is_some() {
            put(b"ID");
        }
        if options.tls && options.tls_external {
            put(b"AUTH=EXTERNAL");
        }
        if let Some(outbox) = &options.outbox {
            put(&[b"XCOURIEROUTBOX=INBOX", &**outbox].concat());
        }
        if options.move_to_trash {
            put(b"XMAGICTRASH");
        }
        if options.extensions {
            put(ADDED);
        }
        put(b"ENABLE UTF8=ACCEPT");
        words
    }

    /// Whether a word is announced.
    pub(crate) fn announced(options: &Options, word: &str) -> bool {
        words(options).iter().any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// No arguments.
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<()> {
        args::none(s)
    }

    /// Tells the words.
    pub(crate) fn run(s: &mut Session, _: &Call, (): ()) -> Result<Outcome> {
        let words = words(&s.options).join(&b' ');
        s.untagged(&[b"CAPABILITY ", &*words].concat());
        Ok(Outcome::ok("CAPABILITY completed"))
    }
}

/// ID (RFC 2971, PROTOCOL 3.2).
pub(crate) mod id {
    use super::*;
    use crate::session::logging::shown;
    use crate::sys::user;

    /// A field and its value, which may be NIL.
    pub(crate) type Pairs = Vec<(Vec<u8>, Option<Vec<u8>>)>;

    /// RFC 2971 3.3: no more than 30 pairs.
    const MOST: usize = 30;

    fn string(s: &mut Session) -> Result<Option<Vec<u8>>> {
        match s.io.token()? {
            token @ (Token::Quoted(_) | Token::Literal(_)) => Ok(Some(s.io.text_of(token)?)),
            token if token.is("NIL") => Ok(None),
            _ => Err(Error::Syntax),
        }
    }

    /// `id-params-list`. What follows it on the line is passed over, as Courier does (PROTOCOL
    /// 1.6).
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<Pairs> {
        if s.options.id_fields.is_none() {
            return Err(Error::Syntax);
        }
        let mut pairs = Pairs::new();
        match s.io.token()? {
            Token::Open => {}
            token if token.is("NIL") => return Ok(pairs),
            _ => return Err(Error::Syntax),
        }
        loop {
            if *s.io.peek()? == Token::Close && !pairs.is_empty() {
                return Ok(pairs);
            }
            let key = string(s)?.ok_or(Error::Syntax)?;
            let value = string(s)?;
            if pairs.len() == MOST {
                return Err(Error::Syntax);
            }
            pairs.push((key, value));
        }
    }

    /// Logs theirs, tells ours.
    pub(crate) fn run(s: &mut Session, _: &Call, pairs: Pairs) -> Result<Outcome> {
        let mut line = format!("ID, {}", s.who());
        for (key, value) in &pairs {
            let value = value.as_deref().map_or("(nil)".into(), shown);
            line.push_str(&format!(", {}={value}", shown(key)));
        }
        log::info!("{line}");
        let fields = s.options.id_fields.unwrap_or(0);
        let (system, release) = user::system();
        let version = env!("CARGO_PKG_VERSION").as_bytes();
        let mut text = b"ID (".to_vec();
        let ours: [(&[u8], &[u8], bool); 5] = [
            (b"name", b"Postrider", true),
            (b"version", version, fields & 1 != 0),
            (b"os", &system, fields & 2 != 0),
            (b"os-version", &release, fields & 4 != 0),
            (b"vendor", b"Postrider", true),
        ];
        for (i, (key, value, _)) in ours.iter().filter(|(_, _, told)| *told).enumerate() {
            if i > 0 {
                text.push(b' ');
            }
            write::string(&mut text, key);
            text.push(b' ');
            write::string(&mut text, value);
        }
        text.push(b')');
        s.untagged(&text);
        Ok(Outcome::ok("ID completed"))
    }
}

/// ENABLE (RFC 5161, PROTOCOL 3.3). Courier takes it in every state, so do we.
pub(crate) mod enable {
    use super::*;

    /// Whether UTF8=ACCEPT is among the words. Quoted ones must be upper case (PROTOCOL 1.2).
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<bool> {
        let mut utf8 = false;
        loop {
            match s.io.token()? {
                Token::Eol => return Ok(utf8),
                token @ Token::Atom(_) => utf8 |= token.is("UTF8=ACCEPT"),
                token => utf8 |= s.io.text_of(token)? == b"UTF8=ACCEPT",
            }
        }
    }

    /// Switches it on; tells whether it is on.
    pub(crate) fn run(s: &mut Session, _: &Call, utf8: bool) -> Result<Outcome> {
        s.utf8 |= utf8;
        s.untagged(if s.utf8 { b"ENABLED UTF8=ACCEPT" } else { b"ENABLED" });
        Ok(Outcome::ok("Options enabled"))
    }
}

/// NAMESPACE (RFC 2342, PROTOCOL 3.4): constant.
pub(crate) mod namespace {
    use super::*;

    /// No arguments.
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<()> {
        args::none(s)
    }

    /// Tells the three.
    pub(crate) fn run(s: &mut Session, _: &Call, (): ()) -> Result<Outcome> {
        s.untagged(b"NAMESPACE ((\"INBOX.\" \".\")) NIL ((\"#shared.\" \".\")(\"shared.\" \".\"))");
        Ok(Outcome::ok("NAMESPACE completed."))
    }
}

/// NOOP (PROTOCOL 3.5).
pub(crate) mod noop {
    use super::*;

    /// No arguments.
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<()> {
        args::none(s)
    }

    /// Looks at the folder again.
    pub(crate) fn run(s: &mut Session, _: &Call, (): ()) -> Result<Outcome> {
        s.rescan_if_possible()?;
        Ok(Outcome::ok("NOOP completed"))
    }
}

/// CHECK (PROTOCOL 3.5).
pub(crate) mod check {
    use super::*;

    /// No arguments.
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<()> {
        args::none(s)
    }

    /// As NOOP.
    pub(crate) fn run(s: &mut Session, _: &Call, (): ()) -> Result<Outcome> {
        s.rescan_if_possible()?;
        Ok(Outcome::ok("CHECK completed"))
    }
}

/// LOGOUT (PROTOCOL 2.2).
pub(crate) mod logout {
    use super::*;

    /// No arguments.
    pub(crate) fn parse(s: &mut Session, _: &Call) -> Result<()> {
        args::none(s)
    }

    /// Says goodbye; the server ends the session after the tagged line.
    pub(crate) fn run(s: &mut Session, _: &Call, (): ()) -> Result<Outcome> {
        s.untagged(b"BYE Courier-IMAP server shutting down");
        s.over = true;
        Ok(Outcome::ok("LOGOUT completed"))
    }
}
