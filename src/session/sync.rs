//! The order of truth: how the open folder's messages on disk become what the client believes.
//!
//! The folder belongs to everybody. Other sessions, delivery agents, programs and hosts rename, add
//! and remove its files at any moment; the client, on its side, counts messages by numbers that
//! must not shift under a command. So a session works on one look at the folder, its snapshot, and
//! there are few moments at which a new look is taken and told: SELECT, NOOP, CHECK, EXPUNGE, IDLE,
//! and APPEND or COPY into the folder itself. In between:
//!
//! - A file that was renamed is found again by its base name when it is wanted; the flags of its
//!   new name are taken over, and told, then and there (a FETCH line never moves a number).
//! - A file that is gone is answered as gone; its number stays until the next look, since EXPUNGE
//!   may not come with FETCH, STORE or SEARCH (RFC 3501 7.4.1).
//! - A change of flags is one rename from the name that we know. If another session has renamed
//!   first, ours fails, the new name is looked up and the change is applied to *its* flags:
//!   `+FLAGS` and `-FLAGS` add up, whoever is first.
//! - A new look gives UIDs under the folder's lock, so of two sessions that see a delivery at once
//!   one assigns the UID and has \Recent; the other reads the UID from the database. What the first
//!   has marked \Recent stays so in that session.
//!
//! [`Session::rescan`] takes the look and keeps what it brought as news; [`Session::announce_changes`]
//! writes the pending, in the order of PROTOCOL 3.5, when the command's row allows it.

use super::view::{self, Changes};
use super::{Error, Outcome, Result, Selected, Session};
use crate::maildir::deliver::Delivery;
use crate::maildir::{self, Mode, Snapshot, scan};
use crate::types::{SetId, Uid};
use std::collections::HashMap;

/// Whether the sets of two tables are the same keywords; each pair is compared once.
struct SameKeywords<'a> {
    old: &'a Snapshot,
    new: &'a Snapshot,
    known: HashMap<(SetId, SetId), bool>,
}

impl SameKeywords<'_> {
    fn same(&mut self, old: SetId, new: SetId) -> bool {
        if old.is_empty() || new.is_empty() {
            return old.is_empty() == new.is_empty();
        }
        *self.known.entry((old, new)).or_insert_with(|| {
            let names = |snapshot: &Snapshot, set| {
                let mut names: Vec<Vec<u8>> =
                    snapshot.keywords.names_of(set).map(<[u8]>::to_ascii_lowercase).collect();
                names.sort();
                names
            };
            names(self.old, old) == names(self.new, new)
        })
    }
}

/// Compares two looks and carries \Recent over.
fn compare(old: &Snapshot, new: &mut Snapshot) -> Changes {
    if old.uid_validity != new.uid_validity {
        return view::replaced(&old.messages, &new.messages);
    }
    let mut recent = Vec::new();
    let mut keywords = SameKeywords { old, new, known: HashMap::new() };
    let changes = view::compare(&old.messages, &new.messages, |i, j| {
        if old.messages.recent(i) {
            recent.push(j);
        }
        // Flags that were taken over when a renamed file was found are in the old look already, but
        // the client may not know.
        !old.messages.is_changed(i)
            && old.messages.flags(i) == new.messages.flags(j)
            && keywords.same(old.messages.keywords(i), new.messages.keywords(j))
    });
    for j in recent {
        new.messages.set_recent(j, true);
    }
    changes
}

impl Selected {
    /// Puts a new look in the place of the old one.
    pub(crate) fn replace_snapshot(&mut self, mut new: Snapshot) {
        let changes = compare(&self.snapshot, &mut new);
        self.snapshot = new;
        // Looks are taken only where news may be told, so there is none left from before; if there
        // were, it would still be told.
        debug_assert!(self.pending.is_none());
        self.pending = Some(changes);
    }

    /// How scans of this folder are to be made.
    pub(crate) fn mode(&self) -> Mode {
        if self.read_only { Mode::ReadOnly } else { Mode::ReadWrite }
    }
}

