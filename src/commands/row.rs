//! What a row of the table of commands says, and how a command is run by it.

use super::capability;
use crate::session::{Code, Error, Options, Outcome, Result, Selected, Session};
use crate::sys::breath::AtWork;

/// One command.
pub(crate) struct Row {
    /// Its name, in upper case.
    pub(crate) name: &'static str,
    /// The states in which it may be given, its parser, and what runs it.
    pub(crate) handler: &'static dyn Handler,
    /// The rules for it.
    pub(crate) policy: Policy,
}

/// The rules for a command.
pub(crate) struct Policy {
    /// Whether it has a UID form.
    pub(crate) uid: bool,
    /// Whether untagged EXPUNGE responses may come with it.
    pub(crate) expunges: Expunges,
    /// What must hold of the open folder, beyond its being open. The rights are looked at again
    /// first.
    pub(crate) checks: &'static [Check],
    /// Whether the administrator has switched it off: then it is refused before its arguments are
    /// read (Courier).
    pub(crate) disabled: fn(&Options) -> bool,
    /// Whether it is a command at all in this session.
    pub(crate) known: Known,
    /// The capabilities that announce it. ([`Known::WhereOffered`] depends on them; else they say
    /// where the command comes from.)
    pub(crate) capabilities: &'static [&'static str],
}

/// When a command is known. An unknown one is a protocol error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// In every session.
    Always,
    /// Where the capabilities that announce it are offered: an extension of ours until
    /// `IMAP_EXTENSIONS` takes it away, a command of Courier's that a setting switches on.
    WhereOffered,
}

/// Whether untagged EXPUNGE responses may come with a command (RFC 3501 7.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expunges {
    /// Never: the folder is closed.
    Never,
    /// Only with the UID form: FETCH, STORE and SEARCH speak of sequence numbers.
    WithUid,
    /// Always.
    Yes,
}

/// What must hold of the open folder, and the refusal.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    /// Its messages' flags can be changed: it was not opened by EXAMINE.
    FlagsMayChange(&'static str),
    /// It may be written.
    Writable(&'static str),
    /// The user has this right on it.
    Right(u8, &'static str),
}

impl Check {
    fn of(self, selected: &Selected) -> Result<()> {
        let (holds, code, refusal) = match self {
            Check::FlagsMayChange(text) => (!selected.flags_are_fixed, Code::IsReadOnly, text),
            Check::Writable(text) => (!selected.read_only, Code::IsReadOnly, text),
            Check::Right(right, text) => (selected.rights.has(right), Code::NoPerm, text),
        };
        if holds { Ok(()) } else { Outcome::no(refusal).with_code(code).refuse() }
    }
}

/// One call of a command.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// Its tag.
    pub(crate) tag: &'a [u8],
    /// Whether `UID` came before its name.
    pub(crate) uid: bool,
    /// Its row.
    pub(crate) row: &'static Row,
}

impl Call<'_> {
    /// Whether untagged EXPUNGE responses may come before its tagged line.
    pub(crate) fn may_expunge(&self) -> bool {
        match self.row.policy.expunges {
            Expunges::Never => false,
            Expunges::WithUid => self.uid,
            Expunges::Yes => true,
        }
    }

    /// Until what is returned is dropped, the client is told that the command is at work, if it is
    /// for long (RFC 9585).
    pub(crate) fn at_work(&self, s: &Session) -> Option<AtWork> {
        capability::is_offered(&s.options, "INPROGRESS").then(|| s.tell_progress(self.tag))
    }

    /// Runs it.
    pub(crate) fn run(&self, s: &mut Session) -> Result<Outcome> {
        self.row.handler.handle(s, self)
    }
}

/// Reads a command's arguments and runs it. The state comes first: without an open folder, a
/// command that needs one is a protocol error, whatever follows its name (Courier).
pub(crate) trait Handler: Sync {
    /// Reads and runs.
    fn handle(&self, s: &mut Session, call: &Call<'_>) -> Result<Outcome>;
}

/// For a command of every state.
pub(crate) struct AnyState<P, R> {
    /// Reads the arguments to the end of the line.
    pub(crate) parse: P,
    /// Checks and acts.
    pub(crate) run: R,
}

/// For a command that needs an open folder, which it is given.
pub(crate) struct OpenFolder<P, R> {
    /// Reads the arguments to the end of the line.
    pub(crate) parse: P,
    /// Checks and acts.
    pub(crate) run: R,
}

/// For a command that closes the open folder.
pub(crate) struct CloseFolder<P, R> {
    /// Reads the arguments to the end of the line.
    pub(crate) parse: P,
    /// Checks and acts.
    pub(crate) run: R,
}

/// Reads the arguments, unless the command is switched off.
fn arguments<A>(
    s: &mut Session,
    call: &Call<'_>,
    parse: impl Fn(&mut Session, &Call<'_>) -> Result<A>,
) -> Result<A> {
    if (call.row.policy.disabled)(&s.options) {
        return Outcome::no("This command is disabled by the system administrator.")
            .with_code(Code::NoPerm)
            .refuse();
    }
    parse(s, call)
}

impl<A, P, R> Handler for AnyState<P, R>
where
    P: Fn(&mut Session, &Call<'_>) -> Result<A> + Sync,
    R: Fn(&mut Session, &Call<'_>, A) -> Result<Outcome> + Sync,
{
    fn handle(&self, s: &mut Session, call: &Call<'_>) -> Result<Outcome> {
        let arguments = arguments(s, call, &self.parse)?;
        (self.run)(s, call, arguments)
    }
}

impl<A, P, R> Handler for OpenFolder<P, R>
where
    P: Fn(&mut Session, &Call<'_>) -> Result<A> + Sync,
    R: Fn(&mut Session, &mut Selected, &Call<'_>, A) -> Result<Outcome> + Sync,
{
    fn handle(&self, s: &mut Session, call: &Call<'_>) -> Result<Outcome> {
        if s.selected.is_none() {
            return Err(Error::Syntax);
        }
        let arguments = arguments(s, call, &self.parse)?;
        s.with_selected(|s, selected| {
            let selected = selected.ok_or(Error::Syntax)?;
            if !call.row.policy.checks.is_empty() {
                selected.refresh_rights(s);
            }
            call.row.policy.checks.iter().try_for_each(|check| check.of(selected))?;
            (self.run)(s, selected, call, arguments)
        })
    }
}

impl<A, P, R> Handler for CloseFolder<P, R>
where
    P: Fn(&mut Session, &Call<'_>) -> Result<A> + Sync,
    R: Fn(&mut Session, &mut Selected, &Call<'_>, A) -> Result<Outcome> + Sync,
{
    fn handle(&self, s: &mut Session, call: &Call<'_>) -> Result<Outcome> {
        debug_assert!(call.row.policy.checks.is_empty(), "closing a folder is never refused");
        if s.selected.is_none() {
            return Err(Error::Syntax);
        }
        let arguments = arguments(s, call, &self.parse)?;
        let mut selected = s.selected.take().ok_or(Error::Syntax)?;
        let done = (self.run)(s, &mut selected, call, arguments);
        s.left = Some(selected);
        done
    }
}

/// The usual policy.
pub(crate) const USUAL: Policy = Policy {
    uid: false,
    expunges: Expunges::Yes,
    checks: &[],
    disabled: |_| false,
    known: Known::Always,
    capabilities: &["IMAP4rev1"],
};

/// The policy of a command that closes the folder.
pub(crate) const CLOSING: Policy = Policy { expunges: Expunges::Never, ..USUAL };
