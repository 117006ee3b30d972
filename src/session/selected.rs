//! The folder that is open: what the client knows of it, and what is announced.

use super::folder::Folder;
use super::message::Cache;
use super::told::Told;
use super::view::{Changes, List};
use super::{Features, Result, Session};
use crate::maildir::acl_files::ListStamp;
use crate::maildir::facts::Memory;
use crate::maildir::observer::History;
use crate::maildir::{self, Messages, Mode, Sequences, Snapshot};
use crate::response::fetch::MessageFlags;
use crate::response::mailbox::{
    self, Exists, Expunge, FolderCode, PermanentFlags, Recent, vanished_lines,
};
use crate::sys::fs;
use crate::types::{FolderName, Ranges, Rights, Uid};
use std::collections::HashSet;
use std::io;

/// The open folder.
pub(crate) struct Selected {
    /// Which it is, and where new mail for it goes.
    pub(crate) folder: Folder,
    /// Whether it was opened by EXAMINE, or without any right to write.
    pub(crate) read_only: bool,
    /// Whether no flag is ever changed: it was opened by EXAMINE, or is an old-style shared folder
    /// that cannot be written.
    pub(crate) flags_are_fixed: bool,
    /// The user's rights on it, as they were last looked at ([`Selected::refresh_rights`]).
    pub(crate) rights: Rights,
    /// The list that they come from; `None` if it has to be read again.
    list: Option<ListStamp>,
    /// The last scan. Its messages are what the client knows, once `pending` is announced.
    pub(crate) snapshot: Snapshot,
    /// What the client knows of modification sequences; `None` where there were none when the
    /// folder was opened (NOMODSEQ).
    pub(super) told: Option<Told>,
    /// Keywords that were announced, in the order of the FLAGS response.
    pub(crate) keywords: Vec<Vec<u8>>,
    /// Messages that this selection has COPYed elsewhere: they need no second copy in the trash
    /// (PROTOCOL 6.3).
    pub(crate) copied: HashSet<Uid>,
    /// `$`: the UIDs that the last SEARCH with SAVE has found (RFC 5182). Those of messages that are
    /// expunged since are of no use: a UID never comes again.
    pub(crate) found: Ranges,
    /// What the last scan found and the client was not yet told.
    pub(crate) pending: Option<Changes>,
    /// What is remembered of messages whose files were opened.
    pub(crate) memory: Memory,
    /// What is remembered of the message that was served last.
    pub(crate) last_served: Option<Cache>,
    /// When the folder has changed, and how that was found out.
    pub(crate) history: History,
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
    /// What it means for the log that a message cannot be read.
    pub(crate) fn unreadable(&self, index: usize, e: io::Error) -> maildir::Error {
        let cur = self.folder.dir.path().join("cur");
        let path = fs::join(&cur, &self.snapshot.messages.file_name(index));
        maildir::Error::about("reading", &path)(e)
    }

    /// A folder that was just scanned.
    pub(crate) fn new(folder: Folder, access: Access, snapshot: Snapshot) -> Selected {
        let known = snapshot.sequences.as_ref().map(Sequences::highest);
        let told = known.or(snapshot.highest_until_made()).map(Told::of);
        let mut selected = Selected {
            folder,
            told,
            read_only: access.read_only,
            flags_are_fixed: access.flags_are_fixed,
            rights: access.rights,
            list: None,
            snapshot,
            keywords: Vec::new(),
            copied: HashSet::new(),
            found: Ranges::default(),
            pending: None,
            last_served: None,
            memory: Memory::off(),
            history: History::new(),
        };
        selected.keywords = selected.used_keywords();
        selected
    }

    /// The same, with what was learned of its messages at hand.
    pub(crate) fn with_memory(mut self, s: &Session) -> Selected {
        self.memory = Memory::new(&s.store, &self.folder.at.root, self.folder.is_link());
        self
    }

    /// How this folder is scanned.
    pub(crate) fn mode(&self) -> Mode {
        if self.read_only { Mode::ReadOnly } else { Mode::ReadWrite }
    }

    /// How many messages are \Recent in this session.
    pub(crate) fn recent(&self) -> usize {
        let messages = &self.snapshot.messages;
        (0..messages.len()).filter(|i| messages.recent(*i)).count()
    }

    /// Keywords that messages have, in the order of the folder's table.
    fn used_keywords(&self) -> Vec<Vec<u8>> {
        self.snapshot.used_keywords().into_iter().map(<[u8]>::to_vec).collect()
    }

    /// Whether a keyword was announced.
    pub(crate) fn knows_keyword(&self, name: &[u8]) -> bool {
        self.keywords.iter().any(|k| k.eq_ignore_ascii_case(name))
    }

    /// Adds to the announced keywords those of `names` that are new, and says so (PROTOCOL 3.5).
    pub(crate) fn announce_keywords(&mut self, s: &mut Session, names: &[Vec<u8>]) {
        let new: Vec<Vec<u8>> = names.iter().filter(|k| !self.knows_keyword(k)).cloned().collect();
        if !new.is_empty() {
            self.keywords.extend(new);
            self.send_flags(s);
        }
    }

