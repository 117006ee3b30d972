//! A hundred thousand of everything that a client can send, and mails made to fill the memory, in
//! the memory that Courier's start script gives: each is answered with words, or served with a cut,
//! and the session goes on.

use std::fs;
use std::path::Path;
use support::{Maildir, Session, postrider};

/// A session with the address space that Courier's start script gives.
fn session(maildir: &Maildir) -> Session {
    session_with(maildir, 131_072)
}

/// A session with so many KiB of address space.
fn session_with(maildir: &Maildir, memory: u32) -> Session {
    let start = format!("ulimit -v {memory}; exec {} ./Maildir", postrider().display());
    let env = [("IMAP_ACL", "1")];
    let mut s = maildir.start(Path::new("/bin/sh"), &env, &["-c", &start]);
    assert!(support::is_greeting(s.line().as_bytes()), "{}", s.story());
    s
}

/// So many words, all different.
fn words(count: usize) -> String {
    (0..count).map(|n| format!("{n:x}w")).collect::<Vec<_>>().join(" ")
}

fn same(word: &str, count: usize) -> String {
    vec![word; count].join(" ")
}

#[test]
fn a_hundred_thousand_of_everything() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.box");
    maildir.write("cur/1000.a:2,", b"Subject: a\n\nbody\n");
    let mut s = session(&maildir);
    s.cmd("SELECT INBOX").has("* 1 EXISTS");
    for (command, answer) in [
        (
            format!("STORE 1 FLAGS ({})", words(100_000)),
            "BAD [LIMIT] Too many keywords in one command.",
        ),
        (format!("STORE 1 +FLAGS {}", "k".repeat(101)), "BAD [LIMIT] A keyword is too long."),
        (
            format!("APPEND INBOX ({}) {{1+}}\r\nx", words(100_000)),
            "BAD [LIMIT] Too many keywords in one command.",
        ),
        (
            format!("FETCH 1 ({})", same("ENVELOPE", 100_000)),
            "BAD [LIMIT] Too many items in one command.",
        ),
        (
            format!("FETCH 1 ({})", same("FULL", 100_000)),
            "BAD [LIMIT] Too many items in one command.",
        ),
        (
            format!("FETCH 1 BODY.PEEK[HEADER.FIELDS ({})]", words(100_000)),
            "BAD [LIMIT] Too many header names in one list.",
        ),
        (
            format!("SEARCH {}", same("ALL", 100_000)),
            "BAD [LIMIT] Too many search keys in one command.",
        ),
        (
            format!("SEARCH {}SEEN", "NOT ".repeat(100_000)),
            "BAD [LIMIT] Too many search keys in one command.",
        ),
        (
            format!("SORT ({}) UTF-8 ALL", same("SUBJECT", 100_000)),
            "BAD [LIMIT] Too many sort keys in one command.",
        ),
        (
            format!("ACL STORE ({}) joe lr", same("*", 100_000)),
            "BAD [LIMIT] Too many mailboxes in one command.",
        ),
        (
            format!("ESEARCH IN ({}) ALL", same("personal", 100_000)),
            "NO [LIMIT] Too many folders in one search.",
        ),
        (
            format!("ESEARCH IN (subtree ({})) ALL", same("INBOX", 100_000)),
            "NO [LIMIT] Too many folders in one search.",
        ),
        (format!("LIST \"\" {}", "*".repeat(60_000)), "NO [LIMIT] Invalid argument"),
        (format!("LIST \"\" \"{}\"", "*a".repeat(10)), "OK LIST completed"),
        (format!("CREATE INBOX{}", ".a".repeat(30_000)), "NO [CANNOT] Invalid mailbox name."),
        (format!("SUBSCRIBE INBOX{}", ".a".repeat(30_000)), "NO [CANNOT] Invalid mailbox name."),
        (format!("SUBSCRIBE INBOX.{}", "a".repeat(600)), "NO [CANNOT] Invalid mailbox name."),
        ("SUBSCRIBE {9+}\r\nINBOX.a\nb".to_owned(), "NO [CANNOT] Invalid mailbox name."),
        (format!("STATUS INBOX ({})", same("MESSAGES", 100_000)), "OK STATUS Completed."),
        (format!("STORE {}1 FLAGS.SILENT (\\Seen)", "1:*,".repeat(100_000)), "OK STORE completed."),
        (format!("SETACL INBOX.box {} lr", "x".repeat(60_000)), "NO [LIMIT] The ACL is too large."),
    ] {
        s.cmd(&command).says(answer);
        s.forget();
        s.cmd("NOOP").ok("NOOP completed");
    }
    // As many as are allowed.
    s.cmd(&format!("STORE 1 FLAGS.SILENT ({})", words(100))).ok("STORE completed.");
    s.cmd("STORE 1 +FLAGS.SILENT (more)").says("NO [LIMIT] Too many keywords.");
    s.cmd("STORE 1 FLAGS.SILENT ()").ok("STORE completed.");
    s.cmd(&format!("FETCH 1 ({})", same("UID", 1000))).ok("FETCH completed.");
    s.cmd(&format!("SEARCH {}", same("ALL", 1000))).has("* SEARCH 1");
    let fields = format!("FETCH 1 BODY.PEEK[HEADER.FIELDS ({} subject)]", words(999));
    let reply = s.cmd(&fields);
    assert!(reply.responses[0].ends_with(b"{14}\r\nSubject: a\r\n\r\n)"), "{}", s.story());
}

