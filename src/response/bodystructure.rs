//! BODY and BODYSTRUCTURE (RFC 3501 7.4.2, PROTOCOL 5.6). Every size in them is the length that
//! fetching that part returns.

#[cfg(test)]
mod tests;

use super::{Encoder, envelope};
use crate::mime;
use crate::mime::facts::{Outline, Outlined, Params, Text, Visitor, Written};
use crate::mime::params::Param;
use crate::mime::structure::{Content, Disposition, Part};
use crate::wire::End;
use std::io;
use std::ops::Range;

/// Where the headers of enclosed messages are read: BODYSTRUCTURE shows their envelopes.
pub(crate) trait Headers {
    /// The bytes of a header, by its place in the file.
    fn header(&mut self, range: Range<u64>) -> io::Result<&[u8]>;
}

/// Why a structure was not written to its end.
pub(crate) enum Failed {
    /// The file could not be read any further.
    Unreadable(io::Error),
    /// The session is over.
    End(End),
}

/// Writes the structure of one message.
pub(crate) struct Writer<'a, 'e> {
    /// Where to.
    pub(crate) encoder: &'a mut Encoder<'e>,
    /// Reads the headers of enclosed messages.
    pub(crate) headers: &'a mut dyn Headers,
    /// Whether extension data are wanted (BODYSTRUCTURE).
    pub(crate) extended: bool,
}

impl Writer<'_, '_> {
    /// Writes the data item, its name first.
    pub(crate) fn item(&mut self, root: &Part) -> Result<(), Failed> {
        self.encoder.raw(if self.extended { "BODYSTRUCTURE " } else { "BODY " });
        self.body(root)
    }

    /// `body = "(" (body-type-1part / body-type-mpart) ")"`. Recursion ends at the parser's limit
    /// of depth.
    fn body(&mut self, part: &Part) -> Result<(), Failed> {
        self.encoder.flush_within().map_err(Failed::End)?;
        self.encoder.raw("(");
        match &part.content {
            Content::Multipart(parts) => self.multipart(part, parts)?,
            content => self.single(part, content)?,
        }
        self.encoder.raw(")");
        Ok(())
    }

    /// `body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]`
    fn multipart(&mut self, part: &Part, parts: &[Part]) -> Result<(), Failed> {
        for inner in parts {
            self.body(inner)?;
        }
        let e = &mut *self.encoder;
        e.space().text(&part.subtype);
        if self.extended {
            params(e, &part.params);
            disposition(e, part.disposition.as_ref());
            e.space().optional_text(part.language.as_deref());
        }
        Ok(())
    }

    /// `body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]`
    fn single(&mut self, part: &Part, content: &Content) -> Result<(), Failed> {
        let e = &mut *self.encoder;
        e.text(&part.kind).space().text(&part.subtype);
        params(e, &part.params);
        e.space().optional_text(part.id.as_deref());
        e.space().optional_text(part.description.as_deref());
        e.space().text(&part.encoding).space().number(part.body_size);
        // RFC 3501 9, media-message: message/rfc822 alone. A client of IMAP4rev1 takes message/global
        // for body-type-basic, and an envelope there breaks its parser; one that has enabled UTF8=ACCEPT
        // must take both forms (RFC 9755 6).
        let message = match content {
            Content::Message(inner) if part.subtype == b"rfc822" => Some(inner),
            _ => None,
        };
        if let Some(inner) = message {
            e.space();
            let header = self.headers.header(inner.header.clone()).map_err(Failed::Unreadable)?;
            envelope::write(e, &mime::envelope::envelope(header)).map_err(Failed::End)?;
            e.space();
            self.body(inner)?;
        }
        let e = &mut *self.encoder;
        if part.kind == b"text" || message.is_some() {
            e.space().number(part.body_lines);
        }
        if self.extended {
            e.space().optional_text(part.md5.as_deref());
            disposition(e, part.disposition.as_ref());
            // Courier: no language but a multipart's.
            e.raw(" NIL");
        }
        Ok(())
    }
}

/// `SP body-fld-param`, which is `"(" string SP string *(SP string SP string) ")" / nil`
fn params(e: &mut Encoder<'_>, params: &[Param]) {
    if params.is_empty() {
        e.raw(" NIL");
        return;
    }
    e.space().list(params, |e, param| {
        e.text(&param.name).space().text(&param.value);
    });
}

