//! Folders that come, move and go. Mail in a folder that is only renamed is never lost, whoever has
//! it open meanwhile; mail in one that is deleted may be. Under one name and UIDVALIDITY a UID
//! names one message, and a name that is used again has a greater UIDVALIDITY.

use super::World;
use super::ledger::{Ledger, content, id_of, on_the_wire};
use super::worker::{Open, Worker};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use support::client::{Allow, Client, PATIENCE, Reply, Result};

/// These are made and renamed, and never deleted.
const MOVERS: &[&str] = &[
    "INBOX.m0",
    "INBOX.m1",
    "INBOX.m2",
    "INBOX.m3",
    "INBOX.m4",
    "INBOX.m5",
    "INBOX.m0.sub",
    "INBOX.m1.sub",
];
/// The most of them at a time: there must be names to move to.
const MOST_MOVERS: usize = 5;
/// These are made and deleted.
const GOERS: &[&str] = &["INBOX.g0", "INBOX.g1", "INBOX.g2"];
/// The most messages in all of them together.
const CROWD: usize = 300;

#[derive(Default)]
pub struct Extras {
    /// Acknowledged messages in the folders that are renamed, wherever those are by now.
    expected: HashMap<u64, u32>,
    /// Those of which the answer never came.
    loose: HashMap<u64, u32>,
    /// Those that somebody has flagged \Deleted, or was about to.
    doomed: HashSet<u64>,
    /// Which message a UID names, by name of the folder and UIDVALIDITY.
    uids: HashMap<(String, u32, u32), u64>,
    /// The greatest UIDVALIDITY of a name.
    validity: HashMap<String, u32>,
    /// By name: whether it is subscribed to. `None`: the answer never came.
    subscribed: BTreeMap<String, Option<bool>>,
    /// How many folders that are renamed have been made.
    movers: usize,
    /// How many messages there were at the last pause.
    crowd: usize,
}

impl Extras {
    fn arrived(&mut self, ids: &[u64]) {
        ids.iter().for_each(|id| *self.expected.entry(*id).or_default() += 1);
    }

    pub fn perhaps(&mut self, ids: &[u64]) {
        ids.iter().for_each(|id| *self.loose.entry(*id).or_default() += 1);
    }

    fn learn(&mut self, (name, validity): &(String, u32), uid: u32, id: u64) -> Option<String> {
        let before = self.uids.insert((name.clone(), *validity, uid), id)?;
        (before != id).then(|| {
            format!("UID {uid} of {name} ({validity}) names message {id} and named {before}")
        })
    }

    /// Holds what lies in the folders that are renamed against what was acknowledged.
    fn check(&self, ledger: &Ledger, count: &HashMap<u64, u32>) -> Vec<String> {
        let mut wrong = Vec::new();
        let known: BTreeSet<u64> = self.expected.keys().chain(self.loose.keys()).copied().collect();
        for id in &known {
            let of = |map: &HashMap<u64, u32>| map.get(id).copied().unwrap_or(0);
            let (is, least) = (of(count), of(&self.expected));
            // A copy may have taken \Deleted along.
            let may_go = self.doomed.contains(id) || ledger.is_tainted(*id);
            if is < least && !may_go {
                wrong.push(format!(
                    "LOST: message {id} stands {is} times in folders that are renamed, {least} are due"
                ));
            }
            let most = least + of(&self.loose);
            if is > most {
                wrong.push(format!(
                    "DOUBLED: message {id} stands {is} times in folders that are renamed, at most \
                     {most} came"
                ));
            }
        }
        let strange = count.keys().filter(|id| !known.contains(id));
        wrong.extend(strange.map(|id| format!("message {id} comes from nowhere")));
        wrong
    }
}

fn is_mover(name: &str) -> bool {
    name.starts_with("INBOX.m")
}

