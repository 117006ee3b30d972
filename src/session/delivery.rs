//! Messages on their way into a folder: what they cost, the outbox's mailer, the scan that gives
//! them UIDs.

use super::folder::Folder;
use super::refusal::{NotDelivered, over_quota};
use super::reply::Result;
use super::{Selected, Session};
use crate::maildir::deliver::Delivery;
use crate::maildir::quota::{self, Action, Charge, Quota};
use crate::maildir::{Mode, keyword_limit, scan};
use crate::types::{Uid, UidValidity};
use std::fs::File;
use std::path::Path;
use std::rc::Rc;

/// UIDVALIDITY of the folder and the UIDs that messages got in it; none where they cannot be saved.
pub(crate) type Delivered = (UidValidity, Vec<Uid>);

impl Session {
    /// The quota of the session's own Maildir.
    pub(crate) fn quota(&self) -> Quota<'_> {
        Quota::new(Path::new("."), &self.store.config)
    }

    /// The quota of the Maildir that a folder is in.
    pub(crate) fn quota_of<'a>(&'a self, folder: &Folder) -> Quota<'a> {
        folder.quota(&self.store.config)
    }

    /// Whether messages in a folder count at all (STORAGE 7.3).
    pub(crate) fn is_counted(folder: &Folder) -> bool {
        !folder.is_link() && quota::is_counted_folder(&folder.at.sub)
    }

    /// Before messages come into a folder: refuses them if they do not fit, otherwise charges them.
    /// `size` in bytes on disk. `None`: they cost nothing.
    pub(crate) fn charge(
        &self,
        folder: &Folder,
        cost: (u64, u64),
        action: Action,
    ) -> Result<Option<Rc<Charge>>> {
        self.charge_beyond(folder, cost, (0, 0), action)
    }

    /// The same for messages in the place of others: only what they take beyond `freed`, bytes and
    /// messages of the same quota, has to fit.
    pub(crate) fn charge_beyond(
        &self,
        folder: &Folder,
        cost: (u64, u64),
        freed: (u64, u64),
        action: Action,
    ) -> Result<Option<Rc<Charge>>> {
        let cost = if cost.1 > 0 && Session::is_counted(folder) { cost } else { (0, 0) };
        if cost == (0, 0) && freed == (0, 0) {
            return Ok(None);
        }
        let charged = self.quota_of(folder).check_beyond_and_add(cost, freed, action);
        charged.map(|charge| charge.map(Rc::new)).map_err(|_| over_quota().into())
    }

    /// Refuses messages that would not fit now, before a client is asked for them. `size` in bytes
    /// on disk.
    pub(crate) fn must_fit(
        &self,
        folder: &Folder,
        (size, count): (u64, u64),
        action: Action,
    ) -> Result<()> {
        if !Session::is_counted(folder) || (size, count) == (0, 0) {
            return Ok(());
        }
        let checked = self.quota_of(folder).check(size, count, action);
        checked.map_err(|_| over_quota().into())
    }

    /// Refuses keywords for which a folder has no room, before messages with them come into it.
    pub(crate) fn must_take_keywords(
        &self,
        folder: &Folder,
        keywords: &[Vec<u8>],
        refusal: NotDelivered,
    ) -> Result<()> {
        if keywords.is_empty() {
            return Ok(());
        }
        folder
            .enter_delivery()
            .and_then(|dir| keyword_limit::check_folder(&self.store, &dir, keywords))
            .map_err(|e| self.not_delivered_to(folder, e, refusal))
    }

    /// Takes back what was charged for messages that then did not come.
    pub(crate) fn refund(&self, folder: &Folder, charge: Option<&Charge>) {
        if let Some(charge) = charge {
            self.quota_of(folder).cancel(charge);
        }
    }

    /// Mails a message that goes into the outbox; whether the mailer took it (PROTOCOL 6.4).
    pub(crate) fn mail(&self, message: &File) -> bool {
        self.outbox.as_ref().is_some_and(|outbox| outbox.mailer.send(message).is_ok())
    }

    /// Puts messages into a folder, under its lock, all of them or none. If that is the open
    /// folder, it is scanned, and the changes are announced before the answer (RFC 3501 6.3.11).
    pub(crate) fn deliver(
        &mut self,
        selected: Option<&mut Selected>,
        folder: &Folder,
        deliveries: Vec<Delivery>,
        refusal: NotDelivered,
    ) -> Result<Delivered> {
        self.deliver_then(selected, folder, deliveries, refusal, |_, _| Ok(()))
    }

    /// The same, and when the messages are there, `then` does what belongs to it, with the open
    /// folder as it is by then. If that fails, they are removed again.
    pub(crate) fn deliver_then(
        &mut self,
        mut selected: Option<&mut Selected>,
        folder: &Folder,
        deliveries: Vec<Delivery>,
        refusal: NotDelivered,
        then: impl FnOnce(&mut Session, Option<&mut Selected>) -> Result<()>,
    ) -> Result<Delivered> {
        let entered =
            folder.enter_delivery().map_err(|e| self.not_delivered_to(folder, e, refusal))?;
        let is_shown = |f: &Selected| f.folder.name == folder.name && f.rights.has(b'r');
        let is_shown = selected.as_deref().is_some_and(is_shown);
        if let Some(selected) = selected.as_deref_mut().filter(|_| is_shown && !folder.is_link()) {
            let then = |s: &mut Session, selected: &mut Selected| then(s, Some(selected));
            let uids = selected.deliver(self, &entered, deliveries, refusal, then)?;
            return Ok((selected.snapshot.uid_validity, uids));
        }
        let mode = Mode::ReadWrite;
        let (scanned, arrivals) =
            scan::scan_and_hold(&self.store, &entered, mode, None, deliveries)
                .map_err(|e| self.not_delivered_to(folder, e, refusal))?;
        then(self, selected.as_deref_mut())?;
        arrivals.stay();
        // New mail of an old-style shared folder is linked into the open folder by its next scan.
        if let Some(selected) = selected.filter(|_| is_shown) {
            selected.rescan_if_possible(self)?;
        }
        // Its UID there is another than in the provider's folder, and not given yet.
        let uids = if folder.is_link() { Vec::new() } else { scanned.delivered };
        Ok((scanned.snapshot.uid_validity, uids))
    }
}
