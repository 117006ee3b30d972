//! Two sessions and more that do the same thing in the same moment, as real processes: what each
//! was told is so afterwards.

mod conditions;
mod folders;
mod lists;
mod messages;
mod storing;

use std::sync::{Condvar, Mutex};
use support::{Maildir, PATIENCE, Session};

/// Where sessions meet, as at a barrier; but none waits for ever for one that has failed.
struct Meeting {
    parties: usize,
    /// How many have come, and how often all have met.
    come: Mutex<(usize, usize)>,
    all_here: Condvar,
}

impl Meeting {
    fn wait(&self) {
        let mut come = self.come.lock().unwrap();
        let round = come.1;
        come.0 += 1;
        if come.0 == self.parties {
            *come = (0, round + 1);
            self.all_here.notify_all();
            return;
        }
        let is_waiting = |come: &mut (usize, usize)| come.1 == round;
        let (come, late) = self.all_here.wait_timeout_while(come, PATIENCE, is_waiting).unwrap();
        // The lock must not be poisoned for the others.
        drop(come);
        assert!(!late.timed_out(), "another session has failed");
    }
}

/// Runs `work` in so many sessions at once; what each returns.
fn at_once<T: Send>(
    maildir: &Maildir,
    env: &[(&str, &str)],
    sessions: usize,
    work: impl Fn(usize, &mut Session, &Meeting) -> T + Sync,
) -> Vec<T> {
    let (come, all_here) = (Mutex::default(), Condvar::new());
    let meeting = &Meeting { parties: sessions, come, all_here };
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..sessions)
            .map(|n| scope.spawn(move || work(n, &mut maildir.session(env), meeting)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Whether the answer is OK.
fn is_ok(s: &mut Session, command: &str) -> bool {
    let reply = s.cmd(command);
    let word = reply.last().split(|b| *b == b' ').nth(1).unwrap_or_default();
    assert!(matches!(word, b"OK" | b"NO"), "{command}\n{}", s.story());
    word == b"OK"
}

/// The subjects of a folder's messages, by a session that has just come.
fn subjects(maildir: &Maildir, folder: &str) -> Vec<String> {
    let mut s = maildir.session(&[]);
    let selected = s.cmd(&format!("SELECT {folder}"));
    if selected.responses.iter().any(|r| r == b"* 0 EXISTS") {
        return Vec::new();
    }
    let reply = s.cmd("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]");
    let all = String::from_utf8_lossy(&reply.responses.concat()).into_owned();
    let mut found: Vec<String> =
        all.split("Subject: ").skip(1).map(|s| s.lines().next().unwrap().to_owned()).collect();
    found.sort();
    found
}
