//! The order of system calls: what an answer promises is on disk before the answer is written
//! (lib.rs, "The store": APPEND and COPY sync message and directory, a UID is on disk before it is
//! told), the lock is never held across a wait for the client, and no lock of the kernel's is ever
//! taken.

use std::path::Path;
use support::programs::strace;
use support::stops::Stops;
use support::{Maildir, Session, postrider};

/// One system call: its name, and the line of the trace.
struct Call {
    name: String,
    line: String,
}

struct Trace {
    calls: Vec<Call>,
}

impl Trace {
    /// The place of the first call from `from` on that has all these words.
    fn find(&self, from: usize, name: &str, words: &[&str]) -> Option<usize> {
        let right = |c: &Call| {
            (c.name == name || c.name == "openat2" && name == "openat")
                && words.iter().all(|w| c.line.contains(w))
        };
        self.calls.iter().skip(from).position(right).map(|at| at + from)
    }

    /// These calls come in this order, the first one behind `from`; the place of the last.
    #[track_caller]
    fn order(&self, mut from: usize, steps: &[(&str, &[&str])]) -> usize {
        for (name, words) in steps {
            match self.find(from, name, words) {
                Some(at) => from = at + 1,
                None => panic!("no {name} {words:?} behind line {from}\n{}", self.text(from)),
            }
        }
        from
    }

    fn text(&self, from: usize) -> String {
        self.calls.iter().skip(from).map(|c| format!("{}\n", c.line)).collect()
    }

    /// Where the command is read.
    #[track_caller]
    fn command(&self, text: &str) -> usize {
        self.find(0, "read", &["read(0<", text]).unwrap_or_else(|| panic!("{text} is not read"))
    }
}

/// Plays a session under strace.
fn traced(maildir: &Maildir, env: &[(&str, &str)], play: impl FnOnce(&mut Session)) -> Trace {
    let file = maildir.home().join("trace");
    let ours = postrider();
    let args = [
        "-f",
        "-y",
        "-s",
        "300",
        "-o",
        file.to_str().unwrap(),
        ours.to_str().unwrap(),
        "./Maildir",
    ];
    let mut s = maildir.start(strace().unwrap(), env, &args);
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    play(&mut s);
    s.cmd("LOGOUT").ok("LOGOUT completed");
    s.wait().unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
    let call = |line: &str| {
        let rest = line.split_once(' ')?.1.trim_start();
        let (name, _) = rest.split_once('(')?;
        // The calls below an open directory go by the names of those that take paths.
        let name = match name {
            "renameat" => "rename",
            "unlinkat" => "unlink",
            name => name,
        };
        Some(Call { name: name.to_owned(), line: whole_paths(rest) })
    };
    Trace { calls: text.lines().filter_map(call).collect() }
}

/// The line of a call with `"directory/name"` for each directory and name in it.
fn whole_paths(line: &str) -> String {
    let mut whole = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once(">, \"") {
        match before.rsplit_once('<') {
            Some((start, directory)) if directory.starts_with('/') => {
                let start = start.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
                whole.push_str(&format!("{start}\"{directory}/"));
            }
            _ => whole.push_str(&format!("{before}>, \"")),
        }
        rest = after;
    }
    whole + rest
}

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nx\r\n";
const UIDPLUS: (&str, &str) = ("IMAP_CAPABILITY", "IMAP4rev1 UIDPLUS IDLE");

