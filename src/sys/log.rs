//! Lines for the log, and their way out. StandardError error ends in courierlogger, which takes no more
//! than 510 octets for a line and what is beyond them for the next, with a level of its own: a
//! client's word that made a line longer could be any line of the log. So every line is cut, and
//! nothing in it ends it early.

use super::{poll, signals};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// The longest line, with its level and without its line end.
pub(crate) const MAX_LINE: usize = 500;
/// The most of a value that somebody else has chosen: a name, a field of ID.
pub(crate) const MAX_VALUE: usize = 100;
/// The most of a path.
pub(crate) const MAX_PATH: usize = 255;

/// What stands for the rest of a text that was cut.
const CUT: &str = "...";

/// Whether some program takes this for the end of a line, or of the text (courierlogger: NUL;
/// Python's `splitlines`: the others).
fn ends_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A text as it may stand in the log: on one line, at most `limit` octets, `...` for what is cut
/// off; what is not UTF-8 is U+FFFD.
pub(crate) fn shown(text: &[u8], limit: usize) -> String {
    let chunks = text.utf8_chunks();
    let chars = chunks.flat_map(|c| {
        c.valid().chars().chain((!c.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER))
    });
    let mut shown = String::new();
    // As much as leaves room for the mark.
    let mut kept = 0;
    for c in chars {
        let c = if ends_a_line(c) { '/' } else { c };
        if shown.len().saturating_add(c.len_utf8()) > limit {
            shown.truncate(kept);
            shown.push_str(CUT);
            break;
        }
        shown.push(c);
        if shown.len().saturating_add(CUT.len()) <= limit {
            kept = shown.len();
        }
    }
    shown
}

/// What somebody else has chosen, for the log.
pub(crate) fn value(text: &[u8]) -> String {
    shown(text, MAX_VALUE)
}

/// A whole line without its end: the level, as courierlogger knows it, and the text.
pub(crate) fn line(level: &str, text: &str) -> String {
    [level, &shown(text.as_bytes(), MAX_LINE.saturating_sub(level.len()))].concat()
}

/// StandardError error. A reader that has stopped keeps the session waiting, as with Courier, but for a
/// signal: then the line is given up.
#[derive(Debug)]
pub(crate) struct StandardError;

impl Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        loop {
            let stopping = signals::asked_to_stop();
            if room(stderr.as_fd(), stopping) {
                // Others write to the same pipe: there may be no room any more.
                match signals::let_in(|| nix::unistd::write(&stderr, line)) {
                    Err(nix::errno::Errno::EINTR) => {}
                    other => return Ok(other?),
                }
            } else if stopping {
                return Ok(line.len());
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits for room; if the session is stopping, only looks.
fn room(fd: BorrowedFd<'_>, stopping: bool) -> bool {
    let interest = poll::WaitFor { output: Some(fd), ..poll::WaitFor::default() };
    let ready = if stopping {
        poll::wait_without_signals(interest, Duration::ZERO)
    } else {
        poll::wait(interest, None)
    };
    ready.map_or(true, |ready| ready.output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_line() {
        for (text, expected) in [
            (&b"a b"[..], "a b"),
            (b"", ""),
            (b"a\r\nINFO: b\0\x1b[1m\x7f", "a//INFO: b//[1m/"),
            ("a\u{85}b\u{2028}c\u{2029}d\u{a0}e\u{e9}".as_bytes(), "a/b/c/d\u{a0}e\u{e9}"),
            (b"a\xffb\xc3", "a\u{fffd}b\u{fffd}"),
        ] {
            assert_eq!(shown(text, 100), expected);
        }
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(shown("x".repeat(10).as_bytes(), 10), "x".repeat(10));
        assert_eq!(shown("x".repeat(11).as_bytes(), 10), "xxxxxxx...");
        assert_eq!(shown("\u{e9}".repeat(5).as_bytes(), 10), "\u{e9}".repeat(5));
        assert_eq!(shown("\u{e9}".repeat(6).as_bytes(), 10), "\u{e9}\u{e9}\u{e9}...");
        assert_eq!(shown(&[0xff; 6], 10), "\u{fffd}\u{fffd}...");
        for limit in [MAX_VALUE, MAX_PATH, MAX_LINE] {
            for c in ["x", "\u{e9}", "\u{2028}", "\u{20ac}", "\u{1f600}", "\u{85}"] {
                for n in 0..2 * limit {
                    let shown = shown(c.repeat(n).as_bytes(), limit);
                    assert!(shown.len() <= limit, "{n} of {c:?}");
                    assert_eq!(
                        shown.ends_with("..."),
                        c.replace(ends_a_line, "/").len() * n > limit,
                        "{n} of {c:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn lines_have_a_limit_with_their_level() {
        assert_eq!(line("INFO: ", "a\nb"), "INFO: a/b");
        assert_eq!(
            line("NOTICE: ", &"x".repeat(64 * 1024)),
            format!("NOTICE: {}...", "x".repeat(489))
        );
        assert_eq!(line("NOTICE: ", &"x".repeat(492)).len(), MAX_LINE);
    }
}