/// `SP body-fld-dsp`, which is `"(" string SP body-fld-param ")" / nil`
fn disposition(e: &mut Encoder<'_>, disposition: Option<&Disposition>) {
    let Some(disposition) = disposition else {
        e.raw(" NIL");
        return;
    };
    e.raw(" (").text(&disposition.kind);
    params(e, &disposition.params);
    e.raw(")");
}

/// Which data item, and for whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Form {
    /// Whether extension data are wanted (BODYSTRUCTURE).
    pub(crate) extended: bool,
    /// Whether the client takes 8-bit text.
    pub(crate) utf8: bool,
}

/// Appends the data item to `out` from what is remembered, its name first: as [`Writer::item`]
/// writes it from the tree. The length of the message's file; `None`: what is remembered contradicts
/// itself, and what was appended is of no use.
pub(crate) fn write_outline(out: &mut Vec<u8>, outline: Outline<'_>, form: Form) -> Option<u64> {
    let Form { extended, utf8 } = form;
    let mut encoder = Encoder::in_memory(out, utf8);
    encoder.raw(if extended { "BODYSTRUCTURE " } else { "BODY " });
    outline.visit(&mut OutlineWriter { encoder, extended, hidden: 0 })
}

/// Writes parts as they are told of.
struct OutlineWriter<'e> {
    encoder: Encoder<'e>,
    extended: bool,
    /// How deep this is in a message that is not shown.
    hidden: usize,
}

/// Whether the message in a part is shown; see [`Writer::single`].
fn shows_message(part: &Outlined<'_>) -> bool {
    part.is_message() && part.subtype.bytes() == b"rfc822"
}

impl<'a> Visitor<'a> for OutlineWriter<'_> {
    fn begin(&mut self, part: &Outlined<'a>) {
        if self.hidden > 0 {
            self.hidden = self.hidden.saturating_add(1);
            return;
        }
        let e = &mut self.encoder;
        if part.is_multipart() {
            e.raw("(");
        } else if let Written::Text(written) = part.written {
            e.raw(written).number(part.body_size());
        } else {
            e.raw("(").remembered(part.kind).space().remembered(part.subtype);
            remembered_params(e, part.params);
            e.space().optional_remembered(part.more.id);
            e.space().optional_remembered(part.more.description);
            e.space().remembered(part.encoding).space().number(part.body_size());
        }
        if part.is_message() && !shows_message(part) {
            self.hidden = 1;
        }
    }

    fn enclosed(&mut self, part: &Outlined<'a>, fields: &'a [u8]) {
        if self.hidden == 0 && shows_message(part) {
            let e = &mut self.encoder;
            e.space();
            let sent = envelope::write(e, &mime::envelope::envelope(fields));
            debug_assert!(sent.is_ok(), "nothing is sent from memory");
            e.space();
        }
    }

    fn end(&mut self, part: &Outlined<'a>) {
        if self.hidden > 0 {
            self.hidden = self.hidden.saturating_sub(1);
            if self.hidden > 0 {
                return;
            }
        }
        let e = &mut self.encoder;
        let (has_little, extended) = (!part.has_more(), self.extended);
        match part.written {
            Written::Text(_) if has_little && extended => {
                e.space().number(part.body_lines()).raw(" NIL NIL NIL)");
                return;
            }
            Written::Multipart(written, boundary) if has_little && extended => {
                e.raw(written).remembered(boundary).raw(") NIL NIL)");
                return;
            }
            _ => {}
        }
        if part.is_multipart() {
            e.space().remembered(part.subtype);
            if self.extended {
                remembered_params(e, part.params);
                remembered_disposition(e, part.more.disposition);
                e.space().optional_remembered(part.more.language);
            }
        } else {
            if part.kind.bytes() == b"text" || shows_message(part) {
                e.space().number(part.body_lines());
            }
            if self.extended {
                e.space().optional_remembered(part.more.md5);
                remembered_disposition(e, part.more.disposition);
                e.raw(" NIL");
            }
        }
        e.raw(")");
    }
}

/// As [`params`].
fn remembered_params(e: &mut Encoder<'_>, params: Params<'_>) {
    let mut before: &[u8] = b" (";
    for (name, value) in params.each() {
        e.raw(before).remembered(name).space().remembered(value);
        before = b" ";
    }
    e.raw(if before == b" (" { " NIL" } else { ")" });
}

/// As [`disposition`].
fn remembered_disposition(e: &mut Encoder<'_>, disposition: Option<(Text<'_>, Params<'_>)>) {
    let Some((kind, params)) = disposition else {
        e.raw(" NIL");
        return;
    };
    e.raw(" (").remembered(kind);
    remembered_params(e, params);
    e.raw(")");
}
