//! A client that keeps folders in step: its caches, and the session that it has at present. It
//! believes every word, and stops where a word contradicts what it was told before.

use super::cache::{Cache, Known, View};
use super::stage::{FOLDERS, Stage, StateKey};
use super::told::{self, Fetch, Flags, Set, Told};
use std::collections::VecDeque;
use support::client::{Allow, Client, PATIENCE, Result, Stop};

/// By what a client finds out what has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// QRESYNC.
    Quick,
    /// CONDSTORE alone.
    Changed,
}

/// A session of a client.
pub struct Link {
    pub client: Client,
    pub selected: Option<usize>,
    pub view: View,
    /// Whether VANISHED is spoken.
    pub is_quick: bool,
    /// The command that is being answered.
    command: String,
    /// Whether MODSEQ is told of itself.
    pub is_enabled: bool,
    /// The selected folder keeps no modification sequences.
    pub has_none: bool,
    /// Whether the cache is in step with this session: then it keeps what it is told.
    pub is_synced: bool,
    /// Since the last tagged line: HIGHESTMODSEQ, and the highest MODSEQ of a message.
    told: Option<u64>,
    /// The folder has become another one since.
    pub is_other: bool,
    highest: Option<u64>,
    /// What was told of messages, and to whom, if the reply does not take it back.
    pub states: Vec<(StateKey, Flags, String)>,
}

/// What may come with an answer.
#[derive(Clone)]
pub struct Terms {
    pub allow: Allow,
    /// The UIDs that VANISHED (EARLIER) may name; `None`: it must not come.
    pub earlier: Option<Set>,
    /// FETCH lines that were not asked for, or that tell of a change: they have UID and MODSEQ
    /// (RFC 7162 3.2.4).
    pub is_full: bool,
    /// The command may be one that the server does not understand.
    pub may_be_bad: bool,
}

impl Terms {
    pub fn new(allow: Allow) -> Terms {
        Terms { allow, earlier: None, is_full: false, may_be_bad: false }
    }

    pub fn full(allow: Allow) -> Terms {
        Terms { is_full: true, ..Terms::new(allow) }
    }
}

/// The answer to a command.
#[derive(Debug, Default)]
pub struct Answer {
    pub word: String,
    pub text: String,
    pub told: Vec<Told>,
    /// The UIDs whose flags were told.
    pub flagged: Vec<u32>,
    /// MODIFIED, as it came: numbers or UIDs.
    pub modified: Set,
}

impl Answer {
    pub fn is_ok(&self) -> bool {
        self.word == "OK"
    }
}

pub struct Syncer {
    pub name: String,
    pub way: Way,
    /// Keeps the value of the last opening until it is told a lower one.
    pub is_lazy: bool,
    pub caches: Vec<Cache>,
    pub link: Option<Link>,
    /// What the last sessions said, when they have ended.
    past: VecDeque<String>,
}

/// Whether a HIGHESTMODSEQ is one that no run has: what is told cannot be recorded.
pub fn is_of_no_run(highest: u64) -> bool {
    highest < 1 << 40
}

/// A failure that names the client and shows its session.
pub fn wrong<T>(link: &Link, what: &str) -> Result<T> {
    link.client.wrong(what)
}

impl Syncer {
    pub fn new(name: &str, way: Way, is_lazy: bool) -> Syncer {
        let caches = vec![Cache::default(); FOLDERS.len()];
        let (link, past) = (None, VecDeque::new());
        Syncer { name: name.to_owned(), way, is_lazy, caches, link, past }
    }

    /// The session; there is one.
    pub fn link(&mut self) -> Result<&mut Link> {
        self.link.as_mut().ok_or(Stop::Dead)
    }

    /// A new session, ready to open folders.
    pub fn begin(&mut self, stage: &Stage, client: Client) -> Result<()> {
        self.end(false);
        self.link = Some(Link {
            client,
            selected: None,
            view: View::default(),
            is_quick: false,
            command: String::new(),
            is_enabled: false,
            has_none: false,
            is_synced: false,
            told: None,
            is_other: false,
            highest: None,
            states: Vec::new(),
        });
        if self.way == Way::Changed {
            return Ok(());
        }
        let answer = self.cmd(stage, "ENABLE QRESYNC", Terms::new(Allow::Expunge))?;
        let is_on = |t: &Told| matches!(t, Told::Enabled(words) if words.contains("QRESYNC"));
        let is_on = answer.told.iter().any(is_on);
        let link = self.link()?;
        if !is_on {
            return wrong(link, "QRESYNC is not enabled");
        }
        (link.is_quick, link.is_enabled) = (true, true);
        Ok(())
    }

    /// Ends the session. A client that asks waits for its end.
    pub fn end(&mut self, asks: bool) {
        let Some(mut link) = self.link.take() else { return };
        if asks {
            let _ = link.client.send(b"bye LOGOUT\r\n");
            while let Ok(Some(_)) = link.client.response(PATIENCE) {}
        }
        link.client.process.hang_up();
        let end = match link.client.process.wait(PATIENCE) {
            Some(_) => "ended",
            None => "did not end",
        };
        self.is_past(&link, end);
    }

