//! One round: every piece of work on every server in turn, so that a slow minute of the machine
//! falls on all of them.
//!
//! What an index may spare is played by ours three times: *first*, when nothing is known of the
//! folder but the UIDs; *again* in the same session; and *warm*, by a new session, when earlier ones
//! have done all of the work once. So do Courier, which keeps nothing, and Dovecot, whose caches are
//! filled by then. The warm times stand side by side.

use super::client::Session;
use super::results::{Results, Room, group, median};
use super::servers::{Kind, Memory, Server};
use super::work::{self, COPIES, Sample, Work};
use super::{limits, mail};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Sizes of the work that does not grow with the folder.
const STARTS: usize = 20;
const NOOPS: usize = 50;
const SINGLES: usize = 200;
const NOTICES: usize = 10;
/// Warm work is done by new sessions until it took this long, or so often: short times scatter.
const ENOUGH: f64 = 0.1;
const MOST: usize = 7;

pub struct Bench {
    pub servers: Vec<Server>,
    pub results: Results,
    pub base: PathBuf,
    pub master: PathBuf,
    pub samples: Vec<Vec<u8>>,
    /// Only the work whose name holds this.
    pub only: Option<String>,
    /// Only SELECT, FLAGS and NOOP: for the very large folder.
    pub few: bool,
    pub round: usize,
}

type Sessions = Vec<Option<Session>>;

impl Bench {
    pub fn round(&mut self) -> io::Result<()> {
        let limit = self.base.join("limit");
        for maildir in self.servers.iter().map(Server::maildir).chain([limit.clone()]) {
            mail::fill(&maildir.join(".bench"), &self.master)?;
            for folder in ["copy", "moved", "append", "fast"] {
                mail::empty(&maildir.join(format!(".{folder}")))?;
            }
        }
        let own = limit.join(".bench");
        self.results.names = mail::names(&own.join("cur"))?.iter().map(|n| n.len() as u64).sum();
        settle();
        let mut none: Sessions = self.servers.iter().map(|_| None).collect();
        self.starts(&mut none)?;
        let total = self.results.messages as u64;
        let name = "first SELECT (no UID database)";
        self.each(name, Some(0.5), Some(total), &mut none, |server, _| {
            let (mut session, _) = Session::start(server.command(true)?)?;
            let answer = session.good(&format!("SELECT {}bench", server.prefix))?;
            session.logout()?;
            Ok(Sample::counted(answer.seconds, answer.exists().unwrap_or(0)))
        });
        self.limit(name, "getdents", limits::scan(&own)?);

        let mut list = work::list(self.results.messages, self.few);
        list.retain(|work| self.wanted(work.name));
        settle();
        for work in &list {
            self.first_and_again(work);
        }
        self.learn(&list)?;
        settle();
        self.idle()?;
        for work in &list {
            self.each(work.name, work.goal, work.expected, &mut none, |server, _| {
                warm(server, work)
            });
            if let Some((what, seconds)) = work.limit(&limit)? {
                self.limit(work.name, what, seconds);
            }
        }
        self.results.room = self.room()?;
        self.one_way(&limit)
    }

    fn starts(&mut self, none: &mut Sessions) -> io::Result<()> {
        self.each("exec to greeting", Some(0.5), None, none, |server, _| {
            let mut times = Vec::new();
            for _ in 0..STARTS {
                let (session, seconds) = Session::start(server.command(true)?)?;
                session.logout()?;
                times.push(seconds);
            }
            Ok(Sample::counted(median(&times).unwrap_or(0.0), 1))
        });
        let mut times = Vec::new();
        for _ in 0..STARTS {
            times.push(limits::exec()?);
        }
        self.limit("exec to greeting", "exec of true", median(&times).unwrap_or(0.0));
        Ok(())
    }

