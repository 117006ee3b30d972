//! How a client gets in step with a folder: by SELECT with QRESYNC, by FETCH with CHANGEDSINCE, by
//! UID FETCH with VANISHED, by what STATUS says, or by reading everything.

use super::cache::View;
use super::client::{Answer, Syncer, Terms, Way, is_of_no_run, wrong};
use super::stage::{FOLDERS, Stage};
use super::told::{Set, Told};
use support::Random;
use support::client::{Allow, Result, Stop};

/// What was told while a folder was opened.
#[derive(Debug, Default)]
struct Opened {
    validity: u32,
    next: Option<u32>,
    highest: Option<u64>,
    has_none: bool,
    /// VANISHED (EARLIER) and FETCH, to be taken when the UIDVALIDITY has been looked at.
    changes: Vec<Told>,
}

/// How far a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The whole folder is in step.
    All,
    /// These UIDs are, and nothing is said of the others.
    Some(Set),
    /// The folder could not be opened.
    Refused,
}

impl Syncer {
    /// Gets in step with a folder, in a new session or in the one that there is.
    pub fn sync(&mut self, stage: &Stage, folder: usize, r: &mut Random) -> Result<Reach> {
        let dice = r.below(100);
        if self.way == Way::Quick && self.caches[folder].modseq.is_some() && dice < 60 {
            return self.open_quick(stage, folder, r);
        }
        let is_kept = self.caches[folder].modseq.is_some();
        if dice >= 90 && is_kept && self.status_agrees(stage, folder)? {
            return Ok(Reach::All);
        }
        self.open_and_compare(stage, folder, r)
    }

    /// SELECT. `None`: it was refused, and no folder is open.
    fn open(&mut self, stage: &Stage, folder: usize, tail: &str) -> Result<Option<Opened>> {
        let tag = self.send(&format!("SELECT {}{tail}", FOLDERS[folder]))?;
        let mut opened = Opened::default();
        // What comes before CLOSED is the old folder's (RFC 7162 3.2.11).
        let mut is_old = self.link()?.selected.is_some();
        let mut view = View::default();
        let answer = loop {
            let link = self.link()?;
            let Some(response) = link.client.response(support::client::PATIENCE)? else {
                return wrong(link, "no answer");
            };
            if response.starts_with(format!("{tag} ").as_bytes()) {
                break String::from_utf8_lossy(&response).into_owned();
            }
            let told = self.read(&response)?;
            let link = self.link()?;
            if told == Told::Closed {
                if !is_old {
                    return wrong(link, "CLOSED, where no folder was open");
                }
                is_old = false;
                continue;
            }
            if is_old {
                self.take(stage, &told, &Terms::full(Allow::Expunge))?;
                continue;
            }
            match &told {
                Told::Exists(n) => view.exists(*n).or_else(|why| wrong(link, &why))?,
                Told::Validity(n) => opened.validity = *n,
                Told::Next(n) => opened.next = Some(*n),
                Told::Highest(n) => opened.highest = Some(*n),
                Told::NoModSeq => opened.has_none = true,
                Told::Vanished { is_earlier: true, .. } => {
                    if opened.changes.iter().any(|c| matches!(c, Told::Fetch(_))) {
                        return wrong(link, "VANISHED (EARLIER) after FETCH");
                    }
                    opened.changes.push(told);
                }
                Told::Fetch(_) => opened.changes.push(told),
                Told::Vanished { .. } | Told::Expunge(_) => {
                    return wrong(link, "messages go while the folder is opened");
                }
                _ => {}
            }
        };
        let link = self.link()?;
        (link.is_synced, link.selected) = (false, None);
        if !answer.starts_with(&format!("{tag} OK ")) {
            return match answer.starts_with(&format!("{tag} NO ")) {
                true => Ok(None),
                false => wrong(link, "SELECT"),
            };
        }
        if is_old {
            return wrong(link, "no CLOSED");
        }
        if opened.highest.is_none() != opened.has_none || opened.validity == 0 {
            return wrong(link, "HIGHESTMODSEQ, or NOMODSEQ, and UIDVALIDITY are due");
        }
        (link.selected, link.view, link.has_none) = (Some(folder), view, opened.has_none);
        Ok(Some(opened))
    }

