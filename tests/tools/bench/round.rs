//! One round: every piece of work on every server in turn, so that a slow minute of the machine
//! falls on all of them.

use super::client::{Answer, Session};
use super::results::{Results, group, median};
use super::servers::{Kind, Memory, Server};
use super::{limits, mail};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Sizes of the work that does not grow with the folder.
pub const COPIES: usize = 1000;
const STARTS: usize = 20;
const NOOPS: usize = 50;
const SINGLES: usize = 200;
const NOTICES: usize = 10;

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

/// What one piece of work took, and what shows that it was done.
pub struct Sample {
    pub seconds: f64,
    pub count: u64,
    pub bytes: u64,
}

impl Sample {
    fn lines(answer: &Answer) -> Self {
        Self { seconds: answer.seconds, count: answer.lines, bytes: answer.bytes }
    }

    /// Bytes are compared only where servers owe the same.
    fn counted(seconds: f64, count: u64) -> Self {
        Self { seconds, count, bytes: 0 }
    }
}

type Sessions = Vec<Option<Session>>;

impl Bench {
    pub fn round(&mut self) -> io::Result<()> {
        for server in &self.servers {
            mail::fill(&server.folder("bench"), &self.master)?;
            mail::empty(&server.folder("copy"))?;
            mail::empty(&server.folder("moved"))?;
            mail::empty(&server.folder("append"))?;
            mail::empty(&server.folder("fast"))?;
        }
        let limit = self.base.join("limit");
        let own = limit.join(".bench");
        mail::fill(&own, &self.master)?;
        mail::empty(&limit.join(".copy"))?;
        mail::empty(&limit.join(".append"))?;
        mail::empty(&limit.join(".fast"))?;
        let total = self.results.messages as u64;
        self.results.names = mail::names(&own.join("cur"))?.iter().map(|n| n.len() as u64).sum();
        // Changes of a directory must be older than the clock's granularity before anyone may trust
        // its time.
        std::thread::sleep(Duration::from_millis(1200));

        let mut none: Sessions = self.servers.iter().map(|_| None).collect();
        self.each("exec to greeting", Some(0.5), None, &mut none, |server, _| {
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

        self.each(
            "first SELECT (no UID database)",
            Some(0.5),
            Some(total),
            &mut none,
            |server, _| {
                let (mut session, _) = Session::start(server.command(true)?)?;
                let answer = session.good(&format!("SELECT {}bench", server.prefix))?;
                session.logout()?;
                Ok(Sample::counted(answer.seconds, answer.exists().unwrap_or(0)))
            },
        );
        self.limit("first SELECT (no UID database)", "getdents", limits::scan(&own)?);

        // From here on one session of each server does everything, for its peak of memory.
        let mut open: Sessions = Vec::new();
        for server in &self.servers {
            open.push(self::start(server, true));
        }
        self.each("SELECT", Some(0.2), Some(total), &mut open, |server, session| {
            let answer = need(session)?.good(&format!("SELECT {}bench", server.prefix))?;
            Ok(Sample::counted(answer.seconds, answer.exists().unwrap_or(0)))
        });
        self.limit("SELECT", "getdents", limits::scan(&own)?);
        self.each("SELECT again", Some(0.2), Some(total), &mut open, |server, session| {
            let answer = need(session)?.good(&format!("SELECT {}bench", server.prefix))?;
            Ok(Sample::counted(answer.seconds, answer.exists().unwrap_or(0)))
        });
        self.each("NOOP, nothing changed", Some(0.01), None, &mut open, |_, session| {
            let session = need(session)?;
            let mut seconds = 0.0;
            for _ in 0..NOOPS {
                seconds += session.good("NOOP")?.seconds;
            }
            Ok(Sample::counted(seconds / NOOPS as f64, 1))
        });
        for (server, session) in self.servers.iter().zip(&open) {
            if let Some(session) = session {
                self.results.idle.insert(server.name, Memory::of(session.pid())?);
            }
        }
        let all = "1:*";
        let heads = [
            ("FETCH FLAGS", Some(0.3), "FLAGS"),
            ("FETCH RFC822.SIZE", Some(0.2), "RFC822.SIZE"),
            ("FETCH ENVELOPE, FLAGS, INTERNALDATE", Some(0.15), "(ENVELOPE FLAGS INTERNALDATE)"),
            (
                "FETCH of header fields",
                Some(0.15),
                "(UID BODY.PEEK[HEADER.FIELDS (From To Cc Subject Date Message-ID References)])",
            ),
            ("FETCH BODYSTRUCTURE", Some(0.3), "BODYSTRUCTURE"),
            ("FETCH BODY.PEEK[] of all", Some(0.2), "BODY.PEEK[]"),
        ];
        for (name, goal, items) in heads {
            if self.few && items != "FLAGS" {
                continue;
            }
            let text = format!("FETCH {all} {items}");
            self.each(name, goal, Some(total), &mut open, |_, session| {
                Ok(Sample::lines(&need(session)?.good(&text)?))
            });
            match items {
                "FLAGS" => (),
                _ if !self.wanted(name) => (),
                "RFC822.SIZE" | "BODY.PEEK[]" | "BODYSTRUCTURE" => {
                    self.limit(name, "cat", limits::read(&own, usize::MAX)?)
                }
                _ => self.limit(name, "first 4 KiB of each", limits::read(&own, 4096)?),
            }
        }
        if self.few {
            return self.finish(open);
        }
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
        let searches = [
            ("SEARCH UNSEEN", None, "SEARCH UNSEEN", ""),
            ("SEARCH SUBJECT", Some(0.08), "SEARCH SUBJECT report", "first 4 KiB of each"),
            ("SEARCH FROM", Some(0.08), "SEARCH FROM grace", "first 4 KiB of each"),
            ("SEARCH BODY", Some(0.15), "SEARCH BODY mountain", "cat"),
            ("SEARCH TEXT", Some(0.15), "SEARCH TEXT mountain", "cat"),
            ("SORT (DATE)", Some(0.15), "SORT (DATE) US-ASCII ALL", "first 4 KiB of each"),
            ("SORT (SUBJECT)", Some(0.15), "SORT (SUBJECT) US-ASCII ALL", "first 4 KiB of each"),
            (
                "THREAD REFERENCES",
                Some(0.15),
                "THREAD REFERENCES US-ASCII ALL",
                "first 4 KiB of each",
            ),
        ];
        for (name, goal, text, limit) in searches {
            self.each(name, goal, None, &mut open, |_, session| {
                let answer = need(session)?.good(text)?;
                Ok(Sample::counted(answer.seconds, answer.hits()))
            });
            if self.wanted(name) && !limit.is_empty() {
                let each = if limit == "cat" { usize::MAX } else { 4096 };
                self.limit(name, limit, limits::read(&own, each)?);
            }
        }
        self.each("STORE on all", Some(0.5), Some(total), &mut open, |server, session| {
            let answer = need(session)?.good("STORE 1:* +FLAGS (\\Flagged)")?;
            // Dovecot does not speak of messages that had the flag: the names tell.
            let names = mail::names(&server.folder("bench").join("cur"))?;
            let flagged =
                names.iter().filter(|n| n.rsplit(":2,").next().is_some_and(|f| f.contains('F')));
            Ok(Sample::counted(answer.seconds, flagged.count() as u64))
        });
        if self.wanted("STORE on all") {
            self.limit("STORE on all", "rename", limits::rename(&own)?);
        }
        let copies = COPIES.min(self.results.messages);
        self.each("COPY of 1,000", Some(0.2), Some(copies as u64), &mut open, |server, session| {
            let answer = need(session)?.good(&format!("COPY 1:{copies} {}copy", server.prefix))?;
            Ok(Sample::counted(answer.seconds, mail::count(&server.folder("copy"))?))
        });
        self.limit(
            "COPY of 1,000",
            "link, one sync",
            limits::link(&own, &limit.join(".copy"), copies)?,
        );
        self.moves(&mut open, copies)?;
        self.appends(&mut open)?;
        self.folders(&mut open)?;
        self.notice(&mut open);
        self.expunge(&mut open)?;
        self.limit("EXPUNGE of half", "unlink", limits::unlink(&own)?);
        self.finish(open)
    }

    /// The copies go on into another folder; with Courier, which has no MOVE, by COPY, STORE and
    /// EXPUNGE.
    fn moves(&mut self, open: &mut Sessions, copies: usize) -> io::Result<()> {
        self.each("MOVE of 1,000", None, Some(copies as u64), open, |server, session| {
            let session = need(session)?;
            let to = format!("{}moved", server.prefix);
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
        Ok(())
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

    fn folders(&mut self, open: &mut Sessions) -> io::Result<()> {
        let name = "STATUS of 500 folders";
        self.each(name, Some(0.3), Some(mail::WITH_MAIL as u64), open, |server, session| {
            let items = "(MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)";
            let list: Vec<String> = (0..mail::WITH_MAIL)
                .map(|n| format!("STATUS {}f{n:04} {items}", server.prefix))
                .collect();
            let list: Vec<&str> = list.iter().map(String::as_str).collect();
            let answer = need(session)?.pipeline(&list)?;
            let whole = format!("MESSAGES {} ", mail::EACH);
            let full = memchr::memmem::find_iter(&answer.text, whole.as_bytes()).count() as u64;
            Ok(Sample::counted(answer.seconds, full))
        });
        let limit = self.base.join("limit");
        let list: Vec<PathBuf> =
            (0..mail::WITH_MAIL).map(|n| limit.join(format!(".f{n:04}"))).collect();
        self.limit(name, "getdents", limits::scan_many(&list)?);
        let name = "LIST of 5,000 folders";
        self.each(name, Some(0.3), Some(mail::FOLDERS as u64), open, |server, session| {
            let answer = need(session)?.good("LIST \"\" *")?;
            let lines = String::from_utf8_lossy(&answer.text);
            let start = if server.prefix.is_empty() { "f" } else { "INBOX.f" };
            let right = |l: &&str| {
                let name = l.rsplit(' ').next().unwrap_or("").trim_matches('"');
                name.strip_prefix(start)
                    .is_some_and(|r| r.len() == 4 && r.bytes().all(|b| b.is_ascii_digit()))
            };
            Ok(Sample::counted(answer.seconds, lines.lines().filter(right).count() as u64))
        });
        self.limit(name, "getdents", limits::list(&limit)?);
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
                let now = Memory::of(session.pid())?;
                let before = self.results.end.get(server.name).copied().unwrap_or_default();
                self.results
                    .end
                    .insert(server.name, Memory { peak: now.peak.max(before.peak), ..now });
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
                    row.counts.insert(server.name, sample.count);
                    if sample.bytes > 0 {
                        row.bytes.insert(server.name, sample.bytes);
                    }
                }
                Err(e) => {
                    let line = format!("{name}: {}: {e}", server.name);
                    eprintln!("{line}");
                    if !self.results.wrong.contains(&line) {
                        self.results.wrong.push(line);
                    }
                    // The times of a round stand side by side.
                    row.times.entry(server.name).or_default().push(f64::NAN);
                    if session.is_some() {
                        *session = self::start(server, true);
                        if let Some(s) = session {
                            let _ = s.command(&format!("SELECT {}bench", server.prefix));
                        }
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
