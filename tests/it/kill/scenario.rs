//! What is done while it is killed or refused. The Maildir that it is done in: `template`.

use super::template;
use std::collections::BTreeMap;
use std::path::Path;

/// What is done, and what may become of it.
pub struct Scenario {
    pub name: &'static str,
    pub env: &'static [(&'static str, &'static str)],
    /// Adds to the Maildir what only this one needs.
    pub set_up: fn(&Path),
    /// What happens once the session has INBOX open, before the first command under test.
    pub meanwhile: fn(&Path),
    /// The commands, one after the other. None: the session's start is what is tested.
    pub steps: &'static [Step],
    pub rule: Rule,
    /// Folders whose UIDVALIDITY may become another one.
    pub anew: &'static [&'static str],
    /// Whether each call is refused, too, not only the session killed.
    pub refused: bool,
}

/// A command, and the literal at its end.
pub struct Step(pub &'static str, pub Literal);

pub enum Literal {
    None,
    Text(&'static str),
    /// So many lines.
    Lines(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// All or nothing, unless it was killed: then each message is as before or as after.
    Whole,
    /// As Whole, and a message takes the place of another: never are both gone.
    Replaced,
    /// The flags of each message are as before or as after, and so are its keywords.
    Each,
    /// Each message is in one of the folders, as before or as after.
    Move,
    /// The same, but after a kill it may be in both.
    MoveByCopy,
    /// Folders come, go and change their names: each message is there as often as before, with the
    /// flags that it had or has.
    Folders,
    /// As Folders, and the folder `INBOX.box` is there whole or not at all.
    Delete,
}

const PLAIN: Scenario = Scenario {
    name: "",
    env: &[],
    set_up: |_| {},
    meanwhile: |_| {},
    steps: &[],
    rule: Rule::Each,
    anew: &[],
    refused: false,
};

/// One command in the plain Maildir, killed and refused.
const fn one(name: &'static str, rule: Rule, steps: &'static [Step]) -> Scenario {
    Scenario { name, steps, rule, refused: true, ..PLAIN }
}

const fn step(command: &'static str) -> Step {
    Step(command, Literal::None)
}

const TEXT: Literal = Literal::Text("Subject: appended\r\n\r\ntext\r\n");
const KEYWORDS: &[(&str, &str)] = &[("IMAP_KEYWORDS", "2")];
const TO_TRASH: &[(&str, &str)] = &[("IMAP_MOVE_EXPUNGE_TO_TRASH", "1")];
const OUTBOX: &[(&str, &str)] = &[("OUTBOX", ".Outbox"), ("SENDMAIL", "../mailer")];
const PURGE: &[(&str, &str)] = &[("IMAP_EMPTYTRASH", "Trash:1,box:1"), ("LD_PRELOAD", "%{old}")];
const PURGE_TRASH: &[(&str, &str)] = &[("IMAP_EMPTYTRASH", "Trash:1"), ("LD_PRELOAD", "%{old}")];
/// A folder's UID file goes before the folder is renamed.
const MOVED: &[&str] = &["INBOX.box", "INBOX.box.sub", "INBOX.moved", "INBOX.moved.sub"];

pub const SCENARIOS: &[Scenario] = &[
    // Messages come.
    one("append", Rule::Whole, &[Step("APPEND INBOX (\\Flagged Work)", TEXT)]),
    one("append elsewhere", Rule::Whole, &[Step("APPEND INBOX.box (\\Seen)", TEXT)]),
    Scenario {
        name: "append large",
        steps: &[Step("APPEND INBOX.box (Fresh)", Literal::Lines(9000))],
        rule: Rule::Whole,
        ..PLAIN
    },
    Scenario {
        name: "append under a quota",
        set_up: template::quota,
        steps: &[Step("APPEND INBOX ()", TEXT)],
        rule: Rule::Whole,
        ..PLAIN
    },
    Scenario {
        name: "append to the outbox",
        env: OUTBOX,
        set_up: template::outbox,
        steps: &[Step("APPEND INBOX.Outbox ()", TEXT)],
        rule: Rule::Whole,
        ..PLAIN
    },
    one(
        "append several",
        Rule::Whole,
        &[Step(
            "APPEND INBOX (\\Flagged Work) {24+}\r\nSubject: first\r\n\r\ntext\r\n (\\Seen) \
             {25+}\r\nSubject: second\r\n\r\ntext\r\n (Fresh)",
            TEXT,
        )],
    ),
    Scenario {
        name: "append several under a quota",
        set_up: template::quota,
        steps: &[Step("APPEND INBOX.box {24+}\r\nSubject: first\r\n\r\ntext\r\n", TEXT)],
        rule: Rule::Whole,
        ..PLAIN
    },
    one(
        "catenate",
        Rule::Whole,
        &[step(
            "APPEND INBOX.box (\\Seen) CATENATE (TEXT {20+}\r\nSubject: catenated\r\n \
             URL ;UID=1/;SECTION=TEXT URL \"/INBOX.box/;UID=1\")",
        )],
    ),
    one(
        "append binary",
        Rule::Whole,
        &[step(
            "APPEND INBOX.box (\\Seen Work) ~{100+}\r\nSubject: binary\r\nContent-Type: \
             application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\0\r\n",
        )],
    ),
    one("replace", Rule::Replaced, &[Step("REPLACE 2 INBOX (\\Draft Work)", TEXT)]),
    one("replace elsewhere", Rule::Replaced, &[Step("REPLACE 1 INBOX.box ()", TEXT)]),
    Scenario {
        name: "replace under a quota",
        set_up: template::quota,
        steps: &[Step("REPLACE 1 INBOX.box ()", TEXT)],
        rule: Rule::Replaced,
        ..PLAIN
    },
    one("copy", Rule::Whole, &[step("COPY 1:3 INBOX.box")]),
    Scenario {
        name: "copy by copying",
        set_up: template::closed_messages,
        steps: &[step("COPY 1:3 INBOX.box")],
        rule: Rule::Whole,
        ..PLAIN
    },
    Scenario {
        name: "move by hand",
        env: KEYWORDS,
        set_up: template::quota,
        steps: &[
            step("UID COPY 1:2 INBOX.box"),
            step("UID STORE 1:2 +FLAGS (\\Deleted)"),
            step("UID EXPUNGE 1:2"),
        ],
        ..PLAIN
    },
    Scenario {
        set_up: template::quota,
        ..one("move", Rule::Move, &[step("UID MOVE 1:3 INBOX.box")])
    },
    Scenario {
        name: "move and back",
        env: KEYWORDS,
        steps: &[
            step("UID MOVE 2:4 INBOX.box"),
            step("SELECT INBOX.box"),
            step("UID MOVE 3,4 INBOX"),
            step("UID MOVE 1:5 INBOX.box"),
        ],
        rule: Rule::Move,
        ..PLAIN
    },
    Scenario {
        set_up: template::closed_messages,
        ..one("move by copying", Rule::MoveByCopy, &[step("UID MOVE 1:3 INBOX.box")])
    },
    Scenario {
        name: "move into a shared folder",
        set_up: template::subscribed_provider,
        steps: &[step("UID MOVE 1:3 shared.pub.Stuff")],
        rule: Rule::Move,
        anew: &["shared.pub.Stuff"],
        ..PLAIN
    },
    Scenario {
        name: "move out of a shared folder",
        set_up: template::subscribed_provider,
        steps: &[step("SELECT shared.pub.Stuff"), step("UID MOVE 1:2 INBOX.box")],
        rule: Rule::MoveByCopy,
        anew: &["shared.pub.Stuff"],
        ..PLAIN
    },
    // Messages change.
    one("flags", Rule::Each, &[step("STORE 1:3 +FLAGS (\\Seen)")]),
    Scenario {
        name: "flags under a quota",
        set_up: template::quota,
        steps: &[step("STORE 1:3 FLAGS (\\Deleted Other)"), step("STORE 1:4 -FLAGS (\\Deleted)")],
        ..PLAIN
    },
    one("keywords", Rule::Each, &[step("STORE 1:3 +FLAGS (Fresh)")]),
    Scenario {
        env: KEYWORDS,
        ..one("careful keywords", Rule::Each, &[step("STORE 1:3 +FLAGS (Fresh)")])
    },
    Scenario {
        name: "careful keywords and back",
        env: KEYWORDS,
        steps: &[
            step("STORE 1:3 FLAGS (Fresh \\Seen)"),
            step("STORE 2 -FLAGS (Fresh)"),
            step("NOOP"),
        ],
        ..PLAIN
    },
    // Messages go.
    one("expunge", Rule::Each, &[step("EXPUNGE")]),
    Scenario { name: "close", steps: &[step("CLOSE")], ..PLAIN },
    Scenario {
        env: TO_TRASH,
        anew: &["INBOX.Trash"],
        ..one("expunge to the trash", Rule::Folders, &[step("EXPUNGE")])
    },
    Scenario { name: "purge at login", env: PURGE, set_up: template::trash, ..PLAIN },
    Scenario {
        name: "purge at logout",
        env: PURGE_TRASH,
        meanwhile: template::trash,
        steps: &[step("LOGOUT")],
        ..PLAIN
    },
    // The index is written: a first state by each "look" below, a record by "flags".
    Scenario {
        meanwhile: template::torn_state,
        ..one("a torn state", Rule::Each, &[step("STORE 1:3 +FLAGS (\\Seen)")])
    },
    Scenario {
        name: "a torn state and a look",
        meanwhile: template::torn_state,
        steps: &[step("STORE 1:3 +FLAGS (\\Seen)"), step("NOOP")],
        ..PLAIN
    },
    Scenario {
        name: "what is learned",
        steps: &[
            step("FETCH 1:4 (UID ENVELOPE BODYSTRUCTURE RFC822.SIZE)"),
            step("SELECT INBOX.box"),
            step("FETCH 1:2 (UID ENVELOPE)"),
            step("SELECT INBOX"),
        ],
        ..PLAIN
    },
    // A folder is looked at.
    Scenario {
        name: "look",
        meanwhile: template::new_mail,
        ..one("", Rule::Folders, &[step("NOOP")])
    },
    Scenario {
        name: "first look",
        set_up: template::never_seen,
        steps: &[step("SELECT INBOX.seen.never")],
        rule: Rule::Folders,
        anew: &["INBOX.seen.never"],
        ..PLAIN
    },
    Scenario {
        set_up: template::unnumbered,
        anew: &["INBOX.seen.never"],
        ..one("search elsewhere", Rule::Folders, &[step("ESEARCH IN (personal) ALL")])
    },
    // Folders come and go.
    Scenario {
        anew: &["INBOX.made"],
        ..one("create", Rule::Folders, &[step("CREATE INBOX.made")])
    },
    Scenario {
        name: "create over a level",
        set_up: template::level,
        steps: &[step("CREATE INBOX.level"), step("CREATE INBOX.gone")],
        rule: Rule::Folders,
        anew: &["INBOX.level", "INBOX.gone"],
        ..PLAIN
    },
    Scenario {
        anew: MOVED,
        ..one("rename", Rule::Folders, &[step("RENAME INBOX.box INBOX.moved")])
    },
    Scenario {
        name: "rename a tree",
        set_up: template::tree,
        steps: &[
            step("RENAME INBOX.box INBOX.moved"),
            step("RENAME INBOX.moved.sub INBOX.level.moved"),
            step("RENAME INBOX.level INBOX.gone"),
        ],
        rule: Rule::Folders,
        anew: &[
            "INBOX.box",
            "INBOX.box.sub",
            "INBOX.box.sub.deep",
            "INBOX.level.sub",
            "INBOX.moved",
            "INBOX.moved.sub",
            "INBOX.moved.sub.deep",
            "INBOX.level.moved",
            "INBOX.level.moved.deep",
            "INBOX.gone.sub",
            "INBOX.gone.moved",
            "INBOX.gone.moved.deep",
        ],
        ..PLAIN
    },
    one("delete", Rule::Delete, &[step("DELETE INBOX.box")]),
    Scenario {
        name: "delete and create",
        set_up: template::quota_and_lists,
        steps: &[step("DELETE INBOX.box"), step("CREATE INBOX.box")],
        rule: Rule::Delete,
        anew: &["INBOX.box"],
        ..PLAIN
    },
    // Lists.
    one("subscribe", Rule::Whole, &[step("SUBSCRIBE INBOX.box.sub")]),
    Scenario {
        name: "unsubscribe",
        steps: &[step("UNSUBSCRIBE INBOX.box"), step("UNSUBSCRIBE INBOX")],
        ..PLAIN
    },
    Scenario {
        name: "subscribe a shared folder",
        set_up: template::provider,
        steps: &[step("SUBSCRIBE shared.pub.Stuff"), step("SELECT shared.pub.Stuff")],
        anew: &["shared.pub.Stuff"],
        ..PLAIN
    },
    Scenario {
        name: "unsubscribe a shared folder",
        set_up: template::subscribed_provider,
        steps: &[step("UNSUBSCRIBE shared.pub.Stuff")],
        anew: &["shared.pub.Stuff"],
        ..PLAIN
    },
    // Annotations and special uses.
    Scenario {
        set_up: template::annotations,
        ..one(
            "annotate",
            Rule::Whole,
            &[step("SETMETADATA INBOX.box (/shared/comment \"new\" /private/comment \"new\")")],
        )
    },
    one(
        "annotate the first time",
        Rule::Whole,
        &[step("SETMETADATA INBOX (/private/comment \"x\")")],
    ),
    Scenario {
        name: "annotate and back",
        set_up: template::annotations,
        steps: &[
            step("SETMETADATA INBOX (/shared/comment \"x\")"),
            step("SETMETADATA INBOX.box (/shared/comment NIL /private/comment NIL)"),
            step("SETMETADATA INBOX (/shared/comment NIL)"),
        ],
        rule: Rule::Whole,
        ..PLAIN
    },
    Scenario {
        set_up: template::annotations,
        ..one(
            "annotate the server",
            Rule::Whole,
            &[step("SETMETADATA \"\" (/private/comment \"new\" /private/vendor/x/y \"new\")")],
        )
    },
    Scenario {
        set_up: template::annotations,
        ..one(
            "read annotations",
            Rule::Each,
            &[
                step("GETMETADATA (DEPTH infinity) INBOX.box (/shared /private)"),
                step("GETMETADATA \"\" (/private/comment)"),
                step("LIST \"\" * RETURN (SPECIAL-USE METADATA (/private/comment))"),
            ],
        )
    },
    Scenario {
        set_up: template::annotations,
        ..one(
            "set a use",
            Rule::Whole,
            &[step(
                "SETMETADATA INBOX.box.sub (/private/specialuse \"\\\\Sent\" /private/comment \"new\")",
            )],
        )
    },
    Scenario {
        set_up: template::annotations,
        anew: &["INBOX.made"],
        ..one("create with a use", Rule::Folders, &[step("CREATE INBOX.made (USE (\\Sent))")])
    },
    Scenario {
        name: "rename with annotations",
        set_up: template::annotations,
        steps: &[step("RENAME INBOX.box INBOX.moved")],
        rule: Rule::Folders,
        anew: MOVED,
        ..PLAIN
    },
    Scenario {
        name: "delete with annotations",
        set_up: template::annotations,
        steps: &[step("DELETE INBOX.box"), step("CREATE INBOX.box (USE (\\Junk))")],
        rule: Rule::Delete,
        anew: &["INBOX.box"],
        ..PLAIN
    },
    one("rights", Rule::Whole, &[step("SETACL INBOX.box anyone lr")]),
    Scenario {
        name: "rights and back",
        set_up: template::quota_and_lists,
        steps: &[step("SETACL INBOX.box fred lrs"), step("DELETEACL INBOX.box mary")],
        ..PLAIN
    },
    Scenario {
        name: "many rights",
        set_up: template::level,
        steps: &[
            step("ACL STORE (INBOX.box INBOX.box.*) user=fred lr"),
            step("ACL SET INBOX.box owner aceilrstwx administrators aceilrstwx user=x l"),
            step("ACL DELETE INBOX.box user=x"),
        ],
        ..PLAIN
    },
];

/// What a session has that only looks.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("AUTHENTICATED", "alice"),
    ("HOSTNAME", "host.example"),
    ("IMAP_CAPABILITY", "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE IDLE ACL ACL2=UNION QUOTA"),
    ("IMAP_KEYWORDS", "1"),
    ("TZ", "UTC0"),
];

/// What the session under test has. `None` where a library cannot be built.
pub fn environment(scenario: &Scenario) -> Option<BTreeMap<String, String>> {
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in ENVIRONMENT.iter().chain(scenario.env) {
        let value = if *value == "%{old}" { template::old_files()? } else { (*value).to_owned() };
        env.insert((*name).to_owned(), value);
    }
    Some(env)
}
