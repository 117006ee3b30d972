//! What a comment cites is there: each section of PROTOCOL (`src/commands/README.md`) and STORAGE
//! (`src/maildir/README.md`), and each heading of the architecture page, `src/lib.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The pages that are cited by section: their names in comments, and their files.
const PAGES: [(&str, &str); 2] =
    [("PROTOCOL", "src/commands/README.md"), ("STORAGE", "src/maildir/README.md")];
const ARCHITECTURE: &str = "src/lib.rs";

/// The comments of a file: their text, and for each line where it begins in the text and its
/// number.
#[derive(Default)]
struct Comments {
    text: String,
    lines: Vec<(usize, usize)>,
}

impl Comments {
    /// Comments on lines that follow each other are one text, since a citation may be wrapped.
    fn of(file: &str, is_comment: impl Fn(&str) -> Option<&str>) -> Comments {
        let mut comments = Comments::default();
        for (number, line) in (1..).zip(file.lines()) {
            comments.lines.push((comments.text.len(), number));
            match is_comment(line) {
                Some(comment) => comments.text += &format!("{} ", comment.trim()),
                None => comments.text.push('\n'),
            }
        }
        comments
    }

    fn line(&self, at: usize) -> usize {
        self.lines.iter().rev().find(|(start, _)| *start <= at).map_or(0, |(_, number)| *number)
    }
}

/// The comment on a line: of Rust, of scripts and dialogs; all of a page in Markdown.
fn comment<'l>(path: &Path, line: &'l str) -> Option<&'l str> {
    let start = line.trim_start();
    if path.extension().is_some_and(|e| e == "md") {
        return Some(line);
    }
    for mark in ["//!", "///", "//", "#", ".\\\""] {
        if let Some(text) = start.strip_prefix(mark) {
            return Some(text);
        }
    }
    line.split_once(" // ").map(|(_, text)| text)
}

/// A citation, by where it stands.
#[derive(PartialEq, Eq, Debug)]
struct Citation {
    at: usize,
    page: &'static str,
    section: String,
}

/// `4.6` at the start of a text, and what follows; not a version such as `5.0.13`.
fn section(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let found = text[..end].trim_end_matches('.');
    let whole = !found.is_empty() && found.split('.').count() <= 2;
    (whole && !found.contains("..")).then(|| (found, &text[found.len()..]))
}

/// The sections between two of one chapter, both of them with it.
fn range(from: &str, to: &str) -> Vec<String> {
    match (from.split_once('.'), to.split_once('.')) {
        (Some((chapter, first)), Some((same, last))) if chapter == same => {
            let number = |n: &str| n.parse::<u32>().unwrap();
            (number(first)..=number(last)).map(|n| format!("{chapter}.{n}")).collect()
        }
        _ => vec![to.to_owned()],
    }
}

/// `PROTOCOL 2.2, 3`, `STORAGE 4.3, 5, 6`, `PROTOCOL 4.6 to 4.9`, `lib.rs, "The store"`. A page
/// that is named in a comment without a section, but for a name in backquotes, is a citation of "".
fn citations(text: &str) -> Vec<Citation> {
    let mut found = Vec::new();
    for (page, _) in PAGES {
        for (at, _) in text.match_indices(page) {
            let mut rest = &text[at + page.len()..];
            let next = rest.strip_prefix(' ').and_then(section);
            let name = text[..at].ends_with(['`', '"', '_']) || rest.starts_with(['`', '=', '"']);
            let Some((first, after)) = next else {
                if !name {
                    found.push(Citation { at, page, section: String::new() });
                }
                continue;
            };
            let mut last = first;
            found.push(Citation { at, page, section: first.to_owned() });
            rest = after;
            while let Some((separator, (next, after))) = [", ", " and ", " to "]
                .into_iter()
                .find_map(|s| Some((s, rest.strip_prefix(s).and_then(section)?)))
            {
                let all =
                    if separator == " to " { range(last, next) } else { vec![next.to_owned()] };
                found.extend(all.into_iter().map(|section| Citation { at, page, section }));
                (last, rest) = (next, after);
            }
        }
    }
    for (at, mark) in text.match_indices("lib.rs, \"") {
        let heading = text[at + mark.len()..].split('"').next().unwrap_or_default();
        let section = heading.split_whitespace().collect::<Vec<_>>().join(" ");
        found.push(Citation { at, page: "lib.rs", section });
    }
    found
}

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

