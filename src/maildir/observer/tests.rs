use super::*;
use std::path::Path;

fn folder(root: &Path) -> Dir {
    for sub in ["cur", "new", "tmp", "courierimapkeywords"] {
        std::fs::create_dir_all(root.join(sub)).unwrap();
    }
    Dir::at(root)
}

fn put(at: &Path) {
    std::fs::write(at, "").unwrap();
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_quiet_folder_is_polled_less_often() {
    let hours = |n: f64| poll_interval(Duration::from_secs(3600).mul_f64(n));
    assert_eq!(hours(0.0), POLL_INTERVAL);
    assert_eq!(hours(1.0), POLL_INTERVAL);
    assert_eq!(hours(2.0), POLL_INTERVAL * 2);
    assert!(hours(6.0) < MAX_POLL_INTERVAL);
    assert_eq!(hours(7.0), MAX_POLL_INTERVAL);
    assert_eq!(hours(1e9), MAX_POLL_INTERVAL);
}

#[test]
fn a_refused_watch_is_asked_for_less_and_less_often() {
    let start = clock::monotonic();
    let mut retry = Retry::new();
    assert!(retry.is_due(start));
    let mut now = start;
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        retry.refused(now);
        assert!(!retry.is_due(now + SECOND * pause - Duration::from_millis(1)));
        now += SECOND * pause;
        assert!(retry.is_due(now));
    }
}

/// A second change within the tick of the first leaves the same times, and is found all the same.
#[test]
fn new_times_are_scanned_again_when_they_are_settled() {
    let root = tempfile::tempdir().unwrap();
    let dir = folder(root.path());
    let start = clock::monotonic();
    let old = Stamps::of(&dir);
    let mut times = Times::new(old, start);
    assert!(!times.compare(old, start + Duration::from_millis(20)), "a scan has just begun");
    assert!(times.compare(old, start + SECOND));
    assert!(!times.compare(old, start + SECOND * 2));
    put(&dir.path().join("cur/a"));
    let new = Stamps::of(&dir);
    assert!(times.compare(new, start + SECOND * 3));
    assert!(times.compare(new, start + SECOND * 4), "the second change");
    assert!(!times.compare(new, start + SECOND * 5));
    assert!(times.compare(old, start + SECOND * 6), "restored");

    // A file system that keeps whole seconds settles later. (The change time of a file here cannot
    // be set, so the stamp is made.)
    let coarse = Stamps(new.0.map(|stamp| stamp.map(Stamp::in_whole_seconds)));
    let mut times = Times::new(coarse, start);
    assert!(!times.compare(coarse, start + SECOND));
    assert!(times.compare(coarse, start + SECOND * 3));
    assert!(!times.compare(coarse, start + SECOND * 5));
}

#[test]
fn a_poll_sees_what_comes_goes_and_is_exchanged() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path().join("folder");
    let dir = folder(&at);
    let mut observer = Observer::new(&dir);
    let mut step = |what: &str, expected: bool| {
        observer.times.since = clock::monotonic();
        assert_eq!(observer.poll(), expected, "{what}");
    };
    step("nothing", false);
    for sub in ["cur", "new", "courierimapkeywords"] {
        put(&at.join(sub).join("a"));
        step("a file", true);
        step("nothing", false);
    }
    put(&at.join("tmp/a"));
    step("a file in tmp", false);
    std::fs::rename(at.join("new"), at.join("old")).unwrap();
    step("no new", true);
    step("nothing", false);
    std::fs::create_dir(at.join("new")).unwrap();
    step("another new", true);
    step("nothing", false);
    std::fs::rename(&at, root.path().join("away")).unwrap();
    step("no folder", true);
    step("nothing", false);
    folder(&at);
    step("another folder", true);
    step("nothing", false);
}

/// Whether the observer is notified now.
fn is_noticed(observer: &mut Observer) -> bool {
    let mut any = false;
    while observer.take_notice() {
        any = true;
    }
    any
}

#[test]
fn a_watch_follows_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path().join("folder");
    let other = root.path().join("other");
    let dir = folder(&at);
    folder(&other);
    let history = History::new();
    let mut observer = Observer::new(&dir);
    assert!(observer.is_watching() && observer.poll_after(&history).is_none());
    // In its place at once: notice goes on.
    for sub in ["cur", "new", "courierimapkeywords"] {
        std::fs::rename(at.join(sub), at.join("old")).unwrap();
        std::fs::create_dir(at.join(sub)).unwrap();
        assert!(is_noticed(&mut observer), "{sub}");
        assert!(observer.is_watching() && !is_noticed(&mut observer), "{sub}");
        put(&at.join(sub).join("a"));
        assert!(is_noticed(&mut observer), "{sub}");
        std::fs::remove_dir_all(at.join("old")).unwrap();
    }
    put(&at.join("courierimapuiddb"));
    assert!(!is_noticed(&mut observer), "not what a scan writes");
    // The folder is away for a while: polls, until it is there.
    std::fs::rename(&at, root.path().join("away")).unwrap();
    assert!(is_noticed(&mut observer));
    assert!(!observer.is_watching() && observer.poll_after(&history).is_some());
    std::fs::rename(&other, &at).unwrap();
    assert!(observer.poll() && observer.is_watching());
    assert!(observer.poll_after(&history).is_none());
    put(&at.join("new/b"));
    assert!(is_noticed(&mut observer));
}

/// A link that leads elsewhere gives no notice, and the clock finds it.
#[test]
fn what_the_watch_misses_is_polled_for() {
    let root = tempfile::tempdir().unwrap();
    let (a, b) = (root.path().join("a"), root.path().join("b"));
    folder(&a);
    folder(&b);
    let link = root.path().join("link");
    std::os::unix::fs::symlink(&a, &link).unwrap();
    let mut history = History::new();
    let mut observer = Observer::new(&Dir::at(&link));
    // A change that was noticed is none that was missed.
    put(&a.join("new/a"));
    assert!(observer.found_by_clock(&mut history));
    assert!(observer.poll_after(&history).is_none());
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&b, &link).unwrap();
    assert!(!is_noticed(&mut observer));
    assert!(observer.poll());
    assert!(!observer.found_by_clock(&mut history));
    assert!(observer.poll_after(&history).is_some());
    put(&b.join("new/a"));
    assert!(is_noticed(&mut observer), "the watch is on the other one now");
}

/// A directory that is exchanged while the watch is made gives no notice: that is no watch.
#[test]
fn a_watch_that_came_too_late_is_none() {
    let root = tempfile::tempdir().unwrap();
    let dir = folder(root.path());
    let mut observer = Observer::new(&dir);
    let before = Stamps::of(&dir);
    std::fs::rename(root.path().join("new"), root.path().join("old")).unwrap();
    std::fs::create_dir(root.path().join("new")).unwrap();
    observer.begin_watch(before);
    assert!(!observer.is_watching() && observer.refusal().is_none());
    assert!(observer.poll() && observer.is_watching());
    // The keywords' directory, which the watch makes, is no such case.
    std::fs::remove_dir(root.path().join("courierimapkeywords")).unwrap();
    assert!(Observer::new(&dir).is_watching());
}
