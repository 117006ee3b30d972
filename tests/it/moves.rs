//! MOVE, where files decide: which way a message goes, what becomes of folders that go away
//! meanwhile, and of several sessions that move at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;
use support::{Maildir, PATIENCE, Session};

/// INBOX with so many messages, and INBOX.box.
fn maildir(messages: usize) -> Maildir {
    let maildir = Maildir::new();
    maildir.folder("INBOX.box");
    for n in 1..=messages {
        maildir.write(&format!("cur/{}.x:2,", 1000 + n), format!("Subject: {n}\n\nx\n").as_bytes());
    }
    maildir
}

fn inode(path: &Path) -> (u64, u64) {
    let meta = fs::metadata(path).unwrap();
    (meta.dev(), meta.ino())
}

/// The only file in a directory.
fn only(maildir: &Maildir, dir: &str) -> std::path::PathBuf {
    let names = maildir.files_in(dir);
    assert_eq!(names.len(), 1, "{dir}: {names:?}");
    maildir.path().join(dir).join(&names[0])
}

/// Makes messages that only their owner may read, beside a folder that others may look into: they
/// are copied.
fn close(maildir: &Maildir) {
    for name in maildir.files_in("cur") {
        let mode = PermissionsExt::from_mode(0o600);
        fs::set_permissions(maildir.path().join("cur").join(name), mode).unwrap();
    }
}

#[test]
fn the_file_itself_moves() {
    let maildir = maildir(1);
    fs::set_permissions(maildir.path().join(".box/tmp"), PermissionsExt::from_mode(0o700)).unwrap();
    let file = maildir.path().join("cur/1001.x:2,");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let before = inode(&file);
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has("* 1 EXISTS");
    s.cmd("MOVE 1 INBOX.box").ok("MOVE completed.");
    assert_eq!(inode(&only(&maildir, ".box/cur")), before);
    assert_eq!(maildir.files_in("cur"), [""; 0]);
}

/// To and from another file system: what comes is a copy with the same INTERNALDATE, and it alone.
#[test]
fn to_another_file_system_and_back() {
    let Ok(far) = tempfile::tempdir_in("/dev/shm") else { return };
    let maildir = maildir(3);
    for part in ["cur", "new", "tmp"] {
        fs::create_dir(far.path().join(part)).unwrap();
    }
    if inode(far.path()).0 == inode(maildir.path()).0 {
        return;
    }
    std::os::unix::fs::symlink(far.path(), maildir.path().join(".far")).unwrap();
    maildir.touch("cur/1002.x:2,", 1_500_000_000);
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has("* 3 EXISTS");
    s.cmd("STORE 2 FLAGS.SILENT (\\Flagged word)").ok("STORE completed.");
    let reply = s.cmd("MOVE 2:3 INBOX.far");
    reply.has("* 2 EXPUNGE").ok("MOVE completed.");
    assert!(reply.get("* OK [COPYUID ").ends_with(b" 2:3 1:2] Ok"), "{}", s.story());
    assert_eq!(maildir.files_in("cur"), ["1001.x:2,"]);
    let date = "\"14-Jul-2017 02:40:00 +0000\"";
    s.cmd("SELECT INBOX.far").has("* 2 EXISTS");
    s.cmd("FETCH 1 (FLAGS INTERNALDATE)")
        .has(&format!("* 1 FETCH (FLAGS (\\Flagged word) INTERNALDATE {date})"));
    s.cmd("MOVE 1:* INBOX").ok("MOVE completed.");
    assert_eq!(fs::read_dir(far.path().join("cur")).unwrap().count(), 0);
    s.cmd("SELECT INBOX").has("* 3 EXISTS");
    s.cmd("FETCH 2 (FLAGS INTERNALDATE)")
        .has(&format!("* 2 FETCH (FLAGS (\\Flagged word) INTERNALDATE {date})"));
}