    /// Ours only: without an index, and once more in the same session.
    fn first_and_again(&mut self, work: &Work) {
        let at = self.results.row(work.name, work.goal);
        for server in self.servers.iter().filter(|s| s.kind == Kind::Ours) {
            let played = mail::forget(&server.maildir()).and_then(|()| {
                let mut session = opened(server, work.opens)?;
                let first = (work.play)(server, &mut session)?;
                let again = (work.play)(server, &mut session)?;
                let memory = Memory::of(session.pid())?;
                session.logout()?;
                Ok((first, again, memory))
            });
            match played {
                Ok((first, again, memory)) => {
                    self.results.used(server.name, memory);
                    let row = &mut self.results.rows[at];
                    row.first.push(first.seconds);
                    row.again.push(again.seconds);
                    for (way, sample) in [("first", first), ("again", again)] {
                        let who = format!("{}, {way}", server.name);
                        row.answers.push((who, sample.count, sample.bytes));
                    }
                }
                Err(e) => self.results.fails(format!("{}, first: {}: {e}", work.name, server.name)),
            }
        }
    }

    /// Sessions do all of it, where that helps the next one: two, because Dovecot adds to its cache
    /// what it has been asked for before.
    fn learn(&mut self, list: &[Work]) -> io::Result<()> {
        let servers = self.servers.iter().filter(|s| s.kind != Kind::Courier);
        for server in servers.flat_map(|s| [s, s]) {
            let mut session = opened(server, true)?;
            // As in life: every folder was opened once.
            for n in 0..mail::WITH_MAIL {
                session.good(&format!("SELECT {}f{n:04}", server.prefix))?;
            }
            session.good(&format!("SELECT {}bench", server.prefix))?;
            for work in list {
                (work.play)(server, &mut session)?;
            }
            session.logout()?;
        }
        Ok(())
    }

    /// The memory of a session that has opened the folder and waits.
    fn idle(&mut self) -> io::Result<()> {
        for server in &self.servers {
            let mut session = opened(server, true)?;
            session.good("NOOP")?;
            self.results.idle.insert(server.name, Memory::of(session.pid())?);
            session.logout()?;
        }
        Ok(())
    }

    /// The room that our index takes.
    fn room(&self) -> io::Result<Option<Room>> {
        let Some(server) = self.servers.iter().find(|s| s.kind == Kind::Ours) else {
            return Ok(None);
        };
        let folder = server.folder("bench");
        let size = |name: &str| folder.join(name).metadata().map_or(0, |m| m.len());
        let bases = mail::names(&folder.join("cur"))?;
        let bases = bases.iter().map(|n| n.split(":2,").next().unwrap_or(n).len() as u64);
        Ok(Some(Room { state: size(mail::STATE), facts: size(mail::FACTS), names: bases.sum() }))
    }

    /// What is played once: by one session of each server, which shows its peak of memory.
    fn one_way(&mut self, limit: &Path) -> io::Result<()> {
        let mut open: Sessions = self.servers.iter().map(|s| opened(s, true).ok()).collect();
        self.each("NOOP, nothing changed", Some(0.01), None, &mut open, |_, session| {
            let session = need(session)?;
            let mut seconds = 0.0;
            for _ in 0..NOOPS {
                seconds += session.good("NOOP")?.seconds;
            }
            Ok(Sample::counted(seconds / NOOPS as f64, 1))
        });
        if self.few {
            return self.finish(open);
        }
        let total = self.results.messages as u64;
        self.each("one BODY.PEEK[]", None, Some(SINGLES as u64), &mut open, |_, session| {
            let session = need(session)?;
            let (mut seconds, mut lines) = (0.0, 0);
            for n in 0..SINGLES as u64 {
                // Spread over the folder.
                let answer =
                    session.good(&format!("FETCH {} BODY.PEEK[]", 1 + n * 7919 % total))?;
                seconds += answer.seconds;
                lines += answer.lines;
            }
            Ok(Sample::counted(seconds / SINGLES as f64, lines))
        });
        self.moves(&mut open);
        self.appends(&mut open)?;
        self.notice(&mut open);
        self.expunge(&mut open)?;
        self.limit("EXPUNGE of half", "unlink", limits::unlink(&limit.join(".bench"))?);
        self.finish(open)
    }