#[test]
fn a_list_of_rights_can_always_be_read() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.box");
    let mut s = session(&maildir);
    let entries = |count| (0..count).map(|n| format!(" user=u{n} lr")).collect::<String>();
    s.cmd(&format!("ACL SET INBOX.box owner lra administrators acdilrstewx{}", entries(50_000)))
        .ok("ACL SET completed.")
        .get("* ACLFAILED \"INBOX.box\" The ACL is too large.");
    let all = "administrators acdilrstewx owner acdilrstewx";
    s.cmd(&format!("ACL SET INBOX.box {all}{}", entries(990))).ok("ACL SET completed.");
    for n in 0..8 {
        s.cmd(&format!("SETACL INBOX.box v{n} lr")).ok("ACLs updated.");
    }
    s.cmd("SETACL INBOX.box w lr").no("[LIMIT] The ACL is too large.");
    s.cmd("SETACL INBOX.box v1 lrs").ok("ACLs updated.");
    s.cmd("DELETEACL INBOX.box v1").ok("ACLs updated.");
    s.cmd("SETACL INBOX.box w lr").ok("ACLs updated.");
    s.cmd("GETACL INBOX.box").ok("GETACL completed.");
}

#[test]
fn a_folder_full_of_keywords() {
    let maildir = Maildir::new();
    for n in 0..11 {
        maildir.write(&format!("cur/1000.{n}:2,"), b"Subject: a\n\nbody\n");
    }
    let mut s = session(&maildir);
    s.cmd("SELECT INBOX").has("* 11 EXISTS");
    for n in 1..=10 {
        let words = words(100).replace('w', &format!("w{n}"));
        s.cmd(&format!("STORE {n} FLAGS.SILENT ({words})")).ok("STORE completed.");
    }
    s.cmd("STORE 11 FLAGS.SILENT (more)").no("[LIMIT] Too many keywords.");
    // One that is there already, and another in the place of one that goes.
    s.cmd("STORE 11 FLAGS.SILENT (0w1)").ok("STORE completed.");
    s.cmd("STORE 1,11 FLAGS.SILENT ()").ok("STORE completed.");
    s.cmd("STORE 11 FLAGS.SILENT (more)").ok("STORE completed.");
}

