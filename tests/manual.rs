//! The manual page and the code know the same environment variables.

use postrider::session::options::{VARIABLES, WITHOUT_EFFECT};
use std::collections::BTreeSet;

#[test]
fn every_variable_is_in_the_manual_page_and_the_other_way_round() {
    let page = include_str!("../man/imapd.8");
    let described: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix(".It Ev ")).collect();
    let known: BTreeSet<&str> = VARIABLES.iter().copied().chain(WITHOUT_EFFECT.iter().map(|(name, _)| *name)).collect();
    assert_eq!(described, known);
}