impl Session {
    /// Takes a new look at the open folder, if there is one and it is not proven unchanged.
    pub(crate) fn rescan(&mut self) -> Result<()> {
        let Some(selected) = &self.selected else { return Ok(()) };
        self.synchronise(&selected.folder)?;
        if scan::is_unchanged(&self.store, &selected.dir, &selected.snapshot) {
            return Ok(());
        }
        match scan::scan(
            &self.store,
            &selected.dir,
            selected.mode(),
            Some(&selected.snapshot),
            Vec::new(),
        ) {
            Ok(scanned) => {
                if let Some(selected) = &mut self.selected {
                    selected.replace_snapshot(scanned.snapshot);
                }
                Ok(())
            }
            // Somebody has deleted the folder: what the client knows stays as it is (RFC 2180 3.3);
            // NOOP has no NO (RFC 3501 6.1.2).
            Err(maildir::Error::Gone) => Ok(()),
            Err(e) => Err(self.store_error(e, "Unable to open this mailbox.")),
        }
    }

    /// Takes a new look where there is no NO: for NOOP, CHECK and the end of IDLE (RFC 3501 6.1.2,
    /// 6.4.1; RFC 2177 3). What hinders it is in the log, and the client is told what it can be
    /// told by the next look.
    pub(crate) fn rescan_if_possible(&mut self) -> Result<()> {
        match self.rescan() {
            Err(Error::Refused(_)) => Ok(()),
            done => done,
        }
    }

    /// Takes a new look after messages were removed. If none can be had, at least these are told to
    /// be gone.
    pub(crate) fn rescan_after_removal(&mut self) -> Result<()> {
        match self.rescan() {
            Err(Error::Refused(_)) => {
                if let Some(selected) = &mut self.selected {
                    let left = selected.snapshot.without_those_gone();
                    selected.replace_snapshot(left);
                }
                Ok(())
            }
            done => done,
        }
    }

    /// Takes a new look at the open folder that also puts these messages into it; their UIDs.
    /// `text` refuses.
    pub(crate) fn rescan_with(
        &mut self,
        deliveries: Vec<Delivery>,
        text: &'static str,
    ) -> Result<Vec<Uid>> {
        let Some(selected) = &mut self.selected else { return Ok(Vec::new()) };
        match scan::scan(
            &self.store,
            &selected.dir,
            selected.mode(),
            Some(&selected.snapshot),
            deliveries,
        ) {
            Ok(scanned) => {
                selected.replace_snapshot(scanned.snapshot);
                Ok(scanned.delivered)
            }
            Err(e) => Err(self.store_error(e, text)),
        }
    }

    /// Writes what the last look brought. In IDLE a new message is followed by its FETCH line.
    pub(crate) fn announce_changes(&mut self, with_new: bool) {
        let may_add = self.options.keywords.is_on();
        let Some(selected) = &mut self.selected else { return };
        let Some(changes) = selected.pending.take() else { return };
        let out = &mut self.io.out;
        for n in &changes.expunged {
            out.extend_from_slice(b"* ");
            crate::wire::write::number(out, u64::from(*n));
            out.extend_from_slice(b" EXPUNGE\r\n");
        }
        if changes.replaced {
            // RFC 3501 2.3.1.1: whoever goes on with the old UIDs would speak of other messages.
            selected.push_validity(out);
        }
        selected.learn_keywords(out, may_add);
        if changes.resized() {
            selected.push_counts(out);
        }
        for index in &changes.changed {
            selected.push_fetch_flags(out, *index, false);
        }
        if with_new {
            for index in changes.kept..changes.kept.saturating_add(changes.added) {
                selected.push_fetch_flags(out, index, false);
            }
        }
        selected.forget_unused_keywords(out, may_add);
    }

    /// A failure of the store as an answer: logged with its context, and told in the command's own
    /// words.
    pub(crate) fn store_error(&self, error: maildir::Error, text: &'static str) -> Error {
        match error {
            maildir::Error::Gone => Outcome::no(text).into(),
            // RFC 5530 3: another session holds the folder for longer than anybody should.
            maildir::Error::Locked => Outcome::no(text).with_added_code("INUSE").into(),
            maildir::Error::OverQuota => Outcome::no(super::intake::OVER_QUOTA).into(),
            maildir::Error::Stopped => self.stopped(),
            error @ maildir::Error::Io(_) => {
                log::error!("{}: {error}", super::logging::shown(&self.client.user));
                Outcome::no(text).into()
            }
        }
    }

    /// A wait for a lock was ended from outside.
    fn stopped(&self) -> Error {
        use crate::sys::signals;
        use crate::wire::End;
        Error::End(if signals::asked_to_stop() { End::Signal } else { End::Closed })
    }
}
