//! The index of a folder is cut, changed, put back from yesterday, taken from another folder, forged,
//! or not a file at all. What a session answers is what one answers that has no index; no message is
//! lost; and the next session finds a sound index again.

use crate::bad_days::full_disk::{fill, on_a_small_disk, remount};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use support::{Maildir, Session};

const OFF: &[(&str, &str)] = &[("IMAP_INDEX", "0")];
const STATE: &str = "postrider.state";
const FILES: [&str; 2] = [STATE, "postrider.facts"];

/// A folder with everything: flags, keywords, odd names, messages that went, a journal.
struct Scene {
    maildir: Maildir,
}

impl Scene {
    fn new() -> Scene {
        let maildir = Maildir::new();
        maildir.folder("INBOX.other");
        for (n, name) in ["1001.a:2,S", "1002.b:2,", "1003.c", "1004.d:x:2,aFS", "1005.e:2,T"]
            .into_iter()
            .enumerate()
        {
            let text = format!(
                "From: a@example.org\nTo: b@example.org\nSubject: number {n}\nDate: Mon, 1 Jan \
                 2024 10:00:0{n} +0000\nMessage-ID: <{n}@x>\n\nbody {n}\n"
            );
            maildir.write(&format!("cur/{name}"), text.as_bytes());
            maildir.touch(&format!("cur/{name}"), 1_700_000_000 + n as u64);
            let other = format!(".other/cur/{}", name.replace("100", "200"));
            maildir.write(&other, text.as_bytes()).touch(&other, 1_600_000_000 + n as u64);
        }
        maildir.write("courierimapkeywords/:list", b"Work\n$Later\n\n1001.a:0\n1002.b:0 1\n");
        let scene = Scene { maildir };
        let mut s = scene.maildir.session(&[]);
        s.cmd("SELECT INBOX.other").ok("[READ-WRITE] Ok");
        s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
        read_all(&mut s);
        s.cmd("STORE 2 +FLAGS (\\Flagged)").says("OK ");
        s.cmd("STORE 5 +FLAGS (\\Deleted)").says("OK ");
        s.cmd("EXPUNGE").says("OK ");
        s.cmd("NOOP").says("OK ");
        s.cmd("LOGOUT").ok("LOGOUT completed");
        scene.look(&[]);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.maildir.path().join(name)
    }

    /// What a new session answers.
    fn look(&self, env: &[(&str, &str)]) -> String {
        let mut s = self.maildir.session(env);
        let seen = look(&mut s);
        s.cmd("LOGOUT").ok("LOGOUT completed");
        seen
    }

    /// The answers are those without an index, and then the index is sound.
    #[track_caller]
    fn verify(&self, what: &str) {
        // In this order: where the index says that a UID was another message's, and the UID file
        // does not, UIDs begin anew for both.
        let with = self.look(&[]);
        same(&with, &self.look(OFF), what);
        self.verify_sound(what);
    }

    /// An end that was cut is seen to when there is something to record.
    #[track_caller]
    fn verify_sound(&self, what: &str) {
        let mut s = self.maildir.session(&[]);
        s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
        for command in
            ["STORE 1 +FLAGS (\\Answered)", "NOOP", "STORE 1 -FLAGS (\\Answered)", "NOOP"]
        {
            s.cmd(command).says("OK ");
        }
        s.cmd("LOGOUT").ok("LOGOUT completed");
        let (text, faults, _) = postrider::testing::index(self.maildir.path()).unwrap();
        let text = text.lines().take(60).collect::<Vec<_>>().join("\n");
        assert!(faults.is_empty(), "{what}: {faults:?}\n{text}");
        assert!(text.starts_with("state: "), "{what}: {text}");
    }
}

/// Compares two looks; what is wrong is told shortly.
#[track_caller]
fn same(with: &str, without: &str, what: &str) {
    let mut lines = with.lines().zip(without.lines());
    if let Some((with, without)) = lines.find(|(with, without)| with != without) {
        panic!("{what}:\nwith an index: {with}\nwithout:       {without}");
    }
    assert_eq!(with.lines().count(), without.lines().count(), "{what}");
}

fn read_all(s: &mut Session) {
    for command in [
        "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
        "FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT DATE)] BODY.PEEK[TEXT])",
    ] {
        s.cmd(command).ok("FETCH completed.");
    }
}