    /// The copies go on into another folder; with Courier, which has no MOVE, by COPY, STORE and
    /// EXPUNGE.
    fn moves(&mut self, open: &mut Sessions) {
        let copies = COPIES.min(self.results.messages);
        self.each("MOVE of 1,000", None, Some(copies as u64), open, |server, session| {
            let session = need(session)?;
            let to = format!("{}moved", server.prefix);
            mail::empty(&server.folder("copy"))?;
            session.good(&format!("COPY 1:{copies} {}copy", server.prefix))?;
            session.good(&format!("SELECT {}copy", server.prefix))?;
            let commands = match server.kind {
                Kind::Courier => vec![
                    format!("COPY 1:{copies} {to}"),
                    format!("STORE 1:{copies} +FLAGS.SILENT (\\Deleted)"),
                    "EXPUNGE".to_owned(),
                ],
                _ => vec![format!("MOVE 1:{copies} {to}")],
            };
            let mut seconds = 0.0;
            for command in commands {
                seconds += session.good(&command)?.seconds;
            }
            session.good(&format!("SELECT {}bench", server.prefix))?;
            Ok(Sample::counted(seconds, mail::count(&server.folder("moved"))?))
        });
    }

    fn appends(&mut self, open: &mut Sessions) -> io::Result<()> {
        let samples = std::mem::take(&mut self.samples);
        let wanted = Some(samples.len() as u64);
        let limit = self.base.join("limit");
        let mut fast: Sessions = self.servers.iter().map(|s| self::start(s, false)).collect();
        for (how, folder, sync) in [("synced", "append", true), ("no sync", "fast", false)] {
            let name = &format!("APPEND of {}, {how}", group(samples.len() as u64));
            let sessions = if sync { &mut *open } else { &mut fast };
            self.each(name, None, wanted, sessions, |server, session| {
                let session = need(session)?;
                let box_name = format!("{}{folder}", server.prefix);
                let mut seconds = 0.0;
                for message in &samples {
                    let answer = session.append(&box_name, message)?;
                    seconds += answer.seconds;
                    if !answer.ok {
                        return Err(io::Error::other(answer.last));
                    }
                }
                Ok(Sample::counted(seconds, mail::count(&server.folder(folder))?))
            });
            if self.wanted(name) {
                let what = if sync { "write, sync, rename" } else { "write, rename" };
                self.limit(
                    name,
                    what,
                    limits::append(&limit.join(format!(".{folder}")), &samples, sync)?,
                );
            }
        }
        self.samples = samples;
        Ok(())
    }

    /// A message is delivered while a session is in IDLE: from the rename into new/ to EXISTS at
    /// the client.
    fn notice(&mut self, open: &mut Sessions) {
        let message = b"From: a@example.com\nSubject: notice\n\nText\n";
        self.each(
            "IDLE: delivery to notice",
            None,
            Some(NOTICES as u64),
            open,
            |server, session| {
                let session = need(session)?;
                let folder = server.folder("bench");
                session.idle()?;
                let mut times = Vec::new();
                for n in 0..NOTICES {
                    std::thread::sleep(Duration::from_millis(60));
                    let name = format!("{}.notice{n}", 1_800_000_000 + n);
                    std::fs::write(folder.join("tmp").join(&name), message)?;
                    let begin = Instant::now();
                    std::fs::rename(
                        folder.join("tmp").join(&name),
                        folder.join("new").join(&name),
                    )?;
                    if let Some(came) = session.notice(b" EXISTS\r\n", Duration::from_secs(5))? {
                        times.push((came - begin).as_secs_f64());
                    }
                }
                session.idle_done()?;
                Ok(Sample::counted(median(&times).unwrap_or(5.0), times.len() as u64))
            },
        );
    }

