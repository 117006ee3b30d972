//! Folders that come, go and move in the same moment: of two sessions that want the same, one gets
//! it; no message is lost, and a folder is there whole or not at all.

use super::{at_once, is_ok, subjects};
use support::{Maildir, Session};

const ROUNDS: usize = 15;

/// How many of the sessions were answered OK, for each round.
fn winners(answers: &[Vec<bool>]) -> Vec<usize> {
    (0..ROUNDS).map(|round| answers.iter().filter(|a| a[round]).count()).collect()
}

/// That another session was faster is no fault for the log.
fn no_faults(s: &Session) {
    assert!(!s.log().iter().any(|line| line.starts_with("ERR")), "{}", s.story());
}

#[test]
fn one_name_is_created_once() {
    let maildir = Maildir::new();
    let answers = at_once(&maildir, &[], 4, |_, s, meeting| -> Vec<bool> {
        (0..ROUNDS)
            .map(|round| {
                meeting.wait();
                let is_first = is_ok(s, &format!("CREATE INBOX.r{round}"));
                no_faults(s);
                is_first
            })
            .collect()
    });
    assert_eq!(winners(&answers), [1; ROUNDS]);
    let mut s = maildir.session(&[]);
    for round in 0..ROUNDS {
        s.cmd(&format!("SELECT INBOX.r{round}")).has("* 0 EXISTS").ok("[READ-WRITE] Ok");
    }
    assert_eq!(maildir.files_in("tmp"), [""; 0]);
}

#[test]
fn one_folder_is_deleted_once_and_made_again() {
    let maildir = Maildir::new();
    at_once(&maildir, &[], 4, |n, s, meeting| {
        for _ in 0..5 {
            meeting.wait();
            let command = if n % 2 == 0 { "DELETE INBOX.a" } else { "CREATE INBOX.a" };
            is_ok(s, command);
            // Whoever opens it then finds a whole one, or none.
            let reply = s.cmd("STATUS INBOX.a (MESSAGES)");
            let text = String::from_utf8_lossy(reply.last()).into_owned();
            let is_missing = text
                .ends_with("NO [NONEXISTENT] Mailbox does not exist, or must be subscribed to.");
            assert!(text.contains(" OK ") || is_missing, "{text}\n{}", s.story());
        }
    });
    let mut s = maildir.session(&[]);
    is_ok(&mut s, "DELETE INBOX.a");
    s.cmd("CREATE INBOX.a").ok("\"INBOX.a\" created.");
    assert_eq!(maildir.files_in("tmp"), [""; 0]);
}

/// Another session renames or removes a folder that is not ready yet: it was created first.
#[test]
fn a_folder_goes_while_it_is_being_made() {
    const FOLDERS: usize = 8;
    let maildir = Maildir::new();
    at_once(&maildir, &[], 2, |who, s, meeting| {
        for n in 0..FOLDERS {
            meeting.wait();
            if who == 0 {
                s.cmd(&format!("CREATE INBOX.a{n}")).ok(&format!("\"INBOX.a{n}\" created."));
            } else {
                // As soon as it can be seen.
                while !maildir.path().join(format!(".a{n}")).exists() {
                    std::thread::yield_now();
                }
                let command = if n % 2 == 0 { "DELETE INBOX.a" } else { "RENAME INBOX.a" };
                let to = if n % 2 == 0 { String::new() } else { format!(" INBOX.b{n}") };
                assert!(is_ok(s, &format!("{command}{n}{to}")), "{}", s.story());
            }
            no_faults(s);
        }
    });
    let mut s = maildir.session(&[]);
    for n in (1..FOLDERS).step_by(2) {
        s.cmd(&format!("SELECT INBOX.b{n}")).has("* 0 EXISTS").ok("[READ-WRITE] Ok");
    }
    assert_eq!(maildir.files_in("tmp"), [""; 0]);
}

#[test]
fn one_name_for_two_folders() {
    let maildir = Maildir::new();
    for (name, n) in ["a", "b"].iter().flat_map(|name| (0..ROUNDS).map(move |n| (name, n))) {
        let folder = format!("INBOX.{name}{n}");
        maildir.folder(&folder).folder(&format!("{folder}.sub"));
        maildir.deliver(&folder, "1.x", format!("Subject: {name}{n}\n\n").as_bytes());
    }
    let answers = at_once(&maildir, &[], 2, |who, s, meeting| -> Vec<bool> {
        let name = ["a", "b"][who];
        (0..ROUNDS)
            .map(|n| {
                meeting.wait();
                is_ok(s, &format!("RENAME INBOX.{name}{n} INBOX.c{n}"))
            })
            .collect()
    });
    assert_eq!(winners(&answers), [1; ROUNDS]);
    for (n, first_won) in answers[0].iter().enumerate() {
        let (won, lost) = if *first_won { ("a", "b") } else { ("b", "a") };
        assert_eq!(subjects(&maildir, &format!("INBOX.c{n}")), [format!("{won}{n}")]);
        assert_eq!(subjects(&maildir, &format!("INBOX.{lost}{n}")), [format!("{lost}{n}")]);
    }
}

/// A folder that was not made in this very second: nobody waits before it goes.
fn old_folder(maildir: &Maildir, name: &str) {
    maildir.folder(name);
    let at = maildir.folder_path(name).join("courierimapuiddb");
    std::fs::write(at, "1 700000001 1\n").unwrap();
}