    /// Announces keywords that messages have and the client does not know (PROTOCOL 3.5).
    pub(crate) fn announce_new_keywords(&mut self, s: &mut Session) {
        let used = self.used_keywords();
        self.announce_keywords(s, &used);
    }

    /// Drops keywords that no message has any more, and says so (PROTOCOL 3.5).
    pub(crate) fn drop_unused_keywords(&mut self, s: &mut Session) {
        let used = self.used_keywords();
        let before = self.keywords.len();
        self.keywords.retain(|k| used.iter().any(|u| u.eq_ignore_ascii_case(k)));
        if self.keywords.len() != before {
            self.send_flags(s);
        }
    }

    /// The flags of a message.
    pub(crate) fn flags(&self, index: usize) -> MessageFlags<'_> {
        let Snapshot { messages, keywords, .. } = &self.snapshot;
        MessageFlags {
            flags: messages.flags(index),
            recent: messages.recent(index),
            set: messages.keywords(index),
            table: keywords,
        }
    }

    /// Sends the flags of a message in a response of their own, where CONDSTORE is enabled with its
    /// modification sequence; `with_uid`: the command was a UID command (RFC 3501 6.4.8).
    pub(crate) fn send_message_flags(&self, s: &mut Session, index: usize, with_uid: bool) {
        self.send_change(s, index, (with_uid, true));
    }

    /// Sends FLAGS and PERMANENTFLAGS (PROTOCOL 3.5).
    pub(crate) fn send_flags(&self, s: &mut Session) {
        let keywords = &*self.keywords;
        s.send(&mailbox::Flags(keywords));
        let may_add = s.options.keywords.is_on();
        s.send(&match self.read_only {
            true => PermanentFlags::None,
            false => PermanentFlags::Some { keywords, may_add },
        });
    }

    /// Sends EXISTS and RECENT, always a pair.
    pub(crate) fn send_counts(&self, s: &mut Session) {
        s.send(&Exists(self.snapshot.messages.len()));
        s.send(&Recent(self.recent()));
    }

    /// The user's rights on a folder, which may be this one. Then a change is announced.
    pub(crate) fn rights_beside(&mut self, s: &mut Session, name: &FolderName) -> Result<Rights> {
        let rights = s.rights(name)?;
        if self.folder.name == *name {
            self.note_rights(s, rights);
        }
        Ok(rights)
    }

    /// Before a rescan, and before what changes the folder: looks at the user's rights as they are
    /// now. The list is read again only if its file has changed.
    ///
    /// A list that cannot be read gives no rights. Those of an old-style shared folder are the
    /// permissions of its files.
    pub(crate) fn refresh_rights(&mut self, s: &mut Session) {
        if self.folder.is_link() {
            return;
        }
        // A folder that was deleted has no list, but would get its parent's.
        let Ok(folder) = self.folder.enter() else { return };
        let list = ListStamp::of(&folder);
        if self.list == Some(list) {
            return;
        }
        let rights = s.rights(&self.folder.name);
        let is_top = self.folder.is_top();
        self.list = Some(list).filter(|list| rights.is_ok() && list.is_settled(is_top));
        self.note_rights(s, rights.unwrap_or(Rights::NONE));
    }

    /// Takes note of the user's rights as they are now; a change is announced (PROTOCOL 7.3).
    pub(crate) fn note_rights(&mut self, s: &mut Session, rights: Rights) {
        if self.rights != rights {
            self.rights = rights;
            s.send(&FolderCode::MyRights(rights));
        }
    }

    /// Announces what the last scan found, in the order of PROTOCOL 3.5. In IDLE a new message is
    /// followed by its flags (`with_new`).
    pub(crate) fn announce_changes(&mut self, s: &mut Session, with_new: bool) {
        let Some(changes) = self.pending.take() else { return };
        if s.enabled.contains(Features::QRESYNC) {
            // RFC 7162 3.2.10.2: exactly what the client was told of. Where there are no
            // modification sequences, a client that knows VANISHED understands it as well.
            for line in vanished_lines(&changes.vanished, false) {
                s.send(&line);
            }
        } else {
            for number in &changes.expunged {
                s.send(&Expunge(*number));
            }
        }
        if !changes.expunged.is_empty() {
            self.note_expunged();
        }
        if changes.replaced {
            // RFC 3501 2.3.1.1: whoever goes on with the old UIDs would speak of other messages.
            s.send(&FolderCode::UidValidity(self.snapshot.uid_validity));
            self.announce_sequences(s);
        } else if self.has_lost_sequences() {
            self.announce_sequences(s);
        }
        self.announce_new_keywords(s);
        if changes.resized() {
            self.send_counts(s);
        }
        for index in &changes.changed {
            self.send_message_flags(s, *index, false);
        }
        if with_new {
            for index in changes.kept..changes.kept.saturating_add(changes.added) {
                self.send_message_flags(s, index, false);
            }
        }
        self.drop_unused_keywords(s);
    }
}

/// What may be done with a folder that is being opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    /// See [`Selected::read_only`].
    pub(crate) read_only: bool,
    /// See [`Selected::flags_are_fixed`].
    pub(crate) flags_are_fixed: bool,
    /// See [`Selected::rights`].
    pub(crate) rights: Rights,
}