/// The numbers of a page's headings; none is there twice.
fn sections(page: &str) -> BTreeSet<String> {
    let mut sections = BTreeSet::new();
    for line in read(page).lines().filter(|line| line.starts_with('#')) {
        let title = line.trim_start_matches('#').trim();
        if let Some((number, _)) = section(title) {
            assert!(sections.insert(number.to_owned()), "{page} has two sections {number}");
        }
    }
    sections
}

fn headings() -> BTreeSet<String> {
    let page = read(ARCHITECTURE);
    let titles = page.lines().filter_map(|line| line.strip_prefix("//! #"));
    titles.map(|title| title.trim_start_matches('#').trim().to_owned()).collect()
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

#[test]
fn each_cited_section_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for directory in ["src", "tests", "scripts", "man"] {
        files(&root.join(directory), &mut paths);
    }
    let pages = PAGES.map(|(page, file)| (page, file, sections(file)));
    let headings = headings();
    let (mut missing, mut count) = (Vec::new(), 0);
    for path in paths {
        let comments = Comments::of(&read(&path), |line| comment(&path, line));
        let is_rust = path.extension().is_some_and(|e| e == "rs");
        for citation in citations(&comments.text) {
            let Citation { at, page, section } = citation;
            // Elsewhere these words may mean something else (QUOTA's STORAGE).
            if section.is_empty() && (!is_rust || path.ends_with(file!())) {
                continue;
            }
            count += 1;
            let there = match pages.iter().find(|(name, _, _)| *name == page) {
                Some((_, _, sections)) => sections.contains(&section),
                None => headings.contains(&section),
            };
            if !there {
                let shown = path.strip_prefix(root).unwrap().display();
                missing.push(format!("{shown}:{}: {page} {section:?}", comments.line(at)));
            }
        }
    }
    assert!(missing.is_empty(), "cited, but not there:\n{}", missing.join("\n"));
    assert!(count > 100, "only {count} citations were found");
}

#[test]
fn the_forms_of_a_citation() {
    let found = |file: &str| {
        let comments = Comments::of(file, |line| comment(Path::new("x.rs"), line));
        let shown = |c: Citation| format!("{} {} {}", comments.line(c.at), c.page, c.section);
        citations(&comments.text).into_iter().map(shown).collect::<Vec<_>>()
    };
    for (file, expected) in [
        ("/// See (PROTOCOL 2.2, 3).", &["1 PROTOCOL 2.2", "1 PROTOCOL 3"][..]),
        ("x(); // STORAGE 1.1.", &["1 STORAGE 1.1"]),
        ("//! Done (STORAGE\n//! 10.3). It", &["1 STORAGE 10.3"]),
        ("# STORAGE 4.3, 5, 6", &["1 STORAGE 4.3", "1 STORAGE 5", "1 STORAGE 6"]),
        (
            "\n// PROTOCOL 4.6 to 4.8)",
            &["2 PROTOCOL 4.6", "2 PROTOCOL 4.6", "2 PROTOCOL 4.7", "2 PROTOCOL 4.8"],
        ),
        ("// (STORAGE 5.3, 5.0.13)", &["1 STORAGE 5.3"]),
        ("// as STORAGE says", &["1 STORAGE "]),
        ("// `PROTOCOL` and `PROTOCOL=SMAP1` and `STORAGE n`", &[]),
        ("let x = \"STORAGE 9 5\";", &[]),
        ("/// (lib.rs, \"The\n/// store\")", &["1 lib.rs The store"]),
    ] {
        assert_eq!(found(file), expected, "{file}");
    }
}
