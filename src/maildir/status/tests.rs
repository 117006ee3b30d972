//! STATUS from the folder's state, and beside a session without one.

use super::*;
use crate::maildir::Config;
use crate::maildir::store::LockTiming;
use crate::maildir::testing::TestFolder;
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;

const STATE: &str = "postrider.state";
const HIGHEST: Asked = Asked { sizes: false, highest: true };

/// A folder in which all messages have UIDs, without a state.
fn folder(names: &[&str]) -> TestFolder {
    let f = TestFolder::with(Config { fsync: false, index: false, ..Config::default() });
    for name in names {
        f.put(&format!("cur/{name}"));
    }
    f.scan();
    with_index(&f)
}

/// The same folder for a session with an index.
fn with_index(f: &TestFolder) -> TestFolder {
    let config = Config { index: true, ..f.store.config.clone() };
    TestFolder { root: f.root.clone(), dir: f.dir.clone(), store: Store::new(config) }
}

/// And without one.
fn without_index(f: &TestFolder) -> TestFolder {
    let config = Config { index: false, ..f.store.config.clone() };
    TestFolder { root: f.root.clone(), dir: f.dir.clone(), store: Store::new(config) }
}

fn ask(f: &TestFolder, asked: Asked) -> Status {
    read(&f.store, &f.enter(), asked).unwrap()
}

fn highest(f: &TestFolder) -> u64 {
    ask(f, HIGHEST).highest.map_or(0, ModSeq::get)
}

/// Nothing was changed for two minutes, as it looks.
fn rest(f: &TestFolder) {
    for part in ["cur", "new", "courierimapuiddb"] {
        f.age(part, 120);
    }
    settle();
}

/// Every later change has another time.
fn settle() {
    std::thread::sleep(Duration::from_millis(20));
}

fn is_proven(f: &TestFolder) -> bool {
    matches!(state::summary(&f.store, &f.enter(), true), state::Counts::Proven(..))
}

/// Other counts in the header of the state (`src/maildir/README.md`), so that an answer shows where
/// it comes from: 77 messages, 66 without \\Seen, 55 with \\Deleted.
fn forge(f: &TestFolder) {
    let mut state = std::fs::read(f.path(STATE)).unwrap();
    state.truncate(usize::try_from(base_length(&state)).unwrap());
    for (at, count) in [(56, 77u32), (60, 66), (64, 55)] {
        state[at..at + 4].copy_from_slice(&count.to_le_bytes());
    }
    let checksum = crc32fast::hash(&state[..316]);
    state[316..320].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(f.path(STATE), state).unwrap();
}

fn base_length(state: &[u8]) -> u64 {
    let section = |i: usize| {
        let at = 209 + 12 * i;
        u64::from_le_bytes(state[at..at + 8].try_into().unwrap())
    };
    320 + (0..4).map(section).sum::<u64>()
}

#[test]
fn the_counts_come_from_the_state() {
    let f = folder(&["1.a:2,S", "2.b:2,", "3.c:2,ST"]);
    let counted = ask(&f, Asked::default());
    assert!(!f.path(STATE).exists(), "a folder in use is counted each time");
    rest(&f);
    assert_eq!(ask(&f, Asked::default()), counted);
    assert!(is_proven(&f), "what was counted at rest is recorded");
    forge(&f);
    let forged = ask(&f, Asked::default());
    assert_eq!((forged.messages, forged.unseen, forged.deleted), (77, 66, 55));
    assert_eq!((forged.recent, forged.uid_next), (counted.recent, counted.uid_next));
    assert_eq!(forged.uid_validity, counted.uid_validity);
    // The sizes of those with \\Deleted are not in it, and it is not believed.
    let with_sizes = ask(&f, Asked { sizes: true, highest: false });
    assert_eq!((with_sizes.messages, with_sizes.deleted), (3, 1));
    assert!(with_sizes.deleted_bytes > 0);
    assert_eq!(ask(&without_index(&f), Asked::default()).messages, 3);
}

