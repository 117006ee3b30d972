//! The data of a message: `msg-att` of RFC 3501 9, with BINARY (RFC 3516) and SAVEDATE (RFC 8514).

use super::reader::{Reader, Rule};

/// `"(" item *(SP item) ")"`, with the space before it.
pub(super) fn msg_att(r: &mut Reader<'_>) -> Rule {
    r.sp()?;
    r.list(1, item)
}

fn item(r: &mut Reader<'_>) -> Rule {
    let name = r.word();
    match name {
        "BODY" if r.rest().starts_with(b"[") => {
            section(r)?;
            origin(r)?;
            r.sp()?;
            r.nstring()
        }
        "BINARY" => {
            parts(r)?;
            origin(r)?;
            r.sp()?;
            r.nstring8()
        }
        "BINARY.SIZE" => {
            parts(r)?;
            r.sp()?;
            r.number().map(drop)
        }
        _ => {
            r.sp()?;
            match name {
                "FLAGS" => r.list(0, |r| r.flag(false)),
                "UID" => r.nz_number().map(drop),
                // RFC 7162 7
                "MODSEQ" => {
                    r.wants("(")?;
                    r.mod_sequence()?;
                    r.wants(")")
                }
                "RFC822.SIZE" => r.number().map(drop),
                "RFC822" | "RFC822.HEADER" | "RFC822.TEXT" => r.nstring(),
                "INTERNALDATE" => date_time(r),
                "SAVEDATE" if r.nil() => Ok(()),
                "SAVEDATE" => date_time(r),
                "ENVELOPE" => envelope(r),
                "BODY" => body(r, false),
                "BODYSTRUCTURE" => body(r, true),
                _ => r.fault("a FETCH item"),
            }
        }
    }
}

/// `"[" [section-spec] "]"`
fn section(r: &mut Reader<'_>) -> Rule {
    r.wants("[")?;
    if r.has(b"]") {
        return Ok(());
    }
    let mut is_part = false;
    while r.is_digit() {
        r.echoed_number()?;
        is_part = true;
        if r.has(b"]") {
            return Ok(());
        }
        r.wants(".")?;
    }
    match r.word() {
        "HEADER" | "TEXT" => {}
        "MIME" if is_part => {}
        // Courier: asked for without a list, it comes without one.
        "HEADER.FIELDS" | "HEADER.FIELDS.NOT" if r.has(b"]") => return Ok(()),
        "HEADER.FIELDS" | "HEADER.FIELDS.NOT" => {
            r.sp()?;
            r.list(1, |r| r.astring().map(drop))?;
        }
        _ => return r.fault("a section"),
    }
    r.wants("]")
}

/// `"[" [nz-number *("." nz-number)] "]"`
fn parts(r: &mut Reader<'_>) -> Rule {
    r.wants("[")?;
    while !r.has(b"]") {
        r.echoed_number()?;
        if !r.rest().starts_with(b"]") {
            r.wants(".")?;
        }
    }
    Ok(())
}

/// `["<" number ">"]`
fn origin(r: &mut Reader<'_>) -> Rule {
    if r.has(b"<") {
        r.echoed_number()?;
        r.wants(">")?;
    }
    Ok(())
}

/// `DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE`
fn date_time(r: &mut Reader<'_>) -> Rule {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let text = r.rest().get(..28).unwrap_or_default();
    let fits = |pattern: &[u8]| {
        let digit = |b: u8| b.is_ascii_digit();
        text.len() == pattern.len()
            && text.iter().zip(pattern).all(|(b, p)| match p {
                b'd' => digit(*b),
                b's' => digit(*b) || *b == b' ',
                b'm' => b.is_ascii_alphabetic(),
                b'z' => b"+-".contains(b),
                _ => b == p,
            })
    };
    let month = text.get(4..7).and_then(|m| str::from_utf8(m).ok()).unwrap_or("?");
    if !fits(b"\"sd-mmm-dddd dd:dd:dd zdddd\"") || MONTHS.find(month).is_none_or(|n| n % 3 != 0) {
        return r.fault("a date and time");
    }
    r.string().map(drop)
}

/// `envelope`: ten fields, six of them lists of addresses.
fn envelope(r: &mut Reader<'_>) -> Rule {
    r.wants("(")?;
    for field in 0..10 {
        if field > 0 {
            r.sp()?;
        }
        match field {
            2..=7 if r.nil() => {}
            2..=7 => addresses(r)?,
            _ => r.nstring()?,
        }
    }
    r.wants(")")
}

/// `"(" 1*address ")"`
fn addresses(r: &mut Reader<'_>) -> Rule {
    r.wants("(")?;
    loop {
        r.wants("(")?;
        for field in 0..4 {
            if field > 0 {
                r.sp()?;
            }
            r.nstring()?;
        }
        r.wants(")")?;
        if r.has(b")") {
            return Ok(());
        }
    }
}

/// `body`; the extension data only in BODYSTRUCTURE.
fn body(r: &mut Reader<'_>, is_extended: bool) -> Rule {
    r.wants("(")?;
    if r.rest().starts_with(b"(") {
        while r.rest().starts_with(b"(") {
            body(r, is_extended)?;
        }
        r.sp()?;
        r.string()?;
    } else {
        one_part(r, is_extended)?;
    }
    if is_extended && r.has(b" ") {
        // body-ext-mpart begins with the parameters, body-ext-1part with the MD5.
        if r.rest().starts_with(b"(") {
            parameters(r)?
        } else {
            r.nstring()?
        }
        if r.has(b" ") {
            disposition(r)?;
            if r.has(b" ") {
                languages(r)?;
                if r.has(b" ") {
                    r.nstring()?;
                }
            }
        }
    }
    r.wants(")")
}

/// `body-type-1part`, without its extension data.
fn one_part(r: &mut Reader<'_>, is_extended: bool) -> Rule {
    let kind = r.string()?.to_ascii_lowercase();
    r.sp()?;
    let subtype = r.string()?.to_ascii_lowercase();
    r.sp()?;
    parameters(r)?;
    r.sp()?;
    r.nstring()?;
    r.sp()?;
    r.nstring()?;
    r.sp()?;
    r.string()?;
    r.sp()?;
    r.number()?;
    let is_message = kind == b"message" && subtype == b"rfc822";
    if is_message {
        r.sp()?;
        envelope(r)?;
        r.sp()?;
        body(r, is_extended)?;
    }
    if is_message || kind == b"text" {
        r.sp()?;
        r.number()?;
    }
    Ok(())
}

/// `body-fld-param`: NIL, or names with values.
fn parameters(r: &mut Reader<'_>) -> Rule {
    if r.nil() {
        return Ok(());
    }
    r.list(1, |r| {
        r.string()?;
        r.sp()?;
        r.string().map(drop)
    })
}

fn disposition(r: &mut Reader<'_>) -> Rule {
    if r.nil() {
        return Ok(());
    }
    r.wants("(")?;
    r.string()?;
    r.sp()?;
    parameters(r)?;
    r.wants(")")
}

fn languages(r: &mut Reader<'_>) -> Rule {
    if r.rest().starts_with(b"(") { r.list(1, |r| r.string().map(drop)) } else { r.nstring() }
}
