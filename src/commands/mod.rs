//! The commands. One table says of each what it is called, how it is read and run, and what policy
//! holds for it; one file per family has the parser and the handler.

pub(crate) mod acl;
pub(crate) mod append;
pub(crate) mod args;
pub(crate) mod basic;
pub(crate) mod copy;
pub(crate) mod expunge;
pub(crate) mod fetch;
pub(crate) mod flags;
pub(crate) mod folder;
pub(crate) mod idle;
pub(crate) mod list;
pub(crate) mod quota;
pub(crate) mod search;
pub(crate) mod select;
pub(crate) mod status;
pub(crate) mod store;

use crate::session::{Error, Outcome, Result, Session};

/// When a command may be given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// At any time.
    Any,
    /// With a folder open.
    Selected,
}

/// Whether untagged EXPUNGE lines may come with a command (RFC 3501 7.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expunges {
    /// Never: FETCH, STORE and SEARCH speak of sequence numbers.
    Never,
    /// Only with the UID form.
    WithUid,
    /// Always.
    Yes,
}

/// What a handler is told about its call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// `UID` came before the command.
    pub(crate) uid: bool,
    /// The row.
    pub(crate) row: &'static Row,
}

/// One command.
pub(crate) struct Row {
    /// Its name, upper case.
    pub(crate) name: &'static str,
    /// When it may be given.
    pub(crate) state: State,
    /// Whether it has a UID form.
    pub(crate) uid: bool,
    /// For a command that changes messages: the text of its refusal under EXAMINE.
    pub(crate) writes: Option<&'static str>,
    /// Whether untagged EXPUNGE lines may come with it.
    pub(crate) expunges: Expunges,
    /// Reads the arguments to the end, checks, acts.
    pub(crate) run: fn(&mut Session, &Call) -> Result<Outcome>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Syntax first, then the state, then the folder's mode, then the deed: a line that does not parse
/// is BAD before anything else is looked at.
fn run<A>(
    s: &mut Session,
    call: &Call,
    parse: impl Fn(&mut Session, &Call) -> Result<A>,
    act: impl Fn(&mut Session, &Call, A) -> Result<Outcome>,
) -> Result<Outcome> {
    let arguments = parse(s, call)?;
    if call.row.state == State::Selected {
        let Some(selected) = &s.selected else { return Err(Error::Syntax) };
        if let Some(refusal) = call.row.writes
            && selected.examined
        {
            return Outcome::no(refusal).refuse();
        }
    }
    act(s, call, arguments)
}

macro_rules! row {
    ($name:literal, $($module:ident)::+, $state:ident, uid: $uid:literal, writes: $writes:expr, expunges: $expunges:ident) => {
        Row {
            name: $name,
            state: State::$state,
            uid: $uid,
            writes: $writes,
            expunges: Expunges::$expunges,
            run: |s, call| run(s, call, $($module)::+::parse, $($module)::+::run),
        }
    };
}

/// THE table.
pub(crate) static TABLE: &[Row] = &[
    row!("ACL", acl::acl_command, Any, uid: false, writes: None, expunges: Yes),
    row!("APPEND", append, Any, uid: false, writes: None, expunges: Yes),
    row!("CAPABILITY", basic::capability, Any, uid: false, writes: None, expunges: Yes),
    row!("CHECK", basic::check, Selected, uid: false, writes: None, expunges: Yes),
    row!("CLOSE", select::close, Selected, uid: false, writes: None, expunges: Never),
    row!("COPY", copy, Selected, uid: true, writes: None, expunges: Yes),
    row!("CREATE", folder::create, Any, uid: false, writes: None, expunges: Yes),
    row!("DELETE", folder::delete, Any, uid: false, writes: None, expunges: Yes),
    row!("DELETEACL", acl::deleteacl, Any, uid: false, writes: None, expunges: Yes),
    row!("ENABLE", basic::enable, Any, uid: false, writes: None, expunges: Yes),
    row!("EXAMINE", select::examine, Any, uid: false, writes: None, expunges: Yes),
    row!("EXPUNGE", expunge, Selected, uid: true, writes: None, expunges: Yes),
    row!("FETCH", fetch, Selected, uid: true, writes: None, expunges: WithUid),
    row!("GETACL", acl::getacl, Any, uid: false, writes: None, expunges: Yes),
    row!("GETQUOTA", quota::getquota, Any, uid: false, writes: None, expunges: Yes),
    row!("GETQUOTAROOT", quota::getquotaroot, Any, uid: false, writes: None, expunges: Yes),
    row!("ID", basic::id, Any, uid: false, writes: None, expunges: Yes),
    row!("IDLE", idle, Any, uid: false, writes: None, expunges: Yes),
    row!("LIST", list::list, Any, uid: false, writes: None, expunges: Yes),
    row!("LISTRIGHTS", acl::listrights, Any, uid: false, writes: None, expunges: Yes),
    row!("LOGOUT", basic::logout, Any, uid: false, writes: None, expunges: Yes),
    row!("LSUB", list::lsub, Any, uid: false, writes: None, expunges: Yes),
    row!("MYRIGHTS", acl::myrights, Any, uid: false, writes: None, expunges: Yes),
    row!("NAMESPACE", basic::namespace, Any, uid: false, writes: None, expunges: Yes),
    row!("NOOP", basic::noop, Any, uid: false, writes: None, expunges: Yes),
    row!("RENAME", folder::rename, Any, uid: false, writes: None, expunges: Yes),
    row!("SEARCH", search::plain, Selected, uid: true, writes: None, expunges: WithUid),
    row!("SELECT", select::select, Any, uid: false, writes: None, expunges: Yes),
    row!("SETACL", acl::setacl, Any, uid: false, writes: None, expunges: Yes),
    row!("SETQUOTA", quota::setquota, Any, uid: false, writes: None, expunges: Yes),
    row!("SORT", search::sort, Selected, uid: true, writes: None, expunges: WithUid),
    row!("STATUS", status, Any, uid: false, writes: None, expunges: Yes),
    row!("STORE", store, Selected, uid: true, writes: Some("Current box is selected READ-ONLY."), expunges: WithUid),
    row!("SUBSCRIBE", folder::subscribe, Any, uid: false, writes: None, expunges: Yes),
    row!("THREAD", search::thread, Selected, uid: true, writes: None, expunges: WithUid),
    row!("UNSELECT", select::unselect, Selected, uid: false, writes: None, expunges: Never),
    row!("UNSUBSCRIBE", folder::unsubscribe, Any, uid: false, writes: None, expunges: Yes),
];

/// The row of a command.
pub(crate) fn find(name: &[u8]) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name.as_bytes() == name)
}
