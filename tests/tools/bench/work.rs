//! The work that is played in three ways (see [`super::round`]): what a client asks for, what shows
//! that it was answered, and the ratio to Courier's time that is to be beaten when it is warm.

use super::client::{Answer, Session};
use super::servers::{Kind, Memory, Server};
use super::{limits, mail};
use memchr::memmem;
use std::io;
use std::path::{Path, PathBuf};

/// How many messages COPY and MOVE take.
pub const COPIES: usize = 1000;

/// What one piece of work took, and what shows that it was done.
pub struct Sample {
    pub seconds: f64,
    pub count: u64,
    pub bytes: u64,
    /// Of the session after it, where that is asked.
    pub memory: Memory,
}

impl Sample {
    fn lines(answer: &Answer) -> Self {
        Self { bytes: answer.bytes, ..Self::counted(answer.seconds, answer.lines) }
    }

    /// Bytes are compared only where servers owe the same.
    pub fn counted(seconds: f64, count: u64) -> Self {
        Self { seconds, count, bytes: 0, memory: Memory::default() }
    }
}

type Play = Box<dyn Fn(&Server, &mut Session) -> io::Result<Sample>>;

/// What the machine can do at best for it.
#[derive(Clone, Copy)]
pub enum Limit {
    None,
    /// A directory read of the folder.
    Scan,
    /// As many bytes of every file.
    Read(usize),
    Rename,
    Link,
    ScanMany,
    List,
}

pub struct Work {
    pub name: &'static str,
    pub goal: Option<f64>,
    /// What each server must count, if that is known.
    pub expected: Option<u64>,
    /// Whether the folder is opened before, untimed.
    pub opens: bool,
    pub limit: Limit,
    pub play: Play,
}

impl Work {
    fn new(
        name: &'static str,
        goal: f64,
        limit: Limit,
        play: impl Fn(&Server, &mut Session) -> io::Result<Sample> + 'static,
    ) -> Self {
        let goal = (goal > 0.0).then_some(goal);
        Self { name, goal, expected: None, opens: true, limit, play: Box::new(play) }
    }

    fn fetch(name: &'static str, goal: f64, each: usize, items: &str) -> Self {
        let limit = if each == 0 { Limit::None } else { Limit::Read(each) };
        let text = format!("FETCH 1:* {items}");
        Self::new(name, goal, limit, move |_, session| Ok(Sample::lines(&session.good(&text)?)))
    }

    fn search(name: &'static str, goal: f64, each: usize, text: &'static str) -> Self {
        let limit = if each == 0 { Limit::None } else { Limit::Read(each) };
        Self::new(name, goal, limit, move |_, session| {
            let answer = session.good(text)?;
            Ok(Sample::counted(answer.seconds, answer.hits()))
        })
    }

    fn of(self, expected: usize) -> Self {
        Self { expected: Some(expected as u64), ..self }
    }

    /// The limit's name and seconds, on an account that no server plays on.
    pub fn limit(&self, maildir: &Path) -> io::Result<Option<(&'static str, f64)>> {
        let folder = maildir.join(".bench");
        let many = || (0..mail::WITH_MAIL).map(|n| maildir.join(format!(".f{n:04}")));
        Ok(Some(match self.limit {
            Limit::None => return Ok(None),
            Limit::Scan => ("getdents", limits::scan(&folder)?),
            Limit::Read(usize::MAX) => ("cat", limits::read(&folder, usize::MAX)?),
            Limit::Read(each) => ("first 4 KiB of each", limits::read(&folder, each)?),
            Limit::Rename => ("rename", limits::rename(&folder)?),
            Limit::Link => {
                let to = maildir.join(".copy");
                mail::empty(&to)?;
                ("link, one sync", limits::link(&folder, &to, COPIES)?)
            }
            Limit::ScanMany => ("getdents", limits::scan_many(&many().collect::<Vec<PathBuf>>())?),
            Limit::List => ("getdents", limits::list(maildir)?),
        }))
    }
}

const HEAD: usize = 4096;
const ALL: usize = usize::MAX;
const FIELDS: &str =
    "(UID BODY.PEEK[HEADER.FIELDS (From To Cc Subject Date Message-ID References)])";

