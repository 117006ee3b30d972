//! The Maildir that the scenarios are played in. UIDs and UIDVALIDITY are the same in each of them.

use super::scenario::Scenario;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::OnceLock;

/// The list of a folder that mary may read.
const MARYS: &str = "administrators aceilrstwx\nowner aceilrstwx\nuser=mary lr\n";

/// A library under which every file has been as it is for two days. `None` without a C compiler.
pub fn old_files() -> Option<String> {
    static BUILT: OnceLock<Option<(tempfile::TempDir, String)>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let dir = support::maildir::scratch("old-");
        let library = support::clock::old_files(dir.path(), 2)?;
        Some((dir, library))
    });
    built.as_ref().map(|(_, library)| library.clone())
}

/// A folder with messages, which have flag letters.
fn folder(root: &Path, name: &str, messages: &[(&str, &str)]) {
    let at = root.join(name);
    for sub in ["tmp", "new", "cur", "courierimapkeywords"] {
        fs::create_dir_all(at.join(sub)).unwrap();
    }
    if !name.is_empty() {
        fs::write(at.join("maildirfolder"), "").unwrap();
        fs::write(at.join("courierimapacl"), "owner aceilrstwx\nadministrators aceilrstwx\n")
            .unwrap();
    }
    let mut database = format!("1 {} {}\n", 700_000_001, messages.len() + 1);
    for (i, (base, letters)) in messages.iter().enumerate() {
        database.push_str(&format!("{} {base}\n", i + 1));
        message(&at.join("cur").join(format!("{base}:2,{letters}")), base);
    }
    fs::write(at.join("courierimapuiddb"), database).unwrap();
}

fn message(path: &Path, base: &str) {
    fs::write(path, format!("Subject: {base}\n\nbody\n")).unwrap();
}

/// A home with the Maildir that all have, and what this scenario needs.
pub fn home(scenario: &Scenario) -> tempfile::TempDir {
    let home = support::maildir::scratch("kill-");
    let root = home.path().join("Maildir");
    folder(&root, "", &[("1001.a", ""), ("1002.b", "T"), ("1003.c", "F"), ("1004.d", "ST")]);
    fs::write(root.join("courierimapkeywords/:list"), "Work\n\n1003.c:0\n").unwrap();
    fs::write(root.join("courierimapkeywords/1002.b"), "Work\n").unwrap();
    folder(&root, ".box", &[("2001.e", ""), ("2002.f", "S")]);
    folder(&root, ".box.sub", &[("3001.g", "")]);
    fs::write(root.join("courierimapsubscribed"), "INBOX\nINBOX.box\n").unwrap();
    (scenario.set_up)(&root);
    home
}

/// The limits, and the sum of what is there.
pub fn quota(root: &Path) {
    let (mut bytes, mut messages) = (0, 0);
    for folder in ["", ".box", ".box.sub"] {
        for entry in fs::read_dir(root.join(folder).join("cur")).unwrap().flatten() {
            if !entry.file_name().to_string_lossy().ends_with('T') {
                bytes += entry.metadata().unwrap().len();
                messages += 1;
            }
        }
    }
    let text = format!("1000000S,1000C\n{bytes:>12} {messages:>12}\n");
    fs::write(root.join("maildirsize"), text).unwrap();
}

