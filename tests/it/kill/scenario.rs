//! What is done while it is killed or refused, and the Maildir that it is done in.

use std::collections::BTreeMap;
use std::fs;

pub const STRACE: &str = "/usr/bin/strace";
pub const COURIER: &str = "/usr/bin/imapd";
/// The calls that change files, and those without which nothing can be changed.
pub const CALLS: &str = "openat,openat2,write,fsync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,chmod,fchmod,\
    utimensat,ftruncate,symlink,symlinkat,getdents64";

/// What is done, and what may become of it.
pub struct Scenario {
    pub name: &'static str,
    pub env: &'static [(&'static str, &'static str)],
    /// Sent with this literal, if there is one.
    pub command: &'static str,
    pub literal: &'static str,
    /// How a folder may differ when the command was not done: each message as before or after; or
    /// only its presence counts.
    pub rule: Rule,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// All or nothing, unless it was killed: then each message is as before or as after.
    Whole,
    /// Each message is as before or as after.
    Each,
    /// Folders come, go and change their names: messages count by their subjects, none is lost.
    Folders,
    /// As Folders, and the folder `INBOX.box` may be there in part.
    Delete,
}

pub const TEXT: &str = "Subject: appended\r\n\r\ntext\r\n";

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "append",
        env: &[],
        command: "APPEND INBOX (\\Flagged Work)",
        literal: TEXT,
        rule: Rule::Whole,
    },
    Scenario {
        name: "append elsewhere",
        env: &[],
        command: "APPEND INBOX.box (\\Seen)",
        literal: TEXT,
        rule: Rule::Whole,
    },
    Scenario {
        name: "copy",
        env: &[],
        command: "COPY 1:3 INBOX.box",
        literal: "",
        rule: Rule::Whole,
    },
    Scenario {
        name: "flags",
        env: &[],
        command: "STORE 1:3 +FLAGS (\\Seen)",
        literal: "",
        rule: Rule::Each,
    },
    Scenario {
        name: "keywords",
        env: &[],
        command: "STORE 1:3 +FLAGS (Fresh)",
        literal: "",
        rule: Rule::Each,
    },
    Scenario {
        name: "careful keywords",
        env: &[("IMAP_KEYWORDS", "2")],
        command: "STORE 1:3 +FLAGS (Fresh)",
        literal: "",
        rule: Rule::Each,
    },
    Scenario { name: "expunge", env: &[], command: "EXPUNGE", literal: "", rule: Rule::Each },
    Scenario {
        name: "expunge to the trash",
        env: &[("IMAP_MOVE_EXPUNGE_TO_TRASH", "1")],
        command: "EXPUNGE",
        literal: "",
        rule: Rule::Folders,
    },
    Scenario {
        name: "create",
        env: &[],
        command: "CREATE INBOX.made",
        literal: "",
        rule: Rule::Folders,
    },
    Scenario {
        name: "rename",
        env: &[],
        command: "RENAME INBOX.box INBOX.moved",
        literal: "",
        rule: Rule::Folders,
    },
    Scenario {
        name: "delete",
        env: &[],
        command: "DELETE INBOX.box",
        literal: "",
        rule: Rule::Delete,
    },
    Scenario {
        name: "subscribe",
        env: &[],
        command: "SUBSCRIBE INBOX.box.sub",
        literal: "",
        rule: Rule::Whole,
    },
    Scenario {
        name: "rights",
        env: &[],
        command: "SETACL INBOX.box anyone lr",
        literal: "",
        rule: Rule::Whole,
    },
    Scenario { name: "look", env: &[], command: "NOOP", literal: "", rule: Rule::Folders },
];

pub fn environment(scenario: &Scenario) -> Vec<(String, String)> {
    let mut env: BTreeMap<&str, &str> = BTreeMap::from([
        ("AUTHENTICATED", "alice"),
        ("HOSTNAME", "host.example"),
        ("IMAP_CAPABILITY", "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE IDLE ACL"),
        ("IMAP_KEYWORDS", "1"),
        ("TZ", "UTC0"),
    ]);
    env.extend(scenario.env.iter().copied());
    env.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

/// A home whose Maildir has what the scenarios need. UIDs and UIDVALIDITY are the same in all of
/// them.
pub fn template(scenario: &Scenario) -> tempfile::TempDir {
    let home = support::maildir::scratch("kill-");
    let root = home.path().join("Maildir");
    let folder = |name: &str, messages: &[(&str, &str)]| {
        let at = root.join(name);
        for sub in ["tmp", "new", "cur", "courierimapkeywords"] {
            fs::create_dir_all(at.join(sub)).unwrap();
        }
        if !name.is_empty() {
            fs::write(at.join("maildirfolder"), "").unwrap();
        }
        let mut database = format!("1 {} {}\n", 700_000_001, messages.len() + 1);
        for (i, (base, letters)) in messages.iter().enumerate() {
            database.push_str(&format!("{} {base}\n", i + 1));
            fs::write(
                at.join("cur").join(format!("{base}:2,{letters}")),
                format!("Subject: {base}\n\nbody\n"),
            )
            .unwrap();
        }
        fs::write(at.join("courierimapuiddb"), database).unwrap();
    };
    folder("", &[("1001.a", ""), ("1002.b", "T"), ("1003.c", "F"), ("1004.d", "ST")]);
    fs::write(root.join("courierimapkeywords/:list"), "Work\n\n1003.c:0\n").unwrap();
    fs::write(root.join("courierimapkeywords/1002.b"), "Work\n").unwrap();
    folder(".box", &[("2001.e", ""), ("2002.f", "S")]);
    folder(".box.sub", &[("3001.g", "")]);
    fs::write(root.join("courierimapsubscribed"), "INBOX\nINBOX.box\n").unwrap();
    if scenario.name == "look" {
        fs::write(root.join("new/1005.n"), "Subject: 1005.n\n\nbody\n").unwrap();
        fs::write(root.join("new/1006.o"), "Subject: 1006.o\n\nbody\n").unwrap();
    }
    home
}
