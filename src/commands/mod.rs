//! The commands. One table says of each what it is called, how it is read and run, when it may be
//! given and what announces it. There is one file for each command or family, with its parser and
//! its handler.
//!
//! A parser reads the arguments, to the end of the line unless Courier passes over the rest. Then
//! the handler checks, acts, and returns an outcome. What it has to say on the way are values
//! ([`crate::response`]). CONTRIBUTING.md shows how a command is added.

mod acl;
mod append;
mod args;
mod capability;
mod close;
mod compress;
mod copy;
mod create;
mod delete;
mod enable;
mod expunge;
mod fetch;
mod flags;
mod id;
mod idle;
mod list;
mod logout;
mod metadata;
mod move_;
mod namespace;
mod noop;
mod quota;
mod rename;
mod replace;
mod resync;
mod row;
mod search;
mod select;
mod status;
mod store;
mod subscribe;

pub(crate) use capability::{extensions, needs, unknown_extensions, words as capabilities};
pub(crate) use row::{Call, Row};

use crate::session::Session;
use row::{AnyState, CLOSING, Check, CloseFolder, Expunges, Known, OpenFolder, Policy, USUAL};

/// Every command, by its name.
pub(crate) static TABLE: &[Row] = &[
    Row {
        name: "ACL",
        handler: &AnyState { parse: acl::parse_acl, run: acl::run_acl },
        policy: Policy { capabilities: &["ACL2=UNION"], ..USUAL },
    },
    Row {
        name: "APPEND",
        handler: &AnyState { parse: append::parse, run: append::run },
        policy: USUAL,
    },
    Row {
        name: "CAPABILITY",
        handler: &AnyState { parse: args::none, run: capability::run },
        policy: USUAL,
    },
    Row {
        name: "CHECK",
        handler: &OpenFolder { parse: args::none, run: noop::check },
        policy: USUAL,
    },
    Row {
        name: "CLOSE",
        handler: &CloseFolder { parse: args::none, run: close::close },
        policy: CLOSING,
    },
    Row {
        name: "COMPRESS",
        handler: &AnyState { parse: compress::parse, run: compress::run },
        policy: Policy { known: Known::WhereOffered, capabilities: &["COMPRESS=DEFLATE"], ..USUAL },
    },
    Row {
        name: "COPY",
        handler: &OpenFolder { parse: copy::parse, run: copy::run },
        policy: Policy { uid: true, capabilities: &["UIDPLUS"], ..USUAL },
    },
    Row {
        name: "CREATE",
        handler: &AnyState { parse: create::parse, run: create::run },
        policy: USUAL,
    },
    Row {
        name: "DELETE",
        handler: &AnyState { parse: args::mailbox, run: delete::run },
        policy: USUAL,
    },
    Row {
        name: "DELETEACL",
        handler: &AnyState { parse: acl::parse_words, run: acl::deleteacl },
        policy: Policy { capabilities: &["ACL"], ..USUAL },
    },
    Row {
        name: "ENABLE",
        handler: &AnyState { parse: enable::parse, run: enable::run },
        policy: Policy { capabilities: &["ENABLE"], ..USUAL },
    },
    Row {
        name: "ESEARCH",
        handler: &AnyState { parse: search::parse_multi, run: search::run_multi },
        policy: Policy { known: Known::WhereOffered, capabilities: &["MULTISEARCH"], ..USUAL },
    },
    Row {
        name: "EXAMINE",
        handler: &AnyState { parse: select::parse, run: select::examine },
        policy: USUAL,
    },
    Row {
        name: "EXPUNGE",
        handler: &OpenFolder { parse: expunge::parse, run: expunge::run },
        policy: Policy {
            uid: true,
            checks: &[
                Check::Right(
                    b'e',
                    "Access denied for EXPUNGE on current mailbox (ACL \"e\" required)",
                ),
                Check::Writable("Cannot expunge read-only mailbox."),
            ],
            capabilities: &["UIDPLUS"],
            ..USUAL
        },
    },
    Row {
        name: "FETCH",
        handler: &OpenFolder { parse: fetch::parse, run: fetch::run },
        policy: Policy { uid: true, expunges: Expunges::WithUid, ..USUAL },
    },
    Row {
        name: "GETACL",
        handler: &AnyState { parse: acl::parse_words, run: acl::getacl },
        policy: Policy { capabilities: &["ACL"], ..USUAL },
    },
    Row {
        name: "GETMETADATA",
        handler: &AnyState { parse: metadata::parse_get, run: metadata::get },
        policy: Policy { known: Known::WhereOffered, capabilities: &["METADATA"], ..USUAL },
    },
    Row {
        name: "GETQUOTA",
        handler: &AnyState { parse: quota::parse_root, run: quota::getquota },
        policy: Policy { capabilities: &["QUOTA"], ..USUAL },
    },
    Row {
        name: "GETQUOTAROOT",
        handler: &AnyState { parse: quota::parse_mailbox, run: quota::getquotaroot },
        policy: Policy { capabilities: &["QUOTA"], ..USUAL },
    },
    Row {
        name: "ID",
        handler: &AnyState { parse: id::parse, run: id::run },
        policy: Policy { known: Known::WhereOffered, capabilities: &["ID"], ..USUAL },
    },
    Row {
        name: "IDLE",
        handler: &AnyState { parse: args::none, run: idle::run },
        policy: Policy { capabilities: &["IDLE"], ..USUAL },
    },
    Row {
        name: "LIST",
        handler: &AnyState { parse: list::parse_list, run: list::list },
        policy: Policy { capabilities: &["CHILDREN"], ..USUAL },
    },
    Row {
        name: "LISTRIGHTS",
        handler: &AnyState { parse: acl::parse_words, run: acl::listrights },
        policy: Policy { capabilities: &["ACL"], ..USUAL },
    },
    Row {
        name: "LOGOUT",
        handler: &AnyState { parse: args::none, run: logout::run },
        policy: USUAL,
    },
    Row {
        name: "LSUB",
        handler: &AnyState { parse: list::parse_lsub, run: list::lsub },
        policy: USUAL,
    },
    Row {
        name: "MOVE",
        handler: &OpenFolder { parse: copy::parse, run: move_::run },
        policy: Policy {
            uid: true,
            checks: &[
                Check::Right(
                    b'e',
                    "Access denied for MOVE on current mailbox (ACL \"e\" required)",
                ),
                Check::Right(
                    b't',
                    "Access denied for MOVE on current mailbox (ACL \"t\" required)",
                ),
                Check::Writable("Cannot move from read-only mailbox."),
            ],
            known: Known::WhereOffered,
            capabilities: &["MOVE"],
            ..USUAL
        },
    },
    Row {
        name: "MYRIGHTS",
        handler: &AnyState { parse: acl::parse_words, run: acl::myrights },
        policy: Policy { capabilities: &["ACL"], ..USUAL },
    },
    Row {
        name: "NAMESPACE",
        handler: &AnyState { parse: args::none, run: namespace::run },
        policy: Policy { capabilities: &["NAMESPACE"], ..USUAL },
    },
    Row { name: "NOOP", handler: &AnyState { parse: args::none, run: noop::noop }, policy: USUAL },
    Row {
        name: "RENAME",
        handler: &AnyState { parse: rename::parse, run: rename::run },
        policy: USUAL,
    },
    Row {
        name: "REPLACE",
        handler: &OpenFolder { parse: replace::parse, run: replace::run },
        policy: Policy {
            uid: true,
            // RFC 8508 4.1: what UID STORE and UID EXPUNGE ask for.
            checks: &[
                Check::Right(
                    b't',
                    "Access denied for REPLACE on current mailbox (ACL \"t\" required)",
                ),
                Check::Right(
                    b'e',
                    "Access denied for REPLACE on current mailbox (ACL \"e\" required)",
                ),
                Check::Writable("Current box is selected READ-ONLY."),
                Check::FlagsMayChange("Current box is selected READ-ONLY."),
            ],
            known: Known::WhereOffered,
            capabilities: &["REPLACE"],
            ..USUAL
        },
    },
    Row {
        name: "SEARCH",
        handler: &OpenFolder { parse: search::parse_search, run: search::run_search },
        policy: Policy { uid: true, expunges: Expunges::WithUid, ..USUAL },
    },
    Row {
        name: "SELECT",
        handler: &AnyState { parse: select::parse, run: select::select },
        policy: USUAL,
    },
    Row {
        name: "SETACL",
        handler: &AnyState { parse: acl::parse_words, run: acl::setacl },
        policy: Policy { capabilities: &["ACL"], ..USUAL },
    },
    Row {
        name: "SETMETADATA",
        handler: &AnyState { parse: metadata::parse_set, run: metadata::set },
        policy: Policy { known: Known::WhereOffered, capabilities: &["METADATA"], ..USUAL },
    },
    Row {
        name: "SETQUOTA",
        handler: &AnyState { parse: args::anything, run: quota::setquota },
        policy: Policy { capabilities: &["QUOTA"], ..USUAL },
    },
    Row {
        name: "SORT",
        handler: &OpenFolder { parse: search::parse_sort, run: search::run_sort },
        policy: Policy {
            uid: true,
            expunges: Expunges::WithUid,
            disabled: |options| options.disable_thread_sort,
            capabilities: &["SORT"],
            ..USUAL
        },
    },
    Row {
        name: "STATUS",
        handler: &AnyState { parse: status::parse, run: status::run },
        policy: USUAL,
    },
    Row {
        name: "STORE",
        handler: &OpenFolder { parse: store::parse, run: store::run },
        policy: Policy {
            uid: true,
            expunges: Expunges::WithUid,
            checks: &[Check::FlagsMayChange("Current box is selected READ-ONLY.")],
            ..USUAL
        },
    },
    Row {
        name: "SUBSCRIBE",
        handler: &AnyState { parse: args::mailbox, run: subscribe::subscribe },
        policy: USUAL,
    },
    Row {
        name: "THREAD",
        handler: &OpenFolder { parse: search::parse_thread, run: search::run_thread },
        policy: Policy {
            uid: true,
            expunges: Expunges::WithUid,
            disabled: |options| options.disable_thread_sort,
            capabilities: &["THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES"],
            ..USUAL
        },
    },
    Row {
        name: "UNSELECT",
        handler: &CloseFolder { parse: args::none, run: close::unselect },
        policy: Policy { known: Known::WhereOffered, capabilities: &["UNSELECT"], ..CLOSING },
    },
    Row {
        name: "UNSUBSCRIBE",
        handler: &AnyState { parse: args::mailbox, run: subscribe::unsubscribe },
        policy: USUAL,
    },
];

/// The row of a command, by its name in upper case; `None` for what this session does not know.
pub(crate) fn find(s: &Session, name: &[u8]) -> Option<&'static Row> {
    let row = TABLE.iter().find(|row| row.name.as_bytes() == name)?;
    let known = match row.policy.known {
        Known::Always => true,
        Known::WhereOffered => {
            row.policy.capabilities.iter().all(|word| capability::is_offered(&s.options, word))
        }
    };
    known.then_some(row)
}
