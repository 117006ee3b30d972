//! The client of the model test (`tests/stress/model`) by itself: what it makes of a transcript. And
//! a short run of that test; `scripts/stress --qresync` does more of it.

use crate::stress_model::cache::{Cache, View};
use crate::stress_model::told::{Fetch, Set, Told, code, untagged};
use crate::stress_model::{Plan, run};
use std::fs;
use support::{Maildir, Session};

#[test]
fn a_few_histories() {
    let plan = Plan {
        seconds: 6,
        seed: 1,
        only: None,
        is_crowd: false,
        harms: true,
        ours: vec![support::postrider()],
        courier: Some(support::programs::courier()),
        home: None,
    };
    assert_eq!(run(&plan), 0, "see above");
}

/// Two messages, and a session with QRESYNC that has them open.
fn two_messages() -> (Maildir, Session) {
    let maildir = Maildir::new();
    for n in 1..=2 {
        maildir.write(&format!("cur/100{n}.x:2,"), b"Subject: x\n\ny\n");
    }
    let mut s = maildir.session(&[]);
    s.cmd("ENABLE QRESYNC").says("OK");
    s.cmd("SELECT INBOX").says("OK");
    (maildir, s)
}

/// A value of the state that was put back does not cover what was told from the lost one.
#[test]
fn a_flag_set_and_taken_back_over_yesterdays_state() {
    let (maildir, mut s) = two_messages();
    let state = maildir.path().join("postrider.state");
    s.cmd("STORE 2 +FLAGS (\\Draft)").says("OK");
    let yesterday = fs::read(&state).unwrap();
    s.cmd("STORE 1 +FLAGS (\\Flagged)").says("OK");
    let other = state.with_extension("other");
    fs::write(&other, yesterday).unwrap();
    fs::rename(&other, &state).unwrap();
    let reply = s.cmd("STORE 2 +FLAGS (\\Answered)");
    let line = String::from_utf8_lossy(reply.last()).into_owned();
    assert!(line.contains("[HIGHESTMODSEQ 1]"), "{line}\n{}", s.story());
    // The flag is taken back: nothing is left of it that a look could find.
    fs::rename(maildir.path().join("cur/1001.x:2,F"), maildir.path().join("cur/1001.x:2,"))
        .unwrap();
    let mut t = maildir.session(&[]);
    t.cmd("ENABLE QRESYNC").says("OK");
    let validity = maildir_validity(&maildir);
    let reply = t.cmd(&format!("SELECT INBOX (QRESYNC ({validity} 1))"));
    let told = String::from_utf8_lossy(reply.get("* 1 FETCH")).into_owned();
    assert!(told.starts_with("* 1 FETCH (UID 1 FLAGS () MODSEQ"), "{told}");
}

/// The end of the journal is torn, as by a crash. Who changes something next goes on from there.
#[test]
fn a_torn_end_is_mended() {
    let (maildir, mut s) = two_messages();
    let state = maildir.path().join("postrider.state");
    s.cmd("STORE 2 +FLAGS (\\Draft)").ok("STORE completed.");
    let whole = fs::read(&state).unwrap();
    fs::write(&state, [&whole[..], &whole[whole.len() - 50..]].concat()).unwrap();
    let line = |reply: &support::session::Reply, start| {
        String::from_utf8_lossy(reply.get(start)).into_owned()
    };
    let reply = s.cmd("STORE 1 +FLAGS (\\Flagged)");
    reply.ok("STORE completed.");
    let told = line(&reply, "* 1 FETCH");
    let value = told.split("MODSEQ (").nth(1).unwrap().trim_end_matches(')').to_owned();
    s.cmd(&format!("STORE 1 (UNCHANGEDSINCE {value}) +FLAGS (\\Seen)")).ok("STORE completed.");
    // Nothing is left of it, and what was recorded behind it counts.
    let mended = fs::read(&state).unwrap();
    assert!(mended.starts_with(&whole));
    let mut t = maildir.session(&[]);
    t.cmd("ENABLE QRESYNC").says("OK");
    let validity = maildir_validity(&maildir);
    let reply = t.cmd(&format!("SELECT INBOX (QRESYNC ({validity} 1))"));
    let told = line(&reply, "* 1 FETCH");
    let value = line(&reply, "* OK [HIGHESTMODSEQ ").replace("* OK [HIGHESTMODSEQ ", "");
    let value = value.split(']').next().unwrap().to_owned();
    assert_eq!(told, format!("* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen) MODSEQ ({value}))"));
    assert!(fs::read(&state).unwrap().starts_with(&mended));
}

