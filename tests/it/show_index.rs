//! `scripts/show-index` on a folder that is in order, a damaged one, and one without an index.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use support::Maildir;
use support::programs::profile_directory;
use tempfile::TempDir;

/// The tool that the script runs, built if it is not up to date.
fn tool() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let profile = profile_directory();
        let release: &[&str] = if profile.ends_with("release") { &["--release"] } else { &[] };
        let cargo = Command::new(env!("CARGO"))
            .args(["build", "-q", "-p", "postrider-tools", "--bin", "show-index"])
            .args(release)
            .status()
            .unwrap();
        assert!(cargo.success());
        profile.join("show-index")
    })
}

/// The script, as it is in a checkout in which everything is built: Cargo has nothing to do.
struct Script {
    target: TempDir,
}

impl Script {
    fn new() -> Script {
        let target = support::maildir::scratch("target-");
        let release = target.path().join("release");
        fs::create_dir(&release).unwrap();
        symlink(tool(), release.join("show-index")).unwrap();
        let cargo = target.path().join("cargo");
        fs::write(&cargo, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
        Script { target }
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/show-index");
        let path = format!("{}:/usr/bin:/bin", self.target.path().display());
        let Output { status, stdout, stderr } = Command::new("/bin/sh")
            .arg(script)
            .args(arguments)
            .env_clear()
            .env("PATH", path)
            .env("CARGO_TARGET_DIR", self.target.path())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (status.code(), text(&stdout), text(&stderr))
    }

    /// The exit status, and what is printed of a folder.
    fn of(&self, maildir: &Maildir) -> (Option<i32>, String) {
        let (status, out, err) = self.run(&[maildir.path().to_str().unwrap()]);
        assert_eq!(err, "", "{out}");
        (status, out)
    }
}

#[test]
fn options() {
    let script = Script::new();
    for help in ["--help", "-h"] {
        let (status, out, _) = script.run(&[help]);
        assert!(status == Some(0) && out.contains("usage: scripts/show-index FOLDER"), "{out}");
    }
    for wrong in [&[][..], &["--all"], &["a", "b"]] {
        let (status, out, err) = script.run(wrong);
        assert!(status == Some(2) && err.contains("usage: scripts/show-index FOLDER"), "{err}");
        assert_eq!(out, "");
    }
    let (status, out, err) = script.run(&["/nonexistent/Maildir"]);
    assert!(status == Some(2) && err.contains("/nonexistent/Maildir: "), "{err}");
    assert_eq!(out, "");
}

/// A folder whose two messages are known.
fn known() -> Maildir {
    let maildir = Maildir::new();
    for (name, flags) in [("1001.a", "S"), ("1002.b", "")] {
        let file = format!("cur/{name}:2,{flags}");
        maildir.write(&file, b"Subject: x\n\nx\n").touch(&file, 1_700_000_000);
    }
    maildir.write("courierimapkeywords/:list", b"Work\n\n1002.b:0\n");
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").says("OK");
    s.cmd("FETCH 1:* (ENVELOPE RFC822.SIZE)").says("OK");
    s.cmd("STORE 2 +FLAGS (\\Flagged)").says("OK");
    s.cmd("LOGOUT").says("OK");
    s.wait().unwrap();
    maildir
}

#[test]
fn what_it_says_of_a_folder() {
    let script = Script::new();
    let maildir = Maildir::new();
    let (status, out) = script.of(&maildir);
    assert_eq!((status, &*out), (Some(0), "note: there is no state\nnote: there are no facts\n"));

    let maildir = known();
    let (status, out) = script.of(&maildir);
    assert_eq!(status, Some(0), "{out}");
    for part in ["state: ", "  keyword \"Work\"", "\"1001.a:2,S\"", "change 2 at ", "facts: "] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("fault: "), "{out}");

    // Nothing is changed by a look, and nothing is written.
    let state = maildir.path().join("postrider.state");
    let good = fs::read(&state).unwrap();
    let files = maildir.files();
    // The folder has changed since.
    maildir.write("cur/1003.c:2,", b"Subject: y\n\ny\n");
    let (status, out) = script.of(&maildir);
    assert_eq!(status, Some(0), "{out}");
    assert!(out.contains("note: not proven"), "{out}");
    assert!(fs::read(&state).unwrap() == good && maildir.files().len() == files.len() + 1);
}

#[test]
fn what_it_says_of_a_damaged_one() {
    let script = Script::new();
    let maildir = known();
    let paths = ["state", "facts"].map(|name| maildir.path().join(format!("postrider.{name}")));
    let good = paths.each_ref().map(|path| fs::read(path).unwrap());
    let flip = |which: usize, at: usize| {
        let mut bytes = good[which].clone();
        bytes[at] ^= 0x55;
        bytes
    };
    let end = good[0].len() - 1;
    for (which, bytes, fault) in [
        (0, vec![], "the header of the state is damaged"),
        (0, flip(0, 7), "the header of the state is of another version"),
        (0, flip(0, 12), "the header of the state is damaged"),
        (0, flip(0, 330), "the tables of the state are damaged"),
        (0, good[0][..400].to_vec(), "the state ends in its "),
        (0, flip(0, end), "bytes of the state are no record"),
        (1, flip(1, 0), "fault: "),
        (1, flip(1, 45), "fault: "),
    ] {
        fs::write(&paths[which], bytes).unwrap();
        let (status, out) = script.of(&maildir);
        assert!(
            status == Some(1) && out.contains("fault: ") && out.contains(fault),
            "{fault}: {out}"
        );
        fs::write(&paths[which], &good[which]).unwrap();
    }
    assert_eq!(script.of(&maildir).0, Some(0));
    // Put back in place from a copy: whoever has something to record begins a new run, once.
    fs::rename(&paths[0], maildir.path().join("old")).unwrap();
    fs::copy(maildir.path().join("old"), &paths[0]).unwrap();
    let is_copy = |out: &str| out.contains("note: the state is a copy");
    let (status, out) = script.of(&maildir);
    assert!(status == Some(0) && is_copy(&out), "{out}");
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").says("OK");
    s.cmd("STORE 1 +FLAGS (\\Answered)").says("OK");
    s.cmd("LOGOUT").says("OK");
    s.wait().unwrap();
    let (status, out) = script.of(&maildir);
    assert!(status == Some(0) && !is_copy(&out), "{out}");
    // Neither can be read.
    for path in &paths {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    }
    let (status, out) = script.of(&maildir);
    assert!(status == Some(1) && out.contains("fault: the state cannot be read: "), "{out}");
}
