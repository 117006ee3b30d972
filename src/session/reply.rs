//! The outcome of a command, and the only code that writes a tagged line.

use super::Session;
use crate::mime::charset;
use crate::response::Encoder;
use crate::response::metadata::MetadataCode;
use crate::sys::breath::Interrupted;
use crate::types::{ModSeq, Uid, UidValidity};
use crate::wire::{self, End};
use std::borrow::Cow;
use std::io;

/// A response code of a tagged line (RFC 3501 7.1, RFC 4315 3, RFC 5530 3). Those from `Capability`
/// on are additions: Courier does not send them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    /// `TRYCREATE`
    TryCreate,
    /// `BADCHARSET`
    BadCharset,
    /// `READ-ONLY`
    ReadOnly,
    /// `READ-WRITE`
    ReadWrite,
    /// `APPENDUID`: the UIDVALIDITY of the folder, and the UIDs of the messages.
    AppendUid(UidValidity, Vec<Uid>),
    /// `COPYUID`: the UIDVALIDITY of the target, the UIDs of the messages and of their copies.
    CopyUid(UidValidity, Vec<Uid>, Vec<Uid>),
    /// `METADATA`: about annotations.
    Metadata(MetadataCode),
    /// `CAPABILITY` and the words, an addition like all that follow.
    Capability(Vec<Vec<u8>>),
    /// `HIGHESTMODSEQ` (RFC 7162 3.1.2.1)
    HighestModSeq(ModSeq),
    /// `MODIFIED` (RFC 7162 3.1.3): the messages that a conditional STORE has left as they were, by
    /// sequence numbers or UIDs.
    Modified(Vec<u32>),
    /// `INUSE`: it may succeed later.
    InUse,
    /// `EXPUNGEISSUED`: messages are gone.
    ExpungeIssued,
    /// `BADURL` (RFC 4469 4.1), and the URL.
    BadUrl(Vec<u8>),
    /// `TOOBIG` (RFC 4469 4.2).
    TooBig,
    /// `LIMIT`: more of something than there may be.
    Limit,
    /// `UNKNOWN-CTE` (RFC 3516 4.3).
    UnknownCte,
    /// `ALREADYEXISTS`: the name is taken.
    AlreadyExists,
    /// `CANNOT`: it can never succeed.
    Cannot,
    /// `CLIENTBUG`: the client has made a mistake.
    ClientBug,
    /// `COMPRESSIONACTIVE` (RFC 4978 3).
    CompressionActive,
    /// `CORRUPTION`: a file's content makes no sense.
    Corruption,
    /// `NONEXISTENT`: there is nothing of that name.
    NonExistent,
    /// `NOPERM`: the user may not do it.
    NoPerm,
    /// `OVERQUOTA`: there is no room for it.
    OverQuota,
    /// `READ-ONLY` in a refusal: the open folder was opened for reading.
    IsReadOnly,
    /// `USEATTR`: the folder cannot have that special use (RFC 6154 3).
    UseAttr,
    /// `UNAVAILABLE`: the system refused it for now.
    Unavailable,
}

impl Code {
    /// Whether it is an addition of ours, which goes with `IMAP_EXTENSIONS=0`.
    fn is_added(&self) -> bool {
        !matches!(
            self,
            Code::TryCreate
                | Code::BadCharset
                | Code::ReadOnly
                | Code::ReadWrite
                | Code::AppendUid(..)
                | Code::CopyUid(..)
        )
    }

    /// The code for what the system refused (RFC 5530 3).
    fn of(e: &io::Error) -> Code {
        use io::ErrorKind as Kind;
        match e.kind() {
            Kind::NotFound => Code::NonExistent,
            Kind::AlreadyExists => Code::AlreadyExists,
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Code::NoPerm,
            Kind::QuotaExceeded => Code::OverQuota,
            Kind::ResourceBusy => Code::InUse,
            Kind::InvalidFilename | Kind::FileTooLarge | Kind::TooManyLinks => Code::Limit,
            Kind::InvalidInput if e.raw_os_error().is_some() => Code::Cannot,
            // What is there is something else, or holds something else.
            Kind::InvalidInput | Kind::InvalidData | Kind::NotADirectory => Code::Corruption,
            _ => Code::Unavailable,
        }
    }

