//! APPEND (PROTOCOL 6.4): a message from the client into a folder, streamed, and stored only when
//! the whole command was right.

use super::Call;
use super::args::{self, Mailbox};
use super::flags::FlagList;
use crate::maildir::quota::{self, Action};
use crate::maildir::{self, deliver::Delivery};
use crate::mime::{date, header::EndFinder};
use crate::response::session::Alert;
use crate::session::access::Missing;
use crate::session::folder::Folder;
use crate::session::refusal::NotDelivered;
use crate::session::{Code, Error, Outcome, Result, Session};
use crate::types::Rights;
use crate::wire::Token;

const NOT_STORED: NotDelivered = NotDelivered {
    doing: "storing",
    text: "[ALERT] Cannot create message - no write permission or out of disk space.",
    missing: "Must create mailbox before append",
};
const NOT_UNICODE: &str = "Your IMAP client does not appear to correctly implement Unicode \
    messages, see https://datatracker.ietf.org/doc/html/rfc6855";

/// Everything before the message's own bytes.
pub(crate) struct Message {
    mailbox: Mailbox,
    list: FlagList,
    /// Seconds since 1970.
    date: Option<i64>,
    /// The form `UTF8 (~{n}...)`.
    utf8: bool,
    /// The literal's length.
    length: u64,
}

/// `mailbox [SP flag-list] [SP date-time] SP (literal / "UTF8" SP "(" literal8 ")")`. Upper-case
/// `NIL` stands for no flags or no date, an empty string for no date, and one flag needs no
/// parentheses (Courier). The literal's bytes stay where they are: every check comes before the
/// continuation.
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Message> {
    let mailbox = Mailbox::parse(s)?;
    let mut list = FlagList::default();
    let mut date = None;
    let mut token = s.io.token()?;
    if token == Token::Open {
        list = FlagList::parse_list(s)?;
        token = s.io.token()?;
    } else if token == Token::Atom(b"NIL".to_vec()) {
        token = s.io.token()?;
    } else if let Token::Atom(flag) = &mut token
        && !(s.utf8() && flag.eq_ignore_ascii_case(b"UTF8"))
    {
        list = FlagList::of_one(s, std::mem::take(flag))?;
        token = s.io.token()?;
    }
    if let Token::Quoted(text) = &token {
        if !text.is_empty() {
            date = Some(date::parse_append(text).ok_or(Error::Syntax)?.unix());
        }
        token = s.io.token()?;
    } else if token == Token::Atom(b"NIL".to_vec()) {
        token = s.io.token()?;
    }
    let utf8 = s.utf8() && token.is("UTF8");
    if utf8 {
        if s.io.token()? != Token::Open {
            return Err(Error::Syntax);
        }
        token = s.io.token()?;
    }
    match token {
        Token::Literal(literal) if literal.literal8 == utf8 => {
            Ok(Message { mailbox, list, date, utf8, length: literal.length })
        }
        _ => Err(Error::Syntax),
    }
}

/// Checks the folder and what may be done with it, all before the client is asked for the message.
fn check(s: &mut Session, a: &Message) -> Result<(Folder, Rights)> {
    let name = a.mailbox.name(s).map_err(|_| args::invalid_name())?;
    let folder = s.locate_name(name, Missing::TryCreate(NOT_STORED.missing))?;
    let rights = s.require(&folder.name, b'i', "APPEND")?;
    // Whoever has opened it for reading only does not write to it by another way (Courier).
    if s.selected.as_ref().is_some_and(|f| f.read_only && f.folder.name == folder.name) {
        return Outcome::no("Current box is selected READ-ONLY.")
            .with_code(Code::IsReadOnly)
            .refuse();
    }
    let list = a.list.clone().limited_to(rights);
    s.must_take_keywords(&folder, &list.keywords, NOT_STORED)?;
    if quota::is_counted(list.flags) {
        // CRs are not stored: of a text with CRLF at the end of each line, half is left at least.
        // What does not fit even so is not asked for.
        s.must_fit(&folder, a.length / 2, Action::Append)?;
    }
    Ok((folder, rights))
}