/// What was answered OK is in the folder, under the one name or the other.
#[test]
fn mail_for_a_folder_that_moves() {
    // Each waits until the second is over in which the folder was renamed last.
    const MOVES: usize = 5;
    let maildir = Maildir::new();
    maildir.folder("INBOX.a").folder("INBOX.a.sub");
    maildir.write("cur/1000.x:2,", b"Subject: copied\n\nx\n");
    let stored = at_once(&maildir, &[], 4, |n, s, meeting| -> Vec<String> {
        let mut stored = Vec::new();
        s.cmd("SELECT INBOX").has("* 1 EXISTS");
        for round in 0..MOVES {
            meeting.wait();
            let (from, to) = if round % 2 == 0 { ("a", "b") } else { ("b", "a") };
            match n {
                0 => {
                    s.cmd(&format!("RENAME INBOX.{from} INBOX.{to}")).ok("Folder renamed.");
                }
                1 | 2 => {
                    let subject = format!("{n}.{round}");
                    let text = format!("Subject: {subject}\n\n");
                    let command = format!("APPEND INBOX.{from}");
                    let reply = s.cmd_literal(&command, text.as_bytes(), "");
                    if String::from_utf8_lossy(reply.last()).contains(" OK ") {
                        stored.push(subject);
                    }
                }
                _ => {
                    if is_ok(s, &format!("COPY 1 INBOX.{from}")) {
                        stored.push("copied".to_owned());
                    }
                }
            }
            // A delivery agent, which tries again.
            if n == 1 {
                let name = format!("{round}.agent");
                for folder in ["a", "b", "a", "b", "a", "b"] {
                    let at = maildir.path().join(format!(".{folder}"));
                    let (tmp, new) = (at.join("tmp").join(&name), at.join("new").join(&name));
                    let text = format!("Subject: delivered {round}\n\n");
                    if std::fs::write(&tmp, text).is_ok() && std::fs::rename(&tmp, &new).is_ok() {
                        stored.push(format!("delivered {round}"));
                        break;
                    }
                }
            }
        }
        stored
    });
    let mut due: Vec<String> = stored.into_iter().flatten().collect();
    due.sort();
    assert!(due.len() > MOVES, "something is stored: {due:?}");
    assert_eq!(subjects(&maildir, "INBOX.b"), due);
}

/// DELETE takes what was there before it; what comes after it is there, or is refused.
#[test]
fn mail_for_a_folder_that_is_deleted() {
    let maildir = Maildir::new();
    maildir.write("cur/1000.x:2,", b"Subject: copied\n\nx\n");
    for n in 0..ROUNDS {
        old_folder(&maildir, &format!("INBOX.r{n}"));
    }
    at_once(&maildir, &[], 3, |n, s, meeting| {
        s.cmd("SELECT INBOX").has("* 1 EXISTS");
        for round in 0..ROUNDS {
            let folder = format!("INBOX.r{round}");
            meeting.wait();
            let reply = match n {
                0 => s.cmd(&format!("DELETE {folder}")).ok("Folder deleted.").clone(),
                1 => s.cmd_literal(&format!("APPEND {folder}"), b"Subject: x\n\n", ""),
                _ => s.cmd(&format!("COPY 1 {folder}")),
            };
            let text = String::from_utf8_lossy(reply.last()).into_owned();
            let is_told = text.contains(" OK ") || text.contains(" NO [TRYCREATE] ");
            assert!(is_told, "{text}\n{}", s.story());
            meeting.wait();
            let reply = s.cmd(&format!("STATUS {folder} (MESSAGES)"));
            reply.no("[NONEXISTENT] Mailbox does not exist, or must be subscribed to.");
            s.cmd("NOOP").ok("NOOP completed");
        }
    });
    assert_eq!(maildir.files_in("tmp"), [""; 0]);
}

/// A session that has the folder open is told the truth, or that it is over.
#[test]
fn a_folder_that_moves_while_it_is_open() {
    for round in 0..ROUNDS {
        let maildir = Maildir::new();
        old_folder(&maildir, "INBOX.a");
        for n in 0..20 {
            maildir.write(&format!(".a/cur/{n}.x:2,"), format!("Subject: {n:02}\n\n").as_bytes());
        }
        let changed = at_once(&maildir, &[], 2, |who, s, meeting| -> Vec<usize> {
            if who == 0 {
                meeting.wait();
                std::thread::sleep(std::time::Duration::from_micros(300 * round as u64));
                s.cmd("RENAME INBOX.a INBOX.b").ok("Folder renamed.");
                return Vec::new();
            }
            s.cmd("SELECT INBOX.a").has("* 20 EXISTS");
            meeting.wait();
            (1..=20).filter(|n| is_ok(s, &format!("STORE {n} +FLAGS (\\Flagged)"))).collect()
        });
        // By the file names: the new UIDs are in the order of the old.
        let names = maildir.files_in(".b/cur");
        assert_eq!(names.len(), 20, "{names:?}");
        for n in &changed[1] {
            let name = format!("{}.x:2,F", n - 1);
            assert!(names.contains(&name), "STORE {n} was answered OK: {names:?}");
        }
    }
}
