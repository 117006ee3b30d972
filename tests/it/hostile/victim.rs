//! A session that takes one hit after another, and a Maildir whose messages must not change.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use support::{Maildir, PATIENCE, Random, Session, find};

/// At least one line for every row of the table, together with every kind of argument.
pub const LINES: &[&str] = &[
    "ACL STORE (\"INBOX\") \"bob\" \"lr\"",
    "ACL DELETE \"INBOX\" \"bob\"",
    "APPEND INBOX (\\Seen Kw) \"01-Jan-2020 00:00:00 +0000\" {3+}\r\nabc",
    "APPEND INBOX (Kw) {3+}\r\nabc (\\Seen) \"02-Jan-2020 00:00:00 +0000\" {3+}\r\nabc",
    "APPEND INBOX CATENATE (TEXT {3+}\r\nabc URL \"/INBOX.none;UIDVALIDITY=7/;UID=9/;SECTION=1.MIME/;PARTIAL=0.5\")",
    "APPEND INBOX ~{3+}\r\nabc",
    "CAPABILITY",
    "CHECK",
    "CLOSE",
    "COMPRESS DEFLATE",
    "COPY 1,2:* \"INBOX.other\"",
    "CREATE \"INBOX.new.&AOk-.x\"",
    "CREATE INBOX.use (USE (\\Sent \\Archive))",
    "DELETE \"INBOX.gone\"",
    "DELETEACL INBOX bob",
    "ENABLE UTF8=ACCEPT QRESYNC",
    "ESEARCH IN (selected subtree (INBOX \"#shared\") mailboxes INBOX.other subscribed) RETURN (COUNT PARTIAL 1:2) NOT $ 1:*",
    "EXAMINE {5+}\r\nINBOX",
    "EXPUNGE",
    "UID EXPUNGE 1:*",
    "FETCH 1:* (FLAGS UID ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE INTERNALDATE)",
    "FETCH 1:* (FLAGS MODSEQ) (CHANGEDSINCE 1 PARTIAL 1:3)",
    "UID FETCH 1 (BODY.PEEK[1.2.MIME]<0.10> BODY[HEADER.FIELDS.NOT (From \"To\")] RFC822.HEADER BINARY[1])",
    "FETCH *:1 FULL",
    "FETCH 1:* (BINARY.SIZE[1] BINARY[2.1]<0.9> BINARY.PEEK[])",
    "GETACL INBOX",
    "GETMETADATA INBOX (MAXSIZE 10 DEPTH infinity) (/private/a {7+}\r\n/shared)",
    "GETMETADATA (DEPTH 1) \"\" \"/private/vendor/x y/z\"",
    "GETQUOTA \"ROOT\"",
    "GETQUOTAROOT INBOX",
    "ID (\"name\" \"x\" \"version\" NIL)",
    "LIST (ACL MYRIGHTS POSTADDRESS) \"\" \"INBOX.%*\"",
    "LIST (SUBSCRIBED) \"\" (\"*\" \"%\") RETURN (CHILDREN STATUS (MESSAGES))",
    "LIST \"\" % RETURN (METADATA (DEPTH 1) (/private \"/shared/comment\"))",
    "LIST (REMOTE RECURSIVEMATCH SUBSCRIBED) INBOX (%.% \"\" {1+}\r\n*) RETURN (SUBSCRIBED MYRIGHTS)",
    "LIST (SPECIAL-USE RECURSIVEMATCH) \"\" %.% RETURN (SPECIAL-USE)",
    "LISTRIGHTS INBOX bob",
    "LSUB \"#shared.\" \"*\"",
    "MOVE 2,1 \"INBOX.other\"",
    "UID MOVE *:2 INBOX",
    "MYRIGHTS \"INBOX\"",
    "NAMESPACE",
    "NOOP",
    "RENAME INBOX.ren INBOX.ren2",
    "REPLACE 9 INBOX.other (\\Seen) {3+}\r\nabc",
    "UID REPLACE 9 INBOX CATENATE (TEXT {3+}\r\nabc)",
    "SEARCH CHARSET UTF-8 OR (SEEN NOT KEYWORD x) 1:3 UID 1:* SINCE 1-Jan-2000 LARGER 3 HEADER Subject \"a\" TEXT {2+}\r\nab",
    "SEARCH RETURN (ALL) OR MODSEQ \"/flags/\\\\seen\" all 0 NOT MODSEQ 7",
    "SEARCH RETURN (MIN MAX ALL COUNT SAVE) OR $ NOT UID $ YOUNGER 5 OLDER 6",
    "UID FETCH $ FLAGS (PARTIAL 1:2)",
    "UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)",
    "SELECT \"INBOX\"",
    "SELECT INBOX (CONDSTORE)",
    "EXAMINE INBOX (QRESYNC (700000001 1 1:2,9 (1,3:4 1,3:4)))",
    "SETACL INBOX bob +lr-w",
    "SETMETADATA INBOX.other (/private/a \"b\" /shared/comment ~{3+}\r\na\0b /shared/c NIL)",
    "SETQUOTA \"ROOT\" (STORAGE 100 MESSAGE 10)",
    "SORT (REVERSE ARRIVAL SUBJECT FROM) UTF-8 ALL",
    "UID SORT RETURN (PARTIAL -1:-3 COUNT SAVE) (REVERSE DISPLAYFROM DISPLAYTO) UTF-8 ALL",
    "UID SORT (DATE) US-ASCII UNSEEN",
    "STATUS \"INBOX.other\" (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)",
    "STORE 1:2 +FLAGS.SILENT (\\Seen Keyword $x)",
    "UID STORE 1 FLAGS ()",
    "UID STORE 1:* (UNCHANGEDSINCE 9223372036854775807) -FLAGS.SILENT (\\Seen x)",
    "SUBSCRIBE INBOX.other",
    "THREAD REFERENCES UTF-8 NOT DELETED",
    "UID THREAD REFS UTF-8 ALL",
    "THREAD ORDEREDSUBJECT US-ASCII ALL",
    "UNSELECT",
    "UNSUBSCRIBE INBOX.other",
];

