//! The folder that is open, and how its messages and flags are written on the wire.

use super::access::Folder;
use super::facts::Memory;
use super::view::{Changes, List};
use crate::maildir::{Dir, Messages, Snapshot};
use crate::types::{FolderName, Rights, SetId, Uid};
use crate::wire::write;
use std::collections::HashSet;

/// The open folder.
pub(crate) struct Selected {
    /// Its name.
    pub(crate) name: FolderName,
    /// Where it is, and where new mail for it goes.
    pub(crate) folder: Folder,
    /// Its directory.
    pub(crate) dir: Dir,
    /// Opened by EXAMINE, or without any right to write.
    pub(crate) read_only: bool,
    /// Opened by EXAMINE, or an old-style shared folder that cannot be written: no flag is ever
    /// changed.
    pub(crate) examined: bool,
    /// The user's rights on it.
    pub(crate) rights: Rights,
    /// The last look at it; its messages are what the client knows, once `news` is told.
    pub(crate) snapshot: Snapshot,
    /// Keywords that the client was told of, in the order of the FLAGS line.
    pub(crate) keywords: Vec<Vec<u8>>,
    /// Messages that this selection has COPYed elsewhere: they need no second copy in the trash
    /// (PROTOCOL 6.3).
    pub(crate) copied: HashSet<Uid>,
    /// What the last look brought and the client was not yet told.
    pub(crate) pending: Option<Changes>,
    /// What is remembered of the message that was served last.
    pub(crate) last_served: Option<Memory>,
}

impl List for Messages {
    fn len(&self) -> usize {
        Messages::len(self)
    }
    fn uid(&self, index: usize) -> Option<Uid> {
        Messages::uid(self, index)
    }
}

impl Selected {
    /// How many messages the session holds for \Recent.
    pub(crate) fn recent(&self) -> usize {
        let messages = &self.snapshot.messages;
        (0..messages.len()).filter(|i| messages.recent(*i)).count()
    }

    /// Keywords that messages have, in the order of the folder's table.
    pub(crate) fn used_keywords(&self) -> Vec<Vec<u8>> {
        let Snapshot { messages, keywords, .. } = &self.snapshot;
        let mut sets: HashSet<SetId> = HashSet::new();
        let mut last = SetId::EMPTY;
        for i in 0..messages.len() {
            let set = messages.keywords(i);
            if set != last {
                last = set;
                sets.insert(set);
            }
        }
        let mut numbers: Vec<u32> =
            sets.iter().flat_map(|set| keywords.members(*set)).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.iter().filter_map(|n| keywords.name(*n)).map(<[u8]>::to_vec).collect()
    }

    /// Whether the client was told of a keyword.
    pub(crate) fn knows_keyword(&self, name: &[u8]) -> bool {
        self.keywords.iter().any(|k| k.eq_ignore_ascii_case(name))
    }

    /// Takes in keywords that messages have and the client does not know, and says so (PROTOCOL
    /// 3.5).
    pub(crate) fn learn_keywords(&mut self, out: &mut Vec<u8>, may_add: bool) {
        let new: Vec<Vec<u8>> =
            self.used_keywords().into_iter().filter(|k| !self.knows_keyword(k)).collect();
        if !new.is_empty() {
            self.keywords.extend(new);
            self.push_flag_lines(out, &self.keywords, may_add);
        }
    }

    /// Drops keywords that no message has any more, and says so (PROTOCOL 3.5).
    pub(crate) fn forget_unused_keywords(&mut self, out: &mut Vec<u8>, may_add: bool) {
        let used = self.used_keywords();
        let before = self.keywords.len();
        self.keywords.retain(|k| used.iter().any(|u| u.eq_ignore_ascii_case(k)));
        if self.keywords.len() != before {
            self.push_flag_lines(out, &self.keywords, may_add);
        }
    }

    /// Appends `(\Seen ...)`: the flags of a message in Courier's order, \Recent, keywords
    /// (PROTOCOL 5.4).
    pub(crate) fn push_flags(&self, out: &mut Vec<u8>, index: usize) {
        let messages = &self.snapshot.messages;
        out.push(b'(');
        let start = out.len();
        let mut word = |text: &[u8]| {
            if out.len() > start {
                out.push(b' ');
            }
            out.extend_from_slice(text);
        };
        for name in messages.flags(index).names() {
            word(name.as_bytes());
        }
        if messages.recent(index) {
            word(b"\\Recent");
        }
        let set = messages.keywords(index);
        if !set.is_empty() {
            for name in self.snapshot.keywords.names_of(set) {
                word(name);
            }
        }
        out.push(b')');
    }

    /// Appends `* <n> FETCH (FLAGS (...))` with its line break; with `UID <u>` before FLAGS where
    /// the command was a UID one.
    pub(crate) fn push_fetch_flags(&self, out: &mut Vec<u8>, index: usize, with_uid: bool) {
        out.extend_from_slice(b"* ");
        write::number(out, (index as u64).saturating_add(1));
        out.extend_from_slice(b" FETCH (");
        if with_uid && let Some(uid) = self.snapshot.messages.uid(index) {
            out.extend_from_slice(b"UID ");
            write::number(out, u64::from(uid.get()));
            out.push(b' ');
        }
        out.extend_from_slice(b"FLAGS ");
        self.push_flags(out, index);
        out.extend_from_slice(b")\r\n");
    }

    /// Appends the FLAGS and PERMANENTFLAGS lines for a list of keywords (PROTOCOL 3.5).
    pub(crate) fn push_flag_lines(&self, out: &mut Vec<u8>, keywords: &[Vec<u8>], may_add: bool) {
        let mut names = Vec::new();
        for keyword in keywords {
            names.extend_from_slice(keyword);
            names.push(b' ');
        }
        out.extend_from_slice(b"* FLAGS (");
        out.extend_from_slice(&names);
        out.extend_from_slice(b"\\Draft \\Answered \\Flagged \\Deleted \\Seen \\Recent)\r\n");
        if self.read_only {
            out.extend_from_slice(b"* OK [PERMANENTFLAGS ()] No permanent flags permitted\r\n");
            return;
        }
        out.extend_from_slice(b"* OK [PERMANENTFLAGS (");
        out.extend_from_slice(&names);
        if may_add {
            out.extend_from_slice(b"\\* ");
        }
        out.extend_from_slice(b"\\Draft \\Answered \\Flagged \\Deleted \\Seen)] Limited\r\n");
    }

    /// Appends `* OK [UIDVALIDITY <n>] Ok`.
    pub(crate) fn push_validity(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"* OK [UIDVALIDITY ");
        write::number(out, u64::from(self.snapshot.uid_validity.get()));
        out.extend_from_slice(b"] Ok\r\n");
    }

    /// Appends the EXISTS and RECENT lines, always a pair.
    pub(crate) fn push_counts(&self, out: &mut Vec<u8>) {
        for (n, word) in
            [(self.snapshot.messages.len(), &b" EXISTS\r\n"[..]), (self.recent(), b" RECENT\r\n")]
        {
            out.extend_from_slice(b"* ");
            write::number(out, n as u64);
            out.extend_from_slice(word);
        }
    }
}

/// Appends `* OK [MYRIGHTS "..."] ACL`.
pub(crate) fn push_rights(out: &mut Vec<u8>, rights: Rights) {
    out.extend_from_slice(b"* OK [MYRIGHTS \"");
    out.extend_from_slice(&rights.shown());
    out.extend_from_slice(b"\"] ACL\r\n");
}
