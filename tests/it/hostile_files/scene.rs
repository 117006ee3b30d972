//! A Maildir beside a directory that is none of its business, the things that stand in it where
//! they should not, and a whole session over it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Maildir, Session};

pub const SECRET: &str = "Subject: outside-secret\n\noutside-secret\n";
pub const GOOD: &str = "From: a@example.com\nSubject: good\n\na good body\n";

/// What stands in the place of a file or directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Thing {
    Fifo,
    Device,
    Socket,
    Directory,
    FullDirectory,
    LinkOutside,
    LinkOutsideDirectory,
    LinkInside,
    Dangling,
    Loop,
    Binary,
    Huge,
}

pub const THINGS: &[Thing] = &[
    Thing::Fifo,
    Thing::Device,
    Thing::Socket,
    Thing::Directory,
    Thing::FullDirectory,
    Thing::LinkOutside,
    Thing::LinkOutsideDirectory,
    Thing::LinkInside,
    Thing::Dangling,
    Thing::Loop,
    Thing::Binary,
    Thing::Huge,
];

/// Files and directories, of INBOX and of a folder.
pub const PLACES: &[&str] = &[
    "courierimapuiddb",
    "tmp/courier.lock",
    "courierimapkeywords",
    "courierimapkeywords/:list",
    "courierimapkeywords/1001.good",
    "courierimapacl",
    "courierimapsubscribed",
    "courierimaphieracl",
    "courierimaphieracl/x",
    "maildirsize",
    "shared-maildirs",
    "shared-folders",
    "shared-timestamp",
    "loginexec",
    "postrider-metadata",
    "postrider-metadata-account",
    "postrider-metadata-private",
    "postrider-specialuses",
    ".box/postrider-metadata",
    ".box/postrider-metadata-private",
    ".box/postrider-specialuse",
    "cur/1002.bad:2,",
    "new/1002.bad",
    "cur",
    "new",
    "tmp",
    "tmp/1.old",
    "tmp/courier-imap.clockskew.chk",
    ".box",
    ".box/cur",
    ".box/new",
    ".box/tmp",
    ".box/courierimapuiddb",
    ".box/courierimapacl",
    ".box/maildirfolder",
    ".box/courierimapkeywords",
    ".box/cur/1002.bad:2,",
    ".Trash",
    ".Trash/cur",
    ".other/cur",
    ".other/tmp",
    ".other/new",
];

/// A Maildir with good messages, beside a directory that is none of its business.
pub struct Scene {
    pub maildir: Maildir,
    pub outside: PathBuf,
    pub before: String,
    pub kept: Vec<UnixListener>,
}

impl Scene {
    pub fn new() -> Scene {
        let maildir = Maildir::new();
        for folder in ["INBOX.box", "INBOX.other", "INBOX.Trash"] {
            maildir.folder(folder);
        }
        maildir.write("cur/1001.good:2,", GOOD.as_bytes());
        maildir.write(
            ".box/cur/1001.boxed:2,",
            b"From: a@example.com\nSubject: boxed\n\na boxed body\n",
        );
        // UIDVALIDITY of long ago: neither RENAME nor DELETE waits for a second to pass.
        for at in [".box/courierimapuiddb", ".other/courierimapuiddb"] {
            maildir.write(at, b"1 1000000000 1\n");
        }
        let outside = maildir.home().join("outside");
        for dir in ["", "cur", "new", "tmp"] {
            fs::create_dir(outside.join(dir)).unwrap();
        }
        for file in ["secret", "cur/1003.secret:2,", "new/1004.secret", "tmp/1005.secret"] {
            fs::write(outside.join(file), SECRET).unwrap();
            fs::set_permissions(outside.join(file), fs::Permissions::from_mode(0o755)).unwrap();
            // Old enough for any purge.
            fs::File::open(outside.join(file))
                .unwrap()
                .set_modified(std::time::UNIX_EPOCH)
                .unwrap();
        }
        let before = listing(&outside);
        Scene { maildir, outside, before, kept: Vec::new() }
    }

    /// Puts a thing in a place; `false` where this machine cannot make it.
    pub fn put(&mut self, place: &str, thing: Thing) -> bool {
        let at = self.maildir.path().join(place);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        let _ = fs::remove_dir_all(&at).or_else(|_| fs::remove_file(&at));
        match thing {
            Thing::Fifo => return run("mkfifo", &[at.as_os_str()]),
            // It never ends.
            Thing::Device => {
                return run("mknod", &[at.as_os_str(), "c".as_ref(), "1".as_ref(), "5".as_ref()]);
            }
            Thing::Socket => match UnixListener::bind(&at) {
                Ok(socket) => self.kept.push(socket),
                Err(_) => return false,
            },
            Thing::Directory => fs::create_dir(&at).unwrap(),
            Thing::FullDirectory => {
                fs::create_dir(&at).unwrap();
                fs::write(at.join("something"), "x").unwrap();
            }
            Thing::LinkOutside => symlink(self.outside.join("secret"), &at).unwrap(),
            Thing::LinkOutsideDirectory => {
                let sub = at.file_name().filter(|n| ["cur", "new", "tmp"].iter().any(|s| n == s));
                symlink(sub.map_or(self.outside.clone(), |s| self.outside.join(s)), &at).unwrap();
            }
            Thing::LinkInside => {
                symlink(self.maildir.path().join("cur/1001.good:2,"), &at).unwrap()
            }
            Thing::Dangling => symlink("nowhere/at/all", &at).unwrap(),
            Thing::Loop => symlink(at.file_name().unwrap(), &at).unwrap(),
            Thing::Binary => fs::write(
                &at,
                (0..5000u32)
                    .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
                    .collect::<Vec<_>>(),
            )
            .unwrap(),
            Thing::Huge => fs::File::create(&at).unwrap().set_len(8 << 30).unwrap(),
        }
        true
    }

