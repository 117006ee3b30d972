//! How fast a change reaches the sessions in IDLE, and what many idle sessions cost:
//! `scripts/idle-notice`.

use super::client::Session;
use super::mail;
use super::results::{group, median, time};
use super::servers::{Kind, Memory, Server, field, has_namespaces};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Sessions that poll take their time to notice a change, so this many must do.
const POLLED_CHANGES: usize = 20;

/// After so many deliveries of which a session was told too late, or never, there are no more.
const MAX_LATE: usize = 5;

#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub many: bool,
    pub sessions: usize,
    pub changes: usize,
    pub seconds: u64,
}

impl Plan {
    pub fn notice() -> Self {
        Self { many: false, sessions: 8, changes: 100, seconds: 0 }
    }

    pub fn many() -> Self {
        Self { many: true, sessions: 1000, changes: 0, seconds: 130 }
    }

    pub fn run(self, servers: &[Server], base: &Path) -> io::Result<String> {
        let mut out = String::new();
        if self.many {
            out.push_str(&format!(
                "### {} idle sessions of one user in one folder, {} s\n\n",
                group(self.sessions as u64),
                self.seconds
            ));
            out.push_str("| server | sessions | enhanced | PSS each | private dirty each | wake-ups per session and minute | processor per session and minute | times 480 |\n|---|---:|---:|---:|---:|---:|---:|---:|\n");
        } else {
            out.push_str(&format!(
                "### IDLE: notice at {} sessions, {} changes\n\n",
                self.sessions, self.changes
            ));
            out.push_str("| server | change | median | 95 of 100 | worst | missed |\n|---|---|---:|---:|---:|---:|\n");
        }
        let polling = polling(servers, base);
        for server in servers.iter().chain(&polling) {
            let folder = folder(server, base, "idle")?;
            if self.many {
                self.memory(server, &mut out)?
            } else {
                self.notices(server, &folder, &mut out)?
            }
        }
        Ok(out)
    }

    fn notices(&self, server: &Server, folder: &Path, out: &mut String) -> io::Result<()> {
        let listeners = Listeners::start(server, self.sessions)?;
        let (mut actor, _) = Session::start(server.command(true)?)?;
        actor.good(&format!("SELECT {}idle", server.prefix))?;
        let changes = if server.polls { self.changes.min(POLLED_CHANGES) } else { self.changes };
        // A flag set and taken back by another session, from its command to the FETCH line at each
        // of the others.
        let mut flags = Gathered::default();
        for n in 0..changes {
            let sign = if n % 2 == 0 { '+' } else { '-' };
            let begin = Instant::now();
            actor.good(&format!("STORE 1 {sign}FLAGS (\\Flagged)"))?;
            flags.gather(&listeners, begin, "FETCH");
        }
        flags.line(server.name, "STORE by another session", out);
        let mails = deliver(&listeners, folder, changes)?;
        mails.line(server.name, "delivery into new/", out);
        Ok(())
    }

    fn memory(&self, server: &Server, out: &mut String) -> io::Result<()> {
        let (sessions, enhanced) = open(server, self.sessions)?;
        thread::sleep(Duration::from_secs(5));
        let before = Cost::of(&sessions)?;
        thread::sleep(Duration::from_secs(self.seconds));
        let after = Cost::of(&sessions)?;
        let count = sessions.len().max(1) as f64;
        let minutes = self.seconds as f64 / 60.0;
        let (mut pss, mut dirty) = (0, 0);
        for session in &sessions {
            let memory = Memory::of(session.pid())?;
            pss += memory.pss;
            dirty += memory.dirty;
        }
        let processor = (after.nanoseconds - before.nanoseconds) as f64 / 1e9 / count / minutes;
        out.push_str(&format!(
            "| {} | {} | {enhanced} | {:.0} KiB | {:.0} KiB | {:.2} | {} | {} |\n",
            server.name,
            sessions.len(),
            pss as f64 / count,
            dirty as f64 / count,
            (after.wakes - before.wakes) as f64 / count / minutes,
            time(processor),
            time(processor * 480.0),
        ));
        Ok(())
    }
}

/// Ours without inotify, where user namespaces can be had.
fn polling(servers: &[Server], base: &Path) -> Vec<Server> {
    let mut ours = servers.iter().filter(|s| s.kind == Kind::Ours).peekable();
    if ours.peek().is_some() && !has_namespaces() {
        eprintln!("bench: no user namespaces here, sessions that poll are left out");
        return Vec::new();
    }
    ours.map(|s| s.without_inotify(base)).collect()
}

/// A server's folder `name` with ten messages, made anew.
pub fn folder(server: &Server, base: &Path, name: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(&server.home)?;
    let folder = base.join(server.name).join("Maildir").join(format!(".{name}"));
    for sub in ["cur", "new", "tmp"] {
        fs::create_dir_all(server.maildir().join(sub))?;
    }
    mail::empty(&folder)?;
    for n in 0..MESSAGES {
        let name = format!("160000000{n}.M{n}.{name}:2,");
        fs::write(folder.join("cur").join(name), "Subject: x\n\nText\n")?;
    }
    Ok(folder)
}

/// How many messages `folder` makes.
pub const MESSAGES: u64 = 10;

