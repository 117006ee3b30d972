//! Messages from the client on their way into a folder, for APPEND and its kin: checked one by one
//! before the client is asked for them, received into `tmp`, and stored together or not at all.

use super::message::{Data, Message, takes_binary, takes_several};
use super::source::Sources;
use super::writer::Writer;
use crate::commands::args::{self, Mailbox};
use crate::commands::flags::FlagList;
use crate::maildir::quota::{self, Action, Charge};
use crate::maildir::{self, deliver::Delivery};
use crate::response::session::Alert;
use crate::session::access::Missing;
use crate::session::delivery::Delivered;
use crate::session::folder::Folder;
use crate::session::refusal::{NotDelivered, denied};
use crate::session::{Code, Error, Outcome, Result, Selected, Session};
use crate::types::Rights;
use crate::types::limits::MAX_APPENDED;
use crate::wire::Token;
use std::rc::Rc;

pub(super) const NOT_STORED: NotDelivered = NotDelivered {
    doing: "storing",
    text: "[ALERT] Cannot create message - no write permission or out of disk space.",
    missing: "Must create mailbox before append",
};
const NOT_UNICODE: &str = "Your IMAP client does not appear to correctly implement Unicode \
    messages, see https://datatracker.ietf.org/doc/html/rfc9755";

/// The messages of one command, and where they go.
pub(crate) struct Incoming<'a> {
    pub(super) s: &'a mut Session,
    /// The open folder.
    pub(super) selected: Option<&'a mut Selected>,
    folder: Folder,
    /// The user's rights on it.
    rights: Rights,
    /// Complete, in the client's order.
    deliveries: Vec<Delivery>,
    /// What they cost: bytes on disk, and how many count.
    cost: (u64, u64),
    /// What goes when they are there, of the same quota: bytes and messages.
    pub(crate) freed: (u64, u64),
    /// All their keywords.
    keywords: Vec<Vec<u8>>,
    /// Whether the client has sent 8-bit bytes in the header of one of them.
    has_8bit_header: bool,
    /// What URLs name.
    pub(super) sources: Sources,
}

/// The refusal of a message without a byte.
pub(super) fn cancelled() -> Outcome {
    Outcome::no("APPEND cancelled.")
}