/// Writes the message's bytes without the CRs (STORAGE 1.2). What cannot be written is still taken
/// off the wire, so that the next command is the next command.
struct Writer {
    delivery: Delivery,
    failed: Option<maildir::Error>,
    /// The last byte written.
    last: u8,
    header: EndFinder,
    in_header: bool,
    eight_bit_header: bool,
    stripped: Vec<u8>,
}

impl Writer {
    fn push(&mut self, chunk: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        self.stripped.clear();
        let mut rest = chunk;
        while let Some(at) = memchr::memchr(b'\r', rest) {
            let (before, after) = rest.split_at(at);
            self.stripped.extend_from_slice(before);
            rest = after.get(1..).unwrap_or_default();
        }
        self.stripped.extend_from_slice(rest);
        if self.in_header {
            let end = self.header.push(&self.stripped);
            let head = end.and_then(|e| self.stripped.get(..e)).unwrap_or(&self.stripped);
            self.eight_bit_header |= !head.is_ascii();
            self.in_header = end.is_none();
        }
        if let Some(last) = self.stripped.last() {
            self.last = *last;
            self.failed = self.delivery.write(&self.stripped).err();
        }
    }
}

/// Receives the message. The line must end behind it, or it is not stored.
fn receive(s: &mut Session, a: &Message, delivery: Delivery) -> Result<Writer> {
    let mut writer = Writer {
        delivery,
        failed: None,
        last: 0,
        header: EndFinder::new(),
        in_header: true,
        eight_bit_header: false,
        stripped: Vec::new(),
    };
    let literal = s.io.accept_literal()?;
    s.io.literal_bytes(literal.length, |chunk| writer.push(chunk))?;
    if writer.last != b'\n' {
        writer.push(b"\n");
    }
    if a.utf8 && s.io.token()? != Token::Close {
        return Err(Error::Syntax);
    }
    s.io.end_of_line()?;
    Ok(writer)
}

/// Checks, receives, stores.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, a: Message) -> Result<Outcome> {
    let (folder, rights) = check(s, &a)?;
    let delivery = folder
        .enter_delivery()
        .and_then(|dir| Delivery::create(&s.store, &dir, None))
        .map_err(|e| s.not_delivered_to(&folder, e, NOT_STORED))?;
    let mut writer = receive(s, &a, delivery)?;
    if let Some(e) = writer.failed.take() {
        return Err(s.not_delivered_to(&folder, e, NOT_STORED));
    }
    let list = a.list.limited_to(rights);
    let cost = (writer.delivery.size(), u64::from(quota::is_counted(list.flags)));
    let charge = s.charge(&folder, cost, Action::Append)?;
    let eight_bit = writer.eight_bit_header && !a.utf8;
    let Writer { mut delivery, .. } = writer;
    delivery.charge.clone_from(&charge);
    let finished = delivery
        .finish(&s.store, list.flags, list.keywords, a.date)
        .map_err(|e| s.not_delivered_to(&folder, e, NOT_STORED));
    let mailed = finished.and_then(|()| {
        if !s.is_outbox(&folder) {
            return Ok(());
        }
        let file = delivery.reopen().map_err(|e| {
            let reading = format!("reading {}", delivery.shown());
            s.not_delivered(maildir::Error::failed(reading, e), NOT_STORED)
        })?;
        if s.mail(&file) {
            return Ok(());
        }
        Outcome::no("[ALERT] Unable to send E-mail message.").refuse()
    });
    let delivered = mailed.and_then(|()| {
        s.with_selected(|s, selected| s.deliver(selected, &folder, vec![delivery], NOT_STORED))
    });
    let (validity, uids) = match delivered {
        Ok(done) => done,
        Err(e) => {
            s.refund(&folder, charge.as_deref());
            return Err(e);
        }
    };
    if eight_bit {
        s.send(&Alert(NOT_UNICODE));
    }
    let done = Outcome::ok("APPEND Ok.");
    // A UID that does not last is not sent (RFC 4315 3).
    Ok(match uids.first() {
        Some(uid) => done.with_code(Code::AppendUid(validity, *uid)),
        None => done,
    })
}
