//! What may be on disk afterwards, and what the answer must have been.

use super::scenario::{Rule, Scenario};
use super::state::{Folder, Message, REGISTER, State};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Removes a dead session's lock, as the next one does five seconds after it has found it.
pub fn after_five_seconds(home: &Path) {
    support::maildir::walk(home, &mut |path| {
        if path.ends_with("tmp/courier.lock") {
            let _ = fs::remove_file(path);
        }
    });
}

/// Files where no file should be.
pub fn strangers(root: &Path) -> Vec<String> {
    const FOLDERS: &[&str] = &[
        "cur",
        "new",
        "tmp",
        "courierimapuiddb",
        "courierimapkeywords",
        "maildirfolder",
        "courierimapacl",
        "postrider-metadata",
        "postrider-metadata-private",
        "postrider-specialuse",
        "postrider.state",
        "postrider.facts",
    ];
    const ROOTS: &[&str] = &[
        "courierimapsubscribed",
        "courierimaphieracl",
        "maildirsize",
        "shared-maildirs",
        "shared-folders",
        "postrider-metadata-account",
        REGISTER,
    ];
    let names = |dir: &Path| -> Vec<String> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
    };
    let mut strange = Vec::new();
    for name in names(root) {
        if name.starts_with('.') {
            let inside = names(&root.join(&name)).into_iter();
            let strangers = inside.filter(|n| !FOLDERS.contains(&&**n));
            strange.extend(strangers.map(|n| format!("{name}/{n}")));
        } else if !FOLDERS.contains(&&*name) && !ROOTS.contains(&&*name) {
            strange.push(name);
        }
    }
    strange
}

/// What is wrong with the index of the folders, but for an end that was cut.
pub fn index(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = entries.filter(|path| path.join("cur").is_dir()).chain([root.to_path_buf()]);
    let mut wrong = Vec::new();
    for folder in folders {
        let (text, faults, _) = postrider::testing::index(&folder).unwrap();
        let faults = faults.into_iter().filter(|fault| !fault.ends_with(" are no record"));
        wrong.extend(faults.map(|fault| format!("{}: {fault}\n{text}", folder.display())));
    }
    wrong
}

/// How often each message is there, but for those in one folder.
fn subjects(state: &State, but: &str) -> BTreeMap<String, usize> {
    let mut subjects = BTreeMap::new();
    let folders = state.folders.iter().filter(|(name, _)| *name != but);
    for (subject, _) in folders.flat_map(|(_, folder)| folder.messages.values()) {
        *subjects.entry(subject.clone()).or_default() += 1;
    }
    subjects
}

/// Whether a message has the flags of one state and the keywords of the same or the other.
fn is_between(was: &Message, will: &Message, is: &Message) -> bool {
    let part = |message: &Message, system: bool| -> BTreeSet<String> {
        message.1.iter().filter(|f| f.starts_with('\\') == system).cloned().collect()
    };
    let is_one = |system| [was, will].iter().any(|m| part(m, system) == part(is, system));
    is.0 == was.0 && is_one(true) && is_one(false)
}

/// The list that a folder inherits where nobody has changed one above it.
const EVERYBODYS: &str = "owner aceilrstwx\nadministrators aceilrstwx\n";

/// Whether a list is one that was written to its end.
fn is_whole_list(text: &str) -> bool {
    text.ends_with('\n')
        && text.lines().all(|l| {
            l.split_once(' ').is_some_and(|(who, what)| {
                !who.is_empty() && !what.is_empty() && !what.contains(' ')
            })
        })
        && ["owner ", "administrators "].iter().all(|who| text.lines().any(|l| l.starts_with(who)))
}

/// A state, and what it is held against: the state that was acknowledged last, and the one that the
/// next command was to bring.
pub struct Case<'a> {
    pub scenario: &'a Scenario,
    pub before: &'a State,
    pub after: &'a State,
    pub is: &'a State,
    /// How the command was answered; `None`: the session was killed.
    pub word: Option<&'a str>,
    pub log: &'a str,
}

