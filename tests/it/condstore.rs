//! CONDSTORE (RFC 7162) where values cannot be had or kept, and with very many messages. What each
//! command says is in the dialogs.

use crate::bad_days::full_disk::{fill, on_a_small_disk, remount};
use std::fs;
use support::Maildir;
use support::session::{Reply, Session};

const MESSAGE: &[u8] = b"Subject: x\n\nx\n";
const STATE: &str = "postrider.state";

fn maildir(messages: usize) -> Maildir {
    let maildir = Maildir::new();
    for n in 1..=messages {
        maildir.write(&format!("cur/{}.m:2,", 1000 + n), MESSAGE);
    }
    maildir
}

/// A session that has opened the folder and is told modification sequences.
fn open(maildir: &Maildir) -> (Session, Reply) {
    let mut s = maildir.session(&[]);
    let reply = s.cmd("SELECT INBOX (CONDSTORE)");
    reply.says("OK [READ-WRITE]");
    (s, reply)
}

/// HIGHESTMODSEQ as a client has it after SELECT.
#[track_caller]
fn highest(reply: &Reply) -> u64 {
    let line = String::from_utf8_lossy(reply.get("* OK [HIGHESTMODSEQ ")).into_owned();
    line.split([' ', ']']).nth(3).unwrap().parse().unwrap()
}

/// HIGHESTMODSEQ of a tagged line: what a client takes that was told something that nobody keeps.
#[track_caller]
fn taken_back(reply: &Reply) -> u64 {
    reply.says("OK [HIGHESTMODSEQ ");
    let line = String::from_utf8_lossy(reply.last()).into_owned();
    line.split([' ', ']']).nth(3).unwrap().parse().unwrap()
}

/// Something in the place of the state that cannot be replaced.
fn block(maildir: &Maildir) {
    fs::remove_file(maildir.path().join(STATE)).unwrap();
    fs::create_dir_all(maildir.path().join(STATE).join("x")).unwrap();
}

/// A Maildir of three messages with UIDs, on a disk of 256 KiB.
fn small(maildir: &Maildir) {
    for sub in ["tmp", "new", "cur"] {
        fs::create_dir(maildir.path().join(sub)).unwrap();
    }
    for n in 1..=3 {
        maildir.write(&format!("cur/100{n}.m:2,"), MESSAGE);
    }
    maildir.session(&[("IMAP_INDEX", "0")]).cmd("SELECT INBOX").has("* 3 EXISTS");
}

/// What is told without the keywords is covered by no value: a client that comes back is told all.
#[test]
fn keywords_that_cannot_be_read() {
    let maildir = maildir(3);
    let list = maildir.path().join("courierimapkeywords/:list");
    maildir.write("courierimapkeywords/:list", b"Work\n\n1001.m:0\n");
    let good = fs::read(&list).unwrap();
    let (mut s, reply) = open(&maildir);
    let told = highest(&reply);
    s.cmd("FETCH 1 FLAGS").has("* 1 FETCH (FLAGS (\\Recent Work))");
    // More than anybody reads.
    fs::File::create(&list).unwrap().set_len(1 << 30).unwrap();
    assert!(taken_back(&s.cmd("NOOP")) < told, "{}", s.story());
    let (mut other, reply) = open(&maildir);
    assert!(highest(&reply) < told, "{}", other.story());
    other.cmd("FETCH 1 FLAGS").has("* 1 FETCH (FLAGS ())");
    assert!(taken_back(&other.cmd("STORE 2 +FLAGS (\\Flagged)")) < told, "{}", other.story());
    assert!(highest(&other.cmd("SELECT INBOX")) < told, "{}", other.story());
    other.cmd("LOGOUT").says("OK");
    fs::write(&list, good).unwrap();
    let (mut s, reply) = open(&maildir);
    assert!(highest(&reply) > told, "{}", s.story());
    let missed = s.cmd(&format!("FETCH 1:* FLAGS (CHANGEDSINCE {told})"));
    let flagged = missed.get("* 2 FETCH (FLAGS (\\Flagged)");
    assert!(!flagged.is_empty() && missed.responses.len() == 2, "{}", s.story());
    let all = s.cmd("FETCH 1:* FLAGS (CHANGEDSINCE 1)");
    all.get("* 1 FETCH (FLAGS (Work) ");
    all.get("* 3 FETCH ");
}

