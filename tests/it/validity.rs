//! A folder that goes and comes again under its name has a greater UIDVALIDITY, however soon that
//! is and whoever makes it: a client's old UIDs must not name the new folder's messages.

use support::{Maildir, Session};

/// Puts an old UID file back, and takes the folder's state away, which has the UIDs that were told:
/// only a session that is open knows of them.
fn put_back(maildir: &Maildir, backup: &[u8]) {
    std::fs::write(maildir.path().join("courierimapuiddb"), backup).unwrap();
    let _ = std::fs::remove_file(maildir.path().join("postrider.state"));
}

/// Opens a folder; its UIDVALIDITY.
fn validity(s: &mut Session, folder: &str) -> u32 {
    let reply = s.cmd(&format!("SELECT {folder}"));
    let line = String::from_utf8_lossy(reply.get("* OK [UIDVALIDITY ")).into_owned();
    s.cmd("UNSELECT").ok("mailbox closed.");
    line["* OK [UIDVALIDITY ".len()..].split(']').next().unwrap().parse().unwrap()
}

/// Another session makes the folder as soon as it can; its UIDVALIDITY then.
fn made_anew(other: &mut Session, folder: &str) -> u32 {
    while !other.cmd(&format!("CREATE {folder}")).last().ends_with(b"created.") {}
    validity(other, folder)
}

#[test]
fn a_folder_that_another_session_makes_anew_at_once() {
    for (gone, answer) in
        [("DELETE INBOX.a", "Folder deleted."), ("RENAME INBOX.a INBOX.b", "Folder renamed.")]
    {
        let maildir = Maildir::new();
        let (mut s, mut other) = (maildir.session(&[]), maildir.session(&[]));
        s.cmd("CREATE INBOX.a").ok("\"INBOX.a\" created.");
        let before = validity(&mut s, "INBOX.a");
        s.send(format!("g {gone}\r\n").as_bytes());
        let after = made_anew(&mut other, "INBOX.a");
        assert!(after > before, "{gone}: {before}, then {after}\n{}", other.story());
        s.finish("g").ok(answer);
    }
}

#[test]
fn a_folder_that_a_client_deletes_and_makes_anew_in_another_session() {
    let maildir = Maildir::new();
    let mut s = maildir.session(&[]);
    s.cmd("CREATE INBOX.a").ok("\"INBOX.a\" created.");
    let before = validity(&mut s, "INBOX.a");
    s.send(b"g DELETE INBOX.a\r\n");
    s.hang_up();
    let after = made_anew(&mut maildir.session(&[]), "INBOX.a");
    assert!(after > before, "{before}, then {after}");
    s.wait().unwrap();
}

/// The new name may have been that of a folder made in the same second.
#[test]
fn a_folder_that_takes_the_name_of_another() {
    let maildir = Maildir::new();
    let mut s = maildir.session(&[]);
    for folder in ["INBOX.a", "INBOX.b"] {
        s.cmd(&format!("CREATE {folder}"));
    }
    let before = validity(&mut s, "INBOX.b").max(validity(&mut s, "INBOX.a"));
    s.cmd("DELETE INBOX.b").ok("Folder deleted.");
    s.cmd("RENAME INBOX.a INBOX.b").ok("Folder renamed.");
    let after = validity(&mut s, "INBOX.b");
    assert!(after > before, "{before}, then {after}\n{}", s.story());
}

#[test]
fn an_old_style_shared_folder_that_is_subscribed_again() {
    for (gone, answer) in [
        ("UNSUBSCRIBE shared.corp.News", "UNSUBSCRIBE completed."),
        ("DELETE shared.corp.News", "UNSUBSCRIBEd a shared folder."),
    ] {
        let maildir = Maildir::new();
        let corp = maildir.home().join("corp");
        for sub in ["tmp", "new", "cur"] {
            std::fs::create_dir_all(corp.join(".News").join(sub)).unwrap();
        }
        maildir.write("shared-maildirs", format!("corp {}\n", corp.display()).as_bytes());
        let mut s = maildir.session(&[]);
        let before = validity(&mut s, "shared.corp.News");
        s.cmd(gone).ok(answer);
        s.cmd("SUBSCRIBE shared.corp.News").ok("SUBSCRIBE completed.");
        let after = validity(&mut s, "shared.corp.News");
        assert!(after > before, "{gone}: {before}, then {after}\n{}", s.story());
        assert!(maildir.files_in("tmp").is_empty(), "{}", s.story());
    }
}