/// The UIDVALIDITY in the UID file.
fn maildir_validity(maildir: &Maildir) -> String {
    let uids = fs::read_to_string(maildir.path().join("courierimapuiddb")).unwrap();
    uids.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_client_reads_what_it_is_told() {
    let set = |text| Set::read(text).unwrap();
    let most = set("2:4294967290,4294967292");
    assert!(most.is_within(&set("1:5,6:4294967295")) && !most.is_within(&set("1:5,7:4294967295")));
    assert!(!most.is_within(&set("1:4294967291")) && set("7,9").is_within(&set("9,1:8")));
    let flags = ["\\Seen", "Work"].map(str::to_owned).into();
    let fetch = Fetch { number: 3, uid: Some(9), flags: Some(flags), modseq: Some(65402) };
    for (line, told) in [
        ("* 172 EXISTS", Told::Exists(172)),
        ("* 3 EXPUNGE", Told::Expunge(3)),
        (
            "* VANISHED (EARLIER) 300:310,405",
            Told::Vanished { is_earlier: true, uids: set("300:310,405") },
        ),
        ("* VANISHED 5", Told::Vanished { is_earlier: false, uids: set("5") }),
        ("* 3 FETCH (UID 9 MODSEQ (65402) FLAGS (\\Recent \\Seen Work))", Told::Fetch(fetch)),
        (
            "* 1 FETCH (BODY[TEXT] {4}\r\n(x)) UID 2)",
            Told::Fetch(Fetch { number: 1, uid: Some(2), ..Fetch::default() }),
        ),
        ("* SEARCH", Told::Search(Vec::new())),
        ("* SEARCH 2 5 (MODSEQ 917162500)", Told::Search(vec![2, 5])),
        ("* OK [HIGHESTMODSEQ 7] Highest", Told::Highest(7)),
        ("* OK [NOMODSEQ] Sorry", Told::NoModSeq),
        ("* OK [CLOSED] Done", Told::Closed),
        (
            "* STATUS INBOX (MESSAGES 2 HIGHESTMODSEQ 0)",
            Told::Status(vec![("MESSAGES".to_owned(), 2), ("HIGHESTMODSEQ".to_owned(), 0)]),
        ),
        ("* FLAGS (\\Seen)", Told::Other),
    ] {
        assert_eq!(untagged(line.as_bytes()), Ok(told), "{line}");
    }
    assert_eq!(code("[MODIFIED 7,9] Conditional STORE failed"), Some(Told::Modified(set("7,9"))));
    for wrong in ["* VANISHED (EARLIER)", "* VANISHED x", "* 1 FETCH (FLAGS", "x OK y"] {
        assert!(untagged(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn a_client_numbers_what_it_sees() {
    let mut view = View::default();
    assert!(view.exists(4).is_ok() && view.exists(3).is_err());
    assert_eq!(view.is(3, Some(8)), Ok(Some(8)));
    assert_eq!((view.is(3, None), view.is(1, None)), (Ok(Some(8)), Ok(None)));
    assert!(view.is(3, Some(9)).is_err() && view.is(5, None).is_err());
    assert!(view.is(1, Some(8)).is_err(), "UIDs ascend");
    let mut view = View(vec![Some(4), None, Some(8), None]);
    // Between those that are known.
    assert!(view.vanish(5).is_ok());
    assert_eq!(view.0, [Some(4), Some(8), None]);
    assert!(view.vanish(6).is_err() && view.vanish(4).is_ok() && view.vanish(4).is_err());
    assert_eq!(view.expunge(1), Ok(Some(8)));
    assert!(view.expunge(0).is_err() && view.expunge(2).is_err());
    assert_eq!(view.0, [None]);
}

/// The example of RFC 7162 6.
#[test]
fn a_client_keeps_the_value_that_covers_what_it_was_told() {
    let mut cache = Cache { modseq: Some(96), ..Cache::default() };
    cache.keep(Some(99), Some(103), false);
    assert_eq!(cache.modseq, Some(99));
    cache.keep(Some(99), Some(104), false);
    assert_eq!(cache.modseq, Some(99));
    cache.keep(Some(104), None, false);
    assert_eq!(cache.modseq, Some(104));
    cache.keep(None, Some(103), false);
    assert_eq!(cache.modseq, Some(104), "a lower value of a message says nothing");
    cache.keep(None, Some(105), false);
    assert_eq!(cache.modseq, Some(105));
    cache.keep(Some(1), Some(106), false);
    assert_eq!(cache.modseq, Some(1), "not everything was recorded");
    // A lazy client takes what is lower.
    cache.modseq = Some(50);
    cache.keep(Some(60), Some(70), true);
    cache.keep(Some(40), Some(70), true);
    assert_eq!(cache.modseq, Some(40));
    cache.modseq = None;
    cache.keep(Some(60), Some(70), false);
    assert_eq!(cache.modseq, None, "it is given up until the next opening");
}
