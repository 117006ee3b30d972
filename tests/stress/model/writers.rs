//! Those who change the folders and keep nothing: sessions of ours and of Courier's, deliveries, and
//! hands that know nothing of sessions.

use super::acts::some_flags;
use super::stage::{FOLDERS, KEYWORDS, Manner, Stage, message, names};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};
use support::Random;
use support::client::{Allow, Client, Result, Stop};

/// A session that changes things.
#[derive(Default)]
pub struct Writer {
    pub is_courier: bool,
    session: Option<(Client, usize, Manner)>,
    /// Whether a folder is open: on a full disk it may be refused.
    is_open: bool,
}

impl Writer {
    pub fn new(is_courier: bool) -> Writer {
        Writer { is_courier, session: None, is_open: false }
    }

    /// Does a few things; whether what it changed is recorded by sessions of ours.
    pub fn act(&mut self, stage: &Stage, manner: Manner, r: &mut Random) -> Result<bool> {
        let done = self.try_to_act(stage, manner, r);
        let is_recorded = self.session.as_ref().is_some_and(|(_, _, manner)| {
            !matches!(manner, Manner::NoIndex | Manner::NoExtensions | Manner::NoLocks)
        });
        if done.is_err() || r.percent(40) {
            let is_killed = self.end(stage, r);
            if done.is_ok() {
                is_killed?;
            }
        }
        match done {
            // What Courier's sessions do wrong is theirs.
            Err(stop) if self.is_courier => {
                stage.note(format!("    Courier's session stopped: {stop:.60?}"));
                Ok(false)
            }
            Err(Stop::Dead) => Err(Stop::Wrong("a session ended by itself".to_owned())),
            done => done.map(|()| is_recorded && !self.is_courier),
        }
    }

    fn end(&mut self, stage: &Stage, r: &mut Random) -> Result<()> {
        let Some((mut client, ..)) = self.session.take() else { return Ok(()) };
        match r.below(3) {
            0 => drop(client.send(b"bye LOGOUT\r\n")),
            1 => client.process.kill(),
            _ => {}
        }
        stage.end(client)
    }

    fn try_to_act(&mut self, stage: &Stage, manner: Manner, r: &mut Random) -> Result<()> {
        if self.session.is_none() {
            let client = match self.is_courier {
                true => stage.courier()?,
                false => stage.ours(r.below(2), manner)?,
            };
            let folder = r.below(FOLDERS.len());
            self.session = Some((client, folder, manner));
            self.select(folder)?;
        }
        let Some((_, _, manner)) = &self.session else { return Ok(()) };
        let who = if self.is_courier { "Courier".to_owned() } else { format!("{manner:?}") };
        for _ in 0..1 + r.below(3) {
            if !self.is_open {
                stage.note(format!("    {who}: no folder is open"));
                self.session = None;
                return Ok(());
            }
            let what = self.command(r)?;
            stage.note(format!("    {who}: {what}"));
        }
        Ok(())
    }

    fn select(&mut self, folder: usize) -> Result<()> {
        let Some((client, selected, _)) = &mut self.session else { return Ok(()) };
        client.picture.clear();
        *selected = folder;
        let reply = client.cmd(&format!("SELECT {}", FOLDERS[folder]), Allow::Expunge)?;
        self.is_open = reply.word == "OK";
        Ok(())
    }