/// The answers to everything, without what is about modification sequences.
fn look(s: &mut Session) -> String {
    let mut all = Vec::new();
    for command in [
        "SELECT INBOX.other",
        "STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY DELETED SIZE)",
        "SELECT INBOX",
        "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
        "FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT DATE)] BODY.PEEK[TEXT])",
        "SEARCH SUBJECT number",
        "SEARCH KEYWORD Work",
        "SEARCH UNSEEN LARGER 10",
        "SORT (SUBJECT) UTF-8 ALL",
    ] {
        let reply = s.cmd(command);
        reply.says("OK ");
        let lines = reply.responses.iter().map(|line| support::text::show(line));
        // One session alone is told of \\Recent, and only where a folder was open it is closed. The
        // tags are those of the session.
        let is_other = |line: &String| {
            ["MODSEQ", " RECENT", "[CLOSED]"].iter().any(|word| line.contains(word))
        };
        let lines = lines.filter(|line| line.starts_with('*') && !is_other(line));
        all.extend(lines.map(|line| line.replace(" \\Recent", "").replace("\\Recent", "")));
    }
    all.join("\n")
}

fn highest(s: &mut Session) -> u64 {
    s.cmd("SELECT INBOX.other").ok("[READ-WRITE] Ok");
    let reply = s.cmd("SELECT INBOX (CONDSTORE)");
    let line = String::from_utf8_lossy(reply.get("* OK [HIGHESTMODSEQ ")).into_owned();
    line.split([' ', ']']).nth(3).unwrap().parse().unwrap()
}

/// Every so manieth; all in `scripts/fuzz-session`.
fn step(everyday: usize) -> usize {
    if std::env::var_os("HOSTILE_ROUNDS").is_some() { 1 } else { everyday }
}

/// Sets a file's bytes without making it another file.
fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

/// A state put back in place, which a session has looked at and saved something in: what is given
/// after that is above all that clients were told.
#[test]
fn a_state_from_a_backup_gives_no_value_again() {
    let scene = Scene::new();
    // One in which nothing is known yet of the messages: whoever reads them has something to save.
    FILES.iter().for_each(|file| fs::remove_file(scene.path(file)).unwrap());
    let change = |commands: &[&str]| {
        let mut s = scene.maildir.session(&[]);
        highest(&mut s);
        for command in commands {
            s.cmd(command).says("OK ");
        }
        let told = highest(&mut s);
        s.cmd("LOGOUT").ok("LOGOUT completed");
        told
    };
    change(&[]);
    let yesterday = fs::read(scene.path(STATE)).unwrap();
    // Whoever looks at the folder finds it as it was.
    let told = change(&["STORE 1 +FLAGS (\\Answered)", "STORE 1 -FLAGS (\\Answered)"]);
    // Later than a file is changed that is just being written.
    std::thread::sleep(std::time::Duration::from_millis(50));
    put(&scene.path(STATE), &yesterday);
    scene.look(&[]);
    let next = change(&["STORE 3 +FLAGS (\\Answered)"]);
    assert!(next > told, "{next} was given after {told}");
}

#[test]
fn each_byte_and_each_beginning() {
    for file in FILES {
        let scene = Scene::new();
        let Ok(good) = fs::read(scene.path(file)) else { continue };
        let without = scene.look(OFF);
        let mut s = scene.maildir.session(&[]);
        for at in (0..good.len()).step_by(step(17)) {
            for damaged in
                [[&good[..at], &[good[at] ^ 0x55], &good[at + 1..]].concat(), good[..at].to_vec()]
            {
                put(&scene.path(file), &damaged);
                let what = format!("{file}, {} of {} bytes, at {at}", damaged.len(), good.len());
                same(&look(&mut s), &without, &what);
                s.forget();
            }
        }
        // A session of its own at some of them.
        for at in (0..good.len()).step_by(step(170)) {
            let damaged = [&good[..at], &[!good[at]], &good[at + 1..]].concat();
            put(&scene.path(file), &damaged);
            scene.verify(&format!("{file}, byte {at}"));
        }
    }
}

