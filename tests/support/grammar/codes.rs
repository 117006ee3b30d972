//! Response codes: those of RFC 3501 7.1 and of the extensions, and no other.

use super::reader::{Reader, Rule};

/// `["[" resp-text-code "]" SP] text`
pub(super) fn resp_text(r: &mut Reader<'_>) -> Rule {
    if r.has(b"[") {
        code(r)?;
        r.wants("] ")?;
    }
    r.text()
}

fn code(r: &mut Reader<'_>) -> Rule {
    match r.word() {
        // RFC 3501 7.1
        "ALERT" | "PARSE" | "READ-ONLY" | "READ-WRITE" | "TRYCREATE" => Ok(()),
        // RFC 7162 3.2.11
        "CLOSED" => Ok(()),
        // RFC 5530
        "UNAVAILABLE"
        | "AUTHENTICATIONFAILED"
        | "AUTHORIZATIONFAILED"
        | "EXPIRED"
        | "LIMIT"
        | "PRIVACYREQUIRED"
        | "CONTACTADMIN"
        | "NOPERM"
        | "INUSE"
        | "EXPUNGEISSUED"
        | "CORRUPTION"
        | "SERVERBUG"
        | "CLIENTBUG"
        | "CANNOT"
        | "OVERQUOTA"
        | "ALREADYEXISTS"
        | "NONEXISTENT" => Ok(()),
        // RFC 4315, 4469, 3516, 6154, 5182, 4978
        "UIDNOTSTICKY" | "TOOBIG" | "UNKNOWN-CTE" | "USEATTR" | "NOTSAVED"
        | "COMPRESSIONACTIVE" => Ok(()),
        "BADCHARSET" => {
            if r.has(b" ") {
                return r.list(1, |r| r.astring().map(drop));
            }
            Ok(())
        }
        "CAPABILITY" => capability_data(r),
        "PERMANENTFLAGS" => {
            r.sp()?;
            r.list(0, |r| r.flag(true))
        }
        "UIDNEXT" | "UIDVALIDITY" | "UNSEEN" => {
            r.sp()?;
            r.nz_number().map(drop)
        }
        // RFC 7162 7
        "HIGHESTMODSEQ" => {
            r.sp()?;
            r.mod_sequence()
        }
        "NOMODSEQ" => Ok(()),
        "MODIFIED" => {
            r.sp()?;
            r.set()
        }
        // RFC 4315 4: the sets of UIDs stand in the order of the messages.
        "APPENDUID" => {
            r.sp()?;
            r.nz_number()?;
            r.sp()?;
            r.set()
        }
        "COPYUID" => {
            r.sp()?;
            r.nz_number()?;
            r.sp()?;
            r.set()?;
            r.sp()?;
            r.set()
        }
        // RFC 4469 5: as it came, without `]`.
        "BADURL" => {
            r.sp()?;
            r.code_text()
        }
        // Courier: after SELECT, where ACL is announced.
        "MYRIGHTS" => {
            r.sp()?;
            r.string().map(drop)
        }
        "METADATA" => {
            r.sp()?;
            match r.one_of(&["LONGENTRIES", "MAXSIZE", "TOOMANY", "NOPRIVATE"])? {
                "LONGENTRIES" | "MAXSIZE" => {
                    r.sp()?;
                    r.number().map(drop)
                }
                _ => Ok(()),
            }
        }
        "INPROGRESS" => in_progress(r),
        _ => r.fault("a response code"),
    }
}

/// RFC 9585 4: `"INPROGRESS" [SP "(" tag SP (number / nil) SP (nz-number / nil) ")"]`; a goal
/// stands behind a number only, and above it.
fn in_progress(r: &mut Reader<'_>) -> Rule {
    if !r.has(b" (") {
        return Ok(());
    }
    // Section 5: `inprogress-tag = quoted / nil`; section 4: without `]`.
    if !r.nil() && (r.rest().first() != Some(&b'"') || r.string()?.contains(&b']')) {
        return r.fault("a quoted tag without a bracket");
    }
    r.sp()?;
    let progress = if r.nil() { None } else { Some(r.number()?) };
    r.sp()?;
    if !r.nil() {
        let goal = r.number()?;
        if progress.is_none_or(|progress| progress >= goal) {
            return r.fault("a progress below its goal");
        }
    }
    r.wants(")")
}

/// `"CAPABILITY" *(SP capability)`, with IMAP4rev1 among them.
pub(super) fn capability_data(r: &mut Reader<'_>) -> Rule {
    let mut is_imap = false;
    while r.has(b" ") {
        is_imap |= r.atom()? == b"IMAP4rev1";
    }
    if is_imap { Ok(()) } else { r.fault("IMAP4rev1 among the capabilities") }
}