    /// One command, as a note.
    fn command(&mut self, r: &mut Random) -> Result<String> {
        let is_courier = self.is_courier;
        let Some((client, folder, manner)) = &mut self.session else { return Ok(String::new()) };
        let count = client.picture.len();
        let from = 1 + r.below(count);
        let set = format!("{from}:{}", count.min(from + r.below(3)));
        let mut flags = some_flags(r);
        if *manner == Manner::NoKeywords {
            flags.retain(|flag| !KEYWORDS.contains(flag));
        }
        let flags = flags.join(" ");
        let other = FOLDERS[r.below(FOLDERS.len())];
        let dice = if count == 0 { 60 + r.below(40) } else { r.below(100) };
        let command = match dice {
            0..40 => {
                let sign = ["+", "-", ""][r.below(3)];
                format!("STORE {set} {sign}FLAGS ({flags})")
            }
            40..46 => format!("FETCH {from} BODY[TEXT]"),
            46..50 => format!("COPY {set} {other}"),
            50..54 if !is_courier && *manner != Manner::NoExtensions => {
                format!("MOVE {set} {other}")
            }
            54..60 => format!("STORE {set} +FLAGS (\\Deleted)"),
            60..72 => {
                let command = format!("APPEND {other} ({flags})");
                client.cmd_literal(&command, &message(r.number()), false)?;
                return Ok(command);
            }
            72..84 => "EXPUNGE".to_owned(),
            84..94 => "NOOP".to_owned(),
            _ => {
                let other = 1 - *folder;
                self.select(other)?;
                return Ok(format!("SELECT {}", FOLDERS[other]));
            }
        };
        client.cmd(&command, Allow::Expunge)?;
        Ok(command)
    }
}

/// The calls at which a session is killed, and up to which time.
const CALLS: &[(&str, usize)] = &[
    ("rename", 6),
    ("renameat", 6),
    ("renameat2", 6),
    ("unlinkat", 8),
    ("linkat", 5),
    ("write", 10),
    ("pwrite64", 4),
    ("writev", 4),
    ("ftruncate", 3),
    ("fdatasync", 3),
    ("openat", 60),
];

/// A session that is killed in the middle of what it does.
pub fn killed(stage: &Stage, r: &mut Random) -> Result<()> {
    let inner = stage.command(r.below(2), Manner::Usual);
    let (call, times) = CALLS[r.below(CALLS.len())];
    let when = 1 + r.below(times);
    let by_call = stage.props.has_strace && r.percent(80);
    let command = if by_call {
        let mut command = Command::new("/usr/bin/strace");
        command.args(["-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e"]);
        command.arg(format!("inject={call}:signal=SIGKILL:when={when}"));
        command.arg(inner.get_program()).args(inner.get_args());
        stage.environment(&mut command, Manner::Usual);
        command
    } else {
        inner
    };
    let folder = r.below(FOLDERS.len());
    let tail = if r.percent(50) { " (CONDSTORE)" } else { "" };
    let flags = some_flags(r).join(" ");
    let what = match r.below(6) {
        0..3 => format!("STORE 1:* {}FLAGS ({flags})", ["+", "-", ""][r.below(3)]),
        3 => "EXPUNGE".to_owned(),
        4 => format!("MOVE 1 {}", FOLDERS[1 - folder]),
        _ => "NOOP".to_owned(),
    };
    let at = if by_call { format!("{call} {when}") } else { "any moment".to_owned() };
    stage.note(format!("    killed at {at}: SELECT {}{tail}, {what}", FOLDERS[folder]));
    let run = || -> Result<()> {
        let mut client = stage.start(command, false)?;
        client.cmd(&format!("SELECT {}{tail}", FOLDERS[folder]), Allow::Expunge)?;
        client.send(format!("x {what}\r\n").as_bytes())?;
        if by_call {
            client.finish("x", Allow::Expunge)?;
        } else {
            std::thread::sleep(Duration::from_micros(r.below(2_500) as u64));
        }
        client.process.kill();
        Ok(())
    };
    match run() {
        Err(Stop::Wrong(what)) if !what.contains("no greeting") => return Err(Stop::Wrong(what)),
        _ => {}
    }
    // A dead session's lock costs five seconds: once in a while, not always.
    for folder in 0..FOLDERS.len() {
        let lock = stage.path(folder).join("tmp/courier.lock");
        let holder = fs::read_to_string(&lock).unwrap_or_default();
        let pid = holder.split(':').next().filter(|pid| !pid.is_empty());
        let is_dead = pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if is_dead && r.percent(90) {
            let _ = fs::remove_file(lock);
        }
    }
    Ok(())
}