impl Worker<'_> {
    pub fn extras<T>(&self, work: impl FnOnce(&mut Extras) -> T) -> T {
        work(&mut self.world.extras.lock().unwrap())
    }

    fn any_name(&mut self) -> &'static str {
        if self.r.percent(65) { self.r.of(MOVERS) } else { self.r.of(GOERS) }
    }

    /// One thing that is done with such a folder.
    pub fn extra(&mut self) -> Result<()> {
        let name = self.any_name();
        match self.r.below(100) {
            0..12 => self.subscription(),
            12..25 => self.create(name),
            25..33 => {
                let name = self.r.of(GOERS);
                self.manage(&format!("DELETE {name}")).map(drop)
            }
            33..43 => {
                for _ in 0..6 {
                    let (old, new) = (self.r.of(MOVERS), self.r.of(MOVERS));
                    if self.manage(&format!("RENAME {old} {new}"))? {
                        break;
                    }
                }
                Ok(())
            }
            43..57 => self.append_extra(name),
            57..65 => self.copy_extra(name),
            _ => {
                // Often there is none of this name.
                for _ in 0..4 {
                    let name = self.any_name();
                    if self.visit(name)? {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    fn create(&mut self, name: &str) -> Result<()> {
        if is_mover(name) && self.extras(|e| e.movers) >= MOST_MOVERS {
            return Ok(());
        }
        let is_made = self.manage(&format!("CREATE {name}"))?;
        self.extras(|e| e.movers += usize::from(is_made && is_mover(name)));
        Ok(())
    }

    /// CREATE, DELETE and RENAME: whether the answer is OK.
    fn manage(&mut self, command: &str) -> Result<bool> {
        let reply = self.cmd(command, Allow::Expunge)?;
        let ok = u64::from(reply.word == "OK");
        self.world.count(|f| match command.as_bytes().first() {
            Some(b'C') => f.made += ok,
            Some(b'D') => f.deleted += ok,
            _ => f.renamed += ok,
        });
        self.learn()?;
        Ok(ok > 0)
    }

    /// Courier's sessions change the list without a lock, and lose lines.
    fn subscription(&mut self) -> Result<()> {
        if self.world.plan.mixed || self.world.plan.courier_only {
            return Ok(());
        }
        let name = format!("INBOX.s{}.{}", self.number, self.r.below(12));
        let on = self.r.percent(60);
        self.extras(|e| e.subscribed.insert(name.clone(), None));
        let word = if on { "SUBSCRIBE" } else { "UNSUBSCRIBE" };
        let reply = self.cmd(&format!("{word} {name}"), Allow::Expunge)?;
        if reply.word != "OK" {
            return self.client().wrong("refused");
        }
        self.extras(|e| e.subscribed.insert(name, Some(on)));
        self.world.count(|f| f.subscriptions += 1);
        self.learn()
    }

    /// After a command that puts mail into such a folder.
    fn stored(&mut self, name: &str, ids: &[u64], reply: &Reply) {
        self.open = Open::Nothing;
        if !is_mover(name) {
            return;
        }
        match &*reply.word {
            "OK" => self.extras(|e| e.arrived(ids)),
            // It may stop half-way; or lose its lock to Courier.
            _ if self.client().courier || self.has_lost_its_lock(reply) => {
                self.extras(|e| e.perhaps(ids));
            }
            _ => {}
        }
    }

    fn append_extra(&mut self, name: &str) -> Result<()> {
        if self.extras(|e| e.crowd) > CROWD && !self.r.percent(10) {
            return Ok(());
        }
        let mut r = self.r.clone();
        let id = self.ledger(|l| l.new_id(&mut r));
        self.r = r;
        let plus = self.r.percent(50) && !self.client().courier;
        self.open = if is_mover(name) { Open::Extra(vec![id]) } else { Open::Nothing };
        let text = on_the_wire(&content(id));
        let reply = self.client().cmd_literal(&format!("APPEND {name}"), &text, plus)?;
        self.note(&reply);
        self.stored(name, &[id], &reply);
        self.learn()
    }

    fn copy_extra(&mut self, name: &str) -> Result<()> {
        if self.extras(|e| e.crowd) > CROWD && !self.r.percent(10) {
            return Ok(());
        }
        let places = self.places(2);
        let client = self.client.as_ref().unwrap();
        let known: Option<Vec<(u32, u64)>> =
            places.iter().map(|i| client.picture.get(*i).and_then(|e| e.uid.zip(e.id))).collect();
        let Some(sources) = known.filter(|s| !s.is_empty()) else { return Ok(()) };
        let ids: Vec<u64> = sources.iter().map(|s| s.1).collect();
        // Of what is gone nothing is copied, and the answer is OK.
        let set: Vec<String> = sources.iter().map(|s| s.0.to_string()).collect();
        self.open = if is_mover(name) { Open::Extra(ids.clone()) } else { Open::Nothing };
        let reply = self.cmd(&format!("UID COPY {} {name}", set.join(",")), Allow::Expunge)?;
        let copied = super::actions::code(&reply.text, "COPYUID")
            .and_then(|words| words.get(1).map(|w| super::actions::uids_of(w)))
            .unwrap_or_default();
        let due = sources.iter().filter(|s| copied.contains(&s.0)).map(|s| s.1).collect::<Vec<_>>();
        self.stored(name, &due, &reply);
        // A copy that others expunge before it is told.
        if is_mover(name) && reply.word == "OK" && due.len() < ids.len() {
            let rest: Vec<u64> = ids.into_iter().filter(|id| !due.contains(id)).collect();
            self.extras(|e| e.perhaps(&rest));
        }
        self.learn()
    }

    /// Opens such a folder and does a few things in it. It may go at any moment; then NO is an
    /// answer. Whether it was there.
    fn visit(&mut self, name: &str) -> Result<bool> {
        self.selected = None;
        let floor = self.extras(|e| e.validity.get(name).copied().unwrap_or(0));
        self.client().picture.clear();
        let reply = self.client().cmd(&format!("SELECT {name}"), Allow::Expunge)?;
        let (Some(validity), "OK") = (reply.validity, &*reply.word) else { return Ok(false) };
        if validity < floor && !self.world.plan.mixed && !self.world.plan.courier_only {
            let what = format!("UIDVALIDITY of {name} is {validity} and was {floor}");
            self.complain(Err(what));
        }
        self.extras(|e| {
            let highest = e.validity.entry(name.to_owned()).or_default();
            *highest = validity.max(*highest);
        });
        self.visiting = Some((name.to_owned(), validity));
        self.world.count(|f| f.visits += 1);
        let turns = 2 + self.r.below(16);
        self.refused = 0;
        let done = self.learn().and_then(|()| (0..turns).try_for_each(|_| self.visit_turn(name)));
        self.visiting = None;
        if self.refused > 0 {
            self.world.count(|f| f.visits_refused += 1);
        }
        done.map(|()| true)
    }

    fn visit_turn(&mut self, name: &str) -> Result<()> {
        match self.r.below(100) {
            0..15 => self.simple("NOOP"),
            15..30 => self.idle(),
            30..42 => self.fetch(0),
            42..57 => self.store(0),
            57..72 => self.delete_extra(),
            72..80 => self.simple("EXPUNGE"),
            80..86 => self.append_extra(name),
            _ => {
                std::thread::sleep(std::time::Duration::from_millis(self.r.below(400) as u64));
                Ok(())
            }
        }
    }

    /// Not by Courier's sessions: they mix up the messages of an old folder and of a new one.
    fn delete_extra(&mut self) -> Result<()> {
        let places = self.places(4);
        let client = self.client.as_ref().unwrap();
        let known: Option<BTreeMap<u32, u64>> = places
            .iter()
            .map(|i| client.picture.get(*i).and_then(|e| e.uid.zip(e.id)))
            .map(|known| known.filter(|(_, id)| !Ledger::is_keeper(*id)))
            .collect();
        let Some(known) = known.filter(|k| !k.is_empty() && !client.courier) else { return Ok(()) };
        self.extras(|e| e.doomed.extend(known.values()));
        let set: Vec<String> = known.keys().map(u32::to_string).collect();
        let names = BTreeSet::from(["\\Deleted".to_owned()]);
        self.change(0, &places, &set.join(","), true, "+", &names)
    }

    /// Holds what was fetched against what is known.
    pub fn note_visit(&mut self, reply: &Reply) {
        let (Some(place), Some(client)) = (&mut self.visiting, &mut self.client) else { return };
        if let Some(now) = client.validity.filter(|now| *now != place.1) {
            // Another folder has come in its place, and the server has said so.
            place.1 = now;
            return;
        }
        let mut wrong = Vec::new();
        let mut extras = self.world.extras.lock().unwrap();
        for fetched in &reply.fetched {
            let id = fetched.body.as_deref().and_then(id_of);
            let (Some(uid), Some(id)) = (fetched.uid, id) else { continue };
            wrong.extend(extras.learn(place, uid, id));
            let Some(entry) = client.picture.iter_mut().find(|e| e.uid == Some(uid)) else {
                continue;
            };
            if entry.id.is_some_and(|known| known != id) {
                wrong.push(format!("a message became another one: {:?} {id}", entry.id));
            }
            entry.id = Some(id);
        }
        drop(extras);
        for what in wrong {
            let what = format!("{what} ({})", client_of(&self.client));
            self.complain(Err(what));
        }
    }
}

fn client_of(client: &Option<Client>) -> String {
    client.as_ref().map(Client::who).unwrap_or_default()
}

/// All is quiet: a session that has just come sees what lies on disk, and all is there.
pub fn check(world: &World) {
    let mut wrong = Vec::new();
    if let Err(stop) = look(world, &mut wrong) {
        wrong.push(format!("a look at the folders that come and go: {stop:?}"));
    }
    wrong.into_iter().for_each(|what| world.complain(what));
}

fn look(world: &World, wrong: &mut Vec<String>) -> Result<()> {
    let mut c =
        Client::start(&world.plan.ours[0], false, world.home.path(), &world.env, &world.log)?;
    c.response(PATIENCE)?;
    let (mut all, mut moved) = (0, HashMap::new());
    let mut folders = c.cmd("LIST \"\" INBOX.*", Allow::Expunge)?;
    folders.listed.retain(|line| !line.contains("\\Noselect"));
    for name in names(&folders) {
        if !name.starts_with("INBOX.m") && !name.starts_with("INBOX.g") {
            continue;
        }
        c.picture.clear();
        let reply = c.cmd(&format!("EXAMINE {name}"), Allow::Expunge)?;
        if reply.word != "OK" {
            return c.wrong("EXAMINE of a folder that is listed failed");
        }
        let place = (name.clone(), reply.validity.unwrap_or(0));
        let items = "(UID FLAGS BODY.PEEK[HEADER.FIELDS (X-ID)])";
        let reply = c.cmd(&format!("FETCH 1:* {items}"), Allow::Fixed)?;
        let mut shown = Vec::new();
        for f in &reply.fetched {
            let (Some(uid), Some(id)) = (f.uid, f.body.as_deref().and_then(id_of)) else {
                return c.wrong("a message without a UID, or without a number");
            };
            shown.push(id);
            wrong.extend(world.extras.lock().unwrap().learn(&place, uid, id));
        }
        let mut real = on_disk(world, &name, wrong);
        if is_mover(&name) {
            real.iter().for_each(|id| *moved.entry(*id).or_default() += 1);
        }
        all += real.len();
        shown.sort_unstable();
        real.sort_unstable();
        if shown != real {
            wrong.push(format!("FALSE PICTURE of {name}: {shown:?}\nthe truth: {real:?}"));
        }
        c.cmd("CLOSE", Allow::Expunge)?;
        let last = reply.fetched.iter().filter_map(|f| f.uid).max().unwrap_or(0);
        let seen = |f: &support::client::Fetched| f.flags.iter().flatten().any(|w| w == "\\Seen");
        let unseen = reply.fetched.iter().filter(|f| !seen(f)).count();
        let status = super::status::ask(&mut c, &name)?;
        wrong.extend(status.differs(&name, (shown.len(), unseen), last, place.1));
    }
    let subscribed = names(&c.cmd("LSUB \"\" *", Allow::Expunge)?);
    let (extras, ledger) = (world.extras.lock().unwrap(), world.ledger.lock().unwrap());
    for (name, on) in extras.subscribed.iter().filter_map(|(n, on)| Some((n, (*on)?))) {
        if subscribed.contains(name) != on {
            wrong.push(format!("LOST: the subscription to {name} is {}, due is {on}", !on));
        }
    }
    wrong.extend(extras.check(&ledger, &moved));
    drop((extras, ledger));
    world.extras.lock().unwrap().crowd = all;
    c.process.hang_up();
    let _ = c.process.wait(PATIENCE);
    Ok(())
}

/// The names in lines of LIST and LSUB.
fn names(reply: &Reply) -> BTreeSet<String> {
    let name = |line: &String| line.rsplit(' ').next().map(|n| n.trim_matches('"').to_owned());
    reply.listed.iter().filter_map(name).collect()
}

/// The messages of a folder, which must be whole.
fn on_disk(world: &World, name: &str, wrong: &mut Vec<String>) -> Vec<u64> {
    let path = world.root.join(name.strip_prefix("INBOX").unwrap_or_default());
    let mut ids = Vec::new();
    for sub in ["cur", "new"] {
        for entry in std::fs::read_dir(path.join(sub)).into_iter().flatten().flatten() {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            match id_of(&bytes).filter(|id| bytes == content(*id)) {
                Some(id) => ids.push(id),
                None => wrong.push(format!("{name}: {:?} is not whole", entry.file_name())),
            }
        }
    }
    ids
}