/// Whoever changes it, in whatever way.
#[test]
fn a_changed_folder_is_counted() {
    type Change = (&'static str, fn(&TestFolder), [usize; 4]);
    let changes: [Change; 7] = [
        ("a delivery", |f| f.put("new/4.d"), [4, 1, 2, 1]),
        ("a flag", |f| f.rename("cur/2.b:2,", "cur/2.b:2,S"), [3, 0, 0, 1]),
        ("a flag taken back", |f| f.rename("cur/1.a:2,S", "cur/1.a:2,"), [3, 0, 2, 1]),
        ("a removal", |f| f.remove("cur/3.c:2,ST"), [2, 0, 1, 0]),
        ("a file without a UID", |f| f.put("cur/9.x:2,T"), [4, 1, 2, 2]),
        ("put back into new", |f| f.rename("cur/2.b:2,", "new/2.b"), [3, 0, 1, 1]),
        ("another UID file", |f| f.set_uids("1 700000009 90\n7 1.a\n8 2.b\n9 3.c\n"), [3, 0, 1, 1]),
    ];
    for (what, change, expected) in changes {
        let f = folder(&["1.a:2,S", "2.b:2,", "3.c:2,ST"]);
        rest(&f);
        ask(&f, HIGHEST);
        assert!(is_proven(&f), "{what}");
        forge(&f);
        change(&f);
        assert!(!is_proven(&f), "{what}");
        let status = ask(&f, Asked::default());
        let counts = [status.messages, status.recent, status.unseen, status.deleted];
        assert_eq!(counts, expected, "{what}");
        assert_eq!(status, ask(&without_index(&f), Asked::default()), "{what}");
    }
}

#[test]
fn highest_covers_every_change() {
    let f = folder(&["1.a:2,S", "2.b:2,"]);
    let first = highest(&f);
    assert!(first > 1, "the state is made");
    assert_eq!(highest(&f), first);
    settle();
    let snapshot = f.scan();
    assert_eq!(snapshot.sequences.unwrap().highest().get(), first, "as SELECT says it");
    let mut before = first;
    let changes: [fn(&TestFolder); 4] = [
        |f| f.rename("cur/2.b:2,", "cur/2.b:2,S"),
        |f| f.put("courierimapkeywords/.0.1.a"),
        |f| f.write("courierimapkeywords/1.a", "work\n"),
        |f| f.remove("cur/2.b:2,S"),
    ];
    for (i, change) in changes.iter().enumerate() {
        settle();
        change(&f);
        let after = highest(&f);
        assert!(if i == 1 { after >= before } else { after > before }, "{i}: {before} {after}");
        assert_eq!(highest(&f), after, "{i}");
        before = after;
    }
    // Mail without a UID is not covered, and stays where it is. With its UID it is.
    f.put("new/3.c");
    let status = ask(&f, HIGHEST);
    assert_eq!((status.messages, status.recent, status.uid_next), (2, 1, 4));
    assert_eq!(status.highest.map(ModSeq::get), Some(before));
    assert_eq!(f.list("new"), ["3.c"]);
    assert!(!is_proven(&f), "or the next session would not look for it");
    let snapshot = f.scan();
    assert_eq!(snapshot.messages.len(), 2);
    assert!(snapshot.sequences.unwrap().highest().get() > before);
}

/// A client that has seen UIDVALIDITY here finds the same one when it opens the folder.
#[test]
fn a_folder_that_was_never_opened() {
    let f = with_index(&TestFolder::with(Config { fsync: false, ..Config::default() }));
    f.put("new/1.a");
    let status = ask(&f, HIGHEST);
    assert!(status.highest.is_some());
    assert_eq!((status.messages, status.uid_next), (1, 2));
    assert_eq!(f.uids(), format!("1 {} 1\n", status.uid_validity.get()));
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(ask(&f, HIGHEST).uid_validity, status.uid_validity);
    let snapshot = f.scan();
    assert_eq!(snapshot.uid_validity, status.uid_validity);
    assert!(snapshot.sequences.unwrap().highest() > status.highest.unwrap());
}

/// A folder without a UID file has nothing that the lock protects. Nothing is made in it but what
/// Courier makes.
#[test]
fn a_folder_without_uids_needs_no_lock() {
    for index in [false, true] {
        let f = TestFolder::with(Config { fsync: false, index, ..Config::default() });
        f.put("new/1.a");
        f.put("cur/2.b:2,S");
        f.put("cur/3.c:2,T");
        f.age("cur", 120);
        f.age("new", 120);
        // Somebody has it, and keeps it.
        let host = String::from_utf8_lossy(&f.store.config.lock_host);
        let holder = std::os::unix::process::parent_id();
        f.write("tmp/courier.lock", &format!("{holder}:{host}"));
        let before = [vec!["courierimapkeywords".to_owned()], f.list("")].concat();
        let status = ask(&f, Asked::default());
        let counts = [status.messages, status.recent, status.unseen, status.deleted];
        assert_eq!((counts, status.uid_next), ([3, 3, 2, 1], 4));
        assert_eq!(f.list(""), before);
    }
}

/// What a look without the lock has found is recorded only if nothing has changed since.
#[test]
fn a_change_between_the_look_and_the_lock() {
    type Change = (&'static str, fn(&TestFolder));
    let changes: [Change; 6] = [
        ("a delivery", |f| f.put("new/4.d")),
        ("a flag", |f| f.rename("cur/2.b:2,", "cur/2.b:2,S")),
        ("a removal", |f| f.remove("cur/3.c:2,ST")),
        ("a keyword", |f| f.put("courierimapkeywords/.0.1.a")),
        ("another UID file", |f| f.set_uids("1 700000009 90\n7 1.a\n8 2.b\n9 3.c\n")),
        ("a state", |f| drop(f.scan())),
    ];
    for (what, change) in changes {
        for has_state in [false, true] {
            let f = folder(&["1.a:2,S", "2.b:2,", "3.c:2,ST"]);
            if has_state {
                f.scan();
                f.rename("cur/1.a:2,S", "cur/1.a:2,");
            }
            rest(&f);
            let dir = f.enter();
            let look = || {
                let state = state::read(&f.store, &dir);
                recorded::Found::unlocked((&f.store, &dir), state, HIGHEST).unwrap()
            };
            assert!(look().is_current(&dir), "{what}");
            let found = look();
            change(&f);
            assert!(!found.is_current(&dir), "{what}");
        }
    }
}

/// Then a client must not take an old value for all there is.
#[test]
fn what_cannot_be_recorded_has_no_highest() {
    let f = folder(&["1.a:2,S", "2.b:2,"]);
    let first = highest(&f);
    settle();
    f.rename("cur/2.b:2,", "cur/2.b:2,S");
    let timing = f.store.timing.get();
    f.store.timing.set(LockTiming { limit: Duration::from_millis(50), ..timing });
    let host = String::from_utf8_lossy(&f.store.config.lock_host);
    let lock = || {
        let holder = std::os::unix::process::parent_id();
        f.write("tmp/courier.lock", &format!("{holder}:{host}"));
    };
    lock();
    assert_eq!(highest(&f), 0);
    assert_eq!(ask(&f, HIGHEST).unseen, 0, "the counts are right");
    f.remove("tmp/courier.lock");
    let second = highest(&f);
    assert!(second > first);
    // What is recorded already needs no lock.
    lock();
    assert_eq!(highest(&f), second);
    f.remove("tmp/courier.lock");
    assert_eq!(highest(&without_index(&f)), 0);
    // A UID names another message: only a scan can say under which UIDVALIDITY.
    f.set_uids(&f.uids().replace("1.a", "7.a"));
    f.rename("cur/1.a:2,S", "cur/7.a:2,S");
    assert_eq!(highest(&f), 0);
    f.scan();
    assert!(highest(&f) > 0);
}

/// Whatever is left of a state.
#[test]
fn a_damaged_state() {
    let f = folder(&["1.a:2,S", "2.b:2,", "3.c:2,T"]);
    rest(&f);
    let right = ask(&f, Asked::default());
    assert!(is_proven(&f));
    let state = std::fs::read(f.path(STATE)).unwrap();
    let other = folder(&["5.q:2,"]);
    rest(&other);
    ask(&other, Asked::default());
    let others = std::fs::read(other.path(STATE)).unwrap();
    let flipped = (0..state.len()).map(|at| {
        let mut state = state.clone();
        state[at] ^= 0x10;
        state
    });
    let cut = (0..state.len()).map(|length| state[..length].to_vec());
    for damaged in flipped.chain(cut).chain([others]) {
        std::fs::write(f.path(STATE), &damaged).unwrap();
        // Nothing is recorded meanwhile.
        f.age("cur", 0);
        assert_eq!(ask(&f, Asked::default()), right);
    }
    std::fs::create_dir(f.path("x")).unwrap();
    std::fs::remove_file(f.path(STATE)).unwrap();
    std::fs::rename(f.path("x"), f.path(STATE)).unwrap();
    assert_eq!(ask(&f, Asked::default()), right);
}

#[derive(Clone, Debug)]
enum Step {
    Deliver,
    Put,
    Flag(usize, &'static str),
    Remove(usize),
    PutBack(usize),
    Keyword(usize, &'static str),
    Scan,
    Rest,
    Damage(usize, u8),
    Status(Asked),
}

fn step() -> impl Strategy<Value = Step> {
    let flags = prop::sample::select(vec!["", "S", "T", "ST"]);
    prop_oneof![
        2 => Just(Step::Deliver),
        1 => Just(Step::Put),
        3 => (any::<usize>(), flags).prop_map(|(i, flags)| Step::Flag(i, flags)),
        2 => any::<usize>().prop_map(Step::Remove),
        1 => any::<usize>().prop_map(Step::PutBack),
        1 => (any::<usize>(), prop::sample::select(vec!["work", "home"]))
            .prop_map(|(i, word)| Step::Keyword(i, word)),
        3 => Just(Step::Scan),
        4 => Just(Step::Rest),
        1 => (any::<usize>(), any::<u8>()).prop_map(|(at, bits)| Step::Damage(at, bits)),
        6 => (any::<bool>(), any::<bool>())
            .prop_map(|(sizes, highest)| Step::Status(Asked { sizes, highest })),
    ]
}

/// Does one step. What another program can do, it does without a lock.
fn play(f: &TestFolder, step: &Step, count: usize) {
    let at = |i: usize| {
        let names = f.list("cur");
        (!names.is_empty()).then(|| names[i % names.len()].clone())
    };
    let base = |name: &str| name.split(':').next().unwrap().to_owned();
    match step {
        Step::Deliver => f.put(&format!("new/{count}.new")),
        Step::Put => f.put(&format!("cur/{count}.put:2,")),
        Step::Flag(i, flags) => {
            if let Some(name) = at(*i) {
                f.rename(&format!("cur/{name}"), &format!("cur/{}:2,{flags}", base(&name)));
            }
        }
        Step::Remove(i) => at(*i).iter().for_each(|name| f.remove(&format!("cur/{name}"))),
        Step::PutBack(i) => {
            if let Some(name) = at(*i) {
                f.rename(&format!("cur/{name}"), &format!("new/{}", base(&name)));
            }
        }
        Step::Keyword(i, word) => {
            if let Some(name) = at(*i) {
                f.write(&format!("tmp/{count}"), &format!("{word}\n"));
                f.rename(&format!("tmp/{count}"), &format!("courierimapkeywords/{}", base(&name)));
            }
        }
        Step::Scan => drop(f.scan()),
        Step::Rest => rest(f),
        Step::Damage(at, bits) => {
            let Ok(mut state) = std::fs::read(f.path(STATE)) else { return };
            let at = at % state.len().max(1);
            match bits {
                0..80 => state.truncate(at),
                80..100 => return f.remove(STATE),
                bits => state[at] ^= bits,
            }
            f.write("tmp/damaged", "");
            std::fs::write(f.path("tmp/damaged"), state).unwrap();
            f.rename("tmp/damaged", STATE);
        }
        Step::Status(_) => {}
    }
}

/// What HIGHESTMODSEQ has to cover: the messages with UIDs, their flags and keywords.
fn covered(f: &TestFolder) -> String {
    // As a look does it, by what is on disk alone.
    let plain = without_index(f);
    let (file, _) = uiddb::read(&plain.enter()).unwrap();
    let mut shown = format!("{:?} {}", file.validity, file.next);
    let mut there: Vec<String> = f.list("cur");
    there.extend(f.list("new"));
    let keywords = plain.enter();
    for i in 0..file.messages.len() {
        let base = String::from_utf8(file.messages.base_name(i).to_vec()).unwrap();
        let name = there.iter().find(|name| name.split(':').next() == Some(&base));
        let Some(name) = name else { continue };
        let mut messages = Messages::default();
        messages.push_named(name.as_bytes(), bit::FOUND);
        let read = keywords::read(
            &plain.store,
            &keywords,
            &messages,
            &std::cell::OnceCell::new(),
            keywords::Merge::No,
        );
        let read = read.unwrap();
        let words: Vec<&[u8]> = read.table.names_of(read.set(0)).collect();
        let flags = messages.flags(0);
        shown.push_str(&format!(" {:?} {flags:?} {words:?}", file.messages.uid(i)));
    }
    shown
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// With an index and without, the counts are the same; and no value of HIGHESTMODSEQ stands for
    /// two states of the folder.
    #[test]
    fn as_without_an_index(steps in prop::collection::vec(step(), 4..24)) {
        let f = folder(&["1.a:2,S", "2.b:2,", "3.c:2,ST"]);
        let mut told: HashMap<u64, String> = HashMap::new();
        for (i, step) in steps.iter().enumerate() {
            play(&f, step, i + 1000);
            let Step::Status(asked) = step else { continue };
            let status = ask(&f, *asked);
            let plain = ask(&without_index(&f), *asked);
            prop_assert_eq!(Status { highest: None, ..status }, plain);
            if let Some(highest) = status.highest {
                let now = covered(&f);
                let before = told.entry(highest.get()).or_insert_with(|| now.clone());
                prop_assert_eq!(&*before, &now, "{}", highest.get());
            }
        }
    }
}
