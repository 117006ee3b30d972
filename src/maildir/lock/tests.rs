//! The lock against everything that may lie in its place.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::maildir::{Config, Dir, Host, store::LockTiming};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

struct Folder {
    root: tempfile::TempDir,
    dir: Dir,
    store: Store,
}

fn folder() -> Folder {
    let root = tempfile::tempdir().unwrap();
    for sub in ["cur", "new", "tmp"] {
        std::fs::create_dir(root.path().join(sub)).unwrap();
    }
    let store = Store::new(Config { lock_host: b"here".to_vec(), ..Config::default() });
    store.timing.set(LockTiming {
        limit: Duration::from_millis(400),
        after_stale: Duration::from_millis(30),
        foreign_age: Duration::from_secs(120),
        longest_held: Duration::from_secs(15 * 60),
    });
    Folder { dir: Dir::at(root.path()), root, store }
}

impl Folder {
    fn lock(&self) -> PathBuf {
        self.root.path().join("tmp/courier.lock")
    }

    fn put(&self, content: &str, age: i64) {
        std::fs::write(self.lock(), content).unwrap();
        fs::set_mtime(&self.lock(), clock::now().0 - age).unwrap();
    }

    /// Takes the lock; how long that took.
    fn time(&self) -> Result<Duration, Error> {
        let start = clock::monotonic();
        let lock = Lock::acquire(&self.store, &self.dir.enter().unwrap())?;
        let took = start.elapsed();
        let content = std::fs::read(self.lock()).unwrap();
        assert_eq!(content, format!("{}:here", user::pid()).as_bytes());
        assert_eq!(std::fs::metadata(self.lock()).unwrap().nlink(), 1);
        assert_eq!(std::fs::read_dir(self.root.path().join("tmp")).unwrap().count(), 1);
        drop(lock);
        assert_eq!(std::fs::read_dir(self.root.path().join("tmp")).unwrap().count(), 0);
        Ok(took)
    }
}

#[test]
fn free() {
    assert!(folder().time().unwrap() < Duration::from_millis(30));
}

#[test]
fn stale_ones_are_removed_after_a_pause() {
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    for (content, age) in [
        (format!("{}:here", dead.id()), 0),
        (format!("{}:here", user::pid()), 0),
        ("1:elsewhere".to_owned(), 125),
        (String::new(), 125),
        ("garbage".to_owned(), 125),
        (format!("{}:herenot", dead.id()), 125),
        ("99999999999999999999:here".to_owned(), 125),
    ] {
        let f = folder();
        f.put(&content, age);
        let took = f.time().unwrap();
        assert!(took >= Duration::from_millis(30), "{content}: {took:?}");
    }
}

#[test]
fn live_ones_are_waited_for() {
    let mut alive = Command::new("sleep").arg("60").spawn().unwrap();
    for (content, age) in [
        (format!("{}:here", alive.id()), 0),
        // The first process is as old as the machine.
        ("1:here".to_owned(), 20),
        ("1:elsewhere".to_owned(), 100),
        (String::new(), 0),
        ("0:here".to_owned(), 0),
    ] {
        let f = folder();
        f.put(&content, age);
        assert!(matches!(f.time(), Err(Error::Locked)), "{content}");
        assert_eq!(std::fs::read(f.lock()).unwrap(), content.as_bytes());
        assert_eq!(std::fs::read_dir(f.root.path().join("tmp")).unwrap().count(), 1);
    }
    alive.kill().unwrap();
    alive.wait().unwrap();
}

/// A process of that number lives, and never made this lock.
/// Another host's lock is stale at the age at which a wait for it ends.
#[test]
fn who_removes_a_stale_lock_at_the_end_of_the_wait_gets_the_next() {
    let f = folder();
    let timing = f.store.timing.get();
    let times = [timing.limit * 3 / 4, timing.limit / 2];
    f.store.timing.set(LockTiming { foreign_age: times[0], after_stale: times[1], ..timing });
    std::fs::write(f.lock(), "1:elsewhere").unwrap();
    assert!(f.time().unwrap() > timing.limit);
}

#[test]
fn the_living_do_not_inherit_the_locks_of_the_dead() {
    let mut alive = Command::new("sleep").arg("60").spawn().unwrap();
    let mut zombie = Command::new("true").spawn().unwrap();
    while user::process_runs(zombie.id()) {
        clock::sleep(Duration::from_millis(1));
    }
    let boot = clock::now().0 - i64::try_from(user::first_start() / 1_000_000_000).unwrap();
    let ever = Duration::from_secs(1 << 40);
    for (what, pid, age, longest_held) in [
        ("a zombie", zombie.id(), 0, ever),
        ("a thread", u32::try_from(nix::unistd::gettid().as_raw()).unwrap(), 0, ever),
        ("older than a quarter of an hour", 1, 901, Duration::from_secs(900)),
        ("from the future", 1, -901, Duration::from_secs(900)),
        ("older than the machine", 1, boot + 60, ever),
        ("older than the process", alive.id(), 60, ever),
    ] {
        let f = folder();
        f.store.timing.set(LockTiming { longest_held, ..f.store.timing.get() });
        f.put(&format!("{pid}:here"), age);
        let took = f.time().unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(took >= Duration::from_millis(30), "{what}: {took:?}");
    }
    zombie.wait().unwrap();
    alive.kill().unwrap();
    alive.wait().unwrap();
}

