//! Messages on their way from one folder into another, where they get fresh names.
//!
//! Where the file itself is as good as a copy, it is renamed ([`super::scan::move_in`]), else it is
//! copied and then removed ([`super::move_by_copy`]). Either way another session may change a
//! message at that moment:
//!
//! - A change of flags is a rename, and only one rename from a name succeeds. So ours begins with
//!   the name that the file has then (see [`super::follow`]), and takes its flags along.
//! - Keywords are in files of their own. They are read when the move begins, not taken from the
//!   last scan, and looked at again when the files have moved. They go along where they are
//!   switched off, too: the session does not show them, but a move must not lose them.
//! - Whoever moves or removes a message first has it. To the others it is gone.

use super::deliver::is_as_good_as_copy;
use super::follow::with_current_name;
use super::keywords::{self, FolderKeywords, Merge};
use super::messages::{Messages, bit};
use super::names::{self, Stem};
use super::scan::Incoming;
use super::second_names::SecondNames;
use super::stamp::Stamp;
use super::temporary::with_new_name;
use super::{Entered, Error, Store, change, quota, shared_link, write_keywords};
use crate::sys::breath::{self, Items};
use crate::sys::stat::Stat;
use crate::sys::{clock, fs};
use crate::types::{Flags, Uid};
use std::cell::OnceCell;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

/// What a message may keep on its way.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    /// These flags.
    pub(crate) flags: Flags,
    /// Whether its keywords.
    pub(crate) keywords: bool,
}

/// Where a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Where it was.
    Waiting,
    /// In the other folder.
    Moved,
    /// It was not there any more.
    Gone,
    /// Where it was: it cannot be moved.
    Refused,
}

/// One message.
pub(super) struct Moving {
    /// Its position in the list of the folder that it leaves.
    pub(super) index: usize,
    pub(super) state: State,
    /// Bytes on disk.
    size: u64,
    inode: (u64, u64),
    stem: Stem,
    /// Whether the file has a second name somewhere.
    is_linked: bool,
    /// The flags that it got.
    pub(super) flags: Flags,
    /// The UID that it got.
    pub(super) uid: Option<Uid>,
    /// The base name of its copy, where it is copied.
    pub(super) copied_as: Option<Box<[u8]>>,
}

/// A message that has moved.
pub(crate) struct Moved {
    /// Its UID before.
    pub(crate) from: Uid,
    /// Its UID now, where that is known.
    pub(crate) to: Option<Uid>,
    /// Its path before.
    pub(crate) old: PathBuf,
    /// Its path now, as far as it is known.
    pub(crate) new: PathBuf,
}

/// Messages that move from one folder into another.
pub(crate) struct Moves<'a> {
    store: &'a Store,
    pub(super) from: Rc<Entered>,
    pub(super) messages: &'a mut Messages,
    kept: Kept,
    keywords: FolderKeywords,
    pub(super) all: Vec<Moving>,
    pub(super) second_names: SecondNames,
    /// Whether a rename is possible, and as good as a copy, for each of them.
    can_be_renamed: bool,
    /// Why one of them cannot be moved.
    pub(super) refused: Option<Error>,
    /// Whether the session is to end.
    pub(super) is_stopped: bool,
}

/// Bytes on disk, and messages, as the quota counts them.
pub(crate) type Cost = (u64, u64);

