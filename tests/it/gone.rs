//! Messages that another session has removed: what a session does to be sure that they are gone.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::Maildir;
use support::programs::strace;

#[test]
fn a_folder_at_rest_is_read_once_for_all_messages_that_are_gone() {
    let Some(strace) = strace() else { return };
    let maildir = Maildir::new();
    for n in 1..=100 {
        maildir.deliver("INBOX", &format!("{n}.a"), b"Subject: x\n\nx\n");
    }
    let mut s = maildir.session(&[]);
    s.cmd("SELECT INBOX").says("OK");
    s.cmd("STORE 1:* +FLAGS.SILENT (\\Deleted)").says("OK");
    for entry in fs::read_dir(maildir.path().join("cur")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    // Longer than a tick of the clock of file times.
    std::thread::sleep(Duration::from_millis(30));
    let trace = maildir.home().join("trace");
    let pid = s.pid();
    let mut tracer = Command::new(strace)
        .args(["-p", &pid.to_string(), "-o", trace.to_str().unwrap()])
        .args(["-e", "trace=read,getdents64,newfstatat,clock_nanosleep"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{pid}/status");
    while fs::read_to_string(&status).unwrap().contains("TracerPid:\t0\n") {
        std::thread::sleep(Duration::from_millis(1));
    }
    // UID EXPUNGE and EXPUNGE end in a scan; STORE does not.
    s.cmd("STORE 1:* +FLAGS (\\Seen)");
    s.hang_up();
    s.wait().unwrap();
    tracer.wait().unwrap();
    let trace = fs::read_to_string(trace).unwrap();
    // At its end it looks once more, for the next session.
    let (trace, _) = trace.split_once("read(0, \"\"").unwrap();
    let count = |call: &str| trace.lines().filter(|line| line.starts_with(call)).count();
    assert_eq!(count("clock_nanosleep"), 0, "{trace}");
    assert_eq!(count("getdents64"), 2, "{trace}");
    assert!(count("newfstatat") < 10, "{trace}");
}
