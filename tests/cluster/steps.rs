//! What one host does, a session on the other sees: the first six steps, and Courier's imapd in our
//! place on one host and back.

use crate::host::{Cluster, appended, fetched, noop_until};
use crate::play;
use std::collections::BTreeSet;
use std::thread;
use std::time::Instant;
use support::PATIENCE;

type Step = (&'static str, fn(&Cluster));

const STEPS: &[Step] = &[
    ("1. a message that one host delivers has the same UID on both", same_uid),
    ("2. a session in IDLE is told of the other host's delivery", idle),
    ("3. flags and keywords that one host sets are seen on the other", flags),
    ("4. what one host expunges is gone on both", expunge),
    ("5. APPENDs of both hosts at once: all are there, no UID twice", appends),
    ("6. folders and subscriptions that one host changes are seen on the other", folders),
];

pub fn play_all(cluster: &Cluster) -> bool {
    let home = "steps";
    cluster.one.account(home);
    let mut passed = true;
    for (name, step) in STEPS {
        passed &= play(name, || step(cluster));
    }
    if cluster.two.courier(home).is_some() {
        passed &= play("Courier's imapd in our place on one host, and back", || swap(cluster));
    } else {
        println!("skip  Courier's imapd in our place: it is not installed");
    }
    passed
}

fn same_uid(cluster: &Cluster) {
    cluster.one.deliver("steps", "1700000001.M1P1.mail1", "Subject: one\n\nfrom host 1\n");
    let (mut a, mut b) = (cluster.one.session("steps"), cluster.two.session("steps"));
    let validity = |s: &mut support::Session| {
        let reply = s.cmd("SELECT INBOX");
        String::from_utf8_lossy(reply.get("* OK [UIDVALIDITY ")).into_owned()
    };
    assert_eq!(validity(&mut a), validity(&mut b), "UIDVALIDITY");
    assert_eq!(fetched(&mut a)[0].0, fetched(&mut b)[0].0, "UID");
    let body = "* 1 FETCH (BODY[TEXT] {13}\r\nfrom host 1\r\n)";
    a.cmd("FETCH 1 BODY.PEEK[TEXT]").has(body);
    b.cmd("FETCH 1 BODY.PEEK[TEXT]").has(body);
}

fn idle(cluster: &Cluster) {
    let mut b = cluster.two.session("steps");
    b.cmd("SELECT INBOX").has("* 1 EXISTS");
    assert!(b.cmd("IDLE").last().starts_with(b"+ "));
    cluster.one.deliver("steps", "1700000002.M2P1.mail1", "Subject: two\n\nx\n");
    let begin = Instant::now();
    // The last resort, a rescan, comes after a minute.
    let line = b.response(PATIENCE * 3).unwrap_or_default();
    assert!(line == b"* 2 EXISTS", "{}", b.story());
    println!("figure notice in IDLE across hosts after {:.1} s", begin.elapsed().as_secs_f64());
    b.send(b"DONE\r\n");
}

fn flags(cluster: &Cluster) {
    let (mut a, mut b) = (cluster.one.session("steps"), cluster.two.session("steps"));
    for session in [&mut a, &mut b] {
        session.cmd("SELECT INBOX").has("* 2 EXISTS");
    }
    a.cmd("STORE 1 +FLAGS (\\Flagged Label)").says("OK");
    let is_flagged = |line: &str| {
        line.starts_with("* 1 FETCH") && line.contains("\\Flagged") && line.contains("Label")
    };
    noop_until(&mut b, is_flagged);
    b.cmd("STORE 1 -FLAGS (\\Flagged)").says("OK");
    noop_until(&mut a, |line| line.starts_with("* 1 FETCH") && !line.contains("\\Flagged"));
    a.cmd("SEARCH KEYWORD Label").has("* SEARCH 1");
}

fn expunge(cluster: &Cluster) {
    let (mut a, mut b) = (cluster.one.session("steps"), cluster.two.session("steps"));
    for session in [&mut a, &mut b] {
        session.cmd("SELECT INBOX").has("* 2 EXISTS");
    }
    b.cmd("STORE 1 +FLAGS.SILENT (\\Deleted)").says("OK");
    b.cmd("EXPUNGE").has("* 1 EXPUNGE");
    noop_until(&mut a, |line| line == "* 1 EXPUNGE");
    let kept = |host: &crate::Host| host.names("steps/Maildir/cur");
    assert!(kept(&cluster.one).len() == 1 && kept(&cluster.one) == kept(&cluster.two));
    a.cmd("FETCH 1 (UID)").has("* 1 FETCH (UID 2)");
}

fn appends(cluster: &Cluster) {
    const EACH: usize = 25;
    let work = |host: &crate::Host, name: &str| {
        let mut session = host.session("steps");
        session.cmd("SELECT INBOX").says("OK");
        (0..EACH)
            .map(|n| {
                let text = format!("Subject: {name} {n}\r\n\r\nx\r\n");
                // A NOOP between two: it reads what the next APPEND must not take from a cache.
                session.cmd("NOOP").says("OK");
                let reply = session.cmd_literal("APPEND INBOX", text.as_bytes(), "");
                reply.says("OK");
                appended(&reply)
            })
            .collect::<Vec<_>>()
    };
    let (told_a, told_b) = thread::scope(|scope| {
        let a = scope.spawn(|| work(&cluster.one, "a"));
        let b = scope.spawn(|| work(&cluster.two, "b"));
        (a.join().unwrap(), b.join().unwrap())
    });
    let told: BTreeSet<_> = told_a.iter().chain(&told_b).copied().collect();
    assert_eq!(told.len(), 2 * EACH, "no UID twice: {told_a:?} {told_b:?}");
    let uids: BTreeSet<u32> = told.iter().map(|(_, uid)| *uid).collect();
    for host in [&cluster.one, &cluster.two] {
        let mut session = host.session("steps");
        session.cmd("SELECT INBOX").says("OK");
        let there: BTreeSet<u32> = fetched(&mut session).iter().map(|(uid, _)| *uid).collect();
        assert_eq!(there.len(), 2 * EACH + 1, "{}", session.story());
        assert!(uids.is_subset(&there), "{told:?}\n{}", session.story());
    }
}

fn folders(cluster: &Cluster) {
    let (mut a, mut b) = (cluster.one.session("steps"), cluster.two.session("steps"));
    let lists = |s: &mut support::Session, verb: &str, name: &str| {
        let reply = s.cmd(&format!("{verb} \"\" {name}"));
        reply.responses.len() > 1
    };
    a.cmd("CREATE INBOX.made").says("OK");
    assert!(lists(&mut b, "LIST", "INBOX.made"), "{}", b.story());
    b.cmd_literal("APPEND INBOX.made", b"Subject: in it\r\n\r\nx\r\n", "").says("OK");
    a.cmd("SUBSCRIBE INBOX.made").says("OK");
    b.cmd("SUBSCRIBE INBOX.other").says("OK");
    for session in [&mut a, &mut b] {
        for name in ["INBOX.made", "INBOX.other"] {
            assert!(lists(session, "LSUB", name), "{name}\n{}", session.story());
        }
    }
    a.cmd("RENAME INBOX.made INBOX.renamed").says("OK");
    assert!(!lists(&mut b, "LIST", "INBOX.made"), "{}", b.story());
    b.cmd("SELECT INBOX.renamed").has("* 1 EXISTS");
    b.cmd("CLOSE").says("OK");
    a.cmd("DELETE INBOX.renamed").says("OK");
    assert!(!lists(&mut b, "LIST", "INBOX.renamed"), "{}", b.story());
    b.cmd("SELECT INBOX.renamed").says("NO");
}

/// Host 2 goes to Courier's imapd and back, while host 1 stays with ours.
fn swap(cluster: &Cluster) {
    let mut a = cluster.one.session("steps");
    a.cmd("SELECT INBOX").says("OK");
    a.cmd("STORE 2 +FLAGS (\\Answered Mixed)").says("OK");
    let ours = fetched(&mut a);
    let mut theirs = cluster.two.courier("steps").unwrap();
    theirs.cmd("SELECT INBOX").says("OK");
    let mut seen = fetched(&mut theirs);
    let sorted = |list: &mut Vec<(u32, String)>| {
        for (_, flags) in list {
            let mut words: Vec<_> = flags.split(' ').filter(|w| *w != "\\Recent").collect();
            words.sort_unstable();
            *flags = words.join(" ");
        }
    };
    sorted(&mut seen);
    let mut due = ours.clone();
    sorted(&mut due);
    assert_eq!(seen, due, "{}", theirs.story());
    let reply = theirs.cmd_literal("APPEND INBOX", b"Subject: Courier's\r\n\r\nx\r\n", "");
    let (_, uid) = appended(&reply);
    assert!(ours.iter().all(|(known, _)| *known < uid), "{}", theirs.story());
    theirs.cmd("STORE 1 +FLAGS (\\Seen)").says("OK");
    theirs.cmd("LOGOUT");
    noop_until(&mut a, |line| line.starts_with("* 1 FETCH") && line.contains("\\Seen"));
    let mut back = cluster.two.session("steps");
    back.cmd("SELECT INBOX").says("OK");
    for session in [&mut a, &mut back] {
        let last = fetched(session).last().cloned().unwrap();
        assert_eq!(last.0, uid, "{}", session.story());
    }
}