    /// Kills the session.
    pub fn kill(&mut self) {
        if let Some(mut link) = self.link.take() {
            link.client.process.kill();
            self.is_past(&link, "was killed");
        }
    }

    /// One command; everything that is told goes into the view and the cache.
    pub fn cmd(&mut self, stage: &Stage, command: &str, terms: Terms) -> Result<Answer> {
        let tag = self.send(command)?;
        self.finish(stage, &tag, &terms)
    }

    /// A command that ends in a literal.
    pub fn cmd_literal(&mut self, stage: &Stage, command: &str, text: &[u8]) -> Result<Answer> {
        let tag = self.send(&format!("{command} {{{}}}", text.len()))?;
        let answer = self.finish(stage, &tag, &Terms::full(Allow::Expunge))?;
        if answer.word != "+" {
            return Ok(answer);
        }
        self.link()?.client.send(&[text, b"\r\n"].concat())?;
        self.finish(stage, &tag, &Terms::full(Allow::Expunge))
    }

    /// Sends a command. Its tag.
    pub fn send(&mut self, command: &str) -> Result<String> {
        let link = self.link()?;
        let tag = link.client.tag();
        command.clone_into(&mut link.command);
        link.client.send(format!("{tag} {command}\r\n").as_bytes())?;
        Ok(tag)
    }

    /// Reads up to the tagged line, or a continuation.
    pub fn finish(&mut self, stage: &Stage, tag: &str, terms: &Terms) -> Result<Answer> {
        let mut answer = Answer::default();
        loop {
            let link = self.link()?;
            let Some(response) = link.client.response(PATIENCE)? else {
                return wrong(link, "no answer");
            };
            if response.starts_with(b"+ ") {
                answer.word = "+".to_owned();
                return Ok(answer);
            }
            if let Some(rest) = response.strip_prefix(format!("{tag} ").as_bytes()) {
                let text = String::from_utf8_lossy(rest).into_owned();
                let (word, text) = text.split_once(' ').unwrap_or((&text, ""));
                (answer.word, answer.text) = (word.to_owned(), text.to_owned());
                self.tagged(stage, &mut answer)?;
                if answer.word == "BAD" && !terms.may_be_bad {
                    return wrong(self.link()?, "BAD");
                }
                return Ok(answer);
            }
            let told = self.read(&response)?;
            let flagged = self.take(stage, &told, terms)?;
            answer.flagged.extend(flagged);
            answer.told.push(told);
        }
    }

    /// An untagged response as words.
    pub fn read(&mut self, response: &[u8]) -> Result<Told> {
        let link = self.link()?;
        let told = told::untagged(response).or_else(|why| wrong(link, &why))?;
        if told == Told::Bye && support::find(response, b"LOGOUT").is_none() {
            return wrong(link, "BYE");
        }
        Ok(told)
    }

    /// The end of an answer.
    fn tagged(&mut self, stage: &Stage, answer: &mut Answer) -> Result<()> {
        let is_lazy = self.is_lazy;
        let Some(link) = self.link.as_mut() else { return Err(Stop::Dead) };
        match told::code(&answer.text) {
            Some(Told::Highest(n)) => link.told = Some(n),
            Some(Told::Modified(set)) => answer.modified = set,
            _ => {}
        }
        let (told, highest) = (link.told.take(), link.highest.take());
        // RFC 7162 6: with a value of no run the server takes back what it could not record.
        for (key, flags, who) in link.states.drain(..).filter(|_| !told.is_some_and(is_of_no_run)) {
            if let Err(why) = stage.is_consistent(key, &flags, &who) {
                return link.client.wrong(&why);
            }
        }
        let is_other = std::mem::take(&mut link.is_other);
        if let (Some(folder), true) = (link.selected, link.is_synced) {
            match is_other {
                true => self.caches[folder].modseq = told.filter(|_| !link.has_none),
                false => self.caches[folder].keep(told, highest, is_lazy),
            }
        }
        Ok(())
    }