    /// SELECT with the QRESYNC parameter.
    fn open_quick(&mut self, stage: &Stage, folder: usize, r: &mut Random) -> Result<Reach> {
        let cache = self.caches[folder].clone();
        let uids: Vec<u32> = cache.messages.keys().copied().collect();
        let all = Set(vec![(1, cache.next.saturating_sub(1).max(1))]);
        let (mut known, mut is_part) = (None, false);
        match r.below(10) {
            0..3 => {}
            3..5 => known = Some(all.clone()),
            5..8 if !uids.is_empty() => known = Some(Set::of(uids.iter().copied())),
            8..10 if !uids.is_empty() => {
                let part = Set::of(uids.iter().copied().filter(|_| r.percent(50)));
                is_part = !part.0.is_empty();
                known = is_part.then_some(part);
            }
            _ => {}
        }
        let modseq = cache.modseq.unwrap_or(1);
        let mut tail = format!(" (QRESYNC ({} {modseq}", cache.validity);
        if let Some(known) = &known {
            tail += &format!(" {known}");
        }
        if r.percent(40) && !uids.is_empty() && !cache.is_spoiled {
            // Some numbers and their UIDs, as of the last time (3.2.5.2).
            let places: Vec<usize> = (0..uids.len()).filter(|_| r.percent(30)).collect();
            if !places.is_empty() {
                let numbers = Set::of(places.iter().map(|i| *i as u32 + 1));
                let match_uids = Set::of(places.iter().map(|i| uids[*i]));
                tail += &format!(" ({numbers} {match_uids})");
            }
        }
        let Some(opened) = self.open(stage, folder, &(tail + "))"))? else {
            return Ok(Reach::Refused);
        };
        let is_other = opened.validity != cache.validity;
        if is_other || opened.has_none {
            let link = self.link()?;
            if !opened.changes.is_empty() {
                return wrong(link, "changes since a state that is not this folder's");
            }
            return self.read_all(stage, folder, &opened);
        }
        let mut terms = Terms::full(Allow::Expunge);
        let is_all = known.is_none();
        // Without a list of UIDs, all that ever were are meant.
        terms.earlier = Some(known.unwrap_or(Set(vec![(1, u32::MAX)])));
        let heard = |s: &mut Syncer| {
            opened.changes.iter().try_for_each(|told| s.take(stage, told, &terms).map(drop))
        };
        heard(self)?;
        if is_all && let Some(next) = opened.next {
            // The next UID has gone back: those from there on are still to come.
            self.caches[folder].messages.retain(|uid, _| *uid < next);
        }
        if is_part {
            return Ok(Reach::Some(terms.earlier.unwrap_or_default()));
        }
        self.in_step(stage, folder, &opened)
    }

    /// SELECT, and then FETCH of what has changed and what has gone.
    fn open_and_compare(&mut self, stage: &Stage, folder: usize, r: &mut Random) -> Result<Reach> {
        let tail = if r.percent(50) { " (CONDSTORE)" } else { "" };
        let Some(opened) = self.open(stage, folder, tail)? else { return Ok(Reach::Refused) };
        let link = self.link()?;
        link.is_enabled |= !tail.is_empty();
        let cache = &self.caches[folder];
        let (true, Some(modseq)) = (opened.validity == cache.validity, cache.modseq) else {
            return self.read_all(stage, folder, &opened);
        };
        if opened.has_none {
            return self.read_all(stage, folder, &opened);
        }
        if opened.highest == Some(modseq) && r.percent(60) {
            return self.in_step(stage, folder, &opened);
        }
        let asks_all = r.percent(50);
        let set = match asks_all {
            true => "1:*".to_owned(),
            false => Set(vec![(1, cache.next.saturating_sub(1).max(1))]).to_string(),
        };
        let by_vanished = self.way == Way::Quick && r.percent(70);
        let searches_first = !by_vanished && r.percent(50);
        if searches_first {
            self.search_all(stage, folder)?;
        }
        let mut terms = Terms::full(Allow::Expunge);
        let word = if by_vanished { " VANISHED" } else { "" };
        if by_vanished {
            terms.earlier = Some(Set(vec![(1, u32::MAX)]));
        }
        let command = format!("UID FETCH {set} (FLAGS) (CHANGEDSINCE {modseq}{word})");
        self.link()?.is_enabled = true;
        if self.cmd(stage, &command, terms)?.word != "OK" {
            return wrong(self.link()?, "FETCH");
        }
        if !by_vanished && !searches_first {
            self.search_all(stage, folder)?;
        }
        self.in_step(stage, folder, &opened)
    }

