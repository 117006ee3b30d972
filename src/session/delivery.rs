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
        (size, count): (u64, u64),
        action: Action,
    ) -> Result<Option<Rc<Charge>>> {
        if count == 0 || !Session::is_counted(folder) {
            return Ok(None);
        }
        let charged = self.quota_of(folder).check_and_add(size, count, action);
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
        if !Session::is_counted(folder) {
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
        let entered =
            folder.enter_delivery().map_err(|e| self.not_delivered_to(folder, e, refusal))?;
        let is_shown = |f: &&mut Selected| f.folder.name == folder.name && f.rights.has(b'r');
        let mut selected = selected.filter(is_shown);
        if let Some(selected) = selected.as_mut().filter(|_| !folder.is_link()) {
            let uids = selected.deliver(self, &entered, deliveries, refusal)?;
            return Ok((selected.snapshot.uid_validity, uids));
        }
        let scanned = scan::scan(&self.store, &entered, Mode::ReadWrite, None, deliveries)
            .map_err(|e| self.not_delivered_to(folder, e, refusal))?;
        // New mail of an old-style shared folder is linked into the open folder by its next scan.
        if let Some(selected) = selected {
            selected.rescan_if_possible(self)?;
        }
        // Its UID there is another than in the provider's folder, and not given yet.
        let uids = if folder.is_link() { Vec::new() } else { scanned.delivered };
        Ok((scanned.snapshot.uid_validity, uids))
    }
}