/// Neither by APPEND, which does not ask for the message, nor by COPY or MOVE, which then leave all as it is.
#[test]
fn a_full_folder_gets_no_new_keyword() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.full");
    fs::create_dir(maildir.path().join(".full/courierimapkeywords")).unwrap();
    for n in 0..10 {
        let words = words(100).replace('w', &format!("w{n}")).replace(' ', "\n");
        maildir.write(&format!(".full/cur/2000.{n}:2,"), b"Subject: a\n\nbody\n");
        maildir.write(&format!(".full/courierimapkeywords/2000.{n}"), words.as_bytes());
    }
    maildir.write("cur/1000.a:2,", b"Subject: a\n\nbody\n");
    maildir.write("cur/1001.b:2,", b"Subject: b\n\nbody\n");
    let mut s = session(&maildir);
    // The files of single messages, then the list.
    for is_merged in [false, true] {
        if is_merged {
            s.cmd("SELECT INBOX.full").has("* 10 EXISTS");
        }
        s.cmd("SELECT INBOX").has("* 2 EXISTS");
        s.cmd("STORE 1 FLAGS.SILENT (more)").ok("STORE completed.");
        s.cmd("STORE 2 FLAGS.SILENT (0W1)").ok("STORE completed.");
        s.cmd("COPY 1:2 INBOX.full").no("[LIMIT] Too many keywords.");
        s.cmd("MOVE 1:2 INBOX.full").lacks("* 1 EXPUNGE").no("[LIMIT] Too many keywords.");
        s.cmd("APPEND INBOX.full (more) {1000}").no("[LIMIT] Too many keywords.");
        assert_eq!(maildir.files_in(".full/cur").len(), 10);
    }
    // What it has already may come.
    s.cmd("COPY 2 INBOX.full").says("OK ");
    s.cmd_literal("APPEND INBOX.full (63w9)", b"Subject: c\n\nbody\n", "").says("OK ");
    // Those of a message that is gone do not count.
    fs::remove_file(maildir.path().join(".full/cur/2000.5:2,")).unwrap();
    s.cmd("COPY 1 INBOX.full").says("OK ");
    s.cmd("SELECT INBOX.full").has("* 12 EXISTS");
    s.cmd("SEARCH KEYWORD more").has("* SEARCH 12");
}

#[test]
fn subscriptions_without_end() {
    let maildir = Maildir::new();
    let names: String = (0..9_999).map(|n| format!("INBOX.{n}\n")).collect();
    let dots = format!("INBOX{}\n", ".a".repeat(30_000));
    maildir.write("courierimapsubscribed", dots.repeat(5).as_bytes());
    let mut s = session(&maildir);
    s.cmd("LSUB \"\" *").ok("LSUB completed");
    maildir.write("courierimapsubscribed", format!("{dots}{names}").as_bytes());
    s.cmd("SUBSCRIBE INBOX.one").no("[LIMIT] Too many subscriptions.");
    s.cmd("SUBSCRIBE INBOX.1").ok("Folder subscribed.");
    s.cmd("UNSUBSCRIBE INBOX.1").ok("Folder unsubscribed.");
    s.cmd("SUBSCRIBE INBOX.one").ok("Folder subscribed.");
    s.cmd("SUBSCRIBE INBOX.two").no("[LIMIT] Too many subscriptions.");
}