pub const STATES: &[&str] = &["NOOP", "SELECT INBOX", "EXAMINE INBOX"];

/// How many times the everyday amount.
pub fn rounds() -> usize {
    std::env::var("HOSTILE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// Another series of numbers for each kind of test, and for each seed.
pub fn random(kind: u64) -> Random {
    let seed: u64 = std::env::var("HOSTILE_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    Random(seed.wrapping_mul(1_000_003).wrapping_add(kind))
}

pub const MESSAGES: &[&[u8]] = &[
    b"From: a@example.com\nTo: b@example.com\nSubject: one\nMessage-Id: <1@x>\n\nbody one\n",
    b"From: c@example.com\nSubject: Re: one\nReferences: <1@x>\nMessage-Id: <2@x>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n--b\n\npart\n--b\nContent-Type: message/rfc822\n\nSubject: inner\n\ninner body\n--b--\n",
    b"\xff\xfe\0\n\n\0\0",
    b"",
];

/// A Maildir to be worn out: four messages, some folders.
pub fn victim() -> Maildir {
    let maildir = Maildir::new();
    for folder in ["INBOX.other", "INBOX.gone", "INBOX.ren"] {
        maildir.folder(folder);
    }
    for (n, message) in MESSAGES.iter().enumerate() {
        maildir.deliver("INBOX", &format!("100{n}.m{n}.host"), message);
    }
    maildir
}

/// No message's content may change: each that lies anywhere is one of those delivered, or
/// `appended`.
pub fn unharmed(maildir: &Maildir, appended: &[&[u8]], story: &str) {
    let known: BTreeSet<&[u8]> = MESSAGES.iter().chain(appended).copied().collect();
    for name in maildir.files().iter().filter(|n| n.contains("cur/") || n.contains("new/")) {
        let content = fs::read(maildir.path().join(name)).unwrap();
        assert!(
            known.contains(&*content),
            "{name} has become {:?}\n{story}",
            String::from_utf8_lossy(&content)
        );
    }
}

/// A session that is sent nonsense, and begins anew when that has ended it.
pub struct Victim<'a> {
    pub maildir: &'a Maildir,
    pub env: &'a [(&'a str, &'a str)],
    pub first: &'a str,
    pub session: Option<Session>,
    pub probes: usize,
}

impl<'a> Victim<'a> {
    pub fn new(maildir: &'a Maildir, env: &'a [(&'a str, &'a str)], first: &'a str) -> Victim<'a> {
        Victim { maildir, env, first, session: None, probes: 0 }
    }

    /// Sends `bytes` and a question behind them. The question is answered; or the server asks for
    /// a literal or IDLE's end, or says goodbye, and then it ends well.
    pub fn hit(&mut self, bytes: &[u8]) {
        let mut s = self.session.take().unwrap_or_else(|| {
            let mut s = self.maildir.session(self.env);
            s.send(format!("s {}\r\n", self.first).as_bytes());
            let _ = s.finish("s");
            s
        });
        self.probes += 1;
        s.forget();
        let probe = format!("probe{}", self.probes);
        // A cut non-synchronising literal takes what comes next; a longer one is left waiting.
        s.send(&[bytes, b"\r\nf NOOP\r\nf NOOP\r\n", probe.as_bytes(), b" NOOP\r\n"].concat());
        let (open, patience) = match find(bytes, b"+}") {
            Some(_) => (true, Duration::from_millis(500)),
            None => (false, PATIENCE),
        };
        let answered = [&b"OK"[..], b"BAD"].map(|word| [probe.as_bytes(), b" ", word].concat());
        loop {
            match s.response(patience) {
                Some(line) if answered.iter().any(|a| line.starts_with(a)) => {
                    break self.session = Some(s);
                }
                // It wants bytes that we do not have.
                Some(line) if line.starts_with(b"+ ") => break self.goodbye(s),
                Some(_) => {}
                None => {
                    assert!(open || s.ended(), "no answer\n{}", s.story());
                    break self.goodbye(s);
                }
            }
        }
    }

    pub fn goodbye(&mut self, mut s: Session) {
        s.hang_up();
        ended_well(&mut s);
    }

    /// The last session is still alive and in order.
    pub fn end(mut self) {
        if let Some(mut s) = self.session.take() {
            s.send(b"\r\n\r\n");
            s.cmd("NOOP").ok("NOOP completed");
            self.goodbye(s);
        }
    }
}

/// Status 0 or 1, and no panic.
#[track_caller]
pub fn ended_well(s: &mut Session) {
    let status = s.wait();
    assert!(
        matches!(status.and_then(|st| st.code()), Some(0 | 1)),
        "ended with {status:?}\n{}",
        s.story()
    );
    let log = s.log().join("\n");
    assert!(!log.contains("panicked") && !log.contains("internal error"), "{log}\n{}", s.story());
}