/// Sessions in IDLE in the folder `idle`, and how many of them say that it is the enhanced one.
fn open(server: &Server, count: usize) -> io::Result<(Vec<Session>, usize)> {
    let mut sessions = Vec::new();
    let mut enhanced = 0;
    for _ in 0..count {
        let (mut session, _) = Session::start(server.command(true)?)?;
        session.good(&format!("SELECT {}idle", server.prefix))?;
        let line = session.idle()?;
        enhanced += usize::from(line.contains("ENHANCED") || server.prefix.is_empty());
        sessions.push(session);
    }
    Ok((sessions, enhanced))
}

/// How soon each of `count` sessions in IDLE is told of each of `changes` deliveries.
pub fn delivery_notice(
    server: &Server,
    base: &Path,
    count: usize,
    changes: usize,
) -> io::Result<Gathered> {
    let folder = folder(server, base, "idle")?;
    deliver(&Listeners::start(server, count)?, &folder, changes)
}

/// Delivers messages into `new`, one after the other, each when the one before was told. A server
/// that leaves sessions untold is not waited for again and again: after [`MAX_LATE`] such messages
/// there are no more.
fn deliver(listeners: &Listeners, folder: &Path, changes: usize) -> io::Result<Gathered> {
    let mut mails = Gathered::default();
    let mut late = 0;
    for n in 0..changes {
        let name = format!("{}.M{n}.notice", 1_800_000_000 + n);
        fs::write(folder.join("tmp").join(&name), "Subject: x\n\nText\n")?;
        let begin = Instant::now();
        fs::rename(folder.join("tmp").join(&name), folder.join("new").join(&name))?;
        let missed = mails.missed;
        mails.gather(listeners, begin, "EXISTS");
        late += usize::from(mails.missed > missed);
        if late == MAX_LATE {
            eprintln!("   {MAX_LATE} of {} deliveries were not told to all in 5 s", n + 1);
            break;
        }
    }
    Ok(mails)
}

/// Processor time and voluntary waits of all sessions.
struct Cost {
    nanoseconds: u64,
    wakes: u64,
}

impl Cost {
    fn of(sessions: &[Session]) -> io::Result<Self> {
        let mut cost = Self { nanoseconds: 0, wakes: 0 };
        for session in sessions {
            let pid = session.pid();
            let times = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
            cost.nanoseconds +=
                times.split_whitespace().next().and_then(|w| w.parse::<u64>().ok()).unwrap_or(0);
            cost.wakes += field(
                &fs::read_to_string(format!("/proc/{pid}/status"))?,
                "voluntary_ctxt_switches:",
            );
        }
        Ok(cost)
    }
}

type Heard = (usize, Instant, Vec<u8>);

/// Sessions in IDLE, each with a thread that notes when it is told something.
struct Listeners {
    sessions: Vec<Session>,
    heard: Receiver<Heard>,
}

impl Listeners {
    fn start(server: &Server, count: usize) -> io::Result<Self> {
        let (sessions, _) = open(server, count)?;
        let (send, heard) = channel();
        for (n, session) in sessions.iter().enumerate() {
            let socket = session.socket().try_clone()?;
            let send = send.clone();
            thread::spawn(move || listen(n, socket, &send));
        }
        thread::sleep(Duration::from_millis(500));
        Ok(Self { sessions, heard })
    }
}

fn listen(number: usize, mut socket: UnixStream, send: &Sender<Heard>) {
    let mut buffer = [0; 65536];
    loop {
        match socket.read(&mut buffer) {
            Ok(n) if n > 0 => {
                if send.send((number, Instant::now(), buffer[..n].to_vec())).is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

/// The times of all notices at all sessions.
#[derive(Default)]
pub struct Gathered {
    times: Vec<f64>,
    pub missed: usize,
}

impl Gathered {
    /// Waits until every session has heard `word`, at most five seconds.
    fn gather(&mut self, listeners: &Listeners, begin: Instant, word: &str) {
        let mut heard = vec![false; listeners.sessions.len()];
        let finder = memchr::memmem::Finder::new(word);
        while heard.contains(&false) {
            let left = Duration::from_secs(5).saturating_sub(begin.elapsed());
            let Ok((n, when, text)) = listeners.heard.recv_timeout(left) else { break };
            if finder.find(&text).is_some() && !heard[n] {
                heard[n] = true;
                self.times.push(when.saturating_duration_since(begin).as_secs_f64());
            }
        }
        self.missed += heard.iter().filter(|h| !**h).count();
        // The rest of the burst, and quiet before the next change.
        thread::sleep(Duration::from_millis(40));
        while listeners.heard.try_recv().is_ok() {}
        let _ = io::stderr().flush();
    }

    /// The time below which this part of them lies.
    pub fn at(&self, part: f64) -> Option<f64> {
        let mut times = self.times.clone();
        times.sort_by(f64::total_cmp);
        times.get(((times.len().max(1) - 1) as f64 * part) as usize).copied()
    }

    fn line(&self, server: &str, what: &str, out: &mut String) {
        let at = |part: f64| self.at(part).map_or("–".to_owned(), time);
        let middle = median(&self.times).map_or("–".to_owned(), time);
        out.push_str(&format!(
            "| {server} | {what} | {middle} | {} | {} | {} |\n",
            at(0.95),
            at(1.0),
            self.missed
        ));
    }
}