/// Some mails with long fields took the memory that there is.
#[test]
fn mails_made_to_fill_the_memory() {
    let maildir = Maildir::new();
    let long = "x".repeat(1_300_000);
    for n in 0..8 {
        let content = format!("From: {n}{long}@x\nTo: {n}{long}@x\nCc: {n}{long}@x\n\nbody\n");
        maildir.write(&format!("cur/10{n}.a:2,"), content.as_bytes());
    }
    let ids: String = (0..200_000).map(|n| format!("<{n}@x>\n ")).collect();
    let content = format!("Subject: {long}\nReferences: {ids}\n\nbody\n");
    maildir.write("cur/2000.a:2,", content.as_bytes());
    let mut s = session_with(&maildir, 49_152);
    s.cmd("SELECT INBOX").has("* 9 EXISTS");
    s.cmd("SORT (FROM TO CC) UTF-8 ALL").ok("SORT done.");
    s.cmd("THREAD REFERENCES UTF-8 9").has("* THREAD (9)").ok("THREAD done.");
    // What is asked for a thousand times is sent as it is made.
    let name = maildir.files_in("cur").remove(0);
    fs::write(
        maildir.path().join("cur").join(name),
        [b"A: ".as_slice(), &b"x".repeat(3 << 20)].concat(),
    )
    .unwrap();
    s.cmd(&format!("FETCH 1 ({})", same("BODY.PEEK[HEADER.FIELDS (a)]", 12)))
        .ok("FETCH completed.");
    s.forget();
    s.cmd("NOOP").ok("NOOP completed");
}

#[test]
fn messages_and_parts_without_end() {
    let maildir = Maildir::new();
    maildir.write("cur/1000.a:2,", b"Subject: a\n\nbody\n");
    let start = format!("ulimit -v 131072; exec {} ./Maildir", postrider().display());
    let env = [("IMAP_FSYNC", "0")];
    let mut s = maildir.start(Path::new("/bin/sh"), &env, &["-c", &start]);
    s.line();
    s.cmd("SELECT INBOX").has("* 1 EXISTS");
    let many = |part: &str, count: usize| part.repeat(count);
    let several = format!("APPEND INBOX{}", many(" {1+}\r\nx", 100_000));
    let texts =
        format!("APPEND INBOX CATENATE (TEXT {{1+}}\r\nx{})", many(" TEXT {1+}\r\nx", 100_000));
    let urls = format!("APPEND INBOX CATENATE (URL ;UID=1{})", many(" URL ;UID=1", 100_000));
    for (command, answer) in [
        (several, "NO [LIMIT] Too many messages in one command."),
        (texts, "NO [LIMIT] Too many parts in one message."),
        (urls, "NO [LIMIT] Too many parts in one message."),
        (format!("APPEND INBOX CATENATE (URL {})", "x".repeat(70_000)), "NO [BADURL xxx"),
        (
            format!("APPEND INBOX CATENATE (URL ;UID=1/;SECTION={}1)", "2.".repeat(30_000)),
            "NO [BADURL ;UID=1",
        ),
        ("APPEND INBOX CATENATE (TEXT {3+}\r\nabc TEXT {4294967295}".to_owned(), "NO [TOOBIG] "),
        ("APPEND INBOX CATENATE (TEXT {18446744073709551614}".to_owned(), "NO [TOOBIG] "),
    ] {
        s.cmd(&command).says(answer);
        s.forget();
        s.cmd("NOOP").ok("NOOP completed");
    }
    assert_eq!(maildir.files_in("tmp"), [""; 0]);
    assert_eq!(maildir.files_in("cur").len(), 1);
}

/// No message and no part is ever in memory as a whole.
#[test]
fn a_message_larger_than_the_memory_made_of_others() {
    let maildir = Maildir::new();
    let mut text = b"Subject: a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n".to_vec();
    text.resize(24 << 20, b'x');
    text.extend_from_slice(b"\n--b--\n");
    maildir.write("cur/1000.a:2,", &text);
    drop(text);
    let mut s = session_with(&maildir, 65_536);
    s.cmd("SELECT INBOX").has("* 1 EXISTS");
    let urls = "URL ;UID=1 URL ;UID=1/;SECTION=1 URL ;UID=1/;SECTION=TEXT/;PARTIAL=100";
    s.cmd(&format!("APPEND INBOX CATENATE ({urls})")).says("OK [APPENDUID ");
    let size = |n: u32| (n << 20) as usize;
    let names = maildir.files_in("cur");
    let largest =
        names.iter().map(|name| fs::metadata(maildir.path().join("cur").join(name)).unwrap().len());
    assert!(largest.max().unwrap() as usize > size(71), "{names:?}");
}