#[test]
fn nothing_is_answered_before_it_is_on_disk() {
    if strace().is_none() {
        return;
    }
    let maildir = Maildir::new();
    maildir.folder("INBOX.box");
    maildir.deliver("INBOX", "1000.x", b"Subject: delivered\n\nx\n");
    let trace = traced(&maildir, &[UIDPLUS], |s| {
        s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
        s.cmd_literal("APPEND INBOX (\\Seen Work)", MESSAGE, "");
        s.cmd("COPY 1:2 INBOX.box");
        maildir.deliver("INBOX", "1001.y", b"Subject: delivered\n\ny\n");
        s.cmd("NOOP").has("* 3 EXISTS");
    });
    let database: &[(&str, &[&str])] = &[
        ("fsync", &["_imapuid_"]),
        ("rename", &["_imapuid_", "courierimapuiddb"]),
        ("fsync", &["/Maildir>"]),
    ];
    // SELECT: the UIDs are on disk before they are told.
    let from = trace.command("SELECT INBOX");
    let at = trace.order(from, &[("renameat2", &["new/1000.x", "cur/1000.x"])]);
    trace.order(trace.order(at, database), &[("write", &["* 1 EXISTS"])]);
    // APPEND: the text, the name, the UID, and only then the answer.
    let from = trace.command("APPEND INBOX");
    let at = trace.order(
        from,
        &[
            ("fsync", &["/tmp/", "_0.host.example"]),
            ("linkat", &["courier.lock"]),
            ("renameat2", &["_0.host.example", "/cur/"]),
        ],
    );
    // The directories are synced when others can have the lock.
    trace.order(trace.order(at, database), &[("write", &["OK [APPENDUID"])]);
    trace.order(
        at,
        &[
            ("rename", &["_imapuid_", "courierimapuiddb"]),
            ("unlink", &["courier.lock"]),
            ("fsync", &["/cur>"]),
            ("fsync", &["/Maildir>"]),
            ("write", &["OK [APPENDUID"]),
        ],
    );
    assert!(trace.find(from, "write", &["APPENDUID"]) > trace.find(from, "fsync", &["/Maildir>"]));
    // The keyword list, where it was merged.
    trace.order(
        from,
        &[
            ("fsync", &["/tmp/"]),
            ("rename", &["courierimapkeywords/:list"]),
            ("fsync", &["courierimapkeywords>"]),
            ("write", &["APPENDUID"]),
        ],
    );
    // COPY: two links and their directory.
    let from = trace.command("COPY 1:2");
    let at = trace.order(
        from,
        &[
            ("linkat", &["/proc/self/fd/", ".box/tmp/"]),
            ("linkat", &["/proc/self/fd/", ".box/tmp/"]),
            ("renameat2", &[".box/cur/"]),
        ],
    );
    trace.order(
        at,
        &[
            ("fsync", &["_imapuid_"]),
            ("rename", &[".box/courierimapuiddb"]),
            ("fsync", &[".box/cur>"]),
            ("fsync", &["/.box>"]),
            ("write", &["COPYUID"]),
        ],
    );
    // A delivery that NOOP finds.
    let from = trace.command("NOOP");
    trace.order(trace.order(from, database), &[("write", &["* 3 EXISTS"])]);
}

/// What is acknowledged in a new folder must not vanish with it in a crash.
#[test]
fn a_new_folder_is_on_disk_before_it_is_told() {
    if strace().is_none() {
        return;
    }
    let maildir = Maildir::new();
    maildir.folder("INBOX.old");
    let trace = traced(&maildir, &[], |s| {
        s.cmd("CREATE INBOX.made").ok("\"INBOX.made\" created.");
        s.cmd("RENAME INBOX.old INBOX.new").ok("Folder renamed.");
    });
    let from = trace.command("CREATE");
    trace.order(
        from,
        &[
            ("renameat2", &["_folder", ".made"]),
            ("fsync", &["/.made>"]),
            ("fsync", &["/Maildir>"]),
            ("rename", &[".made/courierimapuiddb"]),
            ("write", &["created."]),
        ],
    );
    let from = trace.command("RENAME");
    trace.order(
        from,
        &[
            ("renameat2", &[".old", ".new"]),
            ("fsync", &["/Maildir>"]),
            ("write", &["Folder renamed."]),
        ],
    );
}

#[test]
fn a_copy_where_linking_fails_is_synced() {
    if strace().is_none() {
        return;
    }
    let maildir = Maildir::new();
    maildir.folder("INBOX.box");
    // Others may read the folder and not the message: a link would not do.
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap()
    };
    maildir.write("cur/1000.x:2,", b"Subject: x\n\nx\n");
    mode(&maildir.path().join("cur/1000.x:2,"), 0o600);
    mode(&maildir.path().join(".box/tmp"), 0o755);
    let trace = traced(&maildir, &[UIDPLUS], |s| {
        s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
        s.cmd("COPY 1 INBOX.box");
    });
    let from = trace.command("COPY 1");
    trace.order(
        from,
        &[
            ("openat", &[".box/tmp/", "O_CREAT", "S=14"]),
            ("fsync", &["S=14"]),
            ("renameat2", &["S=14", ".box/cur/"]),
            ("fsync", &["_imapuid_"]),
            ("rename", &[".box/courierimapuiddb"]),
            ("fsync", &[".box/cur>"]),
            ("fsync", &["/.box>"]),
            ("write", &["COPYUID"]),
        ],
    );
}

#[test]
fn lists_and_subscriptions_are_on_disk_before_they_are_in_place() {
    if strace().is_none() {
        return;
    }
    let trace = traced(&Maildir::new(), &[UIDPLUS], |s| {
        s.cmd("CREATE INBOX.box").says("OK ");
        s.cmd("SUBSCRIBE INBOX.box").says("OK ");
    });
    trace.order(
        trace.command("CREATE"),
        &[
            ("fsync", &["_acl."]),
            ("renameat2", &["_acl.", ".box/courierimapacl"]),
            ("write", &["OK "]),
        ],
    );
    trace.order(
        trace.command("SUBSCRIBE"),
        &[
            ("fsync", &["_imapsubscribe0"]),
            ("rename", &["_imapsubscribe0", "/courierimapsubscribed"]),
            ("write", &["OK "]),
        ],
    );
}