/// The folder is another one by now, and no values can be kept of it (RFC 7162 3.1.2.2).
#[test]
fn a_folder_that_loses_its_values_while_it_is_open() {
    let maildir = maildir(3);
    let (mut s, _) = open(&maildir);
    block(&maildir);
    let uids = b"1 777 4\n1 1001.m\n2 1002.m\n3 1003.m\n";
    fs::write(maildir.path().join("courierimapuiddb"), uids).unwrap();
    s.cmd("NOOP").has("* OK [UIDVALIDITY 777] Ok").has("* OK [NOMODSEQ] Ok");
    for command in [
        "FETCH 1 MODSEQ",
        "FETCH 1 FLAGS (CHANGEDSINCE 5)",
        "STORE 1 (UNCHANGEDSINCE 5) +FLAGS (\\Seen)",
        "SEARCH MODSEQ 5",
    ] {
        s.cmd(command).bad("This mailbox has no modification sequences.");
    }
    s.cmd("STORE 1 +FLAGS (\\Seen)").ok("STORE completed.").has("* 1 FETCH (UID 1 FLAGS (\\Seen))");
    s.cmd("STATUS INBOX (HIGHESTMODSEQ)").has("* STATUS \"INBOX\" (HIGHESTMODSEQ 0)");
    s.cmd("SELECT INBOX").has("* OK [NOMODSEQ] Ok").lacks("* OK [HIGHESTMODSEQ");
    fs::remove_dir_all(maildir.path().join(STATE)).unwrap();
    // The client was told that there are none. There are some for the next session.
    s.cmd("NOOP").ok("NOOP completed");
    highest(&open(&maildir).1);
}

/// It is the same folder: what cannot be recorded keeps its values, and none covers it.
#[test]
fn a_state_that_cannot_be_written_any_more() {
    let maildir = maildir(3);
    let (mut s, reply) = open(&maildir);
    let told = highest(&reply);
    block(&maildir);
    let flags = format!("* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent) MODSEQ ({told}))");
    let reply = s.cmd("STORE 1 +FLAGS (\\Flagged)");
    assert!(taken_back(reply.has(&flags)) < told, "{}", s.story());
    s.cmd("STORE 2 (UNCHANGEDSINCE 5) +FLAGS (\\Seen)").says("NO [INUSE]");
    fs::rename(maildir.path().join("cur/1003.m:2,"), maildir.path().join("cur/1003.m:2,T"))
        .unwrap();
    assert!(taken_back(&s.cmd("NOOP")) < told, "{}", s.story());
    s.cmd("FETCH 2:3 FLAGS").has("* 3 FETCH (FLAGS (\\Deleted \\Recent))");
    open(&maildir).1.has("* OK [NOMODSEQ] Ok");
    fs::remove_dir_all(maildir.path().join(STATE)).unwrap();
    // Nothing is known of what was told: a run begins at a random place, and has another value.
    let (mut s, reply) = open(&maildir);
    assert_ne!(highest(&reply), told, "{}", s.story());
    let all = s.cmd(&format!("FETCH 1:* FLAGS (CHANGEDSINCE {told})"));
    all.get("* 1 FETCH (FLAGS (\\Flagged) MODSEQ (");
    all.get("* 3 FETCH (FLAGS (\\Deleted) MODSEQ (");
}

