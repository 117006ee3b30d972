//! QRESYNC (RFC 7162) with many messages, and with values that no client was told. What each
//! command says is in the dialogs.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use support::Maildir;
use support::session::{Reply, Session};

const MESSAGES: u32 = 3000;

/// The UIDs that the VANISHED responses of a kind name, each once, and how many responses these
/// are.
fn vanished(reply: &Reply, start: &str) -> (BTreeSet<u32>, usize) {
    let (mut uids, mut lines) = (BTreeSet::new(), 0);
    for response in &reply.responses {
        let Some(set) = response.strip_prefix(start.as_bytes()) else { continue };
        lines += 1;
        for range in str::from_utf8(set).unwrap().split(',') {
            let (from, to) = range.split_once(':').unwrap_or((range, range));
            for uid in from.parse().unwrap()..=to.parse().unwrap() {
                assert!(uids.insert(uid), "{uid} twice");
            }
        }
    }
    (uids, lines)
}

/// The UIDs of the FETCH responses.
fn fetched(reply: &Reply) -> BTreeSet<u32> {
    let responses = reply.responses.iter().map(|r| String::from_utf8_lossy(r).into_owned());
    let uids = responses.filter_map(|r| {
        let (_, data) = r.split_once(" FETCH (UID ")?;
        data.split(' ').next()?.parse().ok()
    });
    uids.collect()
}

/// A session that has enabled QRESYNC.
fn enabled(maildir: &Maildir) -> Session {
    let mut s = maildir.session(&[]);
    s.cmd("ENABLE QRESYNC").says("OK");
    s
}

/// A number that SELECT says.
fn number(reply: &Reply, code: &str) -> u64 {
    let line = String::from_utf8_lossy(reply.get(&format!("* OK [{code} "))).into_owned();
    let number = line.split(['[', ']', ' ']).find_map(|word| word.parse().ok());
    number.unwrap()
}

/// What SELECT has told: UIDs that are gone, UIDs of FETCH responses. Compared by `==`, since a
/// failed `assert_eq` would show thousands of numbers.
type Missed = (BTreeSet<u32>, BTreeSet<u32>);

#[track_caller]
fn same(
    (gone, changed): &Missed,
    (all_gone, all_changed): (&BTreeSet<u32>, &BTreeSet<u32>),
    what: &str,
) {
    let first = gone.symmetric_difference(all_gone).next();
    assert!(first.is_none(), "{what}: {} of {} gone, not {first:?}", gone.len(), all_gone.len());
    let first = changed.symmetric_difference(all_changed).next();
    assert!(
        first.is_none(),
        "{what}: {} of {} changed, not {first:?}",
        changed.len(),
        all_changed.len()
    );
}

/// Every second message is expunged; the others are untouched.
#[test]
fn thousands_of_ranges() {
    let maildir = Maildir::new();
    for n in 1..=MESSAGES {
        let deleted = if n % 2 == 1 { "T" } else { "" };
        maildir.write(&format!("cur/{}.m:2,{deleted}", 10_000 + n), b"Subject: x\n\nx\n");
    }
    let mut s = enabled(&maildir);
    let opened = s.cmd("SELECT INBOX");
    let (before, validity) = (number(&opened, "HIGHESTMODSEQ"), number(&opened, "UIDVALIDITY"));
    let nothing = &BTreeSet::new();
    let odd = &(1..=MESSAGES).filter(|n| n % 2 == 1).collect();
    let even = &(1..=MESSAGES).filter(|n| n % 2 == 0).collect();
    // In one line: there are clients that read the first one only, or the last one.
    let (gone, lines) = vanished(s.cmd("EXPUNGE").says("OK"), "* VANISHED ");
    same(&(gone, BTreeSet::new()), (odd, nothing), "EXPUNGE");
    assert_eq!(lines, 1);

    let mut s = enabled(&maildir);
    let mut select = |parameters: &str| {
        let reply = s.cmd(&format!("SELECT INBOX (QRESYNC ({validity} {parameters}))"));
        reply.says("OK").lacks("* VANISHED 1");
        (vanished(&reply, "* VANISHED (EARLIER) ").0, fetched(&reply))
    };
    same(&select(&before.to_string()), (odd, nothing), "all");
    // What the client knows: three of four.
    let known: Vec<String> = (1..=MESSAGES).step_by(4).map(|n| format!("{n}:{}", n + 2)).collect();
    let known = known.join(",");
    let of_known =
        |uids: &BTreeSet<u32>| uids.iter().copied().filter(|n| n % 4 != 0).collect::<BTreeSet<_>>();
    same(&select(&format!("{before} {known}")), (&of_known(odd), nothing), "known");
    for never_told in [1, before - 1, before + 500_000, (1 << 63) - 1] {
        let missed = select(&format!("{never_told} {known}"));
        same(&missed, (&of_known(odd), &of_known(even)), &never_told.to_string());
    }
    // The number of the last message is proof that the client knows of all that is gone.
    let (left, max) = (MESSAGES / 2, u64::MAX);
    same(&select(&format!("1 1:{MESSAGES} ({left} {MESSAGES})")), (nothing, even), "sample");
    for wrong in [
        format!("({} {MESSAGES})", left - 1),
        format!("(1:{left},{max} 1:{left},{max})"),
        format!("(1:{max} 1:{max})"),
        format!("(1:{max} 2:{max})"),
        format!("({MESSAGES}:4294967295 {MESSAGES}:4294967295)"),
    ] {
        same(&select(&format!("1 1:{MESSAGES} {wrong}")), (odd, even), &wrong);
    }
    // The longest sets that are taken.
    let long = vec!["1:4294967295"; 5000].join(",");
    same(&select(&format!("{before} {long}")), (odd, nothing), "overlapping");
    let long: Vec<String> = (1..=9000).map(|n| (n * 2).to_string()).collect();
    let long = long.join(",");
    // The client names UIDs that are not there, and that the folder has not given yet.
    let beyond = &(MESSAGES + 2..=18_000).step_by(2).collect();
    same(&select(&format!("1 {long} ({long} {long})")), (beyond, even), "long");
}

