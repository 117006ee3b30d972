//! ESEARCH (RFC 4466, 4731, 5267, 7377, 9394), THREAD (RFC 5256), ID (RFC 2971).

use super::reader::{Reader, Rule};

/// `[SP correlator] [SP "UID"] *(SP item SP value)`
pub(super) fn esearch(r: &mut Reader<'_>) -> Rule {
    if r.has(b" (") {
        r.wants("TAG ")?;
        r.string()?;
        if r.has(b" ") {
            r.wants("MAILBOX ")?;
            r.mailbox()?;
            r.wants(" UIDVALIDITY ")?;
            r.nz_number()?;
        }
        r.wants(")")?;
    }
    r.has(b" UID");
    while r.has(b" ") {
        let name = r.word();
        r.sp()?;
        match name {
            "MIN" | "MAX" => drop(r.nz_number()?),
            "COUNT" => drop(r.number()?),
            // RFC 4731 4
            "MODSEQ" => r.mod_sequence()?,
            "ALL" => r.set()?,
            "PARTIAL" => partial(r)?,
            _ => return r.fault("MIN, MAX, COUNT, ALL, PARTIAL, MODSEQ"),
        }
    }
    Ok(())
}

/// RFC 9394 4: `"(" partial-range SP (sequence-set / nil) ")"`
fn partial(r: &mut Reader<'_>) -> Rule {
    r.wants("(")?;
    let is_from_end = r.has(b"-");
    r.nz_number()?;
    r.wants(if is_from_end { ":-" } else { ":" })?;
    r.nz_number()?;
    r.sp()?;
    if !r.nil() {
        r.set()?;
    }
    r.wants(")")
}

/// `[SP 1*thread-list]`
pub(super) fn thread(r: &mut Reader<'_>) -> Rule {
    if r.has(b" ") {
        thread_list(r)?;
        while !r.rest().is_empty() {
            thread_list(r)?;
        }
    }
    Ok(())
}

/// `"(" (thread-members / thread-nested) ")"`, in a loop: a thread may be as deep as the folder is
/// long.
fn thread_list(r: &mut Reader<'_>) -> Rule {
    // For each open list: how many lists stand in it.
    let mut open = Vec::new();
    r.wants("(")?;
    open.push(0);
    while let Some(nested) = open.pop() {
        if nested == 0 && r.is_digit() {
            r.nz_number()?;
            while r.has(b" ") && r.is_digit() {
                r.nz_number()?;
            }
        }
        if r.has(b"(") {
            open.push(nested + 1);
            open.push(0);
        } else if r.has(b")") {
            if nested == 1 {
                return r.fault("two or more nested threads");
            }
        } else {
            return r.fault("a thread");
        }
    }
    Ok(())
}

/// `nil / "(" [string SP nstring *(SP string SP nstring)] ")"`
pub(super) fn id(r: &mut Reader<'_>) -> Rule {
    r.sp()?;
    if r.nil() {
        return Ok(());
    }
    r.list(0, |r| {
        r.string()?;
        r.sp()?;
        r.nstring()
    })
}
