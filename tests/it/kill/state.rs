//! What a session sees that has just come, and what lies beside the messages.

use super::scenario::ENVIRONMENT;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use support::client::{self, Allow, Client, Stop};

pub const COURIER: &str = "/usr/bin/imapd";
/// The register of the folders that may have special uses.
pub const REGISTER: &str = "postrider-specialuses";

/// A message's subject and flags.
pub type Message = (String, BTreeSet<String>);

/// A folder as a client sees it, and its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    /// 0: it cannot be opened.
    pub validity: u32,
    /// The next UID.
    pub next: u32,
    /// By UID.
    pub messages: BTreeMap<u32, Message>,
}

/// An account as its client sees it, and its control files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub folders: BTreeMap<String, Folder>,
    /// LSUB's answer.
    pub subscribed: BTreeSet<String>,
    /// `courierimapsubscribed`.
    pub subscriptions: String,
    /// The access list of each folder, and of each level above one that has a list of its own.
    pub lists: BTreeMap<String, String>,
    /// The files with annotations and special uses, by their paths in the Maildir.
    pub annotations: BTreeMap<String, String>,
    /// `maildirsize`: its first line, and the sums of the others.
    pub quota: Option<(String, i64, i64)>,
}

/// A session past its greeting.
pub fn client(program: &Path, home: &Path, env: &[(&str, &str)]) -> Client {
    let env: BTreeMap<&str, &str> = ENVIRONMENT.iter().chain(env).copied().collect();
    let env: Vec<_> = env.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let is_courier = program == Path::new(COURIER);
    let mut c = Client::start(program, is_courier, home, &env, &home.join("log"))
        .unwrap_or_else(|e| panic!("{e:?}"));
    let greeting = c.response(client::PATIENCE);
    assert!(
        greeting.as_ref().is_ok_and(|g| g.as_ref().is_some_and(|g| g.starts_with(b"* PREAUTH"))),
        "{greeting:?}"
    );
    c
}

/// The names of all folders on disk, levels without a folder left out.
fn names(root: &Path) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = BTreeSet::from(["INBOX".to_owned()]);
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        // What LIST would show: every directory that begins with a dot.
        if let Some(name) = entry.file_name().to_string_lossy().strip_prefix('.') {
            names.insert(format!("INBOX.{name}"));
        }
    }
    for entry in fs::read_dir(root.join("shared-folders/pub")).into_iter().flatten().flatten() {
        names.insert(format!("shared.pub.{}", entry.file_name().to_string_lossy()));
    }
    names
}

/// What a new session sees, or what went wrong.
pub fn look(program: &Path, home: &Path) -> Result<State, String> {
    let root = home.join("Maildir");
    let mut c = client(program, home, &[]);
    let text = |e: Stop| format!("{e:?}");
    let listed = c.cmd("LSUB \"\" *", Allow::Expunge).map_err(text)?.listed;
    let mut state = State {
        subscribed: listed.into_iter().filter(|l| !l.contains("\\Noselect")).collect(),
        subscriptions: fs::read_to_string(root.join("courierimapsubscribed")).unwrap_or_default(),
        ..State::default()
    };
    let listed = c.cmd("LIST \"\" *", Allow::Expunge).map_err(text)?.listed;
    for name in names(&root) {
        let folder = open(&mut c, &name)?;
        let is_listed = |line: &String| line.ends_with(&format!(" \"{name}\""));
        if name.starts_with("INBOX") && !listed.iter().any(is_listed) {
            return Err(format!("{name} is hidden: {listed:?}"));
        }
        state.folders.insert(name, folder);
    }
    state.annotations = annotations(&root);
    if program != Path::new(COURIER) {
        read_annotations(&mut c, &state)?;
    }
    let _ = c.cmd("LOGOUT", Allow::Expunge);
    c.process.hang_up();
    let _ = c.process.wait(client::PATIENCE);
    for (name, folder) in &mut state.folders {
        let database = fs::read_to_string(path_of(&root, name).join("courierimapuiddb"));
        let database = database.unwrap_or_default();
        let head = database.lines().next().unwrap_or_default();
        folder.next = head.split(' ').nth(2).and_then(|n| n.parse().ok()).unwrap_or(0);
    }
    state.lists = lists(&root, &state);
    state.quota = quota(&root)?;
    Ok(state)
}

