//! Several sessions in one folder at once, each in a thread that looks like another host: no UID
//! ever names two messages, no message is lost.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::testing::{TestFolder, show};
use super::*;
use crate::maildir::Dir;
use crate::maildir::change::Removal;
use crate::maildir::change::{self, Edit};
use crate::maildir::{Config, Host, status};
use crate::sys::clock;
use crate::types::{Flags, Operation};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What all have seen: the base name of each UID.
#[derive(Default)]
struct Seen(Mutex<HashMap<(u32, u32), Vec<u8>>>);

impl Seen {
    fn check(&self, s: &Snapshot) {
        let mut seen = self.0.lock().unwrap();
        for i in 0..s.messages.len() {
            let uid = s.messages.uid(i).unwrap().get();
            assert!(uid < s.uid_next);
            let base = s.messages.base_name(i);
            let before = seen.entry((s.uid_validity.get(), uid)).or_insert_with(|| base.to_vec());
            assert_eq!(before, base, "UID {uid}");
        }
    }
}

fn enter(dir: &Dir) -> Entered {
    dir.enter().unwrap()
}

fn session(n: usize) -> Store {
    let host = format!("host{n}").into_bytes();
    let config = Config { host: Host::new(&host), lock_host: host, ..Config::default() };
    Store::new(Config { fsync: false, ..config })
}

/// A generator of numbers that look random, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

#[test]
fn many_sessions() {
    let f = TestFolder::new();
    let (dir, seen) = (&f.dir, &Seen::default());
    let (came, went) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for n in 0..3 {
            scope.spawn(move || {
                let store = session(n);
                let mut dice = Dice(n as u64 + 1);
                let mut snapshot =
                    scan(&store, &enter(dir), Mode::ReadWrite, None, vec![]).unwrap().snapshot;
                for round in 0..60 {
                    let i = dice.roll(snapshot.messages.len().max(1));
                    match dice.roll(6) {
                        0 => {
                            std::fs::write(
                                dir.path()
                                    .join("new")
                                    .join(format!("{}.new{round}.host{n}", dice.roll(1000))),
                                "x",
                            )
                            .unwrap();
                            came.fetch_add(1, Ordering::Relaxed);
                        }
                        1 => {
                            let mut delivery = Delivery::create(&store, &enter(dir), None).unwrap();
                            delivery.write(b"x\n").unwrap();
                            delivery
                                .finish(&store, Flags::empty(), vec![b"Word".to_vec()], None)
                                .unwrap();
                            let scanned = scan(
                                &store,
                                &enter(dir),
                                Mode::ReadWrite,
                                Some(&snapshot),
                                vec![delivery],
                            )
                            .unwrap();
                            assert_eq!(scanned.delivered.len(), 1);
                            assert!(
                                scanned.snapshot.messages.position(scanned.delivered[0]).is_ok()
                            );
                            came.fetch_add(1, Ordering::Relaxed);
                            snapshot = scanned.snapshot;
                        }
                        2 | 3 => {
                            let operation =
                                if dice.roll(2) == 0 { Operation::Add } else { Operation::Remove };
                            match change::store_flags(
                                &enter(dir),
                                &mut snapshot.messages,
                                i,
                                &Edit::new(operation, Flags::SEEN, Flags::all()),
                            ) {
                                Ok(_) | Err(Error::Gone) => {}
                                Err(e) => panic!("{e}"),
                            }
                        }
                        4 => {
                            let _ = change::store_flags(
                                &enter(dir),
                                &mut snapshot.messages,
                                i,
                                &Edit::new(Operation::Add, Flags::DELETED, Flags::all()),
                            );
                            if change::unlink(
                                &enter(dir),
                                &mut snapshot.messages,
                                i,
                                &mut Removal::default(),
                            )
                            .unwrap()
                            .is_some()
                            {
                                went.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        _ => drop(
                            status::read(&store, &enter(dir), status::Asked::default()).unwrap(),
                        ),
                    }
                    if !is_unchanged(&enter(dir), &snapshot) {
                        snapshot =
                            scan(&store, &enter(dir), Mode::ReadWrite, Some(&snapshot), vec![])
                                .unwrap()
                                .snapshot;
                    }
                    seen.check(&snapshot);
                }
            });
        }
    });
    let last = f.scan();
    seen.check(&last);
    assert_eq!(last.messages.len(), came.load(Ordering::Relaxed) - went.load(Ordering::Relaxed));
    assert!(f.list("tmp").is_empty() && f.list("new").is_empty());
    assert_eq!(f.list("cur").len(), last.messages.len());
}

