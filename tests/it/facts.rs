//! What sessions remember of messages: it answers as the files do, without opening them, and not
//! where the files are others by now; whatever becomes of the file that it is kept in.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::bad_days::full_disk::{self, on_a_small_disk};
use support::{Maildir, Reply, Session};

const FILE: &str = "postrider.facts";

/// Messages of many kinds; each with a name for what is told apart by it.
const MESSAGES: [(&str, &[u8]); 9] = [
    (
        "plain",
        b"Date: Tue, 1 Jan 2030 10:00:00 +0100\nFrom: \"A. B\" <a@x.example>\nTo: b@y.example, c@z\n\
          Cc: d@w\nSubject: Re: plain\n folded\nMessage-ID: <1@x>\nReceived: by here\n\nline\nline\n",
    ),
    (
        "reply",
        b"Date: Wed, 2 Jan 2030 10:00:00 +0100\r\nFrom: b@y.example\r\nSubject: plain folded\r\n\
          Message-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\nReferences: <0@x> <1@x>\r\n\r\nbody\r\n",
    ),
    (
        "parts",
        b"Subject: =?utf-8?q?p=C3=A4rts?=\nFrom: a@x\nMIME-Version: 1.0\n\
          Content-Type: multipart/mixed; boundary=\"b\"\n\npre\n--b\nContent-Type: text/plain; \
          charset=UTF-8\nContent-Transfer-Encoding: quoted-printable\nContent-ID: <i@x>\n\n=C3=A4\n\
          --b\nContent-Type: application/pdf; name=\"x.pdf\"\nContent-Description: a file\n\
          Content-Disposition: attachment; filename=\"x.pdf\"\nContent-Transfer-Encoding: base64\n\n\
          AAAA\n--b--\n",
    ),
    (
        "enclosed",
        b"Subject: fwd\nFrom: a@x\nContent-Type: message/rfc822\n\nSubject: inner\nFrom: c@z\n\
          X-Own: yes\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\nplain\n--i\n\
          Content-Type: text/html\n\n<p>\n--i--\n",
    ),
    ("bare", b"Subject: no end\nX-Odd: 1"),
    ("empty", b"\n\nonly text\n"),
    ("eight", b"Subject: caf\xc3\xa9 \xff\nFrom: \xe9@x\n\n\xe9\n"),
    ("twice", b"Subject: one\nSubject: two\nTo: a@x\nTo: b@x\nno colon\n odd\nDate: never\n\nx\n"),
    ("long", b""),
];

/// Commands whose answers come from the headers, sizes, dates and structures of messages.
const QUESTIONS: [&str; 22] = [
    "FETCH 1:* (UID RFC822.SIZE INTERNALDATE)",
    "FETCH 1:* ENVELOPE",
    "FETCH 1:* BODYSTRUCTURE",
    "FETCH 1:* BODY",
    "FETCH 1:* BODY.PEEK[HEADER.FIELDS (DATE FROM TO SUBJECT X-NONE REFERENCES)]",
    "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)]<3.9> UID)",
    "FETCH 1:* BODY.PEEK[HEADER.FIELDS (X-ODD RECEIVED X-OWN)]",
    "FETCH 1:* BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)]",
    "FETCH 1:* (BODY.PEEK[1] BODY.PEEK[2]<1.2> BODY.PEEK[1.MIME] BINARY.SIZE[1])",
    "FETCH 1:* (BODY.PEEK[1.1.MIME] BODY.PEEK[1.HEADER] BODY.PEEK[TEXT]<2.5> BODY.PEEK[])",
    "SEARCH SUBJECT plain",
    "SEARCH FROM a@x NOT TO z",
    "SEARCH CHARSET UTF-8 SUBJECT {5+}\r\np\u{e4}rt",
    "SEARCH SENTSINCE 1-Jan-2030",
    "SEARCH OR HEADER X-Odd \"\" HEADER References 0@x",
    "SEARCH LARGER 100 SINCE 1-Jan-2020",
    "SEARCH BODY text",
    "SEARCH TEXT inner",
    "SORT (SUBJECT REVERSE DATE) UTF-8 ALL",
    "SORT (FROM TO CC SIZE ARRIVAL) UTF-8 ALL",
    "THREAD REFERENCES UTF-8 ALL",
    "THREAD ORDEREDSUBJECT UTF-8 SUBJECT plain",
];

fn maildir() -> Maildir {
    let maildir = Maildir::new();
    fill(&maildir);
    maildir
}

fn fill(maildir: &Maildir) {
    let long = format!("Subject: {}\nTo: {}\n\nx\n", "s".repeat(3000), "a@b, ".repeat(2000));
    for (n, (name, content)) in MESSAGES.into_iter().enumerate() {
        let content = if content.is_empty() { long.as_bytes() } else { content };
        let name = format!("cur/{}.{name}:2,S", 1000 + n);
        maildir.write(&name, content).touch(&name, 1_700_000_000 + n as u64);
    }
}

