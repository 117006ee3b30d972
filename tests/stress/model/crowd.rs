//! The same clients, writers and damage all at once. Now and then all is quiet: then each client gets
//! in step, and its cache must be what is there.

use super::client::Syncer;
use super::damage::{self, Copies};
use super::player::{Figures, clients, manner};
use super::reader;
use super::stage::{FOLDERS, Manner, Stage};
use super::ways::Reach;
use super::writers::{self, Away, Writer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};
use support::Random;
use support::client::{Result, Stop};

struct Crowd<'a> {
    stage: &'a Stage<'a>,
    /// Held for reading by all who do something; for writing, all is quiet.
    quiet: RwLock<()>,
    is_over: AtomicBool,
    failure: Mutex<Option<String>>,
    figures: Mutex<Figures>,
}

impl Crowd<'_> {
    /// Does something until all is over, with a number of its own.
    fn work(&self, seed: u64, pause: usize, mut act: impl FnMut(&mut Random) -> Result<()>) {
        let mut r = Random(seed);
        while !self.is_over.load(Ordering::SeqCst) {
            {
                let _busy = self.quiet.read().unwrap();
                if let Err(Stop::Wrong(what)) = act(&mut r) {
                    self.fail(what);
                }
                self.figures.lock().unwrap().steps += 1;
            }
            std::thread::sleep(Duration::from_micros(r.below(pause) as u64));
        }
    }

    fn fail(&self, what: String) {
        self.failure.lock().unwrap().get_or_insert(what);
        self.is_over.store(true, Ordering::SeqCst);
    }
}

/// Lets them all run for so many seconds.
pub fn play(stage: &Stage, seed: u64, seconds: u64, harms: bool) -> (Figures, Option<String>) {
    let crowd = Crowd {
        stage,
        quiet: RwLock::new(()),
        is_over: AtomicBool::new(false),
        failure: Mutex::default(),
        figures: Mutex::default(),
    };
    let syncers: Vec<Mutex<Syncer>> = clients().into_iter().map(Mutex::new).collect();
    let end = Instant::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        let (crowd, syncers) = (&crowd, &syncers);
        for n in 0..3 {
            let is_courier = n == 2;
            if is_courier && stage.props.courier.is_none() {
                continue;
            }
            scope.spawn(move || {
                let mut writer = Writer::new(is_courier);
                crowd.work(seed + n, 4_000, |r| {
                    let manner = if r.percent(50) { Manner::Usual } else { manner(r) };
                    writer.act(crowd.stage, manner, r).map(drop)
                });
            });
        }
        for (n, syncer) in syncers.iter().enumerate() {
            scope.spawn(move || {
                crowd.work(seed + 10 + n as u64, 3_000, |r| {
                    let mut syncer = syncer.lock().unwrap();
                    let done = busy(&mut syncer, crowd.stage, r);
                    explain(&syncer, done)
                });
            });
        }
        scope.spawn(move || {
            let mut away = Away::new();
            crowd.work(seed + 20, 10_000, |r| {
                match r.below(3) {
                    0 => writers::deliver(crowd.stage, r),
                    _ => writers::meddle(crowd.stage, &mut away, r),
                }
                Ok(())
            });
        });
        if harms {
            scope.spawn(move || {
                let mut copies = Copies::new();
                crowd.work(seed + 30, 400_000, |r| {
                    crowd.figures.lock().unwrap().damages += 1;
                    damage::damage(crowd.stage, &mut copies, r);
                    Ok(())
                });
            });
            scope.spawn(move || {
                crowd.work(seed + 40, 300_000, |r| {
                    crowd.figures.lock().unwrap().kills += 1;
                    writers::killed(crowd.stage, r)
                });
            });
        }
        let mut r = Random(seed + 50);
        while Instant::now() < end && !crowd.is_over.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(300 + r.below(1_200) as u64));
            let _quiet = crowd.quiet.write().unwrap();
            for syncer in syncers {
                let mut syncer = syncer.lock().unwrap();
                let done = in_step(&mut syncer, crowd, &mut r);
                if let Err(Stop::Wrong(what)) = explain(&syncer, done) {
                    crowd.fail(what);
                }
            }
        }
        crowd.is_over.store(true, Ordering::SeqCst);
    });
    let figures = *crowd.figures.lock().unwrap();
    let others: String = syncers.iter().filter_map(|s| Some(s.try_lock().ok()?.story())).collect();
    (figures, crowd.failure.into_inner().unwrap().map(|what| what + "\n" + &others))
}

/// A failure, with what the client's session said. A dead session is a failure, too.
fn explain(syncer: &Syncer, done: Result<()>) -> Result<()> {
    done.map_err(|stop| match stop {
        Stop::Wrong(what) => Stop::Wrong(format!("{what}\n{}", syncer.story())),
        Stop::Dead => Stop::Wrong(format!("a session ended by itself\n{}", syncer.story())),
    })
}

/// A client while all are busy: what it has is not compared.
fn busy(syncer: &mut Syncer, stage: &Stage, r: &mut Random) -> Result<()> {
    if syncer.link.is_none() || r.percent(5) {
        syncer.end(r.percent(50));
        let client = stage.ours(r.below(2), Manner::Usual)?;
        syncer.begin(stage, client)?;
    }
    let selected = syncer.link()?.selected;
    let before: Vec<Option<u64>> = syncer.caches.iter().map(|cache| cache.modseq).collect();
    let pid = syncer.link()?.client.process.pid();
    match r.below(10) {
        _ if selected.is_none() => drop(syncer.sync(stage, r.below(FOLDERS.len()), r)?),
        0 => drop(syncer.sync(stage, r.below(FOLDERS.len()), r)?),
        1 => syncer.cut(stage, r)?,
        2 => drop(syncer.idle(stage, &mut || {})?),
        _ => drop(syncer.go_on(stage, r)?),
    }
    for (folder, cache) in syncer.caches.iter().enumerate() {
        if cache.modseq != before[folder] {
            let (name, after) = (&syncer.name, cache.modseq);
            stage.note(format!("    {name} ({pid}) has {} to {after:?}", FOLDERS[folder]));
        }
    }
    Ok(())
}

/// All is quiet: the client gets in step, and is compared.
fn in_step(syncer: &mut Syncer, crowd: &Crowd, r: &mut Random) -> Result<()> {
    let stage = crowd.stage;
    let folder = r.below(FOLDERS.len());
    let open = syncer.link.as_ref().and_then(|link| link.selected);
    let (folder, reach) = match open {
        Some(open) if r.percent(40) && syncer.noop(stage, "NOOP")? => (open, Reach::All),
        _ => {
            if syncer.link.is_none() || r.percent(60) {
                syncer.end(r.percent(50));
                let client = stage.ours(r.below(2), Manner::Usual)?;
                syncer.begin(stage, client)?;
            }
            (folder, syncer.sync(stage, folder, r)?)
        }
    };
    let Some(truth) = reader::read(stage, folder, Manner::Usual, true)? else { return Ok(()) };
    let mut figures = crowd.figures.lock().unwrap();
    figures.syncs += 1;
    figures.compared += 1;
    let differences = truth.differences(&syncer.caches[folder], &reach);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Stop::Wrong(format!(
        "FALSE (client {}, {}): this is not what is there\n{}",
        syncer.name,
        FOLDERS[folder],
        differences.concat()
    )))
}
