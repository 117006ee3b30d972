//! The manual page and the code know the same environment variables.

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

#[test]
fn the_limits_are_in_the_manual_page_and_the_other_way_round() {
    use postrider::testing::LIMITS;
    let page = include_str!("../../man/imapd.8");
    let section = page.split("\n.Sh LIMITS\n").nth(1).and_then(|rest| rest.split("\n.Sh ").next());
    let described: Vec<(&str, usize)> = section
        .unwrap()
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
