//! `scripts/check-maildir` over everything odd that the dialogs know: nothing but the table's rows
//! may differ, nothing may change, and what a server says wrongly must be found.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use support::Maildir;
use support::dialog::pattern::Variables;
use support::dialog::{Dialog, Step, paths};
use support::differences;
use support::programs::{courier_if_installed, profile_directory};

/// The tool that the script runs, built if it is not up to date (`cargo test --test
/// check_maildir` alone does not do that).
fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let profile = profile_directory();
        let release: &[&str] = if profile.ends_with("release") { &["--release"] } else { &[] };
        let cargo = Command::new(env!("CARGO"))
            .args(["build", "-q", "-p", "postrider-tools", "--bin", "check-maildir"])
            .args(release)
            .status()
            .unwrap();
        assert!(cargo.success());
        profile.join("check-maildir")
    })
}

fn check(maildir: &Path, courier: &Path, ours: &Path) -> Output {
    Command::new(program())
        .args(["--courier".as_ref(), courier.as_os_str(), "--ours".as_ref(), ours.as_os_str()])
        .arg("--work")
        .arg(maildir.parent().unwrap().join("work"))
        .arg(maildir)
        .output()
        .unwrap()
}

/// Every message of every dialog, a folder for each dialog, with keywords, odd names and times.
fn horrors() -> Maildir {
    let maildir = Maildir::new();
    let mut count = 0;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in paths(&root.join("tests/dialogs")) {
        let dialog = Dialog::load(&path).unwrap();
        let variables = Variables::default();
        for (_, step) in &dialog.steps {
            let Step::File { name, lines, .. } = step else { continue };
            let name = name.bytes(b"", &variables).unwrap_or_default();
            if !name.starts_with(b"cur/") && !name.starts_with(b"new/") {
                continue;
            }
            let mut content = Vec::new();
            for line in lines {
                content.extend(line.bytes(b"\n", &variables).unwrap());
            }
            let folder = format!(".{}", dialog.name);
            if !maildir.path().join(&folder).exists() {
                maildir.folder(&format!("INBOX{folder}"));
            }
            count += 1;
            let flags = ["", "S", "RS", "FS", "T", "DS"][count % 6];
            let place = if count % 7 == 0 { "new" } else { "cur" };
            let info = if place == "new" { String::new() } else { format!(":2,{flags}") };
            let file = format!("{folder}/{place}/{}.h{count}{info}", 1_600_000_000 + count);
            maildir.write(&file, &content).touch(&file, 1_600_000_000 + 5000 * count as u64);
        }
    }
    assert!(count > 50, "{count} messages in the dialogs");
    maildir.write("courierimapkeywords/:list", b"Label1\n$Later\n\n1500000001.a:0 1\n");
    maildir
        .folder("INBOX.several-keywords")
        .write(".several-keywords/cur/1500000005.e:2,S", b"Subject: five\n\nbody\n")
        .write(".several-keywords/cur/1500000006.f:2,S", b"Subject: six\n\nbody\n")
        .write(
            ".several-keywords/courierimapkeywords/:list",
            b"delta\nalpha\ncharlie\nbravo\n\n1500000005.e:0 1\n1500000006.f:1 2 3\n",
        );
    maildir.write("courierimapuiddb", b"1 1234567890 8\n5 1500000001.a\n7 1500000002.b\n");
    maildir
        .write("cur/1500000001.a:2,FS", b"Subject: one\n\nbody\n")
        .write("cur/1500000002.b:2,", b"Subject: two\n\nbody\n");
    maildir
        .write("cur/1500000003.c", b"Subject: no info\n\nbody\n")
        .write("new/1500000004.d", b"Subject: new\n\nbody\n");
    maildir
        .write("courierimapsubscribed", b"INBOX\nINBOX.gone\n")
        .write("loginexec", b"#!/bin/sh\ntouch ran\n");
    fs::set_permissions(maildir.path().join("loginexec"), fs::Permissions::from_mode(0o755))
        .unwrap();
    maildir
}

#[test]
fn nothing_but_the_table_differs_and_nothing_changes() {
    let Some(courier) = courier_if_installed() else { return };
    let maildir = horrors();
    let out = check(maildir.path(), &courier, &support::postrider());
    let said =
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    assert!(said.contains("nothing in ") && said.contains("all times as before"), "{said}");
    assert!(said.contains(" 0 others"), "{said}");
    assert!(said.contains("not looked at: loginexec"), "{said}");
    assert!(!maildir.path().join("ran").exists(), "loginexec was run");
    assert!(!maildir.home().join("work").exists(), "the copies are still there");
    let table = differences::rows();
    for line in said.lines().filter_map(|l| l.strip_prefix("known difference ")) {
        let row = line.split(' ').next().unwrap();
        assert!(table.contains(row), "man/postrider-courier.7 has no row {row}");
    }
}

#[test]
fn what_is_served_wrongly_is_found() {
    let Some(courier) = courier_if_installed() else { return };
    let maildir = Maildir::new();
    for n in 1..30 {
        maildir.write(
            &format!("cur/{}.m{n}:2,S", 1000 + n),
            format!("Subject: number {n}\n\nThe body of {n}.\n").as_bytes(),
        );
    }
    // Each of these servers says one thing wrongly.
    for (wrong, found) in [
        ("s/The body of 17[.]/The body of 71./", "UID 17 (1017.m17:2,S): BODY[]"),
        ("s/UID 9 FLAGS (.Seen/UID 9 FLAGS (Wrong/", "UID 9 (1009.m9:2,S): FLAGS"),
        ("s/\"number 5\"/\"Number 5\"/", "UID 5 (1005.m5:2,S): ENVELOPE"),
        ("s/RFC822.SIZE 3/RFC822.SIZE 5/", "RFC822.SIZE"),
    ] {
        let liar = maildir.home().join("liar");
        let text =
            format!("#!/bin/sh\n{} \"$@\" | sed -u '{wrong}'\n", support::postrider().display());
        fs::write(&liar, text).unwrap();
        fs::set_permissions(&liar, fs::Permissions::from_mode(0o755)).unwrap();
        let out = check(maildir.path(), &courier, &liar);
        let said = String::from_utf8_lossy(&out.stdout).into_owned()
            + &String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{wrong}: {said}");
        assert!(said.contains(found), "{wrong}: {said}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let Some(courier) = courier_if_installed() else { return };
    let maildir = Maildir::new();
    let out = check(&maildir.home().join("nowhere"), &courier, &support::postrider());
    assert_eq!(out.status.code(), Some(2));
    let out = check(maildir.path(), &courier, Path::new("/bin/false"));
    assert_eq!(out.status.code(), Some(2), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(!maildir.home().join("work").exists(), "the copies are still there");
}