#[test]
fn a_disk_that_nobody_may_write_any_more() {
    let maildir = Maildir::new();
    on_a_small_disk(maildir.path(), "size=256k", || {
        small(&maildir);
        let (mut s, reply) = open(&maildir);
        let told = highest(&reply);
        s.cmd("STORE 1 +FLAGS (\\Flagged)").ok("STORE completed.");
        remount(maildir.path(), true);
        // What was told is so still, and the same is told to whoever comes now.
        s.cmd("NOOP").says("OK").lacks("* OK [NOMODSEQ]");
        s.cmd("STORE 2 +FLAGS (\\Seen)").says("NO");
        s.cmd("STORE 2 (UNCHANGEDSINCE 5) +FLAGS (\\Seen)").says("NO");
        s.cmd(&format!("FETCH 1:* FLAGS (CHANGEDSINCE {told})")).get("* 1 FETCH (FLAGS (\\Flagged");
        let mut other = maildir.session(&[]);
        other.cmd("SELECT INBOX (CONDSTORE)").says("OK").has("* 3 EXISTS");
        remount(maildir.path(), false);
        s.cmd("STORE 2 +FLAGS (\\Seen)").says("OK");
        let (mut s, reply) = open(&maildir);
        assert!(highest(&reply) > told, "{}", s.story());
        let missed = s.cmd(&format!("FETCH 1:* FLAGS (CHANGEDSINCE {told})"));
        missed.get("* 1 FETCH (FLAGS (\\Flagged) ");
        missed.get("* 2 FETCH (FLAGS (\\Seen) ");
    });
}

/// A first state is written when the client has its answer. Where it turns out then that there is no
/// room, what the client was told of modification sequences is true: it is told everything.
#[test]
fn a_first_state_for_which_there_is_no_room() {
    let maildir = Maildir::new();
    on_a_small_disk(maildir.path(), "size=256k", || {
        small(&maildir);
        fill(&maildir);
        let mut s = maildir.session(&[]);
        let reply = s.cmd("SELECT INBOX");
        let told = highest(reply.has("* 3 EXISTS"));
        let all = s.cmd(&format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {told})"));
        all.get("* OK [HIGHESTMODSEQ ");
        all.has("* 1 FETCH (UID 1 FLAGS () MODSEQ (1))").says("OK");
        s.cmd("STORE 2 +FLAGS (\\Seen)").has("* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (1))");
        s.cmd("STORE 3 (UNCHANGEDSINCE 5) +FLAGS (\\Seen)").says("NO");
        fs::remove_file(maildir.path().join("filler")).unwrap();
        assert!(taken_back(&s.cmd("NOOP")) > told, "{}", s.story());
        assert!(highest(&open(&maildir).1) > told);
    });
}

/// Courier's server on a full disk gives a UID twice.
#[test]
fn a_uid_that_names_another_message_by_now_and_no_room() {
    let maildir = Maildir::new();
    on_a_small_disk(maildir.path(), "size=256k", || {
        small(&maildir);
        let (mut s, _) = open(&maildir);
        fill(&maildir);
        fs::rename(maildir.path().join("cur/1003.m:2,"), maildir.path().join("cur/1004.m:2,"))
            .unwrap();
        let path = maildir.path().join("courierimapuiddb");
        let uids = fs::read_to_string(&path).unwrap().replace("3 1003.m", "3 1004.m");
        // In place: there is no room for another file.
        let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, uids.as_bytes()).unwrap();
        s.cmd("NOOP").says("OK").get("* OK [UIDVALIDITY ");
        s.cmd("FETCH 3 BODY.PEEK[TEXT]").has("* 3 FETCH (BODY[TEXT] {3}\r\nx\r\n)");
    });
}