/// The files of folders, and of the Maildir; what is on its way out is not seen. Of the register of special uses, whose lines have
/// inodes and no order, the folders.
fn annotations(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    support::maildir::walk(root, &mut |path| {
        let name = path.file_name().unwrap().to_string_lossy();
        if !name.starts_with("postrider-") || path.starts_with(root.join("tmp")) {
            return;
        }
        let mut text = fs::read_to_string(path).unwrap();
        if name == REGISTER {
            let mut names: Vec<&str> =
                text.lines().map(|l| l.split_once(' ').map_or("damaged", |l| l.1)).collect();
            names.sort_unstable();
            text = names.join(" ");
        }
        found.insert(path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), text);
    });
    found
}

/// All annotations can be read.
fn read_annotations(c: &mut Client, state: &State) -> Result<(), String> {
    if state.annotations.is_empty() {
        return Ok(());
    }
    let folders = state.folders.keys().map(|name| format!("{name} (/shared /private)"));
    for what in folders.chain(["\"\" (/private)".to_owned()]) {
        let command = format!("GETMETADATA (DEPTH infinity) {what}");
        let reply = c.cmd(&command, Allow::Expunge).map_err(|e| format!("{e:?}"))?;
        if reply.word != "OK" {
            return Err(format!("{command}: {}\n{}", reply.text, c.story()));
        }
    }
    Ok(())
}

fn path_of(root: &Path, name: &str) -> std::path::PathBuf {
    match name.strip_prefix("shared.") {
        Some(path) => root.join("shared-folders").join(path.replacen('.', "/", 1)),
        None => root.join(name.strip_prefix("INBOX").unwrap_or_default()),
    }
}

/// A folder, opened and read.
fn open(c: &mut Client, name: &str) -> Result<Folder, String> {
    let text = |e: Stop| format!("{e:?}");
    c.picture.clear();
    let selected = c.cmd(&format!("SELECT {name}"), Allow::Expunge).map_err(text)?;
    if selected.word != "OK" {
        return Ok(Folder::default());
    }
    let mut messages = BTreeMap::new();
    if !c.picture.is_empty() {
        let items = "(UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])";
        let all = c.cmd(&format!("FETCH 1:* {items}"), Allow::Fixed).map_err(text)?;
        for f in all.fetched {
            let subject = String::from_utf8_lossy(f.body.as_deref().unwrap_or_default());
            let flags = f.flags.unwrap_or_default().into_iter().filter(|f| f != "\\Recent");
            messages.insert(f.uid.unwrap_or(0), (subject.trim().to_owned(), flags.collect()));
        }
    }
    if messages.len() != c.picture.len() {
        let (read, there) = (messages.len(), c.picture.len());
        return Err(format!("{name}: {read} messages of {there}\n{}", c.story()));
    }
    Ok(Folder { validity: selected.validity.unwrap_or(0), next: 0, messages })
}

fn lists(root: &Path, state: &State) -> BTreeMap<String, String> {
    let mut lists = BTreeMap::new();
    for name in state.folders.keys() {
        if let Ok(text) = fs::read_to_string(path_of(root, name).join("courierimapacl")) {
            lists.insert(name.clone(), text);
        }
    }
    for entry in fs::read_dir(root.join("courierimaphieracl")).into_iter().flatten().flatten() {
        let name = format!("INBOX.{}", entry.file_name().to_string_lossy());
        let below = format!("{name}.");
        if state.folders.keys().any(|folder| folder.starts_with(&below)) {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            lists.entry(name).or_insert(text);
        }
    }
    lists
}

fn quota(root: &Path) -> Result<Option<(String, i64, i64)>, String> {
    let Ok(text) = fs::read_to_string(root.join("maildirsize")) else { return Ok(None) };
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().unwrap_or_default().trim().to_owned();
    let (mut bytes, mut messages) = (0, 0);
    for line in lines {
        let words: Vec<i64> = line.split_whitespace().filter_map(|w| w.parse().ok()).collect();
        let [b, m] = words[..] else { return Err(format!("a line of maildirsize: {line:?}")) };
        bytes += b;
        messages += m;
    }
    Ok(Some((first, bytes, messages)))
}