    /// UID SEARCH finds those that are there; the others have gone.
    fn search_all(&mut self, stage: &Stage, folder: usize) -> Result<()> {
        let answer = self.cmd(stage, "UID SEARCH ALL", Terms::full(Allow::Expunge))?;
        let found = answer.told.iter().find_map(|told| match told {
            Told::Search(found) => Some(found),
            _ => None,
        });
        let (Some(found), true) = (found, answer.is_ok()) else {
            return wrong(self.link()?, "SEARCH");
        };
        self.caches[folder].messages.retain(|uid, _| found.contains(uid));
        Ok(())
    }

    /// The cache has all changes; what is new is asked for, and from here on it goes with the
    /// session.
    fn in_step(&mut self, stage: &Stage, folder: usize, opened: &Opened) -> Result<Reach> {
        let cache = &mut self.caches[folder];
        (cache.modseq, cache.is_spoiled) = (opened.highest, false);
        let link = self.link.as_mut().ok_or(Stop::Dead)?;
        (link.is_synced, link.is_other) = (true, false);
        if opened.highest.is_some_and(is_of_no_run) {
            link.states.clear();
        }
        let is_more = link.view.len() > cache.messages.len();
        if opened.next.is_none_or(|next| next > cache.next) || is_more {
            let command = format!("UID FETCH {}:* (FLAGS)", cache.next.max(1));
            self.expect(stage, &command)?;
        }
        let cache = &mut self.caches[folder];
        let last = cache.messages.keys().next_back().map_or(1, |uid| uid.saturating_add(1));
        cache.next = opened.next.unwrap_or(0).max(last).max(cache.next);
        self.number(stage, folder)?;
        Ok(Reach::All)
    }

    /// Gives the messages their numbers. If there are as many as the client believes, these are
    /// they: it asks for nothing, least of all for flags, which would hide what it was not told.
    fn number(&mut self, stage: &Stage, folder: usize) -> Result<()> {
        let uids: Vec<u32> = self.caches[folder].messages.keys().copied().collect();
        let link = self.link()?;
        if link.view.len() == uids.len() {
            for (i, uid) in uids.iter().enumerate() {
                link.view.is(i + 1, Some(*uid)).or_else(|why| wrong(link, &why))?;
            }
        } else if link.view.len() > 0 {
            self.cmd(stage, "FETCH 1:* (UID)", Terms::new(Allow::Fixed))?;
        }
        Ok(())
    }

    /// Everything is read: nothing was known, or nothing is kept.
    fn read_all(&mut self, stage: &Stage, folder: usize, opened: &Opened) -> Result<Reach> {
        self.caches[folder].reset(opened.validity);
        let link = self.link()?;
        let with = if link.is_enabled && !opened.has_none { " MODSEQ" } else { "" };
        if link.view.len() > 0 {
            self.expect(stage, &format!("FETCH 1:* (UID FLAGS{with})"))?;
        }
        let cache = &mut self.caches[folder];
        let last = cache.messages.keys().next_back().map_or(1, |uid| uid.saturating_add(1));
        cache.next = opened.next.unwrap_or(last);
        self.in_step(stage, folder, opened)
    }

    /// A FETCH that must succeed, if its messages are there.
    fn expect(&mut self, stage: &Stage, command: &str) -> Result<Answer> {
        let allow = if command.starts_with("UID") { Allow::Expunge } else { Allow::Fixed };
        let answer = self.cmd(stage, command, Terms::new(allow))?;
        if !answer.is_ok() && !answer.text.contains("no longer exist") {
            return wrong(self.link()?, "FETCH");
        }
        Ok(answer)
    }

    /// Whether STATUS says that nothing has changed. No folder is opened then.
    fn status_agrees(&mut self, stage: &Stage, folder: usize) -> Result<bool> {
        if self.link()?.selected == Some(folder) {
            return Ok(false);
        }
        let items = "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)";
        let command = format!("STATUS {} {items}", FOLDERS[folder]);
        let answer = self.cmd(stage, &command, Terms::full(Allow::Expunge))?;
        self.link()?.is_enabled = true;
        let told = answer.told.iter().find_map(|told| match told {
            Told::Status(items) => Some(items),
            _ => None,
        });
        let Some(told) = told.filter(|_| answer.is_ok()) else { return Ok(false) };
        let of = |name: &str| told.iter().find(|(n, _)| n == name).map(|(_, value)| *value);
        let cache = &self.caches[folder];
        let Some(highest) = of("HIGHESTMODSEQ") else {
            return wrong(self.link()?, "STATUS without HIGHESTMODSEQ");
        };
        // 0: nothing is kept there.
        Ok(highest > 0
            && cache.modseq == Some(highest)
            && of("UIDVALIDITY") == Some(u64::from(cache.validity))
            && of("UIDNEXT") == Some(u64::from(cache.next)))
    }
}