#[test]
fn what_was_waited_for_in_vain_is_told() {
    let f = folder();
    let dir = f.dir.enter().unwrap();
    let path = f.lock().display().to_string();
    let wait = |content: &str| {
        let mut wait = Wait::begin(&f.store, &dir);
        wait.last = Some(Observed { content: content.into(), age: 7_300_000_000 });
        wait
    };
    assert_eq!(
        wait("12:h").to_string(),
        path.clone() + ": not locked after 0 s, held by 12:h for 7 s"
    );
    assert_eq!(
        wait("1:\nERR").to_string(),
        path.clone() + ": not locked after 0 s, held by 1:/ERR for 7 s"
    );
    assert!(wait(&"x".repeat(5000)).to_string().len() < 200);
}

#[test]
fn the_end_of_a_lock_is_noticed_at_once() {
    for owner in ["here", "elsewhere"] {
        let f = folder();
        // A shell that holds the lock for a while.
        let script = format!(
            "printf %s $$:{owner} > courier.lock; echo ready; sleep 0.15; rm courier.lock; sleep 5"
        );
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .current_dir(f.root.path().join("tmp"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0u8; 6];
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        let took = f.time().unwrap();
        assert!(
            took > Duration::from_millis(50) && took < Duration::from_millis(330),
            "{owner}: {took:?}"
        );
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn many_take_turns() {
    // Several threads that look like several hosts: each holds the lock alone.
    let f = folder();
    let path = f.root.path().to_owned();
    let busy = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n in 0..4 {
            let (path, busy) = (&path, &busy);
            scope.spawn(move || {
                let store = Store::new(Config {
                    lock_host: format!("h{n}").into_bytes(),
                    host: Host::new(format!("h{n}").as_bytes()),
                    ..Config::default()
                });
                let dir = Dir::at(path).enter().unwrap();
                for _ in 0..20 {
                    let _lock = Lock::acquire(&store, &dir).unwrap();
                    assert!(!busy.swap(true, std::sync::atomic::Ordering::SeqCst));
                    clock::sleep(Duration::from_micros(200));
                    busy.store(false, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
}

#[test]
fn no_folder_no_locks() {
    let f = folder();
    let entered = f.dir.enter().unwrap();
    std::fs::remove_dir(f.root.path().join("tmp")).unwrap();
    assert!(matches!(Lock::acquire(&f.store, &entered), Err(Error::Io(..))));
    let off = Store::new(Config { use_locks: false, ..Config::default() });
    assert!(Lock::acquire(&off, &entered).is_ok());
    std::fs::remove_dir(f.root.path().join("cur")).unwrap();
    assert!(matches!(Lock::acquire(&f.store, &entered), Err(Error::Gone)));
}

#[test]
fn somebody_elses_lock_stays() {
    let f = folder();
    let lock = Lock::acquire(&f.store, &f.dir.enter().unwrap()).unwrap();
    std::fs::remove_file(f.lock()).unwrap();
    f.put("1:elsewhere", 0);
    drop(lock);
    assert!(f.lock().exists());
}

#[test]
fn contents() {
    for (content, pid) in [
        ("12:h", Some(12)),
        ("12:h\n", None),
        (":h", None),
        ("0:h", None),
        ("x:h", None),
        ("12", None),
        ("12:hh", None),
        ("4294967296:h", None),
    ] {
        assert_eq!(pid_here(content.as_bytes(), b"h"), pid, "{content:?}");
    }
}

#[test]
fn a_lock_that_was_taken_away_is_not_ours() {
    let f = folder();
    let lock = Lock::acquire(&f.store, &f.dir.enter().unwrap()).unwrap();
    assert!(lock.is_ours());
    std::fs::remove_file(f.lock()).unwrap();
    assert!(!lock.is_ours());
    f.put("1:elsewhere", 0);
    assert!(!lock.is_ours());
    drop(lock);
    assert!(f.lock().exists(), "somebody else's");
    let off = Store::new(Config { use_locks: false, ..Config::default() });
    assert!(Lock::acquire(&off, &f.dir.enter().unwrap()).unwrap().is_ours());
}
