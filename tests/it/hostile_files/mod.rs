//! A Maildir in which things are not what they should be: FIFOs, devices, sockets, directories and
//! links in the place of every file and directory, files that cannot be read, control files that
//! are binary, huge, cut off or circular, names that no mail program gives.
//!
//! What must hold: every command is answered in time, the session ends well, nothing outside of the
//! Maildir is read or changed, the messages that are in order are served.

mod scene;

use scene::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

#[test]
fn things_in_the_place_of_others() {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let (Some(place), thing) =
                        (PLACES.get(n / THINGS.len()), THINGS[n % THINGS.len()])
                    else {
                        break;
                    };
                    // A folder may be a link to another directory (Courier's administrators do
                    // that).
                    if place.starts_with('.')
                        && !place.contains('/')
                        && thing == Thing::LinkOutsideDirectory
                    {
                        continue;
                    }
                    // Every day the worst of them in each place, and of the others some.
                    let all = std::env::var_os("HOSTILE_ROUNDS").is_some();
                    let worst = matches!(
                        thing,
                        Thing::Fifo | Thing::LinkOutside | Thing::LinkOutsideDirectory
                    );
                    if !all && !worst && n % THINGS.len() % 5 != n / THINGS.len() % 5 {
                        continue;
                    }
                    // A message of 8 GB is a message; a lock that is a file is waited for, a stale
                    // one taken five seconds later.
                    let skipped = match *place {
                        "cur/1002.bad:2," | "new/1002.bad" | ".box/cur/1002.bad:2," => {
                            thing == Thing::Huge
                        }
                        "tmp/courier.lock" => {
                            !matches!(thing, Thing::Fifo | Thing::Directory | Thing::LinkOutside)
                        }
                        _ => false,
                    };
                    if skipped {
                        continue;
                    }
                    let mut scene = Scene::new();
                    if scene.put(place, thing) {
                        let what = format!("{thing:?} as {place}");
                        let start = std::time::Instant::now();
                        let s = whole_session(&scene, &support::postrider(), &["./Maildir"], &what);
                        if std::env::var_os("HOSTILE_TIMES").is_some() {
                            eprintln!("{:5} ms {what}", start.elapsed().as_millis());
                        }
                        scene.check(&s, &what);
                        // What does not concern INBOX's messages does not keep them from being
                        // served.
                        if !["cur", "courierimapuiddb", "tmp/courier.lock", "tmp", "courierimapacl"]
                            .contains(place)
                        {
                            assert!(
                                s.transcript().contains("a good body"),
                                "{what}: the good message\n{}",
                                s.story()
                            );
                        }
                    }
                }
            });
        }
    });
}

/// RFC 6154 3: without its special use a folder is not made. The refusal names the reason.
#[test]
fn a_register_of_special_uses_that_is_none() {
    for thing in THINGS {
        let mut scene = Scene::new();
        if *thing == Thing::Binary || !scene.put("postrider-specialuses", *thing) {
            continue;
        }
        let mut s = scene.maildir.session(&[]);
        for command in [
            "CREATE INBOX.used (USE (\\Sent))",
            "CREATE INBOX.used (USE ())",
            "SETMETADATA INBOX.box (/private/specialuse \"\\\\Sent\")",
        ] {
            let reply = String::from_utf8(s.cmd(command).last().to_vec()).unwrap();
            let codes = ["NO [CORRUPTION] ", "NO [UNAVAILABLE] "];
            assert!(
                codes.iter().any(|code| reply.contains(code)),
                "{thing:?}: {command}: {reply}\n{}",
                s.story()
            );
        }
        assert!(!scene.maildir.path().join(".used").exists(), "{thing:?}");
        s.cmd("CREATE INBOX.used").ok("\"INBOX.used\" created.");
        s.cmd("LIST \"\" INBOX.used").has("* LIST (\\HasNoChildren) \".\" \"INBOX.used\"");
    }
}

