//! CATENATE (RFC 4469): a message made of literals and of parts of messages that are here.

use super::incoming::{Incoming, NOT_STORED, cancelled};
use super::message::Part;
use super::url::{self, MessageUrl};
use super::writer::Writer;
use crate::commands::capability;
use crate::commands::flags::FlagList;
use crate::maildir;
use crate::session::{Code, Error, Outcome, Result};
use crate::sys::breath;
use crate::types::limits::{MAX_CATENATED, MAX_CATENATED_BYTES};
use crate::wire::Token;
use std::io;

/// Refuses another `length` bytes if the message would be larger than a message can be (RFC 4469
/// 4.2).
fn must_be_possible(length: u64, writer: &Writer) -> Result<()> {
    if writer.taken().saturating_add(length) <= MAX_CATENATED_BYTES {
        return Ok(());
    }
    Outcome::no("The message is too large.").with_code(Code::TooBig).refuse()
}

/// The refusal of a URL that names nothing here (RFC 4469 4.1).
fn bad_url(url: &[u8]) -> Outcome {
    let refused = Outcome::no("There is no such message or part.");
    if url.is_empty() { refused } else { refused.with_code(Code::BadUrl(url.to_vec())) }
}

impl Incoming<'_> {
    /// Receives the parts of a message and fetches those that are here, up to the closing
    /// parenthesis.
    pub(super) fn catenate(
        &mut self,
        first: Part,
        list: &FlagList,
        writer: &mut Writer,
    ) -> Result<()> {
        let mut part = first;
        for _ in 0..MAX_CATENATED {
            breath::breathe()?;
            match part {
                Part::Text(length) => {
                    must_be_possible(length, writer)?;
                    self.literal(length, list, writer)?;
                }
                Part::Binary(length) => {
                    must_be_possible(length, writer)?;
                    self.literal8(length, list, writer)?;
                }
                Part::Utf8(length) => {
                    must_be_possible(length, writer)?;
                    self.utf8_literal(length, list, writer)?;
                }
                Part::Url(token) => {
                    let url = self.s.io.text_of(token)?;
                    self.fetch(&url, list, writer)?;
                }
            }
            if writer.has_failed() {
                // No more of it is asked for.
                return Ok(());
            }
            part = match self.s.io.token()? {
                Token::Close if writer.taken() == 0 => return cancelled().refuse(),
                Token::Close => return Ok(()),
                token => Part::parse(self.s, &token)?,
            };
        }
        Outcome::no("Too many parts in one message.").with_code(Code::Limit).refuse()
    }

    /// Fetches what a URL names as the next bytes of a message.
    fn fetch(&mut self, url: &[u8], list: &FlagList, writer: &mut Writer) -> Result<()> {
        let Some(named) = url::parse(url).filter(|named| self.takes(named)) else {
            return bad_url(url).refuse();
        };
        let selected = self.selected.as_deref_mut();
        match self.sources.open(self.s, selected, &named)? {
            Ok(true) => {}
            Ok(false) => return bad_url(url).refuse(),
            Err(e) => return Err(self.s.not_delivered(e, NOT_STORED)),
        }
        let found = match self.sources.find(&named) {
            Ok(Some(found)) => found,
            Ok(None) => return bad_url(url).refuse(),
            Err(e) => return Err(self.unreadable(url, e)),
        };
        must_be_possible(found.length, writer)?;
        self.must_fit(found.length, list, writer)?;
        writer.take_8bit(true);
        let copied = self.sources.copy(found, |chunk| writer.push(chunk));
        writer.take_8bit(false);
        copied.map_err(|e| self.unreadable(url, e))
    }

    /// Whether the session knows all that a URL asks for (RFC 5550: `;PARTIAL=`).
    fn takes(&self, url: &MessageUrl) -> bool {
        url.partial.is_none() || capability::is_offered(&self.s.options, "URL-PARTIAL")
    }

    /// The refusal of a message that a URL names and that cannot be read.
    fn unreadable(&self, url: &[u8], e: io::Error) -> Error {
        if e.kind() == io::ErrorKind::NotFound {
            return bad_url(url).into();
        }
        self.s.not_delivered(maildir::Error::failed("reading what CATENATE names", e), NOT_STORED)
    }
}
