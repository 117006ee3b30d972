//! What is true: every message that was acknowledged or delivered, every UID that was told, every
//! hand that was laid on a message.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use support::Random;

pub const FOLDERS: &[&str] = &["INBOX", "INBOX.one", "INBOX.two"];

/// The message of this number, as it lies on disk: anyone can tell whether it is whole.
pub fn content(id: u64) -> Vec<u8> {
    let mut r = Random(id.wrapping_mul(7_919));
    let mut text =
        format!("X-Id: {id}\nFrom: writer{}@example.com\nSubject: stress {id}\n\n", id % 7);
    let lines = if r.percent(4) { 200 + r.below(1500) } else { r.below(30) };
    for _ in 0..lines {
        text.push_str(&format!("{:x} {:x} {:x}\n", r.number(), r.number(), r.number()));
    }
    text.into_bytes()
}

/// As the wire has it.
pub fn on_the_wire(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + content.len() / 40);
    for b in content {
        if *b == b'\n' {
            out.push(b'\r');
        }
        out.push(*b);
    }
    out
}

/// The number in a message's first line.
pub fn id_of(message: &[u8]) -> Option<u64> {
    let rest = message.strip_prefix(b"X-Id: ")?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

pub fn folder_path(root: &Path, folder: usize) -> PathBuf {
    root.join(FOLDERS[folder].strip_prefix("INBOX").unwrap_or_default())
}

#[derive(Default)]
pub struct Ledger {
    next_id: u64,
    keepers: u64,
    pub validity: HashMap<usize, u32>,
    /// Which message a UID names, once and for all.
    pub uids: HashMap<(usize, u32), u64>,
    /// UIDs that somebody has flagged \Deleted, or was about to.
    pub doomed: HashSet<(usize, u32)>,
    /// Messages of which some instance was doomed: copies made since may have taken the flag along.
    tainted: HashSet<u64>,
    /// Instances that the program behind our back has removed or flagged.
    by_hand: HashMap<(usize, u64), u32>,
    /// Acknowledged instances.
    expected: HashMap<(usize, u64), u32>,
    /// Instances that may have come into being: the answer was cut off.
    loose: HashMap<(usize, u64), u32>,
    /// UIDs that somebody has moved elsewhere, or was about to.
    left: HashSet<(usize, u32)>,
    /// How often nobody knows whether a message has moved.
    adrift: HashMap<u64, u32>,
    /// The highest UID told of a folder.
    highest: HashMap<usize, u32>,
    /// Which session was told \Recent.
    recent: HashMap<(usize, u32), (u32, bool)>,
}

/// What lies in a folder when all is quiet: by UID, which message, and the flag letters of its
/// name. After kills a file can have two names, where a rename is a link(2) and an unlink(2): then
/// the letters of the one that counts for whoever comes, a `|`, and those of the other.
pub type Truth = BTreeMap<u32, (u64, String)>;

impl Ledger {
    /// A number for a new message. Every eighth (later fewer, or folders would grow for ever) is
    /// one that nobody may ever remove.
    pub fn new_id(&mut self, r: &mut Random) -> u64 {
        self.next_id += 1;
        let keep = if self.keepers < 600 { r.percent(12) } else { r.percent(1) };
        if keep {
            self.keepers += 1;
        }
        self.next_id * 2 + u64::from(keep)
    }

    pub fn is_keeper(id: u64) -> bool {
        id % 2 == 1
    }

    /// A keeper that may be moved from folder to folder.
    pub fn is_rover(id: u64) -> bool {
        id % 4 == 3
    }

    /// Somebody is about to move this message elsewhere.
    pub fn leaves(&mut self, folder: usize, uid: u32) {
        self.left.insert((folder, uid));
    }

    /// A message has moved.
    pub fn moved(&mut self, from: usize, to: usize, id: u64) {
        for map in [&mut self.expected, &mut self.loose] {
            if let Some(n) = map.get_mut(&(from, id)).filter(|n| **n > 0) {
                *n -= 1;
                break;
            }
        }
        self.arrived(to, id);
    }

    /// Nobody knows whether a message has moved: it is in one of the two folders.
    pub fn adrift(&mut self, from: usize, to: usize, id: u64) {
        *self.adrift.entry(id).or_default() += 1;
        *self.by_hand.entry((from, id)).or_default() += 1;
        self.perhaps(to, id);
    }

    pub fn arrived(&mut self, folder: usize, id: u64) {
        *self.expected.entry((folder, id)).or_default() += 1;
    }

    pub fn perhaps(&mut self, folder: usize, id: u64) {
        *self.loose.entry((folder, id)).or_default() += 1;
    }

    /// A message that was refused after it had been in the folder for a moment: others may have
    /// seen it.
    pub fn taken_back(&mut self, folder: usize, id: u64) {
        self.perhaps(folder, id);
        *self.by_hand.entry((folder, id)).or_default() += 1;
    }

    /// A UID was told to name this message.
    pub fn learn(&mut self, folder: usize, uid: u32, id: u64) -> Result<(), String> {
        let highest = self.highest.entry(folder).or_default();
        *highest = uid.max(*highest);
        match self.uids.insert((folder, uid), id) {
            Some(before) if before != id => Err(format!(
                "UID {uid} of {} names message {id} and named {before}",
                FOLDERS[folder]
            )),
            _ => {
                if self.doomed.contains(&(folder, uid)) {
                    self.tainted.insert(id);
                }
                Ok(())
            }
        }
    }

    pub fn doom(&mut self, folder: usize, uid: u32) {
        self.doomed.insert((folder, uid));
        if let Some(id) = self.uids.get(&(folder, uid)) {
            self.tainted.insert(*id);
        }
    }

    pub fn doom_by_hand(&mut self, folder: usize, id: u64) {
        *self.by_hand.entry((folder, id)).or_default() += 1;
        self.tainted.insert(id);
    }

    /// How many messages are in a folder and will never be removed, and the highest UID that was
    /// told.
    pub fn at_least(&self, folder: usize) -> (usize, u32) {
        let is_kept = |((f, id), _): &(&(usize, u64), &u32)| {
            *f == folder && Self::is_keeper(*id) && !Self::is_rover(*id)
        };
        let keepers: u32 = self.expected.iter().filter(is_kept).map(|(_, n)| *n).sum();
        (keepers as usize, self.highest.get(&folder).copied().unwrap_or(0))
    }

    pub fn is_tainted(&self, id: u64) -> bool {
        self.tainted.contains(&id)
    }

    /// \Recent was told for a UID by a session (its process, and whether it is Courier's).
    pub fn recent(&mut self, folder: usize, uid: u32, session: (u32, bool)) -> Result<(), String> {
        match self.recent.insert((folder, uid), session) {
            Some(other) if other != session => Err(format!(
                "\\Recent of UID {uid} in {} was told to {other:?} and to {session:?} (true: Courier's)",
                FOLDERS[folder]
            )),
            _ => Ok(()),
        }
    }

    pub fn validity(&mut self, folder: usize, validity: u32) -> Result<(), String> {
        match self.validity.insert(folder, validity) {
            Some(before) if before != validity => {
                Err(format!("UIDVALIDITY of {} is {validity} and was {before}", FOLDERS[folder]))
            }
            _ => Ok(()),
        }
    }

    /// Holds a folder on disk against all that is known. Complaints.
    pub fn check(&mut self, folder: usize, truth: &Truth) -> Vec<String> {
        let mut wrong = Vec::new();
        let name = FOLDERS[folder];
        let mut count: HashMap<u64, u32> = HashMap::new();
        for (uid, (id, _)) in truth {
            *count.entry(*id).or_default() += 1;
            wrong.extend(self.learn(folder, *uid, *id).err());
        }
        // What was told to be there and is not.
        let mut excused: HashMap<u64, u32> = HashMap::new();
        let mut doomed: HashMap<u64, u32> = HashMap::new();
        let mut missing: BTreeSet<(u32, u64)> = BTreeSet::new();
        for ((_, uid), id) in self.uids.iter().filter(|((f, _), _)| *f == folder) {
            if self.left.contains(&(folder, *uid)) {
                continue;
            }
            if self.doomed.contains(&(folder, *uid)) {
                *doomed.entry(*id).or_default() += 1;
            } else if !truth.contains_key(uid) {
                missing.insert((*uid, *id));
            }
        }
        for (uid, id) in missing {
            let by_hand = self.by_hand.get(&(folder, id)).copied().unwrap_or(0);
            // A copy whose answer was cut off may have brought \Deleted along.
            let loose = if self.tainted.contains(&id) {
                self.loose.get(&(folder, id)).copied().unwrap_or(0)
            } else {
                0
            };
            let used = excused.entry(id).or_default();
            *used += 1;
            if *used > by_hand + loose {
                wrong.push(format!("LOST: UID {uid} of {name}, message {id}"));
            }
        }
        let ids: BTreeSet<u64> = self
            .expected
            .keys()
            .chain(self.loose.keys())
            .filter(|k| k.0 == folder)
            .map(|k| k.1)
            .collect();
        for id in &ids {
            let at = &(folder, *id);
            let of = |map: &HashMap<(usize, u64), u32>| map.get(at).copied().unwrap_or(0);
            let most = of(&self.expected) + of(&self.loose);
            let removed = of(&self.by_hand) + doomed.get(id).copied().unwrap_or(0);
            let least = of(&self.expected).saturating_sub(removed);
            let is = count.get(id).copied().unwrap_or(0);
            if is < least {
                wrong.push(format!(
                    "LOST: message {id} stands {is} times in {name}, at least {least} are due"
                ));
            }
            if is > most {
                wrong.push(format!(
                    "DOUBLED: message {id} stands {is} times in {name}, at most {most} came"
                ));
            }
        }
        wrong.extend(
            count
                .keys()
                .filter(|id| !ids.contains(id))
                .map(|id| format!("message {id} in {name} comes from nowhere")),
        );
        wrong
    }

    /// Holds all folders on disk against all that is known: a message that has moved, or may have,
    /// is in one of them. Complaints.
    pub fn check_all(&self, truths: &[Truth]) -> Vec<String> {
        let mut count: HashMap<u64, u32> = HashMap::new();
        for (id, _) in truths.iter().flat_map(BTreeMap::values) {
            *count.entry(*id).or_default() += 1;
        }
        let sum = |map: &HashMap<(usize, u64), u32>, id: u64| -> u32 {
            (0..FOLDERS.len()).filter_map(|folder| map.get(&(folder, id))).sum()
        };
        let mut wrong = Vec::new();
        for id in self.expected.keys().map(|(_, id)| *id).collect::<BTreeSet<_>>() {
            let is = count.get(&id).copied().unwrap_or(0);
            let adrift = self.adrift.get(&id).copied().unwrap_or(0);
            let least = if Self::is_rover(id) { sum(&self.expected, id) } else { 0 };
            let most = (sum(&self.expected, id) + sum(&self.loose, id)).saturating_sub(adrift);
            if is < least || is > most {
                wrong.push(format!(
                    "LOST or DOUBLED: message {id} stands {is} times in all folders, {least} to {most} are due"
                ));
            }
        }
        wrong
    }
}

/// Reads a folder on disk, which must be quiet and have no mail in `new`. After `kills` the lines of
/// removed messages may be left in the UID file: a scan that finds the lock of a dead session in its
/// way, and has nothing else to write, leaves them to the next one.
pub fn truth(
    root: &Path,
    folder: usize,
    whole: bool,
    kills: bool,
    wrong: &mut Vec<String>,
) -> Truth {
    let path = folder_path(root, folder);
    let name = FOLDERS[folder];
    let mut truth = Truth::new();
    let database = std::fs::read_to_string(path.join("courierimapuiddb")).unwrap_or_default();
    let mut uids: HashMap<&str, u32> = HashMap::new();
    let mut seen = HashSet::new();
    let mut first_names: HashMap<String, (u32, u64)> = HashMap::new();
    let mut inodes = HashSet::new();
    for line in database.lines().skip(1) {
        let Some((uid, base)) = line.split_once(' ') else {
            wrong.push(format!("{name}: a line of the UID file: {line}"));
            continue;
        };
        let uid = uid.parse().unwrap_or(0);
        if !seen.insert(uid) {
            wrong.push(format!("{name}: UID {uid} stands twice in the UID file"));
        }
        if uids.insert(base, uid).is_some() {
            wrong.push(format!("{name}: {base} stands twice in the UID file"));
        }
    }
    for entry in std::fs::read_dir(path.join("cur")).into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let (base, letters) = file.split_once(":2,").unwrap_or((&file, ""));
        let inode = entry.metadata().map_or(0, |m| m.ino());
        let Some(uid) = uids.remove(base) else {
            match first_names.get(base).filter(|(_, first)| kills && *first == inode) {
                Some((uid, _)) => {
                    let known: &mut String = &mut truth.get_mut(uid).unwrap().1;
                    let (less, more) = (known.as_str().min(letters), known.as_str().max(letters));
                    *known = format!("{more}|{less}");
                }
                None => wrong.push(format!("{name}: {file} has no UID of its own")),
            }
            continue;
        };
        first_names.insert(base.to_owned(), (uid, inode));
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        let Some(id) = id_of(&bytes) else {
            wrong.push(format!("{name}: {file} has no number"));
            continue;
        };
        if whole && bytes != content(id) {
            wrong.push(format!("{name}: {file} is not whole"));
        }
        truth.insert(uid, (id, letters.to_owned()));
        if kills {
            inodes.insert(inode);
        }
    }
    for base in uids.keys().filter(|_| !kills) {
        wrong.push(format!("{name}: {base} is in the UID file and nowhere else"));
    }
    for entry in std::fs::read_dir(path.join("new")).into_iter().flatten().flatten() {
        // After kills it may be in `cur`, too.
        if !entry.metadata().is_ok_and(|m| inodes.contains(&m.ino())) {
            wrong.push(format!("{name}: {} is still in new", entry.file_name().to_string_lossy()));
        }
    }
    truth
}

/// Whether a client may believe these flags of a file with these letters.
pub fn may_be(letters: &str, flags: &BTreeSet<String>) -> bool {
    letters.split('|').any(|letters| flags_of(letters) == *flags)
}

/// Flag letters as the client sees them.
fn flags_of(letters: &str) -> BTreeSet<String> {
    let names = [
        ('D', "\\Draft"),
        ('F', "\\Flagged"),
        ('R', "\\Answered"),
        ('S', "\\Seen"),
        ('T', "\\Deleted"),
    ];
    names.iter().filter(|(l, _)| letters.contains(*l)).map(|(_, n)| (*n).to_owned()).collect()
}
