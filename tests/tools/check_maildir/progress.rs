//! Words on long work, for people who wait.

use crate::Report;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

/// A line that is written over on a terminal, a line every ten seconds elsewhere.
pub struct Progress<'a> {
    what: &'a str,
    count: u64,
    last: Instant,
    terminal: bool,
}

impl<'a> Progress<'a> {
    pub fn new(what: &'a str, count: u64) -> Self {
        Self { what, count, last: Instant::now(), terminal: std::io::stderr().is_terminal() }
    }

    pub fn tell(&mut self, at: u64, report: &Report) {
        let pause =
            if self.terminal { Duration::from_millis(300) } else { Duration::from_secs(10) };
        if self.last.elapsed() < pause {
            return;
        }
        self.last = Instant::now();
        let line = format!(
            "{}: {at}/{} messages, {} findings",
            self.what,
            self.count,
            report.findings.len()
        );
        if self.terminal {
            eprint!("\r{line}\x1b[K");
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }

    pub fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
