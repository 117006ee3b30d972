use super::*;
use std::fs as stdfs;

/// A Maildir with folders A and Trash.
fn maildir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for f in ["", ".A", ".Trash", ".Trash.Sub"] {
        for d in ["tmp", "new", "cur"] {
            stdfs::create_dir_all(dir.path().join(f).join(d)).unwrap();
        }
        if !f.is_empty() {
            stdfs::write(dir.path().join(f).join("maildirfolder"), "").unwrap();
        }
    }
    dir
}

fn add(q: &Quota<'_>, bytes: u64, messages: u64, action: Action) -> Result<(), Exceeded> {
    let charge = q.check_and_add(bytes, messages, action)?;
    if let Some(charge) = charge {
        q.settle(&charge);
    }
    Ok(())
}

fn subtract(q: &Quota<'_>, bytes: u64, messages: u64) {
    if let Some(charge) = q.begin() {
        charge.subtract(bytes, messages);
        q.settle(&charge);
    }
}

fn limited_to(setting: &[u8]) -> Config {
    Config { quota: QuotaLimits::parse(setting), ..Config::default() }
}

fn put(dir: &tempfile::TempDir, text: &str) {
    stdfs::write(dir.path().join("maildirsize"), text).unwrap();
}

fn text(dir: &tempfile::TempDir) -> String {
    stdfs::read_to_string(dir.path().join("maildirsize")).unwrap_or_else(|_| "-".into())
}

fn message(dir: &tempfile::TempDir, at: &str) {
    stdfs::write(dir.path().join(at), "0123456789\n").unwrap();
}

#[test]
fn limits() {
    for (text, limits) in [
        ("100S,5C", Some((100, 5))),
        ("5C 300S", Some((300, 5))),
        ("100Sfoo,7C", Some((100, 7))),
        ("0S,5Q", None),
        ("", None),
        ("0S,0C", None),
        ("zz", None),
        ("99999999999999999999S", Some((u64::MAX, 0))),
        ("\0\u{1}\u{7f}", None),
    ] {
        let got = QuotaLimits::parse(text.as_bytes());
        assert_eq!(got, limits.map(|(bytes, messages)| QuotaLimits { bytes, messages }), "{text}");
    }
    assert_eq!(QuotaLimits { bytes: 50, messages: 0 }.line(), "50S");
    assert_eq!(QuotaLimits { bytes: 50, messages: 3 }.line(), "50S,3C");
    assert_eq!(QuotaLimits { bytes: 0, messages: 3 }.line(), "3C");
}

#[test]
fn sizes_in_names() {
    for (name, size) in [
        ("1.a,S=11:2,S", Some(11)),
        ("1.a,S=1,S=12", Some(12)),
        ("1.a,S=:2,", None),
        ("1.a,S=11W=12:2,", Some(11)),
        ("1.a:2,S=5", None),
        (",S=3", Some(3)),
        ("1.a,S=99999999999999999999", None),
    ] {
        assert_eq!(size_in_name(name.as_bytes()), size, "{name}");
    }
}

