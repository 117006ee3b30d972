//! How the open folder's messages on disk become what the client knows.
//!
//! The folder belongs to everybody. Other sessions, delivery agents, programs and hosts rename, add
//! and remove its files at any moment. The client, on its side, counts messages by numbers that
//! must not shift under a command. So a session works on the snapshot of one scan, and scans again
//! only where it may announce what it finds: SELECT, NOOP, CHECK, EXPUNGE, MOVE, REPLACE, IDLE, and
//! APPEND or COPY into the folder itself. In between:
//!
//! - A file that was renamed is found again by its base name when it is needed. The flags of its
//!   new name are taken over and announced at once (a FETCH response never moves a number).
//! - A file that is gone is answered as gone. Its number stays until the next scan, since EXPUNGE
//!   may not come with FETCH, STORE or SEARCH (RFC 3501 7.4.1).
//! - A change of flags is one rename from the name that we know. If another session has renamed the
//!   file first, our rename fails, the new name is looked up, and the change is applied to *its*
//!   flags: `+FLAGS` and `-FLAGS` add up, whoever is first.
//! - A scan gives UIDs under the folder's lock. Of two sessions that see a delivery at once, one
//!   assigns the UID and has \Recent, the other reads the UID from the database. What is \Recent in
//!   a session stays so in that session.
//! - What a session puts into its own open folder is \Recent there. What it puts elsewhere is
//!   \Recent nowhere: its UID is on disk then, and nothing else could say so (Courier).

use super::refusal::{CANNOT_OPEN, NotDelivered};
use super::view::{self, Changes};
use super::{Error, Features, Result, Selected, Session};
use crate::maildir::deliver::Delivery;
use crate::maildir::{self, Entered, Snapshot, scan};
use crate::types::{Ranges, SameKeywords, Uid};

/// Compares two snapshots and carries \Recent over.
fn compare(old: &Snapshot, new: &mut Snapshot) -> Changes {
    if old.uid_validity != new.uid_validity {
        return view::replaced(&old.messages, &new.messages);
    }
    let mut recent = Vec::new();
    let mut keywords = SameKeywords::new(&old.keywords, &new.keywords);
    let changes = view::compare(&old.messages, &new.messages, |i, j| {
        if old.messages.recent(i) {
            recent.push(j);
        }
        // Flags that were taken over when a renamed file was found are in the old snapshot already,
        // but the client may not know them.
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
    /// Puts a new snapshot in the place of the old one.
    fn replace_snapshot(&mut self, mut new: Snapshot) {
        let changes = compare(&self.snapshot, &mut new);
        if changes.is_any() {
            self.history.changed();
        }
        if changes.replaced {
            // Its UID may be another message's now.
            self.last_served = None;
            self.memory.clear();
            // RFC 5182 2.1: "resetting of the search variable".
            self.found = Ranges::default();
        }
        self.snapshot = new;
        self.memory.try_again();
        // A scan is made only where its changes may be announced. If some were left from before
        // all the same, they would be lost here.
        debug_assert!(self.pending.is_none(), "changes are announced before the next scan");
        self.pending = Some(changes);
    }

    /// Scans the folder, unless it is proven unchanged. Without the right `r` nothing new is shown:
    /// what the client knows stays as it is, until it closes the folder (RFC 4314 4).
    pub(crate) fn rescan(&mut self, s: &mut Session) -> Result<()> {
        let entered = self.folder.enter_afresh();
        self.refresh_rights(s);
        if !self.rights.has(b'r') {
            return Ok(());
        }
        let scanned = match entered {
            Ok(dir) => {
                s.synchronise(&dir)?;
                s.store.values_matter.set(s.enabled.contains(Features::CONDSTORE));
                if scan::is_unchanged(&dir, &self.snapshot) {
                    return Ok(());
                }
                scan::scan(&s.store, &dir, self.mode(), Some(&self.snapshot), Vec::new())
            }
            Err(e) => Err(e),
        };
        match scanned {
            Ok(scanned) => {
                self.replace_snapshot(scanned.snapshot);
                Ok(())
            }
            // Somebody has deleted the folder: what the client knows stays as it is (RFC 2180 3.3),
            // and NOOP has no NO (RFC 3501 6.1.2).
            Err(maildir::Error::Gone) => Ok(()),
            Err(e) => Err(s.store_error(e, CANNOT_OPEN)),
        }
    }

    /// Scans where the answer cannot be NO: for NOOP, CHECK and the end of IDLE (RFC 3501 6.1.2,
    /// 6.4.1; RFC 2177 3). What hinders it is in the log, and the next scan finds the changes. Whether
    /// it was possible.
    pub(crate) fn rescan_if_possible(&mut self, s: &mut Session) -> Result<bool> {
        match self.rescan(s) {
            Err(Error::Refused(_)) => Ok(false),
            done => done.map(|()| true),
        }
    }

    /// Scans after messages were removed. If that is not possible, at least these are announced as
    /// gone.
    pub(crate) fn rescan_after_removal(&mut self, s: &mut Session) -> Result<()> {
        match self.rescan(s) {
            Err(Error::Refused(_)) => {}
            Ok(()) if !self.rights.has(b'r') => {}
            done => return done,
        }
        self.leave_out_gone();
        Ok(())
    }

    /// Takes the messages that are known to be gone for expunged, without a scan.
    pub(crate) fn leave_out_gone(&mut self) {
        let left = self.snapshot.without_gone();
        self.replace_snapshot(left);
    }

    /// Puts messages into the folder, entered as `dir`, under its lock, with a scan; their UIDs.
    /// Then `then` works on the folder as it is now; if it fails, they are removed again.
    pub(crate) fn deliver(
        &mut self,
        s: &mut Session,
        dir: &Entered,
        deliveries: Vec<Delivery>,
        refusal: NotDelivered,
        then: impl FnOnce(&mut Session, &mut Selected) -> Result<()>,
    ) -> Result<Vec<Uid>> {
        let mode = self.mode();
        match scan::scan_and_hold(&s.store, dir, mode, Some(&self.snapshot), deliveries) {
            Ok((mut scanned, arrivals)) => {
                if !self.read_only {
                    // RFC 3501 6.3.11, 6.4.7: this session is the first to be told of them.
                    for uid in &scanned.delivered {
                        if let Ok(index) = scanned.snapshot.messages.position(*uid) {
                            scanned.snapshot.messages.set_recent(index, true);
                        }
                    }
                }
                let told = std::mem::replace(&mut self.snapshot, scanned.snapshot);
                let done = then(s, self);
                let new = std::mem::replace(&mut self.snapshot, told);
                done?;
                arrivals.stay();
                self.replace_snapshot(new);
                Ok(scanned.delivered)
            }
            Err(e) => Err(s.not_delivered(e, refusal)),
        }
    }
}
