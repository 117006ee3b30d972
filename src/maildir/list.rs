//! What LIST and LSUB show: the folders that match a pattern, the levels above them, and which of
//! them have children (PROTOCOL 4.5).

use super::folder_names;
use super::pattern::{Pattern, Patterns};
use super::resolve::Namespace;
use super::special_use::{self, Rules, Uses};
use crate::sys::breath::{self, Interrupted};
use crate::sys::directory::Directory;
use crate::sys::fs;
use crate::types::{FolderName, Rights, Space};
use std::collections::HashSet;
use std::io;
use std::rc::Rc;

/// One line of LIST or LSUB.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listed {
    /// The name as control files have it: UTF-8, with the namespace's prefix.
    pub(crate) name: Vec<u8>,
    /// Whether it is a folder or a subscription. If not, it is a level above others (`\Noselect`).
    pub(crate) is_folder: bool,
    /// Whether there is something below it that the user may see.
    pub(crate) has_children: bool,
    /// What the user may do in it, if that was found out.
    pub(crate) rights: Option<Rights>,
}

const LOOKUP: Rights = Rights::of(b"l");

/// Names in the order in which they were found, and the levels above them.
#[derive(Default)]
struct Names<'a> {
    names: Vec<(Vec<u8>, Option<Rights>)>,
    levels: Vec<Vec<u8>>,
    known_levels: HashSet<Vec<u8>>,
    /// By which folders have uses, if that is to be found out.
    rules: Option<Rules<'a>>,
    uses: Uses,
}

/// The levels above a name, nearest first.
pub(crate) fn above(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let dot = memchr::memrchr(b'.', rest)?;
        rest = rest.get(..dot)?;
        Some(rest)
    })
}

impl Names<'_> {
    fn add_level(&mut self, level: &[u8]) {
        if !self.known_levels.contains(level) {
            self.known_levels.insert(level.to_vec());
            self.levels.push(level.to_vec());
        }
    }

    fn add(&mut self, name: Vec<u8>, rights: Option<Rights>) {
        for level in above(&name) {
            self.add_level(level);
        }
        self.names.push((name, rights));
    }

    /// Whether the rights on a name matter: it would be listed, or a listed level would have it as
    /// its first child.
    fn matters(&self, matches: &dyn Fn(&[u8]) -> bool, name: &[u8]) -> bool {
        matches(name)
            || above(name).any(|level| !self.known_levels.contains(level) && matches(level))
    }

    /// The lines. `with_shared`: whether the namespace `#shared` counts as a level. Courier shows
    /// it in LSUB, not in LIST.
    fn into_list(
        self,
        matches: &dyn Fn(&[u8]) -> bool,
        with_shared: bool,
    ) -> Result<Vec<Listed>, Interrupted> {
        let Names { names: found, levels, known_levels, .. } = self;
        let mut names: HashSet<&[u8]> = HashSet::with_capacity(found.len());
        let mut is_listed = Vec::with_capacity(found.len());
        for (name, _) in &found {
            breath::breathe()?;
            is_listed.push(names.insert(name) && matches(name));
        }
        let mut above = Vec::new();
        for name in levels {
            breath::breathe()?;
            if (with_shared || name != b"#shared") && !names.contains(&*name) && matches(&name) {
                above.push(Listed { name, is_folder: false, has_children: true, rights: None });
            }
        }
        let mut list = Vec::with_capacity(found.len());
        for ((name, rights), _) in found.into_iter().zip(is_listed).filter(|(_, listed)| *listed) {
            let has_children = known_levels.contains(&name);
            list.push(Listed { name, is_folder: true, has_children, rights });
        }
        list.append(&mut above);
        Ok(list)
    }
}

impl Namespace {
    pub(super) fn may_see(&self, name: &[u8]) -> bool {
        self.rights_if_seen(name).is_some()
    }

    /// The rights on a name, if the user may see it.
    fn rights_if_seen(&self, name: &[u8]) -> Option<Rights> {
        let rights = self.rights_or_none(&FolderName::from_disk(name).ok()?);
        rights.contains(LOOKUP).then_some(rights)
    }

    /// Whether a subscription is shown. One whose folder does not exist is shown: it may outlive
    /// the folder (RFC 3501 6.3.9).
    pub(crate) fn may_see_subscribed(&self, name: &FolderName) -> bool {
        let is_dangling =
            matches!(name.space(), Space::Index(path) if self.index().find(path).is_none());
        is_dangling || self.rights_or_none(name).contains(LOOKUP)
    }

    /// LIST: the folders that match, in the order of the directories, then the levels above folders
    /// that match. Folders without the right `l` are left out, also as children.
    pub(crate) fn list(&self, patterns: &Patterns) -> Result<Vec<Listed>, Interrupted> {
        Ok(self.list_with_uses(patterns, None)?.0)
    }