    fn write(&self, e: &mut Encoder<'_>) {
        match self {
            Code::TryCreate => e.raw("TRYCREATE"),
            Code::BadCharset => e.raw("BADCHARSET"),
            Code::ReadOnly => e.raw("READ-ONLY"),
            Code::ReadWrite => e.raw("READ-WRITE"),
            Code::AppendUid(validity, uids) => {
                e.raw("APPENDUID ").number(validity.get()).space();
                e.number_set(uids.iter().map(|uid| uid.get()))
            }
            Code::CopyUid(validity, from, to) => {
                e.raw("COPYUID ").number(validity.get()).space();
                e.number_set(from.iter().map(|uid| uid.get())).space();
                e.number_set(to.iter().map(|uid| uid.get()))
            }
            Code::Metadata(code) => code.write(e.raw("METADATA ")),
            Code::Capability(words) => e.raw("CAPABILITY ").spaced(words, |e, word| {
                e.raw(word);
            }),
            Code::HighestModSeq(highest) => e.raw("HIGHESTMODSEQ ").number(highest.get()),
            Code::Modified(numbers) => e.raw("MODIFIED ").number_set(numbers.iter().copied()),
            Code::InUse => e.raw("INUSE"),
            Code::ExpungeIssued => e.raw("EXPUNGEISSUED"),
            Code::TooBig => e.raw("TOOBIG"),
            Code::BadUrl(url) => {
                e.raw("BADURL ");
                for byte in url {
                    match byte {
                        // RFC 4469 5, `url-resp-text`: no control character and no bracket.
                        b'!'..=b'\\' | b'^'..=b'~' => e.raw([*byte]),
                        byte => e.raw(format!("%{byte:02X}")),
                    };
                }
                e
            }
            Code::Limit => e.raw("LIMIT"),
            Code::UnknownCte => e.raw("UNKNOWN-CTE"),
            Code::AlreadyExists => e.raw("ALREADYEXISTS"),
            Code::Cannot => e.raw("CANNOT"),
            Code::ClientBug => e.raw("CLIENTBUG"),
            Code::CompressionActive => e.raw("COMPRESSIONACTIVE"),
            Code::Corruption => e.raw("CORRUPTION"),
            Code::NonExistent => e.raw("NONEXISTENT"),
            Code::NoPerm => e.raw("NOPERM"),
            Code::OverQuota => e.raw("OVERQUOTA"),
            Code::IsReadOnly => e.raw("READ-ONLY"),
            Code::UseAttr => e.raw("USEATTR"),
            Code::Unavailable => e.raw("UNAVAILABLE"),
        };
    }
}

/// RFC 3501 7.1: the text must be shown to the user.
const ALERT: &str = "[ALERT] ";

/// The tagged answer of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    status: &'static str,
    code: Option<Code>,
    /// It is `ALERT`, unless there is a code that may be sent.
    alert: bool,
    text: Cow<'static, [u8]>,
}

/// Ends a command early, or the session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Error {
    /// A protocol error: counted, and ten in a row end the session (PROTOCOL 1.6).
    Syntax,
    /// `BAD Invalid command`: not counted (PROTOCOL 1.5).
    Invalid,
    /// Refused; boxed, since it is rare and large.
    Refused(Box<Outcome>),
    /// The session ends with this text after `* BYE`, this log line after the user's name, and this
    /// status.
    Fatal(Box<Fatal>),
    /// The connection is over.
    End(End),
}

/// `* BYE [ALERT] Fatal error: <what>: <reason>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fatal {
    /// What was tried.
    pub(crate) what: String,
    /// The system's word on it, may be empty.
    pub(crate) reason: String,
}

