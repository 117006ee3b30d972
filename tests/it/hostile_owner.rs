//! The owner of a shared folder, with a user id of its own, exchanges parts of it for links to
//! somebody else's private directory, as fast as it can, while that somebody's session works in the
//! folder. The session has all rights on its own directory, so a call that follows a link would
//! serve it, change its modes, move mail in or out, or remove it.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::{ENVIRONMENT, PATIENCE, Session};

const OWNER: u32 = 64321;
const VICTIM: u32 = 64322;
/// How often the victim does everything, for each part that is exchanged.
const ROUNDS: usize = 8;
/// By this variable the test's binary is told what to exchange.
const EXCHANGED: &str = "POSTRIDER_TEST_EXCHANGED";
const SECRET: &str = "nobody else's";
const PARTS: [&str; 4] = ["cur", "new", "tmp", "courierimapkeywords"];
/// A directory of the victim's that looks like a Maildir.
const PRIVATE: &str = "victim/private";
const PRIVATE_FOLDER: &str = "victim/private/.pub";

/// Run as a process of the owner's: exchanges two names until it is killed.
#[test]
#[ignore = "a part of the other test"]
fn exchanges() {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    let Some(names) = std::env::var_os(EXCHANGED) else { return };
    let names = names.into_string().unwrap();
    let (one, two) = names.split_once(':').unwrap();
    // Until the test has gone, even if it was killed. A name is missing while the victim moves a
    // directory.
    let parent = std::os::unix::process::parent_id();
    while std::os::unix::process::parent_id() == parent {
        let _ = renameat2(AT_FDCWD, one, AT_FDCWD, two, RenameFlags::RENAME_EXCHANGE);
    }
}

struct Exchanger(Child);

impl Drop for Exchanger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Scene {
    home: tempfile::TempDir,
}

/// Gives a tree to a user, with these modes for directories and files.
fn give(path: &Path, uid: u32, (directory, file): (u32, u32)) {
    let found = fs::symlink_metadata(path).unwrap();
    if found.is_symlink() {
        lchown(path, Some(uid), Some(uid)).unwrap();
        return;
    }
    if found.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), uid, (directory, file));
        }
    }
    chown(path, Some(uid), Some(uid)).unwrap();
    let mode = if found.is_dir() { directory } else { file };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Every name below a directory with its mode, owner and content.
fn listing(path: &Path, into: &mut BTreeMap<PathBuf, (u32, u32, Vec<u8>)>) {
    let found = fs::symlink_metadata(path).unwrap();
    let mut content = Vec::new();
    if found.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            listing(&entry.unwrap().path(), into);
        }
    } else {
        content = fs::read(path).unwrap();
    }
    into.insert(path.to_path_buf(), (found.mode(), found.uid(), content));
}