/// Many lists are written, synced together, and only then put in place. All are begun to be written
/// before the first one is waited for.
#[test]
fn lists_of_many_folders_are_on_disk_before_they_are_in_place() {
    if strace().is_none() {
        return;
    }
    let maildir = Maildir::new();
    for n in 0..20 {
        maildir.folder(&format!("INBOX.f{n}"));
    }
    let trace = traced(&maildir, &[UIDPLUS], |s| {
        s.cmd("LIST \"\" INBOX.f*").says("OK ");
        s.cmd("ACL STORE (INBOX.*) anyone lr").says("OK ");
        s.cmd("ACL STORE (INBOX.*) anyone lr").says("OK ");
    });
    // Those that the folders have inherited.
    trace.order(
        trace.command("LIST"),
        &[
            ("openat", &[".f19/tmp/", "_acl."]),
            ("sync_file_range", &["_acl."]),
            ("fsync", &["_acl."]),
            ("renameat2", &["_acl.", ".f0/courierimapacl"]),
            ("write", &["OK "]),
        ],
    );
    let from = trace.command("ACL STORE");
    trace.order(
        from,
        &[
            ("linkat", &["courier.lock"]),
            ("openat", &[".f19/tmp/", "_acl."]),
            ("sync_file_range", &["_acl."]),
            ("fsync", &["_acl."]),
            ("rename", &["_acl.", ".f0/courierimapacl"]),
            ("write", &["OK "]),
        ],
    );
    // Nothing is written where no list changes.
    let again = trace.find(from + 1, "read", &["read(0<", "ACL STORE"]).unwrap();
    for call in ["rename", "fsync"] {
        assert!(trace.find(again, call, &["_acl."]).is_none(), "{call}");
    }
}

/// A session that does everything once.
fn everything(maildir: &Maildir, env: &[(&str, &str)]) -> Trace {
    maildir.deliver("INBOX", "1000.x", b"Subject: delivered\n\nx\n");
    traced(maildir, env, |s| {
        s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
        s.cmd("CREATE INBOX.box");
        s.cmd_literal("APPEND INBOX (\\Seen Work)", MESSAGE, "");
        s.cmd("COPY 1:2 INBOX.box");
        s.cmd("STORE 1 +FLAGS (\\Flagged Fresh)").ok("STORE completed.");
        s.cmd("FETCH 1:2 (FLAGS BODY[])").ok("FETCH completed.");
        s.cmd("SUBSCRIBE INBOX.box");
        s.cmd("SETACL INBOX.box anyone lr");
        s.cmd("STATUS INBOX.box (MESSAGES)");
        s.cmd("STORE 1 +FLAGS (\\Deleted)");
        s.cmd("EXPUNGE").ok("EXPUNGE completed").has("* 1 EXPUNGE");
        s.send(b"i IDLE\r\n");
        s.line();
        maildir.deliver("INBOX", "1001.y", b"Subject: delivered\n\ny\n");
        s.line();
        s.send(b"DONE\r\n");
        s.finish("i");
        s.cmd("RENAME INBOX.box INBOX.moved");
        s.cmd("DELETE INBOX.moved");
        s.cmd("LIST \"\" *");
    })
}

#[test]
fn nothing_is_synced_where_that_is_not_wanted() {
    if strace().is_none() {
        return;
    }
    let trace = everything(&Maildir::new(), &[UIDPLUS, ("IMAP_FSYNC", "0")]);
    for call in ["fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "msync"] {
        assert!(trace.find(0, call, &[]).is_none(), "{call}");
    }
    assert!(trace.find(0, "write", &["OK [APPENDUID"]).is_some());
}

#[test]
fn locks_are_files_and_never_held_while_waiting() {
    if strace().is_none() {
        return;
    }
    for keywords in ["1", "2"] {
        let trace = everything(&Maildir::new(), &[UIDPLUS, ("IMAP_KEYWORDS", keywords)]);
        let mut held: Option<usize> = None;
        let mut taken = 0;
        for (at, call) in trace.calls.iter().enumerate() {
            assert_ne!(call.name, "flock", "{}", call.line);
            assert!(
                !(call.name == "fcntl"
                    && (call.line.contains("F_SETLK") || call.line.contains("F_OFD"))),
                "{}",
                call.line
            );
            let lock = call.line.contains("/courier.lock\"") && call.line.ends_with(" = 0");
            match &*call.name {
                "linkat" | "link" if lock => {
                    assert!(held.is_none(), "two locks at once: {}", trace.text(held.unwrap_or(0)));
                    held = Some(at);
                    taken += 1;
                }
                "unlink" | "unlinkat" if lock => held = None,
                // The whole time between is without a word to or from the client.
                "read" | "write" | "recvfrom" | "sendto" | "ppoll" | "poll" | "pause"
                | "clock_nanosleep" => {
                    let with_client =
                        !matches!(&*call.name, "read" | "write") || call.line.contains("<pipe:");
                    // Long work looks up without waiting.
                    let is_look = call.line.contains("{tv_sec=0, tv_nsec=0}");
                    assert!(
                        held.is_none() || !with_client || is_look,
                        "with the lock held: {}",
                        call.line
                    );
                }
                _ => {}
            }
        }
        assert!(held.is_none());
        assert!(taken >= 8, "{taken} locks");
    }
}