/// A folder whose mail is sent before it is stored.
pub fn outbox(root: &Path) {
    folder(root, ".Outbox", &[]);
    let mailer = root.join("../mailer");
    fs::write(&mailer, "#!/bin/sh\nexec cat >/dev/null\n").unwrap();
    fs::set_permissions(&mailer, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Messages that only their owner may read, beside a folder that others may look into: COPY makes
/// no links of them.
pub fn closed_messages(root: &Path) {
    for entry in fs::read_dir(root.join("cur")).unwrap().flatten() {
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

pub fn new_mail(root: &Path) {
    for base in ["1005.n", "1006.o"] {
        message(&root.join("tmp").join(base), base);
        fs::rename(root.join("tmp").join(base), root.join("new").join(base)).unwrap();
    }
}

/// A record of the state that was not written to its end.
pub fn torn_state(root: &Path) {
    let state = root.join("postrider.state");
    let mut bytes = fs::read(&state).unwrap_or_default();
    bytes.extend_from_slice(&[7, 0, 0, 0, 1, 2, 3]);
    fs::write(state, bytes).unwrap();
}

pub fn trash(root: &Path) {
    folder(root, ".Trash", &[("4001.h", "S"), ("4002.i", "T"), ("4003.j", "")]);
    fs::rename(root.join(".Trash/cur/4003.j:2,"), root.join(".Trash/new/4003.j")).unwrap();
    quota(root);
}

/// A folder in which nobody has ever looked, below one that is not there.
pub fn never_seen(root: &Path) {
    let at = root.join(".seen.never");
    for sub in ["tmp", "new", "cur"] {
        fs::create_dir_all(at.join(sub)).unwrap();
    }
    message(&at.join("cur/5001.k:2,S"), "5001.k");
    message(&at.join("cur/5003.m"), "5003.m");
    message(&at.join("new/5002.l"), "5002.l");
}

/// Two folders with mail that has no UIDs.
pub fn unnumbered(root: &Path) {
    never_seen(root);
    tree(root);
}

/// A level without a folder, whose list mary is on, and the list of a folder that is no more.
pub fn level(root: &Path) {
    folder(root, ".level.sub", &[("6001.p", "R")]);
    fs::create_dir(root.join("courierimaphieracl")).unwrap();
    fs::write(root.join("courierimaphieracl/level"), MARYS).unwrap();
    fs::write(root.join("courierimaphieracl/gone"), MARYS.replace("mary", "fred")).unwrap();
}

pub fn tree(root: &Path) {
    level(root);
    folder(root, ".box.sub.deep", &[("7001.q", "D")]);
    message(&root.join(".box.sub/new/7002.r"), "7002.r");
    quota(root);
}

/// What is said about a folder and the server, and a folder for what was sent.
pub fn annotations(root: &Path) {
    let comment =
        |text: &str| format!("postrider-metadata 1\n{} /shared/comment\n{text}\n", text.len());
    fs::write(root.join(".box/postrider-metadata"), comment("old")).unwrap();
    for at in [".box/postrider-metadata-private", "postrider-metadata-account"] {
        fs::write(root.join(at), comment("old").replace("shared", "private")).unwrap();
    }
    fs::write(root.join(".box/postrider-specialuse"), "\\Sent\n").unwrap();
    let inode = fs::metadata(root.join(".box")).unwrap().ino();
    fs::write(root.join("postrider-specialuses"), format!("{inode} box\n")).unwrap();
}

pub fn quota_and_lists(root: &Path) {
    quota(root);
    fs::write(root.join(".box/courierimapacl"), MARYS).unwrap();
}

/// Somebody whose folder can be had by `shared.`.
pub fn provider(root: &Path) {
    let pub_root = root.join("../pub");
    folder(&pub_root, "", &[]);
    folder(&pub_root, ".Stuff", &[("8001.s", ""), ("8002.t", "S")]);
    let path = fs::canonicalize(&pub_root).unwrap();
    fs::write(root.join("shared-maildirs"), format!("pub {}\n", path.display())).unwrap();
}

/// The same, subscribed to, and its messages known.
pub fn subscribed_provider(root: &Path) {
    provider(root);
    let at = root.join("shared-folders/pub/Stuff");
    folder(&at, "", &[]);
    fs::remove_dir_all(at.join("courierimapkeywords")).unwrap();
    let target = fs::canonicalize(root.join("../pub/.Stuff")).unwrap();
    std::os::unix::fs::symlink(&target, at.join("shared")).unwrap();
    for (base, name) in [("8001.s", "8001.s:2,"), ("8002.t", "8002.t:2,S")] {
        let link = at.join("cur").join(format!("{base}:2,F"));
        std::os::unix::fs::symlink(target.join("cur").join(name), link).unwrap();
    }
    fs::write(at.join("courierimapuiddb"), "1 700000001 3\n1 8001.s\n2 8002.t\n").unwrap();
    fs::write(at.join("shared-timestamp"), "\0").unwrap();
}
