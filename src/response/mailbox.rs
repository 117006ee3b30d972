//! Responses about the open folder as a whole (PROTOCOL 3.5, 4.2).

use super::{Encoder, Untagged};
use crate::types::{ModSeq, Ranges, Rights, Seq, Uid, UidValidity};

/// `FLAGS`: keywords, then the system flags in Courier's order.
pub(crate) struct Flags<'a>(pub(crate) &'a [Vec<u8>]);

impl Untagged for Flags<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("FLAGS (");
        keywords(e, self.0);
        e.raw("\\Draft \\Answered \\Flagged \\Deleted \\Seen \\Recent)");
    }
}

fn keywords(e: &mut Encoder<'_>, keywords: &[Vec<u8>]) {
    for keyword in keywords {
        e.raw(keyword).space();
    }
}

/// `PERMANENTFLAGS`
pub(crate) enum PermanentFlags<'a> {
    /// No flag can be changed.
    None,
    /// These keywords and the system flags; `may_add`: new keywords too.
    Some {
        /// Keywords that the folder has.
        keywords: &'a [Vec<u8>],
        /// Whether a client may make new ones.
        may_add: bool,
    },
}

impl Untagged for PermanentFlags<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        match self {
            PermanentFlags::None => {
                e.raw("OK [PERMANENTFLAGS ()] No permanent flags permitted");
            }
            PermanentFlags::Some { keywords, may_add } => {
                e.raw("OK [PERMANENTFLAGS (");
                self::keywords(e, keywords);
                if *may_add {
                    e.raw("\\* ");
                }
                e.raw("\\Draft \\Answered \\Flagged \\Deleted \\Seen)] Limited");
            }
        }
    }
}

/// `EXISTS`
pub(crate) struct Exists(pub(crate) usize);

impl Untagged for Exists {
    fn write(&self, e: &mut Encoder<'_>) {
        e.number(self.0 as u64).raw(" EXISTS");
    }
}

/// `RECENT`
pub(crate) struct Recent(pub(crate) usize);

impl Untagged for Recent {
    fn write(&self, e: &mut Encoder<'_>) {
        e.number(self.0 as u64).raw(" RECENT");
    }
}

/// `EXPUNGE`
pub(crate) struct Expunge(pub(crate) Seq);

impl Untagged for Expunge {
    fn write(&self, e: &mut Encoder<'_>) {
        e.number(self.0.get()).raw(" EXPUNGE");
    }
}

/// `VANISHED` (RFC 7162 3.2.10): UIDs whose messages are gone.
pub(crate) struct Vanished<'a> {
    /// Whether they were gone before the folder was opened: then no sequence number changes.
    pub(crate) earlier: bool,
    /// The UIDs; not empty.
    pub(crate) uids: &'a [(u32, u32)],
}

/// The responses for these UIDs: one, as long as there are not very many ranges of them. Of several,
/// Gnus believes the first alone, and Roundcube the last.
pub(crate) fn vanished_lines(uids: &Ranges, earlier: bool) -> impl Iterator<Item = Vanished<'_>> {
    /// Lines of less than a million bytes, the longest that Python's imaplib reads.
    const MAX_RANGES: usize = 40_000;
    uids.as_slice().chunks(MAX_RANGES).map(move |uids| Vanished { earlier, uids })
}

impl Untagged for Vanished<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw(if self.earlier { "VANISHED (EARLIER) " } else { "VANISHED " });
        e.set(self.uids);
    }
}

/// `OK` with one of the codes that describe an open folder.
pub(crate) enum FolderCode {
    /// The folder that was open is closed, since another one is opened (RFC 7162 3.2.11).
    Closed,
    /// The first message that is not \Seen, by its sequence number.
    Unseen(u64),
    /// UIDVALIDITY.
    UidValidity(UidValidity),
    /// The UID that the next message gets at least.
    UidNext(u32),
    /// The modification sequence that covers all that was told (RFC 7162 3.1.2.1).
    HighestModSeq(ModSeq),
    /// The folder has no modification sequences (RFC 7162 3.1.2.2).
    NoModSeq,
    /// Courier: what the user may do in the folder.
    MyRights(Rights),
}

impl Untagged for FolderCode {
    fn write(&self, e: &mut Encoder<'_>) {
        match self {
            FolderCode::Closed => e.raw("OK [CLOSED] Ok"),
            FolderCode::Unseen(n) => e.raw("OK [UNSEEN ").number(*n).raw("] Ok"),
            FolderCode::UidValidity(n) => e.raw("OK [UIDVALIDITY ").number(n.get()).raw("] Ok"),
            FolderCode::UidNext(n) => e.raw("OK [UIDNEXT ").number(*n).raw("] Ok"),
            FolderCode::HighestModSeq(n) => e.raw("OK [HIGHESTMODSEQ ").number(n.get()).raw("] Ok"),
            FolderCode::NoModSeq => e.raw("OK [NOMODSEQ] Ok"),
            FolderCode::MyRights(rights) => {
                e.raw("OK [MYRIGHTS \"").raw(rights.shown()).raw("\"] ACL")
            }
        };
    }
}

/// `OK` with `COPYUID` (RFC 4315 3), where it cannot wait for the tagged line (RFC 6851 4.3).
pub(crate) struct Copied<'a> {
    /// UIDVALIDITY of the folder that has the messages now.
    pub(crate) validity: UidValidity,
    /// Their UIDs before.
    pub(crate) from: &'a [Uid],
    /// Their UIDs now, in the same order.
    pub(crate) to: &'a [Uid],
}

impl Untagged for Copied<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("OK [COPYUID ").number(self.validity.get()).space();
        e.number_set(self.from.iter().map(|uid| uid.get())).space();
        e.number_set(self.to.iter().map(|uid| uid.get())).raw("] Ok");
    }
}

/// `OK [APPENDUID ...]` before the tagged line (RFC 8508 4.3): the message that came in the place
/// of another.
pub(crate) struct Replaced {
    /// The UIDVALIDITY of its folder.
    pub(crate) validity: UidValidity,
    /// Its UID.
    pub(crate) uid: Uid,
}

impl Untagged for Replaced {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("OK [APPENDUID ").number(self.validity.get()).space().number(self.uid.get());
        e.raw("] Replacement Message ready");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vanished_is_told_in_one_line() {
        // Every second message of a large folder.
        let uids = Ranges::of_numbers((1..=20_000).map(|n| n * 2));
        let lines: Vec<_> = vanished_lines(&uids, true).map(|line| line.uids.len()).collect();
        assert_eq!(lines, [20_000]);
    }
}