/// Mail comes, is flagged and goes after a copy was made; then the copy is put back.
#[test]
fn an_old_one() {
    for by_rename in [true, false] {
        let scene = Scene::new();
        let mut client = scene.maildir.session(&[]);
        let told = highest(&mut client);
        for file in FILES {
            let _ = fs::copy(scene.path(file), scene.path(file).with_extension("old"));
        }
        client.cmd("STORE 1 -FLAGS (\\Seen Work)").says("OK ");
        client.cmd("STORE 3 +FLAGS (\\Deleted)").says("OK ");
        client.cmd("EXPUNGE").says("OK ");
        scene.maildir.deliver("INBOX", "1009.n", b"Subject: number new\n\nnew\n");
        let later = highest(&mut client);
        assert!(later > told, "{told}, then {later}");
        for file in FILES {
            let old = scene.path(file).with_extension("old");
            if !old.exists() {
                continue;
            }
            if by_rename {
                fs::rename(old, scene.path(file)).unwrap();
            } else {
                fs::copy(&old, scene.path(file)).unwrap();
                fs::remove_file(old).unwrap();
            }
        }
        scene.verify(&format!("by rename: {by_rename}"));
        let now = highest(&mut scene.maildir.session(&[]));
        // A run may have begun ahead of the clock: what counts is that it does not have that value.
        assert_ne!(now, later, "by rename: {by_rename}");
        // The session that was open all the while.
        let without = scene.look(OFF);
        same(&look(&mut client), &without, "the open session");
        assert!(highest(&mut client) >= now);
    }
}

#[test]
fn another_folders_one() {
    let scene = Scene::new();
    let uids = fs::read(scene.path("courierimapuiddb")).unwrap();
    for by_rename in [false, true] {
        for file in FILES {
            let (other, path) = (scene.path(".other").join(file), scene.path(file));
            if other.exists() {
                if by_rename {
                    let _ = fs::remove_file(&path);
                }
                fs::copy(other, path).unwrap();
                scene.verify(file);
            }
        }
    }
    // It says nothing of this folder: the UIDs are what they were.
    let now = fs::read(scene.path("courierimapuiddb")).unwrap();
    assert_eq!(String::from_utf8_lossy(&uids), String::from_utf8_lossy(&now));
}