/// What is somebody else's file becomes ours, as a copy would be.
#[test]
fn somebody_elses_file_is_copied() {
    let maildir = maildir(2);
    let theirs = maildir.path().join("cur/1002.x:2,");
    if std::os::unix::fs::chown(&theirs, Some(12_345), None).is_err() {
        return;
    }
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has("* 2 EXISTS");
    s.cmd("MOVE 2 INBOX.box").has("* 2 EXPUNGE").ok("MOVE completed.");
    assert_ne!(fs::metadata(only(&maildir, ".box/cur")).unwrap().uid(), 12_345);
    assert_eq!(maildir.files_in("cur"), ["1001.x:2,"]);
}

/// One file under two names of one message goes with both. A copy is a message of its own.
#[test]
fn a_file_with_two_names() {
    for name in ["cur/1001.x:2,S", "new/1001.x"] {
        let maildir = maildir(1);
        let at = |name: &str| maildir.path().join(name);
        fs::hard_link(at("cur/1001.x:2,"), at("cur/2000.x:2,")).unwrap();
        let mut s = maildir.session(&[]);
        s.cmd("SELECT INBOX").has("* 2 EXISTS");
        fs::hard_link(at("cur/1001.x:2,"), at(name)).unwrap();
        s.cmd("MOVE 1 INBOX.box").has("* 1 EXPUNGE").ok("MOVE completed.");
        s.cmd("NOOP").lacks("* 2 EXISTS");
        assert_eq!(maildir.files_in("cur"), ["2000.x:2,"], "{name}");
        assert_eq!(maildir.files_in("new"), [""; 0], "{name}");
        only(&maildir, ".box/cur");
    }
}

/// A folder that is deleted, or gets another name, while MOVE waits for its lock: the messages stay.
#[test]
fn a_folder_that_goes_away_meanwhile() {
    for to in ["tmp/gone", ".other"] {
        let maildir = maildir(3);
        let at = |name: &str| maildir.path().join(name);
        let mut s = maildir.session(&[]);
        s.cmd("SELECT INBOX").has("* 3 EXISTS");
        // Somebody has the lock.
        let lock = at(".box/tmp/courier.lock");
        fs::write(&lock, format!("{} host.example\n", std::process::id())).unwrap();
        s.send(b"x MOVE 1:3 INBOX.box\r\n");
        assert_eq!(s.response(Duration::from_millis(300)), None, "{}", s.story());
        fs::rename(at(".box"), at(to)).unwrap();
        let _ = fs::remove_file(at(to).join("tmp/courier.lock"));
        let reply = s.finish("x");
        reply.lacks("* 1 EXPUNGE").no("[TRYCREATE] Mailbox does not exist.");
        assert_eq!(maildir.files_in("cur").len(), 3);
        assert_eq!(maildir.files_in(&format!("{to}/cur")), [""; 0]);
    }
}

/// The folder that is open has another name now, or is gone: so are its messages, as for COPY.
#[test]
fn a_source_that_has_gone_away() {
    let maildir = maildir(0);
    maildir.folder("INBOX.from").write(".from/cur/1001.x:2,", b"Subject: 1\n\nx\n");
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX.from").has("* 1 EXISTS");
    fs::rename(maildir.path().join(".from"), maildir.path().join(".other")).unwrap();
    for command in ["COPY", "MOVE"] {
        s.cmd(&format!("{command} 1 INBOX.box"))
            .lacks("* 1 EXPUNGE")
            .no("[EXPUNGEISSUED] Some of the requested messages no longer exist.");
    }
    assert_eq!(maildir.files_in(".other/cur"), ["1001.x:2,"]);
    assert_eq!(maildir.files_in(".box/cur"), [""; 0]);
}

/// A folder that is deleted while messages move into it: whoever moves them takes them back, and until
/// then DELETE removes nothing. The test is who moves.
#[test]
fn a_folder_that_is_deleted_in_the_middle_of_a_move() {
    let maildir = maildir(1);
    let at = |name: &str| maildir.path().join(name);
    let lock = format!("{} host.example\n", std::process::id());
    fs::write(at(".box/tmp/courier.lock"), lock).unwrap();
    fs::rename(at("cur/1001.x:2,"), at(".box/cur/1002.x:2,")).unwrap();
    let mut s = maildir.session(&[]);
    s.send(b"x DELETE INBOX.box\r\n");
    assert_eq!(s.response(Duration::from_millis(300)), None, "{}", s.story());
    assert!(!at(".box").exists(), "it is out of sight");
    let gone = at("tmp").read_dir().unwrap().next().unwrap().unwrap().path();
    fs::rename(gone.join("cur/1002.x:2,"), at("cur/1001.x:2,")).unwrap();
    fs::remove_file(gone.join("tmp/courier.lock")).unwrap();
    s.finish("x").ok("Folder deleted.");
    assert_eq!(maildir.files_in("tmp"), [""; 0]);
}

