//! Courier's own tools and ours on the same Maildirs, in both directions: what one writes, the
//! other reads. Left out, with a word, where courier-imap is not installed.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use support::Maildir;

/// Runs a tool of Courier's; its output. `None` where it is not installed.
fn tool(name: &str, args: &[&str], input: &[u8]) -> Option<String> {
    let path = format!("/usr/bin/{name}");
    if !Path::new(&path).exists() {
        eprintln!("left out: {name} is not installed");
        return None;
    }
    let mut child =
        Command::new(path).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{name} {args:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn path(maildir: &Maildir) -> &str {
    maildir.path().to_str().unwrap()
}

#[test]
fn a_maildir_of_maildirmake() {
    let maildir = Maildir::new();
    let made = maildir.home().join("Made");
    let made = made.to_str().unwrap();
    if tool("maildirmake.courier", &[made], b"").is_none() {
        return;
    }
    tool("maildirmake.courier", &["-f", "a", made], b"");
    tool("maildirmake.courier", &["-q", "1000S,3C", made], b"");
    let mut s = maildir.session(&[("MAILDIR", made)]);
    s.cmd("LIST \"\" INBOX.a")
        .ok("LIST completed")
        .has("* LIST (\\HasNoChildren) \".\" \"INBOX.a\"");
    s.cmd("GETQUOTA ROOT").ok("GETQUOTA Ok.").has("* QUOTA \"ROOT\" (STORAGE 0 1 MESSAGE 0 3)");
    s.cmd("SELECT INBOX.a").ok("[READ-WRITE] Ok").has("* 0 EXISTS");
    // What ours makes, maildirmake takes for a folder: it refuses to make it again.
    s.cmd("CREATE INBOX.b").ok("\"INBOX.b\" created.");
    let again = Command::new("/usr/bin/maildirmake.courier")
        .args(["-f", "b", made])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!again.success());
}

#[test]
fn access_control_lists_of_maildiracl() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.a");
    if tool("maildiracl", &["-set", path(&maildir), "INBOX.a", "user=joe", "lrs"], b"").is_none() {
        return;
    }
    let mut s = maildir.session(&[]);
    s.cmd("GETACL INBOX.a")
        .has("* ACL \"INBOX.a\" \"owner\" acdilrsw \"administrators\" acdilrsw \"joe\" lrs");
    s.cmd("SETACL INBOX.a joe +d").ok("ACLs updated.");
    s.cmd("SETACL INBOX.a -mary w").ok("ACLs updated.");
    let list = tool("maildiracl", &["-list", path(&maildir), "INBOX.a"], b"").unwrap();
    assert_eq!(
        list,
        "owner\taceilrstwx\nadministrators\taceilrstwx\nuser=joe\telrstx\n-user=mary\tw\n"
    );
    assert_eq!(
        tool("maildiracl", &["-compute", path(&maildir), "INBOX.a", "user=joe"], b"").unwrap(),
        "elrstx\n"
    );
    s.cmd("DELETEACL INBOX.a joe").ok("ACLs updated.");
    assert!(
        !tool("maildiracl", &["-list", path(&maildir), "INBOX.a"], b"").unwrap().contains("joe")
    );
}

#[test]
fn keywords_of_maildirkw() {
    let maildir = Maildir::new();
    maildir.write("cur/1000.a:2,", b"Subject: a\n\n").write("cur/1001.b:2,", b"Subject: b\n\n");
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok");
    if tool("maildirkw", &[path(&maildir), "1000.a", "Home", "Work"], b"").is_none() {
        return;
    }
    s.cmd("NOOP").ok("NOOP completed");
    s.cmd("SEARCH KEYWORD Home KEYWORD Work").has("* SEARCH 1");
    // Ours, and the tool's on top of it.
    s.cmd("STORE 2 +FLAGS (Mine)").ok("STORE completed.");
    tool("maildirkw", &["-l", path(&maildir), "1001.b", "Mine", "Theirs"], b"");
    s.cmd("NOOP").ok("NOOP completed");
    s.cmd("SEARCH KEYWORD Theirs KEYWORD Mine").has("* SEARCH 2");
    s.cmd("SEARCH KEYWORD Home").has("* SEARCH 1");
}

#[test]
fn the_quota_of_deliverquota() {
    let maildir = Maildir::new();
    maildir.write("maildirsize", b"100S,3C\n           0            0\n");
    let message = b"Subject: x\n\nbody\n";
    if tool("deliverquota.courier", &[path(&maildir)], message).is_none() {
        return;
    }
    let mut s = maildir.session(&[]);
    s.cmd("GETQUOTA ROOT").has("* QUOTA \"ROOT\" (STORAGE 1 1 MESSAGE 1 3)");
    s.cmd_literal("APPEND INBOX", b"Subject: y\r\n\r\nbody\r\n", "");
    s.cmd("GETQUOTA ROOT").has("* QUOTA \"ROOT\" (STORAGE 1 1 MESSAGE 2 3)");
    // 17 bytes each, the third fits; a fourth is one message too many, by either program.
    tool("deliverquota.courier", &[path(&maildir)], message);
    s.cmd_literal("APPEND INBOX", b"Subject: z\r\n\r\nbody\r\n", "")
        .no("[OVERQUOTA] You exceeded your mail quota.");
    let mut refused = Command::new("/usr/bin/deliverquota.courier")
        .arg(path(&maildir))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    refused.stdin.take().unwrap().write_all(message).unwrap();
    assert!(!refused.wait().unwrap().success());
    // What is deleted makes room, for both.
    s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok").has("* 3 EXISTS");
    s.cmd("STORE 1 +FLAGS.SILENT (\\Deleted)").ok("STORE completed.");
    tool("deliverquota.courier", &[path(&maildir)], message);
    s.cmd("NOOP").ok("NOOP completed").has("* 4 EXISTS");
    s.cmd("GETQUOTA ROOT").has("* QUOTA \"ROOT\" (STORAGE 1 1 MESSAGE 3 3)");
}
