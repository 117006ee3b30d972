//! Several sessions, and deliveries, over one folder at once: no mail is lost, no UID ever names
//! two messages, no session's numbering contradicts what it was told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use support::{Maildir, Random, Reply, Session};

const SESSIONS: usize = 4;
const STEPS: usize = 120;
const DELIVERIES: usize = 60;

/// What all sessions together know: which message a UID names; and which messages were removed on
/// purpose.
#[derive(Default)]
struct Truth {
    named: Mutex<BTreeMap<u32, String>>,
    sent: Mutex<BTreeSet<String>>,
    expunged: AtomicUsize,
}

/// One client: a session and what it knows of its folder.
struct Client<'a> {
    session: Session,
    truth: &'a Truth,
    /// By sequence number: the UID, once it was told.
    view: Vec<Option<u32>>,
}

impl Client<'_> {
    fn cmd(&mut self, command: &str) -> Reply {
        let reply = self.session.cmd(command);
        self.hear(&reply);
        reply
    }

    /// Takes in the untagged lines, and finds contradictions.
    fn hear(&mut self, reply: &Reply) {
        let story = || self.session.story();
        for response in &reply.responses {
            let text = String::from_utf8_lossy(response).into_owned();
            let mut words = text.splitn(4, ' ');
            let (Some("*"), Some(number), Some(word)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let Ok(n) = number.parse::<usize>() else { continue };
            match word {
                "EXISTS" => {
                    assert!(n >= self.view.len(), "EXISTS shrinks: {text}\n{}", story());
                    self.view.resize(n, None);
                }
                "EXPUNGE" => {
                    assert!(
                        n >= 1 && n <= self.view.len(),
                        "EXPUNGE of nothing: {text}\n{}",
                        story()
                    );
                    self.view.remove(n - 1);
                    self.truth.expunged.fetch_add(1, Ordering::Relaxed);
                }
                "FETCH" => {
                    assert!(
                        n >= 1 && n <= self.view.len(),
                        "FETCH beyond the folder: {text}\n{}",
                        story()
                    );
                    let Some(uid) = text.split_once("UID ").map(|(_, t)| t) else { continue };
                    let digits: String = uid.chars().take_while(char::is_ascii_digit).collect();
                    let uid: u32 = digits.parse().unwrap();
                    let known = self.view[n - 1].get_or_insert(uid);
                    assert_eq!(
                        *known,
                        uid,
                        "number {n} names another message: {text}\n{}",
                        story()
                    );
                    // Which message is it? A message that is gone may be shown as nothing.
                    let Some(id) = text.split("X-Id: ").nth(1).and_then(|t| t.lines().next())
                    else {
                        continue;
                    };
                    let mut named = self.truth.named.lock().unwrap();
                    let before = named.entry(uid).or_insert_with(|| id.to_owned());
                    assert_eq!(before, id, "UID {uid} names two messages\n{}", story());
                }
                _ => {}
            }
        }
        let last = String::from_utf8_lossy(reply.last()).into_owned();
        assert!(
            last.contains(" OK ") || last.contains(" NO ") || last.starts_with('+'),
            "unexpected: {last}\n{}",
            story()
        );
    }
}

