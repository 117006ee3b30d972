//! The keyword files before and after a scan: the tables of STORAGE 3.2, as Courier 5.0.13 does it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::testing::{TestFolder, show};
use super::super::write_keywords::write_set;
use super::*;
use crate::maildir::{Config, KeywordMode};

struct Case {
    name: &'static str,
    /// `:list` and other files. `T` stands for the present period, `T-1` for the one before, ...
    before: &'static [(&'static str, &'static str)],
    shown: [&'static str; 3],
    after: &'static [(&'static str, &'static str)],
}

/// `.T-1.x` with the number in place of `T-1`.
fn filled(name: &str, period: i64) -> String {
    let Some(rest) = name.strip_prefix(".T") else { return name.to_owned() };
    let (offset, rest) = rest.split_once('.').unwrap();
    format!(".{}.{rest}", period + offset.parse::<i64>().unwrap_or(0))
}

fn run(case: &Case) {
    // The period must not change in the middle.
    while clock::now().0 % PERIOD > PERIOD - 3 {
        clock::sleep(std::time::Duration::from_millis(100));
    }
    let period = clock::now().0 / PERIOD;
    let f = TestFolder::of(&["1001.a:2,", "1002.b:2,", "1003.c:2,"]);
    f.set_uids("1 5 9\n1 1001.a\n2 1002.b\n3 1003.c\n");
    for (name, content) in case.before {
        f.write(&format!("courierimapkeywords/{}", filled(name, period)), content);
    }
    let snapshot = f.scan();
    let shown: Vec<String> =
        show(&snapshot).lines().map(|l| l.split_once(":2,").unwrap().1.trim().to_owned()).collect();
    assert_eq!(shown, case.shown, "{}", case.name);
    let mut want: Vec<_> = case
        .after
        .iter()
        .map(|(name, content)| (filled(name, period), (*content).to_owned()))
        .collect();
    want.sort();
    let got: Vec<_> = f
        .list("courierimapkeywords")
        .into_iter()
        .map(|n| (n.clone(), f.read(&format!("courierimapkeywords/{n}"))))
        .collect();
    assert_eq!(got, want, "{}", case.name);
    assert!(f.list("tmp").is_empty());
    assert_eq!(show(&f.scan()), show(&snapshot), "{}: again", case.name);
}

const LIST: (&str, &str) = (":list", "Work\nkw\n\n1001.a:0\n1002.b:0 1\n");

#[test]
fn as_courier_does_it() {
    for case in [
        Case { name: "nothing", before: &[], shown: ["", "", ""], after: &[] },
        Case { name: "list", before: &[LIST], shown: ["Work", "Work kw", ""], after: &[LIST] },
        Case {
            name: "a name that nobody has stays until the list is written",
            before: &[(":list", "Work\nunused\n\n1001.a:0\n")],
            shown: ["Work", "", ""],
            after: &[(":list", "Work\nunused\n\n1001.a:0\n")],
        },
        Case {
            name: "a line of nobody",
            before: &[(":list", "Work\nkw\nunused\n\n1001.a:0\n1009.z:0 1\n")],
            shown: ["Work", "", ""],
            after: &[(":list", "Work\n\n1001.a:0\n")],
        },
        Case {
            name: "only lines of nobody",
            before: &[(":list", "Work\n\n1009.z:0\n")],
            shown: ["", "", ""],
            after: &[],
        },
        Case {
            name: "a new file is merged and kept",
            before: &[(":list", "Work\n\n1001.a:0\n"), ("1002.b", "x\nWORK\n")],
            shown: ["Work", "Work x", ""],
            after: &[(":list", "Work\nx\n\n1001.a:0\n1002.b:0 1\n"), (".T+1.1002.b", "x\nWORK\n")],
        },
        Case {
            name: "the last keyword goes",
            before: &[(":list", "Work\n\n1001.a:0\n"), ("1001.a", "")],
            shown: ["", "", ""],
            after: &[(".T+1.1001.a", "")],
        },
        Case {
            name: "a file that says what the list says",
            before: &[LIST, ("1001.a", "Work\n")],
            shown: ["Work", "Work kw", ""],
            after: &[LIST, (".T+1.1001.a", "Work\n")],
        },
        Case {
            name: "the highest period counts",
            before: &[
                (":list", "Work\n\n1001.a:0\n"),
                (".T+1.1001.a", "next\n"),
                (".T.1001.a", "now\n"),
                (".T-1.1001.a", "before\n"),
            ],
            shown: ["next", "", ""],
            after: &[
                (":list", "next\n\n1001.a:0\n"),
                (".T+1.1001.a", "next\n"),
                (".T.1001.a", "now\n"),
                (".T-1.1001.a", "before\n"),
            ],
        },
        Case {
            name: "of two old ones the lower goes",
            before: &[
                (":list", "Work\n\n1001.a:0\n"),
                (".T-1.1001.a", "x\n"),
                (".T-2.1001.a", "y\n"),
            ],
            shown: ["x", "", ""],
            after: &[(":list", "x\n\n1001.a:0\n"), (".T-1.1001.a", "x\n")],
        },
        Case {
            name: "a lone old one goes",
            before: &[(":list", "Work\n\n1001.a:0\n"), (".T-2.1001.a", "y\n")],
            shown: ["y", "", ""],
            after: &[(":list", "y\n\n1001.a:0\n")],
        },
        Case {
            name: "one from the future does not outrank a newer change (Courier 6)",
            before: &[LIST, (".T+5.1001.a", "kw\n"), ("1001.a", "Work\n")],
            shown: ["Work", "Work kw", ""],
            after: &[(".T+5.1001.a", "Work\n"), LIST],
        },
        Case {
            name: "a lone one of this period stays",
            before: &[(":list", "y\n\n1001.a:0\n"), (".T.1001.a", "y\n")],
            shown: ["y", "", ""],
            after: &[(":list", "y\n\n1001.a:0\n"), (".T.1001.a", "y\n")],
        },
        Case {
            name: "an old one beside a new one stays",
            before: &[(".T-2.1001.a", "y\n"), ("1001.a", "z\n")],
            shown: ["z", "", ""],
            after: &[(":list", "z\n\n1001.a:0\n"), (".T-2.1001.a", "y\n"), (".T+1.1001.a", "z\n")],
        },
        Case {
            name: "files of nobody stay for a while, others for ever",
            before: &[
                ("1009.z", "x\n"),
                (".5.1009.z", "x\n"),
                (".foo", "x"),
                (".x.1001.a", "x"),
                (".5", "x"),
            ],
            shown: ["", "", ""],
            after: &[
                ("1009.z", "x\n"),
                (".5.1009.z", "x\n"),
                (".foo", "x"),
                (".x.1001.a", "x"),
                (".5", "x"),
            ],
        },
        Case {
            name: "what no reply could hold",
            before: &[(":list", "a b\n(x)\n\n1001.a:0 1\n")],
            shown: ["a_b _x_", "", ""],
            after: &[(":list", "a b\n(x)\n\n1001.a:0 1\n")],
        },
        Case {
            name: "indexes of nothing",
            before: &[(":list", "a\n\n1001.a:0 7\n1002.b:7\n1003.c:\n")],
            shown: ["a", "", ""],
            after: &[(":list", "a\n\n1001.a:0 7\n1002.b:7\n1003.c:\n")],
        },
        Case {
            name: "no LF at the end",
            before: &[(":list", "a\n\n1001.a:0\n1002.b:0")],
            shown: ["a", "a", ""],
            after: &[(":list", "a\n\n1001.a:0\n1002.b:0")],
        },
        Case {
            name: "no lines",
            before: &[(":list", "a\nb\n")],
            shown: ["", "", ""],
            after: &[(":list", "a\nb\n")],
        },
        Case {
            name: "of two lines the later counts",
            before: &[(":list", "a\nb\n\n1001.a:0\n1001.a:1\n")],
            shown: ["b", "", ""],
            after: &[(":list", "a\nb\n\n1001.a:0\n1001.a:1\n")],
        },
        Case {
            name: "one keyword in two spellings",
            before: &[(":list", "a\nA\n\n1001.a:0\n1002.b:1\n")],
            shown: ["a", "a", ""],
            after: &[(":list", "a\nA\n\n1001.a:0\n1002.b:1\n")],
        },
    ] {
        run(&case);
    }
}

#[test]
fn old_rubbish_goes() {
    let f = TestFolder::of(&["1001.a:2,"]);
    let now = clock::now().0;
    let young = format!(".tmp.{now}{now}.M1P1.h");
    let old = format!(".tmp.{}{now}.M1P1.h", now - 130);
    for name in ["1009.z", ".5.1009.z", ".5.1001.a:2", &young, &old] {
        f.write(&format!("courierimapkeywords/{name}"), "x\n");
    }
    f.age("courierimapkeywords/1009.z", 16 * 60);
    f.age("courierimapkeywords/.5.1009.z", 14 * 60);
    f.scan();
    assert_eq!(f.list("courierimapkeywords"), [".5.1001.a:2", ".5.1009.z", &young]);
}

#[test]
fn off_means_not_looked_at() {
    let f = TestFolder::with(Config { keywords: KeywordMode::Off, ..Config::default() });
    f.put("cur/1001.a:2,");
    f.scan();
    assert!(f.path("courierimapkeywords").is_dir());
    f.write("courierimapkeywords/1001.a", "x\n");
    assert_eq!(show(&f.scan()), "1 1001.a:2,\n");
    assert_eq!(f.list("courierimapkeywords"), ["1001.a"]);
}

#[test]
fn strange_files_are_empty() {
    let f = TestFolder::of(&["1001.a:2,", "1002.b:2,", ":list:2,"]);
    f.set_uids("1 5 9\n1 1001.a\n2 1002.b\n3 :list\n");
    f.write("courierimapkeywords/:list", "Work\n\n1001.a:0\n1002.b:0\n");
    std::fs::create_dir(f.path("courierimapkeywords/1001.a")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", f.path("courierimapkeywords/1002.b")).unwrap();
    assert_eq!(show(&f.scan()), "1 1001.a:2,\n2 1002.b:2,\n3 :list:2,\n");
    write_set(&f.store, &f.enter(), b":list", &[b"x"]).unwrap();
    assert!(!f.path("courierimapkeywords/:list").exists());
}

#[test]
fn any_bytes_are_read() {
    let f = TestFolder::of(&["1.a:2,"]);
    f.scan();
    for content in [
        &b"\0\xff\n\n1.a:0"[..],
        b"\n\n\n",
        b"x\n\n:\n1.a\n1.a:99999999999999999999999 0\n",
        b"",
        b"\n1.a:0\n",
    ] {
        std::fs::write(f.path("courierimapkeywords/:list"), content).unwrap();
        f.scan();
        std::fs::write(f.path("courierimapkeywords/1.a"), content).unwrap();
        f.scan();
    }
}

/// In a shared folder others may leave as many files as they like: no more of them are read than it
/// takes to know that there are many keywords.
#[test]
fn not_all_names_are_read() {
    let f = TestFolder::of(&["1.a:2,"]);
    f.scan();
    for n in 0..9 {
        f.write(&format!("courierimapkeywords/{n}.unknown"), &format!("word{n}\n"));
    }
    let found = |enough| all_names(&f.store, &f.enter(), enough).unwrap().names().len();
    assert_eq!((found(2), found(100)), (3, 9));
}