/// A delivery: into `new`, or straight into `cur`.
pub fn deliver(stage: &Stage, r: &mut Random) {
    let folder = r.below(FOLDERS.len());
    let path = stage.path(folder);
    let is_crowded = names(&path.join("cur")).len() > 60;
    for _ in 0..if is_crowded { 0 } else { 1 + r.below(2) } {
        let name = format!("{}.M{}P7.agent", support::now(), r.below(1_000_000));
        let text = message(r.number());
        let target = match r.below(10) {
            0..8 => path.join("new").join(&name),
            _ => path.join("cur").join(format!("{name}:2,{}", r.of(&["", "S", "FS"]))),
        };
        let tmp = path.join("tmp").join(&name);
        let done = fs::write(&tmp, text).and_then(|()| fs::rename(&tmp, &target));
        stage.note(format!("    delivered {}: {done:?}", target.display()));
        if done.is_err() {
            let _ = fs::remove_file(&tmp);
        }
    }
}

/// Messages that a hand has taken away, and may put back.
pub type Away = Vec<(usize, String, Vec<u8>)>;

/// A hand that changes the folder.
pub fn meddle(stage: &Stage, away: &mut Away, r: &mut Random) {
    let folder = r.below(FOLDERS.len());
    let path = stage.path(folder);
    let (cur, kept) = (path.join("cur"), path.join("courierimapkeywords"));
    let all = names(&cur);
    if r.percent(8) && !away.is_empty() {
        let (folder, name, text) = away.remove(r.below(away.len()));
        let to = stage.path(folder).join("cur").join(&name);
        stage.note(format!("    hand: {name} is put back: {:?}", fs::write(to, text)));
        return;
    }
    let Some(name) = all.get(r.below(all.len())) else { return };
    let (base, letters) = name.rsplit_once(":2,").unwrap_or((name, ""));
    let file = cur.join(name);
    let (what, done) = match r.below(20) {
        0..8 => {
            let mut set: BTreeSet<char> = letters.chars().collect();
            let letter = ['D', 'F', 'R', 'S', 'T'][r.below(5)];
            if !set.remove(&letter) {
                set.insert(letter);
            }
            let letters: String = set.into_iter().collect();
            let to = cur.join(format!("{base}:2,{letters}"));
            let times = fs::metadata(&cur).and_then(|m| m.modified());
            let done = fs::rename(&file, to);
            // As programs that copy trees do: the directory has its old time again.
            if let (Ok(time), true) = (times, r.percent(15)) {
                let _ = fs::File::open(&cur).and_then(|dir| dir.set_modified(time));
            }
            (format!("flags :2,{letters}"), done)
        }
        8..10 => ("gone".to_owned(), fs::remove_file(&file)),
        10..14 => {
            let words: Vec<&str> = KEYWORDS.iter().copied().filter(|_| r.percent(50)).collect();
            let text: String = words.iter().map(|word| format!("{word}\n")).collect();
            let _ = fs::create_dir(&kept);
            (format!("keywords {words:?}"), fs::write(kept.join(base), text))
        }
        14 => ("no list of keywords".to_owned(), fs::remove_file(kept.join(":list"))),
        15 if stage.is_single => ("no keywords".to_owned(), fs::remove_dir_all(&kept)),
        16 => {
            let to =
                cur.join(format!("{}.M{}P8.hand:2,{letters}", support::now(), r.below(99_999)));
            (format!("named {}", to.display()), fs::rename(&file, to))
        }
        17 => ("back into new".to_owned(), fs::rename(&file, path.join("new").join(base))),
        _ => {
            let text = fs::read(&file).unwrap_or_default();
            away.push((folder, name.clone(), text));
            ("taken away".to_owned(), fs::remove_file(&file))
        }
    };
    stage.note(format!("    hand in {}: {name}: {what}: {done:?}", FOLDERS[folder]));
}

/// A lock of a host that has died. `age`: in seconds.
pub fn dead_lock(path: &Path, age: u64) {
    let lock = path.join("tmp/courier.lock");
    let _ = fs::write(&lock, "4711:dead.example");
    if let Ok(file) = fs::File::open(&lock) {
        let _ = file.set_modified(SystemTime::now() - Duration::from_secs(age));
    }
}