/// The work on a folder of `messages`; `few`: only what makes sense for very many small ones.
pub fn list(messages: usize, few: bool) -> Vec<Work> {
    let select = Work::new("SELECT", 0.02, Limit::Scan, |server, session| {
        let answer = session.good(&format!("SELECT {}bench", server.prefix))?;
        Ok(Sample::counted(answer.seconds, answer.exists().unwrap_or(0)))
    });
    let mut list = vec![
        Work { opens: false, ..select.of(messages) },
        Work::fetch("FETCH FLAGS", 0.3, 0, "FLAGS").of(messages),
    ];
    if few {
        return list;
    }
    list.extend(
        [
            ("FETCH RFC822.SIZE", 0.01, ALL, "RFC822.SIZE"),
            (
                "FETCH ENVELOPE, FLAGS, DATE, SIZE",
                0.04,
                HEAD,
                "(ENVELOPE FLAGS INTERNALDATE RFC822.SIZE)",
            ),
            ("FETCH of header fields", 0.03, HEAD, FIELDS),
            ("FETCH BODYSTRUCTURE", 0.015, ALL, "BODYSTRUCTURE"),
            ("FETCH BODY.PEEK[] of all", 0.2, ALL, "BODY.PEEK[]"),
        ]
        .map(|(name, goal, each, items)| Work::fetch(name, goal, each, items).of(messages)),
    );
    list.extend(
        [
            ("SEARCH UNSEEN", 0.0, 0, "SEARCH UNSEEN"),
            ("SEARCH SUBJECT", 0.005, HEAD, "SEARCH SUBJECT report"),
            ("SEARCH FROM", 0.005, HEAD, "SEARCH FROM grace"),
            ("SEARCH BODY", 0.12, ALL, "SEARCH BODY mountain"),
            ("SEARCH TEXT", 0.15, ALL, "SEARCH TEXT mountain"),
            ("SORT (DATE)", 0.01, HEAD, "SORT (DATE) US-ASCII ALL"),
            ("SORT (SUBJECT)", 0.006, HEAD, "SORT (SUBJECT) US-ASCII ALL"),
            ("THREAD REFERENCES", 0.02, HEAD, "THREAD REFERENCES US-ASCII ALL"),
        ]
        .map(|(name, goal, each, text)| Work::search(name, goal, each, text)),
    );
    list.push(
        Work::new("STATUS of 500 folders", 0.05, Limit::ScanMany, status).of(mail::WITH_MAIL),
    );
    list.push(Work::new("LIST of 5,000 folders", 0.05, Limit::List, names).of(mail::FOLDERS));
    list.push(
        Work::new("LIST of 5,000, RETURN (STATUS)", 0.05, Limit::ScanMany, counts)
            .of(mail::FOLDERS),
    );
    list.push(Work::new("STORE on all", 0.5, Limit::Rename, store).of(messages));
    let copies = COPIES.min(messages);
    let copy = move |server: &Server, session: &mut Session| copy(server, session, copies);
    list.push(Work::new("COPY of 1,000", 0.2, Limit::Link, copy).of(copies));
    list
}

const COUNTS: &str = "(MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)";

/// STATUS of folders, all in one write.
fn statuses(
    server: &Server,
    session: &mut Session,
    folders: std::ops::Range<usize>,
) -> io::Result<Answer> {
    let list: Vec<String> =
        folders.map(|n| format!("STATUS {}f{n:04} {COUNTS}", server.prefix)).collect();
    session.pipeline(&list.iter().map(String::as_str).collect::<Vec<_>>())
}

fn status(server: &Server, session: &mut Session) -> io::Result<Sample> {
    let answer = statuses(server, session, 0..mail::WITH_MAIL)?;
    let whole = format!("MESSAGES {} ", mail::EACH);
    let full = memmem::find_iter(&answer.text, whole.as_bytes()).count() as u64;
    Ok(Sample::counted(answer.seconds, full))
}

fn names(server: &Server, session: &mut Session) -> io::Result<Sample> {
    let answer = session.good("LIST \"\" *")?;
    Ok(Sample::counted(answer.seconds, folders_in(&answer, "* LIST", server)))
}

/// The list with each folder's counts; with Courier, which has no LIST-STATUS, by as many STATUS.
fn counts(server: &Server, session: &mut Session) -> io::Result<Sample> {
    if server.kind != Kind::Courier {
        let list = format!("LIST \"\" {}f* RETURN (STATUS {COUNTS})", server.prefix);
        let answer = session.good(&list)?;
        return Ok(Sample::counted(answer.seconds, folders_in(&answer, "* STATUS", server)));
    }
    let mut all = Sample::counted(session.good("LIST \"\" *")?.seconds, 0);
    // In one write, the client's commands and the server's answers would wait for each other.
    for n in (0..mail::FOLDERS).step_by(mail::WITH_MAIL) {
        let answer = statuses(server, session, n..n + mail::WITH_MAIL)?;
        all.seconds += answer.seconds;
        all.count += folders_in(&answer, "* STATUS", server);
    }
    Ok(all)
}

/// How many lines that begin with these words are of a folder of [`mail::account`].
fn folders_in(answer: &Answer, words: &str, server: &Server) -> u64 {
    let is_right = |line: &&str| {
        let rest = line.strip_prefix(words)?.split_once(&format!("{}f", server.prefix))?.1;
        let digits = rest.split(['"', ' ']).next()?;
        Some(digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    let text = String::from_utf8_lossy(&answer.text);
    text.lines().filter(|line| is_right(line) == Some(true)).count() as u64
}

/// No message has the flag before.
fn store(server: &Server, session: &mut Session) -> io::Result<Sample> {
    session.good("STORE 1:* -FLAGS.SILENT (\\Flagged)")?;
    let answer = session.good("STORE 1:* +FLAGS (\\Flagged)")?;
    let names = mail::names(&server.folder("bench").join("cur"))?;
    let is_flagged = |n: &&String| n.rsplit(":2,").next().is_some_and(|f| f.contains('F'));
    Ok(Sample::counted(answer.seconds, names.iter().filter(is_flagged).count() as u64))
}

/// The other folder is empty before.
fn copy(server: &Server, session: &mut Session, copies: usize) -> io::Result<Sample> {
    let to = server.folder("copy");
    mail::empty(&to)?;
    let answer = session.good(&format!("COPY 1:{copies} {}copy", server.prefix))?;
    Ok(Sample::counted(answer.seconds, mail::count(&to)?))
}
