//! The table of differences, which is a manual page: every difference from Courier is a row of it.

use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../man/postrider-courier.7");

/// The names of its rows: `\fBreversed-range\fR: RFC 3501 9` is one.
pub fn rows() -> BTreeSet<&'static str> {
    let row =
        |line: &'static str| line.strip_prefix(r"\fB")?.split_once(r"\fR:").map(|(row, _)| row);
    PAGE.lines().filter_map(row).collect()
}