/// Control files with content that nobody writes.
#[test]
fn control_files_with_any_content() {
    let long = vec![b'a'; 300_000];
    let contents: &[&[u8]] = &[
        b"",
        b"\n",
        b"\0\0\0\0",
        b"1",
        b"1 ",
        b"1 1 1",
        b"1 99999999999999999999 99999999999999999999\n",
        b"1 1000 4294967295\n1 1001.good\n",
        b"1 1000 1\n0 1001.good\n4294967296 x\n-1 y\n",
        b"1 1000 9\n5 1001.good\n5 1001.good\n7 ../../outside/cur/1003.secret:2,\n8 /etc/passwd\n6 .\n6 ..\n",
        b"-5S,-7C\n-1 -1\n99999999999999999999 99999999999999999999\n9223372036854775807 9223372036854775807\n1 1\n",
        b"99999999999999999999S,1C\n",
        b"../..\n../../outside\n\nfoo\n/etc\nINBOX.../x\nINBOX.a\0b\n",
        b"owner lr\xff\xfe\nanyone\ngroup=\t\nuser=a b c\n-owner acdilrsw\n",
        b"kw\n\n1001.good:0 99999999999999999999 -1 :::\n../../outside/cur/1003.secret:0\n",
        b"x\t../outside\ny\t/nowhere\n\t\nz\n",
        &long,
    ];
    let files = [
        "courierimapuiddb",
        "courierimapkeywords/:list",
        "courierimapkeywords/1001.good",
        "courierimapkeywords/.99999999999999999999.1001.good",
        "courierimapacl",
        "courierimapsubscribed",
        "maildirsize",
        "shared-maildirs",
    ];
    for content in contents {
        let scene = Scene::new();
        for file in files {
            scene.maildir.write(file, content);
        }
        let what = String::from_utf8_lossy(&content[..content.len().min(60)]).into_owned();
        let s = whole_session(&scene, &support::postrider(), &["./Maildir"], &what);
        scene.check(&s, &what);
    }
}

/// A shared index whose groups are within themselves, and whose accounts are anything.
#[test]
fn a_shared_index_gone_wrong() {
    let mut scene = Scene::new();
    let home = scene.maildir.home().to_path_buf();
    fs::write(
        home.join("index"),
        b"loop\t*\tindex\nup\t*\t../../../../etc/passwd\nfifo\t*\tfifo\ndev\t*\t/../../../../../../../dev/zero\ndir\t*\tMaildir\nnone\t*\tnone\n\
          a\t1\t1\t/nowhere\nb\t0\t0\t/\nc\t1\t1\t/etc\t/etc\nd\t1\t1\t\xff\xfe\n\t\t\t\nx\0y\t1\t1\t/\nlink\t1\t1\t.\tlink\n..\t1\t1\t/etc\n",
    )
    .unwrap();
    assert!(run("mkfifo", &[home.join("fifo").as_os_str()]));
    symlink("index", home.join("none")).unwrap();
    scene.before = listing(&scene.outside);
    let index = home.join("index");
    let mut s = scene
        .maildir
        .session(&[("IMAP_SHAREDINDEXFILE", index.to_str().unwrap()), ("IMAP_ACL", "1")]);
    for command in [
        "LIST \"\" \"*\"",
        "LIST \"\" \"#shared.*\"",
        "LIST \"\" \"#shared.%.%\"",
        "LSUB \"\" \"#shared.*\"",
        "SELECT #shared.loop.loop.loop.loop.loop.loop.loop.loop.loop.loop.loop.loop.loop.loop.c",
        "SELECT #shared.up.root",
        "SELECT #shared.fifo.x",
        "SELECT #shared.dev.x",
        "STATUS #shared.dir.x (MESSAGES)",
        "CREATE #shared.c.x",
        "SUBSCRIBE #shared.a",
        "GETACL #shared.b",
        "COPY 1 #shared.c",
        "SELECT \"#shared.c...etc\"",
        "SELECT \"#shared.c./etc\"",
        "NOOP",
    ] {
        let reply = s.cmd(command);
        let last = String::from_utf8_lossy(reply.last()).into_owned();
        assert!(
            [" OK", " NO", " BAD"].iter().any(|w| last.contains(w)),
            "{command}: {last}\n{}",
            s.story()
        );
        assert!(!s.transcript().contains("root:"), "{}", s.story());
    }
    s.cmd("LOGOUT");
    ended_well(&mut s, "shared index");
    scene.check(&s, "shared index");
}