fn open(maildir: &Maildir, env: &[(&str, &str)]) -> Session {
    let mut s = maildir.session(env);
    s.cmd("SELECT INBOX").says("OK");
    s
}

/// What is said to a command that succeeds, but for the tagged line.
#[track_caller]
fn text(reply: &Reply) -> String {
    let (_, untagged) = reply.says("OK").responses.split_last().unwrap();
    String::from_utf8_lossy(&untagged.join(&b"\n"[..])).into_owned()
}

/// The answers to all questions, without their tags.
fn answers(s: &mut Session) -> Vec<String> {
    let ask = |question: &&str| format!("{question}\n{}", text(&s.cmd(question)));
    QUESTIONS.iter().map(ask).collect()
}

#[track_caller]
fn same(found: &[String], expected: &[String], what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert!(found == expected, "{what}: {found}\n--- expected ---\n{expected}");
    }
}

fn path_of(maildir: &Maildir, name: &str) -> PathBuf {
    let entries = fs::read_dir(maildir.path().join("cur")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.find(|path| path.to_str().unwrap().contains(&format!(".{name}:"))).unwrap()
}

/// Rewrites a message in place; `hidden`: with the time that it had.
fn rewrite(maildir: &Maildir, name: &str, content: &[u8], hidden: bool) {
    let path = path_of(maildir, name);
    let time = path.metadata().unwrap().modified().unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(content.len() as u64).unwrap();
    file.write_all_at(content, 0).unwrap();
    if hidden {
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }
}

/// Other bytes in all messages, of the same length and time: who opens them now says other things.
fn scramble(maildir: &Maildir) {
    for (name, _) in MESSAGES {
        let length = path_of(maildir, name).metadata().unwrap().len() as usize;
        rewrite(maildir, name, &vec![b'?'; length], true);
    }
}

/// The bytes that a session has read so far, from whatever file.
fn read_by(s: &Session) -> u64 {
    let io = fs::read_to_string(format!("/proc/{}/io", s.pid())).unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[test]
fn a_part_is_read_without_what_stands_before_it() {
    let line = "QUJD".repeat(18) + "\n";
    let content = format!(
        "Subject: big\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsmall\n--b\n\
         Content-Transfer-Encoding: base64\n\n{}\n--b\n\nthe last part\n--b--\n",
        line.repeat(40_000)
    );
    let maildir = Maildir::new();
    maildir.write("cur/1000.big:2,S", content.as_bytes()).touch("cur/1000.big:2,S", 1_700_000_000);
    open(&maildir, &[]).cmd("FETCH 1 BODYSTRUCTURE").says("OK");
    let mut s = open(&maildir, &[]);
    let before = read_by(&s);
    s.cmd("FETCH 1 (BODY.PEEK[3]<4.4> BODY.PEEK[1] BODY.PEEK[2]<71.2>)")
        .has("* 1 FETCH (BODY[3]<4> {4}\r\nlast BODY[1] {5}\r\nsmall BODY[2]<71> {2}\r\nD\r)");
    let read = read_by(&s) - before;
    assert!(read < 300_000, "{read} bytes of {}", content.len());
}

#[test]
fn answers_are_those_of_the_files() {
    let expected = answers(&mut open(&maildir(), &[("IMAP_INDEX", "0")]));
    let maildir = maildir();
    let mut s = open(&maildir, &[]);
    same(&answers(&mut s), &expected, "first");
    same(&answers(&mut s), &expected, "again");
    same(&answers(&mut open(&maildir, &[])), &expected, "another session");
    same(&answers(&mut open(&maildir, &[("IMAP_INDEX", "0")])), &expected, "without");
    // Any one question first, then all.
    for question in QUESTIONS {
        let maildir = self::maildir();
        let mut s = open(&maildir, &[]);
        s.cmd(question).says("OK");
        same(&answers(&mut s), &expected, question);
    }
}

/// What is remembered is not read again.
#[test]
fn no_file_is_opened_again() {
    let maildir = maildir();
    let mut s = open(&maildir, &[]);
    let questions = [
        "FETCH 1:8 (RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE)",
        "FETCH 1:8 BODY.PEEK[HEADER.FIELDS (SUBJECT DATE CONTENT-TYPE)]",
        "SEARCH 1:8 SUBJECT plain SMALLER 10000 SINCE 1-Jan-2020",
        "SORT (SUBJECT DATE FROM SIZE) UTF-8 1:8",
        "THREAD REFERENCES UTF-8 1:8",
    ];
    let ask = |s: &mut Session| questions.map(|question| text(&s.cmd(question)));
    let first = ask(&mut s);
    scramble(&maildir);
    assert_eq!(ask(&mut s), first);
    // Nor by another session.
    s.cmd("NOOP").says("OK");
    assert_eq!(ask(&mut open(&maildir, &[])), first);
}

#[test]
fn a_file_that_was_rewritten_is_read_anew_once_it_is_opened() {
    let maildir = maildir();
    let mut s = open(&maildir, &[]);
    let subject = |s: &mut Session| {
        let reply = s.cmd("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]");
        String::from_utf8_lossy(reply.says("OK").get("* 1 FETCH")).into_owned()
    };
    s.cmd("FETCH 1 (ENVELOPE BODYSTRUCTURE RFC822.SIZE)").says("OK");
    rewrite(&maildir, "plain", b"Subject: new\n\nbody\n", false);
    s.cmd("FETCH 1 BODY.PEEK[TEXT]").says("OK");
    assert!(subject(&mut s).contains("Subject: new"));
    s.cmd("FETCH 1 RFC822.SIZE").has("* 1 FETCH (RFC822.SIZE 22)");
    // Another file under the name: an atomic replacement.
    let path = path_of(&maildir, "plain");
    maildir.write("tmp/x", b"Subject: newer\n\nbody\n");
    fs::rename(maildir.path().join("tmp/x"), &path).unwrap();
    s.cmd("FETCH 1 BODY.PEEK[]").says("OK");
    assert!(subject(&mut s).contains("Subject: newer"));
}

/// The file of facts: what is done to it, the answers are the same, and the messages are served.
#[test]
fn whatever_becomes_of_the_file() {
    let expected = answers(&mut open(&maildir(), &[("IMAP_INDEX", "0")]));
    let maildir = maildir();
    answers(&mut open(&maildir, &[]));
    let file = maildir.path().join(FILE);
    let good = fs::read(&file).unwrap();
    let other = self::maildir();
    answers(&mut open(&other, &[]));
    let foreign = fs::read(other.path().join(FILE)).unwrap();
    let mut flipped = good.clone();
    flipped.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55);
    let outside = maildir.home().join("outside");
    fs::write(&outside, "outside").unwrap();
    let write = |content: &[u8]| {
        let _ = fs::remove_file(&file);
        fs::write(&file, content).unwrap();
    };
    let damages: [(&str, &dyn Fn()); 8] = [
        ("cut", &|| write(&good[..good.len() / 2])),
        ("empty", &|| write(b"")),
        ("flipped", &|| write(&flipped)),
        ("another folder's", &|| write(&foreign)),
        ("removed", &|| fs::remove_file(&file).unwrap()),
        ("a link", &|| symlink(&outside, &file).unwrap()),
        ("closed", &|| fs::set_permissions(&file, PermissionsExt::from_mode(0o000)).unwrap()),
        ("a directory", &|| {
            fs::remove_file(&file).unwrap();
            fs::create_dir(&file).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let _ = fs::remove_file(&file);
        write(&good);
        if what == "a link" {
            fs::remove_file(&file).unwrap();
        }
        let mut s = open(&maildir, &[]);
        damage();
        same(&answers(&mut s), &expected, what);
        same(&answers(&mut s), &expected, what);
        same(&answers(&mut open(&maildir, &[])), &expected, what);
    }
    assert_eq!(fs::read(&outside).unwrap(), b"outside");
}

/// Nothing can be kept, or only a part of it; then there is room again.
#[test]
fn a_full_disk() {
    let expected = answers(&mut open(&maildir(), &[("IMAP_INDEX", "0")]));
    // So many bytes are free.
    for room in [0, 4096, 8192] {
        let maildir = Maildir::new();
        on_a_small_disk(maildir.path(), "size=512k", || {
            for sub in ["tmp", "new", "cur"] {
                fs::create_dir(maildir.path().join(sub)).unwrap();
            }
            fill(&maildir);
            end(open(&maildir, &[]));
            full_disk::fill(&maildir);
            let filler = maildir.path().join("filler");
            let length = fs::metadata(&filler).unwrap().len();
            File::options().write(true).open(&filler).unwrap().set_len(length - room).unwrap();
            let mut s = open(&maildir, &[]);
            for round in ["first", "again"] {
                same(&answers(&mut s), &expected, round);
            }
            let mut other = open(&maildir, &[]);
            same(&answers(&mut other), &expected, "another session");
            end(other);
            fs::remove_file(&filler).unwrap();
            same(&answers(&mut s), &expected, "with room again");
            end(s);
            let mut s = open(&maildir, &[]);
            s.cmd("FETCH 1:* (ENVELOPE BODYSTRUCTURE RFC822.SIZE)").says("OK");
            end(s);
            let (shown, faults, _) = postrider::testing::index(maildir.path()).unwrap();
            assert!(faults.is_empty(), "{faults:?}\n{shown}");
            assert!(maildir.path().join(FILE).exists(), "{room}: {}\n{shown}", maildir.listing());
            scramble(&maildir);
            let mut s = open(&maildir, &[]);
            let envelopes = text_of(&expected, "FETCH 1:* ENVELOPE");
            let sent = text(&s.cmd("FETCH 1:8 ENVELOPE"));
            assert!(envelopes.starts_with(&sent), "{sent}\n{envelopes}");
        });
    }
}

/// To the end: one that is killed may have the folder's lock.
fn end(mut s: Session) {
    s.cmd("LOGOUT").says("OK");
    s.wait().unwrap();
}

/// The answer to a question among the answers to all.
fn text_of<'a>(answers: &'a [String], question: &str) -> &'a str {
    let start = format!("{question}\n");
    answers.iter().find_map(|answer| answer.strip_prefix(&start)).unwrap()
}

#[test]
fn where_nothing_is_kept() {
    let question = "FETCH 1:* (RFC822.SIZE ENVELOPE BODYSTRUCTURE)";
    let is_kept = |env: &[(&str, &str)]| {
        let maildir = maildir();
        open(&maildir, env).cmd(question).says("OK");
        maildir.path().join(FILE).exists()
    };
    for env in [&[("IMAP_INDEX", "0")][..], &[("IMAP_INDEX_SIZE", "0")], &[("IMAP_USELOCKS", "0")]]
    {
        assert!(!is_kept(env), "{env:?}");
    }
    // A file is there as soon as the next command is awaited.
    let maildir = maildir();
    let mut s = open(&maildir, &[]);
    s.cmd(question).says("OK");
    s.cmd("NOOP").says("OK");
    assert!(maildir.path().join(FILE).exists());
    let length = maildir.path().join(FILE).metadata().unwrap().len();
    assert!(length < 9 * 1024, "{length}");
}

/// It is saved behind the answer, by the session that does not get the lock a command later.
#[test]
fn saved_when_the_lock_is_free() {
    let maildir = maildir();
    let mut s = open(&maildir, &[]);
    let lock = maildir.path().join("tmp/courier.lock");
    fs::write(&lock, format!("{}:elsewhere", std::process::id())).unwrap();
    s.cmd("FETCH 1:* ENVELOPE").says("OK");
    s.cmd("NOOP").says("OK");
    assert!(!maildir.path().join(FILE).exists());
    fs::remove_file(&lock).unwrap();
    s.cmd("NOOP").says("OK");
    s.cmd("NOOP").says("OK");
    assert!(maildir.path().join(FILE).exists());
    // What comes with LOGOUT, and with a folder that is left, is saved too.
    let logout = self::maildir();
    let mut s = open(&logout, &[]);
    s.send(b"a FETCH 1:* ENVELOPE\r\nb LOGOUT\r\n");
    s.wait().unwrap();
    assert!(logout.path().join(FILE).exists());
    let left = self::maildir();
    left.folder("INBOX.Other");
    let mut s = open(&left, &[]);
    s.send(b"a FETCH 1:* ENVELOPE\r\nb SELECT INBOX.Other\r\n");
    s.finish("b").says("OK");
    // That is after the answer.
    support::until(|| left.path().join(FILE).exists());
}

/// Nobody learns by the file what he may not read in the folder.
#[test]
fn the_file_is_no_wider_than_the_messages() {
    let maildir = maildir();
    for (name, _) in MESSAGES {
        fs::set_permissions(path_of(&maildir, name), PermissionsExt::from_mode(0o600)).unwrap();
    }
    let mut s = open(&maildir, &[]);
    s.cmd("FETCH 1:* ENVELOPE").says("OK");
    s.cmd("NOOP").says("OK");
    let mode = maildir.path().join(FILE).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// A message that was just delivered is remembered too; and forgotten if a filter rewrites it.
#[test]
fn young_messages() {
    let maildir = Maildir::new();
    maildir.deliver("INBOX", "1.young", b"Subject: before\n\nx\n");
    let mut s = open(&maildir, &[]);
    s.cmd("FETCH 1 (RFC822.SIZE ENVELOPE)").says("OK");
    s.cmd("NOOP").says("OK");
    let path = fs::read_dir(maildir.path().join("cur")).unwrap().next().unwrap().unwrap().path();
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"Subject: after.\n\nx\n", 0).unwrap();
    file.set_times(FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(5)))
        .unwrap();
    let mut other = open(&maildir, &[]);
    let reply = other.cmd("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]");
    let text = String::from_utf8_lossy(reply.says("OK").get("* 1 FETCH")).into_owned();
    assert!(text.contains("after."), "{text}");
}