impl<'a> Moves<'a> {
    /// Looks at the messages at these positions, as they are now. Those that are not there any more
    /// are marked as gone.
    pub(crate) fn look(
        store: &'a Store,
        (from, to): (Rc<Entered>, &Entered),
        messages: &'a mut Messages,
        which: &[usize],
        kept: Kept,
    ) -> Result<Moves<'a>, Error> {
        let keywords = keywords::read(store, &from, messages, &OnceCell::new(), Merge::No)?;
        if kept.keywords && keywords.has_unread {
            // Keywords that cannot be read would be lost.
            let path = from.keywords_path();
            let e = fs::error(io::ErrorKind::PermissionDenied);
            return Err(Error::failed(format!("reading {}", fs::shown(&path)), e));
        }
        let mut moves = Moves {
            store,
            from,
            messages,
            kept,
            keywords,
            all: Vec::with_capacity(which.len()),
            second_names: SecondNames::default(),
            can_be_renamed: true,
            refused: None,
            is_stopped: false,
        };
        let about_tmp = |e| Error::about("moving to", &to.tmp_path())(e);
        let folder = to.tmp().and_then(|tmp| tmp.own_stat()).map_err(about_tmp)?;
        for index in which {
            breath::breathe()?;
            moves.look_at(*index, &folder)?;
        }
        if moves.can_be_renamed {
            moves.can_be_renamed = moves.is_one_file_system(to);
        }
        Ok(moves)
    }

    fn look_at(&mut self, index: usize, folder: &Stat) -> Result<(), Error> {
        let from = &self.from;
        let stat = with_current_name(from, self.messages, index, "moving", |_, name| {
            let stat = match from.is_of_links() {
                true => shared_link::open(from, name)?.map(|(_, stat)| stat),
                false => Some(from.cur()?.stat(name)?),
            };
            let stat = stat.ok_or_else(|| fs::error(io::ErrorKind::NotFound))?;
            if stat.is_file() { Ok(stat) } else { Err(fs::error(io::ErrorKind::InvalidInput)) }
        });
        let mut moving = Moving {
            index,
            state: State::Waiting,
            size: 0,
            inode: (0, 0),
            stem: Stem::next(self.store),
            is_linked: false,
            flags: Flags::empty(),
            uid: None,
            copied_as: None,
        };
        match stat {
            Ok(stat) => {
                moving.size = stat.len();
                moving.inode = stat.inode();
                moving.is_linked = stat.links() > 1;
                moving.flags = self.messages.flags(index) & self.kept.flags;
                self.can_be_renamed &= !from.is_of_links()
                    && stat.inode().0 == folder.inode().0
                    && is_as_good_as_copy(&stat, folder);
            }
            Err(Error::Gone) => moving.state = State::Gone,
            Err(e) if e.io().is_some() => {
                moving.state = State::Refused;
                self.refused.get_or_insert(e);
            }
            Err(e) => return Err(e),
        }
        self.all.push(moving);
        Ok(())
    }

    /// Whether a file can be renamed into that folder. The same device is not enough: quotas for
    /// parts of a file system, encrypted directories and bind mounts are limits, too.
    fn is_one_file_system(&self, to: &Entered) -> bool {
        let Some(first) = self.all.iter().find(|m| m.state == State::Waiting) else { return true };
        let name = self.messages.file_name(first.index);
        let probe = || {
            let probe = Stem::next(self.store).temporary(&self.store.config.host, None);
            self.from.cur()?.link(&name, to.tmp()?, &probe)?;
            to.tmp()?.unlink(&probe)
        };
        !with_new_name(probe).is_err_and(|e| e.kind() == io::ErrorKind::CrossesDevices)
    }

    /// Whether they can be renamed; if not, they are copied.
    pub(crate) fn can_be_renamed(&self) -> bool {
        self.can_be_renamed
    }

    /// How many are about to move.
    pub(crate) fn waiting(&self) -> usize {
        self.all.iter().filter(|m| m.state == State::Waiting).count()
    }

    /// The keywords that come with them.
    pub(crate) fn keyword_names(&self) -> Vec<Vec<u8>> {
        if !self.kept.keywords {
            return Vec::new();
        }
        let sets = self.all.iter().map(|moving| self.keywords.set(moving.index));
        self.keywords.table.names_in(sets).into_iter().map(<[u8]>::to_vec).collect()
    }

    /// Opens each message that is about to move for `send`. One for which that says `false` is not
    /// moved.
    pub(crate) fn send(&mut self, send: impl Fn(&File) -> bool) -> Result<(), Error> {
        let waiting = self.all.iter_mut().filter(|m| m.state == State::Waiting);
        for moving in waiting {
            breath::breathe()?;
            match change::open(&self.from, self.messages, moving.index) {
                Ok((file, _)) if send(&file) => {}
                Ok(_) => moving.state = State::Refused,
                Err(Error::Gone) => moving.state = State::Gone,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// What those that are about to move, or have moved, cost where they were, and where they go.
    pub(crate) fn costs(&self) -> (Cost, Cost) {
        let mut costs = ((0u64, 0u64), (0u64, 0u64));
        let add = |cost: &mut Cost, size: u64, flags: Flags| {
            if quota::is_counted(flags) {
                *cost = (cost.0.saturating_add(size), cost.1.saturating_add(1));
            }
        };
        let moving = |m: &&Moving| matches!(m.state, State::Waiting | State::Moved);
        for m in self.all.iter().filter(moving) {
            let named = quota::size_in_name(self.messages.base_name(m.index));
            add(&mut costs.0, named.unwrap_or(m.size), self.messages.flags(m.index));
            add(&mut costs.1, m.size, m.flags);
        }
        costs
    }

    /// Leaves those that are about to move where they are.
    pub(crate) fn call_off(&mut self) {
        for moving in self.all.iter_mut().filter(|m| m.state == State::Waiting) {
            moving.state = State::Refused;
        }
    }

    /// Whether any has moved.
    pub(crate) fn have_moved(&self) -> bool {
        self.all.iter().any(|m| m.state == State::Moved)
    }

    /// Whether any was not there any more.
    pub(crate) fn are_some_gone(&self) -> bool {
        self.all.iter().any(|m| m.state == State::Gone)
    }

    /// Whether any is where it was, though it is there.
    pub(crate) fn are_some_refused(&self) -> bool {
        self.all.iter().any(|m| m.state == State::Refused)
    }

    /// Why one of them could not be moved.
    pub(crate) fn take_refusal(&mut self) -> Option<Error> {
        if self.is_stopped { Some(Error::Stopped) } else { self.refused.take() }
    }

    /// Those that have moved, in order. `to`: the folder's `cur`, for the log.
    pub(crate) fn moved(&self, to: &Entered) -> Vec<Moved> {
        let moved = |m: &Moving| {
            Some(Moved {
                from: self.messages.uid(m.index)?,
                to: m.uid,
                old: self.from.message_path(&self.messages.file_name(m.index)),
                new: to.message_path(&self.name_of(m)),
            })
        };
        self.all.iter().filter(|m| m.state == State::Moved).filter_map(moved).collect()
    }

    fn base_of(&self, moving: &Moving) -> Vec<u8> {
        if let Some(base) = &moving.copied_as {
            return base.to_vec();
        }
        moving.stem.base(&self.store.config.host, moving.inode, moving.size)
    }

    fn name_of(&self, moving: &Moving) -> Vec<u8> {
        names::with_flags(&self.base_of(moving), moving.flags)
    }
}

/// Moving by a rename.
impl Incoming for Moves<'_> {
    fn names(&self) -> Vec<Vec<u8>> {
        let moving = |m: &&Moving| matches!(m.state, State::Waiting | State::Moved);
        self.all.iter().filter(moving).map(|m| self.name_of(m)).collect()
    }

    fn arrive(&mut self, to: &Entered) {
        let mut items = Items::of(self.all.len());
        for n in 0..self.all.len() {
            if self.all.get(n).is_some_and(|m| m.state == State::Waiting) {
                if items.breathe().is_err() {
                    self.is_stopped = true;
                    break;
                }
                self.rename(n, to);
                // Somebody is removing the folder: each of the others would be looked for in vain.
                let has_failed = self.all.get(n).is_some_and(|m| m.state != State::Moved);
                if has_failed && !(to.is_in_place() && to.has_cur()) {
                    break;
                }
            }
        }
        self.follow_keywords(to);
    }

    fn have_arrived(&self) -> bool {
        self.have_moved()
    }

    fn go_back(&mut self, to: &Entered) {
        for n in 0..self.all.len() {
            let Some(moving) = self.all.get(n).filter(|m| m.state == State::Moved) else {
                continue;
            };
            let (i, name) = (moving.index, self.name_of(moving));
            let put_back = to.cur().and_then(|cur| {
                cur.rename_new(&name, self.from.cur()?, &self.messages.file_name(i))
            });
            if put_back.is_ok()
                && let Some(moving) = self.all.get_mut(n)
            {
                moving.state = State::Waiting;
                self.messages.unmark(i, bit::GONE);
            }
        }
    }

    fn take_uids(&mut self, there: &Messages) {
        let index = there.index(|_| {});
        for n in 0..self.all.len() {
            let Some(moving) = self.all.get(n).filter(|m| m.state == State::Moved) else {
                continue;
            };
            let uid = there.find(&index, &self.base_of(moving)).and_then(|i| there.uid(i));
            if let Some(moving) = self.all.get_mut(n) {
                moving.uid = uid;
            }
        }
    }
}

impl Moves<'_> {
    fn rename(&mut self, n: usize, to: &Entered) {
        let Some(moving) = self.all.get(n) else { return };
        let (i, is_linked, base) = (moving.index, moving.is_linked, self.base_of(moving));
        let done = self.write_keywords(n, &base, to).and_then(|()| {
            let mut tried = Vec::new();
            let Moves { from, messages, second_names, kept, .. } = self;
            let renamed = with_current_name(from, messages, i, "moving", |messages, name| {
                let (cur, flags) = (from.cur()?, messages.flags(i) & kept.flags);
                let linked = if is_linked { Some(cur.stat(name)?) } else { None };
                if let Some(stat) = &linked {
                    second_names.look(from, messages, stat);
                }
                tried.push(flags);
                cur.rename_new(name, to.cur()?, &names::with_flags(&base, flags))?;
                if let Some(stat) = &linked {
                    second_names.remove(i, stat);
                }
                Ok(flags)
            });
            match renamed {
                // A network file system may say so of a rename that it has done.
                Err(Error::Gone) if !from.folder().is_local() => {
                    let is_there = |flags: &&Flags| {
                        let name = names::with_flags(&base, **flags);
                        to.cur().is_ok_and(|cur| cur.stat(&name).is_ok())
                    };
                    tried.iter().find(is_there).copied().ok_or(Error::Gone)
                }
                renamed => renamed,
            }
        });
        if done.is_err() {
            let _ = to.keywords().and_then(|keywords| keywords.unlink(&base));
        }
        self.note(n, done);
    }

    /// First, so that the message is never seen without its keywords (STORAGE 3.3).
    fn write_keywords(&self, n: usize, base: &[u8], to: &Entered) -> Result<(), Error> {
        let Some(moving) = self.all.get(n).filter(|_| self.kept.keywords) else { return Ok(()) };
        let set = self.keywords.set(moving.index);
        if set.is_empty() {
            return Ok(());
        }
        let words: Vec<&[u8]> = self.keywords.table.names_of(set).collect();
        write_keywords::write_set(self.store, to, base, &words)
    }

    /// Notes that a message has moved, with these flags, or why not.
    pub(super) fn note(&mut self, n: usize, done: Result<Flags, Error>) {
        let Some(moving) = self.all.get_mut(n) else { return };
        match done {
            Ok(flags) => {
                moving.flags = flags;
                moving.state = State::Moved;
                self.messages.mark(moving.index, bit::GONE);
            }
            Err(Error::Gone) => moving.state = State::Gone,
            Err(Error::Stopped) => self.is_stopped = true,
            Err(e) => {
                moving.state = State::Refused;
                self.refused.get_or_insert(e);
            }
        }
    }

    /// Keywords that others have changed since they were read go after their messages.
    pub(super) fn follow_keywords(&mut self, to: &Entered) {
        let there = Stamp::of_directory(self.from.folder(), b"courierimapkeywords");
        let is_settled = |stamp: Stamp| stamp.is_settled(clock::now_nanos());
        if !self.kept.keywords
            || !self.have_moved()
            || (there == self.keywords.stamp && there.is_none_or(is_settled))
        {
            return;
        }
        let index = OnceCell::new();
        let read = keywords::read(self.store, &self.from, self.messages, &index, Merge::No);
        let Ok(now) = read else { return };
        for moving in self.all.iter().filter(|m| m.state == State::Moved) {
            let set = now.set(moving.index);
            let words: Vec<&[u8]> = now.table.names_of(set).collect();
            let before = self.keywords.table.names_of(self.keywords.set(moving.index));
            // A scan of the folder may have removed what belonged to no message there any more.
            if !set.is_empty() && !words.iter().copied().eq(before) {
                let written =
                    write_keywords::write_set(self.store, to, &self.base_of(moving), &words);
                if let Err(e) = written {
                    log::error!("{e}");
                }
            }
        }
    }
}

/// Moving by a copy.
impl<'a> Moves<'a> {
    /// The store.
    pub(super) fn store(&self) -> &'a Store {
        self.store
    }

    /// The keywords that a message keeps.
    pub(super) fn keywords_of(&self, index: usize) -> Vec<Vec<u8>> {
        if !self.kept.keywords {
            return Vec::new();
        }
        let set = self.keywords.set(index);
        self.keywords.table.names_of(set).map(<[u8]>::to_vec).collect()
    }

    /// The flags of a message that it keeps.
    pub(super) fn flags_of(&self, index: usize) -> Flags {
        self.messages.flags(index) & self.kept.flags
    }
}
