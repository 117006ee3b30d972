//! The last step: a host dies in the middle of a locked write. Its lock is left behind; the other
//! host goes on when that is two minutes old, and has all that was acknowledged.

use crate::host::{Cluster, appended, fetched};
use crate::play;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const HOME: &str = "death";
const LOCK: &str = "death/Maildir/tmp/courier.lock";
/// The age at which another host's lock counts no more (STORAGE 8).
const LOCK_AGE: Duration = Duration::from_secs(120);

pub fn play_all(cluster: &Cluster, waits: bool) -> bool {
    cluster.one.account(HOME);
    play("7. a host dies with the lock: the other goes on, nothing acknowledged is lost", || {
        let told = die(cluster);
        let begin = Instant::now();
        if !waits {
            // As if two minutes had passed.
            let lock = File::options().append(true).open(cluster.two.path(LOCK)).unwrap();
            lock.set_modified(SystemTime::now() - LOCK_AGE - Duration::from_secs(1)).unwrap();
        }
        go_on(cluster, &told);
        let after = begin.elapsed().as_secs_f64();
        let aged = if waits { "" } else { " (its lock made old by hand)" };
        println!("figure went on {after:.0} s after the other host's death{aged}");
    })
}

/// APPENDs on host 1 until it is stopped with the lock in its hands, and then dies with the host.
/// The UIDs that were told.
fn die(cluster: &Cluster) -> Vec<u32> {
    let mut a = cluster.one.session(HOME);
    let mut told = Vec::new();
    let pid = Pid::from_raw(a.pid() as i32);
    let lock = cluster.one.path(LOCK);
    let mine = a.pid().to_string();
    for n in 0..200 {
        a.cmd("NOOP").says("OK");
        let text = format!("Subject: {n}\r\n\r\nx\r\n");
        a.send(format!("x{n} APPEND INBOX {{{}}}\r\n", text.len()).as_bytes());
        assert!(a.response(support::PATIENCE).unwrap_or_default().starts_with(b"+"));
        a.send(format!("{text}\r\n").as_bytes());
        if n > 5 && is_stopped_with_lock(pid, &lock, &mine) {
            assert!(cluster.two.names("death/Maildir/tmp").contains(&"courier.lock".to_owned()));
            cluster.one.kill();
            return told;
        }
        let _ = kill(pid, Signal::SIGCONT);
        let reply = a.finish(&format!("x{n}"));
        reply.says("OK");
        told.push(appended(&reply).1);
    }
    panic!("it was never stopped with the lock\n{}", a.story());
}

/// Waits until the session has the lock, and stops it. Whether it has the lock then.
fn is_stopped_with_lock(pid: Pid, lock: &std::path::Path, mine: &str) -> bool {
    let has_it = || fs::read_to_string(lock).is_ok_and(|text| text.starts_with(mine));
    let end = Instant::now() + Duration::from_millis(500);
    while Instant::now() < end {
        if has_it() {
            let _ = kill(pid, Signal::SIGSTOP);
            // What it had asked of the file system is done by then.
            thread::sleep(Duration::from_millis(300));
            return has_it();
        }
    }
    false
}

/// Host 2 works on, and has everything. It reads at once; whoever writes waits until the lock is old
/// enough.
fn go_on(cluster: &Cluster, told: &[u32]) {
    let patience = LOCK_AGE + Duration::from_secs(60);
    let mut b = cluster.two.session(HOME);
    b.send(b"s SELECT INBOX\r\n");
    b.finish_within("s", patience).says("OK");
    let there: BTreeSet<u32> = fetched(&mut b).iter().map(|(uid, _)| *uid).collect();
    let lost: Vec<_> = told.iter().filter(|uid| !there.contains(uid)).collect();
    assert!(lost.is_empty(), "lost: {lost:?} of {told:?}\n{}", b.story());
    b.send(b"a APPEND INBOX {21}\r\n");
    assert!(b.response(patience).unwrap_or_default().starts_with(b"+"), "{}", b.story());
    b.send(b"Subject: after\r\n\r\nx\r\n\r\n");
    let reply = b.finish_within("a", patience);
    reply.says("OK");
    let (_, uid) = appended(&reply);
    assert!(told.iter().all(|before| *before < uid), "{}", b.story());
    println!("figure {} messages were acknowledged before, all are there", told.len());
}