/// What handlers return.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Outcome {
    /// `OK <text>`
    pub(crate) fn ok(text: impl Into<Cow<'static, str>>) -> Outcome {
        Outcome::new("OK", bytes(text.into()))
    }

    /// `NO <text>`. A text of ours may begin with `[ALERT] `, as Courier's do: a code that is given
    /// takes its place, but not on Courier's wire. All others should be given one.
    pub(crate) fn no(text: impl Into<Cow<'static, str>>) -> Outcome {
        let text = text.into();
        match text {
            Cow::Borrowed(text) if text.starts_with(ALERT) => {
                Outcome { alert: true, ..Outcome::no(text.strip_prefix(ALERT).unwrap_or_default()) }
            }
            text => Outcome::new("NO", bytes(text)),
        }
    }

    /// `NO <text>`, with the client's own bytes in it.
    pub(crate) fn no_bytes(text: Vec<u8>) -> Outcome {
        Outcome::new("NO", Cow::Owned(one_line(text)))
    }

    /// `OK "<name>" <text>`
    pub(crate) fn ok_named(name: &[u8], text: &str) -> Outcome {
        let mut whole = Vec::new();
        wire::write::string(&mut whole, name);
        whole.push(b' ');
        whole.extend_from_slice(text.as_bytes());
        Outcome::new("OK", Cow::Owned(one_line(whole)))
    }

    /// `BAD <text>`
    pub(crate) fn bad(text: &'static str) -> Outcome {
        Outcome::new("BAD", Cow::Borrowed(text.as_bytes()))
    }

    /// `BAD [LIMIT] <text>`: more of something than one command may hold.
    pub(crate) fn too_many(text: &'static str) -> Outcome {
        Outcome::bad(text).with_code(Code::Limit)
    }

    fn new(status: &'static str, text: Cow<'static, [u8]>) -> Outcome {
        Outcome { status, code: None, alert: false, text }
    }

    /// With a response code.
    pub(crate) fn with_code(mut self, code: Code) -> Outcome {
        self.code = Some(code);
        self
    }

    /// Whether it is `OK` and has room for a response code.
    pub(super) fn is_plain_ok(&self) -> bool {
        self.status == "OK" && self.code.is_none()
    }

    /// Gives it a response code.
    pub(super) fn set_code(&mut self, code: Code) {
        self.code = Some(code);
    }

    /// Whether it is `NO`.
    pub(crate) fn is_no(&self) -> bool {
        self.status == "NO"
    }

    /// With the response code for what the system refused (RFC 5530 3), unless it is an ALERT.
    pub(crate) fn because(self, e: &io::Error) -> Outcome {
        if self.alert { self } else { self.with_code(Code::of(e)) }
    }

    /// As an error that ends the handler.
    pub(crate) fn refuse<T>(self) -> Result<T> {
        Err(self.into())
    }
}