/// A folder that is removed while messages move into it, by somebody who does not know of the lock:
/// those that are in it are taken back, and the others are not looked for in vain.
#[test]
fn a_folder_that_is_removed_in_the_middle_of_a_move() {
    let maildir = maildir(3000);
    let at = |name: &str| maildir.path().join(name);
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has("* 3000 EXISTS");
    s.send(b"x MOVE 1:* INBOX.box\r\n");
    while at(".box/cur").read_dir().unwrap().next().is_none() {
        std::thread::yield_now();
    }
    fs::rename(at(".box"), at("tmp/gone")).unwrap();
    // What is in `cur` is removed last.
    fs::rename(at("tmp/gone/cur"), at("tmp/cur")).unwrap();
    fs::remove_dir_all(at("tmp/gone")).unwrap();
    s.finish("x").no("[TRYCREATE] Mailbox does not exist.");
    assert_eq!(maildir.files_in("cur").len(), 3000);
}

/// A folder that is renamed while originals are removed whose copies are in it, by somebody who does
/// not know of the lock: the other originals stay. Whoever removes the folder then has all of them.
#[test]
fn a_folder_that_goes_away_while_originals_are_removed() {
    const MESSAGES: usize = 3000;
    for _ in 0..10 {
        let maildir = maildir(MESSAGES);
        let at = |name: &str| maildir.path().join(name);
        close(&maildir);
        let mut s = maildir.session(&[("IMAP_FSYNC", "0")]);
        s.cmd("SELECT INBOX").has(&format!("* {MESSAGES} EXISTS"));
        s.send(b"x MOVE 1:* INBOX.box\r\n");
        while at("cur/1001.x:2,").exists() {
            std::thread::yield_now();
        }
        fs::rename(at(".box"), at(".other")).unwrap();
        let reply = s.finish("x");
        let (stay, gone) = (maildir.files_in("cur").len(), maildir.files_in(".other/cur").len());
        assert!(gone >= MESSAGES - stay, "{gone} copies, {stay} originals");
        if stay > 0 {
            reply.no("[TRYCREATE] Mailbox does not exist.");
            let is_expunge = |r: &&Vec<u8>| r.ends_with(b" EXPUNGE");
            let told = reply.responses.iter().filter(is_expunge).count();
            assert_eq!(told, MESSAGES - stay);
            return;
        }
    }
    panic!("every original went, though its copy was not where it was to be");
}

/// Keywords that a session does not show go along with their messages, by either way. COPY leaves
/// them off the copy: there the message keeps them.
#[test]
fn keywords_that_are_switched_off_move_too() {
    for is_closed in [false, true] {
        let maildir = maildir(4);
        maildir.write("courierimapkeywords/:list", b"Work\nHome\n\n1001.x:0\n1002.x:0 1\n");
        maildir.write("courierimapkeywords/1003.x", b"Home\n");
        if is_closed {
            close(&maildir);
        }
        let mut s = maildir.session(&[("IMAP_KEYWORDS", "0")]);
        s.cmd("SELECT INBOX").has("* 4 EXISTS");
        s.cmd("COPY 1 INBOX.box").says("OK");
        let reply = s.cmd("MOVE 1:4 INBOX.box");
        reply.ok("MOVE completed.").lacks("* FLAGS (Work");
        let mut s = maildir.session(&[]);
        s.cmd("SELECT INBOX.box").has("* 5 EXISTS");
        s.cmd("SEARCH KEYWORD Work").has("* SEARCH 2 3");
        s.cmd("SEARCH KEYWORD Home").has("* SEARCH 3 4");
        assert_eq!(s.log().iter().filter(|l| l.starts_with("ERR")).count(), 0);
    }
}