/// Names that a mail program does not give, and ways out of the Maildir by name.
#[test]
fn names_that_nobody_gives() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let scene = Scene::new();
    let root = scene.maildir.path();
    for name in [
        &b".line\nbreak"[..],
        b".\xff\xfe",
        b".bell\x07",
        b".a..b",
        b"..x",
        b".x.",
        b".&",
        b".quote\"back\\slash",
        b".%*",
        &[b".", "n".repeat(250).as_bytes()].concat(),
    ] {
        for sub in ["", "cur", "new", "tmp"] {
            let _ = fs::create_dir(root.join(OsStr::from_bytes(name)).join(sub));
        }
    }
    for name in [
        &b"cur/1002.bad\n:2,"[..],
        b"cur/1003.\xff\xfe:2,S",
        b"cur/:2,",
        b"cur/1004.a:2,:2,S:2,T",
        b"cur/1005.b:3,",
        b"cur/1006.c\r:2,\r",
        b"cur/ 1007 d:2,",
        b"cur/1008.e,S=99999999999999999999:2,",
        b"cur/1009.f,S=-1,W=x:2,SSSSS",
        b"new/1010.g\nh",
        b"new/1011.i:2,Z",
        &[b"cur/", "9".repeat(250).as_bytes()].concat(),
        &[b"new/", "8".repeat(255).as_bytes()].concat(),
    ] {
        fs::write(root.join(OsStr::from_bytes(name)), GOOD).unwrap();
    }
    let s = whole_session(&scene, &support::postrider(), &["./Maildir"], "names");
    scene.check(&s, "names");
    let mut s = scene.maildir.session(&[("IMAP_ACL", "1")]);
    for escape in [
        "..",
        ".",
        "../outside",
        "/etc",
        "INBOX..",
        "INBOX...",
        "INBOX.../outside",
        "INBOX./../outside",
        "INBOX.a/../../outside",
        "INBOX.&AC8-etc",
        "INBOX.&AAA-",
        "INBOX.x&AC8-..&AC8-..",
        "shared...",
        "shared.../..",
        "#shared.../..",
        "INBOX.Trash/../../outside",
    ] {
        for command in [
            "SELECT",
            "EXAMINE",
            "CREATE",
            "DELETE",
            "SUBSCRIBE",
            "GETACL",
            "MYRIGHTS",
            "GETQUOTAROOT",
        ] {
            let reply = s.cmd(&format!("{command} \"{escape}\""));
            assert!(!reply.last().is_empty(), "{command} {escape}\n{}", s.story());
            if s.transcript().len() > 100_000 {
                s.forget();
            }
        }
        s.cmd("NOOP");
        s.cmd(&format!("STATUS \"{escape}\" (MESSAGES)"));
        s.cmd(&format!("RENAME INBOX.box \"{escape}\""));
        s.cmd(&format!("RENAME \"{escape}\" INBOX.stolen"));
        s.cmd_literal(&format!("APPEND \"{escape}\""), b"x", "");
        s.cmd(&format!("SETACL \"{escape}\" bob lr"));
    }
    s.cmd("LOGOUT");
    ended_well(&mut s, "escapes");
    scene.check(&s, "escapes");
    let strays: Vec<_> =
        fs::read_dir(scene.maildir.home()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(strays.len(), 2, "{strays:?}");
}

/// Files that may not be read, by a server that is nobody.
#[test]
fn files_that_may_not_be_read() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("left out: it takes root to be somebody else");
        return;
    }
    const NOBODY: u32 = 65534;
    // The build's directory may be in a place where nobody else can look.
    let scene_at = tempfile::Builder::new().prefix("hostile-").tempdir_in("/var/tmp").unwrap();
    let program = scene_at.path().join("imapd");
    support::programs::copy(&support::postrider(), &program);
    fs::set_permissions(scene_at.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let shut = [
        "courierimapuiddb",
        "courierimapkeywords",
        "courierimapkeywords/:list",
        "courierimapacl",
        "courierimapsubscribed",
        "maildirsize",
        "cur/1002.bad:2,",
        "new/1002.bad",
        "cur",
        "new",
        "tmp",
        ".box",
        ".box/cur",
        "tmp/courier.lock",
        "",
    ];
    for place in shut {
        let mut scene = Scene::new();
        let home = scene_at.path().join("home");
        let at = home.join("Maildir").join(place);
        // A copy where nobody can come.
        assert!(run("cp", &["-a".as_ref(), scene.maildir.home().as_os_str(), home.as_os_str()]));
        if fs::symlink_metadata(&at).is_err() {
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(&at, "x").unwrap();
        }
        assert!(run("chown", &["-R".as_ref(), NOBODY.to_string().as_ref(), home.as_os_str()]));
        fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(run("chown", &["0".as_ref(), at.as_os_str()]));
        fs::set_permissions(&at, fs::Permissions::from_mode(0o000)).unwrap();
        scene.before = listing(&scene.outside);
        // The lock of another host's process is waited for, and that too long for a test.
        if place != "tmp/courier.lock" {
            let start = format!(
                "cd {0}/home && exec setpriv --reuid {NOBODY} --clear-groups {0}/imapd ./Maildir",
                scene_at.path().display()
            );
            let s = whole_session(
                &scene,
                Path::new("/bin/sh"),
                &["-c", &start],
                &format!("unreadable {place}"),
            );
            if [
                "cur/1002.bad:2,",
                "new/1002.bad",
                "courierimapsubscribed",
                ".box",
                ".box/cur",
                "maildirsize",
            ]
            .contains(&place)
            {
                assert!(s.transcript().contains("a good body"), "{place}\n{}", s.story());
            }
        }
        fs::remove_dir_all(&home).unwrap();
    }
}