impl<'a> Incoming<'a> {
    /// Checks the folder. `command`: for the refusal.
    pub(crate) fn begin(
        s: &'a mut Session,
        mut selected: Option<&'a mut Selected>,
        command: &str,
        mailbox: &Mailbox,
    ) -> Result<Incoming<'a>> {
        let name = mailbox.name(s).map_err(|_| args::invalid_name())?;
        let folder = s.locate_name(name, Missing::TryCreate(NOT_STORED.missing))?;
        let rights = match &mut selected {
            Some(selected) => selected.rights_beside(s, &folder.name)?,
            None => s.rights(&folder.name)?,
        };
        if !rights.has(b'i') {
            return denied(command, folder.name.spelled(), b'i').refuse();
        }
        // Whoever has opened it for reading only does not write to it by another way (Courier).
        if selected.as_ref().is_some_and(|f| f.read_only && f.folder.name == folder.name) {
            return Outcome::no("Current box is selected READ-ONLY.")
                .with_code(Code::IsReadOnly)
                .refuse();
        }
        let (deliveries, keywords) = (Vec::new(), Vec::new());
        let (cost, freed, has_8bit_header) = ((0, 0), (0, 0), false);
        Ok(Incoming {
            s,
            selected,
            folder,
            rights,
            deliveries,
            cost,
            freed,
            keywords,
            has_8bit_header,
            sources: Sources::default(),
        })
    }

    fn failed(&self, e: maildir::Error) -> Error {
        self.s.not_delivered_to(&self.folder, e, NOT_STORED)
    }

    /// Checks a message before the client is asked for it, and receives it.
    pub(crate) fn receive(&mut self, message: Message) -> Result<()> {
        self.must_be_allowed()?;
        let list = message.list.limited_to(self.rights);
        self.must_take_keywords(&list)?;
        let made = self
            .folder
            .enter_delivery()
            .and_then(|dir| Delivery::create(&self.s.store, &dir, None));
        let filters = match message.data {
            Data::Binary(_) => true,
            // Whether a literal8 is among its parts, it has not said yet.
            Data::Catenate(_) => takes_binary(self.s),
            Data::Literal(_) | Data::Utf8(_) => false,
        };
        let mut writer = Writer::new(made.map_err(|e| self.failed(e))?, filters);
        match message.data {
            // RFC 3502: "A zero-length message literal argument is an error, and MUST return a NO.
            // This can be used to cancel the append." Courier: it is a message, an empty one.
            Data::Literal(0) | Data::Binary(0) | Data::Utf8(0) if takes_several(self.s) => {
                return cancelled().refuse();
            }
            Data::Literal(length) => self.literal(length, &list, &mut writer)?,
            Data::Binary(length) => self.literal8(length, &list, &mut writer)?,
            Data::Utf8(length) => self.utf8_literal(length, &list, &mut writer)?,
            Data::Catenate(first) => self.catenate(first, &list, &mut writer)?,
        }
        writer.end();
        if writer.is_unstorable() {
            return Outcome::no("A message in this encoding cannot be stored.")
                .with_code(Code::UnknownCte)
                .refuse();
        }
        self.has_8bit_header |= writer.has_8bit_header();
        self.add(writer, list, message.date)
    }

    /// How many messages one command may store.
    fn must_be_allowed(&self) -> Result<()> {
        let count = self.deliveries.len();
        if count >= MAX_APPENDED {
            return Outcome::no("Too many messages in one command.")
                .with_code(Code::Limit)
                .refuse();
        }
        // What was mailed cannot be taken back.
        if count > 0 && self.s.is_outbox(&self.folder) {
            return Outcome::no("[ALERT] Only one message may be sent at a time.").refuse();
        }
        Ok(())
    }

    /// Refuses keywords for which the folder has no room, those of all messages together.
    fn must_take_keywords(&mut self, list: &FlagList) -> Result<()> {
        let before = self.keywords.len();
        for keyword in &list.keywords {
            if !self.keywords.iter().any(|known| known.eq_ignore_ascii_case(keyword)) {
                self.keywords.push(keyword.clone());
            }
        }
        if self.keywords.len() == before {
            return Ok(());
        }
        self.s.must_take_keywords(&self.folder, &self.keywords, NOT_STORED)
    }

    /// Receives a literal as the next bytes of a message.
    pub(super) fn literal(
        &mut self,
        length: u64,
        list: &FlagList,
        writer: &mut Writer,
    ) -> Result<()> {
        self.must_fit(length, list, writer)?;
        let literal = self.s.io.accept_literal()?;
        self.s.io.literal_bytes(literal.length, |chunk| writer.push(chunk))?;
        Ok(())
    }

    /// The same, with NULs and with `binary` parts.
    pub(super) fn literal8(
        &mut self,
        length: u64,
        list: &FlagList,
        writer: &mut Writer,
    ) -> Result<()> {
        writer.take_binary();
        self.literal(length, list, writer)
    }

    /// The same, in `UTF8 (~{n}...)`.
    pub(super) fn utf8_literal(
        &mut self,
        length: u64,
        list: &FlagList,
        writer: &mut Writer,
    ) -> Result<()> {
        self.literal(length, list, writer)?;
        if self.s.io.token()? == Token::Close { Ok(()) } else { Err(Error::Syntax) }
    }

    /// Refuses a message that has no room for another `length` bytes of the wire.
    pub(super) fn must_fit(&self, length: u64, list: &FlagList, writer: &Writer) -> Result<()> {
        if !quota::is_counted(list.flags) {
            return Ok(());
        }
        // CRs are not stored: of a text with CRLF at the end of each line, half is left at least.
        // What does not fit even so is not asked for.
        let (bytes, count) = self.cost;
        let bytes = bytes.saturating_add(writer.size()).saturating_add(length / 2);
        let (free, free_count) = self.freed;
        let beyond = (bytes.saturating_sub(free), (count + 1).saturating_sub(free_count));
        self.s.must_fit(&self.folder, beyond, Action::Append)
    }

    /// Completes a message.
    fn add(&mut self, writer: Writer, list: FlagList, date: Option<i64>) -> Result<()> {
        let finished = writer.finish().and_then(|mut delivery| {
            delivery.finish(&self.s.store, list.flags, list.keywords, date)?;
            Ok(delivery)
        });
        let delivery = finished.map_err(|e| self.failed(e))?;
        if quota::is_counted(delivery.flags()) {
            self.cost.0 = self.cost.0.saturating_add(delivery.size());
            self.cost.1 += 1;
        }
        self.deliveries.push(delivery);
        Ok(())
    }

    /// The message behind the last one; `None` at the end of the line.
    pub(crate) fn next(&mut self) -> Result<Option<Message>> {
        match self.s.io.token()? {
            Token::Eol => Ok(None),
            token if takes_several(self.s) => Message::parse(self.s, token).map(Some),
            _ => Err(Error::Syntax),
        }
    }

    /// The end of the line, for a command that stores one message.
    pub(crate) fn end(&mut self) -> Result<()> {
        Ok(self.s.io.end_of_line()?)
    }

    /// Says what the quota gets back when the messages are there, in bytes and messages.
    pub(crate) fn frees(
        &mut self,
        look: impl FnOnce(&Session, &mut Selected, &Folder) -> Result<(u64, u64)>,
    ) -> Result<()> {
        if let Some(selected) = self.selected.as_deref_mut() {
            self.freed = look(self.s, selected, &self.folder)?;
        }
        Ok(())
    }

    /// Stores the messages; then `then` does what belongs to it. If that fails, they go again.
    pub(crate) fn store(
        mut self,
        then: impl FnOnce(&mut Session, Option<&mut Selected>) -> Result<()>,
    ) -> Result<Delivered> {
        let charge = self.s.charge_beyond(&self.folder, self.cost, self.freed, Action::Append)?;
        let count = self.deliveries.len();
        let stored = self.mail_and_store(charge.clone(), then);
        let (validity, uids) =
            stored.inspect_err(|_| self.s.refund(&self.folder, charge.as_deref()))?;
        // What was freed was still there when the other messages came.
        if self.freed != (0, 0) && charge.is_some_and(|charge| charge.is_doubtful_later()) {
            self.s.quota_of(&self.folder).recalculate();
        }
        // RFC 9755 4: after ENABLE UTF8=ACCEPT any literal may hold them. Without it, "the server
        // MUST reject" the command; Courier stores it with this alert, and copies of what was sent
        // are not lost.
        if self.has_8bit_header && !self.s.utf8() {
            self.s.send(&Alert(NOT_UNICODE));
        }
        // A UID that does not last is not sent (RFC 4315 3), and one for each message or none.
        Ok((validity, if uids.len() == count { uids } else { Vec::new() }))
    }

    fn mail_and_store(
        &mut self,
        charge: Option<Rc<Charge>>,
        then: impl FnOnce(&mut Session, Option<&mut Selected>) -> Result<()>,
    ) -> Result<Delivered> {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        if let Some(first) = deliveries.first_mut() {
            first.charge = charge;
        }
        if self.s.is_outbox(&self.folder) {
            deliveries.iter().try_for_each(|delivery| self.mail(delivery))?;
        }
        let selected = self.selected.as_deref_mut();
        self.s.deliver_then(selected, &self.folder, deliveries, NOT_STORED, then)
    }

    fn mail(&self, delivery: &Delivery) -> Result<()> {
        let file = delivery.reopen().map_err(|e| {
            let reading = format!("reading {}", delivery.shown());
            self.s.not_delivered(maildir::Error::failed(reading, e), NOT_STORED)
        })?;
        if self.s.mail(&file) {
            return Ok(());
        }
        Outcome::no("[ALERT] Unable to send E-mail message.").refuse()
    }
}
