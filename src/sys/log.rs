//! Lines for the log, and writing them to standard error. The reader is courierlogger, which splits
//! lines longer than 510 bytes and takes each part for a line with a level of its own. So a client
//! that makes a line long enough could forge any other line. Every line is cut before that, and
//! characters that would end it early are replaced.

use super::{poll, signals};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// The longest line in bytes, with its level and without its line end.
pub(crate) const MAX_LINE: usize = 500;
/// The longest value that others have chosen (a name, a field of ID), in bytes.
pub(crate) const MAX_VALUE: usize = 100;
/// The longest path, in bytes.
pub(crate) const MAX_PATH: usize = 255;

/// The target of errors in Courier's own words, which have the account in Courier's place, and of
/// which each one counts.
pub(crate) const COURIER: &str = "courier";

/// Replaces the rest of a text that is cut.
const CUT: &str = "...";

/// Whether a program that reads the log takes this for the end of a line or of the text
/// (courierlogger: NUL; Python's `splitlines`: the others).
fn ends_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A text for the log: on one line, at most `limit` bytes, with `...` for what is cut off and
/// U+FFFD for what is not UTF-8.
pub(crate) fn shown(text: &[u8], limit: usize) -> String {
    let chunks = text.utf8_chunks();
    let chars = chunks.flat_map(|c| {
        c.valid().chars().chain((!c.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER))
    });
    let mut shown = String::new();
    // The length that leaves room for the mark.
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

/// A value that others have chosen, for the log.
pub(crate) fn value(text: &[u8]) -> String {
    shown(text, MAX_VALUE)
}

/// A line without its end: the level, as courierlogger spells it, and the text.
pub(crate) fn line(level: &str, text: &str) -> String {
    [level, &shown(text.as_bytes(), MAX_LINE.saturating_sub(level.len()))].concat()
}

/// Standard error. If its reader has stopped, the session waits, as Courier's does, until a signal
/// asks it to stop; then the line is dropped.
#[derive(Debug)]
pub(crate) struct StandardError;

impl Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        loop {
            let stopping = signals::asked_to_stop();
            if wait_for_room(stderr.as_fd(), stopping) {
                // Others write to the same pipe, so the room may be gone, and the call block.
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

/// Waits for room, or only checks for it if the session is stopping.
fn wait_for_room(fd: BorrowedFd<'_>, stopping: bool) -> bool {
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
