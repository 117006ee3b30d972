//! BODY and BODYSTRUCTURE (RFC 3501 7.4.2, PROTOCOL 5.6). Every size told here is the length that
//! fetching that part returns.

use super::envelope::{push_envelope, push_optional, push_text};
use super::unreadable;
use crate::mime::params::Param;
use crate::mime::structure::{Content, Disposition, Part};
use crate::session::Result;
use crate::session::facts::Reader;
use crate::wire::{Io, write};

/// Writes the structure of one message.
pub(crate) struct Writer<'a> {
    /// Where to.
    pub(crate) io: &'a mut Io,
    /// The message: enclosed messages show their envelopes.
    pub(crate) reader: &'a mut Reader,
    /// Whether 8-bit text may be sent as it is.
    pub(crate) utf8: bool,
    /// Whether extension data are wanted (BODYSTRUCTURE).
    pub(crate) extended: bool,
}

impl Writer<'_> {
    /// `body = "(" (body-type-1part / body-type-mpart) ")"`. Recursion ends at the parser's limit
    /// of depth.
    pub(crate) fn body(&mut self, part: &Part) -> Result<()> {
        self.io.flush_within()?;
        self.io.out.push(b'(');
        match &part.content {
            Content::Multipart(parts) => self.multipart(part, parts)?,
            content => self.single(part, content)?,
        }
        self.io.out.push(b')');
        Ok(())
    }

    /// `body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]`
    fn multipart(&mut self, part: &Part, parts: &[Part]) -> Result<()> {
        for inner in parts {
            self.body(inner)?;
        }
        self.word(&part.subtype);
        if self.extended {
            self.params(&part.params);
            self.disposition(part.disposition.as_ref());
            self.optional(part.language.as_deref());
        }
        Ok(())
    }

    /// `body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]`
    fn single(&mut self, part: &Part, content: &Content) -> Result<()> {
        push_text(&mut self.io.out, &part.kind, self.utf8);
        self.word(&part.subtype);
        self.params(&part.params);
        self.optional(part.id.as_deref());
        self.optional(part.description.as_deref());
        self.word(&part.encoding);
        self.number(part.body_size);
        if let Content::Message(inner) = content {
            self.io.out.push(b' ');
            let block = self.reader.header_block(inner.header.clone()).map_err(unreadable)?;
            push_envelope(&mut self.io.out, block, self.utf8);
            self.io.out.push(b' ');
            self.body(inner)?;
        }
        if part.kind == b"text" || matches!(content, Content::Message(_)) {
            self.number(part.body_lines);
        }
        if self.extended {
            self.optional(part.md5.as_deref());
            self.disposition(part.disposition.as_ref());
            // Courier: no language but a multipart's.
            self.optional(None);
        }
        Ok(())
    }

    fn word(&mut self, text: &[u8]) {
        self.optional(Some(text));
    }

    fn optional(&mut self, text: Option<&[u8]>) {
        self.io.out.push(b' ');
        push_optional(&mut self.io.out, text, self.utf8);
    }

    fn number(&mut self, n: u64) {
        self.io.out.push(b' ');
        write::number(&mut self.io.out, n);
    }

    /// `body-fld-param = "(" string SP string *(SP string SP string) ")" / nil`
    fn params(&mut self, params: &[Param]) {
        if params.is_empty() {
            self.optional(None);
            return;
        }
        self.io.out.extend_from_slice(b" (");
        for (i, param) in params.iter().enumerate() {
            if i > 0 {
                self.io.out.push(b' ');
            }
            push_text(&mut self.io.out, &param.name, self.utf8);
            self.word(&param.value);
        }
        self.io.out.push(b')');
    }

    /// `body-fld-dsp = "(" string SP body-fld-param ")" / nil`
    fn disposition(&mut self, disposition: Option<&Disposition>) {
        let Some(disposition) = disposition else { return self.optional(None) };
        self.io.out.extend_from_slice(b" (");
        push_text(&mut self.io.out, &disposition.kind, self.utf8);
        self.params(&disposition.params);
        self.io.out.push(b')');
    }
}
