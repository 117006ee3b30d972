//! The grammar of what a server says: RFC 3501 9, with the rules of the extensions that ours has.
//! Every response of ours that a test receives is held against it, so a line that a strict client
//! could not read fails a test that was about something else.
//!
//! It is written from the RFCs and shares no code with the server. [`reader`] has the words,
//! [`fetch`] the message data, [`folders`] and [`results`] the rest of the untagged responses,
//! [`codes`] the response codes.

mod codes;
mod fetch;
mod folders;
mod reader;
mod results;

use crate::text::show;
use reader::{Fault, Reader, Rule};

/// What the grammar depends on: what the session has enabled so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Grammar {
    /// RFC 9755 3: quoted strings may hold UTF-8.
    utf8: bool,
    /// RFC 7162 3.2.10: VANISHED comes in the place of EXPUNGE.
    qresync: bool,
}

impl Grammar {
    /// Reads one response, without its last CR LF; the rule that it breaks, and where.
    pub fn read(&mut self, response: &[u8]) -> Result<(), String> {
        let mut r = Reader::new(response, self.utf8);
        let read = line(&mut r, self.qresync).and_then(|()| r.end());
        if let Some(words) = response.strip_prefix(b"* ENABLED ") {
            let mut words = words.split(|b| *b == b' ');
            self.utf8 |= words.clone().any(|word| word == b"UTF8=ACCEPT");
            self.qresync |= words.any(|word| word == b"QRESYNC");
        }
        read.map_err(|Fault { rule, at }| {
            let around = response.get(at.saturating_sub(40)..response.len().min(at + 40));
            format!(
                "the grammar wants {rule} at byte {at}, here: {}\nresponse: {}",
                show(around.unwrap_or_default()),
                show(response)
            )
        })
    }
}

/// `continue-req / response-data / response-done`
fn line(r: &mut Reader<'_>, qresync: bool) -> Rule {
    if r.has(b"+ ") {
        return codes::resp_text(r);
    }
    if !r.has(b"* ") {
        r.tag()?;
        r.sp()?;
        r.one_of(&["OK", "NO", "BAD"])?;
        r.sp()?;
        return codes::resp_text(r);
    }
    if r.is_digit() {
        let number = r.number()?;
        r.sp()?;
        return match r.word() {
            "EXISTS" | "RECENT" => Ok(()),
            "EXPUNGE" if number > 0 && !qresync => Ok(()),
            "FETCH" if number > 0 => fetch::msg_att(r),
            _ => r.fault("EXISTS, RECENT, EXPUNGE, FETCH with a number of theirs"),
        };
    }
    match r.word() {
        "OK" | "NO" | "BAD" | "BYE" | "PREAUTH" => {
            r.sp()?;
            codes::resp_text(r)
        }
        "CAPABILITY" => codes::capability_data(r),
        "ENABLED" => {
            while r.has(b" ") {
                r.atom()?;
            }
            Ok(())
        }
        "FLAGS" => {
            r.sp()?;
            r.list(0, |r| r.flag(false))
        }
        "LIST" | "LSUB" => folders::list(r),
        "STATUS" => folders::status(r),
        "NAMESPACE" => folders::namespace(r),
        "METADATA" => folders::metadata(r),
        "ACL" => folders::acl(r),
        "ACLFAILED" => folders::acl_failed(r),
        // Courier: RIGHTS-INFO is its older word for LISTRIGHTS.
        "LISTRIGHTS" | "RIGHTS-INFO" => folders::listrights(r),
        "MYRIGHTS" => folders::myrights(r),
        "QUOTA" => folders::quota(r),
        "QUOTAROOT" => folders::quotaroot(r),
        "SEARCH" | "SORT" => {
            let mut is_empty = true;
            while r.has(b" ") {
                // RFC 7162 7: behind at least one number.
                if !is_empty && r.has(b"(MODSEQ ") {
                    r.mod_sequence()?;
                    return r.wants(")");
                }
                r.nz_number()?;
                is_empty = false;
            }
            Ok(())
        }
        // RFC 7162 7, `expunged-resp`
        "VANISHED" if qresync => {
            r.has(b" (EARLIER)");
            r.sp()?;
            r.set()
        }
        "ESEARCH" => results::esearch(r),
        "THREAD" => results::thread(r),
        "ID" => results::id(r),
        _ => r.fault("the name of a response"),
    }
}
