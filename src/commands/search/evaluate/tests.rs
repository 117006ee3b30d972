//! Criteria against messages in files.

use super::super::{keys, plan};
use super::*;
use crate::mime::casemap::Comparator;
use crate::session::message;
use crate::types::{Flags, Ranges, Uid};
use crate::wire::Io;
use crate::wire::connection::MemoryConnection;
use proptest::prelude::*;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

/// A message and its flags; `None` for one that is gone.
struct Message(Option<tempfile::NamedTempFile>, Flags, bool);

/// A folder whose UIDs are ten times the sequence numbers. Keyword 1 is on the second message.
#[derive(Default)]
struct Fake {
    messages: Vec<Message>,
    opened: Vec<usize>,
}

impl Folder for Fake {
    fn uid(&self, index: usize) -> Option<Uid> {
        Uid::new((index as u32 + 1) * 10)
    }
    fn flags(&self, index: usize) -> Flags {
        self.messages[index].1
    }
    fn recent(&self, index: usize) -> bool {
        self.messages[index].2
    }
    fn has_keyword(&self, index: usize, number: u32) -> bool {
        index == 1 && number == 1
    }
    fn sequence(&self, index: usize) -> u64 {
        100 + index as u64
    }
    fn saved(&self, index: usize) -> Option<i64> {
        // Noon of 2020-09-20, UTC.
        (index == 1).then_some(1_600_603_200)
    }
    fn recall(&mut self, _: usize, _: &mut message::Message, _: &Wants) {}
    fn learn(&mut self, _: usize, _: &mut message::Message) {}
    fn open(&mut self, index: usize, message: &mut message::Message) -> bool {
        self.opened.push(index);
        let Some(file) = &self.messages[index].0 else { return false };
        let file = file.reopen().unwrap();
        let stat = crate::sys::stat::Stat::of(&file).unwrap();
        let mut reader = Reader::default();
        reader.set(file, &stat, None);
        *message = message::Message::with(reader, message::Cache::default());
        true
    }
    fn unreadable(&self, _: usize, _: io::Error) {}

    fn stat(&mut self, index: usize, message: &mut message::Message) -> bool {
        self.open(index, message)
    }
}

impl Fake {
    fn with(mut self, bytes: &[u8], flags: Flags, recent: bool) -> Fake {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        // Noon of 2020-09-13, UTC: the same day nearly everywhere.
        let time = UNIX_EPOCH + Duration::from_secs(1_599_998_400);
        OpenOptions::new().write(true).open(file.path()).unwrap().set_modified(time).unwrap();
        self.messages.push(Message(Some(file), flags, recent));
        self
    }

    fn gone(mut self) -> Fake {
        self.messages.push(Message(None, Flags::empty(), false));
        self
    }

    fn search_as(&mut self, label: &str, line: &[u8]) -> Vec<usize> {
        let mut io = Io::new(Box::new(MemoryConnection::new(&[line, b"\r\n"].concat(), 0)));
        let key = keys::parse(&mut io, None, &|_| true)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(line)));
        let count = self.messages.len();
        let found = Ranges::of_numbers([20]);
        let folder = plan::Folder {
            count: count as u32,
            last_uid: count.checked_sub(1).and_then(|last| self.uid(last)).map(Uid::get),
            keyword: &|name| (name == b"k").then_some(1),
            since: &|value| value,
            found: &found,
            // An hour after the messages were received.
            now: 1_600_002_000,
            comparator: Comparator::Simple,
        };
        let plan = Plan::new(key, label.as_bytes(), &folder);
        let mut evaluation = Evaluation::new(&plan);
        let mut mail = Mail::default();
        let mut found = Vec::new();
        for index in 0..count {
            mail.turn_to(index);
            if evaluation.matches(self, &mut mail) {
                found.push(index + 1);
            }
        }
        found
    }

    fn search(&mut self, line: &str) -> Vec<usize> {
        self.search_as("utf-8", line.as_bytes())
    }
}

const PLAIN: &[u8] = b"From: \"Smith, J\" <js@x.example>\nTo: =?iso-8859-1?q?Ren=E9?= <r@y.example>\nSubject: Hello\n  World\n\
Date: Sun, 13 Sep 2020 23:30:00 -0800\nX-Empty:\nX-Two: one\nX-Two: two\n\nThe body   says\ncaf\xc3\xa9.\n";

const MIXED: &[u8] = b"From: a@b\nSubject: outer\nDate: junk\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\npreamble\n\
--b\nContent-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: base64\nX-Part: inpart\n\n8NLJ18XU\n\
--b\nContent-Type: application/octet-stream\n\nbinary secret\n\
--b\nContent-Type: message/rfc822\n\nSubject: inner\nMIME-Version: 1.0\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n<b>soft=\nbreak</b> & deep\n\
--b--\nepilogue\n";

fn fake() -> Fake {
    Fake::default()
        .with(PLAIN, Flags::SEEN, false)
        .with(MIXED, Flags::FLAGGED | Flags::SEEN, true)
        .gone()
        .with(b"\nx", Flags::empty(), true)
}