#[test]
fn no_uid_is_lost_to_a_rename_in_between() {
    // Another session flips flags as fast as it can; the directory is large enough for a rename to
    // get in between two pieces.
    let f = TestFolder::with(Config { fsync: false, ..Config::default() });
    for n in 0..4000 {
        std::fs::write(f.path(&format!("cur/{n}.a:2,")), "").unwrap();
    }
    let first = f.scan();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let cur = f.path("cur");
        let stop = &stop;
        scope.spawn(move || {
            let names = |n: usize| (cur.join(format!("{n}.a:2,")), cur.join(format!("{n}.a:2,S")));
            for n in (0..4000).cycle().step_by(7) {
                let (a, b) = names(n);
                let _ = std::fs::rename(&a, &b).or_else(|_| std::fs::rename(&b, &a));
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..20 {
            let s = f.scan();
            assert_eq!(s.messages.len(), 4000);
            assert_eq!((s.uid_validity, s.uid_next), (first.uid_validity, 4001));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn beside_courier() {
    let f = TestFolder::of(&["1.first:2,"]);
    f.scan();
    let mut commands = vec!["SELECT INBOX"];
    for _ in 0..6 {
        commands.extend([
            "APPEND INBOX (\\Seen) {3}\r\nabc",
            "NOOP",
            "STORE 1 +FLAGS (\\Flagged)",
            "STORE 1 -FLAGS (\\Flagged Word)",
        ]);
    }
    let (dir, seen, done) = (&f.dir, &Seen::default(), &AtomicBool::new(false));
    let output = std::thread::scope(|scope| {
        let ours = scope.spawn(move || {
            let store = session(1);
            let mut snapshot =
                scan(&store, &enter(dir), Mode::ReadWrite, None, vec![]).unwrap().snapshot;
            let mut count = 0;
            while !done.load(Ordering::Relaxed) && count < 50 {
                let mut delivery = Delivery::create(&store, &enter(dir), None).unwrap();
                delivery.write(b"ours\n").unwrap();
                delivery.finish(&store, Flags::empty(), vec![], None).unwrap();
                let scanned =
                    scan(&store, &enter(dir), Mode::ReadWrite, Some(&snapshot), vec![delivery])
                        .unwrap();
                snapshot = scanned.snapshot;
                seen.check(&snapshot);
                count += 1;
                let edit = Edit::new(Operation::Add, Flags::ANSWERED, Flags::all());
                let _ = change::store_flags(&enter(dir), &mut snapshot.messages, 0, &edit).unwrap();
                clock::sleep(Duration::from_millis(3));
            }
            count
        });
        let output = f.courier(&commands);
        done.store(true, Ordering::Relaxed);
        let count = ours.join().unwrap();
        output.map(|o| (o, count))
    });
    let Some((output, count)) = output else { return };
    assert_eq!(output.matches("OK [APPENDUID").count(), 6, "{output}");
    assert!(!output.contains(" NO ") && !output.contains(" BAD "), "{output}");
    let last = f.scan();
    seen.check(&last);
    assert_eq!(last.messages.len(), 1 + 6 + count);
    // What Courier said of its messages is what we see.
    for line in output.lines().filter_map(|l| l.split_once("[APPENDUID ")) {
        let mut words = line.1.split([' ', ']']);
        assert_eq!(words.next().unwrap(), last.uid_validity.to_string());
        let uid = Uid::new(words.next().unwrap().parse().unwrap()).unwrap();
        let i = last.messages.position(uid).unwrap();
        assert_eq!(
            f.read(&format!("cur/{}", String::from_utf8(last.messages.file_name(i)).unwrap())),
            "abc\n"
        );
    }
    assert_eq!(last.messages.flags(0), Flags::ANSWERED);
}

/// Somebody takes a file away for a moment, while nobody can lock the folder: its line stays in the
/// UID file, and it comes back under its UID. A session that looked meanwhile sees the same folder.
#[test]
fn a_message_that_was_away_keeps_its_uid() {
    let f = TestFolder::new();
    f.put("cur/1.a:2,");
    f.put("cur/2.b:2,");
    let first = f.scan();
    let lock = Lock::acquire(&f.store, &f.enter()).unwrap();
    for previous in [None, Some(&first)] {
        f.rename("cur/2.b:2,", "away");
        let look = |previous| f.try_scan(Mode::ReadWrite, previous, vec![]).unwrap().snapshot;
        let second = look(previous);
        assert_eq!(show(&second), "1 1.a:2,\n");
        f.rename("away", "cur/2.b:2,");
        let third = look(Some(&second));
        assert_eq!(show(&third), "1 1.a:2,\n2 2.b:2,\n");
        assert_eq!(third.uid_validity, first.uid_validity);
    }
    drop(lock);
}

/// Whoever may write the folder puts directories under the names of a message that is gone: they
/// are no message, and stay where they are.
#[test]
fn directories_with_the_names_of_a_message() {
    let f = TestFolder::new();
    f.put("cur/1.a:2,");
    f.put("cur/2.b:2,");
    let first = f.scan();
    f.rename("cur/1.a:2,", "away");
    for name in ["cur/1.a:2,S", "new/1.a"] {
        std::fs::create_dir(f.path(name)).unwrap();
    }
    let second = f.try_scan(Mode::ReadWrite, Some(&first), vec![]).unwrap().snapshot;
    assert_eq!(show(&second), "2 2.b:2,\n");
    assert!(f.path("new/1.a").is_dir());
}