impl Scene {
    /// The owner's Maildir is shared with everybody.
    fn new() -> Scene {
        // The build's directory may be in a place where others cannot look.
        let home = tempfile::Builder::new().prefix("owner-").tempdir_in("/var/tmp").unwrap();
        let at = |name: &str| home.path().join(name);
        for (from, to) in
            [(support::postrider(), "imapd"), (std::env::current_exe().unwrap(), "exchanger")]
        {
            support::programs::copy(&from, &at(to));
        }
        let folders =
            ["owner/Maildir", "owner/Maildir/.pub", "victim/Maildir", PRIVATE, PRIVATE_FOLDER];
        for folder in folders {
            for part in PARTS {
                fs::create_dir_all(at(folder).join(part)).unwrap();
            }
        }
        let secrets = [
            "cur/1.secret:2,S",
            "cur/2.secret:2,T",
            "new/3.secret",
            "tmp/4.secret",
            "courierimapkeywords/1.secret",
            "courierimapkeywords/:list",
            "courierimapuiddb",
        ];
        for file in secrets {
            let text = format!("Subject: {SECRET}\n\n{SECRET}\n");
            fs::write(at(PRIVATE_FOLDER).join(file), text).unwrap();
        }
        for folder in ["owner/Maildir", "owner/Maildir/.pub", PRIVATE, PRIVATE_FOLDER] {
            fs::write(at(folder).join("courierimapacl"), "anyone acdeilrstwx\n").unwrap();
        }
        // The links that are exchanged for directories.
        for part in PARTS {
            let link = at("owner/Maildir/.pub").join(format!("link-{part}"));
            symlink(at(PRIVATE_FOLDER).join(part), link).unwrap();
        }
        symlink(at(PRIVATE_FOLDER), at("owner/Maildir/link-.pub")).unwrap();
        symlink(at(PRIVATE), at("owner/link-Maildir")).unwrap();
        fs::write(
            at("index"),
            format!(
                "owner\t{OWNER}\t{OWNER}\t{0}/owner\t{0}/owner/Maildir\n",
                home.path().display()
            ),
        )
        .unwrap();
        give(&at("owner"), OWNER, (0o777, 0o666));
        give(&at("victim"), VICTIM, (0o700, 0o600));
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(at("imapd"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(at("exchanger"), fs::Permissions::from_mode(0o755)).unwrap();
        Scene { home }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn private(&self) -> BTreeMap<PathBuf, (u32, u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        listing(&self.at(PRIVATE), &mut found);
        found
    }

    /// Begins to exchange `name` for `link-name` beside it.
    fn exchange(&self, name: &str) -> Exchanger {
        let path = self.at(name);
        let link = format!("link-{}", path.file_name().unwrap().to_str().unwrap());
        let names = format!("{}:{}", path.display(), path.with_file_name(link).display());
        let child = Command::new(self.at("exchanger"))
            .args(["--exact", "hostile_owner::exchanges", "--ignored", "--nocapture"])
            .env_clear()
            .env(EXCHANGED, names)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .uid(OWNER)
            .gid(OWNER)
            .spawn()
            .unwrap();
        Exchanger(child)
    }

    /// The victim's session.
    fn session(&self) -> Session {
        let mut command = Command::new(self.at("imapd"));
        command.arg("./Maildir").current_dir(self.at("victim")).env_clear();
        command.envs(ENVIRONMENT.iter().copied());
        command.env("AUTHENTICATED", "victim").env("IMAP_ACL", "1").env("IMAP_FSYNC", "0");
        command.env("IMAP_SHAREDINDEXFILE", self.at("index"));
        command.uid(VICTIM).gid(VICTIM);
        let mut s = Session::spawn(command, self.at("owner/Maildir"));
        let greeting = s.response(PATIENCE);
        assert!(greeting.is_some_and(|line| support::is_greeting(&line)), "{}", s.story());
        s
    }
}

const FOLDER: &str = "#shared.owner.pub";
const MESSAGE: &[u8] = b"Subject: a shared one\r\n\r\nfor everybody\r\n";

/// Everything that a session does in a folder. Each command is answered, whatever it finds.
fn everything(s: &mut Session, round: usize) {
    s.cmd(&format!("SELECT {FOLDER}"));
    s.cmd_literal(&format!("APPEND {FOLDER} (\\Seen Word{round})"), MESSAGE, "");
    for command in [
        "NOOP",
        "FETCH 1:* (FLAGS INTERNALDATE BODY[])",
        "STORE 1:* +FLAGS (\\Flagged Another)",
        "STORE 1 -FLAGS (\\Flagged)",
        &format!("COPY 1 {FOLDER}"),
        "COPY 1 INBOX",
        "SEARCH TEXT everybody",
        "STORE 1:* +FLAGS (\\Deleted)",
        "EXPUNGE",
        &format!("SETACL {FOLDER} victim acdeilrstwx"),
        &format!("STATUS {FOLDER} (MESSAGES UIDNEXT UNSEEN)"),
        "CLOSE",
        "LIST \"\" \"#shared.*\"",
    ] {
        let reply = s.cmd(command);
        assert!(!reply.last().is_empty(), "{command}\n{}", s.story());
    }
}

#[test]
fn exchanges_parts_for_links() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("left out: it takes root to be two users");
        return;
    }
    let parts = [
        "owner/Maildir/.pub/cur",
        "owner/Maildir/.pub/new",
        "owner/Maildir/.pub/tmp",
        "owner/Maildir/.pub/courierimapkeywords",
        "owner/Maildir/.pub",
        "owner/Maildir",
    ];
    std::thread::scope(|scope| {
        for exchanged in parts {
            scope.spawn(move || is_exchanged(exchanged));
        }
    });
}

/// The victim works while this part is exchanged.
fn is_exchanged(exchanged: &str) {
    let scene = Scene::new();
    let before = scene.private();
    let mut s = scene.session();
    // Undisturbed, all of it works.
    everything(&mut s, 0);
    s.cmd("LOGOUT").ok("LOGOUT completed");
    assert!(s.transcript().contains("for everybody"), "{}", s.story());
    assert_eq!(scene.private(), before);
    // New mail keeps coming, not by the path that is exchanged.
    let open = fs::File::open(scene.at("owner/Maildir/.pub/new")).unwrap();
    let new = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
    let exchanger = scene.exchange(exchanged);
    for round in 1..=ROUNDS {
        let mut s = scene.session();
        for n in 0..3 {
            let _ = fs::write(new.join(format!("{round}.{n}.new")), "Subject: x\n\n");
        }
        everything(&mut s, round);
        // A folder that is made and removed in one second is waited for, so this comes once.
        if round == ROUNDS {
            s.cmd(&format!("CREATE {FOLDER}.below"));
            s.cmd(&format!("RENAME {FOLDER}.below {FOLDER}.other"));
            s.cmd(&format!("DELETE {FOLDER}"));
        }
        s.cmd("LOGOUT").ok("LOGOUT completed");
        assert!(!s.transcript().contains(SECRET), "{exchanged}\n{}", s.story());
    }
    drop(exchanger);
    assert_eq!(scene.private(), before, "{exchanged}");
}