    /// Takes what is told of the open folder. The UID whose flags were told.
    pub fn take(&mut self, stage: &Stage, told: &Told, terms: &Terms) -> Result<Option<u32>> {
        let Some(link) = self.link.as_mut() else { return Err(Stop::Dead) };
        if let Told::Highest(n) = told {
            link.told = Some(*n);
        }
        let Some(folder) = link.selected else { return Ok(None) };
        let cache = &mut self.caches[folder];
        match told {
            // Another folder in the place of this one: nothing that is kept is of it.
            Told::Validity(n) if *n != cache.validity => {
                cache.reset(*n);
                link.is_other = true;
            }
            Told::NoModSeq => (link.has_none, cache.modseq) = (true, None),
            Told::Highest(_) if link.is_other => link.has_none = false,
            _ => {}
        }
        let fixed = terms.allow == Allow::Fixed;
        match told {
            Told::Exists(n) => link.view.exists(*n).or_else(|why| wrong(link, &why))?,
            Told::Expunge(_) if link.is_quick && !link.has_none => {
                return wrong(link, "EXPUNGE, where QRESYNC is enabled");
            }
            Told::Expunge(_) if fixed => return wrong(link, "EXPUNGE where numbers are fixed"),
            Told::Expunge(n) => {
                let uid = link.view.expunge(*n).or_else(|why| wrong(link, &why))?;
                uid.map(|uid| cache.messages.remove(&uid));
            }
            Told::Vanished { is_earlier: true, uids } => match &terms.earlier {
                Some(asked) if uids.is_within(asked) => {
                    cache.messages.retain(|uid, _| !uids.has(*uid));
                }
                _ => return wrong(link, "VANISHED (EARLIER) of what was not asked for"),
            },
            Told::Vanished { .. } if !link.is_quick => {
                return wrong(link, "VANISHED, where QRESYNC is not enabled");
            }
            Told::Vanished { .. } if fixed => {
                return wrong(link, "VANISHED where numbers are fixed");
            }
            Told::Vanished { uids, .. } => {
                for uid in uids.numbers() {
                    link.view.vanish(uid).or_else(|why| wrong(link, &why))?;
                    cache.messages.remove(&uid);
                }
            }
            Told::Fetch(fetch) => return self.fetched(stage, folder, fetch, terms),
            _ => {}
        }
        Ok(None)
    }

    /// A FETCH line. The UID whose flags it tells.
    fn fetched(
        &mut self,
        stage: &Stage,
        folder: usize,
        fetch: &Fetch,
        terms: &Terms,
    ) -> Result<Option<u32>> {
        let Some(link) = self.link.as_mut() else { return Err(Stop::Dead) };
        let cache = &mut self.caches[folder];
        let uid = link.view.is(fetch.number, fetch.uid).or_else(|why| wrong(link, &why))?;
        let is_bare = fetch.uid.is_none() || fetch.modseq.is_none();
        if terms.is_full && link.is_enabled && !link.has_none && is_bare {
            return wrong(link, "FETCH without UID and MODSEQ, after an enabling command");
        }
        link.highest = link.highest.max(fetch.modseq);
        let Some(uid) = uid else { return Ok(None) };
        let touches = stage.touches(folder, uid);
        let Some(flags) = &fetch.flags else {
            if let Some(known) = cache.messages.get_mut(&uid) {
                known.modseq = fetch.modseq.or(known.modseq);
            }
            return Ok(None);
        };
        // 1 is in no run: what could not be recorded.
        if let Some(modseq) = fetch.modseq.filter(|modseq| *modseq > 1) {
            let who = format!("{} by {} ({})", self.name, link.command, link.client.who());
            let key = (folder, cache.validity, uid, modseq);
            link.states.push((key, flags.clone(), who));
        }
        let known = cache.messages.entry(uid).or_default();
        *known = Known { flags: flags.clone(), modseq: fetch.modseq.or(known.modseq), touches };
        Ok(Some(uid))
    }

    /// Asks for the messages of which too little is known.
    pub fn learn(&mut self, stage: &Stage) -> Result<()> {
        let link = self.link()?;
        let Some(folder) = link.selected else { return Ok(()) };
        if let Some((from, to)) = link.view.unknown() {
            let with =
                if link.is_enabled && !link.has_none && from % 2 == 0 { " MODSEQ" } else { "" };
            let command = format!("FETCH {from}:{to} (UID FLAGS{with})");
            self.cmd(stage, &command, Terms::new(Allow::Fixed))?;
        }
        let uids = self.link()?.view.uids();
        let known = &self.caches[folder].messages;
        let missing = Set::of(uids.into_iter().filter(|uid| !known.contains_key(uid)));
        if !missing.0.is_empty() {
            let command = format!("UID FETCH {missing} (FLAGS)");
            self.cmd(stage, &command, Terms::new(Allow::Expunge))?;
        }
        let link = self.link.as_ref().ok_or(Stop::Dead)?;
        if link.view.unknown().is_none() && link.selected == Some(folder) {
            let last = link.view.uids().last().map_or(1, |uid| uid.saturating_add(1));
            self.caches[folder].next = last.max(self.caches[folder].next);
        }
        Ok(())
    }

    fn is_past(&mut self, link: &Link, how: &str) {
        let (story, pid) = (link.client.story(), link.client.process.pid());
        self.past.push_back(format!("{story}    (session {pid} {how})\n"));
        if self.past.len() > 3 {
            self.past.pop_front();
        }
    }

    /// The last lines of its sessions.
    pub fn story(&self) -> String {
        let past: String = self.past.iter().map(String::as_str).collect();
        let now = self.link.as_ref().map(|link| link.client.story()).unwrap_or_default();
        format!("--- client {}\n{past}{now}", self.name)
    }
}