/// Without locks, or without syncs: what is told is so, and each of several sessions that move the
/// same messages has others.
#[test]
fn without_locks_and_without_syncs() {
    for env in [("IMAP_USELOCKS", "0"), ("IMAP_FSYNC", "0")] {
        let maildir = maildir(40);
        let mut s = maildir.session(&[env]);
        s.cmd("SELECT INBOX").has("* 40 EXISTS");
        s.cmd("STORE 2 FLAGS.SILENT (\\Flagged word)").ok("STORE completed.");
        let reply = s.cmd("MOVE 1:2 INBOX.box");
        reply.ok("MOVE completed.").has("* 1 EXPUNGE").has("* 38 EXISTS");
        assert_eq!(moved(&reply), [(1, 1), (2, 2)]);
        let mut other = maildir.session(&[env]);
        other.cmd("SELECT INBOX.box").has("* 2 EXISTS");
        other.cmd("FETCH 2 FLAGS").has("* 2 FETCH (FLAGS (\\Flagged word))");
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut s = maildir.session(&[env]);
                    s.cmd("SELECT INBOX").says("OK");
                    for uid in 3..=40 {
                        s.cmd(&format!("UID MOVE {uid} INBOX.box"));
                    }
                });
            }
        });
        assert_eq!(maildir.files_in("cur"), [""; 0]);
        let there = subjects(&mut maildir.session(&[env]), "INBOX.box");
        assert_eq!(there.values().collect::<BTreeSet<_>>().len(), 40);
        assert_eq!(there.len(), 40);
    }
}

/// The sets of a COPYUID.
fn moved(reply: &support::Reply) -> Vec<(u32, u32)> {
    let Some(code) = reply.responses.iter().find(|r| r.starts_with(b"* OK [COPYUID ")) else {
        return Vec::new();
    };
    let code = String::from_utf8_lossy(code).into_owned();
    let sets: Vec<Vec<u32>> = code.split([' ', ']']).skip(4).take(2).map(numbers).collect();
    assert_eq!(sets[0].len(), sets[1].len(), "{code}");
    sets[0].iter().copied().zip(sets[1].iter().copied()).collect()
}

fn numbers(set: &str) -> Vec<u32> {
    set.split(',')
        .flat_map(|piece| {
            let (from, to) = piece.split_once(':').unwrap_or((piece, piece));
            from.parse::<u32>().unwrap()..=to.parse::<u32>().unwrap()
        })
        .collect()
}