    fn expunge(&mut self, open: &mut Sessions) -> io::Result<()> {
        let half = self.results.messages / 2;
        self.each("EXPUNGE of half", None, None, open, |server, session| {
            let session = need(session)?;
            session.good(&format!("STORE 1:{half} +FLAGS.SILENT (\\Deleted)"))?;
            session.good("NOOP")?;
            // One in a hundred was \Deleted before.
            let before = mail::count(&server.folder("bench"))?;
            let answer = session.good("EXPUNGE")?;
            let gone = memchr::memmem::find_iter(&answer.text, b" EXPUNGE\r\n").count() as u64;
            let after = mail::count(&server.folder("bench"))?;
            if before - after != gone {
                return Err(io::Error::other(format!(
                    "{gone} EXPUNGE lines, {} files gone",
                    before - after
                )));
            }
            Ok(Sample::counted(answer.seconds, gone))
        });
        Ok(())
    }

    fn finish(&mut self, open: Sessions) -> io::Result<()> {
        for (server, session) in self.servers.iter().zip(open) {
            if let Some(session) = session {
                self.results.used(server.name, Memory::of(session.pid())?);
                session.logout()?;
            }
        }
        Ok(())
    }

    fn wanted(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()) || name == "SELECT")
    }

    /// Plays one piece of work on each server, beginning with another one in each round.
    fn each(
        &mut self,
        name: &str,
        goal: Option<f64>,
        expected: Option<u64>,
        sessions: &mut Sessions,
        mut work: impl FnMut(&Server, &mut Option<Session>) -> io::Result<Sample>,
    ) {
        if !self.wanted(name) {
            return;
        }
        let at = self.results.row(name, goal);
        let count = self.servers.len();
        for k in 0..count {
            let n = (k + self.round) % count;
            let (Some(server), Some(session)) = (self.servers.get(n), sessions.get_mut(n)) else {
                continue;
            };
            let row = &mut self.results.rows[at];
            row.expected = expected;
            match work(server, session) {
                Ok(sample) => {
                    row.times.entry(server.name).or_default().push(sample.seconds);
                    row.answers.push((server.name.to_owned(), sample.count, sample.bytes));
                    self.results.used(server.name, sample.memory);
                }
                Err(e) => {
                    self.results.fails(format!("{name}: {}: {e}", server.name));
                    // The times of a round stand side by side.
                    let row = &mut self.results.rows[at];
                    row.times.entry(server.name).or_default().push(f64::NAN);
                    if session.is_some() {
                        *session = opened(server, true).ok();
                    }
                }
            }
        }
        eprint!(".");
    }

    fn limit(&mut self, name: &str, what: &'static str, seconds: f64) {
        if self.wanted(name) {
            let at = self.results.row(name, None);
            self.results.rows[at].limit.push(seconds);
            self.results.rows[at].limit_name = what;
        }
    }
}

/// Changes of a directory must be older than the clock's granularity before anyone may trust its
/// time.
fn settle() {
    std::thread::sleep(Duration::from_millis(1200));
}

/// A new session, in which the folder is open if wished.
fn opened(server: &Server, opens: bool) -> io::Result<Session> {
    let (mut session, _) = Session::start(server.command(true)?)?;
    if opens {
        session.good(&format!("SELECT {}bench", server.prefix))?;
    }
    Ok(session)
}

/// The work as new sessions do it.
fn warm(server: &Server, work: &Work) -> io::Result<Sample> {
    let mut times = Vec::new();
    let mut count = None;
    loop {
        let mut session = opened(server, work.opens)?;
        let sample = (work.play)(server, &mut session)?;
        let memory = Memory::of(session.pid())?;
        session.logout()?;
        times.push(sample.seconds);
        if *count.get_or_insert(sample.count) != sample.count {
            return Err(io::Error::other("sessions in a row gave different counts"));
        }
        if times.len() == MOST || times.iter().sum::<f64>() > ENOUGH {
            return Ok(Sample { seconds: median(&times).unwrap_or(f64::NAN), memory, ..sample });
        }
    }
}

fn start(server: &Server, sync: bool) -> Option<Session> {
    match Session::start(server.command(sync).ok()?) {
        Ok((session, _)) => Some(session),
        Err(e) => {
            eprintln!("{}: {e}", server.name);
            None
        }
    }
}

fn need(session: &mut Option<Session>) -> io::Result<&mut Session> {
    session.as_mut().ok_or_else(|| io::Error::other("the session could not be started"))
}
