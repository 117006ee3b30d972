//! Responses about folders: LIST (RFC 5258), STATUS, NAMESPACE (RFC 2342), METADATA (RFC 5464), ACL
//! (RFC 4314), QUOTA (RFC 9208).

use super::reader::{Reader, Rule};

/// ` (\Flags) "." name [SP "(" extended items ")"]`
pub(super) fn list(r: &mut Reader<'_>) -> Rule {
    r.sp()?;
    r.list(0, |r| {
        r.wants("\\")?;
        r.atom().map(drop)
    })?;
    r.sp()?;
    delimiter(r)?;
    r.sp()?;
    // The answer to `LIST "" ""` names the root, which may be empty (RFC 3501 6.3.8).
    if !r.has(b"\"\"") {
        r.mailbox()?;
    }
    if !r.has(b" ") {
        return Ok(());
    }
    r.wants("(")?;
    if r.rest().starts_with(b"(") {
        couriers_items(r)?;
        if r.has(b")") {
            return Ok(());
        }
        r.sp()?;
    }
    loop {
        extended_item(r)?;
        if r.has(b")") {
            return Ok(());
        }
        r.sp()?;
    }
}

/// Courier: `LIST (ACL MYRIGHTS ...)` answers in one list of pairs, without blanks between them.
fn couriers_items(r: &mut Reader<'_>) -> Rule {
    while r.has(b"(") {
        if r.has(b"POSTADDRESS NIL)") {
            continue;
        }
        match r.string()?.as_slice() {
            b"ACL" => {
                r.wants(" (")?;
                while r.has(b"(") {
                    r.string()?;
                    r.sp()?;
                    rights(r)?;
                    r.wants(")")?;
                }
                r.wants(")")?;
            }
            _ => {
                r.sp()?;
                rights(r)?;
            }
        }
        r.wants(")")?;
    }
    Ok(())
}

/// RFC 5258 6: `mbox-list-extended-item`
fn extended_item(r: &mut Reader<'_>) -> Rule {
    match r.astring()?.as_slice() {
        b"CHILDINFO" => {
            r.sp()?;
            r.list(1, |r| r.string().map(drop))
        }
        b"OLDNAME" => {
            r.sp()?;
            r.list(1, Reader::mailbox)
        }
        _ => r.fault("CHILDINFO, OLDNAME"),
    }
}

/// `DQUOTE QUOTED-CHAR DQUOTE / nil`
fn delimiter(r: &mut Reader<'_>) -> Rule {
    if r.nil() {
        return Ok(());
    }
    if r.string()?.len() == 1 { Ok(()) } else { r.fault("a delimiter of one character") }
}

pub(super) fn status(r: &mut Reader<'_>) -> Rule {
    r.sp()?;
    r.mailbox()?;
    r.sp()?;
    // RFC 3501 9: the list may be empty.
    r.list(0, |r| match r.word() {
        "UIDNEXT" | "UIDVALIDITY" => {
            r.sp()?;
            r.nz_number().map(drop)
        }
        "MESSAGES" | "RECENT" | "UNSEEN" | "DELETED" | "DELETED-STORAGE" | "HIGHESTMODSEQ" => {
            r.sp()?;
            r.number().map(drop)
        }
        "APPENDLIMIT" => {
            r.sp()?;
            if r.nil() { Ok(()) } else { r.number().map(drop) }
        }
        _ => r.fault("a STATUS item"),
    })
}

/// Three namespaces: NIL, or prefixes with their delimiters.
pub(super) fn namespace(r: &mut Reader<'_>) -> Rule {
    for _ in 0..3 {
        r.sp()?;
        if r.nil() {
            continue;
        }
        r.wants("(")?;
        loop {
            r.wants("(")?;
            r.string()?;
            r.sp()?;
            delimiter(r)?;
            r.wants(")")?;
            if r.has(b")") {
                break;
            }
        }
    }
    Ok(())
}

/// ` name (entry value ...)`, or ` name entry ...` for a change; the server has no name.
pub(super) fn metadata(r: &mut Reader<'_>) -> Rule {
    r.sp()?;
    if !r.has(b"\"\"") {
        r.mailbox()?;
    }
    r.sp()?;
    if r.rest().starts_with(b"(") {
        return r.list(1, |r| {
            entry(r)?;
            r.sp()?;
            r.nstring8()
        });
    }
    entry(r)?;
    while r.has(b" ") {
        entry(r)?;
    }
    Ok(())
}

/// RFC 5464 3.2: `/private/...` or `/shared/...`, no empty component, no slash at the end.
fn entry(r: &mut Reader<'_>) -> Rule {
    let name = r.astring()?.to_ascii_lowercase();
    // A client may ask what lies below `/private` and `/shared` themselves (RFC 5464 4.2.2).
    if matches!(name.as_slice(), b"/private" | b"/shared") {
        return Ok(());
    }
    let is_known = [&b"/private/"[..], b"/shared/"].iter().any(|start| name.starts_with(start));
    if !is_known || name.ends_with(b"/") || name.windows(2).any(|two| two == b"//") {
        return r.fault("the name of an annotation");
    }
    Ok(())
}

pub(super) fn acl(r: &mut Reader<'_>) -> Rule {
    r.sp()?;
    r.mailbox()?;
    while r.has(b" ") {
        r.astring()?;
        r.sp()?;
        rights(r)?;
    }
    Ok(())
}

pub(super) fn listrights(r: &mut Reader<'_>) -> Rule {
    r.sp()?;
    r.mailbox()?;
    r.sp()?;
    r.astring()?;
    // RFC 4314 3.7: what is granted always, then what can be granted.
    r.sp()?;
    rights(r)?;
    while r.has(b" ") {
        rights(r)?;
    }
    Ok(())
}

pub(super) fn myrights(r: &mut Reader<'_>) -> Rule {
    r.sp()?;
    r.mailbox()?;
    r.sp()?;
    rights(r)
}

/// `astring`: whatever letters stand in the file.
fn rights(r: &mut Reader<'_>) -> Rule {
    r.astring().map(drop)
}

/// Courier: why `ACL STORE` left a folder as it was.
pub(super) fn acl_failed(r: &mut Reader<'_>) -> Rule {
    r.sp()?;
    r.mailbox()?;
    r.sp()?;
    r.text()
}

pub(super) fn quota(r: &mut Reader<'_>) -> Rule {
    r.sp()?;
    r.astring()?;
    r.sp()?;
    r.list(0, |r| {
        r.one_of(&["STORAGE", "MESSAGE"])?;
        r.sp()?;
        r.number()?;
        r.sp()?;
        r.number().map(drop)
    })
}

pub(super) fn quotaroot(r: &mut Reader<'_>) -> Rule {
    r.sp()?;
    r.mailbox()?;
    while r.has(b" ") {
        r.astring()?;
    }
    Ok(())
}