/// Courier removes a dead session's lock by its name, twice in a row: whoever takes the lock in
/// between loses it, and two look at the folder at once. The one that has lost its lock gives no
/// UIDs, and looks again.
#[test]
fn who_has_lost_the_lock_gives_no_uids() {
    if strace().is_none() {
        return;
    }
    let maildir = Maildir::new();
    let mut slow = maildir.session(&[]);
    slow.cmd("SELECT INBOX").has("* 0 EXISTS");
    let mut quick = maildir.session(&[]);
    quick.cmd("SELECT INBOX").has("* 0 EXISTS");
    maildir.write("cur/1001.y:2,", b"Subject: y\n\ny\n");
    // It stands still when it has written its UID file, and not put it in place.
    let mut stops = Stops::attach(slow.pid(), "fsync", "1+", &maildir.home().join("trace"));
    slow.send(b"a NOOP\r\n");
    stops.until(|| {
        let mut written =
            maildir.files_in("tmp").into_iter().filter(|name| name.contains("_imapuid_"));
        written.any(|name| {
            let text = std::fs::read(maildir.path().join("tmp").join(name)).unwrap_or_default();
            support::text::find(&text, b"1001.y").is_some()
        })
    });
    std::fs::remove_file(maildir.path().join("tmp/courier.lock")).unwrap();
    // This one gets UID 1 first, and 1001.y UID 2: the slow one would give UID 1 to 1001.y.
    maildir.write("cur/1000.x:2,", b"Subject: x\n\nx\n");
    quick.cmd("NOOP").ok("NOOP completed").has("* 2 EXISTS").has("* 2 RECENT");
    drop(stops);
    let reply = slow.finish("a");
    reply.has("* 2 EXISTS").has("* 0 RECENT").has("a OK NOOP completed");
    for s in [&mut slow, &mut quick] {
        s.cmd("FETCH 1:2 (UID BODY.PEEK[TEXT])")
            .has("* 1 FETCH (UID 1 BODY[TEXT] {3}\r\nx\r\n)")
            .has("* 2 FETCH (UID 2 BODY[TEXT] {3}\r\ny\r\n)");
    }
}

/// The same with an APPEND: its message is in the folder when the other session looks, and keeps
/// the UID that it got there.
#[test]
fn an_append_that_has_lost_the_lock_tells_the_uid_that_others_gave() {
    if strace().is_none() {
        return;
    }
    let maildir = Maildir::new();
    maildir.session(&[]).cmd("SELECT INBOX").has("* 0 EXISTS");
    let mut slow = maildir.session(&[UIDPLUS]);
    let mut quick = maildir.session(&[]);
    quick.cmd("SELECT INBOX").has("* 0 EXISTS");
    maildir.write("cur/1000.x:2,", b"Subject: x\n\nx\n");
    // It stands still when its message is in `cur`.
    let mut stops = Stops::attach(slow.pid(), "renameat2", "1+", &maildir.home().join("trace"));
    slow.send(b"a APPEND INBOX {17}\r\n");
    assert_eq!(slow.line(), "+ OK", "{}", slow.story());
    slow.send(MESSAGE);
    slow.send(b"\r\n");
    stops.until(|| maildir.files_in("cur").len() == 2);
    std::fs::remove_file(maildir.path().join("tmp/courier.lock")).unwrap();
    quick.cmd("NOOP").ok("NOOP completed").has("* 2 EXISTS");
    // A third message, so that the slow one has something to write down.
    maildir.write("cur/3000000000.z:2,", b"Subject: z\n\nz\n");
    let validity = std::fs::read_to_string(maildir.path().join("courierimapuiddb"))
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .to_owned();
    drop(stops);
    slow.finish("a").ok(&format!("[APPENDUID {validity} 2] APPEND Ok."));
    quick.cmd("NOOP").ok("NOOP completed").has("* 3 EXISTS");
    quick
        .cmd("FETCH 1:3 (UID RFC822.SIZE)")
        .has("* 2 FETCH (UID 2 RFC822.SIZE 17)")
        .has("* 3 FETCH (UID 3 RFC822.SIZE 17)");
}