#[test]
fn the_view_is_enough() {
    let mut f = fake();
    for (line, found) in [
        ("ALL", &[1, 2, 3, 4][..]),
        ("SAVEDATESUPPORTED", &[1, 2, 3, 4]),
        ("2 SAVEDBEFORE 20-Sep-2020", &[]),
        ("SEEN", &[1, 2]),
        ("UNSEEN", &[3, 4]),
        ("FLAGGED", &[2]),
        ("RECENT", &[2, 4]),
        ("NEW", &[4]),
        ("OLD", &[1, 3]),
        ("NOT NOT SEEN", &[1, 2]),
        ("KEYWORD k", &[2]),
        ("UNKEYWORD k", &[1, 3, 4]),
        ("KEYWORD unknown", &[]),
        ("UNKEYWORD unknown", &[1, 2, 3, 4]),
        ("3:2", &[2, 3]),
        ("*", &[4]),
        ("9:*", &[4]),
        ("9", &[]),
        ("NOT 9", &[1, 2, 3, 4]),
        ("UID 20:30", &[2, 3]),
        ("UID 99:*", &[4]),
        ("UID 11", &[]),
        ("OR 1 4", &[1, 4]),
        ("OR SEEN UNSEEN", &[1, 2, 3, 4]),
        ("9 TEXT x", &[]),
        ("OR ALL TEXT x", &[1, 2, 3, 4]),
    ] {
        assert_eq!(f.search(line), found, "{line}");
        assert_eq!(f.opened, [], "{line}");
    }
}

#[test]
fn dates_and_sizes() {
    let mut f = fake();
    let wire = |bytes: &[u8]| bytes.len() + bytes.iter().filter(|b| **b == b'\n').count();
    let plain = wire(PLAIN);
    for (line, found) in [
        ("ON 13-Sep-2020", &[1, 2, 4][..]),
        ("OLDER 3600", &[1, 2, 4]),
        ("OLDER 3601", &[]),
        ("YOUNGER 3600", &[1, 2, 4]),
        ("YOUNGER 3599", &[]),
        ("NOT YOUNGER 3599", &[1, 2, 4]),
        ("SAVEDON 20-Sep-2020", &[2]),
        ("SAVEDBEFORE 20-Sep-2020", &[1, 4]),
        ("SAVEDSINCE 14-Sep-2020", &[2]),
        ("$", &[2]),
        ("SINCE 13-Sep-2020", &[1, 2, 4]),
        ("BEFORE 13-Sep-2020", &[]),
        ("BEFORE 14-Sep-2020", &[1, 2, 4]),
        ("NOT ON 14-Sep-2020", &[1, 2, 4]),
        // As written, though it is the 14th in UTC. No usable Date: no match.
        ("SENTON 13-Sep-2020", &[1]),
        ("SENTSINCE 14-Sep-2020", &[]),
        ("NOT SENTBEFORE 1-Jan-2030", &[2, 4]),
        ("LARGER 0", &[1, 2, 4]),
        ("SMALLER 3", &[]),
        ("SMALLER 4", &[4]),
        ("LARGER 2", &[1, 2, 4]),
        ("LARGER 3", &[1, 2]),
        (&format!("1 LARGER {}", plain - 1), &[1]),
        (&format!("1 LARGER {plain}"), &[]),
        (&format!("1 SMALLER {plain}"), &[]),
        (&format!("1 SMALLER {}", plain + 1), &[1]),
    ] {
        assert_eq!(f.search(line), found, "{line}");
    }
}

#[test]
fn headers() {
    let mut f = fake();
    for (line, found) in [
        ("FROM smith", &[1][..]),
        ("FROM JS@X", &[1]),
        ("FROM \"\"", &[1, 2]),
        ("TO \"RENÉ\"", &[1]),
        ("TO rene", &[]),
        ("CC \"\"", &[]),
        ("SUBJECT \"hello world\"", &[1]),
        ("SUBJECT \" hello\t \"", &[1]),
        ("SUBJECT inner", &[]),
        ("HEADER x-two two", &[1]),
        ("HEADER X-Two one", &[1]),
        ("HEADER X-Empty \"\"", &[1]),
        ("HEADER X-Empty x", &[]),
        ("HEADER X-Part \"\"", &[]),
        ("HEADER \"\" x", &[]),
        ("NOT FROM smith", &[2, 4]),
        ("OR FROM smith SUBJECT outer", &[1, 2]),
    ] {
        assert_eq!(f.search(line), found, "{line}");
    }
    f.opened.clear();
    assert_eq!(f.search("FROM smith SUBJECT hello NOT SENTON 1-Jan-1970 SEEN"), [1]);
    assert_eq!(f.opened, [0, 1]);
}