/// The search for the first message that has another name by now finds the others' new names.
#[test]
fn messages_that_a_program_has_renamed() {
    let maildir = maildir(4);
    let (mut s, reply) = open(&maildir);
    let told = highest(&reply);
    for n in [1, 2, 4] {
        let cur = maildir.path().join("cur");
        fs::rename(cur.join(format!("100{n}.m:2,")), cur.join(format!("100{n}.m:2,T"))).unwrap();
    }
    s.cmd(&format!("STORE 1:4 (UNCHANGEDSINCE {told}) +FLAGS.SILENT (\\Flagged)"))
        .says("OK [MODIFIED 1:2,4] ");
    s.cmd("FETCH 2:3 FLAGS")
        .has("* 2 FETCH (FLAGS (\\Deleted \\Recent))")
        .has("* 3 FETCH (FLAGS (\\Flagged \\Recent))");
    s.cmd("STORE 1:4 +FLAGS.SILENT (\\Seen)").ok("STORE completed.");
    // Keywords alone: no file is renamed.
    let (mut s, reply) = open(&maildir);
    let told = highest(&reply);
    for n in [1, 2] {
        let cur = maildir.path().join("cur");
        fs::rename(cur.join(format!("100{n}.m:2,ST")), cur.join(format!("100{n}.m:2,S"))).unwrap();
    }
    s.cmd(&format!("STORE 1:3 (UNCHANGEDSINCE {told}) +FLAGS.SILENT (Work)"))
        .says("OK [MODIFIED 1:2] ");
    s.cmd("FETCH 1:3 FLAGS")
        .has("* 1 FETCH (FLAGS (\\Seen))")
        .has("* 2 FETCH (FLAGS (\\Seen))")
        .has("* 3 FETCH (FLAGS (\\Flagged \\Seen Work))");
}

/// Nobody has recorded this change yet, and the store that depends on it touches no keyword.
#[test]
fn keywords_that_a_program_has_set() {
    let maildir = maildir(2);
    let (mut s, reply) = open(&maildir);
    let told = highest(&reply);
    maildir.write("courierimapkeywords/1001.m", b"Work\n");
    s.cmd(&format!("STORE 1:2 (UNCHANGEDSINCE {told}) +FLAGS.SILENT (\\Flagged)"))
        .says("OK [MODIFIED 1] ")
        .get("* 1 FETCH (UID 1 FLAGS (\\Recent Work) MODSEQ (");
    s.cmd("FETCH 1:2 FLAGS")
        .has("* 1 FETCH (FLAGS (\\Recent Work))")
        .has("* 2 FETCH (FLAGS (\\Flagged \\Recent))");
}

/// QRESYNC with what no honest client sends: it is told all, or BAD, and goes on.
#[test]
fn a_client_that_lies_of_what_it_knows() {
    let maildir = maildir(3);
    let mut s = maildir.session(&[]);
    s.cmd("ENABLE QRESYNC").says("OK");
    let reply = s.cmd("SELECT INBOX");
    let line = String::from_utf8_lossy(reply.get("* OK [UIDVALIDITY ")).into_owned();
    let validity = line.split([' ', ']']).nth(3).unwrap().to_owned();
    let told = highest(&reply);
    let ranges: Vec<String> = (1..=100_000).map(|n| format!("{}:{}", n * 3, n * 3 + 1)).collect();
    let ranges = ranges.join(",");
    for refused in [
        format!("1 {ranges}"),
        format!("1 1:3 ({ranges} {ranges})"),
        "0".to_owned(),
        (1u64 << 63).to_string(),
        u64::MAX.to_string(),
    ] {
        s.cmd(&format!("SELECT INBOX (QRESYNC ({validity} {refused}))")).says("BAD");
        s.forget();
        // The folder is open still.
        s.cmd("CHECK").says("OK");
    }
    // Values that it was never told, and messages that are not where it says.
    for value in [1, told + 1, (1 << 63) - 1] {
        for sample in ["", " (1:3 4:6)", " (3 1)", " (1:4294967295 1:4294967295)", " (3:1 3:1)"] {
            let known = format!("{validity} {value} 1:4294967295{sample}");
            let reply = s.cmd(&format!("SELECT INBOX (QRESYNC ({known}))"));
            reply.says("OK").has("* 3 EXISTS").lacks("* VANISHED");
            let fetched = reply.responses.iter().filter(|r| r.windows(7).any(|w| w == b" FETCH "));
            assert_eq!(fetched.count(), 3, "{known}\n{}", s.story());
            s.forget();
        }
    }
}