/// The UID file was lost and made anew in the same second, by a program that knows nothing of the
/// index, and the state was lost with it. What a client names is told all the same, though the next
/// UID has gone back behind it.
#[test]
fn a_uid_file_that_was_made_anew() {
    let maildir = Maildir::new();
    for n in 1..=4 {
        maildir.write(&format!("cur/100{n}.m:2,"), b"Subject: x\n\nx\n");
    }
    let mut s = enabled(&maildir);
    let opened = s.cmd("SELECT INBOX");
    let (known, validity) = (number(&opened, "HIGHESTMODSEQ"), number(&opened, "UIDVALIDITY"));
    s.cmd("LOGOUT").says("OK");
    for n in 2..=4 {
        fs::remove_file(maildir.path().join(format!("cur/100{n}.m:2,"))).unwrap();
    }
    fs::remove_file(maildir.path().join("postrider.state")).unwrap();
    maildir.write("courierimapuiddb", format!("1 {validity} 2\n1 1001.m\n").as_bytes());
    let mut s = enabled(&maildir);
    let mut select = |uids: &str| {
        let reply = s.cmd(&format!("SELECT INBOX (QRESYNC ({validity} {known}{uids}))"));
        assert_eq!((number(&reply, "UIDVALIDITY"), number(&reply, "UIDNEXT")), (validity, 2));
        vanished(&reply, "* VANISHED (EARLIER) ").0
    };
    assert_eq!(select(" 1:4"), BTreeSet::from([2, 3, 4]));
    assert_eq!(select(" 1,3"), BTreeSet::from([3]));
    // Without end: nothing is said of what is still to come.
    assert_eq!(select(""), BTreeSet::new());
    assert_eq!(select(" 1:4294967295"), BTreeSet::new());
    let reply = s.cmd(&format!("UID FETCH 1:3 FLAGS (CHANGEDSINCE {known} VANISHED)"));
    assert_eq!(vanished(&reply, "* VANISHED (EARLIER) ").0, BTreeSet::from([2, 3]));
}

/// A session that leaves the folder proves for the next one that the state is up to date. It must
/// not do so of a state that was put back from a backup meanwhile.
#[test]
fn an_older_state_put_back_under_an_open_session() {
    let maildir = Maildir::new();
    for n in 1..=3 {
        maildir.write(&format!("cur/{n}.m:2,"), b"Subject: x\n\nx\n");
    }
    let (state, backup) = (maildir.path().join("postrider.state"), maildir.path().join("backup"));
    let mut s = enabled(&maildir);
    let opened = s.cmd("SELECT INBOX");
    let (before, validity) = (number(&opened, "HIGHESTMODSEQ"), number(&opened, "UIDVALIDITY"));
    fs::copy(&state, &backup).unwrap();
    s.cmd("STORE 1:2 +FLAGS.SILENT (\\Deleted)").says("OK");
    s.cmd("EXPUNGE").says("OK").has("* VANISHED 1:2");
    s.cmd("UNSELECT").says("OK");
    // Longer than a tick of the clock of file times: what is seen now is a proof.
    std::thread::sleep(Duration::from_millis(50));
    for open in [0, 1] {
        let mut s = enabled(&maildir);
        s.cmd("SELECT INBOX").says("OK").has("* 1 EXISTS");
        if open == 1 {
            s.cmd("FETCH 1 (ENVELOPE RFC822.SIZE)").says("OK");
        }
        fs::copy(&backup, maildir.path().join("put-back")).unwrap();
        fs::rename(maildir.path().join("put-back"), &state).unwrap();
        s.cmd("UNSELECT").says("OK");
        let mut s = enabled(&maildir);
        let reply = s.cmd(&format!("SELECT INBOX (QRESYNC ({validity} {before}))"));
        reply.says("OK").has("* 1 EXISTS").has("* VANISHED (EARLIER) 1:2");
    }
}