    /// The same with the special uses of the account's own folders, if there are rules for them: of
    /// all that have one, by their whole names.
    pub(crate) fn list_with_uses(
        &self,
        patterns: &Patterns,
        rules: Option<Rules<'_>>,
    ) -> Result<(Vec<Listed>, Uses), Interrupted> {
        let _gathering = self.gather_inherited();
        let mut found = Names { rules, ..Names::default() };
        if patterns.has_any(false) {
            self.find_folders_of(self.root(), b"INBOX", patterns, &mut found)?;
            self.find_links(patterns, &mut found);
        }
        found.rules = None;
        if patterns.has_any(true) {
            self.find_in_index(patterns, &mut found)?;
        }
        let uses = std::mem::take(&mut found.uses);
        Ok((found.into_list(&|name| patterns.matches(name), false)?, uses))
    }

    /// LSUB: the subscriptions that match, in the order of the file, then the levels above them.
    /// The folders need not exist. Those without the right `l` are left out.
    pub(crate) fn list_subscribed(&self, pattern: &Pattern) -> io::Result<Vec<Listed>> {
        let _gathering = self.gather_inherited();
        let mut found = Names::default();
        let matches = |name: &[u8]| pattern.matches(name);
        let index = pattern.as_bytes().starts_with(b"#");
        for name in self.subscriptions().names()? {
            breath::breathe()?;
            // `inbox.x` in the file is INBOX.x. What no client could write is skipped.
            let Ok(folder) = FolderName::from_disk(&name) else { continue };
            if name.starts_with(b"#") == index
                && found.matters(&matches, folder.as_bytes())
                && self.may_see_subscribed(&folder)
            {
                found.add(folder.as_bytes().to_vec(), None);
            }
        }
        if !index {
            for path in self.links().subscribed() {
                found.add([b"shared.", &*path].concat(), None);
            }
        }
        Ok(found.into_list(&matches, true)?)
    }

    /// The names of subscriptions that are wanted, in the order of the file, each once, whether
    /// their folders exist or not.
    pub(crate) fn subscribed(
        &self,
        is_wanted: &dyn Fn(&[u8]) -> bool,
    ) -> io::Result<Vec<FolderName>> {
        let names = self.subscriptions().names()?.into_iter();
        let links = self.links().subscribed().into_iter().map(|path| [b"shared.", &*path].concat());
        let mut seen = HashSet::new();
        let mut wanted = Vec::new();
        for name in names.chain(links) {
            breath::breathe()?;
            let Ok(folder) = FolderName::from_disk(&name) else { continue };
            if is_wanted(folder.as_bytes()) && seen.insert(folder.as_bytes().to_vec()) {
                wanted.push(folder);
            }
        }
        Ok(wanted)
    }

    /// Finds a Maildir's INBOX, which is called `top`, and its folders.
    fn find_folders_of(
        &self,
        root: &std::path::Path,
        top: &[u8],
        patterns: &Patterns,
        found: &mut Names<'_>,
    ) -> Result<(), Interrupted> {
        if !patterns.matches(top) && !patterns.may_match_below(top) {
            return Ok(());
        }
        let failed = |e: &io::Error| {
            if !breath::is_interruption(e) {
                log::error!("{}: {}", fs::shown(root), fs::error_text(e));
            }
        };
        let maildir = Directory::enter(root).map(Rc::new).inspect_err(failed).ok();
        let listed = maildir.as_deref().map(folder_names::list_with_inodes).transpose();
        let subs = listed.inspect_err(failed).ok().flatten().unwrap_or_default();
        if let (Some(rules), Some(maildir)) = (found.rules, &maildir) {
            let name = |sub: &[u8]| [top, b".", sub].concat();
            let uses = special_use::find(maildir, &subs, rules, &|sub| self.may_see(&name(sub)))?;
            found.uses = uses.into_iter().map(|(sub, uses)| (name(&sub), uses)).collect();
        }
        breath::breathe()?;
        if patterns.matches(top)
            && let Some(rights) = self.rights_if_seen(top)
        {
            found.add(top.to_vec(), Some(rights));
        }
        for (sub, _) in subs {
            breath::breathe()?;
            let name = [top, b".", &sub].concat();
            if found.matters(&|name| patterns.matches(name), &name)
                && let Some(rights) = self.rights_if_seen(&name)
            {
                found.add(name, Some(rights));
            }
        }
        Ok(())
    }

    fn find_links(&self, patterns: &Patterns, found: &mut Names<'_>) {
        if !patterns.matches(b"shared") && !patterns.may_match_below(b"shared") {
            return;
        }
        for path in self.links().all() {
            found.add([b"shared.", &*path].concat(), None);
        }
    }

    fn find_in_index(&self, patterns: &Patterns, found: &mut Names<'_>) -> Result<(), Interrupted> {
        let wanted = |name: &[u8]| patterns.matches(name) || patterns.may_match_below(name);
        let mut groups = Vec::new();
        let mut accounts = Vec::new();
        self.index().walk(
            &wanted,
            &|name| patterns.may_match_below(name),
            &mut |name| groups.push(name.to_vec()),
            &mut |name, account| {
                accounts.push((name.to_vec(), account.root));
            },
        );
        for group in groups {
            for level in above(&group) {
                found.add_level(level);
            }
            found.add_level(&group);
        }
        for (name, root) in accounts {
            self.find_folders_of(&root, &name, patterns, found)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;