#[test]
fn a_uid_file_that_vanishes_in_its_first_second() {
    let maildir = Maildir::new();
    maildir.deliver("INBOX", "2.b", b"Subject: b\n\nb\n");
    let mut s = maildir.session(&[]);
    let reply = s.cmd("SELECT INBOX");
    let before = String::from_utf8_lossy(reply.get("* OK [UIDVALIDITY ")).into_owned();
    std::fs::remove_file(maildir.path().join("courierimapuiddb")).unwrap();
    // Without its UID file, the older message comes first.
    maildir.deliver("INBOX", "1.a", b"Subject: a\n\na\n");
    let reply = s.cmd("NOOP");
    reply.get("* OK [UIDVALIDITY ");
    reply.lacks(&before);
}

/// What is after a word in the answers, up to the end of the number.
fn number_after(answers: &str, word: &str) -> Option<u32> {
    let rest = answers.split_once(word)?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// UIDVALIDITY and UID of a new message.
fn append(s: &mut Session, text: &str) -> (u32, u32) {
    s.send(format!("a APPEND INBOX {{{}+}}\r\n{text}\r\n", text.len()).as_bytes());
    loop {
        let line = s.line();
        if let Some(code) = line.split_once("[APPENDUID ") {
            let (validity, uid) = code.1.split_once(' ').unwrap();
            return (validity.parse().unwrap(), uid.split(']').next().unwrap().parse().unwrap());
        }
        assert!(!line.starts_with("a "), "{line}");
    }
}

/// A session that has told a UID and removed its message, and the UID file of before. What it was
/// told.
fn told_and_forgotten(maildir: &Maildir) -> (Session, (u32, u32)) {
    let file = maildir.path().join("courierimapuiddb");
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").says("OK");
    append(&mut s, "Subject: first\r\n\r\n");
    let backup = std::fs::read(&file).unwrap();
    let told = append(&mut s, "Subject: second\r\n\r\n");
    s.cmd("STORE 2 +FLAGS.SILENT (\\Deleted)").says("OK");
    s.cmd("EXPUNGE").says("OK");
    put_back(maildir, &backup);
    (s, told)
}

#[test]
fn a_uid_file_from_a_backup_takes_back_no_uid() {
    let maildir = Maildir::new();
    let (mut s, told) = told_and_forgotten(&maildir);
    // The second message's UID is free by the file, but the client has seen it.
    let next = append(&mut s, "Subject: third\r\n\r\n");
    assert!(next > told, "{told:?}, then {next:?}\n{}", s.story());
}

#[test]
fn a_uid_file_from_a_backup_names_another_message() {
    let maildir = Maildir::new();
    let file = maildir.path().join("courierimapuiddb");
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").says("OK");
    append(&mut s, "Subject: first\r\n\r\n");
    let backup = std::fs::read(&file).unwrap();
    let told = append(&mut s, "Subject: second\r\n\r\n");
    put_back(&maildir, &backup);
    for entry in std::fs::read_dir(maildir.path().join("cur")).unwrap() {
        let path = entry.unwrap().path();
        if std::fs::read(&path).unwrap().starts_with(b"Subject: second") {
            std::fs::remove_file(path).unwrap();
        }
    }
    // A session that knows nothing of that gives the UID again.
    let mut other = maildir.session(&[]);
    other.cmd("SELECT INBOX").says("OK");
    assert_eq!(append(&mut other, "Subject: third\r\n\r\n"), told);
    let reply = s.cmd("NOOP");
    let line = String::from_utf8_lossy(reply.get("* OK [UIDVALIDITY ")).into_owned();
    let now = number_after(&line, "[UIDVALIDITY ").unwrap();
    assert!(now > told.0, "{told:?}, then {now}\n{}", s.story());
}

/// What a client does to see what is new.
#[derive(Clone, Copy, Debug)]
enum Look {
    Noop,
    /// Open the folder again.
    Select,
}

impl Look {
    const ALL: [Look; 2] = [Look::Noop, Look::Select];

    /// The UIDVALIDITY that the client knows then. NOOP tells only a new one.
    fn validity(self, s: &mut Session, before: u32) -> u32 {
        let command = match self {
            Look::Noop => "NOOP",
            Look::Select => "SELECT INBOX",
        };
        let answers = s.cmd(command).responses.concat();
        number_after(&String::from_utf8_lossy(&answers), "[UIDVALIDITY ").unwrap_or(before)
    }
}

/// The same, but the message that had the UID is gone by then, and nothing is left to compare with.
#[test]
fn a_uid_file_from_a_backup_gives_the_uid_of_a_removed_message_again() {
    for (look, removed_by_another) in Look::ALL.into_iter().flat_map(|l| [(l, false), (l, true)]) {
        let maildir = Maildir::new();
        let file = maildir.path().join("courierimapuiddb");
        let mut s = maildir.session(&[]);
        s.cmd("SELECT INBOX").says("OK");
        append(&mut s, "Subject: first\r\n\r\n");
        let backup = std::fs::read(&file).unwrap();
        let told = append(&mut s, "Subject: second\r\n\r\n");
        let mut third = maildir.session(&[]);
        third.cmd("SELECT INBOX").has("* 2 EXISTS");
        let remover = if removed_by_another { &mut third } else { &mut s };
        remover.cmd("STORE 2 +FLAGS.SILENT (\\Deleted)").says("OK");
        remover.cmd("EXPUNGE").has("* 2 EXPUNGE");
        if removed_by_another {
            s.cmd("NOOP").has("* 2 EXPUNGE");
        }
        put_back(&maildir, &backup);
        let mut other = maildir.session(&[]);
        other.cmd("SELECT INBOX").has("* 1 EXISTS");
        assert_eq!(append(&mut other, "Subject: third\r\n\r\n"), told);
        let now = look.validity(&mut s, told.0);
        assert!(now > told.0, "{look:?}: {told:?}, then {now}\n{}", s.story());
        // That settles it for all of them.
        other.cmd("NOOP");
        assert_eq!(Look::Select.validity(&mut other, 0), now);
        assert_eq!(look.validity(&mut s, now), now);
    }
}

/// The folder is opened again before anybody else has given a UID.
#[test]
fn a_uid_file_from_a_backup_takes_back_no_uid_when_the_folder_is_opened_again() {
    let maildir = Maildir::new();
    let (mut s, told) = told_and_forgotten(&maildir);
    s.cmd("SELECT INBOX").has("* 1 EXISTS").get("* OK [UIDNEXT 3]");
    let next = append(&mut s, "Subject: third\r\n\r\n");
    assert_eq!(next, (told.0, told.1 + 1), "{}", s.story());
}

/// What a scan has found before it turns out that the folder went back is \Recent all the same.
#[test]
fn new_mail_in_a_folder_that_went_back_is_recent() {
    let maildir = Maildir::new();
    let file = maildir.path().join("courierimapuiddb");
    maildir.deliver("INBOX", "1600000000.M1P1.host", b"Subject: first\n\n");
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").has("* 1 RECENT");
    let backup = std::fs::read(&file).unwrap();
    let told = append(&mut s, "Subject: second\r\n\r\n");
    put_back(&maildir, &backup);
    std::fs::remove_dir_all(maildir.path().join("cur")).unwrap();
    std::fs::create_dir(maildir.path().join("cur")).unwrap();
    maildir.deliver("INBOX", "1600000001.M1P1.host", b"Subject: third\n\n");
    let reply = s.cmd("SELECT INBOX");
    let line = String::from_utf8_lossy(reply.get("* OK [UIDVALIDITY ")).into_owned();
    assert!(number_after(&line, "[UIDVALIDITY ").unwrap() > told.0, "{}", s.story());
    reply.has("* 1 EXISTS").has("* 1 RECENT");
    s.cmd("FETCH 1 FLAGS").has("* 1 FETCH (FLAGS (\\Recent))");
}

/// What sessions have told counts for the next one: the state says which UIDs were given.
#[test]
fn a_uid_file_from_a_backup_gives_no_uid_again_to_a_new_session() {
    let maildir = Maildir::new();
    maildir.write("cur/1001.a:2,", b"one\n");
    let file = maildir.path().join("courierimapuiddb");
    let mut s = maildir.session(&[]);
    let before = validity(&mut s, "INBOX");
    let backup = std::fs::read(&file).unwrap();
    maildir.write("cur/1002.b:2,", b"two\n");
    s.cmd("SELECT INBOX").has("* 2 EXISTS");
    s.cmd("LOGOUT");
    std::fs::remove_file(maildir.path().join("cur/1002.b:2,")).unwrap();
    std::fs::write(&file, &backup).unwrap();
    maildir.write("cur/1003.c:2,", b"three\n");
    let mut s = maildir.session(&[]);
    assert_eq!(validity(&mut s, "INBOX"), before);
    s.cmd("SELECT INBOX");
    s.cmd("UID SEARCH ALL").has("* SEARCH 1 3");
    s.cmd("LOGOUT");
    // Another server gives the UID 3 to another message: the folder begins anew.
    std::fs::write(&file, format!("1 {before} 4\n1 1001.a\n3 1004.d\n")).unwrap();
    std::fs::remove_file(maildir.path().join("cur/1003.c:2,")).unwrap();
    maildir.write("cur/1004.d:2,", b"four\n");
    assert_ne!(validity(&mut maildir.session(&[]), "INBOX"), before);
}