fn bytes(text: Cow<'static, str>) -> Cow<'static, [u8]> {
    match text {
        Cow::Borrowed(t) => Cow::Borrowed(t.as_bytes()),
        Cow::Owned(t) => Cow::Owned(one_line(t.into_bytes())),
    }
}

/// A response text is one line of valid text, whatever name it repeats.
fn one_line(text: Vec<u8>) -> Vec<u8> {
    let mut text = charset::guess(&text).into_owned().into_bytes();
    text.iter_mut().filter(|b| matches!(**b, b'\r' | b'\n' | 0)).for_each(|b| *b = b'/');
    text
}

impl From<Outcome> for Error {
    fn from(outcome: Outcome) -> Error {
        Error::Refused(Box::new(outcome))
    }
}

impl From<End> for Error {
    fn from(end: End) -> Error {
        Error::End(end)
    }
}

impl From<Interrupted> for Error {
    fn from(why: Interrupted) -> Error {
        Error::End(why.into())
    }
}

impl From<wire::Error> for Error {
    fn from(error: wire::Error) -> Error {
        match error {
            wire::Error::Syntax => Error::Syntax,
            wire::Error::TooMany(text) => Outcome::too_many(text).into(),
            wire::Error::End(end) => Error::End(end),
        }
    }
}

impl Session {
    /// Sends the tagged line; `None` stands for a line without a usable tag.
    pub(crate) fn tagged(&mut self, tag: Option<&[u8]>, outcome: &Outcome) {
        let additions = self.has_additions();
        let mut e = self.encoder();
        e.raw(tag.unwrap_or(b"*")).space().raw(outcome.status).space();
        if let Some(code) = outcome.code.as_ref().filter(|code| additions || !code.is_added()) {
            e.raw("[");
            code.write(&mut e);
            e.raw("] ");
        } else if outcome.alert {
            e.raw(ALERT);
        }
        e.raw(&outcome.text).raw("\r\n");
        drop(e);
        self.io.end_response();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::session::features::Extensions;
    use crate::wire::connection::MemoryConnection;

    fn tagged(outcome: &Outcome, extensions: Extensions) -> String {
        let mut s = Session::for_tests(Box::new(MemoryConnection::default()));
        s.options.extensions = extensions;
        s.tagged(Some(b"a"), outcome);
        String::from_utf8(s.io.out().clone()).unwrap()
    }

    /// As shipped, and on Courier's wire.
    #[test]
    fn codes_and_alerts() {
        let alert = || Outcome::no("[ALERT] No.");
        let denied = io::Error::from_raw_os_error(libc::EACCES);
        for (outcome, ours, couriers) in [
            (Outcome::no("No."), "a NO No.", "a NO No."),
            (Outcome::no("No.").with_code(Code::NoPerm), "a NO [NOPERM] No.", "a NO No."),
            (Outcome::no("No.").because(&denied), "a NO [NOPERM] No.", "a NO No."),
            (alert(), "a NO [ALERT] No.", "a NO [ALERT] No."),
            (alert().because(&denied), "a NO [ALERT] No.", "a NO [ALERT] No."),
            (alert().with_code(Code::OverQuota), "a NO [OVERQUOTA] No.", "a NO [ALERT] No."),
            (
                Outcome::no("No.").with_code(Code::TryCreate),
                "a NO [TRYCREATE] No.",
                "a NO [TRYCREATE] No.",
            ),
            (Outcome::too_many("Too many."), "a BAD [LIMIT] Too many.", "a BAD Too many."),
            // A client's text is a text.
            (Outcome::no(String::from("[ALERT] x")), "a NO [ALERT] x", "a NO [ALERT] x"),
        ] {
            assert_eq!(tagged(&outcome, Extensions::All), format!("{ours}\r\n"));
            assert_eq!(tagged(&outcome, Extensions::None), format!("{couriers}\r\n"));
        }
    }

    #[test]
    fn codes_for_what_the_system_refuses() {
        for (errno, code) in [
            (libc::EACCES, Code::NoPerm),
            (libc::EPERM, Code::NoPerm),
            (libc::EROFS, Code::NoPerm),
            (libc::EDQUOT, Code::OverQuota),
            (libc::ENOENT, Code::NonExistent),
            (libc::EEXIST, Code::AlreadyExists),
            (libc::EBUSY, Code::InUse),
            (libc::ENAMETOOLONG, Code::Limit),
            (libc::EFBIG, Code::Limit),
            (libc::EMLINK, Code::Limit),
            (libc::EINVAL, Code::Cannot),
            (libc::ENOTDIR, Code::Corruption),
            (libc::ENOSPC, Code::Unavailable),
            (libc::EIO, Code::Unavailable),
            (libc::EMFILE, Code::Unavailable),
            (libc::ENOMEM, Code::Unavailable),
            (libc::ESTALE, Code::Unavailable),
        ] {
            assert_eq!(Code::of(&io::Error::from_raw_os_error(errno)), code, "{errno}");
        }
        let odd = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        assert_eq!(Code::of(&odd), Code::Corruption);
    }
}
