//! The pages and the code know the same settings, extensions and limits.

use postrider::testing::{VARIABLES, WITHOUT_EFFECT};
use std::collections::BTreeSet;

#[test]
fn every_variable_is_in_the_manual_page_and_the_other_way_round() {
    let page = include_str!("../../man/imapd.8");
    let described: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix(".It Ev ")).collect();
    let known: BTreeSet<&str> =
        VARIABLES.iter().copied().chain(WITHOUT_EFFECT.iter().map(|(name, _)| *name)).collect();
    assert_eq!(described, known);
}

#[test]
fn the_limits_of_the_log_and_of_the_end_are_in_the_manual_page() {
    use postrider::testing::{GRACE, LOG_FAULTS, LOG_LINE, LOG_PATH, LOG_VALUE, STALL};
    let page = include_str!("../../man/imapd.8").split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        format!("A line has at most {LOG_LINE} bytes"),
        format!("is cut at {LOG_VALUE} bytes, a path at {LOG_PATH}"),
        format!("After {LOG_FAULTS} faults"),
        format!("takes no output for {} seconds", STALL.as_secs()),
        format!("after a signal for {} seconds in all", GRACE.as_secs()),
    ] {
        assert!(page.contains(&text), "{text}");
    }
}

/// What stands between a heading of the manual page and the next.
fn section(heading: &str) -> &'static str {
    let page = include_str!("../../man/imapd.8");
    let rest = page.split(&format!("\n.Sh {heading}\n")).nth(1).unwrap();
    rest.split("\n.Sh ").next().unwrap()
}

#[test]
fn every_extension_is_in_the_manual_page_and_the_other_way_round() {
    let rows = section("EXTENSIONS").lines().filter_map(|line| line.strip_prefix(".It "));
    let ours: BTreeSet<&str> =
        rows.filter_map(|row| row.split_once(" Ta ours Ta ").map(|(word, _)| word)).collect();
    assert_eq!(ours, postrider::testing::extensions().into_iter().collect());
}

/// Lines of the page such as `A, B and C need D`.
#[test]
fn what_an_extension_needs_is_in_the_manual_page_and_the_other_way_round() {
    let mut described = BTreeSet::new();
    for line in section("ENVIRONMENT").lines() {
        let verb = [" need ", " needs "].into_iter().find_map(|verb| line.split_once(verb));
        let Some((words, need)) = verb else { continue };
        if need.chars().all(|c| c.is_ascii_uppercase() || "=-".contains(c)) {
            described.extend(words.split(", ").flat_map(|w| w.split(" and ")).map(|w| (w, need)));
        }
    }
    let known: BTreeSet<(&str, &str)> = postrider::testing::needs()
        .into_iter()
        .flat_map(|(word, needs)| needs.iter().map(move |need| (word, *need)))
        .collect();
    assert_eq!(described, known);
}

/// In a row of a table, such a word is not printed: it is a macro.
#[test]
fn no_word_of_a_table_is_a_macro() {
    let page = include_str!("../../man/imapd.8");
    for row in page.lines().filter(|line| line.starts_with(".It ") && line.contains(" Ta ")) {
        for word in row.split(' ') {
            assert!(
                !["An", "Ar", "At", "Do", "Em", "In", "No", "So", "Po"].contains(&word),
                "{row}"
            );
        }
    }
}

#[test]
fn the_table_of_clients_has_four_columns() {
    let readme = include_str!("../../README.md");
    let table = readme.split("\n| Client |").nth(1).unwrap().split("\n\n").next().unwrap();
    for row in table.lines().skip(1) {
        assert_eq!(row.matches('|').count(), 5, "{row}");
    }
}

#[test]
fn every_rfc_of_an_extension_is_among_the_standards() {
    let numbers = |text: &'static str| {
        text.split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| word.len() == 4 && word.parse::<u16>().is_ok())
    };
    let rows = section("EXTENSIONS").lines().filter_map(|line| line.strip_prefix(".It "));
    let named: BTreeSet<&str> =
        rows.filter_map(|row| row.split(" Ta ").nth(2)).flat_map(numbers).collect();
    let standards: BTreeSet<&str> = numbers(section("STANDARDS")).collect();
    assert_eq!(named.difference(&standards).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn every_extension_is_in_the_readme() {
    let readme = include_str!("../../README.md");
    let rest = readme.split("\nBeyond Courier, ").nth(1).unwrap();
    let paragraph = rest.split("\n\n").next().unwrap();
    let words: BTreeSet<&str> = paragraph
        .split(|c: char| c.is_whitespace() || ",;:.()".contains(c))
        .filter(|word| !word.is_empty())
        .collect();
    for word in postrider::testing::extensions() {
        assert!(words.contains(word), "{word}");
    }
}

#[test]
fn the_limits_are_in_the_manual_page_and_the_other_way_round() {
    use postrider::testing::LIMITS;
    let described: Vec<(&str, usize)> = section("LIMITS")
        .lines()
        .filter_map(|line| line.strip_prefix(".It ")?.split_once(" Ta "))
        .map(|(what, most)| (what, most.parse().unwrap()))
        .collect();
    assert_eq!(described, LIMITS);
    // No constant is left out of the table.
    let source = include_str!("../../src/types/limits.rs");
    let constants = source.matches("\npub(crate) const MAX_").count();
    assert_eq!(constants, LIMITS.len());
}
