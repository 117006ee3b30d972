//! A session proves by the times of the directories that a folder is unchanged, and then does not
//! read it. On a network file system those times come from the clocks of all hosts, and may come
//! from a cache. So: what one host changes right after a scan by the other must be in the other's
//! next NOOP, always.

use crate::host::{Cluster, Host, fetched};
use crate::play;
use std::fs;
use std::thread;
use std::time::Duration;
use support::{Random, Session};

const HOME: &str = "rounds";

pub fn play_all(cluster: &Cluster, rounds: u32) -> bool {
    cluster.one.account(HOME);
    let mut missed = 0;
    let passed = play("what one host changes is in the other's next NOOP", || {
        for n in 0..3 {
            let name = format!("1600000000.M{n}P1.mail1:2,");
            let at = cluster.one.path(&format!("{HOME}/Maildir/cur/{name}"));
            fs::write(at, "Subject: x\n\nx\n").unwrap();
        }
        missed = changes(cluster, rounds);
        assert_eq!(missed, 0, "changes were not in the next NOOP");
    });
    println!("figure {rounds} changes by the other host, {missed} not in the next NOOP");
    passed
}

/// So many changes on host 2, each followed by a NOOP on host 1. How many were not in it.
fn changes(cluster: &Cluster, rounds: u32) -> u32 {
    let (mut a, mut b) = (cluster.one.session(HOME), cluster.two.session(HOME));
    for session in [&mut a, &mut b] {
        session.cmd("SELECT INBOX").says("OK");
    }
    let mut r = Random(7);
    let mut missed = 0;
    for round in 0..rounds {
        // A scan just now; and now and then one by which the folder is proven unchanged.
        a.cmd("NOOP").says("OK");
        if r.percent(30) {
            thread::sleep(Duration::from_millis(r.below(300) as u64));
            a.cmd("NOOP").says("OK");
        }
        let due = change(&cluster.two, &mut b, &mut r, round);
        let reply = a.cmd("NOOP");
        let told = |line: &Vec<u8>| String::from_utf8_lossy(line).contains(&due);
        if !reply.responses.iter().any(told) {
            missed += 1;
            println!("      | round {round}: no {due:?} in the next NOOP");
            catch_up(&mut a, &due);
        }
        a.forget();
        b.forget();
    }
    missed
}

/// It must at least be told a little later.
fn catch_up(a: &mut Session, due: &str) {
    crate::host::noop_until(a, |line| line.contains(due));
}

/// One change on host 2, by a session or by a program; what the session on host 1 is to be told.
fn change(host: &Host, b: &mut Session, r: &mut Random, round: u32) -> String {
    b.cmd("NOOP").says("OK");
    let known = fetched(b);
    let last = known.len();
    let cur = format!("{HOME}/Maildir/cur");
    let dice = if last < 3 { 0 } else { r.below(6) };
    match dice {
        0 => {
            host.deliver(HOME, &format!("17000{round:05}.M1P1.mail2"), "Subject: y\n\ny\n");
            format!("* {} EXISTS", last + 1)
        }
        1 => {
            b.cmd_literal("APPEND INBOX", b"Subject: z\r\n\r\nz\r\n", "").says("OK");
            format!("* {} EXISTS", last + 1)
        }
        2 => {
            let sign = if known[0].1.contains("\\Flagged") { '-' } else { '+' };
            b.cmd(&format!("STORE 1 {sign}FLAGS (\\Flagged)")).says("OK");
            "* 1 FETCH".to_owned()
        }
        3 => {
            let sign = if known[0].1.contains("Label") { '-' } else { '+' };
            b.cmd(&format!("STORE 1 {sign}FLAGS (Label)")).says("OK");
            "* 1 FETCH".to_owned()
        }
        4 => {
            b.cmd(&format!("STORE {last} +FLAGS.SILENT (\\Deleted)")).says("OK");
            b.cmd("EXPUNGE").has(&format!("* {last} EXPUNGE"));
            format!("* {last} EXPUNGE")
        }
        _ => {
            let names = host.names(&cur);
            let name = names.iter().find(|name| name.starts_with("1600000000.M0P1")).unwrap();
            let (base, letters) = name.split_once(":2,").unwrap();
            let letters = if letters.contains('S') {
                letters.replace('S', "")
            } else {
                format!("{letters}S")
            };
            let path = |name: &str| host.path(&format!("{cur}/{name}"));
            fs::rename(path(name), path(&format!("{base}:2,{letters}"))).unwrap();
            "* 1 FETCH".to_owned()
        }
    }
}