    /// Nothing outside was read out or changed.
    pub fn check(&self, s: &Session, what: &str) {
        assert!(!s.transcript().contains("outside-secret"), "{what}: read outside\n{}", s.story());
        assert_eq!(listing(&self.outside), self.before, "{what}: changed outside\n{}", s.story());
    }
}

pub fn run(program: &str, args: &[&OsStr]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|o| o.status.success())
}

/// Names, kinds, sizes and times of everything below a directory.
pub fn listing(dir: &Path) -> String {
    let mut lines = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let m = fs::symlink_metadata(entry.path()).unwrap();
            lines.push(format!(
                "{:?} {:o} {} {}.{}",
                entry.path(),
                m.mode(),
                m.len(),
                m.mtime(),
                m.mtime_nsec()
            ));
            if m.is_dir() {
                todo.push(entry.path());
            }
        }
    }
    lines.sort();
    lines.join("\n")
}

/// Every kind of command, over INBOX and a folder.
pub const COMMANDS: &[&str] = &[
    "LIST \"\" \"*\"",
    "LIST \"\" \"INBOX.%\"",
    "LSUB \"\" \"*\"",
    "STATUS INBOX (MESSAGES UNSEEN RECENT UIDNEXT)",
    "STATUS INBOX.box (MESSAGES UNSEEN RECENT UIDNEXT)",
    "SELECT INBOX",
    "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[])",
    "SEARCH TEXT secret",
    "SEARCH LARGER 1 KEYWORD kw",
    "SORT (SUBJECT) UTF-8 ALL",
    "THREAD REFERENCES UTF-8 ALL",
    "STORE 1:* +FLAGS (\\Seen kw)",
    "COPY 1:* INBOX.other",
    "COPY 1:* INBOX.box",
    "NOOP",
    "APPEND INBOX {2+}\r\nhi",
    "SELECT INBOX.box",
    "UID FETCH 1:* (FLAGS BODY[])",
    "STORE 1:* -FLAGS (\\Seen kw)",
    "COPY 1:* INBOX",
    "STORE 1:* +FLAGS (\\Deleted)",
    "EXPUNGE",
    "CLOSE",
    "EXAMINE INBOX",
    "FETCH 1 (BODY[TEXT])",
    "GETACL INBOX",
    "MYRIGHTS INBOX.box",
    "SETACL INBOX bob lr",
    "SETACL INBOX.box bob lr",
    "DELETEACL INBOX bob",
    "GETQUOTAROOT INBOX",
    "SETQUOTA \"ROOT\" (STORAGE 10000)",
    "GETQUOTA \"ROOT\"",
    "SETMETADATA \"\" (/private/comment x)",
    "SETMETADATA INBOX.box (/private/comment x /shared/comment y)",
    "SETMETADATA INBOX.box (/private/specialuse \"\\\\Junk\")",
    "GETMETADATA INBOX.box (/private/comment /shared/comment /private/specialuse)",
    "GETMETADATA \"\" (/private/comment /shared/comment)",
    "CREATE INBOX.used (USE (\\Sent))",
    "LIST (SPECIAL-USE) \"\" *",
    "LIST \"\" * RETURN (STATUS (MESSAGES DELETED-STORAGE) MYRIGHTS METADATA (/private/comment))",
    "ACL STORE (INBOX.*) bob lr",
    "SUBSCRIBE INBOX.box",
    "UNSUBSCRIBE INBOX.box",
    "SUBSCRIBE shared.x.y",
    "LIST \"\" \"shared.*\"",
    "CREATE INBOX.box.below",
    "RENAME INBOX.box INBOX.moved",
    "DELETE INBOX.other",
    "UNSELECT",
    "NOOP",
    "LOGOUT",
];

/// A whole session, each command of which is answered in time.
pub fn whole_session(scene: &Scene, program: &Path, args: &[&str], what: &str) -> Session {
    let env = [
        ("IMAP_ACL", "1"),
        ("IMAP_EMPTYTRASH", "Trash:1"),
        ("IMAP_MOVE_EXPUNGE_TO_TRASH", "1"),
        ("MAILDIRQUOTA", "100000000S"),
    ];
    let mut s = scene.maildir.start(program, &env, args);
    let greeting = s.line();
    if greeting.starts_with("* BYE") {
        ended_well(&mut s, what);
        return s;
    }
    assert!(support::is_greeting(greeting.as_bytes()), "{what}\n{}", s.story());
    for command in COMMANDS {
        let reply = s.cmd(command);
        let last = String::from_utf8_lossy(reply.last()).into_owned();
        let answered =
            [" OK", " NO", " BAD"].iter().any(|w| last.contains(w)) && last.starts_with('t');
        assert!(answered, "{what}: {command}: {last}\n{}", s.story());
    }
    ended_well(&mut s, what);
    s
}

#[track_caller]
pub fn ended_well(s: &mut Session, what: &str) {
    let status = s.wait();
    assert!(
        matches!(status.and_then(|st| st.code()), Some(0 | 1)),
        "{what}: ended with {status:?}\n{}",
        s.story()
    );
    assert!(
        !s.log().iter().any(|l| l.contains("panicked") || l.contains("internal error")),
        "{what}\n{}",
        s.story()
    );
}