impl Case<'_> {
    fn fail(&self, what: &str) -> Result<(), String> {
        let Case { before, after, is, .. } = self;
        Err(format!("{what}\nbefore: {before:?}\nafter:  {after:?}\nis:     {is:?}"))
    }

    /// Whether the state may be what the command has left. The complaint.
    pub fn judge(&self) -> Result<(), String> {
        self.names()?;
        self.control_files()?;
        self.annotations()?;
        match self.scenario.rule {
            Rule::Folders | Rule::Delete => self.folders(),
            Rule::Whole | Rule::Replaced | Rule::Each => self.messages(),
            Rule::Move | Rule::MoveByCopy => self.nothing_lost().and_then(|()| self.messages()),
        }
    }

    fn moves(&self) -> bool {
        matches!(self.scenario.rule, Rule::Move | Rule::MoveByCopy)
    }

    /// Each message is there as often as before; one that was being copied perhaps twice.
    fn nothing_lost(&self) -> Result<(), String> {
        let Case { scenario, before, is, word, .. } = self;
        let (was, is) = (subjects(before, ""), subjects(is, ""));
        let may_be_double = scenario.rule == Rule::MoveByCopy && word.is_none();
        let right = |(subject, n): (&String, &usize)| {
            let now = is.get(subject).copied().unwrap_or(0);
            now == *n || may_be_double && now == n + 1
        };
        if was.len() == is.len() && was.iter().all(right) {
            return Ok(());
        }
        self.fail("messages lost or doubled")
    }

    /// Whether what was to be done is done, and nothing else.
    fn is_done(&self) -> bool {
        self.word == Some("OK") && !self.log.lines().any(|l| l.starts_with("ERR"))
    }

    /// Which folders there are, and their UIDVALIDITY.
    fn names(&self) -> Result<(), String> {
        let Case { before, after, is, .. } = self;
        let names = |state: &State| state.folders.keys().cloned().collect::<BTreeSet<_>>();
        if self.is_done() && names(is) != names(after) {
            return self.fail("OK, and the folders are others");
        }
        if !names(is).is_subset(&names(before).union(&names(after)).cloned().collect())
            || !names(is).is_superset(&names(before).intersection(&names(after)).cloned().collect())
        {
            return self.fail("the folders are neither those before nor those after");
        }
        for (name, folder) in &is.folders {
            if folder.validity == 0 {
                return self.fail(&format!("{name} cannot be opened"));
            }
            let known: Vec<&Folder> =
                [before, after].iter().filter_map(|state| state.folders.get(name)).collect();
            let same: Vec<_> = known.iter().filter(|f| f.validity == folder.validity).collect();
            if same.is_empty() && !self.scenario.anew.contains(&&**name) {
                return self.fail(&format!("UIDVALIDITY {} of {name}", folder.validity));
            }
            let least = before.folders.get(name).filter(|f| f.validity == folder.validity);
            if least.is_some_and(|f| f.next > folder.next) {
                return self.fail(&format!("the next UID of {name} is {}", folder.next));
            }
        }
        Ok(())
    }

    /// Lists, subscriptions and the quota.
    fn control_files(&self) -> Result<(), String> {
        let Case { before, after, is, .. } = self;
        let all = [before, after];
        if all.iter().all(|state| state.subscriptions != is.subscriptions)
            || all.iter().all(|state| state.subscribed != is.subscribed)
            || self.word == Some("OK") && is.subscriptions != after.subscriptions
        {
            return self.fail("subscriptions");
        }
        for (name, list) in &is.lists {
            let known: Vec<&String> =
                all.iter().filter_map(|state| state.lists.get(name)).collect();
            // A level without a folder may have inherited its list.
            let is_level = self.scenario.rule == Rule::Folders && !is.folders.contains_key(name);
            let is_known = known.is_empty() || known.contains(&list) || is_level;
            if !is_whole_list(list) || !is_known {
                return self.fail(&format!("the list of {name}: {list}"));
            }
        }
        for name in before.lists.keys().filter(|name| after.lists.contains_key(*name)) {
            // A level without a folder inherits its list when it is looked up. What could not be
            // saved then is inherited once more.
            let list = before.lists.get(name).map(String::as_str);
            let is_inherited = !before.folders.contains_key(name) && list == Some(EVERYBODYS);
            if !is.lists.contains_key(name) && !is_inherited {
                return self.fail(&format!("the list of {name} is gone"));
            }
        }
        let (Some(old), Some(new)) = (&before.quota, &after.quota) else {
            return if is.quota.is_none() { Ok(()) } else { self.fail("quota") };
        };
        let between = |a: i64, b: i64, is: i64| (a.min(b)..=a.max(b)).contains(&is);
        match &is.quota {
            Some((limits, bytes, messages))
                if *limits == old.0
                    && between(old.1, new.1, *bytes)
                    && between(old.2, new.2, *messages) =>
            {
                Ok(())
            }
            _ => self.fail("quota"),
        }
    }

    /// What is kept by name, and what folders are used for: each file is one that was written to its
    /// end.
    fn annotations(&self) -> Result<(), String> {
        let Case { before, after, is, word, .. } = self;
        for (file, text) in &is.annotations {
            let known = [before, after].map(|state| state.annotations.get(file));
            if !known.contains(&Some(text)) {
                return self.fail(&format!("{file} is {text:?}"));
            }
        }
        let stays = |file: &&String| after.annotations.contains_key(*file);
        for file in before.annotations.keys().filter(stays) {
            if !is.annotations.contains_key(file) {
                return self.fail(&format!("{file} is gone"));
            }
        }
        if self.is_done() && is.annotations != after.annotations {
            return self.fail("OK, and the annotations are others");
        }
        // A folder that is in the register need not have a use.
        let own = |state: &State| -> BTreeMap<String, String> {
            let all = state.annotations.clone().into_iter();
            all.filter(|(file, _)| file != REGISTER).collect()
        };
        let is_whole = self.scenario.rule == Rule::Whole;
        if *word == Some("NO") && is_whole && own(is) != own(before) {
            return self.fail("NO, and the annotations are others");
        }
        Ok(())
    }

    /// Messages that change their folders.
    fn folders(&self) -> Result<(), String> {
        let Case { before, after, is, .. } = self;
        let is_delete = self.scenario.rule == Rule::Delete;
        let but = if is_delete { "INBOX.box" } else { "" };
        if subjects(before, but) != subjects(is, but) {
            return self.fail("messages lost or doubled");
        }
        if is_delete && let Some(folder) = is.folders.get("INBOX.box") {
            let whole = |state: &State| {
                state.folders.get("INBOX.box").is_some_and(|f| f.messages == folder.messages)
            };
            if !whole(before) && !whole(after) {
                return self.fail("half of the folder is there");
            }
        }
        let messages = |state: &State| -> BTreeSet<_> {
            state.folders.values().flat_map(|f| f.messages.values().cloned()).collect()
        };
        let known: BTreeSet<_> = messages(before).union(&messages(after)).cloned().collect();
        if !messages(is).is_subset(&known) {
            return self.fail("flags");
        }
        Ok(())
    }

    /// Messages that come, change and go.
    fn messages(&self) -> Result<(), String> {
        let Case { before, after, is, word, .. } = self;
        let only = |state: &State| -> BTreeMap<_, _> {
            let folders = state.folders.iter();
            folders.map(|(name, f)| (name.clone(), (f.validity, f.messages.clone()))).collect()
        };
        if self.is_done() && only(is) != only(after) {
            return self.fail("OK, and not done");
        }
        let is_whole = matches!(self.scenario.rule, Rule::Whole | Rule::Replaced);
        if *word == Some("NO") && is_whole && only(is) != only(before) {
            return self.fail("NO, and something was done");
        }
        let all = |state: &State| state.folders.values().map(|f| f.messages.len()).sum::<usize>();
        if self.scenario.rule == Rule::Replaced && all(is) < all(before) {
            return self.fail("the old message is gone, and the new one is not there");
        }
        let nothing = Folder::default();
        for (name, folder) in &is.folders {
            let old = &before.folders.get(name).unwrap_or(&nothing).messages;
            let new = &after.folders.get(name).unwrap_or(&nothing).messages;
            let all: BTreeSet<u32> =
                old.keys().chain(new.keys()).chain(folder.messages.keys()).copied().collect();
            for uid in all {
                let (was, will, is) = (old.get(&uid), new.get(&uid), folder.messages.get(&uid));
                // A kill between a message's text and its flags and keywords cannot be: they come
                // in one rename. New ones that were not numbered yet get their UIDs from the next
                // session, by their names' order; those of a MOVE, too, whose UIDs could not be
                // saved.
                let arrived = (word.is_none() || self.moves())
                    && was.is_none()
                    && new.iter().any(|(uid, m)| !old.contains_key(uid) && Some(m) == is);
                let mixed = self.scenario.rule == Rule::Each
                    && matches!((was, will, is), (Some(was), Some(will), Some(is))
                        if is_between(was, will, is));
                if is != was && is != will && !arrived && !mixed {
                    return self.fail(&format!("UID {uid} of {name} is {is:?}"));
                }
            }
            let count = |messages: &BTreeMap<u32, Message>, subject: &String| {
                messages.values().filter(|m| m.0 == *subject).count()
            };
            for (subject, _) in folder.messages.values() {
                let most = count(old, subject).max(count(new, subject));
                if count(&folder.messages, subject) > most {
                    return self.fail(&format!("{subject} is doubled in {name}"));
                }
            }
        }
        Ok(())
    }
}
