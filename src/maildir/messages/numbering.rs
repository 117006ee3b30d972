//! UIDs for messages: which lines of the UID file count, and the order in which new UIDs are given
//! (STORAGE 2.3 to 2.5).

use super::{Messages, Record, bit};
use crate::maildir::names;

impl Messages {
    /// The highest UID; 0 without messages.
    pub(in crate::maildir) fn highest(&self) -> u32 {
        self.records.iter().map(|r| r.uid).max().unwrap_or(0)
    }

    /// Whether the messages are in the order of their UIDs. Two may have the same.
    pub(in crate::maildir) fn is_sorted(&self) -> bool {
        self.records.is_sorted_by_key(|r| r.uid)
    }

    /// Whether a UID names another message there than here. Both are in the order of their UIDs.
    pub(in crate::maildir) fn contradict(&self, there: &Messages) -> bool {
        let mut there_at = 0;
        self.records.iter().filter(|here| here.uid != 0).any(|here| {
            let rest = there.records.get(there_at..).unwrap_or_default();
            let skip = rest.iter().take_while(|r| r.uid < here.uid).count();
            there_at = there_at.saturating_add(skip);
            let same = rest.get(skip).filter(|r| r.uid == here.uid);
            same.is_some_and(|r| there.key_of(r) != self.key_of(here))
        })
    }

    /// Whether every message has a UID, and a greater one than the message before it.
    pub(in crate::maildir) fn is_ascending(&self) -> bool {
        let mut last = 0;
        self.records.iter().all(|r| std::mem::replace(&mut last, r.uid) < r.uid)
    }

    /// Sorts the messages by UID. Messages with the same UID keep their order.
    pub(in crate::maildir) fn sort_by_uid(&mut self) {
        self.records.sort_by_key(|r| r.uid);
    }

    /// Takes the UID away from every message whose UID an earlier one has, too, and marks it as
    /// [`bit::DOUBLED`]. Whether there was any.
    pub(in crate::maildir) fn take_doubled_uids(&mut self) -> bool {
        let mut last = 0;
        let mut any = false;
        for record in &mut self.records {
            if record.uid == last {
                record.uid = 0;
                record.bits |= bit::DOUBLED;
                any = true;
            } else {
                last = record.uid;
            }
        }
        any
    }

    /// Gives UIDs from `next` on to the messages without one: first to the deliveries in their
    /// order, then to the others by name (STORAGE 2.4). The next UID after that; `None`, and
    /// nothing is changed, if there are not enough UIDs left.
    pub(in crate::maildir) fn number(&mut self, next: u32) -> Option<u32> {
        let without = self.records.iter().filter(|r| r.uid == 0).count();
        let after = u32::try_from(without).ok().and_then(|n| next.checked_add(n))?;
        if without == 0 {
            return Some(after);
        }
        let mut records = std::mem::take(&mut self.records);
        records.sort_by_key(|r| r.uid == 0);
        let first = records.len().saturating_sub(without);
        if let Some(fresh) = records.get_mut(first..) {
            // Deliveries stay in their order.
            fresh.sort_by_key(|r| r.bits & bit::DELIVERED == 0);
            let delivered = fresh.partition_point(|r| r.bits & bit::DELIVERED != 0);
            self.sort_by_name(fresh.get_mut(delivered..).unwrap_or_default());
            for (record, uid) in fresh.iter_mut().zip(next..) {
                record.uid = uid;
            }
        }
        self.records = records;
        Some(after)
    }

    /// Sorts records in the order in which new messages get their UIDs. The number in each name is
    /// parsed once, not at every comparison, and what is moved is small.
    fn sort_by_name(&self, records: &mut [Record]) {
        let old = records.to_vec();
        let key = |at: u32| old.get(at as usize).map_or(&[][..], |r| self.key_of(r));
        let rank = |(at, record): (u32, &Record)| (names::order(self.key_of(record)).0, at);
        let mut ranked: Vec<(i64, u32)> = (0..).zip(&old).map(rank).collect();
        ranked.sort_unstable_by(|(a, x), (b, y)| {
            a.cmp(b).then_with(|| key(*x).cmp(key(*y))).then(x.cmp(y))
        });
        for (slot, (_, at)) in records.iter_mut().zip(ranked) {
            if let Some(record) = old.get(at as usize) {
                *slot = *record;
            }
        }
    }

    /// Takes all UIDs away. Then [`Messages::number`] numbers all messages by name.
    pub(in crate::maildir) fn forget_uids(&mut self) {
        for record in &mut self.records {
            record.uid = 0;
        }
    }
}