#[test]
fn text() {
    let mut f = fake();
    for (line, found) in [
        ("BODY \"body says caf\"", &[1][..]),
        ("BODY \"CAFÉ\"", &[1]),
        ("BODY hello", &[]),
        ("BODY x", &[4]),
        ("BODY \"\"", &[1, 2, 4]),
        ("BODY \"привет\"", &[2]),
        ("BODY softbreak", &[2]),
        ("BODY \"& deep\"", &[2]),
        ("BODY secret", &[]),
        ("BODY preamble", &[]),
        ("BODY epilogue", &[]),
        ("BODY inner", &[]),
        ("TEXT inner", &[2]),
        ("TEXT inpart", &[2]),
        ("TEXT \"привет\"", &[2]),
        ("TEXT \"subject: hello world\"", &[1]),
        ("TEXT \"rené\"", &[1]),
        ("TEXT secret", &[]),
        ("NOT TEXT inner", &[1, 4]),
        ("OR UNSEEN NOT TEXT inner", &[1, 3, 4]),
        ("TEXT softbreak BODY deep TEXT outer", &[2]),
        ("OR BODY nothing BODY deep", &[2]),
    ] {
        assert_eq!(f.search(line), found, "{line}");
    }
}

#[test]
fn patterns_in_character_sets() {
    let mut f = fake();
    assert_eq!(f.search_as("iso-8859-1", b"TO {4+}\r\nren\xe9"), [1]);
    assert_eq!(f.search_as("koi8-r", b"BODY {3+}\r\n\xd0\xd2\xc9"), [2]);
    // Broken in its character set: no match.
    assert_eq!(f.search_as("utf-8", b"TO {4+}\r\nren\xe9"), []);
    assert_eq!(f.search_as("us-ascii", b"NOT TO {4+}\r\nren\xe9"), [1, 2, 3, 4]);
}

#[test]
fn a_large_message() {
    let mut message = b"Subject: large\n\n".to_vec();
    for n in 0..40_000 {
        message.extend_from_slice(format!("line {n} of many\n").as_bytes());
    }
    message.extend_from_slice(b"the very end");
    let mut f = Fake::default().with(&message, Flags::empty(), false);
    assert_eq!(f.search("BODY \"39999 OF many the very END\""), [1]);
    assert_eq!(f.search("TEXT \"line 0 of\" TEXT large"), [1]);
    assert_eq!(f.search("BODY nothing"), []);
}

/// The tree of three values agrees with plain logic.
mod logic {
    use super::*;

    fn expression() -> impl Strategy<Value = (String, [bool; 2])> {
        let leaf = proptest::sample::select(vec![
            ("SEEN", [true, true]),
            ("FLAGGED", [false, true]),
            ("ON 13-Sep-2020", [true, true]),
            ("FROM smith", [true, false]),
            ("SUBJECT outer", [false, true]),
            ("LARGER 100", [true, true]),
            ("LARGER 100000", [false, false]),
            ("BODY deep", [false, true]),
            ("TEXT hello", [true, false]),
            ("TEXT inner", [false, true]),
        ])
        .prop_map(|(text, value)| (text.to_string(), value));
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|(t, v)| (format!("NOT {t}"), v.map(|b| !b))),
                (inner.clone(), inner.clone()).prop_map(|((a, x), (b, y))| (
                    format!("OR {a} {b}"),
                    [x[0] || y[0], x[1] || y[1]]
                )),
                proptest::collection::vec(inner, 1..4).prop_map(|list| {
                    let text = list.iter().map(|(t, _)| t.as_str()).collect::<Vec<_>>().join(" ");
                    let value = [0, 1].map(|n| list.iter().all(|(_, v)| v[n]));
                    (format!("({text})"), value)
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn agrees((text, value) in expression()) {
            let mut f = Fake::default().with(PLAIN, Flags::SEEN, false).with(MIXED, Flags::FLAGGED | Flags::SEEN, true);
            let found = f.search(&text);
            prop_assert_eq!([found.contains(&1), found.contains(&2)], value, "{}", text);
            prop_assert!(f.opened.len() <= 2);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// A value in which nothing is encoded is looked through as it is stored.
    #[test]
    fn plain_values(
        value in prop::collection::vec(
            prop::sample::select(vec![
                &b"="[..], b"?", b"=?", b"?=", b"=?utf-8?q?Ab=C3=A9?=", b"=?us-ascii?b?YUI=?=", b"a",
                b"Ab", b"b@c.d", b"(x)", b"\"", b" ", b"\n\t", b"\x1b$B", b"\0", b"\xe9", "\u{e9}".as_bytes(),
            ]),
            0..8,
        ),
        pattern in prop::sample::select(vec!["a", "AB", "b a", "B@C", "=?", "\u{e9}", "x", " ", ""]),
        comparator in prop::sample::select(vec![Comparator::Simple, Comparator::UnicodeCasemap]),
        is_address in any::<bool>(),
    ) {
        let (value, mut buffer) = (value.concat(), Vec::new());
        let needle = Needle::new(pattern, comparator);
        let mut is_in = |text: &str| needle.contains(text, &mut buffer);
        let expected = is_in(&encoded_word::decode(&value))
            || (is_address && address::search_form(&value).is_some_and(|form| is_in(&form)));
        let test = HeaderTest { name: b"from".to_vec(), needle: needle.clone(), is_address };
        prop_assert_eq!(Value::of(&value).passes(&test, &mut Vec::new()), expected);
    }
}