#[test]
fn sessions_and_deliveries_over_one_folder() {
    let maildir = Maildir::new();
    maildir.folder("INBOX.other");
    let truth = Truth::default();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..SESSIONS {
            let (maildir, truth) = (&maildir, &truth);
            scope.spawn(move || one_client(maildir, truth, number));
        }
        scope.spawn(|| {
            for n in 0..DELIVERIES {
                let id = format!("delivered-{n}");
                maildir.deliver(
                    "INBOX",
                    &format!("{}.d{n}", 2_000_000_000 + n),
                    message(&id).as_bytes(),
                );
                truth.sent.lock().unwrap().insert(id);
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
            done.store(true, Ordering::Relaxed);
        });
    });
    assert!(done.load(Ordering::Relaxed));

    // Afterwards: what a fresh session sees is what every other fresh session sees, and nothing
    // lies about.
    let mut a = Client { session: maildir.session(&[]), truth: &truth, view: Vec::new() };
    a.cmd("SELECT INBOX");
    a.cmd("FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (X-Id)])");
    let uids: Vec<u32> = a.view.iter().map(|u| u.unwrap()).collect();
    assert!(uids.windows(2).all(|w| w[0] < w[1]), "UIDs ascend\n{}", a.session.story());
    let left: BTreeSet<String> =
        uids.iter().map(|u| truth.named.lock().unwrap()[u].clone()).collect();
    assert_eq!(left.len(), uids.len(), "each message once");
    let sent = truth.sent.lock().unwrap();
    assert!(left.is_subset(&sent));
    assert!(truth.expunged.load(Ordering::Relaxed) > 0, "the test removes something");
    let stray: Vec<String> = maildir.files().into_iter().filter(|f| f.contains("tmp/")).collect();
    assert!(stray.is_empty(), "left in tmp: {stray:?}");
    // Whatever was sent and is not there any more was seen by someone as \Deleted and expunged:
    // messages that were never flagged are all here.
    for id in sent.iter().filter(|id| id.starts_with("kept-")) {
        assert!(left.contains(id), "{id} is lost\n{}\n{}", a.session.story(), maildir.listing());
    }
}

fn message(id: &str) -> String {
    format!("From: x@example.com\nX-Id: {id}\nSubject: torture\n\nbody of {id}\n")
}

fn one_client(maildir: &Maildir, truth: &Truth, number: usize) {
    let mut random = Random(number as u64 + 1);
    let mut c = Client { session: maildir.session(&[]), truth, view: Vec::new() };
    c.cmd("SELECT INBOX");
    for step in 0..STEPS {
        let n = c.view.len();
        let pick = 1 + random.below(n);
        match random.below(10) {
            0 | 1 => {
                let id = if random.below(2) == 0 {
                    format!("kept-{number}-{step}")
                } else {
                    format!("sent-{number}-{step}")
                };
                let flags = ["()", "(\\Seen)", "(\\Flagged Kw)"][random.below(3)];
                // Known as sent before any session can see it.
                truth.sent.lock().unwrap().insert(id.clone());
                let reply = c.session.cmd_literal(
                    &format!("APPEND INBOX {flags}"),
                    message(&id).replace('\n', "\r\n").as_bytes(),
                    "",
                );
                c.hear(&reply);
                assert!(
                    reply.last().windows(10).any(|w| w == b" OK [APPEN"),
                    "{}",
                    c.session.story()
                );
            }
            2 => drop(c.cmd("NOOP")),
            3 => drop(c.cmd("CHECK")),
            4 | 5 if n > 0 => {
                c.cmd(&format!("FETCH {pick} (UID FLAGS BODY.PEEK[HEADER.FIELDS (X-Id)])"));
            }
            6 if n > 0 => drop(c.cmd(&format!(
                "STORE {pick} +FLAGS ({})",
                ["\\Seen", "\\Answered", "Kw", "Other"][random.below(4)]
            ))),
            7 if n > 0 => {
                // Only messages that may go are flagged for it.
                c.cmd(&format!("FETCH {pick} (UID BODY.PEEK[HEADER.FIELDS (X-Id)])"));
                let id =
                    c.view[pick - 1].and_then(|u| truth.named.lock().unwrap().get(&u).cloned());
                if id.is_some_and(|id| !id.starts_with("kept-")) {
                    c.cmd(&format!("STORE {pick} +FLAGS.SILENT (\\Deleted)"));
                }
            }
            8 => drop(c.cmd("EXPUNGE")),
            _ if n > 0 => drop(c.cmd(&format!("COPY {pick} INBOX.other"))),
            _ => drop(c.cmd("NOOP")),
        }
    }
    c.cmd("NOOP");
    c.cmd("LOGOUT");
}
