//! What the tests and the tools share. Each room does one thing:
//!
//! - [`programs`]: where our program, Courier's and strace are.
//! - [`maildir`]: a Maildir that vanishes after the test, and its listing.
//! - [`process`]: a server process on pipes or on a socket; its responses, literals included.
//! - [`session`]: a session as a test types it, with checks that print the whole story.
//! - [`client`]: a client that believes every word, and finds contradictions.
//! - [`dialog`]: sessions in text files, and the player for them. [`differences`]: the table that
//!   declares where two servers may differ.
//! - [`grammar`]: what a server may say; every response of ours is held against it.
//! - [`stops`]: a session that stands still behind a system call.
//! - [`random`]: numbers that a seed repeats. [`clock`]: a process with another time. [`text`]:
//!   bytes as people read them.
//!
//! Every session is the real binary. It gets an empty environment plus what the test names, so
//! that no test ever opens somebody's mail.
//!
//! ```ignore
//! let maildir = Maildir::new();
//! maildir.deliver("INBOX", "1000.a", b"Subject: hello\n\nbody\n");
//! let mut s = maildir.session(&[("IMAP_KEYWORDS", "1")]);
//! s.cmd("SELECT INBOX").ok("[READ-WRITE] Ok").has("* 1 EXISTS");
//! ```

pub mod client;
pub mod clock;
pub mod dialog;
pub mod differences;
pub mod grammar;
pub mod maildir;
pub mod process;
pub mod programs;
pub mod random;
pub mod session;
pub mod stops;
pub mod text;

pub use maildir::Maildir;
pub use programs::{is_program, postrider};
pub use random::Random;
pub use session::{Reply, Session};
pub use text::{find, split_crlf};

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest that a test waits for one answer.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until it is so.
#[track_caller]
pub fn until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What every session has unless the test says otherwise. AUTHENTICATED comes from Courier's login
/// program and IMAP_KEYWORDS from its start script. HOSTNAME and TZ make file names and dates the
/// same everywhere.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("AUTHENTICATED", "alice"),
    ("HOSTNAME", "host.example"),
    ("IMAP_KEYWORDS", "1"),
    ("TZ", "UTC0"),
];

/// Whether a response only says that a command is at work (RFC 9585). On a busy machine anything
/// may take a second.
pub fn is_progress(response: &[u8]) -> bool {
    response.starts_with(b"* OK [INPROGRESS ")
}

/// Whether a response is the greeting of a session that nobody logged in to, with the capabilities
/// or without.
pub fn is_greeting(response: &[u8]) -> bool {
    response.starts_with(b"* PREAUTH ") && response.ends_with(b"Ready.")
}

/// Unix seconds now.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