/// The same steps with Courier 5.0.13 gave the same files.
#[test]
fn as_courier_keeps_it() {
    let dir = maildir();
    let config = limited_to(b"");
    let q = Quota::new(dir.path(), &config);
    assert_eq!(q.usage(), None);
    assert_eq!(add(&q, 11, 1, Action::Append), Ok(()));
    assert_eq!(text(&dir), "-");
    put(&dir, "100S,5C\n");
    add(&q, 11, 1, Action::Append).unwrap();
    message(&dir, "cur/1.a,S=11:2,");
    add(&q, 11, 1, Action::Append).unwrap();
    message(&dir, ".A/new/2.a");
    message(&dir, ".Trash/cur/3.a,S=11:2,");
    message(&dir, "cur/4.a,S=11:2,ST");
    assert_eq!(text(&dir), "100S,5C\n          11            1\n          11            1\n");
    assert_eq!(add(&q, 201, 1, Action::Append), Err(Exceeded));
    assert_eq!(text(&dir), "100S,5C\n          22            2\n");
    subtract(&q, 11, 1);
    assert_eq!(text(&dir), "100S,5C\n          22            2\n         -11           -1\n");
    assert_eq!(
        q.usage(),
        Some(Usage { limits: QuotaLimits { bytes: 100, messages: 5 }, bytes: 11, messages: 1 })
    );
    q.recalculate();
    assert_eq!(text(&dir), "100S,5C\n          22            2\n");
    message(&dir, ".Trash.Sub/cur/5.a:2,");
    q.recalculate();
    assert_eq!(text(&dir), "100S,5C\n          33            3\n");
    assert_eq!(stdfs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn odd_files() {
    let dir = maildir();
    message(&dir, "cur/1.a:2,");
    let config = limited_to(b"");
    let q = Quota::new(dir.path(), &config);
    put(&dir, "100S,5C\nx 1\n 12 1 zzz\n  50 2");
    assert_eq!(q.usage().map(|u| (u.bytes, u.messages)), Some((62, 3)));
    add(&q, 11, 1, Action::Append).unwrap();
    assert_eq!(text(&dir), "100S,5C\nx 1\n 12 1 zzz\n  50 2          11            1\n");
    put(&dir, "100S,5C\n-500 1\n");
    assert_eq!(q.usage().map(|u| (u.bytes, u.messages)), Some((0, 1)));
    add(&q, 11, 1, Action::Append).unwrap();
    assert_eq!(text(&dir), "100S,5C\n          11            1\n          11            1\n");
    put(&dir, &format!("3000S,5C\n{}", "1 0\n".repeat(1400)));
    assert_eq!(q.usage().map(|u| (u.bytes, u.messages)), Some((0, 0)));
    subtract(&q, 11, 1);
    assert_eq!(text(&dir), "3000S,5C\n          11            1\n");
    put(&dir, "7C,100Sfoo\n-5 -5\n");
    subtract(&q, 11, 1);
    assert_eq!(text(&dir), "100S,7C\n          11            1\n");
    put(&dir, "\n0 0\n");
    assert_eq!(q.usage(), None);
    add(&q, 11, 1, Action::Append).unwrap();
    assert_eq!(text(&dir), "\n0 0\n          11            1\n");
    put(&dir, "");
    add(&q, 11, 1, Action::Append).unwrap();
    assert_eq!(text(&dir), "");
}

#[test]
fn a_refusal_is_from_a_fresh_sum() {
    let dir = maildir();
    let config = limited_to(b"");
    let q = Quota::new(dir.path(), &config);
    // One young line: believed.
    put(&dir, "100S\n 99 1\n");
    assert_eq!(add(&q, 11, 1, Action::Store), Err(Exceeded));
    assert_eq!(text(&dir), "100S\n 99 1\n");
    // An old one: counted.
    fs::set_mtime(&dir.path().join("maildirsize"), clock::now().0 - 1000).unwrap();
    assert_eq!(add(&q, 11, 1, Action::Store), Ok(()));
    assert_eq!(text(&dir), "100S\n           0            0\n          11            1\n");
    // Exactly the limit is not over it.
    put(&dir, "100S\n 89 1\n");
    assert_eq!(add(&q, 11, 1, Action::Store), Ok(()));
}

#[test]
fn the_setting() {
    let dir = maildir();
    message(&dir, "cur/1.a:2,");
    let config = limited_to(b"9C,5000S");
    let q = Quota::new(dir.path(), &config);
    add(&q, 11, 1, Action::Copy).unwrap();
    assert_eq!(text(&dir), "-");
    add(&q, 11, 1, Action::Append).unwrap();
    assert_eq!(text(&dir), "5000S,9C\n          11            1\n          11            1\n");
    let config = limited_to(b"20S");
    let q = Quota::new(dir.path(), &config);
    assert_eq!(add(&q, 11, 1, Action::Store), Ok(()));
    assert_eq!(add(&q, 11, 1, Action::Copy), Err(Exceeded));
    assert_eq!(text(&dir), "20S\n          11            1\n");
    let config = limited_to(b"zz");
    let q = Quota::new(dir.path(), &config);
    assert_eq!(add(&q, 11, 1, Action::Copy), Err(Exceeded));
    stdfs::remove_file(dir.path().join("maildirsize")).unwrap();
    add(&q, 11, 1, Action::Append).unwrap();
    assert_eq!(text(&dir), "-");
}

#[test]
fn hostile_files() {
    let dir = maildir();
    let at = dir.path().join("maildirsize");
    let target = dir.path().join("target");
    stdfs::write(&target, "100S\n").unwrap();
    std::os::unix::fs::symlink(&target, &at).unwrap();
    let config = limited_to(b"10S");
    let q = Quota::new(dir.path(), &config);
    assert_eq!(q.usage(), None);
    subtract(&q, 1, 1);
    assert_eq!(stdfs::read_to_string(&target).unwrap(), "100S\n");
    stdfs::remove_file(&at).unwrap();
    stdfs::create_dir(&at).unwrap();
    assert_eq!(q.usage(), None);
    assert_eq!(add(&q, 1, 1, Action::Append), Ok(()));
    stdfs::remove_dir(&at).unwrap();
    let config = limited_to(b"");
    let q = Quota::new(dir.path(), &config);
    stdfs::write(&at, (0..=255u8).cycle().take(3000).collect::<Vec<u8>>()).unwrap();
    assert_eq!(q.usage(), None);
    put(&dir, "1S\n9223372036854775807 9223372036854775807\n9223372036854775807 1\n");
    assert_eq!(q.usage().map(|u| u.bytes), Some(i64::MAX as u64));
    assert_eq!(add(&q, u64::MAX, u64::MAX, Action::Append), Err(Exceeded));
}

/// Somebody counts the Maildir between the charge and the message: neither is the difference lost,
/// nor does the message count twice.
#[test]
fn a_count_beside_a_difference() {
    let dir = maildir();
    let config = limited_to(b"");
    let q = Quota::new(dir.path(), &config);
    let begin = || {
        put(&dir, "100S\n 50 5\n");
        q.check_and_add(11, 1, Action::Append).unwrap().unwrap()
    };
    let counted = |n: u64| format!("100S\n{}", line(signed_size(11 * n), signed_size(n)));
    // Before the message is about to come.
    let charge = begin();
    q.recalculate();
    assert_eq!(text(&dir), counted(0));
    charge.renew();
    assert_eq!(text(&dir), format!("{}{}", counted(0), line(11, 1)));
    message(&dir, "cur/1.a:2,");
    q.settle(&charge);
    assert_eq!(text(&dir), format!("{}{}", counted(0), line(11, 1)));
    // Between that and the message, and behind the message.
    for message_first in [false, true] {
        let charge = begin();
        charge.renew();
        if message_first {
            message(&dir, "cur/2.a:2,");
        }
        q.recalculate();
        message(&dir, "cur/2.a:2,");
        q.settle(&charge);
        assert_eq!(text(&dir), counted(2));
        // The message does not stay after all.
        stdfs::remove_file(dir.path().join("cur/2.a:2,")).unwrap();
        q.cancel(&charge);
        assert_eq!(text(&dir), format!("{}{}", counted(2), line(-11, -1)));
    }
    // The message does not come.
    let charge = begin();
    q.recalculate();
    q.cancel(&charge);
    assert_eq!(text(&dir), counted(1));
    // A message goes.
    put(&dir, "100S\n 50 5\n");
    let charge = q.begin().unwrap();
    stdfs::remove_file(dir.path().join("cur/1.a:2,")).unwrap();
    q.recalculate();
    charge.subtract(11, 1);
    q.settle(&charge);
    assert_eq!(text(&dir), counted(0));
}

/// A command changes several messages, and somebody counts the Maildir beside each of them: it is
/// counted once, behind them all. Sessions that count at once after each replace the file under one
/// another, and do nothing else.
#[test]
fn counts_beside_the_differences_of_one_command() {
    let dir = maildir();
    let config = limited_to(b"");
    let q = Quota::new(dir.path(), &config);
    let doubts = Doubts::default();
    let noting = q.clone().noting(&doubts);
    put(&dir, "100S\n 50 5\n");
    for n in 0..3 {
        let charge = q.begin().unwrap();
        let new = dir.path().join("new-file");
        stdfs::write(&new, "100S\n 70 7\n").unwrap();
        stdfs::rename(&new, dir.path().join("maildirsize")).unwrap();
        message(&dir, &format!("cur/{n}.a:2,"));
        charge.add(11, 1);
        noting.settle(&charge);
        assert_eq!(text(&dir), "100S\n 70 7\n");
    }
    assert!(doubts.are_any());
    q.resolve(&doubts);
    assert_eq!(text(&dir), "100S\n          33            3\n");
    assert!(!doubts.are_any());
    // Nobody counts beside this one.
    let charge = q.begin().unwrap();
    noting.settle(&charge);
    assert!(!doubts.are_any());
    // Somebody has counted since: what he counted stays.
    let charge = q.begin().unwrap();
    for counted in ["100S\n 70 7\n", "100S\n 80 8\n"] {
        let new = dir.path().join("new-file");
        stdfs::write(&new, counted).unwrap();
        stdfs::rename(&new, dir.path().join("maildirsize")).unwrap();
        if !doubts.are_any() {
            noting.settle(&charge);
        }
    }
    assert!(doubts.are_any());
    q.resolve(&doubts);
    assert_eq!(text(&dir), "100S\n 80 8\n");
}

/// A command that changes many messages of a full Maildir counts it once, though other sessions add
/// to the file meanwhile.
#[test]
fn a_full_maildir_is_counted_once_by_a_command() {
    let dir = maildir();
    let config = limited_to(b"");
    let doubts = Doubts::default();
    let q = Quota::new(dir.path(), &config).noting(&doubts);
    message(&dir, "cur/1.a:2,");
    message(&dir, "cur/2.a:2,");
    put(&dir, "20S\n 10 1\n 10 1\n");
    for _ in 0..3 {
        assert_eq!(add(&q, 11, 1, Action::Store), Err(Exceeded));
        let full = text(&dir);
        put(&dir, &format!("{full}           1            0\n"));
    }
    let other = "           1            0\n".repeat(3);
    assert_eq!(text(&dir), format!("20S\n          22            2\n{other}"));
    // What has room now is let in.
    put(&dir, "20S\n 22 2\n -22 -2\n");
    assert_eq!(add(&q, 11, 1, Action::Store), Ok(()));
}
