//! What proves across sessions and hosts that a folder is as its state says: the times that its
//! directories and its UID file had before they were read.

use super::bytes::{Input, Output};
use crate::maildir::stamp::Stamp;

/// A stamp without its device, of which other hosts have another number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Times {
    inode: u64,
    mtime: (i64, u32),
    ctime: (i64, u32),
}

impl Times {
    /// Those of a stamp.
    pub(super) fn of(stamp: &Stamp) -> Times {
        let parts = |nanos: i128| {
            let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or_default();
            (seconds, nanos.rem_euclid(1_000_000_000) as u32)
        };
        let (mtime, ctime) = stamp.times();
        Times { inode: stamp.inode().1, mtime: parts(mtime), ctime: parts(ctime) }
    }

    /// The later of the two times, in microseconds since 1970.
    pub(super) fn latest(&self) -> u64 {
        let (seconds, nanos) = self.mtime.max(self.ctime);
        u64::try_from(seconds)
            .unwrap_or(0)
            .saturating_mul(1_000_000)
            .saturating_add(u64::from(nanos / 1000))
    }

    fn read(input: &mut Input<'_>) -> Option<Option<Times>> {
        let is_there = input.u8()?;
        let times = Times {
            inode: input.u64()?,
            mtime: (input.i64()?, input.u32()?),
            ctime: (input.i64()?, input.u32()?),
        };
        Some((is_there != 0).then_some(times))
    }

    fn write(times: Option<&Times>, out: &mut Vec<u8>) {
        let none = Times { inode: 0, mtime: (0, 0), ctime: (0, 0) };
        let Times { inode, mtime, ctime } = times.unwrap_or(&none);
        out.u8(u8::from(times.is_some()));
        out.u64(*inode);
        for (seconds, nanos) in [mtime, ctime] {
            out.i64(*seconds);
            out.u32(*nanos);
        }
    }
}

/// The parts of a proof.
const PARTS: [&str; 4] = ["cur", "new", "courierimapkeywords", "courierimapuiddb"];
/// Which part of a proof is about the keywords.
const KEYWORDS: usize = 2;

/// The proof of a folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::maildir) struct StoredProof {
    /// Of `cur`, `new`, `courierimapkeywords` and the UID file, in this order; `None` for one that
    /// was not there.
    parts: [Option<Times>; 4],
    /// Whether every change since then has given other times.
    is_settled: bool,
}

impl StoredProof {
    /// From the stamps of `cur`, `new`, the keywords and the UID file.
    pub(in crate::maildir) fn of(parts: [Option<Stamp>; 4], is_settled: bool) -> StoredProof {
        StoredProof { parts: parts.map(|stamp| stamp.as_ref().map(Times::of)), is_settled }
    }

    /// Whether a folder with these stamps is unchanged; its keywords, too, if they matter.
    pub(in crate::maildir) fn holds(&self, now: [Option<Stamp>; 4], keywords: bool) -> bool {
        let now = now.map(|stamp| stamp.as_ref().map(Times::of));
        let same = |(i, part): (usize, &Option<Times>)| {
            (i == KEYWORDS && !keywords) || (part.is_some() && now.get(i) == Some(part))
        };
        self.is_settled
            && now.iter().all(Option::is_some)
            && self.parts.iter().enumerate().all(same)
    }

    /// Whether this `cur` is another directory than the one that was read.
    pub(super) fn is_of_another(&self, cur: Option<Stamp>) -> bool {
        let [then, ..] = &self.parts;
        let now = cur.as_ref().map(Times::of);
        then.as_ref().zip(now).is_some_and(|(then, now)| then.inode != now.inode)
    }

    /// Whether the messages and their flags are unchanged, by `cur`, `new` and the UID file, whatever
    /// became of keywords.
    pub(super) fn holds_of_messages(&self, [cur, new, uid_file]: [Option<Stamp>; 3]) -> bool {
        let now = [cur, new, uid_file].map(|stamp| stamp.as_ref().map(Times::of));
        let [cur, new, _, uid_file] = self.parts;
        self.is_settled && now.iter().all(Option::is_some) && now == [cur, new, uid_file]
    }

    /// The same by a reading that left the keywords out: what was proven of them before stays so.
    pub(in crate::maildir) fn without_keywords(mut self, before: &StoredProof) -> StoredProof {
        let [.., keywords, _] = before.parts;
        if let Some(part) = self.parts.get_mut(KEYWORDS) {
            *part = keywords.filter(|_| before.is_settled);
        }
        self
    }

    /// Whether it can prove anything.
    pub(in crate::maildir) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// The latest of all times, in microseconds since 1970.
    pub(in crate::maildir) fn latest(&self) -> u64 {
        self.parts.iter().flatten().map(Times::latest).max().unwrap_or(0)
    }

    /// For people: each part's inode and times.
    pub(super) fn show(&self) -> String {
        let part = |(name, times): (&&str, &Option<Times>)| match times {
            Some(Times { inode, mtime, ctime }) => {
                format!("{name} {inode} {}.{:09} {}.{:09}", mtime.0, mtime.1, ctime.0, ctime.1)
            }
            None => format!("{name} none"),
        };
        let parts: Vec<String> = PARTS.iter().zip(&self.parts).map(part).collect();
        format!("{}, {}", if self.is_settled { "settled" } else { "unsettled" }, parts.join(", "))
    }

    /// For people: which parts are others now.
    pub(super) fn changed(&self, now: [Option<Stamp>; 4]) -> String {
        let now = now.map(|stamp| stamp.as_ref().map(Times::of));
        let parts = PARTS.iter().zip(self.parts.iter().zip(&now));
        let changed: Vec<&str> = parts
            .filter(|(_, (then, now))| then != now || now.is_none())
            .map(|(name, _)| *name)
            .collect();
        if changed.is_empty() { "it is too young".to_owned() } else { changed.join(", ") }
    }

    /// Reads what [`StoredProof::write`] has written.
    pub(super) fn read(input: &mut Input<'_>) -> Option<StoredProof> {
        let is_settled = input.u8()? != 0;
        let mut parts = [None; 4];
        for part in &mut parts {
            *part = Times::read(input)?;
        }
        Some(StoredProof { parts, is_settled })
    }

    /// One byte: settled or not; four times 33 bytes: whether it is there, the inode, and
    /// modification and change time, each as seconds (eight bytes) and nanoseconds (four).
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.u8(u8::from(self.is_settled));
        for part in &self.parts {
            Times::write(part.as_ref(), out);
        }
    }
}