/// Every file of the index is something else; what a link leads to stays as it is.
#[test]
fn something_else_in_its_place() {
    let scene = Scene::new();
    let outside = scene.maildir.home().join("outside");
    fs::write(&outside, "nobody else's\n").unwrap();
    type Make<'a> = &'a dyn Fn(&Path);
    let things: [(&str, Make<'_>); 9] = [
        ("an empty file", &|path| put(path, b"")),
        ("text", &|path| put(path, b"PRstate\n")),
        ("a directory", &|path| fs::create_dir(path).unwrap()),
        ("a full directory", &|path| fs::create_dir_all(path.join("x")).unwrap()),
        ("a link", &|path| symlink(&outside, path).unwrap()),
        ("a link to nothing", &|path| symlink("nowhere", path).unwrap()),
        ("a FIFO", &|path| {
            nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        }),
        ("one that nobody may read", &|path| {
            put(path, b"x");
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        }),
        ("holes", &|path| fs::File::create(path).unwrap().set_len(1 << 30).unwrap()),
    ];
    for file in FILES {
        for (what, make) in &things {
            let path = scene.path(file);
            let _ = fs::remove_file(&path);
            make(&path);
            let what = format!("{what} as {file}");
            same(&scene.look(&[]), &scene.look(OFF), &what);
            same(&scene.look(&[]), &scene.look(OFF), &what);
            if path.is_dir() {
                let mut s = scene.maildir.session(&[]);
                let reply = s.cmd("SELECT INBOX");
                if file == STATE {
                    reply.get("* OK [NOMODSEQ]");
                }
                fs::remove_dir_all(&path).unwrap();
            } else if file == STATE {
                scene.verify_sound(&what);
            }
            assert!(scene.maildir.files_in("tmp").is_empty(), "{what}");
        }
    }
    assert_eq!(fs::read_to_string(outside).unwrap(), "nobody else's\n");
}

/// Puts the checksums of a state's base right, and leaves the journal out.
fn sign(bytes: &mut Vec<u8>) {
    let mut from = 320;
    for i in 0..4 {
        let field = 209 + 12 * i;
        let length = u64::from_le_bytes(bytes[field..field + 8].try_into().unwrap()) as usize;
        let checksum = crc32fast::hash(&bytes[from..from + length]).to_le_bytes();
        bytes[field + 8..field + 12].copy_from_slice(&checksum);
        from += length;
    }
    bytes.truncate(from);
    let checksum = crc32fast::hash(&bytes[..316]).to_le_bytes();
    bytes[316..320].copy_from_slice(&checksum);
}

/// A state that has only a base.
fn fresh(scene: &Scene) -> Vec<u8> {
    fs::remove_file(scene.path(STATE)).unwrap();
    scene.look(&[]);
    fs::read(scene.path(STATE)).unwrap()
}

#[test]
fn a_later_version() {
    let scene = Scene::new();
    let mut bytes = fresh(&scene);
    bytes[7] += 1;
    sign(&mut bytes);
    put(&scene.path(STATE), &bytes);
    let (_, faults, _) = postrider::testing::index(scene.maildir.path()).unwrap();
    assert_eq!(faults, ["the header of the state is of another version"]);
    scene.verify("version 2");
    assert_eq!(fs::read(scene.path(STATE)).unwrap()[7], 1);
}

/// Somebody who may write the folder's directory writes a state that leads elsewhere, or says what
/// nobody says. EXPUNGE removes what it should, and nothing else.
#[test]
fn a_hostile_one() {
    for (from, to) in [
        (&b"1001.a\n"[..], &b"../x/y\n"[..]),
        (b"1001.a\n", b"../out\n"),
        (b"1001.a\n", b"..\n..\n\n"),
        (b"1001.a\n", b".001.a\n"),
        (b"1001.a\n", b"/etc/a\n"),
        (b"1001.a\n", b"1001\0a\n"),
        (b"Work", b"a) x"),
        (b"Work", b"a\r\n*"),
        (b"$Later", b"\\Later"),
    ] {
        let scene = Scene::new();
        fs::write(scene.path("out"), "nobody else's\n").unwrap();
        fs::create_dir(scene.path("x")).unwrap();
        fs::write(scene.path("x/y"), "nobody else's\n").unwrap();
        let mut bytes = fresh(&scene);
        let at = support::find(&bytes, from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        sign(&mut bytes);
        put(&scene.path(STATE), &bytes);
        let what = String::from_utf8_lossy(to).into_owned();
        let before = scene.maildir.files_in("cur");
        let mut s = scene.maildir.session(&[]);
        same(&look(&mut s), &scene.look(OFF), &what);
        // Again, for the session that is open.
        put(&scene.path(STATE), &bytes);
        s.cmd("STORE 1 +FLAGS (\\Deleted)").says("OK ");
        s.cmd("EXPUNGE").says("OK ");
        let gone = before.iter().filter(|name| !scene.path("cur").join(name).exists());
        assert_eq!(gone.collect::<Vec<_>>(), ["1001.a:2,S"], "{what:?}");
        assert!(scene.path("out").exists() && scene.path("x/y").exists(), "{what:?}");
        // Names that no file can have stay in the state until there is a new base, and the UID file
        // has those that count.
        same(&scene.look(&[]), &scene.look(OFF), &what);
    }
}

/// Where nothing can be written, all is as without an index, and no value is told that nobody keeps.
#[test]
fn a_disk_that_is_full_or_cannot_be_written() {
    let scene = Scene { maildir: Maildir::new() };
    let at = scene.maildir.path().to_path_buf();
    on_a_small_disk(&at, "size=256k", move || {
        for sub in ["tmp", "new", "cur"] {
            fs::create_dir(scene.path(sub)).unwrap();
        }
        scene.maildir.folder("INBOX.other");
        for n in 1..=3 {
            scene.maildir.write(&format!("cur/100{n}.x:2,"), b"Subject: number\n\ntext\n");
        }
        let without = scene.look(OFF);
        let is_without_values = || {
            same(&scene.look(&[]), &without, "no room");
            let mut s = scene.maildir.session(&[]);
            s.cmd("SELECT INBOX (CONDSTORE)")
                .has("* OK [NOMODSEQ] Ok")
                .lacks("* OK [HIGHESTMODSEQ");
            assert!(!scene.path(STATE).exists());
        };
        fill(&scene.maildir);
        is_without_values();
        fs::remove_file(scene.path("filler")).unwrap();
        remount(scene.maildir.path(), true);
        same(&scene.look(&[]), &scene.look(OFF), "read-only");
        remount(scene.maildir.path(), false);
        scene.verify("there is room");
        // With a state, too.
        fill(&scene.maildir);
        same(&scene.look(&[]), &without, "with a state");
        remount(scene.maildir.path(), true);
        same(&scene.look(&[]), &without, "with a state");
        // It goes when its file system has gone.
        scene
    });
}