/// UIDs and subjects of a folder.
fn subjects(s: &mut Session, folder: &str) -> BTreeMap<u32, String> {
    if s.cmd(&format!("SELECT {folder}")).responses.iter().any(|r| r == b"* 0 EXISTS") {
        return BTreeMap::new();
    }
    let reply = s.cmd("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
    let word = |text: &str, start: &str| {
        text.split(start).nth(1).unwrap().split([' ', '\r']).next().unwrap().to_owned()
    };
    let fetched = reply.responses.iter().filter(|r| r.starts_with(b"* "));
    fetched
        .map(|r| String::from_utf8_lossy(r).into_owned())
        .filter(|r| r.contains("Subject: "))
        .map(|r| (word(&r, "UID ").parse().unwrap(), word(&r, "Subject: ")))
        .collect()
}

/// Several sessions move the same messages to several folders: each message is moved by one of
/// them, under the UID that this one was told. One more changes flags all the while, and one looks
/// at a target: what it sees only grows, and every UID is at least the next one told before.
#[test]
fn many_move_the_same() {
    const MESSAGES: u32 = 120;
    let maildir = maildir(MESSAGES as usize);
    maildir.folder("INBOX.two");
    let folders = ["INBOX.box", "INBOX.two", "INBOX.box"];
    maildir.session(&[]).cmd("SELECT INBOX").has(&format!("* {MESSAGES} EXISTS"));
    let moves = |n: usize| {
        let mut s = maildir.session(&[]);
        s.cmd("SELECT INBOX").says("OK");
        let mut all = Vec::new();
        for from in (1..=MESSAGES).step_by(12) {
            let range = format!("UID MOVE {from}:{} {}", from + 11, folders[n]);
            all.extend(moved(&s.cmd(&range)));
        }
        all
    };
    let flags = || {
        let mut s = maildir.session(&[]);
        s.cmd("SELECT INBOX").says("OK");
        let is_told = |n: &u32| {
            let reply = s.cmd(&format!("UID STORE {n} +FLAGS (\\Flagged)"));
            reply.responses.iter().any(|r| String::from_utf8_lossy(r).contains("\\Flagged"))
        };
        (1..=MESSAGES).rev().filter(is_told).collect::<BTreeSet<u32>>()
    };
    let looks = || {
        let mut s = maildir.session(&[]);
        s.cmd("SELECT INBOX.box").says("OK");
        let mut t = maildir.session(&[]);
        let (mut next, mut known) = (1, 0u32);
        for _ in 0..40 {
            let reply = s.cmd("NOOP");
            reply.lacks("* 1 EXPUNGE");
            let is_expunge = |r: &Vec<u8>| r.ends_with(b" EXPUNGE");
            assert!(!reply.responses.iter().any(is_expunge), "{}", s.story());
            for uid in numbers_after(&mut s, known) {
                assert!(uid >= next, "{uid} was not to come: the next one was {next}");
                known = uid;
            }
            let status = t.cmd("STATUS INBOX.box (UIDNEXT)");
            let text = String::from_utf8_lossy(&status.responses[0]).into_owned();
            next = text.split("UIDNEXT ").nth(1).unwrap().trim_end_matches(')').parse().unwrap();
            // What was there before that STATUS may have been missed by the NOOP before it.
            s.cmd("NOOP");
            known = numbers_after(&mut s, known).into_iter().max().unwrap_or(known);
        }
    };
    let (told, flagged) = std::thread::scope(|scope| {
        let movers: Vec<_> = (0..3).map(|n| scope.spawn(move || moves(n))).collect();
        let (flags, looks) = (scope.spawn(flags), scope.spawn(looks));
        looks.join().unwrap();
        let told: Vec<_> = movers.into_iter().map(|m| m.join().unwrap()).collect();
        (told, flags.join().unwrap())
    });
    let mut s = maildir.session(&[]);
    let there: Vec<BTreeMap<u32, String>> =
        ["INBOX.box", "INBOX.two"].iter().map(|folder| subjects(&mut s, folder)).collect();
    assert_eq!(subjects(&mut s, "INBOX").len(), 0);
    assert_eq!(there[0].len() + there[1].len(), MESSAGES as usize);
    let mut all = BTreeSet::new();
    for (n, pairs) in told.iter().enumerate() {
        let folder = &there[usize::from(n == 1)];
        for (from, to) in pairs {
            assert_eq!(folder.get(to), Some(&from.to_string()), "{from} became {to}");
            assert!(all.insert(*from), "{from} moved twice");
        }
    }
    assert_eq!(all.len(), MESSAGES as usize);
    let mut found = BTreeSet::new();
    for (folder, there) in ["INBOX.box", "INBOX.two"].iter().zip(&there) {
        s.cmd(&format!("SELECT {folder}")).says("OK");
        let reply = s.cmd("UID SEARCH FLAGGED");
        let line = String::from_utf8_lossy(&reply.responses[0]).into_owned();
        found.extend(
            line.split(' ').skip(2).map(|uid| there[&uid.parse().unwrap()].parse::<u32>().unwrap()),
        );
    }
    assert_eq!(found, flagged);
    let _ = PATIENCE;
}

/// The UIDs of the messages beyond this one.
fn numbers_after(s: &mut Session, known: u32) -> Vec<u32> {
    let reply = s.cmd(&format!("UID SEARCH UID {}:*", known + 1));
    let line = reply.responses.iter().find(|r| r.starts_with(b"* SEARCH")).unwrap();
    let line = String::from_utf8_lossy(line).into_owned();
    line.split(' ').skip(2).map(|uid| uid.parse().unwrap()).filter(|uid| *uid > known).collect()
}
